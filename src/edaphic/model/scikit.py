"""Forests grown by scikit-learn, as the flat structure of ours."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

from edaphic.model.structure import Forest, Grown, Job


def grow_with_scikit_learn(job: Job) -> Grown:
    """Trees of scikit-learn on bootstrap samples drawn here, of all rows or of the half of the groups that a little bag holds."""
    # Trees one by one, not its forests: those have changed what they do with weights.
    settings, n = job.settings, len(job.values)
    kind = DecisionTreeRegressor if settings.split == "variance" else ExtraTreeRegressor

    def one(number: int) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_]]:
        rng = np.random.default_rng([job.seed, number])
        inside = _half(job, number // settings.little_bags) if settings.little_bags else np.arange(n)
        weight = np.bincount(inside[rng.integers(0, len(inside), len(inside))], minlength=n) * job.weights
        outside = ~np.isin(np.arange(n), inside) if settings.little_bags else weight == 0
        tree = kind(
            max_features=settings.tried(job.features.shape[1]), min_samples_leaf=settings.min_samples_leaf,
            min_samples_split=settings.min_samples_split, max_depth=settings.max_depth, random_state=int(rng.integers(2**31 - 1)),
        )  # fmt: skip
        return tree.fit(job.features, job.fitted, sample_weight=weight), weight, outside

    with ThreadPoolExecutor(job.workers) as pool:
        grown = list(pool.map(one, range(settings.trees)))
    trees, weights = [tree for tree, _, _ in grown], [weight for _, weight, _ in grown]
    outside = [left_out for _, _, left_out in grown]
    forest = replace(_flat(trees, weights, job.features, job.values, log=job.log), bag=settings.little_bags)
    return Grown(forest, _out_of_bag(trees, outside, job.features, job.oob))


def _half(job: Job, bag: int) -> NDArray[np.int64]:
    """Rows of the half of the groups that a bag holds."""
    count = int(job.groups.max()) + 1
    taken = np.random.default_rng([job.seed, bag, 1]).permutation(count)[: count // 2]
    return np.flatnonzero(np.isin(job.groups, taken))


def _out_of_bag(
    trees: Sequence[Any], outside: Sequence[NDArray[np.bool_]], features: NDArray[np.float32], wanted: bool
) -> NDArray[np.float64]:
    total, times = np.zeros(len(features)), np.zeros(len(features))
    for tree, left_out in zip(trees, outside, strict=True) if wanted else ():
        out = np.flatnonzero(left_out)
        total[out] += tree.predict(features[out]) if len(out) else 0.0
        times[out] += 1
    return np.where(times > 0, total / np.maximum(times, 1), np.nan)


def flatten(
    grower: RandomForestRegressor | ExtraTreesRegressor,
    features: NDArray[np.float32],
    values: NDArray[np.float64],
    *,
    log: bool,
) -> Forest:
    """A fitted forest of scikit-learn and its training rows as a :class:`Forest`.

    Parameters
    ----------
    grower : RandomForestRegressor or ExtraTreesRegressor
        Fitted with ``bootstrap=True``, without weights, on ``features`` and the values or, where ``log``, their logarithms.
    features : float32 (n, q)
    values : float64 (n,)
    log : bool
    """
    weights = [np.bincount(sample, minlength=len(values)).astype(np.float64) for sample in grower.estimators_samples_]
    return _flat(grower.estimators_, weights, features, values, log=log)


def _flat(
    trees: Sequence[Any], weights: Sequence[NDArray[np.float64]], features: NDArray[np.float32], values: NDArray[np.float64], *, log: bool
) -> Forest:
    """Thresholds are rounded down to float32. scikit-learn compares a float32 feature with a float64 threshold; the largest float32
    not above the threshold sends every float32 the same way.
    """
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(values), dtype=np.int32)
    rank[order] = np.arange(len(values), dtype=np.int32)
    fitted = np.log(values) if log else values
    parts: dict[str, list[NDArray]] = {name: [] for name in ("feature", "threshold", "left", "right")}
    leaves: dict[str, list[NDArray]] = {name: [] for name in ("mean", "mean_fit", "size", "rank", "share", "total")}
    roots, nodes, leaf_count = [], 0, 0
    for tree, own in zip(trees, weights, strict=True):
        split = tree.tree_
        is_leaf = split.children_left == -1
        number = np.cumsum(is_leaf) - 1
        parts["feature"].append(np.where(is_leaf, -1, split.feature).astype(np.int32))
        parts["threshold"].append(_floor32(split.threshold))
        parts["left"].append(np.where(is_leaf, number + leaf_count, split.children_left + nodes).astype(np.int32))
        parts["right"].append(np.where(is_leaf, -1, split.children_right + nodes).astype(np.int32))
        roots.append(nodes)
        nodes += split.node_count

        drawn = np.flatnonzero(own)
        leaf_of = number[split.apply(features[drawn])]
        by_leaf = np.lexsort((rank[drawn], leaf_of))
        drawn, leaf_of = drawn[by_leaf], leaf_of[by_leaf]
        weight = own[drawn]
        total = np.bincount(leaf_of, weights=weight)
        leaves["mean"].append(np.bincount(leaf_of, weights=weight * values[drawn]) / total)
        leaves["mean_fit"].append(np.bincount(leaf_of, weights=weight * fitted[drawn]) / total)
        leaves["size"].append(np.bincount(leaf_of))
        leaves["total"].append(total)
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
        importance=_importance(trees, features.shape[1]),
        leaf_total=joined["total"],
    )


def _importance(trees: Sequence[Any], features: int) -> NDArray[np.float64]:
    total = np.zeros(features)
    for tree in trees:
        total += tree.feature_importances_
    return total / total.sum() if total.sum() > 0 else total


def _floor32(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    nearest = threshold.astype(np.float32)
    return np.where(nearest.astype(np.float64) > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)
