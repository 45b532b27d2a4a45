"""Peak memory of one world, and a full year of it, each in a process of its own.

The parent starts `python -m benchmarks.memory CUSTOMERS DAYS BURN_IN`, which lives a tiny world first (imports and
compiled code are then in place), then the one asked for, and prints wall times and its own peak. With CUSTOMERS = 0
it stops after the tiny one: the difference of the two peaks is what the world takes, network included.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TypedDict

TINY = 1000


class Lived(TypedDict):
    """What a child reports: seconds by part, and its peak in bytes."""

    found_seconds: float
    burn_in_seconds: float
    horizon_seconds: float
    peak_bytes: int


def peak_bytes() -> int:
    """Peak resident memory of this process.

    The kernel's own mark where there is one: `ru_maxrss` of a child also covers its parent at the time of the fork.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most) * (1 if sys.platform == "darwin" else 1024)


def live(customers: int, days: int, burn_in: int) -> Lived:
    """Found a world and live it by column, here."""
    from benchmarks.market import market
    from sim.world.model import CXModel, founded

    world = market(customers, days, burn_in)
    begun = time.perf_counter()
    model = CXModel(world, founded(world))
    found = time.perf_counter()
    model.run(0)
    burned = time.perf_counter()
    model.run(days)
    ended = time.perf_counter()
    return Lived(
        found_seconds=found - begun, burn_in_seconds=burned - found, horizon_seconds=ended - burned,
        peak_bytes=peak_bytes(),
    )  # fmt: skip


def apart(customers: int, days: int, burn_in: int) -> Lived:
    """The same in a fresh process."""
    words = [sys.executable, "-m", "benchmarks.memory", str(customers), str(days), str(burn_in)]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(words, cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"the measuring process failed:\n{done.stderr}")
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def bytes_per_customer(customers: int, days: int, burn_in: int) -> float:
    """Peak bytes a customer takes, network and all a day needs included, over an otherwise empty process."""
    apart(0, days, burn_in)  # compiles what is not in the cache yet: that takes memory too
    empty = apart(0, days, burn_in)
    return (apart(customers, days, burn_in)["peak_bytes"] - empty["peak_bytes"]) / customers


if __name__ == "__main__":
    asked, length, before = (int(word) for word in sys.argv[1:])
    lived = live(TINY, 28, 30)
    print(json.dumps(live(asked, length, before) if asked else lived))
