"""What a sweep costs beyond simulating: `python -m benchmarks.sweep`.

A sweep of many small jobs is run as a user would run it, and then the same jobs' worlds are simulated with nothing
around them: no composing, no tables, no processes. The ratio of the sweep's processor time to that of the bare
simulation, both of whole processes and their children, is what is held to a limit; wall times are printed beside.
Start-up, imports and loading of compiled code are in both.

Keys of the JSON: `jobs`, `sweep_cpu_seconds`, `bare_cpu_seconds`, `sweep_seconds`, `bare_seconds`, `overhead`
(sweep_cpu_seconds / bare_cpu_seconds - 1), `limit`, `met`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parent / "results" / "sweep.json"
AT_MOST_OVERHEAD = 0.15
SMALL = ("customers=3000", "days=120", "burn_in=90", "replications=4", "arms=total")
"""A small job: four draws of a market of 3,000 over four months, a second or so."""


def words(jobs: int) -> list[str]:
    """Overrides of the sweep: two scenarios and as many seeds as make so many jobs."""
    seeds = ",".join(str(seed) for seed in range(1, jobs // 2 + 1))
    return [*SMALL, "scenario=norush_coupon,peach_popup", f"seed={seeds}"]


def bare(jobs: int) -> None:
    """Simulate every job's tasks, two processes side by side, and throw the results away."""
    from functools import partial

    from cxsim.compose import compose, composer, settings_of
    from sim.run.workers import Pool

    with composer(None) as hydra:
        configs = [compose(hydra, [*SMALL, f"scenario={name}"]) for name in ("norush_coupon", "peach_popup")]
        found = [settings_of(config, config.hydra) for config in configs]
    items = [(which, seed) for seed in range(1, jobs // 2 + 1) for which in range(2)]
    with Pool(partial(_simulated, found), 2) as pool:
        for _, outcome in pool.outcomes(items):
            assert outcome is None, outcome


def _simulated(found: Sequence[Any], item: tuple[int, int]) -> None:
    from scenarios.intervention import treated_arms
    from sim.run.experiment import _tasks
    from sim.run.replication import run_task

    which, seed = item
    settings = found[which].model_copy(update={"seed": seed})
    for task in _tasks(settings, 0, settings.replications, settings.replications):
        run_task(settings, treated_arms, task)


def timed(command: list[str], folder: str) -> tuple[float, float]:
    """(processor seconds of the process and its children, wall seconds)."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": path})
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def measured(jobs: int) -> dict[str, Any]:
    """Everything, as it goes into the JSON."""
    with tempfile.TemporaryDirectory() as folder:
        alone = [sys.executable, "-m", "benchmarks.sweep", "--bare"]
        timed([*alone, "--jobs", "2"], folder)  # compiles what is not compiled yet
        bare_cpu, bare_wall = timed([*alone, "--jobs", str(jobs)], folder)
        command = [sys.executable, "-m", "cxsim", "run", "-m", *words(jobs), f"hydra.sweep.dir={folder}/it"]
        sweep_cpu, sweep_wall = timed(command, folder)
    overhead = sweep_cpu / bare_cpu - 1.0
    return {
        "jobs": jobs, "sweep_cpu_seconds": sweep_cpu, "bare_cpu_seconds": bare_cpu, "sweep_seconds": sweep_wall,
        "bare_seconds": bare_wall, "overhead": overhead, "limit": AT_MOST_OVERHEAD, "met": overhead <= AT_MOST_OVERHEAD,
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--jobs", type=int, default=200, help="jobs of the sweep, an even number; default 200")
    parser.add_argument("--bare", action="store_true", help="only simulate, as the measured process does")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help=f"default {OUT.name} in results/")
    asked = parser.parse_args(argv)
    if asked.bare:
        bare(asked.jobs)
        return 0
    report = measured(asked.jobs)
    print(
        f"{report['jobs']} jobs: {report['sweep_cpu_seconds']:.1f} s of processor as a sweep, "
        f"{report['bare_cpu_seconds']:.1f} s bare; {report['sweep_seconds']:.1f} s and {report['bare_seconds']:.1f} s "
        f"by the clock\noverhead {100 * report['overhead']:.1f} %, at most {100 * AT_MOST_OVERHEAD:.0f} %: "
        f"{'met' if report['met'] else 'MISSED'}"
    )
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
