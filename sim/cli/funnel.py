"""`cxsim funnel`: how many customers come from stage to stage, and whom each step loses."""

from __future__ import annotations

from pathlib import Path

from analysis.language import _
from sim.cli.terminal import OK, Parser, language_asked, without_language


def funnel(words: list[str]) -> int:
    """Write funnel.csv, figures and funnel.html of a run folder and print the table."""
    parser = Parser(
        prog="cxsim funnel",
        description=_(
            "From stage to stage: how many customers come on and whom each step loses, by persona, channel and "
            "declared segment, with and without the scenario. Writes funnel.csv, funnel.html and figures into RUN."
        ),
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help=_("a run folder"))
    folder = parser.parse_args(without_language(words)).folder
    from analysis.funnel_report import tell
    from analysis.load import RunError
    from sim.folder import replace_text
    from sim.parameters import ConfigError

    try:
        told = tell(folder, language_asked(words))
    except RunError as error:
        raise ConfigError(str(error)) from None
    replace_text(folder / "funnel.csv", told.table)
    replace_text(folder / "funnel.html", told.page)
    print(f"{told.terminal}\n\n{folder / 'funnel.html'}")
    return OK
