"""The shipped configuration as the command line composes it."""

from __future__ import annotations

from typing import Any

from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from cxsim.groups import NOT_SETTINGS
from scenarios.intervention import completed
from sim.config.settings import Settings, load_settings


def raw(*overrides: str) -> dict[str, Any]:
    """The plain composed mapping under these overrides."""
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("config", overrides=list(overrides))
    plain = OmegaConf.to_container(config, resolve=True)
    return completed({str(key): value for key, value in plain.items() if key not in NOT_SETTINGS})  # type: ignore[union-attr]


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
