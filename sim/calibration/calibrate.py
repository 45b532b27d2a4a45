"""From a log of purchases to a company: fit, correct, test on weeks kept out.

Both dropout clocks are fitted (BG/NBD: lapse by episode, Pareto/NBD: lapse by time) and the value of an order by
gamma-gamma. The simulator adds to these models what they leave out: attrition waits for the delivery, satisfaction
varies and moves it, and nobody orders twice a day. So the fit's own parameters do not quite give the fit's repeats;
purchase rate and lapse are corrected until the simulated cohort of the log has them, in total at the end of the
fitted weeks and at half-time (docs/ODD.md 5).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.calibration import lapse
from sim.calibration import log as transactions
from sim.calibration.cleaning import such
from sim.calibration.cohort import CLOCK, expected_repeats, pilot_references, simulate
from sim.calibration.log import AS_FOUND, Choices, CleanLog, LogColumns
from sim.calibration.log_columns import Evidence, evidence_of
from sim.calibration.repeat_buying import (
    BgNbd,
    Fit,
    GammaGamma,
    Model,
    ParetoNbd,
    RfmSummary,
    fit_bg_nbd,
    fit_gamma_gamma,
    fit_pareto_nbd,
)
from sim.config.settings import Settings
from sim.phrases import ConfigError, Phrase, enumerated

FloatArray = NDArray[np.float64]
Say = Callable[[Phrase], None]
PurchaseFit = Fit[BgNbd] | Fit[ParetoNbd]

LABEL = {"bg_nbd": "BG/NBD", "pareto_nbd": "Pareto/NBD"}
SIMULATED = {"bg_nbd": Phrase("simulated, episode clock"), "pareto_nbd": Phrase("simulated, time clock")}
YEAR = 52.0
"""Weeks over which the uncertainty of expected repeats is stated."""

STEPS = 5
CLOSE = 0.002
"""Corrections stop once the simulated repeats are this near to the fitted ones: the size of the Monte Carlo error."""
RIDGE = 1e-4
"""Damping of the correction, which leaves lapse as fitted where moving it hardly moves repeats."""
NUDGE = 1e-3
LARGEST_STEP = 0.5
NOTABLE = 0.05
"""Share of the log's repeats by which a fit may miss them without a word."""
NAIVE_WEEKS = 8
"""The naive forecast continues the average of so many last weeks."""
LEAST_FITTED_WEEKS = 8
ONE_VALUE = 1e-9
NARROW = 1e4
"""Shapes p and q of gamma-gamma for a firm with one price: baskets then differ by some 1 %."""


@dataclass(frozen=True)
class Clock:
    """One dropout clock, fitted and corrected. Curves: cumulative repeats of the log's cohort by week, (weeks,).

    target: the fit, its lapse replaced where the log leaves it open (`open_lapse`). corrected: what the simulator is
    given so that it repeats the target. year_se: standard error of a year's expected repeats, as a share of them, all
    parameters together; separate_se: what drawing each by itself would make of it.
    """

    key: str
    fit: PurchaseFit
    target: Model
    open_lapse: lapse.OpenLapse | None
    corrected: Model
    closed: FloatArray
    before: FloatArray
    after: FloatArray
    noise: float
    year_se: float
    separate_se: float
    alpha_se: float


@dataclass(frozen=True)
class Calibration:
    """All that was learned from a log. `observed`: cumulative repeats of its cohort by week, (weeks,).

    spend: None of a log without values.
    """

    name: str
    log: Path
    clean: CleanLog
    summary: RfmSummary
    fitted_weeks: int
    observed: FloatArray
    clocks: tuple[Clock, ...]
    spend: Fit[GammaGamma] | None
    yen: float
    evidence: Evidence

    def curves(self) -> dict[str, FloatArray]:
        """Cumulative repeats by week under every reading, by the names the picture and the tables use."""
        found = {"log": self.observed}
        for clock in self.clocks:
            found |= {LABEL[clock.key]: clock.closed, str(SIMULATED[clock.key]): clock.after}
        return found

    def weekly(self) -> pd.DataFrame:
        """Repeat purchases a week: column `week` (from 1) and one per reading of `curves`."""
        frame = pd.DataFrame({name: np.diff(curve, prepend=0.0) for name, curve in self.curves().items()})
        frame.insert(0, "week", np.arange(1, len(frame) + 1))
        return frame


def calibrate(
    log: Path, columns: LogColumns, name: str, settings: Settings, *, choices: Choices = AS_FOUND, holdout: int = 0,
    yen: float = 1.0, say: Say = print,
) -> Calibration:  # fmt: skip
    """Fit a log and correct the fit; `say` is told each finding as it is made.

    settings: the shipped configuration; behaviour and company beyond the log come from it. choices: what is known of
    the log beyond its columns. holdout: weeks at the
    end that are kept out of the fit. yen: yen per unit of the log's currency. Raises ConfigError of one line.
    """
    clean = transactions.read_log(log, columns, choices)
    until, fitted_weeks = _end_of_fit(clean, holdout)
    summary = transactions.summarise(clean, until)
    _tell_log(log, clean, summary, until, say)
    try:
        fits: dict[str, PurchaseFit] = {"bg_nbd": fit_bg_nbd(summary), "pareto_nbd": fit_pareto_nbd(summary)}
        spend = _spend(summary, yen) if clean.valued else None
    except OverflowError:
        raise ConfigError("{log}: values are too large to fit", log=log) from None
    if spend is not None and spend.model.q <= 1.0:
        raise ConfigError(
            "{log}: values are so unequal that they have no mean (gamma-gamma q={q:.2f}, at most 1); look for order "
            "values that are none, or leave out wholesale customers",
            log=log, q=spend.model.q,
        )
    births = np.rint(7 * transactions.first_weeks(clean, until))
    observed = transactions.observed_cumulative_repeats(clean, until)
    _tell_fits(fits, spend, yen, say)
    evidence = evidence_of(clean, settings, say)
    clocks = tuple(
        _clock(key, fit, summary, births, len(observed), fitted_weeks, settings, say) for key, fit in fits.items()
    )
    found = Calibration(name, log, clean, summary, fitted_weeks, observed, clocks, spend, yen, evidence)
    for line in _against_the_log(found):
        say(line)
    return found


def _spend(summary: RfmSummary, yen: float) -> Fit[GammaGamma]:
    """Gamma-gamma in yen. Where all orders have one value there is no spread to fit: it is written as narrow."""
    money = summary.monetary[summary.monetary > 0]
    if len(money) and np.ptp(money) <= ONE_VALUE * money.mean():
        model = GammaGamma(NARROW, NARROW, float(money.mean()) * yen * (NARROW - 1) / NARROW)
        return Fit(model, 0.0, np.zeros((3, 3)), True, len(money))
    spend = fit_gamma_gamma(summary)
    return replace(spend, model=replace(spend.model, gamma=spend.model.gamma * yen))


def _end_of_fit(clean: CleanLog, holdout: int) -> tuple[datetime.date | None, int]:
    """Last day of the fit (None: the log's) and the full weeks up to it."""
    weeks = ((clean.last - clean.first).days + 1) // 7
    if holdout == 0:
        return None, weeks
    if holdout < 0 or weeks - holdout < LEAST_FITTED_WEEKS:
        raise ConfigError(
            "--holdout {holdout}: is not allowed; from 1 to {most} of the log's {weeks} full weeks, since "
            "{least} are needed for the fit",
            holdout=holdout, most=max(weeks - LEAST_FITTED_WEEKS, 0), weeks=weeks, least=LEAST_FITTED_WEEKS,
        )
    return clean.first + datetime.timedelta(days=7 * (weeks - holdout) - 1), weeks - holdout


# --- one clock ----------------------------------------------------------------------------------------------


def _clock(
    key: str, fit: PurchaseFit, summary: RfmSummary, births: FloatArray, weeks: int, fitted_weeks: int,
    settings: Settings, say: Say,
) -> Clock:  # fmt: skip
    """Simulate the log's cohort under one fitted model and correct it."""
    open_lapse = _weighed(key, fit, summary, say)
    target = open_lapse.model if open_lapse else fit.model
    run = pilot_references(settings, target)
    simulated = partial(simulate, settings, run, days=7 * weeks)
    closed = closed_curve(target, births, weeks)
    marks = np.array([fitted_weeks // 2, fitted_weeks]) - 1
    first = simulated(target)
    before = first.of_cohort(births, weeks)
    model, after, noise = target, before, first.relative_se
    start = target
    moved = np.zeros(2)
    for _ in range(STEPS):
        missed = np.log(after[marks] / closed[marks])
        if np.abs(missed).max() < CLOSE:
            break
        moved = moved + _step(start, moved, births, weeks, marks, missed)
        model = shifted(start, moved)
        found = simulated(model)
        after, noise = found.of_cohort(births, weeks), found.relative_se
    year_se, separate_se = _year_errors(fit, target, open_lapse, summary)
    alpha_se = year_se / abs(float(_gradient(model)[1])) * model.alpha
    clock = Clock(key, fit, target, open_lapse, model, closed, before, after, noise, year_se, separate_se, alpha_se)
    for line in _correction(clock, marks):
        say(line)
    return clock


def _weighed(key: str, fit: PurchaseFit, summary: RfmSummary, say: Say) -> lapse.OpenLapse | None:
    """Lapse by a weak prior where the log leaves it open."""
    if not set(fit.unidentified) & {"a", "b", "s", "beta"}:
        return None
    found = lapse.weigh(fit.model, summary)
    rate = (
        Phrase("{median:.2g} % an order", median=100 * found.median) if key == "bg_nbd" else
        Phrase("{median:.2g} % a week", median=100 * found.median)
    )  # fmt: skip
    say(Phrase(
        "{model}: the log leaves lapse open ({names} not identified). With a weak prior around the default company's "
        "it is {rate} (90 %: {low:.2g} to {high:.2g} %), log-likelihood {short:.1f} below the maximum",
        model=LABEL[key], names=" and ".join(fit.unidentified), rate=rate, low=100 * found.low, high=100 * found.high,
        short=fit.log_likelihood - found.log_likelihood,
    ))  # fmt: skip
    return found


def closed_curve(model: Model, first_days: FloatArray, weeks: int) -> FloatArray:
    """The model's expected cumulative repeats of a cohort by week, a week ending with its last day; (weeks,)."""
    births, counts = np.unique(first_days, return_counts=True)
    since = np.maximum(7.0 * np.arange(1, weeks + 1)[:, None] - 1 - births, 0.0)
    days, place = np.unique(since, return_inverse=True)
    return np.asarray(expected_repeats(model, days / 7)[place.reshape(since.shape)] @ counts)


def shifted(model: Model, by: FloatArray) -> Model:
    """The model with log alpha and the level of lapse moved: logit of a/(a+b) at a+b held, or log of 1/beta."""
    alpha = model.alpha * float(np.exp(by[0]))
    if isinstance(model, ParetoNbd):
        return replace(model, alpha=alpha, beta=model.beta * float(np.exp(-by[1])))
    odds, total = model.a / model.b * float(np.exp(by[1])), model.a + model.b
    return replace(model, alpha=alpha, a=total * odds / (1 + odds), b=total / (1 + odds))


def _step(
    start: Model, moved: FloatArray, births: FloatArray, weeks: int, marks: NDArray[np.int64], missed: FloatArray
) -> FloatArray:
    """Gauss-Newton step; the closed form's slopes stand in for the simulator's, which noise would blur."""

    def logs(by: FloatArray) -> FloatArray:
        return np.asarray(np.log(closed_curve(shifted(start, by), births, weeks)[marks]))

    slopes = np.column_stack([(logs(moved + h) - logs(moved - h)) / (2 * NUDGE) for h in NUDGE * np.eye(2)])
    ridge = RIDGE * np.diag([0.0, 1.0])
    step = np.linalg.solve(slopes.T @ slopes + ridge, -slopes.T @ missed - ridge @ moved)
    return np.asarray(np.clip(step, -LARGEST_STEP, LARGEST_STEP))


# --- uncertainty --------------------------------------------------------------------------------------------


def _log_year(log_parameters: FloatArray, kind: type[Model]) -> float:
    return float(np.log(expected_repeats(kind(*np.exp(log_parameters)), np.array([YEAR]))[0]))


def _gradient(model: Model) -> FloatArray:
    """Slopes of the log of a year's expected repeats in the log-parameters, (4,)."""
    at = np.log([getattr(model, field.name) for field in fields(model)])
    steps = NUDGE * np.eye(len(at))
    return np.array([_log_year(at + h, type(model)) - _log_year(at - h, type(model)) for h in steps]) / (2 * NUDGE)


def _year_errors(
    fit: PurchaseFit, target: Model, open_lapse: lapse.OpenLapse | None, summary: RfmSummary
) -> tuple[float, float]:
    """Relative standard error of a year's expected repeats: jointly, and were all parameters independent.

    By the delta method. Where lapse is open its covariance says nothing; then the joint one is the plain sampling
    error of repeats per customer.
    """
    slopes = _gradient(target)
    if open_lapse is None:
        joint = float(np.sqrt(slopes @ fit.covariance @ slopes))
        return joint, float(np.sqrt(slopes**2 @ np.diag(fit.covariance)))
    x = summary.frequency
    joint = float(np.std(x) / np.sqrt(len(x)) / np.mean(x))
    return joint, float(np.sqrt(slopes[:2] ** 2 @ np.diag(fit.covariance)[:2]))


def mean_basket_se(fit: Fit[GammaGamma]) -> float:
    """Relative standard error of the mean value of an order, by the delta method."""
    slopes = np.array([1.0, -fit.model.q / (fit.model.q - 1.0), 1.0])
    return float(np.sqrt(slopes @ fit.covariance @ slopes))


# --- what is said -------------------------------------------------------------------------------------------


def _tell_log(log: Path, clean: CleanLog, summary: RfmSummary, until: datetime.date | None, say: Say) -> None:
    for line in clean.told:
        say(line)
    dropped = enumerated(
        Phrase("{count} {rule}{such}", count=count, rule=Phrase(rule), such=such(clean.examples.get(rule)))
        for rule, count in clean.dropped.items() if count
    )  # fmt: skip
    say(Phrase(
        "{file}: {rows} rows; dropped: {dropped}; {merged} merged into the same customer's day",
        file=log.name, rows=clean.rows_read, dropped=dropped or Phrase("nothing"), merged=clean.merged,
    ))  # fmt: skip
    say(Phrase(
        "{customers} customers, {days} purchase days, {first} to {last} ({weeks:.1f} weeks)",
        customers=clean.customers, days=len(clean.purchases), first=clean.first, last=clean.last,
        weeks=((clean.last - clean.first).days + 1) / 7,
    ))  # fmt: skip
    if until is not None:
        say(Phrase(
            "fitted to {until}: {customers} customers who had bought by then; the weeks after are kept out",
            until=until, customers=summary.customers,
        ))  # fmt: skip


def _numbers(fit: PurchaseFit | Fit[GammaGamma]) -> str:
    errors = fit.standard_errors
    return ", ".join(
        f"{name}={getattr(fit.model, name):.4g} ({'open' if name in fit.unidentified else f'{errors[name]:.2g}'})"
        for name in fit.names
    )


def _tell_fits(fits: dict[str, PurchaseFit], spend: Fit[GammaGamma] | None, yen: float, say: Say) -> None:
    say(Phrase("maximum likelihood, standard errors in brackets, weeks and yen:"))
    for key, fit in fits.items():
        say(Phrase(
            "  {model:24} log-likelihood {value:.1f}{remark}: {numbers}",
            model=f"{LABEL[key]}, {CLOCK[key]} clock", value=fit.log_likelihood, numbers=_numbers(fit),
            remark="" if fit.converged else Phrase(" (not converged)"),
        ))  # fmt: skip
    if spend is None:
        say(Phrase("  no column of values: only timing is fitted, baskets stay the default company's"))
        return
    if spend.model.p == NARROW:
        say(Phrase("  all orders have one value: the basket is known exactly, {mean:,.0f} yen", mean=spend.model.mean))
        return
    say(Phrase(
        "  {model:24} {numbers}; mean basket {mean:,.0f} yen{rate} (± {error:.1f} %)",
        model=Phrase("gamma-gamma, basket"), numbers=_numbers(spend), mean=spend.model.mean,
        rate=Phrase(" at {yen:g} yen per unit", yen=yen) if yen != 1.0 else "", error=100 * mean_basket_se(spend),
    ))  # fmt: skip


def _correction(clock: Clock, marks: NDArray[np.int64]) -> Iterator[Phrase]:
    """Simulated against fitted repeats, before and after, and what was moved."""
    half, end = (int(mark) for mark in marks)
    model = LABEL[clock.key]
    for when, curve in ((Phrase("before correction"), clock.before), (Phrase("after correction"), clock.after)):
        parts = enumerated(
            Phrase(
                "week {week} {simulated:.0f} for {fitted:.0f} ({error})",
                week=mark + 1, simulated=curve[mark], fitted=clock.closed[mark],
                error=_percent(curve[mark], clock.closed[mark]),
            )
            for mark in (half, end)
        )  # fmt: skip
        yield Phrase("{model}: simulated for fitted repeats {when}: {parts}", model=model, when=when, parts=parts)
    yield Phrase(
        "{model}: alpha times {alpha:.3f}, mean lapse times {lapse:.3f}; Monte Carlo error {error:.1f} %",
        model=model, alpha=clock.corrected.alpha / clock.target.alpha, error=100 * clock.noise,
        lapse=lapse.mean_lapse(clock.corrected) / lapse.mean_lapse(clock.target),
    )  # fmt: skip
    yield Phrase(
        "{model}: a year's expected repeats are known to {error:.1f} % ({how}; drawn one by one they would make "
        "{separate:.1f} %), carried by alpha alone",
        model=model, error=100 * clock.year_se, separate=100 * clock.separate_se,
        how=Phrase("sampling error") if clock.open_lapse else Phrase("all parameters jointly"),
    )  # fmt: skip


def _percent(value: float, of: float) -> str:
    return f"{100 * (value / of - 1):+.1f} %"


def _against_the_log(found: Calibration) -> Iterator[Phrase]:
    """Every curve against the log: at the end of the fit, and over the weeks kept out beside a naive rate."""
    end = found.fitted_weeks - 1
    yield Phrase("cumulative repeats at week {week}: log {repeats:.0f}", week=end + 1, repeats=found.observed[end])
    for name, curve in found.curves().items():
        if name != "log":
            error = _percent(curve[end], found.observed[end])
            yield Phrase("  {name:26} {repeats:7.0f}  {error:>8}", name=Phrase(name), repeats=curve[end], error=error)
    if any(abs(clock.closed[end] / found.observed[end] - 1) > NOTABLE for clock in found.clocks):
        yield Phrase(
            "  the fits miss the log's total by more than 5 %: buying is not steady there (a season, growth), which "
            "these models leave out; the simulated baseline follows the fits"
        )
    if found.fitted_weeks < len(found.observed):
        yield from _holdout(found)


def _holdout(found: Calibration) -> Iterator[Phrase]:
    start, weeks = found.fitted_weeks, len(found.observed) - found.fitted_weeks
    real = np.diff(found.observed)[start - 1 :]
    averaged = min(NAIVE_WEEKS, start)
    forecasts = {Phrase(name): np.diff(curve)[start - 1 :] for name, curve in found.curves().items() if name != "log"}
    naive = np.diff(found.observed, prepend=0.0)[start - averaged : start].mean()
    forecasts[Phrase("last {weeks} weeks continued", weeks=averaged)] = np.full(weeks, naive)
    yield Phrase(
        "holdout, weeks {first} to {last}: {repeats:.0f} repeats in the log",
        first=start + 1, last=start + weeks, repeats=real.sum(),
    )  # fmt: skip
    yield Phrase("  forecast                   repeats     error  weekly error (root mean square, repeats)")
    for name, weekly in forecasts.items():
        yield Phrase(
            "  {name:26} {repeats:7.0f}  {error:>8}  {spread:.1f}",
            name=name, repeats=weekly.sum(), spread=np.sqrt(np.mean((weekly - real) ** 2)),
            error=_percent(weekly.sum(), real.sum()) if real.sum() else "none",
        )  # fmt: skip
