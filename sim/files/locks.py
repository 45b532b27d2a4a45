"""Locks that other processes see, on this machine and on others that share the folder."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock


def lock(path: Path) -> FileLock:
    """A lock that the system releases when its process ends, however it ends.

    On a file system without locks it fails when it is taken (OSError): the marker file that could stand in for it would
    outlive a process that is killed.
    """
    return FileLock(path, fallback_to_soft=False)
