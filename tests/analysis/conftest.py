"""One run of a small world for all that is told of single customers."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxsim import cli

SMALL = ("customers=800", "days=60", "burn_in=40", "replications=2", "threads=1")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder, with the journeys of everybody."""
    folder = tmp_path_factory.mktemp("lives") / "run"
    assert cli.main(["run", *SMALL, f"hydra.run.dir={folder}"]) == cli.OK
    return folder
