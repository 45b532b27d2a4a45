"""A run folder appears whole or not at all: written beside its place under another name, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from uuid import uuid4

from sim.phrases import ConfigError

_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


class Draft:
    """A run folder in the making."""

    def __init__(self, wanted: Path, exact: bool) -> None:
        """`exact`: the place was named by the user; else a free name like it is taken."""
        self.wanted = wanted.resolve()
        self.exact = exact
        self.path = self.wanted.with_name(f".{self.wanted.name}.{uuid4().hex[:8]}.part")
        self.published: Path | None = None

    def publish(self, stamp: Callable[[Path], None]) -> Path:
        """Rename to the final place and return it.

        `stamp` is told the place first, to write what depends on it. Raises ConfigError where a place the
        user named was filled meanwhile.
        """
        for place in [self.wanted] if self.exact else names_like(self.wanted):
            if _filled(place):
                continue
            stamp(place)
            for path in (self.path, *self.path.rglob("*")):
                flush(path)
            try:
                os.rename(self.path, place)
            except OSError as error:
                if error.errno in _TAKEN:  # somebody was faster
                    continue
                raise
            self.published = place
            flush(place.parent)
            return place
        raise ConfigError("{folder}: was filled by somebody else meanwhile; name another folder", folder=self.wanted)


@contextmanager
def drafted(wanted: Path, exact: bool) -> Iterator[Draft]:
    """Make a draft of a run folder; whatever happens before `publish`, nothing of it stays.

    Raises ConfigError where the user named a folder that is not empty, or where none can be made.
    """
    draft = Draft(wanted, exact)
    if exact and _filled(draft.wanted):
        raise ConfigError("hydra.run.dir={folder}: exists and is not empty; name a new folder", folder=wanted)
    made: list[Path] = []
    try:
        try:
            make_folder(draft.path, made)
        except OSError as error:
            raise ConfigError(
                "run folder {folder}: cannot be made: {problem}", folder=wanted, problem=error.strerror
            ) from None
        yield draft
    finally:
        if draft.published is None:
            with _uninterrupted():
                shutil.rmtree(draft.path, ignore_errors=True)
                remove_empty(made)


def remove_empty(folders: list[Path]) -> None:
    """Remove those of the folders that are empty, the last first."""
    for folder in reversed(folders):
        try:
            folder.rmdir()
        except OSError:
            return


def make_folder(path: Path, made: list[Path]) -> None:
    """Make a folder and what is missing above it; `made` notes the latter, from the top."""
    missing = []
    for parent in path.parents:
        if parent.exists():
            break
        missing.append(parent)
    for parent in reversed(missing):
        parent.mkdir(exist_ok=True)
        made.append(parent)
    path.mkdir()


def flush(path: Path) -> None:
    """Wait until a file's bytes, or a folder's list of names, are on the disk.

    So a file that is listed after a power cut is also complete. On a file system that cannot promise this nothing is
    raised, since that is no reason to lose an answer.
    """
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def replace_text(path: Path, text: str) -> None:
    """`replace_bytes` of a text, in UTF-8."""
    replace_bytes(path, text.encode("utf-8"))


def replace_bytes(path: Path, content: bytes) -> None:
    """Write a file so that at any moment it has either the old bytes or all of the new ones."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_bytes(content)
        flush(draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _filled(place: Path) -> bool:
    if place.is_dir():
        return any(place.iterdir())
    return place.exists()


def names_like(wanted: Path) -> Iterator[Path]:
    """The name itself, then with -2, -3 and so on: two runs may start within one second."""
    return chain([wanted], (wanted.with_name(f"{wanted.name}-{number}") for number in count(2)))


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C must not interrupt the clearing up after the first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
