"""What-ifs about delivery."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from scenarios.intervention import Intervention, register, rounded
from sim.offers import Observed, Offers


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
