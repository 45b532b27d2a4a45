"""What a firm promises, and when customers cancel: a surge, a closed warehouse, geometric patience."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from agents.columns import FAR, STANDARD
from sim.company.fulfilment import (
    MOST_PUT_OFF,
    ORDER,
    Batch,
    DeliveryTerms,
    FulfilmentCentre,
    Patience,
    episodes_of,
    patience_of,
)
from sim.world.pilot import piloted
from tests.worlds import BUSY, lived, settings

TERMS = DeliveryTerms((1, 3, 6), (1, 2, 2), hold_norush=True)
DAYS, CAPACITY, SURGE = 60, 10, 95


def lateness_after_a_surge(follows: bool) -> Iterator[tuple[int, int]]:
    """(order day, days late) of standard orders: SURGE of them on day 0, half of the capacity on each day from then."""
    centre, capacity = FulfilmentCentre(TERMS), np.full(DAYS, CAPACITY)
    for day in range(DAYS):
        count = SURGE if day == 0 else CAPACITY // 2
        extra = centre.put_off(day, capacity, CAPACITY / 2)[STANDARD] if follows else 0
        orders = np.zeros(count, ORDER)
        orders["row"], orders["day"], orders["kind"] = np.arange(count) + 1000 * day, day, STANDARD
        orders["extra"], orders["patience"] = extra, FAR
        centre.take(Batch(day, STANDARD, orders, extra))
        for one in episodes_of(centre.deliveries(day), TERMS, day):
            yield int(one["order_day"]), int(one["late"])
        centre.ship(day, CAPACITY)


def test_a_promise_that_follows_the_backlog_is_kept_where_a_fixed_one_is_not() -> None:
    fixed, following = dict(lateness_after_a_surge(False)), list(lateness_after_a_surge(True))
    assert max(late for day, late in following if day > 0) <= 0
    assert sum(late > 0 for day, late in fixed.items() if day > 0) > 5
    # the surge clears within SURGE / (capacity less what comes in) days: from then on nobody is put off
    cleared = math.ceil(SURGE / (CAPACITY / 2)) + 1
    afterwards = [(day, late) for day, late in following if day > cleared]
    assert afterwards == [(day, late) for day, late in lateness_after_a_surge(False) if day > cleared]


def test_orders_are_put_off_to_the_day_on_which_their_turn_comes() -> None:
    centre = FulfilmentCentre(TERMS)
    orders = np.zeros(35, ORDER)
    centre.take(Batch(0, STANDARD, orders))  # due on day 1
    # on day 1 a standard order, due on day 2, stands behind 35 and the 5 of the day, which 10 a day clear by the end of
    # day 4: it ships on day 5; an express order, due on day 1, goes before all of them
    assert centre.put_off(1, np.full(30, 10), 5.0) == (0, 3, 0)
    assert centre.put_off(1, np.full(30, 100), 5.0) == (0, 0, 0)
    assert centre.put_off(1, np.zeros(1000, int), 5.0) == (MOST_PUT_OFF, MOST_PUT_OFF, MOST_PUT_OFF)


@pytest.mark.parametrize("daily", [0.05, 0.4])
def test_patience_is_geometric_from_its_first_day(daily: float) -> None:
    most, n = Patience(3, daily), 20_000
    found = np.array([patience_of(11, row, 5, most) for row in range(n)])
    assert found.min() == 3
    expected = 3.0 + (1.0 - daily) / daily
    assert abs(found.mean() - expected) < 4.0 * math.sqrt(1.0 - daily) / daily / math.sqrt(n)
    share = float(np.mean(found == 3))
    assert abs(share - daily) < 4.0 * math.sqrt(daily * (1.0 - daily) / n)


@pytest.mark.parametrize(("daily", "patience"), [(0.0, FAR), (1.0, 3)])
def test_nobody_or_everybody_cancels_at_the_ends(daily: float, patience: int) -> None:
    assert {patience_of(11, row, 5, Patience(3, daily)) for row in range(200)} == {patience}


def test_nobody_cancels_where_the_probability_is_zero_and_nothing_else_changes() -> None:
    small = ("customers=500", "days=60", "burn_in=30", *BUSY, "company.capacity_ratio=1.0")
    none = lived(piloted(settings(*small, "company.cancellations=null"), 3))
    zero = lived(piloted(settings(*small, "company.cancellations={after: 0, daily: 0}"), 3))
    assert none.customers.columns.more.tobytes() == zero.customers.columns.more.tobytes()
    assert none.recorder.rows["cancelled"].sum() == 0


def test_a_warehouse_that_never_ships_gives_everything_back() -> None:
    """With patience that ends on the day after the promised one, what was earned online is the contacts' cost alone."""
    firm = ("customers=1500", "days=60", "burn_in=30", *BUSY, "company.cancellations={after: 1, daily: 1}")
    world = piloted(settings(*firm, "company.channels={web: 0.7, app: 0.3, store: 0}", "company.acquisition_cost=0"), 4)
    model = lived(replace(world, capacity=np.zeros_like(world.capacity)))
    rows, columns = model.recorder.rows, model.customers.columns
    due = slice(None, -(max(world.terms.lead) + 2))
    assert rows["delivered"].sum() == 0
    online = rows["orders"][due].sum()
    assert 0 < online <= rows["cancelled"].sum() < rows["orders"].sum()
    waiting = columns.of("open_orders") > 0
    settled = ~waiting & (columns.of("bought") == columns.of("cancelled")) & (columns.of("bought") > 0)
    assert settled.sum() > 50
    assert (columns.of("revenue")[settled] == 0).all()
    assert (columns.of("margin")[settled] == 0).all()
