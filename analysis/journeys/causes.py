"""Events of a customer's life in words, with their causes.

A cause is told only where the model has it and the log shows it: who told of the brand, the click that came before a
visit, the coupon that was given, the days by which an order was late before its score. Where several could be meant,
none is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from analysis.journeys.read import BY_TALK, CHANNELS, STORE, TOUCHPOINTS, event_word
from analysis.style import words
from analysis.style.language import N_, _
from sim.tables import DETRACTOR, PROMOTER

RECENT = 60
"""Most days from talk heard to awareness for the talk to be told as its cause."""

TOLD = {
    "aware": N_("learns of the brand"),
    "message sent": N_("is sent message {number}"),
    "message clicked": N_("clicks message {number}"),
    "opted out": N_("opts out of messages"),
    "linked": N_("links an account"),
    "preference told": N_("tells a preference"),
    "visit": N_("visits ({place})"),
    "popup shown": N_("sees popup {number}"),
    "popup clicked": N_("clicks popup {number}"),
    "order": N_("orders for {yen} yen"),
    "coupon redeemed": N_("redeems a coupon: {yen} yen off"),
    "coupon issued": N_("is given a coupon of {yen} yen"),
    "delivered": N_("receives an order as promised"),
    "delivered late": N_("receives an order {time} late"),
    "cancelled": N_("cancels an order that has not been shipped {time} after the promised day"),
    "delivered early": N_("receives an order {time} early"),
    "taken home": N_("takes the order home from the store"),
    "support contact": N_("reaches support after {size} min"),
    "support given up": N_("gives up on support after {size} min"),
    "episode": N_("scores the experience {score} su"),
    "let down": N_("is let down most by {place}"),
    "talk": N_("tells friends ({score} su)"),
    "heard": N_("hears from a friend ({score} su)"),
    "lapsed": N_("lapses silently, {time} after the last order"),
    "survey answer": N_("answers {number} of 10 in the survey"),
}
"""What happened, by kind of event and, where it matters, how it went."""

UNKNOWN = N_("{event}: {number}")
"""What is told of a kind of event that is none of these."""


class Event(NamedTuple):
    """One event of the log; for a message, with its campaign where there are several."""

    day: int
    name: str
    value: float
    campaign: str = ""


class Moment(NamedTuple):
    """An event in words, and its cause in words, empty where that is not known."""

    event: Event
    told: str
    why: str


class Life(NamedTuple):
    """One customer in one arm.

    `states`: day, satisfaction, expectation, in the order of time. `person`: the row of customers.parquet.
    """

    arm: str
    events: list[Event]
    states: pd.DataFrame
    person: pd.Series


def duration(days: float) -> str:
    """So many days, whatever their sign."""
    return _("a day") if abs(days) == 1 else _("{count} days").format(count=words.number(abs(days), 0))


def _place(event: Event) -> str:
    """Where a visit went, or what let down; empty for other events."""
    if event.name == "visit":
        return _(CHANNELS.get(int(event.value), ""))
    return words.touchpoint(TOUCHPOINTS.get(int(event.value), "")) if event.name == "let down" else ""


def _of_campaign(told: str, event: Event) -> str:
    """What is told of a message, with its campaign where there are several."""
    return _("{told} ({campaign})").format(told=told, campaign=event.campaign) if event.campaign else told


def _number(message: Event) -> str:
    """The variant of a message, for a cause."""
    return _of_campaign(words.plain(message.value), message)


def moments(life: Life) -> list[Moment]:
    """Every event of a life, told with its cause."""
    teller = _Teller(life)
    return [teller.tell(place) for place in range(len(life.events))]


class _Teller:
    """Puts a life into words event by event, and remembers what may be the cause of later events."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.heard: list[int] = []  # days
        self.coupons: list[Event] = []  # given and not redeemed; when they end is not logged
        self.last: dict[str, Event] = {}  # the last event of each kind
        self.handed_over: list[Event] = []  # orders of the day that have no score yet, cancelled ones too
        self.late = 0.0  # days, of the order scored last
        self.cancelled = False  # the order scored last

    def tell(self, place: int) -> Moment:
        """The event at `place`; to be asked for one after the other."""
        event = self.life.events[place]
        self.today = [one for one in self.life.events if one.day == event.day]
        if event.name == "episode":
            scored = self.handed_over.pop(0) if self.handed_over else None
            self.cancelled = scored is not None and scored.name == "cancelled"
            self.late = scored.value if scored is not None and not self.cancelled else 0.0
        why = _("; ").join(self._causes(event))
        moment = Moment(event, self._told(event), why)
        self._remember(event)
        return moment

    def _remember(self, event: Event) -> None:
        self.last[event.name] = event
        if event.name == "heard":
            self.heard.append(event.day)
        elif event.name == "coupon issued":
            self.coupons.append(event)
        elif event.name == "coupon redeemed":
            self.coupons = self.coupons[1:]
        elif event.name in ("delivered", "cancelled"):
            self.handed_over.append(event)

    def _told(self, event: Event) -> str:
        told = _(TOLD.get(self._how(event), UNKNOWN)).format(
            event=event_word(event.name),
            number=words.plain(event.value),
            yen=words.number(event.value, 0),
            size=words.number(abs(event.value), 0),
            time=duration(event.value),
            score=words.signed(event.value, 1),
            place=_place(event),
        )
        return _of_campaign(told, event)

    def _how(self, event: Event) -> str:
        """The entry of TOLD that tells an event."""
        if event.name == "support contact" and event.value < 0:
            return "support given up"
        if event.name != "delivered":
            return event.name
        if event.value != 0:
            return "delivered late" if event.value > 0 else "delivered early"
        return "taken home" if self._in_store(event) else event.name

    def _in_store(self, event: Event) -> bool:
        """Whether this is what was bought in the store today: it is handed over after all that was ordered before."""
        visited = any(one.name == "visit" and one.value == STORE for one in self.today)
        last = [one for one in self.today if one.name == "delivered"]
        told = sum(one.day == event.day for one in self.handed_over)
        return visited and self._happens("order") is not None and told == len(last) - 1

    def _happens(self, name: str) -> Event | None:
        """Today's event of that kind, already told or not."""
        return next((one for one in self.today if one.name == name), None)

    # -- why

    def _causes(self, event: Event) -> Iterator[str]:
        causes = {
            "aware": self._of_awareness, "visit": self._of_visit, "order": self._of_order, "talk": self._of_talk,
            "coupon redeemed": self._of_redemption, "coupon issued": self._of_coupon, "episode": self._of_score,
            "support contact": self._of_contact, "lapsed": self._of_lapse, "survey answer": self._of_answer,
            "let down": self._of_let_down,
        }  # fmt: skip
        if event.name in causes:
            yield from causes[event.name](event)

    def _of_awareness(self, event: Event) -> Iterator[str]:
        friends = sum(event.day - day <= RECENT for day in self.heard)
        if event.value != BY_TALK:
            yield _("by advertising")
        elif friends:
            yield _("by word of mouth; talks of friends heard in the {days} days before: {count}").format(
                count=friends, days=RECENT
            )
        else:
            yield _("by word of mouth")

    def _of_visit(self, event: Event) -> Iterator[str]:
        click = self._happens("message clicked")
        if click is not None:
            yield _("brought by the click on message {number}").format(number=_number(click))

    def _of_order(self, event: Event) -> Iterator[str]:
        if event.day == self.life.person["acquired_day"]:
            yield _("the first order ever")
        clicked, shown, used = map(self._happens, ("popup clicked", "popup shown", "coupon redeemed"))
        if clicked is not None:
            yield _("after the click on popup {number}").format(number=_number(clicked))
        elif shown is not None:
            yield _("after popup {number}, seen and not clicked").format(number=_number(shown))
        if used is not None:
            yield _("with a coupon")

    def _of_redemption(self, event: Event) -> Iterator[str]:
        if len(self.coupons) == 1:
            yield _("given on day {day}").format(day=self.coupons[0].day)

    def _of_coupon(self, event: Event) -> Iterator[str]:
        yield _("for letting the order arrive later")

    def _of_contact(self, event: Event) -> Iterator[str]:
        if len(self.handed_over) == 1 and self.handed_over[0].value > 0:
            yield _("the order never came") if self.handed_over[0].name == "cancelled" else _("the order came late")

    def _of_score(self, event: Event) -> Iterator[str]:
        if self.late > 0:
            yield _("hurt by coming {time} late").format(time=duration(self.late))
        if self.cancelled:
            yield _("the order never came")
        contact = self._happens("support contact")
        if contact is not None and sum(one.name == "delivered" for one in self.today) == 1:
            yield _("support was reached") if contact.value >= 0 else _("support was not reached")
        yield from self._felt(event.day)

    def _of_let_down(self, event: Event) -> Iterator[str]:
        alone = sum(one.name == "episode" for one in self.today) == 1
        if alone and (self.late > 0 or self.cancelled) and TOUCHPOINTS.get(int(event.value)) == "delivery":
            yield _("the order never came") if self.cancelled else _("the order came late")

    def _felt(self, day: int) -> Iterator[str]:
        """How satisfaction moved by the single experience of a day: the day's last state less the one before, which may
        be of the same day, after a visit or a message."""
        states = self.life.states
        until = states[states["day"] <= day]
        if len(until) > 1 and sum(one.name == "episode" for one in self.today) == 1:
            before, after = until["satisfaction"].iloc[-2:]
            yield _("satisfaction goes from {before} to {after}").format(
                before=words.number(float(before), 2), after=words.number(float(after), 2)
            )

    def _of_talk(self, event: Event) -> Iterator[str]:
        yield _("about this experience")

    def _of_lapse(self, event: Event) -> Iterator[str]:
        if "episode" in self.last:
            score = words.signed(self.last["episode"].value, 1)
            yield _("the last experience scored {score} su").format(score=score)
        if self.late > 0:
            yield _("the last order came {time} late").format(time=duration(self.late))
        if self.cancelled:
            yield _("the last order never came")

    def _of_answer(self, event: Event) -> Iterator[str]:
        if event.value >= PROMOTER:
            yield _("a promoter")
        else:
            yield _("a detractor") if event.value <= DETRACTOR else _("passive")
