"""Train a random forest and keep it as arrays.

The trees are grown by scikit-learn. What is kept of them is a flat structure (:class:`Forest`): splits, and for every leaf the
training values that fell into it, with their bootstrap counts. From that one structure come the mean, the spread of the trees
and any quantile of the conditional distribution (quantile regression forest: Meinshausen 2006, Journal of Machine Learning
Research 7, 983-999).

Trees may be grown on the logarithm of the target. Their leaves still hold the values themselves, so the mean of the map is a mean
of stocks, not the exponential of a mean of logarithms: no back-transformation bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from edaphic.errors import ModelError


@dataclass(frozen=True)
class Settings:
    """What governs the growth of a forest.

    ``trees``: number of trees; ``max_features``: share of the features tried at each split; ``min_samples_leaf``: fewest
    training rows in a leaf.
    """

    trees: int = 500
    max_features: float = 1 / 3
    min_samples_leaf: int = 5


@dataclass(frozen=True)
class Forest:
    """A fitted forest as plain arrays.

    Nodes of all trees stand one after another; ``roots`` says where each tree starts. Training values are kept sorted, and
    leaves name them by rank.

    Attributes
    ----------
    roots : int64 (trees,)
    feature : int32 (nodes,)
        Feature that a node tests, or -1 in a leaf.
    threshold : float32 (nodes,)
        A row goes left where its feature is not above the threshold.
    left, right : int32 (nodes,)
        Children; in a leaf, ``left`` is the number of the leaf.
    leaf_mean, leaf_mean_fit : float64 (leaves,)
        Mean of the values in a leaf, and of what the trees were grown on (their logarithm, where ``log`` is true).
    leaf_start : int64 (leaves + 1,)
        Where the members of each leaf start in ``member_rank``.
    member_rank : int32 (members,)
        Rank of each member among the training values.
    member_share : float32 (members,)
        Its bootstrap count over the count of its leaf.
    values : float64 (rows,)
        Training values in ascending order.
    log : bool
        Whether the trees were grown on the logarithm of the values.
    """

    roots: NDArray[np.int64]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    leaf_mean: NDArray[np.float64]
    leaf_mean_fit: NDArray[np.float64]
    leaf_start: NDArray[np.int64]
    member_rank: NDArray[np.int32]
    member_share: NDArray[np.float32]
    values: NDArray[np.float64]
    log: bool

    @property
    def trees(self) -> int:
        """Number of trees."""
        return len(self.roots)


def train(
    features: NDArray[np.float32],
    values: NDArray[np.float64],
    settings: Settings,
    *,
    log: bool,
    seed: int,
    workers: int = 1,
) -> Forest:
    """Grow a forest.

    Parameters
    ----------
    features : float32 (n, q)
        No NaN.
    values : float64 (n,)
        Target in its natural unit; above zero where ``log`` is true.
    settings : Settings
    log : bool
        Grow the trees on the logarithm of the values.
    seed : int
        The same seed gives the same forest on any number of workers.
    workers : int
        Threads.

    Raises
    ------
    ModelError
        Fewer than ten rows, a constant target, or values that have no logarithm.
    """
    if len(values) < 10:
        raise ModelError(f"training table: {len(values)} rows; expected at least 10")
    if np.ptp(values) == 0:
        raise ModelError(f"training table: the target is {values[0]:g} in all {len(values)} rows; expected values that differ")
    if log and values.min() <= 0:
        raise ModelError(f"training table: smallest value {values.min():g} has no logarithm; expected values above 0")
    grower = RandomForestRegressor(
        n_estimators=settings.trees,
        max_features=settings.max_features,
        min_samples_leaf=settings.min_samples_leaf,
        bootstrap=True,
        random_state=seed,
        n_jobs=workers,
    )
    grower.fit(features, np.log(values) if log else values)
    return flatten(grower, features, values, log=log)


def flatten(
    grower: RandomForestRegressor, features: NDArray[np.float32], values: NDArray[np.float64], *, log: bool
) -> Forest:
    """A fitted scikit-learn forest and its training rows as a :class:`Forest`.

    Thresholds are rounded down to float32. scikit-learn compares a float32 feature with a float64 threshold; the largest float32
    not above the threshold sends every float32 the same way.
    """
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(values), dtype=np.int32)
    rank[order] = np.arange(len(values), dtype=np.int32)
    fitted = np.log(values) if log else values
    parts: dict[str, list[NDArray]] = {name: [] for name in ("feature", "threshold", "left", "right")}
    leaves: dict[str, list[NDArray]] = {name: [] for name in ("mean", "mean_fit", "size", "rank", "share")}
    roots, nodes, leaf_count = [], 0, 0
    for tree, sample in zip(grower.estimators_, grower.estimators_samples_, strict=True):
        split = tree.tree_
        is_leaf = split.children_left == -1
        number = np.cumsum(is_leaf) - 1
        parts["feature"].append(np.where(is_leaf, -1, split.feature).astype(np.int32))
        parts["threshold"].append(_floor32(split.threshold))
        parts["left"].append(np.where(is_leaf, number + leaf_count, split.children_left + nodes).astype(np.int32))
        parts["right"].append(np.where(is_leaf, -1, split.children_right + nodes).astype(np.int32))
        roots.append(nodes)
        nodes += split.node_count

        count = np.bincount(sample, minlength=len(values))
        drawn = np.flatnonzero(count)
        leaf_of = number[split.apply(features[drawn])]
        by_leaf = np.lexsort((rank[drawn], leaf_of))
        drawn, leaf_of = drawn[by_leaf], leaf_of[by_leaf]
        weight = count[drawn].astype(np.float64)
        total = np.bincount(leaf_of, weights=weight)
        leaves["mean"].append(np.bincount(leaf_of, weights=weight * values[drawn]) / total)
        leaves["mean_fit"].append(np.bincount(leaf_of, weights=weight * fitted[drawn]) / total)
        leaves["size"].append(np.bincount(leaf_of))
        leaves["rank"].append(rank[drawn])
        leaves["share"].append((weight / total[leaf_of]).astype(np.float32))
        leaf_count += len(total)
    joined = {name: np.concatenate(arrays) for name, arrays in (parts | leaves).items()}
    return Forest(
        roots=np.asarray(roots, dtype=np.int64),
        feature=joined["feature"],
        threshold=joined["threshold"],
        left=joined["left"],
        right=joined["right"],
        leaf_mean=joined["mean"],
        leaf_mean_fit=joined["mean_fit"],
        leaf_start=np.concatenate([[0], np.cumsum(joined["size"])]).astype(np.int64),
        member_rank=joined["rank"],
        member_share=joined["share"],
        values=values[order],
        log=log,
    )


def _floor32(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    nearest = threshold.astype(np.float32)
    return np.where(nearest.astype(np.float64) > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)
