"""The compiled forest over the cells of a tile: mean, spread and quantiles at several depths in one pass.

Each cell goes down every tree once, in blocks that are parted at each split. Sums run over the trees in their order, cell by cell, so
results do not depend on the number of threads or on how cells are cut into tiles. Rows that stand in no order are asked by
:func:`predict`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from edaphic.model.bits import WORD
from edaphic.model.descent import SPARE, Block, Room, room, words
from edaphic.model.forest import Forest
from edaphic.model.leaves import member_quantiles, quantile_bytes
from edaphic.model.members import Leaf, members_bytes, members_of
from edaphic.model.networks import LANES
from edaphic.model.packed import Packed, pack
from edaphic.model.percentiles import clear, ends, from_all, from_ends, ranked
from edaphic.model.rows import Prediction, predict
from edaphic.model.tally import CHUNK, GROUP, Kept, Sums, add_trees

__all__ = ["BLOCK_CELLS", "MOST_DEPTHS", "Prediction", "Said", "Wish", "bytes_needed", "cell_order", "predict", "traverse"]

SQUARE = 128
BLOCK_CELLS = SQUARE * SQUARE
"""Cells that are parted together: the more, the less a node costs each of them; numbers of cells take 16 bits."""
BLOCK_BYTES = 64 * 2**20
"""Room for what every tree says of a block, where percentiles or quantiles need it; blocks get smaller where it would not do."""
TOGETHER = 8
"""Fewest trees that a block goes down before they are added up: so sums are fetched less often."""
MOST_DEPTHS = 32
"""Depths of one pass; more are asked in several."""


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
    leaf: Leaf = "all"
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
    reached = np.empty((_together(forest, wish), layers, size), dtype=packed.code)
    kept = _kept(forest, size, layers, wish, total is not None)
    for start in range(0, cells, max(1, size)):
        part = slice(start, min(start + size, cells))
        _answer(forest, packed, features, at_depths, wish, weights, part, space, reached, kept, said)
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
    stores = bool(wish.levels) + (len(wish.tree_levels) > 0 and ranked(wish.tree_levels, forest.trees).size == 0)
    return max(1, min(BLOCK_CELLS, BLOCK_BYTES // (4 * forest.trees * layers * stores))) if stores else BLOCK_CELLS


def _together(forest: Forest, wish: Wish) -> int:
    """Trees that a block goes down before they are added up: some batches of the sorting network, so that ends are fetched less often."""
    return max(TOGETHER, 4 * ranked(wish.tree_levels, forest.trees).size)


def _kept(forest: Forest, cells: int, layers: int, wish: Wish, with_total: bool) -> Kept:
    """Room for what trees say, where percentiles or quantiles need it. Zeros, so that all of it is valid behind the last cell."""
    trees, full, size = forest.trees, -(-cells // LANES), ranked(wish.tree_levels, forest.trees).size
    shape = (CHUNK // LANES, _together(forest, wish), LANES) if size else (full, trees, LANES)
    depths, totals = (layers, int(with_total)) if wish.tree_levels else (0, 0)
    return Kept(
        np.zeros((depths, *shape), dtype=np.int32), np.zeros((totals, *shape)),
        ends((depths if size else 0, full), size, np.int32), ends((totals if size else 0, full), size, np.float64),
        np.zeros((trees if wish.levels else 0, layers, cells), dtype=np.int32),
    )  # fmt: skip


def _answer(
    forest: Forest, packed: Packed, features: NDArray[np.float32], depths: NDArray[np.float32], wish: Wish,
    weights: NDArray[np.float64] | None, part: slice, space: Room, reached: NDArray[np.unsignedinteger], kept: Kept, said: Said,
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
    fit_shape = (rows, n) if packed.fit_differs else (0, 0)
    sums = Sums(*(np.zeros(shape) for shape in ((rows, n), fit_shape, (rows, n), (rows, n), bags, bags, bags)))
    clear(kept.rank_ends)
    clear(kept.total_ends)
    own_weights = none if weights is None else np.ascontiguousarray(weights[:, part])
    add_trees(packed.nodes, packed.leaves, block, space, reached, own_weights, forest.bag if wish.error else 0, sums, kept)
    said.mean[:, part] = sums.plain / trees
    said.mean_fit[:, part] = sums.fit / trees if packed.fit_differs else said.mean[:, part]
    said.spread[:, part] = np.sqrt(np.maximum(sums.two - sums.one * sums.one / trees, 0.0) / trees)
    if wish.error:
        count = trees // forest.bag
        said.between[:, part] = np.maximum(sums.bag_two - sums.bag_one * sums.bag_one / count, 0.0) / (count - 1)
        said.within[:, part] = sums.within / count
    if wish.tree_levels:
        _percentiles(packed, kept, wish, trees, layers, said.tree_quantiles[:, part])
    if wish.levels:
        levels = np.asarray(wish.levels, dtype=np.float64)
        member_quantiles(
            kept.numbers[:, :, :n], members_of(forest, wish.leaf), wish.leaf == "pooled", forest.values, packed.shift, levels,
            said.quantiles[:, part],
        )  # fmt: skip


def _percentiles(packed: Packed, kept: Kept, wish: Wish, trees: int, layers: int, out: NDArray[np.float64]) -> None:
    """Percentiles of what the trees say of a block, (rows, n, levels): of leaves through their ranks, of totals themselves."""
    rank = ranked(wish.tree_levels, trees)
    order = (rank.low, rank.high, rank.part)
    for d in range(len(out)):
        says, both, at, table = (
            (kept.ranks, kept.rank_ends, d, packed.ascending) if d < layers else (kept.totals, kept.total_ends, 0, np.empty(0))
        )
        if rank.size:
            from_ends(both.least[at], both.most[at], trees, table, *order, rank.front, out[d])
        else:
            from_all(says[at], table, *order, out[d])


def bytes_needed(forest: Forest, cells: int, depths: int, wish: Wish, total: bool = False) -> int:
    """Memory that :func:`traverse` takes besides the forest and the features it is given: its answers, and its room for a block."""
    size, rows, trees = min(cells, _block_cells(forest, depths, wish)), depths + total, forest.trees
    nodes, leaves = len(forest.feature), len(forest.leaf_mean)
    answers = 8 * cells * (rows * (3 + len(wish.tree_levels) + 2 * wish.error) + depths * len(wish.levels))
    wide = ranked(wish.tree_levels, trees).size
    held = 2 * wide * (size + LANES) if wide else trees * (size + LANES)
    percentiles = held * (4 * depths + 8 * total) if wish.tree_levels else 0
    numbers = 4 * trees * depths * size + quantile_bytes(forest, depths) + members_bytes(forest, wish.leaf) if wish.levels else 0
    sums = 8 * size * rows * (9 + (8 if wish.error else 0)) + 8 * size * depths
    block = 4 * (size + SPARE) * len(forest.importance) + (2 * (depths + 1) + 4 * _together(forest, wish) * depths) * size
    chunk = CHUNK * (8 * GROUP * rows + _together(forest, wish) * (4 * depths + 8 * total))
    packing = 16 * nodes + 32 * leaves
    return int(answers + percentiles + numbers + sums + block + chunk + packing + 2**20)


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
