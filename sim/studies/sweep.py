"""A sweep's folder: what it shall hold, what it holds already, and how one job of it is done.

    DIR/sweep.json    the plan: swept keys, and for each job its key, its overrides and its swept values
    DIR/jobs/KEY/     a run folder a job (without report), whole or not there
    DIR/jobs.csv      a row per job: done, failed, died or missing, and why
    DIR/reasons.json  why of those that failed or died, as messages with their values, so that it can be translated
    DIR/sweep.parquet the answers of all finished jobs (made by analysis)
    DIR/.locks/       a lock per job, held by whoever works at it

A job's key is a hash of its resolved configuration and the sources, so that the same command runs only what is
missing, and a changed program runs all anew. A lock ends with the process that holds it, and a run folder appears
by a rename, so that a killed process blocks nothing.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from filelock import Timeout
from pydantic import BeforeValidator, Field
from scipy.stats import qmc

from sim.config.parameters import Parameter, Reader, number, optional, show, tidy, whole, word
from sim.config.sampling import latin_hypercube
from sim.config.sections import Section
from sim.config.settings import Settings
from sim.files import manifest
from sim.files.disk import begin_manifest, drafted, together, write_text
from sim.files.locks import lock
from sim.files.spreadsheet import quoted
from sim.phrases import ConfigError, Phrase, nearest
from sim.run.experiment import Enough, run_experiment
from sim.run.provenance import inputs_hash, write_provenance
from sim.run.replication import TreatedArms

PLAN, TABLE, REASONS, JOBS, LOCKS = "sweep.json", "jobs.csv", "reasons.json", "jobs", ".locks"
DONE, BUSY, FAILED, DIED, MISSING = "done", "busy", "failed", "died", "missing"
KEY_LENGTH = 16
SWEEP_FOLDER = "hydra.sweep.dir="
"""How a command line names a sweep's folder."""
TABLE_COLUMNS = ("key", "status", "why")
"""Columns of jobs.csv before the swept keys."""


class Planned(NamedTuple):
    """A job as the plan knows it: its key, its overrides, and its values of the keys that vary."""

    key: str
    overrides: tuple[str, ...]
    swept: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """A job to be run; `label` names it for people."""

    key: str
    settings: Settings
    label: str


class Ending(NamedTuple):
    """How a job ended: its status, and a line that says what came out or why nothing did."""

    status: str
    line: Phrase | str


@dataclass(frozen=True)
class JobWork:
    """Does one job: the function that a pool sends to its workers.

    `treated_arms` and `enough` are handed in as to `run_experiment`; `finish(folder)` makes the answer of the tables
    and returns it as a line.
    """

    folder: Path
    treated_arms: TreatedArms
    enough: Enough
    finish: Callable[[Path], str]

    def __call__(self, job: Job) -> Ending:
        """Run a job to its folder, unless it is there, or somebody else is at it."""
        place = job_folder(self.folder, job.key)
        with claimed(self.folder, job.key) as mine:
            if place.is_dir():
                return Ending(DONE, "")
            if not mine:
                return Ending(BUSY, "")
            return Ending(DONE, self._run(job, place))

    def _run(self, job: Job, place: Path) -> str:
        started = time.monotonic()
        with drafted(place, exact=True, key=SWEEP_FOLDER) as draft:
            run_experiment(job.settings, self.treated_arms, draft.path, 1, lambda *_: None, self.enough)
            line = self.finish(draft.path)
            seconds = time.monotonic() - started
            draft.publish(lambda found: write_provenance(draft.path, job.settings, 1, found, seconds))
        return line


def job_key(settings: Settings) -> str:
    """Hexadecimal name of what a job depends on: its resolved configuration and the code."""
    return inputs_hash(settings)[:KEY_LENGTH]


def refused_key(overrides: Sequence[str]) -> str:
    """The key of a job whose configuration cannot be run: a hash of its overrides."""
    return hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:KEY_LENGTH]


def job_folder(folder: Path, key: str) -> Path:
    """Where a job's run folder stands once it is done."""
    return folder / JOBS / key


@contextmanager
def claimed(folder: Path, key: str) -> Iterator[bool]:
    """Hold a job's lock for the block, if no other process does; yield whether it is held.

    The lock is a file's, so that other processes see it, and the system releases it when this process ends.
    """
    mine = lock(folder / LOCKS / key)
    try:
        mine.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        mine.release()


# -- the plan and the table -------------------------------------------------------------------------------------


def plan(folder: Path, jobs: Sequence[Planned]) -> None:
    """Add jobs to the folder's plan; those known already stay where they are."""
    with together(folder, SWEEP_FOLDER):  # tried before any work
        (folder / LOCKS).mkdir(exist_ok=True)
        (folder / JOBS).mkdir(exist_ok=True)
        begin_manifest(folder)
    with lock(folder / LOCKS / "plan"):
        known = read_plan(folder)
        there = {(entry["key"], json.dumps(entry["swept"], sort_keys=True)) for entry in known}
        for job in jobs:
            entry = {"key": job.key, "overrides": list(job.overrides), "swept": dict(job.swept)}
            if (job.key, json.dumps(entry["swept"], sort_keys=True)) not in there:
                known.append(entry)
        swept = list(dict.fromkeys(key for entry in known for key in entry["swept"]))
        write_text(folder / PLAN, json.dumps({"swept": swept, "jobs": known}, indent=1, ensure_ascii=False) + "\n")


def read_plan(folder: Path) -> list[dict[str, Any]]:
    """The jobs of a folder's plan, none where there is no plan."""
    found = _read(folder / PLAN)
    if found is None:
        return []
    try:
        jobs = list(found["jobs"])
        if all(manifest.job_key(entry["key"]) and isinstance(entry["swept"], dict) for entry in jobs):
            return jobs
    except (KeyError, TypeError, ValueError):
        pass
    raise ConfigError("{name} in {folder} cannot be read", name=PLAN, folder=folder)


def write_table(folder: Path, endings: Mapping[str, Ending]) -> None:
    """Write jobs.csv and reasons.json from what stands in the folder and from how this sweep's jobs ended."""
    with lock(folder / LOCKS / "plan"):
        jobs, before = read_plan(folder), _lost_before(folder)
        standing = {entry["key"]: _standing(folder, entry["key"], endings, before) for entry in jobs}
        swept = list(dict.fromkeys(key for entry in jobs for key in entry["swept"]))
        rows = []
        for entry in jobs:
            ending = standing[entry["key"]]
            values = {key: written(entry["swept"].get(key, "")) for key in swept}
            why = " ".join(str(ending.line).split())
            rows.append({"key": entry["key"], "status": ending.status, "why": why, **values})
        text = io.StringIO()
        writer = csv.DictWriter(text, [*TABLE_COLUMNS, *swept], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: quoted(cell) for name, cell in row.items()} for row in rows)
        write_text(folder / TABLE, text.getvalue())
        reasons = {
            key: {"status": ending.status, "why": ending.line.plain()}
            for key, ending in standing.items()
            if ending.status in (FAILED, DIED) and isinstance(ending.line, Phrase)
        }
        write_text(folder / REASONS, json.dumps(reasons, indent=1, ensure_ascii=False) + "\n")


def _standing(folder: Path, key: str, endings: Mapping[str, Ending], before: Mapping[str, Ending]) -> Ending:
    if job_folder(folder, key).is_dir():
        return Ending(DONE, "")
    if key in endings and endings[key].status in (FAILED, DIED):
        return endings[key]
    return before.get(key, Ending(MISSING, Phrase("was not run")))


def _lost_before(folder: Path) -> dict[str, Ending]:
    """Jobs that failed or died the last time that the table was written."""
    reasons = _read(folder / REASONS) or {}
    return {key: Ending(reason["status"], Phrase.of(reason["why"])) for key, reason in reasons.items()}


def _read(path: Path) -> Any:
    """A JSON file of the sweep's folder; None where there is none. Raises ConfigError where it is cut or changed."""
    if not path.exists():
        return None
    content = manifest.checked(path)
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise ConfigError("{name} in {folder} cannot be read", name=path.name, folder=path.parent) from None


def written(value: Any) -> str:
    """A swept value as one word of a table."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


METHODS = ("latin_hypercube", "sobol")
MOST_POINTS = 100_000

Point = dict[str, Any]
"""Values by dotted key, in the order in which they were named."""

Ends = tuple[float, float, bool]
"""Lowest and highest value of a sampled key, and whether it takes whole numbers only."""


def _values(stated: object) -> Sequence[Any]:
    if isinstance(stated, str) or not isinstance(stated, Sequence) or not stated:
        raise ConfigError("{value} is not a list of values", value=show(stated))
    return stated


def read_ends(stated: object) -> Ends | None:
    """Reader of [low, high]; None for a parameter's own range."""
    if stated == "own":
        return None
    if isinstance(stated, str) or not isinstance(stated, Sequence) or len(stated) != 2:
        raise ConfigError(
            "{value} is not allowed; [low, high], or own for the parameter's own range", value=show(stated)
        )
    low, high = map(number, stated)
    if not low < high:
        raise ConfigError("{value} is not allowed; [low, high] with low below high", value=show(stated))
    return low, high, all(isinstance(end, int) for end in stated)


class Sample(Section):
    """A sample that fills the space of some keys."""

    method: Annotated[str, word(*METHODS)] = METHODS[0]
    size: Annotated[int, whole(1, MOST_POINTS)]
    ranges: dict[str, Annotated[Ends | None, Reader(read_ends)]]


class SweepFile(Section):
    """What a sweep file lists, `set` being the keys that all its points share."""

    description: Any = None
    set: Point = Field(default={})
    points: Annotated[list[Point], BeforeValidator(_values)] | None = None
    grid: dict[str, Annotated[Sequence[Any], Reader(_values)]] | None = None
    sample: Sample | None = None
    block: Annotated[int | None, optional(whole(1, 100_000))] = None


def held(sweep: object) -> Point:
    """The keys a sweep file holds for all its points. Raises ConfigError for a file of another form."""
    return SweepFile.read(sweep, "sweep").set


def points(sweep: object, settings: Settings) -> list[Point]:
    """All points of a sweep file; one without any key where it lists none.

    `settings` are those without any swept key: they know ranges, seed and replications. Raises ConfigError.
    """
    file = SweepFile.read(sweep, "sweep")
    grid = file.grid or {}
    axes = [
        file.points or [{}],
        [dict(zip(grid, combination, strict=True)) for combination in itertools.product(*grid.values())],
        _sampled(file.sample, settings) if file.sample else [{}],
        _blocks(file.block, settings) if file.block else [{}],
    ]
    found = [_merged(parts) for parts in itertools.product(*axes)]
    if len(found) > MOST_POINTS:
        raise ConfigError("sweep: {points} points are too many; at most {most}", points=len(found), most=MOST_POINTS)
    return found


def _merged(parts: Sequence[Point]) -> Point:
    point: Point = {}
    for part in parts:
        for key, value in part.items():
            if key in point:
                raise ConfigError("sweep: {key} is swept twice; name it in one of points, grid and sample", key=key)
            point[key] = value
    return point


def _blocks(size: int, settings: Settings) -> list[Point]:
    """The points of one run, divided into jobs."""
    if settings.replications == "auto":
        raise ConfigError("sweep.block: dividing a run into blocks of points needs replications as a number")
    until = settings.replications
    return [{"points": [first, min(first + size, until)]} for first in range(0, until, size)]


# -- samples --------------------------------------------------------------------------------------------------


def _sampled(sample: Sample, settings: Settings) -> list[Point]:
    ranges = {key: ends or _own_range(key, settings) for key, ends in sample.ranges.items()}
    if not ranges:
        raise ConfigError("sweep.sample.ranges: is empty; name at least one key with its [low, high]")
    unit = _unit(sample.method, settings.seed, list(ranges), sample.size)
    return [
        {key: scaled(*ends, float(u)) for (key, ends), u in zip(ranges.items(), row, strict=True)} for row in unit
    ]


def _own_range(key: str, settings: Settings) -> Ends:
    one = dict(settings.parameters()).get(key)
    if not isinstance(one, Parameter) or one.low is None or one.high is None:
        known = [name for name, found in settings.parameters() if isinstance(found, Parameter) and found.uncertain]
        raise ConfigError(
            "{key}: has no range of its own; write [low, high]{hint}",
            key=f"sweep.sample.ranges.{key}", hint=nearest(key, known),
        )
    return one.low, one.high, False


def _unit(method: str, seed: int, names: list[str], size: int) -> Any:
    """Points of the unit cube, float64 (size, len(names))."""
    if method == "latin_hypercube":
        return latin_hypercube(seed, [f"sweep {name}" for name in names], size)
    if size & (size - 1):
        raise ConfigError(
            "sweep.sample.size: {size} is not allowed; sobol points are balanced for powers of two only", size=size
        )
    return qmc.Sobol(len(names), scramble=True, rng=seed).random(size)


def scaled(low: float, high: float, integer: bool, u: float) -> float | int:
    """The value at a share u, from 0 to below 1, of the way from low to high; a whole number where wanted."""
    if integer:
        return int(low) + min(int(u * (high - low + 1)), int(high - low))
    return tidy(float(f"{low + u * (high - low):.6g}"))
