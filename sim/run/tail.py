"""The tail: what the customers of an arm are worth after the horizon, once its interventions are withdrawn.

Each customer's expected discounted profit is computed in closed form, without chance. Satisfaction and expectation
return to their level at rest, so time is cut into panels that are short beside that return: within one the rates of
ordering and lapsing stay as they are on average, and after the last one they are those at rest (docs/ODD.md 7.15).

Prospects count as well: who buys earlier because of an intervention is no longer there to be won later.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from agents.attrition import satisfaction_on
from agents.behaviour import (
    LN2,
    PackedRules,
    Rules,
    channel_conversion,
    expected_order_profit,
    lapse_hazard,
    lapse_probability,
    pack,
    reference_visits,
    share_left,
    visit_rate,
)
from agents.columns import (
    APP,
    AWARE,
    CUSTOMER,
    DEAL_UNIT,
    LAPSED,
    ONLINE_TOUCHPOINTS,
    SHOP,
    STORE_TOUCHPOINTS,
    TOUCHPOINT_NAMES,
    UNAWARE,
    WEB,
    Columns,
)
from agents.compiled import loop, rule
from agents.day import bring_up_to_date, current_debt, expectation_of
from agents.records import Surroundings
from agents.wallet import open_coupons
from sim.company.changes import NO_CHANGES, Changes, changed_rules, shifted_quality
from sim.company.ledger import discount_factor
from sim.config.parameters import DAYS_PER_YEAR
from sim.world.constants import YEAR, World, quality
from sim.world.model import CXModel

PANELS = 10
"""Panels of half the half-life of the return each: what is left of a gap after them is below one part in 32."""

POINTS = 14
"""Logarithm to the base 2 of the points over which the expected score of an episode is a mean."""


class Tail(NamedTuple):
    """By customer, float64 (N,): discounted profit after the horizon, yen, and what they feel at its end, su."""

    value: NDArray[np.float64]
    satisfaction: NDArray[np.float64]
    expectation: NDArray[np.float64]


class Afterwards(NamedTuple):
    """What holds after the horizon, beside the rules; arrays are by persona, su unless named otherwise."""

    season: float  # mean factor on visits over a year
    learning: float  # hazard per day at which the unaware learn of the brand
    met: NDArray[np.float64]  # probability that an order meets a touchpoint, (touchpoints,)
    weight: float  # sum of the touchpoints' weights
    heard: float  # how fast talk moves expectations, 1 / day
    support: NDArray[np.float64]  # yen per order
    prospect: NDArray[np.float64]  # expectation at rest of those who have not bought
    customer: NDArray[np.float64]  # expectation at rest of those who have, without lasting changes
    shift: NDArray[np.float64]  # lasting changes of quality, (personas, touchpoints)
    score: NDArray[np.float64]  # what they add to the score of an episode once they are expected
    surprise: NDArray[np.float64]  # what they add to it beside that as long as nobody expects them


class Person(NamedTuple):
    """What a customer's worth depends on and what no longer changes."""

    persona: int
    rate: float  # purchases per day at references
    lapse_trait: float
    activated: bool
    price: float  # the persona's multiplier of the price slope
    usual: float  # su, what satisfaction returns to
    per_order: float  # yen of profit
    deal: float  # share of a basket that weighs on an order at full price, from discounts expected


def tail_of(model: CXModel) -> Tail:
    """The tail from the midnight on at which the model stands."""
    s, world = model.customers, model.world
    lasting = model.lasting()
    rules = changed_rules(world.rules, lasting)
    last = model.day - 1
    count, faces = open_coupons(s.columns, s.wallet, last)
    tail = Tail(*(np.empty(len(s)) for _ in range(3)))
    at = _afterwards(world, rules, lasting, model.day)
    _tail(s.columns, pack(rules), s.around, at, last, world.first_day - 1, count, faces, tail)
    return tail


def _afterwards(world: World, rules: Rules, lasting: Changes, day: int) -> Afterwards:
    """What holds from `day` on, with the lasting changes of quality and the season of the year that follows."""
    personas, weights = world.traits.personas, np.array(rules.weights) / math.fsum(rules.weights)
    at_first = quality(world)
    shift = shifted_quality(at_first, lasting) - at_first
    year = world.season[world.on(day) : world.on(day) + YEAR]
    customer = rules.expectation_ref + personas.quality - float(personas.share @ personas.quality)
    believed = at_first + (customer - at_first @ weights)[:, np.newaxis]
    before = expected = surprising = _Episode(np.zeros(len(shift)), np.zeros(len(shift)))
    if lasting != NO_CHANGES:
        before = _episode(world.rules, at_first, believed)
        expected, surprising = (_episode(rules, at_first + shift, one) for one in (believed + shift, believed))
    met = np.zeros(len(weights))
    for share, touchpoints in _orders_by_way(rules):
        met[list(touchpoints)] += share
    return Afterwards(
        season=math.fsum(year) / len(year),
        learning=rules.ad_hazard * world.ad_intensity + rules.talk_hazard * world.talk,
        support=world.desk.service * world.desk.cost_per_minute
        * np.maximum(0.0, world.contacts_per_order + expected.contacts - before.contacts),
        met=met,
        weight=math.fsum(rules.weights),
        heard=rules.hearsay_rate * world.talk,
        prospect=at_first @ weights,
        customer=customer,
        shift=shift,
        score=expected.score - before.score,
        surprise=surprising.score - expected.score,
    )


def _orders_by_way(rules: Rules) -> tuple[tuple[float, tuple[int, ...]], ...]:
    """(share of visits, touchpoints that an order there meets) online and in the store."""
    online = rules.share_web + rules.share_app
    return (online, ONLINE_TOUCHPOINTS), (1.0 - online, STORE_TOUCHPOINTS)


class _Episode(NamedTuple):
    """An expected episode: its score after support, su, and contacts with support; arrays are by persona."""

    score: NDArray[np.float64]
    contacts: NDArray[np.float64]


def _episode(rules: Rules, quality: NDArray[np.float64], expectation: NDArray[np.float64]) -> _Episode:
    """An order in time, met with these qualities and expectations, su (personas, touchpoints): all channels' mean."""
    score, contacts = np.zeros(len(quality)), np.zeros(len(quality))
    for share, touchpoints in _orders_by_way(rules):
        met = list(touchpoints)
        for persona in range(len(quality)):
            mean, contact = _met(rules, quality[persona, met], expectation[persona, met], np.array(rules.weights)[met])
            score[persona] += share * mean
            contacts[persona] += share * contact
    return _Episode(score, contacts)


def _met(
    r: Rules, quality: NDArray[np.float64], expectation: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """(mean score after support, probability of a contact) of an order that meets these touchpoints."""
    performance = quality + r.experience_noise_sd * _normal(len(quality))
    gap = performance - expectation
    y = performance + r.gain_weight * np.where(gap >= 0.0, gap, r.loss_aversion * gap)
    peak = np.take_along_axis(y, np.abs(y).argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    score = r.mean_weight * (y @ weights) / weights.sum() + r.peak_weight * peak + r.end_weight * y[:, -1]
    contact = np.where(score < r.bad_below, r.contact_bad, r.contact_base)
    served = score + r.support_quality
    resolved = served + r.recovery * np.maximum(-served, 0.0)
    helped = r.resolution * resolved + (1.0 - r.resolution) * (served - r.unresolved)
    after = score + contact * (helped - score)
    return math.fsum(after) / len(after), math.fsum(contact) / len(contact)


@lru_cache(maxsize=4)
def _normal(dimensions: int) -> NDArray[np.float64]:
    """Independent standard normals at points that are spread evenly (Sobol 1967), (2 ** POINTS, dimensions)."""
    from scipy.stats import qmc  # takes long to import, and few runs change quality for good

    spread = qmc.Sobol(dimensions, scramble=False).random_base2(POINTS)
    return np.asarray(ndtri(spread + 0.5 / len(spread)))


@loop
def _tail(
    c: Columns, rules: PackedRules, w: Surroundings, at: Afterwards, last: int, base: int,
    count: NDArray[np.int64], faces: NDArray[np.float64], out: Tail,
) -> None:  # fmt: skip
    r = rules[0]
    discount = discount_factor(r, last + 1)
    for row in range(len(c.status)):
        bring_up_to_date(c, r, w, row, last, base)
        out.expectation[row] = expectation_of(c, r, row)
        out.satisfaction[row] = satisfaction_on(c, r, w, row, last + 1)
        out.value[row] = 0.0
        status = c.status[row]
        if status == LAPSED:
            continue
        person = _person(c, r, w, at, row)
        if status == UNAWARE:
            learned = at.learning / (_discount(r) + at.learning) if at.learning > 0.0 else 0.0
            value = learned * _prospect(r, at, person, at.prospect[person.persona])
        elif status == AWARE:
            value = _prospect(r, at, person, out.expectation[row])
        else:
            value = _worth(r, at, person, out.satisfaction[row], _mood(c, r, row, last + 1), out.expectation[row])
            orders = _orders(r, at, person, CUSTOMER, out.expectation[row], -person.deal)
            value -= person.per_order * orders * current_debt(c, r, row, last + 1)
            if count[row] > 0:
                value += _coupons(c, r, at, person, row, last, count[row], faces[row], out.expectation[row])
        out.value[row] = discount * value


@rule
def _discount(r: Rules) -> float:
    """Discount rate per day."""
    return r.discount_rate / DAYS_PER_YEAR


@rule
def _person(c: Columns, r: Rules, w: Surroundings, at: Afterwards, row: int) -> Person:
    me = c.more[row]
    persona = int(me.persona)
    price = w.persona_price[persona]
    total, store = 0.0, 0.0
    for channel in (WEB, APP, SHOP):
        store = channel_conversion(r, CUSTOMER, at.customer[persona], 0.0, price, channel)  # the last one
        total += store
    profit = expected_order_profit(r, r.basket_shape / me.spend, me.waiting_cost, 1.0 - store / total)
    return Person(
        persona, float(me.rate), float(me.lapse_trait), me.activated == 1, price, w.usual[persona],
        profit - at.support[persona], r.deal_weight * (int(me.deal) * DEAL_UNIT),
    )


@rule
def _orders(r: Rules, at: Afterwards, person: Person, status: int, expectation: float, saved: float) -> float:
    """Orders per day; `saved` is a coupon's share of the mean basket."""
    conversion = 0.0
    for channel in (WEB, APP, SHOP):
        conversion += channel_conversion(r, status, expectation, saved, person.price, channel)
    reference = reference_visits(r, status, person.rate)
    return visit_rate(r, reference, at.season, False, person.activated, 0.0) * conversion


@rule
def _hazard(r: Rules, person: Person, satisfaction: float, score: float, orders: float) -> float:
    """Hazard of lapse per day at so many orders a day, each with this score; su.

    By the episode clock a customer lapses on what the order itself has made of satisfaction; by the time clock the
    hazard of idleness is its mean over the time since the last order.
    """
    if r.episode_clock > 0.5:
        after = satisfaction + r.memory * (score - satisfaction)
        return orders * lapse_probability(r, person.lapse_trait, after, person.activated)
    hazard = lapse_hazard(r, person.lapse_trait, satisfaction, person.activated)
    if r.idleness > 0.0 and orders > 0.0:
        hazard *= 1.0 + r.idleness * person.rate / orders * math.exp(-orders / person.rate)
    return hazard


@rule
def _mean_left(pull: float, start: float, length: float) -> float:
    """Mean share left, from `start` on for `length` days, of what fades at the rate `pull` per day."""
    return math.exp(-pull * start) * (1.0 - math.exp(-pull * length)) / (pull * length)


@rule
def _worth(
    r: Rules, at: Afterwards, person: Person, satisfaction: float, mood: float, expectation: float
) -> float:
    """Expected discounted profit of a customer from now on, yen; `mood` is the part of satisfaction that fades."""
    back, length, discount = LN2 / r.return_half_life, 0.5 * r.return_half_life, _discount(r)
    usual_orders = _orders(r, at, person, CUSTOMER, at.customer[person.persona], 0.0)
    unexpected = back / (back + r.experience_rate * usual_orders)
    better = at.score[person.persona] + unexpected * at.surprise[person.persona]
    expected, believing = at.customer[person.persona], 0.0
    for k in range(len(TOUCHPOINT_NAMES)):
        weight, learning = r.weights[k], at.met[k] * r.experience_rate * usual_orders
        pull = back + at.heard + learning
        expected += weight / at.weight * (learning * at.shift[person.persona, k] + at.heard * better) / pull
        believing += weight / at.weight * pull
    resting = _orders(r, at, person, CUSTOMER, expected, 0.0)
    feeling = back + r.memory * resting
    score = person.usual + better
    rest = person.usual + r.memory * resting / feeling * better
    fading, forgetting = LN2 / r.fatigue_half_life, r.deal_memory * resting
    total, left = 0.0, 1.0
    for panel in range(PANELS):
        start = panel * length
        belief = expected + (expectation - expected) * _mean_left(believing, start, length)
        mean = rest + (satisfaction - mood - rest) * _mean_left(feeling, start, length)
        mean += mood * _mean_left(fading, start, length)
        spoiled = person.deal * _mean_left(forgetting, start, length) if person.deal > 0.0 else 0.0
        orders = _orders(r, at, person, CUSTOMER, belief, -spoiled)
        ends = discount + _hazard(r, person, mean, score, orders)
        stays = math.exp(-ends * length)
        total += left * orders * (1.0 - stays) / ends
        left *= stays
    ends = discount + _hazard(r, person, rest, score, resting)
    return person.per_order * (total + left * resting / ends)


@rule
def _prospect(r: Rules, at: Afterwards, person: Person, expectation: float) -> float:
    """Expected discounted profit of somebody who knows the brand and has not bought, yen."""
    back, length, discount = LN2 / r.return_half_life, 0.5 * r.return_half_life, _discount(r)
    rest = at.prospect[person.persona] + at.heard / (at.heard + back) * at.score[person.persona]
    total, left = 0.0, 1.0
    for panel in range(PANELS):
        belief = rest + (expectation - rest) * _mean_left(back + at.heard, panel * length, length)
        buys = _orders(r, at, person, AWARE, belief, 0.0)
        stays = math.exp(-(discount + buys) * length)
        total += left * buys * (1.0 - stays) / (discount + buys)
        left *= stays
    buys = _orders(r, at, person, AWARE, rest, 0.0)
    total += left * buys / (discount + buys) if buys > 0.0 else 0.0
    return total * (person.per_order - r.acquisition_cost + _worth(r, at, person, person.usual, 0.0, rest))


@rule
def _mood(c: Columns, r: Rules, row: int, day: int) -> float:
    """The part of satisfaction on `day` that messages made, su."""
    me = c.more[row]
    return float(me.mood) * share_left(r.fatigue_half_life, day - int(me.felt_day))


@rule
def _coupons(
    c: Columns, r: Rules, at: Afterwards, person: Person, row: int, last: int, count: int, faces: float,
    expectation: float,
) -> float:  # fmt: skip
    """What open coupons are worth, yen: the orders that they bring, less those only bought forward, less discounts."""
    basket = r.basket_shape / float(c.more[row].spend)
    face = min(faces / count, basket)
    without = _orders(r, at, person, CUSTOMER, expectation, -person.deal)
    reminded = (1.0 + r.coupon_acceleration) * r.redemption * _orders(
        r, at, person, CUSTOMER, expectation, face / basket - person.deal
    )
    if reminded <= 0.0:
        return 0.0
    days = int(c.more[row].coupon_until) - last
    used = count * (1.0 - math.exp(-reminded * days / count))
    forgotten = (1.0 + r.coupon_acceleration) * (1.0 - r.redemption) * without
    forward = r.forward_bought * r.coupon_acceleration * without
    more = (reminded + forgotten - without - forward) * used / reminded
    return person.per_order * more - face * used
