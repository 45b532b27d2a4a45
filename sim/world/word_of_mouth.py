"""Word of mouth between customers, a recorded interface, and its public part.

Talk is passed on when somebody talks; customers do not look for it every day. A talk is a talker and three integer
increments of the talker's stock; replaying the baseline's talks replays its word of mouth.
"""

from __future__ import annotations

import math
from copy import deepcopy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.columns import FIXED_POINT
from agents.compiled import compiled, loop, of_one_type
from agents.records import Episodes

Numbers = NDArray[np.int32]


class Talks(NamedTuple):
    """A day's talks by row; arrays of one length, increments in units of 2^-20."""

    row: NDArray[np.int32]
    volume: NDArray[np.int32]
    weight: NDArray[np.int32]
    score: NDArray[np.int32]


def talks_of(episodes: Episodes) -> Talks:
    """The talks about these episodes."""
    return Talks(*_told(episodes))


@of_one_type
@compiled
def _told(e: Episodes) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Row, volume, weight and score of the episodes that are told."""
    row, volume = np.empty(len(e), np.int32), np.empty(len(e), np.int32)
    weight, score = np.empty(len(e), np.int32), np.empty(len(e), np.int32)
    found = 0
    for j in range(len(e)):
        if e[j].talk != 0:
            row[found], volume[found] = e[j].row, e[j].talk_volume
            weight[found], score[found] = e[j].talk_weight, e[j].talk_score
            found += 1
    return row[:found].copy(), volume[:found].copy(), weight[:found].copy(), score[:found].copy()


@loop
def _said(volume: Numbers, weight: Numbers, score: Numbers) -> tuple[int, int, int]:
    """Sums of a day's talks."""
    volumes, weights, scores = 0, 0, 0
    for k in range(len(volume)):
        volumes += volume[k]
        weights += weight[k]
        scores += score[k]
    return volumes, weights, scores


class Public:
    """The public fields: stocks of talk summed over everybody, and their prefix sums by day.

    `base` is the day before the first simulated one. `weight[i]` and `score[i]` hold the sum of the public means
    (times the public share) over the ends of days base .. base + i - 1.
    """

    def __init__(self, base: int, days: int, share: float, customers: int) -> None:
        self.base = base
        self.share = share
        self.unit = 1.0 / (FIXED_POINT * customers)
        self.stock = [0, 0, 0]
        self.weight = np.zeros(days + 2)
        self.score = np.zeros(days + 2)

    @property
    def volume(self) -> float:
        """Mean stock of talk per customer, both signs."""
        return self.stock[0] * self.unit

    def end_day(self, day: int, decay: float, talks: Talks, besides: tuple[int, int, int] = (0, 0, 0)) -> None:
        """Let yesterday's talk fade, add today's and what came from elsewhere, and extend the sums."""
        said = [new + more for new, more in zip(_said(*talks[1:]), besides, strict=True)]
        self.stock = [math.floor(old * decay + 0.5) + new for old, new in zip(self.stock, said, strict=True)]
        i = day - self.base
        self.weight[i + 1] = self.weight[i] + self.share * self.stock[1] * self.unit
        self.score[i + 1] = self.score[i] + self.share * self.stock[2] * self.unit

    def complaint(self, share: float, told: float, weight: float) -> tuple[int, int, int]:
        """Bad talk that no customer told, as if a share of everybody had; `told` is the share times the score in su."""
        if share == 0.0:
            return 0, 0, 0
        volume, weighted, score = (math.floor(one / self.unit + 0.5) for one in (share, weight * share, weight * told))
        return volume, weighted, score

    def copied(self) -> Public:
        """An independent copy."""
        return deepcopy(self)
