"""The page of a search: figures, facts, the best settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.effects.estimands import Spread, spread
from analysis.studies.optimise import FAILED, FEASIBLE, INFEASIBLE, PRESENT, Searched, Wanted, _counts, front, sentences
from analysis.style import look, page, words
from analysis.style.language import N_, _
from analysis.style.lines import folded
from sim.files.disk import write_csv

MOST_PANELS = 6


CAPTIONS = {
    "history": N_(
        "Every trial of the search, on the search's replications. The line is the best so far that keeps the "
        "constraints; the bars, where it improves, hold 90 % of the replications."
    ),
    "levers": N_("The same trials over each lever. Diamond: the present configuration."),
    "front": N_(
        "Dots: trials, on the search's replications. Squares: the front, evaluated again on fresh replications, with "
        "90 % intervals in both directions. All are less the present configuration, replication by replication, which "
        "so lies at zero."
    ),
    "answer": N_("The present configuration and the best on the same fresh replications, with 90 % intervals."),
}


def figures(found: Searched) -> dict[str, Figure]:
    """All figures by a short name, in reading order."""
    with look.style():
        if len(found.objectives) == 1:
            made = {"history": history(found), "levers": over_levers(found)}
            return made | ({"answer": answer(found)} if found.best else {})
        return {"front": trade_off(found), "history": history(found)}


class Shown(NamedTuple):
    """An objective as it is drawn: itself, or less the present configuration, point by point.

    Levels of the whole company differ so much between points that nothing could be seen beside it.
    """

    found: Searched
    goal: Wanted
    less_present: bool

    def trials(self) -> pd.Series:
        """A value per trial, on the search's points."""
        values = self.found.trials.drop(PRESENT)[self.goal.name]
        return values - self.found.statistic(PRESENT, self.goal, False) if self.less_present else values

    def present(self) -> float:
        """The present configuration's."""
        return 0.0 if self.less_present else self.found.statistic(PRESENT, self.goal, False)

    def interval(self, number: int, fresh: bool) -> Spread:
        """Of a point, over points."""
        values = self.found.values(number, self.goal.metric, self.goal.of, fresh)
        if self.less_present:
            values = values - self.found.values(PRESENT, self.goal.metric, self.goal.of, fresh)
        return spread(values)

    def label(self, columns: int) -> str:
        """For an axis."""
        unit = _("share of replications") if self.goal.over == "gain" else words.unit(self.goal.metric)
        text = _("{what}, less the present configuration, {unit}") if self.less_present else _("{what}, {unit}")
        return folded(text.format(what=self.goal.sought, unit=unit), columns)


def _shown(found: Searched, place: int) -> Shown:
    goal = found.objectives[place]
    return Shown(found, goal, goal.of == "level")


def _scatter(axes: Axes, x: pd.Series, y: pd.Series, status: pd.Series) -> None:
    """Trials, told apart by fill: feasible ones full."""
    kept, broken = status == FEASIBLE, status == INFEASIBLE
    if broken.any():
        axes.plot(x[broken], y[broken], "o", color=look.GREY, markerfacecolor="none", markersize=4.5,
                  linestyle="none", label=_("breaks a constraint"))  # fmt: skip
    axes.plot(x[kept], y[kept], "o", color=look.BLUE, markersize=4.5, linestyle="none", alpha=0.7, label=_("trial"))


def history(found: Searched) -> Figure:
    """The first objective over trials, and the best so far."""
    shown, status = _shown(found, 0), found.trials.drop(PRESENT)["status"]
    values = shown.trials()
    figure, axes = look.one_panel(3.2)
    _scatter(axes, pd.Series(values.index, values.index), values, status)
    kept = values[status == FEASIBLE]
    best = kept.cummax() if found.maximised[0] else kept.cummin()
    so_far = best.reindex(values.index).ffill()
    axes.step(so_far.index, so_far, where="post", color=look.INK, linewidth=1.2, label=_("best so far"))
    for number in best[~best.duplicated()].index if shown.goal.over == "mean" else ():
        over = shown.interval(int(number), fresh=False)
        axes.plot([number, number], [over.low, over.high], color=look.INK, linewidth=1, alpha=0.45)
    axes.axhline(shown.present(), color=look.VERMILION, linewidth=1.2, linestyle="--",
                 label=_("present configuration"))  # fmt: skip
    axes.set_xlabel(_("trial"))
    axes.set_ylabel(shown.label(40))
    look.grid_lines(axes, "y")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)
    return figure


def over_levers(found: Searched) -> Figure:
    """The objective over each lever, a panel each."""
    shown, levers = _shown(found, 0), found.levers[:MOST_PANELS]
    columns = min(len(levers), 3)
    rows = -(-len(levers) // columns)
    figure = Figure(figsize=(look.WIDTH, 2.7 * rows + 0.3))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    trials = found.trials.drop(PRESENT)
    for axes, lever in zip(grid.flat, levers, strict=False):
        _scatter(axes, trials[lever["key"]], shown.trials(), trials["status"])
        axes.plot([found.plan["present"][lever["key"]]], [shown.present()], "D", color=look.VERMILION, markersize=6,
                  linestyle="none", label=_("present configuration"))  # fmt: skip
        axes.set_xlabel(folded(found.headed(lever), 34))
        look.grid_lines(axes, "y")
    for axes in list(grid.flat)[len(levers) :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel(shown.label(34))
    look.legend_figure(figure, grid[0][:1])
    return figure


def trade_off(found: Searched) -> Figure:
    """The first two objectives against one another, both less the present configuration, which lies at zero."""
    pair = [Shown(found, goal, less_present=True) for goal in found.objectives[:2]]
    across, upward = pair
    figure, axes = look.one_panel(4.6)
    axes.axhline(0, color=look.VERMILION, linewidth=0.8, linestyle="--")
    axes.axvline(0, color=look.VERMILION, linewidth=0.8, linestyle="--")
    _scatter(axes, across.trials(), upward.trials(), found.trials.drop(PRESENT)["status"])
    for number in found.best:
        x, y = (shown.interval(number, fresh=True) for shown in pair)
        axes.plot([x.low, x.high], [y.mean, y.mean], color=look.INK, linewidth=1, alpha=0.35)
        axes.plot([x.mean, x.mean], [y.low, y.high], color=look.INK, linewidth=1, alpha=0.35)
        axes.plot([x.mean], [y.mean], "s", color=look.INK, markersize=6, linestyle="none",
                  label=_("front, fresh replications") if number == found.best[0] else None)  # fmt: skip
    axes.plot([0], [0], "D", color=look.VERMILION, markersize=7, linestyle="none", label=_("present configuration"))
    axes.set_xlabel(across.label(70))
    axes.set_ylabel(upward.label(50))
    look.grid_lines(axes, "both")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)
    return figure


def answer(found: Searched) -> Figure:
    """Present and best on fresh replications, and their difference."""
    goal, best = found.objectives[0], found.best[0]
    own = [spread(found.values(number, goal.metric, goal.of, True)) for number in (PRESENT, best)]
    gap = found.against_present(best, goal.metric, goal.of).over
    ends = [(one.mean, one.low, one.high) for one in own] + [(gap.mean, gap.low, gap.high)]
    figure, axes = look.one_panel(1.9)
    labels = (_("present"), _("best"), _("difference"))
    colours = (look.VERMILION, look.INK, look.BLUE)
    shown = ends if goal.of == "effect" else ends[:2]
    for place, ((mean, low, high), colour) in enumerate(zip(shown, colours, strict=False)):
        row = pd.DataFrame({"effect": [mean], "ci_low": [low], "ci_high": [high]})
        look.dots(axes, row, np.array([place]), colour, "o", labels[place])
    if goal.of == "effect":
        axes.axvline(0, color=look.INK, linewidth=0.8)
    axes.set_yticks(range(len(shown)), labels[: len(shown)])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlabel(folded(_("{what}, {unit}").format(what=goal.words, unit=words.unit(goal.metric)), 90))
    look.grid_lines(axes, "x")
    return figure


def write_report(folder: Path | str) -> Path:
    """Write front.csv, figures/ and report.html into a search's folder; the report's path. Raises RunError."""
    found = Searched(folder)
    write_csv(found.folder / "front.csv", front(found))
    context = {
        "title": _("The best values of the levers"),
        "question": _(str(found.plan["search"]["description"])),
        "facts": _facts(found),
        "verdict": sentences(folder),
        "pictures": list(page.pictures(figures(found), f"{found.folder}/figures/", CAPTIONS).values()),
        "points": [_point_row(found, number) for number in [PRESENT, *found.best]],
        "goals": [goal.words for goal in found.objectives],
        "levers": [_lever_row(one, found) for one in found.levers],
        "lever_names": [found.headed(one) for one in found.levers],
        "single": len(found.best) == 1,
        "costs": any(one["cost_per_day"] for one in found.levers),
        "sought": [_sought(found, place) for place in range(len(found.objectives))],
        "kept": [_kept(one) for one in found.constraints],
        "consequences": _consequences(found),
        "failures": _failures(found),
    }
    return page.write(found.folder, "optimise.html.j2", context)


def _facts(found: Searched) -> list[tuple[str, str]]:
    plan, search = found.plan, found.plan["search"]
    points = _("{points}, fresh {fresh}").format(points=search["points"], fresh=search["fresh_points"])
    return [
        (_("Scenario"), str(plan["scenario"])),
        (_("Simulated market"), _("{customers} members").format(customers=f"{plan['customers']:,}")),
        (_("Horizon"), _("{days} days").format(days=plan["days"])),
        (_("Trials"), _counts(found)["trials"]),
        (_("Replications of the unknowns"), points),
        (_("Seed"), str(plan["seed"])),
    ]


def _point_row(found: Searched, number: int) -> dict[str, Any]:
    """A point on fresh replications: its levers, and of each objective itself and its difference to the present."""
    cells = []
    for goal in found.objectives:
        over = spread(found.values(number, goal.metric, goal.of, True))
        cells += [_with_interval(over, goal), "" if number == PRESENT else _gap(found, number, goal)]
    name = _("present") if number == PRESENT else _("trial {number}").format(number=number)
    kept = found.fresh.loc[number, "status"] == FEASIBLE
    own = [words.plain(float(np.asarray(found.fresh.loc[number, one["key"]]))) for one in found.levers]
    return {"name": name, "levers": own, "cells": cells, "kept": _("yes") if kept else _("no")}


def _with_interval(over: Spread, goal: Wanted) -> str:
    """An effect with its interval; a level alone, since levels differ between points for reasons that no lever has."""
    return words.number(over.mean) if goal.of == "level" else words.effect(over.mean, over)


def _gap(found: Searched, number: int, goal: Wanted) -> str:
    """A difference to the present with its interval and standard error."""
    over, error = found.against_present(number, goal.metric, goal.of)
    places = words.decimals(over.mean, over.low, over.high)
    return f"{words.signed(over.mean, places)} ± {words.number(error, places)} ({words.within(over, places)})"


def _lever_row(lever: dict[str, Any], found: Searched) -> dict[str, str]:
    key = lever["key"]
    return {
        "key": Markup(escape(key).replace(".", Markup(".<wbr>"))),
        "unit": words.parameter_unit(found.unit(lever)),
        "range": _("{low} to {high}").format(low=words.plain(lever["low"]), high=words.plain(lever["high"])),
        "present": words.plain(found.plan["present"][key]),
        "best": words.plain(float(found.trials.loc[found.best[0], key])) if len(found.best) == 1 else "-",
        "cost": words.plain(lever["cost_per_day"]) if lever["cost_per_day"] else "-",
    }


def _sought(found: Searched, place: int) -> str:
    text = _("{what}: as large as can be") if found.maximised[place] else _("{what}: as small as can be")
    return text.format(what=found.objectives[place].sought)


def _kept(constraint: dict[str, Any]) -> str:
    statistic, least = Wanted.stated(constraint), constraint["at_least"]
    text = _("{what}: at most {bound} {unit}") if least is None else _("{what}: at least {bound} {unit}")
    bound = constraint["at_most"] if least is None else least
    unit = "" if statistic.over == "gain" else words.unit(statistic.metric)
    return text.format(what=statistic.sought, bound=words.plain(bound), unit=unit)


def _consequences(found: Searched) -> list[dict[str, str]]:
    """What the single best does to other metrics, on fresh replications; none where there is a front."""
    if len(found.objectives) > 1 or not found.best:
        return []
    goal, best = found.objectives[0], found.best[0]
    rows = []
    for metric in ("ltv", "profit", "cost", "nps", "on_time", "orders"):
        wanted = Wanted(metric, goal.of, "mean")
        over = [spread(found.values(number, metric, goal.of, True)) for number in (PRESENT, best)]
        own = [_with_interval(one, wanted) for one in over]
        cells = {"label": words.label(metric), "unit": words.unit(metric), "gap": _gap(found, best, wanted)}
        rows.append(cells | dict(zip(("present", "best"), own, strict=True)))
    return rows


def _failures(found: Searched) -> list[str]:
    failed = found.trials[found.trials["status"] == FAILED]
    return [
        _("Trial {number} could not be run: {why}").format(number=number, why=why)
        for number, why in zip(failed.index, failed["why"], strict=True)
    ]
