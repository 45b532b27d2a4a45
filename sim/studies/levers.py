"""What `cxsim optimise` searches: levers, objectives and constraints of a search file (`conf/optimise/NAME.yaml`).

    description:  what it asks
    levers:       {key: {low, high, step, cost_per_day}, ...}      keys of the configuration, dotted
    objectives:   [{metric, of: effect|level, over, goal: maximise|minimise}, ...]      one, or several for a front
    constraints:  [{metric, of, over, at_least or at_most}, ...]
    trials, batch, points, fresh_points

`over` says how the points of what is not known become one number: `mean`, a quantile such as 0.1, or `gain`, the share
of points with a gain. A lever that is an option of an intervention acts in the treated arm alone, so that the effect
may be optimised. Any other lever changes the company in both arms: then the level of the whole company is what counts,
and gains are against the present configuration. Such a lever may cost: `cost_per_day` is yen a day, per member
and unit of the key, booked with the fixed costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import BeforeValidator, model_validator

from sim.config.parameters import Reader, Text, number, optional, show, whole, word
from sim.config.sections import KeyFault, Section
from sim.phrases import ConfigError, nearest
from sim.tables import METRIC

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

EFFECT, LEVEL = "effect", "level"
MEAN, GAIN = "mean", "gain"
MAXIMISE, MINIMISE = "maximise", "minimise"

ALWAYS_KEPT = ("ltv", "profit", "cost", "nps", "on_time", "orders")
"""Metrics that are kept of every candidate, even where neither an objective nor a constraint needs them."""

Point = Mapping[str, float | int]
"""A candidate's values of the levers, by dotted key; not a point of what is not known."""

ArmValues = dict[str, list[list[float]]]
"""By metric: its values in the baseline and in the treated arm, a list over points each."""


def _as_written(stated: object) -> float | int:
    """A number, whole where it is written so."""
    value = number(stated)
    return stated if isinstance(stated, int) else value


class Lever(Section):
    """How far a key may be moved: from low to high (both included), in whole numbers where both are."""

    low: Annotated[float, Reader(_as_written)]
    high: Annotated[float, Reader(_as_written)]
    step: Annotated[float | None, optional(Reader(number))] = None
    cost_per_day: Annotated[float, Reader(number)] = 0.0  # yen, per member and unit

    @model_validator(mode="after")
    def _has_steps(self) -> Self:
        if not self.low < self.high:
            raise ConfigError("low {low:g} is not below high {high:g}", low=self.low, high=self.high)
        if self.step is not None:
            steps = (self.high - self.low) / self.step if self.step > 0 else 0.5
            if not np.isfinite(steps) or abs(steps - round(steps)) > 1e-9:
                raise KeyFault(
                    "{value:g} is not allowed; a whole number of steps from low to high", key="step", value=self.step
                )
        return self

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import FloatDistribution, IntDistribution

        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, step=self.step)


def in_both_arms(key: str) -> bool:
    """Whether a lever changes the company rather than an intervention."""
    return not (key.startswith("scenario.") and ".interventions." in key)


def _over(stated: object) -> str | float:
    if isinstance(stated, str):
        return word(MEAN, GAIN)(stated)
    quantile = number(stated)
    if not 0 < quantile < 1:
        raise ConfigError(
            "{value} is not allowed; {mean}, {gain}, or a quantile between 0 and 1",
            value=show(stated), mean=MEAN, gain=GAIN,
        )
    return quantile


class Statistic(Section):
    """A number of a candidate: an effect on a metric, or its level in the treated arm, reduced over points."""

    metric: Annotated[str, word(*METRIC)]
    of: Annotated[str, word(EFFECT, LEVEL)]
    over: Annotated[str | float, Reader(_over)]

    @property
    def name(self) -> str:
        return f"{self.metric} {self.of} {self.over}"

    def value(self, found: ArmValues, present: ArmValues) -> float:
        """The number of one candidate; a gain in level is against the present configuration, point by point."""
        baseline, treated = (np.asarray(values) for values in found[self.metric])
        values = treated - baseline if self.of == EFFECT else treated
        if self.over == GAIN:
            return float(np.mean(values > (0.0 if self.of == EFFECT else np.asarray(present[self.metric][1]))))
        return float(np.mean(values) if self.over == MEAN else np.quantile(values, float(self.over)))


class Objective(Statistic):
    """A statistic to be made large, or small."""

    goal: Annotated[str, word(MAXIMISE, MINIMISE)]


class Constraint(Statistic):
    """A statistic with a bound, below it or above."""

    at_least: Annotated[float | None, optional(Reader(number))] = None
    at_most: Annotated[float | None, optional(Reader(number))] = None

    @model_validator(mode="after")
    def _has_one_bound(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            stated = self.model_dump(exclude_none=True)
            raise ConfigError("{value} is not allowed; either at_least or at_most", value=show(stated))
        return self

    def excess(self, value: float) -> float:
        """How far the value lies beyond the bound; zero or less if it keeps it."""
        if self.at_least is not None:
            return self.at_least - value
        assert self.at_most is not None
        return value - self.at_most


def _keyed(stated: object) -> dict[str, Any]:
    if not isinstance(stated, Mapping) or not stated:
        raise ConfigError("{value} is not allowed; at least one key with low and high", value=show(stated))
    return {str(key): ends for key, ends in stated.items()}


def _listed(stated: object) -> Sequence[Any]:
    if isinstance(stated, str) or not isinstance(stated, Sequence) or not stated:
        raise ConfigError(
            "{value} is not a list; at least one, each with metric, of, over and goal", value=show(stated)
        )
    return stated


class Search(Section):
    """What is searched; keys of a search file."""

    description: Text
    levers: Annotated[dict[str, Lever], BeforeValidator(_keyed)]  # by dotted key
    objectives: Annotated[tuple[Objective, ...], BeforeValidator(_listed)]
    constraints: Annotated[tuple[Constraint, ...], BeforeValidator(lambda some: _listed(some) if some else ())] = ()
    trials: Annotated[int, whole(1, 100_000)]
    batch: Annotated[int, whole(1, 1000)]  # trials asked for at once
    points: Annotated[int, whole(2, 10_000)]  # of what is not known, the same for every trial
    fresh_points: Annotated[int, whole(2, 10_000)]

    @model_validator(mode="after")
    def _levers_suit(self) -> Self:
        moved = [key for key in self.levers if in_both_arms(key)]
        for key, lever in self.levers.items():
            if lever.cost_per_day and key not in moved:
                raise KeyFault("is not allowed; an intervention has its own cost", key=f"levers.{key}.cost_per_day")
        for objective in self.objectives:
            if moved and objective.of == EFFECT:
                raise KeyFault(
                    "the effect on {metric} is not allowed, since {lever} changes the company in both arms; of: level, "
                    "and what it costs as cost_per_day of the lever",
                    key="objectives", metric=objective.metric, lever=moved[0],
                )  # fmt: skip
        return self

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that are kept of every candidate."""
        wanted = [statistic.metric for statistic in self.statistics.values()]
        return tuple(dict.fromkeys([*wanted, *ALWAYS_KEPT]))

    @property
    def statistics(self) -> dict[str, Statistic]:
        """Statistics that are computed of every candidate, by name: objectives, then constraints."""
        return {statistic.name: statistic for statistic in (*self.objectives, *self.constraints)}


def present_point(search: Search, plain: Mapping[str, Any]) -> dict[str, float | int]:
    """Where the levers stand at present, of the plain configuration as it is run (`settings.resolved`).

    A lever with a range has its central value: a firm knows its own levers. Raises ConfigError for a key that is none.
    """
    found = {}
    for key in search.levers:
        node: Any = plain
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                there = node if isinstance(node, Mapping) else {}
                raise ConfigError(
                    "optimise.levers: {key} is no key of this configuration; {part} is not among {names}{hint}",
                    key=key, part=part, names=', '.join(map(str, there)) or 'any', hint=nearest(part, map(str, there)),
                )
            node = node[part]
        value = node.get("value", node.get("mean")) if isinstance(node, Mapping) else node
        try:
            found[key] = _as_written(value)
        except ConfigError as error:
            raise ConfigError(
                "optimise.levers: {key}: {problem}, and cannot be moved", key=key, problem=error
            ) from None
    return found
