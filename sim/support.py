"""The support desk: servers, opening hours, patience. A SimPy resource; every contact is a process.

Times of the SimPy clock are days; the desk's own figures are minutes. A caller waits until served, out of patience,
or the desk closes; service begun before closing is finished. M/M/c and M/M/c+M are its textbook limits.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple, Protocol

import numpy as np
import simpy
from numpy.typing import NDArray

MINUTES = 1440.0


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


class Desk(Protocol):
    """What the company needs of a desk, live or replayed."""

    def open(self, day: int, contacts: Contacts) -> Generator[Any, Any, None]: ...


class SupportDesk:
    """The live desk. `record` keeps every contact for a replay."""

    def __init__(self, env: simpy.Environment, terms: DeskTerms) -> None:
        self.env = env
        self.terms = terms
        self.agents = simpy.Resource(env, capacity=terms.servers)
        self.record: list[tuple[int, Contacts]] = []

    def open(self, day: int, contacts: Contacts) -> Generator[Any, Any, None]:
        """A day at the desk: let each contact in at its time; all waits are known at closing time."""
        close = day + (self.terms.opens + self.terms.hours) / MINUTES
        for j in range(len(contacts.at)):
            yield self.env.timeout(max(0.0, day + float(contacts.at[j]) / MINUTES - self.env.now))
            self.env.process(self._contact(contacts, j, close))
        self.record.append((day, contacts))

    def _contact(self, contacts: Contacts, j: int, close: float) -> Generator[Any, Any, None]:
        arrived = self.env.now
        with self.agents.request() as turn:
            limit = min(float(contacts.patience[j]) / MINUTES, close - arrived)
            yield turn | self.env.timeout(max(0.0, limit))
            contacts.wait[j] = (self.env.now - arrived) * MINUTES
            contacts.served[j] = turn.triggered
            if turn.triggered:
                yield self.env.timeout(float(contacts.service[j]) / MINUTES)


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
        """(wait, served): as recorded; a new contact waits the hour's mean, or gives up before it."""
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

    def open(self, day: int, contacts: Contacts) -> Generator[Any, Any, None]:
        """Read the waits off the record."""
        for j in range(len(contacts.at)):
            contacts.wait[j], contacts.served[j] = self.record.wait(day, contacts, j)
        yield from ()  # a generator like the live desk's, with nothing to wait for


def servers_for(contacts_per_day: float, service: float, hours: float, load: float) -> int:
    """Servers that keep the desk at `load` of its time, at least one."""
    return max(1, int(np.ceil(contacts_per_day * service / (hours * load))))
