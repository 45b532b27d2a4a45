"""Work for a pool's workers, in a module of its own: they import no more than this."""

from __future__ import annotations

import os
import signal
import time

from sim.phrases import ConfigError


def doubled(number: int) -> int:
    """Twice the number; 3 kills its worker, and 4 is refused."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 4:
        raise ValueError("four")
    return 2 * number


def together(_path: str) -> float:
    """Seconds at which this call began; it takes a moment."""
    began = time.monotonic()
    time.sleep(0.2)
    return began


def squared(number: int) -> int:
    """The number's square, after a moment; 3 is refused."""
    time.sleep(0.05)
    if number == 3:
        raise ConfigError("three")
    return number * number


def deadly(number: int) -> int:
    """The number; 1 kills its worker."""
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number
