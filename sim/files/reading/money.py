"""A column of amounts: signs and codes of currencies, brackets and triangles for negative, both decimal signs.

A number such as 12,50 tells its decimal sign. One such as 4.200 does not: then the other numbers of the column do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sim.files.reading.cells import MUCH, Cells, ReadError, Values, cells_of, first_of
from sim.phrases import Phrase

FloatArray = npt.NDArray[np.float64]

SIGNS = {
    "¥": "JPY", "\\": "JPY", "円": "JPY", "yen": "JPY", "jp¥": "JPY", "$": "USD", "us$": "USD", "usd$": "USD",
    "€": "EUR", "euro": "EUR", "£": "GBP", "₹": "INR", "rs": "INR", "rs.": "INR", "₩": "KRW", "원": "KRW", "元": "CNY",
    "rmb": "CNY", "cn¥": "CNY", "r$": "BRL", "a$": "AUD", "c$": "CAD", "ca$": "CAD", "nt$": "TWD", "hk$": "HKD",
    "s$": "SGD", "kr": "SEK", "kr.": "DKK", "zł": "PLN", "fr.": "CHF", "sfr.": "CHF", "₽": "RUB", "฿": "THB",
    "₫": "VND", "₺": "TRY", "₱": "PHP", "₴": "UAH", "₪": "ILS", "kč": "CZK", "ft": "HUF",
}  # fmt: skip
CODES = (
    "JPY", "USD", "EUR", "GBP", "INR", "KRW", "CNY", "BRL", "AUD", "CAD", "NZD", "TWD", "HKD", "SGD", "SEK", "NOK",
    "DKK", "PLN", "CHF", "RUB", "THB", "VND", "TRY", "PHP", "UAH", "ILS", "CZK", "HUF", "MXN", "ZAR", "IDR", "MYR",
    "AED", "SAR",
)  # fmt: skip
CURRENCIES = SIGNS | {code.lower(): code for code in CODES}
TAX = re.compile(r"\(?(?:税込|税抜|税別|内税|外税)み?\)?|\b(?:incl|excl)\.?(?:\s+(?:vat|tax))?", re.IGNORECASE)
AMOUNT = re.compile(
    r"(?P<minus>[-−–△▲+]|\()?\s*(?P<before>[^\d\s.,()+−–△▲-]{1,4}\.?)?\s*(?P<inner>[-−–△▲]|\()?\s*"
    r"(?P<digits>\d[\d.,'’ ]*|[.,]\d+)(?:(?<=[.,])[-–])?\s*(?P<behind>[^\d\s.,()+−–△▲-]{1,5}\.?)?\s*(?P<close>\)|[-−])?"
)
PLAIN = r"^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$"
GROUPED = {
    sign: re.compile(r"\d{1,3}(?:S\d{3})+|\d{1,2}(?:S\d{2})+S\d{3}".replace("S", re.escape(sign))) for sign in ".,"
}
"""Digits in groups of three, or as India groups them."""
SPACED = re.compile(r"(\d{1,3})((?:[ '’]\d{3})+)((?:[.,]\d*)?)")
OPEN = re.compile(r"[1-9]\d{0,2}([.,])\d{3}")
"""A number whose sign may divide thousands, or begin the decimals."""


@dataclass(frozen=True)
class Amounts(Values):
    """A column of amounts. values: float64, (rows,).

    currency: ISO codes of the texts' signs, `` where they have none.
    """

    values: FloatArray
    currency: Cells


def read_amounts(
    name: str, column: pa.ChunkedArray, *, decimal: str | None = None, comma: bool = False, ask: str = "--decimal"
) -> Amounts:
    """A column of amounts. decimal: the sign before decimals, where a user says it.

    comma: whether the file's fields are divided by semicolons, as where decimals follow a comma. ask: how a user says
    the sign, as an error names it. Raises ReadError where the column does not tell it.
    """
    if any(test(column.type) for test in (pa.types.is_integer, pa.types.is_floating)):
        return _of_numbers(column)
    cells = cells_of(column)
    parts = [_parts(text) for text in cells.texts]
    sign, told = _decimal(name, cells, parts, decimal, comma, ask)
    values = np.array([_value(text, part, sign) for text, part in zip(cells.texts, parts, strict=True)])
    currency = np.array([part[2] if part else "" for part in parts], dtype=object)
    names, codes = np.unique(currency.astype(str), return_inverse=True)
    money = Cells(names.astype(object), np.asarray(codes, dtype=np.int64)[cells.codes])
    values = np.where(np.isfinite(values), values, np.nan)
    return Amounts(values[cells.codes], cells.missing[cells.codes], cells, tuple(told), money)


def _of_numbers(column: pa.ChunkedArray) -> Amounts:
    numbers = np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    blank = np.asarray(column.is_null(nan_is_null=True).to_numpy(), dtype=bool)
    nothing = Cells(np.array([""], dtype=object), np.zeros(len(numbers), dtype=np.int64))
    shown = cells_of(pa.chunked_array([pc.cast(column.combine_chunks(), pa.string())]))
    return Amounts(np.where(np.isfinite(numbers), numbers, np.nan), blank, shown, (), nothing)


Pieces = tuple[float, str, str]
"""Of an amount: 1 or -1, its digits with their signs, its currency."""


def _parts(text: str) -> Pieces | None:
    """An amount without what surrounds its digits; None of what is none."""
    if not any(one.isdigit() for one in text):
        return None
    match = AMOUNT.fullmatch(TAX.sub("", text).strip())
    if match is None:
        return None
    words = [word.lower() for word in (match["before"], match["behind"]) if word]
    codes = [CURRENCIES.get(word) or CURRENCIES.get(word.rstrip(".")) for word in words]
    if None in codes or len(set(codes)) > 1:
        return None
    minus, close = match["minus"] or "", match["close"] or ""
    inner = match["inner"] or ""
    if (minus + inner).count("(") != (close == ")"):
        return None
    if close in ("-", "−") and "JPY" in codes:
        close = ""  # as Japan ends an amount: ¥2,880-
    marks = [mark for mark in (minus, inner, close if close != ")" else "") if mark and mark != "+"]
    if len(marks) > 1:
        return None
    return -1.0 if marks else 1.0, match["digits"].strip(), str(codes[0] or "") if codes else ""


def _decimal(
    name: str, cells: Cells, parts: list[Pieces | None], decimal: str | None, comma: bool, ask: str
) -> tuple[str, list[Phrase]]:
    """The sign before decimals of numbers that do not tell it, and what is said of it."""
    open_, whole = np.zeros(len(parts), dtype=bool), 0
    signs = {".": 0, ",": 0}
    counts = cells.counts
    for place, part in enumerate(parts):
        if part is None:
            continue
        if OPEN.fullmatch(part[1]):
            open_[place] = True
        elif sign := _certain(part[1]):
            signs[sign] += int(counts[place])
        elif part[1].isdigit() and len(part[1]) > 3:
            whole += int(counts[place])
    if decimal is not None:
        return decimal, []
    points = open_ & np.array([part is not None and "." in part[1] for part in parts])
    if signs["."] != signs[","]:
        chosen = max(signs, key=lambda sign: signs[sign])
        return chosen, [Phrase("{name}: decimals follow a comma", name=name)] if chosen == "," else []
    filled = int(counts[~cells.missing].sum())
    if not points.any() or int(counts[points].sum()) <= MUCH * filled or whole > MUCH * filled:
        return ".", []
    if not comma:
        raise ReadError(
            "{name}: {examples}: the point may divide thousands or begin decimals, and no amount of the column tells "
            "which; {ask} , says that decimals follow a comma, {ask} . that they follow a point",
            name=name, examples=first_of(cells.texts, points), ask=ask,
        )
    return ",", [Phrase(
        "{name}: amounts such as {example} read as thousands, since semicolons divide the fields; {ask} . says "
        "otherwise", name=name, example=first_of(cells.texts, points, 1), ask=ask,
    )]  # fmt: skip


def _certain(digits: str) -> str | None:
    """The decimal sign that a number tells by itself; None of one that has none."""
    if match := SPACED.fullmatch(digits):
        return match[3][:1] or None
    if "." in digits and "," in digits:
        return max(".,", key=digits.rfind)
    for sign, other in (".,", ",."):
        if sign in digits:
            return other if GROUPED[sign].fullmatch(digits) and not digits.startswith("0") else sign
    return None


def _value(text: str, part: Pieces | None, decimal: str) -> float:
    if part is None:
        try:
            return float(text) if re.match(PLAIN, text) else float("nan")
        except ValueError:
            return float("nan")
    number = _number(part[1], decimal if OPEN.fullmatch(part[1]) else _certain(part[1]) or ".")
    return part[0] * number


def _number(digits: str, decimal: str) -> float:
    """Digits as a number; NaN where the groups of thousands are none."""
    if match := SPACED.fullmatch(digits):
        digits = match[1] + re.sub("[ '’]", "", match[2]) + match[3]
    whole, _sign, rest = digits.partition(decimal)
    other = "," if decimal == "." else "."
    if other in whole and not GROUPED[other].fullmatch(whole):
        return float("nan")
    whole = whole.replace(other, "")
    if not (whole.isdigit() or not whole) or not (rest.isdigit() or not rest) or not (whole or rest):
        return float("nan")
    return float(f"{whole or 0}.{rest or 0}")
