"""All customers of one world: columns, rules, coupons, ties and shared tables in one object."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from agents import attrition
from agents.behaviour import PackedRules, Rules, pack
from agents.columns import Columns
from agents.compiled import compiled
from agents.day import expectation_of
from agents.network import Network
from agents.records import NO_VARIANTS, NO_WAITING_OPTIONS, Surroundings, VariantTable, WaitingOptions
from agents.wallet import Wallet, copy_wallet


@compiled
def _satisfaction_on(
    c: Columns, rules: PackedRules, w: Surroundings, rows: NDArray[np.int32], day: int
) -> NDArray[np.float64]:
    felt = np.empty(len(rows))
    for k in range(len(rows)):
        felt[k] = attrition.satisfaction_on(c, rules[0], w, rows[k], day)
    return felt


@compiled
def _expected(c: Columns, rules: PackedRules, rows: NDArray[np.int32]) -> NDArray[np.float64]:
    expected = np.empty(len(rows))
    for k in range(len(rows)):
        expected[k] = expectation_of(c, rules[0], rows[k])
    return expected


@dataclass
class Customers:
    """State of all customers and what they share; all but `columns`, `rules` and `wallet` is never written to.

    `readable` shows the same columns to plain Python, `packed` the same rules to compiled code.
    """

    columns: Columns
    rules: Rules
    around: Surroundings
    wallet: Wallet
    network: Network
    variants: VariantTable = field(default_factory=lambda: NO_VARIANTS)
    waiting_options: WaitingOptions = field(default_factory=lambda: NO_WAITING_OPTIONS)

    def __post_init__(self) -> None:
        self.readable = self.columns.readable()
        self.use(self.rules)

    def use(self, rules: Rules) -> None:
        """Put other rules in force."""
        self.rules = rules
        self.packed = pack(rules)

    def __len__(self) -> int:
        return len(self.columns.status)

    def satisfaction_on(self, rows: NDArray[np.int32], day: int) -> NDArray[np.float64]:
        """Satisfaction of these rows on `day`, su, float64 (rows,)."""
        return _satisfaction_on(self.columns, self.packed, self.around, rows, day)

    def expected(self, rows: NDArray[np.int32]) -> NDArray[np.float64]:
        """Mean of these rows' stored expectations over touchpoints; su, float64 (rows,)."""
        return _expected(self.columns, self.packed, rows)

    def copied(self) -> Customers:
        """An independent copy of everything that changes."""
        return replace(self, columns=self.columns.copied(), wallet=copy_wallet(self.wallet))
