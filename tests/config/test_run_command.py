"""The commands around an experiment that only pretends: folders, interruption, sweeps, completion."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import conf
from analysis.effects.answer import write_effects
from cxsim import cli
from cxsim.compose import shown
from cxsim.guard import PACKAGES, refuse_strangers
from cxsim.progress import Progress
from sim.files.disk import drafted
from sim.phrases import ConfigError
from sim.run.provenance import ROOT, git_state, inputs_hash
from tests.analysis.fake_run import make_run
from tests.analysis.fake_sweep import FakeJob, make_sweep
from tests.config.compose import shipped

Experiment = Callable[..., None]
SMALL = ["customers=1000", "days=28", "burn_in=30", "replications=2"]


def pretend(settings: Any, worlds: Any, folder: Path, threads: int, progress: Any, enough: Any) -> None:
    """An experiment's footprint: it reports progress and leaves files."""
    progress(1, 2, "replications")
    (folder / "worlds.json").write_text(json.dumps({name: len(built) for name, built in worlds(settings).items()}))
    (folder / "capacity.txt").write_text(str(settings.company.capacity.value))
    (folder / "config.yaml").write_text(f"language: {settings.language}\n")
    (folder / "measures.parquet").touch()
    progress(2, 2, "replications")


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Experiment], None]:
    """Installs an experiment and an analysis that pretend; works in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    effects, report = ModuleType("analysis.effects.answer"), ModuleType("analysis.report.page")
    effects.write_effects = lambda folder: (folder / "effects.csv").write_text("metric\n")  # type: ignore[attr-defined]
    effects.stable = lambda measures: True  # type: ignore[attr-defined]
    effects.summary_table = lambda folder: "the table"  # type: ignore[attr-defined]
    verdict = ModuleType("analysis.decisions.verdict")
    verdict.told = lambda folder: "the verdict"  # type: ignore[attr-defined]
    report.write_report = lambda folder: (folder / "report.html").write_text("report")  # type: ignore[attr-defined]
    for module in (effects, report, verdict):
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(f"analysis.{module.__name__.partition('.')[2]}", module, raising=False)

    def install(run: Experiment) -> None:
        module = ModuleType("sim.run.experiment")
        module.run_experiment = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "sim.run.experiment", module)

    install(pretend)
    return install


def below(folder: str = ".") -> set[str]:
    return {path.as_posix() for path in Path(folder).rglob("*")}


def test_a_run_appears_whole_and_is_reported(experiment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", *SMALL, "hydra.run.dir=out/answer"]) == 0
    assert below() == {
        "out",
        "out/answer",
        *(f"out/answer/{made}" for made in ("config.yaml", "measures.parquet", "worlds.json", "capacity.txt")),
        *(f"out/answer/{made}" for made in ("effects.csv", "report.html", "provenance.json", "manifest.json")),
    }
    out, err = capsys.readouterr()
    assert out == "the verdict\n\nthe table\n\nout/answer\n"
    assert err.splitlines() == ["replications 1/2", "replications 2/2"]
    found = json.loads(Path("out/answer/provenance.json").read_text())
    assert found["folder"] == str(Path("out/answer").resolve())
    assert found["seed"] == 1
    assert re.fullmatch(r"[0-9a-f]{64}", found["inputs_sha256"])
    assert found["packages"]["numpy"]
    assert Path("out/answer").stat().st_mode & 0o777 == 0o777 & ~current_umask()


def test_a_path_is_told_from_here_where_it_lies_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    (here / "real").mkdir(parents=True)
    (here / "link").symlink_to(tmp_path)
    monkeypatch.chdir(here)
    for given in ("a/b", here / "a/b", "./x/../a/b"):
        assert shown(Path(given)) == "a/b"
    assert (shown(Path()), shown(Path("link/a"))) == (".", "link/a")  # a link that was named stays it
    for given in ("../a", tmp_path / "a"):
        assert shown(Path(given)) == str(tmp_path / "a")
    assert shown(tmp_path / "here-too") == str(tmp_path / "here-too")


@pytest.mark.usefixtures("unpictured")
@pytest.mark.parametrize(
    ("command", "file"), [("report", "report.html"), ("gate", "gate.json"), ("sweep-report", "report.html")]
)
def test_commands_tell_paths_by_one_rule(
    command: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if command == "sweep-report":
        make_sweep(tmp_path / "it", [FakeJob({"scenario": "A"}, {"A": {"ltv": [1.0, 2.0] * 2}})])
    else:
        write_effects(make_run(tmp_path / "it", points=4))
    (tmp_path / "beside").mkdir()
    for here, told in ((tmp_path, f"it/{file}"), (tmp_path / "beside", str(tmp_path / "it" / file))):
        monkeypatch.chdir(here)
        assert cli.main([command, str(tmp_path / "it")]) == cli.OK
        assert capsys.readouterr().out.splitlines()[-1] == told


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_scenarios_combine(experiment: Any) -> None:
    words = ["run", *SMALL, "scenario=[baseline,peach_popup,norush_coupon]", "hydra.run.dir=it"]
    assert cli.main(words) == 0
    worlds = json.loads(Path("it/worlds.json").read_text())
    assert worlds == {"peach_popup": 1, "norush_coupon": 1, "peach_popup+norush_coupon": 2}
    assert cli.main(["run", *SMALL, "scenario=baseline", "hydra.run.dir=alone"]) == 0
    assert json.loads(Path("alone/worlds.json").read_text()) == {}


def test_default_folders_of_one_second_do_not_collide(
    experiment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = "hydra.run.dir"
    monkeypatch.setattr("cxsim.compose.given_by_hand", lambda overrides, key: key != conf)
    for _ in range(3):
        assert cli.main(["run", *SMALL, f"{conf}=runs/now"]) == 0
    assert {path.name for path in Path("runs").iterdir()} == {"now", "now-2", "now-3"}


def test_an_empty_folder_may_be_filled(experiment: Any) -> None:
    Path("empty").mkdir()
    assert cli.main(["run", *SMALL, "hydra.run.dir=empty"]) == 0
    assert Path("empty/report.html").exists()


@pytest.mark.parametrize(
    ("raised", "status", "word"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device", "somewhere"), 2, "somewhere: No space left on device"),
        (ConfigError("too much"), 2, "too much"),
        (MemoryError(), 2, "not enough memory"),
    ],
)
def test_whatever_ends_a_run_early_leaves_nothing(
    experiment: Any, capsys: pytest.CaptureFixture[str], raised: BaseException, status: int, word: str
) -> None:
    def fail(settings: Any, worlds: Any, folder: Path, *_: Any) -> None:
        (folder / "half").touch()
        raise raised

    experiment(fail)
    Path("there").mkdir()
    assert cli.main(["run", *SMALL, "hydra.run.dir=there/new/answer"]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [f"cxsim: {err[7:-1]}"]
    assert word in err
    assert below() == {"there"}


def test_an_error_of_our_own_is_not_hidden(
    experiment: Any, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    state = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    experiment(fail)
    assert cli.main(["run", *SMALL]) == cli.UNEXPECTED
    assert "unexpected error (ZeroDivisionError)" in capsys.readouterr().err
    assert ["ZeroDivisionError" in file.read_text() for file in state.rglob("*.txt")] == [True]
    assert below() == set()


def test_a_place_filled_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    place = tmp_path / "answer"

    def filled_meanwhile() -> None:
        with drafted(place, exact=True) as draft:
            place.mkdir()
            (place / "theirs").touch()
            draft.publish(lambda _: None)

    with pytest.raises(ConfigError, match="filled by somebody else"):
        filled_meanwhile()
    assert {path.name for path in tmp_path.rglob("*")} == {"answer", "theirs"}
    with drafted(place, exact=False) as draft:
        assert draft.publish(lambda _: None) == tmp_path / "answer-2"


def test_what_is_published_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held by the order of calls, since no test can cut the power."""
    done: list[tuple[str, Path]] = []
    rename = os.rename
    path_of = "/proc/self/fd/{}".format
    monkeypatch.setattr(os, "fsync", lambda handle: done.append(("on disk", Path(os.readlink(path_of(handle))))))
    monkeypatch.setattr(os, "rename", lambda one, other: (done.append(("named", Path(other))), rename(one, other)))
    with drafted(tmp_path / "answer", exact=True) as draft:
        (draft.path / "figures").mkdir()
        written = {draft.path / "config.yaml", draft.path / "figures" / "a.svg"}
        for path in written:
            path.touch()
        draft.publish(lambda _: None)
    named = done.index(("named", tmp_path / "answer"))
    assert {("on disk", path) for path in (*written, draft.path, draft.path / "figures")} == {*done[:named]}
    assert done[named + 1 :] == [("on disk", tmp_path)]


def test_config_is_shown_not_run(experiment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--cfg", "job", "customers=1234"]) == 0
    assert "customers: 1234" in capsys.readouterr().out
    assert cli.main(["run", "--help"]) == 0
    assert "scenario: baseline, combo, " in capsys.readouterr().out
    assert below() == set()


def test_own_scenario(experiment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    own = Path("own/scenario/mine.yaml")
    own.parent.mkdir(parents=True)
    own.write_text("# @package scenario.mine\ndescription: Mine alone.\ninterventions: {}\n")
    assert cli.main(["scenarios", "--config-dir", "own"]) == 0
    assert "mine                     Mine alone.\n" in capsys.readouterr().out
    assert cli.main(["run", *SMALL, "--config-dir", "own", "scenario=mine", "hydra.run.dir=it"]) == 0


def test_scenarios_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["scenarios"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shipped_files = (Path(conf.__file__).parent / "scenario").glob("*.yaml")
    assert [line.split()[0] for line in lines] == sorted(path.stem for path in shipped_files)
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("cxsim ru", "run"),
        ("cxsim run engi", "engine="),
        ("cxsim run scenario=peach", "scenario=peach_popup"),
        ("cxsim run customers=5 company.ac", "company.acquisition_cost."),
    ],
)
def test_completion(
    line: str, offered: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    assert cli.main(["-sc", "query=bash"]) == 0
    assert offered in capsys.readouterr().out.split()


def test_completion_can_be_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMP_LINE", raising=False)
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/cxsim", "run", "-sc", "install=bash"])
    assert cli.main(["run", "-sc", "install=bash"]) == 0
    assert "complete -o nospace -o default -F hydra_bash_completion cxsim" in capsys.readouterr().out


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys; from cxsim.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, check=True
    )
    assert "cxsim run" in done.stdout
    heavy = {"numpy", "pandas", "numba", "mesa", "hydra", "matplotlib", "scipy"}
    assert heavy & set(done.stderr.split()) == set()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("cxsim ")


# ------------------------------------------------------------------------------------------- smaller parts


class Terminal:
    def __init__(self, tty: bool) -> None:
        self.tty, self.text = tty, ""

    def isatty(self) -> bool:
        return self.tty

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def test_progress_on_a_terminal_rewrites_one_line() -> None:
    now = iter([0.0, 10.0, 20.0])
    screen = Terminal(tty=True)
    progress = Progress(screen, clock=lambda: next(now))  # type: ignore[arg-type]
    progress(1, 4, "runs")
    progress(4, 4, "runs")
    progress.close()
    assert screen.text.startswith("\rruns 1/4, about 30 s left\rruns 4/4 ")
    assert "\n" not in screen.text


def test_progress_elsewhere_is_a_line_every_tenth() -> None:
    log = Terminal(tty=False)
    progress = Progress(log)  # type: ignore[arg-type]
    for done in range(101):
        progress(done, 100, "runs")
    assert log.text.count("\n") == 11


def test_hash_of_inputs_knows_the_answer_only(tmp_path: Path) -> None:
    settings = shipped()
    one = inputs_hash(settings, tmp_path)
    assert inputs_hash(settings.model_copy(update={"engine": "agent", "threads": 7}), tmp_path) == one
    assert inputs_hash(settings.model_copy(update={"seed": 2}), tmp_path) != one
    changed = tmp_path / "changed"
    (changed / "sim").mkdir(parents=True)
    (changed / "sim/rule.py").write_text("x = 1\n")
    assert inputs_hash(settings, changed) != one


def test_git_state_is_of_a_checkout_of_its_own(tmp_path: Path) -> None:
    assert git_state(tmp_path) == (None, None)
    for words in (
        ["init", "--quiet"],
        ["-c", "user.name=a", "-c", "user.email=a@example.invalid", "commit", "-qm", "x", "--allow-empty"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    git_state.cache_clear()
    commit, dirty = git_state(tmp_path)
    assert commit is not None
    assert re.fullmatch(r"[0-9a-f]{40}", commit)
    assert dirty is False
    (tmp_path / "file").touch()
    git_state.cache_clear()
    assert git_state(tmp_path)[1] is True
    (tmp_path / "library").mkdir()
    assert git_state(tmp_path / "library") == (None, None)


def test_another_package_of_our_name_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refuse_strangers()
    stranger = ModuleType("agents")
    stranger.__spec__ = type(sys)("spec")  # type: ignore[assignment]
    monkeypatch.setattr(
        "cxsim.guard.find_spec",
        lambda name: type("Spec", (), {"submodule_search_locations": [str(tmp_path / name)]}),
    )
    with pytest.raises(ImportError, match="another package of that name"):
        refuse_strangers()
    assert cli.main(["--version"]) == 2
    monkeypatch.setattr("cxsim.guard.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=PACKAGES[0]):
        refuse_strangers()
