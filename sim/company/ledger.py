"""Money and coupons: what is booked to which customer, in whole yen, on which day.

An order's profit is basket times margin, less discount, plus delivery fee, less delivery cost, and less what a new
customer costs if it is the first one; it is booked on the order's day. Support is booked on the day of contact, a
message on the day it is sent or shown, what is sent back on the day of its delivery, and what is cancelled on that day:
then the customer gets back what was paid, and the firm loses what it had earned. Whole yen make sums exact: the sum of
the customers' ledgers is the cash, less what an intervention costs the firm as a whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents import day as customer_day
from agents.behaviour import PackedRules, Rules, return_loss
from agents.columns import NO_ORDER, NORUSH, Columns
from agents.compiled import loop, of_one_type, rule
from agents.records import Episodes, Messages, Visits
from agents.state import Customers
from agents.wallet import Wallet, grown_wallet, issue, redeem
from sim.company.support import Calls
from sim.config.parameters import DAYS_PER_YEAR


@rule
def discount_factor(r: Rules, day: int) -> float:
    """Present value on day 0 of a yen on `day`, continuous discounting by the day."""
    return math.exp(-r.discount_rate * day / DAYS_PER_YEAR)


@rule
def whole(yen: float) -> int:
    """Yen rounded to whole ones, half up."""
    return int(math.floor(yen + 0.5))


@rule
def _book(c: Columns, r: Rules, row: int, day: int, profit: int) -> None:
    me = c.more[row]
    me.ledger += profit
    me.npv += profit * discount_factor(r, day)


@rule
def _book_cost(c: Columns, r: Rules, row: int, day: int, yen: int) -> None:
    """Book what an intervention costs about one customer."""
    _book(c, r, row, day, -yen)
    c.more[row].cost += yen * discount_factor(r, day)


class Takings(NamedTuple):
    """A day's totals over visits: yen, and numbers of coupons."""

    revenue: int
    profit: int
    redeemed: int
    earned: int


@of_one_type
@loop
def _book_visits(c: Columns, rules: PackedRules, v: Visits, day: int) -> tuple[int, int, int, int]:
    r = rules[0]
    revenue, profit, redeemed, earned = 0, 0, 0, 0
    for j in range(len(v)):
        if v[j].kind != NO_ORDER:
            paid, won = _book_order(c, r, v, j, day)
            revenue += paid
            profit += won
            redeemed += v[j].redeemed
            earned += earns_coupon(v[j].kind, v[j].norush_coupon)
        if v[j].message_cost != 0:
            _book_cost(c, r, v[j].row, day, v[j].message_cost)
            profit -= v[j].message_cost
    return revenue, profit, redeemed, earned


@rule
def _book_order(c: Columns, r: Rules, v: Visits, j: int, day: int) -> tuple[int, int]:
    """Book the order of visit j, and note in it what would be given back; (revenue, profit) in yen."""
    row, basket, discount = v[j].row, int(v[j].basket), int(v[j].discount)
    me = c.more[row]
    fee = whole(customer_day.order_fee(r, v[j].kind, basket))
    paid = basket - discount + fee
    earned = whole(basket * r.margin) - discount + fee - whole(customer_day.order_cost(r, v[j].kind))
    v[j].paid, v[j].earned = paid, earned
    me.revenue += paid
    me.margin += earned
    me.cost += discount * discount_factor(r, day)
    won = earned - (whole(r.acquisition_cost) if v[j].first else 0)
    _book(c, r, row, day, won)
    return paid, won


@rule
def earns_coupon(kind: Any, face: Any) -> Any:
    """Whether a visit ends with a no-rush order that a coupon was promised for; of one visit or of arrays of them."""
    return (kind == NORUSH) & (face > 0)


def book_visits(customers: Customers, visits: Visits, day: int) -> Takings:
    """Book the day's orders and impressions."""
    return Takings(*_book_visits(customers.columns, customers.packed, visits, day))


@loop
def _book_messages(c: Columns, rules: PackedRules, m: Messages, day: int) -> int:
    r = rules[0]
    total = 0
    for j in range(len(m)):
        if m[j].cost != 0:
            _book_cost(c, r, m[j].row, day, m[j].cost)
            total += m[j].cost
    return total


def book_messages(customers: Customers, messages: Messages, day: int) -> int:
    """Book the day's pushes and e-mails, read or not; returns their cost in yen."""
    return _book_messages(customers.columns, customers.packed, messages, day)


@loop
def _book_calls(
    c: Columns, rules: PackedRules, e: Episodes, calls: Calls, cost_per_minute: float, per_recovery: int, day: int
) -> int:
    r = rules[0]
    total = 0
    for k in range(len(calls.episode)):
        row = e[calls.episode[k]].row
        c.more[row].contacts += 1
        yen = whole(calls.contacts.service[k] * cost_per_minute) if calls.contacts.served[k] else 0
        if yen != 0:
            _book(c, r, row, day, -yen)
        if per_recovery != 0 and e[calls.episode[k]].resolved:
            _book_cost(c, r, row, day, per_recovery)
            yen += per_recovery
        total += yen
    return total


def book_calls(
    customers: Customers, episodes: Episodes, calls: Calls, cost_per_minute: float, per_recovery: int, day: int
) -> int:
    """Book minutes of service, and what customers get whose matter is resolved; returns the cost in yen."""
    return _book_calls(customers.columns, customers.packed, episodes, calls, cost_per_minute, per_recovery, day)


@loop
def _book_refunds(c: Columns, rules: PackedRules, e: Episodes, day: int) -> tuple[int, int]:
    r = rules[0]
    refunded, lost = 0, 0
    for j in range(len(e)):
        me = c.more[e[j].row]
        if e[j].returned:
            price = int(e[j].basket) - int(e[j].discount)
            yen = whole(return_loss(r, float(e[j].basket), float(e[j].discount)))
            me.returned += 1
        elif e[j].cancelled:
            price, yen = int(e[j].paid), int(e[j].earned)
            me.monetary -= int(e[j].basket)
            me.cost -= e[j].discount * discount_factor(r, day)
        else:
            continue
        me.revenue -= price
        me.margin -= yen
        _book(c, r, e[j].row, day, -yen)
        refunded += price
        lost += yen
    return refunded, lost


def book_refunds(customers: Customers, episodes: Episodes, day: int) -> tuple[int, int]:
    """Book what is sent back of the day's deliveries, and orders cancelled; (yen refunded, yen of profit lost)."""
    if not (np.count_nonzero(episodes["returned"]) or np.count_nonzero(episodes["cancelled"])):
        return 0, 0
    return _book_refunds(customers.columns, customers.packed, episodes, day)


@loop
def _take_redeemed(
    c: Columns, rules: PackedRules, purse: Wallet, v: Visits, day: int, ended: NDArray[np.int64]
) -> None:
    """Take the redeemed coupons out of the wallets, in row order, noting each one's last day."""
    r = rules[0]
    k = 0
    for j in range(len(v)):
        if v[j].redeemed:
            row = v[j].row
            customer_day.settle_debt(c, r, row, day)
            ended[k] = redeem(c, purse, row, day)
            c.more[row].redeemed += 1
            customer_day.refresh_bound(c, r, row, day)
            k += 1


@loop
def _put(
    c: Columns, rules: PackedRules, purse: Wallet, day: int,
    rows: NDArray[np.int32], face: NDArray[np.int64], last: NDArray[np.int64],
) -> None:  # fmt: skip
    """Put coupons in, in the order given."""
    r = rules[0]
    for k in range(len(rows)):
        row = rows[k]
        customer_day.settle_debt(c, r, row, day)
        issue(c, purse, row, day, face[k], last[k])
        c.more[row].issued += 1
        customer_day.refresh_bound(c, r, row, day)


class Given(NamedTuple):
    """Coupons given to customers, one entry each, rows ascending: face in yen, last good day."""

    row: NDArray[np.int32]
    face: NDArray[Any]
    last: NDArray[Any]

    @classmethod
    def alike(cls, rows: NDArray[np.int32], face: int, last: int) -> Given:
        """The same coupon for each of the rows."""
        return cls(rows, np.full(len(rows), face), np.full(len(rows), last))


@dataclass
class Books:
    """Coupons outstanding by their last day: expiry needs no pass over customers."""

    ending: dict[int, int] = field(default_factory=dict)
    open: int = 0

    def expire(self, day: int) -> int:
        """Drop the coupons whose last day was yesterday; returns how many."""
        gone = self.ending.pop(day - 1, 0)
        self.open -= gone
        return gone

    def coupons(self, customers: Customers, visits: Visits, takings: Takings, day: int) -> None:
        """Take redeemed coupons out of the wallets and put earned ones in."""
        if takings.redeemed:
            ended = np.empty(takings.redeemed, np.int64)
            _take_redeemed(customers.columns, customers.packed, customers.wallet, visits, day, ended)
            for day_ended in ended.tolist():
                self.ending[day_ended] -= 1
        self.open -= takings.redeemed
        if takings.earned:
            earned = visits[earns_coupon(visits["kind"], visits["norush_coupon"])]
            self.give(customers, Given(earned["row"], earned["norush_coupon"], earned["coupon_last"]), day)

    def give(self, customers: Customers, coupons: Given, day: int) -> None:
        """Put coupons into their owners' wallets, good from the day after `day`."""
        if len(coupons.row) > customers.wallet.free[1]:
            customers.wallet = grown_wallet(customers.wallet, len(coupons.row))
        face, last = coupons.face.astype(np.int64), coupons.last.astype(np.int64)
        rows = np.ascontiguousarray(coupons.row)
        _put(customers.columns, customers.packed, customers.wallet, day, rows, face, last)
        for last_day in last.tolist():
            self.ending[last_day] = self.ending.get(last_day, 0) + 1
        self.open += len(rows)

    def copied(self) -> Books:
        """An independent copy."""
        return Books(dict(self.ending), self.open)
