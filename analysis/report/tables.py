"""A table of the report with its numbers unrounded: the one that is taken from the page as CSV and the workbook has."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import NamedTuple

from analysis.style.page import Link

Cell = str | float | int | None
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With one of these a text begins that a spreadsheet would take for a formula."""


class Table(NamedTuple):
    """Cells are texts or numbers, None and NaN blanks. `key` is a name for files, `title` one for people."""

    key: str
    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]


def csv_text(table: Table) -> str:
    """The table as CSV: numbers so that they read back to the same bits, texts so that none runs as a formula."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerows([_plain(cell) for cell in row] for row in (table.heads, *table.rows))
    return written.getvalue()


def link(table: Table, stem: str) -> Link:
    """The table as a file within the page, with the mark at its head by which spreadsheets know UTF-8."""
    return Link.of(f"{stem}_{table.key}.csv", "text/csv;charset=utf-8", csv_text(table).encode("utf-8-sig"))


def blank(cell: Cell) -> bool:
    """Whether there is nothing to show."""
    return cell is None or (isinstance(cell, float) and not math.isfinite(cell))


def _plain(cell: Cell) -> str:
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(FORMULA) else cell
    return "" if blank(cell) else repr(cell)
