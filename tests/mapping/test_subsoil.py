"""Stocks below the topsoil: the formula where nothing is uncertain, brute force where both are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphic.mapping.subsoil import layer_factor, stock_below
from edaphic.profiles.depth.beta import layers_by_difference

HALF = 0.5 ** (1 / 20)
LAYERS = [(20.0, 40.0), (40.0, 60.0), (60.0, 80.0), (80.0, 100.0)]
Z95 = 1.6448536269514722


@given(st.floats(0.6, 1.05), st.floats(0.1, 50.0))
def test_without_errors_it_is_the_formula_of_profiles(beta: float, stock: float) -> None:
    sure = np.array([beta])
    for layer, expected in zip(LAYERS, layers_by_difference(sure, stock, LAYERS), strict=True):
        mean, (low, high) = stock_below((sure, sure, sure), np.array([stock]), 0.0, layer, [0.05, 0.95])
        assert mean[0] == pytest.approx(expected[0], rel=1e-9)
        assert low[0] == high[0] == pytest.approx(expected[0], rel=1e-9)


def test_layers_add_up_to_the_whole() -> None:
    beta = np.array([0.93, HALF, 1.0, 1.02])
    parts = sum(layer_factor(beta, layer, 20.0) for layer in LAYERS)
    np.testing.assert_allclose(parts, layer_factor(beta, (20.0, 100.0), 20.0), rtol=1e-12)


@pytest.mark.parametrize("relative_sd", [0.05, 0.15, 0.6])
@pytest.mark.parametrize("layer", [(20.0, 40.0), (80.0, 100.0), (20.0, 100.0), (0.0, 100.0)])
def test_mean_and_quantiles_are_those_of_many_draws(relative_sd: float, layer: tuple[float, float]) -> None:
    rng = np.random.default_rng(5)
    z, n = rng.normal(size=400_000), 400_000
    low, middle, high = 0.955, 0.972, 0.981
    beta = middle + np.where(z < 0, middle - low, high - middle) / Z95 * z
    sd = np.sqrt(np.log1p(relative_sd**2))
    drawn = 5.0 * np.exp(sd * rng.normal(size=n) - sd**2 / 2) * layer_factor(beta, layer, 20.0)
    levels = [0.025, 0.05, 0.5, 0.95, 0.975]
    mean, found = stock_below((np.array([low]), np.array([middle]), np.array([high])), np.array([5.0]), relative_sd, layer, levels)
    assert mean[0] == pytest.approx(drawn.mean(), rel=0.004)
    np.testing.assert_allclose(found[:, 0], np.quantile(drawn, levels), rtol=0.01)


def test_the_mean_is_not_the_formula_of_the_mean() -> None:
    """The factor bends upwards with beta below 60 cm: its mean lies above that of the mean beta."""
    beta = np.array([0.97])
    mean, _ = stock_below((beta - 0.02, beta, beta + 0.02), np.array([5.0]), 0.0, (80.0, 100.0), [0.5])
    assert mean[0] > 1.2 * 5.0 * layer_factor(beta, (80.0, 100.0), 20.0)[0]


def test_topsoil_keeps_its_mean_and_its_error() -> None:
    beta = np.array([0.97])
    mean, found = stock_below((beta - 0.02, beta, beta + 0.02), np.array([8.0]), 0.2, (0.0, 20.0), [0.05, 0.5, 0.95])
    sd = np.sqrt(np.log1p(0.04))
    assert mean[0] == pytest.approx(8.0, rel=1e-9)
    np.testing.assert_allclose(found[:, 0], 8.0 * np.exp(sd * np.array([-Z95, 0.0, Z95]) - sd**2 / 2), rtol=2e-4)


def test_cells_without_a_value_have_none() -> None:
    beta, nan = np.array([0.97, np.nan, 0.97]), np.nan
    mean, found = stock_below((beta, beta, beta), np.array([8.0, 8.0, nan]), 0.1, (20.0, 40.0), [0.5])
    assert np.isfinite(mean).tolist() == np.isfinite(found[0]).tolist() == [True, False, False]


def test_cells_do_not_depend_on_their_neighbours() -> None:
    rng = np.random.default_rng(1)
    middle = rng.uniform(0.95, 0.99, 20_000)
    given_all = (middle - 0.01, middle, middle + 0.008)
    stock = rng.uniform(1, 9, 20_000)
    mean, found = stock_below(given_all, stock, 0.15, (40.0, 60.0), [0.05, 0.95])
    some = np.arange(17_000, 17_050)
    mean_some, found_some = stock_below(tuple(own[some] for own in given_all), stock[some], 0.15, (40.0, 60.0), [0.05, 0.95])  # type: ignore[arg-type]
    np.testing.assert_allclose(mean[some], mean_some, rtol=1e-14)
    assert np.array_equal(found[:, some], found_some)
