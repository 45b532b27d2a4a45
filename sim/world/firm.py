"""The firm on its dashboard: from the facts it knows to numbers of a world that reproduce them.

What has a closed form is solved here, before anything is simulated: how many buy and have lapsed, purchase rates and
lapse under the dropout clock at hand (`buyers`), utilities of the delivery classes, delays of the carrier, the price
of a basket. The pilot solves the rest. A fact that is not known leaves what is configured elsewhere as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from agents.behaviour import Rules, class_utility
from agents.population import Traits
from sim.config.parameters import DAYS_PER_YEAR, Parameter
from sim.config.sections import ClassShares, Facts
from sim.config.settings import Settings
from sim.phrases import ConfigError
from sim.world.buyers import Buyers, OutOfReach, solved

MONTHS = 12.0

WAITERS = 512
"""Cells over the customers' cost of waiting."""

FloatArray = NDArray[np.float64]


class Wanted(NamedTuple):
    """What the pilot brings about; NaN where the firm does not know it."""

    orders: float = math.nan  # a day on an ordinary day, of the simulated market
    newcomers: float = math.nan  # first orders a day, of the simulated market
    average_basket: float = math.nan  # yen
    conversion: float = math.nan  # orders per visit
    on_time: float = math.nan  # share of parcels, outside peaks
    nps: float = math.nan  # points, of those who answer
    contacts_per_order: float = math.nan


class Shares(NamedTuple):
    """Shares of a market's members; the rest are current customers."""

    unaware: float
    aware: float
    lapsed: float

    @classmethod
    def of(cls, traits: Traits) -> Shares:
        """The shares of these traits."""
        return cls(traits.unaware, traits.aware, traits.lapsed)

    def into(self, traits: Traits) -> Traits:
        """The traits with these shares."""
        return traits._replace(**self._asdict())


class Firm(NamedTuple):
    """A world's buyers and rules as the facts have them."""

    traits: Traits
    rules: Rules
    delayed: float  # share of parcels that the carrier delays
    wanted: Wanted


def firm_of(settings: Settings, traits: Traits, rules: Rules, mean_season: float) -> Firm:
    """Traits and rules that reproduce the facts in a market of `settings.customers`.

    `mean_season` is the mean factor on visits over a year, which a month's orders contain. Raises ConfigError where
    facts contradict each other.
    """
    facts = settings.company.facts
    traits, orders, newcomers = _stocked(settings, traits, mean_season)
    delayed = settings.company.carrier.delayed.value
    if facts.classes is not None:
        rules = choosing(rules, traits, _shares(facts.classes))
    if facts.on_time is not None:
        late = settings.company.carrier.share_of_late.value * (1.0 - facts.on_time.value)
        delayed = min(0.95, late / _exposed(settings, class_shares(rules, traits)))
    conversion = _known(facts.conversion)
    if not math.isnan(conversion):
        rules = converting(rules, conversion, newcomers / orders, rules.conversion_prospect / rules.conversion_customer)
    wanted = Wanted(
        orders, newcomers, _known(facts.average_basket), conversion, _known(facts.on_time), _known(facts.nps),
        _known(facts.contacts_per_order),
    )  # fmt: skip
    return Firm(traits, rules, delayed, wanted)


def _known(fact: Parameter | None) -> float:
    return math.nan if fact is None else fact.value


def converting(rules: Rules, conversion: float, first: float, ratio: float) -> Rules:
    """The rules at which a share `conversion` of all visits ends in an order.

    `first` is the share of first orders among them, `ratio` the conversion of prospects over that of customers.
    """
    customers = min(0.95, conversion * (1.0 - first + first / ratio))
    return rules._replace(conversion_customer=customers, conversion_prospect=min(0.95, customers * ratio))


# -- buyers --------------------------------------------------------------------------------------------------------


def _stocked(settings: Settings, traits: Traits, mean_season: float) -> tuple[Traits, float, float]:
    """The traits with as many buyers as the facts tell; orders and first orders a day in the simulated market."""
    facts, members, customers = settings.company.facts, settings.company.members, settings.customers
    buyers = Buyers.of(traits)
    if facts.orders_a_month is None and facts.active_customers is None:
        seen = buyers.seen()
        new = (1.0 - traits.unaware - traits.aware) * customers / seen.current
        return traits, new * seen.orders, new * seen.newcomers
    if facts.orders_a_month is not None and facts.active_customers is not None:
        buyers = _as_often(facts, buyers, mean_season)
        traits = buyers.into(traits)
    seen = buyers.seen()
    if facts.orders_a_month is not None:
        new = facts.orders_a_month.value * MONTHS / DAYS_PER_YEAR / mean_season / seen.orders / members
    elif facts.active_customers is not None:
        new = facts.active_customers.value / seen.active / members
    current, lapsed = new * seen.current, new * seen.lapsed
    never = 1.0 - current - lapsed
    if never < LEAST_PROSPECTS:
        raise ConfigError(
            "company.members: {members} hold too few who have not bought: by company.facts {buyers:.0f} have, within "
            "memory; at least {least:.0f} members",
            members=members, buyers=members * (current + lapsed),
            least=members * (current + lapsed) / (1.0 - LEAST_PROSPECTS),
        )  # fmt: skip
    aware = traits.aware / (traits.aware + traits.unaware) if traits.aware + traits.unaware > 0.0 else 1.0
    traits = traits._replace(unaware=never * (1.0 - aware), aware=never * aware, lapsed=lapsed)
    return traits, customers * new * seen.orders, customers * new * seen.newcomers


LEAST_PROSPECTS = 0.05
"""Share of members who have never bought, at least: new buyers come from among them."""


def _as_often(facts: Facts, buyers: Buyers, mean_season: float) -> Buyers:
    """The buyers who order as often, and return, as the facts say."""
    assert facts.orders_a_month is not None
    assert facts.active_customers is not None
    often = facts.orders_a_month.value * MONTHS / facts.active_customers.value
    repeat = None if facts.repeat_share is None else facts.repeat_share.value
    if often < 1.0:
        raise ConfigError(
            "company.facts.orders_a_month: {orders:g} contradict active_customers: {often:.3g} orders a year for each "
            "of {active:g}, who have all bought within it; at least {least:g}",
            orders=facts.orders_a_month.value, often=often, active=facts.active_customers.value,
            least=math.ceil(facts.active_customers.value / MONTHS),
        )  # fmt: skip
    try:
        return solved(buyers, often / mean_season, repeat)
    except OutOfReach as out:
        if out.what == "repeat_share":
            raise ConfigError(
                "company.facts.repeat_share: {value:g} contradicts orders_a_month and active_customers, by which an "
                "active customer orders {often:.3g} times a year; from {low:.2g} to {high:.2g}, {clock} clock",
                value=out.value, often=often, low=out.low, high=out.high,
                clock="episode" if buyers.episode_clock else "time",
            ) from None  # fmt: skip
        raise ConfigError(
            "company.facts.orders_a_month: {orders:g} contradict active_customers: {often:.3g} orders a year for each "
            "who bought within one; from {low:.3g} to {high:.3g}",
            orders=facts.orders_a_month.value, often=often, low=out.low * mean_season, high=out.high * mean_season,
        ) from None  # fmt: skip


# -- delivery ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _waiters(traits: tuple[float, ...], spread: float) -> FloatArray:
    """Cost of waiting, logit per day, in cells of equal probability for each persona; (personas, WAITERS)."""
    cells = np.exp(spread * ndtri((np.arange(WAITERS) + 0.5) / WAITERS))
    return np.asarray(np.array(traits)[:, np.newaxis] * cells)


CLASSES = ("express", "standard", "norush")
"""Delivery classes by their number."""


def class_shares(rules: Rules, traits: Traits, kinds: Sequence[int] = range(len(CLASSES))) -> FloatArray:
    """Shares of online orders by delivery class without any coupon, where these classes are offered; (kinds,)."""
    spread = _waiters(tuple(traits.personas.waiting_cost.tolist()), traits.waiting_cost_sd)
    costs: Any = traits.waiting_cost * spread
    utility = np.stack([class_utility(rules, kind, costs, 0.0) for kind in kinds])
    weight = np.exp(utility - utility.max(axis=0))
    return np.asarray((weight / weight.sum(axis=0)).mean(axis=2) @ traits.personas.share)


def choosing(rules: Rules, traits: Traits, shares: Mapping[str, float]) -> Rules:
    """The rules at which customers choose among these classes by these shares, which sum to one.

    The first class keeps its utility. Those of the others move by the log of the share missed until none is (the
    contraction of Berry, Levinsohn and Pakes 1995).
    """
    names = [name for name in CLASSES if name in shares]
    kinds, wanted = [CLASSES.index(name) for name in names], np.array([shares[name] for name in names])
    for _ in range(10_000):
        missed = np.log(wanted / class_shares(rules, traits, kinds))
        missed -= missed[0]
        moved = {f"utility_{name}": float(one) for name, one in zip(names[1:], missed[1:], strict=True)}
        rules = rules._replace(**{name: getattr(rules, name) + one for name, one in moved.items()})
        if np.abs(missed).max() < 1e-10:
            break
    return rules


def _shares(classes: ClassShares) -> dict[str, float]:
    """Shares of all classes. Raises ConfigError for shares that leave nothing to standard."""
    express, norush = classes.express.value, classes.norush.value
    standard = 1.0 - express - norush
    if standard <= 0.0:
        raise ConfigError(
            "company.facts.classes: express {express:g} and norush {norush:g} leave nothing to standard delivery; "
            "together below 1",
            express=express, norush=norush,
        )  # fmt: skip
    return {"express": express, "standard": standard, "norush": norush}


def _exposed(settings: Settings, shares: FloatArray) -> float:
    """Of the parcels that the carrier delays, the share that comes late though all leave the warehouse at once."""
    classes, carrier = settings.company.classes, settings.company.carrier
    longer = 1.0 - 1.0 / carrier.days.value  # probability that a delay lasts one more day
    held = settings.company.hold_norush
    slack = [
        0 if held and one is classes.norush else one.lead - one.transit
        for one in (classes.express, classes.standard, classes.norush)
    ]
    return float(sum(share * longer**days for share, days in zip(shares, slack, strict=True)))
