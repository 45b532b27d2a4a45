"""Reading transaction logs as shops export them: every rule, every form of date and number, every refusal."""

from __future__ import annotations

import datetime
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.calibration.log import (
    Choices,
    CleanLog,
    LogColumns,
    LogError,
    first_weeks,
    lateness,
    observed_cumulative_repeats,
    read_log,
    redemption,
    shares,
    summarise,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "online_retail_cut.csv.gz"
CUSTOMERS = 50
HEADER = ["customer", "date", "value"]
Row = tuple[str, ...]
Rows = Sequence[Row]


def good_rows() -> list[Row]:
    """50 customers, c00 to c49, who buy on 2026-01-01 for 100 and on 2026-03-12, ten weeks later, for 300."""
    first: list[Row] = [(f"c{i:02d}", "2026-01-01", "100") for i in range(CUSTOMERS)]
    return first + [(f"c{i:02d}", "2026-03-12", "300") for i in range(CUSTOMERS)]


def write(
    path: Path, rows: Rows, header: list[str] = HEADER, separator: str = ",", encoding: str = "utf-8"
) -> Path:
    def line(fields: Row | list[str]) -> str:
        return separator.join(f'"{field}"' if separator in field else field for field in fields)

    path.write_bytes("\n".join([line(header), *map(line, rows), ""]).encode(encoding))
    return path


def read(tmp_path: Path, extra: Rows, columns: LogColumns = LogColumns()) -> CleanLog:  # noqa: B008
    return read_log(write(tmp_path / "log.csv", [*good_rows(), *extra]), columns)


def days_of(log: CleanLog, customer: str) -> dict[str, float]:
    rows = log.purchases[log.purchases["customer"] == customer]
    return dict(zip(rows["date"].dt.strftime("%Y-%m-%d"), rows["value"], strict=True))


def drops(log: CleanLog) -> dict[str, int]:
    return {rule: count for rule, count in log.dropped.items() if count}


# --- a clean log


def test_a_clean_log_is_kept_whole(tmp_path: Path) -> None:
    log = read(tmp_path, [])
    assert drops(log) == {}
    assert (log.rows_read, log.rows_kept, log.merged, log.customers) == (100, 100, 0, 50)
    assert (log.first, log.last) == (datetime.date(2026, 1, 1), datetime.date(2026, 3, 12))
    assert list(log.purchases.columns) == ["customer", "date", "value"]
    assert log.purchases["date"].dtype == "datetime64[s]"
    assert log.purchases["value"].sum() == 50 * 400
    pairs = list(zip(log.purchases["customer"], log.purchases["date"], strict=True))
    assert pairs == sorted(pairs)


# --- the rules


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (("c00", "not a day", "5"), "unparsable date"),
        (("c00", "", "5"), "unparsable date"),
        (("c00", "2026-02-30", "5"), "unparsable date"),
        (("c00", "2026-13-01", "5"), "unparsable date"),
        (("c00", "9999-12-31", "5"), "unparsable date"),
        (("c00", "1900-01-01", "5"), "unparsable date"),
        (("c00", "02/03/2026", "5"), "unparsable date"),
        (("c00", "2026-02-01x", "5"), "unparsable date"),
        (("c00", "46054", "5"), "unparsable date"),
        (("", "2026-02-01", "5"), "missing customer"),
        (("  ", "2026-02-01", "5"), "missing customer"),
        (("NaN", "2026-02-01", "5"), "missing customer"),
        (("c00", "2026-02-01", ""), "blank value"),
        (("c00", "2026-02-01", "free"), "unparsable value"),
        (("c00", "2026-02-01", "inf"), "unparsable value"),
        (("c00", "2026-02-01", "1,23,4"), "unparsable value"),
        (("c00", "2026-02-01", "1e999"), "unparsable value"),
        (("c00", "2026-02-01", "▲1,200"), "return without purchase"),
        (("c00", "2026-02-01", "(1,200)"), "return without purchase"),
        (("c00", "2026-02-01", "-¥1,200"), "return without purchase"),
        (("c00", "2026-02-01", "¥-1,200"), "return without purchase"),
        (("c00", "2026-02-01", "−1200"), "return without purchase"),
        (("c00", "2099-12-31", "5"), "date far from all others"),
        (("Guest", "2026-02-01", "5"), "missing customer"),
        (("c00", "2026-02-01", "0.00"), "zero value"),
        (("c00", "2026-01-01", "100"), "duplicate row"),
        (("c00", "2026-02-01"), "malformed row"),
        (("c00", "2026-02-01", "5", "6"), "malformed row"),
    ],
)
def test_each_rule_takes_its_row_and_counts_it(tmp_path: Path, row: Row, rule: str) -> None:
    log = read(tmp_path, [row])
    assert drops(log) == {rule: 1}
    assert (log.rows_read, log.rows_kept) == (101, 100)
    assert days_of(log, "c00") == {"2026-01-01": 100, "2026-03-12": 300}


def test_the_first_rule_that_applies_takes_a_row(tmp_path: Path) -> None:
    log = read(tmp_path, [("", "never", "-5"), ("", "2026-02-01", "-5")] * 2 + [("c00", "2026-02-01", "0")] * 2)
    assert drops(log) == {"unparsable date": 2, "missing customer": 2, "zero value": 1, "duplicate row": 1}


def test_rows_that_differ_anywhere_in_the_file_are_no_duplicates(tmp_path: Path) -> None:
    rows = [(*row, f"invoice {place}") for place, row in enumerate(good_rows())]
    rows += [("c00", "2026-01-01", "100", "invoice 100"), ("c00", "2026-01-01", "100", "invoice 100")]
    log = read_log(write(tmp_path / "log.csv", rows, [*HEADER, "invoice"]), LogColumns())
    assert drops(log) == {"duplicate row": 1}
    assert days_of(log, "c00")["2026-01-01"] == 200


def test_purchases_of_one_day_become_one_purchase_day(tmp_path: Path) -> None:
    extra = [
        ("c00", "2026-01-01 09:00", "7"),
        ("c00", "2026-01-01T21:00", "8"),
        ("c01", "2026-01-02 00:00", "9"),
    ]
    log = read(tmp_path, extra)
    assert days_of(log, "c00")["2026-01-01"] == 115
    assert days_of(log, "c01") == {"2026-01-01": 100, "2026-01-02": 9, "2026-03-12": 300}
    assert (log.merged, log.rows_kept, len(log.purchases)) == (2, 103, 101)


def test_the_account_always_adds_up(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    ids, days, values = (
        ["c00", "c01", ""],
        ["2026-01-01", "2026-02-0", "2026-02-09"],
        ["5", "-5", "0", "x", "5,000"],
    )
    extra = [(str(rng.choice(ids)), str(rng.choice(days)), str(rng.choice(values))) for _ in range(300)]
    path = write(tmp_path / "log.csv", [*good_rows(), *extra, ("torn",)])
    agreed = ("unparsable date", "unparsable value", "duplicate row", "return without purchase", "zero value")
    log = read_log(path, LogColumns(), Choices(agreed=agreed))
    assert log.rows_read == 401 == log.rows_kept + sum(log.dropped.values())
    assert log.rows_kept == log.merged + len(log.purchases)


# --- forms of dates, numbers and ids


@pytest.mark.parametrize(
    "day",
    [
        "2026-02-09",
        "2026-2-9",
        "2026/02/09",
        "2026/2/9 8:05",
        "2026.02.09",
        "20260209",
        "2026年2月9日",
        "2026年02月09日(月) 10時30分",
        "２０２６年２月９日",
        "２０２６／０２／０９",
        "2026-02-09 23:59:59.123",
        "2026-02-09T23:59:59+09:00",
        "2026-02-09T23:59:59Z",
        "　2026-02-09 ",
    ],
)
def test_forms_of_a_day(tmp_path: Path, day: str) -> None:
    log = read(tmp_path, [("c00", day, "5")])
    assert days_of(log, "c00")["2026-02-09"] == 5


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1234", 1234),
        ("1,234", 1234),
        ("1,234,567.5", 1234567.5),
        ("¥1,234", 1234),
        ("￥1,234", 1234),
        ("\\1,234", 1234),
        ("1,234円", 1234),
        ("１，２３４", 1234),
        ("１２．５", 12.5),
        ("£12.50", 12.5),
        (" 12.50 ", 12.5),
        ("1.5e3", 1500),
        (".5", 0.5),
    ],
)
def test_forms_of_a_number(tmp_path: Path, text: str, number: float) -> None:
    log = read(tmp_path, [("c00", "2026-02-09", text)])
    assert days_of(log, "c00")["2026-02-09"] == number


def test_customers_are_text_in_compatible_form(tmp_path: Path) -> None:
    extra = [
        (name, "2026-02-09", "5") for name in ("00123", "123", "１２３", " 123", "山田", "ﾔﾏﾀﾞ", "ヤマダ")
    ]
    log = read(tmp_path, extra)
    assert days_of(log, "00123") == {"2026-02-09": 5}
    # Three spellings of 123 are one customer; their rows differ in the file, so they merge.
    assert days_of(log, "123") == {"2026-02-09": 15}
    assert (drops(log), log.merged) == ({}, 3)
    assert days_of(log, "ヤマダ") == {"2026-02-09": 10}
    assert log.customers == 50 + 4


# --- files


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_and_separators(tmp_path: Path, encoding: str, separator: str) -> None:
    rows = [
        (f"顧客{i}", day, value)
        for i in range(60)
        for day, value in (("2026年1月1日", "￥1,000"), ("2026/4/1", "5"))
    ]
    header = ["顧客ID", "購入日", "金額"]
    path = write(tmp_path / "log.csv", rows, header, separator, encoding)
    log = read_log(path, LogColumns("顧客ID", "購入日", "金額"))
    assert days_of(log, "顧客7") == {"2026-01-01": 1000, "2026-04-01": 5}
    assert (log.customers, drops(log)) == (60, {})


def test_line_ends_quotes_and_compression(tmp_path: Path) -> None:
    text = write(tmp_path / "log.csv", good_rows()).read_text().replace("\n", "\r\n")
    text += '"c00","2026-02-09 ""noon""","1,5\r\n00"\r\n"c01","2026-02-09","1,500"\r\n\r\n'
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    log = read_log(packed, LogColumns())
    assert drops(log) == {"unparsable value": 1}
    assert days_of(log, "c01")["2026-02-09"] == 1500


def typed_frame() -> pd.DataFrame:
    rows = pd.DataFrame(good_rows(), columns=HEADER)
    return rows.assign(
        customer=rows["customer"].str[1:].astype(int) + 1000,
        date=pd.to_datetime(rows["date"]) + pd.Timedelta(hours=23),
        value=rows["value"].astype(float),
    )


def test_parquet_with_types(tmp_path: Path) -> None:
    frame = typed_frame()
    frame.loc[0, "date"] = pd.NaT
    frame.loc[1, "value"] = np.nan
    frame.loc[2, "value"] = np.inf
    frame.to_parquet(tmp_path / "log.parquet")
    log = read_log(tmp_path / "log.parquet", LogColumns())
    assert drops(log) == {"unparsable date": 1, "blank value": 1, "unparsable value": 1}
    assert days_of(log, "1003") == {"2026-01-01": 100, "2026-03-12": 300}


def test_parquet_ids_made_floating_by_a_gap_stay_whole(tmp_path: Path) -> None:
    frame = typed_frame().astype({"customer": float})
    frame.loc[0, "customer"] = np.nan
    frame.to_parquet(tmp_path / "log.parquet")
    log = read_log(tmp_path / "log.parquet", LogColumns())
    assert drops(log) == {"missing customer": 1}
    assert "1003" in set(log.purchases["customer"])


def test_parquet_with_zones_categories_and_text(tmp_path: Path) -> None:
    frame = typed_frame()
    frame["date"] = frame["date"].dt.tz_localize("Asia/Tokyo")
    frame["customer"] = frame["customer"].astype(str).astype("category")
    frame["value"] = frame["value"].map("¥{:,.0f}".format)
    frame["items"] = [[1, 2]] * len(frame)
    frame.to_parquet(tmp_path / "log.parquet")
    log = read_log(tmp_path / "log.parquet", LogColumns())
    assert days_of(log, "1003") == {"2026-01-01": 100, "2026-03-12": 300}


def test_the_same_purchases_from_csv_and_parquet(tmp_path: Path) -> None:
    frame = typed_frame()
    frame.to_csv(tmp_path / "log.csv", index=False)
    frame.to_parquet(tmp_path / "log.parquet")
    csv, parquet = (read_log(tmp_path / name, LogColumns()) for name in ("log.csv", "log.parquet"))
    pd.testing.assert_frame_equal(csv.purchases, parquet.purchases)


# --- refusals


def refusal(path: Path, columns: LogColumns = LogColumns()) -> str:  # noqa: B008
    with pytest.raises(LogError) as caught:
        read_log(path, columns)
    message = str(caught.value)
    assert "\n" not in message
    return message


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    whole = gzip.compress(write(tmp_path / "log.csv", good_rows()).read_bytes())
    assert "no such file" in refusal(tmp_path / "nowhere.csv")
    (tmp_path / "bare").mkdir()
    assert "without files" in refusal(tmp_path / "bare")
    assert "empty" in refusal(written(tmp_path / "a", b""))
    assert "empty" in refusal(written(tmp_path / "b", b"\n \n"))
    assert "no rows" in refusal(written(tmp_path / "c", b"customer,date,value\n"))
    assert "not a table" in refusal(written(tmp_path / "d", b"once upon a time\nthere was a shop\n"))
    assert "binary" in refusal(written(tmp_path / "e", b"\x01\x00\x02,\x00"))
    assert "not a zip file" in refusal(written(tmp_path / "f", b"PK\x03\x04 and more"))
    assert "Parquet" in refusal(written(tmp_path / "g", b"PAR1 torn"))
    assert "in no encoding that is known" in refusal(
        written(tmp_path / "h", b"customer,date,value\ncaf\x81,2026-01-01,5\n")
    )
    assert "cannot be read" in refusal(written(tmp_path / "i", whole[: len(whole) // 2]))


def test_a_missing_column_names_the_nearest_and_all(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", good_rows(), ["CustomerID", "date", "value"])
    message = refusal(path, LogColumns(customer="customer_id"))
    assert "no column 'customer_id' for customer" in message
    assert "did you mean 'CustomerID'?" in message
    assert "it has: CustomerID, date, value" in message
    assert "did you mean" not in refusal(path, LogColumns(customer="xyz"))


def test_columns_that_are_ambiguous_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", [(*row, "9") for row in good_rows()], [*HEADER, "value"])
    assert "more than one column 'value'" in refusal(path)
    path = write(tmp_path / "log.csv", good_rows())
    assert "cannot be both date and promised" in refusal(path, LogColumns(promised="date"))


def test_a_repeated_column_that_is_not_used_does_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", [(*row, "x", "y") for row in good_rows()], [*HEADER, "note", "note"])
    assert read_log(path, LogColumns()).rows_kept == 100


def test_nothing_left_says_which_rule_took_what(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", [("c00", "someday", "5")] * 9 + [("", "2026-01-01", "5")])
    message = refusal(path)
    assert "9 of 10 rows (90.0 %) would be dropped: unparsable date, such as 'someday'" in message
    assert "--date-format" in message
    assert "--agree unparsable-date" in message
    with pytest.raises(LogError) as caught:
        read_log(path, LogColumns(), Choices(agreed=("unparsable date",)))
    assert "none of 10 rows" in str(caught.value)
    assert "unparsable date 9, missing customer 1" in str(caught.value)
    assert "'someday'" in str(caught.value)


def test_too_little_is_refused(tmp_path: Path) -> None:
    short = [
        (customer, day.replace("2026-03-12", "2026-02-24"), value) for customer, day, value in good_rows()
    ]
    assert "spans 55 days" in refusal(write(tmp_path / "short.csv", short))
    enough = [
        (customer, day.replace("2026-03-12", "2026-02-25"), value) for customer, day, value in good_rows()
    ]
    assert read_log(write(tmp_path / "enough.csv", enough), LogColumns()).customers == 50
    few = [row for row in good_rows() if row[0] != "c49"]
    assert "49 customers" in refusal(write(tmp_path / "few.csv", few))
    once = [(f"{day}{customer}", day, value) for customer, day, value in good_rows()]
    assert "no repeat purchases" in refusal(write(tmp_path / "once.csv", once))


# --- summaries


def test_summary_of_a_log_counted_by_hand(tmp_path: Path) -> None:
    extra = [
        ("d", "2026-01-15", "10"),
        ("d", "2026-01-29", "20"),
        ("d", "2026-02-05", "60"),
        ("e", "2026-02-26", "8"),
    ]
    log = read(tmp_path, extra)
    summary = summarise(log)
    assert summary.customers == 52
    assert (summary.frequency[0], summary.recency[0], summary.age[0], summary.monetary[0]) == (1, 10, 10, 300)
    assert (summary.frequency[50], summary.recency[50], summary.age[50], summary.monetary[50]) == (
        2,
        3,
        8,
        40,
    )
    assert (summary.frequency[51], summary.recency[51], summary.age[51], summary.monetary[51]) == (0, 0, 2, 0)
    assert first_weeks(log)[[0, 50, 51]] == pytest.approx([0, 2, 8])
    # c00-c49 buy again on day 70 (of week 11, which is not full), d on days 28 and 35.
    assert observed_cumulative_repeats(log).tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 2, 2]


def test_a_holdout_is_cut_off_at_a_day(tmp_path: Path) -> None:
    extra = [
        ("d", "2026-01-15", "10"),
        ("d", "2026-01-29", "20"),
        ("d", "2026-02-05", "60"),
        ("e", "2026-02-26", "8"),
    ]
    log = read(tmp_path, extra)
    summary = summarise(log, until=datetime.date(2026, 1, 29))
    assert summary.customers == 51
    assert (summary.frequency[50], summary.recency[50], summary.age[50], summary.monetary[50]) == (
        1,
        2,
        2,
        20,
    )
    assert summary.frequency[:50].sum() == 0
    assert len(first_weeks(log, datetime.date(2026, 1, 29))) == 51
    for outside in (datetime.date(2025, 12, 31), datetime.date(2026, 3, 13)):
        with pytest.raises(LogError, match="within the log"):
            summarise(log, until=outside)


# --- the optional columns


FULL = LogColumns("customer", "date", "value", "class", "promised", "delivered", "coupon", "channel")
FULL_HEADER = ["customer", "date", "value", "class", "promised", "delivered", "coupon", "channel"]


def full_log(tmp_path: Path, special: Rows) -> CleanLog:
    """The good rows say nothing in the optional columns; `special` rows do."""
    rows = [(*row, "", "", "", "", "") for row in good_rows()]
    return read_log(write(tmp_path / "log.csv", [*rows, *special], FULL_HEADER), FULL)


def test_absent_columns_give_none(tmp_path: Path) -> None:
    log = read(tmp_path, [])
    assert [shares(log, "delivery_class"), shares(log, "channel"), lateness(log), redemption(log)] == [None] * 4


def test_blank_columns_give_none_but_no_coupons(tmp_path: Path) -> None:
    log = full_log(tmp_path, [])
    assert [shares(log, "delivery_class"), shares(log, "channel"), lateness(log)] == [None] * 3
    used = redemption(log)
    assert used is not None
    assert (used.orders, used.share, used.share_se) == (100, 0, 0)


def test_shares_and_lateness_counted_by_hand(tmp_path: Path) -> None:
    log = full_log(
        tmp_path,
        [
            ("d", "2026-02-01", "5", "express", "2026-02-02", "2026-02-02", "SPRING", "web"),
            ("d", "2026-02-02", "5", "standard", "2026/02/05", "2026年2月4日", "0", "app"),
            ("d", "2026-02-03", "5", "standard", "2026-02-06", "2026-02-08 11:00", "no", "web"),
            ("d", "2026-02-04", "5", "ｓｔａｎｄａｒｄ", "2026-02-07", "2026-02-11", "500", "web"),
            ("d", "2026-02-05", "5", "", "2026-02-07", "soon", "なし", ""),
        ],
    )
    assert shares(log, "delivery_class") == {"standard": 0.75, "express": 0.25}
    assert shares(log, "channel") == {"web": 0.75, "app": 0.25}
    late = lateness(log)
    assert late is not None
    assert (late.orders, late.on_time, late.mean_days_late) == (4, 0.5, 3.0)
    assert late.on_time_se == pytest.approx(0.25)
    used = redemption(log)
    assert used is not None
    assert used.orders == 105
    assert used.share == pytest.approx(2 / 105)
    assert used.share_se == pytest.approx((2 / 105 * 103 / 105 / 105) ** 0.5)


def test_a_merged_day_takes_its_attributes_from_its_largest_order_and_any_coupon(tmp_path: Path) -> None:
    log = full_log(
        tmp_path,
        [
            ("d", "2026-02-01 08:00", "5", "express", "2026-02-02", "2026-02-02", "SPRING", "web"),
            ("d", "2026-02-01 09:00", "50", "standard", "2026-02-04", "2026-02-05", "", "app"),
        ],
    )
    day = log.purchases[log.purchases["customer"] == "d"]
    assert day[["value", "delivery_class", "channel", "coupon"]].to_numpy().tolist() == [
        [55.0, "standard", "app", True]
    ]
    late = lateness(log)
    assert late is not None
    assert (late.orders, late.on_time, late.mean_days_late) == (1, 0.0, 1.0)


# --- the example that comes with the project


def test_the_example_log_is_read_whole() -> None:
    log = read_log(EXAMPLE, LogColumns("CustomerID", "date", "revenue"))
    assert (log.rows_read, log.customers, drops(log)) == (5050, 1133, {})
    assert all(int(customer) % 2 == 1 for customer in log.purchases["customer"].unique())
    raw = pd.read_csv(EXAMPLE)
    assert log.purchases["value"].sum() == pytest.approx(raw["revenue"].sum())
    assert len(log.purchases) == len(
        raw.assign(day=raw["date"].str[:10]).drop_duplicates(["CustomerID", "day"])
    )
    assert EXAMPLE.stat().st_size < 120_000
