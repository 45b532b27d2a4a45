"""An exploration's folder, read: effects at every setting and point, surrogates between them, and three errors.

What is not known is the spread over points, the luck of the seed taken out: its share of the spread is the plan's, as
second seeds tell it. Luck leaves an error in a mean over points. The surrogate's own error is what it leaves out of a
setting that the others tell.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.effects.estimands import NORMAL_90, Array, luck, luck_share
from analysis.effects.sensitivity import rank_correlations
from analysis.folders.run_folder import Run, RunError
from analysis.studies.surrogate import Surrogate, best, rms, scaled
from sim.files import manifest
from sim.phrases import ConfigError
from sim.tables import YEARS

PLAN, TABLE = "explore.json", "explore.parquet"
DAYS_PER_YEAR = 365

MOST_SLIDERS = 3
"""Unknowns that get a slider where none is named."""


class Explored(Run):
    """An exploration's folder. Raises RunError where it is none, or not at its end."""

    required = ("config.yaml", PLAN, TABLE)

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder)
        self.plan = self._plan()
        self.levers: list[dict[str, Any]] = self.plan["levers"]
        self._surrogates: dict[str, Surrogate] = {}

    def _plan(self) -> dict[str, Any]:
        try:
            plan = dict(json.loads(manifest.checked(self.folder / PLAN)))
            return plan if plan["levers"] and plan["command"] else {}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if isinstance(error, ConfigError):
                raise
            raise RunError("{name} in {folder} cannot be read", name=PLAN, folder=self.folder) from None

    explored = cached_property(lambda self: self.table(TABLE))
    """explore.parquet."""

    @property
    def scenario(self) -> str:
        """What the levers belong to: a scenario, or several as `A+B`."""
        return str(self.plan["scenario"])

    @cached_property
    def settings(self) -> Array:
        """Values of the levers (settings, levers); the plan as stated first."""
        keys = [one["key"] for one in self.levers]
        table = self.explored.drop_duplicates("setting").sort_values("setting")
        return np.asarray(table[keys].to_numpy(dtype=float))

    @cached_property
    def at(self) -> Array:
        """The same, levers from -1 to 1."""
        return scaled(self.settings, [one["low"] for one in self.levers], [one["high"] for one in self.levers])

    @cached_property
    def replications(self) -> Array:
        """Numbers of the points (points,)."""
        return np.unique(self.explored["replication"].to_numpy())

    @property
    def metrics(self) -> list[str]:
        """Metrics that a page shows: those that have a value at every setting and point."""
        years = [year for place, year in enumerate(YEARS) if self.days > place * DAYS_PER_YEAR]
        shown = ["ltv", *years, "tail", "nps", "orders", "on_time", "cost"]
        return [name for name in shown if not np.isnan(self.effects_of(name)).any()]

    def effects_of(self, metric: str, second_seed: int = 0) -> Array:
        """Effects (settings, points) under one seed; NaN where not run."""
        rows = self.explored[(self.explored["metric"] == metric) & (self.explored["second_seed"] == second_seed)]
        rows = rows.assign(effect=rows["scenario"] - rows["baseline"])
        wide = rows.pivot(index="setting", columns="replication", values="effect")
        return np.asarray(wide.reindex(range(len(self.settings)), columns=self.replications).to_numpy(dtype=float))

    def luck(self, metric: str) -> float:
        """Standard deviation of the plan's effect at one point by the seed alone; NaN where it is not known."""
        return luck(np.vstack([self.effects_of(metric, seed)[:1] for seed in (0, 1)]))

    def share_of_luck(self, metric: str) -> float:
        """Share of the surrogate's variance over points that is luck; NaN where it is not known.

        Luck that settings share stays in what the surrogate makes of them; what each has of its own it smooths away.
        """
        values = self.effects_of(metric)
        curve = self.surrogate(metric).predicted(values, self.at[:1])[0]
        left = self.luck(metric) ** 2 - float(np.var(values[0] - curve, ddof=1))
        return luck_share(curve, math.sqrt(max(left, 0.0))) if not math.isnan(left) else left

    def surrogate(self, metric: str) -> Surrogate:
        """The surrogate of a metric's effect."""
        if metric not in self._surrogates:
            self._surrogates[metric] = best(self.at, self.effects_of(metric))
        return self._surrogates[metric]

    @cached_property
    def values_at(self) -> pd.DataFrame:
        """A row per point, a column per parameter that differs between points."""
        return self.points.pivot(index="replication", columns="name", values="value").reindex(self.replications)

    @cached_property
    def sliders(self) -> list[str]:
        """Parameters that may be asked for: those named, or those that the plan's effect on LTV follows most."""
        if self.plan["sliders"] is not None:
            return [key for key in self.plan["sliders"] if key in self.values_at]
        if self.values_at.empty:
            return []
        effect = pd.Series(self.effects_of("ltv")[0], index=self.replications)
        return list(rank_correlations(self.values_at.astype(float), effect)["name"][:MOST_SLIDERS])

    def about(self, key: str) -> Mapping[str, str]:
        """Unit and grade that the configuration states of a parameter."""
        rows = self.parameters[self.parameters["name"] == key]
        stated = rows[["unit", "grade"]].fillna("").to_dict("records")
        return {"unit": "", "grade": ""} if not stated else {str(name): str(text) for name, text in stated[0].items()}


class Predicted(NamedTuple):
    """An effect at a setting: at each point (points,), and the surrogate's error of its mean, a 90 % half-width."""

    effect: Array
    error: float


def predicted(found: Explored, metric: str, setting: Mapping[str, float]) -> Predicted:
    """What the surrogate says of a metric's effect at a setting, by dotted key of the levers."""
    lows, highs = ([one[end] for one in found.levers] for end in ("low", "high"))
    where = scaled(np.array([[setting[one["key"]] for one in found.levers]]), lows, highs)
    surrogate, values = found.surrogate(metric), found.effects_of(metric)
    left = surrogate.left_out(values.mean(axis=1, keepdims=True))
    return Predicted(surrogate.predicted(values, where)[0], NORMAL_90 * rms(left))


