"""What reaches a terminal: text, with every character that a terminal would obey written out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sim.phrases import escaped


class Shown:
    """A stream that writes what it is given to another one, unprintable characters as \\x1b.

    A return that begins a piece of text goes through: progress rewrites its line.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text; the number of its characters."""
        start = text[:1] if text[:1] == "\r" else ""
        line = start + escaped(text[len(start) :])
        # What the terminal's encoding lacks is written out too.
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write texts one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def shown_safely() -> Iterator[None]:
    """While a command runs, whatever is printed is shown and not obeyed."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (stream and Shown(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
