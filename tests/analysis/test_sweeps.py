"""A sweep's folder read: sweep.parquet, blocks of points put together, options and the worlds that they live in."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.decisions.options import answers, configurations, groups_of, options, ranked, varied
from analysis.effects.estimands import effects_table
from analysis.folders.run_folder import RunError
from analysis.folders.sweep_folder import Sweep, collect
from sim.config.settings import Settings
from sim.tables import ANSWERS, EVERYBODY, SWEEP, SWEEP_NAMES
from tests.analysis.fake_run import make_run
from tests.analysis.fake_sweep import FakeJob, make_sweep

COLUMNS = [column.name for column in SWEEP]


def effect(*ltv: float, cost: float = 0.0, nps: float = 0.0) -> dict[str, list[float]]:
    return {"ltv": list(ltv), "cost": [cost] * len(ltv), "nps": [nps] * len(ltv)}


# -- sweep.parquet ----------------------------------------------------------------------------------------------


def test_a_row_per_job_metric_segment_and_estimand(tmp_path: Path) -> None:
    jobs = [FakeJob({"scenario": name}, {name: effect(1, 2, 3, cost=2)}) for name in ("A", "B")]
    table = collect(make_sweep(tmp_path / "s", jobs))
    assert list(table) == ["job", "scenario", *COLUMNS[1:]]
    assert not table.duplicated(["job", "metric", "segment", "estimand"]).any()
    assert set(table["metric"]) == {"ltv", "profit", "cost", "nps", "orders", "roi"}
    row = table.query("scenario == 'B' and metric == 'ltv' and segment == 'fan'").iloc[0]
    assert (row["effect"], row["replications_run"], row["with_scenario"] - row["baseline"]) == (2.0, 3, 2.0)
    pd.testing.assert_frame_equal(table, pd.read_parquet(tmp_path / "s" / "sweep.parquet"))


def test_no_column_bears_the_name_of_a_configuration_key() -> None:
    assert not set(Settings.model_fields) & set(COLUMNS)
    assert {"scenario", "replications"} == set(SWEEP_NAMES)


def test_types_of_swept_keys_follow_from_all_that_is_planned(tmp_path: Path) -> None:
    jobs = [
        FakeJob({"whole": 1, "part": 1, "mixed": 1, "gap": 5, "list": [0, 10], "scenario": "A"}, {"A": effect(1, 2)}),
        FakeJob({"whole": 2, "part": 0.5, "mixed": "x", "list": [10, 20], "scenario": "B"}, status="failed"),
    ]
    table = collect(make_sweep(tmp_path / "s", jobs))
    found = {key: str(table[key].dtype) for key in jobs[0].values}
    assert found == {
        "whole": "int64", "part": "float64", "mixed": "str", "gap": "float64", "list": "str", "scenario": "str",
    }  # fmt: skip
    assert set(table["mixed"]) == {"1"}
    assert set(table["list"]) == {"[0,10]"}


@pytest.mark.parametrize("status", ["failed", "died", "missing"])
def test_a_sweep_without_a_finished_job_has_a_table_without_rows(tmp_path: Path, status: str) -> None:
    table = collect(make_sweep(tmp_path / "s", [FakeJob({"company.margin": 0.2}, status=status)]))
    assert len(table) == 0
    assert list(table) == ["job", "company.margin", *COLUMNS[1:]]
    assert str(table["company.margin"].dtype) == "float64"


def test_same_bytes_whichever_job_was_done_first(tmp_path: Path) -> None:
    jobs = [FakeJob({"company.margin": m}, {"A": effect(m, 2 * m)}) for m in (0.1, 0.2, 0.3)]
    for name, order in (("forward", [0, 1, 2]), ("backward", [2, 1, 0])):
        collect(make_sweep(tmp_path / name, jobs, order))
    forward, backward = ((tmp_path / name / "sweep.parquet").read_bytes() for name in ("forward", "backward"))
    assert forward == backward


def test_a_job_of_the_baseline_alone_has_no_effects(tmp_path: Path) -> None:
    jobs = [FakeJob({"scenario": "baseline"}), FakeJob({"scenario": "A"}, {"A": effect(1, 2)})]
    folder = make_sweep(tmp_path / "s", jobs)
    assert set(collect(folder)["scenario"]) == {"A"}
    assert [one.label for one in options(configurations(Sweep(folder)))] == ["A"]


def test_where_the_same_values_were_asked_for_twice_the_later_answer_stands(tmp_path: Path) -> None:
    jobs = [FakeJob({"scenario": "A"}, {"A": effect(x, x)}, settings={"customers": int(x)}) for x in (5.0, 9.0)]
    table = collect(make_sweep(tmp_path / "s", jobs))
    assert set(table.query("metric == 'ltv'")["effect"]) == {9.0}


def test_an_unfinished_job_asked_for_again_leaves_the_earlier_answer(tmp_path: Path) -> None:
    jobs = [FakeJob({"scenario": "A"}, {"A": effect(5, 5)}), FakeJob({"scenario": "A"}, status="failed")]
    assert set(collect(make_sweep(tmp_path / "s", jobs)).query("metric == 'ltv'")["effect"]) == {5.0}


def test_a_folder_that_is_no_sweep_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no sweep folder: .* has no sweep\.json"):
        Sweep(tmp_path)
    (tmp_path / "sweep.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"sweep\.json in .* cannot be read"):
        Sweep(tmp_path)


# -- configurations ---------------------------------------------------------------------------------------------


def split(run: Path, folder: Path, blocks: list[tuple[int, int]]) -> Path:
    """A sweep's folder whose jobs hold the points of a run."""
    jobs = [FakeJob({"scenario": "norush_coupon", "points": list(block)}, {"X": effect(0)}) for block in blocks]
    made = make_sweep(folder, jobs)
    for number, (first, until) in enumerate(blocks):
        for name in ("measures.parquet", "points.parquet"):
            table = pd.read_parquet(run / name)
            own = table[(table["replication"] >= first) & (table["replication"] < until)]
            own.to_parquet(made / "jobs" / f"{number:016x}" / name, index=False)
    return made


def test_blocks_of_points_put_together_are_the_one_run_that_they_are(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", points=12, second_seeds=6)
    (pooled,) = configurations(Sweep(split(run, tmp_path / "s", [(8, 12), (0, 5), (4, 8)])))
    whole = pd.read_parquet(run / "measures.parquet")
    expected = effects_table(whole[whole["segment"] == EVERYBODY])
    pd.testing.assert_frame_equal(pooled.effects, expected, check_exact=True)
    assert pooled.points == 12
    assert list(pooled.values_at.index) == list(range(12))


def test_pooling_is_not_a_mean_of_intervals(tmp_path: Path) -> None:
    jobs = [
        FakeJob({"scenario": "A", "points": [0, 2]}, {"A": effect(0, 0)}),
        FakeJob({"scenario": "A", "points": [2, 4]}, {"A": effect(10, 10)}, first=2),
    ]
    (option,) = options(configurations(Sweep(make_sweep(tmp_path / "s", jobs))))
    found = option.answer("ltv")
    assert found is not None
    assert (found.effect, found.points) == (5.0, 4)
    assert (found.least, found.most) == (0, 10)  # each block alone has points that agree


def test_jobs_with_other_settings_are_not_pooled(tmp_path: Path) -> None:
    jobs = [
        FakeJob({"scenario": "A", "points": [0, 2]}, {"A": effect(1, 1)}, settings={"replications": 60}),
        FakeJob({"scenario": "A", "points": [2, 4]}, {"A": effect(7, 7)}, first=2, settings={"replications": 99}),
    ]
    (only,) = configurations(Sweep(make_sweep(tmp_path / "s", jobs)))
    assert (only.points, only.planned) == (2, 2)
    assert list(only.cube.replications) == [2, 3]


def test_answers_table_has_a_row_per_configuration(tmp_path: Path) -> None:
    jobs = [
        FakeJob({"company.margin": m, "points": [2 * b, 2 * b + 2]}, {"A": effect(m, m)}, first=2 * b)
        for m in (0.2, 0.4)
        for b in (0, 1)
    ]
    sweep = Sweep(make_sweep(tmp_path / "s", jobs))
    table = answers(sweep, configurations(sweep))
    assert list(table) == ["company.margin", *[column.name for column in ANSWERS]]
    ltv = table[table["metric"] == "ltv"]
    assert list(zip(ltv["company.margin"], ltv["replications_run"], strict=True)) == [(0.2, 4), (0.4, 4)]


def test_labels_say_what_tells_options_apart(tmp_path: Path) -> None:
    jobs = [
        FakeJob({"scenario": name, "company.margin": margin, "days": 60}, {name: effect(1, 2)})
        for name in ("A", "B")
        for margin in (0.2, 0.3)
    ]
    found = configurations(Sweep(make_sweep(tmp_path / "s", jobs)))
    assert varied(found) == ["scenario", "company.margin"]
    assert [one.label for one in options(found)] == [
        "A, company margin 0.2", "A, company margin 0.3", "B, company margin 0.2", "B, company margin 0.3",
    ]  # fmt: skip


def test_ranking_is_by_effect_per_cost_and_what_is_free_follows_by_effect(tmp_path: Path) -> None:
    arms = {
        "dear": effect(10, 10, cost=10), "cheap": effect(3, 3, cost=1), "free": effect(1, 1), "better": effect(2, 2),
    }  # fmt: skip
    found = options(configurations(Sweep(make_sweep(tmp_path / "s", [FakeJob({"days": 60}, arms)]))))
    assert [one.intervention for one in ranked(found)] == ["cheap", "dear", "better", "free"]


def test_options_are_compared_only_where_their_untreated_worlds_are_the_same(tmp_path: Path) -> None:
    jobs = [
        FakeJob({"scenario": "A", "company.margin": 0.2}, {"A": effect(1, 2)}),
        FakeJob({"scenario": "B", "company.margin": 0.2}, {"B": effect(1, 2)}),
        FakeJob({"scenario": "A", "company.margin": 0.3}, {"A": effect(1, 2)}, level=100.0 + 1e-9),
    ]
    found = options(configurations(Sweep(make_sweep(tmp_path / "s", jobs))))
    assert [[one.label for one in group] for group in groups_of(found)] == [
        ["A, company margin 0.2", "B, company margin 0.2"],
        ["A, company margin 0.3"],
    ]
