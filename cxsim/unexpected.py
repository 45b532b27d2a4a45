"""The outermost handler: an error that nobody foresaw becomes one line and a file with the traceback."""

from __future__ import annotations

import os
import tempfile
import traceback
from datetime import datetime
from pathlib import Path

from sim.phrases import Phrase

KEPT = 20
"""Files of errors that are kept in a folder; older ones are removed."""


def told(error: BaseException) -> Phrase:
    """Write the traceback into a file of the user's; the line that says so."""
    kind = type(error).__name__
    text = "".join(traceback.format_exception(error))
    for folder in _places():
        try:
            file = _kept(folder, text)
        except OSError:
            continue
        return Phrase("an unexpected error ({kind}); the traceback is in {file}", kind=kind, file=file)
    return Phrase("an unexpected error ({kind}); no place could be found to write the traceback", kind=kind)


def _places() -> list[Path]:
    """The user's folder for what programs note down, else the system's for what is temporary."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return [Path(state) / "cxsim" / "errors", Path(tempfile.gettempdir()) / f"cxsim-errors-{user}"]


def _kept(folder: Path, text: str) -> Path:
    """Write a text into a file of the folder, whose oldest files are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{os.getpid()}.txt"
    file.write_text(text, encoding="utf-8", errors="backslashreplace")
    for old in sorted(folder.glob("*.txt"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return file
