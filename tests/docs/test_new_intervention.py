"""docs/new-intervention.md: its class, its scenario file, its run and its test, as they stand there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from cxsim import cli
from scenarios.intervention import REGISTRY
from sim.run.provenance import ROOT
from tests.docs.commands import SMALL, blocks, commands

PAGE = "docs/new-intervention.md"
MODULE = "scenarios.mine"


@pytest.fixture
def mine() -> Iterator[ModuleType]:
    """The page's class, registered as if it stood in scenarios/."""
    module = ModuleType(MODULE)
    sys.modules[MODULE] = module
    before = set(REGISTRY)
    exec(compile(blocks("python", PAGE)[0], "scenarios/mine.py", "exec"), module.__dict__)
    yield module
    for kind in set(REGISTRY) - before:
        del REGISTRY[kind]
    del sys.modules[MODULE]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's folder of one's own, below where one stands."""
    text = blocks("yaml", PAGE)[0]
    name = text.splitlines()[0].removeprefix("# @package scenario.")
    folder = tmp_path / "own" / "scenario"
    folder.mkdir(parents=True)
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return folder / f"{name}.yaml"


@pytest.mark.usefixtures("mine", "own", "unpictured")
def test_the_run_answers_with_the_rows_shown(capsys: pytest.CaptureFixture[str]) -> None:
    words = next(words for words in commands(PAGE) if words[0] == "run")
    assert cli.main([*words, *SMALL]) == cli.OK
    out = capsys.readouterr().out
    name, head, _rule, *rows = blocks("", PAGE)[0].splitlines()
    lines = out.splitlines()
    assert head.split() == lines[lines.index(name) + 1].split()  # the excerpt's columns are those that appear
    assert all(row.split("  ")[0] in out for row in rows)
    folder = Path(out.splitlines()[-1])
    assert {"report.html", "campaigns.parquet", "parameters.csv"} <= {path.name for path in folder.iterdir()}


@pytest.mark.usefixtures("mine")
def test_the_mistake_shown_is_told_as_shown(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own.write_text(own.read_text(encoding="utf-8").replace("patience: 2.0", "patience: -1"), encoding="utf-8")
    words = next(words for words in commands(PAGE) if words[0] == "run")
    assert cli.main([*words, *SMALL]) == cli.BAD_INPUT
    said = re.search(r"ends with `([^`]+)`", (ROOT / PAGE).read_text(encoding="utf-8"))
    assert said is not None
    assert " ".join(said[1].split()) in capsys.readouterr().err


@pytest.mark.usefixtures("mine")
def test_the_tests_shown_pass() -> None:
    shown: dict[str, object] = {}
    exec(compile(blocks("python", PAGE)[1], "tests/scenarios/test_mine.py", "exec"), shown)
    tests = [one for name, one in shown.items() if name.startswith("test_")]
    assert len(tests) == 3
    for one in tests:
        one()  # type: ignore[operator]
