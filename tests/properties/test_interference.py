"""Spillover is where customers can meet, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from analysis.effects.estimands import effects_table
from scenarios.intervention import treated_arms
from sim.config.settings import Settings
from sim.run.replication import Task, run_task
from sim.world.constants import AMPLE, World
from sim.world.model import Arm, CXModel, Snapshot, burnt_in
from tests.worlds import BUSY, arm_from, changed, differences, free_world, placed, settings, tight_world

SMALL = (
    "scenario=norush_coupon",
    "customers=2000",
    "days=120",
    "burn_in=40",
    "+calendar.seasons.peak={dates: 03-02..03-21, multiplier: 1.8}",
    *BUSY,
)
SILENT = ("behaviour.talk.base=0", "behaviour.talk.positive=0", "behaviour.talk.negative=0")
CONTENT = ("behaviour.support.contact_base=0", "behaviour.support.contact_bad=0")


@lru_cache(maxsize=8)
def parts(world_number: int) -> dict[str, CXModel]:
    """Baseline and treated arms by which interfaces are live."""
    found, world = WORLDS[world_number]()
    start: Snapshot = burnt_in(world)
    everybody, own = np.ones(world.customers, bool), placed(found, "norush_coupon")
    baseline = arm_from(world, start)
    recorded = baseline.recording()

    def run(talk: bool, congestion: bool) -> CXModel:
        return arm_from(world, start, Arm(own, everybody, recorded, replay_talk=talk, replay_congestion=congestion))

    return {
        "baseline": baseline, "direct": run(True, True), "wom": run(False, True), "congestion": run(True, False),
        "total": run(False, False),
    }  # fmt: skip


def apart() -> tuple[Settings, World]:
    found = settings(*SMALL, *SILENT, *CONTENT)
    return found, free_world(found, 41)


def queueing() -> tuple[Settings, World]:
    found = settings(*SMALL, *SILENT, *CONTENT, "company.capacity_ratio=1.05", "company.planned=0")
    return found, tight_world(found, 41, orders=45)


def talking() -> tuple[Settings, World]:
    found = settings(*SMALL, *CONTENT)
    return found, free_world(found, 41)


def calling() -> tuple[Settings, World]:
    found = settings(*SMALL, *SILENT, "company.carrier.delayed=0")
    return found, replace(free_world(found, 41), desk=free_world(found, 41, servers=1).desk)


WORLDS = (apart, queueing, talking, calling)


def npv(model: CXModel) -> float:
    return float(model.customers.columns.of("npv").sum())


def test_without_talk_queue_or_desk_spillover_is_exactly_zero() -> None:
    arms = parts(0)
    assert set(arms["total"].world.capacity) == {0, AMPLE}  # but on days of rest
    assert npv(arms["total"]) != npv(arms["baseline"])
    for part in ("direct", "wom", "congestion"):
        assert differences(arms["total"], arms[part]) == []


def test_a_binding_capacity_makes_a_spillover_of_congestion_alone() -> None:
    arms = parts(1)
    assert arms["baseline"].recorder.rows["late"].sum() > 100
    assert npv(arms["total"]) != npv(arms["direct"])
    assert differences(arms["total"], arms["congestion"]) == []
    assert differences(arms["direct"], arms["wom"]) == []


def test_talk_alone_makes_a_spillover_of_talk_alone() -> None:
    arms = parts(2)
    assert npv(arms["total"]) != npv(arms["direct"])
    assert differences(arms["total"], arms["wom"]) == []
    assert differences(arms["direct"], arms["congestion"]) == []


def test_waits_at_the_desk_are_congestion() -> None:
    arms = parts(3)
    assert arms["baseline"].recorder.rows["wait_minutes"].sum() > 100
    assert arms["baseline"].recorder.rows["late"].sum() == 0
    assert differences(arms["total"], arms["direct"]) != []
    assert differences(arms["total"], arms["congestion"]) == []
    assert differences(arms["direct"], arms["wom"]) == []


def test_an_order_untouched_by_treatment_keeps_its_ship_day_in_the_direct_world() -> None:
    """Whoever orders alike in both worlds is delivered alike, however many orders others add."""
    arms = parts(1)
    base, direct = arms["baseline"].customers.columns, arms["direct"].customers.columns
    alike = np.ones(len(base.status), bool)
    for name in ("bought", "online", "norush", "last_order", "visits", "revenue"):
        alike &= base.of(name) == direct.of(name)
    assert 300 < alike.sum() < len(alike)
    for name in ("late", "lead_days", "delivered", "satisfaction"):
        assert (base.of(name)[alike] == direct.of(name)[alike]).all()
    late = arms["total"].customers.columns.of("lead_days")[alike]
    assert (late != base.of("lead_days")[alike]).any()


def test_parts_of_a_simulated_effect_add_up_exactly() -> None:
    found = settings(*SMALL, "company.capacity_ratio=1.05")
    result = run_task(found, treated_arms, Task(0, 0, {}, 77))
    table = effects_table(result.measures)
    table = table[
        (table["segment"] == "everybody") & table["metric"].isin(["ltv", "nps", "orders", "lead_time", "contacts"])
    ]
    assert table["metric"].nunique() == 5
    for _, rows in table.groupby("metric"):
        effect = rows.set_index("estimand")["effect"]
        assert effect["direct"] + effect["spillover"] == effect["total"]
        assert effect["wom"] + effect["congestion"] + effect["company"] == effect["spillover"]
        assert effect["spillover"] != 0


def test_a_variant_with_the_values_of_the_plan_is_the_plan_to_the_bit() -> None:
    """Same point, same luck: a variant's arm differs from the plan's by its options alone, and changes no other arm."""
    stated = {"same": {"face": 150}, "half": {"norush_coupon.face": 75}}
    found = changed({"scenario.norush_coupon.variants": stated}, *SMALL)
    measured = run_task(found, treated_arms, Task(0, 0, {}, 77, parts=False, variants=True))
    without = run_task(found, treated_arms, Task(0, 0, {}, 77, parts=False)).measures
    whole = measured.measures[measured.measures["group"] == "all"]
    by_arm = {arm: rows.set_index(["segment", "metric"])["value"] for arm, rows in whole.groupby("arm")}
    assert list(by_arm) == ["baseline", "norush_coupon", "norush_coupon*half", "norush_coupon*same"]
    assert by_arm["norush_coupon*same"].equals(by_arm["norush_coupon"])
    assert not by_arm["norush_coupon*half"].equals(by_arm["norush_coupon"])
    assert set(measured.daily["arm"]) == {"baseline", "norush_coupon"}
    assert whole[whole["arm"].isin(without["arm"])].reset_index(drop=True).equals(without)
