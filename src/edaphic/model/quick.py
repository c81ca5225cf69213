"""Out-of-fold scores of forests on many subsets of the features, quickly.

Features are ranked once, for all folds and subsets. Of a forest nothing is kept but the sum of its trees' means at the rows of the test
fold. Each fold of each subset is a task for a thread; tasks know nothing of each other, so scores do not depend on their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.errors import ModelError
from edaphic.model.cuts import seeded
from edaphic.model.forest import FEWEST_ROWS, Settings, rule_of, settings_faults, table_faults, train
from edaphic.model.grow import bag, code, grow_tree, make_nodes, make_space, part_of_features
from edaphic.model.traverse import predict

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def quick_scores(
    features: NDArray[np.float32],
    values: NDArray[np.float64],
    folds: Sequence[Fold],
    subsets: Sequence[tuple[int, ...]],
    settings: Settings,
    *,
    log: bool,
    seed: int,
    workers: int = 1,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Out-of-fold RMSE of a forest on each subset of the features, on the scale of the trees.

    The root of the (weighted) mean of the squared errors over the test rows of all folds together. The same seed serves every fold and
    every subset: random numbers in common make the differences between subsets smaller than their scatter.

    Parameters
    ----------
    features : float32 (n, q)
    values : float64 (n,)
    folds : sequence of (training rows, test rows)
        A row that the training rows name twice counts twice in splits and means, once among the rows of a leaf.
    subsets : sequence of tuples of int
        Columns of ``features``.
    settings : Settings
        With the engine of scikit-learn nothing is quick: the forests are grown and asked one by one.
    log : bool
        Trees grow, and errors are taken, on the logarithm of the values.
    seed, workers : int
    weights : float64 (n,), optional
        Weights in growing and in the mean of the squared errors.

    Returns
    -------
    float64 (len(subsets),)

    Raises
    ------
    ModelError
        As :func:`edaphic.model.forest.train`; subsets without columns or with columns that are not there; folds without test rows, with
        rows that are not there, with fewer than ten training rows or a constant target in them.

    Examples
    --------
    A step is learned from the first feature; the second is constant, which leaves the mean of the bootstrap samples.

    >>> x = np.column_stack([np.repeat([0, 1], 20), np.zeros(40)]).astype(np.float32)
    >>> y, rows = np.repeat([1.0, 3.0], 20), np.arange(40)
    >>> folds = [(rows[rows % 2 == k], rows[rows % 2 != k]) for k in (0, 1)]
    >>> quick_scores(x, y, folds, [(0,), (1,)], Settings(50, 1.0, 1), log=False, seed=1).round(1).tolist()
    [0.0, 1.0]
    """
    features = np.asarray(features, dtype=np.float32)
    values = np.asarray(values, dtype=np.float64)
    own = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    faults = settings_faults(settings) + table_faults(features, values, own, log=log)
    faults = faults or _fold_faults(values, own, folds) + _subset_faults(subsets, features.shape[1])
    if faults:
        raise ModelError(faults)
    order = np.argsort(values, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    parts = [(np.sort(place[inside]), place[outside]) for inside, outside in folds]
    fitted = np.log(values[order]) if log else values[order]
    if settings.engine == "edaphic":
        squares = _all_tasks(features[order], fitted, own[order], parts, subsets, settings, seed, max(1, workers))
    else:
        squares = [
            [_plain(features[order][:, list(subset)], values[order], own[order], part, settings, log, seed, workers) for part in parts]
            for subset in subsets
        ]
    mass = float(sum(float(np.sum(own[outside])) for _, outside in folds))
    return np.sqrt(np.array([sum(row) for row in squares], dtype=np.float64) / mass)


def _all_tasks(
    features: NDArray[np.float32],
    fitted: NDArray[np.float64],
    weights: NDArray[np.float64],
    parts: Sequence[Fold],
    subsets: Sequence[tuple[int, ...]],
    settings: Settings,
    seed: int,
    workers: int,
) -> list[list[float]]:
    """Weighted sum of squared errors by subset and fold; all rows in the order of their values."""
    coded = code(features, workers)
    known = np.uint64(seed % 2**64)
    ready = [(inside, np.unique(inside), outside, np.unique(outside)) for inside, outside in parts]

    def task(number: int) -> float:
        subset = subsets[number // len(parts)]
        own = part_of_features(coded, subset)
        rule = rule_of(settings, len(subset))
        return float(_fold_error(*own, fitted, weights, rule, known, settings.trees, *ready[number % len(parts)]))

    with ThreadPoolExecutor(workers) as pool:
        squares = list(pool.map(task, range(len(subsets) * len(parts))))
    return [squares[i : i + len(parts)] for i in range(0, len(squares), len(parts))]


@kernel
def _fold_error(codes, levels, starts, fitted, weights, rule, seed, trees, inside, distinct, outside, asked):  # type: ignore[no-untyped-def]
    """Weighted sum of squared errors of one forest at the test rows."""
    n, count = len(fitted), len(distinct)
    nodes, space = make_nodes(count, rule.leaf), make_space(count, len(asked), len(codes))
    drawn, rows, gains = np.empty(n), np.empty(count, np.uint32), np.zeros(len(codes))
    state, total, others = np.zeros(1, np.uint64), np.zeros(n), np.empty(len(asked), np.uint32)
    for tree in range(trees):
        seeded(state, seed, tree)
        used = bag(state, inside, distinct, weights, drawn, rows)
        others[:] = asked
        grow_tree(
            codes, levels, starts, fitted, drawn, rows, used, others, len(others), total, rule, space, nodes, gains, state
        )  # fmt: skip
    square = 0.0
    for i in outside:
        square += weights[i] * (total[i] / trees - fitted[i]) ** 2
    return square


def _plain(
    features: NDArray[np.float32],
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    part: Fold,
    settings: Settings,
    log: bool,
    seed: int,
    workers: int,
) -> float:
    """The same by training and predicting."""
    inside, outside = part
    forest = train(features[inside], values[inside], settings, log=log, seed=seed, workers=workers, weights=weights[inside])
    observed = np.log(values[outside]) if log else values[outside]
    error = predict(forest, features[outside], workers=workers).mean_fit - observed
    return float(np.sum(weights[outside] * error**2))


def _fold_faults(values: NDArray[np.float64], weights: NDArray[np.float64], folds: Sequence[Fold]) -> list[str]:
    faults = [] if len(folds) else ["folds: none; expected at least one"]
    for number, (inside, outside) in enumerate(folds):
        where = f"fold {number + 1}"
        rows = np.concatenate([inside, outside])
        if len(rows) and (rows.min() < 0 or rows.max() >= len(values)):
            faults.append(f"{where}: rows {rows.min()} to {rows.max()}; expected 0 to {len(values) - 1}")
            continue
        used = np.unique(inside[weights[inside] > 0]) if len(inside) else inside
        if len(used) < FEWEST_ROWS:
            faults.append(f"{where}: {len(used)} training rows; expected at least {FEWEST_ROWS}")
        elif np.ptp(values[used]) == 0:
            faults.append(f"{where}: the target is {values[used[0]]:g} in all {len(used)} training rows; expected values that differ")
        if len(outside) == 0 or not np.sum(weights[outside]) > 0:
            faults.append(f"{where}: no test rows with a weight above 0; expected at least one")
    return faults


def _subset_faults(subsets: Sequence[tuple[int, ...]], features: int) -> list[str]:
    faults = []
    for number, subset in enumerate(subsets):
        if len(subset) == 0:
            faults.append(f"subset {number + 1}: no columns; expected at least one")
        elif min(subset) < 0 or max(subset) >= features:
            faults.append(f"subset {number + 1}: columns {min(subset)} to {max(subset)}; expected 0 to {features - 1}")
    return faults
