"""Which rows of a log count: `column = value`, `column != value`, `column in (a, b)`, joined by `and`."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sim.files.reading.cells import BoolArray, ReadError, cells_of
from sim.files.reading.dialect import normal
from sim.files.reading.table import Table
from sim.phrases import Phrase

COMPARED = re.compile(r"\s*(.+?)\s*(!=|<>|==|=)\s*(.*?)\s*")
LISTED = re.compile(r"\s*(.+?)\s+(not\s+in|in)\s*\((.*)\)\s*", re.IGNORECASE)
JOINED = re.compile(r"\s+and\s+(?=[^()]*?(?:!=|<>|=|\s(?:not\s+)?in\s*\())", re.IGNORECASE)
QUOTED = re.compile(r"""(?:"([^"]*)"|'([^']*)'|([^,]+))\s*(?:,|$)\s*""")
SHOWN = 6


@dataclass(frozen=True)
class Condition:
    """A column, and the values that its rows must have, or must not."""

    column: str
    values: tuple[str, ...]
    wanted: bool

    @classmethod
    def all_of(cls, text: str) -> list[Condition]:
        """The conditions in one text. Raises ReadError."""
        return [cls._of(part, text) for part in JOINED.split(text)]

    @classmethod
    def _of(cls, part: str, text: str) -> Condition:
        if match := LISTED.fullmatch(part):
            values = tuple(next(group for group in found if group) for found in QUOTED.findall(match[3]) if any(found))
            return cls(_bare(match[1]), tuple(map(_bare, values)), not match[2].lower().startswith("not"))
        if match := COMPARED.fullmatch(part):
            return cls(_bare(match[1]), (_bare(match[3]),), match[2] in ("=", "=="))
        raise ReadError(
            "--where {text!r}: is not understood; \"column = value\", \"column != value\" or \"column in (a, b)\", "
            "joined by and",
            text=text,
        )

    def holds(self, table: Table) -> BoolArray:
        """Where it holds, (rows,). Raises ReadError for a column or a value that the table does not have."""
        cells = cells_of(table.columns[self._place(table)])
        texts = [text.casefold() for text in cells.texts]
        values = [normal(value).casefold() for value in self.values]
        unknown = [value for value, folded in zip(self.values, values, strict=True) if folded not in texts]
        if unknown and self.wanted:
            most = np.argsort(-cells.counts, kind="stable")[:SHOWN]
            raise ReadError(
                "--where: column {column!r} never is {value!r}; it is {values}",
                column=self.column, value=unknown[0], values=", ".join(repr(str(cells.texts[one])) for one in most),
            )  # fmt: skip
        found = np.array([text in values for text in texts], dtype=bool)[cells.codes]
        return found if self.wanted else ~found

    def _place(self, table: Table) -> str:
        """The column's name; capitals, blanks and underscores need not be as in the file."""
        alike = [name for name in table.columns.column_names if _folded(name) == _folded(self.column)]
        return alike[0] if len(alike) == 1 else table.place(self.column, "--where")


def kept(table: Table, conditions: tuple[str, ...]) -> Table:
    """The table's rows for which all conditions hold. Raises ReadError where there are none."""
    if not conditions:
        return table
    left = np.ones(table.columns.num_rows, dtype=bool)
    for text in conditions:
        for condition in Condition.all_of(text):
            left &= condition.holds(table)
    if not left.any():
        raise ReadError("{path}: no row is left by --where {text!r}", path=table.path, text=" and ".join(conditions))
    out = int((~left).sum())
    told = (*table.told, Phrase("{count} rows left out by --where", count=out))
    return Table(table.path, table.columns.filter(pa.array(left)), table.lost, told)


def _bare(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]", "", normal(name).casefold())
