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
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.folders.run_folder import interventions, variant_arms
from sim.tables import AB_METRICS, ADAPTIVE_PARTS, BASELINE, EFFECTS, EVERYBODY, METRICS, PARTS, ROI, Metric

Array = npt.NDArray[np.float64]

GRID = 2.0**-20
"""Values are put on this binary grid: sums and differences of such numbers below 2**32 are exact in float64."""

TOTAL_ONLY = frozenset({"ltv_acquired"})
NO_AB = frozenset({"ltv_acquired", "nps_stayers"})
SHARE = 0.90


FEWEST = 30
"""Points below which no interval is told: quantiles near the ends would be those of two or three points."""

SKEWED = 0.1
"""Share of the interval's width by which the median lies off the mean from which it is told beside it."""

NORMAL_90 = 1.6448536269514722
"""Standard errors from the middle to either end of a central 90 % interval."""

RESAMPLES = 1000
"""Of a bootstrap (Efron 1979): its own error is then some 2 % of the error it tells."""


class Spread(NamedTuple):
    """What points say of one further point, in the unit of their values.

    The interval holds 90 %; its ends are NaN below FEWEST points. `least` and `most` are the outermost points.
    """

    mean: float
    low: float
    high: float
    p_positive: float
    median: float
    least: float
    most: float
    points: int


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


def by_point(cube: Cube, name: str, metric: str) -> pd.Series:
    """The total effect for everybody at each point (index replication), points without a value left out, the luck of
    the seed taken out where second seeds tell it."""
    effect = cube.effect(name, EVERYBODY, metric)
    known = ~np.isnan(effect[0])
    return pd.Series(without_luck(effect[0, known], luck(effect)), index=cube.replications[known])


def ltv_by_point(measures: pd.DataFrame, name: str) -> pd.Series:
    """As `by_point`, on LTV."""
    return by_point(Cube(measures[(measures["metric"] == "ltv") & (measures["segment"] == EVERYBODY)]), name, "ltv")


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


def without_luck(effect: Array, luck: float) -> Array:
    """Effects (points,) pulled towards their mean until the luck of the seed adds nothing to their spread.

    Each point's effect is measured in one simulated world, with an error of standard deviation `luck` (NaN: not known,
    nothing is taken away). The result has the variance of the true effects (Louis 1984). The mean of n points is itself
    known no better than to a share 1/n of their variance, which is left in.
    """
    n, variance = len(effect), float(np.var(effect, ddof=1)) if len(effect) > 1 else 0.0
    if not variance > 0 or math.isnan(luck):
        return effect
    share = max(1 - luck**2 / variance, 0.0) + 1 / n
    mean = float(np.mean(effect))
    return np.asarray(mean + math.sqrt(min(share, 1.0)) * (effect - mean))


def spread(values: Array, luck: float = math.nan) -> Spread:
    """What points (points,) say of one further point, the seed's luck of this standard deviation taken out.

    The interval's ends are the 5 % and 95 % quantiles (Hyndman and Fan 1996, definition 8). They lie between points, so
    never outside what the metric can be.
    """
    n = len(values)
    if n == 0:
        return Spread(math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, 0)
    kept = without_luck(values, luck)
    low, high = interval(kept) if n >= FEWEST else (math.nan, math.nan)
    ends = float(np.min(kept)), float(np.max(kept))
    return Spread(float(np.mean(values)), low, high, probability(kept), float(np.median(kept)), *ends, n)


def interval(values: Array) -> tuple[float, float]:
    """The 5 % and 95 % quantiles of points (points,)."""
    low, high = np.quantile(values, [(1 - SHARE) / 2, (1 + SHARE) / 2], method="median_unbiased")
    return float(low), float(high)


def probability(effect: Array) -> float:
    """P(> 0) over points (points,): (k + 1/2)/(n + 1), so that points alone never claim certainty.

    k of the n effects are above zero; one that is zero counts half. NaN below two points.
    """
    above = float(np.sum(effect > 0)) + float(np.sum(effect == 0)) / 2
    return (above + 0.5) / (len(effect) + 1) if len(effect) > 1 else math.nan


def skewed(over: Any) -> bool:
    """Whether the median says something else than the mean; `over` has mean or effect, median, low and high."""
    mean = over.mean if isinstance(over, Spread) else over.effect
    return bool(abs(over.median - mean) > SKEWED * (over.high - over.low))


def luck(effect: Array) -> float:
    """Standard deviation of one point's effect that is due to the seed alone; NaN without second seeds.

    effect: (seeds, points). Two seeds at the same point differ by the luck of the seed only, so its variance is the
    mean over points with two seeds of half the squared difference (a paired one-way random effects model).
    """
    both = ~np.isnan(effect[:2]).any(axis=0)
    return math.sqrt(float(np.mean((effect[0, both] - effect[1, both]) ** 2)) / 2) if both.any() else math.nan


def luck_share(values: Array, luck: float) -> float:
    """Share of the variance over points (points,) that is the luck of the seed; NaN where it is not known."""
    variance = float(np.var(values, ddof=1)) if len(values) > 1 else 0.0
    return min(luck**2 / variance, 1.0) if variance > 0 else math.nan


def monte_carlo_error(effect: Array) -> float:
    """Standard error that the luck of the seed leaves in the mean over points of row 0; NaN without second seeds."""
    return luck(effect) / math.sqrt(max(int(np.sum(~np.isnan(effect[0]))), 1))


def standard_error(values: Array) -> float:
    """Of a mean over points (points,), by what is not known and by luck together; NaN below two points."""
    return float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan


class Steadiness(NamedTuple):
    """Bootstrap standard errors: of the interval's worse end as a share of its width, and of P(> 0)."""

    ends: float
    probability: float


def steadiness(effect: Array) -> Steadiness:
    """How well the points tell their interval and P(> 0); infinite below FEWEST points. effect: (seeds, points)."""
    known = effect[0, ~np.isnan(effect[0])]
    if len(known) < FEWEST:
        return Steadiness(math.inf, math.inf)
    values = without_luck(known, luck(effect))
    drawn = values[resamples(len(values))]
    ends = np.quantile(drawn, [(1 - SHARE) / 2, (1 + SHARE) / 2], axis=1, method="median_unbiased")
    low, high = interval(values)
    errors = np.std(ends, axis=1).max() / (high - low) if high > low else 0.0
    return Steadiness(float(errors), float(np.std([probability(one) for one in drawn])))


def resamples(points: int) -> npt.NDArray[np.int64]:
    """Bootstrap samples, rows of indices (RESAMPLES, points); always the same ones."""
    return np.random.default_rng(0).integers(points, size=(RESAMPLES, points))


def effects_table(measures: pd.DataFrame, metrics: tuple[Metric, ...] = METRICS) -> pd.DataFrame:
    """Rows of effects.csv (columns of sim.tables.EFFECTS) for every intervention, metric, segment and estimand.

    A point in which an arm of the split has no value (an NPS without customers, or a point without a split) is left out
    of all parts, so that these add up to the total at the same points; `replications` says how many each row has.
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
    for arm in variant_arms(measures):
        for metric in metrics:
            rows += _metric_rows(cube, arm, metric, EVERYBODY)
    return pd.DataFrame(rows, columns=[column.name for column in EFFECTS]).astype({"replications": "int32"})


def _metric_rows(cube: Cube, name: str, metric: Metric, segment: str) -> Iterator[dict[str, object]]:
    """The total at all points, its parts at those that have them, then the field test."""
    base = on_grid(cube.get(BASELINE, segment, metric.name))
    used = coalitions(cube, name, segment, metric.name)
    keep = _known(base, used["total"])
    if keep.any():
        whole = used["total"][:, keep]
        yield _row(name, metric, segment, "total", grid_mean(base[0, keep]), grid_mean(whole[0]), whole)
    keep = _known(base, *used.values())
    if len(used) > 1 and keep.any():
        values = {part: table[:, keep] for part, table in used.items()}
        means = parts({part: np.asarray(grid_mean(table[0])) for part, table in values.items()})
        level = grid_mean(base[0, keep])
        for estimand, effect in parts(values).items():
            if estimand != "total":
                yield _row(name, metric, segment, estimand, level, float(means[estimand]), effect)
    if metric.kind != "sum" and metric.name not in NO_AB:
        yield from _test_rows(cube, name, metric, segment)


def _known(*tables: Array) -> npt.NDArray[np.bool_]:
    """The points at which none of these (seeds, points) lacks a value under the first seed."""
    return np.asarray(~np.isnan(np.vstack([table[:1] for table in tables])).any(axis=0))


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
    """Mean change in LTV, which is net of the cost, over mean cost; no row where nothing costs anything.

    Levels are blank: without the intervention there is no return on it. The interval is that of the ratio of the two
    means, from resampled points. P(> 0) and the outermost points are of the return at each point that costs anything.
    """
    effect, cost = cube.effect(name, segment, "ltv"), cube.effect(name, segment, "cost")[0]
    keep = ~np.isnan(effect[0]) & ~np.isnan(cost)
    gain, cost = without_luck(effect[0, keep], luck(effect)), cost[keep]
    if not cost.any():
        return
    mean = float(on_grid(np.mean(gain) / np.mean(cost)))
    each = spread(gain[cost != 0] / cost[cost != 0])
    chosen = resamples(len(gain))
    drawn = np.mean(gain[chosen], axis=1) / np.mean(cost[chosen], axis=1)
    ends = interval(drawn) if len(gain) >= FEWEST else (math.nan, math.nan)
    over = each._replace(mean=mean, low=ends[0], high=ends[1], median=mean, points=len(gain))
    error = float(np.std(drawn)) if len(gain) > 1 else math.nan
    yield _entry(name, ROI, segment, "total", math.nan, over, error)


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
    over = spread(effect[0], luck(effect))._replace(mean=mean)
    return _entry(name, metric, segment, estimand, level, over, standard_error(effect[0]))


def _entry(
    name: str, metric: Metric, segment: str, estimand: str, level: float, over: Spread, error: float
) -> dict[str, object]:
    return {
        "metric": metric.name,
        "unit": metric.unit,
        "segment": segment,
        "estimand": estimand,
        "baseline": level,
        "scenario": level + over.mean,
        "effect": over.mean,
        "median": over.median,
        "ci_low": over.low,
        "ci_high": over.high,
        "least": over.least,
        "most": over.most,
        "se": error,
        "p_positive": over.p_positive,
        "replications": over.points,
        "intervention": name,
    }


class Share(NamedTuple):
    """A share counted over points, with Wilson's (1927) 90 % interval; NaN where there is no point."""

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
    p, z = positive / points, NORMAL_90
    middle, half = 2 * positive + z**2, z * math.sqrt(4 * positive * (1 - p) + z**2)
    low, high = ((middle + side * half) / (2 * (points + z**2)) for side in (-1, 1))
    return Share(points, positive, p, max(low, 0.0), min(high, 1.0))
