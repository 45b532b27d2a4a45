"""Two baseline pilots per configuration: the references, capacity and staffing that every arm then shares.

A pilot is a world of its own (own seed) with ample capacity and nobody treated. The first one scales prospects'
trial so that acquisitions balance lapses over the horizon; the second measures with the first one's references.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agents.behaviour import Rules
from agents.columns import CUSTOMER, Columns
from agents.compiled import compiled
from agents.day import Surroundings, bring_up_to_date, expectation_of
from sim.model import CXModel, founded
from sim.support import servers_for
from sim.world import CAPACITY_FROM, References, World, sized, with_references

STAR_QUANTILES = (0.102, 0.133, 0.217, 0.413)
"""Cumulative shares of one to four stars in the baseline (Olist reviews, computed from the public subsample)."""

FIRST_PILOT = 20_000
"""Customers of the first pilot at most: its means and its balance need no more, capacity is read off the second."""

PILOT_SEED = 0x5EED
AMPLE_SERVERS = 1000


def references(world: World) -> tuple[World, References]:
    """The world with its references frozen and its capacity and desk sized."""
    pilot = replace(world, seed=world.seed ^ PILOT_SEED, desk=world.desk._replace(servers=AMPLE_SERVERS))
    if world.established:
        pilot = replace(pilot, rules=pilot.rules._replace(trial_scale=first_guess(pilot)))
    first = measure(replace(pilot, customers=min(pilot.customers, FIRST_PILOT)))
    second = measure(with_references(pilot, first), balance=False)
    desk = servers_for(second.contacts_per_day, world.desk.service, world.desk.hours, world.desk_load)
    return sized(with_references(world, second), second, desk), second


def measure(pilot: World, balance: bool = True) -> References:
    """Run one pilot over burn-in and horizon and read off the references."""
    model = CXModel(pilot, founded(pilot))
    model.run(0)
    satisfaction, expectation = [], []
    for day in range(7, pilot.days + 1, 7):
        model.run(day)
        s, e = mean_state(model)
        satisfaction.append(s)
        expectation.append(e)
    model.run(pilot.days)
    scores = np.concatenate(model.sightings.scores[pilot.burn_in :])
    level, trend = log_linear(
        online_orders(model)[pilot.burn_in + CAPACITY_FROM :], pilot.season[pilot.burn_in + CAPACITY_FROM :]
    )
    rows = model.recorder.rows
    balanced = pilot.established and balance
    return References(
        satisfaction=float(np.mean(satisfaction)),
        expectation=float(np.mean(expectation)),
        cuts=star_cuts(scores),
        trial_scale=pilot.rules.trial_scale * (_balance(model) if balanced else 1.0),
        orders_level=level,
        orders_trend=trend,
        contacts_per_day=float(rows["contacts"][pilot.burn_in :].mean()),
    )


def _balance(model: CXModel) -> float:
    """Factor on prospects' visit rate and conversion that would have made acquisitions equal lapses."""
    horizon = slice(model.world.burn_in, None)
    acquired = model.recorder.rows["acquired"][horizon].sum()
    lapsed = model.recorder.rows["new_lapsed"][horizon].sum()
    return float(np.sqrt(max(1, lapsed) / max(1, acquired)))


def first_guess(pilot: World) -> float:
    """Trial scale at which acquisitions would balance lapses, were both pools constant.

    Lapses come from the survival curve of the fitted model averaged over the ages of an evenly acquired stock.
    """
    stock = founded(pilot).customers.columns
    r = pilot.rules
    customers = stock.status == CUSTOMER
    lapse = stock.of("lapse_trait")[customers]
    rate = lapse * stock.of("rate")[customers] if pilot.traits.episode_clock else lapse
    prospects = pilot.traits.aware * pilot.customers
    trial = prospects * r.prospect_rate * r.conversion_prospect
    return float(np.sqrt(max(1.0, 2.0 * float(rate.sum()) / max(trial, 1e-9))))


def star_cuts(scores: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Scores between one and two stars, and so on: the baseline's quantiles."""
    if len(scores) == 0:
        raise ValueError("no order was delivered in the pilot; more customers or days are needed")
    cuts = np.quantile(scores, STAR_QUANTILES)
    return float(cuts[0]), float(cuts[1]), float(cuts[2]), float(cuts[3])


def online_orders(model: CXModel) -> NDArray[np.int64]:
    """Online orders by day."""
    rows = model.recorder.rows
    return np.asarray(rows["orders_express"] + rows["orders_standard"] + rows["orders_norush"])


def log_linear(orders: NDArray[np.int64], season: NDArray[np.float64]) -> tuple[float, float]:
    """(log level at day 0, trend per day) of counts: Poisson regression on the day with log season as offset."""
    day = np.arange(len(orders)) + CAPACITY_FROM
    design = np.column_stack([np.ones(len(day)), day / 365.0])
    beta = np.array([np.log(max(orders.sum(), 1) / season.sum()), 0.0])
    for _ in range(25):  # Newton; the likelihood is concave
        mean = season * np.exp(design @ beta)
        step = np.linalg.solve(design.T @ (design * mean[:, None]), design.T @ (orders - mean))
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    return float(beta[0]), float(beta[1] / 365.0)


def mean_state(model: CXModel) -> tuple[float, float]:
    """(satisfaction, expectation) averaged over current customers, beliefs brought up to date; su."""
    s = model.customers
    return _mean_state(s.columns, s.packed, s.around, model.day - 1, model.world.first_day - 1)


@compiled
def _mean_state(c: Columns, r: Rules, w: Surroundings, day: int, base: int) -> tuple[float, float]:
    satisfaction, expectation, customers = 0.0, 0.0, 0
    for row in range(len(c.status)):
        if c.status[row] == CUSTOMER:
            bring_up_to_date(c, r, w, row, day, base)
            satisfaction += c.more[row].satisfaction
            expectation += expectation_of(c, r, row)
            customers += 1
    return satisfaction / max(customers, 1), expectation / max(customers, 1)
