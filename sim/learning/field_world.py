"""An experiment simulated: what each of its findings would be if these settings were true, published error apart.

Both sides of a comparison have the same draws, and where a coin divides customers, the difference of the same halves
with nobody treated is taken off: most of the chance in a small market goes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from agents.columns import NEVER
from sim.calibration import cohort
from sim.calibration.repeat_buying import BgNbd, Model, ParetoNbd
from sim.company.offers import Placed
from sim.config.settings import Settings
from sim.learning.delayed import Delayed
from sim.learning.field_test import (
    AGAINST,
    COHORT,
    HELD_BACK,
    LATE,
    NEWCOMERS,
    REACHED,
    ROLLOUT,
    FieldFinding,
    FieldTest,
)
from sim.learning.halves import METRICS, Halves
from sim.phrases import ConfigError
from sim.run.metrics import Mask, Outcome, finished
from sim.run.replication import TreatedArms
from sim.world.constants import World
from sim.world.model import Arm, CXModel, burnt_in
from sim.world.pilot import piloted

COHORT_ORDERS = 10_000
"""Repeat orders of a simulated cohort: what differs between points is far more than their chance."""


class Lift(NamedTuple):
    """The effect on a metric and its level without, in the metric's unit."""

    effect: float
    level: float


Read = Callable[[FieldFinding], Lift]
"""What a simulated experiment finds, finding by finding."""


def simulated(
    name: str, test: FieldTest, settings: Settings, treated_arms: TreatedArms, seed: int
) -> dict[str, Lift]:
    """Each finding of the experiment `name` in one market: (effect in the finding's own scale, level without)."""
    read = DESIGNS[test.design](name, test, settings.model_copy(update={"days": test.days}), treated_arms, seed)
    found = {key: read(one) for key, one in test.findings.items()}
    return {key: _scaled(lift, test.findings[key]) for key, lift in found.items()}


def _scaled(lift: Lift, finding: FieldFinding) -> Lift:
    if not finding.relative:
        return lift
    return Lift(lift.effect / lift.level if lift.level else float("nan"), lift.level)


def check_treatment(name: str, test: FieldTest, settings: Settings, treated_arms: TreatedArms) -> None:
    """Raise ConfigError for interventions that cannot be built, and for some that no test can hold back."""
    arms = treated_arms(settings)
    for _, one in arms.get(name, ()) if test.design == HELD_BACK else ():
        if one.company_wide:
            raise ConfigError(
                "design: {name} acts on everybody at once, so that nobody can be held back; rollout", name=one.name
            )


# -- one design each ------------------------------------------------------------------------------------------


def _held_back(name: str, test: FieldTest, settings: Settings, treated_arms: TreatedArms, seed: int) -> Read:
    halves = Halves.of(piloted(settings, seed), treated_arms(settings)[name], test.share)
    among = halves.reached if test.among == REACHED else None
    return lambda finding: Lift(*halves.lift(METRICS[finding.metric][1], among))


@dataclass(frozen=True)
class _Worlds:
    """Everybody treated, and the same market otherwise."""

    treated: Outcome
    other: Outcome
    among: Mask

    def lift(self, finding: FieldFinding) -> Lift:
        read = METRICS[finding.metric][1]
        level = read(self.other, self.among)
        return Lift(read(self.treated, self.among) - level, level)


def _rollout(name: str, test: FieldTest, settings: Settings, treated_arms: TreatedArms, seed: int) -> Read:
    arms = treated_arms(settings)
    world, everybody = piloted(settings, seed), np.ones(settings.customers, bool)
    other = Arm(arms[f"{name}{AGAINST}"], everybody) if test.against else Arm(arms[name])
    outcomes = _arms(world, arms[name], other)
    among = outcomes[1].columns.of("eligible") > 0 if test.among == REACHED else everybody
    return _Worlds(*outcomes, among).lift


def _arms(world: World, placed: Placed, other: Arm) -> tuple[Outcome, Outcome]:
    start = burnt_in(world)
    treated = Arm(placed, np.ones(world.customers, bool))
    first = finished(CXModel(world, start.copied(), treated, record=False), world.days)
    return first, finished(CXModel(world, start, other, record=False), world.days)


def _late(name: str, test: FieldTest, settings: Settings, treated_arms: TreatedArms, seed: int) -> Read:
    del name, treated_arms  # nobody is treated
    rated = any(one.metric == "stars" for one in test.findings.values())
    orders = Delayed.lived(settings, seed, test.delays, test.days, rated)

    def read(finding: FieldFinding) -> Lift:
        place = test.delays.index(finding.delay or 0)
        if finding.metric == "stars":
            return Lift(orders.lost_stars()[place], orders.level_of_stars)
        return Lift(100.0 * orders.lost()[place], 100.0 * orders.level)

    return read


def _cohort(name: str, test: FieldTest, settings: Settings, treated_arms: TreatedArms, seed: int) -> Read:
    """Repeat orders in the second half of the time over those in the first, of customers who first bought evenly over
    the first days."""
    del name, treated_arms
    model = _model(settings)
    own = settings.model_copy(update={"seed": seed})
    repeats = cohort.simulate(own, cohort.pilot_references(own, model), model, test.days, COHORT_ORDERS)
    weeks = test.days // 7
    total = repeats.of_cohort(np.arange(test.acquired_over, dtype=float), weeks) / test.acquired_over
    first, second = float(total[weeks // 2 - 1]), float(total[-1] - total[weeks // 2 - 1])
    return lambda _finding: Lift(second - first, first)


def _newcomers(name: str, test: FieldTest, settings: Settings, treated_arms: TreatedArms, seed: int) -> Read:
    """Those who had never bought on day 0 less those who had."""
    del name, treated_arms
    world = piloted(settings, seed)
    outcome = finished(CXModel(world, burnt_in(world), record=False), world.days)
    first = outcome.columns.of("first_order")
    before = (first != NEVER) & (first < 0)

    def read(finding: FieldFinding) -> Lift:
        read_of = METRICS[finding.metric][1]
        level = read_of(outcome, before)
        return Lift(read_of(outcome, ~before) - level, level)

    return read


def _model(settings: Settings) -> Model:
    fits = settings.company.purchase
    if settings.behaviour.attrition.clock.value == "episode":
        return BgNbd(*(getattr(fits.bg_nbd, key).value for key in ("r", "alpha", "a", "b")))
    return ParetoNbd(*(getattr(fits.pareto_nbd, key).value for key in ("r", "alpha", "s", "beta")))


DESIGNS: Mapping[str, Callable[[str, FieldTest, Settings, TreatedArms, int], Read]] = {
    HELD_BACK: _held_back, ROLLOUT: _rollout, LATE: _late, COHORT: _cohort, NEWCOMERS: _newcomers,
}  # fmt: skip
