"""`cxsim run`: one run folder, or a look at the configuration."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from analysis.style.language import _
from cxsim import runs
from cxsim.cli import OK
from cxsim.cli.terminal import Parser
from cxsim.compose import CONFIG_NAME, addable, compose, composer, hydras_errors_in_words, shown

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig


def run(words: list[str]) -> int:
    """Make a run folder, or the runs of a sweep (`-m`); or show the configuration, help or what completes a word."""
    if words[:1] and words[0] in ("-sc", "--shell-completion"):
        return complete(words[1:], ["run"])
    parser = _parser()
    arguments = parser.given(words)
    overrides = [addable(override) for override in arguments.overrides]
    name = arguments.config_name or CONFIG_NAME
    if arguments.help or arguments.hydra_help or arguments.cfg or arguments.info:
        with composer(arguments.config_dir) as hydra:
            return _show(hydra, parser, arguments, overrides, name)
    if arguments.multirun:
        from cxsim.cli.sweep import sweep

        return sweep(overrides, arguments.config_dir, name)
    answered = runs.run(*overrides, config_dir=arguments.config_dir, config_name=name)
    print(answered.verdict, answered.summary, shown(answered.folder), sep="\n\n")
    return OK


def _parser() -> Parser:
    parser = Parser(prog="cxsim run", add_help=False)
    parser.add_argument("overrides", nargs="*", help=_("key=value, dots for keys within keys"))
    parser.add_argument("--help", "-h", action="store_true", help=_("every key with its default"))
    parser.add_argument(
        "--multirun", "-m", action="store_true", help=_("a run per combination of the listed values")
    )
    parser.add_argument(
        "--cfg", "-c", choices=["job", "hydra", "all"], help=_("print the configuration, do not run")
    )
    parser.add_argument("--package", "-p", help=_("with --cfg: only this part"))
    parser.add_argument("--resolve", action="store_true", help=_("with --cfg: interpolations resolved"))
    parser.add_own_folder(_("a folder of your own with scenario/, company/ and the like"))
    parser.add_argument(
        "--config-name", "-cn", help=_("another top-level file than config.yaml, from --config-dir")
    )
    parser.add_argument("--info", "-i", nargs="?", const="all", help=_("what Hydra found where"))
    parser.add_argument("--hydra-help", action="store_true", help=_("help about Hydra's own keys"))
    parser.add_argument("--shell-completion", "-sc", action="store_true", help=_("install=bash, zsh or fish"))
    return parser


def _show(
    hydra: Hydra,
    parser: argparse.ArgumentParser,
    arguments: argparse.Namespace,
    overrides: list[str],
    name: str,
) -> int:
    """Print about the configuration instead of running it."""
    arguments.overrides = [*overrides, *_help_texts(compose(hydra, overrides, name))]
    with hydras_errors_in_words(hydra):
        if arguments.help:
            hydra.app_help(config_name=name, args_parser=parser, args=arguments)
        elif arguments.hydra_help:
            hydra.hydra_help(config_name=name, args_parser=parser, args=arguments)
        elif arguments.cfg:
            hydra.show_cfg(name, overrides, arguments.cfg, arguments.package, arguments.resolve)
        else:
            hydra.show_info(arguments.info, config_name=name, overrides=overrides)
    return OK


def _help_texts(config: DictConfig) -> Iterator[str]:
    """Overrides that put Hydra's help into the language in use."""
    from omegaconf import OmegaConf

    shipped = cast(dict[str, str], OmegaConf.to_container(config.hydra.help, resolve=False))
    for part in ("header", "footer", "template"):
        text = _(shipped[part])
        if text != shipped[part]:
            yield f"hydra.help.{part}='{text}'"


def complete(words: list[str], commands: list[str]) -> int:
    """Shell completion by Hydra, from which the command word before the overrides is hidden."""
    line = os.environ.get("COMP_LINE", "")
    before = line.split(maxsplit=2)
    typed = before[1] if len(before) > 1 else ""
    if line and typed != "run":
        print(" ".join(command for command in commands if command.startswith(typed)))
        return OK
    if line:
        os.environ["COMP_LINE"] = re.sub(r"^(\s*\S+)\s+run", r"\1", line, count=1)
    with composer(None) as hydra, hydras_errors_in_words(hydra):
        hydra.shell_completion(config_name=CONFIG_NAME, overrides=words)
    return OK
