"""The smaller commands: `cxsim scenarios`, `calibrate` and `report`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from analysis.style.language import N_, _, retold
from cxsim.cli.terminal import OK, Parser, folder_asked, language_asked, run_errors_in_words, shown, without_language
from cxsim.compose import check_own_folder, compose, composer, settings_of

COLUMNS = {"customer": N_("customer"), "date": N_("date"), "value": N_("value")}
OPTIONAL_COLUMNS = {
    "delivery-class": N_("delivery class"),
    "promised": N_("promised"),
    "delivered": N_("delivered"),
    "coupon": N_("coupon"),
    "channel": N_("channel"),
}
"""Columns of a log, and words for what each holds."""


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


def calibrate(words: list[str]) -> int:
    """Fit a company to a real log."""
    given = vars(_calibrate_parser().parse_args(without_language(words)))
    from sim.config.parameters import ConfigError

    if not 0 < given["yen"] < float("inf"):
        raise ConfigError(f"--yen {given['yen']:g}: is not allowed; above 0")
    from sim.calibration.company_file import company_text, place_for

    place = place_for(given["name"], given["out"])
    with composer(None) as hydra:
        config = compose(hydra, ["scenario=baseline"])
        settings = settings_of(config, config.hydra)
    from analysis.studies.calibration import write_picture
    from sim.calibration.calibrate import calibrate
    from sim.calibration.log import LogColumns

    columns = LogColumns(*(given[part.replace("-", "_")] for part in (*COLUMNS, *OPTIONAL_COLUMNS)))
    found = calibrate(
        given["log"], columns, given["name"], settings, holdout=given["holdout"], yen=given["yen"],
        say=lambda line: print(retold(line), flush=True),
    )  # fmt: skip
    place.parent.mkdir(parents=True, exist_ok=True)
    write_picture(found.weekly(), found.fitted_weeks, place.with_suffix(""))
    place.write_text(company_text(found), encoding="utf-8", newline="\n")
    beside = _("{place} (picture beside it: {stem}.png, {stem}.svg)").format(place=shown(place), stem=place.stem)
    command = f"cxsim run --config-dir {shlex.quote(shown(given['out']))} company={given['name']}"
    print(f"\n{beside}")
    print(_("now: {command}").format(command=command))
    return OK


def _calibrate_parser() -> Parser:
    parser = Parser(
        prog="cxsim calibrate", description=_("Fit purchase, dropout and spend to a log of purchases.")
    )
    parser.add_argument("log", type=Path, help=_("CSV, CSV.gz or Parquet, a row per purchase"))
    for column, what in COLUMNS.items():
        told = _("column with the {what}").format(what=_(what))
        parser.add_argument(f"--{column}", required=True, metavar="COL", help=told)
    parser.add_argument("--name", required=True, help=_("writes company/NAME.yaml, for company=NAME"))
    parser.add_argument(
        "--holdout", type=int, default=0, metavar="WEEKS", help=_("keep the last weeks out and test on them")
    )
    parser.add_argument(
        "--yen", type=float, default=1.0, metavar="RATE", help=_("yen per unit of the log's currency (default 1)")
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help=_("folder to write into (default: the current one)")
    )
    for column, what in OPTIONAL_COLUMNS.items():
        told = _("column with the {what}").format(what=_(what))
        parser.add_argument(f"--{column}", metavar="COL", help=told)
    return parser


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
