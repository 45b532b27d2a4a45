"""Commands killed, ended and interrupted at moments spread over their whole life.

    python -m tests.faults.kills --tries 60 --seed 1 [--command run] [--signal KILL]

Each try starts a command in a fresh folder, sends it a signal at a moment drawn evenly from its life, which is measured
first, and starts it again. What must hold: no traceback; after SIGTERM and Ctrl-C one line, the signal's exit status,
no draft and no process left; after any signal the next start gives the bytes of an undisturbed one.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sim.run.provenance import ROOT

TINY = ("customers=400", "days=28", "burn_in=30", "replications=2", "arms=total")
STATUS = "market.status={unaware: 0.3, aware: 0.3, customer: 0.4}"
EXAMPLES = ROOT / "examples"
COMMANDS: dict[str, tuple[str, ...]] = {
    "run": ("run", *TINY, "threads=2", "hydra.run.dir=out"),
    "sweep": ("run", "-m", "seed=1,2", *TINY, "hydra.sweep.dir=out"),
    "search": ("optimise", "optimise=coupon", *TINY[:3], "optimise.trials=2", "optimise.points=2",
               "optimise.fresh_points=2", STATUS, "--out", "out"),
    "learn": ("learn", str(EXAMPLES / "evidence" / "evidence.yaml"), "customers=400", "days=182", "burn_in=30",
              "--points", "60", "--name", "shop", "--out", "out"),
    "calibrate": ("calibrate", str(EXAMPLES / "online_retail_cut.csv.gz"), "--customer", "CustomerID", "--date", "date",
                  "--value", "revenue", "--name", "shop", "--out", "out"),
    "report": ("report", "out"),
}  # fmt: skip
SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "INT": signal.SIGINT}
VARIES = ("provenance.json", "study.db")
"""Files that may differ between two undisturbed calls."""

PATIENCE = 5.0
"""Seconds within which an ended command must be gone."""


class Trial(NamedTuple):
    """One command, disturbed: how, and what was wrong; empty where all held."""

    command: str
    signal: str
    moment: float
    status: int
    wrong: str


def started(words: tuple[str, ...], folder: Path) -> subprocess.Popen[str]:
    """A command of cxsim at work in a folder, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "cxsim", *words], cwd=folder, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of every file that must come out the same."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in VARIES and ".lock" not in str(path.relative_to(folder))
    }


def drafts(folder: Path) -> list[Path]:
    """What is left half made."""
    return [path for path in folder.rglob(".*.part") if path.exists()]


def alive(session: int) -> list[int]:
    """Processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


class Subject:
    """A command, what it makes undisturbed, and how long that takes."""

    def __init__(self, name: str, within: Path) -> None:
        self.name, self.words, self._within = name, COMMANDS[name], within
        self._ready = within / f"{name}-ready"
        self._ready.mkdir()
        if name == "report":
            self._whole(COMMANDS["run"], self._ready)
        self._number = 0
        folder = self._fresh()
        self._whole(self.words, folder)
        self.made = contents(folder)
        folder = self._fresh()
        began = time.monotonic()
        self._whole(self.words, folder)
        self.life = time.monotonic() - began
        assert contents(folder) == self.made, f"{name}: two undisturbed calls differ"

    def _fresh(self) -> Path:
        self._number += 1
        return Path(shutil.copytree(self._ready, self._within / f"{self.name}-{self._number}"))

    def _whole(self, words: tuple[str, ...], folder: Path) -> str:
        process = started(words, folder)
        told, errors = process.communicate(timeout=600)
        assert process.returncode == 0, f"{words}: {process.returncode}\n{told}\n{errors}"
        return errors

    def tried(self, how: str, share: float) -> Trial:
        """Disturb a call after a share of its life, then call it again."""
        folder = self._fresh()
        process = started(self.words, folder)
        time.sleep(share * self.life)
        if how == "INT":
            os.killpg(process.pid, SIGNALS[how])  # as a terminal does
        else:
            process.send_signal(SIGNALS[how])
        _, errors = process.communicate(timeout=120)
        wrong = "; ".join(self._wrongs(how, process, errors, folder))
        shutil.rmtree(folder)
        return Trial(self.name, how, share, process.returncode, wrong)

    def _wrongs(self, how: str, process: subprocess.Popen[str], errors: str, folder: Path) -> Iterator[str]:
        done, number = process.returncode == 0, SIGNALS[how]
        if "Traceback" in errors or "Exception ignored" in errors:
            yield f"traceback: {errors}"
        if how != "KILL":
            if process.returncode not in (0, 128 + number, -number):
                yield f"status {process.returncode}: {errors}"
            if process.returncode == 128 + number and "interrupted" not in errors:
                yield f"no line: {errors!r}"
            if left := drafts(folder):
                yield f"left {left}"
        deadline = time.monotonic() + PATIENCE * (4 if how == "KILL" else 1)
        while alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        if living := alive(process.pid):
            yield f"still alive: {living}"
            for one in living:
                os.kill(one, signal.SIGKILL)
        if done or self._published(folder):
            if contents(folder) != self.made:
                yield f"other bytes without a second start: {self._differing(folder)}"
            return
        try:
            again = self._whole(self.words, folder)
        except AssertionError as error:
            yield f"the next start: {error}"
            return
        if "Traceback" in again:
            yield f"traceback of the next start: {again}"
        if contents(folder) != self.made:
            yield f"other bytes: {self._differing(folder)}"
        if left := drafts(folder):
            yield f"left after the next start: {left}"

    def _published(self, folder: Path) -> bool:
        """Whether a command that refuses a folder that is there was done already."""
        place = {"run": "out/manifest.json", "learn": "out/company/shop.yaml"}.get(self.name)
        return place is not None and (folder / place).is_file()

    def _differing(self, folder: Path) -> list[str]:
        found = contents(folder)
        return sorted(name for name in found.keys() | self.made.keys() if found.get(name) != self.made.get(name))


def trials(names: list[str], signals: list[str], tries: int, seed: int, within: Path) -> Iterator[Trial]:
    """So many tries of each command and signal, at moments spread evenly over its life."""
    chance = random.Random(seed)
    for name in names:
        subject = Subject(name, within)
        for how in signals:
            for place in range(tries):
                yield subject.tried(how, (place + chance.random()) / tries)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=17, help="of each command and signal")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--command", choices=COMMANDS, action="append")
    parser.add_argument("--signal", choices=SIGNALS, action="append")
    given = parser.parse_args()
    tried: Counter[tuple[str, str]] = Counter()
    held: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as within:
        names, signals = given.command or list(COMMANDS), given.signal or list(SIGNALS)
        for one in trials(names, signals, given.tries, given.seed, Path(within)):
            tried[one.command, one.signal] += 1
            held[one.command, one.signal] += not one.wrong
            told = one.wrong or "held"
            print(f"{one.command} {one.signal} at {one.moment:.3f}: {one.status}: {told}", flush=True)
    for (command, how), count in tried.items():
        print(f"{command:10} {how:5} tried {count:3}  held {held[command, how]:3}")
    return int(sum(tried.values()) != sum(held.values()))


if __name__ == "__main__":
    sys.exit(main())
