"""What the mechanisms cost: `python -m benchmarks.mechanisms`.

Nanoseconds per customer-day of `CXModel`, engine=column, one thread, from the same midnight of the same market:

    off     the baseline: nobody is treated, nothing is sent
    on      everybody is treated by eight interventions at once: no-rush coupon, popup, welcome, question, push,
            e-mail, meetings on voice of the customer, free staff

Runs of 28 days alternate; the ratio is the median of the ratios of neighbouring runs. Treated customers visit and order
more and stay in other numbers, which is part of the ratio. It must be at most 2.

Keys of the JSON: `runs`, by size `off`, `on` (`median`, `low`, `high`), `ratio`, `met`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.engines import Variant, interleaved, ratio
from benchmarks.market import market, settings
from scenarios.intervention import treated_arms
from sim.world.model import Arm, CXModel, burnt_in

SIZES = (10_000, 100_000, 1_000_000)
OUT = Path(__file__).resolve().parent / "results" / "mechanisms.json"
AT_MOST = 2.0

ALL = "scenario=[norush_coupon,peach_popup,mf_onboarding,rakuten_push,ma_email,muji_voc,starbucks_staff]"
ON, OFF = "on", "off"


def arm(customers: int) -> Arm:
    """Everybody treated by everything."""
    placed = list(treated_arms(settings(ALL, f"customers={customers}")).values())[-1]
    return Arm(placed, np.ones(customers, bool))


def timed(customers: int, runs: int) -> dict[str, Any]:
    """Both ways through one market."""
    world = market(customers, 28 * (runs + 1), 60, "company.onboarding={link: 0.3}")
    start = burnt_in(world)
    models = {OFF: CXModel(world, start.copied()), ON: CXModel(world, start.copied(), arm(customers))}
    found = interleaved({name: Variant(model.step, 28) for name, model in models.items()}, runs, customers)
    over = ratio(found, ON, OFF)
    assert over is not None
    times = {name: {"median": median(ns), "low": min(ns), "high": max(ns)} for name, ns in found.items()}
    return times | {"ratio": over, "met": over <= AT_MOST}


def main() -> int:
    """Time every size and write the JSON; 1 where the limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mechanisms", description="What the mechanisms cost.")
    parser.add_argument("--runs", type=int, default=5, help="runs of 28 days each way; default 5")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="customers")
    parser.add_argument("--out", type=Path, default=OUT, help="where the JSON goes")
    given = parser.parse_args()
    found: dict[str, Any] = {"runs": given.runs}
    for customers in given.sizes:
        one = found[str(customers)] = timed(customers, given.runs)
        verdict = "met" if one["met"] else "MISSED"
        print(
            f"{customers:>9} customers: off {one[OFF]['median']:6.1f}, on {one[ON]['median']:6.1f} ns a customer-day, "
            f"ratio {one['ratio']:.2f}; at most {AT_MOST:g}: {verdict}",
            flush=True,
        )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0 if all(found[str(size)]["met"] for size in given.sizes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
