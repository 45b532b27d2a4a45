"""Bytes of a file, unpacked: gzip, bzip2, xz, zstandard, and a zip of one file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from sim.files.reading.cells import ReadError
from sim.phrases import Phrase

ZIP = b"PK\x03\x04"
OLD_OFFICE = b"\xd0\xcf\x11\xe0"
PARQUET = b"PAR1"
MEMBERS_OF_SHEETS = ("[Content_Types].xml", "mimetype")
"""Files that a spreadsheet, which is a zip too, has inside."""

PACKED: tuple[tuple[bytes, str, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", "gzip", gzip.decompress),
    (b"BZh", "bzip2", bz2.decompress),
    (b"\xfd7zXZ\x00", "xz", lzma.decompress),
    (b"\x28\xb5\x2f\xfd", "zstandard", lambda raw: _zstandard(raw)),
)
PROBLEMS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError)
LAYERS = 3
"""Packings within one another that are opened."""


def bytes_of(path: Path) -> tuple[bytes, list[Phrase]]:
    """A file's bytes without its packing, and what was unpacked. Raises ReadError."""
    try:
        raw = path.read_bytes()
    except PermissionError as error:
        raise ReadError("{path} may not be read: permission denied", path=path) from error
    except OSError as error:
        raise ReadError("{path} cannot be read: {problem}", path=path, problem=one_line(error)) from error
    told: list[Phrase] = []
    for _ in range(LAYERS):
        opened = _opened(path, raw)
        if opened is None:
            break
        raw, what = opened
        told.append(what)
    if not raw.strip():
        raise ReadError("{path} is empty", path=path)
    return raw, told


def _opened(path: Path, raw: bytes) -> tuple[bytes, Phrase] | None:
    """The bytes with one packing taken off; None where there is none."""
    try:
        for start, name, unpack in PACKED:
            if raw.startswith(start):
                return unpack(raw), Phrase("unpacked ({name})", name=name)
        if raw.startswith(ZIP):
            return _unzipped(path, raw)
    except PROBLEMS as error:
        raise ReadError("{path} cannot be read: {problem}", path=path, problem=one_line(error)) from error
    return None


def _unzipped(path: Path, raw: bytes) -> tuple[bytes, Phrase] | None:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        names = [one.filename for one in archive.infolist() if not one.is_dir()]
        if any(name in MEMBERS_OF_SHEETS for name in names):
            return None
        tables = [name for name in names if not _hidden(name)]
        if len(tables) != 1:
            raise ReadError(
                "{path} holds {count} files ({names}); a zip of one file is read: unzip it and name one, or the folder",
                path=path, count=len(tables), names=", ".join(tables[:5]),
            )
        return archive.read(tables[0]), Phrase("unzipped ({name})", name=tables[0])


def _hidden(name: str) -> bool:
    """Whether a path is no data: of hidden files and of what packers add."""
    return any(part.startswith((".", "_")) for part in Path(name).parts)


def _zstandard(raw: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(raw), "zstd") as stream:
        found: bytes = stream.read()
    return found


def parts_of(folder: Path) -> list[Path]:
    """Files of a folder and of the folders in it that hold rows, in the order of their names. Raises ReadError."""
    found = sorted(one for one in folder.rglob("*") if one.is_file() and not _hidden(str(one.relative_to(folder))))
    if not found:
        raise ReadError("{path} is a folder without files", path=folder)
    return found


def one_line(error: BaseException) -> str:
    """What another library says, on one line of decent length."""
    return " ".join(str(error).split())[:200] or type(error).__name__
