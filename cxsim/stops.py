"""Signals that stop a command: Ctrl-C, and SIGTERM and SIGHUP likewise. Imported before anything else of ours."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

AGAIN = 0.05
"""Seconds after which a signal that was lost comes again."""

came: list[int] = []
"""The signals that have come since a command began."""


def status() -> int:
    """Exit status of an interrupted command, as shells give it: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + (came[0] if came else signal.SIGINT)


@contextmanager
def heard(forever: bool) -> Iterator[None]:
    """Raise KeyboardInterrupt where one of these signals comes, but for one that is ignored, as under nohup.

    `forever`: nothing comes after the block but the end of the process, which a signal may hasten without a word.
    """
    came.clear()
    try:
        before = {one: signal.signal(one, _stop) for one in STOPS if signal.getsignal(one) != signal.SIG_IGN}
    except ValueError:  # another thread than the main one hears no signals
        yield
        return
    hook, sys.unraisablehook = sys.unraisablehook, _not_lost
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for one, handler in before.items():
            signal.signal(one, signal.SIG_DFL if forever else handler)


def hush() -> None:
    """Let no further signal interrupt what is said last."""
    for one in STOPS:
        if signal.getsignal(one) == _stop:
            signal.signal(one, signal.SIG_IGN)


def _not_lost(error: sys.UnraisableHookArgs) -> None:
    """Let a signal come again that came while Python let something go, where it can raise nothing."""
    if not (came and isinstance(error.exc_value, KeyboardInterrupt)):
        sys.__unraisablehook__(error)
        return
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(came[0]))
    signal.setitimer(signal.ITIMER_REAL, AGAIN)


def _stop(number: int, _frame: object) -> None:
    came.append(number)
    raise KeyboardInterrupt
