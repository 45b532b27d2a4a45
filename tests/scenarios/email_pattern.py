"""One randomised pattern: the model's e-mail against the Hillstrom test (MineThatData, 2008), half against half.

A shop's customers were randomised to an e-mail about men's merchandise or to none, and watched for two weeks. Visits to
the site, orders, past purchases (men's, women's or both, within a year) and months since the last one are on file. What
the model needs and the file does not hold is fitted on a random half; the other half is predicted.

How columns become the model's quantities:

- match (`message_match`): 1 for whoever has bought men's merchandise, since then what is written about fits; the match
  floor for those who bought women's only. The file has no number of orders, so no depth of history is used.
- click (`click_probability`): appeal + slope * (match - 1/2), no fatigue, since nothing is known of earlier e-mails.
- base visits: Poisson, one rate per past purchase, falling log-linearly with recency. This is description, not theory.
- a click forces a visit on the day of the e-mail, and adds lift * match to the utility of ordering (`message_lift`,
  `order_probability`); on other days and without a click customers visit and order as those without the e-mail.

Beside it stands the rule a marketer would use without a theory: the e-mail adds the same points for everybody, with the
same description of those who got none. Both are fitted by maximum likelihood to the same half.

It lives with the tests since nothing in the product calls it. `python -m tests.scenarios.email_pattern DATA FIGURE`
prints the tables of docs/email-pattern.md and draws its figure.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from agents.behaviour import Rules, click_probability, message_lift, message_match, order_probability
from analysis.style import look
from sim.world.constants import world_of
from tests.config.compose import shipped

Array = NDArray[np.float64]

DAYS = 14
"""The test's two weeks."""

SEED = 2008
SCORING_STEPS = 25
"""Many more than needed: six or so settle every digit."""

Z = 1.6448536269514722
"""Half-width of a 90 % interval of a normal in standard errors."""

PAST = {"men's only": (1, 0), "women's only": (0, 1), "both": (1, 1)}
BANDS = {"1-3": (1, 3), "4-6": (4, 6), "7-9": (7, 9), "10-12": (10, 12)}
ARMS = ("No E-Mail", "Mens E-Mail")
OUTCOMES = ("none", "visit", "order")
"""Of a customer: no visit, a visit and no order, an order."""


class Counts(NamedTuple):
    """Customers by past purchase, month of recency, arm and outcome: (3, 12, 2, 3)."""

    table: Array


# -- data -----------------------------------------------------------------------------------------------------


def read(path: Path | str) -> pd.DataFrame:
    """The test's two arms, with columns past, recency, mailed and outcome (places in PAST and OUTCOMES)."""
    raw = pd.read_csv(path)
    raw = raw[raw["segment"].isin(ARMS)].reset_index(drop=True)
    past = {flags: place for place, flags in enumerate(PAST.values())}
    return pd.DataFrame({
        "past": [past[flags] for flags in zip(raw["mens"], raw["womens"], strict=True)],
        "recency": raw["recency"],
        "mailed": raw["segment"].map(ARMS.index),
        "outcome": raw["visit"] + (raw["visit"] * raw["conversion"]),
    })  # fmt: skip


def halves(customers: pd.DataFrame, seed: int = SEED) -> tuple[Counts, Counts]:
    """A random half to fit and the other one to predict."""
    first = np.random.default_rng(seed).permutation(len(customers)) < len(customers) // 2
    return counted(customers[first]), counted(customers[~first])


def counted(customers: pd.DataFrame) -> Counts:
    """Customers counted by cell."""
    table = np.zeros((len(PAST), 12, 2, len(OUTCOMES)))
    place = [customers[name].to_numpy() for name in ("past", "recency", "mailed", "outcome")]
    place[1] = place[1] - 1
    np.add.at(table, tuple(place), 1)
    return Counts(table)


# -- two readings of what an e-mail does ----------------------------------------------------------------------


def base_rates(theta: Array) -> Array:
    """Visits a day without an e-mail by past purchase and month of recency: (3, 12)."""
    months = (np.arange(1, 13) - 6.5) / 12
    return np.asarray(np.exp(theta[: len(PAST), None] + theta[len(PAST)] * months[None, :]))


def matches(rules: Rules) -> list[float]:
    """How well an e-mail about men's merchandise fits by past purchase."""
    return [message_match(rules, 0, 0.0, 0.0, mens == 1) for mens, _womens in PAST.values()]


def shares(visit: float, order: float) -> tuple[float, float, float]:
    """Probabilities of OUTCOMES."""
    return 1.0 - visit, visit - order, order


def unmailed(rate: float, utility: float, days: int = DAYS) -> tuple[float, float]:
    """P(visit) and P(order) over some days without a click."""
    visit = 1.0 - float(np.exp(-rate * days))
    return visit, visit * order_probability(utility, rate * days, False)


def mechanism(theta: Array, rules: Rules) -> Array:
    """The model's e-mail: probabilities (3, 12, 2, 3). theta: base (4), order utility, appeal, slope, lift."""
    utility, appeal, slope, lift = theta[4:]
    found = np.empty((len(PAST), 12, 2, 3))
    for past, match in enumerate(matches(rules)):
        click = click_probability(rules, appeal, slope, match, 0.0)
        boost = message_lift(rules, lift, match, 0.0)
        for month, rate in enumerate(base_rates(theta)[past].tolist()):
            visit, order = unmailed(rate, utility)
            _, later = unmailed(rate, utility, DAYS - 1)
            clicked = 1.0 - (1.0 - order_probability(utility + boost, rate, True)) * (1.0 - later)
            found[past, month, 0] = shares(visit, order)
            found[past, month, 1] = shares(
                1.0 - (1.0 - click) * (1.0 - visit), click * clicked + (1.0 - click) * order
            )
    return found


def constant(theta: Array, rules: Rules) -> Array:
    """The same points for everybody: probabilities (3, 12, 2, 3). theta: base (4), order utility, two lifts."""
    utility, visits, orders = theta[4:]
    found = np.empty((len(PAST), 12, 2, 3))
    for past in range(len(PAST)):
        for month, rate in enumerate(base_rates(theta)[past].tolist()):
            visit, order = unmailed(rate, utility)
            found[past, month, 0] = shares(visit, order)
            found[past, month, 1] = shares(visit + visits, order + orders)
    return found


class Reading(NamedTuple):
    """A way to turn numbers into probabilities, the numbers' names and where a fit starts."""

    probabilities: Callable[[Array, Rules], Array]
    names: tuple[str, ...]
    start: tuple[float, ...]


BASE = ("log rate, men's only", "log rate, women's only", "log rate, both", "recency, per year", "order utility")
AT = (-4.7, -4.7, -4.4, -0.5, -3.0)
READINGS = {
    "mechanism": Reading(mechanism, (*BASE, "appeal", "slope", "lift"), (*AT, -2.7, 0.5, 0.0)),
    "constant": Reading(constant, (*BASE, "visits", "orders"), (*AT, 0.07, 0.005)),
}


# -- fitting and predicting -----------------------------------------------------------------------------------


class Fit(NamedTuple):
    """Maximum-likelihood numbers of a reading with their covariance (inverse expected information)."""

    reading: Reading
    rules: Rules
    theta: Array
    covariance: Array

    def gradient(self, of: Callable[[Array], Array]) -> Array:
        """Derivatives of a function of the probabilities by theta: (numbers, *shape)."""
        return slopes(lambda theta: of(self.reading.probabilities(theta, self.rules)), self.theta)

    def predicted(self, of: Callable[[Array], Array]) -> tuple[Array, Array]:
        """A function of the probabilities and its standard error (delta method)."""
        slope = self.gradient(of)
        variance = np.einsum("i...,ij,j...->...", slope, self.covariance, slope)
        return of(self.reading.probabilities(self.theta, self.rules)), np.sqrt(variance)


def fitted(reading: Reading, counts: Counts, rules: Rules) -> Fit:
    """Fit a reading to counts by Fisher scoring: each step solves the score equations with the expected information."""

    seen = counts.table.ravel()
    customers = np.broadcast_to(counts.table.sum(axis=-1, keepdims=True), counts.table.shape).ravel()

    def probabilities(theta: Array) -> Array:
        return np.maximum(reading.probabilities(theta, rules), 1e-12).ravel()  # the constant rule can leave [0, 1]

    theta = np.array(reading.start)
    for _ in range(SCORING_STEPS):
        p, slope = probabilities(theta), slopes(probabilities, theta)
        information = (slope * customers / p) @ slope.T
        theta = theta + np.linalg.solve(information, slope @ (seen / p))
    return Fit(reading, rules, theta, np.linalg.inv(information))


def slopes(function: Callable[[Array], Array], at: Array) -> Array:
    """Central differences by each number: (numbers, *shape)."""
    steps = np.eye(len(at)) * 1e-5
    return np.array([(function(at + step) - function(at - step)) / 2e-5 for step in steps])


def cell_lifts(p: Array, weight: Array) -> Array:
    """Lift of visits and of orders by past purchase and band of recency, points: (2, 3, 4); weight: (3, 12)."""
    lift = 100 * np.stack([(p[..., 1:].sum(-1))[..., 1] - (p[..., 1:].sum(-1))[..., 0], p[..., 1, 2] - p[..., 0, 2]])
    bands = [slice(low - 1, high) for low, high in BANDS.values()]
    return np.stack([(lift * weight)[..., band].sum(-1) / weight[..., band].sum(-1) for band in bands], axis=-1)


def observed(counts: Counts) -> tuple[Array, Array]:
    """The same as measured, with standard errors."""
    bands = np.stack([counts.table[:, low - 1 : high].sum(1) for low, high in BANDS.values()], axis=1)
    n = bands.sum(-1)
    rate = np.stack([bands[..., 1:].sum(-1) / n, bands[..., 2] / n])
    variance = rate * (1 - rate) / n
    return 100 * (rate[..., 1] - rate[..., 0]), 100 * np.sqrt(variance.sum(-1))


class Score(NamedTuple):
    """How a reading does on the other half: squared errors of cell lifts over their variance, summed over cells, of
    visits and of orders (about the number of cells if it is right); log score of all customers."""

    visits: float
    orders: float
    log_score: float


def scored(fit: Fit, other: Counts) -> Score:
    """Score a fit on the half it has not seen."""
    seen, error = observed(other)
    weight = other.table.sum(axis=(2, 3))
    p = fit.reading.probabilities(fit.theta, fit.rules)
    miss = ((seen - cell_lifts(p, weight)) / error) ** 2
    return Score(float(miss[0].sum()), float(miss[1].sum()), float((other.table * np.log(p)).sum()))


def log_score_gain(one: Fit, other: Fit, counts: Counts) -> tuple[float, float]:
    """Log score of one fit beyond another's, nats in all, with its standard error over customers."""
    ahead, behind = (fit.reading.probabilities(fit.theta, fit.rules) for fit in (one, other))
    gain = np.log(ahead / behind)
    n, total = counts.table.sum(), float((counts.table * gain).sum())
    return total, float(np.sqrt((counts.table * gain**2).sum() - total**2 / n))


def shipped_rules() -> Rules:
    """The model's rules as shipped: of them the match floor is used."""
    return world_of(shipped("scenario=baseline"), 1).rules


# -- told -----------------------------------------------------------------------------------------------------


def table(fits: dict[str, Fit], other: Counts, measure: int, places: int) -> str:
    """A Markdown table of cell lifts, points with 90 % intervals: 0 for visits, 1 for orders."""
    seen, error = observed(other)
    weight = other.table.sum(axis=(2, 3))
    predicted = [fit.predicted(lambda p: cell_lifts(p, weight)) for fit in fits.values()]
    lines = ["| bought | months since | observed | mechanism | constant lift |", "|---|---|---|---|---|"]
    for past, name in enumerate(PAST):
        for band, months in enumerate(BANDS):
            pairs = [(seen, error), *predicted]
            cells = [interval(value[measure, past, band], se[measure, past, band], places) for value, se in pairs]
            lines.append(f"| {name} | {months} | {' | '.join(cells)} |")
    return "\n".join(lines)


def interval(value: float, error: float, places: int) -> str:
    """`+7.4 (+4.5 to +10.4)`."""
    return f"{value:+.{places}f} ({value - Z * error:+.{places}f} to {value + Z * error:+.{places}f})"


def numbers(fit: Fit) -> str:
    """A Markdown table of what was fitted, with 90 % intervals."""
    errors = np.sqrt(np.diag(fit.covariance))
    lines = [
        f"| {name} | {interval(value, error, 2)} |"
        for name, value, error in zip(fit.reading.names, fit.theta, errors, strict=True)
    ]
    return "\n".join(["| number | fitted |", "|---|---|", *lines])


def scores(fits: dict[str, Fit], other: Counts) -> str:
    """A Markdown table of how each reading does on the half it has not seen."""
    lines = ["| reading | visits, squared errors | orders, squared errors | log score |", "|---|---|---|---|"]
    for name, fit in fits.items():
        one = scored(fit, other)
        lines.append(f"| {name} | {one.visits:.1f} | {one.orders:.1f} | {one.log_score:.1f} |")
    return "\n".join(lines)


def over_splits(customers: pd.DataFrame, rules: Rules, seeds: Sequence[int]) -> Array:
    """Gain in log score of the mechanism over the constant rule on the other half, nats, by split: (seeds,)."""
    gains = []
    for seed in seeds:
        half, other = halves(customers, seed)
        one, two = (fitted(reading, half, rules) for reading in READINGS.values())
        gains.append(log_score_gain(one, two, other)[0])
    return np.array(gains)


def figure(fits: dict[str, Fit], other: Counts) -> Figure:
    """Observed and predicted lifts by past purchase and recency: visits above, orders below."""
    seen, error = observed(other)
    weight = other.table.sum(axis=(2, 3))
    looks = {"mechanism": (look.BLUE, "s", 0.17), "constant": (look.ORANGE, "D", 0.34)}
    words = {"mechanism": "the model's e-mail", "constant": "the same points for everybody"}
    with look.style():
        made = Figure(figsize=(look.WIDTH, 5.2))
        grid = made.subplots(2, len(PAST), sharey="row", sharex=True)
        for place, axes in np.ndenumerate(grid):
            x = np.arange(len(BANDS))
            axes.errorbar(x - 0.1, seen[place], Z * error[place], fmt="o", color=look.INK, label="observed")
            for name, fit in fits.items():
                value, se = fit.predicted(lambda p: cell_lifts(p, weight))
                colour, marker, shift = looks[name]
                axes.errorbar(
                    x + shift - 0.1, value[place], Z * se[place], fmt=marker, color=colour, markersize=4,
                    label=words[name],
                )  # fmt: skip
            axes.axhline(0, color=look.INK, linewidth=0.8)
            axes.set_xticks(x, list(BANDS))
            look.grid_lines(axes, "y")
        for axes, name in zip(grid[0], PAST, strict=True):
            axes.set_title(f"bought {name}")
        for axes in grid[1]:
            axes.set_xlabel("months since the last order")
        grid[0, 0].set_ylabel("lift of visits in two weeks,\npoints, 90 % interval")
        grid[1, 0].set_ylabel("lift of orders in two weeks,\npoints, 90 % interval")
        look.legend_figure(made, grid[0, :1])
    return made


def told(customers: pd.DataFrame, rules: Rules) -> tuple[list[str], dict[str, Fit], Counts]:
    """The tables of docs/email-pattern.md, with the fits and the other half."""
    half, other = halves(customers)
    fits = {name: fitted(reading, half, rules) for name, reading in READINGS.items()}
    tables = [
        numbers(fits["mechanism"]), scores(fits, other), table(fits, other, 0, 1), table(fits, other, 1, 2)
    ]  # fmt: skip
    return tables, fits, other


def main(data: str, picture: str) -> None:
    """Print the page's tables and draw its figure; PICTURE ends in .png."""
    rules, customers = shipped_rules(), read(data)
    tables, fits, other = told(customers, rules)
    print("\n\n".join(tables))
    gain, error = log_score_gain(fits["mechanism"], fits["constant"], other)
    print(f"\nlog score of the mechanism beyond the constant lift: {gain:+.2f} nats, standard error {error:.2f}")
    gains = over_splits(customers, rules, range(100))
    print(f"over 100 splits: mean {gains.mean():+.2f} nats, higher in {int((gains > 0).sum())}")
    look.save(figure(fits, other), Path(picture).with_suffix(""))
    Path(picture).with_suffix(".svg").unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
