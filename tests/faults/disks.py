"""Whole commands on disks that are too small for them, by a little or by much.

    python -m tests.faults.disks --steps 8 --seed 1 [--commands run,report]

Each try runs a command on a file system of its own in memory, which holds a share of what the command writes; the
shares are drawn evenly, one from each step. What must hold: it ends in one line and status 2 (of a sweep, a line for
each job and status 1 or 2), with no traceback; no draft stays, and whatever else stays is whole; and where there is
room again, the same command gives the bytes of an undisturbed one. Needs the right to mount.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.faults.kills import COMMANDS, EVIDENCE, GROWS, called, contents, drafts

ROOMY = 256_000
"""Kilobytes that are enough for any of the commands."""

class Trial(NamedTuple):
    """A command on a small disk: how many kilobytes it had, how it ended, and what was wrong; empty where all held."""

    command: str
    size: int
    status: int
    line: str
    wrong: str


class NotMounted(Exception):
    """No file system can be mounted here."""


@contextlib.contextmanager
def volume(place: Path) -> Iterator[Path]:
    """A roomy file system of its own. Raises NotMounted."""
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={ROOMY}k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode != 0:
        raise NotMounted
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def resized(place: Path, size: int) -> None:
    """Give the file system so many kilobytes."""
    subprocess.run(["mount", "-o", f"remount,size={size}k", str(place)], check=True)


def used(place: Path) -> int:
    """Kilobytes that are taken."""
    return -(-shutil.disk_usage(place).used // 1024)


def emptied(place: Path) -> None:
    resized(place, ROOMY)
    for path in place.iterdir():
        shutil.rmtree(path)


def ready(name: str, place: Path) -> Path:
    """A folder on the emptied file system in which the command can begin."""
    emptied(place)
    folder = place / "here"
    folder.mkdir()
    if name == "learn":
        (folder / "evidence.yaml").write_text(EVIDENCE, encoding="utf-8")
    if name == "report":
        assert called("run", folder)[0] == 0
    return folder


def trials(name: str, steps: int, seed: int, place: Path) -> Iterator[Trial]:
    """The command on disks of ever more room, from none to just too little."""
    folder = ready(name, place)
    before, base = contents(folder), used(place)
    kept = place.parent / f"{name}-before"
    shutil.copytree(folder, kept)
    status, errors = called(name, folder)
    assert status == 0, errors
    made, needed = contents(folder), used(place) - base
    needed = max(needed, sum(map(len, made.values())) // 1024)
    chance = Random(f"{seed}/{name}")
    for step in range(steps):
        emptied(place)
        shutil.copytree(kept, folder)
        size = base + max(4, int(needed * (step + chance.random()) / steps))
        resized(place, size)
        status, errors = called(name, folder)
        wrong = "; ".join(_wrongs(name, status, errors, folder, before, made))
        resized(place, ROOMY)
        if status != 0:
            again, told = called(name, folder)
            if again != 0 or contents(folder) != made:
                wrong += f"; with room: {again}, {told}"
        yield Trial(name, size, status, errors.strip().splitlines()[-1] if errors.strip() else "", wrong)
    shutil.rmtree(kept)


def _wrongs(
    name: str, status: int, errors: str, folder: Path, before: dict[str, bytes], made: dict[str, bytes]
) -> Iterator[str]:
    told = [line for line in errors.splitlines() if line.startswith("cxsim: ")]
    if "Traceback" in errors or status not in ((0, 1, 2) if name == "sweep" else (0, 2)):
        yield f"status {status}: {errors}"
    if status != 0 and (not told or (len(told) > 1 and name != "sweep")):
        yield f"told in {len(told)} lines: {errors}"
    if left := drafts(folder):
        yield f"left {left}"
    found = contents(folder)
    if status == 0 and found != made:
        yield "done, with other bytes"
    for file, content in found.items():
        if Path(file).name not in GROWS and content not in (before.get(file), made.get(file)):
            yield f"half written: {file}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", default=",".join(COMMANDS), help="with commas between; default: all")
    given = parser.parse_args()
    tried = held = full = 0
    with tempfile.TemporaryDirectory() as within, volume(Path(within) / "volume") as place:
        for name in given.commands.split(","):
            for one in trials(name, given.steps, given.seed, place):
                tried, held, full = tried + 1, held + (not one.wrong), full + (one.status != 0)
                print(f"{one.command} on {one.size} kB: {one.status}: {one.line}: {one.wrong or 'held'}", flush=True)
    print(f"tried {tried}, too small {full}, held {held} (seed {given.seed})")
    return int(tried != held)


if __name__ == "__main__":
    sys.exit(main())
