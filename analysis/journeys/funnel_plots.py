"""Pictures of the funnel: its stages for everybody, and its drop-offs group by group."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.journeys.funnel import KIND_WORDS, LOST_WORDS, STAGE_WORDS, STAGES, Funnel
from analysis.style import look, words
from analysis.style.language import _
from analysis.style.lines import folded
from sim.tables import BASELINE, EVERYBODY

_RIGHT = 138
"""Right end of the stages' axis, per cent: room for figures beside the longest bar."""

STEPS = ("visit", "order", "second order")
"""Steps that are shown group by group: what comes before is the market's, what comes after is of few."""


def stages(found: Funnel) -> Figure:
    """Everybody's funnel: a pair of bars per stage, and between two stages what the step loses."""
    arms = _arms(found)
    with look.style():
        figure, axes = look.one_panel(0.7 + 0.62 * len(STAGES))
        thick = 0.62 / len(arms)
        for place, arm in enumerate(arms):
            rows = _of(found.table, arm, EVERYBODY)
            y = -np.arange(len(STAGES)) - thick * (place - (len(arms) - 1) / 2)
            colour, text = _look(arm)
            axes.barh(y, 100 * rows["share"], height=thick * 0.92, color=colour, label=text)
            for height, share, count in zip(y, rows["share"], rows["customers"], strict=True):
                axes.annotate(
                    _("{share} %  ({count})").format(share=words.number(100 * share, 1), count=f"{count:,}"),
                    (100 * share, height), (4, 0), textcoords="offset points", va="center", fontsize=8, color=colour,
                )  # fmt: skip
        _losses(axes, _of(found.table, arms[0], EVERYBODY), 0.31)
        axes.set_yticks(-np.arange(len(STAGES)), [_(STAGE_WORDS[stage]) for stage in STAGES])
        axes.tick_params(axis="y", length=0)
        axes.set_ylabel(_("stage, within {days} days").format(days=found.days))
        axes.set_xlabel(_("% of potential customers"))
        axes.set_xlim(0, _RIGHT)
        axes.set_xticks(range(0, 101, 20))
        look.grid_lines(axes, "x")
        look.legend_above(axes)
    return figure


def _losses(axes: Axes, rows: pd.DataFrame, half: float) -> None:
    """Between the bars of two stages, `half` from their middles to their edges: whom the baseline loses, as a slope and
    in per cent to the right; in bold where it loses most people."""
    lost, share = -np.diff(rows["customers"]), 100 * rows["share"].to_numpy()
    axes.text(_RIGHT - 1, 0, _("drop-off"), ha="right", va="center", fontsize=8.5, color=look.VERMILION)
    for place in range(1, len(rows)):
        axes.fill_betweenx([1 - place - half, half - place], share[place - 1 : place + 1],
                           color=look.RULE, alpha=0.5, linewidth=0)  # fmt: skip
        told = _("\N{MINUS SIGN}{share} %").format(share=words.number(100 * rows["drop_off"].iloc[place], 1))
        weight = "bold" if lost[place - 1] == lost.max() else "normal"
        axes.text(_RIGHT - 1, 0.5 - place, told, ha="right", va="center", color=look.VERMILION, fontweight=weight)


def groups(found: Funnel) -> Figure:
    """Drop-off of each step by group, both arms, with intervals."""
    kinds = [kind for kind in KIND_WORDS if kind != EVERYBODY and _groups(found.table, kind)]
    names = [(kind, group) for kind in kinds for group in _groups(found.table, kind)]
    place = dict(zip(names, _places(kinds, names), strict=True))
    with look.style():
        figure = Figure(figsize=(look.WIDTH, 0.9 + 0.25 * (len(names) + len(kinds))))
        panels = figure.subplots(1, len(STEPS), sharey=True)
        for axes, step in zip(panels, STEPS, strict=True):
            _step_panel(axes, found, step, place)
        _name_rows(panels[0], kinds, place)
        look.legend_figure(figure, panels[:1])
    return figure


def _step_panel(axes: Axes, found: Funnel, step: str, place: dict[tuple[str, str], float]) -> None:
    arms = _arms(found)
    for number, arm in enumerate(arms):
        own = found.table[(found.table["arm"] == arm) & (found.table["stage"] == step)]
        own = own[[(kind, group) in place for kind, group in zip(own["kind"], own["group"], strict=True)]]
        shift = 0.3 * (0.5 - number) if len(arms) > 1 else 0.0
        y = np.array([place[kind, group] + shift for kind, group in zip(own["kind"], own["group"], strict=True)])
        ends = own.assign(effect=100 * own["drop_off"], ci_low=100 * own["ci_low"], ci_high=100 * own["ci_high"])
        colour, text = _look(arm)
        look.dots(axes, ends, y, colour, "os"[number % 2], text)
    axes.set_title(folded(_(LOST_WORDS[step]), 26))
    axes.set_xlabel(_("% of the stage before"))
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    look.grid_lines(axes, "x")


def _name_rows(axes: Axes, kinds: list[str], place: dict[tuple[str, str], float]) -> None:
    """Groups beside the rows, and what they are groups by in bold above them."""
    heads = {kind: max(y for (own, _group), y in place.items() if own == kind) + 0.95 for kind in kinds}
    axes.set_yticks(
        [*place.values(), *heads.values()],
        [*(_(group) for _kind, group in place), *(_(KIND_WORDS[kind]) for kind in kinds)],
    )
    for text in axes.get_yticklabels()[len(place) :]:
        text.set_fontweight("bold")
    axes.set_ylim(min(place.values()) - 0.6, max(heads.values()) + 0.5)
    axes.set_ylabel(_("group of customers"))


def _places(kinds: list[str], names: list[tuple[str, str]]) -> Iterator[float]:
    """Heights of the groups from above, with room for a heading before each kind."""
    for number, (kind, _group) in enumerate(names):
        yield -float(number + 1.1 * kinds.index(kind))


def _groups(table: pd.DataFrame, kind: str) -> list[str]:
    return [str(group) for group in pd.unique(table.loc[table["kind"] == kind, "group"])]


def _of(table: pd.DataFrame, arm: str, kind: str) -> pd.DataFrame:
    return table[(table["arm"] == arm) & (table["kind"] == kind)]


def _arms(found: Funnel) -> list[str]:
    return [BASELINE] if found.scenario is None else [BASELINE, found.scenario]


def _look(arm: str) -> tuple[str, str]:
    return (look.GREY, _("baseline")) if arm == BASELINE else (look.BLUE, _("with the scenario"))
