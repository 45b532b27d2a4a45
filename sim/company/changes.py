"""What is different from the configuration on a day, about the company or its surroundings.

An intervention that acts on everybody at once (better service, an outage, a competitor's move) says what it changes
on a day as `Changes`; the world adds them up each morning and puts the sum in force. Nothing needs to be undone: a day
without changes is as configured.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from agents.behaviour import NO_THRESHOLD, Rules

EVERYBODY = -1
"""In place of a persona's number: all of them."""


class Shift(NamedTuple):
    """Quality of one touchpoint (see `agents.columns.TOUCHPOINT_NAMES`) for one persona or EVERYBODY, su."""

    touchpoint: int
    su: float
    persona: int = EVERYBODY


Three = tuple[float, float, float]
"""One number for each of express, standard and no-rush delivery."""

NONE: Three = (0, 0, 0)


Number = TypeVar("Number", int, float)


def sum_of(one: tuple[Number, Number, Number], other: tuple[Number, Number, Number]) -> tuple[Number, Number, Number]:
    """Three numbers, each the sum of two."""
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


class NewTerms(NamedTuple):
    """What is otherwise about the delivery classes; the defaults change nothing."""

    longer: tuple[int, int, int] = (0, 0, 0)  # days promised beyond the usual lead
    transit: tuple[int, int, int] = (0, 0, 0)  # days on the way beyond the usual ones
    dearer: Three = NONE  # yen a customer pays beyond the usual fee
    costlier: Three = NONE  # yen a parcel costs beyond the usual cost
    closed: Three = NONE  # above 0: the class is not on offer
    free_from: float = NO_THRESHOLD  # yen of basket from which standard and no-rush delivery cost nothing

    def and_also(self, other: NewTerms) -> NewTerms:
        """Both at once: differences add up, of two thresholds the lower one holds."""
        return NewTerms(
            sum_of(self.longer, other.longer),
            sum_of(self.transit, other.transit),
            sum_of(self.dearer, other.dearer),
            sum_of(self.costlier, other.costlier),
            sum_of(self.closed, other.closed),
            min(self.free_from, other.free_from),
        )


USUAL_TERMS = NewTerms()


class Changes(NamedTuple):
    """Differences from the configuration on one day; the defaults change nothing."""

    quality: tuple[Shift, ...] = ()
    support: float = 0.0  # su an episode gains when support serves the customer
    recovery: float = 0.0  # share of a bad score that a resolved contact makes good, more than configured
    recovery_cost: float = 0.0  # yen per resolved contact
    noise_store: float = 1.0  # factor on the spread of performance in the store
    friction_store: float = 0.0  # logit
    friction_online: float = 0.0  # logit, on the website and in the app
    competitor: float = 0.0  # logit of an order lost, log hazard of lapse
    capacity: float = 1.0  # factor on the orders a day that can be shipped
    complaint: float = 0.0  # bad talk put into the public's ear, as a share of everybody talking
    complaint_su: float = 0.0  # the same times the score it tells
    more_capacity: float = 0.0  # orders a day that the firm, all its members counted, can ship beyond that
    delivery: NewTerms = USUAL_TERMS


NO_CHANGES = Changes()


FACTORS = ("noise_store", "capacity")
"""Changes that multiply; the other numbers add up."""

GROUPS = ("quality", "delivery")
"""Changes that are no single number."""


def together(changes: Iterable[Changes]) -> Changes:
    """Several changes at once: differences add up, factors multiply. Zero shifts are dropped."""
    total = NO_CHANGES
    for one in changes:
        shifts = total.quality + tuple(shift for shift in one.quality if shift.su != 0.0)
        pairs: Iterable[tuple[str, Any, Any]] = zip(Changes._fields, total, one, strict=True)
        numbers = {name: old * new if name in FACTORS else old + new for name, old, new in pairs if name not in GROUPS}
        total = Changes(quality=shifts, delivery=total.delivery.and_also(one.delivery), **numbers)
    return total


def changed_rules(rules: Rules, changes: Changes) -> Rules:
    """The rules under these changes, with recovery, a share of the loss made good, kept from 0 to 1."""
    return rules._replace(
        support_quality=rules.support_quality + changes.support,
        recovery=min(1.0, max(0.0, rules.recovery + changes.recovery)) if changes.recovery else rules.recovery,
        noise_store=rules.noise_store * changes.noise_store,
        friction_store=rules.friction_store + changes.friction_store,
        friction_web=rules.friction_web + changes.friction_online,
        friction_app=rules.friction_app + changes.friction_online,
        competitor=rules.competitor + changes.competitor,
        **_of_delivery(rules, changes.delivery),
    )


def _of_delivery(rules: Rules, terms: NewTerms) -> dict[str, Any]:
    """The rules' numbers that new terms of delivery replace."""
    if terms == USUAL_TERMS:
        return {}
    costs = (rules.express_cost, rules.standard_cost, rules.norush_cost)
    express, standard, norush = (cost + more for cost, more in zip(costs, terms.costlier, strict=True))
    return dict(
        new_terms=1.0, longer=terms.longer, dearer=terms.dearer, closed=terms.closed, free_from=terms.free_from,
        express_cost=express, standard_cost=standard, norush_cost=norush,
    )


def shifted_quality(quality: NDArray[np.float64], changes: Changes) -> NDArray[np.float64]:
    """Quality by persona and touchpoint, su, under these changes: float64 (personas, touchpoints), a new array."""
    shifted = quality.copy()
    for shift in changes.quality:
        rows = slice(None) if shift.persona == EVERYBODY else shift.persona
        shifted[rows, shift.touchpoint] += shift.su
    return shifted
