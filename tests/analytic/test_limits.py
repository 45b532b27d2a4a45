"""Worlds in which the answer is known in closed form: Bass, BG/NBD, Pareto/NBD, gamma-gamma, NPS, LTV.

Tolerances are multiples of the standard error of the simulated statistic, from its own spread or its binomial law.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scipy import integrate, special, stats

from agents.columns import CUSTOMER, LAPSED, UNAWARE
from agents.day import basket_of
from agents.draws import BASKET, draws
from sim.config.settings import Settings
from sim.run.tail import tail_of
from sim.world.constants import World
from sim.world.daily_log import net_promoters
from sim.world.model import CXModel, Snapshot, founded
from tests.worlds import FLAT, free_world, settings

WEEKS = 39
DAYS = 7 * WEEKS
BARE = (
    "scenario=baseline", "company.channels={web: 0.0, app: 0.0, store: 1.0}", "behaviour.choice.expectation_slope=0",
    "behaviour.attrition.satisfaction_slope=0", "behaviour.support.contact_base=0", "behaviour.support.contact_bad=0",
    "behaviour.talk.base=0", "behaviour.talk.positive=0", "behaviour.talk.negative=0",
)  # fmt: skip
"""Nothing but the buy-till-you-die core: store orders at references, nobody talks, calls or cares."""


def bare(customers: int, days: int, clock: str, *overrides: str) -> Settings:
    common = (f"customers={customers}", f"days={days}", f"behaviour.attrition.clock.value={clock}")
    return settings(*FLAT, *BARE, *common, *overrides)


def newborn(found: Settings, seed: int) -> tuple[World, Snapshot]:
    """A world without burn-in in which everybody placed a first order the day before it begins."""
    world = free_world(found, seed)
    burn_in = world.burn_in
    world = replace(
        world, burn_in=0, season=world.season[burn_in:], capacity=world.capacity[burn_in:],
        traits=world.traits._replace(unaware=0.0, aware=1.0, lapsed=0.0),
    )  # fmt: skip
    start = founded(world)
    c = start.customers.columns
    c.status[:] = CUSTOMER
    for name in ("first_order", "last_order", "last_visit"):
        c.of(name)[:] = -1
    c.of("orders")[:] = 1
    c.of("lapse_synced")[:] = 0
    c.of("lapse_budget")[:] = -np.log(draws(seed, 0, world.customers, 0, 200, 0))
    return world, start


def run(world: World, start: Snapshot) -> CXModel:
    model = CXModel(world, start)
    model.run(world.days)
    return model


def within(sample: np.ndarray, exact: float, errors: float = 4.0) -> None:
    """Assert that the mean of independent values is the exact one."""
    error = float(sample.std(ddof=1)) / math.sqrt(len(sample))
    assert sample.mean() == pytest.approx(exact, abs=errors * error), f"standard error {error}"


# -- BG/NBD ----------------------------------------------------------------------------------------------------------

R, ALPHA, A, B = 0.243, 4.414 * 7, 0.793, 2.426  # per day


@lru_cache(maxsize=1)
def bg_nbd() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(repeats, trial number of the last one, still a customer) of 40,000 lives of 39 weeks under the episode clock."""
    world, start = newborn(bare(40_000, DAYS, "episode"), 17)
    c = run(world, start).customers.columns
    return c.of("bought").astype(int), c.of("last_order").astype(int) + 1, c.status == CUSTOMER


def mean_repeats() -> float:
    """E[(1 - (1 - p q)^days) / p], q = 1 - e^-lambda, at most one order a day: integral over lambda and p."""

    def over(p: float, u: float) -> float:
        q = -math.expm1(-special.gammaincinv(R, u) / ALPHA)
        return -math.expm1(DAYS * math.log1p(-p * q)) / p * float(stats.beta.pdf(p, A, B))

    nodes, weights = np.polynomial.legendre.leggauss(60)
    u = 0.5 * (nodes + 1.0)
    u, du = u**0.5, 0.5 * weights * 0.5 / u**0.5  # purchase rates crowd where u is near one
    inner = [integrate.quad(over, 0.0, 1.0, args=(float(x),), points=[0.01, 0.1], limit=200)[0] for x in u]
    return float(np.dot(inner, du))


def test_the_closed_form_is_the_published_one() -> None:
    """1.1967 in continuous time (docs/ODD.md 9; Fader, Hardie and Lee 2005), 1.188 with one order a day at most."""
    assert mean_repeats() == pytest.approx(1.188, abs=6e-4)
    t, alpha = 39.0, 4.414
    hyper = special.hyp2f1(R, B, A + B - 1, t / (alpha + t))
    continuous = (A + B - 1) / (A - 1) * (1 - (alpha / (alpha + t)) ** R * hyper)
    assert continuous == pytest.approx(1.1967, abs=6e-4)


def test_bg_nbd_repeats_in_39_weeks() -> None:
    within(bg_nbd()[0].astype(float), 1.188)


def test_bg_nbd_customers_without_a_repeat() -> None:
    within((bg_nbd()[0] == 0).astype(float), (ALPHA / (ALPHA + DAYS)) ** R)


def alive(x: np.ndarray, last: np.ndarray) -> np.ndarray:
    """P(alive | repeats, day of the last) with at most one order a day: BG/NBD on a grid of purchase rates."""
    u = (np.arange(4000) + 0.5) / 4000
    rate = special.gammaincinv(R, u**0.5) / ALPHA  # density of sqrt-stretched nodes put back by the weight
    weight = 0.5 / u**0.5
    q = -np.expm1(-rate)
    out = np.ones(len(x))
    for pair in {(int(a), int(b)) for a, b in zip(x, last, strict=True) if a > 0}:
        bought = np.log(q) * pair[0]
        silent = np.dot(weight, np.exp(bought - rate * (pair[1] - pair[0])))
        living = np.dot(weight, np.exp(bought - rate * (DAYS - pair[0])))
        chance = 1.0 / (1.0 + A / (B + pair[0] - 1) * silent / living)
        out[(x == pair[0]) & (last == pair[1])] = chance
    return out


def test_bg_nbd_probability_of_being_alive_is_calibrated() -> None:
    """Against true status, overall and in ten groups of like probability (chi-square at 1e-4)."""
    x, last, living = bg_nbd()
    assert living[x == 0].all()  # the first order never costs the customer
    chance = alive(x, last)[x > 0]
    truly = living[x > 0].astype(float)
    group = np.argsort(np.argsort(chance)) * 10 // len(chance)
    seen, told, spread = (np.bincount(group, of) for of in (truly, chance, chance * (1 - chance)))
    assert abs(seen.sum() - told.sum()) < 4 * math.sqrt(spread.sum())
    assert stats.chi2.sf(((seen - told) ** 2 / spread).sum(), 10) > 1e-4
    assert np.ptp(told / np.bincount(group)) > 0.5
    # the formula of continuous time (Fader, Hardie and Lee 2005) is near it
    xs, ts = x[x > 0], last[x > 0]
    textbook = 1.0 / (1.0 + A / (B + xs - 1) * ((ALPHA + DAYS) / (ALPHA + ts)) ** (R + xs))
    assert np.abs(textbook - chance).mean() < 0.02


# -- Pareto/NBD ------------------------------------------------------------------------------------------------------

PR, PALPHA, S, BETA = 0.553, 10.578 * 7, 0.606, 11.669 * 7


@lru_cache(maxsize=1)
def pareto() -> CXModel:
    """40,000 lives of 39 weeks under the time clock."""
    return run(*newborn(bare(40_000, DAYS, "time"), 18))


def test_pareto_nbd_repeats_in_39_weeks() -> None:
    """Daily: E[q] sum over days of E[e^(-mu k)] = (1 - (alpha / (alpha + 1))^r) sum (beta / (beta + k))^s."""
    days = np.arange(DAYS)
    daily = (1.0 - (PALPHA / (PALPHA + 1)) ** PR) * ((BETA / (BETA + days)) ** S).sum()
    continuous = PR * BETA / (PALPHA * (S - 1)) * (1 - (BETA / (BETA + DAYS)) ** (S - 1))
    assert daily == pytest.approx(continuous, rel=0.012)  # one order a day costs 1 %, the day's end gives .1 %
    within(pareto().customers.columns.of("bought").astype(float), daily)


def test_pareto_nbd_survival() -> None:
    c = pareto().customers.columns
    within((c.status == CUSTOMER).astype(float), (BETA / (BETA + DAYS)) ** S)
    gone = c.lapse_day[c.status == LAPSED]
    for day in (6, 27, 90, 200):  # lapsed by the end of the day
        within(
            np.where(c.status == LAPSED, c.lapse_day <= day, False).astype(float), 1 - (BETA / (BETA + day + 1)) ** S
        )
    assert gone.min() == 0


def test_pareto_nbd_customers_without_a_repeat() -> None:
    """E[e^(-lambda tau)] over days lived: sum over the day of lapse of P(lapse then) E[e^(-lambda (day + 1))]."""
    day = np.arange(DAYS)
    survives = (BETA / (BETA + np.arange(DAYS + 1))) ** S
    silent = (PALPHA / (PALPHA + day + 1)) ** PR
    exact = float(((survives[:-1] - survives[1:]) * silent).sum() + survives[-1] * silent[-1])
    within((pareto().customers.columns.of("bought") == 0).astype(float), exact)


# -- spend -----------------------------------------------------------------------------------------------------------


def test_gamma_gamma_mean_basket() -> None:
    """p gamma / (q - 1) over customers, each weighing the same."""
    world = free_world(bare(40_000, DAYS, "time"), 18)
    start = founded(world)
    u = draws(18, 0, world.customers, 3, BASKET, 0)
    spend = start.customers.columns.of("spend").astype(float)
    baskets = np.array(
        [basket_of(start.customers.around, a, b) for a, b in zip(u.tolist(), spend.tolist(), strict=True)]
    )
    within(baskets, 6.25 * 1544 / (3.74 - 1))


def test_baskets_bought_have_the_gamma_gamma_mean() -> None:
    """Spend does not depend on how often one buys: the mean over orders is the same; ratio estimator's error."""
    c = pareto().customers.columns
    bought, revenue = c.of("bought").astype(float), c.of("revenue").astype(float)
    exact = 6.25 * 1544 / (3.74 - 1)
    residual = revenue - exact * bought
    within(residual / bought.mean(), 0.0)
    assert residual.std() / math.sqrt(len(bought)) / bought.mean() < 0.02 * exact


# -- LTV -------------------------------------------------------------------------------------------------------------


def alike(clock: str, days: int, lapse: float) -> CXModel:
    """20,000 customers with the same purchase rate, lapse and mean basket; margin one, so a basket is its profit."""
    found = bare(
        20_000,
        days,
        clock,
        "company.margin=1.0",
        "company.discount_rate=0.10",
        "company.purchase.gamma_gamma={p: 50, q: 3.74, gamma: 1544}",
    )
    world, start = newborn(found, 23)
    c = start.customers.columns
    c.of("rate")[:], c.of("lapse_trait")[:], c.of("spend")[:] = 0.05, lapse, 0.01
    return run(world, start)


@pytest.mark.parametrize(("clock", "lapse"), [("episode", 0.2), ("time", 0.004)])
@pytest.mark.parametrize("days", [365, 3000])
def test_ltv_is_the_closed_form(clock: str, lapse: float, days: int) -> None:
    """m q (1 - x^H) / (1 - x), x = e^(-delta/365 - mu) (1 - q p); over 3000 days the horizon no longer counts."""
    q, basket = 1.0 - math.exp(-0.05), 50 / 0.01
    kept = math.exp(-0.10 / 365) * (1.0 - q * lapse if clock == "episode" else math.exp(-lapse))
    exact = basket * q * (1.0 - kept**days) / (1.0 - kept)
    model = alike(clock, days, lapse)
    within(model.customers.columns.of("npv").astype(float), exact)
    if days == 3000:
        assert basket * q / (1.0 - kept) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize(("clock", "lapse"), [("episode", 0.2), ("time", 0.004)])
def test_the_tail_is_the_continuous_form(clock: str, lapse: float) -> None:
    """e^(-delta H) m lambda / (delta + lambda p + mu) a year, for customers; nothing for the lapsed."""
    model = alike(clock, 100, lapse)
    tail = tail_of(model).value
    living = model.customers.columns.status == CUSTOMER
    rate = 0.05 * 365
    lost = rate * lapse if clock == "episode" else 365 * lapse
    exact = math.exp(-0.10 * 100 / 365) * 50 / 0.01 * rate / (0.10 + lost)
    assert tail[living] == pytest.approx(exact, rel=1e-5)  # traits are float32
    assert (tail[~living] == 0).all()
    assert 0 < living.sum() < len(living)


# -- NPS -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mean", "sd"), [(0.8, 0.6), (-0.5, 1.0), (2.0, 0.3)])
def test_nps_of_a_normal_latent_score(mean: float, sd: float) -> None:
    """100 [1 - Phi((8.5 - Y0) / V) - Phi((6.5 - Y0) / V)]."""
    world, start = newborn(bare(100_000, 30, "time"), 29)
    start.customers.columns.of("satisfaction")[:] = mean + sd * special.ndtri(draws(5, 0, world.customers, 0, 201, 0))
    model = CXModel(world, start)
    census = model.engine.survey(model.today(0), 0.05).census
    assert (census >= 0).all()
    r = world.rules
    assert (r.survey_intercept, r.survey_slope, r.survey_style_sd, r.survey_noise_sd) == (6.0, 1.3, 1.3, 1.2)
    y, v = 6.0 + 1.3 * mean, math.sqrt((1.3 * sd) ** 2 + 1.3**2 + 1.2**2)
    promoters, detractors = special.ndtr((y - 8.5) / v), special.ndtr((6.5 - y) / v)
    error = 100 * math.sqrt((promoters + detractors - (promoters - detractors) ** 2) / world.customers)
    assert net_promoters(census) == pytest.approx(100 * (promoters - detractors), abs=4 * error)


# -- Bass ------------------------------------------------------------------------------------------------------------


def test_bass_diffusion() -> None:
    """Everybody hears everybody, the aware buy at once, who bought talks for ever: Bass's F(t), within 3 / sqrt(N)."""
    n, years = 20_000, 8
    found = settings(
        *FLAT, f"customers={n}", f"days={365 * years}", "burn_in=30", "scenario=baseline",
        "company.channels={web: 0.0, app: 0.0, store: 1.0}", "market.network.public_share=1.0",
        "market.status={unaware: 1.0, aware: 0.0, customer: 0.0}", "behaviour.talk.half_life=1e12",
        "behaviour.talk.talkativeness_sd=0", "behaviour.talk.base=1.0",
        "behaviour.talk.positive=1e9", "behaviour.talk.negative=1e9",
        "company.facts.orders_a_month=null", "behaviour.visits.prospect_rate=1000",
        "behaviour.choice.conversion_customer=0.9", "behaviour.choice.prospect_conversion=1.0",
        "company.purchase.pareto_nbd={r: 0.5, alpha: 1e9, s: 0.606, beta: 11.669}",
    )  # fmt: skip
    world = free_world(found, 37)
    burn_in = world.burn_in
    world = replace(world, burn_in=0, season=world.season[burn_in:], capacity=world.capacity[burn_in:])
    model = CXModel(world, founded(world))
    p, q = 0.03, 0.38
    for year in range(1, years + 1):
        model.run(365 * year)
        grown = math.exp(-(p + q) * year)
        exact = (1.0 - grown) / (1.0 + q / p * grown)
        adopted = float((model.customers.columns.status != UNAWARE).mean())
        assert adopted == pytest.approx(exact, abs=3 / math.sqrt(n))
    assert model.customers.columns.of("bought").max() == 1
    # everybody who has bought has talked once, and is still heard
    assert model.public.volume == pytest.approx(float((model.customers.columns.of("bought") == 1).mean()), abs=1e-6)
