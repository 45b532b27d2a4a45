"""Variants of a plan at the same points: which are dominated, which is the most robust, where its lever breaks even.

A scenario file may state variants of its plan; each was run at the plan's points with the plan's luck. A way to carry
it out is dominated where another has no smaller sum over its worst k points, whatever k: then everybody who dislikes
risk, or is indifferent to it, takes the other one (second-order stochastic dominance: Hadar and Russell 1969). The most
robust way has the largest mean over the worst tenth of its points, if by more than chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from analysis.decisions.options import Option
from analysis.effects.estimands import FEWEST, Array, luck, luck_share, probability, without_luck
from analysis.style import words
from analysis.style.language import N_, _
from sim.tables import EVERYBODY, VARIANT

LTV = "ltv"

TENTH = 0.1

LEVER = "face"
"""The option that a break-even is counted for: a coupon's face, yen."""


OPTION_WORDS = {
    "face": N_("coupon face value"),
    "faces": N_("coupon face values"),
    "extra_days": N_("extra days"),
    "within_days": N_("days since the search"),
    "every": N_("sent every"),
    "valid_days": N_("days the coupon is good"),
    "holdout": N_("share kept without the message"),
    "lift": N_("lift of an order, logit"),
    "budget": N_("budget"),
    "lag": N_("days from meeting to change"),
}
"""Options that are varied and moved most, in words; others are told by their own names."""


class Way(NamedTuple):
    """One way to carry a plan out: as stated (`name` empty), or a variant with its `options` by key.

    `effect` is that on LTV at each point that all ways have (points,), yen per member, the same share of
    luck taken out of each way's spread; `dominated_by` the index of the way that dominates it, None where none does.
    """

    name: str
    options: Mapping[str, Any]
    effect: Array
    dominated_by: int | None = None

    @property
    def mean(self) -> float:
        """Mean over points."""
        return float(np.mean(self.effect))

    @property
    def worst(self) -> float:
        """Mean over the worst tenth of the points."""
        return float(np.mean(np.sort(self.effect)[: max(round(TENTH * len(self.effect)), 1)]))

    @property
    def p_positive(self) -> float:
        """P(effect > 0)."""
        return probability(self.effect)


def ways(option: Option) -> list[Way]:
    """The plan as stated, first, and its variants; empty where none was run or points are fewer than FEWEST."""
    stated = _stated(option)
    cube = option.configuration.cube
    arms = {name: cube.effect(f"{option.intervention}{VARIANT}{name}", EVERYBODY, LTV) for name in stated}
    run = {"": cube.effect(option.intervention, EVERYBODY, LTV)}
    run |= {name: effect for name, effect in arms.items() if not np.isnan(effect[0]).all()}
    known = ~np.isnan(np.vstack([effect[:1] for effect in run.values()])).any(axis=0)
    if len(run) == 1 or np.sum(known) < FEWEST:
        return []
    share = luck_share(run[""][0, known], luck(run[""]))
    found = [Way(name, stated.get(name, {}), _calm(effect[0, known], share)) for name, effect in run.items()]
    return [way._replace(dominated_by=_dominating(found, number)) for number, way in enumerate(found)]


def _calm(effect: Array, share: float) -> Array:
    """Effects (points,) without luck that makes up this share of their variance; NaN: not known, nothing is taken out.

    All ways have the plan's luck and are judged by its share: shares told apart from some twenty second seeds each
    would differ by more than the ways do.
    """
    return without_luck(effect, math.sqrt(share) * float(np.std(effect, ddof=1)))


def _stated(option: Option) -> dict[str, Any]:
    """Options of each variant that the run's configuration states."""
    return dict(option.configuration.runs[0].node(f"scenario.{option.intervention}.variants") or {})


def _dominating(found: Sequence[Way], number: int) -> int | None:
    """Index of the way with the largest mean among those that dominate this one."""
    better = [other for other in range(len(found)) if dominates(found[other].effect, found[number].effect)]
    return max(better, key=lambda other: found[other].mean, default=None)


def dominates(one: Array, other: Array) -> bool:
    """Whether effects (points,) have no smaller sum over their worst k points, for any k, and a larger one for some."""
    gap = np.cumsum(np.sort(one)) - np.cumsum(np.sort(other))
    return bool((gap >= 0).all() and (gap > 0).any())


def most_robust(found: Sequence[Way]) -> Way:
    """The way with the largest mean over its worst tenth; the plan as stated where none is larger beyond chance."""
    plan, best = found[0], max(found, key=lambda way: way.worst)
    return best if _clearly_safer(best.effect, plan.effect) else plan


RESAMPLES, CLEARLY = 400, 0.9
"""Bootstrap samples of the points, and the share of them in which a variant must be the safer one."""


def _clearly_safer(one: Array, other: Array) -> bool:
    """Whether the worst tenth of one way is better than that of another in nearly all samples of the same points."""
    points = len(one)
    rows = np.random.default_rng(0).integers(points, size=(RESAMPLES, points))
    tenth = max(round(TENTH * points), 1)
    worst = [np.sort(effect[rows], axis=1)[:, :tenth].mean(axis=1) for effect in (one, other)]
    return bool(np.mean(worst[0] > worst[1]) >= CLEARLY)


# -- break-even -------------------------------------------------------------------------------------------------


class BreakEven(NamedTuple):
    """How often it pays at each value of the lever, and where it turns in between.

    `values` (faces,) in yen, ascending, and P(effect > 0) at each. `share` is that of the points at which the effect
    has another sign at one end than at the other; `median` that of the values at which it turns there, the effect taken
    as piecewise linear; NaN where it turns nowhere.
    """

    values: Array
    probabilities: Array
    share: float
    median: float


def break_even(found: Sequence[Way], stated: float | None) -> BreakEven | None:
    """The break-even of a coupon's face, from the variants that change nothing else; None where there is none.

    stated: the face of the plan, yen; None where it has none or one that is not known.
    """
    moved = {float(way.options[key]): way.effect for way in found[1:] for key in _lever_only(way)}
    if stated is None or not moved:
        return None
    curve = moved | {stated: found[0].effect}
    values = np.array(sorted(curve))
    effects = np.column_stack([curve[value] for value in values])
    turns = [turn for row in effects for turn in _turn(values, row)]
    probabilities = np.array([probability(column) for column in effects.T])
    median = float(np.median(turns)) if turns else float("nan")
    return BreakEven(values, probabilities, len(turns) / len(effects), median)


def _lever_only(way: Way) -> list[str]:
    """The key of the lever where the variant changes it alone; else nothing."""
    keys = [key for key in way.options if key.rpartition(".")[2] == LEVER]
    return keys if len(keys) == len(way.options) == 1 else []


def _turn(values: Array, effects: Array) -> Iterator[float]:
    """The value at which the effect (values,) first changes its sign, where its ends have different ones."""
    if effects[0] * effects[-1] >= 0:
        return
    at = int(np.argmax(effects[:-1] * effects[1:] <= 0))
    share = effects[at] / (effects[at] - effects[at + 1])
    yield float(values[at] + share * (values[at + 1] - values[at]))


# -- words ------------------------------------------------------------------------------------------------------


def told(found: Sequence[Way], stated: float | None, stopped: bool) -> list[str]:
    """What variants say, in sentences: the most robust way, those that are dominated, and the lever's break-even.

    stated: as for `break_even`; stopped: whether the verdict on the plan is to stop it.
    """
    if not found:
        return []
    lines = _robust(found, stopped), _dominated(found), _break_even(break_even(found, stated))
    return [line for line in lines if line]


def _robust(found: Sequence[Way], stopped: bool) -> str:
    best, plan = most_robust(found), found[0]
    beside = most_robust(found[1:]) if best is plan else plan
    if best is plan:
        text = _(
            "Of its variants none is more robust: as planned the worst tenth of the worlds comes to {worst} yen per "
            "member on average, with {other} to {other_worst}; all worlds come to {mean} and {other_mean}."
        )
    elif best.mean > 0 and stopped:
        text = _(
            "Before it is stopped, look at the most robust of its variants: {variant}. Its worst tenth of the worlds "
            "comes to {worst} yen per member on average, as planned to {other_worst}; all worlds come to "
            "{mean} and {other_mean}, and it pays in {p} of them."
        )
    elif best.mean > 0:
        text = _(
            "Recommended of its variants, as the most robust: {variant}. Its worst tenth of the worlds comes to "
            "{worst} yen per member on average, as planned to {other_worst}; all worlds come to {mean} and "
            "{other_mean}, and it pays in {p} of them."
        )
    else:
        text = _(
            "The most robust of its variants does not pay on average either: {variant}. Its worst tenth of the worlds "
            "comes to {worst} yen per member on average, as planned to {other_worst}; all worlds come to "
            "{mean} and {other_mean}."
        )
    places = words.decimals(best.worst, beside.worst, best.mean, beside.mean)
    amounts = {"worst": best.worst, "other_worst": beside.worst, "mean": best.mean, "other_mean": beside.mean}
    return text.format(
        variant=called(best), other=called(beside), p=words.percent(best.p_positive),
        **{key: words.signed(value, places) for key, value in amounts.items()},
    )  # fmt: skip


def _dominated(found: Sequence[Way]) -> str:
    told = [
        _("{worse} (by {better})").format(worse=called(way, short=True), better=called(found[way.dominated_by], True))
        for way in found
        if way.dominated_by is not None
    ]
    if not told:
        return ""
    return _(
        "Dominated, that is no better over its worst worlds however many of them are counted: {ways}."
    ).format(ways=words.listed(told))  # fmt: skip


def _break_even(found: BreakEven | None) -> str:
    if found is None:
        return ""
    each = [
        _("{amount} yen in {p}").format(amount=words.plain(float(value)), p=words.percent(float(p)))
        for value, p in zip(found.values, found.probabilities, strict=True)
    ]
    counted = _("Of coupon face values it pays at {each} of the worlds").format(each=words.listed(each))
    if not found.share:
        return _("{counted}; in none does it turn in between.").format(counted=counted)
    return _("{counted}; where it turns in between ({share} of them), it breaks even at {face} yen (median).").format(
        counted=counted, share=words.percent(found.share), face=words.plain(found.median)
    )


def called(way: Way, short: bool = False) -> str:
    """A way's name for people, with what it changes unless `short`."""
    if not way.name:
        return _("the plan as stated")
    name = way.name.replace("_", " ")
    if short:
        return name
    changes = words.enumerated([_changed(key, value) for key, value in way.options.items()])
    return _("{name} ({changes})").format(name=name, changes=changes)


def option_named(key: str) -> str:
    """An option in words, by its dotted path; empty where we have none."""
    last = key.rpartition(".")[2]
    return _(OPTION_WORDS[last]) if last in OPTION_WORDS else ""


def _changed(key: str, value: Any) -> str:
    """One option of a variant in words."""
    path = f"scenario.x.interventions.x.{key}"
    what = option_named(key) or key.rpartition(".")[2].replace("_", " ")
    if isinstance(value, bool) or not isinstance(value, int | float):
        told = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    else:
        told = words.amount(float(value), words.option_unit(path))
    return _("{key} {value}").format(key=what, value=told)
