"""Packages that only some answers need: imported when one does, with a line that says how to get them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from analysis.folders.run_folder import RunError


def needed(module: str, extra: str = "decide") -> Any:
    """The module. Raises RunError where its package is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise RunError(f"this needs {package}: pip install -c constraints.txt -e '.[{extra}]'") from error
