"""Recovery from a shock: from differences written by hand to depth and days."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.folders.run_folder import Run
from analysis.report import recovery
from analysis.report.recovery import begins, path, weekly
from sim.tables import DAILY, RECOVERY
from tests.analysis.hand_written import write_run

B, X = "baseline", "X"
START, PEOPLE = 10, 1000


def days_of(point: int, arm: str, profit: np.ndarray, nps: np.ndarray, lost: np.ndarray) -> pd.DataFrame:
    """daily.parquet of one arm and point."""
    day = np.arange(len(profit))
    frame = pd.DataFrame({column.name: 0 for column in DAILY}, index=day)
    return frame.assign(
        arm=arm, replication=point, day=day, profit=profit.astype(np.int64), nps=np.where(day % 7 == 0, nps, np.nan),
        customer=300 - lost, lapsed=700 + lost,
    )  # fmt: skip


def shock_run(folder: Path, weeks: list[list[float]]) -> Path:
    """A point per list: in week w from day START on the scenario's NPS is below the baseline's by the list's w-th
    number, a customer is missing per point, and each day brings 1,000 yen less per point."""
    frames = []
    for point, shortfalls in enumerate(weeks):
        days = START + 7 * len(shortfalls) + 3  # three days of a week that is not whole
        fall = np.concatenate([np.zeros(START), np.repeat(shortfalls, 7), np.full(3, 99.0)])
        noise = np.random.default_rng(point).standard_normal(days)
        level = 50_000 + 1_000 * noise
        frames.append(days_of(point, B, level, noise, np.zeros(days, int)))
        frames.append(days_of(point, X, level - 1_000 * fall, noise - fall, fall.astype(int)))
    scenario = {X: {"interventions": {"x": {"kind": "outage", "start": START}}}}
    frames_of = {"daily.parquet": pd.concat(frames, ignore_index=True)}
    return write_run(folder, days=START + 7 * len(weeks[0]) + 3, scenario=scenario, frames=frames_of)


# -- one point -------------------------------------------------------------------------------------------------


def test_the_way_down_and_back() -> None:
    """Deepest in week 1, half made good in week 3, a tenth left in week 5; days are the middles of weeks."""
    found = path(-np.array([4.0, 10.0, 6.0, 5.0, 3.0, 1.0, 0.0]))
    assert found == (10.0, 7 + 3, 21 + 3, 35 + 3)


def test_what_is_not_made_good_is_blank() -> None:
    found = path(-np.array([4.0, 10.0, 6.0, 5.0, 4.0]))
    assert found[:3] == (10.0, 10, 24)
    assert math.isnan(found.tenth)


def test_a_better_world_has_no_shortfall() -> None:
    found = path(np.array([0.0, 1.0, 2.0]))
    assert found.depth == 0.0
    assert all(math.isnan(value) for value in found[1:])


# -- weeks ----------------------------------------------------------------------------------------------------


def test_weeks_count_from_the_beginning_and_are_whole(tmp_path: Path) -> None:
    made = shock_run(tmp_path / "run", [[2.0, 1.0, 0.0]])
    found = weekly(Run(made), X)
    assert found["nps"].columns.to_list() == [-1, 0, 1, 2]  # days 3 to 9 are week -1; the rest is cut off
    assert found["nps"].iloc[0].to_list() == pytest.approx([0.0, -2.0, -1.0, 0.0])
    assert found["customer"].iloc[0].to_list() == pytest.approx([0.0, -2.0, -1.0, 0.0])
    assert found["profit"].iloc[0].to_list() == pytest.approx([0.0, -14.0, -7.0, 0.0])  # 7 days * 1,000 yen / PEOPLE


def test_the_beginning_is_the_first_interventions(tmp_path: Path) -> None:
    scenario = {
        "A": {"interventions": {"a": {"start": 30}, "b": {"start": 20}}}, "B": {"interventions": {"c": {}}}, "C": {},
    }  # fmt: skip
    run = Run(write_run(tmp_path / "run", scenario=scenario))
    assert [begins(run, name) for name in ("A", "B", "A+B", "C")] == [20, 0, 0, 0]


# -- over points -----------------------------------------------------------------------------------------------


def test_the_table_over_points(tmp_path: Path) -> None:
    """Three points of depth 10, 12 and 14; the last never comes back to a tenth, and one is not deepest at once."""
    weeks = [[10.0, 4.0, 1.0, 0.0], [6.0, 12.0, 6.0, 1.0], [14.0, 9.0, 6.0, 5.0]]
    table = recovery.recovery(Run(shock_run(tmp_path / "run", weeks)))
    assert list(table.columns) == [column.name for column in RECOVERY]
    for metric, size in (("nps", 1.0), ("customer", 1.0), ("profit", 7.0)):
        own = table[table["metric"] == metric].set_index("quantity")
        assert own.loc["depth", "value"] == pytest.approx(12.0 * size)
        assert own["value"][["deepest", "half", "tenth"]].to_list() == [3.0, 17.0, 24.0]
        assert own.loc["tenth", "reached"] == 2
        assert math.isnan(own.loc["tenth", "ci_high"])
        assert own.loc["half", ["ci_low", "ci_high"]].to_list() == [10.0, 17.0]


def test_the_section_says_what_is_beyond_the_horizon(tmp_path: Path) -> None:
    run = Run(shock_run(tmp_path / "run", [[10.0, 4.0, 4.0], [10.0, 8.0, 7.0], [10.0, 9.0, 8.0]]))
    found = recovery.section(run, X)
    assert found is not None
    nps = found["rows"][0]
    assert nps == [
        "NPS (true)", "points", "10.0", "3 (3 to 3)",
        "not within the horizon (1 of 3 replications get there)",
        "not within the horizon (0 of 3 replications get there)",
    ]  # fmt: skip
    assert (run.folder / "recovery.csv").is_file()
    assert (run.folder / "figures" / "X_recovery.svg").is_file()


def test_what_begins_at_once_has_no_section(tmp_path: Path) -> None:
    run = Run(write_run(tmp_path / "run", scenario={X: {"interventions": {"x": {"kind": "outage"}}}}))
    assert recovery.section(run, X) is None
    assert not (run.folder / "recovery.csv").exists()
