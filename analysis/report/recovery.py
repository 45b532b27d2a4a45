"""Recovery from a shock: how deep it goes and how long it lasts, against the same world without it.

For scenarios whose effect begins on a later day. Daily values are noisy, so everything is read off weeks counted from
that day: sums of profit, means of the number of customers, the week's census of NPS. In each point the shortfall of a
week is the baseline's value less the scenario's, with the same draws; the depth is the largest one. It is
taken of noisy weeks, so it is deeper than that of the mean over points, which the figure shows (resilience as depth and
duration: Bruneau et al. 2003).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.effects.estimands import Array, spread
from analysis.folders.run_folder import Run
from analysis.report.tables import Table
from analysis.style import dates, look, words
from analysis.style.language import N_, _
from analysis.style.page import picture
from sim.files.disk import write_csv
from sim.tables import BASELINE, RECOVERY

METRICS = {"nps": "points", "customer": "customers", "profit": "yen per member and week"}
"""Metrics whose recovery is followed, and their units."""

METRIC_WORDS = {"nps": N_("NPS (true)"), "customer": N_("Active customers"), "profit": N_("Profit")}
UNIT_WORDS = {"nps": N_("points"), "customer": N_("customers"), "profit": N_("yen per potential\ncustomer and week")}
WEEK = 7
MIDDLE = 3
"""Day of its week at which a weekly value is dated."""

LEFT = {"half": 0.5, "tenth": 0.1}
"""Shares of the depth down to which a shortfall is followed."""

CAPTION = N_(
    "The scenario less the baseline, week by week from the day the effect begins. Line: mean over the replications. "
    "Shaded: the middle 90 % of the replications."
)


class Path(NamedTuple):
    """One point's way down and back: depth (unit of the metric), the rest in days from the beginning; NaN: never."""

    depth: float
    deepest: float
    half: float
    tenth: float


def begins(run: Run, name: str) -> int:
    """Day on which the first intervention of `name` begins to act."""
    scenarios = run.config.get("scenario") or {}
    names = [one for one in name.split("+") if one in scenarios]
    stated = [part for one in names for part in ((scenarios[one] or {}).get("interventions") or {}).values()]
    return min((int(part.get("start", 0)) for part in stated), default=0)


def weekly(run: Run, name: str) -> dict[str, pd.DataFrame]:
    """The scenario less the baseline by metric: a row per point, a column per whole week, 0 the first of the effect."""
    start = begins(run, name)
    daily = run.daily[(run.daily["second_seed"] == 0) & run.daily["arm"].isin([BASELINE, name])]
    daily = daily.assign(week=(daily["day"] - start) // WEEK)
    days = daily[daily["arm"] == BASELINE].groupby("week")["day"].nunique()
    daily = daily[daily["week"].isin(days.index[days == WEEK])]
    people = int(run.daily.loc[run.daily.index[0], ["unaware", "aware", "customer", "lapsed"]].sum())
    by = daily.groupby(["arm", "replication", "week"])
    values = {"nps": by["nps"].mean(), "customer": by["customer"].mean(), "profit": by["profit"].sum() / people}
    return {metric: (one[name] - one[BASELINE]).unstack("week") for metric, one in values.items()}


def path(difference: Array) -> Path:
    """The way down and back of one point; difference: scenario less baseline by week, from the beginning on."""
    shortfall = -difference
    if not (shortfall > 0).any():
        return Path(0.0, math.nan, math.nan, math.nan)
    deepest = int(np.nanargmax(shortfall))
    depth = float(shortfall[deepest])
    back = {name: _first(shortfall[deepest:] <= share * depth) for name, share in LEFT.items()}
    return Path(depth, _dated(deepest), *(_dated(deepest + back[name]) for name in LEFT))


def _first(holds: np.ndarray[Any, Any]) -> float:
    """Place of the first that holds, NaN where none does."""
    return float(np.argmax(holds)) if holds.any() else math.nan


def _dated(week: float) -> float:
    return WEEK * week + MIDDLE


def recovery(run: Run) -> pd.DataFrame:
    """Every late scenario's recovery (RECOVERY)."""
    rows = [row for name in run.interventions if begins(run, name) > 0 for row in _rows(run, name)]
    return pd.DataFrame(rows, columns=[column.name for column in RECOVERY])


def _rows(run: Run, name: str) -> Iterator[tuple[object, ...]]:
    for metric, table in weekly(run, name).items():
        paths = [path(row[row.index >= 0].to_numpy(dtype=float)) for _point, row in table.iterrows()]
        for quantity in Path._fields:
            values = np.array([getattr(one, quantity) for one in paths])
            ends = spread(values)[:3] if quantity == "depth" else _days(values)
            key = (name, metric, METRICS[metric], begins(run, name), quantity)
            yield *key, *ends, int(np.sum(~np.isnan(values))), len(values)


def _days(values: Array) -> tuple[float, float, float]:
    """Median and middle 90 % over points; a point that never gets there counts as later than all, a later end as
    NaN."""
    late = np.where(np.isnan(values), np.inf, values)
    ends = np.quantile(late, [0.5, 0.05, 0.95], method="inverted_cdf") if len(late) else np.full(3, np.nan)
    middle, low, high = (float(end) if np.isfinite(end) else math.nan for end in ends)
    return middle, low, high


# -- the report's section -----------------------------------------------------------------------------------------


def section(run: Run, name: str) -> dict[str, Any] | None:
    """What the report says of the recovery from `name`, and recovery.csv; None where the effect begins on day 0."""
    if begins(run, name) <= 0:
        return None
    table = recovery(run)
    write_csv(run.folder / "recovery.csv", table)
    own = table[table["intervention"] == name]
    stem = run.folder / "figures" / f"{look.file_name(name)}_recovery"
    return {
        "begins": _begun(run, begins(run, name)),
        "rows": [_row(str(metric), rows.set_index("quantity")) for metric, rows in own.groupby("metric", sort=False)],
        "picture": picture(over_weeks(run, name), stem, _(CAPTION)),
    }


def _begun(run: Run, day: int) -> str:
    """When the effect begins, in a sentence."""
    first = run.date(day)
    if first is None:
        return _("The effect begins on day {day}.").format(day=day)
    return _("The effect begins on {date} (day {day}).").format(date=dates.told(first), day=day)


def tables(run: Run, name: str) -> list[Table]:
    """The recovery from `name`, unrounded; empty where the effect begins on day 0."""
    own = pd.DataFrame(_rows(run, name) if begins(run, name) > 0 else (), columns=[one.name for one in RECOVERY])
    rows = own.astype(object).where(own.notna(), None).to_numpy().tolist()
    return [Table("recovery", _("How deep it goes, and how it recovers"), tuple(own.columns), [*map(tuple, rows)])]


def _row(metric: str, rows: pd.DataFrame) -> list[str]:
    depth, low, high = (float(rows[end]["depth"]) for end in ("value", "ci_low", "ci_high"))
    places = words.decimals(depth)
    size = words.number(depth, places)
    if words.known(low):
        size = _("{value} ({low} to {high})").format(
            value=size, low=words.number(low, places), high=words.number(high, places)
        )
    unit = _(UNIT_WORDS[metric]).replace("\n", " ")
    return [_(METRIC_WORDS[metric]), unit, size, *(_told(rows, quantity) for quantity in ("deepest", *LEFT))]


def _told(rows: pd.DataFrame, quantity: str) -> str:
    """Days with the middle 90 % of points, and in how many points it comes to that where not in all."""
    value, low, high = (float(rows[end][quantity]) for end in ("value", "ci_low", "ci_high"))
    counts = {"reached": int(rows["reached"][quantity]), "points": int(rows["points"][quantity])}
    if not words.known(value):
        return _("not within the horizon ({reached} of {points} replications get there)").format(**counts)
    if not words.known(high):
        text = _("{value} ({low} to beyond the horizon; {reached} of {points} replications get there)")
        return text.format(value=f"{value:.0f}", low=f"{low:.0f}", **counts)
    return _("{value} ({low} to {high})").format(value=f"{value:.0f}", low=f"{low:.0f}", high=f"{high:.0f}")


def over_weeks(run: Run, name: str) -> Figure:
    """The differences over time: mean over points and the middle 90 % of them."""
    with look.style():
        figure = Figure(figsize=(look.WIDTH, 1.65 * len(METRICS)))
        grid = figure.subplots(len(METRICS), 1, sharex=True)
        for axes, (metric, table) in zip(grid, weekly(run, name).items(), strict=True):
            days = WEEK * table.columns.to_numpy(dtype=float) + MIDDLE
            if len(table) > 1:
                low, high = (table.quantile(end).to_numpy() for end in (0.05, 0.95))
                axes.fill_between(days, low, high, color=look.VERMILION, alpha=0.16, linewidth=0)
            axes.plot(days, table.mean().to_numpy(), "-o", color=look.VERMILION, markersize=3)
            axes.axhline(0, color=look.INK, linewidth=0.8)
            axes.axvline(0, color=look.GREY, linestyle=":")
            axes.set_title(_(METRIC_WORDS[metric]))
            axes.set_ylabel(_(UNIT_WORDS[metric]))
            axes.yaxis.set_major_locator(MaxNLocator(4))
            look.grid_lines(axes, "y")
        grid[-1].set_xlabel(_("days since the effect began (a point per week, at its middle)"))
        figure.align_ylabels(grid)
    return figure
