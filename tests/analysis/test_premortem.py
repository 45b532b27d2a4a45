"""What a test is worth, counted and scaled: against closed forms of normal estimates, and told to a person."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.integrate import quad
from scipy.stats import norm

from analysis.folders.run_folder import RunError
from analysis.studies.premortem import (
    PreMortem,
    chosen,
    culprit,
    decisive,
    enough_weeks,
    exaggeration,
    needed_size,
    power_of,
    summarised,
)
from analysis.studies.premortem_page import recommendation, summary_table, write_report
from sim.tables import PREMORTEM, TEST_METRICS, TESTS

METRIC = TEST_METRICS[0].name
LEVEL, POWER = 0.05, 0.8
CUSTOMERS = 1000


def toy(
    truths: np.ndarray, tests: int, se: float = 1.0, bias: float = 0.0, seed: int = 1, design: str = "customer",
    weeks: int = 4, metric: str = METRIC,
) -> pd.DataFrame:  # fmt: skip
    """Tests whose raw estimates are normal around truth + bias with a known standard error; their split's chance is all
    there is of noise."""
    rng = np.random.default_rng(seed)
    point = np.repeat(np.arange(len(truths)), tests)
    truth = truths[point]
    split = se * rng.standard_normal(len(point))
    estimate = truth + bias + split
    return pd.DataFrame({
        "point": point, "design": design, "test": np.tile(np.arange(tests), len(truths)), "metric": metric,
        "weeks": weeks, "estimate": estimate, "se": se, "freedom": np.inf,
        "p_value": 2 * norm.sf(np.abs(estimate) / se), "split": split,
        "split_p_value": 2 * norm.sf(np.abs(split) / se), "truth_window": truth, "truth": truth,
    })  # fmt: skip


def row(tests: pd.DataFrame, members: int = CUSTOMERS) -> pd.Series:
    """The one row of a toy's summary."""
    table = summarised(tests, LEVEL, POWER, CUSTOMERS, members)
    assert len(table) == 1
    return table.iloc[0]


# -- counted --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", [0.2, 0.7, 2.0])
def test_power_wrong_signs_and_exaggeration_are_those_of_the_normal(effect: float) -> None:
    """Gelman and Carlin (2014), in units of the standard error."""
    n = 400_000
    found = row(toy(np.full(4, effect), n // 4))
    critical = norm.ppf(1 - LEVEL / 2)
    wrong = norm.cdf(-critical - effect)
    power = norm.sf(critical - effect) + wrong
    tails = ((critical, 12.0), (-12.0, -critical))
    size = sum(quad(lambda x: abs(x) * norm.pdf(x - effect), *ends)[0] for ends in tails) / power
    assert found["power"] == pytest.approx(power, abs=4 * math.sqrt(power * (1 - power) / n))
    type_s, significant = wrong / power, power * n
    assert found["wrong_sign_if_significant"] == pytest.approx(
        type_s, abs=4 * math.sqrt(type_s * (1 - type_s) / significant)
    )
    # Significant estimates spread by less than one standard error around their mean size.
    assert found["exaggeration"] == pytest.approx(size / effect, abs=4 / (effect * math.sqrt(significant)))
    assert found["wrong_sign"] == pytest.approx(norm.cdf(-effect), abs=4 * math.sqrt(0.25 / n))
    assert found["false_alarm"] == pytest.approx(LEVEL, abs=4 * math.sqrt(LEVEL * (1 - LEVEL) / n))
    assert found["coverage"] == pytest.approx(1 - LEVEL, abs=4 * math.sqrt(LEVEL * (1 - LEVEL) / n))
    assert found["spread"] == pytest.approx(1.0, rel=4 / math.sqrt(2 * n))


def test_bias_is_split_into_interference_and_reading_early() -> None:
    tests = toy(np.array([1.0, 3.0]), 5, bias=0.5)
    tests["truth_window"] += 0.25
    found = row(tests)
    assert found["estimate"] == pytest.approx(2.5)
    assert found["bias"] == pytest.approx(0.5)
    assert found["interference"] == pytest.approx(0.25)
    assert found["early"] == pytest.approx(0.25)
    assert found["bias"] == pytest.approx(found["interference"] + found["early"])
    assert found["bias_mc_se"] == pytest.approx(0.0, abs=1e-12)  # every world has the same


def test_errors_are_those_over_worlds() -> None:
    """The tests of a world share its truth, so that more of them make the mean over worlds no surer."""
    few, many = (toy(np.zeros(3), tests) for tests in (2, 200))
    for tests in (few, many):
        tests["estimate"] += tests["point"]  # bias 0, 1 and 2
        assert row(tests)["bias_mc_se"] == pytest.approx(1.0 / math.sqrt(3))


def test_worlds_that_point_wrong_are_counted_without_the_split() -> None:
    found = row(toy(np.array([1.0, -1.0, 2.0, -3.0]), 3, se=50.0, bias=-1.5))
    assert found["wrong_points"] == 1  # 1 becomes -0.5; the others keep their sign, whatever the split was


def test_exaggeration_is_a_ratio_of_mean_sizes() -> None:
    assert exaggeration(pd.Series([4.0, -2.0]), pd.Series([1.0, 1.0])) == 3.0
    assert math.isnan(exaggeration(pd.Series([], dtype=float), pd.Series([], dtype=float)))


# -- scaled ---------------------------------------------------------------------------------------------------


def test_needed_size_is_the_textbooks() -> None:
    """Two arms, standard deviation 1, difference 0.5: 2 (z + z)^2 / 0.25 in each, 63 when rounded up (Cohen 1988)."""
    n = 1000
    needed = needed_size(np.array([0.5]), np.array([math.sqrt(4 / n)]), n, LEVEL, POWER)[0]
    each = 2 * (norm.ppf(0.975) + norm.ppf(0.8)) ** 2 / 0.25
    assert needed == pytest.approx(2 * each)
    assert math.ceil(needed / 2) == 63
    assert power_of(np.array([0.5]), np.array([math.sqrt(4 / needed)]), LEVEL)[0] == pytest.approx(POWER, abs=1e-5)


def test_no_effect_needs_more_than_anybody_has() -> None:
    assert np.isinf(needed_size(np.zeros(1), np.ones(1), CUSTOMERS, LEVEL, POWER)).all()
    assert power_of(np.zeros(1), np.ones(1), LEVEL)[0] == pytest.approx(LEVEL)


def test_needed_size_is_the_median_world_and_the_ninth_of_ten() -> None:
    truths = np.arange(1.0, 12.0)
    found = row(toy(truths, 2))
    sizes = np.sort(needed_size(truths, np.ones(11), CUSTOMERS, LEVEL, POWER))
    assert found["needed_customers"] == pytest.approx(sizes[5])
    assert found["needed_customers_high"] == pytest.approx(sizes[9])


def test_on_more_members_chance_shrinks_and_bias_stays() -> None:
    found = row(toy(np.full(6, 2.0), 10, se=3.0, bias=0.8), members=4 * CUSTOMERS)
    assert found["error_at_members"] == pytest.approx(math.sqrt(0.8**2 + 3.0**2 / 4))
    assert found["power_at_members"] == pytest.approx(power_of(np.array([2.8]), np.array([1.5]), LEVEL)[0])


def test_the_tests_own_chance_does_not_count_as_bias() -> None:
    """What the split does not explain averages out over worlds: expectation 0, standard error as of a chi-square."""
    worlds, tests, sd = 4000, 5, 2.0
    frame = toy(np.ones(worlds), tests, se=1e-9)
    frame["estimate"] += np.random.default_rng(4).normal(0, sd, len(frame))
    left = row(frame)["error_at_members"] ** 2
    # Of a world's mean squared, less its estimated variance: variance 2 (sd^2 / K)^2 (1 + 1 / (K - 1)).
    error = math.sqrt(2 * (sd**2 / tests) ** 2 * (1 + 1 / (tests - 1)) / worlds)
    assert left < 4 * error


# -- chosen ---------------------------------------------------------------------------------------------------


def summary_of(errors: dict[tuple[str, int], float]) -> pd.DataFrame:
    """A summary with these errors by design and weeks, and nothing else of interest."""
    rows = [(*key, error) for key, error in errors.items()]
    table = pd.DataFrame(rows, columns=["design", "weeks", "error_at_members"])
    table = table.assign(metric=METRIC, needed_customers=8000 / table["weeks"])
    return table.reindex(columns=[column.name for column in PREMORTEM])


def test_the_earliest_of_the_good_readings_is_chosen() -> None:
    table = summary_of({("customer", 4): 9.0, ("customer", 8): 5.4, ("cluster", 13): 5.0, ("cluster", 8): 5.6})
    assert tuple(chosen(table)[["design", "weeks"]]) == ("customer", 8)


def test_enough_weeks_is_the_first_reading_that_the_members_suffice_for() -> None:
    rows = decisive(summary_of({("customer", weeks): 1.0 for weeks in (2, 4, 8)}))
    assert enough_weeks(rows, 2000) == 4
    assert enough_weeks(rows, 999) is None


# -- told -----------------------------------------------------------------------------------------------------


def folder(path: Path, tests: pd.DataFrame, points: dict[str, np.ndarray], members: int = 4000) -> Path:
    """A pre-mortem's folder as the simulator leaves it."""
    path.mkdir()
    plan = {
        "design": list(pd.unique(tests["design"])), "tests": 8, "share": 0.5, "clusters": 47, "weeks": [4, 8],
        "level": LEVEL, "power": POWER,
    }  # fmt: skip
    config = {
        "customers": CUSTOMERS, "days": 120, "seed": 1, "replications": "auto", "scenario": {"peach_popup": {}},
        "company": {"name": "cdnow", "members": members}, "premortem": plan,
    }  # fmt: skip
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    tests[[column.name for column in TESTS]].to_parquet(path / "tests.parquet")
    rows = [(r, name, value) for name, values in points.items() for r, value in enumerate(values)]
    pd.DataFrame(rows, columns=["replication", "name", "value"]).to_parquet(path / "points.parquet")
    return path


def planned(truths: np.ndarray, bias: float = 0.0, se: float = 1.0) -> pd.DataFrame:
    """Both designs, two readings, all metrics."""
    return pd.concat([
        toy(truths, 8, se / math.sqrt(weeks), bias, seed=weeks, design=design, weeks=weeks, metric=metric.name)
        for design in ("customer", "cluster")
        for weeks in (4, 8)
        for metric in TEST_METRICS
    ])  # fmt: skip


POINTS = {"behaviour.talk.base": np.linspace(0, 1, 16), "company.margin": np.linspace(0, 1, 16)[::-1] ** 2}


def test_the_report_is_told_without_a_gap_and_the_same_twice(tmp_path: Path) -> None:
    place = folder(tmp_path / "run", planned(np.linspace(-1, 4, 16), bias=-0.5), POINTS)
    page = write_report(place).read_bytes()
    assert write_report(place).read_bytes() == page
    text = page.decode()
    assert "What would a test of peach_popup tell?" in text
    read = re.sub(r"<(svg|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    assert not re.search(r"\bnan\b|\binf\b|[{}]", read)
    table = pd.read_csv(place / "premortem.csv")
    assert list(table.columns) == [column.name for column in PREMORTEM]
    assert len(table) == 2 * 2 * len(TEST_METRICS)
    for name in ("errors", "worlds", "power"):
        assert (place / "figures" / f"premortem_{name}.png").stat().st_size > 0


def test_the_paragraph_says_when_a_test_tells_nothing(tmp_path: Path) -> None:
    blind = recommendation(folder(tmp_path / "blind", planned(np.full(16, 0.1), se=40.0), POINTS))
    clear = recommendation(folder(tmp_path / "clear", planned(np.full(16, 5.0)), POINTS))
    assert "the test does not tell what the rollout would do" in blind
    assert "the test does not tell" not in clear
    assert "In 0 of 16 worlds" in clear
    biased = recommendation(folder(tmp_path / "biased", planned(np.full(16, 0.1), bias=3.0), POINTS))
    assert "no larger test would help: its bias alone misses by 3.00" in biased
    assert "the firm gets there in 4 weeks" in clear
    assert "would not get there in 8 weeks" in blind


def test_the_terminal_shows_each_reading(tmp_path: Path) -> None:
    *lines, note = summary_table(folder(tmp_path / "run", planned(np.full(16, 5.0)), POINTS)).splitlines()
    assert "yen per member" in note
    assert [line.split()[:4] for line in lines[2:]] == [
        ["one", "by", "one", "4"], ["one", "by", "one", "8"], ["in", "clusters", "4", "+5.00"],
        ["in", "clusters", "8", "+5.00"],
    ]  # fmt: skip


def test_an_unknown_is_named_only_where_it_stands_out(tmp_path: Path) -> None:
    tests = planned(np.full(16, 5.0))
    noise = {f"market.other_{k}": np.random.default_rng(k).random(16) for k in range(8)}
    points = {"behaviour.talk.base": np.linspace(0, 1, 16)} | noise
    quiet = PreMortem(folder(tmp_path / "quiet", tests, noise))
    assert culprit(quiet, chosen(quiet.summary)) is None
    tests["estimate"] -= 2.0 * tests["point"]
    driven = PreMortem(folder(tmp_path / "driven", tests, points))
    found = culprit(driven, chosen(driven.summary))
    assert found is not None
    assert found[0] == "behaviour.talk.base"
    assert found[1] == pytest.approx(-1.0)
    assert "talk base" in recommendation(driven.folder)


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"tests\.parquet"):
        PreMortem(tmp_path)


def test_where_nothing_changes_no_interference_is_blamed(tmp_path: Path) -> None:
    idle = recommendation(folder(tmp_path / "idle", planned(np.zeros(16)), POINTS))
    assert idle.startswith("Nothing changes: in none of 16 worlds does the full rollout move profit over 120 days")
    tests = planned(np.full(16, 5.0))
    tests["estimate"] = tests["truth"] = tests["truth_window"] = 5.0
    tests["split"] = 0.0
    apart = recommendation(folder(tmp_path / "apart", tests, POINTS))
    assert "do not affect one another in any of the worlds" in apart
    assert "cannot be told from chance" not in apart
