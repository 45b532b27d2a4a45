"""Targeting rules: conditions over what a firm can log, all of which must hold.

In a scenario file a rule is a group of conditions, each named after an observable:

    rule:
      days_since_order: {at_least: 30, at_most: 120}   # amounts and days since something: bounds, either may be missing
      answer: {at_most: 6}                             # last survey answer; whoever has given none is not found
      searched: {topic: campaign_route, within_days: 14}
      segment: [bargain, plain]                        # as declared to the firm
      ordered_since_search: false
      holds_coupon: true

A rule without conditions finds everybody the channel reaches. Latent traits cannot be named.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from scenarios.intervention import Mask
from sim.company.offers import AMOUNTS, DAYS_SINCE, Observed
from sim.config.parameters import Bounds, Reader, number, show, switch, text, whole
from sim.config.settings import Settings
from sim.phrases import ConfigError, Phrase, listed, nearest


class Condition(ABC):
    """One condition of a targeting rule."""

    @abstractmethod
    def finds(self, seen: Observed) -> Mask:
        """Which of the customers seen meet it: bool, of their shape."""

    def agree(self, settings: Settings) -> None:  # noqa: B027  # most name nothing of the settings
        """Raise ConfigError if it names a topic, persona or survey that the settings do not have."""


@dataclass(frozen=True)
class Between(Condition):
    """An amount, or days since something, within bounds."""

    name: str
    low: float
    high: float

    def finds(self, seen: Observed) -> Mask:
        """Those within the bounds, both included."""
        return seen.between(self.name, self.low, self.high)

    def agree(self, settings: Settings) -> None:
        """Raise ConfigError for the answers of a survey that asks nobody."""
        if self.name == "answer" and settings.company.survey_share.value == 0.0:
            raise ConfigError("rule: answer: nobody gives one where company.survey_share is 0; above 0")


@dataclass(frozen=True)
class Searched(Condition):
    """The last search was for this topic, at most so many days ago."""

    topic: str
    within_days: int

    def finds(self, seen: Observed) -> Mask:
        """Those who searched so."""
        return seen.searched(self.topic, self.within_days)

    def agree(self, settings: Settings) -> None:
        """Raise ConfigError for a topic nobody searches."""
        _known(self.topic, settings.market.topics, Phrase("search topic of market.topics"))


@dataclass(frozen=True)
class Segment(Condition):
    """The declared segment is one of these."""

    names: tuple[str, ...]

    def finds(self, seen: Observed) -> Mask:
        """Those of any of them."""
        return np.asarray(np.logical_or.reduce([seen.segment(name) for name in self.names]))

    def agree(self, settings: Settings) -> None:
        """Raise ConfigError for a segment that is no persona."""
        for name in self.names:
            _known(name, settings.personas.mix, Phrase("persona of personas.mix"))


@dataclass(frozen=True)
class Is(Condition):
    """One of FLAGS is true, or is false."""

    name: str
    wanted: bool

    def finds(self, seen: Observed) -> Mask:
        """Those whose flag is as wanted."""
        return np.asarray(FLAGS[self.name](seen) == self.wanted)


FLAGS: Mapping[str, Callable[[Observed], Mask]] = {
    "ordered_since_search": lambda seen: seen.ordered_since_search(),
    "holds_coupon": lambda seen: seen.holds_coupon,
}


@dataclass(frozen=True)
class Rule:
    """A targeting rule: conditions that must all hold."""

    conditions: tuple[Condition, ...] = ()

    def finds(self, seen: Observed) -> Mask:
        """Which of the customers seen meet all conditions: bool, of their shape."""
        found = np.ones(len(seen), bool)
        for condition in self.conditions:
            found &= condition.finds(seen)
        return found

    def agree(self, settings: Settings) -> None:
        """Raise ConfigError where a condition names what the settings do not have."""
        for condition in self.conditions:
            condition.agree(settings)


EVERYBODY = Rule()
CAN_BE = {
    "answer": Bounds(0.0, 10.0),
    "preference": Bounds(0.0, 1.0),
    "activated": Bounds(0.0, 1.0),
    "last_late": Bounds(-127.0, 127.0),
}
"""Range of amounts; the amounts not listed, and days since something, have 0 and up."""

OBSERVABLES = (*AMOUNTS, *DAYS_SINCE, *FLAGS, "searched", "segment")


def rule(stated: object) -> Rule:
    """Read a targeting rule. Raises ConfigError naming the condition and what is allowed."""
    if isinstance(stated, Rule):
        return stated
    if not isinstance(stated, Mapping):
        raise ConfigError(
            "{value} is no rule; a group of conditions on one of {names}",
            value=show(stated), names=", ".join(OBSERVABLES),
        )
    return Rule(tuple(_condition(str(name), one) for name, one in stated.items()))


Targeting = Annotated[Rule, Reader(rule)]
"""The option of an intervention that says whom it finds."""


def _condition(name: str, stated: Any) -> Condition:
    try:
        if name in AMOUNTS or name in DAYS_SINCE:
            return Between(name, *_bounds(stated, CAN_BE.get(name, Bounds(0.0))))
        if name in FLAGS:
            return Is(name, switch(stated))
        if name == "searched":
            found = parts(stated, ("topic", "within_days"))
            if len(found) < 2:
                raise ConfigError("{value} is not complete; {{topic: NAME, within_days: DAYS}}", value=show(stated))
            return Searched(text(found["topic"]), _within_days(found["within_days"]))
        if name == "segment":
            names = (stated,) if isinstance(stated, str) else stated
            if not isinstance(names, Sequence) or not names:
                raise ConfigError("{value} is no segment; a persona's name, or a list of them", value=show(stated))
            return Segment(tuple(text(one) for one in names))
    except ConfigError as error:
        raise ConfigError("{key}: {problem}", key=name, problem=error) from None
    raise ConfigError(
        "{name}: a firm cannot log this; {allowed}{hint}",
        name=name, allowed=listed(OBSERVABLES), hint=nearest(name, OBSERVABLES),
    )


def _within_days(stated: Any) -> int:
    try:
        return whole(0, 3650)(stated)
    except ConfigError as error:
        raise ConfigError("{key}: {problem}", key="within_days", problem=error) from None


def _bounds(stated: Any, bounds: Bounds) -> tuple[float, float]:
    found = parts(stated, ("at_least", "at_most"))
    low = number(found["at_least"]) if "at_least" in found else -np.inf
    high = number(found["at_most"]) if "at_most" in found else np.inf
    if not found or low > high:
        raise ConfigError(
            "{value} are no bounds; {{at_least: LOW, at_most: HIGH}}, either may be missing", value=show(stated)
        )
    if high < bounds.low or low > bounds.high:
        raise ConfigError("{value} finds nobody; {allowed}", value=show(stated), allowed=bounds.in_words)
    return low, high


def parts(stated: Any, allowed: Collection[str]) -> Mapping[str, Any]:
    """A group whose keys are all `allowed`; any may be missing. Raises ConfigError for another key."""
    if not isinstance(stated, Mapping):
        raise ConfigError("{value} is not a group of keys; {allowed}", value=show(stated), allowed=listed(allowed))
    for key in stated:
        if key not in allowed:
            raise ConfigError(
                "{key}: no such part; {allowed}{hint}",
                key=key, allowed=listed(allowed), hint=nearest(str(key), allowed),
            )
    return stated


def _known(name: str, known: Mapping[str, Any], what: Phrase) -> None:
    if name not in known:
        problem = Phrase(
            "{name!r} is no {what}; {allowed}{hint}",
            name=name, what=what, allowed=listed(known), hint=nearest(name, known),
        )  # fmt: skip
        raise ConfigError("{key}: {problem}", key="rule", problem=problem)
