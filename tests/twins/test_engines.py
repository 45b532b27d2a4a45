"""The two engines live the same lives to the last bit, whatever the order in which agents are walked."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from sim.world.constants import World
from sim.world.model import Arm, CXModel
from sim.world.pilot import piloted
from tests.worlds import BUSY, differences, everything, lived, settings, treated

SMALL = (
    "customers=2000", "days=200", "burn_in=30", "+calendar.seasons.peak={dates: 05-31..06-19, multiplier: 1.8}",
    "company.capacity=0.84",
)  # fmt: skip
BOTH = "norush_coupon+peach_popup"
CASES = {
    "baseline": ("scenario=baseline", *SMALL),
    "norush_coupon": ("scenario=norush_coupon", *SMALL),
    "norush_coupon_peak": ("scenario=norush_coupon_peak", *SMALL),
    "peach_popup": ("scenario=peach_popup", *SMALL),
    BOTH: ("scenario=[norush_coupon,peach_popup]", *SMALL),
    "episode": ("scenario=[norush_coupon,peach_popup]", "behaviour.attrition.clock.value=episode", *SMALL),
    "idle": ("scenario=norush_coupon", "behaviour.attrition.idleness.value=0.1", *SMALL),
}


@lru_cache(maxsize=16)
def case(name: str) -> tuple[World, Arm]:
    found = settings(*CASES[name], *BUSY)
    arm = {"baseline": "", "episode": BOTH, "idle": "norush_coupon"}.get(name, name)
    return piloted(found, 5), treated(found, arm) if arm else Arm()


@lru_cache(maxsize=16)
def by_column(name: str) -> CXModel:
    world, arm = case(name)
    return lived(world, arm)


def test_much_happens_in_these_worlds() -> None:
    """An identity of two idle worlds would prove nothing."""
    rows = by_column(BOTH).recorder.rows
    happened = (
        "visits", "orders", "orders_express", "orders_norush", "acquired", "new_lapsed", "coupons_issued",
        "coupons_redeemed", "coupons_expired", "impressions", "clicks", "backlog", "late", "cancelled", "contacts",
        "abandoned",
        "wait_minutes", "talk_positive", "talk_negative",
    )  # fmt: skip
    assert {name: int(rows[name].sum()) for name in happened if rows[name].sum() < 40} == {}
    assert len(np.unique(by_column(BOTH).world.season)) > 10
    assert (by_column(BOTH).world.capacity == 0).any()
    assert len(by_column(BOTH).recorder.censuses) == 4


@pytest.mark.slow  # tests/scenarios compares the engines in every scenario, in a smaller world
@pytest.mark.parametrize("name", ["baseline", "norush_coupon", "norush_coupon_peak", "peach_popup", BOTH])
def test_engines_agree_to_the_last_bit(name: str) -> None:
    world, arm = case(name)
    assert differences(by_column(name), lived(world, arm, "agent")) == []


def test_engines_agree_under_the_episode_clock_with_agents_shuffled() -> None:
    world, arm = case("episode")
    assert differences(by_column("episode"), lived(world, arm, "agent", shuffle=True)) == []
    assert len(np.unique(by_column("episode").customers.columns.of("lapse_day"))) > 80


@pytest.mark.slow
@pytest.mark.parametrize("name", ["baseline", "norush_coupon", "norush_coupon_peak", "peach_popup", BOTH])
def test_the_order_of_agents_does_not_matter(name: str) -> None:
    world, arm = case(name)
    assert differences(by_column(name), lived(world, arm, "agent", shuffle=True)) == []


@pytest.mark.slow
def test_engines_agree_where_idleness_speeds_up_lapse() -> None:
    world, arm = case("idle")
    assert differences(by_column("idle"), lived(world, arm, "agent")) == []
    assert differences(by_column("idle"), by_column("norush_coupon")) != []


def test_a_single_bit_would_be_noticed() -> None:
    world, arm = case("baseline")
    one, other = lived(world, arm, until=-20), lived(world, arm, until=-20)
    assert differences(one, other) == []
    told = other.customers.columns.of("expect_site")
    told[17] = np.nextafter(told[17], np.float32(9))
    assert differences(one, other) == ["customer expect_site"]
    assert "wallets" in everything(one)
