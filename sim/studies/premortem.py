"""A field test before it is run: what the planned test would report, many times over, where the truth is known.

For each point of what is not known there is one market: its baseline, its full rollout (the truth), and some tests that
differ in who is treated. The firm's log is read at several weeks of each test, and an analyst's arithmetic is done on
it: difference of means, standard error, p-value. From the tables written here the analysis says how good that is.

Two designs. `customer` tosses a coin for each customer. `cluster` treats whole clusters, blocks of neighbouring rows:
ties go to neighbours on a line, so that few of them lead out of a block. A real firm would cluster by region. Clusters
keep talk among ties within an arm, not what passes through the public, the shared warehouse or the support desk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, ValidationInfo
from scipy.special import stdtr

from agents import draws
from sim import tables
from sim.company.offers import Placed
from sim.config.parameters import inside, several, whole, word
from sim.config.sections import Section
from sim.config.settings import Settings
from sim.phrases import ConfigError
from sim.run.experiment import Progress, running, study_tasks
from sim.run.replication import Task, TreatedArms
from sim.run.writing import write_assumptions, write_config, write_parquet
from sim.world.constants import World
from sim.world.model import Arm, CXModel, burnt_in
from sim.world.pilot import piloted

CUSTOMER, CLUSTER = "customer", "cluster"
DESIGNS = (CUSTOMER, CLUSTER)
USUAL_WEEKS = (2, 4, 8, 13, 26, 52)
MOST_TESTS = 250
"""Most tests per world: a test's number is the slot of the draws that assign it."""

FEWEST = 30
"""Customers in the smaller arm: with fewer an analyst's normal arithmetic has no meaning."""

LOGGED = ("visits", "bought", "revenue", "ledger")
"""Columns since day 0 that a firm's log holds of each customer."""

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]
Log = dict[str, NDArray[Any]]


# -- the plan -------------------------------------------------------------------------------------------------


def _in_order(named: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in DESIGNS if name in named)


def _clusters(stated: object, run: ValidationInfo) -> int:
    """Reader of a number of clusters, of which none is without a customer of the run."""
    return whole(4, cast(Settings, run.context).customers)(stated)


def _weeks(stated: object, run: ValidationInfo) -> tuple[int, ...]:
    """Reader of the weeks after which a test is read; auto: the usual ones that the run's horizon holds."""
    most = cast(Settings, run.context).days // 7
    if stated == "auto":
        return tuple(week for week in USUAL_WEEKS if week <= most)
    return tuple(sorted(set(several(whole(1, most))(stated))))


class Plan(Section):
    """The planned test: how it is assigned, when it is read and how it is judged; keys of `conf/premortem`."""

    design: Annotated[tuple[str, ...], several(word(*DESIGNS)), AfterValidator(_in_order)]
    tests: Annotated[int, whole(1, MOST_TESTS)]  # assignments per point and design
    share: Annotated[float, inside(0.0, 1.0)]  # treated
    clusters: Annotated[int, BeforeValidator(_clusters)]  # of the cluster design
    weeks: Annotated[tuple[int, ...], BeforeValidator(_weeks)]  # readings, ascending
    level: Annotated[float, inside(0.0, 0.5)]  # two-sided level of significance
    power: Annotated[float, inside(0.0, 1.0)]  # wanted, for the needed size


def plan_of(stated: object, settings: Settings) -> Plan:
    """The checked plan for a run with these settings. Raises ConfigError of one line."""
    plan = Plan.read(stated, "premortem", settings)
    fewest = min(plan.share, 1.0 - plan.share) * settings.customers
    if fewest < FEWEST:
        raise ConfigError(
            "premortem.share: {share:g} of customers={customers} leaves {fewest:.0f} in one arm; at least {least}",
            share=plan.share, customers=settings.customers, fewest=fewest, least=FEWEST,
        )
    return plan


def treatment(placed: Mapping[str, Placed]) -> tuple[str, Placed]:
    """The scenario that is tested, with its interventions; of several, all together.

    Raises ConfigError of none, and of one that acts on the company as a whole.
    """
    if not placed:
        raise ConfigError("scenario: adds nothing that could be tested; name one that does, say scenario=peach_popup")
    name, own = list(placed.items())[-1]
    for _, one in own:
        if one.company_wide:
            raise ConfigError(
                "scenario: {name} acts on everybody at once, so that no test can leave a part out", name=one.name
            )
    return name, own


# -- who is treated -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Assignment:
    """Which blocks of rows are treated; a block is one row where customers are assigned one by one.

    `first` holds each block's first row, ascending from 0; `treated` has the same shape (blocks,).
    """

    first: NDArray[np.intp]
    treated: Mask
    customers: int

    def rows(self) -> Mask:
        """Whether each customer is treated, (customers,)."""
        return np.repeat(self.treated, np.diff(self.first, append=self.customers))

    def totals(self, values: NDArray[Any]) -> Numbers:
        """Sums over blocks of a value per customer."""
        return np.asarray(np.add.reduceat(values, self.first, dtype=np.float64))


def assignment(plan: Plan, design: str, world: World, test: int) -> Assignment:
    """Who is treated in one test of a world; the same whatever else is planned beside it."""
    if design == CUSTOMER:
        # Slot 0 is the field test of an ordinary run.
        u = draws.draws(world.seed, 0, world.customers, 0, draws.AB_ASSIGN, 1 + test)
        return Assignment(np.arange(world.customers), np.asarray(u < plan.share), world.customers)
    u = draws.draws(world.seed, 0, plan.clusters, 0, draws.AB_CLUSTER, test)
    return Assignment(blocks(world.customers, plan.clusters), _lowest(u, plan.share), world.customers)


def blocks(customers: int, number: int) -> NDArray[np.intp]:
    """First rows of `number` blocks of neighbouring rows, whose sizes differ by one at most."""
    return np.asarray(np.arange(number) * customers // number, dtype=np.intp)


def _lowest(u: Numbers, share: float) -> Mask:
    """Choose a fixed number of units by lot, at least two on either side, so that there is a standard error. Coins
    would divide few clusters unequally."""
    treated = min(max(round(share * len(u)), 2), len(u) - 2)
    chosen = np.zeros(len(u), bool)
    chosen[np.argsort(u, kind="stable")[:treated]] = True
    return chosen


# -- what the analyst computes --------------------------------------------------------------------------------


class Difference(NamedTuple):
    """Treated less control with its standard error, Welch's degrees of freedom and the two-sided p-value of t."""

    estimate: float
    se: float
    freedom: float
    p_value: float


def difference(top: Numbers, bottom: Numbers, treated: Mask) -> Difference:
    """Difference between treated and control units of the ratio of sums, top / bottom.

    All arrays (units,), one entry per unit that was assigned. The variance of either side's ratio is linearised
    (delta method: Deng, Knoblich and Lu 2018); with bottom = 1 it is the two-sample variance of means, with equal
    clusters that of cluster means. NaN where a side has nothing to divide by.
    """
    (one, var_1, n_1), (other, var_0, n_0) = (_side(top[side], bottom[side]) for side in (treated, ~treated))
    variance = var_1 + var_0
    if not variance > 0.0:
        return Difference(one - other, variance, math.nan, math.nan)
    freedom = variance**2 / (var_1**2 / (n_1 - 1) + var_0**2 / (n_0 - 1))
    se = math.sqrt(variance)
    return Difference(one - other, se, freedom, float(2.0 * stdtr(freedom, -abs(one - other) / se)))


def _side(top: Numbers, bottom: Numbers) -> tuple[float, float, int]:
    """(ratio of sums, its variance, units)."""
    n, total = len(top), float(bottom.sum())
    if n < 2 or total == 0.0:
        return math.nan, math.nan, n
    ratio = float(top.sum()) / total
    residual = (top - ratio * bottom) * (n / total)
    return ratio, float(np.square(residual).sum()) / (n * (n - 1)), n


def readings(log: Log, extrapolation: float) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """(metric, top, bottom) per customer of each of `tables.TEST_METRICS`; amounts are extrapolated."""
    everybody = np.ones(len(log["visits"]))
    yield "profit_per_customer", extrapolation * log["ledger"], everybody
    yield "revenue_per_customer", extrapolation * log["revenue"], everybody
    yield "orders_per_thousand", 1000.0 * extrapolation * log["bought"], everybody
    visited = log["visits"] > 0
    yield "buyers_per_visitor", 100.0 * (visited & (log["bought"] > 0)), visited


# -- one world ------------------------------------------------------------------------------------------------


def run_world(settings: Settings, treated_arms: TreatedArms, plan: Plan, task: Task) -> pd.DataFrame:
    """All tests in the market of one point: rows of `tables.TESTS`."""
    drawn = settings.at(task.point)
    world = piloted(drawn, task.seed)
    lab = Laboratory(world, treatment(treated_arms(drawn))[1], settings, plan)
    rows = [row for design in plan.design for test in range(plan.tests) for row in lab.test(design, test)]
    frame = pd.DataFrame(rows, columns=[column.name for column in tables.TESTS[1:]])
    frame.insert(0, "point", task.replication)
    return frame.astype({"point": "int32", "test": "int32", "weeks": "int32"})


class Laboratory:
    """One world, burnt in once and then run with nobody, everybody, or those of a test treated."""

    def __init__(self, world: World, placed: Placed, settings: Settings, plan: Plan) -> None:
        self.world, self.placed, self.engine, self.plan = world, placed, settings.engine, plan
        self.midnight = burnt_in(world, self.engine)
        nobody = np.zeros(world.customers, bool)
        self.untreated, self.rollout = self.lived(nobody), self.lived(~nobody)
        self.truths = {
            day: dict(_effects(self.untreated[day], self.rollout[day], self._extrapolation(day)))
            for day in self.untreated
        }

    def lived(self, treated: Mask) -> dict[int, Log]:
        """The firm's log on each reading day and at the end of the horizon."""
        arm = Arm(self.placed, treated)
        model = CXModel(self.world, self.midnight.copied(), arm, self.engine, record=False)
        logs: dict[int, Log] = {}
        for day in sorted({*(7 * week for week in self.plan.weeks), self.world.days}):
            model.run(day)
            logs[day] = {name: model.customers.columns.of(name).copy() for name in LOGGED}
        return logs

    def _extrapolation(self, day: int) -> float:
        return self.world.days / day

    def test(self, design: str, test: int) -> Iterator[tuple[Any, ...]]:
        """Rows of one test, each reading beside the same split's of the untreated world and the truth."""
        assigned = assignment(self.plan, design, self.world, test)
        tested = self.lived(assigned.rows())
        for week in self.plan.weeks:
            day = 7 * week
            seen = dict(_analysed(tested[day], assigned, self._extrapolation(day)))
            unseen = dict(_analysed(self.untreated[day], assigned, self._extrapolation(day)))
            for metric, found in seen.items():
                split = unseen[metric]
                truths = self.truths[day][metric], self.truths[self.world.days][metric]
                yield design, test, metric, week, *found, split.estimate, split.p_value, *truths


def _analysed(log: Log, assigned: Assignment, extrapolation: float) -> Iterator[tuple[str, Difference]]:
    for metric, top, bottom in readings(log, extrapolation):
        yield metric, difference(assigned.totals(top), assigned.totals(bottom), assigned.treated)


def _effects(untreated: Log, rollout: Log, extrapolation: float) -> Iterator[tuple[str, float]]:
    """Everybody treated less nobody, by metric."""
    for (metric, *base), (_, *full) in zip(
        readings(untreated, extrapolation), readings(rollout, extrapolation), strict=True
    ):
        before, after = (top.sum() / bottom.sum() if bottom.any() else math.nan for top, bottom in (base, full))
        yield metric, float(after - before)


# -- all worlds -----------------------------------------------------------------------------------------------


def run_premortem(
    settings: Settings, treated_arms: TreatedArms, plan: Plan, folder: Path, threads: int, progress: Progress
) -> None:
    """Simulate all tests in all worlds; write config.yaml, tests.parquet and the assumptions into `folder`.

    `progress(done, of, what)` is called as worlds are finished.
    """
    tasks = study_tasks(settings, second_seeds=False)
    with running(partial(run_world, settings, treated_arms, plan), threads, progress) as run:
        tests = pd.concat(run(tasks), ignore_index=True)
    write_config(folder, settings, premortem=plan.model_dump(mode="json"))
    write_parquet(folder, "tests.parquet", tests)
    write_assumptions(folder, settings, tasks)
