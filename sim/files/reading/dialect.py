"""The dialect of a text table: the sign between its fields, the line with the names, and titles above it.

The header is the first line in which all the columns that are asked for stand, or else the first that has as many
fields as most lines have. A first line that holds dates or numbers is no header: its columns are called 1, 2, 3.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.files.reading.cells import ReadError
from sim.phrases import Phrase

SEPARATORS = (",", ";", "\t", "|")
NAMES = {",": Phrase("commas"), ";": Phrase("semicolons"), "\t": Phrase("tabs"), "|": Phrase("bars")}
HEAD = 200
"""Lines that are looked at."""
HIGHEST = 50
"""Lines among which the header is."""
MOST = 0.9

SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
DATUM = re.compile(r"[-+(]?\s*[¥$€£\\]?\s*\d+(?:[-./:,' 年月日時]+\d*)*(?:[T ]?[\d:.+Z]*)\s*[円%€)]?")
"""A cell that holds a number, a date or a time: no name of a column."""


@dataclass(frozen=True)
class Dialect:
    """separator: between fields. names: of the columns, no two alike. skipped: lines above the first row."""

    separator: str
    names: tuple[str, ...]
    skipped: int
    told: tuple[Phrase, ...]


@dataclass(frozen=True)
class _Reading:
    """The head of a file under one separator."""

    separator: str
    rows: list[list[str]]
    wanted: tuple[str, ...]

    @property
    def width(self) -> int:
        """Fields that most lines have."""
        counts = Counter(len(row) for row in self.rows if len(row) > 1)
        return max(counts, key=lambda width: (counts[width], width)) if counts else 1

    def found(self, row: list[str]) -> int:
        return sum(name in row for name in self.wanted)

    @property
    def header(self) -> int:
        """Place of the line with the names, or of the first row where there is none."""
        lines = range(min(HIGHEST, len(self.rows)))
        if self.wanted:
            best = max(lines, key=lambda place: self.found(self.rows[place]))
            if self.found(self.rows[best]) == len(self.wanted):
                return best
        exact = next((place for place in lines if len(self.rows[place]) == self.width), 0)
        near = next((place for place in lines if self._nearly(self.rows[place])), exact)
        return near if near < exact and is_data(self.rows[exact]) else exact

    def _nearly(self, row: list[str]) -> bool:
        return len(row) > 1 and abs(len(row) - self.width) <= 1 and not is_data(row)

    @property
    def merit(self) -> tuple[int, bool, bool, int]:
        """By what readings are compared: columns found; names for all fields; even rows; fields."""
        header = self.rows[self.header]
        filled = [row for row in self.rows[self.header :] if any(row)]
        even = sum(len(row) == self.width for row in filled) >= MOST * len(filled)
        fits = self.width > 1 and abs(len(header) - self.width) <= 1
        return self.found(header), fits, even and self.width > 1, self.width


def dialect_of(path: Path, lines: Sequence[str], wanted: Sequence[str]) -> Dialect:
    """The dialect of a file's first lines. wanted: names of columns that are asked for. Raises ReadError."""
    stated = SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    start = int(stated is not None)
    names = tuple(normal(name) for name in wanted)
    readings = [
        _Reading(sign, [fields_of(line, sign) for line in lines[start : start + HEAD]], names)
        for sign in ((stated[1],) if stated else SEPARATORS)
    ]
    if not readings[0].rows:
        raise ReadError("{path} is empty: it has a header and no rows", path=path)
    best = max(readings, key=lambda reading: reading.merit)
    if best.width < 2 and len(best.rows[best.header]) < 2:
        raise ReadError("{path} is not a table: no comma, semicolon, tab or bar in its first lines", path=path)
    return _settled(path, best, start)


def _settled(path: Path, reading: _Reading, start: int) -> Dialect:
    place = reading.header
    told = [] if reading.separator == "," else [
        Phrase("{sign} between fields", sign=NAMES.get(reading.separator, repr(reading.separator)))
    ]  # fmt: skip
    if titles := [row for row in reading.rows[:place] if any(row)]:
        first = reading.separator.join(titles[0]).strip(reading.separator)
        told.append(Phrase("{count} title lines skipped ({first!r})", count=len(titles), first=first[:40]))
    header = reading.rows[place]
    if is_data(header) and reading.found(header) < max(len(reading.wanted), 1):
        told.append(Phrase("no header: the columns are called 1 to {count}", count=len(header)))
        numbers = tuple(str(one) for one in range(1, len(header) + 1))
        return Dialect(reading.separator, numbers, start + place, tuple(told))
    rows = [row for row in reading.rows[place + 1 :] if any(row)]
    if not rows:
        raise ReadError("{path} is empty: it has a header and no rows", path=path)
    return Dialect(reading.separator, distinct(fitted(path, header, rows)), start + place + 1, tuple(told))


def fitted(path: Path, header: list[str], rows: list[list[str]]) -> list[str]:
    """The names for as many fields as the rows have: one may lie beyond the last name, or before the first."""
    widths = Counter(len(row) for row in rows)
    width = max(widths, key=lambda one: (widths[one], one == len(header)))
    if len(header) in widths and widths[len(header)] > (1 - MOST) * len(rows):
        return header
    of_width = [row for row in rows if len(row) == width]
    if width == len(header) + 1 and sum(not row[-1] for row in of_width) >= MOST * len(of_width):
        return [*header, ""]
    if width == len(header) + 1 and all(row[0].isdecimal() for row in of_width):
        return ["", *header]  # numbers of rows, as R writes them
    if width == len(header) - 1 and not header[-1]:
        return header[:-1]
    raise ReadError(
        "{path}: rows have {width} fields, the header {names}; is a sign between fields part of a value?",
        path=path, width=width, names=len(header),
    )  # fmt: skip


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names, made unlike by their place where they are alike."""
    return tuple(f"{name}\t{place}" if names.count(name) > 1 else name for place, name in enumerate(names))


def fields_of(line: str, separator: str) -> list[str]:
    """One line's fields in normal form."""
    quote = "'" if line.startswith("'") and '"' not in line else '"'
    try:
        row = next(csv.reader([line], delimiter=separator, quotechar=quote, skipinitialspace=True), [])
    except csv.Error:
        row = line.split(separator)
    return [normal(field) for field in row]


def normal(text: str) -> str:
    """Text in Unicode's compatibility form, blanks trimmed."""
    return unicodedata.normalize("NFKC", text).strip()


def is_data(row: Sequence[str]) -> bool:
    """Whether a line holds numbers or dates, as no header does."""
    return any(DATUM.fullmatch(cell) for cell in row)
