"""The recorder: one row a day, of the columns `sim.tables.DAILY` declares.

Counts come from what happened; the only passes over all customers are weekly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.columns import AWARE, CUSTOMER, LAPSED, NEVER, NO_ORDER, STORE, UNAWARE, Columns
from agents.compiled import compiled
from agents.day import Episodes
from sim import tables
from sim.engines import Arrivals, Census
from sim.fulfilment import Delivery
from sim.support import Contacts

KEYS = ("arm", "replication", "twin")
CENSUS_DAYS = 28
"""Days at the end of the horizon whose weekly surveys make the reported NPS and CSAT."""

SHOPPING_DAYS = 14
"""A visitor who has not bought counts as shopping for so many days."""


class Recorder:
    """Daily rows from `start` on, and the weekly censuses."""

    def __init__(self, columns: Columns, start: int, days: int) -> None:
        self.columns = columns
        self.start = start
        self.days = days
        declared = [column for column in tables.DAILY if column.name not in KEYS]
        self.rows: dict[str, NDArray[Any]] = {
            column.name: np.full(days - start, np.nan)
            if column.dtype == "float64"
            else np.zeros(days - start, np.int64)
            for column in declared
        }
        for name in self.rows:
            if name.startswith("stage_"):
                self.rows[name][:] = -1
        self.rows["day"][:] = np.arange(start, days)
        self.rows["wait_minutes"][:] = 0.0
        self.rows["open_orders"][0] = columns.of("open_orders").sum(dtype=np.int64)
        self.status = np.bincount(columns.status, minlength=4)
        self.censuses: dict[int, Census] = {}

    def put(self, day: int, name: str, value: float | np.integer[Any]) -> None:
        """Set one figure of a day."""
        self.rows[name][day - self.start] = value

    def add(self, day: int, name: str, value: float | np.integer[Any]) -> None:
        """Add to one figure of a day."""
        self.rows[name][day - self.start] += value

    def arrivals(self, day: int, arrivals: Arrivals) -> None:
        """Visits, orders by class, first orders, impressions."""
        visits = arrivals.visits
        kinds = np.bincount(visits["kind"][visits["kind"] != NO_ORDER], minlength=4).tolist()
        acquired = int(visits["first"].sum())
        self.put(day, "visits", len(visits))
        self.put(day, "orders", sum(kinds))
        for kind, name in enumerate(("orders_express", "orders_standard", "orders_norush")):
            self.put(day, name, kinds[kind])
        self.put(day, "acquired", acquired)
        self.put(day, "discount", visits["discount"].sum())
        self.put(day, "impressions", np.count_nonzero(visits["popup"]))
        self.put(day, "clicks", visits["clicked"].sum())
        self.status[UNAWARE] -= len(arrivals.learned)
        self.status[AWARE] += len(arrivals.learned) - acquired
        self.status[CUSTOMER] += acquired
        self.add(day, "open_orders", sum(kinds[:STORE]))

    def deliveries(self, day: int, deliveries: list[Delivery]) -> None:
        """Online orders handed over, and late ones."""
        handed = sum(len(delivery.batch.row) for delivery in deliveries)
        self.put(day, "delivered", handed)
        self.put(day, "late", sum(len(delivery.batch.row) for delivery in deliveries if delivery.late > 0))
        self.add(day, "open_orders", -handed)

    def contacts(self, day: int, contacts: Contacts) -> None:
        """Support contacts, those given up, and minutes waited."""
        self.put(day, "contacts", len(contacts.key))
        self.put(day, "abandoned", np.count_nonzero(~contacts.served))
        self.put(day, "wait_minutes", float(contacts.wait.sum()))

    def settled(self, day: int, episodes: Episodes, gone: NDArray[np.int32]) -> None:
        """Talk and lapses."""
        lapsed = int(episodes["lapsed"].sum()) + len(gone)
        self.put(day, "talk_positive", np.count_nonzero(episodes["talk"] > 0))
        self.put(day, "talk_negative", np.count_nonzero(episodes["talk"] < 0))
        self.put(day, "new_lapsed", lapsed)
        self.status[CUSTOMER] -= lapsed
        self.status[LAPSED] += lapsed

    def survey(self, day: int, census: Census) -> None:
        """Weekly means over customers: NPS, satisfaction, stages; and the sample's answers."""
        c = self.columns
        if day >= self.days - CENSUS_DAYS:
            self.censuses[day] = census
        self.put(day, "nps", net_promoters(census.census))
        self.put(day, "nps_surveyed", net_promoters(census.sampled))
        self.put(day, "satisfaction", mean_satisfaction(c))
        stages = stage_counts(c, day)
        for name, count in zip(
            ("stage_shop", "stage_purchase", "stage_experience", "stage_aware"), stages, strict=True
        ):
            self.put(day, name, count)

    def close(self, day: int) -> None:
        """Stocks at the end of the day."""
        i = day - self.start
        if i > 0:
            self.rows["open_orders"][i] += self.rows["open_orders"][i - 1]
        for status, name in ((UNAWARE, "unaware"), (AWARE, "aware"), (CUSTOMER, "customer"), (LAPSED, "lapsed")):
            self.put(day, name, self.status[status])


def net_promoters(answers: NDArray[np.int8]) -> float:
    """NPS of answers 0 to 10 (-1: none): % of 9 and 10 less % of 0 to 6; NaN of nobody (Reichheld 2003)."""
    promoters, detractors, total = _count_answers(answers)
    return 100.0 * (promoters - detractors) / total if total else float("nan")


@compiled
def _count_answers(answers: NDArray[np.int8]) -> tuple[int, int, int]:
    promoters, detractors, total = 0, 0, 0
    for answer in answers:
        total += answer >= 0
        promoters += answer >= 9
        detractors += 0 <= answer <= 6
    return promoters, detractors, total


@compiled
def mean_satisfaction(c: Columns) -> float:
    """Latent satisfaction averaged over current customers, su; NaN of nobody."""
    total, customers = 0.0, 0
    for row in range(len(c.status)):
        if c.status[row] == CUSTOMER:
            total += c.more[row].satisfaction
            customers += 1
    return total / customers if customers else np.nan


@compiled
def stage_counts(c: Columns, day: int) -> tuple[int, int, int, int]:
    """(shop and compare, purchase, experience, aware) among those neither unaware nor lapsed; first match counts."""
    shop, purchase, experience, aware = 0, 0, 0, 0
    for row in range(len(c.status)):
        if c.status[row] == UNAWARE or c.status[row] == LAPSED:
            continue
        me = c.more[row]
        if me.open_orders > 0:
            purchase += 1
        elif me.last_visit != NEVER and day - me.last_visit < SHOPPING_DAYS and me.last_order < me.last_visit:
            shop += 1
        elif c.status[row] == CUSTOMER:
            experience += 1
        else:
            aware += 1
    return shop, purchase, experience, aware
