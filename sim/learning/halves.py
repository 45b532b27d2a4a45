"""A market in which a coin treats some of the customers, as a field test has it, and what is measured of its halves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agents import draws
from sim.company.offers import Placed
from sim.run.metrics import Mask, Outcome, field_test, finished, measures
from sim.world.constants import World
from sim.world.model import Arm, CXModel, burnt_in


def _ratio(name: str) -> Callable[[Outcome, Mask], float]:
    return lambda outcome, side: measures(outcome, side)[name]


def _each(name: str) -> Callable[[Outcome, Mask], float]:
    return lambda outcome, side: measures(outcome, side)[name] / int(side.sum())


def _of_visitors(name: str) -> Callable[[Outcome, Mask], float]:
    return lambda outcome, side: field_test(outcome, side)[name]


def _of_customers(name: str) -> Callable[[Outcome, Mask], float]:
    return lambda outcome, side: 100.0 * float((outcome.columns.of(name)[side] > 0).mean())


METRICS: dict[str, tuple[str, Callable[[Outcome, Mask], float]]] = {
    "visitors": ("% of customers", _of_customers("visits")),
    "buyers": ("% of customers", _of_customers("bought")),
    "conversion": ("% of visits", _ratio("conversion")),
    "buyers_per_visitor": ("% of visitors", _of_visitors("ab_conversion_14d")),
    "profit_per_visitor": ("yen", _of_visitors("ab_profit_per_visitor_14d")),
    "orders_per_customer": ("orders", _each("orders")),
    "visits_per_customer": ("visits", _each("visits")),
    "contacts_per_customer": ("contacts", _each("contacts")),
    "revenue_per_customer": ("yen", _ratio("revenue")),
    "profit_per_customer": ("yen", _ratio("profit")),
    "norush_share": ("% of online orders", _ratio("norush_share")),
    "on_time": ("% of deliveries", _ratio("on_time")),
    "repeat_rate": ("% of buyers", _ratio("repeat_rate")),
    "churn": ("% of customers", _ratio("churn")),
    "nps": ("points", _ratio("nps_surveyed")),
    "csat": ("% of answers", _ratio("csat")),
}
"""What a test may have measured: the unit of an absolute lift, and how it is read off one side. Per customer means
per member who was assigned, whether or not they came."""


@dataclass(frozen=True)
class Halves:
    """A market in which a coin treats some, and the same market with nobody treated."""

    coin: Mask
    tested: Outcome
    nobody: Outcome

    @classmethod
    def of(cls, world: World, placed: Placed, share: float = 0.5) -> Halves:
        """Run a world to its horizon both ways, this share of the customers treated."""
        start = burnt_in(world)
        coin = draws.draws(world.seed, 0, world.customers, 0, draws.AB_ASSIGN, 0) < share
        tested = finished(CXModel(world, start.copied(), Arm(placed, coin), record=False), world.days)
        nobody = finished(CXModel(world, start, Arm(placed), record=False), world.days)
        return cls(coin, tested, nobody)

    @property
    def reached(self) -> Mask:
        """Whom the interventions would have reached with nobody treated."""
        return np.asarray(self.nobody.columns.of("eligible") > 0)

    def lift(self, read: Callable[[Outcome, Mask], float], among: Mask | None = None) -> tuple[float, float]:
        """(treated less control, level of the control), among some customers or all; chance in the split taken off."""
        treated, control = self.coin, ~self.coin
        if among is not None:
            treated, control = treated & among, control & among
        level = read(self.tested, control)
        split = read(self.nobody, treated) - read(self.nobody, control)
        return read(self.tested, treated) - level - split, level
