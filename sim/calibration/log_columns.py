"""What a log's optional columns tell beyond purchases: class shares, lateness, coupons, channels.

Each becomes a parameter of the company or, under its `behaviour` key, one that is laid over the shared behaviour
(sim.config.overlays). Names of classes and channels are recognised by words; what is not is left out and said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.calibration import log
from sim.calibration.log import CleanLog
from sim.config.settings import Settings
from sim.phrases import ConfigError, Phrase
from sim.world.constants import world_of
from sim.world.firm import CLASSES, choosing

Say = Callable[[Phrase], None]

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

LEAST_ON_TIME, MOST_ON_TIME = 0.5, 0.9999
"""Bounds of the fact."""


@dataclass(frozen=True)
class Evidence:
    """What the optional columns say, as it stands in a company's file; empty where the log has none of them."""

    channels: dict[str, float] | None = None
    on_time: dict[str, Any] | None = None
    behaviour: dict[str, dict[str, Any]] = field(default_factory=dict)


def evidence_of(clean: CleanLog, settings: Settings, say: Say) -> Evidence:
    """Read the optional columns."""
    found = {"delivery": _delivery(clean, settings, say), "coupons": _coupons(clean, settings, say)}
    return Evidence(_channels(clean, say), _on_time(clean, say), {group: node for group, node in found.items() if node})


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

    Express is the zero of the scale; where the log has none of it, standard keeps its utility instead.
    """
    world = world_of(settings, settings.seed)
    rules = choosing(world.rules, world.traits, shares)
    return {name: float(getattr(rules, f"utility_{name}")) for name in [name for name in CLASSES if name in shares][1:]}


# --- lateness, coupons, channels ----------------------------------------------------------------------------


def _on_time(clean: CleanLog, say: Say) -> dict[str, Any] | None:
    """The log's on-time rate as a fact of the dashboard, by which the warehouse is sized."""
    late = log.lateness(clean)
    if late is None:
        return None
    say(Phrase(
        "on time: {share:.1f} % of {orders} orders, late ones by {days:.1f} days",
        share=100 * late.on_time, orders=late.orders, days=late.mean_days_late,
    ))  # fmt: skip
    if late.on_time < LEAST_ON_TIME:
        raise ConfigError(
            "on time: {share:.1f} % of {orders} orders is too few to size a warehouse by; at least {least:g} %",
            share=100 * late.on_time, orders=late.orders, least=100 * LEAST_ON_TIME,
        )  # fmt: skip
    source = f"{late.orders} orders of the log"
    rate = {"mean": round(min(late.on_time, MOST_ON_TIME), 4), "se": max(round(late.on_time_se, 5), 1e-5)}
    return rate | {"unit": "share of parcels", "source": source}


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
