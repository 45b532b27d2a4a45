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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np

from scenarios.intervention import Mask
from sim.company.offers import AMOUNTS, DAYS_SINCE, Observed
from sim.config.parameters import Bounds, Reader, Text, number, show, switch, text, whole
from sim.config.sections import Section
from sim.config.settings import Settings
from sim.phrases import ConfigError, Phrase, keyed, listed, nearest


class Condition(NamedTuple):
    """One condition of a targeting rule."""

    finds: Callable[[Observed], Mask]
    """Which of the customers seen meet it: bool, of their shape."""

    agree: Callable[[Settings], None] = lambda _: None
    """Raises ConfigError if the condition names a topic, persona or survey that the settings do not have."""


def between(name: str, low: float, high: float) -> Condition:
    """An amount, or days since something, within bounds, both included."""

    def agree(settings: Settings) -> None:
        if name == "answer" and settings.company.survey_share.value == 0.0:
            raise ConfigError("rule.answer: nobody gives one where company.survey_share is 0; above 0")

    return Condition(lambda seen: seen.between(name, low, high), agree)


def searched(topic: str, within_days: int) -> Condition:
    """The last search was for this topic, at most so many days ago."""
    what = Phrase("search topic of market.topics")
    return Condition(
        lambda seen: seen.searched(topic, within_days),
        lambda settings: check_known("rule", topic, settings.market.topics, what),
    )


def segment(names: Sequence[str]) -> Condition:
    """The declared segment is one of these."""

    def agree(settings: Settings) -> None:
        for name in names:
            check_known("rule", name, settings.personas.mix, Phrase("persona of personas.mix"))

    return Condition(lambda seen: np.asarray(np.logical_or.reduce([seen.segment(name) for name in names])), agree)


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
            return between(name, *_bounds(stated, CAN_BE.get(name, Bounds(0.0))))
        if name in FLAGS:
            wanted = switch(stated)
            return Condition(lambda seen: np.asarray(FLAGS[name](seen) == wanted))
        if name == "searched":
            search = LastSearch.read(stated)
            return searched(search.topic, search.within_days)
        if name == "segment":
            names = (stated,) if isinstance(stated, str) else stated
            if not isinstance(names, Sequence) or not names:
                raise ConfigError("{value} is no segment; a persona's name, or a list of them", value=show(stated))
            return segment(tuple(text(one) for one in names))
    except ConfigError as error:
        raise keyed(name, error) from None
    raise ConfigError(
        "{name}: a firm cannot log this; {allowed}{hint}",
        name=name, allowed=listed(OBSERVABLES), hint=nearest(name, OBSERVABLES),
    )


class Limits(Section):
    """Bounds of an amount, or of days since something, both included."""

    at_least: Annotated[float, Reader(number)] = -np.inf
    at_most: Annotated[float, Reader(number)] = np.inf


class LastSearch(Section):
    """A search for a topic, at most so many days ago."""

    topic: Text
    within_days: Annotated[int, whole(0, 3650)]


def _bounds(stated: object, bounds: Bounds) -> tuple[float, float]:
    found = Limits.read(stated)
    low, high = found.at_least, found.at_most
    if not stated or low > high:
        raise ConfigError(
            "{value} are no bounds; {{at_least: LOW, at_most: HIGH}}, either may be missing", value=show(stated)
        )
    if high < bounds.low or low > bounds.high:
        raise ConfigError("{value} finds nobody; {allowed}", value=show(stated), allowed=bounds.in_words)
    return low, high


def check_known(key: str, name: str, known: Mapping[str, Any], what: Phrase) -> None:
    """Raise ConfigError where a name of the option `key` is not known."""
    if name not in known:
        problem = Phrase(
            "{name!r} is no {what}; {allowed}{hint}",
            name=name, what=what, allowed=listed(known), hint=nearest(name, known),
        )  # fmt: skip
        raise keyed(key, problem)
