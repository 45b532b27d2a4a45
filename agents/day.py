"""A customer's part of a day: which rules, in which order, what is written back.

The company acts between these parts of a day. Each part is one function of one row, which both engines call:

0. `receive`     a push or an e-mail, on days that bring one                      (ODD 7.10)
1. `arrive`      awareness, beliefs, the visit with its channel and search        (7.1-7.3)
2. `choose`      popup, order, class, basket, coupon; after the company's offers  (7.4-7.6, 7.10)
3. `experience`  an order handed over or cancelled: score, contact with support   (7.8, 7.9)
4. `conclude`    after support: satisfaction, stars, talk, attrition              (7.8, 7.9, 7.11, 7.12)

`hear` is what talk does to one tie, `lapse` the time clock at the day's end. Inputs and outputs that are not state
travel in `Visits` and `Episodes`: one entry per visitor or delivery, in row order, whatever the order of the calls.

Every rule names its arguments alike: `c` the columns of all customers, `row` one of them, and `me` that row's record;
`r` the rules' numbers and `w` the surroundings (tables that all share); `v`, `e` and `m` today's visits, episodes and
messages, and `j` the entry at hand; `k` a touchpoint. `slot` tells draws of one purpose, customer and day apart.
Section numbers are those of docs/ODD.md.
"""

from __future__ import annotations

import math

from agents import behaviour, draws
from agents.attrition import become_lapsed, consume_hazard, recover, satisfaction_on, schedule_lapse
from agents.behaviour import Rules
from agents.columns import (
    APP,
    AWARE,
    BY_MAIL,
    BY_PUSH,
    CANCELLED_TOUCHPOINTS,
    CUSTOMER,
    DEAL_UNIT,
    DELIVERY,
    FAR,
    FIXED_POINT,
    HAS_APP,
    LAPSED,
    LIKES,
    NEVER,
    NORUSH,
    ONLINE_TOUCHPOINTS,
    SEVERITY_UNIT,
    SHOP,
    STORE,
    STORE_FRONT,
    STORE_TOUCHPOINTS,
    TOUCHPOINT_NAMES,
    UNAWARE,
    Columns,
)
from agents.compiled import rule
from agents.draws import draw, normal_quantile
from agents.records import Episodes, Messages, Surroundings, Today, VariantTable, Visits, WaitingOptions
from agents.wallet import NONE, Wallet, usable_coupon

NOTHING, LEARNED_BY_AD, LEARNED_BY_TALK, VISITED = 0, 1, 2, 3
"""What `arrive` returns."""


# -- the screen --------------------------------------------------------------------------------------------------


@rule
def may_act(status: int, bound: float, u: float, season: float, learning: float) -> bool:
    """Whether a row can learn or visit today: its draw against an upper bound of its own probability.

    Exact thinning: whoever is screened out would not have acted, and `arrive` decides on the others by the same draw.
    `learning` is the part of the awareness hazard that is common to all, per day.
    """
    return u <= (bound + learning if status == UNAWARE else bound * season)


@rule
def acting_draw(seed: int, day: int, status: int, row: int) -> float:
    """The draw that decides whether a row learns of the brand (if unaware) or visits (otherwise) today."""
    return draw(seed, row, day, draws.AWARE if status == UNAWARE else draws.VISIT, 0)


@rule
def common_learning(r: Rules, today: Today) -> float:
    """Awareness hazard common to all: advertising and public talk."""
    return r.ad_hazard * today.ad_intensity + behaviour.awareness_by_talk(r, 0.0, today.public_volume)


@rule
def refresh_bound(c: Columns, r: Rules, row: int, day: int) -> None:
    """Recompute `bound`; to be called after any change of status, coupons, onboarding or talk heard."""
    me = c.more[row]
    status = int(c.status[row])
    if status == UNAWARE:
        bound = 1.000001 * behaviour.awareness_by_talk(r, int(me.heard_volume) / FIXED_POINT, 0.0)
    elif status == LAPSED:
        bound = -1.0
    else:
        reference = behaviour.reference_visits(r, status, float(me.rate))
        bound = behaviour.visit_bound(r, reference, int(me.coupon_until) >= day, int(me.activated) == 1)
    c.bound[row] = bound


# -- talk heard --------------------------------------------------------------------------------------------------


@rule
def bring_up_to_date(c: Columns, r: Rules, w: Surroundings, row: int, day: int, base: int) -> None:
    """Let talk heard earlier decay and move expectations up to the end of `day`, without that day's talk."""
    me = c.more[row]
    days = day - int(me.heard_day)
    if days <= 0:
        return
    if int(c.status[row]) == AWARE or int(c.status[row]) == CUSTOMER:
        _believe_what_was_heard(c, r, w, row, day, base, days)
    if int(me.heard_volume) != 0:
        keep = w.decay[days]
        me.heard_volume = int(math.floor(int(me.heard_volume) * keep + 0.5))
        me.heard_weight = int(math.floor(int(me.heard_weight) * keep + 0.5))
        me.heard_score = int(math.floor(int(me.heard_score) * keep + 0.5))
    me.heard_day = day


@rule
def _believe_what_was_heard(c: Columns, r: Rules, w: Surroundings, row: int, day: int, base: int, days: int) -> None:
    me = c.more[row]
    since, until = int(me.heard_day) - base, day - base
    # a stock that decays geometrically sums to stock * (1 - decay^n) / (1 - decay)
    spread = (1.0 - w.decay[days]) / (1.0 - w.decay[1]) if w.decay[1] < 1.0 else float(days)
    own = (1.0 - r.public_share) / r.ties / FIXED_POINT * spread
    weight = own * int(me.heard_weight) + (w.public_weight[until] - w.public_weight[since])
    score = own * int(me.heard_score) + (w.public_score[until] - w.public_score[since])
    share, told, usual = behaviour.hearsay(r, weight, score, days)
    for k in range(len(TOUCHPOINT_NAMES)):
        aim = told + usual * w.usual_quality[int(me.persona), k]
        me.expect[k] = behaviour.believe(float(me.expect[k]), share, aim)


@rule
def hear(c: Columns, r: Rules, w: Surroundings, today: Today, row: int, volume: int, weight: int, score: int) -> None:
    """Add the increments of a tie's stock of talk to what the row has heard; in 2^-20."""
    me = c.more[row]
    if int(c.status[row]) == LAPSED:
        return
    bring_up_to_date(c, r, w, row, today.day, today.base)
    me.heard_volume += volume
    me.heard_weight += weight
    me.heard_score += score
    if int(c.status[row]) == UNAWARE:
        refresh_bound(c, r, row, today.day)


@rule
def expectation_of(c: Columns, r: Rules, row: int) -> float:
    """Mean of the stored expectations over touchpoints, by the weights of an episode; su."""
    me = c.more[row]
    total, weighted = 0.0, 0.0
    for k in range(len(TOUCHPOINT_NAMES)):
        total += r.weights[k]
        weighted += r.weights[k] * float(me.expect[k])
    return weighted / total


# -- 0 receive ---------------------------------------------------------------------------------------------------


@rule
def receive(
    c: Columns, r: Rules, w: Surroundings, variants: VariantTable, today: Today, m: Messages, j: int
) -> None:
    """React to the push or e-mail in entry j: click, or be annoyed and perhaps opt out.

    The lapsed ignore it, but for those whom it brings back.
    """
    row, variant_row = int(m[j].row), int(m[j].variant_row)
    if int(c.status[row]) == LAPSED:
        if draw(today.seed, row, today.day, draws.WAKE, 0) < variants["wakes"][variant_row]:
            _come_back(c, r, w, today, row)
            m[j].came_back = 1
        return
    me = c.more[row]
    clicked, m[j].boost = _react(c, r, w, variants, today, row, variant_row, m[j].relevant == 1, OFF_SITE)
    m[j].clicked = clicked
    if clicked and variants["asks"][variant_row] == 1:
        c.consent[row] = int(c.consent[row]) | LIKES
    elif not clicked:
        u = draw(today.seed, row, today.day, draws.OPT_OUT, 0)
        if u < variants["opt_out"][variant_row] * float(me.fatigue):
            c.consent[row] = int(c.consent[row]) & ~int(variants["bit"][variant_row])
            m[j].opted_out = 1


@rule
def _come_back(c: Columns, r: Rules, w: Surroundings, today: Today, row: int) -> None:
    """Be a customer again, as somebody of this persona usually feels and expects, with a new time to lapse."""
    me = c.more[row]
    bring_up_to_date(c, r, w, row, today.day, today.base)
    c.status[row], c.lapse_day[row] = CUSTOMER, FAR
    for k in range(len(TOUCHPOINT_NAMES)):
        me.expect[k] = w.usual_quality[int(me.persona), k]
    me.satisfaction, me.mood, me.fatigue = w.usual[int(me.persona)], 0.0, 0.0
    me.felt_day, me.lapse_synced = today.day, today.day
    me.lapse_budget = -math.log(draw(today.seed, row, today.day, draws.LAPSE_TIME, 1))
    schedule_lapse(c, r, row, today.day)
    refresh_bound(c, r, row, today.day)


ON_SITE, OFF_SITE = 0, 1
"""Slots of the draw of a click: a customer may get one message on the site and one off it on a day."""


@rule
def _tire(c: Columns, r: Rules, w: Surroundings, row: int, day: int) -> float:
    """Fatigue before this message, which adds 1 to it; all campaigns share it: each tires for the next one."""
    me = c.more[row]
    recover(c, r, w, row, day)
    fatigue = float(me.fatigue)
    me.fatigue = fatigue + 1.0
    return fatigue


@rule
def _react(
    c: Columns, r: Rules, w: Surroundings, variants: VariantTable, today: Today, row: int, variant_row: int,
    relevant: bool, slot: int,
) -> tuple[bool, float]:  # fmt: skip
    """(whether a message is clicked, utility it would add, logits): less if it fits less or the customer is tired."""
    me = c.more[row]
    consume_hazard(c, r, row, today.day)
    fatigue = _tire(c, r, w, row, today.day)
    fit, depth = variants["fit"][variant_row], variants["depth"][variant_row]
    match = behaviour.message_match(r, int(me.orders), fit, depth, relevant)
    liked, slope = variants["appeal"][variant_row], variants["slope"][variant_row]
    appeal = behaviour.click_probability(r, liked, slope, match, fatigue)
    clicked = draw(today.seed, row, today.day, draws.CLICK, slot) < appeal
    mood = r.click_bonus * match if clicked else -r.annoyance * (1.0 - match)
    me.satisfaction = float(me.satisfaction) + mood
    me.mood = float(me.mood) + mood
    schedule_lapse(c, r, row, today.day)
    return clicked, behaviour.message_lift(r, variants["lift"][variant_row], match, fatigue)


# -- 1 arrive ----------------------------------------------------------------------------------------------------


@rule
def arrive(c: Columns, r: Rules, w: Surroundings, today: Today, row: int) -> int:
    """Learn of the brand, or visit; returns NOTHING, LEARNED_BY_AD, LEARNED_BY_TALK or VISITED."""
    status = int(c.status[row])
    u = acting_draw(today.seed, today.day, status, row)
    if status == UNAWARE:
        return _learn(c, r, w, today, row, u)
    if status == LAPSED:
        return NOTHING
    if u >= 1.0 - math.exp(-_visit_rate(c, r, today, row)):
        return NOTHING
    bring_up_to_date(c, r, w, row, today.day, today.base)
    return VISITED


@rule
def come_by(c: Columns, r: Rules, w: Surroundings, today: Today, row: int) -> None:
    """Visit because of a click, on a day without a visit of one's own."""
    bring_up_to_date(c, r, w, row, today.day, today.base)


@rule
def _learn(c: Columns, r: Rules, w: Surroundings, today: Today, row: int, u: float) -> int:
    me = c.more[row]
    days = today.day - 1 - int(me.heard_day)
    own = int(me.heard_volume) * w.decay[max(days, 0)] / FIXED_POINT
    by_ad = r.ad_hazard * today.ad_intensity
    by_talk = behaviour.awareness_by_talk(r, own, today.public_volume)
    if u >= 1.0 - math.exp(-(by_ad + by_talk)):
        return NOTHING
    bring_up_to_date(c, r, w, row, today.day, today.base)
    c.status[row] = AWARE
    refresh_bound(c, r, row, today.day)
    source = draw(today.seed, row, today.day, draws.AWARE_SOURCE, 0)
    return LEARNED_BY_AD if source * (by_ad + by_talk) < by_ad else LEARNED_BY_TALK


@rule
def _visit_rate(c: Columns, r: Rules, today: Today, row: int) -> float:
    me = c.more[row]
    reference = behaviour.reference_visits(r, int(c.status[row]), float(me.rate))
    coupon_open = int(me.coupon_from) <= today.day <= int(me.coupon_until)
    debt = current_debt(c, r, row, today.day)
    return behaviour.visit_rate(r, reference, today.season, coupon_open, int(me.activated) == 1, debt)


@rule
def current_debt(c: Columns, r: Rules, row: int, day: int) -> float:
    """Demand bought forward and not repaid, at the start of `day`, in reference visit rates."""
    me = c.more[row]
    if int(me.debt_day) == NEVER:
        return 0.0
    start = int(me.debt_day)
    days = day - start
    before = min(days, max(0, int(me.coupon_from) - start))
    opened = min(days, max(0, int(me.coupon_until) + 1 - start)) - before
    opened = max(0, opened)
    return behaviour.debt_after(r, float(me.debt), before, opened, days - before - opened)


@rule
def settle_debt(c: Columns, r: Rules, row: int, day: int) -> None:
    """Store the debt as of the end of `day`; to be called before the customer's coupons change."""
    me = c.more[row]
    me.debt = current_debt(c, r, row, day + 1)
    me.debt_day = day + 1


@rule
def where_to(r: Rules, w: Surroundings, seed: int, day: int, row: int) -> tuple[int, int]:
    """Channel of the visit and the topic searched there (0 none; nobody searches in the store)."""
    channel = behaviour.channel_of(r, draw(seed, row, day, draws.CHANNEL, 0))
    if channel == SHOP:
        return channel, 0
    u = draw(seed, row, day, draws.TOPIC, 0)
    for topic in range(len(w.topics)):
        if u < w.topics[topic]:
            return channel, topic + 1
    return channel, 0


@rule
def _times(c: Columns, r: Rules, today: Today, row: int, forced: int) -> int:
    """How often a visitor comes today, a click among it; the day's offers and decision are the same each time."""
    status = int(c.status[row])
    if status == UNAWARE:
        return 1
    u = acting_draw(today.seed, today.day, status, row)
    return max(1, behaviour.visits_in_day(_visit_rate(c, r, today, row), u) + forced)


@rule
def look_around(c: Columns, r: Rules, w: Surroundings, today: Today, v: Visits, j: int) -> None:
    """Fill in channel and topic of entry j, which the firm sees before it makes offers, and count the day's visits."""
    row = int(v[j].row)
    me = c.more[row]
    v[j].times = _times(c, r, today, row, int(v[j].forced))
    me.visits += v[j].times
    channel, topic = where_to(r, w, today.seed, today.day, row)
    v[j].channel = channel
    if channel == APP and int(c.consent[row]) & HAS_APP == 0:
        me.first_app = today.day
        agrees = draw(today.seed, row, 0, draws.OPT_IN, 1) < r.opt_in_push
        c.consent[row] = int(c.consent[row]) | (HAS_APP | BY_PUSH if agrees else HAS_APP)
    if topic > 0:
        me.topic = topic
        me.topic_day = today.day


# -- 2 choose ----------------------------------------------------------------------------------------------------


@rule
def choose(
    c: Columns, r: Rules, w: Surroundings, variants: VariantTable, waiting_options: WaitingOptions, wallet: Wallet,
    today: Today, v: Visits, j: int
) -> None:
    """React to the popup, decide whether to order, and what and how."""
    row = int(v[j].row)
    me = c.more[row]
    rate = _visit_rate(c, r, today, row)
    message = float(v[j].boost)
    if v[j].popup > 0:
        v[j].clicked, lift = _react(c, r, w, variants, today, row, int(v[j].variant_row), v[j].relevant == 1, ON_SITE)
        message += lift
    if r.onboarding > 0.5 and v[j].channel == APP and int(me.first_app) == today.day:
        _launch(c, r, w, variants, today, v, j)
    if v[j].waiting_options > 0:
        _pick_days(c, r, waiting_options, v, j)
    face = _coupon_face(c, r, wallet, today, row)
    mean_basket = r.basket_shape / float(me.spend)
    v[j].basket = basket_of(w, draw(today.seed, row, today.day, draws.BASKET, 0), float(me.spend))
    gain = _class_gain(c, r, v, j) if v[j].channel != SHOP and v[j].norush_coupon > 0 else 0.0
    if r.new_terms > 0.5 and v[j].channel != SHOP:
        price = w.persona_price[int(me.persona)]
        message += behaviour.terms_felt(r, float(me.waiting_cost), price, float(v[j].basket), mean_basket)
    saved = min(face, mean_basket) / mean_basket - r.deal_weight * (int(me.deal) * DEAL_UNIT)
    utility = behaviour.order_utility(
        r, int(c.status[row]), expectation_of(c, r, row), saved,
        w.persona_price[int(me.persona)], gain, message, v[j].channel,
    )  # fmt: skip
    c.last_visit[row] = today.day
    orders = behaviour.order_probability(utility, rate, v[j].forced == 1)
    if draw(today.seed, row, today.day, draws.CONVERT, 0) < orders:
        _order(c, r, w, today, v, j, face)
    else:
        v[j].basket = 0


@rule
def _launch(c: Columns, r: Rules, w: Surroundings, variants: VariantTable, today: Today, v: Visits, j: int) -> None:
    """Onboard at the app's first launch (link an account, say) or not; a welcome message may raise the chance."""
    row = int(v[j].row)
    me = c.more[row]
    consume_hazard(c, r, row, today.day)
    lift = 0.0
    if v[j].welcome > 0:
        lift = behaviour.message_lift(r, variants["lift"][int(v[j].welcome_row)], 1.0, _tire(c, r, w, row, today.day))
    if draw(today.seed, row, 0, draws.ACTIVATE, 0) < behaviour.logistic(r.activation_base + lift):
        me.activated = 1
        refresh_bound(c, r, row, today.day)
        v[j].linked = 1
    schedule_lapse(c, r, row, today.day)


@rule
def _coupon_face(c: Columns, r: Rules, wallet: Wallet, today: Today, row: int) -> float:
    """Yen of the coupon the customer has and remembers to redeem, 0 without."""
    place = usable_coupon(c, wallet, row, today.day)
    if place == NONE or draw(today.seed, row, today.day, draws.REDEEM, 0) >= r.redemption:
        return 0.0
    return float(wallet.face[place])


@rule
def _pick_days(c: Columns, r: Rules, waiting_options: WaitingOptions, v: Visits, j: int) -> None:
    """Fill in the option of waiting with the highest utility for this customer, should no-rush be chosen."""
    waiting_cost, best = float(c.more[v[j].row].waiting_cost), -1e300
    for option in range(len(waiting_options)):
        if waiting_options["owner"][option] + 1 == v[j].waiting_options:
            face, extra = int(waiting_options["face"][option]), int(waiting_options["extra"][option])
            utility = behaviour.class_utility(r, NORUSH, waiting_cost, float(face), extra)
            if utility > best:
                best = utility
                v[j].norush_coupon, v[j].extra = face, extra


@rule
def _class_gain(c: Columns, r: Rules, v: Visits, j: int) -> float:
    waiting_cost = float(c.more[v[j].row].waiting_cost)
    coupon = float(v[j].norush_coupon)
    basket = float(v[j].basket)
    offered = behaviour.class_logsum(r, waiting_cost, coupon, int(v[j].extra), basket)
    return offered - behaviour.class_logsum(r, waiting_cost, 0.0, 0, basket)


@rule
def _class_chosen(c: Columns, r: Rules, today: Today, v: Visits, j: int) -> int:
    """Gumbel-max with one draw per class, so that raising one utility never shuffles the others."""
    row = int(v[j].row)
    me = c.more[row]
    if v[j].channel == SHOP:
        return STORE
    best, best_kind = -1e300, 0
    for kind in range(3):
        utility = behaviour.class_utility(
            r, kind, float(me.waiting_cost), float(v[j].norush_coupon), int(v[j].extra), float(v[j].basket)
        )
        utility += behaviour.gumbel(draw(today.seed, row, today.day, draws.CLASS, kind))
        if utility > best:
            best, best_kind = utility, kind
    return best_kind


@rule
def basket_of(w: Surroundings, u: float, spend: float) -> int:
    """Whole yen of a basket: a gamma quantile from the table, over the customer's own rate."""
    cells = len(w.gamma)
    place = u * cells - 0.5
    cell = min(cells - 2, max(0, int(math.floor(place))))
    step = min(1.0, max(0.0, place - cell))
    value = w.gamma[cell] + step * (w.gamma[cell + 1] - w.gamma[cell])
    return max(1, int(math.floor(value / spend + 0.5)))


@rule
def _order(c: Columns, r: Rules, w: Surroundings, today: Today, v: Visits, j: int, face: float) -> None:
    row = int(v[j].row)
    me = c.more[row]
    kind = _class_chosen(c, r, today, v, j)
    basket = int(v[j].basket) if kind == STORE else behaviour.topped_up(r, kind, int(v[j].basket))
    discount = min(int(face), basket)
    v[j].kind, v[j].basket, v[j].discount = kind, basket, discount
    v[j].redeemed = face > 0.0
    v[j].first = int(c.status[row]) == AWARE
    me.orders = min(65535, int(me.orders) + 1)
    me.monetary += basket
    deal = behaviour.learned_deal(r, int(me.deal) * DEAL_UNIT, discount / basket)
    me.deal = min(65535, int(math.floor(deal / DEAL_UNIT + 0.5)))
    if int(c.status[row]) == AWARE:
        _become_customer(c, r, w, today, row)
    elif r.idleness > 0.0:
        consume_hazard(c, r, row, today.day)
    me.last_order = today.day
    schedule_lapse(c, r, row, today.day)
    me.open_orders += 1
    me.bought += 1
    if kind == NORUSH and v[j].breakage > 0.0 and draw(today.seed, row, today.day, draws.KEEP, 8) < v[j].breakage:
        v[j].norush_coupon = 0  # what is never used is as good as not given
    if kind != STORE:
        me.online += 1
        me.norush += kind == NORUSH


@rule
def _become_customer(c: Columns, r: Rules, w: Surroundings, today: Today, row: int) -> None:
    me = c.more[row]
    recover(c, r, w, row, today.day)
    c.status[row] = CUSTOMER
    me.first_order = today.day
    if draw(today.seed, row, 0, draws.OPT_IN, 0) < r.opt_in_mail:
        c.consent[row] = int(c.consent[row]) | BY_MAIL
    me.lapse_budget = -math.log(draw(today.seed, row, 0, draws.LAPSE_TIME, 0))
    me.lapse_synced = today.day
    refresh_bound(c, r, row, today.day)


@rule
def order_fee(r: Rules, kind: int, basket: int) -> float:
    """Yen the customer pays for delivery."""
    return 0.0 if kind == STORE else behaviour.fee_charged(r, kind, basket)


@rule
def order_cost(r: Rules, kind: int) -> float:
    """Yen delivery costs the company."""
    return 0.0 if kind == STORE else behaviour.parcel_cost(r, kind)


# -- 3 experience, 4 conclude ---------------------------------------------------------------------------------------


@rule
def _touch(c: Columns, r: Rules, today: Today, e: Episodes, j: int, slot: int, quality: float) -> float:
    """Performance at one touchpoint, su. Its draw is that of the order's day: congestion cannot change it."""
    u = draw(today.seed, int(e[j].row), int(e[j].order_day), draws.PERFORMANCE, slot)
    return quality + (r.noise_store if slot == STORE_FRONT else r.experience_noise_sd) * normal_quantile(u)


@rule
def experience(c: Columns, r: Rules, w: Surroundings, today: Today, e: Episodes, j: int) -> None:
    """Score the order handed over or cancelled in entry j, adapt expectations, decide whether to contact support."""
    row = int(e[j].row)
    bring_up_to_date(c, r, w, row, today.day, today.base)
    if e[j].kind == STORE:
        score = _score(c, r, w, today, e, j, STORE_TOUCHPOINTS)
    elif e[j].cancelled == 1:
        score = _score(c, r, w, today, e, j, CANCELLED_TOUCHPOINTS)
    else:
        score = _score(c, r, w, today, e, j, ONLINE_TOUCHPOINTS)
    score += r.value_weight * float(e[j].saved)
    if e[j].kind == NORUSH:
        score -= r.wait_weight * (r.norush_lead + int(e[j].extra) - r.standard_lead)
    elif e[j].extra != 0:
        score -= r.wait_weight * int(e[j].extra)
    e[j].score = score
    u = draw(today.seed, row, int(e[j].order_day), draws.CONTACT, 0)
    e[j].contact = u < behaviour.contact_probability(r, score)


@rule
def _score(
    c: Columns, r: Rules, w: Surroundings, today: Today, e: Episodes, j: int, touchpoints: tuple[int, ...]
) -> float:
    """Score of an order from mean, peak and end over its touchpoints, su; moves the expectation of each."""
    me = c.more[int(e[j].row)]
    persona = int(me.persona)
    total, weighted, peak, y = 0.0, 0.0, 0.0, 0.0
    worst, lowest = 0, math.inf
    for k in touchpoints:
        performance = _touch(c, r, today, e, j, k, w.quality[persona, k])
        if k == DELIVERY:
            performance += behaviour.lateness_effect(r, float(e[j].late))
        expected = float(me.expect[k])
        y = behaviour.disconfirm(r, performance, expected)
        me.expect[k] = behaviour.believe(expected, r.experience_rate, performance)
        total += r.weights[k]
        weighted += r.weights[k] * y
        if abs(y) > abs(peak):
            peak = y
        if r.weights[k] * y < lowest:
            worst, lowest = k, r.weights[k] * y
    me.worst = 1 + worst
    me.severity = _severity(-lowest)
    return r.mean_weight * (weighted / total) + r.peak_weight * peak + r.end_weight * y


@rule
def _severity(su: float) -> int:
    """su in steps of SEVERITY_UNIT, cut off at +-127."""
    return int(math.floor(min(127.0, max(-127.0, su / SEVERITY_UNIT)) + 0.5))


@rule
def conclude(c: Columns, r: Rules, w: Surroundings, today: Today, e: Episodes, j: int) -> None:
    """Settle an episode after support: satisfaction, stars, talk, and the episode clock of attrition."""
    row = int(e[j].row)
    me = c.more[row]
    if e[j].contact == 1:
        e[j].score = behaviour.after_support(r, e[j].score, e[j].served == 1, e[j].resolved == 1, e[j].wait)
    if e[j].made_good != 0.0:
        e[j].score = behaviour.after_apology(e[j].score, e[j].made_good)
    score = float(e[j].score)
    consume_hazard(c, r, row, today.day)
    recover(c, r, w, row, today.day)
    before = float(me.satisfaction)
    me.satisfaction = before + r.memory * (score - before)
    me.mood = float(me.mood) * (1.0 - r.memory)
    schedule_lapse(c, r, row, today.day)
    me.stars = behaviour.stars_of(r, score)
    me.open_orders -= 1
    _talk(c, r, w, today, e, j)
    if r.return_share > 0.0 and e[j].kind != STORE and e[j].cancelled == 0:
        u = draw(today.seed, row, int(e[j].order_day), draws.RETURN, 0)
        e[j].returned = u < behaviour.return_probability(r, score)
    if r.episode_clock > 0.5 and int(c.status[row]) == CUSTOMER and e[j].first == 0:
        u = draw(today.seed, row, int(e[j].order_day), draws.LAPSE_EPISODE, 0)
        p = behaviour.lapse_probability(r, float(me.lapse_trait), float(me.satisfaction), int(me.activated) == 1)
        if u < p:
            become_lapsed(c, row, today.day)
            e[j].lapsed = 1


@rule
def _talk(c: Columns, r: Rules, w: Surroundings, today: Today, e: Episodes, j: int) -> None:
    """Perhaps talk: the stock of the score's sign rises to one; entry j gets the increments for the ties."""
    row, score = int(e[j].row), float(e[j].score)
    me = c.more[row]
    p = behaviour.talk_probability(r, float(me.talkativeness), score)
    if draw(today.seed, row, int(e[j].order_day), draws.TALK, 0) >= p:
        return
    if score >= 0.0:
        left = w.decay[today.day - int(me.told_good_day)] if int(me.told_good_day) != NEVER else 0.0
        told, weight = float(me.told_good), 1.0
        me.told_good = score
        me.told_good_day = today.day
        e[j].talk = 1
    else:
        left = w.decay[today.day - int(me.told_bad_day)] if int(me.told_bad_day) != NEVER else 0.0
        told, weight = float(me.told_bad), r.negative_weight
        me.told_bad = score
        me.told_bad_day = today.day
        e[j].talk = -1
    e[j].talk_volume = int(math.floor((1.0 - left) * FIXED_POINT + 0.5))
    e[j].talk_weight = int(math.floor(weight * (1.0 - left) * FIXED_POINT + 0.5))
    e[j].talk_score = int(math.floor(weight * (score - left * told) * FIXED_POINT + 0.5))


# -- survey --------------------------------------------------------------------------------------------------------


@rule
def answer(c: Columns, r: Rules, w: Surroundings, seed: int, day: int, row: int) -> int:
    """What the customer would answer today if asked, 0 to 10."""
    me = c.more[row]
    noise = normal_quantile(draw(seed, row, day, draws.SURVEY_NOISE, 0))
    return behaviour.survey_answer(r, satisfaction_on(c, r, w, row, day), float(me.style), noise)


@rule
def responds(c: Columns, r: Rules, w: Surroundings, seed: int, day: int, row: int, share: float) -> bool:
    """Whether an ever-buyer is sampled today and answers."""
    me = c.more[row]
    if int(me.orders) == 0 or draw(seed, row, day, draws.SURVEY_SELECT, 0) >= share:
        return False
    p = behaviour.response_probability(r, satisfaction_on(c, r, w, row, day), int(c.status[row]) == CUSTOMER)
    return draw(seed, row, day, draws.SURVEY_RESPOND, 0) < p
