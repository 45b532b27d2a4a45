"""Two pilots per configuration measure the references, capacity and staffing that all arms then share.

A pilot is a world of its own (own seed) with ample capacity and nobody treated. The first one scales prospects'
trial so that new customers' purchases make up for those of lapsing ones; the second measures with the first one's
references. (Numbers of customers were tried instead of purchases: with as many acquired as lapse orders still fall,
since those who stay from a stock of three years buy more than the newcomers of a year.)
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agents.attrition import feel_weekly
from agents.behaviour import PackedRules
from agents.columns import CUSTOMER, Columns
from agents.compiled import loop
from agents.day import bring_up_to_date, expectation_of
from agents.exact import exp_each
from agents.records import Surroundings
from sim.company.support import servers_for
from sim.config.parameters import DAYS_PER_YEAR
from sim.config.settings import Settings
from sim.phrases import ConfigError
from sim.world.constants import CAPACITY_FROM, YEAR, References, World, sized, with_references, world_of
from sim.world.model import CXModel, Snapshot, founded

STAR_QUANTILES = (0.102, 0.133, 0.217, 0.413)
"""Cumulative shares of one to four stars in the baseline (Olist reviews, computed from the public subsample)."""

FIRST_PILOT = (20_000, 50_000)
"""Customers of the first pilot, at least and at most: the balance does not depend on the market's size, and purchase
rates are so unequal that fewer would leave it to chance; capacity is read off the second, which has the market's size
and horizon."""

NEWCOMERS_LAPSE = 2.0
"""Guess for the first pilot: all lapses a day, newcomers' included, over those of the initial customers."""

MOST_SCALING = 10.0
"""Largest factor on acquisitions from the first pilot to the second."""

PILOT_SEED = 0x5EED
AMPLE_SERVERS = 1000


def references(world: World) -> tuple[World, References]:
    """The world with its references frozen and its capacity and desk sized."""
    pilot = replace(world, seed=world.seed ^ PILOT_SEED, desk=world.desk._replace(servers=AMPLE_SERVERS))
    stock = founded(pilot)
    if world.established:
        trial = first_guess(pilot, stock.customers.columns)
        pilot = replace(pilot, rules=pilot.rules._replace(trial_scale=trial))
    small = _first_pilot(pilot)
    first = measure(small, founded(small))
    second = measure(with_references(pilot, first), stock, balance=False)
    desk = servers_for(second.contacts_per_day, world.desk.service, world.desk.hours, world.desk_load)
    return sized(with_references(world, second), second, desk), second


def _first_pilot(pilot: World) -> World:
    """The world of the first pilot: of its own size, and of a year at most."""
    days = min(pilot.days, YEAR)
    until = pilot.burn_in + days
    customers = int(np.clip(pilot.customers, *FIRST_PILOT))
    return replace(
        pilot, customers=customers, days=days, season=pilot.season[: until + YEAR], capacity=pilot.capacity[:until]
    )


def piloted(settings: Settings, seed: int) -> World:
    """The world of these settings with the references that its own pilots measure."""
    return references(world_of(settings, seed))[0]


class Pilot(CXModel):
    """A baseline run for its references only: instead of surveys, everybody's latent state is read weekly.

    `scores` holds the episode scores of each day of the horizon (su), `personas` whose they are, and `weeks` what
    `mean_state` found each week, and the mean stock of talk.
    """

    def __init__(self, world: World, start: Snapshot) -> None:
        super().__init__(world, start, record=False)
        self.scores: list[NDArray[np.float64]] = []
        self.personas: list[NDArray[np.uint8]] = []
        self.weeks: list[tuple[float, ...]] = []

    def _settle(self, day: int) -> None:
        super()._settle(day)
        if day >= 0:
            self.scores.append(self._episodes["score"].copy())
            self.personas.append(self.customers.columns.of("persona")[self._episodes["row"]])

    def _weekly(self, day: int) -> None:
        if day >= 0:
            self.weeks.append((*mean_state(self, day), self.public.volume))


def measure(world: World, start: Snapshot, balance: bool = True) -> References:
    """Run one pilot over burn-in and horizon and read off the references."""
    pilot = Pilot(world, start)
    pilot.run(world.days)
    level, trend = log_linear(
        online_orders(pilot)[world.on(CAPACITY_FROM) :], world.season[world.on(CAPACITY_FROM) : world.on(world.days)]
    )
    satisfaction, expectation, old, new, talk = np.array(pilot.weeks).T
    scores, contacts = np.concatenate(pilot.scores), pilot.recorder.rows["contacts"][world.burn_in :]
    return References(
        satisfaction=float(np.mean(satisfaction)),
        usual=usual_scores(scores, np.concatenate(pilot.personas), world.usual),
        expectation=float(np.mean(expectation)),
        cuts=star_cuts(scores),
        trial_scale=world.rules.trial_scale * (_balance(old, new) if world.established and balance else 1.0),
        orders_level=level,
        orders_trend=trend,
        contacts_per_day=float(contacts.mean()),
        contacts_per_order=float(contacts.sum() / max(1, pilot.recorder.rows["orders"][world.burn_in :].sum())),
        talk=float(np.mean(talk)),
    )


def _balance(old: NDArray[np.float64], new: NDArray[np.float64]) -> float:
    """Factor on prospects' visit rate and on their conversion that keeps the market's purchase rate level.

    `old` and `new` are weekly sums of purchase rates; acquisitions, and so `new`, grow with the factor's square.
    """
    week = np.arange(len(old)) - (len(old) - 1) / 2
    loss, gain = -math.fsum(week * old), math.fsum(week * new)
    if loss <= 0.0 or gain <= 0.0:
        return 1.0
    return float(np.sqrt(min(MOST_SCALING, max(1.0 / MOST_SCALING, loss / gain))))


def first_guess(pilot: World, stock: Columns) -> float:
    """Trial scale at which acquisitions would about balance lapses, were both pools constant."""
    r = pilot.rules
    customers = stock.status == CUSTOMER
    lapse = stock.of("lapse_trait")[customers]
    rate = lapse * stock.of("rate")[customers] if pilot.traits.episode_clock else lapse
    prospects = pilot.traits.aware * pilot.customers
    trial = prospects * r.prospect_rate * r.conversion_prospect
    return math.sqrt(NEWCOMERS_LAPSE * float(rate.sum()) / max(trial, 1e-9))


def usual_scores(
    scores: NDArray[np.float64], personas: NDArray[np.uint8], guess: tuple[float, ...]
) -> tuple[float, ...]:
    """Mean score of each persona's episodes, su; the guess where a persona has none."""
    of_each = (scores[personas == number] for number in range(len(guess)))
    return tuple(math.fsum(own) / len(own) if len(own) else first for own, first in zip(of_each, guess, strict=True))


def star_cuts(scores: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Scores between one and two stars, and so on: the baseline's quantiles."""
    if len(scores) == 0:
        raise ConfigError("customers: no order was delivered in the pilot; more customers or days are needed")
    cuts = np.quantile(scores, STAR_QUANTILES)
    return float(cuts[0]), float(cuts[1]), float(cuts[2]), float(cuts[3])


def online_orders(model: CXModel) -> NDArray[np.int64]:
    """Online orders by day."""
    rows = model.recorder.rows
    return np.asarray(rows["orders_express"] + rows["orders_standard"] + rows["orders_norush"])


def log_linear(orders: NDArray[np.int64], season: NDArray[np.float64]) -> tuple[float, float]:
    """(log level at day 0, trend per day) of counts: Poisson regression on the day with log season as offset."""
    year = (np.arange(len(orders)) + CAPACITY_FROM) / DAYS_PER_YEAR
    level, trend = math.log(max(int(orders.sum()), 1) / float(season.sum())), 0.0
    for _ in range(25):  # Newton; the likelihood is concave
        mean = season * exp_each(level + trend * year)
        gap = orders - mean
        m0, m1, m2 = (math.fsum(mean * year**power) for power in range(3))
        g0, g1 = math.fsum(gap), math.fsum(gap * year)
        determinant = m0 * m2 - m1 * m1
        step = (m2 * g0 - m1 * g1) / determinant, (m0 * g1 - m1 * g0) / determinant
        level, trend = level + step[0], trend + step[1]
        if max(abs(step[0]), abs(step[1])) < 1e-10:
            break
    return level, trend / DAYS_PER_YEAR


def mean_state(model: CXModel, day: int) -> tuple[float, float, float, float]:
    """(satisfaction, expectation) averaged over current customers, both brought up to the end of `day`; su.

    Then the sums of purchase rates, per day, of those who were customers before the first day and of those since.
    """
    s = model.customers
    customers = np.flatnonzero(s.columns.status == CUSTOMER)
    return _mean_state(s.columns, s.packed, s.around, customers, day, model.world.first_day - 1)


@loop
def _mean_state(
    c: Columns, rules: PackedRules, w: Surroundings, customers: NDArray[np.intp], day: int, base: int
) -> tuple[float, float, float, float]:
    r = rules[0]
    satisfaction, expectation, old, new = 0.0, 0.0, 0.0, 0.0
    for row in customers:
        bring_up_to_date(c, r, w, row, day, base)
        feel_weekly(c, r, w, row, day)
        satisfaction += c.more[row].satisfaction
        expectation += expectation_of(c, r, row)
        if c.more[row].first_order > base:
            new += c.more[row].rate
        else:
            old += c.more[row].rate
    return satisfaction / max(len(customers), 1), expectation / max(len(customers), 1), old, new
