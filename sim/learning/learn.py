"""The steps of learning: read the evidence, simulate its statistics at points of the prior, condition on the findings.

The design is a run's own: the Latin hypercube over all that is not known. All pieces are simulated at the same points,
so that they are conditioned on together, and each by itself as well, which tells what each one taught.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sim.config.parameters import Parameter
from sim.config.sampling import points, quantiles, value_at
from sim.config.settings import Settings
from sim.learning.ab_test import AbTest
from sim.learning.lateness import Lateness
from sim.learning.pieces import Observed, Piece, WorldStatistics
from sim.learning.survey import Survey
from sim.learning.update import POINTS_PER_STATISTIC, Posterior, share_beyond, updated, with_sampling_error
from sim.phrases import ConfigError, Phrase
from sim.run.experiment import Progress, running
from sim.run.replication import TreatedArms, replication_seed

FloatArray = NDArray[np.float64]

KINDS = {kind.kind: kind.read for kind in (AbTest, Lateness, Survey)}

STRAINED = 0.02
"""Share of simulated worlds beyond an observed statistic below which it is called strained."""

TAIL = 0.05
"""On either side of a 90 % interval."""


@dataclass(frozen=True)
class Simulated:
    """What the model gives at so many points: by piece statistics (points, k) and levels (points, l)."""

    seed: int
    points: int
    statistics: Mapping[str, FloatArray]
    levels: Mapping[str, FloatArray]


@dataclass(frozen=True)
class Statistic:
    """One statistic beside what the model makes of it. low, high: 90 % of simulated worlds, sampling error included.

    beyond: share of them at least as far out; 0 where none is. learned: whether it was conditioned on.
    """

    piece: str
    name: Phrase
    observed: float
    se: float
    low: float
    high: float
    beyond: float
    learned: bool = True

    @property
    def contradicts(self) -> bool:
        """Whether no simulated world lies as far out as the observed value."""
        return self.beyond == 0.0

    @property
    def strained(self) -> bool:
        """Whether less than a share STRAINED of them does."""
        return self.beyond < STRAINED


@dataclass(frozen=True)
class Learned:
    """One parameter before and after. Means, standard deviations, and the middle 90 % of both.

    shrinkage: share of the prior variance that is gone. doubt: probability of as much by chance alone. taught: pieces
    that by themselves teach it beyond doubt, else all that were used. kept: whether it goes into the company file.
    """

    name: str
    prior: Parameter
    before: tuple[float, float, float, float]
    after: tuple[float, float, float, float]
    shrinkage: float
    doubt: float
    taught: tuple[str, ...]
    kept: bool


@dataclass(frozen=True)
class Lesson:
    """All that was learned: parameters asked about, every statistic, and the pieces refused.

    jointly, correlation: parameters that are known jointly, and the correlation of their normal scores, (m, m).
    """

    parameters: tuple[Learned, ...]
    statistics: tuple[Statistic, ...]
    refused: tuple[str, ...]
    points: int
    jointly: tuple[str, ...]
    correlation: FloatArray


# --- simulating ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PriorPoint:
    """A point of the prior for each scenario (their uncertain parameters differ), with its seed."""

    values: Mapping[str, Mapping[str, float | str]]
    seed: int


def simulate(
    pieces: Sequence[Piece], settings: Mapping[str, Settings], treated_arms: TreatedArms, size: int, workers: int,
    progress: Progress,
) -> Simulated:  # fmt: skip
    """Simulate the statistics of all pieces at points of the prior; settings by scenario. Raises ConfigError."""
    seed = next(iter(settings.values())).seed
    designs = {scenario: points(own, size) for scenario, own in settings.items()}
    tasks = [
        PriorPoint({scenario: design[i] for scenario, design in designs.items()}, replication_seed(seed, i, 0))
        for i in range(size)
    ]
    with running(partial(_in_one_world, tuple(pieces), settings, treated_arms), workers, progress) as run:
        found = run(tasks)
    return Simulated(
        seed, size,
        {piece.name: np.array([one[i].values for one in found]) for i, piece in enumerate(pieces)},
        {piece.name: np.array([one[i].levels for one in found]) for i, piece in enumerate(pieces)},
    )  # fmt: skip


def _in_one_world(
    pieces: tuple[Piece, ...], settings: Mapping[str, Settings], treated_arms: TreatedArms, point: PriorPoint
) -> list[WorldStatistics]:
    """Every piece's statistics at one point. Raises ConfigError where the market is too small to have them."""
    drawn = {scenario: own.at(point.values[scenario]) for scenario, own in settings.items()}
    found = [piece.simulated(drawn[piece.scenario], treated_arms, point.seed) for piece in pieces]
    for piece, one in zip(pieces, found, strict=True):
        if not np.isfinite(one.values).all():
            raise ConfigError(
                "customers: a market of {customers} is too small to show what {name} measured; more are needed",
                customers=drawn[piece.scenario].customers, name=piece.name,
            )
    return found


# --- conditioning -------------------------------------------------------------------------------------------


def enough_points(observed: Mapping[str, Observed], size: int) -> None:
    """Raise ConfigError where the points are too few for so many statistics."""
    k = sum(len(one.values) for one in observed.values())
    least = POINTS_PER_STATISTIC * (k + 1)
    if size < least:
        raise ConfigError(
            "--points {points}: is not allowed; at least {least} for {statistics} statistics",
            points=size, least=least, statistics=k,
        )


def learn(
    pieces: Sequence[Piece], observed: Mapping[str, Observed], simulated: Simulated, settings: Settings
) -> Lesson:
    """Condition the parameters that the pieces speak about on what was observed.

    A piece that no simulated world comes near is refused: the model cannot explain it, and a posterior would mislead.
    settings: the baseline's, with the prior of every parameter.
    """
    noisy = {
        piece.name: with_sampling_error(
            simulated.statistics[piece.name], observed[piece.name].covariance, simulated.seed,
            [f"{piece.name}: {name}" for name in observed[piece.name].names],
        )
        for piece in pieces
    }  # fmt: skip
    statistics = [one for piece in pieces for one in _statistics(piece.name, observed[piece.name], noisy[piece.name])]
    refused = {one.piece for one in statistics if one.contradicts}
    levels = [one for piece in pieces for one in _levels(piece.name, observed[piece.name], simulated)]
    used = [piece for piece in pieces if piece.name not in refused]
    refusals = tuple(piece.name for piece in pieces if piece.name in refused)
    if not used:
        return Lesson((), (*statistics, *levels), refusals, simulated.points, (), np.empty((0, 0)))
    asked, places = prior_places(used, settings, simulated.points)
    together = posterior(places, used, observed, noisy)
    alone = [(piece, posterior(places, [piece], observed, noisy).learned) for piece in used]
    parameters = tuple(_parameters(asked, places, together, alone))
    jointly = _known_jointly(parameters, settings)
    chosen = [list(asked).index(name) for name in jointly]
    return Lesson(
        parameters, (*statistics, *levels), refusals, simulated.points, jointly,
        np.atleast_2d(np.corrcoef(ndtri(together.places[:, chosen]).T)) if jointly else np.empty((0, 0)),
    )  # fmt: skip


def _statistics(piece: str, observed: Observed, noisy: FloatArray) -> Iterator[Statistic]:
    low, high = np.quantile(noisy, [TAIL, 1 - TAIL], axis=(0, 1))
    beyond = share_beyond(noisy, observed.values)
    for j, name in enumerate(observed.names):
        yield Statistic(piece, name, float(observed.values[j]), float(observed.errors[j]),
                        float(low[j]), float(high[j]), float(beyond[j]))  # fmt: skip


def _levels(piece: str, observed: Observed, simulated: Simulated) -> Iterator[Statistic]:
    """Levels must agree if the company file is this firm's; nothing is learned from them."""
    for j, (name, (value, se)) in enumerate((observed.levels or {}).items()):
        level = simulated.levels[piece][:, j]
        noisy = with_sampling_error(level[:, None], np.array([[se**2]]), simulated.seed, [f"{piece}: {name}"])
        low, high = np.quantile(noisy, [TAIL, 1 - TAIL])
        beyond = float(share_beyond(noisy, np.array([value]))[0])
        yield Statistic(piece, name, value, se, float(low), float(high), beyond, learned=False)


def prior_places(
    pieces: Sequence[Piece], settings: Settings, size: int
) -> tuple[dict[str, Parameter], FloatArray]:
    """Dotted paths of uncertain numbers that the pieces speak about, and their quantiles at the points, (points, p).

    Evidence on one of several parameters that are known jointly speaks about all of them.
    """
    uncertain, places = quantiles(settings, size)
    before = settings.company.jointly.parameters if settings.company.jointly else ()
    able = tuple(prefix for piece in pieces for prefix in piece.speaks_about)
    asked = {
        path: one
        for path, one in uncertain.items()
        if isinstance(one, Parameter) and (path.startswith(able) or path in before)
    }
    return asked, places[:, [path in asked for path in uncertain]]


def posterior(
    places: FloatArray, pieces: Sequence[Piece], observed: Mapping[str, Observed], noisy: Mapping[str, FloatArray]
) -> Posterior:
    """Condition on these pieces together."""
    found = np.concatenate([noisy[piece.name] for piece in pieces], axis=2)
    return updated(places, found, np.concatenate([observed[piece.name].values for piece in pieces]))


Lessons = Sequence[tuple[Piece, NDArray[np.bool_]]]
"""What each piece by itself teaches beyond doubt, a switch per parameter."""


def _parameters(
    asked: Mapping[str, Parameter], places: FloatArray, together: Posterior, alone: Lessons
) -> Iterator[Learned]:
    for j, (name, prior) in enumerate(asked.items()):
        before, after = (_summary(prior, own[:, j]) for own in (places, together.places))
        able = [piece.name for piece, _ in alone if name.startswith(piece.speaks_about)]
        taught = [piece.name for piece, learned in alone if piece.name in able and learned[j]]
        shrinkage = 1.0 - (after[1] / before[1]) ** 2
        kept = bool(together.learned[j]) and shrinkage > 0.0
        by = tuple(taught or able) if kept else ()
        yield Learned(name, prior, before, after, shrinkage, float(together.doubt[j]), by, kept)


def _known_jointly(parameters: Sequence[Learned], settings: Settings) -> tuple[str, ...]:
    """Parameters learned now, or known jointly before, where there is more than one."""
    before = settings.company.jointly.parameters if settings.company.jointly else ()
    found = tuple(one.name for one in parameters if one.kept or one.name in before)
    return found if len(found) > 1 else ()


def _summary(prior: Parameter, places: FloatArray) -> tuple[float, float, float, float]:
    """Mean, standard deviation and the middle 90 % of a parameter at these quantiles of its prior."""
    values = np.array([float(value_at(prior, u)) for u in places])
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    return float(values.mean()), float(values.std()), float(low), float(high)
