"""Damaged configurations are refused in a line, or understood. See `tests.faults.mutations` for many of them."""

from __future__ import annotations

import pytest

from tests.faults.mutations import SCENARIO, WORDS, Mutation, answered, failures, mutation


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """What all need is imported and compiled, and an undamaged configuration is understood."""
    assert answered(Mutation(SCENARIO.encode(), WORDS)) == ""


@pytest.mark.parametrize("number", range(30))
def test_a_damaged_configuration_is_told_in_a_line(number: int) -> None:
    answered(mutation(1, number))


@pytest.mark.slow
def test_a_thousand_hold() -> None:
    assert not list(failures(2, range(1000)))
