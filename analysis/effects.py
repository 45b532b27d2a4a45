"""From a run folder to its answer: effects.csv, the table for a terminal, the verdict in words.

The arithmetic and its sources are in analysis/estimands.py.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis import flips, words
from analysis.estimands import Cube, effects_table, monte_carlo_error, spread
from analysis.load import Run, interventions
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
    draws: int

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


def precise_enough(measures: pd.DataFrame, precision: float) -> bool:
    """Whether more draws are not needed: the Monte Carlo standard error of every intervention's total
    effect on LTV is below `precision` (share) of the mean baseline LTV.

    False when there are no twins to estimate the error from; True when nothing was treated.
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


def cell(table: pd.DataFrame, row: str, column: str) -> float:
    """One number of a table that is indexed by text."""
    return float(np.asarray(table.loc[row, column], dtype=np.float64))


def summary_table(folder: Path | str) -> str:
    """The main metrics in plain words and aligned columns, a block per intervention (and interaction)."""
    run = Run(folder)
    if not run.interventions:
        return _align(("metric", "baseline", "90 % of worlds", "unit"), _level_rows(run))
    head = ("metric", "baseline", "with scenario", "effect", "90 % interval", "unit")
    blocks = []
    for name in pd.unique(run.effects["intervention"]):
        table = _align(head, _effect_rows(run.effects, str(name)))
        blocks.append(f"{name}\n{table}")
    return "\n\n".join(blocks)


def levels(run: Run) -> list[tuple[str, Answer]]:
    """The baseline's metrics over draws, for a run without interventions: (metric, values with an
    interval)."""
    cube = Cube(run.measures[run.measures["segment"] == EVERYBODY])
    found = []
    for metric in SHOWN:
        values = cube.get(BASELINE, EVERYBODY, metric)
        kept = values[0][~np.isnan(values[0])]
        if len(kept):
            over, error = spread(kept), monte_carlo_error(values)
            found.append(
                (metric, Answer(over.mean, math.nan, math.nan, over.low, over.high, error, 1.0, len(kept)))
            )
    return found


def verdict(folder: Path | str) -> str:
    """The answer in words, a paragraph per intervention: what happens to LTV and NPS over the stated
    horizon, what would turn it, and why the run stopped where it did."""
    run = Run(folder)
    if not run.interventions:
        return _baseline_words(run)
    paragraphs = [" ".join(filter(None, verdict_sentences(run, name))) for name in run.interventions]
    return "\n".join([*paragraphs, *_interaction_words(run)])


def verdict_sentences(run: Run, name: str) -> tuple[str, str, str]:
    """Answer, what would turn it, and why the run stopped, for one intervention."""
    turning = "" if "+" in name else flips.sentence(run, name)
    return _answer_words(run, name), turning, _stopping_words(run, name)


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
        between = f"{words.number(found.low, places)} to {words.number(found.high, places)}"
        between = between if words.known(found.low) else "-"
        rows.append((words.label(metric), words.number(found.baseline, places), between, words.unit(metric)))
    return rows


def _align(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Columns padded with spaces: words to the left, numbers to the right, two spaces between."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    left = {0, len(head) - 1}

    def line(row: tuple[str, ...]) -> str:
        cells = (cell.ljust(widths[i]) if i in left else cell.rjust(widths[i]) for i, cell in enumerate(row))
        return "  ".join(cells).rstrip()

    return "\n".join([line(head), "-" * (sum(widths) + 2 * len(widths) - 2), *map(line, rows)])


def _answer_words(run: Run, name: str) -> str:
    found = answer(run.effects, name, "ltv")
    if found is None:
        return f"No LTV was measured for {name}."
    places = words.decimals(found.effect, found.low, found.high)
    size, over = words.signed(found.effect, places), f"Over {run.days} days"
    if not words.known(found.low):
        return (
            f"{over} {name} changes LTV by {size} yen {words.PER_CUSTOMER} in the one draw run: no verdict."
        )
    between = f"90 % interval {words.span(found.low, found.high, places)}"
    if found.low == found.high == 0:
        return f"{over} {name} leaves LTV exactly as it is; {_nps_words(run, name)}."
    if found.sign == 0:
        text = f"{over} the effect of {name} on LTV is undecided: {size} yen {words.PER_CUSTOMER}, and the"
        return f"{text} interval spans zero ({between}); {_nps_words(run, name)}."
    verb = "raises" if found.sign > 0 else "lowers"
    by = f"{words.number(abs(found.effect), places)} yen {words.PER_CUSTOMER}"
    share = f"; {words.signed(100 * found.effect / found.baseline)} % of baseline" if found.baseline else ""
    return f"{over} {name} {verb} LTV by {by} ({between}{share}); {_nps_words(run, name)}."


def _nps_words(run: Run, name: str) -> str:
    found = answer(run.effects, name, "nps")
    if found is None or not words.known(found.low):
        return "NPS has no interval"
    state = {1: "rises", -1: "falls", 0: "is undecided"}[found.sign]
    places = words.decimals(found.effect, found.low, found.high)
    between = words.span(found.low, found.high, places)
    return f"NPS {state} ({words.signed(found.effect, places)} points, {between})"


def _stopping_words(run: Run, name: str) -> str:
    found = answer(run.effects, name, "ltv")
    if found is None:
        return ""
    draws = f"{found.draws} draw{'s' if found.draws != 1 else ''}"
    if not words.known(found.mc_se):
        return f"{draws}; the Monte Carlo error was not estimated (it takes a second seed)."
    error = f"the Monte Carlo error is {words.number(found.mc_se)} yen"
    if run.config.get("replications") != "auto":
        return f"{draws} as asked; {error}."
    precision = float(run.config.get("precision", 0.0025))
    target = f"{words.number(100 * precision, 2)} % of baseline LTV"
    if precise_enough(run.measures, precision):
        return f"Stopped at {draws}, precise enough: {error}, below {target}."
    return (
        f"Stopped at the maximum of {draws}, short of the precision asked for: {error}, not below {target}."
    )


def _interaction_words(run: Run) -> list[str]:
    """Whether the scenarios together do more or less than each alone."""
    lines = []
    for name in pd.unique(run.effects["intervention"]):
        found = answer(run.effects, str(name), "ltv") if str(name) not in run.interventions else None
        if found is not None:
            more = {1: "more than", -1: "less than", 0: "neither clearly more nor less than"}[found.sign]
            size = f"{words.signed(found.effect)} yen, 90 % interval {words.span(found.low, found.high)}"
            lines.append(f"{name}: together they do {more} the sum of each alone ({size}).")
    return lines


def _baseline_words(run: Run) -> str:
    found = dict(levels(run))
    ltv, nps = found.get("ltv"), found.get("nps")
    money = f"LTV {words.number(ltv.baseline)} yen {words.PER_CUSTOMER}" if ltv else "no LTV measured"
    score = f", NPS {words.number(nps.baseline)} points" if nps else ""
    return f"Nothing was changed. The company as it is, over {run.days} days: {money}{score}."
