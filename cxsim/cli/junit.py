"""JUnit XML, the form in which hosted CI shows what failed: one test suite, a case per name.

Of the many dialects this writes what all of them read: `testsuite` with counts, `testcase` with `failure` (it ran and
did not hold) or `error` (it could not run), the report in the text. No times: a report of the same answers is the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from sim.run.folder import replace_text

FAILURE, ERROR = "failure", "error"

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way of writing, not even escaped (section 2.2)."""


class Case(NamedTuple):
    """One case: its name, what it told, and FAILURE, ERROR or nothing where it held."""

    name: str
    lines: Sequence[str]
    kind: str = ""


def write(path: Path, suite: str, cases: Sequence[Case]) -> None:
    """Write the cases, whole or not at all. Raises OSError."""
    counts = {f"{kind}s": str(sum(case.kind == kind for case in cases)) for kind in (FAILURE, ERROR)}
    top = ElementTree.Element("testsuites")
    node = ElementTree.SubElement(top, "testsuite", {"name": legal(suite), "tests": str(len(cases)), **counts})
    for case in cases:
        below = ElementTree.SubElement(node, "testcase", {"classname": legal(suite), "name": legal(case.name)})
        told = legal("\n".join(case.lines))
        if case.kind:
            message = legal(case.lines[0] if case.lines else case.kind)
            ElementTree.SubElement(below, case.kind, {"message": message}).text = told
        else:
            ElementTree.SubElement(below, "system-out").text = told
    ElementTree.indent(top)
    replace_text(path, '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(top, "unicode") + "\n")


def legal(text: str) -> str:
    """The text with what XML cannot hold shown as the replacement character."""
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
