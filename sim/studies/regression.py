"""Regression: scenarios held to their recorded answers. What is held, what was recorded, how it is run again.

    DIR/regression/NAME.yaml   what is held: overrides, and how its answer is compared
    RECORDS/NAME.json          its recorded answer: sha256 of each table, numbers per point, and why it moved when

A record is written by hand of `cxsim check --update --because ...` alone. How two answers are compared stands in
`analysis.studies.moves`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from sim.config.parameters import Reader, Text, real, show, text, word
from sim.config.sections import Name, Section
from sim.config.settings import Settings
from sim.files.disk import write_text
from sim.phrases import ConfigError
from sim.run.experiment import Enough, run_experiment
from sim.run.replication import TreatedArms
from sim.studies.field import Experiment, numbers_of, run_field
from sim.tables import METRIC

EXACT, STATISTICAL = "exact", "statistical"
TABLES = (".csv", ".parquet", ".yaml")
FALSE_ALARM = 0.01
"""Chance that a statistical comparison calls an unchanged answer moved, unless the file says another."""

LONGEST_HISTORY = 20
"""Reasons kept in a record, the newest first."""

SEEDS = 2
"""Seeds per point: numbers have a place for each, though most points are run under the first alone."""

Numbers = Mapping[str, Sequence[Sequence[float | None]]]
"""Values per point by name: a list for the first seed, one for the second; null where there is none."""


# -- what is held ---------------------------------------------------------------------------------------------


def _overrides(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise ConfigError("{value} is not a list of overrides, as `customers=2000`", value=show(value))
    return tuple(text(one) for one in value)


class Held(Section):
    """One regression file: a small run, and how its answer is compared with the recorded one.

    `field` names a field test (`conf/field`) that is run in place of a scenario.

    `exact` wants the same bytes in every table. `statistical` wants no number moved beyond chance: `false_alarm` is
    the chance of calling an unchanged answer moved, over all of the file's numbers together; a move up to
    `tolerance` (by metric, in its unit) is none.
    """

    description: Text
    overrides: Annotated[tuple[str, ...], Reader(_overrides)]
    field: Name | None = None
    compare: Annotated[str, word(EXACT, STATISTICAL)] = EXACT
    false_alarm: Annotated[float, real(1e-6, 0.5)] = FALSE_ALARM
    tolerance: dict[Annotated[str, word(*METRIC)], Annotated[float, real(0.0)]] = Field(default={})


def held_files(folder: Path) -> dict[str, Path]:
    """The regression files of a folder by name, in the order of their names. Raises ConfigError if it has none."""
    found = {path.stem: path for path in sorted(folder.glob("*.yaml"))} if folder.is_dir() else {}
    if not found:
        raise ConfigError(
            "{folder}: has no regression files; write NAME.yaml with description and overrides", folder=folder
        )
    return found


def read_held(path: Path) -> Held:
    """A regression file, checked. Raises ConfigError of one line."""
    return Held.of_file(path)


# -- what was recorded ----------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """What is kept of a run: sha256 of each table, and numbers per point."""

    tables: Mapping[str, str]
    numbers: Numbers


class Reason(NamedTuple):
    """Why a record was written, by which version, and what moved against the one before."""

    because: str
    version: str
    moved: Sequence[str]


class Record(NamedTuple):
    """A recorded answer, the overrides it was made under, and why it is what it is, newest first."""

    overrides: Sequence[str]
    answer: Answer
    history: Sequence[Reason]

    def renewed(self, overrides: Sequence[str], answer: Answer, reason: Reason) -> Record:
        """The next record, with this one's reasons after the new one."""
        return Record(list(overrides), answer, [reason, *self.history][:LONGEST_HISTORY])


NOTHING = Record((), Answer({}, {}), ())
"""Stands for the record before the first one."""


def record_file(folder: Path, name: str) -> Path:
    """Where a record stands."""
    return folder / f"{name}.json"


def read_record(path: Path) -> Record | None:
    """A record from its file; None where there is none. Raises ConfigError for a file that is none."""
    try:
        node = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise ConfigError("{path}: cannot be read as a record: {problem}", path=path, problem=str(error)) from None
    try:
        tables = {name: str(digest) for name, digest in node["tables"].items()}
        numbers = {name: _series(value) for name, value in node["numbers"].items()}
        history = [Reason(str(one["because"]), str(one["version"]), list(one["moved"])) for one in node["history"]]
        return Record([str(one) for one in node["overrides"]], Answer(tables, numbers), history)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        raise ConfigError("{path}: is no record of cxsim check; take it away to record anew", path=path) from None


def _series(node: Any) -> list[list[float | None]]:
    found = [[None if value is None else float(value) for value in draws] for draws in node]
    finite = all(value is None or math.isfinite(value) for draws in found for value in draws)
    if len(found) != SEEDS or len({len(draws) for draws in found}) != 1 or not finite:
        raise ValueError
    return found


def write_record(path: Path, record: Record) -> None:
    """Keep a record, whole or as it was; with a line per table, number and reason, so that diffs are readable."""
    parts: dict[str, Any] = {
        "history": [reason._asdict() for reason in record.history],
        "overrides": record.overrides,
        "tables": record.answer.tables,
        "numbers": record.answer.numbers,
    }
    body = ",\n".join(f"{_json(name)}: {_lines(part)}" for name, part in parts.items())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, f"{{\n{body}\n}}\n")


def _lines(part: Any) -> str:
    entries = [f"{_json(k)}: {_json(v)}" for k, v in part.items()] if isinstance(part, Mapping) else map(_json, part)
    opening, closing = "{}" if isinstance(part, Mapping) else "[]"
    body = ",\n  ".join(entries)
    return f"{opening}\n  {body}\n {closing}" if body else opening + closing


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


# -- how it is run again --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rerun:
    """Runs one configuration and returns its answer: the function that a pool sends to its workers.

    `treated_arms` and `enough` are handed in as to `run_experiment`; `finish(folder)` makes the answer's table and
    `numbers(folder)` reads it per point; `score(folder)` makes the answer's table of a field test. `within` is a folder
    that the caller removes.
    """

    within: Path
    treated_arms: TreatedArms
    enough: Enough
    finish: Callable[[Path], object]
    numbers: Callable[[Path], Numbers]
    score: Callable[[Path], object]

    def __call__(self, named: tuple[str, Settings | Experiment]) -> Answer:
        """Run a configuration into a folder of this name."""
        name, asked = named
        folder = self.within / name
        folder.mkdir()
        numbers = self._of_field(asked, folder) if isinstance(asked, Experiment) else self._of_run(asked, folder)
        tables = [path for path in sorted(folder.iterdir()) if path.suffix in TABLES]
        hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tables}
        return Answer(hashes, numbers)

    def _of_run(self, settings: Settings, folder: Path) -> Numbers:
        run_experiment(settings, self.treated_arms, folder, 1, lambda *_: None, self.enough)
        self.finish(folder)
        return self.numbers(folder)

    def _of_field(self, experiment: Experiment, folder: Path) -> Numbers:
        run_field({experiment.name: experiment}, self.treated_arms, folder, 1, lambda *_: None)
        self.score(folder)
        return numbers_of(folder)
