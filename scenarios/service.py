"""What-ifs about service: listening to customers, and letting staff act (docs/ODD.md 7.14). On everybody at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from agents.columns import STORE_FRONT
from scenarios.intervention import Intervention, register, uncertain
from sim.company.changes import NO_CHANGES, Changes, Shift
from sim.company.meetings import Meetings
from sim.config.parameters import Bounds, ConfigError, real, whole
from sim.config.settings import Settings

YEN = Bounds(0.0, 1e12)
"""Of an amount of the firm with all its members."""


@register("voice_of_customer")
@dataclass(frozen=True)
class VoiceOfCustomer(Intervention):
    """A regular meeting over what customers say, which starts a project on the worst touchpoint. Yen of the firm."""

    company_wide: ClassVar[bool] = True

    every: int = field(default=7, kw_only=True, metadata={"check": whole(1, 3650)})  # days between meetings
    gain: float = uncertain(Bounds(-5.0, 5.0), 0.15, 0.0, 0.3, "su of a touchpoint's first project")
    lag: float = uncertain(Bounds(1.0, 3650.0), 42.0, 14.0, 90.0, "days from meeting to change")
    cost: float = uncertain(YEN, 2e6, 1e6, 4e6, "yen per project")
    budget: float = field(default=24e6, kw_only=True, metadata={"check": real(*YEN)})  # yen a year
    capacity: int = field(default=2, kw_only=True, metadata={"check": whole(1, 100)})  # projects at once
    comments: float = uncertain(Bounds(0.0, 1.0), 0.3, 0.15, 0.6, "share of surveyed detractors who comment")

    @classmethod
    def configured(cls, name: str, options: Mapping[str, Any], settings: Settings) -> Intervention:
        """Comments come from the survey too, so somebody must be asked."""
        if settings.company.survey_share.value == 0.0:
            raise ConfigError("kind: voice_of_customer hears no comments where company.survey_share is 0; above 0")
        return super().configured(name, options, settings)

    def meetings(self) -> Meetings:
        """The meetings set up."""
        return Meetings(
            self.every, self.start, self.start + self.days, self.gain, round(self.lag), self.cost, self.budget,
            self.capacity, self.comments,
        )  # fmt: skip


@register("staff")
@dataclass(frozen=True)
class Staff(Intervention):
    """Staff who may act without a manual: better in the store and at the desk, better recovery, more variance."""

    company_wide: ClassVar[bool] = True

    quality: float = uncertain(Bounds(-5.0, 5.0), 0.2, 0.0, 0.4, "su in the store and when served")
    recovery: float = uncertain(Bounds(-1.0, 1.0), 0.2, 0.0, 0.4, "share of a bad score made good")
    noise: float = uncertain(Bounds(0.0, 10.0), 1.2, 1.0, 1.4, "factor on the store's spread")
    recovery_cost: float = uncertain(Bounds(0.0, 100_000.0), 300.0, 150.0, 600.0, "yen/recovery")
    friction: float = field(default=0.0, kw_only=True, metadata={"check": real(-5.0, 5.0)})  # logit, store

    def changes(self, day: int) -> Changes:
        """In force while it lasts."""
        if not self.active(day):
            return NO_CHANGES
        return Changes(
            quality=(Shift(STORE_FRONT, self.quality),),
            support=self.quality,
            recovery=self.recovery,
            recovery_cost=self.recovery_cost,
            noise_store=self.noise,
            friction_store=self.friction,
        )
