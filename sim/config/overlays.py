"""A scenario's world: what it changes in both arms, laid over the raw configuration before it is checked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sim.config.parameters import PARTS, ConfigError, listed, nearest, show

WORLD_GROUPS = ("company", "market", "behaviour", "personas")
"""What a scenario may change in both arms."""

NEW_NAMES_IN = "market.season.peaks"
"""The one map of the world that a scenario may add names to."""


def apply_worlds(raw: Mapping[str, Any], explicit: Collection[str] = ()) -> dict[str, Any]:
    """Lay the worlds of all chosen scenarios over the raw configuration; return a new one.

    A null deletes a key of a map (a peak of the season). `explicit` are dotted keys given by hand on the
    command line: they stand above any world. Raises ConfigError where a world names a key that does not
    exist, or where two scenarios put the same key at different values.
    """
    merged: dict[str, Any] = copied(raw)
    written: dict[str, tuple[str, Any]] = {}
    for name, scenario in _worlds(raw):
        for path, value in _leaves(scenario, ""):
            full = f"scenario.{name}.world.{path}"
            if _stated(path, explicit):
                continue
            _agree(written, name, path, value)
            _lay(merged, path, value, full)
    return merged


def copied(node: Any) -> Any:
    """The same maps anew, so that laying something over them leaves the given ones alone."""
    return {key: copied(value) for key, value in node.items()} if isinstance(node, Mapping) else node


def _worlds(raw: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    scenarios = raw.get("scenario")
    for name, scenario in scenarios.items() if isinstance(scenarios, Mapping) else ():
        world = scenario.get("world") if isinstance(scenario, Mapping) else None
        if world is None:
            continue
        if not isinstance(world, Mapping):
            raise ConfigError(f"scenario.{name}.world: {show(world)} is not a group of keys")
        for group in world:
            if group not in WORLD_GROUPS:
                hint = nearest(str(group), WORLD_GROUPS)
                raise ConfigError(
                    f"scenario.{name}.world.{group}: a world cannot change this; {listed(WORLD_GROUPS)}{hint}"
                )
        yield str(name), world


def _leaves(node: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything a world sets."""
    for key, value in node.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, here)
        else:
            yield here, value


def _stated(path: str, explicit: Collection[str]) -> bool:
    """Whether the path, something above it or something below it was given by hand."""
    return any(path == key or path.startswith(f"{key}.") or key.startswith(f"{path}.") for key in explicit)


def _agree(written: dict[str, tuple[str, Any]], name: str, path: str, value: Any) -> None:
    """Note what a world sets. Two worlds may set a key alike, or different keys: nothing else."""
    for other_path, (other, other_value) in written.items():
        overlap = path.startswith(f"{other_path}.") or other_path.startswith(f"{path}.")
        if overlap or (path == other_path and value != other_value):
            raise ConfigError(
                f"scenario.{name}.world.{path}: {show(value)}, but scenario.{other}.world.{other_path} is "
                f"{show(other_value)}; scenarios that want different worlds cannot run together"
            )
    written[path] = (name, value)


def _lay(raw: dict[str, Any], path: str, value: Any, full: str) -> None:
    """Put one value of a world into the raw configuration, in place."""
    *groups, last = path.split(".")
    node: dict[str, Any] = raw
    anew = False  # below a null of the configuration a world may write what it likes: the settings check it
    for depth, name in enumerate(groups):
        above = ".".join(groups[:depth])
        if name not in node and above != NEW_NAMES_IN and not anew:
            raise ConfigError(f"{full}: no such key{nearest(name, map(str, node))}")
        below = node.setdefault(name, {})
        anew = anew or below is None
        if not isinstance(below, dict):
            # A plain number that the world says more about: {value, range} or {mean, se}.
            below = node[name] = {}
        node = below
    if value is None:
        if last not in node:
            raise ConfigError(f"{full}: there is no {last} to take away{nearest(last, map(str, node))}")
        del node[last]
        return
    fresh = ".".join(groups) == NEW_NAMES_IN or ".".join(groups[:-1]) == NEW_NAMES_IN or last in PARTS
    if last not in node and not fresh and not anew:
        raise ConfigError(f"{full}: no such key{nearest(last, map(str, node))}")
    node[last] = copied(value)
