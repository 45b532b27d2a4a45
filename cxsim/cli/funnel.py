"""`cxsim funnel`: how many customers come from stage to stage, and whom each step loses."""

from __future__ import annotations

from analysis.style.language import _
from cxsim.cli.terminal import OK, folder_asked, language_asked, run_errors_in_words, shown


def funnel(words: list[str]) -> int:
    """Write funnel.csv, figures and funnel.html of a run folder and print the table."""
    description = _(
        "From stage to stage: how many customers come on and whom each step loses, by persona, channel and "
        "declared segment, with and without the scenario. Writes funnel.csv, funnel.html and figures into RUN."
    )
    folder = folder_asked(words, "funnel", description, "RUN", _("a run folder"))
    from analysis.journeys.funnel_page import tell
    from sim.run.folder import replace_text

    with run_errors_in_words():
        answer = tell(folder, language_asked(words))
    replace_text(folder / "funnel.csv", answer.table)
    replace_text(folder / "funnel.html", answer.page)
    print(f"{answer.terminal}\n\n{shown(folder / 'funnel.html')}")
    return OK
