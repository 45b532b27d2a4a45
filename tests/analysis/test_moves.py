"""What moved: errors by hand, the rate of false alarms and of finds against what theory says, and the words."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from analysis.effects.answer import answer, write_effects
from analysis.studies import moves
from analysis.studies.moves import Move
from tests.analysis.fake_run import make_run

NAME = "a ltv total"


def numbers(*points: list[float | None], second: list[float | None] | None = None) -> moves.Numbers:
    """Numbers m0, m1, ... with these values per point, and a second seed of theirs."""
    names = [NAME] if len(points) == 1 else [f"a ltv m{place}" for place in range(len(points))]
    return {name: [one, second or [None] * len(one)] for name, one in zip(names, points, strict=True)}


def by_points(apart: NDArray[np.float64], level: float = 100.0, tolerance: float = 0.0) -> list[Move]:
    """Moves of numbers whose paired differences are these, (numbers, points)."""
    before = numbers(*np.full(apart.shape, level).tolist())
    return moves.by_points(before, numbers(*(level + apart).tolist()), {"ltv": tolerance})


def test_paired_differences_by_hand() -> None:
    (one,) = moves.by_points(numbers([10.0, 10.0, 10.0]), numbers([11.0, 12.0, 13.0]), {})
    assert (one.before, one.after, one.change) == (10.0, 12.0, 2.0)
    assert one.error == pytest.approx(1 / math.sqrt(3))
    t = 2 * math.sqrt(3)
    assert one.p == pytest.approx(1 - t / math.sqrt(t**2 + 2), rel=1e-5)  # Student's t, two degrees of freedom
    (one,) = moves.by_points(numbers([10.0, 10.0, 10.0]), numbers([11.0, 12.0, 13.0]), {"ltv": 1.0})
    t = math.sqrt(3)  # one yen beyond the tolerance
    assert one.p == pytest.approx(1 - t / math.sqrt(t**2 + 2), rel=1e-5)


def test_error_of_the_seeds_by_hand() -> None:
    before = numbers([10.0, 20.0], second=[12.0, None])  # half of 2 squared, over two points: 1
    after = numbers([11.0, 21.0], second=[11.0 + math.sqrt(8), None])  # 8 / 2 / 2: 2
    (one,) = moves.by_seeds(before, after)
    assert one.change == 1.0
    assert one.errors == pytest.approx(1 / math.sqrt(3))


def test_what_is_no_move() -> None:
    same = numbers([1e9, 2e9, None])
    assert [one.moved for one in moves.by_points(same, same, {})] == [False]
    rounded = numbers([1e9 + 0.5, 2e9 + 0.5, None])
    (one,) = moves.by_points(same, rounded, {})
    assert (one.moved, one.p, one.errors) == (False, 1.0, 0.0)
    (one,) = moves.by_points(same, numbers([1e9 + 50, 2e9 + 60, None]), {})
    assert one.moved


def test_values_that_are_blank() -> None:
    (one,) = moves.by_points(numbers([1.0, None, 3.0]), numbers([2.0, 5.0, None]), {})
    assert (one.points, one.change, one.p) == (1, 1.0, 1.0)
    (one,) = moves.by_points(numbers([1.0, None]), numbers([None, 5.0]), {})
    assert one.moved
    assert one.p == 0.0
    (one,) = moves.by_points(numbers([None, None]), numbers([None, None]), {})
    assert not one.moved


def test_a_longer_design_begins_with_the_shorter_one() -> None:
    (one,) = moves.by_seeds(numbers([1.0, 2.0]), numbers([2.0, 3.0, 90.0, 90.0]))
    assert (one.points, one.change) == (2, 1.0)


def test_holm_by_hand() -> None:
    def called(*p: float) -> int:
        found = [Move(NAME, 0, 0, 1, 1, 0, 9, one) for one in p]
        return len(moves.beyond_chance(found, 0.05))

    assert called(0.001, 0.016, 0.03, 0.2) == 2  # 0.05 / 4, / 3, / 2
    assert called(0.001, 0.017, 0.02, 0.2) == 1  # stops at the first above
    assert called(0.013, 0.013, 0.013, 0.013) == 0
    assert called() == 0


@pytest.mark.parametrize("uneven", [0.0, 1.0])
def test_false_alarms_are_as_rare_as_promised(uneven: float) -> None:
    """Nothing moved, only chance was drawn anew: normal noise gives Bonferroni's rate, uneven noise at most that."""
    rng = np.random.default_rng(1)
    checks, compared, points, promised = 400, 20, 16, 0.05
    alarms = 0
    for _ in range(checks):
        scale = np.exp(uneven * rng.standard_normal(points))
        found = by_points(scale * rng.standard_normal((compared, points)))
        alarms += bool(moves.beyond_chance(found, promised))
    expected = 1 - (1 - promised / compared) ** compared
    error = math.sqrt(expected * (1 - expected) / checks)
    assert alarms / checks < expected + 4 * error
    if not uneven:
        assert alarms / checks > expected - 4 * error


def test_a_real_move_is_found_as_often_as_theory_says() -> None:
    rng = np.random.default_rng(2)
    checks, points, compared, promised, size = 400, 16, 20, 0.01, 1.4
    found = 0
    for _ in range(checks):
        apart = rng.standard_normal((compared, points))
        apart[7] += size
        found += "a ltv m7" in [one.name for one in moves.beyond_chance(by_points(apart), promised)]
    bar = stats.t.isf(promised / compared / 2, points - 1)
    power = stats.nct.sf(bar, points - 1, size * math.sqrt(points))
    assert 0.5 < power < 0.95  # a size at which a wrong error would show
    assert found / checks == pytest.approx(power, abs=4 * math.sqrt(power * (1 - power) / checks))


def test_a_move_up_to_the_tolerance_is_let_pass() -> None:
    rng = np.random.default_rng(3)
    checks, promised = 1000, 0.05
    called = 0
    for _ in range(checks):
        called += bool(moves.beyond_chance(by_points(1.0 + rng.standard_normal((1, 16)), tolerance=1.0), promised))
    # At its very edge one of two sides counts.
    error = math.sqrt(promised / 2 / checks)
    assert called / checks == pytest.approx(promised / 2, abs=4 * error)


def test_all_points_moved_alike() -> None:
    found = by_points(np.ones((1, 16)))
    assert moves.beyond_chance(found, 0.01) == found
    assert found[0].errors == math.inf
    assert "an unknown number of SE" in moves.in_words(found[0])


def test_numbers_of_a_folder(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    effects = write_effects(folder)
    found = moves.numbers_of(folder)
    told = answer(effects, "norush_coupon", "ltv")
    assert told is not None
    first, second = np.array(found["norush_coupon ltv total"], float)
    assert np.mean(first) == pytest.approx(told.effect)
    assert np.sum(~np.isnan(second)) == 4
    assert np.mean(np.array(found["baseline ltv level"][0], float)) == pytest.approx(told.baseline)
    assert {name.split()[2] for name in found} == {"level", "total", "direct", "wom", "congestion"}


def test_words() -> None:
    assert moves.tables_line({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "9", "d": "4"}) == (
        "other bytes: b; new: d; gone: c"
    )
    assert moves.tables_line({"a": "1"}, {"a": "1"}) == ""
    one = Move("norush_coupon ltv total", -0.11, 2.99, 3.1, 0.3875, 0.0, 16)
    assert moves.in_words(one) == (
        "norush_coupon ltv total effect: -0.1 to 3.0 yen per member, moved by +3.1 = 8.0 SE"
    )
    assert moves.exact_lines([one])[0].startswith("1 of 1 numbers moved by 3 SE or more, up to 8.0 SE")
    near = one._replace(change=0.465)
    assert moves.exact_lines([near])[0].startswith("no number of 1 beyond 1.2 SE")
    assert moves.exact_lines([one._replace(change=0.0)]) == ["none of 1 numbers moved"]
    many = [one] * 13
    assert moves.listing(many)[-1] == "and 3 more numbers"
    bar = stats.t.isf(0.01 / 13 / 2, 15)
    line = moves.statistical_line(many, 0.01)
    assert line.startswith("13 numbers over 16 replications; the farthest, norush_coupon ltv total, by 8.0 SE;")
    assert f"called a move from {bar:.1f} SE" in line
