"""Interventions on delivery: coupons for whoever accepts a later parcel."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import model_validator

from scenarios.intervention import Intervention, register
from sim.company.offers import Observed, Offers
from sim.config.parameters import Reader, rounded, show, whole
from sim.phrases import ConfigError

MOST_DAYS = 60


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
