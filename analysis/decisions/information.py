"""What it is worth to know more before a choice between going and stopping.

Going pays an uncertain effect (yen per member), stopping nothing; its values at points say what is known.
Definitions are those of Raiffa and Schlaifer (1961): the expected value of perfect information (EVPI) is what one would
pay, at most, to be told the effect before choosing; of partial perfect information (EVPPI), to be told one parameter;
of sample information (EVSI), to see a test. Nothing here is simulated or random: expectations over points are means,
those over a test's error Gauss-Hermite sums.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.effects.estimands import Array
from analysis.folders.run_folder import needed

NODES = 32
"""Nodes of the Gauss-Hermite sum over a test's error."""

FEW_VALUES = 5
"""Most values of a parameter that counts as a choice: each value then has an expectation of its own."""

KNOTS = 4
"""Knots of the cubic spline over a parameter's range: six coefficients, enough for some hundred points."""

PENALTIES = tuple(float(power) for power in np.logspace(-3, 6, 19))
SHUFFLES, CHANCE = 100, 0.95


class Regret(NamedTuple):
    """Mean loss over points of going and of stopping, against the better choice at each; unit of the effect."""

    going: float
    stopping: float


def regret(effect: Array) -> Regret:
    """Mean over points (points,) of what going loses where the effect is negative, and stopping where it is
    positive."""
    return Regret(float(np.mean(np.maximum(-effect, 0.0))), float(np.mean(np.maximum(effect, 0.0))))


def perfect(effect: Array) -> float:
    """EVPI of points (points,): the expected regret of the better choice."""
    return min(regret(effect))


# -- one parameter ----------------------------------------------------------------------------------------------


def partial(points: pd.DataFrame, effect: Array, seed: int) -> pd.DataFrame:
    """EVPPI of each column of `points` (points, parameters) for `effect` (points,); the most valuable first.

    Columns name, value (unit of the effect) and chance: what the highest of so many values stays below 95 times in 100
    where no parameter matters, found by shuffling the effects. The expectation of the effect at a parameter's value is
    a regression over points (Strong, Oakley and Brennan 2014), here a spline whose penalty is chosen by leave-one-out
    errors, so that luck of the seed is averaged out. Parameters that do not vary are left out.
    """
    rng = np.random.default_rng(seed)
    effects = np.column_stack([effect, *(rng.permutation(effect) for _ in range(SHUFFLES))])
    names = sorted(str(name) for name in points.columns if points[name].nunique() > 1)
    values = {name: _gained(_expected(points[name].to_numpy(dtype=np.float64), effects)) for name in names}
    if not values:
        return pd.DataFrame({"name": pd.Series(dtype="str"), "value": [], "chance": []})
    highest = np.max([found[1:] for found in values.values()], axis=0)
    rows = [(name, float(found[0]), float(np.quantile(highest, CHANCE))) for name, found in values.items()]
    table = pd.DataFrame(rows, columns=["name", "value", "chance"])
    return table.sort_values("value", ascending=False, kind="stable", ignore_index=True)


def _gained(expected: Array) -> Array:
    """What choosing by expectations (points, columns) gains over choosing by their mean, per column; not below zero."""
    better = np.mean(np.maximum(expected, 0.0), axis=0) - np.maximum(np.mean(expected, axis=0), 0.0)
    return np.asarray(np.maximum(better, 0.0))


def _expected(values: Array, effects: Array) -> Array:
    """Effects (points, columns) expected at a parameter's values (points,), same shape."""
    ridge = needed("sklearn.linear_model").RidgeCV(alphas=PENALTIES, alpha_per_target=True)
    basis = _basis(values)
    return np.asarray(ridge.fit(basis, effects).predict(basis), dtype=np.float64)


def _basis(values: Array) -> Any:
    preprocessing = needed("sklearn.preprocessing")
    column = values[:, None]
    if len(np.unique(values)) <= FEW_VALUES:
        return preprocessing.OneHotEncoder(sparse_output=False).fit_transform(column)
    spline = preprocessing.SplineTransformer(n_knots=KNOTS, degree=3, knots="quantile", include_bias=False)
    return spline.fit_transform(column)


# -- a field test -----------------------------------------------------------------------------------------------


class Design(NamedTuple):
    """A field test: customers in all, half of them treated, for so many days."""

    customers: int
    days: int


class Firm(NamedTuple):
    """What a test is held in: the horizon in days, the members, the standard deviation over customers of their profit
    over the horizon (yen), and what of the field test's bias is not known (yen over the horizon)."""

    horizon: int
    members: int
    profit_sd: float
    bias_sd: float = 0.0


class Cost(NamedTuple):
    """What a test costs beside what it foregoes, yen."""

    fixed: float = 0.0
    daily: float = 0.0


class Worth(NamedTuple):
    """What a test is worth, yen per member over the horizon: `net` = information - delay - cost.

    `error` is the standard error of a measurement of the effect that tells as much; `information` the EVSI; `delay`
    the profit foregone while it runs; `cost` what is paid for it.
    """

    design: Design
    error: float
    information: float
    delay: float
    cost: float
    net: float


def standard_error(design: Design, firm: Firm) -> float:
    """Standard error of the effect over the horizon in a test that measures profit alone, yen per customer.

    Halves of n/2 customers differ with variance 4 s²/n, s² being the variance of profit over the test's days. It is
    taken to grow with days as independent increments do, from that over the horizon. Customers who differ for long make
    it grow faster, so this is on the safe side. The effect is taken to accrue evenly: scaled from the test's days to
    the horizon the variance is 4 S²/n * horizon/days. What is not known of the test's bias adds to it.
    """
    sampling = 4 * firm.profit_sd**2 / design.customers * firm.horizon / design.days
    return math.sqrt(sampling + firm.bias_sd**2)


def sample(effect: Array, error: float) -> float:
    """EVSI of a test with this standard error, in the effect's unit: from zero to `perfect`.

    The prior is the points (points,), each as probable as any other. A test reports x = effect + error·z; the posterior
    weighs points by their likelihood, and the choice is changed where its mean has the other sign than the prior's. The
    mean over x is one over points and over z by a Gauss-Hermite sum.
    """
    if not error > 0:
        return perfect(effect)
    if math.isinf(error):
        return 0.0
    side = 1.0 if np.mean(effect) > 0 else -1.0
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    gained = [np.mean(np.maximum(-side * _posterior(effect, error, float(z)), 0.0)) for z in nodes]
    return float(weights @ np.array(gained) / weights.sum())


def _posterior(effect: Array, error: float, z: float) -> Array:
    """Posterior mean where a test of the point in each row reports its effect + error·z, shape (points,)."""
    reported = effect + error * z
    distance = (reported[:, None] - effect[None, :]) / error
    likelihood = np.exp(-0.5 * (distance**2 - np.min(distance**2, axis=1, keepdims=True)))
    return np.asarray(likelihood @ effect / likelihood.sum(axis=1), dtype=np.float64)


def worth(effect: Array, design: Design, firm: Firm, cost: Cost, error: float) -> Worth:
    """What a test that tells the effect with this standard error is worth before the choice.

    Effects are taken to accrue evenly over the horizon. Who is not treated in the test goes without the effect until it
    ends, and the choice acts on the days that are left.
    """
    mean = float(np.mean(effect))
    learnt = sample(effect, error)
    share, treated = design.days / firm.horizon, design.customers / 2 / firm.members
    delay = share * (max(mean, 0.0) + learnt - treated * mean)
    paid = (cost.fixed + cost.daily * design.days) / firm.members
    return Worth(design, error, learnt, delay, paid, learnt - delay - paid)
