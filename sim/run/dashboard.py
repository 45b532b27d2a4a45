"""What the simulated firm's own dashboard would show of its first year, beside the facts that were given.

Every fact is counted as a firm counts it (docs/your-own-firm.md), in the untreated market, with the error that comes
from simulating so few customers for one year.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agents.columns import NEVER
from sim import tables
from sim.config.parameters import DAYS_PER_YEAR, Parameter
from sim.config.sections import Facts
from sim.world.constants import YEAR
from sim.world.firm import MONTHS
from sim.world.model import CXModel

TOLERANCE = {
    "orders_a_month": 0.05, "active_customers": 0.05, "average_basket": 0.05, "conversion": 0.05, "repeat_share": 0.03,
    "on_time": 0.02, "express": 0.02, "norush": 0.02, "nps": 3.0, "contacts_per_order": 0.1,
}  # fmt: skip
"""How far a simulated dashboard may be off where a fact states no tolerance of its own; see RELATIVE."""

RELATIVE = ("orders_a_month", "active_customers", "average_basket", "conversion", "contacts_per_order")
"""Facts whose usual tolerance is a share of them; that of the others is in their own unit."""

ERRORS = 2.0
"""Standard errors of one simulated year that are granted beside the tolerance."""


class Figure(NamedTuple):
    """A simulated figure and its standard error over simulated years."""

    value: float
    se: float


@dataclass
class Dashboard:
    """Looks at an untreated world at the start of day 0 and after its first year, or at a horizon that is sooner."""

    model: CXModel
    bought_before: NDArray[np.bool_]  # within a year before day 0
    spent_before: NDArray[np.int64]  # yen

    @classmethod
    def of(cls, model: CXModel) -> Dashboard:
        """The dashboard of a world that stands at day 0."""
        c = model.customers.columns
        last = c.of("last_order")
        return cls(model, (last != NEVER) & (last >= -YEAR), c.of("monetary").astype(np.int64))

    def figures(self) -> dict[str, Figure]:
        """Every fact as the world shows it since day 0; what takes a whole year is left out of a shorter one."""
        c, world = self.model.customers.columns, self.model.world
        days = min(self.model.day, world.days)
        bought, visits = (c.of(name).astype(np.float64) for name in ("bought", "visits"))
        orders, scale = math.fsum(bought), world.members / world.customers
        spent = (c.of("monetary") - self.spent_before).astype(np.float64)
        found = {
            "orders_a_month": _total(bought, scale * DAYS_PER_YEAR / MONTHS / days),
            "average_basket": _ratio(spent, bought),
            "conversion": _ratio(bought, visits),
        }
        if days >= YEAR:
            active = (bought > 0).astype(np.float64)
            found["active_customers"] = _total(active, scale)
            found["repeat_share"] = _ratio(active * self.bought_before, self.bought_before.astype(np.float64))
        return found | self._of_days(days, orders)

    def _of_days(self, days: int, orders: float) -> dict[str, Figure]:
        """Facts that the daily figures tell."""
        rows, world = self.model.recorder.rows, self.model.world
        first = -self.model.recorder.start
        day = slice(first, first + days)
        kinds = {name: rows[f"orders_{name}"][day].sum() for name in ("express", "standard", "norush")}
        online, ordinary = sum(kinds.values()), ~world.peaks[world.on(0) : world.on(days)]
        contacts = float(rows["contacts"][day].sum())
        late, delivered, over = (rows[name][day][ordinary] for name in ("late", "delivered", "cancelled"))
        found = {name: _share(kinds[name], online) for name in ("express", "norush")}
        found["contacts_per_order"] = Figure(contacts / max(orders, 1.0), math.sqrt(contacts) / max(orders, 1.0))
        found["on_time"] = _on_time(late + over, delivered + over)
        answers = rows["nps_surveyed"][day]
        answers = answers[np.isfinite(answers)]
        if len(answers) > 1:
            found["nps"] = Figure(float(answers.mean()), float(answers.std(ddof=1)) / math.sqrt(len(answers)))
        return found


def _total(amounts: NDArray[np.float64], scale: float) -> Figure:
    """A sum over independent customers."""
    return Figure(scale * math.fsum(amounts), scale * math.sqrt(math.fsum(amounts * amounts)))


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> Figure:
    """A ratio of two sums over independent customers."""
    below = math.fsum(bottom)
    if below <= 0.0:
        return Figure(math.nan, math.nan)
    value = math.fsum(top) / below
    return Figure(value, math.sqrt(math.fsum((top - value * bottom) ** 2)) / below)


def _share(part: float, whole: float) -> Figure:
    if whole <= 0:
        return Figure(math.nan, math.nan)
    share = part / whole
    return Figure(share, math.sqrt(share * (1.0 - share) / whole))


BLOCK = 28
"""Days that count as one observation of lateness: late days follow one another."""


def _on_time(late: NDArray[np.int64], delivered: NDArray[np.int64]) -> Figure:
    """On-time rate, with the error of one over blocks."""
    blocks = [slice(start, start + BLOCK) for start in range(0, len(late), BLOCK)]
    kept = _ratio(
        np.array([float(late[block].sum()) for block in blocks]),
        np.array([float(delivered[block].sum()) for block in blocks]),
    )
    return Figure(1.0 - kept.value, kept.se)


def given(facts: Facts) -> dict[str, Parameter]:
    """The facts that are known, by name."""
    known = {name: getattr(facts, name) for name in Facts.model_fields if name != "classes"}
    if facts.classes is not None:
        known |= {"express": facts.classes.express, "norush": facts.classes.norush}
    return {name: one for name, one in known.items() if one is not None}


def tolerance_of(name: str, one: Parameter) -> float:
    """How far off a simulated dashboard may be, in the fact's own unit."""
    if one.tolerance is not None:
        return one.tolerance
    return TOLERANCE[name] * (abs(one.value) if name in RELATIVE else 1.0)


UNITS = {
    "orders_a_month": "orders", "active_customers": "customers", "average_basket": "yen",
    "conversion": "orders per visit", "nps": "points", "contacts_per_order": "contacts per order",
}  # fmt: skip
"""Units of the facts; that of the others is a share."""


def dashboard_table(facts: Sequence[Facts], figures: Sequence[Mapping[str, Figure]]) -> pd.DataFrame:
    """dashboard.csv from what each point was given and what it showed, both (points,)."""
    rows: list[tuple[Any, ...]] = []
    stated = [given(one) for one in facts]
    for name in TOLERANCE:
        seen = np.array([one[name].value if name in one else math.nan for one in figures])
        se = np.array([one[name].se if name in one else math.nan for one in figures])
        if not np.isfinite(seen).any():
            continue
        low, middle, high = np.nanquantile(seen, (0.05, 0.5, 0.95))
        asked = tolerance = within = math.nan
        if name in stated[0]:
            values = np.array([one[name].value for one in stated])
            asked, tolerance = float(np.median(values)), tolerance_of(name, stated[0][name])
            within = float(np.mean(np.abs(seen - values) <= tolerance + ERRORS * se))
        rows.append((name, UNITS.get(name, "share"), asked, tolerance, middle, low, high, within))
    return pd.DataFrame(rows, columns=[column.name for column in tables.DASHBOARD])
