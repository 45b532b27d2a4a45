"""A synthetic sweep's folder in which the truth is known: effects are given point by point."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from analysis.effects.answer import write_effects
from sim import tables
from sim.phrases import Phrase

CLOCK = "behaviour.attrition.clock"
CLOCKS = ("episode", "time")
CAPACITY, SLOPE = "company.capacity_ratio", "behaviour.attrition.satisfaction_slope"
RANGES = {CAPACITY: (1.0, 2.0), SLOPE: (0.2, 1.5)}
UNITS = {CAPACITY: "ratio to mean orders", SLOPE: "logit/su"}

Effects = Mapping[str, Mapping[str, Sequence[float]]]
"""By arm and metric: the effect at each point."""


@dataclass
class FakeJob:
    """One job: its swept values, the effects of its arms in its points, and how it ended (`done` has a run folder)."""

    values: dict[str, Any]
    effects: Effects = field(default_factory=dict)
    first: int = 0
    status: str = "done"
    why: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    level: float = 100.0
    values_at: pd.DataFrame | None = None
    second_seeds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """By arm: the LTV effects of the first points under their second seeds."""


def design(points: int, others: int = 0, seed: int = 3) -> pd.DataFrame:
    """A Latin hypercube over capacity, slope and so many parameters without influence, and the clock in turns."""
    rng = np.random.default_rng(seed)
    ranges = RANGES | {f"behaviour.idle.number_{i}": (0.0, 1.0) for i in range(others)}
    columns = {
        name: low + (high - low) * (rng.permutation(points) + rng.random(points)) / points
        for name, (low, high) in ranges.items()
    }
    return pd.DataFrame(columns | {CLOCK: rng.permutation(np.arange(points) % 2).astype(float)})


def make_sweep(folder: Path, jobs: Sequence[FakeJob], order: Sequence[int] | None = None) -> Path:
    """Write a sweep's folder: plan, reasons.json, and the run folders of the jobs that are done, in any order."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = [f"{number:016x}" for number in range(len(jobs))]
    swept = list(dict.fromkeys(key for job in jobs for key in job.values))
    plan = [
        {"key": key, "overrides": [f"{name}={value}" for name, value in job.values.items()], "swept": job.values}
        for key, job in zip(keys, jobs, strict=True)
    ]
    (folder / "sweep.json").write_text(json.dumps({"swept": swept, "jobs": plan}), encoding="utf-8")
    reasons = {
        key: {"status": job.status, "why": Phrase("{problem}", problem=job.why).plain()}
        for key, job in zip(keys, jobs, strict=True)
        if job.status in ("failed", "died")
    }
    (folder / "reasons.json").write_text(json.dumps(reasons), encoding="utf-8")
    for number in order or range(len(jobs)):
        if jobs[number].status == "done":
            _make_run(folder / "jobs" / keys[number], jobs[number])
    return folder


def _make_run(folder: Path, job: FakeJob) -> None:
    folder.mkdir(parents=True)
    points = max((len(values) for effects in job.effects.values() for values in effects.values()), default=4)
    config = {"customers": 2000, "days": 60, "seed": 7, "replications": 200, "start_date": "2027-01-01"}
    config |= {"points": [job.first, job.first + points], "company": {"name": "fake", "members": 50_000}}
    config |= {"behaviour": {"attrition": {"clock": {"value": "time", "options": list(CLOCKS), "grade": "judgement"}}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config | job.settings, sort_keys=False), encoding="utf-8")
    _measures(job, points).to_parquet(folder / "measures.parquet", index=False)
    values_at = design(points) if job.values_at is None else job.values_at.iloc[job.first : job.first + points]
    long = values_at.set_axis(range(job.first, job.first + points)).rename_axis("replication").reset_index()
    long.melt("replication", var_name="name").to_parquet(folder / "points.parquet", index=False)
    _parameters([str(name) for name in values_at.columns]).to_csv(folder / "parameters.csv", index=False)
    write_effects(folder)


def _parameters(names: Sequence[str]) -> pd.DataFrame:
    rows = []
    for name in names:
        low, high = RANGES.get(name, (np.nan, np.nan) if name == CLOCK else (0.0, 1.0))
        rows.append((name, "1", low, high, UNITS.get(name, ""), "judgement", ""))
    return pd.DataFrame(rows, columns=[column.name for column in tables.PARAMETERS])


def _measures(job: FakeJob, points: int) -> pd.DataFrame:
    """Baseline levels that differ from point to point, and each arm at its effect above them."""
    rows: list[tuple[object, ...]] = []
    for point in range(points):
        for metric in ("ltv", "profit", "cost", "nps", "orders"):
            level = 0.0 if metric == "cost" else job.level + (job.first + point)
            for segment in (tables.EVERYBODY, "fan"):
                key = (job.first + point, 0)
                rows.append((*key, tables.BASELINE, "all", segment, metric, level))
                for arm, effects in job.effects.items():
                    own = effects.get(metric, effects["ltv"] if metric == "profit" else [0.0] * points)
                    rows.append((*key, arm, "all", segment, metric, level + own[point]))
    for arm, seconds in job.second_seeds.items():
        for point, effect in enumerate(seconds):
            key = (job.first + point, 1)
            rows.append((*key, tables.BASELINE, "all", tables.EVERYBODY, "ltv", job.level))
            rows.append((*key, arm, "all", tables.EVERYBODY, "ltv", job.level + effect))
    frame = pd.DataFrame(rows, columns=[column.name for column in tables.MEASURES])
    return frame.astype({"replication": "int32", "second_seed": "int8"})
