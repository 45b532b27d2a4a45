"""Where a run comes from: written beside its answer, the one file that may differ between hosts."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from sim.config.settings import NOT_ANSWERS, Settings, resolved
from sim.files import manifest
from sim.files.disk import write_text
from sim.tables import FOLDER_VERSION

PACKAGES = (
    "mesa", "numba", "llvmlite", "numpy", "scipy", "simpy", "hydra-core", "omegaconf", "pydantic", "pandas", "pyarrow",
    "matplotlib", "jinja2",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]
"""Folder that holds our packages: the checkout, or the environment's library folder."""

SOURCES = ("agents", "sim", "scenarios", "analysis")


def version() -> str:
    """Version of cxsim; `unknown` where it is run without having been installed."""
    return _package("cxsim") or "unknown"


def inputs_hash(settings: Settings, root: Path = ROOT, plan: Mapping[str, Any] | None = None) -> str:
    """sha256 of all that the answer depends on: resolved configuration, sources, and a command's own plan.

    The same on every host.
    """
    inputs = {key: node for key, node in resolved(settings).items() if key not in NOT_ANSWERS} | dict(plan or {})
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True, ensure_ascii=False).encode())
    digest.update(_sources(root))
    digest.update(_own_code())
    return digest.hexdigest()


def code_key() -> str:
    """sha256 of the sources that an answer depends on, ours and a user's own."""
    return hashlib.sha256(_sources(ROOT) + _own_code()).hexdigest()


OWN_CODE = "CXSIM_INTERVENTIONS"
"""Environment variable with the folder of a user's own interventions; workers inherit it."""


@lru_cache
def kinds_of_packages() -> tuple[metadata.EntryPoint, ...]:
    """Modules of other installed packages that register kinds of interventions, as when first asked for."""
    return tuple(metadata.entry_points(group="cxsim.interventions"))


def _own_code() -> bytes:
    """What identifies code that is not ours and that the answer depends on; empty where there is none."""
    stated = [f"{point.value} {point.dist.version if point.dist else ''}".encode() for point in kinds_of_packages()]
    folder = os.environ.get(OWN_CODE)
    files = sorted(Path(folder).glob("*.py")) if folder else ()
    return b"".join([*stated, *(path.name.encode() + path.read_bytes() for path in files)])


@lru_cache
def _sources(root: Path) -> bytes:
    """sha256 of the sources as they stood when first asked for."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".py", ".j2"):
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.digest()


@lru_cache
def git_state(root: Path = ROOT) -> tuple[str | None, bool | None]:
    """Commit and whether the tree differs from it; nothing where the sources are no checkout of their own."""
    top = _git(root, "rev-parse", "--show-toplevel")
    # An environment may lie inside somebody else's checkout: that commit says nothing about us.
    if top is None or Path(top).resolve() != root.resolve():
        return None, None
    status = _git(root, "status", "--porcelain")
    return _git(root, "rev-parse", "HEAD"), None if status is None else bool(status)


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def provenance(
    settings: Settings, threads: int, folder: Path, seconds: float, plan: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What provenance.json says. `folder` is the final place, `seconds` the wall time, `plan` as in `inputs_hash`."""
    commit, dirty = git_state()
    return {
        "version": version(),
        "folder_version": FOLDER_VERSION,
        "git_commit": commit,
        "git_dirty": dirty,
        "seed": settings.seed,
        "inputs_sha256": inputs_hash(settings, plan=plan),
        "python": platform.python_version(),
        "packages": {name: _package(name) for name in PACKAGES},
        "engine": settings.engine,
        "threads": threads,
        "folder": str(folder),
        "wall_seconds": round(seconds, 3),
    }


def stated(
    settings: Settings, threads: int, folder: Path, seconds: float, plan: Mapping[str, Any] | None = None
) -> str:
    """The text of provenance.json, sealed; arguments as of `provenance`."""
    found = manifest.sealed(provenance(settings, threads, folder, seconds, plan))
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _package(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def write_provenance(
    draft: Path, settings: Settings, threads: int, folder: Path, seconds: float, plan: Mapping[str, Any] | None = None
) -> None:
    """Write provenance.json and the manifest into the draft of the run folder that will stand at `folder`."""
    write_text(draft / manifest.PROVENANCE, stated(settings, threads, folder, seconds, plan))
    write_text(draft / manifest.NAME, manifest.text(manifest.listed(draft)))
