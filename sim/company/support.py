"""The support desk: servers, opening hours, patience. A SimPy resource; a contact that may wait is a process.

Times of the SimPy clock are days; the desk's own figures are minutes. A caller waits until served, out of patience,
or the desk closes; service begun before closing is finished. M/M/c and M/M/c+M are its textbook limits. A day on
which every caller finds a free server needs no events: all are served on the spot.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
import simpy
from numpy.typing import NDArray

from agents import draws
from agents.compiled import compiled, loop
from agents.draws import draw
from agents.records import Episodes
from sim.company.fulfilment import order_key

MINUTES = 1440.0

CLEAR = 1e-6
"""Least minutes between a service's end and the next call, against rounding on a clock of days."""


class DeskTerms(NamedTuple):
    """How the desk is set up; minutes, servers, yen per minute of service."""

    servers: int
    service: float
    patience: float
    opens: float
    hours: float
    cost_per_minute: float


class Contacts(NamedTuple):
    """A day's contacts in order of arrival; arrays of one length. Minutes: `at` of the day, the others of time.

    The desk fills in `wait` (until served or given up) and `served`.
    """

    key: NDArray[np.int64]  # identity of the episode across arms
    at: NDArray[np.float64]
    patience: NDArray[np.float64]
    service: NDArray[np.float64]
    wait: NDArray[np.float64]
    served: NDArray[np.bool_]


class Calls(NamedTuple):
    """A day's contacts with the episodes they are about, in order of arrival; arrays of one length."""

    contacts: Contacts
    episode: NDArray[np.int64]  # place among the day's episodes
    resolvable: NDArray[np.bool_]  # whether the matter can be resolved, if served


def calls_of(seed: int, terms: DeskTerms, resolution: float, episodes: Episodes) -> Calls | None:
    """The contacts about a day's episodes, each with the caller's own draws; None if nobody calls."""
    about = np.flatnonzero(episodes["contact"])
    if len(about) == 0:
        return None
    about, key, at, patience, service, solvable = _calls(
        seed, episodes, about, terms.opens, terms.hours, terms.patience, terms.service
    )
    waiting = Contacts(key, at, patience, service, np.zeros(len(about)), np.zeros(len(about), bool))
    return Calls(waiting, about, solvable < resolution)


Reals = NDArray[np.float64]


@compiled
def _calls(
    seed: int, e: Episodes, about: NDArray[np.int64], opens: float, hours: float, patient: float, takes: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], Reals, Reals, Reals, Reals]:
    """By time of call: (episode, key, time, patience and service in minutes, draw of being resolvable)."""
    key, at, solvable = np.empty(len(about), np.int64), np.empty(len(about)), np.empty(len(about))
    patience, service = np.empty(len(about)), np.empty(len(about))
    for k in range(len(about)):
        one = e[about[k]]
        row, day = int(one.row), int(one.order_day)
        key[k] = order_key(row, day, one.kind)
        at[k] = opens + hours * draw(seed, row, day, draws.CONTACT_TIME, 0)
        patience[k] = -patient * math.log(draw(seed, row, day, draws.PATIENCE, 0))
        service[k] = -takes * math.log(draw(seed, row, day, draws.SERVICE_TIME, 0))
        solvable[k] = draw(seed, row, day, draws.RESOLVE, 0)
    order = np.argsort(at, kind="mergesort")
    return about[order], key[order], at[order], patience[order], service[order], solvable[order]


@loop
def hang_up(e: Episodes, calls: Calls) -> None:
    """Write into the episodes what came of the calls about them."""
    for k in range(len(calls.episode)):
        one = e[calls.episode[k]]
        one.wait = calls.contacts.wait[k]
        one.served = calls.contacts.served[k]
        one.resolved = calls.contacts.served[k] and calls.resolvable[k]


class SupportDesk:
    """The live desk. `record` keeps every contact for a replay."""

    def __init__(self, env: simpy.Environment, terms: DeskTerms) -> None:
        self.env = env
        self.terms = terms
        self.agents = simpy.Resource(env, capacity=terms.servers)
        self.record: list[tuple[int, Contacts]] = []

    def open(self, day: int, contacts: Contacts) -> None:
        """Start a day at the desk; all waits are filled in by closing time."""
        self.record.append((day, contacts))
        if self.agents.count == 0 and nobody_waits(contacts.at, contacts.service, self.terms.servers):
            contacts.served[:] = True
        else:
            self.env.process(self._day(day, contacts))

    def _day(self, day: int, contacts: Contacts) -> Generator[Any, Any, None]:
        """Let each contact in at its time."""
        close = day + (self.terms.opens + self.terms.hours) / MINUTES
        for j in range(len(contacts.at)):
            yield self.env.timeout(max(0.0, day + float(contacts.at[j]) / MINUTES - self.env.now))
            self.env.process(self._contact(contacts, j, close))

    def _contact(self, contacts: Contacts, j: int, close: float) -> Generator[Any, Any, None]:
        arrived = self.env.now
        with self.agents.request() as turn:
            limit = min(float(contacts.patience[j]) / MINUTES, close - arrived)
            yield turn | self.env.timeout(max(0.0, limit))
            contacts.wait[j] = (self.env.now - arrived) * MINUTES
            contacts.served[j] = turn.triggered
            if turn.triggered:
                yield self.env.timeout(float(contacts.service[j]) / MINUTES)


@loop
def nobody_waits(at: NDArray[np.float64], service: NDArray[np.float64], servers: int) -> bool:
    """Whether every caller, in order of arrival, finds a server free, and all have rung off by midnight."""
    for j in range(len(at)):
        busy = 0
        for earlier in range(j):
            busy += at[earlier] + service[earlier] + CLEAR > at[j]
        if busy >= servers or at[j] + service[j] >= MINUTES:
            return False
    return True


class WaitingRecord:
    """Waits of a finished world by contact, and their mean by day and hour."""

    def __init__(self, desk: SupportDesk) -> None:
        self._wait: dict[int, tuple[float, bool]] = {}
        self._hours: dict[tuple[int, int], list[float]] = {}
        for day, contacts in desk.record:
            for j, key in enumerate(contacts.key):
                self._wait[int(key)] = (float(contacts.wait[j]), bool(contacts.served[j]))
                self._hours.setdefault((day, int(contacts.at[j] // 60)), []).append(float(contacts.wait[j]))

    def wait(self, day: int, contacts: Contacts, j: int) -> tuple[float, bool]:
        """(wait in minutes, served) as recorded; a contact not recorded waits the hour's mean or gives up before."""
        known = self._wait.get(int(contacts.key[j]))
        if known is not None:
            return known
        waits = self._hours.get((day, int(contacts.at[j] // 60)), [0.0])
        mean = sum(waits) / len(waits)
        patience = float(contacts.patience[j])
        return min(mean, patience), patience >= mean


class ReplayedDesk:
    """A desk at which everybody waits as in the recorded world."""

    def __init__(self, record: WaitingRecord) -> None:
        self.record = record

    def open(self, day: int, contacts: Contacts) -> None:
        """Read the waits off the record."""
        for j in range(len(contacts.at)):
            contacts.wait[j], contacts.served[j] = self.record.wait(day, contacts, j)


Desk = SupportDesk | ReplayedDesk


def servers_for(contacts_per_day: float, service: float, hours: float, load: float) -> int:
    """Number of servers, at least one, that are busy for a share `load` of opening time."""
    return max(1, int(np.ceil(contacts_per_day * service / (hours * load))))
