"""`cxsim new`: ten questions about a firm and what it would try; a folder with a company and a scenario that run."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

from analysis.style import words as told
from analysis.style.language import N_, _, language
from cxsim.cli import OK
from cxsim.cli.start import SMALL
from cxsim.cli.terminal import LANGUAGE, Parser, say, without_language
from cxsim.compose import compose, composer, settings_of, shown
from sim.phrases import ConfigError, listed, nearest

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Question(NamedTuple):
    """A number that is asked for: its key in a company file, the question, and what an answer looks like. `needed`:
    there is no answer that it is not known. `whole`: it counts something."""

    key: str
    text: str
    example: str
    needed: bool = False
    whole: bool = False


QUESTIONS = (
    Question("members", N_("How many members has the firm: everybody with an account, and whoever else may buy?"),
             "50000", needed=True, whole=True),
    Question("margin", N_("What share of a basket is margin, before delivery?"), "30 %", needed=True),
    Question("orders_a_month", N_("How many orders come in a month, of all channels?"), "1500"),
    Question("active_customers", N_("How many customers have bought within the last 365 days?"), "6000"),
    Question("average_basket", N_("How many yen is an average basket?"), "3500"),
    Question("conversion", N_("What share of visits ends in an order?"), "2.5 %"),
    Question("repeat_share", N_("Of those who bought within a year, what share buys within the next?"), "45 %"),
    Question("on_time", N_("What share of parcels arrives no later than promised, outside peaks?"), "96 %"),
    Question("nps", N_("What is the NPS of those who answer your survey, from -100 to 100?"), "-15"),
)  # fmt: skip
"""Nine numbers of a dashboard; the tenth question is what to try."""

OF_COMPANY = ("members", "margin")
"""Answers that stand in a company file by themselves; the others are its facts."""

SIZES = "on_time"
"""The fact that sizes the warehouse, which none can be without: where it is not known, general.yaml's stands."""

SCENARIO = "scenario"
UNKNOWN = ("", "?", "null")
"""Answers that say that a number is not known."""


def new(words: list[str]) -> int:
    """Ask, or take the answers that are given; check them as a run would; write the folder and say what is next."""
    given = _parser().given(without_language(words))
    folder = given.folder
    if not NAME.fullmatch(folder.name):
        raise ConfigError("new: {name}: is no name for a firm; letters, digits and _, a letter first", name=folder.name)
    if folder.exists():
        raise ConfigError("new: {folder}: is there already; name another folder", folder=folder)
    stated = _stated(given.answers, given.overrides)
    answers = _checked(folder, stated) if stated else _asked(folder)
    _write(folder, answers)
    print("\n".join(_next(folder, answers[SCENARIO])))
    return OK


def _parser() -> Parser:
    parser = Parser(
        prog="cxsim new",
        description=_(
            "Ask ten questions about a firm, and write a folder with its company file and a scenario, which run with "
            "--config-dir. An empty answer says that a number is not known. For scripts, answers stand on the command "
            "line or in a file, and nothing is asked."
        ),
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help=_("a folder that is not there yet; names the firm"))
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=_("answers: members=50000 margin=0.3 ..."))
    parser.add_argument("--answers", type=Path, metavar="FILE", help=_("a YAML file with answers by key"))
    return parser


# -- answers ----------------------------------------------------------------------------------------------------


def tried() -> dict[str, str]:
    """Titles of the shipped scenarios that a firm can choose, in the language in use, by name."""
    from sim.files.plain import read_yaml
    from sim.tables import SHOCKS

    found = {}
    for file in sorted(_scenarios().iterdir(), key=lambda one: one.name):
        if file.name.endswith(".yaml"):
            node = read_yaml(file)
            kinds = {one["kind"] for one in node["interventions"].values()}
            if kinds - set(SHOCKS):
                titles = node["title"]
                found[file.name.removesuffix(".yaml")] = str(titles.get(language()) or titles["en"])
    return found


def _scenarios() -> Any:
    return resources.files("conf") / "scenario"


def _stated(file: Path | None, words: list[str]) -> dict[str, Any]:
    """Answers of a file and of the command line, which wins. Raises ConfigError for one that nobody asked for."""
    from sim.files.plain import read_yaml

    found: dict[str, Any] = {}
    if file is not None:
        node = read_yaml(file)
        if not isinstance(node, Mapping):
            raise ConfigError("{file}: holds no answers by key", file=file)
        found |= node
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise ConfigError("new: {word}: is no answer; key=value", word=word)
        found[key] = value
    keys = [*(one.key for one in QUESTIONS), SCENARIO]
    for key in found:
        if key not in keys:
            raise ConfigError("new: {key}: is not asked for; {allowed}{hint}",
                              key=key, allowed=listed(keys), hint=nearest(key, keys))  # fmt: skip
    return found


def read_answer(one: Question, text: str) -> float | int | None:
    """A number as people write it: 50,000, 2.5 %, １５００; None where it is not known. Raises ConfigError."""
    plain = unicodedata.normalize("NFKC", text).strip().replace(",", "").replace("\N{MINUS SIGN}", "-")
    if plain in UNKNOWN:
        if one.needed:
            raise ConfigError("{key}: a number is needed, such as {example}", key=one.key, example=one.example)
        return None
    percent = plain.endswith("%")
    try:
        value = float(plain.removesuffix("%"))
    except ValueError:
        raise ConfigError(
            "{key}: {value} is no number; such as {example}", key=one.key, value=repr(text), example=one.example
        ) from None
    value = float(f"{value / 100:.12g}") if percent else value
    if "%" in one.example and value > 1:
        raise ConfigError("{key}: {value:g} is more than all; {value:g} % for per cent", key=one.key, value=value)
    return int(value) if value == int(value) else value


def _chosen(text: str) -> str:
    """The scenario of a name or a number of the list. Raises ConfigError."""
    names, plain = list(tried()), unicodedata.normalize("NFKC", text).strip()
    if plain.isdecimal() and 1 <= int(plain) <= len(names):
        return names[int(plain) - 1]
    if plain not in names:
        raise ConfigError("scenario: {value} is none to be tried; {allowed}{hint}",
                          value=repr(text), allowed=listed(names), hint=nearest(plain, names))  # fmt: skip
    return plain


def _checked(folder: Path, stated: Mapping[str, Any]) -> dict[str, Any]:
    """All answers of those stated, the others not known; checked as a run would. Raises ConfigError."""
    answers: dict[str, Any] = {
        one.key: read_answer(one, "" if stated.get(one.key) is None else str(stated[one.key])) for one in QUESTIONS
    }
    answers[SCENARIO] = _chosen(str(stated.get(SCENARIO, "norush_coupon")))
    _refuse_impossible(folder, answers)
    return answers


def _asked(folder: Path) -> dict[str, Any]:
    """Answers of whoever sits there; asked again, former answers kept, where they contradict each other."""
    print(_("Ten questions. An empty answer says: not known; where one stands in brackets, it is kept."))
    before: dict[str, str] = {}
    while True:
        texts = {one.key: _until_read(number, one, before.get(one.key, "")) for number, one in enumerate(QUESTIONS, 1)}
        for number, (name, title) in enumerate(tried().items(), 1):
            print(f"  {number:2}  {name}: {title}")
        texts[SCENARIO] = _until_chosen(before.get(SCENARIO, "norush_coupon"))
        try:
            return _checked(folder, texts)
        except ConfigError as error:
            say(error)
            before = texts


def _until_read(number: int, one: Question, before: str) -> str:
    while True:
        example = _("for instance {example}").format(example=one.example)
        text = _line(f"{number}/10  {_(one.text)} ({example})", before)
        try:
            read_answer(one, text)
            return text
        except ConfigError as error:
            say(error)


def _until_chosen(before: str) -> str:
    while True:
        text = _line(f"10/10  {_('Which of these would you try? A number or a name.')}", before)
        try:
            return _chosen(text)
        except ConfigError as error:
            say(error)


def _line(question: str, before: str) -> str:
    """An answer; the one before where nothing is typed. Raises ConfigError where nobody answers."""
    try:
        return input(f"{question}{f' [{before}]' if before else ''}\n> ").strip() or before
    except EOFError:
        raise ConfigError("new: the answers ended too early; --answers FILE, or key=value") from None


def _refuse_impossible(folder: Path, answers: Mapping[str, Any]) -> None:
    """Raise ConfigError where a run would refuse the answers, or they contradict each other."""
    from tempfile import TemporaryDirectory

    from scenarios.intervention import treated_arms
    from sim.world.constants import refuse_contradictions

    with TemporaryDirectory() as place:
        trial = Path(place) / folder.name
        _write(trial, answers)
        with composer(trial) as hydra:
            name = _scenario_name(folder, answers[SCENARIO])
            config = compose(hydra, [f"company={folder.name}", f"scenario={name}"])
            settings = settings_of(config, config.hydra)
    treated_arms(settings)
    refuse_contradictions(settings)


# -- the folder -------------------------------------------------------------------------------------------------


def _scenario_name(folder: Path, scenario: str) -> str:
    return f"{folder.name}_{scenario}"


def _write(folder: Path, answers: Mapping[str, Any]) -> None:
    """The company file and the scenario file."""
    from sim.files.disk import drafted, write_text

    name = _scenario_name(folder, answers[SCENARIO])
    shipped = (_scenarios() / f"{answers[SCENARIO]}.yaml").read_text(encoding="utf-8")
    with drafted(folder, exact=True, key="") as draft:
        write_text(draft.path / "company" / f"{folder.name}.yaml", _company(folder.name, answers))
        own = re.sub(r"^# @package .*$", f"# @package scenario.{name}", shipped, count=1, flags=re.MULTILINE)
        write_text(draft.path / "scenario" / f"{name}.yaml", own)
        draft.publish()


def _company(name: str, answers: Mapping[str, Any]) -> str:
    """A company file; what was not asked is as in general.yaml."""
    head = "# A firm in the figures of its dashboard; null: not known. Whatever is not here is as in general.yaml."
    lines = [head, "defaults: [general, _self_]", f"name: {name}"]
    lines += [f"{key}: {_yaml(answers[key])}" for key in OF_COMPANY]
    lines.append("facts:")
    facts = {one.key: answers[one.key] for one in QUESTIONS if one.key not in OF_COMPANY}
    if facts[SIZES] is None:
        del facts[SIZES]
    lines += [f"  {key}: {_yaml(value)}" for key, value in facts.items()]
    return "\n".join(lines) + "\n"


def _yaml(value: float | int | None) -> str:
    return "null" if value is None else repr(value)


def _next(folder: Path, scenario: str) -> list[str]:
    """What was written, and the commands that use it."""
    name = _scenario_name(folder, scenario)
    asked = f" {LANGUAGE}{language()}" if language() != "en" else ""
    run = f"cxsim run --config-dir {quote(shown(folder))} company={folder.name} scenario={name}{asked}"
    places = folder / "company" / f"{folder.name}.yaml", folder / "scenario" / f"{name}.yaml"
    files = told.listed([*map(shown, places)])
    found = [
        _("Written: {files}.").format(files=files), "",
        _("A first look, a minute or two:"), f"  {run} days=365 replications=32", "",
        _("The answer over three years:"), f"  {run}",
    ]  # fmt: skip
    if scenario == "norush_coupon":
        found += ["", _("A page with a slider for each lever, a small market first, a few minutes:"),
                  f"  {run.replace('cxsim run', 'cxsim explore')} 'levers=[face,valid_days]' {SMALL}"]  # fmt: skip
    return found
