"""Parameters: numbers of the configuration with what is known about each.

A parameter is written as a plain number (taken as known), as ``{value, range, unit, grade, source}`` (a
uniform prior over the range), as ``{value, options, ...}`` (equally likely readings) or, with evidence of the
firm's own, as ``{mean, se, source}``. All become a `Parameter`; where the options are names, a `Choice`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from sim.phrases import ConfigError, Phrase, keyed, listed, nearest

Grade = Literal["measured", "claimed", "judgement", "known"]
GRADES: tuple[str, ...] = ("measured", "claimed", "judgement", "known")
PARTS = ("value", "range", "options", "mean", "se", "unit", "grade", "source")
"""What may be said about a parameter in a configuration file."""

DAYS_PER_WEEK, DAYS_PER_YEAR = 7.0, 365.0

NORMAL_90 = 1.6448536269514722
"""Standard errors from the middle to either end of a central 90 % interval."""


class Bounds(NamedTuple):
    """Hard bounds of a number, whatever its prior says. `above`: the lower one itself is excluded."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False

    def hold(self, value: float) -> bool:
        """Whether the value lies within the bounds."""
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    @property
    def in_words(self) -> Phrase:
        """What is allowed."""
        if math.isinf(self.low) and math.isinf(self.high):
            return Phrase("any number")
        if math.isinf(self.high):
            return Phrase("above {low:g} up" if self.above else "from {low:g} up", low=self.low)
        return Phrase("above {low:g} to {high:g}" if self.above else "from {low:g} to {high:g}",
                      low=self.low, high=self.high)  # fmt: skip


ANYWHERE = Bounds()


class Parameter(BaseModel):
    """A number with what is known about it.

    `low` and `high` span its prior: a range whose median is `value`, or the central 90 % of the firm's own normal
    evidence (then `mean` and `se` are set). Without spread the number is taken as known. `bounds` hold whatever the
    prior says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    se: float | None = None
    options: tuple[float, ...] = ()
    unit: str = ""
    grade: Grade = "known"
    source: str = ""
    bounds: Bounds = ANYWHERE
    tolerance: float | None = None  # of a fact: how far a simulated dashboard may be off

    @property
    def uncertain(self) -> bool:
        """Whether its value differs between points."""
        return self.se is not None or self.low is not None or bool(self.options)

    def at(self, value: float | str) -> Parameter:
        """The same parameter at a value, taken as known. Raises ConfigError outside its hard bounds."""
        put = _within(number(value), self.bounds)
        known: dict[str, Any] = {"low": None, "high": None, "mean": None, "se": None, "options": ()}
        return self.model_copy(update={"value": put, **known})

    def plain(self) -> Any:
        """As it would be written in a configuration file."""
        own = {} if self.tolerance is None else {"tolerance": tidy(self.tolerance)}
        if not (self.uncertain or self.unit or self.source or self.grade != "known" or own):
            return tidy(self.value)
        node: dict[str, Any]
        if self.se is not None and self.mean is not None:
            node = {"mean": tidy(self.mean), "se": tidy(self.se)}
        else:
            node = {"value": tidy(self.value)}
            if self.low is not None and self.high is not None:
                node["range"] = [tidy(self.low), tidy(self.high)]
        if self.options:
            node["options"] = [tidy(option) for option in self.options]
        return node | _about(self) | own


class Choice(BaseModel):
    """A value that is a name: one of several options, equally likely where it is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: str
    options: tuple[str, ...] = ()
    unit: str = ""
    grade: Grade = "known"
    source: str = ""
    allowed: tuple[str, ...] = ()

    @property
    def uncertain(self) -> bool:
        """Whether its value differs between points."""
        return len(self.options) > 1

    def at(self, value: float | str) -> Choice:
        """The same choice put at a value and taken as known. Raises ConfigError at an unknown one."""
        if self.allowed and value not in self.allowed:
            raise ConfigError("{value} is not allowed; {allowed}", value=show(value), allowed=listed(self.allowed))
        return self.model_copy(update={"value": str(value), "options": ()})

    def plain(self) -> Any:
        """As it would be written in a configuration file."""
        if not (self.options or self.unit or self.source):
            return self.value
        node: dict[str, Any] = {"value": self.value}
        if self.options:
            node["options"] = list(self.options)
        return node | _about(self)


def tidy(value: float) -> float | int:
    """An int if the value is whole, else the value."""
    return int(value) if value == int(value) and abs(value) < 1e15 else value


def _about(node: Parameter | Choice) -> dict[str, Any]:
    known = {"unit": node.unit, "grade": node.grade, "source": node.source}
    return {name: text for name, text in known.items() if text}


# --------------------------------------------------------------------------------- reading what was written


def show(value: object) -> str:
    """A value as the reader of an error message would write it: one line of readable length."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    line = " ".join(str(value).split())
    line = line if len(line) <= 60 else line[:57] + "..."
    return f"'{line}'" if isinstance(value, str) else line


def number(value: object) -> float:
    """A finite number, or a ConfigError that says what it is instead."""
    if isinstance(value, bool) or (isinstance(value, str) and value.lower() in ("on", "off", "yes", "no")):
        raise ConfigError(
            "{value} is a switch (so YAML reads on, off, yes and no) where a number is expected", value=show(value)
        )
    if isinstance(value, str) or not isinstance(value, int | float):
        raise ConfigError("{value} is not a number", value=show(value))
    try:
        found = float(value)
    except OverflowError:  # a whole number of more than 308 digits
        raise ConfigError("{value} is too large", value=show(value)) from None
    if not math.isfinite(found):
        raise ConfigError("{value} is not a finite number", value=found)
    return found


def _within(value: float, bounds: Bounds) -> float:
    if not bounds.hold(value):
        raise ConfigError("{value:g} is not allowed; {allowed}", value=value, allowed=bounds.in_words)
    return value


Value = TypeVar("Value")


@dataclass(frozen=True)
class Reader(Generic[Value]):
    """Turns what a configuration file says into a checked value, or raises ConfigError.

    Beside a field's type it is the field's check: `lead: Annotated[int, whole(1, 60)]`.
    """

    read: Callable[[Any], Value]
    bounds: Bounds = ANYWHERE  # of a number

    def __call__(self, stated: object) -> Value:
        """The value. Raises ConfigError for what is not allowed."""
        return self.read(stated)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)


def real(low: float = -math.inf, high: float = math.inf, above: bool = False) -> Reader[float]:
    """Reader of a plain number from low to high, both included; `above` excludes the lower one."""
    bounds = Bounds(low, high, above)
    return Reader(lambda stated: _within(number(stated), bounds), bounds)


def rounded(low: int, high: int) -> Reader[int]:
    """Reader of a number from low to high, rounded: an amount in whole units whose prior is continuous."""
    check = real(low, high)
    return Reader(lambda stated: round(check(stated)), check.bounds)


def whole(low: int, high: int) -> Reader[int]:
    """Reader of a whole number from low to high, both included."""

    def read(value: object) -> int:
        found = number(value)
        if found != int(found) or not low <= found <= high:
            raise ConfigError(
                "{value} is not allowed; a whole number from {low} to {high}", value=show(value), low=low, high=high
            )
        return int(found)

    return Reader(read)


def whole_or(word: str, low: int, high: int) -> Reader[int | str]:
    """Reader of a whole number or one word."""

    def read(value: object) -> int | str:
        if value == word:
            return word
        try:
            return whole(low, high)(value)
        except ConfigError:
            raise ConfigError(
                "{value} is not allowed; {word} or a whole number from {low} to {high}",
                value=show(value), word=word, low=low, high=high,
            ) from None

    return Reader(read)


def inside(low: float, high: float) -> Reader[float]:
    """Reader of a number strictly between two others."""

    def read(value: object) -> float:
        found = number(value)
        if not low < found < high:
            raise ConfigError(
                "{value:g} is not allowed; a number above {low:g} and below {high:g}", value=found, low=low, high=high
            )
        return found

    return Reader(read)


def optional(one: Reader[Value]) -> Reader[Value | None]:
    """Reader of what `one` reads, or of null."""
    return Reader(lambda stated: None if stated is None else one(stated), one.bounds)


def several(one: Reader[Value]) -> Reader[tuple[Value, ...]]:
    """Reader of a value, or of a list with at least one."""

    def read(stated: object) -> tuple[Value, ...]:
        values = stated if isinstance(stated, Sequence) and not isinstance(stated, str) else [stated]
        if not values:
            raise ConfigError("{value} is not allowed; at least one", value=show(stated))
        return tuple(map(one, values))

    return Reader(read)


def switch(value: object) -> bool:
    """Reader of true or false."""
    if not isinstance(value, bool):
        raise ConfigError("{value} is not allowed; true or false", value=show(value))
    return value


def text(value: object) -> str:
    """Reader of a non-empty line of text."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigError("{value} is not a text", value=show(value))
    return value


def word(*allowed: str) -> Reader[str]:
    """Reader of one of a few words."""

    def read(value: object) -> str:
        if value not in allowed:
            hint = nearest(str(value), allowed)
            raise ConfigError(
                "{value} is not allowed; {allowed}{hint}", value=show(value), allowed=listed(allowed), hint=hint
            )
        return str(value)

    return Reader(read)


FIRST_DATE, LAST_DATE = date(1900, 1, 1), date(2200, 12, 31)


def calendar_date(value: object) -> date:
    """Reader of a date."""
    try:
        found = value if isinstance(value, date) else date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ConfigError("{value} is not a date; write it as 2027-01-31", value=show(value)) from None
    if not FIRST_DATE <= found <= LAST_DATE:
        raise ConfigError(
            "{value} is not allowed; a date from {first} to {last}", value=found, first=FIRST_DATE, last=LAST_DATE
        )
    return found


def is_parameter(value: object) -> bool:
    """Whether a mapping is meant as a parameter."""
    return isinstance(value, Mapping) and ("value" in value or "mean" in value or "se" in value)


def parameter(low: float = -math.inf, high: float = math.inf, above: bool = False) -> Reader[Parameter]:
    """Reader of a number in any of the four ways of writing one, within the same bounds as `real`'s."""
    bounds = Bounds(low, high, above)

    def read(value: object) -> Parameter:
        if isinstance(value, Parameter):
            return value
        if not isinstance(value, Mapping):
            return Parameter(value=_within(number(value), bounds), bounds=bounds)
        node = _parts(value)
        read_as = _evidence if "mean" in node or "se" in node else _prior
        return Parameter(**read_as(node, bounds), bounds=bounds)

    return Reader(read, bounds)


def fact(low: float, high: float = math.inf) -> Reader[Parameter]:
    """Reader of a parameter that a dashboard shows, from low to high, perhaps with a `tolerance` from 0 up."""
    plain = parameter(low, high)

    def read(value: object) -> Parameter:
        if not isinstance(value, Mapping) or "tolerance" not in value:
            return plain(value)
        found = plain({key: part for key, part in value.items() if key != "tolerance"})
        with part("tolerance"):
            return found.model_copy(update={"tolerance": real(0.0)(value["tolerance"])})

    return Reader(read, plain.bounds)


def choice(*allowed: str) -> Reader[Choice]:
    """Reader of one of several named readings; without names given, any text."""

    def read(value: object) -> Choice:
        if isinstance(value, Choice):
            return value
        one = word(*allowed) if allowed else text
        if not isinstance(value, Mapping):
            return Choice(value=one(value), allowed=allowed)
        node = _parts(value)
        for name in ("range", "mean", "se"):
            if name in node:
                raise ConfigError("{part} has no meaning for a choice of names; options has", part=name)
        with part("value"):
            chosen = one(node.get("value"))
        with part("options"):
            options = tuple(one(option) for option in _items(node.get("options", ())))
        if options and chosen not in options:
            raise ConfigError(
                "value {value} is not among its options; {allowed}", value=show(chosen), allowed=listed(options)
            )
        return Choice(value=chosen, options=options, allowed=allowed, **_words(node, bool(options)))

    return Reader(read)


def _parts(node: Mapping[Any, Any]) -> dict[str, Any]:
    for key in node:
        if key not in PARTS:
            with part(key):
                raise ConfigError("no such key; {allowed}{hint}", allowed=listed(PARTS), hint=nearest(str(key), PARTS))
    return {str(key): value for key, value in node.items()}


@contextmanager
def part(key: object) -> Iterator[None]:
    """Name the key in which an error lies."""
    try:
        yield
    except ConfigError as error:
        raise keyed(str(key), error) from None


def _items(value: object) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError("{value} is not a list", value=show(value))
    return value


def _words(node: Mapping[str, Any], uncertain: bool) -> dict[str, Any]:
    """Unit, grade and source. An uncertain number without a grade is a judgement, a plain one known."""
    with part("grade"):
        grade = word(*GRADES)(node.get("grade", "judgement" if uncertain else "known"))
    for name in ("unit", "source"):
        if not isinstance(node.get(name, ""), str):
            with part(name):
                raise ConfigError("{value} is not a text", value=show(node[name]))
    return {"unit": node.get("unit", ""), "grade": grade, "source": node.get("source", "")}


def _evidence(node: Mapping[str, Any], bounds: Bounds) -> dict[str, Any]:
    """The firm's own estimate. It replaces a prior it is merged over, with its value, range and grade."""
    if "mean" not in node or "se" not in node:
        raise ConfigError("mean and se belong together")
    with part("mean"):
        mean = _within(number(node["mean"]), bounds)
    with part("se"):
        se = number(node["se"])
        if se <= 0.0:
            raise ConfigError(
                "{value:g} is not allowed; above 0 (a number without error is written as a plain number)", value=se
            )
    low, high = max(bounds.low, mean - NORMAL_90 * se), min(bounds.high, mean + NORMAL_90 * se)
    source = node.get("source") or "the firm's own"
    about = _words({**node, "grade": "measured", "source": source}, uncertain=True)
    return {"value": mean, "mean": mean, "se": se, "low": low, "high": high, **about}


def _prior(node: Mapping[str, Any], bounds: Bounds) -> dict[str, Any]:
    """A central value with a range or with options, or with neither."""
    if "value" not in node:
        raise ConfigError("value is missing; {allowed}", allowed=listed(PARTS))
    if "range" in node and "options" in node:
        raise ConfigError("range and options exclude each other")
    with part("value"):
        value = _within(number(node["value"]), bounds)
    found: dict[str, Any] = {"value": value}
    if "range" in node:
        with part("range"):
            low, high = _range(node["range"], bounds)
        if not low <= value <= high:
            raise ConfigError(
                "value {value:g} lies outside its range {low:g} to {high:g}", value=value, low=low, high=high
            )
        found |= {"low": low, "high": high}
    if "options" in node:
        with part("options"):
            options = tuple(_within(number(option), bounds) for option in _items(node["options"]))
        if value not in options:
            raise ConfigError(
                "value {value:g} is not among its options; {allowed}",
                value=value, allowed=listed(tidy(o) for o in options),
            )
        found["options"] = options
    return found | _words(node, uncertain=len(found) > 1)


def _range(value: object, bounds: Bounds) -> tuple[float, float]:
    ends = [number(end) for end in _items(value)]
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise ConfigError("{value} is not allowed; [low, high] with low below high", value=show(value))
    for end in ends:
        if not bounds.hold(end):
            raise ConfigError("{value} is not allowed; {allowed}", value=show(value), allowed=bounds.in_words)
    return ends[0], ends[1]


# ---------------------------------------------------------------------------------------- fields of a model

Probability = Annotated[Parameter, parameter(0.0, 1.0)]
Share = Annotated[float, real(0.0, 1.0)]
NotNegative = Annotated[Parameter, parameter(0.0)]
Positive = Annotated[Parameter, parameter(0.0, above=True)]
Number = Annotated[Parameter, parameter()]
Text = Annotated[str, Reader(text)]
Switch = Annotated[bool, Reader(switch)]
