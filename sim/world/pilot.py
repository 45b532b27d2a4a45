"""The pilot: the untreated market is run once before the arms, until it is the firm that its dashboard shows.

What has a closed form is solved beforehand (`firm`, `buyers`). The rest depends on how satisfaction and expectation
spread over customers, and is read off the simulated market itself: every TUNED_EVERY days the pilot looks at everybody
and moves the references, so that lapse, conversion, new buyers, NPS and contacts have the mean that they should.
Nothing is counted over time but the scores of episodes, so that even a small market is tuned without much noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from agents import behaviour
from agents.attrition import feel_weekly, satisfaction_on
from agents.behaviour import PackedRules, Rules, channel_conversion, logit
from agents.columns import APP, AWARE, CUSTOMER, SHOP, WEB, Columns
from agents.compiled import loop, rule
from agents.day import bring_up_to_date, expectation_of
from agents.population import Traits, draw_population
from agents.records import Surroundings
from sim.company.changes import NO_CHANGES
from sim.company.halving import halved
from sim.company.support import servers_for
from sim.config.settings import Settings
from sim.phrases import ConfigError
from sim.tables import DETRACTOR, PROMOTER
from sim.world.buyers import Buyers
from sim.world.constants import References, World, sized, with_references, world_of
from sim.world.firm import Shares, converting
from sim.world.model import CXModel, Snapshot, founded

STAR_QUANTILES = (0.102, 0.133, 0.217, 0.413)
"""Cumulative shares of one to four stars in the baseline (Olist reviews, computed from the public subsample)."""

PILOT_DAYS = 180
"""Days of the pilot, at least: twice the half-life with which satisfaction returns."""

TUNED_EVERY = 30
"""Days between two looks at everybody."""

SETTLED = 60
"""Days after which episodes count: before, expectations are still those of newcomers."""

AMPLE_SERVERS = 1000

MOST_SCALING = 1e4
"""Largest factor on prospects' visits."""

FloatArray = NDArray[np.float64]


def references(world: World) -> tuple[World, References]:
    """The world with its references frozen and its capacity and desk sized."""
    twin = _twin(world)
    twin = replace(twin, traits=raked(twin))
    guess = _guess(twin)
    pilot = sized(with_references(twin, guess), guess, AMPLE_SERVERS)
    tuning = _Tuning(twin, Pilot(pilot, founded(pilot)), guess)
    last = twin.first_day + max(PILOT_DAYS, twin.burn_in)
    for day in [*range(twin.first_day + TUNED_EVERY, last, TUNED_EVERY), last]:
        tuning.pilot.run(day)
        tuning.retune(day)
    known, traits = tuning.known, tuning.traits()
    world = replace(world, wanted=twin.wanted, traits=Shares.of(world.traits).into(traits))
    desk = servers_for(known.contacts_per_day, world.desk.service, world.desk.hours, world.desk_load)
    return sized(with_references(world, known), known, desk), known


def piloted(settings: Settings, seed: int) -> World:
    """The world of these settings with the references that its own pilot finds."""
    return references(world_of(settings, seed))[0]


def _twin(world: World) -> World:
    """The world of the pilot: the firm once it is established, in a year without its peaks."""
    traits, wanted = world.traits, world.wanted
    if not world.established:  # whoever has not bought from it knows it by then
        shares = world.twin
        buyers: float = 1.0 - shares.unaware - shares.aware - shares.lapsed
        if buyers <= 0.0:
            buyers, seen = USUAL_BUYERS, Buyers.of(traits).seen()
            new = USUAL_BUYERS * world.customers / seen.current
            wanted = wanted._replace(orders=new * seen.orders, newcomers=new * seen.newcomers)
        traits = Shares(0.0, 1.0 - shares.lapsed - buyers, shares.lapsed).into(traits)
    ordinary = math.fsum(world.season[~world.peaks]) / max(1, int(np.count_nonzero(~world.peaks)))
    season = np.where(world.peaks, ordinary, world.season)
    days = max(world.days, PILOT_DAYS - world.burn_in)
    return replace(world, traits=traits, wanted=wanted, season=season, days=days)


USUAL_BUYERS = 0.1
"""Customers' share of the twin of a launch market whose firm states no facts."""


def _guess(world: World) -> References:
    """References before the pilot: what the rules have as first guesses, and the orders expected."""
    r = world.rules
    return References(
        satisfaction=r.satisfaction_ref, usual=world.usual, expectation=r.expectation_ref,
        cuts=(r.cut_1, r.cut_2, r.cut_3, r.cut_4), trial_scale=_first_trial(world),
        orders_level=math.log(world.wanted.orders * (r.share_web + r.share_app) + 1e-9),
        contacts_per_day=0.0, contacts_per_order=0.0, talk=0.0,
    )  # fmt: skip


def _first_trial(world: World) -> float:
    """Factor on prospects' visits at which as many buy as should, were all of them the same."""
    r, prospects = world.rules, world.traits.aware * world.customers
    trial = prospects * r.prospect_rate * r.conversion_prospect
    return _scaling(world.wanted.newcomers, trial)


def _scaling(wanted: float, found: float) -> float:
    if found <= 0.0 or wanted <= 0.0:
        return 1.0
    return float(min(MOST_SCALING, max(1.0 / MOST_SCALING, wanted / found)))


# -- the customers drawn -------------------------------------------------------------------------------------------


def raked(world: World) -> Traits:
    """Traits whose rates and baskets make the customers actually drawn order as often, and for as much, as wanted.

    In a small market the few who buy most decide; all purchase rates, and all baskets, are scaled alike.
    """
    traits, wanted = world.traits, world.wanted
    for _ in range(2):  # by the episode clock who has lapsed depends on the rates
        stock = draw_population(traits, world.seed, world.customers, world.first_day)
        traits = _scaled(traits, stock, wanted.orders - wanted.newcomers, wanted.average_basket)
    return traits


def _scaled(traits: Traits, stock: Columns, orders: float, basket: float) -> Traits:
    """The traits with rates and baskets scaled by what the current customers miss; NaN is left as it is."""
    current = stock.status == CUSTOMER
    rate, spend = (stock.of(name)[current].astype(np.float64) for name in ("rate", "spend"))
    total = math.fsum(rate)
    if total <= 0.0:
        return traits
    if orders > 0.0:
        traits = traits._replace(rate_rate=traits.rate_rate * total / orders)
    if not math.isnan(basket):
        paid = math.fsum(rate * traits.basket_shape / spend) / total
        traits = traits._replace(spend_rate=traits.spend_rate * basket / paid)
    return traits


# -- the pilot -----------------------------------------------------------------------------------------------------


@dataclass
class _Kept:
    """Of a day's episodes: scores before and after support, personas, whether the order was a repeat one, the lapse
    trait, and what satisfaction was left above the usual, su.
    """

    before: FloatArray
    after: FloatArray
    persona: NDArray[np.uint8]
    again: NDArray[np.bool_]
    lapse: FloatArray
    beyond_usual: FloatArray


class Pilot(CXModel):
    """An untreated world that keeps its episodes once it has settled; nobody is surveyed."""

    def __init__(self, world: World, start: Snapshot) -> None:
        super().__init__(world, start, record=False)
        self.kept: list[_Kept] = []
        self._before: FloatArray = np.zeros(0)

    def _handing_over(self, day: int) -> None:
        super()._handing_over(day)
        self._before = self._episodes["score"].copy()

    def _settle(self, day: int) -> None:
        super()._settle(day)
        if day < self.world.first_day + SETTLED:
            return
        e, c = self._episodes, self.customers.columns
        rows = e["row"]
        persona = c.of("persona")[rows]
        self.kept.append(_Kept(
            self._before, e["score"].copy(), persona, e["first"] == 0, c.of("lapse_trait")[rows].astype(np.float64),
            c.of("satisfaction")[rows].astype(np.float64) - self.customers.around.usual[persona],
        ))  # fmt: skip

    def _weekly(self, day: int) -> None:
        pass

    def episodes(self) -> _Kept | None:
        """All that were kept, in one."""
        if not self.kept:
            return None
        parts = ("before", "after", "persona", "again", "lapse", "beyond_usual")
        return _Kept(*(np.concatenate([getattr(one, part) for one in self.kept]) for part in parts))


@dataclass
class _Tuning:
    """The pilot with the references found so far."""

    world: World  # without references
    pilot: Pilot
    known: References

    def retune(self, day: int) -> None:
        """Look at everybody before `day` and put the references that follow in force."""
        pilot, s = self.pilot, self.pilot.customers
        pilot.engine.settle(day)
        episodes = pilot.episodes()
        if episodes is not None:
            self._put_usual(usual_scores(episodes.after, episodes.persona, self.known.usual))
        seen = _Seen(*_look(s.columns, s.packed, s.around, day - 1, pilot.world.first_day - 1))
        self.known = self._found(seen, episodes)
        world = with_references(self.world, self.known)
        pilot.world = replace(
            pilot.world, rules=world.rules, usual=world.usual, contacts_per_order=world.contacts_per_order
        )
        s.use(world.rules)
        pilot.in_force = NO_CHANGES  # what the day changes is put in force anew
        pilot.engine.start(day)

    def _put_usual(self, usual: tuple[float, ...]) -> None:
        """Put what satisfaction returns to in force, and shift what everybody feels, which is relative to it."""
        s, moved = self.pilot.customers, np.array(usual) - np.array(self.known.usual)
        s.columns.of("satisfaction")[:] += moved[s.columns.of("persona")].astype(np.float32)
        s.around.usual[:] = usual
        self.known = self.known._replace(usual=usual)

    def _found(self, seen: _Seen, episodes: _Kept | None) -> References:
        """The references that follow from the state of everybody and from the episodes kept."""
        known, wanted, r = self.known, self.world.wanted, self.pilot.world.rules
        customers, prospects = max(seen.customers, 1.0), max(seen.prospects, 1.0)
        online = seen.online / seen.converted if seen.converted > 0.0 else r.share_web + r.share_app
        found = known._replace(
            satisfaction=seen.satisfaction / customers if seen.customers else known.satisfaction,
            expectation=seen.expectation / customers if seen.customers else known.expectation,
            orders_level=math.log(wanted.orders * online + 1e-9),
            talk=float(self.pilot.public.volume),
        )
        if seen.rate > 0.0:
            realised = logit(min(0.999, max(1e-6, seen.converted / seen.rate)))
            moved = r.expectation_slope * (found.expectation - known.expectation)
            found = found._replace(order_offset=known.order_offset + logit(r.conversion_customer) - realised + moved)
        if self.world.established or not math.isnan(wanted.conversion):
            found = found._replace(trial_scale=_scaling(wanted.newcomers, seen.trial / known.trial_scale))
        if not math.isnan(wanted.conversion) and seen.trial > 0.0 and seen.rate > 0.0:
            ratio = seen.trial_converted / prospects / (seen.converted / seen.rate)
            again = converting(r, wanted.conversion, wanted.newcomers / wanted.orders, ratio)
            own = r.conversion_prospect / r.conversion_customer
            found = found._replace(conversion=(again.conversion_customer, min(0.95, again.conversion_customer * own)))
        found = found._replace(lapse_offset=self._lapse_offset(seen, episodes))
        return found if episodes is None else self._of_episodes(found, episodes)

    def _lapse_offset(self, seen: _Seen, episodes: _Kept | None) -> float:
        """Logit at which lapse has the mean of the traits, by the hazard of customers or by the orders that end it."""
        r, known = self.pilot.world.rules, self.known
        if not self.world.traits.episode_clock:
            if seen.lapse <= 0.0:
                return known.lapse_offset
            moved = r.satisfaction_slope * (seen.satisfaction / seen.customers - known.satisfaction)
            return known.lapse_offset - math.log(seen.hazard / seen.lapse) - moved
        if episodes is None or not episodes.again.any():
            return known.lapse_offset
        trait = episodes.lapse[episodes.again]
        felt = (episodes.beyond_usual + np.array(known.usual)[episodes.persona])[episodes.again]
        x = np.log(trait / (1.0 - trait)) - r.satisfaction_slope * (felt - seen.satisfaction / max(seen.customers, 1.0))

        def too_few_lapse(offset: float) -> bool:
            return not float(np.mean(1.0 / (1.0 + np.exp(-(x + offset))))) > float(np.mean(trait))

        return 0.5 * sum(halved(too_few_lapse, -5.0, 5.0, 40))

    def _of_episodes(self, found: References, episodes: _Kept) -> References:
        """Usual scores, cuts between stars, contacts, and the level of the survey's answers."""
        wanted, r = self.world.wanted, self.world.rules
        bad = float(np.mean(episodes.before < r.bad_below))
        per_order = r.contact_base * (1.0 - bad) + r.contact_bad * bad
        if not math.isnan(wanted.contacts_per_order) and per_order > 0.0:
            found = found._replace(contacts=wanted.contacts_per_order / per_order)
            per_order = wanted.contacts_per_order
        found = found._replace(
            cuts=star_cuts(episodes.after),
            contacts_per_order=per_order,
            contacts_per_day=per_order * wanted.orders,
        )
        if not math.isnan(wanted.nps):
            found = found._replace(survey_intercept=self._intercept(found))
        return found

    def _intercept(self, found: References) -> float:
        """Intercept of the survey at which those who answer have the NPS that the firm sees, points."""
        c, r = self.pilot.customers.columns, self.pilot.world.rules
        rows = np.flatnonzero(c.status >= CUSTOMER)
        if len(rows) == 0:
            return r.survey_intercept
        felt = np.empty(len(rows))
        _feel(c, self.pilot.customers.packed, self.pilot.customers.around, rows, self.pilot.day, felt)
        answers = r.respond + r.respond_extreme * np.abs(felt - found.satisfaction)
        answers += r.respond_customer * (c.status[rows] == CUSTOMER)
        weight = 1.0 / (1.0 + np.exp(-answers))
        level = r.survey_slope * felt + r.survey_style_sd * c.of("style")[rows]
        noise = max(r.survey_noise_sd, 1e-6)

        def too_low(intercept: float) -> bool:
            promoters = ndtr((intercept + level - (PROMOTER - 0.5)) / noise)
            detractors = ndtr((DETRACTOR + 0.5 - intercept - level) / noise)
            return not 100.0 * float(np.average(promoters - detractors, weights=weight)) > self.world.wanted.nps

        return 0.5 * sum(halved(too_low, -50.0, 50.0, 50))

    def traits(self) -> Traits:
        """The traits whose current customers order as often as wanted once the pilot has run."""
        stock, wanted = self.pilot.customers.columns, self.world.wanted
        return _scaled(self.world.traits, stock, wanted.orders - wanted.newcomers, wanted.average_basket)


def usual_scores(
    scores: NDArray[np.float64], personas: NDArray[np.uint8], guess: tuple[float, ...]
) -> tuple[float, ...]:
    """Mean score of each persona's episodes, su; the guess where a persona has none."""
    of_each = (scores[personas == number] for number in range(len(guess)))
    return tuple(math.fsum(own) / len(own) if len(own) else first for own, first in zip(of_each, guess, strict=True))


def star_cuts(scores: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Scores between one and two stars, and so on: the baseline's quantiles."""
    if len(scores) == 0:
        raise ConfigError("customers: no order was delivered in the pilot; more customers or days are needed")
    cuts = np.quantile(scores, STAR_QUANTILES)
    return float(cuts[0]), float(cuts[1]), float(cuts[2]), float(cuts[3])


# -- looking at everybody ------------------------------------------------------------------------------------------


@dataclass
class _Seen:
    """Sums over everybody. Of customers: how many, satisfaction and expectation (su), purchase rates, the same times
    conversion, online ones of these, lapse, and lapse by satisfaction. Of those aware: how many, first orders a day,
    and conversion.
    """

    customers: float
    satisfaction: float
    expectation: float
    rate: float
    converted: float
    online: float
    lapse: float
    hazard: float
    prospects: float
    trial: float
    trial_converted: float


@loop
def _look(
    c: Columns, rules: PackedRules, w: Surroundings, day: int, base: int
) -> tuple[float, float, float, float, float, float, float, float, float, float, float]:
    r = rules[0]
    customers, satisfaction, expectation, rate, converted, online = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    lapse, hazard, prospects, trial, trial_converted = 0.0, 0.0, 0.0, 0.0, 0.0
    for row in range(len(c.status)):
        status = int(c.status[row])
        if status != CUSTOMER and status != AWARE:
            continue
        me = c.more[row]
        bring_up_to_date(c, r, w, row, day, base)
        if status == CUSTOMER:
            feel_weekly(c, r, w, row, day)
            activated = int(me.activated) == 1
            lift = 1.0 + r.activation_lift if activated else 1.0
            everywhere, on_the_net = _conversion(c, r, w, row, status)
            customers += 1.0
            satisfaction += float(me.satisfaction)
            expectation += expectation_of(c, r, row)
            rate += float(me.rate)
            converted += float(me.rate) * lift * everywhere
            online += float(me.rate) * lift * on_the_net
            lapse += float(me.lapse_trait)
            hazard += behaviour.lapse_hazard(r, float(me.lapse_trait), float(me.satisfaction), activated)
        else:
            everywhere, _ = _conversion(c, r, w, row, status)
            prospects += 1.0
            trial += behaviour.reference_visits(r, status, float(me.rate)) * everywhere
            trial_converted += everywhere
    return (
        customers, satisfaction, expectation, rate, converted, online, lapse, hazard, prospects, trial, trial_converted
    )  # fmt: skip


@rule
def _conversion(c: Columns, r: Rules, w: Surroundings, row: int, status: int) -> tuple[float, float]:
    """(share of a customer's visits that end in an order, share that end in an online order), without any offer."""
    expectation, price = expectation_of(c, r, row), w.persona_price[int(c.more[row].persona)]
    web = channel_conversion(r, status, expectation, 0.0, price, WEB)
    app = channel_conversion(r, status, expectation, 0.0, price, APP)
    shop = channel_conversion(r, status, expectation, 0.0, price, SHOP)
    return web + app + shop, web + app


@loop
def _feel(c: Columns, rules: PackedRules, w: Surroundings, rows: NDArray[np.intp], day: int, felt: FloatArray) -> None:
    """Put these customers' satisfaction on `day` into `felt`, su."""
    for k in range(len(rows)):
        felt[k] = satisfaction_on(c, rules[0], w, rows[k], day)
