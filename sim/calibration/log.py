"""Reading a real transaction log: from what a shop system exports to purchase days, with every loss counted.

The rules, in the order in which a row meets them; the first that applies takes it:

1. malformed row: not as many fields as the header has.
2. unparsable date: not a day between 1970 and 2099. Understood are 2026-11-22, 2026/11/22, 2026.11.22,
   20261122 and 2026年11月22日, with or without a time of day, which is ignored (the day counts as written,
   whatever the zone). Day-first and month-first dates are refused, since they cannot be told apart.
3. missing customer: blank, or nan, null, none, na, n/a.
4. unparsable value: missing or not a number. Thousands commas, currency signs and a trailing 円 are
   understood; a decimal comma is not.
5. negative value: a return. It is dropped, not netted against an earlier purchase.
6. zero value.
7. duplicate row: all fields of the file equal those of an earlier row.

What is left of one customer and day is merged into one purchase day: values are summed, it has a coupon if one of its
rows has, and the other attributes are those of its row of greatest value. Customers are text ("00123" is not "123");
all text is brought to its compatibility form (Unicode NFKC), so that full-width digits equal plain ones.
"""

from __future__ import annotations

import csv
import datetime
import difflib
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from sim.calibration.repeat_buying import RfmSummary
from sim.phrases import ConfigError, Phrase, enumerated

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MIN_CUSTOMERS = 50
MIN_WEEKS = 8
ENCODINGS = ("utf-8", "cp932")
SEPARATORS = (",", ";", "\t")
MISSING = ("", "nan", "null", "none", "na", "n/a", "<na>", "nat")
NO_COUPON = (*MISSING, "0", "0.0", "false", "f", "no", "n", "なし", "無", "無し", "-")
RULES = (
    "malformed row", "unparsable date", "missing customer", "unparsable value", "negative value", "zero value",
    "duplicate row",
)  # fmt: skip

DAY_PATTERN = re.compile(
    r"(\d{4})(?:-(\d{1,2})-(\d{1,2})|/(\d{1,2})/(\d{1,2})|\.(\d{1,2})\.(\d{1,2})"
    r"|年(\d{1,2})月(\d{1,2})日.*|(\d\d)(\d\d))(?:\(.\))?",
    re.ASCII,
)
NUMBER_PATTERN = re.compile(
    r"(?P<minus>[-−△▲]|\()?\s*(?P<currency>[¥\\$£€])?\s*(?P<inner>[-−△▲])?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+)\s*円?\s*(?P<close>\))?",
    re.ASCII,
)
PLAIN_NUMBER = r"^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$"


class LogError(ConfigError):
    """A transaction log cannot be used; the message says why in one line."""


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

    def used(self) -> dict[str, str]:
        """Part -> column name, for the parts that the log has."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return {part: name for part, name in parts.items() if name is not None}


@dataclass(frozen=True)
class CleanLog:
    """A cleaned log and the account of what cleaning took.

    purchases: one row per customer and purchase day, sorted by customer and date. Columns customer (text), date
    (datetime64[s], midnight), value (float64, log's currency, > 0) and, where the log has them, delivery_class and
    channel (text, missing where blank), promised and delivered (datetime64[s], NaT where unreadable), coupon (bool).
    dropped: rows taken by each of RULES. merged: rows that joined another row of the same customer and day. rows_read =
    rows_kept + sum of dropped; rows_kept = merged + number of purchases. last: the end of observation.
    """

    purchases: pd.DataFrame
    dropped: dict[str, int]
    merged: int
    rows_read: int
    rows_kept: int
    first: datetime.date
    last: datetime.date

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


def read_log(path: str | Path, columns: LogColumns) -> CleanLog:
    """Read and clean a transaction log: CSV (also .gz; comma, semicolon or tab; UTF-8 or cp932) or Parquet.

    Raises LogError, in one line, if the file cannot be read as a table, lacks a column, keeps nothing after cleaning,
    or is too little to learn from: under MIN_WEEKS weeks, under MIN_CUSTOMERS customers, or nobody who bought again.
    """
    path = Path(path)
    table, malformed = _read_table(path, columns)
    where = _locate(path, table.column_names, columns)
    try:
        rows, dropped = _clean(table, where)
    except pa.ArrowException as error:
        raise LogError(
            "{path} has a column that cannot be read: {problem}", path=path, problem=_one_line(error)
        ) from error
    dropped = {"malformed row": malformed, **dropped}
    read = table.num_rows + malformed
    if rows.empty:
        raise _nothing_left(path, table, where, dropped, read)
    purchases = _merge_days(rows)
    first, last = purchases["date"].min().date(), purchases["date"].max().date()
    clean = CleanLog(purchases, dropped, len(rows) - len(purchases), read, len(rows), first, last)
    _require_enough(path, clean)
    return clean


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


# --- the file -----------------------------------------------------------------------------------------------


def _read_table(path: Path, columns: LogColumns) -> tuple[pa.Table, int]:
    """The file as a table, text as text, and how many rows did not fit its header."""
    raw = _read_bytes(path)
    if raw.startswith(b"PAR1"):
        return _read_parquet(path, raw), 0
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise LogError("{path} is a spreadsheet or an archive; save the table as CSV (UTF-8) and name that", path=path)
    return _read_csv(path, _decode(path, raw), list(columns.used().values()))


def _read_bytes(path: Path) -> bytes:
    if not path.exists():
        raise LogError("{path}: there is no such file", path=path)
    if not path.is_file():
        raise LogError("{path} is not a file", path=path)
    try:
        raw = path.read_bytes()
        if raw.startswith(b"\x1f\x8b"):
            raw = gzip.decompress(raw)
    except PermissionError as error:
        raise LogError("{path} may not be read: permission denied", path=path) from error
    except (OSError, EOFError, zlib.error) as error:
        raise LogError("{path} cannot be read: {problem}", path=path, problem=_one_line(error)) from error
    if not raw.strip():
        raise LogError("{path} is empty", path=path)
    return raw


def _read_parquet(path: Path, raw: bytes) -> pa.Table:
    try:
        table = pq.read_table(io.BytesIO(raw))
    except (pa.ArrowException, OSError) as error:
        raise LogError("{path} is not a whole Parquet file: {problem}", path=path, problem=_one_line(error)) from error
    # Lists and structures are no attributes of a purchase: as if they were not there.
    return table.select([field.name for field in table.schema if not pa.types.is_nested(field.type)])


def _decode(path: Path, raw: bytes) -> str:
    if b"\x00" in raw:
        raise LogError("{path} is not a table: it holds binary data; save it as CSV (UTF-8)", path=path)
    for encoding in ENCODINGS:
        try:
            return raw.decode(encoding).lstrip("\ufeff\r\n")
        except UnicodeDecodeError:
            continue
    raise LogError("{path} is neither UTF-8 nor cp932 (Shift-JIS) text; save it as CSV (UTF-8)", path=path)


def _read_csv(path: Path, text: str, wanted: list[str]) -> tuple[pa.Table, int]:
    first_line, _, rest = text.partition("\n")
    separator, header = _split_header(first_line.rstrip("\r"), wanted)
    if len(header) < 2:
        raise LogError("{path} is not a table: no comma, semicolon or tab in its first line", path=path)
    repeated = sorted(name for name in set(header) if header.count(name) > 1 and name in wanted)
    if repeated:
        raise LogError("{path} has more than one column {name!r}: rename all but one", path=path, name=repeated[0])
    if not rest.strip():
        raise LogError("{path} is empty: it has a header and no rows", path=path)
    names = [f"{name}\t{place}" if header.count(name) > 1 else name for place, name in enumerate(header)]
    malformed: list[int] = []

    def skip(row: pa_csv.InvalidRow) -> str:
        malformed.append(row.actual_columns)
        return "skip"

    try:
        table = pa_csv.read_csv(
            io.BytesIO(rest.encode()),
            read_options=pa_csv.ReadOptions(column_names=names),
            parse_options=pa_csv.ParseOptions(
                delimiter=separator, newlines_in_values=True, invalid_row_handler=skip
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        raise LogError("{path} is not a table: {problem}", path=path, problem=_one_line(error)) from error
    return table, len(malformed)


def _split_header(line: str, wanted: list[str]) -> tuple[str, list[str]]:
    """The separator under which most of the wanted columns appear, then the one that makes most columns."""
    readings = []
    for separator in SEPARATORS:
        header = [_normal(name) for name in next(csv.reader([line], delimiter=separator), [])]
        found = sum(_normal(name) in header for name in wanted)
        readings.append((found, len(header), separator, header))
    _, _, separator, header = max(readings, key=lambda reading: reading[:2])
    return separator, header


def _normal(text: str) -> str:
    return str(pc.utf8_normalize(pa.scalar(text), form="NFKC").as_py()).strip()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _locate(path: Path, present: list[str], columns: LogColumns) -> dict[str, str]:
    """Part -> the column's name as the table spells it; raises LogError for a column that is not there."""
    spelled = {_normal(name): name for name in present}
    where: dict[str, str] = {}
    for part, name in columns.used().items():
        if _normal(name) not in spelled:
            raise LogError(
                "{path} has no column {name!r} for {part}{hint}",
                path=path, name=name, part=part, hint=_hint(name, present),
            )
        where[part] = spelled[_normal(name)]
    twice = [name for name in where.values() if list(where.values()).count(name) > 1]
    if twice:
        parts = " and ".join(part for part, name in where.items() if name == twice[0])
        raise LogError("column {name!r} cannot be both {parts}", name=twice[0], parts=parts)
    return where


def _hint(name: str, present: list[str]) -> Phrase:
    lowered = {other.lower(): other for other in present}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    names = ", ".join(present)
    if not near:
        return Phrase("; it has: {names}", names=names)
    return Phrase(" (did you mean {name!r}?); it has: {names}", name=lowered[near[0]], names=names)


# --- the rules ----------------------------------------------------------------------------------------------


def _clean(table: pa.Table, where: dict[str, str]) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows that survive rules 2 to 7, as columns named by their parts, and how many each rule took."""
    days = _days(table[where["date"]])
    customers = _text(table[where["customer"]])
    values = _numbers(table[where["value"]])
    left = np.ones(table.num_rows, dtype=bool)
    dropped = {}
    for rule, takes in (
        ("unparsable date", np.isnat(days)),
        ("missing customer", _is_one_of(customers, MISSING)),
        ("unparsable value", np.isnan(values)),
        ("negative value", values < 0),
        ("zero value", values == 0),
    ):
        dropped[rule] = int((left & takes).sum())
        left &= ~takes
    repeated = _duplicates(table.filter(pa.array(left)))
    dropped["duplicate row"] = int(repeated.sum())
    left[left] = ~repeated
    keep = pa.array(left)
    rows = {"customer": customers.filter(keep).to_pandas(), "date": days[left], "value": values[left]}
    rows |= {
        part: OPTIONAL_READERS[part](table[name].filter(keep))
        for part, name in where.items()
        if part in OPTIONAL_READERS
    }
    return pd.DataFrame(rows), dropped


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Any column as normalised text; whole numbers stored as floats lose their '.0', which no id ever had."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        whole = pc.equal(pc.floor(column), column)
        if pc.all(pc.fill_null(pc.or_(whole, pc.is_nan(column)), True)).as_py():
            column = pc.if_else(pc.is_nan(column), None, column).cast(pa.int64())
    text = pc.fill_null(column.cast(pa.string()), "")
    return pc.utf8_trim_whitespace(pc.utf8_normalize(text, form="NFKC"))


def _is_one_of(text: pa.ChunkedArray, words: tuple[str, ...]) -> BoolArray:
    found = pc.is_in(pc.utf8_lower(text), value_set=pa.array(words))
    return np.asarray(found.to_numpy(), dtype=bool)


def _days(column: pa.ChunkedArray) -> npt.NDArray[np.datetime64]:
    """Days as datetime64[D], NaT where unreadable. Text is read once per distinct day, not once per row."""
    if pa.types.is_timestamp(column.type):
        local = pc.local_timestamp(column) if column.type.tz else column
        days = local.cast(pa.timestamp("s"), safe=False).to_numpy().astype("datetime64[D]")
    elif pa.types.is_date(column.type):
        days = column.cast(pa.date32()).to_numpy().astype("datetime64[D]")
    else:
        # The part before a time of day: thousands of distinct days rather than a million distinct seconds.
        dates = pc.replace_substring_regex(_text(column), r"[\sT].*$", "")
        days = _by_distinct(dates, _parse_day, "datetime64[D]")
    sensible = (days >= np.datetime64("1970-01-01")) & (days < np.datetime64("2100-01-01"))
    return np.where(sensible, days, np.datetime64("NaT"))


def _parse_day(text: str) -> np.datetime64:
    match = DAY_PATTERN.fullmatch(text)
    if match is None:
        return np.datetime64("NaT")
    year, month, day = (int(group) for group in match.groups() if group is not None)
    try:
        return np.datetime64(datetime.date(year, month, day))
    except ValueError:
        return np.datetime64("NaT")


def _numbers(column: pa.ChunkedArray) -> FloatArray:
    """Numbers as float64, NaN where unreadable; plain ones at once, decorated ones per distinct text."""
    if any(test(column.type) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)):
        numbers = column.cast(pa.float64()).to_numpy().astype(np.float64)
        return np.where(np.isfinite(numbers), numbers, np.nan)
    text = _text(column)
    plain = pc.match_substring_regex(text, PLAIN_NUMBER)
    numbers = np.full(len(text), np.nan)
    is_plain = plain.to_numpy().astype(bool)
    numbers[is_plain] = text.filter(plain).cast(pa.float64()).to_numpy()
    numbers[~is_plain] = _by_distinct(text.filter(pc.invert(plain)), _parse_number, "float64")
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _parse_number(text: str) -> float:
    match = NUMBER_PATTERN.fullmatch(text)
    if match is None or (match["minus"] == "(") != (match["close"] is not None):
        return float("nan")
    if match["minus"] and match["inner"]:
        return float("nan")
    size = float(match["digits"].replace(",", ""))
    return -size if match["minus"] or match["inner"] else size


def _by_distinct(
    text: pa.ChunkedArray, parse: Callable[[str], np.datetime64 | float], dtype: str
) -> npt.NDArray[np.generic]:
    """Parse each distinct text once and hand the result to all rows that have it."""
    codes, distinct = pd.factorize(text.to_numpy(zero_copy_only=False))
    parsed = np.array([parse(value) for value in distinct], dtype=dtype)
    return parsed[codes]


def _duplicates(table: pa.Table) -> BoolArray:
    """True for each row that repeats an earlier one in all columns."""
    key = np.zeros(table.num_rows, dtype=np.int64)
    for column in table.columns:
        values = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        codes, distinct = pd.factorize(values.to_pandas().cat.codes.to_numpy())
        # Re-numbering after each column keeps the key below rows squared, far from overflow.
        key, _ = pd.factorize(key * (len(distinct) + 1) + codes)
    return pd.Series(key).duplicated().to_numpy()


def _label(column: pa.ChunkedArray) -> pd.Series:
    text = _text(column)
    labels: pd.Series = text.to_pandas()
    return labels.mask(_is_one_of(text, MISSING))


OPTIONAL_READERS: dict[str, Callable[[pa.ChunkedArray], object]] = {
    "delivery_class": _label,
    "promised": _days,
    "delivered": _days,
    "coupon": lambda column: ~_is_one_of(_text(column), NO_COUPON),
    "channel": _label,
}


def _merge_days(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per customer and day: values summed, any coupon, the rest from the row of greatest value."""
    order = ["customer", "date", "value"]
    rows = rows.sort_values(order, ascending=[True, True, False], kind="stable", ignore_index=True)
    starts = ~rows.duplicated(["customer", "date"]).to_numpy()
    firsts = np.flatnonzero(starts)
    merged = rows.iloc[firsts].reset_index(drop=True)
    merged["value"] = np.add.reduceat(rows["value"].to_numpy(), firsts)
    if "coupon" in rows:
        merged["coupon"] = np.logical_or.reduceat(rows["coupon"].to_numpy(), firsts)
    return merged


# --- enough to learn from -----------------------------------------------------------------------------------


def _nothing_left(
    path: Path, table: pa.Table, where: dict[str, str], dropped: dict[str, int], read: int
) -> LogError:
    return LogError(
        "{path}: none of {read} rows is left after cleaning ({dropped}){hint}",
        path=path, read=read, hint=_looks_like(table, where, dropped),
        dropped=enumerated(
            Phrase("{rule} {count}", rule=Phrase(rule), count=count) for rule, count in dropped.items() if count
        ),
    )  # fmt: skip


def _looks_like(table: pa.Table, where: dict[str, str], dropped: dict[str, int]) -> Phrase | str:
    most = max(dropped.values())
    if dropped["unparsable date"] == most:
        return Phrase("; dates look like {example!r}", example=next(_examples(table, where["date"]), ""))
    if dropped["unparsable value"] == most:
        return Phrase("; values look like {example!r}", example=next(_examples(table, where["value"]), ""))
    return ""


def _examples(table: pa.Table, name: str) -> Iterator[str]:
    return (str(value) for value in table[name].to_pylist() if value not in (None, ""))


def _require_enough(path: Path, clean: CleanLog) -> None:
    days = (clean.last - clean.first).days + 1
    if days < 7 * MIN_WEEKS:
        raise LogError(
            "{path} spans {days} days ({first} to {last}); at least {least} weeks are needed",
            path=path, days=days, first=clean.first, last=clean.last, least=MIN_WEEKS,
        )
    if clean.customers < MIN_CUSTOMERS:
        raise LogError(
            "{path} has {customers} customers; at least {least} are needed",
            path=path, customers=clean.customers, least=MIN_CUSTOMERS,
        )
    if clean.customers == len(clean.purchases):
        raise LogError(
            "{path} has no repeat purchases: all {customers} customers bought on one day only",
            path=path, customers=clean.customers,
        )
