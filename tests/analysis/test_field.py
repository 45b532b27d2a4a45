"""Scores of field tests, by numbers computed by hand; and what is told of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from analysis.studies import field, field_page
from analysis.style.language import told_in
from sim import tables

SPREAD = np.linspace(-1.0, 1.0, 41)
"""Points about zero."""


def published(*rows: tuple[str, float, float, float], use: str = "test") -> pd.DataFrame:
    """field_findings.csv of (experiment, estimate, se, level)."""
    one = {
        "finding": "sales", "metric": "buyers", "unit": "share", "delay": math.nan, "design": "held_back", "use": use,
        "reading": "abstract", "source": "A 2000",
    }  # fmt: skip
    found = [one | {"experiment": name, "estimate": lift, "se": se, "level": level} for name, lift, se, level in rows]
    return pd.DataFrame(found, columns=[column.name for column in tables.FIELD_FINDINGS])


def points(name: str, effects: np.ndarray, luck: float = 0.0) -> pd.DataFrame:
    """field_points.parquet: every point under two seeds that differ by 2 * luck."""
    columns = [column.name for column in tables.FIELD_POINTS]
    seeds = [(0, effects + luck), (1, effects - luck)]
    rows = [(name, "sales", i, seed, value, 1.0) for seed, own in seeds for i, value in enumerate(own)]
    return pd.DataFrame(rows, columns=columns)


def score(estimate: float, se: float, effects: np.ndarray, luck: float = 0.0) -> pd.Series:
    row: pd.Series = field.scored(published(("one", estimate, se, 1.0)), points("one", effects, luck)).iloc[0]
    return row


def test_signs_are_counted_over_points_and_zero_is_half_a_point() -> None:
    assert field.sign_right(np.array([-2.0, -1.0, 0.0, 1.0]), -0.5) == (2 + 0.5) / 4
    assert score(-0.5, 0.1, 3.0 + SPREAD)["sign_right"] == 0.0
    assert math.isnan(score(0.1, 0.1, SPREAD)["sign_right"])  # the published interval spans zero


def test_inside_and_width_are_those_of_the_middle_ninety_per_cent() -> None:
    low, high = np.quantile(SPREAD, [0.05, 0.95], method="median_unbiased")
    found = score(high - 1e-9, 0.05, SPREAD)
    assert (found["predicted_low"], found["predicted_high"]) == pytest.approx((low, high))
    assert found["inside"] == 1.0
    assert score(high + 1e-9, 0.05, SPREAD)["inside"] == 0.0
    assert found["width_ratio"] == pytest.approx((high - low) / (2 * norm.ppf(0.95) * 0.05))


def test_the_luck_of_the_seed_is_taken_out_of_the_prediction() -> None:
    """With luck alone between points, what is left is a share 1/n of its variance."""
    rng = np.random.default_rng(1)
    luck = rng.normal(size=400)
    narrow = score(0.5, 0.1, np.zeros(400), 0.0)
    found = field.scored(published(("one", 0.5, 0.1, 1.0)), pd.concat([
        points("one", luck)[lambda rows: rows["second_seed"] == 0],
        points("one", rng.normal(size=400))[lambda rows: rows["second_seed"] == 1],
    ])).iloc[0]  # fmt: skip
    assert narrow["width_ratio"] == 0.0
    assert found["predicted_high"] - found["predicted_low"] < 0.35 * 2 * norm.ppf(0.95)


def test_the_score_against_nothing_is_the_difference_of_two_log_densities() -> None:
    effects, n = 0.4 + SPREAD, len(SPREAD)
    scale = math.sqrt(float(np.var(effects, ddof=1)) * (1 + 1 / n) + 0.2**2)
    expected = t.logpdf(0.5, n - 1, float(np.mean(effects)), scale) - norm.logpdf(0.5, 0.0, 0.2)
    assert score(0.5, 0.2, effects)["score_nothing"] == pytest.approx(expected)
    assert math.isnan(score(0.5, 0.2, effects)["score_constant"])  # nobody else to take a constant from


def test_the_constant_lift_is_that_of_the_other_experiments_on_the_findings_own_scale() -> None:
    rows = published(("one", 5.0, 1.0, 50.0), ("a", 0.1, 0.1, 1.0), ("b", 20.0, 1.0, 100.0), ("c", 0.6, 0.1, 1.0))
    lifts = np.array([0.1, 0.2, 0.6])
    scale = math.sqrt((50 * lifts.std(ddof=1)) ** 2 * (1 + 1 / 3) + 1.0)
    everything = pd.concat([points(name, SPREAD) for name in ("one", "a", "b", "c")])
    found = field.scored(rows, everything).iloc[0]
    other = found["score_nothing"] + norm.logpdf(5.0, 0.0, 1.0) - found["score_constant"]
    assert other == pytest.approx(t.logpdf(5.0, 2, 50 * lifts.mean(), scale))


@pytest.mark.parametrize(
    ("estimate", "effects", "expected"),
    [
        (3.0, 3.0 + 0.1 * SPREAD, "agrees"),
        (3.0, 20 + 19 * SPREAD, "vague"),
        (1.5, 1.0 + 2 * SPREAD, "unsettled"),
        (3.0, 1.5 + 0.1 * SPREAD, "small"),
        (3.0, 5.0 + 0.1 * SPREAD, "large"),
        (3.0, -1.0 + 0.1 * SPREAD, "opposite"),
    ],
)
def test_what_a_finding_says(estimate: float, effects: np.ndarray, expected: str) -> None:
    assert score(estimate, 0.5, effects)["verdict"] == expected


def test_findings_without_a_sign_are_not_counted_among_signs() -> None:
    rows = published(("one", 3.0, 0.5, 1.0), ("null", 0.1, 0.5, 1.0))
    scores = field.scored(rows, pd.concat([points("one", 3.0 + SPREAD), points("null", 5.0 + SPREAD)]))
    assert field.tally(scores) == field.Tally(signed=1, right=1, findings=2, inside=1)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A folder of two experiments, one of them an anchor."""
    rows = pd.concat([published(("anchored", 3.0, 0.5, 1.0), use="anchor"), published(("tested", 3.0, 0.5, 1.0))])
    rows.to_csv(tmp_path / "field_findings.csv", index=False)
    both = pd.concat([points("anchored", 3.0 + SPREAD), points("tested", -1.0 + 0.1 * SPREAD)])
    both.astype({"point": "int32", "second_seed": "int8"}).to_parquet(tmp_path / "field_points.parquet", index=False)
    said = "{title: {en: A shop's <test>, ja: 店のテスト}, miss: {en: It lacks a rival.}}"
    (tmp_path / "config.yaml").write_text(f"seed: 1\nfield: {{anchored: {said}, tested: {said}}}\n", encoding="utf-8")
    return tmp_path


def test_the_score_in_a_sentence_counts_tests_apart_from_anchors(suite: Path) -> None:
    assert field_page.sentence(suite) == (
        "Signs right in 1 of 2 findings (in at least 90 % of the points); the published value lies within the "
        "predicted 90 % in 1 of 2. Of the findings by which no range was set: 0 of 1, and 0 of 1."
    )


def test_a_miss_stays_in_the_table_with_what_it_means(suite: Path) -> None:
    table = field_page.summary_table(suite).splitlines()
    assert any(line.startswith("tested: sales") and "0 %" in line for line in table)
    assert table[-1].startswith("tested: sales: the other way")
    assert not any(line.startswith("anchored: sales: ") for line in table)


@pytest.mark.parametrize(("language", "title"), [("en", "A shop&#39;s &lt;test&gt;"), ("ja", "店のテスト")])
def test_the_page_tells_titles_in_its_language_and_nothing_as_markup(suite: Path, language: str, title: str) -> None:
    with told_in(language):
        page = field_page.write_report(suite, language).read_text(encoding="utf-8")
    assert title in page
    assert "<test>" not in page
    assert "It lacks a rival." in page  # said in one language only
    assert len(pd.read_csv(suite / "field.csv")) == 2
