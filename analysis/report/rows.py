"""The rows of the report's tables as texts to show, each to the digits that its numbers ask for."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pandas as pd

from analysis.decisions import verdict
from analysis.effects import answer as effects
from analysis.effects.estimands import ltv_by_point, skewed, spread
from analysis.folders.run_folder import Run
from analysis.style import words
from analysis.style.language import N_, _
from sim.tables import METRIC, YEARS

GROUPS = {
    N_("Money, yen per member"): ("ltv", *YEARS, "tail", "profit", "revenue", "margin", "cost"),
    N_("Return"): ("roi", "ltv_acquired"),
    N_("How customers feel"): ("nps", "nps_surveyed", "nps_stayers", "csat"),
    N_("What customers do"): ("conversion", "repeat_rate", "churn", "acquired", "orders", "visits"),
    N_("Coupons"): ("coupons_issued", "coupons_redeemed", "coupons_expired"),
    N_("Delivery and support"): ("norush_share", "lead_time", "on_time", "cancelled", "backlog", "contacts"),
}
"""The effect table: groups of metrics."""

YEARLY = ("ltv", "profit", "revenue", "cost", "orders", "acquired", "coupons_redeemed", "contacts")
TESTED = ("ab_conversion_14d", "ab_profit_per_visitor_14d", "ltv", "profit", "nps", "conversion", "churn")
OF_A_SEGMENT = ("ltv", "nps", "churn")
LONGEST_YEAR = 365


def years(run: Run) -> tuple[str, ...]:
    """Parts of LTV by year, of the years that the horizon reaches into."""
    return YEARS[: -(-run.days // LONGEST_YEAR)]


def groups(run: Run) -> dict[str, tuple[str, ...]]:
    """GROUPS without the years that lie beyond the horizon."""
    empty = set(YEARS) - set(years(run))
    return {heading: tuple(one for one in metrics if one not in empty) for heading, metrics in GROUPS.items()}


# -- effects ------------------------------------------------------------------------------------------------------


def effect_groups(run: Run, name: str) -> list[tuple[str, list[dict[str, str]]]]:
    """The effect table: a heading and the rows of the metrics that were measured, group by group."""
    found = []
    for heading, metrics in groups(run).items():
        answers = {metric: effects.answer(run.effects, name, metric) for metric in metrics}
        rows = [_effect_row(metric, one) for metric, one in answers.items() if one is not None]
        if rows:
            found.append((_(heading), rows))
    return found


def _effect_row(metric: str, found: effects.Answer) -> dict[str, str]:
    places = _places(found)
    return {
        "label": words.label(metric),
        "meaning": words.meaning(metric),
        "unit": {"mean": "", "sum": _("in all")}.get(words.METRIC[metric].kind, words.unit(metric)),
        "baseline": words.number(found.baseline, places),
        "scenario": words.number(found.scenario, places),
        "effect": words.signed(found.effect, places),
        "median": words.signed(found.median, places) if words.known(found.low) and skewed(found) else "",
        "interval": words.within(found, places),
        "p": words.percent(found.p_positive),
        "error": words.number(found.se, 2) if words.known(found.se) else "-",
        "sign": str(found.sign),
    }


def short(found: effects.Answer | None) -> str:
    """An effect with its interval, or a dash where it was not measured."""
    return "-" if found is None else words.effect(found.effect, found)


# -- for the firm -------------------------------------------------------------------------------------------------


class Scaled(NamedTuple):
    """A metric's effect a year for all members of the firm."""

    metric: str
    label: str
    unit: str
    found: effects.Answer


def yearly(run: Run, name: str) -> list[Scaled]:
    """Totals per year for the firm's member count; money in million yen."""
    members, per_year = verdict.members_of(run), verdict.DAYS_PER_YEAR / run.days
    rows = []
    for metric in YEARLY:
        found = effects.answer(run.effects, name, metric)
        if found is None:
            continue
        money = words.METRIC[metric].kind == "mean"
        factor = per_year * (members / 1e6 if money else members / max(int(run.config.get("customers", 1)), 1))
        label = _("LTV, yearly share") if metric == "ltv" else words.label(metric)
        unit = _("{unit} a year").format(unit=_(words.METRIC[metric].unit))
        rows.append(Scaled(metric, label, _("million yen a year") if money else unit, scaled(found, factor)))
    return rows


def scaled(found: effects.Answer, factor: float) -> effects.Answer:
    """An effect times a factor, with its interval."""
    names = ("effect", "median", "low", "high", "least", "most", "se")
    return found._replace(**{name: factor * getattr(found, name) for name in names})


def yearly_row(row: Scaled) -> dict[str, str]:
    """A total as texts."""
    return _texts(row.label, row.unit, row.found)


def _texts(label: str, unit: str, found: effects.Answer) -> dict[str, str]:
    """An effect with its interval under its label."""
    places = _places(found)
    effect, interval = words.signed(found.effect, places), words.within(found, places)
    return {"label": label, "unit": unit, "effect": effect, "interval": interval}


def _places(found: effects.Answer) -> int:
    """Decimals that an effect and its interval ask for."""
    return words.decimals(found.effect, found.low, found.high)


# -- the field test, segments, choices ----------------------------------------------------------------------------


class Tested(NamedTuple):
    """What a field test reports of a metric, beside the total effect."""

    label: str
    unit: str
    test: effects.Answer
    total: float


def tested(run: Run, name: str) -> list[Tested]:
    """The field test's measures."""
    found = []
    for metric in TESTED:
        test = effects.answer(run.effects, name, metric, estimand="ab_test")
        if test is not None:
            total = effects.answer(run.effects, name, metric)
            label = words.label(metric) if metric not in METRIC else _whole_horizon(metric)
            found.append(Tested(label, words.unit(metric), test, math.nan if total is None else total.effect))
    return found


def tested_row(row: Tested) -> dict[str, str]:
    """A measure of the field test as texts."""
    places = _places(row.test)
    return {
        **_texts(row.label, row.unit, row.test),
        "control": words.number(row.test.baseline, places),
        "treated": words.number(row.test.scenario, places),
        "total": words.signed(row.total, places),
    }


def _whole_horizon(metric: str) -> str:
    """The metric in words that say that the whole horizon counts."""
    if metric == "ltv":
        return words.label(metric)
    return _("{metric}, whole horizon").format(metric=words.label(metric))


def by_segment(run: Run, name: str) -> list[tuple[str, dict[str, effects.Answer | None]]]:
    """Total effects on LTV, NPS and churn by segment, where LTV was measured."""
    own = run.effects[run.effects["intervention"] == name]
    found = []
    for segment in map(str, pd.unique(own["segment"])):
        answers = {metric: effects.answer(own, name, metric, segment) for metric in OF_A_SEGMENT}
        if answers["ltv"] is not None:
            found.append((words.segment(segment), answers))
    return found


def segment_row(segment: str, answers: dict[str, effects.Answer | None]) -> dict[str, str]:
    """A segment's effects as texts."""
    ltv = answers["ltv"]
    base = words.number(math.nan if ltv is None else ltv.baseline)
    return {"name": segment, "baseline": base, **{metric: short(one) for metric, one in answers.items()}}


class Choice(NamedTuple):
    """The effect on LTV under an option of what is a choice between structures, such as the dropout clock."""

    name: str
    option: str
    points: int
    found: effects.Answer


def choices(run: Run, name: str) -> list[Choice]:
    """The effect on LTV under each option of each choice."""
    effect, found = ltv_by_point(run.measures, name), []
    for path, option, points in run.choices():
        chosen = effect[effect.index.isin(points)].to_numpy()
        if len(chosen):
            over = effects.Answer.of(math.nan, math.nan, spread(chosen))
            found.append(Choice(path, _(option), len(chosen), over))
    return found


# -- levels and assumptions ---------------------------------------------------------------------------------------


def level_rows(run: Run) -> list[dict[str, str]]:
    """Levels of a baseline alone."""
    rows = []
    for metric, found in effects.levels(run):
        places = words.decimals(found.baseline)
        rows.append(
            {
                "label": words.label(metric),
                "meaning": words.meaning(metric),
                "unit": words.unit(metric),
                "baseline": words.number(found.baseline, places),
                "interval": words.within(found, places, sign=False),
            }
        )
    return rows


def assumptions(parameters: pd.DataFrame) -> list[dict[str, Any]]:
    """parameters.csv as text, blanks as blanks, and whether each is taken as known."""
    table = parameters.astype(object).where(parameters.notna(), "")
    rows = []
    for row in table.to_dict("records"):
        low, high = (words.plain(float(row[end])) if row[end] != "" else "" for end in ("low", "high"))
        rows.append(
            {
                "name": str(row["name"]),
                "value": str(row["value"]),
                "range": _("{low} to {high}").format(low=low, high=high) if low and high else "",
                "unit": words.parameter_unit(str(row["unit"])),
                "grade": _(str(row["grade"])),
                "source": _(str(row["source"])),
                "known": row["grade"] == "known",
            }
        )
    return rows
