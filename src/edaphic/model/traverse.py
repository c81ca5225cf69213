"""The compiled forest: mean, spread and quantiles of many rows in one pass.

Each row goes down every tree once. The leaves it reaches give, in the same pass, the mean of their means, the spread of
those means over the trees, and a weight for every training value, from which the quantiles are read. Sums run over the trees in their
order, row by row, so results do not depend on the number of threads or on how rows are cut into tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
from numpy.typing import NDArray

from edaphic.model.forest import Forest

BLOCK = 256
"""Rows that go down one tree before the next."""


@dataclass(frozen=True)
class Prediction:
    """What a forest says of n rows, in the unit of its training values.

    ``mean`` (n,); ``mean_fit`` (n,): mean on the scale on which the trees were grown; ``spread`` (n,): standard deviation of the
    trees' means; ``quantiles`` (n, k).
    """

    mean: NDArray[np.float64]
    mean_fit: NDArray[np.float64]
    spread: NDArray[np.float64]
    quantiles: NDArray[np.float64]


@dataclass(frozen=True)
class Wish:
    """What is asked of a forest besides mean and spread.

    ``levels``: quantiles of the conditional distribution, ascending; ``tree_levels``: percentiles of the means of the trees, ascending;
    ``leaf``: "all" takes every training value of a leaf, "one" a single one, drawn once for each leaf; ``error``: variances between and
    within little bags, of which the standard error of the forest mean is made.
    """

    levels: tuple[float, ...] = ()
    tree_levels: tuple[float, ...] = ()
    leaf: Literal["all", "one"] = "all"
    error: bool = False


@dataclass(frozen=True)
class Said:
    """What a forest says of n cells at d depths, in the unit of its training values.

    ``mean``, ``mean_fit``, ``spread`` (d, n); ``quantiles`` (d, n, k); ``tree_quantiles`` (d, n, m); ``between`` (d, n), variance of the
    means of little bags, and ``within`` (d, n), mean variance of the trees in a bag; both (d, 0) where not asked for.
    """

    mean: NDArray[np.float64]
    mean_fit: NDArray[np.float64]
    spread: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    tree_quantiles: NDArray[np.float64]
    between: NDArray[np.float64]
    within: NDArray[np.float64]


def traverse(forest: Forest, features: NDArray[np.float32], depths: NDArray[np.float32] | None, wish: Wish) -> Said:
    """Predict cells at several depths in one pass.

    Parameters
    ----------
    forest : Forest
    features : float32 (q, n)
        A row for each feature, cells in an order in which neighbours stand together; without the two depths where these are given.
    depths : float32 (d, 2), optional
        Upper and lower depth, the last two features of the forest; left out for a forest without them, and d is 1.
    wish : Wish
    """
    layers = [None] if depths is None else list(depths)
    rows = [np.ascontiguousarray(features.T) if d is None else np.column_stack([features.T, np.tile(d, (features.shape[1], 1))]) for d in layers]
    said = [predict(forest, part.astype(np.float32), wish.levels) for part in rows]
    trees = np.stack([_trees(forest, part.astype(np.float32)) for part in rows])  # (d, n, trees)
    between = within = np.empty((len(layers), 0))
    if wish.error:
        bags = trees.reshape(*trees.shape[:2], -1, forest.bag)
        between, within = bags.mean(axis=3).var(axis=2, ddof=1), bags.var(axis=3, ddof=1).mean(axis=2)
    tree_quantiles = np.moveaxis(np.quantile(trees, wish.tree_levels, axis=2), 0, -1) if wish.tree_levels else np.empty((*trees.shape[:2], 0))
    return Said(
        np.stack([s.mean for s in said]), np.stack([s.mean_fit for s in said]), np.stack([s.spread for s in said]),
        np.stack([s.quantiles for s in said]), tree_quantiles, between, within,
    )


def _trees(forest: Forest, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    out = np.empty((len(rows), forest.trees))
    for t, root in enumerate(forest.roots):
        node = np.full(len(rows), root)
        while (inner := forest.feature[node] >= 0).any():
            at = np.flatnonzero(inner)
            own = node[at]
            left = rows[at, forest.feature[own]] <= forest.threshold[own]
            node[at] = np.where(left, forest.left[own], forest.right[own])
        out[:, t] = forest.leaf_mean[forest.left[node]]
    return out


def cell_order(keep: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Flat indices of the kept cells of a tile (height, width), in an order that suits :func:`traverse`."""
    return np.flatnonzero(keep)


def predict(
    forest: Forest, features: NDArray[np.float32], levels: tuple[float, ...] = (), workers: int = 1
) -> Prediction:
    """Predict rows.

    A quantile at level p is the smallest training value whose weight, added to that of all smaller values, reaches p; the
    weight of a value is the mean over the trees of its share in the leaf that the row reaches.

    Parameters
    ----------
    forest : Forest
    features : float32 (n, q)
        No NaN.
    levels : tuple of float
        Levels of the quantiles, between 0 and 1, ascending.
    workers : int
        Threads.

    Returns
    -------
    Prediction

    Raises
    ------
    ValueError
        Levels are not ascending or not within 0 and 1.
    """
    wanted = np.asarray(levels, dtype=np.float64)
    if len(wanted) and (np.any(np.diff(wanted) < 0) or wanted[0] < 0 or wanted[-1] > 1):
        raise ValueError(f"levels {levels}: expected ascending numbers between 0 and 1")
    n = len(features)
    out = Prediction(np.empty(n), np.empty(n), np.empty(n), np.empty((n, len(wanted))))
    threads = max(1, min(workers, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        _traverse(
            np.ascontiguousarray(features, dtype=np.float32),
            forest.roots,
            forest.feature,
            forest.threshold,
            forest.left,
            forest.right,
            forest.leaf_mean,
            forest.leaf_mean_fit,
            forest.leaf_start,
            forest.member_rank,
            forest.member_share,
            forest.values,
            wanted,
            threads,
            out.mean,
            out.mean_fit,
            out.spread,
            out.quantiles,
        )
    finally:
        numba.set_num_threads(before)
    return out


@numba.njit(parallel=True, cache=True, nogil=True)
def _traverse(  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    features, roots, feature, threshold, left, right, leaf_mean, leaf_mean_fit, leaf_start, member_rank, member_share,
    values, levels, chunks, mean, mean_fit, spread, quantiles,
):  # fmt: skip
    n = features.shape[0]
    trees = roots.shape[0]
    rows = (n + chunks - 1) // chunks
    for chunk in numba.prange(chunks):
        weight = np.zeros(values.shape[0])
        reached = np.empty((BLOCK, trees), dtype=np.int64)
        end = min(n, (chunk + 1) * rows)
        for start in range(chunk * rows, end, BLOCK):
            size = min(BLOCK, end - start)
            # A tree stays in the cache while a block of rows goes down it; sums still run over the trees, row by row.
            for t in range(trees):
                for i in range(size):
                    node = roots[t]
                    while feature[node] >= 0:
                        if features[start + i, feature[node]] <= threshold[node]:
                            node = left[node]
                        else:
                            node = right[node]
                    reached[i, t] = left[node]
            for i in range(size):
                row = start + i
                total = 0.0
                total_fit = 0.0
                for t in range(trees):
                    total += leaf_mean[reached[i, t]]
                    total_fit += leaf_mean_fit[reached[i, t]]
                mean[row] = total / trees
                mean_fit[row] = total_fit / trees
                square = 0.0
                for t in range(trees):
                    square += (leaf_mean[reached[i, t]] - mean[row]) ** 2
                spread[row] = np.sqrt(square / trees)
                if levels.shape[0] > 0:
                    for t in range(trees):
                        leaf = reached[i, t]
                        for m in range(leaf_start[leaf], leaf_start[leaf + 1]):
                            weight[member_rank[m]] += member_share[m]
                    _quantiles(weight, values, levels, trees, quantiles[row])
                    for t in range(trees):
                        leaf = reached[i, t]
                        for m in range(leaf_start[leaf], leaf_start[leaf + 1]):
                            weight[member_rank[m]] = 0.0


@numba.njit(cache=True, nogil=True)
def _quantiles(weight, values, levels, trees, out):  # type: ignore[no-untyped-def]  # compiled
    # Shares are float32: the sum over a leaf may miss 1 by a few units of 1e-8, hence the allowance.
    allowance = 1e-6 * trees
    level = 0
    running = 0.0
    last = 0
    for r in range(weight.shape[0]):
        if weight[r] > 0.0:
            running += weight[r]
            last = r
            while level < levels.shape[0] and running >= levels[level] * trees - allowance:
                out[level] = values[r]
                level += 1
            if level == levels.shape[0]:
                return
    while level < levels.shape[0]:
        out[level] = values[last]
        level += 1
