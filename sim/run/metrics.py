"""An arm's outcome per customer at the end of the horizon, and its metrics over segments.

Every mean is over all members of a segment, since a denominator that treatment changes would bias the
comparison. Ratio metrics are each arm's own statistic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.columns import LAPSED, NEVER, Columns
from agents.compiled import loop
from agents.exact import exp_each
from sim import tables
from sim.config.parameters import DAYS_PER_YEAR
from sim.run.tail import Tail, tail_of
from sim.world.constants import YEAR
from sim.world.daily_log import net_promoters
from sim.world.engines import Census
from sim.world.model import CXModel

Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]
"""Customers as ascending row numbers: reading columns is several times faster than by a mask."""

FIELD_TEST_DAYS = 14
"""A field test is read after so many days."""


@dataclass
class Outcome:
    """Columns of an arm at the horizon's end, and what only its model can compute."""

    columns: Columns
    tail: Tail
    censuses: list[Census]
    daily: dict[str, NDArray[Any]]
    early: dict[str, NDArray[Any]]  # visits, bought, ledger after FIELD_TEST_DAYS
    years: list[NDArray[np.float64]]  # discounted profit so far at the end of each of tables.YEARS but the last, yen
    days: int
    fixed: float  # yen a day per member, the same in every arm
    company_costs: NDArray[np.float64]  # yen per member by day, of interventions and booked to no customer
    discount_rate: float  # per year


def finished(model: CXModel, look: int = FIELD_TEST_DAYS, after_a_year: Callable[[], None] | None = None) -> Outcome:
    """Run an arm to its horizon, looking at it after `look` days and at the end of each year that is reported.

    `after_a_year` is called at the end of the first year, or at the horizon if that is sooner.
    """
    s, world = model.customers, model.world
    model.run(min(look, world.days))
    early = {name: s.columns.of(name).copy() for name in ("visits", "bought", "ledger")}
    years = []
    for year in range(1, len(tables.YEARS)):
        model.run(min(YEAR * year, world.days))
        years.append(s.columns.of("npv").copy())
        if year == 1 and after_a_year is not None:
            after_a_year()
    model.run(world.days)
    censuses = [model.recorder.censuses[day] for day in sorted(model.recorder.censuses)]
    return Outcome(
        s.columns, tail_of(model), censuses, model.recorder.rows, early, years, world.days,
        world.fixed_cost / world.customers, model.company_costs / world.customers, world.rules.discount_rate,
    )  # fmt: skip


def measures(outcome: Outcome, chosen: Mask) -> dict[str, float]:
    """Metrics of `sim.tables.METRICS` over the chosen customers; those of the company as a whole are NaN here."""
    c, rows = outcome.columns, np.flatnonzero(chosen)
    n = len(rows)
    totals = np.zeros(1, TOTALS)
    _add_up(c, rows, outcome.days, totals)
    count = SimpleNamespace(**dict(zip(TOTALS.names or (), totals[0].item(), strict=True)))

    def total(name: str) -> float:
        return float(c.of(name)[rows].sum(dtype=np.float64))

    def ratio(top: float, bottom: float, scale: float = 1.0) -> float:
        return scale * top / bottom if bottom else math.nan

    first = c.of("first_order")[rows]
    acquired = (first >= 0) & (first < outcome.days)
    company = math.fsum(_present(outcome) * outcome.company_costs)
    return {
        **_values(outcome, rows),
        "profit": ratio(count.ledger, n) - outcome.fixed * outcome.days - math.fsum(outcome.company_costs),
        "profit_sd": standard_deviation(c.of("ledger")[rows]),
        "revenue": ratio(count.revenue, n),
        "margin": ratio(count.margin, n),
        "cost": ratio(total("cost"), n) + company,
        "ltv_acquired": ratio(float((c.of("npv") + outcome.tail.value)[rows][acquired].sum()), count.acquired),
        "nps": promoters(outcome, rows),
        "nps_surveyed": float(net_promoters(np.concatenate([one.sampled[rows] for one in outcome.censuses])))
        if outcome.censuses
        else math.nan,
        "csat": _csat(outcome, rows),
        "conversion": ratio(count.bought, count.visits, 100.0),
        "repeat_rate": ratio(count.repeaters, count.buyers, 100.0),
        "churn": ratio(count.lost, count.customers, 100.0),
        "acquired": float(count.acquired),
        "orders": float(count.bought),
        "visits": float(count.visits),
        "coupons_issued": float(count.issued),
        "coupons_redeemed": float(count.redeemed),
        "norush_share": ratio(count.norush, count.online, 100.0),
        "lead_time": ratio(count.lead_days, count.delivered),
        "on_time": 100.0 - ratio(count.late + count.cancelled, count.delivered + count.cancelled, 100.0),
        "cancelled": float(count.cancelled),
        "contacts": float(count.contacts),
    }


def _present(outcome: Outcome) -> NDArray[np.float64]:
    """Value on day 0 of a yen on each day of the horizon, float64 (days,)."""
    return exp_each(-outcome.discount_rate * np.arange(outcome.days) / DAYS_PER_YEAR)


def _values(outcome: Outcome, rows: Rows) -> dict[str, float]:
    """LTV and the parts that add up to it: years of the horizon, and the tail; yen per member."""
    n = len(rows)

    def mean(npv: NDArray[np.float64]) -> float:
        return float(npv.sum()) / n if n else math.nan

    common = _present(outcome) * (outcome.fixed + outcome.company_costs)  # yen by day, booked to nobody
    npv, tail = outcome.columns.of("npv")[rows], mean(outcome.tail.value[rows])
    so_far = [0.0, *(float(before[rows].sum()) for before in outcome.years), float(npv.sum())]
    by_year = {}
    for year, name in enumerate(tables.YEARS):
        last = outcome.days if name == tables.YEARS[-1] else YEAR * (year + 1)
        earned = (so_far[year + 1] - so_far[year]) / n if n else math.nan
        by_year[name] = earned - math.fsum(common[YEAR * year : last])
    return {"ltv": mean(npv) - math.fsum(common) + tail, **by_year, "tail": tail}


TOTALS = np.dtype([
    (name, np.int64)
    for name in (
        "ledger", "revenue", "margin", "visits", "bought", "online", "norush", "issued", "redeemed", "delivered",
        "late", "cancelled", "lead_days", "contacts", "acquired", "buyers", "repeaters", "customers", "lost",
    )
])  # fmt: skip
"""dtype of exact sums over customers: yen, days and counts; then numbers of customers.

customers: those who were customers at the start or became one; lost: those of them who have lapsed.
"""


@loop
def _add_up(c: Columns, rows: Rows, days: int, totals: NDArray[Any]) -> None:
    """Add these customers to the one record of totals."""
    total = totals[0]
    for row in rows:
        me = c.more[row]
        total.ledger += me.ledger
        total.revenue += me.revenue
        total.margin += me.margin
        total.visits += me.visits
        total.bought += me.bought
        total.online += me.online
        total.norush += me.norush
        total.issued += me.issued
        total.redeemed += me.redeemed
        total.delivered += me.delivered
        total.late += me.late
        total.cancelled += me.cancelled
        total.lead_days += me.lead_days
        total.contacts += me.contacts
        total.acquired += 0 <= me.first_order < days
        total.buyers += me.bought > 0
        total.repeaters += me.bought > 0 and me.orders > 1
        lapsed = c.status[row] == LAPSED
        customer = me.first_order != NEVER and not (lapsed and c.lapse_day[row] < 0)
        total.customers += customer
        total.lost += lapsed and customer


def standard_deviation(amounts: NDArray[np.int32]) -> float:
    """Standard deviation over customers of whole yen; NaN for fewer than two. Sums are exact, in whatever order."""
    n = len(amounts)
    if n < 2:
        return math.nan
    exact = amounts.astype(np.int64)
    total, squares = int(exact.sum()), int((exact * exact).sum())
    return math.sqrt((n * squares - total * total) / (n * (n - 1)))


def company_measures(outcome: Outcome) -> dict[str, float]:
    """Metrics that belong to no customer."""
    horizon = slice(-outcome.days, None)
    return {
        "coupons_expired": float(outcome.daily["coupons_expired"][horizon].sum()),
        "backlog": float(outcome.daily["backlog"][horizon].mean()),
    }


def promoters(outcome: Outcome, rows: Rows) -> float:
    """True NPS: mean of the last weekly censuses; NaN where none was taken or nobody is a customer."""
    weekly = [net_promoters(one.census[rows]) for one in outcome.censuses]
    return float(np.mean(weekly)) if weekly else math.nan


def stayers(arm: Outcome, baseline: Outcome, chosen: Mask) -> tuple[float, float]:
    """NPS among those who are customers in both arms on each survey day: (arm, baseline)."""
    pairs = []
    for one, other in zip(arm.censuses, baseline.censuses, strict=True):
        both = np.flatnonzero(chosen & (one.census >= 0) & (other.census >= 0))
        pairs.append((net_promoters(one.census[both]), net_promoters(other.census[both])))
    if not pairs:
        return math.nan, math.nan
    means = np.mean(np.array(pairs), axis=0)
    return float(means[0]), float(means[1])


def _csat(outcome: Outcome, rows: Rows) -> float:
    """Share of survey answers with four or five stars, %."""
    stars = np.concatenate([one.stars[rows] for one in outcome.censuses]) if outcome.censuses else np.empty(0)
    rated = stars[stars > 0]
    return 100.0 * float((rated >= 4).mean()) if len(rated) else math.nan


def field_test(outcome: Outcome, chosen: Mask) -> dict[str, float]:
    """Metrics that a dashboard shows of one side of a field test after FIELD_TEST_DAYS."""
    visited = chosen & (outcome.early["visits"] > 0)
    visitors = int(visited.sum())
    if not visitors:
        return {metric.name: math.nan for metric in tables.AB_METRICS}
    return {
        "ab_conversion_14d": 100.0 * float((outcome.early["bought"][visited] > 0).sum()) / visitors,
        "ab_profit_per_visitor_14d": float(outcome.early["ledger"][visited].sum(dtype=np.float64)) / visitors,
    }
