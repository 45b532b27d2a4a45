"""The journal: what happened to whom, for the event log of the first replication (process-mining column names)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.columns import NEVER, NO_ORDER, NORUSH, Columns
from agents.day import Episodes
from sim.engines import Arrivals, Census
from sim.tables import EVENT_NAMES

NAMES = tuple(EVENT_NAMES)
CODE = {name: code for code, name in enumerate(NAMES)}


class Journal:
    """Events of the first `limit` customers, as arrays a day: row, code, day, value."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._parts: list[tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int16], NDArray[np.float32]]] = []

    def note(self, day: int, name: str, rows: NDArray[np.int32], values: NDArray[Any] | float) -> None:
        """Events of one name on one day; rows ascending."""
        kept = rows < self.limit
        rows = rows[kept]
        if len(rows):
            value = np.broadcast_to(np.asarray(values, np.float32), kept.shape)[kept]
            self._parts.append((
                rows, np.full(len(rows), CODE[name], np.uint8), np.full(len(rows), day, np.int16), value,
            ))  # fmt: skip

    def shopping(self, day: int, arrivals: Arrivals) -> None:
        """Awareness, visits, popups, orders, coupons."""
        v = arrivals.visits
        self.note(day, "aware", arrivals.learned, arrivals.source)
        self.note(day, "visit", v["row"], 1.0)
        shown, clicked, ordered = v["popup"] > 0, v["clicked"] == 1, v["kind"] != NO_ORDER
        self.note(day, "popup shown", v["row"][shown], v["popup"][shown])
        self.note(day, "popup clicked", v["row"][clicked], v["popup"][clicked])
        self.note(day, "order", v["row"][ordered], v["basket"][ordered])
        used, earned = v["redeemed"] == 1, (v["kind"] == NORUSH) & (v["norush_coupon"] > 0)
        self.note(day, "coupon redeemed", v["row"][used], v["discount"][used])
        self.note(day, "coupon issued", v["row"][earned], v["norush_coupon"][earned])

    def settled(self, day: int, columns: Columns, e: Episodes, gone: NDArray[np.int32]) -> None:
        """Deliveries, support, scores, talk, lapses."""
        self.note(day, "delivered", e["row"], e["late"])
        called, talked, lapsed = e["contact"] == 1, e["talk"] != 0, e["lapsed"] == 1
        waited = np.where(e["served"] == 1, e["wait"], -e["wait"])
        self.note(day, "support contact", e["row"][called], waited[called])
        self.note(day, "episode", e["row"], e["score"])
        self.note(day, "talk", e["row"][talked], e["score"][talked])
        for rows in (e["row"][lapsed], gone):
            last = columns.of("last_order")[rows].astype(np.float64)
            self.note(day, "lapsed", rows, np.where(last == NEVER, 0.0, day - last))

    def survey(self, day: int, census: Census) -> None:
        """Survey answers."""
        rows = np.flatnonzero(census.sampled >= 0).astype(np.int32)
        self.note(day, "survey answer", rows, census.sampled[rows])

    def columns(self) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int16], NDArray[np.float32]]:
        """(customer, code, day, value) of all events, by customer, then in the order they happened."""
        if not self._parts:
            return np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.int16), np.empty(0, np.float32)
        row, code, day, value = (np.concatenate(parts) for parts in zip(*self._parts, strict=True))
        order = np.argsort(row, kind="stable")
        return row[order], code[order], day[order], value[order]
