"""Two folders that should hold the same."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path


def files(folder: Path) -> set[Path]:
    """Every file below a folder, by its path within."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def differing(one: Path, other: Path, but: Collection[str] = ("provenance.json",)) -> list[Path]:
    """Files of one folder that the other does not hold to the byte, `but` apart."""
    wanted = sorted(files(one) - {Path(name) for name in but})
    return [name for name in wanted if (one / name).read_bytes() != (other / name).read_bytes()]
