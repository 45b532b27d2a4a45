"""Signals that ask a process to stop: held back while something is made or cleared up, and kept from workers."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C; what `docker stop`, systemd, timeout(1) and CI send; a terminal that was closed."""


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold these signals back until the block is done, then let the first of them act."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python runs handlers in the main thread only
        return
    came: list[int] = []

    def keep(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {one: signal.getsignal(one) for one in STOPS}
    for one, handler in before.items():
        if handler not in (signal.SIG_IGN, None):
            signal.signal(one, keep)
    try:
        yield
    finally:
        for one, handler in before.items():
            if handler is not None:
                signal.signal(one, handler)
        if came:
            signal.raise_signal(came[0])


@contextmanager
def deaf_children() -> Iterator[None]:
    """Processes started within never receive these signals: their parent does, and ends them.

    A terminal sends Ctrl-C to all processes in it, and timeout(1) its signal likewise. A worker that is still importing
    would show a traceback; one at work would end before its parent knows why.
    """
    resource_tracker.ensure_running()  # it lifts the block when it starts, so it must have started before
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
