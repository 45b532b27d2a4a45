"""A field suite told: a sentence for a board, a table for the terminal, a figure, report.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.effects.answer import aligned
from analysis.studies.field import SURE, FieldSuite, Tally, tally, write_scores
from analysis.style import look, words
from analysis.style.language import N_, _, language
from analysis.style.page import pictures, write_page

VERDICTS = {
    "agrees": N_("agrees"),
    "vague": N_("agrees, but says little: its range is more than five times as wide as the published interval"),
    "unsettled": N_("holds the published value, but not its sign: what decides the sign is not known"),
    "small": N_("the right way, but too small: the mechanism is weaker than the field's, or one is missing"),
    "large": N_("the right way, but too large: a range reaches farther than the field's"),
    "opposite": N_("the other way: the model lacks what the field found, or weighs it less than something else"),
}
"""What each verdict of a finding means."""

USES = {"anchor": N_("anchor"), "test": N_("test")}
READINGS = {
    "opened": N_("read"), "abstract": N_("abstract"), "recalled": N_("recalled"), "data": N_("the data themselves"),
}  # fmt: skip
CAPTIONS = {
    "published": N_(
        "Every finding on its own scale: the published value is 1, and 0 is no effect. Black: published, with its 90 % "
        "interval. Colour: predicted, median and 90 % of the points; blue of those kept for testing, orange of anchors "
        "(a range was set with them). An arrow runs off the picture."
    )
}
LEFT, RIGHT = -1.5, 3.5
"""Ends of the figure's scale, in published values."""


# -- in words -------------------------------------------------------------------------------------------------


def sentence(folder: Path | str) -> str:
    """The score in a sentence or two."""
    return words.sentences(told(FieldSuite(folder)))


def told(suite: FieldSuite) -> list[str]:
    """The score over all findings, then over those kept for testing where there are anchors too."""
    scores = suite.scores
    tests = scores[scores["use"] == "test"]
    found = [_score(tally(scores))]
    if 0 < len(tests) < len(scores):
        kept = tally(tests)
        found.append(
            _("Of the findings by which no range was set: {right} of {signed}, and {inside} of {findings}.").format(
                right=kept.right, signed=kept.signed, inside=kept.inside, findings=kept.findings
            )
        )
    return found


def _score(found: Tally) -> str:
    return _(
        "Signs right in {right} of {signed} findings (in at least {sure} of the points); the published value lies "
        "within the predicted 90 % in {inside} of {findings}."
    ).format(
        right=found.right, signed=found.signed, sure=words.percent(SURE), inside=found.inside, findings=found.findings
    )


def summary_table(folder: Path | str) -> str:
    """Published beside predicted in aligned columns, then a line on each finding that does not agree."""
    suite = FieldSuite(folder)
    head = (
        _("finding"), _("published (90 %)"), _("predicted (90 %)"), _("sign right"), _("inside"), _("width"),
        _("against nothing"), _("against constant"), _("use"),
    )  # fmt: skip
    rows = [_row(suite, row) for _number, row in suite.scores.iterrows()]
    keys = ("name", "published", "predicted", "sign", "inside", "width", "nothing", "constant", "use")
    lines = [
        _("{name}: {meaning}.").format(name=row["name"], meaning=row["meaning"]) for row in rows if row["missed"]
    ]
    return "\n".join([aligned(head, [tuple(row[key] for key in keys) for row in rows]), *lines])


def _row(suite: FieldSuite, row: pd.Series) -> dict[str, Any]:
    """A finding as text."""
    said = suite.said(row["experiment"])
    meaning = _(VERDICTS[row["verdict"]])
    missed = row["verdict"] in ("unsettled", "small", "large", "opposite")
    return {
        "name": name_of(row),
        "title": _in_language(said["title"]),
        "metric": _metric(row),
        "published": _with_interval(row, "estimate", "low", "high"),
        "predicted": _with_interval(row, "median", "predicted_low", "predicted_high"),
        "sign": words.percent(row["sign_right"]),
        "inside": _("yes") if row["inside"] else _("no"),
        "width": words.number(row["width_ratio"], 1),
        "nothing": words.signed(row["score_nothing"], 1),
        "constant": words.signed(row["score_constant"], 1),
        "use": _(USES[row["use"]]),
        "reading": _(READINGS[row["reading"]]),
        "source": said.get("source", ""),
        "missed": missed,
        "meaning": meaning,
        "miss": _in_language(said.get("miss")) if missed else "",
        "note": _in_language(said.get("note")),
    }


def name_of(row: pd.Series) -> str:
    """A finding's name: the experiment's, and its own behind it."""
    return f"{row['experiment']}: {row['finding']}"


def _metric(row: pd.Series) -> str:
    metric = _(row["metric"].replace("_", " "))
    return metric if not words.known(row["delay"]) else _("{metric}, {days:.0f} days late").format(
        metric=metric, days=row["delay"]
    )


def _with_interval(row: pd.Series, middle: str, low: str, high: str) -> str:
    """A number and its interval; in per cent where it is relative, else in the metric's unit."""
    relative = row["unit"] == "share"
    values = [row[name] * (100.0 if relative else 1.0) for name in (middle, low, high)]
    places = words.decimals(*values)
    told_of = f"{words.signed(values[0], places)} ({words.span(values[1], values[2], places)})"
    return _("{amount} {unit}").format(amount=told_of, unit="%" if relative else _unit(row["unit"]))


def _unit(unit: str) -> str:
    """Unit of an absolute lift: of a share, percentage points."""
    return _("points") if unit.startswith("%") else _(unit)


def _in_language(text: Any) -> str:
    """A text that a file gives by language, in the one in use, else in the other."""
    said = text or {}
    return str(said.get(language()) or next(iter(said.values()), ""))


# -- figure ---------------------------------------------------------------------------------------------------


def figures(suite: FieldSuite) -> dict[str, Figure]:
    """The figure by a short name."""
    with look.style():
        return {"published": published(suite.scores)}


def published(scores: pd.DataFrame) -> Figure:
    """Published against predicted, every finding on its own scale."""
    figure, axes = look.one_panel(0.9 + 0.36 * len(scores))
    labels = []
    for y, (_number, row) in zip(range(len(scores))[::-1], scores.iterrows(), strict=True):
        colour = look.ORANGE if row["use"] == "anchor" else look.BLUE
        values = row[["low", "estimate", "high", "predicted_low", "median", "predicted_high"]].to_numpy(dtype=float)
        scaled = values / (row["estimate"] or 1.0)
        _whisker(axes, y + 0.14, scaled[:3], look.INK, "s")
        _whisker(axes, y - 0.14, scaled[3:], colour, "o")
        labels.append(name_of(row))
    axes.set_yticks(range(len(scores))[::-1], labels)
    axes.set_ylim(-0.6, len(scores) - 0.4)
    axes.set_xlim(LEFT, RIGHT)
    axes.axvline(0.0, color=look.INK, linewidth=0.8)
    axes.axvline(1.0, color=look.GREY, linewidth=0.8, linestyle="--")
    axes.set_xlabel(_("effect as a multiple of the published one"))
    axes.tick_params(axis="y", length=0)
    look.grid_lines(axes, "x")
    return figure


def _whisker(axes: Axes, y: float, values: Any, colour: str, marker: str) -> None:
    """An interval with its middle; what runs off the picture ends in an arrow."""
    low, middle, high = values
    first, last = sorted((low, high))
    if not (words.known(first) and words.known(last)):
        return
    axes.plot([max(first, LEFT), min(last, RIGHT)], [y, y], color=colour, linewidth=1.8, solid_capstyle="butt")
    for beyond, x, arrow in ((first < LEFT, LEFT, "<"), (last > RIGHT, RIGHT, ">")):
        if beyond:
            axes.plot(x, y, arrow, color=colour, markersize=5, clip_on=False)
    if LEFT <= middle <= RIGHT:
        axes.plot(middle, y, marker, color=colour, markersize=4.5)


# -- the page -------------------------------------------------------------------------------------------------


def write_report(folder: Path | str, language: str | None = None) -> Path:
    """Write field.csv, figures/ and report.html into the folder of a field suite; return the report's path.

    Told in `language`, or in the run's own. Raises RunError, LanguageError, OSError.
    """
    write_scores(folder)
    return write_page(FieldSuite(folder), "field.html.j2", _context, language)


def _context(suite: FieldSuite) -> dict[str, Any]:
    rows = [_row(suite, row) for _number, row in suite.scores.iterrows()]
    return {
        "title": _("The model against field tests"),
        "facts": [
            (_("Experiments"), str(suite.scores["experiment"].nunique())),
            (_("Findings"), str(len(suite.scores))),
            (_("Points of each"), str(int(suite.scores["points"].max()))),
            (_("Seed"), str(suite.config.get("seed"))),
        ],
        "verdict": told(suite),
        "rows": rows,
        "tests": [
            {"title": group[0]["title"], "name": name, "note": group[0]["note"], "source": group[0]["source"],
             "reading": group[0]["reading"], "rows": group}
            for name, group in _by_test(suite, rows).items()
        ],
        "pictures": list(pictures(figures(suite), f"{suite.folder}/figures/field_", CAPTIONS).values()),
        "fingerprint": suite.fingerprint,
    }  # fmt: skip


def _by_test(suite: FieldSuite, rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for name, row in zip(suite.scores["experiment"], rows, strict=True):
        found.setdefault(name, []).append(row)
    return found
