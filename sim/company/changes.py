"""What is different from the configuration on a day, about the company or its surroundings.

An intervention that acts on everybody at once (better service, an outage, a competitor's move) says what it changes
on a day as `Changes`; the world adds them up each morning and puts the sum in force. Nothing needs to be undone: a day
without changes is as configured.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.behaviour import Rules

EVERYBODY = -1
"""In place of a persona's number: all of them."""


class Shift(NamedTuple):
    """Quality of one touchpoint (see `agents.columns.TOUCHPOINT_NAMES`) for one persona or EVERYBODY, su."""

    touchpoint: int
    su: float
    persona: int = EVERYBODY


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


NO_CHANGES = Changes()


FACTORS = ("noise_store", "capacity")
"""Changes that multiply; the others add up."""


def together(changes: Iterable[Changes]) -> Changes:
    """Several changes at once: differences add up, factors multiply. Zero shifts are dropped."""
    total = NO_CHANGES
    for one in changes:
        shifts = total.quality + tuple(shift for shift in one.quality if shift.su != 0.0)
        pairs = zip(Changes._fields[1:], total[1:], one[1:], strict=True)
        total = Changes(shifts, *(old * new if name in FACTORS else old + new for name, old, new in pairs))
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
    )


def shifted_quality(quality: NDArray[np.float64], changes: Changes) -> NDArray[np.float64]:
    """Quality by persona and touchpoint, su, under these changes: float64 (personas, touchpoints), a new array."""
    shifted = quality.copy()
    for shift in changes.quality:
        rows = slice(None) if shift.persona == EVERYBODY else shift.persona
        shifted[rows, shift.touchpoint] += shift.su
    return shifted
