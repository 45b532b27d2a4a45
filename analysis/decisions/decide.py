"""From a sweep's options to a decision that survives what is not known: all its tables, by worlds.

Options are decided between only where draw r is the same world in all of them. Each is also held against doing nothing,
which has an effect of zero in every world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.decisions.options import Option, worlds
from analysis.decisions.regions import Rule, find_rule
from analysis.decisions.unknowns import (
    Space,
    effects_together,
    probabilities,
    regret_table,
    regrets,
    space,
    space_together,
)
from analysis.effects.sensitivity import drivers
from sim.tables import DRIVERS, PROBABILITIES, REGRET, RULES, Column

ENOUGH = 30
"""Draws below which nothing is said about what drives an answer."""

LEADING = 3
"""So many of the strongest drivers are looked at third by third."""

DRIVEN = ("ltv", "profit")
GAIN, LOSS, BEST = "gain", "loss", "best"


class Found(NamedTuple):
    """The rule sought for an option and an outcome; None where none beats the base rate out of sample."""

    option: str
    outcome: str
    rule: Rule | None
    base_rate: float
    draws: int


@dataclass(frozen=True)
class Unknowns:
    """What one option hangs on."""

    option: Option
    space: Space
    drivers: pd.DataFrame
    probabilities: pd.DataFrame
    rule: Found


class World:
    """The options that live in the same worlds, draw by draw, and what decides between them and doing nothing."""

    def __init__(self, number: int, group: Sequence[Option]) -> None:
        self.number, self.options = number, list(group)

    @property
    def seed(self) -> int:
        """The seed of whatever is resampled here: that of the runs."""
        return int(self.options[0].configuration.runs[0].config.get("seed", 0))

    @cached_property
    def effects(self) -> pd.DataFrame:
        """Effect on LTV by draw and option, doing nothing first, in the draws that all options have."""
        return effects_together(self.options)

    @cached_property
    def regret(self) -> pd.DataFrame:
        """Rows of regret.csv; none where the options share too few draws."""
        table = regret_table(self.effects)
        return table if len(self.effects) >= ENOUGH else table.iloc[:0]

    @cached_property
    def unknowns(self) -> list[Unknowns]:
        """What each option hangs on."""
        return [self._unknowns(option) for option in self.options]

    @cached_property
    def best(self) -> list[Found]:
        """When each option, doing nothing included, is the best choice; none where there is one option only."""
        if len(self.options) < 2 or self.regret.empty:
            return []
        points = space_together(self.options).points.loc[self.effects.index]
        best = regrets(self.effects) == 0
        return [_sought(str(name), BEST, points, best[name].to_numpy(), self.seed) for name in best.columns]

    def _unknowns(self, option: Option) -> Unknowns:
        own, effect = space(option), option.each("ltv")
        by_metric = [drivers(own.points, option.each(metric), self.seed).assign(metric=metric) for metric in DRIVEN]
        leading = [str(name) for name in by_metric[0]["name"][:LEADING]]
        gained = effect.to_numpy() > 0
        outcome, holds = (LOSS, ~gained) if gained.mean() >= 0.5 else (GAIN, gained)
        rule = _sought(option.label, outcome, own.points.loc[effect.index], holds, self.seed)
        return Unknowns(option, own, pd.concat(by_metric), probabilities(option, own, leading), rule)


def _sought(option: str, outcome: str, points: pd.DataFrame, holds: np.ndarray, seed: int) -> Found:
    return Found(option, outcome, find_rule(points, holds, seed), float(holds.mean()), len(holds))


def decide(found: Sequence[Option]) -> list[World]:
    """The options with enough draws, by the worlds that they live in."""
    ready = [option for option in found if option.configuration.draws >= ENOUGH]
    return [World(number, group) for number, group in enumerate(worlds(ready))]


# -- tables -----------------------------------------------------------------------------------------------------


def tables(decided: Sequence[World]) -> dict[str, pd.DataFrame]:
    """The tables beside answers.csv by file name, with the columns of sim.tables; no rows where nothing is known."""
    makers: dict[str, tuple[tuple[Column, ...], Callable[[World], Iterator[pd.DataFrame]]]] = {
        "drivers.csv": (DRIVERS, _driver_rows),
        "probabilities.csv": (PROBABILITIES, _probability_rows),
        "regret.csv": (REGRET, lambda world: iter([world.regret])),
        "rules.csv": (RULES, _rule_rows),
    }
    made = {}
    for name, (schema, rows) in makers.items():
        columns = [column.name for column in schema]
        parts = [part.assign(world=world.number) for world in decided for part in rows(world)]
        made[name] = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    return made


def _driver_rows(world: World) -> Iterator[pd.DataFrame]:
    return (one.drivers.assign(option=one.option.label) for one in world.unknowns)


def _probability_rows(world: World) -> Iterator[pd.DataFrame]:
    return (one.probabilities.assign(option=one.option.label) for one in world.unknowns)


def _rule_rows(world: World) -> Iterator[pd.DataFrame]:
    names = [column.name for column in RULES[2:]]
    for found in [*(one.rule for one in world.unknowns), *world.best]:
        row = dict.fromkeys(names, np.nan) | {"rule": "", "base_rate": found.base_rate, "draws": found.draws}
        if found.rule is not None:
            row |= found.rule._asdict() | {"rule": _expression(found.rule)}
        row |= {"option": found.option, "outcome": found.outcome}
        yield pd.DataFrame([{name: row[name] for name in ("option", *names)}])


def _expression(rule: Rule) -> str:
    """A rule's region in dotted paths."""
    conditions = []
    for name, (low, high) in rule.box.items():
        conditions += [f"{name} > {low:.6g}"] if np.isfinite(low) else []
        conditions += [f"{name} <= {high:.6g}"] if np.isfinite(high) else []
    return " and ".join(conditions)
