"""Evidence as firms have it: what cannot be used is left out and told, and what is written otherwise is understood."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from sim.learning.firm_tables import score
from sim.learning.learn import KINDS
from sim.learning.pieces import Observed, read_evidence
from sim.phrases import ConfigError

FIRST = datetime.date(2025, 1, 1)
Parcel = tuple[str, datetime.date, datetime.date, datetime.date]


def parcels() -> list[Parcel]:
    """1,200 parcels of 150 customers, two in fifteen of them three days late."""
    rng = np.random.default_rng(3)
    found = []
    for place in range(1200):
        ordered = FIRST + datetime.timedelta(int(place / 6))
        promised = ordered + datetime.timedelta(4)
        delivered = promised + datetime.timedelta(3 * (place % 15 < 2))
        found.append((f"m{rng.integers(150):03}", ordered, promised, delivered))
    return found


PARCELS = parcels()


def observed(folder: Path, node: dict[str, object], text: str | bytes = "") -> tuple[Observed, str]:
    """What a piece says of a table, and what it tells."""
    if text:
        (folder / "table.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    path = folder / "evidence.yaml"
    path.write_text(yaml.safe_dump({"x": node}, allow_unicode=True), encoding="utf-8")
    (piece,) = read_evidence(path, KINDS)
    return piece.observed(), "\n".join(map(str, piece.told))


def history(change: Callable[[int, Parcel], tuple[object, ...]] = lambda _place, row: row, sign: str = ",") -> str:
    rows = [change(place, row) for place, row in enumerate(PARCELS)]
    return "\n".join(sign.join(map(str, row)) for row in [("customer", "ordered", "promised", "delivered"), *rows])


LATENESS: dict[str, object] = {"kind": "lateness", "file": "table.csv", "within": 60}


@pytest.mark.parametrize(
    "text",
    [
        history(sign=";"),
        history().encode("utf-16"),
        "A report\n\n" + history(),
        history(lambda _, row: (row[0], *(f"{day}T10:00:00+09:00" for day in row[1:]))),
        history(lambda _, row: (row[0], *(f"{day:%d.%m.%Y}" for day in row[1:]))),
        history(lambda _, row: (row[0], *(f"{day.year}年{day.month}月{day.day}日" for day in row[1:]))),
    ],
)
def test_each_form_says_the_same(tmp_path: Path, text: str | bytes) -> None:
    plain, _ = observed(tmp_path, LATENESS, history())
    found, _ = observed(tmp_path, LATENESS, text)
    assert found.values == pytest.approx(plain.values)
    assert str(found.size) == str(plain.size)


def test_parcels_under_way_are_left_out_and_their_orders_count(tmp_path: Path) -> None:
    plain, _ = observed(tmp_path, LATENESS, history())
    text = history(lambda place, row: (*row[:3], "" if place % 20 == 0 else row[3]))
    found, told = observed(tmp_path, LATENESS, text)
    assert "60 parcels are not delivered yet and left out" in told
    (level,), (expected,) = (one.levels.values() for one in (found, plain) if one.levels)
    assert level[0] == pytest.approx(expected[0], abs=0.02)


def test_guests_are_no_customer_who_comes_back(tmp_path: Path) -> None:
    plain, _ = observed(tmp_path, LATENESS, history())
    found, told = observed(tmp_path, LATENESS, history(lambda place, row: ("" if place % 3 == 0 else row[0], *row[1:])))
    assert "400 rows (33.3 %) are of guests (blank) and left out" in told
    (level,), (expected,) = (one.levels.values() for one in (found, plain) if one.levels)
    assert level[0] < expected[0]


@pytest.mark.parametrize("bad", ["2024-12-01", "soon", "2099-12-31"])
def test_one_bad_row_is_left_out_and_told(tmp_path: Path, bad: str) -> None:
    _, told = observed(tmp_path, LATENESS, history(lambda place, row: (*row[:3], bad if place == 500 else row[3])))
    assert f"1 rows left out: delivered: '{bad}' is not allowed" in told


def test_many_bad_rows_stop_until_agreed(tmp_path: Path) -> None:
    text = history(lambda place, row: (*row[:3], "soon" if place % 20 == 0 else row[3]))
    with pytest.raises(ConfigError, match=r"'soon' is not allowed; .*60 of 1200 rows.* agree: \[delivered\]"):
        observed(tmp_path, LATENESS, text)
    _, told = observed(tmp_path, LATENESS | {"agree": ["delivered"]}, text)
    assert "60 rows left out" in told


def test_open_dates_name_the_key(tmp_path: Path) -> None:
    text = history(lambda _, row: (row[0], *(f"{day.month}/{min(day.day, 12)}/{day.year}" for day in row[1:])))
    with pytest.raises(ConfigError, match="date_format: mm/dd/yyyy"):
        observed(tmp_path, LATENESS, text)
    observed(tmp_path, LATENESS | {"date_format": "mm/dd/yyyy"}, text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("10 - Extremely likely", 10), ("0 (Not at all likely)", 0), ("8点", 8), ("9/10", 9), ("7.0", 7), ("10", 10),
        ("Extremely likely - 10", 10), ("3: poor", 3), ("10＝とても薦めたい", 10), ("10 とても薦めたい", 10),
        ("likely", np.nan), ("7-8", np.nan), ("", np.nan), ("110", np.nan),
    ],
)  # fmt: skip
def test_answers_with_words_beside_them(text: str, number: float) -> None:
    assert score(text) == pytest.approx(number, nan_ok=True)


def test_a_survey_with_blanks_and_labels(tmp_path: Path) -> None:
    answers = [place % 11 for place in range(440)]
    shown = ["10 - Extremely likely" if one == 10 else f"{one}点" if one % 2 else one for one in answers]
    rows = [f"m{place % 150},{one},{place % 3}" for place, one in enumerate(shown)] + [",,1"] * 80
    node: dict[str, object] = {"kind": "survey", "file": "table.csv", "within": 60}
    found, told = observed(tmp_path, node, "customer,answer,orders\n" + "\n".join(rows))
    assert found.values[0] == pytest.approx(np.mean(answers))
    assert "80 rows without an answer are left out" in told


TEST: dict[str, object] = {"kind": "ab_test", "scenario": "norush_coupon", "metric": "buyers_per_visitor", "window": 28}
CONTROL, TREATED = {"visitors": 9000, "buyers": 900}, {"users": 9000, "conversions": 990}


def test_counts_give_lift_and_error(tmp_path: Path) -> None:
    """By hand: shares of 0.1 and 0.11; variances of shares p (1 - p) / n; of their ratio by the delta method."""
    found, _ = observed(tmp_path, TEST | {"control": CONTROL, "treated": TREATED})
    assert found.values[0] == pytest.approx(0.1)
    assert found.errors[0] == pytest.approx(1.1 * np.sqrt(0.9 / 900 + 0.89 / 990))
    assert "18,000 customers" in str(found.size)
    found, _ = observed(tmp_path, TEST | {"control": CONTROL, "treated": TREATED, "scale": "absolute"})
    assert found.values[0] == pytest.approx(1.0)
    assert found.errors[0] == pytest.approx(100 * np.sqrt(0.1 * 0.9 / 9000 + 0.11 * 0.89 / 9000))


@pytest.mark.parametrize(
    "stated",
    [
        {"lift": "9.8 %", "scale": "relative", "interval": ["0.5%", "19.1 %"], "level": 95},
        {"lift": 0.098, "scale": "relative", "interval": [0.005, 0.191], "level": 0.95},
        {"lift": "9.8％", "scale": "relative", "interval": [0.005, 0.191], "level": "95 %"},
        {"lift": "9.8 %", "scale": "relative", "se": "4.7448 %"},
    ],
)
def test_per_cent_is_understood(tmp_path: Path, stated: dict[str, object]) -> None:
    found, _ = observed(tmp_path, TEST | stated)
    assert found.values[0] == pytest.approx(0.098)
    assert found.errors[0] == pytest.approx(0.186 / 2 / 1.959964, rel=1e-4)


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"lift": 9.8, "scale": "relative", "se": 4}, r"it is \+980 %. If per cent is meant, write '9.8 %'"),
        ({"control": CONTROL}, "give both control and treated"),
        ({"control": CONTROL, "treated": TREATED, "lift": 0.1}, "lift: follows from control and treated"),
        ({"control": CONTROL, "treated": {"buyers": 3}}, "treated: .* such as {visitors: 9000, buyers: 800}"),
        ({"control": CONTROL, "treated": {"visitors": 10, "buyers": 11}}, "buyers: 11 of 10 visitors is not allowed"),
        ({"control": CONTROL, "treated": TREATED, "metric": "nps"}, "counts give a share, and nps is none"),
        ({"scale": "relative", "se": 1}, "lift: is missing; or give control and treated"),
        ({"lift": 0.1, "se": 1}, "scale: is missing"),
        ({"lift": 0.1, "scale": "relative", "se": 0}, "se: 0 is not allowed; above 0"),
    ],
)
def test_a_test_that_says_too_little_or_too_much(tmp_path: Path, stated: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        observed(tmp_path, TEST | stated)
