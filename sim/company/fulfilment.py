"""The fulfilment centre: limited capacity, three delivery classes, orders in daily batches.

An order is due to ship on its order day plus lead less transit. Each day the centre ships the earliest-due orders
(ties: class, then the order's own draw) up to its capacity, before they are due if capacity is free. A batch is one
day's orders of one class, so that the number of batches does not grow with that of orders.

The promise is fixed, or follows the backlog: then an order is promised for the day on which its turn can come
(`FulfilmentCentre.put_off`). What waits for too long beyond its promised day is cancelled, after a patience that is
each order's own.

Between two days a centre is plain data, so that a world can be copied at midnight.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents import draws
from agents.columns import EXPRESS, FAR, NO_ORDER, NORUSH, STANDARD, STORE, Columns
from agents.compiled import compiled, loop, of_one_type, rule
from agents.draws import day_key, draw, hash_draw, uniform_of
from agents.records import EPISODE, Episodes, Visits
from sim.company.changes import sum_of


class Patience(NamedTuple):
    """When customers cancel what has not shipped: days beyond the promised one on which they begin to, and the
    probability on each day from then on."""

    after: int
    daily: float


ENDLESS = Patience(0, 0.0)
"""The patience of customers who never cancel."""


@compiled
def patience_of(seed: int, row: int, day: int, most: Patience) -> int:
    """Days beyond the promised one on which a customer cancels what he or she ordered on `day`; FAR if never."""
    if most.daily <= 0.0:
        return FAR
    if most.daily >= 1.0:
        return most.after
    further = math.log(draw(seed, row, day, draws.CANCEL, 0)) / math.log(1.0 - most.daily)
    return min(FAR, most.after + int(further))


DaysByClass = tuple[int, int, int]
"""A number of days for each of express, standard and no-rush delivery."""


class DeliveryTerms(NamedTuple):
    """Lead and transit of the delivery classes in days: express, standard, no-rush."""

    lead: tuple[int, int, int]
    transit: tuple[int, int, int]
    hold_norush: bool
    warehouse_rests: frozenset[int] = frozenset()
    carrier_rests: frozenset[int] = frozenset()
    patience: Patience = ENDLESS

    def with_transit(self, more: tuple[int, int, int]) -> DeliveryTerms:
        """These terms with so many days more of transit by class."""
        return self._replace(transit=sum_of(self.transit, more))

    def due(self, batch: Batch) -> int:
        """Day by which a batch must ship to keep its promise."""
        return self._from(batch.kind, batch.day, batch.extra) - self.transit[batch.kind]

    def promised(self, kind: int, order_day: int, extra: int = 0) -> int:
        """Day of delivery told at the order: lead days from the warehouse's next working day, on a working day of the
        carrier. `extra` are the days promised beyond the class's usual lead.
        """
        return working_day(self._from(kind, order_day, extra), self.carrier_rests)

    def _from(self, kind: int, order_day: int, extra: int) -> int:
        return working_day(order_day, self.warehouse_rests) + self.lead[kind] + extra

    def given_up(self, batch: Batch) -> NDArray[np.int64]:
        """Day on whose morning each order of a batch is cancelled if it has not shipped; after FAR, if never: int64
        (orders,)."""
        if self.patience.daily <= 0.0:
            return np.full(len(batch.orders), FAR + 1, np.int64)
        beyond = batch.orders["patience"].astype(np.int64)
        return np.where(beyond == FAR, FAR + 1, beyond + self.promised(batch.kind, batch.day, batch.extra))

    def handed_over(self, kind: int, order_day: int, ship_day: int, extra: int = 0, delay: int = 0) -> int:
        """Day of delivery of orders shipped on `ship_day`; a no-rush parcel may be held until its promised day.

        `delay` are the carrier's days beyond transit; they count from where the parcel was held.
        """
        arrival = ship_day + self.transit[kind]
        if kind == NORUSH and self.hold_norush:
            arrival = max(arrival, self.promised(kind, order_day, extra))
        return working_day(arrival + delay, self.carrier_rests)


def working_day(day: int, rests: frozenset[int]) -> int:
    """The first day from `day` on that is none of rest."""
    while day in rests:
        day += 1
    return day


class CarrierLuck(NamedTuple):
    """Delays on the way: the share of parcels delayed, and the mean of their days, geometric from 1 on."""

    delayed: float
    days: float


PROMPT = CarrierLuck(0.0, 1.0)
"""A carrier that delays no parcel."""

MOST_DELAY = 60
"""Days after which the longest delay ends."""


@compiled
def delay_of(seed: int, row: int, day: int, luck: CarrierLuck) -> int:
    """Days by which the carrier delays the parcel that a customer ordered on `day`, whatever its class."""
    if draw(seed, row, day, draws.CARRIER, 0) >= luck.delayed:
        return 0
    if luck.days <= 1.0:
        return 1
    further = math.log(draw(seed, row, day, draws.CARRIER, 1)) / math.log(1.0 - 1.0 / luck.days)
    return min(MOST_DELAY, 1 + int(further))


ORDER = np.dtype(
    [
        ("tie", np.float64),  # the order's own draw: its place among those of its class and day
        ("row", np.int32),
        ("saved", np.float32),  # discount as a share of the mean basket
        ("basket", np.int32),  # yen
        ("discount", np.int32),  # yen
        ("paid", np.int32),  # yen, delivery fee included
        ("earned", np.int32),  # yen of profit with the order
        ("day", np.int16),
        ("patience", np.int16),  # days beyond the promised one on which it is cancelled if it has not shipped
        ("kind", np.uint8),
        ("extra", np.int8),  # days promised beyond the usual lead: chosen, or by new terms; negative: fewer
        ("first", np.uint8),
        ("delay", np.uint8),  # days beyond transit that the carrier will take
    ],
    align=True,
)
"""dtype of an order from purchase to hand-over."""

Orders = NDArray[Any]
"""Records of ORDER."""


@of_one_type
@compiled
def orders_of(
    c: Columns, v: Visits, basket_shape: float, seed: int, day: int, luck: CarrierLuck, patience: Patience,
    longer: DaysByClass,
) -> Orders:  # fmt: skip
    """The day's orders, the store's too, sorted as they ship: by class, then the order's own draw, then row.

    `longer` are the days by which today's terms promise more than the usual lead, by class.
    """
    orders = np.empty(len(v), ORDER)
    count = 0
    for j in range(len(v)):
        if v[j].kind != NO_ORDER:
            one = orders[count]
            one.row, one.day, one.kind, one.first = v[j].row, day, v[j].kind, v[j].first
            one.extra = v[j].extra if v[j].kind == NORUSH else 0
            if v[j].kind != STORE:
                one.extra += longer[v[j].kind]
            one.delay = delay_of(seed, v[j].row, day, luck)
            one.basket, one.discount = v[j].basket, v[j].discount
            one.paid, one.earned = v[j].paid, v[j].earned
            one.patience = patience_of(seed, v[j].row, day, patience)
            one.saved = np.float32(v[j].discount * float(c.more[v[j].row].spend) / basket_shape)
            count += 1
    return as_they_ship(seed, day, orders[:count])


@compiled
def as_they_ship(seed: int, day: int, orders: Orders) -> Orders:
    """A day's orders, rows ascending, each given its own draw, sorted by class, draw and row."""
    key = day_key(seed, day, draws.SHIP_TIE, 0)
    place = np.empty(len(orders), np.int64)
    for j in range(len(orders)):
        bits = hash_draw(key, orders[j].row)
        orders[j].tie = uniform_of(bits)
        place[j] = (np.int64(orders[j].kind) << 52) | np.int64(bits >> np.uint64(12))  # the bits a uniform is made of
    return orders[np.argsort(place, kind="mergesort")]


class Batch(NamedTuple):
    """One day's orders of one class, in the order they will ship. Immutable, so that copies may share it.

    All its orders have the same `extra` days beyond the usual lead.
    """

    day: int
    kind: int
    orders: Orders
    extra: int = 0

    def part(self, chosen: slice | NDArray[np.bool_]) -> Batch:
        """Some of the orders."""
        return Batch(self.day, self.kind, self.orders[chosen], self.extra)


def batches(day: int, orders: Orders) -> list[Batch]:
    """A day's orders, sorted by class, as a batch per class and days beyond the usual lead."""
    edges = orders["kind"].searchsorted(_EDGES).tolist()
    found = [Batch(day, kind, orders[start:end]) for kind, (start, end) in enumerate(pairwise(edges)) if end > start]
    return found if not np.count_nonzero(orders["extra"]) else [part for batch in found for part in _by_extra(batch)]


def _by_extra(batch: Batch) -> list[Batch]:
    """A batch divided by `extra` days."""
    chosen = batch.orders["extra"]
    return [Batch(batch.day, batch.kind, batch.orders[chosen == extra], int(extra)) for extra in np.unique(chosen)]


_EDGES = np.arange(STORE + 2, dtype=np.uint8)


def episodes_of(
    batches: Sequence[Batch], terms: DeliveryTerms, day: int, cancelled: Sequence[Batch] = ()
) -> Episodes:
    """Deliveries and store purchases handed over on `day`, and orders cancelled, as episodes: sorted by (customer,
    order day), a customer's cancelled ones last."""
    handed, batches = sum(len(batch.orders) for batch in batches), [*batches, *cancelled]
    if not batches:
        return np.zeros(0, EPISODE)
    # bytes are joined since NumPy first looks into the fields of what it concatenates, at fifty times the time
    joined = b"".join([batch.orders.tobytes() for batch in batches])
    promised = [batch.day if batch.kind == STORE else terms.promised(batch.kind, batch.day, batch.extra)
                for batch in batches]  # fmt: skip
    sizes = [len(batch.orders) for batch in batches]
    return _episodes(np.frombuffer(joined, ORDER), np.repeat(promised, sizes), day, handed)


@of_one_type
@compiled
def _episodes(orders: Orders, promised: NDArray[np.int64], day: int, handed: int) -> Episodes:
    """handed: how many orders were handed over; those after them are cancelled ones."""
    key = np.empty(len(orders), np.int64)
    for j in range(len(orders)):
        key[j] = order_key(orders[j].row, orders[j].day, orders[j].kind) | (np.int64(j >= handed) << LAST_OF_A_ROW)
    episodes = np.zeros(len(orders), EPISODE)
    for place, j in enumerate(np.argsort(key, kind="mergesort")):
        one, order = episodes[place], orders[j]
        one.row, one.order_day, one.kind = order.row, order.day, order.kind
        one.first, one.saved = order.first, order.saved
        one.extra = order.extra
        one.basket, one.discount = order.basket, order.discount
        one.paid, one.earned = order.paid, order.earned
        one.late = day - promised[j]
        if j >= handed:
            one.cancelled, one.saved = 1, 0.0
    return episodes


@of_one_type
@loop
def log_deliveries(c: Columns, e: Episodes, day: int) -> tuple[int, int, int]:
    """Write what became of online orders into the customers' columns; (how many were handed over, how many of them
    late, how many were cancelled)."""
    handed, late, cancelled = 0, 0, 0
    for j in range(len(e)):
        me = c.more[e[j].row]
        if e[j].cancelled:
            me.cancelled += 1
            cancelled += 1
        elif e[j].kind != STORE:
            me.delivered += 1
            me.last_late = max(-127, min(127, int(e[j].late)))
            me.lead_days += day - e[j].order_day
            me.late += e[j].late > 0
            handed += 1
            late += e[j].late > 0
    return handed, late, cancelled


LAST_OF_A_ROW = 19
"""A bit that keys of orders leave free: set, the order stands behind all others of its row."""


@rule
def order_key(row: int, day: int, kind: int) -> int:
    """(row, order day, class) as one integer: the identity of an order, and of its episode, across arms."""
    return (int(row) << 20) | ((int(day) + (1 << 15)) << 2) | int(kind)


class QueueHead(NamedTuple):
    """Key of the first order that had not shipped at a day's end; one with a smaller key would have."""

    due: int
    kind: int
    tie: float


NOTHING_LEFT = QueueHead(FAR, 0, 0.0)


NOT_PUT_OFF: DaysByClass = (0, 0, 0)
MOST_PUT_OFF = 60
"""Days by which a promise is put off at most."""

_NO_ORDERS: Orders = np.zeros(0, ORDER)


@dataclass
class FulfilmentCentre:
    """The live centre. For replays it keeps `shipped`, who shipped when, `heads`, the first order left each day,
    `withdrawn`, who cancelled, and `longer`, the days by which the backlog put promises off."""

    terms: DeliveryTerms
    queue: list[Batch] = field(default_factory=list)
    arriving: dict[int, list[Batch]] = field(default_factory=dict)
    shipped: list[tuple[int, Batch]] = field(default_factory=list)
    heads: dict[int, QueueHead] = field(default_factory=dict)
    withdrawn: list[Batch] = field(default_factory=list)
    longer: dict[int, DaysByClass] = field(default_factory=dict)

    def _precedence(self, batch: Batch) -> tuple[int, int]:
        return self.terms.due(batch), batch.kind

    def take(self, batch: Batch) -> None:
        """Queue a day's orders of one class."""
        if len(batch.orders):
            insort(self.queue, batch, key=self._precedence)

    def put_off(self, day: int, capacity: NDArray[np.int64], expected: float) -> DaysByClass:
        """Days by which a class's promise must be longer on `day` for its turn to come in time, behind the orders that
        wait and the `expected` ones of the day. capacity: orders a day from `day` on, int64 (days,)."""
        if not self.queue:
            return NOT_PUT_OFF
        possible = np.cumsum(capacity).astype(np.float64) - expected
        express, standard, norush = (self._behind(day, kind, possible) for kind in (EXPRESS, STANDARD, NORUSH))
        self.longer[day] = express, standard, norush
        return self.longer[day]

    def _behind(self, day: int, kind: int, possible: NDArray[np.float64]) -> int:
        """Days by which an order of `day` must be due later so that by then it, and all that goes before it, can ship;
        `possible` are those that can ship by the end of each day from `day` on."""
        usual = due = self.terms.due(Batch(day, kind, _NO_ORDERS))
        while due - usual < MOST_PUT_OFF and due - day < len(possible):
            ahead = sum(len(batch.orders) for batch in self.queue if self._precedence(batch) <= (due, kind))
            if ahead < possible[due - day]:
                break
            due += 1
        return due - usual

    def cancelled(self, day: int) -> list[Batch]:
        """Take out of the queue, and return, the orders whose customers wait no longer on the morning of `day`."""
        gone: list[Batch] = []
        if self.terms.patience.daily > 0.0:
            for place, batch in enumerate(self.queue):
                if self.terms.due(batch) + self.terms.patience.after > day:
                    break
                over = self.terms.given_up(batch) <= day
                if over.any():
                    gone.append(batch.part(over))
                    self.queue[place] = batch.part(~over)
        if gone:
            self.queue = [batch for batch in self.queue if len(batch.orders)]
            self.withdrawn += gone
        return gone

    def ship(self, day: int, capacity: int) -> int:
        """Ship up to `capacity` orders, the earliest due first; returns how many."""
        left = capacity
        while self.queue and left > 0:
            batch = self.queue[0]
            if len(batch.orders) <= left:
                self._send(day, self.queue.pop(0))
                left -= len(batch.orders)
            else:
                self._send(day, batch.part(slice(0, left)))
                self.queue[0] = batch.part(slice(left, None))
                left = 0
        if capacity > 0:  # on a day of rest no order leaves, not even one that takes no capacity
            self.heads[day] = self._head()
        return capacity - left

    def _send(self, day: int, gone: Batch) -> None:
        hand_to_carrier(self.terms, self.arriving, gone, day)
        self.shipped.append((day, gone))

    def _head(self) -> QueueHead:
        if not self.queue:
            return NOTHING_LEFT
        first = self.queue[0]
        return QueueHead(self.terms.due(first), first.kind, float(first.orders[0]["tie"]))

    def deliveries(self, day: int) -> list[Batch]:
        """Orders handed over on `day`."""
        return self.arriving.pop(day, [])

    def backlog(self) -> int:
        """Orders taken and not shipped."""
        return sum(len(batch.orders) for batch in self.queue)

    def copied(self) -> FulfilmentCentre:
        """The same centre with records of its own; batches are never changed, so they are shared."""
        return FulfilmentCentre(
            self.terms, list(self.queue), {day: list(parcels) for day, parcels in self.arriving.items()}
        )


def hand_to_carrier(terms: DeliveryTerms, arriving: dict[int, list[Batch]], batch: Batch, ship_day: int) -> None:
    """Add a batch that ships on `ship_day` to `arriving`, its orders under their days of delivery."""
    delays = batch.orders["delay"]
    taken = np.flatnonzero(np.bincount(delays)).tolist()
    for delay in taken:
        arrival = terms.handed_over(batch.kind, batch.day, ship_day, batch.extra, delay)
        own = batch if len(taken) == 1 else batch.part(delays == delay)
        arriving.setdefault(arrival, []).append(own)


class ShippingRecord:
    """When each order of a finished world shipped, which was the first one left each day, and by how many days
    promises were put off."""

    def __init__(self, centre: FulfilmentCentre) -> None:
        keys = [_keys(batch.orders) for _, batch in centre.shipped]
        days = [np.full(len(batch.orders), day, np.int64) for day, batch in centre.shipped]
        key = np.concatenate(keys) if keys else np.empty(0, np.int64)
        order = np.argsort(key, kind="stable")
        self._key = key[order]
        self._day = (np.concatenate(days) if days else np.empty(0, np.int64))[order]
        waiting = [_keys(batch.orders) for batch in (*centre.queue, *centre.withdrawn)]
        self._waiting = np.sort(np.concatenate(waiting)) if waiting else np.empty(0, np.int64)
        self._heads = sorted(centre.heads.items())
        self.longer = centre.longer

    def ship_days(self, batch: Batch, due: int) -> NDArray[np.int64]:
        """Ship day of each order: as recorded; of a new one, as if it took no capacity; FAR if never in the record."""
        key = _keys(batch.orders)
        days = np.full(len(key), FAR, np.int64)
        known, place = _found(self._key, key)
        days[known] = self._day[place[known]]
        still_waiting, _ = _found(self._waiting, key)
        for j in np.flatnonzero(~known & ~still_waiting):
            days[j] = self._phantom(batch.day, QueueHead(due, batch.kind, float(batch.orders[j]["tie"])))
        return days

    def _phantom(self, order_day: int, own: QueueHead) -> int:
        for day, head in self._heads:
            if day >= order_day and own < head:
                return day
        return FAR


@compiled
def _keys(orders: Orders) -> NDArray[np.int64]:
    out = np.empty(len(orders), np.int64)
    for j in range(len(orders)):
        out[j] = order_key(orders[j].row, orders[j].day, orders[j].kind)
    return out


def _found(sorted_keys: NDArray[np.int64], keys: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Which keys are among the sorted ones, and where."""
    place = np.searchsorted(sorted_keys, keys)
    inside = place < len(sorted_keys)
    known = np.zeros(len(keys), bool)
    known[inside] = sorted_keys[place[inside]] == keys[inside]
    return known, place


@dataclass
class ReplayedCentre:
    """A centre that ships every order on the day of `ShippingRecord.ship_days`, whatever else is ordered."""

    terms: DeliveryTerms
    record: ShippingRecord
    leaving: dict[int, list[Batch]] = field(default_factory=dict)
    arriving: dict[int, list[Batch]] = field(default_factory=dict)
    giving_up: dict[int, list[Batch]] = field(default_factory=dict)
    waiting: int = 0

    @classmethod
    def resumed(cls, centre: FulfilmentCentre, record: ShippingRecord) -> ReplayedCentre:
        """A replayed centre that takes over a live one's queue and parcels on their way."""
        replayed = cls(centre.terms, record, {}, {day: list(parcels) for day, parcels in centre.arriving.items()})
        for batch in centre.queue:
            replayed.take(batch)
        return replayed

    def take(self, batch: Batch) -> None:
        """Take a batch and set the day on which each of its orders ships or, if that comes first, is cancelled."""
        if not len(batch.orders):
            return
        days, over = self.record.ship_days(batch, self.terms.due(batch)), self.terms.given_up(batch)
        ships = days < over
        for chosen, ends, of_day in ((ships, days, self.leaving), (~ships, over, self.giving_up)):
            for day in np.unique(ends[chosen]):
                of_day.setdefault(int(day), []).append(batch.part(chosen & (ends == day)))
        self.waiting += len(batch.orders)

    def put_off(self, day: int, capacity: NDArray[np.int64], expected: float) -> DaysByClass:
        """Days by which promises were put off in the recorded world; capacity plays no part."""
        return self.record.longer.get(day, NOT_PUT_OFF)

    def cancelled(self, day: int) -> list[Batch]:
        """The orders whose customers wait no longer on the morning of `day`."""
        gone = self.giving_up.pop(day, [])
        self.waiting -= sum(len(batch.orders) for batch in gone)
        return gone

    def ship(self, day: int, capacity: int) -> int:
        """Send what the record sends today; capacity plays no part."""
        gone = 0
        for batch in self.leaving.pop(day, []):
            hand_to_carrier(self.terms, self.arriving, batch, day)
            gone += len(batch.orders)
        self.waiting -= gone
        return gone

    def deliveries(self, day: int) -> list[Batch]:
        """Orders handed over on `day`."""
        return self.arriving.pop(day, [])

    def backlog(self) -> int:
        """Orders taken and not shipped."""
        return self.waiting


Centre = FulfilmentCentre | ReplayedCentre
