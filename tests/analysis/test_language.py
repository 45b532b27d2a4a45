"""Japanese: everything that is said has a translation, and everything that is shown has its glyphs."""

from __future__ import annotations

import ast
import base64
import html
import io
import json
import pickle
import re
import string
import sys
import warnings
from collections.abc import Iterator
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from babel.messages.pofile import read_po
from fontTools.ttLib import TTFont
from jinja2 import Environment, nodes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from analysis.effects import answer
from analysis.effects.answer import write_effects
from analysis.folders.run_folder import Run
from analysis.report import figures as plots
from analysis.report.page import write_report
from analysis.style import fonts, language, look, words
from analysis.style.language import told_in, translated
from analysis.style.lines import folded, width
from cxsim import cli
from cxsim.cli.terminal import Parser
from cxsim.progress import Progress
from sim.phrases import ConfigError, Phrase
from sim.run.provenance import ROOT
from tests.analysis.fake_run import make_run
from tests.analysis.said import ERRORS, SOURCES, TEMPLATES, calls, literals, messages, texts
from tests.config.test_bad_input import VALUES
from tests.config.test_run_command import Terminal

JAPANESE = re.compile("[ぁ-んァ-ヶ一-龠]")


# -- the catalogue --------------------------------------------------------------------------------------------


def places(text: str) -> set[str]:
    """Names of the places in a text."""
    return {name for _text, name, *_format in string.Formatter().parse(text) if name}


def entries() -> Iterator[tuple[str, str]]:
    """(English, Japanese) of the catalogue's file."""
    with (ROOT / "analysis" / "locale" / "ja.po").open("rb") as file:
        for entry in read_po(file):
            if entry.id:
                assert not entry.fuzzy, entry.id
                yield str(entry.id), str(entry.string)


def test_what_is_said_and_what_is_translated_are_the_same() -> None:
    said, known = texts(), {text for text, _told in entries()}
    assert {text: place for text, place in said.items() if text not in known} == {}
    assert known - said.keys() == set()


def test_places_agree() -> None:
    assert [text for text, told in entries() if places(text) != places(told)] == []


AS_THEY_ARE = (
    "optimise: {problem}",
    "tolerance: {problem}",
    "kind: {problem}",
    "scenario.{scenario}.interventions.{key}.{problem}",
    "scenario.{scenario}.variants.{variant}: {problem}",
)
"""Messages of which nothing is there to translate, although they have words."""


def test_every_message_is_told_in_japanese_with_the_same_values() -> None:
    with told_in("ja"):
        wrong = [message for message, filled in messages() if filled and not _told_with_its_values(message)]
    assert wrong == []


def _told_with_its_values(message: str) -> bool:
    """Whether the language in use tells a message in its own words and with every value as the message shows it."""
    specs = {name: spec or "" for _text, name, spec, _conversion in string.Formatter().parse(message) if name}
    places = {name: place for place, name in enumerate(specs)}
    numbers = {name: 11 + places[name] for name, spec in specs.items() if spec[-1:] in ("f", "g", ",", "X")}
    values = {name: f"a{place}" for name, place in places.items()} | numbers
    line = translated(Phrase(message, **values))
    shown = [format(value, specs[name]) for name, value in values.items()]
    words = re.search("[a-z]{2}", re.sub(r"\{\w+[^}]*\}", "", message))
    in_words = JAPANESE.search(line) or not words or message in AS_THEY_ARE
    return bool(in_words) and all(value in line for value in shown)


def test_every_message_without_values_is_told_in_japanese() -> None:
    plain = [message for message, filled in messages() if not filled]
    assert len(plain) > 100
    with told_in("ja"):
        assert [message for message in plain if not JAPANESE.search(translated(Phrase(message)))] == []


def test_a_phrase_survives_the_way_between_processes_and_through_a_table() -> None:
    allowed = Phrase("from {low:g} to {high:g}", low=0.0, high=np.float64(1.5))
    problem = Phrase("{value:g} is not allowed; {allowed}", value=np.int64(3), allowed=allowed)
    error = ConfigError("{key}: {problem}", key="a.b", problem=problem)
    kept = Phrase.of(json.loads(json.dumps(error.plain())))
    for same in (pickle.loads(pickle.dumps(error)), kept):
        assert str(same) == "a.b: 3 is not allowed; from 0 to 1.5"
        with told_in("ja"):
            assert translated(same) == "a.b: 3 は指定できません。0から1.5までを指定してください。"


def test_values_are_no_formats() -> None:
    """What a user wrote may hold braces."""
    error = ConfigError("{key}: {problem}", key="{0}", problem=Phrase("{value} is not a number", value="{'x': 1}"))
    assert str(error) == "{0}: {'x': 1} is not a number"
    with told_in("ja"):
        assert translated(error) == "{0}: {'x': 1} は数値ではありません。"


@pytest.mark.parametrize(
    ("words", "english", "japanese"),
    [
        ("a --name b --fast", "unrecognized arguments: --fast", "不明な引数です: --fast。"),
        ("--name b", "the following arguments are required: DIR", "次の引数が必要です: DIR。"),
        ("a", "the following arguments are required: --name", "次の引数が必要です: --name。"),
        ("a --name", "argument --name: expected one argument", "--name: 値を1つ指定してください。"),
        ("a --name b -w x", "argument --weeks/-w: invalid int value: 'x'", "--weeks/-w: 'x' は整数ではありません。"),
        ("a --name b --yen x", "argument --yen: invalid float value: 'x'", "--yen: 'x' は数値ではありません。"),
        (
            "a --name b --cfg c",
            "argument --cfg: 'c' is not allowed; one of job, all",
            "--cfg: 'c' は指定できません。指定できるのは次のいずれかです: job, all。",
        ),
        ("a --name b --we 1", "ambiguous option: --we could match --weeks, --wed", "ambiguous option: --we"),
    ],
)
def test_a_word_that_a_command_does_not_take(words: str, english: str, japanese: str) -> None:
    parser = Parser(prog="cxsim it")
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--name", required=True)
    parser.add_argument("--weeks", "-w", type=int)
    parser.add_argument("--wed")
    parser.add_argument("--yen", type=float)
    parser.add_argument("--cfg", choices=["job", "all"])
    with pytest.raises(ConfigError) as refused:
        parser.given(words.split())
    assert str(refused.value) == f"it: {english}; see cxsim it --help"
    with told_in("ja"):
        assert translated(refused.value).startswith(f"it: {japanese}")


# -- the sources ----------------------------------------------------------------------------------------------


def speaking() -> list[Path]:
    return [path for path in SOURCES if re.search(r"import .*\b_\b", path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", speaking(), ids=lambda path: path.name)
def test_nothing_else_is_called_as_the_translation_is(path: Path) -> None:
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    named = [node for node in tree if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == "_"]
    assert [node.lineno for node in named] == []


@pytest.mark.parametrize("path", speaking(), ids=lambda path: path.name)
def test_texts_are_whole_before_they_are_translated(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    marked = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in ("_", "N_")]
    assert [call.lineno for call in marked if isinstance(call.args[0], ast.JoinedStr | ast.BinOp)] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_messages_are_written_where_they_are_said(path: Path) -> None:
    """So that the catalogue has them: literals, or those of another phrase; of phrases also tables of texts."""
    said = calls(path, (*ERRORS, "Phrase"))
    unsaid = [call for call in said if not literals(call.args[0])]
    finished = [call for call in unsaid if isinstance(call.args[0], ast.JoinedStr | ast.BinOp)]
    assert [call.lineno for call in finished] == []
    errors = [call for call in unsaid if ast.unparse(call.func) != "Phrase"]
    assert [call.lineno for call in errors if not ast.unparse(call.args[0]).endswith(".message")] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_translate_literals_only(path: Path) -> None:
    """What a user wrote must not be taken for markup of ours."""
    tree = Environment().parse(path.read_text(encoding="utf-8"))
    calls = [call for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Name) and call.node.name == "_"]
    assert [call.lineno for call in calls if not isinstance(call.args[0], nodes.Const)] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_say_nothing_untranslated(path: Path) -> None:
    tree = Environment().parse(path.read_text(encoding="utf-8"))
    data = "".join(node.data for node in tree.find_all(nodes.TemplateData))
    data = re.sub(r"<(style|code)>.*?</\1>", "", data, flags=re.DOTALL)
    assert re.findall(r'(?:title|aria-label|alt)="[^"]*[A-Za-z]{2,}', data) == []
    assert re.findall(r"[A-Za-z]{2,}", re.sub(r"<[^>]*>|&\w+;", " ", data)) == []


# -- the command line -----------------------------------------------------------------------------------------

KINDS = (
    "customers=0", "customers=many", "customers=null", "days=on", "seed=inf", "replications=1", "precision=0.01",
    "engine=colunm", "start_date=tomorrow", "company.hold_norush=1", "company.capacity_ratio=0", "company.margin=1.5",
    "company.margin.value=0.9", "company.margin={mean: 0.3}", "company.margin={rnage: [0, 1]}", "company.desk=3",
    "personas.mix.fan.share=0.5", "customers=100 market.network.degree=200", "customer=1000", "company.zzz=1",
    "~company.margin", "scenario=norush", "scenario=[]", "scenario=baseline,peach_popup", "customers", "--fast",
    "--config-dir nowhere", "rnu", "report nowhere", "calibrate log.csv",
)  # fmt: skip
"""Bad input of each kind that a strategist is likely to meet."""

BAD = [(given, held) for given, held in VALUES if " ".join(given).removeprefix("run ") in KINDS]


def test_every_kind_is_there() -> None:
    assert len(BAD) == len(KINDS)


@pytest.mark.parametrize(("given", "held"), BAD, ids=[" ".join(given) for given, _held in BAD])
def test_bad_input_is_told_in_japanese(
    given: list[str],
    held: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([*given, "language=ja"]) == cli.BAD_INPUT
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert JAPANESE.search(err)
    key = held[0].partition(":")[0]
    assert key in err  # and the numbers of the first fragment, key and value
    assert set(re.findall(r"\d[\d.]*", held[0])) <= set(re.findall(r"\d[\d.]*", err))
    assert list(tmp_path.iterdir()) == []


def test_help_and_listing_are_told_in_japanese_and_the_language_ends_with_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for given in (["--help"], ["scenarios"]):
        assert cli.main([*given, "language=ja"]) == cli.OK
        assert JAPANESE.search(capsys.readouterr().out)
    assert language.language() == "en"
    assert cli.main(["scenarios"]) == cli.OK
    assert not JAPANESE.search(capsys.readouterr().out)


def test_an_unknown_language_and_a_missing_extra_are_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["scenarios", "language=jp"]) == cli.BAD_INPUT
    assert capsys.readouterr().err == "cxsim: language: 'jp' is not allowed; one of en, ja\n"
    monkeypatch.setattr(language, "find_spec", lambda name: None)
    assert cli.main(["scenarios", "language=ja"]) == cli.BAD_INPUT
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "pip install" in err
    assert ".[ja]" in err


def test_progress_leaves_no_wide_characters_behind() -> None:
    screen = Terminal(tty=True)
    with told_in("ja"):
        progress = Progress(screen, translated, clock=iter([0.0, 10.0, 20.0]).__next__)  # type: ignore[arg-type]
        progress(1, 4, Phrase("simulating"))
        progress(4, 4, Phrase("simulating"))
    before, after = screen.text.split("\r")[1:]
    assert "30秒" in before
    assert width(after) >= width(before)


# -- what is shown --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_run(
        tmp_path_factory.mktemp("runs") / "run", {"norush_coupon": "受取日を急がない顧客にクーポンを出す。"}
    )
    write_effects(made)
    return made


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return write_report(folder, "ja").read_text(encoding="utf-8")


@lru_cache
def glyphs(path: Path) -> frozenset[int]:
    return frozenset(FT2Font(str(path)).get_charmap())


def test_every_figure_has_its_glyphs(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look.warnings, "filterwarnings", lambda *_, **__: None)  # which hush what is looked for here
    with told_in("ja"), warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = plots.figures(Run(folder), "norush_coupon")
        for name, figure in figures.items():
            look.save(figure, tmp_path / name)
            shown = "".join(text.get_text() for text in figure.findobj(Text) if text.get_visible())
            assert JAPANESE.search(shown), name
            assert {mark for mark in shown if ord(mark) not in glyphs(fonts.path()) and mark != "\n"} == set(), name


def test_lines_of_a_label_do_not_touch(folder: Path) -> None:
    """Baselines of a label's lines are at least a glyph's height apart, the font's ascent and descent."""
    with told_in("ja"):
        figure = Figure()
        text = figure.text(0.5, 0.5, "漢字\n漢字", fontsize=100, family=fonts.families([]))
        lower = figure.text(0.5, 0.1, "漢字", fontsize=100, family=fonts.families([]))
        fonts.space_lines(figure)
        renderer = FigureCanvasAgg(figure).get_renderer()
        two, one = (shown.get_window_extent(renderer).height for shown in (text, lower))
    assert two >= 2 * one


class Texts(HTMLParser):
    """Texts that a page shows, but for commands and what the tables of assumptions cite."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self._inside.append("quoted" if ("class", "small") in attrs or ("class", "known") in attrs else tag)
        self.found += [value or "" for key, value in attrs if key in ("title", "aria-label")]

    def handle_endtag(self, tag: str) -> None:
        self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not {"quoted", "style", "code"} & set(self._inside):
            self.found.append(data)


def test_a_page_says_nothing_in_english(page: str) -> None:
    english = [text for text in Texts(page).found if re.search(r"[a-z]{2,} [a-z]{2,}", text)]
    assert english == []
    assert '<html lang="ja">' in page


def test_a_page_carries_its_glyphs(page: str) -> None:
    embedded = re.search(r'url\("data:font/woff;base64,([^"]+)"\)', page)
    assert embedded is not None
    font = TTFont(io.BytesIO(base64.b64decode(embedded[1])))
    carried = font.getBestCmap().keys()
    shown = set(html.unescape(re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)))
    assert {mark for mark in shown if ord(mark) > 126 and ord(mark) not in carried} == set()
    assert len(carried) < 1500  # what is shown and no more
    families = set(re.findall(r"<text style=\"[^\"]*?font-family: '([^']+)'", page))
    assert families == {fonts.FAMILY}  # of texts in figures, the first choice


@pytest.mark.usefixtures("page")
def test_the_same_run_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "elsewhere", {"norush_coupon": "受取日を急がない顧客にクーポンを出す。"})
    write_report(other, "ja")
    names = ["report.html", *(f"figures/{path.name}" for path in sorted((folder / "figures").iterdir()))]
    assert [name for name in names if (folder / name).read_bytes() != (other / name).read_bytes()] == []


@pytest.mark.usefixtures("unpictured")
def test_a_report_is_told_again_in_the_runs_language_or_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", points=2)
    config = run / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8") + "language: ja\n", encoding="utf-8")
    write_effects(run)
    tables = {path: path.read_bytes() for path in run.iterdir()}
    for given, told in (([], "ja"), (["language=en"], "en"), (["language=ja"], "ja")):
        assert cli.main(["report", str(run), *given]) == cli.OK
        assert f'<html lang="{told}">' in (run / "report.html").read_text(encoding="utf-8")
    assert {path: path.read_bytes() for path in tables} == tables  # names are a contract


def test_columns_line_up(folder: Path) -> None:
    with told_in("ja"):
        head, rule, *rows = answer.summary_table(folder).splitlines()[1:]
        units = [words.unit(metric) for metric in answer.SHOWN]
    assert width(head) <= width(rule)
    starts = {width(row) - width(unit) for row, unit in zip(rows, units, strict=True)}
    assert len(starts) == 1


@pytest.mark.parametrize("columns", range(12, 40))
def test_lines_break_by_the_rules(columns: int) -> None:
    text = "効果は（潜在顧客1人あたり）+0.81 (-3.06〜+4.69)円で、「判定できません」と答えます。"
    with told_in("ja"):
        lines_of_it = folded(text, columns).split("\n")
    assert all(width(line) <= max(columns, width("-3.06〜+4.69)円で、")) for line in lines_of_it)
    assert "".join(lines_of_it).replace(" ", "") == text.replace(" ", "")
    assert [line for line in lines_of_it if line[0] in "、。）」" or line[-1] in "（「"] == []
    assert any("(-3.06〜+4.69)" in line for line in lines_of_it)


def test_importing_changes_nobodys_matplotlib(page: str) -> None:
    assert "matplotlib_fontja" not in sys.modules
