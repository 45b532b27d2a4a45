"""Buy-till-you-die models of repeat buying: closed forms and maximum likelihood.

A customer buys at random at an own rate until an unseen dropout. BG/NBD (Fader, Hardie & Lee 2005) lets the
dropout happen after a purchase, Pareto/NBD (Schmittlein, Morrison & Colombo 1987) at any time; gamma-gamma
(Fader & Hardie 2013) gives the value of a purchase. Times are in weeks since a customer's first purchase,
which itself is not counted: x repeat purchase days, the last of them at t_x, observed until T.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields, replace
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import betaln, exprel, gammaln, hyp2f1, roots_jacobi

from sim.phrases import ConfigError

FloatArray = npt.NDArray[np.float64]
LogParts = tuple[FloatArray | float, FloatArray, FloatArray]
"""Logs of a common factor, and of the weights of 'still there at T' and of 'left before' that it multiplies."""

MIN_CUSTOMERS = 20
LOG_BOUND = 14.0
"""Log-parameters are searched within plus or minus this: about 1e-6 to 1e6."""
NEGLIGIBLE_DROP = 40.0
"""A factor of exp(-40) = 4e-18 is below the rounding of a double."""
NODES, WEIGHTS = (column[:, np.newaxis] for column in np.polynomial.legendre.leggauss(48))
TOGETHER = 256
"""Customers whose integrals are summed together: enough to spare NumPy's calls, few enough for a processor's cache."""
BETA_NODES = 200
CURVATURE_FLOOR = 1e-3
"""Least curvature of the log-likelihood taken as real: below lies the rounding of numerical derivatives."""
SHORTFALL_TOLERANCE = 1e-3
"""Log-likelihood that a converged fit may still miss, as its own gradient and curvature tell."""


class FitError(ConfigError):
    """A model cannot be fitted to this summary; the message says why in one line."""


@dataclass(frozen=True)
class RfmSummary:
    """Recency, frequency and monetary value of each customer: all that these models need.

    Four arrays of one shape, (customers,): frequency: x, days with a repeat purchase. recency: t_x, weeks
    from the first purchase to the last (0 if x = 0). age: T, weeks from the first purchase to the end of
    observation. monetary: mean value of a repeat purchase day in the log's currency (0 if x = 0). Raises
    FitError if the arrays contradict one another.
    """

    frequency: FloatArray
    recency: FloatArray
    age: FloatArray
    monetary: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, np.asarray(getattr(self, field.name), dtype=np.float64))
        x, t_x, age, money = self.frequency, self.recency, self.age, self.monetary
        if not (x.ndim == 1 and x.shape == t_x.shape == age.shape == money.shape):
            raise FitError("frequency, recency, age and monetary must be one-dimensional and equally long")
        if not all(np.isfinite(values).all() for values in (x, t_x, age, money)):
            raise FitError("frequency, recency, age and monetary must be finite numbers")
        if (x < 0).any() or (x != np.floor(x)).any():
            raise FitError("frequency must hold whole numbers from 0 upwards")
        if (t_x < 0).any() or (t_x > age).any():
            raise FitError("recency must lie between 0 and age")
        if ((x == 0) != (t_x == 0)).any():
            raise FitError("recency must be 0 exactly where frequency is 0")

    @property
    def customers(self) -> int:
        """How many customers the summary holds."""
        return len(self.frequency)


@dataclass(frozen=True)
class Positive:
    """Parameters that must all be positive and finite; raises ValueError naming the one that is not."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value) and value > 0):
                name = f"{type(self).__name__}.{field.name}"
                raise ValueError(f"{name} must be positive and finite, not {value}")


@dataclass(frozen=True)
class Repeating(Positive):
    """A model of repeat purchases; each customer's rate per week ~ Gamma(shape r, rate alpha)."""

    r: float
    alpha: float

    def p_alive(self, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike) -> FloatArray:
        """Probability that a customer with history (x, t_x, T) has not dropped out by T; for BG/NBD 1 if x = 0."""
        _, stayed, left = self._log_parts(*_broadcast(x, t_x, T))
        return np.asarray(np.exp(stayed - np.logaddexp(stayed, left)))

    def log_likelihood(self, summary: RfmSummary) -> float:
        """Log-likelihood of the repeat purchases (of BG/NBD equation 6), summed over customers; value plays no part."""
        return _total(self._log_likelihoods, _grouped_histories(summary))

    def _log_likelihoods(self, x: FloatArray, t_x: FloatArray, age: FloatArray) -> FloatArray:
        rate = gammaln(self.r + x) - gammaln(self.r) + self.r * np.log(self.alpha)
        common, stayed, left = self._log_parts(x, t_x, age)
        return np.asarray(rate + common + np.logaddexp(stayed, left))

    def _log_parts(self, x: FloatArray, t_x: FloatArray, age: FloatArray) -> LogParts:
        raise NotImplementedError


@dataclass(frozen=True)
class BgNbd(Repeating):
    """BG/NBD (Fader, Hardie & Lee 2005): dropout with probability p after each repeat purchase.

    Purchase rate per week ~ Gamma(shape r, rate alpha); p ~ Beta(a, b), independent of the rate.
    """

    a: float
    b: float

    def expected_repeats(self, t: npt.ArrayLike) -> FloatArray:
        """Expected repeat purchases of a random customer within t weeks of the first; same shape as t.

        The published form, (a+b-1)/(a-1) [1 - (alpha/(alpha+t))^r 2F1(r, b; a+b-1; t/(alpha+t))] (equation 9).
        """
        weeks = _non_negative(t)
        if abs(self.a - 1) < 1e-3 or self.a + self.b < 1 + 1e-3:
            return self._expected_repeats_by_quadrature(weeks)
        # Pfaff's transformation swallows the power in front and keeps 2F1 away from its singular point 1.
        hyper = hyp2f1(self.r, self.a - 1, self.a + self.b - 1, -weeks / self.alpha)
        return np.asarray((self.a + self.b - 1) / (self.a - 1) * (1 - hyper))

    def _expected_repeats_by_quadrature(self, weeks: FloatArray) -> FloatArray:
        """Mean over p of (1 - (1 + p t/alpha)^-r) / p, for a or a+b near 1, where the form above is 0/0."""
        with np.errstate(invalid="ignore"):  # at a + b = 1 the recursion passes a 0/0 that it then discards
            nodes, weights = roots_jacobi(BETA_NODES, self.b - 1, self.a - 1)
        p = (1 + nodes) / 2
        share_left = np.log1p(np.multiply.outer(weeks, p) / self.alpha)
        integrand = -np.expm1(-self.r * share_left) / p
        return np.asarray(integrand @ (weights / weights.sum()))

    def p_zero(self, t: npt.ArrayLike) -> FloatArray:
        """Probability of no repeat purchase within t weeks of the first; same shape as t."""
        return np.asarray(np.exp(-self.r * np.log1p(_non_negative(t) / self.alpha)))

    def _log_parts(self, x: FloatArray, t_x: FloatArray, age: FloatArray) -> LogParts:
        survival = betaln(self.a, self.b + x) - betaln(self.a, self.b)
        stayed = -(self.r + x) * np.log(self.alpha + age)
        dropout_odds = np.log(self.a) - np.log(self.b + np.maximum(x, 1) - 1)
        left = np.where(x > 0, dropout_odds - (self.r + x) * np.log(self.alpha + t_x), -np.inf)
        return survival, stayed, left


@dataclass(frozen=True)
class ParetoNbd(Repeating):
    """Pareto/NBD (Schmittlein, Morrison & Colombo 1987): dropout at a hazard, buying or not.

    Purchase rate per week ~ Gamma(shape r, rate alpha); dropout hazard per week ~ Gamma(s, rate beta), independent.
    """

    s: float
    beta: float

    def expected_repeats(self, t: npt.ArrayLike) -> FloatArray:
        """Expected repeat purchases of a random customer within t weeks of the first; same shape as t.

        r beta / (alpha (s-1)) [1 - (beta/(beta+t))^(s-1)], written so that s = 1 is no special case.
        """
        log_growth = np.log1p(_non_negative(t) / self.beta)
        return np.asarray(self.r * self.beta / self.alpha * log_growth * exprel((1 - self.s) * log_growth))

    def p_zero(self, t: npt.ArrayLike) -> FloatArray:
        """Probability of no repeat purchase within t weeks of the first; same shape as t."""
        weeks = _non_negative(t)
        none = np.zeros_like(weeks)
        return np.asarray(np.exp(self._log_likelihoods(none, none, weeks)))

    def _log_parts(self, x: FloatArray, t_x: FloatArray, age: FloatArray) -> LogParts:
        stayed = -(self.r + x) * np.log(self.alpha + age) - self.s * np.log(self.beta + age)
        left = np.log(self.s) + _log_dropout_integral(self.r + x, self.alpha, self.s + 1, self.beta, t_x, age)
        return self.s * np.log(self.beta), stayed, left


def _log_dropout_integral(
    m: FloatArray, alpha: float, n: float, beta: float, start: FloatArray, end: FloatArray
) -> FloatArray:
    """Log of the integral of (alpha+u)^-m (beta+u)^-n over u from start to end; -inf where they are equal.

    The textbook form is a difference of two 2F1, which loses all digits when t_x is near T. The integrand is positive
    and, in log time, nearly an exponential, so Gauss-Legendre gives it to about 12 digits for any parameters.
    """
    base = min(alpha, beta)
    # Cut the tail where the integrand has fallen below rounding, so that the nodes lie where the mass is.
    reach = np.minimum(
        (alpha + start) * np.expm1(np.minimum(NEGLIGIBLE_DROP / m, 600)),
        (beta + start) * np.expm1(min(NEGLIGIBLE_DROP / n, 600)),
    )
    log_span = np.log1p(np.minimum(end - start, reach) / (base + start))
    total, since, count, span = np.empty(start.size), start.ravel(), m.ravel(), log_span.ravel()
    for first in range(0, start.size, TOGETHER):
        some = slice(first, first + TOGETHER)
        growth = np.exp(span[some] * (1 + NODES) / 2)
        step = (base + since[some]) * (growth - 1)
        fall = count[some] * np.log1p(step / (alpha + since[some])) + n * np.log1p(step / (beta + since[some]))
        total[some] = (WEIGHTS / 2 * growth * np.exp(-fall)).sum(axis=0)
    with np.errstate(divide="ignore"):
        log_width = np.log(log_span) + np.log(base + start)
    log_mean = np.log(total.reshape(start.shape))
    return np.asarray(log_width + log_mean - m * np.log(alpha + start) - n * np.log(beta + start))


@dataclass(frozen=True)
class GammaGamma(Positive):
    """Gamma-gamma (Fader & Hardie 2013): value of a purchase, independent of how often one buys.

    A purchase ~ Gamma(shape p, rate nu); nu ~ Gamma(shape q, rate gamma) over customers. gamma is in currency units.
    """

    p: float
    q: float
    gamma: float

    @property
    def mean(self) -> float:
        """Mean value of a purchase over customers, p gamma / (q-1); infinite if q <= 1."""
        return self.p * self.gamma / (self.q - 1) if self.q > 1 else float("inf")

    def conditional_mean(self, x: npt.ArrayLike, monetary: npt.ArrayLike) -> FloatArray:
        """Expected value of a further purchase given x purchases of mean z = `monetary`.

        p (gamma + x z) / (p x + q - 1); infinite where p x + q <= 1.
        """
        count, mean = np.broadcast_arrays(_non_negative(x), _non_negative(monetary))
        shape = self.p * count + self.q - 1
        finite = self.p * (self.gamma + count * mean) / np.where(shape > 0, shape, 1)
        return np.where(shape > 0, finite, np.inf)

    def log_likelihood(self, summary: RfmSummary) -> float:
        """Log-density of the mean repeat values given the numbers of repeats (where there are repeats)."""
        return _total(self._log_likelihoods, _repeat_values(summary))

    def _log_likelihoods(self, x: FloatArray, z: FloatArray) -> FloatArray:
        # x z / (gamma + x z) is Beta(p x, q): its log-density, and log z for the change of variable.
        shape = self.p * x
        log_sum = np.log(self.gamma + x * z)
        spent = shape * (np.log(x * z) - log_sum)
        unspent = self.q * (np.log(self.gamma) - log_sum)
        return np.asarray(spent + unspent - betaln(shape, self.q) - np.log(z))


ModelT = TypeVar("ModelT", BgNbd, ParetoNbd, GammaGamma)
Model = BgNbd | ParetoNbd


@dataclass(frozen=True)
class Fit(Generic[ModelT]):
    """A model fitted by maximum likelihood, with what is known of its precision.

    covariance: of the log-parameters in the order of `names`, shape (k, k), the inverse Hessian of the negative
    log-likelihood; a direction that the data leave open gets a standard error of about 30. converged: the optimum lies
    inside the search bounds and nothing worth having is left to climb. customers: how many were fitted.
    """

    model: ModelT
    log_likelihood: float
    covariance: FloatArray
    converged: bool
    customers: int

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names, in the order of `covariance`."""
        return tuple(field.name for field in fields(self.model))

    @property
    def log_parameters(self) -> FloatArray:
        """The logarithms of the parameters, shape (k,): the scale on which `covariance` is stated."""
        return np.log(np.asarray(astuple(self.model), dtype=np.float64))

    @property
    def log_standard_errors(self) -> dict[str, float]:
        """Standard error of each log-parameter, hence roughly the relative error of the parameter."""
        return dict(zip(self.names, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @property
    def standard_errors(self) -> dict[str, float]:
        """Standard error of each parameter, by the delta method."""
        return {name: float(getattr(self.model, name)) * se for name, se in self.log_standard_errors.items()}

    @property
    def unidentified(self) -> tuple[str, ...]:
        """Parameters that the data leave open by more than a factor of e (standard error of the log > 1).

        Typical is a log without visible lapse: a and b, or s and beta, then only matter through a lapse near zero.
        """
        return tuple(name for name, se in self.log_standard_errors.items() if se > 1)


def fit_bg_nbd(summary: RfmSummary) -> Fit[BgNbd]:
    """Fit BG/NBD by maximum likelihood. Raises FitError: too few customers, or no repeat purchases."""
    histories = _grouped_histories(_fit_for_frequency(summary))
    rate = float(summary.frequency.sum() / summary.age.sum())
    starts = [(r, r / rate, a, b) for r in (0.3, 1.5) for a, b in ((0.5, 2.5), (1.0, 20.0))]
    return _maximise(BgNbd, histories, starts, summary.customers)


def fit_pareto_nbd(summary: RfmSummary) -> Fit[ParetoNbd]:
    """Fit Pareto/NBD by maximum likelihood. Raises FitError: too few customers, or no repeat purchases."""
    histories = _grouped_histories(_fit_for_frequency(summary))
    rate = float(summary.frequency.sum() / summary.age.sum())
    age = float(summary.age.mean())
    starts = [(r, r / rate, s, s * age * wait) for r in (0.3, 1.5) for s, wait in ((0.5, 0.5), (1.5, 5.0))]
    return _maximise(ParetoNbd, histories, starts, summary.customers)


def fit_gamma_gamma(summary: RfmSummary) -> Fit[GammaGamma]:
    """Fit gamma-gamma to the mean repeat values by maximum likelihood.

    Raises FitError if fewer than MIN_CUSTOMERS customers bought again with a positive value, or if all values agree.
    """
    values = _repeat_values(summary)
    buyers = int(values.counts.sum())
    if buyers < MIN_CUSTOMERS:
        raise FitError(
            "value needs {least} customers with repeat purchases; there are {buyers}",
            least=MIN_CUSTOMERS, buyers=buyers,
        )
    money = values.columns[1]
    if np.ptp(money) <= 1e-9 * money.mean():
        raise FitError("all customers have the same mean repeat value: there is no spread to fit")
    mean = float(np.average(money, weights=values.counts))
    # Fitted in units of the mean, so that the search is the same for yen and for pounds.
    relative = _Grouped((values.columns[0], money / mean), values.counts)
    starts = [(p, q, (q - 1) / p) for p in (1.0, 6.0) for q in (2.0, 5.0)]
    fit = _maximise(GammaGamma, relative, starts, buyers)
    model = replace(fit.model, gamma=fit.model.gamma * mean)
    return replace(fit, model=model, log_likelihood=_total(model._log_likelihoods, values))


def cumulative_repeats(model: Model, first_weeks: npt.ArrayLike, horizon_weeks: int) -> FloatArray:
    """Expected cumulative repeat purchases of a cohort at the end of calendar weeks 1 to horizon_weeks.

    first_weeks: week (possibly fractional) of each customer's first purchase, counted from the start of week 1; a
    customer adds nothing before it. Returns shape (horizon_weeks,). Raises ValueError for a horizon below 1.
    """
    if horizon_weeks < 1:
        raise ValueError(f"horizon_weeks must be at least 1, not {horizon_weeks}")
    births, counts = np.unique(np.asarray(first_weeks, dtype=np.float64), return_counts=True)
    curve = np.empty(horizon_weeks)
    for week in range(1, horizon_weeks + 1):
        curve[week - 1] = counts @ model.expected_repeats(np.maximum(week - births, 0))
    return curve


@dataclass(frozen=True)
class _Grouped:
    """Distinct rows of data and how often each occurs: one evaluation serves all customers who look alike."""

    columns: tuple[FloatArray, ...]
    counts: FloatArray


def _grouped(columns: Iterable[FloatArray]) -> _Grouped:
    data = np.column_stack(tuple(columns))
    data = data[np.lexsort(data.T)]
    is_new = np.ones(len(data), dtype=bool)
    is_new[1:] = (data[1:] != data[:-1]).any(axis=1)
    firsts = np.flatnonzero(is_new)
    counts = np.diff(np.append(firsts, len(data))).astype(np.float64)
    return _Grouped(tuple(np.ascontiguousarray(column) for column in data[firsts].T), counts)


def _grouped_histories(summary: RfmSummary) -> _Grouped:
    return _grouped((summary.frequency, summary.recency, summary.age))


def _repeat_values(summary: RfmSummary) -> _Grouped:
    told = (summary.frequency > 0) & (summary.monetary > 0)
    return _grouped((summary.frequency[told], summary.monetary[told]))


def _total(log_likelihoods: Callable[..., FloatArray], data: _Grouped) -> float:
    return float(data.counts @ log_likelihoods(*data.columns))


def _fit_for_frequency(summary: RfmSummary) -> RfmSummary:
    if summary.customers < MIN_CUSTOMERS:
        raise FitError(
            "a fit needs {least} customers; there are {customers}", least=MIN_CUSTOMERS, customers=summary.customers
        )
    if not summary.frequency.any():
        raise FitError("no customer bought again: there are no repeat purchases to fit")
    return summary


def _maximise(kind: type[ModelT], data: _Grouped, starts: Iterable[tuple[float, ...]], customers: int) -> Fit[ModelT]:
    """Climb from every start, keep the best, polish it by Newton's method, read precision off curvature."""

    def loss(log_parameters: FloatArray) -> float:
        return -_total(kind(*np.exp(log_parameters))._log_likelihoods, data)

    best = min((_climb(loss, np.log(start), data.counts.sum()) for start in starts), key=loss)
    best, gradient, hessian = _polish(loss, best)
    covariance = _inverse(hessian)
    inside = bool(np.all(np.abs(best) < LOG_BOUND - 1e-3))
    # Half of g' H^-1 g is what a quadratic surface says is left to climb.
    converged = inside and float(gradient @ covariance @ gradient) / 2 < SHORTFALL_TOLERANCE
    return Fit(kind(*np.exp(best).tolist()), -loss(best), covariance, converged, customers)


def _climb(loss: Callable[[FloatArray], float], start: FloatArray, scale: float) -> FloatArray:
    """Minimum of the loss from one start; scaled to one customer, so that a tolerance suits every log."""
    bounds = [(-LOG_BOUND, LOG_BOUND)] * len(start)
    clipped = np.clip(start, -LOG_BOUND, LOG_BOUND)
    result = minimize(
        lambda theta: loss(theta) / scale, clipped, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12}
    )
    return np.asarray(result.x, dtype=np.float64)


def _polish(
    loss: Callable[[FloatArray], float], theta: FloatArray, rounds: int = 5
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Newton steps while they help: L-BFGS stops a little short on the flat ridges these likelihoods have."""
    for _ in range(rounds):
        gradient, hessian = _derivatives(loss, theta)
        step = _inverse(hessian) @ gradient
        candidate = np.clip(theta - step, -LOG_BOUND, LOG_BOUND)
        if gradient @ step / 2 < SHORTFALL_TOLERANCE / 1000 or loss(candidate) >= loss(theta):
            return theta, gradient, hessian
        theta = candidate
    return theta, *_derivatives(loss, theta)


def _inverse(hessian: FloatArray) -> FloatArray:
    """Inverse with the curvature kept above its floor: a flat ridge means 'unknown' and not a failure."""
    curvatures, directions = np.linalg.eigh(hessian)
    return np.asarray((directions / np.maximum(curvatures, CURVATURE_FLOOR)) @ directions.T, dtype=np.float64)


def _derivatives(
    loss: Callable[[FloatArray], float], theta: FloatArray, step: float = 1e-3
) -> tuple[FloatArray, FloatArray]:
    """Gradient (k,) and Hessian (k, k) by central differences.

    The step of 1e-3 balances rounding (about 1e-12 of the loss, over the step squared) against the fourth derivative.
    """
    size = len(theta)
    shifts = step * np.eye(size)
    centre = loss(theta)
    up = np.array([loss(theta + shift) for shift in shifts])
    down = np.array([loss(theta - shift) for shift in shifts])
    hessian = np.diag((up - 2 * centre + down) / step**2)
    for i in range(size):
        for j in range(i):
            both = loss(theta + shifts[i] + shifts[j]) + loss(theta - shifts[i] - shifts[j])
            crossed = loss(theta + shifts[i] - shifts[j]) + loss(theta - shifts[i] + shifts[j])
            hessian[i, j] = hessian[j, i] = (both - crossed) / (4 * step**2)
    return (up - down) / (2 * step), hessian


def _non_negative(values: npt.ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if not (array >= 0).all():
        raise ValueError("times, counts and values must not be negative or NaN")
    return array


def _broadcast(x: npt.ArrayLike, t_x: npt.ArrayLike, age: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    repeats, last, total = np.broadcast_arrays(_non_negative(x), _non_negative(t_x), _non_negative(age))
    if (last > total).any():
        raise ValueError("t_x must not exceed T")
    return repeats, last, total
