"""From measured arms to effects: the arithmetic, without folders.

Definitions are those of docs/ODD.md 4, "Estimands". For an intervention X and any metric, v(c) is the effect of X over
the baseline when only the interfaces in coalition c are live and the others are replayed from the baseline:

- total = v(all), direct = v(none), spillover = total - direct;
- Shapley split of the spillover (Shapley 1953). Where no campaign learns, company state is constant and wom =
  ((v(wom) - v(none)) + (v(all) - v(congestion))) / 2, congestion likewise; else an interface's share is its mean
  contribution over the six orders in which three of them can become live. company = spillover - wom - congestion:
  the remainder, so that parts add up.

Total and direct effects under interference are those of Hudgens and Halloran (2008), with the direct
effect taken at zero saturation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtr, stdtrit
from scipy.stats import binomtest

from analysis.folders.run_folder import interventions
from sim.tables import AB_METRICS, ADAPTIVE_PARTS, BASELINE, EFFECTS, EVERYBODY, METRICS, PARTS, ROI, Metric

Array = npt.NDArray[np.float64]

GRID = 2.0**-20
"""Values are put on this binary grid: sums and differences of such numbers below 2**32 are exact in float64."""

TOTAL_ONLY = frozenset({"ltv_acquired"})
NO_AB = frozenset({"ltv_acquired", "nps_stayers"})
SHARE = 0.90


class Spread(NamedTuple):
    """Mean over points, the 90 % predictive interval and the probability of a positive value."""

    mean: float
    low: float
    high: float
    p_positive: float


class Cube:
    """measures.parquet by arm, group, segment and metric: arrays of shape (seeds, points), NaN where not run."""

    def __init__(self, measures: pd.DataFrame) -> None:
        self.replications = np.unique(measures["replication"].to_numpy())
        self.seeds = max(2, int(measures["second_seed"].max()) + 1) if len(measures) else 2
        self.segments = [str(name) for name in pd.unique(measures["segment"])]
        row = np.searchsorted(self.replications, measures["replication"].to_numpy())
        seed = measures["second_seed"].to_numpy(dtype=np.int64)
        value = measures["value"].to_numpy(dtype=np.float64)
        self._values: dict[tuple[str, str, str, str], Array] = {}
        keys = ["arm", "group", "segment", "metric"]
        for found, index in measures.groupby(keys, sort=False, observed=True).indices.items():
            key = cast(tuple[str, str, str, str], found)
            cells = np.full((self.seeds, len(self.replications)), np.nan)
            if len(np.unique(seed[index] * len(self.replications) + row[index])) != len(index):
                raise ValueError(f"measures hold {' '.join(key)} more than once for a replication")
            cells[seed[index], row[index]] = value[index]
            self._values[key] = cells

    def get(self, arm: str, segment: str, metric: str, group: str = "all") -> Array:
        """Values (seeds, points), all NaN when the arm, group, segment or metric was not measured."""
        missing = np.full((self.seeds, len(self.replications)), np.nan)
        return self._values.get((arm, group, segment, metric), missing)

    def effect(self, arm: str, segment: str, metric: str) -> Array:
        """Arm less baseline, on the grid."""
        return on_grid(self.get(arm, segment, metric)) - on_grid(self.get(BASELINE, segment, metric))


def ltv_by_point(measures: pd.DataFrame, name: str) -> pd.Series:
    """The total effect on everybody's LTV at each point (index replication), points without a value left out."""
    cube = Cube(measures[(measures["metric"] == "ltv") & (measures["segment"] == EVERYBODY)])
    return pd.Series(cube.effect(name, EVERYBODY, "ltv")[0], index=cube.replications).dropna()


def on_grid(values: Array) -> Array:
    """`values` rounded to multiples of GRID (exact below 2**32; larger ones are on the grid already)."""
    return np.asarray(np.round(values / GRID) * GRID, dtype=np.float64)


def grid_mean(values: Array) -> float:
    """Mean over points, on the grid."""
    return float(on_grid(np.asarray(np.mean(values)))) if len(values) else math.nan


def parts(value: Mapping[str, Array]) -> dict[str, Array]:
    """The estimands from the coalitions' values, any shape, by the names of `sim.tables` and `total`.

    Adds up exactly for values on the grid.
    """
    none, everything = value["direct"], value["total"]
    spillover = everything - none
    share = _share_of_three if "company" in value else _share_of_two
    by_wom, by_congestion = share(value, "wom", "congestion"), share(value, "congestion", "wom")
    return {
        "total": everything,
        "direct": none,
        "spillover": spillover,
        "wom": by_wom,
        "congestion": by_congestion,
        "company": spillover - by_wom - by_congestion,
    }


def _share_of_two(value: Mapping[str, Array], own: str, other: str) -> Array:
    return ((value[own] - value["direct"]) + (value["total"] - value[other])) / 2


def _share_of_three(value: Mapping[str, Array], own: str, other: str) -> Array:
    """Shapley value beside another interface and the company: alone and last count twice, in the middle once."""
    first = value[own] - value["direct"]
    after_other = value["wom_congestion"] - value[other]
    after_company = value[f"{own}_company"] - value["company"]
    last = value["total"] - value[f"{other}_company"]
    return on_grid((2 * first + after_other + after_company + 2 * last) / 6)


def coalitions(cube: Cube, name: str, segment: str, metric: str) -> dict[str, Array]:
    """Effects (seeds, points) of a scenario under every set of live interfaces that was run, `total` last.

    Only the total where the split was not run, or is not defined for the metric.
    """
    total = {"total": cube.effect(name, segment, metric)}
    if metric in TOTAL_ONLY:
        return total
    split = {part: cube.effect(f"{name}/{part}", segment, metric) for part in ADAPTIVE_PARTS}
    run = {part: values for part, values in split.items() if not np.isnan(values[0]).all()}
    for whole in (ADAPTIVE_PARTS, PARTS):
        if set(whole) <= set(run):
            return {part: run[part] for part in whole} | total
    return total


def turned(effect: float, more: float) -> bool:
    """Whether an effect has the other sign once `more` is added."""
    return effect * (effect + more) < 0


def spread(values: Array) -> Spread:
    """The 90 % predictive interval for one further point, and the probability that it is positive.

    mean +- t(.95, n-1) * sd * sqrt(1 + 1/n), Student's t, for n points (1,). The question is where the effect of the
    one real world lies, a further point from the same range of parameters, not where the mean over points lies; hence 1
    + 1/n and not 1/n (Hahn and Meeker 1991). With 8 points the 5 % and 95 % quantiles would lie between the two
    outermost points at either end and cover far less than 90 %; t pays for not knowing the standard deviation, at the
    price of assuming that effects over points are roughly normal.

    With one point, or none, the ends and the probability are NaN. Where all points agree the interval is
    that point and the probability is 1, 0 or one half at zero.
    """
    n = len(values)
    if n == 0:
        return Spread(math.nan, math.nan, math.nan, math.nan)
    mean = float(np.mean(values))
    if n == 1:
        return Spread(mean, math.nan, math.nan, math.nan)
    if np.ptp(values) == 0:
        constant = float(values[0])
        return Spread(constant, constant, constant, (1.0 + float(np.sign(constant))) / 2)
    scale = float(np.std(values, ddof=1)) * math.sqrt(1 + 1 / n)
    half = float(stdtrit(n - 1, (1 + SHARE) / 2)) * scale
    return Spread(mean, mean - half, mean + half, float(stdtr(n - 1, mean / scale)))


def monte_carlo_error(effect: Array) -> float:
    """Standard error of the mean over points of row 0 that is due to the seed alone; NaN without second seeds.

    effect: (seeds, points). Two seeds at the same point of the parameters differ by Monte Carlo noise only,
    so the variance of one run is estimated by the mean over points with two seeds of half the squared difference
    (a paired one-way random effects model), and the error of a mean of n points is the root of that over n.
    """
    first, second = effect[0], effect[1]
    both = ~(np.isnan(first) | np.isnan(second))
    if not both.any():
        return math.nan
    variance = float(np.mean((first[both] - second[both]) ** 2)) / 2
    return math.sqrt(variance / int(np.sum(~np.isnan(first))))


def effects_table(measures: pd.DataFrame, metrics: tuple[Metric, ...] = METRICS) -> pd.DataFrame:
    """Rows of effects.csv (columns of sim.tables.EFFECTS) for every intervention, metric, segment and estimand.

    A point in which any arm of a metric has no value (an NPS without customers) is left out of all of that
    metric's estimands, so that parts always add up; `replications` says how many remain.
    """
    cube, names = Cube(measures), interventions(measures)
    rows: list[dict[str, object]] = []
    for name in names:
        for metric in metrics:
            for segment in cube.segments:
                rows += _metric_rows(cube, name, metric, segment)
        for segment in cube.segments:
            rows += _roi_rows(cube, name, segment)
            for metric in AB_METRICS:
                rows += _test_rows(cube, name, metric, segment)
    for combined in [name for name in names if "+" in name]:
        rows += _interaction_rows(cube, combined, names, metrics)
    return pd.DataFrame(rows, columns=[column.name for column in EFFECTS]).astype({"replications": "int32"})


def _metric_rows(cube: Cube, name: str, metric: Metric, segment: str) -> Iterator[dict[str, object]]:
    """Total and its parts, then the field test."""
    base = on_grid(cube.get(BASELINE, segment, metric.name))
    used = coalitions(cube, name, segment, metric.name)
    keep = ~np.isnan(np.vstack([base[:1], *[values[:1] for values in used.values()]])).any(axis=0)
    if keep.any():
        values = {part: table[:, keep] for part, table in used.items()}
        mean = {part: np.asarray(grid_mean(table[0])) for part, table in values.items()}
        per_point, means = (parts(values), parts(mean)) if len(used) > 1 else (values, mean)
        level = grid_mean(base[0, keep])
        for estimand, effect in per_point.items():
            yield _row(name, metric, segment, estimand, level, float(means[estimand]), effect)
    if metric.kind != "sum" and metric.name not in NO_AB:
        yield from _test_rows(cube, name, metric, segment)


def _test_rows(cube: Cube, name: str, metric: Metric, segment: str) -> Iterator[dict[str, object]]:
    """What a field test reports (raw), and for means its bias against the total effect."""
    arm = f"{name}/ab"
    treated = on_grid(cube.get(arm, segment, metric.name, "treated"))
    control = on_grid(cube.get(arm, segment, metric.name, "control"))
    raw = treated - control
    keep = ~np.isnan(raw[0])
    if not keep.any():
        return
    level = grid_mean(control[0, keep])
    yield _row(name, metric, segment, "ab_test", level, grid_mean(raw[0, keep]), raw[:, keep])
    if metric.kind != "mean":
        return
    bias = field_test_bias(cube, name, metric.name, segment)
    keep = ~np.isnan(bias[0])
    if keep.any():
        level = grid_mean(on_grid(cube.get(BASELINE, segment, metric.name))[0, keep])
        yield _row(name, metric, segment, "ab_bias", level, grid_mean(bias[0, keep]), bias[:, keep])


def field_test_bias(cube: Cube, name: str, metric: str, segment: str) -> Array:
    """What a field test reports beyond the total effect, (seeds, points); NaN where none was simulated.

    The same split's difference in the untreated world is taken off: it is chance, which the field cannot see.
    """
    arm = f"{name}/ab"
    treated, control = (on_grid(cube.get(arm, segment, metric, side)) for side in ("treated", "control"))
    split = [on_grid(cube.get(BASELINE, segment, metric, f"{arm}:{side}")) for side in ("treated", "control")]
    return treated - control - (split[0] - split[1]) - cube.effect(name, segment, metric)


def _roi_rows(cube: Cube, name: str, segment: str) -> Iterator[dict[str, object]]:
    """(Gross change in LTV - cost) / cost per point; gross = change in LTV + cost, so this is change over cost.

    No row where no point costs anything. Levels are blank: without the intervention there is no return on it.
    """
    gain, cost = cube.effect(name, segment, "ltv"), cube.effect(name, segment, "cost")
    roi = np.divide(gain, cost, out=np.full_like(gain, np.nan), where=cost != 0)
    keep = ~np.isnan(roi[0])
    if keep.any():
        yield _row(name, ROI, segment, "total", math.nan, grid_mean(roi[0, keep]), roi[:, keep])


def _interaction_rows(
    cube: Cube, combined: str, names: list[str], metrics: tuple[Metric, ...]
) -> Iterator[dict[str, object]]:
    """The interaction: total effect of the combination less the sum of its scenarios' total effects."""
    single = [name for name in names if "+" not in name and name in combined.split("+")]
    if len(single) != len(combined.split("+")):
        return
    for metric in metrics:
        for segment in cube.segments:
            base = on_grid(cube.get(BASELINE, segment, metric.name))
            alone = [cube.effect(name, segment, metric.name) for name in single]
            effect = cube.effect(combined, segment, metric.name) - np.sum(alone, axis=0)
            keep = ~np.isnan(effect[0])
            if keep.any():
                totals = [grid_mean(table[0, keep]) for table in alone]
                mean = grid_mean(cube.effect(combined, segment, metric.name)[0, keep]) - math.fsum(totals)
                level = grid_mean(base[0, keep])
                yield _row(" x ".join(single), metric, segment, "total", level, mean, effect[:, keep])


def _row(
    name: str, metric: Metric, segment: str, estimand: str, level: float, mean: float, effect: Array
) -> dict[str, object]:
    """One row; effect: (seeds, points), without blank points in row 0."""
    over = spread(effect[0])
    return {
        "metric": metric.name,
        "unit": metric.unit,
        "segment": segment,
        "estimand": estimand,
        "baseline": level,
        "scenario": level + mean,
        "effect": mean,
        "ci_low": over.low,
        "ci_high": over.high,
        "mc_se": monte_carlo_error(effect),
        "p_positive": over.p_positive,
        "replications": effect.shape[1],
        "intervention": name,
    }


class Share(NamedTuple):
    """A probability counted over points, with Wilson's (1927) 90 % interval; NaN where there is no point."""

    points: int
    positive: int
    probability: float
    low: float
    high: float

    @property
    def side(self) -> int:
        """+1 or -1 where the interval lies on one side of one half, else 0."""
        return int(self.low > 0.5) - int(self.high < 0.5)


def share(gained: npt.NDArray[np.bool_]) -> Share:
    """How often among points."""
    return counted(int(np.sum(gained)), len(gained))


def counted(positive: int, points: int) -> Share:
    """So many of so many."""
    if points == 0:
        return Share(0, 0, math.nan, math.nan, math.nan)
    ends = binomtest(positive, points).proportion_ci(SHARE, method="wilson")
    return Share(points, positive, positive / points, float(ends.low), float(ends.high))
