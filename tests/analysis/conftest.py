"""One run of a small world for all that is told of single customers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cxsim import cli
from tests.analysis.browser import launched
from tests.pages import without_pictures

SMALL = ("customers=800", "days=60", "burn_in=40", "replications=2", "threads=1")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder, with the journeys of everybody."""
    folder = tmp_path_factory.mktemp("lives") / "run"
    with without_pictures():
        assert cli.main(["run", *SMALL, f"hydra.run.dir={folder}"]) == cli.OK
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, once for all pages."""
    with launched() as found:
        yield found
