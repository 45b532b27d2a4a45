"""`cxsim story`: one customer's life in both arms, or whose life is worth a look."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from analysis.style.language import N_, _
from cxsim.cli.terminal import OK, Parser, folder_asked, language_asked, run_errors_in_words, shown, without_language
from cxsim.compose import check_own_folder


def story(words: list[str]) -> int:
    """Write one customer's page and print the table, or print whom a finder finds."""
    given = _parser().parse_args(without_language(words))
    from analysis.journeys import story_page
    from analysis.journeys.finders import FINDERS
    from sim.config.parameters import ConfigError, listed
    from sim.run.folder import replace_text

    if (given.customer is None) == (given.find is None):
        raise ConfigError(f"story: either CUSTOMER or --find NAME is needed; NAME is {listed(FINDERS)}")
    language = language_asked(words)
    with run_errors_in_words():
        if given.find is not None:
            print(story_page.listed(given.folder, given.find, language))
            return OK
        answer = story_page.tell(given.folder, given.customer, language)
    place = story_page.place_of(given.folder, given.customer)
    replace_text(place, answer.page)
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
    arguments = parser.parse_args(without_language(words))
    if arguments.config_dir is not None:
        check_own_folder(Path(arguments.config_dir))
    found = dict(sorted(described(arguments.config_dir)))
    width = max(map(len, found))
    for name, description in found.items():
        print(f"{name:{width}}  {_(description)}")
    return OK


def described(config_dir: str | None) -> Iterator[tuple[str, str]]:
    import yaml

    folders: list[Any] = [resources.files("conf") / "scenario"]
    folders += [Path(config_dir) / "scenario"] if config_dir is not None else []
    for folder in folders:
        for file in folder.iterdir() if folder.is_dir() else ():
            if not file.name.endswith(".yaml"):
                continue
            try:
                node = yaml.safe_load(file.read_text(encoding="utf-8"))
                description = str(node["description"])
            except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
                description = N_("(cannot be read: no YAML, or no description)")
            yield file.name.removesuffix(".yaml"), " ".join(description.split())


def report(words: list[str]) -> int:
    """Make the report of a folder again: of a run, a pre-mortem or key drivers."""
    description = _("Make report.html and the figures of a run folder again.")
    folder = folder_asked(words, "report", description, "RUN", _("a run folder"))
    from sim.config.parameters import ConfigError

    module = next((name for table, name in REPORTS.items() if (folder / table).is_file()), None)
    if module is None:
        raise ConfigError(f"{folder}: is no run folder; effects.csv is not there")
    with run_errors_in_words():
        import_module(module).write_report(folder, language_asked(words))
    print(shown(folder / "report.html"))
    return OK


REPORTS = {
    "effects.csv": "analysis.report.page",
    "tests.parquet": "analysis.studies.premortem_page",
    "key_drivers.parquet": "analysis.studies.key_drivers_page",
}
"""What writes the page of a folder that holds a table."""
