"""`cxsim map`: the journey map of every persona, as it is and with the scenario."""

from __future__ import annotations

from pathlib import Path

from analysis.language import _
from sim.cli.terminal import OK, Parser, language_asked, without_language


def journey_map(words: list[str]) -> int:
    """Write RUN/map/ and print the worst pain point of every persona."""
    parser = Parser(
        prog="cxsim map",
        description=_(
            "The journey map of every persona, as it is and with the scenario: emotional curve, pain points, "
            "touchpoints, facts, moments of truth. Writes RUN/map/ with a picture for the wall per persona."
        ),
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help=_("a run folder"))
    folder = parser.parse_args(without_language(words)).folder
    from analysis.load import RunError
    from analysis.map_report import FOLDER, write_map
    from sim.parameters import ConfigError

    try:
        told = write_map(folder, language_asked(words))
    except RunError as error:
        raise ConfigError(str(error)) from None
    print(f"{told}\n\n{folder / FOLDER / 'index.html'}")
    return OK
