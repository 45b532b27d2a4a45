"""What a log's optional columns tell beyond purchases: class shares, lateness, coupons, channels.

Each becomes a parameter of the company or, under its `behaviour` key, one that is laid over the shared behaviour
(sim.config.overlays). Names of classes and channels are recognised by words; what is not is left out and said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from agents.behaviour import Rules, class_utility
from agents.population import Personas
from sim.calibration import log
from sim.calibration.log import CleanLog, Lateness
from sim.config.settings import Settings
from sim.phrases import ConfigError, Phrase
from sim.world.constants import CAPACITY_FROM, sized, world_of
from sim.world.model import CXModel, burnt_in
from sim.world.pilot import references

FloatArray = NDArray[np.float64]
Say = Callable[[Phrase], None]

CLASSES = ("express", "standard", "norush")
CLASS_WORDS = {
    "express": ("express", "fast", "nextday", "sameday", "priority", "急ぎ", "当日", "翌日", "速達"),
    "norush": ("norush", "economy", "slow", "ゆっくり", "まとめ"),
    "standard": ("standard", "normal", "regular", "通常", "標準", "普通"),
}
CHANNEL_WORDS = {
    "app": ("app", "アプリ"),
    "web": ("web", "online", "website", "site", "pc", "ec", "オンライン", "ネット"),
    "store": ("store", "shop", "pos", "店"),
}

RATIOS = (1.02, 1.05, 1.1, 1.2, 1.35, 1.6)
"""Capacity ratios tried; between them the log odds of being on time are interpolated."""

NODES = 64
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Evidence:
    """What the optional columns say, as it stands in a company's file; empty where the log has none of them."""

    channels: dict[str, float] | None = None
    capacity_ratio: dict[str, Any] | None = None
    behaviour: dict[str, dict[str, Any]] = field(default_factory=dict)


def evidence_of(clean: CleanLog, settings: Settings, say: Say) -> Evidence:
    """Read the optional columns, lateness apart, which takes a simulation: see `with_capacity`."""
    found = {"delivery": _delivery(clean, settings, say), "coupons": _coupons(clean, settings, say)}
    return Evidence(_channels(clean, say), None, {group: node for group, node in found.items() if node})


def with_capacity(evidence: Evidence, clean: CleanLog, settings: Settings, say: Say) -> Evidence:
    """The evidence with the capacity that makes the log's on-time rate. `settings` hold the corrected purchases."""
    late = log.lateness(clean)
    return replace(evidence, capacity_ratio=_capacity(late, _with(settings, evidence), say)) if late else evidence


def _with(settings: Settings, evidence: Evidence) -> Settings:
    """The settings with the log's channels and class utilities, on which lateness depends."""
    delivery = evidence.behaviour.get("delivery", {})
    found = settings.at({f"behaviour.delivery.{key}": node["mean"] for key, node in delivery.items()})
    shares = found.company.channels.model_copy(update=evidence.channels or {})
    return found.model_copy(update={"company": found.company.model_copy(update={"channels": shares})})


def _named(
    shares: Mapping[str, float], words: Mapping[str, tuple[str, ...]], what: Phrase, say: Say
) -> dict[str, float]:
    """Shares under our own names, scaled to one; unrecognised ones are left out and said."""
    found: dict[str, float] = {}
    strange = []
    for name, share in shares.items():
        ours = next((own for own, known in words.items() if any(_says(name, word) for word in known)), None)
        if ours is None:
            strange.append(name)
        else:
            found[ours] = found.get(ours, 0.0) + share
    if strange:
        known = "; ".join(f"{own}: {', '.join(told)}" for own, told in words.items())
        if not found:
            raise ConfigError(
                "no {what} is recognised among {names}; understood are {known}",
                what=what, names=", ".join(strange[:5]), known=known,
            )
        say(Phrase(
            "{what} not recognised and left out: {names} (understood are {known})",
            what=what, names=", ".join(strange), known=known,
        ))
    total = sum(found.values())
    return {name: share / total for name, share in found.items()}


def _says(name: str, word: str) -> bool:
    """Whether a name is, or has among its words, this one; a word that is not ASCII may stand anywhere."""
    if not word.isascii():
        return word in name
    pieces = re.findall("[a-z]+", name.lower())
    return word in pieces or word == "".join(pieces)


# --- delivery classes ---------------------------------------------------------------------------------------


def _delivery(clean: CleanLog, settings: Settings, say: Say) -> dict[str, Any] | None:
    """Class utilities that give the log's shares at the references; a class the log never shows keeps its own."""
    told = log.shares(clean, "delivery_class")
    if told is None:
        return None
    shares = _named(told, CLASS_WORDS, Phrase("delivery class"), say)
    orders = int(clean.purchases["delivery_class"].notna().sum())
    utilities = utilities_for(settings, shares)
    listed = ", ".join(f"{name} {100 * shares[name]:.1f} %" for name in CLASSES if name in shares)
    kept = [name for name in CLASSES if name not in shares]
    say(Phrase(
        "delivery classes: {shares}{kept}",
        shares=listed, kept=Phrase("; never seen, as in the default: {names}", names=", ".join(kept)) if kept else "",
    ))  # fmt: skip
    source = f"from class shares of {orders} orders: {listed}"
    zero = next(name for name in CLASSES if name in shares)
    return {
        f"utility_{name}": {
            "mean": round(utility, 4),
            # Of the log of a ratio of two counts, the zero of the scale being the other.
            "se": round(float(np.sqrt((1 / shares[name] + 1 / shares[zero]) / orders)), 4),
            "unit": "logit",
            "source": source,
        }
        for name, utility in utilities.items()
    } or None


def utilities_for(settings: Settings, shares: Mapping[str, float]) -> dict[str, float]:
    """Utilities of standard and no-rush (logit) at which the classes in `shares` are chosen in these proportions.

    Express is the zero of the scale; where the log has none of it, standard keeps its utility instead. Solved by the
    contraction of Berry, Levinsohn and Pakes (1995) over the population's waiting costs.
    """
    world = world_of(settings, settings.seed)
    costs, weights = _waiting_costs(world.traits.personas, world.traits.waiting_cost, world.traits.waiting_cost_sd)
    seen = [name for name in CLASSES if name in shares]
    free = seen[1:]
    rules = world.rules
    for _ in range(10_000):
        chosen = _class_shares(rules, costs, weights, seen)
        gaps = {name: np.log(shares[name] / chosen[name]) - np.log(shares[seen[0]] / chosen[seen[0]]) for name in free}
        rules = rules._replace(**{f"utility_{n}": getattr(rules, f"utility_{n}") + float(g) for n, g in gaps.items()})
        if all(abs(gap) < TOLERANCE for gap in gaps.values()):
            break
    return {name: float(getattr(rules, f"utility_{name}")) for name in free}


def _class_shares(rules: Rules, costs: FloatArray, weights: FloatArray, seen: list[str]) -> dict[str, float]:
    """Logit shares among the classes seen, averaged over waiting costs."""
    kinds = [CLASSES.index(name) for name in seen]
    utility = np.array([[class_utility(rules, kind, float(cost), 0.0) for kind in kinds] for cost in costs])
    chosen = np.exp(utility - utility.max(axis=1, keepdims=True))
    chosen /= chosen.sum(axis=1, keepdims=True)
    return dict(zip(seen, (weights @ chosen).tolist(), strict=True))


def _waiting_costs(personas: Personas, median: float, sd: float) -> tuple[FloatArray, FloatArray]:
    """Waiting costs (logit/day) of the population and their weights: persona multipliers times a lognormal."""
    normal = np.exp(sd * ndtri((np.arange(NODES) + 0.5) / NODES))
    costs = median * np.multiply.outer(personas.waiting_cost, normal).ravel()
    return costs, np.repeat(personas.share / NODES, NODES)


# --- lateness, coupons, channels ----------------------------------------------------------------------------


def _capacity(late: Lateness, settings: Settings, say: Say) -> dict[str, Any]:
    """The capacity ratio whose simulated on-time rate is the log's, at the settings' number of customers."""
    rates = np.maximum.accumulate(np.clip(on_time_at(settings, RATIOS), 1e-4, 1 - 1e-4))
    odds = np.log(rates / (1 - rates)) + 1e-9 * np.arange(len(rates))

    def ratio_for(rate: float) -> float:
        rate = min(max(rate, 1e-4), 1 - 1e-4)
        return round(float(np.interp(np.log(rate / (1 - rate)), odds, RATIOS)), 3)

    error = 1.645 * late.on_time_se
    low, value, high = (ratio_for(late.on_time + shift) for shift in (-error, 0.0, error))
    reached = float(np.interp(value, RATIOS, rates))
    told = f"{100 * late.on_time:.1f} % of {late.orders} orders"
    nearest = f"{100 * reached:.1f} % simulated with {settings.customers} customers"
    say(Phrase(
        "on time: {share:.1f} % of {orders} orders, late ones by {days:.1f} days; nearest at capacity ratio {ratio:g}: "
        "{reached:.1f} % simulated with {customers} customers",
        share=100 * late.on_time, orders=late.orders, days=late.mean_days_late, ratio=value,
        reached=100 * reached, customers=settings.customers,
    ))  # fmt: skip
    source = f"on-time rate {told}; {nearest}"
    known = {"value": value, "unit": "ratio to mean orders", "grade": "measured", "source": source}
    return known | ({"range": [low, high]} if low < high else {})


def on_time_at(settings: Settings, ratios: tuple[float, ...]) -> FloatArray:
    """Share of online deliveries on the promised day or before, over the horizon of the baseline, by capacity ratio."""
    world, known = references(world_of(settings, settings.seed))
    midnight = burnt_in(world, until=CAPACITY_FROM)
    found = []
    for ratio in ratios:
        model = CXModel(sized(replace(world, capacity_ratio=ratio), known, world.desk.servers), midnight.copied())
        model.run(world.days)
        rows = model.recorder.rows
        horizon = rows["day"] >= 0
        found.append(1 - rows["late"][horizon].sum() / max(1, rows["delivered"][horizon].sum()))
    return np.array(found)


def _coupons(clean: CleanLog, settings: Settings, say: Say) -> dict[str, Any] | None:
    """Redemption is at least the share of orders with a coupon: only customers who hold one can redeem it."""
    told = log.redemption(clean)
    if told is None:
        return None
    used = f"{100 * told.share:.1f} % of {told.orders} orders"
    say(Phrase(
        "coupons: used in {share:.1f} % of {orders} orders, so redemption by those who hold one is at least that",
        share=100 * told.share, orders=told.orders,
    ))  # fmt: skip
    now = settings.behaviour.coupons.redemption
    value, low, high = max(now.value, told.share), max(now.low or 0.0, told.share), max(now.high or 1.0, told.share)
    source = f"at least the {used} with a coupon; who held one is not in the log"
    about = {"unit": "1/order", "grade": "judgement", "source": source}
    spread = {"range": [round(low, 4), round(high, 4)]} if low < high else {}
    return {"redemption": {"value": round(value, 4), **spread, **about}}


def _channels(clean: CleanLog, say: Say) -> dict[str, float] | None:
    told = log.shares(clean, "channel")
    if told is None:
        return None
    shares = _named(told, CHANNEL_WORDS, Phrase("channel"), say)
    listed = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
    say(Phrase("channels: {shares}", shares=listed))
    rounded = {name: round(shares.get(name, 0.0), 4) for name in ("web", "app", "store")}
    largest = max(rounded, key=lambda name: rounded[name])
    rounded[largest] = round(rounded[largest] + 1.0 - sum(rounded.values()), 4)
    return rounded
