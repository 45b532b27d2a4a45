"""`cxsim.sweep`: many runs in one folder, side by side; calling it again runs only what is missing.

`cxsim run -m` calls what a script or a notebook calls.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.style.language import told_in
from cxsim.compose import (
    CONFIG_NAME,
    JobComposer,
    as_given,
    as_overrides,
    compose,
    composer,
    given_by_hand,
    hydras_errors_in_words,
    nothing_composed,
    plain,
    processors,
    require_few,
    shown,
    split_sweep,
    words_of,
)
from cxsim.foreign import of_the_system
from cxsim.progress import progress_here
from cxsim.runs import Interrupted, PathLike, Run, one_line_errors
from sim.phrases import ConfigError, Phrase

if TYPE_CHECKING:
    import pandas as pd
    from hydra._internal.hydra import Hydra

    from analysis.folders.sweep_folder import Job as LostJob
    from cxsim.progress import Progress
    from sim.config.settings import Settings
    from sim.studies.sweep import Ending, Job, JobWork

Told = Callable[[int, int, str, "Ending"], None]
"""Called as a job ends: jobs that have ended, jobs in all, the job's swept values, how it ended."""

POLL = 0.5
"""Seconds between looks at a job that another sweep is running."""

BYTES_A_WORKER, BYTES_A_CUSTOMER = 400e6, 1000.0
"""Memory of a worker with everything imported; and per customer, of snapshot, baseline, treated arm and records."""

SHARE_OF_MEMORY = 0.8
"""Share of the memory available at the start that a sweep may use."""


class NoRunPossible(ConfigError):
    """None of a sweep's runs can be made: says why of the first; `refusals` holds why of each."""

    def __init__(self, refusals: Sequence[ConfigError]) -> None:
        super().__init__(refusals[0].message, **refusals[0].values)
        self.refusals = refusals


def sweep(
    *words: str,
    folder: PathLike | None = None,
    config_dir: PathLike | None = None,
    config_name: str = CONFIG_NAME,
    **keys: Any,
) -> Sweep:
    """Make a run for every combination of values, as `cxsim run -m` does, and return the sweep.

    `words` are the command line's: `"company.margin=.2,.3"` lists values, `"sweep=uncertainty"` names a sweep file.
    `keys` are keywords as in `cxsim.run`, and hold for all runs. `folder` is the sweep's; without it, one below
    `sweeps` whose name depends on the call, so that the same call goes on in it. One run that fails does not stop
    the others: `Sweep.jobs` says why.

    Raises ConfigError, of one line, where nothing can be run; Interrupted for a KeyboardInterrupt.
    """
    return swept(words_of(words, keys), folder, config_dir, config_name)


def swept(
    overrides: list[str],
    folder: PathLike | None = None,
    config_dir: PathLike | None = None,
    name: str = CONFIG_NAME,
    told: Told = lambda *_: None,
) -> Sweep:
    """Make the runs that overrides ask for; `told` is called as each job ends."""
    with one_line_errors(), composer(config_dir) as hydra:
        from hydra.core.hydra_config import HydraConfig

        config = compose(hydra, overrides, name, multirun=True)
        HydraConfig.instance().set_config(config)
        with told_in(str(config.language)), progress_here() as progress:
            return _Jobs(hydra, overrides, name, config, folder, told, progress).done()


class _Jobs:
    """The jobs of one sweep and how they ended. It is Hydra's task function: a call runs one job."""

    def __init__(
        self,
        hydra: Hydra,
        overrides: list[str],
        name: str,
        config: Any,
        folder: PathLike | None,
        told: Told,
        progress: Progress,
    ) -> None:
        from cxsim.admitted import as_path

        self._hydra, self._name = hydra, name
        self._file = plain(config.sweep) if "sweep" in config and config.sweep is not None else {}
        self._composer = JobComposer(hydra, name, as_given(config.hydra.overrides.hydra))
        task = as_given(config.hydra.overrides.task)
        self.folder = _folder(hydra, config, overrides, task) if folder is None else Path(folder)
        self._overrides = [as_path(word) for word in overrides if not word.startswith("hydra.sweep.dir=")]
        self._jobs: dict[tuple[str, ...], Job] = {}
        self._endings: dict[str, Ending] = {}
        self._known: list[str] = []
        self._to_do = 0
        self._told, self._progress = told, progress

    def done(self) -> Sweep:
        """Run what is missing, and write the tables."""
        from cxsim.admitted import literal

        place = f"hydra.sweep.dir={literal(str(self.folder.absolute()))}"
        try:
            with hydras_errors_in_words(self._hydra):
                self._hydra.multirun(self._name, self, [*self._overrides, place], with_log_configuration=False)
        except KeyboardInterrupt:
            self._close()
            raise Interrupted(self.folder) from None
        self._close()
        return Sweep(self.folder, self._known)

    # -- what is to be done

    def missing(self, arguments: list[str]) -> list[list[str]]:
        """Write the plan and return the overrides of the jobs not done yet. Raises ConfigError if no job can run."""
        from scenarios.intervention import treated_arms
        from sim.studies.sweep import FAILED, Ending, Job, Planned, job_folder, job_key, plan, refused_key

        planned: list[Planned] = []
        refusals: dict[str, ConfigError] = {}
        for overrides, swept in self._points(arguments):
            try:
                settings = self._composer.settings(overrides)
                treated_arms(settings)  # here already, so that a bad intervention is told before any work
            except ConfigError as error:
                key = refused_key(overrides)
                refusals[key] = error
            else:
                key = job_key(settings)
                self._jobs[tuple(overrides)] = Job(key, settings, _label(swept))
            planned.append(Planned(key, tuple(overrides), swept))
        if not self._jobs:
            raise NoRunPossible(list(refusals.values()))
        self._endings |= {key: Ending(FAILED, refusal) for key, refusal in refusals.items()}
        plan(self.folder, planned)
        self._known = list(dict.fromkeys(one.key for one in planned))
        wanted = {job.key: list(overrides) for overrides, job in self._jobs.items()}
        missing = [overrides for key, overrides in wanted.items() if not job_folder(self.folder, key).is_dir()]
        self._to_do = len(missing) + len(self._endings)
        for one in planned:
            if one.key in self._endings:
                self._tell(_label(one.swept), self._endings[one.key])
        return missing

    def _points(self, arguments: list[str]) -> Iterator[tuple[list[str], dict[str, Any]]]:
        """(overrides, swept values) of every job: what the command line lists times what the sweep file lists."""
        from sim.studies import sweep as design_

        held = design_.held(self._file)
        given, axes = split_sweep(arguments, self._hydra)
        given.pop("sweep", None)
        fixed = as_overrides(held) | given
        points = design_.points(self._file, self._composer.settings(list(fixed.values())))
        for point in points[:1]:
            _refuse_twice(point, [*given, *axes])
        require_few(len(points) * math.prod(map(len, axes.values())))
        for values in itertools.product(*axes.values()):
            chosen = dict(zip(axes, values, strict=True))
            for point in points:
                parts = fixed | {key: line for key, (line, _value) in chosen.items()} | as_overrides(point)
                yield list(parts.values()), {key: value for key, (_line, value) in chosen.items()} | point

    # -- doing it

    def __call__(self, config: Any) -> Ending:
        """Run one job in this process, as Hydra's basic launcher calls it."""
        from hydra.core.hydra_config import HydraConfig

        return self._until_free([self._jobs[tuple(as_given(HydraConfig.get().overrides.task))]], 1)[0]

    def side_by_side(self, job_overrides: Sequence[Sequence[str]]) -> list[Ending]:
        """Jobs in processes of their own, as many as processors and memory allow; endings in the jobs' order."""
        jobs = [self._jobs[tuple(overrides)] for overrides in job_overrides]
        return self._until_free(jobs, max(2, processors()))

    def _until_free(self, jobs: list[Job], workers: int) -> list[Ending]:
        """Run jobs; those that another sweep is running are tried again until they are done or free."""
        from sim.run.workers import Pool
        from sim.studies.sweep import BUSY

        budget = SHARE_OF_MEMORY * _available_memory()
        workforce = Pool(self._work(), workers, memory=lambda job: _memory(job.settings), budget=budget)
        with nothing_composed(), workforce as pool:
            waiting = jobs
            while waiting:
                busy = []
                for number, outcome in pool.outcomes(waiting):
                    job = waiting[number]
                    ending = self._there(job, _ending(outcome))
                    if ending.status == BUSY:
                        busy.append(job)
                        continue
                    self._endings[job.key] = ending
                    self._tell(job.label, ending)
                waiting = busy
                if waiting:
                    time.sleep(POLL)
        return [self._endings[job.key] for job in jobs]

    def _there(self, job: Job, ending: Ending) -> Ending:
        """How a job ended, seen from here: one that is done on a machine without our folder is not done."""
        from sim.studies.sweep import DONE, FAILED, Ending, job_folder

        if ending.status != DONE or job_folder(self.folder, job.key).is_dir():
            return ending
        return Ending(FAILED, Phrase(
            "{folder}: is not shared with the machine that did this job; a sweep on a cluster needs a shared folder",
            folder=shown(self.folder),
        ))  # fmt: skip

    def _work(self) -> JobWork:
        from analysis.effects import answer
        from scenarios.intervention import treated_arms
        from sim.studies.sweep import JobWork

        return JobWork(self.folder, treated_arms, answer.stable, answer.write_and_tell)

    # -- telling

    def _tell(self, label: str, ending: Ending) -> None:
        """Report that a job has ended, and how far the sweep is."""
        self._progress.close()
        done, total = len(self._endings), self._to_do
        self._told(done, total, label, ending)
        self._progress(done, total, Phrase("sweeping"))

    def _close(self) -> None:
        """Write the tables of what is done."""
        from analysis.folders.sweep_folder import collect
        from sim.files.disk import remove_dead_drafts
        from sim.files.signals import uninterrupted
        from sim.studies.sweep import JOBS, write_table

        if self._known:
            with uninterrupted():
                remove_dead_drafts(self.folder / JOBS)
                write_table(self.folder, self._endings)
                collect(self.folder)


class Sweep:
    """A sweep's folder. Tables are read when they are first asked for and kept.

    What a call of `cxsim.sweep` returns holds the runs that the call asked for, what `cxsim.load` returns all runs of
    the folder.
    """

    def __init__(self, folder: PathLike, keys: Sequence[str] | None = None) -> None:
        self.folder = Path(folder)
        """Path of the sweep's folder."""
        self._keys = keys

    @cached_property
    def table(self) -> pd.DataFrame:
        """sweep.parquet: effects.csv of every finished run, with the run's key and a column per swept key before."""
        from analysis.folders.run_folder import read_table

        with one_line_errors():
            return self._of_keys(read_table(self.folder / "sweep.parquet"), "job")

    @cached_property
    def jobs(self) -> pd.DataFrame:
        """jobs.csv: a row per run with its key, how it ended (`done`, `failed`, `died`, `missing`), why, its values."""
        from analysis.folders.run_folder import read_table

        with one_line_errors():
            rows = read_table(self.folder / "jobs.csv", keep_default_na=False)
            return self._of_keys(rows.drop_duplicates("key", keep="last", ignore_index=True), "key")

    @property
    def lost(self) -> list[LostJob]:
        """The runs that are not done, each with how it ended and why."""
        from analysis.folders.sweep_folder import Sweep as SweepFolder

        keys = set(self.jobs["key"])
        return [job for job in SweepFolder(self.folder).jobs if not job.done and job.key in keys]

    @cached_property
    def runs(self) -> dict[str, Run]:
        """The finished runs by key, in the order of `jobs`."""
        from sim.studies.sweep import DONE, job_folder

        done = self.jobs[self.jobs["status"] == DONE]
        return {key: Run(job_folder(self.folder, key)) for key in done["key"]}

    def _of_keys(self, rows: pd.DataFrame, column: str) -> pd.DataFrame:
        return rows if self._keys is None else rows[rows[column].isin(self._keys)].reset_index(drop=True)

    def __repr__(self) -> str:
        return f"cxsim.load({shown(self.folder)!r})"

    def _repr_html_(self) -> str:
        """The jobs as a notebook shows them, and where the folder is."""
        from html import escape

        return f"{self.jobs.to_html(index=False)}<p><code>{escape(shown(self.folder))}</code></p>"


def load(folder: PathLike) -> Run | Sweep:
    """A run folder, or a sweep's folder, as `cxsim.run` and `cxsim.sweep` return it. Raises ConfigError for others."""
    from analysis.folders.sweep_folder import PLAN

    if (Path(folder) / PLAN).is_file():
        return Sweep(folder)
    run = Run(folder)
    run.config  # noqa: B018  # which says so where this is none
    return run


def _label(swept: Mapping[str, Any]) -> str:
    from sim.studies.sweep import written

    return " ".join(f"{key}={written(value)}" for key, value in swept.items())


def _ending(outcome: Ending | Exception) -> Ending:
    """How a job ended, or the error that it raised as a failed ending: no other job suffers."""
    from sim.run.workers import WorkerDied
    from sim.studies.sweep import DIED, FAILED, Ending

    if isinstance(outcome, Ending):
        return outcome
    if isinstance(outcome, WorkerDied):
        return Ending(DIED, outcome)
    if isinstance(outcome, ConfigError):
        return Ending(FAILED, outcome)
    if isinstance(outcome, OSError):
        return Ending(FAILED, of_the_system(outcome))
    problem = " ".join(str(outcome).split())
    return Ending(FAILED, Phrase("{kind}: {problem}", kind=type(outcome).__name__, problem=problem))


# -- points and places --------------------------------------------------------------------------------------


def _refuse_twice(point: dict[str, Any], given: list[str]) -> None:
    """Raise ConfigError for a key that both the sweep file and the command line give."""
    for key in point:
        if key in given:
            raise ConfigError("{key}: is swept by the sweep file and given by hand; leave it to one of them", key=key)


def _folder(hydra: Hydra, config: Any, overrides: list[str], task: list[str]) -> Path:
    """The sweep's folder: as named by hand, else below the configuration's, by a hash of what was asked."""
    with hydras_errors_in_words(hydra):
        wanted = Path(str(config.hydra.sweep.dir))
    if given_by_hand(overrides, "hydra.sweep.dir"):
        return wanted.resolve()
    digest = hashlib.sha256("\n".join(sorted(task)).encode()).hexdigest()[:8]
    fixed, axes = split_sweep(task, hydra)
    words = [fixed["sweep"].partition("=")[2]] if "sweep" in fixed else []
    words += [key.rpartition(".")[2] for key in axes]
    name = re.sub(r"[^\w+-]", "", "+".join(words)) or "sweep"
    return (wanted / f"{name}-{digest}").resolve()


# -- memory ---------------------------------------------------------------------------------------------------


def _memory(settings: Settings) -> float:
    """Bytes that a worker is expected to need for a job of these settings."""
    return BYTES_A_WORKER + BYTES_A_CUSTOMER * settings.customers


def _available_memory() -> float:
    """Bytes that are available without swapping; infinite where the system does not say."""
    meminfo = Path("/proc/meminfo")
    lines = meminfo.read_text().splitlines() if meminfo.exists() else []
    kibibytes = [float(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return 1024.0 * kibibytes[0] if kibibytes else float("inf")
