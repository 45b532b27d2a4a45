"""`cxsim log`: a look at a firm's log, and the arguments by which a log is read."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.style.language import N_, _, translated
from cxsim.cli import BAD_INPUT, OK
from cxsim.cli.terminal import Parser, say, without_language
from cxsim.compose import shown
from sim.phrases import ConfigError

if TYPE_CHECKING:
    from sim.calibration.log import Choices, LogColumns
    from sim.calibration.look import Look

COLUMNS = {
    "customer": N_("customer"),
    "date": N_("date"),
    "value": N_("value"),
    "delivery-class": N_("delivery class"),
    "promised": N_("promised"),
    "delivered": N_("delivered"),
    "coupon": N_("coupon"),
    "channel": N_("channel"),
    "order": N_("order"),
}
"""Columns of a log, and words for what each holds."""

NAME = "shop"
"""The name that a suggested command gives the company."""


def log(words: list[str]) -> int:
    """Look at a log: print what it is taken for, and a command that calibrates to it."""
    given = vars(_parser().given(without_language(words)))
    from sim.calibration.look import look

    choices = choices_of(given)
    found = look(given["log"], columns_of(given), choices)
    tell(found)
    if found.problem is not None:
        say(found.problem)
        return BAD_INPUT
    print(_("try: {command}").format(command=suggested(found, choices, NAME)))
    return OK


def _parser() -> Parser:
    parser = Parser(prog="cxsim log", description=_("Look at a log of purchases before it is calibrated."))
    add_log(parser)
    return parser


def add_log(parser: Parser) -> None:
    """The log, its columns, and what a user may say of it."""
    parser.add_argument("log", type=Path, help=_("a table with a row per purchase: CSV, Excel, Parquet, JSON lines"))
    for column, what in COLUMNS.items():
        told = _("column with the {what}").format(what=_(what))
        parser.add_argument(f"--{column}", metavar="COL", help=told)
    for option, metavar, told in (
        ("--where", "COND", _("rows that count, such as 'status = paid'; may be given again")),
        ("--agree", "RULE", _("let a rule drop more than 2 %% of the rows; may be given again")),
    ):
        parser.add_argument(option, metavar=metavar, action="append", default=[], help=told)
    for option, metavar, told in (
        ("--date-format", "FORM", _("how dates are written: dd/mm/yyyy, mm/dd/yyyy, yy/mm/dd or %%d.%%m.%%Y")),
        ("--timezone", "ZONE", _("the firm's time zone, whose days count, such as Asia/Tokyo")),
        ("--decimal", "SIGN", _("the sign before decimals: . or ,")),
        ("--currency", "CODE", _("of several currencies, the one to take")),
        ("--equal-rows", "WHAT", _("rows that are equal in all columns: keep or drop")),
    ):
        parser.add_argument(option, metavar=metavar, help=told)


def columns_of(given: dict[str, Any]) -> dict[str, str | None]:
    """Part -> column, as given."""
    return {column.replace("-", "_"): given[column.replace("-", "_")] for column in COLUMNS}


def choices_of(given: dict[str, Any]) -> Choices:
    """What is said of the log beyond its columns."""
    from sim.calibration.log import Choices

    return Choices(
        given["date_format"], given["timezone"], given["decimal"], given["currency"], tuple(given["where"]),
        given["equal_rows"], tuple(re.sub("[-_]", " ", rule) for rule in given["agree"]),
    )  # fmt: skip


def tell(found: Look) -> None:
    """Print what a look found."""
    for line in found.lines:
        print(translated(line))


def suggested(found: Look, choices: Choices, name: str) -> str:
    """The command line that calibrates to the log as it was looked at."""
    path, *rest = found.words(choices)
    return shlex.join(["cxsim", "calibrate", shown(Path(path)), *rest, "--name", name])


def columns_taken(given: dict[str, Any], choices: Choices, name: str) -> LogColumns:
    """The log's columns: as given or, where customer and date are not named, as a look suggests them.

    What is suggested is taken with `--yes`, or if a person at the terminal agrees. name: of the company in the command
    that is suggested. Raises ConfigError where they are not taken.
    """
    from sim.calibration.log import LogColumns
    from sim.calibration.look import look

    columns = columns_of(given)
    if columns["customer"] is not None and columns["date"] is not None:
        return LogColumns(**columns)  # type: ignore[arg-type]
    found = look(given["log"], columns, choices)
    tell(found)
    if found.problem is not None:
        raise found.problem
    if not given["yes"] and not _agreed():
        raise ConfigError(
            "{log}: name the columns, or take what is suggested with --yes: {command}",
            log=given["log"], command=suggested(found, choices, name),
        )
    return found.columns


def _agreed() -> bool:
    """Whether a person at the terminal takes the suggestion; False where there is none."""
    if not sys.stdin.isatty():
        return False
    return input(_("Are these the columns? [y/N] ")).strip().lower() in ("y", "yes", "はい")
