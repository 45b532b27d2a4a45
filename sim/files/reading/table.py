"""A file or a folder as a table, with an account of what was understood."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sim.files.reading.cells import ReadError
from sim.files.reading.delimited import Lost, delimited
from sim.files.reading.dialect import normal
from sim.files.reading.encoding import text_of
from sim.files.reading.files import OLD_OFFICE, PARQUET, ZIP, bytes_of, parts_of
from sim.files.reading.typed import joined, json_rows, looks_like_json, parquet, spreadsheet
from sim.phrases import Phrase


@dataclass(frozen=True)
class Table:
    """A firm's table. columns: each of text, numbers, truths, days or times. lost: rows that are in no column.

    told: what was understood beyond a CSV in UTF-8, a line each.
    """

    path: Path
    columns: pa.Table
    lost: Lost
    told: tuple[Phrase, ...]

    @property
    def rows(self) -> int:
        """Rows, those that are lost too."""
        return int(self.columns.num_rows) + self.lost.count

    def place(self, name: str, part: str) -> str:
        """A column's name as the table spells it. Raises ReadError, naming the nearest, where there is none.

        part: what the column is wanted for.
        """
        present = self.columns.column_names
        alike = [other for other in present if normal(other.partition("\t")[0]) == normal(name)]
        if not alike:
            raise ReadError(
                "{path} has no column {name!r} for {part}{hint}",
                path=self.path, name=name, part=part, hint=self._hint(name),
            )
        if len(alike) > 1:
            raise ReadError("{path} has more than one column {name!r}: rename all but one", path=self.path, name=name)
        return str(alike[0])

    def _hint(self, name: str) -> Phrase:
        present = [other.partition("\t")[0] for other in self.columns.column_names]
        names = ", ".join(present)
        if present == [str(place + 1) for place in range(len(present))]:
            first = ", ".join(str(column[0].as_py()) for column in self.columns.columns if len(column))
            return Phrase(
                "; it has no header, its first line is data ({first}): call its columns 1 to {count}",
                first=first, count=len(present),
            )  # fmt: skip
        lowered = {other.lower(): other for other in present}
        near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
        if not near:
            return Phrase("; it has: {names}", names=names)
        return Phrase(" (did you mean {name!r}?); it has: {names}", name=lowered[near[0]], names=names)


def read_table(path: Path, wanted: Sequence[str] = ()) -> Table:
    """Read a table: text divided by signs, JSON, Parquet or a spreadsheet, packed or not, or a folder of parts.

    wanted: names of columns that are asked for; titles above them are skipped, and of several sheets the one that has
    them is taken. Raises ReadError of one line where the file cannot be read as a table.
    """
    if not os.path.exists(path):  # Path.exists raises where a name is too long to be one
        raise ReadError("{path}: there is no such file", path=path)
    return _folder(path, wanted) if path.is_dir() else _file(path, wanted)


def _file(path: Path, wanted: Sequence[str]) -> Table:
    raw, told = bytes_of(path)
    lost = Lost()
    if raw.startswith(PARQUET):
        columns = parquet(path, raw)
    elif raw.startswith((ZIP, OLD_OFFICE)):
        columns, more = spreadsheet(path, raw, wanted)
        told += more
    else:
        text, more = text_of(path, raw, wanted)
        del raw
        told += more
        if looks_like_json(text):
            columns = json_rows(path, text)
        else:
            columns, lost, more = delimited(path, text, list(wanted))
            told += more
    return Table(path, columns, lost, tuple(told))


def _folder(path: Path, wanted: Sequence[str]) -> Table:
    """The parts of a folder as one; a folder in it named `key=value` is a column of what is below it."""
    parts = [_file(one, wanted) for one in parts_of(path)]
    tables = [_with_keys(part.columns, part.path.relative_to(path)) for part in parts]
    told = [Phrase("{count} files of a folder", count=len(parts)), *dict.fromkeys(parts[0].told)]
    examples = tuple(one for part in parts for one in part.lost.examples)
    return Table(path, joined(tables), Lost(sum(part.lost.count for part in parts), examples[:3]), tuple(told))


def _with_keys(table: pa.Table, place: Path) -> pa.Table:
    for folder in place.parts[:-1]:
        key, sign, value = folder.partition("=")
        if sign and key not in table.column_names:
            table = table.append_column(key, pa.array([value] * table.num_rows, pa.string()))
    return table
