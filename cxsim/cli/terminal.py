"""What all commands share: exit statuses, a line on the error stream, a parser whose errors are one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from analysis.style.language import N_, _, translated
from analysis.style.lines import folded
from sim.phrases import ConfigError, Phrase, listed

LANGUAGE = "language="


def say(phrase: Phrase) -> None:
    """Write a message to the error stream as one line, in the language in use."""
    with suppress(OSError):  # nobody reads it any more
        print(f"cxsim: {' '.join(translated(phrase).split())}", file=sys.stderr)


def language_asked(words: list[str]) -> str | None:
    """The language in the words (`language=ja`), which is needed before any other message can be shown."""
    asked = [word.partition("=")[2] for word in words if word.startswith(LANGUAGE)]
    return asked[-1] if asked else None


def without_language(words: list[str]) -> list[str]:
    """The words without `language=...`, for commands that compose no configuration."""
    return [word for word in words if not word.startswith(LANGUAGE)]


class Parser(argparse.ArgumentParser):
    """A parser in the language in use, whose errors are one line like all others."""

    def __init__(self, *, add_help: bool = True, **about: Any) -> None:
        super().__init__(add_help=False, formatter_class=_Formatter, **about)
        self._positionals.title = _("positional arguments")
        self._optionals.title = _("options")
        self._found = argparse.Namespace()
        if add_help:
            self.add_argument("-h", "--help", action="help", help=_("show this help message and exit"))

    def add_own_folder(self, holds: str) -> None:
        """`--config-dir`, with what such a folder `holds` (as it is shown), and `--own-code`."""
        self.add_argument("--config-dir", "-cd", metavar="DIR", help=holds)
        self.add_argument("--own-code", action="store_true", help=_("run DIR/interventions/*.py, which register kinds"))

    def given(self, words: list[str]) -> argparse.Namespace:
        """The arguments in the words, options in any place. Raises ConfigError.

        Lets the code of the user's own folder run from here on, where `--own-code` asks for it.
        """
        given, others = self.parse_known_intermixed_args(words, self._found)
        if others:
            raise self._wrong(Phrase("unrecognized arguments: {words}", words=" ".join(others)))
        if getattr(given, "own_code", False):
            _let_own_code_run(given.config_dir)
        return given

    # -- where argparse refuses a word, in our words

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError: what is missing, if that is what argparse names; else what it says."""
        # A parser that takes options first has suppressed the positional arguments for that time.
        needed = [one for one in self._actions if one.required and one.nargs != argparse.SUPPRESS]
        missing = ", ".join(_name(one) for one in needed if getattr(self._found, one.dest, None) is None)
        if missing and message.endswith(missing):
            raise self._wrong(Phrase("the following arguments are required: {words}", words=missing))
        raise self._wrong(message)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            message = NO_INT if action.type is int else NO_FLOAT
        raise self._wrong(Phrase(message, name=_name(action), value=repr(arg_string)))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise self._wrong(Phrase(
                "argument {name}: {value} is not allowed; {allowed}",
                name=_name(action), value=repr(value), allowed=listed(action.choices),
            ))  # fmt: skip

    def _match_argument(self, action: argparse.Action, arg_strings_pattern: str) -> int:
        try:
            return super()._match_argument(action, arg_strings_pattern)
        except argparse.ArgumentError:
            raise self._wrong(Phrase("argument {name}: expected one argument", name=_name(action))) from None

    def _wrong(self, problem: Phrase | str) -> ConfigError:
        return ConfigError(
            "{command}: {problem}; see {program} --help",
            command=self.prog.removeprefix("cxsim "), problem=problem, program=self.prog,
        )  # fmt: skip


NO_INT = N_("argument {name}: invalid int value: {value}")
NO_FLOAT = N_("argument {name}: invalid float value: {value}")


def _name(action: argparse.Action) -> str:
    """An argument as errors name it."""
    return str(argparse.ArgumentError(action, "").argument_name)


def _let_own_code_run(config_dir: str | None) -> None:
    from scenarios.own import allow

    if config_dir is None:
        raise ConfigError("--own-code: needs --config-dir DIR, whose interventions/*.py it runs")
    allow(Path(config_dir) / "interventions")


class _Formatter(argparse.HelpFormatter):
    """Help in the language in use. argparse cuts seven characters, `usage: `, off a usage in some places: a translation
    of it has as many."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return folded(" ".join(text.split()), width).splitlines()

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in self._split_lines(text, width - len(indent)))

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        super().add_usage(usage, actions, groups, prefix or _("usage: "))


def file_to_write(option: str, file: Path) -> Path:
    """The file that an option names. Raises ConfigError where none can be written there."""
    if file.is_dir() or not file.parent.is_dir():
        raise ConfigError(
            "{option} {file}: is a folder, or in none that is there; name a file", option=option, file=file
        )
    return file


def folder_asked(words: list[str], command: str, description: str, metavar: str, what: str) -> Path:
    """The folder in a command line that takes nothing else; the other arguments are texts of its help."""
    parser = Parser(prog=f"cxsim {command}", description=description)
    parser.add_argument("folder", type=Path, metavar=metavar, help=what)
    folder: Path = parser.given(without_language(words)).folder
    return folder
