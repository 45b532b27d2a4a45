"""The initial customers, drawn from personas and from the fit to a firm's log.

An established market holds customers acquired evenly over past years, and those of them who have lapsed since, not
too long ago. Rejection sampling gives both the joint distribution of purchase rate, lapse and age that survival leaves
(current customers are young or loyal), under either dropout clock. Each trait is the inverse CDF of one draw.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from agents import draws
from agents.columns import BY_MAIL, CUSTOMER, LAPSED, NEVER, Columns, new_columns
from agents.compiled import compiled
from agents.exact import exp_each, log_each
from agents.quantiles import beta_quantiles, gamma_quantiles

CHUNK = 1 << 16
"""Rows drawn at a time, so that temporary arrays stay small."""

ATTEMPTS = 200
"""Draws of (rate, lapse, age) tried before the last is taken; survival is rarely below 0.1."""

SMALLEST_DROPOUT = 1e-6


class Personas(NamedTuple):
    """Shares and multipliers by persona, and quality offsets in su; arrays of shape (personas,)."""

    names: tuple[str, ...]
    share: NDArray[np.float64]
    waiting_cost: NDArray[np.float64]
    price: NDArray[np.float64]
    talk: NDArray[np.float64]
    quality: NDArray[np.float64]
    declared: float  # probability that the declared segment is the true one


class Traits(NamedTuple):
    """Distributions that initial customers are drawn from; rates per day, quality in su, amounts in yen."""

    personas: Personas
    unaware: float
    aware: float
    lapsed: float
    acquired_over: float
    lapsed_within: float  # days; who lapsed earlier is not among the members
    episode_clock: bool
    rate_shape: float  # Gamma(shape, rate)
    rate_rate: float
    dropout_a: float  # Beta(a, b), per order
    dropout_b: float
    hazard_shape: float  # Gamma(shape, rate), per day
    hazard_rate: float
    spend_shape: float  # Gamma(shape, rate) of the basket's own rate
    spend_rate: float
    basket_shape: float
    waiting_cost: float
    waiting_cost_sd: float
    talkativeness_sd: float
    quality: tuple[float, ...]  # of the touchpoints
    belief_sd: float
    opt_in_mail: float


def draw_population(traits: Traits, seed: int, customers: int, first_day: int) -> Columns:
    """Columns of all customers as they stand before `first_day`."""
    c = new_columns(customers)
    c.status[:] = _statuses(traits, seed, customers)
    for first in range(0, customers, CHUNK):
        last = min(customers, first + CHUNK)
        _draw_chunk(c.rows(first, last), traits, seed, first, last, first_day)
    return c


def _draw_chunk(c: Columns, traits: Traits, seed: int, first: int, last: int, first_day: int) -> None:
    def uniform(purpose: int, slot: int = 0) -> NDArray[np.float64]:
        return draws.draws(seed, first, last, 0, purpose, slot)

    _draw_personas(c, traits, uniform(draws.PERSONA), uniform(draws.DECLARED))
    c.more["talkativeness"][:] *= _lognormal(uniform(draws.TALKATIVE), traits.talkativeness_sd, mean_one=True)
    c.more["waiting_cost"][:] *= traits.waiting_cost * _lognormal(uniform(draws.WAITING_COST), traits.waiting_cost_sd)
    c.more["style"][:] = special.ndtri(uniform(draws.STYLE))
    c.more["spend"][:] = gamma_quantiles(traits.spend_shape, uniform(draws.SPEND)) / traits.spend_rate
    _draw_beliefs(c, traits, seed, first, last)
    _draw_lives(c, traits, seed, first, last, first_day)
    c.consent[:] = BY_MAIL * ((c.status >= CUSTOMER) & (uniform(draws.OPT_IN) < traits.opt_in_mail))
    c.more["heard_day"][:] = first_day - 1
    c.more["felt_day"][:] = first_day


STRATUM = 64
"""Customers in a row among whom the shares of the statuses hold."""

GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)


def _statuses(traits: Traits, seed: int, customers: int) -> NDArray[np.uint8]:
    """The stated shares, in every stratum as nearly as whole customers allow; a status depends on no other stratum.

    Within a stratum the order is that of the customers' own draws. What a stratum has too many of, others have too few:
    their places are shifted by multiples of the golden ratio, which fill the unit interval evenly.
    """
    strata = -(-customers // STRATUM)
    own = draws.draws(seed, 0, strata * STRATUM, 0, draws.STATUS, 0).reshape(strata, STRATUM)
    shift = np.modf(np.arange(strata) * GOLDEN)[0]
    place = (own.argsort(axis=1, kind="stable").argsort(axis=1) + shift[:, np.newaxis]) / STRATUM
    shares = (traits.unaware, traits.aware, 1.0 - traits.unaware - traits.aware - traits.lapsed)
    return np.asarray(np.searchsorted(np.cumsum(shares), place.ravel()[:customers], side="right"), np.uint8)


def _lognormal(u: NDArray[np.float64], sd: float, mean_one: bool = False) -> NDArray[np.float64]:
    return exp_each(sd * special.ndtri(u) - (sd * sd / 2 if mean_one else 0.0))


def _draw_personas(c: Columns, traits: Traits, u: NDArray[np.float64], v: NDArray[np.float64]) -> None:
    """True persona by cumulated shares; the declared one is it, or else drawn afresh from the mix."""
    p = traits.personas
    edges = np.cumsum(p.share)[:-1]
    c.more["persona"][:] = np.searchsorted(edges, u, side="right")
    again = np.searchsorted(edges, (v - p.declared) / max(1e-12, 1.0 - p.declared), side="right")
    c.more["declared"][:] = np.where(v < p.declared, c.more["persona"], again)
    c.more["waiting_cost"][:] = p.waiting_cost[c.more["persona"]]
    c.more["talkativeness"][:] = p.talk[c.more["persona"]]


def _draw_beliefs(c: Columns, traits: Traits, seed: int, first: int, last: int) -> None:
    for slot, quality in enumerate(traits.quality):
        c.more["expect"][:, slot] = quality + traits.belief_sd * special.ndtri(
            draws.draws(seed, first, last, 0, draws.BELIEF, slot)
        )
    c.more["satisfaction"][:] = np.mean(traits.quality)


def _draw_lives(c: Columns, traits: Traits, seed: int, first: int, last: int, first_day: int) -> None:
    """Purchase rate and lapse of everybody, and the past of those who are customers already."""
    age, until = np.zeros(last - first), np.zeros(last - first)
    pending = np.arange(last - first)
    for slot in range(ATTEMPTS):
        rows = (first + pending).astype(np.int32)
        rate, lapse = _lives(traits, seed, rows, slot)
        c.more["rate"][pending], c.more["lapse_trait"][pending] = rate, lapse
        tried = traits.acquired_over * draws.row_draws(seed, rows, 0, draws.AGE, slot)
        lost = rate * lapse if traits.episode_clock else lapse
        lifetime = -log_each(draws.row_draws(seed, rows, 0, draws.SURVIVES, slot)) / np.maximum(lost, 1e-300)
        age[pending] = tried
        until[pending] = np.maximum(0.0, tried - lifetime)
        status, lapsed = c.status[pending], (until[pending] > 0.0) & (until[pending] <= traits.lapsed_within)
        fits = np.where(status == CUSTOMER, until[pending] == 0.0, (status != LAPSED) | lapsed)
        pending = pending[~fits]
        if len(pending) == 0:
            break
    _draw_past(c, traits, seed, first, last, first_day, age, until)


def _lives(
    traits: Traits, seed: int, rows: NDArray[np.int32], slot: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(purchase rate per day, lapse trait) of these rows in one attempt."""
    u = draws.row_draws(seed, rows, 0, draws.RATE, slot)
    rate = gamma_quantiles(traits.rate_shape, u) / traits.rate_rate
    if traits.episode_clock:
        v = draws.row_draws(seed, rows, 0, draws.DROPOUT, slot)
        p = beta_quantiles(traits.dropout_a, traits.dropout_b, v)
        return rate, np.clip(p, SMALLEST_DROPOUT, 1.0 - SMALLEST_DROPOUT)
    v = draws.row_draws(seed, rows, 0, draws.HAZARD, slot)
    return rate, gamma_quantiles(traits.hazard_shape, v) / traits.hazard_rate


def _draw_past(
    c: Columns, traits: Traits, seed: int, first: int, last: int, first_day: int, age: NDArray[np.float64],
    until: NDArray[np.float64],
) -> None:  # fmt: skip
    """Orders so far of those who have bought: Poisson until they lapsed, `until` days ago, thinned by surviving each.

    By the episode clock the order that made somebody lapse comes on top, on the day of the lapse.
    """
    old = np.flatnonzero(c.status >= CUSTOMER)
    gone = c.status[old] == LAPSED
    dropout = c.more["lapse_trait"][old].astype(np.float64) if traits.episode_clock else 0.0
    active = age[old] - until[old]
    kept = c.more["rate"][old].astype(np.float64) * (1.0 - dropout) * active
    repeats = poisson_quantile(draws.draws(seed, first, last, 0, draws.PAST_ORDERS, 0)[old], kept)
    u = draws.draws(seed, first, last, 0, draws.PAST_RECENCY, 0)[old]
    idle = np.where(repeats > 0, active * (1.0 - exp_each(log_each(u) / np.maximum(repeats, 1))), active)
    if traits.episode_clock:
        repeats = repeats + gone
        idle[gone] = 0.0
    since = until[old] + idle
    c.lapse_day[old[gone]] = np.maximum(NEVER + 1, first_day - 1 - np.floor(until[old][gone]))
    c.more["orders"][old] = np.minimum(65535, 1 + repeats)
    c.more["monetary"][old] = np.rint((1 + repeats) * traits.basket_shape / c.more["spend"][old])
    c.more["first_order"][old] = np.maximum(NEVER + 1, first_day - 1 - np.floor(age[old]))
    c.more["last_order"][old] = np.maximum(NEVER + 1, first_day - 1 - np.floor(since))
    c.last_visit[old] = c.more["last_order"][old]
    c.more["lapse_budget"][old] = -log_each(draws.draws(seed, first, last, 0, draws.LAPSE_TIME, 0)[old])
    c.more["lapse_synced"][old] = first_day


def poisson_quantile(u: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.int64]:
    """Smallest k with P(Poisson(mean) <= k) >= u; int64, same shape (n,)."""
    k = _poisson_by_sum(u, mean)
    many = np.flatnonzero(k < 0)
    k[many] = _poisson_by_inverse(u[many], mean[many])
    return k


SUMMABLE = 200.0
"""Largest mean of a Poisson whose quantile is found by adding up probabilities from zero."""


@compiled
def _poisson_by_sum(u: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.int64]:
    """Add up probabilities from zero; -1 where the mean is large, or rounding ends the sum before it gets to u."""
    out = np.empty(len(u), np.int64)
    for i in range(len(u)):
        k, term = 0, math.exp(-mean[i]) if mean[i] <= SUMMABLE else 0.0
        total = term
        while total < u[i] and term > 0.0:
            k += 1
            term *= mean[i] / k
            total += term
        out[i] = k if term > 0.0 else -1
    return out


def _poisson_by_inverse(u: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.int64]:
    k = np.ceil(special.pdtrik(u, np.maximum(mean, 1e-12)))
    k = np.where(np.isfinite(k), np.maximum(k, 0), 0)
    return np.where(special.pdtr(np.maximum(k - 1, 0), mean) >= u, np.maximum(k - 1, 0), k).astype(np.int64)


@lru_cache(maxsize=16)
def gamma_table(shape: float, cells: int = 4096) -> NDArray[np.float64]:
    """Quantiles of Gamma(shape, 1) at the cells' centres, scaled so that interpolating them has mean `shape`."""
    table = special.gammaincinv(shape, (np.arange(cells) + 0.5) / cells)
    # interpolation is linear between centres and flat beyond the outermost ones
    mean = (table.sum() + 0.0) / cells
    scaled = np.asarray(table * (shape / mean))
    scaled.flags.writeable = False  # shared by all worlds of this shape
    return scaled
