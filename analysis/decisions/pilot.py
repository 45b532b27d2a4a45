"""What a pilot of so many customers and days would show, and how well that tells the effect on LTV.

At each point of what is not known the run has simulated the plan for everybody beside the untreated market, so the days
from the first on which the two differ give what a pilot is expected to show there: coupons taken and redeemed, messages
clicked, orders, conversion and profit. To them comes the error of a sample of customers, in halves.

The effect is regressed on these figures over points (Strong, Oakley, Brennan and Breeze 2015), linearly and with the
pilot's error in them. The share of the variance that is explained at points left out says how much of what is not known
the pilot removes; a measurement of the effect with some standard error removes as much, and stands for the pilot where
its value is reckoned (moment matching: Heath, Manolopoulou and Baio 2018).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from analysis.decisions.options import Option
from analysis.effects.estimands import FEWEST, Array
from analysis.style.language import N_
from sim.tables import BASELINE, EVERYBODY

COUNTED = (
    "visits", "orders", "profit", "coupons_issued", "coupons_redeemed", "impressions", "clicks",
)  # fmt: skip
"""Columns of daily.parquet that a dashboard adds up over a pilot."""

PROFIT = "profit"

LEVEL = 0.05
"""Level at which a test is called significant."""

SIGNAL_WORDS = {
    "uptake": N_("coupons taken per order"),
    "redemption": N_("coupons redeemed of those given"),
    "clicks": N_("clicks per message"),
    "orders": N_("orders per customer"),
    "conversion": N_("orders per visit"),
    "profit": N_("profit per customer"),
}


class Shop(NamedTuple):
    """What is known of the firm's customers from a run: profit over the horizon of `days` days has the standard
    deviation `profit_sd` over customers, an order brings `margin` yen; `bias_sd` is what is not known of a field test's
    bias over the horizon, yen per customer."""

    days: int
    profit_sd: float
    margin: float
    orders: float
    bias_sd: float

    @property
    def heterogeneity(self) -> float:
        """Squared coefficient of variation of customers' rates, as in a negative binomial model of their orders."""
        spread = (self.profit_sd / self.margin) ** 2
        return max(spread - self.orders, 0.0) / self.orders**2


class Signal(NamedTuple):
    """One figure that a pilot shows.

    `values` are (seeds, points): what is expected at each point, NaN where not run. A pilot of n customers shows it
    with the variance `per_customer` / n + `beyond`.
    """

    name: str
    values: Array
    per_customer: float
    beyond: float = 0.0


def signals(option: Option, days: int, shop: Shop) -> list[Signal]:
    """What a pilot of so many days shows; nothing where the run kept no days. Figures that do not vary are left out."""
    sums = _sums(option, days)
    if sums is None:
        return []
    plan, without, customers = sums
    found = [*_rates(plan, customers), *_lifts(plan, without, customers, days, shop)]
    return [one for one in found if np.isfinite(one.values[0]).all() and np.ptp(one.values[0]) > 0]


def _sums(option: Option, days: int) -> tuple[dict[str, Array], dict[str, Array], int] | None:
    """Sums over the pilot's days, by column, each (seeds, points): with the plan and without; and customers."""
    configuration = option.configuration
    daily = configuration.daily
    rows = daily[daily["arm"].isin([BASELINE, option.intervention])]
    if rows["arm"].nunique() < 2:
        return None
    start = _first_day(rows, option.intervention)
    window = rows[(rows["day"] >= start) & (rows["day"] < start + days)]
    added = window.groupby(["arm", "second_seed", "replication"])[list(COUNTED)].sum()
    replications = configuration.cube.replications

    def arm(name: str) -> dict[str, Array]:
        table = added.loc[name]
        grid = pd.MultiIndex.from_product([range(configuration.cube.seeds), replications])
        whole = table.reindex(grid).to_numpy(dtype=np.float64).reshape(-1, len(replications), len(COUNTED))
        return {column: whole[:, :, number] for number, column in enumerate(COUNTED)}

    return arm(option.intervention), arm(BASELINE), int(configuration.runs[0].config["customers"])


def _first_day(rows: pd.DataFrame, name: str) -> int:
    """The first day on which the two arms differ at any point; day 0 where they never do."""
    keys, columns = ["replication", "second_seed", "day"], list(COUNTED)
    wide = [rows[rows["arm"] == arm].set_index(keys)[columns].sort_index() for arm in (name, BASELINE)]
    differ = (wide[0] != wide[1]).any(axis=1)
    return int(differ[differ].index.get_level_values("day").min()) if differ.any() else 0


def _rates(plan: Mapping[str, Array], customers: int) -> Iterator[Signal]:
    """Shares among those who are treated, half of a pilot's customers."""
    for name, top, bottom in (
        ("uptake", "coupons_issued", "orders"),
        ("redemption", "coupons_redeemed", "coupons_issued"),
        ("clicks", "clicks", "impressions"),
    ):
        with np.errstate(divide="ignore", invalid="ignore"):
            share = plan[top] / plan[bottom]
        mean, each = float(np.nanmean(share[0])) if np.isfinite(share[0]).any() else math.nan, plan[bottom][0].mean()
        yield Signal(name, share, 2 * max(mean * (1 - mean), 0.0) * customers / each if each else math.nan)


def _lifts(
    plan: Mapping[str, Array], without: Mapping[str, Array], customers: int, days: int, shop: Shop
) -> Iterator[Signal]:
    """Differences between the halves: each of n/2 customers, so that a variance v of one customer leaves 4 v/n."""
    part = days / shop.days
    orders, visits = (float(np.mean(without[name][0])) / customers for name in ("orders", "visits"))
    spread = orders + shop.heterogeneity * orders**2
    bias = (shop.bias_sd * part) ** 2
    yield Signal("orders", (plan["orders"] - without["orders"]) / customers, 4 * spread, bias / shop.margin**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        converted = plan["orders"] / plan["visits"] - without["orders"] / without["visits"]
    rate = orders / visits if visits else math.nan
    yield Signal("conversion", converted, 4 * rate * (1 - rate) / visits if visits else math.nan)
    yield Signal("profit", (plan["profit"] - without["profit"]) / customers, 4 * shop.profit_sd**2 * part, bias)


class Reading(NamedTuple):
    """How a test reads the profit of its own days, yen per customer: its expectation over points, the standard error of
    one test, and the chance that it is significant (two-sided, 5 %) in a world drawn from what is not known."""

    expected: float
    error: float
    power: float


def reading(profit: Array, error: float) -> Reading:
    """From the difference in profit that is expected at each point (points,)."""
    distance, least = np.abs(profit) / error, ndtri(1 - LEVEL / 2)
    power = ndtr(distance - least) + ndtr(-distance - least)
    return Reading(float(np.mean(profit)), error, float(np.mean(power)))


# -- how well it tells ------------------------------------------------------------------------------------------


class Learnt(NamedTuple):
    """How well a pilot tells the effect: the share of its variance that is explained at points left out, from zero to
    below one, and the figure that moves the forecast most (empty where nothing is explained)."""

    share: float
    leading: str

    def error(self, effect: Array) -> float:
        """Standard error of a measurement of the effect (points,) that tells as much; infinite if none does."""
        spread = float(np.std(effect, ddof=1))
        return spread * math.sqrt((1 - self.share) / self.share) if self.share > 0 else math.inf


NOTHING = Learnt(0.0, "")


def learnt(shown: list[Signal], effect: Array, customers: int) -> Learnt:
    """What a pilot of so many customers tells of the effect on LTV, (seeds, points).

    Each point is forecast from the others (leave one out). The luck that a simulated market puts into both the figures
    and the effect, known from points with two seeds, would pass for learning: its covariance is taken out. The luck in
    the figures alone stays in, beside the pilot's own error, so that the share is rather too low than too high.
    """
    known = ~np.isnan(effect[0])
    if not shown or known.sum() < FEWEST:
        return NOTHING
    scale = np.array([np.std(one.values[0, known]) for one in shown])
    figures = np.stack([one.values for one in shown], axis=-1) / scale  # (seeds, points, figures)
    noise = np.diag([one.per_customer / customers + one.beyond for one in shown] / scale**2)
    together, alone = _luck(figures, effect)
    x, y = figures[0, known], effect[0, known]
    variance = float(np.var(y, ddof=1)) - alone
    if variance <= 0:
        return NOTHING
    missed = np.mean([_missed(x, y, out, noise, together) for out in range(len(y))]) - alone
    share = float(np.clip(1 - missed / variance, 0.0, 1 - 1e-9))
    return Learnt(share, shown[int(np.argmax(np.abs(_slopes(x, y, noise, together))))].name if share > 0 else "")


def _luck(figures: Array, effect: Array) -> tuple[Array, float]:
    """Covariance of figures and effect (figures,), and variance of the effect, that are the luck of the seed alone.

    Zero without second seeds.
    """
    both = ~np.isnan(effect[:2]).any(axis=0) & np.isfinite(figures[:2]).all(axis=(0, 2))
    if not both.any():
        return np.zeros(figures.shape[-1]), 0.0
    gap, of_figures = effect[0, both] - effect[1, both], figures[0, both] - figures[1, both]
    return np.asarray(gap @ of_figures / (2 * both.sum())), float(np.mean(gap**2)) / 2


def _slopes(x: Array, y: Array, noise: Array, together: Array) -> Array:
    """Best linear forecast of the effect (points,) from figures (points, figures) that are shown with this noise."""
    covariance = (y - y.mean()) @ (x - x.mean(axis=0)) / (len(y) - 1) - together
    return np.asarray(np.linalg.solve(np.atleast_2d(np.cov(x.T)) + noise, covariance))


def _missed(x: Array, y: Array, out: int, noise: Array, together: Array) -> float:
    """Expected squared error at one point of the forecast from the others, the pilot's noise included."""
    kept = np.arange(len(y)) != out
    slopes = _slopes(x[kept], y[kept], noise, together)
    forecast = y[kept].mean() + slopes @ (x[out] - x[kept].mean(axis=0))
    return float((y[out] - forecast) ** 2 + slopes @ noise @ slopes + 2 * slopes @ together)


def effect_of(option: Option) -> Array:
    """The total effect on LTV for everybody, (seeds, points)."""
    return option.configuration.cube.effect(option.intervention, EVERYBODY, "ltv")
