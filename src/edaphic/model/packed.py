"""A forest in the form that the descent reads, made once for each forest."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edaphic.model.descent import Nodes, preorder
from edaphic.model.leaves import drawn_counts, one_of_each, shift_of
from edaphic.model.structure import Forest

Members = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]


@dataclass(frozen=True)
class Packed:
    """Trees in the order of a walk that goes left first, and the leaves by their means.

    ``rank`` int32 (leaves,): place of each leaf when all are sorted by their mean; ``number`` int32 (leaves,): numbers of the leaves
    themselves; ``ascending`` float64 (leaves,) the sorted means; ``longest``: splits on the longest way; ``fit_differs``: whether leaves
    have another mean on the scale of growth; ``shift``: ranks of training values to a class; ``kept``: members once they were asked for.
    """

    nodes: Nodes
    longest: int
    rank: NDArray[np.int32]
    number: NDArray[np.int32]
    ascending: NDArray[np.float64]
    fit_differs: bool
    shift: int
    kept: dict[str, Members] = field(default_factory=dict, repr=False)

    def members(self, forest: Forest, leaf: Literal["all", "one", "pooled"]) -> Members:
        """Where the members of each leaf start, their ranks, and their shares or numbers."""
        if leaf == "all":
            return forest.leaf_start, forest.member_rank, forest.member_share
        if leaf not in self.kept:
            leaves = len(forest.leaf_mean)
            self.kept[leaf] = (
                (forest.leaf_start, forest.member_rank, drawn_counts(forest))
                if leaf == "pooled"
                else (np.arange(leaves + 1), one_of_each(forest), np.ones(leaves, dtype=np.float32))
            )
        return self.kept[leaf]


_packed: dict[int, Packed] = {}


def pack(forest: Forest) -> Packed:
    """The packed form of a forest; the same one as long as the forest lives."""
    key = id(forest)
    found = _packed.get(key)
    if found is None:
        roots, feature, threshold, right, longest = preorder(
            forest.roots, forest.feature, forest.threshold, forest.left, forest.right
        )
        order = np.argsort(forest.leaf_mean, kind="stable").astype(np.int32)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order), dtype=np.int32)
        differs = not np.array_equal(forest.leaf_mean, forest.leaf_mean_fit)
        found = Packed(
            Nodes(roots, threshold, feature, right), int(longest), rank, np.arange(len(order), dtype=np.int32), forest.leaf_mean[order],
            differs, shift_of(len(forest.values)),
        )  # fmt: skip
        _packed[key] = found
        weakref.finalize(forest, _packed.pop, key, None)
    return found
