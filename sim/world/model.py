"""One world: a company on SimPy's clock and its customers, as a Mesa model.

The order of a day (ODD 3), times of day in brackets:

 1. [00:00] the company looks at its calendar; coupons that ended yesterday expire
 2. [06:00] pushes and e-mails go out and are read or not                       (`Campaigns`, `Engine.receive`)
            customers learn of the brand, or visit, bringing beliefs up to date             (`Engine.arrive`)
 3.         the company sees the visitors and makes its offers                               (`Offers`)
 4.         visitors react, choose, order; orders are booked, batched, queued                (`Engine.choose`)
 5.         orders handed over or cancelled today, and store purchases, are experienced      (`Engine.experience`)
 6. [desk]  contacts wait at the support desk during its opening hours                       (`SupportDesk`)
 7. [20:00] the fulfilment centre ships                                                      (`FulfilmentCentre`)
 8. [22:00] episodes are settled: satisfaction, talk, attrition                             (`Engine.conclude`, `lapse`)
 9.         the day's talk reaches ties and public                                           (`Engine.hear`)
10. [23:00] weekly: survey and census; campaigns that learn revise their shares; then the recorder writes the day's row
11. [23:30] on the days of its meetings, the firm takes up what customers say          (`meetings.MeetingState`)

Customers read word of mouth as of the day before, so 2-5 and 8 are synchronous. They affect one another through four
recorded places only: talk, ship days, support waits, company state (shares of variants; quality and other `Changes`).

At midnight a world is plain data: `snapshot` copies it, and every arm starts from a copy.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import simpy
from numpy.typing import NDArray

from agents import wallet
from agents.columns import OUTCOMES, STORE
from agents.customer import Customer
from agents.framework import mesa
from agents.network import small_world
from agents.population import draw_population
from agents.records import EPISODE, MESSAGE, Episodes, Messages, Today, Visits
from agents.state import Customers
from sim.company.campaigns import Campaigns
from sim.company.changes import NO_CHANGES, Changes, NewTerms, changed_rules, shifted_quality, together
from sim.company.fulfilment import (
    Batch,
    Centre,
    FulfilmentCentre,
    ReplayedCentre,
    ShippingRecord,
    batches,
    episodes_of,
    log_deliveries,
    orders_of,
)
from sim.company.ledger import Books, Given, book_calls, book_messages, book_refunds, book_visits
from sim.company.meetings import MeetingState
from sim.company.offers import Observed, Offers, Placed, waiting_options_of, written
from sim.company.recovery import Apologies
from sim.company.support import Calls, Desk, ReplayedDesk, SupportDesk, WaitingRecord, calls_of, hang_up
from sim.world.constants import World, quality, surroundings
from sim.world.daily_log import Recorder
from sim.world.engines import ByAgent, ByColumn, Engine
from sim.world.event_log import Journal
from sim.world.word_of_mouth import Public, Talks, talks_of

MORNING, SHIPPING, EVENING, NIGHT = 6 / 24, 20 / 24, 22 / 24, 23 / 24
"""Times of day on a clock that counts days."""

NO_MESSAGES: Messages = np.zeros(0, MESSAGE)

EngineName = Literal["column", "agent"]


@dataclass(frozen=True)
class Recording:
    """What happened in a world at the recorded interfaces: talk, ship days, waits."""

    talks: dict[int, Talks]
    shipping: ShippingRecord
    waiting: WaitingRecord


@dataclass(frozen=True)
class Snapshot:
    """A world at midnight before `day`."""

    day: int
    customers: Customers
    centre: FulfilmentCentre
    public: Public
    books: Books

    def copied(self) -> Snapshot:
        """An independent copy; a model takes over the snapshot it is given and changes it."""
        return Snapshot(
            self.day, self.customers.copied(), self.centre.copied(), self.public.copied(), self.books.copied()
        )


@dataclass(frozen=True)
class Arm:
    """Who is treated with what, and which interfaces are replayed.

    Where company state is replayed, variants keep their first shares: in the recorded baseline nothing is learned.
    """

    interventions: Placed = ()
    treated: NDArray[np.bool_] | None = None
    recorded: Recording | None = None
    replay_talk: bool = False
    replay_congestion: bool = False
    replay_company: bool = False
    standing: Changes = NO_CHANGES  # what is put otherwise all the time, where everybody is treated

    @property
    def everybody(self) -> bool:
        """Whether all customers are treated: only then does an intervention change the company as a whole."""
        return self.treated is not None and bool(self.treated.all())

    @property
    def may_change(self) -> bool:
        """Whether anything of the company can be otherwise than configured on some day."""
        stated = any(one.changes_company for _, one in self.interventions)
        return self.everybody and (stated or self.standing != NO_CHANGES)


def founded(world: World) -> Snapshot:
    """A snapshot before the first day: customers and ties exist, nothing is on the way."""
    columns = draw_population(world.traits, world.seed, world.customers, world.first_day)
    columns.of("satisfaction")[:] = np.array(world.usual)[columns.of("persona")]
    public = Public(world.first_day - 1, world.burn_in + world.days, world.rules.public_share, world.customers)
    customers = Customers(
        columns,
        world.rules,
        surroundings(world, public.weight, public.score),
        wallet.new_wallet(1024),
        small_world(world.seed, world.customers, world.degree, world.rewiring),
    )
    return Snapshot(world.first_day, customers, FulfilmentCentre(world.terms), public, Books())


def burnt_in(world: World, engine: EngineName = "column", until: int = 0) -> Snapshot:
    """A snapshot of the untreated world at the midnight before day `until`, from which arms can start."""
    model = CXModel(world, founded(world), engine=engine, record=False)
    model.run(until)
    return model.handed_over()


class CXModel(mesa.Model):
    """One arm of one replication, from a snapshot on.

    `step()` runs a day, `run(until)` runs to the midnight before day `until`. `customer(row)` is a Mesa view of any
    customer under both engines. `agent_class` is the class the agent engine makes its customers of.
    `record` keeps what a replay needs.
    """

    def __init__(
        self,
        world: World,
        start: Snapshot,
        arm: Arm | None = None,
        engine: EngineName = "column",
        journal: Journal | None = None,
        shuffle: bool = False,
        agent_class: type[Customer] = Customer,
        record: bool = True,
    ) -> None:
        super().__init__(seed=world.seed % (1 << 32))
        self.world = world
        self.arm = arm or Arm()
        self.customers = start.customers
        self.customers.use(world.rules)
        self.public = start.public
        nobody = np.zeros(len(self.customers), bool)
        self.treated = nobody if self.arm.treated is None else self.arm.treated
        self.somebody = bool(self.treated.any())
        self.campaigns = self._campaigns()
        self.apologies = Apologies(self.arm.interventions, self.treated)
        self.customers.around = surroundings(world, self.public.weight, self.public.score)
        self.customers.variants = self.campaigns.variants
        self.customers.waiting_options = waiting_options_of(self.arm.interventions)
        self.in_force = NO_CHANGES
        self._changing = self.arm.may_change or world.promise_follows
        self.company_costs = np.zeros(world.days, np.int64)  # yen by day of the horizon, booked to no customer
        self.books = start.books
        self.journal = journal
        self.record = record
        self.talks: dict[int, Talks] = {}
        self.engine: Engine = (
            ByColumn(self.customers) if engine == "column" else ByAgent(self.customers, self, shuffle, agent_class)
        )
        self.env = simpy.Environment(initial_time=start.day)
        self.centre, self.desk = self._company(start)
        self.meetings = self._meetings()
        self.recorder = Recorder(self.customers.columns, start.day, world.days)
        self._owed = 0.0  # what a day's costs leave over of a whole yen is paid with the next
        self._part_order = 0.0  # what a day's capacity leaves over of a whole order is there the next day
        self._stores: list[Batch] = []
        self._episodes: Episodes = np.zeros(0, EPISODE)
        self._calls: Calls | None = None
        self._views: dict[int, Customer] = {}
        self.engine.start(start.day)
        self.env.process(self._days())

    def _company(self, start: Snapshot) -> tuple[Centre, Desk]:
        recorded = self.arm.recorded
        if self.arm.replay_congestion and recorded is not None:
            return ReplayedCentre.resumed(start.centre, recorded.shipping), ReplayedDesk(recorded.waiting)
        return start.centre, SupportDesk(self.env, self.world.desk)

    def _campaigns(self) -> Campaigns:
        sends = [(number, one.name, one.message) for number, one in self.arm.interventions if one.message is not None]
        columns = self.customers.columns
        return Campaigns(sends, columns, self.world.seed, self.treated, self.world.message_cap)

    def _meetings(self) -> list[MeetingState]:
        """The firm's meetings over what customers say, in arms in which everybody is treated."""
        asked = [one.meetings() for _, one in self.arm.interventions] if self.arm.everybody else []
        meetings = [MeetingState(terms) for terms in asked if terms is not None]
        for meeting in meetings:
            self.env.process(meeting.meetings(self.env, self._spend))
        return meetings

    # -- running

    @property
    def day(self) -> int:
        """The day being, or about to be, simulated."""
        return int(self.env.now)

    def step(self) -> None:
        """Simulate one day."""
        self.run(self.day + 1)

    def run(self, until: int) -> None:
        """Simulate up to the midnight before day `until`."""
        if self.env.now < until:
            self.env.run(until=until)

    def customer(self, row: int) -> Customer:
        """One customer as a Mesa agent; the same object each time."""
        if isinstance(self.engine, ByAgent):
            return self.engine.agents[row]
        if row not in self._views:
            self._views[row] = Customer(self, self.customers, row)
        return self._views[row]

    def snapshot(self) -> Snapshot:
        """A copy of the world's state at midnight; its interfaces must be live."""
        return self.handed_over().copied()

    def handed_over(self) -> Snapshot:
        """The world's state at midnight without a copy: this model must not run on. Its interfaces must be live."""
        if not isinstance(self.centre, FulfilmentCentre):
            raise ValueError("only a world with live interfaces can be copied")
        return Snapshot(self.day, self.customers, self.centre, self.public, self.books)

    def recording(self) -> Recording:
        """Talk, ship days and waits so far, for a replay."""
        if not (isinstance(self.centre, FulfilmentCentre) and isinstance(self.desk, SupportDesk)):
            raise ValueError("only a world with live interfaces can be recorded")
        if not self.record:
            raise ValueError("this world was told not to record")
        return Recording(self.talks, ShippingRecord(self.centre), WaitingRecord(self.desk))

    # -- a day

    def _days(self) -> Generator[Any, Any, None]:
        """The company's day as a SimPy process; see the module's docstring for the order."""
        while True:
            day = self.day
            self._open_day(day)
            yield self.env.timeout(day + MORNING - self.env.now)
            self._shopping(day)
            self._handing_over(day)
            yield from self._until(day + SHIPPING)
            self._ship(day)
            yield from self._until(day + EVENING)
            self._settle(day)
            self._spread_talk(day)
            yield from self._until(day + NIGHT)
            if (day + 1) % 7 == 0:
                self._weekly(day)
            if self.somebody:
                self._spend(day, sum(one.cost_on(day) for _, one in self.arm.interventions))
            if self.somebody and not self.arm.replay_company:
                self._spend(day, self.campaigns.revise(day))
            self._close_day(day)
            yield self.env.timeout(day + 1 - self.env.now)

    def _until(self, time: float) -> Generator[Any, Any, None]:
        """Wait for a time of day, if anything at all happens before it."""
        if self.env.peek() <= time:
            yield self.env.timeout(time - self.env.now)

    def _forget(self) -> None:
        """Drop what only a recording needs, so that a long world grows no larger."""
        if isinstance(self.centre, FulfilmentCentre):
            for kept in (self.centre.shipped, self.centre.heads, self.centre.withdrawn, self.centre.longer):
                kept.clear()
        if isinstance(self.desk, SupportDesk):
            self.desk.record.clear()

    def today(self, day: int) -> Today:
        """What all customers share on a day."""
        return Today(
            self.world.seed, day, self.world.first_day - 1, float(self.world.season[self.world.on(day)]),
            float(self.world.ad_intensity), float(self.public.volume),
        )  # fmt: skip

    def _open_day(self, day: int) -> None:
        if day == 0:  # outcomes count from here
            for name in OUTCOMES:
                self.customers.columns.of(name)[:] = 0
        self._change(day)
        self._today = self.today(day)
        self.recorder.open(day)
        self.recorder.put(coupons_expired=self.books.expire(day))

    def _change(self, day: int) -> None:
        """Put the day's changes of the company in force, where they differ from yesterday's."""
        if not self._changing:
            return
        stated = [one.changes(day) for _, one in self.arm.interventions]
        promised = [self._promise(day)] if self.world.promise_follows else []
        meetings = [meeting.changes(day) for meeting in self.meetings]
        wanted = together([self.arm.standing, *stated, *meetings, *promised])
        if wanted == self.in_force:
            return
        lapse_hazard_moves = wanted.competitor != self.in_force.competitor
        if lapse_hazard_moves:
            self.engine.settle(day)
        self.customers.use(changed_rules(self.world.rules, wanted))
        self.customers.around.quality[:] = shifted_quality(quality(self.world), wanted)
        self.centre.terms = self.world.terms.with_transit(wanted.delivery.transit)
        if lapse_hazard_moves:
            self.engine.start(day)
        self.in_force = wanted

    def _promise(self, day: int) -> Changes:
        """The days by which the backlog puts today's promises off."""
        on = self.world.on(day)
        expected = self.world.ordinary * float(self.world.season[on])
        longer = self.centre.put_off(day, self.world.capacity[on:], expected)
        return Changes(delivery=NewTerms(longer=longer)) if any(longer) else NO_CHANGES

    def lasting(self) -> Changes:
        """What stays changed when the interventions are withdrawn: what stands all the time, and finished projects."""
        return together([self.arm.standing, *(meeting.changes(self.day) for meeting in self.meetings)])

    def _spend(self, day: int, yen: float) -> None:
        """Book a cost of the whole firm, yen: the simulated market bears its share of the members."""
        if day < 0:
            return
        self._owed += yen * self.world.customers / self.world.members
        part = int(self._owed)
        self._owed -= part
        if part:
            self.company_costs[day] += part
            self.recorder.add("profit", -part)

    def _shopping(self, day: int) -> None:
        messages = self._write(day)
        arrivals = self.engine.arrive(self._today, messages)
        found = self._offer(day, arrivals.visits)
        self.engine.choose(self._today, arrivals.visits)
        self.campaigns.count_visits(arrivals.visits, found)
        self.campaigns.count_messages(messages, arrivals.visits)
        self._book(day, arrivals.visits)
        self._queue_orders(day, arrivals.visits)
        self.recorder.arrivals(arrivals)
        self._book_messages(day, messages)
        if self.journal is not None:
            self.journal.shopping(day, self.customers, arrivals)

    def _give(self, coupons: Given, day: int) -> None:
        """Put coupons that come with no order into wallets, good from the day after `day`."""
        self.books.give(self.customers, coupons, day)
        self.recorder.add("coupons_issued", len(coupons.row))

    def _write(self, day: int) -> Messages:
        """The morning's pushes and e-mails, as their receivers take them."""
        if not any(one.writes_on(day) for _, one in self.arm.interventions):
            return NO_MESSAGES
        world = self.world
        messages = written(self.arm.interventions, self.campaigns, day, world.traits.personas.names, world.topics)
        self.engine.receive(self._today, messages)
        for coupons in self.campaigns.mailed(messages, day):
            self._give(coupons, day - 1)
        if self.journal is not None:
            self.journal.messages(day, messages, self.campaigns.variants["asks"])
        return messages

    def _book_messages(self, day: int, messages: Messages) -> None:
        if len(messages) == 0:
            return
        self.recorder.add("profit", -book_messages(self.customers, messages, day))
        self.recorder.messages(messages)

    def _offer(self, day: int, visits: Visits) -> dict[int, NDArray[np.bool_]]:
        """Write the offers into the visits; returns which visitors each campaign found."""
        if not self.arm.interventions:
            return {}
        columns, world = self.customers.columns, self.world
        offers = Offers(columns, visits, day, self.campaigns)
        rows, channel = np.ascontiguousarray(visits["row"]), np.ascontiguousarray(visits["channel"])
        seen = Observed(columns, rows, day, world.traits.personas.names, world.topics, channel)
        for number, intervention in self.arm.interventions:
            offers.speak_for(number)
            intervention.on_visits(seen, offers)
        return offers.found

    def _book(self, day: int, visits: Visits) -> None:
        takings = book_visits(self.customers, visits, day)
        self.books.coupons(self.customers, visits, takings, day)
        self.recorder.put(revenue=takings.revenue, profit=takings.profit, coupons_redeemed=takings.redeemed)
        self.recorder.add("coupons_issued", takings.earned)

    def _queue_orders(self, day: int, visits: Visits) -> None:
        """Online orders go to the warehouse in a batch per class; store purchases are handed over at once."""
        world = self.world
        orders = orders_of(
            self.customers.columns, visits, world.rules.basket_shape, world.seed, day, world.carrier,
            world.terms.patience, self.in_force.delivery.longer,
        )  # fmt: skip
        self._stores = []
        for batch in batches(day, orders):
            if batch.kind == STORE:
                self._stores.append(batch)
            else:
                self.centre.take(batch)

    def _handing_over(self, day: int) -> None:
        cancelled = self.centre.cancelled(day)
        episodes = episodes_of(self.centre.deliveries(day) + self._stores, self.world.terms, day, cancelled)
        self.recorder.deliveries(*log_deliveries(self.customers.columns, episodes, day))
        self.engine.experience(self._today, episodes)
        self._episodes = episodes
        for coupons in self.apologies.make_good(self.customers.columns, episodes, day):
            self._give(coupons, day)
        self._calls = calls_of(self.world.seed, self.world.desk, self.world.rules.resolution, episodes)
        if self._calls is not None:
            self.desk.open(day, self._calls.contacts)

    def _ship(self, day: int) -> None:
        usual = int(self.world.capacity[self.world.on(day)])  # NumPy takes long to multiply its integers by a float
        more = self.in_force.more_capacity * self.world.customers / self.world.members if usual else 0.0
        possible = usual * self.in_force.capacity + more + self._part_order
        capacity = int(possible)
        self._part_order = possible - capacity
        self.recorder.put(capacity=min(capacity, 2**31 - 1), shipped=self.centre.ship(day, capacity))

    def _settle(self, day: int) -> None:
        episodes = self._episodes
        if self._calls is not None:
            self._hang_up(day, episodes, self._calls)
        self.engine.conclude(self._today, episodes)
        refunded, lost = book_refunds(self.customers, episodes, day)
        self.recorder.add("revenue", -refunded)
        self.recorder.add("profit", -lost)
        gone = self.engine.lapse(self._today)
        self.recorder.settled(episodes, len(gone))
        if self.journal is not None:
            self.journal.settled(day, self.customers, episodes, gone)

    def _hang_up(self, day: int, episodes: Episodes, calls: Calls) -> None:
        """Write what the desk did into the episodes, and book it."""
        hang_up(episodes, calls)
        for meeting in self.meetings:
            meeting.listen(self.customers.columns, episodes["row"][calls.episode], day)
        per_recovery = round(self.in_force.recovery_cost)
        spent = book_calls(self.customers, episodes, calls, self.world.desk.cost_per_minute, per_recovery, day)
        self.recorder.add("profit", -spent)
        self.recorder.contacts(calls.contacts)

    def _spread_talk(self, day: int) -> None:
        talks = talks_of(self._episodes)
        if self.record:
            self.talks[day] = talks
        if self.arm.replay_talk and self.arm.recorded is not None:
            talks = self.arm.recorded.talks[day]
        self.engine.hear(self._today, talks)
        if self.journal is not None:
            self.journal.heard(day, self.customers, self._episodes)
        told = self.in_force.complaint, self.in_force.complaint_su, self.world.rules.negative_weight
        self.public.end_day(day, float(self.customers.around.decay[1]), talks, self.public.complaint(*told))

    def _weekly(self, day: int) -> None:
        census = self.engine.survey(self._today, self.world.survey_share)
        self.recorder.survey(day, census)
        for meeting in self.meetings:
            meeting.read(self.customers.columns, census.sampled, self.world.seed, day)
        if self.journal is not None:
            self.journal.survey(day, census)

    def _close_day(self, day: int) -> None:
        self.recorder.put(backlog=self.centre.backlog(), coupons_open=self.books.open)
        if not self.record:
            self._forget()
        self.recorder.close()
