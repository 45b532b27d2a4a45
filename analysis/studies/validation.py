"""The page and the lines of a validation: weeks of a log that were forecast from those before.

Starts from the tables that `cxsim validate` writes: weeks, groups, methods, season (as CSV and as Parquet).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.style import look, words
from analysis.style.language import N_, _
from analysis.style.lines import padded, width
from analysis.style.look import BLUE, GREY, INK, ORANGE, RULE, VERMILION, WIDTH
from analysis.style.page import picture, write

OURS = "cxsim"
SHOWN = 26
"""Weeks of the fit that the picture shows before those kept out."""
GROUPINGS = {"frequency": N_("repeats by then"), "cohort": N_("first bought in the 13 weeks from")}
METHODS = {"flat": N_("last 8 weeks continued"), "seasonal naive": N_("the year before, at the present level")}


class Tables(NamedTuple):
    """weeks: a row per week kept out. groups: by frequency and by cohort. methods: a row per forecast, ours first; its
    low and high are the 90 % interval of the total. season: a row per fitted week."""

    weeks: pd.DataFrame
    groups: pd.DataFrame
    methods: pd.DataFrame
    season: pd.DataFrame


# --- lines --------------------------------------------------------------------------------------------------


def summary(tables: Tables) -> str:
    """A row per forecast, then the verdict in sentences."""
    heads = (_("forecast"), _("orders"), _("error"), _("weekly error"))
    rows = [heads, *((row["method"], row["forecast"], row["error"], row["weekly_error"]) for row in _methods(tables))]
    widths = [max(width(row[i]) for row in rows) for i in range(len(heads))]
    lines = ["  ".join(padded(text, wide) for text, wide in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", *verdict(tables)])


def verdict(tables: Tables) -> list[str]:
    """Whether the total lies in its interval; how the others did; how many weeks lie in theirs."""
    ours, others = tables.methods.iloc[0], tables.methods.iloc[1:]
    weeks = tables.weeks
    text = (
        _("Passed: {orders} orders came in weeks {first} to {last}; {forecast} were forecast ({error}), {low} to "
          "{high} with 90 % probability.")
        if ours["low"] <= ours["orders"] <= ours["high"] else
        _("Not passed: {orders} orders came in weeks {first} to {last}, outside the 90 % interval {low} to {high}; "
          "{forecast} were forecast ({error}).")
    )  # fmt: skip
    found = [text.format(
        orders=words.number(ours["orders"], 0), first=weeks["week"].iloc[0], last=weeks["week"].iloc[-1],
        forecast=words.number(ours["forecast"], 0), error=_error(ours["error"]), low=words.number(ours["low"], 0),
        high=words.number(ours["high"], 0),
    )]  # fmt: skip
    if others["error"].notna().any():
        best = others.iloc[int(others["error"].abs().argmin())]
        better = abs(best["error"]) < abs(ours["error"])
        nearest = _("Of the others {method} came nearest ({error}).")
        told = _("Nearer in total came {method} ({error}).") if better else nearest
        found.append(told.format(method=_method(best["method"]), error=_error(best["error"])))
    text = _("{inside} of {weeks} weeks lie within their own 90 % intervals.")
    found.append(text.format(inside=int(weeks["inside"].sum()), weeks=len(weeks)))
    return found


def _error(share: float) -> str:
    return f"{100 * share:+.1f} %" if words.known(share) else _("none")


def _method(name: str) -> str:
    return _(METHODS.get(name, name))


def _methods(tables: Tables) -> Iterator[dict[str, str]]:
    for row in tables.methods.to_dict("records"):
        yield {
            "method": _method(row["method"]),
            "forecast": words.number(row["forecast"], 0),
            "interval": words.span(row["low"], row["high"], 0),
            "error": _error(row["error"]),
            "weekly_error": words.number(row["weekly_error"], 1),
        }


# --- the page -----------------------------------------------------------------------------------------------


def write_page(folder: Path, tables: Tables, log: str, until: str) -> Path:
    """Draw figures/ and write report.html into the folder of a validation; return the page's path."""
    weeks = picture(weeks_figure(tables), folder / "figures" / "weeks", _(
        "Orders a week (points), what the fit expected of them (line), and the forecast of the weeks kept out with "
        "its 90 % interval (band)."
    ))  # fmt: skip
    groups = picture(groups_figure(tables.groups), folder / "figures" / "groups", _(
        "Orders in all weeks kept out (points) beside forecast and 90 % interval (whiskers), by group of customers; "
        "as a share of the forecast."
    ))  # fmt: skip
    context = {
        "title": _("What {log} would have been forecast").format(log=log),
        "facts": [
            (_("Fitted until"), until), (_("Weeks fitted"), str(len(tables.season))),
            (_("Weeks kept out"), str(len(tables.weeks))),
            (_("Customers by then"), words.number(_customers(tables), 0)),
        ],
        "verdict": verdict(tables),
        "methods": list(_methods(tables)),
        "groups": [_group(row) for row in tables.groups.to_dict("records")],
        "weeks": [_week(row) for row in tables.weeks.to_dict("records")],
        "pictures": {"weeks": weeks, "groups": groups},
    }  # fmt: skip
    return write(folder, "validation.html.j2", context)


def _customers(tables: Tables) -> int:
    groups = tables.groups
    return int(groups.loc[groups["by"] == "cohort", "customers"].sum())


def _group(row: dict[Any, Any]) -> dict[str, str]:
    return {
        "by": _(GROUPINGS[row["by"]]), "group": str(row["group"]), "customers": words.number(row["customers"], 0),
        **_numbers(row),
    }  # fmt: skip


def _week(row: dict[Any, Any]) -> dict[str, str]:
    return {"week": str(row["week"]), "start": row["start"], **_numbers(row)}


def _numbers(row: dict[Any, Any]) -> dict[str, str]:
    return {
        "orders": words.number(row["orders"], 0), "forecast": words.number(row["forecast"], 0),
        "interval": words.span(row["low"], row["high"], 0), "inside": _("yes") if row["inside"] else _("no"),
    }  # fmt: skip


def weeks_figure(tables: Tables) -> Figure:
    """Orders by week: the end of the fit, and the weeks kept out with their band."""
    weeks, before = tables.weeks, tables.season.tail(SHOWN)
    with look.style():
        figure = Figure(figsize=(WIDTH, 3.2))
        axes = figure.subplots()
        axes.plot(before["week"], before["expected"], color=GREY, label=_("expected by the fit"))
        ends = weeks["low"], weeks["high"]
        axes.fill_between(weeks["week"], *ends, color=BLUE, alpha=0.2, linewidth=0, label=_("90 % interval"))
        axes.plot(weeks["week"], weeks["forecast"], color=BLUE, label=_("forecast"))
        if "BG/NBD" in weeks:
            axes.plot(weeks["week"], weeks["BG/NBD"], color=ORANGE, linewidth=1.0, label="BG/NBD")
        axes.plot([*before["week"], *weeks["week"]], [*before["orders"], *weeks["orders"]], "o", color=INK,
                  markersize=3, label=_("log"))  # fmt: skip
        axes.axvline(weeks["week"].iloc[0] - 0.5, color=RULE)
        axes.set_xlabel(_("week of the log"))
        axes.set_ylabel(_("orders a week"))
        axes.set_ylim(bottom=0)
        look.legend_figure(figure, [axes])
    return figure


def groups_figure(groups: pd.DataFrame) -> Figure:
    """A row per group: orders and interval as a share of the forecast."""
    with look.style():
        figure = Figure(figsize=(WIDTH, 0.8 + 0.26 * len(groups)))
        axes = figure.subplots()
        for y, row in enumerate(groups.to_dict("records")):
            _whisker(axes, y, row)
        axes.axvline(1.0, color=RULE, zorder=0)
        axes.set_yticks(range(len(groups)), [f"{_(GROUPINGS[by])}: {name}" for by, name in _names(groups)])
        axes.invert_yaxis()
        axes.set_xlabel(_("times the forecast"))
        axes.set_xlim(0, 1.05 * float(np.nanmax([*_ratio(groups, "high"), *_ratio(groups, "orders"), 1.2])))
    return figure


def _names(groups: pd.DataFrame) -> Iterator[tuple[str, str]]:
    return zip(groups["by"], groups["group"].astype(str), strict=True)


def _ratio(groups: pd.DataFrame, column: str) -> np.ndarray:
    return np.asarray((groups[column] / groups["forecast"].clip(lower=1.0)).to_numpy())


def _whisker(axes: Axes, y: int, row: dict[Any, Any]) -> None:
    scale = max(row["forecast"], 1.0)
    axes.plot([row["low"] / scale, row["high"] / scale], [y, y], color=BLUE, linewidth=2.2, solid_capstyle="butt")
    axes.plot(row["orders"] / scale, y, "o", color=INK if row["inside"] else VERMILION, markersize=4.5)
