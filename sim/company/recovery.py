"""Making good: what a customer gets after a late parcel, an apology with a coupon or with words alone.

A coupon helps, words alone do not, and another apology soon after the first makes matters worse (Halperin, Ho, List and
Muir 2022).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from agents.columns import NEVER, STORE, Columns
from agents.records import Episodes
from sim.company.ledger import Given
from sim.company.offers import Treatment, reached


class Apologies:
    """The apologies of one arm: which of its interventions apologise, and when each customer last heard one."""

    def __init__(self, interventions: Iterable[tuple[int, Treatment]], treated: NDArray[np.bool_]) -> None:
        self._of = [(number, one) for number, one in interventions if type(one).apology is not Treatment.apology]
        self._treated = treated
        self._last = np.full(len(treated) if self._of else 0, NEVER, np.int64)

    def make_good(self, columns: Columns, episodes: Episodes, day: int) -> list[Given]:
        """Write into the day's late deliveries what is made good of their scores; returns the coupons that go out."""
        given = []
        for number, one in self._of:
            apology = one.apology(day)
            if apology is None:
                continue
            parcels = (episodes["kind"] != STORE) & (episodes["cancelled"] == 0)
            late = np.flatnonzero((episodes["late"] >= apology.late_days) & parcels)
            rows = np.ascontiguousarray(episodes["row"][late])
            got = reached(columns, rows, np.ones(len(rows), bool), self._treated, number, day)
            late, rows = late[got], rows[got]
            again = day - self._last[rows] <= apology.again_within
            at_first = apology.makes_good if apology.face else 0.0
            episodes["made_good"][late] += np.where(again, apology.again, at_first)
            self._last[rows] = day
            if apology.face:
                given.append(Given.alike(rows, apology.face, day + apology.valid_days))
        return given
