"""Published experiments beside what is predicted: signs, intervals, log scores.

A point's effect is what the experiment would find in that market, its own sampling error apart. The predicted interval
holds the middle 90 % of the points, the luck of the seed taken out.

Log scores compare the density that three predictions give the published value, each with the published error added:

- the model's: Student's t, with one degree of freedom less than there are points, about their mean. Mean and spread are
  estimated from the points, which a normal would pretend to know; a kernel would need a width that nobody knows;
- no effect: normal about zero with the published error alone;
- a constant lift: t about the mean of the other experiments' relative lifts, with their spread. It is what somebody
  would say who knows the literature and no mechanism.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import poch

from analysis.effects.estimands import NORMAL_90, interval, luck, without_luck
from analysis.folders.run_folder import Run
from sim.files.disk import write_csv
from sim.tables import FIELD

Array = npt.NDArray[np.float64]

SURE = 0.9
"""Share of the points with the published sign from which the sign counts as right."""

WIDE = 5.0
"""Times the published interval's width above which a prediction says little."""

FEWEST_OTHERS = 3
"""Other experiments without which there is no constant lift to speak of."""


class FieldSuite(Run):
    """The folder of a field suite. Raises RunError where it is none."""

    required: ClassVar[tuple[str, ...]] = ("config.yaml", "field_points.parquet", "field_findings.csv")

    @cached_property
    def published(self) -> pd.DataFrame:
        """field_findings.csv: a row per finding."""
        return self.table("field_findings.csv")

    @cached_property
    def scores(self) -> pd.DataFrame:
        """field.csv: a row per finding, as published and as predicted."""
        return scored(self.published, self.table("field_points.parquet"))

    def said(self, test: str) -> Mapping[str, Any]:
        """What an experiment's file says."""
        found: Mapping[str, Any] = self.config["field"][test]
        return found


def write_scores(folder: Path | str) -> pd.DataFrame:
    """Write field.csv into the folder of a field suite, and return it. Raises RunError, OSError."""
    suite = FieldSuite(folder)
    write_csv(suite.folder / "field.csv", suite.scores)
    return suite.scores


def scored(published: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Rows of sim.tables.FIELD from rows of FIELD_FINDINGS and FIELD_POINTS."""
    constant = {name: _constant(published, name) for name in published["experiment"].unique()}
    rows = []
    for _number, row in published.iterrows():
        own = points[(points["experiment"] == row["experiment"]) & (points["finding"] == row["finding"])]
        rows.append({**row, **_score(row, _by_seed(own), constant[row["experiment"]])})
    return pd.DataFrame(rows, columns=[column.name for column in FIELD]).astype({"points": "int32"})


def _by_seed(points: pd.DataFrame) -> Array:
    """Effects (2, points), NaN where not run."""
    wide = points.pivot(index="second_seed", columns="point", values="effect").reindex([0, 1])
    return wide.to_numpy(dtype=np.float64)


class Lifts(NamedTuple):
    """Relative lifts of other experiments: mean, standard deviation, how many."""

    mean: float
    sd: float
    experiments: int


def _constant(published: pd.DataFrame, test: str) -> Lifts:
    """The other experiments' relative lifts, one each: the mean of its findings."""
    others = published[published["experiment"] != test].assign(lift=lambda rows: rows["estimate"] / rows["level"])
    lifts = others.groupby("experiment")["lift"].mean().dropna()
    return Lifts(float(lifts.mean()), float(lifts.std()), len(lifts))


def _score(row: pd.Series, effect: Array, others: Lifts) -> dict[str, Any]:
    estimate, se = float(row["estimate"]), float(row["se"])
    low, high = estimate - NORMAL_90 * se, estimate + NORMAL_90 * se
    known = effect[0, ~np.isnan(effect[0])]
    kept = without_luck(known, luck(effect))
    ends = interval(kept) if len(kept) else (math.nan, math.nan)
    signed = math.nan if low <= 0.0 <= high or not len(kept) else sign_right(kept, estimate)
    inside = bool(ends[0] <= estimate <= ends[1])
    nothing = -((estimate / se) ** 2) / 2.0 - math.log(math.sqrt(2 * math.pi)) - math.log(se)
    own, other = _density(estimate, se, kept), _density_of_others(estimate, se, float(row["level"]), others)
    found = {
        "low": low, "high": high, "median": float(np.median(kept)) if len(kept) else math.nan,
        "predicted_low": ends[0], "predicted_high": ends[1], "sign_right": signed, "inside": float(inside),
        "width_ratio": (ends[1] - ends[0]) / (high - low), "score_nothing": own - nothing,
        "score_constant": own - other, "points": len(kept),
    }  # fmt: skip
    return found | {"verdict": verdict(estimate, **{key: found[key] for key in JUDGED})}


def sign_right(effects: Array, estimate: float) -> float:
    """Share of points whose effect has the estimate's sign; one of zero counts half."""
    same = np.sign(effects) == math.copysign(1.0, estimate)
    return float(np.mean(same + 0.5 * (effects == 0)))


def _density(estimate: float, se: float, effects: Array) -> float:
    """Log density of the estimate by Student's t over points, the published error added; NaN below two points."""
    n = len(effects)
    if n < 2:
        return math.nan
    scale = math.sqrt(float(np.var(effects, ddof=1)) * (1 + 1 / n) + se**2)
    return _log_t(estimate, n - 1, float(np.mean(effects)), scale)


def _density_of_others(estimate: float, se: float, level: float, others: Lifts) -> float:
    if math.isnan(level) or others.experiments < FEWEST_OTHERS:
        return math.nan
    scale = math.sqrt((level * others.sd) ** 2 * (1 + 1 / others.experiments) + se**2)
    return _log_t(estimate, others.experiments - 1, level * others.mean, scale)


def _log_t(x: float, freedom: int, mean: float, scale: float) -> float:
    """Log density of Student's t. SciPy's own takes longer to import than a page to write."""
    z = (x - mean) / scale
    constant = math.log(poch(0.5 * freedom, 0.5)) - 0.5 * (math.log(freedom) + math.log(math.pi))
    return constant - (freedom + 1) / 2 * math.log1p(z * z / freedom) - math.log(scale)


JUDGED = ("median", "sign_right", "inside", "width_ratio")


def verdict(estimate: float, median: float, sign_right: float, inside: float, width_ratio: float) -> str:
    """How prediction and finding stand to one another: agrees, vague, unsettled, small, large or opposite."""
    if sign_right < 0.5:
        return "opposite"
    if not inside:
        return "small" if abs(median) < abs(estimate) else "large"
    if sign_right < SURE:
        return "unsettled"
    return "vague" if width_ratio > WIDE else "agrees"


class Tally(NamedTuple):
    """Findings with a sign, those of them right at nine points in ten; all findings, those inside."""

    signed: int
    right: int
    findings: int
    inside: int


def tally(scores: pd.DataFrame) -> Tally:
    """Count over findings."""
    known = scores["sign_right"].dropna()
    return Tally(len(known), int((known >= SURE).sum()), len(scores), int(scores["inside"].sum()))
