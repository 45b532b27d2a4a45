"""The benchmarks run, write what they document, and time like with like."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.columns import UNAWARE
from benchmarks import draws, engines
from benchmarks.floor import ActingFloor, Floor
from benchmarks.market import market, resumed, settings
from benchmarks.mesa_objects import Market, Walk
from scenarios.intervention import treated_arms
from sim.run.replication import Task, run_task
from sim.world.constants import AMPLE, World
from sim.world.model import CXModel, burnt_in
from tests.worlds import BUSY

DAYS = 42
PEAK = ("calendar=flat", "+calendar.seasons.peak={dates: 01-22..02-11, multiplier: 1.8}", "company.carrier.delayed=0")
"""Extra demand within the days compared; the objects' parcels are neither held up nor delayed."""


def unhurried(world: World) -> World:
    """Capacity that never binds and a desk where nobody waits: the objects' company."""
    return replace(world, capacity=np.full_like(world.capacity, AMPLE), desk=world.desk._replace(servers=1000))


def test_a_tiny_benchmark_writes_the_documented_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deep" / "engines.json"
    assert engines.main(["--sizes", "200", "400", "--most-agents", "200", "--runs", "2", "--out", str(out)]) == 0
    report = json.loads(out.read_text())
    assert set(report) == {"runs", "machine", "ns_per_customer_day", "ratios", "memory", "year", "targets"}
    assert set(report["ns_per_customer_day"]["200"]) == set(engines.VARIANTS)
    assert set(report["ns_per_customer_day"]["400"]) == set(engines.COMPILED)
    for times in report["ns_per_customer_day"].values():
        assert all(0 < found["low"] <= found["median"] <= found["high"] for found in times.values())
    assert set(report["ratios"]["200"]) == set(engines.RATIOS)
    assert report["ratios"]["200"]["mesa_over_column"] > 0
    assert report["ratios"]["400"]["mesa_over_column"] is None
    assert set(report["memory"]) == {"customers", "bytes_per_customer", "state_bytes", "network_bytes"}
    assert report["year"] is None
    assert set(report["targets"]) == {
        "mesa_over_column", "column_over_floor", "column_over_acting_floor", "bytes_per_customer",
    }  # fmt: skip
    documented = (engines.__doc__ or "").partition("Keys of the JSON")[2]
    keys = {*report, *engines.RATIOS, *report["memory"], *report["targets"]["bytes_per_customer"]}
    assert {key for key in keys if f"`{key}`" not in documented} == set()
    printed = capsys.readouterr().out
    assert all(name in printed for name in engines.VARIANTS)


@pytest.mark.parametrize(("walk", "clock"), [("shuffle_do", "time"), ("do", "episode")])
def test_objects_and_columns_live_alike(walk: Walk, clock: str) -> None:
    """Counts agree within 1 % and 3 events; of orders, two worlds of independent luck would within 8 % (4 SE).

    They share their luck. What room there is, is for talk, which objects hear the same day and in floats.
    """
    world = unhurried(market(4000, 60, 30, *BUSY, *PEAK, f"behaviour.attrition.clock.value={clock}"))
    start = burnt_in(world)
    columns = resumed(world, start, "column")
    columns.run(DAYS)
    objects = Market(world, start, walk)
    while objects.day < DAYS:
        objects.step()
    rows = columns.recorder.rows
    lived = {name: int(rows[name].sum()) for name in ("visits", "orders", "delivered", "contacts")}
    lived["lapsed"] = int(rows["new_lapsed"].sum())
    lived["learned"] = int(np.count_nonzero(start.customers.columns.status == UNAWARE) - rows["unaware"][DAYS - 1])
    for name, count in lived.items():
        assert count > 40, name
        assert abs(count - objects.counts[name]) <= 3 + 0.01 * count, (name, count, objects.counts[name])
    statuses = np.bincount([shopper.status for shopper in objects.agents], minlength=4)
    assert statuses[UNAWARE] == np.count_nonzero(start.customers.columns.status == UNAWARE) - objects.counts["learned"]


def test_the_floor_counts_about_those_who_act() -> None:
    """The bound is just above the rate of a visit, and nobody who has lapsed acts."""
    world = market(20_000, 28)
    start = burnt_in(world)
    columns = resumed(world, start, "column")
    columns.run(1)
    visits = int(columns.recorder.rows["visits"][0])
    counted = Floor(start, world.seed).step()
    assert abs(counted - visits) <= 4 * math.sqrt(2 * visits)
    acting = ActingFloor(start, world.seed)
    assert acting.step() == counted
    assert acting.columns.of("visits").sum() - start.customers.columns.of("visits").sum() == counted


def test_a_small_draw_is_timed_by_its_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deep" / "draws.json"
    size = ["--customers", "500", "--days", "35", "--burn-in", "40", "--draws", "2"]
    assert draws.main([*size, "--out", str(out)]) == 0
    report = json.loads(out.read_text())
    documented = (draws.__doc__ or "").partition("Keys of the JSON")[2]
    assert {key for key in (*report, *report["targets"]) if f"`{key}`" not in documented} == set()
    assert set(report["seconds"]) == {"total", "floor", *draws.PARTS}
    assert all(0 < found["low"] <= found["median"] <= found["high"] for found in report["seconds"].values())
    assert set(report["shares"]) == set(draws.PARTS)
    assert report["draw_over_floor"] > 1
    assert report["targets"]["seconds_for_200_on_two_cores"] == {"value": None, "limit": 60.0, "met": None}
    assert "pilot " in capsys.readouterr().out


def test_the_parts_of_a_draw_are_all_its_days() -> None:
    """Every day that a draw simulates is timed, under the part it belongs to."""
    found = settings("scenario=norush_coupon", "customers=300", "days=35", "burn_in=40", "replications=2")
    lived: dict[str, list[int]] = {part: [] for part in draws.PARTS}
    run = CXModel.run

    def counted(model: CXModel, until: int) -> None:
        lived[draws.part_of(model)].append(until - model.day)
        run(model, until)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(CXModel, "run", counted)
        run_task(found, treated_arms, Task(0, 0, {}, 1, parts=False))
    days = {part: sum(some) for part, some in lived.items()}
    assert days == {"founding": 0, "pilot": 180, "burn-in": 40, "arms": 2 * 35, "rest": 0}
    assert sum(days.values()) == draws.days_of(found)
