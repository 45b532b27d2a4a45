"""What-ifs about messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.behaviour import logit
from scenarios.intervention import Intervention, checked, register, rounded
from sim.offers import Observed, Offers
from sim.parameters import Bounds, real, text
from sim.settings import Settings


@register("searched_popup")
@dataclass(frozen=True)
class SearchedPopup(Intervention):
    """An on-site popup for visitors who searched a topic lately and have not ordered since.

    The rule itself ensures relevance. `lift` is in logits; a claimed one is multiplied by `shrink`. With `variants`
    the popup comes in as many versions, lifting by these multiples of `lift`, in equal sticky shares.
    """

    topic: str = field(kw_only=True, metadata={"check": text, "topic": True})
    within_days: int = field(kw_only=True, metadata={"check": rounded(0, 3650)})
    lift: float = field(kw_only=True, metadata={"check": real(Bounds(-10.0, 10.0)), "claimed": True})
    cost: int = field(default=0, kw_only=True, metadata={"check": rounded(0, 100_000)})  # yen per impression
    holdout: float = field(default=0.0, kw_only=True, metadata={"check": real(Bounds(0.0, 1.0))})
    variants: tuple[float, ...] = field(default=(1.0,), kw_only=True, metadata={"check": tuple})
    appeal: float = 0.0  # logit of a click

    @classmethod
    def configured(cls, name: str, options: Mapping[str, Any], settings: Settings) -> Intervention:
        """Take the click rate, which was measured on relevant popups, from the behaviour of messages."""
        messages = settings.behaviour.messages
        appeal = logit(messages.popup_click.value) - messages.match_slope.value * (1.0 - 0.5)
        return cls(name=name, appeal=appeal, **checked(cls, options, settings))

    def on_visits(self, seen: Observed, offers: Offers) -> None:
        """Show the popup to those the rule finds."""
        if self.active(seen.day):
            found = seen.online & seen.searched(self.topic, self.within_days) & ~seen.ordered_since_search()
            lifts = tuple(self.lift * share for share in self.variants)
            offers.popup(found, lifts, self.appeal, relevant=True, cost=self.cost, holdout=self.holdout)
