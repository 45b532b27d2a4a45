"""The fulfilment centre against its recursion, the support desk against the textbook's queues."""

from __future__ import annotations

import math

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents.draws import SHIP_TIE, draw
from sim.company.fulfilment import (
    ORDER,
    Batch,
    DeliveryTerms,
    FulfilmentCentre,
    ReplayedCentre,
    ShippingRecord,
    as_they_ship,
    batches,
    episodes_of,
)
from sim.company.support import Contacts, DeskTerms, SupportDesk, nobody_waits, servers_for

TERMS = DeliveryTerms((1, 3, 6), (1, 2, 2), hold_norush=True)


def batch_of(day: int, kind: int, first: int, count: int) -> list[Batch]:
    """A batch of one class with rows from `first` on; none without orders."""
    orders = np.zeros(count, ORDER)
    orders["row"], orders["day"], orders["kind"] = np.arange(first, first + count), day, kind
    return batches(day, as_they_ship(4, day, orders))


def take(centre: FulfilmentCentre | ReplayedCentre, day: int, kind: int, first: int, count: int) -> None:
    for batch in batch_of(day, kind, first, count):
        centre.take(batch)


days = st.lists(
    st.tuples(st.tuples(st.integers(0, 6), st.integers(0, 12), st.integers(0, 6)), st.integers(0, 25)), max_size=25
)


@given(days, st.booleans())
@hypothesis_settings(max_examples=150, deadline=None)
def test_the_centre_ships_the_earliest_due_and_keeps_its_recursion(
    plan: list[tuple[tuple[int, int, int], int]], hold: bool
) -> None:
    """Against a list of single orders sorted every day: who ships, when it arrives, how late; Q = [Q + A - C]+."""
    terms = TERMS._replace(hold_norush=hold)
    centre = FulfilmentCentre(terms)
    queue: list[tuple[int, int, float, int, int]] = []  # due, class, own draw, row, order day
    parcels: dict[int, list[tuple[int, int, int, int]]] = {}
    row = backlog = 0
    for day, (orders, capacity) in enumerate([*plan, *[((0, 0, 0), 10)] * 20]):
        for kind, count in enumerate(orders):
            take(centre, day, kind, row, count)
            slack = (0, 1, 4)[kind]
            drawn = [(draw(4, r, day, SHIP_TIE, 0), r) for r in range(row, row + count)]
            queue += [(day + slack, kind, tie, r, day) for tie, r in drawn]
            row += count
        queue.sort()
        leaving, queue = queue[:capacity], queue[capacity:]
        assert centre.ship(day, capacity) == len(leaving)
        for _, kind, _, one, ordered in leaving:
            arrival = day + terms.transit[kind]
            if kind == 2 and hold:
                arrival = max(arrival, ordered + terms.lead[kind])
            parcels.setdefault(arrival, []).append((one, ordered, kind, arrival - ordered - terms.lead[kind]))
        backlog = max(0, backlog + sum(orders) - capacity)
        assert centre.backlog() == backlog == len(queue)
        episodes = episodes_of(centre.deliveries(day), terms, day)
        handed = [(int(one["row"]), int(one["order_day"]), int(one["kind"]), int(one["late"])) for one in episodes]
        assert sorted(handed) == sorted(parcels.pop(day, []))
    # replayed, every order ships when it did, whatever the capacity
    replayed, record, row = ReplayedCentre(terms, ShippingRecord(centre)), dict[int, int](), 0
    for day, (orders, _) in enumerate([*plan, *[((0, 0, 0), 0)] * 20]):
        for kind, count in enumerate(orders):
            take(replayed, day, kind, row, count)
            row += count
        replayed.ship(day, 0)
        for leaving_day, batch in centre.shipped:
            if leaving_day == day:
                record |= dict.fromkeys(batch.orders["row"].tolist(), day)
    gone = {int(one): None for parcels_of in replayed.arriving.values() for d in parcels_of for one in d.orders["row"]}
    assert gone.keys() == record.keys()
    assert replayed.backlog() == centre.backlog()


def test_a_phantom_ships_on_the_first_day_on_which_nothing_precedes_it() -> None:
    """An order the record does not know: with the queue's orders before it, but taking nobody's place."""
    live = FulfilmentCentre(TERMS)
    for day in range(10):
        take(live, day, 1, 100 * day, 12 if day < 5 else 0)
        live.ship(day, 8)
    shipped = {day: 0 for day, _ in live.shipped}
    for day, batch in live.shipped:
        shipped[day] += len(batch.orders)
    assert [shipped.get(day, 0) for day in range(9)] == [8, 8, 8, 8, 8, 8, 8, 4, 0]
    replayed = ReplayedCentre(TERMS, ShippingRecord(live))
    take(replayed, 0, 0, 5000, 1)  # express: due at once, ahead of all
    take(replayed, 2, 2, 5001, 1)  # no-rush, due on day 6: behind orders of days 0 to 4, due up to day 5
    take(replayed, 8, 1, 5002, 1)  # nothing waits any more
    left = {int(row): day for day, parts in replayed.leaving.items() for part in parts for row in part.orders["row"]}
    assert left == {5000: 0, 5001: 7, 5002: 8}


def test_steady_overload_queues_the_difference_every_day() -> None:
    centre = FulfilmentCentre(TERMS)
    lengths = []
    for day in range(40):
        take(centre, day, 1, 0, 17)
        centre.ship(day, 12)
        lengths.append(centre.backlog())
    assert np.diff(lengths).tolist() == [5] * 39


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_poisson_orders_at_one_a_day_queue_as_the_formula_says(load: float) -> None:
    """E[Q] = rho^2 / (2 (1 - rho)) for Q = [Q + A - 1]+; standard error from batch means."""
    rng = np.random.default_rng(11)
    centre = FulfilmentCentre(TERMS)
    lengths = []
    for day, count in enumerate(rng.poisson(load, 30_000).tolist()):
        take(centre, day, 1, 0, count)
        centre.ship(day, 1)
        centre.arriving.clear()
        lengths.append(centre.backlog())
    means = np.array(lengths).reshape(50, -1).mean(axis=1)
    error = means.std(ddof=1) / math.sqrt(len(means))
    assert error < 0.08 * load**2 / (2 * (1 - load))
    assert means.mean() == pytest.approx(load**2 / (2 * (1 - load)), abs=3.5 * error)


# -- the desk ----------------------------------------------------------------------------------------------------------

SERVICE = 8.0


def at_the_desk(servers: int, load: float, patience: float, calls: int, seed: int) -> Contacts:
    """Poisson calls, exponential service and patience, one opening long enough for all."""
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(SERVICE / (servers * load), calls))
    patient = np.full(calls, np.inf) if math.isinf(patience) else rng.exponential(patience, calls)
    patient = np.minimum(patient, 1e7)
    contacts = Contacts(
        np.arange(calls), arrivals, patient, rng.exponential(SERVICE, calls), np.zeros(calls), np.zeros(calls, bool)
    )
    env = simpy.Environment()
    desk = SupportDesk(env, DeskTerms(servers, SERVICE, patience, 0.0, 1e9, 0.0))
    desk.open(0, contacts)
    env.run()
    return contacts


def batch_means(x: np.ndarray, parts: int = 40) -> tuple[float, float]:
    """(mean, standard error) of a correlated series, the first twentieth left out."""
    kept = x[len(x) // 20 :]
    means = kept[: len(kept) // parts * parts].reshape(parts, -1).mean(axis=1)
    return float(means.mean()), float(means.std(ddof=1) / math.sqrt(parts))


@pytest.mark.parametrize(("servers", "load"), [(1, 0.6), (3, 0.75)])
def test_the_desk_is_the_textbook_queue(servers: int, load: float) -> None:
    """M/M/c: P(wait) by Erlang C, W_q = P(wait) service / (c - u)."""
    contacts = at_the_desk(servers, load, math.inf, 40_000, 5)
    u = servers * load
    last = u**servers / math.factorial(servers) * servers / (servers - u)
    waits = last / (sum(u**k / math.factorial(k) for k in range(servers)) + last)
    assert contacts.served.all()
    share, error = batch_means((contacts.wait > 1e-7).astype(float))
    assert error < 0.03
    assert share == pytest.approx(waits, abs=3.5 * error)
    wait, error = batch_means(contacts.wait)
    assert error < 0.1 * wait
    assert wait == pytest.approx(waits * SERVICE / (servers - u), abs=3.5 * error)


@pytest.mark.parametrize(("servers", "load", "patience"), [(2, 1.1, 10.0), (3, 0.9, 5.0)])
def test_impatient_callers_leave_as_the_birth_death_chain_says(servers: int, load: float, patience: float) -> None:
    """M/M/c+M: stationary distribution by balance, abandonment rate over arrival rate."""
    contacts = at_the_desk(servers, load, patience, 40_000, 6)
    arrival, served, leaving = servers * load / SERVICE, 1.0 / SERVICE, 1.0 / patience
    weight = [1.0]
    for n in range(1, 400):
        weight.append(weight[-1] * arrival / (min(n, servers) * served + max(0, n - servers) * leaving))
    chance = np.array(weight) / sum(weight)
    waiting = np.maximum(0, np.arange(400) - servers)
    lost = float((chance * waiting).sum() * leaving / arrival)
    share, error = batch_means((~contacts.served).astype(float))
    assert error < 0.02
    assert share == pytest.approx(lost, abs=3.5 * error)
    wait, error = batch_means(contacts.wait)
    assert wait == pytest.approx(float((chance * waiting).sum() / arrival), abs=3.5 * error)  # Little


def test_closing_time_sends_the_queue_home_and_lets_service_finish() -> None:
    env = simpy.Environment(initial_time=3)
    desk = SupportDesk(env, DeskTerms(1, SERVICE, 10.0, 540.0, 60.0, 0.0))
    contacts = Contacts(
        np.arange(4), np.array([545.0, 546.0, 590.0, 595.0]), np.array([99.0, 20.0, 99.0, 99.0]),
        np.array([30.0, 1.0, 400.0, 1.0]), np.zeros(4), np.zeros(4, bool),
    )  # fmt: skip
    desk.open(3, contacts)
    env.run()
    assert contacts.served.tolist() == [True, False, True, False]
    assert contacts.wait.tolist() == pytest.approx([0.0, 20.0, 0.0, 5.0], abs=1e-6)
    assert env.now == pytest.approx(3 + 990 / 1440)


@pytest.mark.parametrize("servers", [1, 2, 4])
def test_a_day_without_events_is_the_day_with_events(servers: int) -> None:
    """Nobody is found to wait exactly where the queue lets nobody wait and no call outlasts the day.

    Both ways of the desk end a day with the same waits, to the last bit.
    """
    rng, terms = np.random.default_rng(7), DeskTerms(servers, SERVICE, 10.0, 540.0, 600.0, 0.0)
    spared = 0
    for day in range(-20, 180):
        calls = int(rng.integers(1, 8 * servers + 2))
        at, service = 540.0 + np.sort(rng.random(calls)) * 600.0, rng.exponential(40.0, calls)
        patience = rng.exponential(10.0, calls)
        one, other = (
            Contacts(np.arange(calls), at, patience, service, np.zeros(calls), np.zeros(calls, bool)) for _ in range(2)
        )
        env = simpy.Environment(initial_time=day)
        env.process(SupportDesk(env, terms)._day(day, one))
        env.run()
        spare = nobody_waits(at, service, servers)
        assert spare == (not one.wait.any() and bool((at + service < 1440.0).all()))
        assert one.served.all() or not spare
        env = simpy.Environment(initial_time=day)
        SupportDesk(env, terms).open(day, other)
        assert (env.peek() == math.inf) == spare
        env.run()
        assert one.wait.tobytes() == other.wait.tobytes()
        assert one.served.tobytes() == other.served.tobytes()
        spared += spare
    assert 20 < spared < 180


def test_servers_hold_the_load() -> None:
    for contacts, load in ((10.0, 0.85), (700.0, 0.85), (700.0, 0.6), (0.0, 0.85)):
        servers = servers_for(contacts, 8.0, 600.0, load)
        assert contacts * 8.0 / (servers * 600.0) <= load + 1e-12
        assert servers == 1 or contacts * 8.0 / ((servers - 1) * 600.0) > load
