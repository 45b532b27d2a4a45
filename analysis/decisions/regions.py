"""When an outcome holds: one region of the uncertain parameters, bounded by one or two conditions.

Regions are the nodes of a shallow classification tree (Breiman and others 1984). Of these the one is taken in which the
outcome is most over-represented: support times (density - base rate), the weighted relative accuracy of subgroup
discovery (Lavrac, Flach and Zupan 1999), which weighs density against coverage as scenario discovery does by hand
(Bryant and Lempert 2010).

Two hundred points of eighty parameters overfit: in the points that a region was chosen by, it looks better than it is.
So each region is judged in points held out. The points are divided into folds; for each the whole search runs without
it, and the region found is applied to it. A region is stated only where this held-out accuracy is above zero by more
than chance, and gets a second condition only where that helps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.effects.estimands import share
from analysis.folders.run_folder import needed

FOLDS = 5
FEWEST = 10
"""Fewest points with the outcome, and fewest without it, with which a region is sought."""

LEAST_SUPPORT = 0.1
CONDITIONS = (1, 2)
CERTAINTY = 1.645
"""Standard errors by which a region must beat the base rate in held-out points: 95 times in 100, one-sided."""

Mask = npt.NDArray[np.bool_]
Box = dict[str, tuple[float, float]]
"""Bounds by parameter, infinite where there is none: above the first, and up to the second."""


class Region(NamedTuple):
    """A region in which an outcome is frequent; shares of points as in sim.tables.REGIONS."""

    box: Box
    base_rate: float
    support: float
    coverage: float
    density: float
    held_out: float
    held_out_low: float
    held_out_high: float
    elsewhere: float
    points: int


def find_region(points: pd.DataFrame, outcome: Mask, seed: int) -> Region | None:
    """The region of an outcome over points; None where none beats the base rate at points left out.

    points: (points, parameters), outcome: (points,). Depends on the values and `seed` alone.
    """
    if min(int(outcome.sum()), int((~outcome).sum())) < FEWEST:
        return None
    held = {depth: _held_out(points, outcome, depth, seed) for depth in CONDITIONS}
    gains = {depth: inside * (outcome - outcome.mean()) for depth, inside in held.items()}
    good = [depth for depth, gain in gains.items() if gain.mean() > CERTAINTY * _error(gain)]
    if not good:
        return None
    depth = good[0]
    for deeper in good[1:]:
        more = gains[deeper] - gains[depth]
        depth = deeper if more.mean() > _error(more) else depth
    return _region(points, outcome, _search(points, outcome, depth, seed), held[depth])


def inside(points: pd.DataFrame, box: Box) -> Mask:
    """Which points lie in a region."""
    within = np.ones(len(points), bool)
    for name, (low, high) in box.items():
        values = points[name].to_numpy()
        within &= (values > low) & (values <= high)
    return within


def _error(gain: npt.NDArray[np.float64]) -> float:
    return float(np.std(gain, ddof=1)) / math.sqrt(len(gain))


def _held_out(points: pd.DataFrame, outcome: Mask, depth: int, seed: int) -> Mask:
    """For each point, whether it lies in the region that is found without its fold."""
    folds = needed("sklearn.model_selection").StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    found = np.zeros(len(points), bool)
    for train, test in folds.split(points, outcome):
        box = _search(points.iloc[train], outcome[train], depth, seed)
        found[test] = inside(points.iloc[test], box)
    return found


def _search(points: pd.DataFrame, outcome: Mask, depth: int, seed: int) -> Box:
    """The best node of a tree of so many conditions, the whole space where none is better."""
    least = max(FEWEST // 2, math.ceil(LEAST_SUPPORT * len(points)))
    tree = needed("sklearn.tree").DecisionTreeClassifier(max_depth=depth, min_samples_leaf=least, random_state=seed)
    fitted = tree.fit(points.to_numpy(), outcome).tree_
    boxes = list(_boxes(fitted, [str(name) for name in points.columns], 0, {}))
    base = float(outcome.mean())
    return max(boxes, key=lambda box: float(np.sum(outcome[inside(points, box)] - base)))


def _boxes(tree: Any, names: list[str], node: int, box: Box) -> Iterator[Box]:
    """The region of a node and of all nodes below it."""
    yield box
    if tree.children_left[node] == tree.children_right[node]:
        return
    name, cut = names[tree.feature[node]], float(tree.threshold[node])
    low, high = box.get(name, (-math.inf, math.inf))
    yield from _boxes(tree, names, tree.children_left[node], box | {name: (low, min(high, cut))})
    yield from _boxes(tree, names, tree.children_right[node], box | {name: (max(low, cut), high)})


def _region(points: pd.DataFrame, outcome: Mask, box: Box, held: Mask) -> Region:
    within, tested = inside(points, box), share(outcome[held])
    return Region(
        box=box,
        base_rate=float(outcome.mean()),
        support=float(within.mean()),
        coverage=float(outcome[within].sum() / outcome.sum()),
        density=float(outcome[within].mean()),
        held_out=tested.probability,
        held_out_low=tested.low,
        held_out_high=tested.high,
        elsewhere=float(outcome[~within].mean()) if (~within).any() else math.nan,
        points=len(outcome),
    )
