"""Late deliveries simulated as an experiment: the orders of one day, on time in one world and late in its copy.

On one day everybody orders. The orders arrive on time in one world, and in a copy of it late, by delays spread evenly
over customers. Both have the same draws: the difference in what follows is the effect of lateness with hardly any
noise. A customer is weighted by her purchase rate, as often as the firm sees her orders: under Poisson purchases an
order added on any day finds her as her own orders do (Mecke 1967).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.behaviour import stars_of
from agents.columns import AWARE
from sim.config.settings import Settings
from sim.learning.firm_tables import orders_between
from sim.learning.market import SteeredCentre, online_only, quiet_market, silent
from sim.world.constants import World
from sim.world.event_log import CODE, Journal
from sim.world.model import CXModel, Snapshot, burnt_in

FloatArray = NDArray[np.float64]

RUSH = 1000.0
"""Factor of season on day 0, so high that all but those who hardly ever buy order on that day."""


@dataclass(frozen=True)
class Delayed:
    """The orders of one day, on time in one world and late in its copy: arrays of a row per order.

    own: number of the order's delay. weight: orders a firm sees for each that is simulated. again, again_late: 1 where
    the customer ordered again within the time, else 0. stars, stars_late: of the order, 1 to 5; none unless asked.
    """

    delays: tuple[int, ...]
    own: NDArray[np.int64]
    weight: FloatArray
    again: FloatArray
    again_late: FloatArray
    stars: FloatArray
    stars_late: FloatArray

    @classmethod
    def lived(
        cls, settings: Settings, seed: int, delays: tuple[int, ...], within: int, rated: bool = False
    ) -> Delayed:
        """Live through the day's orders and `within` days after their deliveries, in the market of these settings."""
        slowest = max(settings.company.classes.standard.lead, settings.company.classes.norush.lead) + max(delays)
        world = quiet_market(settings, seed, slowest + within + 1)
        start = burnt_in(world)
        rate = _order_rates(world, start)
        world = online_only(silent(world))
        world.season[world.on(0)] = RUSH
        journals = [Journal(world.customers) if rated else None for _ in range(2)]
        on_time, late = (
            _lived(world, start, steered, journal) for steered, journal in zip(((), delays), journals, strict=True)
        )
        row, promised, usual = _first_orders(on_time)
        own = row % len(delays)
        after = promised + np.asarray(delays)[own]
        weight = RUSH * rate[row] / -np.expm1(-RUSH * rate[row])
        return cls(
            delays, own, weight, _again(on_time, row, usual, within), _again(late, row, after, within),
            _stars(world, journals[0], row, usual), _stars(world, journals[1], row, after),
        )  # fmt: skip

    @property
    def level(self) -> float:
        """Share that ordered again after a delivery on time."""
        return float(np.average(self.again, weights=self.weight))

    @property
    def level_of_stars(self) -> float:
        """Mean stars of deliveries on time."""
        return float(np.average(self.stars, weights=self.weight))

    def lost(self) -> list[float]:
        """By how much the share that orders again is another one after each delay."""
        return self._changes(self.again_late - self.again)

    def lost_stars(self) -> list[float]:
        """By how much stars are others after each delay."""
        return self._changes(self.stars_late - self.stars)

    def _changes(self, difference: FloatArray) -> list[float]:
        late = [self.own == number for number in range(len(self.delays))]
        return [float(np.average(difference[one], weights=self.weight[one])) for one in late]


def _order_rates(world: World, start: Snapshot) -> FloatArray:
    """Orders a day at references: of a customer her purchase rate, of a prospect visits times conversion."""
    columns, rules = start.customers.columns, world.rules
    trial = rules.prospect_rate * rules.trial_scale * rules.conversion_prospect
    return np.where(columns.status == AWARE, trial, columns.of("rate").astype(float))


def _lived(world: World, start: Snapshot, delays: tuple[int, ...], journal: Journal | None) -> SteeredCentre:
    """The centre of a copy of the world, at the horizon's end; the journal notes what happened to whom."""
    copy = start.copied()
    centre = SteeredCentre.instead_of(copy.centre, delays, steered=1)
    started = Snapshot(copy.day, copy.customers, centre, copy.public, copy.books)
    CXModel(world, started, journal=journal, record=False).run(world.days)
    return centre


def _stars(world: World, journal: Journal | None, row: NDArray[np.int64], day: NDArray[np.int64]) -> FloatArray:
    """Stars for the delivery that each customer (row) experienced on a day; of two on one day, the first."""
    if journal is None:
        return np.empty(0)
    customer, code, when, score = journal.columns()
    rated = code == CODE["episode"]
    key = customer[rated].astype(np.int64) * world.days + when[rated]
    keys, first = np.unique(key, return_index=True)
    place = first[np.searchsorted(keys, row * world.days + day)]
    return np.array([stars_of(world.rules, one) for one in score[rated][place].astype(float).tolist()], float)


def _first_orders(centre: SteeredCentre) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The orders of day 0: customer, promised day, and the day on which an ample centre delivers."""
    row, day, kind = centre.orders()
    row, kind = row[day == 0], kind[day == 0]
    usual = np.array([centre.terms.handed_over(k, 0, 0) for k in range(len(centre.terms.lead))])
    return row, np.asarray(centre.terms.lead)[kind], usual[kind]


def _again(
    centre: SteeredCentre, row: NDArray[np.int64], delivered: NDArray[np.int64], within: int
) -> FloatArray:
    """1 for each customer who ordered within so many days of the delivery, else 0."""
    who, day, _ = centre.orders()
    since = delivered.astype(float)
    return (orders_between(who, day.astype(float), row, since, since + within) > 0).astype(float)
