"""A folder that one command works in, and goes on in when it is called again: held by a lock, claimed by a key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sim.phrases import ConfigError


@contextmanager
def held(folder: Path, file: str, key: str) -> Iterator[None]:
    """Hold a folder for this work alone; `file` states the work's `key`, a hash of all that it depends on.

    Raises ConfigError if the folder holds other work, or some is done in it.
    """
    from filelock import Timeout

    from sim.files.disk import together
    from sim.files.locks import lock

    if folder.exists() and (not folder.is_dir() or (_visible(folder) and not (folder / file).is_file())):
        raise ConfigError("--out {folder}: is there and was not made by this command; name another one", folder=folder)
    with together(folder, "--out "):  # tried before any work; its lock needs it, too
        folder.joinpath(".lock").touch()
    mine = lock(folder / ".lock")
    try:
        mine.acquire(timeout=0)
    except Timeout:
        raise ConfigError(
            "{folder}: another process works there; wait for it, or name another --out", folder=folder
        ) from None
    try:
        _claim(folder / file, key)
        yield
    finally:
        mine.release()


def _visible(folder: Path) -> bool:
    """Whether anything is in a folder but what a command leaves that was killed at its very start."""
    return any(not path.name.startswith(".") for path in folder.iterdir())


def _claim(place: Path, key: str) -> None:
    from sim.files.disk import begin_manifest, together, write_text

    if not place.is_file():
        with together(place.parent):
            begin_manifest(place.parent)
            write_text(place, json.dumps({"key": key}) + "\n")
        return
    try:
        known = json.loads(place.read_text(encoding="utf-8"))["key"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError(
            "{file}: cannot be read; name another folder with --out", file=place
        ) from None
    if known != key:
        raise ConfigError(
            "{folder}: holds work on something else, or of another version of cxsim; name another folder with --out",
            folder=place.parent,
        )
