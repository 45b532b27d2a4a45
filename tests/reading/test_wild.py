"""Logs in the forms in which firms have them: each gives the purchases of a plain CSV, or one line that helps."""

from __future__ import annotations

import bz2
import csv
import datetime
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxsim import cli
from sim.calibration.log import Choices, CleanLog, LogColumns, read_log
from sim.files.reading.days import Form, read_days
from sim.files.reading.money import read_amounts
from sim.phrases import ConfigError

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun")
START = datetime.date(2025, 1, 7)
Row = tuple[str, datetime.date, int]


def base() -> list[Row]:
    """60 customers, c00 to c59, who buy on three days of some twenty weeks, for 1,000 to 8,900 yen in hundreds."""
    rng = np.random.default_rng(1)
    days = [START + datetime.timedelta(int(day)) for day in range(140)]
    rows = [
        (f"c{who:02d}", days[int(place)], int(rng.integers(10, 90)) * 100)
        for who in range(60) for place in sorted(rng.choice(140, 3, replace=False))
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (row[1], row[0]))


ROWS = base()
COLUMNS = ("customer", "date", "value")


def table(
    rows: Sequence[Sequence[object]], header: Sequence[str] | None = COLUMNS, sign: str = ",", end: str = "\n"
) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=sign, lineterminator=end)
    writer.writerows([*([] if header is None else [header]), *rows])
    return text.getvalue()


def plain(
    date: Callable[[datetime.date], object] = str, value: Callable[[int], object] = str,
    customer: Callable[[str], object] = str, **options: Any,
) -> str:  # fmt: skip
    """The base log with its cells written otherwise."""
    return table([(customer(who), date(day), value(yen)) for who, day, yen in ROWS], **options)


def read(path: Path, columns: Sequence[str | None] = COLUMNS, **said: Any) -> CleanLog:
    customer, date, value = columns
    return read_log(path, LogColumns(customer or "", date or "", value, order=said.pop("order", None)), Choices(**said))


def days_of(log: CleanLog) -> list[tuple[str, str, float]]:
    frame = log.purchases
    return sorted(zip(frame["customer"], frame["date"].astype(str), frame["value"].astype(float), strict=True))


EXPECTED = sorted((who, str(day), float(yen)) for who, day, yen in ROWS)


def zipped(text: str) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr("__MACOSX/._log.csv", b"x")
        archive.writestr("log.csv", text)
    return found.getvalue()


def zstandard(raw: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(raw).to_pybytes())


def english(day: datetime.date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def era(day: datetime.date) -> str:
    return f"令和{day.year - 2018}年{day.month}月{day.day}日"


def german(yen: int) -> str:
    return f"{yen:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".")


def epoch(day: datetime.date, unit: int = 1) -> int:
    return int(datetime.datetime(day.year, day.month, day.day, 13, tzinfo=datetime.UTC).timestamp()) * unit


NOTED = table([(*row, '"Vase') for row in ROWS], (*COLUMNS, "item"), "\t").replace('"""Vase"', '"Vase')
QUOTED = [[f'"{cell}"' for cell in line.split(",")] for line in plain().splitlines()]

SAME: dict[str, str | bytes] = {
    "comma": plain(),
    "semicolon": plain(sign=";"),
    "tab": plain(sign="\t"),
    "bar": plain(sign="|"),
    "CR": plain(end="\r"),
    "CRLF": plain(end="\r\n"),
    "sep=": "sep=;\n" + plain(sign=";"),
    "mark and sep=": "\ufeffsep=;\r\n" + plain(sign=";", end="\r\n"),
    "titles": "Transaction report\nAll amounts in JPY, with tax\n\n" + plain(),
    "blank rows": plain() + ",,\n,,\n",
    "trailing sign": plain().replace("\n", ",\n").replace("value,\n", "value\n"),
    "row numbers": "".join(
        line if not place else f"{place},{line}" for place, line in enumerate(plain().splitlines(keepends=True))
    ),
    "quoted": "\n".join(map(",".join, QUOTED)),
    "quoted after blanks": "\n".join(map(", ".join, QUOTED)),
    "quoted singly": "\n".join(map(",".join, QUOTED)).replace('"', "'"),
    "stray quotes": NOTED,
    "UTF-16": plain(sign="\t").encode("utf-16"),
    "UTF-16 without mark": plain(sign="\t").encode("utf-16-le"),
    "gzip": gzip.compress(plain().encode()),
    "bzip2": bz2.compress(plain().encode()),
    "xz": lzma.compress(plain().encode()),
    "zstandard": zstandard(plain().encode()),
    "zip": zipped(plain()),
    "JSON lines": "".join(
        json.dumps({"customer": who, "date": str(day), "value": yen, "more": {"x": 1}}) + "\n" for who, day, yen in ROWS
    ),
    "JSON list": json.dumps([{"customer": who, "date": str(day), "value": yen} for who, day, yen in ROWS]),
    "month first": plain(lambda day: f"{day.month}/{day.day}/{day.year}"),
    "month first with time": plain(lambda day: f"{day:%m/%d/%Y} 3:04 PM"),
    "day first": plain(lambda day: f"{day:%d-%m-%Y}"),
    "points": plain(lambda day: f"{day:%d.%m.%Y}"),
    "compact": plain(lambda day: f"{day:%Y%m%d}"),
    "compact, day first": plain(lambda day: f"{day:%d%m%Y}"),
    "two digits": plain(lambda day: f"{day:%y/%m/%d}"),
    "two digits, day first": plain(lambda day: f"{day:%d.%m.%y}"),
    "two forms": table([(who, f"{day:%d/%m/%Y}" if place % 2 else day, yen)
                        for place, (who, day, yen) in enumerate(ROWS)]),
    "month's name": plain(english),
    "Japanese": plain(lambda day: f"{day.year}年{day.month}月{day.day}日 13時04分"),
    "era": plain(era),
    "short era": plain(lambda day: f"R{day.year - 2018}.{day.month}.{day.day}"),
    "seconds": plain(epoch),
    "milliseconds": plain(lambda day: epoch(day, 1000)),
    "serial numbers": plain(lambda day: (day - datetime.date(1899, 12, 30)).days + 0.25),
    "offset": plain(lambda day: f"{day}T23:30:00+09:00"),
    "thousands": plain(value=lambda yen: f"{yen:,}"),
    "thousands points": plain(value=lambda yen: f"{yen:,}".replace(",", "."), sign=";"),
    "decimal comma": plain(value=german, sign=";"),
    "decimal comma in quotes": plain(value=german),
    "spaces": plain(value=lambda yen: f"{yen:,.2f}".replace(",", "\u202f")),
    "apostrophes": plain(value=lambda yen: f"{yen:,.2f}".replace(",", "’")),
    "code behind": plain(value=lambda yen: f"{yen:.2f} USD"),
    "sign before": plain(value=lambda yen: f"€{yen:,.2f}"),
    "yen with tax": plain(value=lambda yen: f"{yen:,}円(税込)"),
    "full width": plain(value=lambda yen: str(yen).translate(str.maketrans("0123456789", "０１２３４５６７８９"))),
    "formula": plain(value=lambda yen: f'="{yen}"'),
}


@pytest.mark.parametrize("form", SAME)
def test_each_form_gives_the_same_purchases(form: str, tmp_path: Path) -> None:
    content = SAME[form]
    path = tmp_path / "log"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    log = read(path)
    assert (log.rows_read, log.dropped) == (180, dict.fromkeys(log.dropped, 0))
    assert days_of(log) == EXPECTED


@pytest.mark.parametrize("encoding", ["cp932", "euc_jp", "utf-8", "utf-16"])
def test_japanese_encodings(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(plain(customer=lambda who: f"山田{who}", header=("会員", "受注日", "合計金額")).encode(encoding))
    log = read(path, ("会員", "受注日", "合計金額"))
    assert days_of(log) == [(f"山田{who}", day, yen) for who, day, yen in EXPECTED]


def test_western_letters_in_cp1252(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    text = plain(customer=lambda who: f"Gérard{who}", value=lambda yen: f"{yen},00 €", sign=";")
    path.write_bytes(text.encode("cp1252"))
    log = read(path)
    assert days_of(log) == [(f"Gérard{who}", day, yen) for who, day, yen in EXPECTED]


def frame() -> pd.DataFrame:
    rows = pd.DataFrame(ROWS, columns=COLUMNS)
    return rows.assign(date=pd.to_datetime(rows["date"]))


def test_parquet_of_any_types_beside_ours(tmp_path: Path) -> None:
    rows = pa.Table.from_pandas(frame())
    n = rows.num_rows
    others: dict[str, pa.Array] = {
        "nothing": pa.nulls(n),
        "half": pa.array(np.ones(n, np.float16)),
        "span": pa.array([1] * n, pa.duration("s")),
        "list": pa.array([[1]] * n),
        "bytes": pa.array([b"\xff"] * n),
        "time": pa.array([1] * n, pa.time32("s")),
        "truth": pa.array([True] * n),
    }
    for name, column in others.items():
        rows = rows.append_column(name, column)
    text = rows["customer"].cast(pa.string_view())
    rows = rows.set_column(0, "customer", text)
    pq.write_table(rows, tmp_path / "log.parquet")
    assert days_of(read(tmp_path / "log.parquet")) == EXPECTED


def test_a_folder_of_parts(tmp_path: Path) -> None:
    rows = frame()
    for place in range(2):
        part = rows.iloc[place::2]
        folder = tmp_path / "log.parquet" / f"half={place}"
        folder.mkdir(parents=True)
        part.astype({"value": ["int32", "float64"][place]}).to_parquet(folder / "part-0.snappy.parquet")
    (tmp_path / "log.parquet" / "_SUCCESS").touch()
    (tmp_path / "log.parquet" / ".part.crc").write_bytes(b"x")
    assert days_of(read(tmp_path / "log.parquet")) == EXPECTED


def test_spreadsheets(tmp_path: Path) -> None:
    with pd.ExcelWriter(tmp_path / "log.xlsx", engine="openpyxl") as book:
        pd.DataFrame({"about": ["a report", "of orders"]}).to_excel(book, sheet_name="About", index=False)
        frame().to_excel(book, sheet_name="Orders", index=False, startrow=2)
    assert days_of(read(tmp_path / "log.xlsx")) == EXPECTED


def test_no_header_is_told_and_columns_have_numbers(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(plain(header=None), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"its first line is data .*call its columns 1 to 3"):
        read(path)
    assert days_of(read(path, ("1", "2", "3"))) == EXPECTED


def test_day_numbers_keep_their_distances(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(plain(lambda day: (day - START).days + 1), encoding="utf-8")
    log = read(path)
    assert (log.last - log.first).days == (ROWS[-1][1] - ROWS[0][1]).days
    assert any("numbers of days" in str(line) for line in log.told)


# --- refused, with a way on


@pytest.mark.parametrize(
    ("text", "told", "said"),
    [
        (plain(lambda day: f"{day.month}/{min(day.day, 12)}/{day.year}"), "--date-format dd/mm/yyyy",
         {"date_format": "mm/dd/yyyy"}),
        (plain(value=lambda yen: f"{yen:,}".replace(",", ".")), "--decimal ,", {"decimal": ","}),
        (plain(value=lambda yen: f"${yen}" if yen < 5000 else f"¥{yen}"), "--currency CODE", {"currency": "JPY"}),
        (plain(value=lambda yen: f"{yen} USD" if yen < 5000 else f"{yen}"), "--currency CODE", {"currency": "USD"}),
        (table([(*row, "USD" if row[2] < 5000 else "JPY") for row in ROWS], (*COLUMNS, "Currency")), "--currency CODE",
         {"currency": "usd"}),
        (plain(value=lambda yen: "a lot" if yen > 8000 else yen), "--agree unparsable-value",
         {"agreed": ("unparsable value",)}),
        (plain(value=lambda yen: "" if yen > 8000 else yen), "--agree blank-value", {"agreed": ("blank value",)}),
    ],
)  # fmt: skip
def test_what_is_open_is_asked_for(text: str, told: str, said: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert 0 < len(read(path, **said).purchases) <= 180


def test_dates_of_both_orders_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(table([(who, f"{day:%d/%m/%Y}" if place % 2 else f"{day:%m/%d/%Y}", yen)
                           for place, (who, day, yen) in enumerate(ROWS)]), encoding="utf-8")  # fmt: skip
    with pytest.raises(ConfigError, match=r"day first in some rows .* month first in others"):
        read(path)


def test_zip_of_two_files_names_them(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as archive:
        archive.writestr("a.csv", plain())
        archive.writestr("b.csv", plain())
    with pytest.raises(ConfigError, match=r"2 files \(a.csv, b.csv\)"):
        read(tmp_path / "log.zip")


# --- what rows mean


def written(path: Path, rows: Sequence[Sequence[object]], header: Sequence[str] = COLUMNS) -> Path:
    path.write_text(table(rows, header), encoding="utf-8")
    return path


def told(log: CleanLog) -> str:
    return "\n".join(map(str, log.told))


ITEMS = [(*row, f"EC-{place}", item) for place, row in enumerate(ROWS) for item in range(1 + place % 3)]


@pytest.mark.parametrize("header", [("order", "item"), ("受注番号", "品"), ("x", "item")])
def test_an_order_total_on_each_of_its_lines_counts_once(header: tuple[str, str], tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", ITEMS, (*COLUMNS, *header))
    log = read(path)
    assert days_of(log) == EXPECTED
    assert f"{len(ITEMS)} rows hold 180 orders" in told(log)
    assert days_of(read(path, order=header[0])) == EXPECTED
    assert len(read(path, equal_rows="keep").purchases) == 180
    assert read(path, equal_rows="keep").purchases["value"].sum() > 1.5 * sum(yen for *_, yen in ROWS)


def test_equal_lines_are_items(tmp_path: Path) -> None:
    lines = [(who, day, price) for who, day, yen in ROWS for price in [100] * (yen // 1000) + [150] * (yen // 700 % 4)]
    path = written(tmp_path / "log.csv", lines)
    log = read(path)
    assert log.purchases["value"].sum() == sum(price for *_, price in lines)
    assert "equal another in every column and are kept" in told(log)
    assert read(path, equal_rows="drop", agreed=("duplicate row",)).purchases["value"].sum() <= 250 * 180


def test_an_export_that_was_put_in_twice_is_dropped(tmp_path: Path) -> None:
    lines = [(who, day, price) for who, day, yen in ROWS for price in (yen, yen + 1, yen + 2)]
    path = written(tmp_path / "log.csv", lines + lines[:9])
    log = read(path)
    assert log.dropped["duplicate row"] == 9
    assert log.purchases["value"].sum() == sum(price for *_, price in lines)


def test_discounts_are_netted_and_returns_cancel(tmp_path: Path) -> None:
    discounted = [(who, day, part) for who, day, yen in ROWS for part in (yen + 300, -300)]
    log = read(written(tmp_path / "a.csv", discounted))
    assert days_of(log) == EXPECTED
    assert "netted within their customer's day" in told(log)
    after = datetime.timedelta(1)
    returned = [*ROWS, *((who, day + after, -yen) for who, day, yen in ROWS[:9]), ("c59", ROWS[-1][1] + after, -100)]
    log = read(written(tmp_path / "b.csv", returned))
    assert (log.dropped["cancelled order"], log.dropped["netted return"]) == (18, 1)
    assert log.purchases["value"].sum() == sum(yen for *_, yen in ROWS[9:]) - 100
    assert "9 orders are cancelled" in told(log)


@pytest.mark.parametrize("guest", ["0", "guest", "ゲスト", "非会員", "(not set)", "", "\\N", "shop@example.com"])
def test_guests_are_left_out_and_counted(guest: str, tmp_path: Path) -> None:
    rows = [(guest if place % 3 == 0 else who, day, yen) for place, (who, day, yen) in enumerate(ROWS)]
    log = read(written(tmp_path / "log.csv", rows))
    assert log.dropped["missing customer"] == 60
    assert "60 rows (33.3 %) are of guests" in told(log)


def test_a_zero_among_ids_may_be_a_customer(tmp_path: Path) -> None:
    log = read(written(tmp_path / "log.csv", [(int(who[1:]), day, yen) for who, day, yen in ROWS]))
    assert (log.customers, log.dropped["missing customer"]) == (60, 0)


def test_one_customer_has_one_spelling(tmp_path: Path) -> None:
    rows = [(f"{who[1:]}.0" if place % 2 else who[1:], day, yen) for place, (who, day, yen) in enumerate(ROWS)]
    assert read(written(tmp_path / "a.csv", rows)).customers == 60
    hosts = ("Example.com", "example.com")
    rows = [(f"{who}@{hosts[place % 2]}", day, yen) for place, (who, day, yen) in enumerate(ROWS)]
    assert read(written(tmp_path / "b.csv", rows)).customers == 60


def test_a_giant_is_told(tmp_path: Path) -> None:
    many = [("big", START + datetime.timedelta(day), 50) for day in range(40)]
    log = read(written(tmp_path / "log.csv", [*ROWS, *many]))
    assert "one customer, 'big', has 18 % of the rows" in told(log)


@pytest.mark.parametrize("day", ["2099-12-31", "1987-03-01", "2052-02-01", "2015-01-09"])
def test_a_date_far_from_all_others_is_left_out(day: str, tmp_path: Path) -> None:
    log = read(written(tmp_path / "log.csv", [*ROWS, ("c00", day, 5)]))
    assert days_of(log) == EXPECTED
    assert log.dropped["date far from all others"] == 1
    assert day in log.examples["date far from all others"]


def test_statuses_are_told_and_where_leaves_rows_out(tmp_path: Path) -> None:
    last = {who: place for place, (who, *_) in enumerate(ROWS)}
    rows = [
        (*row, "paid" if place != last[row[0]] else "voided" if row[0] < "c30" else "refunded")
        for place, row in enumerate(ROWS)
    ]
    path = written(tmp_path / "log.csv", rows, (*COLUMNS, "Financial Status"))
    assert "30 voided, 30 refunded count as purchases" in told(read(path))
    for condition, kept in (
        ("financial_status = paid", 120), ("Financial Status != 'voided'", 150), ('"Financial Status" = "PAID"', 120),
        ("Financial Status in (paid, 'refunded') and customer != c00", 148), ("Financial Status not in (voided)", 150),
    ):  # fmt: skip
        log = read(path, where=(condition,))
        assert len(log.purchases) == kept
        assert "left out by --where" in told(log)
    for condition, line in (
        ("Financial Status = payed", "never is 'payed'"), ("paid", "is not understood"), ("state = paid", "no column"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=line):
            read(path, where=(condition,))


def test_continued_orders_have_a_blank_total(tmp_path: Path) -> None:
    rows = [(who, day, yen if not item else "", item) for who, day, yen in ROWS for item in range(2)]
    log = read(written(tmp_path / "log.csv", rows, (*COLUMNS, "item")))
    assert days_of(log) == EXPECTED
    assert log.dropped["further line"] == 180


def test_timing_alone_is_read(tmp_path: Path) -> None:
    log = read(written(tmp_path / "log.csv", [row[:2] for row in ROWS], COLUMNS[:2]), ("customer", "date", None))
    assert not log.valued
    assert [(who, day) for who, day, _ in days_of(log)] == [(who, day) for who, day, _ in EXPECTED]


def test_zones_turn_days_where_one_is_asked_for() -> None:
    column = pa.chunked_array([["2025-01-07T20:30:00Z", "2025-01-07 20:30:00 +0900", "2025-01-07 20:30", "1736281800"]])
    assert [str(day) for day in read_days({"d": column})["d"].values] == ["2025-01-07"] * 4
    turned = read_days({"d": column}, Form.of(zone="Asia/Tokyo"))["d"].values
    assert [str(day) for day in turned] == ["2025-01-08", "2025-01-07", "2025-01-07", "2025-01-08"]


def test_amounts_that_are_none() -> None:
    column = pa.chunked_array([["1,2,3", "abc", "5 apples", "(5", "12-34", "1.2.3", "--5", "$5 EUR"]])
    assert np.isnan(read_amounts("v", column).values).all()


# --- a look


def test_a_look_suggests_a_command_that_reads_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("注文.csv").write_bytes(table(ITEMS, ("会員ID", "受注日時", "合計金額", "受注番号", "品")).encode("cp932"))
    assert cli.main(["log", "注文.csv"]) == cli.OK
    out = capsys.readouterr().out
    assert "encoding cp932" in out
    assert "not used: 品" in out
    assert out.splitlines()[-1] == (
        "try: cxsim calibrate '注文.csv' --customer '会員ID' --date '受注日時' --value '合計金額' --order '受注番号' "
        "--name shop"
    )
    assert cli.main(["calibrate", "注文.csv", "--name", "mine"]) == cli.BAD_INPUT
    assert "take what is suggested with --yes: cxsim calibrate" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "注文.csv"]


def test_a_look_says_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.csv"
    path.write_text(plain(value=lambda yen: f"${yen}" if yen < 5000 else f"¥{yen}"), encoding="utf-8")
    assert cli.main(["log", str(path)]) == cli.BAD_INPUT
    assert "several currencies" in capsys.readouterr().err
    path.write_text("a,b\nx,y\nz,w\n", encoding="utf-8")
    assert cli.main(["log", str(path)]) == cli.BAD_INPUT
    assert "no column looks like the" in capsys.readouterr().err
