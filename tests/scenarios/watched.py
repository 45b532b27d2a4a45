"""A world watched as it runs: every visit and every episode of the horizon, with what a pattern needs of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.behaviour import stars_of
from agents.columns import NO_ORDER
from agents.records import Episodes, Today, Visits
from sim.company.offers import Observed
from sim.world.constants import World
from sim.world.model import Arm, CXModel, Snapshot


@dataclass
class Watched:
    """What happened from day 0 on.

    Visits: (status, eligible for the popup, shown, clicked, ordered); episodes: (days late, stars).
    """

    visits: list[NDArray[np.int64]] = field(default_factory=list)
    episodes: list[NDArray[np.int64]] = field(default_factory=list)

    def of_visits(self) -> NDArray[np.int64]:
        return np.concatenate(self.visits)

    def of_episodes(self) -> NDArray[np.int64]:
        return np.concatenate(self.episodes)


def watch(
    world: World, start: Snapshot, arm: Arm | None = None, topic: str = "campaign_route"
) -> tuple[CXModel, Watched]:
    """Run an arm from a midnight to the end of the horizon, keeping its visits and episodes."""
    model, seen = CXModel(world, start.copied(), arm), Watched()
    engine: Any = model.engine
    choose, conclude = engine.choose, engine.conclude
    columns = model.customers.columns

    def choosing(today: Today, visits: Visits) -> None:
        rows, channel = np.ascontiguousarray(visits["row"]), np.ascontiguousarray(visits["channel"])
        observed = Observed(columns, rows, today.day, world.traits.personas.names, world.topics, channel)
        eligible = observed.online & observed.searched(topic, 14) & ~observed.ordered_since_search()
        status = columns.status[visits["row"]].astype(np.int64)
        choose(today, visits)
        seen.visits.append(
            np.column_stack(
                [status, eligible, visits["popup"] > 0, visits["clicked"], visits["kind"] != NO_ORDER]
            ).astype(np.int64)
        )

    def concluding(today: Today, episodes: Episodes) -> None:
        conclude(today, episodes)
        stars = [stars_of(world.rules, float(score)) for score in episodes["score"]]
        seen.episodes.append(np.column_stack([episodes["late"], np.array(stars, np.int64)]).astype(np.int64))

    engine.choose, engine.conclude = choosing, concluding
    model.run(world.days)
    return model, seen
