"""`cxsim premortem`: the planned field test, run many times where the truth is known."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.language import N_, _, retold
from sim.cli.compose import addable, compose, composer, hydras_errors_in_words, plain, settings_of
from sim.cli.run import given_by_hand, threads_of
from sim.cli.terminal import OK, Parser

if TYPE_CHECKING:
    from sim.premortem import Plan
    from sim.settings import Settings

GROUP = "premortem"
KEYS = (
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
"""Keys of the plan with their defaults, and what each is (translated when it is shown)."""


def premortem(words: list[str]) -> int:
    """Run the planned test many times and say what it would tell."""
    parser = _parser()
    given = parser.parse_intermixed_args(words)
    if given.help:
        print(f"{parser.format_help()}\n{_keys()}")
        return OK
    overrides = _overrides(given.overrides)
    with composer(given.config_dir) as hydra:
        config = compose(hydra, overrides)
        from hydra.core.hydra_config import HydraConfig

        HydraConfig.instance().set_config(config)
        with hydras_errors_in_words():
            wanted = Path(config.hydra.run.dir)
        settings = settings_of(config, config.hydra)
        plan = _plan(plain(config[GROUP]), settings)
    _answer(settings, plan, wanted, exact=given_by_hand(overrides, "hydra.run.dir"))
    return OK


def _parser() -> Parser:
    parser = Parser(
        prog="cxsim premortem",
        add_help=False,
        description=_(
            "What a planned A/B test would report, against the full rollout's true effect: bias, power, needed size "
            "and weeks, risk of the wrong sign, and which design to choose."
        ),
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=_("key=value, dots for keys within keys"))
    parser.add_argument("--help", "-h", action="store_true", help=_("show this help message and exit"))
    parser.add_argument("--config-dir", "-cd", help=_("a folder of your own with scenario/, company/ and the like"))
    return parser


def _keys() -> str:
    """The plan's keys, a line each."""
    width = max(len(key) for key, _text in KEYS)
    lines = [f"  {key:{width}}  {_(text)}" for key, text in KEYS]
    return "\n".join([_("keys of the plan; all others are those of cxsim run --help:"), *lines])


def _overrides(words: list[str]) -> list[str]:
    """Overrides as Hydra takes them: the plan's file chosen, its keys with the group's name before them."""
    from sim.parameters import ConfigError, listed, nearest
    from sim.premortem import Plan

    own = Plan.__dataclass_fields__
    for word in words:
        key = word.partition("=")[0].removeprefix(f"{GROUP}.")
        if word.startswith(f"{GROUP}.") and key not in own:
            raise ConfigError(f"{GROUP}.{key}: no such key; {listed(own)}{nearest(key, own)}")
    found = [f"{GROUP}.{word}" if word.partition("=")[0] in own else addable(word) for word in words]
    chosen = [f"+{word}" if word.startswith(f"{GROUP}=") else word for word in found]
    return chosen if any(word.startswith(f"+{GROUP}=") for word in chosen) else [f"+{GROUP}=default", *chosen]


def _plan(node: Any, settings: Settings) -> Plan:
    """The checked plan; that there is something to test is checked here too, before any work."""
    from scenarios.intervention import worlds_of
    from sim.premortem import plan_of, treatment

    treatment(worlds_of(settings))
    return plan_of(node, settings)


def _answer(settings: Settings, plan: Plan, wanted: Path, exact: bool) -> None:
    """Run the plan into a folder at `wanted` and print what it would tell."""
    from scenarios.intervention import worlds_of
    from sim.folder import drafted
    from sim.premortem import run_premortem
    from sim.progress import Progress
    from sim.provenance import write_provenance

    threads = threads_of(settings)
    started = time.monotonic()
    progress = Progress(sys.stderr, retold)
    with drafted(wanted, exact) as draft:
        from analysis import premortem_report as report

        try:
            run_premortem(settings, worlds_of, plan, draft.path, threads, progress)
        finally:
            progress.close()
        report.write_report(draft.path)
        seconds = time.monotonic() - started
        stated = {GROUP: plan.plain()}
        folder = draft.publish(lambda place: write_provenance(draft.path, settings, threads, place, seconds, stated))
    print(report.summary_table(folder))
    print()
    print(report.recommendation(folder))
    print()
    print(folder)
