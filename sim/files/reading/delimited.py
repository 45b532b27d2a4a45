"""Text whose fields are divided by a sign, as columns of text; Arrow reads it, in the dialect that was found.

Quotes are read as quotes first. Where rows do not fit the header then, or a quoted field has swallowed whole rows,
other readings of the quotes are tried, and the one under which fewest rows are lost is taken.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from sim.files.reading.cells import ReadError
from sim.files.reading.dialect import HEAD, Dialect, dialect_of
from sim.files.reading.files import one_line
from sim.phrases import Phrase

SAMPLE = 1 << 18
"""Bytes whose lines tell the dialect."""
EXAMPLES = 3


@dataclass(frozen=True)
class Lost:
    """Rows that could not be read: how many, and some of them as they stand in the file."""

    count: int = 0
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Parsed:
    table: pa.Table
    lost: Lost
    swallowed: int
    told: tuple[Phrase, ...] = ()

    @property
    def bad(self) -> int:
        return self.lost.count + self.swallowed


def delimited(path: Path, text: bytes, wanted: list[str]) -> tuple[pa.Table, Lost, list[Phrase]]:
    """A text table's columns, all text; rows that do not fit; what was understood. Raises ReadError.

    text: in UTF-8. wanted: names of columns that are asked for, by which the header is found.
    """
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    text = text.lstrip(b"\r\n")
    found = dialect_of(path, _lines(text), wanted)
    rest = text[_after(text, found.skipped) :]
    if not rest.strip():
        raise ReadError("{path} is empty: it has a header and no rows", path=path)
    best: _Parsed | None = None
    problem = ""
    for reading in _readings(rest, found):
        try:
            parsed = reading()
        except pa.ArrowException as error:
            problem = one_line(error)
            continue
        if best is None or parsed.bad < best.bad:
            best = parsed
        if best.bad == 0:
            break
    if best is None:
        raise ReadError("{path} is not a table: {problem}", path=path, problem=problem)
    table, blank = _without_blank_rows(best.table)
    told = [*found.told, *best.told]
    if blank:
        told.append(Phrase("{count} blank rows skipped", count=blank))
    return table, best.lost, told


def _lines(text: bytes) -> list[str]:
    """The first lines; the last may be cut off and is left out, unless it is the only one."""
    lines = text[:SAMPLE].decode(errors="ignore").replace("\r\n", "\n").split("\n")
    return lines[:-1] if len(lines) > 2 and (len(text) > SAMPLE or not lines[-1]) else lines


def _after(text: bytes, lines: int) -> int:
    place = 0
    for _ in range(lines):
        place = text.find(b"\n", place) + 1 or len(text)
    return place


class _Reader:
    """One way to take the quotes of a text."""

    def __init__(self, rest: bytes, dialect: Dialect, told: Phrase | None = None, **options: object) -> None:
        self._rest, self._dialect, self._options = rest, dialect, options
        self._told = () if told is None else (told,)

    def __call__(self) -> _Parsed:
        malformed: list[str] = []
        names = list(self._dialect.names)

        def skip(row: pa_csv.InvalidRow) -> str:
            malformed.append(row.text or "")
            return "skip"

        table = pa_csv.read_csv(
            io.BytesIO(self._rest),
            read_options=pa_csv.ReadOptions(column_names=names),
            parse_options=pa_csv.ParseOptions(
                delimiter=self._dialect.separator, invalid_row_handler=skip, **self._options
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=False
            ),
        )
        swallowed = _swallowed(table, self._dialect) if self._options.get("newlines_in_values") else 0
        lost = Lost(len(malformed), tuple(line.strip()[:80] for line in malformed[:EXAMPLES]))
        return _Parsed(table, lost, swallowed, self._told)


def _readings(rest: bytes, dialect: Dialect) -> Iterator[_Reader]:
    """Ways to take the quotes, the usual one first."""
    if b'"' not in rest:
        if _singly_quoted(rest, dialect):
            yield _Reader(rest, dialect, quote_char="'", newlines_in_values=True)
        else:
            yield _Reader(rest, dialect, quote_char=False)
        return
    sign = re.escape(dialect.separator.encode())
    if _mostly(rest, sign + rb' +"'):
        yield _Reader(re.sub(sign + rb' +"', sign + b'"', rest), dialect, newlines_in_values=True)
    yield _Reader(rest, dialect, newlines_in_values=True)
    if b'\\"' in rest:
        yield _Reader(rest, dialect, newlines_in_values=True, escape_char="\\")
    plain = Phrase("quotation marks taken as plain characters")
    yield _Reader(rest, dialect, plain, quote_char=False)
    count, mended = _without_stray_quotes(rest)
    stray = Phrase("{count} lines with a quotation mark that is not closed, taken as a plain character", count=count)
    yield _Reader(mended, dialect, stray, newlines_in_values=False)


def _mostly(rest: bytes, pattern: bytes) -> bool:
    """Whether most of the first lines hold a pattern."""
    lines = [line for line in rest[:SAMPLE].split(b"\n")[:HEAD] if line.strip()]
    return sum(re.search(pattern, line) is not None for line in lines) > len(lines) / 2


def _singly_quoted(rest: bytes, dialect: Dialect) -> bool:
    lines = [line.strip() for line in rest[:SAMPLE].split(b"\n")[:20] if line.strip()]
    return all(line.startswith(b"'") and line.count(b"'") >= len(dialect.names) for line in lines)


def _without_stray_quotes(rest: bytes) -> tuple[int, bytes]:
    """The text without the quotation marks of lines that have an odd number of them, and how many these lines are."""
    lines = rest.split(b"\n")
    odd = [line.count(b'"') % 2 == 1 for line in lines]
    mended = [line.replace(b'"', b"") if bad else line for line, bad in zip(lines, odd, strict=True)]
    return sum(odd), b"\n".join(mended)


def _swallowed(table: pa.Table, dialect: Dialect) -> int:
    """Rows that lie within a field: it runs over lines that have as many signs as a row."""
    found = 0
    for column in table.columns:
        for cell in column.filter(pc.match_substring(column, "\n")).to_pylist():
            found += sum(line.count(dialect.separator) >= len(dialect.names) - 1 for line in cell.split("\n")[1:-1])
            if cell.count(dialect.separator) >= len(dialect.names) - 1:
                found += 1
    return found


def _without_blank_rows(table: pa.Table) -> tuple[pa.Table, int]:
    if not table.num_columns or not table.num_rows:
        return table, 0
    filled = pc.greater(pc.binary_length(table.column(0)), 0)
    for column in table.columns[1:]:
        if pc.all(filled).as_py():
            return table, 0
        filled = pc.or_(filled, pc.greater(pc.binary_length(column), 0))
    count = table.num_rows - (pc.sum(filled).as_py() or 0)
    return (table.filter(filled), count) if count else (table, 0)
