"""From evidence to narrower intervals: reading, the update and its closed forms, made-up firms, the command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.special import ndtr, ndtri

from cxsim import cli
from scenarios.intervention import treated_arms
from sim.config.sampling import latin_hypercube, points, quantiles, value_at
from sim.config.settings import Settings, load_settings
from sim.learning.firm_tables import jackknife, orders_between
from sim.learning.lateness import Lateness, Table
from sim.learning.learn import KINDS, Lesson, Simulated, learn, simulate
from sim.learning.pieces import Observed, Piece, read_evidence
from sim.learning.update import share_beyond, updated, with_sampling_error
from sim.phrases import ConfigError
from tests.calibration.firm import firms
from tests.config.compose import raw, shipped

SLOPE = "behaviour.attrition.satisfaction_slope"

# --- the update, where the exact posterior is known ----------------------------------------------------------


@dataclass(frozen=True)
class Gaussian:
    """Two unknowns, standard normal as scores; three statistics, linear in them, with correlated errors."""

    effect: np.ndarray
    covariance: np.ndarray
    observed: np.ndarray

    def exact(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of the scores given what was observed (the normal equations)."""
        total = self.effect @ self.effect.T + self.covariance
        gain = self.effect.T @ np.linalg.inv(total)
        return gain @ self.observed, np.eye(self.effect.shape[1]) - gain @ self.effect


TOY = Gaussian(
    np.array([[1.0, 0.0], [0.5, -1.0], [0.0, 0.3]]),
    np.array([[0.5, 0.1, 0.0], [0.1, 0.4, 0.1], [0.0, 0.1, 1.0]]),
    np.array([1.2, -0.4, 0.5]),
)


def test_a_gaussian_toy_gives_the_exact_posterior() -> None:
    """A regression on n draws knows a posterior mean to about sqrt(variance (1 + distance^2) / n), a variance to
    sqrt(2 / n) of it."""
    n = 2000
    places = latin_hypercube(3, ["a", "b"], n)
    noisy = with_sampling_error(ndtri(places) @ TOY.effect.T, TOY.covariance, 3, ["x", "y", "z"])
    found = updated(places, noisy, TOY.observed)
    mean, covariance = TOY.exact()
    scores = ndtri(found.places)
    variance = np.diag(covariance)
    assert scores.mean(axis=0) == pytest.approx(mean, abs=4 * np.sqrt(4 * variance.max() / n))
    assert scores.var(axis=0) == pytest.approx(variance, rel=4 * np.sqrt(2 / n))
    assert np.corrcoef(scores.T)[0, 1] == pytest.approx(
        covariance[0, 1] / np.sqrt(variance.prod()), abs=4 / np.sqrt(n)
    )
    assert found.explained == pytest.approx(1 - variance, abs=4 * np.sqrt(2 / n))
    assert found.learned.all()


def test_sampling_errors_have_the_covariance_asked_for() -> None:
    simulated = np.zeros((400, 3))
    errors = with_sampling_error(simulated, TOY.covariance, 1, ["x", "y", "z"]).reshape(-1, 3)
    assert np.cov(errors.T) == pytest.approx(TOY.covariance, abs=4 * np.sqrt(2 / len(errors)))


def test_no_draw_leaves_its_prior_however_far_the_evidence_lies() -> None:
    places = latin_hypercube(1, ["a"], 200)
    noisy = with_sampling_error(ndtri(places), np.array([[1e-4]]), 1, ["x"])
    found = updated(places, noisy, np.array([9.0]))
    assert (found.places >= 0.0).all()
    assert (found.places <= 1.0).all()
    assert found.places.min() > 0.99


def test_an_uninformative_statistic_changes_nothing() -> None:
    """Errors a million times the signal: nothing is learned, and the places are the prior's to regression noise."""
    n = 400
    places = latin_hypercube(5, ["a", "b"], n)
    noisy = with_sampling_error(ndtri(places), 1e12 * np.eye(2), 5, ["x", "y"])
    found = updated(places, noisy, np.zeros(2))
    assert not found.learned.any()
    for column in found.places.T:
        quantiles = np.quantile(column, [0.05, 0.5, 0.95])
        assert quantiles == pytest.approx([0.05, 0.5, 0.95], abs=4 * 0.5 / np.sqrt(n))


def test_luck_alone_is_seldom_taken_for_a_lesson() -> None:
    """Of 100 evidences that say nothing at most a few are believed: 5 % a family, 3 standard errors above."""
    n, trials = 100, 100
    rng = np.random.default_rng(1)
    believed = 0
    for _ in range(trials):
        places = ndtr(rng.standard_normal((n, 10)))
        noise = rng.standard_normal((n, 2, 3))
        believed += bool(updated(places, noise, np.zeros(3)).learned.any())
    assert believed <= trials * 0.05 + 3 * np.sqrt(trials * 0.05 * 0.95)


def test_intervals_cover_whatever_the_relation() -> None:
    """Bent, with errors that grow: averaged over truths from the prior, 90 % intervals hold 90 % of them."""
    rng = np.random.default_rng(2)

    def world(u: np.ndarray) -> np.ndarray:
        return np.exp(2 * u) + 3 * u * rng.standard_normal(u.shape)

    n, trials = 200, 400
    covered = 0
    for _ in range(trials):
        places, truth = rng.uniform(size=(n, 1)), rng.uniform(size=(1, 1))
        found = updated(places, np.repeat(world(places)[:, None, :], 2, axis=1), world(truth)[0])
        low, high = np.quantile(found.places, [0.05, 0.95])
        covered += bool(low <= truth[0, 0] <= high)
    assert covered / trials == pytest.approx(0.9, abs=4 * np.sqrt(0.9 * 0.1 / trials))


def test_too_few_draws_are_an_error() -> None:
    with pytest.raises(ValueError, match="too few"):
        updated(np.full((10, 1), 0.5), np.zeros((10, 2, 3)), np.zeros(3))


def test_the_share_beyond_is_counted() -> None:
    found = np.arange(1, 101, dtype=float).reshape(100, 1, 1)
    beyond = [share_beyond(found, np.array([x]))[0] for x in (50.5, 1.0, 0.5, 101.0)]
    assert beyond == pytest.approx([1.0, 0.02, 0.0, 0.0])


# --- tables --------------------------------------------------------------------------------------------------


def test_the_jackknife_of_a_mean_is_the_textbooks() -> None:
    """Rows of their own: s / sqrt(n). Every row twice under one customer: the doubled rows tell nothing new."""
    x = np.random.default_rng(1).standard_normal(5000)
    table = pd.DataFrame({"x": x})

    def mean(rows: pd.DataFrame) -> np.ndarray:
        return np.array([rows["x"].mean()])

    value, covariance = jackknife(mean, table, np.arange(5000))
    assert value[0] == pytest.approx(x.mean())
    error = 4 * np.sqrt(2 / 49) / 2  # of a standard error from 50 groups
    assert np.sqrt(covariance[0, 0]) == pytest.approx(x.std() / np.sqrt(5000), rel=error)
    _, doubled = jackknife(mean, pd.concat([table, table]), np.tile(np.arange(5000), 2))
    assert doubled == pytest.approx(covariance)


def test_orders_are_counted_after_and_up_to() -> None:
    who, day = np.array([0, 0, 1, 0]), np.array([5.0, 10.0, 7.0, 20.0])
    asked, after = np.array([0, 0, 1, 2]), np.array([5.0, 4.0, 6.0, 0.0])
    assert orders_between(who, day, asked, after, after + 5).tolist() == [1, 1, 1, 0]


def test_adjustment_removes_what_strata_explain() -> None:
    """Newcomers' parcels are late more often and newcomers come back less; lateness itself does nothing."""
    rng = np.random.default_rng(4)
    n = 20_000
    before = rng.integers(0, 2, n)
    late = np.where(rng.uniform(size=n) < np.where(before == 0, 0.4, 0.1), 2.0, 0.0)
    again = (rng.uniform(size=n) < np.where(before == 0, 0.3, 0.7)).astype(float)
    rows = pd.DataFrame({"customer": np.arange(n), "late": late, "again": again, "month": 0, "before": before})
    counts = rows.groupby("late")["again"].agg(["size", "sum"])
    table = Table(counts.index.to_numpy(float), counts["size"].to_numpy(float), counts["sum"].to_numpy(float))
    adjusted = Lateness("x", 90, table, rows).observed()
    assert abs(adjusted.values[0]) < 4 * adjusted.errors[0]
    naive = Lateness("x", 90, table).observed()
    assert naive.values[0] < -10 * naive.errors[0]
    assert naive.remark


def test_a_counted_table_gives_the_ratio_of_shares() -> None:
    found = Lateness("x", 90, Table(np.array([-1.0, 0, 1, 2, 3]), np.array([600.0, 400, 100, 60, 40]),
                                    np.array([300.0, 200, 40, 30, 20]))).observed()  # fmt: skip
    assert found.values == pytest.approx([0.4 / 0.5 - 1, 0.5 / 0.5 - 1])
    share = np.array([[0.4, 100], [0.5, 1000]])
    se = 0.8 * np.sqrt(((1 - share[:, 0]) / share[:, 0] / share[:, 1]).sum())
    assert found.errors[0] == pytest.approx(se)


# --- reading: errors of one line -------------------------------------------------------------------------------

TEST = {
    "kind": "ab_test", "scenario": "norush_coupon", "metric": "conversion", "window": 14, "lift": 0.03,
    "scale": "relative", "interval": [0.01, 0.05], "level": 0.9,
}  # fmt: skip
HISTORY = "customer,ordered,promised,delivered\n" + "\n".join(
    f"c{i},2026-01-{1 + i % 28:02},2026-02-01,2026-02-0{1 + i % 3}" for i in range(60)
)


def evidence(folder: Path, node: object) -> Path:
    path = folder / "evidence.yaml"
    path.write_text(yaml.safe_dump(node), encoding="utf-8")
    return path


def observed(path: Path) -> dict[str, Observed]:
    return {piece.name: piece.observed() for piece in read_evidence(path, KINDS)}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "ab_tset"}, "'ab_tset' is not allowed; one of ab_test, lateness, survey; did you mean ab_test?"),
        ({"metric": "happiness"}, "metric: 'happiness' is not allowed; one of visitors"),
        ({"interval": [0.04, 0.05]}, "interval: [0.04, 0.05] does not hold the lift 0.03"),
        ({"interval": 3}, "interval: is not allowed; [low, high]"),
        ({"level": None}, "level: nothing is not a number"),
        ({"se": 0.1}, "se: give either se, or interval and its level"),
        ({"lift": "much"}, "lift: 'much' is not a number"),
        ({"lift": -1.5, "interval": [-2, 0]}, "a relative lift is above -1"),
        ({"windw": 3}, "windw: no such key; one of metric, lift, scale"),
        ({"window": 0}, "window: 0 is not allowed; a whole number from 1 to 365"),
    ],
)
def test_a_test_that_cannot_be_used(tmp_path: Path, change: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_evidence(evidence(tmp_path, {"spring": TEST | change}), KINDS)
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'evidence.yaml'}: spring: ")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (None, "there is no such file"),
        ("", "is empty"),
        ("customer,ordered,delivered\na,2026-01-01,2026-01-03", "no column 'promised'"),
        ("a,b\n1,2", "no column 'customer'"),
        (HISTORY.replace("2026-01-05", "soon"), "ordered: 'soon' is not allowed; a date such as 2027-01-31 (2 of"),
        (HISTORY.replace("2026-02-02", "2026-01-01"), "'2026-01-01' is not allowed; a day not before the order (19 of"),
        (HISTORY, "no delivery lies 90 days before the table's end"),
        ("days_late,deliveries,ordered_again\n0,10,20", "ordered_again exceeds deliveries at days_late 0"),
        ("days_late,deliveries,ordered_again\n0,10,2", "too few deliveries to compare"),
    ],
)
def test_a_history_that_cannot_be_used(tmp_path: Path, table: str | None, told: str) -> None:
    if table is not None:
        (tmp_path / "late.csv").write_text(table, encoding="utf-8")
    node = {"late": {"kind": "lateness", "file": "late.csv", "within": 90}}
    with pytest.raises(ConfigError) as caught:
        observed(evidence(tmp_path, node))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("answer,orders\n11,0", "answer: '11' is not allowed; a number from 0 to 10 (1 of 1 rows); agree: [answer]"),
        ("answer,when\n9,1", "no column 'orders'"),
        ("answer,orders\n9,1\n3,0", "1 answers from 0 to 6; at least 30"),
        ("answer,orders\n" + "9,0\n3,0\n" * 40, "nobody ordered within 60 days"),
    ],
)
def test_a_survey_that_cannot_be_used(tmp_path: Path, table: str, told: str) -> None:
    (tmp_path / "survey.csv").write_text(table, encoding="utf-8")
    node = {"wave": {"kind": "survey", "file": "survey.csv", "within": 60}}
    with pytest.raises(ConfigError) as caught:
        observed(evidence(tmp_path, node))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1, 2]", "is no evidence; a map from names to pieces"),
        ("a: [", "is no YAML"),
        ("waves: {kind: []}", "waves: kind: [] is not allowed; one of"),
        ("a: 3", "a: kind is missing; one of ab_test, lateness, survey"),
        ("'a b': {kind: survey}", "a b: is not a name"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "evidence.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_evidence(path, KINDS)
    assert told in str(caught.value)


def test_columns_may_have_other_names_and_the_encoding_of_a_japanese_export(tmp_path: Path) -> None:
    rows = [f"会員{i},{i % 11},{i % 2}" for i in range(200)]
    (tmp_path / "wave.csv").write_bytes("\r\n".join(["会員番号,点数,注文数", *rows]).encode("cp932"))
    columns = {"customer": "会員番号", "answer": "点数", "orders": "注文数"}
    node = {"wave": {"kind": "survey", "file": "wave.csv", "within": 60, "columns": columns}}
    (piece,) = read_evidence(evidence(tmp_path, node), KINDS)
    assert piece.observed().values[0] == pytest.approx(np.mean([i % 11 for i in range(200)]))


# --- learning, with a piece whose truth is simple --------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """A piece that reports the slope itself, with an error."""

    kind: ClassVar[str] = "told"
    speaks_about: ClassVar[tuple[str, ...]] = ("behaviour.attrition.", "behaviour.choice.")
    scenario: ClassVar[str] = "baseline"
    name: str
    value: float
    se: float

    def observed(self) -> Observed:
        return Observed(("the slope",), np.array([self.value]), np.array([[self.se**2]]), "one number")


def taught(pieces: list[Told], draws: int = 200) -> Lesson:
    settings = shipped("scenario=baseline")
    places = latin_hypercube(settings.seed, [SLOPE], draws)
    slope = dict(settings.parameters())[SLOPE]
    slopes = np.array([[value_at(slope, float(u))] for u in places[:, 0]])
    simulated = Simulated(
        settings.seed, draws, {one.name: slopes for one in pieces}, {one.name: np.zeros((draws, 0)) for one in pieces}
    )
    return learn(pieces, {one.name: one.observed() for one in pieces}, simulated, settings)  # type: ignore[arg-type]


def test_only_what_was_told_is_sharpened_and_by_whom_is_said() -> None:
    lesson = taught([Told("exact", 0.7, 0.05), Told("vague", 1.0, 100.0)])
    kept = {one.name: one for one in lesson.parameters if one.kept}
    assert list(kept) == [SLOPE]
    one = kept[SLOPE]
    assert one.taught == ("exact",)
    assert one.after[0] == pytest.approx(0.7, abs=0.05)
    assert one.after[2] < 0.7 < one.after[3]
    assert 0.8 < one.shrinkage < 1.0
    assert not lesson.refused


def test_evidence_that_no_world_gives_is_refused() -> None:
    lesson = taught([Told("wild", 4.0, 0.05), Told("sane", 0.7, 0.1)])
    assert lesson.refused == ("wild",)
    assert [one.contradicts for one in lesson.statistics] == [True, False]
    assert {one.taught for one in lesson.parameters if one.kept} == {("sane",)}
    assert taught([Told("wild", 4.0, 0.05)]).parameters == ()


# --- known jointly ---------------------------------------------------------------------------------------------

PAIR = [SLOPE, "behaviour.experience.memory"]


def known_jointly(rho: float) -> Settings:
    """The shipped company, with two parameters of its own that it knows jointly."""
    node = raw("scenario=baseline")
    node["company"]["behaviour"] = {
        "attrition": {"satisfaction_slope": {"mean": 0.9, "se": 0.1}},
        "experience": {"memory": {"mean": 0.3, "se": 0.02}},
    }
    node["company"]["jointly"] = {"parameters": PAIR, "correlation": [[1, rho], [rho, 1]]}
    return load_settings(node)


def test_runs_draw_together_what_is_known_jointly() -> None:
    """The correlation asked for, to 4 / sqrt(n); each by itself as before; a larger design contains the smaller."""
    n = 512
    drawn = np.array([[float(point[name]) for name in PAIR] for point in points(known_jointly(-0.8), n)])
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(-0.8, abs=4 * (1 - 0.8**2) / np.sqrt(n))
    assert drawn.mean(axis=0) == pytest.approx([0.9, 0.3], abs=4 * 0.1 / np.sqrt(n))
    assert drawn.std(axis=0) == pytest.approx([0.1, 0.02], rel=4 / np.sqrt(2 * n))
    assert points(known_jointly(-0.8), 2 * n)[:n] == points(known_jointly(-0.8), n)


def test_the_others_are_drawn_as_they_were() -> None:
    with_, without = points(known_jointly(-0.8), 8), points(known_jointly(0.0), 8)
    assert with_ != without
    for one, other in zip(with_, without, strict=True):
        assert {name for name in one if one[name] != pytest.approx(other[name])} == {PAIR[1]}


def test_one_that_is_taken_as_known_drops_out() -> None:
    fixed = known_jointly(-0.8).at({SLOPE: 0.5})
    independent = known_jointly(0.0).at({SLOPE: 0.5})
    for one, other in zip(points(fixed, 8), points(independent, 8), strict=True):
        assert one[PAIR[1]] == pytest.approx(other[PAIR[1]])


@pytest.mark.parametrize(
    ("jointly", "told"),
    [
        ({"parameters": PAIR, "correlation": [[1, 2], [2, 1]]}, "correlation: is no correlation matrix"),
        ({"parameters": PAIR, "correlation": [[1]]}, "2 parameters and 1 rows"),
        ({"parameters": [SLOPE, "behaviour.experience.memry"], "correlation": [[1, 0], [0, 1]]}, "did you mean behav"),
        ({"parameters": SLOPE, "correlation": [[1]]}, "satisfaction_slope' is not a list"),
    ],
)
def test_what_cannot_be_known_jointly(jointly: dict[str, object], told: str) -> None:
    node = raw("scenario=baseline")
    node["company"]["jointly"] = jointly
    with pytest.raises(ConfigError) as caught:
        load_settings(node)
    assert told in str(caught.value)


def test_what_is_learned_of_a_sum_is_known_jointly() -> None:
    """Only the sum of two scores is observed: each stays half as wide as before, their correlation tends to -1."""
    settings = shipped("scenario=baseline")
    uncertain, places = quantiles(settings, 200)
    column = [ndtri(places[:, list(uncertain).index(name)]) for name in (SLOPE, "behaviour.choice.expectation_slope")]
    piece = Told("sum", 0.0, 0.05)
    simulated = Simulated(settings.seed, 200, {"sum": sum(column)[:, None]}, {"sum": np.zeros((200, 0))})
    lesson = learn([piece], {"sum": piece.observed()}, simulated, settings)
    assert set(lesson.jointly) == {SLOPE, "behaviour.choice.expectation_slope"}
    assert lesson.correlation[0, 1] < -0.95
    assert all(one.after[0] == pytest.approx(one.before[0], abs=0.1) for one in lesson.parameters if one.kept)


# --- synthetic firms --------------------------------------------------------------------------------------------

SMALL = ("company=cdnow", "scenario=baseline", "customers=4000", "burn_in=30", "calendar=flat")


def test_lateness_costs_repurchase_in_proportion_to_the_slopes() -> None:
    """Nobody minds: no difference, to the last customer. Everybody minds much: fewer come back."""
    settings = shipped(*SMALL)
    piece = Lateness("late", 90, Table(np.array([0.0, 7.0]), np.array([900.0, 100.0]), np.array([400.0, 40.0])))
    central = {path: one.value for path, one in settings.parameters() if one.uncertain}
    numb = central | {SLOPE: 0.0, "behaviour.choice.expectation_slope": 0.0, "behaviour.beliefs.hearsay_rate": 0.0}
    touchy = central | {SLOPE: 1.5, "behaviour.choice.expectation_slope": 1.0}

    def change(point: dict[str, float | str]) -> float:
        return float(piece.simulated(settings.at(point), lambda _: {}, 1).values[0])

    # the window opens later where the parcel comes later, so that numb customers differ by chance alone
    assert abs(change(numb)) < 0.04
    assert change(touchy) < change(numb) - 0.02


def test_end_to_end_in_a_tiny_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A survey at the far end of what is possible narrows the survey's own parameters; a run takes the file."""
    monkeypatch.chdir(tmp_path)
    rows = [f"c{i},{answer},{i // 10 % 2}" for i, answer in enumerate([7, 8, 8, 9, 9, 10, 6, 7, 8, 9] * 40)]
    Path("wave.csv").write_text("customer,answer,orders\n" + "\n".join(rows), encoding="utf-8")
    path = evidence(tmp_path, {"wave": {"kind": "survey", "file": "wave.csv", "within": 30}})
    words = ["learn", str(path), "--name", "shop", "--points", "30", "customers=6000", "burn_in=30", "threads=1"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert "survey.intercept" in out
    assert out.endswith("now: cxsim run --config-dir . company=shop\n")
    assert {file.name for file in Path("company").iterdir()} == {"shop.yaml", "shop_learning", "manifest.json"}
    node = yaml.safe_load(Path("company/shop.yaml").read_text(encoding="utf-8"))
    settings = load_settings(raw("scenario=baseline") | {"company": node})
    learned = settings.behaviour.survey.intercept
    assert learned.mean is not None
    assert learned.mean > 6.25  # the middle of its range; the answers' mean is above what that gives
    assert learned.se is not None
    assert learned.se < (7.5 - 5.0) / np.sqrt(12)
    assert "wave in evidence.yaml" in learned.source
    page = Path("company/shop_learning/report.html").read_text(encoding="utf-8")
    assert "survey intercept" in page
    assert cli.main(words) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("node", "words", "told"),
    [
        ({"spring": TEST | {"scenario": "norush"}}, [], "spring: scenario=norush: no such scenario"),
        ({"spring": TEST}, ["--company", "cdnwo"], "company=cdnwo: no such company"),
        ({"spring": TEST}, ["--points", "3"], "--points 3: is not allowed; at least 10 for 1 statistics"),
        ({"spring": TEST}, ["--name", "cdnow"], "cxsim ships a company of that name"),
        ({"spring": TEST | {"scenario": "baseline"}}, ["--points", "10", "threads=1"], "baseline treats nobody"),
        ({"spring": TEST | {"metric": "nps"}}, ["--points", "10", "threads=1", "customers=100", "burn_in=30"],
         "customers: a market of 100 is too small to show what spring measured"),
    ],
)
def test_what_cannot_be_learned_from_is_one_line(
    node: dict[str, object], words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    path = evidence(tmp_path, node)
    given = words if "--name" in words else ["--name", "x", *words]
    assert cli.main(["learn", str(path), *given]) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("simulating")]
    assert told in err[-1]
    assert len(err) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["evidence.yaml"]


FIRMS, WITHIN = 25, 180
COVERED = 17
"""Of 25 intervals that hold the truth 9 times in 10, fewer than 17 do so once in 1,000."""


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Settings, Lesson]]:
    """(truth, lesson) of firms whose truths are drawn from the prior; one set of simulated worlds serves all."""
    folder = tmp_path_factory.mktemp("firms")
    market = shipped("scenario=baseline", "customers=30000", "burn_in=60", "calendar=flat", "seed=77",
                     "market.status={unaware: 0.2, aware: 0.2, customer: 0.6}")  # fmt: skip
    prior = shipped("scenario=baseline", "customers=10000", "burn_in=60", "calendar=flat")
    found: list[tuple[Settings, list[Piece]]] = []
    for firm in firms(market, points(market, FIRMS), days=360):
        firm.deliveries().to_csv(folder / "late.csv", index=False)
        firm.answers(WITHIN).to_csv(folder / "wave.csv", index=False)
        node = {"late": {"kind": "lateness", "file": "late.csv", "within": WITHIN},
                "wave": {"kind": "survey", "file": "wave.csv", "within": WITHIN}}  # fmt: skip
        found.append((firm.truth, read_evidence(evidence(folder, node), KINDS)))
    pieces = found[0][1]
    simulated = simulate(pieces, {"baseline": prior}, treated_arms, 160, 2, lambda *_: None)
    return [
        (truth, learn(own, {one.name: one.observed() for one in own}, simulated, prior)) for truth, own in found
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["survey.intercept", "survey.slope", "survey.style_sd", "survey.noise_sd",
                                  "attrition.satisfaction_slope", "choice.expectation_slope"])  # fmt: skip
def test_intervals_hold_the_truth_of_made_up_firms(lessons: list[tuple[Settings, Lesson]], name: str) -> None:
    covered = 0
    for truth, lesson in lessons:
        true = dict(truth.parameters())[f"behaviour.{name}"].value
        one = next(one for one in lesson.parameters if one.name == f"behaviour.{name}")
        covered += one.after[2] <= float(true) <= one.after[3]
    assert covered >= COVERED


@pytest.mark.slow
def test_intervals_of_what_was_learned_shrink(lessons: list[tuple[Settings, Lesson]]) -> None:
    """The answers' level and what persists in them are told by any survey; hardly any firm is refused."""
    for name in ("survey.intercept", "survey.style_sd"):
        gone = [one.shrinkage for _, lesson in lessons for one in lesson.parameters if one.name == f"behaviour.{name}"]
        assert np.median(gone) > 0.3
    assert sum(bool(lesson.refused) for _, lesson in lessons) <= 3
