"""The search for the best values of levers, over what is not known: Optuna proposes candidates, worlds judge them.

All trials run at the same points with the same draws, so that they are compared point by point. The one that looks best
was chosen for it, partly thanks to chance at those points (the optimiser's curse: Smith and Winkler 2006). So the best
candidates and the present configuration are evaluated again on fresh replications; only that is an answer.

**Resuming.** A batch of candidates is asked for from a study in memory that holds exactly the trials before it, by a
sampler seeded with the batch's number. What is asked next is thus a function of seed and finished trials, whenever and
however often the search was interrupted. Finished trials are stored in order, each in one transaction.

    DIR/search.json           a hash of what the trials depend on: another search is refused here
    DIR/study.db              Optuna's storage: what a search goes on from
    DIR/optimise.json         what is searched, where the levers stand at present, numbers of the best trials
    DIR/trials.csv            a row per trial: status, why, levers, statistics; trial -1 is the present configuration
    DIR/fresh.csv             the same of the present configuration and the best trials, on fresh replications
    DIR/trial_points.parquet  their metrics by point of what is not known; fresh_points.parquet likewise
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from agents import draws
from agents.draws import draw
from sim.config.sampling import points
from sim.config.settings import Settings
from sim.files.disk import together, write_csv, write_text
from sim.phrases import ConfigError, Phrase
from sim.run.replication import Task, TreatedArms, replication_seed, run_task
from sim.run.writing import write_parquet
from sim.studies.levers import MAXIMISE, MINIMISE, ArmValues, Point, Search
from sim.tables import BASELINE, EVERYBODY

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial, Trial

FEASIBLE, INFEASIBLE, FAILED = "feasible", "infeasible", "failed"
PRESENT = -1
"""Number of the present configuration among trials."""

MOST_REPEATED = 12
"""Most trials of a front that are evaluated again on fresh replications."""

FIXED_COST = "company.fixed_cost_per_day"
_SAMPLER, _FRESH = 3, 4
"""Slots of the purpose DESIGN: seeds of the samplers, and of the fresh replications."""

KEY_OF_STUDY = "search"
"""Attribute of a study that holds its search's key."""

LOCK_SECONDS = 30.0
"""How long a write waits for another process to finish its own."""

KEY, STUDY, PLAN, TRIALS, FRESH = "search.json", "study.db", "optimise.json", "trials.csv", "fresh.csv"
TRIAL_POINTS, FRESH_POINTS = "trial_points.parquet", "fresh_points.parquet"

Evaluate = Callable[[Sequence[Any]], Iterator[tuple[int, ArmValues | Exception]]]
"""Evaluates candidates: yields (number of the candidate, what was found or raised) as they finish."""

Progress = Callable[[int, int, Phrase], None]


# -- one point --------------------------------------------------------------------------------------------------


class Candidate(NamedTuple):
    """Values of the levers to be evaluated: the settings, how many points of what is not known, and what the levers
    cost, yen a day of the market."""

    settings: Settings
    points: int
    cost_per_day: float


@dataclass(frozen=True)
class Evaluation:
    """Evaluates a candidate over points of what is not known: the function that a pool sends to its workers."""

    treated_arms: TreatedArms
    metrics: tuple[str, ...]

    def __call__(self, candidate: Candidate) -> ArmValues:
        """Values of the metrics in both arms. Raises ConfigError where one has no value at some point."""
        settings, points_wanted, cost = candidate
        arm = treated_arm(self.treated_arms(settings))
        found: ArmValues = {metric: [[], []] for metric in self.metrics}
        for replication, point in enumerate(points(settings, points_wanted)):
            fixed = float(point.get(FIXED_COST, settings.company.fixed_cost_per_day.value)) + cost
            seed = replication_seed(settings.seed, replication, 0)
            task = Task(replication, 0, {**point, FIXED_COST: fixed}, seed, parts=False)
            values = _everybody(run_task(settings, self.treated_arms, task).measures)
            for metric in self.metrics:
                pair = values.get((BASELINE, metric), np.nan), values.get((arm, metric), np.nan)
                if not all(map(np.isfinite, pair)):
                    raise ConfigError(
                        "{metric} has no value at point {replication}", metric=metric, replication=replication
                    )
                for kept, value in zip(found[metric], pair, strict=True):
                    kept.append(value)
        return found


def _everybody(measures: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Values by arm and metric."""
    rows = measures[(measures["segment"] == EVERYBODY) & (measures["group"] == "all")]
    return dict(zip(zip(rows["arm"], rows["metric"], strict=True), map(float, rows["value"]), strict=True))


def treated_arm(worlds: Mapping[str, Any]) -> str:
    """The arm that is optimised: the scenario, all of them together where there are several, else the baseline."""
    return list(worlds or (BASELINE,))[-1]


def candidate(search: Search, settings: Settings, point: Point) -> Candidate:
    """The candidate of these values of the levers, at the search's points; `settings` have these values."""
    cost = sum(lever.cost_per_day * point[key] for key, lever in search.levers.items())
    return Candidate(settings, search.points, cost * settings.customers)


def fresh(search: Search, one: Candidate) -> Candidate:
    """The same candidate on fresh replications: other points and another seed."""
    seed = _seed(one.settings.seed, 0, _FRESH)
    return one._replace(settings=one.settings.model_copy(update={"seed": seed}), points=search.fresh_points)


def _seed(seed: int, place: int, slot: int) -> int:
    return int(draw(seed, place, 0, draws.DESIGN, slot) * (1 << 32))


# -- the search -------------------------------------------------------------------------------------------------


class Tried(NamedTuple):
    """A finished trial; without values where it failed."""

    number: int
    point: Point
    status: str
    why: str
    values: tuple[float, ...]
    excesses: tuple[float, ...]
    found: ArmValues | None


class Storage:
    """The trials of a search and what was found for named candidates, in a folder's study.db.

    `key` is the search's: raises ConfigError for the file of another search, and for what is none at all.
    """

    def __init__(self, folder: Path, search: Search, key: str) -> None:
        import optuna
        from sqlalchemy.pool import NullPool

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._search = search
        path = folder.resolve() / STUDY
        _refuse_broken(path)
        # Connected to by hand: in an address, a path's `?`, `%` or `{}` would mean something else.
        # No connection is kept: it would hold the file open for as long as this process lives.
        opened = {"creator": lambda: sqlite3.connect(path, timeout=LOCK_SECONDS), "poolclass": NullPool}
        self.study: Study = optuna.create_study(
            storage=optuna.storages.RDBStorage("sqlite://", engine_kwargs=opened),
            study_name="cxsim", load_if_exists=True, directions=_directions(search),
        )  # fmt: skip
        known = self.study.user_attrs
        if not known and not self.study.get_trials(deepcopy=False):
            self.study.set_user_attr(KEY_OF_STUDY, key)
        elif known.get(KEY_OF_STUDY) != key:
            raise ConfigError("{file}: is of another search; remove it, or name another folder with --out", file=path)

    def trials(self) -> list[Tried]:
        """All finished trials, in order."""
        return [_tried(trial) for trial in self.study.get_trials(deepcopy=False)]

    def best(self) -> list[int]:
        """The best feasible trial, or the front of several objectives by the first of them; empty where none is."""
        feasible = {one.number for one in self.trials() if one.status == FEASIBLE}
        if not feasible:
            return []
        if len(self._search.objectives) == 1:
            return [self.study.best_trial.number]
        front = [trial for trial in self.study.best_trials if trial.number in feasible]
        unique = {tuple(trial.values): trial for trial in reversed(front)}
        return [trial.number for _, trial in sorted(unique.items(), key=lambda item: item[0])]

    def named(self, wanted: Mapping[str, Any], evaluate: Evaluate) -> dict[str, ArmValues]:
        """What was found at named candidates, each evaluated once in the life of the study. Raises what one raises."""
        missing = [name for name in wanted if name not in self.study.user_attrs]
        for place, outcome in evaluate([wanted[name] for name in missing]):
            if isinstance(outcome, Exception):
                raise outcome
            self.study.set_user_attr(missing[place], outcome)
        return {name: self.study.user_attrs[name] for name in wanted}


def _refuse_broken(path: Path) -> None:
    """Raise ConfigError for a file that SQLite finds damaged, or that holds something else than trials."""
    if not path.exists():
        return
    with closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as base:
        damage = base.execute("PRAGMA quick_check").fetchone()[0]
        tables = {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if damage != "ok" or (tables and "studies" not in tables):
        raise sqlite3.DatabaseError("no study is in it" if damage == "ok" else str(damage))


@contextmanager
def _one_line_of(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong with a storage file into a ConfigError that names it."""
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (sqlite3.Error, SQLAlchemyError, OptunaError) as error:
        told: BaseException = error
        while not isinstance(told, sqlite3.Error) and (told.__cause__ or told.__context__):
            told = told.__cause__ or told.__context__ or told
        problem = " ".join(str(told).split()) or type(told).__name__
        raise ConfigError("{file}: cannot be read or written: {problem}", file=path, problem=problem) from None


def run_search(
    search: Search, storage: Storage, seed: int, present: ArmValues, candidate_of: Callable[[Point], Any],
    evaluate: Evaluate, progress: Progress = lambda *_: None,
) -> list[Tried]:  # fmt: skip
    """Continue a search until `search.trials` trials are finished, and return all finished trials in order.

    They are more than `search.trials` where an earlier call asked for more. `candidate_of` turns values of the levers
    into what `evaluate` takes. A ConfigError of either fails its own trial only.
    """
    while (done := len(storage.trials())) < search.trials:
        progress(done, search.trials, Phrase("searching"))
        first = done - done % search.batch
        study, asked = _ask(search, storage.study.get_trials()[:first], first // search.batch, seed)
        for trial in asked[: done - first]:
            _tell_again(study, trial, storage.study.get_trials(deepcopy=False)[trial.number])
        waiting = asked[done - first : search.trials - first]
        for trial, outcome in _in_order(waiting, candidate_of, evaluate):
            _tell(search, study, trial, outcome, present)
            storage.study.add_trial(study.get_trials(deepcopy=False)[trial.number])
            progress(trial.number + 1, search.trials, Phrase("searching"))
    return storage.trials()


def _ask(search: Search, before: list[FrozenTrial], batch: int, seed: int) -> tuple[Study, list[Trial]]:
    """A study in memory that knows the trials before a batch, and the batch's trials asked of it."""
    import optuna

    sampler = _sampler(search, _seed(seed, batch, _SAMPLER))
    study = optuna.create_study(directions=_directions(search), sampler=sampler)
    study.add_trials(before)
    space = {key: lever.distribution() for key, lever in search.levers.items()}
    return study, [study.ask(space) for _ in range(search.batch)]


def _directions(search: Search) -> list[StudyDirection]:
    from optuna.study import StudyDirection

    named = {MAXIMISE: StudyDirection.MAXIMIZE, MINIMISE: StudyDirection.MINIMIZE}
    return [named[one.goal] for one in search.objectives]


def _sampler(search: Search, seed: int) -> BaseSampler:
    """One objective: tree-structured Parzen estimator (Bergstra and others 2011). Several: NSGA-II (Deb and others
    2002), a batch being a generation."""
    from optuna.samplers import NSGAIISampler, TPESampler

    if len(search.objectives) == 1:
        return TPESampler(seed=seed, n_startup_trials=2 * search.batch)
    return NSGAIISampler(seed=seed, population_size=max(search.batch, 2))


def _in_order(
    trials: Sequence[Trial], candidate_of: Callable[[Point], Any], evaluate: Evaluate
) -> Iterator[tuple[Trial, ArmValues | Exception]]:
    """Trials with what was found, in their own order, each as soon as those before it are finished."""
    outcomes: dict[int, ArmValues | Exception] = {}
    items, places = [], []
    for place, trial in enumerate(trials):
        try:
            items.append(candidate_of(trial.params))
            places.append(place)
        except ConfigError as error:
            outcomes[place] = error
    following = 0
    for number, outcome in evaluate(items):
        outcomes[places[number]] = outcome
        while following in outcomes:
            yield trials[following], outcomes[following]
            following += 1
    for place in range(following, len(trials)):
        yield trials[place], outcomes[place]


def _tell(search: Search, study: Study, trial: Trial, outcome: ArmValues | Exception, present: ArmValues) -> None:
    """Tell the study in memory what became of a trial. Raises an error that is not the candidate's own."""
    from optuna.trial import TrialState

    if isinstance(outcome, Exception):
        if not isinstance(outcome, ConfigError):
            raise outcome
        trial.set_user_attr("why", str(outcome))
        study.tell(trial, state=TrialState.FAIL)
        return
    trial.set_user_attr("found", outcome)
    for place, one in enumerate(search.constraints):
        trial.set_constraint(f"{place:03d} {one.name}", one.excess(one.value(outcome, present)))
    study.tell(trial, [one.value(outcome, present) for one in search.objectives])


def _tell_again(study: Study, trial: Trial, stored: FrozenTrial) -> None:
    """Tell what was told before the interruption."""
    from optuna.trial import TrialState

    for name, value in stored.user_attrs.items():
        trial.set_user_attr(name, value)
    for name, value in stored.constraints.items():
        trial.set_constraint(name, value)
    failed = stored.state == TrialState.FAIL
    study.tell(trial, None if failed else stored.values, state=stored.state if failed else None)


def _tried(trial: FrozenTrial) -> Tried:
    values, excesses = tuple(trial.values or ()), tuple(value for _, value in sorted(trial.constraints.items()))
    return Tried(
        trial.number, dict(trial.params), _status(values, excesses), trial.user_attrs.get("why", ""), values, excesses,
        trial.user_attrs.get("found"),
    )  # fmt: skip


def _status(values: Sequence[float], excesses: Sequence[float]) -> str:
    if not values:
        return FAILED
    return INFEASIBLE if any(excess > 0 for excess in excesses) else FEASIBLE


# -- the folder -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """One search: its file, the present values of the levers, its seed, and what turns such values into a candidate.

    `again` turns them into one on fresh replications. Candidates are whatever `Evaluate` takes.
    """

    search: Search
    present: Point
    seed: int
    candidate_of: Callable[[Point], Any]
    again: Callable[[Any], Any]

    def into(self, folder: Path, about: Mapping[str, Any], evaluate: Evaluate, progress: Progress) -> None:
        """Go on with the search to its end, evaluate the best again, and write the folder's tables.

        `about` is written into optimise.json beside what is searched.
        """
        with _one_line_of(folder / STUDY):
            self._into(folder, about, evaluate, progress)

    def _into(self, folder: Path, about: Mapping[str, Any], evaluate: Evaluate, progress: Progress) -> None:
        storage = Storage(folder, self.search, str(about.get("key", "")))
        now = self.candidate_of(self.present)
        present = storage.named({"present": now}, evaluate)["present"]
        tried = run_search(self.search, storage, self.seed, present, self.candidate_of, evaluate, progress)
        best = storage.best()
        chosen = {number: tried[number].point for number in repeated(best)}
        wanted = {PRESENT: now} | {number: self.candidate_of(point) for number, point in chosen.items()}
        found = storage.named({f"fresh {number}": self.again(one) for number, one in wanted.items()}, evaluate)
        anew = [
            self._judged(number, chosen.get(number, self.present), found[f"fresh {number}"], found[f"fresh {PRESENT}"])
            for number in wanted
        ]
        tried = [self._judged(PRESENT, self.present, present, present), *tried]
        told = {**about, "search": self.search.model_dump(mode="json"), "present": dict(self.present), "best": best}
        with together(folder):
            write(folder, TRIALS, trials_table(self.search, tried, present))
            write(folder, FRESH, trials_table(self.search, anew, found[f"fresh {PRESENT}"]))
            write(folder, TRIAL_POINTS, points_table(tried))
            write(folder, FRESH_POINTS, points_table(anew))
            write_text(folder / PLAN, json.dumps(told, indent=1, ensure_ascii=False) + "\n")

    def _judged(self, number: int, point: Point, found: ArmValues, present: ArmValues) -> Tried:
        """A candidate evaluated outside the search, as if it were a trial."""
        excesses = tuple(one.excess(one.value(found, present)) for one in self.search.constraints)
        values = tuple(one.value(found, present) for one in self.search.objectives)
        return Tried(number, point, _status(values, excesses), "", values, excesses, found)


def repeated(best: Sequence[int]) -> list[int]:
    """Trials of a front that are evaluated again: all, or so many spread over it with both ends."""
    if len(best) <= MOST_REPEATED:
        return list(best)
    return [best[round(place)] for place in np.linspace(0, len(best) - 1, MOST_REPEATED)]


def trials_table(search: Search, tried: Sequence[Tried], present: ArmValues) -> pd.DataFrame:
    """A row per trial: number, status, why, the levers' values, and every statistic by its name."""
    rows = []
    for one in tried:
        row: dict[str, Any] = {"trial": one.number, "status": one.status, "why": one.why, **one.point}
        if one.found is not None:
            row |= {name: statistic.value(one.found, present) for name, statistic in search.statistics.items()}
        rows.append(row)
    return pd.DataFrame(rows, columns=["trial", "status", "why", *search.levers, *search.statistics])


def points_table(tried: Sequence[Tried]) -> pd.DataFrame:
    """A row per trial, metric and replication: trial, metric, replication, baseline, scenario."""
    rows = [
        (one.number, metric, replication, *pair)
        for one in tried
        for metric, arms in (one.found or {}).items()
        for replication, pair in enumerate(zip(*arms, strict=True))
    ]
    table = pd.DataFrame(rows, columns=["trial", "metric", "replication", "baseline", "scenario"])
    return table.astype({"trial": "int32", "replication": "int32"})


def write(folder: Path, name: str, table: pd.DataFrame) -> None:
    """A table as CSV or Parquet; its bytes depend on the values alone."""
    if name.endswith(".csv"):
        write_csv(folder / name, table)
    else:
        write_parquet(folder, name, table)
