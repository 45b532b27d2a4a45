"""From a run folder to its answer: effects.csv, the table for a terminal, the verdict in words.

The arithmetic and its sources are in analysis/effects/estimands.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.effects import flips
from analysis.effects.estimands import Cube, effects_table, monte_carlo_error, spread, turned
from analysis.folders.run_folder import Run, interventions
from analysis.style import words
from analysis.style.language import _, told_in
from analysis.style.lines import padded, width
from sim.tables import BASELINE, EVERYBODY

__all__ = ["effects_table", "precise_enough", "summary_table", "verdict", "write_effects"]

SHOWN = (
    "ltv", "residual", "profit", "revenue", "cost", "roi", "nps", "nps_surveyed", "csat", "conversion",
    "repeat_rate", "churn", "acquired", "orders", "coupons_redeemed", "norush_share", "lead_time", "on_time",
    "backlog",
)  # fmt: skip
"""Metrics of the terminal's table and the report's, in order."""


class Answer(NamedTuple):
    """One row of effects.csv for everybody, total effect (units of the metric); NaN where there is none."""

    baseline: float
    scenario: float
    effect: float
    low: float
    high: float
    mc_se: float
    p_positive: float
    points: int

    @property
    def sign(self) -> int:
        """+1 or -1 where the 90 % interval lies on one side of zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def write_effects(folder: Path | str) -> pd.DataFrame:
    """Write effects.csv into the run folder from its measures.parquet, and return it.

    Floats are written so that they read back to the same bits; blanks are empty. Raises RunError, OSError.
    """
    run = Run(folder)
    table = effects_table(run.measures)
    table.to_csv(run.folder / "effects.csv", index=False, lineterminator="\n")
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
    for name in names:
        for metric, short in (("ltv", "LTV"), ("nps", "NPS")):
            found = answer(table, name, metric)
            if found is not None:
                yield f"{short} {words.effect(found.effect, found.low, found.high)}"


def precise_enough(measures: pd.DataFrame, precision: float) -> bool:
    """Whether the points suffice: the Monte Carlo standard error of every intervention's total effect on LTV
    is below `precision` (share) of the mean baseline LTV.

    False when there are no second seeds to estimate the error from; True when nothing was treated.
    """
    cube = Cube(measures[(measures["metric"] == "ltv") & (measures["segment"] == EVERYBODY)])
    level = abs(float(np.nanmean(cube.get(BASELINE, EVERYBODY, "ltv")[0])))
    errors = [monte_carlo_error(cube.effect(name, EVERYBODY, "ltv")) for name in interventions(measures)]
    return all(error < precision * level for error in errors)


def answer(effects: pd.DataFrame, name: str, metric: str, segment: str = EVERYBODY) -> Answer | None:
    """The total effect of intervention `name` on `metric`, or None when it was not measured."""
    keys = {"intervention": name, "metric": metric, "segment": segment, "estimand": "total"}
    chosen = effects
    for column, value in keys.items():
        chosen = chosen[chosen[column] == value]
    if chosen.empty:
        return None
    row = chosen.iloc[0]
    floats = ("baseline", "scenario", "effect", "ci_low", "ci_high", "mc_se", "p_positive")
    baseline, scenario, effect, low, high, error, positive = (float(row[column]) for column in floats)
    return Answer(baseline, scenario, effect, low, high, error, positive, int(row["replications"]))


def summary_table(folder: Path | str) -> str:
    """The main metrics in plain words and aligned columns, a block per intervention (and interaction)."""
    run = Run(folder)
    if not run.interventions:
        return aligned((_("metric"), _("baseline"), _("90 % of worlds"), _("unit")), _level_rows(run))
    head = (_("metric"), _("baseline"), _("with scenario"), _("effect"), _("90 % interval"), _("unit"))
    blocks = []
    for name in pd.unique(run.effects["intervention"]):
        table = aligned(head, _effect_rows(run.effects, str(name)))
        blocks.append(f"{name}\n{table}")
    return "\n\n".join(blocks)


def levels(run: Run) -> list[tuple[str, Answer]]:
    """The baseline's metrics over points, for a run without interventions: (metric, values with an interval)."""
    cube = Cube(run.measures[run.measures["segment"] == EVERYBODY])
    found = []
    for metric in SHOWN:
        values = cube.get(BASELINE, EVERYBODY, metric)
        kept = values[0][~np.isnan(values[0])]
        if len(kept):
            over, error = spread(kept), monte_carlo_error(values)
            found.append((metric, Answer(over.mean, math.nan, math.nan, over.low, over.high, error, 1.0, len(kept))))
    return found


def levels_span(found: Answer, places: int) -> str:
    """Where a level lies over the points, or a dash where there is one point only."""
    if not words.known(found.low):
        return "-"
    low, high = (words.number(end, places) for end in (found.low, found.high))
    return _("{low} to {high}").format(low=low, high=high)


def verdict(folder: Path | str) -> str:
    """The answer in words, a paragraph per intervention: what happens to LTV and NPS over the stated
    horizon, what would turn it, and why the run stopped where it did."""
    run = Run(folder)
    if not run.interventions:
        return _baseline_words(run)
    paragraphs = [words.sentences(verdict_sentences(run, name)) for name in run.interventions]
    return "\n".join([*paragraphs, *interaction_words(run)])


def verdict_sentences(run: Run, name: str) -> tuple[str, str, str]:
    """Answer, what would turn it, and why the run stopped, for one intervention."""
    turning = "" if "+" in name else flips.sentence(run, name)
    return _answer_words(run, name), words.sentences((_beyond_words(run, name), turning)), _stopping_words(run, name)


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
                    words.span(found.low, found.high, places),
                    words.unit(metric),
                )
            )
    return rows


def _level_rows(run: Run) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for metric, found in levels(run):
        places = words.decimals(found.baseline)
        between = levels_span(found, places)
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


def _answer_words(run: Run, name: str) -> str:
    found = answer(run.effects, name, "ltv")
    if found is None:
        return _("No LTV was measured for {name}.").format(name=name)
    places = words.decimals(found.effect, found.low, found.high)
    if not words.known(found.low):
        text = _(
            "Over {days} days {name} changes LTV by {size} yen per potential customer in the one replication run: no "
            "verdict."
        )
    elif found.low == found.high == 0:
        text = _("Over {days} days {name} leaves LTV exactly as it is; {nps}.")
    else:
        text = {
            1: _("Over {days} days {name} raises LTV by {amount} yen per potential customer ({between}); {nps}."),
            -1: _("Over {days} days {name} lowers LTV by {amount} yen per potential customer ({between}); {nps}."),
            0: _(
                "Over {days} days the effect of {name} on LTV is undecided: {size} yen per potential customer, and the "
                "interval spans zero ({between}); {nps}."
            ),
        }[found.sign]
    return text.format(
        days=run.days,
        name=name,
        size=words.signed(found.effect, places),
        amount=words.number(abs(found.effect), places),
        between=_between_words(found, places),
        nps=_nps_words(run, name),
    )


def _beyond_words(run: Run, name: str) -> str:
    """Where what is to be expected beyond the horizon outweighs the effect within it."""
    within, beyond = answer(run.effects, name, "ltv"), answer(run.effects, name, "residual")
    if within is None or beyond is None or not turned(within.effect, beyond.effect):
        return ""
    places = words.decimals(beyond.effect, beyond.low, beyond.high)
    return _(
        "What is to be expected beyond the {days} days would turn the sign: {size} yen per potential customer (90 % "
        "interval {span})."
    ).format(days=run.days, size=words.signed(beyond.effect, places), span=words.span(beyond.low, beyond.high, places))


def _between_words(found: Answer, places: int) -> str:
    """The interval; where the effect is decided, the effect as a share of the baseline too."""
    span = words.span(found.low, found.high, places)
    if found.sign == 0 or not found.baseline:
        return _("90 % interval {span}").format(span=span)
    share = words.signed(100 * found.effect / found.baseline)
    return _("90 % interval {span}; {share} % of baseline").format(span=span, share=share)


def _nps_words(run: Run, name: str) -> str:
    found = answer(run.effects, name, "nps")
    if found is None or not words.known(found.low):
        return _("NPS has no interval")
    places = words.decimals(found.effect, found.low, found.high)
    text = {
        1: _("NPS rises ({size} points, {span})"),
        -1: _("NPS falls ({size} points, {span})"),
        0: _("NPS is undecided ({size} points, {span})"),
    }[found.sign]
    return text.format(size=words.signed(found.effect, places), span=words.span(found.low, found.high, places))


def _stopping_words(run: Run, name: str) -> str:
    found = answer(run.effects, name, "ltv")
    if found is None:
        return ""
    points = (_("{count} replication") if found.points == 1 else _("{count} replications")).format(count=found.points)
    if not words.known(found.mc_se):
        text = _("{points}; the Monte Carlo error was not estimated (it takes a second seed).")
    elif run.config.get("replications") != "auto":
        text = _("{points} as asked; the Monte Carlo error is {error} yen.")
    elif precise_enough(run.measures, _precision(run)):
        text = _(
            "Stopped at {points}, precise enough: the Monte Carlo error is {error} yen, below {target} % of baseline "
            "LTV."
        )
    else:
        text = _(
            "Stopped at the maximum of {points}, short of the precision asked for: the Monte Carlo error is {error} "
            "yen, not below {target} % of baseline LTV."
        )
    target = words.number(100 * _precision(run), 2)
    return text.format(points=points, error=words.number(found.mc_se), target=target)


def _precision(run: Run) -> float:
    """The Monte Carlo error asked for, as a share of baseline LTV."""
    return float(run.config.get("precision", 0.0025))


def interaction_words(run: Run) -> list[str]:
    """Whether the scenarios together do more or less than each alone."""
    lines = []
    for name in map(str, pd.unique(run.effects["intervention"])):
        found = answer(run.effects, name, "ltv") if name not in run.interventions else None
        if found is not None:
            text = {
                1: _("{name}: together they do more than the sum of each alone ({size} yen, 90 % interval {span})."),
                -1: _("{name}: together they do less than the sum of each alone ({size} yen, 90 % interval {span})."),
                0: _(
                    "{name}: together they do neither clearly more nor less than the sum of each alone ({size} yen, "
                    "90 % interval {span})."
                ),
            }[found.sign]
            size, span = words.signed(found.effect), words.span(found.low, found.high)
            lines.append(text.format(name=name, size=size, span=span))
    return lines


def _baseline_words(run: Run) -> str:
    found = dict(levels(run))
    ltv, nps = found.get("ltv"), found.get("nps")
    if ltv is None:
        text = _("Nothing was changed. The company as it is, over {days} days: no LTV measured.")
    elif nps is None:
        text = _("Nothing was changed. The company as it is, over {days} days: LTV {ltv} yen per potential customer.")
    else:
        text = _(
            "Nothing was changed. The company as it is, over {days} days: LTV {ltv} yen per potential customer, "
            "NPS {nps} points."
        )
    level = {name: words.number(one.baseline) for name, one in (("ltv", ltv), ("nps", nps)) if one is not None}
    return text.format(days=run.days, **level)
