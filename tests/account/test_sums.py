"""Sums and moments, whatever the parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from edaphic.account.sums import Moments, Sums

numbers = st.lists(st.floats(-1e12, 1e12, allow_nan=False), min_size=1, max_size=60)


@given(numbers)
def test_sums_are_exact_whatever_cancels(values: list[float]) -> None:
    sums = Sums(2)
    for value in values:
        sums.add("key", np.array([value, -value]))
    exact = math.fsum(values)
    scale = math.fsum(abs(value) for value in values)
    np.testing.assert_allclose(sums["key"], [exact, -exact], rtol=1e-15, atol=1e-30 * scale + 5e-324)


def test_keys_are_apart_and_an_unknown_one_is_zero() -> None:
    sums = Sums(1)
    sums.add("a", np.array([1.0]))
    sums.add(("b", 2), np.array([5.0]))
    assert (sums["a"], sums[("b", 2)], sums["c"]) == (1.0, 5.0, 0.0)
    assert list(sums) == ["a", ("b", 2)]


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=3, max_size=40), st.integers(1, 40))
def test_moments_do_not_depend_on_the_parts(pairs: list[tuple[float, float]], size: int) -> None:
    x, y = np.array(pairs).T
    whole, parts = Moments(), Moments()
    whole.add(x, y)
    for start in range(0, len(x), size):
        parts.add(x[start : start + size], y[start : start + size])
    assert parts.count == whole.count
    assert parts.mean_x == pytest.approx(whole.mean_x, abs=1e-9)
    assert parts.squares_x == pytest.approx(whole.squares_x, rel=1e-9, abs=1e-6)
    assert parts.products == pytest.approx(whole.products, rel=1e-9, abs=1e-6)


def test_correlation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(50.0, 1.0, 500)
    y = 0.5 * x + rng.normal(size=500)
    both = Moments()
    for part in np.array_split(np.arange(500), 7):
        both.add(x[part], y[part])
    assert both.pearson() == pytest.approx(pearsonr(x, y).statistic, abs=1e-12)


def test_correlation_with_a_constant_is_undefined() -> None:
    both = Moments()
    both.add(np.array([1.0, 2.0]), np.array([3.0, 3.0]))
    assert math.isnan(both.pearson())
    assert math.isnan(Moments().pearson())
