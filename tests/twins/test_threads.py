"""Replications side by side or one after the other: the same bytes in every table."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.intervention import treated_arms
from sim.run.experiment import run_experiment
from tests.worlds import settings

OVERRIDES = (
    "customers=400", "days=35", "burn_in=30", "replications=2", "events=200", "scenario=norush_coupon",
    "+calendar.seasons.peak={dates: 01-11..01-30, multiplier: 1.8}",
)  # fmt: skip


def tables(folder: Path, threads: int, seed: int = 1, engine: str = "column") -> dict[str, bytes]:
    folder.mkdir()
    found = settings(*OVERRIDES, f"seed={seed}", f"engine={engine}")
    run_experiment(found, treated_arms, folder, threads, lambda *_: None, lambda _: True)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_threads_do_not_change_a_byte(tmp_path: Path) -> None:
    alone, together = tables(tmp_path / "1", 1), tables(tmp_path / "2", 2)
    assert len(alone) >= 8
    assert alone.keys() == together.keys()
    assert [name for name in alone if alone[name] != together[name]] == []
    other = tables(tmp_path / "3", 1, seed=2)
    same = {name for name in alone if alone[name] == other[name]}
    assert same <= {"parameters.csv"}


@pytest.mark.slow
def test_engines_write_the_same_tables(tmp_path: Path) -> None:
    column, agent = tables(tmp_path / "1", 2), tables(tmp_path / "2", 2, engine="agent")
    assert [name for name in column if column[name] != agent[name]] == []
