"""`cxsim field`: published experiments, and a firm's own past tests, scored."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.style.language import _
from cxsim.cli import OK
from cxsim.cli.terminal import Parser
from cxsim.compose import addable, compose, composer, errors_of, settings_of, shown, threads_of
from cxsim.progress import progress_here
from sim.phrases import ConfigError, listed, nearest

if TYPE_CHECKING:
    from sim.config.settings import Settings
    from sim.learning.field_test import FieldTest
    from sim.studies.field import Experiment

GROUP = "field"
OF_THE_EXPERIMENT = ("days", "scenario", "arms")
"""Keys that an experiment's file decides."""


def field(words: list[str]) -> int:
    """Simulate experiments and print what was published beside what is predicted; it is a score, so status 0."""
    given = _given(words)
    overrides = [word for word in given.words if "=" in word]
    _refuse_the_experiments_own(overrides)
    names = [word for word in given.words if "=" not in word]
    experiments = composed(chosen(names, given.config_dir), given.config_dir, overrides)
    from analysis.studies import field_page

    with _folder(given) as folder:
        place = _run(experiments, folder)
        print(field_page.summary_table(place), field_page.sentence(place), sep="\n\n")
        if given.report or given.out is not None:
            print(f"\n{shown(place)}")
    return OK


def _given(words: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="cxsim field",
        description=_("Score the model: published experiments, or your own past tests, simulated and compared."),
    )
    parser.add_argument("words", nargs="*", metavar="NAME", help=_("field tests, all where none is named; key=value"))
    parser.add_own_folder(_("a folder of your own with field/NAME.yaml"))
    parser.add_argument("--report", action="store_true", help=_("write tables, picture and page into a new folder"))
    parser.add_argument("--out", type=Path, metavar="DIR", help=_("that folder (default: runs/field_DATE)"))
    return parser.given(words)


def _refuse_the_experiments_own(overrides: list[str]) -> None:
    for word in overrides:
        key = word.lstrip("+").partition("=")[0]
        if key in OF_THE_EXPERIMENT:
            raise ConfigError("{key}: is each experiment's own; leave it out", key=key)


def chosen(names: list[str], config_dir: str | None) -> dict[str, Path]:
    """The files of these field tests, all where none is named: the user's own, or the shipped ones. Raises ConfigError.
    """
    from sim.learning.field_test import field_files

    files = field_files(Path(str(resources.files("conf")) if config_dir is None else config_dir) / GROUP)
    for name in names:
        if name not in files:
            raise ConfigError(
                "{name}: no such field test; {allowed}{hint}",
                name=name, allowed=listed(files), hint=nearest(name, files),
            )
    return {name: path for name, path in files.items() if name in names or not names}


def composed(files: Mapping[str, Path], config_dir: str | None, overrides: list[str]) -> dict[str, Experiment]:
    """The experiments of these files with the settings of their markets, checked. Raises ConfigError."""
    from sim.learning.field_test import read_field_test
    from sim.studies.field import Experiment

    tests = {name: read_field_test(path) for name, path in files.items()}
    found = {}
    with composer(config_dir) as hydra:
        for name, test in tests.items():
            with errors_of(files[name]):
                words = [*test.firm, *overrides, "scenario=baseline", f"days={max(test.days, SHORTEST)}"]
                config = compose(hydra, [addable(one) for one in words])
                settings = settings_of(config, config.hydra, _scenarios(name, files[name]))
                found[name] = Experiment(name, test, _checked(name, test, settings))
    return found


SHORTEST = 28
"""Days that a configuration has at least; a shorter experiment is cut when it is simulated."""


def _scenarios(name: str, path: Path) -> dict[str, object]:
    from sim.files.plain import read_yaml
    from sim.learning.field_test import scenarios_of

    return scenarios_of(name, read_yaml(path))


def _checked(name: str, test: FieldTest, settings: Settings) -> Settings:
    from scenarios.intervention import treated_arms
    from sim.learning.field_world import check_treatment

    check_treatment(name, test, settings, treated_arms)
    return settings


@contextmanager
def _folder(given: argparse.Namespace) -> Iterator[tuple[Path, bool]]:
    """Where the tables go, and whether its name was given; without a report a folder that is removed."""
    if given.out is not None:
        yield given.out, True
    elif given.report:
        yield Path("runs") / f"field_{time.strftime('%Y-%m-%d_%H-%M-%S')}", False
    else:
        with tempfile.TemporaryDirectory(prefix="cxsim-field-") as within:
            yield Path(within) / GROUP, True


def _run(experiments: Mapping[str, Experiment], folder: tuple[Path, bool]) -> Path:
    """Simulate, score and draw into a new folder; returns it."""
    from analysis.studies import field_page
    from scenarios.intervention import treated_arms
    from sim.files.disk import drafted
    from sim.run.provenance import write_provenance
    from sim.studies.field import run_field

    settings = next(iter(experiments.values())).settings
    threads, started = threads_of(settings), time.monotonic()
    with drafted(*folder, key="--out") as draft:
        with progress_here() as progress:
            run_field(experiments, treated_arms, draft.path, threads, progress)
        field_page.write_report(draft.path)
        seconds = time.monotonic() - started
        return draft.publish(
            lambda place: write_provenance(draft.path, settings, threads, place, seconds, {GROUP: list(experiments)})
        )
