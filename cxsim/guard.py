"""Our packages have common names: detect another package of the same name that hides or overwrites one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
"""Folder that holds our packages: the checkout, or the environment's library folder."""

PACKAGES = ("agents", "sim", "scenarios", "conf", "analysis")

MARK = "# a package of cxsim"
"""Last line of each package's `__init__.py`. It tells our file from one that another package wrote over it."""


class ForeignPackage(ImportError):
    """A package of ours is missing, or another package stands in its place."""


def refuse_strangers() -> None:
    """Raise ForeignPackage where one of our packages is missing, hidden by another one, or written over."""
    for name in PACKAGES:
        if trouble := _trouble(name):
            raise ForeignPackage(
                f"cxsim needs its own package {name}, but {trouble}; give cxsim an environment of its own "
                "(python -m venv, pipx or uv tool), or take the other package out and install cxsim again"
            )


def _trouble(name: str) -> str:
    """What is wrong with a package of ours, else empty; found without running it, since it may not be ours."""
    spec = find_spec(name)
    places = [Path(place).resolve() for place in (spec.submodule_search_locations or [])] if spec else []
    if not places:
        return "it is not there"
    if places != [_ROOT / name]:
        return f"another package of that name, at {places[0]}, hides it"
    start = _ROOT / name / "__init__.py"
    if not start.is_file() or not start.read_text(encoding="utf-8", errors="replace").rstrip().endswith(MARK):
        return f"another package has written over {start}"
    return ""
