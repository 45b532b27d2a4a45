"""A whole run: all arms in all replications, and the tables of a run folder.

Replication r is one point of a Latin hypercube over what is not known, shared by all its arms. Some points are
simulated under a second seed too, which tells the luck of the seed from the spread over points. Probes move one
thing at a time from the central point: what would flip the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from sim import tables
from sim.company.offers import Placed
from sim.config.parameters import Parameter
from sim.config.sampling import points
from sim.config.settings import Settings
from sim.files.disk import write_csv
from sim.phrases import ConfigError, Phrase
from sim.run.dashboard import dashboard_table
from sim.run.replication import Result, Task, TreatedArms, replication_seed, run_task
from sim.run.workers import Pool, WorkerDied
from sim.run.writing import _write_first, kpis, write_assumptions, write_config, write_parquet
from sim.world.constants import refuse_contradictions

FIRST_BATCH, MOST = 64, 256
"""`replications=auto` starts with so many points and doubles, up to so many."""

SECOND_SEED_EVERY, SECOND_SEED_UNTIL = 3, 66
"""Every third of the first 66 points is simulated under a second seed too: at most 22, which tell the luck of the seed
to about 15 %."""

PROBED = ("company.capacity_ratio", "behaviour.attrition.satisfaction_slope")

Enough = Callable[[pd.DataFrame], bool]
Progress = Callable[[int, int, Phrase], None]
Run = Callable[[list[Task]], list[Result]]
Item = TypeVar("Item")
Answer = TypeVar("Answer")


def run_experiment(
    settings: Settings, treated_arms: TreatedArms, folder: Path, threads: int, progress: Progress, enough: Enough
) -> None:
    """Simulate everything a configuration asks for and write the tables of `sim.tables` into `folder`.

    `progress(done, of, what)` is called as work is finished; `enough(measures)` says whether more points would hardly
    move the answer (asked between batches under `replications=auto`).
    """
    placed = treated_arms(settings)
    refuse_contradictions(settings)
    with running(partial(run_task, settings, treated_arms), threads, progress) as run:
        results = _replicate(settings, placed, run, enough)
        probes = run(_probe_tasks(settings)) if placed and settings.arms == "all" else []
    measures = pd.concat([result.measures for result in results], ignore_index=True)
    write_config(folder, settings)
    write_parquet(folder, "measures.parquet", measures)
    write_csv(folder / "kpis.csv", kpis(measures))
    write_parquet(folder, "daily.parquet", pd.concat([result.daily for result in results], ignore_index=True))
    for name in ("campaigns", "projects"):
        found = pd.concat([getattr(result, name) for result in results], ignore_index=True)
        if len(found):
            write_parquet(folder, f"{name}.parquet", found)
    if results[0].task.journal >= 0:
        _write_first(folder, results[0], settings)
    if settings.market.kind == "established":
        points_once = [result for result in results if result.task.second_seed == 0]
        given = [settings.at(one.task.point).company.facts for one in points_once]
        seen = dashboard_table(given, [one.dashboard for one in points_once])
        write_csv(folder / "dashboard.csv", seen)
    write_assumptions(folder, settings, [result.task for result in results if result.task.second_seed == 0])
    write_csv(folder / "probes.csv", probe_table(measures, probes))


@contextmanager
def running(
    work: Callable[[Item], Answer], threads: int, progress: Progress
) -> Iterator[Callable[[list[Item]], list[Answer]]]:
    """A function that runs tasks side by side, answers in the tasks' order. An error in one calls the others off."""
    done, known = 0, 0

    def run(tasks: list[Item]) -> list[Answer]:
        nonlocal done, known
        known += len(tasks)
        progress(done, known, Phrase("simulating"))
        results: dict[int, Answer] = {}
        for number, outcome in pool.outcomes(tasks):
            results[number] = succeeded(outcome)
            done += 1
            progress(done, known, Phrase("simulating"))
        return [results[number] for number in range(len(tasks))]

    with Pool(work, threads) as pool:
        yield run


def succeeded(outcome: Answer | Exception) -> Answer:
    """A task's answer. Raises what it raised; ConfigError for a worker that was killed."""
    if isinstance(outcome, WorkerDied):
        raise ConfigError("threads: {problem}; take fewer threads or customers", problem=outcome)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _replicate(settings: Settings, placed: Mapping[str, Placed], run: Run, enough: Enough) -> list[Result]:
    """All replications: a fixed number, a block of them, or batches until there are enough."""
    if settings.replications != "auto":
        first, until = (0, settings.replications) if settings.points == "all" else settings.points
        return run(list(_tasks(settings, first, until, settings.replications)))
    results: list[Result] = []
    done, wanted = 0, FIRST_BATCH
    while True:
        results += run(list(_tasks(settings, done, wanted, wanted)))
        measures = pd.concat([result.measures for result in results], ignore_index=True)
        if wanted >= MOST or not placed or enough(measures):
            return results
        done, wanted = wanted, 2 * wanted


def _tasks(settings: Settings, first: int, until: int, size: int) -> Iterator[Task]:
    """Points first .. until - 1 of a design of `size`; some under a second seed as well, the first with all arms."""
    design = points(settings, size)
    whole = settings.arms == "all"
    for replication in range(first, until):
        twice = replication % SECOND_SEED_EVERY == 0 and replication < SECOND_SEED_UNTIL
        for second_seed in (0, 1) if twice else (0,):
            seed = replication_seed(settings.seed, replication, second_seed)
            journal = settings.events if replication == 0 and second_seed == 0 and whole else -1
            parts = whole and replication < tables.PARTS_UNTIL
            point = design[replication]
            variants = whole and second_seed == 0 and replication < tables.VARIANTS_UNTIL
            yield Task(replication, second_seed, point, seed, parts=parts, variants=variants, journal=journal)


USUAL_POINTS = 16
"""Points of a study under `replications=auto`."""


def study_tasks(settings: Settings, second_seeds: bool) -> list[Task]:
    """A task per point, as an ordinary run of as many replications has it; some points under a second seed as well."""
    size = USUAL_POINTS if settings.replications == "auto" else settings.replications
    first, until = (0, size) if settings.points == "all" else settings.points
    tasks = _tasks(settings, first, until, size)
    wanted = [task for task in tasks if second_seeds or task.second_seed == 0]
    return [replace(task, parts=False, variants=False, journal=-1) for task in wanted]


def _probe_tasks(settings: Settings) -> list[Task]:
    """Tasks of probes, replication < 0: the central point, then a parameter at each end."""
    seed = replication_seed(settings.seed, 0, 0)
    central = {path: one.value for path, one in settings.parameters() if one.uncertain}
    tasks = [Task(-1, 0, central, seed, parts=False)]
    for path, one in settings.parameters():
        if path in PROBED and isinstance(one, Parameter) and one.low is not None and one.high is not None:
            for value in (one.low, one.high):
                tasks.append(Task(-1, 0, central | {path: value}, seed, parts=False))
    return tasks


def probe_table(measures: pd.DataFrame, probes: list[Result]) -> pd.DataFrame:
    """probes.csv: total effect on LTV at each probe; the first one is the central point."""
    rows: list[tuple[str, str, float, float, float]] = []
    for number, result in enumerate(probes):
        point, central = result.task.point, probes[0].task.point
        effects = _ltv_effects(result.measures)
        moved = [path for path in point if (number == 0 and path in PROBED) or point[path] != central[path]]
        for name, effect in effects.items():
            error = _monte_carlo_sd(measures, name)
            rows += [(name, path, float(point[path]), effect, error) for path in moved]
    frame = pd.DataFrame(rows, columns=[column.name for column in tables.PROBES])
    return frame.sort_values(["intervention", "name", "value"], kind="stable").reset_index(drop=True)


def _ltv_effects(measures: pd.DataFrame) -> dict[str, float]:
    """Effect on LTV for everybody by arm, in the arms' order."""
    ltv = measures[
        (measures["metric"] == "ltv") & (measures["segment"] == tables.EVERYBODY) & (measures["group"] == "all")
    ]
    value = dict(zip(ltv["arm"], ltv["value"], strict=True))
    return {arm: value[arm] - value[tables.BASELINE] for arm in value if arm != tables.BASELINE}


def _monte_carlo_sd(measures: pd.DataFrame, arm: str) -> float:
    """Monte Carlo standard deviation of one point's LTV effect, from the points run under two seeds; NaN without."""
    effects = {
        key: _ltv_effects(part).get(arm, np.nan) for key, part in measures.groupby(["replication", "second_seed"])
    }
    gaps = [effects[r, 0] - effects[r, 1] for r, second_seed in effects if second_seed == 1]
    return float(np.sqrt(np.mean(np.square(gaps)) / 2)) if gaps else float("nan")
