"""A cohort that starts with its first orders, simulated by the rules of a run: the baseline a log is held against.

Everybody's first order is placed on one day, the day before day 0, and repeats are counted from there. Season is flat,
nobody talks, capacity and desk are ample, so that customers neither meet nor know the date: a customer who first
bought on day d of the log behaves as one of these does, d + 1 days later. A log's cohort is then the same curve,
shifted to each customer's first day and summed; this is exact, not an approximation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from sim.calibration.repeat_buying import BgNbd, Model
from sim.config.parameters import DAYS_PER_WEEK
from sim.config.settings import Settings
from sim.world.constants import AMPLE, World, with_references, world_of
from sim.world.model import CXModel, Snapshot, burnt_in
from sim.world.pilot import AMPLE_SERVERS, references

FloatArray = NDArray[np.float64]

CLOCK = {"bg_nbd": "episode", "pareto_nbd": "time"}
"""The dropout clock each fitted model stands for."""

ORDERS_WANTED = 100_000
"""Repeat orders to simulate: their count is then known to about half a percent."""
LEAST, MOST = 5_000, 100_000
"""Customers a cohort has at least and at most."""

EAGER = 1e3
"""Visits a day at which everybody visits and orders: 1 - exp(-950) is 1 to the last digit."""

PILOT_CUSTOMERS = 20_000


@dataclass(frozen=True)
class Repeats:
    """Repeat orders per customer. by_day: within n days of the first order, shape (days + 1,), from n = 0.

    relative_se: Monte Carlo standard error of the last entry, as a share of it.
    """

    by_day: FloatArray
    relative_se: float

    def of_cohort(self, first_days: FloatArray, weeks: int) -> FloatArray:
        """Cumulative repeats at the end of weeks 1 to `weeks` of customers who first bought on these days.

        first_days: whole days from the log's first, one per customer. Returns shape (weeks,).
        """
        births, counts = np.unique(first_days.astype(np.int64), return_counts=True)
        last_days = DAYS_PER_WEEK * np.arange(1, weeks + 1) - 1
        since = np.clip(last_days[:, None] - births, 0, len(self.by_day) - 1).astype(np.int64)
        return np.asarray(self.by_day[since] @ counts, dtype=np.float64)


def put(settings: Settings, model: Model) -> Settings:
    """The settings with this model's parameters (weeks) and the dropout clock it stands for."""
    name = "bg_nbd" if isinstance(model, BgNbd) else "pareto_nbd"
    point: dict[str, float | str] = {f"company.purchase.{name}.{key}": value for key, value in vars(model).items()}
    return settings.at(point | {"behaviour.attrition.clock": CLOCK[name]})


def pilot_references(settings: Settings, model: Model) -> World:
    """The world of a run at these parameters with the references that its own pilot freezes."""
    small = settings.model_copy(update={"customers": min(settings.customers, PILOT_CUSTOMERS)})
    world = world_of(put(small, model), settings.seed)
    return with_references(world, references(world)[1])


def simulate(settings: Settings, run: World, model: Model, days: int, orders: float = ORDERS_WANTED) -> Repeats:
    """Repeat orders per customer of a cohort under `model`, with the references of `run`, over `days` days.

    orders: about so many are simulated, by LEAST to MOST customers.

    Noise is cut by a control variate: given a customer's own rate and lapse, expected repeats have a closed form, and
    its mean over the simulated customers is known exactly.
    """
    world = _cohort_world(replace(world_of(put(settings, model), settings.seed), rules=run.rules), model, days, orders)
    start = _first_orders(world)
    rate, lapse = (start.customers.columns.of(name).astype(np.float64) for name in ("rate", "lapse_trait"))
    cohort = CXModel(world, start)
    cohort.run(days)
    raw = np.concatenate([[0.0], np.cumsum(cohort.recorder.rows["orders"][:days])]) / world.customers
    grid = np.append(np.arange(0, days, DAYS_PER_WEEK), days)
    drawn = np.array([np.mean(_given_traits(model, rate, lapse, day)) for day in grid])
    known = expected_repeats(model, grid / DAYS_PER_WEEK)
    residual = cohort.customers.columns.of("bought") - _given_traits(model, rate, lapse, days)
    by_day = raw + np.interp(np.arange(days + 1), grid, known - drawn)
    return Repeats(by_day, float(np.std(residual) / np.sqrt(world.customers) / by_day[-1]))


def expected_repeats(model: Model, weeks: FloatArray) -> FloatArray:
    """The model's closed form; where its series gives out (lapse near zero), the mean over quantiles of lapse."""
    with np.errstate(all="ignore"):
        closed = model.expected_repeats(weeks)
    if np.isfinite(closed).all() or not isinstance(model, BgNbd):
        return closed
    p = betaincinv(model.a, model.b, (np.arange(2000) + 0.5) / 2000)[:, None]
    return np.asarray(np.mean(-np.expm1(-model.r * np.log1p(p * weeks / model.alpha)) / p, axis=0))


def _cohort_world(world: World, model: Model, days: int, orders: float) -> World:
    """The same rules where nobody meets anybody: all prospects at first, no talk, no season, nothing scarce."""
    mean = float(expected_repeats(model, np.array([days / DAYS_PER_WEEK]))[0])
    return replace(
        world,
        customers=int(np.clip(orders / max(mean, 1e-9), LEAST, MOST)),
        days=days,
        burn_in=1,
        rules=world.rules._replace(talk_base=0.0, talk_positive=0.0, talk_negative=0.0),
        traits=world.traits._replace(unaware=0.0, aware=1.0, lapsed=0.0),
        desk=world.desk._replace(servers=AMPLE_SERVERS),
        season=np.ones(days + 1),
        capacity=np.full(days + 1, AMPLE, np.int64),
        degree=2.0,
        survey_share=0.0,
    )


def _first_orders(world: World) -> Snapshot:
    """Day 0 after a day on which every prospect visited and ordered, as a log's customers did on their first."""
    eager = world.rules._replace(prospect_rate=EAGER, trial_scale=1.0, conversion_prospect=0.95, order_offset=0.0)
    return burnt_in(replace(world, rules=eager))


def _given_traits(model: Model, rate: FloatArray, lapse: FloatArray, days: float) -> FloatArray:
    """Expected repeats within `days` of customers whose rate per day and lapse are known; shape of `rate`."""
    lost = rate * lapse if isinstance(model, BgNbd) else lapse
    exposure = days * np.where(lost * days > 1e-9, -np.expm1(-lost * days) / np.maximum(lost * days, 1e-300), 1.0)
    return rate * exposure
