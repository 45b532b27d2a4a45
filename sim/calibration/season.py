"""The season of a log: how much more or less is bought in a week than its customers alone would explain.

Orders of a week are taken as Poisson around what a repeat-buying model expects, times an index. The logarithm of the
index is a Gaussian process with mean zero, so that it is shrunk towards 1: a yearly curve that is smooth over some
weeks and joins up at the turn of the year, a level, a slow drift, and a share of luck that is each week's own
(Rasmussen and Williams 2006, sections 4.2 and 5.4.3). How large each part is, is weighed on a grid and not chosen.
That the curve joins up is what a log of less than a year tells about the weeks it has not seen, and how little.

Weeks far out of line, such as a closure at New Year, have an index of their own and come back on their dates.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Size = tuple[float, float, float]
"""Of the yearly curve, of spells, of a week's own luck."""

YEAR = 365.2425 / 7
"""Weeks."""

SMOOTH = 4.0
"""Weeks over which the yearly curve turns."""
LEVEL = 1.0
"""Prior standard deviation of the level's logarithm."""

SPELL = 5.0
"""Weeks after which a spell of better or worse weeks that does not come back is forgotten, on average."""
DRIFT = 0.01
"""Standard deviation of a week's step of the drift."""

YEARLY = {0.06: 0.3, 0.12: 0.4, 0.25: 0.3}
SPELLS = {0.0: 0.3, 0.06: 0.35, 0.12: 0.25, 0.24: 0.1}
WEEKLY = {0.02: 0.25, 0.06: 0.35, 0.12: 0.25, 0.24: 0.15}
"""Standard deviations of the logarithm that are weighed, each with its prior probability: of the yearly curve if there
is one, of spells, and of a week's own luck."""
FOUND = 0.5
"""A yearly curve of less probability is not used; it still widens what is possible."""
LEAST_EXPECTED = 0.5
"""Orders that must be expected of a week for it to say anything."""
FAINT = 0.005
"""Readings of less weight are left out."""

NEIGHBOURS = 4
FAR, LEAST_FACTOR = 4.5, np.log(2.0)
"""A week is out of line if it is so many robust standard errors, and at least this logarithm, from its neighbours."""
COMES_BACK = 0.3
"""Standard deviation of the logarithm of such a week's index when it comes back."""


@dataclass(frozen=True)
class Reading:
    """One size of each part: its weight among all; over all weeks asked for the posterior mean of the yearly curve, on
    logarithms, (weeks,), and the posterior covariance of the whole index, (weeks, weeks)."""

    weight: float
    size: Size
    curve: FloatArray
    covariance: FloatArray


@dataclass(frozen=True)
class Season:
    """An index by week, from the log's first day on; over the fitted weeks and as many after as were asked for.

    index: the yearly curve, 1 throughout where none is found, and weeks out of line; (weeks,). own: logarithm of the
    index of weeks out of line, 0 elsewhere, (weeks,). probability: that there is a yearly curve at all.
    """

    first: datetime.date
    fitted: int
    index: FloatArray
    own: FloatArray
    probability: float
    readings: tuple[Reading, ...]

    @property
    def found(self) -> bool:
        """Whether a yearly curve is used."""
        return self.probability >= FOUND

    def draws(self, count: int, weights: FloatArray, chance: np.random.Generator) -> FloatArray:
        """Possible indices of the weeks after the fit, (count, weeks after), each week's luck included.

        They stand relative to the fitted weeks, weighted by `weights`, from which the level of what is expected comes.
        """
        share = weights / weights.sum()
        usual = np.log(self.index)
        centre = sum(one.weight * one.curve for one in self.readings)
        numbers = chance.multinomial(count, [one.weight for one in self.readings])
        found = []
        for one, number in zip(self.readings, numbers, strict=True):
            logs = chance.multivariate_normal(one.curve - centre, one.covariance, number, method="eigh")
            after = usual[self.fitted :] + logs[:, self.fitted :] - (logs[:, : self.fitted] @ share)[:, None]
            luck = np.hypot(one.size[2], np.where(self.own[self.fitted :] != 0, COMES_BACK, 0.0))
            found.append(after + luck * chance.standard_normal(after.shape))
        return np.asarray(np.exp(chance.permutation(np.concatenate(found))))


def flat(first: datetime.date, fitted: int, weeks: int) -> Season:
    """No season at all, as a start."""
    return Season(first, fitted, np.ones(weeks), np.zeros(weeks), 0.0, ())


def find_season(
    orders: FloatArray, expected: FloatArray, first: datetime.date, weeks: int, prior: float,
    known: FloatArray | None = None,
) -> Season:  # fmt: skip
    """The season of weekly orders beside what is expected without one, from the first day on, for `weeks` weeks.

    orders, expected: (fitted weeks,); weeks in which nothing is expected say nothing. prior: probability that there is
    a yearly curve. known: factors that a calendar states, (weeks,), from which the curve departs.
    """
    fitted = len(orders)
    given = np.zeros(weeks) if known is None else np.log(known)
    scale = expected * np.exp(given[:fitted])
    scale = scale * orders.sum() / scale.sum()
    told = scale > LEAST_EXPECTED
    own = _out_of_line(orders, scale, told)
    inside = np.flatnonzero(told & (own == 0))
    readings = _readings(orders[inside], scale[inside], inside.astype(np.float64), weeks, prior)
    probability = sum(one.weight for one in readings if one.size[0])
    curve = given + (sum(one.weight * one.curve for one in readings) if probability >= FOUND else 0.0)
    own = np.where(own != 0, own + given[:fitted] - curve[:fitted], 0.0)
    recurring = _recurring(own, weeks)
    return Season(first, fitted, np.exp(curve + recurring), recurring, probability, readings)


def _out_of_line(orders: FloatArray, scale: FloatArray, told: NDArray[np.bool_]) -> FloatArray:
    """Logarithm of orders over expectation of weeks far from their neighbours, 0 elsewhere; (weeks,)."""
    logs = np.where(told, np.log((orders + 0.5) / np.where(told, scale, 1.0)), np.nan)
    around = np.array([_neighbours(logs, week) for week in range(len(logs))])
    apart = 2 * (np.sqrt(orders + 0.375) - np.sqrt(scale * np.exp(around) + 0.375))  # Anscombe: variance near 1
    compared = np.isfinite(apart)
    usual = max(1.4826 * float(np.median(np.abs(apart[compared]))), 1.0) if compared.any() else 1.0
    far = compared & (np.abs(apart) > FAR * usual) & (np.abs(logs - around) > LEAST_FACTOR)
    return np.where(far, logs, 0.0)


def _neighbours(logs: FloatArray, week: int) -> float:
    """Median of the weeks around one; nan near either end, where a season's rise may look like one week's luck."""
    before, after = logs[max(week - NEIGHBOURS, 0) : week], logs[week + 1 : week + 1 + NEIGHBOURS]
    enough = min(np.isfinite(before).sum(), np.isfinite(after).sum()) >= 2
    return float(np.nanmedian(np.concatenate([before, after]))) if enough else np.nan


def _recurring(own: FloatArray, weeks: int) -> FloatArray:
    """Weeks out of line on their own dates and, where these come again, a year later."""
    found = np.zeros(weeks)
    for week in np.flatnonzero(own):
        for again in np.arange(week, weeks, YEAR):
            found[int(round(again))] = own[week]
    found[: len(own)] = own
    return found


# --- the Gaussian process -----------------------------------------------------------------------------------


def _readings(
    orders: FloatArray, scale: FloatArray, at: FloatArray, weeks: int, prior: float
) -> tuple[Reading, ...]:
    """The sizes of the parts worth having, each with its posterior over weeks 0 to `weeks`."""
    everywhere = np.arange(weeks, dtype=np.float64)
    logs, noise = np.log((orders + 0.5) / scale), 1 / (orders + 0.5)
    sizes = list(product((0.0, *YEARLY), SPELLS, WEEKLY))
    scores = np.array([
        _evidence(logs, _prior(at, at, size) + np.diag(noise + size[2] ** 2)) + _log_prior(size, prior)
        for size in sizes
    ])  # fmt: skip
    weights = np.exp(scores - scores.max())
    weights = np.where(weights < FAINT * weights.sum(), 0.0, weights)
    weights /= weights.sum()
    return tuple(
        Reading(float(weight), size, *_posterior(orders, scale, at, everywhere, size))
        for size, weight in zip(sizes, weights, strict=True) if weight
    )  # fmt: skip


def _log_prior(size: Size, prior: float) -> float:
    yearly, spells, weekly = size
    curve = prior * YEARLY[yearly] if yearly else 1.0 - prior
    return float(np.log(curve * SPELLS[spells] * WEEKLY[weekly]))


def _yearly(one: FloatArray, other: FloatArray, size: float) -> FloatArray:
    """Covariance of the yearly curve, whose mean over a year is 0."""

    def near(apart: FloatArray) -> FloatArray:
        return np.asarray(np.exp(-2 * np.sin(np.pi * apart / YEAR) ** 2 / (2 * np.pi * SMOOTH / YEAR) ** 2))

    mean = near(np.linspace(0, YEAR, 200, endpoint=False)).mean()
    return np.asarray(size**2 * (near(one[:, None] - other) - mean) / (1 - mean))


def _prior(one: FloatArray, other: FloatArray, size: Size) -> FloatArray:
    """Covariance of the logarithm of the index, without each week's own luck."""
    yearly, spells, _ = size
    apart = np.abs(one[:, None] - other)
    walk = DRIFT**2 * np.minimum.outer(one, other)
    return _yearly(one, other, yearly) + spells**2 * np.exp(-apart / SPELL) + walk + LEVEL**2


def _evidence(logs: FloatArray, covariance: FloatArray) -> float:
    lower = np.linalg.cholesky(covariance)
    white = np.linalg.solve(lower, logs)
    return float(-0.5 * white @ white - np.log(np.diag(lower)).sum())


def _posterior(
    orders: FloatArray, scale: FloatArray, at: FloatArray, weeks: FloatArray, size: Size
) -> tuple[FloatArray, FloatArray]:
    """Mean of the yearly curve and covariance of the whole index, on logarithms, by Laplace's approximation."""
    prior = _prior(at, at, size) + size[2] ** 2 * np.eye(len(at))
    mode = _mode(orders, scale, prior)
    across = _prior(weeks, at, size)
    known = np.linalg.solve(prior + np.diag(np.exp(-mode) / scale), across.T)
    return _yearly(weeks, at, size[0]) @ np.linalg.solve(prior, mode), _prior(weeks, weeks, size) - across @ known


def _mode(orders: FloatArray, scale: FloatArray, prior: FloatArray) -> FloatArray:
    """The most probable logarithm of the index, its week's luck included, by Newton's method."""
    inverse = np.linalg.inv(prior)
    mode = np.log((orders + 0.5) / scale)
    for _ in range(30):
        mean = scale * np.exp(mode)
        step = np.linalg.solve(inverse + np.diag(mean), orders - mean - inverse @ mode)
        mode = mode + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-8:
            break
    return mode
