"""A column of dates, in whatever form a firm writes them.

Most forms tell by themselves what is year, month and day. Where two readings are possible, as of 1/7/2025, the whole
column decides: a 13 in the first place can be a day only. Where it does not decide, the column is refused until
somebody says what the form is. Times of day are cut off: the day counts as written, unless a zone is asked for.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sim.files.reading.cells import (
    MUCH,
    BoolArray,
    Cells,
    ReadError,
    Values,
    cells_of,
    encoded,
    first_of,
    merged,
    unprotected,
)
from sim.phrases import Phrase

DayArray = npt.NDArray[np.datetime64]
Parts = tuple[int, int, int]

EARLIEST, LATEST = np.datetime64("1970-01-01"), np.datetime64("2099-12-31")
FIRST_DAY = datetime.date(2000, 1, 1)
"""Day 1 of a column of day numbers, which only their distances matter of."""
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
SERIAL_ZERO = datetime.date(1899, 12, 30)
"""Day 0 of a spreadsheet's serial numbers, as they count from March 1900 on."""
SERIALS = (20_000, 80_000)
"""Serial numbers that are days of 1954 to 2119."""

TAIL = r"(?i)(?:T|[,\s]+(?:(?:at|à|um|alle)\s+)?)\d{1,2}(?::\d{1,2}|時|\s?[ap]m).*$"
"""A time of day behind a date."""
WEEKDAY = re.compile(
    r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[.,]?\s+|\s*\(?[月火水木金土日](?:曜日?)?\)$|\([^)]*\)$", re.IGNORECASE
)
ZONE = r":\d{2}(?:[.,]\d+)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)(?:\s*\[.*\])?$"

YEAR_FIRST = re.compile(
    r"(\d{4})(?:-(\d{1,2})-(\d{1,2})|/(\d{1,2})/(\d{1,2})|\.\s?(\d{1,2})\.\s?(\d{1,2})\.?"
    r"|年\s?(\d{1,2})月\s?(\d{1,2})日|(\d\d)(\d\d)(?:\d{6})?)(?:[T\s].*)?",
    re.ASCII,
)
ERA = re.compile(
    r"(令和|平成|昭和|[RHS])\s?(元|\d{1,2})(?:年|[./-])\s?(\d{1,2})(?:月|[./-])\s?(\d{1,2})日?", re.IGNORECASE
)
ERAS = {"令和": 2018, "r": 2018, "平成": 1988, "h": 1988, "昭和": 1925, "s": 1925}
"""The year before each era's first."""
NAMED_DAY_FIRST = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th)?[-\s./]*(?:de\s+)?([^\W\d_]{3,10})\.?[-\s,./]*(?:de\s+)?(\d{4}|\d{2})"
)
NAMED_MONTH_FIRST = re.compile(r"([^\W\d_]{3,10})\.?[-\s]*(\d{1,2})(?:st|nd|rd|th)?[-\s,]+(\d{4})")
NAMED_YEAR_FIRST = re.compile(r"(\d{4})[-\s/]*([^\W\d_]{3,10})\.?[-\s/]*(\d{1,2})")
NAMED = ((NAMED_DAY_FIRST, (3, 2, 1)), (NAMED_MONTH_FIRST, (3, 1, 2)), (NAMED_YEAR_FIRST, (1, 2, 3)))
"""Patterns of dates that name the month, and which groups are year, month and day."""
MONTHS = (
    ("jan", "ene", "gen"), ("feb", "fev"), ("mar", "mae", "mrz"), ("apr", "avr", "abr"), ("may", "mai", "mag", "mei"),
    ("jun", "juin", "giu"), ("jul", "juil", "lug"), ("aug", "aou", "ago"), ("sep", "set"), ("oct", "okt", "ott"),
    ("nov",), ("dec", "dez", "dic"),
)  # fmt: skip
YEAR_LAST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})|(\d\d)(\d\d)(\d{4})")
SHORT = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{1,2})|(\d\d)(\d\d)(\d\d)|(\d\d)年(\d{1,2})月(\d{1,2})日")
NUMBER = re.compile(r"\d+(?:\.\d+)?")

FAR = (120, 365)
"""Days without a row after which dates are far from the rest: as many as the rest spans, between these."""
FAR_SHARE = 0.1

ORDERS = {"dmy": Phrase("day first"), "mdy": Phrase("month first"), "ymd": Phrase("year first")}
WORDS = {"day-first": "dmy", "month-first": "mdy", "year-first": "ymd"}


@dataclass(frozen=True)
class Days(Values):
    """A column of days. values: datetime64[D], (rows,)."""

    values: DayArray


@dataclass(frozen=True)
class Form:
    """How dates are to be read where a user says so.

    order: of day, month and year, as `dmy`. pattern: of `strptime`. zone: whose day counts. ask: how the user says
    an order, as an error names it.
    """

    order: str | None = None
    pattern: str | None = None
    zone: zoneinfo.ZoneInfo | None = None
    ask: str = "--date-format"

    @classmethod
    def of(cls, form: str | None = None, zone: str | None = None, ask: str = "--date-format") -> Form:
        """From the words of a user. Raises ReadError."""
        if zone is None:
            place = None
        else:
            try:
                place = zoneinfo.ZoneInfo(zone)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                raise ReadError(
                    "timezone {value}: is no time zone; a name such as Asia/Tokyo, Europe/Berlin or UTC", value=zone
                ) from None
        if form is None:
            return cls(None, None, place, ask)
        if "%" in form:
            return cls(None, form, place, ask)
        letters = "".join(dict.fromkeys(re.sub("[^dmy]", "", form.lower())))
        order = WORDS.get(form, letters)
        if order not in ORDERS or (form not in WORDS and re.search("[^dmy/. -]", form.lower())):
            raise ReadError(
                "{ask} {value}: is not understood; dd/mm/yyyy, mm/dd/yyyy, yy/mm/dd or a pattern such as %d.%m.%Y",
                ask=ask, value=form,
            )  # fmt: skip
        return cls(order, None, place, ask)


AS_WRITTEN = Form()


def read_days(columns: Mapping[str, pa.ChunkedArray], form: Form = AS_WRITTEN) -> dict[str, Days]:
    """Columns of dates that one firm wrote: what decides the order of one decides the others'.

    Raises ReadError where more than a few dates of a column can be read in two ways.
    """
    texts = {name: None if holds_days(column) else _Texts.of(column, form) for name, column in columns.items()}
    written = [one for one in texts.values() if one is not None]
    order = form.order or _order(written)
    return {
        name: _of_typed(columns[name], form) if one is None else one.read(name, order, form)
        for name, one in texts.items()
    }


def holds_days(column: pa.ChunkedArray) -> bool:
    """Whether a column's own type is of days or times."""
    return bool(pa.types.is_timestamp(column.type) or pa.types.is_date(column.type))


def _of_typed(column: pa.ChunkedArray, form: Form) -> Days:
    told: list[Phrase] = []
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.tz and form.zone is not None:
            column = column.cast(pa.timestamp(kind.unit, str(form.zone)))
        elif kind.tz:
            told.append(_zone_told(kind.tz))
        column = (pc.local_timestamp(column) if kind.tz else column).cast(pa.timestamp("s"), safe=False)
    values = column.cast(pa.date32(), safe=False).to_numpy().astype("datetime64[D]")
    blank = np.asarray(column.is_null().to_numpy(), dtype=bool)
    return Days(_sensible(values), blank, cells_of(pa.chunked_array([pa.array(values.astype(str))])), tuple(told))


def _zone_told(zone: str) -> Phrase:
    return Phrase(
        "times carry a zone ({zone}): the day counts as written, since no timezone of the firm is given", zone=zone
    )


def _sensible(values: DayArray) -> DayArray:
    return np.where((values >= EARLIEST) & (values <= LATEST), values, np.datetime64("NaT"))


def far_days(days: DayArray) -> BoolArray:
    """Days with months between them and all others, where they are a few: placeholders and slips of the hand."""
    found = np.zeros(len(days), dtype=bool)
    if not len(days):
        return found
    distinct, counts = np.unique(days, return_counts=True)
    low, high = np.quantile(np.repeat(distinct.astype(np.int64), counts), [0.05, 0.95], method="nearest")
    gap = int(np.clip(high - low, *FAR))
    gaps = np.diff(distinct).astype(np.int64)
    before = np.cumsum(counts)[:-1]
    few = FAR_SHARE * len(days)
    late = np.flatnonzero((gaps > gap) & (len(days) - before <= few))
    early = np.flatnonzero((gaps > gap) & (before <= few))
    if len(late):
        found |= days > distinct[late[0]]
    if len(early):
        found |= days <= distinct[early[-1]]
    return found


# --- text ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Texts:
    """A column of text. full: its distinct cells. codes: which of them each row has. dates: cells without times.

    Of a log with seconds the full cells are as many as its rows: they are looked at by Arrow alone.
    """

    full: pa.StringArray
    codes: npt.NDArray[np.int64]
    dates: Cells

    @classmethod
    def of(cls, column: pa.ChunkedArray, form: Form) -> _Texts:
        _, full, codes = encoded(column)
        full = pa.concat_arrays([full, pa.array([""], pa.string())])
        cut = full if form.pattern else pc.replace_substring_regex(full, TAIL, "")
        parts = cut.dictionary_encode()
        short = [WEEKDAY.sub("", unprotected(text)).strip() for text in parts.dictionary.to_pylist()]
        return cls(full, codes, merged(short, np.asarray(parts.indices.to_numpy(), dtype=np.int64)[codes]))

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        return self.dates.counts

    def read(self, name: str, order: str | None, form: Form) -> Days:
        filled = ~self.dates.missing
        reader = _Reader(name, self.dates, np.where(filled, self.counts, 0), form)
        if form.pattern is not None:
            values = self.dates.mapped(lambda text: _by_pattern(text, form.pattern or ""), "datetime64[D]")
        else:
            values = reader.read(order)
        days = _sensible(values.astype("datetime64[D]"))[self.dates.codes]
        told = list(reader.told)
        if form.zone is not None:
            days = self._in_zone(days, form.zone)
        elif zone := self._zone():
            told.append(_zone_told(zone))
        return Days(days, ~filled[self.dates.codes], self.dates, tuple(told))

    def _zone(self) -> str | None:
        found = pc.extract_regex(self.full, ZONE)
        zones = sorted(set(pc.struct_field(found.drop_null(), "zone").unique().to_pylist()))
        return ", ".join(zones[:3]) or None

    def _in_zone(self, days: DayArray, zone: zoneinfo.ZoneInfo) -> DayArray:
        """Days in a zone, of the times that carry one; the others count as written."""
        dates = np.full(len(self.full), np.datetime64("NaT"), dtype="datetime64[D]")
        dates[self.codes] = days
        texts = self.full.to_pylist()
        moved = [_moved(text, date, zone) for text, date in zip(texts, dates, strict=True)]
        return np.array(moved, "datetime64[D]")[self.codes]


CLOCK = re.compile(
    r"(\d{1,2})[:時](\d{2})(?:[:分](\d{2}))?(?:\.\d+)?\s*([ap]m)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)(?:\s*\[.*\])?$",
    re.IGNORECASE,
)


def _moved(text: str, date: np.datetime64, zone: zoneinfo.ZoneInfo) -> np.datetime64:
    """The day in a zone of a time that carries an offset or counts from 1970; else the day as written."""
    if np.isnat(date):
        return date
    if NUMBER.fullmatch(text) and (seconds := _epoch(text)) is not None:
        return np.datetime64((EPOCH + datetime.timedelta(seconds=seconds)).astimezone(zone).date())
    match = CLOCK.search(text)
    if match is None:
        return date
    hour = int(match[1]) % 12 + 12 * (match[4].lower() == "pm") if match[4] else int(match[1])
    written = datetime.datetime.combine(date.astype(object), datetime.time(), datetime.UTC)
    written += datetime.timedelta(hours=hour, minutes=int(match[2])) - _offset(match[5])
    return np.datetime64(written.astimezone(zone).date())


def _offset(text: str) -> datetime.timedelta:
    if text[0] not in "+-":
        return datetime.timedelta(0)
    digits = text[1:].replace(":", "").ljust(4, "0")
    size = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -size if text[0] == "-" else size


# --- the order of day and month -----------------------------------------------------------------------------


def _order(columns: list[_Texts]) -> str | None:
    """`dmy` or `mdy` for dates whose year stands last, as all the columns decide it; None if nothing does."""
    day_first = month_first = 0
    examples: dict[str, str] = {}
    for column in columns:
        for text, count in zip(column.dates.texts, column.counts, strict=True):
            first, second, certain = _ends(text)
            if certain or first == second:
                continue
            if first > 12 >= second:
                day_first += count
                examples.setdefault("dmy", text)
            elif second > 12 >= first:
                month_first += count
                examples.setdefault("mdy", text)
    if not day_first and not month_first:
        return None
    if min(day_first, month_first) > MUCH * (day_first + month_first):
        raise ReadError(
            "dates are written day first in some rows ({day!r}) and month first in others ({month!r}): no reading "
            "holds for both; bring them to one form",
            day=examples["dmy"], month=examples["mdy"],
        )
    return "dmy" if day_first > month_first else "mdy"


def _ends(text: str) -> tuple[int, int, bool]:
    """The first two numbers of a date whose year is last, and whether its form alone says that the day is first."""
    match = YEAR_LAST.fullmatch(text)
    if match is None or _year_first(text) is not None:
        return 0, 0, True
    if match[5]:
        return int(match[5]), int(match[6]), False
    return int(match[1]), int(match[3]), match[2] == "."


# --- one column's forms -------------------------------------------------------------------------------------


class _Reader:
    """Reads the distinct dates of a column; `told` says what those that are not year first were taken for."""

    def __init__(self, name: str, dates: Cells, counts: npt.NDArray[np.int64], form: Form) -> None:
        self._name, self._texts, self._counts, self._form = name, dates.texts, counts, form
        self._values = np.full(len(dates.texts), np.datetime64("NaT"), dtype="datetime64[D]")
        self._rows = int(counts.sum())
        self.told: list[Phrase] = []

    def read(self, order: str | None) -> DayArray:
        """Days of the distinct dates, NaT where none is understood."""
        if order == "ymd":
            order = None
        kinds = np.array([_kind(text) for text in self._texts], dtype=object)
        for place in np.flatnonzero(kinds == "certain"):
            self._values[place] = _certain(self._texts[place])
        self._year_last(kinds == "year last", order)
        self._short(kinds == "short")
        self._numbers(kinds == "number")
        return self._values

    def _few(self, chosen: BoolArray) -> bool:
        return int(self._counts[chosen].sum()) <= MUCH * self._rows

    def _say(self, phrase: Phrase, chosen: BoolArray) -> None:
        count = int(self._counts[chosen].sum())
        if count:
            example = str(self._texts[chosen][0])
            self.told.append(Phrase(
                "{name}: {count} dates such as {example!r} read {how}",
                name=self._name, count=count, example=example, how=phrase,
            ))  # fmt: skip

    def _year_last(self, chosen: BoolArray, order: str | None) -> None:
        if not chosen.any():
            return
        dotted = chosen & np.array([_ends(text)[2] for text in self._texts])
        open_ = chosen & ~dotted
        if order is None and open_.any():
            if not self._few(open_):
                raise ReadError(
                    "{name}: dates such as {examples} may be day first or month first, and none of them tells which; "
                    "{ask} dd/mm/yyyy or {ask} mm/dd/yyyy says so",
                    name=self._name, examples=first_of(self._texts, open_), ask=self._form.ask,
                )
            open_ = np.zeros_like(open_)
        for places, form in ((dotted, (self._form.order and order) or "dmy"), (open_, order or "dmy")):
            for place in np.flatnonzero(places):
                self._values[place] = _date(_arranged(_last(self._texts[place]), form))
            self._say(ORDERS[form], places & ~np.isnat(self._values))

    def _short(self, chosen: BoolArray) -> None:
        """Dates whose year has two digits: in the order in which they are dates, and many days of the month."""
        if not chosen.any():
            return
        parts = {int(place): _pieces(self._texts[place]) for place in np.flatnonzero(chosen)}
        readings: dict[str, dict[int, np.datetime64]] = {
            order: {place: _date(_arranged(three, order)) for place, three in parts.items()}
            for order in ([self._form.order] if self._form.order else ORDERS)
        }
        total = int(self._counts[chosen].sum())

        def rows(order: str) -> int:
            return int(sum(self._counts[place] for place, day in readings[order].items() if not np.isnat(day)))

        possible = [order for order in readings if rows(order) >= (1 - MUCH) * total]
        best = max(possible or list(readings), key=lambda order: _days_of_month(readings[order]))
        others = [order for order in possible if order != best]
        if any(4 * _days_of_month(readings[one]) > _days_of_month(readings[best]) for one in others):
            if self._few(chosen):
                return
            raise ReadError(
                "{name}: dates such as {examples} have years of two digits and can be read in more than one way; "
                "{ask} yy/mm/dd, {ask} dd/mm/yy or {ask} mm/dd/yy says how",
                name=self._name, examples=first_of(self._texts, chosen), ask=self._form.ask,
            )
        for place, day in readings[best].items():
            self._values[place] = day
        self._say(ORDERS[best], chosen & ~np.isnat(self._values))

    def _numbers(self, chosen: BoolArray) -> None:
        """Seconds and the like since 1970, serial numbers of a spreadsheet, or days counted from a first one."""
        if not chosen.any():
            return
        numbers = np.array([float(text) if hit else np.nan for text, hit in zip(self._texts, chosen, strict=True)])
        since = chosen & (numbers >= 1e8)
        for place in np.flatnonzero(since):
            seconds = _epoch(self._texts[place])
            if seconds is not None and seconds < 4.1e9:
                self._values[place] = np.datetime64((EPOCH + datetime.timedelta(seconds=seconds)).date())
        self._say(Phrase("as time since 1970"), since & ~np.isnat(self._values))
        serial = chosen & (numbers >= SERIALS[0]) & (numbers < SERIALS[1])
        if serial.any() and not self._few(serial):
            self._values[serial] = np.datetime64(SERIAL_ZERO) + np.floor(numbers[serial]).astype("timedelta64[D]")
            self._say(Phrase("as a spreadsheet's serial numbers"), serial)
        counted = chosen & (numbers < SERIALS[0]) & (numbers == np.floor(numbers))
        if counted.any() and int(self._counts[counted].sum()) >= (1 - MUCH) * self._rows:
            self._values[counted] = np.datetime64(FIRST_DAY) + (numbers[counted] - 1).astype("timedelta64[D]")
            self._say(Phrase("as numbers of days, day 1 taken as {day}", day=FIRST_DAY), counted)


def _kind(text: str) -> str:
    if not np.isnat(_certain(text)):
        return "certain"
    if YEAR_LAST.fullmatch(text):
        return "year last"
    if SHORT.fullmatch(text):
        return "short"
    return "number" if NUMBER.fullmatch(text) else ""


def _certain(text: str) -> np.datetime64:
    """The day of a date that can be read in one way only; NaT of others."""
    found = _year_first(text) or _of_era(text) or _named(text)
    return _date(found) if found else np.datetime64("NaT")


def _year_first(text: str) -> Parts | None:
    match = YEAR_FIRST.fullmatch(text)
    if match is None:
        return None
    year, month, day = (int(group) for group in match.groups() if group is not None)
    return (year, month, day) if 1 <= month <= 12 and 1 <= day <= 31 else None


def _of_era(text: str) -> Parts | None:
    match = ERA.fullmatch(text)
    if match is None:
        return None
    year = ERAS[match[1].lower()] + (1 if match[2] == "元" else int(match[2]))
    return year, int(match[3]), int(match[4])


def _named(text: str) -> Parts | None:
    for pattern, places in NAMED:
        match = pattern.fullmatch(text)
        if match and (month := _month(match[places[1]])):
            return _year(match[places[0]]), month, int(match[places[2]])
    return None


def _month(word: str) -> int | None:
    plain = "".join(one for one in unicodedata.normalize("NFKD", word.lower()) if not unicodedata.combining(one))
    found = [place for place, starts in enumerate(MONTHS, 1) if plain.startswith(starts)]
    return found[-1] if found else None


def _year(digits: str) -> int:
    year = int(digits)
    return year if len(digits) == 4 else year + (1900 if year >= 70 else 2000)


def _last(text: str) -> tuple[str, str, str]:
    match = YEAR_LAST.fullmatch(text)
    assert match is not None
    return (match[5], match[6], match[7]) if match[5] else (match[1], match[3], match[4])


def _pieces(text: str) -> tuple[str, str, str]:
    match = SHORT.fullmatch(text)
    assert match is not None
    if match[5]:
        return match[5], match[6], match[7]
    return (match[8], match[9], match[10]) if match[8] else (match[1], match[3], match[4])


def _arranged(three: tuple[str, str, str], order: str) -> Parts:
    """Year, month and day of three numbers in this order; a year that is last has four digits or two."""
    letters = order if len(three[2]) <= 2 else order.replace("y", "") + "y"
    by = dict(zip(letters, three, strict=True))
    return _year(by["y"].zfill(2)), int(by["m"]), int(by["d"])


def _date(parts: Parts) -> np.datetime64:
    try:
        return np.datetime64(datetime.date(*parts))
    except ValueError:
        return np.datetime64("NaT")


def _days_of_month(days: Mapping[int, np.datetime64]) -> int:
    return len({day.astype(object).day for day in days.values() if not np.isnat(day)})


def _epoch(text: str) -> float | None:
    """Seconds since 1970 of a count of seconds, or of thousandths, millionths or billionths of them."""
    size = float(text)
    for least, unit in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (1e8, 1.0)):
        if size >= least:
            return size / unit
    return None


def _by_pattern(text: str, pattern: str) -> np.datetime64:
    for end in (None, 10):
        try:
            return np.datetime64(datetime.datetime.strptime(text[:end], pattern).date())
        except ValueError:
            continue
    return np.datetime64("NaT")
