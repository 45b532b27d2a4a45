"""Money and coupons: what is booked to whom, in whole yen, on the day it arises.

An order's profit is basket times margin, less discount, plus delivery fee, less delivery cost, booked on its order
day; support is booked on the day of contact, a popup on the day it is shown. Whole yen make sums exact: the sum of
the customers' ledgers is the cash.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agents import day as customer_day
from agents.behaviour import Rules
from agents.columns import NO_ORDER, NORUSH, Columns
from agents.compiled import compiled, rule
from agents.day import Visits
from agents.state import Customers
from agents.wallet import Wallet, grown_wallet, issue, redeem
from sim.support import Contacts, DeskTerms


@rule
def discount_factor(r: Rules, day: int) -> float:
    """Present value on day 0 of a yen on `day`, continuous discounting by the day."""
    return math.exp(-r.discount_rate * day / 365.0)


@rule
def whole(yen: float) -> int:
    """Whole yen, half up."""
    return int(math.floor(yen + 0.5))


@rule
def _book(c: Columns, r: Rules, row: int, day: int, profit: int) -> None:
    me = c.more[row]
    me.ledger += profit
    me.npv += profit * discount_factor(r, day)


@compiled
def _book_orders(c: Columns, r: Rules, v: Visits, day: int) -> tuple[int, int]:
    revenue, profit = 0, 0
    for j in range(len(v)):
        if v[j].kind == NO_ORDER:
            continue
        row, basket, discount = v[j].row, int(v[j].basket), int(v[j].discount)
        me = c.more[row]
        fee = whole(customer_day.order_fee(r, v[j].kind))
        earned = whole(basket * r.margin) - discount + fee - whole(customer_day.order_cost(r, v[j].kind))
        me.revenue += basket - discount + fee
        me.margin += earned
        me.cost += discount * discount_factor(r, day)
        _book(c, r, row, day, earned)
        revenue += basket - discount + fee
        profit += earned
    return revenue, profit


@compiled
def _book_costs(c: Columns, r: Rules, rows: NDArray[np.int32], yen: NDArray[np.int64], day: int, lever: bool) -> int:
    total = 0
    for j in range(len(rows)):
        if yen[j] != 0:
            _book(c, r, rows[j], day, -yen[j])
            if lever:
                c.more[rows[j]].cost += yen[j] * discount_factor(r, day)
            total += yen[j]
    return total


def book_orders(customers: Customers, visits: Visits, day: int) -> tuple[int, int]:
    """Book the day's orders; (revenue, profit) in yen."""
    return _book_orders(customers.columns, customers.packed, visits, day)


def book_popups(customers: Customers, visits: Visits, cost: NDArray[np.int64], day: int) -> int:
    """Book the impressions; their cost in yen."""
    if not cost.any():
        return 0
    return _book_costs(customers.columns, customers.packed, np.ascontiguousarray(visits["row"]), cost, day, True)


def book_contacts(customers: Customers, rows: NDArray[np.int32], contacts: Contacts, desk: DeskTerms, day: int) -> int:
    """Book the minutes of service of those served; their cost in yen."""
    minutes = np.where(contacts.served, contacts.service, 0.0)
    yen = np.floor(minutes * desk.cost_per_minute + 0.5).astype(np.int64)
    np.add.at(customers.columns.of("contacts"), rows, 1)
    return _book_costs(customers.columns, customers.packed, rows, yen, day, False)


@compiled
def _take_redeemed(
    c: Columns, r: Rules, purse: Wallet, rows: NDArray[np.int32], day: int, ended: NDArray[np.int64]
) -> None:
    for k in range(len(rows)):
        customer_day.settle_debt(c, r, rows[k], day)
        ended[k] = redeem(c, purse, rows[k], day)
        c.more[rows[k]].redeemed += 1
        customer_day.refresh_bound(c, r, rows[k], day)


@compiled
def _put_earned(
    c: Columns,
    r: Rules,
    purse: Wallet,
    rows: NDArray[np.int32],
    day: int,
    face: NDArray[np.int32],
    last: NDArray[np.int64],
) -> None:
    for k in range(len(rows)):
        customer_day.settle_debt(c, r, rows[k], day)
        issue(c, purse, rows[k], day, face[k], last[k])
        c.more[rows[k]].issued += 1
        customer_day.refresh_bound(c, r, rows[k], day)


@dataclass
class Books:
    """Coupons outstanding by their last day: expiry needs no pass over customers."""

    ending: dict[int, int] = field(default_factory=dict)
    open: int = 0

    def expire(self, day: int) -> int:
        """Drop the coupons whose last day was yesterday; how many."""
        gone = self.ending.pop(day - 1, 0)
        self.open -= gone
        return gone

    def coupons(self, customers: Customers, visits: Visits, last: NDArray[np.int64], day: int) -> tuple[int, int]:
        """Take redeemed coupons out of the wallets and put earned ones in, in row order; (redeemed, issued)."""
        if not (visits["redeemed"].any() or visits["norush_coupon"].any()):
            return 0, 0
        redeemed = np.flatnonzero(visits["redeemed"])
        earned = np.flatnonzero((visits["kind"] == NORUSH) & (visits["norush_coupon"] > 0))
        if len(earned) > customers.wallet.free[1]:
            customers.wallet = grown_wallet(customers.wallet, len(earned))
        rows = np.ascontiguousarray(visits["row"])
        ended = np.empty(len(redeemed), np.int64)
        _take_redeemed(customers.columns, customers.packed, customers.wallet, rows[redeemed], day, ended)
        for day_ended in ended.tolist():
            self.ending[day_ended] -= 1
        face = np.ascontiguousarray(visits["norush_coupon"])
        _put_earned(
            customers.columns, customers.packed, customers.wallet, rows[earned], day, face[earned], last[earned]
        )
        for last_day in last[earned].tolist():
            self.ending[last_day] = self.ending.get(last_day, 0) + 1
        self.open += len(earned) - len(redeemed)
        return len(redeemed), len(earned)

    def copied(self) -> Books:
        """An independent copy."""
        return Books(dict(self.ending), self.open)
