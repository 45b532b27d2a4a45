"""`cxsim check`: scenarios held to their recorded answers, for CI."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.style.language import _, told_in, translated
from cxsim.cli import BAD_INPUT, MOVED, OK
from cxsim.cli.junit import ERROR, FAILURE, Entry, write_junit
from cxsim.cli.terminal import Parser, file_to_write, without_language
from cxsim.compose import addable, compose, composer, errors_of, processors, settings_of
from cxsim.progress import progress_here
from cxsim.shipped import shipped
from sim.phrases import ConfigError, Phrase, listed, nearest

if TYPE_CHECKING:
    from sim.config.settings import Settings
    from sim.studies.field import Experiment
    from sim.studies.regression import Answer, Held, Numbers, Record, Rerun

FEWEST_POINTS = 8
"""Fewest points whose paired differences may judge: fewer say too little of their own spread."""

REASON_LINES = 5
"""Most lines on what moved that a record keeps with the reason of an update."""

SUITE = "cxsim check"

CONFIG = "config.yaml"


def check(words: list[str]) -> int:
    """Run scenarios, small, and compare them with their records; exit status 0 as recorded, 1 moved, 2 bad input."""
    given = _given(words)
    cases = _cases(given)
    outcomes = dict(_outcomes(cases))
    reports = [_report(case, outcomes[name], given.because) for name, case in cases.items()]
    if given.junit is not None:
        write_junit(given.junit, SUITE, reports)
    for report in reports:
        print(f"{report.name}:", "\n    ".join(report.lines), flush=True)
    for outcome in outcomes.values():
        if isinstance(outcome, Exception) and not isinstance(outcome, _mendable()):
            raise outcome  # an error of our own is not hidden
    return max({"": OK, FAILURE: MOVED, ERROR: BAD_INPUT}[report.kind] for report in reports)


# -- words of the command line --------------------------------------------------------------------------------


def _given(words: list[str]) -> argparse.Namespace:
    parser = Parser(prog=SUITE, description=_("Hold scenarios, small, to their recorded answers."))
    parser.add_argument("names", nargs="*", metavar="NAME", help=_("regression files; all where none is named"))
    parser.add_own_folder(_("a folder of your own with regression/NAME.yaml"))
    parser.add_argument("--records", type=Path, metavar="DIR", help=_("where NAME.json stand, if not beside the files"))
    parser.add_argument("--junit", type=Path, metavar="FILE", help=_("write the report as JUnit XML too"))
    parser.add_argument("--update", action="store_true", help=_("record the answers as they are now"))
    parser.add_argument("--because", metavar="REASON", help=_("with --update: why they moved, kept in the records"))
    given = parser.given(without_language(words))
    if given.update and not (given.because or "").strip():
        raise ConfigError('check: --update needs a reason, which is kept in the record: --because "..."')
    if given.because is not None and not given.update:
        raise ConfigError("check: --because is the reason of an --update; give both")
    if given.junit is not None:
        file_to_write("--junit", given.junit)
    return given


@dataclass(frozen=True)
class Case:
    """A regression file, the settings or the field test that it yields, and its record if there is one."""

    name: str
    held: Held
    asked: Settings | Experiment
    place: Path
    record: Record | None


def _cases(given: argparse.Namespace) -> dict[str, Case]:
    """All cases to be checked, read before any of them runs. Raises ConfigError."""
    from sim.studies import regression

    files = regression.held_files(_folder(given.config_dir))
    for name in given.names:
        if name not in files:
            raise ConfigError(
                "{name}: no such regression file; {allowed}{hint}",
                name=name, allowed=listed(files), hint=nearest(name, files),
            )
    records = _records(given)
    chosen = [name for name in files if name in given.names or not given.names]
    held = {name: regression.read_held(files[name]) for name in chosen}
    places = {name: regression.record_file(records, name) for name in chosen}
    found = {name: regression.read_record(places[name]) for name in chosen}
    if not given.update:
        for name in chosen:
            _comparable(name, held[name], found[name])
    asked = _asked(given, {name: files[name] for name in chosen}, held)
    return {name: Case(name, held[name], asked[name], places[name], found[name]) for name in chosen}


def _folder(config_dir: str | None) -> Path:
    return Path(str(resources.files("conf")) if config_dir is None else config_dir) / "regression"


def _records(given: argparse.Namespace) -> Path:
    """The folder of the records: as named, else beside the user's own files, else the shipped one."""
    if given.records is not None:
        if given.records.exists() and not given.records.is_dir():
            raise ConfigError("--records {folder}: is not a folder", folder=given.records)
        return Path(given.records)
    if given.config_dir is not None:
        return _folder(given.config_dir)
    records = shipped("baseline")
    if records is None:
        raise ConfigError(
            "check: this install of cxsim came without its recorded answers; "
            "hold your own scenarios with --config-dir, or name a folder with --records"
        )
    return records


def _comparable(name: str, held: Held, record: Record | None) -> None:
    if record is None:
        raise ConfigError('{name}: has no record; cxsim check {name} --update --because "..." makes one', name=name)
    if tuple(record.overrides) != held.overrides:
        raise ConfigError(
            "{name}: was recorded under other overrides than its regression file has now; cxsim check {name} --update "
            '--because "..." records it anew',
            name=name,
        )


def _asked(
    given: argparse.Namespace, files: Mapping[str, Path], held: Mapping[str, Held]
) -> dict[str, Settings | Experiment]:
    """Checked settings, or field test, of each regression file; its own name stands before what is wrong."""
    runs = _settings(given, files, {name: one for name, one in held.items() if one.field is None})
    return {name: runs[name] if one.field is None else _experiment(given, files[name], one)
            for name, one in held.items()}  # fmt: skip


def _experiment(given: argparse.Namespace, file: Path, held: Held) -> Experiment:
    from cxsim.cli.field import chosen, composed

    with errors_of(file):
        name = str(held.field)
        found = composed(chosen([name], given.config_dir), given.config_dir, list(held.overrides))[name]
    _enough(file, held, found.settings)
    return found


def _settings(
    given: argparse.Namespace, files: Mapping[str, Path], held: Mapping[str, Held]
) -> dict[str, Settings]:
    """Checked settings of each regression file; its own name stands before what is wrong."""
    from scenarios.intervention import treated_arms

    found = {}
    with composer(given.config_dir) as hydra:
        for name, one in held.items():
            with errors_of(files[name]):
                config = compose(hydra, [addable(override) for override in one.overrides])
                found[name] = settings_of(config, config.hydra)
                treated_arms(found[name])  # here already, so that a bad intervention is told before any work
            _enough(files[name], one, found[name])
    return found


def _enough(file: Path, held: Held, settings: Settings) -> None:
    """Raise ConfigError where a statistical comparison has too few points to pair."""
    from sim.studies.regression import STATISTICAL

    points = settings.replications
    if held.compare == STATISTICAL and (points == "auto" or points < FEWEST_POINTS):
        raise ConfigError(
            "{file}: a statistical comparison pairs replications; give replications as a number, at least {least}",
            file=file, least=FEWEST_POINTS,
        )


# -- running and comparing ------------------------------------------------------------------------------------


def _outcomes(cases: Mapping[str, Case]) -> Iterator[tuple[str, Answer | Exception]]:
    """Yield each case's answer, or the error it raised, as it finishes; as many at once as there are processors."""
    from sim.run.workers import Pool

    # The longest first, as far as is known, so that no processor is left with one at the end.
    waiting = sorted(cases.values(), key=lambda one: -_length(one.asked))
    with (
        progress_here() as progress,
        tempfile.TemporaryDirectory(prefix="cxsim-check-") as within,
        Pool(_work(Path(within)), min(processors(), len(waiting))) as pool,
    ):
        progress(0, len(waiting), Phrase("checking"))
        for done, (number, outcome) in enumerate(pool.outcomes([(one.name, one.asked) for one in waiting])):
            progress(done + 1, len(waiting), Phrase("checking"))
            yield waiting[number].name, outcome


def _length(asked: Settings | Experiment) -> int:
    """How long a run takes, roughly, in customer-days; one by Mesa's agents counts a hundredfold."""
    from sim.studies.field import Experiment

    settings = asked.settings if isinstance(asked, Experiment) else asked
    points = 8 if settings.replications == "auto" else settings.replications
    days = settings.burn_in + settings.days * (1 + 5 * len(settings.scenario))
    return points * settings.customers * days * (1 if settings.engine == "column" else 100)


def _work(within: Path) -> Rerun:
    from analysis.effects import answer as effects
    from analysis.studies import field, moves
    from scenarios.intervention import treated_arms
    from sim.studies.regression import Rerun

    return Rerun(
        within, treated_arms, effects.stable, effects.write_effects, moves.numbers_of, field.write_scores
    )  # fmt: skip


def _mendable() -> tuple[type[Exception], ...]:
    """Exceptions that end a run and that the user can mend."""
    from sim.run.workers import WorkerDied

    return ConfigError, WorkerDied, OSError, MemoryError


def _report(case: Case, outcome: Answer | Exception, because: str | None) -> Entry:
    """The outcome of one case for the report; with a reason (`because`), its record is written anew."""
    if isinstance(outcome, Exception):
        kind = "" if isinstance(outcome, _mendable()) else f"{type(outcome).__name__}: "
        problem = translated(outcome) if isinstance(outcome, Phrase) else str(outcome)
        return Entry(case.name, [_("could not be run: {problem}").format(problem=kind + problem)], ERROR)
    if because is not None:
        return Entry(case.name, _recorded(case, outcome, because))
    assert case.record is not None  # else it was refused before any work
    moved, lines = _compared(case.held, case.record.answer, outcome)
    return Entry(case.name, lines, FAILURE if moved else "")


def _compared(held: Held, before: Answer, after: Answer) -> tuple[bool, list[str]]:
    """Whether an answer moved as this file compares, and the report."""
    from analysis.studies import moves
    from sim.studies.regression import EXACT

    tables = moves.tables_line(before.tables, after.tables)
    # What was asked stands in config.yaml, what came out in all others.
    asked = before.tables.get(CONFIG) != after.tables.get(CONFIG)
    word = _("INPUTS CHANGED: {what}") if asked else _("MOVED: {what}")
    if not tables and (held.compare == EXACT or before.numbers == after.numbers):
        return False, [_("as recorded")]
    names = moves.names_line(before.numbers, after.numbers)
    told = [_("numbers {names}").format(names=names)] if names else []
    told += _unmoved(asked, before.numbers, after.numbers)
    if held.compare == EXACT:
        lines = moves.exact_lines(moves.by_seeds(before.numbers, after.numbers))
        return True, [word.format(what=tables), *lines, *told]
    found = moves.by_points(before.numbers, after.numbers, held.tolerance)
    beyond = moves.beyond_chance(found, held.false_alarm)
    line = moves.statistical_line(found, held.false_alarm)
    if beyond or before.numbers.keys() - after.numbers.keys():
        what = _("{count} of {line}").format(count=len(beyond), line=line)
        return True, [word.format(what=what), *moves.listing(beyond), *told]
    same = _("as recorded but for chance; {line}").format(line=line)
    return False, [word.format(what=same) if asked else same, *told]


def _unmoved(asked: bool, before: Numbers, after: Numbers) -> list[str]:
    """What to know where other inputs gave the same numbers."""
    if not asked or before != after:
        return []
    return [_("a central value that has a range does not enter the points: they are spread over the range")]


def _recorded(case: Case, answer: Answer, because: str) -> list[str]:
    """Make a record anew, with the reason and what moved; one that would say the same is left as it is."""
    from sim.run.provenance import version
    from sim.studies.regression import NOTHING, Reason, write_record

    before = case.record or NOTHING
    if before.answer == answer and tuple(before.overrides) == case.held.overrides:
        return [_("as recorded; the record is left as it is")]
    with told_in("en"):  # whatever the language, the same answers give the same record
        kept = _moved(case, before, answer)[:REASON_LINES]
    write_record(case.place, before.renewed(case.held.overrides, answer, Reason(because.strip(), version(), kept)))
    first, *others = _moved(case, before, answer)[:REASON_LINES]
    return [_("recorded; {line}").format(line=first), *others]


def _moved(case: Case, before: Record, answer: Answer) -> list[str]:
    """What moved against the record before."""
    if case.record is None:
        return [_("first record")]
    if tuple(before.overrides) != case.held.overrides:
        return [_("recorded under other overrides")]
    return _compared(case.held, before.answer, answer)[1]
