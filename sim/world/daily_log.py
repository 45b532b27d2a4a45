"""The recorder: one row a day, of the columns `sim.tables.DAILY` declares.

Counts are taken from the day's visits, episodes and messages; only the weekly survey passes over all customers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.columns import AWARE, CUSTOMER, LAPSED, NO_ORDER, STORE, UNAWARE, Columns
from agents.compiled import loop
from agents.records import Episodes, Messages
from sim import tables
from sim.company.support import Contacts
from sim.tables import DETRACTOR, PROMOTER
from sim.world.engines import Arrivals, Census

KEYS = ("arm", "replication", "second_seed")
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

    def put(self, day: int, **figures: float | np.integer[Any]) -> None:
        """Set figures of a day."""
        for name, value in figures.items():
            self.rows[name][day - self.start] = value

    def add(self, day: int, name: str, value: float) -> None:
        """Add to one figure of a day."""
        self.rows[name][day - self.start] += value

    def arrivals(self, day: int, arrivals: Arrivals) -> None:
        """Visits, orders by class, first orders, impressions."""
        v = arrivals.visits
        express, standard, norush = (int(np.count_nonzero(v["kind"] == kind)) for kind in range(STORE))
        acquired = np.count_nonzero(v["first"])
        self.put(
            day, visits=v["times"].sum(dtype=np.int64), orders=len(v) - np.count_nonzero(v["kind"] == NO_ORDER),
            orders_express=express, orders_standard=standard, orders_norush=norush, acquired=acquired,
            discount=v["discount"].sum(), impressions=np.count_nonzero(v["popup"]),
            clicks=np.count_nonzero(v["clicked"]),
        )  # fmt: skip
        self.status[UNAWARE] -= len(arrivals.learned)
        self.status[AWARE] += len(arrivals.learned) - acquired
        self.status[CUSTOMER] += acquired
        self.add(day, "open_orders", express + standard + norush)

    def messages(self, day: int, messages: Messages) -> None:
        """Pushes and e-mails, beside the day's popups."""
        self.add(day, "impressions", len(messages))
        self.add(day, "clicks", int(messages["clicked"].sum()))

    def deliveries(self, day: int, handed: int, late: int) -> None:
        """Online orders handed over, and late ones."""
        self.put(day, delivered=handed, late=late)
        self.add(day, "open_orders", -handed)

    def contacts(self, day: int, contacts: Contacts) -> None:
        """Support contacts, those given up, and minutes waited."""
        served, waited = np.count_nonzero(contacts.served), float(contacts.wait.sum())
        self.put(day, contacts=len(contacts.key), abandoned=len(contacts.key) - served, wait_minutes=waited)

    def settled(self, day: int, episodes: Episodes, gone: int) -> None:
        """Talk and lapses; `gone` is the number of lapses by the time clock."""
        talk, lapsed = episodes["talk"], np.count_nonzero(episodes["lapsed"]) + gone
        positive, negative = np.count_nonzero(talk > 0), np.count_nonzero(talk < 0)
        self.put(day, talk_positive=positive, talk_negative=negative, new_lapsed=lapsed)
        self.status[CUSTOMER] -= lapsed
        self.status[LAPSED] += lapsed

    def survey(self, day: int, census: Census) -> None:
        """Weekly means over customers: NPS, satisfaction, stages; and the sample's answers."""
        if day >= self.days - CENSUS_DAYS:
            self.censuses[day] = census
        satisfaction, shop, purchase, experience, aware = mean_state(self.columns, day)
        self.put(
            day, nps=net_promoters(census.census), nps_surveyed=net_promoters(census.sampled),
            satisfaction=satisfaction, stage_shop=shop, stage_purchase=purchase, stage_experience=experience,
            stage_aware=aware,
        )  # fmt: skip

    def close(self, day: int) -> None:
        """Stocks at the end of the day."""
        i = day - self.start
        if i > 0:
            self.rows["open_orders"][i] += self.rows["open_orders"][i - 1]
        unaware, aware, customer, lapsed = self.status.tolist()
        self.put(day, unaware=unaware, aware=aware, customer=customer, lapsed=lapsed)


def net_promoters(answers: NDArray[np.int8]) -> float:
    """NPS of answers 0 to 10 (-1: none): % of 9 and 10 less % of 0 to 6; NaN of nobody (Reichheld 2003)."""
    promoters, total = np.count_nonzero(answers >= PROMOTER), np.count_nonzero(answers >= 0)
    detractors = total - np.count_nonzero(answers > DETRACTOR)
    return 100.0 * (promoters - detractors) / total if total else float("nan")


def mean_state(c: Columns, day: int) -> tuple[float, int, int, int, int]:
    """Mean satisfaction of current customers in su, NaN of nobody; then how many stand at each stage.

    Stages, of those neither unaware nor lapsed: shop and compare, purchase, experience, aware; first match counts.
    """
    customers, prospects = np.flatnonzero(c.status == CUSTOMER), c.status == AWARE
    looking = int(np.count_nonzero(prospects & (c.last_visit > day - SHOPPING_DAYS)))
    satisfaction, shop, purchase = _mean_state(c, customers, day)
    return (
        satisfaction / len(customers) if len(customers) else np.nan, looking + shop, purchase,
        len(customers) - shop - purchase, int(np.count_nonzero(prospects)) - looking,
    )  # fmt: skip


@loop
def _mean_state(c: Columns, customers: NDArray[np.intp], day: int) -> tuple[float, int, int]:
    """Of these customers: sum of satisfaction, how many shop and compare, how many wait for an order."""
    total, shop, purchase = 0.0, 0, 0
    for row in customers:
        me = c.more[row]
        total += me.satisfaction
        if me.open_orders > 0:
            purchase += 1
        elif c.last_visit[row] > day - SHOPPING_DAYS and me.last_order < c.last_visit[row]:
            shop += 1
    return total, shop, purchase
