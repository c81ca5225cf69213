"""A forest in the form that the descent reads, made once for each forest."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edaphic.model.descent import Leaves, Nodes, preorder
from edaphic.model.leaves import shift_of
from edaphic.model.structure import Forest


@dataclass(frozen=True)
class Packed:
    """Trees in the order of a walk that goes left first, and what their leaves say in the same order.

    ``leaves``: what is looked up of a leaf; ``longest``: splits on the longest way; ``code``: integers that hold the number of a leaf in
    its tree; ``ascending`` float64: means of all leaves, sorted; ``fit_differs``: whether leaves have another mean on the scale of
    growth; ``shift``: ranks of training values to a class.
    """

    nodes: Nodes
    leaves: Leaves
    longest: int
    code: type[np.unsignedinteger]
    ascending: NDArray[np.float64]
    fit_differs: bool
    shift: int


_packed: dict[int, Packed] = {}
_lock = threading.RLock()


def pack(forest: Forest) -> Packed:
    """The packed form of a forest; the same one as long as the forest lives."""
    key = id(forest)
    with _lock:
        if key not in _packed:
            _packed[key] = _make(forest)
            weakref.finalize(forest, _packed.pop, key, None)
        return _packed[key]


def _make(forest: Forest) -> Packed:
    roots, feature, threshold, right, leaf_of, first, longest = preorder(
        forest.roots, forest.feature, forest.threshold, forest.left, forest.right
    )
    order = np.argsort(forest.leaf_mean, kind="stable").astype(np.int32)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order), dtype=np.int32)
    differs = not np.array_equal(forest.leaf_mean, forest.leaf_mean_fit)
    nodes = Nodes(roots, threshold, feature, right)
    leaves = Leaves(first, forest.leaf_mean[leaf_of], forest.leaf_mean_fit[leaf_of] if differs else np.empty(0), rank[leaf_of], leaf_of)
    code = np.uint16 if np.max(np.diff(first)) <= 2**16 else np.uint32
    return Packed(nodes, leaves, int(longest), code, forest.leaf_mean[order], differs, shift_of(len(forest.values)))
