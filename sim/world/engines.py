"""Two ways through all customers: by agent (Mesa, the reference) and by column (compiled, for scale).

Both call the same functions of `agents.day`, one row at a time, and agree to the last bit. The compiled one screens
first: a vectorised pass compares each row's draw with a cached upper bound of its own probability, and only the few
rows that may act run their rules.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents import attrition, draws
from agents import day as customer_day
from agents.behaviour import PackedRules
from agents.columns import CUSTOMER, UNAWARE, Columns, named
from agents.compiled import loop, of_one_type, prefetch
from agents.customer import Customer
from agents.day import NOTHING, VISITED
from agents.draws import day_key, hash_draw, uniform_of
from agents.framework import AgentSet, mesa
from agents.records import Episodes, Messages, Surroundings, Today, VariantTable, Visits, WaitingOptions, new_visits
from agents.state import Customers
from agents.wallet import Wallet
from sim.world.word_of_mouth import Talks

BLOCK = 2048
"""Rows screened together."""

LAPSE_BLOCK = 256
"""Rows looked at together for a lapse: a block that has one is gone through row by row."""

AHEAD = 16
"""Entries by which a loop prefetches records ahead of their turn."""


class Arrivals(NamedTuple):
    """Who visited (and where), who learned of the brand and how; rows ascending."""

    visits: Visits
    learned: NDArray[np.int32]
    source: NDArray[np.uint8]


class Census(NamedTuple):
    """A survey day: answers as if all customers were asked, those of the sample, stars. int8 (N,), -1 for none."""

    census: NDArray[np.int8]
    sampled: NDArray[np.int8]
    stars: NDArray[np.int8]


# -- by column -----------------------------------------------------------------------------------------------------


@loop
def _start(c: Columns, rules: PackedRules, day: int) -> None:
    r = rules[0]
    for row in range(len(c.status)):
        attrition.schedule_lapse(c, r, row, day)
        customer_day.refresh_bound(c, r, row, day)


@loop
def _settle(c: Columns, rules: PackedRules, day: int) -> None:
    r = rules[0]
    for row in range(len(c.status)):
        attrition.consume_hazard(c, r, row, day)


@loop
def _ask_ahead(more: NDArray[Any], rows: NDArray[Any], k: int) -> None:
    """Prefetch the record that a loop over rows will need AHEAD entries later."""
    if k + AHEAD < len(rows):
        prefetch(more, int(rows[k + AHEAD]))


@loop
def _receive(
    c: Columns, rules: PackedRules, w: Surroundings, variants: VariantTable, today: Today, m: Messages
) -> None:
    r = rules[0]
    for j in range(len(m)):
        _ask_ahead(c.more, m["row"], j)
        customer_day.receive(c, r, w, variants, today, m, j)


@loop
def _come_by(c: Columns, rules: PackedRules, w: Surroundings, today: Today, rows: NDArray[np.int32]) -> None:
    r = rules[0]
    for row in rows:
        customer_day.come_by(c, r, w, today, row)


def clicked_in(messages: Messages, asks: NDArray[np.uint8]) -> Messages:
    """The messages whose click brings a visit."""
    if len(messages) == 0:
        return messages
    return np.asarray(messages[(messages["clicked"] == 1) & (asks[messages["variant_row"]] == 0)])


def visits_of(own: NDArray[np.int32], clicks: Messages) -> tuple[Visits, NDArray[np.int32]]:
    """(visits of those who come of themselves or by a click, rows of those who come by a click alone)."""
    if len(clicks) == 0:
        return new_visits(own), clicks["row"]
    visits = new_visits(np.union1d(own, clicks["row"]))
    place = np.searchsorted(visits["row"], clicks["row"])
    visits["forced"][place] = 1
    visits["boost"][place] = clicks["boost"]
    return visits, np.setdiff1d(clicks["row"], own)


@loop
def _screen(
    status: NDArray[np.uint8],
    bound: NDArray[np.float32],
    may: NDArray[np.uint8],
    first: int,
    aware: np.uint64,
    visit: np.uint64,
    season: float,
    learning: float,
) -> None:
    """Flag the rows from `first` on that may act. Slices and nothing else, so that the loop is vectorised."""
    for i in range(len(status)):
        u = uniform_of(hash_draw(aware if status[i] == UNAWARE else visit, first + i))
        may[i] = customer_day.may_act(status[i], float(bound[i]), u, season, learning)


@of_one_type
@loop
def _arrive(
    c: Columns, rules: PackedRules, w: Surroundings, today: Today, may: NDArray[np.uint8],
    visited: NDArray[np.int32], learned: NDArray[np.int32], source: NDArray[np.uint8],
) -> tuple[int, int]:  # fmt: skip
    """Screen block by block and run the rules on the candidates; returns how many visited and how many learned.

    may: room for the flags of a block, uint8 (BLOCK,). `visited` holds a block's candidates, then its visitors.
    """
    r = rules[0]
    learning = customer_day.common_learning(r, today)
    aware, visit = day_key(today.seed, today.day, draws.AWARE, 0), day_key(today.seed, today.day, draws.VISIT, 0)
    visitors, learners = 0, 0
    for first in range(0, len(c.status), BLOCK):
        last = min(first + BLOCK, len(c.status))
        _screen(c.status[first:last], c.bound[first:last], may, first, aware, visit, float(today.season), learning)
        may[last - first :] = 0
        candidates = _gather(c.more, may, first, visited, visitors)
        for k in range(visitors, candidates):
            row = int(visited[k])
            act = customer_day.arrive(c, r, w, today, row)
            if act == VISITED:
                visited[visitors] = row
                visitors += 1
            elif act != NOTHING:
                learned[learners], source[learners] = row, act
                learners += 1
    return visitors, learners


@loop
def _gather(more: NDArray[Any], may: NDArray[np.uint8], first: int, rows: NDArray[np.int32], found: int) -> int:
    """Append the flagged rows of a block to those found so far; returns how many there are then.

    Their records, which lie far apart in memory, are prefetched.
    """
    eights = may.view(np.uint64)  # most are empty: eight rows are passed over at a time
    for eight in range(BLOCK // 8):
        if eights[eight] != 0:
            for i in range(8 * eight, 8 * eight + 8):
                if may[i]:
                    prefetch(more, first + i)
                    rows[found] = first + i
                    found += 1
    return found


@of_one_type
@loop
def _look_around(c: Columns, rules: PackedRules, w: Surroundings, today: Today, v: Visits) -> None:
    r = rules[0]
    for j in range(len(v)):
        customer_day.look_around(c, r, w, today, v, j)


@of_one_type
@loop
def _choose(
    c: Columns, rules: PackedRules, w: Surroundings, variants: VariantTable, waiting_options: WaitingOptions,
    wallet: Wallet, today: Today, v: Visits
) -> None:
    r = rules[0]
    for j in range(len(v)):
        customer_day.choose(c, r, w, variants, waiting_options, wallet, today, v, j)


@of_one_type
@loop
def _experience(c: Columns, rules: PackedRules, w: Surroundings, today: Today, e: Episodes) -> None:
    r = rules[0]
    for j in range(len(e)):
        customer_day.experience(c, r, w, today, e, j)


@of_one_type
@loop
def _conclude(c: Columns, rules: PackedRules, w: Surroundings, today: Today, e: Episodes) -> None:
    r = rules[0]
    for j in range(len(e)):
        customer_day.conclude(c, r, w, today, e, j)


@of_one_type
@loop
def _lapse(c: Columns, day: int, gone: NDArray[np.int32]) -> int:
    """Make rows lapsed whose lapse day this is, searched block by block; returns how many."""
    found = 0
    for first in range(0, len(c.status), LAPSE_BLOCK):
        last = min(first + LAPSE_BLOCK, len(c.status))
        if _any_day(c.lapse_day[first:last], day):
            for row in range(first, last):
                if attrition.lapse(c, row, day):
                    gone[found] = row
                    found += 1
    return found


@loop
def _any_day(days: NDArray[np.int16], day: int) -> bool:
    """Whether a day is among these; counts all of them, so that the loop is vectorised."""
    wanted, found = np.int16(day), np.int16(0)
    for i in range(len(days)):
        found += np.int16(days[i] == wanted)
    return bool(found > 0)


@of_one_type
@loop
def _hear(
    c: Columns, rules: PackedRules, w: Surroundings, today: Today,
    start: NDArray[np.int32], ties: NDArray[np.int32], talks: Talks,
) -> None:  # fmt: skip
    r = rules[0]
    for k in range(len(talks.row)):
        volume, weight, score = int(talks.volume[k]), int(talks.weight[k]), int(talks.score[k])
        first, last = start[talks.row[k]], start[talks.row[k] + 1]
        for t in range(first, last):
            prefetch(c.more, int(ties[t]))
        for t in range(first, last):
            customer_day.hear(c, r, w, today, int(ties[t]), volume, weight, score)


@of_one_type
@loop
def _survey(
    c: Columns, rules: PackedRules, w: Surroundings, today: Today, share: float, buyers: NDArray[np.intp], out: Census
) -> None:
    """Ask those who have ever bought, once their satisfaction is brought up to the day."""
    r = rules[0]
    for k in range(len(buyers)):
        _ask_ahead(c.more, buyers, k)
        row = buyers[k]
        attrition.feel_weekly(c, r, w, row, today.day)
        asked = customer_day.responds(c, r, w, today.seed, today.day, row, share)
        if asked or c.status[row] == CUSTOMER:
            given = customer_day.answer(c, r, w, today.seed, today.day, row)
            if c.status[row] == CUSTOMER:
                out.census[row] = given
            if asked:
                out.sampled[row] = given
                out.stars[row] = c.more[row].stars
                c.more[row].answer = given


class ByColumn:
    """The compiled loop over rows."""

    def __init__(self, customers: Customers) -> None:
        self.customers = customers
        self._flags = np.zeros(BLOCK, np.uint8)
        # untouched pages cost nothing: room for everybody is cheaper than counting first
        self._room = (np.empty(len(customers), np.int32), np.empty(len(customers), np.int32),
            np.empty(len(customers), np.uint8))  # fmt: skip

    def start(self, day: int) -> None:
        """Set bounds and lapse days of all rows from the rules in force."""
        _start(self.customers.columns, self.customers.packed, day)

    def settle(self, day: int) -> None:
        """Spend everybody's lapse budget up to before `day` under the rules in force."""
        _settle(self.customers.columns, self.customers.packed, day)

    def receive(self, today: Today, messages: Messages) -> None:
        """Reactions to the morning's pushes and e-mails."""
        s = self.customers
        _receive(s.columns, s.packed, s.around, s.variants, today, messages)

    def arrive(self, today: Today, messages: Messages) -> Arrivals:
        """Screen everybody; awareness and visits of those who act, and of those who clicked."""
        s = self.customers
        visited, learned, source = self._room
        visitors, learners = _arrive(s.columns, s.packed, s.around, today, self._flags, visited, learned, source)
        visits, brought = visits_of(visited[:visitors], clicked_in(messages, s.variants["asks"]))
        if len(brought):
            _come_by(s.columns, s.packed, s.around, today, brought)
        _look_around(s.columns, s.packed, s.around, today, visits)
        return Arrivals(visits, learned[:learners].copy(), source[:learners].copy())

    def choose(self, today: Today, visits: Visits) -> None:
        """Decisions of the day's visitors."""
        s = self.customers
        _choose(s.columns, s.packed, s.around, s.variants, s.waiting_options, s.wallet, today, visits)

    def experience(self, today: Today, episodes: Episodes) -> None:
        """Scores and contacts of the day's deliveries."""
        s = self.customers
        _experience(s.columns, s.packed, s.around, today, episodes)

    def conclude(self, today: Today, episodes: Episodes) -> None:
        """What remains of them after support."""
        s = self.customers
        _conclude(s.columns, s.packed, s.around, today, episodes)

    def lapse(self, today: Today) -> NDArray[np.int32]:
        """Rows whose time has run out today."""
        rows = self._room[0]
        return rows[: _lapse(self.customers.columns, today.day, rows)].copy()

    def hear(self, today: Today, talks: Talks) -> None:
        """Push the day's talk to the talkers' ties."""
        s = self.customers
        _hear(s.columns, s.packed, s.around, today, s.network.start, s.network.ties, talks)

    def survey(self, today: Today, share: float) -> Census:
        """Census of customers and sample of ever-buyers."""
        s = self.customers
        out = _no_answers(len(s))
        _survey(s.columns, s.packed, s.around, today, share, np.flatnonzero(s.columns.status >= CUSTOMER), out)
        return out


def _no_answers(customers: int) -> Census:
    return Census(*(np.full(customers, -1, np.int8) for _ in range(3)))


# -- by agent ------------------------------------------------------------------------------------------------------


class ByAgent:
    """Mesa walks the agents: every pass calls each customer's own method. `shuffle` walks them in random order."""

    def __init__(
        self, customers: Customers, model: mesa.Model, shuffle: bool = False, agent_class: type[Customer] = Customer
    ) -> None:
        self.customers = customers
        self.shuffle = shuffle
        self.agents = [agent_class(model, customers, row) for row in range(len(customers))]
        self.set = AgentSet(self.agents, random=model.random)

    def _everybody(self) -> AgentSet:
        return self.set.shuffle() if self.shuffle else self.set

    def _of(self, rows: NDArray[np.int32]) -> list[tuple[int, Customer]]:
        """(entry, agent) of these rows, shuffled if the walk is."""
        chosen = [(j, self.agents[row]) for j, row in enumerate(rows)]
        if self.shuffle:
            self.set.random.shuffle(chosen)
        return chosen

    def start(self, day: int) -> None:
        """Set bounds and lapse days of all rows from the rules in force."""
        self.set.do("start", day)

    def settle(self, day: int) -> None:
        """Spend everybody's lapse budget up to before `day` under the rules in force."""
        self.set.do("settle", day)

    def receive(self, today: Today, messages: Messages) -> None:
        """Reactions to the morning's pushes and e-mails."""
        seen = named(messages)
        for j, agent in self._of(messages["row"]):
            agent.receive(today, seen, j)

    def arrive(self, today: Today, messages: Messages) -> Arrivals:
        """Awareness and visits of those who may act, and visits of those who clicked."""
        learning = customer_day.common_learning(self.customers.rules, today)
        acts = []
        for agent in self._everybody():
            act = agent.arrive(today, learning)
            if act != NOTHING:
                acts.append((agent.row, act))
        acts.sort()
        acted = np.array([row for row, _ in acts], np.int32)
        code = np.array([act for _, act in acts], np.uint8)
        visits, brought = visits_of(acted[code == VISITED], clicked_in(messages, self.customers.variants["asks"]))
        for _, agent in self._of(brought):
            agent.come_by(today)
        seen = named(visits)
        for j, agent in self._of(visits["row"]):
            agent.look_around(today, seen, j)
        return Arrivals(visits, acted[code != VISITED], code[code != VISITED])

    def choose(self, today: Today, visits: Visits) -> None:
        """Decisions of the day's visitors."""
        seen = named(visits)
        for j, agent in self._of(visits["row"]):
            agent.choose(today, seen, j)

    def experience(self, today: Today, episodes: Episodes) -> None:
        """Scores and contacts; a customer's own deliveries stay in their order."""
        seen = named(episodes)
        for j in _own_order(episodes["row"], self._of(episodes["row"])):
            self.agents[seen[j].row].experience(today, seen, j)

    def conclude(self, today: Today, episodes: Episodes) -> None:
        """What remains of them after support."""
        seen = named(episodes)
        for j in _own_order(episodes["row"], self._of(episodes["row"])):
            self.agents[seen[j].row].conclude(today, seen, j)

    def lapse(self, today: Today) -> NDArray[np.int32]:
        """Rows whose time has run out today."""
        gone = [agent.row for agent in self._everybody() if agent.lapse(today)]
        return np.array(sorted(gone), np.int32)

    def hear(self, today: Today, talks: Talks) -> None:
        """Push the day's talk to the talkers' ties."""
        network = self.customers.network
        for k, row in enumerate(talks.row):
            said = int(talks.volume[k]), int(talks.weight[k]), int(talks.score[k])
            for tie in network.ties[network.start[row] : network.start[row + 1]]:
                self.agents[tie].hear(today, *said)

    def survey(self, today: Today, share: float) -> Census:
        """Census of customers and sample of ever-buyers."""
        out = _no_answers(len(self.customers))
        for agent in self._everybody():
            out.census[agent.row], out.sampled[agent.row] = agent.survey(today, share)
            if out.sampled[agent.row] >= 0:
                out.stars[agent.row] = agent.stars
        return out


def _own_order(rows: NDArray[np.int32], walk: list[tuple[int, Customer]]) -> list[int]:
    """Entries in the walk's order of customers, each customer's own entries ascending."""
    place: dict[int, int] = {}
    for n, (j, _) in enumerate(walk):
        place.setdefault(int(rows[j]), n)
    return sorted((j for j, _ in walk), key=lambda j: (place[int(rows[j])], j))


Engine = ByColumn | ByAgent
"""The parts of a day, each done for all customers concerned; rows of results ascend."""
