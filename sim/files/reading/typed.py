"""Tables that have types of their own, as columns of text, numbers, days or times: Parquet, spreadsheets, JSON."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sim.files.reading.cells import ReadError
from sim.files.reading.dialect import distinct, fitted, is_data, normal
from sim.files.reading.files import one_line
from sim.phrases import Phrase

TYPED = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_date, pa.types.is_timestamp)
HIGHEST = 50
"""Rows of a sheet among which the header is."""


# --- Parquet ------------------------------------------------------------------------------------------------


def parquet(path: Path, raw: bytes) -> pa.Table:
    """A Parquet file; lists, structures and spans are left out, no attributes of a row. Raises ReadError."""
    try:
        table = pq.ParquetFile(io.BytesIO(raw)).read()
    except (pa.ArrowException, OSError) as error:
        raise ReadError("{path} is not a whole Parquet file: {problem}", path=path, problem=one_line(error)) from error
    columns = {field.name: _simple(table[field.name]) for field in table.schema}
    return pa.table({name: column for name, column in columns.items() if column is not None})


def _simple(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """A column as one of the types that the others know; None for what is no attribute."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _simple(pa.chunked_array([chunk.storage for chunk in column.chunks], type=kind.storage_type))
    if pa.types.is_dictionary(kind):
        return _simple(column.cast(kind.value_type))
    if pa.types.is_nested(kind) or pa.types.is_duration(kind) or pa.types.is_interval(kind):
        return None
    if any(test(kind) for test in TYPED):
        return column
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        try:
            return column.cast(pa.binary()).cast(pa.string())
        except pa.ArrowException:
            return None
    return column.cast(pa.string())


# --- spreadsheets -------------------------------------------------------------------------------------------


def spreadsheet(path: Path, raw: bytes, wanted: Sequence[str]) -> tuple[pa.Table, list[Phrase]]:
    """The sheet of a workbook that has the wanted columns, or else its first with rows. Raises ReadError."""
    try:
        import python_calamine as calamine
    except ImportError:
        raise ReadError(
            "{path} is a spreadsheet, which needs the extra excel (pip install -c constraints.txt -e '.[excel]'); or "
            "save the table as CSV (UTF-8)",
            path=path,
        ) from None
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(raw))
        sheets = {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}
    except Exception as error:  # the library raises its own kinds, and panics of Rust, on broken files
        raise ReadError(
            "{path} is not a whole spreadsheet: {problem}", path=path, problem=one_line(error)
        ) from error
    names = [normal(name) for name in wanted]
    filled = {name: rows for name, rows in sheets.items() if len(rows) > 1}
    if not filled:
        raise ReadError("{path} is empty: none of its sheets has rows", path=path)
    chosen = max(filled, key=lambda name: max(_found(row, names) for row in filled[name][:HIGHEST]))
    table, told = _sheet(path, filled[chosen], names)
    if len(sheets) > 1:
        told.insert(0, Phrase("sheet {name!r} of {count}", name=chosen, count=len(sheets)))
    return table, told


def _found(row: Sequence[object], names: Sequence[str]) -> int:
    cells = [normal(str(cell)) for cell in row]
    return sum(name in cells for name in names)


def _sheet(path: Path, rows: list[list[Any]], names: Sequence[str]) -> tuple[pa.Table, list[Phrase]]:
    head = rows[:HIGHEST]
    most = max(sum(cell != "" for cell in row) for row in head)
    place = next(place for place, row in enumerate(head) if sum(cell != "" for cell in row) >= most - 1)
    if names:
        best = max(range(len(head)), key=lambda one: _found(head[one], names))
        place = best if _found(head[best], names) == len(names) else place
    told = []
    if any(any(cell != "" for cell in row) for row in rows[:place]):
        title = next(str(cell) for row in rows[:place] for cell in row if cell != "")
        told.append(Phrase("{count} title lines skipped ({first!r})", count=place, first=title[:40]))
    header = [normal(_as_text(cell)) for cell in rows[place]]
    below = [row for row in rows[place + 1 :] if any(cell != "" for cell in row)]
    if is_data(header) and _found(header, names) < max(len(names), 1):
        told.append(Phrase("no header: the columns are called 1 to {count}", count=len(header)))
        below, header = [rows[place], *below], [str(one + 1) for one in range(len(header))]
    if not below:
        raise ReadError("{path} is empty: it has a header and no rows", path=path)
    header = fitted(path, header, [[_as_text(cell) for cell in row] for row in below[:HIGHEST]])
    columns = zip(distinct(header), zip(*below, strict=True), strict=False)
    return pa.table({name: _of_cells(cells) for name, cells in columns}), told


def _of_cells(cells: Sequence[Any]) -> pa.ChunkedArray:
    """A column of cells of Python's types: as days or numbers where all filled ones are, else as text."""
    filled = [cell for cell in cells if cell != ""]
    if filled and all(isinstance(cell, datetime.date) for cell in filled):
        times = [None if cell == "" else datetime.datetime.combine(cell, _time(cell)) for cell in cells]
        return pa.chunked_array([pa.array(times, pa.timestamp("s"))])
    if filled and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in filled):
        return pa.chunked_array([pa.array([None if cell == "" else float(cell) for cell in cells], pa.float64())])
    return pa.chunked_array([pa.array([_as_text(cell) for cell in cells], pa.string())])


def _time(cell: datetime.date) -> datetime.time:
    return cell.time().replace(microsecond=0) if isinstance(cell, datetime.datetime) else datetime.time()


def _as_text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return str(cell)


# --- JSON ---------------------------------------------------------------------------------------------------


def json_rows(path: Path, text: bytes) -> pa.Table:
    """JSON lines, or one list, of objects: a column of text per key. Raises ReadError."""
    plain = json.JSONDecoder(parse_float=str, parse_int=str)
    try:
        if text.lstrip()[:1] == b"[":
            rows = plain.decode(text.decode())
        else:
            rows = [plain.decode(line) for line in text.decode().splitlines() if line.strip()]
    except ValueError as error:
        raise ReadError("{path} is no JSON: {problem}", path=path, problem=one_line(error)) from error
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise ReadError("{path} is no table: its JSON is not an object per row", path=path)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({
        name: pa.chunked_array([pa.array([_json_text(row.get(name)) for row in rows], pa.string())]) for name in names
    })  # fmt: skip


def _json_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def looks_like_json(text: bytes) -> bool:
    """Whether a text begins as JSON rows do."""
    head = text.lstrip()[:200]
    return head[:1] == b"{" or (head[:1] == b"[" and head[1:].lstrip()[:1] == b"{")


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Rows of several tables below one another; a column that differs in type becomes text."""
    names = list(dict.fromkeys(name for table in tables for name in table.column_names))
    for name in names:
        kinds = {table[name].type for table in tables if name in table.column_names}
        if len(kinds) > 1:
            kind = pa.float64() if all(map(_number, kinds)) else pa.string()
            tables = [_cast(table, name, kind) for table in tables]
    return pa.concat_tables(tables, promote_options="default")


def _number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _cast(table: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    if name not in table.column_names:
        return table
    column = table[name]
    if pa.types.is_floating(column.type) and kind == pa.string():
        whole = pc.all(pc.fill_null(pc.equal(pc.floor(column), column), True)).as_py()
        column = column.cast(pa.int64()) if whole else column
    return table.set_column(table.column_names.index(name), name, column.cast(kind))
