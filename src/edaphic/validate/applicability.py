"""Where a model may be applied: dissimilarity index, area of applicability, local point density.

A forest cannot say anything about conditions that no sample showed it. The dissimilarity index (DI) of a cell is its
distance to the nearest training sample in the space of the predictors, in units of the mean distance between training
samples (Meyer and Pebesma 2021, Methods in Ecology and Evolution 12, 1620-1633). A cell is inside the area of
applicability where its DI is not above a threshold that the training samples themselves set, each looked at from
the other folds: errors of cross-validation are known up to that dissimilarity, not beyond. The local point density
(Schumacher et al. 2025, Geoscientific Model Development) counts the training samples within that distance.

Numbers do not depend on threads or on how a map is cut into tiles (``applicability_search``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import ModelError
from edaphic.model.screening import is_constant
from edaphic.validate.applicability_search import Array, Change, Groups, Rows, among, arrange, largest_square, search

UNFOLDED = "applicability: no folds given; the threshold is that of samples beside their neighbours and leaves most of a map outside"

_UNNAMED = "column {}"


@dataclass(frozen=True, eq=False)
class Applicability:
    """What the training samples say about where a model may be applied.

    ``names`` (q,): all predictors; ``columns`` (k,): those that count; ``centre``, ``scale``, ``weights`` (k,): of these.
    ``points`` (n, k): training samples, centred, scaled and weighted.
    ``mean_distance``: mean over samples of the mean distance to all others; ``threshold``: highest DI inside.
    ``train_di`` (n,): DI of each sample seen from the folds it is not in, NaN if never held back.
    ``train_density`` (n,): samples of those folds within the threshold.
    ``notes``: what was assumed or dropped.
    """

    names: tuple[str, ...]
    columns: Rows
    centre: Array
    scale: Array
    weights: Array
    points: Array
    mean_distance: float
    threshold: float
    train_di: Array
    train_density: Array
    notes: tuple[str, ...] = ()

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays, for ``numpy.savez``."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Applicability:
        """The inverse of :meth:`to_arrays`."""
        told: dict[str, Any] = {field.name: np.asarray(arrays[field.name]) for field in fields(cls)}
        for name in ("mean_distance", "threshold"):
            told[name] = float(told[name])
        for name in ("names", "notes"):
            told[name] = tuple(str(text) for text in told[name])
        return cls(**told)

    @cached_property
    def groups(self) -> Groups:
        """Training samples arranged for the search."""
        return arrange(self.points)

    @cached_property
    def limit(self) -> float:
        """Largest squared distance inside: the test on squares gives exactly the answer of the test on the DI."""
        return largest_square(self.threshold, self.mean_distance)


def fit_applicability(
    train: ArrayLike,
    weights: ArrayLike | None = None,
    fold: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    *,
    splits: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]] | None = None,
    workers: int = 2,
) -> Applicability:
    """Learn scale, mean distance and threshold from the training samples.

    Predictors are centred and scaled by mean and standard deviation (n - 1) of the samples and multiplied by the weights. The DI of a
    training sample is its distance to the nearest sample of another fold over the mean distance. The threshold is
    ``min(Q75 + 1.5 IQR, max)`` of these (quantiles of type 7).

    Parameters
    ----------
    train : array_like (n, q)
        Encoded predictors of the training samples; finite.
    weights : array_like (q,), optional
        Importance of each predictor; negative ones count as 0. None: all alike.
    fold : array_like of int (n,), optional
        Fold in which each sample is held back. -1: never; such a sample has no DI of its own but is a neighbour of all others.
        None, and no ``splits``: each sample beside all others, with a note.
    names : sequence of str (q,), optional
        Without them those of the columns, where ``train`` is a table. Tables of cells must then have the same, in the same order.
    splits : sequence of (training rows, held-back rows), optional
        Folds that are no partition (repeated, leave-time-out), instead of ``fold``. A sample held back more than once has the
        mean of its DI.
    workers : int
        Threads.

    Returns
    -------
    Applicability

    Raises
    ------
    ModelError
        Fewer than two samples, no number where one is needed, all samples equal, fewer than two folds, lengths that do not agree.

    Examples
    --------
    Three samples on a line, one unit of scale apart; the mean distance is (1.5 + 1 + 1.5) / 3.

    >>> found = fit_applicability([[1.0], [2.0], [3.0]], fold=[0, 1, 1])
    >>> round(found.mean_distance, 6), found.train_di.tolist(), found.threshold
    (1.333333, [0.75, 0.75, 1.5], 1.5)
    >>> dissimilarity(found, [[2.0], [2.5], [7.0]]).tolist()
    [0.0, 0.375, 3.0]
    """
    values, named = _training(train, names)
    weight = _weights(weights, len(named))
    if fold is not None and splits is not None:
        raise ModelError("applicability: both fold and splits given; expected one of them")
    columns, weight, notes = _that_count(values, weight, named)
    used = values[:, columns]
    centre = used.mean(axis=0)
    scale = _deviation(used - centre)
    points = (used - centre) / scale * weight
    if fold is None and splits is None:
        notes.append(UNFOLDED)
    label = _labels(fold, len(values))
    tests = [] if splits is None else _rows_of(splits, len(values))
    row_mean, nearest, _ = among(points, label, workers)
    mean_distance = float(row_mean.mean())
    # Squares of what is smaller or larger would lose their digits.
    if not 1e-100 < mean_distance < 1e100:
        raise ModelError(f"applicability: mean distance between samples of {mean_distance:g}; expected weights of ordinary size")
    train_di = _over_tests(points, tests, mean_distance, None, workers) if tests else np.sqrt(nearest) / mean_distance
    threshold = _threshold(train_di)
    limit = largest_square(threshold, mean_distance)
    density = _over_tests(points, tests, mean_distance, limit, workers) if tests else among(points, label, workers, limit)[2]
    if threshold == 0:
        notes.append("applicability: the threshold is 0, as samples of different folds are equal; only cells equal to a sample are inside")
    return Applicability(named, columns, centre, scale, weight, points, mean_distance, threshold, train_di, density, tuple(notes))


def dissimilarity(app: Applicability, cells: ArrayLike, workers: int = 2) -> Array:
    """Dissimilarity index of cells: distance to the nearest training sample over the mean distance between samples.

    Parameters
    ----------
    app : Applicability
    cells : array_like (m, q)
        Same predictors in the same order as in training; float32 is used as it is.
    workers : int
        Threads.

    Returns
    -------
    float64 (m,)
        No unit. NaN where a predictor is NaN or infinite.

    Raises
    ------
    ModelError
        Wrong number of columns.
    """
    return _measure(app, cells, workers, counting=False)[0]


def local_density(app: Applicability, cells: ArrayLike, workers: int = 2) -> Rows:
    """Local point density: training samples not farther than the threshold.

    A cell is inside the area of applicability if and only if this is 1 or more.

    Parameters
    ----------
    app, cells, workers
        As for :func:`dissimilarity`.

    Returns
    -------
    int64 (m,)
        -1 where a predictor is NaN or infinite.

    Examples
    --------
    >>> found = fit_applicability([[1.0], [2.0], [3.0]], fold=[0, 1, 1])
    >>> local_density(found, [[2.0], [4.5], [7.0]]).tolist()
    [3, 1, 0]
    """
    return _measure(app, cells, workers, counting=True)[1]


def dissimilarity_and_density(app: Applicability, cells: ArrayLike, workers: int = 2) -> tuple[Array, Rows]:
    """Both :func:`dissimilarity` and :func:`local_density`, in one pass."""
    return _measure(app, cells, workers, counting=True)


def is_inside(app: Applicability, di: ArrayLike) -> NDArray[np.bool_]:
    """Whether cells of this DI are inside the area of applicability; NaN is not.

    Examples
    --------
    >>> found = fit_applicability([[1.0], [2.0], [3.0]], fold=[0, 1, 1])
    >>> is_inside(found, [1.5, 1.51, float("nan")]).tolist()
    [True, False, False]
    """
    return np.asarray(np.asarray(di, dtype=np.float64) <= app.threshold)


def _measure(app: Applicability, cells: ArrayLike, workers: int, *, counting: bool) -> tuple[Array, Rows]:
    values = _numbers(cells, "cells")
    if values.shape[1] != len(app.names):
        raise ModelError(f"applicability: cells with {values.shape[1]} columns; expected {len(app.names)}: {', '.join(app.names)}")
    if isinstance(cells, pd.DataFrame) and app.names[0] != _UNNAMED.format(0) and [str(c) for c in cells.columns] != list(app.names):
        raise ModelError(f"applicability: cells with columns {', '.join(map(str, cells.columns))}; expected {', '.join(app.names)}")
    change = Change(app.columns, app.centre, app.scale, app.weights)
    square, number = search(app.groups, values, workers, app.limit if counting else None, change)
    return np.sqrt(square) / app.mean_distance, number


# --- what the samples must be ----------------------------------------------------------------------------------------


def _numbers(values: ArrayLike, what: str) -> NDArray[Any]:
    """Two-dimensional array of floats; float32 stays as it is."""
    try:
        out = np.asarray(values)
        out = out if out.dtype in (np.float32, np.float64) else out.astype(np.float64)
    except (TypeError, ValueError) as fault:
        raise ModelError(f"applicability: {what}: not all are numbers; expected encoded predictors") from fault
    if out.ndim != 2:
        raise ModelError(f"applicability: {what}: {out.ndim} dimensions; expected rows and columns")
    return out


def _training(train: ArrayLike, names: Sequence[str] | None) -> tuple[Array, tuple[str, ...]]:
    values = np.ascontiguousarray(_numbers(train, "training samples"), dtype=np.float64)
    n, q = values.shape
    names = list(train.columns) if names is None and isinstance(train, pd.DataFrame) else names
    named = tuple(_UNNAMED.format(k) for k in range(q)) if names is None else tuple(str(name) for name in names)
    if len(named) != q:
        raise ModelError(f"applicability: {len(named)} names; expected {q}, one for each predictor")
    faults = [] if n >= 2 else [f"applicability: {n} training samples; expected at least 2"]
    for name, bad in zip(named, (~np.isfinite(values)).sum(axis=0), strict=True):
        if bad:
            faults.append(f"applicability: predictor {name}: {bad} of {n} training samples are NaN or infinite; expected numbers")
    if faults:
        raise ModelError(faults)
    return values, named


def _weights(weights: ArrayLike | None, q: int) -> Array | None:
    if weights is None:
        return None
    weight = np.asarray(weights, dtype=np.float64)
    if weight.shape != (q,):
        raise ModelError(f"applicability: weights of shape {weight.shape}; expected {q}, one for each predictor")
    if not np.isfinite(weight).all():
        raise ModelError(f"applicability: {int((~np.isfinite(weight)).sum())} weights are NaN or infinite; expected importances")
    return weight


def _that_count(values: Array, weight: Array | None, named: tuple[str, ...]) -> tuple[Rows, Array, list[str]]:
    """Columns that vary and weigh something, their weights, and what was dropped."""
    notes: list[str] = []

    def tell(which: NDArray[np.bool_], what: str) -> None:
        if which.any():
            notes.append(f"applicability: {what}: {', '.join(np.asarray(named)[which])}")

    # Rounding alone, brought to the scale of the others, would decide what is near.
    varies = ~is_constant(values)
    if not varies.any():
        raise ModelError(f"applicability: all {len(values)} training samples are equal; expected predictors that vary")
    tell(~varies, "constant in training, not used")
    given = np.ones(len(named)) if weight is None else weight
    tell(varies & (given < 0), "negative importance counted as 0")
    given = np.maximum(given, 0.0)
    if not given[varies].any():
        notes.append("applicability: no predictor that varies has a weight above 0; all weigh alike")
        given = np.ones(len(named))
    tell(varies & (given == 0), "importance 0, not used")
    columns = np.flatnonzero(varies & (given > 0))
    return columns, given[columns], notes


def _deviation(centred: Array) -> Array:
    """Standard deviation (n - 1) by column; scaled first, so that squares of the very small and large stay numbers."""
    largest = np.abs(centred).max(axis=0)
    deviation = largest * np.sqrt(((centred / largest) ** 2).sum(axis=0) / (len(centred) - 1))
    if not (np.isfinite(deviation) & (deviation > 0)).all():
        raise ModelError("applicability: the spread of a predictor is too large or too small for a number; expected another unit")
    return np.asarray(deviation)


def _labels(fold: ArrayLike | None, n: int) -> Rows:
    if fold is None:
        return np.arange(n, dtype=np.int64)
    label = np.asarray(fold)
    if label.shape != (n,) or label.dtype.kind not in "iu":
        raise ModelError(f"applicability: fold of shape {label.shape} and type {label.dtype}; expected {n} whole numbers")
    held = np.unique(label[label >= 0])
    if len(held) == 0 or (len(held) == 1 and (label >= 0).all()):
        raise ModelError(f"applicability: {len(held)} folds; expected at least 2")
    return label.astype(np.int64)


def _rows_of(splits: Sequence[tuple[Rows, Rows]], n: int) -> list[tuple[Rows, Rows]]:
    tests = [(np.asarray(inside, dtype=np.int64), np.asarray(outside, dtype=np.int64)) for inside, outside in splits]
    faults = [] if tests else ["applicability: 0 folds; expected at least 1"]
    for k, (inside, outside) in enumerate(tests):
        both = np.concatenate([inside, outside])
        if len(inside) == 0 or len(outside) == 0:
            faults.append(f"applicability: fold {k}: {len(inside)} training and {len(outside)} held-back samples; expected some of each")
        elif both.min() < 0 or both.max() >= n:
            faults.append(f"applicability: fold {k}: a row outside 0 to {n - 1}; expected rows of the training samples")
        elif np.intersect1d(inside, outside).size:
            both_sides = np.intersect1d(inside, outside).size
            faults.append(f"applicability: fold {k}: {both_sides} samples in training and held back; expected one or the other")
    if faults:
        raise ModelError(faults)
    return tests


def _threshold(train_di: Array) -> float:
    seen = train_di[np.isfinite(train_di)]
    lower, upper = np.quantile(seen, (0.25, 0.75))
    return float(min(upper + 1.5 * (upper - lower), seen.max()))


def _over_tests(points: Array, tests: Sequence[tuple[Rows, Rows]], mean_distance: float, limit: float | None, workers: int) -> Array:
    """Mean DI of each sample over the folds that hold it back, or mean number of samples within the limit."""
    k = points.shape[1]
    as_it_is = Change(np.arange(k), np.zeros(k), np.ones(k), np.ones(k))
    total, often = np.zeros(len(points)), np.zeros(len(points))
    for inside, outside in tests:
        square, number = search(arrange(points[inside]), points[outside], workers, limit, as_it_is)
        np.add.at(total, outside, np.sqrt(square) / mean_distance if limit is None else number)
        np.add.at(often, outside, 1.0)
    return np.where(often > 0, total / np.maximum(often, 1.0), np.nan)
