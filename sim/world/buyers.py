"""The buyers of an established firm in closed form: how many buy, how often, and how many come back.

New buyers come at a steady rate. Each has a purchase rate and lapses silently, by the time clock at a hazard per day
or by the episode clock with a probability per repeat order (Schmittlein, Morrison and Colombo 1987; Fader, Hardie and
Lee 2005). Who was acquired within the last `acquired_over` days is still there or has lapsed; the dashboard sees
neither, only who bought within a year. Means over both traits are sums over cells of equal probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv, gammainc, gammaincinv

from agents.population import Traits
from sim.config.parameters import DAYS_PER_YEAR

RATES, LAPSES = 96, 64
"""Cells over the purchase rate and over lapse."""

WIDEST = 1e4
"""Rates and lapse are searched from those stated over this to those stated times this."""

LEAST_DROPOUT, MOST_DROPOUT = 1e-4, 0.95
"""Mean probability of lapse per order that is searched."""

FloatArray = NDArray[np.float64]


class Seen(NamedTuple):
    """What a dashboard sees of buyers, per new buyer a day."""

    orders: float  # a day, first orders among them
    active: float  # who bought within a year
    returning: float  # of these, who buy within the year that follows
    current: float  # who have not lapsed
    lapsed: float  # who have within `lapsed_within` days
    newcomers: float  # new buyers a day that keep orders level from now on


@dataclass(frozen=True)
class Buyers:
    """Purchase rates and lapse of those who ever bought, and the days over which they were acquired."""

    episode_clock: bool
    rate_shape: float  # Gamma(shape, rate), per day
    rate_rate: float
    lapse_shape: float  # of the hazard: Gamma(shape, rate), per day; of the dropout: a of Beta(a, b)
    lapse_rate: float  # b of Beta(a, b)
    acquired_over: float
    lapsed_within: float

    @classmethod
    def of(cls, traits: Traits) -> Buyers:
        """The buyers of a market's traits."""
        lapse = (
            (traits.dropout_a, traits.dropout_b) if traits.episode_clock else (traits.hazard_shape, traits.hazard_rate)
        )
        window = traits.acquired_over, traits.lapsed_within
        return cls(traits.episode_clock, traits.rate_shape, traits.rate_rate, *lapse, *window)

    def into(self, traits: Traits) -> Traits:
        """The traits with these buyers' rates and lapse."""
        traits = traits._replace(rate_rate=self.rate_rate)
        if self.episode_clock:
            return traits._replace(dropout_a=self.lapse_shape, dropout_b=self.lapse_rate)
        return traits._replace(hazard_rate=self.lapse_rate)

    def seen(self) -> Seen:
        """What a dashboard sees of them."""
        rate = _gamma_means(self.rate_shape, RATES)[:, np.newaxis] / self.rate_rate
        if self.episode_clock:
            lapse = _beta_means(self.lapse_shape, self.lapse_rate, LAPSES)
            hazard, death = rate * lapse, 0.0
            again = rate * (1.0 - lapse)  # orders that end nothing
        else:
            hazard, death = _gamma_means(self.lapse_shape, LAPSES) / self.lapse_rate + 0.0 * rate, 1.0
            again = rate + 0.0 * hazard
        year, window = DAYS_PER_YEAR, self.acquired_over
        alive, this_year = _mass(hazard, window), _mass(hazard, min(year, window))
        buys = _mass(rate + death * hazard, year) * rate  # P(an order within a year | not lapsed)
        earlier = _mass(hazard, max(window - year, 0.0))
        stay = (this_year + (alive - this_year) * -np.expm1(-again * year)) * buys
        leaving = -np.expm1(-hazard * window)
        mean_rate = float(np.mean(rate))
        newcomers = float(np.mean(rate * leaving)) / mean_rate
        return Seen(
            orders=newcomers + float(np.mean(rate * alive)),
            active=min(year, window) + float(np.mean(buys * earlier)),
            returning=float(np.mean(stay)),
            current=float(np.mean(alive)),
            lapsed=self._lapsed(hazard, alive),
            newcomers=newcomers,
        )

    def _lapsed(self, hazard: FloatArray, alive: FloatArray) -> float:
        """Who lapsed within the last days of `lapsed_within`, per new buyer a day."""
        since = min(self.lapsed_within, self.acquired_over)
        return since + float(np.mean(_mass(hazard, self.acquired_over - since))) - float(np.mean(alive))

    def at(self, rate: float, lapse: float) -> Buyers:
        """The same with purchase rates times `rate`, and with a mean lapse of `lapse`, per day or per order."""
        if self.episode_clock:
            both = self.lapse_shape + self.lapse_rate
            return replace(
                self, rate_rate=self.rate_rate / rate, lapse_shape=both * lapse, lapse_rate=both * (1.0 - lapse)
            )
        return replace(self, rate_rate=self.rate_rate / rate, lapse_rate=self.lapse_shape / lapse)

    @property
    def lapse_searched(self) -> tuple[float, float]:
        """Least and largest mean of lapse that is searched."""
        if self.episode_clock:
            return LEAST_DROPOUT, MOST_DROPOUT
        return self.mean_lapse / WIDEST, self.mean_lapse * WIDEST

    @property
    def mean_lapse(self) -> float:
        """Mean hazard a day, or mean probability per order."""
        if self.episode_clock:
            return self.lapse_shape / (self.lapse_shape + self.lapse_rate)
        return self.lapse_shape / self.lapse_rate


class OutOfReach(ValueError):
    """No purchase rates and lapse give what was asked for: `value` lies outside `low` to `high`."""

    def __init__(self, what: str, value: float, low: float, high: float) -> None:
        super().__init__(f"{what} {value:g} lies outside {low:g} to {high:g}")
        self.what, self.value, self.low, self.high = what, value, low, high


@lru_cache(maxsize=64)
def solved(buyers: Buyers, orders_a_year: float, repeat_share: float | None) -> Buyers:
    """The buyers who order so often a year per active customer, and of whom that share returns.

    Inequality of rates and of lapse stays as it is: only their means move; without a repeat share that of lapse stays.
    Raises OutOfReach.
    """
    if repeat_share is None:
        return buyers.at(_rate_for(buyers, buyers.mean_lapse, orders_a_year), buyers.mean_lapse)

    def returning(log_lapse: float) -> float:
        lapse = math.exp(log_lapse)
        seen = buyers.at(_rate_for(buyers, lapse, orders_a_year), lapse).seen()
        return seen.returning / seen.active

    def beyond(log_lapse: float) -> float:
        """By how much too many return; at so much lapse that nobody orders so often, too few."""
        try:
            return returning(log_lapse) - repeat_share
        except OutOfReach:
            return -1.0

    lowest, highest = (math.log(end) for end in buyers.lapse_searched)
    if beyond(lowest) <= 0.0:
        low = lowest
    elif beyond(highest) > 0.0:
        low = highest
    else:
        low = brentq(beyond, lowest, highest, xtol=1e-10)
    try:
        least = returning(low)
    except OutOfReach:  # at the edge of what can be reached
        low -= 1e-6
        least = returning(low)
    if abs(least - repeat_share) > 1e-6:
        raise OutOfReach("repeat_share", repeat_share, least, returning(lowest))
    lapse = math.exp(low)
    return buyers.at(_rate_for(buyers, lapse, orders_a_year), lapse)


def _rate_for(buyers: Buyers, lapse: float, orders_a_year: float) -> float:
    """Factor on purchase rates at which active customers order so often a year."""

    def often(log_rate: float) -> float:
        seen = buyers.at(math.exp(log_rate), lapse).seen()
        return DAYS_PER_YEAR * seen.orders / seen.active

    end = math.log(WIDEST)
    least, most = often(-end), often(end)
    if not least < orders_a_year < most:
        raise OutOfReach("orders_a_year", orders_a_year, least, most)
    return math.exp(brentq(lambda x: often(x) - orders_a_year, -end, end, xtol=1e-9))


def _mass(hazard: FloatArray, days: float) -> FloatArray:
    """Integral of exp(-hazard * t) from 0 to `days`."""
    x = hazard * days
    return np.asarray(days * np.where(x > 1e-9, -np.expm1(-x) / np.maximum(x, 1e-300), 1.0 - 0.5 * x))


@lru_cache(maxsize=16)
def _gamma_means(shape: float, cells: int) -> FloatArray:
    """Means of Gamma(shape, 1) within cells of equal probability, (cells,)."""
    edges = gammaincinv(shape, np.arange(cells + 1) / cells)
    means = np.asarray(cells * shape * np.diff(gammainc(shape + 1.0, edges)))
    means.flags.writeable = False  # shared by all buyers of this shape
    return means


def _beta_means(a: float, b: float, cells: int) -> FloatArray:
    """Means of Beta(a, b) within cells of equal probability, (cells,)."""
    edges = betaincinv(a, b, np.arange(cells + 1) / cells)
    means = cells * a / (a + b) * np.diff(betainc(a + 1.0, b, edges))
    return np.asarray(np.clip(means, 0.0, 1.0))  # rounding alone can take the mean of the last cell beyond 1
