"""What must hold for every shipped scenario, whatever it does: engines, replay, no effect, conservation."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import conf
from cxsim.cli import main
from scenarios.delivery import DaysMore, YenMore
from scenarios.intervention import Costs, treated_arms
from sim.config.settings import Settings
from sim.world.constants import World
from sim.world.model import Arm, CXModel, Snapshot, burnt_in
from tests.folders import differing
from tests.worlds import BUSY, arm_from, differences, everything, settings, tight_world

SHIPPED = sorted(path.stem for path in (Path(conf.__file__).parent / "scenario").glob("*.yaml"))
SMALL = ("customers=500", "days=56", "burn_in=30", "+calendar.seasons.peak={dates: 02-10..03-01, multiplier: 1.8}")

MESSAGES = ("popup", "searched_popup", "welcome", "push", "email", "ask", "mailed_coupon", "win_back")
FREE = {"costs": Costs()}
NOTHING = {
    # what puts each kind of intervention out of action without taking it away
    "norush_coupon": {"face": 0},
    "delivery_choice": {"faces": (0,), "extra_days": (0,)},
    **{kind: {"holdout": 1.0, "cycle": None} for kind in MESSAGES},
    "points_norush": {"face": 0},
    "recovery_coupon": {"face": 0, "makes_good": 0.0, "again": 0.0},
    "delivery_terms": {
        "lead": DaysMore(), "transit": DaysMore(), "fee": YenMore(), "cost": YenMore(), "free_from": None,
    },
    "capacity": {"people": 0},
    "voice_of_customer": {"gain": 0.0, "cost": 0.0},
    "staff": {"quality": 0.0, "recovery": 0.0, "noise": 1.0, "recovery_cost": 0.0, "friction": 0},
    "outage": {"quality": 0.0, "friction": 0.0},
    "viral_complaint": {"share": 0.0},
    "supplier_delay": {"left": 1.0},
    "competitor_move": {"strength": 0.0},
}


LATE = [name for name in SHIPPED if name.startswith("shock") or name.endswith("peak")]
"""Scenarios that begin some way into the horizon; here they come early."""


def overrides(scenario: str) -> tuple[str, ...]:
    """A small busy world."""
    start = [f"scenario.{scenario}.interventions.{scenario}.start=20"] if scenario in LATE else []
    days = ["days=84"] if scenario.startswith("muji") else []  # a project takes six weeks
    return (f"scenario={scenario}", *SMALL, *BUSY, *start, *days)


@lru_cache(maxsize=4)
def case(scenario: str) -> tuple[Settings, World, Snapshot]:
    """Settings, world and midnight of a scenario; capacity and desk are tight."""
    found = settings(*overrides(scenario))
    world = tight_world(found, 7, orders=20.0)
    return found, world, burnt_in(world)


def everybody(found: Settings) -> Arm:
    """All customers treated by everything the scenario names."""
    placed = list(treated_arms(found).values())
    return Arm(placed[-1], np.ones(found.customers, bool)) if placed else Arm()


@lru_cache(maxsize=4)
def arms(scenario: str) -> tuple[CXModel, CXModel]:
    """(baseline, everybody treated)."""
    found, world, start = case(scenario)
    return arm_from(world, start), arm_from(world, start, everybody(found))


@pytest.mark.parametrize("scenario", SHIPPED)
def test_it_does_something(scenario: str) -> None:
    baseline, treated = arms(scenario)
    assert (differences(baseline, treated) != []) == (scenario != "baseline")


@pytest.mark.parametrize("scenario", SHIPPED)
def test_engines_agree_to_the_last_bit(scenario: str) -> None:
    found, world, start = case(scenario)
    by_agent = CXModel(world, start.copied(), everybody(found), "agent")
    by_agent.run(world.days)
    assert differences(arms(scenario)[1], by_agent) == []


@pytest.mark.parametrize("scenario", SHIPPED)
def test_put_out_of_action_it_changes_not_one_bit(scenario: str) -> None:
    found, world, start = case(scenario)
    arm = everybody(found)
    off: Any = [(number, one.model_copy(update=NOTHING[one.kind] | FREE)) for number, one in arm.interventions]  # type: ignore[type-var]
    idle = arm_from(world, start, replace(arm, interventions=off))
    assert set(differences(arms(scenario)[0], idle)) <= {"customer eligible"}


@pytest.mark.parametrize("scenario", SHIPPED)
def test_replaying_the_baseline_repeats_it(scenario: str) -> None:
    found, world, start = case(scenario)
    baseline = arms(scenario)[0]
    nobody = Arm(
        everybody(found).interventions, None, baseline.recording(),
        replay_talk=True, replay_congestion=True, replay_company=True,
    )  # fmt: skip
    again = CXModel(world, start.copied(), nobody)
    again.run(world.days)
    own = {name for name in everything(baseline) if name.startswith("talk")}  # what was said is not replayed, but heard
    assert set(differences(baseline, again)) <= {"customer eligible"} | own


@pytest.mark.parametrize("scenario", SHIPPED)
def test_money_coupons_and_heads_are_conserved(scenario: str) -> None:
    for model in arms(scenario):
        c, rows = model.customers.columns, model.recorder.rows
        horizon = slice(-model.world.days, None)
        heads = rows["unaware"] + rows["aware"] + rows["customer"] + rows["lapsed"]
        assert (heads == model.world.customers).all()
        cash = int(c.of("ledger").sum(dtype=np.int64)) - int(model.company_costs.sum())
        assert cash == int(rows["profit"][horizon].sum())
        earned = rows["coupons_issued"].cumsum() - rows["coupons_redeemed"].cumsum() - rows["coupons_expired"].cumsum()
        assert (earned == rows["coupons_open"]).all()
        impressions = sum(int(one.tally.shown[1:].sum()) for one in model.campaigns.of.values())
        welcomes = sum(
            int(one.tally.shown[1:].sum()) for one in model.campaigns.of.values() if one.message.channel == "welcome"
        )
        assert impressions - welcomes == int(rows["impressions"][horizon].sum())
        paid = sum(int(one.cost.sum()) for one in model.campaigns.of.values())
        costs = any(one.message.cost for one in model.campaigns.of.values())
        assert (paid > 0) == (costs and impressions > 0)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SHIPPED)
def test_one_process_and_two_write_the_same_bytes(scenario: str, tmp_path: Path) -> None:
    size = (
        "customers=600", "days=56", "burn_in=30", "replications=2",
        "+calendar.seasons.peak={dates: 01-31..02-19, multiplier: 1.8}",
    )  # fmt: skip
    start = [f"scenario.{scenario}.interventions.{scenario}.start=20"] if scenario in LATE else []
    for threads in (1, 2):
        folder = f"hydra.run.dir={tmp_path / str(threads)}"
        assert main(["run", f"scenario={scenario}", *size, *start, f"threads={threads}", folder]) == 0
    assert differing(tmp_path / "1", tmp_path / "2", but=("provenance.json", "report.html")) == []
