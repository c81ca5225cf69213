"""How errors of layers go together: known correlations, few profiles, layers that no profile has in common."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.model.depth_errors import layer_correlation

PAIRED = np.array([[1.0, 0.7, 0.4], [0.7, 1.0, 0.6], [0.4, 0.6, 1.0]])


def errors_of(n: int, correlation=PAIRED, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, len(correlation))) @ np.linalg.cholesky(correlation).T


def test_the_correlation_of_many_profiles_is_found_on_any_scale():
    errors = errors_of(4000)
    found, notes = layer_correlation(errors)
    np.testing.assert_allclose(found, PAIRED, atol=0.03)
    assert notes == []
    # Ranks do not know the scale of a layer.
    np.testing.assert_allclose(layer_correlation(np.column_stack([np.exp(errors[:, 0]), errors[:, 1] ** 3, 7 * errors[:, 2]]))[0], found)


def test_few_profiles_lend_each_other_what_they_know():
    same = np.full((4, 4), 0.5) + 0.5 * np.eye(4)
    above = np.triu_indices(4, 1)
    plain, drawn = [], []
    for seed in range(30):
        errors = errors_of(25, same, seed)
        plain.append(np.corrcoef(errors.T)[above] - 0.5)
        drawn.append(layer_correlation(errors)[0][above] - 0.5)
    assert np.sqrt(np.mean(np.square(drawn))) < 0.85 * np.sqrt(np.mean(np.square(plain)))


def test_profiles_that_lack_layers_count_where_they_have_both():
    errors = errors_of(3000)
    errors[:1000, 0], errors[1000:2000, 2] = np.nan, np.nan
    np.testing.assert_allclose(layer_correlation(errors)[0], PAIRED, atol=0.05)


def test_a_pair_without_profiles_takes_the_mean_and_says_so():
    errors = errors_of(600)
    errors[:300, 0], errors[300:, 2] = np.nan, np.nan
    found, notes = layer_correlation(errors)
    assert min(found[0, 1], found[1, 2]) < found[0, 2] < max(found[0, 1], found[1, 2])
    assert notes == ["depth correlation: 1 of 3 pairs of layers have fewer than 10 profiles in common; they take the mean of the others"]


@pytest.mark.parametrize("errors", [np.full((30, 2), np.nan), np.zeros((30, 2)), np.ones((5, 2)) * np.arange(5)[:, None]])
def test_what_tells_nothing_goes_together_fully_and_says_so(errors):
    found, notes = layer_correlation(errors)
    assert (found == 1).all() and len(notes) == 1 and "fully" in notes[0]


def test_one_layer_goes_with_itself():
    assert layer_correlation(np.arange(20.0)[:, None]) == (np.ones((1, 1)), [])


@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(3, 60))
@settings(max_examples=60, deadline=None)
def test_it_is_always_a_correlation(seed, layers, profiles):
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(profiles, 1)) * rng.normal(size=layers) + rng.normal(size=(profiles, layers))
    errors[rng.uniform(size=errors.shape) < 0.5] = np.nan
    found, _ = layer_correlation(errors)
    np.testing.assert_array_equal(found, found.T)
    assert (np.diag(found) == 1).all() and (np.abs(found) <= 1 + 1e-12).all()
    assert np.linalg.eigvalsh(found)[0] > -1e-9
