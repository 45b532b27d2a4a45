"""Bytes as text: UTF-8 and UTF-16 by their own marks; else charset-normalizer judges the lines that are not ASCII.

Whole files it judges less well: a hundred lines of ASCII outweigh the one that tells.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from charset_normalizer import from_bytes

from sim.files.reading.cells import MUCH, ReadError
from sim.phrases import Phrase

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
OTHERS = ("cp932", "euc_jp", "cp1252")
ENOUGH = 300
"""Telling lines that are judged."""
PLAIN = "utf-8"


def text_of(path: Path, raw: bytes, wanted: Sequence[str] = ()) -> tuple[bytes, list[Phrase]]:
    """The text in UTF-8, and the encoding where it is another. Raises ReadError where it is none.

    wanted: words that the text must hold, names of columns.
    """
    name = _marked(raw) or (PLAIN if _decodes(raw, PLAIN) else None)
    if name is None and (torn := _torn(raw)) is not None:
        line = Phrase("{count} characters are not UTF-8, unlike the others", count=torn)
        return raw.decode(PLAIN, errors="replace").encode(), [line]
    name = name or _judged(raw, wanted)
    if name is None:
        raise ReadError(
            "{path} is text in no encoding that is known: not UTF-8, UTF-16, cp932 (Shift-JIS), EUC-JP or cp1252; "
            "save it as CSV (UTF-8)",
            path=path,
        )
    text = raw if name == PLAIN else raw.decode(name, errors="replace").encode()
    if b"\x00" in text:
        raise ReadError("{path} is not a table: it holds binary data; save it as CSV (UTF-8)", path=path)
    told = [] if name in (PLAIN, "utf-8-sig") else [Phrase("encoding {name}", name=name)]
    return text.lstrip(codecs.BOM_UTF8), told


def _marked(raw: bytes) -> str | None:
    """The encoding that a mark at the start states, or UTF-16 without one: every second byte of ASCII is null."""
    for mark, name in MARKS:
        if raw.startswith(mark):
            return name if _decodes(raw, name) else None
    head = raw[:1000]
    for name, nulls, others in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if len(head) > 3 and nulls.count(0) > 0.4 * len(nulls) and others.count(0) == 0 and _decodes(raw, name):
            return name
    return None


def _decodes(raw: bytes, name: str) -> bool:
    try:
        raw.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def _torn(raw: bytes) -> int | None:
    """How many characters are not UTF-8 in a text that is it otherwise; None of another text."""
    text = raw.decode(PLAIN, errors="replace")
    torn = text.count("\ufffd")
    others = len(text) - torn - sum(len(part) for part in re.findall("[\\x00-\\x7f]+", text))
    return torn if torn <= MUCH * others else None


def _judged(raw: bytes, wanted: Sequence[str]) -> str | None:
    telling = b"\n".join(islice((line for line in raw.splitlines() if not line.isascii()), ENOUGH))
    possible = [name for name in OTHERS if _decodes(raw, name)]
    holding = [name for name in possible if all(_holds(raw, word, name) for word in wanted)]
    if holding and not all(word.isascii() for word in wanted):
        possible = holding
    if len(possible) < 2:
        return possible[0] if possible else None
    best = from_bytes(telling, cp_isolation=possible, language_threshold=0.0).best()
    return best.encoding if best is not None else possible[0]


def _holds(raw: bytes, word: str, name: str) -> bool:
    try:
        return word.encode(name) in raw
    except UnicodeEncodeError:
        return False
