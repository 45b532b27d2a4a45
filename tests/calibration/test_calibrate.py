"""From a log to a company: parameters, correction, simulated baseline, the file, the picture, errors in one line."""

from __future__ import annotations

import random
import re
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from cxsim import cli
from sim.calibration import lapse
from sim.calibration.calibrate import Calibration, calibrate, closed_curve, shifted
from sim.calibration.calibrate import _spend as fitted_spend
from sim.calibration.cohort import expected_repeats, pilot_references, simulate
from sim.calibration.company_file import _spend as written_spend
from sim.calibration.company_file import company_text
from sim.calibration.log import LogColumns
from sim.calibration.log_columns import utilities_for
from sim.calibration.repeat_buying import BgNbd, Model, ParetoNbd, RfmSummary
from sim.config.settings import load_settings
from sim.phrases import ConfigError
from tests.config.compose import raw, shipped

ROOT = Path(__file__).parents[2]
CUT = ROOT / "examples" / "online_retail_cut.csv.gz"
SHARED = ROOT.parent / "shared" / "data"
CDNOW, RETAIL = SHARED / "cdnow_weeks1_39.csv.gz", SHARED / "online_retail_year1_half.csv.gz"
CUT_WORDS = ["calibrate", str(CUT), "--customer", "CustomerID", "--date", "date", "--value", "revenue"]


def needs(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not path.exists(), reason=f"{path.name} is no part of the project and not beside it")


@pytest.fixture(scope="module")
def cdnow() -> Calibration:
    columns = LogColumns("customer_id", "date", "spend")
    return calibrate(CDNOW, columns, "shop", shipped("scenario=baseline"), yen=100.0, say=lambda line: None)


# --- CDNOW: the published reference ------------------------------------------------------------------------


@needs(CDNOW)
def test_cdnow_agrees_with_the_reference_fit(cdnow: Calibration) -> None:
    """Within a quarter of a standard error: eight customers without any value are dropped here, not there."""
    reference = (
        {"r": 0.2426, "alpha": 4.414, "a": 0.793, "b": 2.426},
        {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669},
    )
    for clock, values in zip(cdnow.clocks, reference, strict=True):
        errors = clock.fit.standard_errors
        for name, value in values.items():
            assert getattr(clock.fit.model, name) == pytest.approx(value, abs=0.25 * errors[name]), name
    errors = cdnow.spend.standard_errors
    for name, value in {"p": 6.25, "q": 3.74, "gamma": 1544.0}.items():
        assert getattr(cdnow.spend.model, name) == pytest.approx(value, abs=0.25 * errors[name]), name


@needs(CDNOW)
def test_the_simulated_baseline_of_cdnow_reproduces_the_log(cdnow: Calibration) -> None:
    assert len(cdnow.observed) == 39
    assert cdnow.observed[-1] == 2457
    for clock in cdnow.clocks:
        assert clock.after[-1] == pytest.approx(2457, rel=0.05)
        for week in (19, 39):
            assert clock.after[week - 1] == pytest.approx(clock.closed[week - 1], rel=0.01)


@needs(CDNOW)
def test_the_joint_error_is_the_one_that_is_written(cdnow: Calibration) -> None:
    """Drawing alpha alone by its written error moves a year's repeats by their joint error."""
    for clock in cdnow.clocks:
        assert 0.03 < clock.year_se < 0.07
        assert clock.separate_se > 2 * clock.year_se
        model = clock.corrected
        year = [
            float(expected_repeats(shifted(model, np.array([by, 0.0])), np.array([52.0]))[0])
            for by in np.log1p(np.array([-1, 1]) * clock.alpha_se / model.alpha)
        ]
        centre = float(expected_repeats(model, np.array([52.0]))[0])
        assert (year[0] - year[1]) / 2 / centre == pytest.approx(clock.year_se, rel=0.05)


@needs(CDNOW)
def test_a_holdout_is_told_beside_closed_forms_and_a_naive_rate() -> None:
    said: list[str] = []
    columns = LogColumns("customer_id", "date", "spend")
    settings = shipped("scenario=baseline")
    found = calibrate(CDNOW, columns, "x", settings, holdout=13, say=lambda line: said.append(str(line)))
    assert (found.fitted_weeks, len(found.observed)) == (26, 39)
    table = said[said.index(next(line for line in said if line.startswith("holdout"))) :]
    assert table[0] == "holdout, weeks 27 to 39: 711 repeats in the log"
    readings = ["BG/NBD", "simulated, episode", "Pareto/NBD", "simulated, time", "last 8 weeks"]
    assert all(reading in line for reading, line in zip(readings, table[2:], strict=True))
    episode = found.clocks[0].after
    assert episode[-1] - episode[25] == pytest.approx(711, rel=0.1)


@needs(RETAIL)
def test_online_retail_leaves_lapse_open_and_the_file_says_so() -> None:
    said: list[str] = []
    columns = LogColumns("CustomerID", "date", "revenue")
    found = calibrate(RETAIL, columns, "gifts", shipped("scenario=baseline"), say=lambda line: said.append(str(line)))
    assert sum("leaves lapse open" in line for line in said) == 2
    assert any("miss the log's total by more than 5 %" in line for line in said)
    for clock in found.clocks:
        assert clock.open_lapse is not None
        assert clock.fit.log_likelihood - clock.open_lapse.log_likelihood < 2.0
        assert clock.after[-1] == pytest.approx(clock.closed[-1], rel=0.01)
        assert np.isfinite(clock.closed).all()
    purchase = yaml.safe_load(company_text(found))["purchase"]
    for fit, shape in (("bg_nbd", "a"), ("pareto_nbd", "s")):
        assert purchase[fit][shape]["grade"] == "judgement"
        low, high = purchase[fit][shape]["range"]
        assert low < purchase[fit][shape]["value"] < high


# --- logs that say less ------------------------------------------------------------------------------------


def test_one_price_is_the_basket() -> None:
    """Sixty subscribers who paid 980 each time: the mean is exactly that, in yen, and hardly spread."""
    summary = RfmSummary(np.full(60, 3.0), np.full(60, 12.0), np.full(60, 20.0), np.full(60, 980.0))
    found = fitted_spend(summary, 2.0)
    assert found.model.mean == pytest.approx(1960.0)
    assert 1 / np.sqrt(found.model.p) < 0.02
    written = dict(written_spend(found))
    assert set(written["gamma"]) == {"value", "grade", "source"}  # known exactly: no error to draw


def test_without_values_the_basket_is_the_default_companys() -> None:
    written = dict(written_spend(None))
    assert {name: part["grade"] for name, part in written.items()} == dict.fromkeys(("p", "q", "gamma"), "judgement")
    assert written["gamma"]["value"] == 1544


# --- pieces ------------------------------------------------------------------------------------------------

MODELS: list[Model] = [BgNbd(0.243, 4.414, 0.793, 2.426), ParetoNbd(0.553, 10.578, 0.606, 11.669)]


@pytest.mark.parametrize("model", MODELS, ids=["episode", "time"])
def test_a_cohort_without_satisfaction_follows_the_closed_form(model: Model) -> None:
    """Slopes at zero and no delivery wait leave the daily cap, below 1 % at these rates; noise is told."""
    settings = shipped("scenario=baseline", "company.channels={web: 0, app: 0, store: 1}", "customers=5000")
    settings = settings.at({
        "behaviour.attrition.satisfaction_slope": 0.0, "behaviour.choice.expectation_slope": 0.0,
    })  # fmt: skip
    found = simulate(settings, pilot_references(settings, model), model, 273)
    assert found.by_day[0] == 0.0
    expected = expected_repeats(model, np.array([39.0]))[0]
    assert found.relative_se < 0.006
    assert found.by_day[-1] == pytest.approx(expected, rel=3 * found.relative_se + 0.008)


@pytest.mark.parametrize("model", MODELS, ids=["bg", "pareto"])
def test_a_shift_moves_what_it_says(model: Model) -> None:
    moved = shifted(model, np.array([0.2, 0.3]))
    assert moved.alpha == pytest.approx(model.alpha * np.exp(0.2))
    before, after = lapse.mean_lapse(model), lapse.mean_lapse(moved)
    if isinstance(model, BgNbd):
        before, after = before / (1 - before), after / (1 - after)
    assert after / before == pytest.approx(np.exp(0.3))
    assert lapse.mean_lapse(moved) == pytest.approx(lapse.mean_lapse(shifted(model, np.array([0.0, 0.3]))))


def test_a_cohorts_curve_starts_with_each_customer() -> None:
    model = MODELS[0]
    curve = closed_curve(model, np.array([0.0, 70.0]), 12)
    alone = expected_repeats(model, (7.0 * np.arange(1, 13) - 1) / 7)
    late = expected_repeats(model, np.maximum(7.0 * np.arange(1, 13) - 71, 0) / 7)
    assert curve == pytest.approx(alone + late)


def test_closed_form_where_lapse_is_next_to_none() -> None:
    """The published series gives out there; without lapse the repeats are r t / alpha."""
    found = expected_repeats(BgNbd(0.85, 9.9, 20.5, 1.2e6), np.array([10.0, 52.0]))
    assert found == pytest.approx(0.85 / 9.9 * np.array([10.0, 52.0]), rel=1e-3)


def test_class_utilities_give_the_shares_they_were_made_from() -> None:
    from agents.behaviour import class_utility
    from sim.world.constants import world_of

    settings = shipped("company=cdnow", "scenario=baseline")
    shares = {"express": 0.2, "standard": 0.5, "norush": 0.3}
    put = {f"behaviour.delivery.utility_{name}": value for name, value in utilities_for(settings, shares).items()}
    world = world_of(settings.at(put), 1)
    rng = np.random.default_rng(1)
    people = rng.choice(len(world.traits.personas.share), 4000, p=world.traits.personas.share)
    costs = world.traits.waiting_cost * world.traits.personas.waiting_cost[people]
    costs = costs * np.exp(world.traits.waiting_cost_sd * rng.standard_normal(4000))
    weights = np.exp([[class_utility(world.rules, kind, cost, 0.0) for kind in range(3)] for cost in costs])
    chosen = (weights / weights.sum(axis=1, keepdims=True)).mean(axis=0)
    assert chosen == pytest.approx(list(shares.values()), abs=0.01)


def test_a_class_the_log_never_shows_keeps_its_utility() -> None:
    found = utilities_for(shipped("company=cdnow", "scenario=baseline"), {"express": 0.4, "standard": 0.6})
    assert list(found) == ["standard"]


# --- the command -------------------------------------------------------------------------------------------


def test_end_to_end_on_the_shipped_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sim.calibration.cohort.ORDERS_WANTED", 20_000)  # nothing below asks for precision
    assert cli.main([*CUT_WORDS, "--yen", "130", "--name", "gifts"]) == 0
    out = capsys.readouterr().out
    assert "5050 rows" in out
    assert out.endswith("now: cxsim run --config-dir . company=gifts\n")
    made = {"gifts.yaml", "gifts.png", "gifts.svg", "manifest.json"}
    assert {path.name for path in Path("company").iterdir()} == made
    node = yaml.safe_load(Path("company/gifts.yaml").read_text(encoding="utf-8"))
    assert set(node) == set(yaml.safe_load((ROOT / "conf/company/general.yaml").read_text(encoding="utf-8")))
    settings = load_settings(raw("scenario=baseline") | {"company": node})
    drawn = {path for path, one in settings.parameters() if one.uncertain and path.startswith("company.purchase")}
    assert {"company.purchase.bg_nbd.alpha", "company.purchase.pareto_nbd.alpha"} < drawn
    assert "log-likelihood -10009.4" in Path("company/gifts.yaml").read_text(encoding="utf-8")
    # The file is found by the very command that was printed, and a second calibration leaves it alone.
    assert cli.main(["run", "--config-dir", ".", "company=gifts", "--cfg", "job", "-p", "company"]) == 0
    assert "name: gifts" in capsys.readouterr().out
    assert cli.main([*CUT_WORDS, "--name", "gifts"]) == 2
    assert "is there already" in capsys.readouterr().err


def japanese_log(path: Path) -> Path:
    """A cp932 export: full-width digits, slashes, yen signs, a return, a blank customer, a date that is none."""
    rng = random.Random(7)
    rows = ["会員番号,注文日,金額,配送,クーポン,チャネル"]
    for customer in range(150):
        day = date(2026, 1, 1) + timedelta(rng.randrange(56))
        for _ in range(rng.choice((1, 1, 2, 3, 6))):
            kind = rng.choice(("お急ぎ便", "通常", "通常", "ゆっくり便"))
            when = f"{day:%Y/%m/%d}"
            coupon, channel = rng.choice(("なし", "なし", "あり")), rng.choice(("アプリ", "Webサイト", "店舗"))
            rows.append(f'会員{customer:03d},{when},"{rng.randrange(1000, 9000):,}円",{kind},{coupon},{channel}')
            day += timedelta(rng.randrange(3, 60))
    rows += ["会員000,２０２６/０２/０３,▲500,通常,なし,アプリ", ",2026/02/03,900,通常,なし,アプリ"]
    rows += ["会員001,きのう,900,通常,なし,アプリ", rows[1]]
    path.write_bytes("\r\n".join(rows).encode("cp932"))
    return path


def test_a_dirty_japanese_log_with_optional_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sim.calibration.cohort.ORDERS_WANTED", 20_000)  # nothing below asks for precision
    log = japanese_log(tmp_path / "注文.csv")
    words = ["calibrate", str(log), "--customer", "会員番号", "--date", "注文日", "--value", "金額", "--out", "mine"]
    words += ["--delivery-class", "配送", "--coupon", "クーポン", "--channel", "チャネル", "--name", "mise"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert re.search("dropped: 1 unparsable date .such as 'きのう'., 1 missing .*1 duplicate row .*1 netted", out)
    node = yaml.safe_load((tmp_path / "mine/company/mise.yaml").read_text(encoding="utf-8"))
    assert sum(node["channels"].values()) == pytest.approx(1.0)
    assert node["behaviour"]["delivery"]["utility_norush"]["se"] > 0
    settings = load_settings(raw("scenario=baseline") | {"company": node})
    utility = settings.behaviour.delivery.utility_norush
    assert utility.mean == node["behaviour"]["delivery"]["utility_norush"]["mean"]
    assert settings.behaviour.coupons.redemption.low is not None
    assert settings.behaviour.coupons.redemption.low >= 0.3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--name", "cdnow"], "cxsim ships a company of that name"),
        (["--name", "../up"], "is not a name"),
        (["--name", "null"], "is not a name"),
        (["--name", "x", "--holdout", "99"], "from 1 to 44 of the log's 52 full weeks"),
        (["--name", "x", "--holdout", "-1"], "is not allowed"),
        (["--name", "x", "--yen", "nan"], "--yen nan: is not allowed"),
        (["--name", "x", "--channel", "Chanel"], "no column 'Chanel'"),
        (["--name", "x", "--channel", "Invoice"], "no channel is recognised"),
        ([], "--name"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([*CUT_WORDS, *words]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["calibrate", str(tmp_path / "none.csv"), "--customer", "c", "--date", "d", "--value", "v", "--name", "x"]
    assert cli.main([*words, "--out", str(tmp_path)]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_values_without_a_mean_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = ["customer,date,value"]
    for customer in range(300):
        scale = 10 / rng.uniform() ** 2  # a tail so heavy that it has no mean
        for order in range(3):
            day = date(2026, 1, 1) + timedelta(int(rng.integers(0, 30)) + 40 * order)
            rows.append(f"{customer},{day},{scale * rng.gamma(4):.4f}")
    path = tmp_path / "log.csv"
    path.write_text("\n".join(rows))
    with pytest.raises(ConfigError, match="have no mean"):
        calibrate(path, LogColumns(), "x", shipped("scenario=baseline"), say=lambda line: None)
