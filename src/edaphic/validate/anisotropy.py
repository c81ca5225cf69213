"""Does the correlation of residuals reach farther in one direction? Believed only where each half of the profiles says so of the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.validate.residuals import empirical_variogram
from edaphic.validate.variogram import MODELS, Variogram, fit_variogram

DIRECTIONS = 4
FEWEST_PLACES = 100
"""Below this many places, halves tell nothing of directions."""
FARTHEST = 2.0
"""Ranges beyond this many times the longest lag are guesses."""
BETTER = 0.95
"""How much smaller the misfit at the other half must be."""
FEWEST_PAIRS = 30
"""Pairs of a lag in one direction that count in the comparison."""


def variogram_of(
    lon: ArrayLike, lat: ArrayLike, residuals: ArrayLike, groups: ArrayLike, *, seed: int, estimator: str = "cressie"
) -> tuple[Variogram, Variogram, pd.DataFrame]:
    """Variogram of residuals, with anisotropy where it holds.

    Places are drawn into two halves. The variograms with directions that are fitted to each must describe the lags of the other half
    better than those without (misfits of both together), and may not point in different directions. Else directions are noise that a
    flexible curve followed.

    Parameters
    ----------
    lon, lat : array_like (n,)
        Degrees.
    residuals : array_like (n,)
        One per profile.
    groups : array_like (n,)
        Places.
    seed : int
    estimator : str
        As in :func:`~edaphic.validate.residuals.empirical_variogram`.

    Returns
    -------
    chosen : Variogram
        With a note that says what was found of directions.
    plain : Variogram
        The one without directions.
    lags : DataFrame
        Empirical values, those of all directions together first.
    """
    x, y, z, g = (np.asarray(a) for a in (lon, lat, residuals, groups))
    lags = empirical_variogram(x, y, z, groups=g, estimator=estimator)
    directed = empirical_variogram(x, y, z, groups=g, estimator=estimator, directions=DIRECTIONS)
    table = pd.concat([lags, directed], ignore_index=True)
    plain = fit_variogram(lags)
    if plain.model not in MODELS:
        return plain, plain, table
    whole = fit_variogram(directed, (plain.model,))
    why = _why_not(x, y, z, g, plain, whole, estimator, seed)
    if why:
        return replace(plain, notes=(*plain.notes, f"residual variogram: the same in all directions ({why})")), plain, table
    said = "residual variogram: each half of the places confirms the direction of the other"
    return replace(whole, notes=(*whole.notes, said)), plain, table


def _why_not(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    z: NDArray[np.float64],
    g: NDArray[np.int64],
    plain: Variogram,
    whole: Variogram,
    estimator: str,
    seed: int,
) -> str:
    """Why directions are not believed; empty where they are."""
    if not whole.anisotropy_ratio < 1:
        return "no direction fits better"
    if whole.range_m > FARTHEST * (whole.largest_lag_m or np.inf):
        return "the range along the major axis lies far beyond the data"
    names = np.unique(g)
    if len(names) < FEWEST_PLACES:
        return f"fewer than {FEWEST_PLACES} places"
    first = np.isin(g, np.random.default_rng(seed).permutation(names)[: len(names) // 2])
    tables, fits = [], []
    for half in (first, ~first):
        table = empirical_variogram(x[half], y[half], z[half], groups=g[half], estimator=estimator, directions=DIRECTIONS)
        tables.append(table)
        fits.append((fit_variogram(table, (plain.model,)), fit_variogram(_together(x, y, z, g, half, estimator), (plain.model,))))
    if all(not directed.anisotropy_ratio < 1 for directed, _ in fits):
        return "neither half of the places shows one"
    apart = abs(fits[0][0].anisotropy_angle_deg - fits[1][0].anisotropy_angle_deg)
    if all(directed.anisotropy_ratio < 1 for directed, _ in fits) and min(apart, 180 - apart) > 45:
        return "two halves of the places point in different directions"
    pairs = list(zip(fits, reversed(tables), strict=True))
    told, silent = (sum(_misfit(fit[which], other) for fit, other in pairs) for which in (0, 1))
    return "" if told < BETTER * silent else "what one half shows does not hold for the other"


def _together(
    x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64], g: NDArray[np.int64], half: NDArray[np.bool_], estimator: str
) -> pd.DataFrame:
    return empirical_variogram(x[half], y[half], z[half], groups=g[half], estimator=estimator)


def _misfit(variogram: Variogram, lags: pd.DataFrame) -> float:
    """Weighted squared relative misfit of lags in directions (weights as in the fit: pairs over gamma squared)."""
    used = lags[(lags["lag"] > 0) & (lags["pairs"] >= FEWEST_PAIRS)]
    bearing = np.radians(used["direction_deg"].to_numpy())
    h = used["distance_m"].to_numpy()
    gamma = variogram.gamma(variogram.distance(h * np.sin(bearing), h * np.cos(bearing)))
    relative = used["gamma"].to_numpy() / np.maximum(gamma, 1e-300) - 1.0
    return float(np.sum(used["pairs"].to_numpy() * relative**2))
