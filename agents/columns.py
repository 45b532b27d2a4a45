"""Customer state: the one list of every attribute with dtype, unit and meaning.

A customer is a row. The few attributes that passes over everybody read are arrays of their own, the others fields of a
record. Both engines use the same memory. (Sixty separate arrays were tried: as arguments of nested rules they cost
several times the run time and most of a minute of compilation.)

Stored values are narrow, arithmetic is float64: a rule reads `float(...)`, computes, and the write-back rounds once.

Days are relative to day 0 of the horizon; `NEVER` marks what has not happened.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UNAWARE, AWARE, CUSTOMER, LAPSED = 0, 1, 2, 3
STATUS_NAMES = ("unaware", "aware", "customer", "lapsed")

EXPRESS, STANDARD, NORUSH, STORE = 0, 1, 2, 3
"""Delivery classes of an order; the store hands over at once."""
NO_ORDER = 255

WEB, APP, SHOP = 0, 1, 2
"""Channels of a visit."""

SITE, STORE_FRONT, DELIVERY, PRODUCT = 0, 1, 2, 3
TOUCHPOINT_NAMES = ("site", "store", "delivery", "product")
"""Touchpoints by number: the index into `expect`, `Rules.weights` and the quality table, and the slot of draws."""

ONLINE_TOUCHPOINTS, STORE_TOUCHPOINTS = (SITE, DELIVERY, PRODUCT), (STORE_FRONT, PRODUCT)
"""Touchpoints of an online order and of a store purchase, as they are met; the last one ends the episode."""

CANCELLED_TOUCHPOINTS = (SITE, DELIVERY)
"""Touchpoints of an online order that was cancelled while it waited: its delivery never came."""

EXPECTATIONS = tuple(f"expect_{name}" for name in TOUCHPOINT_NAMES)
"""Attributes that stand in a record as one array, `expect`, so that rules can go through the touchpoints."""

BY_MAIL, BY_PUSH, LIKES, HAS_APP = 1, 2, 4, 8
"""Bits of `consent`: the customer has agreed to e-mails, agreed to pushes, told the firm what he or she likes, used the
app. The last one saves visits a look at `first_app`, which lies in the record."""

SEVERITY_UNIT = 1.0 / 32.0
"""su of one step of `severity`."""

DEAL_UNIT = 1.0 / 65536.0
"""Share of a basket of one step of `deal`."""

NEVER = -32768
UNKNOWN = -128
"""Value of `last_late` before the first delivery."""

FAR = 32767
"""A day that never comes."""

FIXED_POINT = 1 << 20
"""Word-of-mouth fields are integers in units of 1 / FIXED_POINT, so that the order of adding cannot matter."""


class Column(NamedTuple):
    """dtype, unit and meaning of one attribute, and the value a new row has."""

    dtype: str
    unit: str
    meaning: str
    initial: float = 0


ATTRIBUTES: dict[str, Column] = {
    # who they are
    "persona": Column("uint8", "", "index of the true persona"),
    "declared": Column("uint8", "", "index of the persona the firm has on file"),
    "rate": Column("float32", "1/day", "purchase rate at references"),
    "lapse_trait": Column(
        "float32", "", "lapse propensity per episode, or hazard per day: as the dropout clock has it"
    ),
    "spend": Column("float32", "1/yen", "rate of the basket's gamma"),
    "waiting_cost": Column("float32", "logit/day", "disutility of a day of waiting"),
    "talkativeness": Column("float32", "1", "multiplier of talk, mean 1"),
    "style": Column("float32", "SD", "response style in surveys"),
    # where they are
    "status": Column("uint8", "", "unaware, aware, customer or lapsed"),
    "bound": Column("float32", "1/day", "upper bound of today's event rate (screen)"),
    "lapse_day": Column("int16", "day", "day the hazard ends the relation", FAR),
    "lapse_budget": Column("float32", "1", "unit exponential not yet consumed"),
    "lapse_synced": Column("int16", "day", "hazard is consumed up to before this day", NEVER),
    # what they believe
    **dict.fromkeys(EXPECTATIONS, Column("float32", "su", "expected quality")),
    "satisfaction": Column("float32", "su", "smoothed episode scores, which return to the persona's usual ones"),
    "stars": Column("uint8", "stars", "last episode's stars, 0 before the first"),
    # what they say and hear
    "told_good_day": Column("int16", "day", "last positive talk", NEVER),
    "told_bad_day": Column("int16", "day", "last negative talk", NEVER),
    "told_good": Column("float32", "su", "score told then"),
    "told_bad": Column("float32", "su", "score told then"),
    "heard_volume": Column("int32", "2^-20", "talk of one's ties, both signs"),
    "heard_weight": Column("int32", "2^-20", "the same, negative talk weighted"),
    "heard_score": Column("int32", "2^-20 su", "weighted scores heard"),
    "heard_day": Column("int16", "day", "fields and beliefs stand as of the end of this day", NEVER),
    "worst": Column("uint8", "", "1 + touchpoint that weighed worst in the last episode, 0 before the first"),
    "severity": Column("int8", "su/32", "how badly it weighed: minus its weighted score, at most 4 su either way"),
    # messages and coupons
    "activated": Column("uint8", "", "onboarded"),
    "consent": Column("uint8", "", "what the firm was given, in bits: 1 e-mail, 2 push, 4 likes, 8 the app is used"),
    "fatigue": Column("float32", "impressions", "decaying count of messages"),
    "mood": Column("float32", "su", "part of `satisfaction` that messages made; it fades as fatigue does"),
    "felt_day": Column("int16", "day", "satisfaction, fatigue and mood stand as of this day", NEVER),
    "impressions": Column("uint32", "", "impressions on each of eight days, four bits each"),
    "impressions_day": Column("int16", "day", "day of the lowest four bits", NEVER),
    "coupon": Column("int32", "", "first open coupon in the pool, -1 none", -1),
    "coupon_until": Column("int16", "day", "last day any open coupon is good", NEVER),
    "coupon_from": Column("int16", "day", "first day one is good", FAR),
    "deal": Column("uint16", "1/65536", "discount that the customer has come to expect, as a share of a basket"),
    "debt": Column("float32", "1", "demand bought forward, in reference rates"),
    "debt_day": Column("int16", "day", "day of `debt`", NEVER),
    # what the firm can log
    "orders": Column("uint16", "orders", "ever"),
    "monetary": Column("int32", "yen", "baskets ever"),
    "first_order": Column("int16", "day", "", NEVER),
    "last_order": Column("int16", "day", "", NEVER),
    "last_visit": Column("int16", "day", "", NEVER),
    "first_app": Column("int16", "day", "first visit in the app", NEVER),
    "last_late": Column("int8", "days", "lateness of the last online delivery (negative: early)", UNKNOWN),
    "topic": Column("uint8", "", "last searched topic, 0 none"),
    "topic_day": Column("int16", "day", "", NEVER),
    "open_orders": Column("uint8", "orders", "ordered and not delivered"),
    "answer": Column("int8", "points", "last survey answer, -1 none", -1),
    # outcomes over the horizon, set to zero on day 0
    "ledger": Column("int32", "yen", "profit"),
    "npv": Column("float64", "yen", "discounted profit"),
    "revenue": Column("int32", "yen", ""),
    "margin": Column("int32", "yen", "profit before support and messages"),
    "cost": Column("float32", "yen", "discounted cost of interventions"),
    "visits": Column("uint16", "visits", ""),
    "bought": Column("uint16", "orders", ""),
    "online": Column("uint16", "orders", ""),
    "norush": Column("uint16", "orders", ""),
    "issued": Column("uint16", "coupons", ""),
    "redeemed": Column("uint16", "coupons", ""),
    "delivered": Column("uint16", "orders", "online"),
    "late": Column("uint16", "orders", "online, after the promised day"),
    "cancelled": Column("uint16", "orders", "online, while they waited to be shipped"),
    "returned": Column("uint16", "orders", "online, sent back"),
    "lead_days": Column("uint16", "days", "sum over online deliveries"),
    "contacts": Column("uint16", "contacts", ""),
    "eligible": Column("uint8", "", "an intervention would have reached the customer"),
}
"""Every attribute of a customer, in order."""

HOT = ("status", "bound", "lapse_day", "last_visit", "consent")
"""Attributes that are arrays of their own, since passes over everybody read them: a few bytes a row."""

OUTCOMES = tuple(ATTRIBUTES)[tuple(ATTRIBUTES).index("ledger") :]
"""Attributes that start from zero on day 0."""

OBSERVABLE = frozenset({
    "declared", "orders", "monetary", "first_order", "last_order", "last_visit", "first_app", "last_late", "topic",
    "topic_day", "open_orders", "answer", "coupon_until", "consent", "activated",
})  # fmt: skip
"""What a firm can log, and so all that a targeting rule may read."""


VISITING = frozenset({
    "persona", "rate", "spend", "waiting_cost", "expect", "heard_volume", "heard_weight", "heard_score", "heard_day",
    "activated", "coupon", "coupon_until", "coupon_from", "deal", "debt", "debt_day", "visits", "eligible",
})  # fmt: skip
"""Attributes touched by a visit without an order, the most frequent kind: the first 64 bytes of a record."""


def _record() -> np.dtype[Any]:
    """What visits touch, then the rest; each by falling size, so that alignment leaves no gaps."""
    kept = [
        (name, np.dtype(column.dtype))
        for name, column in ATTRIBUTES.items()
        if name not in HOT and name not in EXPECTATIONS
    ]
    kept.append(("expect", np.dtype(("float32", (len(EXPECTATIONS),)))))
    return np.dtype(sorted(kept, key=lambda field: (field[0] not in VISITING, -field[1].alignment)), align=True)


RECORD = _record()
"""dtype of a customer's other attributes, side by side: a rule about one customer touches few cache lines."""


def named(records: NDArray[Any]) -> Any:
    """The same memory, as records whose fields plain Python reads and writes as attributes: `named(records)[j].row`.

    NumPy's own `recarray` does the same, but an attribute costs it several times as much.
    """
    return _Records(records)


class _Records:
    def __init__(self, records: NDArray[Any]) -> None:
        self._fields = {name: records[name] for name in records.dtype.names or ()}
        self._records = len(records)

    def __len__(self) -> int:
        return self._records

    def __getitem__(self, place: int) -> _Record:
        return _Record(self._fields, place)


class _Record:
    __slots__ = ("_fields", "_place")
    _fields: dict[str, NDArray[Any]]
    _place: int

    def __init__(self, fields: dict[str, NDArray[Any]], place: int) -> None:
        object.__setattr__(self, "_fields", fields)
        object.__setattr__(self, "_place", place)

    def __getattr__(self, name: str) -> Any:
        return self._fields[name][self._place]

    def __setattr__(self, name: str, value: Any) -> None:
        self._fields[name][self._place] = value


class Columns(NamedTuple):
    """The state of all customers: five hot arrays and one of records, each of shape (N,).

    `of(name)` is any attribute's column, a view. Rules take `(c, row)` and read `c.more[row].name`.
    """

    status: NDArray[np.uint8]
    bound: NDArray[np.float32]
    lapse_day: NDArray[np.int16]
    last_visit: NDArray[np.int16]
    consent: NDArray[np.uint8]
    more: NDArray[Any]

    def of(self, name: str) -> NDArray[Any]:
        """The column of one attribute; writing to it writes to the state."""
        if name in EXPECTATIONS:
            return self.more["expect"][:, EXPECTATIONS.index(name)]
        return getattr(self, name) if name in HOT else self.more[name]

    def rows(self, first: int, last: int) -> Columns:
        """A view of some rows."""
        return Columns._make(array[first:last] for array in self)

    def copied(self) -> Columns:
        """An independent copy, such as each arm takes of the state after burn-in."""
        more = self.more.view(np.uint8).copy().view(RECORD)  # as bytes: NumPy copies records field by field
        return Columns._make([*(array.copy() for array in self[:-1]), more])

    def readable(self) -> Columns:
        """The same memory, with records whose fields plain Python can read and write as attributes."""
        return self._replace(more=named(self.more))


def new_columns(customers: int) -> Columns:
    """Columns of `customers` rows, every attribute at its initial value."""
    hot = (np.full(customers, ATTRIBUTES[name].initial, ATTRIBUTES[name].dtype) for name in HOT)
    columns = Columns._make([*hot, np.zeros(customers, RECORD)])
    for name, column in ATTRIBUTES.items():
        if column.initial:
            columns.of(name)[:] = column.initial
    return columns


def bytes_per_customer() -> int:
    """Bytes of state per customer, ties not counted."""
    return RECORD.itemsize + sum(np.dtype(ATTRIBUTES[name].dtype).itemsize for name in HOT)
