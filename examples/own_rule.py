"""A customer rule of your own, in plain Python, looked at with Mesa's tools.

The rule: whoever was let down by late deliveries twice goes on buying, but recommends the shop to nobody any more.
`Grudge` adds it to the customers that cxsim ships; the agent engine runs it as it stands, nothing is compiled. Both
worlds have the same customers and the same luck, so that every difference is the rule's.

    .venv/bin/python examples/own_rule.py [PICTURE.png]
"""

from __future__ import annotations

import sys
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure
from mesa import DataCollector

from agents.customer import Customer
from agents.records import Episodes, Today
from cxsim.compose import asked
from sim.world.constants import World
from sim.world.model import CXModel, founded
from sim.world.pilot import piloted

SMALL_SHOP = [
    "scenario=[baseline]",
    "customers=500",
    "days=84",
    "burn_in=60",
    "market.status={unaware: 0.6, aware: 0.1, customer: 0.3}",
    "company.purchase.pareto_nbd.alpha=2",  # people buy five times as often as CDNOW's customers ...
    "behaviour.awareness.talk_hazard=4.0",  # ... and listen to one another
    "company.capacity_ratio=1.1",  # the warehouse has little slack ...
    "+calendar.seasons.sale={dates: 01-15..01-24, multiplier: 2.0}",  # ... for a sale
]


class Grudge(Customer):
    """A customer who remembers late deliveries. Its own state stands in plain attributes."""

    PATIENCE = 2

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.let_down = 0

    @property
    def mood(self) -> str:
        """loyal, or silent once let down too often."""
        return "silent" if self.let_down >= self.PATIENCE else "loyal"

    def experience(self, today: Today, episodes: Episodes, j: int) -> None:
        """Count late deliveries, then judge the order as every customer does."""
        self.let_down += int(episodes[j].late > 0)
        super().experience(today, episodes, j)

    def conclude(self, today: Today, episodes: Episodes, j: int) -> None:
        """Settle the order as every customer does; then the rule: good words stay unsaid. Warnings do not."""
        super().conclude(today, episodes, j)
        if self.mood == "silent" and episodes[j].talk > 0:
            episodes[j].talk = 0  # 1 told something good, -1 something bad, 0 nothing


class CountsOnly(Grudge):
    """The world to compare with: late deliveries are counted and have no further consequence."""

    PATIENCE = 1_000_000


def small_shop(seed: int) -> World:
    """A world of 500 customers, its references measured by the usual pilots."""
    return piloted(asked(SMALL_SHOP).settings, seed)


def simulate(world: World, kind: type[Grudge]) -> tuple[CXModel, DataCollector]:
    """Run a world whose customers are of this class, looking at it once a week."""
    model = CXModel(world, founded(world), engine="agent", agent_class=kind)
    collector = DataCollector(
        model_reporters={
            "day": lambda m: m.day,
            "recommendations": lambda m: int(m.recorder.rows["talk_positive"].sum()),
            "aware": lambda m: len(m.agents.select(lambda one: one.status_name != "unaware")),
            "let down": lambda m: len(m.agents.select(lambda one: one.let_down >= Grudge.PATIENCE)),
        }
    )
    for day in range(world.first_day, world.days + 1, 7):
        model.run(day)
        collector.collect(model)
    return model, collector


def main(picture: str) -> None:
    world = small_shop(seed=1)
    runs = {"without the rule": simulate(world, CountsOnly), "with the rule": simulate(world, Grudge)}

    model, _ = runs["with the rule"]
    buyers = model.agents.select(lambda one: one.orders > 0)
    print(f"day {model.day}: {len(buyers)} of {len(model.agents)} customers have ever bought")
    by_mood = buyers.groupby("mood")
    orders, satisfaction = by_mood.agg("orders", fmean), by_mood.agg("satisfaction", fmean)
    print("mood    customers  orders each  satisfaction, su")
    for mood, count in sorted(by_mood.count().items()):
        print(f"{mood:6}  {count:9}  {orders[mood]:11.1f}  {satisfaction[mood]:16.2f}")

    figure = Figure(figsize=(7, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, (_, collector)), style in zip(runs.items(), ("--", "-"), strict=True):
        weeks = collector.get_model_vars_dataframe()
        left.plot(weeks["day"], weeks["recommendations"], style, color="#0072B2", label=name)
        right.plot(weeks["day"], weeks["aware"], style, color="#D55E00", label=name)
        print(f"{name}: {weeks['recommendations'].iloc[-1]} recommendations, {weeks['aware'].iloc[-1]} know the shop")
    left.set(xlabel="day", ylabel="recommendations so far")
    right.set(xlabel="day", ylabel="customers who know the shop")
    left.legend(frameon=False)
    figure.savefig(picture, dpi=120)
    print(picture)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "own_rule.png")
