"""Commands killed, ended and interrupted at moments spread over their whole life.

    python -m tests.faults.kills --number 300 --seed 1 [--commands run,sweep] [--signals KILL]

Each try starts a command in a fresh folder, sends it a signal at a moment drawn evenly from its life, which is measured
first in processor time, and starts it again. Nine tries of ten are copies of a process that has imported all of cxsim,
so that their life is work; the tenth is a new Python, whose life begins with its imports. What must hold: no traceback;
after SIGTERM and Ctrl-C one line, the signal's exit status, no draft and no process left; after any signal every file
that is there is whole and as its manifest says, and the next start tells of the drafts that it removes and gives the
bytes of an undisturbed one. Try N of seed S is always the same: `--first N --number 1` repeats one.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from random import Random
from types import ModuleType
from typing import NamedTuple

from cxsim import cli
from sim.files import manifest
from sim.phrases import ConfigError
from sim.run.provenance import ROOT

TINY = ("customers=400", "days=28", "burn_in=30", "replications=2", "arms=total")
STATUS = "market.status={unaware: 0.3, aware: 0.3, customer: 0.4}"
EXAMPLES = ROOT / "examples"
COMMANDS: dict[str, tuple[str, ...]] = {
    "run": ("run", *TINY, "threads=2", "hydra.run.dir=out"),
    "sweep": ("run", "-m", "seed=1,2", *TINY, "hydra.sweep.dir=out"),
    "optimise": ("optimise", "optimise=coupon", *TINY[:3], "optimise.trials=2", "optimise.points=2",
                 "optimise.fresh_points=2", STATUS, "--out", "out"),
    "learn": ("learn", "evidence.yaml", "customers=12000", *TINY[1:3], "--points", "48", "--name", "shop",
              "--out", "out"),
    "calibrate": ("calibrate", str(EXAMPLES / "online_retail_cut.csv.gz"), "--customer", "CustomerID", "--date", "date",
                  "--value", "revenue", "--name", "shop", "--out", "out"),
    "report": ("report", "out", "language=ja"),
}  # fmt: skip
EVIDENCE = """
coupon_for_waiting:
  kind: ab_test
  scenario: norush_coupon
  metric: norush_share
  window: 28
  lift: 8.1
  scale: absolute
  se: 0.2
"""
ONE_PROCESS = {"run": ("threads=1",), "sweep": ("hydra/launcher=basic",), "optimise": ("threads=1",),
               "learn": ("threads=1",)}  # fmt: skip
"""Words that keep a command in one process."""

FRESH = 0.1
"""Share of tries that are a new Python, not a copy of this one."""

SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "INT": signal.SIGINT}
TOLD = ("interrupted", "中断しました")
REMOVED = ("that killed commands had left", "強制終了されたコマンドが残した")
"""What is said of an interruption and of a dead command's drafts, in both languages."""

VARIES = ("provenance.json", "study.db")
"""Files that may differ between two undisturbed calls."""

GROWS = (manifest.NAME, "jobs.csv", "sweep.parquet", "reasons.json")
"""Files that are written again as a sweep, or what a manifest lists, goes on."""

PATIENCE = 5.0
"""Seconds within which an ended command must be gone."""


class Trial(NamedTuple):
    """One command, disturbed: how, whether it had begun to write, and what was wrong; empty where all held."""

    command: str
    signal: str
    moment: float
    at_work: bool
    status: int
    wrong: str


def started(words: tuple[str, ...], folder: Path) -> subprocess.Popen[str]:
    """A command of cxsim at work in a folder, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "cxsim", *words], cwd=folder, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=_hears,
    )  # fmt: skip


def _hears() -> None:
    """Let Ctrl-C through, which what a shell starts in the background ignores."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Forked:
    """A command like one that is `started`, in a copy of this process: its imports are done."""

    def __init__(self, words: tuple[str, ...], folder: Path) -> None:
        self.returncode: int | None = None
        self._said, self._errors = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115 - closed when read
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(self._called(words, folder))

    def _called(self, words: tuple[str, ...], folder: Path) -> int:
        """The command's exit status, in the copy."""
        try:
            os.setsid()
            os.chdir(folder)
            sys.stdout, sys.stderr = self._said, self._errors
            os.dup2(self._said.fileno(), 1)
            os.dup2(self._errors.fileno(), 2)
            _hears()
            sys.argv = ["cxsim", *words]
            sys.modules["__main__"] = _main()
            return cli.main()
        except BaseException:
            traceback.print_exc()
            return 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    def poll(self) -> int | None:
        """The exit status, minus the signal's number where one ended it; None where it is at work."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it has written to both streams when it has ended. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.pid} is at work yet")
            time.sleep(0.02)
        with self._said as said, self._errors as errors:
            said.seek(0)
            errors.seek(0)
            return said.read(), errors.read()


def _main() -> ModuleType:
    """The module that a worker of `python -m cxsim` imports before anything else."""
    found = ModuleType("__main__")
    found.__spec__ = find_spec("cxsim.__main__")
    return found


Process = subprocess.Popen[str] | Forked
Start = Callable[[tuple[str, ...], Path], Process]


def called(name: str, folder: Path) -> tuple[int, str]:
    """Exit status of a command that works in a folder, in this process, and what it wrote to the error stream."""
    errors = io.StringIO()
    with chdir(folder), redirect_stderr(errors), redirect_stdout(io.StringIO()):
        try:
            status = cli.main([*COMMANDS[name], *ONE_PROCESS.get(name, ())])
        except Exception:
            status = -1
            traceback.print_exc()
    return status, errors.getvalue()


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


def processes(session: int) -> dict[int, float]:
    """Processes of a session that have not ended, with the seconds of processor time that they have taken."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found[int(stat.parent.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return found


class Subject:
    """A command, what it makes undisturbed, and the processor time that this takes, started in either way."""

    def __init__(self, name: str, within: Path) -> None:
        self.name, self.words, self._within = name, COMMANDS[name], within
        self._ready = within / f"{name}-ready"
        self._ready.mkdir()
        if name == "report":
            self._whole(started, COMMANDS["run"], self._ready)
        if name == "learn":
            (self._ready / "evidence.yaml").write_text(EVIDENCE, encoding="utf-8")
        self._before = contents(self._ready)
        self._number = 0
        folder = self._fresh()
        self._whole(started, self.words, folder)
        self.made = contents(folder)
        status, errors = called(name, self._fresh())  # imports all that it needs
        assert status == 0, errors
        self._lives = {start: self._life(start) for start in (started, Forked)}

    def _life(self, start: Start) -> float:
        """Seconds of the processor that the command takes, undisturbed."""
        folder = self._fresh()
        began = _processor_time()
        self._whole(start, self.words, folder)
        assert contents(folder) == self.made, f"{self.name}: two undisturbed calls differ: {self._differing(folder)}"
        return _processor_time() - began

    def _fresh(self) -> Path:
        self._number += 1
        return Path(shutil.copytree(self._ready, self._within / f"{self.name}-{self._number}"))

    def _whole(self, start: Start, words: tuple[str, ...], folder: Path) -> str:
        process = start(words, folder)
        told, errors = process.communicate(timeout=600)
        assert process.returncode == 0, f"{words}: {process.returncode}\n{told}\n{errors}"
        return errors

    def tried(self, how: str, share: float, start: Start = started) -> Trial:
        """Disturb a call after a share of its life, then call it again."""
        folder = self._fresh()
        process = start(self.words, folder)
        while process.poll() is None and sum(processes(process.pid).values()) < share * self._lives[start]:
            time.sleep(0.02)
        at_work = process.poll() is None and bool(drafts(folder) or contents(folder).keys() - self._before.keys())
        if how == "INT" and process.poll() is None:
            os.killpg(process.pid, SIGNALS[how])  # as a terminal does
        else:
            process.send_signal(SIGNALS[how])
        _, errors = process.communicate(timeout=120)
        wrong = "; ".join(self._wrongs(how, process, errors, folder, start))
        shutil.rmtree(folder)
        return Trial(self.name, how, share, at_work, process.returncode, wrong)

    def _wrongs(self, how: str, process: Process, errors: str, folder: Path, start: Start) -> Iterator[str]:
        if "Traceback" in errors or "Exception ignored" in errors:
            yield f"traceback: {errors}"
        if how != "KILL":
            yield from _wrong_endings(process.returncode, SIGNALS[how], errors)
            if left := drafts(folder):
                yield f"left {left}"
        yield from _living(process.pid, PATIENCE * (4 if how == "KILL" else 1))
        yield from self._halves(folder)
        if process.returncode == 0 or self._published(folder):
            if contents(folder) != self.made:
                yield f"other bytes without a second start: {self._differing(folder)}"
            return
        dead = drafts(folder)
        try:
            again = self._whole(start, self.words, folder)
        except AssertionError as error:
            yield f"the next start: {error}"
            return
        if "Traceback" in again:
            yield f"traceback of the next start: {again}"
        if dead and not any(words in again for words in REMOVED):
            yield f"not told: {dead}"
        if contents(folder) != self.made:
            yield f"other bytes: {self._differing(folder)}"
        if left := drafts(folder):
            yield f"left after the next start: {left}"

    def _halves(self, folder: Path) -> Iterator[str]:
        """Files that are neither as before nor as they come out in the end, and what a manifest says of its folder."""
        for name, content in contents(folder).items():
            whole = (self._before.get(name), self.made.get(name))
            if ".part" not in name and Path(name).name not in GROWS and content not in whole:
                yield f"half written: {name}"
        for path in folder.rglob(manifest.NAME):
            if not any(part.endswith(".part") for part in path.parts):
                yield from (f"verify: {trouble}" for trouble in _troubles(path.parent))

    def _published(self, folder: Path) -> bool:
        """Whether a command that refuses a folder that is there was done already."""
        place = {"run": "out/manifest.json", "learn": "out/company/manifest.json"}.get(self.name)
        return place is not None and (folder / place).is_file()

    def _differing(self, folder: Path) -> list[str]:
        found = contents(folder)
        return sorted(name for name in found.keys() | self.made.keys() if found.get(name) != self.made.get(name))


def _processor_time() -> float:
    """Seconds that ended children have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _wrong_endings(status: int, number: int, errors: str) -> Iterator[str]:
    if status not in (0, 128 + number, -number):
        yield f"status {status}: {errors}"
    if status == 128 + number and not any(words in errors for words in TOLD):
        yield f"no line: {errors!r}"


def _living(session: int, patience: float) -> Iterator[str]:
    deadline = time.monotonic() + patience
    while processes(session) and time.monotonic() < deadline:
        time.sleep(0.1)
    if living := list(processes(session)):
        yield f"still alive: {living}"
        for one in living:
            os.kill(one, signal.SIGKILL)


def _troubles(folder: Path) -> list[object]:
    try:
        return list(manifest.troubles(folder))
    except ConfigError as error:
        return [error]


def trials(names: list[str], signals: list[str], numbers: range, seed: int, within: Path) -> Iterator[Trial]:
    """A try per number, the commands and the signals in turn, each at a moment drawn evenly from the command's life."""
    subjects: dict[str, Subject] = {}
    for number in numbers:
        name, how = names[number % len(names)], signals[number // len(names) % len(signals)]
        if name not in subjects:
            subjects[name] = Subject(name, within)
        chance = Random(f"{seed}/{number}")
        yield subjects[name].tried(how, chance.random(), started if chance.random() < FRESH else Forked)


def _named(known: dict[str, object]) -> Callable[[str], list[str]]:
    """Names of a list with commas. Raises ArgumentTypeError for one that is not known."""

    def read(word: str) -> list[str]:
        names = word.split(",")
        if unknown := set(names) - known.keys():
            raise argparse.ArgumentTypeError(f"{sorted(unknown)}: of {', '.join(known)}")
        return names

    return read


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", type=_named(dict(COMMANDS)), default=list(COMMANDS))
    parser.add_argument("--signals", type=_named(dict(SIGNALS)), default=list(SIGNALS))
    given = parser.parse_args()
    count: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    with tempfile.TemporaryDirectory() as within:
        numbers = range(given.first, given.first + given.number)
        found = trials(given.commands, given.signals, numbers, given.seed, Path(within))
        for number, one in zip(numbers, found, strict=True):
            count[one.command, one.signal].update(tried=1, at_work=one.at_work, held=not one.wrong)
            told = f"{number}: {one.command} {one.signal} at {one.moment:.3f}{', at work' * one.at_work}"
            print(f"{told}, status {one.status}: {one.wrong or 'held'}", flush=True)
    for (command, how), own in sorted(count.items()):
        print(f"{command:10} {how:5} tried {own['tried']:3}  at work {own['at_work']:3}  held {own['held']:3}")
    whole = sum(count.values(), Counter())
    print(f"tried {whole['tried']}, at work {whole['at_work']}, held {whole['held']} (seed {given.seed})")
    return int(whole["tried"] != whole["held"])


if __name__ == "__main__":
    sys.exit(main())
