"""A customer as a Mesa agent: a view of one row, with a method for each part of a day in `agents.day`.

An agent holds no state of its own: reading `agent.satisfaction` reads the column, under either engine. Subclass it,
or add a rule of your own, as `examples/own_rule.py` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from agents import attrition
from agents import day as customer_day
from agents.behaviour import Rules
from agents.columns import ATTRIBUTES, CUSTOMER, STATUS_NAMES, Columns
from agents.day import NOTHING
from agents.framework import mesa
from agents.records import Episodes, Messages, Today, Visits
from agents.state import Customers


class _Counters(WeakKeyDictionary[mesa.Model, Iterator[int]]):
    """A counter for each model, which ends with the model."""

    def __getitem__(self, model: mesa.Model) -> Iterator[int]:
        return self.setdefault(model, count(1))


class Customer(mesa.Agent):
    """Row `row` of `customers`. Every attribute of `agents.columns.ATTRIBUTES` can be read."""

    _ids = _Counters()  # Mesa's own counters keep every model that ever was

    def __init__(self, model: mesa.Model, customers: Customers, row: int) -> None:
        super().__init__(model)
        self.customers = customers
        self.row = row

    @property
    def _mine(self) -> tuple[Columns, Rules]:
        return self.customers.readable, self.customers.rules

    def __getattr__(self, name: str) -> Any:
        if name in ATTRIBUTES:
            return self.customers.columns.of(name)[self.row].item()
        raise AttributeError(f"a customer has no {name!r}; attributes are {', '.join(ATTRIBUTES)}")

    @property
    def status_name(self) -> str:
        """unaware, aware, customer or lapsed."""
        return STATUS_NAMES[self.status]

    @property
    def expectation(self) -> float:
        """Expectation over touchpoints, as of the last time it was brought up to date; su."""
        return customer_day.expectation_of(*self._mine, self.row)

    def start(self, day: int) -> None:
        """Set bound and lapse day from the rules in force."""
        attrition.schedule_lapse(*self._mine, self.row, day)
        customer_day.refresh_bound(*self._mine, self.row, day)

    def settle(self, day: int) -> None:
        """Take the hazard up to the day before `day` off the lapse budget."""
        attrition.consume_hazard(*self._mine, self.row, day)

    def receive(self, today: Today, messages: Messages, j: int) -> None:
        """React to the push or e-mail in entry j."""
        customer_day.receive(*self._mine, self.customers.around, self.customers.variants, today, messages, j)

    def come_by(self, today: Today) -> None:
        """Visit because of a click on a push or an e-mail."""
        customer_day.come_by(*self._mine, self.customers.around, today, self.row)

    def arrive(self, today: Today, learning: float) -> int:
        """Learn of the brand or visit; returns NOTHING, LEARNED_BY_AD, LEARNED_BY_TALK or VISITED."""
        s = self.customers
        u = customer_day.acting_draw(today.seed, today.day, int(s.readable.status[self.row]), self.row)
        bound = float(s.readable.bound[self.row])
        if not customer_day.may_act(int(s.readable.status[self.row]), bound, u, today.season, learning):
            return NOTHING
        return customer_day.arrive(s.readable, s.rules, s.around, today, self.row)

    def look_around(self, today: Today, visits: Visits, j: int) -> None:
        """Fill in channel and search of the visit in entry j."""
        customer_day.look_around(*self._mine, self.customers.around, today, visits, j)

    def choose(self, today: Today, visits: Visits, j: int) -> None:
        """Decide on an order, the visit being entry j."""
        s = self.customers
        customer_day.choose(s.readable, s.rules, s.around, s.variants, s.waiting_options, s.wallet, today, visits, j)

    def experience(self, today: Today, episodes: Episodes, j: int) -> None:
        """Receive and use the order in entry j."""
        customer_day.experience(*self._mine, self.customers.around, today, episodes, j)

    def conclude(self, today: Today, episodes: Episodes, j: int) -> None:
        """Settle the episode in entry j after support."""
        customer_day.conclude(*self._mine, self.customers.around, today, episodes, j)

    def lapse(self, today: Today) -> bool:
        """Lapse if today is the lapse day; returns whether it is."""
        return attrition.lapse(self.customers.readable, self.row, today.day)

    def hear(self, today: Today, volume: int, weight: int, score: int) -> None:
        """Hear a tie talk; the increments of the tie's stock are in 2^-20."""
        customer_day.hear(*self._mine, self.customers.around, today, self.row, volume, weight, score)

    def survey(self, today: Today, share: float) -> tuple[int, int]:
        """(answer of a current customer, asked or not; answer given to the survey), 0 to 10; -1 for none."""
        s = self.customers
        status = int(s.readable.status[self.row])
        if status < CUSTOMER:
            return -1, -1
        attrition.feel_weekly(s.readable, s.rules, s.around, self.row, today.day)
        customer = status == CUSTOMER
        asked = customer_day.responds(s.readable, s.rules, s.around, today.seed, today.day, self.row, share)
        if not (asked or customer):
            return -1, -1
        given = customer_day.answer(s.readable, s.rules, s.around, today.seed, today.day, self.row)
        if asked:
            s.columns.of("answer")[self.row] = given
        return (given if customer else -1), (given if asked else -1)
