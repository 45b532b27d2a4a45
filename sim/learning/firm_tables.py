"""A firm's tables, read strictly: a cell that cannot be read is told with its row, never skipped.

The error of a statistic must allow for a customer's rows being alike: the delete-a-group jackknife leaves out one
group of customers at a time (Kott 2001, Journal of Official Statistics 17).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from sim.config.parameters import Text, show, whole
from sim.config.sections import Section
from sim.phrases import ConfigError, Phrase, listed, nearest

FloatArray = NDArray[np.float64]

GROUPS = 50
"""Groups of the jackknife: standard errors are then known to about a tenth."""

ENCODINGS = ("utf-8-sig", "cp932")


class TableFile(Section):
    """A table as a file of evidence names it.

    within: days after an event in which an order counts. columns: our names of columns to the file's, where they
    differ.
    """

    file: Text
    within: Annotated[int, whole(7, 730)]
    columns: dict[str, Text] = Field(default={})

    @classmethod
    def opened(cls, node: object, folder: Path) -> tuple[pd.DataFrame, Path, int]:
        """(the table under our names, its path, `within`) of a piece's keys. Raises ConfigError."""
        stated = cls.read(node)
        path = folder / stated.file
        return read_table(path, stated.columns), path, stated.within


def read_table(path: Path, renamed: Mapping[str, str]) -> pd.DataFrame:
    """A CSV (also gzipped) as text under our names of columns, `row` (of the file, from 2) as index.

    renamed: our name -> the file's, where they differ. Raises ConfigError.
    """
    frame = _read(path)
    for ours, theirs in renamed.items():
        if theirs not in frame.columns:
            raise ConfigError(
                "{file}: no column {value}; {hint}", file=path.name, value=show(theirs), hint=_there(theirs, frame)
            )
        if ours in frame.columns and ours != theirs:
            frame = frame.drop(columns=ours)
    frame = frame.rename(columns={theirs: ours for ours, theirs in renamed.items()})
    frame.index = pd.RangeIndex(2, len(frame) + 2, name="row")
    if frame.empty:
        raise ConfigError("{file}: has no rows", file=path.name)
    return frame


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise ConfigError("file: {path}: there is no such file", path=path)
    for encoding in ENCODINGS:
        try:
            return pd.read_csv(path, dtype=str, keep_default_na=False, encoding=encoding, skipinitialspace=True)
        except UnicodeDecodeError:
            continue
        except (pd.errors.ParserError, pd.errors.EmptyDataError, OSError) as error:
            raise ConfigError(
                "{file}: is no CSV: {problem}", file=path.name, problem=" ".join(str(error).split())
            ) from None
    raise ConfigError("{file}: is neither UTF-8 nor cp932 (Shift-JIS) text", file=path.name)


def need(frame: pd.DataFrame, columns: tuple[str, ...], path: Path) -> None:
    """Raise ConfigError for the first column that is not there."""
    for name in columns:
        if name not in frame.columns:
            raise ConfigError(
                "{file}: no column {value}; {hint}; columns: maps other names",
                file=path.name, value=show(name), hint=_there(name, frame),
            )


def _there(name: str, frame: pd.DataFrame) -> Phrase:
    return Phrase("{allowed}{hint}", allowed=listed(frame.columns), hint=nearest(name, frame.columns))


def numbers(frame: pd.DataFrame, name: str, path: Path, low: float, high: float) -> FloatArray:
    """A column of numbers from low to high. Raises ConfigError naming the first row that has none."""
    found: FloatArray = pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64)
    good = np.isfinite(found) & (found >= low) & (found <= high)
    _refuse(frame, name, path, ~good, Phrase("a number from {low:g} to {high:g}", low=low, high=high))
    return found


def days(frame: pd.DataFrame, name: str, path: Path, blank: bool = False) -> FloatArray:
    """A column of dates as days since 1970; NaN for blank ones where these are allowed. Raises ConfigError."""
    dates = pd.to_datetime(frame[name].str.strip(), errors="coerce", format="ISO8601")
    empty = (frame[name].str.strip() == "").to_numpy()
    _refuse(frame, name, path, dates.isna().to_numpy() & ~(empty & blank), Phrase("a date such as 2027-01-31"))
    return np.asarray((dates - pd.Timestamp("1970-01-01")).dt.days, np.float64)


def _refuse(frame: pd.DataFrame, name: str, path: Path, bad: NDArray[np.bool_], allowed: Phrase) -> None:
    if bad.any():
        first = int(np.argmax(bad))
        more = Phrase(" ({rows} such rows)", rows=int(bad.sum())) if bad.sum() > 1 else ""
        value = show(frame[name].iloc[first])
        raise ConfigError(
            "{file}: row {row}: {name}: {value} is not allowed; {allowed}{more}",
            file=path.name, row=frame.index[first], name=name, value=value, allowed=allowed, more=more,
        )


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
