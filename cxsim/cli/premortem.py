"""`cxsim premortem`: the planned field test, run many times where the truth is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.style.language import N_
from cxsim.cli.studies import Planned

if TYPE_CHECKING:
    from cxsim.progress import Progress
    from sim.config.settings import Settings


class Premortem(Planned):
    """The command."""

    group = "premortem"
    description = N_(
        "What a planned A/B test would report, against the full rollout's true effect: bias, power, needed size "
        "and weeks, risk of the wrong sign, and which design to choose."
    )
    keys = (
        ("design=[customer,cluster]", N_("a coin per customer, whole clusters, or both")),
        ("tests=8", N_("assignments per world and design")),
        ("share=0.5", N_("share of customers treated")),
        ("clusters=47", N_("clusters of the cluster design")),
        ("weeks=auto", N_("readings, [4,13] for two; auto: 2, 4, 8, 13, 26 and 52 within the horizon")),
        ("level=0.05", N_("two-sided level of significance")),
        ("power=0.8", N_("power that is wanted, for the needed size")),
        ("replications=auto", N_("worlds, each with other values of what is not known; auto: 16")),
        ("hydra.run.dir=DIR", N_("the folder to write")),
    )

    def own_keys(self) -> Collection[str]:
        """Names of the plan's keys."""
        from sim.studies.premortem import Plan

        return Plan.__dataclass_fields__

    def plan(self, node: Any, settings: Settings) -> Any:
        """The checked plan; there must be something to test."""
        from scenarios.intervention import worlds_of
        from sim.studies.premortem import plan_of, treatment

        treatment(worlds_of(settings))
        return plan_of(node, settings)

    def stated(self, plan: Any) -> Mapping[str, Any]:
        """The plan as provenance.json holds it."""
        found: Mapping[str, Any] = plan.plain()
        return found

    def simulate(self, settings: Settings, plan: Any, folder: Path, threads: int, progress: Progress) -> None:
        """Run the planned test many times."""
        from scenarios.intervention import worlds_of
        from sim.studies.premortem import run_premortem

        run_premortem(settings, worlds_of, plan, folder, threads, progress)

    def report(self, folder: Path) -> None:
        """Write the page."""
        from analysis.studies.premortem_page import write_report

        write_report(folder)

    def told(self, folder: Path) -> tuple[str, str]:
        """What the test would tell, and which design to choose."""
        from analysis.studies.premortem_page import recommendation, summary_table

        return summary_table(folder), recommendation(folder)


def premortem(words: list[str]) -> int:
    """Run the planned test many times and say what it would tell."""
    return Premortem().answer(words)
