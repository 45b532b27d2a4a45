"""The small world in which lateness and surveys are simulated: an untreated market of a run's settings.

Customers, prospects, rules and references are a run's; warehouse and desk are ample. Where nobody talks either,
customers do not meet, and each is an observation of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sim.company.fulfilment import PROMPT, Batch, FulfilmentCentre
from sim.config.seasons import FLAT
from sim.config.settings import Settings
from sim.world.constants import AMPLE, World
from sim.world.pilot import AMPLE_SERVERS, piloted


def quiet_market(settings: Settings, seed: int, days: int) -> World:
    """The market of these settings over `days` days, all alike; references known, nothing scarce, nothing delayed."""
    world = piloted(settings.model_copy(update={"days": days, "calendar": FLAT}), seed)
    desk = world.desk._replace(servers=AMPLE_SERVERS)
    return replace(world, capacity=np.full_like(world.capacity, AMPLE), carrier=PROMPT, desk=desk)


def silent(world: World) -> World:
    """The same market with nobody talking."""
    return replace(world, rules=world.rules._replace(talk_base=0.0, talk_positive=0.0, talk_negative=0.0))


def online_only(world: World) -> World:
    """The same market without its store: web and app in their usual proportion, so that every order is delivered."""
    online = world.rules.share_web + world.rules.share_app
    if online <= 0.0:
        return world
    web, app = world.rules.share_web / online, world.rules.share_app / online
    return replace(world, rules=world.rules._replace(share_web=web, share_app=app))


@dataclass
class SteeredCentre(FulfilmentCentre):
    """A centre that never queues, and keeps every order it takes.

    Of orders placed before day `steered`, customer number r's arrive `delays[r % len(delays)]` days after promise;
    without delays, and afterwards, orders arrive as an ample centre sends them.
    """

    delays: tuple[int, ...] = ()
    steered: int = 0
    taken: list[Batch] = field(default_factory=list)

    @classmethod
    def instead_of(cls, centre: FulfilmentCentre, delays: tuple[int, ...], steered: int) -> SteeredCentre:
        """Take over the parcels on their way; an ample centre has no others."""
        return cls(centre.terms, list(centre.queue), dict(centre.arriving), delays=delays, steered=steered)

    def take(self, batch: Batch) -> None:
        """Send a day's orders of one class, or fix when they will arrive."""
        self.taken.append(batch)
        if not self.delays or batch.day >= self.steered:
            super().take(batch)
            return
        own = np.asarray(self.delays)[batch.orders["row"] % len(self.delays)]
        for delay in sorted(set(self.delays)):
            arrival = batch.day + self.terms.lead[batch.kind] + delay
            self.arriving.setdefault(arrival, []).append(batch.part(own == delay))

    def orders(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """(customer, day, class) of every order taken, by day."""
        orders = np.concatenate([batch.orders for batch in self.taken])
        row, day, kind = (orders[part].astype(np.int64) for part in ("row", "day", "kind"))
        return row, day, kind
