"""Replications side by side: one process each, or none at all for a single one.

Processes rather than threads: a world's day is half compiled code and half the company's Python, and the latter
would queue for one interpreter. Workers leave Ctrl-C to the parent and look up every few simulated days.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event

from sim.parameters import ConfigError
from sim.replication import Result, Task, WorldsOf, run_task
from sim.settings import Settings

Progress = Callable[[int, int, str], None]

_stop: Event | None = None


def _start_worker(stop: Event) -> None:
    """Leave Ctrl-C to the parent, which sets `stop`."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _called_off() -> bool:
    return _stop is not None and _stop.is_set()


def _work(settings: Settings, worlds: WorldsOf, task: Task) -> Result:
    return run_task(settings, worlds, task, settings.engine, _called_off)


class Pool:
    """Runs tasks; results come back in the tasks' order. Leaving it calls everything off that still runs."""

    def __init__(self, settings: Settings, worlds: WorldsOf, workers: int, progress: Progress) -> None:
        self._settings, self._worlds, self._progress = settings, worlds, progress
        self._done, self._known = 0, 0
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._executor = (
            ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(self._stop,))
            if workers > 1
            else None
        )

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def run(self, tasks: list[Task]) -> list[Result]:
        """Run tasks. An error in one calls the others off and is raised."""
        self._known += len(tasks)
        self._tell()
        if self._executor is None:
            return [self._here(task) for task in tasks]
        futures = [self._executor.submit(_work, self._settings, self._worlds, task) for task in tasks]
        waiting: set[Future[Result]] = set(futures)
        while waiting:
            finished, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in finished:
                _raise_lost(future)
                self._done += 1
            self._tell()
        return [future.result() for future in futures]

    def _here(self, task: Task) -> Result:
        result = _work(self._settings, self._worlds, task)
        self._done += 1
        self._tell()
        return result

    def _tell(self) -> None:
        self._progress(self._done, self._known, "simulating")


def _raise_lost(future: Future[Result]) -> None:
    """Raise what a task raised; a worker that was killed is told in words."""
    try:
        future.result()
    except BrokenProcessPool:
        raise ConfigError(
            "threads: a worker process was killed, most likely for want of memory; take fewer threads or customers"
        ) from None
