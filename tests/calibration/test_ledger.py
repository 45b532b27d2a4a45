"""Predictions kept, what happened, scores, and a ledger that cannot be changed unseen."""

from __future__ import annotations

import datetime
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis.effects.answer import write_effects
from analysis.studies.ledger import METRICS_OF_TESTS, scores
from cxsim import cli
from sim.learning import ledger
from sim.learning.ab_test import METRICS, PastTest
from sim.learning.ledger import Actual, Prediction
from sim.phrases import ConfigError
from tests.analysis.fake_run import make_run

YEAR = datetime.date(2027, 1, 1)
PERIOD = ("2027-01-01", "2027-12-31")


def prediction(metric: str = "nps", what: str = "coupon", low: float = -1.0, high: float = 1.0) -> Prediction:
    return Prediction(what, metric, "points", *PERIOD, (low + high) / 2, low, high, 0.0, "runs/a", "abc")


def write_run(folder: Path) -> Path:
    write_effects(make_run(folder, points=40))
    return folder


def a_year(path: Path, seed: int, bias: float = 0.0) -> None:
    """Twelve months of ten figures, each known to a standard deviation of 1 when it was predicted."""
    chance = np.random.default_rng(seed)
    predictions, actuals = [], []
    for month in pd.period_range("2027-01", "2027-12", freq="M"):
        first, last = str(month.start_time.date()), str(month.end_time.date())
        for number in range(10):
            middle = chance.normal(0, 3)
            told = (middle, middle - 1.645, middle + 1.645, 0.0)
            predictions.append(Prediction("baseline", f"m{number}", "1", first, last, *told, "runs/a", "abc"))
            actuals.append(Actual("baseline", f"m{number}", first, last, middle + bias + chance.normal(), 0.0))
    ledger.add(path, predictions, YEAR)
    ledger.add(path, actuals, datetime.date(2028, 1, 5))


# --- added to, never changed --------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["UPDATE entries SET content = '{}' WHERE number = 1", "DELETE FROM entries"])
def test_sql_may_not_change_a_ledger(tmp_path: Path, change: str) -> None:
    path = tmp_path / "l.sqlite"
    ledger.add(path, [prediction()], YEAR)
    with closing(sqlite3.connect(path)) as base, pytest.raises(sqlite3.IntegrityError, match="added to only"):
        base.execute(change)


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ("UPDATE entries SET content = replace(content, '1.0', '2.0') WHERE number = 2", 2),
        ("UPDATE entries SET made = '2026-01-01' WHERE number = 3", 3),
        ("DELETE FROM entries WHERE number = 2", 2),
    ],
)
def test_whoever_takes_the_triggers_away_is_told(tmp_path: Path, change: str, row: int) -> None:
    path = tmp_path / "l.sqlite"
    ledger.add(path, [prediction(metric) for metric in ("nps", "churn", "csat")], YEAR)
    assert len(ledger.verified(path)) == 3
    with closing(sqlite3.connect(path)) as base, base:
        base.executescript(f"DROP TRIGGER no_update; DROP TRIGGER no_delete; {change};")
    with pytest.raises(ConfigError, match=f"row {row} was changed"):
        ledger.verified(path)
    with pytest.raises(ConfigError, match=f"row {row} was changed"):
        ledger.add(path, [prediction()], YEAR)


def test_rows_cut_off_the_end_are_told_by_a_hash_noted_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "l.sqlite"
    head = ledger.add(path, [prediction("nps"), prediction("churn")], YEAR)
    words = ["ledger", "verify", "--ledger", str(path), "--head", head]
    assert cli.main(words) == cli.OK
    with closing(sqlite3.connect(path)) as base, base:
        base.executescript("DROP TRIGGER no_delete; DELETE FROM entries WHERE number = 2;")
    assert cli.main(words) == cli.BAD_INPUT
    assert "rows at the end are missing" in capsys.readouterr().err


def test_what_is_no_ledger_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "l.sqlite").write_text("no database, and long enough to be looked at " * 5, encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be used as a ledger"):
        ledger.verified(tmp_path / "l.sqlite")
    with pytest.raises(ConfigError, match="no such ledger"):
        ledger.verified(tmp_path / "none.sqlite")


# --- scores -------------------------------------------------------------------------------------------------


def test_a_year_of_sound_predictions_scores_as_such(tmp_path: Path) -> None:
    """120 predictions: nine in ten inside within three standard errors; error .8 of 1 and of the naive 2.5."""
    a_year(tmp_path / "l.sqlite", seed=1)
    every = scores(ledger.matched(ledger.verified(tmp_path / "l.sqlite"))).iloc[0]
    assert every["predictions"] == 120
    assert every["coverage"] == pytest.approx(0.9, abs=3 * np.sqrt(0.09 / 120))
    assert abs(every["bias"]) < 3 / 1.645 / np.sqrt(120)
    assert every["skill"] == pytest.approx(1 - 1 / np.sqrt(10), abs=0.12)


def test_a_bias_is_seen(tmp_path: Path) -> None:
    a_year(tmp_path / "l.sqlite", seed=1, bias=1.645)
    every = scores(ledger.matched(ledger.verified(tmp_path / "l.sqlite"))).iloc[0]
    assert every["bias"] == pytest.approx(1.0, abs=0.2)
    assert every["coverage"] < 0.65


def test_horizons_are_scored_apart(tmp_path: Path) -> None:
    a_year(tmp_path / "l.sqlite", seed=1)
    table = scores(ledger.matched(ledger.verified(tmp_path / "l.sqlite")))
    one = table[table["metric"] == "m0"].set_index("horizon")["predictions"]
    assert one.to_dict() == {"up to 90 days": 3, "up to a year": 9}


def test_the_last_figure_of_a_prediction_counts(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    ledger.add(path, [prediction()], YEAR)
    for value in (5.0, 0.5):
        ledger.add(path, [Actual("coupon", "nps", *PERIOD, value, 0.1)], YEAR)
    assert ledger.matched(ledger.verified(path))["value"].tolist() == [0.5]


def test_effects_that_were_off_are_evidence_that_learn_reads(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    ledger.add(path, [prediction("churn"), prediction("nps_surveyed"), prediction("backlog")], YEAR)
    ledger.add(path, [
        Actual("coupon", "churn", *PERIOD, 3.0, 0.4), Actual("coupon", "nps_surveyed", *PERIOD, 0.2, 0.4),
        Actual("coupon", "backlog", *PERIOD, 9.0, 0.4),
    ], YEAR)  # fmt: skip
    pieces = dict(ledger.evidence(ledger.matched(ledger.verified(path)), METRICS_OF_TESTS))
    (name, piece), = pieces.items()
    assert name == "coupon_churn_2027_01_01"
    read = PastTest.read({key: value for key, value in piece.items() if key != "kind"})
    assert (read.metric, read.window, read.lift) == ("churn", 365, 3.0)
    assert set(METRICS_OF_TESTS.values()) <= set(METRICS)


# --- the commands -------------------------------------------------------------------------------------------


def test_from_a_run_to_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, path, out = write_run(tmp_path / "run"), str(tmp_path / "l.sqlite"), tmp_path / "out"
    assert cli.main(["ledger", "add", str(run), "--ledger", path, "--made", "2026-12-01"]) == cli.OK
    kept = ledger.frame(ledger.verified(Path(path)), ledger.PREDICTION)
    effects = pd.read_csv(run / "effects.csv")
    told = effects[(effects["segment"] == "everybody") & (effects["estimand"] == "total") & effects["ci_low"].notna()]
    first = kept[kept["metric"] == "nps_surveyed"].iloc[0]
    assert set(told["metric"]) == set(kept.loc[kept["what"] != "baseline", "metric"])
    assert first["first"] == "2027-01-01"
    results = tmp_path / "results.csv"
    rows = [
        (row["metric"], f"{row['first']}..{row['last']}", row["what"], row["high"] + (row["metric"] == "churn"), 0.1)
        for row in kept.drop_duplicates("metric").to_dict("records")
    ]
    pd.DataFrame(rows, columns=["metric", "period", "what", "value", "se"]).to_csv(results, index=False)
    assert cli.main(["ledger", "actual", "--ledger", path, "--results", str(results)]) == cli.OK
    assert cli.main(["ledger", "report", "--ledger", path, "--out", str(out), "language=ja"]) == cli.OK
    assert '<html lang="ja">' in (out / "report.html").read_text(encoding="utf-8")
    table = pd.read_csv(out / "predictions.csv")
    assert table.loc[~table["inside"], "metric"].unique().tolist() == ["churn"]
    assert [piece["metric"] for piece in yaml.safe_load((out / "evidence.yaml").read_text()).values()] == ["churn"]
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["actual", "--metric", "nps"], "--metric, --period and --value are needed"),
        (["actual", "--metric", "nps", "--period", "2027", "--value", "3"], "period: 2027 is not allowed; FIRST..LAST"),
        (["actual", "--metric", "nps", "--period", "2027-01-01..soon", "--value", "3"], "period: soon is not a date"),
        (["actual", "--metric", "nps", "--period", "2027-01-01..2027-12-31", "--value", "3"], "nps of baseline"),
        (["actual", "--metric", "x", "--what", "coupon", "--period", "2027-01-01..2027-12-31", "--value", "3"],
         "for that time: churn, nps"),
        (["report"], "nothing that was predicted has happened yet"),
        (["add", "nowhere"], "no such run folder: nowhere"),
        (["sell"], "'sell' is not allowed; one of add, actual, report, verify"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_in_one_line(
    tmp_path: Path, words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "l.sqlite"
    ledger.add(path, [prediction("nps"), prediction("churn")], YEAR)
    assert cli.main(["ledger", *words, *(["--ledger", str(path)] if words != ["sell"] else [])]) == cli.BAD_INPUT
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert why in told[0]
    assert len(ledger.verified(path)) == 2


def test_what_is_over_is_no_prediction(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    words = ["ledger", "add", str(run), "--ledger", str(tmp_path / "l"), "--made", "2040-01-01"]
    assert cli.main(words) == cli.BAD_INPUT
    assert "which is over on 2040-01-01" in capsys.readouterr().err
    assert not (tmp_path / "l").exists()
