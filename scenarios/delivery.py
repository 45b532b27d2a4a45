"""What-ifs about delivery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scenarios.intervention import Intervention, checked, register
from sim.company.offers import Observed, Offers
from sim.config.parameters import ConfigError, rounded, show, whole
from sim.config.settings import Settings

MOST_DAYS = 60


def _days(value: object) -> tuple[int, ...]:
    """Reader of a list of days."""
    if isinstance(value, str) or not isinstance(value, list | tuple) or not 1 <= len(value) <= 10:
        raise ConfigError(f"{show(value)} is not allowed; a list of one to ten whole numbers of days")
    days = tuple(whole(0, MOST_DAYS)(one) for one in value)
    if len(set(days)) < len(days):
        raise ConfigError(f"{show(list(days))} is not allowed; each number of days once")
    return days


def _faces(value: object) -> tuple[int, ...]:
    """Reader of a list of coupons' faces."""
    if isinstance(value, str) or not isinstance(value, list | tuple):
        raise ConfigError(f"{show(value)} is not allowed; a list of yen, one for each of the extra_days")
    return tuple(rounded(0, 100_000)(one) for one in value)


@register("norush_coupon")
@dataclass(frozen=True)
class NorushCoupon(Intervention):
    """A coupon for the next order to whoever lets this online order arrive later."""

    face: int = field(kw_only=True, metadata={"check": rounded(0, 100_000)})  # yen
    valid_days: int = field(kw_only=True, metadata={"check": rounded(1, 3650)})

    def on_visits(self, seen: Observed, offers: Offers) -> None:
        """Offer the coupon to everybody shopping online."""
        if self.active(seen.day):
            offers.norush_coupon(seen.online, self.face, self.valid_days)

    def scaled(self, share: float) -> NorushCoupon:
        """The same with another face."""
        return replace(self, face=round(self.face * share))


@register("delivery_choice")
@dataclass(frozen=True)
class DeliveryChoice(Intervention):
    """A choice of days: whoever waits so many days beyond no-rush's lead gets the coupon that goes with them."""

    extra_days: tuple[int, ...] = field(kw_only=True, metadata={"check": _days})
    faces: tuple[int, ...] = field(kw_only=True, metadata={"check": _faces})  # yen, one for each of the days
    valid_days: int = field(kw_only=True, metadata={"check": rounded(1, 3650)})

    @classmethod
    def configured(cls, name: str, options: Mapping[str, Any], settings: Settings) -> Intervention:
        """There is one coupon for each choice."""
        choice = cls(name=name, **checked(cls, options, settings))
        if len(choice.faces) != len(choice.extra_days):
            raise ConfigError(f"faces: {len(choice.faces)} coupons for {len(choice.extra_days)} choices of extra_days")
        return choice

    @property
    def days_to_choose(self) -> tuple[tuple[int, int], ...]:
        """(days beyond no-rush's lead, yen of the coupon)."""
        return tuple(zip(self.extra_days, self.faces, strict=True))

    def on_visits(self, seen: Observed, offers: Offers) -> None:
        """Let everybody shopping online choose."""
        if self.active(seen.day):
            offers.choice_of_days(seen.online, self.valid_days)

    def scaled(self, share: float) -> DeliveryChoice:
        """The same with other faces."""
        return replace(self, faces=tuple(round(face * share) for face in self.faces))
