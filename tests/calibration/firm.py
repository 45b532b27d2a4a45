"""A made-up firm: a whole market of the model at a known truth, of which only what a firm can log is handed out.

Everything that learning leaves out is at work here: prospects and first orders, talk, a desk with queues, a store, a
sample of those surveyed. Parcels are late by luck, since lateness that comes of a full warehouse would follow the
season, and nobody could tell its effect from the season's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from sim.company.fulfilment import Batch
from sim.config.settings import Settings
from sim.learning.firm_tables import orders_between
from sim.learning.market import SteeredCentre
from sim.world.constants import AMPLE
from sim.world.event_log import CODE, Journal
from sim.world.model import CXModel, Snapshot, burnt_in
from sim.world.pilot import piloted

LATE = {1: 0.03, 2: 0.03, 5: 0.02, 9: 0.02}
"""Share of parcels by days late."""

START = pd.Timestamp("2025-01-01")


@dataclass
class UnluckyCentre(SteeredCentre):
    """An ample centre whose carrier loses some parcels for a while."""

    def take(self, batch: Batch) -> None:
        self.taken.append(batch)
        late = days_late(batch.orders["tie"])
        for days in np.unique(late):
            part = batch.part(late == days)
            if days:
                self.arriving.setdefault(batch.day + self.terms.lead[batch.kind] + int(days), []).append(part)
            else:
                self.queue.append(part)


def days_late(luck: np.ndarray) -> np.ndarray:
    """Days late, 0 on time, from one uniform each."""
    edges = np.cumsum(list(LATE.values()))
    return np.append(list(LATE), 0)[np.searchsorted(edges, luck, side="right")]


@dataclass(frozen=True)
class Firm:
    """`days` days of a firm whose customers are as `truth` has them (drawn settings)."""

    truth: Settings
    seed: int
    days: int

    @cached_property
    def _lived(self) -> tuple[UnluckyCentre, Journal]:
        world = piloted(self.truth.model_copy(update={"days": self.days}), self.seed)
        world = replace(world, capacity=np.full_like(world.capacity, AMPLE))
        start = burnt_in(world)
        centre, journal = UnluckyCentre.instead_of(start.centre, (), 0), Journal(world.customers)
        start = Snapshot(start.day, start.customers, centre, start.public, start.books)
        CXModel(world, start, journal=journal, record=False).run(self.days)
        return centre, journal

    def deliveries(self) -> pd.DataFrame:
        """customer, ordered, promised, delivered: every online order that was delivered."""
        centre, _ = self._lived
        row, day, kind = centre.orders()
        late = days_late(np.concatenate([batch.orders["tie"] for batch in centre.taken]))
        promised = day + np.asarray(centre.terms.lead)[kind]
        usual = [centre.terms.handed_over(int(k), int(d), int(d)) for k, d in zip(kind, day, strict=True)]
        delivered = np.where(late > 0, promised + late, usual)
        table = pd.DataFrame({"customer": row, "ordered": day, "promised": promised, "delivered": delivered})
        return self._dated(table[table["delivered"] < self.days])

    def answers(self, within: int) -> pd.DataFrame:
        """customer, answer, orders within so many days after."""
        customer, code, day, value = self._lived[1].columns()
        who, when = customer.astype(np.int64), day.astype(float)
        ordered = code == CODE["order"]
        asked = (code == CODE["survey answer"]) & (day + within < self.days)
        orders = orders_between(who[ordered], when[ordered], who[asked], when[asked], when[asked] + within)
        return pd.DataFrame({"customer": who[asked], "answer": value[asked].astype(int), "orders": orders})

    @staticmethod
    def _dated(table: pd.DataFrame) -> pd.DataFrame:
        dates = {name: START + pd.to_timedelta(table[name], unit="D") for name in ("ordered", "promised", "delivered")}
        return table.assign(**dates)


def firms(settings: Settings, points: list[dict[str, float | str]], days: int) -> Iterator[Firm]:
    """A firm per point of the prior, each with luck of its own."""
    for number, point in enumerate(points):
        yield Firm(settings.at(point), 7_000 + number, days)
