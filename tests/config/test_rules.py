"""From keys of the configuration to the numbers of the rules."""

from __future__ import annotations

import pytest

from agents.behaviour import Rules
from sim.world.constants import KEYS, key_of, world_of
from tests.worlds import settings


def test_every_number_comes_from_one_key_or_is_derived() -> None:
    """A world is not made where a number has neither; a key put elsewhere puts the number of its name there."""
    before = settings("scenario=baseline")
    known = dict(before.parameters())
    named = {key: name for name in Rules._fields for key in [_key(name)] if key in known}
    assert len(named) > 55
    for key, name in named.items():
        value = min(0.9, known[key].value * 0.9 + 0.01)
        after = world_of(before.at({key: value}), 1).rules
        if name not in ("ad_hazard", "talk_hazard"):  # stated per year
            assert getattr(after, name) == value, key


def _key(name: str) -> str:
    try:
        return key_of(name)
    except ValueError:
        return ""


def test_a_name_that_several_keys_have_is_refused() -> None:
    """The spread of an episode and that of an answer are both called noise_sd."""
    with pytest.raises(ValueError, match=r"behaviour\.experience\.noise_sd and behaviour\.survey\.noise_sd"):
        key_of("noise_sd")
    with pytest.raises(ValueError, match="none"):
        key_of("no_such_number")
    assert len(set(KEYS)) == len(KEYS)
