"""How far a run is: one line rewritten on a terminal, a line every tenth elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TextIO

from sim.phrases import Phrase


class Progress:
    """Callable that is told (done, total, what) and writes it to a stream, as `translated` says it."""

    def __init__(
        self, stream: TextIO, translated: Callable[[Phrase], str] = str, clock: object = time.monotonic
    ) -> None:
        self._stream = stream
        self._translated = translated
        self._clock = clock if callable(clock) else time.monotonic
        self._started = self._clock()
        self._rewrites = stream.isatty()
        self._tenth = -1
        self._width = 0

    def __call__(self, done: int, total: int, what: Phrase) -> None:
        """Report that `done` of `total` pieces of work are done; total may grow."""
        if self._rewrites:
            self._rewrite(self._line(what, done, total, *self._left(done, total)))
            return
        tenth = 10 * done // max(total, 1)
        if tenth != self._tenth:
            self._tenth = tenth
            self._write(self._line(what, done, total) + "\n")

    def close(self) -> None:
        """Clear the rewritten line, so that what follows starts on a line of its own."""
        if self._rewrites and self._width:
            self._rewrite("")
            self._write("\r")
        self._width = 0

    def _line(self, what: Phrase, done: int, total: int, *left: Phrase) -> str:
        message = "{what} {done}/{total}, {left}" if left else "{what} {done}/{total}"
        return self._translated(Phrase(message, what=what, done=done, total=total, left=next(iter(left), "")))

    def _left(self, done: int, total: int) -> Iterator[Phrase]:
        """How long it will take, once anything is done."""
        if 0 < done < total:
            seconds = (self._clock() - self._started) / done * (total - done)
            yield (
                Phrase("about {seconds:.0f} s left", seconds=seconds) if seconds < 90 else
                Phrase("about {minutes:.0f} min left", minutes=seconds / 60)
            )  # fmt: skip

    def _rewrite(self, line: str) -> None:
        self._write("\r" + line.ljust(self._width))
        self._width = len(line.encode())  # no script takes more columns than bytes

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
