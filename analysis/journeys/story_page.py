"""A story told: its page, its table for the terminal, the list of a finder, and the one story of the report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.folders.run_folder import Run
from analysis.journeys import finders
from analysis.journeys.causes import Event, Life
from analysis.journeys.read import STORE, TOUCHPOINTS, Journeys
from analysis.journeys.story import BOTH, Story, parting_words, story, table, timeline, when
from analysis.style import look, words
from analysis.style.language import N_, _, told_in
from analysis.style.page import Picture, picture, render
from sim.tables import BASELINE, DETRACTOR, PROMOTER

ILLUSTRATION = N_(
    "An illustration. Both lives have the same luck, but what one customer would have done is not identified: it hangs "
    "on how the luck of the two arms is coupled, which is a choice of the model. Only means over customers are answers."
)
PICKED = N_("Picked because they are striking; how common they are, cxsim funnel and the report say.")
CAPTION = N_(
    "Visits: dot website, ring app, diamond store. Messages and coupons: hollow sent, shown or given, filled clicked "
    "or redeemed. Orders: larger for more yen. Beside a delivery or a cancelled order: days late. Crosses: an order "
    "cancelled, messages opted out of, support given up. Let down by: dot the site, diamond the store, triangle the "
    "delivery, square the product. Dots on the curve: scores of experiences, in su, the latent unit of satisfaction, "
    "which nobody sees in a real firm."
)
STATUS_WORDS = {"unaware": N_("unaware"), "aware": N_("aware"), "customer": N_("customer"), "lapsed": N_("lapsed")}


class StoryTexts(NamedTuple):
    """A story as told: the page, and what the terminal shows."""

    page: str
    terminal: str


def place_of(folder: Path, customer: int) -> Path:
    """Where the page of a customer's story stands in a run folder; its picture stands beside it."""
    return folder / "stories" / f"{customer}.html"


def tell(folder: Path | str, customer: int, language: str | None = None) -> StoryTexts:
    """One customer's story, told in `language` or in the run's own; saves its picture beside the page's place.

    Raises RunError where that customer's journey was not kept, LanguageError, OSError.
    """
    run = Run(folder)
    with told_in(language or str(run.config.get("language", "en"))):
        journeys = Journeys(run)
        found = story(journeys, customer)
        parts = (table(found), parting_words(found, journeys), _label(found))
        drawn = _drawn(found, journeys, place_of(run.folder, customer).with_suffix(""))
        page = render("story.html.j2", _context(journeys, found, drawn))
    return StoryTexts(page, "\n\n".join(filter(None, parts)))


def listed(folder: Path | str, name: str, language: str | None = None) -> str:
    """The customers whom a finder puts first, a line each. Raises RunError for a name that is none, LanguageError."""
    run = Run(folder)
    with told_in(language or str(run.config.get("language", "en"))):
        found = finders.find(Journeys(run), name)
        if not found:
            return _("Nobody whose journey was kept.")
        lines = [f"{one.customer:>8}  {one.line}" for one in found]
        return "\n".join([*lines, "", _(PICKED)])


def section(journeys: Journeys, stem: Path) -> dict[str, Any] | None:
    """What the report tells of one customer, the picture saved as `stem`; None where nothing happened to anybody."""
    telling = finders.telling(journeys)
    if telling is None:
        return None
    one = story(journeys, telling.customer)
    title = _("Customer {customer}: {line}").format(customer=one.customer, line=telling.line)
    return {
        "title": title,
        "label": _label(one),
        "parting": parting_words(one, journeys),
        "picture": _drawn(one, journeys, stem),
        "command": f"cxsim story RUN {one.customer}",
    }


def _label(found: Story) -> str:
    return _(ILLUSTRATION) if len(found.lives) > 1 else ""


def _drawn(found: Story, journeys: Journeys, stem: Path) -> Picture:
    return picture(life_picture(found, journeys.run.date(0)), stem, _(CAPTION))


def _context(journeys: Journeys, found: Story, drawn: Picture) -> dict[str, Any]:
    titles = [journeys.run.title(life.arm) for life in found.lives[1:]]
    return {
        "title": _("The story of customer {customer}").format(customer=found.customer),
        "facts": _facts(found),
        "label": _label(found),
        "parting": parting_words(found, journeys),
        "picture": drawn,
        "arms": [_("Baseline"), *(_("With {name}").format(name=title) for title in titles)],
        "ends": [_end(life) for life in found.lives],
        "rows": _rows(journeys, found),
        "fingerprint": journeys.run.fingerprint,
    }


def _facts(found: Story) -> list[tuple[str, str]]:
    person = found.lives[0].person
    return [
        (_("Persona"), _(str(person["persona"]))),
        (_("Declared segment"), _(str(person["segment"]))),
        (_("Horizon"), _("{days} days").format(days=found.days)),
        (_("Replication"), _("the first")),
    ]


def _end(life: Life) -> list[str]:
    """How a life ended: status, visits, orders, profit, satisfaction."""
    person = life.person
    return [
        _(STATUS_WORDS.get(str(person["status"]), str(person["status"]))),
        f"{person['visits']:,}",
        f"{person['orders']:,}",
        words.number(float(person["profit"]), 0),
        words.number(float(person["satisfaction"]), 2),
    ]


def _rows(journeys: Journeys, found: Story) -> list[dict[str, Any]]:
    """Rows of the page's timeline: what both lives share stands across both columns."""
    rows = []
    for line in timeline(found):
        rows.append({
            "when": when(line), "date": journeys.date(line.first), "told": line.told, "why": line.why,
            "shared": line.arm == BOTH, "baseline": line.arm == BASELINE,
        })  # fmt: skip
    return rows


LANES = {
    N_("message"): ("message sent", "message clicked", "preference told", "linked", "opted out"),
    N_("popup"): ("popup shown", "popup clicked"),
    N_("learns and hears"): ("aware", "heard"),
    N_("visit"): ("visit",),
    N_("order"): ("order",),
    N_("coupon"): ("coupon issued", "coupon redeemed"),
    N_("delivery"): ("delivered", "cancelled"),
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
"""Marks of the touchpoints that let down, the same as for visits and deliveries."""

GOOD, BAD, MESSAGE, POPUP = look.GREEN, look.VERMILION, look.ORANGE, look.PURPLE


class Mark(NamedTuple):
    """How an event is drawn: hollow where `full` is false; `text` stands beside it."""

    marker: str
    colour: str
    size: float = 5.5
    full: bool = True
    text: str = ""


def life_picture(found: Story, first: date | None = None) -> Figure:
    """A story as a figure: per life its lanes and its curve. `first` is the date of day 0, where one is stated."""
    lanes = _lanes(found.lives)
    with look.style():
        heights = [size for _life in found.lives for size in (LANE * len(lanes) + 0.1, CURVE)]
        figure = Figure(figsize=(look.WIDTH, sum(heights) + 0.45 * len(found.lives) + 0.75))
        panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        for number, life in enumerate(found.lives):
            above, below = panels[2 * number : 2 * number + 2]
            _lane_panel(above, life, lanes)
            _curve_panel(below, life, found)
            if found.parting is not None:
                for axes in (above, below):
                    axes.axvline(found.parting.day, color=look.INK, linewidth=0.9, linestyle=":")
        _common(figure, panels, found)
        _time_axis(panels[-1], found.days, first)
    return figure


def _lanes(lives: Sequence[Life]) -> dict[str, tuple[str, ...]]:
    """The lanes in which anything happens in either life."""
    seen = {event.name for life in lives for event in life.events} - set(DRAWN_OTHERWISE)
    placed = {name for names in LANES.values() for name in names}
    every = {**LANES, OTHER: tuple(sorted(seen - placed))}
    return {lane: names for lane, names in every.items() if seen & set(names)}


def _common(figure: Figure, panels: Any, found: Story) -> None:
    """What the panels share: how far time goes, the scale of the curves, the legend."""
    panels[0].set_xlim(-0.02 * found.days, 1.02 * found.days)
    curves = panels[1::2]
    low, high = (end(axes.get_ylim()[place] for axes in curves) for place, end in enumerate((min, max)))
    for axes in curves:
        axes.set_ylim(low, high)
    figure.align_ylabels(panels)
    figure.legend(handles=_legend(found), loc="outside upper left", ncols=3)


def _time_axis(axes: Axes, days: int, first: date | None) -> None:
    """Months along the lowest panel; numbers of days where no start is stated."""
    if first is None:
        axes.set_xlabel(_("day of the horizon"))
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        return
    axes.set_xlabel(_("date"))
    look.months_along(axes, first, days, 10)


def _legend(found: Story) -> list[Line2D]:
    entries = [
        Line2D([], [], color=look.INK, label=_("satisfaction")),
        Line2D([], [], color=look.BLUE, linestyle="--", linewidth=1.2, label=_("expectation")),
        Line2D([], [], color=GOOD, marker="o", linestyle="none", markersize=5, label=_("good, on time")),
        Line2D([], [], color=BAD, marker="o", linestyle="none", markersize=5, label=_("bad, late")),
    ]
    if len(found.lives) > 1:
        entries.insert(1, Line2D([], [], color=look.GREY, linewidth=1, label=_("satisfaction in the baseline")))
    if found.parting is not None:
        told = _("the lives part, day {day}").format(day=found.parting.day)
        entries.append(Line2D([], [], color=look.INK, linewidth=0.9, linestyle=":", label=told))
    return entries


# -- lanes ----------------------------------------------------------------------------------------------------


def _lane_panel(axes: Axes, life: Life, lanes: dict[str, tuple[str, ...]]) -> None:
    """A life's events, lane by lane from the top."""
    heights = {name: -number for number, names in enumerate(lanes.values()) for name in names}
    for height in set(heights.values()):
        axes.axhline(height, color=look.RULE, linewidth=0.6, zorder=0)
    _held(axes, life, heights)
    points = [(event.day, heights[event.name], mark(event)) for event in life.events if event.name in heights]
    alike: dict[Mark, list[tuple[int, float]]] = {}  # drawn at once, which is quicker
    for day, height, shape in points:
        alike.setdefault(shape._replace(text=""), []).append((day, height))
    for shape, places in alike.items():
        _points(axes, places, shape)
    for day, height, shape in points:
        if shape.text:
            axes.annotate(
                words.typeset(shape.text), (day, height), (4, 0), textcoords="offset points", va="center",
                fontsize=7, color=shape.colour,
            )  # fmt: skip
    axes.set_yticks([-number for number in range(len(lanes))], [_(lane) for lane in lanes], fontsize=8)
    axes.tick_params(axis="both", length=0, labelbottom=False)
    axes.set_ylim(0.6 - max(1, len(lanes)), 0.6)
    axes.set_title(_("Baseline") if life.arm == BASELINE else _("With the scenario"))
    axes.spines[["left", "bottom"]].set_visible(False)


def _points(axes: Axes, places: list[tuple[int, float]], mark: Mark) -> None:
    axes.plot(
        *zip(*places, strict=True), mark.marker, color=mark.colour, markersize=mark.size, linestyle="none",
        markerfacecolor=mark.colour if mark.full else "white", markeredgewidth=1.0, clip_on=False,
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
        "aware": Mark("*", look.BLUE, 9),
        "heard": scored,
        "talk": scored,
        "visit": Mark("D" if value == STORE else "o", look.GREY, 3.2, full=value != 1),
        "order": Mark("o", look.BLUE, float(np.clip(1.1 * (max(value, 0) / 100) ** 0.5, 4, 11))),
        "coupon issued": Mark("d", MESSAGE, 6.5, full=False),
        "coupon redeemed": Mark("d", MESSAGE, 6.5),
        "delivered": Mark(">", BAD, text=words.signed(value, 0)) if value > 0 else Mark(">", GOOD),
        "cancelled": Mark("X", BAD, 6.5, text=words.signed(value, 0)),
        "let down": Mark(BLAMED.get(TOUCHPOINTS.get(int(value), ""), "v"), BAD, 4.5),
        "support contact": Mark("P", look.BLUE, 6.5) if value >= 0 else Mark("X", BAD, 6.5),
        "survey answer": Mark("o", _opinion(value), 6, text=words.number(value, 0)),
    }
    return marks.get(event.name, Mark("o", look.INK, full=False))


def _opinion(answer: float) -> str:
    return GOOD if answer >= PROMOTER else BAD if answer <= DETRACTOR else look.GREY


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
    axes.axhline(0, color=look.RULE, linewidth=0.8)
    if life is not found.lives[0]:
        axes.step(*_course(found.lives[0], "satisfaction", found.days), color=look.GREY, linewidth=1.0, where="post")
    axes.step(*_course(life, "expectation", found.days), "--", color=look.BLUE, linewidth=1.2, where="post")
    axes.step(*_course(life, "satisfaction", found.days), color=look.INK, where="post")
    scores = [(event.day, event.value) for event in life.events if event.name == "episode"]
    for colour, own in ((GOOD, [one for one in scores if one[1] >= 0]), (BAD, [one for one in scores if one[1] < 0])):
        axes.plot([day for day, _score in own], [score for _day, score in own], "o", color=colour, markersize=5)
    for event in life.events:
        if event.name == "lapsed":
            axes.axvspan(event.day, found.days, color=look.RULE, alpha=0.6, linewidth=0)
            axes.text(event.day, 0.04, _(" lapsed"), transform=axes.get_xaxis_transform(), fontsize=8, color=BAD)
    axes.margins(y=0.12)
    axes.set_ylabel(_("how it feels, su"))
    axes.yaxis.set_major_locator(MaxNLocator(4))


def _course(life: Life, name: str, days: int) -> tuple[list[float], list[float]]:
    """Days and values of a latent state, from its first record to the end of the horizon."""
    when, value = life.states["day"].tolist(), life.states[name].tolist()
    return ([*when, days], [*value, value[-1]]) if value else ([], [])
