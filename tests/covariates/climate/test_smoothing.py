"""The smoothing that is chosen: criteria by their definitions, ends of the range, truths with known noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edaphic.covariates.climate.basis import basis_for
from edaphic.covariates.climate.factor import factorise
from edaphic.covariates.climate.smoothing import Spectrum, choose
from edaphic.covariates.climate.spline import fit


def truth(points: np.ndarray) -> np.ndarray:
    return 10 * np.sin(points[:, 0] / 2) * np.cos(points[:, 1] / 3)


@pytest.mark.parametrize("method", ["gcv", "reml"])
def test_lowest_of_all(method):
    """No smoothing on a fine scale has a lower criterion than the chosen one."""
    points = np.random.default_rng(0).uniform(0, 10, (60, 2))
    y = truth(points) + np.random.default_rng(1).standard_normal(60)
    factor = factorise(basis_for(points, 2, 2), points)
    u = factor.vectors[:, 3:].T @ y
    chosen = choose(factor.spectrum, u**2, method)
    d = factor.eigenvalues
    for lam in chosen.lam * np.exp(np.linspace(-6, 6, 301)):
        left = lam / (d + lam)
        gcv = 60 * np.sum((left * u) ** 2) / left.sum() ** 2
        reml = 57 * np.log(np.sum(u**2 / (d + lam))) + np.sum(np.log(d + lam))
        assert (gcv >= chosen.gcv * (1 - 1e-9)) if method == "gcv" else (reml >= chosen.reml - 1e-9)


def test_reml_is_the_likelihood():
    """Differences of REML are those of -2 log of the density of the contrasts, with the variance at its estimate."""
    points = np.random.default_rng(0).uniform(0, 10, (25, 2))
    y = truth(points) + np.random.default_rng(1).standard_normal(25)
    basis = basis_for(points, 2, 2)
    factor = factorise(basis, points)
    scaled = basis.scaled(points)
    q2 = np.linalg.qr(basis.polynomials(scaled), mode="complete")[0][:, 3:]
    found, wanted = [], []
    for df in (5.0, 9.0, 15.0):
        choice = choose(factor.spectrum, (factor.vectors[:, 3:].T @ y) ** 2, df)
        cov = q2.T @ basis.kernel(scaled, scaled) @ q2 + choice.lam * np.eye(22)
        z = q2.T @ y
        scale = z @ np.linalg.solve(cov, z) / 22
        wanted.append(np.linalg.slogdet(scale * cov)[1] + 22)
        found.append(choice.reml)
        assert choice.variance_reml == pytest.approx(scale * choice.lam, rel=1e-6)
    assert np.diff(found) == pytest.approx(np.diff(wanted), rel=1e-6)


@pytest.mark.parametrize("df", [3.5, 10.0, 24.0])
def test_degrees_of_freedom_as_wanted(df):
    points = np.random.default_rng(0).uniform(0, 10, (25, 2))
    assert fit(basis_for(points, 2, 2), points, truth(points)[:, None], df).choices[0].df == pytest.approx(df, rel=1e-9)


@pytest.mark.parametrize("df", [3.0, 2.0, 25.0, 40.0, float("nan")])
def test_impossible_degrees_of_freedom(df):
    points = np.random.default_rng(0).uniform(0, 10, (25, 2))
    with pytest.raises(ValueError, match="degrees of freedom"):
        fit(basis_for(points, 2, 2), points, truth(points)[:, None], df)


def test_smooth_truth_without_noise_has_no_minimum():
    points = np.random.default_rng(0).uniform(0, 10, (80, 2))
    choice = fit(basis_for(points, 2, 2), points, truth(points)[:, None]).choices[0]
    assert "no minimum" in choice.note and choice.df == pytest.approx(76.0)


def test_noise_alone_is_a_plane_or_near():
    points = np.random.default_rng(0).uniform(0, 10, (200, 2))
    y = np.random.default_rng(4).standard_normal((200, 12))
    splines = fit(basis_for(points, 2, 2), points, y)
    assert np.median([choice.df for choice in splines.choices]) < 6
    flat = [choice for choice in splines.choices if math.isinf(choice.lam)]
    assert flat and all("terms without penalty alone" in choice.note for choice in flat)


@pytest.mark.parametrize("method", ["gcv", "reml"])
def test_known_noise(method):
    """Noise of 1: the estimate of its variance is right within 15 %, and the surface is nearer the truth than at half or twice the df."""
    points = np.random.default_rng(0).uniform(0, 10, (300, 2))
    t, cells = truth(points), np.random.default_rng(9).uniform(1, 9, (500, 2))
    y = t[:, None] + np.random.default_rng(2).standard_normal((300, 10))
    basis = basis_for(points, 2, 2)
    splines = fit(basis, points, y, method)
    assert np.mean([choice.variance for choice in splines.choices]) == pytest.approx(1.0, abs=0.15)
    df = float(np.mean([choice.df for choice in splines.choices]))

    def error(one):
        return float(np.sqrt(np.mean((one.predict(cells) - truth(cells)[:, None]) ** 2)))

    assert error(splines) < 0.6
    if method == "gcv":  # REML believes in rougher truths than this one, and takes more degrees of freedom
        assert error(splines) < error(fit(basis, points, y, df / 2)) and error(splines) < error(fit(basis, points, y, min(df * 2, 290)))


@pytest.mark.parametrize(("noise", "most"), [("gcv", 0.99), ("reml", 0.999)])
def test_intervals_cover(noise, most):
    """Of a smooth truth 95 % intervals cover at least 91 % of the region (Wahba 1983); by likelihood they are wider."""
    points = np.random.default_rng(0).uniform(0, 10, (250, 2))
    cells = np.random.default_rng(9).uniform(0.5, 9.5, (400, 2))
    y = truth(points)[:, None] + np.random.default_rng(3).standard_normal((250, 12))
    splines = fit(basis_for(points, 2, 2), points, y, keep=True)
    apart = np.abs(splines.predict(cells) - truth(cells)[:, None])
    assert 0.91 < float(np.mean(apart < 1.96 * splines.standard_error(cells, noise))) < most


def test_stations_at_one_place_bound_the_freedom():
    spectrum = Spectrum(np.array([0.0, 0.0, 1.0, 2.0, 5.0, 9.0, 11.0]), 3)
    choice = choose(spectrum, np.array([4.0, 4.0, 9.0, 9.0, 20.0, 30.0, 50.0]), "gcv")
    assert choice.df < 8
