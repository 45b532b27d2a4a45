"""Key drivers: each touchpoint made a step better and a step worse, for everybody and for each persona.

At each point of what is not known one market is simulated. Its baseline records what the firm hears: of which
touchpoint contacts and detractors complain, and how respondents of the survey rate the touchpoints. Then each one is
repaired and broken by the same step, from the same midnight with the same draws: total effects only. From the tables
written here the analysis compares the effects with what complaints or a survey's key-driver chart (Johnson and
Gustafsson 2000) would have said instead.

The store is a touchpoint of store purchases only, site and delivery of online ones. Support serves whoever contacts it,
of whatever persona: it is moved for everybody only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agents import draws
from agents.behaviour import Rules, survey_answer
from agents.columns import TOUCHPOINT_NAMES, Columns
from agents.draws import normal_quantile, row_draws
from sim import tables
from sim.company import changes
from sim.company.changes import Changes, Shift
from sim.company.meetings import Meetings, MeetingState
from sim.config.parameters import Share, real
from sim.config.sections import Section
from sim.config.settings import Settings
from sim.run.experiment import Progress, running, study_tasks
from sim.run.metrics import finished, measures
from sim.run.replication import Task, table
from sim.run.writing import write_assumptions, write_config, write_parquet
from sim.world.constants import World
from sim.world.model import Arm, CXModel, Snapshot, burnt_in
from sim.world.pilot import piloted

SUPPORT = "support"
"""Name of the support desk, which is moved beside the touchpoints of an episode."""


# -- the plan -------------------------------------------------------------------------------------------------


class Plan(Section):
    """How far touchpoints are moved, and how the firm listens; keys of `conf/key_drivers`."""

    step: Annotated[float, real(0.0, 5.0, above=True)]  # su
    comments: Share  # of surveyed detractors who write what let them down


class Move(NamedTuple):
    """One arm: a touchpoint made better or worse for a persona, or for everybody."""

    touchpoint: str
    persona: str
    change: str
    changes: Changes


def moves_of(step: float, personas: Sequence[str]) -> Iterator[Move]:
    """Every touchpoint for everybody and for each persona, and support for everybody: each up and down by `step` su."""
    numbers = {tables.EVERYBODY: changes.EVERYBODY} | {name: number for number, name in enumerate(personas)}
    for change, su in ((tables.REPAIRED, step), (tables.BROKEN, -step)):
        for persona, number in numbers.items():
            for touchpoint, name in enumerate(TOUCHPOINT_NAMES):
                yield Move(name, persona, change, Changes(quality=(Shift(touchpoint, su, number),)))
        yield Move(SUPPORT, tables.EVERYBODY, change, Changes(support=su))


# -- what the firm hears --------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Ears(MeetingState):
    """Counts comments as meetings do, by declared persona, but holds no meeting; and asks for ratings in the survey.

    Whoever answers the survey also rates each touchpoint from 0 to 10. A rating is made as the survey's answer is, from
    the quality that the customer expects there, with the same style and noise of its own.
    """

    rules: Rules
    heard: NDArray[np.int64]  # complaints by declared persona and touchpoint
    ratings: list[NDArray[np.int64]] = field(default_factory=list)  # rows (declared persona, answer, rating of each)

    def listen(self, columns: Columns, rows: NDArray[np.int32], day: int) -> None:
        """Count which touchpoint weighed worst in these customers' last episode."""
        worst = columns.of("worst")[rows].astype(np.int64)
        said = worst > 0
        np.add.at(self.heard, (columns.of("declared")[rows][said], worst[said] - 1), 1)

    def read(self, columns: Columns, answers: NDArray[np.int8], seed: int, day: int) -> None:
        """Add the comments of a survey day, and the ratings of all who answer."""
        super().read(columns, answers, seed, day)
        rows = np.flatnonzero(answers >= 0).astype(np.int32)
        rated = [self._rated(columns, rows, seed, day, touchpoint) for touchpoint in range(len(TOUCHPOINT_NAMES))]
        self.ratings.append(np.column_stack([columns.of("declared")[rows], answers[rows], *rated]).astype(np.int64))

    def _rated(self, columns: Columns, rows: NDArray[np.int32], seed: int, day: int, touchpoint: int) -> list[int]:
        expected = columns.of(f"expect_{TOUCHPOINT_NAMES[touchpoint]}")[rows].tolist()
        style = columns.of("style")[rows].tolist()
        # Slot 0 is the noise of the answer itself.
        noise = map(normal_quantile, row_draws(seed, rows, day, draws.SURVEY_NOISE, 1 + touchpoint).tolist())
        return [survey_answer(self.rules, *one) for one in zip(expected, style, noise, strict=True)]


def ears(world: World, plan: Plan) -> Ears:
    """Ears for a world; no meeting is ever held."""
    terms = Meetings(every=1, first=0, last=0, gain=0, lag=0, cost=0, budget=0, capacity=0, comments=plan.comments)
    personas = len(world.traits.personas.names)
    return Ears(terms, rules=world.rules, heard=np.zeros((personas, len(TOUCHPOINT_NAMES)), np.int64))


# -- one world ------------------------------------------------------------------------------------------------


class WorldTables(NamedTuple):
    """Rows of `tables.KEY_DRIVER_ARMS`, `tables.COMPLAINTS` and `tables.RATINGS` of one world."""

    arms: pd.DataFrame
    complaints: pd.DataFrame
    ratings: pd.DataFrame


def run_world(settings: Settings, plan: Plan, task: Task) -> WorldTables:
    """The baseline and every arm at one point."""
    world = piloted(settings.at(task.point), task.seed)
    return lived(world, burnt_in(world, settings.engine), settings, plan, task)


def lived(world: World, midnight: Snapshot, settings: Settings, plan: Plan, task: Task) -> WorldTables:
    """The baseline and every arm from a world's midnight before day 0."""
    personas = world.traits.personas.names
    everybody = np.ones(world.customers, bool)

    def ended(arm: Arm, *meetings: MeetingState) -> list[tuple[str, float]]:
        model = CXModel(world, midnight.copied(), arm, settings.engine, record=False)
        model.meetings += meetings
        found = measures(finished(model), everybody)
        return [(metric, found[metric]) for metric in tables.DRIVEN]

    heard = ears(world, plan)
    rows: list[tuple[str, str, str, str, float]] = [("", "", tables.BASELINE, *one) for one in ended(Arm(), heard)]
    for touchpoint, persona, change, standing in moves_of(plan.step, personas):
        rows += [(touchpoint, persona, change, *one) for one in ended(Arm((), everybody, standing=standing))]
    complaints = [
        (persona, touchpoint, int(heard.heard[number, k]))
        for number, persona in enumerate(personas)
        for k, touchpoint in enumerate(TOUCHPOINT_NAMES)
    ]
    answers = np.concatenate(heard.ratings or [np.zeros((0, 2 + len(TOUCHPOINT_NAMES)), np.int64)])
    ratings = [(personas[row[0]], *row[1:]) for row in answers.tolist()]
    return WorldTables(
        table(tables.KEY_DRIVER_ARMS, rows, task),
        table(tables.COMPLAINTS, complaints, task),
        table(tables.RATINGS, ratings, task),
    )


# -- all worlds -----------------------------------------------------------------------------------------------


def run_key_drivers(settings: Settings, plan: Plan, folder: Path, threads: int, progress: Progress) -> None:
    """Simulate all arms in all worlds; write config.yaml, the three tables and the assumptions into `folder`.

    `progress(done, of, what)` is called as worlds are finished.
    """
    tasks = study_tasks(settings, second_seeds=True)
    with running(partial(run_world, settings, plan), threads, progress) as run:
        worlds = run(tasks)
    write_config(folder, settings, key_drivers=plan.model_dump())
    for name, frames in zip(tables.KEY_DRIVER_FILES, zip(*worlds, strict=True), strict=True):
        write_parquet(folder, name, pd.concat(frames, ignore_index=True))
    write_assumptions(folder, settings, [task for task in tasks if task.second_seed == 0])
