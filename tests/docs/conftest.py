"""Pages register kinds of interventions: each test forgets them, since another page may take the same name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scenarios import intervention, own
from sim.run.provenance import OWN_CODE


@pytest.fixture(autouse=True)
def _no_kinds_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(OWN_CODE, "")  # put back afterwards, whatever a command makes of it
    intervention._load_all()
    before = dict(intervention.REGISTRY)
    yield
    intervention.REGISTRY.clear()
    intervention.REGISTRY.update(before)
    own._import.cache_clear()
