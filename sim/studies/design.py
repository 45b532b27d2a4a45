"""The points of a sweep: listed, on a grid, or sampled over ranges.

A sweep file (`conf/sweep/NAME.yaml`) has any of

    description: what it asks
    set:    {key: value}                  keys held for all points; the command line stands above them
    points: [{key: value, ...}, ...]      listed points, each with several keys at once
    grid:   {key: [values], ...}          all combinations
    sample: {method: latin_hypercube, size: 64, ranges: {key: [low, high], other: own}}
    block:  25                            one run divided into jobs of so many draws each

`own` is a parameter's own range. What a file has of points, grid, sample and block is combined with one another and
with what the command line lists, each with each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scipy.stats import qmc

from sim.config.parameters import ConfigError, Parameter, listed, nearest, number, show, tidy, whole, word
from sim.config.sampling import latin_hypercube
from sim.config.settings import Settings

PARTS = ("description", "set", "points", "grid", "sample", "block")
METHODS = ("latin_hypercube", "sobol")
MOST_POINTS = 100_000

Point = dict[str, Any]
"""Values by dotted key, in the order in which they were named."""


def held(sweep: Mapping[str, Any]) -> Point:
    """The keys a sweep file holds for all its points. Raises ConfigError for a file of another form."""
    if not isinstance(sweep, Mapping):
        raise ConfigError(f"sweep: {show(sweep)} is not a group of keys; {listed(PARTS)}")
    for key in sweep:
        if key not in PARTS:
            raise ConfigError(f"sweep.{key}: no such key; {listed(PARTS)}{nearest(str(key), PARTS)}")
    return _keyed(sweep.get("set", {}), "sweep.set")


def points(sweep: Mapping[str, Any], settings: Settings) -> list[Point]:
    """All points of a sweep file; one without any key where it lists none.

    `settings` are those without any swept key: they know ranges, seed and draws. Raises ConfigError.
    """
    axes = [
        _listed(sweep.get("points")),
        list(_grid(sweep.get("grid"))),
        _sampled(sweep.get("sample"), settings),
        _blocks(sweep.get("block"), settings),
    ]
    found = [_merged(parts) for parts in itertools.product(*axes)]
    if len(found) > MOST_POINTS:
        raise ConfigError(f"sweep: {len(found)} points are too many; at most {MOST_POINTS}")
    return found


def _merged(parts: Sequence[Point]) -> Point:
    point: Point = {}
    for part in parts:
        for key, value in part.items():
            if key in point:
                raise ConfigError(f"sweep: {key} is swept twice; name it in one of points, grid and sample")
            point[key] = value
    return point


def _keyed(node: Any, path: str) -> Point:
    """A mapping whose keys are written with dots."""
    if not isinstance(node, Mapping):
        raise ConfigError(f"{path}: {show(node)} is not a group of keys")
    return {str(key): value for key, value in node.items()}


def _listed(node: Any) -> list[Point]:
    if node is None:
        return [{}]
    if isinstance(node, str) or not isinstance(node, Sequence) or not node:
        raise ConfigError(f"sweep.points: {show(node)} is not a list of points")
    return [_keyed(point, f"sweep.points[{place}]") for place, point in enumerate(node)]


def _grid(node: Any) -> Iterator[Point]:
    axes = _keyed(node, "sweep.grid") if node is not None else {}
    for key, values in axes.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise ConfigError(f"sweep.grid.{key}: {show(values)} is not a list of values")
    for combination in itertools.product(*axes.values()):
        yield dict(zip(axes, combination, strict=True))


def _blocks(node: Any, settings: Settings) -> list[Point]:
    """The draws of one run, divided into jobs."""
    if node is None:
        return [{}]
    size = _read(whole(1, 100_000), node, "sweep.block")
    if settings.replications == "auto":
        raise ConfigError("sweep.block: dividing a run into blocks of draws needs replications as a number")
    draws = settings.replications
    return [{"draws": [first, min(first + size, draws)]} for first in range(0, draws, size)]


# -- samples --------------------------------------------------------------------------------------------------


def _sampled(node: Any, settings: Settings) -> list[Point]:
    if node is None:
        return [{}]
    sample = _keyed(node, "sweep.sample")
    for key in sample:
        if key not in ("method", "size", "ranges"):
            raise ConfigError(f"sweep.sample.{key}: no such key; one of method, size, ranges")
    method = _read(word(*METHODS), sample.get("method", METHODS[0]), "sweep.sample.method")
    size = _read(whole(1, MOST_POINTS), sample.get("size"), "sweep.sample.size")
    ranges = {
        key: _range(key, ends, settings) for key, ends in _keyed(sample.get("ranges"), "sweep.sample.ranges").items()
    }
    if not ranges:
        raise ConfigError("sweep.sample.ranges: is empty; name at least one key with its [low, high]")
    unit = _unit(method, settings.seed, list(ranges), size)
    return [
        {key: _scaled(*ends, float(u)) for (key, ends), u in zip(ranges.items(), row, strict=True)} for row in unit
    ]


def _read(reader: Any, value: object, path: str) -> Any:
    try:
        return reader(value)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _range(key: str, ends: Any, settings: Settings) -> tuple[float, float, bool]:
    """(low, high, whole numbers only) of a sampled key."""
    path = f"sweep.sample.ranges.{key}"
    if ends == "own":
        one = dict(settings.parameters()).get(key)
        if not isinstance(one, Parameter) or one.low is None or one.high is None:
            known = [name for name, found in settings.parameters() if isinstance(found, Parameter) and found.uncertain]
            raise ConfigError(f"{path}: has no range of its own; write [low, high]{nearest(key, known)}")
        return one.low, one.high, False
    if isinstance(ends, str) or not isinstance(ends, Sequence) or len(ends) != 2:
        raise ConfigError(f"{path}: {show(ends)} is not allowed; [low, high], or own for the parameter's own range")
    low, high = (_read(number, end, path) for end in ends)
    if not low < high:
        raise ConfigError(f"{path}: {show(ends)} is not allowed; [low, high] with low below high")
    return low, high, all(isinstance(end, int) for end in ends)


def _unit(method: str, seed: int, names: list[str], size: int) -> Any:
    """Points of the unit cube, float64 (size, len(names))."""
    if method == "latin_hypercube":
        return latin_hypercube(seed, [f"sweep {name}" for name in names], size)
    if size & (size - 1):
        raise ConfigError(f"sweep.sample.size: {size} is not allowed; sobol points are balanced for powers of two only")
    return qmc.Sobol(len(names), scramble=True, rng=seed).random(size)


def _scaled(low: float, high: float, integer: bool, u: float) -> float | int:
    if integer:
        return int(low) + min(int(u * (high - low + 1)), int(high - low))
    return tidy(float(f"{low + u * (high - low):.6g}"))
