"""How figures look: colours, sizes, panels, whiskers, legends; and how they are saved."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from threading import RLock
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.style import dates, fonts, words
from sim.files.disk import write_bytes, write_text

BLUE, ORANGE, GREEN, VERMILION, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"


GREY, INK, RULE = "#6B7280", "#1F2933", "#D5D9DE"
"""Okabe and Ito (2008), and three greys."""


STYLE: dict[str, Any] = {
    "font.family": [fonts.LATIN, *fonts.ELSEWHERE, "sans-serif"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "cxsim",
    "text.usetex": False,
    "text.parse_math": False,
}


WIDTH = 7.6
"""Inches: the width of every figure."""


FEW_POINTS = 30


NO_DATE, NO_SOFTWARE = {"Date": None, "Creator": None}, {"Software": None}
"""What matplotlib would write into SVG and PNG files: without it the same figure gives the same bytes."""


def save(figure: Figure, stem: Path) -> tuple[str, bytes]:
    """Write `stem`.png and `stem`.svg; return the SVG's text and the PNG. The same figure gives the same bytes."""
    svg = io.StringIO()
    fonts.space_lines(figure)
    with style():
        png = png_of(figure, 150)
        figure.set_layout_engine("none")  # laid out by now; the SVG takes the same places
        FigureCanvasSVG(figure).print_svg(svg, metadata=NO_DATE)  # type: ignore[no-untyped-call]
    text = fonts.for_other_machines(svg.getvalue())
    write_bytes(stem.with_name(f"{stem.name}.png"), png)
    write_text(stem.with_name(f"{stem.name}.svg"), text)
    return text, png


def png_of(figure: Figure, dpi: int) -> bytes:
    """A figure as PNG, drawn in the style in force.

    Canvases write here themselves: `savefig` draws each figure twice, the first time only to lay it out.
    """
    written = io.BytesIO()
    usual = figure.dpi
    figure.dpi = dpi
    FigureCanvasAgg(figure).print_png(written, metadata=NO_SOFTWARE)  # type: ignore[no-untyped-call]
    figure.dpi = usual
    return written.getvalue()


def file_name(name: str) -> str:
    """A file name for a scenario's name: itself where harmless, else harmless letters and a short hash."""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_+.-]*", name):
        return name
    return f"{re.sub('[^A-Za-z0-9_]+', '_', name).strip('_')}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


_STYLED = RLock()


@contextmanager
def style() -> Iterator[None]:
    """Our look, and silence about fonts this machine lacks: the next in the list is taken.

    One thread at a time: matplotlib's settings and Python's warnings are the process's.
    """
    with _STYLED, _styled():
        yield


@contextmanager
def _styled() -> Iterator[None]:
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with mpl.rc_context(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            mpl.rcdefaults()
            mpl.rcParams.update(STYLE | {"font.family": fonts.families(STYLE["font.family"])})  # type: ignore[arg-type]
            yield
    finally:
        log.setLevel(level)


def one_panel(height: float) -> tuple[Figure, Axes]:
    """A figure of one panel, so many inches high."""
    figure = Figure(figsize=(WIDTH, height))
    return figure, figure.subplots()


def many_panels(count: int, columns: int, height: float, sharey: bool = False) -> tuple[Figure, NDArray[Any]]:
    """A figure of so many panels in rows of at most so many columns, each row so high; and its grid (rows, columns)."""
    columns = min(count, columns)
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH, height * rows))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, grid


def grid_lines(axes: Axes, axis: str) -> None:
    """Lines behind a panel at the ticks of `x`, `y` or `both`."""
    axes.grid(True, axis=axis)  # type: ignore[arg-type]


def whisker(axes: Axes, x: float, low: float, high: float, end: float) -> float:
    """An interval on a bar whose upper edge is `end`; returns the highest point drawn."""
    if not (words.known(low) and words.known(high)) or low == high:
        return end
    axes.plot([x, x], [low, high], color=GREY, linewidth=1.2, solid_capstyle="butt")
    axes.plot([x - 0.06, x + 0.06], [low, low], color=GREY, linewidth=1.2)
    axes.plot([x - 0.06, x + 0.06], [high, high], color=GREY, linewidth=1.2)
    return max(end, high)


def dots(axes: Axes, rows: pd.DataFrame, y: NDArray[np.float64], colour: str, marker: str, text: str) -> None:
    """Points with horizontal intervals."""
    x, low, high = (rows[column].to_numpy(dtype=float) for column in ("effect", "ci_low", "ci_high"))
    ends = np.where(np.isnan(low), x, low), np.where(np.isnan(high), x, high)
    axes.hlines(y, *ends, color=colour, linewidth=1.6, alpha=0.55)
    axes.plot(x, y, marker, color=colour, markersize=5.5, label=text, linestyle="none")


def months_along(axes: Axes, first: date, days: int, most: int, unit: int = 1) -> None:
    """Name at most so many months of `days` days along an axis in units of so many days, whose zero is `first`."""
    starts = dates.month_starts(first, days, most)
    axes.set_xticks([(start - first).days / unit for start in starts], [f"{start:%Y-%m}" for start in starts])


def legend_above(axes: Axes) -> None:
    """A panel's legend in a row above it."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)


def legend_figure(figure: Figure, row: Any) -> None:
    """One legend for all panels, above them."""
    pairs = [pair for axes in row for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    handles, texts = zip(*pairs, strict=True)
    figure.legend(handles, texts, loc="outside upper left", ncols=3)
