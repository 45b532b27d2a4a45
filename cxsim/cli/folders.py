"""Commands that read folders: `story`, `funnel`, `map`, `gate`, reports; and `scenarios`, `examples`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module, resources
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import TYPE_CHECKING, Any

from analysis.style.language import N_, _, translated
from cxsim.cli import BAD_INPUT, OK
from cxsim.cli.terminal import Parser, file_to_write, folder_asked, language_asked, say, without_language
from cxsim.compose import check_own_folder, compose, composer, given_overrides, hydras_errors_in_words, plain, shown
from cxsim.shipped import shipped
from sim.phrases import ConfigError, listed

if TYPE_CHECKING:
    from analysis.decisions.verdict import Thresholds


def story(words: list[str]) -> int:
    """Write one customer's page and print the timeline, or print the customers that a finder finds."""
    given = _parser().given(without_language(words))
    from analysis.journeys import story_page
    from analysis.journeys.finders import FINDERS
    from sim.files.disk import write_text

    if (given.customer is None) == (given.find is None):
        raise ConfigError("story: either CUSTOMER or --find NAME is needed; NAME is {allowed}", allowed=listed(FINDERS))
    language = language_asked(words)
    if given.find is not None:
        print(story_page.listed(given.folder, given.find, language))
        return OK
    place = story_page.place_of(given.folder, given.customer)
    with _beside_tables(given.folder):
        answer = story_page.tell(given.folder, given.customer, language)
        write_text(place, answer.page)
    print(f"{answer.terminal}\n\n{shown(place)}")
    return OK


def _parser() -> Parser:
    parser = Parser(
        prog="cxsim story",
        description=_(
            "One customer's life, with and without the scenario: what happened and why, as a picture and a table, in "
            "RUN/stories/CUSTOMER.html. An illustration: only means over customers are answers."
        ),
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help=_("a run folder"))
    parser.add_argument("customer", type=int, nargs="?", metavar="CUSTOMER", help=_("a customer's number"))
    found = _('list customers with such a story, as --find "late and lapsed"')
    parser.add_argument("--find", metavar="NAME", help=found)
    return parser


def scenarios(words: list[str]) -> int:
    """One line per scenario: name and description."""
    parser = Parser(prog="cxsim scenarios", description=_("List the scenarios, one line each."))
    parser.add_argument("--config-dir", "-cd", help=_("a folder of your own with scenario/"))
    parser.add_argument("--html", type=Path, metavar="FILE", help=_("write a page of them instead"))
    arguments = parser.given(without_language(words))
    if arguments.config_dir is not None:
        check_own_folder(Path(arguments.config_dir))
    if arguments.html is not None:
        return _gallery(arguments.html, arguments.config_dir)
    found = dict(sorted(described(arguments.config_dir)))
    width = max(map(len, found))
    for name, description in found.items():
        print(f"{name:{width}}  {_(description)}")
    return OK


def _gallery(file: Path, config_dir: str | None) -> int:
    """Write a page of the scenarios. Raises ConfigError for a file of theirs that cannot be read."""
    from analysis.studies.gallery_page import gallery
    from sim.files.disk import write_text
    from sim.files.plain import read_yaml

    place, found = file_to_write("--html", file), {}
    for name, path in sorted(_scenario_files(config_dir), key=lambda one: one[0]):
        node = read_yaml(path)
        if not isinstance(node, dict):
            raise ConfigError("{file}: {value} is not a group of keys", file=path, value=str(node))
        found[name] = node
    write_text(place, gallery(found, config_dir))
    print(shown(place))
    return OK


def _scenario_files(config_dir: str | None) -> Iterator[tuple[str, Any]]:
    """Name and file of each scenario."""
    folders: list[Any] = [resources.files("conf") / "scenario"]
    folders += [Path(config_dir) / "scenario"] if config_dir is not None else []
    for folder in folders:
        for file in folder.iterdir() if folder.is_dir() else ():
            if file.name.endswith(".yaml"):
                yield file.name.removesuffix(".yaml"), file


def described(config_dir: str | None) -> Iterator[tuple[str, str]]:
    """Name and description of each scenario."""
    from sim.files.plain import read_yaml

    for name, file in _scenario_files(config_dir):
        try:
            description = str(read_yaml(file)["description"])
        except ConfigError as error:
            description = _("(cannot be read: {problem})").format(problem=translated(error))
        except (KeyError, TypeError):
            description = N_("(has no description)")
        yield name, " ".join(description.split())


def examples(words: list[str]) -> int:
    """Copy the shipped examples into a new folder."""
    description = _("Copy the examples that cxsim ships (a log, evidence, a scenario of one's own) into a new folder.")
    folder = folder_asked(words, "examples", description, "DIR", _("a folder that is not there yet"))
    from sim.files.disk import drafted

    source = shipped("examples")
    if source is None:
        raise ConfigError("examples: this install of cxsim came without them")
    with drafted(folder, exact=True, key="") as draft:
        copytree(source, draft.path, dirs_exist_ok=True, ignore=ignore_patterns("__pycache__"))
        place = draft.publish()
    print(shown(place))
    return OK


def report(words: list[str]) -> int:
    """Make the report of a folder again: of a run, a pre-mortem or key drivers; or a run's slide and workbook."""
    given = _report_parser().given(without_language(words))
    folder, language = given.folder, language_asked(words)
    module = next((name for table, name in REPORTS.items() if (folder / table).is_file()), None)
    if module is None:
        raise ConfigError("{folder}: is no run folder; effects.csv is not there", folder=folder)
    asked = [maker for option, maker in OFFICE.items() if getattr(given, option)]
    if not asked:
        print(shown(import_module(module).write_report(folder, language)))
        return OK
    if module != REPORTS["effects.csv"]:
        raise ConfigError("report: --slide and --xlsx are of the folder of a run, which {folder} is not", folder=folder)
    from sim.files.disk import together, write_bytes

    with together(folder):
        files = [getattr(import_module(path), function)(folder, language) for path, function in asked]
        contents = {name: content for made in files for name, content in made.items()}
        for name, content in contents.items():
            write_bytes(folder / name, content)
    for name in contents:
        print(shown(folder / name))
    return OK


def _report_parser() -> Parser:
    parser = Parser(
        prog="cxsim report",
        description=_(
            "Make report.html and the figures of a run folder again; or, of a run, the decision as a slide or the "
            "tables as a workbook, which need the extra office."
        ),
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help=_("a run folder"))
    parser.add_argument("--slide", action="store_true", help=_("write RUN/slide.png and RUN/slide.pptx instead"))
    parser.add_argument("--xlsx", action="store_true", help=_("write RUN/tables.xlsx instead"))
    return parser


OFFICE = {"slide": ("analysis.report.slide", "slides"), "xlsx": ("analysis.report.workbook", "workbook")}
"""Options of `cxsim report`, with the module and the function that make their files."""

REPORTS = {
    "effects.csv": "analysis.report.page",
    "tests.parquet": "analysis.studies.premortem_page",
    "key_drivers.parquet": "analysis.studies.key_drivers_page",
    "explore.parquet": "analysis.studies.explore_page",
}
"""The module that writes the page of a folder, by a table that the folder holds."""


def funnel(words: list[str]) -> int:
    """Write funnel.csv, figures and funnel.html of a run folder and print the table."""
    return _of_a_run(words, "funnel", _write_funnel, _(
        "From stage to stage: how many customers come on and whom each step loses, by persona, channel and "
        "declared segment, with and without the scenario. Writes funnel.csv, funnel.html and figures into RUN."
    ))  # fmt: skip


def _write_funnel(folder: Path, language: str | None) -> tuple[str, str]:
    from analysis.journeys.funnel_page import tell
    from sim.files.disk import write_csv, write_text

    with _beside_tables(folder):
        answer = tell(folder, language)
        write_csv(folder / "funnel.csv", answer.table)
        write_text(folder / "funnel.html", answer.page)
    return answer.terminal, "funnel.html"


@contextmanager
def _beside_tables(folder: Path) -> Iterator[None]:
    """Files that appear together in a run folder, which is there. Raises RunError for another."""
    from analysis.folders.run_folder import Run
    from sim.files.disk import together

    with together(Run(folder).folder):
        yield


def journey_map(words: list[str]) -> int:
    """Write RUN/map/ and print the worst pain point of every persona."""
    return _of_a_run(words, "map", _write_map, _(
        "The journey map of every persona, as it is and with the scenario: emotional curve, pain points, "
        "touchpoints, facts, moments of truth. Writes RUN/map/ with a picture for the wall per persona."
    ))  # fmt: skip


def _write_map(folder: Path, language: str | None) -> tuple[str, str]:
    from analysis.journeys.map_page import FOLDER, write_map

    return write_map(folder, language), f"{FOLDER}/index.html"


def _of_a_run(
    words: list[str], command: str, write: Callable[[Path, str | None], tuple[str, str]], description: str
) -> int:
    """Print what `write(folder, language)` says of the run folder in the words, and the page that it has written."""
    folder = folder_asked(words, command, description, "RUN", _("a run folder"))
    answer, page = write(folder, language_asked(words))
    print(f"{answer}\n\n{shown(folder / page)}")
    return OK


def sweep_report(words: list[str]) -> int:
    """Make the report of a sweep's folder and print the answer."""
    description = _("Make report.html, figures and tables of a sweep's folder, finished or not.")
    folder = folder_asked(words, "sweep-report", description, "DIR", _("a sweep's folder"))
    from analysis.decisions.sweep_page import write_sweep_report

    print(f"{write_sweep_report(folder, language_asked(words))}\n\n{shown(folder / 'report.html')}")
    return OK


def verify(words: list[str]) -> int:
    """Say whether every file of a folder, and of a sweep's jobs, is as it was written: exit status 0, or 2."""
    description = _("Compare every file of a folder with the sha256 that its manifest.json states.")
    folder = folder_asked(words, "verify", description, "DIR", _("the folder of a run, a sweep or a search"))
    from sim.files import manifest

    if not folder.is_dir():
        raise ConfigError("no such folder: {folder}", folder=folder)
    jobs, worlds = folder / "jobs", folder / "worlds"
    folders = [folder, *sorted(path for path in (jobs.iterdir() if jobs.is_dir() else ()) if _is_of_a_job(path))]
    folders += [worlds] if worlds.is_dir() else []
    found = [trouble for one in folders for trouble in manifest.troubles(one)]
    for trouble in found:
        say(trouble)
    if found:
        return BAD_INPUT
    files = sum(len(manifest.read(one) or ()) for one in folders)
    print(_("{folder}: {n} files, all as they were written").format(folder=shown(folder), n=files))
    return OK


def _is_of_a_job(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


GATE = "gate"


def gate(words: list[str]) -> int:
    """Write gate.json and print the verdict of every intervention."""
    given = _gate_parser().given(without_language(words))
    thresholds = _thresholds(given.overrides, given.config_dir)
    from analysis.decisions import gate as decision
    from sim.files.disk import write_text

    place = file_to_write("--out", given.out) if given.out else given.folder / "gate.json"
    if not given.folder.is_dir():
        raise ConfigError("{folder}: is no folder of a run or a sweep", folder=given.folder)
    found = decision.gate(given.folder, thresholds)
    write_text(place, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    for verdict in found["verdicts"]:
        print("\n".join([*verdict["lines"], *(f"  {note}" for note in verdict["notes"])]), end="\n\n")
    print(shown(place))
    return OK


def _gate_parser() -> Parser:
    parser = Parser(
        prog="cxsim gate",
        description=_(
            "Say whether to roll out each intervention of a run or a sweep: go, test first, or stop. The verdict and "
            "the numbers behind it are written to DIR/gate.json. Thresholds stand in conf/gate/default.yaml."
        ),
        epilog=_(
            "The exit status is 0 whatever the verdict, and 2 where none can be given. In CI, read the verdict: jq "
            "-e 'all(.verdicts[]; .decision == \"go\")' DIR/gate.json"
        ),
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help=_("a run folder, or a sweep's"))
    parser.add_argument("overrides", nargs="*", metavar="gate.KEY=VALUE", help=_("thresholds other than the file's"))
    parser.add_argument("--config-dir", "-cd", help=_("a folder of your own with gate/NAME.yaml, for gate=NAME"))
    parser.add_argument("--out", type=Path, metavar="FILE", help=_("where to write instead of DIR/gate.json"))
    return parser


# -- thresholds -------------------------------------------------------------------------------------------------


def _thresholds(overrides: list[str], config_dir: str | None) -> Thresholds:
    """The thresholds in force. Raises ConfigError for a key or value that is none."""
    with composer(config_dir) as hydra:
        with hydras_errors_in_words(hydra):
            keys = [key for key, _value in given_overrides(overrides)]
            for key in keys:
                if key.lstrip("+").partition(".")[0] != GATE:
                    raise ConfigError(
                        "{key}: is no threshold of the gate; a run folder's own keys stay as they were", key=key
                    )
        chosen = [] if GATE in keys else [f"{GATE}=default"]
        node = plain(compose(hydra, [*chosen, *overrides]).get(GATE))
    return _read_thresholds(node)


def _read_thresholds(node: Any) -> Thresholds:
    from analysis.decisions.verdict import Thresholds
    from sim.config.sections import Gate

    return Thresholds.of(Gate.read(node, GATE).model_dump())
