"""One verdict for every intervention, and the sentences that say it: in run, report, gate and a sweep's report.

Going and stopping are judged by the effect on LTV at each point of what is not known, the luck of the seed taken out.
One goes where a gain is probable and the regret of going small, and stops likewise. Else one tests first if some field
test is worth more than its cost and delay; if none is, the sign of the expected effect decides. Nobody chooses a shock,
and where no point has an effect nothing changes.

Money for the firm is the effect on LTV, per member, times the firm's members, buyers or not; a year's
is that over the years of the horizon.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import yaml

from analysis.decisions import information, pilot, variants
from analysis.decisions.information import Cost, Design, Firm, Regret, Worth
from analysis.decisions.options import Configuration, Option
from analysis.decisions.pilot import Learnt, Reading, Shop, Signal
from analysis.decisions.variants import Way
from analysis.effects import flips
from analysis.effects.answer import baseline_words, interaction_words, likelihood, nps_words, points_words
from analysis.effects.estimands import (
    FEWEST,
    Array,
    Spread,
    field_test_bias,
    luck,
    luck_share,
    skewed,
    spread,
    without_luck,
)
from analysis.effects.sensitivity import chance, rank_correlations
from analysis.folders.run_folder import Run
from analysis.style import words
from analysis.style.language import N_, _
from sim.tables import BASELINE, COMPANY_WIDE, EVERYBODY, PARTS_UNTIL, SHOCKS

GO, TEST, STOP, SHOCK, NOTHING, UNKNOWN = "go", "test", "stop", "shock", "nothing", "unknown"
DAYS_PER_YEAR, DAYS_PER_WEEK = 365, 7

LTV = "ltv"


class Thresholds(NamedTuple):
    """What a verdict hangs on; conf/gate has defaults and meaning."""

    go_probability: float
    stop_probability: float
    regret_share: float
    customers: tuple[int, ...]
    days: tuple[int, ...]
    cost: Cost

    @classmethod
    def of(cls, stated: dict[str, Any]) -> Thresholds:
        """From the keys of a file in conf/gate."""
        test = stated["test"]
        go, stop, share = (float(stated[name]) for name in ("go_probability", "stop_probability", "regret_share"))
        cost = Cost(test["fixed_cost"], test["daily_cost"])
        return cls(go, stop, share, tuple(test["customers"]), tuple(test["days"]), cost)


@lru_cache
def usual() -> Thresholds:
    """The thresholds that ship: what a run and a report judge by."""
    text = files("conf").joinpath("gate", "default.yaml").read_text(encoding="utf-8")
    return Thresholds.of(yaml.safe_load(text))


class Pilot(NamedTuple):
    """A field test that is considered: its worth, what all that it shows tells of the effect (None where the run kept
    no days, and the test is taken to measure profit alone), and how it reads profit."""

    worth: Worth
    learnt: Learnt | None
    profit: Reading

    @property
    def weeks(self) -> float:
        """How long it runs, weeks."""
        return self.worth.design.days / DAYS_PER_WEEK


@dataclass(frozen=True)
class Effect:
    """An effect on LTV over points: what going and stopping are judged by; yen per member.

    `name` is what people call the choice, `members` are the firm's members and `days` the horizon. `effect`
    is that at each point (points,), the luck of the seed taken out; `over` its spread and `regret` what either choice
    loses.
    """

    name: str
    members: int
    days: int
    effect: Array
    over: Spread
    regret: Regret

    @property
    def firm(self) -> float:
        """Expected value for the firm, yen: of all members, over the horizon and after it."""
        return self.over.mean * self.members

    @property
    def year(self) -> float:
        """The same, yen a year of the horizon."""
        return self.firm * DAYS_PER_YEAR / self.days


def effect_of(name: str, members: int, days: int, measured: Array, by_seed: float = math.nan) -> Effect:
    """From the effect measured at each point (points,), `by_seed` being its standard deviation by the seed alone."""
    effect = without_luck(measured, by_seed)
    regret = information.regret(effect) if len(effect) else Regret(math.nan, math.nan)
    return Effect(name, members, days, effect, spread(measured, by_seed), regret)


@dataclass(frozen=True)
class Verdict(Effect):
    """What is to be done about one option, and why; yen per member unless said otherwise.

    `decision` is one of GO, TEST, STOP, SHOCK, NOTHING and UNKNOWN (too few points); `clear` whether the points or a
    test's worth decide, and not only the sign of the mean. `luck_share` is what the luck of the seed was of the
    variance over points, `bias` the simulated field test's at each of them. `hinges` is the unknown that the effect
    follows most, if beyond chance; `ways` are the plan and its variants, none where it has none.
    """

    option: Option
    decision: str
    clear: bool
    luck_share: float
    bias: Array
    company_wide: bool
    tests: list[Pilot]
    hinges: str | None
    ways: list[Way]

    @property
    def run(self) -> Run:
        """The run that states the configuration."""
        return self.option.configuration.runs[0]

    @property
    def best(self) -> Pilot | None:
        """The test that is worth most, if any could be held."""
        return max(self.tests, key=lambda one: one.worth.net, default=None)

    @property
    def cheapest(self) -> Pilot | None:
        """The cheapest test, in money and then in customers, that is worth more than its cost and delay."""
        worth_it = [one for one in self.tests if one.worth.net > 0]
        return min(worth_it, key=lambda one: (one.worth.cost, one.worth.design.customers), default=None)


def judged(option: Option, thresholds: Thresholds) -> Verdict:
    """The verdict on an option."""
    both = option.configuration.cube.effect(option.intervention, EVERYBODY, LTV)
    measured = both[0, ~np.isnan(both[0])]
    by_seed = luck(both)
    run = option.configuration.runs[0]
    own = effect_of(_name(option), members_of(run), run.days, measured, by_seed)
    bias = _bias(option)
    wide = _company_wide(option, bias)
    tests = [] if wide or len(measured) < 2 else _tests(option, own.effect, bias, thresholds)
    found = Verdict(
        **vars(own), option=option, decision=UNKNOWN, clear=False, luck_share=luck_share(measured, by_seed), bias=bias,
        company_wide=wide, tests=tests, hinges=_hinges(option), ways=variants.ways(option),
    )  # fmt: skip
    decision, clear = _decide(found, thresholds)
    return replace(found, decision=decision, clear=clear)


def _name(option: Option) -> str:
    """What people call the option: its scenario's title, and what it has of swept keys."""
    title = option.configuration.runs[0].title(option.intervention)
    return option.label.replace(option.intervention, title, 1)


def _decide(found: Verdict, thresholds: Thresholds) -> tuple[str, bool]:
    """(decision, clear)."""
    if found.over.points > 1 and is_shock(kinds_of(found.option)):
        return SHOCK, True
    decision, clear = by_points(found, thresholds)
    if decision in (GO, STOP) and not clear and found.cheapest is not None:
        return TEST, True
    return decision, clear


def by_points(found: Effect, thresholds: Thresholds) -> tuple[str, bool]:
    """(decision, clear) by the points alone: what is decided where no test is considered."""
    going, stopping = found.regret
    gain = found.over.p_positive
    if found.over.points < 2:
        return UNKNOWN, False
    if not found.effect.any():
        return NOTHING, True
    if gain >= thresholds.go_probability and going <= thresholds.regret_share * stopping:
        return GO, True
    if 1 - gain >= thresholds.stop_probability and stopping <= thresholds.regret_share * going:
        return STOP, True
    return (GO if found.over.mean > 0 else STOP), False


def members_of(run: Run) -> int:
    """The firm's members, whom effects are averaged over."""
    return int(run.setting("company.members", run.config.get("customers", 0)))


def kinds_of(option: Option) -> set[str]:
    """Kinds of its interventions; none where the run's configuration does not state them."""
    return kinds_in(option.configuration.runs[0], option.intervention)


def kinds_in(run: Run, intervention: str) -> set[str]:
    """Kinds of the interventions of a run's arm, likewise."""
    stated = [run.node(f"scenario.{name}.interventions") or {} for name in intervention.split("+")]
    return {one["kind"] for interventions in stated for one in interventions.values()}


def is_shock(kinds: Collection[str]) -> bool:
    """Whether nobody chooses what is of these kinds."""
    return bool(kinds) and not set(kinds) - set(SHOCKS)


def _bias(option: Option) -> Array:
    """The simulated field test's bias at each point (points,), luck taken out; empty where no test was simulated."""
    both = field_test_bias(option.configuration.cube, option.intervention, LTV, EVERYBODY)
    return without_luck(both[0, ~np.isnan(both[0])], luck(both))


def _company_wide(option: Option, bias: Array) -> bool:
    """Whether it acts on everybody at once, so that no test can leave a part of the customers out.

    Shipped kinds are listed in `COMPANY_WIDE`; a firm's own kind acts so if a run with arms=all has no field test at
    the points that have one.
    """
    configuration = option.configuration
    asked = configuration.runs[0].config.get("arms") == "all" and (configuration.cube.replications < PARTS_UNTIL).any()
    return bool(asked and not len(bias)) or not kinds_of(option).isdisjoint(COMPANY_WIDE)


def _tests(option: Option, effect: Array, bias: Array, thresholds: Thresholds) -> list[Pilot]:
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
    found = []
    for days in sorted(set(thresholds.days)):
        shown = _shown(option, days, firm)
        for design in [Design(size, days) for size in sizes if days < run.days]:
            found.append(_pilot(option, effect, design, firm, thresholds.cost, shown))
    return found


def _shown(option: Option, days: int, firm: Firm) -> list[Signal]:
    """What a test of so many days shows; nothing where the runs kept no days."""
    if option.configuration.daily.empty:
        return []
    cube, customers = option.configuration.cube, float(option.configuration.runs[0].config["customers"])
    orders, margin = (float(np.nanmean(cube.get(BASELINE, EVERYBODY, name)[0])) for name in ("orders", "margin"))
    shop = Shop(firm.horizon, firm.profit_sd, margin * customers / orders, orders / customers, firm.bias_sd)
    return pilot.signals(option, days, shop)


def _pilot(
    option: Option, effect: Array, design: Design, firm: Firm, cost: Cost, shown: list[Signal]
) -> Pilot:  # fmt: skip
    """A test's worth by all the figures it shows, or where those are not known by profit alone."""
    part = design.days / firm.horizon
    profits = [one for one in shown if one.name == pilot.PROFIT]
    error = information.standard_error(design, firm)
    read = pilot.reading(profits[0].values[0] if profits else effect * part, error * part)
    if not shown:
        return Pilot(information.worth(effect, design, firm, cost, error), None, read)
    learnt = pilot.learnt(shown, pilot.effect_of(option), design.customers)
    return Pilot(information.worth(effect, design, firm, cost, learnt.error(effect)), learnt, read)


def _hinges(option: Option) -> str | None:
    """The unknown with the strongest rank correlation with the effect; None where that may be chance."""
    effect = option.each(LTV)
    if len(effect) < FEWEST or not any(len(run.points) for run in option.configuration.runs):
        return None
    table = rank_correlations(option.configuration.values_at.astype(float), effect)
    if table.empty or abs(float(table["rank_correlation"].iloc[0])) <= chance(len(table), len(effect)):
        return None
    return str(table["name"].iloc[0])


# -- in words ---------------------------------------------------------------------------------------------------

HEADS = {
    (GO, True): N_("Go with {name}."),
    (STOP, True): N_("Stop {name}."),
    (TEST, True): N_("Test {name} first."),
    (GO, False): N_("Go with {name}, though not beyond doubt: no test considered is worth its cost."),
    (STOP, False): N_("Stop {name}, though not beyond doubt: no test considered is worth its cost."),
    (SHOCK, True): N_("No decision on {name}: it is a shock, which nobody chooses."),
    (NOTHING, True): N_("Nothing changes: {name} leaves LTV as it is at each of {points} points."),
    (UNKNOWN, False): N_("No decision on {name}: LTV was measured at {points} points, and it takes at least two."),
}
UNTESTED = {
    GO: N_("Go with {name}, though not beyond doubt."),
    STOP: N_("Stop {name}, though not beyond doubt."),
}
"""What is said where the points leave it open and no test was considered."""
UNTESTABLE = {
    GO: N_(
        "Go with {name}, though not beyond doubt: it acts on everybody at once, so that no A/B test can remove the "
        "doubt, and what is left is to decide now, to try it over time, or to bring data."
    ),
    STOP: N_(
        "Stop {name}, though not beyond doubt: it acts on everybody at once, so that no A/B test can remove the "
        "doubt, and what is left is to decide now, to try it over time, or to bring data."
    ),
}
"""What is said of a company-wide intervention that the points leave open."""

VALUE = N_(
    "Expected value: {year} yen a year for the firm, that is {size} yen of LTV for each of its {members} members over "
    "the horizon of {days} days and beyond it, buyers or not."
)
PAYS = N_("It pays in {p} of the worlds: {likelihood}.")
REGRETS = N_(
    "Expected regret of the firm: {lost} yen if it goes ahead (lost where it does not pay), {missed} yen if it is left "
    "out (missed where it pays)."
)
SET_UP = N_("Beyond the costs that its file states it is worth a set-up cost of up to {firm} yen.")
NO_SET_UP = N_("It is worth no set-up cost.")
INTERVAL = N_("Effect on LTV, yen per member: {size} ({between}).")
INTERVAL_SKEWED = N_("Effect on LTV, yen per member: {size} on average, median {median} ({between}).")
"""The sentences after the head; a page that judges as its sliders move fills them in itself."""

LIKELIHOODS = {1: N_("likely gain"), 0: N_("toss-up"), -1: N_("likely loss")}
DECISION_WORDS = {
    GO: N_("go"),
    TEST: N_("test first"),
    STOP: N_("stop"),
    SHOCK: N_("shock: no decision"),
    NOTHING: N_("nothing changes"),
    UNKNOWN: N_("no decision: one point"),
}
"""A verdict in a cell of a table."""


def lines(found: Verdict) -> list[str]:
    """The verdict in sentences, in the order in which they matter; the same wherever it is told."""
    head = _(_head(found)).format(name=found.name, points=found.over.points)
    if found.decision in (NOTHING, UNKNOWN):
        return [head]
    if found.decision == SHOCK:
        return [head, _value(found), _interval(found)]
    makers = (_value, _worlds, _regrets, _set_up, _finding_out)
    told = [make(found) for make in makers]
    others = variants.told(
        found.ways, flips.stated_face(found.run, found.option.intervention), stopped=found.decision == STOP
    )
    return [head, *filter(None, told), *others, _interval(found)]


def heads_by_points(kinds: Collection[str] = ()) -> dict[tuple[str, bool], str]:
    """Heads where no test was considered for what is of these kinds, not yet translated, by decision and clearness."""
    untested = UNTESTABLE if set(kinds) & set(COMPANY_WIDE) else UNTESTED
    return HEADS | {(decision, False): text for decision, text in untested.items()}


def lines_by_points(found: Effect, kinds: Collection[str] = ()) -> list[str]:
    """The same sentences of an effect that no test was considered for, by the thresholds that ship; `kinds` are those
    of the interventions, where they are known."""
    shock = is_shock(kinds) and found.over.points > 1
    decision, clear = (SHOCK, True) if shock else by_points(found, usual())
    head = _(heads_by_points(kinds)[decision, clear]).format(name=found.name, points=found.over.points)
    if decision in (NOTHING, UNKNOWN):
        return [head]
    if decision == SHOCK:
        return [head, _value(found), _interval(found)]
    return [head, *(make(found) for make in (_value, _worlds, _regrets, _set_up, _interval))]


def _head(found: Verdict) -> str:
    if not found.clear and found.decision in UNTESTED and not found.tests:
        return (UNTESTABLE if found.company_wide else UNTESTED)[found.decision]
    return HEADS[found.decision, found.clear]


def _value(found: Effect) -> str:
    return _(VALUE).format(
        year=money(found.year, sign=True),
        size=words.signed(found.over.mean, _places(found)),
        members=f"{found.members:,}",
        days=f"{found.days:,}",
    )


def _worlds(found: Effect) -> str:
    told = _(LIKELIHOODS[likelihood(found.over.p_positive)])
    return _(PAYS).format(p=words.percent(found.over.p_positive), likelihood=told)


def _regrets(found: Effect) -> str:
    going, stopping = (money(each * found.members) for each in found.regret)
    return _(REGRETS).format(lost=going, missed=stopping)


def _set_up(found: Effect) -> str:
    if found.firm <= 0:
        return _(NO_SET_UP)
    return _(SET_UP).format(firm=money(found.firm))


def _finding_out(found: Verdict) -> str:
    """What it hinges on, and the cheapest test if one is worth its cost."""
    told = []
    if found.hinges is not None:
        told = [_("It hinges most on: {unknown}.").format(unknown=words.moved(found.hinges))]
    elif found.over.points >= FEWEST and any(len(run.points) for run in found.option.configuration.runs):
        told = [_("It hinges on no single unknown beyond chance.")]
    if found.cheapest is not None and found.decision == TEST:
        told += [_cheapest(found.cheapest, found.members)]
    return words.sentences(told)


def _cheapest(found: Pilot, members: int) -> str:
    """The cheapest sufficient pilot: its customers, weeks and cost, what it is worth, and what to look at."""
    text = _(
        "The cheapest test worth its cost: {customers} customers for {weeks} weeks at {cost} yen, worth {net} yen more "
        "than deciding now."
    ).format(
        customers=f"{found.worth.design.customers:,}",
        weeks=words.plain(found.weeks),
        cost=money(found.worth.cost * members),
        net=money(found.worth.net * members),
    )
    if found.learnt is None or not found.learnt.leading:
        return text
    look = _("What tells most in it: {figure}.").format(figure=_(pilot.SIGNAL_WORDS[found.learnt.leading]))
    return words.sentences((text, look))


def field_test(found: Verdict) -> str:
    """The cheapest test worth its cost, else the best one, as profit alone tells it: expectation, standard error and
    power; empty where none was considered."""
    chosen = found.cheapest or found.best
    if chosen is None:
        return ""
    read, design = chosen.profit, chosen.worth.design
    places = words.decimals(read.expected, read.error)
    return _(
        "By profit alone, a test on {customers} customers over {weeks} weeks is expected to report {expected} yen per "
        "customer, with a standard error of {error}: its power is {power} (significant at 5 %)."
    ).format(
        customers=f"{design.customers:,}",
        weeks=words.plain(chosen.weeks),
        expected=words.signed(read.expected, places),
        error=words.number(read.error, places),
        power=words.percent(read.power),
    )


def _interval(found: Effect) -> str:
    over, places = found.over, _places(found)
    text = _(INTERVAL_SKEWED if words.known(over.low) and skewed(over) else INTERVAL)
    size, median = words.signed(over.mean, places), words.signed(over.median, places)
    return text.format(size=size, median=median, between=words.between(over, places))


def _places(found: Effect) -> int:
    """Decimals of the effect."""
    return words.decimals(found.over.mean, found.over.low, found.over.high)


def money(yen: float, sign: bool = False) -> str:
    """An amount in whole yen, to three digits."""
    kept = float(f"{yen:.3g}")
    return words.signed(kept, 0) if sign else words.number(kept, 0)


# -- of a run ---------------------------------------------------------------------------------------------------


def of_run(run: Run, name: str) -> Verdict:
    """The verdict on an intervention of one run, by the thresholds that ship."""
    return judged(Option(Configuration({}, [run], 1), name, name), usual())


def beside(run: Run, name: str) -> tuple[str, str, str]:
    """What is told beside a verdict: NPS, what would turn it, and how many points say so; empty where not known."""
    turning = "" if "+" in name else flips.sentence(run, name)
    return nps_words(run, name), turning, points_words(run, name)


def told(folder: Any) -> str:
    """The answer of a run folder in words: a line per sentence of each verdict, a paragraph per intervention."""
    run = Run(folder)
    if not run.interventions:
        return baseline_words(run)
    paragraphs = [
        "\n".join(filter(None, [*lines(of_run(run, name)), *beside(run, name)])) for name in run.interventions
    ]
    return "\n\n".join([*paragraphs, *interaction_words(run)])
