"""A sweep's folder: what it shall hold, what it holds already, and how one job of it is done.

    DIR/sweep.json    the plan: swept keys, and for each job its key, its overrides and its swept values
    DIR/jobs/KEY/     a run folder a job (without report), whole or not there
    DIR/jobs.csv      a row per job: done, failed, died or missing, and why
    DIR/sweep.parquet the answers of all finished jobs (made by analysis)
    DIR/.locks/       a lock per job, held by whoever works at it

A job's key is a hash of its resolved configuration and the sources, so that the same command runs only what is
missing, and a changed program runs anew. A lock ends with the process that holds it, and a run folder appears by
rename: nothing that dies leaves anything that hinders.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from sim.config.settings import Settings
from sim.run.experiment import Enough, run_experiment
from sim.run.folder import drafted, replace_text
from sim.run.provenance import inputs_hash, write_provenance
from sim.run.replication import WorldsOf

PLAN, TABLE, JOBS, LOCKS = "sweep.json", "jobs.csv", "jobs", ".locks"
DONE, BUSY, FAILED, DIED, MISSING = "done", "busy", "failed", "died", "missing"
KEY_LENGTH = 16
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
    line: str


@dataclass(frozen=True)
class JobWork:
    """Does one job: the function that a pool sends to its workers.

    `worlds` and `enough` are handed in as to `run_experiment`; `finish(folder)` makes the answer of the tables and
    returns it as a line.
    """

    folder: Path
    worlds: WorldsOf
    enough: Callable[[Settings], Enough]
    finish: Callable[[Path], str]

    def __call__(self, job: Job) -> Ending:
        """Run a job to its folder, unless it is there, or somebody else is at it."""
        place = job_folder(self.folder, job.key)
        with claimed(self.folder, job.key) as mine:
            if place.is_dir():
                return Ending(DONE, "")
            if not mine:
                return Ending(BUSY, "")
            _remove_drafts(place)
            return Ending(DONE, self._run(job, place))

    def _run(self, job: Job, place: Path) -> str:
        started = time.monotonic()
        with drafted(place, exact=True) as draft:
            run_experiment(job.settings, self.worlds, draft.path, 1, lambda *_: None, self.enough(job.settings))
            line = self.finish(draft.path)
            seconds = time.monotonic() - started
            draft.publish(lambda found: write_provenance(draft.path, job.settings, 1, found, seconds))
        return line


def job_key(settings: Settings) -> str:
    """Hexadecimal name of what a job depends on: its resolved configuration and the code."""
    return inputs_hash(settings)[:KEY_LENGTH]


def refused_key(overrides: Sequence[str]) -> str:
    """The key of a job whose configuration cannot be run: a hash of what was asked."""
    return hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:KEY_LENGTH]


def job_folder(folder: Path, key: str) -> Path:
    """Where a job's run folder stands once it is done."""
    return folder / JOBS / key


@contextmanager
def claimed(folder: Path, key: str) -> Iterator[bool]:
    """Hold a job's lock if nobody else does; whether it is held. Other processes see it, and its end with ours."""
    lock = FileLock(folder / LOCKS / key)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def clear_remains(folder: Path) -> None:
    """Remove what killed workers left of jobs at which nobody is."""
    for key in {draft.name.split(".")[1] for draft in (folder / JOBS).glob(".*.part")}:
        with claimed(folder, key) as mine:
            if mine:
                _remove_drafts(job_folder(folder, key))


def _remove_drafts(place: Path) -> None:
    """Remove what a killed predecessor left of a job; its lock is ours."""
    for remains in place.parent.glob(f".{place.name}.*.part"):
        shutil.rmtree(remains, ignore_errors=True)


# -- the plan and the table -------------------------------------------------------------------------------------


def plan(folder: Path, jobs: Sequence[Planned]) -> None:
    """Add jobs to the folder's plan; those known already stay where they are."""
    (folder / LOCKS).mkdir(parents=True, exist_ok=True)
    (folder / JOBS).mkdir(exist_ok=True)
    with FileLock(folder / LOCKS / "plan"):
        known = read_plan(folder)
        there = {(entry["key"], json.dumps(entry["swept"], sort_keys=True)) for entry in known}
        for job in jobs:
            entry = {"key": job.key, "overrides": list(job.overrides), "swept": dict(job.swept)}
            if (job.key, json.dumps(entry["swept"], sort_keys=True)) not in there:
                known.append(entry)
        swept = list(dict.fromkeys(key for entry in known for key in entry["swept"]))
        replace_text(folder / PLAN, json.dumps({"swept": swept, "jobs": known}, indent=1, ensure_ascii=False) + "\n")


def read_plan(folder: Path) -> list[dict[str, Any]]:
    """The jobs of a folder's plan, none where there is no plan."""
    path = folder / PLAN
    return list(json.loads(path.read_text(encoding="utf-8"))["jobs"]) if path.exists() else []


def write_table(folder: Path, endings: Mapping[str, Ending]) -> list[dict[str, str]]:
    """Write jobs.csv from what stands in the folder and from how this sweep's jobs ended; its rows."""
    with FileLock(folder / LOCKS / "plan"):
        jobs, before = read_plan(folder), {row["key"]: row for row in _read_table(folder)}
        swept = list(dict.fromkeys(key for entry in jobs for key in entry["swept"]))
        rows = []
        for entry in jobs:
            ending = _standing(folder, entry["key"], endings, before)
            values = {key: written(entry["swept"].get(key, "")) for key in swept}
            rows.append({"key": entry["key"], "status": ending.status, "why": ending.line, **values})
        text = io.StringIO()
        writer = csv.DictWriter(text, [*TABLE_COLUMNS, *swept], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        replace_text(folder / TABLE, text.getvalue())
    return rows


def _standing(folder: Path, key: str, endings: Mapping[str, Ending], before: Mapping[str, dict[str, str]]) -> Ending:
    if job_folder(folder, key).is_dir():
        return Ending(DONE, "")
    if key in endings and endings[key].status in (FAILED, DIED):
        return endings[key]
    if key in before and before[key]["status"] in (FAILED, DIED):
        return Ending(before[key]["status"], before[key]["why"])
    return Ending(MISSING, "was not run")


def _read_table(folder: Path) -> list[dict[str, str]]:
    path = folder / TABLE
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def written(value: Any) -> str:
    """A swept value as one word of a table."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
