"""A transaction log as purchase days, with every loss counted, and what a fit needs of them.

What a log may look like, and which rows of it count, say sim.files.reading and sim.calibration.cleaning. What is left
of one customer and day is one purchase day: values are summed, it has a coupon if one of its rows has, and the other
attributes are those of its row of greatest value. Customers are text ("00123" is not "123"); all text is brought to its
compatibility form (Unicode NFKC), so that full-width digits equal plain ones.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.calibration.cleaning import RULES, Choices, Cleaned, LogError, clean
from sim.calibration.repeat_buying import RfmSummary
from sim.files.reading.table import Table, read_table
from sim.phrases import Phrase, enumerated

__all__ = ["RULES", "Choices", "CleanLog", "LogColumns", "LogError", "read_log", "summarise"]

FloatArray = npt.NDArray[np.float64]

MIN_CUSTOMERS = 50
MIN_WEEKS = 8
AS_FOUND = Choices()


@dataclass(frozen=True)
class LogColumns:
    """Which column of the log plays which part; None where the log has no such column.

    customer: id. date: day of purchase. value: amount paid, in the log's currency. delivery_class: as the firm names
    it. promised, delivered: days on which the order was promised and came. coupon: code, amount or yes/no. channel.
    """

    customer: str = "customer"
    date: str = "date"
    value: str = "value"
    delivery_class: str | None = None
    promised: str | None = None
    delivered: str | None = None
    coupon: str | None = None
    channel: str | None = None
    order: str | None = None

    def used(self) -> dict[str, str]:
        """Part -> column name, for the parts that the log has."""
        parts = {one.name: getattr(self, one.name) for one in fields(self)}
        return {part: name for part, name in parts.items() if name is not None}


@dataclass(frozen=True)
class CleanLog:
    """A cleaned log and the account of what cleaning took.

    purchases: one row per customer and purchase day, sorted by customer and date. Columns customer (text), date
    (datetime64[s], midnight), value (float64, log's currency, > 0) and, where the log has them, delivery_class and
    channel (text, missing where blank), promised and delivered (datetime64[s], NaT where unreadable), coupon (bool).
    dropped: rows taken by each of RULES. merged: rows that joined another row of the same customer and day. rows_read =
    rows_kept + sum of dropped; rows_kept = merged + number of purchases. last: the end of observation. told: what was
    understood and concluded, a line each. examples: of what rules took, by rule. valued: whether the log has values; if
    not, each purchase's is 1.
    """

    purchases: pd.DataFrame
    dropped: dict[str, int]
    merged: int
    rows_read: int
    rows_kept: int
    first: datetime.date
    last: datetime.date
    told: tuple[Phrase, ...] = ()
    examples: Mapping[str, str] = field(default_factory=dict)
    valued: bool = True

    @property
    def customers(self) -> int:
        """How many customers bought at least once."""
        return int(self.purchases["customer"].nunique())


@dataclass(frozen=True)
class Lateness:
    """Promised against delivered, in calendar days, over the orders that have both.

    on_time: share delivered on the promised day or before, with its standard error. mean_days_late: of the
    late orders (0 if none is late).
    """

    orders: int
    on_time: float
    on_time_se: float
    mean_days_late: float


@dataclass(frozen=True)
class Redemption:
    """Share of purchase days with a coupon, with its (binomial) standard error."""

    orders: int
    share: float
    share_se: float


def read_log(path: str | Path, columns: LogColumns, choices: Choices = AS_FOUND) -> CleanLog:
    """Read and clean a transaction log, a table in any of the forms that sim.files.reading knows.

    Raises LogError, in one line, if the file cannot be read as a table, lacks a column, loses more than a few rows to
    one rule without the user's agreement, keeps nothing after cleaning, or is too little to learn from: under MIN_WEEKS
    weeks, under MIN_CUSTOMERS customers, or nobody who bought again.
    """
    path = Path(path)
    choices.check()
    table = read_table(path, list(columns.used().values()))
    found = clean(table, _locate(table, columns), choices)
    if found.purchases.empty:
        raise _nothing_left(path, found, table.rows)
    dates = found.purchases["date"]
    log = CleanLog(
        found.purchases, found.dropped, found.kept - len(found.purchases), found.kept + sum(found.dropped.values()),
        found.kept, dates.min().date(), dates.max().date(), found.told, found.examples,
        columns.value is not None,
    )  # fmt: skip
    _require_enough(path, log)
    return log


def summarise(clean: CleanLog, until: datetime.date | None = None) -> RfmSummary:
    """Recency, frequency, age and mean repeat value per customer, in the order of sorted customer ids.

    Observation ends with the last day of the log or, to keep a holdout, with the day `until` (included):
    customers who first bought later are left out. Raises LogError if `until` is not a day within the log.
    """
    seen, end = _observed(clean, until)
    by_customer = seen.groupby("customer", sort=True)
    first = by_customer["date"].transform("min")
    repeats = seen[seen["date"] > first]
    money = repeats.groupby("customer")["value"].mean()
    births = by_customer["date"].min()
    return RfmSummary(
        frequency=np.asarray(by_customer.size(), dtype=np.float64) - 1,
        recency=_weeks(by_customer["date"].max() - births),
        age=_weeks(pd.Timestamp(end) - births),
        monetary=money.reindex(births.index).fillna(0.0).to_numpy(dtype=np.float64),
    )


def first_weeks(clean: CleanLog, until: datetime.date | None = None) -> FloatArray:
    """Weeks from the log's first day to each customer's first purchase, in the order of summarise."""
    seen, _ = _observed(clean, until)
    return _weeks(seen.groupby("customer", sort=True)["date"].min() - pd.Timestamp(clean.first))


def observed_cumulative_repeats(clean: CleanLog, until: datetime.date | None = None) -> FloatArray:
    """Repeat purchase days so far at the end of each full week of the log, shape (weeks,).

    Only customers who first bought by `until` count, their later purchases too, so that a curve fitted up
    to `until` can be held against the holdout.
    """
    seen, _ = _observed(clean, until)
    cohort = clean.purchases[clean.purchases["customer"].isin(seen["customer"].unique())]
    first = cohort.groupby("customer")["date"].transform("min")
    days = (cohort.loc[cohort["date"] > first, "date"] - pd.Timestamp(clean.first)).dt.days.to_numpy()
    weeks = ((clean.last - clean.first).days + 1) // 7
    return np.cumsum(np.bincount(days // 7, minlength=weeks)[:weeks]).astype(np.float64)


def shares(clean: CleanLog, column: str) -> dict[str, float] | None:
    """Share of each delivery class, or channel, among purchase days that state one, largest first; None if none does.

    column: `delivery_class` or `channel`.
    """
    if column not in clean.purchases.columns:
        return None
    counts = clean.purchases[column].value_counts(normalize=True)
    return {str(name): float(share) for name, share in counts.items()} or None


def lateness(clean: CleanLog) -> Lateness | None:
    """How late orders came; None if no order has both a promised and a delivered day."""
    if not {"promised", "delivered"} <= set(clean.purchases.columns):
        return None
    late = (clean.purchases["delivered"] - clean.purchases["promised"]).dropna().dt.days.to_numpy()
    if late.size == 0:
        return None
    on_time = float((late <= 0).mean())
    days = float(late[late > 0].mean()) if (late > 0).any() else 0.0
    return Lateness(late.size, on_time, _share_se(on_time, late.size), days)


def redemption(clean: CleanLog) -> Redemption | None:
    """How often a coupon was used; None if the log has no coupon column."""
    if "coupon" not in clean.purchases.columns:
        return None
    used = clean.purchases["coupon"].to_numpy()
    share = float(used.mean())
    return Redemption(used.size, share, _share_se(share, used.size))


def _share_se(share: float, count: int) -> float:
    return float(np.sqrt(share * (1 - share) / count))


def _observed(clean: CleanLog, until: datetime.date | None) -> tuple[pd.DataFrame, datetime.date]:
    end = clean.last if until is None else until
    if not clean.first <= end <= clean.last:
        raise LogError(
            "until must lie within the log, {first} to {last}, not {end}", first=clean.first, last=clean.last, end=end
        )
    return clean.purchases[clean.purchases["date"] <= pd.Timestamp(end)], end


def _weeks(spans: pd.Series) -> FloatArray:
    return np.asarray(spans.dt.days, dtype=np.float64) / 7


# --- enough to learn from -----------------------------------------------------------------------------------


def _locate(table: Table, columns: LogColumns) -> dict[str, str]:
    """Part -> the column's name as the table spells it; raises LogError for a column that is not there."""
    where = {part: table.place(name, part) for part, name in columns.used().items()}
    twice = [name for name in where.values() if list(where.values()).count(name) > 1]
    if twice:
        parts = " and ".join(part for part, name in where.items() if name == twice[0])
        raise LogError("column {name!r} cannot be both {parts}", name=twice[0], parts=parts)
    return where


def _nothing_left(path: Path, found: Cleaned, read: int) -> LogError:
    most = max(found.dropped, key=lambda rule: found.dropped[rule])
    such = Phrase("; such as {examples}", examples=found.examples[most]) if most in found.examples else ""
    return LogError(
        "{path}: none of {read} rows is left after cleaning ({dropped}){hint}",
        path=path, read=read, hint=such, dropped=counted(found.dropped),
    )  # fmt: skip


def counted(dropped: dict[str, int]) -> Phrase | str:
    """Rules that took rows, each with how many."""
    return enumerated(
        Phrase("{rule} {count}", rule=Phrase(rule), count=count) for rule, count in dropped.items() if count
    )


def _require_enough(path: Path, clean: CleanLog) -> None:
    days = (clean.last - clean.first).days + 1
    lost = counted(clean.dropped)
    but = Phrase("; dropped before: {dropped}", dropped=lost) if lost else ""
    if days < 7 * MIN_WEEKS:
        raise LogError(
            "{path} spans {days} days ({first} to {last}); at least {least} weeks are needed{but}",
            path=path, days=days, first=clean.first, last=clean.last, least=MIN_WEEKS, but=but,
        )
    if clean.customers < MIN_CUSTOMERS:
        raise LogError(
            "{path} has {customers} customers; at least {least} are needed{but}",
            path=path, customers=clean.customers, least=MIN_CUSTOMERS, but=but,
        )
    if clean.customers == len(clean.purchases):
        raise LogError(
            "{path} has no repeat purchases: all {customers} customers bought on one day only{but}",
            path=path, customers=clean.customers, but=but,
        )
