"""The page of what a firm's evidence taught, with priors and posteriors, its figures, and the lines to print.

Starts from a folder with three tables (written by `cxsim learn`): parameters.csv, statistics.csv, pieces.csv.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.effects.estimands import NORMAL_90
from analysis.style import look, words
from analysis.style.language import _, translated
from analysis.style.lines import padded, width
from analysis.style.look import BLUE, GREY, INK, RULE, VERMILION, WIDTH
from analysis.style.page import picture, write
from sim.files.disk import write_csv


class Tables(NamedTuple):
    """The three tables of a lesson."""

    parameters: pd.DataFrame
    statistics: pd.DataFrame
    pieces: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Write them to a folder."""
        for name, table in self._asdict().items():
            write_csv(folder / f"{name}.csv", table)

    @property
    def sharpened(self) -> pd.DataFrame:
        """Parameters that go into the company file, most sharpened first."""
        return self.parameters[self.parameters["kept"].astype(bool)]


# --- lines to print -----------------------------------------------------------------------------------------


def summary(tables: Tables, draws: int) -> str:
    """A line for each sharpened parameter, then how many were not, then whatever does not agree."""
    return "\n".join([*_sharpened_lines(tables.sharpened), *remarks(tables, draws)])


def _sharpened_lines(kept: pd.DataFrame) -> Iterator[str]:
    if kept.empty:
        return
    heads = (_("parameter"), _("before (90 %)"), _("after (90 %)"), _("unit"), _("variance gone"), _("taught by"))
    shown = ("before", "after", "unit", "gone", "taught_by")
    rows = [(row["name"].removeprefix("behaviour."), *(row[key] for key in shown)) for row in parameter_rows(kept)]
    widths = [max(width(row[i]) for row in (heads, *rows)) for i in range(len(heads) - 1)]
    for row in (heads, *rows):
        yield "  ".join([*map(padded, row, widths), row[-1]]).rstrip()


def remarks(tables: Tables, draws: int) -> list[str]:
    """What a reader must know before using the file, in sentences."""
    silent = len(tables.parameters) - len(tables.sharpened)
    found = []
    if silent:
        text = _("{n} more parameters were asked about and not sharpened beyond the doubt that {draws} draws leave.")
        found.append(text.format(n=silent, draws=draws))
    found += [_warning(row) for row in _records(tables.statistics) if row["verdict"] != "agrees"]
    remark = _("{piece}: {remark}.")
    found += [
        remark.format(piece=row["piece"], remark=translated(row["remarks"]))
        for row in _records(tables.pieces)
        if row["remarks"]
    ]
    return found


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _warning(row: dict[str, Any]) -> str:
    places = dict(
        piece=row["piece"], statistic=translated(row["statistic"]), observed=words.plain(row["observed"]),
        low=words.plain(row["simulated_low"]), high=words.plain(row["simulated_high"]),
    )  # fmt: skip
    if not row["learned_from"]:
        return _(
            "Warning: {piece}: {statistic}: observed {observed}, but 90 % of simulated worlds lie between {low} and "
            "{high}. The company file does not describe this firm; calibrate it first (cxsim calibrate)."
        ).format(**places)
    if row["verdict"] == "contradicts":
        return _(
            "Warning: {piece} contradicts the model and was left out: {statistic}: observed {observed}, 90 % of "
            "simulated worlds lie between {low} and {high}, and none is as far out."
        ).format(**places)
    return _(
        "Warning: {piece}: {statistic}: observed {observed}, while 90 % of simulated worlds lie between {low} and "
        "{high}. Hardly any gives it: what it taught is less certain than its interval says."
    ).format(**places)


# --- the page -----------------------------------------------------------------------------------------------


def write_page(folder: Path, tables: Tables, name: str, company: str, draws: int) -> Path:
    """Draw figures/ and write report.html of a lesson in its folder; return the page's path."""
    pictures = {
        key: picture(figure, folder / "figures" / key, caption) for key, (figure, caption) in _figures(tables).items()
    }
    context = {
        "title": _("What the evidence says about {name}").format(name=name),
        "facts": [
            (_("Started from"), company), (_("Pieces of evidence"), str(len(tables.pieces))),
            (_("Simulated worlds"), str(draws)), (_("Parameters sharpened"), str(len(tables.sharpened))),
        ],
        "verdict": _verdict(tables.sharpened),
        "remarks": remarks(tables, draws),
        "sharpened": list(parameter_rows(tables.sharpened)),
        "others": list(parameter_rows(tables.parameters[~tables.parameters["kept"].astype(bool)])),
        "statistics": list(statistic_rows(tables.statistics)),
        "pieces": [row | {"size": translated(row["size"])} for row in _records(tables.pieces)],
        "pictures": pictures,
        "draws": draws,
    }  # fmt: skip
    return write(folder, "learning.html.j2", context)


def _verdict(kept: pd.DataFrame) -> str:
    if kept.empty:
        return _("Nothing was learned: the company file is as it was.")
    best = next(iter(parameter_rows(kept)))
    return _(
        "{n} parameters are known better than before. Most was learned of {name}: {before} before, {after} now (90 % "
        "intervals)."
    ).format(n=len(kept), name=best["words"], before=f"{best['before']} {best['unit']}".strip(), after=best["after"])


def parameter_rows(table: pd.DataFrame) -> Iterator[dict[str, str]]:
    """A row per parameter, in words."""
    for row in _records(table):
        yield {
            "name": row["name"],
            "words": words.moved(row["name"]),
            "unit": words.parameter_unit(str(row["unit"])),
            "before": _range(row["prior_low"], row["prior_high"]),
            "after": _range(row["posterior_low"], row["posterior_high"]),
            "mean": words.plain(row["posterior_mean"]),
            "se": words.plain(row["posterior_se"]),
            "gone": words.percent(max(0.0, row["shrinkage"])),
            "taught_by": row["taught_by"],
        }


def statistic_rows(table: pd.DataFrame) -> Iterator[dict[str, str]]:
    """A row per statistic, in words."""
    verdicts = {"agrees": _("agrees"), "strained": _("strained"), "contradicts": _("contradicts the model")}
    for row in _records(table):
        yield {
            "piece": row["piece"],
            "statistic": translated(row["statistic"]),
            "observed": words.plain(row["observed"]),
            "se": words.plain(row["se"]),
            "simulated": _range(row["simulated_low"], row["simulated_high"]),
            "verdict": verdicts[row["verdict"]],
            "use": _("learned from") if row["learned_from"] else _("checked only"),
        }


def _range(low: float, high: float) -> str:
    return _("{low} to {high}").format(low=words.plain(low), high=words.plain(high))


# --- figures ------------------------------------------------------------------------------------------------


def _figures(tables: Tables) -> dict[str, tuple[Figure, str]]:
    """Figures by name, with their captions."""
    found = {
        "evidence": (
            evidence_figure(tables.statistics),
            _(
                "What was observed (point, 90 % interval) beside what the model gives before anything is learned "
                "(grey: 90 % of simulated worlds, sampling error included). Each row has its own scale."
            ),
        )
    }
    if not tables.sharpened.empty:
        caption = _(
            "Each sharpened parameter before (grey) and after (blue), 90 % intervals. Each row has its own scale: the "
            "grey bar is what was thought possible."
        )
        found = {"parameters": (parameter_figure(tables.sharpened), caption)} | found
    return found


def parameter_figure(kept: pd.DataFrame) -> Figure:
    """Prior and posterior of each parameter, side by side."""
    with look.style():
        figure, axes = _rows_figure([words.moved(name) for name in kept["name"]])
        for y, row in zip(_places(kept), _records(kept), strict=True):
            _band(axes, y, row["prior_low"], row["prior_high"], words.parameter_unit(str(row["unit"])))
            ends = (row["posterior_low"], row["posterior_high"])
            _interval(axes, y, row["posterior_mean"], *ends, (row["prior_low"], row["prior_high"]), BLUE)
    return figure


def evidence_figure(statistics: pd.DataFrame) -> Figure:
    """Each observed statistic beside the simulated worlds."""
    labels = [f"{row['piece']}: {translated(row['statistic'])}" for row in _records(statistics)]
    with look.style():
        figure, axes = _rows_figure(labels)
        for y, row in zip(_places(statistics), _records(statistics), strict=True):
            low, high = row["simulated_low"], row["simulated_high"]
            _band(axes, y, low, high, "")
            colour = INK if row["verdict"] == "agrees" else VERMILION
            ends = (row["observed"] - NORMAL_90 * row["se"], row["observed"] + NORMAL_90 * row["se"])
            _interval(axes, y, row["observed"], *ends, (low, high), colour)
    return figure


def _places(table: pd.DataFrame) -> list[int]:
    return list(range(len(table)))[::-1]


def _rows_figure(labels: list[str]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, 0.6 + 0.5 * len(labels)))
    axes = figure.subplots()
    axes.set_ylim(-0.5, len(labels) - 0.3)
    axes.set_yticks(range(len(labels))[::-1], labels)
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([])
    axes.set_xlim(-0.3, 1.3)
    axes.spines[["left", "bottom"]].set_visible(False)
    return figure, axes


def _band(axes: Axes, y: float, low: float, high: float, unit: str) -> None:
    """The grey bar, from 0 to 1 of the row's own scale, its ends in numbers."""
    axes.barh(y, 1.0, height=0.46, color=RULE, linewidth=0)
    above = y + 0.3  # where an interval that leaves the bar does not cross it
    axes.text(0.0, above, words.typeset(words.plain(low)), ha="left", va="bottom", color=GREY, fontsize=7.5)
    end = f"{words.plain(high)} {unit}".strip()
    axes.text(1.0, above, words.typeset(end), ha="right", va="bottom", color=GREY, fontsize=7.5)


def _interval(
    axes: Axes, y: float, middle: float, low: float, high: float, scale: tuple[float, float], colour: str
) -> None:
    """A point with its interval on the row's scale; what runs off the picture ends in an arrow."""
    width = (scale[1] - scale[0]) or 1.0
    at, start, end = ((value - scale[0]) / width for value in (middle, low, high))
    axes.plot([max(start, -0.25), min(end, 1.25)], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt")
    if -0.25 <= at <= 1.25:
        axes.plot(at, y, "o", color=colour, markersize=5.5)
    else:
        axes.plot(1.27 if at > 0 else -0.27, y, ">" if at > 0 else "<", color=colour, markersize=6)
