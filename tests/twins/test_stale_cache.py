"""An edited rule is never answered by code compiled before the edit."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

from agents.compiled import SOURCES, _imported

ROOT = Path(__file__).resolve().parents[2]

ASK = """
import numpy as np
from agents.behaviour import Rules, pack
from agents.columns import CUSTOMER, new_columns
from agents.records import new_visits
from sim.company.ledger import _book_visits
from sim.world.engines import _start
rules = pack(Rules(*[0.5] * len(Rules._fields)))
columns = new_columns(2)
columns.status[:] = CUSTOMER
columns.of("rate")[:] = 0.25
_start(columns, rules, 3)
visits = new_visits(np.array([1], np.int32))
visits["kind"], visits["basket"] = 1, 1000
_book_visits(columns, rules, visits, 30)
print(columns.bound[0], columns.of("npv")[1])
"""


def ask(folder: Path) -> tuple[float, float]:
    """(a bound, a present value) as a fresh process computes them from the sources in `folder`."""
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    env |= {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", ASK], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    bound, value = done.stdout.split()
    return float(bound), float(value)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def caches(folder: Path) -> set[str]:
    return {path.name for path in (folder / "cache" / "cxsim").iterdir()}


def parsed(source: str) -> set[str]:
    """What a module imports, as Python's own parser has it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_no_import_is_overlooked() -> None:
    """Found by a pattern, which takes a tenth of the parser's time; it may find too many."""
    made = "def f():\n    from a.b import (  # c)\n        d as e,  # (\n        g,\n    )\nimport h, \\\n    i.j\n"
    sources = [path.read_text(encoding="utf-8") for folder in SOURCES for path in (ROOT / folder).rglob("*.py")]
    for source in (made, *sources):
        assert parsed(source) - set(_imported(source)) == set()
    assert {"a.b.d", "a.b.g", "h", "i.j"} <= parsed(made)


def test_an_edited_rule_is_compiled_again_and_an_old_one_found_again(tmp_path: Path) -> None:
    for package in ("agents", "sim"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    behaviour, ledger = tmp_path / "agents" / "behaviour.py", tmp_path / "sim" / "company" / "ledger.py"
    first = ask(tmp_path)
    one = caches(tmp_path)
    assert len(one) == 1
    assert any((tmp_path / "cache").rglob("*.nbi"))

    edit(
        behaviour,
        "visit_rate(r, reference, 1.0, coupon, activated, 0.0) * 1.000001",
        "visit_rate(r, reference, 1.0, coupon, activated, 0.0) * 2.0",
    )
    edited = ask(tmp_path)
    assert 1.99 < edited[0] / first[0] < 2.01  # the rule is called by compiled code of another file
    assert edited[1] == first[1]

    factor = "math.exp(-r.discount_rate * day / DAYS_PER_YEAR)"
    edit(ledger, factor, f"0.5 * {factor}")
    again = ask(tmp_path)
    assert again[0] == edited[0]
    assert again[1] == 0.5 * first[1]
    assert len(caches(tmp_path)) == 3

    edit(behaviour, "activated, 0.0) * 2.0", "activated, 0.0) * 1.000001")
    edit(ledger, "0.5 * math.exp(-r.discount_rate", "math.exp(-r.discount_rate")
    files = sorted((tmp_path / "cache").rglob("*.nb?"))
    assert ask(tmp_path) == first
    assert sorted((tmp_path / "cache").rglob("*.nb?")) == files  # found, not compiled again
