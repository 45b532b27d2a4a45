"""`cxsim run -m`: what is planned, what is done, what goes on after whatever died."""

from __future__ import annotations

import csv
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock

from cxsim import cli
from cxsim.compose import JobComposer, compose, composer, settings_of
from sim.config.settings import resolved
from sim.phrases import ConfigError
from sim.run.workers import Pool, WorkerDied
from sim.studies import sweep as sweeps
from sim.studies.sweep import LOCKS, held, job_key, points
from tests.config.compose import shipped
from tests.config.items import doubled, together

TINY = ["customers=400", "days=28", "burn_in=30", "replications=2", "arms=total"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def table(folder: str | Path = "it") -> list[dict[str, str]]:
    with (Path(folder) / "jobs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    """What a sweep's folder holds, but for provenance and locks."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "provenance.json"]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in files if LOCKS not in path.parts
    }


# -- designs ----------------------------------------------------------------------------------------------------


def test_points_grid_and_samples_combine() -> None:
    sweep = {
        "points": [{"customers": 1000, "days": 30}, {"customers": 2000, "days": 60}],
        "grid": {"seed": [1, 2, 3], "scenario": ["norush_coupon", ["norush_coupon", "peach_popup"]]},
        "sample": {"size": 4, "ranges": {"company.margin": "own", "company.message_cap": [1, 5]}},
    }
    found = points(sweep, shipped())
    assert len(found) == 2 * 6 * 4
    assert {(point["customers"], point["days"]) for point in found} == {(1000, 30), (2000, 60)}
    margins = sorted({point["company.margin"] for point in found})
    # one margin in each quarter of its own range, 0.15 to 0.5
    assert [int((margin - 0.15) / 0.35 * 4) for margin in margins] == [0, 1, 2, 3]
    assert {type(point["company.message_cap"]) for point in found} == {int}


def test_sobol_points_fill_every_cell_of_a_square() -> None:
    sweep = {"sample": {"method": "sobol", "size": 16, "ranges": {"company.margin": [0.0, 1.0], "b": [0.0, 1.0]}}}
    found = points(sweep, shipped())
    cells = {(int(4 * point["company.margin"]), int(4 * point["b"])) for point in found}
    assert len(cells) == 16  # a (0, 4, 2)-net in base 2: one point in each of the 4 x 4 cells
    assert found == points(sweep, shipped())


def test_blocks_divide_the_draws() -> None:
    found = points({"block": 25}, shipped("replications=60"))
    assert [point["points"] for point in found] == [[0, 25], [25, 50], [50, 60]]


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ({"gird": {}}, ["sweep.gird", "did you mean grid"]),
        ({"grid": {"seed": 3}}, ["sweep.grid.seed", "not a list"]),
        ({"points": "all"}, ["sweep.points", "not a list"]),
        ({"sample": {"ranges": {"company.margin": [0.1, 0.2]}}}, ["sweep.sample.size"]),
        ({"sample": {"size": 5, "method": "sobol", "ranges": {"company.margin": "own"}}}, ["5", "powers of two"]),
        ({"sample": {"size": 4, "method": "sobl", "ranges": {}}}, ["sobl", "did you mean sobol"]),
        ({"sample": {"size": 4, "ranges": {"company.margni": "own"}}}, ["margni", "did you mean company.margin"]),
        ({"sample": {"size": 4, "ranges": {"company.margin": [0.3, 0.2]}}}, ["company.margin", "low below high"]),
        ({"block": 10}, ["sweep.block", "replications"]),
        ({"grid": {"seed": [1]}, "points": [{"seed": 2}]}, ["seed", "swept twice"]),
    ],
)
def test_a_bad_design_is_told(sweep: dict[str, Any], words: list[str]) -> None:
    def read() -> None:
        held(sweep)
        points(sweep, shipped())

    with pytest.raises(ConfigError) as error:
        read()
    assert all(word in str(error.value) for word in words), str(error.value)
    assert "\n" not in str(error.value)


def test_too_many_points_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "MOST_POINTS", 5)
    with pytest.raises(ConfigError, match="6 points are too many; at most 5"):
        points({"grid": {"seed": [1, 2, 3], "days": [30, 60]}}, shipped())


# -- composing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "overrides",
    [
        ["company.margin=0.2", "scenario=peach_popup"],
        ["scenario=[norush_coupon,peach_popup]", "customers=1000", "seed=7"],
        ["scenario=norush_coupon_peak", "company.capacity=1.3"],
        ["~calendar.seasons.year_end", "days=40"],
        ["+calendar.seasons.spring={dates: 04-05..04-07, multiplier: 2}"],
        ["++company.margin={mean: 0.3, se: 0.01, source: own}", "company=quick"],
        ["scenario=norush_coupon", "scenario.norush_coupon.interventions.norush_coupon.face=300"],
    ],
)
def test_a_job_is_composed_as_hydra_composes_it(overrides: list[str]) -> None:
    with composer(None) as hydra:
        fast = JobComposer(hydra, "config", [])
        fast.settings(["scenario=peach_popup"])
        found = fast.settings(overrides)
        config = compose(hydra, overrides)
        assert resolved(found) == resolved(settings_of(config, config.hydra))
        assert resolved(fast.settings(overrides)) == resolved(found)


def test_a_key_names_what_the_answer_depends_on() -> None:
    same = [job_key(shipped(*words)) for words in ([], ["threads=1"], ["engine=agent"], ["language=ja"])]
    changed = (["seed=2"], ["company.margin=0.31"], ["points=[0,1]", "replications=2"])
    others = [job_key(shipped(*words)) for words in changed]
    assert len(set(same)) == 1
    assert len({*same, *others}) == 4


# -- running -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("launcher", ["basic", "local"])
def test_a_sweep_runs_what_is_missing(launcher: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "-m", *TINY, f"hydra/launcher={launcher}", "hydra.sweep.dir=it"]
    assert cli.main([*words, "company.margin=0.2,0.4"]) == cli.OK
    first = {path: path.stat().st_mtime_ns for path in Path("it/jobs").rglob("*")}
    assert [row["status"] for row in table()] == ["done", "done"]
    assert capsys.readouterr().out.count("done    company.margin=0.") == 2

    assert cli.main([*words, "company.margin=0.2,0.3,0.4"]) == cli.OK
    again = {path: path.stat().st_mtime_ns for path in Path("it/jobs").rglob("*")}
    assert first.items() <= again.items()  # nothing that was done is touched
    assert [row["company.margin"] for row in table()] == ["0.2", "0.4", "0.3"]
    out = capsys.readouterr().out
    assert out.count("done    company.margin=") == 1
    assert out.endswith("3 of 3 jobs done; cxsim sweep-report it shows them\nit\n")

    answers = pd.read_parquet("it/sweep.parquet")
    assert set(answers["company.margin"]) == {0.2, 0.3, 0.4}
    assert answers.groupby("job").size().nunique() == 1
    assert not answers.duplicated(["job", "metric", "segment", "estimand", "intervention"]).any()


def test_the_same_command_finds_its_folder_again() -> None:
    words = ["run", "-m", *TINY, "hydra/launcher=basic", "seed=1,2"]
    for order in (words, [*words[:2], *reversed(words[2:])]):
        assert cli.main(order) == cli.OK
    (folder,) = Path("sweeps").iterdir()
    assert folder.name.startswith("seed-")
    assert len(table(folder)) == 2
    assert cli.main([*words[:-1], "seed=1,3"]) == cli.OK
    assert len(list(Path("sweeps").iterdir())) == 2


def test_a_sweep_file_from_a_folder_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    Path("own/sweep").mkdir(parents=True)
    Path("own/sweep/pairs.yaml").write_text(
        "set: {customers: 400, days: 28, burn_in: 30, replications: 2, arms: total}\n"
        "points:\n"
        "- {company.margin: 0.2, company.capacity_ratio: 1.1}\n"
        "- {company.margin: 0.4, company.capacity_ratio: 1.5}\n"
    )
    words = ["run", "-m", "--config-dir", "own", "sweep=pairs", "hydra/launcher=basic", "hydra.sweep.dir=it"]
    assert cli.main([*words, "seed=1,2", "customers=500"]) == cli.OK
    found = [(row["seed"], row["company.margin"], row["company.capacity_ratio"]) for row in table()]
    assert found == [("1", "0.2", "1.1"), ("1", "0.4", "1.5"), ("2", "0.2", "1.1"), ("2", "0.4", "1.5")]
    config = (next(Path("it/jobs").iterdir()) / "config.yaml").read_text()
    assert "customers: 500" in config  # the command line stands above what the file holds
    assert "days: 28" in config

    assert cli.main([*words, "company.margin=0.3"]) == cli.BAD_INPUT
    assert "company.margin: is swept by the sweep file and given by hand" in capsys.readouterr().err


def test_a_sweep_file_needs_a_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", *TINY, "sweep=slack"]) == cli.BAD_INPUT
    assert "sweep=slack: many runs need -m" in capsys.readouterr().err
    assert cli.main(["run", "-m", *TINY, "sweep=slak"]) == cli.BAD_INPUT
    assert "sweep=slak: no such sweep" in capsys.readouterr().err


@pytest.mark.parametrize("launcher", ["basic", "local"])
def test_a_job_that_fails_is_lost_alone(launcher: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "-m", *TINY[1:], "customers=5,400", f"hydra/launcher={launcher}", "hydra.sweep.dir=it"]
    assert cli.main(words) == cli.MOVED
    assert [(row["customers"], row["status"]) for row in table()] == [("5", "failed"), ("400", "done")]
    assert "customers: 5 is not allowed" in table()[0]["why"]
    assert "customers: 5 is not allowed" in capsys.readouterr().err
    assert set(pd.read_parquet("it/sweep.parquet")["customers"]) == {400}


def test_a_job_at_which_somebody_else_is_is_waited_for() -> None:
    words = ["run", "-m", *TINY, "seed=1,2", "hydra/launcher=basic", "hydra.sweep.dir=it"]
    key = job_key(shipped(*TINY, "seed=2"))
    Path("it", LOCKS).mkdir(parents=True)
    other = FileLock(Path("it", LOCKS, key), thread_local=False)
    other.acquire()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        assert not Path("it/jobs", key).exists()
        other.release()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", sleep)
        assert cli.main(words) == cli.OK
    assert slept
    assert [row["status"] for row in table()] == ["done", "done"]


# -- dying --------------------------------------------------------------------------------------------------------

SWEEP = [*TINY, "scenario=norush_coupon,peach_popup", "seed=1,2", "hydra.sweep.dir=it"]


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """A sweep in a process group of its own."""
    command = [sys.executable, "-m", "cxsim", "run", "-m", *SWEEP, *words]
    environment = os.environ | {"PYTHONPATH": str(cli_root())}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


def cli_root() -> Path:
    return Path(cli.__file__).resolve().parents[2]


def workers_of(parent: int) -> list[int]:
    """Processes below a sweep that do jobs."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
            command = stat.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if int(text.rpartition(")")[2].split()[1]) == parent and b"spawn_main" in command:
            found.append(int(stat.parent.name))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """What an undisturbed sweep comes to, and the seconds it takes once everything is compiled."""
    folder = tmp_path_factory.mktemp("calm")
    assert start(folder, "seed=3").wait() == cli.OK
    started = time.monotonic()
    assert start(folder).wait() == cli.OK
    return contents(folder / "it" / "jobs"), time.monotonic() - started


def ends_as(expected: dict[str, bytes], folder: Path) -> bool:
    """Whether the same command, given again, ends with the same bytes, nothing half there."""
    assert start(folder).wait() == cli.OK
    found = contents(folder / "it")
    jobs = {name.removeprefix("jobs/"): text for name, text in found.items() if name.startswith("jobs/")}
    return all(jobs[name] == expected[name] for name in jobs) and not [name for name in found if ".part" in name]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through /proc")
@pytest.mark.parametrize("kill", range(10))
def test_a_killed_sweep_ends_with_the_same_bytes(kill: int, calm: Any, tmp_path: Path) -> None:
    expected, seconds = calm
    sweep = start(tmp_path)
    time.sleep(seconds * random.Random(kill).random())
    workers = workers_of(sweep.pid)
    sweep.kill()
    sweep.wait()
    deadline = time.monotonic() + 10.0
    while any(alive(pid) for pid in workers):
        assert time.monotonic() < deadline, "a worker outlived its sweep"
        time.sleep(0.05)
    assert ends_as(expected, tmp_path)
    assert len(table(tmp_path / "it")) == 4


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through /proc")
@pytest.mark.parametrize("kill", range(5))
def test_a_killed_worker_costs_its_job_alone(kill: int, calm: Any, tmp_path: Path) -> None:
    expected, seconds = calm
    sweep = start(tmp_path)
    while not (workers := workers_of(sweep.pid)):
        assert sweep.poll() is None
        time.sleep(0.02)
    time.sleep(0.6 * seconds * random.Random(100 + kill).random())
    for pid in workers[:1]:
        os.kill(pid, signal.SIGKILL)
    status = sweep.wait(timeout=300)
    rows = [row for row in table(tmp_path / "it") if row["status"] != "done"]
    assert status == (cli.MOVED if rows else cli.OK)
    assert len(rows) <= 1
    assert all(row["status"] == "died" and "was killed" in row["why"] for row in rows)
    assert ends_as(expected, tmp_path)


def test_two_sweeps_at_once_do_each_job_once(tmp_path: Path) -> None:
    sweeps = [start(tmp_path, "hydra/launcher=basic") for _ in range(2)]
    told = b"".join(sweep.communicate(timeout=300)[0] for sweep in sweeps)
    assert [sweep.returncode for sweep in sweeps] == [cli.OK, cli.OK], told.decode()
    rows = table(tmp_path / "it")
    assert [row["status"] for row in rows] == ["done"] * 4
    assert len(json.loads((tmp_path / "it/sweep.json").read_text())["jobs"]) == 4
    assert not list((tmp_path / "it").rglob("*.part"))


def test_a_killed_worker_costs_its_item_alone() -> None:
    with Pool(doubled, 2) as pool:
        found = dict(pool.outcomes(range(8)))
    assert isinstance(found[3], WorkerDied)
    assert isinstance(found[4], ValueError)
    assert {number: found[number] for number in found if number not in (3, 4)} == {
        number: 2 * number for number in (0, 1, 2, 5, 6, 7)
    }


def test_items_that_do_not_fit_into_memory_wait() -> None:
    def begun(budget: float) -> float:
        with Pool(together, 2, memory=lambda _: 1.0, budget=budget) as pool:
            list(pool.outcomes(["start", "up"]))
            times = sorted(answer for _, answer in pool.outcomes(["a", "b"]) if isinstance(answer, float))
        return times[1] - times[0]

    assert begun(1.5) >= 0.2  # one after the other
    assert begun(2.0) < 0.2


def test_settings_in_both_orders_are_one_job() -> None:
    words = ["company.margin=0.2", "seed=3", "days=60"]
    assert len({job_key(shipped(*order)) for order in itertools.permutations(words)}) == 1
