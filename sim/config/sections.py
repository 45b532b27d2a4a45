"""The sections of a configuration, each with its keys and bounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from sim.config.parameters import (
    Choice,
    NotNegative,
    Number,
    Parameter,
    Positive,
    Probability,
    Reader,
    Share,
    Switch,
    Text,
    choice,
    fact,
    is_parameter,
    number,
    optional,
    parameter,
    real,
    several,
    show,
    text,
    whole,
    word,
)
from sim.files.plain import read_yaml
from sim.phrases import ConfigError, Phrase, keyed, listed, nearest

NAME = re.compile(r"[^\W_][\w-]*")
"""Names a user gives: they become parts of dotted paths, of arms and of file names."""


GONE = {
    "precision": Phrase("is no longer a key; replications=auto adds points until interval and probability are steady"),
    "gate.metric": Phrase("is no longer a key; the gate judges LTV, which holds what comes after the horizon too"),
    "company.quick": Phrase("is no longer a key; its figures stand in company.facts, where company=quick shows them"),
    "behaviour.choice.conversion_prospect": Phrase(
        "is no longer a key; behaviour.choice.prospect_conversion is its share of customers' conversion"
    ),
    "market.season": Phrase(
        "is no longer a key; seasons stand in the group calendar, by date: calendar=flat, "
        "calendar.seasons.NAME={dates: 12-01..12-25, multiplier: 1.6}"
    ),
}
"""Former keys by dotted path, each with what holds now; what lay below them is gone too."""


def gone(key: str) -> tuple[str, Phrase] | None:
    """The former key at or above a dotted key, and what holds now; None where there is none."""
    return next((one for one in GONE.items() if key == one[0] or key.startswith(f"{one[0]}.")), None)


class Section(BaseModel):
    """A part of the configuration. Its errors name the nearest right key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, stated: object, path: str = "", context: object = None) -> Self:
        """The section from what a file says at this dotted path; `context` is handed to its readers.

        Raises ConfigError of one line: dotted key, value, what is allowed.
        """
        try:
            return cls.model_validate(stated, context=context)
        except ValidationError as error:
            finding = first_finding(error, path)
            raise ConfigError(finding.message, **finding.values) from None

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """The section that a file of YAML states. Raises ConfigError of one line, which names the file; OSError."""
        node = read_yaml(path)
        try:
            return cls.read(node)
        except ConfigError as error:
            raise ConfigError("{place}: {problem}", place=path, problem=error) from None

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, node: Any) -> Any:
        if isinstance(node, BaseModel):
            return node
        if not isinstance(node, Mapping):
            raise ConfigError(
                "{value} is not a group of keys; {allowed}", value=show(node), allowed=listed(cls.model_fields)
            )
        for key in node:
            if key not in cls.model_fields:
                known = cls.model_fields
                raise KeyFault(
                    "no such key; {allowed}{hint}", key=key, allowed=listed(known), hint=nearest(str(key), known)
                )
        return node


class KeyFault(ConfigError):
    """An error in one key of a group, its value `key`, so that the message names that key's path, not the group's."""


def first_finding(error: ValidationError, path: str = "") -> Phrase:
    """The first finding of pydantic: dotted key below `path`, then what is wrong."""
    found = error.errors(include_url=False)[0]
    # pydantic marks the key of a map as a step of its own.
    keys = [path, *(str(part) for part in found["loc"] if part != "[key]")]
    cause = found.get("ctx", {}).get("error")
    if isinstance(cause, KeyFault):
        keys.append(str(cause.values["key"]))
    key = ".".join(filter(None, keys))
    problem = GONE.get(key) or (cause if isinstance(cause, Phrase) else _in_our_words(found))
    return keyed(key, problem) if key else problem


def _in_our_words(details: ErrorDetails) -> Phrase:
    """What pydantic itself holds against a value."""
    if details["type"] == "missing":
        return Phrase("is missing")
    if details["type"] in ("dict_type", "model_type", "model_attributes_type"):
        return Phrase("{value} is not a group of keys", value=show(details["input"]))
    return Phrase("{value} is not allowed; {problem}", value=show(details["input"]), problem=details["msg"])


def _name(value: object) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ConfigError("{value} is not a name; letters, digits, _ and -, a letter or digit first", value=show(value))
    return value


Name = Annotated[str, Reader(_name)]


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
    """How talk and experience move expectations."""

    hearsay_rate: Probability
    experience_rate: Probability
    initial_sd: NotNegative


class Visits(Section):
    """How often prospects and customers visit."""

    prospect_rate: NotNegative
    coupon_acceleration: NotNegative
    forward_bought: Probability
    activation_lift: NotNegative


InnerProbability = Annotated[Parameter, parameter(1e-6, 1.0 - 1e-6)]
"""A probability strictly between 0 and 1, since its logit is taken."""


class Purchase(Section):
    """Conversion and its slopes."""

    conversion_customer: InnerProbability
    prospect_conversion: Annotated[Parameter, parameter(0.0, 1.0, above=True)]
    expectation_slope: NotNegative
    price_slope: NotNegative
    delivery_slope: NotNegative
    deal_weight: NotNegative
    deal_memory: Probability
    lead_slope: NotNegative
    fee_weight: NotNegative
    top_up: Positive


class Delivery(Section):
    """Choice of the delivery class."""

    utility_standard: Number
    utility_norush: Number
    waiting_cost: NotNegative
    waiting_cost_sd: NotNegative
    fee_slope: NotNegative
    coupon_weight: NotNegative


class Coupons(Section):
    """How customers respond to coupons."""

    redemption: Probability


class Experience(Section):
    """How an episode's touchpoints make its score, and its score satisfaction."""

    noise_sd: NotNegative
    weight_site: NotNegative
    weight_delivery: NotNegative
    weight_product: Positive
    weight_store: NotNegative
    gain_weight: NotNegative
    loss_aversion: NotNegative
    mean_weight: Probability
    memory: Probability
    return_half_life: Positive
    value_weight: NotNegative
    wait_weight: NotNegative
    late_penalty: NotNegative
    late_half: Positive
    late_power: Positive
    early_gain: NotNegative


class Support(Section):
    """Who contacts support, and what a contact does to the score."""

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

    clock: Annotated[Choice, choice(*CLOCKS)]
    satisfaction_slope: NotNegative
    activation_slope: NotNegative
    competitor_slope: NotNegative
    idleness: NotNegative


class Messages(Section):
    """Response to messages: clicks, match, fatigue, annoyance."""

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
    """How satisfaction makes an answer from 0 to 10, and who answers."""

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
    q: Annotated[Parameter, parameter(1.0, above=True)]
    gamma: Positive


class Fits(Section):
    """Purchase, dropout and spend as fitted to a log."""

    bg_nbd: BgNbd
    pareto_nbd: ParetoNbd
    gamma_gamma: GammaGamma
    source: Text
    grade: Annotated[str, word("measured", "claimed", "judgement")]


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

    lead: Annotated[int, whole(1, 60)]
    transit: Annotated[int, whole(1, 60)]
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
    opens: Annotated[int, whole(FIRST_CALL, LAST_CALL - 1)]
    hours: Annotated[int, whole(1, LAST_CALL - FIRST_CALL)]
    load: Annotated[Parameter, parameter(0.0, 10.0, above=True)]
    cost_per_minute: NotNegative


def _list_of(read: Callable[[object], Any], value: object) -> list[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError("{value} is not a list", value=show(value))
    return [read(item) for item in value]


def _correlation(value: object) -> tuple[tuple[float, ...], ...]:
    """Reader of a correlation matrix, given as a list of its rows."""
    rows = tuple(tuple(_list_of(number, row)) for row in _list_of(lambda row: row, value))
    square = bool(rows) and all(len(row) == len(rows) for row in rows)
    matrix = np.array(rows) if square else np.zeros((1, 1))
    if not (np.diag(matrix) == 1.0).all() or not (matrix == matrix.T).all() or np.linalg.eigvalsh(matrix)[0] <= 0.0:
        raise ConfigError("is no correlation matrix; as many rows as columns, symmetric, 1 on the diagonal, definite")
    return rows


class Jointly(Section):
    """What the firm's evidence says of several parameters together: the correlation of their normal scores."""

    parameters: Annotated[tuple[str, ...], Reader(lambda value: tuple(_list_of(text, value)))]
    correlation: Annotated[tuple[tuple[float, ...], ...], Reader(_correlation)]


class OptIn(Section):
    """Shares of customers who agree to off-site messages."""

    mail: Share
    push: Share


class Onboarding(Section):
    """The app's first launch: the share of new app users who link an account, say."""

    link: InnerProbability


class Returns(Section):
    """What is sent back of online orders: their share at the usual score, and how it moves with the score; yen an order
    for handling, and the share of the goods' cost that is spoiled."""

    share: InnerProbability
    slope: NotNegative  # logit per su below the usual score
    cost: NotNegative
    spoiled: Probability


class Cancellations(Section):
    """When customers cancel what has not shipped: days beyond the promised one after which they may, and the
    probability of each further day."""

    after: Annotated[int, whole(0, 365)]
    daily: Probability


class Carrier(Section):
    """Delays on the way: the share of parcels delayed, and how many days those are, on average, from 1 on.

    `share_of_late` is the carrier's share of late parcels outside peaks: with the on-time rate known, the share delayed
    follows from it.
    """

    delayed: Probability
    days: Annotated[Parameter, parameter(1.0, 30.0)]
    share_of_late: Probability


class ClassShares(Section):
    """Shares of online orders that choose express and no-rush; the rest takes standard."""

    express: Annotated[Parameter, fact(1e-4, 0.9999)]
    norush: Annotated[Parameter, fact(1e-4, 0.9999)]


class Facts(Section):
    """What the firm's dashboard shows: every point reproduces it. null: not known; what is configured elsewhere stands.

    Figures are the firm's own: orders of all channels, customers who bought within 365 days, yen, shares, points.
    docs/your-own-firm.md says how each is counted. A fact may state its `tolerance`, in its own unit.
    """

    orders_a_month: Annotated[Parameter | None, optional(fact(1e-6))] = None
    active_customers: Annotated[Parameter | None, optional(fact(1.0))] = None
    average_basket: Annotated[Parameter | None, optional(fact(1.0))] = None
    conversion: Annotated[Parameter | None, optional(fact(1e-4, 0.95))] = None
    repeat_share: Annotated[Parameter | None, optional(fact(0.01, 0.99))] = None
    on_time: Annotated[Parameter | None, optional(fact(0.5, 0.9999))] = None
    classes: ClassShares | None = None
    nps: Annotated[Parameter | None, optional(fact(-99.0, 99.0))] = None
    contacts_per_order: Annotated[Parameter | None, optional(fact(1e-4, 1.0))] = None


class Company(Section):
    """The firm."""

    name: Text
    members: Annotated[int, whole(1, 2_000_000_000)]
    facts: Facts = Facts()
    purchase: Fits
    quality: Quality
    channels: Shares
    friction: Friction
    classes: Classes
    hold_norush: Switch
    capacity_ratio: Annotated[Parameter | None, optional(parameter(0.0, above=True))]
    capacity: Positive  # times what the on-time rate needs, or the ratio gives
    planned: Probability
    promise: Annotated[str, word("static", "backlog")] = "static"
    cancellations: Cancellations | None = None
    carrier: Carrier
    desk: Desk
    opt_in: OptIn = OptIn(mail=0.6, push=0.4)
    onboarding: Onboarding | None = None
    returns: Returns | None = None
    message_cap: Annotated[int, whole(0, 1000)]
    survey_share: Probability
    margin: Probability
    acquisition_cost: NotNegative
    discount_rate: NotNegative
    fixed_cost_per_day: NotNegative
    jointly: Jointly | None = None


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
    """Shares of the market at the start of the burn-in; they sum to one.

    Where the firm's facts tell how many have bought, the other two are shares of those who have not.
    """

    unaware: Share
    aware: Share
    customer: Share


class Network(Section):
    """Who talks to whom: a Watts-Strogatz graph and a public."""

    degree: Annotated[Parameter, parameter(2.0, 500.0)]
    rewiring: Probability
    public_share: Probability


class Market(Section):
    """The closed market of members."""

    kind: Annotated[str, word("established", "launch")]
    status: Status
    acquired_over: Annotated[int, whole(1, 36_500)]
    lapsed_within: Annotated[int, whole(1, 36_500)]
    network: Network
    ad_intensity: NotNegative
    competitor: Number
    topics: dict[Name, Probability]


class StatedIntervention(BaseModel):
    """One intervention as a scenario file states it: its registered kind and its options.

    Each kind checks its own options later. Numbers among them are `Parameter`, texts and switches plain.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    kind: str
    options: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _split(cls, node: Any) -> Any:
        if isinstance(node, Mapping) and set(node) == {"kind", "options"} and isinstance(node["options"], dict):
            return node
        if not isinstance(node, Mapping) or not isinstance(node.get("kind"), str):
            raise ConfigError("kind is missing; each intervention names a registered kind")
        return {"kind": node["kind"], "options": {k: _option(str(k), v) for k, v in node.items() if k != "kind"}}


def _option(key: str, value: Any) -> Any:
    """Read one option; errors name its key."""
    try:
        if value is None or isinstance(value, Parameter | Choice | bool):
            return value
        if isinstance(value, str | date):
            return text(str(value))
        if isinstance(value, list | tuple):
            return tuple(item if isinstance(item, str | bool) else number(item) for item in value)
        if not isinstance(value, Mapping):
            return parameter()(value)
        if not (is_parameter(value) or "range" in value or "options" in value):
            return {str(name): _option(str(name), part) for name, part in value.items()}
        return _alone(choice()(value)) if _is_of_names(value) else parameter()(value)
    except ConfigError as error:
        raise keyed(key, error) from None


def _alone(choice: Choice) -> Choice | str:
    """A name of which nothing else is stated, as if it stood alone."""
    return choice.value if choice.plain() == choice.value else choice


def _is_of_names(stated: Mapping[str, Any]) -> bool:
    """Whether a parameter's value is meant as one of several names, not as a number."""
    options = stated.get("options", ())
    numbers = isinstance(options, list | tuple) and any(isinstance(one, int | float) for one in options)
    return isinstance(stated.get("value"), str) and not (numbers or {"range", "mean", "se"} & stated.keys())


class Title(Section):
    """What people call a scenario, by language; where one is missing, the other language's."""

    en: Text | None = None
    ja: Text | None = None


def title_of(stated: object) -> Title | None:
    """Reader of a title: one text for all languages, or one by language."""
    if stated is None or isinstance(stated, Title):
        return stated
    if isinstance(stated, Mapping):
        return Title.read(stated)
    said = text(stated)
    return Title(en=said, ja=said)


def _variant(stated: object) -> dict[str, Any]:
    """Reader of a variant: options, each with a value that is taken as known."""
    if not isinstance(stated, Mapping) or not stated:
        raise ConfigError("{value} is not allowed; a group of options with other values", value=show(stated))
    found = {str(key): _option(str(key), one) for key, one in stated.items()}
    for key, one in found.items():
        if not _taken_as_known(one):
            raise ConfigError("{key}: a variant is a choice of the firm, so its values have no range", key=key)
    return found


def _taken_as_known(option: object) -> bool:
    """Whether nothing in an option as read is uncertain."""
    if isinstance(option, Mapping):
        return all(map(_taken_as_known, option.values()))
    return not (isinstance(option, Parameter | Choice) and option.uncertain)


Variant = Annotated[dict[str, Any], Reader(_variant)]
"""Other values of options; keys are `option` where a scenario has one intervention, else `intervention.option`."""


class Scenario(Section):
    """A what-if: what changes in both arms, the interventions of the treated arm, and variants of them to compare."""

    title: Annotated[Title | None, Reader(title_of)] = None
    description: Text
    both_arms: dict[str, Any] = {}
    interventions: dict[Name, StatedIntervention]
    variants: dict[Name, Variant] = {}


class FieldTests(Section):
    """Field tests that the gate weighs, and what they cost."""

    customers: Annotated[tuple[int, ...], several(whole(10, 1_000_000_000))]
    days: Annotated[tuple[int, ...], several(whole(1, 3650))]
    fixed_cost: Annotated[float, real(0.0)]  # yen a test
    daily_cost: Annotated[float, real(0.0)]  # yen a day


class Gate(Section):
    """Thresholds of the rollout gate; keys of `conf/gate`."""

    go_probability: Annotated[float, real(0.5, 1.0)]
    stop_probability: Annotated[float, real(0.5, 1.0)]
    regret_share: Share
    test: FieldTests
