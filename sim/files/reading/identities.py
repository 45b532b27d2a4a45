"""A column of customers: one spelling for each, and who is nobody in particular."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sim.files.reading.cells import MUCH, BoolArray, Cells, cells_of
from sim.phrases import Phrase, enumerated

GUESTS = (
    "guest", "guests", "guest user", "guest checkout", "anonymous", "unknown", "unregistered", "(none)", "no customer",
    "walk-in", "walkin", "walk in", "walk-in customer", "cash customer", "non-member", "nonmember", "not logged in",
    "undefined", "nil", "ゲスト", "非会員", "会員外", "匿名", "不明", "なし", "無し",
)  # fmt: skip
PLACEHOLDER = re.compile(r"0+|-\d|-+|9{3,}|x{3,}|\?+|\.+|\*+", re.IGNORECASE)
"""Ids that stand for nobody where they come more often than anybody."""
OFTEN = 5
"""So many times the rows of a usual customer, a placeholder is one."""
GIANT = 0.05
NOBODY = 0.2
"""Shares of the rows from which one id is told, and from which it cannot be one customer."""
CROWD = 20
"""Other customers beside whom one can be called unlike them."""
TIMES = 10
CUT = re.compile(r"\d(?:\.\d+)?e\+\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Identities:
    """A column of customers. cells: a text for each. guests: rows of nobody in particular, (rows,). told: of both."""

    cells: Cells
    guests: BoolArray
    told: tuple[Phrase, ...]


def read_identities(name: str, column: pa.ChunkedArray) -> Identities:
    """Customers in one spelling: 17012.0 is 17012, and an e-mail address is the same in capitals."""
    cells = cells_of(column)
    told: list[Phrase] = []
    plain = cells.renamed(_without_zeros) if cells.any_like(r"^-?\d+\.0+$") else cells
    if len(plain.texts) < len(cells.texts):
        many = len(cells.texts) - len(plain.texts)
        told.append(Phrase(
            "{name}: {count} ids are written with and without .0: one customer each", name=name, count=many
        ))  # fmt: skip
    folded = plain.renamed(lambda text: text.lower() if "@" in text else text) if plain.any_like("@") else plain
    if len(folded.texts) < len(plain.texts):
        many = len(plain.texts) - len(folded.texts)
        told.append(Phrase(
            "{name}: {count} e-mail addresses differ from others in capitals only: one customer each",
            name=name, count=many,
        ))  # fmt: skip
    told += _warnings(name, folded)
    nobody = _guests(folded)
    guests = nobody[folded.codes] if len(nobody) else np.zeros(0, dtype=bool)
    if guests.any():
        named = enumerated(
            Phrase("{name!r}", name=str(text)) if text else Phrase("blank")
            for text in folded.texts[nobody & (folded.counts > 0)][:4]
        )  # fmt: skip
        told.append(Phrase(
            "{name}: {count} rows ({share:.1f} %) are of guests ({named}) and left out",
            name=name, count=int(guests.sum()), share=100 * guests.mean(), named=named,
        ))  # fmt: skip
    told += _giant(name, folded, nobody)
    return Identities(folded, guests, tuple(told))


def _without_zeros(text: str) -> str:
    return text.rstrip("0").removesuffix(".") if re.fullmatch(r"-?\d+\.0+", text) else text


def _guests(cells: Cells) -> BoolArray:
    """Which of the distinct ids stand for nobody in particular."""
    counts = cells.counts
    words = np.array([text.lower() in GUESTS for text in cells.texts], dtype=bool)
    found: BoolArray = cells.missing | words
    others = np.sort(counts[~found])
    if len(others) <= CROWD:
        return found
    usual, rows = max(float(np.median(others)), 1.0), int(counts.sum())
    for place in np.flatnonzero((counts > OFTEN * usual) & (counts > MUCH * rows)):
        found[place] |= PLACEHOLDER.fullmatch(cells.texts[place]) is not None
    second = np.sort(counts[~found])[-2]
    found |= (counts > NOBODY * rows) & (counts > TIMES * max(int(second), 1))
    return found


def _giant(name: str, cells: Cells, nobody: BoolArray) -> list[Phrase]:
    counts = np.where(nobody, 0, cells.counts)
    if np.count_nonzero(counts) <= CROWD:
        return []
    place, second = int(np.argmax(counts)), int(np.sort(counts)[-2])
    share = counts[place] / max(int(counts.sum()), 1)
    if share < GIANT or counts[place] < TIMES / 2 * second:
        return []
    return [Phrase(
        "{name}: one customer, {who!r}, has {share:.0f} % of the rows; is it a person?",
        name=name, who=str(cells.texts[place]), share=100 * share,
    )]  # fmt: skip


def _warnings(name: str, cells: Cells) -> list[Phrase]:
    """Ids that look as if several customers had one, or one customer several."""
    found = []
    cut = np.zeros(len(cells.texts), dtype=bool)
    if cells.any_like(r"\d[eE]\+\d"):
        cut = np.array([CUT.fullmatch(text) is not None for text in cells.texts], dtype=bool)
    if cut.any() and cells.counts[cut].sum() > MUCH * cells.counts.sum():
        found.append(Phrase(
            "{name}: ids such as {example!r} have been cut by a spreadsheet: one may stand for many customers",
            name=name, example=str(cells.texts[cut][0]),
        ))  # fmt: skip
    lower = len({text.lower() for text in cells.texts})
    if lower < (1 - MUCH) * len(cells.texts):
        found.append(Phrase(
            "{name}: {count} ids differ from others in capitals only; they count as other customers",
            name=name, count=len(cells.texts) - lower,
        ))  # fmt: skip
    return found
