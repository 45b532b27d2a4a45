"""What lies between settings that were simulated: a quadratic in the levers or a Gaussian process, with its own error.

Both are linear in what was simulated: the value at a setting is a sum of those at the settings that were run, by
weights that depend on the levers alone. So the same weights serve every point of what is not known, and what one
setting would be told by the others (leave-one-out) has a closed form (Allen 1974; Rasmussen and Williams 2006, 5.4.2).
The one of the two that leaves less out is kept. Its error is what it leaves out, never the process's own band.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from analysis.effects.estimands import Array

QUADRATIC, GAUSSIAN = "quadratic", "gaussian"
LENGTHS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Length scales tried, levers going from -1 to 1."""
NUGGETS = (1e-4, 1e-3, 1e-2, 0.1)
"""Shares of the process's variance that is told from setting to setting by nothing."""
CONSTANT = 100.0
"""Variance of the level of a process whose own is one: so large that the level is free."""


class Surrogate(NamedTuple):
    """`fit` (terms, settings) makes coefficients of values at settings, `left` (settings, settings) the error at each
    setting that is told by the others. `at` (settings, levers) are the settings, from -1 to 1."""

    kind: str
    length: float
    fit: Array
    left: Array
    at: Array

    def terms(self, where: Array) -> Array:
        """(places, terms) of places (places, levers), from -1 to 1."""
        return _quadratic(where) if self.kind == QUADRATIC else _kernel(where, self.at, self.length)

    def predicted(self, values: Array, where: Array) -> Array:
        """Values (places, points) of values at settings (settings, points)."""
        return np.asarray(self.terms(where) @ (self.fit @ values))

    def left_out(self, values: Array) -> Array:
        """What each setting lies off what the others say of it (settings, points)."""
        return np.asarray(self.left @ values)


def best(at: Array, values: Array) -> Surrogate:
    """The surrogate that leaves least out of the mean over points. at: (settings, levers); values: (settings, points).

    Raises ValueError where settings are fewer than a quadratic's coefficients and one more.
    """
    tried = [quadratic(at), *(gaussian(at, length, nugget) for length in LENGTHS for nugget in NUGGETS)]
    mean = values.mean(axis=1, keepdims=True)
    return min(tried, key=lambda one: rms(one.left_out(mean)))


def rms(values: Array) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(values**2)))


def quadratic(at: Array) -> Surrogate:
    """Least squares on level, levers, their squares and products."""
    terms = _quadratic(at)
    if len(terms) <= terms.shape[1]:
        raise ValueError(f"{len(terms)} settings cannot tell {terms.shape[1]} coefficients and an error")
    fit: Array = np.asarray(np.linalg.pinv(terms), dtype=np.float64)
    hat = terms @ fit
    left = (np.eye(len(at)) - hat) / np.maximum(1 - np.diag(hat), 1e-9)[:, None]
    return Surrogate(QUADRATIC, 0.0, fit, np.asarray(left), at)


def gaussian(at: Array, length: float, nugget: float) -> Surrogate:
    """A Gaussian process with squared exponential covariance over a free level."""
    inverse: Array = np.asarray(np.linalg.inv(_kernel(at, at, length) + nugget * np.eye(len(at))), dtype=np.float64)
    return Surrogate(GAUSSIAN, length, inverse, inverse / np.diag(inverse)[:, None], at)


def _quadratic(where: Array) -> Array:
    columns = [np.ones(len(where)), *where.T]
    levers = range(where.shape[1])
    columns += [where[:, i] * where[:, j] for i in levers for j in levers if i <= j]
    return np.column_stack(columns)


def _kernel(where: Array, at: Array, length: float) -> Array:
    apart = ((where[:, None, :] - at[None, :, :]) ** 2).sum(axis=2)
    return np.asarray(CONSTANT + np.exp(-apart / (2 * length**2)))


def scaled(values: Array, lows: Sequence[float], highs: Sequence[float]) -> Array:
    """Levers from -1 to 1. values: (places, levers)."""
    low, high = np.asarray(lows), np.asarray(highs)
    return np.asarray(2 * (values - low) / (high - low) - 1)
