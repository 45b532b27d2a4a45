"""Progress of a run: one line, rewritten, on a terminal and in a notebook; elsewhere a line every tenth."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from sim.phrases import Phrase, escaped


class Stream(Protocol):
    """What progress is written to."""

    def isatty(self) -> bool: ...

    def write(self, text: str, /) -> object: ...

    def flush(self) -> None: ...


class Progress:
    """Callable that writes (done, total, what) to a stream, as a line that `translated` makes of it."""

    def __init__(
        self, stream: Stream, translated: Callable[[Phrase], str] = str, clock: object = time.monotonic
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
            self._rewrite(self._line(what, done, total, self._left(done, total)))
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

    def _line(self, what: Phrase, done: int, total: int, left: Phrase | str = "") -> str:
        line = Phrase("{what} {done}/{total}{left}", what=what, done=done, total=total, left=left)
        return escaped(self._translated(line))

    def _left(self, done: int, total: int) -> Phrase | str:
        if not 0 < done < total:
            return ""
        seconds = (self._clock() - self._started) / done * (total - done)
        if seconds < 90:
            return Phrase(", about {seconds:.0f} s left", seconds=seconds)
        return Phrase(", about {minutes:.0f} min left", minutes=seconds / 60)

    def _rewrite(self, line: str) -> None:
        self._write("\r" + line.ljust(self._width))
        self._width = len(line.encode())  # no script takes more columns than bytes

    def _write(self, text: str) -> None:
        with suppress(BrokenPipeError):  # nobody looks on: no reason to stop
            self._stream.write(text)
            self._stream.flush()


@contextmanager
def progress_here() -> Iterator[Progress]:
    """Progress in the language in use: below a notebook's cell, else on the error stream."""
    from analysis.style.language import translated

    progress = Progress(NotebookLine() if in_notebook() else sys.stderr, translated)
    try:
        yield progress
    finally:
        progress.close()


def in_notebook() -> bool:
    """Whether a notebook's kernel runs us; a package that nobody has imported is not imported here."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython and ipython.get_ipython(), "kernel", None) is not None


class NotebookLine:
    """A stream that shows one line below a notebook's cell; text that begins with a return rewrites it."""

    def __init__(self) -> None:
        self._shown: Any = None

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        from IPython.display import display

        line = {"text/plain": text.strip()}
        if not text.strip():
            return  # the last line stays
        if self._shown is None:
            self._shown = display(line, raw=True, display_id=True)
        else:
            self._shown.update(line, raw=True)

    def flush(self) -> None:
        """Do nothing: every write is shown at once."""
