"""The design of the uncertain parameters: a Latin hypercube that grows by doubling."""

from __future__ import annotations

import math
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sim.config.parameters import Parameter, choice, parameter
from sim.config.sampling import latin_hypercube, points, value_at
from sim.config.settings import Settings
from tests.config.compose import shipped
from tests.test_imports import ROOT

NAMES = [f"group.parameter_{i}" for i in range(12)]


def is_latin(column: np.ndarray) -> bool:
    bins = np.floor(column * len(column)).astype(int)
    return sorted(bins) == list(range(len(column)))


@pytest.mark.parametrize("n", [1, 2, 7, 8, 12, 16, 32, 96])
def test_every_bin_of_every_dimension_holds_one_point(n: int) -> None:
    design = latin_hypercube(1, NAMES, n)
    assert design.shape == (n, len(NAMES))
    assert all(is_latin(design[:, j]) for j in range(len(NAMES)))


@given(seed=st.integers(0, 2**53), odd=st.sampled_from([1, 3, 5]), doublings=st.integers(0, 5))
@hypothesis_settings(deadline=None, max_examples=30)
def test_the_design_grows_by_doubling(seed: int, odd: int, doublings: int) -> None:
    n = odd * 2**doublings
    small, large = latin_hypercube(seed, NAMES[:3], n), latin_hypercube(seed, NAMES[:3], 2 * n)
    assert np.array_equal(large[:n], small)
    assert is_latin(large[:, 0])


def test_first_eight_of_sixteen_are_the_eight() -> None:
    assert np.array_equal(latin_hypercube(7, NAMES, 16)[:8], latin_hypercube(7, NAMES, 8))


def test_a_further_dimension_shifts_no_other() -> None:
    some = latin_hypercube(1, NAMES, 16)
    more = latin_hypercube(1, ["a.new.one", *NAMES], 16)
    assert np.array_equal(more[:, 1:], some)


def test_dimensions_and_seeds_differ() -> None:
    design = latin_hypercube(1, NAMES, 64)
    correlation = np.corrcoef(design.T) - np.eye(len(NAMES))
    assert np.abs(correlation).max() < 0.5  # 4 standard errors of independent columns
    assert not np.array_equal(design, latin_hypercube(2, NAMES, 64))


def test_no_points_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one point"):
        latin_hypercube(1, NAMES, 0)


def test_shipped_names_have_keys_of_their_own() -> None:
    names = [path for path, _ in shipped().parameters()]
    assert len({crc32(name.encode()) for name in names}) == len(names)


def test_points_lie_in_their_ranges_and_go_back_in() -> None:
    settings = shipped()
    drawn = points(settings, 8)
    assert len(drawn) == 8
    for point in drawn:
        put = settings.at(point)
        assert isinstance(put, Settings)
        assert not any(one.uncertain for _, one in put.parameters())
    uncertain = {path: one for path, one in settings.parameters() if one.uncertain}
    for path, one in uncertain.items():
        values = [point[path] for point in drawn]
        if one.options:
            assert {values.count(option) for option in one.options} == {8 // len(one.options)}
        else:
            assert all(one.low <= value <= one.high for value in values)


@pytest.mark.parametrize("scenario", [path.stem for path in sorted((ROOT / "conf" / "scenario").glob("*.yaml"))])
def test_every_shipped_range_has_its_value_as_median(scenario: str) -> None:
    stated = dict(shipped(f"scenario={scenario}").parameters())
    ranges = {path: one for path, one in stated.items() if isinstance(one, Parameter) and one.low is not None}
    assert len(ranges) > 50
    for path, one in ranges.items():
        assert value_at(one, 0.5) == one.value, path
        ends = value_at(one, 1e-12), value_at(one, 1.0 - 1e-12)
        assert ends == pytest.approx((one.low, one.high), rel=1e-6, abs=1e-6), path


def test_normal_evidence_is_cut_at_the_hard_bounds() -> None:
    margin = parameter(0.0, 1.0)({"mean": 0.9, "se": 0.2})
    values = [value_at(margin, u) for u in (1e-12, 0.05, 0.5, 0.95, 1.0 - 1e-12)]
    assert values == sorted(values)
    assert values[0] >= 0.0
    assert 0.999 < values[-1] <= 1.0


def test_quantiles_of_each_kind_of_prior() -> None:
    reaches_zero, scale = parameter()({"value": 1, "range": [0, 4]}), parameter()({"value": 2, "range": [1, 8]})
    assert [value_at(reaches_zero, u) for u in (0.25, 0.5, 0.75)] == [0.5, 1.0, 2.5]
    assert [value_at(scale, u) for u in (0.25, 0.5, 0.75)] == pytest.approx([math.sqrt(2.0), 2.0, 4.0])
    assert value_at(parameter()({"value": 1, "options": [1, 2]}), 0.75) == 2.0
    assert value_at(parameter()({"mean": 10, "se": 2}), 0.5) == pytest.approx(10.0)
    assert value_at(parameter()(3), 0.9) == 3.0
    assert value_at(choice("a", "b")({"value": "a", "options": ["a", "b"]}), 0.4) == "a"
    assert value_at(choice("a", "b")("b"), 0.4) == "b"
