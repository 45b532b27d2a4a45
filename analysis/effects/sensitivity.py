"""Which uncertain parameter drives an effect over points; computed from the points that were run, without a model.

- Spearman's (1904) rank correlation: sign and strength of a monotone influence.
- Sobol's (1993) first-order index: the share of the effect's variance over points that one parameter explains alone. It
  is estimated by RBD-FAST (Tarantola, Gatelli and Mara 2006; on given points: Plischke 2010), bias-corrected (Tissot
  and Prieur 2012), as SALib has it. SALib's other estimator for given points, `delta`, cuts each range into as few as
  four classes at 200 points and does not see an influence that turns within one of them.

Total indices would need a design of their own, (parameters + 2) times the points: they cannot be had from these.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.special import ndtri

from analysis.effects.estimands import SHARE
from analysis.folders.run_folder import needed

HARMONICS = 6
"""Of the Fourier series that an influence is described by (Saltelli, Tarantola and Chan 1999: 4 to 6). Each one adds
noise, and at 200 points SALib's default of 10 adds more than influences as smooth as these need."""

RESAMPLES = 50


def sensitivity(points: pd.DataFrame, effect: pd.Series, seed: int) -> pd.DataFrame:
    """Influence of every parameter on an effect, both by point; the strongest rank correlation first.

    Columns name, rank_correlation, chance, first_order, first_order_error, points (units in sim.tables.SENSITIVITY).
    Parameters that do not vary are left out.
    """
    table = rank_correlations(points, effect)
    names = list(table["name"])
    n = len(effect)
    first, error = first_order(points.loc[effect.index, names], effect, seed) if names else ([], [])
    table.insert(2, "chance", chance(len(names), n))
    table.insert(3, "first_order", first)
    table.insert(4, "first_order_error", error)
    return table


def chance(parameters: int, points: int) -> float:
    """What the largest rank correlation of so many parameters stays below by chance alone, 95 times in 100."""
    alone = 1 - 0.95 ** (1 / max(parameters, 1))  # Sidak: one of so many beyond the bound, 5 times in 100
    return float(ndtri(1 - alone / 2)) / math.sqrt(points - 1)


def rank_correlations(points: pd.DataFrame, effect: pd.Series) -> pd.DataFrame:
    """Spearman's rank correlation of each column of `points` with `effect`, over the points of `effect`.

    Columns name, rank_correlation (-1 to 1), points; strongest first, then by name. Empty where nothing varies.
    """
    own = points.reindex(effect.index)
    names = sorted(str(name) for name in own.columns if own[name].notna().all() and own[name].nunique() > 1)
    found = []
    if effect.nunique() > 1:
        ranks = effect.rank()
        found = [(name, float(np.corrcoef(own[name].rank(), ranks)[0, 1])) for name in names]
    table = pd.DataFrame(found, columns=["name", "rank_correlation"])
    table = table.assign(rank_correlation=table["rank_correlation"].round(12), points=len(effect))
    return table.sort_values("rank_correlation", key=abs, ascending=False, kind="stable", ignore_index=True)


def first_order(points: pd.DataFrame, effect: pd.Series, seed: int) -> tuple[list[float], list[float]]:
    """First-order Sobol indices of the columns of `points`, and half-widths of their 90 % intervals.

    Chance can put an index below zero; it is left there. The half-widths are SALib's, from resamples of half the
    points, and so on the safe side.
    """
    rbd_fast = needed("SALib.analyze.rbd_fast")
    # The method asks for order alone. Ties (a choice has many) are put in the points' order, the same on every machine.
    order = points.rank(method="first").to_numpy()
    problem = {"num_vars": order.shape[1], "names": list(points.columns)}
    found = rbd_fast.analyze(
        problem, order, effect.to_numpy(), M=HARMONICS, num_resamples=RESAMPLES, conf_level=SHARE, seed=seed
    )
    return [float(value) for value in found["S1"]], [float(value) for value in found["S1_conf"]]


def established(table: pd.DataFrame) -> pd.Series:
    """Which rows have a rank correlation beyond that which the largest has by chance."""
    return table["rank_correlation"].abs() > table["chance"]
