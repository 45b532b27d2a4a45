"""`cxsim calibrate` and `cxsim learn`: company files from a firm's log and from its other evidence."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.style.language import _, translated
from cxsim.cli import OK
from cxsim.cli.log import add_log, choices_of, columns_taken
from cxsim.cli.terminal import Parser, without_language
from cxsim.compose import addable, compose, composer, errors_of, plain, settings_of, shown, threads_of
from cxsim.progress import progress_here
from sim.phrases import ConfigError

if TYPE_CHECKING:
    from analysis.studies.learning import Tables
    from sim.config.settings import Settings
    from sim.learning.learn import Lesson
    from sim.learning.pieces import Observed, Piece


OUT = "--out "


def calibrate(words: list[str]) -> int:
    """Fit a company to a real log, and write the company file."""
    given = vars(_calibrate_parser().given(without_language(words)))
    if not 0 < given["yen"] < float("inf"):
        raise ConfigError("--yen {yen:g}: is not allowed; above 0", yen=given["yen"])
    from sim.calibration.company_file import company_text, place_for

    place = place_for(given["name"], given["out"])
    choices = choices_of(given)
    columns = columns_taken(given, choices, given["name"])
    with composer(None) as hydra:
        config = compose(hydra, ["company=cdnow", "scenario=baseline"])
        settings = settings_of(config, config.hydra)
    from analysis.studies.calibration import write_picture
    from sim.calibration.calibrate import calibrate
    from sim.files.disk import begin_manifest, together, write_text

    with together(place.parent, OUT):
        begin_manifest(place.parent)
        found = calibrate(
            given["log"], columns, given["name"], settings, choices=choices, holdout=given["holdout"],
            yen=given["yen"], say=lambda phrase: print(translated(phrase), flush=True),
        )  # fmt: skip
        write_picture(found.weekly(), found.fitted_weeks, place.with_suffix(""))
        write_text(place, company_text(found))
    beside = _("{place} (picture beside it: {stem}.png, {stem}.svg)").format(place=shown(place), stem=place.stem)
    command = f"cxsim run --config-dir {shlex.quote(shown(given['out']))} company={given['name']}"
    print(f"\n{beside}")
    print(_("now: {command}").format(command=command))
    return OK


def _calibrate_parser() -> Parser:
    parser = Parser(
        prog="cxsim calibrate", description=_("Fit purchase, dropout and spend to a log of purchases.")
    )
    add_log(parser)
    parser.add_argument("--yes", action="store_true", help=_("take the columns that a look at the log suggests"))
    parser.add_argument("--name", required=True, help=_("writes company/NAME.yaml, for company=NAME"))
    parser.add_argument(
        "--holdout", type=int, default=0, metavar="WEEKS", help=_("keep the last weeks out and test on them")
    )
    parser.add_argument(
        "--yen", type=float, default=1.0, metavar="RATE", help=_("yen per unit of the log's currency (default 1)")
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help=_("folder to write into (default: the current one)")
    )
    return parser


BASELINE = "baseline"
SMALL = "customers=20000"
"""Customers of a simulated world, unless given by hand."""

POINTS = 200


def learn(words: list[str]) -> int:
    """Read evidence, learn from it, and write the company file with its report."""
    if any(word.partition("=")[0] == "--draws" for word in words):
        raise ConfigError("--draws: is called --points now")
    given = _learn_parser().given(words)
    from analysis.studies.learning import summary
    from scenarios.intervention import treated_arms
    from sim.calibration.company_file import place_for
    from sim.files.disk import begin_manifest, remove_dead_drafts, together
    from sim.learning.learn import KINDS, enough_points
    from sim.learning.learn import learn as condition
    from sim.learning.pieces import read_evidence
    from sim.learning.writing import company_text

    place = place_for(given.name, given.out)
    remove_dead_drafts(place.parent)
    _refuse_old_report(place.with_name(f"{given.name}_learning"))
    pieces = read_evidence(given.evidence, KINDS)
    for piece in pieces:
        for line in piece.told:
            print(f"{piece.name}: {translated(line)}")
    with errors_of(given.evidence):
        observed = {piece.name: piece.observed() for piece in pieces}
    enough_points(observed, given.points)
    settings, company = _learn_settings(given, pieces)
    with together(place.parent, OUT):
        begin_manifest(place.parent)
        simulated = _simulated(pieces, settings, treated_arms, given.points)
        lesson = condition(pieces, observed, simulated, settings[BASELINE])
        tables = _lesson_tables(pieces, observed, lesson)
        print(summary(tables, given.points))
        _refuse_nothing_learned(lesson, given.evidence)
        text = company_text(company, given.name, given.evidence.name, lesson)
        folder = _write_lesson(place, given, tables, text)
    print(f"\n{shown(place)}\n{shown(folder / 'report.html')}")
    command = f"cxsim run --config-dir {shlex.quote(shown(given.out))} company={given.name}"
    print(_("now: {command}").format(command=command))
    return OK


def _learn_parser() -> Parser:
    parser = Parser(
        prog="cxsim learn",
        description=_("Sharpen a company's parameters by its own evidence: tests, lateness, surveys."),
    )
    parser.add_argument("evidence", type=Path, help=_("YAML file that lists the pieces; see docs/bringing-evidence.md"))
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=_("keys of the configuration"))
    parser.add_argument("--name", required=True, help=_("writes company/NAME.yaml, for company=NAME"))
    parser.add_argument("--company", default="cdnow", help=_("the company to start from (default: cdnow)"))
    parser.add_own_folder(_("a folder of your own with company/, scenario/ and the like"))
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help=_("folder to write into (default: the current one)")
    )
    parser.add_argument(
        "--points",
        type=int,
        default=POINTS,
        metavar="N",
        help=_("points to simulate (default: {points})").format(points=POINTS),
    )
    return parser


def _learn_settings(given: Any, pieces: list[Piece]) -> tuple[dict[str, Settings], dict[str, Any]]:
    """Settings by scenario, the baseline's first, and the raw mapping of the company that they share."""
    from scenarios.intervention import treated_arms
    overrides = [SMALL, f"company={given.company}", *(addable(one) for one in given.overrides)]
    found: dict[str, Settings] = {}
    with composer(given.config_dir) as hydra:
        config = compose(hydra, [f"scenario={BASELINE}", *overrides])
        found[BASELINE], company = settings_of(config, config.hydra), plain(config.company)
        for piece in pieces:
            if piece.scenario not in found:
                with errors_of(given.evidence), errors_of(piece.name):
                    config = compose(hydra, [f"scenario={piece.scenario}", *overrides])
                    found[piece.scenario] = settings_of(config, config.hydra)
                    treated_arms(found[piece.scenario])
    return found, company


def _simulated(pieces: list[Piece], settings: Mapping[str, Settings], arms: Any, points: int) -> Any:
    from sim.learning.learn import simulate

    with progress_here() as progress:
        return simulate(pieces, settings, arms, points, threads_of(settings[BASELINE]), progress)


def _refuse_nothing_learned(lesson: Lesson, evidence: Path) -> None:
    if not lesson.parameters:
        raise ConfigError("{file}: every piece contradicts the model; nothing is written", file=evidence)
    if not any(one.kept for one in lesson.parameters):
        raise ConfigError(
            "{file}: teaches nothing beyond the doubt of {points} points; nothing is written (more --points may help, "
            "more data would)",
            file=evidence, points=lesson.points,
        )


def _refuse_old_report(folder: Path) -> None:
    if folder.exists():
        raise ConfigError("{folder}: is there already; remove it or give another --name", folder=folder)


def _lesson_tables(pieces: list[Piece], observed: Mapping[str, Observed], lesson: Lesson) -> Tables:
    from analysis.studies.learning import Tables
    from sim.learning.writing import parameter_table, piece_table, statistic_table

    return Tables(parameter_table(lesson), statistic_table(lesson), piece_table(pieces, observed, lesson))


def _write_lesson(place: Path, given: Any, tables: Tables, text: str) -> Path:
    """Write the report's folder, whose path is returned, and the company file."""
    from analysis.studies.learning import write_page
    from sim.files.disk import write_text

    folder = place.with_name(f"{given.name}_learning")
    tables.write(folder)
    write_page(folder, tables, given.name, given.company, given.points)
    write_text(place, text)
    return folder
