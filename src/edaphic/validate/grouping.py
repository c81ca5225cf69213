"""What all designs stand on: places, coordinates in metres, groups spread evenly over folds, and the base of the splitters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Transformer
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from edaphic.compiled import kernel
from edaphic.errors import ModelError

EARTH_RADIUS_M = 6_371_008.8
# Cells a little wider than half the distance: points of one cell are always near enough, and near cells are at most two apart.
_CELLS_PER_DISTANCE = 1.9

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Split = tuple[Ints, Ints]


def on_sphere(lon: ArrayLike, lat: ArrayLike, what: str = "rows") -> Floats:
    """Points on a sphere of the Earth's mean radius, from its centre, metres.

    Parameters
    ----------
    lon, lat : array_like (n,)
        Degrees.
    what : str
        What the points are, for the message.

    Returns
    -------
    float64 (n, 3)

    Raises
    ------
    ModelError
        A coordinate is missing, not finite, or not in degrees.
    """
    try:
        east, north = np.asarray(lon, dtype=float).ravel(), np.asarray(lat, dtype=float).ravel()
    except (TypeError, ValueError) as fault:
        raise ModelError(f"evidence: lon or lat of {what} are no numbers ({fault}); expected degrees") from fault
    if len(east) != len(north):
        raise ModelError(f"evidence: {len(east)} lon and {len(north)} lat of {what}; expected one of each")
    degrees = np.column_stack([east, north])
    bad = int((~np.isfinite(degrees).all(axis=1)).sum())
    if bad:
        raise ModelError(f"evidence: {bad} of {len(degrees)} {what} have no lon or lat; expected the coordinates of each")
    for column, name, most in ((1, "lat", 90), (0, "lon", 360)):
        beyond = int((np.abs(degrees[:, column]) > most).sum())
        if beyond:
            raise ModelError(f"evidence: {beyond} of {len(degrees)} {what} have a {name} beyond {most}; expected degrees, lon before lat")
    lam, phi = np.radians(degrees).T
    return np.asarray(EARTH_RADIUS_M * np.column_stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)]))


def places(lon: ArrayLike, lat: ArrayLike, within_m: float) -> Ints:
    """Number the places: profiles closer than ``within_m`` to one another, directly or by steps, share one.

    Memory grows with the number of profiles, not of near pairs: points of one small cell are one place from the start, and
    only pairs of cells are looked at.

    Parameters
    ----------
    lon, lat : array_like (n,)
        Degrees.
    within_m : float
        Distance in metres (chord).

    Returns
    -------
    int64 (n,)
        Numbers from 0 in order of first appearance.

    Raises
    ------
    ModelError
        A coordinate is missing or not finite; a distance that is negative or no number.

    Examples
    --------
    >>> places([0.0, 10.0, 0.0005], [0.0, 0.0, 0.0], 100.0)
    array([0, 1, 0])
    """
    if not within_m >= 0:
        raise ModelError(f"evidence: places of profiles within {within_m:g} m; expected a distance of zero or more")
    xyz = on_sphere(lon, lat)
    # Many profiles may share rounded coordinates: they are one point.
    points, which = np.unique(xyz, axis=0, return_inverse=True)
    if within_m > 0 and len(points) > 1:
        which = _joined(points, within_m)[which.ravel()]
    return np.asarray(pd.factorize(which.ravel())[0], dtype=np.int64)


def _joined(points: Floats, within_m: float) -> Ints:
    """Component of each point in the graph of points not farther than ``within_m`` from one another."""
    cells, cell = np.unique(np.floor(points * (_CELLS_PER_DISTANCE / within_m)), axis=0, return_inverse=True)
    cell = cell.ravel()
    order = np.argsort(cell, kind="stable")
    start = np.searchsorted(cell[order], np.arange(len(cells) + 1))
    pairs = cKDTree(cells).query_pairs(2.5, p=np.inf, output_type="ndarray")
    pairs = pairs[_near(points[order], start, pairs, within_m * within_m)]
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(cells), len(cells)))
    return np.asarray(connected_components(graph, directed=False)[1][cell], dtype=np.int64)


@kernel
def _near(points: Floats, start: Ints, pairs: Ints, within2: float) -> NDArray[np.bool_]:
    """Whether two cells hold a pair of points that is near enough."""
    out = np.zeros(len(pairs), dtype=np.bool_)
    for k in range(len(pairs)):
        a, b = pairs[k]
        for i in range(start[a], start[a + 1]):
            for j in range(start[b], start[b + 1]):
                d0, d1, d2 = points[i, 0] - points[j, 0], points[i, 1] - points[j, 1], points[i, 2] - points[j, 2]
                if d0 * d0 + d1 * d1 + d2 * d2 <= within2:
                    out[k] = True
                    break
            if out[k]:
                break
    return out


def metres(X: pd.DataFrame) -> tuple[Floats, Floats]:
    """Easting and northing of rows in an equal-area projection centred on them, metres, each of shape (n,)."""
    centre = on_sphere(X["lon"], X["lat"]).mean(axis=0)
    lon, lat = X["lon"].to_numpy(dtype=float), X["lat"].to_numpy(dtype=float)
    middle = [float(np.median(lon)), float(np.median(lat))]
    if np.ptp(lon) > 180.0:  # The median of 179 and -179 degrees would lie on the other side of the Earth.
        middle = [math.degrees(math.atan2(centre[1], centre[0])), math.degrees(math.atan2(centre[2], math.hypot(centre[0], centre[1])))]
    local = CRS.from_dict({"proj": "laea", "lon_0": middle[0], "lat_0": middle[1], "datum": "WGS84"})
    x, y = Transformer.from_crs("EPSG:4326", local, always_xy=True).transform(lon, lat)
    return np.asarray(x, dtype=float), np.asarray(y, dtype=float)


def place_points(X: pd.DataFrame, groups: Ints) -> tuple[Floats, Ints]:
    """One point for each place, on the sphere, metres: the mean of its distinct sites; and the number of each row's place.

    Returns
    -------
    float64 (places, 3), int64 (n,)
        Places are numbered in order of first appearance.
    """
    code = np.asarray(pd.factorize(np.asarray(groups))[0], dtype=np.int64)
    xyz = on_sphere(X["lon"], X["lat"])
    # A site with many layers must not pull the place towards itself.
    sites = pd.DataFrame({"place": code, "x": xyz[:, 0], "y": xyz[:, 1], "z": xyz[:, 2]}).drop_duplicates()
    points = sites.groupby("place", sort=True)[["x", "y", "z"]].mean().to_numpy()
    return np.asarray(points * (EARTH_RADIUS_M / np.sqrt((points * points).sum(axis=1, keepdims=True)))), code


def spread_over_folds(size: Ints, folds: int, seed: int) -> Ints:
    """Give each group a fold, at random but of even size.

    Groups are taken in random order, the large first, and each goes to the fold that is emptiest.

    Parameters
    ----------
    size : int (groups,)
        Rows in each group.
    folds : int
    seed : int

    Returns
    -------
    int64 (groups,)

    Raises
    ------
    ModelError
        Fewer groups than folds.
    """
    enough(len(size), folds)
    shuffled = np.random.default_rng(seed).permutation(len(size))
    order = shuffled[np.argsort(-size[shuffled], kind="stable")]
    return _emptiest_first(np.asarray(size, dtype=np.int64), order.astype(np.int64), folds)


@kernel
def _emptiest_first(size: Ints, order: Ints, folds: int) -> Ints:
    filled = np.zeros(folds, dtype=np.int64)
    out = np.empty(len(size), dtype=np.int64)
    for group in order:
        fold = np.argmin(filled)
        out[group] = fold
        filled[fold] += size[group]
    return out


def enough(groups: int, folds: int, what: str = "groups") -> None:
    """Raise a ModelError where there are fewer groups than folds."""
    if groups < folds:
        raise ModelError(f"evidence: {groups} {what} of profiles for {folds} folds; expected at least as many {what}")


def need(groups: ArrayLike | None) -> Ints:
    """The places, or a ValueError where a caller forgot them."""
    if groups is None:
        raise ValueError("groups: None; expected the place of each row")
    return np.asarray(groups)


def pairs_of(fold: Ints, folds: int) -> Iterator[Split]:
    """Training rows and held-back rows of each fold."""
    for k in range(folds):
        yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)


def profiles_of(X: pd.DataFrame, groups: ArrayLike | None) -> Ints:
    """Number of each row's profile: by ``profile_id`` where there is one, else by place, else each row by itself."""
    if "profile_id" in X:
        return np.asarray(pd.factorize(X["profile_id"])[0], dtype=np.int64)
    return np.arange(len(X)) if groups is None else np.asarray(pd.factorize(np.asarray(groups))[0], dtype=np.int64)


def split_profiles(profile: Ints, fold: Ints) -> tuple[int, int]:
    """Profiles that have rows in more than one fold, and profiles in all."""
    pairs = np.unique(np.column_stack([profile, fold]), axis=0)
    count = np.bincount(pairs[:, 0])
    return int((count > 1).sum()), int((count > 0).sum())


def both_sides_note(X: pd.DataFrame, groups: ArrayLike | None, fold: Ints, name: str) -> list[str]:
    """What must be said where rows, not profiles, are drawn; nothing where no profile is on both sides."""
    split, all_of_them = split_profiles(profiles_of(X, groups), fold)
    if not split:
        return []
    return [
        f"{name}: {split} of {all_of_them} profiles are on both sides of a split, in training and in test at once; "
        "the score tells how well known profiles are filled in, not how good the map is"
    ]


@dataclass(frozen=True)
class Folds:
    """A partition of the rows into ``n_splits`` folds, each held back once."""

    n_splits: int
    seed: int

    def __post_init__(self) -> None:
        if self.n_splits < 2:
            raise ModelError(f"evidence: {self.n_splits} folds; expected at least two")

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of folds."""
        return self.n_splits

    def fold_of(self, X: pd.DataFrame, groups: Ints) -> Ints:
        """Fold of each row, shape (n,)."""
        raise NotImplementedError

    def split(self, X: pd.DataFrame, y: Any = None, groups: Ints | None = None) -> Iterator[Split]:
        """Pairs of training rows and held-back rows."""
        return pairs_of(self.fold_of(X, need(groups)), self.n_splits)

    def notes(self, X: pd.DataFrame, groups: Ints) -> list[str]:
        """What must be said about the folds of these rows."""
        return []
