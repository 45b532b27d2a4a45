"""Effects by hand: estimands, intervals, probabilities, errors, and what is said of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.decisions.verdict import told
from analysis.effects import flips
from analysis.effects.answer import stable, summary_table, write_effects
from analysis.effects.estimands import effects_table, luck, monte_carlo_error, spread, steadiness, without_luck
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
    assert all(math.isnan(row[name]) for name in ("ci_low", "ci_high", "se", "p_positive"))


def test_the_interval_is_that_of_hyndman_and_fans_eighth_quantiles() -> None:
    """Of n = 40 points 1 .. 40 the quantile p lies at the position p (n + 1/3) + 1/3."""
    over = spread(np.random.default_rng(1).permutation(np.arange(1.0, 41.0)))
    assert (over.mean, over.median, over.least, over.most, over.points) == (20.5, 20.5, 1.0, 40.0, 40)
    assert over.low == pytest.approx(0.05 * (40 + 1 / 3) + 1 / 3)
    assert over.high == pytest.approx(0.95 * (40 + 1 / 3) + 1 / 3)


def test_few_points_have_no_interval_but_their_ends() -> None:
    over = spread(np.arange(29.0) - 4.0)
    assert math.isnan(over.low)
    assert math.isnan(over.high)
    assert (over.least, over.most) == (-4.0, 24.0)


def test_an_interval_never_leaves_what_the_points_are() -> None:
    """A cost is zero at most points and large at a few: its level cannot be told to lie below zero."""
    over = spread(np.array([0.0] * 60 + [100.0] * 4))
    assert (over.low, over.high) == (0.0, 100.0)


@pytest.mark.parametrize(("positive", "zero"), [(0, 0), (3, 0), (64, 0), (10, 20)])
def test_probability_counts_half_a_point_more(positive: int, zero: int) -> None:
    values = np.array([1.0] * positive + [0.0] * zero + [-1.0] * (64 - positive - zero))
    assert spread(values).p_positive == pytest.approx((positive + zero / 2 + 0.5) / 65)


def test_luck_is_taken_out_of_the_interval_and_of_the_probability() -> None:
    """Points spread by 3 of which 2.4 are luck: 36 % of the variance is left, and of the mean's own 1/n."""
    values = 3.0 * np.tile([-1.0, 1.0], 50) * math.sqrt(99 / 100) + 1.0
    kept = without_luck(values, 2.4)
    assert kept.mean() == pytest.approx(1.0)
    assert np.var(kept, ddof=1) == pytest.approx(9.0 * (0.36 + 0.01))
    assert spread(values, 2.4)[:3] == pytest.approx((1.0, kept.min(), kept.max()))


@pytest.mark.parametrize(("value", "probability"), [(2.5, 40.5 / 41), (-2.5, 0.5 / 41), (0.0, 0.5)])
def test_points_that_agree_leave_no_interval(value: float, probability: float) -> None:
    assert spread(np.full(40, value)) == (value, value, value, probability, value, value, value, 40)


def test_steadiness_is_the_bootstraps() -> None:
    """P's standard error is that of a share, root of p (1 - p) / n times n / (n + 1); ends that agree are sure."""
    agreed = np.vstack([np.full(64, 2.0), np.full(64, np.nan)])
    assert steadiness(agreed) == (0.0, 0.0)
    split = np.vstack([np.repeat([-1.0, 1.0], 32), np.full(64, np.nan)])
    assert steadiness(split).probability == pytest.approx(0.5 / 8 * 64 / 65, rel=0.07)
    assert steadiness(split[:, :29]) == (math.inf, math.inf)


def test_monte_carlo_error_from_second_seeds_by_hand() -> None:
    """Twins differ by 2 and by 4: variance (4 + 16) / 2 / 2 = 5, of a mean of four points 5 / 4."""
    effect = np.array([[1.0, 2.0, 3.0, 4.0], [3.0, 6.0, np.nan, np.nan]])
    assert luck(effect) == pytest.approx(math.sqrt(5))
    assert monte_carlo_error(effect) == pytest.approx(math.sqrt(5 / 4))


def test_second_seeds_do_not_move_the_effect() -> None:
    first, second = measures(ONE), measures(coalition({"baseline": [90], "X": [101]}), second_seed=1)
    row = pick(effects_table(pd.concat([first, second])), "total")
    assert row["effect"] == 5


def test_the_standard_error_is_that_of_the_mean_over_points() -> None:
    arms = coalition({"baseline": [100.0] * 4, "X": [101.0, 102.0, 103.0, 106.0]})
    assert pick(effects_table(measures(arms)), "total")["se"] == pytest.approx(math.sqrt(14 / 3 / 4))


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


def test_roi_is_mean_over_mean() -> None:
    """LTV rises by 5 and 25 net of costs of 20 and 40: 30 / 60, and not the mean of 5 / 20 and 25 / 40."""
    ltv = measures(coalition({"baseline": [100, 100], "X": [105, 125]}))
    cost = measures(coalition({"baseline": [0, 0], "X": [20, 40]}), "cost")
    row = pick(effects_table(pd.concat([ltv, cost])), "total", "roi")
    assert (row["effect"], row["least"], row["most"]) == (0.5, 0.25, 0.625)
    assert math.isnan(row["baseline"])


def test_roi_has_an_interval_of_its_own() -> None:
    """A ratio that is the same at all points is sure whatever the points are, though the effect is not."""
    gain = [float(one) for one in range(1, 41)]
    ltv = measures(coalition({"baseline": [100.0] * 40, "X": [100 + one for one in gain]}))
    cost = measures(coalition({"baseline": [0.0] * 40, "X": [2 * one for one in gain]}), "cost")
    row = pick(effects_table(pd.concat([ltv, cost])), "total", "roi")
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(0.5), pytest.approx(0.5))


def test_no_roi_without_cost() -> None:
    cost = measures(coalition({"baseline": [0], "X": [0]}), "cost")
    assert "roi" not in set(effects_table(pd.concat([measures(ONE), cost]))["metric"])


def test_interaction_is_what_the_sum_misses() -> None:
    arms = coalition({"baseline": [100, 100], "A": [103, 104], "B": [105, 105], "A+B": [106, 107]})
    table = effects_table(measures(arms))
    assert list(pd.unique(table["intervention"])) == ["A", "B", "A+B", "A x B"]
    assert pick(table, "total", name="A x B")["effect"] == -2
    assert pick(table, "total", name="A x B")["least"] == -2


def test_parts_come_from_the_points_that_have_them_and_the_total_from_all() -> None:
    """At the second point, where word of mouth was not run, the effect is 9."""
    arms = {arm: [*series, series[0] + 1] for arm, series in ONE.items()}
    arms |= {("X/wom", "all"): [114, math.nan], ("X", "all"): [105, 110]}
    table = effects_table(measures(arms))
    assert table.set_index("estimand")["replications"].to_dict() == {
        "total": 2, "direct": 1, "spillover": 1, "wom": 1, "congestion": 1, "company": 1,
    }  # fmt: skip
    assert pick(table, "total")["effect"] == 7
    assert pick(table, "direct")["effect"] + pick(table, "spillover")["effect"] == 5


def test_a_value_given_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="more than once"):
        effects_table(pd.concat([measures(ONE), measures(ONE)]))


def test_points_are_enough_once_interval_and_probability_are_steady() -> None:
    """64 even points: an end's standard error is some 3 % of the width. Where P is one half, its own is above 6 %."""
    sure, open_question = np.linspace(1.0, 5.0, 64), np.linspace(-5.0, 5.0, 64)
    for effect, steady in ((sure, True), (open_question, False), (np.repeat(sure, 4)[::8], True), (sure[:29], False)):
        arms = coalition({"baseline": [100.0] * len(effect), "X": list(100.0 + effect)})
        assert stable(measures(arms)) is steady
    assert stable(measures(coalition({"baseline": [100]})))


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
    assert "\nLTV  " in text
    assert "yen per member" in text
    assert "NPS (true)" in text
    assert len({len(line) for line in text.splitlines() if line.endswith("points")}) == 1


def test_nothing_changes_where_no_point_has_an_effect(tmp_path: Path) -> None:
    write_effects(make_run(tmp_path / "run", strength=0.0))
    text = told(tmp_path / "run")
    assert text.startswith("Nothing changes: norush_coupon leaves LTV as it is at each of 8 points.")
    assert "NPS stays exactly as it is." in text
    assert "undecided" not in text


def test_points_without_a_split_are_said(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    table = Run(folder).measures
    late = (table["replication"] >= 4) & table["arm"].str.contains("/")
    table[~late].to_parquet(folder / "measures.parquet")
    write_effects(folder)
    assert "Direct effect, spillover and field test are from 4 points." in told(folder)


def test_verdict_of_two_scenarios_and_of_none(tmp_path: Path) -> None:
    write_effects(make_run(tmp_path / "two", {"A": "a", "B": "b"}))
    assert "A x B: together they do" in told(tmp_path / "two")
    make_run(tmp_path / "none", {})
    assert told(tmp_path / "none").startswith(
        "Nothing was changed. The company as it is, over 112 days and beyond: LTV"
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
    slope = "behaviour.attrition.satisfaction_slope"
    rows = [("norush_coupon", slope, 0.5, 4.0, 0.1), ("norush_coupon", slope, 1.5, -4.0, 0.1)]
    rows += [("norush_coupon", "company.capacity_ratio", value, 3.0, 0.1) for value in (1.1, 1.5)]
    pd.DataFrame(rows, columns=["intervention", "name", "value", "effect", "mc_se"]).to_csv(
        folder / "probes.csv", index=False
    )
    text = flips.sentence(Run(folder), "norush_coupon")
    assert "slope of satisfaction on churn of about 1 (better below; here 0.8)" in text
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
        told(folder)
    (folder / "config.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(RunError, match="is no YAML") as caught:
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
    with pytest.raises(RunError, match=r"version 1, .* version 3; run it again \(.*draws.parquet is now points"):
        Run(folder)
    (folder / "provenance.json").write_text(json.dumps(stated | {"folder_version": 4}), encoding="utf-8")
    with pytest.raises(RunError, match="version 4"):
        Run(folder)


def test_an_older_column_is_refused_with_the_new_name(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    old = Run(folder).measures.rename(columns={"second_seed": "twin"})
    old.to_parquet(folder / "measures.parquet")
    with pytest.raises(RunError, match=r"lacks the column\(s\) second_seed \(twin is now second_seed\)") as caught:
        _ = Run(folder).measures
    assert "\n" not in str(caught.value)
