"""What the company offers its visitors: the one place where interventions act.

An intervention sees what a firm can log of the day's visitors, never a latent trait, and states an offer for some of
them. The company decides who of them is treated (everybody, nobody, a fair half), keeps the cap on impressions, and
keeps to one popup a visit, first come first served in the order of the configuration.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agents import draws
from agents.columns import NEVER, OBSERVABLE, SHOP, Columns
from agents.day import Visits
from agents.draws import row_draws

CAP_DAYS = 7
"""The window of the cap on impressions."""


class Observed:
    """Observable columns of the day's visitors, each of shape (visitors,): see `agents.columns.OBSERVABLE`."""

    def __init__(
        self, columns: Columns, visits: Visits, day: int, personas: tuple[str, ...], topics: tuple[str, ...]
    ) -> None:
        self._columns = columns
        self._visits = visits
        self._personas = personas
        self._topics = topics
        self.day = day

    def __len__(self) -> int:
        return len(self._visits)

    def __getattr__(self, name: str) -> NDArray[Any]:
        if name in OBSERVABLE:
            return np.asarray(self._columns.of(name)[self._visits["row"]])
        raise AttributeError(
            f"a firm cannot log {name!r}; a rule may read {', '.join(sorted(OBSERVABLE))}, online, segment()"
        )

    @property
    def online(self) -> NDArray[np.bool_]:
        """Visits on the web or in the app."""
        return np.asarray(self._visits["channel"] != SHOP)

    def segment(self, name: str) -> NDArray[np.bool_]:
        """Visitors whose declared segment is `name`."""
        return np.asarray(self.declared == self._personas.index(name))

    def searched(self, topic: str, within_days: int) -> NDArray[np.bool_]:
        """Visitors whose last search was for `topic`, today or up to `within_days` ago."""
        recent = (self.topic_day != NEVER) & (self.day - self.topic_day.astype(np.int64) <= within_days)
        return np.asarray(recent & (self.topic == self._topics.index(topic) + 1))

    def ordered_since_search(self) -> NDArray[np.bool_]:
        """Visitors who have ordered on or after the day of their last search."""
        return np.asarray((self.last_order != NEVER) & (self.last_order >= self.topic_day))


class Intervention(Protocol):
    """What a scenario adds. `scenarios.intervention` has the base class and the registry."""

    @property
    def name(self) -> str:
        """Its key in the scenario file."""
        ...

    def on_visits(self, seen: Observed, offers: Offers) -> None:
        """State today's offers for the visitors seen."""
        ...

    def scaled(self, share: float) -> Intervention | None:
        """The same with the lever a break-even is asked for (a coupon's face) scaled, None if it has none."""
        ...


class Offers:
    """Offers to the day's visitors, collected over interventions."""

    def __init__(
        self, columns: Columns, visits: Visits, seed: int, day: int, treated: NDArray[np.bool_], cap: int
    ) -> None:
        self._columns = columns
        self.visits = visits
        self._seed = seed
        self._day = day
        self._rows = np.ascontiguousarray(visits["row"])
        self._treated = treated[self._rows]
        self._cap = cap
        self._bit = np.uint8(0)

    def speak_for(self, number: int) -> None:
        """Offers that follow come from intervention `number` (below 8)."""
        self._number = number
        self._bit = np.uint8(1 << number)

    def _reach(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Note who is eligible, treated or not; who of them is treated."""
        rows = self.visits["row"][chosen]
        if self._day >= 0:
            self._columns.of("eligible")[rows] |= self._bit
        return np.asarray(chosen & self._treated)

    def norush_coupon(self, chosen: NDArray[np.bool_], face: int, valid_days: int) -> None:
        """A coupon of `face` yen for choosing no-rush delivery, good from the next day for `valid_days`."""
        better = self._reach(chosen) & (face > self.visits["norush_coupon"])
        self.visits["norush_coupon"][better] = face
        self.visits["coupon_last"][better] = self._day + valid_days

    def popup(
        self,
        chosen: NDArray[np.bool_],
        lifts: tuple[float, ...],
        appeal: float,
        relevant: bool,
        cost: int,
        holdout: float,
    ) -> None:
        """An on-site popup. `lifts` holds the logit lift of each variant; variant and holdout stick to the customer."""
        shown = self._reach(chosen) & (self.visits["popup"] == 0) & (self.visits["channel"] != SHOP)
        shown &= row_draws(self._seed, self._rows, 0, draws.HOLDOUT, self._number) >= holdout
        shown &= impressions_lately(self._columns, self.visits["row"], self._day) < self._cap
        u = row_draws(self._seed, self._rows, 0, draws.VARIANT, self._number)
        variant = np.minimum((u * len(lifts)).astype(np.int64), len(lifts) - 1)
        self.visits["popup"][shown] = variant[shown] + 1
        self.visits["popup_lift"][shown] = np.asarray(lifts)[variant[shown]]
        self.visits["popup_appeal"][shown] = appeal
        self.visits["popup_relevant"][shown] = relevant
        self.visits["popup_cost"][shown] = cost
        note_impressions(self._columns, self.visits["row"][shown], self._day)


def impressions_lately(columns: Columns, rows: NDArray[np.int32], day: int) -> NDArray[np.int64]:
    """Impressions of each row over today and the six days before."""
    packed = _shifted(columns, rows, day)
    return np.asarray(sum((packed >> np.int64(4 * ago)) & 15 for ago in range(CAP_DAYS)))


def note_impressions(columns: Columns, rows: NDArray[np.int32], day: int) -> None:
    """Count one impression more for each row today."""
    columns.of("impressions")[rows] = _shifted(columns, rows, day) + 1
    columns.of("impressions_day")[rows] = day


def _shifted(columns: Columns, rows: NDArray[np.int32], day: int) -> NDArray[np.int64]:
    """Daily counts, four bits each, moved so that today is lowest."""
    days = np.minimum(8, day - columns.of("impressions_day")[rows].astype(np.int64))
    return np.asarray((columns.of("impressions")[rows].astype(np.int64) << (4 * days)) & 0xFFFFFFFF)
