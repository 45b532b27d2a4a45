"""What others say in finished English, in the words of the catalogue: argparse, the system."""

from __future__ import annotations

import re

from analysis.style.language import N_
from sim.phrases import Phrase

OF_ARGPARSE = (
    N_("unrecognized arguments: {words}"),
    N_("the following arguments are required: {words}"),
    N_("argument {name}: invalid int value: {value}"),
    N_("argument {name}: invalid float value: {value}"),
    N_("argument {name}: invalid choice: {value} (choose from {names})"),
    N_("argument {name}: expected one argument"),
)

OF_THE_SYSTEM = (
    N_("No such file or directory"), N_("No space left on device"), N_("Permission denied"),
    N_("Read-only file system"), N_("Not a directory"), N_("Is a directory"), N_("File exists"),
)  # fmt: skip


def of_argparse(line: str) -> Phrase | str:
    """The phrase that an error line of argparse says; a line that is none of these as it stands."""
    for message in OF_ARGPARSE:
        match = re.fullmatch(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(message)), line)
        if match:
            return Phrase(message, **match.groupdict())
    return line


def of_the_system(error: OSError) -> Phrase:
    """What the system refused, and of which file."""
    problem = Phrase(str(error.strerror or error))
    return Phrase("{place}: {problem}", place=error.filename, problem=problem) if error.filename else problem
