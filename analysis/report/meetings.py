"""The report's section on meetings: projects by touchpoint, when they began, and what came back."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.effects.answer import answer
from analysis.folders.run_folder import Run
from analysis.journeys.map import TOUCHPOINTS
from analysis.style import words
from analysis.style.language import _


def section(run: Run, name: str) -> dict[str, Any] | None:
    """The projects that meetings started, in two sentences and a table; None where there were no meetings."""
    if not run.has("projects.parquet"):
        return None
    table = run.table("projects.parquet")
    table = table[(table["second_seed"] == 0) & (table["arm"] == name)]
    if table.empty:
        return None
    points = [int(point) for point in pd.unique(run.measures["replication"])]
    counts = table.pivot_table(index="replication", columns="touchpoint", values="day", aggfunc="size", fill_value=0)
    counts = counts.reindex(points, fill_value=0)
    order = counts.mean().sort_values(ascending=False, kind="stable")
    return {
        "sentence": words.sentences((_project_sentence(run, table, counts), _return_sentence(run, name))),
        "rows": [_project_row(str(touchpoint), counts[touchpoint], table) for touchpoint in order.index],
    }


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


def _project_row(touchpoint: str, counts: pd.Series, table: pd.DataFrame) -> list[str]:
    """Touchpoint, projects a point, points with one, and the day of the first in those."""
    first = table[table["touchpoint"] == touchpoint].groupby("replication")["day"].min()
    days = _("{middle} ({low} to {high})").format(
        middle=f"{first.median():.0f}", low=int(first.min()), high=int(first.max())
    )
    return [
        _(TOUCHPOINTS[touchpoint]),
        words.number(float(counts.mean()), 1),
        f"{int((counts > 0).sum())} / {len(counts)}",
        days,
    ]
