"""The picture of a calibration: repeat purchases a week and so far, of the log, the fits and the simulated baseline."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.style import look
from analysis.style.language import _
from analysis.style.look import BLUE, GREY, INK, ORANGE, RULE, WIDTH

LOG = "log"
SIMULATED = "simulated"
COLOURS = (ORANGE, BLUE)
"""Of the fits, in the order of the table's columns; a fit's simulation has its colour."""


def write_picture(weekly: pd.DataFrame, fitted_weeks: int, stem: Path) -> None:
    """Write `stem`.png and `stem`.svg of the table that `picture` takes."""
    look.save(picture(weekly, fitted_weeks), stem)


def picture(weekly: pd.DataFrame, fitted_weeks: int) -> Figure:
    """Two panels over the log's weeks; weeks after `fitted_weeks` are shaded as kept out of the fit.

    weekly: column `week` (from 1), then repeat purchases a week: `log`, and for each fit its closed form followed by
    the simulated baseline, whose name begins with `simulated`.
    """
    readings = weekly.drop(columns="week")
    with look.style():
        figure = Figure(figsize=(WIDTH, 3.7))
        panels = figure.subplots(1, 2)
        _panel(panels[0], weekly["week"], readings, fitted_weeks, _("repeat purchase days a week"))
        _panel(panels[1], weekly["week"], readings.cumsum(), fitted_weeks, _("repeat purchase days so far"))
        look.legend_figure(figure, panels[:1])
    return figure


def _panel(axes: Axes, week: pd.Series, readings: pd.DataFrame, fitted_weeks: int, unit: str) -> None:
    if fitted_weeks < len(week):
        axes.axvspan(fitted_weeks + 0.5, len(week) + 0.5, color=RULE, alpha=0.5, linewidth=0)
        across = axes.get_xaxis_transform()
        axes.text(fitted_weeks + 1, 0.02, _("kept out"), transform=across, color=GREY, fontsize=8, va="bottom")
    others = [name for name in readings.columns if name != LOG]
    for place, name in enumerate(others):
        colour = COLOURS[place // 2 % len(COLOURS)]
        if name.startswith(SIMULATED):
            # Points on their fit's line: where the simulation repeats the fit they lie on it.
            every = slice(None, None, max(1, len(week) // 20))
            axes.plot(week[every], readings[name][every], "D" if place < 2 else "s", color=colour, markersize=4,
                      markerfacecolor="white", label=_(name))  # fmt: skip
        else:
            axes.plot(week, readings[name], color=colour, label=_("{model} fit").format(model=name))
    axes.plot(week, readings[LOG], color=INK, linewidth=1.1, marker="o", markersize=2.2, zorder=1.9, label=_("log"))
    axes.set_xlabel(_("week of the log"))
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    axes.grid(True, axis="y")
