"""What a run folder predicts, as figures that can be held to account: effects, and the dashboard of its first year."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from analysis.folders.run_folder import Run, RunError
from sim import tables

DAYS_A_YEAR = 365


def predictions(folder: Path) -> list[dict[str, Any]]:
    """Predictions of a run folder, a mapping each with: what, metric, unit, first, last, median, low, high, naive, run,
    inputs. Raises RunError where there is nothing with an interval, or no start_date."""
    run = Run(folder)
    about = {"run": str(folder), "inputs": str(run.provenance.get("inputs_sha256", ""))}
    found = [row | about for row in [*_effects(run), *_dashboard(run)]]
    if not found:
        raise RunError("{folder}: has no interval to be held to; a run of 30 replications or more has", folder=folder)
    return found


def _effects(run: Run) -> Iterator[dict[str, Any]]:
    """Total effects on everybody. The naive guess is that nothing changes."""
    rows = run.table("effects.csv")
    rows = rows[(rows["segment"] == tables.EVERYBODY) & (rows["estimand"] == "total") & rows["ci_low"].notna()]
    rows = rows[~rows["intervention"].str.contains(tables.VARIANT, regex=False)]
    for row in rows.to_dict("records"):
        yield _row(run, run.days, row["intervention"], row["metric"], row["unit"], row["median"], row["ci_low"],
                   row["ci_high"], 0.0)  # fmt: skip


def _dashboard(run: Run) -> Iterator[dict[str, Any]]:
    """Facts of the untreated market. The naive guess is that they stay as given; a fact not given has none."""
    if not run.has("dashboard.csv"):
        return
    for row in run.table("dashboard.csv").to_dict("records"):
        if np.isfinite([row["low"], row["high"], row["given"]]).all():
            yield _row(run, min(run.days, DAYS_A_YEAR), tables.BASELINE, row["fact"], row["unit"], row["median"],
                       row["low"], row["high"], row["given"])  # fmt: skip


def _row(
    run: Run, days: int, what: str, metric: str, unit: str, median: float, low: float, high: float, naive: float
) -> dict[str, Any]:
    first, last = run.date(0), run.date(days - 1)
    if first is None:
        raise RunError("{folder}: states no start_date, so that nobody can tell when it is for", folder=run.folder)
    return dict(what=what, metric=metric, unit=str(unit), first=first.isoformat(), last=str(last), median=float(median),
                low=float(low), high=float(high), naive=float(naive))  # fmt: skip
