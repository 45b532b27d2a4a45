"""`cxsim drivers`: every touchpoint repaired and broken by the same step, beside what complaints and surveys say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.style.language import N_
from cxsim.cli.studies import Planned

if TYPE_CHECKING:
    from cxsim.progress import Progress
    from sim.config.settings import Settings


class Drivers(Planned):
    """The command."""

    group = "drivers"
    description = N_(
        "Which touchpoint moves LTV and NPS: each is repaired and broken by the same step, for everybody and for "
        "each persona, in otherwise the same worlds; beside what complaints and a survey's key-driver chart say."
    )
    keys = (
        ("step=0.2", N_("su by which each touchpoint is made better, then worse")),
        ("comments=0.3", N_("share of surveyed detractors who write what let them down")),
        ("customers=20000", N_("potential customers of the simulated market")),
        ("replications=16", N_("draws of what is not known")),
        ("scenario=baseline", N_("the world to do it in; its interventions must be none")),
        ("hydra.run.dir=DIR", N_("the folder to write")),
    )
    without_scenario = True

    def own_keys(self) -> Collection[str]:
        """Names of the plan's keys."""
        from sim.studies.key_drivers import READERS

        return READERS

    def plan(self, node: Any, settings: Settings) -> Any:
        """The checked plan; touchpoints are moved in the company as it stands."""
        from scenarios.intervention import worlds_of
        from sim.config.parameters import ConfigError
        from sim.studies.key_drivers import plan_of

        for name in worlds_of(settings):
            raise ConfigError(f"scenario: {name} intervenes; touchpoints are moved where nothing else is done")
        return plan_of(node)

    def stated(self, plan: Any) -> Mapping[str, Any]:
        """The plan as provenance.json holds it."""
        return asdict(plan)

    def simulate(self, settings: Settings, plan: Any, folder: Path, threads: int, progress: Progress) -> None:
        """Move every touchpoint."""
        from sim.studies.key_drivers import run_drivers

        run_drivers(settings, plan, folder, threads, progress)

    def report(self, folder: Path) -> None:
        """Write the page."""
        from analysis.studies.key_drivers_page import write_report

        write_report(folder)

    def told(self, folder: Path) -> tuple[str, str]:
        """Which touchpoint is worth most, and what complaints and surveys would have said."""
        from analysis.studies.key_drivers_page import summary_table, verdict

        return summary_table(folder), verdict(folder)


def drivers(words: list[str]) -> int:
    """Move every touchpoint and say which is worth most, and what complaints and surveys would have said."""
    return Drivers().answer(words)
