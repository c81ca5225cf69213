"""Back to the scale of the values: by simulation, and at the limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphic.covariates.climate import How, Stations, fit_climate
from edaphic.covariates.climate.transform import back, back_error, forward


@pytest.mark.parametrize(("f", "s"), [(3.0, 1.0), (0.5, 1.0), (-0.5, 0.7), (8.0, 0.2)])
def test_mean_of_a_square(f, s):
    drawn = np.maximum(f + s * np.random.default_rng(1).standard_normal(2_000_000), 0) ** 2
    assert back(np.array([f]), s, "sqrt")[0] == pytest.approx(drawn.mean(), rel=5e-3)


def test_mean_of_an_exponential():
    drawn = np.exp(1.0 + 0.5 * np.random.default_rng(1).standard_normal(2_000_000))
    assert back(np.array([1.0]), 0.5, "log")[0] == pytest.approx(drawn.mean(), rel=5e-3)
    assert back_error(np.array([1.0]), np.array([0.5]), 0.5, "log")[0] == pytest.approx(drawn.std(), rel=2e-2)


def test_error_of_a_square():
    drawn = (6.0 + 0.5 * np.random.default_rng(1).standard_normal(2_000_000)) ** 2
    assert back_error(np.array([6.0]), np.array([0.5]), 9.9, "sqrt")[0] == pytest.approx(drawn.std(), rel=1e-2)


@given(st.floats(-1e3, 1e3), st.floats(0, 100))
def test_never_negative_and_monotonic(f, s):
    low, high = back(np.array([f, f + 1.0]), s, "sqrt")
    assert 0 <= low <= high * (1 + 1e-12)


@given(st.floats(0, 1e6))
def test_without_error_it_is_the_inverse(y):
    assert back(forward(np.array([y]), "sqrt"), 0.0, "sqrt")[0] == pytest.approx(y, rel=1e-9, abs=1e-9)


def test_none_is_the_same():
    x = np.array([-3.0, 4.0])
    assert back(x, 2.0, "none") is x and forward(x, "none") is x


def test_bias_of_a_map_is_taken_off():
    """Square-root splines of skewed rain: back-transformed leave-one-out predictions have less bias than plain squares."""
    rng = np.random.default_rng(7)
    n = 300
    lon, lat = rng.uniform(0, 8, n), rng.uniform(40, 46, n)
    root = 6 + 3 * np.sin(lon) + 1.5 * rng.standard_normal(n)
    rain = np.maximum(root, 0)[:, None] ** 2
    stations = Stations(tuple(map(str, range(n))), lon, lat, np.zeros(n), ("ppt",), ("ppt",), rain, np.ones((n, 1)))
    model = fit_climate(stations, How(elevation="none", transform="sqrt"))
    plain = model.splines.left_out[:, 0] ** 2
    bias = float(np.mean(model.left_out[:, 0] - rain[:, 0]))
    assert abs(bias) < 0.5 < abs(float(np.mean(plain - rain[:, 0])))
    assert model.predict([20.0], [60.0]).min() >= 0
