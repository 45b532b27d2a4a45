"""`cxsim premortem` and `cxsim key-drivers`, which simulate by a plan: a configuration group of their own.

The plan's keys are given without the group's name; all others are those of `cxsim run`. The answer is a folder with
tables and a page, and on the terminal a table and a sentence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from analysis.style.language import N_, _
from cxsim.cli import OK
from cxsim.cli.terminal import Parser
from cxsim.compose import (
    addable,
    compose,
    composer,
    given_by_hand,
    hydras_errors_in_words,
    plain,
    settings_of,
    shown,
    threads_of,
)
from cxsim.progress import progress_here
from sim.phrases import RENAMED, ConfigError, listed, nearest

if TYPE_CHECKING:
    from cxsim.progress import Progress
    from sim.config.settings import Settings

Simulate = Callable[["Settings", Any, Path, int, "Progress"], None]
"""Writes the tables of a plan into a folder."""


class Study(NamedTuple):
    """One of the commands. Heavy imports stand inside its functions, so that --help is quick."""

    group: str
    description: str
    keys: Sequence[tuple[str, str]]
    """Keys of the plan with their defaults, and what each is (translated when it is shown)."""
    without_scenario: bool
    """Whether no scenario is meant unless one is named."""
    core: str
    """The module whose `Plan` is the plan."""
    plan: Callable[[Any, Settings], Any]
    """The plan, checked together with the settings before anything is simulated. Raises ConfigError."""
    simulate: Simulate
    page: str
    """The module that writes the page and makes the table for the terminal."""
    sentence: str
    """Its function that says the answer in a sentence."""

    def answer(self, words: list[str]) -> int:
        """Compose, simulate, write, tell."""
        parser = self._parser()
        given = parser.given(words)
        if given.help:
            print(f"{parser.format_help()}\n{self._keys()}")
            return OK
        overrides = self._overrides(given.overrides)
        with composer(given.config_dir) as hydra:
            config = compose(hydra, overrides)
            from hydra.core.hydra_config import HydraConfig

            HydraConfig.instance().set_config(config)
            with hydras_errors_in_words():
                wanted = Path(config.hydra.run.dir)
            settings = settings_of(config, config.hydra)
            plan = self.plan(plain(config[self.group]), settings)
        folder = self._written(settings, plan, wanted, exact=given_by_hand(overrides, "hydra.run.dir"))
        page = import_module(self.page)
        print(page.summary_table(folder), getattr(page, self.sentence)(folder), shown(folder), sep="\n\n")
        return OK

    def _parser(self) -> Parser:
        parser = Parser(prog=f"cxsim {self.group.replace('_', '-')}", add_help=False, description=_(self.description))
        parser.add_argument("overrides", nargs="*", metavar="key=value", help=_("key=value, dots for keys within keys"))
        parser.add_argument("--help", "-h", action="store_true", help=_("show this help message and exit"))
        parser.add_own_folder(_("a folder of your own with scenario/, company/ and the like"))
        return parser

    def _keys(self) -> str:
        """The plan's keys, a line each."""
        width = max(len(key) for key, _text in self.keys)
        lines = [f"  {key:{width}}  {_(text)}" for key, text in self.keys]
        return "\n".join([_("keys of the plan; all others are those of cxsim run --help:"), *lines])

    def _overrides(self, words: list[str]) -> list[str]:
        """Overrides as Hydra takes them, a scenario named where one is needed."""
        chosen = of_plan(self.group, import_module(self.core).Plan.model_fields, words)
        chooses = given_by_hand(chosen, "scenario") or not self.without_scenario
        return chosen if chooses else ["scenario=baseline", *chosen]

    def _written(self, settings: Settings, plan: Any, wanted: Path, exact: bool) -> Path:
        """The finished folder at `wanted`."""
        from sim.files.disk import drafted
        from sim.run.provenance import write_provenance

        threads, started = threads_of(settings), time.monotonic()
        with drafted(wanted, exact) as draft:
            with progress_here() as progress:
                self.simulate(settings, plan, draft.path, threads, progress)
            import_module(self.page).write_report(draft.path)
            seconds = time.monotonic() - started
            stated = {self.group: plan.model_dump(mode="json")}
            return draft.publish(lambda place: write_provenance(draft.path, settings, threads, place, seconds, stated))


def of_plan(group: str, own: Mapping[str, Any], words: list[str]) -> list[str]:
    """Words as Hydra takes them: the plan's file chosen, its `own` keys with the group's name before them. Raises
    ConfigError."""
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
    found = [addable(f"{group}.{word}" if word.partition("=")[0] in own else word) for word in words]
    chosen = [f"+{word}" if word.startswith(f"{group}=") else word for word in found]
    if not given_by_hand(chosen, group):
        chosen.insert(0, f"+{group}=default")
    return chosen


# -- the planned A/B test ----------------------------------------------------------------------------------------


def _plan_of_tests(node: Any, settings: Settings) -> Any:
    from scenarios.intervention import treated_arms
    from sim.studies.premortem import plan_of, treatment

    treatment(treated_arms(settings))  # which refuses settings without anything to test
    return plan_of(node, settings)


def _simulate_tests(settings: Settings, plan: Any, folder: Path, threads: int, progress: Progress) -> None:
    from scenarios.intervention import treated_arms
    from sim.studies.premortem import run_premortem

    run_premortem(settings, treated_arms, plan, folder, threads, progress)


PREMORTEM = Study(
    group="premortem",
    description=N_(
        "What a planned A/B test would report, against the full rollout's true effect: bias, power, needed size "
        "and weeks, risk of the wrong sign, and which design to choose."
    ),
    keys=(
        ("design=[customer,cluster]", N_("a coin per customer, whole clusters, or both")),
        ("tests=8", N_("assignments per world and design")),
        ("share=0.5", N_("share of customers treated")),
        ("clusters=47", N_("clusters of the cluster design")),
        ("weeks=auto", N_("readings, [4,13] for two; auto: 2, 4, 8, 13, 26 and 52 within the horizon")),
        ("level=0.05", N_("two-sided level of significance")),
        ("power=0.8", N_("power that is wanted, for the needed size")),
        ("replications=auto", N_("worlds, each with other values of what is not known; auto: 16")),
        ("hydra.run.dir=DIR", N_("the folder to write")),
    ),
    without_scenario=False,
    core="sim.studies.premortem",
    plan=_plan_of_tests,
    simulate=_simulate_tests,
    page="analysis.studies.premortem_page",
    sentence="recommendation",
)
premortem = PREMORTEM.answer


# -- touchpoints -------------------------------------------------------------------------------------------------


def _plan_of_moves(node: Any, settings: Settings) -> Any:
    from scenarios.intervention import treated_arms
    from sim.studies.key_drivers import Plan

    for name in treated_arms(settings):
        raise ConfigError(
            "scenario: {name} intervenes; touchpoints are moved where nothing else is done", name=name
        )
    return Plan.read(node, "key_drivers")


def _simulate_moves(settings: Settings, plan: Any, folder: Path, threads: int, progress: Progress) -> None:
    from sim.studies.key_drivers import run_key_drivers

    run_key_drivers(settings, plan, folder, threads, progress)


KEY_DRIVERS = Study(
    group="key_drivers",
    description=N_(
        "Which touchpoint moves LTV and NPS: each is repaired and broken by the same step, for everybody and for "
        "each persona, in otherwise the same worlds; beside what complaints and a survey's key-driver chart say."
    ),
    keys=(
        ("step=0.2", N_("su by which each touchpoint is made better, then worse")),
        ("comments=0.3", N_("share of surveyed detractors who write what let them down")),
        ("customers=20000", N_("members of the simulated market")),
        ("replications=16", N_("points of what is not known")),
        ("scenario=baseline", N_("the world to do it in; its interventions must be none")),
        ("hydra.run.dir=DIR", N_("the folder to write")),
    ),
    without_scenario=True,
    core="sim.studies.key_drivers",
    plan=_plan_of_moves,
    simulate=_simulate_moves,
    page="analysis.studies.key_drivers_page",
    sentence="verdict",
)
key_drivers = KEY_DRIVERS.answer
