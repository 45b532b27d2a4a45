"""What drives an effect, how probable a gain is, what a wrong choice costs, and rules: against known truths."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.stats import binom, norm, qmc

from analysis.decisions.decide import OptionGroup, decide, tables
from analysis.decisions.options import Option, configurations, options
from analysis.decisions.regions import find_region, inside
from analysis.decisions.unknowns import NOTHING, noise_share, probabilities, regret_table, space, turning
from analysis.effects.estimands import share
from analysis.effects.sensitivity import established, first_order, rank_correlations, sensitivity
from analysis.folders.run_folder import RunError
from analysis.folders.sweep_folder import Sweep
from sim.tables import PROBABILITIES, REGIONS, REGRET, SENSITIVITY
from tests.analysis.fake_sweep import CAPACITY, CLOCK, SLOPE, FakeJob, design, make_sweep

Values = npt.NDArray[np.float64]


def hypercube(points: int, names: int, seed: int) -> pd.DataFrame:
    values_at = qmc.LatinHypercube(names, rng=np.random.default_rng(seed)).random(points)
    return pd.DataFrame(values_at, columns=[f"p{i}" for i in range(names)])


def of_sweep(folder: Path, *jobs: FakeJob) -> list[Option]:
    return options(configurations(Sweep(make_sweep(folder, jobs))))


# -- drivers ----------------------------------------------------------------------------------------------------


def mean_and_error(estimates: list[list[float]]) -> tuple[Values, Values]:
    """Mean over designs, and its standard error."""
    table = np.array(estimates)
    return table.mean(axis=0), table.std(axis=0, ddof=1) / math.sqrt(len(table))


def test_first_order_indices_of_the_ishigami_function() -> None:
    """Ishigami and Homma (1990), a=7, b=0.1: S1 = (1 + b pi^4/5)^2 / 2V, S2 = (a^2/8) / V, S3 = 0."""
    a, b = 7.0, 0.1
    variance = a**2 / 8 + b * math.pi**4 / 5 + b**2 * math.pi**8 / 18 + 0.5
    truth = np.array([(1 + b * math.pi**4 / 5) ** 2 / 2, a**2 / 8, 0.0]) / variance

    def indices(seed: int) -> tuple[list[float], list[float]]:
        x = hypercube(500, 3, seed)
        angle = math.pi * (2 * x - 1)
        y = np.sin(angle["p0"]) + a * np.sin(angle["p1"]) ** 2 + b * angle["p2"] ** 4 * np.sin(angle["p0"])
        return first_order(x, y, seed)

    found = [indices(seed) for seed in range(30)]
    mean, error = mean_and_error([first for first, _half in found])
    # Six harmonics hold all of sin, sin^2 and, to the third digit, of x1's conditional mean.
    np.testing.assert_array_less(np.abs(mean - truth), 3.3 * error + 0.005)
    covered = sum(int(np.sum(np.abs(np.array(first) - truth) <= half)) for first, half in found)
    assert covered >= binom.ppf(0.001, 90, 0.9)


def test_first_order_indices_of_a_linear_model_at_the_size_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 points of 80 parameters, y = 3 p0 + 2 p1 + p2: shares 9, 4 and 1 of 14, and nothing for the other 77."""
    monkeypatch.setattr("analysis.effects.sensitivity.RESAMPLES", 2)  # the intervals take most of the time
    weight = np.array([3.0, 2.0, 1.0])

    def indices(seed: int) -> list[float]:
        x = hypercube(200, 80, seed)
        found = first_order(x, pd.Series(x.to_numpy()[:, :3] @ weight), seed)[0]
        return [*found[:3], float(np.mean(found[3:]))]

    mean, error = mean_and_error([indices(seed) for seed in range(8)])
    truth = np.array([*weight**2 / (weight**2).sum(), 0.0])
    np.testing.assert_array_less(np.abs(mean - truth), 3.5 * error + 0.01)  # 8 designs: t of 7 degrees


def test_rank_correlation_of_one_cause_alone_is_one_and_idle_ones_stay_within_chance() -> None:
    x = hypercube(200, 40, 5)
    table = sensitivity(x, np.exp(-4 * x["p7"]), seed=1)
    assert list(table)[:2] == ["name", "rank_correlation"]
    assert (table["name"][0], table["rank_correlation"][0]) == ("p7", -1.0)
    assert list(table["name"][established(table)]) == ["p7"]
    alone = 1 - 0.95 ** (1 / 40)
    assert table["chance"][0] == pytest.approx(norm.ppf(1 - alone / 2) / math.sqrt(199))


def test_among_parameters_without_influence_one_is_called_a_driver_once_in_twenty() -> None:
    rng = np.random.default_rng(2)
    runs, fooled = 60, 0
    for seed in range(runs):
        table = rank_correlations(hypercube(100, 30, seed), pd.Series(rng.standard_normal(100)))
        alone = 1 - 0.95 ** (1 / 30)
        fooled += int((table["rank_correlation"].abs() > norm.ppf(1 - alone / 2) / math.sqrt(99)).any())
    assert fooled <= binom.ppf(0.999, runs, 0.05)


def test_constant_parameters_and_effects_drive_nothing() -> None:
    x = hypercube(40, 2, 1).assign(p1=1.0)
    assert list(rank_correlations(x, x["p0"])["name"]) == ["p0"]
    assert rank_correlations(x, pd.Series(np.zeros(40))).empty
    assert sensitivity(x, pd.Series(np.zeros(40)), 1).empty


def test_order_of_ties_is_that_of_points_so_that_all_machines_agree() -> None:
    x = pd.DataFrame({"clock": np.arange(60) % 2.0})
    y = pd.Series(np.arange(60) % 2 + 0.01 * np.sin(np.arange(60)))
    assert first_order(x, y, 1) == first_order(x + 5.0, y, 1)
    assert first_order(x, y, 1)[0][0] > 0.85  # six harmonics hold 93 % of a step


def test_a_missing_package_is_one_line_that_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, call in (
        ("SALib.analyze.rbd_fast", lambda x: sensitivity(x, x["p0"], 1)),
        ("sklearn.tree", lambda x: find_region(x, (x["p0"] > 0.5).to_numpy(), 1)),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(RunError, match=r"pip install -c constraints\.txt -e '\.\[decide\]'") as error:
            call(hypercube(60, 2, 1))
        assert "\n" not in str(error.value)


# -- probabilities ----------------------------------------------------------------------------------------------


def test_interval_of_a_probability_is_wilsons() -> None:
    n, k, z = 40, 31, norm.ppf(0.95)
    p = k / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    found = share(np.arange(n) < k)
    assert (found.points, found.positive, found.probability) == (n, k, p)
    assert (found.low, found.high) == (pytest.approx(middle - half), pytest.approx(middle + half))
    assert math.isnan(share(np.zeros(0, bool)).probability)


def with_effect(folder: Path, of: Callable[[pd.DataFrame], pd.Series], points: int = 120, others: int = 4) -> Option:
    values_at = design(points, others)
    ltv = of(values_at).tolist()
    effects = {"A": {"ltv": ltv, "cost": [0.0 if x < -0.4 else 2.0 for x in ltv], "nps": [0.0] * points}}
    (option,) = of_sweep(folder, FakeJob({"scenario": "A"}, effects, values_at=values_at))
    return option


def test_probabilities_over_all_points_by_clock_and_by_third(tmp_path: Path) -> None:
    """A gain exactly where the capacity ratio, of range 1 to 2, exceeds 1.5, and nowhere under clock 0."""
    option = with_effect(tmp_path / "s", lambda x: (x[CAPACITY] - 1.5).where(x[CLOCK] == 1, -1.0))
    own = space(option)
    table = probabilities(option, own, [CAPACITY])
    assert own.choices == {CLOCK: ["episode", "time"]}
    ltv = table[table["metric"] == "ltv"].set_index(["given", "value"])
    values_at = option.configuration.values_at
    one = values_at[CLOCK] == 1
    assert ltv.loc[("", ""), "positive"] == int((one & (values_at[CAPACITY] > 1.5)).sum())
    assert ltv.loc[(CLOCK, "episode"), "probability"] == 0.5 / 61
    assert ltv.loc[(CLOCK, "time"), "points"] == 60
    thirds = ltv.loc[CAPACITY]
    assert list(thirds.index) == ["low", "middle", "high"]
    ends = np.quantile(values_at[CAPACITY], [0, 1 / 3, 2 / 3])
    assert thirds["low"].to_list() == pytest.approx(ends)
    assert thirds["points"].to_list() == [40, 40, 40]
    assert thirds.loc["high", "positive"] == int((one & (values_at[CAPACITY] > ends[2])).sum())
    skewed = own._replace(points=own.points.assign(**{CAPACITY: 10 ** (4 * own.points[CAPACITY])}))
    again = probabilities(option, skewed, [CAPACITY]).set_index(["metric", "given"]).loc[("ltv", CAPACITY)]
    assert again["points"].to_list() == [40, 40, 40]  # a range over four powers of ten, too
    assert again["positive"].to_list() == thirds["positive"].to_list()
    roi = table[(table["metric"] == "roi") & (table["given"] == "")].iloc[0]
    costly = option.each("cost") != 0
    assert roi["points"] == int(costly.sum()) < 120
    assert roi["positive"] == int((option.each("ltv")[costly] > 0).sum())


def test_the_answer_turns_along_what_decides_it_and_along_nothing_else(tmp_path: Path) -> None:
    option = with_effect(tmp_path / "s", lambda x: x[CAPACITY] - 1.5)
    table = probabilities(option, space(option), [CAPACITY, SLOPE])
    assert turning(table) == [CAPACITY]


def test_share_of_the_spread_that_is_the_luck_of_the_seed(tmp_path: Path) -> None:
    """Twins differ by 2: Monte Carlo variance 2. Effects 0, 4, 0, 4: variance 16 / 3."""
    job = FakeJob({"scenario": "A"}, {"A": {"ltv": [0.0, 4, 0, 4]}}, second_seeds={"A": [2.0, 2.0]})
    (option,) = of_sweep(tmp_path / "s", job)
    assert noise_share(option) == pytest.approx(2 / (16 / 3), rel=1e-5)
    (alone,) = of_sweep(tmp_path / "t", FakeJob({"scenario": "A"}, {"A": {"ltv": [0.0, 4]}}))
    assert math.isnan(noise_share(alone))


# -- regret -----------------------------------------------------------------------------------------------------


def test_regret_by_hand() -> None:
    effects = pd.DataFrame({NOTHING: [0.0, 0, 0, 0], "A": [3.0, -1, 2, -1], "B": [1.0, 2, -2, 0]})
    table = regret_table(effects).set_index("option")
    # Best of each point: 3, 2, 2, 0. In the last, doing nothing and B share it.
    assert table["expected_regret"].to_dict() == {NOTHING: 7 / 4, "A": 4 / 4, "B": 6 / 4}
    assert table["maximum_regret"].to_dict() == {NOTHING: 3.0, "A": 3.0, "B": 4.0}
    assert table["p_best"].to_dict() == {NOTHING: 1 / 8, "A": 1 / 2, "B": 3 / 8}
    assert table["mean_effect"].to_dict() == {NOTHING: 0.0, "A": 0.75, "B": 0.25}


def test_least_expected_regret_is_the_value_of_perfect_information() -> None:
    effects = pd.DataFrame(np.random.default_rng(4).standard_normal((50, 3)), columns=list("ABC"))
    table = regret_table(effects)
    value = effects.max(axis=1).mean() - effects.mean().max()
    assert table["expected_regret"].min() == pytest.approx(value)


def block(values: dict[str, object], name: str, ltv: list[float], level: float = 100.0) -> FakeJob:
    return FakeJob(values, {name: {"ltv": ltv}}, values_at=design(len(ltv)), level=level)


def test_regret_is_over_the_points_that_all_options_have(tmp_path: Path) -> None:
    jobs = [
        FakeJob({"scenario": "A", "points": [0, 30]}, {"A": {"ltv": [1.0] * 30}}),
        FakeJob({"scenario": "A", "points": [30, 60]}, {"A": {"ltv": [5.0] * 30}}, first=30),
        FakeJob({"scenario": "B", "points": [0, 30]}, status="died"),
        FakeJob({"scenario": "B", "points": [30, 60]}, {"B": {"ltv": [2.0] * 30}}, first=30),
    ]
    (world,) = decide(of_sweep(tmp_path / "s", *jobs))
    assert list(world.effects.index) == list(range(30, 60))
    assert world.regret.set_index("option")["expected_regret"].to_dict() == {NOTHING: 5.0, "A": 0.0, "B": 3.0}


def test_as_many_points_as_an_uncertain_sweep_has(tmp_path: Path) -> None:
    """More than a small integer holds: the second seed's rows are told from the first's."""
    second_seeds = {"A": [2.0] * 66}
    job = FakeJob({"scenario": "A"}, {"A": {"ltv": [0.0, 4.0] * 100}}, second_seeds=second_seeds)
    (option,) = of_sweep(tmp_path / "s", job)
    found = option.answer("ltv")
    assert found is not None
    assert (found.effect, found.points) == (2.0, 200)
    variance = 4 * 200 / 199  # of which 2 are luck, since seeds differ by 2
    assert found.se == pytest.approx(math.sqrt(variance / 200))
    kept = math.sqrt(1 - 2 / variance + 1 / 200)
    assert (found.low, found.high) == pytest.approx((2 - 2 * kept, 2 + 2 * kept), rel=1e-5)


def test_scenarios_of_different_worlds_are_not_compared(tmp_path: Path) -> None:
    ltv = [1.0] * 20 + [-1.0] * 20
    jobs = [block({"scenario": "A"}, "A", ltv), block({"scenario": "B"}, "B", ltv, level=200.0)]
    found = decide(of_sweep(tmp_path / "s", *jobs))
    assert [list(world.effects) for world in found] == [[NOTHING, "A"], [NOTHING, "B"]]
    assert [world.best for world in found] == [[], []]


def test_few_points_decide_nothing(tmp_path: Path) -> None:
    assert decide(of_sweep(tmp_path / "s", block({"scenario": "A"}, "A", [1.0] * 29))) == []


# -- rules ------------------------------------------------------------------------------------------------------


def test_a_rule_of_two_conditions_is_found_among_eighty_parameters() -> None:
    """A gain inside p1 > 0.4 and p2 < 0.7 (42 % of the space), turned over at one point of ten."""
    x = hypercube(200, 80, 1)
    rng = np.random.default_rng(1)
    outcome = ((x["p1"] > 0.4) & (x["p2"] < 0.7)).to_numpy() ^ (rng.random(200) < 0.1)
    region = find_region(x, outcome, seed=1)
    assert region is not None
    assert set(region.box) == {"p1", "p2"}
    # A cut lies between two neighbouring points of a Latin hypercube, give or take some turned-over ones.
    assert region.box["p1"] == (pytest.approx(0.4, abs=0.05), math.inf)
    assert region.box["p2"] == (-math.inf, pytest.approx(0.7, abs=0.05))
    within = inside(x, region.box)
    assert region.density == outcome[within].mean()
    assert region.coverage == outcome[within].sum() / outcome.sum()
    assert (region.support, region.points) == (within.mean(), 200)
    assert region.elsewhere == outcome[~within].mean()
    # 0.9 in truth, over some 84 held-out points: within three standard errors.
    assert region.held_out == pytest.approx(0.9, abs=3 * math.sqrt(0.9 * 0.1 / (200 * within.mean())))
    assert region.held_out_low < region.held_out < region.held_out_high


def test_where_one_parameter_decides_a_rule_has_one_condition() -> None:
    x = hypercube(200, 80, 2)
    region = find_region(x, (x["p9"] <= 0.25).to_numpy(), seed=1)
    assert region is not None
    assert list(region.box) == ["p9"]
    assert (region.density, region.coverage, region.elsewhere) == (1.0, 1.0, 0.0)


def test_without_a_cause_a_rule_is_stated_once_in_twenty() -> None:
    rng = np.random.default_rng(3)
    stated = sum(find_region(hypercube(200, 80, s), rng.random(200) < 0.4, s) is not None for s in range(60))
    assert stated <= binom.ppf(0.999, 60, 0.06)  # 5.5 % measured over 400 such; two depths are tried


@pytest.mark.parametrize("few", [0, 9])
def test_an_outcome_in_almost_all_or_no_points_has_no_rule(few: int) -> None:
    x = hypercube(100, 3, 1)
    low = (x["p0"].rank() <= few).to_numpy()
    assert find_region(x, low, 1) is None
    assert find_region(x, ~low, 1) is None


# -- all together -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> OptionGroup:
    """A gains above a capacity ratio of 1.3, B gains a little always; 120 points in two blocks each."""
    values_at = design(120, 6)
    noise = 0.02 * np.random.default_rng(8).standard_normal(120)
    effects = {"A": (values_at[CAPACITY] - 1.3 + noise).tolist(), "B": [0.1] * 120}
    jobs = [
        FakeJob(
            {"scenario": name, "points": [first, first + 60]},
            {name: {"ltv": ltv[first : first + 60]}},
            first,
            values_at=values_at,
        )
        for name, ltv in effects.items()
        for first in (0, 60)
    ]
    (only,) = decide(of_sweep(tmp_path_factory.mktemp("sweeps") / "s", *jobs))
    return only


def test_tables_have_the_columns_they_state(world: OptionGroup) -> None:
    made = tables([world])
    schemas = {
        "sensitivity.csv": SENSITIVITY, "probabilities.csv": PROBABILITIES, "regret.csv": REGRET,
        "regions.csv": REGIONS,
    }  # fmt: skip
    assert {name: list(table) for name, table in made.items()} == {
        name: [column.name for column in schema] for name, schema in schemas.items()
    }
    assert all(table["option"].notna().all() and (table["option_group"] == 0).all() for table in made.values())
    empty = tables([])
    assert {name: list(table) for name, table in empty.items()} == {name: list(table) for name, table in made.items()}


def test_the_cause_is_found_as_driver_as_rule_and_as_turn(world: OptionGroup) -> None:
    a, b = world.unknowns
    assert (a.option.label, a.sensitivity["name"].iloc[0], a.region.outcome) == ("A", CAPACITY, "loss")
    assert a.region.region is not None
    assert a.region.region.box == {CAPACITY: (-math.inf, pytest.approx(1.3, abs=0.04))}
    assert turning(a.probabilities) == [CAPACITY]
    assert b.sensitivity.empty
    assert (b.region.region, b.region.base_rate) == (None, 0.0)


def test_the_best_choice_has_a_rule_too(world: OptionGroup) -> None:
    """A beats B above a capacity ratio of 1.4."""
    best = {found.option: found.region for found in world.best}
    assert set(best) == {NOTHING, "A", "B"}
    assert best["A"] is not None
    assert best["A"].box == {CAPACITY: (pytest.approx(1.4, abs=0.04), math.inf)}
    assert best[NOTHING] is None
