"""Texts in CSV files, such that a spreadsheet shows them: one that begins as a formula has an apostrophe before it.

Numbers stay as they are, those of a column of mixed kind too. `as_written` takes the apostrophe away again.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r"''*[=+\-@\t\r]")


def quoted(cell: object) -> object:
    """A cell as it is written; what is no text, or is a number, as it stands."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) and not _is_number(cell) else cell


def unquoted(cell: object) -> object:
    """The cell that `quoted` was given."""
    return cell[1:] if isinstance(cell, str) and _QUOTED.match(cell) else cell


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose texts no spreadsheet takes for formulas."""
    return _mapped(table, quoted)


def as_written(table: pd.DataFrame) -> pd.DataFrame:
    """The table that `as_text` was given, of one that was read from its CSV."""
    return _mapped(table, unquoted)


def _mapped(table: pd.DataFrame, change: Callable[[object], object]) -> pd.DataFrame:
    """The table with its texts changed; columns that hold none to change stay of their type."""
    changed = {
        name: [change(cell) for cell in table[name]]
        for name in table.columns
        if not pd.api.types.is_numeric_dtype(table[name]) and any(change(cell) is not cell for cell in table[name])
    }
    made = table.copy()
    for name, cells in changed.items():
        made[name] = pd.Series(cells, index=table.index, dtype=table[name].dtype)
    return made


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
