"""Coupons: each customer's form a linked list in a pool shared by all, the earliest to expire first.

Issuing and redeeming are booked after the customers' choices, in row order, so that the pool's layout depends on
nothing but the coupons themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.columns import FAR, NEVER, Columns
from agents.compiled import compiled, rule

NONE = -1


class Wallet(NamedTuple):
    """The pool by place: face in yen, last good day, next place in the list. `free`: first free place, their number."""

    face: NDArray[np.int32]
    last: NDArray[np.int16]
    following: NDArray[np.int32]
    free: NDArray[np.int32]


def new_wallet(places: int) -> Wallet:
    """An empty pool with room for `places` coupons."""
    following = np.arange(1, places + 1, dtype=np.int32)
    following[-1] = NONE
    return Wallet(np.zeros(places, np.int32), np.zeros(places, np.int16), following, np.array([0, places], np.int32))


def grown_wallet(wallet: Wallet, extra: int) -> Wallet:
    """The same pool with room for at least `extra` more coupons."""
    size = len(wallet.face)
    added = max(extra, size)
    following = np.arange(size + 1, size + added + 1, dtype=np.int32)
    following[-1] = wallet.free[0]
    return Wallet(
        np.concatenate([wallet.face, np.zeros(added, np.int32)]),
        np.concatenate([wallet.last, np.zeros(added, np.int16)]),
        np.concatenate([wallet.following, following]),
        np.array([size, wallet.free[1] + added], np.int32),
    )


def copy_wallet(wallet: Wallet) -> Wallet:
    """An independent copy."""
    return Wallet._make(array.copy() for array in wallet)


@rule
def usable_coupon(c: Columns, wallet: Wallet, row: int, day: int) -> int:
    """Place of the earliest-expiring coupon good on `day`, or NONE."""
    me = c.more[row]
    if not (me.coupon_from <= day <= me.coupon_until):
        return NONE
    place = me.coupon
    while place != NONE and wallet.last[place] < day:
        place = wallet.following[place]
    return int(place)


@rule
def _drop_expired(c: Columns, wallet: Wallet, row: int, day: int) -> None:
    me = c.more[row]
    while me.coupon != NONE and wallet.last[me.coupon] < day:
        _drop_first(c, wallet, row)


@rule
def _drop_first(c: Columns, wallet: Wallet, row: int) -> None:
    me = c.more[row]
    place = me.coupon
    me.coupon = wallet.following[place]
    wallet.following[place] = wallet.free[0]
    wallet.free[0] = place
    wallet.free[1] += 1


@rule
def _refresh(c: Columns, wallet: Wallet, row: int) -> None:
    me = c.more[row]
    place, until = me.coupon, NEVER
    while place != NONE:
        until = wallet.last[place]
        place = wallet.following[place]
    me.coupon_until = until
    if until == NEVER:
        me.coupon_from = FAR


@rule
def redeem(c: Columns, wallet: Wallet, row: int, day: int) -> int:
    """Take the row's earliest-expiring good coupon out of the pool; returns its last day."""
    me = c.more[row]
    _drop_expired(c, wallet, row, day)
    last = wallet.last[me.coupon]
    _drop_first(c, wallet, row)
    _refresh(c, wallet, row)
    return int(last)


@rule
def issue(c: Columns, wallet: Wallet, row: int, day: int, face: int, last: int) -> None:
    """Give the row a coupon of `face` yen, good from the next day to `last`; the pool must have a free place."""
    me = c.more[row]
    _drop_expired(c, wallet, row, day)
    if me.coupon == NONE:
        me.coupon_from = day + 1
    place = wallet.free[0]
    wallet.free[0] = wallet.following[place]
    wallet.free[1] -= 1
    wallet.face[place] = face
    wallet.last[place] = last
    before, after = NONE, me.coupon
    while after != NONE and wallet.last[after] <= last:
        before, after = after, wallet.following[after]
    wallet.following[place] = after
    if before == NONE:
        me.coupon = place
    else:
        wallet.following[before] = place
    _refresh(c, wallet, row)


@compiled
def open_coupons(c: Columns, wallet: Wallet, day: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Per row: how many coupons are good after `day`, and the sum of their faces in yen."""
    rows = len(c.status)
    count, faces = np.zeros(rows, np.int64), np.zeros(rows, np.float64)
    for row in range(rows):
        place = c.more[row].coupon
        while place != NONE:
            if wallet.last[place] > day:
                count[row] += 1
                faces[row] += wallet.face[place]
            place = wallet.following[place]
    return count, faces
