"""Effects by hand: estimands, intervals, Monte Carlo errors, verdicts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.effects import flips
from analysis.effects.answer import precise_enough, summary_table, verdict, write_effects
from analysis.effects.estimands import effects_table, monte_carlo_error, spread
from analysis.folders.run_folder import Run, RunError
from sim.tables import EFFECTS, ESTIMANDS, MEASURES
from tests.analysis.fake_run import make_run

HEAD = [column.name for column in MEASURES]
Values = Mapping[tuple[str, str], Sequence[float]]


def measures(values: Values, metric: str = "ltv", second_seed: int = 0) -> pd.DataFrame:
    """A table for everybody: (arm, group) -> a value per replication."""
    rows = [
        (r, second_seed, arm, group, "everybody", metric, value)
        for (arm, group), series in values.items()
        for r, value in enumerate(series)
    ]
    return pd.DataFrame(rows, columns=HEAD)


def coalition(arms: Mapping[str, Sequence[float]]) -> Values:
    return {(arm, "all"): series for arm, series in arms.items()}


ONE = coalition({"baseline": [100], "X/direct": [110], "X/wom": [114], "X/congestion": [103], "X": [105]})


def pick(table: pd.DataFrame, estimand: str, metric: str = "ltv", name: str = "X") -> pd.Series:
    chosen = table[
        (table["estimand"] == estimand) & (table["metric"] == metric) & (table["intervention"] == name)
    ]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_shapley_split_by_hand() -> None:
    """v(none)=10, v(wom)=14, v(congestion)=3, v(all)=5: wom = (4+2)/2 = 3, congestion = (-7-9)/2 = -8."""
    table = effects_table(measures(ONE)).set_index("estimand")["effect"]
    expected = {"total": 5, "direct": 10, "spillover": -5, "wom": 3, "congestion": -8, "company": 0}
    assert table.to_dict() == expected


def test_one_point_has_an_effect_and_no_interval() -> None:
    row = pick(effects_table(measures(ONE)), "total")
    assert (row["baseline"], row["scenario"], row["effect"], row["replications"]) == (100, 105, 5, 1)
    assert all(math.isnan(row[name]) for name in ("ci_low", "ci_high", "mc_se", "p_positive"))


def test_interval_is_students_predictive_interval() -> None:
    values = np.array([1.0, 2.0, 4.0, 5.0])
    over = spread(values)
    scale = values.std(ddof=1) * math.sqrt(1.25)
    low, high = stats.t.interval(0.90, 3, loc=3.0, scale=scale)
    assert over.mean == 3.0
    assert over.low == pytest.approx(low)
    assert over.high == pytest.approx(high)
    assert over.p_positive == pytest.approx(stats.t.cdf(3.0 / scale, 3))


@pytest.mark.parametrize(("value", "probability"), [(2.5, 1.0), (-2.5, 0.0), (0.0, 0.5)])
def test_points_that_agree_leave_no_interval(value: float, probability: float) -> None:
    assert spread(np.full(3, value)) == (value, value, value, probability)


def test_monte_carlo_error_from_second_seeds_by_hand() -> None:
    """Twins differ by 2 and by 4: variance (4 + 16) / 2 / 2 = 5, of a mean of four points 5 / 4."""
    effect = np.array([[1.0, 2.0, 3.0, 4.0], [3.0, 6.0, np.nan, np.nan]])
    assert monte_carlo_error(effect) == pytest.approx(math.sqrt(5 / 4))


def test_second_seeds_do_not_move_the_effect() -> None:
    first, second = measures(ONE), measures(coalition({"baseline": [90], "X": [101]}), second_seed=1)
    row = pick(effects_table(pd.concat([first, second])), "total")
    assert row["effect"] == 5
    assert row["mc_se"] == pytest.approx(math.sqrt((5 - 11) ** 2 / 2))


def test_field_test_is_raw_and_its_bias_is_adjusted() -> None:
    """Treated 112, control 104, untreated split 101 and 99, total 5: the test says 8 and is off by 8 - 2 -
    5 = 1."""
    split = {("X/ab", "treated"): [112], ("X/ab", "control"): [104]}
    split |= {("baseline", "X/ab:treated"): [101], ("baseline", "X/ab:control"): [99]}
    table = effects_table(measures({**ONE, **split}))
    test, bias = pick(table, "ab_test"), pick(table, "ab_bias")
    assert (test["effect"], test["baseline"], test["scenario"]) == (8, 104, 112)
    assert (bias["effect"], bias["baseline"]) == (1, 100)


def test_field_test_metrics_of_the_first_fortnight() -> None:
    short = measures({("X/ab", "treated"): [12], ("X/ab", "control"): [9]}, "ab_conversion_14d")
    table = effects_table(pd.concat([measures(ONE), short]))
    assert pick(table, "ab_test", "ab_conversion_14d")["effect"] == 3
    assert "ab_bias" not in set(table.loc[table["metric"] == "ab_conversion_14d", "estimand"])


@pytest.mark.parametrize("metric", ["ltv_acquired"])
def test_descriptive_metrics_have_a_total_only(metric: str) -> None:
    table = effects_table(measures({**ONE, ("X/ab", "treated"): [1], ("X/ab", "control"): [2]}, metric))
    assert list(table["estimand"]) == ["total"]


def test_stayers_have_no_field_test() -> None:
    table = effects_table(
        measures({**ONE, ("X/ab", "treated"): [1], ("X/ab", "control"): [2]}, "nps_stayers")
    )
    assert list(table["estimand"]) == ["total", "direct", "spillover", "wom", "congestion", "company"]


def test_roi_is_gross_gain_less_cost_over_cost() -> None:
    """LTV rises by 5 net of a cost of 20: gross 25, ROI (25 - 20) / 20."""
    cost = measures(coalition({"baseline": [0], "X": [20]}), "cost")
    row = pick(effects_table(pd.concat([measures(ONE), cost])), "total", "roi")
    assert row["effect"] == 0.25
    assert math.isnan(row["baseline"])


def test_no_roi_without_cost() -> None:
    cost = measures(coalition({"baseline": [0], "X": [0]}), "cost")
    assert "roi" not in set(effects_table(pd.concat([measures(ONE), cost]))["metric"])


def test_interaction_is_what_the_sum_misses() -> None:
    arms = coalition({"baseline": [100, 100], "A": [103, 104], "B": [105, 105], "A+B": [106, 107]})
    table = effects_table(measures(arms))
    assert list(pd.unique(table["intervention"])) == ["A", "B", "A+B", "A x B"]
    assert pick(table, "total", name="A x B")["effect"] == -2
    assert pick(table, "total", name="A x B")["ci_low"] == -2


def test_a_point_without_a_value_leaves_all_parts_together() -> None:
    arms = {arm: [*series, series[0] + 1] for arm, series in ONE.items()}
    arms["X/wom", "all"] = [114, math.nan]
    table = effects_table(measures(arms))
    assert set(table["replications"]) == {1}
    assert pick(table, "wom")["effect"] == 3


def test_a_value_given_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="more than once"):
        effects_table(pd.concat([measures(ONE), measures(ONE)]))


def test_precise_enough_needs_second_seeds_and_a_small_error() -> None:
    first = measures(coalition({"baseline": [100, 100], "X": [105, 107]}))
    second = measures(coalition({"baseline": [100, 100], "X": [106, 108]}), second_seed=1)
    both = pd.concat([first, second])
    assert not precise_enough(first, 0.5)
    assert precise_enough(both, 0.0051)  # error: sqrt((1 + 1) / 2 / 2 / 2) = 0.5 yen of 100
    assert not precise_enough(both, 0.0050)
    assert precise_enough(measures(coalition({"baseline": [100]})), 0.001)


def test_csv_reads_back_to_the_same_bits_and_adds_up(tmp_path: Path) -> None:
    table = write_effects(make_run(tmp_path / "run"))
    read = Run(tmp_path / "run").effects
    assert list(read.columns) == [column.name for column in EFFECTS]
    pd.testing.assert_frame_equal(read, table, check_exact=True, check_dtype=False)
    assert set(read["estimand"]) == set(ESTIMANDS)
    parts = read.pivot(index=["metric", "segment"], columns="estimand", values="effect").dropna(
        subset=["direct"]
    )
    assert (parts["direct"] + parts["spillover"] == parts["total"]).all()
    assert (parts["wom"] + parts["congestion"] + parts["company"] == parts["spillover"]).all()
    assert (parts["company"] == 0).all()


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        write_effects(make_run(tmp_path / name))
        written.append((tmp_path / name / "effects.csv").read_bytes())
    assert written[0] == written[1]


def test_summary_names_metrics_and_units(tmp_path: Path) -> None:
    write_effects(make_run(tmp_path / "run"))
    text = summary_table(tmp_path / "run")
    assert "LTV over the horizon" in text
    assert "yen per potential customer" in text
    assert "NPS (true)" in text
    assert len({len(line) for line in text.splitlines() if line.endswith("points")}) == 1


@pytest.mark.parametrize(("strength", "phrase"), [(1.0, "undecided"), (0.0, "leaves LTV exactly as it is")])
def test_verdict_names_the_horizon_and_the_answer(tmp_path: Path, strength: float, phrase: str) -> None:
    write_effects(make_run(tmp_path / "run", strength=strength))
    text = verdict(tmp_path / "run")
    assert "Over 112 days" in text
    assert phrase in text
    assert "Stopped at 8 replications, precise enough" in text


@pytest.mark.parametrize(("size", "verb"), [(5.0, "raises"), (-5.0, "lowers")])
def test_verdict_takes_a_side_where_the_interval_does(tmp_path: Path, size: float, verb: str) -> None:
    folder = make_run(tmp_path / "run")
    arms = coalition(
        {"baseline": [100, 100, 100], "norush_coupon": [100 + size, 100 + 1.1 * size, 100 + 0.9 * size]}
    )
    measures(arms).to_parquet(folder / "measures.parquet")
    write_effects(folder)
    assert f"norush_coupon {verb} LTV by 5.00 yen" in verdict(folder)
    assert "Monte Carlo error was not estimated" in verdict(folder)


@pytest.mark.parametrize(
    ("residual", "told"), [(-9.0, True), (-4.0, False), (9.0, False)], ids=["outweighs", "lessens", "adds"]
)
def test_verdict_says_where_the_time_beyond_the_horizon_would_turn_it(
    tmp_path: Path, residual: float, told: bool
) -> None:
    folder = make_run(tmp_path / "run")
    tables = [
        measures(coalition({"baseline": [100] * 3, "norush_coupon": [100 + size] * 3}), metric)
        for metric, size in (("ltv", 5.0), ("residual", residual))
    ]
    pd.concat(tables).to_parquet(folder / "measures.parquet")
    write_effects(folder)
    assert (f"beyond the 112 days would turn the sign: {residual:.2f} yen" in verdict(folder)) is told


def test_verdict_of_two_scenarios_and_of_none(tmp_path: Path) -> None:
    write_effects(make_run(tmp_path / "two", {"A": "a", "B": "b"}))
    assert "A x B: together they do" in verdict(tmp_path / "two")
    make_run(tmp_path / "none", {})
    assert verdict(tmp_path / "none").startswith(
        "Nothing was changed. The company as it is, over 112 days: LTV"
    )
    assert "90 % of worlds" in summary_table(tmp_path / "none")
    assert write_effects(tmp_path / "none").empty


def test_turning_points_by_interpolation_and_only_beyond_the_error() -> None:
    x, zero = np.array([0.0, 1.0, 2.0, 3.0]), np.zeros(4)
    assert flips.crossings(x, np.array([0.0, 2.0, -2.0, -4.0]), zero) == [(1.5, -1)]
    assert flips.crossings(x, np.array([0.0, 2.0, -2.0, -4.0]), np.full(4, 3.0)) == []
    assert flips.crossings(x, np.array([-4.0, -1.0, 1.0, 4.0]), np.full(4, 1.0)) == [(1.5, 1)]
    assert flips.crossings(x, np.array([-4.0, -1.0, 1.0, 4.0]), np.full(4, math.nan)) == []


def test_turning_points_in_words(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    rows = [("norush_coupon", "face", 0.5, 4.0, 0.1), ("norush_coupon", "face", 1.5, -4.0, 0.1)]
    rows += [("norush_coupon", "company.capacity_ratio", value, 3.0, 0.1) for value in (1.1, 1.5)]
    pd.DataFrame(rows, columns=["intervention", "name", "value", "effect", "mc_se"]).to_csv(
        folder / "probes.csv", index=False
    )
    text = flips.sentence(Run(folder), "norush_coupon")
    assert "coupon face value of about 150 yen (better below; here 150)" in text
    assert "does not turn within the range of the capacity ratio (1.1 to 1.5, always a gain)" in text
    (folder / "probes.csv").unlink()
    assert "not probed" in flips.sentence(Run(folder), "norush_coupon")


def test_folders_that_are_no_runs_say_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run folder"):
        Run(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"not a run folder.*config.yaml"):
        Run(tmp_path)
    folder = make_run(tmp_path / "run")
    with pytest.raises(RunError, match=r"has no effects.csv"):
        verdict(folder)
    (folder / "config.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(RunError, match="not readable YAML") as caught:
        _ = Run(folder).config
    assert "\n" not in str(caught.value)
    (folder / "daily.parquet").write_bytes(b"no table")
    with pytest.raises(RunError, match=r"daily.parquet .* cannot be read"):
        _ = Run(folder).daily
    Run(folder).measures.drop(columns="second_seed").to_parquet(folder / "measures.parquet")
    with pytest.raises(RunError, match="lacks the column"):
        _ = Run(folder).measures


def test_an_older_folder_is_refused_with_the_new_names(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "points.parquet").rename(folder / "draws.parquet")
    stated = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    del stated["folder_version"]
    (folder / "provenance.json").write_text(json.dumps(stated), encoding="utf-8")
    with pytest.raises(RunError, match=r"version 1, .* version 2; run it again \(.*draws.parquet is now points"):
        Run(folder)
    (folder / "provenance.json").write_text(json.dumps(stated | {"folder_version": 3}), encoding="utf-8")
    with pytest.raises(RunError, match="version 3"):
        Run(folder)


def test_an_older_column_is_refused_with_the_new_name(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    old = Run(folder).measures.rename(columns={"second_seed": "twin"})
    old.to_parquet(folder / "measures.parquet")
    with pytest.raises(RunError, match=r"lacks the column\(s\) second_seed \(twin is now second_seed\)") as caught:
        _ = Run(folder).measures
    assert "\n" not in str(caught.value)
