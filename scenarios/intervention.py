"""Interventions: the base class, the registry, and what a scenario file becomes.

A new intervention is a class of some twenty lines: its options, each a field with a reader, and one method. `on_visits`
makes offers to the day's visitors, of whom it sees what a firm logs; `chooses` picks the receivers of a push or an
e-mail; `changes` says what is different about the company. A scenario file names a registered kind and its options, and
can run no code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.fields import FieldInfo

from sim.company.offers import Treatment
from sim.config.parameters import Choice, Grade, Parameter, Reader, is_parameter, parameter, real, show, whole
from sim.config.sections import Section, StatedIntervention
from sim.config.settings import Settings, variant_names, with_variant
from sim.phrases import ConfigError, Phrase, keyed, nearest

FOR_EVER = 1 << 20

REACH = 6.0
"""Standard errors around the mean of the firm's own evidence that are checked: one value in 10^9 lies beyond."""

BETWEEN = 0.618
"""Share of the way from low to high at which a range is checked too: such that it hits no whole number."""

Mask = NDArray[np.bool_]

Days = Annotated[int, whole(1, FOR_EVER)]

REGISTRY: dict[str, type[Intervention]] = {}


class Costs(Section):
    """What an intervention costs the firm as a whole, yen: once as it starts, and each day on which it acts."""

    setup: Annotated[float, real(0.0, 1e12)] = 0.0
    per_day: Annotated[float, real(0.0, 1e12)] = 0.0


def read_costs(stated: object) -> Costs:
    """Reader of costs."""
    if isinstance(stated, Costs):
        return stated
    if not isinstance(stated, Mapping):
        raise ConfigError(
            "{value} is no group of costs; a group of {names}", value=show(stated), names=", ".join(Costs.model_fields)
        )
    return Costs.read(stated)


@dataclass(frozen=True)
class Prior:
    """The default of an option that a scenario file may leave out although it is not known."""

    known: Parameter | Mapping[str, Parameter]

    def __call__(self) -> Any:
        """The central value, for an intervention made in Python without a scenario file."""
        return self.known.value if isinstance(self.known, Parameter) else Costs.read(_plain(self.known))

    def plain(self) -> Any:
        """As a scenario file would state it."""
        if isinstance(self.known, Parameter):
            return self.known.plain()
        return {name: one.plain() for name, one in self.known.items()}


USUAL_COSTS = Prior({
    "setup": Parameter(
        value=500_000, low=100_000, high=2_000_000, unit="yen", grade="judgement", source="some weeks of one person"
    ),
    "per_day": Parameter(
        value=1000, low=200, high=5000, unit="yen/day", grade="judgement", source="some hours of one person a month"
    ),
})  # fmt: skip
"""Costs that are filled in where a scenario file states none."""


class Intervention(Treatment, Section):
    """Base of all interventions: a name, and a window of days in which it acts. Fields with a reader are options."""

    kind: ClassVar[str] = ""

    name: str
    start: Annotated[int, whole(0, 3650)] = 0
    days: Days = FOR_EVER
    costs: Annotated[Costs, Reader(read_costs)] = Field(default_factory=USUAL_COSTS)

    @classmethod
    def configured(cls, name: str, options: Mapping[str, Any], settings: Settings) -> Self:
        """The intervention of these options in a scenario file; override it to check or use other settings.

        Raises ConfigError naming the option, its value and what is allowed; for an unknown one the nearest right name.
        """
        known = options_of(cls)
        for key in options:
            if key not in known:
                options_are = Phrase("; options are {names}", names=", ".join(known))
                raise ConfigError("{key}: no such option{hint}", key=key, hint=nearest(key, known) or options_are)
        for key, option in known.items():
            if option.is_required() and key not in options:
                raise ConfigError("{key}: is missing; the options are {names}", key=key, names=', '.join(known))
        return cls.read({"name": name} | {key: _plain(stated) for key, stated in options.items()})

    @classmethod
    def idle(cls, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of options that have no effect given these: their priors are not filled in."""
        return ()

    def active(self, day: int) -> bool:
        """Whether the intervention acts on `day`."""
        return self.start <= day < self.start + self.days

    def cost_on(self, day: int) -> float:
        """What it costs the firm as a whole on `day`, yen."""
        return (self.costs.setup if day == self.start else 0.0) + (self.costs.per_day if self.active(day) else 0.0)


Kind = TypeVar("Kind", bound=type[Intervention])


def register(kind: str) -> Callable[[Kind], Kind]:
    """Decorator: make an intervention class known to scenario files under this name.

    The same class may come again, as it does in a notebook. Raises ConfigError where the name is another class's.
    """

    def known(cls: Kind) -> Kind:
        ours, theirs = (f"{one.__module__}.{one.__qualname__}" for one in (cls, REGISTRY.get(kind, cls)))
        if ours != theirs:
            raise ConfigError(
                "kind: {kind!r} is the name of {theirs} already; another one for {ours}",
                kind=kind, theirs=theirs, ours=ours,
            )
        cls.kind = kind
        REGISTRY[kind] = cls
        return cls

    return known


def options_of(cls: type[Intervention]) -> dict[str, FieldInfo]:
    """The options of a kind, by name: its fields that have a reader."""
    return {name: field for name, field in cls.model_fields.items() if _readers(field)}


def reader_of(option: FieldInfo) -> Reader[Any]:
    """The reader of an option."""
    return _readers(option)[0]


def _readers(field: FieldInfo) -> list[Reader[Any]]:
    return [note for note in field.metadata if isinstance(note, Reader)]


def uncertain(
    value: float, low: float, high: float, unit: str, source: str = "recalled", grade: Grade = "judgement"
) -> Any:
    """Default of an option that is not known: where a scenario file leaves it out, this prior is filled in."""
    known = Parameter(value=value, low=low, high=high, unit=unit, grade=grade, source=source)
    return Field(default_factory=Prior(known))


def _plain(stated: Any) -> Any:
    """The value of a stated parameter, an int if whole; of a group of options, each one's value."""
    if isinstance(stated, Mapping):
        return {key: _plain(one) for key, one in stated.items()}
    value = stated.value if hasattr(stated, "value") else stated
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_claimed(stated: Any) -> bool:
    """Whether an option as stated is a number that somebody with an interest in it claims."""
    return isinstance(stated, Parameter) and stated.grade == "claimed"


def completed(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The raw configuration with the priors of all options that scenario files leave out.

    So the grade of every number is recorded, however short the file.
    """
    _load_all()
    scenarios = raw.get("scenario")
    if not isinstance(scenarios, Mapping):
        return dict(raw)
    return dict(raw) | {"scenario": {name: _completed_scenario(one) for name, one in scenarios.items()}}


def _completed_scenario(scenario: Any) -> Any:
    interventions = scenario.get("interventions") if isinstance(scenario, Mapping) else None
    if not isinstance(interventions, Mapping):
        return scenario
    return {**scenario, "interventions": {key: _completed(one) for key, one in interventions.items()}}


def _completed(stated: Any) -> Any:
    kind = stated.get("kind") if isinstance(stated, Mapping) else None
    if not isinstance(kind, str) or kind not in REGISTRY:
        return stated
    cls = REGISTRY[kind]
    known, idle = options_of(cls), cls.idle(stated)
    left_out = {name: option.default_factory for name, option in known.items() if name not in (*stated, *idle)}
    priors = {name: prior.plain() for name, prior in left_out.items() if isinstance(prior, Prior)}
    return {name: _bounded(one, known.get(name)) for name, one in stated.items()} | priors


def _bounded(stated: Any, option: FieldInfo | None) -> Any:
    """An option stated as the firm's own evidence, with the option's hard bounds, which cut its distribution."""
    if option is None or not is_parameter(stated) or "mean" not in stated:
        return stated
    try:
        return parameter(*reader_of(option).bounds)(stated)
    except ConfigError:  # told where the options are read, which names the key
        return stated


def build(name: str, stated: StatedIntervention, settings: Settings) -> Intervention:
    """One intervention from its part of a scenario file. Raises ConfigError."""
    _load_all()
    if stated.kind not in REGISTRY:
        hint = nearest(stated.kind, REGISTRY)
        raise ConfigError(
            "kind: {kind!r} is no registered intervention; {names}{hint}",
            kind=stated.kind, names=', '.join(sorted(REGISTRY)), hint=hint,
        )
    cls = REGISTRY[stated.kind]
    found = cls.configured(name, stated.options, settings)
    for varied in uncertain_options(stated.options):
        try:
            cls.configured(name, varied.options, settings)
        except ConfigError as error:
            key = ".".join(varied.path)
            if varied.span:
                raise ConfigError(
                    "{key}: {span} is not allowed; a list of options, each a whole number", key=key, span=varied.span
                ) from None
            raise keyed(key, _without(varied.path, error)) from None
    return found


class UncertainOption(NamedTuple):
    """Options in which one uncertain value is replaced by a value that a replication may use.

    `path` leads to that value. `span` is the range in words where the value lies strictly within it, else empty.
    """

    path: tuple[str, ...]
    options: Any
    span: str = ""


def uncertain_options(stated: Any, path: tuple[str, ...] = ()) -> Iterator[UncertainOption]:
    """Variations of the options that must all be allowed, or a replication might fail: each uncertain value in turn at
    each of its choices, or at the ends of its range and at one value between."""
    if isinstance(stated, Mapping):
        for key, one in stated.items():
            for varied in uncertain_options(one, (*path, str(key))):
                yield varied._replace(options={**stated, key: varied.options})
    elif isinstance(stated, Parameter | Choice):
        for option in stated.options:
            yield UncertainOption((*path, "options"), stated.model_copy(update={"value": option}))
        if isinstance(stated, Parameter) and not stated.options and stated.uncertain:
            yield from _along(stated, path)


def _along(stated: Parameter, path: tuple[str, ...]) -> Iterator[UncertainOption]:
    """A number at the lowest and highest value that a replication may use, and at one between."""
    part, (low, high) = "range" if stated.se is None else "se", _reach(stated)
    for value in (low, high):
        yield UncertainOption((*path, part), stated.model_copy(update={"value": value}))
    between = low + BETWEEN * (high - low)
    yield UncertainOption((*path, part), stated.model_copy(update={"value": between}), f"{low:g} to {high:g}")


def _reach(stated: Parameter) -> tuple[float, float]:
    if stated.mean is None or stated.se is None:
        return stated.low or 0.0, stated.high or 0.0
    low, high = stated.mean - REACH * stated.se, stated.mean + REACH * stated.se
    return max(low, stated.bounds.low), min(high, stated.bounds.high)


def _without(path: tuple[str, ...], error: Phrase) -> Phrase:
    """An error without its key, where that is one at or above `path`."""
    key, problem = str(error.values.get("key")), error.values.get("problem")
    above = ".".join(path) == key or ".".join(path).startswith(f"{key}.")
    return problem if above and isinstance(problem, Phrase) else error


def _load_all() -> None:
    """Import every module of this package: each registers its interventions."""
    import scenarios
    from scenarios import own

    for module in iter_modules(scenarios.__path__):
        import_module(f"scenarios.{module.name}")
    own.load_all()


def _check_variant(settings: Settings, scenario: str, variant: str) -> None:
    """Raises ConfigError where a variant's interventions cannot be built."""
    try:
        treated_arms(with_variant(settings, scenario, variant))
    except ConfigError as error:
        problem: object = error.values.get("problem", error)
        name = error.values.get("key")
        if f"{name}.{str(problem).partition(':')[0]}" in settings.scenario[scenario].variants[variant]:
            problem = Phrase("{name}.{problem}", name=name, problem=problem)
        raise ConfigError(
            "scenario.{scenario}.variants.{variant}: {problem}", scenario=scenario, variant=variant, problem=problem
        ) from None


Placed = tuple[tuple[int, Intervention], ...]
"""Interventions with their numbers in the configuration. Draws that a customer keeps (variant, holdout) depend on that
number, so that a scenario has the same ones alone and combined."""


def treated_arms(settings: Settings) -> dict[str, Placed]:
    """The interventions of each treated arm: of each scenario by its name, and if several, of all under `A+B`.

    Raises ConfigError naming scenario, intervention and option; of variants too, which have no part in what is
    returned.
    """
    placed: dict[str, Placed] = {}
    number = 0
    for scenario, content in settings.scenario.items():
        own = []
        for key, stated in content.interventions.items():
            try:
                own.append((number, build(key, stated, settings)))
            except ConfigError as error:
                raise ConfigError(
                    "scenario.{scenario}.interventions.{key}.{problem}", scenario=scenario, key=key, problem=error
                ) from None
            number += 1
        if own:
            placed[scenario] = tuple(own)
    if number > 8:
        raise ConfigError("scenario: {number} interventions at once; at most 8", number=number)
    if len(placed) > 1:
        placed["+".join(placed)] = tuple(one for own in placed.values() for one in own)
    for scenario, variant in variant_names(settings):
        _check_variant(settings, scenario, variant)
    return placed
