"""The shipped configuration as the command line composes it."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

from cxsim.compose import NOT_SETTINGS, compose, composer, plain
from scenarios.intervention import completed
from sim.config.settings import Settings, load_settings


def raw(*overrides: str) -> dict[str, Any]:
    """The plain composed mapping under these overrides, the caller's own."""
    return deepcopy(_composed(overrides))


@cache
def _composed(overrides: tuple[str, ...]) -> dict[str, Any]:
    with composer(None) as hydra:
        config = compose(hydra, list(overrides))
        return completed({str(key): plain(config[key]) for key in config if key not in NOT_SETTINGS})


def shipped(*overrides: str) -> Settings:
    """The shipped settings under these overrides."""
    return load_settings(raw(*overrides))


def spoken(node: Any) -> str:
    """A value in the grammar of overrides, roughly."""
    if isinstance(node, dict):
        return "{" + ", ".join(f"{key}: {spoken(below)}" for key, below in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(spoken, node)) + "]"
    return "null" if node is None else str(node).lower() if isinstance(node, bool) else str(node)
