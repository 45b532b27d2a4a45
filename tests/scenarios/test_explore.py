"""`cxsim explore`: a setting is what `cxsim run` says of it, an exploration is resumed, and its curve is tried."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.effects.estimands import spread
from analysis.folders.run_folder import Run
from analysis.studies.explore import NORMAL_90, Explored, predicted
from analysis.studies.surrogate import rms
from cxsim import cli
from scenarios.intervention import treated_arms
from sim.config.settings import Settings
from sim.phrases import ConfigError
from sim.run.experiment import running, study_tasks
from sim.studies.explore import AtSettings, Worlds, explored_settings
from sim.studies.explore_plan import Plan, designed
from tests.config.compose import shipped

SMALL = ["customers=400", "days=28", "burn_in=30", "replications=2", "threads=1"]
LEVERS = "levers={face: [0, 400], valid_days: [10, 120]}"
FACE, VALID = (f"scenario.norush_coupon.interventions.norush_coupon.{option}" for option in ("face", "valid_days"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("explored") / "one"
    words = ["scenario=norush_coupon", LEVERS, "size=8", "sliders=[company.margin]", *SMALL]
    assert cli.main(["explore", *words, "--out", str(found)]) == cli.OK
    return found


def test_the_command_of_a_setting_says_the_same(folder: Path, tmp_path: Path) -> None:
    found = Explored(folder)
    number = 3
    words = [f"{word}{value:g}" for word, value in zip(found.plan["words"], found.settings[number], strict=True)]
    command = shlex.split(found.plan["command"])
    assert command[:2] == ["cxsim", "run"]
    assert cli.main([*command[1:], *words, f"hydra.run.dir={tmp_path / 'run'}"]) == cli.OK
    effects = Run(tmp_path / "run").effects.query("estimand == 'total' and segment == 'everybody'").set_index("metric")
    for metric in ("ltv", "nps", "orders", "cost"):
        assert found.effects_of(metric)[number].mean() == pytest.approx(effects.loc[metric, "effect"], abs=1e-5)


def test_levers_are_sobol_points_after_the_plan(folder: Path) -> None:
    settings = Explored(folder).settings
    assert settings[0].tolist() == [150, 60]
    assert len(settings) == 9
    assert np.floor(settings[1:, 0] / 400.5 * 8).astype(int).tolist() != sorted(range(8))
    assert sorted(np.minimum(np.floor(settings[1:, 0] / 401 * 8), 7).astype(int)) == list(range(8))


def test_an_exploration_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    kept = (other / "worlds" / "00000_0.parquet").stat().st_mtime_ns
    (other / "worlds" / "00001_0.parquet").unlink()
    for name in ("explore.parquet", "explore.html", "explore.json"):
        (other / name).unlink()
    words = ["scenario=norush_coupon", LEVERS, "size=8", "sliders=[company.margin]", *SMALL]
    assert cli.main(["explore", *words, "--out", str(other)]) == cli.OK
    assert (other / "worlds" / "00000_0.parquet").stat().st_mtime_ns == kept
    for name in ("explore.parquet", "explore.html", "explore.json", "manifest.json"):
        assert (other / name).read_bytes() == (folder / name).read_bytes()
    assert cli.main(["verify", str(other)]) == cli.OK


def test_another_exploration_is_refused_its_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["scenario=norush_coupon", LEVERS, "size=16", *SMALL, "--out", str(folder)]
    assert cli.main(["explore", *words]) == cli.BAD_INPUT
    assert "holds work on something else" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["levers=[face]"], "1 levers are named; 2 to 5 of"),
        (["levers=[face,vald_days]"], "explore.levers: vald_days: is no number of the scenario's interventions"),
        (["levers=[face,valid_days]", "size=12"], "12 is not allowed; sobol points"),
        (["levers=[face,valid_days]", "size=4"], "4 settings are too few for 2 levers; at least 8"),
        (["levers={face: [400, 0], valid_days: [10, 20]}"], "low below high"),
        (["levers={face: [0, 400000], valid_days: [10, 20]}"], "400000 is not allowed; from 0 to 100000"),
        (["levers=[face,valid_days]", "sliders=[company.message_cap]"], "names no single parameter"),
        (["levers=[face,valid_days]", "sliders=[company.facts.nps]", "company.facts.nps=-15"], "taken as known"),
        (["levers=[face,valid_days]", "slider=[x]"], "slider"),
        (["levers=face"], "is not allowed; a list of options"),
        (["scenario=baseline", "levers=[face,valid_days]"], "is no number of the scenario's interventions"),
    ],
)  # fmt: skip
def test_bad_words_are_told_in_a_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explore", *words, *SMALL, "--out", str(tmp_path / "out")]) == cli.BAD_INPUT
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_lever_without_a_range_goes_from_half_to_double() -> None:
    settings = shipped("scenario=norush_coupon")
    face, valid = designed(Plan.read({"levers": ["face", VALID]}, "explore"), settings).levers
    assert face == (FACE, 75, 300, 150, True)
    assert valid == (VALID, 30, 120, 60, True)
    nothing = settings.at({FACE: 0})
    with pytest.raises(ConfigError, match="which has no half and double"):
        designed(Plan.read({"levers": ["face", "valid_days"]}, "explore"), nothing)


def test_a_lever_that_was_not_known_is_known() -> None:
    settings = shipped("scenario=norush_coupon", f"{FACE}={{value: 150, range: [100, 200]}}")
    one = explored_settings(settings, designed(Plan.read({"levers": ["face", "valid_days"]}, "explore"), settings))
    assert not dict(one.parameters())[FACE].uncertain
    assert one.scenario["norush_coupon"].variants == {}


# -- the curve, tried -------------------------------------------------------------------------------------------


def real(settings: Settings, points: tuple[dict[str, float], ...]) -> pd.DataFrame:
    """Mean effects as they are simulated at settings that the exploration has not seen: a column per metric."""
    with running(Worlds(settings, treated_arms, points), 2, lambda *_: None) as run:
        found = pd.concat(run(study_tasks(settings, second_seeds=False)), ignore_index=True)
    return found.assign(effect=found["scenario"] - found["baseline"]).pivot_table("effect", "setting", "metric")


@pytest.mark.slow
def test_twenty_settings_at_random_lie_within_the_stated_error(tmp_path: Path) -> None:
    words = ["customers=1500", "days=120", "burn_in=60", "replications=32", "arms=total"]
    folder = tmp_path / "one"
    asked = ["explore", "scenario=norush_coupon", "levers=[face,valid_days]", *words, "--out", str(folder)]
    assert cli.main(asked) == cli.OK
    found = Explored(folder)
    rng = np.random.default_rng(11)
    points = tuple({FACE: int(rng.integers(75, 301)), VALID: int(rng.integers(30, 121))} for _ in range(20))
    plain = shipped("scenario=norush_coupon", *words)
    settings = explored_settings(plain, designed(Plan.read({"levers": ["face", "valid_days"]}, "explore"), plain))
    assert set(AtSettings(treated_arms, points)(settings)) == set(map(str, range(20)))
    truth = real(settings, points)
    for metric in ("ltv", "nps", "orders", "cost"):
        told = [predicted(found, metric, point) for point in points]
        off = np.array([one.effect.mean() for one in told]) - truth[metric].to_numpy()
        stated = told[0].error
        over = spread(found.effects_of(metric)[0])
        within = int(np.sum(np.abs(off) <= stated))
        surrogate = found.surrogate(metric)
        left = rms(surrogate.left_out(found.effects_of(metric).mean(axis=1, keepdims=True)))
        print(f"{metric}: {surrogate.kind}, {within} of 20 within ± {stated:.3g} (off by {rms(off):.3g} rms, left out "
              f"{left:.3g}); half the interval {(over.high - over.low) / 2:.3g}")  # fmt: skip
        assert stated == pytest.approx(NORMAL_90 * left)
        assert within >= 16  # fewer of 20 have a probability of .04 where 90 % lie within
