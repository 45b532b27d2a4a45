"""Work side by side, one process each: the only part that knows how work is sent, here or to a cluster.

Processes rather than threads: a world's day is half compiled code and half the company's Python, and the latter
would queue for one interpreter. Each worker has a pipe of its own and no queue stands between, so that a worker that
dies is noticed at once, costs the one item it was at, and is replaced. A worker whose parent is gone ends by itself,
whatever it is at.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from sim.files.signals import deaf_children, uninterrupted
from sim.phrases import ConfigError, Phrase
from sim.run import cluster

Item = TypeVar("Item")
Answer = TypeVar("Answer")

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Environment variables that keep libraries to one thread: the other processors are the other workers'."""


UNGUARDED = 78
"""Exit status of a worker that while starting tried to start workers: the script has no `__main__` guard."""


class WorkerDied(Phrase, Exception):
    """A worker process was killed, most likely for want of memory."""

    def __init__(self) -> None:
        super().__init__("a worker process was killed, most likely for want of memory")


class Pool(Generic[Item, Answer]):
    """Calls one function on many items in worker processes, which end when the `with` block is left.

    `work` must be importable (it is sent to the workers); with one worker it is called here. `memory(item)` is what
    an item is expected to take and `budget` what all at work may take together, both in bytes: an item waits while
    it does not fit beside the others, though never while nothing is at work.
    """

    def __init__(
        self,
        work: Callable[[Item], Answer],
        workers: int,
        memory: Callable[[Item], float] = lambda _: 0.0,
        budget: float = float("inf"),
    ) -> None:
        process = multiprocessing.current_process()
        if getattr(process, "_inheriting", False):
            raise SystemExit(UNGUARDED)  # a worker that starts reads the main script again, which came here again
        self._work = work
        self._wanted = workers if workers > 1 and not process.daemon else 0  # a daemon may have no children
        self._memory, self._budget = memory, budget
        self._workers: dict[Connection, BaseProcess] = {}

    def __enter__(self) -> Pool[Item, Answer]:
        return self

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            for process in self._workers.values():
                process.kill()
            for process in self._workers.values():
                process.join()
            self._workers.clear()

    def outcomes(self, items: Sequence[Item]) -> Iterator[tuple[int, Answer | Exception]]:
        """(number of an item, its answer or what it raised), as they finish; a killed worker counts as raising."""
        address = cluster.chosen()
        if address is not None:
            yield from cluster.outcomes(address, partial(_called, self._work), items, WorkerDied)
            return
        if not self._wanted:
            yield from ((number, _called(self._work, item)) for number, item in enumerate(items))
            return
        waiting = list(enumerate(items))
        busy: dict[Connection, tuple[int, float]] = {}
        while waiting or busy:
            self._hire(min(self._wanted, len(waiting) + len(busy)))
            for pipe in [pipe for pipe in self._workers if pipe not in busy]:
                if waiting and self._fits(waiting[0][1], busy):
                    number, item = waiting.pop(0)
                    busy[pipe] = number, self._memory(item)
                    self._send(pipe, item)
            ready = set(wait(list(busy), timeout=1.0))
            for pipe in [pipe for pipe in busy if pipe in ready]:
                number, _ = busy.pop(pipe)
                yield number, self._received(pipe)

    def _fits(self, item: Item, busy: dict[Connection, tuple[int, float]]) -> bool:
        taken = sum(memory for _, memory in busy.values())
        return not busy or taken + self._memory(item) <= self._budget

    def _hire(self, workers: int) -> None:
        """Start workers until there are so many. Spawned, since a forked copy of threads that compute can hang."""
        context = multiprocessing.get_context("spawn")
        chosen = multiprocessing.get_start_method(allow_none=True)
        while len(self._workers) < workers:
            with uninterrupted(), deaf_children(), _one_thread_each():
                ours, theirs = context.Pipe()
                process = context.Process(target=_attend, args=(self._work, theirs), daemon=True)
                process.start()
                theirs.close()
                self._workers[ours] = process
        multiprocessing.set_start_method(chosen, force=True)  # to start a process is to choose one, where none was

    @staticmethod
    def _send(pipe: Connection, item: Any) -> None:
        with suppress(OSError):  # dead already: told when its answer is read
            pipe.send(item)

    def _received(self, pipe: Connection) -> Answer | Exception:
        """A worker's answer; one that was killed is let go. Raises ConfigError for a script without a guard."""
        try:
            answer: Answer | Exception = pipe.recv()
            return answer
        except (EOFError, OSError):
            process = self._workers.pop(pipe)
            pipe.close()
            process.join()
            if process.exitcode == UNGUARDED:
                raise ConfigError(
                    'the script that calls cxsim is read again by every worker process; put its calls below '
                    'if __name__ == "__main__":'
                ) from None
            return WorkerDied()


def _called(work: Callable[[Item], Answer], item: Item) -> Answer | Exception:
    try:
        return work(item)
    except Exception as error:  # told to whoever asked
        return error


def _attend(work: Callable[[Any], Any], pipe: Connection) -> None:
    """A worker: do what comes down the pipe until it closes."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.freeze()  # what is imported stays: to look through it again and again takes a tenth of a small market's time
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        answer = _called(work, item)
        try:
            pipe.send(answer)
        except OSError:
            return


def _end_with_parent() -> None:
    """End this process at once when the parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """What is started within keeps its libraries to one thread; a user's own setting stands."""
    ours = {name: "1" for name in ONE_THREAD if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]
