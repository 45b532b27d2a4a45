"""The report's tables with their numbers unrounded, for CSV and the workbook: of an intervention, and of a run."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.effects import answer as effects
from analysis.folders.run_folder import Run
from analysis.report import campaigns_section, dashboard, meetings, nps, recovery, rows
from analysis.report.tables import Cell, Table
from analysis.style import words
from analysis.style.language import _


def of_intervention(run: Run, name: str) -> dict[str, Table]:
    """Tables of one intervention by their key; those that its run did not measure are left out."""
    makers = (_effects, _value, _yearly, _origin, _tested, _segments, _nps, _choices)
    several = [*campaigns_section.tables(run, name), *recovery.tables(run, name), *meetings.tables(run, name)]
    found = [*(make(run, name) for make in makers), *several]
    return {table.key: table for table in found if table.rows}


def of_run(run: Run) -> dict[str, Table]:
    """Tables of the run as a whole, likewise."""
    found = [_overview(run), _levels(run), _dashboard(run), _assumptions(run)]
    return {table.key: table for table in found if table.rows}


# -- of an intervention -------------------------------------------------------------------------------------------


def _measured() -> tuple[str, ...]:
    """Heads of an effect with its interval."""
    return (
        _("Effect"), _("Median"), _("90 % interval from"), _("90 % interval to"), _("Smallest point"),
        _("Largest point"), _("P(> 0)"), _("Standard error of the mean"), _("Points"),
    )  # fmt: skip


def _cells(found: effects.Answer) -> tuple[Cell, ...]:
    ends = found.low, found.high, found.least, found.most
    return (found.effect, found.median, *ends, found.p_positive, found.se, found.points)


def _effects(run: Run, name: str) -> Table:
    heads = (_("Metric"), _("Unit"), _("Baseline"), _("With scenario"), *_measured())
    found = []
    for metrics in rows.groups(run).values():
        answers = {metric: effects.answer(run.effects, name, metric) for metric in metrics}
        found += [
            (words.label(metric), words.unit(metric), one.baseline, one.scenario, *_cells(one))
            for metric, one in answers.items()
            if one is not None
        ]
    return Table("effects", _("What changes"), heads, found)


def _value(run: Run, name: str) -> Table:
    metrics = (*rows.years(run), "tail", "ltv")
    answers = {metric: effects.answer(run.effects, name, metric) for metric in metrics}
    found = [
        (words.label(metric), words.unit(metric), *_cells(one)) for metric, one in answers.items() if one is not None
    ]
    return Table("value", _("Value by year"), (_("Metric"), _("Unit"), *_measured()), found)


def _origin(run: Run, name: str) -> Table:
    answers = {part: effects.answer(run.effects, name, "ltv", estimand=part) for part in (*effects.PARTS, "total")}
    found = [(part, words.unit("ltv"), *_cells(one)) for part, one in answers.items() if one is not None]
    title = _("Where the effect comes from")
    return Table("origin", title, (_("Part"), _("Unit"), *_measured()), found if len(found) > 1 else [])


def _yearly(run: Run, name: str) -> Table:
    found: list[tuple[Cell, ...]] = [(row.label, row.unit, *_cells(row.found)) for row in rows.yearly(run, name)]
    return Table("firm", _("For the whole firm, in a year"), (_("Metric"), _("Unit"), *_measured()), found)


def _tested(run: Run, name: str) -> Table:
    heads = (_("The test's measure"), _("Unit"), _("Control"), _("Treated"), *_measured(), _("Total effect"))
    found = [
        (row.label, row.unit, row.test.baseline, row.test.scenario, *_cells(row.test), row.total)
        for row in rows.tested(run, name)
    ]
    return Table("field_test", _("Field test"), heads, found)


def _segments(run: Run, name: str) -> Table:
    heads = (_("Segment"), _("Metric"), _("Unit"), _("Baseline"), _("With scenario"), *_measured())
    found = [
        (segment, words.label(metric), words.unit(metric), one.baseline, one.scenario, *_cells(one))
        for segment, answers in rows.by_segment(run, name)
        for metric, one in answers.items()
        if one is not None
    ]
    return Table("segments", _("Whom it reaches"), heads, found)


def _nps(run: Run, name: str) -> Table:
    heads = (_("Month"), _("Baseline"), _("With scenario"), *_measured())
    found = [(row.name, row.found.baseline, row.found.scenario, *_cells(row.found)) for row in nps.by_month(run, name)]
    return Table("nps", _("NPS by month"), heads, found)


def _choices(run: Run, name: str) -> Table:
    found = [(row.name, row.option, words.unit("ltv"), *_cells(row.found)) for row in rows.choices(run, name)]
    return Table("choices", _("Choices between structures"), (_("Choice"), _("Option"), _("Unit"), *_measured()), found)


# -- of the run ---------------------------------------------------------------------------------------------------


def _overview(run: Run) -> Table:
    heads = (_("Scenario"), _("Metric"), _("Unit"), *_measured())
    names = list(map(str, pd.unique(run.effects["intervention"]))) if len(run.interventions) > 1 else []
    found: list[tuple[Cell, ...]] = []
    for name in names:
        answers = {metric: effects.answer(run.effects, name, metric) for metric in ("ltv", "nps")}
        found += [
            (run.title(name), words.label(metric), words.unit(metric), *_cells(one))
            for metric, one in answers.items()
            if one is not None
        ]
    return Table("overview", _("The answers in short"), heads, found)


def _levels(run: Run) -> Table:
    heads = (
        _("Metric"), _("Unit"), _("Level"), _("Median"), _("90 % interval from"), _("90 % interval to"),
        _("Smallest point"), _("Largest point"), _("Points"),
    )  # fmt: skip
    levels = [] if run.interventions else effects.levels(run)
    found = [
        (words.label(metric), words.unit(metric), one.baseline, one.median, one.low, one.high, one.least, one.most,
         one.points)
        for metric, one in levels
    ]  # fmt: skip
    return Table("levels", _("Levels"), heads, found)


def _dashboard(run: Run) -> Table:
    heads = (
        _("Fact"), _("Unit"), _("You typed"), _("Tolerance"), _("The model gives: median"),
        _("90 % of points from"), _("90 % of points to"), _("Share of points within the tolerance"),
    )  # fmt: skip
    names = ("unit", "given", "tolerance", "median", "low", "high", "within")
    found = [
        (dashboard.fact(str(row["fact"])), *(_cell(row[name]) for name in names))
        for row in run.dashboard.to_dict("records")
    ]
    return Table("dashboard", _("The firm on its dashboard"), heads, found)


def _assumptions(run: Run) -> Table:
    heads = (_("Assumption"), _("Value"), _("Low"), _("High"), _("Unit"), _("Grade"), _("Source"))
    names = ("low", "high", "unit", "grade", "source")
    told = run.parameters.assign(
        unit=run.parameters["unit"].map(lambda unit: words.parameter_unit(unit) if isinstance(unit, str) else None),
        grade=run.parameters["grade"].map(lambda grade: _(str(grade))),
        source=run.parameters["source"].map(lambda source: _(source) if isinstance(source, str) else None),
    )
    found = [
        (str(row["name"]), _number(str(row["value"])), *(_cell(row[name]) for name in names))
        for row in told.to_dict("records")
    ]
    return Table("assumptions", _("The assumptions"), heads, found)


def frame(key: str, title: str, table: pd.DataFrame) -> Table:
    """A table of the run folder as it is, its columns by their own names."""
    found = [tuple(_cell(row[name]) for name in table.columns) for row in table.to_dict("records")]
    return Table(key, title, tuple(map(str, table.columns)), found)


def _cell(value: object) -> Cell:
    """A value of a data frame as a cell."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return None if math.isnan(value) else float(value)
    return str(value)


def _number(text: str) -> Cell:
    """A value that may be a number or a word, as parameters.csv has them."""
    try:
        found = float(text)
    except ValueError:
        return text
    return found if math.isfinite(found) else text
