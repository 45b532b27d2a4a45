"""Looking around: settings of a few levers, each simulated at the same points of what is not known with the same luck.

The settings are Sobol points over the levers' ranges; the plan as stated comes before them. A lever is an option of an
intervention, so that one baseline serves all settings of a point. Points and luck are those of `cxsim run` with as
many replications: what that says of a setting is what is said of it here. The plan is run under second seeds too.

    DIR/explore.key           a hash of all that is simulated: another exploration is refused here
    DIR/worlds/R_S.parquet    one point (R) under one seed (S), whole or not there: what an exploration goes on from
    DIR/explore.json          levers, sliders, the settings, and the words of the command
    DIR/explore.parquet       every metric at every setting and point (`sim.tables.EXPLORED`)
    DIR/config.yaml, parameters.csv, points.parquet    as in a run folder
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from pydantic import BeforeValidator
from scipy.stats import qmc

from sim.company.offers import Placed
from sim.config.parameters import Parameter, Reader, show, tidy, whole_or
from sim.config.sections import Section
from sim.config.settings import Settings
from sim.files import manifest
from sim.files.disk import begin_manifest, together, write_text
from sim.phrases import ConfigError, Phrase, nearest
from sim.run.experiment import FIRST_BATCH, Progress, study_tasks, succeeded
from sim.run.provenance import stated
from sim.run.replication import Task, TreatedArms, run_task
from sim.run.workers import Pool
from sim.run.writing import write_assumptions, write_config, write_parquet
from sim.studies.optimise import treated_arm
from sim.studies.sweep import Ends, read_ends, scaled
from sim.tables import BASELINE, EVERYBODY, EXPLORED

KEY, PLAN, TABLE, WORLDS = "explore.key", "explore.json", "explore.parquet", "worlds"
FEWEST_LEVERS, MOST_LEVERS = 2, 5
MOST_SETTINGS = 1024
SMALLER, LARGER = 0.5, 2.0
"""Ends of a lever's range where none is given, as multiples of its present value."""


# -- what is asked ----------------------------------------------------------------------------------------------


def _levers(stated: object) -> dict[str, Any]:
    """Ranges by name: of a list of names each lever's own, of a group those that stand there."""
    if isinstance(stated, Mapping):
        return {str(name): read_ends(ends) for name, ends in stated.items()}
    if stated is None:
        return {}
    if isinstance(stated, str) or not isinstance(stated, Sequence):
        raise ConfigError("{value} is not allowed; a list of options, or a group of {{option: [low, high]}}",
                          value=show(stated))  # fmt: skip
    return {str(name): None for name in stated}


def _names(stated: object) -> tuple[str, ...] | str:
    if stated == "auto":
        return "auto"
    if isinstance(stated, str) or not isinstance(stated, Sequence):
        raise ConfigError("{value} is not allowed; auto, or a list of parameters", value=show(stated))
    return tuple(map(str, stated))


def _size(stated: object) -> int | str:
    size = whole_or("auto", FEWEST_LEVERS, MOST_SETTINGS)(stated)
    if isinstance(size, int) and size & (size - 1):
        raise ConfigError("{size} is not allowed; sobol points are balanced for powers of two only", size=size)
    return size


class Plan(Section):
    """What is explored; keys of `conf/explore`."""

    levers: Annotated[dict[str, Ends | None], BeforeValidator(_levers)]
    sliders: Annotated[tuple[str, ...] | str, Reader(_names)] = "auto"
    size: Annotated[int | str, Reader(_size)] = "auto"


class Lever(NamedTuple):
    """An option that is moved, by its dotted path: from low to high, at present there; `whole` numbers or any."""

    key: str
    low: float
    high: float
    present: float
    whole: bool


class Design(NamedTuple):
    """Levers, what each is at in every setting (the plan as stated first), and parameters to ask for afterwards.

    `sliders` is None where the analysis is to choose.
    """

    levers: tuple[Lever, ...]
    settings: tuple[dict[str, float | int], ...]
    sliders: tuple[str, ...] | None


def designed(plan: Plan, settings: Settings) -> Design:
    """The design that a plan asks for. Raises ConfigError where a name is no lever or no slider, or a range is none."""
    if not FEWEST_LEVERS <= len(plan.levers) <= MOST_LEVERS:
        raise ConfigError(
            "explore.levers: {n} levers are named; {fewest} to {most} of {names}",
            n=len(plan.levers), fewest=FEWEST_LEVERS, most=MOST_LEVERS, names=", ".join(sorted(_movable(settings))),
        )  # fmt: skip
    levers = tuple(_lever(name, ends, settings) for name, ends in plan.levers.items())
    sliders = None if isinstance(plan.sliders, str) else tuple(_slider(name, settings) for name in plan.sliders)
    size = _enough(len(levers)) if isinstance(plan.size, str) else plan.size
    if size <= _coefficients(len(levers)):
        raise ConfigError(
            "explore.size: {size} settings are too few for {n} levers; at least {least}",
            size=size, n=len(levers), least=1 << _coefficients(len(levers)).bit_length(),
        )  # fmt: skip
    unit = qmc.Sobol(len(levers), scramble=True, rng=settings.seed).random(size)
    rows = [
        {one.key: scaled(one.low, one.high, one.whole, float(u)) for one, u in zip(levers, row, strict=True)}
        for row in unit
    ]
    present = {one.key: tidy(one.present) for one in levers}
    return Design(levers, (present, *rows), sliders)


def _enough(levers: int) -> int:
    """The smallest power of two that is at least twice the coefficients of a quadratic in so many levers."""
    return 1 << (2 * _coefficients(levers) - 1).bit_length()


def _coefficients(levers: int) -> int:
    return (levers + 1) * (levers + 2) // 2


def _movable(settings: Settings) -> dict[str, str]:
    """Dotted paths of what may be moved, by the part that is named: the option, with what stands before it where two
    interventions have it."""
    paths = [path for path, one in settings.parameters() if path.startswith("scenario.") and isinstance(one, Parameter)]
    options = {path: path.split(".interventions.")[1].partition(".") for path in paths}
    ends = [option for _name, _dot, option in options.values()]
    return {
        option if ends.count(option) == 1 else f"{name}.{option}": path
        for path, (name, _dot, option) in options.items()
    }


def _lever(name: str, ends: Ends | None, settings: Settings) -> Lever:
    movable = _movable(settings)
    path = name if name in movable.values() else movable.get(name)
    if path is None:
        raise ConfigError(
            "explore.levers: {name}: is no number of the scenario's interventions; {names}{hint}",
            name=name, names=", ".join(sorted(movable)) or "none", hint=nearest(name, movable),
        )  # fmt: skip
    present = dict(settings.parameters())[path].value
    assert not isinstance(present, str)
    if ends is None and present <= 0:
        raise ConfigError(
            "explore.levers: {name}: stands at {value:g} at present, which has no half and double; {{{name}: [low, "
            "high]}}",
            name=name, value=present,
        )  # fmt: skip
    is_whole = present == int(present) and present >= LARGER
    low, high, whole = ends or (SMALLER * present, LARGER * present, is_whole)
    if whole:
        low, high = float(int(low)), float(int(high))
    return Lever(path, low, high, float(present), whole)


def _slider(name: str, settings: Settings) -> str:
    """The path of a parameter that differs between points."""
    known = dict(settings.parameters())
    found = [path for path in known if path == name or path.endswith(f".{name}")]
    if len(found) != 1:
        uncertain = [path for path, one in known.items() if one.uncertain]
        raise ConfigError("explore.sliders: {name}: names no single parameter{hint}",
                          name=name, hint=nearest(name, [*found, *uncertain]))  # fmt: skip
    if not known[found[0]].uncertain:
        raise ConfigError(
            "explore.sliders: {name}: is taken as known, so that no two points differ in it; "
            "{key}={{mean: ..., se: ...}} says how well it is known",
            name=name, key=found[0],
        )  # fmt: skip
    return found[0]


# -- doing it ---------------------------------------------------------------------------------------------------


def explored_settings(settings: Settings, design: Design) -> Settings:
    """The settings to be simulated: levers taken as known at their present values, variants left out, and a number of
    points."""
    number = FIRST_BATCH if settings.replications == "auto" else settings.replications
    scenarios = {name: one.model_copy(update={"variants": {}}) for name, one in settings.scenario.items()}
    plain = settings.model_copy(update={"scenario": scenarios, "replications": number, "arms": "total"})
    return plain.at(design.settings[0])


@dataclass(frozen=True)
class AtSettings:
    """Treated arms of a design: one for each setting, named by its number. As `TreatedArms`, for `run_task`."""

    treated_arms: TreatedArms
    points: tuple[Mapping[str, float | int], ...]

    def __call__(self, settings: Settings) -> dict[str, Placed]:
        """The interventions at each setting. Raises ConfigError where one cannot be built."""
        placed = {}
        for number, point in enumerate(self.points):
            arms = self.treated_arms(settings.at(point))
            placed[str(number)] = arms[treated_arm(arms)]
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
                "setting": number, "replication": task.replication, "second_seed": task.second_seed,
                "metric": wide.index, "baseline": wide[BASELINE].to_numpy(), "scenario": wide[str(number)].to_numpy(),
            })
            for number in range(len(points))
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


def _simulated(
    folder: Path, tasks: Sequence[Task], pool: Pool[Task, pd.DataFrame], progress: Progress
) -> Iterator[Task]:  # fmt: skip
    """Tasks as they are done: those that stand in the folder first."""
    there = [task for task in tasks if (folder / WORLDS / _name(task)).is_file()]
    yield from there
    missing = [task for task in tasks if task not in there]
    progress(len(there), len(tasks), Phrase("simulating"))
    for number, outcome in pool.outcomes(missing):
        write_parquet(folder / WORLDS, _name(missing[number]), succeeded(outcome))
        yield missing[number]


def _name(task: Task) -> str:
    return f"{task.replication:05d}_{task.second_seed}.parquet"


def _read(path: Path) -> pd.DataFrame:
    manifest.checked(path)
    table: pd.DataFrame = pq.read_table(path).to_pandas()
    return table
