"""The planned test in simulated worlds: who is treated, what the analyst computes, and that both are honest where
customers cannot affect one another."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind

from agents.network import small_world
from cxsim import cli
from scenarios.intervention import treated_arms
from sim import tables
from sim.phrases import ConfigError
from sim.run.replication import Task
from sim.studies.premortem import (
    CLUSTER,
    CUSTOMER,
    LOGGED,
    Assignment,
    Laboratory,
    Plan,
    assignment,
    blocks,
    difference,
    plan_of,
    readings,
    run_world,
    treatment,
)
from tests.folders import differing, files
from tests.worlds import BUSY, free_world, settings

SMALL = ("scenario=peach_popup", "customers=2000", "days=56", "burn_in=30", "calendar=flat", *BUSY)
SILENT = ("behaviour.talk.base=0", "behaviour.talk.positive=0", "behaviour.talk.negative=0")
STRONG = ("scenario.peach_popup.interventions.peach_popup.lift=3", "market.topics.campaign_route=0.5")
KEYS = {"design": ["customer"], "tests": 8, "share": 0.5, "clusters": 47, "weeks": "auto", "level": 0.05, "power": 0.8}
PLAN = Plan.model_construct(
    design=(CUSTOMER, CLUSTER), tests=2, share=0.5, clusters=40, weeks=(4, 8), level=0.05, power=0.8
)
DAY = 56
SPLITS = 2000


@lru_cache(maxsize=2)
def laboratory(silent: bool) -> Laboratory:
    """A world where nothing queues; where it is silent too, no customer affects another."""
    found = settings(*SMALL, *STRONG, *(SILENT if silent else ()))
    return Laboratory(free_world(found, 5), treatment(treated_arms(found))[1], found, PLAN)


# -- the plan -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("design", "cutomer", "did you mean customer?"),
        ("design", [], "at least one"),
        ("tests", 0, "a whole number from 1 to 250"),
        ("share", 1, "above 0 and below 1"),
        ("share", 0.001, "leaves 2 in one arm; at least 30"),
        ("clusters", 3, "a whole number from 4 to 2000"),
        ("weeks", [4, 9], "a whole number from 1 to 8"),
        ("weeks", [], "at least one"),
        ("level", 0.5, "above 0 and below 0.5"),
        ("power", "high", "is not a number"),
        ("length", 4, "no such key"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused_in_one_line(key: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"^premortem\.{key}: ") as raised:
        plan_of(KEYS | {key: value}, settings(*SMALL))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_usual_weeks_are_those_the_horizon_holds() -> None:
    assert plan_of(KEYS, settings(*SMALL)).weeks == (2, 4, 8)


def test_one_design_and_a_list_of_one_are_the_same_plan() -> None:
    found = settings(*SMALL)
    assert plan_of(KEYS | {"design": "cluster"}, found) == plan_of(KEYS | {"design": ["cluster"]}, found)


def test_something_must_be_tested() -> None:
    with pytest.raises(ConfigError, match=r"^scenario: adds nothing"):
        treatment({})


# -- who is treated -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("customers", "number"), [(100, 4), (101, 7), (2000, 47), (50, 50)])
def test_clusters_partition_the_rows(customers: int, number: int) -> None:
    first = blocks(customers, number)
    sizes = np.diff(first, append=customers)
    assert first[0] == 0
    assert sizes.sum() == customers
    assert sizes.min() >= 1
    assert sizes.max() - sizes.min() <= 1


def test_a_cluster_is_treated_as_a_whole_and_a_fixed_number_of_them() -> None:
    world = laboratory(True).world
    for test in range(20):
        assigned = assignment(PLAN, CLUSTER, world, test)
        assert assigned.treated.sum() == 20
        for rows in np.split(assigned.rows(), assigned.first[1:]):
            assert rows.all() or not rows.any()


def test_customers_are_treated_at_the_planned_share_anew_in_each_test() -> None:
    world = laboratory(True).world
    rows = np.array([assignment(PLAN, CUSTOMER, world, test).rows() for test in range(50)])
    deviation = math.sqrt(0.25 / rows.size)
    assert abs(rows.mean() - 0.5) < 4 * deviation
    both = (rows[:-1] & rows[1:]).mean()  # a quarter if tests are independent
    assert abs(both - 0.25) < 4 * math.sqrt(0.25 * 0.75 / rows[1:].size)


def test_few_ties_lead_out_of_large_clusters() -> None:
    """On the unrewired line a step crosses a border as often as it is long: h of them make h (h + 1) / 2 ties a border.
    Those beyond the line's end, as many, go anywhere."""
    half, customers = 3, 2000
    network = small_world(7, customers, 2 * half, 0.0)
    row = np.repeat(np.arange(customers), np.diff(network.start))
    at_border = half * (half + 1) // 2
    crossing = {}
    for number in (200, 50, 10):
        cluster = np.repeat(np.arange(number), np.diff(blocks(customers, number), append=customers))
        crossing[number] = int((cluster[row] != cluster[network.ties]).sum()) // 2
        assert (number - 1) * at_border <= crossing[number] <= number * at_border
    assert crossing[200] > crossing[50] > crossing[10]


# -- what the analyst computes --------------------------------------------------------------------------------


def test_the_difference_of_means_is_welchs() -> None:
    rng = np.random.default_rng(1)
    values, treated = rng.exponential(size=300), rng.random(300) < 0.3
    found = difference(values, np.ones(300), treated)
    welch = ttest_ind(values[treated], values[~treated], equal_var=False)
    assert found.estimate == pytest.approx(values[treated].mean() - values[~treated].mean(), rel=1e-12)
    assert found.estimate / found.se == pytest.approx(welch.statistic, rel=1e-10)
    assert found.freedom == pytest.approx(welch.df, rel=1e-10)
    assert found.p_value == pytest.approx(welch.pvalue, rel=1e-9)


def test_equal_clusters_are_compared_by_their_means() -> None:
    rng = np.random.default_rng(2)
    values, treated = rng.exponential(size=400), np.arange(20) % 2 == 0
    assigned = Assignment(blocks(400, 20), treated, 400)
    found = difference(assigned.totals(values), assigned.totals(np.ones(400)), treated)
    means = values.reshape(20, 20).mean(axis=1)
    welch = ttest_ind(means[treated], means[~treated], equal_var=False)
    assert found.p_value == pytest.approx(welch.pvalue, rel=1e-9)


def test_the_error_of_buyers_among_visitors_is_that_over_visitors() -> None:
    """Per side the linearised variance over n customers is the two-sample one over m visitors, but for (n / (n - 1)) *
    ((m - 1) / m)."""
    rng = np.random.default_rng(3)
    visited, treated = rng.random(500) < 0.4, np.arange(500) % 2 == 0
    bought = visited & (rng.random(500) < 0.3)
    found = difference(100.0 * bought, visited.astype(float), treated)
    variance = 0.0
    for side in (treated, ~treated):
        n, m = int(side.sum()), int((side & visited).sum())
        own = 100.0 * bought[side & visited]
        variance += own.var(ddof=1) / m * (n / (n - 1)) * ((m - 1) / m)
    assert found.se == pytest.approx(math.sqrt(variance), rel=1e-12)


def test_without_any_visitor_there_is_no_difference() -> None:
    found = difference(np.zeros(8), np.zeros(8), np.arange(8) < 4)
    assert math.isnan(found.estimate)
    assert math.isnan(found.p_value)


# -- where nobody affects anybody -----------------------------------------------------------------------------


def seen(lab: Laboratory, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The log of a test in a world where each customer's log depends on the customer's own treatment alone."""
    return {name: np.where(rows, lab.rollout[DAY][name], lab.untreated[DAY][name]) for name in LOGGED}


def test_where_nobody_affects_anybody_a_test_is_made_of_both_worlds() -> None:
    lab = laboratory(True)
    for design in (CUSTOMER, CLUSTER):
        rows = assignment(PLAN, design, lab.world, 0).rows()
        found = lab.lived(rows)[DAY]
        for name, column in seen(lab, rows).items():
            assert np.array_equal(found[name], column)
    assert lab.truths[DAY]["orders_per_thousand"] > 0


def test_where_customers_talk_it_is_not() -> None:
    lab = laboratory(False)
    rows = assignment(PLAN, CUSTOMER, lab.world, 0).rows()
    assert not np.array_equal(lab.lived(rows)[DAY]["visits"], seen(lab, rows)["visits"])


def estimates(lab: Laboratory, metric: str, untreated: bool = False) -> np.ndarray:
    """(estimate, se, p-value) of many splits of one world, each read from the two worlds it is made of."""
    found = []
    for split in range(SPLITS):
        treated = np.random.default_rng(split).random(lab.world.customers) < 0.5
        log = lab.untreated[DAY] if untreated else seen(lab, treated)
        top, bottom = next((top, bottom) for name, top, bottom in readings(log, 1.0) if name == metric)
        one = difference(top.astype(float), bottom.astype(float), treated)
        found.append((one.estimate, one.se, one.p_value))
    return np.array(found)


def test_without_spillover_a_test_by_customer_is_unbiased_and_its_error_is_neymans() -> None:
    """Neyman (1923): over splits of one world the variance is S1^2/n1 + S0^2/n0 - S_effect^2/n, of which the analyst
    knows the first two."""
    lab = laboratory(True)
    estimate, se, _ = estimates(lab, "orders_per_thousand").T
    truth = lab.truths[DAY]["orders_per_thousand"]
    assert abs(estimate.mean() - truth) < 4 * estimate.std(ddof=1) / math.sqrt(SPLITS)
    effect = 1000.0 * (lab.rollout[DAY]["bought"].astype(float) - lab.untreated[DAY]["bought"])
    hidden = effect.var(ddof=1) / lab.world.customers
    # A variance estimated from so many normal values has a relative error of sqrt(2 / SPLITS).
    assert (se**2).mean() == pytest.approx(estimate.var(ddof=1) + hidden, rel=4 * math.sqrt(2 / SPLITS))


def test_a_test_of_nothing_alarms_as_often_as_its_level_says() -> None:
    lab = laboratory(True)
    for metric in ("orders_per_thousand", "buyers_per_visitor"):
        p = estimates(lab, metric, untreated=True)[:, 2]
        assert abs((p < 0.05).mean() - 0.05) < 4 * math.sqrt(0.05 * 0.95 / SPLITS)


# -- a world, and the command ---------------------------------------------------------------------------------


def test_a_treatment_of_strength_zero_reports_the_split_to_the_bit() -> None:
    found = settings(
        "scenario=norush_coupon", "customers=1000", "days=28", "burn_in=30", "calendar=flat",
        "scenario.norush_coupon.interventions.norush_coupon.face=0",
    )  # fmt: skip
    plan = PLAN.model_copy(update={"share": 0.3, "clusters": 10, "weeks": (2, 4)})
    tests = run_world(found, treated_arms, plan, Task(3, 0, {}, 77, parts=False))
    assert list(tests.columns) == [column.name for column in tables.TESTS]
    assert all(str(tests[column.name].dtype) == column.dtype for column in tables.TESTS)
    assert len(tests) == 2 * 2 * 2 * len(tables.TEST_METRICS)
    pd.testing.assert_series_equal(tests["estimate"], tests["split"], check_names=False, check_exact=True)
    pd.testing.assert_series_equal(tests["p_value"], tests["split_p_value"], check_names=False, check_exact=True)
    assert (tests[["truth", "truth_window"]] == 0.0).all(axis=None)


COMMAND = (
    "premortem", "scenario=peach_popup", "customers=1000", "days=28", "burn_in=30", "calendar=flat",
    "replications=2", "tests=2", "design=cluster", "clusters=10", "threads=1",
)  # fmt: skip


@pytest.mark.usefixtures("unpictured")
def test_the_command_writes_a_whole_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*COMMAND, f"hydra.run.dir={tmp_path / 'one'}"]) == cli.OK
    told = capsys.readouterr().out
    assert "Assign customers in clusters" in told
    wanted = ("tests.parquet", "premortem.csv", "report.html", "config.yaml")
    assert {Path(name) for name in wanted} <= files(tmp_path / "one")
    page = (tmp_path / "one" / "report.html").read_bytes()
    assert cli.main(["report", str(tmp_path / "one"), "language=ja"]) == cli.OK
    assert 'lang="ja"' in (tmp_path / "one" / "report.html").read_text(encoding="utf-8")
    assert cli.main(["report", str(tmp_path / "one")]) == cli.OK
    assert (tmp_path / "one" / "report.html").read_bytes() == page


@pytest.mark.slow  # that the page is the same twice is held in tests/analysis
def test_the_command_writes_the_same_twice(tmp_path: Path) -> None:
    for name in ("one", "other"):
        assert cli.main([*COMMAND, f"hydra.run.dir={tmp_path / name}"]) == cli.OK
    assert differing(tmp_path / "one", tmp_path / "other") == []


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("tests=none", "cxsim: premortem.tests: 'none' is not a number\n"),
        ("premortem.tets=3", "cxsim: premortem.tets: no such key; "),
        ("premortem=mine", "cxsim: premortem=mine: no such premortem; only default\n"),
        ("scenario=baseline", "cxsim: scenario: adds nothing that could be tested; "),
        ("scenario=muji_voc", "cxsim: scenario: muji_voc acts on everybody at once"),
    ],
)
def test_a_bad_word_is_told_in_one_line_and_leaves_nothing(
    word: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = word.partition("=")[0]
    own = [given for given in COMMAND if not given.startswith(f"{key}=")]
    assert cli.main([*own, word, f"hydra.run.dir={tmp_path / 'run'}"]) == cli.BAD_INPUT
    told = capsys.readouterr().err
    assert told.startswith(line)
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())
