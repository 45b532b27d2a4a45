"""Company-wide interventions on service: meetings over comments, and staff who may act (docs/ODD.md 7.14)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from agents.columns import STORE_FRONT
from scenarios.intervention import Intervention, register, uncertain
from sim.company.changes import NO_CHANGES, Changes, Shift
from sim.company.meetings import Meetings
from sim.config.parameters import real, whole
from sim.config.settings import Settings
from sim.phrases import ConfigError

YEN = real(0.0, 1e12)
"""Reader of yen of the whole firm, all its members counted."""


@register("voice_of_customer")
class VoiceOfCustomer(Intervention):
    """A regular meeting over what customers say, which starts a project on the worst touchpoint. Yen of the firm."""

    company_wide: ClassVar[bool] = True

    every: Annotated[int, whole(1, 3650)] = 7  # days between meetings
    gain: Annotated[float, real(-5.0, 5.0)] = uncertain(0.15, 0.0, 0.3, "su of a touchpoint's first project")
    lag: Annotated[float, real(1.0, 3650.0)] = uncertain(42.0, 14.0, 90.0, "days from meeting to change")
    cost: Annotated[float, YEN] = uncertain(2e6, 1e6, 4e6, "yen per project")
    budget: Annotated[float, YEN] = 24e6  # yen a year
    capacity: Annotated[int, whole(1, 100)] = 2  # projects at once
    comments: Annotated[float, real(0.0, 1.0)] = uncertain(0.3, 0.15, 0.6, "share of surveyed detractors who comment")

    @classmethod
    def configured(cls, name: str, options: Mapping[str, Any], settings: Settings) -> Self:
        """Refuse a company without a survey, from which comments come too. Raises ConfigError."""
        if settings.company.survey_share.value == 0.0:
            raise ConfigError("kind: voice_of_customer hears no comments where company.survey_share is 0; above 0")
        return super().configured(name, options, settings)

    def meetings(self) -> Meetings:
        """The meetings with these options."""
        return Meetings(
            self.every, self.start, self.start + self.days, self.gain, round(self.lag), self.cost, self.budget,
            self.capacity, self.comments,
        )  # fmt: skip


@register("staff")
class Staff(Intervention):
    """Staff who may act without a manual: better in the store and at the desk, better recovery, more variance."""

    company_wide: ClassVar[bool] = True

    quality: Annotated[float, real(-5.0, 5.0)] = uncertain(0.2, 0.0, 0.4, "su in the store and when served")
    recovery: Annotated[float, real(-1.0, 1.0)] = uncertain(0.2, 0.0, 0.4, "share of a bad score made good")
    noise: Annotated[float, real(0.0, 10.0)] = uncertain(1.2, 1.0, 1.4, "factor on the store's spread")
    recovery_cost: Annotated[float, real(0.0, 100_000.0)] = uncertain(300.0, 150.0, 600.0, "yen/recovery")
    friction: Annotated[float, real(-5.0, 5.0)] = 0.0  # logit, store

    def changes(self, day: int) -> Changes:
        """What staff change, on the days on which it acts."""
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
