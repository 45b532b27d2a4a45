"""Rest days, capacity that follows a season, and a carrier with luck: closed forms and single orders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.columns import FAR
from sim.company.fulfilment import (
    MOST_DELAY,
    PROMPT,
    CarrierLuck,
    DeliveryTerms,
    FulfilmentCentre,
    ReplayedCentre,
    ShippingRecord,
    delay_of,
    episodes_of,
)
from sim.world.constants import sized, worked_off
from sim.world.model import Arm
from tests.analytic.test_queues import TERMS, batch_of, take
from tests.worlds import BUSY, FLAT, KNOWN, everything, free_world, lived, placed, settings, tight_world

NEW_YEAR = frozenset({1, 2, 3})
CLOSED = TERMS._replace(warehouse_rests=NEW_YEAR, carrier_rests=NEW_YEAR)


# -- capacity --------------------------------------------------------------------------------------------------------


def test_the_capacity_of_a_day_of_rest_is_worked_off_within_its_week() -> None:
    rests = np.zeros(14, bool)
    rests[[1, 2]] = True
    # day 1: to days 3 to 7, a fifth each; day 2: to days 3 to 8, a sixth each
    fifth, sixth = 30.0 / 5, 30.0 / 6
    expected = [30, 0, 0, *[30 + fifth + sixth] * 5, 30 + sixth, *[30] * 5]
    assert worked_off(np.full(14, 30.0), rests).tolist() == expected
    assert worked_off(np.full(14, 30.0), rests).sum() == 14 * 30
    assert worked_off(np.full(9, 30.0), np.arange(9) < 8).tolist() == [0] * 8 + [30 * (1 / 1) * 6 + 30]


def test_capacity_follows_the_planned_share_of_a_season() -> None:
    season = "+calendar.seasons.x={dates: 01-11..01-20, multiplier: 1.5}"
    found = settings(*FLAT, "scenario=baseline", season, "days=28", "burn_in=40", "company.capacity_ratio=1.2",
                     "company.planned=0.8")  # fmt: skip
    world = tight_world(found, 1, orders=1000.0)
    day = np.arange(world.first_day, world.days)
    inside = (day >= 10) & (day < 20)
    assert set(world.capacity[inside]) <= {1679, 1680, 1681}  # 1.2 * 1000 * (1 + .8 * .5)
    assert set(world.capacity[~inside]) <= {1199, 1200, 1201}


def test_nothing_ships_on_days_of_rest_and_the_week_ships_as_much() -> None:
    rest = "+calendar.warehouse_rests.x={every: sunday}"
    found = settings(*FLAT, "scenario=baseline", rest, "days=56", "burn_in=30", "company.capacity_ratio=1.0")
    world = tight_world(found, 1, orders=700.0)
    sundays = np.arange(world.first_day, world.days) % 7 == 2  # day 0 is a Friday
    assert (world.capacity[sundays] == 0).all()
    assert (free_world(found, 1).capacity[sundays] == 0).all()
    weeks = world.capacity[world.on(3) : world.on(52)].reshape(7, 7)
    assert set(weeks.sum(axis=1).tolist()) <= {4899, 4900, 4901}


# -- promises --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "order_day", "promised"),
    [
        (0, 0, 4),  # express of 31 December: the carrier rests on the day after
        (1, 0, 4),  # standard, three days
        (1, 2, 7),  # ordered on a day of rest: from the 4th on
        (2, 3, 10),
        (1, 4, 7),
        (1, -5, -2),
    ],
)
def test_a_promise_leaves_days_of_rest_out(kind: int, order_day: int, promised: int) -> None:
    assert CLOSED.promised(kind, order_day) == promised
    assert TERMS.promised(kind, order_day) == order_day + TERMS.lead[kind]


def test_parcels_wait_for_the_carrier() -> None:
    assert CLOSED.handed_over(1, 0, 0) == 4  # shipped on 31 December, two days: the 2nd is one of rest
    assert CLOSED.handed_over(1, 0, 0, delay=3) == 5
    assert CLOSED.handed_over(2, 4, 4, delay=2) == 4 + 6 + 2  # held until its promised day, then delayed


def test_a_shop_that_opens_again_in_time_is_late_for_nobody() -> None:
    """Three days closed, then capacity for all that waits: every order arrives as promised."""
    centre = FulfilmentCentre(CLOSED)
    late = []
    for day in range(30):
        for kind in range(3):
            if day < 20:
                take(centre, day, kind, 100 * day + 10 * kind, 5)
        centre.ship(day, 0 if day in NEW_YEAR else 1000)
        late += episodes_of(centre.deliveries(day), CLOSED, day)["late"].tolist()
    assert len(late) == 20 * 15
    assert max(late) == 0


def test_a_phantom_does_not_ship_on_a_day_of_rest() -> None:
    live = FulfilmentCentre(CLOSED)
    for day in range(8):
        live.ship(day, 0 if day in NEW_YEAR else 10)
    replayed = ReplayedCentre(CLOSED, ShippingRecord(live))
    for day in (0, 1, 3, 6, 8):
        take(replayed, day, 1, day, 1)
    left = {int(row): day for day, parts in replayed.leaving.items() for part in parts for row in part.orders["row"]}
    assert left == {0: 0, 1: 4, 3: 4, 6: 6, 8: FAR}


# -- the carrier -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("delayed", "days"), [(0.0, 3.0), (1.0, 1.0), (0.3, 1.0), (0.25, 2.0), (0.6, 4.0)])
def test_delays_are_geometric(delayed: float, days: float) -> None:
    """Share delayed and mean days within four standard errors; P(more than k days) falls by 1 - 1/days each."""
    n = 40_000
    found = np.array([delay_of(7, row, 5, CarrierLuck(delayed, days)) for row in range(n)])
    assert abs((found > 0).mean() - delayed) <= 4 * np.sqrt(delayed * (1 - delayed) / n)
    if delayed:
        own = found[found > 0]
        assert abs(own.mean() - days) <= 4 * np.sqrt(days * (days - 1) / len(own))
        for k in range(1, 4):
            share = (1 - 1 / days) ** k
            assert abs((own > k).mean() - share) <= 4 * np.sqrt(share * (1 - share) / len(own)) + 1e-12
    assert found.max() <= MOST_DELAY


def test_a_delay_is_the_orders_own_luck() -> None:
    luck = CarrierLuck(0.5, 3.0)
    one = [delay_of(1, row, 3, luck) for row in range(200)]
    assert one == [delay_of(1, row, 3, luck) for row in range(200)]
    assert one != [delay_of(1, row, 4, luck) for row in range(200)]
    assert one != [delay_of(2, row, 3, luck) for row in range(200)]
    # more parcels delayed: those delayed before are delayed as much
    more = [delay_of(1, row, 3, CarrierLuck(0.8, 3.0)) for row in range(200)]
    assert all(b == a for a, b in zip(one, more, strict=True) if a)


def test_an_ample_warehouse_is_late_as_often_as_the_carrier_delays_beyond_the_slack() -> None:
    """Express has no slack, standard a day, no-rush none, since it is held: late p, p q and p with q = 1 - 1/days."""
    found = settings(*FLAT, "scenario=baseline", "customers=20000", "days=120", "burn_in=30",
                     "company.carrier.delayed=0.2", "company.carrier.days=2.5", *BUSY)  # fmt: skip
    late, handed = np.zeros(3), np.zeros(3)

    model = lived(free_world(found, 3), until=0)
    for _ in range(120):
        model.step()
        kinds, days = model._episodes["kind"], model._episodes["late"]
        for kind in range(3):
            handed[kind] += (kinds == kind).sum()
            late[kind] += ((kinds == kind) & (days > 0)).sum()
    for kind, share in enumerate((0.2, 0.2 * (1 - 1 / 2.5), 0.2)):
        assert handed[kind] > 300
        assert abs(late[kind] / handed[kind] - share) < 4 * np.sqrt(share * (1 - share) / handed[kind])


def test_without_delays_and_rest_deliveries_are_as_before() -> None:
    """Against the arithmetic of before the calendar: days of lead and transit, nothing between."""
    terms = DeliveryTerms((1, 3, 6), (1, 2, 2), hold_norush=True)
    for kind in range(3):
        for wait in range(9):
            for extra in (0, 2) if kind == 2 else (0,):
                arrival = max(wait + terms.transit[kind], terms.lead[kind] + extra if kind == 2 else 0)
                assert terms.handed_over(kind, 0, wait, extra) == arrival
                (batch,) = batch_of(0, kind, 0, 4)
                batch.orders["extra"] = extra
                batch = batch._replace(extra=extra)
                assert terms.due(batch) == terms.lead[kind] + extra - terms.transit[kind]
                assert (episodes_of([batch], terms, arrival)["late"] == arrival - terms.lead[kind] - extra).all()


def test_luck_that_delays_nothing_changes_not_one_bit() -> None:
    found = settings(*FLAT, "scenario=norush_coupon", "customers=2000", "days=60", "burn_in=40", *BUSY)
    world = tight_world(found, 4, orders=15.0)
    arm = Arm(placed(found, "norush_coupon"), np.ones(2000, bool))
    prompt = everything(lived(replace(world, carrier=PROMPT), arm))
    never = everything(lived(replace(world, carrier=CarrierLuck(0.0, 9.0)), arm))
    unlucky = everything(lived(world, arm))
    assert prompt["day late"].sum() > 20  # of the queue
    assert {name for name, part in prompt.items() if part.tobytes() != never[name].tobytes()} == set()
    assert "day delivered" in {name for name, part in prompt.items() if part.tobytes() != unlucky[name].tobytes()}


def test_capacity_with_a_flat_calendar_is_the_same_part_of_an_order_each_day() -> None:
    found = settings(*FLAT, "scenario=baseline", "days=56", "burn_in=30", "company.planned=1.0")
    known = KNOWN._replace(orders_level=np.log(33.3))
    world = sized(free_world(found, 1), known, 3)
    assert found.company.capacity_ratio is not None
    whole = np.floor(np.cumsum(np.full(86, found.company.capacity_ratio.value * 33.3)))
    assert np.diff(whole).tolist() == world.capacity[1:].tolist()
