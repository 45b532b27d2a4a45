"""Figures of what is not known: what drives an effect, how probable a gain is, what a wrong choice costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analysis.decisions.sweep_plots import COLOURS
from analysis.decisions.unknowns import NOTHING
from analysis.style import look, words
from analysis.style.language import _
from analysis.style.lines import folded
from analysis.style.look import BLUE, GREY, INK, RULE, VERMILION, WIDTH

MOST_DRIVERS = 10


def drivers(table: pd.DataFrame) -> Figure:
    """The strongest drivers of one option's LTV effect: rank correlation, and share of variance explained alone.

    table: rows of drivers.csv of one option and metric, strongest first.
    """
    few = table.head(MOST_DRIVERS)
    figure = Figure(figsize=(WIDTH, 1.0 + 0.3 * len(few)))
    left, right = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(few))[::-1]
    chance = float(few["chance"].iloc[0])
    left.axvspan(-chance, chance, color=RULE, alpha=0.6, linewidth=0)
    rho = few["rank_correlation"].to_numpy()
    left.barh(y, rho, height=0.6, color=[BLUE if one > 0 else VERMILION for one in rho])
    left.axvline(0, color=INK, linewidth=0.8)
    left.set_xlim(-1, 1)
    left.set_xlabel(_("rank correlation with the\neffect on LTV"))
    left.set_yticks(y, [folded(words.moved(str(name)), 34) for name in few["name"]])
    left.set_ylabel(_("drawn parameter"))
    first, error = (100 * few[column].to_numpy() for column in ("first_order", "first_order_error"))
    right.barh(y, np.maximum(first, 0), height=0.6, color=GREY, alpha=0.8)
    right.hlines(y, np.maximum(first - error, 0), np.maximum(first + error, 0), color=INK, linewidth=1.2)
    right.set_xlabel(_("% of the variance explained alone\n(first-order Sobol index, 90 % interval)"))
    right.set_xlim(0, None)
    for axes in (left, right):
        axes.tick_params(axis="y", length=0)
        look.grid_lines(axes, "x")
    return figure


def chances(table: pd.DataFrame) -> Figure:
    """The probability of a gain in LTV over all draws, under each option of a choice, along the leading parameters.

    table: rows of probabilities.csv of one option and of ltv.
    """
    figure, axes = look.one_panel(0.9 + 0.27 * len(table))
    groups = list(dict.fromkeys(table["given"]))
    y = -(np.arange(len(table)) + 0.5 * np.array([groups.index(given) for given in table["given"]]))
    probability, low, high = (table[column].to_numpy(dtype=float) for column in ("probability", "ci_low", "ci_high"))
    colours = np.where(low > 0.5, BLUE, np.where(high < 0.5, VERMILION, GREY))
    axes.hlines(y, low, high, color=colours, linewidth=1.8, alpha=0.6)
    # A dot on 0 or 100 % is whole, not cut by the frame.
    axes.scatter(probability, y, s=30, c=colours, zorder=3, clip_on=False)
    axes.axvline(0.5, color=INK, linewidth=0.8)
    axes.set_yticks(y, [_part_label(row) for _number, row in table.iterrows()])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=_(" %")))
    axes.set_xlabel(_("probability that the effect on LTV is above zero (90 % interval)"))
    axes.set_ylabel(_("among draws with"))
    look.grid_lines(axes, "x")
    return figure


def _part_label(row: pd.Series) -> str:
    """Which draws a row of probabilities.csv is about, and how many."""
    name = words.moved(str(row["given"]))
    if not row["given"]:
        return _("all draws ({draws})").format(draws=row["draws"])
    if np.isnan(row["low"]):
        return _("{name} {value} ({draws})").format(name=name, value=_(str(row["value"])), draws=row["draws"])
    low, high = (words.plain(float(row[end])) for end in ("low", "high"))
    return _("{name} {low} to {high} ({draws})").format(name=name, low=low, high=high, draws=row["draws"])


def regret(table: pd.DataFrame) -> Figure:
    """Expected and largest regret of the options of one world; table: their rows of regret.csv."""
    figure = Figure(figsize=(WIDTH, 0.9 + 0.3 * len(table)))
    both = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(table))[::-1]
    texts = {
        "expected_regret": _("expected regret, yen\nper potential customer"),
        "maximum_regret": _("largest regret, yen\nper potential customer"),
    }
    for axes, (column, text) in zip(both, texts.items(), strict=True):
        values = table[column].to_numpy()
        least = values == values.min()
        axes.barh(y, values, height=0.6, color=np.where(least, BLUE, GREY), alpha=0.85)
        for place, value in zip(y, values, strict=True):
            axes.annotate(
                words.number(value), (value, place), (3, 0), textcoords="offset points", va="center", fontsize=8
            )
        axes.set_xlabel(text)
        axes.margins(x=0.15)
        axes.tick_params(axis="y", length=0)
        look.grid_lines(axes, "x")
    both[0].set_yticks(y, [folded(_(str(name)), 38) for name in table["option"]])
    both[0].set_ylabel(_("choice"))
    return figure


def spreads(effects: pd.DataFrame) -> Figure:
    """Of every option of one world, how often its effect on LTV exceeds a size; effects: (draws, options)."""
    figure, axes = look.one_panel(3.0)
    for number, name in enumerate(one for one in effects.columns if one != NOTHING):
        values = np.sort(effects[name].to_numpy())
        above = 1 - np.arange(len(values)) / len(values)
        style = ("-", "--", "-.", ":")[number % 4]
        axes.step(values, above, where="pre", color=COLOURS[number % len(COLOURS)], linestyle=style, label=str(name))
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=_(" %")))
    axes.set_ylabel(_("% of draws with at least that"))
    axes.set_xlabel(_("effect on LTV, yen per potential customer"))
    look.grid_lines(axes, "both")
    look.legend_above(axes)
    return figure
