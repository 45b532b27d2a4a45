"""What the facts of a firm's dashboard replace: parameters that follow from them and cannot be set beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sim.config.overlays import stated_in_both_arms, stated_of_its_own
from sim.config.sections import Facts
from sim.phrases import ConfigError

FOLLOWS = {
    "conversion": ("behaviour.choice.conversion_customer",),
    "classes": ("behaviour.delivery.utility_standard", "behaviour.delivery.utility_norush"),
    "on_time": ("company.carrier.delayed",),
    "nps": ("behaviour.survey.intercept",),
    "average_basket": ("company.purchase.gamma_gamma.gamma",),
    "orders_a_month": ("behaviour.visits.prospect_rate",),
    "active_customers": ("behaviour.visits.prospect_rate",),
}
"""Keys that follow from each fact."""


def replaced(facts: Facts) -> dict[str, str]:
    """Keys of parameters that follow from a fact that is known, each with the fact."""
    return {key: fact for fact, keys in FOLLOWS.items() if getattr(facts, fact) is not None for key in keys}


def refuse_replaced(facts: Facts, raw: Mapping[str, Any], explicit: Collection[str]) -> None:
    """Raise ConfigError for a key that somebody states though a fact decides it."""
    follows = replaced(facts)
    for where, key in _stated(raw, explicit):
        for path, fact in follows.items():
            if key == path or key.startswith(f"{path}."):
                raise ConfigError(
                    "{key}: follows from company.facts.{fact}; state that, or company.facts.{fact}=null",
                    key=where, fact=fact,
                )  # fmt: skip


def _stated(raw: Mapping[str, Any], explicit: Collection[str]) -> Iterator[tuple[str, str]]:
    yield from ((key, key) for key in explicit)
    yield from stated_in_both_arms(raw, explicit)
    yield from stated_of_its_own(raw)
