"""Who talks to whom: a Watts-Strogatz small world (1998), stored as neighbour lists.

Each customer owns ties to the next degree/2 customers on a line; a share of them, and those that would reach beyond
the line's end, go to a customer drawn by jump-consistent hash (Lamping and Veach 2014) instead. So a network of one
customer more differs only in the ties of that customer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents import draws
from agents.compiled import compiled
from agents.draws import day_key, hash_draw, uniform_of


class Network(NamedTuple):
    """Neighbours of row i are `ties[start[i]:start[i + 1]]`; every tie is in the lists of both its ends. int32."""

    start: NDArray[np.int32]
    ties: NDArray[np.int32]


@compiled
def jump_hash(key: np.uint64, buckets: int) -> int:
    """Bucket of a 64-bit key; one bucket more moves a key, into the new one, with probability 1 / buckets."""
    bucket, following = -1, 0
    while following < buckets:
        bucket = following
        key = key * np.uint64(2862933555777941757) + np.uint64(1)
        following = int((bucket + 1) * (2147483648.0 / float((key >> np.uint64(33)) + np.uint64(1))))
    return bucket


@compiled
def _target(rewire: np.uint64, where: np.uint64, row: int, step: int, rewiring: float, customers: int) -> int:
    """Other end of a tie that `row` owns."""
    if row + step < customers and uniform_of(hash_draw(rewire, row)) >= rewiring:
        return row + step
    bits = hash_draw(where, row)
    other = jump_hash(bits, customers)
    while other == row:
        bits = hash_draw(where + np.uint64(1), int(bits >> np.uint64(1)))
        other = jump_hash(bits, customers)
    return other


@compiled
def _count_ties(seed: int, customers: int, half: int, rewiring: float, start: NDArray[np.int32]) -> None:
    for step in range(1, half + 1):
        rewire, where = day_key(seed, 0, draws.TIE, step), day_key(seed, 0, draws.TIE_TARGET, step)
        for row in range(customers):
            start[row + 1] += 1
            start[_target(rewire, where, row, step, rewiring, customers) + 1] += 1


@compiled
def _fill_ties(
    seed: int, customers: int, half: int, rewiring: float, start: NDArray[np.int32], ties: NDArray[np.int32]
) -> None:
    # start[i + 1] serves as the cursor of row i and ends at the start of row i + 1
    for step in range(1, half + 1):
        rewire, where = day_key(seed, 0, draws.TIE, step), day_key(seed, 0, draws.TIE_TARGET, step)
        for row in range(customers):
            other = _target(rewire, where, row, step, rewiring, customers)
            ties[start[row + 1]] = other
            start[row + 1] += 1
            ties[start[other + 1]] = row
            start[other + 1] += 1


def small_world(seed: int, customers: int, degree: float, rewiring: float) -> Network:
    """Network of `customers` rows, its mean degree rounded to an even number >= 2. Raises ValueError if too large."""
    half = max(1, round(degree / 2))
    if 2 * half * customers >= 1 << 31:
        raise ValueError(f"{customers} customers with {2 * half} ties each are more than a network can index")
    start = np.zeros(customers + 2, np.int32)
    _count_ties(seed, customers, half, rewiring, start[1:])
    start = np.cumsum(start, dtype=np.int32)
    ties = np.empty(2 * half * customers, np.int32)
    _fill_ties(seed, customers, half, rewiring, start, ties)
    return Network(start[:-1], ties)
