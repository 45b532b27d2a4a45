"""A look at a log before it is calibrated: what each column is taken for, what would be dropped, which flags help.

Columns are guessed by their names first, then by what is in them; a guess is shown with examples, never acted on
unasked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from sim.calibration.cleaning import ORDER_NAME, UNUSUAL, Choices, Cleaned, clean, such
from sim.calibration.log import LogColumns
from sim.files.reading.cells import MUCH, Cells, Values, cells_of
from sim.files.reading.days import holds_days, read_days
from sim.files.reading.dialect import normal
from sim.files.reading.money import read_amounts
from sim.files.reading.table import Table, read_table
from sim.phrases import ConfigError, Phrase

NAMES: Mapping[str, Sequence[str]] = {
    "customer": (
        r"(customer|client|member|user|buyer|shopper|account|cust|household|person)(id|no|nr|num|number|code|key)?",
        r".*(会員|顧客|得意先|購入者|お客様?|ユーザー?)(id|番号|no|コード)?",
        r".*(customer|client|member|user|buyer|cust)(id|no|number|code|key|name).*", r".*e?mail.*|.*メール.*", r"id",
    ),
    "date": (
        r"(order|purchase|invoice|transaction|sales?|bought|ordered|purchased)(date|day|time|datetime|timestamp|at|on).*",
        r".*(注文|受注|購入|売上|取引|利用|来店)(日時?|年月日|日付).*",
        r"date|day|datetime|timestamp|日付|日時|年月日", r"created.*|paidat|time", r".*(date|day|日時?)",
    ),
    "value": (
        r"(grand|order)?total(amount|price|paid|value|revenue)?|.*合計(金額|額)?(税込)?", r".*payment(amount|value)?",
        r"(value|amount|revenue|sales|spend|spent|paid|net|gross|金額|売上|売上金額|購入金額|税込金額|利用金額).*",
        r"(item|unit|line)?price|.*(value|amount|revenue|spend|price|金額|価格|売上高?)",
    ),
    "order": (ORDER_NAME.pattern,),
    "promised": (r".*(promised|estimated|expected|planned|due).*", r".*(予定|指定|約束)日.*"),
    "delivered": (
        r"(actual|customer)?deliver(ed|y).*(at|date|on|day)|delivered", r".*(配達完了|配達|納品|お届け|到着)日.*",
    ),
    "delivery_class": (r"(shipping|delivery)(class|method|type|option|speed)", r"配送(方法|種別)"),
    "coupon": (r".*coupon.*|discountcode", r".*クーポン.*"),
    "channel": (r"(sales|order)?channel", r"チャネル|販路|購入経路|販売チャネル"),
}
"""Patterns of columns' names in lower case without blanks and dashes, the most telling first."""

SAMPLE = 10_000
"""Rows by which a column is judged."""
FILLED = 0.9
FAR_OUT = 20.0
"""An amount so many times the one that 1 % exceed is told."""


@dataclass(frozen=True)
class Look:
    """What a log is taken for. columns: the guess. lines: what was found, for reading.

    problem: why it cannot be calibrated as it is; None if it can. agree: rules that take more than they usually may.
    """

    path: Path
    columns: LogColumns
    lines: tuple[Phrase, ...]
    problem: ConfigError | None
    agree: tuple[str, ...]

    def words(self, choices: Choices) -> list[str]:
        """The arguments of `cxsim calibrate` that this look suggests."""
        found = [str(self.path)]
        for part, name in self.columns.used().items():
            found += [f"--{part.replace('_', '-')}", name.partition("\t")[0]]
        for option, value in (
            ("--date-format", choices.date_format), ("--timezone", choices.timezone), ("--decimal", choices.decimal),
            ("--currency", choices.currency), ("--equal-rows", choices.equal_rows),
            *(("--where", one) for one in choices.where),
            *(("--agree", one.replace(" ", "-")) for one in (*choices.agreed, *self.agree)),
        ):  # fmt: skip
            found += [option, value] if value is not None else []
        return found


def look(path: Path, given: Mapping[str, str | None], choices: Choices) -> Look:
    """Look at a log. given: part -> column, for the parts that the user names. Raises ConfigError for no table."""
    choices.check()
    table = read_table(path, [name for name in given.values() if name is not None])
    columns = guessed(table, given)
    lines = [Phrase(
        "{file}: {rows} rows, {count} columns", file=path.name, rows=table.rows, count=table.columns.num_columns
    )]  # fmt: skip
    lines += table.told
    names = {part: table.place(name, part) for part, name in columns.used().items()}
    for part, name in names.items():
        lines.append(_shown(part, table.columns[name], name))
    unused = [name.partition("\t")[0] for name in table.columns.column_names if name not in names.values()]
    if unused:
        lines.append(Phrase("  not used: {names}", names=", ".join(unused)))
    missing = [part for part in ("customer", "date") if part not in names]
    if missing:
        problem = ConfigError(
            "{path}: no column looks like the {parts}; name it by --{first}",
            path=path, parts=" and ".join(missing), first=missing[0],
        )  # fmt: skip
        return Look(path, columns, tuple(lines), problem, ())
    try:
        found = clean(table, names, replace(choices, agreed=UNUSUAL))
    except ConfigError as error:
        return Look(path, columns, tuple(lines), error, ())
    lines += [line for line in found.told if line not in table.told]
    lines += _of_values(found)
    lines += _losses(found)
    much = [rule for rule in UNUSUAL if found.dropped[rule] > max(MUCH * table.rows, 1) and rule not in choices.agreed]
    return Look(path, columns, tuple(lines), None, tuple(much))


def guessed(table: Table, given: Mapping[str, str | None]) -> LogColumns:
    """The columns that a log's names and cells suggest; those that are given stay."""
    found: dict[str, str | None] = {part: name for part, name in given.items() if name is not None}
    sample = table.columns.slice(0, SAMPLE)
    taken = {normal(name) for name in found.values() if name is not None}
    for part, patterns in NAMES.items():
        if part in found:
            continue
        free = [name for name in sample.column_names if normal(name) not in taken]
        named = [name for pattern in patterns for name in free if re.fullmatch(pattern, _folded(name))]
        fitting = [name for name in named if FITS[part](sample[name])]
        if not fitting and part in UNNAMED:
            fitting = [name for name in free if FITS[part](sample[name]) and UNNAMED[part](sample[name])]
        if part in ("date", "customer"):
            fitting.sort(key=lambda name: not _mostly_filled(sample[name]))
        if fitting:
            found[part] = fitting[0]
            taken.add(normal(fitting[0]))
    return LogColumns(**{one.name: found.get(one.name) for one in fields(LogColumns)})  # type: ignore[arg-type]


def _folded(name: str) -> str:
    return re.sub(r"[\s_.#()/-]", "", normal(name.partition("\t")[0]).casefold())


def _mostly_filled(column: pa.ChunkedArray) -> bool:
    return _filled(cells_of(column)) >= FILLED * len(column)


def _filled(cells: Cells) -> int:
    return int(cells.counts[~cells.missing].sum())


def _is_date(column: pa.ChunkedArray) -> bool:
    if holds_days(column):
        return True
    try:
        return _mostly_read(read_days({"": column})[""])
    except ConfigError:
        return True  # dates, of which only the form is open


def _is_money(column: pa.ChunkedArray) -> bool:
    try:
        return _mostly_read(read_amounts("", column))
    except ConfigError:
        return True
    except pa.ArrowException:
        return False


def _mostly_read(found: Values) -> bool:
    filled = int((~found.blank).sum())
    return filled > 0 and int((~np.isnan(found.values)).sum()) >= FILLED * filled


def _is_identity(column: pa.ChunkedArray) -> bool:
    cells = cells_of(column)
    return len(cells.texts) > 1 and _filled(cells) > 0


def _says_something(column: pa.ChunkedArray) -> bool:
    return _filled(cells_of(column)) > 0


FITS = {
    "customer": _is_identity, "date": _is_date, "value": _is_money, "order": _is_identity, "promised": _is_date,
    "delivered": _is_date, "delivery_class": _says_something, "coupon": _says_something, "channel": _says_something,
}  # fmt: skip
"""What must be in a column of each part."""

def _is_dated(column: pa.ChunkedArray) -> bool:
    """Dates that are no plain numbers."""
    return _is_date(column) and (holds_days(column) or not _is_money(column))


UNNAMED: Mapping[str, Callable[[pa.ChunkedArray], bool]] = {
    "customer": lambda column: len(cells_of(column).texts) < FILLED * len(column) and not _is_dated(column),
    "date": _is_dated,
    "value": lambda column: not _is_dated(column),
}
"""What must be in a column besides, if its name says nothing."""


def _shown(part: str, column: pa.ChunkedArray, name: str) -> Phrase:
    cells = cells_of(column.slice(0, SAMPLE))
    examples = ", ".join(repr(str(text)) for text in cells.texts[~cells.missing][:3])
    return Phrase(
        "  {part}: {name!r}, such as {examples}", part=part.replace("_", " "), name=name.partition("\t")[0],
        examples=examples,
    )  # fmt: skip


def _of_values(found: Cleaned) -> Iterator[Phrase]:
    if found.purchases.empty:
        return
    days = found.purchases
    yield Phrase(
        "{customers} customers, {days} purchase days, {first} to {last} ({weeks:.1f} weeks)",
        customers=days["customer"].nunique(), days=len(days), first=days["date"].min().date(),
        last=days["date"].max().date(), weeks=((days["date"].max() - days["date"].min()).days + 1) / 7,
    )  # fmt: skip
    value = days["value"].to_numpy()
    usual, most = float(np.quantile(value, 0.99)), float(value.max())
    yield Phrase(
        "a purchase day's value: median {median:,.6g}, mean {mean:,.6g}, largest {most:,.6g}",
        median=float(np.median(value)), mean=float(value.mean()), most=most,
    )  # fmt: skip
    if most > FAR_OUT * usual:
        yield Phrase(
            "the largest value is {times:.0f} times the one that 1 % of days exceed ({usual:,.6g}): is it an order?",
            times=most / usual, usual=usual,
        )  # fmt: skip


def _losses(found: Cleaned) -> Iterator[Phrase]:
    for rule, count in found.dropped.items():
        if count:
            yield Phrase(
                "would be dropped: {count} {rule}{such}", count=count, rule=Phrase(rule),
                such=such(found.examples.get(rule)),
            )  # fmt: skip
