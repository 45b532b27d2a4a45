"""What a planned field test is worth: from the tests simulated in many worlds to bias, power and a choice of design.

Every share is counted over tests of worlds whose truth is known; nothing is assumed of their distribution. Two things
are computed instead, with chance scaled by 1 / sqrt(size) as in any sample size formula and estimates taken as normal:
the size a test needs, and what it would do on all members of the firm where fewer customers are simulated.

Wrong signs and exaggeration among significant results are the type S and type M errors of Gelman and Carlin (2014).
Bias under interference follows Hudgens and Halloran (2008): what a test reports is an effect at its own saturation.
"""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri, stdtrit

from analysis.effects.sensitivity import chance, rank_correlations
from analysis.folders.run_folder import Run
from sim.files.disk import write_csv
from sim.tables import PREMORTEM, TEST_METRICS

DECIDES = TEST_METRICS[0].name
"""The metric by which a design is chosen."""

NEAR = 1.1
"""Largest ratio of a reading's error to the smallest one at which it counts as equally good."""

KEYS = ["design", "metric", "weeks"]

Floats = npt.NDArray[np.float64]


class PreMortem(Run):
    """The folder of a pre-mortem. Raises RunError where it is none."""

    required: ClassVar[tuple[str, ...]] = ("config.yaml", "tests.parquet")

    @cached_property
    def tests(self) -> pd.DataFrame:
        """tests.parquet: a row per point, design, test, metric and reading."""
        return self.table("tests.parquet")

    @cached_property
    def summary(self) -> pd.DataFrame:
        """premortem.csv: a row per design, metric and reading."""
        return summarised(self.tests, self.level, self.power, self.simulated, self.members)

    @property
    def simulated(self) -> int:
        """Members simulated, all of them in the test."""
        return int(self.config["customers"])

    @property
    def members(self) -> int:
        """The firm's members."""
        return int(self.setting("company.members", self.simulated))

    @property
    def level(self) -> float:
        """Two-sided level of significance."""
        return float(self.setting("premortem.level"))

    @property
    def power(self) -> float:
        """Power that is wanted."""
        return float(self.setting("premortem.power"))

    @property
    def worlds(self) -> int:
        """Points of what is not known."""
        return int(self.tests["point"].nunique())


def write_summary(folder: Path | str) -> pd.DataFrame:
    """Write premortem.csv into the folder of a pre-mortem, and return it. Raises RunError, OSError."""
    run = PreMortem(folder)
    write_csv(run.folder / "premortem.csv", run.summary)
    return run.summary


# -- counting -------------------------------------------------------------------------------------------------


def summarised(tests: pd.DataFrame, level: float, power: float, customers: int, members: int) -> pd.DataFrame:
    """Rows of sim.tables.PREMORTEM from rows of sim.tables.TESTS."""
    rows = []
    for metric in TEST_METRICS:
        for key, part in tests[tests["metric"] == metric.name].groupby(["design", "weeks"], sort=False):
            design, weeks = key
            found = {"design": design, "metric": metric.name, "weeks": weeks, "unit": metric.unit}
            rows.append(found | _counted(part, level) | _scaled(part, level, power, customers, members))
    table = pd.DataFrame(rows, columns=[column.name for column in PREMORTEM])
    table = table.astype({column.name: column.dtype for column in PREMORTEM if column.dtype == "int32"})
    designs = list(pd.unique(tests["design"]))
    return table.sort_values("design", key=lambda names: names.map(designs.index), kind="stable", ignore_index=True)


def _counted(part: pd.DataFrame, level: float) -> dict[str, Any]:
    """What is counted over the tests of one design, metric and reading.

    Means are taken over the tests of a world, then over worlds, and errors are those of the latter: the tests of one
    world share its truth.
    """
    one = _judged(part, level)
    by_world = one.groupby("point")
    worlds, chance_var = by_world.mean(), by_world["estimate"].var()
    error = worlds.std() / math.sqrt(len(worlds))
    mean, sure = worlds.mean(), one[one["significant"] > 0]
    false_alarm = float(one["false_alarm"].mean())
    return {
        "estimate": mean["adjusted"],
        "truth": mean["truth"],
        "bias": mean["bias"],
        "bias_mc_se": error["bias"],
        "interference": mean["interference"],
        "interference_mc_se": error["interference"],
        "early": mean["early"],
        "spread": math.sqrt(chance_var.mean()),
        "se": math.sqrt(mean["variance"]),
        "error": math.sqrt(mean["squared_error"]),
        "truth_size": math.sqrt(float((worlds["truth"] ** 2).mean())),
        "coverage_window": mean["covers_window"],
        "coverage": mean["covers"],
        "power": mean["significant"],
        "power_mc_se": error["significant"],
        "wrong_sign": mean["wrong"],
        "wrong_sign_if_significant": float(sure["wrong"].mean()) if len(sure) else math.nan,
        "wrong_points": int((worlds["adjusted"] * worlds["truth"] < 0).sum()),
        "exaggeration": exaggeration(sure["estimate"], sure["truth"]),
        "false_alarm": false_alarm,
        "false_alarm_mc_se": math.sqrt(false_alarm * (1 - false_alarm) / len(one)),
        "points": len(worlds),
        "tests": len(one),
    }


def _judged(part: pd.DataFrame, level: float) -> pd.DataFrame:
    """Each test held against its world's truth: numeric columns only, shares as 0 and 1."""
    half = stdtrit(part["freedom"], 1 - level / 2) * part["se"]
    adjusted = part["estimate"] - part["split"]
    return pd.DataFrame({
        "point": part["point"],
        "estimate": part["estimate"],
        "adjusted": adjusted,
        "truth": part["truth"],
        "bias": adjusted - part["truth"],
        "interference": adjusted - part["truth_window"],
        "early": part["truth_window"] - part["truth"],
        "variance": part["se"] ** 2,
        "squared_error": (part["estimate"] - part["truth"]) ** 2,
        "covers_window": ((part["estimate"] - part["truth_window"]).abs() <= half).astype(float),
        "covers": ((part["estimate"] - part["truth"]).abs() <= half).astype(float),
        "significant": (part["p_value"] < level).astype(float),
        "wrong": (part["estimate"] * part["truth"] < 0).astype(float),
        "false_alarm": (part["split_p_value"] < level).astype(float),
    })  # fmt: skip


def exaggeration(significant: pd.Series, truth: pd.Series) -> float:
    """Type M error: mean size of significant estimates over the mean size of the truths they stand for.

    A ratio of means, since a mean of ratios would hang on the worlds whose truth is next to nothing.
    """
    size = float(truth.abs().sum())
    return float(significant.abs().sum()) / size if size > 0 else math.nan


# -- scaling --------------------------------------------------------------------------------------------------


def _scaled(part: pd.DataFrame, level: float, power: float, customers: int, members: int) -> dict[str, Any]:
    """What a test of another size would do. Interference is taken not to depend on the size."""
    by_world = part.assign(variance=part["se"] ** 2, adjusted=part["estimate"] - part["split"]).groupby("point")
    mean = by_world[["adjusted", "truth", "variance"]].mean()
    truth, se = mean["truth"].to_numpy(), np.sqrt(mean["variance"].to_numpy())
    own_noise = by_world["adjusted"].var().fillna(0.0) / by_world.size()
    # What is left of the tests' chance in a world's mean would count as bias.
    bias = max(float(((mean["adjusted"] - mean["truth"]) ** 2 - own_noise).mean()), 0.0)
    at_members = se * math.sqrt(customers / members)
    needed = needed_size(truth, se, customers, level, power)
    return {
        "error_at_members": math.sqrt(bias + float(np.mean(at_members**2))),
        "power_at_members": float(np.mean(power_of(mean["adjusted"].to_numpy(), at_members, level))),
        "needed_customers": float(np.median(needed)),
        "needed_customers_high": float(np.quantile(needed, 0.9, method="higher")),
    }


def chance_at_members(run: PreMortem, rows: Any) -> Any:
    """The analyst's standard error of a test on all members, for a row of the summary or several."""
    return rows["se"] * math.sqrt(run.simulated / run.members)


def power_of(effect: Floats, se: Floats, level: float) -> Floats:
    """Probability of a significant result, whatever its sign, of estimates normal around `effect`; shapes alike."""
    with np.errstate(divide="ignore", invalid="ignore"):
        critical, size = ndtri(1 - level / 2), np.abs(effect) / se
    return np.asarray(ndtr(size - critical) + ndtr(-size - critical))


def needed_size(effect: Floats, se: Floats, customers: int, level: float, power: float) -> Floats:
    """Customers in both arms for the wanted power, where a test on `customers` has these standard errors.

    customers * ((z(1 - level / 2) + z(power)) * se / effect)^2: the textbook's formula, with the standard error scaled
    by 1 / sqrt(size) at the same shares. Infinite where there is no effect.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (ndtri(1 - level / 2) + ndtri(power)) * se / np.abs(effect)
    return np.asarray(customers * ratio**2)


# -- choosing -------------------------------------------------------------------------------------------------


def decisive(summary: pd.DataFrame, design: str | None = None) -> pd.DataFrame:
    """Readings of the metric by which a design is chosen; of one design, or of all."""
    rows = summary[summary["metric"] == DECIDES]
    return rows if design is None else rows[rows["design"] == design]


def chosen(summary: pd.DataFrame) -> pd.Series:
    """The row of design and reading to take: of those about as near to the truth as the nearest, the earliest.

    Near is meant for a test on all members of the firm; of two designs at the same week the one named first is taken.
    """
    rows = decisive(summary)
    good = rows[rows["error_at_members"] <= NEAR * rows["error_at_members"].min()]
    row: pd.Series = good.sort_values("weeks", kind="stable").iloc[0]
    return row


def enough_weeks(rows: pd.DataFrame, members: int) -> int | None:
    """The first reading at which the firm's members suffice in half of the worlds; None where none does."""
    weeks = rows.loc[rows["needed_customers"] <= members, "weeks"]
    return int(weeks.min()) if len(weeks) else None


def world_means(tests: pd.DataFrame, row: pd.Series) -> pd.DataFrame:
    """Of the design, metric and reading of a summary's row: by point the mean estimate, chance apart, and the truth."""
    part = tests[(tests[KEYS] == row[KEYS]).all(axis=1)]
    return part.assign(estimate=part["estimate"] - part["split"]).groupby("point")[["estimate", "truth"]].mean()


def culprit(run: PreMortem, row: pd.Series) -> tuple[str, float] | None:
    """The unknown that a test's bias hangs on most, with its rank correlation; None where chance gives as much."""
    worlds = world_means(run.tests, row)
    points = run.points.pivot(index="replication", columns="name", values="value")
    table = rank_correlations(points, worlds["estimate"] - worlds["truth"])
    if table.empty or abs(float(table["rank_correlation"].iloc[0])) < chance(len(table), len(worlds)):
        return None
    return str(table["name"].iloc[0]), float(table["rank_correlation"].iloc[0])
