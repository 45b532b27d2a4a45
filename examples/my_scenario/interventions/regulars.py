"""Coupons for those who have ordered before."""

from __future__ import annotations

from typing import Annotated

from scenarios.intervention import Intervention, register
from sim.company.offers import Observed, Offers
from sim.config.parameters import whole


@register("regulars_coupon")
class RegularsCoupon(Intervention):
    """A coupon for letting an order arrive later, to customers with some orders behind them."""

    face: Annotated[int, whole(0, 100_000)]  # yen
    min_orders: Annotated[int, whole(1, 1000)]

    def on_visits(self, seen: Observed, offers: Offers) -> None:
        """Offer it to today's online visitors whose log shows enough orders."""
        if self.active(seen.day):
            offers.norush_coupon(seen.online & (seen.orders >= self.min_orders), self.face, valid_days=60)
