"""Ways to hold profiles back: by profile, and by spatial block.

Each design is a scikit-learn splitter: ``split(X, y, groups)``, where X is a table with ``lon`` and ``lat``, one row per
profile or per layer, and groups are the places (:func:`places`). Rows of one place are never on both sides.
"""

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
from scipy.spatial import ConvexHull, QhullError, cKDTree

from edaphic.errors import ModelError

EARTH_RADIUS_M = 6_371_008.8


def places(lon: ArrayLike, lat: ArrayLike, within_m: float) -> NDArray[np.int64]:
    """Number the places: profiles closer than ``within_m`` to one another, directly or by steps, share one.

    Parameters
    ----------
    lon, lat : array_like (n,)
        Degrees.
    within_m : float
        Distance in metres.

    Returns
    -------
    int64 (n,)
        Numbers from 0 in order of first appearance.

    Examples
    --------
    >>> places([0.0, 10.0, 0.0005], [0.0, 0.0, 0.0], 100.0)
    array([0, 1, 0])
    """
    lam, phi = np.radians(np.asarray(lon, dtype=float)), np.radians(np.asarray(lat, dtype=float))
    xyz = EARTH_RADIUS_M * np.column_stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    # Many profiles may share rounded coordinates: as one point they make no pairs.
    points, which = np.unique(xyz, axis=0, return_inverse=True)
    pairs = cKDTree(points).query_pairs(within_m, output_type="ndarray")
    n = len(points)
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    label = connected_components(graph, directed=False)[1][which.ravel()]
    return np.asarray(pd.factorize(label)[0], dtype=np.int64)


def spread_over_folds(size: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
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
    if len(size) < folds:
        raise ModelError(f"evidence: {len(size)} groups of profiles for {folds} folds; expected at least as many groups")
    shuffled = np.random.default_rng(seed).permutation(len(size))
    order = shuffled[np.argsort(-size[shuffled], kind="stable")]
    filled = np.zeros(folds, dtype=np.int64)
    out = np.empty(len(size), dtype=np.int64)
    for group in order:
        fold = int(np.argmin(filled))
        out[group] = fold
        filled[fold] += size[group]
    return out


@dataclass(frozen=True)
class ProfileFolds:
    """Folds by profile: all layers of a profile, and all profiles at one place, are held back together.

    Answers: how good is the map at a new profile drawn like the old ones?
    """

    n_splits: int
    seed: int

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of folds."""
        return self.n_splits

    def fold_of(self, X: pd.DataFrame, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """Fold of each row, shape (n,)."""
        code = pd.factorize(groups)[0]
        return spread_over_folds(np.bincount(code), self.n_splits, self.seed)[code]

    def split(
        self, X: pd.DataFrame, y: Any = None, groups: NDArray[np.int64] | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Pairs of training rows and held-back rows."""
        return _pairs(self.fold_of(X, _need(groups)), self.n_splits)


@dataclass(frozen=True)
class BlockFolds:
    """Folds by spatial block: all profiles in a square of ``block_m`` are held back together.

    Answers: how good is the map where no profile is near? Squares lie in an equal-area projection centred on the profiles; a
    place that straddles an edge belongs to the block of its centre.
    """

    n_splits: int
    seed: int
    block_m: float

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of folds."""
        return self.n_splits

    def blocks(self, X: pd.DataFrame, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """Block of each row, numbered in order of first appearance, shape (n,)."""
        x, y = _metres(X)
        centre = pd.DataFrame({"x": x, "y": y}).groupby(np.asarray(groups)).transform("mean")
        cell = np.floor(centre.to_numpy() / self.block_m).astype(np.int64)
        return pd.factorize(pd.MultiIndex.from_arrays([cell[:, 0], cell[:, 1]]))[0].astype(np.int64)

    def fold_of(self, X: pd.DataFrame, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """Fold of each row, shape (n,)."""
        block = self.blocks(X, groups)
        return spread_over_folds(np.bincount(block), self.n_splits, self.seed)[block]

    def split(
        self, X: pd.DataFrame, y: Any = None, groups: NDArray[np.int64] | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Pairs of training rows and held-back rows."""
        return _pairs(self.fold_of(X, _need(groups)), self.n_splits)


def block_side_m(X: pd.DataFrame, folds: int) -> float:
    """Side of blocks that puts about ten of them into each fold, to two digits.

    The area is that of the convex hull of the profiles.

    Parameters
    ----------
    X : DataFrame
        ``lon``, ``lat``.
    folds : int
    """
    x, y = _metres(X)
    try:
        area = ConvexHull(np.column_stack([x, y])).volume
    except QhullError as fault:
        raise ModelError("evidence: the profiles lie on one line or at one place; expected them to span an area") from fault
    side = math.sqrt(area / (10 * folds))
    digits = 1 - math.floor(math.log10(side))
    return float(round(side, digits))


def _metres(X: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lon, lat = X["lon"].to_numpy(dtype=float), X["lat"].to_numpy(dtype=float)
    local = CRS.from_dict({"proj": "laea", "lon_0": float(np.median(lon)), "lat_0": float(np.median(lat)), "datum": "WGS84"})
    x, y = Transformer.from_crs("EPSG:4326", local, always_xy=True).transform(lon, lat)
    return np.asarray(x), np.asarray(y)


def _need(groups: NDArray[np.int64] | None) -> NDArray[np.int64]:
    if groups is None:
        raise ValueError("groups: None; expected the place of each row")
    return np.asarray(groups)


def _pairs(fold: NDArray[np.int64], folds: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    for k in range(folds):
        yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)
