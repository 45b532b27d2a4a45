"""What is explored: levers with their ranges, the settings that are run, and what may be asked for afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator
from scipy.stats import qmc

from sim.config.parameters import Parameter, Reader, show, tidy, whole_or
from sim.config.sections import Section
from sim.config.settings import Settings
from sim.phrases import ConfigError, nearest
from sim.studies.sweep import Ends, read_ends, scaled

FEWEST_LEVERS, MOST_LEVERS = 2, 5
MOST_SETTINGS = 1024
SMALLER, LARGER = 0.5, 2.0
"""Ends of a lever's range where none is given, as multiples of its present value."""


def _levers(stated: object) -> dict[str, Any]:
    """Ranges by name: of a list of names each lever's own, of a group those that stand there."""
    if isinstance(stated, Mapping):
        return {str(name): read_ends(ends) for name, ends in stated.items()}
    if stated is None:
        return {}
    if isinstance(stated, str) or not isinstance(stated, Sequence):
        raise ConfigError("{value} is not allowed; a list of options, or a group of {{option: [low, high]}}",
                          value=show(stated))  # fmt: skip
    return {str(name): None for name in stated}


def _names(stated: object) -> tuple[str, ...] | str:
    if stated == "auto":
        return "auto"
    if isinstance(stated, str) or not isinstance(stated, Sequence):
        raise ConfigError("{value} is not allowed; auto, or a list of parameters", value=show(stated))
    return tuple(map(str, stated))


def _size(stated: object) -> int | str:
    size = whole_or("auto", FEWEST_LEVERS, MOST_SETTINGS)(stated)
    if isinstance(size, int) and size & (size - 1):
        raise ConfigError("{size} is not allowed; sobol points are balanced for powers of two only", size=size)
    return size


class Plan(Section):
    """What is explored; keys of `conf/explore`."""

    levers: Annotated[dict[str, Ends | None], BeforeValidator(_levers)]
    sliders: Annotated[tuple[str, ...] | str, Reader(_names)] = "auto"
    size: Annotated[int | str, Reader(_size)] = "auto"


class Lever(NamedTuple):
    """An option that is moved, by its dotted path: from low to high, at present there; `whole` numbers or any."""

    key: str
    low: float
    high: float
    present: float
    whole: bool


class Design(NamedTuple):
    """Levers, what each is at in every setting (the plan as stated first), and parameters to ask for afterwards.

    `sliders` is None where the analysis is to choose.
    """

    levers: tuple[Lever, ...]
    settings: tuple[dict[str, float | int], ...]
    sliders: tuple[str, ...] | None


def designed(plan: Plan, settings: Settings) -> Design:
    """The design that a plan asks for. Raises ConfigError where a name is no lever or no slider, or a range is none."""
    if not FEWEST_LEVERS <= len(plan.levers) <= MOST_LEVERS:
        raise ConfigError(
            "explore.levers: {n} levers are named; {fewest} to {most} of {names}",
            n=len(plan.levers), fewest=FEWEST_LEVERS, most=MOST_LEVERS, names=", ".join(sorted(_movable(settings))),
        )  # fmt: skip
    levers = tuple(_lever(name, ends, settings) for name, ends in plan.levers.items())
    sliders = None if isinstance(plan.sliders, str) else tuple(_slider(name, settings) for name in plan.sliders)
    size = _enough(len(levers)) if isinstance(plan.size, str) else plan.size
    if size <= _coefficients(len(levers)):
        raise ConfigError(
            "explore.size: {size} settings are too few for {n} levers; at least {least}",
            size=size, n=len(levers), least=1 << _coefficients(len(levers)).bit_length(),
        )  # fmt: skip
    unit = qmc.Sobol(len(levers), scramble=True, rng=settings.seed).random(size)
    rows = [
        {one.key: scaled(one.low, one.high, one.whole, float(u)) for one, u in zip(levers, row, strict=True)}
        for row in unit
    ]
    present = {one.key: tidy(one.present) for one in levers}
    return Design(levers, (present, *rows), sliders)


def _enough(levers: int) -> int:
    """The smallest power of two that is at least twice the coefficients of a quadratic in so many levers."""
    return 1 << (2 * _coefficients(levers) - 1).bit_length()


def _coefficients(levers: int) -> int:
    return (levers + 1) * (levers + 2) // 2


def _movable(settings: Settings) -> dict[str, str]:
    """Dotted paths of what may be moved, by the part that is named: the option, with what stands before it where two
    interventions have it."""
    paths = [path for path, one in settings.parameters() if path.startswith("scenario.") and isinstance(one, Parameter)]
    options = {path: path.split(".interventions.")[1].partition(".") for path in paths}
    ends = [option for _name, _dot, option in options.values()]
    return {
        option if ends.count(option) == 1 else f"{name}.{option}": path
        for path, (name, _dot, option) in options.items()
    }


def _lever(name: str, ends: Ends | None, settings: Settings) -> Lever:
    movable = _movable(settings)
    path = name if name in movable.values() else movable.get(name)
    if path is None:
        raise ConfigError(
            "explore.levers: {name}: is no number of the scenario's interventions; {names}{hint}",
            name=name, names=", ".join(sorted(movable)) or "none", hint=nearest(name, movable),
        )  # fmt: skip
    present = dict(settings.parameters())[path].value
    assert not isinstance(present, str)
    if ends is None and present <= 0:
        raise ConfigError(
            "explore.levers: {name}: stands at {value:g} at present, which has no half and double; {{{name}: [low, "
            "high]}}",
            name=name, value=present,
        )  # fmt: skip
    is_whole = present == int(present) and present >= LARGER
    low, high, whole = ends or (SMALLER * present, LARGER * present, is_whole)
    if whole:
        low, high = float(int(low)), float(int(high))
    return Lever(path, low, high, float(present), whole)


def _slider(name: str, settings: Settings) -> str:
    """The path of a parameter that differs between points."""
    known = dict(settings.parameters())
    found = [path for path in known if path == name or path.endswith(f".{name}")]
    if len(found) != 1:
        uncertain = [path for path, one in known.items() if one.uncertain]
        raise ConfigError("explore.sliders: {name}: names no single parameter{hint}",
                          name=name, hint=nearest(name, [*found, *uncertain]))  # fmt: skip
    if not known[found[0]].uncertain:
        raise ConfigError(
            "explore.sliders: {name}: is taken as known, so that no two points differ in it; "
            "{key}={{mean: ..., se: ...}} says how well it is known",
            name=name, key=found[0],
        )  # fmt: skip
    return found[0]
