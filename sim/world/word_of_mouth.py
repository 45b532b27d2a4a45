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
from agents.records import Episodes


class Talks(NamedTuple):
    """A day's talks by row; arrays of one length, increments in units of 2^-20."""

    row: NDArray[np.int32]
    volume: NDArray[np.int32]
    weight: NDArray[np.int32]
    score: NDArray[np.int32]


def talks_of(episodes: Episodes) -> Talks:
    """The talks about these episodes."""
    told = episodes[episodes["talk"] != 0]
    fields = ("row", "talk_volume", "talk_weight", "talk_score")
    return Talks(*(np.ascontiguousarray(told[name]) for name in fields))


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
        said = [int(new.sum(dtype=np.int64)) + more for new, more in zip(talks[1:], besides, strict=True)]
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
