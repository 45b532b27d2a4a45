"""Shocks that may hit a firm: an outage, a complaint that goes round, a late supplier, a rival's move.

A shock is an intervention like any other: both arms have the same customers and the same draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from agents.columns import SITE, TOUCHPOINT_NAMES
from scenarios.intervention import Costs, Days, Intervention, read_costs, register, uncertain
from sim.company.changes import NO_CHANGES, Changes, Shift
from sim.config.parameters import Reader, real, word
from sim.config.settings import Settings
from sim.phrases import ConfigError


class Shock(Intervention):
    """Base of all shocks: they hit everybody."""

    company_wide: ClassVar[bool] = True

    costs: Annotated[Costs, Reader(read_costs)] = Costs()  # nobody buys a shock

    def changes(self, day: int) -> Changes:
        """The changes of `blow` on the days on which the shock acts."""
        return self.blow(day) if self.active(day) else NO_CHANGES

    def blow(self, day: int) -> Changes:
        """What the shock changes on one of its days."""
        raise NotImplementedError


@register("outage")
class Outage(Shock):
    """A touchpoint works badly for some days; while the site does, fewer visits there end in an order."""

    days: Days = 3
    touchpoint: Annotated[str, word(*TOUCHPOINT_NAMES)] = "site"
    quality: Annotated[float, real(-10.0, 10.0)] = uncertain(-2.0, -3.0, -1.0, "su")
    friction: Annotated[float, real(0.0, 10.0)] = uncertain(
        1.0, 0.0, 2.0, "logit of an order lost online, where the site fails"
    )

    @classmethod
    def configured(cls, name: str, options: Mapping[str, Any], settings: Settings) -> Self:
        """Refuse friction unless the site fails: it would do nothing. Raises ConfigError."""
        for option in cls.idle(options):
            if option in options:
                raise ConfigError("{option}: does nothing where touchpoint is not site; leave it out", option=option)
        return super().configured(name, options, settings)

    @classmethod
    def idle(cls, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Friction, unless the failing touchpoint is or may be the site."""
        touchpoint = options.get("touchpoint", "site")
        return ("friction",) if isinstance(touchpoint, str) and touchpoint != "site" else ()

    def blow(self, day: int) -> Changes:
        """A change of quality, and of friction online if the site fails."""
        shift = Shift(TOUCHPOINT_NAMES.index(self.touchpoint), self.quality)
        return Changes(quality=(shift,), friction_online=self.friction if shift.touchpoint == SITE else 0.0)


@register("viral_complaint")
class ViralComplaint(Shock):
    """A complaint in public: as if a share of all customers had told a bad story there, and to none of their ties."""

    days: Days = 1
    share: Annotated[float, real(0.0, 1.0)] = uncertain(0.05, 0.02, 0.1, "share of all customers")
    score: Annotated[float, real(-10.0, 10.0)] = uncertain(-2.0, -3.0, -1.0, "su told")

    def blow(self, day: int) -> Changes:
        """Bad talk added to the public stock."""
        return Changes(complaint=self.share, complaint_su=self.share * self.score)


@register("supplier_delay")
class SupplierDelay(Shock):
    """The fulfilment centre can ship only part of what it could, for some days."""

    days: Days = 14
    left: Annotated[float, real(0.0, 1.0)] = uncertain(0.3, 0.1, 0.6, "share of capacity left")

    def blow(self, day: int) -> Changes:
        """A factor on the capacity to ship."""
        return Changes(capacity=self.left)


@register("competitor_move")
class CompetitorMove(Shock):
    """A rival becomes more attractive: fewer visits end in an order, and customers drift away sooner."""

    strength: Annotated[float, real(-5.0, 5.0)] = uncertain(0.2, 0.05, 0.4, "logit, log hazard")

    def blow(self, day: int) -> Changes:
        """The strength of the competitor."""
        return Changes(competitor=self.strength)
