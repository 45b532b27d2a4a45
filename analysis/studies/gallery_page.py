"""The scenarios on one page: what each is about, what it moves, whom it acts on, and how to run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any

from analysis.decisions.variants import option_named
from analysis.style import page, words
from analysis.style.language import N_, _, language
from sim.tables import COMPANY_WIDE, SHOCKS

LEVERS = ("face", "valid_days", "within_days", "every", "holdout")
"""Options that a firm chooses and that can be moved."""

OF_MESSAGES = ("every",)
"""Options whose words are those of messages."""

WHOM = {
    "shock": N_("Nobody chooses it: it shows what it would cost, and no verdict is given."),
    "everybody": N_(
        "It acts on everybody at once: the verdict is to go or to stop, since no test can leave some of them out."
    ),
    "treated": N_("It acts on whoever is treated: the verdict is to go, to test first or to stop."),
    "nobody": N_("Nothing is added: what all others are compared with."),
}
"""What can be decided about a scenario."""


def gallery(scenarios: Mapping[str, Mapping[str, Any]], config_dir: str | None) -> str:
    """The page, in the language in use. scenarios: contents of their files by name."""
    folder = f" --config-dir {quote(config_dir)}" if config_dir else ""
    cards = [_card(name, node, _interventions(node, scenarios), folder) for name, node in scenarios.items()]
    return page.render("gallery.html.j2", {"title": _("What could be tried"), "cards": cards})


def _interventions(node: Mapping[str, Any], scenarios: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Interventions of a scenario, those of others that it is made of before its own."""
    parts = [scenarios[name] for name in map(str, node.get("defaults") or ()) if name in scenarios]
    return {key: one for part in (*parts, node) for key, one in (part.get("interventions") or {}).items()}


def _card(name: str, node: Mapping[str, Any], interventions: Mapping[str, Any], folder: str) -> dict[str, Any]:
    titles = node.get("title") or {}
    moved = [row for one in interventions.values() for row in _moved(one)]
    run = f"cxsim run{folder} scenario={name}"
    levers = _levers([key for key, _value in moved])
    explore = [f"{run.replace('cxsim run', 'cxsim explore')} 'levers=[{','.join(levers)}]'"] if levers else []
    return {
        "name": name,
        "title": str(titles.get(language()) or titles.get("en") or name),
        "description": _(" ".join(str(node.get("description", "")).split())),
        "decision": _(WHOM[_whom(interventions)]),
        "moved": [_("{key} {value}").format(key=option_named(key), value=_told(key, value)) for key, value in moved],
        "commands": [run, *explore],
    }


def _levers(keys: Sequence[str]) -> list[str]:
    """Two options that the firm chooses and that one intervention alone has; none where there are no two."""
    found = [key for key in LEVERS if keys.count(key) == 1][:2]
    return found if len(found) == 2 else []


def _whom(interventions: Mapping[str, Any]) -> str:
    kinds = {str(one.get("kind")) for one in interventions.values()}
    if not kinds:
        return "nobody"
    if not kinds - set(SHOCKS):
        return "shock"
    return "everybody" if kinds & set(COMPANY_WIDE) else "treated"


def _moved(stated: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Options that we have words for, each with the number that an intervention states."""
    found = []
    for key, value in stated.items():
        plain = value.get("value", value.get("mean")) if isinstance(value, Mapping) else value
        of_message = key not in OF_MESSAGES or stated.get("kind") not in COMPANY_WIDE
        if isinstance(plain, int | float) and option_named(str(key)) and of_message:
            found.append((str(key), float(plain)))
    return found


def _told(key: str, value: float) -> str:
    """An option's value with its unit."""
    unit = words.parameter_unit(words.option_unit(f"scenario.x.interventions.x.{key}"))
    amount = words.number(value, 0) if abs(value) >= 1000 else words.plain(value)
    return _("{amount} {unit}").format(amount=amount, unit=unit) if unit else amount
