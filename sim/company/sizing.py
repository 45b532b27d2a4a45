"""How large a fulfilment centre must be to deliver on time as often as the firm says: its queue, counted in orders.

The centre of `fulfilment` is run on numbers of orders alone, drawn about the day's mean, over many years. Since the
simulated market is smaller than the firm, and a small queue varies more, the answer depends on its size: one on-time
rate, not one ratio of capacity to orders, makes markets of every size tell the same lateness.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.columns import NORUSH, STORE
from agents.compiled import compiled
from sim.company.fulfilment import MOST_PUT_OFF, Batch, CarrierLuck, DeliveryTerms, working_day
from sim.company.halving import halved

YEARS = 12
"""Years of orders over which lateness is a mean."""

LEAST_RATIO, MOST_RATIO = 0.9, 4.0
"""Capacity over mean orders that is searched."""

HALVINGS = 18

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Demand:
    """What a centre is sized for. Arrays are by day."""

    first_day: int
    mean: FloatArray  # online orders
    shares: FloatArray  # of the delivery classes
    counted: Mask  # days whose orders count for the on-time rate


Lateness = Callable[[NDArray[np.int64]], float]
"""Expected share of the counted days' orders that are handed over late, by capacity a day."""


def lateness(demand: Demand, terms: DeliveryTerms, carrier: CarrierLuck, promise_follows: bool = False) -> Lateness:
    """How late a centre delivers, as a function of its capacity a day, int64 (days,); whether its promises follow its
    backlog."""
    days = range(demand.first_day, demand.first_day + len(demand.mean))
    batches = [[Batch(day, kind, np.zeros(0)) for kind in range(STORE)] for day in days]
    due = np.array([[terms.due(batch) for batch in row] for row in batches]) - demand.first_day
    later = range(demand.first_day, demand.first_day + 2 * len(demand.mean) + max(terms.lead))
    arrives = np.array([working_day(day, terms.carrier_rests) for day in later]) - demand.first_day
    orders, transit, longer = _orders(demand), np.array(terms.transit, np.int64), 1.0 - 1.0 / carrier.days
    expected = demand.mean if promise_follows else np.zeros(0)

    def late(capacity: NDArray[np.int64]) -> float:
        return _late(
            orders, capacity, due, expected, arrives, transit, terms.hold_norush, demand.counted, carrier.delayed,
            longer,
        )  # fmt: skip

    return late


def _orders(demand: Demand) -> NDArray[np.int64]:
    """Orders by year, day and class, the same each time they are asked for."""
    luck = np.random.Generator(np.random.Philox(key=0))
    mean = demand.mean[:, np.newaxis] * demand.shares
    return luck.poisson(mean, (YEARS, *mean.shape))


@compiled
def _late(
    orders: NDArray[np.int64], capacity: NDArray[np.int64], usual_due: NDArray[np.int64], expected: FloatArray,
    arrives: NDArray[np.int64], transit: NDArray[np.int64], hold_norush: bool, counted: Mask,
    delayed: float, longer: float,
) -> float:  # fmt: skip
    """Expected share of the counted days' orders that come late; what has not shipped at the end does.

    expected: orders by day that a promise which follows the backlog counts on; empty where it is fixed.
    arrives: the carrier's working day from each day on; what is due on a day is promised for transit days later.
    """
    years, days, kinds = orders.shape
    late, total = 0.0, 0.0
    for year in range(years):
        left, due = orders[year].copy(), usual_due.copy()
        first = 0  # no order of an earlier day is left
        for day in range(days):
            if len(expected):
                _put_off(due, left, capacity, expected[day], first, day)
            room = capacity[day]
            while room > 0:
                best_day, best_kind, best_due = -1, -1, 1 << 40
                for ordered in range(first, day + 1):
                    for kind in range(kinds):
                        wanted = due[ordered, kind]
                        sooner = wanted < best_due or (wanted == best_due and kind < best_kind)
                        if left[ordered, kind] > 0 and sooner:
                            best_day, best_kind, best_due = ordered, kind, wanted
                if best_day < 0:
                    break
                sent = min(room, left[best_day, best_kind])
                room -= sent
                left[best_day, best_kind] -= sent
                if counted[best_day]:
                    promised = arrives[best_due + transit[best_kind]]
                    arrival = day + transit[best_kind]
                    if hold_norush and best_kind == NORUSH:
                        arrival = max(arrival, promised)
                    slack = promised - arrives[arrival]
                    late += sent * (1.0 if slack < 0 else delayed * longer**slack)
                while first < day and left[first].sum() == 0:
                    first += 1
        for day in range(days):
            if counted[day]:
                total += orders[year, day].sum()
                late += left[day].sum()
    return late / max(total, 1.0)


@compiled
def _put_off(
    due: NDArray[np.int64], left: NDArray[np.int64], capacity: NDArray[np.int64], expected: float, first: int, day: int
) -> None:
    """Put off the days by which a day's orders are due as `FulfilmentCentre.put_off` does, behind what is left."""
    if left[first:day].sum() == 0:
        return
    for kind in range(due.shape[1]):
        possible = capacity[day : due[day, kind]].sum() - expected
        for last in range(due[day, kind], min(due[day, kind] + MOST_PUT_OFF + 1, len(capacity))):
            possible += capacity[last]
            ahead = 0
            for ordered in range(first, day):
                for other in range(due.shape[1]):
                    if due[ordered, other] < last or (due[ordered, other] == last and other <= kind):
                        ahead += left[ordered, other]
            due[day, kind] = last
            if ahead < possible:
                break


def ratio_for(on_time: float, share_late: Callable[[float], float]) -> float:
    """Smallest ratio of capacity to mean orders at which that share of parcels is on time; `share_late` falls with it.

    Where even the largest ratio leaves more late, that one: the carrier's part cannot be mended by capacity.
    """
    def too_small(log_ratio: float) -> bool:
        return share_late(math.exp(log_ratio)) > 1.0 - on_time

    return math.exp(halved(too_small, math.log(LEAST_RATIO), math.log(MOST_RATIO), HALVINGS)[1])
