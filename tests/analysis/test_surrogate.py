"""What lies between settings: known surfaces are told, and the error is that of a setting really left out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import qmc

from analysis.effects.estimands import Array
from analysis.studies.surrogate import GAUSSIAN, QUADRATIC, Surrogate, best, gaussian, quadratic, rms, scaled

AT = 2 * qmc.Sobol(2, scramble=True, rng=5).random(16) - 1
ELSEWHERE = np.array([[0.0, 0.0], [0.9, -0.9], [-0.3, 0.7]])


def bowl(at: Array) -> Array:
    """A quadratic of each of two points (places, 2)."""
    x, y = at.T
    return np.column_stack([3 - 2 * x + y**2 - 4 * x * y, 1 + x**2])


def wave(at: Array) -> Array:
    return np.sin(3 * at[:, :1]) * np.cos(2 * at[:, 1:])


def test_a_quadratic_is_told_exactly_everywhere() -> None:
    found = quadratic(AT)
    assert_allclose(found.predicted(bowl(AT), ELSEWHERE), bowl(ELSEWHERE), atol=1e-10)
    assert rms(found.left_out(bowl(AT))) < 1e-10


@pytest.mark.parametrize("made", [quadratic, lambda at: gaussian(at, 1.0, 0.01)], ids=[QUADRATIC, GAUSSIAN])
def test_what_is_left_out_is_what_the_others_say_of_each(made: type[Surrogate]) -> None:
    values = wave(AT)
    for place in range(len(AT)):
        others = np.delete(np.arange(len(AT)), place)
        told = made(AT[others]).predicted(values[others], AT[place : place + 1])[0]
        assert_allclose(made(AT).left_out(values)[place], values[place] - told, atol=1e-6)


def test_the_one_that_leaves_less_out_is_kept() -> None:
    assert best(AT, bowl(AT)).kind == QUADRATIC
    found = best(AT, wave(AT))
    assert found.kind == GAUSSIAN
    assert rms(found.left_out(wave(AT))) < rms(quadratic(AT).left_out(wave(AT)))
    assert_allclose(found.predicted(wave(AT), AT), wave(AT), atol=0.05)


def test_a_level_far_from_zero_is_told() -> None:
    far = np.full((3, 2), 0.4)
    assert_allclose(gaussian(AT, 1.0, 1e-3).predicted(np.full((16, 1), 1e4), far), 1e4, rtol=1e-3)


def test_too_few_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="6 settings cannot tell 6 coefficients"):
        quadratic(AT[:6])


def test_levers_go_from_minus_one_to_one() -> None:
    assert scaled(np.array([[75.0, 30.0], [300.0, 75.0]]), [75, 30], [300, 120]).tolist() == [[-1, -1], [1, 0]]
