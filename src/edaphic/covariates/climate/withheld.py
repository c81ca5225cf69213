"""Stations that the spline has not seen: folds by chance and by blocks, and what plain methods make of the same folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from edaphic.covariates.climate.basis import Basis
from edaphic.covariates.climate.factor import THREADS, freedom, singular_terms, spread_out
from edaphic.covariates.climate.smoothing import Criterion, TooFree
from edaphic.covariates.climate.spline import fit

Floats = NDArray[np.float64]
Folds = NDArray[np.int64]

SEED = 20


def random_folds(n: int, folds: int, seed: int = SEED) -> Folds:
    """A fold for each station, by chance; sizes differ by one at most.

    >>> np.bincount(random_folds(7, 3)).tolist()
    [3, 2, 2]
    """
    order = np.random.default_rng(seed).permutation(n)
    fold = np.empty(n, dtype=np.int64)
    fold[order] = np.arange(n) % folds
    return fold


def block_folds(places: ArrayLike, folds: int) -> Folds:
    """A fold for each station, of stations near each other: the longer side of the stations' extent is cut again and again.

    Parameters
    ----------
    places : array_like, shape (n, 2)
        In a plane, such as km.
    folds : int

    Examples
    --------
    >>> block_folds([[0, 0], [9, 0], [1, 0], [8, 0], [0, 1]], 2).tolist()
    [0, 1, 0, 1, 0]
    """
    table = np.asarray(places, dtype=np.float64)
    fold = np.zeros(len(table), dtype=np.int64)
    _cut(table, np.arange(len(table)), min(folds, len(table)), 0, fold)
    return fold


def _cut(places: Floats, which: NDArray[np.int64], parts: int, first: int, fold: Folds) -> None:
    if parts < 2:
        fold[which] = first
        return
    axis = int(np.argmax(np.ptp(places[which], axis=0)))
    ordered = which[np.lexsort((which, places[which, 1 - axis], places[which, axis]))]
    below = parts // 2
    cut = max(1, min(len(ordered) - 1, -(-len(ordered) * (parts - below) // parts)))
    _cut(places, ordered[:cut], parts - below, first, fold)
    _cut(places, ordered[cut:], below, first + parts - below, fold)


def predict_withheld(
    basis: Basis,
    points: Floats,
    values: Floats,
    fold: Folds,
    smoothing: Criterion | float,
    weights: Floats | None = None,
    back: Callable[[Floats, Floats, list[int]], Floats] | None = None,
    threads: int = THREADS,
) -> Floats:
    """Prediction of every station by splines that have not seen its fold; the smoothing is chosen anew for each.

    Parameters
    ----------
    basis : Basis
    points : float array of shape (n, d + q)
    values : float array of shape (n, fields)
    fold : int array of shape (n,)
    smoothing, weights
        As in :func:`edaphic.covariates.climate.spline.fit`.
    back : callable, optional
        From predictions, the spread of the leave-one-out errors of the splines that made them, and the numbers of the fields, to the scale
        of the values.
    threads : int
        Folds at a time.

    Returns
    -------
    float array of shape (n, fields)
        NaN where there is no value, or where the other folds do not carry a spline, or not with the degrees of freedom asked for.
    """
    out = np.full(values.shape, np.nan)
    scaled = basis.scaled(points)

    def withhold(which: int) -> None:
        inside = fold == which
        seen = np.where(inside[:, None], np.nan, values)
        able = [f for f in range(values.shape[1]) if _carries(basis, scaled[np.isfinite(seen[:, f])], smoothing)]
        if able:
            try:
                splines = fit(basis, points, seen[:, able], smoothing, None if weights is None else weights[:, able], threads=1)
            except TooFree:  # places so near each other that they count as one
                return
            predicted = splines.predict(points[inside], threads=1)
            out[np.ix_(inside, np.array(able))] = predicted if back is None else back(predicted, splines.spread, able)

    for _ in spread_out(withhold, np.unique(fold).tolist(), threads):
        pass
    out[~np.isfinite(values)] = np.nan
    return out


def _carries(basis: Basis, scaled: Floats, smoothing: Criterion | float) -> bool:
    if len(scaled) <= basis.terms + 1 or singular_terms(basis, scaled):
        return False
    return isinstance(smoothing, str) or smoothing < freedom(basis, scaled)


@dataclass(frozen=True)
class Score:
    """Errors of predictions: predicted less observed."""

    n: int
    rmse: float
    bias: float


def score(observed: Floats, predicted: Floats) -> Score:
    """Errors where both are known.

    >>> score(np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, np.nan]))
    Score(n=2, rmse=0.7071067811865476, bias=0.5)
    """
    both = np.isfinite(observed) & np.isfinite(predicted)
    errors = predicted[both] - observed[both]
    if not len(errors):
        return Score(0, float("nan"), float("nan"))
    return Score(len(errors), float(np.sqrt(np.mean(errors**2))), float(np.mean(errors)))


def nearest_withheld(places: Floats, values: Floats, fold: Folds) -> Floats:
    """The value of the nearest station of another fold: shape (n, fields)."""
    out = np.full(values.shape, np.nan)
    for field in range(values.shape[1]):
        have = np.isfinite(values[:, field])
        for which in np.unique(fold):
            seen, asked = have & (fold != which), have & (fold == which)
            if seen.any() and asked.any():
                _, near = cKDTree(places[seen]).query(places[asked])
                out[asked, field] = values[seen, field][near]
    return out


def regression_withheld(elevation: Floats, values: Floats, fold: Folds) -> Floats:
    """The line of the values on elevation through the stations of the other folds: shape (n, fields)."""
    out = np.full(values.shape, np.nan)
    known = np.isfinite(elevation)
    for field in range(values.shape[1]):
        have = np.isfinite(values[:, field]) & known
        for which in np.unique(fold):
            seen, asked = have & (fold != which), have & (fold == which)
            if seen.sum() > 2 and np.ptp(elevation[seen]) > 0:
                middle = elevation[seen].mean()
                slope, height = np.polyfit(elevation[seen] - middle, values[seen, field], 1)
                out[asked, field] = height + slope * (elevation[asked] - middle)
    return out
