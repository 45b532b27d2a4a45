"""The journal: the same from both engines, and what it says of a customer agrees with the customer."""

from __future__ import annotations

import numpy as np
import pytest

from agents.columns import LAPSED
from sim.journal import CODE, NAMES, Journal
from sim.model import CXModel, EngineName
from sim.world import World
from tests.worlds import BUSY, midnight, piloted, settings, treated

FOUND = settings(*BUSY, "customers=600", "days=40", "burn_in=30")


@pytest.fixture(scope="module")
def world() -> World:
    return piloted(FOUND, 3)


def kept(world: World, engine: EngineName, limit: int) -> tuple[CXModel, Journal]:
    """A treated arm and its journal of the first `limit` customers."""
    journal = Journal(limit)
    model = CXModel(world, midnight(world), treated(FOUND, "norush_coupon"), engine, journal)
    model.run(world.days)
    return model, journal


@pytest.fixture(scope="module")
def whole(world: World) -> tuple[CXModel, Journal]:
    return kept(world, "column", world.customers)


def test_both_engines_write_the_same_bytes(world: World) -> None:
    (_, column), (_, agent) = kept(world, "column", 400), kept(world, "agent", 400)
    for one, other in zip((*column.columns(), *column.states()), (*agent.columns(), *agent.states()), strict=True):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()


def test_the_limit_only_leaves_customers_out(world: World, whole: tuple[CXModel, Journal]) -> None:
    _, few = kept(world, "column", 100)
    for some, every in ((few.columns(), whole[1].columns()), (few.states(), whole[1].states())):
        chosen = every[0] < 100
        assert all(np.array_equal(a, b[chosen]) for a, b in zip(some, every, strict=True))


def test_every_kind_of_event_of_this_world_is_there(whole: tuple[CXModel, Journal]) -> None:
    seen = {NAMES[code] for code in np.unique(whole[1].columns()[1])}
    assert seen == {
        "aware", "visit", "order", "coupon redeemed", "coupon issued", "delivered", "support contact", "episode",
        "talk", "heard", "lapsed", "survey answer",
    }  # fmt: skip


def test_friends_hear_what_is_told(world: World, whole: tuple[CXModel, Journal]) -> None:
    """A talk is heard once over every tie of the talker whose other end has not lapsed by that evening."""
    model, journal = whole
    row, code, day, value = journal.columns()
    gone = np.where(model.customers.columns.status == LAPSED, model.customers.columns.lapse_day, 32767)
    network = model.customers.network
    said = []
    for teller, when, score in zip(*(part[code == CODE["talk"]] for part in (row, day, value)), strict=True):
        ties = network.ties[network.start[teller] : network.start[teller + 1]]
        said += [(int(tie), int(when), float(score)) for tie in ties if gone[tie] > when]
    heard = zip(*(part[code == CODE["heard"]].tolist() for part in (row, day, value)), strict=True)
    assert said
    assert sorted(said) == sorted(heard)


def test_events_of_a_day_stay_in_their_order(whole: tuple[CXModel, Journal]) -> None:
    row, code, day, _ = whole[1].columns()
    order = np.lexsort((day, row))
    assert np.array_equal(order, np.arange(len(row)))
    of_a_day = ["aware", "visit", "order", "coupon redeemed", "coupon issued", "delivered", "support contact",
                "episode", "talk", "lapsed", "heard", "survey answer"]  # fmt: skip
    place = np.array([of_a_day.index(NAMES[one]) if NAMES[one] in of_a_day else -1 for one in range(len(NAMES))])[code]
    same = (row[1:] == row[:-1]) & (day[1:] == day[:-1])
    assert same.any()
    assert (place[1:][same] >= place[:-1][same]).all()


def test_the_last_state_is_the_customers(whole: tuple[CXModel, Journal]) -> None:
    """Nothing but visits and orders handed over moves satisfaction in a world without messages."""
    model, journal = whole
    row, day, satisfaction, _ = journal.states()
    last = np.flatnonzero(np.append(row[1:] != row[:-1], True))
    assert np.array_equal(satisfaction[last], model.customers.columns.of("satisfaction")[row[last]])
    assert (np.diff(day.astype(int))[row[1:] == row[:-1]] >= 0).all()


def test_visits_say_their_channel(whole: tuple[CXModel, Journal]) -> None:
    _, code, _, value = whole[1].columns()
    assert set(value[code == CODE["visit"]]) == {0.0, 1.0, 2.0}
