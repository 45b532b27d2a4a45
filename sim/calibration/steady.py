"""Whether the weeks of a fit look as if nothing but chance moved them; and what is said of season and start."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from sim.calibration.forecast import Seasoned
from sim.phrases import Phrase

FloatArray = NDArray[np.float64]

BLOCK = 4
"""Weeks that are compared with others as one."""
DOUBT = 0.01
"""Probability below which blocks that differ so much are not taken for chance."""


class Unsteady(NamedTuple):
    """The block of weeks that stands out most: its first week, its last (from 0), orders over expectation."""

    first: int
    last: int
    ratio: float
    probability: float


def unsteady(orders: FloatArray, expected: FloatArray) -> Unsteady | None:
    """The worst block of weeks if blocks differ by more than their weeks do (an F test); None where all is steady.

    orders, expected: by week, (weeks,).
    """
    told = np.flatnonzero(expected > 1.0)
    if len(told) < 3 * BLOCK:
        return None
    level = orders[told].sum() / expected[told].sum()
    usual = expected[told] * level
    residuals = (orders[told] - usual) / np.sqrt(usual)
    blocks = np.array_split(np.arange(len(told)), len(told) // BLOCK)
    means = np.array([residuals[block].mean() for block in blocks])
    sizes = np.array([len(block) for block in blocks])
    between = float(sizes @ (means - residuals.mean()) ** 2) / (len(blocks) - 1)
    within = sum(float(((residuals[block] - mean) ** 2).sum()) for block, mean in zip(blocks, means, strict=True))
    within /= len(told) - len(blocks)
    # Orders by chance alone vary by 1: blocks whose weeks agree by luck are not taken for steadier than that.
    probability = float(fdtrc(len(blocks) - 1, len(told) - len(blocks), between / max(within, 1.0)))
    if probability >= DOUBT:
        return None
    worst = blocks[int(np.argmax(np.abs(means) * np.sqrt(sizes)))]
    ratio = float(orders[told][worst].sum() / usual[worst].sum())
    return Unsteady(int(told[worst[0]]), int(told[worst[-1]]), ratio, probability)


def said_of(found: Seasoned) -> Iterator[Phrase]:
    """What a fit found of the log's start, its season and its steadiness."""
    season, first = found.season, found.histories.first
    yield (
        Phrase("there are customers older than the log: orders count as steady but for the season")
        if found.older else Phrase("the log's customers begin in it: none is older than the log")
    )  # fmt: skip
    curve = season.index / np.exp(season.own)
    if season.found:
        high, low = int(np.argmax(curve)), int(np.argmin(curve))
        yield Phrase(
            "season: found (probability {p:.0f} %), from {low:.2f} in the week of {trough} to {high:.2f} in the week "
            "of {peak}",
            p=100.0 * season.probability, low=curve[low], high=curve[high],
            trough=_day(first, low), peak=_day(first, high),
        )  # fmt: skip
    else:
        yield Phrase(
            "season: none found (probability {p:.0f} %); it widens the interval only", p=100.0 * season.probability
        )
    for week in np.flatnonzero(season.own[: season.fitted]):
        yield Phrase(
            "the week of {day} is out of line, {factor:.2f} times the usual; it is taken to come back every year",
            day=_day(first, int(week)), factor=float(season.index[week]),
        )  # fmt: skip
    worst = unsteady(found.histories.by_week, found.expected)
    if worst is not None:
        yield Phrase(
            "Warning: buying is not steady in the fit: {ratio:.2f} times what is expected in the weeks of {first} to "
            "{last} (by chance in {p:.1f} % of logs); the forecast takes such spells as passing",
            ratio=worst.ratio, first=_day(first, worst.first), last=_day(first, worst.last),
            p=100.0 * worst.probability,
        )  # fmt: skip


def _day(first: datetime.date, week: int) -> datetime.date:
    return first + datetime.timedelta(days=7 * week)
