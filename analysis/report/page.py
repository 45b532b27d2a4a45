"""report.html: a run's answer for those who decide, in one file that needs nothing else.

Everything comes from the run folder's tables and config.yaml, and nothing that differs between machines or moments is
printed, so the same run gives the same bytes. Text from the configuration is escaped by the template engine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.decisions import verdict
from analysis.effects import answer as effects
from analysis.folders.run_folder import Run
from analysis.journeys import funnel_page, map_page, story_page
from analysis.journeys.read import Journeys
from analysis.report import (
    campaigns_section,
    dashboard,
    figures,
    meetings,
    nps,
    raw,
    recovery,
    rows,
    sheet,
    tables,
)
from analysis.style import dates, look, words
from analysis.style.language import N_, _
from analysis.style.page import Picture, pictures, write_page

FEW_POINTS = look.FEW_POINTS
NOT_COSTED = (
    N_("set-up work: design, contracts, and the integration with shop and warehouse systems"),
    N_("staff time to run and watch the intervention, training and support scripts"),
    N_("creative work and copy, beyond a cost per message where one is configured"),
    N_("IT and hosting, fraud and abuse of coupons, accounting of open coupons"),
    N_("the reaction of competitors: the outside world stays as configured"),
    N_("wider effects on the brand, on suppliers and on the environment"),
)
CAPTIONS = {
    "value": N_(
        "What the firm gains from all members: by year and after the horizon, and by the way in which it comes about."
    ),
    "waterfall": N_("How the total effect on LTV adds up. Whiskers: 90 % interval of each part over the replications."),
    "ab_test": N_("What a field test would report, and what one wants to know. Lines: 90 % intervals."),
    "personas": N_("Effect on LTV by segment. Segments are the true personas; targeting sees the declared ones."),
    "time": N_(
        "By week, whole weeks only. Lines: mean over the replications. Shaded: the middle 90 % of the replications. "
        "Read an effect from the differences: levels vary between replications for reasons both arms share."
    ),
    "journey": N_(
        "Where members stand, week by week; the six shares add up to 100 %. Every panel has its own scale."
    ),
    "ltv": N_("LTV over the horizon in the first replication: a curve further right is worth more."),
    "break_even": N_(
        "One thing moved at a time, everything else central. Shaded: what the luck of the draw may add or take away "
        "(two standard errors)."
    ),
    "sensitivity": N_(
        "Which assumptions the effect hangs on: blue raises it, orange lowers it. "
        "Inside the grey band a correlation may be chance, and by chance one in twenty lies outside it."
    ),
}

LEVEL_CAPTIONS = {
    "value": N_(
        "What the firm gains from all members: by year and after the horizon, and by the way in which it comes about."
    ),
    "time": N_(
        "By week, whole weeks only. Lines: mean over the replications. Shaded: the middle 90 % of the replications."
    ),
    "ltv": N_("LTV over the horizon in the first replication."),
}
"""Where there is nothing to compare."""


def write_report(folder: Path | str, language: str | None = None) -> Path:
    """Draw figures/ and write report.html in the run folder; return the report's path.

    Told in `language`, or in the run's own. effects.csv is made first where it is missing. Raises RunError for a
    folder that is not a run, LanguageError, OSError.
    """
    run = Run(folder)
    if run.interventions and not run.has("effects.csv"):
        effects.write_effects(run.folder)
    return write_page(run, "report.html.j2", _context, language)


def _context(run: Run) -> dict[str, Any]:
    names, journeys = run.interventions, Journeys.kept(run)
    few = _point_count(run) < FEW_POINTS
    assumed = rows.assumptions(run.parameters)
    return {
        "title": title(run),
        "facts": _facts(run),
        "overview": _overview(run) if len(names) > 1 else [],
        "interactions": effects.interaction_words(run) if len(names) > 1 else [],
        "sections": [_section(run, name, journeys) for name in names],
        "levels": _levels(run, journeys) if not names else None,
        "not_costed": [_(item) for item in NOT_COSTED],
        "dashboard": dashboard.rows(run),
        "assumptions": [row for row in assumed if not row["known"]],
        "taken_as_known": [row for row in assumed if row["known"]],
        "grades": _grades(run.parameters),
        "csv": {key: tables.link(table, "run") for key, table in raw.of_run(run).items()},
        "points": _point_count(run),
        "few": few,
        "command": _command(run),
        "fingerprint": run.fingerprint,
    }


def title(run: Run) -> str:
    """The question that the run answers, by the names that people gave."""
    single = [run.title(name) for name in run.interventions if "+" not in name]
    if not single:
        return _("How the company stands with nothing added")
    return _("What would {scenarios} do?").format(scenarios=words.listed(single))


def _facts(run: Run) -> list[tuple[str, str]]:
    """The run in a line: what was simulated."""
    config = run.config
    customers = f"{int(config.get('customers', 0)):,}"
    first, last = run.date(0), run.date(run.days - 1)
    span = _("{days} days from day 0").format(days=run.days)
    if first is not None and last is not None:
        span = _("{days} days, {first} to {last}").format(
            days=f"{run.days:,}", first=dates.told(first), last=dates.told(last)
        )
    return [
        (_("Company"), str(run.setting("company.name", _("not named")))),
        (_("Simulated market"), _("{customers} members").format(customers=customers)),
        (_("Horizon"), span),
        (_("Replications of the unknowns"), str(_point_count(run))),
        (_("Seed"), str(config.get("seed", _("not stated")))),
    ]


def _point_count(run: Run) -> int:
    return int(run.measures["replication"].nunique())


def _section(run: Run, name: str, journeys: Journeys | None) -> dict[str, Any]:
    """Everything the page says about one intervention: its sheet, and what is folded below it."""
    stem = look.file_name(name)
    effect_groups = rows.effect_groups(run, name)
    return {
        "sheet": sheet.sheet(run, name),
        "effects": effect_groups,
        "skewed": any(row["median"] for _heading, some in effect_groups for row in some),
        "yearly": [rows.yearly_row(row) for row in rows.yearly(run, name)],
        "scaling": _scaling(run),
        "origin": _origin(run, name),
        "test": _test_words(run, name),
        "test_rows": [rows.tested_row(row) for row in rows.tested(run, name)],
        "segments": [rows.segment_row(segment, answers) for segment, answers in rows.by_segment(run, name)],
        "nps": [nps.month_row(row) for row in nps.by_month(run, name)],
        "choices": [_choice_row(row) for row in rows.choices(run, name)],
        "pictures": _pictures(run, name, figures.figures(run, name)),
        "csv": {key: tables.link(table, stem) for key, table in raw.of_intervention(run, name).items()},
        **_lived(run, name, journeys),
        "campaigns": campaigns_section.section(run, name),
        "projects": meetings.section(run, name),
        "recovery": recovery.section(run, name),
    }


def _choice_row(row: rows.Choice) -> dict[str, str]:
    return {"name": row.name, "option": row.option, "points": str(row.points), "effect": rows.short(row.found)}


def _lived(run: Run, name: str, journeys: Journeys | None) -> dict[str, Any]:
    """The funnel, the journey map and one telling story, where the run kept the journeys of this arm."""
    if journeys is None or journeys.told != name:
        return {"funnel": None, "map": None, "story": None}
    stem = run.folder / "figures" / look.file_name(name)
    return {
        "funnel": funnel_page.section(journeys, stem.with_name(f"{stem.name}_funnel")),
        "map": map_page.section(journeys, stem.with_name(f"{stem.name}_map")),
        "story": story_page.section(journeys, stem.with_name(f"{stem.name}_story")),
    }


def _pictures(run: Run, name: str, made: dict[str, Figure]) -> dict[str, Picture]:
    """Saves every figure and returns them for the page; ids are made unique across the page's figures."""
    captions = CAPTIONS if run.interventions else CAPTIONS | LEVEL_CAPTIONS
    return pictures(made, f"{run.folder}/figures/{look.file_name(name)}_", captions)


def _overview(run: Run) -> list[dict[str, str]]:
    """LTV and NPS of every intervention, combination and interaction, a row each."""
    found = []
    for name in map(str, pd.unique(run.effects["intervention"])):
        answers = {metric: rows.short(effects.answer(run.effects, name, metric)) for metric in ("ltv", "nps")}
        found.append({"name": run.title(name), **answers})
    return found


def _scaling(run: Run) -> str:
    members = verdict.members_of(run)
    factor = f"{members / max(int(run.config.get('customers', 1)), 1):g}"
    if run.days == 365:
        text = _(
            "Amounts per member are multiplied by the firm's {members} members; counts of the simulated "
            "market by members over simulated customers ({factor}). The scaling is linear: lateness and waits were "
            "simulated at the size of the simulated market. LTV is discounted, profit is not."
        )
    else:
        text = _(
            "Amounts per member are multiplied by the firm's {members} members and by 365/{days}; counts "
            "of the simulated market by members over simulated customers ({factor}) and by 365/{days}. The scaling is "
            "linear: lateness and waits were simulated at the size of the simulated market. LTV is discounted, profit "
            "is not."
        )
    return text.format(members=f"{members:,}", factor=factor, days=run.days)


def _origin(run: Run, name: str) -> str:
    """Where the effect comes from, in words."""
    found = {part: effects.answer(run.effects, name, "ltv", estimand=part) for part in effects.PARTS}
    known = {part: one.effect for part, one in found.items() if one is not None}
    points = found["direct"].points if found["direct"] is not None else 0
    if len(known) < len(effects.PARTS):
        return ""
    size = {part: words.signed(effect) for part, effect in known.items()}
    text = _(
        "From {points} points: treated one at a time among untreated customers, each customer's LTV would change by "
        "{direct} yen (direct effect). With everybody treated, what customers do to one another adds {spillover} yen "
        "(spillover: word of mouth {wom}, congestion {congestion}, company {company}). Together at these points: "
        "{total} yen per member."
    ).format(**size, total=words.signed(known["direct"] + known["spillover"]), points=points)
    direct, spillover = known["direct"], known["spillover"]
    if direct * spillover < 0 and abs(spillover) >= 0.2 * abs(direct):
        share = f"{100 * abs(spillover / direct):.0f}"
        back = _("The spillover takes back {share} % of the direct effect.").format(share=share)
        return words.sentences((text, back))
    return text


def _test_words(run: Run, name: str) -> str:
    test, bias = (effects.answer(run.effects, name, "ltv", estimand=part) for part in ("ab_test", "ab_bias"))
    if test is None:
        return ""
    text = _(
        "From {points} points: a test that treats a fair half of the customers for the whole horizon would report "
        "{raw} yen of LTV per member."
    ).format(raw=words.signed(test.effect), points=test.points)
    if bias is None:
        return text
    off = _(
        "Cleared of the luck of the split, the test is off from a full rollout's effect at the same points by {bias} "
        "yen ({between}): both halves share delivery, support and talk, which a rollout changes for all."
    ).format(bias=words.signed(bias.effect), between=words.between(bias))
    return words.sentences((text, off))


def _levels(run: Run, journeys: Journeys | None) -> dict[str, Any]:
    """The page of a baseline alone."""
    return {
        "verdict": effects.baseline_words(run),
        "questions": sheet.questions(run, "baseline"),
        "rows": rows.level_rows(run),
        "pictures": _pictures(run, "baseline", figures.level_figures(run)),
        **_lived(run, "baseline", journeys),
    }


def _grades(parameters: pd.DataFrame) -> str:
    """How many assumptions stand on what, `6 measured, 6 claimed, 61 judgement, 79 known.`, and what that means."""
    order = [N_("measured"), N_("claimed"), N_("judgement"), N_("known")]
    counts = parameters["grade"].value_counts()
    others = sorted(str(grade) for grade in counts.index if grade not in order)
    told = [_("{count} {grade}").format(count=int(counts.get(grade, 0)), grade=_(grade)) for grade in [*order, *others]]
    legend = _(
        "Measured: from data. Claimed: published by an interested party, or not verified. Judgement: nobody has "
        "measured it. Known: a plain number, taken as given."
    )
    return words.sentences((_("{list}.").format(list=words.enumerated(told)), legend))


def _command(run: Run) -> str:
    single = [name for name in run.interventions if "+" not in name] or list(run.config.get("scenario") or ["baseline"])
    language = run.config.get("language", "en")
    return run.command("cxsim run", single, {"language": None if language == "en" else language})
