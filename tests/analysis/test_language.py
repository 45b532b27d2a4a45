"""Japanese: everything that is said has a translation, and everything that is shown has its glyphs."""

from __future__ import annotations

import ast
import base64
import html
import io
import re
import string
import sys
import warnings
from collections.abc import Iterator
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path

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
from analysis.style.language import TOLD_PLACES, Catalogue, Pattern, catalogue, retold, told_in
from analysis.style.lines import folded, width
from cxsim import cli
from cxsim.progress import Progress
from sim.calibration.log import RULES
from sim.learning import ab_test, survey
from sim.run.provenance import ROOT
from tests.analysis.fake_run import make_run
from tests.analysis.said import SOURCES, TEMPLATES, lines, texts
from tests.config.test_bad_input import VALUES
from tests.config.test_run_command import Terminal

JAPANESE = re.compile("[ぁ-んァ-ヶ一-龠]")
OTHER_LINES = (
    # said by the command line
    "interrupted; nothing was left behind",
    "interrupted; the same command goes on with what is missing in sweeps/a",
    "not enough memory; take fewer customers, threads or events",
    "job 0a failed: customers: 3 is not allowed; from 100 up",
    "job 0a failed: ValueError: nobody expected this",
    "job 0a died: a worker process was killed, most likely for want of memory",
    "job 0a missing: was not run",
    "sweeps/a: is no folder of a run or a sweep",
    # of Hydra, turned into a line
    "company=cdnwo: no such company; one of cdnow, quick; did you mean cdnow?",
    "scenario=norush: no such scenario; one of baseline, norush_coupon; did you mean norush_coupon?",
    "a configuration file is no YAML: while parsing",
    "a configuration file is not UTF-8: invalid start byte",
    "a=[: not of the form key=value; no viable alternative",
    "customer: no such key; did you mean customers?",
    "company.margin.mean: is not there yet; write company.margin={mean: ...}",
    "scenario=a,b: several values; as a list key=[a,b], as a sweep with -m",
    "company: is named twice; once each",
    "Cannot find primary config 'nothing'. Check that it's in your config search path.",
    # of argparse
    "run: unrecognized arguments: --fast; see cxsim run --help",
    "report: the following arguments are required: RUN; see cxsim report --help",
    "calibrate: argument --holdout: invalid int value: 'x'; see cxsim calibrate --help",
    "calibrate: argument --yen: invalid float value: 'x'; see cxsim calibrate --help",
    "run: argument --cfg/-c: invalid choice: 'jobs' (choose from 'job', 'all'); see cxsim run --help",
    "run: argument --package/-p: expected one argument; see cxsim run --help",
    # of the system
    "a/b: No such file or directory",
    "a/b: No space left on device",
    "a/b: Permission denied",
    "a/b: Read-only file system",
    "a/b: Not a directory",
    "a/b: Is a directory",
    "a/b: File exists",
    # bounds, in all their forms, and values that are none
    "a: 3 is not allowed; from 0 up",
    "a: 3 is not allowed; from 0 to 1",
    "a: 3 is not allowed; above 0 up",
    "a: 3 is not allowed; above 0 to 1",
    "a: 3 is not allowed; any number",
    "a: 3 is not allowed; only b",
    "a: nothing is not allowed; one of b, c",
    "a: nothing is not a number",
    "a: nothing is not a text",
    "a: range 3 is not a list",
    "a: options 3 is not a list",
    "a: unit 3 is not a text",
    "a: source 3 is not a text",
    "a: customers sum to 3; shares must sum to 1",
    "a: no such option; options are b, c",
    "log.csv has no column 'a' for customer (did you mean 'b'?); it has: b, c",
    "orders.csv: row 3: price: -1 is not allowed; from 0 up (7 such rows)",
    # progress
    "simulating 1/3",
    "simulating 1/3, about 20 s left",
    "simulating 1/3, about 3 min left",
    "sweeping 1/3",
    "sweeping 1/3, about 20 s left",
    "sweeping 1/3, about 3 min left",
    "simulated, time clock",
    "searching 1/3",
    "checking 1/3",
    # of evidence, beside the model
    *(f"lift of {metric.replace('_', ' ')} after 28 days, {unit}" for metric, (unit, _read) in ab_test.METRICS.items()),
    "lift of conversion after 28 days, relative",
    "size not said",
    "2,000 customers",
    *survey.NAMES,
    "share ordering within 28 days of an answer",
    "900 answers of 700 customers",
    *(
        f"repurchase after {late} late, relative to on time"
        for late in ("1 day", "2 days", "2 to 3 days", "4 or more days")
    ),
    "repurchase within 60 days, on time",
    "4,000 deliveries, 300 late",
    "compares whoever was late with whoever was not, unadjusted",
    # of a calibration
    "log.csv: 505 rows; dropped: nothing; 53 merged into the same customer's day",
    "log.csv: 505 rows; dropped: 1 malformed row, 2 unparsable date; 53 merged into the same customer's day",
    *(f"3 {rule}" for rule in RULES),
    *(f"{rule} 3" for rule in RULES),
    "log.csv: none of 3 rows is left after cleaning (unparsable date 3); dates look like 'x'",
    "log.csv: none of 3 rows is left after cleaning (unparsable value 3); values look like 'x'",
    "1133 customers, 4511 purchase days, 2009-12-01 to 2010-11-30 (52.1 weeks)",
    "fitted to 2010-09-06: 901 customers who had bought by then; the weeks after are kept out",
    "maximum likelihood, standard errors in brackets, weeks and yen:",
    "  BG/NBD, episode clock    log-likelihood -6406.2: r=0.7117 (0.053), alpha=8.565 (0.74)",
    "  BG/NBD, episode clock    log-likelihood -6406.2 (not converged): r=0.7117 (0.053), alpha=8.565 (0.74)",
    "  gamma-gamma, basket      p=1.993 (0.25), q=3.195 (0.31); mean basket 82,927 yen at 190 yen per unit (± 4.5 %)",
    "  gamma-gamma, basket      p=1.993 (0.25), q=3.195 (0.31); mean basket 82,927 yen (± 4.5 %)",
    *(
        "BG/NBD: the log leaves lapse open (a and b not identified). With a weak prior around the default company's it "
        f"is 0.37 % {per} (90 %: 0.083 to 1.2 %), log-likelihood 0.6 below the maximum"
        for per in ("an order", "a week")
    ),
    *(
        f"BG/NBD: simulated for fitted repeats {when} correction: week 20 643 for 650 (-1.0 %), week 40 1897 for 1917 "
        "(-1.0 %)"
        for when in ("before", "after")
    ),
    "BG/NBD: alpha times 0.990, mean lapse times 0.977; Monte Carlo error 0.3 %",
    *(
        f"BG/NBD: a year's expected repeats are known to 7.1 % ({how}; drawn one by one they would make 11.3 %), "
        "carried by alpha alone"
        for how in ("sampling error", "all parameters jointly")
    ),
    "cumulative repeats at week 40: log 2154",
    "  simulated, episode clock      1918   -11.0 %",
    "  the fits miss the log's total by more than 5 %: buying is not steady there (a season, growth), which these "
    "models leave out; the simulated baseline follows the fits",
    "holdout, weeks 41 to 52: 1119 repeats in the log",
    "  forecast                   repeats     error  weekly error (root mean square, repeats)",
    "  last 8 weeks continued         776   -30.7 %  32.1",
    "channel not recognised and left out: kiosk (understood are web: web, online; app: app)",
    "delivery classes: standard 80.0 %, express 20.0 %",
    "delivery classes: standard 80.0 %, express 20.0 %; never seen, as in the default: norush",
    "on time: 93.0 % of 500 orders, late ones by 2.1 days; nearest at capacity ratio 1.2: 92.8 % simulated with 50000 "
    "customers",
    "coupons: used in 7.0 % of 500 orders, so redemption by those who hold one is at least that",
    "channels: web 60.0 %, app 40.0 %",
)
"""Lines that no raise statement of the sources holds as they are said."""


# -- the catalogue --------------------------------------------------------------------------------------------


def places(text: str) -> set[str]:
    """Names of the places in a text."""
    return {name for _text, name, *_format in string.Formatter().parse(text) if name}


def entries() -> Iterator[tuple[str | None, str, str]]:
    """(context, English, Japanese) of the catalogue's file."""
    with (ROOT / "analysis" / "locale" / "ja.po").open("rb") as file:
        for entry in read_po(file):
            if entry.id:
                assert not entry.fuzzy, entry.id
                yield entry.context, str(entry.id), str(entry.string)


def used(found: Catalogue, line: str) -> Iterator[Pattern]:
    """The patterns that a line is told by, its own and those of its clauses."""
    for pattern in found.patterns:
        match = pattern.line.fullmatch(line)
        if match and found._places(match.groupdict()) is not None:
            yield pattern
            for place in TOLD_PLACES & match.groupdict().keys():
                yield from used(found, match[place])
            return


def test_what_is_said_and_what_is_translated_are_the_same() -> None:
    said, translated = texts(), {text for context, text, _told in entries() if context is None}
    assert {text: place for text, place in said.items() if text not in translated} == {}
    assert translated - said.keys() == set()


def test_places_agree() -> None:
    assert [text for _context, text, told in entries() if places(text) != places(told)] == []


def test_every_error_is_told_in_japanese() -> None:
    with told_in("ja"):
        said = {**lines(), **dict.fromkeys(OTHER_LINES, "")}
        assert {line: place for line, place in said.items() if not JAPANESE.search(retold(line))} == {}


def test_no_pattern_is_without_a_line() -> None:
    found = catalogue("ja")
    alive = {pattern.told for line in (*lines(), *OTHER_LINES) for pattern in used(found, line)}
    assert [pattern.told for pattern in found.patterns if pattern.told not in alive] == []


def test_a_line_is_told_whole_or_not_at_all() -> None:
    with told_in("ja"):
        assert retold("customers: 0 is not allowed; who knows what") == "customers: 0 is not allowed; who knows what"
        told = retold("a.b: {'x': 1} is not a number")
    assert told.startswith("a.b: {'x': 1} は")


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
    "customers=0", "customers=many", "customers=null", "days=on", "seed=inf", "replications=1", "precision=0",
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
        progress = Progress(screen, retold, clock=iter([0.0, 10.0, 20.0]).__next__)  # type: ignore[arg-type]
        progress(1, 4, "simulating")
        progress(4, 4, "simulating")
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


def test_the_same_run_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "elsewhere", {"norush_coupon": "受取日を急がない顧客にクーポンを出す。"})
    for run in (folder, other):
        write_report(run, "ja")
    names = ["report.html", *(f"figures/{path.name}" for path in sorted((folder / "figures").iterdir()))]
    assert [name for name in names if (folder / name).read_bytes() != (other / name).read_bytes()] == []


def test_a_report_is_told_again_in_the_runs_language_or_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", draws=2)
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
