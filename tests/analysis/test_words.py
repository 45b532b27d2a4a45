"""Numbers as they are shown: no sign is lost in rounding, and a lever's value has its unit."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.style import words
from analysis.style.language import told_in
from scenarios.intervention import REGISTRY, completed

SIZES = st.floats(1e-12, 1e6).map(lambda size: float(f"{size:.6g}"))


@pytest.mark.parametrize(
    ("low", "high", "places", "told"),
    [
        (0.004, 12.3, 1, "+0.004 to +12.3"),
        (-0.09, -0.0004, 2, "-0.09 to -0.0004"),
        (0.3, 2300.0, 0, "+0.3 to +2,300"),
        (-0.004, 12.3, 1, "-0.004 to +12.3"),  # undecided, and by how little
        (0.0, 12.3, 1, "0.0 to +12.3"),  # zero itself is shown as such
        (-0.0, 0.0, 2, "0.00 to 0.00"),
        (-1e-15, 2.0, 2, "-0.00 to +2.00"),  # a residue of floating point is not told from zero
        (-9e-5, 0.26, 2, "-0.00 to +0.26"),
        (0.06, 0.31, 2, "+0.06 to +0.31"),
    ],
)
def test_an_end_that_would_round_to_zero_keeps_its_first_digit_or_at_least_its_sign(
    low: float, high: float, places: int, told: str
) -> None:
    assert words.span(low, high, places) == told


@given(SIZES, SIZES, SIZES, st.sampled_from([1, -1]), st.sampled_from([None, 0, 1, 2, 3]))
def test_an_interval_clear_of_zero_is_never_shown_with_a_zero_end(
    one: float, two: float, effect: float, side: int, places: int | None
) -> None:
    low, high = sorted((side * one, side * two))
    places = words.decimals(effect, low, high) if places is None else places
    shown = [*words.span(low, high, places).split(" to "), words.signed(side * effect, places)]
    assert [told[0] for told in shown] == ["+" if side > 0 else "-"] * 3
    if min(one, two, effect) >= words.FINEST:
        assert all(re.search("[1-9]", told) for told in shown)


def test_where_there_is_no_number_there_is_a_dash() -> None:
    assert (words.signed(math.nan), words.span(math.nan, 1.0)) == ("-", "-")


# -- levers -----------------------------------------------------------------------------------------------------


def test_a_value_has_its_unit_where_that_helps() -> None:
    told = [words.amount(1.3, unit) for unit in ("yen", "share of capacity", "ratio to mean orders", "1", "")]
    assert told == ["1.3 yen", "1.3", "1.3", "1.3", "1.3"]
    with told_in("ja"):
        assert words.amount(150, "yen") == "150円"


def test_units_are_of_options_that_there_are() -> None:
    completed({})  # which registers all kinds
    options = {name for kind in REGISTRY.values() for name in kind.model_fields}
    assert options >= words.OPTION_UNITS.keys()
    assert words.option_unit("scenario.a.interventions.b.face") == "yen"
    assert words.option_unit("company.days") == ""


def test_a_true_minus_stands_before_a_number_and_not_within_it() -> None:
    assert re.sub(r"\d", "0", words.typeset("-1e-15 to -3")) == "\N{MINUS SIGN}0e-00 to \N{MINUS SIGN}0"
