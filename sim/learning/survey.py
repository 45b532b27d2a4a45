"""Survey answers and the orders after them as a piece of evidence: how answers depend on satisfaction.

The statistics: mean and spread of the answers, and by how much (relative) more or fewer of those who gave 0 to 6, and
of those who gave 9 or 10, ordered again than of all who answered. The last two link the answer to behaviour, and so
speak about the slopes; they are computed from the model's answers exactly as from the firm's. Where the same customers
answered more than once, the correlation of their answers tells what is lasting in an answer and what is noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.config.settings import Settings
from sim.learning.firm_tables import TableFile, jackknife, orders_between
from sim.learning.market import quiet_market
from sim.learning.pieces import Observed, WorldStatistics
from sim.phrases import ConfigError, Phrase
from sim.run.replication import TreatedArms
from sim.tables import DETRACTOR, PROMOTER
from sim.world.event_log import CODE, Journal
from sim.world.model import CXModel, burnt_in

FloatArray = NDArray[np.float64]

DETRACTORS, PROMOTERS = (0, DETRACTOR), (PROMOTER, 10)
"""Answers of the two groups (Reichheld 2003)."""

LEAST_ANSWERS = 30
"""Answers that each group must have."""

LEAST_PAIRS = 100
"""Fewest customers who answered twice with whom the correlation of their answers is used."""

WAVES = (6, 34)
"""Days of the model's waves: two survey days four weeks apart."""

NAMES = (
    Phrase("mean answer, points"),
    Phrase("standard deviation of answers, points"),
    Phrase("share ordering again after 0 to 6, relative to all"),
    Phrase("share ordering again after 9 or 10, relative to all"),
    Phrase("correlation of a customer's two answers"),
)


@dataclass(frozen=True)
class Survey:
    """Waves of a survey. `answers` has a row per answer: customer (whole numbers), answer, again (1 or 0)."""

    kind: ClassVar[str] = "survey"
    speaks_about: ClassVar[tuple[str, ...]] = (
        "behaviour.survey.",
        "behaviour.attrition.satisfaction_slope",
        "behaviour.choice.expectation_slope",
        "behaviour.experience.",
        "behaviour.beliefs.experience_rate",
    )
    scenario: ClassVar[str] = "baseline"

    name: str
    within: int
    answers: pd.DataFrame
    told: tuple[Phrase, ...] = ()

    @classmethod
    def read(cls, name: str, node: Mapping[str, Any], folder: Path) -> Survey:
        """Read a piece: `file`, `within`, and `columns` where the file has other names. Raises ConfigError."""
        table, within = TableFile.opened(node, folder, ("answer", "orders"))
        table.need("answer", "orders")
        answer = table.scores("answer", 0, 10, Phrase("{count} rows without an answer are left out"))
        orders = table.numbers("orders", 0, 1e6)
        who = table.respondents("customer") if "customer" in table else np.arange(table.rows)
        rows = table.left
        customer = pd.factorize(who[rows])[0].astype(np.int64)
        return cls(name, within, _table(customer, answer[rows], orders[rows]), tuple(table.told))

    @property
    def _paired(self) -> bool:
        return int((self.answers["customer"].value_counts() > 1).sum()) >= LEAST_PAIRS

    def observed(self) -> Observed:
        """The statistics of the firm's waves. Raises ConfigError where a group has too few answers."""
        answer = self.answers["answer"]
        for low, high in (DETRACTORS, PROMOTERS):
            count = int(answer.between(low, high).sum())
            if count < LEAST_ANSWERS:
                raise ConfigError(
                    "{name}: {count} answers from {low} to {high}; at least {least}",
                    name=self.name, count=count, low=low, high=high, least=LEAST_ANSWERS,
                )
        if not self.answers["again"].any():
            raise ConfigError(
                "{name}: nobody ordered within {within} days; a larger within", name=self.name, within=self.within
            )
        values, covariance = jackknife(
            lambda rows: statistics(rows, self._paired), self.answers, self.answers["customer"].to_numpy()
        )
        customers = self.answers["customer"].nunique()
        share = float(self.answers["again"].mean())
        level = (share, float(np.sqrt(share * (1 - share) / customers)))
        size = Phrase("{answers:,} answers of {customers:,} customers", answers=len(self.answers), customers=customers)
        name = Phrase("share ordering within {days} days of an answer", days=self.within)
        return Observed(NAMES[: len(values)], values, covariance, size, levels={name: level})

    def simulated(self, settings: Settings, treated_arms: TreatedArms, seed: int) -> WorldStatistics:
        """The same statistics of everybody who answers in the market of these settings."""
        del treated_arms  # nobody is treated
        world = quiet_market(settings, seed, WAVES[-1] + self.within + 1)
        journal = Journal(world.customers)
        model = CXModel(replace(world, survey_share=1.0), burnt_in(world), journal=journal, record=False)
        model.run(world.days)
        customer, code, day, value = journal.columns()
        who, when = customer.astype(np.int64), day.astype(float)
        ordered, answered = code == CODE["order"], (code == CODE["survey answer"]) & np.isin(day, WAVES)
        asked, since = who[answered], when[answered]
        orders = orders_between(who[ordered], when[ordered], asked, since, since + self.within)
        table = _table(asked, value[answered].astype(float), orders.astype(float))
        if table.empty:
            return WorldStatistics(np.array([np.nan]))
        return WorldStatistics(statistics(table, self._paired), (float(table["again"].mean()),))


def _table(customer: NDArray[np.int64], answer: FloatArray, orders: FloatArray) -> pd.DataFrame:
    return pd.DataFrame({"customer": customer, "answer": answer, "again": (orders > 0).astype(float)})


def statistics(rows: pd.DataFrame, paired: bool) -> FloatArray:
    """The statistics of `NAMES`, the last one only where `paired`; NaN of a group that is empty."""
    answer, again = rows["answer"].to_numpy(), rows["again"].to_numpy()
    of_group = [again[(answer >= low) & (answer <= high)] for low, high in (DETRACTORS, PROMOTERS)]
    level = again.mean() or np.nan
    groups = [one.mean() / level - 1 if len(one) else np.nan for one in of_group]
    found = [answer.mean(), answer.std(), *groups]
    return np.array([*found, _persistence(rows)] if paired else found)


def _persistence(rows: pd.DataFrame) -> float:
    """Correlation of each customer's first two answers; NaN where either do not differ between customers."""
    place = rows.groupby("customer").cumcount()
    first = rows.assign(place=place)[place < 2].pivot(index="customer", columns="place", values="answer")
    pairs = first.reindex(columns=[0, 1]).dropna()
    return float(np.corrcoef(pairs[0], pairs[1])[0, 1]) if (pairs.nunique() > 1).all() else np.nan
