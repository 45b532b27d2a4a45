"""Delivery terms, capacity, making good, coupons by mail, points, and what customers learn from discounts.

Targets are closed forms of the rules, or counts; tolerances come from the standard error.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from agents import behaviour
from agents.behaviour import NO_THRESHOLD, Rules
from agents.columns import CUSTOMER, LAPSED, NO_ORDER, NORUSH, STANDARD, STORE
from agents.records import Episodes, Messages, Today, Visits
from scenarios.intervention import Costs, Intervention, build
from sim.company.changes import Changes, NewTerms, changed_rules
from sim.config.sections import StatedIntervention
from sim.config.settings import Settings
from sim.phrases import ConfigError
from sim.world.constants import World
from sim.world.model import Arm, CXModel, Snapshot, burnt_in
from tests.worlds import BUSY, arm_from, differences, free_world, placed, settings, tight_world

SMALL = ("calendar=flat", "burn_in=60", "customers=6000", "days=84", *BUSY)


@lru_cache(maxsize=4)
def free(scenario: str, *overrides: str) -> tuple[Settings, World, Snapshot]:
    """A busy market in which nobody waits."""
    found = settings(f"scenario={scenario}", *SMALL, *overrides)
    world = free_world(found, 11)
    return found, world, burnt_in(world)


@lru_cache(maxsize=4)
def late(scenario: str) -> tuple[Settings, World, Snapshot]:
    """A busy market whose warehouse is short."""
    found = settings(f"scenario={scenario}", *SMALL)
    world = tight_world(found, 11, orders=120.0, servers=20)
    return found, world, burnt_in(world)


def only(found: Settings, scenario: str, **options: Any) -> Intervention:
    """A scenario's one intervention without costs, with other options."""
    return placed(found, scenario)[0][1].model_copy(update={"costs": Costs(), **options})  # type: ignore[attr-defined, no-any-return]


def everybody(one: Intervention, world: World) -> Arm:
    return Arm(((0, one),), np.ones(world.customers, bool))


def rules(**terms: Any) -> Rules:
    """The default rules under new terms of delivery."""
    return changed_rules(free("faster_promise")[1].rules, Changes(delivery=NewTerms(**terms)))


# -- terms of delivery ------------------------------------------------------------------------------------------------


def test_a_day_promised_weighs_its_slope_by_the_share_of_the_class() -> None:
    usual, cost = free("faster_promise")[1].rules, 0.3
    weights = np.exp([behaviour.class_utility(usual, kind, cost, 0.0) for kind in range(3)])
    for kind, share in enumerate(weights / weights.sum()):
        longer = tuple(2 * (k == kind) for k in range(3))
        felt = behaviour.terms_felt(rules(longer=longer), cost, 1.2, 5000.0, 4000.0)
        assert felt == pytest.approx(-2 * usual.lead_slope * share, rel=1e-12)
    assert behaviour.terms_felt(rules(longer=(1, 1, 1)), cost, 1.2, 5000.0, 4000.0) == pytest.approx(-usual.lead_slope)


def test_a_closed_class_is_chosen_by_nobody_and_missed_by_what_the_choice_was_better_for_it() -> None:
    found, world, start = free("faster_promise")
    r, cost = rules(closed=(1.0, 0.0, 0.0)), 0.3
    weights = np.exp([behaviour.usual_utility(r, kind, cost) for kind in range(3)])
    missed = r.delivery_slope * math.log(1 - weights[0] / weights.sum())
    assert behaviour.terms_felt(r, cost, 1.0, 5000.0, 4000.0) == pytest.approx(missed)
    terms = build("terms", StatedIntervention.model_validate({"kind": "delivery_terms", "closed": "express"}), found)
    model = CXModel(world, start.copied(), everybody(terms, world))
    orders = np.concatenate(orders_of(model))
    assert set(np.unique(orders["kind"])) == {STANDARD, NORUSH, STORE}


def test_a_yen_of_fee_weighs_as_a_yen_of_price() -> None:
    r = rules(dearer=(100.0, 100.0, 100.0))
    felt = behaviour.terms_felt(r, 0.3, 1.2, 5000.0, 4000.0)
    assert felt == pytest.approx(-r.price_slope * 1.2 * r.fee_weight * 100.0 / 4000.0)
    above = behaviour.terms_felt(rules(dearer=(0.0, 100.0, 100.0), free_from=5000.0), 0.3, 1.2, 5000.0, 4000.0)
    assert above == 0.0


@pytest.mark.parametrize(
    ("basket", "filled"),
    # 490 yen of fee are worth 980 yen of goods at half a yen of trouble for each
    [(3019, 3019), (3020, 3020), (3021, 4000), (3999, 4000), (4000, 4000), (4001, 4001)],
)
def test_a_basket_is_filled_up_where_that_is_less_trouble_than_the_fee(basket: int, filled: int) -> None:
    r = rules(dearer=(0.0, 490.0, 490.0), free_from=4000.0)._replace(top_up=0.5, standard_fee=0.0)
    assert behaviour.topped_up(r, STANDARD, basket) == filled
    assert behaviour.topped_up(r, 0, basket) == basket  # express
    assert behaviour.topped_up(r._replace(free_from=NO_THRESHOLD), STANDARD, basket) == basket
    assert behaviour.fee_charged(r, STANDARD, filled) == (0.0 if filled >= 4000 else 490.0)


def orders_of(model: CXModel) -> list[Visits]:
    """Run a model to its end and keep the visits that ended in an order."""
    kept: list[Visits] = []
    choose = model.engine.choose

    def choosing(today: Today, visits: Visits) -> None:
        choose(today, visits)
        kept.append(visits[visits["kind"] != NO_ORDER].copy())

    model.engine.choose = choosing  # type: ignore[method-assign]
    model.run(model.world.days)
    return kept


def test_baskets_gather_at_the_threshold_and_who_stays_below_pays() -> None:
    found, world, start = free("free_shipping_threshold")
    fee, threshold, most = 490.0, 4000.0, 490.0 / world.rules.top_up
    terms = only(found, "free_shipping_threshold")
    model = CXModel(world, start.copied(), everybody(terms, world))
    orders = np.concatenate(orders_of(model))
    due = orders[np.isin(orders["kind"], (STANDARD, NORUSH))]
    baskets = due["basket"].astype(float)
    assert (baskets == threshold).sum() > 50
    assert not ((baskets > threshold - most) & (baskets < threshold)).any()
    paid = orders["basket"].astype(float) - orders["discount"] + fee * (
        np.isin(orders["kind"], (STANDARD, NORUSH)) & (orders["basket"] < threshold)
    ) + world.rules.express_fee * (orders["kind"] == 0)
    assert paid.sum() == model.customers.columns.of("revenue").sum(dtype=np.int64)


def test_a_promise_a_day_sooner_wins_orders_by_its_slope_and_breaks_more_promises() -> None:
    """One arm's orders beside the other's: the gain is a sum of rare extra orders, so its variance is about itself."""
    found, world, start = free("faster_promise", "behaviour.choice.lead_slope=0.3")
    baseline = CXModel(world, start.copied())
    base = np.concatenate(orders_of(baseline))
    sooner = arm_from(world, start, everybody(only(found, "faster_promise"), world))
    online = base[base["kind"] != STORE]
    share = (online["kind"] == STANDARD).mean()
    rate = baseline.recorder.rows["orders"].sum() / baseline.recorder.rows["visits"].sum()
    expected = len(online) * 0.3 * share * (1.0 - rate)  # d orders / d logit, at what people order by
    won = (sooner.recorder.rows["orders"] - baseline.recorder.rows["orders"])[:].sum()
    assert won == pytest.approx(expected, rel=0.25, abs=3 * math.sqrt(expected))
    assert sooner.recorder.rows["late"].sum() > baseline.recorder.rows["late"].sum() + 50


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lead": {"express": -1}}, "lead.express: 0 days promised and 1 on the way; at least 1 on the"),
        ({"transit": {"standard": 2}}, "lead.standard: 3 days promised and 4 on the way"),
        ({"fee": {"standard": -1}}, "fee.standard: leaves -1 yen; at least 0"),
        ({"lead": 1}, "lead: 1 is not allowed; a group of delivery classes, as in {standard: 1}"),
        ({"lead": {"ground": 1}}, "lead.ground: no such key"),
        ({"lead": {"standard": 1.5}}, "lead.standard: 1.5 is not allowed"),
    ],
)
def test_impossible_terms_are_refused_in_a_line(options: dict[str, Any], said: str) -> None:
    stated = StatedIntervention.model_validate({"kind": "delivery_terms"} | options)
    with pytest.raises(ConfigError) as caught:
        build("terms", stated, free("faster_promise")[0])
    assert said in str(caught.value)


def test_more_people_ship_more_in_the_peak_alone_and_cost_their_wages() -> None:
    found = settings(
        "scenario=peak_capacity", *SMALL[1:], "calendar=flat", "start_date=2027-01-01",
        "+calendar.seasons.rush={dates: 02-01..02-10, multiplier: 1.6}",
    )  # fmt: skip
    world = tight_world(found, 11, orders=120.0, servers=20)
    start, people = burnt_in(world), only(found, "peak_capacity")
    without, with_people = arm_from(world, start), arm_from(world, start, everybody(people, world))
    peak = np.zeros(world.days, bool)
    peak[31 : 31 + 10 + 14] = True  # February's first ten days and two weeks after
    more = (with_people.recorder.rows["capacity"] - without.recorder.rows["capacity"])[:]
    each = people.people * people.orders_per_person * world.customers / world.members  # type: ignore[attr-defined]
    assert (more[~peak] == 0).all()
    assert more[peak].sum() == pytest.approx(each * peak.sum(), abs=1.0)
    assert with_people.recorder.rows["late"].sum() <= without.recorder.rows["late"].sum()
    wages = people.people * people.wage * peak.sum() * world.customers / world.members  # type: ignore[attr-defined]
    assert with_people.company_costs.sum() == pytest.approx(wages, abs=1.0)


def test_a_calendar_without_peaks_has_none_to_staff() -> None:
    with pytest.raises(ConfigError) as caught:
        build("more", StatedIntervention.model_validate({"kind": "capacity", "people": 1}), free("faster_promise")[0])
    assert str(caught.value) == "when: peaks never come in this calendar and horizon; always"


# -- making good ------------------------------------------------------------------------------------------------------


def test_every_late_parcel_brings_a_coupon_and_no_other_does() -> None:
    found, world, start = late("recovery_coupon")
    model = arm_from(world, start, everybody(only(found, "recovery_coupon"), world))
    rows = model.recorder.rows
    assert rows["late"][:].sum() > 200
    assert (rows["coupons_issued"][:] == rows["late"][:]).all()
    assert model.customers.columns.of("issued").sum() == model.customers.columns.of("late").sum()


def scores(model: CXModel) -> tuple[list[Episodes], list[Episodes]]:
    """Run a model to its end and keep its episodes before and after they are settled."""
    before: list[Episodes] = []
    after: list[Episodes] = []
    conclude = model.engine.conclude

    def concluding(today: Today, episodes: Episodes) -> None:
        before.append(episodes.copy())
        conclude(today, episodes)
        after.append(episodes.copy())

    model.engine.conclude = concluding  # type: ignore[method-assign]
    model.run(model.world.days)
    return before, after


@pytest.mark.parametrize("face", [0, 500])
def test_a_coupon_makes_good_words_do_not_and_another_apology_hurts(face: int) -> None:
    found, world, start = late("recovery_coupon")
    one = only(found, "recovery_coupon", face=face, makes_good=0.4, again=-0.2, again_within=60)
    before, after = scores(CXModel(world, start.copied(), everybody(one, world)))
    last: dict[int, int] = {}
    seen = {"first": 0, "again": 0}
    for day, (unsettled, settled) in enumerate(zip(before, after, strict=True)):
        told = {}
        for old, new in zip(unsettled, settled, strict=True):
            if old["late"] < 1 or old["kind"] == STORE:
                assert new["made_good"] == 0.0
                continue
            again = day - last.get(int(old["row"]), -(10**6)) <= 60
            told[int(old["row"])] = day
            share = -0.2 if again else 0.4 if face else 0.0
            assert new["made_good"] == share
            if old["contact"] == 0 and old["score"] < 0:
                assert new["score"] == pytest.approx(old["score"] * (1.0 - share))
                seen["again" if again else "first"] += 1
        last |= told
    assert min(seen.values()) > 12


# -- coupons by mail, winning back -------------------------------------------------------------------------------


def test_the_share_that_keeps_a_mailed_coupon_holds_it_from_the_same_day_on() -> None:
    found, world, start = free("mailed_coupon")
    one = only(found, "mailed_coupon", kept=0.3, every=28)
    model = CXModel(world, start.copied(), everybody(one, world))
    model.run(1)
    sent = int(model.campaigns.of[0].tally.shown[1:].sum())
    kept = int(model.recorder.rows["coupons_issued"][0])
    assert kept == pytest.approx(0.3 * sent, abs=4 * math.sqrt(0.3 * 0.7 * sent))
    assert model.recorder.rows["coupons_redeemed"][0] > 0
    c = model.customers.columns
    held = c.of("coupon_until") >= 0
    assert set(c.of("coupon_until")[held].tolist()) == {one.valid_days - 1}  # type: ignore[attr-defined]


def test_a_message_brings_back_its_share_of_those_who_have_left() -> None:
    found, world, start = free("win_back")
    one = only(found, "win_back", wakes=0.4, after_days=30, every=14, face=0, kept=0.0)
    model = CXModel(world, start.copied(), everybody(one, world))
    receive, reached = model.engine.receive, [0, 0]

    def receiving(today: Today, messages: Messages) -> None:
        lapsed = model.customers.columns.status[messages["row"]] == LAPSED
        receive(today, messages)
        back = model.customers.columns.status[messages["row"][lapsed]]
        reached[0] += int(lapsed.sum())
        reached[1] += int((back == CUSTOMER).sum())
        assert (messages["came_back"] == (lapsed & (messages["came_back"] == 1))).all()

    model.engine.receive = receiving  # type: ignore[method-assign]
    model.run(world.days)
    assert reached[0] > 200
    assert reached[1] == pytest.approx(0.4 * reached[0], abs=4 * math.sqrt(0.24 * reached[0]))
    counts = np.bincount(model.customers.columns.status, minlength=4)
    assert model.recorder.rows["lapsed"][-1] == counts[LAPSED]
    assert model.recorder.rows["customer"][-1] == counts[CUSTOMER]


# -- points -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("breakage", [0.0, 0.35, 1.0])
def test_the_share_of_points_that_breaks_is_never_issued_and_moves_no_choice(breakage: float) -> None:
    found, world, start = free("points_norush")
    model = CXModel(world, start.copied(), everybody(only(found, "points_norush", breakage=breakage), world))
    model.run(28)
    rows = model.recorder.rows
    chosen, issued = int(rows["orders_norush"][:28].sum()), int(rows["coupons_issued"][:28].sum())
    assert chosen > 100
    assert issued == pytest.approx((1 - breakage) * chosen, abs=4 * math.sqrt(breakage * (1 - breakage) * chosen))


# -- what customers learn from discounts ------------------------------------------------------------------------------


def test_a_discount_expected_adapts_with_each_order_and_is_forgotten_likewise() -> None:
    r, deal = free("faster_promise")[1].rules, 0.0
    for _ in range(5):
        deal = behaviour.learned_deal(r, deal, 0.2)
    assert deal == pytest.approx(0.2 * (1 - (1 - r.deal_memory) ** 5))
    for _ in range(3):
        deal = behaviour.learned_deal(r, deal, 0.0)
    assert deal == pytest.approx(0.2 * (1 - (1 - r.deal_memory) ** 5) * (1 - r.deal_memory) ** 3)


def test_who_has_used_coupons_expects_them_and_nobody_else_does() -> None:
    found, world, start = free("mailed_coupon")
    model = arm_from(world, start, everybody(only(found, "mailed_coupon", kept=0.3), world))
    c = model.customers.columns
    deal, redeemed = c.of("deal"), c.of("redeemed")
    assert (deal[redeemed == 0] == 0).all()
    assert (deal[redeemed > 0] > 0).mean() > 0.9
    mean_discount = model.customers.columns.of("deal")[redeemed > 0].mean() / 65536
    assert 0.001 < mean_discount < 0.5


def test_without_weight_what_is_learned_moves_nothing_but_what_is_learned() -> None:
    found, world, start = free("mailed_coupon", "behaviour.choice.deal_weight=0")
    quick, slow = (world, _with(world, deal_memory=0.0))
    arm = everybody(only(found, "mailed_coupon", kept=0.3), world)
    one, other = arm_from(quick, start, arm), arm_from(slow, start, arm)
    assert differences(one, other) == ["customer deal"]


def _with(world: World, **numbers: float) -> World:
    return replace(world, rules=world.rules._replace(**numbers))


# -- returns ---------------------------------------------------------------------------------------------------------


def sends_back(world: World, share: float, slope: float) -> World:
    return _with(world, return_share=share, return_slope=slope, return_cost=600.0, return_spoiled=0.1)


def test_what_is_sent_back_costs_its_margin_its_handling_and_what_is_spoiled_and_changes_nobody() -> None:
    _, world, start = late("recovery_coupon")
    plain = arm_from(world, start)
    model = CXModel(sends_back(world, 0.2, 0.0), start.copied())
    _, settled = scores(model)
    episodes = np.concatenate(settled)
    online, back = episodes[episodes["kind"] != STORE], episodes[episodes["returned"] == 1]
    assert (back["kind"] != STORE).all()
    assert len(back) == pytest.approx(0.2 * len(online), abs=4 * math.sqrt(0.16 * len(online)))
    basket, discount, margin = back["basket"].astype(float), back["discount"].astype(float), world.rules.margin
    lost = np.floor(basket * margin - discount + 600.0 + 0.1 * basket * (1 - margin) + 0.5)
    ledgers = [one.customers.columns.of("ledger").sum(dtype=np.int64) for one in (plain, model)]
    assert ledgers[0] - ledgers[1] == lost.sum()
    revenues = [one.customers.columns.of("revenue").sum(dtype=np.int64) for one in (plain, model)]
    assert revenues[0] - revenues[1] == (basket - discount).sum()
    assert model.customers.columns.of("returned").sum() == len(back)
    assert (plain.customers.columns.of("bought") == model.customers.columns.of("bought")).all()
    assert model.recorder.rows["profit"].sum() == ledgers[1]


def test_the_disappointed_send_back_more_by_the_slope() -> None:
    _, world, start = late("recovery_coupon")
    _, settled = scores(CXModel(sends_back(world, 0.2, 0.8), start.copied()))
    episodes = np.concatenate(settled)
    online = episodes[episodes["kind"] != STORE]
    logits = math.log(0.2 / 0.8) - 0.8 * (online["score"] - world.rules.satisfaction_ref)
    expected = 1.0 / (1.0 + np.exp(-logits))
    bad = online["score"] < np.median(online["score"])
    for group in (bad, ~bad):
        spread = math.sqrt((expected * (1 - expected))[group].sum())
        assert online["returned"][group].sum() == pytest.approx(expected[group].sum(), abs=4 * spread)
    assert expected[bad].mean() > 1.3 * expected[~bad].mean()


def test_the_engines_send_back_the_same() -> None:
    found = settings("scenario=faster_promise", "customers=800", "days=40", "burn_in=30", *BUSY)
    world = sends_back(tight_world(found, 7, orders=20.0), 0.3, 0.5)
    start, arm = burnt_in(world), Arm(placed(found, "faster_promise"), np.ones(800, bool))
    by_agent = CXModel(world, start.copied(), arm, "agent")
    by_agent.run(world.days)
    column = arm_from(world, start, arm)
    assert differences(column, by_agent) == []
    assert column.customers.columns.of("returned").sum() > 20
