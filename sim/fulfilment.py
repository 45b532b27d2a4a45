"""The fulfilment centre: limited capacity, three delivery classes, orders in daily batches.

An order is due to ship on its order day plus lead less transit. Each day the centre ships the earliest-due orders
(ties: class, then the order's own draw), as many as it has capacity for, early when capacity is free. A batch is one
day's orders of one class: their number grows with days and classes, not with orders.

Between two days a centre is plain data, so that a world can be copied at midnight.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from agents import draws
from agents.columns import FAR, NORUSH
from agents.draws import row_draws


class DeliveryTerms(NamedTuple):
    """What the three classes promise, days by class (express, standard, no-rush)."""

    lead: tuple[int, int, int]
    transit: tuple[int, int, int]
    hold_norush: bool

    def slack(self, kind: int) -> int:
        """Days an order may lie before it must ship."""
        return self.lead[kind] - self.transit[kind]

    def handed_over(self, kind: int, order_day: int, ship_day: int) -> int:
        """Day of delivery of orders shipped on `ship_day`; a no-rush parcel may be held until its promised day."""
        arrival = ship_day + self.transit[kind]
        if kind == NORUSH and self.hold_norush:
            arrival = max(arrival, order_day + self.lead[kind])
        return arrival


class Batch(NamedTuple):
    """One day's online orders of one class, in the order they will ship; arrays of one length."""

    day: int
    kind: int
    row: NDArray[np.int32]
    tie: NDArray[np.float64]
    first: NDArray[np.uint8]
    saved: NDArray[np.float32]

    def part(self, chosen: slice | NDArray[np.bool_]) -> Batch:
        """Some of the orders."""
        return self._replace(
            row=self.row[chosen], tie=self.tie[chosen], first=self.first[chosen], saved=self.saved[chosen]
        )


class Delivery(NamedTuple):
    """Orders of one batch that arrive on the same day."""

    batch: Batch
    late: int  # days after the promised one


def batches(
    seed: int,
    day: int,
    kind: NDArray[np.uint8],
    row: NDArray[np.int32],
    first: NDArray[np.uint8],
    saved: NDArray[np.float32],
) -> list[Batch]:
    """A day's orders as a batch per class, each sorted by the order's own draw (then row)."""
    tie = row_draws(seed, np.ascontiguousarray(row), day, draws.SHIP_TIE, 0)
    order = np.lexsort((row, tie, kind))
    row, tie, first, saved = row[order], tie[order], first[order], saved[order]
    edges = np.searchsorted(kind[order], np.arange(5)).tolist()
    return [
        Batch(day, k, row[start:end], tie[start:end], first[start:end], saved[start:end])
        for k, (start, end) in enumerate(pairwise(edges))
        if end > start
    ]


def hand_to_carrier(terms: DeliveryTerms, arriving: dict[int, list[Delivery]], batch: Batch, ship_day: int) -> None:
    """Put orders that ship on a day among those arriving, with how late they will be."""
    arrival = terms.handed_over(batch.kind, batch.day, ship_day)
    late = arrival - batch.day - terms.lead[batch.kind]
    arriving.setdefault(arrival, []).append(Delivery(batch, late))


class Centre(Protocol):
    """What the company needs of a fulfilment centre, live or replayed."""

    def take(self, batch: Batch) -> None: ...

    def ship(self, day: int, capacity: int) -> int: ...

    def deliveries(self, day: int) -> list[Delivery]: ...

    def backlog(self) -> int: ...


class QueueHead(NamedTuple):
    """The first order left behind at a day's end; an order with a smaller key would have shipped."""

    due: int
    kind: int
    tie: float


NOTHING_LEFT = QueueHead(FAR, 0, 0.0)


@dataclass
class FulfilmentCentre:
    """The live centre. `shipped` and `heads` are what a replay needs: who shipped when, and who was left."""

    terms: DeliveryTerms
    queue: list[Batch] = field(default_factory=list)
    arriving: dict[int, list[Delivery]] = field(default_factory=dict)
    shipped: list[tuple[int, Batch]] = field(default_factory=list)
    heads: dict[int, QueueHead] = field(default_factory=dict)

    def due(self, batch: Batch) -> int:
        """Day by which a batch must ship to keep its promise."""
        return batch.day + self.terms.slack(batch.kind)

    def take(self, batch: Batch) -> None:
        """Queue a day's orders of one class."""
        if len(batch.row):
            self.queue.append(batch)
            self.queue.sort(key=lambda waiting: (self.due(waiting), waiting.kind))

    def ship(self, day: int, capacity: int) -> int:
        """Ship up to `capacity` orders, earliest due first; how many left the house."""
        left = capacity
        while self.queue and left > 0:
            batch = self.queue[0]
            gone = batch.part(slice(0, left))
            self._send(day, gone)
            left -= len(gone.row)
            if len(gone.row) < len(batch.row):
                self.queue[0] = batch.part(slice(len(gone.row), None))
            else:
                self.queue.pop(0)
        self.heads[day] = self._head()
        return capacity - left

    def _send(self, day: int, gone: Batch) -> None:
        hand_to_carrier(self.terms, self.arriving, gone, day)
        self.shipped.append((day, gone))

    def _head(self) -> QueueHead:
        if not self.queue:
            return NOTHING_LEFT
        return QueueHead(self.due(self.queue[0]), self.queue[0].kind, float(self.queue[0].tie[0]))

    def deliveries(self, day: int) -> list[Delivery]:
        """Orders handed over on `day`."""
        return self.arriving.pop(day, [])

    def backlog(self) -> int:
        """Orders taken and not shipped."""
        return sum(len(batch.row) for batch in self.queue)

    def copied(self) -> FulfilmentCentre:
        """The same centre with records of its own; batches are never changed, so they are shared."""
        return FulfilmentCentre(
            self.terms, list(self.queue), {day: list(parcels) for day, parcels in self.arriving.items()}
        )


class ShippingRecord:
    """When each order of a finished world shipped, and who was left behind each day."""

    def __init__(self, centre: FulfilmentCentre) -> None:
        keys = [_keys(batch) for _, batch in centre.shipped]
        days = [np.full(len(batch.row), day, np.int64) for day, batch in centre.shipped]
        key = np.concatenate(keys) if keys else np.empty(0, np.int64)
        order = np.argsort(key, kind="stable")
        self._key = key[order]
        self._day = (np.concatenate(days) if days else np.empty(0, np.int64))[order]
        waiting = [_keys(batch) for batch in centre.queue]
        self._waiting = np.sort(np.concatenate(waiting)) if waiting else np.empty(0, np.int64)
        self._heads = sorted(centre.heads.items())

    def ship_days(self, batch: Batch, due: int) -> NDArray[np.int64]:
        """Ship day of each order: as recorded, or that of a zero-size phantom; FAR if never within the record."""
        key = _keys(batch)
        days = np.full(len(key), FAR, np.int64)
        known, place = _found(self._key, key)
        days[known] = self._day[place[known]]
        still_waiting, _ = _found(self._waiting, key)
        for j in np.flatnonzero(~known & ~still_waiting):
            days[j] = self._phantom(batch.day, QueueHead(due, batch.kind, float(batch.tie[j])))
        return days

    def _phantom(self, order_day: int, own: QueueHead) -> int:
        for day, head in self._heads:
            if day >= order_day and own < head:
                return day
        return FAR


def order_keys(row: NDArray[Any], day: NDArray[Any] | int, kind: NDArray[Any] | int) -> NDArray[np.int64]:
    """(row, order day, class) as one integer: the identity of an order, and of its episode, across arms."""
    return (row.astype(np.int64) << 20) | ((np.asarray(day, np.int64) + (1 << 15)) << 2) | np.asarray(kind, np.int64)


def _keys(batch: Batch) -> NDArray[np.int64]:
    return order_keys(batch.row, batch.day, batch.kind)


def _found(sorted_keys: NDArray[np.int64], keys: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Which keys are among the sorted ones, and where."""
    place = np.searchsorted(sorted_keys, keys)
    inside = place < len(sorted_keys)
    known = np.zeros(len(keys), bool)
    known[inside] = sorted_keys[place[inside]] == keys[inside]
    return known, place


@dataclass
class ReplayedCentre:
    """A centre in which every order ships when it did in the recorded world, whatever else is ordered."""

    terms: DeliveryTerms
    record: ShippingRecord
    leaving: dict[int, list[Batch]] = field(default_factory=dict)
    arriving: dict[int, list[Delivery]] = field(default_factory=dict)
    waiting: int = 0

    @classmethod
    def resumed(cls, centre: FulfilmentCentre, record: ShippingRecord) -> ReplayedCentre:
        """Take over the queue and the parcels on their way of a live centre."""
        replayed = cls(centre.terms, record, {}, {day: list(parcels) for day, parcels in centre.arriving.items()})
        for batch in centre.queue:
            replayed.take(batch)
        return replayed

    def take(self, batch: Batch) -> None:
        """Fix the ship day of every order of a batch."""
        if not len(batch.row):
            return
        days = self.record.ship_days(batch, batch.day + self.terms.slack(batch.kind))
        for day in np.unique(days):
            self.leaving.setdefault(int(day), []).append(batch.part(days == day))
        self.waiting += len(batch.row)

    def ship(self, day: int, capacity: int) -> int:
        """Send what the record sends today; capacity plays no part."""
        gone = 0
        for batch in self.leaving.pop(day, []):
            hand_to_carrier(self.terms, self.arriving, batch, day)
            gone += len(batch.row)
        self.waiting -= gone
        return gone

    def deliveries(self, day: int) -> list[Delivery]:
        """Orders handed over on `day`."""
        return self.arriving.pop(day, [])

    def backlog(self) -> int:
        """Orders taken and not shipped."""
        return self.waiting
