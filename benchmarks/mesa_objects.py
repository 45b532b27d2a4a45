"""The yardstick: the same market as an idiomatic Mesa model, one agent per customer, plain Python attributes.

The same: the rules (the functions of `agents.behaviour` with the same `Rules`), chance (`agents.draws.draw`, same
seed, days, purposes and rows, `row = unique_id - 1`), initial customers and ties, and the parts of a day: awareness
by advertising and talk, a visit with season, channel and search, the order, its delivery class and basket, delivery,
the episode at each touchpoint, a contact with support, satisfaction, stars, talk to every tie, attrition by either
clock, profit. Beliefs and talk stocks are brought up to date when somebody acts, as in the engines.

Simpler, always in the objects' favour:
- no SimPy: an order ships on its day and arrives after a fixed time, as where capacity does not bind; a contact with
  support is answered at once;
- no coupons, popups, demand debt or onboarding: nobody is treated, so these are zero in the timed engines too, which
  look at them all the same;
- no weekly survey, no recorder, no daily table beyond a few counts;
- ties are lists of agents, without a Mesa space;
- talk is heard at once and by float addition, rather than at the day's end in integers: a customer who steps later
  the same day has heard it. Single lives therefore differ from the engines', and counts agree only statistically.

It does not screen: a customer computes today's visit rate and compares a draw with it, as one would write it down.
"""

from __future__ import annotations

import math
from collections import Counter
from operator import mul
from typing import Literal

import mesa

from agents import behaviour, draws
from agents.columns import (
    AWARE,
    CUSTOMER,
    DELIVERY,
    EXPECTATIONS,
    FAR,
    FIXED_POINT,
    LAPSED,
    NEVER,
    NORUSH,
    ONLINE_TOUCHPOINTS,
    SHOP,
    STORE,
    STORE_TOUCHPOINTS,
    UNAWARE,
)
from agents.day import basket_of, order_cost, order_fee, where_to
from agents.draws import draw, normal_quantile
from agents.records import Surroundings, Today
from sim.world.constants import World, surroundings
from sim.world.model import Snapshot

Walk = Literal["shuffle_do", "do"]

ATTRIBUTES = (
    "persona", "rate", "lapse_trait", "spend", "waiting_cost", "talkativeness",
    "status", "lapse_day", "lapse_budget", "lapse_synced",
    *EXPECTATIONS, "satisfaction", "felt_day", "stars",
    "told_good_day", "told_bad_day", "told_good", "told_bad",
    "heard_volume", "heard_weight", "heard_score", "heard_day",
    "orders", "monetary", "last_order", "last_visit", "topic", "topic_day", "ledger",
)  # fmt: skip
"""What an agent starts with, named as in `agents.columns`."""

Parcel = tuple[int, int, int, int, bool]
"""(day of arrival, order day, class, days late, first order)."""


class Shopper(mesa.Agent):
    """One customer."""

    def __init__(self, model: Market, *values: float) -> None:
        super().__init__(model)
        self.row = self.unique_id - 1
        (
            self.persona, self.rate, self.lapse_trait, self.spend, self.waiting_cost, self.talkativeness,
            self.status, self.lapse_day, self.lapse_budget, self.lapse_synced,
            *self.expect, self.satisfaction, self.felt_day, self.stars,
            self.told_good_day, self.told_bad_day, self.told_good, self.told_bad,
            self.heard_volume, self.heard_weight, self.heard_score, self.heard_day,
            self.orders, self.monetary, self.last_order, self.last_visit, self.topic, self.topic_day, self.ledger,
        ) = values  # fmt: skip
        self.heard_volume /= FIXED_POINT
        self.heard_weight /= FIXED_POINT
        self.heard_score /= FIXED_POINT
        self.ties: list[Shopper] = []
        self.parcels: list[Parcel] = []

    def step(self) -> None:
        """A customer's day."""
        if self.status == UNAWARE:
            self.learn()
            return
        if self.status != LAPSED:
            self.shop()
        if self.parcels:
            self.receive()
        if self.lapse_day == self.model.today.day and self.status == CUSTOMER:
            self.leave()

    # -- awareness and visits

    def learn(self) -> None:
        """Perhaps hear of the brand."""
        model, today = self.model, self.model.today
        own = self.heard_volume
        if own:
            own *= model.around.decay[max(today.day - 1 - self.heard_day, 0)]
        hazard = model.by_ad + behaviour.awareness_by_talk(model.rules, own, today.public_volume)
        if draw(today.seed, self.row, today.day, draws.AWARE, 0) < 1.0 - math.exp(-hazard):
            self.catch_up()
            self.status = AWARE
            model.counts["learned"] += 1

    def shop(self) -> None:
        """Perhaps visit, and perhaps order."""
        model, r, today = self.model, self.model.rules, self.model.today
        reference = behaviour.reference_visits(r, self.status, self.rate)
        rate = behaviour.visit_rate(r, reference, today.season, False, False, 0.0)
        u = draw(today.seed, self.row, today.day, draws.VISIT, 0)
        if u >= 1.0 - math.exp(-rate):
            return
        self.catch_up()
        self.last_visit = today.day
        model.counts["visits"] += max(1, behaviour.visits_in_day(rate, u))
        channel, topic = where_to(r, model.around, today.seed, today.day, self.row)
        if topic:
            self.topic, self.topic_day = topic, today.day
        expectation = sum(map(mul, r.weights, self.expect)) / sum(r.weights)
        utility = behaviour.order_utility(
            r, self.status, expectation, 0.0, model.around.persona_price[self.persona], 0.0, 0.0, channel
        )
        u = draw(today.seed, self.row, today.day, draws.CONVERT, 0)
        if u < behaviour.order_probability(utility, rate, False):
            self.order(channel)

    # -- an order

    def order(self, channel: int) -> None:
        """Choose class and basket, pay, and wait for the parcel; in the store it is handed over at once."""
        model, r, today = self.model, self.model.rules, self.model.today
        kind = STORE if channel == SHOP else self.delivery_class()
        u = draw(today.seed, self.row, today.day, draws.BASKET, 0)
        basket = basket_of(model.around, u, self.spend)
        first = self.status == AWARE
        self.orders += 1
        self.monetary += basket
        self.ledger += round(basket * r.margin) + order_fee(r, kind, basket) - order_cost(r, kind)
        if first:
            self.status = CUSTOMER
            self.lapse_budget = -math.log(draw(today.seed, self.row, 0, draws.LAPSE_TIME, 0))
            self.lapse_synced = today.day
        elif r.idleness > 0.0:
            self.consume_hazard()
        self.last_order = today.day
        self.schedule_lapse()
        model.counts["orders"] += 1
        if kind == STORE:
            self.live_through(today.day, kind, 0, first)
        else:
            wait, late = model.delivery[kind]
            self.parcels.append((today.day + wait, today.day, kind, late, first))

    def delivery_class(self) -> int:
        """The class of best utility."""
        r, today = self.model.rules, self.model.today

        def utility(kind: int) -> float:
            u = draw(today.seed, self.row, today.day, draws.CLASS, kind)
            return behaviour.class_utility(r, kind, self.waiting_cost, 0.0) + behaviour.gumbel(u)

        return max(range(3), key=utility)

    def receive(self) -> None:
        """Take in the parcels that are due."""
        day = self.model.today.day
        due = [parcel for parcel in self.parcels if parcel[0] <= day]
        if due:
            self.parcels = [parcel for parcel in self.parcels if parcel[0] > day]
            for _, order_day, kind, late, first in due:
                self.model.counts["delivered"] += 1
                self.live_through(order_day, kind, late, first)

    # -- an episode

    def live_through(self, order_day: int, kind: int, late: int, first: bool) -> None:
        """An order handed over, up to what the customer makes of it."""
        model, r, today = self.model, self.model.rules, self.model.today
        self.catch_up()
        score = self.score(order_day, STORE_TOUCHPOINTS if kind == STORE else ONLINE_TOUCHPOINTS, late)
        if kind == NORUSH:
            score -= r.wait_weight * (r.norush_lead - r.standard_lead)
        if draw(today.seed, self.row, order_day, draws.CONTACT, 0) < behaviour.contact_probability(r, score):
            resolved = draw(today.seed, self.row, order_day, draws.RESOLVE, 0) < r.resolution
            score = behaviour.after_support(r, score, True, resolved, 0.0)
            model.counts["contacts"] += 1
        self.consume_hazard()
        self.feel()
        self.satisfaction += r.memory * (score - self.satisfaction)
        self.schedule_lapse()
        self.stars = behaviour.stars_of(r, score)
        p = behaviour.talk_probability(r, self.talkativeness, score)
        if draw(today.seed, self.row, order_day, draws.TALK, 0) < p:
            self.talk(score)
        if r.episode_clock > 0.5 and self.status == CUSTOMER and not first:
            p = behaviour.lapse_probability(r, self.lapse_trait, self.satisfaction, False)
            if draw(today.seed, self.row, order_day, draws.LAPSE_EPISODE, 0) < p:
                self.leave()

    def performance(self, order_day: int, slot: int) -> float:
        """What a touchpoint was like this time."""
        model = self.model
        noise = normal_quantile(draw(model.today.seed, self.row, order_day, draws.PERFORMANCE, slot))
        return float(model.around.quality[self.persona][slot] + model.rules.experience_noise_sd * noise)

    def score(self, order_day: int, touchpoints: tuple[int, ...], late: int) -> float:
        """Score of an order that met these touchpoints; expectations learn from it."""
        r = self.model.rules
        total, weighted, peak, y = 0.0, 0.0, 0.0, 0.0
        for k in touchpoints:
            performance = self.performance(order_day, k)
            if k == DELIVERY:
                performance += behaviour.lateness_effect(r, late)
            y = behaviour.disconfirm(r, performance, self.expect[k])
            self.expect[k] += r.experience_rate * (performance - self.expect[k])
            total += r.weights[k]
            weighted += r.weights[k] * y
            if abs(y) > abs(peak):
                peak = y
        return r.mean_weight * weighted / total + r.peak_weight * peak + r.end_weight * y

    # -- talk

    def talk(self, score: float) -> None:
        """Tell every tie: one's stock of that sign rises to one."""
        model, today = self.model, self.model.today
        if score >= 0.0:
            before, told, weight = self.told_good_day, self.told_good, 1.0
            self.told_good, self.told_good_day = score, today.day
        else:
            before, told, weight = self.told_bad_day, self.told_bad, model.rules.negative_weight
            self.told_bad, self.told_bad_day = score, today.day
        left = model.around.decay[today.day - before] if before != NEVER else 0.0
        said = 1.0 - left, weight * (1.0 - left), weight * (score - left * told)
        for tie in self.ties:
            tie.hear(*said)
        model.hear(*said)

    def hear(self, volume: float, weight: float, score: float) -> None:
        """A tie talks."""
        if self.status != LAPSED:
            self.catch_up()
            self.heard_volume += volume
            self.heard_weight += weight
            self.heard_score += score

    def catch_up(self) -> None:
        """Bring beliefs and the talk heard up to today."""
        model, r, day = self.model, self.model.rules, self.model.today.day
        days = day - self.heard_day
        if days <= 0:
            return
        keep = model.around.decay[days]
        if self.status != UNAWARE and self.status != LAPSED:
            since, until = self.heard_day - model.today.base, day - model.today.base
            own = (1.0 - r.public_share) / r.ties * (1.0 - keep) / (1.0 - model.around.decay[1])
            weight = own * self.heard_weight + model.around.public_weight[until] - model.around.public_weight[since]
            score = own * self.heard_score + model.around.public_score[until] - model.around.public_score[since]
            share, told, usual = behaviour.hearsay(r, weight, score, days)
            aims = [told + usual * quality for quality in model.around.usual_quality[self.persona]]
            self.expect = [behaviour.believe(own, share, aim) for own, aim in zip(self.expect, aims, strict=True)]
        self.heard_volume *= keep
        self.heard_weight *= keep
        self.heard_score *= keep
        self.heard_day = day

    # -- attrition

    def hazard(self) -> float:
        """Daily lapse hazard."""
        return behaviour.lapse_hazard(self.model.rules, self.lapse_trait, self.satisfaction, False)

    def feel(self) -> None:
        """Let satisfaction return to the usual up to today."""
        today, usual = self.model.today.day, self.model.around.usual[self.persona]
        left = behaviour.share_left(self.model.rules.return_half_life, today - self.felt_day)
        self.satisfaction = usual + (self.satisfaction - usual) * left
        self.felt_day = today

    def consume_hazard(self) -> None:
        """Spend the lapse budget up to yesterday, before the hazard changes."""
        r, day = self.model.rules, self.model.today.day
        if self.status != CUSTOMER or r.episode_clock > 0.5 or self.lapse_synced >= day:
            return
        spent = behaviour.hazard_consumed(r, self.hazard(), self.rate, self.last_order, self.lapse_synced, day - 1)
        self.lapse_budget = max(1e-12, self.lapse_budget - spent)
        self.lapse_synced = day

    def schedule_lapse(self) -> None:
        """Set the day the relation ends if nothing changes."""
        r = self.model.rules
        if self.status == CUSTOMER and r.episode_clock <= 0.5:
            self.lapse_day = behaviour.day_of_lapse(
                r, self.lapse_budget, self.hazard(), self.rate, self.last_order, self.lapse_synced, FAR
            )

    def leave(self) -> None:
        """End the relation."""
        self.status = LAPSED
        self.model.counts["lapsed"] += 1


class Market(mesa.Model):
    """All shoppers and a simple company. `walk` names the AgentSet method that walks them; `counts` what happened."""

    def __init__(self, world: World, start: Snapshot, walk: Walk = "shuffle_do") -> None:
        super().__init__(seed=world.seed)
        self.world, self.walk, self.day = world, walk, start.day
        self.rules = world.rules
        self.by_ad = world.rules.ad_hazard * world.ad_intensity
        self.counts: Counter[str] = Counter()
        known = start.day - start.public.base + 1
        self.public = [stock / FIXED_POINT for stock in start.public.stock]
        tables = surroundings(world, start.public.weight[:known], start.public.score[:known])
        # lists: plain Python reads them faster than arrays
        self.around = Surroundings(*(table.tolist() for table in tables))  # type: ignore[arg-type]
        sent = [world.terms.handed_over(kind, 0, 0) for kind in range(3)]
        self.delivery = [(days, days - world.terms.lead[kind]) for kind, days in enumerate(sent)]
        self._populate(start)
        self.today = self._today()

    def _populate(self, start: Snapshot) -> None:
        columns, network = start.customers.columns, start.customers.network
        shoppers = [
            Shopper(self, *values) for values in zip(*(columns.of(name).tolist() for name in ATTRIBUTES), strict=True)
        ]
        edges, ties = network.start.tolist(), network.ties.tolist()
        for row, shopper in enumerate(shoppers):
            shopper.ties = [shoppers[tie] for tie in ties[edges[row] : edges[row + 1]]]
        for day, batches in start.centre.arriving.items():
            for batch in batches:
                late = day - batch.day - start.centre.terms.lead[batch.kind]
                for row, first in batch.orders[["row", "first"]].tolist():
                    shoppers[row].parcels.append((day, batch.day, batch.kind, late, bool(first)))

    def _today(self) -> Today:
        world = self.world
        return Today(
            world.seed, self.day, world.first_day - 1, float(world.season[world.on(self.day)]), world.ad_intensity,
            self.public[0] / world.customers,
        )  # fmt: skip

    def step(self) -> None:
        """A day."""
        self.today = self._today()
        getattr(self.agents, self.walk)("step")
        self._end_day()

    def hear(self, volume: float, weight: float, score: float) -> None:
        """Talk reaches the public."""
        self._said = [a + b for a, b in zip(self._said, (volume, weight, score), strict=True)]

    _said = (0.0, 0.0, 0.0)

    def _end_day(self) -> None:
        decay, share = self.around.decay[1], self.rules.public_share / self.world.customers
        self.public = [old * decay + new for old, new in zip(self.public, self._said, strict=True)]
        self._said = (0.0, 0.0, 0.0)
        self.around.public_weight.append(self.around.public_weight[-1] + share * self.public[1])
        self.around.public_score.append(self.around.public_score[-1] + share * self.public[2])
        self.day += 1
