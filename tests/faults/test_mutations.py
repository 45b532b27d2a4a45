"""What is damaged is refused in a line that names it, or understood. `tests.faults.mutations` tries many more."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from tests.faults.damage import names
from tests.faults.mutations import Bench, answered, bench, mutation, trials


@pytest.fixture(scope="module")
def on() -> Iterator[Bench]:
    with bench() as made:
        yield made


def test_what_is_damaged_is_told_in_a_line(on: Bench) -> None:
    kinds = [kind for kind in on.kinds if kind != "text"]
    assert [one for _number, one in trials(on, 1, range(60), kinds) if one.wrong] == []


@pytest.mark.parametrize("number", range(3))
def test_a_configuration_damaged_letter_by_letter_is_told_in_a_line(number: int) -> None:
    answered(mutation(Random(number)))


def test_a_line_names_a_key_or_does_not() -> None:
    line = "scenario.mine.interventions.mail.lift: range: 3 is not allowed"
    assert names(line, ("interventions", "mail", "lift", "range", 1), ("scenario", "mine"))
    assert not names(line, ("interventions", "mail", "cost"), ("scenario", "mine"))
    assert not names(line, ("mine",), ())


@pytest.mark.slow
def test_a_thousand_hold(on: Bench) -> None:
    assert [one for _number, one in trials(on, 2, range(1000), on.kinds) if one.wrong] == []
