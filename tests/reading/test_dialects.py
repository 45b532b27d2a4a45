"""A table written in a dialect chosen at random comes back equal, or is refused by a line. 2,000 of them, slow:

    .venv/bin/pytest -q -m slow tests/reading/test_dialects.py
"""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.files.reading.cells import cells_of, unprotected
from sim.files.reading.dialect import normal
from sim.files.reading.table import read_table
from sim.phrases import ConfigError

QUICK = settings(
    max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
NAMES = ("customer", "date", "value", "item", "会員", "メモ")
LETTERS = "ab Z9.,;|\t'\"()-/é山ヤ円€"

cells = st.text(LETTERS, max_size=6)
dialects = st.fixed_dictionaries({
    "sign": st.sampled_from(",;\t|"),
    "end": st.sampled_from(["\n", "\r\n", "\r"]),
    "quotes": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp932", "cp1252"]),
    "packed": st.booleans(),
    "title": st.sampled_from(["", "A report\n", "\n\n"]),
})


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """A header, and rows whose first cell is never empty, as no customer is."""
    width = draw(st.integers(2, 5))
    header = list(NAMES[:width])
    row = st.tuples(st.sampled_from(["c1", "c2", "山田"]), *([cells] * (width - 1))).map(list)
    return [header, *draw(st.lists(row, min_size=1, max_size=12))]


def came_back(rows: list[list[str]], how: dict[str, object], folder: Path) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=str(how["sign"]), lineterminator=str(how["end"]), quoting=how["quotes"]).writerows(rows)  # type: ignore[arg-type]
    title = str(how["title"]).replace("\n", str(how["end"]))
    try:
        raw = (title + text.getvalue()).encode(str(how["encoding"]))
    except UnicodeEncodeError:
        return
    path = folder / "table"
    path.write_bytes(gzip.compress(raw) if how["packed"] else raw)
    try:
        table = read_table(path, rows[0])
    except ConfigError as error:
        line = str(error)
    else:
        line = ""
    if line:
        assert line.startswith(str(path))
        assert "\n" not in line
        return
    found = [list(cells_of(table.columns[table.place(name, "")]).rows()) for name in rows[0]]
    assert len(found[0]) + table.lost.count == len(rows) - 1
    if table.lost.count or table.told:
        return  # it says what it lost, or what it took for something else
    expected = [[unprotected(normal(cell)) for cell in row] for row in rows[1:]]
    assert [list(row) for row in zip(*found, strict=True)] == expected


@given(tables(), dialects)
@QUICK
def test_a_table_comes_back_from_any_dialect(rows: list[list[str]], how: dict[str, object]) -> None:
    with TemporaryDirectory() as folder:
        came_back(rows, how, Path(folder))


@pytest.mark.slow
@given(tables(), dialects)
@settings(QUICK, max_examples=2000)
def test_tables_come_back_from_two_thousand(rows: list[list[str]], how: dict[str, object]) -> None:
    with TemporaryDirectory() as folder:
        came_back(rows, how, Path(folder))
