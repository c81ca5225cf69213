"""Directions of residuals are believed where both halves of the places show them, and else not."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from edaphic.validate.anisotropy import variogram_of


def field(seed, ratio, n=400, range_km=25.0):
    """Residuals with an exponential variogram, stretched from west to east by one over the ratio; about 100 km a side at the equator."""
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(0, 0.9, (2, n))
    xy = np.column_stack([lon, lat / ratio]) * 111.2
    covariance = 0.9 * np.exp(-3 * cdist(xy, xy) / range_km) + 0.1 * np.eye(n)
    return lon, lat, np.linalg.cholesky(covariance) @ rng.standard_normal(n)


def test_a_stretched_field_has_its_direction():
    found = [variogram_of(*field(seed, 0.35, 1000), np.arange(1000), seed=1)[0] for seed in range(6)]
    believed = [v for v in found if v.anisotropy_ratio < 1]
    assert len(believed) >= 4
    assert np.median([v.anisotropy_ratio for v in believed]) == pytest.approx(0.35, abs=0.15)
    assert all(abs(v.anisotropy_angle_deg - 90) < 30 for v in believed)
    assert "confirms" in believed[0].notes[-1]


def test_a_field_without_direction_seldom_gets_one():
    found = [variogram_of(*field(seed, 1.0), np.arange(400), seed=1) for seed in range(12)]
    assert sum(chosen.anisotropy_ratio < 1 for chosen, _, _ in found) <= 2
    chosen, plain, lags = found[0]
    assert chosen.range_m == plain.range_m or chosen.anisotropy_ratio < 1
    assert lags["direction_deg"].isna().any() and lags["direction_deg"].notna().any()


def test_noise_and_few_places_have_none():
    rng = np.random.default_rng(3)
    lon, lat = rng.uniform(0, 1, (2, 60))
    chosen, plain, _ = variogram_of(lon, lat, rng.standard_normal(60), np.arange(60), seed=1)
    assert chosen.anisotropy_ratio == 1 == plain.anisotropy_ratio
