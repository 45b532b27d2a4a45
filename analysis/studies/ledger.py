"""How predictions did: their scores by metric and horizon, the lines to print, and the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.style import look, words
from analysis.style.language import N_, _
from analysis.style.lines import padded, width
from analysis.style.look import BLUE, INK, RULE, VERMILION, WIDTH
from analysis.style.page import picture, write

HORIZONS = {90: N_("up to 90 days"), 365: N_("up to a year"), 10**6: N_("beyond a year")}
"""Longest days from the entry to the end of what is predicted, with words."""
MOST_SHOWN = 40
"""Predictions in the picture, the last ones."""
METRICS_OF_TESTS = {
    "conversion": "conversion", "churn": "churn", "nps_surveyed": "nps", "csat": "csat", "on_time": "on_time",
    "repeat_rate": "repeat_rate", "norush_share": "norush_share",
}  # fmt: skip
"""Metrics of a run of which a test's lift can be learned from, by the test's name for them."""
ALL = "all"


def scores(both: pd.DataFrame) -> pd.DataFrame:
    """A row for all predictions, then one per metric and horizon.

    both: predictions beside what happened. Columns: metric, horizon, predictions, coverage (share within their 90 %
    intervals), bias (mean of what happened less the median, in half-widths of the interval: within -1 to 1 on average),
    error and naive_error (mean absolute, unit of the metric), skill (1 less their ratio: above 0 beats the naive
    guess), width (mean width of the interval over the naive guess's mean error: the smaller the sharper).
    """
    named = both.assign(until=_horizon(both["horizon"]))
    groups = [((str(metric), str(until)), rows) for (metric, until), rows in named.groupby(["metric", "until"])]
    return pd.DataFrame([_score(ALL, ALL, named), *(_score(*key, rows) for key, rows in groups)])


def _horizon(days: pd.Series) -> np.ndarray:
    ends = np.array(list(HORIZONS))
    return np.array(list(HORIZONS.values()))[np.searchsorted(ends, days.clip(upper=ends[-1]))]


def _score(metric: str, horizon: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Of several metrics, whose units differ, errors are counted in half-widths of the interval."""
    unit = 1.0 if metric != ALL else _half(rows)
    error, naive = ((rows["value"] - rows[guess]).abs() / unit for guess in ("median", "naive"))
    usual = float(naive.mean())
    return {
        "metric": metric, "horizon": horizon, "predictions": len(rows), "coverage": float(rows["inside"].mean()),
        "bias": float(((rows["value"] - rows["median"]) / _half(rows)).mean()), "error": float(error.mean()),
        "naive_error": usual, "skill": 1 - float(error.mean()) / usual if usual else np.nan,
        "width": float(((rows["high"] - rows["low"]) / unit).mean()) / usual if usual else np.nan,
    }  # fmt: skip


def _half(rows: pd.DataFrame) -> pd.Series:
    return ((rows["high"] - rows["low"]) / 2).clip(lower=1e-12)


# --- lines --------------------------------------------------------------------------------------------------


def summary(both: pd.DataFrame) -> str:
    """A row per metric and horizon, then the verdict."""
    heads = (_("metric"), _("horizon"), _("predictions"), _("within 90 %"), _("bias"), _("skill"), _("width"))
    rows = [heads, *(tuple(row.values()) for row in _rows(scores(both)))]
    widths = [max(width(row[i]) for row in rows) for i in range(len(heads))]
    lines = ["  ".join(padded(text, wide) for text, wide in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", *verdict(both)])


def _rows(table: pd.DataFrame) -> Iterator[dict[str, str]]:
    for row in table.to_dict("records"):
        yield {
            "metric": _("all") if row["metric"] == ALL else words.label(row["metric"]),
            "horizon": "" if row["horizon"] == ALL else _(row["horizon"]),
            "predictions": words.number(row["predictions"], 0), "coverage": f"{100 * row['coverage']:.0f} %",
            "bias": words.signed(row["bias"], 2), "skill": words.signed(row["skill"], 2),
            "width": words.plain(row["width"]),
        }  # fmt: skip


def verdict(both: pd.DataFrame) -> list[str]:
    """How many lay within their intervals, and whether the medians beat the naive guess."""
    every = scores(both).iloc[0]
    text = _("{inside} of {n} predictions lie within their 90 % intervals; nine in ten would.")
    found = [text.format(inside=int(both["inside"].sum()), n=len(both))]
    if words.known(every["skill"]):
        better = _("The medians are nearer than the naive guess: their error is {share} of its error.")
        worse = _("The naive guess is nearer than the medians: their error is {share} of its error.")
        share = f"{100 * (1 - every['skill']):.0f} %"
        found.append((better if every["skill"] > 0 else worse).format(share=share))
    return found


# --- the page -----------------------------------------------------------------------------------------------


def write_page(folder: Path, both: pd.DataFrame, ledger: str, pieces: int) -> Path:
    """Draw figures/ and write report.html; return the page's path. pieces: of evidence that were written beside it."""
    shown = picture(figure(both.tail(MOST_SHOWN)), folder / "figures" / "predictions", _(
        "What happened (points) within the predicted 90 % interval: -1 and 1 are its ends, 0 the middle. Red: outside."
    ))  # fmt: skip
    off = both[~both["inside"]]
    context = {
        "title": _("Predictions held to account"),
        "facts": [
            (_("Ledger"), ledger), (_("Predictions whose time is over"), str(len(both))),
            (_("Outside their intervals"), str(len(off))), (_("Pieces of evidence"), str(pieces)),
        ],
        "verdict": verdict(both), "scores": list(_rows(scores(both))),
        "off": [_prediction(row) for row in off.to_dict("records")], "picture": shown, "pieces": pieces,
    }  # fmt: skip
    return write(folder, "ledger.html.j2", context)


def _prediction(row: dict[Any, Any]) -> dict[str, str]:
    return {
        "metric": words.label(row["metric"]), "what": row["what"], "period": f"{row['first']} - {row['last']}",
        "value": words.plain(row["value"]), "interval": f"{words.plain(row['low'])} - {words.plain(row['high'])}",
        "unit": _(row["unit"]) if row["unit"] not in ("", "1") else "",
    }  # fmt: skip


def figure(both: pd.DataFrame) -> Figure:
    """A row per prediction, on the scale of its own interval."""
    at = ((both["value"] - (both["low"] + both["high"]) / 2) / _half(both)).clip(-3, 3)
    with look.style():
        drawn = Figure(figsize=(WIDTH, 0.8 + 0.24 * len(both)))
        axes = drawn.subplots()
        axes.axvspan(-1, 1, color=RULE, alpha=0.6, linewidth=0)
        axes.axvline(0, color=BLUE, linewidth=1.0)
        colours = [INK if inside else VERMILION for inside in both["inside"]]
        axes.scatter(at, range(len(both)), c=colours, s=18, zorder=3)
        names = [f"{words.label(row['metric'])}, {row['what']}, {row['last']}" for row in both.to_dict("records")]
        axes.set_yticks(range(len(both)), [words.typeset(name) for name in names])
        axes.invert_yaxis()
        axes.set_xlim(-3.2, 3.2)
        axes.set_xlabel(_("half-widths of the 90 % interval from its middle"))
    return drawn
