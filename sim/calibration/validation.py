"""A log's last weeks kept out, forecast from those before, and held against what came.

What is forecast is the orders (purchase days) of the customers who had bought by then: in total by week, and by how
often and since when they had bought. Newcomers, of whom the log knows nothing yet, are not counted.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.calibration.calibrate import LABEL, LEAST_FITTED_WEEKS, NAIVE_WEEKS
from sim.calibration.cleaning import Choices
from sim.calibration.forecast import Histories, Seasoned, expected_so_far, fit_seasoned, forecast, summary_in
from sim.calibration.log import AS_FOUND, CleanLog, LogColumns, read_log
from sim.calibration.repeat_buying import Model, fit_bg_nbd, fit_pareto_nbd
from sim.calibration.steady import said_of
from sim.config.seasons import Calendar
from sim.phrases import ConfigError, Phrase

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Say = Callable[[Phrase], None]

COUNT = 4000
"""Possible futures behind an interval."""
LOW, HIGH = 0.05, 0.95
REPEATS = (0, 1, 2, 3, 6)
"""Least repeats of each class by frequency."""
COHORT_WEEKS = 13
WEEKS_A_YEAR = 52
OURS, FLAT, SEASONAL = "cxsim", "flat", "seasonal naive"


@dataclass(frozen=True)
class Validation:
    """A forecast held against the weeks kept out. weeks, groups, methods, season: the tables of the folder.

    weeks: week (from 1, of the log), start, orders, forecast, low, high (90 % interval), inside, and a column a method.
    groups: by (frequency or cohort), group, customers, orders, forecast, low, high, inside.
    methods: method, forecast, low, high (ours alone), orders, error (a share of the orders), weekly_error (root mean
    square).
    season: week, start, orders, expected, index over the fitted weeks.
    """

    log: Path
    until: datetime.date
    fitted: Seasoned
    weeks: pd.DataFrame
    groups: pd.DataFrame
    methods: pd.DataFrame
    season: pd.DataFrame


def histories_of(clean: CleanLog, weeks: int) -> Histories:
    """What a fit of so many full weeks from the log's first day sees."""
    days = _days(clean)
    end = 7 * weeks - 1
    seen = pd.DataFrame({"customer": clean.purchases["customer"], "day": days})[days <= end]
    by_customer = seen.groupby("customer", sort=True)["day"]
    birth = by_customer.min()
    since = seen["day"] - seen["customer"].map(birth)
    young = (since[since > 0] <= weeks // 4 * 7).groupby(seen["customer"]).sum()
    return Histories(
        clean.first, birth.to_numpy(np.int64), by_customer.max().to_numpy(np.int64),
        np.asarray(by_customer.size(), np.float64) - 1, end, _by_week(seen["day"][since > 0], weeks),
        _by_week(seen["day"], weeks), np.asarray(young.reindex(birth.index, fill_value=0), np.float64),
    )  # fmt: skip


def _days(clean: CleanLog) -> pd.Series:
    return (clean.purchases["date"] - pd.Timestamp(clean.first)).dt.days


def _by_week(days: pd.Series, weeks: int) -> FloatArray:
    """Orders of the first so many weeks; (weeks,)."""
    return np.bincount(days.to_numpy(np.int64) // 7, minlength=weeks)[:weeks].astype(np.float64)


def fitted_weeks(clean: CleanLog, until: datetime.date | None, holdout: int | None) -> tuple[int, int]:
    """Full weeks fitted and full weeks kept out. Raises ConfigError where there are too few of either."""
    weeks = ((clean.last - clean.first).days + 1) // 7
    if until is not None:
        last = clean.first + datetime.timedelta(days=7 * (weeks - 1) - 1)
        least = clean.first + datetime.timedelta(days=7 * LEAST_FITTED_WEEKS - 1)
        if not least <= until <= last:
            raise ConfigError(
                "--until {until}: is not allowed; from {least} to {last} for this log, which has {weeks} full weeks",
                until=until, least=least, last=last, weeks=weeks,
            )
        fitted = ((until - clean.first).days + 1) // 7
        return fitted, weeks - fitted
    kept = min(COHORT_WEEKS, weeks // 4) if holdout is None else holdout
    if kept < 1 or weeks - kept < LEAST_FITTED_WEEKS:
        raise ConfigError(
            "--holdout {holdout}: is not allowed; from 1 to {most} of the log's {weeks} full weeks, since "
            "{least} are needed for the fit",
            holdout=kept, most=max(weeks - LEAST_FITTED_WEEKS, 0), weeks=weeks, least=LEAST_FITTED_WEEKS,
        )
    return weeks - kept, kept


def validate(
    log: Path, columns: LogColumns, *, choices: Choices = AS_FOUND, until: datetime.date | None = None,
    holdout: int | None = None, older: bool | None = None, calendar: Calendar | None = None, say: Say = print,
) -> Validation:  # fmt: skip
    """Fit what comes before, forecast what comes after, compare; `say` is told what was found.

    older: see fit_seasoned. calendar: from whose seasons the weekly index departs. Raises ConfigError of one line.
    """
    clean = read_log(log, columns, choices)
    fitted, kept = fitted_weeks(clean, until, holdout)
    found = fit_seasoned(histories_of(clean, fitted), kept, older, known_factors(calendar, clean.first, fitted + kept))
    for line in said_of(found):
        say(line)
    return held_against(log, clean, found, kept)


def known_factors(calendar: Calendar | None, first: datetime.date, weeks: int) -> FloatArray | None:
    """A calendar's factor on visits by week, without its weekdays, which a week has all of; (weeks,)."""
    if calendar is None or not calendar.seasons:
        return None
    return np.asarray(calendar.visits(first, 7 * weeks).reshape(weeks, 7).mean(axis=1))


def held_against(log: Path, clean: CleanLog, found: Seasoned, kept: int) -> Validation:
    """The forecast of a fit beside the `kept` weeks that came after it."""
    histories, fitted = found.histories, found.histories.weeks
    after = _orders_after(clean, fitted, kept)
    groupings = {"frequency": _by_frequency(histories.repeats), "cohort": _by_cohort(histories)}
    frequency, cohort = (group.codes for group in groupings.values())
    classes = frequency * (cohort.max() + 1) + cohort
    futures = forecast(found, classes, COUNT, seed=1)
    by_week, real = futures.sum(axis=1), after.sum(axis=0)
    methods = {OURS: np.median(by_week, axis=0), **_others(clean, histories, kept)}
    groups = [_groups_table(by, group, classes, futures, after) for by, group in groupings.items()]
    total = np.quantile(by_week.sum(axis=1), [0.5, LOW, HIGH])
    until = clean.first + datetime.timedelta(days=7 * fitted - 1)
    return Validation(
        log, until, found, _weeks_table(until, fitted, by_week, real, methods), pd.concat(groups, ignore_index=True),
        _methods_table(methods, total, real), season_table(found),
    )  # fmt: skip


def _orders_after(clean: CleanLog, fitted: int, kept: int) -> IntArray:
    """Orders by week after the fit of each customer known by then, as Histories has them; (customers, kept)."""
    week = (_days(clean) // 7).to_numpy()
    customers = clean.purchases["customer"]
    known = np.sort(customers[week < fitted].unique())
    place = pd.Index(known).get_indexer(customers)
    inside = (week >= fitted) & (week < fitted + kept) & (place >= 0)
    table = np.zeros((len(known), kept), np.int64)
    np.add.at(table, (place[inside], week[inside] - fitted), 1)
    return table


# --- what it is compared with -------------------------------------------------------------------------------


def _others(clean: CleanLog, histories: Histories, kept: int) -> dict[str, FloatArray]:
    """Other forecasts of the same orders by week, (kept,): closed forms of all customers, the last weeks continued and,
    where the log has the year before, its weeks at the level of the last ones."""
    even = np.ones(histories.weeks + kept)
    summary = summary_in(even, histories)
    found = {
        LABEL["bg_nbd"]: _closed_form(fit_bg_nbd(summary).model, histories, kept),
        LABEL["pareto_nbd"]: _closed_form(fit_pareto_nbd(summary).model, histories, kept),
        FLAT: np.full(kept, histories.by_week[-NAIVE_WEEKS:].mean()),
    }
    before = histories.weeks - WEEKS_A_YEAR
    if before >= NAIVE_WEEKS and kept <= WEEKS_A_YEAR:
        orders = histories.by_week
        level = orders[-NAIVE_WEEKS:].sum() / max(orders[before - NAIVE_WEEKS : before].sum(), 1.0)
        found[SEASONAL] = orders[before : before + kept] * level
    return found


def _closed_form(model: Model, histories: Histories, kept: int) -> FloatArray:
    ends = 7.0 * np.arange(histories.weeks, histories.weeks + kept + 1) - 1
    births, counts = np.unique(histories.birth, return_counts=True)
    return np.diff(expected_so_far(model, np.maximum(ends[:, None] - births, 0.0) / 7) @ counts)


# --- tables -------------------------------------------------------------------------------------------------


def _weeks_table(
    until: datetime.date, fitted: int, by_week: IntArray, real: IntArray, methods: Mapping[str, FloatArray]
) -> pd.DataFrame:
    kept = len(real)
    starts = [until + datetime.timedelta(days=1 + 7 * week) for week in range(kept)]
    low, high = np.quantile(by_week, [LOW, HIGH], axis=0)
    middle = methods[OURS]
    others = {name: weekly for name, weekly in methods.items() if name != OURS}
    return pd.DataFrame({
        "week": np.arange(fitted + 1, fitted + kept + 1), "start": [str(day) for day in starts], "orders": real,
        "forecast": middle, "low": low, "high": high, "inside": (low <= real) & (real <= high), **others,
    })  # fmt: skip


class Groups(NamedTuple):
    """Customers in groups: each customer's, from 0, (customers,), and the groups' names."""

    codes: IntArray
    names: list[str]


def _by_frequency(repeats: FloatArray) -> Groups:
    """Customers by the repeats they had."""
    ends = [*(least - 1 for least in REPEATS[1:]), None]
    names = [str(least) if least == end else f"{least}-{end}" if end else f"{least}+"
             for least, end in zip(REPEATS, ends, strict=True)]  # fmt: skip
    return Groups(np.searchsorted(REPEATS, repeats, side="right").astype(np.int64) - 1, names)


def _by_cohort(histories: Histories) -> Groups:
    """Customers by the quarter of the log in which they first bought, named by its first day."""
    codes = histories.birth // (7 * COHORT_WEEKS)
    days = (histories.first + datetime.timedelta(days=7 * COHORT_WEEKS * n) for n in range(int(codes.max()) + 1))
    return Groups(codes, [str(day) for day in days])


def _groups_table(
    by: str, groups: Groups, classes: IntArray, futures: IntArray, after: IntArray
) -> pd.DataFrame:
    rows = []
    for code, name in enumerate(groups.names):
        members = groups.codes == code
        possible = futures[:, np.unique(classes[members])].sum(axis=(1, 2))
        low, middle, high = np.quantile(possible, [LOW, 0.5, HIGH])
        orders = int(after[members].sum())
        rows.append((by, name, int(members.sum()), orders, middle, low, high, bool(low <= orders <= high)))
    return pd.DataFrame(rows, columns=["by", "group", "customers", "orders", "forecast", "low", "high", "inside"])


def _methods_table(methods: Mapping[str, FloatArray], total: FloatArray, real: IntArray) -> pd.DataFrame:
    """A row a method; `total` is of ours, median, low and high: the median is not the sum of the weeks' medians."""
    rows = []
    for name, weekly in methods.items():
        forecast, low, high = total if name == OURS else (weekly.sum(), np.nan, np.nan)
        error = forecast / real.sum() - 1 if real.sum() else np.nan
        apart = float(np.sqrt(np.mean((weekly - real) ** 2)))
        rows.append((name, float(forecast), float(low), float(high), int(real.sum()), float(error), apart))
    columns = ["method", "forecast", "low", "high", "orders", "error", "weekly_error"]
    return pd.DataFrame(rows, columns=columns)


def season_table(found: Seasoned) -> pd.DataFrame:
    """Orders, their expectation and the index by fitted week."""
    start = pd.Timestamp(found.histories.first)
    weeks = np.arange(found.histories.weeks)
    return pd.DataFrame({
        "week": weeks + 1, "start": [str((start + pd.Timedelta(days=7 * int(week))).date()) for week in weeks],
        "orders": found.histories.by_week.astype(np.int64), "expected": found.expected,
        "index": found.season.index[: len(weeks)],
    })  # fmt: skip
