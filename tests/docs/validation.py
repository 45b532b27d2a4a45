"""Writes the tables of docs/validation.md anew: logs forecast from their first weeks.

    python -m tests.docs.validation FOLDER targets
    python -m tests.docs.validation FOLDER rolling --log NAME

FOLDER holds the logs of LOGS that cxsim does not ship. `rolling` takes minutes a log and renews the row of one.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from sim.calibration.forecast import fit_seasoned
from sim.calibration.log import LogColumns, read_log
from sim.calibration.validation import held_against, histories_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "validation.md"
KEPT, ORIGINS = 13, 20
"""Weeks that are forecast, and from how many last weeks in turn."""


class Log(NamedTuple):
    """A log, its columns, and the last week of the fit whose forecast is a target."""

    file: str
    columns: LogColumns
    fitted: int


LOGS = {
    "CDNOW": Log("cdnow_weeks1_39.csv.gz", LogColumns("customer_id", "date", "spend"), 26),
    "Online Retail": Log("online_retail_year1_half.csv.gz", LogColumns("CustomerID", "date", "revenue"), 39),
    "the shipped cut": Log("online_retail_cut.csv.gz", LogColumns("CustomerID", "date", "revenue"), 39),
}


def place(folder: Path, log: Log) -> Path:
    """Where a log lies: beside the examples, or in the folder."""
    shipped = ROOT / "examples" / log.file
    return shipped if shipped.exists() else folder / log.file


def targets(folder: Path) -> Iterator[str]:
    """A row a log: its last weeks, forecast once."""
    for name, log in LOGS.items():
        clean = read_log(place(folder, log), log.columns)
        found = held_against(Path(log.file), clean, fit_seasoned(histories_of(clean, log.fitted), KEPT), KEPT)
        ours = found.methods.iloc[0]
        errors = " | ".join(f"{100 * error:+.1f} %" for error in found.methods["error"][:4])
        inside = "yes" if ours["low"] <= ours["orders"] <= ours["high"] else "no"
        yield (
            f"| {name} | {log.fitted + 1} to {log.fitted + KEPT} | {ours['orders']:,} | {ours['forecast']:,.0f} | "
            f"{ours['low']:,.0f} to {ours['high']:,.0f} | {inside} | {errors} |"
        )


def rolling(folder: Path, name: str) -> str:
    """The row of a log: KEPT weeks forecast from each of ORIGINS weeks in turn."""
    log = LOGS[name]
    clean = read_log(place(folder, log), log.columns)
    totals, weeks = [], []
    for fitted in range(log.fitted - ORIGINS + 1, log.fitted + 1):
        found = held_against(Path(log.file), clean, fit_seasoned(histories_of(clean, fitted), KEPT), KEPT)
        ours = found.methods.iloc[0]
        totals.append((ours["low"] <= ours["orders"] <= ours["high"], *found.methods["error"][:4]))
        weeks.append(found.weeks["inside"].mean())
    table = pd.DataFrame(totals, columns=["inside", "ours", "bg_nbd", "pareto_nbd", "flat"])
    errors = " | ".join(f"{100 * np.sqrt((table[one] ** 2).mean()):.0f} %" for one in table.columns[1:])
    return f"| {name} | {int(table['inside'].sum())} of {ORIGINS} | {100 * np.mean(weeks):.0f} % | {errors} |"


def renewed(page: str, mark: str, rows: list[str]) -> str:
    """The page with rows below the table's head at `<!-- mark -->`; one of the same first cell is replaced."""
    head, table, rest = re.split(rf"(?<=<!-- {mark} -->\n\n)((?:\|.*\n)+)", page, maxsplit=1)
    lines = table.splitlines()
    first = {row.split("|")[1]: row for row in [*lines[2:], *rows]}
    return head + "\n".join([*lines[:2], *first.values()]) + "\n" + rest


def main() -> None:
    """Renew the rows that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs.validation")
    parser.add_argument("folder", type=Path)
    parser.add_argument("part", choices=("targets", "rolling"))
    parser.add_argument("--log", choices=tuple(LOGS), default="the shipped cut")
    given = parser.parse_args()
    rows = list(targets(given.folder)) if given.part == "targets" else [rolling(given.folder, given.log)]
    page = renewed(PAGE.read_text(encoding="utf-8"), given.part, rows)
    PAGE.write_text(page, encoding="utf-8")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
