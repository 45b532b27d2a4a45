"""The one source of chance, and the inverse CDFs that turn its uniforms into traits and events."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from agents import draws
from agents.day import basket_of
from agents.draws import day_key, draw, hash_draw, normal_quantile, row_draws, uniform_of
from agents.population import SMALLEST_DROPOUT, gamma_table, poisson_quantile
from agents.quantiles import beta_quantiles, gamma_quantiles
from agents.records import Surroundings

LEVEL = 1e-4
"""Each chi-square test rejects a good generator with this probability; seeds are fixed, so it does so or never does."""


def chi_square(u: np.ndarray, cells: int = 64) -> float:
    """p-value of uniformity."""
    return float(stats.chisquare(np.bincount((u * cells).astype(int), minlength=cells)).pvalue)


def dependence(u: np.ndarray, v: np.ndarray, cells: int = 16) -> float:
    """p-value of joint uniformity on the unit square."""
    return chi_square((np.floor(u * cells) + v) / cells, cells * cells)


BASE = draws.draws(1, 0, 100_000, 5, draws.VISIT, 0)


def test_draws_are_uniform_over_customers() -> None:
    assert chi_square(BASE) > LEVEL
    assert stats.kstest(BASE, "uniform").pvalue > LEVEL


def test_draws_are_uniform_over_days_purposes_and_slots() -> None:
    assert chi_square(np.array([draw(1, 7, day, draws.VISIT, 0) for day in range(-5000, 45_000)])) > LEVEL
    assert chi_square(np.array([draw(seed, 7, 3, draws.VISIT, 0) for seed in range(50_000)])) > LEVEL
    grid = [draw(1, 7, day, purpose, slot) for day in range(3) for purpose in range(256) for slot in range(256)]
    assert chi_square(np.array(grid)) > LEVEL
    assert len(set(grid)) == len(grid)


@pytest.mark.parametrize(
    ("seed", "first", "day", "purpose", "slot"),
    [(1, 1, 5, draws.VISIT, 0), (1, 0, 6, draws.VISIT, 0), (1, 0, 5, draws.CONVERT, 0), (1, 0, 5, draws.VISIT, 1),
     (2, 0, 5, draws.VISIT, 0), (1, 4096, 5, draws.VISIT, 0), (1, 0, -5, draws.VISIT, 0)],
)  # fmt: skip
def test_neighbouring_keys_are_independent(seed: int, first: int, day: int, purpose: int, slot: int) -> None:
    other = draws.draws(seed, first, first + len(BASE), day, purpose, slot)
    assert dependence(BASE, other) > LEVEL
    assert abs(np.corrcoef(BASE, other)[0, 1]) < 4.5 / math.sqrt(len(BASE))


def test_a_wrong_generator_would_be_noticed() -> None:
    assert chi_square(BASE**1.02) < LEVEL
    assert dependence(BASE, (BASE + 0.3) % 1.0) < LEVEL


def test_the_interval_is_open_at_both_ends() -> None:
    low, high = uniform_of(np.uint64(0)), uniform_of(np.uint64(2**64 - 1))
    assert 0.0 < low == 2.0**-53
    assert 1.0 - 2.0**-52 < high < 1.0
    assert math.isfinite(normal_quantile(low))
    assert math.isfinite(normal_quantile(high))
    assert uniform_of(np.uint64(1 << 63)) == pytest.approx(0.5, abs=2.0**-52)


def test_one_draw_is_the_same_however_it_is_asked_for() -> None:
    rows = np.array([3, 99, 4], np.int32)
    many = draws.draws(9, 0, 100, -7, draws.TALK, 2)
    assert row_draws(9, rows, -7, draws.TALK, 2).tolist() == many[rows].tolist()
    assert [draw(9, int(row), -7, draws.TALK, 2) for row in rows] == many[rows].tolist()
    key = np.uint64(day_key(9, -7, draws.TALK, 2))
    assert uniform_of(np.uint64(hash_draw(key, 99))) == many[99]


def test_purposes_have_numbers_of_their_own() -> None:
    numbers = {name: value for name, value in vars(draws).items() if name.isupper() and isinstance(value, int)}
    del numbers["DAY_OFFSET"]
    assert len(set(numbers.values())) == len(numbers) > 40
    assert all(0 < value < 256 for value in numbers.values())


def test_normal_quantile_is_exact() -> None:
    """To 1e-15 relative, both tails and the middle; near one half in absolute terms, where the quantile is nil."""
    tail = 10.0 ** -np.linspace(0.31, 300, 4000)
    u = np.concatenate(
        [tail, 1.0 - 10.0 ** -np.linspace(0.31, 15, 2000), np.linspace(1e-4, 0.9999, 4001), BASE[:20_000]]
    )
    ours, exact = np.array([normal_quantile(float(p)) for p in u]), special.ndtri(u)
    far = np.abs(u - 0.5) > 1e-3
    assert np.abs(ours[far] / exact[far] - 1.0).max() < 2e-15  # scipy's own is good to about 1e-15
    assert np.abs(ours[~far] - exact[~far]).max() < 1e-17
    assert normal_quantile(0.5) == 0.0
    # inverted by the distribution function, which is accurate in the lower tail
    back = special.ndtr(np.array([normal_quantile(float(p)) for p in tail]))
    assert np.abs(back / tail - 1.0).max() < 1e-12


def test_poisson_quantile_is_the_textbook_one() -> None:
    rng = np.random.default_rng(3)
    u = np.concatenate([rng.random(20_000), 1.0 - 10.0 ** -rng.uniform(1, 12, 2000), 10.0 ** -rng.uniform(1, 12, 2000)])
    mean = np.exp(rng.uniform(math.log(1e-6), math.log(2000.0), len(u)))
    mean[:50] = 0.0
    found = poisson_quantile(u, mean)
    exact = np.where(mean > 0, stats.poisson.ppf(u, np.maximum(mean, 1e-300)), 0)
    wrong = np.flatnonzero(found != exact)
    # ties of u with the distribution function to the last bits may go either way
    assert all(abs(special.pdtr(min(found[i], exact[i]), mean[i]) / u[i] - 1.0) < 1e-12 for i in wrong)
    assert len(wrong) < 5


FAR_AND_NEAR = np.concatenate([(np.arange(20_000) + 0.5) / 20_000, np.exp(-np.linspace(1.0, 36.0, 500))])


@pytest.mark.parametrize("shape", [0.05, 0.243, 0.606, 1.0, 3.74, 50.0])
def test_gamma_quantiles_are_exact_to_what_a_float32_can_hold(shape: float) -> None:
    u = np.concatenate([FAR_AND_NEAR, 1.0 - FAR_AND_NEAR])
    found, exact = gamma_quantiles(shape, u), special.gammaincinv(shape, u)
    normal = exact > 1e-300
    assert np.abs(found[normal] / exact[normal] - 1.0).max() < 2e-10
    assert found[7] == gamma_quantiles(shape, u[7:8])[0]  # whoever else is drawn
    assert (np.diff(gamma_quantiles(shape, np.sort(u))) >= 0).all()


@pytest.mark.parametrize(("a", "b"), [(0.793, 2.426), (0.05, 2.0), (0.4, 2.4), (3.0, 3.0), (5.0, 0.5)])
def test_beta_quantiles_are_exact_to_what_a_float32_can_hold(a: float, b: float) -> None:
    u = np.concatenate([FAR_AND_NEAR, 1.0 - FAR_AND_NEAR])
    found, exact = beta_quantiles(a, b, u), special.betaincinv(a, b, u)
    kept = (exact > SMALLEST_DROPOUT) & (exact < 1.0 - SMALLEST_DROPOUT)
    assert np.abs(found[kept] / exact[kept] - 1.0).max() < 2e-10
    assert np.abs((1.0 - found[kept]) / (1.0 - exact[kept]) - 1.0).max() < 2e-10
    assert found[7] == beta_quantiles(a, b, u[7:8])[0]


@pytest.mark.parametrize("shape", [0.7, 2.0, 6.25, 40.0])
def test_the_basket_table_has_the_mean_and_the_quantiles_of_its_gamma(shape: float) -> None:
    table = gamma_table(shape)
    none = np.zeros(0)
    w = Surroundings(none, none, none, table, none, none, np.zeros((1, 4)), none, np.zeros((1, 4)))
    spend = 1e-6
    grid = (np.arange(1 << 16) + 0.5) / (1 << 16)
    baskets = np.array([basket_of(w, float(u), spend) for u in grid]) * spend
    assert baskets.mean() == pytest.approx(shape, rel=1e-6)
    body = (grid > 0.01) & (grid < 0.99)
    exact = special.gammaincinv(shape, grid[body])
    assert np.abs(baskets[body] / exact - 1.0).max() < 3e-3
    assert basket_of(w, 1e-12, 1e3) == 1  # a basket is never nothing
