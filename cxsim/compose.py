"""From words on the command line to checked settings, by Hydra."""

from __future__ import annotations

import itertools
import math
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from importlib import resources
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.phrases import ConfigError, Phrase, listed, nearest

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

    from sim.config.settings import Settings


CONFIG_NAME = "config"
NOT_SETTINGS = ("hydra", "sweep", "premortem", "key_drivers", "gate", "optimise", "explore")
"""Groups of a composed configuration that are not part of `Settings`."""

GROUPS = ("company", "personas", "market", "calendar", "behaviour", "scenario", *NOT_SETTINGS[1:])
"""Groups from which a file is chosen."""

OURS = ("cxsim", "sim", "scenarios", "analysis", "agents", "hydra_plugins")
THEIRS = ("hydra", "omegaconf", "antlr4", "yaml")
"""Packages in which an error may be raised while a configuration is composed."""

_COMPOSING = threading.RLock()
"""Held by the thread that composes, since Hydra keeps its state in globals of the process."""

_IN_PLACE: list[_Globals] = []
"""The globals of the thread that composes."""


class Asked(NamedTuple):
    """Settings to run and the folder for them; if not `exact`, a free name like the folder's is taken."""

    settings: Settings
    folder: Path
    exact: bool


def asked(overrides: list[str], config_dir: str | Path | None = None, name: str = CONFIG_NAME) -> Asked:
    """The settings and the folder that overrides ask for. Raises ConfigError."""
    with composer(config_dir) as hydra:
        from hydra.core.hydra_config import HydraConfig

        config = compose(hydra, overrides, name)
        if config.get("sweep") is not None:
            raise ConfigError(
                "sweep={sweep}: many runs need -m: cxsim run -m ...", sweep=config.hydra.runtime.choices.sweep
            )
        HydraConfig.instance().set_config(config)
        with hydras_errors_in_words():
            folder = Path(config.hydra.run.dir)
        return Asked(settings_of(config, config.hydra), folder, given_by_hand(overrides, "hydra.run.dir"))


@contextmanager
def composer(config_dir: str | Path | None) -> Iterator[Hydra]:
    """Hydra over conf/ and the user's own folder, one thread at a time. Raises ConfigError for a folder that is none.

    A Hydra that the caller has initialised, and the resolvers that the caller has registered, are as before afterwards.
    """
    with _COMPOSING, _ours_in_place(_Globals()):
        from hydra import version as hydra_version
        from hydra._internal.hydra import Hydra
        from hydra._internal.utils import create_config_search_path
        from hydra.core.config_search_path import SearchPathQuery

        hydra_version.setbase("1.3")
        path = create_config_search_path("pkg://conf")
        if config_dir is not None:
            check_own_folder(Path(config_dir))
            own = f"file://{Path(config_dir).resolve()}"
            path.prepend(provider="command-line", path=own, anchor=SearchPathQuery(provider="schema"))
        yield Hydra.create_main_hydra2("cxsim", path)


@contextmanager
def nothing_composed() -> Iterator[None]:
    """Inside a `composer`, for the time of running jobs: put the caller's globals back and let others compose."""
    ours = _IN_PLACE[-1]
    ours.put_away()
    _COMPOSING.release()
    try:
        yield
    finally:
        _COMPOSING.acquire()
        ours.put_in_place()


@contextmanager
def _ours_in_place(ours: _Globals) -> Iterator[None]:
    ours.put_in_place()
    try:
        yield
    finally:
        ours.put_away()


class _Globals:
    """Hydra's singletons, those that hold its state new, its readers of files ours; and no resolvers of OmegaConf's but
    what Hydra adds."""

    def __init__(self) -> None:
        from hydra._internal.sources_registry import SourcesRegistry
        from hydra.core.global_hydra import GlobalHydra
        from hydra.core.hydra_config import HydraConfig
        from hydra.core.plugins import Plugins
        from hydra.core.singleton import Singleton
        from hydra.core.utils import JobRuntime
        from hydra.version import VersionBase

        from cxsim.admitted import sources

        Plugins.instance()  # found once in a process
        at_it = (GlobalHydra, HydraConfig, JobRuntime, VersionBase)
        lasting = {kind: single for kind, single in Singleton._instances.items() if kind not in at_it}
        self._not_in_place: Any = lasting | {SourcesRegistry: sources()}, {}

    def put_in_place(self) -> None:
        self._exchange()
        _IN_PLACE.append(self)

    def put_away(self) -> None:
        _IN_PLACE.remove(self)
        self._exchange()

    def _exchange(self) -> None:
        from hydra.core.singleton import Singleton
        from omegaconf.basecontainer import BaseContainer

        before = Singleton._instances, BaseContainer._resolvers
        Singleton._instances, BaseContainer._resolvers = self._not_in_place
        self._not_in_place = before


def check_own_folder(folder: Path) -> None:
    """A user's folder must be one, and no file in it may be hidden by a shipped one of the same name."""

    if not folder.is_dir():
        raise ConfigError("--config-dir {folder}: is not a folder", folder=folder)
    shipped = resources.files("conf")
    for group in GROUPS:
        for file in sorted((folder / group).glob("*.yaml")):
            if (shipped / group / file.name).is_file():
                raise ConfigError(
                    "{file}: cxsim ships a {group} of that name, which wins; give yours another name",
                    file=file, group=group,
                )


@contextmanager
def errors_of(place: object) -> Iterator[None]:
    """Put the file or the name that it is about before what is wrong."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError("{place}: {problem}", place=place, problem=error) from None


@contextmanager
def hydras_errors_in_words(hydra: Hydra | None = None, words: Sequence[str] = ()) -> Iterator[None]:
    """Turn whatever Hydra raises while composing these words into a ConfigError of one line."""

    try:
        yield
    except (ConfigError, OSError) as error:
        if type(error).__name__ != "MissingConfigException":
            raise
        raise _missing_file(error, hydra, words) from None
    except RecursionError:
        raise ConfigError("the configuration is nested too deep") from None
    except Exception as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1" or not _theirs(error):
            raise
        raise _in_words(error, hydra, words) from None


def _theirs(error: Exception) -> bool:
    """Whether Hydra, or what it reads with, has raised it: then about what was asked for, else by a fault of ours."""
    packages = [frame.f_globals.get("__name__", "").partition(".")[0] for frame, _ in walk_tb(error.__traceback__)]
    return next((name in THEIRS for name in reversed(packages) if name in (*OURS, *THEIRS)), False)


def _missing_file(error: Any, hydra: Hydra | None, words: Sequence[str]) -> ConfigError:
    """A file of conf/ that does not exist: the names there are, the nearest last."""
    # Of a file named within a list Hydra tells only in its text.
    told = re.search(r"Could not load '([^']+)'", str(error))
    file = error.missing_cfg_file or (told.group(1) if told else "")
    group, _, name = str(file).rpartition("/")
    options = error.options or (hydra.config_loader.get_group_options(group) if hydra and group else [])
    if not options:
        return ConfigError("{path}: there is no such file", path=file) if file else _unfit(words, hydra)
    return ConfigError(
        "{group}={name}: no such {group}; {allowed}{hint}",
        group=group, name=name, allowed=listed(options), hint=nearest(name, options),
    )


def _in_words(error: Exception, hydra: Hydra | None, words: Sequence[str]) -> ConfigError:
    import yaml
    from hydra.errors import OverrideParseException

    if isinstance(error, yaml.YAMLError):
        return ConfigError("a configuration file is no YAML: {problem}", problem=str(error))
    if isinstance(error, UnicodeDecodeError):
        return ConfigError("a configuration file is not UTF-8: {problem}", problem=str(error))
    if isinstance(error, OverrideParseException):
        return ConfigError(
            "{key}: not of the form key=value; what holds other signs than letters, digits and -_./ stands in quotes: "
            "key='a, b'",
            key=error.override,
        )
    message = str(error)
    missed = re.match(r"Could not override '([^']+)'", message)
    if missed:
        return _unknown_key(missed.group(1), hydra, error)
    twice = re.match(r"(\S+) appears more than once in the final defaults list", message)
    if twice:
        return ConfigError("{key}: is named twice; once each", key=twice.group(1).replace("/", "="))
    if message.startswith("Ambiguous value for argument"):
        return ConfigError(
            "{key}: several values; as a list key=[a,b], as a sweep with -m", key=message.split(chr(39))[1]
        )
    unfit = re.match(r"Error merging override (.*)", message)
    if unfit:
        return ConfigError("{word}: is no value that this key can have", word=unfit.group(1))
    swept = re.match(r"Sweeping over Hydra's configuration is not supported : '(.*)'", message)
    if swept:
        return ConfigError(
            "{key}: cannot be swept; give Hydra's own keys once, on the command line", key=swept.group(1)
        )
    unknown = re.match(r"Error resolving interpolation '([^']*)'", message)
    if unknown:
        return ConfigError("{value} is refused where files are chosen; a name", value=unknown.group(1))
    return _unfit(words, hydra)


def _unfit(words: Sequence[str], hydra: Hydra | None) -> ConfigError:
    """Of words that Hydra cannot put together, for a reason that only it knows: those that fail by themselves."""
    failing = [one for one in words if len(words) == 1 or (hydra is not None and not _fits(one, hydra))]
    return ConfigError(
        "{words}: does not fit into the configuration, by its key, its value or, where it chooses a file, what stands "
        "there",
        words=" ".join(failing or words),
    )


def _fits(word: str, hydra: Hydra) -> bool:
    from hydra.types import RunMode

    try:
        hydra.compose_config(CONFIG_NAME, emptying([word]), RunMode.RUN, with_log_configuration=False)
    except Exception:
        return False
    return True


def _unknown_key(key: str, hydra: Hydra | None, error: Exception) -> ConfigError:
    """A key that conf/ does not have, with the nearest that it has."""
    from sim.config.parameters import PARTS
    from sim.config.sections import gone

    former = gone(key)
    if former is not None:
        return ConfigError("{key}: {problem}", key=key, problem=former[1])
    known = _known_keys(hydra) if hydra is not None else []
    parent, _, last = key.rpartition(".")
    if key in known and "is not in struct" in str(error.__cause__ or error):
        return ConfigError(
            "{key}: is a key of the default {group}, not of the one that is chosen; where a sweep has several, its "
            "file's points may set it for those that have it",
            key=key, group=key.partition(".")[0],
        )  # fmt: skip
    if key in known:
        return ConfigError("{word}: is no value that this key can have", word=key)
    if last in PARTS and parent in known:
        return ConfigError("{key}: is not there yet; write {parent}={{{part}: ...}}", key=key, parent=parent, part=last)
    return ConfigError("{key}: no such key{hint}", key=key, hint=_hint(key, known))


def _hint(key: str, known: list[str]) -> Phrase | str:
    """The key most likely meant: misspelt in its last part, written without its group, or misspelt above."""
    parent, _, last = key.rpartition(".")
    prefix = f"{parent}." if parent else ""
    siblings = [name[len(prefix) :] for name in known if name.startswith(prefix)]
    siblings = [name for name in siblings if "." not in name]
    elsewhere = [name for name in known if name.rpartition(".")[2] == last]
    near = nearest(last, siblings)
    if isinstance(near, Phrase):
        return Phrase(near.message, name=f"{prefix}{near.values['name']}")
    if elsewhere:
        return Phrase("; did you mean {name}?", name=elsewhere[0])
    if prefix and siblings:
        return Phrase("; {allowed}", allowed=listed(siblings))
    return nearest(key, known) or Phrase("; see cxsim run --help")


def _known_keys(hydra: Hydra) -> list[str]:
    """Dotted keys of the configuration without any override."""
    from hydra.types import RunMode

    found: list[str] = []

    def walk(node: Any, path: str) -> None:
        for name, below in node.items() if isinstance(node, Mapping) else ():
            here = f"{path}.{name}" if path else str(name)
            found.append(here)
            walk(below, here)

    try:
        config = hydra.compose_config(CONFIG_NAME, [], RunMode.RUN, with_log_configuration=False)
    except Exception:  # a hint is not worth an error of its own
        return []
    walk(_of_settings(config), "")
    return found


def plain(config: Any) -> Any:
    """What a part of a configuration says, its references filled in."""
    from omegaconf import OmegaConf

    if not OmegaConf.is_config(config):
        return config
    return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


def _of_settings(config: DictConfig) -> dict[str, Any]:
    """The groups and keys of a composed configuration that are part of `Settings`."""
    return {str(name): plain(config[name]) for name in config if name not in NOT_SETTINGS}


def compose(
    hydra: Hydra, overrides: list[str], name: str = CONFIG_NAME, multirun: bool = False
) -> DictConfig:
    """Compose the whole configuration, Hydra's own part included. Raises ConfigError if it could run code."""
    from hydra.types import RunMode

    from cxsim.admitted import admit, admit_words, as_path

    mode = RunMode.MULTIRUN if multirun else RunMode.RUN
    with hydras_errors_in_words(hydra, overrides):
        words = [as_path(one) for one in overrides]
        admit_words(words, hydra)
        config = hydra.compose_config(name, emptying(words), mode, with_log_configuration=False)
        task = as_given(config.hydra.overrides.task)
        config.hydra.overrides.task = [one for one in overrides if one in task or emptied(one)]
    admit(config, NOT_SETTINGS)
    return config


def as_given(words: Any) -> list[str]:
    """Words of the command line that Hydra has written down, what they refer to not filled in."""
    from omegaconf import OmegaConf

    return [str(word) for word in OmegaConf.to_container(words, resolve=False) or ()]


def emptied(override: str) -> str:
    """The key, none of Hydra's, that an override `key={}` empties; else nothing."""
    found = re.fullmatch(r"\+{0,2}(?!hydra\.)([\w.\-]+)=\s*\{\s*\}\s*", override)
    return found[1] if found else ""


def emptying(overrides: Sequence[str]) -> list[str]:
    """The overrides with `key={}` written such that the map is empty afterwards: Hydra would merge it, for nothing.

    Raises ConfigError where the key is a group, which a file fills.
    """
    found: list[str] = []
    for one in overrides:
        key = emptied(one)
        if key in GROUPS:
            raise ConfigError("{key}={{}}: a group cannot be empty; {key}=NAME chooses one of its files", key=key)
        # put there where it is missing or null, so that it can be taken away
        found += [f"++{key}={{}}", f"~{key}", f"++{key}={{}}"] if key else [one]
    return found


def settings_of(job: DictConfig, own: Any, scenarios: Mapping[str, Any] | None = None) -> Settings:
    """Checked settings of a composed configuration; keys given by hand win over what a scenario changes.

    `own` is Hydra's part, which knows what was chosen and given by hand. `scenarios`, as a file states them, take the
    place of those that were chosen.
    """
    from scenarios.intervention import completed
    from sim.config.settings import load_settings

    with hydras_errors_in_words():
        given = given_overrides(as_given(own.overrides.task))
        raw = _of_settings(job)
    chosen = [value for key, value in given if key == "scenario" and not isinstance(value, dict)]
    _check_headers(chosen, raw.get("scenario"))
    return load_settings(completed(raw if not scenarios else {**raw, "scenario": scenarios}), _by_hand(given))


def given_overrides(overrides: list[str]) -> list[tuple[str, Any]]:
    """Key and value of each override."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(overrides)
    return [(override.key_or_group, override.value()) for override in parsed]


def _check_headers(chosen: list[Any], composed: Any) -> None:
    """Each scenario file must stand under its own name: `# @package scenario.NAME`."""

    names = [name for value in chosen for name in (value if isinstance(value, list) else [value])]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError("scenario={name}: is named twice; once each", name=name)
        if isinstance(composed, Mapping) and name not in composed:
            raise ConfigError(
                "scenario={name}: the first line of {name}.yaml must be `# @package scenario.{name}`",
                name=name,
            )


def _by_hand(given: list[tuple[str, Any]]) -> set[str]:
    """Dotted keys that the command line sets to a value; a choice of a file does not count."""
    found: set[str] = set()

    def note(path: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for name, below in value.items():
                note(f"{path}.{name}", below)
        else:
            found.add(path)

    for key, value in given:
        if key not in GROUPS or isinstance(value, dict):
            note(key, value)
    return found


def addable(override: str) -> str:
    """The override with `++` before `key={...}`, whose keys may be missing in the file."""
    return f"++{override}" if re.match(r"[\w.\-]+=\s*\{", override) else override


def words_of(words: Sequence[str], keys: Mapping[str, Any]) -> list[str]:
    """Overrides of the command line's words and of keywords; keywords stand last."""
    return [*map(addable, words), *as_overrides(keys).values()]


def _refuse_hydras(parsed: list[Any]) -> None:
    """Raise ConfigError for Hydra's own keys, which hold for a whole sweep and cannot be swept."""

    for one in parsed:
        if one.key_or_group.partition(".")[0].partition("/")[0] == "hydra":
            raise ConfigError(
                "{key}: cannot be swept; give Hydra's own keys once, on the command line", key=one.key_or_group
            )


class JobComposer:
    """Composes many jobs of one sweep as Hydra would, at a tenth of its time.

    Hydra reads all files anew for each job. Here each choice of files is composed once, by Hydra; the values of a job
    are laid over a copy, by the function that Hydra itself uses.
    """

    def __init__(self, hydra: Hydra, name: str, hydra_overrides: list[str]) -> None:
        self._hydra, self._name, self._own = hydra, name, hydra_overrides
        self._chosen: dict[tuple[str, ...], DictConfig] = {}

    def settings(self, overrides: list[str]) -> Settings:
        """The checked settings of one job's overrides (of the task, none of Hydra's). Raises ConfigError."""
        from hydra._internal.config_loader_impl import ConfigLoaderImpl
        from hydra.core.override_parser.overrides_parser import OverridesParser

        from cxsim.admitted import admit, require_readable

        with hydras_errors_in_words(self._hydra, overrides):
            require_readable(overrides)
            parsed = OverridesParser.create().parse_overrides(emptying(overrides))
            _refuse_hydras(parsed)
            choices = [one for one in parsed if self._is_choice(one)]
            config = deepcopy(self._composed(tuple(str(one.input_line) for one in choices)))
        for one in parsed:
            if one not in choices:
                with hydras_errors_in_words(self._hydra, [str(one.input_line)]):
                    ConfigLoaderImpl._apply_overrides_to_config([one], config)
        config.hydra.overrides.task = list(overrides)
        admit(config, NOT_SETTINGS)
        return settings_of(config, config.hydra)

    def _is_choice(self, override: Any) -> bool:
        """Whether it chooses files rather than setting a key to a value."""
        in_group = override.key_or_group in GROUPS and not isinstance(override.value(), dict)
        return override.package is not None or in_group

    def _composed(self, choices: tuple[str, ...]) -> DictConfig:
        if choices not in self._chosen:
            self._chosen[choices] = compose(self._hydra, [*self._own, *choices], self._name)
        return self._chosen[choices]


# -- the grammar of overrides ------------------------------------------------------------------------------


MOST_POINTS = 10_000
"""Jobs that a sweep may have, and values that it may list for a key."""


def split_sweep(arguments: list[str], hydra: Hydra) -> tuple[dict[str, str], dict[str, list[tuple[str, Any]]]]:
    """(override of all jobs by key, list of (override, value) by swept key)."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from cxsim.admitted import require_readable

    fixed: dict[str, str] = {}
    axes: dict[str, list[str]] = {}
    with hydras_errors_in_words(hydra, arguments):
        require_readable(arguments)
        for override in OverridesParser.create(hydra.config_loader).parse_overrides(arguments):
            key = override.get_key_element().lstrip("+")
            if override.is_sweep_override():
                axes[key] = [f"{override.get_key_element()}={value}" for value in _listed(override, hydra)]
            else:
                fixed[key] = str(override.input_line)
        require_few(math.prod(map(len, axes.values())))
        return fixed, {key: [(line, _value(line)) for line in lines] for key, lines in axes.items()}


def require_few(jobs: int) -> None:
    """Raise ConfigError for more jobs than a sweep may have."""
    if jobs > MOST_POINTS:
        raise ConfigError("{jobs:,} jobs are too many; at most {most:,}", jobs=jobs, most=MOST_POINTS)


def _listed(override: Any, hydra: Hydra) -> list[str]:
    """The values that a swept word lists. Raises ConfigError where it lists none, or says no values but a span."""
    from hydra.core.override_parser.types import Sweep, ValueType

    key, word = override.key_or_group, override.input_line
    if override.is_interval_sweep():
        raise ConfigError("{word}: a span is not a list of values; key=1,2,3, or a sweep file's sample", word=word)
    if override.value_type == ValueType.GLOB_CHOICE_SWEEP and not hydra.config_loader.get_group_options(key):
        raise ConfigError("{word}: {key} is no choice of files, of which glob(...) could find some; key=1,2,3",
                          word=word, key=key)  # fmt: skip
    if any(isinstance(one, Sweep) for one in getattr(override.value(), "list", ())):
        raise ConfigError("{word}: a list within a list; key=1,2,3", word=word)
    try:
        found = list(itertools.islice(override.sweep_string_iterator(), MOST_POINTS + 1))
    except (ValueError, ArithmeticError):  # a step of nought, no number
        found = []
    if not found:
        raise ConfigError("{word}: finds no value; key=1,2,3", word=word)
    if len(found) > MOST_POINTS:
        raise ConfigError("{word}: lists more than {most:,} values", word=word, most=MOST_POINTS)
    return found


def _value(line: str) -> Any:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create().parse_override(line).value()


def as_overrides(point: Mapping[str, Any]) -> dict[str, str]:
    """Values by dotted key as overrides, by key."""
    return {key: f"{'++' if isinstance(value, Mapping) else ''}{key}={_grammar(value)}" for key, value in point.items()}


def _grammar(value: Any) -> str:
    """A value in the grammar of Hydra's overrides."""
    from cxsim.admitted import quoted

    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return _grammar(value.tolist())
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_grammar(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_grammar(item) for item in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_][\w\-]*", value):
        return quoted(value)
    return str(value)


def given_by_hand(overrides: list[str], key: str) -> bool:
    """Whether an override sets this key."""
    return any(override.lstrip("+").startswith(f"{key}=") for override in overrides)


def threads_of(settings: Settings) -> int:
    """Number of replications that run side by side."""
    if settings.threads != "auto":
        return settings.threads
    return processors()


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shown(place: Path) -> str:
    """A path as commands print it: relative if it lies below the current folder, else absolute."""
    # Not resolved: a link that the user named stays that link.
    whole, here = Path(os.path.abspath(place)), Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
