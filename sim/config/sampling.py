"""Points: values of all uncertain parameters, one point of a Latin hypercube per replication.

A design of twice the size contains the smaller one, so that replications can be added in batches without
throwing any away (nested Latin hypercubes by doubling: Sallaberry, Helton and Hora 2008, Reliability
Engineering & System Safety 93).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from agents.draws import DESIGN, draw
from sim.config.parameters import Choice, Parameter
from sim.config.sections import Jointly
from sim.config.settings import Settings

_PLACE, _ORDER = 0, 1
"""Slots: where in its bin a point lies; in which order points take the free bins."""

_MARGIN = 1e-9
"""Share of a bin kept clear at its ends, so that rounding never moves a point into the next bin."""


def latin_hypercube(seed: int, dims: Sequence[str], n: int) -> NDArray[np.float64]:
    """Design of n points over the named dimensions; float64 in (0, 1), shape (n, len(dims)).

    In every dimension each of n equal bins holds one point. With n = odd * 2**k the first n/2 rows are the design of
    n/2. A dimension depends on its own name alone, so further ones shift nothing. Raises ValueError for n < 1.
    """
    if n < 1:
        raise ValueError(f"a design needs at least one point, not {n}")
    columns = [_dimension(seed, crc32(name.encode()), n) for name in dims]
    return np.column_stack(columns) if columns else np.empty((n, 0))


def _dimension(seed: int, key: int, n: int) -> NDArray[np.float64]:
    """Coordinates of n points: the first half those of the design of n/2, each other one in a bin left free."""
    if n % 2:
        return _fill(seed, key, 0, np.arange(n), n)
    old = _dimension(seed, key, n // 2)
    # Each old point lies in one half of its old bin; the other half is free.
    free = np.floor(old * n).astype(np.int64) ^ 1
    return np.concatenate([old, _fill(seed, key, n // 2, np.sort(free), n)])


def _fill(seed: int, key: int, first: int, bins: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Coordinates of points `first` and on, one in each of the given bins (of n), in a permuted order."""
    numbers = range(first, first + len(bins))
    order = np.argsort([draw(seed, key, i, DESIGN, _ORDER) for i in numbers], kind="stable")
    place = np.array([draw(seed, key, i, DESIGN, _PLACE) for i in numbers])
    filled: NDArray[np.float64] = (bins[order] + np.clip(place, _MARGIN, 1.0 - _MARGIN)) / n
    return filled


def points(settings: Settings, n: int) -> list[dict[str, float | str]]:
    """n points: each maps dotted paths of uncertain parameters to values, as `Settings.at` takes them."""
    uncertain, design = quantiles(settings, n)
    return [
        {path: value_at(one, float(u)) for (path, one), u in zip(uncertain.items(), row, strict=True)} for row in design
    ]


def quantiles(settings: Settings, n: int) -> tuple[dict[str, Parameter | Choice], NDArray[np.float64]]:
    """Dotted paths of the uncertain parameters, and n points as quantiles of each prior, (n, parameters).

    Parameters are independent, except those whose correlation the company's evidence states (`Jointly`).
    """
    uncertain = {path: one for path, one in settings.parameters() if one.uncertain}
    design = latin_hypercube(settings.seed, [_dimension_of(settings, path) for path in uncertain], n)
    return uncertain, _correlated(design, list(uncertain), settings.company.jointly)


def _dimension_of(settings: Settings, path: str) -> str:
    """Name of a parameter's dimension: its path, or for an option the intervention's kind and the option.

    So an option has the same quantile in all interventions of a kind: a point at which pushes are clicked a lot.
    """
    group, *names = path.split(".")
    if group != "scenario":
        return path
    scenario, _, key, *option = names
    return ".".join([settings.scenario[scenario].interventions[key].kind, *option])


def _correlated(design: NDArray[np.float64], names: list[str], jointly: Jointly | None) -> NDArray[np.float64]:
    """The design with some of its dimensions correlated as normal scores (a Gaussian copula), row by row.

    A parameter that is now taken as known drops out and leaves the others as they are.
    """
    if jointly is None:
        return design
    left = [i for i, name in enumerate(jointly.parameters) if name in names]
    columns = [names.index(jointly.parameters[i]) for i in left]
    root = np.linalg.cholesky(np.array(jointly.correlation)[np.ix_(left, left)])
    together = design.copy()
    together[:, columns] = ndtr(ndtri(design[:, columns]) @ root.T)
    return together


def value_at(one: Parameter | Choice, u: float) -> float | str:
    """The parameter's value at quantile u in (0, 1) of what is known about it."""
    if one.options:
        return one.options[min(int(u * len(one.options)), len(one.options) - 1)]
    if isinstance(one, Choice):
        return one.value
    if one.se is not None and one.mean is not None:
        return _truncated_normal(one, one.mean, one.se, u)
    if one.low is not None and one.high is not None:
        return _through_centre(one.low, one.value, one.high, u)
    return one.value


def _through_centre(low: float, centre: float, high: float, u: float) -> float:
    """Quantile of a range whose median is its centre: log-uniform on either side, or uniform if it reaches zero."""
    share, start, end = (2.0 * u, low, centre) if u < 0.5 else (2.0 * u - 1.0, centre, high)
    if low <= 0.0:
        return start + share * (end - start)
    return min(max(start * math.exp(share * math.log(end / start)), start), end)


def _truncated_normal(one: Parameter, mean: float, se: float, u: float) -> float:
    """Quantile of a normal cut off at the parameter's hard bounds."""
    normal = NormalDist(mean, se)
    low, high = normal.cdf(one.bounds.low), normal.cdf(one.bounds.high)
    probability = min(max(low + u * (high - low), 1e-300), 1.0 - 1e-16)
    return min(max(normal.inv_cdf(probability), one.bounds.low), one.bounds.high)
