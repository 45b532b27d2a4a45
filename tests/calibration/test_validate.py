"""Weeks kept out of a log and forecast: the season, what a history tells, the interval, the command."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxsim import cli
from sim.calibration.forecast import Histories, expected_so_far, fit_seasoned, rates_to_come, started_before
from sim.calibration.log import LogColumns
from sim.calibration.repeat_buying import BgNbd, ParetoNbd, RfmSummary
from sim.calibration.season import find_season
from sim.calibration.steady import unsteady
from sim.calibration.validation import validate
from tests.calibration.test_calibrate import CDNOW, RETAIL, needs

FIRST = datetime.date(2023, 1, 2)
COLUMNS = LogColumns("customer", "date", "value")


def made_up(seed: int, weeks: int, customers: int = 400, season: float = 0.0, before: int = 0) -> pd.DataFrame:
    """A log: customers who begin evenly from `before` weeks ahead of it, with rates Gamma(1, 4) a week that follow a
    yearly wave of this size, lapsing after an order with probability .08."""
    chance = np.random.default_rng(seed)
    rows = []
    index = np.exp(season * np.cos(2 * np.pi * np.arange(-before, weeks) / 52.18))
    passed = np.concatenate([[0.0], np.cumsum(index)])
    when = np.arange(-before, weeks + 1)
    for customer in range(customers):
        start = chance.uniform(-before, weeks)
        orders = 1 + chance.geometric(0.08)
        waits = chance.exponential(1 / chance.gamma(1.0, 1 / 4.0), orders - 1)
        times = np.interp(start, when, passed) + np.concatenate([[0.0], np.cumsum(waits)])
        days = np.floor(7 * np.interp(times[times < passed[-1]], passed, when)).astype(int)
        rows += [(f"c{customer}", day) for day in sorted({int(day) for day in days if day >= 0})]
    table = pd.DataFrame(rows, columns=["customer", "day"])
    table["date"] = [(FIRST + datetime.timedelta(days=int(day))).isoformat() for day in table.pop("day")]
    return table.assign(value=10.0)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    made_up(1, 40, 150).to_csv(path, index=False)
    return path


# --- the season ---------------------------------------------------------------------------------------------


def test_a_season_of_two_years_is_found() -> None:
    truth = np.exp(0.3 * np.sin(2 * np.pi * np.arange(130) / 52.18))
    orders = np.random.default_rng(1).poisson(100 * truth[:104]).astype(float)
    found = find_season(orders, np.full(104, 100.0), FIRST, 130, prior=0.5)
    assert found.probability > 0.99
    assert np.abs(np.log(found.index / truth)).max() < 0.12


@pytest.mark.parametrize("seed", range(3))
def test_where_there_is_none_none_is_found(seed: int) -> None:
    orders = np.random.default_rng(seed).poisson(100, 104).astype(float)
    found = find_season(orders, np.full(104, 100.0), FIRST, 130, prior=0.5)
    assert not found.found
    assert (found.index == 1.0).all()


def test_a_week_of_rest_comes_back_on_its_date() -> None:
    orders = np.random.default_rng(1).poisson(100, 50).astype(float)
    orders[5] = 10
    found = find_season(orders, np.full(50, 100.0), FIRST, 60, prior=0.5)
    assert np.flatnonzero(found.own).tolist() == [5, 57]
    assert found.index[[5, 57]] == pytest.approx(0.1, abs=0.03)


def test_a_calendar_is_where_the_season_starts_from() -> None:
    """What a calendar states holds in weeks that no log has seen."""
    known = np.ones(60)
    known[52:] = 1.5
    orders = np.random.default_rng(1).poisson(100, 50).astype(float)
    found = find_season(orders, np.full(50, 100.0), FIRST, 60, 0.5, known)
    assert found.index[52:] == pytest.approx(1.5)


# --- what a history tells -----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [BgNbd(0.5, 4.0, 0.8, 2.5), ParetoNbd(0.5, 10.0, 0.6, 12.0)])
def test_a_newcomer_is_expected_to_do_what_the_closed_form_says(model: BgNbd | ParetoNbd) -> None:
    newcomer = RfmSummary(*(np.zeros(1) for _ in range(4)))
    after = np.linspace(0.0, 30.0, 601)
    integral = np.trapezoid(rates_to_come(model, newcomer, after)[0], after)
    assert integral == pytest.approx(float(model.expected_repeats(30.0)), rel=0.01)
    assert expected_so_far(model, np.array([30.0]))[0] == pytest.approx(float(model.expected_repeats(30.0)), rel=0.01)


def test_who_has_been_away_for_long_is_expected_to_come_less() -> None:
    both = RfmSummary(np.full(2, 10.0), np.array([10.0, 40.0]), np.full(2, 41.0), np.zeros(2))
    for model in (BgNbd(0.5, 4.0, 0.8, 2.5), ParetoNbd(0.5, 10.0, 0.6, 12.0)):
        away, here = rates_to_come(model, both, np.array([1.0]))[:, 0]
        assert away < 0.2 * here


# --- older customers, steadiness ----------------------------------------------------------------------------


def _histories(table: pd.DataFrame, tmp_path: Path, weeks: int) -> Histories:
    from sim.calibration.log import read_log
    from sim.calibration.validation import histories_of

    table.to_csv(tmp_path / "log.csv", index=False)
    return histories_of(read_log(tmp_path / "log.csv", COLUMNS), weeks)


def test_customers_older_than_the_log_are_seen(tmp_path: Path) -> None:
    assert started_before(_histories(made_up(2, 40, 1500, before=60), tmp_path, 40))
    assert not started_before(_histories(made_up(2, 40, 600), tmp_path, 40))


def test_older_customers_are_no_season(tmp_path: Path) -> None:
    """They buy much in the log's first weeks, when whoever buys often is seen first."""
    found = fit_seasoned(_histories(made_up(3, 40, 1500, before=60), tmp_path, 40), 10)
    assert found.older
    assert not found.season.found


def test_a_step_is_no_chance() -> None:
    expected = np.full(40, 50.0)
    chance = np.random.default_rng(1)
    step = np.where(np.arange(40) < 32, 1.0, 1.6)
    found = unsteady(chance.poisson(expected * step).astype(float), expected)
    assert found is not None
    assert found.first >= 32
    steady = [unsteady(chance.poisson(expected).astype(float), expected) is None for _ in range(40)]
    assert sum(steady) >= 37


# --- the forecast -------------------------------------------------------------------------------------------


def test_the_tables_add_up(log: Path) -> None:
    found = validate(log, COLUMNS, holdout=8, say=lambda line: None)
    orders = found.weeks["orders"].sum()
    assert (found.methods["orders"] == orders).all()
    assert found.groups.groupby("by")["orders"].sum().tolist() == [orders, orders]
    assert found.groups.groupby("by")["customers"].sum().nunique() == 1
    assert found.methods["method"].tolist() == ["cxsim", "BG/NBD", "Pareto/NBD", "flat"]
    ours = found.methods.iloc[0]
    assert ours["low"] < ours["forecast"] < ours["high"]
    assert (found.weeks["inside"] == found.weeks["orders"].between(found.weeks["low"], found.weeks["high"])).all()


def test_nothing_after_the_fit_is_seen(tmp_path: Path) -> None:
    """The same histories, whatever comes after."""
    table = made_up(1, 40, 150)
    cut = table[table["date"] < str(FIRST + datetime.timedelta(days=7 * 36))]
    whole, first = (_histories(one, tmp_path, 30) for one in (table, cut))
    for field in ("birth", "last", "repeats", "by_week", "orders", "young"):
        assert getattr(whole, field).tolist() == getattr(first, field).tolist()


@needs(CDNOW)
def test_cdnow_comes_as_near_as_the_better_closed_form() -> None:
    found = validate(CDNOW, LogColumns("customer_id", "date", "spend"), holdout=13, say=lambda line: None)
    ours, *others = found.methods.head(3)["error"].abs()
    assert ours <= min(others)
    assert found.methods["low"][0] <= found.methods["orders"][0] <= found.methods["high"][0]


@needs(RETAIL)
def test_online_retail_is_forecast_into_a_season_that_it_has_not_seen() -> None:
    columns = LogColumns("CustomerID", "date", "revenue")
    found = validate(RETAIL, columns, until=datetime.date(2010, 8, 30), say=lambda line: None)
    assert found.fitted.older
    assert abs(found.methods["error"][0]) < 0.1
    assert found.methods["error"][1:3].abs().min() > 0.15
    assert found.methods["low"][0] <= found.methods["orders"][0] <= found.methods["high"][0]


# --- the command --------------------------------------------------------------------------------------------


def test_the_command_writes_a_page_and_tables(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["validate", str(log), "--customer", "customer", "--date", "date", "--value", "value", "--holdout", "8"]
    assert cli.main([*words, "--out", str(out), "language=ja"]) == cli.OK
    assert "合格" in capsys.readouterr().out
    page = (out / "report.html").read_text(encoding="utf-8")
    assert '<html lang="ja">' in page
    assert "検証用の週数" in page
    for name in ("weeks", "groups", "methods", "season"):
        pd.testing.assert_frame_equal(
            pd.read_csv(out / f"{name}.csv", dtype={"group": str}), pd.read_parquet(out / f"{name}.parquet"),
            check_dtype=False,
        )  # fmt: skip
    assert cli.main([*words, "--out", str(out)]) == cli.BAD_INPUT
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "either --until DATE or --holdout WEEKS"),
        (["--holdout", "8", "--until", "2023-09-01"], "either --until DATE or --holdout WEEKS"),
        (["--until", "last week"], "--until last week: is not a date"),
        (["--until", "2030-01-01"], "--until 2030-01-01: is not allowed; from 2023-0"),
        (["--holdout", "0"], "--holdout 0: is not allowed; from 1 to "),
        (["--holdout", "8", "--calendar", "moon"], "calendar=moon: no such calendar"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    log: Path, tmp_path: Path, words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ["--customer", "customer", "--date", "date", "--value", "value"]
    assert cli.main(["validate", str(log), *columns, *words, "--out", str(tmp_path / "out")]) == cli.BAD_INPUT
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert why in told[0]
    assert not (tmp_path / "out").exists()
