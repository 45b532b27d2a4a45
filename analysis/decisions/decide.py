"""Decisions between a sweep's options under what is not known, and their tables.

Options are compared only if point r has the same customers and the same draws in all of them. Each is also compared
with doing nothing, whose effect is zero everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.decisions.options import Option, groups_of
from analysis.decisions.regions import Region, find_region
from analysis.decisions.unknowns import (
    Space,
    effects_together,
    probabilities,
    regret_table,
    regrets,
    space,
    space_together,
)
from analysis.effects.sensitivity import sensitivity
from sim.tables import PROBABILITIES, REGIONS, REGRET, SENSITIVITY, Column

ENOUGH = 30
"""Fewest points with which anything is said about what drives an answer."""

LEADING = 3
"""Number of strongest drivers by which points are divided into thirds."""

DRIVEN = ("ltv", "profit")
GAIN, LOSS, BEST = "gain", "loss", "best"


class SoughtRegion(NamedTuple):
    """The region sought for an option and an outcome; None where none beats the base rate at points left out."""

    option: str
    outcome: str
    region: Region | None
    base_rate: float
    points: int


@dataclass(frozen=True)
class Unknowns:
    """What the answer of one option depends on."""

    option: Option
    space: Space
    sensitivity: pd.DataFrame
    probabilities: pd.DataFrame
    region: SoughtRegion


class OptionGroup:
    """Options that were run at the same points with the same draws, and what decides between them and doing nothing."""

    def __init__(self, number: int, group: Sequence[Option]) -> None:
        self.number, self.options = number, list(group)

    @property
    def seed(self) -> int:
        """The seed for resampling: that of the runs."""
        return int(self.options[0].configuration.runs[0].config.get("seed", 0))

    @cached_property
    def effects(self) -> pd.DataFrame:
        """Effect on LTV by point and option, doing nothing first, in the points that all options have."""
        return effects_together(self.options)

    @cached_property
    def regret(self) -> pd.DataFrame:
        """Rows of regret.csv; none where the options share too few points."""
        table = regret_table(self.effects)
        return table if len(self.effects) >= ENOUGH else table.iloc[:0]

    @cached_property
    def unknowns(self) -> list[Unknowns]:
        """What the answer of each option depends on."""
        return [self._unknowns(option) for option in self.options]

    @cached_property
    def best(self) -> list[SoughtRegion]:
        """When each option, doing nothing included, is the best choice; none where there is one option only."""
        if len(self.options) < 2 or self.regret.empty:
            return []
        points = space_together(self.options).points.loc[self.effects.index]
        best = regrets(self.effects) == 0
        return [_sought(str(name), BEST, points, best[name].to_numpy(), self.seed) for name in best.columns]

    def _unknowns(self, option: Option) -> Unknowns:
        own, effect = space(option), option.each("ltv")
        by_metric = [sensitivity(own.points, option.each(metric), self.seed).assign(metric=metric) for metric in DRIVEN]
        leading = [str(name) for name in by_metric[0]["name"][:LEADING]]
        gained = effect.to_numpy() > 0
        outcome, holds = (LOSS, ~gained) if gained.mean() >= 0.5 else (GAIN, gained)
        region = _sought(option.label, outcome, own.points.loc[effect.index], holds, self.seed)
        return Unknowns(option, own, pd.concat(by_metric), probabilities(option, own, leading), region)


def _sought(option: str, outcome: str, points: pd.DataFrame, holds: np.ndarray, seed: int) -> SoughtRegion:
    return SoughtRegion(option, outcome, find_region(points, holds, seed), float(holds.mean()), len(holds))


def decide(found: Sequence[Option]) -> list[OptionGroup]:
    """The options with enough points, in groups that can be compared point by point."""
    ready = [option for option in found if option.configuration.points >= ENOUGH]
    return [OptionGroup(number, group) for number, group in enumerate(groups_of(ready))]


# -- tables -----------------------------------------------------------------------------------------------------


def tables(decided: Sequence[OptionGroup]) -> dict[str, pd.DataFrame]:
    """The tables beside answers.csv by file name, with the columns of sim.tables; no rows where nothing is known."""
    makers: dict[str, tuple[tuple[Column, ...], Callable[[OptionGroup], Iterator[pd.DataFrame]]]] = {
        "sensitivity.csv": (SENSITIVITY, _sensitivity_rows),
        "probabilities.csv": (PROBABILITIES, _probability_rows),
        "regret.csv": (REGRET, lambda group: iter([group.regret])),
        "regions.csv": (REGIONS, _region_rows),
    }
    made = {}
    for name, (schema, rows) in makers.items():
        columns = [column.name for column in schema]
        parts = [part.assign(option_group=group.number) for group in decided for part in rows(group)]
        made[name] = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    return made


def _sensitivity_rows(group: OptionGroup) -> Iterator[pd.DataFrame]:
    return (one.sensitivity.assign(option=one.option.label) for one in group.unknowns)


def _probability_rows(group: OptionGroup) -> Iterator[pd.DataFrame]:
    return (one.probabilities.assign(option=one.option.label) for one in group.unknowns)


def _region_rows(group: OptionGroup) -> Iterator[pd.DataFrame]:
    names = [column.name for column in REGIONS[2:]]
    for found in [*(one.region for one in group.unknowns), *group.best]:
        row = dict.fromkeys(names, np.nan) | {"region": "", "base_rate": found.base_rate, "points": found.points}
        if found.region is not None:
            row |= found.region._asdict() | {"region": _expression(found.region)}
        row |= {"option": found.option, "outcome": found.outcome}
        yield pd.DataFrame([{name: row[name] for name in ("option", *names)}])


def _expression(region: Region) -> str:
    """The conditions of a region, by dotted paths."""
    conditions = []
    for name, (low, high) in region.box.items():
        conditions += [f"{name} > {low:.6g}"] if np.isfinite(low) else []
        conditions += [f"{name} <= {high:.6g}"] if np.isfinite(high) else []
    return " and ".join(conditions)
