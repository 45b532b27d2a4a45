"""An install that holds: strangers in our place, examples, kinds of one's own, caches without a home, wheels.

The slow tests make virtual environments and need a registry: `pytest -m slow tests/config/test_install.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.compiled import cache_folder
from cxsim import cli, guard
from sim.run.provenance import ROOT

KIND = '''"""Nothing but a kind of its own."""

from scenarios.intervention import register
from scenarios.delivery import NorushCoupon


@register("{name}")
class Own(NorushCoupon):
    """The no-rush coupon under another name."""
'''
SCENARIO = """# @package scenario.ours
description: A kind of our own.
interventions:
  ours:
    kind: {name}
    face: 150
    valid_days: 30
"""
SMALL = [
    "scenario=ours",
    "customers=300",
    "days=30",
    "burn_in=30",
    "replications=2",
    "arms=total",
    "threads=1",
    "events=0",
]


def cxsim(
    words: list[str], folder: Path, python: Path | str = sys.executable, **extra: str
) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    environment = {**os.environ, **extra}
    return subprocess.run(
        [str(python), "-m", "cxsim", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


# -- strangers ------------------------------------------------------------------------------------------------------


def test_a_package_that_writes_over_ours_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in guard.PACKAGES:
        (tmp_path / name).mkdir()
        shutil.copy(ROOT / name / "__init__.py", tmp_path / name)
    monkeypatch.setattr(guard, "_ROOT", tmp_path)
    monkeypatch.setattr(
        guard, "find_spec", lambda name: type("Spec", (), {"submodule_search_locations": [str(tmp_path / name)]})
    )
    guard.refuse_strangers()
    (tmp_path / "agents" / "__init__.py").write_text('"""Agents of somebody else."""\n')
    for words in ([], ["run"], ["--version"], ["scenarios"]):
        assert cli.main(words) == 2
        told = capsys.readouterr().err
        assert "another package has written over" in told
        assert "install cxsim again" in told
    (tmp_path / "agents" / "__init__.py").unlink()
    with pytest.raises(guard.ForeignPackage):
        guard.refuse_strangers()


@pytest.mark.parametrize("name", guard.PACKAGES)
def test_a_package_that_hides_ours_is_told_in_a_line(name: str, tmp_path: Path) -> None:
    """Python finds packages of the current folder first."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    done = cxsim(["scenarios"], tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"another package of that name, at {tmp_path / name}, hides it" in done.stderr


# -- examples -------------------------------------------------------------------------------------------------------


def test_examples_are_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["examples", "mine"]) == 0
    ours = {
        path.relative_to(ROOT / "examples")
        for path in (ROOT / "examples").rglob("*")
        if "__pycache__" not in path.parts
    }
    assert {path.relative_to(tmp_path / "mine") for path in (tmp_path / "mine").rglob("*")} == ours
    assert cli.main(["examples", "mine"]) == 2
    assert "mine" in capsys.readouterr().err
    monkeypatch.setattr("cxsim.cli.folders.shipped", lambda name: None)
    assert cli.main(["examples", "other"]) == 2
    assert not (tmp_path / "other").exists()


def test_a_wheel_takes_every_example() -> None:
    files = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["data-files"]
    landed = {Path(place, path.name) for place, some in files.items() for one in some for path in ROOT.glob(one)}
    examples = [path for path in (ROOT / "examples").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {"share/cxsim" / path.relative_to(ROOT) for path in examples} <= landed


# -- kinds of one's own -----------------------------------------------------------------------------------------------


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of a user's own: a scenario of a kind that the folder's own module registers."""
    (tmp_path / "mine" / "scenario").mkdir(parents=True)
    (tmp_path / "mine" / "interventions").mkdir()
    (tmp_path / "mine" / "scenario" / "ours.yaml").write_text(SCENARIO.format(name="ours"))
    (tmp_path / "mine" / "interventions" / "ours.py").write_text(KIND.format(name="ours"))
    return tmp_path


def test_code_of_a_folder_runs_only_when_asked(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(mine)
    assert cli.main(["run", "--config-dir", "mine", *SMALL, "hydra.run.dir=out"]) == 2
    assert "is no registered intervention" in capsys.readouterr().err
    assert not (mine / "out").exists()
    words = ["run", "--config-dir", "mine", "--own-code", *SMALL, "threads=2", "hydra.run.dir=out"]
    done = cxsim(words, mine)  # in workers too
    assert done.returncode == 0, done.stderr
    assert "ours" in (mine / "out" / "effects.csv").read_text()


@pytest.mark.usefixtures("unpictured")
def test_an_answer_hangs_on_the_code_of_a_folder(
    mine: Path, monkeypatch: pytest.MonkeyPatch, forget_kinds: Callable[[], None]
) -> None:
    monkeypatch.chdir(mine)
    digests = []
    for number in range(2):
        with (mine / "mine" / "interventions" / "ours.py").open("a") as file:
            file.write(f"# {number}\n")
        assert cli.main(["run", "--config-dir", "mine", "--own-code", *SMALL, f"hydra.run.dir=out{number}"]) == 0
        forget_kinds()  # as another process would know none
        digests.append(json.loads((mine / f"out{number}" / "provenance.json").read_text())["inputs_sha256"])
    assert digests[0] != digests[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--own-code"], "--own-code: needs --config-dir"),
        (["--own-code", "--config-dir", "empty"], "has no modules"),
        (["--own-code", "--config-dir", "mine"], "ours.py: cannot be imported: ZeroDivisionError"),
    ],
)
def test_code_that_cannot_run_is_told_in_a_line(mine: Path, words: list[str], told: str) -> None:
    (mine / "empty").mkdir()
    (mine / "mine" / "interventions" / "ours.py").write_text("1 / 0\n")
    done = cxsim(["run", *words, *(SMALL if "mine" in words else ["customers=300"]), "hydra.run.dir=out"], mine)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert told in done.stderr
    assert not (mine / "out").exists()


def test_kinds_of_an_installed_package(mine: Path) -> None:
    (mine / "site" / "theirs-1.dist-info").mkdir(parents=True)
    (mine / "site" / "theirs.py").write_text(KIND.format(name="theirs"))
    about = {
        "METADATA": "Metadata-Version: 2.1\nName: theirs\nVersion: 1\n",
        "entry_points.txt": "[cxsim.interventions]\na = theirs\n",
    }
    for name, text in about.items():
        (mine / "site" / "theirs-1.dist-info" / name).write_text(text)
    (mine / "mine" / "scenario" / "ours.yaml").write_text(SCENARIO.format(name="theirs"))
    done = cxsim(["run", "--config-dir", "mine", *SMALL, "hydra.run.dir=out"], mine, PYTHONPATH=str(mine / "site"))
    assert done.returncode == 0, done.stderr


# -- where no home can be written ------------------------------------------------------------------------------------


def test_without_a_home_compiled_code_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "no folder").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no folder"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    first = cache_folder(ROOT)
    assert str(first.parent) in capsys.readouterr().err
    assert first.is_relative_to(tmp_path / "temporary")
    assert cache_folder(ROOT) == first
    assert capsys.readouterr().err == ""


def test_compiled_code_of_old_sources_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for number in range(9):
        (tmp_path / "cxsim" / str(number)).mkdir(parents=True)
        os.utime(tmp_path / "cxsim" / str(number), (1e9 + number, 1e9 + number))
    (tmp_path / "cxsim" / "in use").mkdir()
    kept = {cache_folder(ROOT).name, "in use", "8", "7"}
    assert {path.name for path in (tmp_path / "cxsim").iterdir()} == kept


def test_a_cache_that_others_may_write_is_not_used_and_its_stand_in_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled code runs. The stand-in is this command's alone, and its workers inherit it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("cxsim", f"cxsim-cache-{os.getuid()}"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
    found = cache_folder(ROOT)
    assert found.parent == tmp_path
    assert found.stat().st_mode & 0o777 == 0o700
    assert os.environ["NUMBA_CACHE_DIR"] == str(found)


# -- installs (slow) ---------------------------------------------------------------------------------------------------


def interpreters() -> list[str]:
    """The interpreters of this machine that cxsim is for."""
    names = [f"python3.{minor}" for minor in (11, 12, 13)]
    works = [
        name
        for name in names
        if shutil.which(name) and not subprocess.run([name, "-c", ""], capture_output=True).returncode
    ]
    return works


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of a new environment, with pip. Skips where pip can download nothing."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    found = tmp_path / "env" / "bin" / "python"
    command = [found, "-m", "pip", "download", "-q", "--no-deps", "--retries", "0", "-d", tmp_path, "filelock"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip can download nothing here: {done.stderr.strip().splitlines()[-1]}")
    return found


@pytest.mark.slow
def test_a_wheel_holds_nothing_that_an_earlier_build_left(python: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT, tmp_path / "copy", ignore=shutil.ignore_patterns(".*", "build", "*.egg-info", "runs"))
    left = tmp_path / "copy" / "build" / "lib" / "agents" / "left_over.py"
    left.parent.mkdir(parents=True)
    left.touch()
    command = [python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, tmp_path / "copy"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("cxsim-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "agents/day.py" in names
    assert "agents/left_over.py" not in names


@pytest.mark.slow
@pytest.mark.usefixtures("python")
@pytest.mark.parametrize("name", interpreters())
def test_without_constraints_on_every_interpreter(name: str, tmp_path: Path) -> None:
    subprocess.run([name, "-m", "venv", tmp_path / "other"], check=True)
    python = tmp_path / "other" / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "-q", ROOT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    held = cxsim(["check", "baseline", "norush_coupon"], tmp_path, python)
    assert held.returncode == 0, held.stdout + held.stderr
    assert held.stdout.count("as recorded") == 2


@pytest.mark.slow
def test_a_wheel_works_by_itself(python: Path, tmp_path: Path) -> None:
    """Elsewhere than in the checkout: recorded answers hold, examples are there, a scenario of one's own runs."""
    command = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", ROOT]
    assert subprocess.run(command, capture_output=True).returncode == 0
    held = cxsim(["check", "baseline"], tmp_path, python)
    assert held.returncode == 0, held.stdout + held.stderr
    assert cxsim(["examples", "mine"], tmp_path, python).returncode == 0
    words = [
        "run",
        "--config-dir",
        "mine/my_scenario",
        "--own-code",
        "scenario=regulars_coupon",
        *SMALL[1:],
        "hydra.run.dir=out",
    ]
    done = cxsim(words, tmp_path, python)
    assert done.returncode == 0, done.stderr
    done = cxsim(["run", *SMALL[1:], "language=ja"], tmp_path, python)
    assert done.returncode == 2
    assert "env/bin/python -m pip install 'matplotlib-fontja" in done.stderr


@pytest.mark.slow
def test_a_wheelhouse_is_enough_without_a_network(python: Path, tmp_path: Path) -> None:
    """As docs/install.md has it, extras apart: the wheel that lies in it, then a checkout, which pip must build."""
    copy, house = tmp_path / "copy", tmp_path / "wheelhouse"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info", "runs"))

    def pip(*words: str | Path, **extra: str) -> None:
        command = [python, "-m", "pip", *words]
        done = subprocess.run(command, cwd=copy, env=os.environ | extra, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    pip("wheel", "-q", "-c", "constraints.txt", "-w", house, ".", "setuptools>=77")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    for words in (["cxsim"], ["-c", "constraints.txt", "-e", "."]):
        pip("install", "--no-index", "--find-links", house, *words, **nowhere)
        done = cxsim(["scenarios"], tmp_path, python, **nowhere)
        assert done.returncode == 0, done.stderr
        assert "norush_coupon" in done.stdout
