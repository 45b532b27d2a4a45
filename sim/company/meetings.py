"""Comments pooled from all channels, regular meetings over them, and projects (docs/ODD.md 7.14).

Contacts with support and detractors who comment in the survey say which touchpoint let them down. A regular meeting
starts one project on the touchpoint with the worst total since the last meeting, if budget and people allow. After a
lag quality there rises for everybody, less with every project before it on the same touchpoint. The meetings are a
SimPy process; what they have changed is company state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import simpy
from numpy.typing import NDArray

from agents import draws
from agents.columns import SEVERITY_UNIT, TOUCHPOINT_NAMES, Columns
from agents.draws import row_draws
from sim.company.changes import Changes, Shift
from sim.config.parameters import DAYS_PER_YEAR
from sim.tables import DETRACTOR

AFTER_HOURS = 23.5 / 24
"""Time of day of a meeting: after the day's survey."""

class Meetings(NamedTuple):
    """When meetings are held, and what projects cost and bring."""

    every: int  # days between meetings
    first: int  # day from which comments are collected; 0 or later
    last: int  # day before which meetings are held
    gain: float  # su of a touchpoint's first project
    lag: int  # days from the meeting to the change
    cost: float  # yen per project, of the firm with all its members
    budget: float  # yen a year
    capacity: int  # projects under way at once
    comments: float  # share of detractors in the survey who comment


@dataclass
class MeetingState:
    """State of the meetings: what was said since the last one, projects so far, what they have changed.

    `severity` is a total by touchpoint, su; `spent` in yen of the firm with all its members.
    """

    terms: Meetings
    severity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(TOUCHPOINT_NAMES)))
    started: list[tuple[int, int]] = field(default_factory=list)  # (day of the meeting, touchpoint)
    spent: float = 0.0

    def listen(self, columns: Columns, rows: NDArray[np.int32], day: int) -> None:
        """Add what these customers say of their last episode, if comments are collected on `day`."""
        if day < self.terms.first:
            return
        worst = columns.of("worst")[rows].astype(np.int64)
        said = worst > 0
        severity = SEVERITY_UNIT * columns.of("severity")[rows][said]
        self.severity += np.bincount(worst[said] - 1, weights=severity, minlength=len(TOUCHPOINT_NAMES))

    def read(self, columns: Columns, answers: NDArray[np.int8], seed: int, day: int) -> None:
        """Add comments of a survey day, which some detractors write. answers: int8 (N,), -1 for none."""
        rows = np.flatnonzero((answers >= 0) & (answers <= DETRACTOR)).astype(np.int32)
        self.listen(columns, rows[row_draws(seed, rows, day, draws.COMMENT, 0) < self.terms.comments], day)

    def meet(self, day: int) -> float:
        """Start a project on the worst touchpoint, given complaints, people and money; returns its cost, yen, or 0."""
        before = self.spent
        worst = int(np.argmax(self.severity))
        if self.severity[worst] > 0.0 and self._running(day) < self.terms.capacity and self._affordable(day):
            self.started.append((day, worst))
            self.spent += self.terms.cost
        self.severity[:] = 0.0
        return self.spent - before

    def _running(self, day: int) -> int:
        return sum(day < start + self.terms.lag for start, _ in self.started)

    def _affordable(self, day: int) -> bool:
        """Whether the budget so far, which comes in evenly over the year, has paid for all projects before."""
        return self.spent < self.terms.budget * (day + 1 - self.terms.first) / DAYS_PER_YEAR

    def changes(self, day: int) -> Changes:
        """What finished projects have changed by `day`: each later one on a touchpoint gains less."""
        shifts = []
        before = [0] * len(TOUCHPOINT_NAMES)
        for start, touchpoint in self.started:
            if start + self.terms.lag <= day:
                shifts.append(Shift(touchpoint, self.terms.gain * math.exp(-before[touchpoint])))
            before[touchpoint] += 1
        return Changes(quality=tuple(shifts))

    def meetings(self, env: simpy.Environment, pay: Callable[[int, float], None]) -> Generator[Any, Any, None]:
        """The process: a meeting in the evening, every so many days from the first on. `pay(day, yen)` books it."""
        day = self.terms.first - 1
        while True:
            day += self.terms.every
            yield env.timeout(day + AFTER_HOURS - env.now)
            if day < self.terms.last:
                pay(day, self.meet(day))
