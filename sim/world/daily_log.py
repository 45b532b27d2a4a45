"""The recorder: one row a day, of the columns `sim.tables.DAILY` declares.

Counts are taken from the day's visits, episodes and messages; only the weekly survey passes over all customers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.columns import AWARE, CUSTOMER, EXPRESS, LAPSED, NO_ORDER, NORUSH, STANDARD, UNAWARE, Columns
from agents.compiled import loop, of_one_type
from agents.records import Episodes, Messages, Visits
from sim import tables
from sim.company.support import Contacts
from sim.tables import DETRACTOR, PROMOTER
from sim.world.engines import Arrivals, Census

KEYS = ("arm", "replication", "second_seed")
CENSUS_DAYS = 28
"""Days at the end of the horizon whose weekly surveys make the reported NPS and CSAT."""

SHOPPING_DAYS = 14
"""A visitor who has not bought counts as shopping for so many days."""


OF_VISITS = (
    "visits", "orders", "orders_express", "orders_standard", "orders_norush", "acquired", "discount", "impressions",
    "clicks",
)  # fmt: skip
"""Columns that count over a day's visits, in the order of `_visited`."""


@of_one_type
@loop
def _visited(v: Visits) -> tuple[int, int, int, int, int, int, int, int, int]:
    """The figures of OF_VISITS."""
    visits, orders, express, standard, norush = 0, 0, 0, 0, 0
    acquired, discount, impressions, clicks = 0, 0, 0, 0
    for j in range(len(v)):
        kind = int(v[j].kind)
        visits += v[j].times
        orders += kind != NO_ORDER
        express += kind == EXPRESS
        standard += kind == STANDARD
        norush += kind == NORUSH
        acquired += v[j].first != 0
        discount += v[j].discount
        impressions += v[j].popup != 0
        clicks += v[j].clicked != 0
    return visits, orders, express, standard, norush, acquired, discount, impressions, clicks


@of_one_type
@loop
def _settled(e: Episodes) -> tuple[int, int, int]:
    """Of a day's episodes: good and bad talks, and lapses."""
    good, bad, lapsed = 0, 0, 0
    for j in range(len(e)):
        good += e[j].talk > 0
        bad += e[j].talk < 0
        lapsed += e[j].lapsed != 0
    return good, bad, lapsed


class Recorder:
    """Daily rows from `start` on, and the weekly censuses.

    The figures of the day being simulated are gathered in a dictionary, and written into the columns when the next day
    opens or somebody looks: writing each at once took a quarter of a small market's time.
    """

    def __init__(self, columns: Columns, start: int, days: int) -> None:
        self.columns = columns
        self.start = start
        self.days = days
        declared = [column for column in tables.DAILY if column.name not in KEYS]
        self._rows: dict[str, NDArray[Any]] = {
            column.name: np.full(days - start, _blank(column), np.float64 if column.dtype == "float64" else np.int64)
            for column in declared
        }
        self._rows["day"][:] = np.arange(start, days)
        self._today: dict[str, float] = {}
        self._day = start
        self._open_orders = int(columns.of("open_orders").sum(dtype=np.int64))
        self.status = np.bincount(columns.status, minlength=4).tolist()
        self.censuses: dict[int, Census] = {}

    @property
    def rows(self) -> dict[str, NDArray[Any]]:
        """The columns of daily.parquet by name, shape (days - start,); days to come are blank."""
        self._write()
        return self._rows

    def _write(self) -> None:
        i = self._day - self.start
        for name, value in self._today.items():
            self._rows[name][i] = value

    def open(self, day: int) -> None:
        """Begin a day's row."""
        self._write()
        self._day, self._today = day, {}

    def put(self, **figures: float) -> None:
        """Set figures of the day."""
        self._today.update(figures)

    def add(self, name: str, value: float) -> None:
        """Add to one figure of the day."""
        self._today[name] = self._today.get(name, 0) + value

    def arrivals(self, arrivals: Arrivals) -> None:
        """Visits, orders by class, first orders, impressions."""
        seen = dict(zip(OF_VISITS, _visited(arrivals.visits), strict=True))
        self.put(**seen)
        self.status[UNAWARE] -= len(arrivals.learned)
        self.status[AWARE] += len(arrivals.learned) - seen["acquired"]
        self.status[CUSTOMER] += seen["acquired"]
        self._open_orders += seen["orders_express"] + seen["orders_standard"] + seen["orders_norush"]

    def messages(self, messages: Messages) -> None:
        """Pushes and e-mails, beside the day's popups."""
        self.add("impressions", len(messages))
        self.add("clicks", int(messages["clicked"].sum()))
        back = int(messages["came_back"].sum())
        self.status[LAPSED] -= back
        self.status[CUSTOMER] += back

    def deliveries(self, handed: int, late: int, cancelled: int) -> None:
        """Online orders handed over, those of them that are late, and orders cancelled."""
        self.put(delivered=handed, late=late, cancelled=cancelled)
        self._open_orders -= handed + cancelled

    def contacts(self, contacts: Contacts) -> None:
        """Support contacts, those given up, and minutes waited."""
        served, waited = int(np.count_nonzero(contacts.served)), float(contacts.wait.sum())
        self.put(contacts=len(contacts.key), abandoned=len(contacts.key) - served, wait_minutes=waited)

    def settled(self, episodes: Episodes, gone: int) -> None:
        """Talk and lapses; `gone` is the number of lapses by the time clock."""
        positive, negative, lapsed = _settled(episodes)
        lapsed += gone
        self.put(talk_positive=positive, talk_negative=negative, new_lapsed=lapsed)
        self.status[CUSTOMER] -= lapsed
        self.status[LAPSED] += lapsed

    def survey(self, day: int, census: Census) -> None:
        """Weekly means over customers: NPS, satisfaction, stages; and the sample's answers."""
        if day >= self.days - CENSUS_DAYS:
            self.censuses[day] = census
        satisfaction, shop, purchase, experience, aware = mean_state(self.columns, day)
        self.put(
            nps=net_promoters(census.census), nps_surveyed=net_promoters(census.sampled),
            satisfaction=satisfaction, stage_shop=shop, stage_purchase=purchase, stage_experience=experience,
            stage_aware=aware,
        )  # fmt: skip

    def close(self) -> None:
        """Stocks at the end of the day."""
        unaware, aware, customer, lapsed = self.status
        self.put(unaware=unaware, aware=aware, customer=customer, lapsed=lapsed, open_orders=self._open_orders)


def _blank(column: tables.Column) -> float:
    """What a column shows on a day that sets no figure: nothing was counted, or nobody was asked."""
    if column.name.startswith("stage_"):
        return -1
    return 0.0 if column.dtype != "float64" or column.name == "wait_minutes" else math.nan


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
