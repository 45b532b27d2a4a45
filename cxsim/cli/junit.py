"""What was held to its record, as JUnit's XML, which CI services show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from sim.files.disk import write_text

FAILURE, ERROR = "failure", "error"

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way of writing, not even escaped (section 2.2)."""


class Entry(NamedTuple):
    """One case of the XML: its name, its report, and FAILURE, ERROR or nothing if its answer is as recorded."""

    name: str
    lines: Sequence[str]
    kind: str = ""


def write_junit(path: Path, suite: str, cases: Sequence[Entry]) -> None:
    """Write the cases as JUnit's XML, whole or not at all. Raises OSError."""
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
    write_text(path, '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(top, "unicode") + "\n")


def legal(text: str) -> str:
    """The text with what XML cannot hold shown as the replacement character."""
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
