"""Pages register kinds of interventions: each test forgets them."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture(autouse=True)
def _no_kinds_left(forget_kinds: Callable[[], None]) -> None:
    """Of every test here."""
