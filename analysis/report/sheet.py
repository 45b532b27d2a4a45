"""The first page of a report: one sheet with the question, the decision, the money, one figure, what it hinges on and
what to do next. The same sheet is told by the slide (analysis/report/slide.py).

The verdict's lines stand here whole and in their order, as in the run, the gate and a sweep's report.
"""

from __future__ import annotations

import shlex
from typing import NamedTuple

from analysis.decisions import verdict
from analysis.decisions.verdict import Verdict
from analysis.effects.estimands import FEWEST
from analysis.effects.sensitivity import chance
from analysis.folders.run_folder import Run
from analysis.report import dashboard, figures
from analysis.style import words
from analysis.style.language import N_, _

MOST = 3
"""How many unknowns are named."""


class Step(NamedTuple):
    """Something to do next, and the command that does it; empty where none does."""

    text: str
    command: str = ""


class Sheet(NamedTuple):
    """The parts of the first page, in their order; the figure is `figures.value`."""

    name: str
    questions: list[str]
    decision: str
    money: list[str]
    hinges: list[str]
    steps: list[Step]
    points: str


def sheet(run: Run, name: str) -> Sheet:
    """The first page on one intervention."""
    found = verdict.of_run(run, name)
    decision, *money = verdict.lines(found)
    nps, turning, points = verdict.beside(run, name)
    together = _("What would turn the answer was probed for each scenario on its own, not for the combination.")
    hinges = [*_missed(run), _followed(run, name), turning or together]
    return Sheet(
        run.title(name), questions(run, name), decision, [*filter(None, (*money, nps))], [*filter(None, hinges)],
        steps(run, name, found), points,
    )  # fmt: skip


def questions(run: Run, name: str) -> list[str]:
    """The descriptions of the scenarios in `name`, in the words of whoever wrote them; of ours, translated."""
    scenarios = run.config.get("scenario") or {}
    keys = [name] if name in scenarios else [key for key in name.split("+") if key in scenarios]
    texts = [str((scenarios[key] or {}).get("description", "")).strip() for key in keys]
    return [_(text) for text in texts if text] or [name]


# -- what it hinges on --------------------------------------------------------------------------------------------


def _missed(run: Run) -> list[str]:
    """A caution where the model does not reproduce what the firm knows of itself."""
    facts = dashboard.missed(run)
    text = _("The model misses facts of your dashboard in more than one world in twenty: {facts}.")
    return [text.format(facts=words.enumerated(facts))] if facts else []


def _followed(run: Run, name: str) -> str:
    """The unknowns that the effect follows beyond chance, the strongest first."""
    table = figures.rank_correlations(run, name)
    if table.empty:
        return ""
    points = int(table["points"].iloc[0])
    if points < FEWEST:
        return _("{points} points are too few to say which unknown decides; {enough} would begin to tell.").format(
            points=points, enough=FEWEST
        )
    strong = table[table["rank_correlation"].abs() > chance(len(table), points)].head(MOST)
    if strong.empty:
        return _("No unknown decides alone: what is not known adds up.")
    structures = {path for path, _option, _points in run.choices()}
    told = [
        _unknown(str(path), 0 if path in structures else rho)
        for path, rho in strong[["name", "rank_correlation"]].itertuples(index=False)
    ]
    return _("The effect follows these unknowns most: {unknowns}.").format(unknowns=words.enumerated(told))


def _unknown(path: str, rho: float) -> str:
    """An unknown and the way in which the effect follows it; of a choice between structures there is none (0)."""
    if rho == 0:
        return words.moved(path)
    text = _("{unknown} (the more, the better)") if rho > 0 else _("{unknown} (the less, the better)")
    return text.format(unknown=words.moved(path))


# -- what to do next ----------------------------------------------------------------------------------------------

ADVICE = {
    verdict.GO: N_("Roll it out, as long as setting it up costs the firm less than {firm} yen."),
    verdict.TEST: N_("Hold the test before you roll it out. What it would report, and how it could mislead:"),
    verdict.STOP: N_("Leave it, or look for the conditions under which it would pay:"),
    verdict.SHOCK: N_("See below how deep it goes and how long it lasts, and run it together with what you could do."),
    verdict.NOTHING: N_('See under "What changes" whether it reaches anybody at all.'),
}
"""What follows from a decision."""

MEASURE = N_(
    "Doubt goes only with evidence: have what it hinges on measured, write it into the company file as a mean with its "
    "standard error, and run again."
)


def steps(run: Run, name: str, found: Verdict) -> list[Step]:
    """What to do next, the first thing first."""
    some = []
    if found.over.points < FEWEST:
        again = run.command("cxsim run", name.split("+"), {"replications": "auto"})
        text = _("Run it with more points before you rely on it: {points} give no interval.")
        some = [Step(text.format(points=found.over.points), again)]
    if found.decision in ADVICE:
        text = _(ADVICE[found.decision]).format(firm=verdict.money(found.firm))
        some += [Step(text, _command(name, found))]
    if not found.clear and found.decision in (verdict.GO, verdict.STOP):
        some += [Step(_(MEASURE))]
    return some


def _command(name: str, found: Verdict) -> str:
    """The command that helps with what a decision asks for."""
    scenarios = name.split("+")
    scenario = scenarios[0] if len(scenarios) == 1 else f"[{','.join(scenarios)}]"
    if found.decision == verdict.TEST and found.cheapest is not None:
        customers = found.cheapest.worth.design.customers
        return shlex.join(["cxsim", "premortem", f"scenario={scenario}", f"customers={customers}"])
    if found.decision == verdict.STOP:
        return shlex.join(["cxsim", "run", "-m", "sweep=uncertainty", f"scenario={scenario}"])
    return ""
