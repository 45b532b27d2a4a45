"""Looking around: settings of a few levers, each simulated at the same points of what is not known with the same luck.

The settings are Sobol points over the levers' ranges; the plan as stated comes before them. A lever is an option of an
intervention, so that one baseline serves all settings of a point. Points and luck are those of `cxsim run` with as
many replications: what that says of a setting is what is said of it here. The plan is run under second seeds too.

    DIR/explore.key           a hash of all that is simulated: another exploration is refused here
    DIR/worlds/R_S.parquet    one point (R) under one seed (S), whole or not there: what an exploration goes on from
    DIR/explore.json          levers, sliders, and the words of the command
    DIR/explore.parquet       every metric at every setting and point (`sim.tables.EXPLORED`)
    DIR/config.yaml, parameters.csv, points.parquet    as in a run folder
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from sim.company.offers import Placed
from sim.config.parameters import number, show, tidy
from sim.config.settings import Settings
from sim.files import manifest
from sim.files.disk import begin_manifest, together, write_text
from sim.phrases import ConfigError, Phrase
from sim.run.experiment import FIRST_BATCH, Progress, running, study_tasks, succeeded
from sim.run.provenance import stated
from sim.run.replication import Task, TreatedArms, run_task
from sim.run.workers import Pool
from sim.run.writing import write_assumptions, write_config, write_parquet
from sim.studies.explore_plan import Design
from sim.studies.optimise import treated_arm
from sim.tables import BASELINE, EVERYBODY, EXPLORED

KEY, PLAN, TABLE, WORLDS = "explore.key", "explore.json", "explore.parquet", "worlds"


def explored_settings(settings: Settings, design: Design) -> Settings:
    """The settings to be simulated: levers taken as known at their present values, variants left out, and a number of
    points."""
    several = FIRST_BATCH if settings.replications == "auto" else settings.replications
    scenarios = {name: one.model_copy(update={"variants": {}}) for name, one in settings.scenario.items()}
    plain = settings.model_copy(update={"scenario": scenarios, "replications": several, "arms": "total"})
    return plain.at(design.settings[0])


@dataclass(frozen=True)
class AtSettings:
    """Treated arms of a design: one for each setting, named by its number. As `TreatedArms`, for `run_task`."""

    treated_arms: TreatedArms
    points: tuple[Mapping[str, float | int], ...]

    def __call__(self, settings: Settings) -> dict[str, Placed]:
        """The interventions at each setting. Raises ConfigError where one cannot be built."""
        placed = {}
        for place, point in enumerate(self.points):
            arms = self.treated_arms(settings.at(point))
            placed[str(place)] = arms[treated_arm(arms)]
        return placed


@dataclass(frozen=True)
class Worlds:
    """Simulates one point at all settings, under its second seed at the first alone: what a pool sends to workers."""

    settings: Settings
    treated_arms: TreatedArms
    points: tuple[Mapping[str, float | int], ...]

    def __call__(self, task: Task) -> pd.DataFrame:
        """Columns of EXPLORED, everybody only."""
        points = self.points[:1] if task.second_seed else self.points
        measures = run_task(self.settings, AtSettings(self.treated_arms, points), task).measures
        rows = measures[(measures["segment"] == EVERYBODY) & (measures["group"] == "all")]
        wide = rows.pivot(index="metric", columns="arm", values="value").reindex(rows["metric"].unique())
        parts = [
            pd.DataFrame({
                "setting": place, "replication": task.replication, "second_seed": task.second_seed,
                "metric": wide.index, "baseline": wide[BASELINE].to_numpy(), "scenario": wide[str(place)].to_numpy(),
            })
            for place in range(len(points))
        ]  # fmt: skip
        return pd.concat(parts, ignore_index=True).astype({one.name: one.dtype for one in EXPLORED})


def explore(
    settings: Settings, treated_arms: TreatedArms, design: Design, about: Mapping[str, Any], folder: Path, threads: int,
    progress: Progress,
) -> None:  # fmt: skip
    """Simulate what is missing of a design and write the folder's tables.

    `settings` are those of `explored_settings`; `about` is written into explore.json beside the design.
    """
    tasks, started = study_tasks(settings, second_seeds=True), time.monotonic()
    begin_manifest(folder / WORLDS)
    with Pool(Worlds(settings, treated_arms, design.settings), threads) as pool:
        for done, _task in enumerate(_simulated(folder, tasks, pool, progress), 1):
            progress(done, len(tasks), Phrase("simulating"))
    found = pd.concat([_read(folder / WORLDS / _name(task)) for task in tasks], ignore_index=True)
    values = pd.DataFrame(design.settings, columns=[one.key for one in design.levers])
    values.insert(0, "setting", np.arange(len(values), dtype=np.int32))
    plan = {"levers": [one._asdict() for one in design.levers], "sliders": design.sliders, **about}
    with together(folder):
        write_parquet(folder, TABLE, found.merge(values, on="setting", how="left"))
        write_config(folder, settings)
        write_assumptions(folder, settings, [task for task in tasks if task.second_seed == 0])
        write_text(folder / PLAN, json.dumps(plan, indent=1, ensure_ascii=False) + "\n")
        origin = stated(settings, threads, folder, time.monotonic() - started, {"explore": plan})
        write_text(folder / manifest.PROVENANCE, origin)


def at_setting(
    settings: Settings, treated_arms: TreatedArms, design: Design, setting: Mapping[str, Any], threads: int,
    progress: Progress,
) -> pd.DataFrame:  # fmt: skip
    """One more setting at all points under their first seeds, columns of EXPLORED. Raises ConfigError."""
    keys = [one.key for one in design.levers]
    if sorted(setting) != sorted(keys):
        raise ConfigError("{value} is no setting; a number for each of {names}",
                          value=show(dict(setting)), names=", ".join(keys))  # fmt: skip
    point = {key: tidy(number(setting[key])) for key in keys}
    AtSettings(treated_arms, (point,))(settings)  # which says what a value may be before any work
    with running(Worlds(settings, treated_arms, (point,)), threads, progress) as run:
        return pd.concat(run(study_tasks(settings, second_seeds=False)), ignore_index=True)


def _simulated(
    folder: Path, tasks: Sequence[Task], pool: Pool[Task, pd.DataFrame], progress: Progress
) -> Iterator[Task]:  # fmt: skip
    """Tasks as they are done: those that stand in the folder first."""
    there = [task for task in tasks if (folder / WORLDS / _name(task)).is_file()]
    yield from there
    missing = [task for task in tasks if task not in there]
    progress(len(there), len(tasks), Phrase("simulating"))
    for place, outcome in pool.outcomes(missing):
        write_parquet(folder / WORLDS, _name(missing[place]), succeeded(outcome))
        yield missing[place]


def _name(task: Task) -> str:
    return f"{task.replication:05d}_{task.second_seed}.parquet"


def _read(path: Path) -> pd.DataFrame:
    manifest.checked(path)
    table: pd.DataFrame = pq.read_table(path).to_pandas()
    return table
