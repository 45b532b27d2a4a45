"""What a scenario changes in both arms, laid over the raw configuration before it is checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv, gammaincinv

from sim.config.parameters import DAYS_PER_YEAR, PARTS, Parameter, Positive, is_parameter, parameter, show, tidy
from sim.config.sections import Section, gone
from sim.phrases import ConfigError, listed, nearest

BOTH_ARMS_GROUPS = ("company", "market", "calendar", "behaviour", "personas")
"""What a scenario may change in both arms."""

NEW_NAMES_IN = ("calendar.seasons", "calendar.warehouse_rests", "calendar.carrier_rests")
"""The maps of the world that a scenario may add names to."""

def apply_both_arms(raw: Mapping[str, Any], explicit: Collection[str] = ()) -> dict[str, Any]:
    """A new raw configuration with what all chosen scenarios change in both arms.

    A null deletes a key of a map (a season of the calendar). `explicit` are dotted keys given by hand on the
    command line: they win over any scenario. Raises ConfigError where a scenario names a key that does not
    exist, or where two scenarios put the same key at different values.
    """
    merged: dict[str, Any] = copied(raw)
    written: dict[str, tuple[str, Any]] = {}
    for name, scenario in _both_arms(raw):
        for path, value in _leaves(scenario, ""):
            full = f"scenario.{name}.both_arms.{path}"
            if _stated(path, explicit):
                continue
            _agree(written, name, path, value)
            _lay(merged, path, value, full)
    return merged


def copied(node: Any) -> Any:
    """A copy of nested maps, whose changes leave the original alone."""
    return {key: copied(value) for key, value in node.items()} if isinstance(node, Mapping) else node


def _both_arms(raw: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    scenarios = raw.get("scenario")
    for name, scenario in scenarios.items() if isinstance(scenarios, Mapping) else ():
        world = scenario.get("both_arms") if isinstance(scenario, Mapping) else None
        if world is None:
            continue
        if not isinstance(world, Mapping):
            raise ConfigError("scenario.{name}.both_arms: {value} is not a group of keys", name=name, value=show(world))
        for group in world:
            if group not in BOTH_ARMS_GROUPS:
                hint = nearest(str(group), BOTH_ARMS_GROUPS)
                raise ConfigError(
                    "scenario.{name}.both_arms.{group}: a scenario cannot change this; {allowed}{hint}",
                    name=name, group=group, allowed=listed(BOTH_ARMS_GROUPS), hint=hint,
                )
        yield str(name), world


def _leaves(node: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything that a scenario changes."""
    for key, value in node.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, here)
        else:
            yield here, value


def _stated(path: str, explicit: Collection[str]) -> bool:
    """Whether the path, something above it or something below it was given by hand."""
    return any(path == key or path.startswith(f"{key}.") or key.startswith(f"{path}.") for key in explicit)


def _agree(written: dict[str, tuple[str, Any]], name: str, path: str, value: Any) -> None:
    """Note what a scenario changes. Two scenarios may change the same key only to the same value."""
    for other_path, (other, other_value) in written.items():
        overlap = path.startswith(f"{other_path}.") or other_path.startswith(f"{path}.")
        if overlap or (path == other_path and value != other_value):
            raise ConfigError(
                "scenario.{name}.both_arms.{path}: {value}, but scenario.{other}.both_arms.{other_path} is "
                "{other_value}; scenarios that change both arms differently cannot run together",
                name=name, path=path, value=show(value),
                other=other, other_path=other_path, other_value=show(other_value),
            )
    written[path] = (name, value)


def _lay(raw: dict[str, Any], path: str, value: Any, full: str) -> None:
    """Put one value of a scenario into the raw configuration, in place."""
    former = gone(path)
    if former is not None:
        raise ConfigError("{key}: {problem}", key=full.removesuffix(path) + former[0], problem=former[1])
    *groups, last = path.split(".")
    node: dict[str, Any] = raw
    anew = False  # below a null of the configuration a world may write what it likes: the settings check it
    for depth, name in enumerate(groups):
        above = ".".join(groups[:depth])
        if name not in node and above not in NEW_NAMES_IN and not anew:
            raise ConfigError("{key}: no such key{hint}", key=full, hint=nearest(name, map(str, node)))
        below = node.setdefault(name, {})
        anew = anew or below is None
        if not isinstance(below, dict):
            # A plain number that the world says more about: {value, range} or {mean, se}.
            below = node[name] = {}
        node = below
    if value is None:
        if last not in node:
            raise ConfigError(
                "{key}: there is no {part} to take away{hint}", key=full, part=last, hint=nearest(last, map(str, node))
            )
        del node[last]
        return
    fresh = ".".join(groups) in NEW_NAMES_IN or ".".join(groups[:-1]) in NEW_NAMES_IN or last in PARTS
    if last not in node and not fresh and not anew:
        raise ConfigError("{key}: no such key{hint}", key=full, hint=nearest(last, map(str, node)))
    node[last] = copied(value)


DAYS_PER_MONTH = DAYS_PER_YEAR / 12.0


class Quick(Section):
    """Figures a strategist may fill in: orders/month, yen, share of visits that order, parcels/day."""

    orders_a_month: Positive | None = None
    average_basket: Positive | None = None
    conversion: Positive | None = None
    capacity_a_day: Positive | None = None


LARGEST = 1e4
"""Alpha, weeks, is searched from its reciprocal to this times the fit's own."""


def lay_company(raw: Mapping[str, Any], explicit: Collection[str] = ()) -> dict[str, Any]:
    """A new raw configuration: the company's `quick` and `behaviour` are laid over other keys, then removed.

    `explicit` are dotted keys given by hand: they stay as they are. Raises ConfigError for what cannot be converted.
    """
    laid: dict[str, Any] = copied(raw)
    company = laid.get("company")
    if not isinstance(company, dict):
        return laid
    quick, own = company.pop("quick", None), company.pop("behaviour", None)
    for path, node in [*_converted(laid, quick), *_own(own)]:
        if not any(key == path or key.startswith(f"{path}.") for key in explicit):
            _lay_in(laid, path.split("."), node)
    return laid


def _lay_in(node: Any, parts: list[str], value: Any) -> None:
    for part in parts[:-1]:
        if not isinstance(node, dict):
            return  # the check of the whole will say what is wrong there
        node = node.setdefault(part, {})
    if isinstance(node, dict):
        node[parts[-1]] = value


def _own(node: Any, path: str = "behaviour") -> Iterator[tuple[str, Any]]:
    """Parameters below a company's `behaviour`, with the keys they are laid over."""
    if node is None:
        return
    if not isinstance(node, Mapping):
        raise ConfigError("company.{path}: is not a group of keys; those of behaviour", path=path)
    for key, value in node.items():
        if isinstance(value, Mapping) and not is_parameter(value):
            yield from _own(value, f"{path}.{key}")
        else:
            yield f"{path}.{key}", value


# --- quick figures ------------------------------------------------------------------------------------------


def _converted(raw: Mapping[str, Any], quick: Any) -> Iterator[tuple[str, Any]]:
    """The parameters that follow from the figures of `quick`, by key."""
    if quick is None:
        return
    figures, company = Quick.read(quick, "company.quick"), raw["company"]
    orders = figures.orders_a_month
    if orders is not None:
        members = _value(company, "members", "company.")
        for fit in ("bg_nbd", "pareto_nbd"):
            alpha = _Stock(raw, fit, members).alpha_for
            yield f"company.purchase.{fit}.alpha", _through(orders, alpha, "orders a month")
    if figures.average_basket is not None:
        p, q = (_value(company, f"purchase.gamma_gamma.{key}", "company.") for key in "pq")
        gamma = _through(figures.average_basket, lambda x: x * (q - 1) / p, "the average basket")
        yield "company.purchase.gamma_gamma.gamma", gamma
    if figures.conversion is not None:
        yield "behaviour.choice.conversion_customer", quick["conversion"]
    if figures.capacity_a_day is not None:
        if orders is None:
            raise ConfigError("company.quick.capacity_a_day: needs orders_a_month beside it")
        daily = orders.value / DAYS_PER_MONTH * (1.0 - _value(company, "channels.store", "company."))
        if daily <= 0.0:
            raise ConfigError("company.quick.capacity_a_day: has no meaning where everybody buys in the store")
        ratio = _through(figures.capacity_a_day, lambda x: x / daily, "parcels a day over online orders")
        yield "company.capacity_ratio", ratio


def _value(node: Any, key: str, above: str = "") -> float:
    """The central value of a number that the conversion needs, in whichever way it is written below the node."""
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    try:
        return parameter(0.0)(node).value
    except ConfigError as error:
        raise ConfigError("{key}: {problem}", key=above + key, problem=error) from None


def _through(one: Parameter, convert: Callable[[float], float], what: str) -> dict[str, Any]:
    """A figure with its range or error put through a monotone conversion."""
    source = f"from {what} ({one.value:g})" + (f": {one.source}" if one.source else "")
    if one.se is not None and one.mean is not None:
        # Both ends, since a conversion may bend; never below zero.
        ends = convert(one.mean + one.se), convert(max(one.mean - one.se, one.mean / 2))
        return {"mean": convert(one.mean), "se": abs(ends[0] - ends[1]) / 2, "source": source}
    node: dict[str, Any] = {"value": convert(one.value), "grade": one.grade, "source": source}
    if one.low is not None and one.high is not None:
        node["range"] = sorted((convert(one.low), convert(one.high)))
    return node


class _Stock:
    """Orders of an established market, whose customers were acquired evenly and thinned by lapse.

    Per member and week: customers' share times (their mean purchase rate + their mean rate of lapse), since every
    lapse is balanced by a first order. A grid of quantiles stands for the spread of lapse and of age.
    """

    def __init__(self, raw: Mapping[str, Any], fit: str, members: float) -> None:
        def fitted(key: str) -> float:
            return _value(raw, f"company.purchase.{fit}.{key}")

        self.members = members
        self.r, self.alpha = fitted("r"), fitted("alpha")
        self.customers = _value(raw, "market.status.customer")
        if self.customers <= 0.0:
            raise ConfigError("company.quick.orders_a_month: needs market.status.customer above 0")
        ages = _value(raw, "market.acquired_over") / 7.0 * (np.arange(60) + 0.5) / 60
        u = (np.arange(400) + 0.5) / 400
        self.by_order = fit == "bg_nbd"
        if self.by_order:
            self.lapse = betaincinv(fitted("a"), fitted("b"), u)[:, None]
        else:
            self.lapse = gammaincinv(fitted("s"), u)[:, None] / fitted("beta")
        self.thinned = self.lapse * ages  # (lapse, age)

    def orders(self, alpha: float) -> float:
        """Orders a week and member at this alpha."""
        if not self.by_order:
            alive = np.exp(-self.thinned)
            return self.customers * (self.r / alpha + float((self.lapse * alive).sum() / alive.sum()))
        # Of lapse p and age t, (alpha / (alpha + p t))^r have stayed, with a mean rate of r / (alpha + p t).
        alive = (alpha / (alpha + self.thinned)) ** self.r
        rate = self.r / (alpha + self.thinned)
        return self.customers * float((alive * rate * (1.0 + self.lapse)).sum() / alive.sum())

    def alpha_for(self, orders_a_month: float) -> float:
        """Alpha, weeks, at which all members together order this often."""
        weekly = orders_a_month / self.members / DAYS_PER_MONTH * 7.0
        low, high = self.alpha / LARGEST, self.alpha * LARGEST
        if not self.orders(high) < weekly < self.orders(low):
            least, most = (self.members * self.orders(alpha) / 7.0 * DAYS_PER_MONTH for alpha in (high, low))
            raise ConfigError(
                "company.quick.orders_a_month: {value:g} is not allowed; {least:.3g} to {most:.3g} for "
                "{members:g} members, since customers who lapse are replaced by first orders",
                value=orders_a_month, least=least, most=most, members=self.members,
            )
        found = brentq(lambda log: self.orders(float(np.exp(log))) - weekly, np.log(low), np.log(high), xtol=1e-12)
        return float(tidy(float(np.exp(found))))
