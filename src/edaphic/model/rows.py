"""What a forest says of rows: mean, spread and quantiles of few rows that stand in no order.

Each row goes down every tree once. The leaves it reaches give, in the same pass, the mean of their means, the spread of
those means over the trees, and a weight for every training value, from which the quantiles are read. Sums run over the trees in their
order, row by row, so results do not depend on the number of threads or on how rows are parted among them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.model.leaves import ALLOWANCE
from edaphic.model.structure import Forest

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


def predict(forest: Forest, features: NDArray[np.float32], levels: tuple[float, ...] = (), workers: int = 1) -> Prediction:
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
        _walk(
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


@kernel(parallel=True)
def _walk(  # type: ignore[no-untyped-def]  # compiled: numba infers the types
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


@kernel
def _quantiles(weight, values, levels, trees, out):  # type: ignore[no-untyped-def]  # compiled
    allowance = ALLOWANCE * trees
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
