"""A story told: its page, its table for the terminal, the list of a finder, and the one story of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from analysis.folders.run_folder import Run
from analysis.journeys import finders, story_plots
from analysis.journeys.causes import Life
from analysis.journeys.read import Journeys
from analysis.journeys.story import BOTH, Story, parting_words, story, table, timeline, when
from analysis.style import words
from analysis.style.language import N_, _, told_in
from analysis.style.page import Picture, picture, render
from sim.tables import BASELINE

ILLUSTRATION = N_(
    "An illustration. Both lives have the same luck, but what one customer would have done is not identified: it hangs "
    "on how the luck of the two arms is coupled, which is a choice of the model. Only means over customers are answers."
)
PICKED = N_("Picked because they are striking; how common they are, cxsim funnel and the report say.")
CAPTION = N_(
    "Visits: dot website, ring app, diamond store. Messages and coupons: hollow sent, shown or given, filled clicked "
    "or redeemed. Orders: larger for more yen. Beside a delivery: days late. Let down by: dot the site, diamond the "
    "store, triangle the delivery, square the product. Dots on the curve: scores of experiences, in su, the latent "
    "unit of satisfaction, which nobody sees in a real firm."
)
STATUS_WORDS = {
    "unaware": N_("unaware"),
    "aware": N_("aware"),
    "customer": N_("customer"),
    "lapsed": N_("lapsed"),
}


class Told(NamedTuple):
    """A story as told: the page, and what the terminal shows."""

    page: str
    terminal: str


def place_of(folder: Path, customer: int) -> Path:
    """Where the page of a customer's story stands in a run folder; its picture stands beside it."""
    return folder / "stories" / f"{customer}.html"


def tell(folder: Path | str, customer: int, language: str | None = None) -> Told:
    """One customer's story, told in `language` or in the run's own; saves its picture beside the page's place.

    Raises RunError where that customer's journey was not kept, LanguageError, OSError.
    """
    run = Run(folder)
    with told_in(language or str(run.config.get("language", "en"))):
        journeys = Journeys(run)
        found = story(journeys, customer)
        parts = (table(found), parting_words(found, journeys), _label(found))
        drawn = _drawn(found, place_of(run.folder, customer).with_suffix(""))
        page = render("story.html.j2", _context(journeys, found, drawn))
    return Told(page, "\n\n".join(filter(None, parts)))


def listed(folder: Path | str, name: str, language: str | None = None) -> str:
    """The customers whom a finder puts first, a line each. Raises RunError for a name that is none, LanguageError."""
    run = Run(folder)
    with told_in(language or str(run.config.get("language", "en"))):
        found = finders.find(Journeys(run), name)
        if not found:
            return _("Nobody whose journey was kept.")
        lines = [f"{one.customer:>8}  {one.line}" for one in found]
        return "\n".join([*lines, "", _(PICKED)])


def section(journeys: Journeys, stem: Path) -> dict[str, Any] | None:
    """What the report tells of one customer, the picture saved as `stem`; None where nothing happened to anybody."""
    telling = finders.telling(journeys)
    if telling is None:
        return None
    one = story(journeys, telling.customer)
    title = _("Customer {customer}: {line}").format(customer=one.customer, line=telling.line)
    return {
        "title": title,
        "label": _label(one),
        "parting": parting_words(one, journeys),
        "picture": _drawn(one, stem),
        "command": f"cxsim story RUN {one.customer}",
    }


def _label(found: Story) -> str:
    return _(ILLUSTRATION) if len(found.lives) > 1 else ""


def _drawn(found: Story, stem: Path) -> Picture:
    return picture(story_plots.picture(found), stem, _(CAPTION))


def _context(journeys: Journeys, found: Story, drawn: Picture) -> dict[str, Any]:
    return {
        "title": _("The story of customer {customer}").format(customer=found.customer),
        "facts": _facts(found),
        "label": _label(found),
        "parting": parting_words(found, journeys),
        "picture": drawn,
        "arms": [_("Baseline"), *(_("With {name}").format(name=life.arm) for life in found.lives[1:])],
        "ends": [_end(life) for life in found.lives],
        "rows": _rows(journeys, found),
        "fingerprint": journeys.run.fingerprint,
    }


def _facts(found: Story) -> list[tuple[str, str]]:
    person = found.lives[0].person
    return [
        (_("Persona"), _(str(person["persona"]))),
        (_("Declared segment"), _(str(person["segment"]))),
        (_("Horizon"), _("{days} days").format(days=found.days)),
        (_("Draw"), _("the first")),
    ]


def _end(life: Life) -> list[str]:
    """How a life ended: status, visits, orders, profit, satisfaction."""
    person = life.person
    return [
        _(STATUS_WORDS.get(str(person["status"]), str(person["status"]))),
        f"{person['visits']:,}",
        f"{person['orders']:,}",
        words.number(float(person["profit"]), 0),
        words.number(float(person["satisfaction"]), 2),
    ]


def _rows(journeys: Journeys, found: Story) -> list[dict[str, Any]]:
    """Rows of the page's timeline: what both lives share stands across both columns."""
    rows = []
    for line in timeline(found):
        rows.append({
            "when": when(line), "date": journeys.date(line.first), "told": line.told, "why": line.why,
            "shared": line.arm == BOTH, "baseline": line.arm == BASELINE,
        })  # fmt: skip
    return rows
