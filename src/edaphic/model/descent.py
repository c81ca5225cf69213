"""Descent of a block of cells through one tree, at several depths at once.

The cells of a block are parted at each split instead of each walking by itself: a list of cells goes in, two come out, and a node
is looked at once for all cells that reach it. A split on the upper or lower depth parts the set of depths and not the cells: both sides
get the same list. A feature whose least or greatest value in the block lies beyond the threshold sends the list on untouched.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.model.bits import WORD, as_list, everyone, part_bits

U = np.uint64
FEW = 2
"""Lists of so few cells are not parted: each cell walks on by itself."""
SPARSE = 6
"""Sets of less than this part of the cells of a block are lists, larger ones bits."""
STACK_FIELDS = 5
SPARE = 16
"""Values left free at the end of each row of features, so that rows do not all fall into the same lines of the cache."""


class Nodes(NamedTuple):
    """The trees as the descent reads them, each in the order of a walk that goes left first: the left child is the next node.

    ``roots`` int64 (trees,); ``threshold`` float32, ``feature`` int32 (-1 in a leaf) and ``right`` int32 (in a leaf its number in its
    tree) (nodes,).
    """

    roots: NDArray[np.int64]
    threshold: NDArray[np.float32]
    feature: NDArray[np.int32]
    right: NDArray[np.int32]


class Leaves(NamedTuple):
    """What the leaves say, tree by tree in the order of the nodes.

    ``first`` int64 (trees + 1,): where those of each tree start; ``value``, ``fit`` float64: their mean, and that on the scale of growth
    (empty where it is the same); ``rank`` int32: place among all leaves of the forest by mean; ``number`` int32: the forest's own number.
    """

    first: NDArray[np.int64]
    value: NDArray[np.float64]
    fit: NDArray[np.float64]
    rank: NDArray[np.int32]
    number: NDArray[np.int32]


class Block(NamedTuple):
    """Cells that go down together: features float32 (q, whole words of cells and SPARE), least and greatest of each (q,), depths (d, 2)."""

    features: NDArray[np.float32]
    least: NDArray[np.float32]
    greatest: NDArray[np.float32]
    depths: NDArray[np.float32]
    cells: int


class Room(NamedTuple):
    """Room for lists of cells, twice (d + 1) n, for sets of them as bits and for the nodes to come, a row for each place of the stack."""

    lists: NDArray[np.uint16]
    bits: NDArray[np.uint64]
    stack: NDArray[np.int64]


def room(cells: int, depths: int, longest: int) -> Room:
    """Room for blocks of so many cells and trees of so many splits from root to leaf."""
    return Room(
        np.empty(2 * (depths + 1) * cells, dtype=np.uint16), np.empty((longest + 2, words(cells)), dtype=np.uint64),
        np.empty((longest + 2, STACK_FIELDS), dtype=np.int64),
    )  # fmt: skip


def words(cells: int) -> int:
    """Words that hold a bit for each cell."""
    return -(-cells // WORD)


@kernel
def preorder(roots, feature, threshold, left, right):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Trees with the left child right behind its parent, their leaves in that order and where those of each tree start, and the number of
    splits on the longest way.
    """
    nodes = feature.shape[0]
    leaf_of, first = np.empty(nodes, dtype=np.int32), np.zeros(roots.shape[0] + 1, dtype=np.int64)
    root_to, feature_to = np.empty_like(roots), np.empty_like(feature)
    threshold_to, right_to = np.empty_like(threshold), np.empty_like(right)
    todo = np.empty((nodes + 1, 3), dtype=np.int64)
    at = longest = 0
    for t in range(roots.shape[0]):
        root_to[t] = at
        first[t + 1] = first[t]
        todo[0, 0], todo[0, 1], todo[0, 2] = roots[t], -1, 0
        top = 1
        while top > 0:
            top -= 1
            node, parent, length = todo[top, 0], todo[top, 1], todo[top, 2]
            if parent >= 0:
                right_to[parent] = at
            longest = max(longest, length)
            feature_to[at], threshold_to[at] = feature[node], threshold[node]
            if feature[node] < 0:
                right_to[at] = first[t + 1] - first[t]
                leaf_of[first[t + 1]] = left[node]
                first[t + 1] += 1
            else:
                todo[top, 0], todo[top, 1], todo[top, 2] = right[node], at, length + 1
                todo[top + 1, 0], todo[top + 1, 1], todo[top + 1, 2] = left[node], -1, length + 1
                top += 2
            at += 1
    return root_to, feature_to[:at], threshold_to[:at], right_to[:at], leaf_of[: first[-1]], first, longest


@kernel
def descend(root, nodes, block, room, reached):  # type: ignore[no-untyped-def]  # compiled
    """Send the cells down one tree and write the numbers of the leaves that they reach into ``reached`` (d, n)."""
    threshold, feature, right = nodes.threshold, nodes.feature, nodes.right
    features, n_all = block.features, block.cells
    lists, bits, stack = room.lists, room.bits, room.stack
    q, layers = features.shape[0], reached.shape[0]
    half = lists.shape[0] // 2
    dense = n_all // SPARSE
    # A block may be smaller than its room: words behind its last cell stand for no features.
    used = (n_all + WORD - 1) // WORD
    everyone(bits[0][:used], n_all)
    top = 1
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3], stack[0, 4] = root, -1, n_all, (1 << layers) - 1, 0
    while top > 0:
        top -= 1
        # The cells of a node: where their list begins (-1: they are bits, in the row of this place of the stack), how many, the depths
        # (bits) that they stand for, and where free room begins.
        node, begin, n, mask, free = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3], stack[top, 4]
        while True:
            f = feature[node]
            if begin < 0 and (n <= dense or f < 0):
                as_list(bits[top][:used], lists, free)
                begin, free = free, free + n
            if f < 0:
                _arrive(right[node], lists, begin, n, mask, reached)
                break
            limit = threshold[node]
            if f >= q:
                lower = _lower(block.depths, f - q, limit)
                if mask & ~lower == 0:
                    node += 1
                elif mask & lower == 0:
                    node = right[node]
                else:
                    stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3], stack[top, 4] = right[node], begin, n, mask & ~lower, free
                    # The left side gets a copy: the lists of its descendants overwrite one another.
                    if begin < 0:
                        bits[top + 1] = bits[top]
                    else:
                        for i in range(n):
                            lists[U(free + i)] = lists[U(begin + i)]
                        begin, free = free, free + n
                    top += 1
                    mask &= lower
                    node += 1
            elif block.greatest[f] <= limit:
                node += 1
            elif block.least[f] > limit:
                node = right[node]
            elif begin < 0:
                went = part_bits(features[f], limit, bits[top][:used], bits[top + 1][:used], bits[top][:used])
                if went == n:
                    bits[top] = bits[top + 1]
                    node += 1
                elif went == 0:
                    node = right[node]
                else:
                    stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3], stack[top, 4] = right[node], -1, n - went, mask, free
                    top += 1
                    n = went
                    node += 1
            elif n <= FEW:
                _walk(node, nodes, block, lists, begin, n, mask, reached)
                break
            else:
                other = begin + half if begin < half else begin - half
                went = _part(features[f], limit, lists, begin, other, n)
                if went == n:
                    node += 1
                elif went == 0:
                    node = right[node]
                else:
                    stack[top, 0], stack[top, 1], stack[top, 2] = right[node], other + went, n - went
                    stack[top, 3], stack[top, 4] = mask, free
                    top += 1
                    begin, n = other, went
                    node += 1


@kernel
def _lower(depths, which, limit):  # type: ignore[no-untyped-def]  # compiled
    """Depths, as bits, that go left."""
    lower = 0
    for d in range(depths.shape[0]):
        if depths[d, which] <= limit:
            lower |= 1 << d
    return lower


@kernel
def _part(values, limit, lists, begin, other, n):  # type: ignore[no-untyped-def]  # compiled
    # Left from the front, right from the back, one store for each cell and no branch; out of place, since a store into the list that is
    # being read makes the processor wait. U: an unsigned index is not tested for being negative.
    left, last, source, target = U(0), U(n - 1), U(begin), U(other)
    for i in range(U(n)):
        c = lists[source + i]
        goes = values[U(c)] <= limit
        lists[target + (left if goes else last - i + left)] = c
        left += U(goes)
    return np.int64(left)


@kernel
def _arrive(leaf, lists, begin, n, mask, reached):  # type: ignore[no-untyped-def]  # compiled
    for d in range(reached.shape[0]):
        if mask >> d & 1:
            row = reached[d]
            for i in range(n):
                row[U(lists[U(begin + i)])] = leaf


@kernel
def _walk(start, nodes, block, lists, begin, n, mask, reached):  # type: ignore[no-untyped-def]  # compiled
    q = block.features.shape[0]
    for d in range(reached.shape[0]):
        if mask >> d & 1:
            for i in range(n):
                c = lists[U(begin + i)]
                node = np.int64(start)
                while nodes.feature[node] >= 0:
                    f = nodes.feature[node]
                    x = block.features[f, c] if f < q else block.depths[d, f - q]
                    node = node + 1 if x <= nodes.threshold[node] else np.int64(nodes.right[node])
                reached[d, c] = nodes.right[node]
