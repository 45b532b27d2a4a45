"""The language in which an answer is told: one catalogue, `locale/ja.po`, over the English of the sources.

Two ways lead through it. Every text that a person reads of `analysis` and of the command line goes through `_`, whole
sentences with named places, so that a translation can order them as its own grammar wants:

    _("{name} raises LTV by {size} yen.").format(name=name, size=size)

`sim` knows no language and says finished English lines: errors, progress. `retold` tells such a line again at the
border, where it is shown. The catalogue knows those lines by their pattern, entries of context "message". Lines are
made of clauses, joined by colons and semicolons, so patterns are short and few:

    msgctxt "message"
    msgid "{problem}; {detail}"

    msgctxt "message"
    msgid "{value} is not a number"

A text that has no translation stays English as a whole, never by half; a test holds that none of ours is without.
The tables of a run folder are a contract and stay English: only what is told of them changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from string import Formatter

LANGUAGES = ("en", "ja")
MESSAGE = "message"
"""Context of the catalogue's entries that are patterns of whole lines said in English."""

TOLD_PLACES = frozenset({"problem", "detail"})
"""Places of such a pattern that hold a line of their own: it must be told too, or the pattern does not hold."""

FOREIGN_PLACE = "foreign"
"""A place for text from elsewhere (a parser, the system), which is repeated untranslated."""

COUNT_PLACE = "count"
"""A place for a figure."""

EXTRA = ("babel", "matplotlib_fontja")
"""What the extra `ja` installs: the reader of the catalogue, and a font."""

_current: ContextVar[str] = ContextVar("language", default="en")


class LanguageError(ValueError):
    """A language that cannot be told; the message is one line for the person at the keyboard."""


def use(language: str) -> None:
    """Tell what follows in this language. Raises LanguageError where there is no catalogue or no extra `ja`."""
    if language not in LANGUAGES:
        raise LanguageError(f"language: '{language}' is not allowed; one of {', '.join(LANGUAGES)}")
    if language != "en" and not all(map(find_spec, EXTRA)):
        raise LanguageError(
            f"language={language} needs the extra {language}, which is not installed; "
            f"python -m pip install -c constraints.txt -e '.[{language}]'"
        )
    _current.set(language)


@contextmanager
def told_in(language: str) -> Iterator[None]:
    """Tell what is told inside in this language, and what follows as before. Raises LanguageError."""
    before = _current.get()
    use(language)
    try:
        yield
    finally:
        _current.set(before)


def language() -> str:
    """The language in use."""
    return _current.get()


def _(text: str) -> str:
    """The text in the language in use; itself in English and where the catalogue has none."""
    return text if language() == "en" else catalogue(language()).texts.get(text, text)


def N_(text: str) -> str:
    """The text as it is, marked for the catalogue: for tables of texts that go through `_` when they are shown."""
    return text


def retold(line: str) -> str:
    """A finished English line in the language in use; as it is where no pattern of the catalogue holds."""
    return line if language() == "en" else catalogue(language()).told(line) or line


@dataclass(frozen=True)
class Pattern:
    """A line with named places, as a regular expression, and its translation."""

    line: re.Pattern[str]
    told: str


@dataclass(frozen=True)
class Catalogue:
    """Translations: of texts, by the text, and of lines, by patterns, the most specific first."""

    texts: Mapping[str, str]
    patterns: tuple[Pattern, ...]

    def told(self, line: str) -> str | None:
        """The line translated, with what stands in its places; None where no pattern holds."""
        for pattern in self.patterns:
            found = pattern.line.fullmatch(line)
            places = self._places(found.groupdict()) if found else None
            if places is not None:
                return pattern.told.format(**places)
        return None

    def _places(self, found: Mapping[str, str]) -> dict[str, str] | None:
        told = {name: self.told(text) if name in TOLD_PLACES else text for name, text in found.items()}
        kept = {name: text for name, text in told.items() if text is not None}
        return kept if len(kept) == len(told) else None


@lru_cache
def catalogue(language: str) -> Catalogue:
    """The catalogue of a language other than English."""
    # Heavy, and of the extra.
    from babel.messages.pofile import read_po

    with files("analysis").joinpath("locale", f"{language}.po").open("rb") as file:
        entries = [(entry.context, str(entry.id), str(entry.string)) for entry in read_po(file) if entry.id]
    texts = {text: told for context, text, told in entries if context is None}
    lines = sorted((text for context, text, _told in entries if context == MESSAGE), key=_specific, reverse=True)
    told_of = {text: told for context, text, told in entries if context == MESSAGE}
    return Catalogue(texts, tuple(Pattern(_expression(line), told_of[line]) for line in lines))


def _specific(line: str) -> tuple[int, bool]:
    """How specific a pattern is: how much of it is said literally, then whether a clause of it must be told."""
    parts = list(Formatter().parse(line))
    return sum(len(text) for text, *_place in parts), any(place in TOLD_PLACES for _text, place, *_format in parts)


def _expression(line: str) -> re.Pattern[str]:
    """A pattern as a regular expression: a place holds the same wherever its name stands again."""
    parts, seen = [], set()
    for text, place, *_format in Formatter().parse(line):
        parts.append(re.escape(text))
        if place:
            parts.append(f"(?P={place})" if place in seen else f"(?P<{place}>{_held(place)})")
            seen.add(place)
    return re.compile("".join(parts), re.DOTALL)


def _held(place: str) -> str:
    """What a place may hold: anything, but a key, value, name or path reaches into no other clause."""
    if place == COUNT_PLACE:
        return r"[\d,.]+"
    return ".+?" if place in TOLD_PLACES or place == FOREIGN_PLACE else "(?:(?!: |; ).)+?"
