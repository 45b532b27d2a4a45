"""The firm on its dashboard: the facts that it typed, and what the model gives of each over the points."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.folders.run_folder import Run
from analysis.style import words
from analysis.style.language import N_, _

FACTS = {
    "orders_a_month": N_("orders a month"),
    "active_customers": N_("active customers (bought within a year)"),
    "average_basket": N_("average basket"),
    "conversion": N_("conversion (orders per visit)"),
    "repeat_share": N_("buyers who buy again within twelve months"),
    "on_time": N_("on-time rate outside peaks"),
    "express": N_("share of express delivery"),
    "norush": N_("share of no-rush delivery"),
    "nps": N_("NPS"),
    "contacts_per_order": N_("contacts with support per order"),
}
"""Words for the facts; one that is none of these is shown by its own name."""

ENOUGH = 0.95
"""Share of points that are to reproduce a fact within its tolerance."""


def fact(name: str) -> str:
    """A fact in words."""
    return _(FACTS[name]) if name in FACTS else name.replace("_", " ")


def missed(run: Run) -> list[str]:
    """The facts, in words, that too few points reproduce."""
    table = run.dashboard
    return [fact(str(name)) for name in table.loc[_short_of_enough(table), "fact"]]


def rows(run: Run) -> list[dict[str, Any]]:
    """The facts as texts, with `missed` where too few points reproduce one."""
    table, short = run.dashboard, _short_of_enough(run.dashboard)
    return [_row(row, bool(one)) for row, one in zip(table.to_dict("records"), short, strict=True)]


def _short_of_enough(table: pd.DataFrame) -> pd.Series:
    """By fact: whether it was stated and less than ENOUGH of the points are within its tolerance."""
    return table["given"].notna() & (table["within"].astype(float) < ENOUGH)


def _row(row: dict[Any, Any], short: bool) -> dict[str, Any]:
    unit = row["unit"] if isinstance(row["unit"], str) else ""
    share = unit.startswith("share")
    given, tolerance, median, low, high = (
        (100 if share else 1) * float(row[name]) for name in ("given", "tolerance", "median", "low", "high")
    )
    places = words.decimals(median, low, high)
    typed = words.number(given, places)
    if words.known(given) and words.known(tolerance):
        typed = f"{typed} ± {words.number(tolerance, places)}"
    ends = _("{low} to {high}").format(low=words.number(low, places), high=words.number(high, places))
    return {
        "name": fact(str(row["fact"])),
        "unit": "%" if share else words.parameter_unit(unit),
        "typed": typed,
        "median": words.number(median, places),
        "interval": ends if words.known(low) else "-",
        "within": words.percent(float(row["within"])) if words.known(given) else "-",
        "missed": short,
    }
