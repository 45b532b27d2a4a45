"""manifest.json: the sha256 of every file of a folder, by which a reader knows what is missing, cut or changed.

provenance.json is left out, since it differs between hosts and the manifest shall not; it carries its own seal.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from sim.phrases import ConfigError

NAME, PROVENANCE, SEAL = "manifest.json", "provenance.json", "seal"


class Entry(NamedTuple):
    """What is known of a file as it was written."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> Entry:
        return cls(len(content), hashlib.sha256(content).hexdigest())


def listed(folder: Path) -> dict[str, Entry]:
    """Entries of the files that a folder holds, by path within it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: Entry.of(path.read_bytes()) for name, path in names.items() if name not in (NAME, PROVENANCE)}


def text(entries: Mapping[str, Entry]) -> str:
    """The manifest's text; the same entries give the same."""
    files = {name: entry._asdict() for name, entry in sorted(entries.items())}
    return json.dumps({"files": files}, indent=1, ensure_ascii=False) + "\n"


def read(folder: Path) -> dict[str, Entry] | None:
    """A folder's entries by path within it; None where it has no manifest. Raises ConfigError for a broken one."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {_within(name): Entry(int(entry["size"]), str(entry["sha256"])) for name, entry in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError(
            "{name} in {folder} cannot be read; make the folder again", name=NAME, folder=folder
        ) from None


def _within(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(name)
    return name


def job_key(stated: object) -> str:
    """A job's key, which names a folder in that of a sweep's jobs. Raises ValueError for one that may name another."""
    if not isinstance(stated, str) or not re.fullmatch(r"[0-9A-Za-z_-]+", stated):
        raise ValueError(f"{stated!r} is no key of a job")
    return stated


def checked(path: Path) -> bytes:
    """A file's bytes, if they are those that its folder's manifest states. Raises ConfigError, OSError."""
    content = path.read_bytes()
    entry = (read(path.parent) or {}).get(path.name)
    if entry is not None and entry != Entry.of(content):
        raise _trouble(path.parent, path.name, entry, len(content))
    return content


def refuse_missing(folder: Path, names: Collection[str]) -> None:
    """Raise ConfigError for the first of the names that the manifest lists and the folder lacks."""
    for name in read(folder) or {}:
        if name in names and not (folder / name).is_file():
            raise _missing(folder, name)


def troubles(folder: Path) -> Iterator[ConfigError]:
    """What of a folder is missing, cut or changed. Raises ConfigError where it has no manifest, or a broken one."""
    entries = read(folder)
    try:
        provenance(folder)
        refuse_half(folder)
    except ConfigError as error:
        yield error
    if entries is None:
        raise ConfigError(
            "{folder} has no {name}: it is incomplete, or was written by an earlier version", folder=folder, name=NAME
        )
    for name, entry in entries.items():
        path = folder / name
        content = path.read_bytes() if path.is_file() else None
        if content is None or Entry.of(content) != entry:
            yield _trouble(folder, name, entry, None if content is None else len(content))


def _trouble(folder: Path, name: str, entry: Entry, found: int | None) -> ConfigError:
    """What is wrong with a file of which `found` bytes are there."""
    if found is None:
        return _missing(folder, name)
    if found < entry.size:
        return ConfigError(
            "{name} in {folder} is cut: {found} of {size} bytes are there; make the folder again",
            name=name, folder=folder, found=found, size=entry.size,
        )  # fmt: skip
    return ConfigError(
        "{name} in {folder} was changed after it was written; make the folder again", name=name, folder=folder
    )


def _missing(folder: Path, name: str) -> ConfigError:
    return ConfigError("{name} in {folder} is missing; make the folder again", name=name, folder=folder)


# -- provenance ---------------------------------------------------------------------------------------------------


def provenance(folder: Path) -> dict[str, Any]:
    """What provenance.json states, nothing where there is none. Raises ConfigError for one that was cut or changed."""
    path = folder / PROVENANCE
    if not path.is_file():
        return {}
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        stated = None
    if not isinstance(stated, dict):
        raise ConfigError(
            "{name} in {folder} cannot be read; make the folder again", name=PROVENANCE, folder=folder
        )
    if SEAL in stated and stated[SEAL] != _seal({key: value for key, value in stated.items() if key != SEAL}):
        raise ConfigError(
            "{name} in {folder} was changed after it was written; make the folder again", name=PROVENANCE, folder=folder
        )
    return stated


def refuse_half(folder: Path) -> None:
    """Raise ConfigError for a run folder that has lost its manifest or its provenance: each tells of the other."""
    bears_seal, entries = SEAL in provenance(folder), read(folder)
    if bears_seal and entries is None:
        raise _missing(folder, NAME)
    if not bears_seal and "config.yaml" in (entries or {}):
        raise _missing(folder, PROVENANCE)


def sealed(stated: Mapping[str, Any]) -> dict[str, Any]:
    """What provenance.json states, with the seal that tells whether it was changed."""
    return {**stated, SEAL: _seal(stated)}


def _seal(stated: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(stated, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
