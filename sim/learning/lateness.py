"""A history of late deliveries as a piece of evidence: it speaks about what satisfaction does to churn.

The statistic is the share of customers who order again within so many days of a delivery some days late, relative to
that of deliveries on time, less one. Of single deliveries it is adjusted for the month of the order and the customer's
orders before, since parcels of a busy season or of newcomers may be late more often.

How the same is simulated stands in `sim.learning.delayed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.config.settings import Settings
from sim.files.reading.days import Days
from sim.learning.delayed import Delayed
from sim.learning.firm_tables import FirmTable, TableFile, jackknife, orders_between
from sim.learning.pieces import Observed, WorldStatistics
from sim.phrases import ConfigError, Phrase, enumerated
from sim.run.replication import TreatedArms

FloatArray = NDArray[np.float64]

CLASSES = ((1, 1), (2, 3), (4, 6), (7, 60))
"""Days late that are told apart: from, to."""

LEAST_LATE = 30
"""Fewest late deliveries with which a class of CLASSES is used."""

LEAST_AGAIN = 20
"""Repurchases after on-time deliveries without which there is nothing to compare with."""

PRIOR_ORDERS = 4
"""Orders before, of the same customer in the table, told apart up to so many."""


@dataclass(frozen=True)
class Table:
    """Deliveries by days late: counts, and of them those after which the customer ordered again; arrays of a length."""

    days_late: FloatArray
    deliveries: FloatArray
    again: FloatArray


@dataclass(frozen=True)
class Lateness:
    """A history of deliveries. `history` has one row per delivery (customer, late, again, month, before)."""

    kind: ClassVar[str] = "lateness"
    speaks_about: ClassVar[tuple[str, ...]] = (
        "behaviour.attrition.satisfaction_slope",
        "behaviour.choice.expectation_slope",
        "behaviour.experience.",
        "behaviour.beliefs.experience_rate",
    )
    scenario: ClassVar[str] = "baseline"

    name: str
    within: int
    table: Table
    history: pd.DataFrame | None = None
    told: tuple[Phrase, ...] = ()

    @classmethod
    def read(cls, name: str, node: Mapping[str, Any], folder: Path) -> Lateness:
        """Read a piece: `file`, `within`, and `columns` where the file has other names. Raises ConfigError."""
        table, within = TableFile.opened(node, folder, ("customer", "ordered", "delivered"))
        if "deliveries" in table:
            return cls(name, within, _counted(table), told=tuple(table.told))
        history = _history(table, within)
        counts = history.groupby("late")["again"].agg(["size", "sum"])
        late, size, again = counts.index, counts["size"], counts["sum"]
        counted = Table(late.to_numpy(float), size.to_numpy(float), again.to_numpy(float))
        return cls(name, within, counted, history, tuple(table.told))

    @property
    def delays(self) -> tuple[int, ...]:
        """Days late that stand for the classes in the model: their mean in the firm's table, whole."""
        return tuple(round(self._mean(low, high)) for low, high in self._classes)

    @property
    def _classes(self) -> list[tuple[int, int]]:
        counts = self.table.deliveries
        late = self.table.days_late
        return [(low, high) for low, high in CLASSES if counts[(late >= low) & (late <= high)].sum() >= LEAST_LATE]

    def _mean(self, low: int, high: int) -> float:
        chosen = (self.table.days_late >= low) & (self.table.days_late <= high)
        return float(np.average(self.table.days_late[chosen], weights=self.table.deliveries[chosen]))

    def observed(self) -> Observed:
        """Relative change of repurchase by days late. Raises ConfigError where too few deliveries were late."""
        on_time = self.table.days_late <= 0
        again = float(self.table.again[on_time].sum())
        if again < LEAST_AGAIN or not self._classes:
            raise ConfigError(
                "{name}: too few deliveries to compare; {late} late by about as many days, and {again} "
                "repurchases after deliveries on time",
                name=self.name, late=LEAST_LATE, again=LEAST_AGAIN,
            )
        values, covariance = self._adjusted() if self.history is not None else self._raw()
        n = float(self.table.deliveries[on_time].sum())
        share = again / n
        late = float(self.table.deliveries[~on_time].sum())
        size = Phrase("{deliveries:,.0f} deliveries, {late:,.0f} late", deliveries=n + late, late=late)
        unadjusted = Phrase("compares whoever was late with whoever was not, unadjusted")
        level = Phrase("repurchase within {days} days, on time", days=self.within)
        return Observed(
            tuple(
                Phrase("repurchase after {days} late, relative to on time", days=_days(low, high))
                for low, high in self._classes
            ),
            values, covariance, size, "" if self.history is not None else unadjusted,
            {level: (share, float(np.sqrt(share * (1 - share) / n)))},
        )  # fmt: skip

    def _raw(self) -> tuple[FloatArray, FloatArray]:
        """From a table of counts: share over share, less one, by the delta method."""
        counts = [self._counts(low, high) for low, high in self._classes]
        n0, k0 = self._counts(-np.inf, 0)
        ratio = np.array([k / n / (k0 / n0) for n, k in counts])
        own = np.array([1 / max(k, 0.5) - 1 / n for n, k in counts])  # of the log of a share
        covariance = np.outer(ratio, ratio) * ((1 / k0 - 1 / n0) + np.diag(own))
        return ratio - 1.0, covariance

    def _counts(self, low: float, high: float) -> tuple[float, float]:
        chosen = (self.table.days_late >= low) & (self.table.days_late <= high)
        return float(self.table.deliveries[chosen].sum()), float(self.table.again[chosen].sum())

    def _adjusted(self) -> tuple[FloatArray, FloatArray]:
        assert self.history is not None
        classes, customer = self._classes, self.history["customer"].to_numpy()
        return jackknife(lambda rows: adjusted_effect(rows, classes), self.history, customer)

    def simulated(self, settings: Settings, treated_arms: TreatedArms, seed: int) -> WorldStatistics:
        """The same relative changes, and the level, in the market of these settings."""
        del treated_arms  # nobody is treated
        found = Delayed.lived(settings, seed, self.delays, self.within)
        change = [one / found.level for one in found.lost()]
        return WorldStatistics(np.array(change), (found.level,))


def _days(low: int, high: int) -> Phrase:
    if low == high:
        return Phrase("1 day") if low == 1 else Phrase("{low} days", low=low)
    if high == CLASSES[-1][1]:
        return Phrase("{low} or more days", low=low)
    return Phrase("{low} to {high} days", low=low, high=high)


# --- the firm's table ---------------------------------------------------------------------------------------


def _counted(table: FirmTable) -> Table:
    """A table that is counted already."""
    table.need("days_late", "deliveries", "ordered_again")
    late = table.numbers("days_late", -365, 365)
    deliveries, again = (table.numbers(name, 0, 1e9) for name in ("deliveries", "ordered_again"))
    late, deliveries, again = late[table.left], deliveries[table.left], again[table.left]
    if (again > deliveries).any():
        days = float(late[int(np.argmax(again > deliveries))])
        raise ConfigError("{file}: ordered_again exceeds deliveries at days_late {days:g}", file=table.name, days=days)
    return Table(late, deliveries, again)


def _history(table: FirmTable, within: int) -> pd.DataFrame:
    """Single deliveries whose time for ordering again lies within the table."""
    table.need("customer", "ordered", "delivered")
    if "days_late" not in table:
        table.need("promised")
    known = [name for name in ("ordered", "delivered", "promised", "next_order") if name in table]
    if "days_late" in table:
        known = [name for name in known if name != "promised"]
    customer, days = table.customers("customer"), table.days(*known)
    table.leave_out(Phrase("{count} rows without a date of order are left out"), days["ordered"].blank)
    whose_orders = table.left.copy()
    table.leave_out(Phrase("{count} parcels are not delivered yet and left out"), days["delivered"].blank)
    ordered, delivered = _numbers(days["ordered"]), _numbers(days["delivered"])
    allowed = Phrase("a day not before the order")
    table.drop("delivered", delivered < ordered, days["delivered"].text, allowed)
    if "promised" in days:
        table.leave_out(Phrase("{count} parcels without a promised date are left out"), days["promised"].blank)
        late = delivered - _numbers(days["promised"])
    else:
        late = table.numbers("days_late", -365, 365)
    rows = table.left
    asked, since = customer[rows], delivered[rows]
    if not rows.any():
        raise ConfigError("{file}: no delivery is left; {told}", file=table.name, told=enumerated(table.told))
    if "next_order" in days:
        following = _numbers(days["next_order"])
        last = np.nanmax(np.concatenate([since, following[rows]]))
        again = (following[rows] > since) & (following[rows] <= since + within)
    else:
        last = ordered[whose_orders].max()
        again = orders_between(customer[whose_orders], ordered[whose_orders], asked, since, since + within) > 0
    before = np.zeros(len(customer), dtype=np.int64)
    before[whose_orders] = _orders_before(customer[whose_orders], ordered[whose_orders])
    history = pd.DataFrame({
        "customer": pd.factorize(asked)[0].astype(np.int64), "late": late[rows], "again": again.astype(float),
        "month": (ordered[rows] // 30.4375).astype(int), "before": before[rows],
    })  # fmt: skip
    seen: pd.DataFrame = history[since + within <= last].reset_index(drop=True)
    if seen.empty:
        raise ConfigError(
            "{file}: no delivery lies {within} days before the table's end; a smaller within",
            file=table.name, within=within,
        )
    return seen


def _numbers(days: Days) -> FloatArray:
    """Days since 1970, NaN where there is none."""
    return np.where(np.isnat(days.values), np.nan, days.values.astype(np.int64).astype(np.float64))


def _orders_before(customer: NDArray[np.int64], ordered: FloatArray) -> NDArray[np.int64]:
    """Orders of the same customer before, up to PRIOR_ORDERS."""
    frame = pd.DataFrame({"customer": customer, "ordered": ordered})
    rank = frame.sort_values("ordered", kind="stable").groupby("customer").cumcount()
    return np.minimum(rank.sort_index().to_numpy(np.int64), PRIOR_ORDERS)


def adjusted_effect(rows: pd.DataFrame, classes: list[tuple[int, int]]) -> FloatArray:
    """Change of the share that ordered again by class of days late, over the share on time; (classes,).

    Least squares with an intercept for every month and every number of orders before.
    """
    late = rows["late"].to_numpy()
    treated = np.column_stack([(late >= low) & (late <= high) for low, high in classes]).astype(float)
    between = (late > 0) & ~treated.any(axis=1)  # late, but of a class too small to use
    kept = rows[~between]
    strata = pd.get_dummies(kept[["month", "before"]].astype("category"), drop_first=True, dtype=float).to_numpy()
    x = np.column_stack([treated[~between], np.ones(len(kept)), strata])
    again = kept["again"].to_numpy()
    slopes, *_ = np.linalg.lstsq(x, again, rcond=None)
    level = again[kept["late"].to_numpy() <= 0].mean()
    return np.asarray(slopes[: len(classes)] / level)
