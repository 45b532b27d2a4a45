"""Figures of a run: one look, colours that the colour-blind can tell apart, units on every axis.

Figures are made with matplotlib's objects (no pyplot, no global state) and come out as the same bytes for the same
tables: SVG ids are hashed with a fixed salt and neither format carries a date or a program's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.decisions.verdict import members_of
from analysis.effects import answer, flips
from analysis.effects.estimands import Array, ltv_by_point
from analysis.effects.sensitivity import rank_correlations as correlations
from analysis.folders.run_folder import Run, cell
from analysis.report.rows import scaled, years
from analysis.style import look, words
from analysis.style.language import N_, _
from analysis.style.lines import folded
from sim.tables import BASELINE, EVERYBODY

PARTS = {
    "direct": (N_("direct"), look.BLUE),
    "wom": (N_("word of\nmouth"), look.GREEN),
    "congestion": (N_("congestion"), look.VERMILION),
    "company": (N_("company"), look.PURPLE),
    "total": (N_("total"), look.INK),
}
"""Parts of an effect: name and colour."""


def figures(run: Run, name: str) -> dict[str, Figure]:
    """All figures of intervention `name` that its tables allow, by a short name, in reading order."""
    makers: dict[str, Callable[[Run, str], Figure | None]] = {
        "value": value,
        "waterfall": waterfall,
        "ab_test": field_test,
        "personas": by_persona,
        "time": over_time,
        "journey": journey,
        "ltv": ltv_distribution,
        "break_even": probe_curves,
        "sensitivity": sensitivity,
    }
    with look.style():
        made = {key: make(run, name) for key, make in makers.items()}
    return {key: figure for key, figure in made.items() if figure is not None}


def level_figures(run: Run) -> dict[str, Figure]:
    """Figures of a baseline alone: no effects, only how the company stands."""
    with look.style():
        made = {
            "time": over_time(run, BASELINE),
            "journey": journey(run, BASELINE),
            "ltv": ltv_distribution(run, BASELINE),
        }
    return {key: figure for key, figure in made.items() if figure is not None}


def value(run: Run, name: str) -> Figure | None:
    """The figure of the first page: what the firm gains by year and after the horizon, and where it comes from."""
    panels = value_panels(run, name)
    if not panels:
        return None
    figure = Figure(figsize=(VALUE_WIDTH, 0.62 * len(panels) + 0.27 * sum(len(panel.bars) for panel in panels)))
    draw_value(figure, panels)
    return figure


VALUE_WIDTH = 5.4
"""Inches: half of a first page."""


Bar = tuple[str, str, answer.Answer]
"""Text, colour, effect in million yen for the firm."""


class Panel(NamedTuple):
    """Bars that add up, to the last of them where that is their total."""

    title: str
    bars: list[Bar]


def value_panels(run: Run, name: str) -> list[Panel]:
    """Effect on LTV for all members by year, and by where it comes from; the latter where its parts were run."""
    times = {"year_1": _("first year"), "year_2": _("second year"), "year_3": _("third year")}
    by_year = [(metric, "total", times[metric], look.BLUE) for metric in years(run)]
    by_year += [("tail", "total", _("after the horizon"), look.GREEN), ("ltv", "total", _("together"), look.INK)]
    by_part = [
        ("ltv", part, _(text).replace("\n", " "), colour) for part, (text, colour) in PARTS.items() if part != "total"
    ]
    when, where = (_bars(run, name, wanted) for wanted in (by_year, by_part))
    panels = [Panel(_("When it comes"), when), Panel(_where_title(when, where), where)]
    return [panel for panel in panels if len(panel.bars) > 1]


def _where_title(when: list[Bar], where: list[Bar]) -> str:
    """The parts add up to the total at their own points, which may be the first ones only."""
    if when and where and where[0][2].points < when[-1][2].points:
        return _("Where it comes from, at the first {points} points").format(points=where[0][2].points)
    return _("Where it comes from")


def _bars(run: Run, name: str, wanted: list[tuple[str, str, str, str]]) -> list[Bar]:
    """The bars that were measured; parts that are zero at every point are left out."""
    factor = members_of(run) / 1e6
    found = [
        (text, colour, answer.answer(run.effects, name, metric, estimand=estimand))
        for metric, estimand, text, colour in wanted
    ]
    return [(text, colour, scaled(one, factor)) for text, colour, one in found if one and not one.nothing]


def draw_value(place: Figure | SubFigure, panels: list[Panel]) -> None:
    """Draw the panels below one another, on one scale."""
    heights = [len(panel.bars) for panel in panels]
    grid = place.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=heights)
    for axes, panel in zip(grid[:, 0], panels, strict=True):
        _value_panel(axes, panel)
    lowest = grid[-1, 0]
    points = panels[0].bars[0][2]
    ends = _("lines: 90 % interval") if words.known(points.low) else _("lines: from the lowest to the highest point")
    lowest.set_xlabel(_("million yen for the firm ({ends})").format(ends=ends))
    lowest.xaxis.set_major_locator(MaxNLocator(5))
    lowest.margins(x=0.16)


def _value_panel(axes: Axes, panel: Panel) -> None:
    y = np.arange(len(panel.bars))[::-1]
    places = words.decimals(*(found.effect for _text, _colour, found in panel.bars))
    for place, (_text, colour, found) in zip(y, panel.bars, strict=True):
        low, high = (found.low, found.high) if words.known(found.low) else (found.least, found.most)
        axes.barh(place, found.effect, height=0.56, color=colour, alpha=0.85)
        axes.plot([low, high], [place, place], color=look.GREY, linewidth=1.2)
        right = max(high, found.effect, 0.0) if found.effect >= 0 else min(low, found.effect, 0.0)
        axes.annotate(
            words.typeset(words.signed(found.effect, places)), (right, place), (5 if found.effect >= 0 else -5, 0),
            textcoords="offset points", ha="left" if found.effect >= 0 else "right", va="center",
        )  # fmt: skip
    axes.axvline(0, color=look.INK, linewidth=0.8)
    axes.set_yticks(y, [text for text, _colour, _found in panel.bars])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.6, len(panel.bars) - 0.4)
    axes.set_title(panel.title)
    look.grid_lines(axes, "x")


def waterfall(run: Run, name: str) -> Figure | None:
    """Direct effect, the parts of the spillover, each with its interval, and the total they add up to."""
    rows = _rows(run, name, "ltv").set_index("estimand")
    if any(part not in rows.index for part in PARTS):
        return None
    figure, axes = look.one_panel(3.2)
    start = 0.0
    for i, (part, (_name, colour)) in enumerate(PARTS.items()):
        effect = start if part == "total" else cell(rows, part, "effect")
        bottom = 0.0 if part == "total" else start
        axes.bar(i, effect, bottom=bottom, width=0.62, color=colour, alpha=0.85)
        low, high = (math.nan if part == "total" else bottom + cell(rows, part, end) for end in ("ci_low", "ci_high"))
        top = look.whisker(axes, i, low, high, max(bottom, bottom + effect))
        axes.annotate(
            words.typeset(words.signed(effect)), (i, top), (0, 4), textcoords="offset points", ha="center", va="bottom"
        )
        if part != "total":
            start += effect
            axes.plot([i + 0.31, i + 0.69], [start, start], color=look.GREY, linewidth=0.8)
    axes.axhline(0, color=look.INK, linewidth=0.8)
    axes.set_xticks(range(len(PARTS)), [_(text) for text, _colour in PARTS.values()])
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel(_("part of the effect"))
    axes.set_ylabel(_("effect on LTV,\nyen per member"))
    look.grid_lines(axes, "y")
    axes.margins(y=0.14)
    return figure


def by_persona(run: Run, name: str) -> Figure | None:
    """Total and direct effect for everybody, the eligible and each persona."""
    rows = _rows(run, name, "ltv", None)
    segments = [str(segment) for segment in pd.unique(rows["segment"])]
    if len(segments) < 2:
        return None
    figure, axes = look.one_panel(0.9 + 0.42 * len(segments))
    place = {segment: len(segments) - 1 - i for i, segment in enumerate(segments)}
    looks = {"total": (_("total effect"), look.INK, "o", 0.14), "direct": (_("direct effect"), look.BLUE, "s", -0.14)}
    for estimand, (text, colour, marker, shift) in looks.items():
        chosen = rows[rows["estimand"] == estimand]
        y = np.array([place[segment] + shift for segment in chosen["segment"]])
        look.dots(axes, chosen, y, colour, marker, text)
    axes.axvline(0, color=look.INK, linewidth=0.8)
    axes.set_yticks(list(place.values()), [words.segment(segment) for segment in segments])
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel(_("segment"))
    axes.set_xlabel(_("effect on LTV, yen per member, with 90 % interval"))
    axes.set_ylim(-0.6, len(segments) - 0.4)
    look.grid_lines(axes, "x")
    look.legend_above(axes)
    return figure


def field_test(run: Run, name: str) -> Figure | None:
    """What a field test would report, beside what it is asked about."""
    rows = _rows(run, name, "ltv").set_index("estimand")
    order = {
        "ab_test": (_("a 50/50 field test\nwould report"), look.VERMILION, "D"),
        "direct": (_("direct effect:\none treated among untreated"), look.BLUE, "s"),
        "total": (_("total effect:\neverybody treated"), look.INK, "o"),
    }
    if any(estimand not in rows.index for estimand in order):
        return None
    figure, axes = look.one_panel(2.2)
    for i, (estimand, (_text, colour, marker)) in enumerate(order.items()):
        look.dots(axes, rows.loc[[estimand]], np.array([2.0 - i]), colour, marker, estimand)
    axes.axvline(0, color=look.INK, linewidth=0.8)
    axes.set_yticks([2, 1, 0], [text for text, *_look in order.values()])
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel(_("what is compared"))
    axes.set_xlabel(_("difference in LTV, yen per member, with 90 % interval"))
    axes.set_ylim(-0.6, 2.6)
    look.grid_lines(axes, "x")
    return figure


def over_time(run: Run, name: str) -> Figure | None:
    """NPS, customers, profit and on-time rate by week: both arms to the left, their paired difference to the right."""
    weekly = _weekly(run.daily[run.daily["arm"].isin([BASELINE, name]) & (run.daily["second_seed"] == 0)])
    if weekly.empty:
        return None
    panels = {
        "nps": (_("NPS (true)"), _("points"), _("points")),
        "customer": (_("Active customers"), _("customers"), _("customers")),
        "profit": (_("Profit"), _("yen per potential\ncustomer and week"), _("yen per potential\ncustomer and week")),
        "on_time": (_("On-time rate"), _("% of deliveries"), _("% points")),
    }
    paired = name != BASELINE
    figure = Figure(figsize=(look.WIDTH, 1.65 * len(panels)))
    grid = figure.subplots(len(panels), 2 if paired else 1, squeeze=False, sharex=True)
    for row, (column, (title, unit, difference)) in zip(grid, panels.items(), strict=True):
        levels = {arm: _by_week(weekly, arm, column) for arm in dict.fromkeys((BASELINE, name))}
        for arm, values in levels.items():
            _band(row[0], values, *_arm_look(arm))
        row[0].set_title(title)
        row[0].set_ylabel(unit)
        if paired:
            paired_text = _("scenario less baseline, same luck")
            _band(row[1], levels[name] - levels[BASELINE], look.VERMILION, "-", paired_text)
            row[1].axhline(0, color=look.INK, linewidth=0.8)
            row[1].set_title(_("Difference"))
            row[1].set_ylabel(difference)
    _weeks_as_dates(run, grid[-1], 5)
    for axes in grid.flat:
        axes.yaxis.set_major_locator(MaxNLocator(4))
        look.grid_lines(axes, "y")
    figure.align_ylabels(grid)
    look.legend_figure(figure, grid[0])
    return figure


def journey(run: Run, name: str) -> Figure | None:
    """The share of the market in each stage of the journey, week by week, both arms."""
    stages = {
        "unaware": _("Unaware"),
        "stage_aware": _("Aware, not yet a customer"),
        "stage_shop": _("Shopping and comparing"),
        "stage_purchase": _("Waiting for an order"),
        "stage_experience": _("Other customers"),
        "lapsed": _("Silently lapsed"),
    }
    census = run.daily[(run.daily["stage_shop"] >= 0) & (run.daily["second_seed"] == 0)]
    if census.empty:
        return None
    figure = Figure(figsize=(look.WIDTH, 4.4))
    grid = figure.subplots(2, 3, sharex=True)
    people = _market(census)
    for axes, (column, title) in zip(grid.flat, stages.items(), strict=True):
        for arm in dict.fromkeys((BASELINE, name)):
            rows = census[census["arm"] == arm]
            wide = rows.assign(week=rows["day"] // 7).pivot_table(index="replication", columns="week", values=column)
            _band(axes, 100 * wide / people, *_arm_look(arm))
        axes.set_title(title)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        look.grid_lines(axes, "y")
    for axes in grid[:, 0]:
        axes.set_ylabel(_("% of potential\ncustomers"))
    _weeks_as_dates(run, grid[-1], 2)
    look.legend_figure(figure, grid[0][:1])
    return figure


def ltv_distribution(run: Run, name: str) -> Figure | None:
    """Most members never order: their share to the left, the spread among buyers to the right."""
    table = run.customers
    arms = [arm for arm in dict.fromkeys((BASELINE, name)) if (table["arm"] == arm).any()]
    if name not in arms:
        return None
    figure = Figure(figsize=(look.WIDTH, 3.6))
    left, right = figure.subplots(1, 2, width_ratios=[1, 2.2])
    for i, arm in enumerate(arms):
        rows = table[table["arm"] == arm]
        ltv, bought = rows["ltv"].to_numpy(dtype=float), rows["orders"].to_numpy() > 0
        colour, line, text = _arm_look(arm)
        _ordered_bar(left, i, bought, ltv, colour)
        share = np.linspace(0, 1, 201)
        spread = np.quantile(ltv[bought], share) if bought.any() else np.full_like(share, np.nan)
        right.plot(spread, 100 * (1 - share), line, color=colour, label=text)
    left.set_xticks(range(len(arms)), [_("baseline"), _("with the\nscenario")][: len(arms)])
    left.set_ylabel(_("% of members"))
    left.set_xlabel(_("arm"))
    left.set_ylim(0, 100)
    left.set_title(_("Who orders at all"))
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), handlelength=1.0)
    right.set_xscale("symlog", linthresh=100)
    right.set_title(_("Among those who do"))
    right.set_ylabel(_("% of buyers with more than that"))
    right.set_xlabel(_("LTV over the horizon, yen per buyer (logarithmic beyond 100)"))
    right.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: words.typeset(words.number(value, 0))))
    right.legend(loc="upper right")
    look.grid_lines(right, "both")
    return figure


def probe_curves(run: Run, name: str) -> Figure | None:
    """The LTV effect as one thing at a time is moved, with Monte Carlo error."""
    found = flips.flips(run, name)
    if not found:
        return None
    figure, grid = look.many_panels(len(found), 3, 2.6)
    for axes, flip in zip(grid.flat, found, strict=False):
        table, unit, central = flips.curve(run, name, flip.name)
        _probe_panel(axes, table, flip, unit, central)
    for axes in grid[:, 0]:
        axes.set_ylabel(_("effect on LTV, yen\nper member"))
    return figure


def sensitivity(run: Run, name: str) -> Figure | None:
    """Rank correlation over points between an uncertain parameter and the LTV effect, the ten largest."""
    table = rank_correlations(run, name).head(10)
    if table.empty:
        return None
    points = int(table["points"].iloc[0])
    figure, axes = look.one_panel(0.9 + 0.32 * len(table))
    y = np.arange(len(table))[::-1]
    chance = 1.96 / np.sqrt(points - 1)
    by_chance = _("what chance alone gives 95 times in 100")
    axes.axvspan(-chance, chance, color=look.RULE, alpha=0.6, linewidth=0, label=by_chance)
    rho = table["rank_correlation"]
    axes.barh(y, rho, height=0.6, color=[look.BLUE if one > 0 else look.VERMILION for one in rho])
    axes.axvline(0, color=look.INK, linewidth=0.8)
    axes.set_yticks(y, [words.parameter(str(path)) for path in table["name"]])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(-1, 1)
    few = points < look.FEW_POINTS
    caution = _("only {points} replications: a hint, not a finding") if few else _("{points} replications")
    text = _("rank correlation with the total effect on LTV, \N{MINUS SIGN}1 to 1 ({caution})")
    axes.set_xlabel(text.format(caution=caution.format(points=points)))
    axes.set_ylabel(_("drawn parameter"))
    look.grid_lines(axes, "x")
    look.legend_above(axes)
    return figure


def rank_correlations(run: Run, name: str) -> pd.DataFrame:
    """`sensitivity.rank_correlations` of the per-point LTV effect; empty with fewer than four points."""
    effect = ltv_by_point(run.measures, name)
    points = run.points.pivot(index="replication", columns="name", values="value").astype(float)
    return correlations(points, effect if len(effect) >= 4 else effect.iloc[:0])


def _rows(run: Run, name: str, metric: str, segment: str | None = EVERYBODY) -> pd.DataFrame:
    rows = run.effects[(run.effects["intervention"] == name) & (run.effects["metric"] == metric)]
    return rows if segment is None else rows[rows["segment"] == segment]


def _weeks_as_dates(run: Run, lowest: Iterable[Axes], most: int) -> None:
    """Say the weeks of the lowest panels by at most so many months; by their numbers where no start is stated."""
    first = run.date(0)
    for axes in lowest:
        if first is None:
            axes.set_xlabel(_("week of the horizon"))
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            continue
        axes.set_xlabel(_("date (a point per week)"))
        look.months_along(axes, first, run.days, most, unit=7)


def _arm_look(arm: str) -> tuple[str, str, str]:
    """Colour, line and words of an arm: told apart by line as well as by colour."""
    return (look.GREY, "--", _("baseline")) if arm == BASELINE else (look.BLUE, "-", _("with the scenario"))


def _band(axes: Axes, values: pd.DataFrame, colour: str, line: str, text: str) -> None:
    """Mean over points, and the band that holds the middle 90 % of them; values: (points, weeks)."""
    weeks = values.columns.to_numpy()
    if len(values) > 1:
        low, high = values.quantile(0.05).to_numpy(), values.quantile(0.95).to_numpy()
        axes.fill_between(weeks, low, high, color=colour, alpha=0.16, linewidth=0)
    axes.plot(weeks, values.mean().to_numpy(), line, color=colour, label=text)


def _weekly(daily: pd.DataFrame) -> pd.DataFrame:
    """Whole weeks only; a row per arm, replication and week."""
    whole = daily[daily["day"] < daily["day"].max() + 1 - (daily["day"].max() + 1) % 7] if len(daily) else daily
    if whole.empty:
        return whole
    frame = whole.assign(week=whole["day"] // 7).groupby(["arm", "replication", "week"], sort=True)
    total = frame[["profit", "delivered", "late", "cancelled"]].sum()
    mean = frame[["nps", "customer"]].mean()
    profit = total["profit"] / _market(whole)
    ended = total["delivered"] + total["cancelled"]
    on_time = 100 * (1 - (total["late"] + total["cancelled"]) / ended.where(ended > 0))
    return mean.assign(profit=profit, on_time=on_time).reset_index()


def _market(daily: pd.DataFrame) -> int:
    """Members, counted: the four statuses add up to them."""
    first = daily.iloc[0]
    return int(first["unaware"] + first["aware"] + first["customer"] + first["lapsed"])


def _by_week(weekly: pd.DataFrame, arm: str, column: str) -> pd.DataFrame:
    """(points, weeks) of one arm and column."""
    return weekly[weekly["arm"] == arm].pivot(index="replication", columns="week", values=column)


def _ordered_bar(axes: Axes, x: int, bought: np.ndarray, ltv: Array, colour: str) -> None:
    """One stacked bar: no order, orders at a profit, orders at a loss."""
    parts = (
        (_("no order"), ~bought, look.RULE),
        (_("orders, LTV above zero"), bought & (ltv > 0), colour),
        (_("orders, LTV zero or less"), bought & (ltv <= 0), look.VERMILION),
    )
    bottom = 0.0
    for text, chosen, fill in parts:
        share = 100 * float(np.mean(chosen))
        axes.bar(x, share, bottom=bottom, width=0.6, color=fill, label=text if x == 0 else None)
        if share >= 6:
            ink = "white" if fill in (look.BLUE, look.GREY, look.VERMILION) else look.INK
            told = _("{share} %").format(share=f"{share:.0f}")
            axes.text(x, bottom + share / 2, told, ha="center", va="center", color=ink)
        bottom += share


def _probe_panel(axes: Axes, table: pd.DataFrame, flip: flips.Flip, unit: str, central: float) -> None:
    value, effect, error = (table[column].to_numpy() for column in ("value", "effect", "mc_se"))
    axes.fill_between(value, effect - 2 * error, effect + 2 * error, color=look.BLUE, alpha=0.18, linewidth=0)
    axes.plot(value, effect, "-o", color=look.BLUE, markersize=3.5)
    axes.axhline(0, color=look.INK, linewidth=0.8)
    if words.known(central):
        axes.axvline(central, color=look.GREY, linewidth=1, linestyle=":")
        across = axes.get_xaxis_transform()
        axes.text(central, 1.0, _(" here"), transform=across, color=look.GREY, fontsize=8, va="top", ha="left")
    if flip.crossing is not None:
        axes.plot([flip.crossing], [0], "D", color=look.VERMILION, markersize=6)
        free = (7, -14) if flip.sign > 0 else (7, 6)
        axes.annotate(
            _("turns at {place}").format(place=words.plain(flip.crossing)), (flip.crossing, 0), free,
            textcoords="offset points", color=look.VERMILION, fontsize=8.5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )  # fmt: skip
    axes.set_title(folded(flip.words[:1].upper() + flip.words[1:], 26))
    axes.set_xlabel(_(unit) if unit else _("no unit"))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.margins(x=0.08, y=0.12)
    look.grid_lines(axes, "y")
