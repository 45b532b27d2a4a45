"""`cxsim optimise`: search for the best values of levers over what is not known, resumed after an interruption."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.style.language import _
from cxsim.cli import OK
from cxsim.cli.terminal import LANGUAGE, Parser
from cxsim.compose import (
    CONFIG_NAME,
    JobComposer,
    addable,
    compose,
    composer,
    errors_of,
    plain,
    shown,
    threads_of,
)
from cxsim.held import held
from cxsim.progress import progress_here
from cxsim.runs import Interrupted
from sim.phrases import ConfigError, listed

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra

    from sim.config.settings import Settings
    from sim.studies.optimise import Work

GROUP = "optimise"
NOT_IDENTITY = (f"{GROUP}.trials=", LANGUAGE, "threads=")
"""Beginnings of words that do not make another search: a longer search begins with the same trials."""


def optimise(words: list[str]) -> int:
    """Search, evaluate the best again, write the folder and say what came out."""
    given = _parser().given(words)
    _need_optuna()
    from sim.studies.optimise import KEY

    with composer(given.config_dir) as hydra:
        work, settings, units = _work(hydra, [addable(override) for override in given.overrides])
        folder, key = _folder(given.out, given.overrides), _key(work, settings)
        with held(folder, KEY, key):
            try:
                _search(work, settings, units, folder, key)
            except KeyboardInterrupt:
                raise Interrupted(folder) from None
            from analysis.studies.optimise import sentences
            from analysis.studies.optimise_page import write_report

            write_report(folder)
            print("\n".join(sentences(folder)), end="\n\n")
            print(shown(folder))
    return OK


def _parser() -> Parser:
    parser = Parser(
        prog="cxsim optimise",
        description=_(
            "Find the best values of the levers that conf/optimise/NAME.yaml names, over points of what is not known, "
            "and evaluate them again at fresh points. The same command goes on where it was interrupted."
        ),
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=_("optimise=NAME, and keys as in cxsim run"))
    parser.add_own_folder(_("a folder of your own with optimise/, scenario/ and the like"))
    parser.add_argument("--out", type=Path, metavar="DIR", help=_("the search's folder (default: searches/NAME-HASH)"))
    return parser


def _need_optuna() -> None:
    from analysis.folders.run_folder import RunError, needed

    try:
        needed("optuna")
    except RunError as error:
        raise ConfigError("optimise: {problem}", problem=error) from None


def _work(hydra: Hydra, overrides: list[str]) -> tuple[Work, Settings, dict[str, str]]:
    """The search, the settings at the present values of the levers, and the levers' units by key. Raises
    ConfigError."""
    from scenarios.intervention import treated_arms
    from sim.config.settings import resolved
    from sim.studies import optimise as core
    from sim.studies.levers import Search, present_point

    config = compose(hydra, overrides)
    if config.get(GROUP) is None:
        names = hydra.config_loader.get_group_options(GROUP)
        raise ConfigError("{group}: names no search file; {group}=NAME, {allowed}", group=GROUP, allowed=listed(names))
    search = Search.read(plain(config[GROUP]), GROUP)
    jobs = JobComposer(hydra, CONFIG_NAME, [])
    now = resolved(jobs.settings(overrides))
    present = present_point(search, now)
    units = {key: unit for key in present if (unit := _unit(now, key))}

    def candidate_of(point: Any) -> core.Candidate:
        settings = jobs.settings([*overrides, *(f"{key}={value}" for key, value in point.items())])
        treated_arms(settings)
        return core.candidate(search, settings, point)

    for key, lever in search.levers.items():  # here already, so that a bad range is told before any work
        for end in ("low", "high"):
            with errors_of(f"{GROUP}.levers.{key}.{end}"):
                candidate_of({**present, key: getattr(lever, end)})
    settings = candidate_of(present).settings
    return core.Work(search, present, settings.seed, candidate_of, partial(core.fresh, search)), settings, units


def _unit(now: Mapping[str, Any], key: str) -> str:
    """The unit that the configuration states for a key; empty for a plain number, which states none."""
    node: Any = reduce(lambda above, part: above[part], key.split("."), now)
    return str(node.get("unit", "")) if isinstance(node, Mapping) else ""


def _search(work: Work, settings: Settings, units: Mapping[str, str], folder: Path, key: str) -> None:
    """Run the search in worker processes, and write its folder."""
    from scenarios.intervention import treated_arms
    from sim.run.workers import Pool, WorkerDied
    from sim.studies.optimise import Evaluation, treated_arm

    about = {
        "key": key, "scenario": treated_arm(treated_arms(settings)), "customers": settings.customers,
        "days": settings.days, "members": settings.company.members, "seed": settings.seed,
        "units": units,
    }  # fmt: skip
    pool = Pool(Evaluation(treated_arms, work.search.metrics), threads_of(settings))
    try:
        with progress_here() as progress, pool:
            work.into(folder, about, pool.outcomes, progress)
    except WorkerDied as error:
        raise ConfigError("threads: {problem}; take fewer threads or customers", problem=error) from None


# -- its folder -------------------------------------------------------------------------------------------------


def _folder(given: Path | None, overrides: list[str]) -> Path:
    """The folder named by hand, else one whose name depends on the search but not on its length."""
    if given is not None:
        return given
    same = sorted(word for word in overrides if not word.startswith(NOT_IDENTITY))
    name = next((word.partition("=")[2] for word in same if word.startswith(f"{GROUP}=")), GROUP)
    digest = hashlib.sha256("\n".join(same).encode()).hexdigest()[:8]
    return Path("searches") / f"{name}-{digest}"


def _key(work: Work, settings: Settings) -> str:
    """Hash of what the trials depend on: configuration, search file and code, but not the number of trials."""
    from sim.run.provenance import inputs_hash

    searched = work.search.model_dump(mode="json", exclude={"trials", "description"})
    return inputs_hash(settings, plan={GROUP: searched})
