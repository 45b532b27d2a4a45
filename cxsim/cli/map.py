"""`cxsim map`: the journey map of every persona, as it is and with the scenario."""

from __future__ import annotations

from analysis.style.language import _
from cxsim.cli.terminal import OK, folder_asked, language_asked, run_errors_in_words, shown


def journey_map(words: list[str]) -> int:
    """Write RUN/map/ and print the worst pain point of every persona."""
    description = _(
        "The journey map of every persona, as it is and with the scenario: emotional curve, pain points, "
        "touchpoints, facts, moments of truth. Writes RUN/map/ with a picture for the wall per persona."
    )
    folder = folder_asked(words, "map", description, "RUN", _("a run folder"))
    from analysis.journeys.map_page import FOLDER, write_map

    with run_errors_in_words():
        answer = write_map(folder, language_asked(words))
    print(f"{answer}\n\n{shown(folder / FOLDER / 'index.html')}")
    return OK
