"""The only source of chance: every draw is a pure function of (seed, customer, day, purpose, slot).

A counter-based hash: one SplitMix64 finaliser (Steele, Lea and Flood 2014; Stafford's Mix13) folds seed, day,
purpose and slot into a key, a second one folds the customer in. No state anywhere, so two arms of a comparison meet
the same luck, the order of customers does not matter, and a mechanism of strength zero changes nothing.

Purpose numbers are fixed for ever: a new mechanism takes a new number, so that existing draws never shift.
"""

from __future__ import annotations

import math

import numpy as np

from agents.compiled import compiled, rule

# traits
PERSONA, DECLARED, STATUS, RATE, DROPOUT, HAZARD, SPEND = 1, 2, 3, 4, 5, 6, 7
WAITING_COST, TALKATIVE, STYLE, OPT_IN, AGE, SURVIVES = 8, 9, 10, 11, 12, 13
PAST_ORDERS, PAST_RECENCY, BELIEF = 14, 15, 16
TIE, TIE_TARGET = 17, 18
# the journey
AWARE, AWARE_SOURCE, VISIT, CHANNEL, TOPIC, CONVERT, CLASS, BASKET, REDEEM = 20, 21, 22, 23, 24, 25, 26, 27, 28
SHIP_TIE, PERFORMANCE, CONTACT, RESOLVE, SERVICE_TIME, CONTACT_TIME, PATIENCE, TALK = 29, 30, 31, 32, 33, 34, 35, 36
LAPSE_EPISODE, LAPSE_TIME, CLICK, VARIANT, HOLDOUT = 37, 38, 39, 40, 41
SURVEY_SELECT, SURVEY_RESPOND, SURVEY_NOISE, COMMENT, AB_ASSIGN, AB_CLUSTER = 42, 43, 44, 45, 46, 47
OPT_OUT, ACTIVATE, CARRIER, KEEP, WAKE, RETURN, CANCEL = 48, 49, 50, 51, 52, 53, 54
# outside the world: the experiment's own
DESIGN = 60

DAY_OFFSET = 1 << 20
"""Room for days below zero in the key."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@rule
def _mix(z: np.uint64) -> np.uint64:
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@compiled
def day_key(seed: int, day: int, purpose: int, slot: int) -> np.uint64:
    """Key of all customers' draws for one day, purpose (< 256) and slot (< 256); uint64."""
    counter = np.uint64(((day + DAY_OFFSET) << 16) | (purpose << 8) | slot)
    return _mix(np.uint64(seed) + _GOLDEN * counter)


@compiled
def hash_draw(key: np.uint64, customer: int) -> np.uint64:
    """64 random bits of a customer under a day's key."""
    return _mix(key + _GOLDEN * np.uint64(customer))


@compiled
def uniform_of(bits: np.uint64) -> float:
    """Uniform in the open interval (0, 1) from 64 bits: 52 of them, centred in their cell (53 would round to 1)."""
    return (float(bits >> np.uint64(12)) + 0.5) * 2.220446049250313e-16


@compiled
def draw(seed: int, customer: int, day: int, purpose: int, slot: int) -> float:
    """One uniform in (0, 1) for one customer (row), day, purpose and slot."""
    return uniform_of(hash_draw(day_key(seed, day, purpose, slot), customer))


@compiled
def draws(seed: int, first: int, last: int, day: int, purpose: int, slot: int) -> np.ndarray:
    """Uniforms of rows `first` to `last` - 1 for one day, purpose and slot: float64 (last - first,)."""
    key = day_key(seed, day, purpose, slot)
    out = np.empty(last - first)
    for row in range(first, last):
        out[row - first] = uniform_of(hash_draw(key, row))
    return out


@compiled
def row_draws(seed: int, rows: np.ndarray, day: int, purpose: int, slot: int) -> np.ndarray:
    """Uniforms of some rows (int32, C order) for one day, purpose and slot: float64 of the same length."""
    key = day_key(seed, day, purpose, slot)
    out = np.empty(len(rows))
    for j in range(len(rows)):
        out[j] = uniform_of(hash_draw(key, rows[j]))
    return out


@rule
def normal_quantile(p: float) -> float:
    """Standard normal quantile, relative accuracy about 1e-16 (Wichura 1988, algorithm AS 241, PPND16)."""
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * _central(r)
    r = p if q < 0.0 else 1.0 - p
    r = math.sqrt(-math.log(r))
    tail = _near_tail(r - 1.6) if r <= 5.0 else _far_tail(r - 5.0)
    return -tail if q < 0.0 else tail


@rule
def _central(r: float) -> float:
    top = (((((((2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r + 6.7265770927008700853e4) * r
        + 4.5921953931549871457e4) * r + 1.3731693765509461125e4) * r + 1.9715909503065514427e3) * r
        + 1.3314166789178437745e2) * r + 3.3871328727963666080e0)  # fmt: skip
    bottom = (((((((5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r + 3.9307895800092710610e4) * r
        + 2.1213794301586595867e4) * r + 5.3941960214247511077e3) * r + 6.8718700749205790830e2) * r
        + 4.2313330701600911252e1) * r + 1.0)  # fmt: skip
    return top / bottom


@rule
def _near_tail(r: float) -> float:
    top = (((((((7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r + 2.41780725177450611770e-1) * r
        + 1.27045825245236838258e0) * r + 3.64784832476320460504e0) * r + 5.76949722146069140550e0) * r
        + 4.63033784615654529590e0) * r + 1.42343711074968357734e0)  # fmt: skip
    bottom = (((((((1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r + 1.51986665636164571966e-2) * r
        + 1.48103976427480074590e-1) * r + 6.89767334985100004550e-1) * r + 1.67638483018380384940e0) * r
        + 2.05319162663775882187e0) * r + 1.0)  # fmt: skip
    return top / bottom


@rule
def _far_tail(r: float) -> float:
    top = (((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 1.24266094738807843860e-3) * r
        + 2.65321895265761230930e-2) * r + 2.96560571828504891230e-1) * r + 1.78482653991729133580e0) * r
        + 5.46378491116411436990e0) * r + 6.65790464350110377720e0)  # fmt: skip
    bottom = (((((((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r + 1.84631831751005468180e-5) * r
        + 7.86869131145613259100e-4) * r + 1.48753612908506148525e-2) * r + 1.36929880922735805310e-1) * r
        + 5.99832206555887937690e-1) * r + 1.0)  # fmt: skip
    return top / bottom
