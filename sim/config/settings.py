"""The whole composed configuration, checked.

`load_settings` is the one way in: it takes the plain mapping that the command line composed, lays the
scenarios' worlds over it, checks every key and value, and either returns frozen `Settings` or raises a
`ConfigError` of one line. Real numbers are `Parameter` (read ``.value``); shares that must sum to one, whole
numbers and switches are plain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, cast

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from sim.config.evidence import lay_company
from sim.config.overlays import apply_worlds
from sim.config.parameters import (
    Bounds,
    Choice,
    ConfigError,
    NotNegative,
    Number,
    Parameter,
    Positive,
    Probability,
    Share,
    Switch,
    Text,
    choice,
    day_of_year,
    is_parameter,
    listed,
    nearest,
    number,
    parameter,
    show,
    text,
    tidy,
    whole,
    whole_or,
    word,
)

__all__ = [
    "Choice",
    "ConfigError",
    "Parameter",
    "Settings",
    "apply_worlds",
    "load_settings",
    "resolved",
]

NAME = re.compile(r"[^\W_][\w-]*")
"""Names a user gives: they become parts of dotted paths, of arms and of file names."""


class Section(BaseModel):
    """A part of the configuration. Its errors name the nearest right key."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    of: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, node: Any) -> Any:
        if isinstance(node, BaseModel):
            return node
        if not isinstance(node, Mapping):
            raise ConfigError(f"{show(node)} is not a group of keys; {listed(cls.model_fields)}")
        for key in node:
            if key not in cls.model_fields:
                hint = nearest(str(key), cls.model_fields)
                raise UnknownKey(str(key), f"no such key; {listed(cls.model_fields)}{hint}")
        return node


class UnknownKey(ConfigError):
    """A key that does not exist, so that its own path can be told rather than its group's."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _name(value: object) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ConfigError(f"{show(value)} is not a name; letters, digits, _ and -, a letter or digit first")
    return value


Name = Annotated[str, BeforeValidator(_name)]


# ------------------------------------------------------------------------------------------------ behaviour


class Awareness(Section):
    """Hazards of becoming aware, 1/year."""

    ad_hazard: NotNegative
    talk_hazard: NotNegative


class Talk(Section):
    """Word of mouth."""

    base: Probability
    positive: NotNegative
    negative: NotNegative
    half_life: Positive
    negative_weight: NotNegative
    talkativeness_sd: NotNegative


class Beliefs(Section):
    """How expectations move."""

    hearsay_rate: Probability
    experience_rate: Probability
    initial_sd: NotNegative


class Visits(Section):
    """When a customer comes by."""

    prospect_rate: NotNegative
    coupon_acceleration: NotNegative
    forward_bought: Probability
    activation_lift: NotNegative


InnerProbability = Annotated[Parameter, BeforeValidator(parameter(Bounds(1e-6, 1.0 - 1e-6)))]
"""A probability whose logit is taken."""


class Purchase(Section):
    """Conversion and its slopes."""

    conversion_customer: InnerProbability
    conversion_prospect: InnerProbability
    expectation_slope: NotNegative
    price_slope: NotNegative
    delivery_slope: NotNegative


class Delivery(Section):
    """Choice of the delivery class."""

    utility_standard: Number
    utility_norush: Number
    waiting_cost: NotNegative
    waiting_cost_sd: NotNegative
    fee_slope: NotNegative
    coupon_weight: NotNegative


class Coupons(Section):
    """What becomes of coupons."""

    redemption: Probability


class Experience(Section):
    """From what happened to satisfaction."""

    noise_sd: NotNegative
    weight_site: NotNegative
    weight_delivery: NotNegative
    weight_product: Positive
    weight_store: NotNegative
    gain_weight: NotNegative
    loss_aversion: NotNegative
    mean_weight: Probability
    memory: Probability
    value_weight: NotNegative
    wait_weight: NotNegative
    late_penalty: NotNegative
    late_half: Positive
    late_power: Positive
    early_gain: NotNegative


class Support(Section):
    """Contacts with the support desk and what they do."""

    contact_base: Probability
    contact_bad: Probability
    bad_below: Number
    resolution: Probability
    recovery: Probability
    unresolved: NotNegative
    wait_penalty: NotNegative


CLOCKS = ("time", "episode")


class Attrition(Section):
    """Silent lapse."""

    clock: Annotated[Choice, BeforeValidator(choice(*CLOCKS))]
    satisfaction_slope: NotNegative
    activation_slope: NotNegative
    competitor_slope: NotNegative
    idleness: NotNegative


class Messages(Section):
    """Response to popups."""

    shrink: Probability
    popup_click: InnerProbability
    match_slope: Number
    match_floor: Probability
    match_depth: Probability
    fatigue_slope: NotNegative
    fatigue_half_life: Positive
    annoyance: NotNegative
    click_bonus: NotNegative


class Survey(Section):
    """From satisfaction to an answer of 0 to 10, and who answers."""

    intercept: Number
    slope: NotNegative
    style_sd: NotNegative
    noise_sd: NotNegative
    respond: Number
    respond_extreme: Number
    respond_customer: Number


class Behaviour(Section):
    """How customers behave."""

    awareness: Awareness
    talk: Talk
    beliefs: Beliefs
    visits: Visits
    choice: Purchase
    delivery: Delivery
    coupons: Coupons
    experience: Experience
    support: Support
    attrition: Attrition
    messages: Messages
    survey: Survey


# -------------------------------------------------------------------------------------------------- company


class BgNbd(Section):
    """BG/NBD fit, weeks."""

    r: Positive
    alpha: Positive
    a: Positive
    b: Positive


class ParetoNbd(Section):
    """Pareto/NBD fit, weeks."""

    r: Positive
    alpha: Positive
    s: Positive
    beta: Positive


class GammaGamma(Section):
    """Gamma-gamma fit of basket values, yen. The mean basket exists for q above one only."""

    p: Positive
    q: Annotated[Parameter, BeforeValidator(parameter(Bounds(1.0, above=True)))]
    gamma: Positive


class Fits(Section):
    """Purchase, dropout and spend as fitted to a log."""

    bg_nbd: BgNbd
    pareto_nbd: ParetoNbd
    gamma_gamma: GammaGamma
    source: Text
    grade: Annotated[str, BeforeValidator(word("measured", "claimed", "judgement"))]


class Quality(Section):
    """Mean quality of each touchpoint, su."""

    site: Number
    store: Number
    delivery: Number
    product: Number


class Shares(Section):
    """Shares of visits by channel; they sum to one."""

    web: Share
    app: Share
    store: Share


class Friction(Section):
    """Effort of ordering by channel, logit."""

    web: Number
    app: Number
    store: Number


class DeliveryClass(Section):
    """One delivery class: promised lead and transit in days (transit within lead), fee and cost in yen."""

    lead: Annotated[int, BeforeValidator(whole(1, 60))]
    transit: Annotated[int, BeforeValidator(whole(1, 60))]
    fee: NotNegative
    cost: NotNegative


class Classes(Section):
    """The delivery classes."""

    express: DeliveryClass
    standard: DeliveryClass
    norush: DeliveryClass


FIRST_CALL, LAST_CALL = 6 * 60, 22 * 60
"""Minutes of the day between which a desk can be open: after the morning's deliveries, before episodes are settled."""


class Desk(Section):
    """The support desk, minutes; `opens` is the minute of the day, `hours` the minutes open."""

    service_minutes: Positive
    patience_minutes: Positive
    opens: Annotated[int, BeforeValidator(whole(FIRST_CALL, LAST_CALL - 1))]
    hours: Annotated[int, BeforeValidator(whole(1, LAST_CALL - FIRST_CALL))]
    load: Annotated[Parameter, BeforeValidator(parameter(Bounds(0.0, 10.0, above=True)))]
    cost_per_minute: NotNegative


class Jointly(Section):
    """What the firm's evidence says of several parameters together: the correlation of their normal scores."""

    parameters: Annotated[tuple[str, ...], BeforeValidator(lambda value: tuple(_list_of(text, value)))]
    correlation: Annotated[tuple[tuple[float, ...], ...], BeforeValidator(lambda value: _correlation(value))]


def _list_of(read: Callable[[object], Any], value: object) -> list[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError(f"{show(value)} is not a list")
    return [read(item) for item in value]


def _correlation(value: object) -> tuple[tuple[float, ...], ...]:
    """Reader of a correlation matrix, given as a list of its rows."""
    rows = tuple(tuple(_list_of(number, row)) for row in _list_of(lambda row: row, value))
    square = bool(rows) and all(len(row) == len(rows) for row in rows)
    matrix = np.array(rows) if square else np.zeros((1, 1))
    if not (np.diag(matrix) == 1.0).all() or not (matrix == matrix.T).all() or np.linalg.eigvalsh(matrix)[0] <= 0.0:
        raise ConfigError("is no correlation matrix; as many rows as columns, symmetric, 1 on the diagonal, definite")
    return rows


class OptIn(Section):
    """Shares of customers who agree to off-site messages."""

    mail: Share
    push: Share


class Onboarding(Section):
    """The app's first launch: the share of new app users who link an account, say."""

    link: InnerProbability


class Company(Section):
    """The firm."""

    name: Text
    members: Annotated[int, BeforeValidator(whole(1, 2_000_000_000))]
    purchase: Fits
    quality: Quality
    channels: Shares
    friction: Friction
    classes: Classes
    hold_norush: Switch
    capacity_ratio: Positive
    desk: Desk
    opt_in: OptIn = OptIn(mail=0.6, push=0.4)
    onboarding: Onboarding | None = None
    message_cap: Annotated[int, BeforeValidator(whole(0, 1000))]
    survey_share: Probability
    margin: Probability
    discount_rate: NotNegative
    fixed_cost_per_day: NotNegative
    jointly: Jointly | None = None


# -------------------------------------------------------------------------------------- personas and market


class Persona(Section):
    """One persona: its share and its multipliers; `quality` is an offset in su on every touchpoint."""

    share: Share
    waiting_cost: NotNegative
    price: NotNegative
    talk: NotNegative
    quality: Number


class Personas(Section):
    """The mix of personas; shares sum to one."""

    declared: Probability
    mix: dict[Name, Persona]


class Status(Section):
    """Shares of the market at the start of the burn-in; they sum to one."""

    unaware: Share
    aware: Share
    customer: Share


class Network(Section):
    """Who talks to whom: a Watts-Strogatz graph and a public."""

    degree: Annotated[Parameter, BeforeValidator(parameter(Bounds(2.0, 500.0)))]
    rewiring: Probability
    public_share: Probability


class Peak(Section):
    """Extra demand on some days; `multiplier` on the visit rate."""

    start: Annotated[int, BeforeValidator(whole(0, 100_000))]
    days: Annotated[int, BeforeValidator(whole(1, 100_000))]
    multiplier: Positive


class Season(Section):
    """The demand calendar."""

    peaks: dict[Name, Peak]


class Market(Section):
    """The closed market of potential customers."""

    kind: Annotated[str, BeforeValidator(word("established", "launch"))]
    status: Status
    acquired_over: Annotated[int, BeforeValidator(whole(1, 36_500))]
    network: Network
    season: Season
    ad_intensity: NotNegative
    competitor: Number
    topics: dict[Name, Probability]


# ------------------------------------------------------------------------------------------------ scenarios

Option = Parameter | Choice | bool | str | tuple[Any, ...] | dict[str, Any] | None
"""A setting of an intervention: numbers are parameters, text and switches plain; null where it is left out."""


class Intervention(BaseModel):
    """What one intervention of a scenario is told: its registered kind and its options.

    Options are not known here (each kind checks its own); numbers among them are `Parameter`.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    kind: str
    options: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _split(cls, node: Any) -> Any:
        if (
            isinstance(node, Mapping)
            and set(node) == {"kind", "options"}
            and isinstance(node["options"], dict)
        ):
            return node
        if not isinstance(node, Mapping) or not isinstance(node.get("kind"), str):
            raise ConfigError("kind is missing; each intervention names a registered kind")
        return {
            "kind": node["kind"],
            "options": {k: _option(str(k), v) for k, v in node.items() if k != "kind"},
        }

    def plain_options(self) -> dict[str, Any]:
        """The options with every parameter as its present value: what an intervention is built from."""
        return {key: _present(option) for key, option in self.options.items()}


def _option(key: str, value: Any) -> Any:
    """Read one option; errors name its key."""
    try:
        if value is None or isinstance(value, Parameter | Choice | bool):
            return value
        if isinstance(value, str):
            return text(value)
        if isinstance(value, list | tuple):
            return tuple(_plain_item(item) for item in value)
        if not isinstance(value, Mapping):
            return parameter(Bounds())(value)
        if not is_parameter(value):
            return {str(name): _option(str(name), part) for name, part in value.items()}
        reader: Callable[[object], Any] = (
            choice() if isinstance(value.get("value"), str) else parameter(Bounds())
        )
        return reader(value)
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from None


def _plain_item(item: Any) -> Any:
    return item if isinstance(item, str | bool) else number(item)


def _present(option: Any) -> Any:
    if isinstance(option, Parameter | Choice):
        return tidy(option.value) if isinstance(option, Parameter) else option.value
    if isinstance(option, dict):
        return {key: _present(part) for key, part in option.items()}
    return option


class Scenario(Section):
    """A what-if: a world that holds in both arms, and the interventions of the treated arm."""

    description: Text
    world: dict[str, Any] = {}
    interventions: dict[Name, Intervention]


# ------------------------------------------------------------------------------------------------- settings


class Settings(Section):
    """Everything a run depends on. Frozen; `at` gives a changed copy."""

    customers: Annotated[int, BeforeValidator(whole(100, 20_000_000))]
    days: Annotated[int, BeforeValidator(whole(28, 3650))]
    burn_in: Annotated[int, BeforeValidator(whole(30, 3650))]
    seed: Annotated[int, BeforeValidator(whole(0, 2**53))]
    replications: Annotated[int | Literal["auto"], BeforeValidator(whole_or("auto", 2, 100_000))]
    draws: Annotated[Literal["all"] | tuple[int, int], BeforeValidator(lambda value: _block(value))]
    arms: Annotated[Literal["all", "total"], BeforeValidator(word("all", "total"))]
    precision: Annotated[float, BeforeValidator(lambda value: _precision(value))]
    engine: Annotated[Literal["column", "agent"], BeforeValidator(word("column", "agent"))]
    threads: Annotated[int | Literal["auto"], BeforeValidator(whole_or("auto", 1, 1024))]
    start_date: Annotated[date, BeforeValidator(day_of_year)]
    events: Annotated[int, BeforeValidator(whole(0, 20_000_000))]
    language: Annotated[Literal["en", "ja"], BeforeValidator(word("en", "ja"))]
    company: Company
    personas: Personas
    market: Market
    behaviour: Behaviour
    scenario: dict[Name, Scenario]

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
                raise ConfigError(f"{path}: no such parameter{nearest(path, known)}") from None
            except ConfigError as error:
                raise ConfigError(f"{path}: {error}") from None
        return cast(Settings, changed)


def _precision(value: object) -> float:
    found = number(value)
    if not 0.0 < found <= 0.5:
        raise ConfigError(f"{found:g} is not allowed; a share of baseline LTV above 0 to 0.5")
    return found


def _block(value: object) -> Literal["all"] | tuple[int, int]:
    """Reader of which draws of the design are run: all, or those from the first number up to before the second."""
    if value == "all":
        return "all"
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise ConfigError(f"{show(value)} is not allowed; all, or [first, until] of the draws")
    first, until = (whole(0, 100_000)(end) for end in value)
    if first >= until:
        raise ConfigError(f"{show(value)} is not allowed; [first, until] with first below until")
    return first, until


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    """The named parts below a node; an intervention's options stand directly under it, as in its file."""
    if isinstance(node, Intervention):
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
    if isinstance(node, Intervention):
        return node.model_copy(update={"options": {**node.options, name: child}})
    if isinstance(node, BaseModel):
        return node.model_copy(update={name: child})
    return {**node, name: child}


# --------------------------------------------------------------------------------------------------- way in


def load_settings(raw: Mapping[str, Any], explicit: Collection[str] = ()) -> Settings:
    """Check a raw configuration and return it as `Settings`.

    What the company knows of its own customers is laid in first, then the scenarios' worlds. `explicit` are the dotted
    keys given by hand, which stand above both. Raises ConfigError of
    one line (key, value, what is allowed, nearest right key).
    """
    if not isinstance(raw, Mapping):
        raise ConfigError(f"the configuration is {show(raw)}; a group of keys is expected")
    _no_code(raw, "")
    _scenarios_stand_apart(raw.get("scenario"))
    try:
        settings = Settings.model_validate(apply_worlds(lay_company(raw, explicit), explicit))
    except ValidationError as error:
        raise ConfigError(first_finding(error)) from None
    for check in _CROSS_CHECKS:
        check(settings)
    return settings


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
            raise ConfigError(f"{here}: keys that begin with _ are refused; a configuration names no code")
        _no_code(value, here)


def _scenarios_stand_apart(scenarios: Any) -> None:
    """Each scenario stands under its own name, which its file's header gives it."""
    if not scenarios:
        raise ConfigError("scenario: is empty; name at least one, for instance scenario=baseline")
    if not isinstance(scenarios, Mapping):
        raise ConfigError(f"scenario: {show(scenarios)} is not allowed; names of files in conf/scenario")
    for key in Scenario.model_fields:
        if key in scenarios:
            raise ConfigError(
                f"scenario.{key}: stands under no scenario's name; the file's first line must be "
                "`# @package scenario.NAME`, NAME being the file's name"
            )


def first_finding(error: ValidationError) -> str:
    """The first finding of pydantic as one line: dotted key, then what is wrong."""
    found = error.errors(include_url=False)[0]
    # pydantic marks the key of a map as a step of its own.
    path = ".".join(str(part) for part in found["loc"] if part != "[key]")
    cause = found.get("ctx", {}).get("error")
    if isinstance(cause, UnknownKey):
        path = f"{path}.{cause.key}" if path else cause.key
    if found["type"] == "missing":
        message = "is missing"
    elif found["type"] in ("dict_type", "model_type", "model_attributes_type"):
        message = f"{show(found['input'])} is not a group of keys"
    elif isinstance(cause, Exception):
        message = str(cause)
    else:
        message = f"{show(found['input'])} is not allowed; {found['msg']}"
    return " ".join(f"{path}: {message}".removeprefix(": ").split())


def _sum_to_one(path: str, shares: Mapping[str, float]) -> None:
    total = sum(shares.values())
    if abs(total - 1.0) > 1e-6:
        parts = ", ".join(f"{name} {share:g}" for name, share in shares.items()) or "no shares"
        raise ConfigError(f"{path}: {parts} sum to {total:g}; shares must sum to 1")


def _check_shares(settings: Settings) -> None:
    _sum_to_one("personas.mix", {name: one.share for name, one in settings.personas.mix.items()})
    _sum_to_one("market.status", dict(_children(settings.market.status)))
    _sum_to_one("company.channels", dict(_children(settings.company.channels)))
    topics = sum(topic.value for topic in settings.market.topics.values())
    if topics > 1.0 + 1e-6:
        raise ConfigError(f"market.topics: shares sum to {topics:g}; at most 1")


def _check_peaks(settings: Settings) -> None:
    """A peak may begin after the horizon (never reached) or be cut by its end, but not be longer than it."""
    for name, peak in settings.market.season.peaks.items():
        if peak.days > settings.days:
            path = f"market.season.peaks.{name}.days"
            raise ConfigError(f"{path}: {peak.days} exceeds the horizon; at most days={settings.days}")


def _check_windows(settings: Settings) -> None:
    """An intervention must begin within the horizon."""
    for name, scenario in settings.scenario.items():
        for key, intervention in scenario.interventions.items():
            start = intervention.options.get("start")
            if isinstance(start, Parameter) and not 0 <= start.value < settings.days:
                raise ConfigError(
                    f"scenario.{name}.interventions.{key}.start: {start.value:g} lies outside the horizon; "
                    f"from 0 to {settings.days - 1}"
                )
            days = intervention.options.get("days")
            if isinstance(days, Parameter) and days.value < 1:
                raise ConfigError(
                    f"scenario.{name}.interventions.{key}.days: {days.value:g} is not allowed; at least 1"
                )


def _check_classes(settings: Settings) -> None:
    """A parcel cannot be due before it is shipped."""
    for name, one in _children(settings.company.classes):
        if one.transit > one.lead:
            raise ConfigError(
                f"company.classes.{name}.transit: {one.transit} exceeds the lead; at most {one.lead}"
            )


def _check_desk(settings: Settings) -> None:
    desk = settings.company.desk
    if desk.opens + desk.hours > LAST_CALL:
        raise ConfigError(f"company.desk.hours: {desk.hours} runs past 22:00; at most {LAST_CALL - desk.opens}")


MOST_TIES = 1 << 31
"""Ends of ties that a network can index."""


def _check_network(settings: Settings) -> None:
    degree = settings.market.network.degree
    largest = max(degree.value, degree.high or 0.0, *degree.options)
    if largest >= settings.customers:
        raise ConfigError(f"market.network.degree: {largest:g} is too many; below customers={settings.customers}")
    if (largest + 1.0) * settings.customers >= MOST_TIES:  # rounded to an even number
        most = int(MOST_TIES / settings.customers) - 1
        raise ConfigError(
            f"market.network.degree: {largest:g} is too many for customers={settings.customers}; at most {most}"
        )


def _check_jointly(settings: Settings) -> None:
    """What is known jointly names parameters, a row each."""
    jointly = settings.company.jointly
    if jointly is None:
        return
    if len(jointly.parameters) != len(jointly.correlation):
        raise ConfigError(
            f"company.jointly: {len(jointly.parameters)} parameters and {len(jointly.correlation)} rows of correlation"
        )
    known = [name for name, _ in settings.parameters()]
    for name in jointly.parameters:
        if name not in known:
            raise ConfigError(f"company.jointly.parameters: {name}: no such parameter{nearest(name, known)}")


def _check_draws(settings: Settings) -> None:
    """A block of draws is part of a design whose size is known."""
    if settings.draws == "all":
        return
    if settings.replications == "auto":
        raise ConfigError("draws: a block of draws needs replications as a number")
    if settings.draws[1] > settings.replications:
        raise ConfigError(f"draws: {settings.draws[1]} is beyond the design; at most {settings.replications}")


_CROSS_CHECKS = (
    _check_jointly, _check_draws, _check_shares, _check_peaks, _check_windows, _check_classes,
    _check_desk, _check_network,
)


# -------------------------------------------------------------------------------------------------- way out

NOT_INPUTS = ("engine", "threads")
"""Keys that change how a run is computed and never what it answers."""

NOT_ANSWERS = ("language",)
"""Keys that change how an answer is told."""


def resolved(settings: Settings) -> dict[str, Any]:
    """The plain configuration as it was run, for config.yaml; with engine and threads it can be loaded again.

    Worlds have been laid in and are left out: laid twice, one that takes a peak away would fail.
    """
    return {name: _plain(child) for name, child in _children(settings) if name not in NOT_INPUTS}


def _plain(node: Any) -> Any:
    if isinstance(node, Parameter | Choice):
        return node.plain()
    if isinstance(node, Scenario):
        return {"description": node.description, "interventions": _plain(node.interventions)}
    if isinstance(node, Intervention):
        return {"kind": node.kind} | {key: _plain(option) for key, option in node.options.items()}
    if isinstance(node, (BaseModel, dict)):
        return {key: _plain(child) for key, child in _children(node)}
    if isinstance(node, list | tuple):
        return [_plain(item) for item in node]
    if isinstance(node, date):
        return node.isoformat()
    return tidy(node) if isinstance(node, float) else node
