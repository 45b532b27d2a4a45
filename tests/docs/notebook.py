"""A notebook's code cells, run as a kernel runs them: what each prints, shows and draws."""

from __future__ import annotations

import ast
import base64
import io
import json
import linecache
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

Output = dict[str, Any]


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def executed(notebook: dict[str, Any]) -> list[list[Output]]:
    """The outputs of every code cell, run in order in one namespace."""
    names: dict[str, Any] = {"__name__": "__main__"}
    return [outputs("".join(cell["source"]), names, n) for n, cell in enumerate(code_cells(notebook), start=1)]


def outputs(source: str, names: dict[str, Any], number: int) -> list[Output]:
    """What a cell puts out: its stream, its figures, and its last expression's value."""
    file = f"cell {number}"
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    body = ast.parse(source).body
    silent = not isinstance(body[-1], ast.Expr) or source.rstrip().endswith(";")
    last = None if silent else body.pop()
    with redirect_stdout(io.StringIO()) as printed:
        # A cell does not inherit this file's `from __future__ import annotations`.
        exec(compile(ast.Module(body, []), file, "exec", dont_inherit=True), names)
        value = None
        if last is not None:
            value = eval(compile(ast.Expression(last.value), file, "eval", dont_inherit=True), names)
    found: list[Output] = []
    if printed.getvalue():
        found.append({"output_type": "stream", "name": "stdout", "text": _lines(printed.getvalue())})
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        if hasattr(value, "_repr_html_"):
            data["text/html"] = _lines(value._repr_html_())
        found.append({"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": data})
    return [*found, *_figures()]


def _figures() -> list[Output]:
    """Open figures as pictures; closed, as a notebook closes them."""
    from matplotlib import pyplot

    found = []
    for number in pyplot.get_fignums():
        picture = io.BytesIO()
        pyplot.figure(number).savefig(picture, format="png", dpi=72, metadata={"Software": None})
        pyplot.close(number)
        data = {"image/png": base64.b64encode(picture.getvalue()).decode(), "text/plain": ["<Figure>"]}
        found.append({"output_type": "display_data", "metadata": {}, "data": data})
    return found


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def texts(found: list[Output]) -> list[str]:
    """The texts of a cell's outputs, by which two executions are compared."""
    return ["".join(one["text"] if "text" in one else one["data"]["text/plain"]) for one in found]


def write(path: Path, notebook: dict[str, Any], found: list[list[Output]]) -> None:
    """The notebook with these outputs."""
    for number, (cell, own) in enumerate(zip(code_cells(notebook), found, strict=True), start=1):
        cell |= {"execution_count": number, "outputs": own}
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
