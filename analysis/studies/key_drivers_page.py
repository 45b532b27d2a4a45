"""Key drivers told: which touchpoint first, where complaints and surveys disagree, figures, report.html."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.effects.answer import aligned
from analysis.studies.key_drivers import COMPLAINED, RATED, SURVEYED, KeyDrivers, Lead, write_summary
from analysis.style import look, words
from analysis.style.language import N_, _
from analysis.style.page import pictures, write_page
from sim.tables import BROKEN, DRIVEN, EVERYBODY, METRIC, REPAIRED, STEP

LTV, TAIL, NPS = DRIVEN
SUPPORT = "support"

CAPTIONS = {
    "everybody": N_(
        "The same step at each touchpoint, for everybody: better in blue, worse in orange, with 90 % intervals "
        "over the replications. On the right the place each ranking gives the touchpoint; in orange where it is "
        "not the place that LTV gives."
    ),
    "personas": N_(
        "The same for one persona at a time, per member of the whole market: a small persona counts "
        "for less. Places are within the persona."
    ),
}
LIMITS = (
    N_(
        "The same step at every touchpoint is a yardstick, not an offer: what a step costs, and whether it can be had, "
        "differs by touchpoint and is not in here."
    ),
    N_(
        "How strongly satisfaction acts on churn and expectation on purchase is a judgement, drawn from its range: it "
        "moves all touchpoints alike, so that the order is surer than the amounts."
    ),
    N_(
        "How much a touchpoint weighs in an episode is a judgement too, and decides much of the order. Complaints and "
        "ratings are made by the same model: a firm's own look different where its customers do."
    ),
    N_(
        "Ratings are simulated: what a respondent has come to expect of a touchpoint, told on the scale, with the "
        "style and the noise of the answer itself. A firm's questionnaire may ask better, or worse."
    ),
    N_(
        "Touchpoints are moved for true personas; complaints and answers are counted by the persona the firm has on "
        "file, which is all it knows."
    ),
    N_(
        "Support is not compared: nobody's complaint names it as what let them down, and no rating is asked. A step "
        "there reaches only those whom support serves, whatever their persona."
    ),
)


# -- in words -------------------------------------------------------------------------------------------------


def verdict(folder: Path | str) -> str:
    """The paragraph for the terminal."""
    return words.sentences(told(KeyDrivers(folder)))


def told(run: KeyDrivers) -> list[str]:
    """The answer's sentences: what a step does and where, and where complaints and the survey would have it."""
    first, second = run.order(EVERYBODY, LTV)[:2]
    if run.cell(EVERYBODY, first, LTV, STEP)["value"] == 0.0:
        none = _("No step moves LTV over {days} days and beyond: take more customers or more days.")
        return [none.format(days=run.days)]
    sentences = [_worth(run, first), _ahead(run, first, second), _nps(run, first)]
    sentences += [_instead(run, measure, first) for measure in (COMPLAINED, SURVEYED)]
    return [one for one in [*sentences, _sizes(run), _persona(run), _support(run)] if one]


def _worth(run: KeyDrivers, first: str) -> str:
    return _(
        "A step of {step} su is worth most at {touchpoint}: over {days} days and beyond it moves LTV by {repaired} yen "
        "per member if the touchpoint gets better, by {broken} if it gets worse."
    ).format(
        step=words.plain(run.step),
        touchpoint=words.touchpoint(first),
        days=run.days,
        repaired=_with_span(run.cell(EVERYBODY, first, LTV, REPAIRED)),
        broken=_with_span(run.cell(EVERYBODY, first, LTV, BROKEN)),
    )


def _with_span(row: pd.Series) -> str:
    """`+5.2 (90 % interval -1.7 to +12.0)`."""
    places = words.decimals(row["value"])
    return _("{value} ({span})").format(
        value=words.signed(row["value"], places), span=words.between(_over(row), places)
    )


class _Over(NamedTuple):
    """What a row says of its points."""

    low: float
    high: float
    least: float
    most: float
    points: int


def _over(row: pd.Series) -> _Over:
    low, high, least, most = (float(row[name]) for name in ("ci_low", "ci_high", "least", "most"))
    return _Over(low, high, least, most, int(row["points"]))


def _ahead(run: KeyDrivers, first: str, second: str) -> str:
    return _("It is ahead of {second}, the next, at {ahead} of {points} points of what is not known.").format(
        second=words.touchpoint(second), **_counted(run.lead(EVERYBODY, first, second))
    )


def _counted(lead: Lead) -> dict[str, str]:
    return {"ahead": str(lead.ahead), "points": str(lead.points)}


def _nps(run: KeyDrivers, first: str) -> str:
    best = next(iter(run.order(EVERYBODY, NPS)), None)
    if best is None:
        return ""
    effect = _with_span(run.cell(EVERYBODY, best, NPS, STEP))
    if best == first:
        return _("NPS moves most with it as well: {effect} points a step.").format(effect=effect)
    return _("NPS moves most with {touchpoint} instead: {effect} points a step.").format(
        touchpoint=words.touchpoint(best), effect=effect
    )


def _instead(run: KeyDrivers, measure: str, first: str) -> str:
    """What complaints, or the survey's chart, would mend first, and what that would forgo."""
    named = next(iter(run.order(EVERYBODY, measure)), None)
    if named is None:
        return ""
    found = float(run.cell(EVERYBODY, named, measure)["value"])
    value = words.percent(found / 100) if measure == COMPLAINED else words.number(found, 2)
    if named == first:
        text = {
            COMPLAINED: _(
                "Complaints name it first too ({value} of them on average); replication by replication they name the "
                "touchpoint where a step is worth most in {same} of {points}."
            ),
            SURVEYED: _(
                "The survey's key-driver chart has it first too (weight {value} on average); replication by "
                "replication it has the touchpoint where a step is worth most in {same} of {points}."
            ),
        }[measure]
        return text.format(value=value, same=run.agreement(EVERYBODY, measure), points=run.worlds)
    text = {
        COMPLAINED: _(
            "Complaints disagree: they name {named} first ({value} of them), where a step brings {less} yen less "
            "({span}; less in {ahead} of {points} replications)."
        ),
        SURVEYED: _(
            "The survey's key-driver chart disagrees: it has {named} first (weight {value}), where a step brings "
            "{less} yen less ({span}; less in {ahead} of {points} replications)."
        ),
    }[measure]
    lead = run.lead(EVERYBODY, first, named)
    return text.format(
        named=words.touchpoint(named), value=value, less=words.number(lead.over.mean),
        span=words.between(lead.over), **_counted(lead),
    )  # fmt: skip


def _sizes(run: KeyDrivers) -> str:
    """Where the order agrees the sizes may not: the first one's worth in that of the last one, by each measure."""
    first, last = run.order(EVERYBODY, LTV)[0], run.order(EVERYBODY, LTV)[-1]
    ratios = [_ratio(run, first, last, measure) for measure in (LTV, COMPLAINED, SURVEYED)]
    if not all(words.known(ratio) and ratio > 0 for ratio in ratios):
        return ""
    effect, complaints, survey = (words.number(ratio, 1) for ratio in ratios)
    return _(
        "A step at {first} is worth {effect} times one at {last}; complaints make it {complaints} times, the survey's "
        "chart {survey} times."
    ).format(
        first=words.touchpoint(first), last=words.touchpoint(last), effect=effect, complaints=complaints, survey=survey
    )


def _ratio(run: KeyDrivers, one: str, other: str, measure: str) -> float:
    change = STEP if measure == LTV else ""
    top, bottom = (float(run.cell(EVERYBODY, name, measure, change)["value"]) for name in (one, other))
    return top / bottom if bottom > 0 else float("nan")


def _persona(run: KeyDrivers) -> str:
    """The cell of touchpoint and persona that is worth most to the firm."""
    rows = run.summary[(run.summary["measure"] == LTV) & (run.summary["change"] == STEP)]
    rows = rows[rows["persona"] != EVERYBODY]
    if rows.empty:
        return ""
    best = rows.sort_values("value", ascending=False, kind="stable").iloc[0]
    return _(
        "Of single personas a step is worth most at {touchpoint} for {persona}: {effect} yen per member of "
        "the whole market."
    ).format(
        touchpoint=words.touchpoint(best["touchpoint"]), persona=words.segment(best["persona"]), effect=_with_span(best)
    )


def _support(run: KeyDrivers) -> str:
    return _("A step at support is worth {effect} yen.").format(
        effect=_with_span(run.cell(EVERYBODY, SUPPORT, LTV, STEP))
    )


def disagreements(run: KeyDrivers) -> Iterator[str]:
    """A sentence for each persona whose complaints or answers name another touchpoint first than a step's effect."""
    for persona in run.personas[1:]:
        firsts = [run.order(persona, measure)[:1] for measure in (LTV, COMPLAINED, SURVEYED)]
        if not all(firsts) or firsts[0] == firsts[1] == firsts[2]:
            continue
        (best,), (complained,), (surveyed,) = firsts
        yield _(
            "{persona}: a step is worth most at {best}; complaints name {complained} first, the survey's chart "
            "{surveyed}."
        ).format(
            persona=words.segment(persona),
            best=words.touchpoint(best),
            complained=words.touchpoint(complained),
            surveyed=words.touchpoint(surveyed),
        )


def summary_table(folder: Path | str) -> str:
    """Touchpoints moved for everybody in aligned columns, and what the numbers are in."""
    run = KeyDrivers(folder)
    head = (
        _("touchpoint"), _("LTV better"), _("LTV worse"), _("NPS better"), _("NPS worse"), _("complaints"),
        _("survey"), "",
    )  # fmt: skip
    note = _(
        "Effect of a step of {step} su for everybody, yen per member over {days} days and beyond, and points. "
        "Complaints: share that names it. Survey: standardised regression weight."
    ).format(step=words.plain(run.step), days=run.days)
    return "\n".join([aligned(head, [_line(run, name) for name in touchpoints(run, EVERYBODY)]), note])


def _line(run: KeyDrivers, touchpoint: str) -> tuple[str, ...]:
    effects = [
        words.signed(run.cell(EVERYBODY, touchpoint, metric, change)["value"], 2)
        for metric in (LTV, NPS)
        for change in (REPAIRED, BROKEN)
    ]
    if touchpoint not in RATED:
        return (words.touchpoint(touchpoint), *effects, "-", "-", "")
    share = words.percent(run.cell(EVERYBODY, touchpoint, COMPLAINED)["value"] / 100)
    weight = words.number(run.cell(EVERYBODY, touchpoint, SURVEYED)["value"], 2)
    return (words.touchpoint(touchpoint), *effects, share, weight, "")


# -- the page -------------------------------------------------------------------------------------------------


def write_report(folder: Path | str, language: str | None = None) -> Path:
    """Write key_drivers.csv, figures/ and report.html into the folder of `cxsim key-drivers`; return the report's path.

    Told in `language`, or in the run's own. Raises RunError, LanguageError, OSError.
    """
    run = KeyDrivers(folder)
    write_summary(run.folder)
    return write_page(run, "key_drivers.html.j2", _context, language)


def _context(run: KeyDrivers) -> dict[str, Any]:
    return {
        "title": _("Which touchpoint moves LTV and NPS?"),
        "step": words.plain(run.step),
        "facts": _facts(run),
        "verdict": told(run),
        "pictures": list(pictures(figures(run), f"{run.folder}/figures/key_drivers_", CAPTIONS).values()),
        "effects": [_effects(run, metric) for metric in (LTV, NPS)],
        "rankings": [(words.segment(persona), _rankings(run, persona)) for persona in run.personas],
        "disagreements": list(disagreements(run)),
        "comments": words.percent(float(run.setting("key_drivers.comments"))),
        "days": run.days,
        "points": run.worlds,
        "limits": [_(text) for text in LIMITS],
        "command": run.command("cxsim key-drivers", list(run.config["scenario"]), run.config["key_drivers"]),
        "fingerprint": run.fingerprint,
    }


def _facts(run: KeyDrivers) -> list[tuple[str, str]]:
    """What was simulated, in a line."""
    return [
        (_("Company"), str(run.setting("company.name", _("not named")))),
        (_("Simulated market"), _("{customers} members").format(customers=f"{run.config['customers']:,}")),
        (_("Size of a step"), _("{step} su").format(step=words.plain(run.step))),
        (_("Replications"), str(run.worlds)),
        (_("Horizon"), _("{days} days").format(days=run.days)),
        (_("Seed"), str(run.config.get("seed"))),
    ]


def _effects(run: KeyDrivers, metric: str) -> dict[str, Any]:
    """A table of one metric: label, unit, and rows by persona."""
    return {
        "label": _(METRIC[metric].label),
        "unit": words.unit(metric),
        "beyond": metric == LTV,
        "groups": [
            (words.segment(persona), [_effect(run, persona, name, metric) for name in touchpoints(run, persona)])
            for persona in run.personas
        ],
    }


def _effect(run: KeyDrivers, persona: str, name: str, metric: str) -> dict[str, str]:
    """A row: both moves with intervals, the step with its Monte Carlo error, and what it does beyond the horizon."""
    rows = {change: run.cell(persona, name, metric, change) for change in (REPAIRED, BROKEN, STEP)}
    beyond = run.cell(persona, name, TAIL, STEP)
    found = {"touchpoint": words.touchpoint(name), "error": words.number(rows[STEP]["mc_se"], 2)}
    for change, row in rows.items():
        found[change] = words.signed(row["value"], 2)
        found[f"{change}_span"] = words.within(_over(row), 2)
    return found | {"beyond": words.signed(beyond["value"], 1), "rank": str(rows[STEP]["rank"])}


def _rankings(run: KeyDrivers, persona: str) -> list[dict[str, str]]:
    """Rows: what each ranking says of a touchpoint that all of them name."""
    rows = []
    for name in run.order(persona, LTV):
        places = {measure: run.place(persona, name, measure) for measure in (LTV, NPS, COMPLAINED, SURVEYED)}
        share, weight = run.cell(persona, name, COMPLAINED), run.cell(persona, name, SURVEYED)
        rows.append(
            {measure: "-" if place is None else str(place) for measure, place in places.items()}
            | {
                "touchpoint": words.touchpoint(name),
                "share": words.percent(share["value"] / 100),
                "share_span": words.within(_over(share), 0, sign=False),
                "weight": words.number(weight["value"], 2),
                "weight_span": words.within(_over(weight), 2, sign=False),
            }
        )
    return rows


RANKINGS = {LTV: N_("LTV"), NPS: N_("NPS"), COMPLAINED: N_("complaints"), SURVEYED: N_("survey")}
CHANGE_LOOKS = {REPAIRED: (N_("a step better"), look.BLUE, 0.2), BROKEN: (N_("a step worse"), look.VERMILION, -0.2)}


def touchpoints(run: KeyDrivers, persona: str) -> list[str]:
    """Touchpoints that were moved for a persona, by what a step there does to LTV."""
    rows = run.summary
    rows = rows[(rows["persona"] == persona) & (rows["measure"] == LTV) & (rows["change"] == STEP)]
    return [str(name) for name in rows.sort_values("rank")["touchpoint"]]


def figures(run: KeyDrivers) -> dict[str, Figure]:
    """All figures by a short name, in reading order."""
    everybody = [(EVERYBODY, name) for name in touchpoints(run, EVERYBODY)]
    single = [(persona, name) for persona in run.personas[1:] for name in touchpoints(run, persona)]
    with look.style():
        made = {"everybody": paired_bars(run, everybody)}
        return made | {"personas": paired_bars(run, single)} if single else made


def paired_bars(run: KeyDrivers, cells: list[tuple[str, str]]) -> Figure:
    """A row per (persona, touchpoint): bars for better and worse, of LTV and of NPS, and the places."""
    figure = Figure(figsize=(look.WIDTH, 1.3 + 0.34 * len(cells)))
    ltv, nps, places = figure.subplots(1, 3, sharey=True, width_ratios=(3, 3, 1.9))
    texts = {LTV: _("effect on LTV, yen per\nmember"), NPS: _("effect on NPS,\npoints")}
    for axes, metric in ((ltv, LTV), (nps, NPS)):
        for change in CHANGE_LOOKS:
            _bars(axes, [run.cell(*cell, metric, change) for cell in cells], change)
        axes.axvline(0, color=look.INK, linewidth=0.8)
        axes.set_xlabel(texts[metric])
        look.grid_lines(axes, "x")
    ltv.set_yticks(range(len(cells)), [_label(*cell) for cell in cells])
    ltv.set_ylim(len(cells) - 0.4, -0.6)
    for axes in (ltv, nps, places):
        axes.tick_params(axis="y", length=0)
        for row in range(1, len(cells)):
            if cells[row][0] != cells[row - 1][0]:
                axes.axhline(row - 0.5, color=look.RULE, linewidth=0.8)
    _places(places, run, cells)
    look.legend_figure(figure, [ltv])
    return figure


def _label(persona: str, name: str) -> str:
    if persona == EVERYBODY:
        return words.touchpoint(name)
    return _("{persona}: {touchpoint}").format(touchpoint=words.touchpoint(name), persona=words.segment(persona))


def _bars(axes: Axes, rows: list[pd.Series], change: str) -> None:
    text, colour, shift = CHANGE_LOOKS[change]
    y = [place - shift for place in range(len(rows))]
    axes.barh(y, [row["value"] for row in rows], height=0.36, color=colour, alpha=0.85, label=_(text))
    low, high = [row["ci_low"] for row in rows], [row["ci_high"] for row in rows]
    axes.hlines(y, low, high, color=look.INK, linewidth=0.9, alpha=0.7)


def _places(axes: Axes, run: KeyDrivers, cells: list[tuple[str, str]]) -> None:
    """The place of each touchpoint among those that every ranking names; standing out where it is not LTV's."""
    for column, (measure, text) in enumerate(RANKINGS.items()):
        axes.text(column, -0.7, _(text), rotation=45, rotation_mode="anchor", va="center", fontsize=8.5)
        for row, (persona, name) in enumerate(cells):
            place, by_ltv = (run.place(persona, name, one) for one in (measure, LTV))
            other = place is not None and place != by_ltv
            axes.text(
                column, row, "\N{EN DASH}" if place is None else str(place), ha="center", va="center",
                fontweight="bold" if other else "normal", color=look.VERMILION if other else look.INK,
            )  # fmt: skip
    axes.set_xlim(-0.6, len(RANKINGS) - 0.4)
    axes.set_xticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_xlabel(_("place by each ranking"))
