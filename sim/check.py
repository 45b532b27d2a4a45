"""Recorded answers: the shipped scenarios, small, held to the bytes of their tables."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SMALL = ("customers=2000", "days=60", "burn_in=60", "replications=2", "events=200")
"""Small enough for seconds, with coupons used, customers lapsing and a peak that jams the warehouse."""

WINDOWS = {
    "norush_coupon_peak": (
        "scenario.norush_coupon_peak.world.market.season.peaks.sale.start=20",
        "scenario.norush_coupon_peak.interventions.norush_coupon_peak.start=20",
    ),
}
"""Overrides that bring a scenario's days into the short horizon."""

TABLES = (".csv", ".parquet", ".yaml")
KEY = ("intervention", "metric", "segment", "estimand")
NUMBERS = ("baseline", "scenario", "effect", "ci_low", "ci_high", "mc_se", "p_positive", "replications")

SHOWN = 20
"""Moved numbers listed per scenario; the rest is counted."""


def overrides(scenario: str) -> list[str]:
    """Overrides under which a scenario is recorded."""
    return [f"scenario=[{scenario}]", *SMALL, *WINDOWS.get(scenario, ())]


def record(folder: Path) -> dict[str, Any]:
    """What is kept of a run folder: sha256 of each table, and the answer itself as lines."""
    tables = {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.suffix in TABLES}
    effects = folder / "effects.csv"
    lines = effects.read_text(encoding="utf-8").splitlines() if effects.exists() else []
    return {"tables": tables, "effects": lines}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def moved(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs between two records, in words: tables first, then numbers of the answer."""
    tables = [
        f"{name}: {_how(before['tables'].get(name), after['tables'].get(name))}"
        for name in sorted(before["tables"].keys() | after["tables"].keys())
        if before["tables"].get(name) != after["tables"].get(name)
    ]
    numbers = list(_moved_numbers(_rows(before["effects"]), _rows(after["effects"])))
    rest = [f"and {len(numbers) - SHOWN} more numbers"] if len(numbers) > SHOWN else []
    return tables + numbers[:SHOWN] + rest


def _how(before: str | None, after: str | None) -> str:
    if before is None:
        return "is new"
    return "is gone" if after is None else "its bytes moved"


def _rows(lines: list[str]) -> dict[tuple[str, ...], dict[str, str]]:
    rows = csv.DictReader(io.StringIO("\n".join(lines)))
    return {tuple(row.get(name, "") for name in KEY): row for row in rows}


def _moved_numbers(
    before: dict[tuple[str, ...], dict[str, str]], after: dict[tuple[str, ...], dict[str, str]]
) -> Iterator[str]:
    for key in list(before) + [key for key in after if key not in before]:
        name = " ".join(part for part in key if part)
        if key not in after or key not in before:
            yield f"{name}: row is {'gone' if key in before else 'new'}"
            continue
        for column in NUMBERS:
            old, new = before[key].get(column, ""), after[key].get(column, "")
            if old != new:
                yield f"{name}: {column} {old or 'blank'} -> {new or 'blank'}"


def read(path: Path) -> dict[str, Any] | None:
    """A record from its file; None where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write(path: Path, found: dict[str, Any]) -> None:
    """Keep a record: one number a line, so that a diff reads well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
