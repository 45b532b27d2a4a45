"""What a sweep compares: its configurations, each with all its points, and the interventions in them as options.

A sweep may divide a configuration's points into jobs (swept key `points`). Here they are one run again: the
measures are joined first and effects computed from all points, which differs from averaging the jobs' answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.effects import answer as effects
from analysis.effects.estimands import Cube, by_point, effects_table
from analysis.folders.run_folder import Run, interventions
from analysis.folders.sweep_folder import Job, Sweep, column_of, written
from analysis.style import words
from sim.files import manifest
from sim.tables import ANSWERS, BASELINE, EVERYBODY, SWEEP_NAMES

BLOCKS = "points"
"""The swept key that divides one configuration's points into jobs."""

SCENARIO = "scenario"


class Configuration:
    """Swept values, and the finished runs that hold their points; `planned` counts the jobs, finished or not."""

    def __init__(self, values: Mapping[str, Any], runs: Sequence[Run], planned: int) -> None:
        """Runs whose settings differ from the last one's in more than the points are left out."""
        settings = [_settings(run) for run in runs]
        self.values = dict(values)
        self.runs = [run for run, own in zip(runs, settings, strict=True) if own == settings[-1]]
        self.planned = planned

    @cached_property
    def measures(self) -> pd.DataFrame:
        """measures.parquet of all its points, everybody only, by point; a point that two jobs ran counts once."""
        frames, seen = [], np.array([], dtype=np.int32)
        for run in self.runs:
            rows = run.measures[run.measures["segment"] == EVERYBODY]
            frames.append(rows[~rows["replication"].isin(seen)])
            seen = np.union1d(seen, rows["replication"].to_numpy())
        return pd.concat(frames, ignore_index=True).sort_values("replication", kind="stable", ignore_index=True)

    @cached_property
    def daily(self) -> pd.DataFrame:
        """daily.parquet of all its points, likewise; without rows where a run kept none."""
        frames, seen = [], np.array([], dtype=np.int32)
        for run in self.runs:
            rows = run.optional("daily.parquet")
            frames.append(rows[~rows["replication"].isin(seen)])
            seen = np.union1d(seen, rows["replication"].to_numpy())
        return pd.concat(frames, ignore_index=True)

    @cached_property
    def cube(self) -> Cube:
        """The measures by arm and metric."""
        return Cube(self.measures)

    @cached_property
    def effects(self) -> pd.DataFrame:
        """Effects of all its points, columns of sim.tables.EFFECTS."""
        return effects_table(self.measures)

    @cached_property
    def values_at(self) -> pd.DataFrame:
        """A row per point (index replication), a column per uncertain parameter: its value there, float64."""
        table = pd.concat([run.points for run in self.runs], ignore_index=True)
        return table.drop_duplicates(["replication", "name"]).pivot(index="replication", columns="name", values="value")

    @property
    def interventions(self) -> list[str]:
        """Names of what was treated; none where it is the baseline alone."""
        return interventions(self.measures)

    @property
    def points(self) -> int:
        """Number of points."""
        return len(self.cube.replications)

    def levels(self, metric: str) -> pd.Series:
        """The baseline's value of a metric at each point (index replication), NaN where it has none."""
        return pd.Series(self.cube.get(BASELINE, EVERYBODY, metric)[0], index=self.cube.replications)


class Option(NamedTuple):
    """What could be chosen: an intervention at a configuration, and its name for people."""

    configuration: Configuration
    intervention: str
    label: str

    def told(self, keys: Sequence[str], alone: bool = False) -> str:
        """Its intervention and what it has of these swept keys; the latter `alone` where all have one intervention."""
        values = self.configuration.values
        more = [key for key in keys if key != SCENARIO or shown(values.get(key)) != self.intervention]
        pairs = [f"{words.moved(key)} {shown(values[key])}" for key in more if values.get(key) is not None]
        return words.enumerated(pairs if alone and pairs else [self.intervention, *pairs])

    def answer(self, metric: str) -> effects.Answer | None:
        """Its total effect for everybody, over all points."""
        return effects.answer(self.configuration.effects, self.intervention, metric)

    def each(self, metric: str) -> pd.Series:
        """As `estimands.by_point`."""
        return by_point(self.configuration.cube, self.intervention, metric)

    def returns(self) -> pd.Series:
        """Its ROI at each point that costs anything (index replication)."""
        gain, cost = self.each("ltv"), self.each("cost")
        return (gain / cost[cost != 0]).dropna()


def configurations(sweep: Sweep) -> list[Configuration]:
    """The configurations with at least one finished job, in the plan's order."""
    order: dict[str, list[Job]] = {}
    for job in sweep.jobs:
        values = {key: value for key, value in job.values.items() if key != BLOCKS}
        order.setdefault(written(dict(sorted(values.items()))), []).append(job)
    standing = {job.key for job in sweep.finished}
    found = []
    for jobs in order.values():
        runs = [Run(job.place) for job in jobs if job.key in standing]
        if runs:
            values = {key: value for key, value in jobs[-1].values.items() if key != BLOCKS}
            found.append(Configuration(values, runs, len(jobs)))
    return found


def options(found: Sequence[Configuration]) -> list[Option]:
    """Every intervention of every configuration, named by itself and by the swept values that tell them apart."""
    keys = varied(found)
    plain = [Option(one, name, name) for one in found for name in one.interventions]
    alone = len({option.intervention for option in plain}) == 1
    return [option._replace(label=option.told(keys, alone)) for option in plain]


def ranked(found: Sequence[Option]) -> list[Option]:
    """Options with an answer, best first: those that cost anything by ROI, then the others by their effect on LTV."""
    answered = [one for one in found if one.answer("ltv") is not None]

    def place(one: Option) -> tuple[bool, float]:
        roi, ltv = one.answer("roi"), one.answer("ltv")
        best = roi or ltv
        return roi is None, -best.effect if best else 0.0

    return sorted(answered, key=place)


def varied(found: Sequence[Configuration]) -> list[str]:
    """Swept keys that have more than one value among the configurations."""
    keys = dict.fromkeys(key for one in found for key in one.values)
    return [key for key in keys if len({written(one.values.get(key)) for one in found}) > 1]


def lever(key: str) -> bool:
    """Whether a swept key is the firm's to choose: a scenario, or a number of one. Others describe its world."""
    return key.partition(".")[0] == SCENARIO


def groups_of(found: Sequence[Option]) -> list[list[Option]]:
    """Options in groups that were run with the same draws: at every point that two of a group share, untreated LTV, NPS
    and orders are the same to the last bit. Only within a group may options be compared point by point."""
    groups: list[list[Option]] = []
    for option in found:
        for group in groups:
            if all(_same_luck(option.configuration, other.configuration) for other in group):
                group.append(option)
                break
        else:
            groups.append([option])
    return groups


def answers(sweep: Sweep, found: Sequence[Configuration]) -> pd.DataFrame:
    """answers.csv: a row per configuration, metric and estimand; swept values but blocks, then sim.tables.ANSWERS."""
    keys = [key for key in sweep.keys if key != BLOCKS]
    frames = []
    for number, one in enumerate(found):
        frames.append(one.effects.rename(columns=SWEEP_NAMES).assign(configuration=number))
    columns = [column.name for column in ANSWERS]
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["configuration", *columns])
    at = table["configuration"].to_numpy(dtype=int)
    for key in keys:
        values = column_of(sweep, key, [one.values.get(key) for one in found]).to_pandas()
        table[key] = values.to_numpy()[at] if len(found) else values
    return table[[*keys, *columns]]


def shown(value: Any) -> str:
    """A swept value for people."""
    if isinstance(value, list | tuple):
        return " + ".join(map(shown, value))
    return words.plain(value) if type(value) is float else written(value)


def _same_luck(one: Configuration, other: Configuration) -> bool:
    shared = np.intersect1d(one.cube.replications, other.cube.replications)
    return len(shared) > 0 and all(
        one.levels(metric)[shared].equals(other.levels(metric)[shared]) for metric in ("ltv", "nps", "orders")
    )


def _settings(run: Run) -> str:
    """Its configuration without the block of points, as text."""
    text = manifest.checked(run.folder / "config.yaml").decode("utf-8")
    return re.sub(r"^points:.*\n(?:- .*\n)*", "", text, flags=re.MULTILINE)
