"""The report's section on meetings: projects by touchpoint, when they began, and what came back."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from analysis.effects.answer import answer
from analysis.folders.run_folder import Run
from analysis.journeys.map import TOUCHPOINTS
from analysis.report.tables import Table
from analysis.style import words
from analysis.style.language import _


class Projects(NamedTuple):
    """What the meetings of the first seeds started: a row per project, and how many by point and touchpoint."""

    table: pd.DataFrame
    counts: pd.DataFrame


def section(run: Run, name: str) -> dict[str, Any] | None:
    """The projects that meetings started, in two sentences and a table; None where there were no meetings."""
    found = _projects(run, name)
    if found is None:
        return None
    return {
        "sentence": words.sentences((_project_sentence(run, *found), _return_sentence(run, name))),
        "rows": [_project_row(run, str(touchpoint), found) for touchpoint in found.counts],
    }


def tables(run: Run, name: str) -> list[Table]:
    """The projects by touchpoint, unrounded; empty where there were no meetings."""
    found = _projects(run, name)
    if found is None:
        return []
    heads = (
        _("Touchpoint"), _("Projects a replication, mean"), _("Replications with one"), _("Replications"),
        _("Day of the first, median"), _("Earliest"), _("Latest"),
    )  # fmt: skip
    rows = []
    for touchpoint, counts in found.counts.items():
        first = _first_days(str(touchpoint), found.table)
        days = float(first.median()), int(first.min()), int(first.max())
        with_one = int((counts > 0).sum())
        rows.append((_(TOUCHPOINTS[str(touchpoint)]), float(counts.mean()), with_one, len(counts), *days))
    return [Table("projects", _("What the meetings started"), heads, rows)]


def _projects(run: Run, name: str) -> Projects | None:
    """None where there were no meetings; touchpoints with the most projects first."""
    if not run.has("projects.parquet"):
        return None
    table = run.table("projects.parquet")
    table = table[(table["second_seed"] == 0) & (table["arm"] == name)]
    if table.empty:
        return None
    points = [int(point) for point in pd.unique(run.measures["replication"])]
    counts = table.pivot_table(index="replication", columns="touchpoint", values="day", aggfunc="size", fill_value=0)
    counts = counts.reindex(points, fill_value=0)
    return Projects(table, counts[counts.mean().sort_values(ascending=False, kind="stable").index])


def _project_sentence(run: Run, table: pd.DataFrame, counts: pd.DataFrame) -> str:
    each = counts.sum(axis=1)
    first = table.groupby("touchpoint")["day"].size().idxmax()
    text = _(
        "Within {days} days the meetings start {mean} projects ({low} to {high} over {points} replications), most "
        "often on this touchpoint: {touchpoint}."
    )
    return text.format(
        days=run.days, mean=words.number(float(each.mean()), 1), low=int(each.min()), high=int(each.max()),
        points=len(each), touchpoint=_(TOUCHPOINTS[str(first)]),
    )  # fmt: skip


def _return_sentence(run: Run, name: str) -> str:
    roi = answer(run.effects, name, "roi")
    if roi is None:
        return _("No project has cost anything yet, so that there is no return to tell.")
    return _("Each yen spent on them brings {roi} yen net within {days} days ({span}).").format(
        roi=words.signed(roi.effect, 2), days=run.days, span=words.between(roi, 2)
    )


def _project_row(run: Run, touchpoint: str, found: Projects) -> list[str]:
    """Touchpoint, projects a point, points with one, and the date of the first in those."""
    first, counts = _first_days(touchpoint, found.table), found.counts[touchpoint]
    ends = {"middle": int(first.median()), "low": int(first.min()), "high": int(first.max())}
    return [
        _(TOUCHPOINTS[touchpoint]),
        words.number(float(counts.mean()), 1),
        f"{int((counts > 0).sum())} / {len(counts)}",
        _("{middle} ({low} to {high})").format(**{end: str(run.date(day) or day) for end, day in ends.items()}),
    ]


def _first_days(touchpoint: str, table: pd.DataFrame) -> pd.Series:
    """Day of the first project on a touchpoint, by point."""
    return table[table["touchpoint"] == touchpoint].groupby("replication")["day"].min()
