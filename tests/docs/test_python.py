"""docs/python.md and the notebook that it names run as they stand, and the notebook's outputs are what its cells give.

`python -m tests.docs.test_python` executes the notebook anew after a change of its cells.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import pytest

from sim.run.provenance import ROOT
from tests.docs import notebook

PAGE = ROOT / "docs" / "python.md"
NOTEBOOK = ROOT / "examples" / "first_look.ipynb"
DATED = re.compile(r"runs/\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(-\d+)?")


@pytest.mark.usefixtures("unpictured")
def test_the_pages_snippets_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    snippets = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(snippets) >= 4
    for number, code in enumerate(snippets, start=1):
        exec(compile(code, f"docs/python.md, snippet {number}", "exec"), names)


@pytest.mark.usefixtures("unpictured")
def test_the_notebooks_outputs_are_what_its_cells_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stored = notebook.read(NOTEBOOK)
    for cell, found in zip(notebook.code_cells(stored), notebook.executed(stored), strict=True):
        given, kept = ([DATED.sub("runs/DATE_TIME", text) for text in notebook.texts(own)] for own in
                       (found, cell["outputs"]))  # fmt: skip
        assert given == kept, "".join(cell["source"])


if __name__ == "__main__":
    stored = notebook.read(NOTEBOOK)
    os.chdir(tempfile.mkdtemp())
    notebook.write(NOTEBOOK, stored, notebook.executed(stored))
