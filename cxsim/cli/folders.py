"""`cxsim story`: one customer's life in both arms, or whose life is worth a look."""

from __future__ import annotations

from pathlib import Path

from analysis.style.language import _
from cxsim.cli.terminal import OK, Parser, language_asked, run_errors_in_words, shown, without_language


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
