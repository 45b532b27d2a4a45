"""Quantiles of gamma and beta distributions for many uniforms, interpolated in a table of exact ones.

SciPy inverts these functions by search, at half a microsecond or more a customer. Their logarithm (of a beta its log
odds) is smooth over the log odds of the uniform: a cubic through exact values with exact slopes is within 2e-10 of
them, relative, where rounding to the stored float32 does 6e-8. The table is fixed by the shape alone, so that a
customer's quantile depends on nobody else's draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from agents.compiled import compiled
from agents.exact import exp_each, log_each

Reals = NDArray[np.float64]

REACH = 12.0
"""The table covers log odds of the uniform from -REACH to REACH; beyond, once in 80,000 draws, SciPy is called."""

CELLS = 2048


class Table(NamedTuple):
    """Values and slopes at log odds -REACH to REACH, evenly spaced; each of shape (CELLS + 1,)."""

    value: Reals
    slope: Reals


def gamma_quantiles(shape: float, u: Reals) -> Reals:
    """Quantiles of Gamma(shape, 1) at uniforms in (0, 1); float64, same shape (n,)."""
    return _read(_gamma_table(shape), u, exp_each, lambda rest: special.gammaincinv(shape, rest))


def beta_quantiles(a: float, b: float, u: Reals) -> Reals:
    """Quantiles of Beta(a, b) at uniforms in (0, 1); float64, same shape (n,)."""
    return _read(_beta_table(a, b), u, _expit_each, lambda rest: special.betaincinv(a, b, rest))


def _read(table: Table, u: Reals, back: Callable[[Reals], Reals], exact: Callable[[Reals], Reals]) -> Reals:
    """Interpolate, return from the transformed scale, and put the exact quantiles where the table does not reach."""
    y, inside = _interpolate(table, u)
    found = back(y)
    if not inside.all():
        found[~inside] = exact(u[~inside])
    return found


@compiled
def _interpolate(table: Table, u: Reals) -> tuple[Reals, NDArray[np.bool_]]:
    """Cubic Hermite values at the uniforms' log odds, and where the table holds them (elsewhere 0)."""
    out, inside = np.zeros(len(u)), np.zeros(len(u), np.bool_)
    step = 2.0 * REACH / CELLS
    for i in range(len(u)):
        place = (math.log(u[i] / (1.0 - u[i])) + REACH) / step
        if 0.0 <= place < CELLS:
            cell = int(place)
            t = place - cell
            y0, y1 = table.value[cell], table.value[cell + 1]
            m0, m1 = step * table.slope[cell], step * table.slope[cell + 1]
            out[i] = y0 + t * (m0 + t * (3.0 * (y1 - y0) - 2.0 * m0 - m1 + t * (2.0 * (y0 - y1) + m0 + m1)))
            inside[i] = True
    return out, inside


@lru_cache(maxsize=16)
def _gamma_table(shape: float) -> Table:
    """log x over the log odds of u; its slope is u (1 - u) / (x density(x))."""
    u, rest = _knots()
    x = np.where(u < 0.5, special.gammaincinv(shape, u), special.gammainccinv(shape, rest))
    small = (log_each(u) + special.gammaln(shape + 1.0)) / shape  # log x to 1e-12 where x is below that
    y = np.where(small < math.log(1e-12), small, log_each(np.maximum(x, 1e-300)))
    return Table(y, exp_each(log_each(u * rest) + special.gammaln(shape) + exp_each(y) - shape * y))


@lru_cache(maxsize=16)
def _beta_table(a: float, b: float) -> Table:
    """Log odds of p over those of u; the slope is u (1 - u) / (p (1 - p) density(p))."""
    u, rest = _knots()
    p = np.where(u < 0.5, special.betaincinv(a, b, u), 1.0 - special.betaincinv(b, a, rest))
    q = np.where(u < 0.5, 1.0 - p, special.betaincinv(b, a, rest))
    log_p, log_q = log_each(p), log_each(q)
    return Table(log_p - log_q, exp_each(log_each(u * rest) + special.betaln(a, b) - a * log_p - b * log_q))


def _knots() -> tuple[Reals, Reals]:
    """Uniforms at the table's log odds, and what they lack of one."""
    odds = np.linspace(-REACH, REACH, CELLS + 1)
    return _expit_each(odds), _expit_each(-odds)


def _expit_each(x: Reals) -> Reals:
    return np.asarray(1.0 / (1.0 + exp_each(-x)))
