"""The journey maps of a run as files: a picture for the wall per persona, a page with all of them, and a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from analysis.folders.run_folder import Run, RunError
from analysis.journeys import map_plots, map_words
from analysis.journeys.map import Map, journey_map, personas
from analysis.journeys.read import Journeys
from analysis.style import look, words
from analysis.style.language import _, told_in
from analysis.style.page import picture, render

FOLDER = "map"


def write_map(folder: Path | str, language: str | None = None) -> str:
    """Write RUN/map/: PERSONA.svg and .png, map.csv and index.html; return what the terminal shows.

    Told in `language`, or in the run's own. Raises RunError where the run kept no journeys, LanguageError, OSError.
    """
    run = Run(folder)
    journeys = Journeys.kept(run)
    if journeys is None:
        raise RunError(f"{run.folder} kept no journeys; run it with events above 0 and arms=all")
    with told_in(language or str(run.config.get("language", "en"))):
        found = [journey_map(journeys, persona) for persona in personas(journeys)]
        place = run.folder / FOLDER
        place.mkdir(exist_ok=True)
        page = render("map.html.j2", _context(run, found))
        told = "\n".join([*map(map_words.worst, found), "", map_words.caution(found[0])])
    table = pd.concat([one.volume for one in found], ignore_index=True)
    table.to_csv(place / "map.csv", index=False, lineterminator="\n")
    (place / "index.html").write_text(page, encoding="utf-8", newline="\n")
    return told


def section(journeys: Journeys, stem: Path) -> dict[str, Any]:
    """What the report shows of the map: that of all customers, its picture saved as `stem`."""
    found = journey_map(journeys, personas(journeys)[0])
    return {
        "worst": map_words.worst(found),
        "caution": map_words.caution(found),
        "picture": picture(map_plots.wall(found), stem, map_words.title(found)),
    }


def _context(run: Run, found: list[Map]) -> dict[str, Any]:
    single = len(found[0].arms) == 1
    name = found[0].arms[-1]
    return {
        "title": (
            _("The customer journey, as it is") if single else _("The customer journey, as it is and with {name}")
        ).format(name=name),
        "days": found[0].days,
        "caution": map_words.caution(found[0]),
        "sections": [_section(run, one) for one in found],
        "notes": [_(map_words.DESCRIPTION), _(map_words.ATTRIBUTION)],
        "fingerprint": run.fingerprint,
    }


def _section(run: Run, one: Map) -> dict[str, Any]:
    stem = look.file_name(one.persona)
    return {
        "name": map_words.title(one),
        "file": f"{stem}.svg",
        "worst": map_words.worst(one),
        "picture": picture(map_plots.wall(one), run.folder / FOLDER / stem, map_words.title(one)),
        "moved": _moved(one),
        "let_down": map_words.let_down(one),
        "moments": [map_words.moment(moment) for moment in one.moments[one.arms[0]]],
    }


def _moved(one: Map) -> list[tuple[str, ...]]:
    """The curve as a table: stage, what is felt, both arms, the difference with its interval, occasions."""
    rows = []
    for stage, arms in one.curve.items():
        levels = [words.number(mean.value, 2) for mean in arms.values()]
        if one.moved:
            mean = one.moved[stage]
            levels += [words.signed(mean.value, 3), words.span(mean.low, mean.high, 3)]
        first = next(iter(arms.values()))
        rows.append((*map_words.stage(stage), *levels, f"{first.occasions:,}", f"{first.customers:,}"))
    return rows
