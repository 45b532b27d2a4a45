"""How far a run is: one line rewritten on a terminal, a line every tenth elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO


class Progress:
    """Callable that is told (done, total, what) and writes it to a stream, as `told` puts it in another language."""

    def __init__(
        self, stream: TextIO, told: Callable[[str], str] = str, clock: object = time.monotonic
    ) -> None:
        self._stream = stream
        self._told = told
        self._clock = clock if callable(clock) else time.monotonic
        self._started = self._clock()
        self._rewrites = stream.isatty()
        self._tenth = -1
        self._width = 0

    def __call__(self, done: int, total: int, what: str) -> None:
        """Report that `done` of `total` pieces of work are done; total may grow."""
        if self._rewrites:
            self._rewrite(self._told(f"{what} {done}/{total}{self._left(done, total)}"))
            return
        tenth = 10 * done // max(total, 1)
        if tenth != self._tenth:
            self._tenth = tenth
            self._write(self._told(f"{what} {done}/{total}") + "\n")

    def close(self) -> None:
        """Clear the rewritten line, so that what follows starts on a line of its own."""
        if self._rewrites and self._width:
            self._rewrite("")
            self._write("\r")
        self._width = 0

    def _left(self, done: int, total: int) -> str:
        if not 0 < done < total:
            return ""
        seconds = (self._clock() - self._started) / done * (total - done)
        return f", about {seconds:.0f} s left" if seconds < 90 else f", about {seconds / 60:.0f} min left"

    def _rewrite(self, line: str) -> None:
        self._write("\r" + line.ljust(self._width))
        self._width = len(line.encode())  # no script takes more columns than bytes

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
