"""Numbers and names as people read them: labels, units, digits, signs, in the language in use."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import reduce
from typing import Final, Protocol

from analysis.style.language import N_, _
from sim.tables import AB_METRICS, ELIGIBLE, EVERYBODY, METRICS, ROI, Metric

METRIC: Final[dict[str, Metric]] = {metric.name: metric for metric in (*METRICS, *AB_METRICS, ROI)}
SEGMENT_WORDS = {EVERYBODY: N_("everybody"), ELIGIBLE: N_("eligible in the baseline")}
UNIT_WORDS = {"1": N_("per yen spent")}
MOVED_WORDS = {
    "scenario": N_("scenario"),
    "face": N_("coupon face value"),
    "capacity_ratio": N_("capacity ratio"),
    "satisfaction_slope": N_("slope of satisfaction on churn"),
    "expectation_slope": N_("slope of expectation on purchase"),
}
"""Words for what a probe moved, by the last part of its dotted path."""
TOUCHPOINT_WORDS = {
    "site": N_("the site"),
    "store": N_("the store"),
    "delivery": N_("the delivery"),
    "product": N_("the product"),
    "support": N_("support"),
}
TOUCHPOINT_NAMES = {
    "site": N_("site and app"),
    "store": N_("store"),
    "delivery": N_("delivery"),
    "product": N_("product"),
}
"""Touchpoints of an order as a heading names them."""
OPTION_UNITS = {
    "start": N_("days"),
    "days": N_("days"),
    "every": N_("days"),
    "valid_days": N_("days"),
    "face": N_("yen"),
    "cost": N_("yen per message"),
    "budget": N_("yen a year"),
}
"""Units of an intervention's options, whose plain numbers state none, by the last part of the dotted path."""
STATUS_WORDS = {"done": N_("done"), "failed": N_("failed"), "died": N_("died"), "missing": N_("missing")}
"""How a job of a sweep stands."""


def touchpoint(name: str) -> str:
    """The touchpoint in words; its own name when it is none of ours."""
    return _(TOUCHPOINT_WORDS.get(name, name))


def label(metric: str) -> str:
    """The metric in words; its own name when it is not one of ours."""
    return _(METRIC[metric].label) if metric in METRIC else metric


def meaning(metric: str) -> str:
    """What the metric measures."""
    return _(METRIC[metric].meaning)


def unit(metric: str) -> str:
    """The metric's unit in words, with what it is per: `yen per member`, `orders in all`, `%`."""
    found = METRIC.get(metric)
    if found is None:
        return ""
    plain = _(UNIT_WORDS.get(found.unit, found.unit))
    whole = {"mean": _("{unit} per member"), "sum": _("{unit} in all")}.get(found.kind, "{unit}")
    return whole.format(unit=plain)


def segment(name: str) -> str:
    """The segment in words; a persona by its own name."""
    return _(SEGMENT_WORDS.get(name, name))


def status(name: str) -> str:
    """How a job of a sweep stands, in words."""
    return _(STATUS_WORDS[name])


def moved(path: str) -> str:
    """What a dotted path means, in words where we have them, else its last two parts."""
    last = path.rpartition(".")[2]
    return _(MOVED_WORDS[last]) if last in MOVED_WORDS else parameter(path)


def parameter(path: str) -> str:
    """A parameter in a word or two: the last two parts of its dotted path."""
    last_two = " ".join(path.split(".")[-2:])
    return _(last_two.replace("_", " "))


def parameter_unit(unit: str) -> str:
    """A parameter's unit in words; nothing for a bare number."""
    return "" if unit == "1" else _(unit)


def option_unit(path: str) -> str:
    """The unit of an intervention's option by its dotted path; empty where we know none."""
    return OPTION_UNITS.get(path.rpartition(".")[2], "") if ".interventions." in path else ""


def amount(value: float, unit: str) -> str:
    """A parameter's value with its unit; shares and ratios have none that helps."""
    told = "" if unit.startswith(("share", "ratio")) else parameter_unit(unit)
    return _("{amount} {unit}").format(amount=plain(value), unit=told) if told else plain(value)


def known(value: float | None) -> bool:
    """Whether there is a number at all."""
    return value is not None and math.isfinite(value)


def decimals(*values: float) -> int:
    """Decimals, 0 to 2, at which the largest of `values` shows three digits, so that a row's numbers line up."""
    size = max((abs(value) for value in values if known(value)), default=0.0)
    return 0 if size == 0 else min(max(2 - math.floor(math.log10(size)), 0), 2)


def number(value: float, places: int | None = None) -> str:
    """`value` with thousands separators; a dash where there is none."""
    if not known(value):
        return "-"
    text = f"{value:,.{decimals(value) if places is None else places}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def plain(value: float) -> str:
    """A parameter's value: three digits, no trailing zeros."""
    return f"{value:.3g}" if known(value) else "-"


FINEST = 1e-4
"""What is smaller is not told from zero."""


def signed(value: float, places: int | None = None) -> str:
    """As `number`, with a sign on all but zero. What would round to zero keeps its first digit down to the fourth
    decimal, and its sign always: beside an effect called clear, an interval must not seem to reach zero."""
    if not known(value) or value == 0:
        return number(value, places)
    text = number(abs(value), places)
    if not re.search("[1-9]", text) and abs(value) >= FINEST:
        text = f"{abs(value):.1g}"
    return f"-{text}" if value < 0 else f"+{text}"


def span(low: float, high: float, places: int | None = None) -> str:
    """An interval in words, or a dash where there is none."""
    if not (known(low) and known(high)):
        return "-"
    places = decimals(low, high) if places is None else places
    return _("{low} to {high}").format(low=signed(low, places), high=signed(high, places))


class Ends(Protocol):
    """What is told of a spread over points: a 90 % interval, NaN where points are too few, and the outermost points."""

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def least(self) -> float: ...
    @property
    def most(self) -> float: ...
    @property
    def points(self) -> int: ...


def within(over: Ends, places: int | None = None, sign: bool = True) -> str:
    """The interval in words; of too few points how many there are and where they lie; a dash for a single one."""
    show = signed if sign else number
    text = _("{low} to {high}") if known(over.low) else _("{points} points, from {low} to {high}")
    low, high = (over.low, over.high) if known(over.low) else (over.least, over.most)
    if over.points < 2 or not known(low):
        return "-"
    places = decimals(low, high) if places is None else places
    return text.format(points=over.points, low=show(low, places), high=show(high, places))


def between(over: Ends, places: int | None = None) -> str:
    """As `within`, for a sentence, which says what the ends are."""
    told = within(over, places)
    return _("90 % interval {span}").format(span=told) if known(over.low) else told


def effect(size: float, over: Ends) -> str:
    """An effect with its interval in brackets, to the digits that their sizes ask for."""
    places = decimals(size, over.low, over.high)
    told = within(over, places)
    return signed(size, places) if told == "-" else f"{signed(size, places)} ({told})"


def percent(share: float) -> str:
    """A share as a percentage; certainty is not claimed from points."""
    if not known(share):
        return "-"
    if 0.99 < share < 1:
        return _("> 99 %")
    return _("< 1 %") if 0 < share < 0.01 else _("{share} %").format(share=f"{100 * share:.0f}")


def enumerated(items: list[str]) -> str:
    """`a, b, c`."""
    return reduce(lambda some, item: _("{some}, {item}").format(some=some, item=item), items) if items else ""


def listed(items: list[str], last: str = "and") -> str:
    """`a, b and c`, or with another word before the last: `or`."""
    if len(items) < 2:
        return "".join(items)
    whole = {"and": _("{some} and {item}"), "or": _("{some} or {item}")}[last]
    return whole.format(some=enumerated(items[:-1]), item=items[-1])


def sentences(told: Iterable[str]) -> str:
    """Sentences in a row; empty ones are left out."""
    some = list(filter(None, told))
    return reduce(lambda text, more: _("{text} {more}").format(text=text, more=more), some) if some else ""


def typeset(text: str) -> str:
    """A true minus sign before digits, for print."""
    return re.sub(r"(?<![A-Za-z0-9_-])-(?=[\d.])", "\N{MINUS SIGN}", text)
