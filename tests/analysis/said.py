"""Every text that a person reads: what the sources mark for the catalogue, and what stands in tables and in conf/."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from cxsim import cli
from scenarios.intervention import USUAL_COSTS
from sim import tables
from sim.calibration import log
from sim.learning import field_test
from sim.run.provenance import ROOT

ERRORS = ("ConfigError", "FitError", "KeyFault", "LanguageError", "LogError", "ReadError", "RunError")
"""Errors that say a phrase."""

KEYWORDS = ("_", "N_", "Phrase", *ERRORS, "super().__init__")
"""Calls whose first argument is a text of the catalogue."""

SOURCES = sorted(
    path for folder in ("analysis", "cxsim", "scenarios", "sim") for path in (ROOT / folder).rglob("*.py")
)
TEMPLATES = sorted((ROOT / "analysis" / "templates").glob("*.j2"))
WORLD = ("company", "personas", "market", "calendar", "behaviour")


def texts() -> dict[str, str]:
    """Each text that must have a translation, with a place where it stands."""
    return {text: place for text, place in _all() if text}


def _all() -> Iterator[tuple[str, str]]:
    for path in SOURCES:
        yield from marked(path)
    for path in TEMPLATES:
        for line, text, _comments, _context in extract("jinja2.ext:babel_extract", path.open("rb"), {"_": None}):
            yield str(text), f"{path.relative_to(ROOT)}:{line}"
    yield from ((text, "sim/calibration/log.py") for text in log.RULES)
    for metric, unit in field_test.UNITS.items():
        yield from ((text, "sim/learning/field_test.py") for text in (metric.replace("_", " "), unit))
    for table in vars(tables).values():
        for row in (table, *(table if isinstance(table, tuple) else ())):
            if isinstance(row, tables.Metric):
                yield from ((text, "sim/tables.py") for text in (row.label, row.meaning, row.unit) if text != "1")
    yield from ((text, "scenarios/intervention.py") for text in _of_parameters(USUAL_COSTS.plain(), ("costs",)))
    yield from ((what, "cxsim/cli/__init__.py") for _use, what in cli.HELP)
    for path in sorted((ROOT / "conf").rglob("*.yaml")):
        yield from ((text, str(path.relative_to(ROOT))) for text in of_configuration(path))


def marked(path: Path) -> Iterator[tuple[str, str]]:
    """Texts that a file of Python marks for the catalogue, by calls of KEYWORDS."""
    for call in calls(path, KEYWORDS):
        for text in literals(call.args[0]):
            yield text, f"{path.relative_to(ROOT)}:{call.lineno}"


def messages() -> list[tuple[str, bool]]:
    """Messages of errors, of progress and of whatever else is said by phrases; whether they are said with values."""
    said = [call for path in SOURCES for call in calls(path, (*ERRORS, "Phrase"))]
    return sorted({(text, bool(call.keywords)) for call in said for text in literals(call.args[0])})


def calls(path: Path, names: Collection[str]) -> list[ast.Call]:
    """Calls in a file of functions of these names, with at least one argument."""
    return [call for call in _calls(path) if _called(call.func) in names]


@cache
def _calls(path: Path) -> list[ast.Call]:
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in tree if isinstance(node, ast.Call) and node.args]


def _called(function: ast.expr) -> str:
    """The name that is called, written out only where it may be one of ours: to write out every call takes seconds."""
    if isinstance(function, ast.Name):
        return function.id
    return ast.unparse(function) if isinstance(function, ast.Attribute) and function.attr == "__init__" else ""


def literals(node: ast.expr) -> list[str]:
    """Texts written out: one, or either of two."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) + literals(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def of_configuration(path: Path) -> Iterator[str]:
    """Texts of a shipped configuration file that a report or a listing shows."""
    node = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    if path.parent.name == "optimise":
        yield from map(last_two, node["levers"])
    if path.parent.name in ("scenario", "optimise"):
        yield str(node["description"])
    if path.parent.name == "personas":
        yield from node["mix"]
    if path.parent.name in (*WORLD, "scenario"):
        yield from _of_parameters(node, (path.parent.name,))
    if path.name == "config.yaml":
        yield from (node["hydra"]["help"][part] for part in ("header", "footer", "template"))


def last_two(key: str) -> str:
    """A parameter's name as `words.parameter` says it."""
    return " ".join(key.split(".")[-2:]).replace("_", " ")


def _of_parameters(node: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Words, unit, grade and source of each parameter; of plain numbers none, since a table shows their keys."""
    if not isinstance(node, dict):
        return
    if "value" in node:
        yield last_two(".".join(path))
        yield from (str(node[part]) for part in ("unit", "source") if part in node and node[part] != "1")
        yield from (option for option in node.get("options", ()) if isinstance(option, str))
    for key, below in node.items():
        yield from _of_parameters(below, (*path, str(key)))


def main() -> None:
    """List what the catalogue lacks, and what it holds that nobody says any more."""
    with (ROOT / "analysis" / "locale" / "ja.po").open("rb") as file:
        known = {str(entry.id) for entry in read_po(file) if entry.id}
    said = texts()
    for text in said.keys() - known:
        print(f"missing  {said[text]}  {text!r}")
    for text in known - said.keys():
        print(f"stale  {text!r}")


if __name__ == "__main__":
    main()
