"""From settings to one world's constants: rules, traits, calendar, terms. No chance and no state here.

Settings name things as the field does, per year or per week where that is how they are published; a world counts in
days and yen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.behaviour import Rules, logit
from agents.exact import exp_each
from agents.population import Personas, Traits, gamma_table
from agents.records import Surroundings
from sim.company.fulfilment import DeliveryTerms
from sim.company.support import DeskTerms
from sim.config.parameters import DAYS_PER_WEEK, DAYS_PER_YEAR
from sim.config.settings import Settings

AMPLE = 1 << 40
"""Capacity that never binds."""

CAPACITY_FROM = -30
"""First day of limited capacity: the burn-in before it has no queue to inherit."""


class References(NamedTuple):
    """What the baseline pilots measure and freeze for every arm."""

    satisfaction: float  # su, mean over customers and days
    expectation: float  # su
    cuts: tuple[float, float, float, float]  # su, between one and two stars, and so on
    trial_scale: float  # multiplier of prospects' visit rate and conversion
    orders_level: float  # log of online orders a day at day 0, season divided out
    orders_trend: float  # per day
    contacts_per_day: float


@dataclass(frozen=True)
class World:
    """Constants of one world. `rules` carries the references once they are known."""

    seed: int
    customers: int
    days: int
    burn_in: int
    rules: Rules
    traits: Traits
    terms: DeliveryTerms
    desk: DeskTerms
    desk_load: float
    season: NDArray[np.float64]  # multiplier by day, from the burn-in's first
    capacity: NDArray[np.int64]  # online orders by day, likewise
    capacity_ratio: float
    topics: tuple[str, ...]
    topic_shares: NDArray[np.float64]
    degree: float
    rewiring: float
    talk_half_life: float
    ad_intensity: float
    members: int
    message_cap: int
    survey_share: float
    fixed_cost: float
    established: bool

    @property
    def first_day(self) -> int:
        """First simulated day."""
        return -self.burn_in

    def on(self, day: int) -> int:
        """Index of a day in the calendar arrays."""
        return day + self.burn_in


def world_of(settings: Settings, seed: int) -> World:
    """The world of these settings at their central (or already drawn) values, before any reference is known."""
    company, market, behaviour = settings.company, settings.market, settings.behaviour
    days = settings.burn_in + settings.days
    return World(
        seed=seed,
        customers=settings.customers,
        days=settings.days,
        burn_in=settings.burn_in,
        rules=_rules(settings),
        traits=_traits(settings),
        terms=_terms(settings),
        desk=DeskTerms(
            1, company.desk.service_minutes.value, company.desk.patience_minutes.value,
            company.desk.opens, company.desk.hours, company.desk.cost_per_minute.value,
        ),
        desk_load=company.desk.load.value,
        season=_season(settings),
        capacity=np.full(days, AMPLE, np.int64),
        capacity_ratio=company.capacity_ratio.value,
        topics=tuple(market.topics),
        topic_shares=np.cumsum([share.value for share in market.topics.values()]) if market.topics else np.zeros(0),
        degree=market.network.degree.value,
        rewiring=market.network.rewiring.value,
        talk_half_life=behaviour.talk.half_life.value,
        ad_intensity=market.ad_intensity.value,
        members=company.members,
        message_cap=company.message_cap,
        survey_share=company.survey_share.value,
        fixed_cost=company.fixed_cost_per_day.value,
        established=market.kind == "established",
    )  # fmt: skip


def with_references(world: World, known: References) -> World:
    """The same world with the pilots' references, and capacity and desk sized by them."""
    rules = world.rules._replace(
        satisfaction_ref=known.satisfaction, expectation_ref=known.expectation, trial_scale=known.trial_scale,
        cut_1=known.cuts[0], cut_2=known.cuts[1], cut_3=known.cuts[2], cut_4=known.cuts[3],
    )  # fmt: skip
    return replace(world, rules=rules)


def sized(world: World, known: References, servers: int) -> World:
    """Capacity as ratio times the trend of the pilot's online orders, and a desk of `servers`."""
    day = np.arange(world.first_day, world.days)
    expected = world.capacity_ratio * exp_each(known.orders_level + known.orders_trend * day)
    released = np.diff(np.floor(np.concatenate([[0.0], np.cumsum(expected)]))).astype(np.int64)
    capacity = np.where(day >= CAPACITY_FROM, released, AMPLE)
    return replace(world, capacity=capacity, desk=world.desk._replace(servers=servers))


def surroundings(world: World, public_weight: NDArray[np.float64], public_score: NDArray[np.float64]) -> Surroundings:
    """Tables of a world around its public talk."""
    days = np.arange(world.burn_in + world.days + 3)
    personas = world.traits.personas
    return Surroundings(
        decay=exp_each(-math.log(2.0) * days / world.talk_half_life),
        public_weight=public_weight,
        public_score=public_score,
        gamma=gamma_table(world.rules.basket_shape),
        topics=world.topic_shares,
        persona_price=personas.price,
        quality=quality(world),
    )


def quality(world: World) -> NDArray[np.float64]:
    """Mean quality as configured, su: float64 (personas, touchpoints)."""
    return np.array(world.traits.quality) + world.traits.personas.quality[:, np.newaxis]


def _season(settings: Settings) -> NDArray[np.float64]:
    season = np.ones(settings.burn_in + settings.days)
    for peak in settings.market.season.peaks.values():
        start = settings.burn_in + peak.start
        season[start : start + peak.days] *= peak.multiplier.value
    return season


def _terms(settings: Settings) -> DeliveryTerms:
    classes = settings.company.classes
    three = (classes.express, classes.standard, classes.norush)
    return DeliveryTerms(
        (three[0].lead, three[1].lead, three[2].lead),
        (three[0].transit, three[1].transit, three[2].transit),
        settings.company.hold_norush,
    )


def _traits(settings: Settings) -> Traits:
    company, market, behaviour = settings.company, settings.market, settings.behaviour
    mix = settings.personas.mix
    clock = behaviour.attrition.clock.value == "episode"
    bg, pareto, spend = company.purchase.bg_nbd, company.purchase.pareto_nbd, company.purchase.gamma_gamma

    def column(name: str) -> NDArray[np.float64]:
        return np.array([getattr(persona, name).value for persona in mix.values()])

    return Traits(
        personas=Personas(
            tuple(mix), np.array([persona.share for persona in mix.values()]),
            column("waiting_cost"), column("price"), column("talk"), column("quality"),
            settings.personas.declared.value,
        ),
        unaware=market.status.unaware,
        aware=market.status.aware,
        acquired_over=float(market.acquired_over),
        episode_clock=clock,
        rate_shape=bg.r.value if clock else pareto.r.value,
        rate_rate=(bg.alpha.value if clock else pareto.alpha.value) * DAYS_PER_WEEK,
        dropout_a=bg.a.value,
        dropout_b=bg.b.value,
        hazard_shape=pareto.s.value,
        hazard_rate=pareto.beta.value * DAYS_PER_WEEK,
        spend_shape=spend.q.value,
        spend_rate=spend.gamma.value,
        basket_shape=spend.p.value,
        waiting_cost=behaviour.delivery.waiting_cost.value,
        waiting_cost_sd=behaviour.delivery.waiting_cost_sd.value,
        talkativeness_sd=behaviour.talk.talkativeness_sd.value,
        quality=(
            company.quality.site.value, company.quality.store.value,
            company.quality.delivery.value, company.quality.product.value,
        ),
        belief_sd=behaviour.beliefs.initial_sd.value,
        mail_opt_in=company.opt_in.mail,
    )  # fmt: skip


def _rules(settings: Settings) -> Rules:
    """All numbers of the rules; references are first guesses until the pilots have measured them."""
    values = _hearsay(settings) | _shopping(settings) | _money(settings) | _experience(settings) | _loyalty(settings)
    return Rules(**{name: float(value) for name, value in (values | _first_references(settings)).items()})


Numbers = dict[str, float]


def _hearsay(settings: Settings) -> Numbers:
    """How customers hear of the brand and what they make of it."""
    b, market = settings.behaviour, settings.market
    return dict(
        ad_hazard=b.awareness.ad_hazard.value / DAYS_PER_YEAR,
        talk_hazard=b.awareness.talk_hazard.value / DAYS_PER_YEAR,
        public_share=market.network.public_share.value,
        ties=2.0 * max(1, round(market.network.degree.value / 2)),
        negative_weight=b.talk.negative_weight.value,
        talk_base=b.talk.base.value,
        talk_positive=b.talk.positive.value,
        talk_negative=b.talk.negative.value,
        hearsay_rate=b.beliefs.hearsay_rate.value,
        experience_rate=b.beliefs.experience_rate.value,
    )


def _shopping(settings: Settings) -> Numbers:
    """Visits, choice and the delivery classes."""
    b, company = settings.behaviour, settings.company
    classes = company.classes
    return dict(
        prospect_rate=b.visits.prospect_rate.value,
        coupon_acceleration=b.visits.coupon_acceleration.value,
        forward_bought=b.visits.forward_bought.value,
        activation_lift=b.visits.activation_lift.value,
        conversion_customer=b.choice.conversion_customer.value,
        conversion_prospect=b.choice.conversion_prospect.value,
        expectation_slope=b.choice.expectation_slope.value,
        price_slope=b.choice.price_slope.value,
        delivery_slope=b.choice.delivery_slope.value,
        competitor=settings.market.competitor.value,
        friction_web=company.friction.web.value,
        friction_app=company.friction.app.value,
        friction_store=company.friction.store.value,
        share_web=company.channels.web,
        share_app=company.channels.app,
        utility_standard=b.delivery.utility_standard.value,
        utility_norush=b.delivery.utility_norush.value,
        fee_slope=b.delivery.fee_slope.value,
        coupon_weight=b.delivery.coupon_weight.value,
        lead_express=classes.express.lead,
        lead_standard=classes.standard.lead,
        lead_norush=classes.norush.lead,
        fee_express=classes.express.fee.value,
        fee_standard=classes.standard.fee.value,
        fee_norush=classes.norush.fee.value,
        cost_express=classes.express.cost.value,
        cost_standard=classes.standard.cost.value,
        cost_norush=classes.norush.cost.value,
    )


def _money(settings: Settings) -> Numbers:
    """Baskets and what an order brings."""
    b, company = settings.behaviour, settings.company
    return dict(
        basket_shape=company.purchase.gamma_gamma.p.value,
        redemption=b.coupons.redemption.value,
        margin=company.margin.value,
        discount_rate=company.discount_rate.value,
    )


def _experience(settings: Settings) -> Numbers:
    """What an episode is worth, with support after it."""
    x, support = settings.behaviour.experience, settings.behaviour.support
    rest = 1.0 - x.mean_weight.value  # shared by peak and end as 3 to 2
    return dict(
        noise_sd=x.noise_sd.value,
        noise_store=x.noise_sd.value,
        weight_site=x.weight_site.value,
        weight_store=x.weight_store.value,
        weight_delivery=x.weight_delivery.value,
        weight_product=x.weight_product.value,
        gain_weight=x.gain_weight.value,
        loss_aversion=x.loss_aversion.value,
        mean_weight=x.mean_weight.value,
        peak_weight=rest * 0.6,
        end_weight=rest * 0.4,
        memory=x.memory.value,
        value_weight=x.value_weight.value,
        wait_weight=x.wait_weight.value,
        late_penalty=x.late_penalty.value,
        late_half=x.late_half.value,
        late_power=x.late_power.value,
        early_gain=x.early_gain.value,
        contact_base=support.contact_base.value,
        contact_bad=support.contact_bad.value,
        bad_below=support.bad_below.value,
        resolution=support.resolution.value,
        recovery=support.recovery.value,
        unresolved=support.unresolved.value,
        wait_penalty=support.wait_penalty.value,
        support_quality=0.0,
    )


def _loyalty(settings: Settings) -> Numbers:
    """Attrition, messages and the survey."""
    b, onboarding = settings.behaviour, settings.company.onboarding
    return dict(
        mail_opt_in=settings.company.opt_in.mail,
        push_opt_in=settings.company.opt_in.push,
        onboarding=float(onboarding is not None),
        activation_base=logit(onboarding.link.value) if onboarding is not None else 0.0,
        episode_clock=float(b.attrition.clock.value == "episode"),
        satisfaction_slope=b.attrition.satisfaction_slope.value,
        activation_slope=b.attrition.activation_slope.value,
        competitor_slope=b.attrition.competitor_slope.value,
        idleness=b.attrition.idleness.value,
        match_floor=b.messages.match_floor.value,
        fatigue_slope=b.messages.fatigue_slope.value,
        fatigue_half_life=b.messages.fatigue_half_life.value,
        annoyance=b.messages.annoyance.value,
        click_bonus=b.messages.click_bonus.value,
        survey_intercept=b.survey.intercept.value,
        survey_slope=b.survey.slope.value,
        survey_style=b.survey.style_sd.value,
        survey_noise=b.survey.noise_sd.value,
        respond=b.survey.respond.value,
        respond_extreme=b.survey.respond_extreme.value,
        respond_customer=b.survey.respond_customer.value,
    )


def _first_references(settings: Settings) -> Numbers:
    """Where the first pilot starts: satisfaction and expectation at quality, star cuts around it."""
    q = settings.company.quality
    start = float(np.mean([q.site.value, q.delivery.value, q.product.value]))
    return dict(
        satisfaction_ref=start,
        expectation_ref=start,
        trial_scale=1.0,
        cut_1=start - 1.4,
        cut_2=start - 1.2,
        cut_3=start - 0.8,
        cut_4=start - 0.2,
    )
