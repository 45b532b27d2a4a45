"""A sweep's folder, read: what was planned, what became of it, and sweep.parquet, the answers of all finished jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from analysis.folders.run_folder import Run, RunError
from sim.files import manifest
from sim.files.disk import write_parquet
from sim.phrases import ConfigError, Phrase
from sim.tables import ANSWERS, SWEEP_NAMES

PLAN, JOBS, REASONS, TABLE = "sweep.json", "jobs", "reasons.json", "sweep.parquet"
DONE, MISSING = "done", "missing"
ARROW_TYPES = {"str": pa.string(), "float64": pa.float64(), "int32": pa.int32()}


class Job(NamedTuple):
    """One job: its values of the swept keys, how it stands and why, and where its run folder is or would be."""

    key: str
    values: dict[str, Any]
    status: str
    why: Phrase | str
    place: Path

    @property
    def done(self) -> bool:
        """Whether its run folder exists, which is then complete."""
        return self.place.is_dir()


class Sweep:
    """A sweep's folder. Raises RunError where there is none, or where its plan cannot be read.

    `keys` are the swept keys in the order in which they were first named; `jobs` all jobs, in the plan's order.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        path = self.folder / PLAN
        if not path.is_file():
            raise RunError("no sweep folder: {folder} has no {file}", folder=self.folder, file=PLAN)
        try:
            plan = json.loads(manifest.checked(path))
            self.keys: list[str] = list(plan["swept"])
            planned: dict[str, dict[str, Any]] = {}
            for entry in plan["jobs"]:
                planned.setdefault(manifest.job_key(entry["key"]), {}).update(entry["swept"])
        except ConfigError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(
                "{file} in {folder} cannot be read: {kind}: {problem}",
                file=PLAN, folder=self.folder, kind=type(error).__name__, problem=str(error),
            ) from error
        ended = self._ended()
        self.jobs = [self._job(key, values, ended) for key, values in planned.items()]

    def _ended(self) -> dict[str, tuple[str, Phrase]]:
        """(status, why) of the jobs that failed or died."""
        path = self.folder / REASONS
        if not path.is_file():
            return {}
        content = manifest.checked(path)
        try:
            reasons = json.loads(content)
            return {key: (str(reason["status"]), _said(Phrase.of(reason["why"]))) for key, reason in reasons.items()}
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise RunError(
                "{file} in {folder} cannot be read: {kind}: {problem}",
                file=REASONS, folder=self.folder, kind=type(error).__name__, problem=str(error),
            ) from error

    def _job(self, key: str, values: dict[str, Any], ended: dict[str, tuple[str, Phrase]]) -> Job:
        place = self.folder / JOBS / key
        if place.is_symlink():
            raise RunError("{folder}: is a link; a sweep's jobs stand in its own folder", folder=place)
        if place.is_dir():
            return Job(key, values, DONE, "", place)
        return Job(key, values, *ended.get(key, (MISSING, Phrase("was not run"))), place)

    @cached_property
    def finished(self) -> list[Job]:
        """Jobs that are done. Where the same values were asked for twice, by another version or with another
        setting that is not swept, the later answer stands."""
        latest = {written(dict(sorted(job.values.items()))): job for job in self.jobs if job.done}
        standing = {job.key for job in latest.values()}
        return [job for job in self.jobs if job.key in standing]


def _said(phrase: Phrase) -> Phrase:
    str(phrase)  # raises where the message and its values do not belong together
    return phrase


def collect(folder: Path | str) -> pd.DataFrame:
    """Write sweep.parquet (sim.tables.SWEEP, a column per swept key after `job`) from the finished jobs; return it.

    Rows stand in the plan's order, so that the same jobs give the same bytes whichever was done first.
    """
    sweep = Sweep(folder)
    found = [Run(job.place).effects.rename(columns=SWEEP_NAMES) for job in sweep.finished]
    rows = [len(table) for table in found]
    data = {"job": _repeated([job.key for job in sweep.finished], rows, pa.string())}
    for key in sweep.keys:
        values = column_of(sweep, key, [job.values.get(key) for job in sweep.finished])
        data[key] = _repeated(values.to_pylist(), rows, values.type)
    for column in ANSWERS:
        kind = ARROW_TYPES[column.dtype]
        parts = [pa.array(table[column.name], type=kind, from_pandas=True) for table in found]
        data[column.name] = pa.chunked_array(parts, type=kind)
    table = pa.table(data).combine_chunks()
    write_parquet(sweep.folder / TABLE, table)
    answers: pd.DataFrame = table.to_pandas()
    return answers


def _repeated(values: Sequence[Any], times: Sequence[int], kind: pa.DataType) -> pa.Array:
    return pa.array([value for value, n in zip(values, times, strict=True) for _ in range(n)], type=kind)


def column_of(sweep: Sweep, key: str, values: Sequence[Any]) -> pa.Array:
    """Values of a swept key as a column, whose type follows from all the values that are planned.

    int64 or float64 where all of these are numbers, int64 only without gaps; else text. A gap where a job has none.
    """
    planned = [job.values.get(key) for job in sweep.jobs]
    given = [value for value in planned if value is not None]
    if given and all(type(value) in (int, float) for value in given):
        whole = len(given) == len(planned) and all(type(value) is int for value in given)
        return pa.array(values, type=pa.int64()) if whole else pa.array(values, type=pa.float64())
    return pa.array([None if value is None else written(value) for value in values], type=pa.string())


def written(value: Any) -> str:
    """A swept value as one word."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
