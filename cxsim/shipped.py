"""Finds what ships beside the packages (examples, constraints, recorded answers), in a checkout or an install."""

from __future__ import annotations

import sysconfig
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent

_IN_CHECKOUT = {"examples": "examples", "baseline": "tests/baseline", "constraints.txt": "constraints.txt"}
"""The path of each in a checkout. An install has it in share/cxsim under the first name (pyproject, data-files)."""


def shipped(name: str) -> Path | None:
    """The path of `examples`, `baseline` or `constraints.txt`; None where this install has left it out."""
    in_checkout = _CHECKOUT / _IN_CHECKOUT[name]
    installed = Path(sysconfig.get_path("data")) / "share" / "cxsim" / name
    return next((place for place in (in_checkout, installed) if place.exists()), None)
