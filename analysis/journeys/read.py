"""The journeys a run kept, read once: what happened to whom in each arm, how they felt, and who they are.

They are those of the first replication and of its first so many customers (`events` of the configuration), in the
baseline and in the last scenario.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.folders.run_folder import Run, RunError
from analysis.style.language import N_, _
from sim.tables import BASELINE, EVENT_NAMES, VARIANT_EVENTS
from sim.tables import TOUCHPOINTS as TOUCHPOINT_NAMES

EVENT_WORDS = {
    "aware": N_("learns of the brand"),
    "message sent": N_("message sent"),
    "message clicked": N_("message clicked"),
    "opted out": N_("opts out of messages"),
    "linked": N_("links an account"),
    "preference told": N_("tells a preference"),
    "visit": N_("visit"),
    "popup shown": N_("popup shown"),
    "popup clicked": N_("popup clicked"),
    "order": N_("order"),
    "coupon redeemed": N_("coupon redeemed"),
    "coupon issued": N_("coupon issued"),
    "delivered": N_("order handed over"),
    "support contact": N_("contact with support"),
    "episode": N_("experience scored"),
    "let down": N_("let down by a touchpoint"),
    "talk": N_("talks to friends"),
    "heard": N_("hears from a friend"),
    "lapsed": N_("lapses silently"),
    "survey answer": N_("survey answered"),
    "cancelled": N_("order cancelled"),
}
"""The kinds of event in words."""

EVENT, TIME = "concept:name", "time:timestamp"
"""Columns of events.parquet."""

STORE = 2
CHANNELS = {0: N_("website"), 1: N_("app"), STORE: N_("store")}
"""Values of a visit."""

TOUCHPOINTS = dict(enumerate(TOUCHPOINT_NAMES))
"""Values of being let down."""

SCORES = ("episode", "talk", "heard")
"""Kinds of event whose value is in su."""

BY_TALK = 2
"""Value of becoming aware by word of mouth."""


class Journeys:
    """Events, states and people of the customers whose journeys were kept.

    `events` has the columns customer, event, day, arm, value and campaign, each customer's in the order they happened.
    Of messages the value is the number of the variant, and the campaign is named where its arm has several, else empty.
    Scores are rounded to the digit that is shown, so that what looks the same is the same.
    Raises RunError where the run kept none.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        if BASELINE not in set(run.events["arm"]):
            raise RunError("{folder} kept no journeys; run it with events above 0 and arms=all", folder=run.folder)
        self.events = _events(run)
        self.arms = tuple(map(str, pd.unique(self.events["arm"])))

    @classmethod
    def kept(cls, run: Run) -> Journeys | None:
        """The journeys of a run, None where it kept none."""
        if not (run.has("events.parquet") and run.has("states.parquet") and run.has("customers.parquet")):
            return None
        return cls(run) if len(run.events) else None

    @property
    def scenario(self) -> str | None:
        """The arm beside the baseline, None where there is none."""
        others = [arm for arm in self.arms if arm != BASELINE]
        return others[-1] if others else None

    @property
    def told(self) -> str:
        """The arm that stories are told of: the scenario's where there is one."""
        return self.scenario or BASELINE

    @cached_property
    def states(self) -> pd.DataFrame:
        """states.parquet: customer, day, arm, satisfaction, expectation."""
        return self.run.table("states.parquet")

    @cached_property
    def people(self) -> pd.DataFrame:
        """customers.parquet of those whose journeys were kept; of both arms."""
        table = self.run.table("customers.parquet")
        return table[table["customer"] < int(self.run.config.get("events", 0))]

    @cached_property
    def _of_arm(self) -> dict[str, pd.DataFrame]:
        return {str(arm): own for arm, own in self.events.groupby("arm", sort=False, observed=True)}

    def of(self, *events: str, arm: str | None = None) -> pd.DataFrame:
        """customer, day and value of the events of these kinds in one arm, the told one by default."""
        own = self._of_arm[arm or self.told]
        return own.loc[own["event"].isin(events), ["customer", "day", "value"]].reset_index(drop=True)

    def arm(self, arm: str) -> pd.DataFrame:
        """All events of one arm."""
        return self._of_arm[arm]

    @cached_property
    def start(self) -> np.datetime64:
        """Date of day 0."""
        return np.datetime64(str(self.run.config.get("start_date", "2027-01-01")), "D")

    def date(self, day: int) -> str:
        """Calendar date of a day."""
        return str(self.start + np.timedelta64(day, "D"))


def _events(run: Run) -> pd.DataFrame:
    table = run.events
    value, campaign = _variants(run, table)
    start = pd.Timestamp(str(run.config.get("start_date", "2027-01-01")))
    names = [*EVENT_NAMES, *sorted(set(pd.unique(table[EVENT])) - set(EVENT_NAMES))]
    return pd.DataFrame({
        "customer": table["customer"].to_numpy(),
        "event": pd.Categorical(table[EVENT], categories=names),
        "day": (table[TIME] - start).dt.days.to_numpy(),
        "arm": pd.Categorical(table["arm"], categories=list(pd.unique(table["arm"]))),
        "value": np.where(table[EVENT].isin(SCORES), np.round(value, 1), value),
        "campaign": campaign,
    })  # fmt: skip


def _variants(run: Run, table: pd.DataFrame) -> tuple[npt.NDArray[np.float64], pd.Categorical]:
    """By event: its value, variants by number, and the campaign's name where the arm has several."""
    value, campaign = table["value"].to_numpy(dtype=float, copy=True), np.full(len(table), "", dtype=object)
    of_variants = table[EVENT].isin(VARIANT_EVENTS).to_numpy() & (value > 0)
    for arm, own in variants(run).groupby("arm", sort=False):
        rows = np.flatnonzero(of_variants & (table["arm"] == arm).to_numpy())
        sent = own.iloc[value[rows].astype(int) - 1]
        value[rows] = sent["variant"]
        if own["campaign"].nunique() > 1:
            campaign[rows] = sent["campaign"]
    return value, pd.Categorical(campaign)


def variants(run: Run) -> pd.DataFrame:
    """What the first replication's arms could send: arm, campaign, variant; each arm's rows from number 1 on."""
    table = run.optional("campaigns.parquet")
    first = (table["replication"] == 0) & (table["second_seed"] == 0) & (table["variant"] > 0)
    return table.loc[first, ["arm", "campaign", "variant"]].reset_index(drop=True)


def event_word(event: str) -> str:
    """A kind of event in words; its own name where it is none of ours."""
    return _(EVENT_WORDS.get(event, event))
