"""report.html: a run's answer for those who decide, in one file that needs nothing else.

Everything comes from the run folder's tables and config.yaml, and nothing that differs between machines or moments is
printed, so the same run gives the same bytes. Text from the configuration is escaped by the template engine.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.decisions import verdict
from analysis.effects import answer as effects
from analysis.effects import flips
from analysis.effects.estimands import ltv_by_point, skewed, spread
from analysis.folders.run_folder import Run
from analysis.journeys import funnel_page, map_page, story_page
from analysis.journeys.read import Journeys
from analysis.report import campaigns_section, figures, meetings, recovery
from analysis.style import look, words
from analysis.style.language import N_, _
from analysis.style.page import Picture, pictures, write_page
from sim.tables import YEARS

FEW_POINTS = look.FEW_POINTS
TABLE = {
    N_("Money, yen per potential customer"): ("ltv", *YEARS, "tail", "profit", "revenue", "margin", "cost"),
    N_("Return"): ("roi", "ltv_acquired"),
    N_("How customers feel"): ("nps", "nps_surveyed", "nps_stayers", "csat"),
    N_("What customers do"): ("conversion", "repeat_rate", "churn", "acquired", "orders", "visits"),
    N_("Coupons"): ("coupons_issued", "coupons_redeemed", "coupons_expired"),
    N_("Delivery and support"): ("norush_share", "lead_time", "on_time", "backlog", "contacts"),
}
"""The effect table: groups of metrics."""

PARTS = ("direct", "spillover", "wom", "congestion", "company")
YEARLY = ("ltv", "profit", "revenue", "cost", "orders", "acquired", "coupons_redeemed", "contacts")
TESTED = ("ab_conversion_14d", "ab_profit_per_visitor_14d", "ltv", "profit", "nps", "conversion", "churn")
NOT_COSTED = (
    N_("set-up work: design, contracts, and the integration with shop and warehouse systems"),
    N_("staff time to run and watch the intervention, training and support scripts"),
    N_("creative work and copy, beyond a cost per message where one is configured"),
    N_("IT and hosting, fraud and abuse of coupons, accounting of open coupons"),
    N_("the reaction of competitors: the outside world stays as configured"),
    N_("wider effects on the brand, on suppliers and on the environment"),
)
CAPTIONS = {
    "waterfall": N_("How the total effect on LTV adds up. Whiskers: 90 % interval of each part over the replications."),
    "ab_test": N_("What a field test would report, and what one wants to know. Lines: 90 % intervals."),
    "personas": N_("Effect on LTV by segment. Segments are the true personas; targeting sees the declared ones."),
    "time": N_(
        "By week, whole weeks only. Lines: mean over the replications. Shaded: the middle 90 % of the replications. "
        "Read an effect from the differences: levels vary between replications for reasons both arms share."
    ),
    "journey": N_(
        "Where potential customers stand, week by week; the six shares add up to 100 %. Every panel has its own scale."
    ),
    "ltv": N_("LTV over the horizon in the first replication: a curve further right is worth more."),
    "break_even": N_("One thing moved at a time, everything else central. Shaded: two Monte Carlo standard errors."),
    "sensitivity": N_(
        "Which assumptions the effect hangs on: blue raises it, orange lowers it. "
        "Inside the grey band a correlation may be chance, and by chance one in twenty lies outside it."
    ),
}

LEVEL_CAPTIONS = {
    "time": N_(
        "By week, whole weeks only. Lines: mean over the replications. Shaded: the middle 90 % of the replications."
    ),
    "ltv": N_("LTV over the horizon in the first replication."),
}
"""Where there is nothing to compare."""


def write_report(folder: Path | str, language: str | None = None) -> Path:
    """Point figures/ and write report.html in the run folder; return the report's path.

    Told in `language`, or in the run's own. effects.csv is made first where it is missing. Raises RunError for a
    folder that is not a run, LanguageError, OSError.
    """
    run = Run(folder)
    if run.interventions and not run.has("effects.csv"):
        effects.write_effects(run.folder)
    return write_page(run, "report.html.j2", _context, language)


def _context(run: Run) -> dict[str, Any]:
    names, journeys = run.interventions, Journeys.kept(run)
    return {
        "title": _title(run, names),
        "facts": _facts(run),
        "overview": _overview(run) if len(names) > 1 else [],
        "interactions": effects.interaction_words(run) if len(names) > 1 else [],
        "sections": [_section(run, name, journeys) for name in names],
        "levels": _levels(run, journeys) if not names else None,
        "not_costed": [_(item) for item in NOT_COSTED],
        "assumptions": [row for row in _assumptions(run.parameters) if not row["known"]],
        "taken_as_known": [row for row in _assumptions(run.parameters) if row["known"]],
        "grades": _grades(run.parameters),
        "points": _point_count(run),
        "few": _point_count(run) < FEW_POINTS,
        "command": _command(run),
        "fingerprint": run.fingerprint,
    }


def _title(run: Run, names: list[str]) -> str:
    single = [run.title(name) for name in names if "+" not in name]
    if not single:
        return _("How the company stands with nothing added")
    return _("What would {scenarios} do?").format(scenarios=words.listed(single))


def _facts(run: Run) -> list[tuple[str, str]]:
    """The run in a line: what was simulated."""
    config = run.config
    customers = f"{int(config.get('customers', 0)):,}"
    start = config.get("start_date", _("day 0"))
    return [
        (_("Company"), str(run.setting("company.name", _("not named")))),
        (_("Simulated market"), _("{customers} potential customers").format(customers=customers)),
        (_("Horizon"), _("{days} days from {start}").format(days=run.days, start=start)),
        (_("Replications of the unknowns"), str(_point_count(run))),
        (_("Seed"), str(config.get("seed", _("not stated")))),
    ]


def _point_count(run: Run) -> int:
    return int(run.measures["replication"].nunique())


def _section(run: Run, name: str, journeys: Journeys | None) -> dict[str, Any]:
    """Everything the page says about one intervention."""
    made = figures.figures(run, name)
    found = verdict.of_run(run, name)
    nps, turning, points = verdict.beside(run, name)
    rows = run.effects[run.effects["intervention"] == name]
    return {
        "name": run.title(name),
        "questions": _questions(run, name),
        "head": verdict.lines(found)[0],
        "verdict": [*verdict.lines(found)[1:], *filter(None, [nps])],
        "turning": turning,
        "stopping": points,
        "effects": _effect_groups(run, name),
        "yearly": _yearly(run, name),
        "scaling": _scaling(run),
        "origin": _origin(run, name),
        "test": _test_words(run, name),
        "test_rows": _test_rows(run, name),
        "segments": _segment_rows(rows),
        "choices": _choices(run, name),
        "face": flips.stated_face(run, name),
        "pictures": _pictures(run, name, made),
        **_lived(run, name, journeys),
        "campaigns": campaigns_section.section(run, name),
        "projects": meetings.section(run, name),
        "recovery": recovery.section(run, name),
    }


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


def _questions(run: Run, name: str) -> list[str]:
    """The descriptions of the scenarios in `name`, in the words of whoever wrote them; of ours, translated."""
    scenarios = run.config.get("scenario") or {}
    keys = [name] if name in scenarios else [key for key in name.split("+") if key in scenarios]
    texts = [str((scenarios[key] or {}).get("description", "")).strip() for key in keys]
    return [_(text) for text in texts if text] or [name]


def _overview(run: Run) -> list[dict[str, str]]:
    """LTV and NPS of every intervention, combination and interaction, a row each."""
    rows = []
    for name in map(str, pd.unique(run.effects["intervention"])):
        ltv, nps = (effects.answer(run.effects, name, metric) for metric in ("ltv", "nps"))
        rows.append({"name": run.title(name), "ltv": _short(ltv), "nps": _short(nps)})
    return rows


def _short(found: effects.Answer | None) -> str:
    return "-" if found is None else words.effect(found.effect, found)


def _effect_groups(run: Run, name: str) -> list[tuple[str, list[dict[str, str]]]]:
    """The effect table: a heading and the rows of the metrics that were measured, group by group."""
    groups = []
    for heading, metrics in TABLE.items():
        answers = {metric: effects.answer(run.effects, name, metric) for metric in metrics}
        rows = [_effect_row(metric, found) for metric, found in answers.items() if found is not None]
        if rows:
            groups.append((_(heading), rows))
    return groups


def _effect_row(metric: str, found: effects.Answer) -> dict[str, str]:
    places = words.decimals(found.effect, found.low, found.high)
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


def _scale(run: Run) -> tuple[int, float]:
    """The firm's members, and horizons in a year."""
    return verdict.members_of(run), verdict.DAYS_PER_YEAR / run.days


def _scaling(run: Run) -> str:
    members, _years = _scale(run)
    factor = f"{members / max(int(run.config.get('customers', 1)), 1):g}"
    if run.days == 365:
        text = _(
            "Amounts per potential customer are multiplied by the firm's {members} members; counts of the simulated "
            "market by members over simulated customers ({factor}). The scaling is linear: lateness and waits were "
            "simulated at the size of the simulated market. LTV is discounted, profit is not."
        )
    else:
        text = _(
            "Amounts per potential customer are multiplied by the firm's {members} members and by 365/{days}; counts "
            "of the simulated market by members over simulated customers ({factor}) and by 365/{days}. The scaling is "
            "linear: lateness and waits were simulated at the size of the simulated market. LTV is discounted, profit "
            "is not."
        )
    return text.format(members=f"{members:,}", factor=factor, days=run.days)


def _yearly(run: Run, name: str) -> list[dict[str, str]]:
    """Totals per year for the firm's member count."""
    members, years = _scale(run)
    rows = []
    for metric in YEARLY:
        found = effects.answer(run.effects, name, metric)
        if found is None:
            continue
        money = words.METRIC[metric].kind == "mean"
        factor = years * (members / 1e6 if money else members / max(int(run.config.get("customers", 1)), 1))
        ends = {name: factor * getattr(found, name) for name in ("effect", "low", "high", "least", "most")}
        scaled = found._replace(**ends)
        places = words.decimals(scaled.effect, scaled.low, scaled.high)
        rows.append(
            {
                "label": _("LTV, yearly share") if metric == "ltv" else words.label(metric),
                "unit": _("million yen a year")
                if money
                else _("{unit} a year").format(unit=_(words.METRIC[metric].unit)),
                "effect": words.signed(scaled.effect, places),
                "interval": words.within(scaled, places),
            }
        )
    return rows


def _origin(run: Run, name: str) -> str:
    """Where the effect comes from, in words."""
    found = {part: effects.answer(run.effects, name, "ltv", estimand=part) for part in PARTS}
    known = {part: one.effect for part, one in found.items() if one is not None}
    points = found["direct"].points if found["direct"] is not None else 0
    if len(known) < len(PARTS):
        return ""
    size = {part: words.signed(effect) for part, effect in known.items()}
    text = _(
        "From {points} points: treated one at a time among untreated customers, each customer's LTV would change by "
        "{direct} yen (direct effect). With everybody treated, what customers do to one another adds {spillover} yen "
        "(spillover: word of mouth {wom}, congestion {congestion}, company {company}). Together at these points: "
        "{total} yen per potential customer."
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
        "{raw} yen of LTV per potential customer."
    ).format(raw=words.signed(test.effect), points=test.points)
    if bias is None:
        return text
    off = _(
        "Cleared of the luck of the split, the test is off from a full rollout's effect at the same points by {bias} "
        "yen ({between}): both halves share delivery, support and talk, which a rollout changes for all."
    ).format(bias=words.signed(bias.effect), between=words.between(bias))
    return words.sentences((text, off))


def _test_rows(run: Run, name: str) -> list[dict[str, str]]:
    found = []
    for metric in TESTED:
        test = effects.answer(run.effects, name, metric, estimand="ab_test")
        if test is None:
            continue
        total = effects.answer(run.effects, name, metric)
        places = words.decimals(test.effect, test.low, test.high)
        found.append(
            {
                "label": words.label(metric) if metric.startswith("ab_") else _whole_horizon(metric),
                "unit": words.unit(metric),
                "control": words.number(test.baseline, places),
                "treated": words.number(test.scenario, places),
                "effect": words.signed(test.effect, places),
                "interval": words.within(test, places),
                "total": words.signed(math.nan if total is None else total.effect, places),
            }
        )
    return found


def _whole_horizon(metric: str) -> str:
    """The metric in words that say that the whole horizon counts."""
    if metric == "ltv":
        return words.label(metric)
    return _("{metric}, whole horizon").format(metric=words.label(metric))


def _segment_rows(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Total effects on LTV, NPS and orders by segment."""
    found = []
    for segment in map(str, pd.unique(rows["segment"])):
        answers = [effects.answer(rows, str(rows["intervention"].iloc[0]), m, segment) for m in ("ltv", "nps", "churn")]
        if answers[0] is not None:
            texts = [_short(answer) for answer in answers]
            name = words.segment(segment)
            base = words.number(answers[0].baseline)
            found.append({"name": name, "baseline": base, "ltv": texts[0], "nps": texts[1], "churn": texts[2]})
    return found


def _choices(run: Run, name: str) -> list[dict[str, str]]:
    """The LTV effect under each option of what is a choice between structures, such as the dropout clock."""
    effect, rows = ltv_by_point(run.measures, name), []
    for path, option, points in run.choices():
        chosen = effect[effect.index.isin(points)].to_numpy()
        if len(chosen):
            over = spread(chosen)
            told = words.effect(over.mean, over)
            rows.append({"name": path, "option": _(option), "points": str(len(chosen)), "effect": told})
    return rows


def _levels(run: Run, journeys: Journeys | None) -> dict[str, Any]:
    """The page of a baseline alone."""
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
    return {
        "verdict": effects.baseline_words(run),
        "questions": _questions(run, "baseline"),
        "rows": rows,
        "pictures": _pictures(run, "baseline", figures.level_figures(run)),
        **_lived(run, "baseline", journeys),
    }


def _assumptions(parameters: pd.DataFrame) -> list[dict[str, Any]]:
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
