"""Figures of key drivers: what a step does to LTV and to NPS, and the place each ranking gives a touchpoint."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.studies.key_drivers import COMPLAINED, SURVEYED, KeyDrivers
from analysis.style import look, words
from analysis.style.language import N_, _
from sim.tables import BROKEN, DRIVEN, EVERYBODY, REPAIRED, STEP

LTV, _RESIDUAL, NPS = DRIVEN
RANKINGS = {LTV: N_("LTV"), NPS: N_("NPS"), COMPLAINED: N_("complaints"), SURVEYED: N_("survey")}
CHANGE_LOOKS = {REPAIRED: (N_("a step better"), look.BLUE, 0.2), BROKEN: (N_("a step worse"), look.VERMILION, -0.2)}


def touchpoints(run: KeyDrivers, persona: str) -> list[str]:
    """Touchpoints that were moved for a persona, by what a step there does to LTV."""
    rows = run.summary
    rows = rows[(rows["persona"] == persona) & (rows["measure"] == LTV) & (rows["change"] == STEP)]
    return [str(name) for name in rows.sort_values("rank")["touchpoint"]]


def figures(run: KeyDrivers) -> dict[str, Figure]:
    """All figures by a short name, in reading order."""
    everybody = [(EVERYBODY, name) for name in touchpoints(run, EVERYBODY)]
    single = [(persona, name) for persona in run.personas[1:] for name in touchpoints(run, persona)]
    with look.style():
        made = {"everybody": paired_bars(run, everybody)}
        return made | {"personas": paired_bars(run, single)} if single else made


def paired_bars(run: KeyDrivers, cells: list[tuple[str, str]]) -> Figure:
    """A row per (persona, touchpoint): bars for better and worse, of LTV and of NPS, and the places."""
    figure = Figure(figsize=(look.WIDTH, 1.3 + 0.34 * len(cells)))
    ltv, nps, places = figure.subplots(1, 3, sharey=True, width_ratios=(3, 3, 1.9))
    texts = {LTV: _("effect on LTV, yen per\npotential customer"), NPS: _("effect on NPS,\npoints")}
    for axes, metric in ((ltv, LTV), (nps, NPS)):
        for change in CHANGE_LOOKS:
            _bars(axes, [run.cell(*cell, metric, change) for cell in cells], change)
        axes.axvline(0, color=look.INK, linewidth=0.8)
        axes.set_xlabel(texts[metric])
        look.grid_lines(axes, "x")
    ltv.set_yticks(range(len(cells)), [_label(*cell) for cell in cells])
    ltv.set_ylim(len(cells) - 0.4, -0.6)
    for axes in (ltv, nps, places):
        axes.tick_params(axis="y", length=0)
        for row in range(1, len(cells)):
            if cells[row][0] != cells[row - 1][0]:
                axes.axhline(row - 0.5, color=look.RULE, linewidth=0.8)
    _places(places, run, cells)
    look.legend_figure(figure, [ltv])
    return figure


def _label(persona: str, name: str) -> str:
    if persona == EVERYBODY:
        return words.touchpoint(name)
    return _("{persona}: {touchpoint}").format(touchpoint=words.touchpoint(name), persona=words.segment(persona))


def _bars(axes: Axes, rows: list[pd.Series], change: str) -> None:
    text, colour, shift = CHANGE_LOOKS[change]
    y = [place - shift for place in range(len(rows))]
    axes.barh(y, [row["value"] for row in rows], height=0.36, color=colour, alpha=0.85, label=_(text))
    low, high = [row["ci_low"] for row in rows], [row["ci_high"] for row in rows]
    axes.hlines(y, low, high, color=look.INK, linewidth=0.9, alpha=0.7)


def _places(axes: Axes, run: KeyDrivers, cells: list[tuple[str, str]]) -> None:
    """The place of each touchpoint among those that every ranking names; standing out where it is not LTV's."""
    for column, (measure, text) in enumerate(RANKINGS.items()):
        axes.text(column, -0.7, _(text), rotation=45, rotation_mode="anchor", va="center", fontsize=8.5)
        for row, (persona, name) in enumerate(cells):
            place, by_ltv = (run.place(persona, name, one) for one in (measure, LTV))
            other = place is not None and place != by_ltv
            axes.text(
                column, row, "\N{EN DASH}" if place is None else str(place), ha="center", va="center",
                fontweight="bold" if other else "normal", color=look.VERMILION if other else look.INK,
            )  # fmt: skip
    axes.set_xlim(-0.6, len(RANKINGS) - 0.4)
    axes.set_xticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_xlabel(_("place by each ranking"))
