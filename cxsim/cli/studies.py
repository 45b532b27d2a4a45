"""`cxsim premortem` and `cxsim key-drivers`, which simulate by a plan: a configuration group of their own.

The plan's keys are given without the group's name; all others are those of `cxsim run`. The answer is a folder with
tables and a page, and on the terminal a table and a sentence.
"""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from analysis.style.language import N_, _, translated
from cxsim.cli.terminal import OK, Parser, add_own_folder, let_own_code_run, shown
from cxsim.compose import (
    addable,
    compose,
    composer,
    given_by_hand,
    hydras_errors_in_words,
    plain,
    settings_of,
    threads_of,
)

if TYPE_CHECKING:
    from cxsim.progress import Progress
    from sim.config.settings import Settings


class Planned(ABC):
    """Base of both commands. Heavy imports stand inside the methods, so that --help is quick."""

    group: ClassVar[str]
    description: ClassVar[str]
    keys: ClassVar[Sequence[tuple[str, str]]]
    """Keys of the plan with their defaults, and what each is (translated when it is shown)."""
    without_scenario: ClassVar[bool] = False
    """Whether no scenario is meant unless one is named."""

    @abstractmethod
    def own_keys(self) -> Collection[str]:
        """Names of the plan's keys."""

    @abstractmethod
    def plan(self, node: Any, settings: Settings) -> Any:
        """The plan, checked together with the settings before anything is simulated. Raises ConfigError."""

    @abstractmethod
    def simulate(self, settings: Settings, plan: Any, folder: Path, threads: int, progress: Progress) -> None:
        """Write the tables."""

    @abstractmethod
    def report(self, folder: Path) -> None:
        """Write the page."""

    @abstractmethod
    def told(self, folder: Path) -> tuple[str, str]:
        """(table, sentence) for the terminal."""

    # -- what they share

    def answer(self, words: list[str]) -> int:
        """Compose, simulate, write, tell."""
        parser = self._parser()
        given = parser.parse_intermixed_args(words)
        if given.help:
            print(f"{parser.format_help()}\n{self._keys()}")
            return OK
        overrides = self._overrides(given.overrides)
        let_own_code_run(given)
        with composer(given.config_dir) as hydra:
            config = compose(hydra, overrides)
            from hydra.core.hydra_config import HydraConfig

            HydraConfig.instance().set_config(config)
            with hydras_errors_in_words():
                wanted = Path(config.hydra.run.dir)
            settings = settings_of(config, config.hydra)
            plan = self.plan(plain(config[self.group]), settings)
        folder = self._written(settings, plan, wanted, exact=given_by_hand(overrides, "hydra.run.dir"))
        print("\n\n".join([*self.told(folder), shown(folder)]))
        return OK

    def _parser(self) -> Parser:
        parser = Parser(prog=f"cxsim {self.group.replace('_', '-')}", add_help=False, description=_(self.description))
        parser.add_argument("overrides", nargs="*", metavar="key=value", help=_("key=value, dots for keys within keys"))
        parser.add_argument("--help", "-h", action="store_true", help=_("show this help message and exit"))
        add_own_folder(parser, _("a folder of your own with scenario/, company/ and the like"))
        return parser

    def _keys(self) -> str:
        """The plan's keys, a line each."""
        width = max(len(key) for key, _text in self.keys)
        lines = [f"  {key:{width}}  {_(text)}" for key, text in self.keys]
        return "\n".join([_("keys of the plan; all others are those of cxsim run --help:"), *lines])

    def _overrides(self, words: list[str]) -> list[str]:
        """Overrides as Hydra takes them: the plan's file chosen, its keys with the group's name before them."""
        from sim.phrases import RENAMED, ConfigError, listed, nearest

        own, group = self.own_keys(), self.group
        for word in words:
            named = word.partition("=")[0].partition(".")[0]
            if RENAMED.get(named) == group:
                raise ConfigError("{key}: no such key{hint}", key=named, hint=nearest(named, [group]))
            key = word.partition("=")[0].removeprefix(f"{group}.")
            if word.startswith(f"{group}.") and key not in own:
                raise ConfigError(
                    "{group}.{key}: no such key; {allowed}{hint}",
                    group=group, key=key, allowed=listed(own), hint=nearest(key, own),
                )
        found = [f"{group}.{word}" if word.partition("=")[0] in own else addable(word) for word in words]
        chosen = [f"+{word}" if word.startswith(f"{group}=") else word for word in found]
        if not given_by_hand(chosen, group):
            chosen.insert(0, f"+{group}=default")
        chooses = given_by_hand(chosen, "scenario") or not self.without_scenario
        return chosen if chooses else ["scenario=baseline", *chosen]

    def _written(self, settings: Settings, plan: Any, wanted: Path, exact: bool) -> Path:
        """The finished folder at `wanted`."""
        from cxsim.progress import Progress
        from sim.run.folder import drafted
        from sim.run.provenance import write_provenance

        threads, started = threads_of(settings), time.monotonic()
        progress = Progress(sys.stderr, translated)
        with drafted(wanted, exact) as draft:
            try:
                self.simulate(settings, plan, draft.path, threads, progress)
            finally:
                progress.close()
            self.report(draft.path)
            seconds = time.monotonic() - started
            stated = {self.group: plan.model_dump(mode="json")}
            return draft.publish(lambda place: write_provenance(draft.path, settings, threads, place, seconds, stated))


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

        return Plan.model_fields

    def plan(self, node: Any, settings: Settings) -> Any:
        """The checked plan. Raises ConfigError also for settings without anything to test."""
        from scenarios.intervention import treated_arms
        from sim.studies.premortem import plan_of, treatment

        treatment(treated_arms(settings))
        return plan_of(node, settings)

    def simulate(self, settings: Settings, plan: Any, folder: Path, threads: int, progress: Progress) -> None:
        """Run the planned test many times."""
        from scenarios.intervention import treated_arms
        from sim.studies.premortem import run_premortem

        run_premortem(settings, treated_arms, plan, folder, threads, progress)

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


class KeyDrivers(Planned):
    """The command."""

    group = "key_drivers"
    description = N_(
        "Which touchpoint moves LTV and NPS: each is repaired and broken by the same step, for everybody and for "
        "each persona, in otherwise the same worlds; beside what complaints and a survey's key-driver chart say."
    )
    keys = (
        ("step=0.2", N_("su by which each touchpoint is made better, then worse")),
        ("comments=0.3", N_("share of surveyed detractors who write what let them down")),
        ("customers=20000", N_("potential customers of the simulated market")),
        ("replications=16", N_("replications of what is not known")),
        ("scenario=baseline", N_("the world to do it in; its interventions must be none")),
        ("hydra.run.dir=DIR", N_("the folder to write")),
    )
    without_scenario = True

    def own_keys(self) -> Collection[str]:
        """Names of the plan's keys."""
        from sim.studies.key_drivers import Plan

        return Plan.model_fields

    def plan(self, node: Any, settings: Settings) -> Any:
        """The checked plan; touchpoints are moved in the company as it stands."""
        from scenarios.intervention import treated_arms
        from sim.phrases import ConfigError
        from sim.studies.key_drivers import Plan

        for name in treated_arms(settings):
            raise ConfigError(
                "scenario: {name} intervenes; touchpoints are moved where nothing else is done", name=name
            )
        return Plan.read(node, self.group)

    def simulate(self, settings: Settings, plan: Any, folder: Path, threads: int, progress: Progress) -> None:
        """Move every touchpoint."""
        from sim.studies.key_drivers import run_key_drivers

        run_key_drivers(settings, plan, folder, threads, progress)

    def report(self, folder: Path) -> None:
        """Write the page."""
        from analysis.studies.key_drivers_page import write_report

        write_report(folder)

    def told(self, folder: Path) -> tuple[str, str]:
        """Which touchpoint is worth most, and what complaints and surveys would have said."""
        from analysis.studies.key_drivers_page import summary_table, verdict

        return summary_table(folder), verdict(folder)


def key_drivers(words: list[str]) -> int:
    """Move every touchpoint and say which is worth most, and what complaints and surveys would have said."""
    return KeyDrivers().answer(words)
