"""A firm's tables as evidence: what cannot be read is left out and told, and more than a few rows of it are refused.

The error of a statistic must allow for a customer's rows being alike: the delete-a-group jackknife leaves out one
group of customers at a time (Kott 2001, Journal of Official Statistics 17).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from sim.config.parameters import Text, part, show, whole
from sim.config.sections import Section
from sim.files.reading.cells import MUCH, BoolArray, Cells, cells_of, first_of
from sim.files.reading.days import Days, Form, far_days, read_days
from sim.files.reading.identities import read_identities
from sim.files.reading.money import read_amounts
from sim.files.reading.table import Table, read_table
from sim.phrases import ConfigError, Phrase, listed, nearest

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FEW = 20
"""Rows from which on one that cannot be read is a slip of the hand."""

GROUPS = 50
"""Groups of the jackknife: standard errors are then known to about a tenth."""

class TableFile(Section):
    """A table as a file of evidence names it.

    within: days after an event in which an order counts. columns: our names of columns to the file's, where they
    differ. date_format, timezone: see sim.files.reading.days. agree: columns of which more than a few cells may be
    unread.
    """

    file: Text
    within: Annotated[int, whole(7, 730)]
    columns: dict[str, Text] = Field(default={})
    date_format: Text | None = None
    timezone: Text | None = None
    agree: list[Text] = Field(default=[])

    @classmethod
    def opened(cls, node: object, folder: Path, wanted: Sequence[str]) -> tuple[FirmTable, int]:
        """(the table under our names, `within`) of a piece's keys. Raises ConfigError.

        wanted: our names of columns by which the header is found.
        """
        stated = cls.read(node)
        theirs = [stated.columns.get(name, name) for name in wanted]
        with part("file"):
            table = read_table(folder / stated.file, theirs)
        form = Form.of(stated.date_format, stated.timezone, ask="date_format:")
        return FirmTable(table, stated.columns, form, tuple(stated.agree)), stated.within


class FirmTable:
    """A firm's table under our names of columns.

    left: rows that nothing has taken out, (rows,). told: what was understood and left out, a line each.
    """

    def __init__(self, table: Table, renamed: Mapping[str, str], form: Form, agreed: tuple[str, ...] = ()) -> None:
        self.name, self._form, self._agreed = table.path.name, form, agreed
        columns = {name.partition("\t")[0]: table.columns[name] for name in table.columns.column_names}
        for theirs in renamed.values():
            if theirs not in columns:
                hint = _there(theirs, columns)
                raise ConfigError("{file}: no column {value}; {hint}", file=self.name, value=show(theirs), hint=hint)
        taken = {theirs: columns[theirs] for theirs in renamed.values()}
        self._columns = {name: column for name, column in columns.items() if name not in taken}
        self._columns |= {ours: taken[theirs] for ours, theirs in renamed.items()}
        self.rows = int(table.columns.num_rows)
        self.left: BoolArray = np.ones(self.rows, dtype=bool)
        self.told: list[Phrase] = list(table.told)
        if not self.rows:
            raise ConfigError("{file}: has no rows", file=self.name)
        if table.lost.count:
            self._allow("malformed row", table.lost.count, table.rows, repr(table.lost.examples[0]), "")

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def need(self, *names: str) -> None:
        """Raise ConfigError for the first column that is not there."""
        for name in names:
            if name not in self._columns:
                raise ConfigError(
                    "{file}: no column {value}; {hint}; columns: maps other names",
                    file=self.name, value=show(name), hint=_there(name, self._columns),
                )

    def numbers(self, name: str, low: float, high: float) -> FloatArray:
        """A column of numbers from low to high, (rows,); NaN in rows that are taken out. Raises ConfigError."""
        amounts = read_amounts(name, self._columns[name], decimal=".")
        good = (amounts.values >= low) & (amounts.values <= high)
        self.drop(name, ~good, amounts.text, Phrase("a number from {low:g} to {high:g}", low=low, high=high))
        return np.where(good, amounts.values, np.nan)

    def scores(self, name: str, low: int, high: int, blank: Phrase) -> FloatArray:
        """A column of answers on a scale, with or without words beside the number, (rows,). Raises ConfigError.

        blank: how rows without an answer, which are left out, are told; `count` is filled in.
        """
        cells = cells_of(self._columns[name])
        self.leave_out(blank, cells.missing[cells.codes])
        values = cells.mapped(score, "float64").astype(np.float64)[cells.codes]
        good = (values >= low) & (values <= high)
        self.drop(name, ~good, cells, Phrase("a number from {low:g} to {high:g}", low=low, high=high))
        return np.where(good, values, np.nan)

    def days(self, *names: str) -> dict[str, Days]:
        """Columns of dates; dates that are none, or far from all others, take their rows out. Raises ConfigError."""
        found = read_days({name: self._columns[name] for name in names}, self._form)
        for name, days in found.items():
            known = {str(line) for line in self.told}
            self.told += [line for line in days.told if str(line) not in known]
            self.drop(name, days.unread, days.text, Phrase("a date such as 2027-01-31"))
            far = np.zeros(self.rows, dtype=bool)
            some = ~np.isnat(days.values)
            far[some] = far_days(days.values[some])
            self.drop(name, far, days.text, Phrase("a date near the others"))
        return found

    def customers(self, name: str) -> IntArray:
        """A number for each row's customer, (rows,); guests, -1, are taken out and told."""
        found = read_identities(name, self._columns[name])
        self.told += found.told
        self.left &= ~found.guests
        return np.where(found.guests, -1, found.cells.codes)

    def respondents(self, name: str) -> IntArray:
        """A number for each row's customer, (rows,); of whom nothing is known, each row has another."""
        found = read_identities(name, self._columns[name])
        alone = len(found.cells.texts) + np.arange(self.rows)
        return np.where(found.guests, alone, found.cells.codes)

    def leave_out(self, told: Phrase, rows: BoolArray) -> None:
        """Take rows out, however many. told: how it is said; `count` is filled in."""
        taken = self.left & rows
        if taken.any():
            self.told.append(Phrase(told.message, **(told.values | {"count": int(taken.sum())})))
            self.left &= ~taken

    def drop(self, name: str, rows: BoolArray, text: Cells, allowed: Phrase) -> None:
        """Take out rows whose cell of a column is not what is allowed. Raises ConfigError where these are many."""
        taken = self.left & rows
        if taken.any():
            shown = first_of(text.texts, np.isin(np.arange(len(text.texts)), text.codes[taken]))
            self._allow(name, int(taken.sum()), self.rows, shown, allowed)
            self.left &= ~taken

    def _allow(self, name: str, count: int, rows: int, shown: str, allowed: Phrase | str) -> None:
        one = count == 1 and rows >= FEW
        if count > MUCH * rows and not one and name not in self._agreed:
            raise ConfigError(
                "{file}: {name}: {shown} is not allowed; {allowed} ({count} of {rows} rows); agree: [{name}] leaves "
                "such rows out",
                file=self.name, name=name, shown=shown, allowed=allowed, count=count, rows=rows,
            )
        self.told.append(Phrase(
            "{count} rows left out: {name}: {shown} is not allowed; {allowed}",
            count=count, name=name, shown=shown, allowed=allowed,
        ))  # fmt: skip


SCORE = re.compile(
    r"(\d{1,2}(?:\.\d+)?)\s*(?:点|/\s*\d+|[-–:(=.]?\s*[^\d\s/.,–:(=-].*)?|[^\d]+?[-–:(=\s]\s*(\d{1,2})\)?"
)


def score(text: str) -> float:
    """The number of an answer such as `10 - Extremely likely`, `8点` or `9/10`; NaN where there is none."""
    match = SCORE.fullmatch(text)
    return float(match[1] or match[2]) if match else float("nan")


def _there(name: str, columns: Collection[str]) -> Phrase:
    return Phrase("{allowed}{hint}", allowed=listed(columns), hint=nearest(name, columns))


def jackknife(
    statistic: Callable[[pd.DataFrame], FloatArray], table: pd.DataFrame, customer: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """A statistic of a table and the covariance of its sampling error: arrays (k,) and (k, k).

    customer: whose row each is, numbers from 0 in order of appearance; a customer's rows are left out together.
    """
    group = customer % GROUPS
    left_out = np.array([statistic(table[group != one]) for one in range(GROUPS)])
    gaps = left_out - left_out.mean(axis=0)
    return statistic(table), np.asarray((GROUPS - 1) / GROUPS * gaps.T @ gaps)


def orders_between(
    customer: NDArray[np.int64], day: FloatArray, asked: NDArray[np.int64], after: FloatArray, until: FloatArray
) -> NDArray[np.int64]:
    """How many orders the asked customers placed on days after < day <= until.

    customer, day: of all orders. asked, after, until: of one length, as is what is returned. Days are whole.
    """
    width = 1 << 20
    keys = np.sort(customer * width + day.astype(np.int64))
    first = np.searchsorted(keys, asked * width + after.astype(np.int64), side="right")
    last = np.searchsorted(keys, asked * width + until.astype(np.int64), side="right")
    return np.asarray(last - first)
