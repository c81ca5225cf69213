"""Train a random forest and keep it as arrays.

What is kept is a flat structure (:class:`Forest`): splits, and for every leaf the training values that fell into it, with their
bootstrap counts. From that one structure come the mean, the spread of the trees and any quantile of the conditional distribution
(quantile regression forest: Meinshausen 2006, Journal of Machine Learning Research 7, 983-999).

Trees may be grown on the logarithm of the target. Their leaves still hold the values themselves, so the mean of the map is a mean
of stocks, not the exponential of a mean of logarithms: no back-transformation bias.

The trees are grown by :mod:`edaphic.model.grow`, or by scikit-learn where the settings say so. Both mean the same by a setting: rows are
counted once, however often the bootstrap drew them; a constant feature counts as tried. A weight multiplies the bootstrap count of its
row, in splits, means and quantiles, so a row of weight 2 counts as two; the bootstrap draws rows, whatever their weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

from edaphic.errors import ModelError
from edaphic.model.grow import NO_LIMIT, Rule, grow_forest

FEWEST_ROWS = 10


@dataclass(frozen=True)
class Settings:
    """What governs the growth of a forest.

    Attributes
    ----------
    trees : int
    max_features : float
        Share of the features tried at each split: the whole number below, at least one.
    min_samples_leaf : int
        Fewest training rows in a leaf.
    min_samples_split : int
        Fewest training rows in a node that may be split.
    max_depth : int, optional
        Most splits from the root to a leaf; None: no limit.
    split : {"variance", "extra"}
        The best threshold of each feature tried, or one drawn at random (extremely randomised trees; on bootstrap samples here).
    engine : {"edaphic", "scikit-learn"}
        What grows the trees. Forests of the two are equal in accuracy, not in their bits.
    """

    trees: int = 500
    max_features: float = 1 / 3
    min_samples_leaf: int = 5
    min_samples_split: int = 2
    max_depth: int | None = None
    split: Literal["variance", "extra"] = "variance"
    engine: Literal["edaphic", "scikit-learn"] = "edaphic"

    def tried(self, features: int) -> int:
        """How many features a split tries.

        >>> Settings().tried(10), Settings().tried(2), Settings(max_features=0.7).tried(10)
        (3, 1, 7)
        """
        return max(1, int(self.max_features * features + 1e-9))


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
        Its bootstrap count (times its weight) over the sum of its leaf.
    values : float64 (rows,)
        Training values in ascending order.
    log : bool
        Whether the trees were grown on the logarithm of the values.
    importance : float64 (features,)
        Share of each feature in the decrease of the impurity; zeros where no tree has a split.
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
    importance: NDArray[np.float64]

    @property
    def trees(self) -> int:
        """Number of trees."""
        return len(self.roots)


class Grown(NamedTuple):
    """A forest and its out-of-bag means."""

    forest: Forest
    oob: NDArray[np.float64]


class Job(NamedTuple):
    """What an engine is told: features float32 (n, q), values (n,), what the trees are grown on (n,), weights (n,)."""

    features: NDArray[np.float32]
    values: NDArray[np.float64]
    fitted: NDArray[np.float64]
    weights: NDArray[np.float64]
    settings: Settings
    log: bool
    seed: int
    workers: int
    oob: bool


class Engine(Protocol):
    """What grows a forest."""

    def __call__(self, job: Job) -> Grown: ...


def train(
    features: NDArray[np.float32],
    values: NDArray[np.float64],
    settings: Settings,
    *,
    log: bool,
    seed: int,
    workers: int = 1,
    weights: NDArray[np.float64] | None = None,
) -> Forest:
    """Grow a forest.

    Parameters
    ----------
    features : float32 (n, q)
        Finite.
    values : float64 (n,)
        Target in its natural unit; above zero where ``log`` is true.
    settings : Settings
    log : bool
        Grow the trees on the logarithm of the values.
    seed : int
        The same seed gives the same forest on any number of workers.
    workers : int
        Threads.
    weights : float64 (n,), optional
        Weight of each row in splits, means and quantiles, not below zero; a row of weight zero is left out. All one where left out.

    Raises
    ------
    ModelError
        Fewer than ten rows, a constant target, values that have no logarithm, anything that is not finite, arrays that do not fit each
        other, settings out of range.

    Examples
    --------
    >>> x = np.repeat([0, 1], 10)[:, None].astype(np.float32)
    >>> forest = train(x, np.repeat([2.0, 6.0], 10), Settings(3, 1.0, 1), log=False, seed=1)
    >>> forest.threshold[0], np.unique(forest.leaf_mean).tolist(), forest.importance.tolist()
    (np.float32(0.5), [2.0, 6.0], [1.0])
    """
    return _grown(features, values, settings, weights, log, seed, workers, oob=False).forest


def train_oob(
    features: NDArray[np.float32],
    values: NDArray[np.float64],
    settings: Settings,
    *,
    log: bool,
    seed: int,
    workers: int = 1,
    weights: NDArray[np.float64] | None = None,
) -> tuple[Forest, NDArray[np.float64]]:
    """Grow a forest and predict each row by the trees that did not draw it.

    As :func:`train`. The second result, float64 (n,), is on the scale of the trees, NaN where every tree used the row.
    """
    grown = _grown(features, values, settings, weights, log, seed, workers, oob=True)
    return grown.forest, grown.oob


def _grown(
    features: NDArray[np.float32], values: NDArray[np.float64], settings: Settings, weights: NDArray[np.float64] | None,
    log: bool, seed: int, workers: int, *, oob: bool,
) -> Grown:  # fmt: skip
    features = np.asarray(features, dtype=np.float32)
    values = np.asarray(values, dtype=np.float64)
    own = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    faults = settings_faults(settings) + table_faults(features, values, own, log=log)
    if faults:
        raise ModelError(faults)
    fitted = np.log(values) if log else values
    return ENGINES[settings.engine](Job(features, values, fitted, own, settings, log, seed, max(1, workers), oob))


def settings_faults(settings: Settings) -> list[str]:
    """What is wrong with settings, one line each.

    >>> settings_faults(Settings(trees=0))
    ['forest: trees is 0; expected a whole number of at least 1']
    """
    faults = []
    least = {"trees": 1, "min_samples_leaf": 1, "min_samples_split": 2, "max_depth": 1}
    for name, limit in least.items():
        value = getattr(settings, name)
        if value is None and name == "max_depth":
            continue
        if not isinstance(value, int | np.integer) or value < limit:
            faults.append(f"forest: {name} is {value}; expected a whole number of at least {limit}")
    if not 0.0 < settings.max_features <= 1.0:
        faults.append(f"forest: max_features is {settings.max_features:g}; expected a share above 0 and not above 1")
    for name, known in (("split", ("variance", "extra")), ("engine", tuple(ENGINES))):
        if getattr(settings, name) not in known:
            faults.append(f"forest: {name} is {getattr(settings, name)!r}; expected {' or '.join(known)}")
    return faults


def table_faults(
    features: NDArray[np.float32], values: NDArray[np.float64], weights: NDArray[np.float64], *, log: bool
) -> list[str]:
    """What is wrong with a training table, one line each."""
    n = len(values)
    if features.ndim != 2 or values.ndim != 1 or weights.shape != values.shape or len(features) != n:
        shapes = f"features {features.shape}, values {values.shape}, weights {weights.shape}"
        return [f"training table: {shapes}; expected (n, q), (n,) and (n,)"]
    if n < FEWEST_ROWS:
        return [f"training table: {n} rows; expected at least {FEWEST_ROWS}"]
    faults = []
    if features.shape[1] == 0:
        faults.append("training table: no features; expected at least one")
    bad = ~np.isfinite(features)
    if bad.any():
        columns = ", ".join(str(c) for c in np.flatnonzero(bad.any(axis=0))[:5])
        rows = int(bad.any(axis=1).sum())
        faults.append(f"training table: features that are not finite in {rows} of {n} rows (first columns: {columns}); expected numbers")
    if not np.isfinite(values).all():
        faults.append(f"training table: {int(np.sum(~np.isfinite(values)))} of {n} target values are not finite; expected numbers")
    elif np.ptp(values) == 0:
        faults.append(f"training table: the target is {values[0]:g} in all {n} rows; expected values that differ")
    elif log and values.min() <= 0:
        faults.append(f"training table: smallest value {values.min():g} has no logarithm; expected values above 0")
    if not np.isfinite(weights).all() or weights.min() < 0:
        faults.append("training table: weights below zero or not finite; expected finite weights of zero or more")
    elif np.sum(weights > 0) < FEWEST_ROWS:
        faults.append(f"training table: {int(np.sum(weights > 0))} rows with a weight above 0; expected at least {FEWEST_ROWS}")
    return faults


def rule_of(settings: Settings, features: int) -> Rule:
    """Settings as the kernels want them."""
    depth = NO_LIMIT if settings.max_depth is None else settings.max_depth
    return Rule(settings.tried(features), settings.min_samples_leaf, settings.min_samples_split, depth, settings.split == "extra")


def _edaphic(job: Job) -> Grown:
    # Rows in the order of their values: the number of a row is its rank, and the members of a leaf stand in order.
    order = np.argsort(job.values, kind="stable")
    rule = rule_of(job.settings, job.features.shape[1])
    grown = grow_forest(
        job.features[order], job.values[order], job.fitted[order], job.weights[order], rule, job.settings.trees, job.seed,
        job.workers, job.oob,
    )  # fmt: skip
    oob = np.empty(len(order))
    oob[order] = grown.pop("oob")
    return Grown(Forest(**grown, values=job.values[order], log=job.log), oob)


# --- scikit-learn ------------------------------------------------------------------------------------------------------


def _scikit_learn(job: Job) -> Grown:
    # Trees one by one, not its forests: those have changed what they do with weights.
    settings, n = job.settings, len(job.values)
    kind = DecisionTreeRegressor if settings.split == "variance" else ExtraTreeRegressor

    def one(number: int) -> tuple[Any, NDArray[np.float64]]:
        rng = np.random.default_rng([job.seed, number])
        weight = np.bincount(rng.integers(0, n, n), minlength=n) * job.weights
        tree = kind(
            max_features=settings.tried(job.features.shape[1]), min_samples_leaf=settings.min_samples_leaf,
            min_samples_split=settings.min_samples_split, max_depth=settings.max_depth, random_state=int(rng.integers(2**31 - 1)),
        )  # fmt: skip
        return tree.fit(job.features, job.fitted, sample_weight=weight), weight

    with ThreadPoolExecutor(job.workers) as pool:
        grown = list(pool.map(one, range(settings.trees)))
    trees, weights = [tree for tree, _ in grown], [weight for _, weight in grown]
    return Grown(_flat(trees, weights, job.features, job.values, log=job.log), _out_of_bag(trees, weights, job.features, job.oob))


def _out_of_bag(trees: Sequence[Any], weights: Sequence[NDArray], features: NDArray[np.float32], wanted: bool) -> NDArray[np.float64]:
    total, times = np.zeros(len(features)), np.zeros(len(features))
    for tree, weight in zip(trees, weights, strict=True) if wanted else ():
        out = np.flatnonzero(weight == 0)
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
    leaves: dict[str, list[NDArray]] = {name: [] for name in ("mean", "mean_fit", "size", "rank", "share")}
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
    )


def _importance(trees: Sequence[Any], features: int) -> NDArray[np.float64]:
    total = np.zeros(features)
    for tree in trees:
        total += tree.feature_importances_
    return total / total.sum() if total.sum() > 0 else total


def _floor32(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    nearest = threshold.astype(np.float32)
    return np.where(nearest.astype(np.float64) > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)


ENGINES: Mapping[str, Engine] = MappingProxyType({"edaphic": _edaphic, "scikit-learn": _scikit_learn})
"""What can grow the trees, by the name that settings give."""
