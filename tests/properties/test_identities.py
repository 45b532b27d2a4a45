"""Relations that hold to the last bit: nothing done changes nothing, what is replayed repeats, names do not matter."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from agents.columns import ATTRIBUTES
from sim.config.settings import Settings
from sim.world.constants import World
from sim.world.model import Arm, CXModel, Snapshot, burnt_in, founded
from sim.world.pilot import piloted
from tests.worlds import BUSY, arm_from, changed, differences, free_world, lived, placed, raw, settings, treated

SMALL = (
    "customers=2000", "days=120", "burn_in=40", "+calendar.seasons.peak={dates: 03-02..03-21, multiplier: 1.8}", *BUSY,
    "company.capacity=0.84",
)  # fmt: skip
BOTH = "norush_coupon+peach_popup"


@lru_cache(maxsize=4)
def busy(clock: str = "time", promise: str = "static") -> tuple[Settings, World, Snapshot, CXModel]:
    """Settings, world, its midnight, and the baseline from there."""
    firm = f"behaviour.attrition.clock.value={clock}", f"company.promise={promise}"
    found = settings("scenario=[norush_coupon,peach_popup]", *firm, *SMALL)
    world = piloted(found, 21)
    start = burnt_in(world)
    return found, world, start, arm_from(world, start)


@pytest.mark.parametrize(
    ("arm", "option", "none", "least"),
    [("norush_coupon", "face", "0", "1"), ("peach_popup", "holdout", "1.0", "0.99")],
)
def test_an_intervention_of_no_effect_changes_not_one_bit(arm: str, option: str, none: str, least: str) -> None:
    _, world, start, baseline = busy()

    def at(value: str) -> CXModel:
        stated = f"scenario.{arm}.interventions.{arm}"
        free = f"++{stated}.costs={{setup: 0, per_day: 0}}"
        found = settings(f"scenario={arm}", f"{stated}.{option}={value}", free, *SMALL)
        return arm_from(world, start, treated(found, arm))

    assert differences(baseline, at(none)) == ["customer eligible"]
    assert len(differences(baseline, at(least))) > 10


def test_offers_to_nobody_change_nothing_but_who_is_eligible() -> None:
    found, world, start, baseline = busy()
    seen = arm_from(world, start, Arm(placed(found, BOTH)))
    assert differences(baseline, seen) == ["customer eligible"]


@pytest.mark.parametrize("clock", ["time", "episode"])
@pytest.mark.parametrize(("talk", "congestion"), [(True, True), (True, False), (False, True), (False, False)])
def test_the_baseline_replayed_is_the_baseline(talk: bool, congestion: bool, clock: str) -> None:
    """The key test of the four interfaces: what is recorded is all that customers take from one another."""
    _, world, start, baseline = busy(clock)
    rows = baseline.recorder.rows
    busiest = ("backlog", "late", "cancelled", "wait_minutes", "talk_negative", "talk_positive")
    assert min(rows[name].sum() for name in busiest) > 50
    arm = Arm(recorded=baseline.recording(), replay_talk=talk, replay_congestion=congestion)
    assert differences(baseline, arm_from(world, start, arm)) == []


@pytest.mark.parametrize("congestion", [True, False])
def test_a_baseline_whose_promises_follow_the_backlog_is_replayed_too(congestion: bool) -> None:
    found, world, start, baseline = busy("time", "backlog")
    recorded = baseline.recording()
    assert sum(any(longer) for longer in recorded.shipping.longer.values()) > 20
    arm = Arm(recorded=recorded, replay_talk=True, replay_congestion=congestion)
    assert differences(baseline, arm_from(world, start, arm)) == []
    assert len(differences(busy("time")[3], baseline)) > 10
    live = arm_from(world, start, treated(found, BOTH)).recorder.rows["late"].sum()
    direct = arm_from(world, start, replace(treated(found, BOTH), recorded=recorded, replay_congestion=True))
    assert direct.recorder.rows["late"].sum() != live


def test_a_recording_of_another_world_is_not_the_baseline() -> None:
    """Replaying matters: each interface of a treated world, replayed into an untreated one, moves it."""
    found, world, start, baseline = busy()
    other = arm_from(world, start, treated(found, BOTH)).recording()
    for talk, congestion in ((True, False), (False, True)):
        arm = Arm(recorded=other, replay_talk=talk, replay_congestion=congestion)
        assert differences(baseline, arm_from(world, start, arm)) != []


def test_a_persona_split_into_twins_is_the_same_persona() -> None:
    mix = raw("scenario=baseline")["personas"]["mix"]
    split = {}
    for name, one in mix.items():
        if name == "bargain":
            split["bargain_a"], split["bargain_b"] = one | {"share": 0.15}, one | {"share": 0.2}
        else:
            split[name] = one
    whole = settings("scenario=norush_coupon", *SMALL)
    halves = changed({"personas.mix": split}, "scenario=norush_coupon", *SMALL)
    one = lived(free_world(whole, 3), treated(whole, "norush_coupon"))
    other = lived(free_world(halves, 3), treated(halves, "norush_coupon"))
    assert differences(one, other) == ["customer declared", "customer persona"]
    merged = np.array([0, 1, 1, 2, 3])
    for name in ("persona", "declared"):
        mine, twin = one.customers.columns.of(name), other.customers.columns.of(name)
        assert (merged[twin] == mine).all()
        assert len(np.unique(twin)) == 5


def test_better_quality_never_lowers_satisfaction() -> None:
    """With no feedback on visits or lapse, no talk, messages or support, and capacity for all."""
    found = settings(
        "scenario=baseline", "behaviour.choice.expectation_slope=0", "behaviour.attrition.satisfaction_slope=0",
        "behaviour.talk.base=0", "behaviour.talk.positive=0", "behaviour.talk.negative=0",
        "behaviour.support.contact_base=0", "behaviour.support.contact_bad=0", *SMALL,
    )  # fmt: skip
    world = free_world(found, 8)
    plain = lived(world)
    for touchpoint in range(4):
        quality = list(world.traits.quality)
        quality[touchpoint] += 0.3
        better = replace(world, traits=world.traits._replace(quality=tuple(quality)))
        model = CXModel(better, founded(world))
        model.run(world.days)
        gain = model.customers.columns.of("satisfaction").astype(float) - plain.customers.columns.of("satisfaction")
        moved = model.customers.columns.of("delivered") > 0 if touchpoint != 1 else gain != 0
        assert gain.min() >= -1e-5  # stored as float32
        assert (gain[moved] > 0).mean() > 0.9
        assert (model.customers.columns.of("bought") == plain.customers.columns.of("bought")).all()


def test_one_customer_more_changes_nothing_without_talk() -> None:
    few, many = newcomer("behaviour.talk.base=0", "behaviour.talk.positive=0", "behaviour.talk.negative=0")
    assert changed_rows(few, many) == set()
    assert few.recorder.rows["orders"].sum() > 1000


def test_one_customer_more_changes_only_whom_it_can_reach() -> None:
    few, many = newcomer()
    reached = causally_reached(few, many)
    moved = changed_rows(few, many)
    assert moved
    assert moved <= reached
    assert len(reached) < len(few.customers) / 3


def newcomer(*overrides: str) -> tuple[CXModel, CXModel]:
    """The same market without and with one customer more: nothing public, room for every order and call."""
    common = (
        "scenario=baseline", "market.network.public_share=0", "days=160", "burn_in=30", *BUSY,
        "market.status={unaware: 0.1, aware: 0.2, customer: 0.7}",
    )  # fmt: skip
    few, many = (settings(f"customers={n}", *common, *overrides) for n in (3000, 3001))
    return lived(free_world(few, 31)), lived(free_world(many, 31))


def changed_rows(few: CXModel, many: CXModel) -> set[int]:
    """Rows of the smaller market that are not to the bit what they are in the larger one."""
    n = len(few.customers)
    one, other = few.customers.columns, many.customers.columns
    moved = np.zeros(n, bool)
    for name in ATTRIBUTES:
        if name != "coupon":
            a, b = np.ascontiguousarray(one.of(name)), np.ascontiguousarray(other.of(name)[:n])
            moved |= (a.view(np.uint8) != b.view(np.uint8)).reshape(n, -1).any(axis=1)
    return set(np.flatnonzero(moved).tolist())


def neighbours(model: CXModel) -> list[tuple[int, ...]]:
    network = model.customers.network
    return [tuple(sorted(network.ties[a:b].tolist())) for a, b in zip(network.start, network.start[1:], strict=False)]


def causally_reached(few: CXModel, many: CXModel) -> set[int]:
    """Day by day: whom a changed talker, or a talker over a tie that is not in both networks, has told anything."""
    small, large = neighbours(few), neighbours(many)
    newest = len(small)
    reached = {newest}
    for day in sorted(many.talks):
        before = set(reached)
        for talker in {*few.talks[day].row.tolist(), *many.talks[day].row.tolist()}:
            now, then = list(large[talker]), list(small[talker]) if talker < newest else []
            if talker in before:
                reached |= {*now, *then}
            else:
                for tie in {*now, *then}:
                    if now.count(tie) != then.count(tie):
                        reached.add(tie)
    reached.discard(newest)
    return reached
