"""What all commands share: exit statuses, a line on the error stream, a parser whose errors are one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from sim.phrases import Phrase

from cxsim.compose import shown as shown

LANGUAGE = "language="
OK, MOVED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses. MOVED: an answer moved, or a job of a sweep did not finish."""


def say(phrase: Phrase) -> None:
    """Write a message to the error stream as one line, in the language in use."""
    from analysis.style.language import translated

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
        from analysis.style.language import _

        super().__init__(add_help=False, formatter_class=_Formatter, **about)
        self._positionals.title = _("positional arguments")
        self._optionals.title = _("options")
        if add_help:
            self.add_argument("-h", "--help", action="help", help=_("show this help message and exit"))

    def error(self, message: str) -> NoReturn:
        from cxsim.foreign import of_argparse
        from sim.phrases import ConfigError

        raise ConfigError(
            "{command}: {problem}; see {program} --help",
            command=self.prog.removeprefix("cxsim "), problem=of_argparse(message), program=self.prog,
        )  # fmt: skip


class _Formatter(argparse.HelpFormatter):
    """Help in the language in use. argparse cuts seven characters, `usage: `, off a usage in some places: a translation
    of it has as many."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        from analysis.style.lines import folded

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
        from analysis.style.language import _

        super().add_usage(usage, actions, groups, prefix or _("usage: "))


def add_own_folder(parser: Parser, holds: str) -> None:
    """`--config-dir`, with what such a folder `holds` (as it is shown), and `--own-code`."""
    from analysis.style.language import _

    parser.add_argument("--config-dir", "-cd", metavar="DIR", help=holds)
    parser.add_argument("--own-code", action="store_true", help=_("run DIR/interventions/*.py, which register kinds"))


def let_own_code_run(given: argparse.Namespace) -> None:
    """Let the code of the user's own folder run where `--own-code` asks for it. Raises ConfigError."""
    from scenarios.own import allow
    from sim.phrases import ConfigError

    if given.own_code:
        if given.config_dir is None:
            raise ConfigError("--own-code: needs --config-dir DIR, whose interventions/*.py it runs")
        allow(Path(given.config_dir) / "interventions")


def folder_asked(words: list[str], command: str, description: str, metavar: str, what: str) -> Path:
    """The folder in a command line that takes nothing else; the other arguments are texts of its help."""
    parser = Parser(prog=f"cxsim {command}", description=description)
    parser.add_argument("folder", type=Path, metavar=metavar, help=what)
    folder: Path = parser.parse_args(without_language(words)).folder
    return folder
