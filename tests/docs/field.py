"""The field suite as docs/field.md shows it: scores kept in docs/field.csv, tables of them, the picture.

`python -m tests.docs.field DIR` takes the scores of a folder that `cxsim field --out DIR` has written and renews the
pages; without a folder it renews them from the scores that are kept. A page marks a table by a comment and keeps it
below:

    <!-- field scores -->       every finding, as published and as predicted
    <!-- field sources -->      every experiment: what was done, where that is written
    <!-- field summary -->      the score in a sentence
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import copyfile

import pandas as pd

from analysis.studies.field import SURE, tally
from analysis.studies.field_page import VERDICTS, name_of
from analysis.style import words
from sim.files.plain import read_yaml
from sim.learning.field_test import field_files
from sim.run.provenance import ROOT
from tests.docs.tables import rows

PAGE, SCORES, PICTURE = ROOT / "docs" / "field.md", ROOT / "docs" / "field.csv", ROOT / "docs" / "images" / "field.png"
MARK = re.compile(r"<!-- field (scores|sources|summary) -->\n(?:\n(?:\||Signs right|!\[)[^\n]*\n(?:[^\n<]+\n)*)*")


def pages() -> list[Path]:
    """Pages with such marks."""
    return [page for page in (PAGE, ROOT / "README.md") if MARK.search(page.read_text(encoding="utf-8"))]


def scores() -> pd.DataFrame:
    """The scores that the pages show."""
    return pd.read_csv(SCORES)


def scores_table() -> str:
    """The picture, and a row per finding."""
    picture = "![Published effects and predicted ones, each on its own scale](images/field.png)\n\n"
    head = [
        "finding", "published (90 %)", "predicted (90 %)", "sign right", "inside", "width", "score", "constant", "use",
        "what it says",
    ]  # fmt: skip
    table = scores()
    return picture + rows(head, (_line(row, int(table["points"].max())) for _number, row in table.iterrows()))


def _line(row: pd.Series, most: int) -> list[str]:
    fewer = "" if row["points"] == most else f" ({row['points']} of {most} points)"
    return [
        name_of(row) + fewer, _with_interval(row, "estimate", "low", "high"),
        _with_interval(row, "median", "predicted_low", "predicted_high"), words.percent(row["sign_right"]),
        "yes" if row["inside"] else "no", words.number(row["width_ratio"], 1), words.signed(row["score_nothing"], 1),
        words.signed(row["score_constant"], 1), row["use"], VERDICTS[row["verdict"]],
    ]  # fmt: skip


def _with_interval(row: pd.Series, middle: str, low: str, high: str) -> str:
    relative = row["unit"] == "share"
    values = [row[name] * (100.0 if relative else 1.0) for name in (middle, low, high)]
    places = words.decimals(*values)
    unit = "%" if relative else "points" if row["unit"].startswith("%") else row["unit"]
    return f"{words.signed(values[0], places)} {unit} ({words.span(values[1], values[2], places)})"


def sources_table() -> str:
    """A row per shipped experiment."""
    found = {name: read_yaml(path) for name, path in field_files(ROOT / "conf" / "field").items()}
    return rows(
        ["experiment", "what was done and measured", "how the numbers were taken", "source", "read"],
        ([f"`{name}`", one["description"], one.get("note", {}).get("en", ""), one["source"], one["reading"]]
         for name, one in found.items()),
    )  # fmt: skip


def summary() -> str:
    """The score over all findings and over the tests alone."""
    table = scores()
    every, tests = tally(table), tally(table[table["use"] == "test"])
    return (
        f"Signs right in {every.right} of {every.signed} findings (in at least {100 * SURE:.0f} % of the points);\n"
        f"the published value lies within the predicted 90 % in {every.inside} of {every.findings}.\n"
        f"Of the findings by which no range was set: {tests.right} of {tests.signed}, and {tests.inside} of "
        f"{tests.findings}.\n"
    )


MAKERS: Mapping[str, Callable[[], str]] = {"scores": scores_table, "sources": sources_table, "summary": summary}


def rewritten(page: str) -> str:
    """The page with its tables as scores and files have them now; nothing stands where nothing was scored yet."""

    def anew(mark: re.Match[str]) -> str:
        known = SCORES.is_file() or mark[1] == "sources"
        return f"<!-- field {mark[1]} -->\n" + (f"\n{MAKERS[mark[1]]()}" if known else "")

    return MARK.sub(anew, page)


def main() -> None:
    """Take the scores and the picture of a folder, and renew the pages."""
    for folder in map(Path, sys.argv[1:]):
        copyfile(folder / "field.csv", SCORES)
        copyfile(folder / "figures" / "field_published.png", PICTURE)
    for page in pages():
        page.write_text(rewritten(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
