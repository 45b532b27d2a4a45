"""The floor: what no engine that gives every customer a draw every day can go below.

Per row and day one draw, the two hot columns that say how probable it is that the row acts (status and bound) and one
comparison, vectorised by the compiler. `Floor` only counts those who would act and writes nothing. `ActingFloor` also
finds them and lets each leave its mark, a count and a day in its record: traffic that no engine avoids either, since a
visit changes its customer. Neither has rules or a company.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents import draws
from agents.columns import LAPSED, Columns
from agents.compiled import compiled
from agents.draws import day_key, hash_draw, uniform_of
from sim.world.model import Snapshot

BLOCK = 2048


@compiled
def _count(status: NDArray[np.uint8], bound: NDArray[np.float32], seed: int, day: int) -> int:
    key = day_key(seed, day, draws.VISIT, 0)
    few = 0
    for row in range(len(status)):
        few += (uniform_of(hash_draw(key, row)) <= bound[row]) & (status[row] != LAPSED)
    return few


@compiled
def _flag(
    status: NDArray[np.uint8], bound: NDArray[np.float32], key: np.uint64, first: int, out: NDArray[np.uint8]
) -> None:
    for i in range(len(status)):
        out[i] = (uniform_of(hash_draw(key, first + i)) <= bound[i]) & (status[i] != LAPSED)


@compiled
def _mark(c: Columns, seed: int, day: int) -> int:
    key = day_key(seed, day, draws.VISIT, 0)
    flags = np.zeros(BLOCK, np.uint8)
    eights = flags.view(np.uint64)
    few = 0
    for first in range(0, len(c.status), BLOCK):
        size = min(BLOCK, len(c.status) - first)
        flags[size:] = 0
        _flag(c.status[first : first + size], c.bound[first : first + size], key, first, flags)
        for eight in range((size + 7) >> 3):
            if eights[eight] != 0:
                for i in range(eight << 3, (eight + 1) << 3):
                    if flags[i]:
                        c.more[first + i].visits += 1
                        c.last_visit[first + i] = day
                        few += 1
    return few


class Floor:
    """One draw per row and day over the hot columns of a world; days pass, the state stands."""

    def __init__(self, start: Snapshot, seed: int) -> None:
        hot = start.customers.columns
        self.status, self.bound = hot.status.copy(), hot.bound.copy()
        self.seed, self.day = seed, start.day

    def step(self) -> int:
        """A day; how many would act."""
        few = int(_count(self.status, self.bound, self.seed, self.day))
        self.day += 1
        return few


class ActingFloor:
    """The same, and those who act leave a mark in their record."""

    def __init__(self, start: Snapshot, seed: int) -> None:
        self.columns = start.customers.columns.copied()
        self.seed, self.day = seed, start.day

    def step(self) -> int:
        """A day; how many acted."""
        few = int(_mark(self.columns, self.seed, self.day))
        self.day += 1
        return few
