"""What a configuration may say: plain values and plain references, no code, no environment.

`Files` reads a user's files for Hydra, so that none of them reaches it unread by us; `admit` looks at what Hydra has
put together, words of the command line included. What is not on a list here is refused.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Collection, Iterator
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf

from sim.config.parameters import show
from sim.files.plain import DEEPEST, dotted, parsed, require_legible, require_plain, text_of, values_of
from sim.phrases import ConfigError, escaped, listed

if TYPE_CHECKING:
    from hydra._internal.config_repository import ConfigRepository
    from hydra._internal.hydra import Hydra

PLACES = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir")
"""Keys that name folders of results: the only ones that may ask for the time or for what Hydra knows of the command."""

RESOLVERS = ("now", "hydra")
"""What may stand before the colon in `${now:%Y}`, in PLACES alone."""

OF_HYDRA = ("hydra.runtime.", "hydra.overrides.", "hydra.job.override_dirname")
"""What Hydra itself writes down: the folders it stands in, the words it was given."""

BUILT = ("hydra.launcher._target_", "hydra.sweeper._target_")
"""Where Hydra builds something: the shipped ones, or those of an installed plugin of Hydra's. No file and no word of
the command line may name one."""

BUILDERS = ("hydra._internal.core_plugins.", "hydra_plugins.")

MOST_REFERENCES = 100
LONGEST_WITH_REFERENCES = 4000
"""Characters of a text that refers to others, which is parsed by a grammar."""

LARGEST = 1_000_000
"""Characters of all values together, references filled in."""

Path_ = tuple[str | int, ...]


class Files(FileConfigSource):
    """A folder of the user's, whose files are read by us and only then given to Hydra."""

    def load_config(self, config_path: str) -> ConfigResult:
        """A file as Hydra takes it. Raises ConfigError that names file and key."""
        file = Path(os.path.realpath(os.path.join(self.path, self._normalize_file_name(config_path))))
        try:
            text = text_of(file)
            node = parsed(text)
            if not isinstance(node, dict | None):
                raise ConfigError("{value} is not a group of keys", value=show(node))
            admit_file(node or {})
        except ConfigError as error:
            raise ConfigError("{place}: {problem}", place=file, problem=error) from None
        return _as_loaded(self, text, OmegaConf.create(node or {}))


class Packages(ImportlibResourcesConfigSource):
    """Files that ship: ours, Hydra's and its plugins'. A configuration names no others, since a package is code.

    Some twenty of them make up a configuration, and a process may compose hundreds: each text is parsed once in it.
    """

    def __init__(self, provider: str, path: str) -> None:
        if provider.startswith("hydra.searchpath"):
            raise ConfigError("hydra.searchpath: {value} is refused; folders alone", value=show(path))
        super().__init__(provider, path)

    def _read_config(self, res: Any) -> ConfigResult:
        """A file as Hydra takes it, by the quick reader, which takes a tenth of Hydra's time."""
        text = res.read_text(encoding="utf-8")
        return _as_loaded(self, text, pickle.loads(_pickled(text)))


@lru_cache(None)
def _pickled(text: str) -> bytes:
    """What a text that ships says; Hydra changes what it gets. OmegaConf unpickles ten times as fast as it creates."""
    return pickle.dumps(OmegaConf.create(parsed(text) or {}))


def _as_loaded(source: ConfigSource, text: str, config: DictConfig) -> ConfigResult:
    header = ConfigSource._get_header_dict(text[:512])
    place = f"{source.scheme()}://{source.path}"
    return ConfigResult(config=config, path=place, provider=source.provider, header=header)


def sources() -> SourcesRegistry:
    """Hydra's readers of files, ours in place of its own for folders and packages."""
    found = copy(SourcesRegistry.instance())
    found.types = {**found.types, Files.scheme(): Files, Packages.scheme(): Packages}
    return found


def admit_file(node: Any) -> None:
    """Raise ConfigError for what no file may say, wherever Hydra will put it."""
    for path, value in values_of(node):
        if path and path[-1] == "_target_":
            raise ConfigError("{key}: {value} is refused; a configuration names no code",
                              key=dotted(path), value=show(value))  # fmt: skip
        for reference in references(value, path):
            _known_resolver(reference)


def admit_words(words: list[str], hydra: Hydra) -> None:
    """Raise ConfigError for words of the command line that Hydra must not see."""
    require_readable(words)
    for one in OverridesParser.create(hydra.config_loader).parse_overrides(words):
        key, value = one.key_or_group, one.value()
        if key.rpartition(".")[2] == "_target_" and value is not None:
            raise ConfigError("{key}: {value} is refused; a configuration names no code", key=key, value=value)
        files = group_files(hydra, key)
        if files and not (one.is_delete() or one.is_sweep_override() or isinstance(value, dict)):
            _names(key, value if isinstance(value, list) else [value], files)


def group_files(hydra: Hydra, group: str) -> list[str]:
    """Names of a group's files, ours and the user's; none where there is no such group.

    Asked of the repository itself: `ConfigLoader.get_group_options` copies it first, once for every word.
    """
    repository: ConfigRepository = hydra.config_loader.repository  # type: ignore[attr-defined]
    return repository.get_group_options(group) if group else []


def _names(key: str, names: list[Any], files: list[str]) -> None:
    """Refuse a choice of files by anything but names."""
    for name in names:
        if not isinstance(name, str) or "${" in name:
            raise ConfigError("{key}={value}: is not the name of a file; {allowed}",
                              key=key, value=show(name), allowed=listed(files))  # fmt: skip


def require_readable(words: list[str]) -> None:
    """Raise ConfigError for a word that the grammar of overrides would be lost in, or that cannot be shown."""
    for word in words:
        key = word.partition("=")[0]
        if key not in PLACES:
            require_legible(word, escaped(key))
        depth = deepest = 0
        for mark in word:
            depth += (mark in "[{(") - (mark in ")}]")
            deepest = max(deepest, depth)
        if deepest > DEEPEST:
            raise ConfigError("{key}: is nested too deep; at most {most} levels", key=key, most=DEEPEST)


def as_path(word: str) -> str:
    """A word `hydra.run.dir=PATH` with the path in quotes, as the grammar wants it where it holds other signs."""
    key, _, path = word.partition("=")
    return word if key not in PLACES or path[:1] in ("'", '"') else f"{key}={quoted(path)}"


def quoted(text: str) -> str:
    """A text as a value in the grammar of overrides; what it refers to is filled in."""
    quotes: str = QuotedString(text, Quote.single).with_quotes()
    return quotes


def literal(text: str) -> str:
    """The same for a text that refers to nothing: a `${` in it is two signs like others."""
    return quoted(re.sub(r"(\\*)\$\{", r"\1\1\\${", text))


def admit(config: DictConfig, apart: Collection[str]) -> None:
    """Raise ConfigError for what a composed configuration may not say, Hydra's own part included.

    apart: its groups that are no part of the settings, to which no setting may refer.
    """
    node = OmegaConf.to_container(config, resolve=False)
    found: list[Reference] = []
    for path, value in values_of(node):
        key = dotted(path)
        if key.startswith(OF_HYDRA):
            continue
        _no_code(key, path, value)
        found += references(value, path)
    require_plain({name: below for name, below in node.items() if name != "hydra"} if isinstance(node, dict) else node)
    for reference in found:
        _in_its_place(reference, apart)
    if len(found) > MOST_REFERENCES:
        raise ConfigError("{key}: is one reference too many; at most {most}",
                          key=dotted(found[MOST_REFERENCES].at), most=MOST_REFERENCES)  # fmt: skip
    sizes = _Sizes(node)
    for reference in found:
        sizes.of(reference.at)
    if sum(sizes.of(one.at) for one in found) > LARGEST:
        raise ConfigError("{key}: is too long when references are filled in; at most {most:,} characters in all",
                          key=dotted(max(found, key=lambda one: sizes.of(one.at)).at), most=LARGEST)  # fmt: skip


def _no_code(key: str, path: Path_, value: Any) -> None:
    """Refuse keys that build objects or set the environment."""
    name = path[-1] if path else ""
    foreign = name == "_target_" and not (key in BUILT and str(value).startswith(BUILDERS))
    if foreign or name == "()" or (name == "class" and path[0] == "hydra"):
        raise ConfigError("{key}: {value} is refused; a configuration names no code", key=key, value=value)
    if key in ("hydra.job.env_set", "hydra.job.env_copy") and value:
        raise ConfigError("{key}: is refused; a configuration does not set the environment", key=key)


# -- references ----------------------------------------------------------------------------------------------------


class Reference(NamedTuple):
    """`${a.b}`, with no resolver, or `${now:%Y}`, at these keys."""

    at: Path_
    text: str
    resolver: str | None


def references(value: Any, at: Path_) -> Iterator[Reference]:
    """What a text refers to, by OmegaConf's own grammar. Raises ConfigError where it is not plain."""
    if not isinstance(value, str) or "${" not in value:
        return
    from omegaconf.errors import GrammarParseError
    from omegaconf.grammar_parser import parse

    key = dotted(at)
    if len(value) > LONGEST_WITH_REFERENCES or value.count("${") > DEEPEST:
        raise ConfigError("{key}: is too long for a text with references; at most {most} characters",
                          key=key, most=LONGEST_WITH_REFERENCES)  # fmt: skip
    try:
        tree = parse(value)
    except GrammarParseError:
        raise ConfigError("{key}: {value} is no reference; write ${{a.b}}, or \\${{ for the signs themselves",
                          key=key, value=show(value)) from None  # fmt: skip
    yield from _in_tree(tree, at)


def _in_tree(tree: Any, at: Path_) -> Iterator[Reference]:
    from omegaconf.grammar.gen.OmegaConfGrammarParser import OmegaConfGrammarParser as Grammar

    if isinstance(tree, Grammar.InterpolationContext):
        yield _reference(tree, at)
        return
    for child in getattr(tree, "children", None) or ():
        yield from _in_tree(child, at)


def _reference(tree: Any, at: Path_) -> Reference:
    """One reference, none of whose parts is a reference itself."""
    from omegaconf.grammar.gen.OmegaConfGrammarParser import OmegaConfGrammarParser as Grammar

    text = tree.getText()
    if "${" in text[2:]:
        raise ConfigError("{key}: {value} is refused; a reference holds no other", key=dotted(at), value=show(text))
    own = tree.getChild(0)
    resolver = own.getChild(1).getText() if isinstance(own, Grammar.InterpolationResolverContext) else None
    return Reference(at, text, resolver)


def _known_resolver(reference: Reference) -> None:
    if reference.resolver is not None and reference.resolver not in RESOLVERS:
        raise ConfigError(
            "{key}: {value} is refused; values are written out, not read from the environment or computed; "
            "${{a.b}} refers to another key",
            key=dotted(reference.at), value=show(reference.text),
        )


def _in_its_place(reference: Reference, apart: Collection[str]) -> None:
    """Refuse what is not plain but in a folder's name, and what would come into settings from beside them."""
    _known_resolver(reference)
    key = dotted(reference.at)
    if reference.resolver is not None and key not in PLACES:
        raise ConfigError("{key}: {value} is refused; only {places} may hold it",
                          key=key, value=show(reference.text), places=", ".join(PLACES))  # fmt: skip
    group, there = reference.at[0], (*target(reference), "")[0]
    if reference.resolver is None and there in apart and group not in ("hydra", there):
        raise ConfigError("{key}: {value} is refused; what {group} holds is no setting",
                          key=key, value=show(reference.text), group=there)  # fmt: skip


def target(reference: Reference) -> Path_:
    """The keys that a plain reference leads to."""
    from omegaconf._utils import split_key

    inner = reference.text[2:-1].strip()
    name = inner.lstrip(".")
    up = len(inner) - len(name)
    return ((*reference.at[:-up],) if up else ()) + tuple(split_key(name))


class _Sizes:
    """How many characters values take when their references are filled in, found without filling them in."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[Path_, int] = {}
        self._open: list[Path_] = []

    def of(self, at: Path_) -> int:
        """The size of the value at these keys. Raises ConfigError for a reference to nothing or to itself."""
        if at in self._open:
            raise ConfigError("{key}: refers to itself", key=dotted(at))
        if at not in self._known:
            self._open.append(at)
            self._known[at] = self._summed(at)
            self._open.pop()
        return self._known[at]

    def _summed(self, at: Path_) -> int:
        total = 0
        for path, value in values_of(self._value(at), at):
            total += len(value) if isinstance(value, str) else 1
            for one in references(value, path):
                total += 0 if one.resolver else self._referred(one)
        return total

    def _referred(self, reference: Reference) -> int:
        try:
            found = self._standing(target(reference))
        except (KeyError, IndexError, TypeError, ValueError):
            raise ConfigError("{key}: {value} refers to a key that is not there",
                              key=dotted(reference.at), value=show(reference.text)) from None  # fmt: skip
        return self.of(found)

    def _standing(self, at: Path_) -> Path_:
        """The same keys, those of lists as numbers. Raises KeyError and the like where there is no such value."""
        node, found = self._root, []
        for key in at:
            step = int(key) if isinstance(node, list) else key
            node = node[step]
            found.append(step)
        return tuple(found)

    def _value(self, at: Path_) -> Any:
        node = self._root
        for key in at:
            node = node[key]
        return node
