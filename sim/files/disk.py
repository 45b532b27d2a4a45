"""The one way onto the disk: what is written appears whole or not at all, and its folder's manifest knows it.

All is written into a draft first, a folder named `.NAME.XXXXXXXX.part`, flushed, and renamed to its place. Drafts stand
in the folder in which something is to appear. A draft is held by a lock that the system releases when its process ends,
however it ends: the next command that writes there removes what nobody holds.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from sim.files import manifest
from sim.files.signals import uninterrupted
from sim.phrases import ConfigError, Phrase

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

RUN_FOLDER = "hydra.run.dir="
"""How a command line names a run folder."""

_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
_NOT_RENAMED = (errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM)
"""What a rename onto a mount point, or in a folder that cannot be written, may raise."""

_DRAFT = re.compile(r"\.(.+\.)?[0-9a-f]{8}\.part")
_LONGEST = 180
"""Bytes of a draft's name that are taken from what it becomes; file systems allow 255 in all."""

tell: Callable[[Phrase], object] = lambda _phrase: None  # noqa: E731
"""What is told beside an answer goes here; the command line has it shown."""


# -- single files, and several of a folder ------------------------------------------------------------------------


class _Stage(NamedTuple):
    """While it is open, what is written below `folder` goes to `draft`."""

    folder: Path
    draft: Path


_STAGE: ContextVar[_Stage | None] = ContextVar("stage", default=None)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that at any moment it has either the old bytes or all of the new ones.

    Within `together` or `drafted` it appears with the rest.
    """
    place = _absolute(path)
    stage = _STAGE.get()
    if stage is None or not place.is_relative_to(stage.folder):
        with together(path.parent):
            write_bytes(path, content)
        return
    draft = stage.draft / place.relative_to(stage.folder)
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of a text, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """`write_bytes` of a table as CSV, without its index; no spreadsheet takes a text in it for a formula."""
    from sim.files.spreadsheet import as_text  # pandas takes long to import, and most commands' help needs none

    write_text(path, as_text(table).to_csv(index=False, lineterminator="\n"))


def write_parquet(path: Path, table: pa.Table) -> None:
    """`write_bytes` of a table as Parquet; the bytes depend on the values alone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = pa.BufferOutputStream()
    pq.write_table(table, written, compression="zstd", compression_level=3)
    write_bytes(path, written.getvalue().to_pybytes())


@contextmanager
def together(folder: Path, key: str = "") -> Iterator[None]:
    """Files that the block writes below a folder appear when it is done: all of them or, if it fails, none.

    The folder, made if need be, is tried before the block: raises ConfigError, with the `key` that names the folder.
    """
    stage = _STAGE.get()
    if stage is not None and _absolute(folder).is_relative_to(stage.folder):
        yield
        return
    made: list[Path] = []
    try:
        with ExitStack() as stack:
            with _tried(key, folder):
                _make_folders(folder, made)
                draft = stack.enter_context(_draft(folder, "", folder))
            with _writing(_Stage(_absolute(folder), draft)):
                yield
            _put(draft, folder, made)
    finally:
        with uninterrupted():
            remove_empty(made)


@contextmanager
def _writing(stage: _Stage) -> Iterator[None]:
    token = _STAGE.set(stage)
    try:
        yield
    finally:
        _STAGE.reset(token)


def _put(draft: Path, folder: Path, made: list[Path]) -> None:
    """Move a draft's files to their places in a folder, the manifest last; `made` notes the folders made for them."""
    names = sorted(path.relative_to(draft) for path in draft.rglob("*") if path.is_file())
    begins = Path(manifest.NAME) in names
    known = None if begins else manifest.read(folder)
    new = manifest.listed(draft) if begins or known is not None else {}
    if begins:
        (draft / manifest.NAME).write_text(manifest.text(new), encoding="utf-8")
    with uninterrupted():
        for name in names:
            _make_folders((folder / name).parent, made)
            if (folder / name).is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(folder / name))
        flush_all(draft)
        if known is not None:  # no moment at which the manifest states what is not there
            _state(draft, folder, {name: entry for name, entry in known.items() if name not in new})
        for name in sorted(names, key=_late):
            os.replace(draft / name, folder / name)
        if known is not None:
            _state(draft, folder, known | new)
        for place in {folder, *((folder / name).parent for name in names)}:
            flush(place)


def begin_manifest(folder: Path) -> None:
    """Give a folder a manifest, unless it has one: it knows whatever is written there with it and from then on."""
    if not (folder / manifest.NAME).is_file():
        write_text(folder / manifest.NAME, manifest.text({}))


def _late(name: Path) -> tuple[bool, bool]:
    """Order in which files appear: what a page shows before the page, the manifest last."""
    return name == Path(manifest.NAME), len(name.parts) == 1


def _state(draft: Path, folder: Path, entries: dict[str, manifest.Entry]) -> None:
    """Replace a folder's manifest, by way of a draft."""
    path = draft / manifest.NAME
    path.write_text(manifest.text(entries), encoding="utf-8")
    flush(path)
    os.replace(path, folder / manifest.NAME)


# -- whole folders ------------------------------------------------------------------------------------------------


class Draft:
    """A folder in the making: write into `path`, then `publish`."""

    def __init__(self, path: Path, wanted: Path, exact: bool) -> None:
        self.path = path
        self.published: Path | None = None
        self._wanted, self._exact = wanted, exact

    def publish(self, stamp: Callable[[Path], object] = lambda _place: None) -> Path:
        """Put the folder at its final place and return that.

        `stamp` is told the place first, to write what depends on it. Raises ConfigError where a place the user named
        was filled meanwhile.
        """
        for place in [self._wanted] if self._exact else names_like(self._wanted):
            if _filled(place):
                continue
            stamp(place)
            flush_all(self.path)
            with uninterrupted():
                if not self._moved(place):
                    continue
                self.published = place
            flush(place.parent)
            return place
        raise ConfigError("{folder}: was filled by somebody else meanwhile; name another folder", folder=self._wanted)

    def _moved(self, place: Path) -> bool:
        """Move the draft to its place, as one or, onto a mount point, file by file. False where somebody was faster."""
        try:
            if self.path.parent != place:
                os.rename(self.path, place)
                return True
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            if error.errno not in _NOT_RENAMED or not place.is_dir():
                raise
            with _draft(place, "", place) as inside:
                shutil.copytree(self.path, inside, dirs_exist_ok=True)
                _put(inside, place, [])
                return True
        _put(self.path, place, [])
        return True


@contextmanager
def drafted(wanted: Path, exact: bool, key: str = RUN_FOLDER, needs: float = 0) -> Iterator[Draft]:
    """Make a draft of a folder; whatever happens before `publish`, nothing of it stays.

    `exact`: the place was named by the user; else a free name like it is taken. `key` is what names it, `needs` the
    bytes that are expected. Raises ConfigError where the user named a folder that is not empty, where none can be made,
    or where there is too little space.
    """
    place = wanted.resolve()
    home = place if exact and _must_stay(place) else place.parent
    remove_dead_drafts(home)
    if exact and _filled(place):
        raise ConfigError("{key}{folder}: exists and is not empty; name a new folder", key=key, folder=wanted)
    made: list[Path] = []
    try:
        with ExitStack() as stack:
            with _tried(key, wanted):
                _make_folders(home, made)
                _refuse_scarce(home, needs, key, wanted)
                path = stack.enter_context(_draft(home, "" if home == place else place.name, wanted))
            with _writing(_Stage(path, path)):
                yield Draft(path, place, exact)
    finally:
        with uninterrupted():
            remove_empty(made)


@contextmanager
def _tried(key: str, wanted: Path) -> Iterator[None]:
    """Tell an OSError as one that lies in what the user named."""
    try:
        yield
    except OSError as error:
        problem = Phrase(error.strerror or str(error))
        raise ConfigError(
            "{key}{folder}: cannot be written: {problem}", key=key, folder=wanted, problem=problem
        ) from None


def _must_stay(place: Path) -> bool:
    """Whether a folder is there that no other can be renamed to: a mount point, or one in a folder not to be written.

    Its draft is made inside it, which is also where the space is.
    """
    return place.is_dir() and (place.is_mount() or not os.access(place.parent, os.W_OK | os.X_OK))


def _filled(place: Path) -> bool:
    if place.is_dir():
        return any(not _DRAFT.fullmatch(path.name) for path in place.iterdir())
    return os.path.lexists(place)


def _refuse_scarce(home: Path, needs: float, key: str, wanted: Path) -> None:
    free = shutil.disk_usage(home).free
    if free < needs:
        raise ConfigError(
            "{key}{folder}: {free:.1f} MB are free there, and at least {needs:.1f} MB are needed; name another folder",
            key=key, folder=wanted, free=free / 1e6, needs=needs / 1e6,
        )  # fmt: skip


def names_like(wanted: Path) -> Iterator[Path]:
    """The name itself, then with -2, -3 and so on: two runs may start within one second."""
    return chain([wanted], (wanted.with_name(f"{wanted.name}-{number}") for number in count(2)))


# -- drafts -------------------------------------------------------------------------------------------------------


@contextmanager
def _draft(home: Path, name: str, wanted: Path) -> Iterator[Path]:
    """A draft in a folder, removed in the end. An OSError that names no file, or one of the draft, names `wanted`."""
    remove_dead_drafts(home)
    path, lock = None, None
    try:
        with uninterrupted():
            path, lock = _held(home, name)
        yield path
    except OSError as error:
        if path is None or error.filename is None or Path(error.filename).is_relative_to(path):
            error.filename, error.filename2 = str(wanted), None
        raise
    finally:
        with uninterrupted():
            if path is not None:
                shutil.rmtree(path, ignore_errors=True)
            if lock is not None:
                os.close(lock)


def _held(home: Path, name: str) -> tuple[Path, int]:
    """A new draft and the open file that holds its lock."""
    stem = os.fsdecode(os.fsencode(name)[:_LONGEST])
    while True:
        path = home / f".{stem}{'.' if stem else ''}{uuid4().hex[:8]}.part"
        path.mkdir()
        with suppress(FileNotFoundError):  # taken for a dead one, before it was locked
            lock = os.open(path, os.O_RDONLY)
            if _locked(lock) is not False and _is_there(path, lock):
                return path, lock
            os.close(lock)


def _locked(handle: int) -> bool | None:
    """Whether the lock was free and is held now; None on a file system that has none."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_there(path: Path, handle: int) -> bool:
    return os.path.lexists(path) and os.path.samestat(os.stat(path), os.fstat(handle))


def remove_dead_drafts(folder: Path) -> None:
    """Remove the drafts in a folder whose processes are gone, and tell so."""
    with suppress(OSError):  # no such folder, or one that cannot be read
        with os.scandir(folder) as entries:
            drafts = [Path(entry.path) for entry in entries if _DRAFT.fullmatch(entry.name) and entry.is_dir()]
        removed = sum(map(_removed, drafts))
        if removed:
            tell(Phrase("{folder}: removed {n} draft(s) that killed commands had left", folder=folder, n=removed))


def _removed(draft: Path) -> bool:
    """Remove a draft if nobody holds it, and what it had already moved into its folder."""
    try:
        lock = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if _locked(lock) is not True or not _is_there(draft, lock):
            return False
        if draft.name.count(".") == 2:  # it has no name of its own: it stands in the folder that it fills
            _take_back(draft)
        shutil.rmtree(draft, ignore_errors=True)
        return not draft.exists()
    finally:
        os.close(lock)


def _take_back(draft: Path) -> None:
    """Remove from a folder what a draft with a manifest had moved there: the manifest itself comes last of all."""
    with suppress(ConfigError, OSError):
        for name, entry in (manifest.read(draft) or {}).items():
            place = draft.parent / name
            if place.is_file() and manifest.Entry.of(place.read_bytes()) == entry:
                place.unlink()
                remove_empty([draft.parent / above for above in reversed(Path(name).parents) if above.name])
        if (draft / manifest.NAME).is_file():
            (draft.parent / manifest.PROVENANCE).unlink(missing_ok=True)


# -- folders ------------------------------------------------------------------------------------------------------


def remove_empty(folders: list[Path]) -> None:
    """Remove those of the folders that are empty, the last first."""
    for folder in reversed(folders):
        try:
            folder.rmdir()
        except OSError:
            return


def _make_folders(path: Path, made: list[Path]) -> None:
    """Make a folder and what is missing above it; `made` notes each, from the top."""
    for folder in reversed([path, *path.parents]):
        if not folder.exists():
            folder.mkdir(exist_ok=True)
            made.append(folder)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def flush_all(folder: Path) -> None:
    """`flush` a folder and everything in it."""
    for path in (folder, *folder.rglob("*")):
        flush(path)


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


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
