"""`cxsim run -m`: many runs in one folder, side by side, and on with them after whatever died in between."""

from __future__ import annotations

import hashlib
import itertools
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.style.language import N_, _, translated, use
from analysis.style.lines import padded
from cxsim.cli.terminal import INTERRUPTED, MOVED, OK, say, shown
from cxsim.compose import (
    JobComposer,
    as_overrides,
    compose,
    given_by_hand,
    hydras_errors_in_words,
    plain,
    processors,
    split_sweep,
)
from sim.phrases import ConfigError, Phrase

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra

    from sim.config.settings import Settings
    from sim.studies.sweep import Ending, Job, JobWork

POLL = 0.5
"""Seconds between looks at a job that another sweep is at."""

BYTES_A_WORKER, BYTES_A_CUSTOMER = 400e6, 1000.0
"""Memory of a worker that has everything imported; of a market at its midnight, baseline, treated arm and records."""

SHARE_OF_MEMORY = 0.8
"""Of what is available when a sweep starts."""

LOST = {
    "failed": N_("job {key} failed: {problem}"),
    "died": N_("job {key} died: {problem}"),
    "missing": N_("job {key} missing: {problem}"),
}
"""Lines on jobs that are not done, by how they ended."""


def sweep(hydra: Hydra, overrides: list[str], name: str) -> int:
    """Many runs, each into a folder of its own below the sweep's. One that fails does not stop the others.

    Exit status 0, or 1 where a job failed, its worker died, or it was not run.
    """
    from hydra.core.hydra_config import HydraConfig

    config = compose(hydra, overrides, name, multirun=True)
    HydraConfig.instance().set_config(config)
    use(str(config.language))
    task = Sweep(hydra, overrides, name, config)
    place = f"hydra.sweep.dir='{task.folder}'"
    kept = [one for one in overrides if not one.startswith("hydra.sweep.dir=")]
    try:
        with hydras_errors_in_words(hydra):
            hydra.multirun(name, task, [*kept, place], with_log_configuration=False)
    except KeyboardInterrupt:
        task.close()
        say(Phrase("interrupted; the same command goes on with what is missing in {folder}", folder=shown(task.folder)))
        return INTERRUPTED
    return task.close()


class Sweep:
    """What one sweep is to run, and how its jobs end. Hydra's task function: called, it runs one job here."""

    def __init__(self, hydra: Hydra, overrides: list[str], name: str, config: Any) -> None:
        from cxsim.progress import Progress

        self._file = plain(config.sweep) if "sweep" in config and config.sweep is not None else {}
        self._composer = JobComposer(hydra, name, list(plain(config.hydra.overrides.hydra)))
        task = list(plain(config.hydra.overrides.task))
        self.folder = _folder(Path(str(config.hydra.sweep.dir)), overrides, task)
        self._jobs: dict[tuple[str, ...], Job] = {}
        self._endings: dict[str, Ending] = {}
        self._known: list[str] = []
        self._to_do = 0
        self._progress = Progress(sys.stderr, translated)

    # -- what is to be done

    def missing(self, arguments: list[str]) -> list[list[str]]:
        """Overrides of the jobs that are not done yet; the plan is written. Raises ConfigError if none can be run."""
        from scenarios.intervention import worlds_of
        from sim.studies.sweep import FAILED, Ending, Job, Planned, job_folder, job_key, plan, refused_key

        planned: list[Planned] = []
        refusals: dict[str, ConfigError] = {}
        for overrides, swept in self._points(arguments):
            try:
                settings = self._composer.settings(overrides)
                worlds_of(settings)  # here already, so that a bad intervention is told before any work
            except ConfigError as error:
                key = refused_key(overrides)
                refusals[key] = error
            else:
                key = job_key(settings)
                self._jobs[tuple(overrides)] = Job(key, settings, _label(swept))
            planned.append(Planned(key, tuple(overrides), swept))
        if not self._jobs:
            *others, last = refusals.values()
            for refusal in others:
                say(refusal)
            raise last
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
        given, axes = split_sweep(arguments)
        given.pop("sweep", None)
        fixed = as_overrides(held) | given
        points = design_.points(self._file, self._composer.settings(list(fixed.values())))
        for point in points[:1]:
            _refuse_twice(point, [*given, *axes])
        for values in itertools.product(*axes.values()):
            chosen = dict(zip(axes, values, strict=True))
            for point in points:
                parts = fixed | {key: line for key, (line, _value) in chosen.items()} | as_overrides(point)
                yield list(parts.values()), {key: value for key, (_line, value) in chosen.items()} | point

    # -- doing it

    def __call__(self, config: Any) -> Ending:
        """One job here, as Hydra's basic launcher calls it."""
        from hydra.core.hydra_config import HydraConfig

        return self._until_free([self._jobs[tuple(HydraConfig.get().overrides.task)]], 1)[0]

    def side_by_side(self, job_overrides: Sequence[Sequence[str]]) -> list[Ending]:
        """Jobs in processes of their own, as many as processors and memory allow; endings in the jobs' order."""
        jobs = [self._jobs[tuple(overrides)] for overrides in job_overrides]
        return self._until_free(jobs, max(2, processors()))

    def _until_free(self, jobs: list[Job], workers: int) -> list[Ending]:
        """Run jobs; those that another sweep is at are asked for again until it is done or gives up."""
        from sim.run.workers import Pool
        from sim.studies.sweep import BUSY

        budget = SHARE_OF_MEMORY * _available_memory()
        with Pool(self._work(), workers, memory=lambda job: _memory(job.settings), budget=budget) as pool:
            waiting = jobs
            while waiting:
                busy = []
                for number, outcome in pool.outcomes(waiting):
                    job, ending = waiting[number], _ending(outcome)
                    if ending.status == BUSY:
                        busy.append(job)
                        continue
                    self._endings[job.key] = ending
                    self._tell(job.label, ending)
                waiting = busy
                if waiting:
                    time.sleep(POLL)
        return [self._endings[job.key] for job in jobs]

    def _work(self) -> JobWork:
        from analysis.effects import answer
        from scenarios.intervention import worlds_of
        from sim.studies.sweep import JobWork

        return JobWork(self.folder, worlds_of, _enough, answer.write_and_tell)

    # -- telling

    def _tell(self, label: str, ending: Ending) -> None:
        """A line of the table of finished jobs, and how far the sweep is."""
        from analysis.style import words

        self._progress.close()
        done, total = len(self._endings), self._to_do
        status, line = padded(words.status(ending.status), 6), translated(ending.line)
        print(f"{done:>{len(str(total))}}/{total}  {status}  {label}  {line}".rstrip(), flush=True)
        self._progress(done, total, Phrase("sweeping"))

    def close(self) -> int:
        """Write the tables; say what is not done and where everything is."""
        from analysis.folders.sweep_folder import collect
        from sim.studies.sweep import DONE, clear_remains, write_table

        self._progress.close()
        if not self._known:
            return OK
        clear_remains(self.folder)
        endings = write_table(self.folder, self._endings)
        collect(self.folder)
        mine = {key: ending for key, ending in endings.items() if key in set(self._known)}
        lost = {key: ending for key, ending in mine.items() if ending.status != DONE}
        for key, ending in lost.items():
            say(Phrase(LOST[ending.status], key=key, problem=ending.line))
        told, place = _("{done} of {total} jobs done; cxsim sweep-report {folder} shows them"), shown(self.folder)
        print(told.format(done=len(mine) - len(lost), total=len(mine), folder=place))
        print(place)
        return MOVED if lost else OK


def _label(swept: Mapping[str, Any]) -> str:
    from sim.studies.sweep import written

    return " ".join(f"{key}={written(value)}" for key, value in swept.items())


def _enough(settings: Settings) -> Any:
    from analysis.effects import answer

    return partial(answer.precise_enough, precision=settings.precision)


def _ending(outcome: Ending | Exception) -> Ending:
    """How a job ended, whatever it raised: an error costs that job alone."""
    from sim.run.workers import WorkerDied
    from sim.studies.sweep import DIED, FAILED, Ending

    if isinstance(outcome, Ending):
        return outcome
    if isinstance(outcome, WorkerDied):
        return Ending(DIED, outcome)
    if isinstance(outcome, ConfigError):
        return Ending(FAILED, outcome)
    return Ending(FAILED, Phrase("{problem}", problem=" ".join(f"{type(outcome).__name__}: {outcome}".split())))


# -- points and places --------------------------------------------------------------------------------------


def _refuse_twice(point: dict[str, Any], given: list[str]) -> None:
    """A key is swept by the file or given by hand, not both: which one would stand is nobody's guess."""
    for key in point:
        if key in given:
            raise ConfigError("{key}: is swept by the sweep file and given by hand; leave it to one of them", key=key)


def _folder(wanted: Path, overrides: list[str], task: list[str]) -> Path:
    """The sweep's folder: as named by hand, else below `wanted` by a name that the same command gives again."""
    if given_by_hand(overrides, "hydra.sweep.dir"):
        return wanted.resolve()
    digest = hashlib.sha256("\n".join(sorted(task)).encode()).hexdigest()[:8]
    fixed, axes = split_sweep(task)
    words = [fixed["sweep"].partition("=")[2]] if "sweep" in fixed else []
    words += [key.rpartition(".")[2] for key in axes]
    name = re.sub(r"[^\w+-]", "", "+".join(words)) or "sweep"
    return (wanted / f"{name}-{digest}").resolve()


# -- memory ---------------------------------------------------------------------------------------------------


def _memory(settings: Settings) -> float:
    """Bytes a worker is expected to take for a job."""
    return BYTES_A_WORKER + BYTES_A_CUSTOMER * settings.customers


def _available_memory() -> float:
    """Bytes that can be had without swapping; no limit where the system does not tell."""
    meminfo = Path("/proc/meminfo")
    lines = meminfo.read_text().splitlines() if meminfo.exists() else []
    kibibytes = [float(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return 1024.0 * kibibytes[0] if kibibytes else float("inf")
