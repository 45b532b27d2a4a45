"""The picture of a story: a lane per kind of event, the curve of how it felt, both lives on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.journeys.causes import DETRACTOR, PROMOTER, Event, Life
from analysis.journeys.read import STORE, TOUCHPOINTS
from analysis.journeys.story import Story
from analysis.style import look as figures_
from analysis.style import words
from analysis.style.language import N_, _
from sim.tables import BASELINE

LANES = {
    N_("message"): ("message sent", "message clicked", "preference told", "linked", "opted out"),
    N_("popup"): ("popup shown", "popup clicked"),
    N_("learns and hears"): ("aware", "heard"),
    N_("visit"): ("visit",),
    N_("order"): ("order",),
    N_("coupon"): ("coupon issued", "coupon redeemed"),
    N_("delivery"): ("delivered",),
    N_("support"): ("support contact",),
    N_("let down by"): ("let down",),
    N_("tells friends"): ("talk",),
    N_("survey"): ("survey answer",),
}
"""Lanes from the top, and the kinds of event in each; what is in none has a lane of its own at the end."""

OTHER = N_("other")
DRAWN_OTHERWISE = ("episode", "lapsed")
"""Kinds of event that are on the curve, or that end the life."""

LANE, CURVE = 0.21, 1.15
"""Inches."""

BLAMED = {"site": "o", "store": "D", "delivery": ">", "product": "s"}
"""Marks of what let down, as visits and deliveries have them."""

GOOD, BAD, MESSAGE, POPUP = figures_.GREEN, figures_.VERMILION, figures_.ORANGE, figures_.PURPLE


class Mark(NamedTuple):
    """How an event is drawn: hollow where `full` is false; `text` stands beside it."""

    marker: str
    colour: str
    size: float = 5.5
    full: bool = True
    text: str = ""


def picture(found: Story) -> Figure:
    """A story as a figure: per life its lanes and its curve."""
    lanes = _lanes(found.lives)
    with figures_.style():
        heights = [size for _life in found.lives for size in (LANE * len(lanes) + 0.1, CURVE)]
        figure = Figure(figsize=(figures_.WIDTH, sum(heights) + 0.45 * len(found.lives) + 0.75))
        panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        for number, life in enumerate(found.lives):
            above, below = panels[2 * number : 2 * number + 2]
            _lane_panel(above, life, lanes)
            _curve_panel(below, life, found)
            if found.parting is not None:
                for axes in (above, below):
                    axes.axvline(found.parting.day, color=figures_.INK, linewidth=0.9, linestyle=":")
        _common(figure, panels, found)
    return figure


def _lanes(lives: Sequence[Life]) -> dict[str, tuple[str, ...]]:
    """The lanes in which anything happens in either life."""
    seen = {event.name for life in lives for event in life.events} - set(DRAWN_OTHERWISE)
    placed = {name for names in LANES.values() for name in names}
    every = {**LANES, OTHER: tuple(sorted(seen - placed))}
    return {lane: names for lane, names in every.items() if seen & set(names)}


def _common(figure: Figure, panels: Any, found: Story) -> None:
    """What the panels share: the time axis, the scale of the curves, the legend."""
    panels[0].set_xlim(-0.02 * found.days, 1.02 * found.days)
    panels[-1].set_xlabel(_("day of the horizon"))
    panels[-1].xaxis.set_major_locator(MaxNLocator(10, integer=True))
    curves = panels[1::2]
    low, high = (end(axes.get_ylim()[place] for axes in curves) for place, end in enumerate((min, max)))
    for axes in curves:
        axes.set_ylim(low, high)
    figure.align_ylabels(panels)
    figure.legend(handles=_legend(found), loc="outside upper left", ncols=3)


def _legend(found: Story) -> list[Line2D]:
    entries = [
        Line2D([], [], color=figures_.INK, label=_("satisfaction")),
        Line2D([], [], color=figures_.BLUE, linestyle="--", linewidth=1.2, label=_("expectation")),
        Line2D([], [], color=GOOD, marker="o", linestyle="none", markersize=5, label=_("good, on time")),
        Line2D([], [], color=BAD, marker="o", linestyle="none", markersize=5, label=_("bad, late")),
    ]
    if len(found.lives) > 1:
        entries.insert(1, Line2D([], [], color=figures_.GREY, linewidth=1, label=_("satisfaction in the baseline")))
    if found.parting is not None:
        told = _("the lives part, day {day}").format(day=found.parting.day)
        entries.append(Line2D([], [], color=figures_.INK, linewidth=0.9, linestyle=":", label=told))
    return entries


# -- lanes ----------------------------------------------------------------------------------------------------


def _lane_panel(axes: Axes, life: Life, lanes: dict[str, tuple[str, ...]]) -> None:
    """A life's events, lane by lane from the top."""
    heights = {name: -number for number, names in enumerate(lanes.values()) for name in names}
    for height in set(heights.values()):
        axes.axhline(height, color=figures_.RULE, linewidth=0.6, zorder=0)
    _held(axes, life, heights)
    for event in life.events:
        if event.name in heights:
            _draw(axes, event, heights[event.name], mark(event))
    axes.set_yticks([-number for number in range(len(lanes))], [_(lane) for lane in lanes], fontsize=8)
    axes.tick_params(axis="both", length=0, labelbottom=False)
    axes.set_ylim(0.6 - max(1, len(lanes)), 0.6)
    axes.set_title(_("Baseline") if life.arm == BASELINE else _("With {name}").format(name=life.arm))
    axes.spines[["left", "bottom"]].set_visible(False)


def _draw(axes: Axes, event: Event, height: float, look: Mark) -> None:
    axes.plot(
        event.day, height, look.marker, color=look.colour, markersize=look.size, linestyle="none",
        markerfacecolor=look.colour if look.full else "white", markeredgewidth=1.0, clip_on=False,
    )  # fmt: skip
    if look.text:
        axes.annotate(
            words.typeset(look.text), (event.day, height), (4, 0), textcoords="offset points", va="center",
            fontsize=7, color=look.colour,
        )  # fmt: skip


def mark(event: Event) -> Mark:
    """How an event is drawn."""
    value = event.value
    scored = Mark("^", GOOD) if value >= 0 else Mark("v", BAD)
    marks = {
        "message sent": Mark("s", MESSAGE, full=False),
        "message clicked": Mark("s", MESSAGE),
        "preference told": Mark("P", MESSAGE),
        "linked": Mark("*", MESSAGE, 8),
        "opted out": Mark("X", BAD),
        "popup shown": Mark("s", POPUP, full=False),
        "popup clicked": Mark("s", POPUP),
        "aware": Mark("*", figures_.BLUE, 9),
        "heard": scored,
        "talk": scored,
        "visit": Mark("D" if value == STORE else "o", figures_.GREY, 3.2, full=value != 1),
        "order": Mark("o", figures_.BLUE, float(np.clip(1.1 * (max(value, 0) / 100) ** 0.5, 4, 11))),
        "coupon issued": Mark("d", MESSAGE, 6.5, full=False),
        "coupon redeemed": Mark("d", MESSAGE, 6.5),
        "delivered": Mark(">", BAD, text=words.signed(value, 0)) if value > 0 else Mark(">", GOOD),
        "let down": Mark(BLAMED.get(TOUCHPOINTS.get(int(value), ""), "v"), BAD, 4.5),
        "support contact": Mark("P", figures_.BLUE, 6.5) if value >= 0 else Mark("X", BAD, 6.5),
        "survey answer": Mark("o", _opinion(value), 6, text=words.number(value, 0)),
    }
    return marks.get(event.name, Mark("o", figures_.INK, full=False))


def _opinion(answer: float) -> str:
    return GOOD if answer >= PROMOTER else BAD if answer <= DETRACTOR else figures_.GREY


def _held(axes: Axes, life: Life, heights: dict[str, int]) -> None:
    """A line from each coupon to its redemption, first given first redeemed."""
    given = [event.day for event in life.events if event.name == "coupon issued"]
    used = [event.day for event in life.events if event.name == "coupon redeemed"]
    if given and used:
        pairs = list(zip(given, used, strict=False))
        axes.hlines([heights["coupon issued"]] * len(pairs), *zip(*pairs, strict=True), color=MESSAGE, linewidth=1.2)


# -- the curve ------------------------------------------------------------------------------------------------


def _curve_panel(axes: Axes, life: Life, found: Story) -> None:
    """Satisfaction, expectation and the scores of experiences; what follows a lapse is shaded."""
    axes.axhline(0, color=figures_.RULE, linewidth=0.8)
    if life is not found.lives[0]:
        axes.step(*_course(found.lives[0], "satisfaction", found.days), color=figures_.GREY, linewidth=1.0, where="post")
    axes.step(*_course(life, "expectation", found.days), "--", color=figures_.BLUE, linewidth=1.2, where="post")
    axes.step(*_course(life, "satisfaction", found.days), color=figures_.INK, where="post")
    for event in life.events:
        if event.name == "episode":
            axes.plot(event.day, event.value, "o", color=GOOD if event.value >= 0 else BAD, markersize=5)
        elif event.name == "lapsed":
            axes.axvspan(event.day, found.days, color=figures_.RULE, alpha=0.6, linewidth=0)
            axes.text(event.day, 0.04, _(" lapsed"), transform=axes.get_xaxis_transform(), fontsize=8, color=BAD)
    axes.margins(y=0.12)
    axes.set_ylabel(_("how it feels, su"))
    axes.yaxis.set_major_locator(MaxNLocator(4))


def _course(life: Life, name: str, days: int) -> tuple[list[float], list[float]]:
    """Days and values of a latent state, from its first record to the end of the horizon."""
    when, value = life.states["day"].tolist(), life.states[name].tolist()
    return ([*when, days], [*value, value[-1]]) if value else ([], [])
