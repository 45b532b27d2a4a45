"""What a pilot tells of the effect: against normal theory, and against luck that would pass for learning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import norm

from analysis.decisions.information import sample
from analysis.decisions.options import Configuration, Option
from analysis.decisions.pilot import NOTHING, Shop, Signal, learnt, reading, signals
from analysis.decisions.verdict import field_test, lines, of_run
from analysis.effects.estimands import Array, without_luck
from analysis.folders.run_folder import Run
from sim.tables import DAILY

POINTS = 400


def seeds(first: Array, second: Array | None = None) -> Array:
    """(2, points), the second seed at the first points only."""
    both = np.full((2, len(first)), np.nan)
    both[0] = first
    if second is not None:
        both[1, : len(second)] = second
    return both


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
def test_explained_share_and_value_are_those_of_normal_theory(noise: float) -> None:
    """effect = 0.5 + 2a + b, shown a with error `noise`: of the variance 4 + 1, 4 / (1 + noise²) is explained."""
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, POINTS))
    effect = seeds(0.5 + 2 * a + b)
    shown = [Signal("orders", seeds(a), 1000 * noise**2), Signal("profit", seeds(rng.standard_normal(POINTS)), 0.0)]
    found = learnt(shown, effect, 1000)
    share = 4 / (1 + noise**2) / 5
    assert found.share == pytest.approx(share, abs=3 / np.sqrt(POINTS) / 2)
    assert found.leading == "orders"
    spread = np.sqrt(5 * share)
    theory = spread * (norm.pdf(0.5 / spread) - 0.5 / spread * norm.sf(0.5 / spread))
    value = sample(effect[0], found.error(effect[0]))
    assert value == pytest.approx(theory, abs=3 * np.std(effect[0]) / np.sqrt(POINTS) / 2)


def test_more_customers_tell_more_up_to_what_the_figures_hold() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, POINTS))
    shown = [Signal("uptake", seeds(a), 5000.0, beyond=0.1)]
    shares = [learnt(shown, seeds(a + b), n).share for n in (100, 1000, 10_000, 10**9)]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.5 / 1.1, abs=0.08)


def test_idle_figures_tell_nothing() -> None:
    """Held-out points see through a fit: forty points and six idle figures explain some 15 % of them in sample."""
    rng = np.random.default_rng(7)
    found = []
    for _ in range(20):
        shown = [Signal(f"s{k}", seeds(rng.standard_normal(40)), 0.0) for k in range(6)]
        found.append(learnt(shown, seeds(rng.standard_normal(40)), 1000).share)
    assert np.mean(found) < 0.03


def test_luck_in_both_does_not_pass_for_learning() -> None:
    """Orders that a market happens to have raise the figure and the effect alike, and no pilot can learn from that."""
    rng = np.random.default_rng(11)
    luck, again = rng.standard_normal((2, 100))
    truth = rng.standard_normal(100)
    second = 66
    effect = seeds(truth + 1.5 * luck, (truth + 1.5 * again)[:second])
    shown = [Signal("orders", seeds(luck, again[:second]), 0.0)]
    blind = [Signal("orders", seeds(luck), 0.0)]
    assert learnt(blind, seeds(effect[0]), 1000).share > 0.5
    assert learnt(shown, effect, 1000).share < 0.1


def test_too_few_points_and_no_figures_tell_nothing() -> None:
    values = seeds(np.arange(20.0))
    assert learnt([Signal("orders", values, 0.0)], values, 1000) == NOTHING
    assert learnt([], seeds(np.arange(50.0)), 1000) == NOTHING
    assert NOTHING.error(values[0]) == np.inf
    assert sample(without_luck(values[0], 0.0) - 9, np.inf) == 0


# -- from a run's days ------------------------------------------------------------------------------------------

CUSTOMERS, DAYS, START, RUN_POINTS = 1000, 100, 10, 40


def folder(place: Path, profit_sd: float = 30.0) -> Path:
    """A run whose coupon, from day START, is taken at a rate that decides on the effect on LTV."""
    place.mkdir()
    config = {"days": DAYS, "seed": 1, "customers": CUSTOMERS, "company": {"members": 1_000_000}}
    (place / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    uptake = np.random.default_rng(1).permutation(np.linspace(0.1, 0.5, RUN_POINTS))
    measures, days = [], []
    for point, share in enumerate(uptake):
        for arm, treated in (("baseline", 0), ("coupon", 1)):
            effect = treated * (60 * share - 16)
            for metric, value in {
                "ltv": 100 + effect, "profit_sd": profit_sd, "margin": 50.0, "orders": 5.0 * CUSTOMERS,
            }.items():  # fmt: skip
                measures.append((point, 0, arm, "all", "everybody", metric, value))
            frame = pd.DataFrame({column.name: 0 for column in DAILY}, index=range(DAYS))
            on = treated * (np.arange(DAYS) >= START)
            frame = frame.assign(
                arm=arm, replication=point, second_seed=0, day=np.arange(DAYS), visits=500, orders=50,
                coupons_issued=np.round(50 * share * on), profit=500,
            )  # fmt: skip
            days.append(frame)
    columns = ["replication", "second_seed", "arm", "group", "segment", "metric", "value"]
    pd.DataFrame(measures, columns=columns).to_parquet(place / "measures.parquet", index=False)
    pd.concat(days).to_parquet(place / "daily.parquet", index=False)
    return place


def test_figures_are_read_from_the_day_on_which_the_plan_begins(tmp_path: Path) -> None:
    option = Option(Configuration({}, [Run(folder(tmp_path / "run"))], 1), "coupon", "coupon")
    shop = Shop(DAYS, 30.0, 10.0, 5.0, 0.0)
    (uptake,) = signals(option, 14, shop)  # nothing else differs
    assert uptake.name == "uptake"
    assert uptake.values[0].min() == pytest.approx(0.1)
    mean = uptake.values[0].mean()
    # Of n customers a half is treated, who order .7 times in 14 days: a binomial share of .35 n orders.
    assert uptake.per_customer == pytest.approx(mean * (1 - mean) / 0.35)
    assert np.isnan(uptake.values[1]).all()
    assert Shop(DAYS, 30.0, 10.0, 5.0, 0.0).heterogeneity == pytest.approx((9 - 5) / 25)


def test_the_cheapest_sufficient_pilot_is_named_with_its_customers_weeks_and_cost(tmp_path: Path) -> None:
    """Profit is far too noisy to tell anything, and the uptake tells all."""
    text = "\n".join(lines(of_run(Run(folder(tmp_path / "run", profit_sd=1e5)), "coupon")))
    assert text.startswith("Test coupon first.")
    assert "The cheapest test worth its cost: 1,000 customers for 2 weeks at 270,000 yen, worth" in text
    assert "What tells most in it: coupons taken per order." in text


def test_a_test_is_told_by_expectation_standard_error_and_power() -> None:
    """Textbook: a true effect of 2.8 standard errors is significant at 5 % four times in five."""
    found = reading(np.full(50, -2.8016), 1.0)
    assert (found.expected, found.error) == (pytest.approx(-2.8016), 1.0)
    assert found.power == pytest.approx(0.8, abs=1e-4)
    assert reading(np.zeros(50), 1.0).power == pytest.approx(0.05)


def test_the_gate_says_why_profit_alone_would_not_tell(tmp_path: Path) -> None:
    text = field_test(of_run(Run(folder(tmp_path / "run", profit_sd=1e5)), "coupon"))
    assert text.startswith("By profit alone, a test on 1,000 customers over 2 weeks is expected to report ")
    assert text.endswith("its power is 5 % (significant at 5 %).")
