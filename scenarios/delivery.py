"""Interventions on delivery: coupons for whoever accepts a later parcel, other terms, more hands in the warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Self, TypeVar

import numpy as np
from pydantic import model_validator

from agents.behaviour import NO_THRESHOLD
from scenarios.intervention import Intervention, register, uncertain
from sim.company.changes import NO_CHANGES, Changes, NewTerms
from sim.company.offers import Apology, Observed, Offers
from sim.config.parameters import Reader, real, rounded, several, show, whole, word
from sim.config.sections import Section
from sim.config.settings import Settings
from sim.phrases import ConfigError

MOST_DAYS = 60
"""Days that may be chosen beyond no-rush's lead, and that new terms may put on a lead."""


def _days(value: object) -> tuple[int, ...]:
    """Reader of a list of days."""
    if isinstance(value, str) or not isinstance(value, list | tuple) or not 1 <= len(value) <= 10:
        raise ConfigError("{value} is not allowed; a list of one to ten whole numbers of days", value=show(value))
    days = tuple(whole(0, MOST_DAYS)(one) for one in value)
    if len(set(days)) < len(days):
        raise ConfigError("{value} is not allowed; each number of days once", value=show(list(days)))
    return days


def _faces(value: object) -> tuple[int, ...]:
    """Reader of a list of coupons' faces."""
    if not isinstance(value, list | tuple):
        raise ConfigError("{value} is not allowed; a list of yen, one for each of the extra_days", value=show(value))
    return tuple(map(rounded(0, 100_000), value))


@register("norush_coupon")
class NorushCoupon(Intervention):
    """A coupon for the next order to whoever lets this online order arrive later."""

    face: Annotated[int, rounded(0, 100_000)]  # yen
    valid_days: Annotated[int, rounded(1, 3650)]

    def on_visits(self, seen: Observed, offers: Offers) -> None:
        """Offer the coupon to all visitors on the web and in the app."""
        if self.active(seen.day):
            offers.norush_coupon(seen.online, self.face, self.valid_days)


@register("points_norush")
class PointsNorush(NorushCoupon):
    """Points, a yen each, for whoever lets this online order arrive later; some are earned and never used."""

    face: Annotated[int, rounded(0, 100_000)]  # points
    valid_days: Annotated[int, rounded(1, 3650)] = 365
    breakage: Annotated[float, real(0.0, 1.0)] = uncertain(0.2, 0.1, 0.4, "share of points never used")

    def on_visits(self, seen: Observed, offers: Offers) -> None:
        """Offer the points to all visitors on the web and in the app."""
        if self.active(seen.day):
            offers.norush_coupon(seen.online, self.face, self.valid_days, self.breakage)


@register("recovery_coupon")
class RecoveryCoupon(Intervention):
    """A coupon and an apology for whoever gets a parcel late; with a face of 0 yen, an apology in words alone.

    A coupon makes good a part of a bad score, words alone do not, and another apology within `again_within` days has an
    effect of its own.
    """

    late_days: Annotated[int, whole(1, MOST_DAYS)] = 1
    face: Annotated[int, rounded(0, 100_000)]  # yen
    valid_days: Annotated[int, rounded(1, 3650)] = 60
    makes_good: Annotated[float, real(-1.0, 1.0)] = uncertain(0.3, 0.1, 0.6, "share of a bad score made good")
    again: Annotated[float, real(-1.0, 1.0)] = uncertain(
        -0.1, -0.3, 0.1, "share of a bad score made good by another apology",
        "size is judgement; Halperin, Ho, List and Muir 2022: repeated apologies hurt",
    )  # fmt: skip
    again_within: Annotated[int, whole(0, 3650)] = 90

    def apology(self, day: int) -> Apology | None:
        """The same on each of its days."""
        if not self.active(day):
            return None
        return Apology(self.late_days, self.face, self.valid_days, self.makes_good, self.again, self.again_within)


@register("delivery_choice")
class DeliveryChoice(Intervention):
    """A choice of days: whoever waits so many days beyond no-rush's lead gets the coupon that goes with them."""

    extra_days: Annotated[tuple[int, ...], Reader(_days)]
    faces: Annotated[tuple[int, ...], Reader(_faces)]  # yen, one for each of the days
    valid_days: Annotated[int, rounded(1, 3650)]

    @model_validator(mode="after")
    def _has_a_coupon_for_each_choice(self) -> Self:
        if len(self.faces) != len(self.extra_days):
            raise ConfigError(
                "faces: {coupons} coupons for {choices} choices of extra_days",
                coupons=len(self.faces), choices=len(self.extra_days),
            )
        return self

    @property
    def days_to_choose(self) -> tuple[tuple[int, int], ...]:
        """Options of waiting: (days beyond no-rush's lead, yen of the coupon)."""
        return tuple(zip(self.extra_days, self.faces, strict=True))

    def on_visits(self, seen: Observed, offers: Offers) -> None:
        """Offer the options of waiting to all visitors on the web and in the app."""
        if self.active(seen.day):
            offers.choice_of_days(seen.online, self.valid_days)


class DaysMore(Section):
    """Whole days more for each delivery class; negative: fewer."""

    express: Annotated[int, whole(-MOST_DAYS, MOST_DAYS)] = 0
    standard: Annotated[int, whole(-MOST_DAYS, MOST_DAYS)] = 0
    norush: Annotated[int, whole(-MOST_DAYS, MOST_DAYS)] = 0

    @property
    def by_class(self) -> tuple[int, int, int]:
        """Days more for express, standard, no-rush."""
        return self.express, self.standard, self.norush


class YenMore(Section):
    """Yen more for each delivery class; negative: less."""

    express: Annotated[float, real(-100_000.0, 100_000.0)] = 0.0
    standard: Annotated[float, real(-100_000.0, 100_000.0)] = 0.0
    norush: Annotated[float, real(-100_000.0, 100_000.0)] = 0.0

    @property
    def by_class(self) -> tuple[float, float, float]:
        """Yen more for express, standard, no-rush."""
        return self.express, self.standard, self.norush


Group = TypeVar("Group", bound=Section)


def _by_class(kind: type[Group], stated: object) -> Group:
    """Reader of a number for some of the delivery classes; those left out stay as they are."""
    if isinstance(stated, kind):
        return stated
    if not isinstance(stated, Mapping):
        raise ConfigError(
            "{value} is not allowed; a group of delivery classes, as in {example}",
            value=show(stated), example="{standard: 1}",
        )
    return kind.read(stated)


@register("delivery_terms")
class OtherDeliveryTerms(Intervention):
    """Other leads, days on the way, fees and costs of the delivery classes, and free delivery from a basket on.

    Each number is a difference from the company's own terms, for everybody. A lead is what the customer is promised:
    where only it changes, the warehouse works as before, and a promise that is too bold is broken more often.
    """

    company_wide: ClassVar[bool] = True

    lead: Annotated[DaysMore, Reader(partial(_by_class, DaysMore))] = DaysMore()
    transit: Annotated[DaysMore, Reader(partial(_by_class, DaysMore))] = DaysMore()
    fee: Annotated[YenMore, Reader(partial(_by_class, YenMore))] = YenMore()
    cost: Annotated[YenMore, Reader(partial(_by_class, YenMore))] = YenMore()  # yen a parcel
    free_from: Annotated[float | None, real(0.0, 1e9)] = None  # yen of basket; standard and no-rush
    closed: Annotated[tuple[str, ...], several(word("express", "norush"))] = ()  # classes not on offer

    @classmethod
    def configured(cls, name: str, options: Mapping[str, Any], settings: Settings) -> Self:
        """Refuse a parcel that is due before it can be there, and a fee or cost below zero. Raises ConfigError."""
        terms, classes = super().configured(name, options, settings), settings.company.classes
        for kind in ("express", "standard", "norush"):
            own = getattr(classes, kind)
            lead, transit = own.lead + getattr(terms.lead, kind), own.transit + getattr(terms.transit, kind)
            if not 1 <= transit <= lead:
                raise ConfigError(
                    "lead.{kind}: {lead} days promised and {transit} on the way; at least 1 on the way and no more "
                    "than promised",
                    kind=kind, lead=lead, transit=transit,
                )
            for option in ("fee", "cost"):
                yen = getattr(own, option).value + getattr(getattr(terms, option), kind)
                if yen < 0.0:
                    raise ConfigError(
                        "{option}.{kind}: leaves {yen:g} yen; at least 0", option=option, kind=kind, yen=yen
                    )
        return terms

    def changes(self, day: int) -> Changes:
        """The new terms, on the days on which they hold."""
        if not self.active(day):
            return NO_CHANGES
        free_from = NO_THRESHOLD if self.free_from is None else self.free_from
        terms = NewTerms(
            self.lead.by_class, self.transit.by_class, self.fee.by_class, self.cost.by_class,
            (float("express" in self.closed), 0.0, float("norush" in self.closed)), free_from,
        )  # fmt: skip
        return Changes(delivery=terms)


@register("capacity")
class Capacity(Intervention):
    """More people in the warehouse, on every day or in the peaks of the calendar and while they are worked off."""

    company_wide: ClassVar[bool] = True

    people: Annotated[int, rounded(0, 1_000_000)]
    when: Annotated[str, word("peaks", "always")] = "peaks"
    orders_per_person: Annotated[float, real(0.0, 100_000.0)] = uncertain(100.0, 60.0, 160.0, "orders/person and day")
    wage: Annotated[float, real(0.0, 1e9)] = uncertain(13_000.0, 10_000.0, 17_000.0, "yen/person and day")
    peaks: frozenset[int] = frozenset()  # days of the horizon that belong to a peak

    @classmethod
    def configured(cls, name: str, options: Mapping[str, Any], settings: Settings) -> Self:
        """Find the peaks in the calendar; refuse a calendar without any. Raises ConfigError."""
        capacity = super().configured(name, options, settings)
        peaks = np.flatnonzero(settings.calendar.peaks(settings.start_date, settings.days))
        if capacity.when == "peaks" and not len(peaks):
            raise ConfigError("when: peaks never come in this calendar and horizon; always")
        return capacity.model_copy(update={"peaks": frozenset(peaks.tolist())})

    def at_work(self, day: int) -> bool:
        """Whether they work on `day`."""
        return self.active(day) and (self.when == "always" or day in self.peaks)

    def changes(self, day: int) -> Changes:
        """The orders a day that they can ship, on the days on which they work."""
        return Changes(more_capacity=self.people * self.orders_per_person) if self.at_work(day) else NO_CHANGES

    def cost_on(self, day: int) -> float:
        """Wages beside what any intervention costs."""
        return super().cost_on(day) + (self.people * self.wage if self.at_work(day) else 0.0)
