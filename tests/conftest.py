"""Fixtures for tests of any folder. What they need is imported when it is needed: every process reads this file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def unpictured() -> Iterator[None]:
    """The test's pages have no pictures."""
    from tests.pages import without_pictures

    with without_pictures():
        yield


@pytest.fixture
def forget_kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Forgets the kinds of interventions that a test has registered: another may take the same name.

    Called when the test wants it, and afterwards.
    """
    from scenarios import intervention, own
    from sim.run.provenance import OWN_CODE

    monkeypatch.setenv(OWN_CODE, "")  # put back afterwards, whatever a command makes of it
    intervention._load_all()
    before = dict(intervention.REGISTRY)

    def forget() -> None:
        intervention.REGISTRY.clear()
        intervention.REGISTRY.update(before)
        own._import.cache_clear()

    yield forget
    forget()
