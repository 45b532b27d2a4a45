"""What is computed lazily, in closed form or packed, against the plain daily story."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from agents import behaviour, records
from agents import day as customer_day
from agents import wallet as purse
from agents.behaviour import DEBT_REPAID, Rules
from agents.columns import AWARE, FAR, FIXED_POINT, NEVER, RECORD, VISITING, new_columns
from agents.compiled import CACHE_LINE
from agents.records import VISIT, Surroundings, Today
from sim.company.campaigns import CAP_DAYS, impressions_lately, note_impressions
from tests.worlds import free_world, settings

USUAL = 0.5
"""su, what expectations return to."""

RULES: Rules = free_world(settings("scenario=baseline"), 1).rules


def around(half_life: float, days: int) -> Surroundings:
    none = np.zeros(0)
    decay = np.exp(-math.log(2.0) * np.arange(days + 3) / half_life)
    weight, score = np.zeros(days + 3), np.zeros(days + 3)
    return Surroundings(decay, weight, score, none, none, none, np.zeros((1, 4)), np.zeros(1), np.full((1, 4), USUAL))


# -- beliefs ---------------------------------------------------------------------------------------------------------


def hearing(seed: int, days: int, rate: float, half_life: float) -> tuple[list[float], list[float]]:
    """Expectation at every sync by the lazy code and by docs/ODD.md 7.2 day by day, for a prospect who hears talk."""
    rng = np.random.default_rng(seed)
    r = RULES._replace(hearsay_rate=rate, public_share=0.3)
    w = around(half_life, days)
    c = new_columns(1)
    columns = c.readable()
    c.status[0] = AWARE
    for name in ("site", "store", "delivery", "product"):
        c.of(f"expect_{name}")[0] = 0.8
    c.of("heard_day")[0] = -1
    keep = 2.0 ** (-1.0 / half_life)
    volume = weight = score = 0.0
    public_weight = public_score = 0.0
    expectation, lazy, daily = 0.8, [], []
    for day in range(days):
        # docs/ODD.md 7.2: E += eta * (V - M E) + ln 2 / half-life (usual - E), fields as of the end of the day before
        own = (1.0 - r.public_share) / r.ties
        m = own * weight + r.public_share * public_weight
        v = own * score + r.public_share * public_score
        expectation += rate * (v - m * expectation) + (1.0 - 2.0 ** (-1.0 / r.return_half_life)) * (USUAL - expectation)
        said = float(rng.normal(0.7, 0.8)) if rng.random() < 0.08 else 0.0
        if said or rng.random() < 0.02:
            customer_day.bring_up_to_date(columns, r, w, 0, day, -1)
            lazy.append(float(c.of("expect_site")[0]))
            daily.append(expectation)
        volume, weight, score = volume * keep, weight * keep, score * keep
        if said:
            volume, weight, score = volume + 1.0, weight + 1.0, score + said
            one = round(FIXED_POINT)
            today = Today(1, day, -1, 1.0, 1.0, 0.0)
            customer_day.hear(columns, r, w, today, 0, one, one, round(said * FIXED_POINT))
        public_weight = 0.9 * public_weight + rng.uniform(0.0, 0.02)
        public_score = 0.9 * public_score + rng.uniform(0.0, 0.02)
        i = day + 1
        w.public_weight[i + 1] = w.public_weight[i] + r.public_share * public_weight
        w.public_score[i + 1] = w.public_score[i] + r.public_share * public_score
    return lazy, daily


def test_lazy_beliefs_follow_the_daily_recursion() -> None:
    """docs/ODD.md 7.2 states an RMS difference below a thousandth su; the beliefs themselves move a hundredfold."""
    pairs = [hearing(seed, 365, 0.02, 30.0) for seed in range(12)]
    lazy, daily = (np.concatenate(side) for side in zip(*pairs, strict=True))
    assert len(lazy) > 200
    assert np.std(daily) > 0.05
    assert np.sqrt(np.mean((lazy - daily) ** 2)) < 1e-3


@pytest.mark.parametrize("half_life", [7.0, 30.0, 90.0])
def test_the_lazy_form_is_exact_as_the_rate_vanishes(half_life: float) -> None:
    """The two differ by when within a gap talk was heard: a tenth of the rate, a tenth of the difference."""
    gaps = []
    for rate in (0.05, 0.005):
        lazy, daily = (np.array(side) for side in hearing(3, 365, rate, half_life))
        gaps.append(np.abs(lazy - daily).max())
    assert gaps[1] < gaps[0] / 9 + 3e-6  # stored as float32, fields as integers


def test_a_stock_heard_once_sums_geometrically() -> None:
    """One talk, synced after n days: weight is the sum of the decaying stock over n days."""
    r, w = RULES._replace(public_share=0.0, hearsay_rate=0.02), around(30.0, 100)
    for days in (1, 2, 17, 90):
        c = new_columns(1)
        columns = c.readable()
        c.status[0] = AWARE
        c.of("heard_day")[0] = 4
        customer_day.hear(
            columns,
            r,
            w,
            Today(1, 5, -1, 1.0, 1.0, 0.0),
            0,
            FIXED_POINT,
            FIXED_POINT,
            -2 * FIXED_POINT,
        )
        customer_day.bring_up_to_date(columns, r, w, 0, 5 + days, -1)
        heard = sum(2.0 ** (-n / 30.0) for n in range(days)) / r.ties
        pull, back = 0.02 * heard, math.log(2.0) * days / r.return_half_life
        aim = (-2.0 * pull + USUAL * back) / (pull + back)
        before = USUAL * (1.0 - 2.0 ** (-1.0 / r.return_half_life))  # on the day from 4 to 5
        believed = aim + (before - aim) * math.exp(-pull - back)
        assert c.of("expect_product")[0] == pytest.approx(believed, rel=1e-5)
        assert c.of("heard_weight")[0] == pytest.approx(FIXED_POINT * 2.0 ** (-days / 30.0), abs=1.0)


# -- wallet and debt -------------------------------------------------------------------------------------------------


class Purse(RuleBasedStateMachine):
    """One customer's coupons against a sorted list, and the demand debt against its daily recursion."""

    def __init__(self) -> None:
        super().__init__()
        self.c = new_columns(2)
        self.readable = self.c.readable()
        self.wallet = purse.new_wallet(64)
        self.held: list[tuple[int, int, int]] = []  # last day, number, face
        self.day, self.number, self.debt, self.started = 0, 0, 0.0, False

    def usable(self) -> list[tuple[int, int, int]]:
        return sorted(one for one in self.held if one[0] >= self.day)

    @rule(
        face=st.integers(1, 999),
        valid=st.integers(1, 40),
        redeems=st.booleans(),
        issues=st.booleans(),
        idle=st.integers(0, 25),
    )
    def live(self, face: int, valid: int, redeems: bool, issues: bool, idle: int) -> None:
        """A day on which coupons may change, then some on which they do not."""
        place = purse.usable_coupon(self.readable, self.wallet, 0, self.day)
        good = self.usable()
        assert (place == purse.NONE) == (not good)
        if good:
            assert (int(self.wallet.last[place]), int(self.wallet.face[place])) == (good[0][0], good[0][2])
        if redeems and good:
            customer_day.settle_debt(self.readable, RULES, 0, self.day)
            assert purse.redeem(self.readable, self.wallet, 0, self.day) == good[0][0]
            self.held.remove(good[0])
        if issues and len(self.usable()) < 60:
            customer_day.settle_debt(self.readable, RULES, 0, self.day)
            purse.issue(self.readable, self.wallet, 0, self.day, face, self.day + valid)
            self.number += 1
            self.held.append((self.day + valid, self.number, face))
            self.new_today = self.number
        for n in range(1 + idle):
            # a day counts as open if a coupon is good as it starts: one redeemed today was, one issued today is not
            opened = bool(good) if n == 0 else any(last >= self.day for last, _, _ in self.held)
            gain = RULES.forward_bought * RULES.coupon_acceleration
            self.debt = (1.0 - DEBT_REPAID) * self.debt + (gain if opened else 0.0)
            self.day += 1
            known = customer_day.current_debt(self.readable, RULES, 0, self.day)
            assert known == pytest.approx(self.debt, rel=1e-5, abs=1e-7)
        count, faces = purse.open_coupons(self.c, self.wallet, self.day - 1)
        assert (count[0], faces[0]) == (len(self.usable()), sum(face for _, _, face in self.usable()))
        assert (count[1], self.c.of("coupon")[1]) == (0, purse.NONE)


def test_wallet_and_debt_follow_the_plain_story() -> None:
    run_state_machine_as_test(
        Purse, settings=hypothesis_settings(max_examples=60, stateful_step_count=20, deadline=None)
    )


# -- lapse -----------------------------------------------------------------------------------------------------------


def lapse_day_by_day(
    r: Rules, budget: float, hazard: float, rate: float, last_order: int, today: int, until: int
) -> tuple[int, float]:
    """(first day whose hazard exhausts the budget, how close any day came to deciding otherwise)."""
    spent, closest = 0.0, math.inf
    for day in range(today, until):
        spent += hazard * (1.0 + r.idleness * max(0.0, rate * (day - last_order) - 1.0))
        closest = min(closest, abs(spent - budget))
        if spent >= budget:
            return day, closest
    return FAR, closest


@given(
    budget=st.floats(1e-4, 6.0), hazard=st.floats(1e-6, 1.0), rate=st.floats(1e-9, 2.0),
    since=st.integers(0, 400), today=st.integers(-180, 365), idleness=st.sampled_from([0.0, 0.01, 0.1]),
)  # fmt: skip
@hypothesis_settings(max_examples=400, deadline=None)
def test_the_day_of_lapse_is_found_without_living_through_it(
    budget: float, hazard: float, rate: float, since: int, today: int, idleness: float
) -> None:
    r = RULES._replace(idleness=idleness)
    until = today + 4200  # longer than any horizon
    day, closest = lapse_day_by_day(r, budget, hazard, rate, today - since, today, until)
    found = behaviour.day_of_lapse(r, budget, hazard, rate, today - since, today, FAR)
    if closest > 1e-9 * budget:
        assert min(found, until) == min(day, until)


@given(rate=st.floats(1e-30, 5.0), since=st.integers(0, 5000), skipped=st.integers(0, 300), length=st.integers(0, 600))
@hypothesis_settings(max_examples=300, deadline=None)
def test_idle_days_are_a_sum_over_days(rate: float, since: int, skipped: int, length: int) -> None:
    last_order, first = 100 - since, 100 - since + skipped
    summed = math.fsum(max(0.0, rate * (day - last_order) - 1.0) for day in range(first, first + length))
    found = behaviour.idle_days(rate, last_order, first, first + length - 1)
    assert found == pytest.approx(summed, rel=1e-9, abs=1e-9)


def test_idle_days_of_somebody_who_hardly_ever_buys_are_none_when_compiled_too() -> None:
    """The day on which such an order would be overdue is beyond any whole number."""
    from numba import njit

    idle = njit(lambda rate: behaviour.idle_days(rate, 3, 10, 300))
    assert [idle(rate) for rate in (1e-10, 1e-20, 1e-38)] == [0.0, 0.0, 0.0]


# -- memory ------------------------------------------------------------------------------------------------------------


def test_what_most_visits_touch_is_the_start_of_a_record_and_no_longer_than_a_cache_line() -> None:
    fields = RECORD.fields or {}
    assert max(fields[name][0].itemsize + fields[name][1] for name in VISITING) <= CACHE_LINE


# -- cap on impressions ------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=60))
@hypothesis_settings(max_examples=150, deadline=None)
def test_packed_impressions_are_a_list_of_days(steps: list[tuple[int, int]]) -> None:
    columns = new_columns(3)
    rows = np.array([1], np.int32)
    day, seen = -20, []
    for pause, shown in steps:
        day += pause
        for _ in range(shown):
            note_impressions(columns, rows, day)
            seen.append(day)
        lately = sum(day - CAP_DAYS < one <= day for one in seen)
        today = seen.count(day)
        assert today <= 15 or shown == 0
        if max((seen.count(one) for one in seen), default=0) <= 15:
            assert impressions_lately(columns, rows, day)[0] == lately
    assert (columns.of("impressions")[[0, 2]] == 0).all()
    assert (columns.of("impressions_day")[[0, 2]] == NEVER).all()


def test_visits_start_with_nothing_done() -> None:
    assert VISIT.names is not None
    visits = records.new_visits(np.array([3, 9], np.int32))
    assert visits["row"].tolist() == [3, 9]
    assert not any(visits[name].any() for name in VISIT.names if name not in ("row", "kind"))
