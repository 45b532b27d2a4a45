"""A market that has been simulated is given back, whichever engine walked it."""

from __future__ import annotations

import gc
import weakref

import pytest

from sim.world.model import CXModel, EngineName, burnt_in
from tests.worlds import free_world, settings


@pytest.mark.parametrize("engine", ["agent", "column"])
def test_no_market_outlives_its_use(engine: EngineName) -> None:
    world = free_world(settings("customers=100", "days=28", "burn_in=30"), seed=1)
    markets = []
    for _ in range(3):
        market = CXModel(world, burnt_in(world, until=-29), engine=engine, record=False)
        market.step()
        market.customer(0)
        markets.append(weakref.ref(market))
        del market
    gc.collect()
    assert [one() for one in markets] == [None, None, None]
