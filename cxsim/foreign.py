"""What the system refuses, in the words of the catalogue."""

from __future__ import annotations

import errno

from analysis.style.language import N_
from sim.phrases import Phrase

REFUSALS = {
    errno.ENOENT: N_("No such file or directory"),
    errno.ENOSPC: N_("No space left on device"),
    errno.EACCES: N_("Permission denied"),
    errno.EROFS: N_("Read-only file system"),
    errno.ENOTDIR: N_("Not a directory"),
    errno.EISDIR: N_("Is a directory"),
    errno.EEXIST: N_("File exists"),
}


def of_the_system(error: OSError) -> Phrase:
    """What the system refused, and of which file."""
    problem = Phrase(REFUSALS.get(error.errno or 0) or str(error.strerror or error))
    return Phrase("{place}: {problem}", place=error.filename, problem=problem) if error.filename else problem
