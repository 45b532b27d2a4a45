"""The lift of a past A/B test as a piece of evidence.

The same test is simulated: a fair coin treats each customer of a market with limited warehouse and desk, and talk. The
difference of the halves after so many days is read, less the difference of the same halves where nobody is treated. The
subtraction removes most of the chance in the split, and nothing of what the halves do to one another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import model_validator
from scipy.special import ndtri

from sim.config.parameters import Reader, Text, number, part, real, show, whole, word
from sim.config.sections import Section
from sim.config.settings import Settings
from sim.learning.halves import METRICS, Halves
from sim.learning.pieces import Observed, WorldStatistics
from sim.phrases import ConfigError, Phrase, listed
from sim.run.replication import TreatedArms
from sim.world.pilot import piloted

SIZES = ("visitors", "users", "customers", "participants", "sessions", "visits", "n", "size", "total")
COUNTS = ("buyers", "conversions", "converted", "orders", "successes", "events", "count")
"""What a dashboard calls those who took part in one half, and those of them who did it."""


class Percent(float):
    """A number that stands as text with a per cent sign: 9.8 of `9.8 %`."""


def _lift(value: object) -> float:
    """A number, or a text such as `9.8 %`."""
    if isinstance(value, str) and value.strip().endswith(("%", "％")):
        try:
            return Percent(float(value.strip()[:-1].strip().replace("−", "-")))
        except ValueError:
            raise ConfigError("{value} is not a number", value=show(value)) from None
    return number(value)


def _level(value: object) -> float:
    """A share: 0.95, 95 or `95 %`."""
    found = _lift(value)
    return real(0.5, 0.999)(float(found) / 100 if isinstance(found, Percent) or found > 1 else found)


def _interval(value: object) -> tuple[float, float]:
    if isinstance(value, str) or not isinstance(value, list | tuple) or len(value) != 2:
        raise ConfigError("is not allowed; [low, high]")
    low, high = (_lift(end) for end in value)
    if not low < high:
        raise ConfigError("[{low:g}, {high:g}] is not allowed; [low, high] with low below high", low=low, high=high)
    return low, high


def _side(value: object) -> tuple[float, float]:
    """(how many took part, how many of them did it) of one half of a test."""
    names = {str(key).lower(): found for key, found in value.items()} if isinstance(value, Mapping) else {}
    sizes, counts = ([name for name in names if name in known] for known in (SIZES, COUNTS))
    for name in names:
        if name not in (*SIZES, *COUNTS):
            hint = Phrase("; {allowed}", allowed=listed((*SIZES, *COUNTS)))
            raise ConfigError("{key}: no such key{hint}", key=name, hint=hint)
    if len(sizes) != 1 or len(counts) != 1 or len(names) != 2:
        raise ConfigError("{value} is not allowed; such as {{visitors: 9000, buyers: 800}}", value=show(value))
    with part(sizes[0]):
        size = number(names[sizes[0]])
    with part(counts[0]):
        count = number(names[counts[0]])
    if not 0 < count < size:
        raise ConfigError(
            "{counted}: {count:g} of {size:g} {sized} is not allowed; some of those who took part, and not all",
            counted=counts[0], count=count, size=size, sized=sizes[0],
        )
    return size, count


@dataclass(frozen=True)
class Lift:
    """A lift with its standard error; relative (0.03 is 3 %), or in the metric's unit."""

    value: float
    error: float
    customers: int | None


class Finding(Section):
    """What a test found: counts of both halves, or the lift with its error.

    The error stands as `se`, or as `interval` with its `level`.
    """

    metric: Annotated[str, word(*METRICS)]
    lift: Annotated[float | None, Reader(_lift)] = None  # relative (0.03 is 3 %), or in the metric's unit
    scale: Annotated[str | None, word("relative", "absolute")] = None
    interval: Annotated[tuple[float, float] | None, Reader(_interval)] = None
    level: Annotated[float | None, Reader(_level)] = None
    se: Annotated[float | None, Reader(_lift)] = None
    customers: Annotated[int | None, whole(2, 10**10)] = None
    control: Annotated[tuple[float, float] | None, Reader(_side)] = None
    treated: Annotated[tuple[float, float] | None, Reader(_side)] = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.control is not None or self.treated is not None:
            self._check_counts()
        else:
            self._check_lift()
        return self

    def _check_counts(self) -> None:
        if self.control is None or self.treated is None:
            raise ConfigError("control: give both control and treated")
        given = [name for name in ("lift", "interval", "level", "se") if getattr(self, name) is not None]
        if given:
            raise ConfigError("{key}: follows from control and treated; leave it out", key=given[0])
        if not self.unit.startswith("%"):
            raise ConfigError(
                "control: counts give a share, and {metric} is none ({unit})",
                metric=self.metric, unit=Phrase(self.unit),
            )

    def _check_lift(self) -> None:
        if self.lift is None:
            raise ConfigError("lift: is missing; or give control and treated, the counts of both halves")
        if self.scale is None:
            raise ConfigError("scale: is missing; relative or absolute")
        if self.scale == "relative":
            self._check_relative(self.lift)
        if (self.se is None) == (self.interval is None):
            raise ConfigError("se: give either se, or interval and its level")
        if self.se is not None and self.se <= 0:
            raise ConfigError("se: {value:g} is not allowed; above 0", value=self.se)
        if self.interval is not None and self.level is None:
            raise ConfigError("level: is missing; the interval's, such as 0.9 or 0.95")
        if self.interval is None:
            return
        low, high = self.interval
        if not self._plain(low) < self._plain(self.lift) < self._plain(high):
            raise ConfigError(
                "interval: [{low:g}, {high:g}] does not hold the lift {lift:g}", low=low, high=high, lift=self.lift
            )

    def _check_relative(self, lift: float) -> None:
        if self._plain(lift) <= -1.0:
            raise ConfigError("lift: {lift:g} is not allowed; a relative lift is above -1 (0.03 is 3 %)", lift=lift)
        if not isinstance(lift, Percent) and lift > 1.0:
            raise ConfigError(
                "lift: {lift:g} is not allowed; as a relative lift it is {percent:+g} %. If per cent is meant, write "
                "'{lift:g} %'; if not, '{percent:g} %'",
                lift=lift, percent=100 * lift,
            )  # fmt: skip

    def _plain(self, value: float) -> float:
        """A lift, or its error, on its scale."""
        return float(value) / 100 if isinstance(value, Percent) and self.scale == "relative" else float(value)

    @property
    def unit(self) -> str:
        """Unit of an absolute lift."""
        return METRICS[self.metric][0]

    @property
    def relative(self) -> bool:
        """Whether the lift is a share of the control's; so it is of counts, unless they say otherwise."""
        return self.scale != "absolute"

    @property
    def found(self) -> Lift:
        """The lift and its error; of counts by the delta method."""
        if self.control is not None and self.treated is not None:
            return _of_counts(self.control, self.treated, self.relative)
        lift = self._plain(self.lift or 0.0)
        if self.interval is None or self.level is None:
            return Lift(lift, self._plain(self.se or 0.0), self.customers)
        low, high = map(self._plain, self.interval)
        return Lift(lift, float((high - low) / 2.0 / ndtri(0.5 + self.level / 2.0)), self.customers)


def _of_counts(control: tuple[float, float], treated: tuple[float, float], relative: bool) -> Lift:
    sizes, counts = np.array([control, treated]).T
    shares = counts / sizes
    variances = shares * (1 - shares) / sizes
    customers = int(sizes.sum())
    if not relative:  # percentage points
        return Lift(float(100 * (shares[1] - shares[0])), float(100 * np.sqrt(variances.sum())), customers)
    ratio = shares[1] / shares[0]
    return Lift(float(ratio - 1), float(ratio * np.sqrt((variances / shares**2).sum())), customers)


class PastTest(Finding):
    """A test as a file of evidence states it: the scenario that was tested, for how many days, and what it found."""

    scenario: Text
    window: Annotated[int, whole(1, 365)]  # days


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
    told: tuple[Phrase, ...] = ()

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
        stated = self.stated
        name = Phrase(
            "lift of {metric} after {days} days, {unit}",
            metric=Phrase(stated.metric.replace("_", " ")), days=stated.window,
            unit=Phrase("relative") if stated.relative else Phrase(stated.unit),
        )  # fmt: skip
        found = stated.found
        known = found.customers is not None
        size = Phrase("{customers:,} customers", customers=found.customers) if known else Phrase("size not said")
        return Observed((name,), np.array([found.value]), np.array([[found.error**2]]), size)

    def simulated(self, settings: Settings, treated_arms: TreatedArms, seed: int) -> WorldStatistics:
        """What such a test reports under these settings. Raises ConfigError for a scenario that treats nobody."""
        own = treated_arms(settings).get(self.scenario)
        if own is None:
            raise ConfigError(
                "{name}: scenario: {scenario} treats nobody; one with interventions",
                name=self.name, scenario=self.scenario,
            )
        world = piloted(settings.model_copy(update={"days": self.stated.window}), seed)
        lift, control = Halves.of(world, own).lift(METRICS[self.stated.metric][1])
        if self.stated.relative:
            lift = lift / control if control else np.nan
        return WorldStatistics(np.array([lift]))
