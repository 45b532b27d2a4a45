"""`cxsim sweep-report`: a sweep's folder to a decision."""

from __future__ import annotations

from pathlib import Path

from analysis.language import _
from sim.cli.terminal import OK, Parser, language_asked, without_language


def sweep_report(words: list[str]) -> int:
    """Make the report of a sweep's folder and print the answer."""
    parser = Parser(
        prog="cxsim sweep-report",
        description=_("Make report.html, figures and tables of a sweep's folder, finished or not."),
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help=_("a sweep's folder"))
    folder = parser.parse_args(without_language(words)).folder
    from analysis.load import RunError
    from analysis.sweep_report import write_sweep_report
    from sim.parameters import ConfigError

    try:
        told = write_sweep_report(folder, language_asked(words))
    except RunError as error:
        raise ConfigError(str(error)) from None
    print(told)
    print(f"\n{folder / 'report.html'}")
    return OK
