"""From simulated and observed statistics to what is known of the parameters afterwards.

Each point of the prior gives parameters and, simulated, the statistics that the evidence reports; the evidence's
sampling error is added to the latter. A linear regression of the parameters on the statistics, fitted over all points,
moves every point to where it would be had the statistics been the observed ones: approximate Bayesian computation by
regression adjustment (Beaumont, Zhang and Balding 2002, Genetics 162), with all points kept. Parameters are regressed
as normal scores of their quantiles in the prior, so that none leaves its range, and a statistic without information
moves nothing.

All points are kept since worlds are few. Residuals of the regression then stand for the posterior. They cover
the truth of a firm that comes from the prior as often as they say, even if the relation is not linear (the residual of
one more point is exchangeable with theirs; Vovk, Gammerman and Shafer 2005): they only become wider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, ndtr, ndtri

from sim.config.sampling import latin_hypercube

FloatArray = NDArray[np.float64]

REPEATS = 25
"""Sampling errors added per point: they cost nothing, and the regression should not depend on one."""

FAMILY = 0.05
"""Chance that any of all the parameters asked about is sharpened by chance alone."""

POINTS_PER_STATISTIC = 5
"""Fewest points per statistic with which the regression is made."""


@dataclass(frozen=True)
class Posterior:
    """What is known of p parameters afterwards.

    places: of each adjusted point in its parameter's prior, quantiles in (0, 1), shape (points * REPEATS, p).
    explained: share of the variance of normal scores that the statistics explain, (p,). doubt: probability of at
    least so much by luck of the points alone, (p,). `learned`: whether that is too small for luck, (p,).
    """

    places: FloatArray
    explained: FloatArray
    doubt: FloatArray

    @property
    def learned(self) -> NDArray[np.bool_]:
        """Which parameters are explained beyond what few points explain by chance (Bonferroni)."""
        return np.asarray(self.doubt < FAMILY / max(1, len(self.doubt)))


def with_sampling_error(simulated: FloatArray, covariance: FloatArray, seed: int, names: Sequence[str]) -> FloatArray:
    """Statistics as a firm would have found them in the simulated worlds: shape (points, REPEATS, k).

    simulated: (points, k), expected values. covariance: of the evidence's own sampling error, (k, k). names: of the
    statistics, by which their errors are drawn.
    """
    points, k = simulated.shape
    u = latin_hypercube(seed, [f"sampling error of {name}" for name in names], points * REPEATS)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))  # a covariance of shares may lack full rank
    return np.asarray(simulated[:, None, :] + (ndtri(u) @ root.T).reshape(points, REPEATS, k))


def updated(places: FloatArray, found: FloatArray, observed: FloatArray) -> Posterior:
    """Condition points of the prior on observed statistics.

    places: of the points in their priors, quantiles in (0, 1), (points, p). found: statistics with sampling error,
    (points, REPEATS, k). observed: (k,). Raises ValueError where the points are too few for so many statistics.
    """
    points, repeats, k = found.shape
    if points < POINTS_PER_STATISTIC * (k + 1):
        raise ValueError(f"{points} points are too few for {k} statistics; at least {POINTS_PER_STATISTIC * (k + 1)}")
    score = np.repeat(ndtri(places), repeats, axis=0)
    centre, spread = found.mean(axis=(0, 1)), found.std(axis=(0, 1))
    spread = np.where(spread > 0.0, spread, 1.0)
    x = (found.reshape(-1, k) - centre) / spread
    mean = score.mean(axis=0)
    slopes, *_ = np.linalg.lstsq(x, score - mean, rcond=None)
    residual = score - mean - x @ slopes
    free = points - k - 1  # the points are what is independent, not their repeats
    residual *= np.sqrt((points - 1) / free)
    explained = 1.0 - residual.var(axis=0) / score.var(axis=0)
    adjusted = mean + (observed - centre) / spread @ slopes + residual
    return Posterior(ndtr(adjusted), explained, _doubt(explained, points, k))


def _doubt(explained: FloatArray, points: int, k: int) -> FloatArray:
    """Tail probability of the regression's F statistic; `explained` is already adjusted for degrees of freedom."""
    free = points - k - 1
    left = np.clip(1.0 - explained, 1e-12, None) * free / (points - 1)
    return np.asarray(fdtrc(k, free, np.maximum((1.0 - left) / k, 0.0) / (left / free)))


def share_beyond(found: FloatArray, observed: FloatArray) -> FloatArray:
    """Two-sided share of simulated statistics at least as far out as the observed one, (k,): 0 where none is.

    found: (points, REPEATS, k), sampling error included.
    """
    flat = found.reshape(-1, found.shape[-1])
    below, above = (flat <= observed).mean(axis=0), (flat >= observed).mean(axis=0)
    return np.asarray(np.minimum(1.0, 2.0 * np.minimum(below, above)))
