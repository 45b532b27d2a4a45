"""NPS by month: the mean of a month's weekly censuses in both arms, and their difference point by point."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analysis.effects.answer import Answer
from analysis.effects.estimands import spread
from analysis.folders.run_folder import Run
from analysis.style import dates, words
from analysis.style.language import _
from sim.tables import BASELINE

DAYS_OF_A_MONTH = 30
"""Where the configuration states no date to begin on."""


class Month(NamedTuple):
    """A month in words, and NPS over points: levels, and the effect with its interval."""

    name: str
    found: Answer


def by_month(run: Run, name: str) -> list[Month]:
    """NPS of every month of the horizon that has a census."""
    daily = run.daily[run.daily["nps"].notna() & (run.daily["second_seed"] == 0)]
    first = run.date(0)
    months = daily["day"] // DAYS_OF_A_MONTH if first is None else _calendar(daily["day"], pd.Timestamp(first))
    means = daily.assign(month=months).groupby(["arm", "month", "replication"], sort=True)["nps"].mean()
    if not {BASELINE, name} <= set(means.index.unique("arm")):
        return []
    before, after = means[BASELINE], means[name]
    return [_month(run, int(month), before[month], after[month]) for month in after.index.unique(0)]


def month_row(row: Month) -> dict[str, str]:
    """A month as texts."""
    places = 1
    return {
        "name": row.name,
        "baseline": words.number(row.found.baseline, places),
        "scenario": words.number(row.found.scenario, places),
        "effect": words.signed(row.found.effect, 2),
        "interval": words.within(row.found, 2),
    }


def _calendar(day: pd.Series, first: pd.Timestamp) -> pd.Series:
    """Months since the one in which the horizon begins."""
    dates = first + pd.to_timedelta(day, unit="D")
    return (dates.dt.year - first.year) * 12 + dates.dt.month - first.month


def _month(run: Run, number: int, baseline: pd.Series, scenario: pd.Series) -> Month:
    over = spread((scenario - baseline).dropna().to_numpy(dtype=float))
    first = run.date(0)
    if first is None:
        text = _("days {first} to {last}").format(
            first=number * DAYS_OF_A_MONTH, last=(number + 1) * DAYS_OF_A_MONTH - 1
        )
    else:
        later = first.month - 1 + number
        text = dates.month(first.replace(year=first.year + later // 12, month=later % 12 + 1, day=1))
    return Month(text, Answer.of(float(baseline.mean()), float(scenario.mean()), over))
