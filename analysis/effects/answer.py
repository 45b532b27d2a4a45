"""From a run folder to its answer: effects.csv, the table for a terminal, and sentences on it.

The arithmetic and its sources are in analysis/effects/estimands.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.effects.estimands import (
    Cube,
    Spread,
    Steadiness,
    effects_table,
    luck,
    spread,
    standard_error,
    steadiness,
)
from analysis.folders.run_folder import Run, interventions
from analysis.style import words
from analysis.style.language import _, told_in
from analysis.style.lines import padded, width
from sim.files.disk import write_csv
from sim.tables import BASELINE, EVERYBODY, VARIANT

__all__ = ["effects_table", "stable", "summary_table", "write_effects"]

SHOWN = (
    "ltv", "tail", "profit", "revenue", "cost", "roi", "nps", "nps_surveyed", "csat", "conversion",
    "repeat_rate", "churn", "acquired", "orders", "coupons_redeemed", "norush_share", "lead_time", "on_time",
    "backlog",
)  # fmt: skip
"""Metrics of the terminal's table and the report's, in order."""


class Answer(NamedTuple):
    """One row of effects.csv for everybody, total effect (units of the metric); NaN where there is none."""

    baseline: float
    scenario: float
    effect: float
    median: float
    low: float
    high: float
    least: float
    most: float
    se: float
    p_positive: float
    points: int

    @classmethod
    def of(cls, baseline: float, scenario: float, over: Spread, se: float = math.nan) -> Answer:
        """From a spread over points."""
        ends = over.low, over.high, over.least, over.most
        return cls(baseline, scenario, over.mean, over.median, *ends, se, over.p_positive, over.points)

    @property
    def sign(self) -> int:
        """+1 or -1 where the 90 % interval lies on one side of zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)

    @property
    def nothing(self) -> bool:
        """Whether no point has an effect."""
        return self.least == self.most == 0


def write_effects(folder: Path | str) -> pd.DataFrame:
    """Write effects.csv into the run folder from its measures.parquet, and return it.

    Floats are written so that they read back to the same bits; blanks are empty. Raises RunError, OSError.
    """
    run = Run(folder)
    table = effects_table(run.measures)
    write_csv(run.folder / "effects.csv", table)
    return table


def write_and_tell(folder: Path | str) -> str:
    """Write effects.csv and return the answer in one line: LTV and NPS of every scenario, with 90 % intervals.

    In the run's language: this is called in processes that know no other.
    """
    table = write_effects(folder)
    with told_in(str(Run(folder).config.get("language", "en"))):
        return words.enumerated(list(_short_answers(table)))


def _short_answers(table: pd.DataFrame) -> Iterator[str]:
    names = [str(name) for name in pd.unique(table["intervention"])]
    for name in [name for name in names if VARIANT not in name]:
        for metric, short in (("ltv", "LTV"), ("nps", "NPS")):
            found = answer(table, name, metric)
            if found is not None:
                yield f"{short} {words.effect(found.effect, found)}"


PARTS = ("direct", "spillover", "wom", "congestion", "company")
"""Estimands that an effect is split into: the first two add up to the total, the others to spillover."""

STEADY = Steadiness(ends=0.1, probability=0.06)
"""`replications=auto` goes on until every intervention's effect on LTV is told as well as that."""


def stable(measures: pd.DataFrame) -> bool:
    """Whether more points would hardly move the interval of any intervention's effect on LTV, or P(> 0).

    True when nothing was treated.
    """
    cube = Cube(measures[(measures["metric"] == "ltv") & (measures["segment"] == EVERYBODY)])
    found = [steadiness(cube.effect(name, EVERYBODY, "ltv")) for name in interventions(measures)]
    return all(one.ends < STEADY.ends and one.probability <= STEADY.probability for one in found)


def answer(
    effects: pd.DataFrame, name: str, metric: str, segment: str = EVERYBODY, estimand: str = "total"
) -> Answer | None:
    """The effect of intervention `name` on `metric`, or None when it was not measured."""
    keys = {"intervention": name, "metric": metric, "segment": segment, "estimand": estimand}
    chosen = effects
    for column, value in keys.items():
        chosen = chosen[chosen[column] == value]
    if chosen.empty:
        return None
    row = chosen.iloc[0]
    columns = {"ci_low": "low", "ci_high": "high"} | {name: name for name in Answer._fields if name in row.index}
    stated = {name: float(row[column]) for column, name in columns.items()}
    return Answer(**stated, points=int(row["replications"]))


def summary_table(folder: Path | str) -> str:
    """The main metrics in plain words and aligned columns, a block per intervention (and interaction)."""
    run = Run(folder)
    if not run.interventions:
        return aligned((_("metric"), _("baseline"), _("90 % of worlds"), _("unit")), _level_rows(run))
    head = (_("metric"), _("baseline"), _("with scenario"), _("effect"), _("90 % interval"), _("unit"))
    blocks = []
    for name in pd.unique(run.effects["intervention"]):
        table = aligned(head, _effect_rows(run.effects, str(name)))
        blocks.append(f"{run.title(str(name))}\n{table}")
    return "\n\n".join(blocks)


def levels(run: Run) -> list[tuple[str, Answer]]:
    """The baseline's metrics over points, for a run without interventions: (metric, values with an interval)."""
    cube = Cube(run.measures[run.measures["segment"] == EVERYBODY])
    found = []
    for metric in SHOWN:
        values = cube.get(BASELINE, EVERYBODY, metric)
        kept = values[0][~np.isnan(values[0])]
        if len(kept):
            own = Answer.of(float(np.mean(kept)), math.nan, spread(kept, luck(values)), standard_error(kept))
            found.append((metric, own._replace(effect=math.nan)))
    return found


def _effect_rows(effects: pd.DataFrame, name: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for metric in SHOWN:
        found = answer(effects, name, metric)
        if found is not None:
            places = words.decimals(found.effect, found.low, found.high)
            rows.append(
                (
                    words.label(metric),
                    words.number(found.baseline, places),
                    words.number(found.scenario, places),
                    words.signed(found.effect, places),
                    words.within(found, places),
                    words.unit(metric),
                )
            )
    return rows


def _level_rows(run: Run) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for metric, found in levels(run):
        places = words.decimals(found.baseline)
        between = words.within(found, places, sign=False)
        rows.append((words.label(metric), words.number(found.baseline, places), between, words.unit(metric)))
    return rows


def aligned(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Columns padded with spaces: words to the left, numbers to the right, two spaces between."""
    widths = [max(width(row[i]) for row in (head, *rows)) for i in range(len(head))]
    left = {0, len(head) - 1}

    def line(row: tuple[str, ...]) -> str:
        cells = (padded(cell, widths[i], right=i not in left) for i, cell in enumerate(row))
        return "  ".join(cells).rstrip()

    return "\n".join([line(head), "-" * (sum(widths) + 2 * len(widths) - 2), *map(line, rows)])


LIKELY = 2 / 3
"""P from which an outcome is called likely, as the IPCC has it (Mastrandrea and others 2010)."""


def likelihood(p: float) -> int:
    """+1 where an effect is likely above zero, -1 where it is likely below, 0 where it is a toss-up."""
    return int(p >= LIKELY) - int(p <= 1 - LIKELY)


def nps_words(run: Run, name: str) -> str:
    """What happens to NPS, in a sentence; empty where it was not measured."""
    found = answer(run.effects, name, "nps")
    if found is None:
        return ""
    if found.nothing:
        return _("NPS stays exactly as it is.")
    if not words.known(found.p_positive):
        text = _("NPS changes by {size} points in the one replication run.")
    elif found.sign:
        text = {1: _("NPS rises ({size} points, {span})."), -1: _("NPS falls ({size} points, {span}).")}[found.sign]
    else:
        text = {
            1: _("NPS is likely to rise (P {p}; {size} points, {span})."),
            -1: _("NPS is likely to fall (P of a rise {p}; {size} points, {span})."),
            0: _("Whether NPS rises or falls is a toss-up (P of a rise {p}; {size} points, {span})."),
        }[likelihood(found.p_positive)]
    places = words.decimals(found.effect, found.low, found.high)
    size, span = words.signed(found.effect, places), words.between(found, places)
    return text.format(size=size, span=span, p=words.percent(found.p_positive))


def points_words(run: Run, name: str) -> str:
    """At how many points the answer was reached, whether more would move it, and from how many its parts come."""
    found = answer(run.effects, name, "ltv")
    if found is None or not words.known(found.se):
        return ""
    if run.config.get("replications") != "auto":
        text = _("{points} replications as asked; the standard error of the mean effect is {error} yen.")
    elif stable(run.measures):
        text = _(
            "Stopped at {points} replications, where interval and P are steady; the standard error of the mean effect "
            "is {error} yen."
        )
    else:
        text = _(
            "Stopped at {points} replications, the most that are run, though more would still move interval or P; the "
            "standard error of the mean effect is {error} yen."
        )
    told = text.format(points=found.points, error=words.number(found.se))
    direct = answer(run.effects, name, "ltv", estimand="direct")
    if direct is None or direct.points == found.points:
        return told
    text = _("Direct effect, spillover and field test are from {points} points.")
    return words.sentences((told, text.format(points=direct.points)))


def interaction_words(run: Run) -> list[str]:
    """Whether the scenarios together do more or less than each alone."""
    lines = []
    for name in map(str, pd.unique(run.effects["intervention"])):
        found = answer(run.effects, name, "ltv") if name not in run.interventions else None
        if found is not None:
            text = {
                1: _("{name}: together they do more than the sum of each alone ({size} yen, {span})."),
                -1: _("{name}: together they do less than the sum of each alone ({size} yen, {span})."),
                0: _(
                    "{name}: together they do neither clearly more nor less than the sum of each alone ({size} yen, "
                    "{span})."
                ),
            }[found.sign]
            size, span = words.signed(found.effect), words.between(found)
            lines.append(text.format(name=name, size=size, span=span))
    return lines


def baseline_words(run: Run) -> str:
    """LTV and NPS of a run without interventions."""
    found = dict(levels(run))
    ltv, nps = found.get("ltv"), found.get("nps")
    if ltv is None:
        text = _("Nothing was changed. The company as it is, over {days} days: no LTV measured.")
    elif nps is None:
        text = _("Nothing was changed. The company as it is, over {days} days and beyond: LTV {ltv} yen per member.")
    else:
        text = _(
            "Nothing was changed. The company as it is, over {days} days and beyond: LTV {ltv} yen per member, "
            "NPS {nps} points."
        )
    level = {name: words.number(one.baseline) for name, one in (("ltv", ltv), ("nps", nps)) if one is not None}
    return text.format(days=run.days, **level)
