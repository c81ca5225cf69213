"""Folds and the baselines beside the spline."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphic.covariates.climate.basis import basis_for
from edaphic.covariates.climate.spline import fit
from edaphic.covariates.climate.withheld import (
    block_folds,
    nearest_withheld,
    predict_withheld,
    random_folds,
    regression_withheld,
)


@given(st.integers(1, 60), st.integers(2, 12), st.integers(0, 99))
def test_folds_are_even(n, folds, seed):
    places = np.random.default_rng(seed).random((n, 2))
    for fold in (random_folds(n, folds, seed), block_folds(places, folds)):
        sizes = np.bincount(fold, minlength=min(folds, n))
        assert sizes.sum() == n and len(sizes) == min(folds, n) and sizes.min() >= 1
    assert np.ptp(np.bincount(random_folds(n, folds, seed), minlength=min(folds, n))) <= 1
    assert np.ptp(np.bincount(block_folds(places, folds), minlength=min(folds, n))) <= 3


def test_blocks_hold_together():
    """Stations of a block lie nearer each other than stations by chance."""
    places = np.random.default_rng(1).random((200, 2))

    def spread(fold):
        return np.mean([places[fold == k].std(axis=0).mean() for k in range(10)])

    assert spread(block_folds(places, 10)) < 0.6 * spread(random_folds(200, 10))


def test_predictions_are_of_splines_without_the_fold():
    rng = np.random.default_rng(2)
    points, fold = rng.random((30, 3)), np.arange(30) % 5
    values = np.column_stack([points.sum(axis=1) + rng.standard_normal(30), rng.standard_normal(30)])
    values[4, 1] = np.nan
    basis = basis_for(points, 2, 2)
    found = predict_withheld(basis, points, values, fold, "gcv")
    for f in range(2):
        seen = (fold != 3) & np.isfinite(values[:, f])
        alone = fit(basis, points[seen], values[seen, f : f + 1]).predict(points[fold == 3])[:, 0]
        # The scaling of the basis is that of all stations, so the numbers agree to rounding.
        assert found[fold == 3, f] == pytest.approx(np.where(np.isfinite(values[fold == 3, f]), alone, np.nan), abs=1e-6, nan_ok=True)


def test_folds_too_large_give_nothing():
    points = np.random.default_rng(2).random((6, 2))
    assert np.isnan(predict_withheld(basis_for(points, 2, 2), points, points[:, :1], np.arange(6) % 2, "gcv")).all()


def test_folds_without_the_degrees_of_freedom_give_nothing():
    """Of 30 stations in 10 parts 27 are left: 26.5 degrees of freedom can be had, 28 cannot; nor where two places are nearly one."""
    points = np.random.default_rng(2).random((30, 2))
    values, fold, basis = np.sin(5 * points[:, :1]), np.arange(30) % 10, basis_for(points, 2, 2)
    assert np.isfinite(predict_withheld(basis, points, values, fold, 26.5)).all()
    assert np.isnan(predict_withheld(basis, points, values, fold, 28.0)).all()
    points[1] = points[0] + 1e-10
    found = predict_withheld(basis, points, values, fold, 26.5)[:, 0]
    assert np.isfinite(found[fold < 2]).all() and np.isnan(found[fold > 1]).all()


def test_baselines_by_hand():
    places = np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0], [6.5, 0.0]])
    values = np.array([[10.0], [12.0], [20.0], [30.0]])
    fold = np.arange(4)
    assert nearest_withheld(places, values, fold)[:, 0].tolist() == [12.0, 10.0, 30.0, 20.0]
    metres = np.array([0.0, 100.0, 200.0, 300.0])
    line = 20 - 0.006 * metres[:, None]
    assert regression_withheld(metres, line, fold)[:, 0] == pytest.approx(line[:, 0])
