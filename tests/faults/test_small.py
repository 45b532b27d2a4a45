"""A few of each fault, by seed; the figures of many stand in docs/trust.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.effects.answer import write_effects
from sim.files import manifest
from sim.tables import FOLDER_VERSION
from tests.analysis.fake_run import make_run
from tests.faults import folders
from tests.faults.folders import Good
from tests.faults.kills import SIGNALS, trials


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    places = [tmp_path_factory.mktemp("faults") / name for name in ("good", "other")]
    for seed, folder in enumerate(places):
        make_run(folder, days=28, customers=300, seed=seed)
        write_effects(folder)
        (folder / manifest.PROVENANCE).write_text(json.dumps(manifest.sealed({"folder_version": FOLDER_VERSION})))
        (folder / manifest.NAME).write_text(manifest.text(manifest.listed(folder)))
    return Good("run", *places)


def test_broken_folders_are_told_in_a_line(good: Good, tmp_path: Path) -> None:
    assert [one for one in folders.trials([good], tmp_path, 1, range(10)) if one.wrong] == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "sweep", "report"])
def test_commands_that_are_stopped_leave_nothing(command: str, tmp_path: Path) -> None:
    assert [one for one in trials([command], list(SIGNALS), range(9), 1, tmp_path) if one.wrong] == []
