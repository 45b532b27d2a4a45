"""One customer's life in both arms, and where the two lives part.

It is an illustration. Both lives have the same draws, but what one customer would have done is not identified: that
the arms share draws, and how, is a choice of the model, and only means over customers do not depend on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from typing import NamedTuple

from analysis.effects.answer import aligned
from analysis.folders.run_folder import RunError
from analysis.journeys.causes import Event, Life, Moment, moments
from analysis.journeys.read import Journeys, event_word
from analysis.style.language import _
from sim.tables import BASELINE

BOTH = "both"
"""The arm of a line that both lives share."""

QUIET = ("visit", "heard", "message sent", "popup shown")
"""Kinds of event that are summed up where several days hold nothing else."""


class Parting(NamedTuple):
    """The first day on which two lives differ, and what each has on it that the other has not; None for nothing."""

    day: int
    baseline: Moment | None
    scenario: Moment | None


class Story(NamedTuple):
    """A customer's lives, the baseline's first."""

    customer: int
    lives: list[Life]
    days: int
    parting: Parting | None


class Line(NamedTuple):
    """A line of the timeline; `arm` is BOTH, or where alone this happened."""

    first: int
    last: int
    arm: str
    told: str
    why: str


def story(journeys: Journeys, customer: int) -> Story:
    """One customer's story. Raises RunError for a customer whose journey was not kept."""
    kept = int(journeys.people["customer"].nunique())
    if not 0 <= customer < kept:
        raise RunError(
            "CUSTOMER: {customer} is not allowed; from 0 to {last}, whose journeys were kept",
            customer=customer,
            last=kept - 1,
        )
    arms = [BASELINE] if journeys.scenario is None else [BASELINE, journeys.scenario]
    lives = [_life(journeys, customer, arm) for arm in arms]
    return Story(customer, lives, journeys.run.days, parting(*lives) if len(lives) > 1 else None)


def _life(journeys: Journeys, customer: int, arm: str) -> Life:
    own = journeys.arm(arm)
    own = own[own["customer"] == customer]
    logged = own[["day", "event", "value", "campaign"]].itertuples(index=False, name=None)
    events = [Event(int(day), str(name), float(value), str(campaign)) for day, name, value, campaign in logged]
    states, people = journeys.states, journeys.people
    states = states[(states["customer"] == customer) & (states["arm"] == arm)].reset_index(drop=True)
    return Life(arm, events, states, people[(people["customer"] == customer) & (people["arm"] == arm)].iloc[0])


def parting(baseline: Life, scenario: Life) -> Parting | None:
    """Where two lives part, None where they never do."""
    for one, other in zip_longest(moments(baseline), moments(scenario)):
        if one is None or other is None or one.event != other.event:
            day = min(moment.event.day for moment in (one, other) if moment is not None)
            here = [moment if moment is not None and moment.event.day == day else None for moment in (one, other)]
            return Parting(day, *here)
    return None


def timeline(found: Story) -> list[Line]:
    """The table's lines, day by day: one for an event of both lives, one for an event of either, and one in all for a
    stretch of days on which little happened."""
    told = [moments(life) for life in found.lives]
    days = sorted({moment.event.day for life in told for moment in life})
    each = [(day, [[moment for moment in life if moment.event.day == day] for life in told]) for day in days]
    lines: list[Line] = []
    for quiet, some in groupby(each, key=lambda one: _quiet(one[1])):
        spell = list(some)
        if quiet and len(spell) > 1:
            lines.append(_summed_up(spell))
        else:
            lines += [line for day, today in spell for line in _day(day, [life.arm for life in found.lives], today)]
    return lines


def _quiet(today: Sequence[list[Moment]]) -> bool:
    """Whether a day is the same in both lives, with nothing but what happens all the time."""
    same = all(life == today[0] for life in today)
    return same and all(moment.event.name in QUIET and not moment.why for moment in today[0])


def _summed_up(spell: Sequence[tuple[int, Sequence[list[Moment]]]]) -> Line:
    """A line for a spell of quiet days."""
    counts = Counter(moment.event.name for _day, today in spell for moment in today[0])
    texts = {name: _("{event}, {count} times") if count > 1 else "{event}" for name, count in counts.items()}
    told = [texts[name].format(event=event_word(name), count=count) for name, count in counts.items()]
    return Line(spell[0][0], spell[-1][0], BOTH, _("; ").join(told), "")


def _day(day: int, arms: Sequence[str], today: Sequence[list[Moment]]) -> Iterator[Line]:
    """The lines of a day."""
    shown = [[(moment.told, moment.why) for moment in life] for life in today]
    for what, a, b, c, d in SequenceMatcher(None, shown[0], shown[-1], autojunk=False).get_opcodes():
        parts = [(BOTH, today[0][a:b])] if what == "equal" else [(arms[0], today[0][a:b]), (arms[-1], today[-1][c:d])]
        yield from (Line(day, day, arm, moment.told, moment.why) for arm, some in parts for moment in some)


# -- in words -------------------------------------------------------------------------------------------------


def parting_words(found: Story, journeys: Journeys) -> str:
    """The first event where the lives part, in a sentence; empty where there is one life only."""
    if len(found.lives) < 2:
        return ""
    if found.parting is None:
        return _("Within {days} days both lives are the same: nothing that happened to this customer changed.").format(
            days=found.days
        )
    day, baseline, scenario = found.parting
    if baseline is None:
        text = _(
            "The lives part on day {day} ({date}): with {name} the customer {scenario}, in the baseline not that day."
        )
    elif scenario is None:
        text = _(
            "The lives part on day {day} ({date}): in the baseline the customer {baseline}, with {name} not that day."
        )
    else:
        text = _(
            "The lives part on day {day} ({date}): in the baseline the customer {baseline}, with {name} the customer "
            "{scenario}."
        )
    told = {"baseline": baseline.told if baseline else "", "scenario": scenario.told if scenario else ""}
    return text.format(day=day, date=journeys.date(day), name=journeys.run.title(found.lives[1].arm), **told)


def table(found: Story) -> str:
    """The timeline for the terminal."""
    rows: list[tuple[str, ...]] = [(arm_word(line.arm), when(line), explained(line)) for line in timeline(found)]
    return aligned((_("life"), _("day"), _("what happened")), rows)


def explained(line: Line) -> str:
    """What happened, and why where that is known."""
    return _("{told} ({why})").format(told=line.told, why=line.why) if line.why else line.told


def when(line: Line) -> str:
    """The day of a line, or its first and last."""
    if line.first == line.last:
        return str(line.first)
    return _("{low} to {high}").format(low=line.first, high=line.last)


def arm_word(arm: str) -> str:
    """An arm, or both, in a word."""
    return {BOTH: _("both"), BASELINE: _("baseline")}.get(arm, arm)
