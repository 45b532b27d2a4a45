"""The journal: what happened to whom and how they felt about it, for the event log and the states of the first
replication.

Both are kept as arrays a day, in the order of the day; sorting by customer at the end leaves each customer's own order
as it was. A journal is for arms whose talk is live: what is heard is what was just told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.columns import LAPSED, NEVER, NO_ORDER
from agents.network import Network
from agents.records import Episodes, Messages
from agents.state import Customers
from sim.company.ledger import earns_coupon
from sim.tables import EVENT_NAMES
from sim.world.engines import Arrivals, Census

NAMES = tuple(EVENT_NAMES)
CODE = {name: code for code, name in enumerate(NAMES)}


Events = tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int16], NDArray[np.float32]]
"""row, code, day, value; arrays of one length."""

States = tuple[NDArray[np.int32], NDArray[np.int16], NDArray[np.float32], NDArray[np.float32]]
"""row, day, satisfaction, expectation; arrays of one length."""

NOBODY = np.empty(0, np.int32)


class Journal:
    """Events and states of the first `limit` customers."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._events: list[Events] = []
        self._states: list[States] = []
        self._reached = NOBODY  # rows that got a push or an e-mail this morning

    def note(self, day: int, name: str, rows: NDArray[np.int32], values: NDArray[Any] | float) -> None:
        """Events of one name on one day; each row's own in the order they happened."""
        kept = rows < self.limit
        rows = rows[kept]
        if len(rows):
            value = np.broadcast_to(np.asarray(values, np.float32), kept.shape)[kept]
            self._events.append((
                rows, np.full(len(rows), CODE[name], np.uint8), np.full(len(rows), day, np.int16), value,
            ))  # fmt: skip

    def messages(self, day: int, m: Messages, asks: NDArray[np.uint8]) -> None:
        """Pushes and e-mails; a click on a question tells the firm one's likes. asks: by row of the variant table."""
        clicked, left = m["clicked"] == 1, m["opted_out"] == 1
        told = clicked & (asks[m["variant_row"]] == 1)
        variant_row = _numbered(m["variant_row"])
        self.note(day, "message sent", m["row"], variant_row)
        self.note(day, "message clicked", m["row"][clicked], variant_row[clicked])
        self.note(day, "preference told", m["row"][told], variant_row[told])
        self.note(day, "opted out", m["row"][left], variant_row[left])
        self._reached = np.ascontiguousarray(m["row"])

    def shopping(self, day: int, customers: Customers, arrivals: Arrivals) -> None:
        """Awareness, visits, popups, orders, coupons, and how visitors and those whom a message reached then feel."""
        v = arrivals.visits
        self.note(day, "aware", arrivals.learned, arrivals.source)
        self.note(day, "visit", v["row"], v["channel"])
        shown, clicked, ordered = v["popup"] > 0, v["clicked"] == 1, v["kind"] != NO_ORDER
        variant_row, linked = _numbered(v["variant_row"]), v["linked"] == 1
        self.note(day, "popup shown", v["row"][shown], variant_row[shown])
        self.note(day, "popup clicked", v["row"][clicked], variant_row[clicked])
        welcome = np.where(v["welcome"] > 0, _numbered(v["welcome_row"]), 0)
        self.note(day, "linked", v["row"][linked], welcome[linked])
        self.note(day, "order", v["row"][ordered], v["basket"][ordered])
        used, earned = v["redeemed"] == 1, earns_coupon(v["kind"], v["norush_coupon"])
        self.note(day, "coupon redeemed", v["row"][used], v["discount"][used])
        self.note(day, "coupon issued", v["row"][earned], v["norush_coupon"][earned])
        self._feel(day, customers, np.union1d(v["row"], self._readers(customers)))

    def _readers(self, customers: Customers) -> NDArray[np.int32]:
        """Rows that this morning's messages moved: all receivers but the lapsed, who do not react. Their state is noted
        together with the visitors', once a day: after the visit that a message brings, if any."""
        reached, self._reached = self._reached, NOBODY
        return np.asarray(reached[customers.columns.status[reached] != LAPSED])

    def settled(self, day: int, customers: Customers, e: Episodes, gone: NDArray[np.int32]) -> None:
        """Deliveries, cancelled orders, support, scores, what let down, talk, lapses, and how those concerned feel."""
        over = e["cancelled"] == 1
        self.note(day, "delivered", e["row"][~over], e["late"][~over])
        self.note(day, "cancelled", e["row"][over], e["late"][over])
        called, talked, lapsed = e["contact"] == 1, e["talk"] != 0, e["lapsed"] == 1
        waited = np.where(e["served"] == 1, e["wait"], -e["wait"])
        self.note(day, "support contact", e["row"][called], waited[called])
        self.note(day, "episode", e["row"], e["score"])
        self._blame(day, customers, e)
        self.note(day, "talk", e["row"][talked], e["score"][talked])
        for rows in (e["row"][lapsed], gone):
            last = customers.columns.of("last_order")[rows].astype(np.float64)
            self.note(day, "lapsed", rows, np.where(last == NEVER, 0.0, day - last))
        self._feel(day, customers, np.unique(e["row"]))

    def _blame(self, day: int, customers: Customers, e: Episodes) -> None:
        """What weighed worst in an experience below neutral, where it was itself below.

        The customer's columns are those of the day's last episode: noted once a day, if that one was below.
        """
        rows, last = np.unique(e["row"][::-1], return_index=True)
        worst, severity = customers.columns.of("worst")[rows], customers.columns.of("severity")[rows]
        let_down = (e["score"][::-1][last] < 0) & (worst > 0) & (severity > 0)
        self.note(day, "let down", rows[let_down], worst[let_down] - 1)

    def heard(self, day: int, customers: Customers, e: Episodes) -> None:
        """The day's talk reaches the talkers' ties; whoever has lapsed does not listen."""
        told = e[e["talk"] != 0]
        ties, talk = _ties(customers.network, told["row"])
        listens = customers.columns.status[ties] != LAPSED
        self.note(day, "heard", ties[listens], told["score"][talk[listens]])

    def survey(self, day: int, census: Census) -> None:
        """Survey answers."""
        rows = np.flatnonzero(census.sampled >= 0).astype(np.int32)
        self.note(day, "survey answer", rows, census.sampled[rows])

    def _feel(self, day: int, customers: Customers, rows: NDArray[np.int32]) -> None:
        """Satisfaction and expectation of these rows as they stand now."""
        rows = rows[rows < self.limit]
        if len(rows):
            self._states.append((
                rows, np.full(len(rows), day, np.int16), customers.satisfaction_on(rows, day).astype(np.float32),
                customers.expected(rows).astype(np.float32),
            ))  # fmt: skip

    def columns(self) -> Events:
        """All events, by customer, then in the order they happened."""
        row, code, day, value = _by_row(self._events or [_NO_EVENTS])
        return row, code, day, value

    def states(self) -> States:
        """All states, by customer, then in the order of time."""
        row, day, satisfaction, expectation = _by_row(self._states or [_NO_STATES])
        return row, day, satisfaction, expectation


_NO_EVENTS: Events = (NOBODY, np.empty(0, np.uint8), np.empty(0, np.int16), np.empty(0, np.float32))
_NO_STATES: States = (NOBODY, np.empty(0, np.int16), np.empty(0, np.float32), np.empty(0, np.float32))


def _numbered(variant_rows: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Rows of the variant table as the event log numbers variants: from 1 on through all campaigns of the arm."""
    return variant_rows.astype(np.int16) + np.int16(1)


def _by_row(parts: Sequence[tuple[NDArray[Any], ...]]) -> list[NDArray[Any]]:
    """The parts' columns put together, ordered by the first, each row's own order kept."""
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return [column[order] for column in columns]


def _ties(network: Network, rows: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The ties of these rows, row by row, and for each the place in `rows` it is a tie of."""
    first = network.start[rows].astype(np.int64)
    count = network.start[rows + 1] - first
    owner = np.repeat(np.arange(len(rows)), count)
    before = np.cumsum(count) - count
    return network.ties[(first - before)[owner] + np.arange(len(owner))], owner
