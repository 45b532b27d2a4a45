"""`cxsim explore`: simulate settings of a few levers, and write a page with a slider for each."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from contextlib import suppress
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from analysis.style.language import _
from cxsim.cli import OK
from cxsim.cli.studies import of_plan
from cxsim.cli.terminal import LANGUAGE, Parser
from cxsim.compose import compose, composer, plain, settings_of, shown, threads_of
from cxsim.held import held
from cxsim.progress import progress_here
from cxsim.runs import Interrupted

if TYPE_CHECKING:
    from argparse import Namespace

    from sim.config.settings import Settings
    from sim.studies.explore_plan import Design

GROUP = "explore"
NOT_IDENTITY = (LANGUAGE, "threads=")
"""Beginnings of words that do not make another exploration."""


class Asked(NamedTuple):
    """What is to be explored: settings as they are simulated, the design, and how a setting is asked for by hand."""

    settings: Settings
    design: Design
    about: Mapping[str, Any]


def explore(words: list[str]) -> int:
    """Simulate what is missing, write the folder's tables and the page, and say what is in them."""
    given = _parser().given(words)
    asked = _asked(given)
    folder = given.out or _folder(given.overrides)
    from scenarios.intervention import treated_arms
    from sim.run.provenance import inputs_hash
    from sim.studies import explore as core

    key = inputs_hash(asked.settings, plan={GROUP: [one._asdict() for one in asked.design.levers],
                                            "settings": asked.design.settings})  # fmt: skip
    with held(folder, core.KEY, key):
        try:
            with progress_here() as progress:
                core.explore(asked.settings, treated_arms, asked.design, asked.about, folder,
                             threads_of(asked.settings), progress)  # fmt: skip
        except KeyboardInterrupt:
            raise Interrupted(folder) from None
        from analysis.studies.explore_page import told, write_report

        page = write_report(folder)
        print("\n".join(told(folder)), end="\n\n")
        print(shown(page), flush=True)
        if given.serve:
            _serve(asked, page)
    return OK


def _serve(asked: Asked, page: Path) -> None:
    """Serve the page until Ctrl-C."""
    from cxsim.cli.serve import Server

    with Server(page, partial(_simulated, asked)) as server:
        print(_("In a browser on this machine, until Ctrl-C: {address}").format(address=server.address), flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def _simulated(asked: Asked, setting: Mapping[str, Any]) -> dict[str, Any]:
    """Mean effects of a setting by metric, simulated at the exploration's points. Raises ConfigError."""
    from analysis.studies.explore_page import simulated
    from scenarios.intervention import treated_arms
    from sim.studies.explore import at_setting

    with progress_here() as progress:
        found = at_setting(asked.settings, treated_arms, asked.design, setting, threads_of(asked.settings), progress)
    return {"effects": simulated(found)}


def _parser() -> Parser:
    parser = Parser(
        prog="cxsim explore",
        description=_(
            "Simulate settings of two to five levers, options of the scenario's interventions, at the same points of "
            "what is not known, and write a page with a slider for each lever. It needs no network and states its own "
            "error. The same command goes on where it was interrupted."
        ),
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value",
        help=_("levers=[A,B] or levers={A: [low, high]}, sliders=[PARAMETER], size=16, and keys as in cxsim run"),
    )  # fmt: skip
    parser.add_own_folder(_("a folder of your own with scenario/, company/ and the like"))
    parser.add_argument("--serve", action="store_true", help=_("then serve the page here; its button runs a setting"))
    parser.add_argument("--out", type=Path, metavar="DIR", help=_("the folder (default: explorations/SCENARIO-HASH)"))
    return parser


def _asked(given: Namespace) -> Asked:
    """Checked settings and design. Raises ConfigError."""
    from scenarios.intervention import treated_arms
    from sim.studies.explore import AtSettings, explored_settings
    from sim.studies.explore_plan import Plan, designed

    overrides = of_plan(GROUP, Plan.model_fields, given.overrides)
    with composer(given.config_dir) as hydra:
        config = compose(hydra, overrides)
        plan = Plan.read(plain(config[GROUP]), GROUP)
        settings = settings_of(config, config.hydra)
        stated = plain(config.scenario)
    design = designed(plan, settings)
    settings = explored_settings(settings, design)
    at_settings = AtSettings(treated_arms, (design.settings[0], *_ends(design)))
    at_settings(settings)  # here already, so that a bad range is told before any work
    about = {
        "scenario": list(treated_arms(settings))[-1],
        "command": _command(given, settings.replications),
        "words": [_word(one.key, stated) for one in design.levers],
        "files": {name: {key: one for key, one in node.items() if key != "variants"} for name, node in stated.items()},
    }  # fmt: skip
    return Asked(settings, design, about)


def _ends(design: Design) -> tuple[dict[str, float], ...]:
    """The settings at the lowest and at the highest values of all levers."""
    return tuple({one.key: getattr(one, end) for one in design.levers} for end in ("low", "high"))


def _command(given: Namespace, replications: object) -> str:
    """The command that runs a setting, as far as it does not depend on the setting."""
    own = ("levers=", "sliders=", "size=", f"{GROUP}.", f"{GROUP}=", "arms=")
    words = [word for word in given.overrides if not word.startswith(own)]
    fixed = [] if any(word.startswith("replications=") for word in words) else [f"replications={replications}"]
    folder = ["--config-dir", str(given.config_dir)] if given.config_dir else []
    code = ["--own-code"] if given.own_code else []
    return shlex.join(["cxsim", "run", *folder, *code, *words, *fixed, "arms=total"])


def _word(key: str, stated: Mapping[str, Any]) -> str:
    """The word before the value that sets a lever by hand; `++` where the scenario's file leaves the option out."""
    try:
        reduce(lambda node, part: node[part], key.split(".")[1:], stated)
    except (KeyError, TypeError):
        return f"++{key}="
    return f"{key}="


def _folder(overrides: list[str]) -> Path:
    """A folder whose name depends on what is explored."""
    same = sorted(word for word in overrides if not word.startswith(NOT_IDENTITY))
    chosen = next((word.partition("=")[2] for word in same if word.startswith("scenario=")), "explore")
    name = "".join(letter for letter in chosen if letter.isalnum() or letter in "_+-") or "explore"
    return Path("explorations") / f"{name}-{hashlib.sha256(chr(10).join(same).encode()).hexdigest()[:8]}"
