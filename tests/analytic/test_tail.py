"""The tail against what it stands for: years more of the same market, simulated.

Slow: `pytest -m slow tests/analytic/test_tail.py -s` prints each comparison.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.columns import CUSTOMER, LAPSED
from sim.run.tail import tail_of
from sim.world.constants import World
from sim.world.model import Arm, CXModel, Snapshot, burnt_in
from sim.world.pilot import piloted
from tests.worlds import FLAT, arm_from, free_world, lived, settings, treated

YEARS, MORE, SEEDS = 1095, 1460, 6
SCENARIOS = ("norush_coupon", "muji_voc", "mf_onboarding")


def expected_and_simulated(world: World, start: Snapshot, arm: Arm) -> NDArray[np.float64]:
    """Means over customers, yen on day 0: the tail after YEARS; profit of MORE days and their own tail."""
    model = CXModel(world, start.copied(), arm, record=False)
    model.run(YEARS)
    npv, tail = model.customers.columns.of("npv").copy(), tail_of(model).value.mean()
    withdrawn = Arm((), np.ones(world.customers, bool), standing=model.lasting())
    after = CXModel(world, model.handed_over(), withdrawn, record=False)
    after.run(YEARS + MORE)
    return np.array([tail, (after.customers.columns.of("npv") - npv).mean() + tail_of(after).value.mean()])


@lru_cache(maxsize=4)
def effects(clock: str, peak: bool) -> dict[str, NDArray[np.float64]]:
    """By scenario: effects on (tail, simulated), yen, of SEEDS worlds; `level` holds the baselines themselves."""
    season = () if peak else FLAT
    overrides = (f"days={YEARS + MORE}", "customers=20000", f"behaviour.attrition.clock={clock}", *season)
    found = {name: settings(f"scenario={name}", *overrides) for name in SCENARIOS}
    rows: dict[str, list[NDArray[np.float64]]] = {name: [] for name in ("level", *SCENARIOS)}
    for seed in range(SEEDS):
        for name, stated in found.items():
            world = piloted(stated, 100 + seed)
            start = burnt_in(world)
            base = expected_and_simulated(world, start, Arm())
            rows["level"].append(base)
            rows[name].append(expected_and_simulated(world, start, treated(stated, name)) - base)
    return {name: np.array(pairs) for name, pairs in rows.items()}


@pytest.mark.slow
@pytest.mark.parametrize("peak", [True, False], ids=["peak", "flat"])
@pytest.mark.parametrize("clock", ["time", "episode"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_tail_is_what_more_years_bring(scenario: str, clock: str, peak: bool) -> None:
    """Within two standard errors of the difference, over worlds."""
    pairs = effects(clock, peak)[scenario]
    gap = pairs[:, 0] - pairs[:, 1]
    error = gap.std(ddof=1) / np.sqrt(len(gap))
    print(
        f"\n{scenario} {clock} {'peak' if peak else 'flat'}: tail {pairs[:, 0].mean():+.2f}, simulated "
        f"{pairs[:, 1].mean():+.2f}, gap {gap.mean():+.2f}, standard error {error:.2f} yen"
    )
    assert abs(gap.mean()) < 2 * error


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["time", "episode"])
def test_its_level_is_within_a_few_per_cent(clock: str) -> None:
    """What is left out (the spread of satisfaction, a market that drifts) is small beside the whole."""
    tail, simulated = effects(clock, True)["level"].mean(axis=0)
    assert tail == pytest.approx(simulated, rel=0.03)


def test_of_a_dead_market_nothing_is_left() -> None:
    world = free_world(settings("scenario=baseline", "customers=300", "days=28"), 3)
    model = lived(world)
    model.customers.columns.status[:] = LAPSED
    assert (tail_of(model).value == 0.0).all()


def test_who_is_more_satisfied_is_worth_more_and_less_so_later() -> None:
    """Satisfaction raises the tail, by less the longer ago it was."""
    world = free_world(settings("scenario=baseline", "customers=4000", "days=28"), 3)
    model = lived(world)
    columns = model.customers.columns
    customers = columns.status == CUSTOMER
    plain = tail_of(model).value
    columns.of("satisfaction")[:] += 0.5
    fresh = tail_of(model).value - plain
    columns.of("felt_day")[:] -= 180
    stale = tail_of(model).value - plain
    assert (fresh[customers & (plain > 0.0)] > 0.0).all()  # whose small orders lose money is worth less
    assert fresh[customers].sum() > 2.0 * stale[customers].sum()
    assert (fresh[~customers] == 0.0).all()


def test_an_arm_is_worth_what_its_midnight_is() -> None:
    """The tail reads the state and moves none of it, but for bringing beliefs up to date."""
    world = free_world(settings("scenario=baseline", "customers=500", "days=28"), 3)
    model = arm_from(world, burnt_in(world))
    first = tail_of(model).value.copy()
    assert (tail_of(model).value == first).all()
