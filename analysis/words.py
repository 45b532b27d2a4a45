"""Numbers and names as people read them: labels, units, digits, signs."""

from __future__ import annotations

import math
import re
from typing import Final

from analysis.estimands import ROI
from sim.tables import AB_METRICS, ELIGIBLE, EVERYBODY, METRICS, Metric

METRIC: Final[dict[str, Metric]] = {metric.name: metric for metric in (*METRICS, *AB_METRICS, ROI)}
SEGMENT_WORDS = {EVERYBODY: "everybody", ELIGIBLE: "eligible in the baseline"}
UNIT_WORDS = {"1": "per yen spent"}
PER_CUSTOMER = "per potential customer"
MOVED_WORDS = {
    "face": "coupon face value",
    "capacity_ratio": "capacity ratio",
    "satisfaction_slope": "slope of satisfaction on churn",
    "expectation_slope": "slope of expectation on purchase",
}
"""Words for what a probe moved, by the last part of its dotted path."""


def label(metric: str) -> str:
    """The metric in words; its own name when it is not one of ours."""
    return METRIC[metric].label if metric in METRIC else metric


def unit(metric: str) -> str:
    """The metric's unit in words, with what it is per: `yen per potential customer`, `orders in all`, `%`."""
    found = METRIC.get(metric)
    if found is None:
        return ""
    if found.kind == "mean":
        return f"{found.unit} {PER_CUSTOMER}"
    return f"{found.unit} in all" if found.kind == "sum" else UNIT_WORDS.get(found.unit, found.unit)


def segment(name: str) -> str:
    """The segment in words; a persona by its own name."""
    return SEGMENT_WORDS.get(name, name)


def moved(path: str) -> str:
    """What a dotted path means, in words where we have them, else its last two parts."""
    pieces = path.split(".")
    return MOVED_WORDS.get(pieces[-1], " ".join(pieces[-2:]).replace("_", " "))


def known(value: float | None) -> bool:
    """Whether there is a number at all."""
    return value is not None and math.isfinite(value)


def decimals(*values: float) -> int:
    """Decimals, 0 to 2, at which the largest of `values` shows three digits, so that a row's numbers line
    up."""
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


def signed(value: float, places: int | None = None) -> str:
    """As `number`, with a plus sign on what is above zero."""
    text = number(value, places)
    return text if not known(value) or text.startswith("-") or not re.search("[1-9]", text) else f"+{text}"


def span(low: float, high: float, places: int | None = None) -> str:
    """An interval in words, or a dash where there is none."""
    if not (known(low) and known(high)):
        return "-"
    places = decimals(low, high) if places is None else places
    return f"{signed(low, places)} to {signed(high, places)}"


def percent(share: float) -> str:
    """A share as a percentage; certainty is not claimed from draws."""
    if not known(share):
        return "-"
    return "> 99 %" if 0.99 < share < 1 else "< 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def listed(items: list[str], last: str = "and") -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def typeset(text: str) -> str:
    """A true minus sign before digits, for print."""
    return re.sub(r"(?<![\w-])-(?=[\d.])", "\N{MINUS SIGN}", text)
