"""The funnel: how many customers come from stage to stage, whom it loses where, in both arms.

It is counted in the journeys that a run kept, so it is of one point. Its intervals (Wilson 1927) are the chance of so
many customers and nothing else; what the points say of the same steps stands beside it (`over_points`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.effects.answer import Answer, answer
from analysis.effects.estimands import counted, spread
from analysis.folders.run_folder import Run
from analysis.journeys.read import CHANNELS, Journeys
from analysis.style.language import N_
from sim.tables import BASELINE, EVERYBODY, FUNNEL

STAGES = ("potential", "aware", "visit", "order", "second order", "third order")
STAGE_WORDS = {
    "potential": N_("members"),
    "aware": N_("know the brand"),
    "visit": N_("visit"),
    "order": N_("order"),
    "second order": N_("order twice"),
    "third order": N_("order three times"),
}
LOST_WORDS = {
    "aware": N_("never hear of the brand"),
    "visit": N_("know the brand and never visit"),
    "order": N_("visit and never order"),
    "second order": N_("order once and not again"),
    "third order": N_("order twice and not a third time"),
}
"""Whom a step loses, by the stage that they do not reach."""

STAGE_MEANING = {
    "potential": N_("all whose journeys were kept, but for those who had lapsed before day 0: they cannot come back"),
    "aware": N_("know the brand by the end of the horizon, whether from before day 0 or since"),
    "visit": N_("visit at least once within the horizon"),
    "order": N_("order at least once within the horizon, whether or not they had ordered before day 0"),
    "second order": N_("order at least twice within the horizon"),
    "third order": N_("order at least three times within the horizon"),
}
KIND_WORDS = {
    EVERYBODY: N_("everybody"),
    "start": N_("stand at day 0"),
    "persona": N_("persona"),
    "segment": N_("declared segment"),
    "channel": N_("channel"),
}
"""What customers are grouped by."""

STARTS = (N_("unaware"), N_("aware"), N_("customer"))
"""Where customers stood when the horizon began."""

OVER_POINTS = ("conversion", "acquired", "repeat_rate")
"""Metrics of the run that speak of a step of the funnel."""

Flags = npt.NDArray[np.bool_]


class Funnel(NamedTuple):
    """A run's funnel: the table of `sim.tables.FUNNEL`, event counts, and what all points say of its steps."""

    table: pd.DataFrame
    counts: pd.DataFrame
    points: list[tuple[str, Answer]]
    scenario: str | None
    days: int


def funnel(journeys: Journeys) -> Funnel:
    """The funnel of a run's journeys."""
    run = journeys.run
    rows = [row for arm in journeys.arms for row in _rows(journeys, arm)]
    table = pd.DataFrame(rows, columns=[column.name for column in FUNNEL])
    return Funnel(table, event_counts(journeys), over_points(run, journeys.scenario), journeys.scenario, run.days)


# -- counting -------------------------------------------------------------------------------------------------


def _rows(journeys: Journeys, arm: str) -> Iterator[tuple[object, ...]]:
    """Rows of one arm: everybody, and then each group of each kind."""
    people = _people(journeys, arm)
    steps = _reached(people, _visits(journeys, arm))
    for kind, group, member in _groups(people):
        yield from _steps(arm, kind, group, [stage & member for stage in steps])
    for channel, name in CHANNELS.items():
        own = _reached(people, _visits(journeys, arm, channel))
        yield from _steps(arm, "channel", name, own)


def _people(journeys: Journeys, arm: str) -> pd.DataFrame:
    """Those whose journeys were kept and who had not lapsed before day 0, with where they stood on day 0."""
    own = journeys.people[journeys.people["arm"] == arm].set_index("customer")
    own = own[own["lapsed_day"].isna() | (own["lapsed_day"] >= 0)]
    learned = own.index.isin(journeys.of("aware", arm=arm)["customer"])
    before = own["acquired_day"] < 0
    unaware = learned | (own["status"] == "unaware").to_numpy()
    return own.assign(start=np.where(before, "customer", np.where(unaware, "unaware", "aware")))


def _visits(journeys: Journeys, arm: str, channel: int | None = None) -> pd.DataFrame:
    """Visits and orders by customer, of all channels or of one. Nobody visits twice a day: an order is of the day's
    visit."""
    visits, orders = journeys.of("visit", arm=arm), journeys.of("order", arm=arm)
    if channel is not None:
        visits = visits[visits["value"] == channel]
        orders = orders.merge(visits[["customer", "day"]], on=["customer", "day"])
    return pd.DataFrame({"visits": visits.groupby("customer").size(), "orders": orders.groupby("customer").size()})


def _reached(people: pd.DataFrame, done: pd.DataFrame) -> list[Flags]:
    """Who reached each stage: a flag per person, one array per stage."""
    done = done.reindex(people.index).fillna(0)
    visits, orders = done["visits"].to_numpy(), done["orders"].to_numpy()
    aware = (people["status"] != "unaware").to_numpy()
    return [np.ones(len(people), bool), aware, visits > 0, orders > 0, orders > 1, orders > 2]


def _groups(people: pd.DataFrame) -> Iterator[tuple[str, str, Flags]]:
    yield EVERYBODY, EVERYBODY, np.ones(len(people), bool)
    for start in STARTS:
        yield "start", start, (people["start"] == start).to_numpy()
    for kind in ("persona", "segment"):
        for name in sorted(map(str, pd.unique(people[kind]))):
            yield kind, name, (people[kind] == name).to_numpy()


def _steps(arm: str, kind: str, group: str, stages: list[Flags]) -> Iterator[tuple[object, ...]]:
    """A row of FUNNEL per stage of one group."""
    counts = [int(stage.sum()) for stage in stages]
    for place, (stage, count) in enumerate(zip(STAGES, counts, strict=True)):
        before = counts[place - 1] if place else 0
        reached = count / counts[0] if counts[0] else math.nan
        yield arm, kind, group, stage, count, reached, *counted(before - count, before)[2:]


def event_counts(journeys: Journeys) -> pd.DataFrame:
    """How often each kind of event happened (`size`) and to how many customers (`nunique`), by arm."""
    by = journeys.events.groupby(["event", "arm"], observed=True)["customer"].agg(["size", "nunique"])
    return pd.DataFrame(by.unstack("arm")).fillna(0).astype(int)


# -- over the points -------------------------------------------------------------------------------------------


def over_points(run: Run, scenario: str | None) -> list[tuple[str, Answer]]:
    """Steps of the funnel that every point tells, for all customers, with what is not known in the interval.

    The share that knows the brand (from daily.parquet), and the metrics of OVER_POINTS.
    """
    if scenario is None or not run.has("effects.csv"):
        return []
    known = {"aware": _aware_share(run, scenario)}
    known |= {metric: answer(run.effects, scenario, metric) for metric in OVER_POINTS}
    return [(name, found) for name, found in known.items() if found is not None]


def _aware_share(run: Run, scenario: str) -> Answer | None:
    """Per cent of members who know the brand on the last day, the lapsed among them."""
    last = run.daily[(run.daily["second_seed"] == 0) & (run.daily["day"] == run.daily["day"].max())]
    people = last[["unaware", "aware", "customer", "lapsed"]].sum(axis=1)
    last = last.assign(share=100 * (1 - last["unaware"] / people))
    wide = last.pivot(index="replication", columns="arm", values="share")
    if scenario not in wide:
        return None
    over = spread((wide[scenario] - wide[BASELINE]).to_numpy())
    level = float(wide[BASELINE].mean())
    return Answer.of(level, level + over.mean, over)
