"""The level of lapse where a log leaves it open: a prior, and what the log adds to it.

A log in which hardly anybody visibly leaves says that lapse is rare, and no more: the likelihood is a flat ridge and
its maximum may lie at any lapse near zero. A weakly-informative prior then closes the gap (Gelman, Jakulin, Pittau
and Su 2008): lapse is as uneven among customers as in the default company's fit, and its level lies around that
company's, within a factor of exp(2), about 7, either way with probability two thirds. The likelihood does the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from sim.calibration.repeat_buying import BgNbd, Model, ParetoNbd, RfmSummary

PRIOR: tuple[BgNbd, ParetoNbd] = (BgNbd(0.243, 4.414, 0.793, 2.426), ParetoNbd(0.553, 10.578, 0.606, 11.669))
"""The default company's fits in weeks; their lapse is the prior's centre."""

PRIOR_SD = 2.0
"""Of the logarithm of the level of lapse."""

LEVELS = np.arange(-9.0, 4.01, 0.5)
"""Logarithms of the level of lapse, relative to the prior's centre, that are weighed."""

TAIL = 0.05


@dataclass(frozen=True)
class OpenLapse:
    """A model whose lapse stands at the posterior's median, and the central 90 % of the mean lapse.

    `low`, `median`, `high`: probability of lapse per order (BG/NBD), or hazard per week (Pareto/NBD), mean over
    customers. log_likelihood: the model's.
    """

    model: Model
    log_likelihood: float
    low: float
    median: float
    high: float


def mean_lapse(model: Model) -> float:
    """Mean over customers of the lapse probability per order (BG/NBD) or the hazard per week (Pareto/NBD)."""
    return model.a / (model.a + model.b) if isinstance(model, BgNbd) else model.s / model.beta


def shape_for(model: Model, lapse: float) -> float:
    """The shape (a or s) at which the model has this mean lapse, its scale (b or beta) as it is."""
    return lapse * model.b / (1.0 - lapse) if isinstance(model, BgNbd) else lapse * model.beta


def weigh(fitted: Model, summary: RfmSummary) -> OpenLapse:
    """Weigh levels of lapse by prior and profile likelihood, r and alpha at their best for each."""
    candidates: list[Model] = []
    near = fitted
    for level in LEVELS:
        near = _best_rates(near, float(level), summary)
        candidates.append(near)
    likelihoods = np.array([model.log_likelihood(summary) for model in candidates])
    posterior = likelihoods - 0.5 * (LEVELS / PRIOR_SD) ** 2
    mass = np.exp(posterior - posterior.max())
    cumulated = (np.cumsum(mass) - 0.5 * mass) / mass.sum()
    low, level, high = (float(np.interp(p, cumulated, LEVELS)) for p in (TAIL, 0.5, 1.0 - TAIL))
    model = _best_rates(candidates[int(np.argmin(np.abs(LEVELS - level)))], level, summary)
    ends = [mean_lapse(_at_level(model, end)) for end in (low, high)]
    return OpenLapse(model, model.log_likelihood(summary), ends[0], mean_lapse(model), ends[1])


def _at_level(model: Model, level: float) -> Model:
    """The prior's lapse at exp(level) times its level (of the odds, per order), the model's own rates."""
    bg, pareto = PRIOR
    if isinstance(model, BgNbd):
        return replace(bg, r=model.r, alpha=model.alpha, b=bg.b * float(np.exp(-level)))
    return replace(pareto, r=model.r, alpha=model.alpha, beta=pareto.beta * float(np.exp(-level)))


def _best_rates(near: Model, level: float, summary: RfmSummary) -> Model:
    """r and alpha of greatest likelihood at a level of lapse."""
    model = _at_level(near, level)

    def loss(log_rates: np.ndarray) -> float:
        r, alpha = np.exp(log_rates).tolist()
        return -replace(model, r=r, alpha=alpha).log_likelihood(summary) / summary.customers

    best = minimize(loss, np.log([model.r, model.alpha]), method="L-BFGS-B", options={"ftol": 1e-10})
    r, alpha = np.exp(best.x).tolist()
    return replace(model, r=r, alpha=alpha)
