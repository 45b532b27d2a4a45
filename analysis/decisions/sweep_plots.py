"""Figures of a sweep: its options ranked and traded off, and the effect over the swept keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from analysis.decisions.options import Option, shown
from analysis.decisions.unknowns import NOTHING
from analysis.effects.sensitivity import rank_correlations
from analysis.style import look, words
from analysis.style.language import _
from analysis.style.lines import folded
from analysis.style.look import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RULE, VERMILION, WIDTH

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, INK)
MARKERS = ("o", "s", "D", "^", "v", "P")
LOSS_TO_GAIN = LinearSegmentedColormap.from_list("loss to gain", [VERMILION, "#FFFFFF", BLUE])
MOST_RANKED, MOST_NAMED, MOST_PANELS = 20, 6, 6


class Panel(NamedTuple):
    """A figure of the effect over swept keys, and its caption."""

    name: str
    figure: Figure
    caption: str


# -- options ----------------------------------------------------------------------------------------------------


def ranking(ranked: Sequence[Option]) -> Figure:
    """Effect on LTV of the first options, best first, with ROI beside where anything costs."""
    few = ranked[:MOST_RANKED]
    metrics = ["ltv"] + (["roi"] if any(one.answer("roi") for one in few) else [])
    figure = Figure(figsize=(WIDTH, 1.0 + 0.3 * len(few)))
    panels = figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
    y = np.arange(len(few), dtype=float)[::-1]
    titles = {
        "ltv": _("effect on LTV, yen per\nmember (90 % interval)"),
        "roi": _("ROI, yen per yen spent\n(90 % interval)"),
    }
    for axes, metric in zip(panels, metrics, strict=True):
        look.dots(axes, _answers(few, metric), y, BLUE, "o", "")
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_xlabel(titles[metric])
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(axis="y", length=0)
        look.grid_lines(axes, "x")
    panels[0].set_yticks(y, [folded(one.label, 44) for one in few], fontsize=8)
    panels[0].set_ylim(-0.6, len(few) - 0.4)
    panels[0].set_ylabel(_("option, best first"))
    return figure


def _answers(found: Sequence[Option], metric: str) -> pd.DataFrame:
    """Columns effect, ci_low, ci_high, a row per option; NaN where it has no answer."""
    answers = [one.answer(metric) for one in found]
    rows = [(a.effect, a.low, a.high) if a else (np.nan,) * 3 for a in answers]
    return pd.DataFrame(rows, columns=["effect", "ci_low", "ci_high"], dtype=float)


def pareto(ltv: npt.ArrayLike, nps: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which points no other point beats: none is at least as good in both and better in one (Pareto 1906)."""
    x, y = np.asarray(ltv, dtype=float), np.asarray(nps, dtype=float)
    as_good = (x[:, None] >= x) & (y[:, None] >= y)
    better = (x[:, None] > x) | (y[:, None] > y)
    return np.asarray(~(as_good & better).any(axis=0))


def trade_off(found: Sequence[Option]) -> Figure:
    """Effects on LTV and NPS of every option and of doing nothing, with intervals; the Pareto front by name."""
    ltv, nps = (_answers(found, metric) for metric in ("ltv", "nps"))
    x, y = (np.append(table["effect"].to_numpy(), 0.0) for table in (ltv, nps))
    known = ~(np.isnan(x) | np.isnan(y))
    front = np.zeros(len(x), bool)
    front[known] = pareto(x[known], y[known])
    figure, axes = look.one_panel(5.2)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.axvline(0, color=INK, linewidth=0.6)
    many = len(found) > MOST_NAMED
    for i in np.flatnonzero(known[:-1] & (front[:-1] | (not many))):
        _cross(axes, ltv.iloc[i], nps.iloc[i], BLUE if front[i] else GREY)
    order = np.flatnonzero(front)[np.argsort(x[front], kind="stable")]
    axes.plot(x[order], y[order], "--", color=BLUE, linewidth=1.0, label=_("Pareto front, by the means"))
    beaten = known & ~front
    axes.plot(x[beaten], y[beaten], "o", color=GREY, markersize=5, linestyle="none", label=_("beaten by another"))
    axes.plot(x[order], y[order], "o", color=BLUE, markersize=6.5, linestyle="none", label=_("on the front"))
    labels = [*(one.label for one in found), _(NOTHING)]
    named = (order[::-1] if many else np.flatnonzero(known))[:MOST_NAMED]
    for number, place in enumerate(named, 1):
        axes.annotate(str(number), (x[place], y[place]), (5, 4), textcoords="offset points", fontsize=9, weight="bold")
        axes.plot([], [], " ", label=f"{number}  {labels[int(place)]}")
    axes.set_xlabel(_("effect on LTV, yen per member (90 % interval)"))
    axes.set_ylabel(_("effect on NPS, points (90 % interval)"))
    axes.margins(x=0.12, y=0.12)
    look.grid_lines(axes, "both")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), handlelength=1.2)
    return figure


def _cross(axes: Axes, across: pd.Series, up: pd.Series, colour: str) -> None:
    x, y = float(across["effect"]), float(up["effect"])
    axes.plot([across["ci_low"], across["ci_high"]], [y, y], color=colour, linewidth=1.2, alpha=0.5)
    axes.plot([x, x], [up["ci_low"], up["ci_high"]], color=colour, linewidth=1.2, alpha=0.5)


# -- over swept keys --------------------------------------------------------------------------------------------


def panels(found: Sequence[Option], keys: Sequence[str]) -> list[Panel]:
    """What the swept numbers do: lines over one key, heat maps over two that form a grid, else a point per option.

    `keys`: those that vary. Options that differ in no other key form a family: a line, a map or a colour.
    """
    table = _table(found, keys)
    numbers = [key for key in keys if pd.api.types.is_numeric_dtype(table[key]) and table[key].notna().all()]
    if not numbers:
        return []
    table["family"] = [one.told([key for key in keys if key not in numbers]) for one in found]
    if len(numbers) == 1:
        return [_lines(table, numbers[0], "family")]
    if len(numbers) == 2 and _grid(table, numbers):
        return [_map(table, numbers), _lines(table, *_line_keys(table, numbers))]
    return [_points(table, numbers)]


def _table(found: Sequence[Option], keys: Sequence[str]) -> pd.DataFrame:
    """A row per option: its swept values, intervention, and effects on LTV and NPS with intervals."""
    rows: dict[str, list[object]] = {key: [one.configuration.values.get(key) for one in found] for key in keys}
    for key, values in rows.items():
        if not all(type(value) in (int, float) for value in values):
            rows[key] = [shown(value) for value in values]
    table = pd.DataFrame({**rows, "intervention": [one.intervention for one in found]})
    for metric in ("ltv", "nps"):
        table[[metric, f"{metric}_low", f"{metric}_high"]] = _answers(found, metric).to_numpy()
    return table


def _grid(table: pd.DataFrame, numbers: list[str]) -> bool:
    """Whether two keys cross: at least three in four of all their combinations were run."""
    first, second = (table[key].nunique() for key in numbers)
    return first > 1 and second > 1 and len(table[numbers].drop_duplicates()) >= 0.75 * first * second


def _line_keys(table: pd.DataFrame, numbers: list[str]) -> tuple[str, str]:
    """Over the key with more values; a line for each value of the other."""
    first, second = sorted(numbers, key=lambda key: -table[key].nunique())
    return first, second


def _lines(table: pd.DataFrame, key: str, by: str) -> Panel:
    """LTV and NPS over one key, a band for the interval; a line per family, or per value of a second key."""
    families = list(dict.fromkeys(table["family"])) if by != "family" else [None]
    figure = Figure(figsize=(WIDTH, 2.6 * len(families)))
    grid = figure.subplots(len(families), 2, squeeze=False, sharex=True)
    texts = {"ltv": _("effect on LTV, yen\nper member"), "nps": _("effect on NPS, points")}
    for row, family in zip(grid, families, strict=True):
        own = table if family is None else table[table["family"] == family]
        for axes, (metric, text) in zip(row, texts.items(), strict=True):
            for number, (value, part) in enumerate(own.groupby(by, sort=by != "family")):
                label = str(value) if by == "family" else f"{words.moved(by)} {shown(value)}"
                _line(axes, part.sort_values(key), key, metric, number, label)
            axes.axhline(0, color=INK, linewidth=0.8)
            axes.set_ylabel(text)
            axes.set_title("" if family is None else family)
            look.grid_lines(axes, "y")
    for axes in grid[-1]:
        axes.set_xlabel(words.moved(key))
    look.legend_figure(figure, grid[0][:1])
    caption = _("The effect over {key}. Shaded: the 90 % interval, what is not known at each point.")
    return Panel("lines", figure, caption.format(key=words.moved(key)))


def _line(axes: Axes, part: pd.DataFrame, key: str, metric: str, number: int, label: str) -> None:
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    x, low, high = (part[column].to_numpy(dtype=float) for column in (key, f"{metric}_low", f"{metric}_high"))
    axes.fill_between(x, low, high, color=colour, alpha=0.1, linewidth=0)
    axes.plot(x, part[metric].to_numpy(), "-", color=colour, marker=marker, markersize=4, label=label)


def _map(table: pd.DataFrame, numbers: list[str]) -> Panel:
    """The LTV effect over two keys, a map per family; cells whose interval spans zero are marked."""
    across, up = _line_keys(table, numbers)
    families = list(dict.fromkeys(table["family"]))
    xs, ys = (np.sort(table[key].unique()) for key in (across, up))
    figure, grid = look.many_panels(len(families), 2, 1.3 + 0.42 * len(ys))
    bound = max(float(np.nanmax(np.abs(table["ltv"]))), 1e-9)
    for axes, family in zip(grid.flat, families, strict=False):
        own = table[table["family"] == family]
        _cells(axes, own, (across, xs), (up, ys), bound)
        axes.set_title(family)
        axes.set_xlabel(words.moved(across))
    for axes in grid[:, 0]:
        axes.set_ylabel(words.moved(up))
    caption = _(
        "Effect on LTV, yen per member: blue a gain, orange a loss. Hatched and in italics: the 90 % "
        "interval spans zero, so that the sign is not known there. Grey: no answer, the job is not done."
    )
    return Panel("map", figure, caption)


def _cells(
    axes: Axes, own: pd.DataFrame, across: tuple[str, np.ndarray], up: tuple[str, np.ndarray], bound: float
) -> None:
    (x_key, xs), (y_key, ys) = across, up
    shape = (len(ys), len(xs))
    value, undecided = np.full(shape, np.nan), np.zeros(shape, bool)
    places = np.searchsorted(ys, own[y_key]), np.searchsorted(xs, own[x_key])
    value[places] = own["ltv"]
    undecided[places] = ~((own["ltv_low"] > 0) | (own["ltv_high"] < 0))
    axes.set_facecolor(RULE)
    axes.pcolormesh(value, cmap=LOSS_TO_GAIN, norm=TwoSlopeNorm(0, -bound, bound), edgecolors="white", linewidth=1)
    for row, column in zip(*np.nonzero(~np.isnan(value)), strict=True):
        _cell(axes, int(column), int(row), float(value[row, column]), bool(undecided[row, column]), bound)
    axes.set_xticks(np.arange(len(xs)) + 0.5, [shown(float(one)) for one in xs])
    axes.set_yticks(np.arange(len(ys)) + 0.5, [shown(float(one)) for one in ys])
    axes.tick_params(length=0)


def _cell(axes: Axes, x: int, y: int, value: float, undecided: bool, bound: float) -> None:
    """A cell's number; hatched, in italics and on white where the sign is not known."""
    text = axes.text(x + 0.5, y + 0.5, words.typeset(words.signed(value)), ha="center", va="center", fontsize=8)
    if undecided:
        axes.add_patch(Rectangle((x, y), 1, 1, fill=False, hatch="////", edgecolor=GREY, linewidth=0, alpha=0.6))
        text.set(style="italic", bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8})
    elif abs(value) > 0.6 * bound:
        text.set_color("white")


def _points(table: pd.DataFrame, numbers: list[str]) -> Panel:
    """The LTV effect against each of the keys, those that it follows most first; a point per option."""
    order = list(rank_correlations(table[numbers], table["ltv"].dropna())["name"])
    keys = [*order, *(key for key in numbers if key not in order)][:MOST_PANELS]
    figure, grid = look.many_panels(len(keys), 3, 2.6, sharey=True)
    for axes, key in zip(grid.flat, keys, strict=False):
        for number, (family, own) in enumerate(table.groupby("family", sort=False)):
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            axes.vlines(own[key], own["ltv_low"], own["ltv_high"], color=colour, linewidth=1.2, alpha=0.25)
            axes.plot(own[key], own["ltv"], marker, color=colour, markersize=3.5, linestyle="none", label=str(family))
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_xlabel(words.moved(key))
        axes.xaxis.set_major_locator(MaxNLocator(4))
        look.grid_lines(axes, "y")
    for axes in grid[:, 0]:
        axes.set_ylabel(_("effect on LTV, yen\nper member"))
    look.legend_figure(figure, grid[0][:1])
    caption = _(
        "Each point is one option, each line its 90 % interval. The keys vary together, so that no panel alone tells "
        "cause from company; those that the effect follows most come first."
    )
    return Panel("points", figure, caption)


MOST_DRIVERS = 10


def sensitivity(table: pd.DataFrame) -> Figure:
    """The strongest drivers of one option's LTV effect: rank correlation, and share of variance explained alone.

    table: rows of sensitivity.csv of one option and metric, strongest first.
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
    """The probability of a gain in LTV over all points, under each option of a choice, along the leading parameters.

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
    axes.set_ylabel(_("among replications with"))
    look.grid_lines(axes, "x")
    return figure


def _part_label(row: pd.Series) -> str:
    """Which points a row of probabilities.csv is about, and how many."""
    name = words.moved(str(row["given"]))
    if not row["given"]:
        return _("all replications ({points})").format(points=row["points"])
    if np.isnan(row["low"]):
        return _("{name} {value} ({points})").format(name=name, value=_(str(row["value"])), points=row["points"])
    low, high = (words.plain(float(row[end])) for end in ("low", "high"))
    return _("{name} {low} to {high} ({points})").format(name=name, low=low, high=high, points=row["points"])


def regret(table: pd.DataFrame) -> Figure:
    """Expected and largest regret of the options of one world; table: their rows of regret.csv."""
    figure = Figure(figsize=(WIDTH, 0.9 + 0.3 * len(table)))
    both = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(table))[::-1]
    texts = {
        "expected_regret": _("expected regret, yen\nper member"),
        "maximum_regret": _("largest regret, yen\nper member"),
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
    """Of every option of one group, how often its effect on LTV exceeds a size; effects: (points, options)."""
    figure, axes = look.one_panel(3.0)
    for number, name in enumerate(one for one in effects.columns if one != NOTHING):
        values = np.sort(effects[name].to_numpy())
        above = 1 - np.arange(len(values)) / len(values)
        style = ("-", "--", "-.", ":")[number % 4]
        axes.step(values, above, where="pre", color=COLOURS[number % len(COLOURS)], linestyle=style, label=str(name))
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=_(" %")))
    axes.set_ylabel(_("% of replications with at least that"))
    axes.set_xlabel(_("effect on LTV, yen per member"))
    look.grid_lines(axes, "both")
    look.legend_above(axes)
    return figure
