"""The report's tables as one workbook: a sheet for the answer in words, one for each table, and effects.csv whole."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.effects.answer import baseline_words
from analysis.folders.run_folder import Run, needed
from analysis.report import raw
from analysis.report.office import EXTRA, undated
from analysis.report.sheet import sheet
from analysis.report.tables import Cell, Table, blank
from analysis.style.language import _, told_in
from analysis.style.lines import width

LONGEST_NAME = 31
"""Characters of a sheet's name that spreadsheets take."""

FORBIDDEN = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
"""Characters that they do not take in one."""

NARROWEST, WIDEST = 10, 60


def workbook(folder: Path | str, wanted: str | None = None) -> dict[str, bytes]:
    """The workbook of a run by file name.

    Told in the language wanted, or in the run's own. Raises RunError where openpyxl is not installed, LanguageError.
    """
    run = Run(folder)
    with told_in(wanted or str(run.config.get("language", "en"))):
        library = needed("openpyxl", EXTRA)
        book = library.Workbook()
        book.remove(book.active)
        for name, table in _named(run):
            _write(book.create_sheet(name), table)
    written = io.BytesIO()
    book.save(written)
    return {"tables.xlsx": undated(written.getvalue())}


def _named(run: Run) -> Iterator[tuple[str, Table]]:
    """Every sheet's name, no two alike, and its table."""
    taken: set[str] = set()
    for title, table in _tables(run):
        plain = FORBIDDEN.sub(" ", title).strip("' ")[:LONGEST_NAME] or table.key
        name, number = plain, 2
        while name.casefold() in taken:
            name, number = f"{plain[: LONGEST_NAME - 4]} ({number})", number + 1
        taken.add(name.casefold())
        yield name, table


def _tables(run: Run) -> Iterator[tuple[str, Table]]:
    """Tables in the order of the report, each with the name it would like; of several scenarios by their number."""
    yield _("Answer"), _answer(run)
    for number, name in enumerate(run.interventions, 1):
        before = f"{number} " if len(run.interventions) > 1 else ""
        yield from ((f"{before}{table.title}", table) for table in raw.of_intervention(run, name).values())
    yield from ((table.title, table) for table in raw.of_run(run).values())
    if run.interventions:
        yield "effects.csv", raw.frame("effects_csv", "effects.csv", run.effects)


def _answer(run: Run) -> Table:
    """The first page in words."""
    rows: list[tuple[Cell, ...]] = [] if run.interventions else [("", baseline_words(run))]
    for name in run.interventions:
        told = sheet(run, name)
        steps = [" ".join(filter(None, step)) for step in told.steps]
        texts = [told.decision, *told.money, *told.hinges, *steps, told.points]
        rows += [(told.name, text) for text in texts if text]
    return Table("answer", _("Answer"), (_("Scenario"), _("Answer")), rows)


def _write(page: Any, table: Table) -> None:
    """Put a table on a sheet: the head bold and in sight, numbers as numbers, texts never as formulas."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    for place, row in enumerate((table.heads, *table.rows), 1):
        for column, value in enumerate(row, 1):
            if blank(value):
                continue
            cell = page.cell(place, column)
            cell.value = ILLEGAL_CHARACTERS_RE.sub("", value) if isinstance(value, str) else value
            if isinstance(value, str):
                cell.data_type = "s"
            elif isinstance(value, float):
                cell.number_format = _format(value)
            cell.font = Font(bold=place == 1)
            cell.alignment = Alignment(vertical="top", wrap_text=isinstance(value, str) and width(value) > WIDEST)
    page.freeze_panes = "A2"
    for column, head in enumerate(table.heads, 1):
        texts = (cell for cell in (row[column - 1] for row in table.rows) if isinstance(cell, str))
        longest = max(map(width, [head, *texts]))
        page.column_dimensions[get_column_letter(column)].width = min(max(longest + 2, NARROWEST), WIDEST)


def _format(value: float) -> str:
    """How many decimals a spreadsheet shows; the cell keeps all."""
    if value == round(value) or abs(value) >= 1000:
        return "#,##0"
    return "#,##0.00" if abs(value) >= 0.1 else "0.0000"
