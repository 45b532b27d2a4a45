"""Work on a Dask scheduler: the same answers as in processes here, whatever dies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import cxsim
from cxsim import cli
from sim.run import cluster
from sim.run.workers import Pool
from sim.studies.sweep import JobWork
from tests.config.items import deadly, squared
from tests.folders import differing

TINY = {"customers": 400, "days": 28, "burn_in": 30, "replications": 2, "arms": "total"}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Machines:
    """A scheduler and workers as processes of this machine."""

    def __init__(self, workers: int, port: int = 0) -> None:
        self._all: list[subprocess.Popen[str]] = []
        scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        self.address = _told(scheduler, "Scheduler at:").split()[-1]
        self.workers = [self.worker() for _ in range(workers)]

    def worker(self) -> subprocess.Popen[str]:
        return self._start("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard")

    def _start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self._all.append(process)
        return process

    def close(self) -> None:
        for process in self._all:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()


def _told(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    return next(line for line in process.stderr if words in line)


@contextmanager
def machines(workers: int) -> Iterator[Machines]:
    found = Machines(workers)
    try:
        with cluster.working_at(found.address):
            yield found
    finally:
        found.close()


def test_items_are_done_elsewhere_and_a_killed_worker_costs_nothing() -> None:
    with machines(2) as found, Pool(squared, 2) as pool:
        answers = {}
        for number, answer in pool.outcomes(range(40)):
            answers[number] = answer
            if len(answers) == 5:
                found.workers[0].kill()
    assert str(answers.pop(3)) == "three"
    assert answers == {number: number * number for number in range(40) if number != 3}


@pytest.mark.slow
def test_a_scheduler_that_is_lost_and_comes_back_costs_nothing() -> None:
    with machines(2) as found, Pool(squared, 2) as pool:
        answers, again = {}, None
        for number, answer in pool.outcomes(range(40)):
            answers[number] = answer
            if len(answers) == 5:
                found.close()
                again = Machines(2, int(found.address.rpartition(":")[2]))
    assert again is not None
    again.close()
    answers.pop(3)
    assert answers == {number: number * number for number in range(40) if number != 3}


def test_a_job_that_left_its_folder_on_another_machine_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobWork, "_run", lambda *_: "answered, and written where nobody here sees it")
    swept = cxsim.sweep("company.margin=.2", "hydra/launcher=basic", **TINY)
    assert list(swept.jobs["status"]) == ["failed"]
    assert "is not shared with the machine" in swept.jobs["why"][0]


@pytest.mark.slow
def test_a_poisonous_item_is_given_up_alone() -> None:
    with machines(8), Pool(deadly, 2) as pool:
        answers = dict(pool.outcomes(range(3)))
    assert answers[0] == 0
    assert answers[2] == 2
    assert "was killed" in str(answers[1])


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://10.0.0.1:8786", "CXSIM_SCHEDULER: tcp://10.0.0.1:8786 is not encrypted; tls://HOST:8786, or a"),
        ("nowhere", "CXSIM_SCHEDULER: nowhere is no address of a scheduler; tls://HOST:8786"),
        ("tcp://127.0.0.1:1", "CXSIM_SCHEDULER: no scheduler answers at tcp://127.0.0.1:1; start one with: dask"),
    ],
)
def test_a_scheduler_that_cannot_be_used_is_told_in_a_line(
    address: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(cluster.SCHEDULER, address)
    monkeypatch.setattr(cluster, "CONNECT", 0.0)
    words = [f"{key}={value}" for key, value in TINY.items()]
    assert cli.main(["run", *words, "hydra.run.dir=out"]) == cli.BAD_INPUT
    assert said in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.slow
def test_a_run_and_a_sweep_on_other_machines_have_the_bytes_of_this_one() -> None:
    here = cxsim.run(folder="here", **TINY)
    swept = cxsim.sweep("company.margin=.2,.3", folder="swept_here", **TINY)
    with machines(2):
        there = cxsim.run(folder="there", **TINY)
        cxsim.sweep("company.margin=.2,.3", "hydra/launcher=local", folder="swept_there", **TINY)
    assert differing(here.folder, there.folder, but=("provenance.json", "manifest.json")) == []
    assert len(swept.runs) == 2
    for key in swept.runs:
        pair = (Path(name) / "jobs" / key for name in ("swept_here", "swept_there"))
        assert differing(*pair, but=("provenance.json", "manifest.json")) == []
    launched = cxsim.sweep("company.margin=.2,.3", "hydra/launcher=dask", folder="swept_by_dask", **TINY)
    assert list(launched.jobs["status"]) == ["done", "done"]
