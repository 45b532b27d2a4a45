"""What the company offers: the one place where interventions act.

An intervention sees what a firm can log, never a latent trait. It makes offers to some of the day's visitors, sends
messages to some of those it may write to, or changes the company as a whole. The company decides who of them is treated
(everybody, nobody, a fair half) and shows one popup a visit, that of the first intervention in the configuration;
`sim.company.campaigns` keeps the other rules of messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.columns import APP, LIKES, NEVER, OBSERVABLE, SHOP, UNKNOWN, Columns
from agents.compiled import compiled, loop, of_one_type
from agents.records import OPTION, Messages, Visits, WaitingOptions
from sim.company.campaigns import Campaigns, Message, note_impressions
from sim.company.changes import NO_CHANGES, Changes
from sim.company.meetings import Meetings

DAYS_SINCE = {
    "days_since_order": "last_order",
    "days_since_first_order": "first_order",
    "days_since_visit": "last_visit",
    "days_since_search": "topic_day",
    "days_since_app": "first_app",
}
"""Observables that count days since something; before it has happened they lie in no bounds."""

AMOUNTS = ("orders", "monetary", "open_orders", "answer", "last_late", "preference", "activated")
"""Observables that are amounts; one that is not known yet lies in no bounds."""

NOTHING_YET = {"answer": -1, "last_late": UNKNOWN}
"""Value of an amount that is not known yet; that of a day is NEVER."""


class Observed:
    """Observable columns of some customers, each of shape (customers,): see `agents.columns.OBSERVABLE`.

    `channel` holds the channel of each one's visit today; without visits (a message sent in the morning) it is empty.
    """

    def __init__(
        self,
        columns: Columns,
        rows: NDArray[np.int32],
        day: int,
        personas: tuple[str, ...],
        topics: tuple[str, ...],
        channel: NDArray[np.uint8] | None = None,
    ) -> None:
        self._columns = columns
        self.rows = rows
        self.channel = channel if channel is not None else np.zeros(0, np.uint8)
        self._personas = personas
        self._topics = topics
        self.day = day

    def __len__(self) -> int:
        return len(self.rows)

    def __getattr__(self, name: str) -> NDArray[Any]:
        if name in OBSERVABLE:
            return np.asarray(self._columns.of(name)[self.rows])
        raise AttributeError(
            f"a firm cannot log {name!r}; a rule may read {', '.join(sorted(OBSERVABLE))}, online, segment()"
        )

    @property
    def online(self) -> NDArray[np.bool_]:
        """Visits on the web or in the app."""
        return np.asarray(self.channel != SHOP)

    @property
    def launches(self) -> NDArray[np.bool_]:
        """Visits that are the first in the app."""
        return np.asarray((self.channel == APP) & (self.first_app == self.day))

    def segment(self, name: str) -> NDArray[np.bool_]:
        """Those whose declared segment is `name`."""
        return np.asarray(self.declared == self._personas.index(name))

    def searched(self, topic: str, within_days: int) -> NDArray[np.bool_]:
        """Those whose last search was for `topic`, today or up to `within_days` ago."""
        recent = (self.topic_day != NEVER) & (self.day - self.topic_day.astype(np.int64) <= within_days)
        return np.asarray(recent & (self.topic == self._topics.index(topic) + 1))

    def ordered_since_search(self) -> NDArray[np.bool_]:
        """Those who have ordered on or after the day of their last search."""
        return np.asarray((self.last_order != NEVER) & (self.last_order >= self.topic_day))

    @property
    def preference(self) -> NDArray[np.uint8]:
        """1 for those who have told the firm what they like."""
        return np.asarray((self.consent & LIKES) > 0, np.uint8)

    @property
    def holds_coupon(self) -> NDArray[np.bool_]:
        """Those with a coupon still good."""
        return np.asarray(self.coupon_until >= self.day)

    def between(self, name: str, low: float, high: float) -> NDArray[np.bool_]:
        """Those whose observable of AMOUNTS or DAYS_SINCE lies in [low, high]; what is not known lies nowhere."""
        values = getattr(self, DAYS_SINCE.get(name, name)).astype(np.float64)
        known = values != NOTHING_YET.get(name, NEVER)
        if name in DAYS_SINCE:
            values = self.day - values
        return np.asarray(known & (values >= low) & (values <= high))


class Apology(NamedTuple):
    """What follows a parcel that is `late_days` days late or more: a coupon of `face` yen, and an apology.

    It makes good a share of a bad score, `makes_good` where a coupon comes with it, and `again` where another
    apology came within so many days before: a share below zero makes it worse.
    """

    late_days: int
    face: int
    valid_days: int
    makes_good: float
    again: float
    again_within: int


class Treatment:
    """An intervention as the company sees it; this one does nothing. Base of `scenarios.intervention.Intervention`."""

    name: str
    """Its key in the scenario file."""

    company_wide: ClassVar[bool] = False
    """Whether it acts on everybody at once, so that no half of the customers can be left out."""

    @property
    def changes_company(self) -> bool:
        """Whether it can make anything different about the company: a kind that does not is not asked every day."""
        own = type(self)
        return own.changes is not Treatment.changes or own.meetings is not Treatment.meetings

    @property
    def message(self) -> Message | None:
        """The message it sends if it is a campaign, else None."""
        return None

    @property
    def days_to_choose(self) -> tuple[tuple[int, int], ...]:
        """Its options of waiting, (days beyond no-rush's lead, yen of the coupon); empty if it has none."""
        return ()

    def on_visits(self, seen: Observed, offers: Offers) -> None:
        """Make today's offers to the visitors seen."""

    def writes_on(self, day: int) -> bool:
        """Whether it sends off-site messages on `day`."""
        return False

    def chooses(self, seen: Observed) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Masks over those it may write to: (who is to get the message, whom it is sure to fit)."""
        raise NotImplementedError

    def changes(self, day: int) -> Changes:
        """What it makes different about the company on `day`; asked only if everybody is treated."""
        return NO_CHANGES

    def meetings(self) -> Meetings | None:
        """Regular meetings over customers' comments that it sets up, else None."""
        return None

    def apology(self, day: int) -> Apology | None:
        """What follows a parcel handed over late on `day`, else None."""
        return None

    def cost_on(self, day: int) -> float:
        """What it costs the firm as a whole on `day`, yen, beside customers' costs, projects and revisions."""
        return 0.0


Placed = Sequence[tuple[int, Treatment]]
"""Interventions of an arm with their numbers (below 8), on which draws that a customer keeps depend."""


def waiting_options_of(placed: Placed) -> WaitingOptions:
    """The options of waiting of all interventions."""
    options = [(number, extra, face) for number, one in placed for extra, face in one.days_to_choose]
    return np.array(options, OPTION)


class Offers:
    """Offers to the day's visitors, collected over interventions."""

    def __init__(self, columns: Columns, visits: Visits, day: int, campaigns: Campaigns) -> None:
        self._columns = columns
        self._visits = visits
        self._day = day
        self._rows = np.ascontiguousarray(visits["row"])
        self._campaigns = campaigns
        self.found: dict[int, NDArray[np.bool_]] = {}

    def speak_for(self, number: int) -> None:
        """Set the intervention from which the offers that follow come."""
        self._number = number

    def _reach(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Note who is eligible, treated or not; returns who of them is treated."""
        return reached(self._columns, self._rows, chosen, self._campaigns.treated, self._number, self._day)

    def norush_coupon(self, chosen: NDArray[np.bool_], face: int, valid_days: int, breakage: float = 0.0) -> None:
        """A coupon of `face` yen for choosing no-rush delivery, good from the next day for `valid_days`; none beside a
        choice of days. `breakage` is the share of them that is earned and never used."""
        _offer_coupon(self._visits, self._reach(chosen), face, self._day + valid_days, breakage)

    def choice_of_days(self, chosen: NDArray[np.bool_], valid_days: int) -> None:
        """The intervention's options of waiting with no-rush delivery, instead of a plain coupon."""
        shown = self._reach(chosen) & (self._visits["norush_coupon"] == 0) & (self._visits["waiting_options"] == 0)
        self._visits["waiting_options"][shown] = self._number + 1
        self._visits["coupon_last"][shown] = self._day + valid_days

    def popup(self, chosen: NDArray[np.bool_], relevant: NDArray[np.bool_]) -> None:
        """The campaign's popup; `relevant`: for whom it is sure to fit. Visitors of the store get none."""
        shown = self._shown(chosen) & (self._visits["popup"] == 0) & (self._visits["channel"] != SHOP)
        self._show(shown, "popup", "variant_row")
        self._visits["relevant"][shown] = relevant[shown]

    def welcome(self, chosen: NDArray[np.bool_]) -> None:
        """The campaign's message at the app's first launch."""
        self._show(self._shown(chosen) & (self._visits["welcome"] == 0), "welcome", "welcome_row")

    def _shown(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        self.found[self._number] = chosen
        return self._reach(chosen) & self._campaigns.may_get(self._number, self._rows, self._day)

    def _show(self, shown: NDArray[np.bool_], variant: str, variant_row: str) -> None:
        campaign = self._campaigns.of[self._number]
        place = np.flatnonzero(shown)
        rows = self._rows[place]
        number = campaign.variant_of(self._campaigns.seed, rows)
        self._visits[variant][place] = number + 1
        self._visits[variant_row][place] = campaign.first_row + number
        self._visits["message_cost"][place] += campaign.message.cost
        note_impressions(self._columns, rows, self._day)


def reached(
    columns: Columns, rows: NDArray[np.int32], chosen: NDArray[np.bool_], treated: NDArray[np.bool_], number: int,
    day: int,
) -> NDArray[np.bool_]:  # fmt: skip
    """Note within the horizon that intervention `number` would reach the chosen rows, treated or not; returns who of
    them is treated."""
    return _reached(columns, rows, np.ascontiguousarray(chosen, bool), treated, 1 << number if day >= 0 else 0)


@of_one_type
@compiled
def _reached(
    c: Columns, rows: NDArray[np.int32], chosen: NDArray[np.bool_], treated: NDArray[np.bool_], bit: int
) -> NDArray[np.bool_]:
    """Set a bit of the chosen rows' `eligible`; returns who of them is treated."""
    found = np.zeros(len(rows), np.bool_)
    for k in range(len(rows)):
        if chosen[k]:
            c.more[rows[k]].eligible |= bit
            found[k] = treated[rows[k]]
    return found


@of_one_type
@loop
def _offer_coupon(v: Visits, reached: NDArray[np.bool_], face: int, last: int, breakage: float) -> None:
    """Offer a no-rush coupon where it is worth more than another's, and no choice of days is offered."""
    for j in range(len(v)):
        if reached[j] and face > v[j].norush_coupon and v[j].waiting_options == 0:
            v[j].norush_coupon = face
            v[j].coupon_last = last
            v[j].breakage = breakage


def written(
    placed: Placed, campaigns: Campaigns, day: int, personas: tuple[str, ...], topics: tuple[str, ...]
) -> Messages:
    """The pushes and e-mails of a morning."""
    found = []
    for number, intervention in placed:
        if intervention.message is None or not intervention.writes_on(day):
            continue
        rows = campaigns.audience(intervention.message.channel)
        chosen, fits = intervention.chooses(Observed(campaigns.columns, rows, day, personas, topics))
        reached(campaigns.columns, rows, chosen, campaigns.treated, number, day)
        found.append((number, rows[chosen], fits[chosen]))
    return campaigns.sent(day, found)
