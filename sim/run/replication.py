"""One replication: pilot, shared burn-in, the baseline, and every arm from the same midnight with the same draws.

Arms are named in `sim.tables`. Shapley values need the treated world under every set of live interfaces: four treated
runs, and eight where a campaign learns, so that company state acts too. A company-wide
intervention, for which nobody is untreated, has the arm of the total effect only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agents import draws
from agents.columns import LAPSED, NEVER, STATUS_NAMES, TOUCHPOINT_NAMES
from agents.draws import draw
from sim import tables
from sim.company.offers import Placed
from sim.config.settings import Settings, variant_names, with_variant
from sim.run.dashboard import Dashboard, Figure
from sim.run.metrics import (
    Mask,
    Outcome,
    company_measures,
    field_test,
    finished,
    measures,
    promoters,
    stayers,
)
from sim.world.constants import World
from sim.world.event_log import Events, Journal, States
from sim.world.model import Arm, CXModel, EngineName, Recording, burnt_in
from sim.world.pilot import piloted

TreatedArms = Callable[[Settings], Mapping[str, Placed]]
"""What each treated arm adds: `scenarios.intervention.treated_arms`, handed in since sim knows no scenario."""


@dataclass(frozen=True)
class Task:
    """One unit of work: a point of what is not known, one of its two seeds (0 or 1), and which arms to run."""

    replication: int
    second_seed: int
    point: Mapping[str, float | str]
    seed: int
    parts: bool = True  # the arms of the split and the field test, beside baseline and total
    variants: bool = False  # the total effect of every variant
    journal: int = -1  # customers whose journeys are kept; -1: no tables of single customers either


@dataclass
class Result:
    """Tables of one replication; `journeys` are (arm, events, states), `dashboard` what the firm's own would show.

    `journeys` and `customers` are of the first replication only; `campaigns` and `projects` may have no rows.
    """

    task: Task
    measures: pd.DataFrame
    daily: pd.DataFrame
    campaigns: pd.DataFrame
    projects: pd.DataFrame
    dashboard: Mapping[str, Figure]
    customers: pd.DataFrame | None = None
    journeys: list[tuple[str, Events, States]] = field(default_factory=list)


def learns(placed: Placed) -> bool:
    """Whether a campaign among these learns."""
    return any(one.message is not None and one.message.cycle is not None for _, one in placed)


def replayed(placed: Placed, everybody: Mask, recorded: Recording, part: str) -> Arm:
    """The arm in which everybody is treated and only the interfaces are live that the part's name lists."""
    live = part.split("_")
    return Arm(
        placed, everybody, recorded, replay_talk="wom" not in live, replay_congestion="congestion" not in live,
        replay_company="company" not in live,
    )  # fmt: skip


def replication_seed(seed: int, replication: int, second_seed: int) -> int:
    """World seed of a replication: 52 random bits, so that worlds of neighbouring seeds have nothing in common."""
    return int(draw(seed, replication, second_seed, draws.DESIGN, 2) * (1 << 52))


def run_task(settings: Settings, treated_arms: TreatedArms, task: Task) -> Result:
    """Simulate one replication."""
    drawn = settings.at(task.point)
    world = piloted(drawn, task.seed)
    variants = placed_variants(drawn, treated_arms) if task.variants else {}
    return _Replication(world, treated_arms(drawn), variants, task, settings.engine, settings.personas.mix).run()


def placed_variants(settings: Settings, treated_arms: TreatedArms) -> dict[str, Placed]:
    """The interventions of every variant's arm, `X*NAME`; their numbers are those of the plan as stated."""
    return {
        f"{scenario}{tables.VARIANT}{variant}": treated_arms(with_variant(settings, scenario, variant))[scenario]
        for scenario, variant in variant_names(settings)
    }


class _Replication:
    """Runs the arms of one replication one after the other; keeps only the outcomes others are compared with."""

    def __init__(
        self, world: World, placed: Mapping[str, Placed], variants: Mapping[str, Placed], task: Task,
        engine: EngineName, personas: Mapping[str, object],
    ) -> None:  # fmt: skip
        self.world, self.placed, self.variants, self.task, self.engine = world, placed, variants, task, engine
        self.personas = tuple(personas)
        self.rows: list[tuple[str, str, str, str, float]] = []
        self.days: list[pd.DataFrame] = []
        self.campaigns: list[tuple[Any, ...]] = []
        self.projects: list[tuple[Any, ...]] = []
        self.journeys: list[tuple[str, Events, States]] = []

    def run(self) -> Result:
        """Burn in, run the baseline and record it, then every arm of every scenario."""
        self.midnight = burnt_in(self.world, self.engine)
        everything = tuple({number: one for own in self.placed.values() for number, one in own}.items())
        journal = self._journal(True)
        model = self._model(Arm(interventions=everything), journal)
        seen = Dashboard.of(model)
        dashboard: dict[str, Figure] = {}
        self.baseline = self._finish(tables.BASELINE, model, lambda: dashboard.update(seen.figures()))
        self._keep_journey(tables.BASELINE, journal)
        self.segments = dict(self._segments(self.baseline))
        self._measure(tables.BASELINE, self.baseline)
        customers = None
        recorded = model.recording() if self.task.parts else None
        del model
        for name, own in self.placed.items():
            last = name == list(self.placed)[-1]
            treated = self._scenario(name, own, recorded, last)
            if last and self.task.journal >= 0:
                customers = customer_table(self.baseline, treated, name, self.segments, self.personas)
        for arm, own in self.variants.items():
            self._measure(arm, self._finish(arm, self._model(Arm(own, np.ones(self.world.customers, bool)))))
        if not self.placed and self.task.journal >= 0:
            customers = customer_table(self.baseline, self.baseline, "", self.segments, self.personas)
        days = pd.concat(self.days, ignore_index=True)
        campaigns = table(tables.CAMPAIGNS, self.campaigns, self.task)
        projects = table(tables.PROJECTS, self.projects, self.task)
        return Result(self.task, self._measures(), days, campaigns, projects, dashboard, customers, self.journeys)

    def _scenario(self, name: str, own: Placed, recorded: Recording | None, keep: bool) -> Outcome:
        """All arms of one scenario; the outcome of its total effect."""
        everybody = np.ones(self.world.customers, bool)
        journal = self._journal(keep)
        treated = self._finish(name, self._model(Arm(own, everybody), journal))
        self._keep_journey(name, journal)
        self._measure(name, treated)
        if recorded is not None and not any(one.company_wide for _, one in own):
            for part in tables.ADAPTIVE_PARTS if learns(own) else tables.PARTS:
                arm = replayed(own, everybody, recorded, part)
                self._measure(f"{name}/{part}", self._finish(f"{name}/{part}", self._model(arm)))
            self._field_test(f"{name}/ab", own)
        return treated

    def _field_test(self, arm: str, own: Placed) -> None:
        """One world in which a fair coin treats each customer, read as a dashboard would."""
        coin = draws.draws(self.world.seed, 0, self.world.customers, 0, draws.AB_ASSIGN, 0) < 0.5
        outcome = self._finish(arm, self._model(Arm(own, coin)))
        # what the intervention costs the firm is the treated half's
        spared = replace(outcome, company_costs=np.zeros_like(outcome.company_costs))
        for group, side, half in (("treated", coin, outcome), ("control", ~coin, spared)):
            self._measure(arm, half, group, side)
            self._measure(tables.BASELINE, self.baseline, f"{arm}:{group}", side)

    def _model(self, arm: Arm, journal: Journal | None = None) -> CXModel:
        """A model of one arm; only the baseline, the first, is recorded."""
        record = arm.treated is None
        return CXModel(self.world, self.midnight.copied(), arm, self.engine, journal, record=record)

    def _finish(self, arm: str, model: CXModel, after_a_year: Callable[[], None] | None = None) -> Outcome:
        """Run an arm to the horizon and keep its tables."""
        outcome = finished(model, after_a_year=after_a_year)
        if arm not in self.variants:
            self._keep_days(arm, outcome)
        self._keep_company(arm, model)
        return outcome

    def _keep_company(self, arm: str, model: CXModel) -> None:
        """What the firm sees of its campaigns and has decided in its meetings; not in arms no firm could run."""
        if arm in self.variants or arm.partition("/")[2] not in ("", "ab"):
            return
        for one in model.campaigns.of.values():
            for variant, counts in enumerate(zip(*one.tally, one.cost, strict=True)):
                share = one.shares[variant - 1] if variant else np.nan
                self.campaigns.append((arm, one.name, one.message.channel, variant, *counts, share, one.revisions))
        for number, meeting in enumerate(model.meetings):
            for day, touchpoint in meeting.started:
                self.projects.append((arm, number, day, TOUCHPOINT_NAMES[touchpoint]))

    def _journal(self, wanted: bool) -> Journal | None:
        return Journal(self.task.journal) if wanted and self.task.journal > 0 else None

    def _keep_journey(self, arm: str, journal: Journal | None) -> None:
        if journal is not None:
            self.journeys.append((arm, journal.columns(), journal.states()))

    def _segments(self, baseline: Outcome) -> Iterator[tuple[str, Mask]]:
        """Everybody, those any intervention would have reached in the baseline, and each true persona."""
        columns = baseline.columns
        yield tables.EVERYBODY, np.ones(len(columns.status), bool)
        if self.placed:
            yield tables.ELIGIBLE, columns.of("eligible") > 0
        for number, persona in enumerate(self.personas):
            yield persona, columns.of("persona") == number

    def _measure(self, arm: str, outcome: Outcome, group: str = "all", side: Mask | None = None) -> None:
        """Note an arm's metrics over every segment; of one side of a field test, the dashboard's too."""
        for segment, chosen in self.segments.items():
            of_group = chosen if side is None else chosen & side
            values = measures(outcome, of_group)
            if side is not None:
                values |= field_test(outcome, of_group)
            elif segment == tables.EVERYBODY:
                values |= company_measures(outcome)
            if side is None:
                values["nps_stayers"] = self._stayers(outcome, chosen)
            self.rows += [(arm, group, segment, metric, value) for metric, value in values.items()]

    def _stayers(self, outcome: Outcome, chosen: Mask) -> float:
        """NPS of the baseline plus the difference among those who are customers in both arms."""
        arm, reference = stayers(outcome, self.baseline, chosen)
        return promoters(self.baseline, np.flatnonzero(chosen)) + arm - reference

    def _measures(self) -> pd.DataFrame:
        frame = pd.DataFrame(self.rows, columns=["arm", "group", "segment", "metric", "value"])
        frame.insert(0, "second_seed", np.int8(self.task.second_seed))
        frame.insert(0, "replication", np.int32(self.task.replication))
        return frame

    def _keep_days(self, arm: str, outcome: Outcome) -> None:
        last = slice(-self.world.days, None)
        kept = {column.name: column.dtype for column in tables.DAILY if column.name in outcome.daily}
        frame = pd.DataFrame({name: _column(outcome.daily[name][last], dtype) for name, dtype in kept.items()})
        frame.insert(0, "second_seed", np.int8(self.task.second_seed))
        frame.insert(0, "replication", np.int32(self.task.replication))
        frame.insert(0, "arm", arm)
        self.days.append(frame[[column.name for column in tables.DAILY]])


def table(columns: Sequence[tables.Column], rows: Sequence[tuple[Any, ...]], task: Task) -> pd.DataFrame:
    """Rows under their declared columns, the first two being the task's point and seed."""
    own = (task.replication, task.second_seed)
    frame = pd.DataFrame([(*own, *row) for row in rows], columns=[column.name for column in columns])
    return frame.astype({column.name: column.dtype for column in columns})


def customer_table(
    baseline: Outcome, treated: Outcome, name: str, segments: Mapping[str, Mask], personas: Sequence[str]
) -> pd.DataFrame:
    """customers.parquet: a row per customer and arm, with the same customer's values under the other arm beside."""
    eligible = segments.get(tables.ELIGIBLE, np.zeros(len(baseline.columns.status), bool))
    parts = [_customers(tables.BASELINE, baseline, treated, eligible, personas)]
    if name:
        parts.append(_customers(name, treated, baseline, eligible, personas))
    return pd.concat(parts, ignore_index=True)[[column.name for column in tables.CUSTOMERS]]


def _customers(arm: str, own: Outcome, other: Outcome, eligible: Mask, personas: Sequence[str]) -> pd.DataFrame:
    c, elsewhere = own.columns, other.columns
    words, statuses = np.array(personas), np.array(STATUS_NAMES)
    return pd.DataFrame({
        "arm": arm,
        "customer": np.arange(len(c.status), dtype=np.int32),
        "persona": words[c.of("persona")],
        "segment": words[c.of("declared")],
        "eligible": eligible,
        "status": statuses[c.status],
        "satisfaction": own.tail.satisfaction.astype(np.float32),
        "expectation": own.tail.expectation.astype(np.float32),
        "acquired_day": _or_null(c.of("first_order"), NEVER),
        "lapsed_day": _or_null(np.where(c.status == LAPSED, c.lapse_day, NEVER).astype(np.int16), NEVER),
        "visits": c.of("visits").astype(np.int32),
        "orders": c.of("bought").astype(np.int32),
        "revenue": c.of("revenue").astype(np.int64),
        "profit": c.of("ledger").astype(np.int64),
        "ltv": c.of("npv") + own.tail.value,
        "tail": own.tail.value,
        "style": c.of("style"),
        **{name: _or_null(week.census, -1) for name, week in zip(tables.CENSUSES, own.censuses, strict=True)},
        "other_orders": elsewhere.of("bought").astype(np.int32),
        "other_profit": elsewhere.of("ledger").astype(np.int64),
        "other_ltv": elsewhere.of("npv") + other.tail.value,
        "other_status": statuses[elsewhere.status],
    })  # fmt: skip


def _column(values: NDArray[Any], dtype: str) -> NDArray[Any] | pd.arrays.IntegerArray:
    """Daily figures under their declared dtype; -1 in a nullable count means that it was not taken: null."""
    return values.astype(dtype) if dtype.islower() else _or_null(values.astype(dtype.lower()), -1)


def _or_null(values: NDArray[Any], missing: int) -> pd.arrays.IntegerArray:
    """Whole numbers as a nullable column, null where they are `missing`."""
    return pd.arrays.IntegerArray(values, values == missing)
