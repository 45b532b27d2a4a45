"""Dates as people read them: `1 January 2027`, `January 2027`, in the language in use."""

from __future__ import annotations

from datetime import date
from typing import Final

from analysis.style.language import N_, _

MONTHS: Final = (
    N_("January"), N_("February"), N_("March"), N_("April"), N_("May"), N_("June"),
    N_("July"), N_("August"), N_("September"), N_("October"), N_("November"), N_("December"),
)  # fmt: skip


def told(day: date) -> str:
    """A date in words."""
    return _("{day} {month} {year}").format(day=day.day, month=_(MONTHS[day.month - 1]), year=day.year)


def month(day: date) -> str:
    """The month of a date, with its year."""
    return _("{month} {year}").format(month=_(MONTHS[day.month - 1]), year=day.year)


def month_starts(first: date, days: int, most: int) -> list[date]:
    """First days of months within so many days from `first` on, evenly spaced and at most so many."""
    months = (first.year * 12 + first.month - 1 + i for i in range(days // 28 + 2))
    starts = [date(one // 12, one % 12 + 1, 1) for one in months]
    within = [start for start in starts if 0 <= (start - first).days < days]
    return within[:: max(1, -(-len(within) // most))]
