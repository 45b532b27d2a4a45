"""Pure rules of one customer: scalars in, scalars out, no chance, no clock, no company.

Every rule is written once. The Mesa engine runs this text as Python, the compiled loop compiles it, and the two agree
to the last bit: all arithmetic is float64, with `math` only and powers through exp and log.

Units: su, the latent unit of quality, expectation and satisfaction (0 neutral, 1 about the SD of an episode's score);
days; yen. Section numbers are those of docs/ODD.md. The argument `r` is the rules' numbers, a `Rules` or packed.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.columns import APP, AWARE, EXPRESS, NORUSH, SHOP, STANDARD, STORE, TOUCHPOINT_NAMES, WEB
from agents.compiled import rule


class Rules(NamedTuple):
    """Every number a customer's rules depend on, float64; rates per day unless named otherwise.

    Each is one number but for `weights`, one per touchpoint, and `longer`, `dearer` and `closed`, one per class.
    All are those of the configuration at one point, except the last block: the references that the pilot measures and
    freezes.
    """

    # awareness, word of mouth, beliefs
    ad_hazard: float
    talk_hazard: float
    public_share: float
    ties: float
    negative_weight: float
    talk_base: float
    talk_positive: float
    talk_negative: float
    hearsay_rate: float
    experience_rate: float
    # visits
    prospect_rate: float
    coupon_acceleration: float
    forward_bought: float
    activation_lift: float
    # choice
    conversion_customer: float
    conversion_prospect: float
    expectation_slope: float
    price_slope: float
    delivery_slope: float
    deal_weight: float
    deal_memory: float
    lead_slope: float
    fee_weight: float
    top_up: float
    competitor: float
    friction_web: float
    friction_app: float
    friction_store: float
    share_web: float
    share_app: float
    # delivery classes
    utility_standard: float
    utility_norush: float
    fee_slope: float
    coupon_weight: float
    express_lead: float
    standard_lead: float
    norush_lead: float
    express_fee: float
    standard_fee: float
    norush_fee: float
    express_cost: float
    standard_cost: float
    norush_cost: float
    # what an intervention has made of the terms of delivery
    new_terms: float  # 1: some differ from the usual ones
    longer: tuple[float, ...]  # days promised beyond the usual lead, by class
    dearer: tuple[float, ...]  # yen beyond the usual fee, by class
    closed: tuple[float, ...]  # 1: the class is not on offer, by class
    free_from: float  # yen of basket from which standard and no-rush delivery cost nothing
    # money
    basket_shape: float
    redemption: float
    margin: float
    acquisition_cost: float
    discount_rate: float
    # what is sent back
    return_share: float
    return_slope: float
    return_cost: float
    return_spoiled: float
    # episode
    experience_noise_sd: float
    noise_store: float
    weights: tuple[float, ...]  # of the touchpoints
    gain_weight: float
    loss_aversion: float
    mean_weight: float
    peak_weight: float
    end_weight: float
    memory: float
    return_half_life: float
    value_weight: float
    wait_weight: float
    late_penalty: float
    late_half: float
    late_power: float
    early_gain: float
    # support
    contact_base: float
    contact_bad: float
    bad_below: float
    resolution: float
    recovery: float
    unresolved: float
    wait_penalty: float
    support_quality: float
    # attrition
    episode_clock: float
    satisfaction_slope: float
    activation_slope: float
    competitor_slope: float
    idleness: float
    # messages
    opt_in_mail: float
    opt_in_push: float
    onboarding: float
    activation_base: float
    match_floor: float
    fatigue_slope: float
    fatigue_half_life: float
    annoyance: float
    click_bonus: float
    # survey
    survey_intercept: float
    survey_slope: float
    survey_style_sd: float
    survey_noise_sd: float
    respond: float
    respond_extreme: float
    respond_customer: float
    # references, frozen by the pilot
    satisfaction_ref: float
    expectation_ref: float
    lapse_offset: float
    order_offset: float
    trial_scale: float
    cut_1: float
    cut_2: float
    cut_3: float
    cut_4: float


_SEVERAL = {"weights": (len(TOUCHPOINT_NAMES),), "longer": (STORE,), "dearer": (STORE,), "closed": (STORE,)}

_PACKED = np.dtype([(name, np.float64, _SEVERAL.get(name, ())) for name in Rules._fields])

CLOSED = -1e9
"""Utility of a delivery class that is not on offer, logits."""

NO_THRESHOLD = 1e12
"""Yen of basket that nobody reaches: delivery is free from nowhere on."""


PackedRules = NDArray[Any]
"""Rules for compiled code: an array of one record, of which `packed[0]` reads like `Rules`."""


def pack(rules: Rules) -> PackedRules:
    """Rules for compiled code. An array is handed over by reference, a tuple as some 100 arguments."""
    return np.array([tuple(rules)], _PACKED)


LN2 = math.log(2.0)

DEBT_REPAID = 0.05
"""Share of forward-bought demand repaid each day."""


@rule
def logistic(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    z = math.exp(x)
    return z / (1.0 + z)


@rule
def logit(p: float) -> float:
    """Log odds of p in (0, 1)."""
    return math.log(p / (1.0 - p))


@rule
def positive(x: float) -> float:
    """max(x, 0)."""
    return x if x > 0.0 else 0.0


# -- 7.1 awareness ---------------------------------------------------------------------------------------------


@rule
def awareness_by_talk(r: Rules, own_volume: float, public_volume: float) -> float:
    """Hazard per day of learning of the brand from talk; volumes: stock of talk summed over own ties, public mean."""
    return r.talk_hazard * ((1.0 - r.public_share) * own_volume / r.ties + r.public_share * public_volume)


# -- 7.2 beliefs -----------------------------------------------------------------------------------------------


@rule
def share_left(half_life: float, days: int) -> float:
    """Share left, after so many days, of what halves every `half_life` days.

    Satisfaction's gap to the usual does (Knox and van Oest 2014: relationships return to normal), fatigue and mood do.
    """
    return math.exp(-LN2 * days / half_life)


@rule
def hearsay(r: Rules, weight_heard: float, score_heard: float, days: int) -> tuple[float, float, float]:
    """How talk heard over some days moves an expectation while it also returns to the usual.

    Returns (share of the way that it goes to its aim, what talk adds to the aim in su, weight of the usual in the
    aim). Closed form of E += rate * (score - weight * E) + ln 2 / half-life * (usual - E), a day a time, for scores
    per weight held constant.
    """
    heard, back = r.hearsay_rate * weight_heard, LN2 * days / r.return_half_life
    return 1.0 - math.exp(-(heard + back)), r.hearsay_rate * score_heard / (heard + back), back / (heard + back)


@rule
def believe(expectation: float, share: float, aim: float) -> float:
    """Expectation after going a share of the way to an aim."""
    return expectation + share * (aim - expectation)


# -- 7.3 visits ------------------------------------------------------------------------------------------------


@rule
def reference_visits(r: Rules, status: int, rate: float) -> float:
    """Visits per day at references: a prospect's trial rate, or a customer's purchase rate over conversion."""
    if status == AWARE:
        return r.prospect_rate * r.trial_scale
    return rate / r.conversion_customer


@rule
def visit_rate(r: Rules, reference: float, season: float, coupon_open: bool, activated: bool, debt: float) -> float:
    """Visits per day: season, an open coupon and onboarding raise them, demand bought forward (`debt`) lowers them."""
    rate = reference * season
    if coupon_open:
        rate *= 1.0 + r.coupon_acceleration
    if activated:
        rate *= 1.0 + r.activation_lift
    return positive(rate - DEBT_REPAID * debt * reference)


@rule
def visits_in_day(rate: float, u: float) -> int:
    """How often a customer visits on a day, from the draw that decides whether at all: a Poisson quantile, up to 99."""
    term = math.exp(-rate)
    total, visits = term, 0
    while 1.0 - u > total and visits < 99:
        visits += 1
        term *= rate / visits
        total += term
    return visits


@rule
def visit_bound(r: Rules, reference: float, coupon: bool, activated: bool) -> float:
    """Upper bound of `visit_rate` at season 1, debt ignored; raised by 1e-6 of itself against rounding when stored."""
    return visit_rate(r, reference, 1.0, coupon, activated, 0.0) * 1.000001


@rule
def debt_after(r: Rules, debt: float, closed_before: int, opened: int, closed_after: int) -> float:
    """Debt after days without, with and again without an open coupon: x += gain - DEBT_REPAID x, in closed form."""
    keep = math.log(1.0 - DEBT_REPAID)
    gain = r.forward_bought * r.coupon_acceleration
    kept = math.exp(keep * opened)
    x = debt * math.exp(keep * closed_before)
    x = x * kept + gain * (1.0 - kept) / DEBT_REPAID
    return x * math.exp(keep * closed_after)


# -- 7.4 shop and compare, 7.10 popup -----------------------------------------------------------------------------


@rule
def friction(r: Rules, channel: int) -> float:
    """Utility lost to the effort of ordering through a channel, logits."""
    if channel == WEB:
        return r.friction_web
    if channel == APP:
        return r.friction_app
    return r.friction_store


@rule
def channel_of(r: Rules, u: float) -> int:
    """Channel of a visit from one uniform."""
    if u < r.share_web:
        return WEB
    if u < r.share_web + r.share_app:
        return APP
    return SHOP


@rule
def order_utility(
    r: Rules,
    status: int,
    expectation: float,
    saved: float,
    price_multiplier: float,
    logsum_gain: float,
    message: float,
    channel: int,
) -> float:
    """Logit utility of ordering on a visit; `saved` is the coupon's share of the mean basket, less what is expected."""
    base = logit(r.conversion_prospect) if status == AWARE else logit(r.conversion_customer)
    return (
        base
        + r.order_offset
        + r.expectation_slope * (expectation - r.expectation_ref)
        + r.price_slope * price_multiplier * saved
        + r.delivery_slope * logsum_gain
        + message
        - friction(r, channel)
        - r.competitor
    )


@rule
def learned_deal(r: Rules, deal: float, saved: float) -> float:
    """Discount that a customer expects after an order that saved this share of the basket (Winer 1986: adaptive)."""
    return deal + r.deal_memory * (saved - deal)


@rule
def channel_share(r: Rules, channel: int) -> float:
    """Share of visits through a channel."""
    if channel == WEB:
        return r.share_web
    return r.share_app if channel == APP else 1.0 - r.share_web - r.share_app


@rule
def channel_conversion(
    r: Rules, status: int, expectation: float, saved: float, price_multiplier: float, channel: int
) -> float:
    """Share of all visits that end in an order through a channel, with nothing on offer but a coupon to hand."""
    utility = order_utility(r, status, expectation, saved, price_multiplier, 0.0, 0.0, channel)
    return channel_share(r, channel) * logistic(utility)


@rule
def order_probability(utility: float, rate: float, forced: bool) -> float:
    """P(an order | at least one of the day's Poisson visits), which makes orders at references Poisson.

    A click forces one visit more: P = 1 - (1 - conversion) * P(none of the Poisson visits converts).
    """
    if forced:
        conversion = logistic(utility)
        return 1.0 - (1.0 - conversion) * math.exp(-rate * conversion)
    if rate <= 1e-12:
        return logistic(utility)
    return (1.0 - math.exp(-rate * logistic(utility))) / (1.0 - math.exp(-rate))


@rule
def message_match(r: Rules, orders: int, fit: float, depth: float, relevant: bool) -> float:
    """How well a message fits, 0 to 1: 1 where the targeting rule itself ensures relevance.

    Else it lies between the floor and 1, a share of the way that is `fit` for a customer without orders and grows by
    up to `depth` with the number of orders.
    """
    if relevant:
        return 1.0
    known = 1.0 - math.exp(-(orders / 3.0))  # divided first: a count may be unsigned
    share = min(1.0, fit + depth * known)
    return r.match_floor + (1.0 - r.match_floor) * share


@rule
def message_lift(r: Rules, lift: float, match: float, fatigue: float) -> float:
    """Utility that a message adds to an order, logits: on the site when it is shown, elsewhere when it is clicked."""
    return lift * match * math.exp(-r.fatigue_slope * fatigue)


@rule
def click_probability(r: Rules, appeal: float, slope: float, match: float, fatigue: float) -> float:
    """P(click | impression)."""
    return logistic(appeal + slope * (match - 0.5) - r.fatigue_slope * fatigue)


# -- 7.5 delivery class ----------------------------------------------------------------------------------------


@rule
def usual_fee(r: Rules, kind: int) -> float:
    """Yen that a delivery class costs the customer as configured."""
    if kind == EXPRESS:
        return r.express_fee
    return r.standard_fee if kind == STANDARD else r.norush_fee


@rule
def parcel_cost(r: Rules, kind: int) -> float:
    """Yen that a parcel of a delivery class costs the company."""
    if kind == EXPRESS:
        return r.express_cost
    return r.standard_cost if kind == STANDARD else r.norush_cost


@rule
def fee_charged(r: Rules, kind: int, basket: float) -> float:
    """Yen that a delivery class costs with a basket of so many yen, under today's terms."""
    if kind != EXPRESS and basket >= r.free_from:
        return 0.0
    return usual_fee(r, kind) + r.dearer[kind]


@rule
def fee_felt(r: Rules, kind: int, basket: float) -> float:
    """Yen that the fee weighs: what it charges, or the trouble of filling the basket up to `free_from` if that is less.

    Each yen of goods put in only to save the fee weighs `top_up` yen.
    """
    fee = fee_charged(r, kind, basket)
    return fee if kind == EXPRESS else min(fee, r.top_up * positive(r.free_from - basket))


@rule
def topped_up(r: Rules, kind: int, basket: int) -> int:
    """Whole yen of the basket once it is filled up to `free_from`, if that weighs less than the fee."""
    if kind == EXPRESS or basket >= r.free_from or fee_felt(r, kind, basket) >= fee_charged(r, kind, basket):
        return basket
    return int(math.ceil(r.free_from))


@rule
def utility_at(r: Rules, kind: int, waiting_cost: float, longer: float, yen: float) -> float:
    """Utility of a delivery class that takes so many days more than its usual lead and weighs so many yen."""
    if kind == EXPRESS:
        return -waiting_cost * (r.express_lead + longer) - r.fee_slope * yen / 100.0
    if kind == STANDARD:
        return r.utility_standard - waiting_cost * (r.standard_lead + longer) - r.fee_slope * yen / 100.0
    return r.utility_norush - waiting_cost * (r.norush_lead + longer) - r.fee_slope * yen / 100.0


@rule
def usual_utility(r: Rules, kind: int, waiting_cost: float) -> float:
    """Utility of a delivery class under the usual terms, without a coupon."""
    return utility_at(r, kind, waiting_cost, 0.0, usual_fee(r, kind))


@rule
def class_utility(
    r: Rules, kind: int, waiting_cost: float, coupon: float, extra: int = 0, basket: float = 0.0
) -> float:
    """Utility of a delivery class under today's terms, with a basket of so many yen.

    `coupon` in yen and `extra` days beyond its lead come with no-rush only.
    """
    if r.closed[kind] > 0.5:
        return CLOSED
    fee, longer = fee_felt(r, kind, basket), r.longer[kind]
    if kind == NORUSH:
        return utility_at(r, kind, waiting_cost, longer + extra, fee - r.coupon_weight * coupon)
    return utility_at(r, kind, waiting_cost, longer, fee)


@rule
def class_logsum(r: Rules, waiting_cost: float, coupon: float, extra: int = 0, basket: float = 0.0) -> float:
    """Expected best utility over the three classes (McFadden 1978)."""
    total = 0.0
    for kind in range(3):
        total += math.exp(class_utility(r, kind, waiting_cost, coupon, extra, basket))
    return math.log(total)


@rule
def terms_felt(r: Rules, waiting_cost: float, price_multiplier: float, basket: float, mean_basket: float) -> float:
    """What today's terms of delivery add to the utility of ordering online, logits, against the usual ones.

    Promised days weigh `lead_slope` each, and a yen of fee `fee_weight` times a yen of price; each class counts by the
    share it has under the usual terms. A class that is closed is missed by `delivery_slope` times what the best of the
    classes was better for it. (Through the choice among classes, which has a slope of its own, a day would
    weigh ten times what field experiments found: Cui, Lu, Sun and Golden 2024; Oblander and Jerath 2024.)
    """
    total, left, days, yen = 0.0, 0.0, 0.0, 0.0
    for kind in range(3):
        weight = math.exp(usual_utility(r, kind, waiting_cost))
        total += weight
        if r.closed[kind] < 0.5:
            more_fee = fee_felt(r, kind, basket) - usual_fee(r, kind)
            left += weight
            days += weight * r.longer[kind]
            yen += weight * more_fee
    lost = r.lead_slope * days + r.price_slope * price_multiplier * r.fee_weight * yen / mean_basket
    return r.delivery_slope * math.log(left / total) - lost / left


@rule
def gumbel(u: float) -> float:
    """Standard Gumbel from one uniform."""
    return -math.log(-math.log(u))


# -- 7.8 episode -----------------------------------------------------------------------------------------------


@rule
def lateness_effect(r: Rules, late: float) -> float:
    """su a delivery gains or loses for being `late` days late (negative: early)."""
    if late > 0.0:
        hill = math.exp(r.late_power * math.log(late))
        return -r.late_penalty * hill / (math.exp(r.late_power * math.log(r.late_half)) + hill)
    return r.early_gain * min(-late, 7.0)


@rule
def disconfirm(r: Rules, performance: float, expectation: float) -> float:
    """Performance plus gain, less weighted loss, against expectation (Anderson and Sullivan 1993)."""
    gap = performance - expectation
    if gap >= 0.0:
        return performance + r.gain_weight * gap
    return performance + r.loss_aversion * r.gain_weight * gap


@rule
def stars_of(r: Rules, score: float) -> int:
    """Stars, 1 to 5, from the cuts frozen at the baseline's quantiles."""
    return 1 + (score > r.cut_1) + (score > r.cut_2) + (score > r.cut_3) + (score > r.cut_4)


# -- 7.9 support, 7.11 talk --------------------------------------------------------------------------------------


@rule
def contact_probability(r: Rules, score: float) -> float:
    """P(contacting support) after an episode."""
    return r.contact_bad if score < r.bad_below else r.contact_base


@rule
def after_support(r: Rules, score: float, served: bool, resolved: bool, wait_minutes: float) -> float:
    """Score after a contact, su: resolved, raised at most to neutral and less the wait; else lower. Staff may add."""
    if served:
        score += r.support_quality
    if resolved:
        return score + r.recovery * positive(-score) - r.wait_penalty * min(wait_minutes, 30.0) / 10.0
    return score - r.unresolved


@rule
def talk_probability(r: Rules, talkativeness: float, score: float) -> float:
    """P(talking about an episode)."""
    drive = r.talk_base + r.talk_positive * positive(score) + r.talk_negative * positive(-score)
    return 1.0 - math.exp(-talkativeness * drive)


@rule
def return_probability(r: Rules, score: float) -> float:
    """P(an online order is sent back) after an episode: the firm's share at the usual score, more below it."""
    return logistic(logit(r.return_share) - r.return_slope * (score - r.satisfaction_ref))


@rule
def return_loss(r: Rules, basket: float, discount: float) -> float:
    """Yen of profit lost by an order that is sent back: its margin, handling, and the goods that are spoiled."""
    return basket * r.margin - discount + r.return_cost + r.return_spoiled * basket * (1.0 - r.margin)


@rule
def after_apology(score: float, made_good: float) -> float:
    """Score once an apology has made good a share of what is bad in it, su."""
    return score + made_good * positive(-score)


# -- 7.12 attrition ----------------------------------------------------------------------------------------------


@rule
def lapse_probability(r: Rules, dropout: float, satisfaction: float, activated: bool) -> float:
    """P(lapse) after an episode under the episode clock (BG/NBD with a satisfaction slope)."""
    x = logit(dropout) + r.lapse_offset - r.satisfaction_slope * (satisfaction - r.satisfaction_ref)
    if activated:
        x -= r.activation_slope
    return logistic(x)


@rule
def lapse_hazard(r: Rules, hazard: float, satisfaction: float, activated: bool) -> float:
    """Daily lapse hazard under the time clock (Pareto/NBD with a satisfaction slope), idleness apart."""
    x = r.lapse_offset + r.competitor_slope * r.competitor
    x -= r.satisfaction_slope * (satisfaction - r.satisfaction_ref)
    if activated:
        x -= r.activation_slope
    return hazard * math.exp(x)


@rule
def idle_days(rate: float, last_order: int, first: int, last: int) -> float:
    """How overdue an order is: sum over days first .. last of max(0, rate * days since the last order - 1)."""
    if last < first or rate <= 0.0 or last_order + 1.0 / rate > last:
        return 0.0
    start = max(first, int(math.ceil(last_order + 1.0 / rate)))
    days = last - start + 1
    return days * (rate * (0.5 * (start + last) - last_order) - 1.0)


@rule
def hazard_consumed(r: Rules, hazard: float, rate: float, last_order: int, first: int, last: int) -> float:
    """Integrated hazard over days first .. last, both included."""
    total = hazard * (last - first + 1)
    if r.idleness > 0.0:
        total += hazard * r.idleness * idle_days(rate, last_order, first, last)
    return total


@rule
def day_of_lapse(r: Rules, budget: float, hazard: float, rate: float, last_order: int, today: int, never: int) -> int:
    """First day on which the hazard summed from `today` on reaches the budget, at most `never`."""
    if hazard <= 0.0:
        return never
    last = never if budget / hazard > 60000.0 else min(never, today + max(0, int(math.ceil(budget / hazard)) - 1))
    if r.idleness <= 0.0:
        return last
    first = today
    while first < last:  # consumed hazard grows with the day: bisection
        middle = (first + last) // 2
        if hazard_consumed(r, hazard, rate, last_order, today, middle) >= budget:
            last = middle
        else:
            first = middle + 1
    return first


# -- 7.13 survey -------------------------------------------------------------------------------------------------


@rule
def survey_answer(r: Rules, satisfaction: float, style: float, noise: float) -> int:
    """Answer from 0 to 10 to "would you recommend us", rounded half up."""
    x = r.survey_intercept + r.survey_slope * satisfaction + r.survey_style_sd * style + r.survey_noise_sd * noise
    return min(10, max(0, int(math.floor(x + 0.5))))


@rule
def response_probability(r: Rules, satisfaction: float, customer: bool) -> float:
    """P(answering a survey)."""
    x = r.respond + r.respond_extreme * abs(satisfaction - r.satisfaction_ref)
    if customer:
        x += r.respond_customer
    return logistic(x)


# -- 7.15 the tail -----------------------------------------------------------------------------------------------


@rule
def expected_order_profit(r: Rules, mean_basket: float, waiting_cost: float, online: float) -> float:
    """Expected profit of one order, yen, at the mean basket and without coupons; `online`: share of online orders."""
    total = 0.0
    delivery = 0.0
    for kind in range(3):
        weight = math.exp(class_utility(r, kind, waiting_cost, 0.0))
        total += weight
        delivery += weight * (usual_fee(r, kind) - parcel_cost(r, kind))
    profit = mean_basket * r.margin + online * delivery / total
    if r.return_share > 0.0:
        profit -= online * r.return_share * return_loss(r, mean_basket, 0.0)
    return profit
