"""Variants at the same points: dominance, the most robust one, and a break-even that is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis.decisions.options import Configuration, Option
from analysis.decisions.variants import Way, break_even, dominates, most_robust, told, ways
from analysis.decisions.verdict import lines, of_run
from analysis.effects.answer import write_effects
from analysis.folders.run_folder import Run

POINTS = 40
GRID = np.linspace(0, 1, POINTS)


def folder(place: Path, effects: Mapping[str, Sequence[float]], variants: Mapping[str, Any]) -> Path:
    """A run folder of the plan `coupon`, face 150, with effects on LTV by arm."""
    place.mkdir()
    plan = {"kind": "norush_coupon", "face": 150}
    scenario = {"coupon": {"description": "", "interventions": {"coupon": plan}, "variants": dict(variants)}}
    config = {"days": 365, "seed": 1, "customers": 500, "company": {"members": 1000}, "scenario": scenario}
    (place / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    rows = [
        (point, 0, arm, "all", "everybody", "ltv", 1000.0 + effect)
        for arm, values in {"baseline": np.zeros(POINTS), **effects}.items()
        for point, effect in enumerate(values)
    ]
    columns = ["replication", "second_seed", "arm", "group", "segment", "metric", "value"]
    table = pd.DataFrame(rows, columns=columns).astype({"replication": "int32", "second_seed": "int8"})
    table.to_parquet(place / "measures.parquet", index=False)
    return place


def found(place: Path) -> list[Way]:
    return ways(Option(Configuration({}, [Run(place)], 1), "coupon", "coupon"))


PLAN = 20 * GRID - 8
HALF = 10 * GRID - 3.5
DOUBLE = 25 * GRID - 14
VARIANTS = {"half": {"face": 75}, "double": {"face": 300}}
EFFECTS = {"coupon": PLAN, "coupon*half": HALF, "coupon*double": DOUBLE}


def test_a_sure_improvement_dominates_and_a_gamble_does_not() -> None:
    assert dominates(PLAN + 1, PLAN)
    assert dominates(np.full(POINTS, 2.0), PLAN - np.mean(PLAN) + 2)  # the same mean, nothing at risk
    assert not dominates(PLAN, PLAN)
    assert not dominates(PLAN, HALF)
    assert not dominates(HALF, PLAN)


def test_the_most_robust_variant_is_recommended_beside_the_plan(tmp_path: Path) -> None:
    place = folder(tmp_path / "run", EFFECTS, VARIANTS)
    plan, half, double = found(place)
    assert [way.name for way in (plan, half, double)] == ["", "half", "double"]
    assert half.worst == pytest.approx(np.mean(HALF[:4]))
    assert most_robust([plan, half, double]) is half
    assert (plan.dominated_by, half.dominated_by, double.dominated_by) == (None, None, 0)
    text = "\n".join(lines(of_run(Run(place), "coupon")))
    assert "Recommended of its variants, as the most robust: half (coupon face value 75 yen)." in text
    assert f"comes to {half.worst:+.2f} yen per member on average, as planned to {plan.worst:+.2f}" in text
    assert (
        "Dominated, that is no better over its worst worlds however many of them are counted: double (by the plan"
        in text
    )


def test_break_evens_are_counted_over_points(tmp_path: Path) -> None:
    plan, half, double = found(folder(tmp_path / "run", EFFECTS, VARIANTS))
    even = break_even([plan, half, double], 150.0)
    assert even is not None
    assert even.values.tolist() == [75, 150, 300]
    assert even.probabilities.tolist() == [(np.sum(e > 0) + 0.5) / (POINTS + 1) for e in (HALF, PLAN, DOUBLE)]
    turning = (HALF > 0) & (DOUBLE < 0)
    assert even.share == pytest.approx(np.mean(turning))
    each = [np.interp(0.0, [d, p, h], [300, 150, 75]) for h, p, d in zip(HALF, PLAN, DOUBLE, strict=True) if h > 0 > d]
    assert even.median == pytest.approx(np.median(each))
    assert "Of coupon face values it pays at 75 yen in 65 %" in "\n".join(told([plan, half, double], 150.0, False))


def test_a_variant_that_moves_more_than_the_face_is_no_point_of_its_curve(tmp_path: Path) -> None:
    variants = {"half": {"face": 75, "valid_days": 30}, "double": {"face": 300}}
    even = break_even(found(folder(tmp_path / "run", EFFECTS, variants)), 150.0)
    assert even is not None
    assert even.values.tolist() == [150, 300]
    assert break_even(found(tmp_path / "run"), None) is None


def test_a_plan_that_no_variant_beats_says_so(tmp_path: Path) -> None:
    place = folder(tmp_path / "run", EFFECTS | {"coupon*half": PLAN - 9}, {"half": {"face": 75}})
    plan, half = found(place)
    assert most_robust([plan, half]) is plan
    assert "Of its variants none is more robust" in told([plan, half], 150.0, False)[0]


def test_a_stopped_plan_points_to_a_variant_that_pays(tmp_path: Path) -> None:
    place = folder(tmp_path / "run", EFFECTS | {"coupon": -5 - GRID}, VARIANTS)
    assert "Before it is stopped, look at the most robust of its variants: half" in "\n".join(
        lines(of_run(Run(place), "coupon"))
    )


def test_without_variants_nothing_is_added(tmp_path: Path) -> None:
    assert found(folder(tmp_path / "run", {"coupon": PLAN}, {})) == []
    assert told([], 150.0, False) == []


def test_variants_have_rows_of_their_own_that_no_plan_is_read_from(tmp_path: Path) -> None:
    place = folder(tmp_path / "run", EFFECTS, VARIANTS)
    table = write_effects(place)
    assert set(table["intervention"]) == {"coupon", "coupon*half", "coupon*double"}
    assert set(Run(place).effects["intervention"]) == {"coupon"}
    assert Run(place).interventions == ["coupon"]
