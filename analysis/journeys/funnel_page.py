"""The funnel told: where it loses most, a table for the terminal, figures, funnel.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analysis.effects.answer import aligned
from analysis.folders.run_folder import Run
from analysis.journeys import funnel_plots
from analysis.journeys.funnel import KIND_WORDS, LOST_WORDS, STAGE_MEANING, STAGE_WORDS, Funnel, funnel
from analysis.journeys.funnel_plots import STEPS
from analysis.journeys.read import Journeys, event_word
from analysis.style import words
from analysis.style.language import N_, _, told_in
from analysis.style.page import Picture, picture, render
from sim.tables import BASELINE, EVERYBODY

STAGES_CAPTION = N_(
    "The funnel of the first draw, customers whose journeys were kept and who had not lapsed before day 0. In red "
    "the baseline's drop-off from stage to stage; bold where most customers are lost."
)
GROUPS_CAPTION = N_(
    "Drop-off by group. Lines: 90 % intervals for the chance of so many customers in one draw; what is not known "
    "of the market is not in them."
)
CAUTION = N_(
    "The intervals are sampling intervals (Wilson, 90 %): the chance of so many customers in one draw of what is not "
    "known. What differs between draws is not in them. Both arms are the same customers, so that two intervals may "
    "overlap where the difference is clear."
)
STEP_WORDS = {
    "aware": N_("know the brand on the last day, % of potential customers"),
    "conversion": N_("orders per visit, %"),
    "acquired": N_("first orders, customers"),
    "repeat_rate": N_("buyers who had bought before or bought again, %"),
}
"""What every draw tells of the funnel's steps."""


def largest(found: Funnel) -> str:
    """Where most customers are lost, in the baseline and with the scenario, and in which persona most."""
    rows = _of(found.table, BASELINE, EVERYBODY).reset_index(drop=True)
    lost = rows["customers"].shift(1) - rows["customers"]
    if not lost.max() > 0:
        return ""
    row = rows.iloc[int(lost.argmax())]
    told = _(
        "The largest drop-off: {lost} of {before} customers {what} within {days} days, {share} % (90 % interval {low} "
        "to {high}, chance of so many customers only)."
    ).format(
        lost=f"{lost.max():,.0f}",
        before=f"{row['customers'] + lost.max():,.0f}",
        what=_(LOST_WORDS[row["stage"]]),
        days=found.days,
        **_percent(row),
    )
    return words.sentences((told, _with_scenario(found, str(row["stage"])), _worst_persona(found, str(row["stage"]))))


def _with_scenario(found: Funnel, stage: str) -> str:
    if found.scenario is None:
        return ""
    rows = _of(found.table, found.scenario, EVERYBODY)
    share = _percent(rows[rows["stage"] == stage].iloc[0])["share"]
    return _("With {name} it is {share} %.").format(name=found.scenario, share=share)


def _worst_persona(found: Funnel, stage: str) -> str:
    """The personas that lose most and least there, where their intervals lie apart."""
    rows = _of(found.table, BASELINE, "persona")
    rows = rows[rows["stage"] == stage].dropna().sort_values("drop_off")
    if len(rows) < 2 or rows["ci_low"].iloc[-1] <= rows["ci_high"].iloc[0]:
        return _("No persona clearly loses more of its customers there than another.") if len(rows) > 1 else ""
    least, most = rows.iloc[0], rows.iloc[-1]
    return _("It is largest among {most} ({high} %) and smallest among {least} ({low} %).").format(
        most=_(most.group), high=_percent(most)["share"], least=_(least.group), low=_percent(least)["share"]
    )


def _percent(row: pd.Series) -> dict[str, str]:
    """A row's drop-off and interval in per cent."""
    ends = {"share": "drop_off", "low": "ci_low", "high": "ci_high"}
    return {name: words.number(100 * row[column], 1) for name, column in ends.items()}


# -- tables ---------------------------------------------------------------------------------------------------


def funnel_table(found: Funnel) -> str:
    """Everybody's funnel for the terminal: customers per stage, drop-off with interval, both arms side by side."""
    columns = (text for arm in _arms(found) for text in (_arm(arm), _("drop-off, %"), _("90 % interval")))
    head = (_("stage"), *columns, "")
    everybody = found.table[found.table["kind"] == EVERYBODY]
    return aligned(head, [(*row, "") for row in _stage_rows(found, everybody)])


def groups_table(found: Funnel) -> str:
    """Drop-offs by group for the terminal, in per cent: a row per group, the steps side by side."""
    head = (_("drop-off, %"), *(_(STAGE_WORDS[step]) for step in STEPS), "")
    rows = []
    for (kind, group), own in found.table.groupby(["kind", "group"], sort=False):
        lost = own.set_index(["stage", "arm"])["drop_off"]
        cells = (" / ".join(words.number(100 * float(lost[step, arm]), 1) for arm in _arms(found)) for step in STEPS)
        rows.append((_heading(str(kind), str(group)), *cells, ""))
    return aligned(head, rows)


def counts_table(found: Funnel) -> str:
    """Event counts for the terminal."""
    arms = _arms(found)
    head = (_("event"), *(text for arm in arms for text in (_arm(arm), _("customers"))), "")
    return aligned(head, [(*row, "") for row in _count_rows(found)])


def _stage_rows(found: Funnel, own: pd.DataFrame) -> list[tuple[str, ...]]:
    """A group's stages: the stage, then per arm customers, drop-off and interval."""
    parts = [own[own["arm"] == arm].set_index("stage") for arm in _arms(found)]
    rows = []
    for stage in parts[0].index:
        cells = (cell for part in parts for cell in _cells(part.loc[stage]))
        rows.append((_(STAGE_WORDS[stage]), *cells))
    return rows


def _cells(row: pd.Series) -> tuple[str, str, str]:
    told = _percent(row)
    known = words.known(row["drop_off"])
    between = _("{low} to {high}").format(low=told["low"], high=told["high"]) if known else ""
    return f"{row['customers']:,}", told["share"] if known else "", between


def _count_rows(found: Funnel) -> list[tuple[str, ...]]:
    rows = []
    for event, row in found.counts.iterrows():
        cells = (f"{row[part, arm]:,}" for arm in _arms(found) for part in ("size", "nunique"))
        rows.append((event_word(str(event)), *cells))
    return rows


def _heading(kind: str, group: str) -> str:
    if kind == EVERYBODY:
        return _("everybody")
    return _("{kind}: {group}").format(kind=_(KIND_WORDS[kind]), group=_(group))


def _of(table: pd.DataFrame, arm: str, kind: str) -> pd.DataFrame:
    return table[(table["arm"] == arm) & (table["kind"] == kind)]


def _arms(found: Funnel) -> list[str]:
    return [BASELINE] if found.scenario is None else [BASELINE, found.scenario]


def _arm(arm: str) -> str:
    return _("baseline") if arm == BASELINE else arm


# -- the page -------------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """The funnel as told: the page, what the terminal shows, and the text of funnel.csv."""

    page: str
    terminal: str
    table: str


def tell(folder: Path | str, language: str | None = None) -> Told:
    """The funnel of a run folder, told in `language` or in the run's own; saves its figures in figures/.

    Raises RunError where the run kept no journeys, LanguageError, OSError.
    """
    run = Run(folder)
    with told_in(language or str(run.config.get("language", "en"))):
        found = funnel(Journeys(run))
        parts = (funnel_table(found), groups_table(found), counts_table(found), largest(found), _(CAUTION))
        page = render("funnel.html.j2", _context(run, found))
    return Told(page, "\n\n".join(parts), found.table.to_csv(index=False, lineterminator="\n"))


def section(journeys: Journeys, stem: Path) -> dict[str, Any]:
    """What the report says of the funnel: a figure, saved as `stem`, and where most customers are lost."""
    found = funnel(journeys)
    drawn = picture(funnel_plots.stages(found), stem, _(STAGES_CAPTION))
    return {"sentence": largest(found), "caution": _(CAUTION), "picture": drawn}


def _context(run: Run, found: Funnel) -> dict[str, Any]:
    name = _arm(found.scenario or BASELINE)
    return {
        "title": _("Where customers are lost: {name}").format(name=name),
        "days": found.days,
        "largest": largest(found),
        "caution": _(CAUTION),
        "pictures": pictures(run, found),
        "arms": [_arm(arm) for arm in _arms(found)],
        "meanings": [(_(STAGE_WORDS[stage]), _(text)) for stage, text in STAGE_MEANING.items()],
        "groups": _group_tables(found),
        "counts": _count_rows(found),
        "draws": _draw_rows(found),
        "fingerprint": run.fingerprint,
    }


def pictures(run: Run, found: Funnel) -> dict[str, Picture]:
    """Both figures, saved in figures/ and for a page."""
    stem = run.folder / "figures"
    return {
        "stages": picture(funnel_plots.stages(found), stem / "funnel_stages", _(STAGES_CAPTION)),
        "groups": picture(funnel_plots.groups(found), stem / "funnel_groups", _(GROUPS_CAPTION)),
    }


def _group_tables(found: Funnel) -> list[tuple[str, list[tuple[str, list[tuple[str, ...]]]]]]:
    """(kind, [(group, rows)])."""
    tables = []
    for kind, own in found.table.groupby("kind", sort=False):
        parts = [(_(str(group)), _stage_rows(found, rows)) for group, rows in own.groupby("group", sort=False)]
        tables.append((_("By {kind}").format(kind=_(KIND_WORDS[str(kind)])) if kind != EVERYBODY else "", parts))
    return tables


def _draw_rows(found: Funnel) -> list[tuple[str, ...]]:
    """What every draw tells of a step: levels, effect, interval."""
    rows: list[tuple[str, ...]] = []
    for name, answer in found.draws:
        places = words.decimals(answer.effect, answer.low, answer.high)
        levels = (words.number(answer.baseline, places), words.number(answer.scenario, places))
        effect = words.signed(answer.effect, places), words.span(answer.low, answer.high, places)
        rows.append((_(STEP_WORDS[name]), *levels, *effect, str(answer.draws)))
    return rows
