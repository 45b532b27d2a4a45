"""The value of information against closed forms (Raiffa and Schlaifer 1961)."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from analysis.decisions.information import (
    Cost,
    Design,
    Firm,
    partial,
    perfect,
    regret,
    sample,
    standard_error,
    worth,
)
from analysis.effects.estimands import Array, without_luck

N = 400


def unit_normal_loss(distance: float) -> float:
    """Expected excess of a standard normal over `distance`."""
    return float(norm.pdf(distance) - distance * norm.sf(distance))


def normal_draws(mean: float, sd: float, seed: int = 1) -> Array:
    """One in each of N equal parts of the distribution, as a Latin hypercube has them, in a shuffled order."""
    rng = np.random.default_rng(seed)
    return np.asarray(norm.ppf((rng.permutation(N) + rng.random(N)) / N, mean, sd))


def tolerance(effect: Array) -> float:
    """A standard error of a mean over so many independent points; stratified ones err less."""
    return float(np.std(np.maximum(effect, 0.0))) / math.sqrt(len(effect))


@pytest.mark.parametrize("mean", [-1.5, -0.4, 0.0, 0.7])
def test_perfect_information_of_a_normal_effect(mean: float) -> None:
    effect = normal_draws(mean, 2.0)
    assert perfect(effect) == pytest.approx(2.0 * unit_normal_loss(abs(mean) / 2.0), abs=tolerance(effect))


def test_regrets_differ_by_the_expected_effect() -> None:
    effect = np.array([-3.0, 1.0, 4.0, -1.0])
    found = regret(effect)
    assert (found.going, found.stopping) == (1.0, 1.25)
    assert found.stopping - found.going == np.mean(effect)


@pytest.mark.parametrize("mean", [-0.8, 0.3])
@pytest.mark.parametrize("error", [0.5, 2.0, 5.0])
def test_sample_information_of_a_normal_effect(mean: float, error: float) -> None:
    effect = normal_draws(mean, 2.0)
    # The posterior mean is normal around the prior's, with variance sd⁴ / (sd² + error²).
    spread = 2.0**2 / math.hypot(2.0, error)
    assert sample(effect, error) == pytest.approx(spread * unit_normal_loss(abs(mean) / spread), abs=tolerance(effect))


def test_sample_information_rises_with_size_up_to_the_perfect() -> None:
    effect = normal_draws(0.5, 2.0)[:200]
    firm = Firm(horizon=365, members=10**9, profit_sd=300.0)
    sizes = (10**3, 10**4, 10**5, 10**6, 10**7, 10**9, 10**13)
    values = [sample(effect, standard_error(Design(n, 28), firm)) for n in sizes]
    assert values == sorted(values)
    assert values[0] < 0.05 * values[-1]
    assert values[-1] == pytest.approx(perfect(effect), rel=1e-6)


def test_nothing_is_worth_knowing_where_the_sign_is_sure() -> None:
    for side in (1.0, -1.0):
        effect = side * np.linspace(0.5, 3.0, 40)
        assert perfect(effect) == 0
        assert sample(effect, 2.0) == 0
        found = partial(pd.DataFrame({"a": np.linspace(0, 1, 40)}), effect, 1)
        assert found["value"].max() == pytest.approx(0, abs=1e-12)


def test_a_tests_standard_error_is_that_of_two_halves() -> None:
    firm = Firm(horizon=100, members=10_000, profit_sd=500.0)
    assert standard_error(Design(400, 100), firm) == pytest.approx(500 * math.sqrt(1 / 200 + 1 / 200))
    # A quarter of the days: half the standard deviation of profit, a quarter of the effect.
    assert standard_error(Design(400, 25), firm) == pytest.approx(250 * math.sqrt(1 / 200 + 1 / 200) * 4)
    biased = standard_error(Design(400, 100), firm._replace(bias_sd=30.0))
    assert biased == pytest.approx(math.hypot(50.0, 30.0))


def test_worth_adds_up_by_hand() -> None:
    """Two points, +30 and -10, told apart for sure by a test of a tenth of the horizon on half the members."""
    effect = np.array([30.0, -10.0])
    firm = Firm(horizon=100, members=1000, profit_sd=1e-3)
    design = Design(500, 10)
    found = worth(effect, design, firm, Cost(fixed=200.0, daily=30.0), standard_error(design, firm))
    assert found.information == pytest.approx(5.0)  # 15 by going where it pays, 10 by going blindly
    # While it runs: a tenth of 15 would have been earned, a quarter of all members earn a tenth of 10.
    assert found.delay == pytest.approx(1.5 - 0.25)
    assert found.cost == pytest.approx(0.5)
    assert found.net == pytest.approx(5.0 - 1.25 - 0.5)


def test_luck_is_taken_out_of_the_spread() -> None:
    rng = np.random.default_rng(3)
    truth, luck = rng.normal(1.0, 2.0, 20_000), rng.normal(0.0, 1.5, 20_000)
    found = without_luck(truth + luck, 1.5)
    assert np.mean(found) == pytest.approx(np.mean(truth + luck))
    assert np.var(found) == pytest.approx(2.0**2, rel=3 * math.sqrt(2 / 20_000) * 2.5**2 / 2**2)


def test_where_all_is_luck_the_mean_alone_is_uncertain() -> None:
    effect = normal_draws(0.2, 1.0)[:16]
    found = without_luck(effect, 5.0)
    assert np.std(found, ddof=1) == pytest.approx(np.std(effect, ddof=1) / 4)


# -- one parameter alone ----------------------------------------------------------------------------------------


def linear(n: int, noise: float) -> tuple[pd.DataFrame, Array]:
    """effect = 0.3 + 2a + b + c - 1 + noise, over uniform a, b on (-1, 1), a coin c of 0 or 2, and 20 idle ones."""
    rng = np.random.default_rng(5)
    points = pd.DataFrame(rng.uniform(-1, 1, (n, 22)), columns=["a", "b", *(f"idle{i}" for i in range(20))])
    points["c"] = 2.0 * rng.integers(0, 2, n)
    points["fixed"] = 4.0
    effect = 0.3 + 2 * points["a"] + points["b"] + points["c"] - 1 + rng.normal(0, noise, n)
    return points, effect.to_numpy()


def test_partial_information_of_a_linear_effect() -> None:
    points, effect = linear(600, noise=1.0)
    found = partial(points, effect, 1).set_index("name")
    # E[max(0.3 + c u, 0)] over u uniform on (-1, 1) is (c + 0.3)² / 4c; over a coin of +-1 it is half of 1.3.
    for name, value in {"a": 2.3**2 / 8 - 0.3, "b": 1.3**2 / 4 - 0.3, "c": 1.3 / 2 - 0.3}.items():
        # The mean over points is off by its standard error, which moves the value by half as much at most, and by as
        # much where the mean is taken off: three of them.
        assert found.loc[name, "value"] == pytest.approx(value, abs=3 * float(np.std(effect)) / math.sqrt(600))
    assert list(found.index[:3]) == ["a", "c", "b"]
    assert (found["value"][["a", "b", "c"]] > found["chance"].iloc[0]).all()
    assert "fixed" not in found.index


def test_idle_parameters_stay_within_chance() -> None:
    points, effect = linear(200, noise=1.0)
    found = partial(points.filter(like="idle"), effect, 1)
    assert (found["value"] <= found["chance"]).all()  # 95 times in 100, and with this seed


def test_partial_information_needs_something_that_varies() -> None:
    assert partial(pd.DataFrame({"a": [1.0, 1.0]}), np.array([1.0, -1.0]), 1).empty
    assert partial(pd.DataFrame(index=range(2)), np.array([1.0, -1.0]), 1).empty
