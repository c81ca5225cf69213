"""Sums of layers whose errors go together: closed forms, simulation, and cells that know nothing of each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from edaphic.model.joint import DRAWS, LEVELS, draws_of, joint_quantiles

GRID = np.asarray(LEVELS)
SCORES = norm.ppf(np.clip(GRID, 1e-3, 1 - 1e-3))
LIMITS = (0.05, 0.25, 0.5, 0.75, 0.95)
PAIRED = np.array([[1.0, 0.7, 0.4], [0.7, 1.0, 0.7], [0.4, 0.7, 1.0]])
APART, TOGETHER = np.eye(3), np.ones((3, 3))


def read(curve: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """A quantile function between its levels, which are straight lines against the normal score."""
    return np.interp(norm.ppf(levels), SCORES, curve)


def one_cell(curves: np.ndarray, correlation: np.ndarray, levels: tuple[float, ...] = LIMITS, factors=(1.0, 1.0, 1.0)) -> np.ndarray:
    return joint_quantiles(curves[:, None, :], np.asarray(factors)[:, None], draws_of(correlation), levels)[0]


def test_layers_that_go_together_fully_add_up_quantile_by_quantile():
    curves = np.exp(np.array([[0.3], [0.5], [0.8]]) * SCORES)
    expected = sum(read(curve, LIMITS) for curve in curves)
    np.testing.assert_allclose(one_cell(curves, TOGETHER), expected, rtol=0.01)


@pytest.mark.parametrize("correlation", [APART, PAIRED, TOGETHER])
def test_sums_of_normal_layers_have_the_exact_variance(correlation):
    sd = np.array([1.0, 2.0, 1.5])
    found = one_cell(5.0 + sd[:, None] * SCORES, correlation)
    exact = 15.0 + np.sqrt(sd @ correlation @ sd) * norm.ppf(LIMITS)
    np.testing.assert_allclose(found, exact, atol=0.05 * np.sqrt(sd @ correlation @ sd))


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_sums_of_lognormal_layers_are_those_of_a_simulation_and_narrower_than_summed_quantiles(rho):
    correlation = rho ** np.abs(np.subtract.outer(range(3), range(3)))
    middle, sd = np.array([1.5, 1.2, 1.0]), np.array([0.4, 0.5, 0.6])
    curves = np.exp(middle[:, None] + sd[:, None] * SCORES)
    z = np.random.default_rng(1).normal(size=(400_000, 3)) @ np.linalg.cholesky(correlation).T
    low, mid, high = np.quantile(np.exp(middle + sd * z).sum(axis=1), (0.05, 0.5, 0.95))
    found = one_cell(curves, correlation, (0.05, 0.5, 0.95))
    np.testing.assert_allclose(found, [low, mid, high], rtol=0.03)
    summed = sum(read(c, (0.95,))[0] - read(c, (0.05,))[0] for c in curves)
    assert summed > (1.08 if rho == 0.8 else 1.2) * (high - low)


def test_ranks_are_those_of_all_realisations_in_order():
    rng = np.random.default_rng(3)
    curves, factors = np.sort(rng.lognormal(size=(3, 20, len(GRID))), axis=2), rng.uniform(0.2, 2, size=(3, 20))
    # Nearly all realisations in one bin, and none outside a single value.
    curves[:, 0, 1:-1], curves[:, 0, -1] = 1.0 + 1e-9 * np.arange(len(GRID) - 2), 1e9
    curves[:, 1] = 4.0
    levels = (0.0, 0.0004, 0.025, 0.31, 0.5, 0.95, 0.9999, 1.0)
    draws = draws_of(PAIRED)
    found = joint_quantiles(curves, factors, draws, levels)
    for cell in range(20):
        values = np.stack([
            c[cell][draws.below[:, j]] + draws.share[:, j] * (c[cell][draws.below[:, j] + 1] - c[cell][draws.below[:, j]])
            for j, c in enumerate(curves)
        ])  # fmt: skip
        expected = np.quantile(factors[:, cell] @ values, levels, method="hazen")
        np.testing.assert_allclose(found[cell], expected, rtol=1e-12)
    np.testing.assert_allclose(found[1], 4.0 * factors[:, 1].sum(), rtol=1e-12)


def test_what_is_said_of_a_cell_depends_on_that_cell_alone():
    rng = np.random.default_rng(4)
    curves, factors = np.sort(rng.lognormal(size=(3, 31, len(GRID))), axis=2), rng.uniform(size=(3, 31))
    draws, order = draws_of(PAIRED), rng.permutation(31)
    every = joint_quantiles(curves, factors, draws, LIMITS)
    np.testing.assert_array_equal(every[order], joint_quantiles(curves[:, order], factors[:, order], draws, LIMITS))
    for cell in (0, 17, 30):
        np.testing.assert_array_equal(every[[cell]], joint_quantiles(curves[:, [cell]], factors[:, [cell]], draws, LIMITS))


def test_layers_that_are_no_soil_count_nothing_and_no_value_stays_none():
    curves = np.exp(np.array([[0.3], [0.5], [0.8]]) * SCORES)
    alone = one_cell(curves, PAIRED, factors=(1.0, 0.0, 0.0))
    np.testing.assert_allclose(alone, read(curves[0], LIMITS), rtol=0.025)
    assert (one_cell(curves, PAIRED, factors=(0.0, 0.0, 0.0)) == 0).all()
    assert np.isnan(one_cell(curves, PAIRED, factors=(np.nan, 1.0, 1.0))).all()
    assert joint_quantiles(curves[:, None][:, :0], np.ones((3, 0)), draws_of(PAIRED), LIMITS).shape == (0, 5)


@given(st.integers(0, 10**6), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_quantiles_ascend_between_the_smallest_and_the_largest_sum(seed, layers):
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(layers, layers))
    covariance = factor @ factor.T
    sd = np.sqrt(np.diag(covariance))
    curves = np.sort(rng.lognormal(sigma=rng.uniform(0.01, 2), size=(layers, 5, len(GRID))), axis=2)
    found = joint_quantiles(curves, np.ones((layers, 5)), draws_of(covariance / np.outer(sd, sd)), LIMITS)
    assert (np.diff(found, axis=1) >= 0).all()
    assert (found >= curves[..., 0].sum(axis=0)[:, None] - 1e-9).all() and (found <= curves[..., -1].sum(axis=0)[:, None] + 1e-9).all()


def test_draws_have_the_correlation_that_is_asked():
    draws = draws_of(PAIRED)
    score = SCORES[draws.below] + draws.share * np.diff(SCORES)[draws.below]
    assert score.shape == (DRAWS, 3)
    np.testing.assert_allclose(np.corrcoef(score.T), PAIRED, atol=0.03)
    np.testing.assert_allclose(score.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(score.std(axis=0), 1, atol=0.03)
