"""Named finders: which customers have a telling story, over all journeys that were kept.

A finder looks at the arm with the scenario (the baseline where there is no other), some at both, and puts the most
telling first. Stories found are picked because they are striking: the funnel and the report say how common they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from analysis.folders.run_folder import RunError
from analysis.journeys.causes import duration
from analysis.journeys.read import BY_TALK, Journeys
from analysis.style import words
from analysis.style.language import N_, _
from sim.phrases import listed
from sim.tables import BASELINE, DETRACTOR, PROMOTER

WITHIN = 60
"""Most days between a cause and what is told as its consequence."""

BEST = 5
"""Most stories that are listed."""


class TellingCustomer(NamedTuple):
    """A customer and why the story is worth a look."""

    customer: int
    line: str


class Finder(NamedTuple):
    """`look` returns the customers (as index) with the values that `line` has places for, the most telling first."""

    line: str
    look: Callable[[Journeys], pd.DataFrame]


def find(journeys: Journeys, name: str, best: int = BEST) -> list[TellingCustomer]:
    """The most telling customers of a finder. Raises RunError for a name that is none."""
    if name not in FINDERS:
        raise RunError("--find {name}: no such finder; {allowed}", name=name, allowed=listed(FINDERS))
    finder = FINDERS[name]
    table = finder.look(journeys)
    table = table[~table.index.duplicated()].head(best)
    return [
        TellingCustomer(
            customer, _(finder.line).format(**{str(key): _shown(str(key), value) for key, value in row.items()})
        )
        for customer, row in zip(table.index.tolist(), table.to_dict("records"), strict=True)
    ]


def _shown(name: str, value: float) -> str:
    if name == "late":
        return duration(value)
    return words.number(value, 1 if name == "score" else 0)


# -- finders --------------------------------------------------------------------------------------------------


def _complained_and_stayed(journeys: Journeys) -> pd.DataFrame:
    contacts = journeys.of("support contact")
    contacts = contacts.assign(value=contacts["value"].abs())
    return _worst(_stayed(journeys, _followed(contacts, journeys.of("order"), 1))).rename(columns={"late": "minutes"})


def _won_by_talk(journeys: Journeys) -> pd.DataFrame:
    learned = journeys.of("aware")
    learned = learned[learned["value"] == BY_TALK]
    orders = journeys.of("order").groupby("customer").agg(orders=("day", "size"), first=("day", "min"))
    won = learned.set_index("customer").join(orders, how="inner")
    return won.sort_values(["orders", "first"], ascending=[False, True])[["day", "first", "orders"]]


def _told_many(journeys: Journeys) -> pd.DataFrame:
    talks = journeys.of("talk").groupby("customer").agg(talks=("day", "size"), score=("value", "mean"))
    return talks.sort_values(["talks", "score"], ascending=False)


def _click_then_order(journeys: Journeys, click: str, within: int) -> pd.DataFrame:
    """Orders within so many days of a click that the baseline does not have on that day; largest baskets first."""
    ordered = _followed(journeys.of(click), journeys.of("order"), 0, within)
    without = journeys.of("order", arm=BASELINE)[["customer", "day"]].assign(had=True)
    without = without.rename(columns={"day": "then"})
    ordered = ordered.reset_index().merge(without, on=["customer", "then"], how="left").set_index("customer")
    found = ordered[ordered["had"].isna()].sort_values("result", ascending=False)
    return found[["day", "value", "then", "result"]].rename(columns={"result": "yen", "value": "number"})


def _coupon_redeemed(journeys: Journeys) -> pd.DataFrame:
    by = journeys.of("coupon redeemed").groupby("customer")
    used = by.agg(coupons=("day", "size"), yen=("value", "sum"), day=("day", "min")).join(_kinds(journeys))
    return used.sort_values(["coupons", "kinds"], ascending=False)[["coupons", "yen", "day"]]


def _parted_early(journeys: Journeys) -> pd.DataFrame:
    return _parted(journeys).join(_kinds(journeys)).sort_values(["day", "kinds"], ascending=[True, False])[["day"]]


def _more_orders(journeys: Journeys) -> pd.DataFrame:
    gain = _gain(journeys)
    return gain[gain["gain"] > 0].sort_values("gain", ascending=False)


def _fewer_orders(journeys: Journeys) -> pd.DataFrame:
    gain = _gain(journeys)
    return gain[gain["gain"] < 0].sort_values("gain").assign(gain=lambda table: -table["gain"])


def _turned(journeys: Journeys) -> pd.DataFrame:
    answers = journeys.of("survey answer")
    first, second = answers[answers["value"] >= PROMOTER], answers[answers["value"] <= DETRACTOR]
    turned = _followed(first, second, 1, journeys.run.days).rename(columns={"result": "second"})
    return turned.sort_values(["second", "days"])[["value", "day", "second", "then"]]


def _eventful(journeys: Journeys) -> pd.DataFrame:
    orders = journeys.of("order").groupby("customer").size().rename("orders")
    return orders.to_frame().join(_kinds(journeys)).sort_values(["kinds", "orders"], ascending=False)


FINDERS = {
    "late and lapsed": Finder(
        N_("an order {late} late on day {day}, lapsed on day {then}"),
        lambda journeys: _worst(_followed(_late(journeys), journeys.of("lapsed"), 0)),
    ),
    "late and stayed": Finder(
        N_("an order {late} late on day {day}, ordered again on day {then} and stayed"),
        lambda journeys: _worst(_stayed(journeys, _followed(_late(journeys), journeys.of("order"), 1))),
    ),
    "complained and stayed": Finder(
        N_("turned to support on day {day} ({minutes} min), ordered again on day {then} and stayed"),
        _complained_and_stayed,
    ),
    "won by word of mouth": Finder(
        N_("learned of the brand from talk on day {day}, first order on day {first}, {orders} orders"), _won_by_talk
    ),
    "told many": Finder(N_("told friends {talks} times, with a mean score of {score} su"), _told_many),
    "popup then order": Finder(
        N_("clicked popup {number} on day {day} and ordered for {yen} yen; no order that day in the baseline"),
        lambda journeys: _click_then_order(journeys, "popup clicked", 0),
    ),
    "message then order": Finder(
        N_("clicked message {number} on day {day}, ordered for {yen} yen on day {then}; not so in the baseline"),
        lambda journeys: _click_then_order(journeys, "message clicked", 7),
    ),
    "coupon redeemed": Finder(
        N_("redeemed {coupons} coupons, {yen} yen in all, the first on day {day}"), _coupon_redeemed
    ),
    "parted early": Finder(N_("the lives part on day {day}"), _parted_early),
    "more orders than in the other arm": Finder(
        N_("{orders} orders, {gain} more than in the baseline (what one customer does is not identified)"), _more_orders
    ),
    "fewer orders than in the other arm": Finder(
        N_("{orders} orders, {gain} fewer than in the baseline (what one customer does is not identified)"),
        _fewer_orders,
    ),
    "promoter turned detractor": Finder(N_("answered {value} of 10 on day {day} and {second} on day {then}"), _turned),
    "eventful": Finder(N_("{kinds} kinds of event, {orders} orders"), _eventful),
}
"""Finders by name: what is said of who is found, and how they are found."""

TELLING = ("message then order", "popup then order", "coupon redeemed", "parted early", "eventful")
"""Finders for the report's one story, the first that finds anybody."""


def telling(journeys: Journeys) -> TellingCustomer | None:
    """The customer of the story for a report; None where nothing happened to anybody."""
    for name in TELLING:
        found = find(journeys, name, 1)
        if found:
            return found[0]
    return None


# -- what they are made of --------------------------------------------------------------------------------------


def _late(journeys: Journeys) -> pd.DataFrame:
    """Deliveries after the promised day."""
    delivered = journeys.of("delivered")
    return delivered[delivered["value"] > 0]


def _worst(table: pd.DataFrame) -> pd.DataFrame:
    """Pairs by falling value of the cause, as `late`, then by the days between."""
    table = table.sort_values(["value", "days"], ascending=[False, True])
    return table[["value", "day", "then"]].rename(columns={"value": "late"})


def _followed(cause: pd.DataFrame, effect: pd.DataFrame, least: int, most: int = WITHIN) -> pd.DataFrame:
    """Pairs of a cause and its customer's next such effect within `least` to `most` days, by customer.

    day, value: of the cause; then, result: day and value of the effect; days between.
    """
    pairs = cause.merge(effect.rename(columns={"day": "then", "value": "result"}), on="customer")
    pairs = pairs.assign(days=pairs["then"] - pairs["day"])
    pairs = pairs[pairs["days"].between(least, most)].sort_values("days", kind="stable")
    return pairs.drop_duplicates(["customer", "day"]).set_index("customer")


def _stayed(journeys: Journeys, table: pd.DataFrame) -> pd.DataFrame:
    """Those of them who have not lapsed by the end."""
    return table[~table.index.isin(journeys.of("lapsed")["customer"])]


def _kinds(journeys: Journeys) -> pd.Series:
    """How many kinds of event each customer's life holds."""
    return journeys.arm(journeys.told).groupby("customer")["event"].nunique().rename("kinds")


def _parted(journeys: Journeys) -> pd.DataFrame:
    """The first day on which one arm has an event that the other has not, by customer."""
    if journeys.scenario is None:
        return pd.DataFrame({"day": pd.Series(dtype=int)}, index=pd.Index([], name="customer"))
    keys = ["customer", "day", "event", "value"]
    own = [journeys.arm(arm)[keys] for arm in (BASELINE, journeys.scenario)]
    numbered = [events.assign(number=events.groupby(keys, observed=True).cumcount()) for events in own]
    return pd.concat(numbered).drop_duplicates(keep=False).groupby("customer")[["day"]].min()


def _gain(journeys: Journeys) -> pd.DataFrame:
    """Orders of the told arm and how many more than in the other, for those whose lives part."""
    own = journeys.people[journeys.people["arm"] == journeys.told].set_index("customer")
    own = own.loc[own.index.intersection(_parted(journeys).index)]
    return pd.DataFrame({"orders": own["orders"], "gain": own["orders"] - own["other_orders"]})
