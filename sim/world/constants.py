"""From settings to one world's constants: rules, traits, calendar, terms. No chance and no state here.

Settings have the units in which numbers are published, such as per year or per week; a world has days and yen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.behaviour import NO_THRESHOLD, Rules, logit
from agents.columns import ONLINE_TOUCHPOINTS, TOUCHPOINT_NAMES
from agents.exact import exp_each
from agents.population import Personas, Traits, gamma_table
from agents.records import Surroundings
from sim.company.changes import NONE
from sim.company.fulfilment import ENDLESS, CarrierLuck, DeliveryTerms, Patience
from sim.company.sizing import Demand, lateness, ratio_for
from sim.company.support import DeskTerms
from sim.config.parameters import DAYS_PER_WEEK, DAYS_PER_YEAR, Parameter
from sim.config.sections import Section
from sim.config.settings import Settings
from sim.world.firm import Shares, Wanted, class_shares, firm_of

YEAR = round(DAYS_PER_YEAR)

AMPLE = 1 << 40
"""Capacity that never binds."""


class References(NamedTuple):
    """What the pilot finds in the untreated market and freezes for every arm."""

    satisfaction: float  # su, mean over customers and days
    usual: tuple[float, ...]  # su, mean score of an episode by persona: what satisfaction returns to
    expectation: float  # su
    cuts: tuple[float, float, float, float]  # su, between one and two stars, and so on
    trial_scale: float  # multiplier of prospects' visit rate
    orders_level: float  # log of online orders on an ordinary day
    contacts_per_day: float
    contacts_per_order: float
    talk: float  # mean stock of talk per customer, both signs
    lapse_offset: float = 0.0  # logit: makes the mean lapse that of the traits though satisfaction varies
    order_offset: float = 0.0  # logit: makes mean conversion the stated one though expectation varies
    contacts: float = 1.0  # multiplier of the probability of a contact
    survey_intercept: float = math.nan  # points; NaN: as configured
    conversion: tuple[float, float] = (math.nan, math.nan)  # of customers and prospects; NaN: as configured


@dataclass(frozen=True)
class World:
    """Constants of one world. `rules` carries the references once they are known."""

    seed: int
    customers: int
    days: int
    burn_in: int
    rules: Rules
    usual: tuple[float, ...]  # su by persona, what satisfaction returns to
    contacts_per_order: float
    talk: float  # mean stock of talk per customer
    traits: Traits
    terms: DeliveryTerms
    promise_follows: bool  # the backlog; else promises are those of the terms
    desk: DeskTerms
    desk_load: float
    season: NDArray[np.float64]  # factor on visits by day, from the burn-in's first to a year after the horizon
    peaks: NDArray[np.bool_]  # which of the season's days belong to a peak
    capacity: NDArray[np.int64]  # online orders by day, from the burn-in's first; 0 where the warehouse rests
    capacity_ratio: float  # NaN: sized by the on-time rate
    capacity_factor: float  # on what the ratio or the on-time rate gives
    ordinary: float  # online orders on an ordinary day, as the firm plans for them
    planned: float  # share of a known season's extra demand that capacity follows
    carrier: CarrierLuck
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
    wanted: Wanted
    twin: Shares  # of the firm once it is established

    @property
    def first_day(self) -> int:
        """First simulated day."""
        return -self.burn_in

    def on(self, day: int) -> int:
        """Index of a day in the calendar arrays."""
        return day + self.burn_in


def world_of(settings: Settings, seed: int) -> World:
    """The constants for the parameters' `value`s, with first guesses in place of the references."""
    company, market, behaviour = settings.company, settings.market, settings.behaviour
    days = settings.burn_in + settings.days + YEAR
    rests = settings.calendar.warehouse(settings.first_date, days - YEAR)
    season = settings.calendar.visits(settings.first_date, days)
    year = season[settings.burn_in : settings.burn_in + YEAR]
    firm = firm_of(settings, _traits(settings), _rules(settings), math.fsum(year) / len(year))
    ratio, twin = company.capacity_ratio, Shares.of(firm.traits)
    established = market.kind == "established"
    at_first = twin if established else Shares(market.status.unaware, market.status.aware, 0.0)
    return World(
        seed=seed,
        customers=settings.customers,
        days=settings.days,
        burn_in=settings.burn_in,
        rules=firm.rules,
        usual=tuple(_at_quality(settings) + persona.quality.value for persona in settings.personas.mix.values()),
        contacts_per_order=0.0,
        talk=0.0,
        traits=at_first.into(firm.traits),
        terms=_terms(settings),
        promise_follows=company.promise == "backlog",
        desk=DeskTerms(
            1, company.desk.service_minutes.value, company.desk.patience_minutes.value,
            company.desk.opens, company.desk.hours, company.desk.cost_per_minute.value,
        ),
        desk_load=company.desk.load.value,
        season=season,
        peaks=settings.calendar.peaks(settings.first_date, days),
        capacity=np.where(rests, 0, AMPLE),
        capacity_ratio=ratio.value if ratio is not None else math.nan,
        capacity_factor=company.capacity.value,
        ordinary=0.0,
        planned=company.planned.value,
        carrier=CarrierLuck(firm.delayed, company.carrier.days.value),
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
        established=established,
        wanted=firm.wanted,
        twin=twin,
    )  # fmt: skip


def refuse_contradictions(settings: Settings) -> None:
    """Raise ConfigError where the firm's facts contradict each other under a dropout clock that points may have."""
    clock = settings.behaviour.attrition.clock
    for option in clock.options or (clock.value,):
        world_of(settings.at({"behaviour.attrition.clock": option}), settings.seed)


def with_references(world: World, known: References) -> World:
    """The same constants with the pilot's references, in place of the first guesses."""
    configured = world.rules
    rules = configured._replace(
        satisfaction_ref=known.satisfaction, expectation_ref=known.expectation, trial_scale=known.trial_scale,
        lapse_offset=known.lapse_offset, order_offset=known.order_offset,
        contact_base=configured.contact_base * known.contacts,
        contact_bad=min(1.0, configured.contact_bad * known.contacts),
        cut_1=known.cuts[0], cut_2=known.cuts[1], cut_3=known.cuts[2], cut_4=known.cuts[3],
    )  # fmt: skip
    if not math.isnan(known.survey_intercept):
        rules = rules._replace(survey_intercept=known.survey_intercept)
    if not math.isnan(known.conversion[0]):
        rules = rules._replace(conversion_customer=known.conversion[0], conversion_prospect=known.conversion[1])
    contacts, talk = known.contacts_per_order, known.talk
    return replace(world, rules=rules, usual=known.usual, contacts_per_order=contacts, talk=talk)


def sized(world: World, known: References, servers: int) -> World:
    """The constants with a desk of `servers`, and with a capacity of the configured ratio to mean online orders.

    Without a ratio it is the one at which the firm is on time as often as it says, outside peaks. The factor stated
    multiplies either.
    """
    ratio = _ratio_on_time(world, known) if math.isnan(world.capacity_ratio) else world.capacity_ratio
    capacity = _capacity(world, known, ratio * world.capacity_factor, world.on(world.days))
    ordinary = math.exp(known.orders_level)
    return replace(world, capacity=capacity, ordinary=ordinary, desk=world.desk._replace(servers=servers))


def _capacity(world: World, known: References, ratio: float, days: int) -> NDArray[np.int64]:
    """Capacity of so many days: a ratio to ordinary orders, which in a season follows the planned share of it."""
    rests = np.isin(np.arange(days) + world.first_day, list(world.terms.warehouse_rests))
    ordinary = ratio * math.exp(known.orders_level)
    expected = worked_off(ordinary * (1.0 + world.planned * (world.season[:days] - 1.0)), rests)
    released = np.diff(np.floor(np.concatenate([[0.0], np.cumsum(expected)]))).astype(np.int64)
    return np.where(rests, 0, released)


def _ratio_on_time(world: World, known: References) -> float:
    """Ratio of capacity to mean orders at which the centre is on time as often as the facts have it."""
    until = world.on(YEAR)
    counted = ~world.peaks[:until]
    counted[: world.burn_in] = False
    mean = math.exp(known.orders_level) * world.season[:until]
    demand = Demand(world.first_day, mean, class_shares(world.rules, world.traits), counted)
    late = lateness(demand, world.terms, world.carrier, world.promise_follows)
    return ratio_for(world.wanted.on_time, lambda ratio: late(_capacity(world, known, ratio, until)))


def worked_off(capacity: NDArray[np.float64], rests: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Capacity by day where that of a day of rest is spread evenly over the working days of the week it begins.

    What finds no working day in that week is lost.
    """
    worked = np.where(rests, 0.0, capacity)
    for day in np.flatnonzero(rests):
        working = day + 1 + np.flatnonzero(~rests[day + 1 : day + 7])
        worked[working] += capacity[day] / max(1, len(working))
    return worked


def surroundings(world: World, public_weight: NDArray[np.float64], public_score: NDArray[np.float64]) -> Surroundings:
    """The tables that a world's customers share, with these sums of public talk."""
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
        usual=np.array(world.usual),
        usual_quality=quality(world),
    )


def quality(world: World) -> NDArray[np.float64]:
    """Mean quality as configured, su: float64 (personas, touchpoints)."""
    return np.array(world.traits.quality) + world.traits.personas.quality[:, np.newaxis]


def _terms(settings: Settings) -> DeliveryTerms:
    classes, over = settings.company.classes, settings.company.cancellations
    three = (classes.express, classes.standard, classes.norush)
    return DeliveryTerms(
        (three[0].lead, three[1].lead, three[2].lead),
        (three[0].transit, three[1].transit, three[2].transit),
        settings.company.hold_norush,
        _days_of(settings, settings.calendar.warehouse),
        _days_of(settings, settings.calendar.carrier),
        ENDLESS if over is None else Patience(over.after, over.daily.value),
    )


def _days_of(settings: Settings, rests: Callable[[date, int], NDArray[np.bool_]]) -> frozenset[int]:
    """The days of rest from the burn-in's first to a year after the horizon, when parcels are still on their way."""
    days = np.flatnonzero(rests(settings.first_date, settings.burn_in + settings.days + YEAR))
    return frozenset((days - settings.burn_in).tolist())


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
        lapsed=0.0,
        acquired_over=float(market.acquired_over),
        lapsed_within=float(market.lapsed_within),
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
        quality=_by_touchpoint(company.quality),
        belief_sd=behaviour.beliefs.initial_sd.value,
        opt_in_mail=company.opt_in.mail,
    )  # fmt: skip


def _rules(settings: Settings) -> Rules:
    """All numbers of the rules; references are first guesses until the pilot has found them."""
    derived = _derived(settings)
    named: dict[str, Any] = {name: _number(settings, key_of(name)) for name in Rules._fields if name not in derived}
    return Rules(**derived | named)


@cache
def key_of(name: str) -> str:
    """The configuration key of a field of `Rules`: the only one whose dotted path ends in its name.

    `margin` is `company.margin`, `talk_base` is `behaviour.talk.base`. Raises ValueError where no key or several fit.
    """
    keys = [key for key in KEYS if name in _endings(key)]
    if len(keys) != 1:
        raise ValueError(f"{name}: must be the name of one key, or derived; it fits {' and '.join(keys) or 'none'}")
    return keys[0]


def _endings(key: str) -> list[str]:
    parts = key.split(".")
    return ["_".join(parts[first:]) for first in range(len(parts))]


def _keys(section: type[Section], path: str = "") -> Iterator[str]:
    """Dotted path of every key below a section that holds one number."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from _keys(kind, f"{path}{name}.")
        elif kind in (Parameter, float, int):
            yield path + name


KEYS = tuple(_keys(Settings))


def _number(settings: Settings, key: str) -> float:
    value: Any = reduce(getattr, key.split("."), settings)
    return float(value.value if isinstance(value, Parameter) else value)


def _by_touchpoint(section: Section, prefix: str = "") -> tuple[float, ...]:
    return tuple(getattr(section, prefix + name).value for name in TOUCHPOINT_NAMES)


def _at_quality(settings: Settings) -> float:
    """Mean quality of an online order, su: the first guess of satisfaction and expectation."""
    quality = _by_touchpoint(settings.company.quality)
    return float(np.mean([quality[touchpoint] for touchpoint in ONLINE_TOUCHPOINTS]))


def _derived(settings: Settings) -> dict[str, Any]:
    """The fields of `Rules` that are computed, not copied from one key."""
    b, company, market = settings.behaviour, settings.company, settings.market
    rest = 1.0 - b.experience.mean_weight.value  # shared by peak and end as 3 to 2
    onboarding, returns, start = company.onboarding, company.returns, _at_quality(settings)
    return dict(
        ad_hazard=b.awareness.ad_hazard.value / DAYS_PER_YEAR,
        talk_hazard=b.awareness.talk_hazard.value / DAYS_PER_YEAR,
        ties=2.0 * max(1, round(market.network.degree.value / 2)),
        share_web=company.channels.web,
        share_app=company.channels.app,
        basket_shape=company.purchase.gamma_gamma.p.value,
        weights=_by_touchpoint(b.experience, "weight_"),
        noise_store=b.experience.noise_sd.value,
        peak_weight=rest * 0.6,
        end_weight=rest * 0.4,
        support_quality=0.0,
        onboarding=float(onboarding is not None),
        return_share=returns.share.value if returns is not None else 0.0,
        return_slope=returns.slope.value if returns is not None else 0.0,
        return_cost=returns.cost.value if returns is not None else 0.0,
        return_spoiled=returns.spoiled.value if returns is not None else 0.0,
        activation_base=logit(onboarding.link.value) if onboarding is not None else 0.0,
        episode_clock=float(b.attrition.clock.value == "episode"),
        conversion_prospect=b.choice.conversion_customer.value * b.choice.prospect_conversion.value,
        new_terms=0.0,
        longer=NONE,
        dearer=NONE,
        closed=NONE,
        free_from=NO_THRESHOLD,
        lapse_offset=0.0,
        order_offset=0.0,
        # Where the pilot starts: satisfaction and expectation at quality, star cuts around it.
        satisfaction_ref=start,
        expectation_ref=start,
        trial_scale=1.0,
        cut_1=start - 1.4,
        cut_2=start - 1.2,
        cut_3=start - 0.8,
        cut_4=start - 0.2,
    )
