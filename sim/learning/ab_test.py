"""The lift of a past A/B test as a piece of evidence.

The same test is simulated: a fair coin treats each customer of a market with limited warehouse and desk, and talk. The
difference of the halves after so many days is read, less the difference of the same halves where nobody is treated. The
subtraction removes most of the chance in the split, and nothing of what the halves do to one another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import model_validator
from scipy.special import ndtri

from agents import draws
from sim.config.parameters import Reader, Text, number, real, whole, word
from sim.config.sections import Section
from sim.config.settings import Settings
from sim.learning.pieces import Observed, WorldStatistics
from sim.phrases import ConfigError, Phrase
from sim.run.metrics import Mask, Outcome, field_test, finished, measures
from sim.run.replication import TreatedArms
from sim.world.model import Arm, CXModel, burnt_in
from sim.world.pilot import piloted


def _ratio(name: str) -> Callable[[Outcome, Mask], float]:
    return lambda outcome, side: measures(outcome, side)[name]


def _each(name: str) -> Callable[[Outcome, Mask], float]:
    return lambda outcome, side: measures(outcome, side)[name] / int(side.sum())


def _of_visitors(name: str) -> Callable[[Outcome, Mask], float]:
    return lambda outcome, side: field_test(outcome, side)[name]


METRICS: dict[str, tuple[str, Callable[[Outcome, Mask], float]]] = {
    "conversion": ("% of visits", _ratio("conversion")),
    "buyers_per_visitor": ("% of visitors", _of_visitors("ab_conversion_14d")),
    "profit_per_visitor": ("yen", _of_visitors("ab_profit_per_visitor_14d")),
    "orders_per_customer": ("orders", _each("orders")),
    "visits_per_customer": ("visits", _each("visits")),
    "contacts_per_customer": ("contacts", _each("contacts")),
    "revenue_per_customer": ("yen", _ratio("revenue")),
    "profit_per_customer": ("yen", _ratio("profit")),
    "norush_share": ("% of online orders", _ratio("norush_share")),
    "on_time": ("% of deliveries", _ratio("on_time")),
    "repeat_rate": ("% of buyers", _ratio("repeat_rate")),
    "churn": ("% of customers", _ratio("churn")),
    "nps": ("points", _ratio("nps_surveyed")),
    "csat": ("% of answers", _ratio("csat")),
}
"""What a test may have measured: the unit of an absolute lift, and how it is read off one side. Per customer means
per member who was assigned, whether or not they came."""


def _interval(value: object) -> tuple[float, float]:
    if isinstance(value, str) or not isinstance(value, list | tuple) or len(value) != 2:
        raise ConfigError("is not allowed; [low, high]")
    low, high = (number(end) for end in value)
    if not low < high:
        raise ConfigError("[{low:g}, {high:g}] is not allowed; [low, high] with low below high", low=low, high=high)
    return low, high


class PastTest(Section):
    """A test as a file of evidence states it: its error stands as `se`, or as `interval` with its `level`."""

    scenario: Text
    metric: Annotated[str, word(*METRICS)]
    window: Annotated[int, whole(1, 365)]  # days
    lift: Annotated[float, Reader(number)]  # relative (0.03 is 3 %), or in the metric's unit
    scale: Annotated[str, word("relative", "absolute")]
    interval: Annotated[tuple[float, float] | None, Reader(_interval)] = None
    level: Annotated[float | None, real(0.5, 0.999)] = None
    se: Annotated[float | None, real(0.0, above=True)] = None
    customers: Annotated[int | None, whole(2, 10**10)] = None

    @model_validator(mode="after")
    def _has_one_error(self) -> Self:
        if self.scale == "relative" and self.lift <= -1.0:
            raise ConfigError(
                "lift: {lift:g} is not allowed; a relative lift is above -1 (0.03 is 3 %)", lift=self.lift
            )
        if (self.se is None) == (self.interval is None):
            raise ConfigError("se: give either se, or interval and its level")
        if self.interval is not None and self.level is None:
            raise ConfigError("level: is missing; the interval's, such as 0.9 or 0.95")
        if self.interval is not None and not self.interval[0] < self.lift < self.interval[1]:
            low, high = self.interval
            raise ConfigError(
                "interval: [{low:g}, {high:g}] does not hold the lift {lift:g}", low=low, high=high, lift=self.lift
            )
        return self

    @property
    def error(self) -> float:
        """Standard error of the lift."""
        if self.interval is None or self.level is None:
            return self.se or 0.0
        return float((self.interval[1] - self.interval[0]) / 2.0 / ndtri(0.5 + self.level / 2.0))


@dataclass(frozen=True)
class AbTest:
    """A 50/50 test of a scenario."""

    kind: ClassVar[str] = "ab_test"
    speaks_about: ClassVar[tuple[str, ...]] = tuple(
        f"behaviour.{group}."
        for group in ("visits", "choice", "delivery", "coupons", "experience", "attrition", "messages", "support")
    )

    name: str
    stated: PastTest

    @classmethod
    def read(cls, name: str, node: Mapping[str, Any], folder: Path) -> AbTest:
        """Read a piece; it needs no file. Raises ConfigError."""
        return cls(name, PastTest.read(node))

    @property
    def scenario(self) -> str:
        """The scenario that was tested."""
        return self.stated.scenario

    def observed(self) -> Observed:
        """The lift."""
        stated, unit = self.stated, METRICS[self.stated.metric][0]
        name = Phrase(
            "lift of {metric} after {days} days, {unit}",
            metric=Phrase(stated.metric.replace("_", " ")), days=stated.window,
            unit=Phrase("relative") if stated.scale == "relative" else Phrase(unit),
        )  # fmt: skip
        known = stated.customers is not None
        size = Phrase("{customers:,} customers", customers=stated.customers) if known else Phrase("size not said")
        return Observed((name,), np.array([stated.lift]), np.array([[stated.error**2]]), size)

    def simulated(self, settings: Settings, treated_arms: TreatedArms, seed: int) -> WorldStatistics:
        """What such a test reports under these settings. Raises ConfigError for a scenario that treats nobody."""
        own = treated_arms(settings).get(self.scenario)
        if own is None:
            raise ConfigError(
                "{name}: scenario: {scenario} treats nobody; one with interventions",
                name=self.name, scenario=self.scenario,
            )
        world = piloted(settings.model_copy(update={"days": self.stated.window}), seed)
        start = burnt_in(world)
        coin = draws.draws(seed, 0, world.customers, 0, draws.AB_ASSIGN, 0) < 0.5
        tested = finished(CXModel(world, start.copied(), Arm(own, coin), record=False), world.days)
        nobody = finished(CXModel(world, start, record=False), world.days)
        read = METRICS[self.stated.metric][1]
        control = read(tested, ~coin)
        lift = read(tested, coin) - control - (read(nobody, coin) - read(nobody, ~coin))
        return WorldStatistics(np.array([lift / control if self.stated.scale == "relative" else lift]))


