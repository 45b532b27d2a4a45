"""`cxsim check`: regression files, records, reports, JUnit; and the shipped set itself."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from analysis.studies import moves
from cxsim import cli
from cxsim.cli import junit
from cxsim.cli.check import _work
from sim.config.settings import Settings
from sim.run.provenance import ROOT
from sim.run.workers import WorkerDied
from sim.studies import regression
from tests.analysis.fake_run import make_run
from tests.config.compose import shipped as settings_under

SHIPPED = ROOT / "conf" / "regression"
EXACT = "description: Mine, to the byte.\noverrides: [scenario=norush_coupon, replications=4, customers=1000]\n"
DRAWS = (
    "description: Mine, but for chance.\ncompare: statistical\n"
    "overrides: [scenario=norush_coupon, replications=16, customers=1000]\n"
)
RECORD = '{"tables": {}, "numbers": {"a": %s}, "history": [], "overrides": []}'
UPDATE = ("--update", "--because", "a better quantile")


class Pretended:
    """Runs that pretend: what they come to follows from these."""

    def __init__(self) -> None:
        self.seed, self.strength = 7, 1.0
        self.raises: dict[int | str, Exception] = {}

    def __call__(self, settings: Settings, worlds: object, folder: Path, threads: int, *_: object) -> None:
        if settings.replications in self.raises:
            raise self.raises[settings.replications]
        assert threads == 1
        size = {"points": int(settings.replications), "days": 28, "customers": 50}
        make_run(folder, seed=self.seed, strength=self.strength, **size)
        # Other draws are a change of the code here, not of the configuration.
        config = folder / "config.yaml"
        config.write_text(re.sub(r"(?m)^seed: .*$", "seed: 7", config.read_text()))


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretended:
    """A folder of one's own with two regression files; runs pretend, in this process."""
    made = Pretended()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sim.studies.regression.run_experiment", made)
    monkeypatch.setattr("cxsim.cli.check.processors", lambda: 1)
    own = tmp_path / "own" / "regression"
    own.mkdir(parents=True)
    (own / "exact.yaml").write_text(EXACT)
    (own / "draws.yaml").write_text(DRAWS)
    return made


@pytest.fixture(scope="module")
def records() -> dict[str, str]:
    """Text of a record that reads well, by name."""
    return {}


@pytest.fixture
def recorded(pretend: Pretended, records: dict[str, str]) -> Pretended:
    """As `pretend`, and both are recorded: once for all tests here."""
    if not records:
        assert mine(*UPDATE) == 0
        records |= {path.name: path.read_text() for path in Path("own/regression").glob("*.json")}
    for name, text in records.items():
        Path("own/regression", name).write_text(text)
    return pretend


def mine(*words: str) -> int:
    return cli.main(["check", "--config-dir", "own", *words])


def record(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"own/regression/{name}.json").read_text())
    return found


def everything() -> dict[str, bytes]:
    return {path.as_posix(): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


# ------------------------------------------------------------------------------------------- check and update


def test_what_is_recorded_is_held(pretend: Pretended, capsys: pytest.CaptureFixture[str]) -> None:
    assert mine(*UPDATE) == 0
    assert capsys.readouterr().out == "draws: recorded; first record\nexact: recorded; first record\n"
    before = everything()
    assert mine() == 0
    assert capsys.readouterr().out == "draws: as recorded\nexact: as recorded\n"
    assert everything() == before


def test_a_move_is_reported(recorded: Pretended, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    recorded.strength = 3.0
    assert mine("--junit", "report.xml") == 1
    draws, exact = capsys.readouterr().out.split("\nexact: ")
    assert draws.startswith("draws: MOVED: ")
    assert re.search(r"\n    norush_coupon \w+ congestion effect: -?[\d,.]+ to ", draws)
    assert exact.startswith("MOVED: other bytes: effects.csv, ")
    sizes = [float(line.split(" = ")[1].split()[0]) for line in exact.splitlines() if " = " in line]
    assert len(sizes) == 10
    assert sizes == sorted(sizes, reverse=True)
    suite = ElementTree.parse("report.xml").getroot()[0]
    assert suite.attrib == {"name": "cxsim check", "tests": "2", "failures": "2", "errors": "0"}
    assert [case.get("name") for case in suite] == ["draws", "exact"]
    assert suite[1][0].tag == "failure"
    assert (suite[1][0].text or "").splitlines()[0] == exact.splitlines()[0]


def test_chance_alone_is_no_move_where_draws_are_compared(
    recorded: Pretended, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.seed = 8
    capsys.readouterr()
    assert mine("draws") == 0
    assert capsys.readouterr().out.startswith("draws: as recorded but for chance; ")
    assert mine("exact") == 1


def test_an_update_keeps_its_reasons(recorded: Pretended, capsys: pytest.CaptureFixture[str]) -> None:
    untouched = everything()
    assert mine("--update", "--because", "nothing at all") == 0
    assert everything() == untouched
    recorded.strength = 3.0
    capsys.readouterr()
    assert mine("exact", "--update", "--because", " a stronger\ncoupon ") == 0
    assert capsys.readouterr().out.startswith("exact: recorded; MOVED: other bytes: ")
    history = record("exact")["history"]
    assert [one["because"] for one in history] == ["a stronger\ncoupon", "a better quantile"]
    assert history[0]["version"] == history[1]["version"] != ""
    assert history[0]["moved"][0].startswith("MOVED: other bytes: ")
    assert len(history[0]["moved"]) <= 5
    assert len(record("draws")["history"]) == 1
    assert mine("exact") == 0


def test_a_history_stays_short() -> None:
    kept = regression.NOTHING
    for number in range(30):
        kept = kept.renewed(["a=1"], kept.answer, regression.Reason(str(number), "1", []))
    assert [one.because for one in kept.history] == [str(number) for number in range(29, 9, -1)]


def test_records_may_stand_elsewhere(pretend: Pretended) -> None:
    assert mine("exact", "--records", "kept/here", *UPDATE) == 0
    assert Path("kept/here/exact.json").is_file()
    assert not Path("own/regression/exact.json").exists()
    assert mine("exact", "--records", "kept/here") == 0


def test_a_run_that_fails_costs_itself_alone(recorded: Pretended, capsys: pytest.CaptureFixture[str]) -> None:
    recorded.raises = {4: WorkerDied()}
    capsys.readouterr()
    assert mine("--junit", "report.xml") == 2
    out = capsys.readouterr().out
    assert out.startswith("draws: as recorded\nexact: could not be run: a worker process was killed, ")
    suite = ElementTree.parse("report.xml").getroot()[0]
    assert (suite.get("failures"), suite.get("errors")) == ("0", "1")
    assert suite[1][0].tag == "error"


def test_an_error_of_our_own_is_not_hidden(
    recorded: Pretended, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.raises = {4: ZeroDivisionError("by nothing")}
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    capsys.readouterr()
    assert mine("--junit", "report.xml") == 70
    assert len(list(Path("state/cxsim/errors").iterdir())) == 1
    assert "exact: could not be run: ZeroDivisionError: by nothing" in capsys.readouterr().out
    assert Path("report.xml").is_file()


def test_what_is_sent_to_workers_can_be_sent() -> None:
    assert pickle.loads(pickle.dumps(_work(Path("within")))) == _work(Path("within"))


def test_another_configuration_is_told_whatever_the_numbers(
    recorded: Pretended, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("draws", "exact"):
        node = record(name)
        node["tables"]["config.yaml"] = "of another configuration"
        Path(f"own/regression/{name}.json").write_text(json.dumps(node))
    capsys.readouterr()
    assert mine() == 1
    draws, exact = capsys.readouterr().out.split("\nexact: ")
    hint = "a central value that has a range does not enter the points: they are spread over the range"
    assert draws.startswith("draws: INPUTS CHANGED: as recorded but for chance; ")
    assert exact.startswith("INPUTS CHANGED: other bytes: config.yaml\n")
    assert hint in draws
    assert hint in exact
    assert mine("draws") == 0
    recorded.seed = 8
    capsys.readouterr()
    assert mine("draws") == 0
    told = capsys.readouterr().out
    assert told.startswith("draws: INPUTS CHANGED: as recorded but for chance; ")
    assert hint not in told


def test_a_report_in_japanese_writes_the_same_record(
    recorded: Pretended, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.strength = 3.0
    capsys.readouterr()
    assert mine("language=ja") == 1
    told = capsys.readouterr().out
    assert told.startswith("draws: 動きました: 該当")
    assert "\nexact: 動きました: バイト列が異なる表: effects.csv, " in told
    before = {name: Path(f"own/regression/{name}.json").read_text() for name in ("draws", "exact")}
    written = []
    for words in (("language=ja",), ()):
        for name, text in before.items():
            Path(f"own/regression/{name}.json").write_text(text)
        assert mine(*UPDATE, *words) == 0
        written.append([Path(f"own/regression/{name}.json").read_text() for name in before])
    assert written[0] == written[1] != list(before.values())


# ------------------------------------------------------------------------------------------- bad input


def no_record() -> None:
    Path("own/regression/exact.json").unlink()


def other_overrides() -> None:
    Path("own/regression/exact.yaml").write_text(EXACT.replace("1000", "2000"))


def file(text: str) -> Callable[[], None]:
    return lambda: Path("own/regression/exact.yaml").write_text(text) and None


def kept(text: str) -> Callable[[], None]:
    return lambda: Path("own/regression/exact.json").write_text(text) and None


def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("before", "words", "fragments"),
    [
        (nothing, ["exakt"], ["exakt: no such regression file", "did you mean exact?"]),
        (nothing, ["--update"], ["--update needs a reason", "--because"]),
        (nothing, ["--update", "--because", "  "], ["--update needs a reason"]),
        (nothing, ["--because", "why"], ["--because is the reason of an --update"]),
        (nothing, ["--junit", "nowhere/report.xml"], ["--junit nowhere/report.xml"]),
        (nothing, ["--junit", "own"], ["--junit own: is a folder"]),
        (nothing, ["--records", "own/regression/exact.json"], ["is not a folder"]),
        (nothing, ["--fast"], ["--fast"]),
        (no_record, [], ["exact: has no record", "--update --because"]),
        (other_overrides, [], ["exact: was recorded under other overrides"]),
        (kept("{"), [], ["exact.json: cannot be read as a record"]),
        (kept("[1]"), [], ["exact.json: is no record"]),
        (kept(RECORD % "[[1], [1, 2]]"), [], ["is no record"]),
        (kept(RECORD % "[[NaN]]"), [], ["is no record"]),
        (kept("[" * 100_000), [], ["exact.json: cannot be read"]),
        (file("a: ["), [], ["exact.yaml: is no YAML"]),
        (file(""), [], ["exact.yaml: nothing is not a group of keys"]),
        (file("description: A.\n"), [], ["exact.yaml: overrides: is missing"]),
        (file("description: A.\noverrides: days=28\n"), [], ["overrides: 'days=28' is not a list"]),
        (file("description: A.\noverrides: []\n"), [], ["overrides: [] is not a list"]),
        (file("description: A.\noverrides: [3]\n"), [], ["overrides: 3 is not a text"]),
        (file(EXACT + "compare: exactly\n"), [], ["compare: 'exactly'", "did you mean exact?"]),
        (file(EXACT + "tolerence: {}\n"), [], ["tolerence: no such key", "did you mean tolerance?"]),
        (file(EXACT + "tolerance: {lvt: 1}\n"), [], ["tolerance.lvt: 'lvt' is not allowed", "did you mean ltv?"]),
        (file(EXACT + "tolerance: {ltv: -1}\n"), [], ["tolerance.ltv: -1", "from 0"]),
        (file(EXACT + "false_alarm: 2\n"), [], ["false_alarm: 2"]),
        (file(EXACT.replace("customers", "custmers")), UPDATE, ["exact.yaml: custmers: no such key", "customers?"]),
        (file(EXACT.replace("=norush_coupon", "=norush")), UPDATE, ["exact.yaml: scenario=norush"]),
        (file(DRAWS.replace("16", "7")), UPDATE, ["replications as a number, at least 8"]),
        (file(DRAWS.replace("16", "auto")), UPDATE, ["replications as a number, at least 8"]),
    ],
)  # fmt: skip
def test_bad_input(
    recorded: Pretended,
    capsys: pytest.CaptureFixture[str],
    before: Callable[[], None],
    words: Sequence[str],
    fragments: Sequence[str],
) -> None:
    before()
    untouched = everything()
    capsys.readouterr()
    assert mine(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("cxsim: ")
    for fragment in fragments:
        assert fragment in err
    assert everything() == untouched


def test_a_folder_without_regression_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--config-dir", str(tmp_path)]) == 2
    assert "has no regression files" in capsys.readouterr().err


def test_an_install_without_records_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cxsim.cli.check.shipped", lambda name: None)
    assert cli.main(["check"]) == 2
    assert "came without its recorded answers" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------- JUnit


@given(st.lists(st.tuples(st.text(), st.lists(st.text()), st.sampled_from(["", junit.FAILURE, junit.ERROR]))))
def test_junit_is_well_formed_whatever_the_text(
    tmp_path_factory: pytest.TempPathFactory, cases: list[tuple[str, list[str], str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.xml"
    junit.write_junit(path, "any\x00 \ud800]]>", [junit.Entry(*case) for case in cases])
    suite = ElementTree.parse(path).getroot()[0]
    assert len(suite) == len(cases) == int(suite.get("tests", ""))
    assert int(suite.get("failures", "")) == sum(kind == junit.FAILURE for *_, kind in cases)
    for node, (name, lines, _) in zip(suite, cases, strict=True):
        assert node.get("name") == junit.legal(name)
        # A reader of XML takes every kind of line end for a line feed (section 2.11).
        told = junit.legal("\n".join(lines)).replace("\r\n", "\n").replace("\r", "\n")
        assert (node[0].text or "").replace("\r\n", "\n").replace("\r", "\n") == told


def test_legal_text_is_left_alone() -> None:
    assert junit.legal("a\tb\nc é 漢 \U0001f600 <&>") == "a\tb\nc é 漢 \U0001f600 <&>"
    assert junit.legal("a\x00b\x1b\ufffe\ud800") == "a�b���"


# ------------------------------------------------------------------------------------------- the shipped set


def shipped() -> dict[str, Path]:
    return regression.held_files(SHIPPED)


@pytest.mark.parametrize("scenario", sorted(path.stem for path in (ROOT / "conf" / "scenario").glob("*.yaml")))
def test_every_shipped_scenario_is_held(scenario: str) -> None:
    assert scenario in shipped(), (
        f"conf/scenario/{scenario}.yaml has no regression file: write conf/regression/{scenario}.yaml, then "
        f'cxsim check {scenario} --update --because "new scenario"'
    )
    assert f"scenario={scenario}" in regression.read_held(shipped()[scenario]).overrides


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.yaml")))
def test_every_shipped_file_has_its_record(name: str) -> None:
    held = regression.read_held(shipped()[name])
    record = regression.read_record(ROOT / "tests" / "baseline" / f"{name}.json")
    assert record is not None
    assert tuple(record.overrides) == held.overrides
    assert record.history


def test_no_record_without_a_file() -> None:
    assert {path.stem for path in (ROOT / "tests" / "baseline").glob("*.json")} == set(shipped())


def test_the_shipped_set_holds_what_it_should() -> None:
    held = [regression.read_held(path) for path in shipped().values()]
    assert "statistical" in {one.compare for one in held}
    assert any("engine=agent" in one.overrides for one in held)
    assert any("scenario=[norush_coupon,peach_popup]" in one.overrides for one in held)


def test_the_workflow_for_hosted_ci_runs_the_check() -> None:
    workflow = yaml.safe_load((ROOT / "docs" / "ci" / "regression.yml").read_text(encoding="utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = "\n".join(step.get("run", "") for step in steps)
    assert "cxsim check" in commands
    assert "--junit" in commands


# ------------------------------------------------------------------------------------------- real worlds

TINY = ("scenario=norush_coupon", "customers=1000", "days=60", "burn_in=60", "events=0", "arms=total", "threads=1")


def numbers(folder: Path, *overrides: str) -> moves.Numbers:
    """What real runs come to, in this process."""
    name = f"run{len(list(folder.iterdir()))}"
    return _work(folder)((name, settings_under(*TINY, *overrides))).numbers


@pytest.mark.slow
def test_other_luck_is_no_move(tmp_path: Path) -> None:
    """A draw's two seeds differ by chance alone, as two versions would that draw chance anew."""
    found = numbers(tmp_path, "replications=66")
    before: dict[str, list[list[float | None]]] = {}
    after: dict[str, list[list[float | None]]] = {}
    for name, (first, second) in found.items():
        twinned = [place for place, value in enumerate(second) if value is not None]
        before[name] = [[first[place] for place in twinned], [None] * len(twinned)]
        after[name] = [[second[place] for place in twinned], [None] * len(twinned)]
    compared = moves.by_points(before, after, {})
    assert max(one.points for one in compared) == 22
    assert max(one.errors for one in compared) > 0.5  # chance did move them
    assert moves.beyond_chance(compared, regression.FALSE_ALARM) == []


@pytest.mark.slow
def test_a_changed_rule_is_found(tmp_path: Path) -> None:
    """One point of margin more, in every draw, moves the level of LTV and not one visit."""
    as_it_was = numbers(tmp_path, "replications=16", "company.margin={value: 0.30, range: [0.15, 0.50]}")
    now = numbers(tmp_path, "replications=16", "company.margin={value: 0.31, range: [0.16, 0.51]}")
    called = {one.name for one in moves.beyond_chance(moves.by_points(as_it_was, now, {}), regression.FALSE_ALARM)}
    assert "baseline ltv level" in called
    assert "baseline visits level" not in called
