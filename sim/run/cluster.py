"""Other machines: work that goes to a Dask scheduler in place of processes here (extra `cluster`).

Where a scheduler is chosen, every `Pool` sends its items there: those of a run, a sweep, a search, a study, a check.
What comes back is what a process here would give, to the byte, whichever machine did it: an item is a pure function of
itself. A worker that dies costs nothing, since its items are done again; an item that kills one worker after the other
is given up (`distributed.scheduler.allowed-failures`). A scheduler that is lost may come back within RECONNECT seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, as_completed
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sim.phrases import ConfigError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

SCHEDULER = "CXSIM_SCHEDULER"
"""Environment variable: address of the scheduler that all commands send their work to."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")

RECONNECT = 120.0
"""Seconds within which a lost scheduler may come back."""

CONNECT = 10.0
"""Seconds that a first connection may take."""

_CHOSEN: ContextVar[str | None] = ContextVar("scheduler", default=None)


def chosen() -> str | None:
    """Address of the scheduler that work goes to, None where it stays here."""
    address = _CHOSEN.get()
    return (os.environ.get(SCHEDULER) if address is None else address) or None


@contextmanager
def working_at(address: str) -> Iterator[None]:
    """Within, work goes to the scheduler at `address`. Raises ConfigError for one that is not encrypted."""
    _encrypted(address)
    token = _CHOSEN.set(address)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


@contextmanager
def local_cluster(workers: int) -> Iterator[None]:
    """Within, work goes to a scheduler of our own on this machine, with so many workers of one thread each."""
    distributed = _distributed()
    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster, working_at(cluster.scheduler_address):  # fmt: skip
        yield


def outcomes(
    address: str, work: Callable[[Item], Answer], items: Sequence[Item], lost: Callable[[], Exception]
) -> Iterator[tuple[int, Answer | Exception]]:
    """(number of an item, what `work` gave), as they finish; `lost()` for one that killed its workers.

    Raises ConfigError where the scheduler cannot be reached, does not come back, or runs other code than this.
    """
    distributed = _distributed()
    _encrypted(address)
    left = dict(enumerate(items))
    while left:
        with _connected(distributed, address, RECONNECT if len(left) < len(items) else CONNECT) as client:
            executor = client.get_executor(pure=False)
            futures = {executor.submit(_done_here, work, item): number for number, item in left.items()}
            try:
                for future in as_completed(futures):
                    answer = _answer(distributed, future, lost)
                    del left[futures[future]]
                    yield futures[future], answer
            except (CancelledError, OSError):  # the scheduler is gone, and all that it knew
                time.sleep(1.0)


def _done_here(work: Callable[[Item], Answer], item: Item) -> Answer:
    """On a worker: what an item starts in its turn stays there."""
    token = _CHOSEN.set("")
    try:
        return work(item)
    finally:
        _CHOSEN.reset(token)


def _answer(distributed: Any, future: Any, lost: Callable[[], Exception]) -> Any:
    try:
        return future.result()
    except distributed.scheduler.KilledWorker:
        return lost()


@contextmanager
def _connected(distributed: Any, address: str, seconds: float) -> Iterator[Any]:
    """A client of the scheduler, once it is there and its workers run our code."""
    until = time.monotonic() + seconds
    while True:
        try:
            client = distributed.Client(address, timeout=2.0, set_as_default=False, security=_security(distributed))
            break
        except OSError:
            if time.monotonic() > until:
                raise ConfigError(
                    "{variable}: no scheduler answers at {address}; start one with: dask scheduler",
                    variable=SCHEDULER, address=address,
                ) from None
            time.sleep(1.0)
    try:
        _same_code(client)
        yield client
    finally:
        client.close(timeout=2.0)


def _same_code(client: Any) -> None:
    """Raise ConfigError for a worker whose cxsim is another one: its answers would be others too."""
    from sim.run.provenance import code_key

    ours = code_key()
    for worker, theirs in client.run(code_key).items():
        if theirs != ours:
            raise ConfigError("{worker}: has another cxsim than this machine; install the same one", worker=worker)


def _encrypted(address: str) -> None:
    """Raise ConfigError for an address beyond this machine that is not encrypted: whoever listens could send code."""
    place = urlsplit(address)
    if place.scheme not in ("tcp", "tls") or place.hostname is None:
        raise ConfigError(
            "{variable}: {address} is no address of a scheduler; tls://HOST:8786, or tcp://127.0.0.1:8786",
            variable=SCHEDULER, address=address,
        )
    if place.scheme == "tcp" and place.hostname not in LOOPBACK:
        raise ConfigError(
            "{variable}: {address} is not encrypted; tls://HOST:8786, or a scheduler on this machine",
            variable=SCHEDULER, address=address,
        )


def _security(distributed: Any) -> Any:
    """Certificates as Dask's own configuration names them (`distributed.comm.tls`); none of them over tcp."""
    return distributed.Security()


def _distributed() -> Any:
    try:
        import distributed
        import distributed.scheduler
    except ImportError:
        raise ConfigError(
            "{variable}: needs the extra cluster; pip install 'cxsim[cluster]'", variable=SCHEDULER
        ) from None
    return distributed
