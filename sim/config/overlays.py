"""What a scenario changes in both arms, laid over the raw configuration before it is checked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sim.config.parameters import PARTS, is_parameter, show
from sim.config.sections import gone
from sim.phrases import ConfigError, listed, nearest

BOTH_ARMS_GROUPS = ("company", "market", "calendar", "behaviour", "personas")
"""What a scenario may change in both arms."""

NEW_NAMES_IN = ("calendar.seasons", "calendar.warehouse_rests", "calendar.carrier_rests")
"""The maps of the world that a scenario may add names to."""


def apply_both_arms(raw: Mapping[str, Any], explicit: Collection[str] = ()) -> dict[str, Any]:
    """A new raw configuration with what all chosen scenarios change in both arms.

    A null deletes a key of a map (a season of the calendar). `explicit` are dotted keys given by hand on the
    command line: they win over any scenario. Raises ConfigError where a scenario names a key that does not
    exist, or where two scenarios put the same key at different values.
    """
    merged: dict[str, Any] = copied(raw)
    written: dict[str, tuple[str, Any]] = {}
    for name, path, value in _changes(raw, explicit):
        _agree(written, name, path, value)
        _lay(merged, path, value, f"scenario.{name}.both_arms.{path}")
    return merged


def _changes(raw: Mapping[str, Any], explicit: Collection[str]) -> Iterator[tuple[str, str, Any]]:
    """(scenario, dotted key, value) of what scenarios change in both arms and nothing given by hand stands above."""
    for name, scenario in _both_arms(raw):
        yield from ((name, path, value) for path, value in _leaves(scenario, "") if not _stated(path, explicit))


def copied(node: Any) -> Any:
    """A copy of nested maps, whose changes leave the original alone."""
    return {key: copied(value) for key, value in node.items()} if isinstance(node, Mapping) else node


def _both_arms(raw: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    scenarios = raw.get("scenario")
    for name, scenario in scenarios.items() if isinstance(scenarios, Mapping) else ():
        world = scenario.get("both_arms") if isinstance(scenario, Mapping) else None
        if world is None:
            continue
        if not isinstance(world, Mapping):
            raise ConfigError("scenario.{name}.both_arms: {value} is not a group of keys", name=name, value=show(world))
        for group in world:
            if group not in BOTH_ARMS_GROUPS:
                hint = nearest(str(group), BOTH_ARMS_GROUPS)
                raise ConfigError(
                    "scenario.{name}.both_arms.{group}: a scenario cannot change this; {allowed}{hint}",
                    name=name, group=group, allowed=listed(BOTH_ARMS_GROUPS), hint=hint,
                )
        yield str(name), world


def _leaves(node: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything that a scenario changes."""
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
    """Note what a scenario changes. Two scenarios may change the same key only to the same value."""
    for other_path, (other, other_value) in written.items():
        overlap = path.startswith(f"{other_path}.") or other_path.startswith(f"{path}.")
        if overlap or (path == other_path and value != other_value):
            raise ConfigError(
                "scenario.{name}.both_arms.{path}: {value}, but scenario.{other}.both_arms.{other_path} is "
                "{other_value}; scenarios that change both arms differently cannot run together",
                name=name, path=path, value=show(value),
                other=other, other_path=other_path, other_value=show(other_value),
            )
    written[path] = (name, value)


class _Anew(dict[str, Any]):
    """What stands in place of a null of the configuration: a world may write what it likes there."""


def _lay(raw: dict[str, Any], path: str, value: Any, full: str) -> None:
    """Put one value of a scenario into the raw configuration, in place."""
    former = gone(path)
    if former is not None:
        raise ConfigError("{key}: {problem}", key=full.removesuffix(path) + former[0], problem=former[1])
    *groups, last = path.split(".")
    node: dict[str, Any] = raw
    anew = False  # below a null of the configuration a world may write what it likes: the settings check it
    for depth, name in enumerate(groups):
        above = ".".join(groups[:depth])
        if name not in node and above not in NEW_NAMES_IN and not anew:
            raise ConfigError("{key}: no such key{hint}", key=full, hint=nearest(name, map(str, node)))
        below = node.setdefault(name, {})
        if below is None:
            below = node[name] = _Anew()
        anew = anew or isinstance(below, _Anew)
        if not isinstance(below, dict):
            # A plain number that the world says more about: {value, range} or {mean, se}.
            below = node[name] = {}
        node = below
    if value is None:
        if last not in node:
            raise ConfigError(
                "{key}: there is no {part} to take away{hint}", key=full, part=last, hint=nearest(last, map(str, node))
            )
        del node[last]
        return
    fresh = ".".join(groups) in NEW_NAMES_IN or ".".join(groups[:-1]) in NEW_NAMES_IN or last in PARTS
    if last not in node and not fresh and not anew:
        raise ConfigError("{key}: no such key{hint}", key=full, hint=nearest(last, map(str, node)))
    node[last] = copied(value)


def lay_company(raw: Mapping[str, Any], explicit: Collection[str] = ()) -> dict[str, Any]:
    """A new raw configuration: the company's `behaviour` is laid over the shared one, then removed.

    `explicit` are dotted keys given by hand: they stay as they are.
    """
    laid: dict[str, Any] = copied(raw)
    company = laid.get("company")
    if not isinstance(company, dict):
        return laid
    for path, node in _own(company.pop("behaviour", None)):
        if not any(key == path or key.startswith(f"{path}.") for key in explicit):
            _lay_in(laid, path.split("."), node)
    return laid


def stated_in_both_arms(raw: Mapping[str, Any], explicit: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """What scenarios change in both arms: where it is stated, and the dotted key."""
    yield from ((f"scenario.{name}.both_arms.{path}", path) for name, path, _ in _changes(raw, explicit))


def stated_of_its_own(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a company's own `behaviour` states: where, and the dotted key that it is laid over."""
    company = raw.get("company")
    for path, _ in _own(company.get("behaviour") if isinstance(company, Mapping) else None):
        yield f"company.{path}", path


def _lay_in(node: Any, parts: list[str], value: Any) -> None:
    for part in parts[:-1]:
        if not isinstance(node, dict):
            return  # the check of the whole will say what is wrong there
        node = node.setdefault(part, {})
    if isinstance(node, dict):
        node[parts[-1]] = value


def _own(node: Any, path: str = "behaviour") -> Iterator[tuple[str, Any]]:
    """Parameters below a company's `behaviour`, with the keys they are laid over."""
    if node is None:
        return
    if not isinstance(node, Mapping):
        raise ConfigError("company.{path}: is not a group of keys; those of behaviour", path=path)
    for key, value in node.items():
        if isinstance(value, Mapping) and not is_parameter(value):
            yield from _own(value, f"{path}.{key}")
        else:
            yield f"{path}.{key}", value
