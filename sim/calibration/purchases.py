"""From rows of a log to purchase days: order totals that are repeated, equal lines, discounts, returns.

The rows that come here are of known customers, days and amounts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.files.reading.cells import MUCH, BoolArray
from sim.phrases import Phrase

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

MOSTLY = 0.9
"""Share of the orders of several rows that repeat one value, from which on it is the order's total."""
BY_CHANCE = 0.5
"""Share of pairs of rows that have one value by chance, from which on that says nothing."""
TELLING = 5
"""Orders without which nothing is concluded from them."""
CENT = 0.005
WIDTH = 1 << 20
"""More than the days since 1970 that a log can have."""


@dataclass
class Rows:
    """Rows of a log. customer, day (days since 1970), value, order (of what was bought at once): arrays (rows,).

    stated: whether the orders are the log's own. dropped: rows that a rule took. told: what was concluded.
    """

    customer: IntArray
    day: IntArray
    value: FloatArray
    order: IntArray
    stated: bool
    dropped: dict[str, BoolArray] = field(default_factory=dict)
    told: list[Phrase] = field(default_factory=list)

    @property
    def left(self) -> BoolArray:
        """Rows that no rule took."""
        gone = np.zeros(len(self.day), dtype=bool)
        for rows in self.dropped.values():
            gone |= rows
        return ~gone


# --- what stands in several rows ----------------------------------------------------------------------------


def count_totals_once(rows: Rows, shown: Callable[[int], str]) -> None:
    """Where rows of one order repeat its total, keep the first of them. shown: words for the order of a row."""
    first = ~pd.Series(rows.order).duplicated().to_numpy()
    if first.mean() >= 1 - MUCH / 2:
        return
    by_order = pd.Series(rows.value).groupby(rows.order)
    size, constant = by_order.size(), by_order.nunique() == 1
    several = size > 1
    of_several = several.reindex(rows.order).to_numpy()
    if several.sum() < TELLING or of_several.mean() <= MUCH:
        return
    shares = pd.Series(rows.value[first]).value_counts(normalize=True).to_numpy()
    if constant[several].mean() < MOSTLY or (shares**2).sum() > BY_CHANCE:
        return
    constant_rows = (several & constant).reindex(rows.order).to_numpy()
    repeated = constant_rows & ~first
    rows.dropped["repeated total"] = repeated
    example = int(np.flatnonzero(constant_rows)[0])
    rows.told.append(Phrase(
        "{rows} rows hold {orders} orders, and rows of one order repeat its total ({example}): it is counted once; "
        "--equal-rows keep says that each row is an item",
        rows=len(first), orders=int(first.sum()), example=shown(example),
    ))  # fmt: skip


def drop_equal(rows: Rows, line: IntArray, asked: str | None) -> None:
    """Rows that equal another in every column: dropped where an export was put in twice, kept where items are alike.

    line: equal for rows that are equal in all columns, (rows,). asked: `keep` or `drop`, where a user says it. Whole
    orders that stand twice tell an export put in twice; an order in which some lines stand twice tells items.
    """
    excess = pd.Series(line).duplicated().to_numpy() & rows.left
    if not excess.any() or asked == "keep":
        return
    if asked == "drop" or _put_in_twice(rows, line, excess):
        rows.dropped["duplicate row"] = excess
        return
    place = int(np.flatnonzero(excess)[0])
    rows.told.append(Phrase(
        "{count} rows ({share:.0f} %) equal another in every column and are kept: they are items of one purchase, such "
        "as two of {value:g}; --equal-rows drop says otherwise",
        count=int(excess.sum()), share=100 * excess.mean(), value=rows.value[place],
    ))  # fmt: skip


def _put_in_twice(rows: Rows, line: IntArray, excess: BoolArray) -> bool:
    frame = pd.DataFrame({"order": rows.order, "line": line, "excess": excess})[rows.left]
    times = frame.groupby(["order", "line"], sort=False).size()
    by_order = times.groupby(level="order")
    size = by_order.size()
    telling = pd.DataFrame({"lines": size, "least": by_order.min(), "more": by_order.sum() - size})
    telling = telling[(telling["lines"] > 1) & (telling["more"] > 0)]
    if len(telling) < TELLING:
        return not rows.stated
    return bool(telling.loc[telling["least"] > 1, "more"].sum() >= MOSTLY * telling["more"].sum())


# --- days ---------------------------------------------------------------------------------------------------


def net(rows: Rows) -> tuple[IntArray, FloatArray]:
    """Purchase days: discounts and returns netted. Returns of each row its day (-1: none is left) and the days' values.

    What is negative is taken off the same customer's day; a day that is negative as a whole is a return, taken off the
    latest purchase before it that is large enough, one of the same value if there is any.
    """
    left = rows.left
    keys, group = np.unique(rows.customer[left] * WIDTH + rows.day[left], return_inverse=True)
    days = len(keys)
    value: FloatArray = np.bincount(group, weights=rows.value[left], minlength=days).astype(np.float64)
    negative = rows.value[left] < 0
    customer = keys // WIDTH
    revenue = float(value[value > 0].sum())
    cancelled, netted, unmatched = _return(rows, customer, value, revenue)
    _tell_discounts(rows, group, value, negative, cancelled)
    has_negative = np.bincount(group, weights=negative, minlength=days) > 0
    zero = (np.abs(value) < CENT) & ~cancelled & ~netted & ~unmatched
    cancelled |= zero & has_negative
    places = np.flatnonzero(left)
    rules = {"cancelled order": cancelled, "netted return": netted, "return without purchase": unmatched}
    for rule, taken in (rules | {"zero value": zero & ~has_negative}).items():
        gone = np.zeros(len(left), dtype=bool)
        gone[places[taken[group]]] = True
        rows.dropped[rule] = gone
    stays = (value >= CENT) & ~cancelled
    number = np.where(stays, np.cumsum(stays) - 1, -1)
    whose = np.full(len(left), -1, dtype=np.int64)
    whose[places] = number[group]
    return whose, value[stays]


def _return(rows: Rows, customer: IntArray, value: FloatArray, revenue: float) -> tuple[BoolArray, ...]:
    """Take returns off earlier purchases, in `value` itself; (days,) each, in the order of customers and days.

    Returns days that are cancelled, the purchase's and the return's; returns that a purchase became smaller by; and
    those of which there is no purchase.
    """
    cancelled, netted, unmatched = (np.zeros(len(value), dtype=bool) for _ in range(3))
    returns = np.flatnonzero(value <= -CENT)
    if not len(returns):
        return cancelled, netted, unmatched
    start = np.searchsorted(customer, customer[returns], side="left")
    lost = taken = 0.0
    for place, begin in zip(returns.tolist(), start.tolist(), strict=True):
        amount = -float(value[place])
        before = np.arange(begin, place)
        before = before[~cancelled[before] & (value[before] >= amount - CENT)]
        same = before[np.abs(value[before] - amount) < CENT]
        if len(same):
            cancelled[[same[-1], place]] = True
            lost += amount
        elif len(before):
            value[before[-1]] -= amount
            netted[place] = True
            taken += amount
        else:
            unmatched[place] = True
    if lost:
        rows.told.append(Phrase(
            "{count} orders are cancelled by a return of the same value ({share:.1f} % of revenue): both are left out",
            count=int(cancelled.sum()) // 2, share=100 * lost / revenue,
        ))  # fmt: skip
    if taken:
        rows.told.append(Phrase(
            "{count} returns ({share:.1f} % of revenue) are taken off earlier purchases",
            count=int(netted.sum()), share=100 * taken / revenue,
        ))  # fmt: skip
    if unmatched.any():
        rows.told.append(Phrase(
            "{count} returns ({share:.1f} % of revenue) have no purchase before them and are left out",
            count=int(unmatched.sum()), share=-100 * float(value[unmatched].sum()) / max(revenue, CENT),
        ))  # fmt: skip
    return cancelled, netted, unmatched


def _tell_discounts(
    rows: Rows, group: IntArray, value: FloatArray, negative: BoolArray, cancelled: BoolArray
) -> None:
    stays = (value > 0) & ~cancelled
    within = negative & stays[group]
    if within.any():
        off = -rows.value[rows.left][within].sum()
        gross = value[stays].sum() + off
        rows.told.append(Phrase(
            "{count} negative rows ({share:.1f} % of revenue) are netted within their customer's day, as discounts are",
            count=int(within.sum()), share=100 * off / gross,
        ))  # fmt: skip
