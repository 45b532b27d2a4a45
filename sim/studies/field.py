"""The field suite: published experiments, and a firm's own past tests, simulated at points of what is not known.

Each experiment is a configuration of its own, the firm's and what it did, and is run at the first points of its own
design. How what comes out stands beside what was published is said in `analysis.studies.field`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sim import tables
from sim.config.settings import Settings
from sim.files.disk import write_csv
from sim.learning.field_test import FieldTest
from sim.learning.field_world import Lift, simulated
from sim.run.experiment import FIRST_BATCH, Progress, running, study_tasks
from sim.run.replication import Task, TreatedArms
from sim.run.writing import write_config, write_parquet
from sim.world.constants import refuse_contradictions


@dataclass(frozen=True)
class Experiment:
    """An experiment with the settings of its market."""

    name: str
    test: FieldTest
    settings: Settings


class Item(NamedTuple):
    """An experiment at one point under one seed."""

    name: str
    task: Task


def run_field(
    experiments: Mapping[str, Experiment], treated_arms: TreatedArms, folder: Path, threads: int, progress: Progress
) -> None:
    """Simulate the experiments and write config.yaml, field_findings.csv and field_points.parquet into `folder`.

    `progress(done, of, what)` is called as points are finished.
    """
    for one in experiments.values():
        refuse_contradictions(one.settings)
    items = [Item(one.name, task) for one in experiments.values() for task in _tasks(one.settings)]
    with running(partial(_at_a_point, dict(experiments), treated_arms), threads, progress) as run:
        found = run(items)
    first = next(iter(experiments.values())).settings
    stated = {name: one.test.model_dump(mode="json", exclude_none=True) for name, one in experiments.items()}
    write_config(folder, first, field=stated)
    write_csv(folder / "field_findings.csv", findings_table(experiments))
    write_parquet(folder, "field_points.parquet", points_table(items, found))


def _tasks(settings: Settings) -> list[Task]:
    auto = settings.replications == "auto"
    return study_tasks(settings.model_copy(update={"replications": FIRST_BATCH}) if auto else settings, True)


def _at_a_point(experiments: Mapping[str, Experiment], treated_arms: TreatedArms, item: Item) -> dict[str, Lift]:
    one = experiments[item.name]
    return simulated(one.name, one.test, one.settings.at(item.task.point), treated_arms, item.task.seed)


def findings_table(experiments: Mapping[str, Experiment]) -> pd.DataFrame:
    """field_findings.csv: a row per finding, as published."""
    rows = [
        _published(name, one.test, key) for name, one in experiments.items() for key in one.test.findings
    ]
    return pd.DataFrame(rows, columns=[column.name for column in tables.FIELD_FINDINGS])


def _published(name: str, test: FieldTest, key: str) -> dict[str, Any]:
    finding = test.findings[key]
    lift = finding.found
    return {
        "experiment": name, "finding": key, "metric": finding.metric,
        "unit": "share" if finding.relative else finding.unit, "delay": finding.delay, "design": test.design,
        "use": test.use, "reading": test.reading,
        "estimate": lift.value, "se": lift.error, "level": finding.control_level, "source": test.source,
    }  # fmt: skip


def numbers_of(folder: Path) -> dict[str, list[list[float | None]]]:
    """Effects per point by `EXPERIMENT FINDING field`: a list for the first seed, one for the second, None for none."""
    found = {}
    points = pd.read_parquet(folder / "field_points.parquet")
    for (experiment, finding), own in points.groupby(["experiment", "finding"], sort=False):
        wide = own.pivot(index="second_seed", columns="point", values="effect").reindex([0, 1])
        found[f"{experiment} {finding} field"] = [
            [None if pd.isna(value) else float(value) for value in row] for row in wide.to_numpy()
        ]
    return found


def points_table(items: list[Item], found: list[dict[str, Lift]]) -> pd.DataFrame:
    """field_points.parquet: a row per finding, point and seed."""
    rows = [
        (item.name, key, item.task.replication, item.task.second_seed, *lift)
        for item, lifts in zip(items, found, strict=True)
        for key, lift in lifts.items()
    ]
    frame = pd.DataFrame(rows, columns=[column.name for column in tables.FIELD_POINTS])
    return frame.astype({column.name: column.dtype for column in tables.FIELD_POINTS if column.dtype != "str"})
