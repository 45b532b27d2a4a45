"""Pages without their pictures, for tests that look at words and tables, or at no page at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from analysis.report import figures
from analysis.style import look
from sim.files.disk import write_bytes, write_text

BLANK = "<svg/>"


@contextmanager
def without_pictures() -> Iterator[None]:
    """Reports have no figures of effects, and all others are blank: to draw them takes two thirds of a tiny run."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("figures", "level_figures"):
            patched.setattr(figures, name, lambda *_: {})
        patched.setattr(look, "save", _blank)
        yield


def _blank(_figure: object, stem: Path) -> tuple[str, bytes]:
    write_bytes(stem.with_name(f"{stem.name}.png"), b"")
    write_text(stem.with_name(f"{stem.name}.svg"), BLANK)
    return BLANK, b""
