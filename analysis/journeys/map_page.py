"""The journey maps of a run as files: a picture for the wall per persona, a page with all of them, and a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon

from analysis.folders.run_folder import Run
from analysis.journeys import map_words
from analysis.journeys.map import EXPERIENCES, FEELINGS, HEARD, STAGES, TOUCHPOINTS, Map, Pain, journey_map, personas
from analysis.journeys.read import Journeys
from analysis.style import look, words
from analysis.style.language import _, told_in
from analysis.style.lines import folded
from analysis.style.look import BLUE, GREY, INK, RULE, VERMILION, style
from analysis.style.page import picture, render
from sim.files.disk import together, write_csv, write_text

FOLDER = "map"


def write_map(folder: Path | str, language: str | None = None) -> str:
    """Write RUN/map/: PERSONA.svg and .png, map.csv and index.html; return what the terminal shows.

    Told in `language`, or in the run's own. Raises RunError where the run kept no journeys, LanguageError, OSError.
    """
    run = Run(folder)
    journeys = Journeys(run)
    with told_in(language or str(run.config.get("language", "en"))), together(run.folder):
        found = [journey_map(journeys, persona) for persona in personas(journeys)]
        place = run.folder / FOLDER
        page = render("map.html.j2", _context(run, found))
        told = "\n".join([*map(map_words.worst, found), "", map_words.caution(found[0])])
        write_csv(place / "map.csv", pd.concat([one.volume for one in found], ignore_index=True))
        write_text(place / "index.html", page)
    return told


def section(journeys: Journeys, stem: Path) -> dict[str, Any]:
    """What the report shows of the map: that of all customers, its picture saved as `stem`."""
    found = journey_map(journeys, personas(journeys)[0])
    return {
        "worst": map_words.worst(found),
        "caution": map_words.caution(found),
        "picture": picture(wall(found), stem, map_words.title(found)),
    }


def _context(run: Run, found: list[Map]) -> dict[str, Any]:
    single = len(found[0].arms) == 1
    name = found[0].arms[-1]
    return {
        "title": (
            _("The customer journey, as it is") if single else _("The customer journey, as it is and with {name}")
        ).format(name=run.title(name)),
        "days": found[0].days,
        "caution": map_words.caution(found[0]),
        "sections": [_section(run, one) for one in found],
        "notes": [_(map_words.DESCRIPTION), _(map_words.ATTRIBUTION)],
        "fingerprint": run.fingerprint,
    }


def _section(run: Run, one: Map) -> dict[str, Any]:
    stem = look.file_name(one.persona)
    return {
        "name": map_words.title(one),
        "file": f"{stem}.svg",
        "worst": map_words.worst(one),
        "picture": picture(wall(one), run.folder / FOLDER / stem, map_words.title(one)),
        "moved": _moved(one),
        "let_down": map_words.let_down(one),
        "moments": [map_words.moment(moment) for moment in one.moments[one.arms[0]]],
    }


def _moved(one: Map) -> list[tuple[str, ...]]:
    """The curve as a table: stage, what is felt, both arms, the difference with its interval, occasions."""
    rows = []
    for stage, arms in one.curve.items():
        levels = [words.number(mean.value, 2) for mean in arms.values()]
        if one.moved:
            mean = one.moved[stage]
            levels += [words.signed(mean.value, 3), words.span(mean.low, mean.high, 3)]
        first = next(iter(arms.values()))
        rows.append((*map_words.stage(stage), *levels, f"{first.occasions:,}", f"{first.customers:,}"))
    return rows


SIZE = (16.5, 11.7)
"""Width and height in inches: A3 landscape, which enlarges to A1 and A0."""

LEFT, RIGHT = 0.115, 0.985
LANES = {"title": (0.925, 0.075), "stages": (0.866, 0.055), "curve": (0.625, 0.232), "pain": (0.508, 0.105),
         "touch": (0.292, 0.207), "facts": (0.127, 0.153), "moments": (0.036, 0.078), "foot": (0.0, 0.028)}  # fmt: skip
"""Lower edge and height of each lane, as shares of the page."""

WASH, PALE, GLOW = "#F4F6F8", "#FDF3EE", "#FFF6DF"
HUGE, LARGE, MIDDLE, SMALL, TINY, FINE = 25, 18, 14, 11.5, 9, 8.3
"""Points on A3."""

PAIN = LinearSegmentedColormap.from_list("pain", ["#CFE3F1", "#FBE3D6", VERMILION])
"""Colour of a touchpoint by the share of its scores below neutral."""

MOST_BELOW = 0.4
"""Share of scores below neutral at which the colour is darkest."""

PLACE = {stage: number + 0.5 for number, stage in enumerate(STAGES)}


def wall(found: Map) -> Figure:
    """The whole map of one persona."""
    draw: dict[str, Callable[[Axes, Map], None]] = {
        "title": _title, "stages": _stages, "curve": _curve, "pain": _pain_texts, "touch": _touchpoints,
        "facts": _facts, "moments": _moments, "foot": _foot,
    }  # fmt: skip
    with style():
        figure = Figure(figsize=SIZE)
        figure.set_layout_engine("none")  # lanes have places of their own
        for lane, (bottom, height) in LANES.items():
            axes = figure.add_axes((LEFT, bottom, RIGHT - LEFT, height))
            axes.set_xlim(0, len(STAGES))
            if lane != "curve":
                axes.set_ylim(0, 1)
                axes.set_axis_off()
            draw[lane](axes, found)
    return figure


def _lane_name(axes: Axes, text: str) -> None:
    """The lane's name in the left margin."""
    axes.text(-0.03, 0.5, folded(text, 14), transform=axes.transAxes, fontsize=MIDDLE, fontweight="bold", ha="right",
              va="center", color=GREY)  # fmt: skip


def _title(axes: Axes, found: Map) -> None:
    start = -LEFT / (RIGHT - LEFT) + 0.015
    axes.text(start, 0.42, map_words.title(found), transform=axes.transAxes, fontsize=HUGE, fontweight="bold",
              va="center")  # fmt: skip
    if len(found.arms) > 1:
        for name, colour in zip(found.arms, (GREY, BLUE), strict=True):
            axes.plot([], [], _line(name, found), color=colour, linewidth=5, label=map_words.arm(name))
        axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.45), fontsize=MIDDLE, handlelength=2.2)


def _stages(axes: Axes, found: Map) -> None:
    for number, text in enumerate(STAGES.values()):
        tip, notch = 0.07, 0.07 if number else 0.0
        corners = [(number + 0.01, 0), (number + 0.94, 0), (number + 0.94 + tip, 0.5), (number + 0.94, 1),
                   (number + 0.01, 1), (number + 0.01 + notch, 0.5)]  # fmt: skip
        axes.add_patch(Polygon(corners, facecolor=INK, edgecolor="none", clip_on=False))
        axes.text(number + 0.5, 0.48, folded(_(text), 18), color="white", fontsize=MIDDLE + 1, fontweight="bold",
                  ha="center", va="center")  # fmt: skip


# -- the curve ----------------------------------------------------------------------------------------------------


def _curve(axes: Axes, found: Map) -> None:
    """Both arms over the stages; below neutral the pain points, numbered."""
    low, high = _range(found)
    axes.set_ylim(low, high)
    axes.axhspan(low, 0, color=PALE, linewidth=0)
    axes.axhline(0, color=INK, linewidth=1.2)
    axes.text(0.03, 0.02 * (high - low), _("neutral"), fontsize=SMALL, va="bottom", color=INK)
    for number in range(1, len(STAGES)):
        axes.axvline(number, color=RULE, linewidth=1)
    for order, name in enumerate(found.arms):
        _line_of(axes, found, name, order)
    for stage, text in FEELINGS.items():
        axes.text(PLACE[stage], high, _(text), fontsize=MIDDLE, color=GREY, ha="center", va="top")
    for number, what in enumerate(_shown(found), 1):
        _circle(axes, found, what, number)
    axes.set_xticks([])
    axes.tick_params(axis="y", labelsize=SMALL, length=0)
    axes.set_ylabel("")
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.text(-0.03, 0.97, folded(_("How it feels"), 14), transform=axes.transAxes, fontsize=MIDDLE, fontweight="bold",
              ha="right", va="top", color=GREY)  # fmt: skip
    axes.text(-0.03, 0.83, _("score, su"), transform=axes.transAxes, fontsize=SMALL, ha="right", va="top", color=GREY)


def _range(found: Map) -> tuple[float, float]:
    points = [mean.value for arms in found.curve.values() for mean in arms.values() if words.known(mean.value)]
    depths = [pain.depth for pains in found.pains.values() for pain in pains if words.known(pain.depth)]
    top, bottom = max([*points, 0.5]), min([*points, *depths, -0.5])
    room = top - bottom
    return bottom - 0.14 * room, top + 0.46 * room


def _line_of(axes: Axes, found: Map, name: str, order: int) -> None:
    means = [found.curve[stage][name] for stage in STAGES]
    x = np.array(list(PLACE.values()))
    y, low, high = (np.array([getattr(mean, end) for mean in means]) for end in ("value", "low", "high"))
    colour, known = (GREY, BLUE)[order], ~np.isnan(y)
    x = x + 0.025 * (2 * order - 1) * (len(found.arms) > 1)
    axes.plot(x[known], y[known], _line(name, found), color=colour, linewidth=4.5, zorder=3 + order)
    axes.vlines(x, low, high, color=colour, linewidth=9, alpha=0.35, zorder=3 + order)
    axes.plot(x, y, "o", color=colour, markersize=12, markeredgecolor="white", markeredgewidth=2, zorder=5 + order)
    side = {0: ("right", -9), 1: ("left", 9)}[order] if len(found.arms) > 1 else ("center", 0)
    tops = [max(m.value for m in found.curve[stage].values()) for stage in STAGES]
    for place, value, top in zip(x, y, tops, strict=True):
        if words.known(value):
            text = words.typeset(words.number(value, 2))
            axes.annotate(text, (place, top), (side[1], 13), textcoords="offset points",
                          ha=side[0], va="bottom", fontsize=LARGE, fontweight="bold", color=colour)  # fmt: skip


def _line(name: str, found: Map) -> str:
    return "--" if name == found.arms[0] and len(found.arms) > 1 else "-"


def _shown(found: Map) -> list[str]:
    """Kinds of pain points of the map as it is, in the order in which they are shown."""
    return [pain.what for pain in found.pains[found.arms[0]] if words.known(pain.depth)]


def _where(what: str) -> float:
    """Place of a pain point on the map: what is heard at the first stage, experiences side by side at the fourth."""
    if what == HEARD:
        return PLACE["learn"]
    return PLACE["receive"] + 0.3 * (EXPERIENCES.index(what) - 1)


def _circle(axes: Axes, found: Map, what: str, number: int) -> None:
    """A pain point: as deep as its scores below neutral, as large as their share."""
    pain = _pain(found, what)
    axes.plot([_where(what)] * 2, [0, pain.depth], color=VERMILION, linewidth=2, zorder=2)
    axes.scatter([_where(what)], [pain.depth], s=500 + 4000 * pain.below.value, color=VERMILION, edgecolor="white",
                 linewidth=2, zorder=7)  # fmt: skip
    axes.text(_where(what), pain.depth, str(number), color="white", fontsize=LARGE, fontweight="bold", ha="center",
              va="center", zorder=8)  # fmt: skip


def _pain(found: Map, what: str) -> Pain:
    return next(pain for pain in found.pains[found.arms[0]] if pain.what == what)


# -- lanes --------------------------------------------------------------------------------------------------------


def _pain_texts(axes: Axes, found: Map) -> None:
    _lane_name(axes, _("Pain points"))
    shown = _shown(found)
    if not shown:
        axes.text(0.03, 0.5, _("No score falls below neutral."), fontsize=MIDDLE, va="center")
    width = len(STAGES) / max(len(shown), 3)
    for number, what in enumerate(shown, 1):
        start = (number - 1) * width
        axes.scatter([start + 0.08], [0.80], s=420, color=VERMILION, clip_on=False)
        axes.text(
            start + 0.08, 0.80, str(number), color="white", fontsize=MIDDLE, fontweight="bold", ha="center", va="center"
        )
        name, numbers = map_words.pain_text(found, what)
        axes.text(start + 0.18, 0.80, name, fontsize=MIDDLE, fontweight="bold", va="center", color=VERMILION)
        axes.text(start + 0.18, 0.61, words.typeset(numbers), fontsize=SMALL, va="top", linespacing=1.3)


def _touchpoints(axes: Axes, found: Map) -> None:
    """A bubble per stage and touchpoint: events as its number, customers as its size, bad scores as its colour."""
    rows = [touchpoint for touchpoint in TOUCHPOINTS if (found.volume["touchpoint"] == touchpoint).any()]
    height = 1 / max(len(rows), 1)
    for number, touchpoint in enumerate(rows):
        y = 1 - (number + 0.5) * height
        if number % 2 == 0:
            axes.axhspan(y - height / 2, y + height / 2, color=WASH, linewidth=0)
        axes.text(-0.03, y, _(TOUCHPOINTS[touchpoint]), transform=axes.get_yaxis_transform(), fontsize=MIDDLE,
                  ha="right", va="center")  # fmt: skip
    for (stage, met), both in found.volume.groupby(["stage", "touchpoint"], sort=False):
        _bubble(axes, found, PLACE[str(stage)], 1 - (rows.index(str(met)) + 0.5) * height, both.set_index("arm"))


def _bubble(axes: Axes, found: Map, x: float, y: float, both: pd.DataFrame) -> None:
    """One stage and touchpoint; both: rows of JOURNEY_MAP by arm."""
    row = both.iloc[0]
    scored = words.known(row["below"])
    fill = PAIN(min(row["below"] / MOST_BELOW, 1.0)) if scored else RULE
    size = 20 + 560 * row["customers"] / max(found.customers, 1)
    axes.scatter([x - 0.36], [y], s=size, color=fill, edgecolor=GREY, linewidth=0.8)
    events = [f"{int(both['events'].get(name, 0)):,}" for name in found.arms]
    told = " → ".join(dict.fromkeys(events))
    if scored:
        told = _("{events}, {below} % bad").format(events=told, below=words.number(100 * row["below"], 0))
    axes.text(x - 0.28, y, told, fontsize=SMALL, va="center")


def _facts(axes: Axes, found: Map) -> None:
    _lane_name(axes, _("Facts"))
    for stage, place in PLACE.items():
        own = [one for one in found.facts if one.stage == stage]
        for number, one in enumerate(own):
            name, value, interval = (words.typeset(text) for text in map_words.fact(one))
            y = 1.0 - 0.255 * number
            axes.text(place - 0.47, y, value, fontsize=MIDDLE, fontweight="bold", va="top")
            axes.text(place - 0.47, y - 0.128, f"{name}  {interval}", fontsize=FINE, va="top", color=GREY)


def _moments(axes: Axes, found: Map) -> None:
    _lane_name(axes, _("Moments of truth"))
    told = found.moments[found.arms[0]]
    for number, one in enumerate(told):
        start = number * len(STAGES) / 3
        width = len(STAGES) / 3 - 0.04
        look = "round,pad=0,rounding_size=0.03"
        axes.add_patch(FancyBboxPatch((start, 0.0), width, 1.0, boxstyle=look, facecolor=GLOW, edgecolor="none"))
        text = folded(words.typeset(map_words.moment(one)), 46)
        axes.text(start + 0.05, 0.5, text, fontsize=SMALL, va="center", linespacing=1.3)
    if not told:
        text = _("After no kind of order does anything differ clearly from what is usual.")
        axes.text(0.03, 0.5, text, fontsize=MIDDLE, va="center")


def _foot(axes: Axes, found: Map) -> None:
    start = -LEFT / (RIGHT - LEFT) + 0.015
    axes.text(start, 0.5, map_words.caution(found), transform=axes.transAxes, fontsize=TINY, color=GREY, va="center")
