"""A column as its distinct texts: each is looked at once, however many rows have it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sim.phrases import ConfigError, Phrase

BoolArray = npt.NDArray[np.bool_]
Kind = TypeVar("Kind", bound=np.generic)

MISSING = ("", "nan", "null", "none", "na", "n/a", "<na>", "nat", "\\n", "#n/a", "(not set)", "(null)")
"""Words, in lower case, for a cell that holds nothing."""

LONGEST = max(map(len, MISSING))

FORMULA = re.compile(r'=\s*"(.*)"|=\s*(-?[\d.,]+)')
"""What protects a number from a spreadsheet: ="00123"."""

MUCH = 0.02
"""Share of the rows above which what was not understood is no slip of a hand."""


class ReadError(ConfigError):
    """A table cannot be read; the message says why in one line."""


@dataclass(frozen=True)
class Cells:
    """A column of text. texts: its distinct cells in normal form, (k,). codes: which of them each row has, (rows,)."""

    texts: npt.NDArray[np.object_]
    codes: npt.NDArray[np.int64]

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """Rows that have each text, (k,)."""
        return np.bincount(self.codes, minlength=len(self.texts))

    @cached_property
    def missing(self) -> BoolArray:
        """Whether each distinct text is a word for nothing, (k,)."""
        return np.array([len(text) <= LONGEST and text.lower() in MISSING for text in self.texts], dtype=bool)

    def any_like(self, pattern: str) -> bool:
        """Whether a text holds this pattern, of Arrow's kind."""
        return bool(pc.any(pc.match_substring_regex(pa.array(self.texts, pa.string()), pattern)).as_py())

    def mapped(self, function: Callable[[str], object], dtype: str) -> npt.NDArray[np.generic]:
        """The function's value of each distinct text, (k,)."""
        return np.array([function(text) for text in self.texts], dtype=dtype)

    def renamed(self, function: Callable[[str], str]) -> Cells:
        """The column with each text rewritten; texts that become equal become one."""
        return merged([function(text) for text in self.texts], self.codes)

    def only(self, rows: BoolArray) -> Cells:
        """The column of some of the rows."""
        return merged(list(self.texts), self.codes[rows])

    def rows(self) -> npt.NDArray[np.object_]:
        """The text of each row, (rows,)."""
        return self.texts[self.codes] if len(self.texts) else np.empty(0, dtype=object)


@dataclass(frozen=True)
class Values:
    """A column as what its cells mean. values: NaN, or NaT, where nothing is understood, (rows,).

    blank: where the cell is empty. text: the cells as they stand, for examples. told: what their form was taken for.
    """

    values: npt.NDArray[np.generic]
    blank: BoolArray
    text: Cells
    told: tuple[Phrase, ...]

    @property
    def unread(self) -> BoolArray:
        """Where a cell is filled, and its meaning is not understood."""
        return np.asarray(np.isnan(self.values) & ~self.blank)


def merged(texts: Iterable[str], codes: npt.NDArray[np.int64]) -> Cells:
    """Cells of texts that may be equal or unused; distinct ones keep the order in which they come."""
    names = np.array(list(texts), dtype=object)
    used = np.bincount(codes, minlength=len(names)) > 0
    place = np.full(len(names), -1, dtype=np.int64)
    place[used], distinct = pd.factorize(names[used])
    return Cells(np.asarray(distinct, dtype=object), place[codes])


def cells_of(column: pa.ChunkedArray) -> Cells:
    """Any column as text in Unicode's compatibility form (full-width digits equal plain ones), blanks trimmed.

    Whole numbers that are stored as floats lose their '.0', which no id ever had.
    """
    raw, texts, codes = encoded(column)
    odd = bool(pc.any(pc.match_substring_regex(texts, "^[='\"]")).as_py())
    names = [*(map(unprotected, texts.to_pylist()) if odd else texts.to_pylist()), ""]
    if odd or (len(codes) and int(codes.max()) == len(raw)) or not texts.equals(raw):
        return merged(names, codes)
    return Cells(np.array(names[:-1], dtype=object), codes)


def encoded(column: pa.ChunkedArray) -> tuple[pa.StringArray, pa.StringArray, npt.NDArray[np.int64]]:
    """A column's distinct texts, as they are and in normal form, and which of them each row has.

    A cell that holds nothing has the number after the last text.
    """
    if pa.types.is_floating(column.type):
        column = _whole(column)
    whole = column.dictionary_encode().combine_chunks()
    part = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    raw = part.dictionary.cast(pa.string())
    codes = np.asarray(part.indices.fill_null(len(raw)).to_numpy(zero_copy_only=False), dtype=np.int64)
    texts = pc.utf8_trim_whitespace(raw if pc.all(pc.string_is_ascii(raw)).as_py() else _normal(raw))
    return raw, texts, codes


def _normal(texts: pa.StringArray) -> pa.StringArray:
    return pc.utf8_normalize(texts, form="NFKC")


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    column = column.cast(pa.float64())
    nothing = pc.invert(pc.fill_null(pc.is_finite(column), False))
    fits = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), 2.0**53))
    if not pc.all(pc.or_(pc.fill_null(fits, True), nothing)).as_py():
        return column
    return pc.if_else(nothing, None, column).cast(pa.int64())


def unprotected(text: str) -> str:
    """The text that ="text" keeps from a spreadsheet; a single leading apostrophe goes too."""
    match = FORMULA.fullmatch(text)
    if match:
        return (match[1] if match[1] is not None else match[2]).strip()
    return text[1:] if text[:1] == "'" and text.count("'") == 1 and len(text) > 1 else text


def first_of(texts: npt.NDArray[np.object_], chosen: BoolArray, most: int = 3) -> str:
    """Some of the chosen texts as an error or an account shows them."""
    found = [repr(str(text)) for text in texts[chosen][:most]]
    return ", ".join(found)
