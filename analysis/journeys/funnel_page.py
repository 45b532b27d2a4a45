"""The funnel told: where it loses most, a table for the terminal, figures, funnel.html."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.effects.answer import aligned
from analysis.folders.run_folder import Run
from analysis.journeys.funnel import KIND_WORDS, LOST_WORDS, STAGE_MEANING, STAGE_WORDS, STAGES, Funnel, funnel
from analysis.journeys.read import Journeys, event_word
from analysis.style import look, words
from analysis.style.language import N_, _, told_in
from analysis.style.lines import folded
from analysis.style.page import Picture, picture, render
from sim.tables import BASELINE, EVERYBODY

STAGES_CAPTION = N_(
    "The funnel of the first replication, customers whose journeys were kept and who had not lapsed before day 0. In "
    "red the baseline's drop-off from stage to stage; bold where most customers are lost."
)
GROUPS_CAPTION = N_(
    "Drop-off by group. Lines: 90 % intervals for the chance of so many customers in one replication; what is not "
    "known of the market is not in them."
)
CAUTION = N_(
    "The intervals are sampling intervals (Wilson, 90 %): the chance of so many customers at one point of what is "
    "not known. What differs between replications is not in them. Both arms are the same customers, so that two "
    "intervals may overlap where the difference is clear."
)
STEP_WORDS = {
    "aware": N_("know the brand on the last day, % of members"),
    "conversion": N_("orders per visit, %"),
    "acquired": N_("first orders, customers"),
    "repeat_rate": N_("buyers who had bought before or bought again, %"),
}
"""What every point tells of the funnel's steps."""


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
    return _("baseline") if arm == BASELINE else _("with the scenario")


# -- the page -------------------------------------------------------------------------------------------------


class FunnelTexts(NamedTuple):
    """The funnel as told: the page, what the terminal shows, and the table of funnel.csv."""

    page: str
    terminal: str
    table: pd.DataFrame


def tell(folder: Path | str, language: str | None = None) -> FunnelTexts:
    """The funnel of a run folder, told in `language` or in the run's own; saves its figures in figures/.

    Raises RunError where the run kept no journeys, LanguageError, OSError.
    """
    run = Run(folder)
    with told_in(language or str(run.config.get("language", "en"))):
        found = funnel(Journeys(run))
        parts = (funnel_table(found), groups_table(found), counts_table(found), largest(found), _(CAUTION))
        page = render("funnel.html.j2", _context(run, found))
    return FunnelTexts(page, "\n\n".join(parts), found.table)


def section(journeys: Journeys, stem: Path) -> dict[str, Any]:
    """What the report says of the funnel: a figure, saved as `stem`, and where most customers are lost."""
    found = funnel(journeys)
    drawn = picture(stages(found), stem, _(STAGES_CAPTION))
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
        "points": _point_rows(found),
        "fingerprint": run.fingerprint,
    }


def pictures(run: Run, found: Funnel) -> dict[str, Picture]:
    """Both figures, saved in figures/ and for a page."""
    stem = run.folder / "figures"
    return {
        "stages": picture(stages(found), stem / "funnel_stages", _(STAGES_CAPTION)),
        "groups": picture(groups(found), stem / "funnel_groups", _(GROUPS_CAPTION)),
    }


def _group_tables(found: Funnel) -> list[tuple[str, list[tuple[str, list[tuple[str, ...]]]]]]:
    """(kind, [(group, rows)])."""
    tables = []
    for kind, own in found.table.groupby("kind", sort=False):
        parts = [(_(str(group)), _stage_rows(found, rows)) for group, rows in own.groupby("group", sort=False)]
        tables.append((_("By {kind}").format(kind=_(KIND_WORDS[str(kind)])) if kind != EVERYBODY else "", parts))
    return tables


def _point_rows(found: Funnel) -> list[tuple[str, ...]]:
    """What every point tells of a step: levels, effect, interval."""
    rows: list[tuple[str, ...]] = []
    for name, answer in found.points:
        places = words.decimals(answer.effect, answer.low, answer.high)
        levels = (words.number(answer.baseline, places), words.number(answer.scenario, places))
        effect = words.signed(answer.effect, places), words.within(answer, places)
        rows.append((_(STEP_WORDS[name]), *levels, *effect, str(answer.points)))
    return rows


_RIGHT = 138
"""Right end of the stages' axis, per cent: room for figures beside the longest bar."""

STEPS = ("visit", "order", "second order")
"""Steps that are shown group by group: what comes before is the market's, what comes after is of few."""


def stages(found: Funnel) -> Figure:
    """Everybody's funnel: a pair of bars per stage, and between two stages what the step loses."""
    arms = _arms(found)
    with look.style():
        figure, axes = look.one_panel(0.7 + 0.62 * len(STAGES))
        thick = 0.62 / len(arms)
        for place, arm in enumerate(arms):
            rows = _of(found.table, arm, EVERYBODY)
            y = -np.arange(len(STAGES)) - thick * (place - (len(arms) - 1) / 2)
            colour, text = _look(arm)
            axes.barh(y, 100 * rows["share"], height=thick * 0.92, color=colour, label=text)
            for height, share, count in zip(y, rows["share"], rows["customers"], strict=True):
                axes.annotate(
                    _("{share} %  ({count})").format(share=words.number(100 * share, 1), count=f"{count:,}"),
                    (100 * share, height), (4, 0), textcoords="offset points", va="center", fontsize=8, color=colour,
                )  # fmt: skip
        _losses(axes, _of(found.table, arms[0], EVERYBODY), 0.31)
        axes.set_yticks(-np.arange(len(STAGES)), [_(STAGE_WORDS[stage]) for stage in STAGES])
        axes.tick_params(axis="y", length=0)
        axes.set_ylabel(_("stage, within {days} days").format(days=found.days))
        axes.set_xlabel(_("% of members"))
        axes.set_xlim(0, _RIGHT)
        axes.set_xticks(range(0, 101, 20))
        look.grid_lines(axes, "x")
        look.legend_above(axes)
    return figure


def _losses(axes: Axes, rows: pd.DataFrame, half: float) -> None:
    """Between the bars of two stages, `half` from their middles to their edges: whom the baseline loses, as a slope and
    in per cent to the right; in bold where it loses most people."""
    lost, share = -np.diff(rows["customers"]), 100 * rows["share"].to_numpy()
    axes.text(_RIGHT - 1, 0, _("drop-off"), ha="right", va="center", fontsize=8.5, color=look.VERMILION)
    for place in range(1, len(rows)):
        axes.fill_betweenx([1 - place - half, half - place], share[place - 1 : place + 1],
                           color=look.RULE, alpha=0.5, linewidth=0)  # fmt: skip
        told = _("\N{MINUS SIGN}{share} %").format(share=words.number(100 * rows["drop_off"].iloc[place], 1))
        weight = "bold" if lost[place - 1] == lost.max() else "normal"
        axes.text(_RIGHT - 1, 0.5 - place, told, ha="right", va="center", color=look.VERMILION, fontweight=weight)


def groups(found: Funnel) -> Figure:
    """Drop-off of each step by group, both arms, with intervals."""
    kinds = [kind for kind in KIND_WORDS if kind != EVERYBODY and _groups(found.table, kind)]
    names = [(kind, group) for kind in kinds for group in _groups(found.table, kind)]
    place = dict(zip(names, _places(kinds, names), strict=True))
    with look.style():
        figure = Figure(figsize=(look.WIDTH, 0.9 + 0.25 * (len(names) + len(kinds))))
        panels = figure.subplots(1, len(STEPS), sharey=True)
        for axes, step in zip(panels, STEPS, strict=True):
            _step_panel(axes, found, step, place)
        _name_rows(panels[0], kinds, place)
        look.legend_figure(figure, panels[:1])
    return figure


def _step_panel(axes: Axes, found: Funnel, step: str, place: dict[tuple[str, str], float]) -> None:
    arms = _arms(found)
    for number, arm in enumerate(arms):
        own = found.table[(found.table["arm"] == arm) & (found.table["stage"] == step)]
        own = own[[(kind, group) in place for kind, group in zip(own["kind"], own["group"], strict=True)]]
        shift = 0.3 * (0.5 - number) if len(arms) > 1 else 0.0
        y = np.array([place[kind, group] + shift for kind, group in zip(own["kind"], own["group"], strict=True)])
        ends = own.assign(effect=100 * own["drop_off"], ci_low=100 * own["ci_low"], ci_high=100 * own["ci_high"])
        colour, text = _look(arm)
        look.dots(axes, ends, y, colour, "os"[number % 2], text)
    axes.set_title(folded(_(LOST_WORDS[step]), 26))
    axes.set_xlabel(_("% of the stage before"))
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    look.grid_lines(axes, "x")


def _name_rows(axes: Axes, kinds: list[str], place: dict[tuple[str, str], float]) -> None:
    """Groups beside the rows, and what they are groups by in bold above them."""
    heads = {kind: max(y for (own, _group), y in place.items() if own == kind) + 0.95 for kind in kinds}
    axes.set_yticks(
        [*place.values(), *heads.values()],
        [*(_(group) for _kind, group in place), *(_(KIND_WORDS[kind]) for kind in kinds)],
    )
    for text in axes.get_yticklabels()[len(place) :]:
        text.set_fontweight("bold")
    axes.set_ylim(min(place.values()) - 0.6, max(heads.values()) + 0.5)
    axes.set_ylabel(_("group of customers"))


def _places(kinds: list[str], names: list[tuple[str, str]]) -> Iterator[float]:
    """Heights of the groups from above, with room for a heading before each kind."""
    for number, (kind, _group) in enumerate(names):
        yield -float(number + 1.1 * kinds.index(kind))


def _groups(table: pd.DataFrame, kind: str) -> list[str]:
    return [str(group) for group in pd.unique(table.loc[table["kind"] == kind, "group"])]


def _look(arm: str) -> tuple[str, str]:
    return (look.GREY, _("baseline")) if arm == BASELINE else (look.BLUE, _("with the scenario"))
