"""The facts of a firm's dashboard: closed forms against chance, and simulated worlds against what was given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from agents.behaviour import visits_in_day
from agents.columns import CUSTOMER, LAPSED, NEVER
from agents.population import draw_population
from scenarios.intervention import treated_arms
from sim.company.fulfilment import CarrierLuck
from sim.company.sizing import Demand, lateness, ratio_for
from sim.config.sampling import points
from sim.config.settings import Settings, load_settings
from sim.phrases import ConfigError
from sim.run.dashboard import Dashboard, dashboard_table
from sim.run.replication import Task, replication_seed, run_task
from sim.world.buyers import Buyers, OutOfReach, solved
from sim.world.constants import refuse_contradictions, sized, with_references, world_of
from sim.world.firm import class_shares
from sim.world.model import CXModel, burnt_in
from sim.world.pilot import piloted, references
from tests.config.compose import raw, shipped
from tests.worlds import KNOWN, lived

CLOCKS = ("time", "episode")
UNEQUAL = {
    "time": Buyers(False, 0.6, 0.6 / (3.0 / 365), 1.0, 1.0 / (1.2 / 365), 3650.0, 1095.0),
    "episode": Buyers(True, 0.6, 0.6 / (5.0 / 365), 0.75, 1.75, 3650.0, 1095.0),
}


def by_hand(buyers: Buyers, new_a_day: int, seed: int) -> dict[str, float]:
    """Histories of everybody acquired in the window, order by order, and what a dashboard sees on the last day."""
    luck = np.random.default_rng(seed)
    days = int(buyers.acquired_over)
    n = new_a_day * days
    age = luck.uniform(0.0, days, n)
    rate = luck.gamma(buyers.rate_shape, 1.0 / buyers.rate_rate, n)
    if buyers.episode_clock:
        dropout, end = luck.beta(buyers.lapse_shape, buyers.lapse_rate, n), np.full(n, np.inf)
    else:
        dropout, end = np.zeros(n), luck.exponential(buyers.lapse_rate / luck.gamma(buyers.lapse_shape, 1.0, n))
    alive, clock = np.ones(n, bool), np.zeros(n)
    last_year, next_year, orders_near = age < 365.0, np.zeros(n, bool), 0
    lapsed_at = np.full(n, np.inf)
    while alive.any():
        rows = np.flatnonzero(alive)
        clock[rows] += luck.exponential(1.0 / np.maximum(rate[rows], 1e-12))
        died = clock[rows] > end[rows]
        beyond = clock[rows] > age[rows] + 365.0
        ordered = rows[~died & ~beyond]
        when = clock[ordered] - age[ordered]  # days after now
        last_year[ordered] |= (when > -365.0) & (when <= 0.0)
        next_year[ordered] |= when > 0.0
        orders_near += int(((when > -15.0) & (when <= 0.0)).sum())
        dropped = ordered[luck.uniform(size=len(ordered)) < dropout[ordered]]
        lapsed_at[dropped] = clock[dropped]
        alive[rows[died | beyond]] = False
        alive[dropped] = False
    lapsed_at = np.minimum(lapsed_at, end)
    gone_for = age - lapsed_at
    return {
        "active": last_year.sum() / new_a_day,
        "returning": (last_year & next_year).sum() / new_a_day,
        "current": (gone_for < 0.0).sum() / new_a_day,
        "lapsed": ((gone_for >= 0.0) & (gone_for < buyers.lapsed_within)).sum() / new_a_day,
        "repeat orders": orders_near / 15.0 / new_a_day,
    }


@pytest.mark.parametrize("clock", CLOCKS)
def test_what_a_dashboard_sees_of_buyers_has_the_closed_form(clock: str) -> None:
    buyers = UNEQUAL[clock]
    seen = buyers.seen()
    expected = {
        "active": seen.active, "returning": seen.returning, "current": seen.current, "lapsed": seen.lapsed,
        "repeat orders": seen.orders - seen.newcomers,
    }  # fmt: skip
    runs = [by_hand(buyers, 8, seed) for seed in range(6)]
    for name, value in expected.items():
        found = np.array([run[name] for run in runs])
        error = found.std(ddof=1) / np.sqrt(len(found))
        # cells of equal probability stand for the two traits: to half a per cent
        assert abs(found.mean() - value) < 3.5 * error + 0.005 * value, name


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize(("often", "repeat"), [(3.0, 0.45), (2.0, 0.35), (6.0, 0.65)])
def test_buyers_are_solved_for_how_often_they_order_and_how_many_return(
    clock: str, often: float, repeat: float
) -> None:
    seen = solved(UNEQUAL[clock], often, repeat).seen()
    assert 365.0 * seen.orders / seen.active == pytest.approx(often, rel=1e-6)
    assert seen.returning / seen.active == pytest.approx(repeat, abs=1e-5)


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_repeat_share_out_of_reach_is_told_with_what_is_within(clock: str) -> None:
    with pytest.raises(OutOfReach) as caught:
        solved(UNEQUAL[clock], 1.6, 0.97)
    low, high = caught.value.low, caught.value.high
    middle = 0.5 * (low + high)
    seen = solved(UNEQUAL[clock], 1.6, middle).seen()
    assert seen.returning / seen.active == pytest.approx(middle, abs=1e-5)


def test_visits_of_a_day_are_poisson() -> None:
    u = (np.arange(20_000) + 0.5) / 20_000
    for rate in (0.01, 0.7, 4.0):
        counts = np.array([visits_in_day(rate, one) for one in u])
        assert ((counts >= 1) == (u < 1.0 - np.exp(-rate))).all()
        for visits in range(12):
            assert (counts <= visits).mean() == pytest.approx(stats.poisson.cdf(visits, rate), abs=1e-4)


@pytest.mark.parametrize("clock", CLOCKS)
def test_the_stock_holds_its_shares_and_the_lapsed_their_past(clock: str) -> None:
    world = world_of(settings_of(clock, 20_000), 3)
    c = draw_population(world.traits, 3, world.customers, world.first_day)
    shares = world.traits
    counts = np.bincount(c.status, minlength=4) / world.customers
    current = 1.0 - shares.unaware - shares.aware - shares.lapsed
    assert counts == pytest.approx([shares.unaware, shares.aware, current, shares.lapsed], abs=2e-4)
    gone = c.status == LAPSED
    last, first = c.of("last_order")[gone], c.of("first_order")[gone]
    assert ((first > NEVER) & (first <= last) & (last <= c.lapse_day[gone])).all()
    assert (c.lapse_day[gone] < world.first_day).all()
    assert (c.lapse_day[gone] >= world.first_day - 1095 - 1).all()
    if clock == "episode":  # the order that ended it was the last
        assert (last == c.lapse_day[gone]).all()
    assert c.of("orders")[gone].mean() < c.of("orders")[c.status == CUSTOMER].mean()


def settings_of(clock: str, customers: int, *overrides: str) -> Settings:
    return shipped(
        "scenario=baseline", "days=365", f"customers={customers}", f"behaviour.attrition.clock={clock}", *overrides
    )


def test_classes_are_chosen_by_their_shares() -> None:
    world = world_of(settings_of("time", 20_000), 1)
    assert class_shares(world.rules, world.traits) == pytest.approx([0.10, 0.78, 0.12], abs=1e-9)


# -- sizing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("promise", ["static", "backlog"])
def test_lateness_counted_in_orders_is_that_of_the_centre(promise: str) -> None:
    """The queue of numbers alone against the centre itself, at a capacity that is often too small."""
    found = settings_of("time", 20_000, "calendar=flat", "company=cdnow", "company.capacity_ratio=1.03",
                        "company.carrier.delayed=0.1", "company.cancellations=null",
                        f"company.promise={promise}")  # fmt: skip
    world, known = references(world_of(found, 5))
    late, delivered = [], []
    for seed in range(4):
        model = lived(replace(world, seed=seed))
        rows = model.recorder.rows
        online = sum(float(rows[f"orders_{name}"][-365:].sum()) for name in ("express", "standard", "norush"))
        level = known._replace(orders_level=np.log(online / 365))  # as many orders as there were
        shares = np.array([rows[f"orders_{name}"][-365:].sum() for name in ("express", "standard", "norush")]) / online
        day = np.ones(world.on(365))
        demand = Demand(world.first_day, np.exp(level.orders_level) * day, shares, np.arange(len(day)) >= 180)
        late.append(lateness(demand, world.terms, world.carrier, promise == "backlog")(world.capacity[: len(day)]))
        delivered.append(float(rows["late"][-365:].sum() / rows["delivered"][-365:].sum()))
    gap = np.array(late) - np.array(delivered)
    assert np.mean(delivered) > 0.05
    assert abs(gap.mean()) < 3.0 * gap.std(ddof=1) / np.sqrt(len(gap)) + 0.01


def test_a_smaller_market_needs_more_capacity_for_its_orders() -> None:
    world = world_of(settings_of("time", 20_000, "calendar=flat"), 1)
    ratios = []
    for orders in (5.0, 50.0, 500.0):
        demand = Demand(0, np.full(400, orders), np.array([0.1, 0.8, 0.1]), np.arange(400) > 30)
        late = lateness(demand, world.terms, CarrierLuck(0.0, 2.0))
        found = ratio_for(0.97, lambda ratio, late=late, orders=orders: late(released(ratio * orders)))
        assert late(released(found * orders)) == pytest.approx(0.03, abs=0.01)
        ratios.append(found)
    assert ratios[0] > ratios[1] > ratios[2] > 0.95


def released(capacity: float) -> np.ndarray:
    return np.diff(np.floor(np.arange(401) * capacity)).astype(np.int64)


# -- worlds ----------------------------------------------------------------------------------------------------------


def dashboards(found: Settings, size: int) -> object:
    """dashboard.csv of so many points."""
    facts, figures = [], []
    for number, point in enumerate(points(found, size)):
        drawn = found.at(point)
        world = piloted(drawn, replication_seed(found.seed, number, 0))
        model = CXModel(world, burnt_in(world), record=False)
        board = Dashboard.of(model)
        model.run(365)
        facts.append(drawn.company.facts)
        figures.append(board.figures())
    return dashboard_table(facts, figures)


def test_the_share_that_returns_is_found_where_lapse_is_most_unequal() -> None:
    """The search passes dropouts so near to 1 that a cell's mean, by rounding, lay beyond it."""
    buyers = Buyers(
        episode_clock=True, rate_shape=0.5, rate_rate=70.0, lapse_shape=0.75, lapse_rate=1.75, acquired_over=3650.0,
        lapsed_within=1095.0,
    )  # fmt: skip
    seen = solved(buyers, 2.055, 0.4).seen()
    assert seen.returning / seen.active == pytest.approx(0.4, abs=1e-6)
    assert 365 * seen.orders / seen.active == pytest.approx(2.055)


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_small_world_shows_the_facts_it_was_given(clock: str) -> None:
    table = dashboards(settings_of(clock, 5000), 6)
    assert set(table["fact"]) == {
        "orders_a_month", "active_customers", "average_basket", "conversion", "repeat_share", "on_time", "express",
        "norush", "nps", "contacts_per_order",
    }  # fmt: skip
    assert (table["within"] >= 5 / 6 - 1e-9).all(), table


@pytest.mark.slow
@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("customers", [5000, 20_000, 50_000])
@pytest.mark.parametrize("company", ["general", "consumables", "fashion"])
def test_every_fact_is_within_tolerance_in_nearly_every_point(clock: str, customers: int, company: str) -> None:
    table = dashboards(settings_of(clock, customers, f"company={company}"), 40)
    print(f"\n{company}, {clock} clock, {customers} customers\n{table.to_string(index=False)}")
    assert (table["within"] >= 0.95).all(), table


@pytest.mark.slow
def test_the_effect_does_not_depend_on_the_size_of_the_market() -> None:
    found = []
    for customers, seeds in ((5000, 160), (50_000, 16)):
        chosen = shipped("days=365", f"customers={customers}", "replications=16", "arms=total")
        effects = []
        for number in range(seeds):
            result = run_task(chosen, treated_arms, Task(number, 0, {}, replication_seed(7, number, 0), parts=False))
            rows = result.measures[(result.measures["metric"] == "ltv") & (result.measures["segment"] == "everybody")]
            ltv = dict(zip(rows["arm"], rows["value"], strict=True))
            effects.append(ltv["norush_coupon"] - ltv["baseline"])
        found.append((np.mean(effects), np.std(effects, ddof=1) / np.sqrt(seeds)))
    (small, small_se), (large, large_se) = found
    print(f"\neffect on LTV: {small:.2f} (se {small_se:.2f}) of 5,000, {large:.2f} (se {large_se:.2f}) of 50,000, yen")
    assert abs(small - large) < 2.0 * np.hypot(small_se, large_se)


LONG = 900
"""Days of a pilot that is long beside every half-life."""


def effects_with(pilot_days: int, found: Settings, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Effect on LTV of the scenario at each point (size,), and references (size, 4), with a pilot of so many days."""
    effects, known = [], []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sim.world.pilot.PILOT_DAYS", pilot_days)
        for number, point in enumerate(points(found, size)):
            seed = replication_seed(3, number, 0)
            result = run_task(found, treated_arms, Task(number, 0, point, seed, parts=False))
            rows = result.measures[(result.measures["metric"] == "ltv") & (result.measures["segment"] == "everybody")]
            ltv = dict(zip(rows["arm"], rows["value"], strict=True))
            effects.append(ltv["norush_coupon"] - ltv["baseline"])
            _, one = references(world_of(found.at(point), seed))
            known.append((one.satisfaction, one.expectation, one.lapse_offset, np.log(one.trial_scale)))
    return np.array(effects), np.array(known)


@pytest.mark.slow
def test_a_pilot_of_half_a_year_says_what_a_long_one_says() -> None:
    """References and effects at 200 points against a pilot of two and a half years on the same customers."""
    found = shipped("days=365", "customers=5000", "arms=total")
    (effect, known), (long_effect, long_known) = (effects_with(days, found, 200) for days in (180, LONG))
    gap, moved = effect - long_effect, known - long_known
    error, spread = gap.std(ddof=1) / np.sqrt(len(gap)), effect.std(ddof=1)
    print(f"\neffect on LTV: {effect.mean():.3f} and {long_effect.mean():.3f} yen")
    print(f"gap {gap.mean():.3f} (se {error:.3f}), spread over points {spread:.2f}")
    names = ("satisfaction", "expectation", "lapse offset", "log trial scale")
    for name, one in zip(names, moved.T, strict=True):
        print(f"{name}: gap {one.mean():+.4f}, sd {one.std(ddof=1):.4f}")
    assert abs(gap.mean()) < 2.0 * error + 0.02 * spread


@pytest.mark.slow
@pytest.mark.parametrize("clock", CLOCKS)
def test_parcels_are_late_as_often_as_in_a_year_of_retail(clock: str) -> None:
    """At the central values: 2 to 6 % outside peaks, 4 to 8 % in a year, no week below 60 % on time.

    An order that is cancelled because it does not ship is late, as it is for the on-time rate.
    """
    outside, year, worst = [], [], []
    for seed in range(8):
        world = piloted(settings_of(clock, 20_000), 100 + seed)
        rows = lived(world).recorder.rows
        late, delivered, cancelled = (rows[name][-365:].astype(float) for name in ("late", "delivered", "cancelled"))
        late, delivered = late + cancelled, delivered + cancelled
        ordinary = ~world.peaks[world.on(0) : world.on(365)]
        outside.append(late[ordinary].sum() / delivered[ordinary].sum())
        year.append(late.sum() / delivered.sum())
        weeks = np.arange(0, 364, 7)
        worst.append(1.0 - (np.add.reduceat(late, weeks) / np.add.reduceat(delivered, weeks)).max())
    print(f"\n{clock}: {np.mean(outside):.3f} late outside peaks, {np.mean(year):.3f} in the year, worst week "
          f"{np.mean(worst):.2f} on time")  # fmt: skip
    assert 0.02 <= np.mean(outside) <= 0.06
    assert 0.04 <= np.mean(year) <= 0.08


# -- what contradicts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["company.facts.repeat_share=0.95"], "facts.repeat_share: 0.95 contradicts orders_a_month and active"),
        (["company.facts.orders_a_month=9000"], r"company.facts.orders_a_month: 9000 contradict active_customers"),
        (["company.members=200000"], r"members: 200000 hold too few who have not bought.* at least \d+ members"),
        (["company.facts.classes={express: 0.6, norush: 0.4}"], r"company.facts.classes: express 0.6 and norush 0.4"),
    ],
)
def test_facts_that_contradict_each_other_are_named(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        refuse_contradictions(shipped("scenario=baseline", *overrides))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["company.facts.on_time=null"], "company.capacity_ratio: is null, and so is company.facts.on_time"),
        (["company.facts.active_customers=null"], "repeat_share: needs orders_a_month and active_customers"),
        (["company.facts.nps=200"], r"company.facts.nps: 200 is not allowed; from -99 to 99"),
        (["++company.facts.conversion={value: 0.02, tolerance: -1}"], "tolerance: -1 is not allowed; from 0"),
        (["+company.facts.orders=5"], "company.facts.orders: no such key.* did you mean orders_a_month"),
    ],
)
def test_facts_are_checked(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        shipped("scenario=baseline", *overrides)


def test_what_follows_from_a_fact_cannot_be_stated_beside_it() -> None:
    told = r"behaviour.survey.intercept: follows from company.facts.nps; state that, or company.facts.nps=null"
    composed = raw("scenario=baseline", "behaviour.survey.intercept=7")
    with pytest.raises(ConfigError, match=told):
        load_settings(composed, {"behaviour.survey.intercept"})
    without = raw("scenario=baseline", "behaviour.survey.intercept=7", "company.facts.nps=null")
    assert load_settings(without, {"behaviour.survey.intercept"}).behaviour.survey.intercept.value == 7


def test_a_fact_takes_its_parameter_out_of_the_design() -> None:
    known = dict(shipped("scenario=baseline").parameters())
    unknown = dict(shipped("scenario=baseline", "company.facts.classes=null").parameters())
    assert not known["behaviour.delivery.utility_norush"].uncertain
    assert unknown["behaviour.delivery.utility_norush"].uncertain


def test_a_launch_is_tuned_by_the_firm_it_is_to_become() -> None:
    found = settings_of("time", 5000, "market=launch")
    world, known = references(world_of(found, 2))
    assert world.traits.unaware == 1.0
    assert known.trial_scale > 0.0
    model = CXModel(with_references(world_of(found, 2), KNOWN), burnt_in(sized(world, known, 5)), record=False)
    model.run(200)
    assert model.recorder.rows["acquired"].sum() > 0
