"""From a firm's table to purchase days: a rule for each thing that keeps a row from being a purchase, and its count.

The rules, in the order in which a row meets them; the first that applies takes it:

1. malformed row: not as many fields as the header has.
2. unparsable date: not a day between 1970 and 2099; what forms are understood says sim.files.reading.days.
3. date far from all others: one or a few, with months between them and the rest.
4. missing customer: blank, a word for nothing or for a guest, or one id that is most of the log.
5. further line, blank value: an empty cell, beside a filled one of the same customer and day or alone.
6. unparsable value: not an amount (sim.files.reading.money).
7. other currency: not the one that is asked for.
8. repeated total: a further row of an order that repeats the order's total.
9. duplicate row: equal to an earlier row in all columns, where whole orders stand twice.
10. cancelled order, netted return, return without purchase: returns, with the purchases that they undo.
11. zero value: a day on which nothing was paid.

A rule of UNUSUAL that takes more than 2 % of the rows stops the work until the user agrees.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sim.calibration import purchases
from sim.calibration.purchases import IntArray, Rows
from sim.calibration.where import kept
from sim.files.reading.cells import MISSING, MUCH, BoolArray, Cells, ReadError, cells_of, merged
from sim.files.reading.days import Days, Form, far_days, read_days
from sim.files.reading.identities import Identities, read_identities
from sim.files.reading.money import CURRENCIES, Amounts, read_amounts
from sim.files.reading.table import Table
from sim.phrases import Phrase, enumerated, listed

LogError = ReadError

RULES = (
    "malformed row", "unparsable date", "date far from all others", "missing customer", "further line",
    "blank value", "unparsable value", "other currency", "repeated total", "duplicate row", "cancelled order",
    "netted return", "return without purchase", "zero value",
)  # fmt: skip
UNUSUAL = (
    "malformed row", "unparsable date", "date far from all others", "blank value", "unparsable value", "duplicate row",
    "return without purchase", "zero value",
)  # fmt: skip
"""Rules of which more than MUCH of the rows is no usual loss."""

NO_COUPON = (*MISSING, "0", "0.0", "0.00", "false", "f", "no", "n", "なし", "無し", "無", "-")
WAYS = {
    "unparsable date": Phrase("--date-format says how they are written, "),
    "duplicate row": Phrase("--equal-rows keep counts them as items, "),
}
"""What else a user may say where a rule takes much."""
ORDER_NAME = re.compile(
    r"(?:sales)?(?:order|invoice|receipt|transaction|trans|bill|ticket|basket)(?:id|no|nr|num|number|name|code|key)?"
    r"|.*(?:注文|受注|取引|伝票|レシート|オーダー|会計)(?:番号|id|no|コード)"
)
CURRENCY_NAME = re.compile(r"currency(?:code)?|.*通貨(?:コード)?")
STATUS_NAME = re.compile(r".*status|.*(?:状態|状況|ステータス|区分)")
NO_SALE = re.compile(
    r"cancel|void|refund|return|pending|fail|declin|chargeback|expired|キャンセル|取消|取り消し|返品|返金|未入金|未払|保留",
    re.IGNORECASE,
)
UNSAID = ""


@dataclass(frozen=True)
class Choices:
    """What a user says of a log beyond its columns; None and empty where nothing is said.

    date_format, timezone, decimal: see sim.files.reading. currency: an ISO code or a sign. where: conditions
    (sim.calibration.where). equal_rows: `keep` or `drop`. agreed: rules that may take more than MUCH of the rows.
    """

    date_format: str | None = None
    timezone: str | None = None
    decimal: str | None = None
    currency: str | None = None
    where: tuple[str, ...] = ()
    equal_rows: str | None = None
    agreed: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise LogError for a word that is none of the allowed ones."""
        for option, value, allowed in (
            ("--decimal", self.decimal, (".", ",")),
            ("--equal-rows", self.equal_rows, ("keep", "drop")),
            *(("--agree", rule, UNUSUAL) for rule in self.agreed),
        ):
            if value is not None and value not in allowed:
                shown = listed(one.replace(" ", "-") for one in allowed)
                raise LogError("{option} {value}: is not allowed; {allowed}", option=option, value=value, allowed=shown)


@dataclass(frozen=True)
class Cleaned:
    """Rows of a log that count. purchases: a row per customer and day, as CleanLog has it. dropped: rows by rule.

    kept: rows that are in a purchase day. told: what was understood and concluded, a line each. examples: of what
    rules took, by rule.
    """

    purchases: pd.DataFrame
    dropped: dict[str, int]
    kept: int
    told: tuple[Phrase, ...]
    examples: dict[str, str]


def clean(table: Table, where: Mapping[str, str], choices: Choices) -> Cleaned:
    """The purchase days of a log. where: part -> column of the table; `value` and `order` may be missing.

    Raises LogError where more than MUCH of the rows is lost to one rule of UNUSUAL that was not agreed to.
    """
    return _Rules(kept(table, choices.where), where, choices).cleaned()


class _Rules:
    """The parts of a log, typed, and what each rule takes."""

    def __init__(self, table: Table, where: Mapping[str, str], choices: Choices) -> None:
        self.table, self.where, self.choices = table, where, choices
        columns = {part: table.columns[name] for part, name in where.items()}
        dates = {where[part]: columns[part] for part in ("date", "promised", "delivered") if part in where}
        self.days = read_days(dates, Form.of(choices.date_format, choices.timezone))
        self.date: Days = self.days[where["date"]]
        self.customers: Identities = read_identities(where["customer"], columns["customer"])
        comma = any("semicolons" in str(one) for one in table.told)
        self.amounts: Amounts | None = (
            read_amounts(where["value"], columns["value"], decimal=choices.decimal, comma=comma)
            if "value" in where else None
        )  # fmt: skip
        self.left = np.ones(table.columns.num_rows, dtype=bool)
        self.dropped: dict[str, int] = dict.fromkeys(RULES, 0) | {"malformed row": table.lost.count}
        self.examples: dict[str, str] = {}
        self.told: list[Phrase] = [*table.told, *_once(one for days in self.days.values() for one in days.told)]
        self.told += [*self.customers.told, *(self.amounts.told if self.amounts else ())]
        if table.lost.examples:
            self.examples["malformed row"] = repr(table.lost.examples[0])

    def cleaned(self) -> Cleaned:
        """All rules in order."""
        self._check("malformed row")
        self._take("unparsable date", np.isnat(self.date.values), self.date.text)
        self._take("date far from all others", self._far(), self.date.text)
        self._take("missing customer", self.customers.guests, self.customers.cells)
        if self.amounts is not None:
            self._take_amounts(self.amounts)
        if not self.left.any():
            return Cleaned(pd.DataFrame(), self.dropped, 0, tuple(self.told), self.examples)
        rows = self._rows()
        if self.amounts is not None:
            if self.choices.equal_rows != "keep":
                purchases.count_totals_once(rows, self._order_shown)
            purchases.drop_equal(rows, self._lines(rows), self.choices.equal_rows)
        whose, values = purchases.net(rows)
        self._count(rows)
        self.told += rows.told
        self._tell_statuses()
        kept_rows = np.flatnonzero(whose >= 0)
        days = self._purchases(rows, whose, values, kept_rows)
        return Cleaned(days, self.dropped, len(kept_rows), tuple(self.told), self.examples)

    # -- single rows

    def _take(self, rule: str, rows: BoolArray, text: Cells) -> None:
        """Rows that a rule takes of those that are left."""
        taken = self.left & rows
        if taken.any():
            shown = text.texts[np.unique(text.codes[taken])[:3]]
            self.examples[rule] = ", ".join(repr(str(one)) for one in shown)
        self.dropped[rule] = int(taken.sum())
        self.left &= ~taken
        self._check(rule)

    def _check(self, rule: str) -> None:
        count, rows = self.dropped[rule], self.table.rows
        if rule not in UNUSUAL or rule in self.choices.agreed or count <= max(MUCH * rows, 1):
            return
        raise LogError(
            "{path}: {count} of {rows} rows ({share:.1f} %) would be dropped: {rule}{such}; {way}--agree {flag} drops "
            "them",
            path=self.table.path, count=count, rows=rows, share=100 * count / rows, rule=Phrase(rule),
            such=Phrase(", such as {examples}", examples=self.examples[rule]) if rule in self.examples else "",
            way=WAYS.get(rule, ""), flag=rule.replace(" ", "-"),
        )

    def _far(self) -> BoolArray:
        found = far_days(self.date.values[self.left])
        rows = np.zeros_like(self.left)
        rows[self.left] = found
        return rows

    def _take_amounts(self, amounts: Amounts) -> None:
        further = amounts.blank & self.left
        if further.any():
            further &= self._has_filled_row(~amounts.blank & self.left)
        if further.any():
            count = int(further.sum())
            self.told.append(
                Phrase("{count} rows without a value are further lines of an order that has one", count=count)
            )
        self._take("further line", further, amounts.text)
        self._take("blank value", amounts.blank, amounts.text)
        self._take("unparsable value", np.isnan(amounts.values), amounts.text)
        self._take("other currency", self._of_other_currency(amounts), amounts.text)

    def _has_filled_row(self, filled: BoolArray) -> BoolArray:
        """Rows whose customer has a row with a value on the same day."""
        key = self.customers.cells.codes * purchases.WIDTH + self._day_numbers()
        return np.isin(key, np.unique(key[filled]))

    def _day_numbers(self) -> IntArray:
        return np.where(np.isnat(self.date.values), 0, self.date.values.astype(np.int64))

    def _of_other_currency(self, amounts: Amounts) -> BoolArray:
        """Rows not of the currency asked for. Raises LogError where there are several and none is asked for."""
        money = self._currencies(amounts)
        counts = np.bincount(money.codes[self.left], minlength=len(money.texts))
        shown = {str(name): int(count) for name, count in zip(money.texts, counts, strict=True) if count}
        if self.choices.currency is not None:
            asked = _code(self.choices.currency)
            if asked not in shown and UNSAID not in shown:
                raise LogError(
                    "--currency {value}: no amount is in it; {names}",
                    value=self.choices.currency, names=listed(shown),
                )  # fmt: skip
            taken = (asked, UNSAID) if asked in shown else (UNSAID,)
            return np.array([name not in taken for name in money.texts], dtype=bool)[money.codes]
        if _one_currency(shown):
            return np.zeros(len(self.left), dtype=bool)
        raise LogError(
            "{path}: {column} has amounts of several currencies ({names}), which cannot be added up; --currency CODE "
            "says which to take",
            path=self.table.path, column=self.where["value"],
            names=enumerated(
                Phrase("{name} {count}", name=name or Phrase("without a sign"), count=count)
                for name, count in sorted(shown.items(), key=lambda one: -one[1])
            ),
        )  # fmt: skip

    def _currencies(self, amounts: Amounts) -> Cells:
        """The currency of each row: by its amount's sign or, where a column states it, by that."""
        name = self._named(CURRENCY_NAME)
        if name is None or len(amounts.currency.texts) > 1:
            return amounts.currency
        cells = cells_of(self.table.columns[name])
        return merged(
            [UNSAID if nothing else _code(text) for text, nothing in zip(cells.texts, cells.missing, strict=True)],
            cells.codes,
        )

    # -- rows that belong together

    def _rows(self) -> Rows:
        self.places = np.flatnonzero(self.left)
        place = self.places
        order = self._orders()
        texts = self.customers.cells.texts
        by_rank = np.argsort(texts.astype(str), kind="stable")
        self.by_rank = texts[by_rank]
        rank = np.empty(len(texts), dtype=np.int64)
        rank[by_rank] = np.arange(len(texts))
        day = self.date.values[place].astype(np.int64)
        customer = rank[self.customers.cells.codes[place]]
        value = np.ones(len(place)) if self.amounts is None else self.amounts.values[place]
        at_once = customer * purchases.WIDTH + day if order is None else order[place]
        return Rows(customer, day, value, pd.factorize(at_once)[0].astype(np.int64), "order" in self.where)

    def _orders(self) -> IntArray | None:
        """The order of each row, as a column states it; None where no column does."""
        name = self.where.get("order") or self._named(ORDER_NAME)
        if name is None:
            return None
        if pc.count_distinct(self.table.columns[name]).as_py() == len(self.left):
            return np.arange(len(self.left))
        cells = cells_of(self.table.columns[name])
        codes = np.where(cells.missing[cells.codes], len(cells.texts) + np.arange(len(cells.codes)), cells.codes)
        frame = pd.DataFrame({"order": codes, "customer": self.customers.cells.codes})[self.left]
        owners = frame.groupby("order")["customer"].nunique()
        if "order" not in self.where and (owners > 1).mean() > MUCH:
            return None
        return np.asarray(codes, dtype=np.int64)

    def _named(self, pattern: re.Pattern[str]) -> str | None:
        """A column that no part has, by its name."""
        for name in self.table.columns.column_names:
            if name not in self.where.values() and pattern.fullmatch(re.sub(r"[\s_.#-]", "", name.casefold())):
                return str(name)
        return None

    def _order_shown(self, row: int) -> str:
        place = int(self.places[row])
        name = self.where.get("order") or self._named(ORDER_NAME)
        what = [] if name is None else [str(self.table.columns[name][place].as_py())]
        who = self.customers.cells
        what += [str(who.texts[who.codes[place]]), str(self.date.values[place])]
        amount = self.amounts.text if self.amounts else who
        return ", ".join([*what, str(amount.texts[amount.codes[place]])])

    def _lines(self, rows: Rows) -> IntArray:
        """A number for each row that is left, the same for those that are equal in all columns."""
        lines = np.arange(len(self.places))
        # Only rows of one customer and day can be equal, which most are not.
        alike = pd.Series(rows.customer * purchases.WIDTH + rows.day).duplicated(keep=False).to_numpy()
        chosen = pa.array(self.places[alike])
        key = np.zeros(len(chosen), dtype=np.int64)
        for column in self.table.columns.columns:
            codes, _ = pd.factorize(column.take(chosen).to_pandas(), use_na_sentinel=False)
            # Re-numbering after each column keeps the key below rows squared, far from overflow.
            key = pd.factorize(key * (len(chosen) + 1) + codes)[0].astype(np.int64)
        lines[alike] = len(lines) + key
        return lines

    def _count(self, rows: Rows) -> None:
        text = self.amounts.text if self.amounts is not None else self.date.text
        for rule, taken in rows.dropped.items():
            chosen = np.zeros_like(self.left)
            chosen[self.places[taken]] = True
            self._take(rule, chosen, text)

    def _tell_statuses(self) -> None:
        name = self._named(STATUS_NAME)
        if name is None or self.choices.where:
            return
        cells = cells_of(self.table.columns[name]).only(self.left)
        no_sale = [place for place, text in enumerate(cells.texts) if NO_SALE.search(text)]
        if not no_sale:
            return
        sales = [str(text) for place, text in enumerate(cells.texts) if place not in no_sale and text]
        self.told.append(Phrase(
            "{column}: {names} count as purchases; --where {condition!r} leaves them out",
            column=name, condition=f"{name} = {sales[0]}" if len(sales) == 1 else f"{name} in ({', '.join(sales)})",
            names=", ".join(f"{cells.counts[place]} {cells.texts[place]}" for place in no_sale),
        ))  # fmt: skip

    # -- purchase days

    def _purchases(
        self, rows: Rows, whose: IntArray, values: purchases.FloatArray, kept_rows: IntArray
    ) -> pd.DataFrame:
        """One row per customer and day: its value, any coupon, the rest from the row of greatest value."""
        day_of = whose[kept_rows]
        leads = kept_rows[_leading(rows.value[kept_rows], day_of, len(values))]
        places = self.places[leads]
        who = pa.array(self.by_rank, pa.string()).take(pa.array(rows.customer[leads]))
        found: dict[str, object] = {
            "customer": pd.Series(who.to_pandas(), dtype="str"),
            "date": rows.day[leads].astype("datetime64[D]").astype("datetime64[s]"),
            "value": values,
        }
        for part, name in self.where.items():
            if part in ("delivery_class", "channel"):
                found[part] = _labels(self.table.columns[name].take(pa.array(places)))
            elif part in ("promised", "delivered"):
                found[part] = self.days[name].values[places].astype("datetime64[s]")
            elif part == "coupon":
                cells = cells_of(self.table.columns[name])
                used = np.array([text.lower() not in NO_COUPON for text in cells.texts])[cells.codes]
                found[part] = np.bincount(day_of, weights=used[self.places[kept_rows]], minlength=len(values)) > 0
        return pd.DataFrame(found)


def such(examples: str | None) -> Phrase | str:
    """Examples of what a rule took, as they stand behind its count."""
    return Phrase(" (such as {examples})", examples=examples) if examples else ""


def _once(lines: Iterable[Phrase]) -> list[Phrase]:
    return list({str(line): line for line in lines}.values())


def _code(word: str) -> str:
    return CURRENCIES.get(word.lower(), word.upper())


def _one_currency(rows: Mapping[str, int]) -> bool:
    """Whether amounts are of one currency, by the rows of each; yen are often without a sign among those with one."""
    signs = [name for name in rows if name != UNSAID]
    if len(signs) != 1 or UNSAID not in rows:
        return len(signs) < 2
    return signs[0] == "JPY" or min(rows.values()) <= MUCH * sum(rows.values())


def _leading(value: purchases.FloatArray, day_of: IntArray, days: int) -> IntArray:
    """The row of greatest value of each day, the first of equals, (days,)."""
    order = np.lexsort((-value, day_of)) if len(value) > days else np.argsort(day_of, kind="stable")
    return order[np.searchsorted(day_of[order], np.arange(days))]


def _labels(column: pa.ChunkedArray) -> pd.Series:
    cells = cells_of(column)
    labels = pd.Series(cells.rows(), dtype="str")
    return labels.mask(cells.missing[cells.codes])
