"""Every file and module that a page or a docstring names is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import cxsim
from tests.docs.commands import PAGES, ROOT

CODE = ("agents", "analysis", "benchmarks", "cxsim", "hydra_plugins", "scenarios", "sim", "tests")
FOLDERS = "|".join((*CODE, "conf", "docs", "examples"))
PATH = re.compile(rf"(?<![\w/.-])(?:{FOLDERS})/[\w/.-]*\.(?:py|md|yaml|yml|csv\.gz|csv|j2|po|png)\b")
FOLDER = re.compile(rf"`((?:{FOLDERS})/[\w/-]*/?)`")
MODULE = re.compile(rf"`((?:{'|'.join(CODE)})(?:\.(?!parquet)\w+)+)`")
READERS = {"scenarios/mine.py", "tests/scenarios/test_mine.py"}
"""Files that a reader makes."""

OTHERWISE = {"cxsim.interventions", *(f"cxsim.{name}" for name in cxsim.__all__)}
"""The entry-point group, and what `cxsim` imports when it is first used."""

MADE_UP = re.compile(r"NAME|/mine\b")
"""What stands for a name in a path."""

SOURCES = sorted(file for folder in CODE for file in (ROOT / folder).rglob("*.py"))


def texts(file: Path) -> Iterator[str]:
    """What a file says to its reader: a page's text, a module's docstrings."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        yield text
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def missing(text: str) -> set[str]:
    """Files, folders and modules named in a text that are not there."""
    paths = {*PATH.findall(text), *FOLDER.findall(text)}
    gone = {path for path in paths - READERS if not MADE_UP.search(path) and not (ROOT / path).exists()}
    modules = set(MODULE.findall(text)) - OTHERWISE
    return gone | {name for name in modules if not _defined(name.split("."))}


def _defined(parts: list[str]) -> bool:
    """Whether a dotted name is a package, a module, or what a module defines or imports at its top."""
    for length in range(len(parts), 0, -1):
        place, rest = ROOT.joinpath(*parts[:length]), parts[length:]
        file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if place.is_dir() or file.is_file():
            return not rest or (file.is_file() and _says(file.read_text(encoding="utf-8"), rest[0]))
    return False


def _says(code: str, name: str) -> bool:
    return re.search(rf"^(?:(?:def |class )?{name}\b|from .*import.*\b{name}\b)", code, flags=re.MULTILINE) is not None


@pytest.mark.parametrize(
    "file",
    [page for page in PAGES if page.name != "CHANGELOG.md"],  # which tells of what was
    ids=lambda file: file.relative_to(ROOT).as_posix(),
)
def test_what_a_page_names_is_there(file: Path) -> None:
    assert {name for text in texts(file) for name in missing(text)} == set()


def test_what_docstrings_name_is_there() -> None:
    gone = {(str(file), name) for file in SOURCES for text in texts(file) for name in missing(text)}
    assert gone == set()


def test_a_name_that_is_not_there_is_found_out() -> None:
    there = "`sim/run/`, `sim.tables.METRICS` and sim/tables.py"
    text = f"See `sim/nowhere.py`, `sim.nowhere`, `sim.tables.NOTHING`, docs/nowhere.md; {there} are there."
    assert missing(text) == {"sim/nowhere.py", "sim.nowhere", "sim.tables.NOTHING", "docs/nowhere.md"}
