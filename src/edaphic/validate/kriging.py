"""Ordinary kriging on the sphere with local neighbourhoods.

Distances are straight lines through the Earth: all models of :mod:`edaphic.validate.variogram` are valid covariances in space, not
all along great circles, and up to 1,000 km the two differ by less than 0.11 %. Residuals are treated as isotropic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from edaphic.validate.grouping import EARTH_RADIUS_M
from edaphic.validate.residuals import unit_vectors
from edaphic.validate.variogram import Variogram

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEIGHBOURS = 50
JITTER = 1e-7
"""Share of the sill that is added to the diagonal, so that no set of neighbours is singular."""
AT_ONCE = 512


@dataclass(frozen=True)
class Places:
    """Values averaged by place."""

    xyz: Floats
    """Metres, (places, 3)."""
    mean: Floats
    rows: Floats
    """Number of values of each place."""
    of_row: Ints
    """Place of each value."""


def gather(lon: Floats, lat: Floats, values: Floats) -> Places:
    """Average values that share coordinates; two values at one place say more than one, but at no other place.

    >>> gather(np.array([1.0, 1.0, 2.0]), np.zeros(3), np.array([3.0, 5.0, 7.0])).mean.tolist()
    [4.0, 7.0]
    """
    where, of_row = np.unique(np.column_stack([lon, lat]), axis=0, return_inverse=True)
    of_row = of_row.ravel().astype(np.int64)
    rows = np.bincount(of_row).astype(np.float64)
    xyz = EARTH_RADIUS_M * unit_vectors(where[:, 0], where[:, 1])
    return Places(xyz, np.bincount(of_row, weights=values) / rows, rows, of_row)


def ordinary_kriging(places: Places, variogram: Variogram, at: Floats, *, neighbours: int = NEIGHBOURS) -> tuple[Floats, Floats]:
    """Predict the part that is not nugget, with an unknown mean in each neighbourhood.

    Parameters
    ----------
    places : Places
        Data; the nugget of a mean of m values is a m-th.
    variogram : Variogram
        Isotropic; its anisotropy is not used.
    at : float64 (n, 3)
        Where to predict, metres from the centre of the Earth.
    neighbours : int
        Nearest places to use.

    Returns
    -------
    mean, variance : float64 (n,)
        ``variance`` is that of the error against a new value there, nugget included. (Cressie 1993, Statistics for Spatial Data, 3.2.)

    Examples
    --------
    Half-way between two places both weigh the same.

    >>> places = gather(np.array([0.0, 0.01]), np.zeros(2), np.array([1.0, 3.0]))
    >>> at = EARTH_RADIUS_M * unit_vectors(np.array([0.005]), np.array([0.0]))
    >>> ordinary_kriging(places, Variogram("exponential", 0.1, 1.0, 5000.0), at)[0].round(9).tolist()
    [2.0]
    """
    return _krige(places, variogram, at, None, neighbours)


def leave_out(places: Places, variogram: Variogram, chosen: Ints, *, neighbours: int = NEIGHBOURS) -> tuple[Floats, Floats]:
    """Predict some of the places from the others: mean and variance as :func:`ordinary_kriging` gives them."""
    return _krige(places, variogram, places.xyz[chosen], chosen, neighbours)


def _krige(places: Places, v: Variogram, at: Floats, own: Ints | None, neighbours: int) -> tuple[Floats, Floats]:
    k = min(neighbours, len(places.mean) - (own is not None))
    near, distance = _nearest(places, at, own, k)
    mean, variance = np.empty(len(at)), np.empty(len(at))
    spoilt = v.nugget / places.rows + JITTER * v.sill
    for start in range(0, len(at), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        rows = near[some]
        xyz = places.xyz[rows]
        apart = np.sqrt(np.sum((xyz[:, :, None, :] - xyz[:, None, :, :]) ** 2, axis=3))
        matrix = v.partial_sill * v.correlation(apart)
        matrix[:, np.arange(k), np.arange(k)] += spoilt[rows]
        right = np.ones((len(rows), k, 2))
        right[:, :, 0] = v.partial_sill * v.correlation(distance[some])
        solved = np.linalg.solve(matrix, right)
        ones = solved[:, :, 1].sum(axis=1)
        lagrange = (1 - solved[:, :, 0].sum(axis=1)) / ones
        weights = solved[:, :, 0] + lagrange[:, None] * solved[:, :, 1]
        mean[some] = np.sum(weights * places.mean[rows], axis=1)
        # sill - 2 w'c + w'Cw with Cw = c + lagrange 1.
        variance[some] = v.sill - np.sum(weights * right[:, :, 0], axis=1) + lagrange
    return mean, np.maximum(variance, v.nugget)


def _nearest(places: Places, at: Floats, own: Ints | None, k: int) -> tuple[Ints, Floats]:
    """Numbers and distances of the k nearest places, each row's own place left out where given."""
    more = k + (own is not None)
    distance, near = cKDTree(places.xyz).query(at, k=more)
    distance, near = distance.reshape(len(at), more), near.reshape(len(at), more).astype(np.int64)
    if own is None:
        return near, distance
    # The own place comes first; where rounding or a twin puts another first, drop the own one wherever it is, else the last.
    drop = near == own[:, None]
    drop[~drop.any(axis=1), -1] = True
    return near[~drop].reshape(len(at), k), distance[~drop].reshape(len(at), k)
