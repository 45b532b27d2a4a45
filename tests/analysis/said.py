"""Every text that a person reads: what the sources mark for the catalogue, and what stands in tables and in conf/."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from cxsim import cli
from sim import tables
from sim.run.provenance import ROOT

KEYWORDS = {"_": None, "N_": None}
SOURCES = sorted([*(ROOT / "analysis").rglob("*.py"), *(ROOT / "sim" / "cli").rglob("*.py")])
TEMPLATES = sorted((ROOT / "analysis" / "templates").glob("*.j2"))
WORLD = ("company", "personas", "market", "behaviour")


def texts() -> dict[str, str]:
    """Each text that must have a translation, with a place where it stands."""
    return {text: place for text, place in _all() if text}


def _all() -> Iterator[tuple[str, str]]:
    for path in SOURCES:
        yield from marked(path, "python")
    for path in TEMPLATES:
        yield from marked(path, "jinja2.ext:babel_extract")
    for table in vars(tables).values():
        for row in table if isinstance(table, tuple) else ():
            if isinstance(row, tables.Metric):
                yield from ((text, "sim/tables.py") for text in (row.label, row.meaning, row.unit))
    yield from ((what, "cxsim/cli/__init__.py") for _use, what in cli.HELP)
    for path in sorted((ROOT / "conf").rglob("*.yaml")):
        yield from ((text, str(path.relative_to(ROOT))) for text in of_configuration(path))


def marked(path: Path, method: str) -> Iterator[tuple[str, str]]:
    """Texts within _() and N_() of a file."""
    for line, text, _comments, _context in extract(method, io.BytesIO(path.read_bytes()), KEYWORDS):
        yield str(text), f"{path.relative_to(ROOT)}:{line}"


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


RAISED = ("ConfigError", "KeyFault", "FitError", "LogError", "RunError")
SAID_BY = {
    "outcome": "a worker process was killed, most likely for want of memory",
    "message": "unrecognized arguments: a1",
    "allowed": "from 0 to 1",
    "more": "",
}
"""What stands in places that hold a line of their own, by what fills them."""
SPEAKERS = ("sim", "scenarios", "analysis", "hydra_plugins")


def lines() -> dict[str, str]:
    """A sample of every line that is raised as an error a person can mend, with the place where it is raised."""
    found = {}
    for folder in SPEAKERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                    line = _sample(node.exc.args[-1])
                    if ast.unparse(node.exc.func) in RAISED and line:
                        found[line] = f"{path.relative_to(ROOT)}:{node.lineno}"
    return found


def _sample(node: ast.expr) -> str:
    """What a string of the sources would say; empty where it is not written there."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_sample(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _value(ast.unparse(node.value))
    return ""


def _value(expression: str) -> str:
    """What would stand in a place, by what fills it."""
    if expression in SAID_BY:
        return SAID_BY[expression]
    if "error" in expression:
        return "b1: is missing"
    if "nearest(" in expression or expression.endswith("hint"):
        return "; did you mean c?"
    if "listed(" in expression:
        return "one of a, b"
    return "from 0 to 1" if expression.endswith("bounds") else "a1"


def main() -> None:
    """List what the catalogue lacks, and what it holds that nobody says any more."""
    with (ROOT / "analysis" / "locale" / "ja.po").open("rb") as file:
        known = {str(entry.id) for entry in read_po(file) if entry.id and entry.context is None}
    said = texts()
    for text in said.keys() - known:
        print(f"missing  {said[text]}  {text!r}")
    for text in known - said.keys():
        print(f"stale  {text!r}")


if __name__ == "__main__":
    main()
