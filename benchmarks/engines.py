"""Time and memory of the engines: `python -m benchmarks.engines`.

Nanoseconds per customer-day, each the median of several interleaved runs, for

    column              `CXModel`, engine=column, one thread: the whole model day, company and weekly survey included
    agent               `CXModel`, engine=agent: Mesa walks agents that are views of the same columns
    mesa shuffle_do     an idiomatic Mesa model of attributes on objects (`benchmarks.mesa_objects`), shuffled walk
    mesa do             the same, walked in order
    floor               one draw and the hot columns read, per row and day; nothing written (`benchmarks.floor`)
    acting floor        the same, and each row that acts leaves a mark in its record

All start from the same midnight of the same market (`benchmarks.market`) and run on one thread, one after another;
time is processor time, so that other work on the machine delays but hardly counts (it still competes for caches and
memory). A run is a number of days: 28 by column, holding four weekly surveys; 7 by agent or object, and 2 of those at
a million, mostly without the agents' survey. Ratios are medians of the ratios within a run. The garbage collector
rests during a run, which favours the objects. Memory and the year (wall time) are measured in processes of their own.

Keys of the JSON: `runs`, `machine`, `ns_per_customer_day` (size, variant: `median`, `low`, `high`, `days`), `ratios`
(size: `mesa_over_column`, `mesa_do_over_column`, `agent_over_column`, `column_over_floor`, `column_over_acting_floor`),
`memory` (`customers`, `bytes_per_customer`, `state_bytes`, `network_bytes`), `year` (null without --year: `customers`,
`seconds`, `found_seconds`, `burn_in_seconds`, `horizon_seconds`, `peak_bytes`), `targets` (by name: `value`, `limit`,
`at`, `met`).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import mesa
import numba
import numpy as np

from agents.columns import bytes_per_customer as state_bytes
from benchmarks import memory
from benchmarks.floor import ActingFloor, Floor
from benchmarks.market import market, resumed
from benchmarks.mesa_objects import Market
from sim.world.model import burnt_in

SIZES = (10_000, 100_000, 1_000_000)
OUT = Path(__file__).resolve().parent / "results" / "engines.json"

COLUMN, AGENT, SHUFFLED, IN_ORDER = "column", "agent", "mesa shuffle_do", "mesa do"
FLOOR, ACTING = "floor", "acting floor"
VARIANTS = (COLUMN, AGENT, SHUFFLED, IN_ORDER, FLOOR, ACTING)
COMPILED = (COLUMN, FLOOR, ACTING)
"""Variants timed at every size."""

RATIOS = {
    "mesa_over_column": (SHUFFLED, COLUMN),
    "mesa_do_over_column": (IN_ORDER, COLUMN),
    "agent_over_column": (AGENT, COLUMN),
    "column_over_floor": (COLUMN, FLOOR),
    "column_over_acting_floor": (COLUMN, ACTING),
}

AT_LEAST_OVER_MESA = 100.0
AT_MOST_OVER_FLOOR = 25.0
AT_MOST_BYTES = 256.0


class Variant(NamedTuple):
    """Something that lives days: `step` lives one, `days` of them make a run."""

    step: Callable[[], object]
    days: int


def days_of(variant: str, customers: int) -> int:
    """Days of one run: whole weeks, so that each holds the weekly survey; fewer for the agents of a large market."""
    if variant in COMPILED:
        return 28
    return 7 if customers <= 100_000 else 2


def variants_of(customers: int, runs: int, wanted: Sequence[str]) -> dict[str, Variant]:
    """The variants in one market, each on a copy of the same midnight."""
    world = market(customers, 28 * (runs + 1))
    start = burnt_in(world)
    make: dict[str, Callable[[], Callable[[], object]]] = {
        COLUMN: lambda: resumed(world, start, "column").step,
        AGENT: lambda: resumed(world, start, "agent").step,
        SHUFFLED: lambda: Market(world, start, "shuffle_do").step,
        IN_ORDER: lambda: Market(world, start, "do").step,
        FLOOR: lambda: Floor(start, world.seed).step,
        ACTING: lambda: ActingFloor(start, world.seed).step,
    }
    return {name: Variant(make[name](), days_of(name, customers)) for name in VARIANTS if name in wanted}


def seconds(variant: Variant) -> float:
    """Processor time of one run on this thread, the only one there is."""
    begun = time.thread_time()
    for _ in range(variant.days):
        variant.step()
    return time.thread_time() - begun


def interleaved(variants: dict[str, Variant], runs: int, customers: int) -> dict[str, list[float]]:
    """Nanoseconds per customer-day by variant, one entry a run; the first run of each is not counted."""
    for variant in variants.values():
        seconds(variant._replace(days=1 if variant.days < 7 else 7))
    found: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(runs):
        for name, variant in variants.items():
            gc.collect()
            gc.disable()
            try:
                found[name].append(seconds(variant) / variant.days / customers * 1e9)
            finally:
                gc.enable()
    return found


def ratio(found: dict[str, list[float]], over: str, under: str) -> float | None:
    """Median of the ratios within a run; None where a variant was left out."""
    if over not in found or under not in found:
        return None
    return median(a / b for a, b in zip(found[over], found[under], strict=True))


def measured(sizes: Sequence[int], runs: int, most_agents: int, year: bool) -> dict[str, Any]:
    """Everything, as it goes into the JSON."""
    times: dict[str, Any] = {}
    ratios: dict[str, Any] = {}
    for customers in sizes:
        wanted = VARIANTS if customers <= most_agents else COMPILED
        variants = variants_of(customers, runs, wanted)
        found = interleaved(variants, runs, customers)
        times[str(customers)] = {
            name: {"median": median(ns), "low": min(ns), "high": max(ns), "days": variants[name].days}
            for name, ns in found.items()
        }
        ratios[str(customers)] = {name: ratio(found, *pair) for name, pair in RATIOS.items()}
        variants.clear()
        _forget_agents()
    largest = max(sizes)
    world = market(largest, 28)
    report: dict[str, Any] = {
        "runs": runs,
        "machine": machine(),
        "ns_per_customer_day": times,
        "ratios": ratios,
        "memory": {
            "customers": largest,
            "bytes_per_customer": memory.bytes_per_customer(largest, 56, 30),
            "state_bytes": state_bytes(),
            # two directions of every tie, and where a row's ties start; int32
            "network_bytes": int(4 * (2 * max(1, round(world.degree / 2)) + 1)),
        },
        "year": _year(largest) if year else None,
    }
    report["targets"] = targets(report)
    return report


def _forget_agents() -> None:
    """Let go of a finished model's agents: Mesa counts ids in a table that keeps every model alive."""
    mesa.Agent._ids.clear()
    gc.collect()


def _year(customers: int) -> dict[str, Any]:
    lived = memory.apart(customers, 365, 180)
    total = lived["found_seconds"] + lived["burn_in_seconds"] + lived["horizon_seconds"]
    return {"customers": customers, "seconds": total, **lived}


def targets(report: dict[str, Any]) -> dict[str, Any]:
    """What is to be reached, at the largest size at which it was measured."""
    found: dict[str, Any] = {}
    for name, limit, at_least in (
        ("mesa_over_column", AT_LEAST_OVER_MESA, True),
        ("column_over_floor", AT_MOST_OVER_FLOOR, False),
        ("column_over_acting_floor", AT_MOST_OVER_FLOOR, False),
    ):
        at = max((int(size) for size, by in report["ratios"].items() if by[name] is not None), default=None)
        value = None if at is None else report["ratios"][str(at)][name]
        met = None if value is None else (value >= limit if at_least else value <= limit)
        found[name] = {"value": value, "limit": limit, "at": at, "met": met}
    size = report["memory"]["bytes_per_customer"]
    found["bytes_per_customer"] = {
        "value": size, "limit": AT_MOST_BYTES, "at": report["memory"]["customers"], "met": size <= AT_MOST_BYTES,
    }  # fmt: skip
    return found


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numba": numba.__version__,
        "numpy": np.__version__,
        "mesa": mesa.__version__,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def table(report: dict[str, Any]) -> str:
    """The report in plain text."""
    times, ratios = report["ns_per_customer_day"], report["ratios"]
    width = 14
    lines = [
        f"nanoseconds per customer-day, median of {report['runs']} interleaved runs",
        f"{'':24}" + "".join(f"{int(size):>{width},}" for size in times),
    ]
    for name in VARIANTS:
        cells = [f"{times[size][name]['median']:,.2f}" if name in times[size] else "-" for size in times]
        lines.append(f"{name:24}" + "".join(f"{cell:>{width}}" for cell in cells))
    lines.append("")
    for name, (over, under) in RATIOS.items():
        cells = ["-" if by[name] is None else f"{by[name]:,.1f}" for by in ratios.values()]
        lines.append(f"{over.replace('mesa ', '')} / {under}".ljust(24) + "".join(f"{cell:>{width}}" for cell in cells))
    lines += ["", *_memory_lines(report), "", "targets"]
    for name, target in report["targets"].items():
        sign = ">=" if name == "mesa_over_column" else "<="
        value = "not measured" if target["value"] is None else f"{target['value']:,.1f}"
        verdict = {True: "met", False: "MISSED", None: ""}[target["met"]]
        at = "" if target["at"] is None else f"at {target['at']:,} "
        lines.append(f"  {name:20} {value:>10}  {sign} {target['limit']:g} {at} {verdict}".rstrip())
    return "\n".join(lines)


def _memory_lines(report: dict[str, Any]) -> list[str]:
    m, year = report["memory"], report["year"]
    lines = [
        f"peak bytes per customer at {m['customers']:,}: {m['bytes_per_customer']:.0f} "
        f"(state {m['state_bytes']}, network {m['network_bytes']}, the rest a day's work and surveys)"
    ]
    if year is not None:
        lines.append(
            f"a year of {year['customers']:,} in one process: {year['horizon_seconds']:.1f} s for 365 days "
            f"({year['found_seconds']:.1f} s to found, {year['burn_in_seconds']:.1f} s for 180 days of burn-in), "
            f"peak {year['peak_bytes'] / 2**20:,.0f} MiB"
        )
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="customers (at least 100)")
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs, default 5")
    parser.add_argument(
        "--most-agents", type=int, default=max(SIZES), metavar="N",
        help="largest size at which Mesa's agents and objects are timed (a million of each takes minutes and 6 GB)",
    )  # fmt: skip
    parser.add_argument("--year", action="store_true", help="also a full year of the largest size in one process")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help=f"default {OUT.name} in results/")
    asked = parser.parse_args(argv)
    report = measured(asked.sizes, asked.runs, asked.most_agents, asked.year)
    print(table(report))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"written to {asked.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
