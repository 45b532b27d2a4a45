"""Dates: which days a season, a weekday and a rest mean, and which day of the horizon is which date."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from sim.config.seasons import FLAT, Calendar, Dates, DaysOfYear
from sim.config.settings import Settings, resolved
from tests.config.compose import raw, shipped

NEW_YEAR = date(2027, 1, 1)  # a Friday


def calendar(**given: object) -> Calendar:
    return Calendar.read({**FLAT.model_dump(), "weekdays": FLAT.weekdays, **given})


def meant(first: date, days: int, **stated: object) -> list[str]:
    """The dates meant, month and day."""
    on = DaysOfYear.read(stated).on(Dates.of(first, days))
    return [(first + timedelta(days=int(day))).isoformat()[5:] for day in np.flatnonzero(on)]


def test_dates_are_those_of_the_standard_library() -> None:
    first = date(1999, 11, 3)
    dates = Dates.of(first, 1500)
    for day, found in enumerate(zip(*dates, strict=True)):
        known = first + timedelta(days=day)
        assert found == (known.month, known.day, known.weekday())


def test_a_span_recurs_every_year_and_may_pass_over_its_turn() -> None:
    assert meant(NEW_YEAR, 730, dates="08-13..08-14") == ["08-13", "08-14"] * 2
    assert meant(date(2027, 12, 20), 30, dates="12-30..01-02") == ["12-30", "12-31", "01-01", "01-02"]
    assert meant(NEW_YEAR, 365, dates=["12-25", "04-01..04-02"]) == ["04-01", "04-02", "12-25"]
    assert meant(date(2028, 2, 27), 5, dates="02-28..03-01") == ["02-28", "02-29", "03-01"]


def test_weekdays_days_of_the_month_and_all_that_is_stated_together() -> None:
    assert meant(NEW_YEAR, 16, every="friday") == ["01-01", "01-08", "01-15"]
    assert meant(NEW_YEAR, 31, days_of_month=[5, 15, 25]) == ["01-05", "01-15", "01-25"]
    assert meant(NEW_YEAR, 365, dates="11-23..11-29", every="friday") == ["11-26"]


def test_seasons_that_meet_are_multiplied_and_the_week_keeps_its_mean() -> None:
    seasons = {"a": {"dates": "01-05..01-06", "multiplier": 2}, "b": {"dates": "01-06", "multiplier": 1.5}}
    assert calendar(seasons=seasons).visits(NEW_YEAR, 7).tolist() == [1, 1, 1, 1, 2, 3, 1]
    week = dict.fromkeys(FLAT.weekdays.model_dump(), 1.0) | {"sunday": 8.0}
    visits = calendar(weekdays=week).visits(NEW_YEAR, 7)
    assert visits.tolist() == [0.5, 0.5, 4, 0.5, 0.5, 0.5, 0.5]
    assert (FLAT.visits(NEW_YEAR, 400) == 1.0).all()


def test_the_start_date_says_which_day_is_which_also_before_day_0() -> None:
    """A season of December lies before day 0 from New Year, and on the last days from 1 February."""
    for start, days in (("2027-01-01", range(-31, 0)), ("2027-02-01", range(303, 334))):
        found = shipped("calendar=flat", f"start_date={start}", "burn_in=31",
                        "+calendar.seasons.x={dates: 12-01..12-31, multiplier: 2}")  # fmt: skip
        visits = found.calendar.visits(found.first_date, 31 + 365)
        assert (np.flatnonzero(visits == 2.0) - 31).tolist()[: len(days)] == list(days)


def test_flat_is_the_shipped_file() -> None:
    assert shipped("calendar=flat").calendar == FLAT


def test_a_calendar_can_be_run_again(raw_default: Settings) -> None:
    from sim.config.settings import load_settings

    assert load_settings({**resolved(raw_default), "engine": "column", "threads": 1}).calendar == raw_default.calendar


@pytest.fixture(scope="module")
def raw_default() -> Settings:
    return shipped()


# -- interventions ---------------------------------------------------------------------------------------------------

PEAK = "scenario.norush_coupon_peak.interventions.norush_coupon_peak"


@pytest.mark.parametrize(
    ("start_date", "start", "days", "window"),
    [
        ("2027-01-01", "2027-03-01", "6", (59, 6)),
        ("2027-01-01", "03-01", "03-14", (59, 14)),
        ("2027-03-02", "03-01", "2028-03-01", (365, 1)),  # 2028 is a leap year: the horizon ends on 1 March
        ("2027-01-01", "20", "01-31", (20, 11)),
        ("2027-06-10", "06-10", "06-10", (0, 1)),
    ],
)
def test_dates_of_interventions_are_days(start_date: str, start: str, days: str, window: tuple[int, int]) -> None:
    found = shipped("scenario=norush_coupon_peak", "days=366", f"start_date={start_date}", f"{PEAK}.start={start}",
                    f"{PEAK}.days={days}")  # fmt: skip
    options = found.scenario["norush_coupon_peak"].interventions["norush_coupon_peak"].options
    assert (options["start"].value, options["days"].value) == window


def test_the_shipped_sale_and_its_coupon_are_on_the_same_days() -> None:
    found = shipped("scenario=norush_coupon_peak", "start_date=2026-10-01", "days=365")
    options = found.scenario["norush_coupon_peak"].interventions["norush_coupon_peak"].options
    sale = found.calendar.seasons["sale"].on(Dates.of(found.start_date, found.days))
    first, days = int(options["start"].value), int(options["days"].value)
    assert np.flatnonzero(sale).tolist() == list(range(first, first + days))


# -- maps emptied ----------------------------------------------------------------------------------------------------


def test_an_empty_map_empties_and_what_follows_is_added() -> None:
    from cxsim.compose import asked

    assert len(raw()["calendar"]["seasons"]) == 5
    assert asked(["calendar.seasons={}"]).settings.calendar.seasons == {}
    assert asked(["market.topics={}"]).settings.market.topics == {}
    both = asked(["calendar.seasons={}", "+calendar.seasons.x={dates: 06-01, multiplier: 2}"]).settings
    assert list(both.calendar.seasons) == ["x"]
    later = asked(["+calendar.seasons.x={dates: 06-01, multiplier: 2}", "calendar.seasons={}"]).settings
    assert later.calendar.seasons == {}
