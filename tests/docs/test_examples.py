"""The examples run, and show what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from sim.run.provenance import ROOT


def test_own_rule_runs_and_makes_a_difference(tmp_path: Path) -> None:
    picture = tmp_path / "own_rule.png"
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "own_rule.py"), str(picture)],
        capture_output=True, text=True, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    said = {name: int(count) for name, count in re.findall(r"(\w+) the rule: (\d+) recommendations", done.stdout)}
    # a rule that only ever silences good words can but lower their number, with the same luck elsewhere
    assert 0 < said["with"] < said["without"]
    assert re.search(r"^silent +[1-9]", done.stdout, flags=re.MULTILINE)
