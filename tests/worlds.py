"""Small worlds for tests: settings as composed, overridden by dotted keys, with references known or piloted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.columns import ATTRIBUTES
from agents.wallet import NONE
from scenarios.intervention import treated_arms
from sim.config.settings import Settings
from sim.run.replication import Placed
from sim.world.constants import References, World, sized, with_references, world_of
from sim.world.model import Arm, CXModel, EngineName, Snapshot, founded
from tests.config.compose import raw, shipped

ONE_YEAR = "days=365"

FITTED = "company=cdnow"
"""A firm of whose dashboard little is known: what is configured stands."""

FLAT = ("calendar=flat",)
"""Every day alike: override lists start from it."""

BUSY = (
    "company.facts.orders_a_month=null",
    "company.facts.active_customers=null",
    "company.facts.repeat_share=null",
    "company.facts.conversion=null",
    "market.status={unaware: 0.3, aware: 0.3, customer: 0.4}",
    "company.purchase.pareto_nbd={r: 0.9, alpha: 2.5, s: 0.606, beta: 11.669}",
    "company.purchase.bg_nbd={r: 0.9, alpha: 2.5, a: 0.4, b: 2.4}",
    "behaviour.awareness.talk_hazard=4.0",
    "behaviour.visits.prospect_rate=0.05",
    "behaviour.choice.conversion_customer=0.3",
    "company.desk.service_minutes=60",
    "company.cancellations={after: 0, daily: 0.5}",
)
"""Many orders, talks, contacts and lapses from few customers: what happens rarely happens here too."""

KNOWN = References(
    satisfaction=0.8, usual=(0.8,) * 8, expectation=0.8, cuts=(-0.6, -0.4, 0.05, 0.75), trial_scale=1.0,
    orders_level=float(np.log(50.0)), contacts_per_day=10.0, contacts_per_order=0.0, talk=0.0,
)  # fmt: skip
"""References of a quiet, ordinary world; where they matter a test gives its own."""


@lru_cache(maxsize=64)
def settings(*overrides: str) -> Settings:
    """Shipped settings under dotted overrides, of a fitted firm over one year where they do not say otherwise."""
    return shipped(FITTED, ONE_YEAR, *overrides)


def changed(changes: Mapping[str, Any], *overrides: str) -> Settings:
    """Shipped settings with whole groups replaced: for maps, where an override can only add."""
    from sim.config.settings import load_settings

    composed = raw(FITTED, ONE_YEAR, *overrides)
    for path, value in changes.items():
        node = composed
        *groups, last = path.split(".")
        for group in groups:
            node = node[group]
        node[last] = value
    return load_settings(composed)


def free_world(found: Settings, seed: int, known: References = KNOWN, servers: int = 1000) -> World:
    """A world with these references, capacity that never binds and a desk where nobody waits."""
    world = with_references(world_of(found, seed), known)
    return replace(world, desk=world.desk._replace(servers=servers))


def tight_world(found: Settings, seed: int, orders: float, servers: int = 1, known: References = KNOWN) -> World:
    """A world with capacity for `orders` online orders a day times the configured ratio."""
    known = known._replace(orders_level=float(np.log(orders)))
    return sized(free_world(found, seed, known), known, servers)


def placed(found: Settings, arm: str) -> Placed:
    """The interventions of one treated arm."""
    return treated_arms(found)[arm]


def treated(found: Settings, arm: str) -> Arm:
    """Everybody treated by a scenario."""
    return Arm(placed(found, arm), np.ones(found.customers, bool))


def lived(
    world: World, arm: Arm | None = None, engine: EngineName = "column", shuffle: bool = False, until: int | None = None
) -> CXModel:
    """A world from its first day to the end of its horizon (or to the midnight before day `until`)."""
    model = CXModel(world, founded(world), arm, engine, shuffle=shuffle)
    model.run(world.days if until is None else until)
    return model


def wallets(model: CXModel, rows: Sequence[int] | None = None) -> list[tuple[tuple[int, int], ...]]:
    """(face, last day) of the coupons each row holds, in the order in which they would be redeemed."""
    wallet, first = model.customers.wallet, model.customers.columns.of("coupon")
    held = []
    for row in range(len(first)) if rows is None else rows:
        mine, place = [], int(first[row])
        while place != NONE:
            mine.append((int(wallet.face[place]), int(wallet.last[place])))
            place = int(wallet.following[place])
        held.append(tuple(mine))
    return held


def everything(model: CXModel) -> dict[str, NDArray[Any]]:
    """All that a model has come to, by name: state, daily rows, censuses, wallets, talk."""
    columns = model.customers.columns
    found: dict[str, NDArray[Any]] = {f"customer {name}": columns.of(name).copy() for name in ATTRIBUTES}
    found |= {f"day {name}": column.copy() for name, column in model.recorder.rows.items()}
    for day, census in model.recorder.censuses.items():
        found |= {f"census {day} {name}": part for name, part in census._asdict().items()}
    for day, talks in model.talks.items():
        found |= {f"talk {day} {name}": part for name, part in talks._asdict().items()}
    held = [(row, *coupon) for row, mine in enumerate(wallets(model)) for coupon in mine]
    found["wallets"] = np.array(held, np.int64).reshape(-1, 3)
    return found


def differences(one: CXModel, other: CXModel, but: Sequence[str] = ()) -> list[str]:
    """Names of what is not equal to the last bit, `but` apart."""
    a, b = everything(one), everything(other)
    names = sorted(set(a) | set(b))
    return [
        name for name in names if name not in but and (name not in a or name not in b or not _same(a[name], b[name]))
    ]


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def arm_from(world: World, start: Snapshot, arm: Arm | None = None) -> CXModel:
    """An arm from a midnight to the end of the horizon."""
    model = CXModel(world, start.copied(), arm)
    model.run(world.days)
    return model
