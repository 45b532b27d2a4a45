"""Campaigns: who gets which message, and what the firm sees of it.

One engine for popups and welcomes (on the site and in the app) and for pushes and e-mails (off it). A campaign finds
people by a targeting rule over what a firm can log. The engine leaves out control halves and holdouts, and allows one
off-site message a day and so many messages in all; earlier campaigns of the configuration go first. Customers keep
variant and holdout. What was sent, clicked, bought is tallied by variant; variant 0 are those found who got nothing.

A campaign with a `Cycle` learns (plan, do, check, act): at each revision the variant that did best so far gets the
larger share. The shares are company state, a recorded interface: in a replay they stay as at the beginning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents import draws
from agents.columns import BY_MAIL, BY_PUSH, FAR, NO_ORDER, Columns
from agents.compiled import compiled, rule
from agents.draws import row_draws
from agents.records import MESSAGE, NO_VARIANTS, VARIANT, Messages, VariantTable, Visits
from sim.company.ledger import Given

Channel = Literal["popup", "welcome", "push", "email"]
BITS: Mapping[Channel, int] = {"popup": 0, "welcome": 0, "push": BY_PUSH, "email": BY_MAIL}
GOALS: Mapping[Channel, str] = {"popup": "ordered", "welcome": "linked", "push": "clicked", "email": "clicked"}
"""The count, per time shown, by which a cycle judges variants."""

VISIT_FIELDS: Mapping[Channel, str] = {"popup": "variant_row", "welcome": "welcome_row"}
"""Fields of a visit that hold the row of the variant table of what is shown, by channel."""

CAP_DAYS = 7
"""Days over which the cap on messages counts."""


class Cycle(NamedTuple):
    """Plan, do, check, act: every so many days the best variant seen so far gets all but `explore` of the traffic."""

    every: int  # days
    least: int  # times each variant must have been shown before it is judged
    explore: float  # share left to the others, together
    cost: int  # yen per revision, of the firm with all its members
    first: int = 0  # day from which days are counted
    last: int = FAR  # day from which nothing is revised any more


class MailedCoupon(NamedTuple):
    """A coupon that comes with a message: yen, days from today on which it is good, share of receivers who keep it."""

    face: int
    valid_days: int
    kept: float


@dataclass(frozen=True)
class Message:
    """What a campaign sends. `lifts` and `appeals` are logits by variant; the rest as in `agents.records.VARIANT`."""

    channel: Channel
    lifts: tuple[float, ...]
    appeals: tuple[float, ...]
    slope: float = 0.0
    fit: float = 0.0
    depth: float = 0.0
    cost: int = 0
    holdout: float = 0.0
    opt_out: float = 0.0
    asks: bool = False
    shares: tuple[float, ...] = ()  # of the variants, at first; none: equal
    cycle: Cycle | None = None
    wakes: float = 0.0
    coupon: MailedCoupon | None = None

    @property
    def variants(self) -> int:
        """Number of variants."""
        return len(self.lifts)


class Tally(NamedTuple):
    """Counts by variant, int64 (variants + 1,) each; entry 0 counts those found who got nothing. For a whole arm the
    arrays of its campaigns are joined."""

    shown: NDArray[np.int64]
    clicked: NDArray[np.int64]
    ordered: NDArray[np.int64]
    linked: NDArray[np.int64]
    opted_out: NDArray[np.int64]


def new_tally(entries: int) -> Tally:
    """A tally of zeros."""
    return Tally(*(np.zeros(entries, np.int64) for _ in Tally._fields))


def variant_table(messages: Sequence[Message]) -> VariantTable:
    """The variant table: a row per message and variant, in order; one blank row where there are none."""
    variant_rows = [
        (lift, appeal, m.slope, m.fit, m.depth, m.opt_out, m.asks, m.wakes, BITS[m.channel])
        for m in messages
        for lift, appeal in zip(m.lifts, m.appeals, strict=True)
    ]
    return np.array(variant_rows, VARIANT) if variant_rows else NO_VARIANTS


@dataclass
class Campaign:
    """One campaign in one arm: its first row in the variant table, its shares, its tally."""

    number: int  # of the intervention: sticky draws are keyed by it
    name: str
    message: Message
    first_row: int
    tally: Tally
    shares: NDArray[np.float64] = field(init=False)
    revisions: int = 0

    def __post_init__(self) -> None:
        equal = (1.0 / self.message.variants,) * self.message.variants
        self.shares = np.array(self.message.shares or equal)

    def holds(self, variant_rows: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which of these rows of the variant table are its own."""
        return np.asarray((variant_rows >= self.first_row) & (variant_rows < self.first_row + self.message.variants))

    def pass_over(self, found: NDArray[np.bool_], **did: NDArray[np.bool_]) -> None:
        """Tally those who were found and got nothing, and what they did, under variant 0."""
        self.tally.shown[0] += np.count_nonzero(found)
        for name, mask in did.items():
            getattr(self.tally, name)[0] += np.count_nonzero(mask & found)

    @property
    def cost(self) -> NDArray[np.int64]:
        """Yen spent on messages by variant, entry 0 zero."""
        paid = self.message.cost * self.tally.shown
        paid[0] = 0
        return paid

    def variant_of(self, seed: int, rows: NDArray[np.int32]) -> NDArray[np.int64]:
        """Variant of each row, from 0; it changes only when the shares do."""
        if self.message.variants == 1:
            return np.zeros(len(rows), np.int64)
        u = row_draws(seed, rows, 0, draws.VARIANT, self.number)
        return np.searchsorted(np.cumsum(self.shares)[:-1], u, side="right")

    def held_out(self, seed: int, rows: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which rows are in the holdout, which never gets the message."""
        if self.message.holdout == 0.0:
            return np.zeros(len(rows), bool)
        return np.asarray(row_draws(seed, rows, 0, draws.HOLDOUT, self.number) < self.message.holdout)

    def revise(self) -> None:
        """Give the best variant so far the larger share, once every variant was shown often enough."""
        cycle = self.message.cycle
        shown = self.tally.shown[1:]
        if cycle is None or len(shown) < 2 or shown.min() < cycle.least:
            return
        won = getattr(self.tally, GOALS[self.message.channel])[1:]
        self.shares[:] = cycle.explore / (len(shown) - 1)
        self.shares[int(np.argmax(won / shown))] = 1.0 - cycle.explore


class Campaigns:
    """All campaigns of one arm. `treated` says who may get anything, `cap` how many messages in seven days."""

    def __init__(
        self,
        messages: Sequence[tuple[int, str, Message]],
        columns: Columns,
        seed: int,
        treated: NDArray[np.bool_],
        cap: int,
    ) -> None:
        self.columns, self.seed, self.treated, self.cap = columns, seed, treated, cap
        self.of: dict[int, Campaign] = {}
        self.variants = variant_table([message for _, _, message in messages])
        self._tally = new_tally(sum(message.variants + 1 for _, _, message in messages))
        self._entry = np.zeros(len(self.variants), np.intp)  # of the tally, by row of the variant table
        variant_row, entry = 0, 0
        for number, name, message in messages:
            own = Tally(*(counts[entry : entry + message.variants + 1] for counts in self._tally))
            self.of[number] = Campaign(number, name, message, variant_row, own)
            self._entry[variant_row : variant_row + message.variants] = entry + 1 + np.arange(message.variants)
            variant_row, entry = variant_row + message.variants, entry + message.variants + 1
        self._passed: dict[int, NDArray[np.int32]] = {}

    # -- off the site

    def audience(self, channel: Channel) -> NDArray[np.int32]:
        """Rows that the firm may write to, ascending: they consented at a first order (e-mail) or app visit (push)."""
        return np.flatnonzero(self.columns.consent & BITS[channel]).astype(np.int32)

    def sent(self, day: int, found: Sequence[tuple[int, NDArray[np.int32], NDArray[np.bool_]]]) -> Messages:
        """The day's messages; found: (campaign, rows, whether it is sure to fit), the first campaign first."""
        self._passed = {}
        taken = np.zeros(len(self.treated), bool)
        parts: list[Messages] = []
        for number, rows, relevant in found:
            campaign = self.of[number]
            free = self.may_get(number, rows, day) & ~taken[rows]
            part = self._written(campaign, rows[free], relevant[free])
            note_impressions(self.columns, part["row"], day)
            self._passed[number] = rows[~free]
            taken[part["row"]] = True
            parts.append(part)
        if len(parts) == 1:
            return parts[0]
        messages = np.concatenate(parts) if parts else np.zeros(0, MESSAGE)
        return messages[np.argsort(messages["row"], kind="stable")]

    def mailed(self, messages: Messages, day: int) -> list[Given]:
        """The coupons that came with the day's messages and are kept."""
        given = []
        for number, campaign in self.of.items():
            coupon = campaign.message.coupon
            if coupon is None:
                continue
            rows = messages["row"][messages["campaign"] == number]
            kept = rows[row_draws(self.seed, rows, day, draws.KEEP, number) < coupon.kept]
            given.append(Given.alike(kept, coupon.face, day + coupon.valid_days - 1))
        return given

    def _written(self, campaign: Campaign, rows: NDArray[np.int32], relevant: NDArray[np.bool_]) -> Messages:
        variant = campaign.variant_of(self.seed, rows)
        messages = np.zeros(len(rows), MESSAGE)
        messages["row"], messages["relevant"] = rows, relevant
        messages["campaign"], messages["variant"] = campaign.number, variant + 1
        messages["variant_row"], messages["cost"] = campaign.first_row + variant, campaign.message.cost
        return messages

    def may_get(self, number: int, rows: NDArray[np.int32], day: int) -> NDArray[np.bool_]:
        """Which of these rows may get the campaign's message: treated, no holdout, below the cap."""
        may = self.treated[rows] & ~self.of[number].held_out(self.seed, rows)
        return np.asarray(may & (impressions_lately(self.columns, rows, day) < self.cap))

    # -- what the firm sees

    def count_visits(self, visits: Visits, found: Mapping[int, NDArray[np.bool_]]) -> None:
        """Tally the visitors found by each on-site campaign: what they were shown and did."""
        if not found:
            return
        did = {"ordered": visits["kind"] != NO_ORDER, "linked": visits["linked"] == 1}
        got = {place: (visits[place] > 0, visits[variant_row]) for place, variant_row in VISIT_FIELDS.items()}
        self._add(*got["popup"], clicked=visits["clicked"] == 1, **did)
        self._add(*got["welcome"], **did)
        for number, chosen in found.items():
            campaign = self.of[number]
            somebody, variant_rows = got[campaign.message.channel]
            campaign.pass_over(chosen & ~(somebody & campaign.holds(variant_rows)), **did)

    def count_messages(self, messages: Messages, visits: Visits) -> None:
        """Tally what was sent, clicked and opted out of, and who ordered the same day; then forget who got nothing."""
        if not self._passed:
            return
        buyers = visits["row"][visits["kind"] != NO_ORDER]
        self._add(
            np.ones(len(messages), bool), messages["variant_row"], clicked=messages["clicked"] == 1,
            opted_out=messages["opted_out"] == 1, ordered=np.isin(messages["row"], buyers),
        )  # fmt: skip
        for number, passed in self._passed.items():
            self.of[number].pass_over(np.ones(len(passed), bool), ordered=np.isin(passed, buyers))
        self._passed = {}

    def _add(self, somebody: NDArray[np.bool_], variant_rows: NDArray[np.uint8], **did: NDArray[np.bool_]) -> None:
        """Tally who got which row of the variant table, and what they did; arrays of one shape."""
        got = np.flatnonzero(somebody)
        if len(got) == 0:
            return
        entries = self._entry[variant_rows[got]]
        for name, mask in {"shown": somebody, **did}.items():
            counts = getattr(self._tally, name)
            counts += np.bincount(entries[mask[got]], minlength=len(counts))

    # -- learning

    def revise(self, day: int) -> int:
        """Revise the shares of campaigns whose cycle ends today; returns what that costs the firm, yen."""
        spent = 0
        for campaign in self.of.values():
            cycle = campaign.message.cycle
            if cycle is None or not cycle.first <= day < cycle.last:
                continue
            if (day + 1 - cycle.first) % cycle.every == 0:
                campaign.revise()
                campaign.revisions += 1
                spent += cycle.cost
        return spent


@compiled
def impressions_lately(c: Columns, rows: NDArray[np.int32], day: int) -> NDArray[np.int64]:
    """Impressions of each row over today and the six days before."""
    counts = np.zeros(len(rows), np.int64)
    for k in range(len(rows)):
        packed = _shifted(c, rows[k], day)
        for ago in range(CAP_DAYS):
            counts[k] += (packed >> (4 * ago)) & 15
    return counts


@compiled
def note_impressions(c: Columns, rows: NDArray[np.int32], day: int) -> None:
    """Count one impression more for each row today."""
    for k in range(len(rows)):
        c.more[rows[k]].impressions = _shifted(c, rows[k], day) + 1
        c.more[rows[k]].impressions_day = day


@rule
def _shifted(c: Columns, row: int, day: int) -> int:
    """A row's daily counts, four bits each, shifted so that today's are lowest."""
    days = min(8, day - int(c.more[row].impressions_day))
    return (int(c.more[row].impressions) << (4 * days)) & 0xFFFFFFFF
