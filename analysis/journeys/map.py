"""The journey map: what customers live through from stage to stage, as the company is and as it would be.

Stages go from learning of the brand to coming back or drifting away; touchpoints are where customers meet the company,
or one another. The map has an emotional curve (scores and expectations in su, 0 is neutral), rational facts, pain
points (where scores fall below neutral, how often, how badly, and which touchpoint let down), volume, and moments of
truth (the experiences after which most changed). The form is that of customer journey maps (Lemon and Verhoef 2016;
moments of truth: Normann 1984).

It is made of the journeys that a run kept: of the first replication. Its intervals are therefore sampling intervals,
the chance of so many customers; what the points say of a fact stands beside it with an interval of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtrit

from analysis.effects.answer import Answer, answer, levels
from analysis.effects.estimands import SHARE
from analysis.journeys.read import BY_TALK, STORE, Journeys
from analysis.journeys.read import TOUCHPOINTS as LET_DOWN_BY
from analysis.style import words
from analysis.style.language import N_
from sim.tables import BASELINE, EVERYBODY, JOURNEY_MAP

STAGES = {
    "learn": N_("Learn"),
    "shop": N_("Shop and compare"),
    "buy": N_("Buy"),
    "receive": N_("Receive and use"),
    "return": N_("Come back or drift away"),
}
TOUCHPOINTS = {
    "advertising": N_("advertising"),
    "friends": N_("friends"),
    "messages": N_("messages"),
    **words.TOUCHPOINT_NAMES,
    "support": N_("support"),
}
"""Where customers meet the company, or one another."""

FEELINGS = {
    "learn": N_("what friends tell"),
    "shop": N_("what they expect"),
    "buy": N_("what buyers expect"),
    "receive": N_("what they experience"),
    "return": N_("what stays: satisfaction"),
}
"""What the emotional curve shows at each stage; all of it in su."""

LATE, IN_TIME, IN_STORE, HEARD = "late", "in time", "in store", "heard"
FIRST, SERVED, GAVE_UP = "first", "served", "gave up"
EXPERIENCES = (IN_TIME, LATE, IN_STORE)
"""Every experience is exactly one of these."""

MOMENTS = (FIRST, *EXPERIENCES, SERVED, GAVE_UP)
"""What an experience may be, by what came with it; they overlap."""

CHANGES = ("satisfaction", "lapsed", "talked")
"""What may change after an experience."""

AFTER_DAYS = 28
"""Days after an experience within which a lapse counts as after it."""

FEWEST = 20
"""Experiences below which a group is neither a pain point nor a moment of truth: too few to tell."""

FACTS = {
    "learn": (),
    "shop": ("conversion",),
    "buy": (),
    "receive": ("lead_time", "on_time"),
    "return": ("churn", "nps"),
}
"""Metrics of all points that speak of a stage."""

SAMPLED = {
    "learn": ("by_talk",), "shop": ("visits",), "buy": ("paid",), "receive": ("wait", "days_late"), "return": ("gap",),
}  # fmt: skip
"""Facts that the journeys tell: of those who learn, % by word of mouth; visits per visitor; yen paid per order;
minutes waited at the desk, days late of deliveries that are late; days between orders."""

NOTHING = ""
"""Value of `blamed` where an experience, or every touchpoint in it, scored neutral or above."""

Values = npt.NDArray[np.float64]


class Mean(NamedTuple):
    """A mean over occasions with a 90 % sampling interval, NaN where there is none, and of how many it is."""

    value: float
    low: float
    high: float
    occasions: int
    customers: int


def clustered(parts: list[tuple[Values, Values]]) -> Mean:
    """A mean over occasions, or the first less the second, with the interval of another sample of customers.

    parts: one or two pairs (customer of each occasion, value of each). Occasions of one customer belong together, and
    so do both arms of one customer: the variance is that of the linearised ratio, summed by customer (Cochran 1977,
    sec. 6.4). NaN ends for fewer than two customers.
    """
    kept = [_present(customers, values) for customers, values in parts]
    means = [float(values.mean()) if len(values) else math.nan for _customers, values in kept]
    value = means[0] - (means[1] if len(means) > 1 else 0.0)
    everyone = np.unique(np.concatenate([customers for customers, _values in kept]))
    half = math.nan
    if len(everyone) > 1 and not math.isnan(value):
        share = np.zeros(len(everyone))
        for sign, mean, (customers, values) in zip((1.0, -1.0), means, kept, strict=False):
            place = np.searchsorted(everyone, customers)
            share += sign * np.bincount(place, values - mean, len(everyone)) / len(values)
        n = len(everyone)
        half = float(stdtrit(n - 1, (1 + SHARE) / 2)) * math.sqrt(n / (n - 1) * float(share @ share))
    return Mean(value, value - half, value + half, len(kept[0][1]), len(np.unique(kept[0][0])))


def _present(customers: npt.ArrayLike, values: npt.ArrayLike) -> tuple[Values, Values]:
    amounts = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(amounts)
    return np.asarray(customers)[known], amounts[known]


class Lived:
    """What the customers of one arm lived through, occasion by occasion; `chosen` are the customers looked at."""

    def __init__(self, journeys: Journeys, arm: str, chosen: pd.Index) -> None:
        self.arm, self.days = arm, journeys.run.days
        self._journeys, self._chosen = journeys, chosen
        people = journeys.people
        self._people = people[(people["arm"] == arm) & people["customer"].isin(chosen)].set_index("customer")

    def of(self, *events: str) -> pd.DataFrame:
        """customer, day and value of the events of these kinds, in the order of time."""
        table = self._journeys.of(*events, arm=self.arm)
        return table[table["customer"].isin(self._chosen)].reset_index(drop=True)

    @cached_property
    def felt(self) -> pd.DataFrame:
        """States with satisfaction before: customer, day, satisfaction, expectation, before."""
        table = self._journeys.states
        table = table[(table["arm"] == self.arm) & table["customer"].isin(self._chosen)]
        return table.assign(before=table.groupby("customer")["satisfaction"].shift(1))

    @cached_property
    def visits(self) -> pd.DataFrame:
        """customer, day, channel, expectation, and whether it ended in an order. Nobody visits twice a day, and a
        day's first state is the visit's."""
        orders = self.of("order")[["customer", "day"]].drop_duplicates().assign(ordered=True)
        feeling = self.felt.drop_duplicates(["customer", "day"])[["customer", "day", "expectation"]]
        visits = self.of("visit").rename(columns={"value": "channel"})
        visits = visits.merge(feeling, on=["customer", "day"], how="left")
        return visits.merge(orders, on=["customer", "day"], how="left").fillna({"ordered": False})

    @cached_property
    def orders(self) -> pd.DataFrame:
        """customer, day, channel, price paid (yen, less coupons), days since the order before."""
        orders = self.of("order").rename(columns={"value": "basket"})
        saved = self.of("coupon redeemed").groupby(["customer", "day"])["value"].sum().rename("saved").reset_index()
        orders = orders.merge(self.visits[["customer", "day", "channel"]], on=["customer", "day"], how="left")
        orders = orders.merge(saved, on=["customer", "day"], how="left")
        gap = orders.groupby("customer")["day"].diff()
        return orders.assign(paid=orders["basket"] - orders["saved"].fillna(0.0), gap=gap)

    @cached_property
    def experiences(self) -> pd.DataFrame:
        """An order handed over or cancelled (which counts as late), and what came with it and after it.

        customer, day, score, kind (one of EXPERIENCES), first (of the customer's first order ever), wait (minutes at
        the desk; negative: given up), satisfaction (change over the day, su), lapsed (within AFTER_DAYS; blank where
        the horizon ends before), talked, blamed (what let down, or NOTHING; blank where orders share the day, since
        which of them it was is not logged).
        """
        table = _numbered(self.of("episode")).rename(columns={"value": "score"})
        handed = _numbered(self.of("delivered", "cancelled")).rename(columns={"value": "late"})
        table = table.merge(handed, on=["customer", "day", "number"], how="left")
        table = table.merge(self._bought_in_store(), on=["customer", "day"], how="left")
        store = table["in_store"].eq(True) & (table["late"] == 0) & (table["number"] == 0)
        kind = np.where(store, IN_STORE, np.where(table["late"] > 0, LATE, IN_TIME))
        contacts = self.of("support contact").groupby(["customer", "day"])["value"].first().rename("wait").reset_index()
        table = table.assign(kind=kind, first=self._first(table)).merge(contacts, on=["customer", "day"], how="left")
        table = table.merge(self._change(), on=["customer", "day"], how="left")
        talks = self.of("talk")[["customer", "day"]].drop_duplicates().assign(talked=1.0)
        table = table.merge(talks, on=["customer", "day"], how="left").fillna({"talked": 0.0})
        table = table.assign(blamed=self._blamed(table))
        return table.assign(lapsed=self._lapsed(table))

    def _blamed(self, table: pd.DataFrame) -> pd.Series:
        """What let down, by experience."""
        noted = self.of("let down")
        noted = noted[["customer", "day"]].assign(blamed=noted["value"].map(LET_DOWN_BY))
        blamed = table[["customer", "day"]].merge(noted, on=["customer", "day"], how="left")["blamed"].fillna(NOTHING)
        return blamed.where(~table.duplicated(["customer", "day"], keep=False).to_numpy(), None)

    def _bought_in_store(self) -> pd.DataFrame:
        store = self.orders[self.orders["channel"] == STORE]
        return store[["customer", "day"]].drop_duplicates().assign(in_store=True)

    def _first(self, table: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Whether an experience is the first of somebody who first ordered within the horizon."""
        acquired = table["customer"].map(self._people["acquired_day"]).to_numpy(dtype=float)
        return np.asarray((acquired >= 0) & ~table.duplicated("customer").to_numpy())

    def _change(self) -> pd.DataFrame:
        """Satisfaction at the end of a day less before its orders were handed over; blank without a state before."""
        last = self.felt.drop_duplicates(["customer", "day"], keep="last")
        change = last["satisfaction"] - last["before"]
        return last[["customer", "day"]].assign(satisfaction=change)

    def _lapsed(self, table: pd.DataFrame) -> Values:
        day = table["day"].to_numpy(dtype=float)
        lapse = table["customer"].map(self._people["lapsed_day"]).to_numpy(dtype=float)
        gone = (lapse >= day) & (lapse <= day + AFTER_DAYS)
        return np.where(day + AFTER_DAYS < self.days, gone.astype(float), np.nan)

    def moment(self, name: str) -> pd.DataFrame:
        """The experiences of one of MOMENTS."""
        table = self.experiences
        chosen = {
            FIRST: table["first"], SERVED: table["wait"] >= 0, GAVE_UP: table["wait"] < 0,
        }.get(name, table["kind"] == name)  # fmt: skip
        return table[chosen]

    # -- stages ---------------------------------------------------------------------------------------------------

    def feeling(self, stage: str) -> pd.DataFrame:
        """customer and value (su) of every occasion of a stage's feeling (FEELINGS)."""
        visits = self.visits
        if stage == "learn":
            return self.of("heard")[["customer", "value"]]
        if stage == "receive":
            return self.experiences[["customer", "score"]].set_axis(["customer", "value"], axis=1)
        if stage == "return":
            served = self.felt[self.felt["customer"].isin(self.experiences["customer"])]
            last = served.drop_duplicates("customer", keep="last")
            return last[["customer", "satisfaction"]].set_axis(["customer", "value"], axis=1)
        chosen = visits[visits["ordered"] == (stage == "buy")]
        return chosen[["customer", "expectation"]].set_axis(["customer", "value"], axis=1)

    @cached_property
    def touches(self) -> pd.DataFrame:
        """Every meeting with a touchpoint: customer, stage, touchpoint, score (su; blank where nothing is scored)."""
        columns = ["customer", "stage", "touchpoint", "score"]
        parts = [
            frame.assign(stage=stage, touchpoint=touchpoint).reindex(columns=columns)
            for stage, touchpoint, frame in self._met()
        ]
        return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)

    def _met(self) -> Iterator[tuple[str, str, pd.DataFrame]]:
        learned, heard, talk = self.of("aware"), self.of("heard"), self.of("talk")
        yield "learn", "advertising", learned[learned["value"] != BY_TALK][["customer"]]
        yield "learn", "friends", heard.rename(columns={"value": "score"})
        for event in ("popup shown", "message clicked"):
            yield "shop", "messages", self.of(event)[["customer"]]
        for stage, table in (("shop", self.visits), ("buy", self.orders)):
            store = table["channel"] == STORE
            yield stage, "site", table.loc[~store, ["customer"]]
            yield stage, "store", table.loc[store, ["customer"]]
        table = self.experiences
        yield "receive", "store", table[table["kind"] == IN_STORE]
        yield "receive", "delivery", table[table["kind"] != IN_STORE]
        yield "receive", "product", table
        yield "receive", "support", table[table["wait"].notna()]
        yield "return", "friends", talk.rename(columns={"value": "score"})
        for event in ("message sent", "opted out"):
            yield "return", "messages", self.of(event)[["customer"]]
        again = self.orders[self.orders["gap"].notna()]
        store = again["channel"] == STORE
        yield "return", "site", again.loc[~store, ["customer"]]
        yield "return", "store", again.loc[store, ["customer"]]


def _numbered(events: pd.DataFrame) -> pd.DataFrame:
    """Events of one kind with their number within the customer's day: both kinds of a hand-over come in one order."""
    return events.assign(number=events.groupby(["customer", "day"]).cumcount())


# -- what the map shows -------------------------------------------------------------------------------------------


class Blame(NamedTuple):
    """A touchpoint, and the share of orders in which it let down."""

    touchpoint: str
    share: Mean


class LetDown(NamedTuple):
    """How often a touchpoint let down, by arm: of all orders, and of those that score below neutral."""

    every: dict[str, Mean]
    moved: Mean | None  # of all orders: to-be less as-is
    below: dict[str, Mean]


class Pain(NamedTuple):
    """Scores below neutral of one kind: how often, how badly (su, mean of those below), of all badness how much, and
    the touchpoints that let down in those below, the most frequent first."""

    what: str
    occasions: int
    below: Mean  # share
    depth: float
    part: float  # of the sum of all scores below neutral of EXPERIENCES; NaN for what is heard
    blames: list[Blame]


class Moment(NamedTuple):
    """A kind of experience and what changed after it, beside what changed after all of them."""

    what: str
    changed: str  # one of CHANGES
    after: Mean
    usually: float


class Fact(NamedTuple):
    """A rational fact of a stage in both arms, with the interval of the difference or of the level.

    `sampled`: of the journeys, with a sampling interval; else a metric over all points."""

    stage: str
    name: str
    baseline: float
    scenario: float
    effect: float
    low: float
    high: float
    sampled: bool


class Map(NamedTuple):
    """The journey map of one persona, or of everybody. `arms` are as-is and, where there is one, to-be."""

    persona: str
    customers: int
    days: int
    arms: tuple[str, ...]
    curve: dict[str, dict[str, Mean]]  # by stage, then arm
    moved: dict[str, Mean]  # by stage: to-be less as-is
    volume: pd.DataFrame  # columns of sim.tables.JOURNEY_MAP
    pains: dict[str, list[Pain]]  # by arm, the worst first
    let_down: dict[str, LetDown]  # by touchpoint, the most frequent below neutral first; empty where none is logged
    moments: dict[str, list[Moment]]  # by arm
    facts: list[Fact]


def personas(journeys: Journeys) -> list[str]:
    """Everybody, then each persona."""
    return [EVERYBODY, *sorted(map(str, pd.unique(journeys.people["persona"])))]


def journey_map(journeys: Journeys, persona: str = EVERYBODY) -> Map:
    """The map of one persona's customers whose journeys were kept."""
    people = journeys.people
    people = people[people["arm"] == BASELINE]
    chosen = pd.Index(people.loc[(people["persona"] == persona) | (persona == EVERYBODY), "customer"])
    arms = (BASELINE,) if journeys.scenario is None else (BASELINE, journeys.scenario)
    lived = {arm: Lived(journeys, arm, chosen) for arm in arms}
    curve = {stage: {arm: _mean(one.feeling(stage)) for arm, one in lived.items()} for stage in STAGES}
    moved = {}
    if len(arms) > 1:
        moved = {stage: _mean(*(lived[arm].feeling(stage) for arm in reversed(arms))) for stage in STAGES}
    return Map(
        persona, len(chosen), journeys.run.days, arms, curve, moved,
        pd.concat([volume(one, persona) for one in lived.values()], ignore_index=True),
        {arm: pains(one) for arm, one in lived.items()},
        let_down(lived),
        {arm: moments(one) for arm, one in lived.items()},
        [*_sampled_facts(list(lived.values())), *_drawn_facts(journeys, persona)],
    )  # fmt: skip


def _mean(*tables: pd.DataFrame) -> Mean:
    """The mean value of a table by customer, or of the first less the second."""
    return clustered([(table["customer"].to_numpy(), table["value"].to_numpy()) for table in tables])


def volume(lived: Lived, persona: str) -> pd.DataFrame:
    """How often customers met each touchpoint at each stage, and how it was scored (JOURNEY_MAP)."""
    rows = []
    for (stage, touchpoint), own in lived.touches.groupby(["stage", "touchpoint"], sort=False):
        score = own["score"].dropna()
        mean = _mean(own.rename(columns={"score": "value"}))
        below = score[score < 0]
        rows.append((
            persona, lived.arm, stage, touchpoint, len(own), own["customer"].nunique(), mean.value, mean.low, mean.high,
            float((score < 0).mean()) if len(score) else math.nan, float(below.mean()) if len(below) else math.nan,
        ))  # fmt: skip
    return pd.DataFrame(rows, columns=[column.name for column in JOURNEY_MAP])


def pains(lived: Lived) -> list[Pain]:
    """Where experiences fall below neutral, what hurts most in all first; then what is heard of others' bad ones."""
    table = lived.experiences
    everything = float(-table["score"].clip(upper=0).sum())
    own = [_pain(kind, table[table["kind"] == kind], everything) for kind in EXPERIENCES]
    heard = _pain(HEARD, lived.of("heard").rename(columns={"value": "score"}).assign(blamed=None), math.nan)
    worst = sorted((one for one in own if one.occasions), key=lambda one: -one.part)
    return [*worst, heard] if heard.occasions else worst


def blames(table: pd.DataFrame) -> list[Blame]:
    """The touchpoints that let down in some of these experiences, the most frequent first."""
    found = [Blame(touchpoint, _blamed(table, touchpoint)) for touchpoint in LET_DOWN_BY.values()]
    return sorted((one for one in found if one.share.value > 0), key=lambda one: -one.share.value)


def let_down(lived: dict[str, Lived]) -> dict[str, LetDown]:
    """How often each touchpoint let down, in every arm; the baseline's comes first."""
    every = {arm: one.experiences for arm, one in lived.items()}
    below = {arm: table[table["score"] < 0] for arm, table in every.items()}
    first, *others = every.values()
    return {
        place: LetDown(
            {arm: _blamed(table, place) for arm, table in every.items()},
            clustered([_indicator(others[0], place), _indicator(first, place)]) if others else None,
            {arm: _blamed(table, place) for arm, table in below.items()},
        )
        for place in (one.touchpoint for one in blames(next(iter(below.values()))))
    }


def _blamed(table: pd.DataFrame, touchpoint: str) -> Mean:
    return clustered([_indicator(table, touchpoint)])


def _indicator(table: pd.DataFrame, touchpoint: str) -> tuple[Values, Values]:
    """customer of each experience whose day is its own, and whether the touchpoint let down."""
    told = table[table["blamed"].notna()]
    return np.asarray(told["customer"]), np.asarray(told["blamed"] == touchpoint, dtype=np.float64)


def _pain(what: str, table: pd.DataFrame, everything: float) -> Pain:
    score = table["score"].to_numpy(dtype=float)
    below = clustered([(table["customer"].to_numpy(), (score < 0).astype(float))])
    depth = float(score[score < 0].mean()) if (score < 0).any() else math.nan
    part = float(-score[score < 0].sum()) / everything if everything else math.nan
    return Pain(what, len(score), below, depth, part, blames(table[table["score"] < 0]))


def moments(lived: Lived) -> list[Moment]:
    """For each of CHANGES the kind of experience after which it differs most from its mean over all experiences.

    A kind counts if it is frequent enough and the interval after it excludes that mean. Where no kind does, the change
    has no moment in the list.
    """
    found = []
    for changed in CHANGES:
        usually = float(lived.experiences[changed].mean())
        after = {name: _after(lived.moment(name), changed) for name in MOMENTS}
        clear = {
            name: abs(mean.value - usually)
            for name, mean in after.items()
            if mean.occasions >= FEWEST and not mean.low <= usually <= mean.high
        }
        if clear:
            name = max(clear, key=lambda one: clear[one])
            found.append(Moment(name, changed, after[name], usually))
    return found


def _after(table: pd.DataFrame, changed: str) -> Mean:
    return clustered([(table["customer"].to_numpy(), table[changed].to_numpy(dtype=float))])


# -- facts --------------------------------------------------------------------------------------------------------


def _sampled_facts(lived: list[Lived]) -> Iterator[Fact]:
    """Facts that the journeys tell."""
    for stage, name in ((stage, name) for stage, names in SAMPLED.items() for name in names):
        occasions = [_occasions(one, name) for one in lived]
        means = [_mean(table) for table in occasions]
        over = _mean(occasions[1], occasions[0]) if len(lived) > 1 else means[0]
        if means[0].occasions:
            scenario = means[1].value if len(lived) > 1 else math.nan
            effect = over.value if len(lived) > 1 else math.nan
            yield Fact(stage, name, means[0].value, scenario, effect, over.low, over.high, sampled=True)


def _occasions(lived: Lived, name: str) -> pd.DataFrame:
    """customer and value of each occasion of a fact."""
    if name == "by_talk":
        learned = lived.of("aware")
        return learned[["customer"]].assign(value=100.0 * (learned["value"] == BY_TALK))
    if name == "visits":
        counts = lived.visits.groupby("customer").size()
        return pd.DataFrame({"customer": counts.index, "value": counts.to_numpy(dtype=float)})
    if name == "wait":
        waited = lived.of("support contact")
        return waited[["customer"]].assign(value=waited["value"].abs())
    if name == "days_late":
        handed = lived.of("delivered")
        return handed.loc[handed["value"] > 0, ["customer", "value"]]
    return lived.orders[["customer", name]].dropna().set_axis(["customer", "value"], axis=1)


def _drawn_facts(journeys: Journeys, persona: str) -> Iterator[Fact]:
    """Metrics over all points, of all customers of the persona: the interval is what is not known."""
    run, name = journeys.run, journeys.scenario
    for stage, metrics in FACTS.items():
        for metric in metrics:
            found = answer(run.effects, name, metric, persona) if name else _level(journeys, metric, persona)
            if found is not None:
                effect = found.effect if name else math.nan
                yield Fact(stage, metric, found.baseline, found.scenario, effect, found.low, found.high, sampled=False)


def _level(journeys: Journeys, metric: str, persona: str) -> Answer | None:
    return dict(levels(journeys.run)).get(metric) if persona == EVERYBODY else None
