"""`cxsim.run`, `cxsim.sweep`, `cxsim.load`: the command line's answers, and a process that is as it was afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import conf
import cxsim
from cxsim import cli, runs
from cxsim.compose import Asked, words_of
from cxsim.progress import NotebookLine, Progress, in_notebook
from sim.config.settings import resolved
from sim.run.provenance import ROOT
from tests.folders import differing

SCENARIOS = sorted(path.stem for path in (Path(conf.__file__).parent / "scenario").glob("*.yaml"))
TINY: dict[str, Any] = {
    "customers": 300, "days": 28, "burn_in": 30, "replications": 2, "threads": 1, "arms": "total"
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# -- the same keys, the same answer ------------------------------------------------------------------------------

QUICK = ("baseline", "norush_coupon", "norush_coupon_peak", "free_shipping_threshold")
"""Nothing, one intervention, keys put otherwise in both arms, numbers with ranges."""

EACH = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in SCENARIOS]


@pytest.mark.parametrize("scenario", EACH)
def test_the_face_asks_what_the_command_line_asks(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every shipped scenario, with a key put at a value that some of them put otherwise in both arms."""
    wanted: list[Asked] = []

    def noted(asked: Asked) -> Path:
        wanted.append(asked)
        raise cxsim.ConfigError("enough")

    monkeypatch.setattr(runs, "_answered", noted)
    words = [f"scenario={scenario}", "company.capacity=1.5", "seed=7", "company.margin={mean: .3, se: .01}"]
    assert cli.main(["run", *words]) == cli.BAD_INPUT
    keys = {"scenario": scenario, "seed": 7, "company": {"capacity": 1.5, "margin": {"mean": 0.3, "se": 0.01}}}
    for given, named in (([], keys), (words, {}), (words[:2], {key: keys[key] for key in ("seed", "company")})):
        with pytest.raises(cxsim.ConfigError, match="enough"):
            cxsim.run(*given, **named)
    typed, *called = (resolved(asked.settings) for asked in wanted)
    assert typed["company"]["capacity"] == 1.5
    assert called == [typed] * 3


@pytest.mark.parametrize(
    ("scenario", "days"), [("norush_coupon_peak", 200), pytest.param("muji_voc", 28, marks=pytest.mark.slow)]
)
def test_the_same_keys_give_the_same_bytes(scenario: str, days: int) -> None:
    words = [f"{key}={value}" for key, value in (TINY | {"days": days}).items()]
    ratio = "company.capacity=1.5"
    assert cli.main(["run", f"scenario={scenario}", ratio, *words, "hydra.run.dir=typed"]) == cli.OK
    run = cxsim.run(folder="called", scenario=scenario, company={"capacity": 1.5}, **TINY | {"days": days})
    assert differing(Path("typed"), Path("called")) == []
    assert differing(Path("called"), Path("typed")) == []
    assert run.config["company"]["capacity"] == 1.5
    assert run.folder == Path("called").resolve()


@pytest.mark.usefixtures("unpictured")
def test_a_sweep_is_the_command_lines(capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"{key}={value}" for key, value in TINY.items()]
    axes = ("company.margin=.2,.3", "hydra/launcher=basic")
    assert cli.main(["run", "-m", *axes, *words]) == cli.OK
    before = {path: path.stat().st_mtime_ns for path in Path("sweeps").rglob("config.yaml")}
    sweep = cxsim.sweep(*axes, **TINY)
    assert capsys.readouterr().out.splitlines()[-1] == str(sweep.folder.relative_to(Path.cwd()))
    assert {path: path.stat().st_mtime_ns for path in Path("sweeps").rglob("config.yaml")} == before
    assert list(sweep.jobs["status"]) == ["done", "done"]
    assert [run.config["company"]["margin"] for run in sweep.runs.values()] == [0.2, 0.3]
    key, first = next(iter(sweep.runs.items()))
    mine = sweep.table[sweep.table["job"] == key]
    assert np.array_equal(mine["effect"], first.effects["effect"], equal_nan=True)
    assert set(mine["company.margin"]) == {0.2}

    more = cxsim.sweep("company.margin=.2", "customers=5,300", *axes[1:], folder=sweep.folder, **without("customers"))
    assert sorted(more.jobs["status"]) == ["done", "failed"]
    assert set(more.table["job"]) == {key}
    assert len(cxsim.load(sweep.folder).jobs) == 3
    assert "customers: 5 is not allowed" in more._repr_html_()
    assert first.report.is_file()


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in TINY.items() if name != key}


@pytest.mark.usefixtures("unpictured")
def test_a_run_is_read_again_as_it_was_returned() -> None:
    run = cxsim.run(**TINY | {"language": "ja", "arms": "all"})
    again = cxsim.load(run.folder)
    assert isinstance(again, cxsim.Run)
    for name in ("effects", "daily", "customers", "events"):
        assert len(getattr(run, name)) > 0
        assert getattr(run, name).equals(getattr(again, name))
    assert (again.verdict, again.config, again.report) == (run.verdict, run.config, run.report)
    assert run.report.read_text().startswith("<!DOCTYPE html>")
    assert not run.verdict.isascii()  # in the run's language, whatever is told around it
    shown = run._repr_html_()
    assert run.verdict[:20] in shown
    assert str(Path.cwd()) not in shown


def test_keywords_are_words() -> None:
    keys = {
        "customers": np.int64(500), "scenario": ("a", "b"), "company": {"margin": np.float64(0.1), "name": "our shop"},
        "sweep": None, "draws": np.array([0, 2]),
    }  # fmt: skip
    assert words_of(["company.margin={mean: .3, se: .01}", "seed=1"], keys) == [
        "++company.margin={mean: .3, se: .01}", "seed=1", "customers=500", "scenario=[a,b]",
        "++company={margin:0.1,name:'our shop'}", "sweep=null", "draws=[0,2]",
    ]  # fmt: skip


# -- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cxsim.run(customers=3), "customers: 3 is not allowed"),
        (lambda: cxsim.run(customrs=300), "did you mean customers"),
        (lambda: cxsim.run(company={"capacty_ratio": 1.5}), "did you mean capacity"),
        (lambda: cxsim.run(scenario="norush_cupon"), "did you mean norush_coupon"),
        (lambda: cxsim.run("customers 300"), "not of the form key=value"),
        (lambda: cxsim.run("seed=1,2"), "several values"),
        (lambda: cxsim.run(seed=object()), "seed"),
        (lambda: cxsim.run(config_dir="nowhere"), "is not a folder"),
        (lambda: cxsim.run(folder=__file__, **TINY), "exists and is not empty"),
        (lambda: cxsim.sweep("customers=3,4"), "customers: 3 is not allowed"),
        (lambda: cxsim.load("nowhere"), "no such run folder"),
        (lambda: cxsim.load("."), "not a run folder"),
        (lambda: cxsim.Run(".").effects, "not a run folder"),
        (lambda: cxsim.Sweep(".").table, "sweep.parquet"),
    ],
)
def test_errors_are_of_one_kind_and_one_line(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(cxsim.ConfigError) as error:
        call()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_full_disk_is_said_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr("sim.run.experiment.run_experiment", full)
    with pytest.raises(cxsim.ConfigError, match=r"^somewhere: No space left on device$"):
        cxsim.run(**TINY)
    assert list(Path().iterdir()) == []


def test_a_script_without_a_guard_is_told_so() -> None:
    Path("script.py").write_text("import cxsim\ncxsim.run(customers=300, days=28, burn_in=30, threads=2)\n")
    done = script("script.py")
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1  # the workers are silent
    assert 'if __name__ == "__main__":' in done.stderr.splitlines()[-1]
    assert "bootstrapping" not in done.stderr
    assert not any(path.is_file() for path in Path("runs").rglob("*"))


def script(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


# -- a process that goes on --------------------------------------------------------------------------------------

AS_BEFORE = '''
import locale, logging, multiprocessing, os, random, signal, sys, threading, warnings
import matplotlib, numpy, pandas, scipy.sparse, scipy.special  # which add filters of warnings when they are imported
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime
from omegaconf import OmegaConf
from omegaconf.basecontainer import BaseContainer
import cxsim
from analysis.style.language import language

def state():
    loggers = [logging.getLogger(name) for name in (None, "hydra", "matplotlib.font_manager", "numba", "mesa")]
    return {
        "start method": multiprocessing.get_start_method(allow_none=True),
        "Hydra": (GlobalHydra.instance().hydra, HydraConfig.instance().cfg, JobRuntime.instance().get("name")),
        "resolvers": dict(BaseContainer._resolvers),
        "logging": [(one.level, list(one.handlers), one.disabled) for one in loggers],
        "language": language(), "locale": locale.setlocale(locale.LC_ALL),
        "environment": dict(os.environ), "folder": os.getcwd(),
        "matplotlib": (dict(matplotlib.rcParams), matplotlib.get_backend()),
        "warnings": list(warnings.filters),
        "chance": (random.getstate(), numpy.random.get_state()[1].tolist()),
        "numbers": numpy.geterr(), "tables": pandas.get_option("display.max_rows"),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "threads": threading.active_count(),
    }

if __name__ == "__main__":
    os.makedirs("theirs"), open("theirs/config.yaml", "w").write("a: ${now:1}\\n")
    initialize_config_dir(os.path.abspath("theirs"), job_name="theirs", version_base="1.2")
    OmegaConf.register_new_resolver("now", lambda _: "theirs", replace=True)
    small = dict(customers=300, days=28, burn_in=30, replications=2, arms="total")
    before = state()
    if sys.argv[1] == "alone":
        cxsim.run(threads=2, language="ja", folder="one", **small)
    else:
        several = [
            threading.Thread(target=cxsim.run, kwargs=dict(folder="two", threads=1, **small)),
            threading.Thread(
                target=cxsim.sweep, args=("seed=1,2", "hydra/launcher=basic"), kwargs=dict(language="ja", **small)
            ),
        ]
        for thread in several:
            thread.start()
        for thread in several:
            thread.join()
    after = state()
    print([name for name in before if before[name] != after[name]], compose("config").a)
    told = cxsim.load("one" if sys.argv[1] == "alone" else "two").verdict
    print(*sorted(os.listdir()), "in English" if told.isascii() else "in Japanese")
'''


@pytest.mark.parametrize(
    ("how", "made"),
    [
        ("alone", "as_before.py one theirs in Japanese"),
        pytest.param("in threads", "as_before.py sweeps theirs two in English", marks=pytest.mark.slow),
    ],
)
def test_a_run_leaves_the_process_as_it_was(how: str, made: str) -> None:
    Path("as_before.py").write_text(AS_BEFORE)
    done = script("as_before.py", how)
    assert done.returncode == 0, done.stderr
    changed, there = done.stdout.splitlines()
    assert changed == "[] theirs"
    assert there == made


LEAK = '''
import gc, sys, tempfile, cxsim
from agents.customer import Customer
from sim.world.model import CXModel

def held():
    gc.collect()
    objects = gc.get_objects()
    models = sum(isinstance(one, CXModel | Customer) for one in objects)
    resident = int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
    return models, len(objects), resident

engine, runs = sys.argv[1], int(sys.argv[2])
small = dict(customers=300, days=28, burn_in=30, replications=2, threads=1, arms="total", engine=engine)
for number in range(runs):
    with tempfile.TemporaryDirectory() as folder:
        run = cxsim.run(folder=folder, seed=number, **small)
    if number >= 1:
        print(*held())
'''


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads resident memory from /proc")
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["column", "agent"])
def test_many_runs_in_one_process_hold_memory_level(engine: str) -> None:
    """No model, and no agent of one, outlives its run; later runs add no objects, and over 50 of them no memory.

    A run of 300 agents keeps some 3 MB where its models live on: 50 would add 150 MB. That a market is given back is
    held by tests/properties/test_memory.py in the ordinary suite.
    """
    runs = 50
    Path("leak.py").write_text(LEAK)
    done = script("leak.py", engine, str(runs))
    assert done.returncode == 0, done.stderr
    models, objects, resident = zip(*(map(float, line.split()) for line in done.stdout.splitlines()), strict=True)
    assert set(models) == {0.0}
    assert objects[-1] - objects[1] < 100 * (runs - 3) + 100
    assert resident[-1] - resident[1] < 30.0


def test_progress_in_a_notebook_is_one_line_that_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[tuple[str, str]] = []

    class Shown:
        def update(self, line: dict[str, str], raw: bool) -> None:
            lines.append(("again", line["text/plain"]))

    def display(line: dict[str, str], raw: bool, display_id: bool) -> Shown:
        lines.append(("first", line["text/plain"]))
        return Shown()

    ipython, shell = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: type("Shell", (), {"kernel": "a kernel"})()  # type: ignore[attr-defined]
    shell.display = display  # type: ignore[attr-defined]
    assert not in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shell)
    assert in_notebook()
    progress = Progress(NotebookLine(), clock=lambda: 0.0)
    for done in (0, 1, 2):
        progress(done, 2, "simulating")
    progress.close()
    said = ["simulating 0/2", "simulating 1/2, about 0 s left", "simulating 2/2"]
    assert lines == list(zip(["first", "again", "again"], said, strict=True))
