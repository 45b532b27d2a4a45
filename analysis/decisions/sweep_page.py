"""A sweep's answer: report.html, figures and tables in its folder, and the short form for a terminal.

Everything is read from the plan and the finished jobs; what is not done is listed and left out. The same jobs give the
same bytes, whichever was done first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.decisions import sweep_plots
from analysis.decisions import sweep_words as told
from analysis.decisions.decide import OptionGroup, Unknowns, decide, tables
from analysis.decisions.options import (
    BLOCKS,
    Configuration,
    Option,
    answers,
    configurations,
    options,
    ranked,
    shown,
    varied,
)
from analysis.decisions.unknowns import space_together
from analysis.decisions.verdict import DECISION_WORDS, Verdict, judged, members_of, usual
from analysis.decisions.verdict import lines as verdict_lines
from analysis.effects.answer import aligned
from analysis.folders.sweep_folder import DONE, Job, Sweep, collect
from analysis.style import look, words
from analysis.style.language import N_, _, told_in, translated
from analysis.style.lines import folded
from analysis.style.page import Picture, picture, render
from sim.files.disk import together, write_csv, write_text

MOST_SECTIONS = 6
"""Most options with a section on what their answer depends on; the tables have all options."""

MOST_PRINTED = 10
"""Most options in the table on a terminal."""


@dataclass(frozen=True)
class Answered:
    """A sweep with its configurations, its options (best first), and what decides between them."""

    sweep: Sweep
    configurations: Sequence[Configuration]
    options: Sequence[Option]
    groups: Sequence[OptionGroup]
    _verdicts: dict[int, Verdict] = field(default_factory=dict)

    @property
    def days(self) -> int:
        """Horizon in days, of the first configuration."""
        return self.configurations[0].runs[0].days

    @property
    def members(self) -> int:
        """The firm's members, of the first configuration."""
        return members_of(self.configurations[0].runs[0])

    def judged(self, option: Option) -> Verdict:
        """The verdict on an option, by the thresholds that ship."""
        key = id(option)
        if key not in self._verdicts:
            self._verdicts[key] = judged(option, usual())
        return self._verdicts[key]

    @property
    def unknowns(self) -> list[Unknowns]:
        """What the answers of the best options depend on, for those with a section."""
        found = {id(one.option): one for group in self.groups for one in group.unknowns}
        return [found[id(option)] for option in self.options if id(option) in found][:MOST_SECTIONS]


def answered(folder: Path | str) -> Answered:
    """Read a sweep's folder. Raises RunError for a folder that holds no sweep."""
    sweep = Sweep(folder)
    found = configurations(sweep)
    best_first = ranked(options(found))
    return Answered(sweep, found, best_first, decide(best_first))


def write_sweep_report(folder: Path | str, language: str | None = None) -> str:
    """Write sweep.parquet, the tables beside it, figures/ and report.html; return the short form for a terminal.

    Told in `language`, or in that of the runs. Raises RunError for a folder that holds no sweep, or where a package is
    missing that the answer needs; LanguageError; OSError.
    """
    collect(folder)
    found = answered(folder)
    config = found.configurations[0].runs[0].config if found.configurations else {}
    beside = {"answers.csv": answers(found.sweep, found.configurations), **tables(found.groups)}
    with told_in(language or str(config.get("language", "en"))), together(found.sweep.folder):
        for name, table in beside.items():
            write_csv(found.sweep.folder / name, table)
        write_text(found.sweep.folder / "report.html", render("sweep.html.j2", _context(found)))
        return _short(found)


# -- in words ---------------------------------------------------------------------------------------------------


def verdict(found: Answered) -> list[str]:
    """The sweep's answer, a paragraph per sentence or two."""
    undone = _undone(found.sweep)
    if not found.configurations:
        return list(filter(None, [_("There is no answer yet."), undone]))
    if not found.options:
        return list(filter(None, [_("No job treats anybody: there is nothing to compare."), undone]))
    lines = [told.choice(group, found.members, found.days) for group in found.groups if len(group.options) > 1]
    lines += [told.first(found.options, varied(found.configurations), found.days), undone]
    lines += [words.sentences(verdict_lines(found.judged(option))) for option in found.options[: told.MOST_TOLD]]
    for one in found.unknowns[: told.MOST_TOLD]:
        lines += [words.sentences([told.probable(one), told.region(one.region, one.space)])]
    lines += [told.noise([one.option for one in found.unknowns]), told.apart(found.groups, found.options)]
    return list(filter(None, lines))


def _undone(sweep: Sweep) -> str:
    left = [job for job in sweep.jobs if not job.done]
    if not left:
        return ""
    text = _("Jobs not done: {left} of {all}. They are left out here; the report's list of jobs says why.")
    return text.format(left=len(left), all=len(sweep.jobs))


def _short(found: Answered) -> str:
    """Table and verdict for a terminal."""
    head = (_("option"), _("what to do"), _("it pays in"), _("LTV, yen"), _("ROI"), _("NPS, points"))
    rows = [
        (
            one.label,
            *_decision(found.judged(one)),
            *(told.effect(one.answer(metric)) for metric in ("ltv", "roi", "nps")),
        )
        for one in found.options[:MOST_PRINTED]
    ]
    parts = [aligned(head, rows)] if rows else []
    more = len(found.options) - len(rows)
    parts += [_("{count} more options are in answers.csv.").format(count=more)] if more else []
    return "\n\n".join([*parts, "\n".join(folded(line, 110) for line in verdict(found))])


def _decision(one: Verdict) -> tuple[str, str]:
    """What to do about an option, and in how many of the worlds it pays."""
    return _(DECISION_WORDS[one.decision]), words.percent(one.over.p_positive)


# -- the page ---------------------------------------------------------------------------------------------------


def _context(found: Answered) -> dict[str, Any]:
    saved = _Pictures(found.sweep.folder / "figures")
    with look.style():
        return {
            "title": _title(found),
            "facts": _facts(found),
            "verdict": verdict(found),
            "ranking": _ranking(found, saved),
            "trade_off": _trade_off(found, saved),
            "panels": _panels(found, saved),
            "groups": [_group(group, saved) for group in found.groups if not group.regret.empty],
            "sections": [_section(number, one, found, saved) for number, one in enumerate(found.unknowns)],
            "apart": told.apart(found.groups, found.options),
            "jobs": [_job(job, found.sweep) for job in found.sweep.jobs],
            "keys": found.sweep.keys,
            "folder_tables": ["sweep.parquet", "answers.csv", *tables(())],
        }


class _Pictures:
    """Saves figures into one folder, and returns them for the page."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str, figure: Figure, caption: str) -> Picture:
        return picture(figure, self._folder / name, caption)


def _title(found: Answered) -> str:
    keys = [words.moved(key) for key in varied(found.configurations) or found.sweep.keys if key != BLOCKS]
    names = list(dict.fromkeys(one.intervention for one in found.options))
    if not keys:
        return _("The answer of a sweep")
    text = _("{scenario} over {keys}") if len(names) == 1 else _("The answer over {keys}")
    return text.format(scenario=words.listed(names), keys=words.listed(keys))


def _facts(found: Answered) -> list[tuple[str, str]]:
    done = sum(job.done for job in found.sweep.jobs)
    facts = [(_("Jobs done"), _("{done} of {all}").format(done=done, all=len(found.sweep.jobs)))]
    if not found.configurations:
        return facts
    run = found.configurations[0].runs[0]
    points = sorted({one.points for one in found.configurations})
    customers, start = f"{int(run.config.get('customers', 0)):,}", run.config.get("start_date", _("day 0"))
    several = f"{points[0]}" if len(points) == 1 else f"{points[0]}\N{EN DASH}{points[-1]}"
    fixed = [
        ("company.name", _("Company"), str(run.setting("company.name", _("not named")))),
        ("customers", _("Simulated market"), _("{customers} members").format(customers=customers)),
        ("days", _("Horizon"), _("{days} days from {start}").format(days=run.days, start=start)),
        ("seed", _("Seed"), str(run.config.get("seed", _("not stated")))),
    ]
    facts += [(term, text) for key, term, text in fixed if key not in found.sweep.keys]
    return [*facts, (_("Replications of the unknowns"), several)]


def _ranking(found: Answered, saved: _Pictures) -> dict[str, Any] | None:
    if not found.options:
        return None
    caption = _("Options ranked by ROI; those that cost nothing follow, ranked by their effect on LTV.")
    rows = [
        {
            "label": one.label,
            "costs": one.answer("roi") is not None,
            **dict(zip(("decision", "pays"), _decision(found.judged(one)), strict=True)),
            "points": str(one.configuration.points),
            **{metric: told.effect(one.answer(metric)) for metric in ("ltv", "roi", "nps")},
            "sure": bool((ltv := one.answer("ltv")) and ltv.sign),
        }
        for one in found.options[: sweep_plots.MOST_RANKED]
    ]
    return {
        "rows": rows,
        "left": len(found.options) - len(rows),
        "picture": saved("ranking", sweep_plots.ranking(found.options), caption),
    }


def _trade_off(found: Answered, saved: _Pictures) -> Picture | None:
    if not found.options:
        return None
    caption = _(
        "Effects on LTV and on NPS, lines: 90 % intervals. Of options on the Pareto front none is beaten by another in "
        "both, going by the means; where lines overlap, the replications do not say which is better."
    )
    return saved("trade_off", sweep_plots.trade_off(found.options), caption)


def _panels(found: Answered, saved: _Pictures) -> list[Picture]:
    keys = varied(found.configurations)
    made = sweep_plots.panels(found.options, keys) if found.options else []
    return [saved(panel.name, panel.figure, panel.caption) for panel in made]


def _group(group: OptionGroup, saved: _Pictures) -> dict[str, Any]:
    """What decides between the options of one group."""
    own = space_together(group.options)
    pictures = []
    if len(group.options) > 1:
        regret = _("Regret: what a choice falls short of the best one in the same replication. Blue: the least.")
        spread = _(
            "How often the effect on LTV is at least so large. Where a curve crosses zero is the probability of a gain."
        )
        pictures = [
            saved(f"regret_{group.number}", sweep_plots.regret(group.regret), regret),
            saved(f"spread_{group.number}", sweep_plots.spreads(group.effects), spread),
        ]
    return {
        "number": group.number,
        "points": len(group.effects),
        "rows": [_regret_row(row) for _i, row in group.regret.iterrows()],
        "regions": [told.region(found, own) for found in group.best],
        "pictures": pictures,
    }


def _regret_row(row: pd.Series) -> dict[str, str]:
    return {
        "option": _(str(row["option"])),
        "effect": words.signed(float(row["mean_effect"])),
        "expected": words.number(float(row["expected_regret"])),
        "maximum": words.number(float(row["maximum_regret"])),
        "best": words.percent(float(row["p_best"])),
    }


CHANCES = N_(
    "How often the effect on LTV is above zero: over all replications, under each option of a choice, and in each "
    "third of the replications by the value of a leading unknown (their number in brackets). Blue: more probable than "
    "not; orange: less; grey: the interval reaches one half."
)
SENSITIVITY = N_(
    "Left: blue raises the effect, orange lowers it; the largest of so many correlations stays inside the grey band 95 "
    "times in 100 by chance alone. Right: what each unknown explains by itself, with an interval on the safe side; "
    "what is missing to 100 % is interaction, small influences and the luck of the seed."
)


def _section(number: int, one: Unknowns, found: Answered, saved: _Pictures) -> dict[str, Any]:
    """The section on what one option's answer depends on."""
    ltv = one.probabilities[one.probabilities["metric"] == "ltv"]
    sensitivity = one.sensitivity[one.sensitivity["metric"] == "ltv"]
    pictures = [saved(f"chances_{number}", sweep_plots.chances(ltv), _(CHANCES))]
    if len(sensitivity):
        pictures.append(saved(f"sensitivity_{number}", sweep_plots.sensitivity(sensitivity), _(SENSITIVITY)))
    depends = told.probable(one), told.region(one.region, one.space), told.driven(one), told.noise([one.option])
    sentences = (*verdict_lines(found.judged(one.option)), *depends)
    return {
        "label": one.option.label,
        "sentences": list(filter(None, sentences)),
        "rates": list(_rates(one.probabilities)),
        "pictures": pictures,
    }


def _rates(table: pd.DataFrame) -> Iterator[dict[str, str]]:
    """Probabilities over all points and under each option of a choice."""
    for _i, row in table[table["low"].isna()].iterrows():
        yield {
            "metric": words.label(str(row["metric"])),
            "given": f"{words.moved(row['given'])} {_(str(row['value']))}" if row["given"] else _("all replications"),
            "points": str(row["points"]),
            "share": words.percent(float(row["probability"])),
            "interval": _("{low} to {high}").format(
                low=words.percent(float(row["ci_low"])), high=words.percent(float(row["ci_high"]))
            ),
        }


def _job(job: Job, sweep: Sweep) -> dict[str, Any]:
    """A row of the list of jobs."""
    why = translated(job.why) if job.status != DONE else ""
    if job.done and job.key not in {one.key for one in sweep.finished}:
        why = _("asked for again later, with another version or other settings; the later answer stands")
    values = [_swept(key, job.values[key]) if key in job.values else "" for key in sweep.keys]
    return {"key": job.key, "status": words.status(job.status), "why": why, "values": values}


def _swept(key: str, value: Any) -> str:
    """A swept value; of a block of points its first and last."""
    return f"{value[0]}\N{EN DASH}{value[1] - 1}" if key == BLOCKS else shown(value)
