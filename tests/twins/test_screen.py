"""The screen loses nobody: its bound is never below what a row's own probability can be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agents import behaviour
from agents import day as customer_day
from agents.columns import AWARE, CUSTOMER, FIXED_POINT, LAPSED, UNAWARE
from sim.world.model import CXModel, founded
from tests.twins.test_engines import BOTH, by_column, case
from tests.worlds import differences


@pytest.mark.parametrize("name", [BOTH, "episode"])
def test_without_a_screen_nothing_is_different(name: str) -> None:
    """Bounds that let everybody through lead to the same world, so the screen decides nothing."""
    world, arm = case(name)
    model = CXModel(world, founded(world), arm)
    while model.day < world.days:
        model.customers.columns.bound[:] = 1e30
        model.step()
    assert differences(by_column(name), model, but=["customer bound"]) == []


def test_a_screen_that_is_too_tight_would_be_noticed() -> None:
    world, arm = case(BOTH)
    model = CXModel(world, founded(world), arm)
    while model.day < 0:
        model.customers.columns.bound[:] *= 0.9
        model.step()
    other = CXModel(world, founded(world), arm)
    other.run(0)
    assert "day visits" in differences(model, other, but=["customer bound"])


def exact_probability(model: CXModel, row: int, learning: float) -> tuple[float, float]:
    """(a row's probability of acting today by the rules, and what the screen compares its draw with)."""
    s, today = model.customers, model.today(model.day)
    c, r = s.readable, s.rules
    status = int(c.status[row])
    if status == UNAWARE:
        days = today.day - 1 - int(c.more[row].heard_day)
        own = int(c.more[row].heard_volume) * s.around.decay[max(days, 0)] / FIXED_POINT
        hazard = r.ad_hazard * today.ad_intensity + behaviour.awareness_by_talk(r, own, today.public_volume)
        return 1.0 - math.exp(-hazard), float(c.bound[row]) + learning
    if status == LAPSED:  # never acts, and its bound is below every draw
        assert float(c.bound[row]) < 0.0
        return 0.0, 0.0
    assert status in (AWARE, CUSTOMER)
    return 1.0 - math.exp(-customer_day._visit_rate(c, r, today, row)), float(c.bound[row]) * today.season


@pytest.mark.parametrize("name", ["episode", BOTH])
def test_no_row_is_ever_likelier_to_act_than_the_screen_allows(name: str) -> None:
    world, arm = case(name)
    model = CXModel(world, founded(world), arm)
    coupons = talkers = 0
    for day in [*range(world.first_day, 40, 9), *range(41, world.days, 17), 155]:
        model.run(day)
        learning = customer_day.common_learning(model.customers.rules, model.today(model.day))
        found = np.array([exact_probability(model, row, learning) for row in range(world.customers)])
        assert (found[:, 0] <= found[:, 1]).all()
        acting = found[:, 0] > 0
        coupons += int((model.customers.columns.of("coupon_until")[acting] >= day).sum())
        talkers += int(
            (model.customers.columns.of("heard_volume")[model.customers.columns.status == UNAWARE] > 0).sum()
        )
    assert coupons > 500
    assert talkers > 500


def test_bounds_are_tight_where_nothing_is_owed() -> None:
    """The bound of a customer without coupon or debt is the visit rate itself, so no draw is wasted on it."""
    world, _ = case("baseline")
    model = CXModel(world, founded(world))
    model.run(0)
    c = model.customers.columns
    plain = np.flatnonzero(c.status == CUSTOMER)
    rate = c.of("rate")[plain].astype(np.float64) / world.rules.conversion_customer
    assert np.abs(c.bound[plain] / rate - 1.0).max() < 2e-6
