"""Touchpoints moved by a step: the arms against closed cases, what the firm hears against a count, and the command."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agents import draws
from agents.columns import TOUCHPOINT_NAMES, new_columns
from agents.draws import row_draws
from cxsim import cli
from sim import tables
from sim.config.settings import Settings
from sim.phrases import ConfigError
from sim.run.replication import Task
from sim.run.tail import tail_of
from sim.studies.key_drivers import SUPPORT, Plan, WorldTables, ears, lived, moves_of, run_world
from sim.world.constants import World
from sim.world.daily_log import DETRACTOR
from sim.world.model import CXModel, Snapshot, burnt_in
from tests.folders import differing, files
from tests.worlds import BUSY, free_world, settings

SMALL = ("scenario=baseline", "customers=1500", "days=28", "burn_in=30", "calendar=flat", *BUSY)
SILENT = ("behaviour.talk.base=0", "behaviour.talk.positive=0", "behaviour.talk.negative=0")
ONLINE = ("company.channels={web: 0.6, app: 0.4, store: 0.0}",)
TASK = Task(0, 0, {}, 5, parts=False)
PLAN = Plan(step=0.5, comments=0.3)
STILL = PLAN.model_copy(update={"step": 0.0})
"""Moves by nothing, which no file may ask for."""


@lru_cache(maxsize=4)
def start(*overrides: str) -> tuple[World, Snapshot, Settings]:
    """A world where nothing queues, at midnight before day 0."""
    found = settings(*SMALL, *overrides)
    world = free_world(found, 5)
    return world, burnt_in(world), found


@lru_cache(maxsize=1)
def still() -> WorldTables:
    """The tables of moves by nothing."""
    return lived(*start(), STILL, TASK)


def effects(found: WorldTables) -> pd.Series:
    """Effect by persona, touchpoint, change and metric."""
    keys = ["persona", "touchpoint", "change", "metric"]
    values = found.arms.set_index(keys)["value"]
    base = values.xs(tables.BASELINE, level="change").droplevel([0, 1])
    moved = values.drop(index=tables.BASELINE, level="change")
    return moved - base.reindex(moved.index.get_level_values("metric")).to_numpy()


# -- the plan -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"step": 0, "comments": 0.3}, "key_drivers.step: 0 is not allowed; above 0"),
        ({"step": "far", "comments": 0.3}, "key_drivers.step: 'far' is not a number"),
        ({"step": 0.2, "comments": 1.5}, "key_drivers.comments: 1.5 is not allowed; from 0 to 1"),
        ({"step": 0.2}, "key_drivers.comments: "),
        ({"step": 0.2, "comments": 0.3, "stap": 1}, "key_drivers.stap: no such key; one of step, comments"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused_in_one_line(keys: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Plan.read(keys, "key_drivers")
    assert str(raised.value).startswith(words)
    assert "\n" not in str(raised.value)


def test_every_touchpoint_is_moved_both_ways_for_everybody_and_each_persona() -> None:
    moves = list(moves_of(0.5, ("a", "b")))
    cells = {(move.persona, move.touchpoint, move.change) for move in moves}
    expected = {
        (persona, touchpoint, change)
        for persona in (tables.EVERYBODY, "a", "b")
        for touchpoint in (*TOUCHPOINT_NAMES, SUPPORT)
        for change in (tables.REPAIRED, tables.BROKEN)
        if touchpoint != SUPPORT or persona == tables.EVERYBODY
    }
    assert cells == expected
    assert len(moves) == len(expected)


# -- the arms -------------------------------------------------------------------------------------------------


def test_a_step_of_nothing_is_the_baseline_to_the_bit() -> None:
    assert (effects(still()) == 0.0).all()


def test_listening_changes_nothing() -> None:
    world, before, _found = start()
    arms = still().arms
    model = CXModel(world, before.copied(), record=False)
    model.run(world.days)
    ltv = arms[(arms["change"] == tables.BASELINE) & (arms["metric"] == "ltv")]["value"].item()
    fixed = arms[(arms["change"] == tables.REPAIRED) & (arms["metric"] == "ltv")]["value"].unique()
    assert list(fixed) == [ltv]
    worth = model.customers.columns.of("npv") + tail_of(model).value
    assert worth.sum() / world.customers == pytest.approx(ltv, rel=1e-12)


def test_where_nobody_affects_anybody_the_personas_add_up_to_everybody() -> None:
    """Each customer's own touchpoint alone matters then, so moving all at once is moving each persona in turn."""
    world, before, found = start(*SILENT)
    table = effects(lived(world, before, found, PLAN, TASK))
    assert (table.xs("ltv", level="metric").abs() > 0).sum() > 30
    for metric in ("ltv", "tail"):
        one = table.xs(metric, level="metric")
        everybody = one[tables.EVERYBODY].drop(index=SUPPORT, level="touchpoint")
        apart = one.drop(index=tables.EVERYBODY, level="persona").groupby(["touchpoint", "change"]).sum()
        np.testing.assert_allclose(apart.loc[everybody.index], everybody, rtol=1e-9, atol=1e-9)


def test_a_store_without_customers_is_worth_nothing() -> None:
    world, before, found = start(*ONLINE)
    table = effects(lived(world, before, found, PLAN, TASK))
    assert (table.xs("store", level="touchpoint") == 0.0).all()
    assert (table.xs("site", level="touchpoint").xs("tail", level="metric") != 0.0).all()


# -- what the firm hears --------------------------------------------------------------------------------------


@pytest.mark.parametrize("comments", [0.0, 1.0])
def test_complaints_are_all_contacts_and_so_many_of_the_surveyed_detractors(comments: float) -> None:
    """Every contact follows an episode; of a detractor who has had none since before the burn-in nothing is known."""
    world, before, found = start()  # of 28 days, so that all four censuses are kept
    heard = lived(world, before, found, Plan(step=0.5, comments=comments), TASK)
    model = CXModel(world, before.copied(), record=False)
    detractors = 0
    for day in range(world.days):
        model.run(day + 1)
        if day in model.recorder.censuses:
            sampled = model.recorder.censuses[day].sampled
            said = (sampled >= 0) & (sampled <= DETRACTOR) & (model.customers.columns.of("worst") > 0)
            detractors += int(said.sum())
    contacts = int(model.recorder.rows["contacts"].sum())
    assert contacts > 50
    assert detractors > 0
    assert heard.complaints["comments"].sum() == contacts + comments * detractors


def test_a_rating_without_style_and_noise_is_the_expectation_on_the_scale() -> None:
    world, _, _ = start()
    quiet = world.rules._replace(survey_style_sd=0.0, survey_noise_sd=0.0)
    ear = ears(world, PLAN)
    ear.rules = quiet
    columns = new_columns(40)
    su = np.linspace(-6, 6, 40)
    for shift, name in enumerate(TOUCHPOINT_NAMES):
        columns.of(f"expect_{name}")[:] = su + shift
    answers = np.where(np.arange(40) % 2 == 0, 7, -1).astype(np.int8)
    ear.read(columns, answers, 1, 6)
    rated = ear.ratings[0]
    assert rated.shape == (20, 2 + len(TOUCHPOINT_NAMES))
    assert (rated[:, 1] == 7).all()
    for shift in range(len(TOUCHPOINT_NAMES)):
        expected = np.float32(su + shift)[::2].astype(float)
        on_scale = np.floor(quiet.survey_intercept + quiet.survey_slope * expected + 0.5)
        np.testing.assert_array_equal(rated[:, 2 + shift], np.clip(on_scale, 0, 10))


def test_ratings_have_noise_of_their_own() -> None:
    rows = np.arange(5, dtype=np.int32)
    noise = {tuple(row_draws(1, rows, 6, draws.SURVEY_NOISE, slot)) for slot in range(1 + len(TOUCHPOINT_NAMES))}
    assert len(noise) == 1 + len(TOUCHPOINT_NAMES)


# -- a world, and the command ---------------------------------------------------------------------------------


def test_the_tables_are_as_declared() -> None:
    world, before, found = start()
    tables_found = lived(world, before, found, PLAN, TASK)
    for frame, columns in zip(
        tables_found, (tables.KEY_DRIVER_ARMS, tables.COMPLAINTS, tables.RATINGS), strict=True
    ):
        assert list(frame.columns) == [column.name for column in columns]
        assert all(str(frame[column.name].dtype) == column.dtype for column in columns)
    assert len(tables_found.ratings) > 30


def test_a_world_is_the_same_whichever_way_it_is_asked_for() -> None:
    found = settings("scenario=baseline", "customers=300", "days=28", "burn_in=30", "calendar=flat")
    one, other = (run_world(found, PLAN, TASK) for _ in range(2))
    for mine, yours in zip(one, other, strict=True):
        pd.testing.assert_frame_equal(mine, yours, check_exact=True)


COMMAND = (
    "key-drivers", "customers=500", "days=28", "burn_in=30", "calendar=flat", "replications=2", "threads=1",
    *BUSY,
)  # fmt: skip


@pytest.mark.usefixtures("unpictured")
def test_the_command_writes_a_whole_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*COMMAND, f"hydra.run.dir={tmp_path / 'one'}"]) == cli.OK
    assert "A step of 0.2 su is worth most at" in capsys.readouterr().out
    wanted = ("key_drivers.csv", "report.html", "config.yaml", "parameters.csv", "points.parquet")
    assert {Path(name) for name in (*wanted, *tables.KEY_DRIVER_FILES)} <= files(tmp_path / "one")


@pytest.mark.slow  # that a world and the page are the same twice is held above, and in tests/analysis
def test_the_command_writes_the_same_twice(tmp_path: Path) -> None:
    for name in ("one", "other"):
        assert cli.main([*COMMAND, f"hydra.run.dir={tmp_path / name}"]) == cli.OK
    assert differing(tmp_path / "one", tmp_path / "other") == []


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("step=none", "cxsim: key_drivers.step: 'none' is not a number\n"),
        ("drivers.step=0.3", "cxsim: drivers: no such key; did you mean key_drivers?\n"),
        ("drivers=default", "cxsim: drivers: no such key; did you mean key_drivers?\n"),
        ("key_drivers.stap=3", "cxsim: key_drivers.stap: no such key; "),
        ("key_drivers=mine", "cxsim: key_drivers=mine: no such key_drivers; only default\n"),
        ("scenario=norush_coupon", "cxsim: scenario: norush_coupon intervenes; "),
        ("runs/mine", "cxsim: runs/mine: not of the form key=value; "),
    ],
)
def test_a_bad_word_is_told_in_one_line_and_leaves_nothing(
    word: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*COMMAND, word, f"hydra.run.dir={tmp_path / 'run'}"]) == cli.BAD_INPUT
    told = capsys.readouterr().err
    assert told.startswith(line)
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())
