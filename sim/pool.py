"""Replications side by side: one process each, or none at all for a single one.

Processes rather than threads: a world's day is half compiled code and half the company's Python, and the latter
would queue for one interpreter. Each worker has a pipe of its own and no queue or helper thread stands between, so
that a worker that dies is noticed at once and calling everything off is a signal.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from sim.parameters import ConfigError
from sim.replication import Result, Task, WorldsOf, run_task
from sim.settings import Settings

Progress = Callable[[int, int, str], None]


def _work(settings: Settings, worlds: WorldsOf, pipe: Connection) -> None:
    """A worker: run what comes down the pipe until it closes; Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            answer: Result | Exception = run_task(settings, worlds, task, settings.engine)
        except Exception as error:  # told to the parent, which raises it
            answer = error
        pipe.send(answer)


class Pool:
    """Runs tasks; results come back in the tasks' order. Leaving it ends the workers, whatever they are at."""

    def __init__(self, settings: Settings, worlds: WorldsOf, workers: int, progress: Progress) -> None:
        self._settings, self._worlds, self._progress = settings, worlds, progress
        self._done, self._known = 0, 0
        self._wanted = workers if workers > 1 else 0
        self._workers: dict[Connection, BaseProcess] = {}

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._workers.values():
            process.terminate()
        for process in self._workers.values():
            process.join()

    def run(self, tasks: list[Task]) -> list[Result]:
        """Run tasks. An error in one calls the others off and is raised."""
        self._known += len(tasks)
        self._tell()
        if not self._wanted:
            return [self._here(task) for task in tasks]
        self._hire(min(self._wanted, len(tasks)))
        waiting = list(enumerate(tasks))[::-1]
        busy: dict[Connection, int] = {}
        results: dict[int, Result] = {}
        while waiting or busy:
            for pipe in self._workers:
                if waiting and pipe not in busy:
                    number, task = waiting.pop()
                    pipe.send(task)
                    busy[pipe] = number
            ready = set(wait(list(busy), timeout=1.0))
            for pipe in [pipe for pipe in busy if pipe in ready]:
                results[busy.pop(pipe)] = _received(pipe)
                self._done += 1
            self._tell()
        return [results[number] for number in range(len(tasks))]

    def _hire(self, workers: int) -> None:
        """Start workers until there are so many. Spawned, since a forked copy of threads that compute can hang."""
        context = multiprocessing.get_context("spawn")
        while len(self._workers) < workers:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(self._settings, self._worlds, theirs), daemon=True)
            process.start()
            theirs.close()
            self._workers[ours] = process

    def _here(self, task: Task) -> Result:
        result = run_task(self._settings, self._worlds, task, self._settings.engine)
        self._done += 1
        self._tell()
        return result

    def _tell(self) -> None:
        self._progress(self._done, self._known, "simulating")


def _received(pipe: Connection) -> Result:
    """A worker's answer; what it raised is raised here, and a worker that was killed is told in words."""
    try:
        answer = pipe.recv()
    except (EOFError, OSError):
        raise ConfigError(
            "threads: a worker process was killed, most likely for want of memory; take fewer threads or customers"
        ) from None
    if isinstance(answer, Exception):
        raise answer
    return answer  # type: ignore[no-any-return]
