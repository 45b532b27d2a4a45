"""How wide a text stands in columns of one width, as on a terminal, and where its lines break."""

from __future__ import annotations

import re
import textwrap
import unicodedata

from analysis.style.language import language

UNBROKEN = re.compile("[（「『【]*(?:[!-~\N{MINUS SIGN}\N{WAVE DASH}]+|.)[、。，．）」』】・：；ー]*")
"""A part of a Japanese line that must not be broken: a figure, Latin word or character with the marks around it."""


def width(text: str) -> int:
    """Columns that a text takes: a Japanese character takes two (Unicode's standard annex 11)."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def padded(text: str, columns: int, right: bool = False) -> str:
    """A text filled with spaces to a width, on its right side or, to stand on the right, on its left."""
    space = " " * (columns - width(text))
    return space + text if right else text + space


def folded(text: str, columns: int) -> str:
    """A text in lines of a width at most; in Japanese between any two characters where the rules of line breaking
    allow it."""
    if language() == "en":
        return textwrap.fill(text, columns)
    lines = [""]
    for piece in UNBROKEN.findall(text):
        if width(lines[-1] + piece) > columns and lines[-1]:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return "\n".join(line.rstrip() for line in lines)
