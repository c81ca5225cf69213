"""How alike are the errors of neighbours: the empirical variogram of out-of-fold residuals.

Distances run along the sphere and bearings are taken at the middle of each pair, so that no projection bends them. Profiles at
one place tell of the error at the profile's own support, whatever their few metres of distance: they form a class of their own,
lag 0. Sums run over all pairs and nothing is stored by pair, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.compiled import kernel
from edaphic.errors import ModelError
from edaphic.validate.grouping import EARTH_RADIUS_M

FEWEST_ROWS = 3
MOST_ROWS = 50_000
"""Above this many rows, whole places are drawn at random until so many are reached: the pairs grow with the square."""
ESTIMATORS = ("matheron", "cressie", "dowd")
KEPT_FOR_MEDIAN = 20_000
"""Differences kept of each class for a median; of more pairs, every k-th."""


def empirical_variogram(
    lon: ArrayLike,
    lat: ArrayLike,
    residuals: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    bins: int | Sequence[float] = 15,
    max_distance_m: float | None = None,
    estimator: str = "matheron",
    directions: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Semivariance of residuals by distance, and by direction if asked for.

    Parameters
    ----------
    lon, lat : array_like (n,)
        Degrees.
    residuals : array_like (n,)
        Observed minus predicted, one row per profile: one layer at a time.
    groups : array_like (n,) of int, optional
        Place of each row. Without it, rows with the same coordinates are one place.
    bins : int or increasing sequence of float
        Number of lags, or their edges in metres. A number gives edges at ``max_distance_m * (k / bins)**2``: narrow where the
        curve is steep, wide where it is flat.
    max_distance_m : float, optional
        Longest distance; by default a third of the diagonal of the box around the profiles.
    estimator : {"matheron", "cressie", "dowd"}
        ``mean(d**2) / 2`` (Matheron 1962); ``mean(|d|**0.5)**4 / (0.457 + 0.494 / N + 0.045 / N**2) / 2``, which a few odd
        profiles do not move much (Cressie and Hawkins 1980, Mathematical Geology 12); ``2.198 * median(|d|)**2 / 2``, which they move
        least (Dowd 1984). The last two hold for residuals that are about normal.
    directions : int, optional
        Number of sectors of 180 degrees, the first centred on north; for example 6.
    seed : int
        For the draw of places where there are more than 50,000 rows, and of pairs for a median.

    Returns
    -------
    DataFrame
        ``lag`` (0: same place), ``distance_m`` (mean of the pairs), ``gamma``, ``pairs``, ``direction_deg`` (centre of the sector,
        clockwise from north; NaN for all directions and for lag 0). Classes without pairs are left out. ``attrs["notes"]`` lists
        what was assumed. The order of the rows does not change a bit of it.

    Raises
    ------
    ModelError
        Fewer than three rows, numbers that are not finite, edges that do not increase, an unknown estimator.

    Examples
    --------
    Along the equator, a degree apart, with residuals 0, 1, 3: squared differences 1 and 4 at one degree, 9 at two.

    >>> table = empirical_variogram([0, 1, 2], [0, 0, 0], [0, 1, 3], bins=[0, 150e3, 300e3])
    >>> table[["lag", "gamma", "pairs"]].to_numpy().tolist()
    [[1.0, 1.25, 2.0], [2.0, 4.5, 1.0]]
    >>> [round(km) for km in table["distance_m"] / 1000]
    [111, 222]
    """
    lon, lat, values = (np.asarray(a, dtype=np.float64).ravel() for a in (lon, lat, residuals))
    _check(lon, lat, values, estimator, directions)
    place = _places(lon, lat, groups)
    notes: list[str] = []
    # A fixed order of rows, so that sums do not depend on the order in which they came.
    order = np.lexsort((place, values, lat, lon))
    rows = _thinned(order, place, seed, notes)
    xyz = EARTH_RADIUS_M * unit_vectors(lon[rows], lat[rows])
    edges = _edges(xyz, bins, max_distance_m)
    if len(edges) == 0:
        notes.append("residual variogram: all profiles are at one place; only lag 0 is known")
        edges = np.array([0.0, 1.0])
    sectors = 1 if directions is None else directions
    # Straight lines through the Earth order the pairs as arcs do, and cost less.
    chord = 2 * EARTH_RADIUS_M * np.sin(np.minimum(edges / (2 * EARTH_RADIUS_M), np.pi / 2))
    code = np.unique(place[rows], return_inverse=True)[1].astype(np.int64)
    none = np.zeros(0, dtype=np.int64)
    count, distance, moment = _sums(xyz, values[rows], code, chord, sectors, estimator == "cressie", none, none, 0)[0].T
    moment = moment / np.maximum(count, 1.0)
    if estimator == "dowd":
        moment = _medians(xyz, values[rows], code, chord, sectors, count, seed, notes)
    lags = len(edges) - 1
    gamma = _semivariance(moment, np.maximum(count, 1.0), estimator)
    lag = np.concatenate([[0], np.tile(np.arange(1, lags + 1), sectors)])
    sector = np.concatenate([[np.nan], np.repeat(np.arange(sectors) * 180.0 / sectors, lags)])
    table = pd.DataFrame(
        {
            "lag": lag,
            "distance_m": distance / np.maximum(count, 1.0),
            "gamma": gamma,
            "pairs": count.astype(np.int64),
            "direction_deg": sector if directions is not None else np.nan,
        }
    )
    found: pd.DataFrame = table[count > 0].reset_index(drop=True)
    found.attrs["notes"] = notes
    return found


def unit_vectors(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points on the unit sphere, shape (n, 3).

    >>> unit_vectors(np.array([90.0]), np.array([0.0])).round(12).tolist()
    [[0.0, 1.0, 0.0]]
    """
    lam, phi = np.radians(lon), np.radians(lat)
    return np.column_stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])


def _check(
    lon: NDArray[np.float64], lat: NDArray[np.float64], values: NDArray[np.float64], estimator: str, directions: int | None
) -> None:
    faults = []
    if not len(lon) == len(lat) == len(values):
        faults.append(f"residual variogram: {len(lon)} lon, {len(lat)} lat, {len(values)} residuals; expected as many of each")
    elif len(values) < FEWEST_ROWS:
        faults.append(f"residual variogram: {len(values)} residuals; expected at least {FEWEST_ROWS}")
    for name, array in (("lon", lon), ("lat", lat), ("residuals", values)):
        bad = int(np.sum(~np.isfinite(array)))
        if bad:
            faults.append(f"residual variogram: {bad} of {len(array)} {name} not finite; expected numbers")
    if estimator not in ESTIMATORS:
        faults.append(f"residual variogram: estimator '{estimator}'; expected one of {', '.join(ESTIMATORS)}")
    if directions is not None and directions < 2:
        faults.append(f"residual variogram: {directions} directions; expected at least 2")
    if faults:
        raise ModelError(faults)


def _places(lon: NDArray[np.float64], lat: NDArray[np.float64], groups: ArrayLike | None) -> NDArray[np.int64]:
    if groups is None:
        return np.unique(np.column_stack([lon, lat]), axis=0, return_inverse=True)[1].ravel().astype(np.int64)
    place = np.asarray(groups).ravel()
    if len(place) != len(lon):
        raise ModelError(f"residual variogram: {len(place)} groups for {len(lon)} residuals; expected as many")
    return np.unique(place, return_inverse=True)[1].ravel().astype(np.int64)


def _thinned(order: NDArray[np.intp], place: NDArray[np.int64], seed: int, notes: list[str]) -> NDArray[np.intp]:
    """Rows to use: all, or whole places drawn at random."""
    if len(order) <= MOST_ROWS:
        return order
    first = pd.factorize(place[order])[0]
    size = np.bincount(first)
    drawn = np.random.default_rng(seed).permutation(len(size))
    taken = drawn[np.cumsum(size[drawn]) <= MOST_ROWS]
    kept = order[np.isin(first, taken)]
    notes.append(f"residual variogram: {len(kept)} of {len(order)} residuals used, whole places drawn at random (seed {seed})")
    return kept


def _edges(xyz: NDArray[np.float64], bins: int | Sequence[float], longest: float | None) -> NDArray[np.float64]:
    """Edges of the lags in metres; none where all points are one."""
    if not isinstance(bins, int | np.integer):
        edges = np.asarray(bins, dtype=np.float64)
        if len(edges) < 2 or not np.all(np.isfinite(edges)) or edges[0] < 0 or np.any(np.diff(edges) <= 0):
            raise ModelError("residual variogram: edges of lags; expected at least two distances in metres that increase")
        return edges
    if bins < 1:
        raise ModelError(f"residual variogram: {bins} lags; expected at least 1")
    if longest is not None and not (np.isfinite(longest) and longest > 0):
        raise ModelError(f"residual variogram: longest distance {longest} m; expected a number above 0")
    if longest is None:
        longest = float(np.linalg.norm(xyz.max(axis=0) - xyz.min(axis=0))) / 3
    if longest <= 0:
        return np.zeros(0)
    return np.asarray(longest * (np.arange(bins + 1) / bins) ** 2)


@kernel
def _sector(ax: float, ay: float, az: float, bx: float, by: float, bz: float, sectors: int) -> int:
    """Sector of the bearing from a to b, taken at their middle, where their difference is level: both lie on the sphere."""
    mx, my, mz = ax + bx, ay + by, az + bz
    dx, dy, dz = bx - ax, by - ay, bz - az
    flat2 = mx * mx + my * my
    east = mx * dy - my * dx
    north = (flat2 * dz - mz * (mx * dx + my * dy)) / max(np.sqrt(flat2 + mz * mz), 1e-300)
    return int(np.floor(np.arctan2(east, north) / np.pi * sectors + 0.5)) % sectors


@kernel
def _first_lags(edges2: NDArray) -> NDArray:
    """For each of 1024 even steps of squared distance, the first lag that a pair in it can have."""
    out = np.zeros(1025, dtype=np.int64)
    lags = len(edges2) - 1
    for cell in range(1025):
        k = 0
        while k < lags - 1 and edges2[k + 1] < (cell - 1) / 1024 * edges2[lags]:
            k += 1
        out[cell] = k
    return out


@kernel
def _sums(
    xyz: NDArray, values: NDArray, place: NDArray, chord: NDArray, sectors: int, root: bool, step: NDArray, start: NDArray, size: int
) -> tuple[NDArray, NDArray]:
    """Visit all pairs.

    By class (0: same place; 1 + sector * lags + lag): number of pairs, sum of distances, sum of squared differences or of roots
    of absolute ones. With ``size`` above 0, also the absolute differences of every ``step``-th pair of each class, from ``start`` on.
    """
    n, lags = len(values), len(chord) - 1
    edges2 = chord * chord
    longest2, shortest2 = edges2[lags], edges2[0]
    first = _first_lags(edges2)
    scale = 1024 / longest2
    out = np.zeros((1 + sectors * lags, 3))
    kept = np.empty(size)
    seen = np.zeros(1 + sectors * lags, dtype=np.int64)
    for i in range(n):
        x, y, z, v, p = xyz[i, 0], xyz[i, 1], xyz[i, 2], values[i], place[i]
        for j in range(i):
            dx, dy, dz = x - xyz[j, 0], y - xyz[j, 1], z - xyz[j, 2]
            c2 = dx * dx + dy * dy + dz * dz
            k = 0
            if p != place[j]:
                if c2 > longest2 or c2 < shortest2:
                    continue
                k = first[int(c2 * scale)]
                while c2 > edges2[k + 1]:
                    k += 1
                k += 1
                if sectors > 1:
                    k += lags * _sector(xyz[j, 0], xyz[j, 1], xyz[j, 2], x, y, z, sectors)
            difference = abs(v - values[j])
            if size > 0:
                if seen[k] % step[k] == 0:
                    kept[start[k] + seen[k] // step[k]] = difference
                seen[k] += 1
                continue
            c = np.sqrt(c2)
            t = c2 / (4 * EARTH_RADIUS_M * EARTH_RADIUS_M)
            if t < 0.005:  # arcsine by its series, good to 1e-11 here and many times faster
                c *= 1 + t * (1 / 6 + t * (3 / 40 + t * (15 / 336 + t * 105 / 3456)))
            else:
                c = 2 * EARTH_RADIUS_M * np.arcsin(min(1.0, np.sqrt(t)))
            out[k, 0] += 1
            out[k, 1] += c
            out[k, 2] += np.sqrt(difference) if root else difference * difference
    return out, kept


def _medians(
    xyz: NDArray[np.float64],
    values: NDArray[np.float64],
    place: NDArray[np.int64],
    chord: NDArray[np.float64],
    sectors: int,
    count: NDArray[np.float64],
    seed: int,
    notes: list[str],
) -> NDArray[np.float64]:
    """Median of the absolute differences of each class; 0 without pairs."""
    pairs = count.astype(np.int64)
    step = np.maximum(1, -(-pairs // KEPT_FOR_MEDIAN))
    kept = -(-pairs // step)
    start = np.concatenate([[0], np.cumsum(kept)])
    mixed = np.random.default_rng(seed).permutation(len(values))
    found = _sums(xyz[mixed], values[mixed], place[mixed], chord, sectors, False, step, start, int(start[-1]))[1]
    if np.any(step > 1):
        notes.append(f"residual variogram: medians of at most {KEPT_FOR_MEDIAN} pairs of a lag, every k-th pair (seed {seed})")
    return np.array([np.median(found[a:b]) if b > a else 0.0 for a, b in pairwise(start)])


def _semivariance(moment: NDArray[np.float64], n: NDArray[np.float64], estimator: str) -> NDArray[np.float64]:
    if estimator == "cressie":
        return np.asarray(moment**4 / (0.457 + 0.494 / n + 0.045 / n**2) / 2)
    return np.asarray(2.198 * moment**2 / 2 if estimator == "dowd" else moment / 2)
