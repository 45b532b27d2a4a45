"""Reads YAML that others have written: bounded before it is parsed, and plain.

Every file of a configuration goes through here, whoever asks for it: scenarios and companies, evidence, regression
files, the configuration of a run folder. What is admitted are maps with keys of text, lists, and plain values. An alias
could make a file of a hundred bytes fill the memory; a tag could name something else than a value.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.resolver import Resolver

from sim.phrases import UNPRINTABLE, ConfigError, Phrase, escaped

MOST_BYTES = 1_000_000
MOST_VALUES = 50_000
"""Keys and values of a file, lists and maps counted as one each: some ten times the largest that cxsim writes."""

DEEPEST = 40
"""Maps and lists within one another; configurations use about ten."""

LONGEST_NUMBER = 400
"""Characters of a number."""

LONGEST_KEY = 200
"""Characters of a dotted key that a message shows."""

LEGIBLE = Phrase("letters, marks, line ends and tabs can")


def read_yaml(path: Path) -> Any:
    """What a file says, as dictionaries, lists and plain values; dates stay text. Raises ConfigError, OSError."""
    try:
        return parsed(text_of(path))
    except ConfigError as error:
        raise ConfigError("{path}: {problem}", path=path, problem=error) from None


def text_of(path: Path) -> str:
    """A file's text, no more than is allowed of it, without a byte order mark. Raises ConfigError, OSError."""
    with path.open("rb") as file:
        return _decoded(file.read(MOST_BYTES + 1))


def plain_of(content: bytes) -> Any:
    """What the bytes of a file say, as `read_yaml` has it. Raises ConfigError."""
    return parsed(_decoded(content))


def _decoded(content: bytes) -> str:
    if len(content) > MOST_BYTES:
        raise ConfigError("is larger than a configuration may be; at most {most:,} bytes", most=MOST_BYTES)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8: {problem}", problem=str(error)) from None


def parsed(text: str) -> Any:
    """What a text of YAML says. Raises ConfigError that names the key."""
    try:
        found = _data(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError("is no YAML: line {line}: {problem}", line=line, problem=error.problem) from None
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character)
        raise ConfigError("holds the character U+{code:04X}, which cannot be shown; {allowed}",
                          code=code, allowed=LEGIBLE) from None  # fmt: skip
    require_plain(found)
    return found


def _data(text: str) -> Any:
    """What the quick loader reads; where it cannot, the other says why, in better words."""
    try:
        return _QuickLoader(text).get_single_data()
    except yaml.YAMLError:
        return _Loader(text).get_single_data()


def require_plain(node: Any) -> None:
    """Raise ConfigError for a key that is no text, and for a text that cannot be shown."""
    for path, value in values_of(node):
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise ConfigError(
                        "{key}: the key {value} is no text; a word or a text in quotes is one",
                        key=dotted(path), value=key,
                    )
                require_legible(key, dotted((*path, key)))
        elif isinstance(value, str):
            require_legible(value, dotted(path))


def require_legible(text: str, key: str) -> None:
    """Raise ConfigError for a text with a character that is none or is obeyed instead of shown."""
    found = UNPRINTABLE.search(text)
    if found:
        raise ConfigError(
            "{key}: holds the character U+{code:04X}, which cannot be shown; {allowed}",
            key=escaped(key), code=ord(found[0]), allowed=LEGIBLE,
        )


def values_of(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value with the keys that lead to it, maps and lists before what they hold."""
    yield path, node
    if isinstance(node, dict):
        for key, below in node.items():
            yield from values_of(below, (*path, key))
    elif isinstance(node, list):
        for number, below in enumerate(node):
            yield from values_of(below, (*path, number))


def dotted(path: tuple[Any, ...]) -> str:
    """Keys as a message names them."""
    return ".".join(map(str, path))


class _Admitting(Composer, SafeConstructor, Resolver):
    """YAML as a configuration may be written: no aliases, no tags, no key twice, within bounds.

    Dates stay text, and 1e3 is a number, as everywhere in a configuration.
    """

    def _begin(self) -> None:
        self._path: list[str] = []
        self._values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next value, if it is admitted."""
        self._path.append(_step(index))
        event: Any = self.peek_event()  # type: ignore[attr-defined]
        self._values += 1
        if isinstance(event, yaml.AliasEvent):
            raise self._refused(Phrase("*{name} is refused; write the value out", name=event.anchor))
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise self._refused(Phrase("the tag {tag} is refused; write a plain value", tag=tag))
        if len(self._path) > DEEPEST:
            raise self._refused(Phrase("is nested too deep; at most {most} levels", most=DEEPEST))
        if self._values > MOST_VALUES:
            raise self._refused(Phrase("is one value too many; at most {most:,} in a file", most=MOST_VALUES))
        node: yaml.Node | None = super().compose_node(parent, index)
        if isinstance(parent, yaml.MappingNode) and index is None:
            self._require_key(node)
        elif isinstance(node, yaml.ScalarNode) and node.tag != _TEXT:
            self._require_value(node)
        self._path.pop()
        return node

    def _require_key(self, node: yaml.Node | None) -> None:
        """Refuse a key that is a list, a map, a number, null or a switch."""
        if not (isinstance(node, yaml.ScalarNode) and node.tag == _TEXT):
            value = node.value if isinstance(node, yaml.ScalarNode) else "?"
            raise self._refused(Phrase("the key {value} is no text; a word or a text in quotes is one", value=value))

    def _require_value(self, node: yaml.ScalarNode) -> None:
        """Refuse what looks like a number and is none, here where the key is known."""
        if len(node.value) > LONGEST_NUMBER:
            raise self._refused(Phrase("is a number of too many digits; at most {most}", most=LONGEST_NUMBER))
        try:
            self.construct_object(node)
        except ValueError:
            raise self._refused(Phrase("{value} is no number", value=node.value)) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A map, none of whose keys stands twice."""
        seen: set[str] = set()
        for key, _value in node.value:
            if key.value in seen:
                raise ConfigError("{key}: stands twice, the second time in line {line}; once each",
                                  key=key.value, line=key.start_mark.line + 1)  # fmt: skip
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def _refused(self, problem: Phrase) -> ConfigError:
        """The error at the value being read, its key cut where it is long."""
        key = dotted(tuple(filter(None, self._path)))
        if not key:
            return ConfigError(problem.message, **problem.values)
        key = key if len(key) <= LONGEST_KEY else f"{key[:LONGEST_KEY]}..."
        return ConfigError("{key}: {problem}", key=key, problem=problem)


class _Loader(_Admitting, yaml.SafeLoader):
    """With the scanner that is written in Python."""

    def __init__(self, text: str) -> None:
        self._begin()
        yaml.SafeLoader.__init__(self, text)


class _QuickLoader(_Admitting):
    """With libyaml's scanner, at a quarter of the time."""

    def __init__(self, text: str) -> None:
        self._begin()
        events = CParser(text)
        self.check_event, self.peek_event, self.get_event = events.check_event, events.peek_event, events.get_event
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)


def _step(index: Any) -> str:
    """The part of a path that leads to a node: the key before it, or its number in a list."""
    if isinstance(index, yaml.ScalarNode):
        return str(index.value)
    return str(index) if isinstance(index, int) else ""


_FLOAT = re.compile(
    r"""^(?:[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)
    |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
"""Numbers as OmegaConf reads them, so that a value means the same wherever it stands."""

_TEXT, _NUMBER = "tag:yaml.org,2002:str", "tag:yaml.org,2002:float"
_OTHERS = ("timestamp", "merge", "value")
"""What YAML makes of 2027-01-31, << and =, which here are texts."""

_Admitting.yaml_implicit_resolvers = {
    first: [one for one in known if one[0] != _NUMBER and not one[0].endswith(_OTHERS)]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Admitting.add_implicit_resolver(_NUMBER, _FLOAT, list("-+0123456789."))
