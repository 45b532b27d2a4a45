"""The command line, and the one place where all parts meet. Nothing else here knows Hydra.

Heavy imports stand inside the functions that need them, so that help and listings answer at once.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sim.guard import ROOT, ForeignPackage, refuse_strangers

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

    from sim.settings import Settings

HELP = """\
cxsim: what a customer-experience intervention does to LTV and NPS, before rollout.

  cxsim run [key=value ...]      run a scenario against the baseline and write a run folder
  cxsim run scenario=[A,B]       each of them, both together, and their interaction
  cxsim run -m key=1,2,3         a sweep: one run folder per value
  cxsim run --help               every key with its default
  cxsim scenarios                list the scenarios, one line each
  cxsim calibrate LOG ...        fit a company to a log of purchases
  cxsim report RUN               make the report of a run folder again
  cxsim check [NAME ...]         hold the shipped scenarios to their recorded answers
  cxsim --version

Your own scenario: cxsim run --config-dir DIR scenario=mine, with the file DIR/scenario/mine.yaml.
Completion in bash: eval "$(cxsim run -sc install=bash)"
"""

OK, MOVED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
CONFIG_NAME = "config"
GROUPS = ("company", "personas", "market", "behaviour", "scenario")
TRUSTED_TARGETS = ("hydra._internal.core_plugins.", "hydra_plugins.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0 done, 1 answers moved, 2 bad input, 130 interrupted."""
    try:
        refuse_strangers()
        return _answered(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        _say("interrupted; nothing was left behind")
        return INTERRUPTED
    except ForeignPackage as error:
        _say(str(error))
        return BAD_INPUT


def _answered(words: list[str]) -> int:
    """Run one command; errors that the user can mend become one line."""
    from sim.parameters import ConfigError

    try:
        return _command(words)
    except BrokenPipeError:
        # Whoever read our output has gone: not worth a word, and Python must not try to flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except ConfigError as error:
        _say(str(error))
    except OSError as error:
        _say(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))
    except MemoryError:
        _say("not enough memory; take fewer customers, threads or events")
    return BAD_INPUT


def _command(words: list[str]) -> int:
    commands: dict[str, Callable[[list[str]], int]] = {
        "run": _run,
        "scenarios": _scenarios,
        "calibrate": _calibrate,
        "report": _report,
        "check": _check,
    }
    first = words[0] if words else "--help"
    if first in commands:
        return commands[first](words[1:])
    if first in ("-h", "--help", "help"):
        print(HELP, end="")
        return OK
    if first == "--version":
        from sim.provenance import version

        print(f"cxsim {version()}")
        return OK
    if first in ("-sc", "--shell-completion"):
        return _complete(words[1:], list(commands))
    from sim.parameters import ConfigError, listed, nearest

    raise ConfigError(f"{first}: no such command; {listed(commands)}{nearest(first, commands)}")


def _say(line: str) -> None:
    """One line on the error stream, whatever the message held."""
    print(f"cxsim: {' '.join(line.split())}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line like all others."""

    def error(self, message: str) -> NoReturn:
        from sim.parameters import ConfigError

        raise ConfigError(f"{self.prog.removeprefix('cxsim ')}: {message}; see {self.prog} --help")


# -------------------------------------------------------------------------------------- composing, by Hydra


@contextmanager
def _composer(config_dir: str | None) -> Iterator[Hydra]:
    """Hydra over conf/ and the user's own folder. Raises ConfigError for a folder that is none."""
    from hydra import version as hydra_version
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.config_search_path import SearchPathQuery
    from hydra.core.global_hydra import GlobalHydra

    hydra_version.setbase("1.3")
    path = create_config_search_path("pkg://conf")
    if config_dir is not None:
        _check_own_folder(Path(config_dir))
        own = f"file://{Path(config_dir).resolve()}"
        path.prepend(provider="command-line", path=own, anchor=SearchPathQuery(provider="schema"))
    GlobalHydra.instance().clear()
    try:
        yield Hydra.create_main_hydra2("cxsim", path)
    finally:
        GlobalHydra.instance().clear()


def _check_own_folder(folder: Path) -> None:
    """A user's folder must be one, and no file in it may be hidden by a shipped one of the same name."""
    from sim.parameters import ConfigError

    if not folder.is_dir():
        raise ConfigError(f"--config-dir {folder}: is not a folder")
    shipped = resources.files("conf")
    for group in GROUPS:
        for file in sorted((folder / group).glob("*.yaml")):
            if (shipped / group / file.name).is_file():
                raise ConfigError(
                    f"{file}: cxsim ships a {group} of that name, which wins; give yours another name"
                )


@contextmanager
def _hydras_errors_in_words(hydra: Hydra | None = None) -> Iterator[None]:
    """Turn whatever Hydra raises while composing into a ConfigError of one line."""
    from sim.parameters import ConfigError

    try:
        yield
    except (ConfigError, OSError) as error:
        if type(error).__name__ != "MissingConfigException":
            raise
        raise ConfigError(_missing_file(error, hydra)) from None
    except Exception as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        raise ConfigError(_in_words(error, hydra)) from None


def _missing_file(error: Any, hydra: Hydra | None) -> str:
    """A file of conf/ that does not exist: the names there are, the nearest last."""
    from sim.parameters import listed, nearest

    # Of a file named within a list Hydra tells only in its text.
    told = re.search(r"Could not load '([^']+)'", str(error))
    file = error.missing_cfg_file or (told.group(1) if told else "")
    group, _, name = str(file).rpartition("/")
    options = error.options or (hydra.config_loader.get_group_options(group) if hydra and group else [])
    if not options:
        return _first_line(str(error))
    return f"{group}={name}: no such {group}; {listed(options)}{nearest(name, options)}"


def _in_words(error: Exception, hydra: Hydra | None) -> str:
    import yaml
    from hydra.errors import OverrideParseException

    if isinstance(error, yaml.YAMLError):
        return f"a configuration file is no YAML: {error}"
    if isinstance(error, UnicodeDecodeError):
        return f"a configuration file is not UTF-8: {error}"
    if isinstance(error, OverrideParseException):
        return f"{error.override}: not of the form key=value; {error.message.splitlines()[0]}"
    message = str(error)
    missed = re.match(r"Could not override '([^']+)'", message)
    if missed:
        return _unknown_key(missed.group(1), hydra, error)
    twice = re.match(r"(\S+) appears more than once in the final defaults list", message)
    if twice:
        return f"{twice.group(1).replace('/', '=')}: is named twice; once each"
    if message.startswith("Ambiguous value for argument"):
        return f"{message.split(chr(39))[1]}: several values; as a list key=[a,b], as a sweep with -m"
    return _first_line(message) or type(error).__name__


def _first_line(message: str) -> str:
    return next((line.strip() for line in message.splitlines() if line.strip()), "")


def _unknown_key(key: str, hydra: Hydra | None, error: Exception) -> str:
    """A key that conf/ does not have, with the nearest that it has."""
    from sim.parameters import PARTS

    known = _known_keys(hydra) if hydra is not None else []
    parent, _, last = key.rpartition(".")
    if key in known:
        return f"{key}: {_first_line(str(error.__cause__ or error))}"
    if last in PARTS and parent in known:
        return f"{key}: is not there yet; write {parent}={{{last}: ...}}"
    return f"{key}: no such key{_hint(key, known)}"


def _hint(key: str, known: list[str]) -> str:
    """The key most likely meant: misspelt in its last part, written without its group, or misspelt above."""
    from sim.parameters import listed, nearest

    parent, _, last = key.rpartition(".")
    prefix = f"{parent}." if parent else ""
    siblings = [name[len(prefix) :] for name in known if name.startswith(prefix)]
    siblings = [name for name in siblings if "." not in name]
    elsewhere = [name for name in known if name.rpartition(".")[2] == last]
    near = nearest(last, siblings)
    if near:
        return near.replace("mean ", f"mean {prefix}")
    if elsewhere:
        return f"; did you mean {elsewhere[0]}?"
    if prefix and siblings:
        return f"; {listed(siblings)}"
    return nearest(key, known) or "; see cxsim run --help"


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
    walk(_plain({str(name): config[name] for name in config if name != "hydra"}), "")
    return found


def _plain(config: Any) -> Any:
    from omegaconf import OmegaConf

    made = config if OmegaConf.is_config(config) else OmegaConf.create(config)
    return OmegaConf.to_container(made, resolve=True, throw_on_missing=True)


def _compose(
    hydra: Hydra, overrides: list[str], name: str = CONFIG_NAME, multirun: bool = False
) -> DictConfig:
    """Compose the whole configuration, Hydra's own part included, and look whether it is harmless."""
    from hydra.types import RunMode

    mode = RunMode.MULTIRUN if multirun else RunMode.RUN
    with _hydras_errors_in_words(hydra):
        config = hydra.compose_config(name, overrides, mode, with_log_configuration=False)
    _refuse_code(config)
    return config


def _refuse_code(config: DictConfig) -> None:
    """A stranger's file may change Hydra's part too: refuse what builds objects or sets the environment."""
    from omegaconf import OmegaConf

    from sim.parameters import ConfigError

    def walk(node: Any, path: str) -> None:
        if isinstance(node, str) and "oc.env" in node and path.partition(".")[0] != "hydra":
            raise ConfigError(f"{path}: values are written out, not read from the environment")
        for name, below in (
            node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        ):
            here = f"{path}.{name}" if path else str(name)
            foreign = name == "_target_" and not str(below).startswith(TRUSTED_TARGETS)
            if foreign or name == "()" or (name == "class" and path.startswith("hydra")):
                raise ConfigError(f"{here}: {below} is refused; a configuration names no code")
            if here in ("hydra.job.env_set", "hydra.job.env_copy") and below:
                raise ConfigError(f"{here}: is refused; a configuration does not set the environment")
            walk(below, here)

    walk(OmegaConf.to_container(config, resolve=False), "")


def _settings(job: DictConfig, own: Any) -> Settings:
    """Checked settings of a composed configuration; keys given by hand stand above a scenario's world.

    `own` is Hydra's part, which knows what was chosen and given by hand.
    """
    from sim.settings import load_settings

    with _hydras_errors_in_words():
        given = _given(_plain(own.overrides.task))
        raw = _plain({str(name): job[name] for name in job if name != "hydra"})
    _check_headers([value for key, value in given if key == "scenario"], raw.get("scenario"))
    return load_settings(raw, _by_hand(given))


def _given(overrides: list[str]) -> list[tuple[str, Any]]:
    """Key and value of each override."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(overrides)
    return [(override.key_or_group, override.value()) for override in parsed]


def _check_headers(chosen: list[Any], composed: Any) -> None:
    """Each scenario file must stand under its own name: `# @package scenario.NAME`."""
    from sim.parameters import ConfigError

    names = [name for value in chosen for name in (value if isinstance(value, list) else [value])]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"scenario={name}: is named twice; once each")
        if isinstance(composed, Mapping) and name not in composed:
            raise ConfigError(
                f"scenario={name}: the first line of {name}.yaml must be `# @package scenario.{name}`"
            )


def _by_hand(given: list[tuple[str, Any]]) -> set[str]:
    """Dotted keys that the command line puts at a value; choices of files are none."""
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


def _addable(override: str) -> str:
    """`key={...}` may say more about a number than its file does, so its keys may be new."""
    return f"++{override}" if re.match(r"[\w.\-]+=\s*\{", override) else override


# ------------------------------------------------------------------------------------------------ cxsim run


def _run(words: list[str]) -> int:
    if words[:1] and words[0] in ("-sc", "--shell-completion"):
        return _complete(words[1:], ["run"])
    parser = _run_parser()
    arguments = parser.parse_intermixed_args(words)
    overrides = [_addable(override) for override in arguments.overrides]
    name = arguments.config_name or CONFIG_NAME
    with _composer(arguments.config_dir) as hydra:
        if arguments.help or arguments.hydra_help or arguments.cfg or arguments.info:
            return _show(hydra, parser, arguments, overrides, name)
        if arguments.multirun:
            return _sweep(hydra, overrides, name)
        config = _compose(hydra, overrides, name)
        from hydra.core.hydra_config import HydraConfig

        HydraConfig.instance().set_config(config)
        with _hydras_errors_in_words():
            wanted = Path(config.hydra.run.dir)
        _answer(_settings(config, config.hydra), wanted, exact=_names(overrides, "hydra.run.dir"))
    return OK


def _run_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="cxsim run", add_help=False)
    parser.add_argument("overrides", nargs="*", help="key=value, dots for keys within keys")
    parser.add_argument("--help", "-h", action="store_true", help="every key with its default")
    parser.add_argument(
        "--multirun", "-m", action="store_true", help="a run per combination of the listed values"
    )
    parser.add_argument(
        "--cfg", "-c", choices=["job", "hydra", "all"], help="print the configuration, do not run"
    )
    parser.add_argument("--package", "-p", help="with --cfg: only this part")
    parser.add_argument("--resolve", action="store_true", help="with --cfg: interpolations resolved")
    parser.add_argument(
        "--config-dir", "-cd", help="a folder of your own with scenario/, company/ and the like"
    )
    parser.add_argument(
        "--config-name", "-cn", help="another top-level file than config.yaml, from --config-dir"
    )
    parser.add_argument("--info", "-i", nargs="?", const="all", help="what Hydra found where")
    parser.add_argument("--hydra-help", action="store_true", help="help about Hydra's own keys")
    parser.add_argument("--shell-completion", "-sc", action="store_true", help="install=bash, zsh or fish")
    return parser


def _show(
    hydra: Hydra,
    parser: argparse.ArgumentParser,
    arguments: argparse.Namespace,
    overrides: list[str],
    name: str,
) -> int:
    """Print about the configuration instead of running it."""
    arguments.overrides = overrides
    _compose(hydra, overrides, name)
    with _hydras_errors_in_words(hydra):
        if arguments.help:
            hydra.app_help(config_name=name, args_parser=parser, args=arguments)
        elif arguments.hydra_help:
            hydra.hydra_help(config_name=name, args_parser=parser, args=arguments)
        elif arguments.cfg:
            hydra.show_cfg(name, overrides, arguments.cfg, arguments.package, arguments.resolve)
        else:
            hydra.show_info(arguments.info, config_name=name, overrides=overrides)
    return OK


def _names(overrides: list[str], key: str) -> bool:
    return any(override.lstrip("+").startswith(f"{key}=") for override in overrides)


def _sweep(hydra: Hydra, overrides: list[str], name: str) -> int:
    """Many runs, each into a folder of its own below the sweep's. One that fails does not stop the others."""
    from hydra.core.hydra_config import HydraConfig

    from sim.folder import remove_empty
    from sim.parameters import ConfigError

    config = _compose(hydra, overrides, name, multirun=True)
    HydraConfig.instance().set_config(config)
    folder, made = _sweep_folder(
        Path(str(config.hydra.sweep.dir)), exact=_names(overrides, "hydra.sweep.dir")
    )
    failed: list[str] = []
    finished: list[Path] = []

    def job(job_config: DictConfig) -> None:
        whole = HydraConfig.get()
        place = Path(whole.runtime.output_dir)
        label = ", ".join(whole.overrides.task)
        try:
            place.rmdir()  # Hydra made it, empty; the run folder comes by rename
            _refuse_code(job_config)
            _answer(_settings(job_config, whole), place, exact=True)
            finished.append(place)
        except (ConfigError, OSError) as error:
            failed.append(label)
            _say(f"{error} (in the run of {label})")

    try:
        with _hydras_errors_in_words(hydra):
            hydra.multirun(
                name, job, [*overrides, f"hydra.sweep.dir='{folder}'"], with_log_configuration=False
            )
    finally:
        if not finished:
            (folder / "multirun.yaml").unlink(missing_ok=True)
        for below in folder.glob("*"):
            remove_empty([below])  # what Hydra made for a job that did not finish
        remove_empty(made)
    return BAD_INPUT if failed else OK


def _sweep_folder(wanted: Path, exact: bool) -> tuple[Path, list[Path]]:
    """Make the sweep's folder; return it and what was made, from the top."""
    from sim.folder import make_folder, names_like

    made: list[Path] = []
    for place in [wanted.resolve()] if exact else names_like(wanted.resolve()):
        if exact and place.is_dir():
            return place, made
        try:
            make_folder(place, made)
        except FileExistsError:
            if exact:
                raise
            continue
        return place, [*made, place]
    raise AssertionError("names never end")


def _answer(settings: Settings, wanted: Path, exact: bool) -> None:
    """Run the settings into a run folder at `wanted` and print what came out."""
    from scenarios.intervention import worlds_of
    from sim.folder import drafted
    from sim.progress import Progress
    from sim.provenance import write_provenance

    worlds_of(settings)  # here already, so that a bad intervention is told before any work
    threads = _threads(settings)
    started = time.monotonic()
    progress = Progress(sys.stderr)
    with drafted(wanted, exact) as draft:
        from analysis import effects, report
        from sim.experiment import run_experiment

        enough = partial(effects.precise_enough, precision=settings.precision)
        try:
            run_experiment(settings, worlds_of, draft.path, threads, progress, enough)
        finally:
            progress.close()
        effects.write_effects(draft.path)
        report.write_report(draft.path)
        seconds = time.monotonic() - started
        folder = draft.publish(lambda place: write_provenance(draft.path, settings, threads, place, seconds))
    print(effects.summary_table(folder))
    print()
    print(effects.verdict(folder))
    print()
    print(folder)


def _threads(settings: Settings) -> int:
    if settings.threads != "auto":
        return settings.threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _complete(words: list[str], commands: list[str]) -> int:
    """Shell completion. The line holds our command word before the overrides, unknown to Hydra."""
    line = os.environ.get("COMP_LINE", "")
    before = line.split(maxsplit=2)
    typed = before[1] if len(before) > 1 else ""
    if line and typed != "run":
        print(" ".join(command for command in commands if command.startswith(typed)))
        return OK
    if line:
        os.environ["COMP_LINE"] = re.sub(r"^(\s*\S+)\s+run", r"\1", line, count=1)
    with _composer(None) as hydra, _hydras_errors_in_words(hydra):
        hydra.shell_completion(config_name=CONFIG_NAME, overrides=words)
    return OK


# ------------------------------------------------------------------------------------- the smaller commands


def _scenarios(words: list[str]) -> int:
    """One line per scenario: name and description."""
    parser = _Parser(prog="cxsim scenarios", description="List the scenarios, one line each.")
    parser.add_argument("--config-dir", "-cd", help="a folder of your own with scenario/")
    arguments = parser.parse_args(words)
    if arguments.config_dir is not None:
        _check_own_folder(Path(arguments.config_dir))
    found = dict(sorted(_described(arguments.config_dir)))
    width = max(map(len, found))
    for name, description in found.items():
        print(f"{name:{width}}  {description}")
    return OK


def _described(config_dir: str | None) -> Iterator[tuple[str, str]]:
    import yaml

    folders: list[Any] = [resources.files("conf") / "scenario"]
    folders += [Path(config_dir) / "scenario"] if config_dir is not None else []
    for folder in folders:
        for file in folder.iterdir() if folder.is_dir() else ():
            if not file.name.endswith(".yaml"):
                continue
            try:
                node = yaml.safe_load(file.read_text(encoding="utf-8"))
                description = str(node["description"])
            except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
                description = "(cannot be read: no YAML, or no description)"
            yield file.name.removesuffix(".yaml"), " ".join(description.split())


def _calibrate(words: list[str]) -> int:
    """Fit a company to a real log."""
    parser = _Parser(
        prog="cxsim calibrate", description="Fit purchase, dropout and spend to a log of purchases."
    )
    parser.add_argument("log", type=Path, help="CSV, CSV.gz or Parquet, a row per purchase")
    for column in ("customer", "date", "value"):
        parser.add_argument(f"--{column}", required=True, metavar="COL", help=f"column with the {column}")
    parser.add_argument("--name", required=True, help="writes company/NAME.yaml, for company=NAME")
    parser.add_argument(
        "--holdout", type=int, default=0, metavar="WEEKS", help="keep the last weeks out and test on them"
    )
    parser.add_argument(
        "--yen", type=float, default=1.0, metavar="RATE", help="yen per unit of the log's currency (default 1)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder to write into (default: the current one)"
    )
    optional = ("delivery-class", "promised", "delivered", "coupon", "channel")
    for column in optional:
        parser.add_argument(f"--{column}", metavar="COL", help=f"column with the {column.replace('-', ' ')}")
    given = vars(parser.parse_args(words))
    from sim.parameters import ConfigError

    if not 0 < given["yen"] < float("inf"):
        raise ConfigError(f"--yen {given['yen']:g}: is not allowed; above 0")
    from sim.company_file import company_text, place_for

    place = place_for(given["name"], given["out"])
    with _composer(None) as hydra:
        config = _compose(hydra, ["scenario=baseline"])
        settings = _settings(config, config.hydra)
    from analysis.calibration import write_picture
    from sim.calibrate import calibrate
    from sim.transactions import LogColumns

    columns = LogColumns(*(given[part.replace("-", "_")] for part in ("customer", "date", "value", *optional)))
    found = calibrate(
        given["log"], columns, given["name"], settings, holdout=given["holdout"], yen=given["yen"],
        say=partial(print, flush=True),
    )  # fmt: skip
    place.parent.mkdir(parents=True, exist_ok=True)
    write_picture(found.weekly(), found.fitted_weeks, place.with_suffix(""))
    place.write_text(company_text(found), encoding="utf-8", newline="\n")
    print(f"\n{place} (picture beside it: {place.stem}.png, {place.stem}.svg)")
    print(f"now: cxsim run --config-dir {shlex.quote(str(given['out']))} company={given['name']}")
    return OK


def _report(words: list[str]) -> int:
    """Make the report of a run folder again."""
    parser = _Parser(
        prog="cxsim report", description="Make report.html and the figures of a run folder again."
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="a run folder")
    folder = parser.parse_args(words).folder
    from sim.parameters import ConfigError

    if not (folder / "effects.csv").is_file():
        raise ConfigError(f"{folder}: is no run folder; effects.csv is not there")
    from analysis.load import RunError
    from analysis.report import write_report

    try:
        write_report(folder)
    except RunError as error:
        raise ConfigError(str(error)) from None
    print(folder / "report.html")
    return OK


def _check(words: list[str]) -> int:
    """Hold the shipped scenarios, small, to their recorded tables."""
    from sim import check

    parser = _Parser(prog="cxsim check", description="Hold the shipped scenarios to their recorded answers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios; all where none is named")
    parser.add_argument("--update", action="store_true", help="record the answers as they are now")
    arguments = parser.parse_args(words)
    status = OK
    for name in _shipped_scenarios(arguments.names):
        file = ROOT / "tests" / "baseline" / f"{name}.json"
        found = _recorded(check.overrides(name))
        before = check.read(file)
        if arguments.update:
            check.write(file, found)
            print(f"{name}: recorded")
            continue
        lines = (
            ["has no record; cxsim check --update makes one"]
            if before is None
            else check.moved(before, found)
        )
        print("\n".join(f"{name}: {line}" for line in lines or ["as recorded"]), flush=True)
        status = MOVED if lines else status
    return status


def _shipped_scenarios(wanted: list[str]) -> list[str]:
    from sim.parameters import ConfigError, listed, nearest

    shipped = sorted(name for name, _ in _described(None))
    for name in wanted:
        if name not in shipped:
            raise ConfigError(f"{name}: no such scenario; {listed(shipped)}{nearest(name, shipped)}")
    if not (ROOT / "tests").is_dir():
        raise ConfigError(
            f"{ROOT}: cxsim check needs a checkout, where the recorded answers stand in tests/baseline"
        )
    return wanted or shipped


def _recorded(overrides: list[str]) -> dict[str, Any]:
    """Run under these overrides into a folder that goes again; return its record."""
    import tempfile

    from analysis import effects
    from scenarios.intervention import worlds_of
    from sim.check import record
    from sim.experiment import run_experiment

    with _composer(None) as hydra:
        config = _compose(hydra, overrides)
        settings = _settings(config, config.hydra)
    with tempfile.TemporaryDirectory() as folder:
        enough = partial(effects.precise_enough, precision=settings.precision)
        run_experiment(
            settings, worlds_of, Path(folder), _threads(settings), lambda *_: None, enough
        )
        effects.write_effects(Path(folder))
        return record(Path(folder))


if __name__ == "__main__":
    sys.exit(main())
