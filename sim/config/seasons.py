"""The calendar: which days bring more or fewer visits, and on which days warehouse and carrier rest.

Days are named by their date within a year (`12-01..12-25`), their weekday (`every: friday`) or their place in the month
(`days_of_month: [5, 15, 25]`); where several are stated, all must hold. Everything recurs every year. `start_date` says
which date day 0 has; the days of the burn-in lie before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from sim.config.parameters import Positive, Reader, optional, several, show, whole, word
from sim.config.sections import Name, Section
from sim.phrases import ConfigError

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

LONGEST_REST = 30
"""Days in a row on which warehouse or carrier may rest."""

AFTER_PEAK = 14
"""Days after a peak's last that still belong to it."""

DateInYear = tuple[int, int]
"""Month and day."""

Mask = NDArray[np.bool_]


def date_in_year(text: str) -> DateInYear:
    """Month and day of `MM-DD`. Raises ValueError where there is no such date."""
    if not re.fullmatch(r"\d\d-\d\d", text):
        raise ValueError(text)
    found = date.fromisoformat(f"2024-{text}")  # a leap year
    return found.month, found.day


def ends_of(span: str) -> tuple[DateInYear, DateInYear]:
    """First and last date of `MM-DD..MM-DD` or `MM-DD`. Raises ValueError."""
    first, dots, last = span.partition("..")
    return date_in_year(first), date_in_year(last if dots else first)


def _span(value: object) -> str:
    """Reader of one date within a year, or of a span of dates."""
    try:
        if not isinstance(value, str):
            raise ValueError(value)
        ends_of(value)
    except ValueError:
        raise ConfigError("{value} is no span of dates; write it as 12-01..12-25 or 12-25", value=show(value)) from None
    return value


def in_horizon(value: str, first: date, last: date) -> date:
    """A date written as `2027-03-01`, or as `03-01`: then the first such date from `first` on.

    Raises ConfigError for what is no date, and for one that does not lie between `first` and `last`.
    """
    try:
        found = _first_of(*date_in_year(value), first) if len(value) == len("03-01") else date.fromisoformat(value)
    except ValueError:
        raise ConfigError(
            "{value} is not a date; write it as 2027-03-01 or 03-01, or give a number of days", value=show(value)
        ) from None
    if not first <= found <= last:
        raise ConfigError(
            "{value} lies outside the horizon; from {first} to {last}", value=found, first=first, last=last
        )
    return found


def _first_of(month: int, day: int, first: date) -> date:
    """The first date of this month and day from `first` on."""
    return next(
        found for found in (first + timedelta(days=days) for days in range(8 * 366 + 1))
        if (found.month, found.day) == (month, day)
    )  # fmt: skip


class Dates(NamedTuple):
    """Dates of days in a row, taken apart: month and day of the month from 1, weekday from 0 for Monday; (days,)."""

    month: NDArray[np.int64]
    day: NDArray[np.int64]
    weekday: NDArray[np.int64]

    @classmethod
    def of(cls, first: date, days: int) -> Dates:
        """The dates of so many days from `first` on."""
        day = np.datetime64(first, "D") + np.arange(days)
        month = day.astype("datetime64[M]")
        return cls(
            month.astype(np.int64) % 12 + 1,
            (day - month).astype(np.int64) + 1,
            (day.astype(np.int64) + 3) % 7,  # 1970 began on a Thursday
        )


class DaysOfYear(Section):
    """Some days of every year: those on which all that is stated holds."""

    dates: Annotated[tuple[str, ...] | None, optional(several(Reader(_span)))] = None
    every: Annotated[tuple[str, ...] | None, optional(several(word(*WEEKDAYS)))] = None
    days_of_month: Annotated[tuple[int, ...] | None, optional(several(whole(1, 31)))] = None

    @model_validator(mode="after")
    def _some_day(self) -> Self:
        if not self.on(Dates.of(date(2000, 1, 1), 28 * 366)).any():  # 28 years have every date on every weekday
            raise ConfigError("names no day; at least one of dates, every and days_of_month, which agree")
        return self

    def on(self, dates: Dates) -> Mask:
        """Which of these days are meant; bool (days,). Without any condition, none."""
        stated = []
        if self.dates is not None:
            stated.append(np.logical_or.reduce([_within(dates, *ends_of(span)) for span in self.dates]))
        if self.every is not None:
            stated.append(np.isin(dates.weekday, [WEEKDAYS.index(name) for name in self.every]))
        if self.days_of_month is not None:
            stated.append(np.isin(dates.day, self.days_of_month))
        return np.logical_and.reduce(stated) if stated else np.zeros(len(dates.day), bool)


def _within(dates: Dates, first: DateInYear, last: DateInYear) -> Mask:
    """Days from `first` to `last`; where the last comes before the first, over the turn of the year."""
    place, low, high = (100 * month + day for month, day in ((dates.month, dates.day), first, last))
    after, before = place >= low, place <= high
    return np.asarray(after & before if low <= high else after | before)


class Season(DaysOfYear):
    """Days on which visits are `multiplier` times those of other days; seasons that meet are multiplied."""

    multiplier: Positive


class Weekdays(Section):
    """Visits by weekday, relative to one another: only proportions count."""

    monday: Positive
    tuesday: Positive
    wednesday: Positive
    thursday: Positive
    friday: Positive
    saturday: Positive
    sunday: Positive


EVEN = Weekdays.read(dict.fromkeys(WEEKDAYS, 1.0))


class Calendar(Section):
    """Seasons, the week, and days of rest."""

    seasons: dict[Name, Season]
    weekdays: Weekdays
    warehouse_rests: dict[Name, DaysOfYear]
    carrier_rests: dict[Name, DaysOfYear]

    def visits(self, first: date, days: int) -> NDArray[np.float64]:
        """Factor on visits of so many days from a date on; 1 on an ordinary day; float64 (days,)."""
        dates, week = Dates.of(first, days), np.array([getattr(self.weekdays, name).value for name in WEEKDAYS])
        factor: NDArray[np.float64] = (week / week.mean())[dates.weekday]
        for season in self.seasons.values():
            factor[season.on(dates)] *= season.multiplier.value
        return factor

    def peaks(self, first: date, days: int) -> Mask:
        """Which of so many days from a date on belong to a peak: a season named by dates that brings more visits, and
        the AFTER_PEAK days in which its orders are worked off; bool (days,).
        """
        dates, peaks = Dates.of(first, days), np.zeros(days, bool)
        for season in self.seasons.values():
            if season.dates is not None and season.multiplier.value > 1.0:
                peaks |= season.on(dates)
        for day in np.flatnonzero(peaks):
            peaks[day : day + 1 + AFTER_PEAK] = True
        return peaks

    def warehouse(self, first: date, days: int) -> Mask:
        """On which of so many days from a date on the warehouse rests; bool (days,)."""
        return _any(self.warehouse_rests, Dates.of(first, days))

    def carrier(self, first: date, days: int) -> Mask:
        """On which of so many days from a date on the carrier rests; bool (days,)."""
        return _any(self.carrier_rests, Dates.of(first, days))


FLAT = Calendar(seasons={}, weekdays=EVEN, warehouse_rests={}, carrier_rests={})
"""Every day like any other."""


def _any(named: Mapping[str, DaysOfYear], dates: Dates) -> Mask:
    rests = np.zeros(len(dates.day), bool)
    for one in named.values():
        rests |= one.on(dates)
    return rests


def check_rests(calendar: Calendar, first: date, days: int) -> None:
    """Raise ConfigError where warehouse or carrier rests too long within so many days from a date on."""
    for key, rests in (
        ("warehouse_rests", calendar.warehouse(first, days)), ("carrier_rests", calendar.carrier(first, days)),
    ):
        length = 0
        for day, rest in enumerate(rests.tolist()):
            length = length + 1 if rest else 0
            if length > LONGEST_REST:
                raise ConfigError(
                    "calendar.{key}: more than {most} days of rest in a row, up to {date}; at most {most}",
                    key=key, most=LONGEST_REST, date=(first + timedelta(days=day)).isoformat(),
                )
