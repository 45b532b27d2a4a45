"""The whole composed configuration, checked.

`load_settings` is the one way in: it takes the plain mapping that the command line composed, lays what scenarios change
in both arms over it, checks every key and value, and either returns frozen `Settings` or raises a `ConfigError` of one
line. Real numbers are `Parameter` (read ``.value``); shares that must sum to one, whole numbers and switches are plain.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import chain
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel

from sim.config.facts import refuse_replaced, replaced
from sim.config.overlays import apply_both_arms, lay_company, stated_in_both_arms, stated_of_its_own
from sim.config.parameters import (
    PARTS,
    Choice,
    Parameter,
    Reader,
    calendar_date,
    show,
    tidy,
    whole,
    whole_or,
    word,
)
from sim.config.seasons import Calendar, check_rests, in_horizon
from sim.config.sections import (
    LAST_CALL,
    Behaviour,
    Company,
    Market,
    Name,
    Personas,
    Scenario,
    Section,
    StatedIntervention,
)
from sim.phrases import ConfigError, keyed, listed, nearest

# ------------------------------------------------------------------------------------------------- settings


def _block(value: object) -> Literal["all"] | tuple[int, int]:
    """Reader of which points are run: all, or a pair of numbers, the first point and the one after the last."""
    if value == "all":
        return "all"
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise ConfigError("{value} is not allowed; all, or [first, until] of the points", value=show(value))
    first, until = (whole(0, 100_000)(end) for end in value)
    if first >= until:
        raise ConfigError("{value} is not allowed; [first, until] with first below until", value=show(value))
    return first, until


class Settings(Section):
    """Everything a run depends on. Frozen; `at` gives a changed copy."""

    customers: Annotated[int, whole(100, 20_000_000)]
    days: Annotated[int, whole(28, 3650)]
    burn_in: Annotated[int, whole(30, 3650)]
    seed: Annotated[int, whole(0, 2**53)]
    replications: Annotated[int | Literal["auto"], whole_or("auto", 2, 100_000)]
    points: Annotated[Literal["all"] | tuple[int, int], Reader(_block)]
    arms: Annotated[Literal["all", "total"], word("all", "total")]
    engine: Annotated[Literal["column", "agent"], word("column", "agent")]
    threads: Annotated[int | Literal["auto"], whole_or("auto", 1, 1024)]
    start_date: Annotated[date, Reader(calendar_date)]
    events: Annotated[int, whole(0, 20_000_000)]
    language: Annotated[Literal["en", "ja"], word("en", "ja")]
    company: Company
    personas: Personas
    market: Market
    calendar: Calendar
    behaviour: Behaviour
    scenario: dict[Name, Scenario]

    @property
    def first_date(self) -> date:
        """Date of the first simulated day, that of the burn-in."""
        return self.start_date - timedelta(days=self.burn_in)

    def parameters(self) -> list[tuple[str, Parameter | Choice]]:
        """Every parameter with its dotted path, known ones included, sorted by path."""
        return sorted(_parameters(self, ""), key=lambda found: found[0])

    def at(self, point: Mapping[str, float | str]) -> Settings:
        """A copy with the parameters at these dotted paths put at these values and taken as known.

        Raises ConfigError for a path that is no parameter and for a value outside its hard bounds.
        """
        changed: Any = self
        for path, value in point.items():
            try:
                changed = _put(changed, path.split("."), value)
            except KeyError:
                known = [name for name, _ in self.parameters()]
                raise ConfigError("{key}: no such parameter{hint}", key=path, hint=nearest(path, known)) from None
            except ConfigError as error:
                raise keyed(path, error) from None
        return cast(Settings, changed)


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    """The named parts below a node; an intervention's options stand directly under it, as in its file."""
    if isinstance(node, StatedIntervention):
        yield from node.options.items()
    elif isinstance(node, BaseModel):
        yield from ((name, getattr(node, name)) for name in type(node).model_fields)
    elif isinstance(node, dict):
        yield from node.items()


def _parameters(node: Any, path: str) -> Iterator[tuple[str, Parameter | Choice]]:
    if isinstance(node, Parameter | Choice):
        yield path, node
    elif not isinstance(node, Scenario):
        for name, child in _children(node):
            yield from _parameters(child, f"{path}.{name}" if path else name)
    else:
        yield from _parameters(node.interventions, f"{path}.interventions")


def _put(node: Any, parts: list[str], value: float | str) -> Any:
    """A copy of the node with the parameter at the path below it replaced. Raises KeyError where none is."""
    if not parts:
        if not isinstance(node, Parameter | Choice):
            raise KeyError
        return node.at(value)
    if isinstance(node, Parameter | Choice):
        raise KeyError
    name, rest = parts[0], parts[1:]
    child = _put(dict(_children(node))[name], rest, value)
    if isinstance(node, StatedIntervention):
        return node.model_copy(update={"options": {**node.options, name: child}})
    if isinstance(node, BaseModel):
        return node.model_copy(update={name: child})
    return {**node, name: child}


# --------------------------------------------------------------------------------------------------- way in


def load_settings(raw: Mapping[str, Any], explicit: Collection[str] = ()) -> Settings:
    """Check a raw configuration and return it as `Settings`.

    The company's `behaviour` is laid over it first, then what scenarios change in both arms. `explicit` are the dotted
    keys given by hand, which win over both. What follows from the company's facts is taken as known. Raises ConfigError
    of one line (key, value, what is allowed, nearest right key).
    """
    if not isinstance(raw, Mapping):
        raise ConfigError("the configuration is {value}; a group of keys is expected", value=show(raw))
    _no_code(raw, "")
    _scenarios_stand_apart(raw.get("scenario"))
    laid = apply_both_arms(lay_company(raw, explicit), explicit)
    try:
        settings = Settings.read(laid)
        refuse_replaced(settings.company.facts, raw, explicit)
        settings = _following_facts(_dates_as_days(settings))
        for check in _CROSS_CHECKS:
            check(settings)
    except ConfigError as error:
        raise _where_stated(error, raw, explicit) from None
    return settings


def _where_stated(error: ConfigError, raw: Mapping[str, Any], explicit: Collection[str]) -> ConfigError:
    """The error with its key as it was written, where a scenario or the company has laid it over the shared one."""
    key = str(error.values.get("key", ""))
    laid = chain(stated_in_both_arms(raw, explicit), stated_of_its_own(raw))
    for where, path in laid if key else ():
        if f"{key}.".startswith(f"{path}.") or path.removeprefix(f"{key}.") in PARTS:
            return ConfigError(error.message, **{**error.values, "key": where.removesuffix(path) + key})
    return error


def _following_facts(settings: Settings) -> Settings:
    """The settings in which what follows from the firm's facts is taken as known: points do not differ in it."""
    follows = replaced(settings.company.facts)
    return settings.at({path: one.value for path, one in settings.parameters() if path in follows})


def variant_names(settings: Settings) -> list[tuple[str, str]]:
    """(scenario, variant) of every variant that the scenarios state, in their order."""
    return [(name, variant) for name, scenario in settings.scenario.items() for variant in scenario.variants]


def with_variant(settings: Settings, name: str, variant: str) -> Settings:
    """The settings with a variant's options in place of those that scenario `name` states, and without variants.

    Raises ConfigError where a key of the variant leads to no intervention, or an intervention begins too late.
    """
    stated = settings.scenario[name]
    changed = dict(stated.interventions)
    for key, value in stated.variants[variant].items():
        where, option = _option_of(key, changed)
        changed[where] = changed[where].model_copy(update={"options": {**changed[where].options, option: value}})
    scenarios = {other: one.model_copy(update={"variants": {}}) for other, one in settings.scenario.items()}
    scenarios[name] = scenarios[name].model_copy(update={"interventions": changed})
    found = _dates_as_days(settings.model_copy(update={"scenario": scenarios}))
    _check_windows(found)
    return found


def _option_of(key: str, interventions: Mapping[str, StatedIntervention]) -> tuple[str, str]:
    """(intervention, option) that a variant's key names."""
    name, dot, option = key.partition(".")
    if dot and name in interventions:
        return name, option
    if len(interventions) == 1 and not dot:
        return next(iter(interventions)), key
    raise ConfigError(
        "{key}: names no intervention; a variant's keys are intervention.option, of {names}",
        key=key, names=listed(interventions) if interventions else "none",
    )


def _dates_as_days(settings: Settings) -> Settings:
    """The settings with the dates of interventions, their `start` and their last day as `days`, as numbers of days."""
    scenarios = {}
    for name, scenario in settings.scenario.items():
        dated = {}
        for key, stated in scenario.interventions.items():
            try:
                dated[key] = stated.model_copy(update={"options": _window_in_days(stated.options, settings)})
            except ConfigError as error:
                raise ConfigError(
                    "scenario.{scenario}.interventions.{key}.{problem}", scenario=name, key=key, problem=error
                ) from None
        scenarios[name] = scenario.model_copy(update={"interventions": dated})
    return settings.model_copy(update={"scenario": scenarios})


def _window_in_days(options: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """An intervention's options with `start` as a day of the horizon and `days` as a number of them."""
    found = dict(options)
    first, last = settings.start_date, settings.start_date + timedelta(days=settings.days - 1)
    for key in ("start", "days"):
        if not isinstance(found.get(key), str):
            continue
        try:
            if key == "days":  # its last day
                first += timedelta(days=_known_start(found))
            day = (in_horizon(found[key], first, last) - first).days
        except ConfigError as error:
            raise keyed(key, error) from None
        found[key] = Parameter(value=float(day + (key == "days")))
    return found


def _known_start(options: Mapping[str, Any]) -> int:
    start = options.get("start", Parameter(value=0.0))
    if not isinstance(start, Parameter) or start.uncertain:
        raise ConfigError("a last date needs a start that is taken as known")
    return int(start.value)


def _no_code(node: Any, path: str) -> None:
    """Refuse every key that begins with an underscore: such keys make loaders build objects."""
    if isinstance(node, list | tuple):
        for place, item in enumerate(node):
            _no_code(item, f"{path}[{place}]")
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        here = f"{path}.{key}" if path else str(key)
        if str(key).startswith("_"):
            raise ConfigError("{key}: keys that begin with _ are refused; a configuration names no code", key=here)
        _no_code(value, here)


def _scenarios_stand_apart(scenarios: Any) -> None:
    """Each scenario stands under its own name, which its file's header gives it."""
    if not scenarios:
        raise ConfigError("scenario: is empty; name at least one, for instance scenario=baseline")
    if not isinstance(scenarios, Mapping):
        raise ConfigError("scenario: {value} is not allowed; names of files in conf/scenario", value=show(scenarios))
    for key in Scenario.model_fields:
        if key in scenarios:
            raise ConfigError(
                "scenario.{key}: stands under no scenario's name; the file's first line must be `# @package "
                "scenario.NAME`, NAME being the file's name",
                key=key,
            )


def _sum_to_one(path: str, shares: Mapping[str, float]) -> None:
    total = sum(shares.values())
    if abs(total - 1.0) > 1e-6:
        parts = ", ".join(f"{name} {share:g}" for name, share in shares.items()) or "no shares"
        raise ConfigError("{key}: {parts} sum to {total:g}; shares must sum to 1", key=path, parts=parts, total=total)


def _check_shares(settings: Settings) -> None:
    _sum_to_one("personas.mix", {name: one.share for name, one in settings.personas.mix.items()})
    _sum_to_one("market.status", dict(_children(settings.market.status)))
    _sum_to_one("company.channels", dict(_children(settings.company.channels)))
    topics = sum(topic.value for topic in settings.market.topics.values())
    if topics > 1.0 + 1e-6:
        raise ConfigError("market.topics: shares sum to {topics:g}; at most 1", topics=topics)


def _check_rests(settings: Settings) -> None:
    check_rests(settings.calendar, settings.first_date, settings.burn_in + settings.days)


def _check_windows(settings: Settings) -> None:
    """An intervention must begin within the horizon."""
    for name, scenario in settings.scenario.items():
        for key, intervention in scenario.interventions.items():
            start = intervention.options.get("start")
            if isinstance(start, Parameter) and not 0 <= start.value < settings.days:
                raise ConfigError(
                    "scenario.{name}.interventions.{key}.start: {value:g} lies outside the horizon; from 0 to {last}",
                    name=name, key=key, value=start.value, last=settings.days - 1,
                )
            days = intervention.options.get("days")
            if isinstance(days, Parameter) and days.value < 1:
                raise ConfigError(
                    "scenario.{name}.interventions.{key}.days: {value:g} is not allowed; at least 1",
                    name=name, key=key, value=days.value,
                )


def _check_classes(settings: Settings) -> None:
    """A parcel cannot be due before it is shipped."""
    for name, one in _children(settings.company.classes):
        if one.transit > one.lead:
            raise ConfigError(
                "company.classes.{name}.transit: {transit} exceeds the lead; at most {lead}",
                name=name, transit=one.transit, lead=one.lead,
            )


def _check_desk(settings: Settings) -> None:
    desk = settings.company.desk
    if desk.opens + desk.hours > LAST_CALL:
        raise ConfigError(
            "company.desk.hours: {hours} runs past 22:00; at most {most}", hours=desk.hours, most=LAST_CALL - desk.opens
        )


MOST_TIES = 1 << 31
"""Ends of ties that a network can index."""


def _check_facts(settings: Settings) -> None:
    """A capacity needs a ratio or the on-time rate, a repeat share the other two facts about buyers."""
    company, facts = settings.company, settings.company.facts
    if company.capacity_ratio is None and facts.on_time is None:
        raise ConfigError("company.capacity_ratio: is null, and so is company.facts.on_time; one of them is needed")
    if facts.repeat_share is not None and (facts.orders_a_month is None or facts.active_customers is None):
        raise ConfigError("company.facts.repeat_share: needs orders_a_month and active_customers beside it")


def _check_network(settings: Settings) -> None:
    degree = settings.market.network.degree
    largest = max(degree.value, degree.high or 0.0, *degree.options)
    if largest >= settings.customers:
        raise ConfigError(
            "market.network.degree: {value:g} is too many; below customers={customers}",
            value=largest, customers=settings.customers,
        )
    if (largest + 1.0) * settings.customers >= MOST_TIES:  # rounded to an even number
        most = int(MOST_TIES / settings.customers) - 1
        raise ConfigError(
            "market.network.degree: {value:g} is too many for customers={customers}; at most {most}",
            value=largest, customers=settings.customers, most=most,
        )


def _check_jointly(settings: Settings) -> None:
    """`Jointly` must name parameters, one per row of its matrix."""
    jointly = settings.company.jointly
    if jointly is None:
        return
    if len(jointly.parameters) != len(jointly.correlation):
        raise ConfigError(
            "company.jointly: {parameters} parameters and {rows} rows of correlation",
            parameters=len(jointly.parameters), rows=len(jointly.correlation),
        )
    known = [name for name, _ in settings.parameters()]
    for name in jointly.parameters:
        if name not in known:
            raise ConfigError(
                "company.jointly.parameters: {name}: no such parameter{hint}", name=name, hint=nearest(name, known)
            )


def _check_points(settings: Settings) -> None:
    """A block of points is part of a design whose size is known."""
    if settings.points == "all":
        return
    if settings.replications == "auto":
        raise ConfigError("points: a block of points needs replications as a number")
    if settings.points[1] > settings.replications:
        raise ConfigError(
            "points: {value} is beyond the design; at most {replications}",
            value=settings.points[1], replications=settings.replications,
        )


_CROSS_CHECKS = (
    _check_jointly, _check_points, _check_shares, _check_rests, _check_windows, _check_classes,
    _check_desk, _check_facts, _check_network,
)


# -------------------------------------------------------------------------------------------------- way out

NOT_INPUTS = ("engine", "threads")
"""Keys that change how a run is computed and never what it answers."""

NOT_ANSWERS = ("language",)
"""Keys that change how an answer is told."""


def resolved(settings: Settings) -> dict[str, Any]:
    """The plain configuration as it was run, for config.yaml; with engine and threads it can be loaded again.

    What scenarios change in both arms is in it already and left out: a scenario cannot delete a peak twice.
    """
    return {name: _plain(child) for name, child in _children(settings) if name not in NOT_INPUTS}


def _plain(node: Any) -> Any:
    if isinstance(node, Parameter | Choice):
        return node.plain()
    if isinstance(node, Scenario):
        title = {} if node.title is None else {"title": node.title.model_dump(exclude_none=True)}
        variants = {"variants": _plain(node.variants)} if node.variants else {}
        return title | {"description": node.description, "interventions": _plain(node.interventions)} | variants
    if isinstance(node, StatedIntervention):
        return {"kind": node.kind} | {key: _plain(option) for key, option in node.options.items()}
    if isinstance(node, (BaseModel, dict)):
        return {key: _plain(child) for key, child in _children(node)}
    if isinstance(node, list | tuple):
        return [_plain(item) for item in node]
    if isinstance(node, date):
        return node.isoformat()
    return tidy(node) if isinstance(node, float) else node
