"""Campaigns of a run: what a dashboard would show, and what it would not.

A dashboard compares those who were shown a message with nobody. Here those whom the same rule finds in the baseline,
where nobody is shown anything, say who would have ordered (or linked an account) anyway. Rates are of the first seed of
each point, all of a point's occasions together; the interval is over points, or Wilson's where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.effects.estimands import Array, counted, spread
from analysis.folders.run_folder import Run
from sim.files.disk import write_csv
from sim.tables import BASELINE, CAMPAIGN_RATES

COUNTED = {"click": "clicked", "order": "ordered", "link": "linked", "opt_out": "opted_out"}
"""The count of campaigns.parquet that each rate, per time shown, is computed from."""

ANYWAY = {"order": "order_anyway", "link": "link_anyway"}
LIFTS = {"order": "order_lift", "link": "link_lift"}
ALL = -1
"""In the place of a variant's number: all variants together."""


def write_campaigns(run: Run) -> pd.DataFrame:
    """Write campaigns.csv into a run folder that has campaigns, and return it (CAMPAIGN_RATES). Raises OSError."""
    table = rates(run)
    write_csv(run.folder / "campaigns.csv", table)
    return table


def rates(run: Run) -> pd.DataFrame:
    """Every campaign's rates, by intervention and variant (CAMPAIGN_RATES)."""
    counts = run.table("campaigns.parquet")
    counts = counts[counts["second_seed"] == 0]
    rows: list[tuple[object, ...]] = []
    for name in run.interventions:
        own = counts[counts["arm"] == name]
        for campaign in pd.unique(own["campaign"]):
            rows += campaign_rows(name, own[own["campaign"] == campaign], found_untreated(counts, str(campaign)))
    return pd.DataFrame(rows, columns=[column.name for column in CAMPAIGN_RATES]).astype({"variant": "Int16"})


def found_untreated(counts: pd.DataFrame, campaign: str) -> pd.DataFrame:
    """Whom the campaign's rule finds in the baseline, by point."""
    found = counts[(counts["arm"] == BASELINE) & (counts["campaign"] == campaign) & (counts["variant"] == 0)]
    return found.set_index("replication")


def campaign_rows(name: str, own: pd.DataFrame, untreated: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    """Rows of CAMPAIGN_RATES of one campaign, from its counts under `name` and those of the untreated market."""
    campaign, channel = str(own["campaign"].iloc[0]), str(own["channel"].iloc[0])
    shown = own[own["variant"] > 0]
    # Alone with the largest share of the traffic: nobody has won while shares are equal.
    shares = shown.groupby("replication")["share"]
    largest = shares.transform("max").where(shares.transform("nunique") > 1)
    shown = shown.assign(won=shown["share"] == largest)
    parts = {int(str(variant)): rows.set_index("replication") for variant, rows in shown.groupby("variant")}
    together = shown.groupby("replication")[["shown", *COUNTED.values(), "cost"]].sum()
    parts[ALL] = together.assign(share=1.0, won=False, revisions=shown.groupby("replication")["revisions"].max())
    for variant, rows in parts.items():
        for quantity, unit, values, ends in _quantities(rows, untreated):
            key = pd.NA if variant == ALL else variant
            yield name, campaign, channel, key, quantity, unit, *ends, len(values)


def _quantities(rows: pd.DataFrame, untreated: pd.DataFrame) -> Iterator[tuple[str, str, Array, tuple[float, ...]]]:
    """Every quantity of one variant: its name, unit, a value per point, and mean with interval."""
    for quantity, column in COUNTED.items():
        own, anyway = rate(rows, column), rate(untreated, column)
        yield quantity, "%", own, _interval(own, rows[column], rows["shown"])
        if quantity in ANYWAY:
            difference = 100 * (rows[column] / rows["shown"] - untreated[column] / untreated["shown"])
            lift = difference[np.isfinite(difference)].to_numpy()
            yield ANYWAY[quantity], "%", anyway, _interval(anyway, untreated[column], untreated["shown"])
            yield LIFTS[quantity], "% points", lift, spread(lift)[:3]
    won = rows["won"].to_numpy(dtype=bool)
    wins = counted(int(won.sum()), len(won))
    yield "wins", "%", won, (100 * wins.probability, 100 * wins.low, 100 * wins.high)
    final = 100.0 * rows["share"].to_numpy(dtype=float)
    yield "share", "%", final, spread(final)[:3]
    for quantity, unit in (
        ("shown", "times"), ("opted_out", "receivers"), ("cost", "yen"), ("revisions", "times"),
    ):  # fmt: skip
        values = rows[quantity].to_numpy(dtype=float)
        yield quantity, unit, values, spread(values)[:3]


def rate(rows: pd.DataFrame, column: str) -> Array:
    """Per cent of the times shown, a value per point; points in which it was never shown are left out."""
    some = rows[rows["shown"] > 0]
    return (100 * some[column] / some["shown"]).to_numpy()


def _interval(values: Array, count: pd.Series, shown: pd.Series) -> tuple[float, float, float]:
    """A rate's mean over points with its interval; Wilson's where there is one point."""
    if len(values) == 1:
        rate = counted(int(count.sum()), int(shown.sum()))
        return 100 * rate.probability, 100 * rate.low, 100 * rate.high
    return spread(values)[:3]
