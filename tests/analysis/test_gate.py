"""`cxsim gate`: decisions at hand-made points, and what is said where none can be given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis.decisions.gate import gate
from analysis.decisions.information import Cost
from analysis.decisions.verdict import GO, NOTHING, STOP, TEST, Thresholds, usual
from analysis.folders.run_folder import RunError
from cxsim import cli
from scenarios.shocks import Shock
from sim.tables import COMPANY_WIDE, SHOCKS
from tests.docs.tables import kinds

DAYS, MEMBERS = 100, 10_000
THRESHOLDS = Thresholds(0.9, 0.9, 0.1, (1000, 5000), (10, 20), Cost())


def folder(
    place: Path, effects: Sequence[float], *, profit_sd: float = 1.0, luck: float = 0.0,
    bias: Sequence[float] = (), arms: Sequence[str] = ("baseline", "coupon"),
) -> Path:  # fmt: skip
    """A run folder whose effects on LTV are these; every point has a second seed, `luck` apart."""
    place.mkdir(parents=True)
    config = f"days: {DAYS}\nseed: 1\ncustomers: 500\ncompany: {{members: {MEMBERS}}}\n"
    (place / "config.yaml").write_text(config, encoding="utf-8")
    rows: list[tuple[Any, ...]] = []

    def note(point: int, second_seed: int, arm: str, metric: str, value: float, group: str = "all") -> None:
        rows.append((point, second_seed, arm, group, "everybody", metric, value))

    for point, effect in enumerate(effects):
        for second_seed in (0, 1):
            for arm in arms:
                note(point, second_seed, arm, "ltv", 1000.0 + (arm != "baseline") * (effect + second_seed * luck))
                note(point, second_seed, arm, "profit_sd", profit_sd)
            if len(bias):
                treated = 1000.0 + effect + second_seed * luck + bias[point]
                note(point, second_seed, "coupon/ab", "ltv", treated, "treated")
                note(point, second_seed, "coupon/ab", "ltv", 1000.0, "control")
                note(point, second_seed, "baseline", "ltv", 1000.0, "coupon/ab:treated")
                note(point, second_seed, "baseline", "ltv", 1000.0, "coupon/ab:control")
    columns = ["replication", "second_seed", "arm", "group", "segment", "metric", "value"]
    table = pd.DataFrame(rows, columns=columns).astype({"replication": "int32", "second_seed": "int8"})
    table.to_parquet(place / "measures.parquet", index=False)
    return place


def only(found: dict[str, Any]) -> dict[str, Any]:
    (verdict,) = found["verdicts"]
    return dict(verdict)


def spread_over(low: float, high: float, points: int = 40) -> list[float]:
    return list(np.linspace(low, high, points))


# -- decisions --------------------------------------------------------------------------------------------------


def test_a_sure_gain_goes_and_a_sure_loss_stops(tmp_path: Path) -> None:
    for name, sign, decision in (("gain", 1, GO), ("loss", -1, STOP)):
        found = only(gate(folder(tmp_path / name, [sign * e for e in spread_over(1, 5)]), THRESHOLDS))
        assert (found["decision"], found["clear"]) == (decision, True)
        assert found["evpi"] == 0
        assert all(test["information"] == 0 and test["net"] <= 0 for test in found["tests"])


def test_a_probable_gain_with_a_large_regret_does_not_go(tmp_path: Path) -> None:
    effects = [1.0] * 38 + [-30.0] * 2
    found = only(gate(folder(tmp_path / "rare_loss", effects), THRESHOLDS))
    assert found["p_positive"] == pytest.approx(38.5 / 41, rel=1e-5)
    assert found["regret"]["going"] == pytest.approx(60 / 40)
    assert found["regret"]["stopping"] == pytest.approx(38 / 40)
    assert found["decision"] != GO
    assert only(gate(tmp_path / "rare_loss", THRESHOLDS._replace(regret_share=2.0)))["decision"] == GO


def test_an_open_question_is_tested_where_the_test_pays(tmp_path: Path) -> None:
    place = folder(tmp_path / "open", spread_over(-10, 12), profit_sd=5.0)
    found = only(gate(place, THRESHOLDS))
    assert found["decision"] == TEST
    assert found["cheapest_test"]["cost"] == min(test["cost"] for test in found["tests"] if test["net"] > 0)
    best = found["best_test"]
    assert best["net"] == max(test["net"] for test in found["tests"]) > 0
    assert best["net"] == pytest.approx(best["information"] - best["delay"] - best["cost"], rel=1e-5)
    assert best["net_firm"] == pytest.approx(best["net"] * MEMBERS, rel=1e-5)
    # Information is at most the expected regret of the better choice, here going: the mean loss.
    assert best["information"] <= found["evpi"] == found["regret"]["going"]


@pytest.mark.parametrize(("mean", "decision"), [(1.0, GO), (-1.0, STOP)])
def test_where_nothing_is_worth_testing_the_sign_decides(tmp_path: Path, mean: float, decision: str) -> None:
    place = folder(tmp_path / "blind", spread_over(mean - 10, mean + 10), profit_sd=5.0)
    dear = THRESHOLDS._replace(cost=Cost(fixed=1e9))
    found = only(gate(place, dear))
    assert (found["decision"], found["clear"]) == (decision, False)
    assert "no test considered is worth its cost" in found["lines"][0]


def test_a_noisy_dashboard_makes_a_test_worthless(tmp_path: Path) -> None:
    quiet = only(gate(folder(tmp_path / "quiet", spread_over(-10, 12), profit_sd=5.0), THRESHOLDS))
    noisy = only(gate(folder(tmp_path / "noisy", spread_over(-10, 12), profit_sd=50_000.0), THRESHOLDS))
    assert noisy["best_test"]["information"] < 0.01 * quiet["best_test"]["information"]


def test_what_is_not_known_of_the_bias_adds_to_the_tests_error(tmp_path: Path) -> None:
    bias = [2.0 + 6.0 * (-1) ** point for point in range(40)]
    plain = only(gate(folder(tmp_path / "plain", spread_over(-10, 12)), THRESHOLDS))
    biased = only(gate(folder(tmp_path / "biased", spread_over(-10, 12), bias=bias), THRESHOLDS))
    assert biased["test_bias"]["mean"] == pytest.approx(2.0)
    assert plain["test_bias"] is None
    for with_bias, without in zip(biased["tests"], plain["tests"], strict=True):
        assert with_bias["error"] == pytest.approx(np.hypot(without["error"], 6.0 * np.sqrt(40 / 39)), rel=1e-4)


def test_luck_of_the_worlds_is_not_worth_learning(tmp_path: Path) -> None:
    """Effects that differ as much between seeds as between points: of the spread only the mean's error is left."""
    effects = spread_over(-2, 4)
    sd = float(np.std(effects, ddof=1))
    found = only(gate(folder(tmp_path / "luck", effects, luck=sd * np.sqrt(2)), THRESHOLDS))
    assert found["luck_share"] == pytest.approx(1.0)
    assert found["p_positive"] == pytest.approx(40.5 / 41, rel=1e-5)  # mean 1.0, its standard error 0.28
    assert found["effect"]["low"] > 0
    assert any("luck" in note for note in found["notes"])


def test_few_points_have_no_interval_and_no_unknown_is_named(tmp_path: Path) -> None:
    found = only(gate(folder(tmp_path / "few", spread_over(1, 5, 8)), THRESHOLDS))
    assert (found["evppi"], found["hinges"], found["effect"]["low"]) == (None, None, None)
    assert found["p_positive"] == pytest.approx(8.5 / 9, rel=1e-5)
    assert "(8 points, from +1.00 to +5.00)" in found["lines"][-1]


def test_what_knowing_is_worth_says_of_which_choice(tmp_path: Path) -> None:
    notes = only(gate(folder(tmp_path / "open", spread_over(-10, 12)), THRESHOLDS))["notes"]
    (note,) = [one for one in notes if "neither bounds the other" in one]
    assert "between coupon and doing nothing" in note


def test_money_is_the_firms(tmp_path: Path) -> None:
    """Two yen for each of 10,000 members, over 100 of 365 days."""
    found = only(gate(folder(tmp_path / "two", [1.0, 3.0] * 20), THRESHOLDS))
    assert (found["members"], found["effect"]["firm"]) == (MEMBERS, 20_000)
    assert found["effect"]["firm_year"] == pytest.approx(73_000)
    assert found["lines"][1].startswith("Expected value: +73,000 yen a year for the firm, that is +2.00 yen of LTV")
    assert "10,000 members over the horizon of 100 days and beyond it, buyers or not" in found["lines"][1]
    assert "a set-up cost of up to 20,000 yen" in found["lines"][4]


def test_lines_come_in_the_order_in_which_they_matter(tmp_path: Path) -> None:
    place = folder(tmp_path / "open", spread_over(-10, 12), profit_sd=5.0)
    told = ("Test coupon first.", "Expected value: ", "It pays in ", "Expected regret ", "Beyond the costs ",
            "The cheapest test worth its cost: ", "Effect on LTV, ")  # fmt: skip
    lines = only(gate(place, THRESHOLDS))["lines"]
    assert [line.startswith(start) for line, start in zip(lines, told, strict=True)] == [True] * len(told)


def test_a_skewed_effect_has_its_median_beside_the_mean(tmp_path: Path) -> None:
    found = only(gate(folder(tmp_path / "skewed", [1.0] * 35 + [41.0] * 5), THRESHOLDS))
    assert "+6.0 on average, median +1.0" in found["lines"][-1]


def test_where_no_point_has_an_effect_nothing_changes(tmp_path: Path) -> None:
    found = only(gate(folder(tmp_path / "zero", [0.0] * 40), THRESHOLDS))
    assert (found["decision"], found["evpi"], len(found["lines"])) == (NOTHING, 0, 1)


def test_a_run_judges_by_the_thresholds_that_ship() -> None:
    assert usual() == Thresholds.of(
        {
            "go_probability": 0.9, "stop_probability": 0.9, "regret_share": 0.1,
            "test": {
                "customers": [1000, 2000, 5000, 10000, 20000, 50000, 100000], "days": [14, 28, 56],
                "fixed_cost": 200000, "daily_cost": 5000,
            },
        }
    )  # fmt: skip


# -- what acts on everybody at once -----------------------------------------------------------------------------


def stated(place: Path, arms: str, **kinds: str) -> Path:
    """The run folder with interventions of these kinds, one per scenario."""
    scenario = {name: {"description": "", "interventions": {name: {"kind": kind}}} for name, kind in kinds.items()}
    config = yaml.safe_load((place / "config.yaml").read_text(encoding="utf-8"))
    text = yaml.safe_dump(config | {"arms": arms, "scenario": scenario})
    (place / "config.yaml").write_text(text, encoding="utf-8")
    return place


def test_our_company_wide_kinds_are_those_of_the_classes() -> None:
    assert sorted(COMPANY_WIDE) == sorted(kind for kind, cls in kinds().items() if cls.company_wide)
    assert sorted(SHOCKS) == sorted(kind for kind, cls in kinds().items() if issubclass(cls, Shock))


@pytest.mark.parametrize(("mean", "decision"), [(1.0, GO), (-1.0, STOP)])
@pytest.mark.parametrize("kind", sorted({*COMPANY_WIDE} - {*SHOCKS}))
def test_what_acts_on_everybody_is_never_tested_on_some(kind: str, mean: float, decision: str, tmp_path: Path) -> None:
    """The same points of something that can be tested say test first."""
    effects = spread_over(mean - 10, mean + 10)
    plain = stated(folder(tmp_path / "plain", effects), "total", coupon="norush_coupon")
    assert only(gate(plain, THRESHOLDS))["decision"] == TEST
    found = only(gate(stated(folder(tmp_path / "wide", effects), "total", coupon=kind), THRESHOLDS))
    assert (found["decision"], found["clear"], found["company_wide"]) == (decision, False, True)
    assert (found["tests"], found["best_test"]) == ([], None)
    assert "no A/B test can remove the doubt" in found["lines"][0]
    assert "to try it over time, or to bring data" in found["lines"][0]
    assert any("season, trend" in note and "cxsim learn" in note for note in found["notes"])
    assert not any("cheapest test" in text or "field test" in text for text in (*found["lines"], *found["notes"]))


def test_a_combination_with_a_part_that_acts_on_everybody_is_not_tested_either(tmp_path: Path) -> None:
    both = ("baseline", "coupon", "coupon+staff")
    place = stated(folder(tmp_path / "both", spread_over(-9, 11), arms=both), "total", coupon="popup", staff="staff")
    found = {one["intervention"]: one["company_wide"] for one in gate(place, THRESHOLDS)["verdicts"]}
    assert found == {"coupon": False, "coupon+staff": True}


def test_a_kind_of_ones_own_is_known_by_the_field_test_that_a_whole_run_lacks(tmp_path: Path) -> None:
    effects = spread_over(-9, 11)
    found = {
        (arms, len(bias)): only(gate(stated(place, arms, coupon="ours"), THRESHOLDS))["company_wide"]
        for arms in ("all", "total")
        for bias in ((), [0.5] * 40)
        for place in [folder(tmp_path / f"{arms}{len(bias)}", effects, bias=bias)]
    }
    assert found == {("all", 0): True, ("all", 40): False, ("total", 0): False, ("total", 40): False}


def test_a_sure_verdict_on_what_acts_on_everybody_says_what_it_said(tmp_path: Path) -> None:
    found = only(gate(stated(folder(tmp_path / "sure", spread_over(1, 5)), "total", coupon="staff"), THRESHOLDS))
    assert (found["decision"], found["clear"]) == (GO, True)
    assert found["lines"][0] == "Go with coupon."
    assert found["notes"][-1].endswith("none can leave a part of the customers out.")


# -- where no verdict can be given ------------------------------------------------------------------------------


def test_points_without_value_are_left_out_and_counted(tmp_path: Path) -> None:
    found = only(gate(folder(tmp_path / "gaps", [*spread_over(1, 5), np.nan, np.nan]), THRESHOLDS))
    assert (found["points"], found["points_without_value"]) == (40, 2)


@pytest.mark.parametrize(
    ("effects", "arms", "words"),
    [
        ([2.0], ("baseline", "coupon"), "in 1 of its replications"),
        ([np.nan, np.nan], ("baseline", "coupon"), "in 0 of its replications"),
        ([1.0, 2.0], ("baseline",), "baseline alone"),
    ],
)
def test_too_little_is_told_in_one_line(
    tmp_path: Path, effects: list[float], arms: tuple[str, ...], words: str
) -> None:
    place = folder(tmp_path / "little", effects, arms=arms)
    with pytest.raises(RunError, match=words):
        gate(place, THRESHOLDS)
    assert cli.main(["gate", str(place)]) == cli.BAD_INPUT
    assert not (place / "gate.json").exists()


@pytest.mark.parametrize("kind", SHOCKS)
def test_nobody_decides_on_a_shock(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = ("baseline", "coupon", "shock", "coupon+shock")
    alone = stated(folder(tmp_path / "alone", spread_over(-9, 11), arms=both[:3:2]), "total", shock=kind)
    assert cli.main(["gate", str(alone)]) == cli.BAD_INPUT
    assert "holds shocks alone, which nobody chooses" in capsys.readouterr().err
    beside = stated(folder(tmp_path / "beside", spread_over(-9, 11), arms=both), "total", coupon="popup", shock=kind)
    assert [one["intervention"] for one in gate(beside, THRESHOLDS)["verdicts"]] == ["coupon", "coupon+shock"]


# -- command line -----------------------------------------------------------------------------------------------


def test_the_command_writes_one_json_and_says_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = folder(tmp_path / "run", spread_over(1, 5))
    assert cli.main(["gate", str(place), "gate.go_probability=.95"]) == cli.OK
    told = capsys.readouterr().out
    first = (place / "gate.json").read_bytes()
    found = json.loads(first)
    assert found["thresholds"]["go_probability"] == 0.95
    assert told.startswith("\n".join(only(found)["lines"]))
    assert told.endswith(f"{place / 'gate.json'}\n")
    assert cli.main(["gate", str(place), "gate.go_probability=.95", "--out", str(tmp_path / "again.json")]) == cli.OK
    assert (tmp_path / "again.json").read_bytes() == first


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gate.go_probability=2"], "gate.go_probability: 2 is not allowed; from 0.5 to 1"),
        (["gate.go_probabilty=.9"], "gate.go_probabilty: no such key"),
        (["gate.test.days=[]"], "gate.test.days: [] is not allowed; at least one"),
        (["gate.metric=profit"], "gate.metric: is no longer a key; the gate judges LTV"),
        (["customers=3"], "customers: is no threshold of the gate"),
    ],
)
def test_a_bad_threshold_is_one_line(
    tmp_path: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = folder(tmp_path / "run", [1.0, 2.0])
    assert cli.main(["gate", str(place), *words]) == cli.BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
    assert not (place / "gate.json").exists()
