"""The market that every benchmark lives in: shipped company, market and behaviour, baseline, central parameters.

References are given rather than piloted, so that a benchmark times one world and nothing before it. They are those of
the shipped baseline (50,000 customers, seed 1), orders and contacts per customer.
"""

from __future__ import annotations

import math

from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from cxsim.compose import NOT_SETTINGS
from scenarios.intervention import completed
from sim.company.support import servers_for
from sim.config.settings import Settings, load_settings
from sim.world.constants import References, World, sized, with_references, world_of
from sim.world.model import CXModel, EngineName, Snapshot

SEED = 1
BURN_IN = 60
"""Days before anything is timed: word of mouth, parcels on the way and satisfaction have settled."""

ONLINE_ORDERS = 9.47e-4
"""Per customer and day on day 0, in the shipped baseline."""

CONTACTS = 1.03e-4
"""Per customer and day."""


def references(customers: int) -> References:
    """The shipped baseline's references for a market of this size."""
    return References(
        satisfaction=0.829, usual=(0.83,) * 4, expectation=0.812, cuts=(-0.635, -0.438, 0.081, 0.771),
        trial_scale=2.33, orders_level=math.log(ONLINE_ORDERS * customers),
        contacts_per_day=CONTACTS * customers, contacts_per_order=CONTACTS / ONLINE_ORDERS, talk=0.003,
    )  # fmt: skip


def settings(*overrides: str) -> Settings:
    """The shipped settings under these overrides."""
    with initialize_config_module("conf", version_base="1.3"):
        config = OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True)
    assert isinstance(config, dict)
    return load_settings(completed({str(key): value for key, value in config.items() if key not in NOT_SETTINGS}))


def market(customers: int, days: int, burn_in: int = BURN_IN, *overrides: str) -> World:
    """A world of `customers`, its capacity and desk sized for them; `overrides` are dotted keys."""
    size = (f"customers={customers}", f"days={max(28, days)}", f"burn_in={max(30, burn_in)}")
    known = references(customers)
    world = world_of(settings("scenario=baseline", *size, *overrides), SEED)
    desk = servers_for(known.contacts_per_day, world.desk.service, world.desk.hours, world.desk_load)
    return sized(with_references(world, known), known, desk)


def resumed(world: World, start: Snapshot, engine: EngineName) -> CXModel:
    """A model that goes on from a midnight, on a copy of it."""
    return CXModel(world, start.copied(), engine=engine)
