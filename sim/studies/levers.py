"""What `cxsim optimise` searches: levers, objectives and constraints of a search file (`conf/optimise/NAME.yaml`).

    description:  what it asks
    levers:       {key: {low, high, step, cost_per_day}, ...}      keys of the configuration, dotted
    objectives:   [{metric, of: effect|level, over, goal: maximise|minimise}, ...]      one, or several for a front
    constraints:  [{metric, of, over, at_least or at_most}, ...]
    trials, batch, points, fresh_points

`over` says how the points of what is not known become one number: `mean`, a quantile such as 0.1, or `gain`, the share
of points with a gain. A lever that is an option of an intervention acts in the treated arm alone, so that the effect
may be optimised. Any other lever changes the company in both arms: then the level of the whole company is what counts,
and gains are against the present configuration. Such a lever may cost: `cost_per_day` is yen a day, per potential
customer and unit of the key, booked with the fixed costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.config.parameters import ConfigError, nearest, number, read_group, show, text, whole, word
from sim.tables import METRIC

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

EFFECT, LEVEL = "effect", "level"
MEAN, GAIN = "mean", "gain"
MAXIMISE, MINIMISE = "maximise", "minimise"

ALWAYS_KEPT = ("ltv", "profit", "cost", "nps", "on_time", "orders")
"""Metrics kept of every point, wanted or not: what one asks of an optimum."""

Point = Mapping[str, float | int]
"""A value per lever, by dotted key."""

Found = dict[str, list[list[float]]]
"""By metric: its values in the baseline and in the treated arm, a list over points each."""


@dataclass(frozen=True)
class Lever:
    """A key that may be moved, from low to high (both included), in whole numbers where both are."""

    key: str
    low: float
    high: float
    step: float | None = None
    cost_per_day: float = 0.0  # yen, per potential customer and unit

    @property
    def in_both_arms(self) -> bool:
        """Whether it changes the company rather than an intervention."""
        return not (self.key.startswith("scenario.") and ".interventions." in self.key)

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import FloatDistribution, IntDistribution

        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, step=self.step)


@dataclass(frozen=True)
class Statistic:
    """A number of a point: the effect on a metric or its level in the treated arm, over the points."""

    metric: str
    of: str
    over: str | float

    @property
    def name(self) -> str:
        return f"{self.metric} {self.of} {self.over}"

    def value(self, found: Found, present: Found) -> float:
        """Of a point; gains in level are against the present configuration, point by point."""
        baseline, treated = (np.asarray(values) for values in found[self.metric])
        values = treated - baseline if self.of == EFFECT else treated
        if self.over == GAIN:
            return float(np.mean(values > (0.0 if self.of == EFFECT else np.asarray(present[self.metric][1]))))
        return float(np.mean(values) if self.over == MEAN else np.quantile(values, float(self.over)))


@dataclass(frozen=True)
class Objective:
    """A statistic to be made large, or small."""

    statistic: Statistic
    goal: str


@dataclass(frozen=True)
class Constraint:
    """A statistic with a bound."""

    statistic: Statistic
    bound: float
    at_least: bool

    def excess(self, value: float) -> float:
        """How far beyond the bound; zero or less where it is kept."""
        return self.bound - value if self.at_least else value - self.bound


@dataclass(frozen=True)
class Search:
    """What is searched, checked; keys of a search file."""

    description: str
    levers: tuple[Lever, ...]
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    trials: int
    batch: int  # trials asked for at once
    points: int  # of what is not known, the same for every trial
    fresh_points: int

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics kept of every point."""
        wanted = [statistic.metric for statistic in self.statistics.values()]
        return tuple(dict.fromkeys([*wanted, *ALWAYS_KEPT]))

    @property
    def statistics(self) -> dict[str, Statistic]:
        """What is computed of every point, by name: objectives, then constraints."""
        wanted = [one.statistic for one in self.objectives] + [one.statistic for one in self.constraints]
        return {statistic.name: statistic for statistic in wanted}


def read_search(node: Any) -> Search:
    """A checked search file. Raises ConfigError."""
    readers: dict[str, Callable[[Any], Any]] = {
        "description": text,
        "levers": _levers,
        "objectives": lambda some: tuple(_objective(one) for one in _list(some)),
        "constraints": lambda some: tuple(_constraint(one) for one in some or ()),
        "trials": whole(1, 100_000),
        "batch": whole(1, 1000),
        "points": whole(2, 10_000),
        "fresh_points": whole(2, 10_000),
    }
    search = Search(**read_group(node, readers, "optimise", {"constraints": ()}))
    moved = [lever.key for lever in search.levers if lever.in_both_arms]
    for one in search.objectives:
        if moved and one.statistic.of == EFFECT:
            raise ConfigError(
                f"optimise.objectives: the effect on {one.statistic.metric} is not allowed, since {moved[0]} changes "
                "the company in both arms; of: level, and what it costs as cost_per_day of the lever"
            )
    return search


def _levers(node: Any) -> tuple[Lever, ...]:
    if not isinstance(node, Mapping) or not node:
        raise ConfigError(f"{show(node)} is not allowed; at least one key with low and high")
    return tuple(_lever(str(key), ends) for key, ends in node.items())


def _lever(key: str, node: Any) -> Lever:
    optional = {"step": None, "cost_per_day": 0.0}
    readers = dict.fromkeys(("low", "high"), _as_written) | dict.fromkeys(optional, number)
    lever = Lever(key, **read_group(node, readers, key, optional))
    if not lever.low < lever.high:
        raise ConfigError(f"{key}: low {lever.low:g} is not below high {lever.high:g}")
    if lever.step is not None:
        steps = (lever.high - lever.low) / lever.step if lever.step > 0 else 0.5
        if abs(steps - round(steps)) > 1e-9:
            raise ConfigError(f"{key}.step: {lever.step:g} is not allowed; a whole number of steps from low to high")
    if lever.cost_per_day and not lever.in_both_arms:
        raise ConfigError(f"{key}.cost_per_day: is not allowed; an intervention has its own cost")
    return lever


def _as_written(value: Any) -> float | int:
    """A number, whole where it is written so."""
    found = number(value)
    return value if isinstance(value, int) else found


def _over(value: Any) -> str | float:
    if isinstance(value, str):
        return word(MEAN, GAIN)(value)
    found = number(value)
    if not 0 < found < 1:
        raise ConfigError(f"{show(value)} is not allowed; {MEAN}, {GAIN}, or a quantile between 0 and 1")
    return found


STATISTIC: dict[str, Callable[[Any], Any]] = {"metric": word(*METRIC), "of": word(EFFECT, LEVEL), "over": _over}


def _objective(node: Any) -> Objective:
    found = read_group(node, STATISTIC | {"goal": word(MAXIMISE, MINIMISE)})
    goal = found.pop("goal")
    return Objective(Statistic(**found), goal)


def _constraint(node: Any) -> Constraint:
    bounds = {"at_least": None, "at_most": None}
    found = read_group(node, STATISTIC | dict.fromkeys(bounds, number), optional=bounds)
    least, most = found.pop("at_least"), found.pop("at_most")
    if (least is None) == (most is None):
        raise ConfigError(f"{show(node)} is not allowed; either at_least or at_most")
    return Constraint(Statistic(**found), most if least is None else least, least is not None)


def _list(node: Any) -> Sequence[Any]:
    if isinstance(node, str) or not isinstance(node, Sequence) or not node:
        raise ConfigError(f"{show(node)} is not a list; at least one, each with metric, of, over and goal")
    return node


def present_point(search: Search, plain: Mapping[str, Any]) -> dict[str, float | int]:
    """Where the levers stand at present, of the plain configuration as it is run (`settings.resolved`).

    Of a lever with a range, its central value: a firm knows its own levers. Raises ConfigError for a key that is none.
    """
    found = {}
    for lever in search.levers:
        node: Any = plain
        for part in lever.key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                there = node if isinstance(node, Mapping) else {}
                raise ConfigError(
                    f"optimise.levers: {lever.key} is no key of this configuration; {part} is not among "
                    f"{', '.join(map(str, there)) or 'any'}{nearest(part, map(str, there))}"
                )
            node = node[part]
        value = node.get("value", node.get("mean")) if isinstance(node, Mapping) else node
        try:
            found[lever.key] = _as_written(value)
        except ConfigError as error:
            raise ConfigError(f"optimise.levers: {lever.key}: {error}, and cannot be moved") from None
    return found
