"""Time of one draw of the parameters: `python -m benchmarks.draws`.

The unit that counts for a run: a draw's pilot, its burn-in, the baseline and the treated arm, with everything
around them, as `sim.run.replication.run_task` does them for `arms=total`, scenario norush_coupon. Seconds of processor
time on one thread, the median over draws; a draw differs from the next by how much its customers visit. Parts:

    founding    drawing the populations of pilot and arms and making their ties
    pilot       days of the pilot, without its looks at everybody
    burn-in     days up to day 0
    arms        days of the baseline and of the treated arm
    rest        measuring the arms, copying worlds, making tables

The floor is what one draw a row and day costs (`benchmarks.floor`), measured beside each draw and counted for as many
days as the draw has. Only the ratio to it means something on another machine, and on this one when it is busy.

Keys of the JSON: `customers`, `days`, `burn_in`, `draws`, `machine`, `seconds` (`total`, the parts and `floor`:
`median`, `low`, `high`), `shares` (of the total, by part), `draw_over_floor`, `us_per_day` (microseconds of a draw
over its days), `targets` (`seconds_for_200_on_two_cores` and `draw_over_floor`: `value`, `limit`, `met`; the first at
50,000 customers and a year only, else its `value` is null).
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks.engines import machine
from benchmarks.floor import Floor
from benchmarks.market import settings
from scenarios.intervention import treated_arms
from sim.config.sampling import points
from sim.config.settings import Settings
from sim.run.replication import Task, replication_seed, run_task
from sim.world import model, pilot
from sim.world.constants import world_of
from sim.world.model import CXModel, founded
from sim.world.pilot import PILOT_DAYS, Pilot

OUT = Path(__file__).resolve().parent / "results" / "draws.json"

FOUNDING, PILOT, BURN_IN, ARMS, REST = "founding", "pilot", "burn-in", "arms", "rest"
PARTS = (FOUNDING, PILOT, BURN_IN, ARMS, REST)
TOTAL, FLOOR = "total", "floor"

FULL = (50_000, 365, 180)
"""Customers, days and burn-in that the target is stated for."""

AT_MOST_SECONDS = 60.0
AT_MOST_OVER_FLOOR = 25.0
FLOOR_DAYS = 100


def part_of(model: CXModel) -> str:
    """Which part of a draw a model's next days belong to."""
    if isinstance(model, Pilot):
        return PILOT
    return BURN_IN if model.day < 0 else ARMS


@contextmanager
def watched(spent: dict[str, float]) -> Iterator[None]:
    """Add the processor time of founding and of running models to `spent`, by part."""
    run = CXModel.run

    def timed(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def working(*given: Any) -> Any:
            begun = time.thread_time()
            done = work(*given)
            spent[part] += time.thread_time() - begun
            return done

        return working

    with ExitStack() as stack:
        for module in (pilot, model):
            stack.enter_context(patch.object(module, "founded", timed(FOUNDING, founded)))
        stack.enter_context(patch.object(CXModel, "run", lambda world, until: timed(part_of(world), run)(world, until)))
        yield


def seconds(found: Settings, task: Task) -> dict[str, float]:
    """Processor time of one draw, by part and in total."""
    spent = dict.fromkeys(PARTS, 0.0)
    gc.collect()
    begun = time.thread_time()
    with watched(spent):
        run_task(found, treated_arms, task)
    total = time.thread_time() - begun
    spent[REST] = total - sum(spent.values())
    return spent | {TOTAL: total}


def floor_seconds(floor: Floor, days: int) -> float:
    """Processor time of so many days at the floor, from some."""
    begun = time.thread_time()
    for _ in range(FLOOR_DAYS):
        floor.step()
    return (time.thread_time() - begun) * days / FLOOR_DAYS


def days_of(found: Settings) -> int:
    """Days that one draw simulates: the pilot, the burn-in, two arms."""
    return max(PILOT_DAYS, found.burn_in) + found.burn_in + 2 * found.days


def measured(customers: int, days: int, burn_in: int, draws: int) -> dict[str, Any]:
    """Everything, as it goes into the JSON."""
    size = (f"customers={customers}", f"days={days}", f"burn_in={burn_in}", f"replications={draws}")
    found = settings("scenario=norush_coupon", *size)
    design = points(found, draws)
    tasks = [Task(n, 0, point, replication_seed(found.seed, n, 0), parts=False) for n, point in enumerate(design)]
    world = world_of(found, found.seed)
    floor = Floor(founded(world), world.seed)
    seconds(found, tasks[0])  # compiles
    floor_seconds(floor, 1)
    runs = [seconds(found, task) | {FLOOR: floor_seconds(floor, days_of(found))} for task in tasks]
    spent = {
        name: {"median": median(times), "low": min(times), "high": max(times)}
        for name in (TOTAL, *PARTS, FLOOR)
        for times in [[run[name] for run in runs]]
    }
    report: dict[str, Any] = {
        "customers": customers, "days": days, "burn_in": burn_in, "draws": draws, "machine": machine(),
        "seconds": spent,
        "shares": {part: median(run[part] / run[TOTAL] for run in runs) for part in PARTS},
        "draw_over_floor": median(run[TOTAL] / run[FLOOR] for run in runs),
        "us_per_day": spent[TOTAL]["median"] / days_of(found) * 1e6,
    }  # fmt: skip
    report["targets"] = targets(report)
    return report


def targets(report: dict[str, Any]) -> dict[str, Any]:
    """What is to be reached."""
    full = (report["customers"], report["days"], report["burn_in"]) == FULL
    values = {
        "seconds_for_200_on_two_cores": (100 * report["seconds"][TOTAL]["median"] if full else None, AT_MOST_SECONDS),
        "draw_over_floor": (report["draw_over_floor"], AT_MOST_OVER_FLOOR),
    }
    return {
        name: {"value": value, "limit": limit, "met": None if value is None else value <= limit}
        for name, (value, limit) in values.items()
    }


def table(report: dict[str, Any]) -> str:
    """The report in plain text."""
    lines = [
        f"one draw: {report['customers']:,} customers, {report['days']} days after {report['burn_in']} of burn-in; "
        f"seconds, median of {report['draws']} draws",
        f"{'':12}{'median':>10}{'low':>10}{'high':>10}{'share':>10}",
    ]
    for name, found in report["seconds"].items():
        share = f"{100 * report['shares'][name]:.0f} %" if name in report["shares"] else ""
        lines.append(f"{name:12}{found['median']:10.3f}{found['low']:10.3f}{found['high']:10.3f}{share:>10}".rstrip())
    ratio = f"draw / floor {report['draw_over_floor']:.1f}; {report['us_per_day']:.0f} microseconds a day"
    lines += ["", ratio, "", "targets"]
    for name, target in report["targets"].items():
        value = "not measured" if target["value"] is None else f"{target['value']:.1f}"
        verdict = {True: "met", False: "MISSED", None: ""}[target["met"]]
        lines.append(f"  {name:30}{value:>14}  <= {target['limit']:g} {verdict}".rstrip())
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.draws", description=(__doc__ or "").split("\n")[0])
    customers, days, burn_in = FULL
    parser.add_argument("--customers", type=int, default=customers, help=f"default {customers}")
    parser.add_argument("--days", type=int, default=days, help=f"default {days}")
    parser.add_argument("--burn-in", type=int, default=burn_in, help=f"default {burn_in}")
    parser.add_argument("--draws", type=int, default=8, help="default 8")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help=f"default {OUT.name} in results/")
    asked = parser.parse_args(argv)
    report = measured(asked.customers, asked.days, asked.burn_in, asked.draws)
    print(table(report))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"written to {asked.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
