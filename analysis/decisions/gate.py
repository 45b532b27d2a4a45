"""The rollout gate: go, test first, or stop, for every intervention of a run or of a sweep.

Two actions, going and stopping, are judged by the effect on profit at each point of what is not known. One goes where a
gain is probable and the regret of going small, and stops likewise. Else one tests first if some field test is worth
more than its cost and delay; if none is, the sign of the expected effect decides.

Probability, regret and information are of the effect without Monte Carlo error
(`information.without_monte_carlo_error`); the
interval beside them is the report's, for one further point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from analysis.decisions import information
from analysis.decisions.information import Cost, Design, Firm, Regret, Worth
from analysis.decisions.options import Configuration, Option, configurations, options
from analysis.effects import estimands
from analysis.effects.estimands import Array, field_test_bias, monte_carlo_error, spread, turned
from analysis.folders.run_folder import Run, RunError
from analysis.folders.sweep_folder import PLAN, Sweep
from analysis.style import words
from analysis.style.language import N_, _
from sim.tables import COMPANY_WIDE, EVERYBODY, SHOCKS

GO, TEST, STOP = "go", "test", "stop"
ENOUGH = 30
"""Points below which a probability is called rough, and nothing is said of single unknowns."""

MOST_LISTED = 5
"""Unknowns listed by what learning them would be worth."""

DIGITS = 6
"""Significant digits of numbers in gate.json: the last ones differ between processors."""

MOSTLY_LUCK = 0.5
"""Share of Monte Carlo error in the variance over points from which a sentence says so."""


class Thresholds(NamedTuple):
    """What a verdict hangs on; conf/gate has defaults and meaning."""

    metric: str
    go_probability: float
    stop_probability: float
    regret_share: float
    customers: tuple[int, ...]
    days: tuple[int, ...]
    cost: Cost


class Evidence(NamedTuple):
    """What the points say of one intervention; yen per potential customer over the horizon.

    `measured` are effects as simulated (points,), `effect` the same without Monte Carlo error.
    """

    option: Option
    metric: str
    measured: Array
    effect: Array
    mc_se: float
    probability: estimands.Share
    regret: Regret
    learning: list[tuple[str, float]] | None
    bias: Array
    company_wide: bool
    tests: list[Worth]

    @property
    def mean(self) -> float:
        return float(np.mean(self.effect))

    @property
    def monte_carlo_share(self) -> float:
        """Share of the variance over points that is Monte Carlo error; NaN where it is not known."""
        variance = float(np.var(self.measured, ddof=1))
        return min(self.mc_se**2 * len(self.measured) / variance, 1.0) if variance > 0 else math.nan

    @property
    def best(self) -> Worth | None:
        """The test that is worth most, if any could be held."""
        return max(self.tests, key=lambda one: one.net, default=None)

    @property
    def run(self) -> Run:
        return self.option.configuration.runs[0]

    @property
    def members(self) -> int:
        return members_of(self.run)


def gate(folder: Path | str, thresholds: Thresholds) -> dict[str, Any]:
    """The content of gate.json: thresholds, and a verdict per intervention. Raises RunError where none can be given."""
    verdicts = [verdict(evidence(option, thresholds), thresholds) for option in _options(Path(folder))]
    asked = thresholds._asdict() | {"cost": thresholds.cost._asdict()}
    return {"thresholds": asked, "verdicts": _rounded(verdicts)}


def _options(folder: Path) -> list[Option]:
    """What is to be decided in a run folder or a sweep's. Raises RunError where there is nothing."""
    if (folder / PLAN).is_file():
        found = configurations(Sweep(folder))
        if not found:
            raise RunError("{folder}: no job of this sweep is done yet", folder=folder)
    else:
        found = [Configuration({}, [Run(folder)], 1)]
    stated = options(found)
    if not stated:
        raise RunError("{folder}: holds the baseline alone; there is nothing to go or stop with", folder=folder)
    chosen = [option for option in stated if _kinds(option) - set(SHOCKS) or not _kinds(option)]
    if not chosen:
        raise RunError(
            "{folder}: holds shocks alone, which nobody chooses; its report says how deep they go", folder=folder
        )
    return chosen


# -- evidence ---------------------------------------------------------------------------------------------------


def evidence(option: Option, thresholds: Thresholds) -> Evidence:
    """What the points of an option say. Raises RunError where fewer than two have an effect."""
    both = option.configuration.cube.effect(option.intervention, EVERYBODY, thresholds.metric)
    keep = ~np.isnan(both[0])
    measured = both[0, keep]
    if len(measured) < 2:
        raise RunError(
            "{name}: has an effect on {metric} in {replications} of its replications; what is not known shows from "
            "two on, better from replications=64",
            name=option.label, metric=thresholds.metric, replications=len(measured),
        )
    error = monte_carlo_error(both[:, keep])
    effect = information.without_monte_carlo_error(measured, error * math.sqrt(len(measured)))
    bias = _bias(option, thresholds.metric)
    company_wide = _company_wide(option, bias)
    return Evidence(
        option,
        thresholds.metric,
        measured,
        effect,
        mc_se=error,
        probability=estimands.share(effect > 0),
        regret=information.regret(effect),
        learning=_learning(option, thresholds.metric, information.perfect(effect)),
        bias=bias,
        company_wide=company_wide,
        tests=[] if company_wide else _tests(option, effect, bias, thresholds),
    )


def members_of(run: Run) -> int:
    """The firm's member count."""
    return int(run.setting("company.members", run.config["customers"]))


def _bias(option: Option, metric: str) -> Array:
    """The simulated field test's bias at each point (points,), luck taken out; empty where no test was simulated."""
    both = field_test_bias(option.configuration.cube, option.intervention, metric, EVERYBODY)
    keep = ~np.isnan(both[0])
    found = both[0, keep]
    return information.without_monte_carlo_error(found, monte_carlo_error(both[:, keep]) * math.sqrt(len(found)))


def _company_wide(option: Option, bias: Array) -> bool:
    """Whether it acts on everybody at once, so that no test can leave a part of the customers out.

    Shipped kinds are listed in `COMPANY_WIDE`; a firm's own kind acts so if a run with arms=all has no field test.
    """
    untested = option.configuration.runs[0].config.get("arms") == "all" and not len(bias)
    return untested or not _kinds(option).isdisjoint(COMPANY_WIDE)


def _kinds(option: Option) -> set[str]:
    """Kinds of its interventions; none where the run's configuration does not state them."""
    run = option.configuration.runs[0]
    stated = [run.node(f"scenario.{name}.interventions") or {} for name in option.intervention.split("+")]
    return {one["kind"] for interventions in stated for one in interventions.values()}


def _learning(option: Option, metric: str, everything: float) -> list[tuple[str, float]] | None:
    """Unknowns and what knowing each alone is worth, where it is beyond chance, the most valuable first.

    None where points are too few to tell.
    """
    effect, points = option.each(metric), option.configuration.values_at
    if len(effect) < ENOUGH:
        return None
    seed = int(option.configuration.runs[0].config["seed"])
    table = information.partial(points.reindex(effect.index), effect.to_numpy(), seed)
    beyond = table[table["value"] > table["chance"]].head(MOST_LISTED)
    # Part of what is not known is worth no more than all of it; a regression need not keep to that.
    found = zip(beyond["name"], beyond["value"], strict=True)
    return [(str(name), min(float(value), everything)) for name, value in found]


def _tests(option: Option, effect: Array, bias: Array, thresholds: Thresholds) -> list[Worth]:
    """What tests of the sizes and durations considered are worth; none where the spread of profit was not measured."""
    run, cube = option.configuration.runs[0], option.configuration.cube
    spreads = cube.get(option.intervention, EVERYBODY, "profit_sd")[0]
    known = spreads[~np.isnan(spreads)]
    if not len(known):
        return []
    members = members_of(run)
    bias_sd = float(np.std(bias, ddof=1)) if len(bias) > 1 else 0.0
    firm = Firm(run.days, members, math.sqrt(float(np.mean(known**2))), bias_sd)
    sizes = sorted({min(customers, members) for customers in thresholds.customers})
    designs = [Design(size, days) for days in sorted(set(thresholds.days)) if days < run.days for size in sizes]
    return [information.worth(effect, design, firm, thresholds.cost) for design in designs]


# -- verdict ----------------------------------------------------------------------------------------------------


def decide(found: Evidence, thresholds: Thresholds) -> tuple[str, bool]:
    """(go, test or stop; whether clear points or a test's worth decide, and not only the sign of the mean)."""
    going, stopping = found.regret
    probability = found.probability.probability
    if probability >= thresholds.go_probability and going <= thresholds.regret_share * stopping:
        return GO, True
    if 1 - probability >= thresholds.stop_probability and stopping <= thresholds.regret_share * going:
        return STOP, True
    if found.best is not None and found.best.net > 0:
        return TEST, True
    return (GO if found.mean > 0 else STOP), False


def verdict(found: Evidence, thresholds: Thresholds) -> dict[str, Any]:
    """One entry of gate.json; yen per potential customer over the horizon, under `firm` yen for all members."""
    decision, clear = decide(found, thresholds)
    over, regret, members = spread(found.measured), found.regret, found.members
    planned = len(found.option.configuration.cube.replications)
    going, stopping = regret.going * members, regret.stopping * members
    mean, firm, bias = over.mean, over.mean * members, found.bias
    return {
        "intervention": found.option.label,
        "decision": decision,
        "clear": clear,
        "sentence": words.sentences((_sentence(found, thresholds, decision, clear), _beyond(found))),
        "notes": _notes(found),
        "metric": thresholds.metric,
        "unit": "yen per potential customer over the horizon",
        "horizon_days": found.run.days,
        "members": members,
        "points": len(found.measured),
        "points_without_value": planned - len(found.measured),
        "company_wide": found.company_wide,
        "rough": len(found.measured) < ENOUGH,
        "effect": {"mean": mean, "ci_low": over.low, "ci_high": over.high, "mc_se": found.mc_se, "firm": firm},
        "p_positive": found.probability._asdict(),
        "monte_carlo_share": found.monte_carlo_share,
        "regret": regret._asdict() | {"going_firm": going, "stopping_firm": stopping},
        "evpi": min(regret),
        "evppi": None if found.learning is None else dict(found.learning),
        "test_bias": {"mean": float(np.mean(bias)), "sd": float(np.std(bias, ddof=1))} if len(bias) > 1 else None,
        "tests": [_test_entry(one, members) for one in found.tests],
        "best_test": None if found.best is None else _test_entry(found.best, members),
        "residual": _residual(found),
    }


def _test_entry(one: Worth, members: int) -> dict[str, Any]:
    design, *numbers = one
    named = dict(zip(Worth._fields[1:], numbers, strict=True))
    return design._asdict() | named | {"net_firm": one.net * members}


def _residual(found: Evidence) -> float:
    """Expected effect on what profit comes to beyond the horizon; NaN where it was not measured."""
    beyond = found.option.each("residual")
    return float(beyond.mean()) if len(beyond) else math.nan


# -- words ------------------------------------------------------------------------------------------------------

METRIC_WORDS = {"profit": N_("profit"), "ltv": N_("LTV")}
SENTENCES = {
    (GO, True): N_(
        "Go: {name} raises {metric} with probability {p}, the luck of the simulated worlds left out ({between}, from "
        "{points} replications), by {size} yen per potential customer over {days} days (90 % interval {span}, that "
        "luck included), {total} yen for the firm's {members} members; the expected regret of going is {going} yen per "
        "potential customer, of stopping {stopping}."
    ),
    (STOP, True): N_(
        "Stop: {name} raises {metric} with probability {p} only, the luck of the simulated worlds left out ({between}, "
        "from {points} replications), the expected effect is {size} yen per potential customer over {days} days (90 % "
        "interval {span}, that luck included), {total} yen for the firm's {members} members; the expected regret of "
        "stopping is {stopping} yen per potential customer, of going {going}."
    ),
    (TEST, True): N_(
        "Test first: {name} raises {metric} with probability {p}, the luck of the simulated worlds left out "
        "({between}, from {points} replications), the expected effect is {size} yen per potential customer over "
        "{days} days (90 % interval {span}, that luck included), {total} yen for the firm's {members} members; a "
        "field test with {customers} customers over {test_days} days is worth {net} yen more than deciding now "
        "({information} yen of information, less {delay} yen for the delay and {cost} yen of cost)."
    ),
    (GO, False): N_(
        "Go, though not beyond doubt, for nothing is worth testing: {name} raises {metric} with probability {p}, the "
        "luck of the simulated worlds left out ({between}, from {points} replications), the expected effect is {size} "
        "yen per potential customer over {days} days (90 % interval {span}, that luck included), {total} yen for the "
        "firm's {members} members; the expected regret of going is {going} yen per potential customer, of stopping "
        "{stopping}."
    ),
    (STOP, False): N_(
        "Stop, though not beyond doubt, for nothing is worth testing: {name} raises {metric} with probability {p}, the "
        "luck of the simulated worlds left out ({between}, from {points} replications), the expected effect is {size} "
        "yen per potential customer over {days} days (90 % interval {span}, that luck included), {total} yen for the "
        "firm's {members} members; the expected regret of stopping is {stopping} yen per potential customer, of going "
        "{going}."
    ),
}
UNTESTABLE = {
    GO: N_(
        "Go, though not beyond doubt, and no A/B test can remove the doubt: {name} acts on everybody at once, so that "
        "what is left is to decide now, to try it over time, or to bring data. It raises {metric} with probability "
        "{p}, the luck of the simulated worlds left out ({between}, from {points} replications), the expected effect "
        "is {size} yen per potential customer over {days} days (90 % interval {span}, that luck included), {total} "
        "yen for the firm's {members} members; the expected regret of going is {going} yen per potential customer, of "
        "stopping {stopping}."
    ),
    STOP: N_(
        "Stop, though not beyond doubt, and no A/B test can remove the doubt: {name} acts on everybody at once, so "
        "that what is left is to decide now, to try it over time, or to bring data. It raises {metric} with "
        "probability {p}, the luck of the simulated worlds left out ({between}, from {points} replications), the "
        "expected effect is {size} yen per potential customer over {days} days (90 % interval {span}, that luck "
        "included), {total} yen for the firm's {members} members; the expected regret of stopping is {stopping} yen "
        "per potential customer, of going {going}."
    ),
}
"""What is said of a company-wide intervention that the points leave open."""


def _sentence(found: Evidence, thresholds: Thresholds, decision: str, clear: bool) -> str:
    over, members, share = spread(found.measured), found.members, found.probability
    places = words.decimals(over.mean, over.low, over.high)
    test = _test_words(found) if decision == TEST else {}
    text = UNTESTABLE[decision] if found.company_wide and not clear else SENTENCES[decision, clear]
    return _(text).format(
        name=found.option.label,
        metric=_(METRIC_WORDS[thresholds.metric]),
        p=words.percent(share.probability),
        between=_("{low} to {high}").format(low=words.percent(share.low), high=words.percent(share.high)),
        points=share.points,
        size=words.signed(over.mean, places),
        days=found.run.days,
        span=words.span(over.low, over.high, places),
        total=money(over.mean * members, sign=True),
        members=f"{members:,}",
        going=words.number(found.regret.going),
        stopping=words.number(found.regret.stopping),
        **test,
    )


def _test_words(found: Evidence) -> Mapping[str, str]:
    """The best test in numbers, in yen for the whole firm."""
    best = found.best
    assert best is not None  # else no test is advised
    amounts = {"net": best.net, "information": best.information, "delay": best.delay, "cost": best.cost}
    told = {name: money(value * found.members) for name, value in amounts.items()}
    return told | {"customers": f"{best.design.customers:,}", "test_days": str(best.design.days)}


def money(yen: float, sign: bool = False) -> str:
    """An amount in whole yen, to three digits."""
    kept = float(f"{yen:.3g}")
    return words.signed(kept, 0) if sign else words.number(kept, 0)


def _notes(found: Evidence) -> list[str]:
    """What qualifies the sentence, a sentence each."""
    makers = (_rough, _lucky, _learning_words, _which_value, _testing_words, _bias_words)
    return [text for text in (make(found) for make in makers) if text]


def _rough(found: Evidence) -> str:
    share = found.probability
    if share.points >= ENOUGH:
        return ""
    return _(
        "The probability is rough: {points} replications tell it no better than {low} to {high}; replications=64 or "
        "more would."
    ).format(points=share.points, low=words.percent(share.low), high=words.percent(share.high))


def _lucky(found: Evidence) -> str:
    if not np.ptp(found.measured):
        return ""
    if not words.known(found.monte_carlo_share):
        return _(
            "How much of the spread over replications is luck of the simulated worlds is not known (it takes a second "
            "seed), so the value of information is too high rather than too low."
        )
    if found.monte_carlo_share < MOSTLY_LUCK:
        return ""
    return _(
        "{share} of the variance over replications is luck of the simulated worlds, taken out as well as can be; more "
        "customers would make the verdict firmer."
    ).format(share=words.percent(found.monte_carlo_share))


def _learning_words(found: Evidence) -> str:
    evpi = min(found.regret)
    if evpi == 0:
        return _("In none of the replications of what is not known would the choice be another.")
    total = money(evpi * found.members)
    if found.learning is None:
        text = _("To know everything before choosing would be worth {total} yen to the firm, at most.")
    elif not found.learning:
        text = _(
            "To know everything before choosing would be worth {total} yen to the firm, at most; no single unknown "
            "stands out from chance."
        )
    else:
        text = _(
            "To know everything before choosing would be worth {total} yen to the firm, at most; to know one thing "
            "alone, most of all {first} ({worth} yen)."
        )
    name, value = found.learning[0] if found.learning else ("", 0.0)
    return text.format(total=total, first=words.moved(name), worth=money(value * found.members))


def _which_value(found: Evidence) -> str:
    """How this value of knowing more differs from that in a sweep's report, for readers of both."""
    if min(found.regret) == 0:
        return ""
    return _(
        "Here the worth of knowing is for the choice between {name} and doing nothing, by {metric}, the luck of the "
        "simulated worlds taken out where it is known; a sweep's report has it for the choice between all its options, "
        "by LTV and with that luck left in, so the two differ and neither bounds the other."
    ).format(name=found.option.label, metric=_(METRIC_WORDS[found.metric]))


def _testing_words(found: Evidence) -> str:
    best = found.best
    if found.company_wide:
        return _everybody_words(found)
    if best is None:
        return _(
            "No test was valued: none of those considered is shorter than the horizon, or the folder lacks profit_sd."
        )
    if best.net > 0:
        return ""
    return _(
        "The best of the tests considered, {customers} customers over {test_days} days, would lose {loss} yen: "
        "{information} yen of information for {delay} yen of delay and {cost} yen of cost."
    ).format(loss=money(-best.net * found.members), **_test_words(found))


def _everybody_words(found: Evidence) -> str:
    """Why no test was valued of what acts on everybody; where knowing more is worth anything, what else would tell."""
    untested = _(
        "No A/B test was valued: it acts on everybody at once, and none can leave a part of the customers out."
    )
    if min(found.regret) == 0:
        return untested
    instead = _(
        "A trial over time compares weeks with it and weeks without: season, trend and whatever else happens in them "
        "pass for its effect, and what outlasts it is missed. Data of the firm's own go into the scenario's file as a "
        "mean with its standard error, or in with cxsim learn. Neither can be worth more than knowing everything, and "
        "what either is worth is not reckoned here."
    )
    return words.sentences((untested, instead))


def _bias_words(found: Evidence) -> str:
    if not found.tests:
        return ""
    if not len(found.bias):
        return _("The bias of a field test was not simulated here and is taken as none; arms=all simulates it.")
    return _(
        "A 50/50 field test would report {bias} yen per potential customer beside the truth on average, which is "
        "taken to be corrected for."
    ).format(bias=words.signed(float(np.mean(found.bias))))


def _beyond(found: Evidence) -> str:
    """Where what is to be expected beyond the horizon would turn the sign, so that nobody decides without it."""
    if not turned(found.mean, _residual(found)):
        return ""
    over = spread(found.option.each("residual").to_numpy())
    places = words.decimals(over.mean, over.low, over.high)
    return _(
        "But what it does beyond the {days} days would turn the sign: {residual} yen per potential customer are to be "
        "expected there (90 % interval {span}), and they are not in this verdict."
    ).format(
        days=found.run.days, residual=words.signed(over.mean, places), span=words.span(over.low, over.high, places)
    )


def _rounded(node: Any) -> Any:
    """Numbers to DIGITS, NaN as null."""
    if isinstance(node, dict):
        return {key: _rounded(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_rounded(value) for value in node]
    if isinstance(node, float):
        return float(f"{node:.{DIGITS}g}") if math.isfinite(node) else None
    return node
