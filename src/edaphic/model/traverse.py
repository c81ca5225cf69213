"""The compiled forest: mean, spread and quantiles of many rows in one pass.

Each row goes down every tree once. The leaves it reaches give, in the same pass, the mean of their means, the spread of
those means over the trees, and a weight for every training value, from which the quantiles are read. Sums run over the trees in their
order, row by row, so results do not depend on the number of threads or on how rows are cut into tiles.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numba
import numpy as np
from numpy.typing import NDArray

from edaphic.model.bits import WORD
from edaphic.model.descent import SPARE, Block, Room, room, words
from edaphic.model.forest import Forest
from edaphic.model.leaves import member_quantiles
from edaphic.model.packed import Packed, pack
from edaphic.model.percentiles import percentiles
from edaphic.model.tally import Sums, add_trees

BLOCK = 256
"""Rows that go down one tree before the next."""
SQUARE = 128
BLOCK_CELLS = SQUARE * SQUARE
"""Cells that are parted together: the more, the less a node costs each of them; numbers of cells take 16 bits."""
BLOCK_BYTES = 64 * 2**20
"""Room for what every tree says of a block, where percentiles or quantiles need it; blocks get smaller where it would not do."""
MOST_DEPTHS = 32
"""Depths of one pass; more are asked in several."""


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
    ``leaf``: "all" takes every training value of a leaf, each tree counting alike; "one" a single value, drawn once for each leaf with
    the shares as probabilities (as R's ranger does, which is cheaper and coarser); "pooled" the values of all leaves as one sample (what
    the Python package quantile-forest does with ``max_samples_leaf=None``; for forests of scikit-learn just grown); ``error``: variances
    between and within little bags, of which the standard error of the forest mean is made.
    """

    levels: tuple[float, ...] = ()
    tree_levels: tuple[float, ...] = ()
    leaf: Literal["all", "one", "pooled"] = "all"
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


def traverse(
    forest: Forest,
    features: NDArray[np.float32],
    depths: NDArray[np.float32] | None,
    wish: Wish,
    total: NDArray[np.float64] | None = None,
) -> Said:
    """Predict cells at several depths in one pass; one thread, which lets others run.

    What is said of a cell does not depend, to the bit, on the other cells or their order; what is said at a depth not on the other depths.
    Means are sums over the trees in their order, divided by their number. Percentiles of trees lie between order statistics on straight
    lines, as ``numpy.quantile`` has it. Quantiles are those of :func:`predict`.

    Parameters
    ----------
    forest : Forest
    features : float32 (q, n)
        A row for each feature, cells in an order in which neighbours stand together (:func:`cell_order`); without the two depths where
        these are given. No NaN.
    depths : float32 (d, 2), optional
        Upper and lower depth, the last two features of the forest; left out for a forest without them, and d is 1.
    wish : Wish
    total : float64 (d,) or (d, n), optional
        Weights of the depths. All answers but ``quantiles`` get a last row: those of the weighted sum over the depths, tree by tree.

    Returns
    -------
    Said

    Raises
    ------
    ValueError
        Levels not ascending or not within 0 and 1; bags asked of a forest that has fewer than two, or bags of one tree; shapes that do
        not fit.
    """
    layers, cells = 1 if depths is None else len(depths), features.shape[1]
    _check(forest, features, depths, wish, total)
    if depths is not None and layers > MOST_DEPTHS:
        return _joined([traverse(forest, features, depths[at : at + MOST_DEPTHS], wish) for at in range(0, layers, MOST_DEPTHS)])
    packed = pack(forest)
    rows = layers + (total is not None)
    said = Said(
        np.empty((rows, cells)), np.empty((rows, cells)), np.empty((rows, cells)), np.empty((layers, cells, len(wish.levels))),
        np.empty((rows, cells, len(wish.tree_levels))), *(np.empty((rows, cells if wish.error else 0)) for _ in range(2)),
    )  # fmt: skip
    at_depths = np.zeros((1, 0), dtype=np.float32) if depths is None else np.ascontiguousarray(depths, dtype=np.float32)
    weights = None if total is None else np.broadcast_to(np.asarray(total, dtype=np.float64).reshape(layers, -1), (layers, cells))
    size = min(cells, _block_cells(forest, layers, wish))
    space = room(size, layers, packed.longest)
    ranks, totals = _stored(forest, size, layers, wish, total is not None)
    for start in range(0, cells, max(1, size)):
        part = slice(start, min(start + size, cells))
        _answer(forest, packed, features, at_depths, wish, weights, part, space, ranks, totals, said)
    return said


def _check(
    forest: Forest, features: NDArray[np.float32], depths: NDArray[np.float32] | None, wish: Wish, total: NDArray[np.float64] | None
) -> None:
    for name, levels in (("levels", wish.levels), ("tree_levels", wish.tree_levels)):
        if any(not 0 <= level <= 1 for level in levels) or list(levels) != sorted(levels):
            raise ValueError(f"{name} {levels}: expected ascending numbers between 0 and 1")
    if wish.error and (forest.bag < 2 or forest.trees % forest.bag or forest.trees < 2 * forest.bag):
        raise ValueError(f"error: {forest.trees} trees in bags of {forest.bag}; expected at least two full bags of at least two trees")
    if depths is not None and (depths.ndim != 2 or depths.shape[1] != 2 or len(depths) == 0):
        raise ValueError(f"depths of shape {depths.shape}; expected (d, 2)")
    wanted = features.shape[0] + (0 if depths is None else 2)
    if len(forest.importance) != wanted:
        raise ValueError(f"{wanted} features with the depths; expected the {len(forest.importance)} of the forest")
    layers = 1 if depths is None else len(depths)
    if total is not None and layers > MOST_DEPTHS:
        raise ValueError(f"a total over {layers} depths; expected at most {MOST_DEPTHS}")
    if total is not None and np.shape(total) not in ((layers,), (layers, features.shape[1])):
        raise ValueError(f"total of shape {np.shape(total)}; expected ({layers},) or ({layers}, {features.shape[1]})")


def _joined(parts: list[Said]) -> Said:
    return Said(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Said)))


def _block_cells(forest: Forest, layers: int, wish: Wish) -> int:
    """Cells to a block."""
    if not (wish.levels or wish.tree_levels):
        return BLOCK_CELLS
    return max(1, min(BLOCK_CELLS, BLOCK_BYTES // (4 * forest.trees * layers)))


def _stored(forest: Forest, cells: int, layers: int, wish: Wish, with_total: bool) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Room for what every tree says, where percentiles or quantiles need it."""
    every = bool(wish.levels or wish.tree_levels)
    ranks = np.empty((forest.trees, layers, cells) if every else (0, 0, 0), dtype=np.int32)
    return ranks, np.empty((forest.trees, cells) if wish.tree_levels and with_total else (0, 0))


def _answer(
    forest: Forest, packed: Packed, features: NDArray[np.float32], depths: NDArray[np.float32], wish: Wish,
    weights: NDArray[np.float64] | None, part: slice, space: Room, ranks: NDArray[np.int32], totals: NDArray[np.float64], said: Said,
) -> None:  # fmt: skip
    """One block of cells."""
    n, layers, rows, trees = part.stop - part.start, len(depths), len(said.mean), forest.trees
    own = np.empty((len(features), words(n) * WORD + SPARE), dtype=np.float32)
    own[:, :n] = features[:, part]
    own[:, n:] = 0.0
    least, greatest = own[:, :n].min(axis=1), own[:, :n].max(axis=1)
    block = Block(own, least, greatest, depths, n)
    none = np.empty((0, 0))
    bags = (rows, n) if wish.error else (0, 0)
    fit = forest.leaf_mean_fit if packed.fit_differs else np.empty(0)
    fit_shape = (rows, n) if packed.fit_differs else (0, 0)
    sums = Sums(*(np.zeros(shape) for shape in ((rows, n), fit_shape, (rows, n), (rows, n), bags, bags, bags)))
    rank = packed.number if wish.levels else packed.rank if wish.tree_levels else np.empty(0, dtype=np.int32)
    own_weights = none if weights is None else np.ascontiguousarray(weights[:, part])
    own_ranks, own_totals = ranks[:, :, :n], totals[:, :n]
    add_trees(
        packed.nodes, block, space, forest.leaf_mean, fit, rank, own_weights, forest.bag if wish.error else 0, sums, own_ranks, own_totals
    )
    said.mean[:, part] = sums.plain / trees
    said.mean_fit[:, part] = sums.fit / trees if packed.fit_differs else said.mean[:, part]
    said.spread[:, part] = np.sqrt(np.maximum(sums.two - sums.one * sums.one / trees, 0.0) / trees)
    if wish.error:
        count = trees // forest.bag
        said.between[:, part] = np.maximum(sums.bag_two - sums.bag_one * sums.bag_one / count, 0.0) / (count - 1)
        said.within[:, part] = sums.within / count
    if wish.tree_levels:
        for d in range(layers):
            place = packed.rank if wish.levels else None
            percentiles(own_ranks[:, d], packed.ascending, wish.tree_levels, said.tree_quantiles[d, part], place)
        if rows > layers:
            percentiles(own_totals, np.empty(0), wish.tree_levels, said.tree_quantiles[layers, part])
    if wish.levels:
        levels = np.asarray(wish.levels, dtype=np.float64)
        start, member, share = packed.members(forest, wish.leaf)
        for d in range(layers):
            member_quantiles(
                own_ranks[:, d], start, member, share, wish.leaf == "pooled", forest.values, packed.shift, levels, said.quantiles[d, part]
            )


def bytes_needed(forest: Forest, cells: int, depths: int, wish: Wish, total: bool = False) -> int:
    """Memory that :func:`traverse` takes besides the forest and the features it is given: its answers, and its room for a block."""
    size, rows, trees = min(cells, _block_cells(forest, depths, wish)), depths + total, forest.trees
    nodes, leaves = len(forest.feature), len(forest.leaf_mean)
    answers = 8 * cells * (rows * (3 + len(wish.tree_levels) + 2 * wish.error) + depths * len(wish.levels))
    every = 4 * trees * depths * size if wish.levels or wish.tree_levels else 0
    totals = 8 * trees * size if wish.tree_levels and total else 0
    sums = 8 * size * rows * (9 + (8 if wish.error else 0)) + 8 * size * depths
    block = 4 * (size + SPARE) * len(forest.importance) + 4 * (depths + 1) * size
    packing = 12 * nodes + 16 * leaves
    return int(answers + every + totals + sums + block + packing + 2**20)


def cell_order(keep: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Flat indices of the kept cells of a tile (height, width), in an order that suits :func:`traverse`.

    Squares of 128 by 128 cells one after the other.

    >>> cell_order(np.array([[True, False], [True, True]]))
    array([0, 2, 3])
    """
    height, width = keep.shape
    parts = []
    for top in range(0, height, SQUARE):
        for left in range(0, width, SQUARE):
            rows, columns = np.nonzero(keep[top : top + SQUARE, left : left + SQUARE])
            parts.append((rows + top) * width + columns + left)
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.intp)


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
