"""Orders to come of the customers a log knows, week by week, with what is not known about them.

Repeat-buying models are fitted in the season's time: a week in which half as much again is bought counts as one and a
half. Then each customer's history says what to expect of them: given that they are still there after x repeats within
T weeks, their rate is Gamma(r + x, alpha + T) and their dropout Beta(a, b + x) or Gamma(s, beta + T), by conjugacy
(Schmittlein, Morrison and Colombo 1987; Fader, Hardie and Lee 2005).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from sim.calibration import lapse
from sim.calibration.repeat_buying import BgNbd, Fit, Model, ParetoNbd, RfmSummary, fit_bg_nbd, fit_pareto_nbd
from sim.calibration.season import Season, find_season, flat
from sim.config.parameters import NORMAL_90

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ROUNDS = 2
"""Fits of season and repeat buying in turn."""
USUAL, UNUSUAL = 0.75, 0.25
"""Prior probability of a season: most firms have one; in a log of customers who all begin in it, ageing looks like one
and is the likelier reason."""
FALLS, MORE_OFTEN, LEAST_COMING = 2.0, 1.05, 20
"""How many times more customers are first seen a week early on, how many times more often they buy, and how many must
be first seen in the last quarter, for customers to be older than the log."""
PARAMETERS = 40
"""Points of the models' parameters that carry their uncertainty."""
FINE = 400
"""Points of time between which expected repeats are interpolated."""
QUANTILES = 100
"""Points of a customer's probability of dropout."""
GRID = 9
"""Points of time at which a customer's expected rate is computed."""
COARSE = 0.25
"""Weeks to which an age is rounded where only the shape of survival depends on it."""


@dataclass(frozen=True)
class Histories:
    """Purchase days of customers up to the end of a fit, as days from the log's first: birth, last, one per customer;
    repeats: purchase days after the first. end: the fit's last day. By week, (weeks,): repeats by_week, and all orders.
    young: repeats within a quarter of the log after the first purchase.
    """

    first: datetime.date
    birth: IntArray
    last: IntArray
    repeats: FloatArray
    end: int
    by_week: FloatArray
    orders: FloatArray
    young: FloatArray

    @property
    def weeks(self) -> int:
        """Full weeks fitted."""
        return (self.end + 1) // 7


@dataclass(frozen=True)
class Seasoned:
    """Both models fitted in a season's time. weights: probability of each, by its likelihood; models as fitted, lapse
    from a weak prior where the log leaves it open. opened: what is then not known of lapse, as standard deviation of
    its logarithm; 0 where the log tells."""

    histories: Histories
    season: Season
    older: bool
    fits: tuple[Fit[BgNbd] | Fit[ParetoNbd], ...]
    models: tuple[Model, ...]
    weights: tuple[float, ...]
    opened: tuple[float, ...]

    @property
    def expected(self) -> FloatArray:
        """Repeats of the cohort that the likelier model expects by fitted week, with the season; (fitted weeks,)."""
        model, index = self.models[int(np.argmax(self.weights))], self.season.index
        return np.maximum(unseasoned(model, self.histories, index), 0.0) * index[: self.season.fitted]


def clock(index: FloatArray) -> Callable[[FloatArray | IntArray | float], FloatArray]:
    """Weeks of a season's time from the log's first day to so many days after it."""
    ends = np.concatenate([[0.0], np.cumsum(index)])

    def passed(days: FloatArray | IntArray | float) -> FloatArray:
        return np.asarray(np.interp(np.asarray(days) / 7, np.arange(len(ends)), ends))

    return passed


def summary_in(index: FloatArray, histories: Histories) -> RfmSummary:
    """Recency, frequency and age in a season's time."""
    passed = clock(index)
    birth = passed(histories.birth)
    return RfmSummary(
        histories.repeats, np.where(histories.repeats > 0, passed(histories.last) - birth, 0.0),
        np.maximum(passed(histories.end), passed(histories.last)) - birth, np.zeros(len(birth)),
    )  # fmt: skip


def unseasoned(model: Model, histories: Histories, index: FloatArray) -> FloatArray:
    """Repeats that a model expects a week of the cohort, were the week like any other; (fitted weeks,)."""
    passed = clock(index)
    births, counts = np.unique(passed(histories.birth), return_counts=True)
    ends = passed(np.arange(1, histories.weeks + 1, dtype=np.float64) * 7 - 1)
    since = np.maximum(ends[:, None] - births, 0.0)
    so_far = expected_so_far(model, since) @ counts
    spans = np.diff(ends, prepend=0.0)
    return np.asarray(np.diff(so_far, prepend=0.0) / np.maximum(spans, 1e-9))


def expected_so_far(model: Model, since: FloatArray) -> FloatArray:
    """Expected repeats within so many weeks, for any parameters: BG/NBD as the mean over quantiles of lapse."""
    weeks = np.linspace(0.0, float(since.max()), FINE)
    if isinstance(model, ParetoNbd):
        curve = model.expected_repeats(weeks)
    else:
        p = _lapses(model, np.zeros(1))[0]
        curve = np.mean(-np.expm1(-model.r * np.log1p(p * weeks[:, None] / model.alpha)) / p, axis=1)
    return np.asarray(np.interp(since, weeks, curve))


def fit_seasoned(
    histories: Histories, ahead: int, older: bool | None = None, known: FloatArray | None = None
) -> Seasoned:
    """Fit season and models in turn; the season is stated for so many weeks `ahead` of the fit.

    older: whether there are customers who bought before the log began; None: as it looks. Their orders are taken as
    steady but for the season, since ageing cannot be seen. known: see find_season.
    """
    weeks, older = histories.weeks + ahead, started_before(histories) if older is None else older
    if older:
        even = np.ones(histories.weeks)
        season = find_season(histories.orders, even, histories.first, weeks, USUAL, known)
    else:
        season = flat(histories.first, histories.weeks, weeks)
        for _ in range(ROUNDS):
            fit = fit_bg_nbd(summary_in(season.index, histories))
            expected = unseasoned(fit.model, histories, season.index)
            season = find_season(histories.by_week, expected, histories.first, weeks, UNUSUAL, known)
    summary = summary_in(season.index, histories)
    fits = (fit_bg_nbd(summary), fit_pareto_nbd(summary))
    models, scores, opened = zip(*(_closed(one, summary) for one in fits), strict=True)
    weights = np.exp(np.array(scores) - max(scores))
    return Seasoned(histories, season, older, fits, models, tuple((weights / weights.sum()).tolist()), opened)


def started_before(histories: Histories) -> bool:
    """Whether customers seen first in the log's first quarter look as if they had bought before.

    They do if far more of them are seen a week than of those after, who keep coming until the end, and if they then buy
    more often at the same age: whoever buys often is seen early. One cohort has none who keep coming.
    """
    quarter = histories.weeks // 4 * 7
    early, late = histories.birth < quarter, histories.birth > histories.end - quarter
    falls = early.sum() / quarter > FALLS * (~early).sum() / (histories.end + 1 - quarter)
    aged = histories.birth + quarter <= histories.end + 1
    if not falls or late.sum() < LEAST_COMING:
        return False
    return bool(histories.young[early].mean() > MORE_OFTEN * histories.young[aged & ~early].mean())


def _closed(fit: Fit[BgNbd] | Fit[ParetoNbd], summary: RfmSummary) -> tuple[Model, float, float]:
    """The model, its log-likelihood, and the standard deviation of log lapse that a weak prior leaves where the log
    leaves lapse open; 0 where it does not."""
    if not set(fit.unidentified) & {"a", "b", "s", "beta"}:
        return fit.model, fit.log_likelihood, 0.0
    found = lapse.weigh(fit.model, summary)
    return found.model, found.log_likelihood, float(np.log(found.high / found.low)) / (2 * NORMAL_90)


def drawn(
    fit: Fit[BgNbd] | Fit[ParetoNbd], model: Model, opened: float, count: int, chance: np.random.Generator
) -> list[Model]:
    """Possible models: all parameters together or, where lapse is open, the rates and the level of lapse."""
    size = 2 if opened else 4
    steps = chance.multivariate_normal(np.zeros(size), fit.covariance[:size, :size], count, method="eigh")
    names = fit.names[: size + 1]
    if opened:
        steps = np.column_stack([steps, opened * chance.standard_normal(count)])
    return [
        replace(model, **{name: getattr(model, name) * step for name, step in zip(names, row, strict=True)})
        for row in np.exp(steps).tolist()
    ]


def rates_to_come(model: Model, summary: RfmSummary, after: FloatArray) -> FloatArray:
    """Expected orders a week of each customer, so many weeks of the season's time after the fit; (customers, after)."""
    x, age = summary.frequency, summary.age
    alive = model.p_alive(x, summary.recency, age)
    rate = alive * (model.r + x) / (model.alpha + age)
    if isinstance(model, ParetoNbd):
        scale = model.beta + age
        return np.asarray(rate[:, None] * np.exp(-model.s * np.log1p(after / scale[:, None])))
    pairs, place = np.unique(np.column_stack([x, np.rint(age / COARSE)]), axis=0, return_inverse=True)
    count, ages = pairs[:, :1], COARSE * pairs[:, 1:]
    survival = _survival(model, count, after / (model.alpha + ages))
    return np.asarray(rate[:, None] * survival[place.ravel()])


def _survival(model: BgNbd, count: FloatArray, spans: FloatArray) -> FloatArray:
    """Share of the rate that is left after dropout: the mean of (1 + p span)^-(r + x + 1) over p ~ Beta(a, b + x)."""
    several, place = np.unique(count, return_inverse=True)
    lapse_of = _lapses(model, several)[place.ravel()]
    powers = -(model.r + count + 1)[:, :, None] * np.log1p(lapse_of[:, None, :] * spans[:, :, None])
    return np.asarray(np.exp(powers).mean(axis=2))


def _lapses(model: BgNbd, count: FloatArray) -> FloatArray:
    """Quantiles of the probability of lapse after so many repeats; (counts, QUANTILES)."""
    at = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return np.asarray(np.maximum(betaincinv(model.a, model.b + count[:, None], at), 1e-12))


def forecast(found: Seasoned, classes: IntArray, count: int, seed: int) -> IntArray:
    """Possible orders by week after the fit of classes of customers; (count, classes, weeks after).

    classes: each customer's, from 0. They differ by the models' parameters, the season, what is not known of each
    customer's rate and dropout, and the luck of each week.
    """
    chance = np.random.default_rng(seed)
    season, summary = found.season, summary_in(found.season.index, found.histories)
    index = season.draws(count, found.expected, chance)
    middle = np.cumsum(index, axis=1) - index / 2
    curves, grid = _curves(found, summary, classes, float(middle.max()), chance)
    points = chance.integers(len(curves), size=count)
    mean = np.array([
        [np.interp(middle[i], grid, curve) * index[i] for curve in curves[point]] for i, point in enumerate(points)
    ])  # fmt: skip
    spreads = [_spread(model, summary, classes) for model in found.models]
    spread = np.asarray(found.weights) @ spreads
    of_customers = chance.gamma(1 / spread, spread, (count, len(spread)))
    return np.asarray(chance.poisson(mean * of_customers[:, :, None]))


def _curves(
    found: Seasoned, summary: RfmSummary, classes: IntArray, longest: float, chance: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Orders a week of the season's time by class at points of the parameters, (points, classes, grid); the grid."""
    grid = np.linspace(0.0, longest, GRID)
    rates = []
    numbers = chance.multinomial(PARAMETERS, found.weights)
    for fit, model, opened, number in zip(found.fits, found.models, found.opened, numbers, strict=True):
        for one in drawn(fit, model, opened, int(number), chance):
            by_customer = rates_to_come(one, summary, grid)
            rates.append([np.bincount(classes, column, classes.max() + 1) for column in by_customer.T])
    return np.array(rates).transpose(0, 2, 1), grid


def _spread(model: Model, summary: RfmSummary, classes: IntArray) -> FloatArray:
    """Relative variance of a class's true rate, given its customers' histories; (classes,)."""
    x, age = summary.frequency, summary.age
    alive = model.p_alive(x, summary.recency, age)
    mean = alive * (model.r + x) / (model.alpha + age)
    square = alive * (model.r + x) * (model.r + x + 1) / (model.alpha + age) ** 2
    total, variance = (np.bincount(classes, one, classes.max() + 1) for one in (mean, square - mean**2))
    return np.asarray(np.maximum(variance / np.maximum(total, 1e-12) ** 2, 1e-9))
