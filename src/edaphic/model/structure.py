"""What a forest is: its settings, its arrays, and what an engine that grows it is told and answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


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
    little_bags : int
        Trees in a little bag: so many trees in a row are grown on one random half of the groups of rows, each on a bootstrap of the
        rows of that half. The number of trees is a multiple of it. 0: no bags, every tree on a bootstrap of all rows.
    """

    trees: int = 500
    max_features: float = 1 / 3
    min_samples_leaf: int = 5
    min_samples_split: int = 2
    max_depth: int | None = None
    split: Literal["variance", "extra"] = "variance"
    engine: Literal["edaphic", "scikit-learn"] = "edaphic"
    little_bags: int = 0

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
    bag : int
        Trees in a little bag: so many trees in a row were grown on one and the same half of the groups of rows. 0: no bags.
    leaf_total : float64 (leaves,), optional
        Sum of the bootstrap counts (times the weights) in each leaf, where it was kept.
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
    bag: int = 0
    leaf_total: NDArray[np.float64] | None = None

    @property
    def trees(self) -> int:
        """Number of trees."""
        return len(self.roots)


class Grown(NamedTuple):
    """A forest and its out-of-bag means."""

    forest: Forest
    oob: NDArray[np.float64]


class Job(NamedTuple):
    """What an engine is told: features float32 (n, q), values (n,), what the trees are grown on (n,), weights (n,), group of each row (n,),
    counted from 0 without gaps, -1 for rows without weight."""

    features: NDArray[np.float32]
    values: NDArray[np.float64]
    fitted: NDArray[np.float64]
    weights: NDArray[np.float64]
    groups: NDArray[np.int64]
    settings: Settings
    log: bool
    seed: int
    workers: int
    oob: bool


class Engine(Protocol):
    """What grows a forest."""

    def __call__(self, job: Job) -> Grown: ...
