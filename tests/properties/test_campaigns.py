"""Campaigns against what their equations say: who gets what, clicks, visits, opting out, learning, one attention."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from agents import behaviour
from agents.attrition import schedule_lapse
from agents.columns import AWARE, BY_MAIL, BY_PUSH, CUSTOMER, LAPSED, LIKES, NEVER, Columns
from agents.records import VISIT, new_visits
from scenarios.intervention import Costs, Intervention, treated_arms
from scenarios.messages import Ask, Email, Popup, Push, Welcome
from scenarios.rules import rule
from sim.company.campaigns import CAP_DAYS, Campaign, Campaigns, Cycle, Message, new_tally
from sim.company.offers import Offers
from sim.config.settings import Settings
from sim.world.constants import World
from sim.world.model import Arm, CXModel, Snapshot, burnt_in
from tests.worlds import BUSY, arm_from, free_world, settings

SMALL = ("customers=20000", "days=56", "burn_in=60", "calendar=flat")


@lru_cache(maxsize=2)
def quiet(*more: str) -> tuple[Settings, World, Snapshot]:
    """A flat world of many customers, its midnight, nobody annoyed or tired unless a test says so."""
    found = settings("scenario=baseline", *SMALL, *more)
    world = free_world(found, 3)
    return found, world, burnt_in(world)


def sends(*interventions: Intervention, share: float = 1.0, **rules: float) -> CXModel:
    """A treated world of these interventions; `share` of the customers is treated, rules replaced as given."""
    _, world, start = quiet()
    world = replace(world, rules=world.rules._replace(**rules))
    treated = np.random.default_rng(1).random(world.customers) < share
    return arm_from(world, start, Arm(tuple(enumerate(interventions)), treated))


def rate(won: float, of: float, expected: float) -> None:
    """Won out of `of` tries is what a binomial of that chance may give: four standard errors."""
    error = math.sqrt(expected * (1.0 - expected) / of)
    assert won / of == pytest.approx(expected, abs=4.0 * error)


def tallies(model: CXModel, number: int = 0) -> dict[str, list[int]]:
    return {name: counts.tolist() for name, counts in model.campaigns.of[number].tally._asdict().items()}


# -- who is reached --------------------------------------------------------------------------------------------------


def test_mail_reaches_buyers_who_agreed_and_push_app_users_who_agreed() -> None:
    c = quiet()[2].customers.columns
    campaigns = Campaigns([], c, 1, np.ones(len(c.status), bool), 3)
    mail, push = campaigns.audience("email"), campaigns.audience("push")
    assert (c.of("first_order")[mail] != NEVER).all()
    assert (c.of("first_app")[push] != NEVER).all()
    assert (c.of("consent")[mail] & BY_MAIL > 0).all()
    assert (c.of("consent")[push] & BY_PUSH > 0).all()
    rate(len(mail), (c.of("first_order") != NEVER).sum(), 0.6)
    rate(len(push), (c.of("first_app") != NEVER).sum(), 0.4)
    assert (c.status[mail] == LAPSED).any()  # the firm does not see who has left


def test_holdout_and_the_untreated_get_nothing_and_variants_have_equal_sticky_shares() -> None:
    model = sends(Push(name="a", variants=(1.0, 2.0, 3.0), appeal=-2.0, holdout=0.25), share=0.5)
    shown = np.array(tallies(model)["shown"], float)
    rate(shown[1:].sum(), shown.sum(), 0.5 * 0.75)
    for one in shown[1:]:
        # the same few thousand receivers every week: their number, not that of pushes, sets the error
        assert one / shown[1:].sum() == pytest.approx(1 / 3, abs=4 * math.sqrt(2 / 9 / (shown[1:].sum() / 8)))


def test_no_more_than_the_cap_in_seven_days_over_all_campaigns_and_one_off_site_message_a_day() -> None:
    _, world, start = quiet()
    pushes = (Push(name="a", every=1, appeal=-1.0), Push(name="b", every=1, appeal=-1.0))
    both = (*pushes, Email(name="c", every=1, appeal=-1.0))
    model = CXModel(world, start.copied(), Arm(tuple(enumerate(both)), np.ones(world.customers, bool)))
    days: list[np.ndarray] = []
    for _ in range(28):
        model.step()
        days.append(model.customers.columns.of("impressions_day") == model.day - 1)
        week = np.sum(days[-CAP_DAYS:], axis=0)
        assert week.max() <= world.message_cap
    assert week.max() == world.message_cap
    shown = [tallies(model, n)["shown"] for n in range(3)]
    assert shown[0][1] > 0
    assert shown[1][1] == 0  # the first of two pushes takes everybody, as long as anybody may get one
    assert shown[2][1] > 0


# -- what a message does -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "match"),
    [("relevant", 1.0), ("uniform", 0.4), ("best_sellers", 0.4 + 0.6 * 0.2)],
)
def test_clicks_follow_match(content: str, match: float) -> None:
    """docs/ODD.md 7.10: sigma(a + slope (match - 1/2) - phi F); a single push, so nobody is tired."""
    push = Push(name="a", content=content, appeal=behaviour.logit(0.1), slope=1.5, every=3650)
    model = sends(push, match_floor=0.4)
    found = tallies(model)
    lapsed = (quiet()[2].customers.columns.status == LAPSED) & (model.customers.columns.of("fatigue") == 0.0)
    seen = found["shown"][1] - int((lapsed & (quiet()[2].customers.columns.of("consent") & BY_PUSH > 0)
        & (quiet()[2].customers.columns.of("first_app") != NEVER)).sum())  # fmt: skip
    rate(found["clicked"][1], seen, 1.0 / (1.0 + math.exp(-(math.log(0.1 / 0.9) + 1.5 * (match - 0.5)))))


@pytest.mark.parametrize("orders", [0, 1, 3, 30])
def test_history_fits_better_the_longer_it_is(orders: int) -> None:
    r = quiet()[1].rules._replace(match_floor=0.4)
    expected = 0.4 + 0.6 * 0.6 * (1.0 - math.exp(-orders / 3.0))
    assert behaviour.message_match(r, orders, 0.0, 0.6, False) == pytest.approx(expected, rel=1e-12)
    assert behaviour.message_match(r, orders, 1.0, 0.6, True) == 1.0


@pytest.mark.parametrize(("utility", "visits"), [(-2.0, 0.05), (0.5, 0.8), (-1.0, 0.0)])
def test_a_forced_visit_converts_as_one_more_visit(utility: float, visits: float) -> None:
    """One visit for sure and Poisson(visits) more, each converting alike: 1 - (1 - p) E[(1 - p)^K], summed over K."""
    p = 1.0 / (1.0 + math.exp(-utility))
    none = sum(math.exp(-visits) * visits**k / math.factorial(k) * (1.0 - p) ** (k + 1) for k in range(60))
    assert behaviour.order_probability(utility, visits, True) == pytest.approx(1.0 - none, rel=1e-12)


def test_every_click_brings_a_visit_and_nobody_who_has_left_clicks() -> None:
    _, world, start = quiet()
    push = Push(name="a", appeal=40.0, every=3650, opt_out=1.0)
    model = CXModel(world, start.copied(), Arm(((0, push),), np.ones(world.customers, bool)))
    receivers = model.campaigns.audience("push")
    model.step()
    c = model.customers.columns
    status = start.customers.columns.status[receivers]
    looks = (status == AWARE) | (status == CUSTOMER)
    assert looks.sum() > 500
    assert (c.last_visit[receivers[looks]] == 0).all()
    assert (c.of("visits")[receivers[~looks]] == 0).all()
    assert tallies(model)["clicked"] == [0, int(looks.sum())]
    assert (c.of("consent")[receivers[looks]] & BY_PUSH > 0).all()  # who clicks does not opt out


def test_opting_out_grows_with_fatigue() -> None:
    """Nobody clicks: the first message opts out o of its receivers; an eighth that meets fatigue F, o F of them."""
    _, world, start = quiet()
    push = Push(name="a", appeal=-40.0, every=7, opt_out=0.05)
    model = CXModel(world, start.copied(), Arm(((0, push),), np.ones(world.customers, bool)))
    fatigue, keep = 0.0, 0.5 ** (7.0 / world.rules.fatigue_half_life)
    for week in range(8):
        c, rows = model.customers.columns, model.campaigns.audience("push")
        looks = (c.status[rows] == AWARE) | (c.status[rows] == CUSTOMER)
        last = 7 * (week - 1) if week else NEVER
        fresh = int((looks & (c.of("impressions_day")[rows] == last)).sum())
        before = tallies(model)["opted_out"][1]
        model.run(7 * week + 1)
        fatigue = fatigue * keep + 1.0
        gone = tallies(model)["opted_out"][1] - before
        assert gone / fresh == pytest.approx(0.05 * fatigue, abs=0.01 + 4.0 * math.sqrt(0.05 * fatigue / fresh))
        model.run(7 * (week + 1))


def test_two_campaigns_at_once_are_each_worth_less_than_alone() -> None:
    """One budget of attention: with fatigue the second campaign takes clicks from the first; without it does not."""
    first, second = Email(name="a", every=7, appeal=-1.0), Push(name="b", every=7, start=3, appeal=-1.0)

    def clicks(*campaigns: Intervention, slope: float) -> int:
        return tallies(sends(*campaigns, fatigue_slope=slope))["clicked"][1]

    assert clicks(first, second, slope=0.3) < 0.97 * clicks(first, slope=0.3)
    alone, both = clicks(first, slope=0.0), clicks(first, second, slope=0.0)
    assert both == pytest.approx(alone, abs=4.0 * math.sqrt(2.0 * alone))


def test_what_messages_do_to_satisfaction_fades() -> None:
    """A customer who is mailed weekly and never orders loses at most the geometric sum of fading annoyances."""
    model = sends(Email(name="a", every=7, appeal=-40.0), annoyance=0.04, match_floor=0.0, return_half_life=FOR_EVER)
    still, start = model.customers.columns, quiet()[2].customers.columns
    quiet_ones = idle(start, still) & (still.of("impressions_day") == 49)
    keep = 0.5 ** (7.0 / model.world.rules.fatigue_half_life)
    since = 0.5 ** ((still.of("felt_day")[quiet_ones] - 49) / model.world.rules.fatigue_half_life)
    assert quiet_ones.sum() > 100
    assert np.allclose(lost(start, still, quiet_ones), since * 0.04 * (1.0 - keep**8) / (1.0 - keep), atol=1e-5)


def test_after_the_last_message_satisfaction_recovers_and_the_hazard_of_lapse_follows() -> None:
    """Nothing but the ends of weeks happens to an idle customer after a single e-mail: the last one is day 55."""
    mail = Email(name="a", every=7, days=1, appeal=-40.0)
    model = sends(mail, annoyance=0.04, match_floor=0.0, return_half_life=FOR_EVER)
    still, start = model.customers.columns, quiet()[2].customers.columns
    mailed = idle(start, still) & (still.of("impressions_day") == 0)
    left = 0.04 * 0.5 ** (55.0 / model.world.rules.fatigue_half_life)
    assert mailed.sum() > 100
    assert np.allclose(lost(start, still, mailed), left, atol=1e-5)
    assert (still.of("lapse_synced")[mailed] == 56).all()
    scheduled = still.lapse_day[mailed].copy()
    for row in np.flatnonzero(mailed):
        schedule_lapse(model.customers.readable, model.customers.rules, row, 56)
    assert np.array_equal(still.lapse_day[mailed], scheduled)


FREE = Costs()
FOR_EVER = 1e12
"""Days in which satisfaction does not return, so that what messages do stands alone."""


def idle(start: Columns, still: Columns) -> np.ndarray:
    """Customers who had nothing on the way and have not ordered since."""
    return (still.of("orders") == start.of("orders")) & (start.of("open_orders") == 0) & (still.status == CUSTOMER)


def lost(start: Columns, still: Columns, rows: np.ndarray) -> np.ndarray:
    """Satisfaction lost, su."""
    return start.of("satisfaction")[rows].astype(float) - still.of("satisfaction")[rows].astype(float)


# -- coupons beside a choice of days -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("waiting_options", "coupon"), ("coupon", "waiting_options")])
def test_a_visitor_gets_a_choice_of_days_or_a_plain_coupon_whichever_comes_first(order: tuple[str, str]) -> None:
    columns = quiet()[2].customers.copied().columns
    visits, everybody = new_visits(np.arange(3, dtype=np.int32)), np.ones(3, bool)
    offers = Offers(columns, visits, 10, Campaigns([], columns, 1, np.ones(len(columns.status), bool), 3))
    for number, what in enumerate(order):
        offers.speak_for(number)
        if what == "waiting_options":
            offers.choice_of_days(everybody, 5)
        else:
            offers.norush_coupon(everybody, 150, 300)
    waiting_options, face, last = ((1, 0, 15), (0, 150, 310))[order[0] == "coupon"]
    assert (visits["waiting_options"] == waiting_options).all()
    assert (visits["norush_coupon"] == face).all()
    assert (visits["coupon_last"] == last).all()


# -- asking ------------------------------------------------------------------------------------------------------------


def test_who_answers_is_known_is_not_asked_again_and_gets_what_fits() -> None:
    ask = Ask(name="ask", every=7, appeal=behaviour.logit(0.3), slope=0.0)
    fits = Push(name="fit", content="preference", rule=rule({"preference": {"at_least": 1}}), every=7, start=3,
        appeal=behaviour.logit(0.1), slope=2.2)  # fmt: skip
    model = sends(ask, fits, match_floor=0.4, fatigue_slope=0.0)
    asked, pushed = tallies(model, 0), tallies(model, 1)
    told = model.customers.columns.of("consent") & LIKES > 0
    assert asked["clicked"][1] == told.sum()
    assert asked["ordered"][1] < 0.02 * asked["shown"][1]  # answering brings no visit
    rate(pushed["clicked"][1], pushed["shown"][1], 1.0 / (1.0 + math.exp(-(math.log(0.1 / 0.9) + 2.2 * 0.5))))


# -- welcome -----------------------------------------------------------------------------------------------------------


def test_a_welcome_lifts_the_share_that_links() -> None:
    found = settings("scenario=baseline", *SMALL, "company.onboarding={link: 0.3}")
    world = free_world(found, 3)
    start = burnt_in(world)
    welcome = Welcome(name="w", lift=0.5, variants=(0.0, 1.0, 2.0))
    treated = np.random.default_rng(1).random(world.customers) < 0.75
    model = arm_from(world, start, Arm(((0, welcome),), treated))
    found_, linked = tallies(model)["shown"], tallies(model)["linked"]
    for lift, shown, won in zip((0.0, 0.0, 0.5, 1.0), found_, linked, strict=True):
        rate(won, shown, 1.0 / (1.0 + math.exp(-(math.log(0.3 / 0.7) + lift))))
    c = model.customers.columns
    assert (c.of("first_app")[c.of("activated") == 1] != NEVER).all()


# -- learning ----------------------------------------------------------------------------------------------------------


def campaign(shown: list[int], won: list[int], cycle: Cycle) -> Campaign:
    n = len(shown)
    tally = new_tally(n + 1)._replace(shown=np.array([9, *shown]), clicked=np.array([9, *won]))
    return Campaign(0, "a", Message("push", (0.0,) * n, (0.0,) * n, cycle=cycle), 0, tally)


def test_a_revision_gives_the_best_variant_all_but_the_explored_share() -> None:
    one = campaign([300, 300, 300], [30, 45, 31], Cycle(7, 200, 0.2, 0))
    one.revise()
    assert one.shares.tolist() == pytest.approx([0.1, 0.8, 0.1])


def test_nothing_is_revised_before_every_variant_has_been_shown_often_enough() -> None:
    one = campaign([300, 199, 300], [30, 90, 31], Cycle(7, 200, 0.2, 0))
    one.revise()
    assert one.shares.tolist() == pytest.approx([1 / 3] * 3)


def test_a_campaign_that_learns_finds_the_best_variant_and_keeps_its_shares_in_a_replay() -> None:
    push = Push(name="a", appeals=(0.0, 1.5, 0.2), variants=(1.0, 1.0, 1.0), appeal=-2.0, every=7,
        cycle=Cycle(7, 100, 0.1, 0))  # fmt: skip
    model = sends(push)
    assert model.campaigns.of[0].shares.tolist() == pytest.approx([0.05, 0.9, 0.05])
    assert model.campaigns.of[0].revisions == 8
    _, world, start = quiet()
    baseline = arm_from(world, start)
    everybody = np.ones(world.customers, bool)
    replayed = arm_from(world, start, Arm(((0, push),), everybody, baseline.recording(), replay_company=True))
    assert replayed.campaigns.of[0].shares.tolist() == pytest.approx([1 / 3] * 3)


def test_variants_stick_while_shares_stand() -> None:
    one = campaign([300, 300], [30, 45], Cycle(7, 200, 0.2, 0))
    rows = np.arange(5000, dtype=np.int32)
    before = one.variant_of(1, rows)
    assert (one.variant_of(1, rows) == before).all()
    one.revise()
    moved = one.variant_of(1, rows) != before
    rate(float((moved & (before == 0)).sum()), float((before == 0).sum()), 0.6)  # shares go from one half to .2 and .8
    assert not (moved & (before == 1)).any()


def test_revisions_are_paid_by_the_firm_as_a_whole() -> None:
    _, world, _ = quiet()
    model = sends(Push(name="a", appeals=(0.0, 1.0), variants=(1.0, 1.0), cycle=Cycle(7, 100, 0.2, 50_000), costs=FREE))
    per_revision = round(50_000 * world.customers / world.members)
    assert int(model.company_costs.sum()) == 8 * per_revision


# -- rules -----------------------------------------------------------------------------------------------------------


def test_a_rule_finds_by_what_is_logged() -> None:
    found, world, start = quiet(*BUSY)
    stated: dict[str, Any] = {"days_since_order": {"at_least": 10, "at_most": 40}, "segment": "fan"}
    popup = Popup(name="a", rule=rule(stated))
    model = CXModel(world, start.copied(), Arm(((0, popup),), np.ones(world.customers, bool)))
    model.run(30)
    reached = model.customers.columns.of("eligible") > 0
    c = model.customers.columns
    assert reached.sum() > 20
    assert (c.of("declared")[reached] == world.traits.personas.names.index("fan")).all()
    assert (c.of("first_order")[reached] != NEVER).all()
    assert treated_arms(found) == {}
    assert VISIT["popup"] == np.uint8
