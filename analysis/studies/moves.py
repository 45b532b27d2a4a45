"""What moved between two versions of an answer, and by how many standard errors.

Both versions ran the same configuration: point r is the same world in both. Each number (the level of a metric in the
baseline, an effect) is kept per point, under the point's first seed and, for some points, under a second.

- Where the bytes of a table should be the same and are not, the answer has moved. Moves are then listed in the order of
  their size over the Monte Carlo error of a difference of two runs, which points under two seeds tell.
- Where a result was changed on purpose, so that bytes must move, the paired differences of the points judge. If only
  the draws changed, new and old may be exchanged and each difference lies symmetrically around nothing; Student's
  t of such differences has no heavier tails than t itself at the levels in use (Efron 1969, JASA 64). With a number
  of comparisons m, Holm's procedure (1979, Scandinavian Journal of Statistics 6) holds the chance that any of them
  is called moved while nothing has below the one that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from analysis.effects.estimands import GRID, Cube, coalitions, monte_carlo_error, on_grid, parts
from analysis.folders.run_folder import Run
from analysis.style import words
from analysis.style.language import _
from sim.tables import BASELINE, EVERYBODY, METRICS

Array = npt.NDArray[np.float64]
Numbers = Mapping[str, Sequence[Sequence[float | None]]]
"""Values per point by name: a list for the first seed, one for the second; None where there is none."""

LEVEL = "level"
KEPT = ("total", "direct", "wom", "congestion")
"""Estimands kept per point; the others follow from them."""

ROUNDING = 1e-9
"""Share of a level up to which a move counts as rounding."""

NOTABLE = 3.0
"""Standard errors from which a move is called notable in an exact comparison."""

SHOWN = 10
"""Moved numbers listed; the rest is counted."""


def numbers_of(folder: Path) -> dict[str, list[list[float | None]]]:
    """The numbers of a run folder per point, everybody's: `ARM METRIC ESTIMAND`, of the baseline `level`."""
    run = Run(folder)
    cube = Cube(run.measures[run.measures["segment"] == EVERYBODY])
    found = {f"{BASELINE} {one.name} {LEVEL}": on_grid(cube.get(BASELINE, EVERYBODY, one.name)) for one in METRICS}
    for name in run.interventions:
        for metric in METRICS:
            effects = _effects(cube, name, metric.name)
            found |= {f"{name} {metric.name} {estimand}": values for estimand, values in effects.items()}
    return {name: _plain(values) for name, values in found.items() if not np.isnan(values).all()}


def _effects(cube: Cube, name: str, metric: str) -> dict[str, Array]:
    """(seeds, points) by estimand; the total alone where the others were not run."""
    found = coalitions(cube, name, EVERYBODY, metric)
    if len(found) == 1:
        return found
    return {estimand: values for estimand, values in parts(found).items() if estimand in KEPT}


def _plain(values: Array) -> list[list[float | None]]:
    return [[None if math.isnan(value) else float(value) for value in points] for points in values]


class Move(NamedTuple):
    """How far one number moved: mean over points before and after, their difference and its standard error.

    `change` is the mean over the points that have a value in both; `floor` is what counts as no move at all, `p` the
    chance of a move as far beyond it if only the draws changed (NaN where the error is that of the seeds).
    """

    name: str
    before: float
    after: float
    change: float
    error: float
    floor: float
    points: int
    p: float = math.nan

    @property
    def moved(self) -> bool:
        """Whether there is a move at all, rounding apart. Without a point in common there is."""
        return not abs(self.change) <= self.floor

    @property
    def errors(self) -> float:
        """The move in standard errors; infinite where none is known."""
        if not self.moved:
            return 0.0
        return abs(self.change) / self.error if self.error > 0.0 and math.isfinite(self.change) else math.inf


def by_seeds(before: Numbers, after: Numbers) -> list[Move]:
    """Moves against the Monte Carlo error of a difference of two runs; the farthest first."""
    found = []
    for name, old, new in _pairs(before, after):
        error = math.hypot(monte_carlo_error(old), monte_carlo_error(new))
        found.append(_move(name, old[0], new[0], 0.0)._replace(error=error))
    return sorted(found, key=lambda one: -one.errors)


def by_points(before: Numbers, after: Numbers, tolerance: Mapping[str, float]) -> list[Move]:
    """Moves against the error of the points' paired differences, with p; the farthest first.

    `tolerance`: by metric, in its unit, a move that does not matter; p is then of a move beyond it (a test of a
    minimum effect: Murphy and Myors 1999, Journal of Applied Psychology 84).
    """
    found = []
    for name, old, new in _pairs(before, after):
        one = _move(name, old[0], new[0], tolerance.get(name.split()[1], 0.0))
        found.append(one._replace(p=_p(one)))
    return sorted(found, key=lambda one: (one.p, -one.errors))


def _pairs(before: Numbers, after: Numbers) -> Iterator[tuple[str, Array, Array]]:
    """Name, values before and after, each (seeds, points), of what both have. A design of more points begins with the
    smaller one."""
    for name in before:
        if name in after:
            old, new = _array(before[name]), _array(after[name])
            points = min(old.shape[1], new.shape[1])
            yield name, old[:, :points], new[:, :points]


def _array(series: Sequence[Sequence[float | None]]) -> Array:
    return np.array([[math.nan if value is None else value for value in points] for points in series], np.float64)


def _move(name: str, old: Array, new: Array, tolerance: float) -> Move:
    """One number's move; old, new: (points,). The error is that of the paired differences."""
    both = ~(np.isnan(old) | np.isnan(new))
    if not both.any():
        change = 0.0 if np.isnan(old).all() and np.isnan(new).all() else math.nan
        return Move(name, _mean(old), _mean(new), change, math.nan, 0.0, 0)
    apart = new[both] - old[both]
    n = len(apart)
    error = float(np.std(apart, ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    level = float(np.max(np.abs([old[both], new[both]])))
    floor = max(tolerance, ROUNDING * level, 2 * GRID)
    return Move(name, _mean(old), _mean(new), float(np.mean(apart)), error, floor, n)


def _mean(values: Array) -> float:
    return math.nan if np.isnan(values).all() else float(np.nanmean(values))


def _p(one: Move) -> float:
    """Two-sided, Student's t with points - 1 degrees of freedom. One pair alone tells nothing."""
    if not one.moved:
        return 1.0
    if math.isnan(one.change) or one.error == 0.0:
        return 0.0  # no point in common, or moved alike in all of them: not chance
    if one.points < 2:
        return 1.0
    return float(2.0 * stdtr(one.points - 1, (one.floor - abs(one.change)) / one.error))


def beyond_chance(moves: Sequence[Move], false_alarm: float) -> list[Move]:
    """The moves beyond chance, by Holm's procedure over all moves, which must be sorted by rising p."""
    found = []
    for number, one in enumerate(moves):
        if one.p > false_alarm / (len(moves) - number):
            break
        found.append(one)
    return found


# -- in words -------------------------------------------------------------------------------------------------


def tables_line(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Which tables have other bytes, are new or gone; empty where none is."""
    other = [name for name in before if name in after and before[name] != after[name]]
    changed = [_("other bytes: {names}").format(names=_some(other))] if other else []
    return "; ".join([*changed, *_came_and_went(before, after)])


def names_line(before: Numbers, after: Numbers) -> str:
    """Which numbers only one of the versions has; empty where there are none."""
    return "; ".join(_came_and_went(before, after))


def _came_and_went(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    came, went = ([name for name in one if name not in other] for one, other in ((after, before), (before, after)))
    if came:
        yield _("new: {names}").format(names=_some(came))
    if went:
        yield _("gone: {names}").format(names=_some(went))


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return _("{names} and {count} more").format(names=shown, count=len(names) - SHOWN) if names[SHOWN:] else shown


def exact_lines(moves: Sequence[Move]) -> list[str]:
    """What moved where bytes moved: a line that sums up, then the farthest moves."""
    moved = [one for one in moves if one.moved]
    known = [one for one in moved if math.isfinite(one.errors)]
    unknown = len(moved) - len(known)
    if not moved:
        return [_("none of {total} numbers moved").format(total=len(moves))]
    far = [one for one in known if one.errors >= NOTABLE]
    if far:
        first = _("{count} of {total} numbers moved by {notable:g} SE or more, up to {most:.1f} SE").format(
            count=len(far), total=len(moves), notable=NOTABLE, most=far[0].errors
        )
    else:
        first = _("no number of {total} beyond {most:.1f} SE").format(
            total=len(moves), most=known[0].errors if known else 0
        )
    summed = _("{moved} (Monte Carlo SE, from the replications' second seeds)").format(moved=first)
    aside = _("; {count} moved that have no known SE").format(count=unknown) if unknown else ""
    return [summed + aside, *listing(moved)]


def statistical_line(moves: Sequence[Move], false_alarm: float) -> str:
    """What was compared, from where a move is called one, and how far the farthest went."""
    points = max((one.points for one in moves), default=0)
    bar = float(-stdtrit(points - 1, false_alarm / len(moves) / 2)) if points > 1 else math.nan
    far = max(moves, key=lambda one: one.errors, default=None)
    farthest = _("none moved")
    if far is not None and far.moved:
        farthest = _("the farthest, {name}, by {errors}").format(name=far.name, errors=_errors(far))
    return _(
        "{total} numbers over {points} replications; {farthest}; called a move from {bar:.1f} SE (paired "
        "replications; Holm over {total} comparisons, {percent:g} % chance of a false alarm)"
    ).format(total=len(moves), points=points, farthest=farthest, bar=bar, percent=100 * false_alarm)


def _errors(one: Move) -> str:
    return f"{one.errors:.1f} SE" if math.isfinite(one.errors) else _("an unknown number of SE")


def listing(moves: Sequence[Move]) -> list[str]:
    """The farthest moves, a line each; the rest is counted."""
    rest = [_("and {count} more numbers").format(count=len(moves) - SHOWN)] if len(moves) > SHOWN else []
    return [in_words(one) for one in moves[:SHOWN]] + rest


def in_words(one: Move) -> str:
    """`norush_coupon ltv total effect: -0.11 to 2.99 yen per member, moved by +3.10 = 8.0 SE`."""
    _arm, metric, estimand = one.name.split()
    what = one.name if estimand == LEVEL else _("{name} effect").format(name=one.name)
    places = None if math.isnan(one.change) else _places(one.change)
    both = _("{before} to {after} {unit}").format(
        before=words.number(one.before, places), after=words.number(one.after, places), unit=words.unit(metric)
    )
    if math.isnan(one.change):
        return _("{what}: {both}, no replication in common").format(what=what, both=both)
    return _("{what}: {both}, moved by {change} = {errors}").format(
        what=what, both=both, change=words.signed(one.change, places), errors=_errors(one)
    )


def _places(change: float) -> int:
    """Decimals at which a move shows two digits."""
    return min(max(1 - math.floor(math.log10(abs(change))), 0), 9) if change else 0
