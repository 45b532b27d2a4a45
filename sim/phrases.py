"""What cxsim says: a message with named places, and the values that fill them.

`str()` of a phrase is the finished English line. Whoever shows it may have it translated first, as the standard
library's `gettext` translates a message: whole, its places still open.

    ConfigError("{key}: {value:g} is not allowed; {allowed}", key="customers", value=0, allowed=Phrase("above 0"))

Messages are written out where they are said, so that a translator's tools find them in the sources.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, Self


class Phrase:
    """A message and the values of its places, some of which may be phrases themselves.

    A message without values is said as it stands; with values it is formatted as `str.format` does.
    """

    message: str
    values: dict[str, object]

    def __init__(self, message: str, /, **values: object) -> None:
        self.message, self.values = message, values

    def __str__(self) -> str:
        return self.translated(str)

    def translated(self, gettext: Callable[[str], str]) -> str:
        """The finished line; `gettext` gives the translation of a message, this one's and those of its values."""
        message = gettext(self.message)
        if not self.values:
            return message
        return message.format(
            **{
                name: value.translated(gettext) if isinstance(value, Phrase) else value
                for name, value in self.values.items()
            }
        )

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"message": self.message, "values": {name: _plain(value) for name, value in self.values.items()}}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """The phrase that `plain` has written."""
        values = plain["values"].items()
        return cls(plain["message"], **{name: Phrase.of(v) if isinstance(v, dict) else v for name, v in values})


UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Characters that are none, or that a terminal or an editor obeys instead of showing them: all controls but line end
and tab, marks that turn the direction of writing, halves of characters."""


def escaped(text: str) -> str:
    """The text with every unprintable character written out, as \\x1b."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def _plain(value: object) -> Any:
    if isinstance(value, Phrase):
        return value.plain()
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else str(value)


class ConfigError(Phrase, ValueError):
    """What was asked for cannot be done. Its text is one line: key, value, what is allowed."""


KEYED, BELOW = "{key}: {problem}", "{key}: "
"""The message of an error that lies in a key, of the key and of what is wrong there; and how one begins that names a
key."""


def keyed(path: str, error: Phrase) -> ConfigError:
    """The error at a dotted path, with the keys that it names itself as the path's last parts."""
    if not error.message.startswith(BELOW):
        return ConfigError("{key}: {problem}", key=path, problem=error)
    key, problem = ".".join(filter(None, (path, str(error.values["key"])))), error.values.get("problem")
    if error.message == KEYED and isinstance(problem, Phrase):
        return keyed(key, problem)
    return ConfigError(error.message, **error.values | {"key": key})


def listed(names: Iterable[object]) -> Phrase:
    """The allowed names in words."""
    known = [str(name) for name in names]
    joined = ", ".join(known)
    return Phrase("one of {names}", names=joined) if len(known) > 1 else Phrase("only {name}", name=joined)


RENAMED = {"draws": "points", "fresh_draws": "fresh_points", "world": "both_arms", "drivers": "key_drivers"}
"""Keys that had another name once, each with its present one."""


def nearest(word: str, known: Iterable[str]) -> Phrase | str:
    """The hint `; did you mean X?` for a renamed or misspelt word; empty where none is near."""
    names = list(known)
    close = [RENAMED[word]] if RENAMED.get(word) in names else difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    close.sort(key=lambda name: not name.startswith(word))  # of near ones, one that was begun
    return Phrase("; did you mean {name}?", name=close[0]) if close else ""


def enumerated(parts: Iterable[Phrase]) -> Phrase | str:
    """Parts in a row, as a translation puts them; empty of none."""
    row: Phrase | str = ""
    for part in parts:
        row = Phrase("{before}, {after}", before=row, after=part) if row else part
    return row
