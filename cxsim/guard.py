"""The packages bear common names; this says so when another one of the same name is found first."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
"""Folder that holds our packages: the checkout, or the environment's library folder."""

PACKAGES = ("agents", "sim", "scenarios", "conf", "analysis")


class ForeignPackage(ImportError):
    """A package of ours is missing, or another one of the same name is found first."""


def refuse_strangers() -> None:
    """Raise ForeignPackage, in words, where one of our packages is missing or hidden by another one's."""
    for name in PACKAGES:
        found = find_spec(name)
        places = (
            [Path(place).resolve() for place in (found.submodule_search_locations or [])] if found else []
        )
        if places != [_ROOT / name]:
            where = f"another package of that name, at {places[0]}, hides it" if places else "it is not there"
            raise ForeignPackage(
                f"cxsim needs its own package {name}, but {where}; give cxsim an environment of its own"
            )
