"""The language in which an answer is told: one catalogue, `locale/ja.po`, over the English of the sources.

Every text that a person reads goes through `_`, the standard library's `gettext` of the language in use: whole
sentences with named places, so that a translation can order them as its own grammar wants:

    _("{name} raises LTV by {size} yen.").format(name=name, size=size)

`sim` knows no language: its errors and progress are phrases, messages with their values (`sim.phrases`), and become a
line at the border, where they are shown: `translated(error)`.

A text that has no translation stays English; a test holds that none of ours is without. The tables of a run folder are
a contract and stay English: only what is told of them changes.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from gettext import GNUTranslations
from importlib import metadata
from importlib.resources import files
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from sim.phrases import ConfigError, Phrase, listed

LANGUAGES = ("en", "ja")
EXTRA = ("babel", "matplotlib_fontja")
"""What the extra `ja` installs: the reader of the catalogue, and a font."""

_current: ContextVar[str] = ContextVar("language", default="en")


class LanguageError(ConfigError):
    """A language that cannot be told; the message is one line for the person at the keyboard."""


def use(language: str) -> None:
    """Tell what follows in this language. Raises LanguageError where there is no catalogue or no extra `ja`."""
    if language not in LANGUAGES:
        raise LanguageError(
            "language: {language!r} is not allowed; {allowed}", language=language, allowed=listed(LANGUAGES)
        )
    if language != "en" and not all(map(find_spec, EXTRA)):
        raise LanguageError(
            "language={language} needs the extra {language}, which is not installed; {command}",
            language=language, command=installing(language),
        )
    _current.set(language)


def installing(extra: str) -> str:
    """The command that installs an extra: from the checkout, or by its packages where there is none.

    It is for the Python that runs, as it is typed in the current folder, with an environment activated or not.
    """
    checkout = Path(__file__).resolve().parents[2]
    words = [_from_here(Path(sys.executable)), "-m", "pip", "install"]
    if (checkout / "pyproject.toml").is_file():
        words += ["-c", _from_here(checkout / "constraints.txt"), "-e", f"{_from_here(checkout)}[{extra}]"]
    else:
        stated = (one for one in metadata.requires("cxsim") or () if re.search(rf"extra == .{extra}\b", one))
        words += [one.partition(";")[0].strip() for one in stated]
    return shlex.join(words)


def _from_here(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


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
    # gettext keeps the catalogue's header under the empty text.
    return catalogue(language()).gettext(text) if text and language() != "en" else text


def N_(text: str) -> str:
    """The text as it is, marked for the catalogue: for tables of texts that go through `_` when they are shown."""
    return text


def translated(said: Phrase | str) -> str:
    """What `sim` or the command line says, in the language in use; a finished line as it is."""
    return said.translated(_) if isinstance(said, Phrase) else said


@lru_cache
def catalogue(language: str) -> GNUTranslations:
    """The catalogue of a language other than English."""
    # Heavy, and of the extra.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with files("analysis").joinpath("locale", f"{language}.po").open("rb") as file:
        entries = read_po(file)
    compiled = BytesIO()
    write_mo(compiled, entries)
    compiled.seek(0)
    return GNUTranslations(compiled)
