"""A pre-mortem told: the choice of design in one paragraph, a table for the terminal, figures, report.html."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analysis.effects.answer import aligned
from analysis.studies import premortem
from analysis.studies.premortem import DECIDES, PreMortem
from analysis.style import look, words
from analysis.style.language import N_, _
from analysis.style.page import pictures, write_page
from sim.tables import TEST_METRICS, Metric

DESIGN_WORDS = {"customer": N_("one by one"), "cluster": N_("in clusters")}
"""How customers are assigned."""

LOOKS = {"customer": (look.BLUE, "o", "-"), "cluster": (look.VERMILION, "s", "--")}
METRIC = {metric.name: metric for metric in TEST_METRICS}
CAPTIONS = {
    "errors": N_(
        "How far a test on all members is off on profit, root mean square over worlds. Bias is interference and "
        "reading early, chance the analyst's standard error; their squares add up. Above the grey line the test is "
        "no nearer than taking the effect for zero."
    ),
    "worlds": N_(
        "A dot is a world and a design: what its tests report on average, chance apart, against the truth. Above "
        "the line a test promises too much; in the grey quarters it points the wrong way."
    ),
    "power": N_(
        "Share of tests on all members that are significant. Grey: the power that is wanted, and what chance alone "
        "gives where there is no effect."
    ),
}
LIMITS = (
    N_(
        "Customers affect one another only as the model has it: by talk among ties and in public, by queues at the "
        "warehouse and the support desk. Who games a coupon, or shares a household, is not in it."
    ),
    N_(
        "Clusters are neighbours on the line of the simulated network. They keep talk among ties within an arm; talk "
        "in public, the shared warehouse and the support desk reach both arms under either design."
    ),
    N_(
        "Simulated clusters do not differ from one another but by chance. Real regions do, so that a real test over "
        "clusters is less precise than shown here: treat its power as an upper bound (a judgement)."
    ),
    N_(
        "Readings of an early week are extrapolated to the horizon in proportion. A firm that knows its season would "
        "do better around a peak."
    ),
    N_(
        "Everybody is in the test, visitors or not. A test on visitors alone has less noise, and its result must be "
        "brought back to all customers."
    ),
    N_("Each reading is judged by itself. Looking every week and stopping at the first success alarms more often."),
)


# -- in words -------------------------------------------------------------------------------------------------


def recommendation(folder: Path | str) -> str:
    """The paragraph for the terminal: which design, how long, and what it would miss."""
    return words.sentences(recommended(PreMortem(folder)))


def recommended(run: PreMortem) -> list[str]:
    """The paragraph's sentences: the choice and its criterion, bias, power, signs, the unknown that matters."""
    row = premortem.chosen(run.summary)
    if row["truth_size"] == 0:
        return [_nothing(run, row)]
    told = [_choice(run, row), _against_nothing(run, row), _against_others(run, row), _bias(run, row), _power(run, row)]
    return [one for one in [*told, _signs(run, row), _unknown(run, row)] if one]


def _nothing(run: PreMortem, row: pd.Series) -> str:
    """What is said where the full rollout changes profit in no world."""
    return _(
        "Nothing changes: in none of {worlds} worlds does the full rollout move profit over {days} days, so there is "
        "nothing to test."
    ).format(worlds=row["points"], days=run.days)


def _choice(run: PreMortem, row: pd.Series) -> str:
    return _(
        "Assign customers {design} and read after {weeks} weeks: on the firm's {members} members such a test misses "
        "the full rollout's effect on profit by {error} {unit} over {days} days (root mean square over {worlds} "
        "worlds), at most a tenth more than the best reading tried."
    ).format(
        design=_(DESIGN_WORDS[row["design"]]),
        weeks=row["weeks"],
        members=f"{run.members:,}",
        error=words.number(row["error_at_members"]),
        unit=_unit(METRIC[DECIDES]),
        days=run.days,
        worlds=row["points"],
    )


def _against_nothing(run: PreMortem, row: pd.Series) -> str:
    """Whether the test tells more than taking the effect for zero, and whether a larger one would."""
    if row["error_at_members"] < row["truth_size"]:
        return ""
    told = _(
        "That is no nearer than taking the effect for zero, which misses by {size}: at this size the test does not "
        "tell what the rollout would do."
    )
    bias = math.sqrt(max(row["error_at_members"] ** 2 - premortem.chance_at_members(run, row) ** 2, 0.0))
    if bias >= row["truth_size"]:
        told = _(
            "That is no nearer than taking the effect for zero, which misses by {size}, and no larger test would help: "
            "its bias alone misses by {bias}."
        )
    return told.format(size=words.number(row["truth_size"]), bias=words.number(bias))


def _against_others(run: PreMortem, row: pd.Series) -> str:
    """The best reading of the other design."""
    others = premortem.decisive(run.summary)
    others = others[others["design"] != row["design"]]
    if others.empty:
        return ""
    best = others.loc[others["error_at_members"].idxmin()]
    return _("Assigned {design} the best reading, after {weeks} weeks, misses by {error}.").format(
        design=_(DESIGN_WORDS[best["design"]]), weeks=best["weeks"], error=words.number(best["error_at_members"])
    )


def _bias(run: PreMortem, row: pd.Series) -> str:
    """What it reports on average, and which part of its bias comes from where."""
    places = words.decimals(row["estimate"], row["truth"])
    if row["interference"] == row["interference_mc_se"] == 0:
        text = _(
            "On average it reports {estimate} where the truth is {truth}; treated and untreated customers do not "
            "affect one another in any of the worlds."
        )
    elif abs(row["interference"]) > 2.0 * row["interference_mc_se"]:
        text = _(
            "On average it reports {estimate} where the truth is {truth}: {interference} (standard error {error}) "
            "because treated and untreated customers affect one another."
        )
    else:
        text = _(
            "On average it reports {estimate} where the truth is {truth}. That treated and untreated customers affect "
            "one another cannot be told from chance ({interference}, standard error {error})."
        )
    early = _("Being read before {days} days are over makes {early} of the difference.")
    return words.sentences((text, early if 7 * row["weeks"] < run.days and row["early"] != 0 else "")).format(
        estimate=words.signed(row["estimate"], places),
        truth=words.signed(row["truth"], places),
        interference=words.signed(row["interference"], places),
        error=words.number(row["interference_mc_se"], places),
        early=words.signed(row["early"], places),
        days=run.days,
    )


def _power(run: PreMortem, row: pd.Series) -> str:
    """Power on all members, and what it would take to have the wanted one."""
    power, wanted = words.percent(row["power_at_members"]), words.percent(run.power)
    weeks = premortem.enough_weeks(premortem.decisive(run.summary, row["design"]), run.members)
    start = _("On all members it is significant {power} of the time.").format(power=power)
    if not math.isfinite(row["needed_customers"]):
        return start
    size = rounded(row["needed_customers"])
    if weeks is None:
        last = premortem.decisive(run.summary, row["design"])["weeks"].max()
        need = _(
            "For {wanted} power at the true effect half of the worlds need more than {size} customers in both arms; "
            "with its members the firm would not get there in {last} weeks."
        ).format(wanted=wanted, size=size, last=last)
    else:
        need = _(
            "For {wanted} power at the true effect half of the worlds need more than {size} customers in both arms; "
            "with its members the firm gets there in {weeks} weeks in the other half."
        ).format(wanted=wanted, size=size, weeks=weeks)
    return words.sentences([start, need])


def _signs(run: PreMortem, row: pd.Series) -> str:
    """In how many worlds and tests the sign is wrong: counted, at the simulated size."""
    found = _("In {wrong} of {worlds} worlds the test, chance apart, points the wrong way.").format(
        wrong=row["wrong_points"], worlds=row["points"]
    )
    significant = round(row["power"] * row["tests"])
    if not significant:
        return found
    caution = _(
        "Simulated with {customers} customers, {significant} of {tests} tests were significant, {wrong} of them with "
        "the wrong sign; they reported {times} times the size of the truth."
    ).format(
        customers=f"{run.simulated:,}",
        significant=significant,
        tests=row["tests"],
        wrong=round(row["wrong_sign_if_significant"] * significant),
        times=words.number(row["exaggeration"], 1),
    )
    return words.sentences([found, caution])


def _unknown(run: PreMortem, row: pd.Series) -> str:
    found = premortem.culprit(run, row)
    if found is None:
        return _("No single unknown explains how far the test is off: none stands out over {worlds} worlds.").format(
            worlds=run.worlds
        )
    name, correlation = found
    return _(
        "How far the test is off hangs most on {name} (rank correlation {correlation}): find that out first."
    ).format(name=words.parameter(name), correlation=words.signed(correlation, 2))


def _unit(metric: Metric) -> str:
    """`yen per member`, or the bare unit of a ratio."""
    unit = _(metric.unit)
    return _("{unit} per member").format(unit=unit) if metric.kind == "mean" else unit


def rounded(size: float) -> str:
    """A size in two digits: it is known no better."""
    return f"{float(f'{size:.2g}'):,.0f}" if math.isfinite(size) else "-"


def summary_table(folder: Path | str) -> str:
    """The readings of the deciding metric in aligned columns, and what the numbers are in."""
    run = PreMortem(folder)
    rows = premortem.decisive(run.summary)
    head = (
        _("assigned"), _("weeks"), _("reports"), _("truth"), _("bias"), _("power"), _("wrong sign"),
        _("needs customers"), "",
    )  # fmt: skip
    note = _(
        "Reports, truth and bias: {unit} over {days} days. Power and wrong sign: of tests on the {customers} simulated "
        "customers. Needs customers: in both arms, for {wanted} power."
    ).format(
        unit=_unit(METRIC[DECIDES]), days=run.days, customers=f"{run.simulated:,}", wanted=words.percent(run.power)
    )
    return "\n".join([aligned(head, [_line(row) for _number, row in rows.iterrows()]), note])


def _line(row: pd.Series) -> tuple[str, ...]:
    places = words.decimals(row["estimate"], row["truth"])
    numbers = (words.signed(row[name], places) for name in ("estimate", "truth", "bias"))
    shares = words.percent(row["power"]), words.percent(row["wrong_sign"])
    return (_(DESIGN_WORDS[row["design"]]), str(row["weeks"]), *numbers, *shares, rounded(row["needed_customers"]), "")


# -- figures --------------------------------------------------------------------------------------------------


def figures(run: PreMortem) -> dict[str, Figure]:
    """All figures by a short name, in reading order."""
    with look.style():
        return {"errors": errors(run), "worlds": worlds(run), "power": power(run)}


def errors(run: PreMortem) -> Figure:
    """What makes each design miss the truth, by week: bias and chance, whose squares add up."""
    rows = premortem.decisive(run.summary)
    designs = list(pd.unique(rows["design"]))
    figure = Figure(figsize=(look.WIDTH, 3.0))
    grid = figure.subplots(1, len(designs), squeeze=False, sharey=True)[0]
    for axes, design in zip(grid, designs, strict=True):
        own = premortem.decisive(run.summary, design)
        together, chance = own["error_at_members"], premortem.chance_at_members(run, own)
        bias = np.sqrt(np.maximum(together**2 - chance**2, 0.0))
        axes.plot(own["weeks"], together, "-o", color=look.INK, markersize=4, label=_("all together"))
        axes.plot(own["weeks"], chance, ":D", color=look.BLUE, markersize=4, label=_("chance"))
        axes.plot(own["weeks"], bias, "--s", color=look.VERMILION, markersize=4, label=_("bias"))
        axes.axhline(own["truth_size"].iloc[0], color=look.GREY, linewidth=0.9, linestyle="-.")
        axes.set_title(_assigned(design))
        _weeks(axes, own["weeks"])
    grid[0].set_ylabel(_("misses the truth by, yen per\nmember over the horizon"))
    grid[0].set_ylim(bottom=0)
    look.legend_figure(figure, grid[:1])
    return figure


def worlds(run: PreMortem) -> Figure:
    """World by world what the test reports on average against the truth, at the chosen reading."""
    weeks = premortem.chosen(run.summary)["weeks"]
    rows = premortem.decisive(run.summary)
    rows = rows[rows["weeks"] == weeks]
    figure, axes = look.one_panel(3.6)
    for _number, row in rows.iterrows():
        colour, marker, _line = LOOKS[row["design"]]
        means = premortem.world_means(run.tests, row)
        axes.plot(
            means["truth"], means["estimate"], marker, color=colour, markersize=5, alpha=0.8,
            label=_(DESIGN_WORDS[row["design"]]),
        )  # fmt: skip
    _diagonal(axes)
    axes.set_xlabel(_("full rollout's effect on profit, yen per member over the horizon"))
    axes.set_ylabel(_("mean report of the tests\nafter {weeks} weeks, yen").format(weeks=weeks))
    look.legend_above(axes)
    return figure


def _diagonal(axes: Axes) -> None:
    """Where report and truth agree, and the quarters in which their signs differ."""
    ends = np.array([*axes.get_xlim(), *axes.get_ylim(), 0.0])
    low, high = float(ends.min()), float(ends.max())
    axes.plot([low, high], [low, high], color=look.GREY, linewidth=1, label=_("report and truth agree"))
    for x, y in (((low, 0.0), (0.0, high)), ((0.0, high), (low, 0.0))):
        axes.fill_between(x, y[0], y[1], color=look.RULE, alpha=0.6, linewidth=0)
    axes.fill_between([low], low, label=_("the signs differ"), color=look.RULE, alpha=0.6, linewidth=0)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.axhline(0, color=look.INK, linewidth=0.8)
    axes.axvline(0, color=look.INK, linewidth=0.8)


def power(run: PreMortem) -> Figure:
    """Share of significant tests by week, a panel per metric."""
    figure = Figure(figsize=(look.WIDTH, 4.6))
    grid = figure.subplots(2, 2, sharex=True, sharey=True)
    for axes, metric in zip(grid.flat, TEST_METRICS, strict=True):
        rows = run.summary[run.summary["metric"] == metric.name]
        for design, own in rows.groupby("design", sort=False):
            colour, marker, line = LOOKS[str(design)]
            text = _(DESIGN_WORDS[str(design)])
            axes.plot(
                own["weeks"], own["power_at_members"], line, marker=marker, color=colour, markersize=4, label=text
            )
        for height in (run.power, run.level):
            axes.axhline(height, color=look.GREY, linewidth=0.9, linestyle="-.")
        axes.set_title(_(metric.label))
        _weeks(axes, rows["weeks"])
    for axes in grid[:, 0]:
        axes.set_ylabel(_("share of tests"))
    for axes in grid[0]:
        axes.set_xlabel("")
    grid[0, 0].yaxis.set_major_formatter(PercentFormatter(1.0, symbol=_(" %")))
    grid[0, 0].set_ylim(0, 1)
    look.legend_figure(figure, grid[0][:1])
    return figure


def _weeks(axes: Axes, weeks: pd.Series) -> None:
    """Weeks on a logarithmic scale, each reading labelled."""
    read = sorted(set(weeks))
    axes.set_xscale("log")
    axes.set_xticks(read, [str(week) for week in read])
    axes.minorticks_off()
    axes.set_xlabel(_("read after weeks"))
    look.grid_lines(axes, "y")


# -- the page -------------------------------------------------------------------------------------------------


def write_report(folder: Path | str, language: str | None = None) -> Path:
    """Write premortem.csv, figures/ and report.html into the folder of a pre-mortem; return the report's path.

    Told in `language`, or in the run's own. Raises RunError, LanguageError, OSError.
    """
    run = PreMortem(folder)
    premortem.write_summary(run.folder)
    return write_page(run, "premortem.html.j2", _context, language)


def _context(run: PreMortem) -> dict[str, Any]:
    plan = run.config["premortem"]
    scenario = words.listed([str(name) for name in run.config["scenario"]])
    return {
        "title": _("What would a test of {scenario} tell?").format(scenario=scenario),
        "facts": _facts(run),
        "verdict": recommended(run),
        "pictures": list(pictures(figures(run), f"{run.folder}/figures/premortem_", CAPTIONS).values()),
        "metric": METRIC[DECIDES],
        "deciding": _groups(premortem.decisive(run.summary)),
        "others": [_other(run.summary, metric) for metric in TEST_METRICS if metric.name != DECIDES],
        "clusters": int(plan["clusters"]) if "cluster" in plan["design"] else 0,
        "share": words.percent(float(plan["share"])),
        "level": words.percent(run.level),
        "wanted": words.percent(run.power),
        "tests": int(plan["tests"]),
        "counted": int(run.summary["tests"].max()),
        "share_error": words.number(50 / math.sqrt(run.summary["tests"].max()), 0),
        "worlds": run.worlds,
        "days": run.days,
        "limits": [_(text) for text in LIMITS],
        "command": run.command("cxsim premortem", list(run.config["scenario"]), plan),
        "fingerprint": run.fingerprint,
    }


def _facts(run: PreMortem) -> list[tuple[str, str]]:
    """The pre-mortem in a line: what was simulated."""
    plan = run.config["premortem"]
    return [
        (_("Company"), str(run.setting("company.name", _("not named")))),
        (_("Simulated market"), _("{customers} members").format(customers=f"{run.simulated:,}")),
        (_("Members of the firm"), f"{run.members:,}"),
        (_("Worlds"), str(run.worlds)),
        (_("Tests in each, by design"), str(plan["tests"])),
        (_("Horizon"), _("{days} days").format(days=run.days)),
        (_("Seed"), str(run.config.get("seed"))),
    ]


def _groups(rows: pd.DataFrame) -> list[tuple[str, list[dict[str, str]]]]:
    """Rows of one metric by design: (heading, rows)."""
    places = words.decimals(*rows[["estimate", "truth", "se"]].abs().max())
    return [
        (_assigned(str(design)), [_row(row, places) for _number, row in own.iterrows()])
        for design, own in rows.groupby("design", sort=False)
    ]


def _assigned(design: str) -> str:
    return _("Customers assigned {design}").format(design=_(DESIGN_WORDS[design]))


def _row(row: pd.Series, places: int) -> dict[str, str]:
    """A row of the summary as text: what has a unit to so many decimals, shares in per cent."""
    signed = ("estimate", "truth", "bias", "interference", "early")
    plain = ("bias_mc_se", "interference_mc_se", "se", "spread", "error_at_members")
    shares = ("power", "power_at_members", "wrong_sign", "wrong_sign_if_significant", "coverage", "false_alarm")
    return {
        "weeks": str(row["weeks"]),
        **{name: words.signed(row[name], places) for name in signed},
        **{name: words.number(row[name], places) for name in plain},
        **{name: words.percent(row[name]) for name in shares},
        "exaggeration": words.number(row["exaggeration"], 1),
        "needed": rounded(row["needed_customers"]),
        "wrong_points": _("{wrong} of {worlds}").format(wrong=row["wrong_points"], worlds=row["points"]),
    }


def _other(summary: pd.DataFrame, metric: Metric) -> dict[str, Any]:
    """A metric that does not decide: its label, meaning, unit and rows by design."""
    rows = summary[summary["metric"] == metric.name]
    return {"label": _(metric.label), "meaning": _(metric.meaning), "unit": _unit(metric), "groups": _groups(rows)}
