"""Kernels that grow one regression tree after another on ranks instead of values.

A feature is replaced by the rank of each row among the feature's distinct values (:func:`code`), so a node deals with small integers;
:mod:`edaphic.model.cuts` looks for the thresholds. Every tree has a random stream of its own, from the seed and its number: no result
depends on the order in which trees are grown, or on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.model.cuts import (
    BINS,
    FULL,
    FULL_ROWS,
    SMALL,
    below,
    binned_cut,
    first_above,
    middle_of,
    ordered_cut,
    pack,
    radix_sort,
    random_cut,
    refined_cut,
    seeded,
    small_sort,
)  # fmt: skip

NO_LIMIT = 2**31 - 1
"""Depth of trees that may grow as deep as they will."""
TOGETHER = 16
"""Most trees of one call of the kernel; fixed, so that sums run in the same order on any number of threads."""
BIG_ROWS = 50_000
"""Rows times trees of one call, unless one tree has more."""
WIDEST = 65536
"""Most distinct values whose ranks fit 16 bits."""


class Rule(NamedTuple):
    """When a node is split, and how: features tried, fewest rows in a leaf and in a node to split, most splits from the root,
    whether thresholds are drawn."""

    tried: int
    leaf: int
    least: int
    depth: int
    extra: bool


class Nodes(NamedTuple):
    """Room for the nodes of a tree; in a leaf ``left`` is its number."""

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    leaf_start: NDArray[np.int64]


class Space(NamedTuple):
    """Room that a node works in."""

    rank: NDArray[np.int32]
    pull: NDArray[np.float64]
    mass: NDArray[np.float64]
    bins: NDArray[np.float64]
    short: NDArray[np.int32]
    key: NDArray[np.int64]
    spare: NDArray[np.int64]
    stack: NDArray[np.int64]
    order: NDArray[np.int64]


class Coded(NamedTuple):
    """Features as ranks.

    ``codes`` uint16 or int32 (q, n): rank of each row among the distinct values of its feature; ``levels`` float32: the distinct
    values of all features in ascending order, one feature after another; ``starts`` int64 (q + 1,): where each feature's begin.
    """

    codes: NDArray
    levels: NDArray[np.float32]
    starts: NDArray[np.int64]


def code(features: NDArray[np.float32], workers: int = 1) -> Coded:
    """Ranks of the rows in each feature; equal values have equal ranks.

    Parameters
    ----------
    features : float32 (n, q)
        Finite.
    workers : int
        Threads.

    >>> coded = code(np.array([[5.0], [1.0], [5.0], [3.0]], dtype=np.float32))
    >>> coded.codes.tolist(), coded.levels.tolist()
    ([[2, 0, 2, 1]], [1.0, 3.0, 5.0])
    """

    def column(number: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        values = np.ascontiguousarray(features[:, number])
        levels = np.unique(values)
        return levels, np.searchsorted(levels, values)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        columns = list(pool.map(column, range(features.shape[1])))
    starts = np.concatenate([[0], np.cumsum([len(levels) for levels, _ in columns])]).astype(np.int64)
    kind = np.uint16 if np.diff(starts).max() <= WIDEST else np.int32
    codes = np.empty(features.shape[::-1], dtype=kind)
    for number, (_, ranks) in enumerate(columns):
        codes[number] = ranks
    return Coded(codes, np.concatenate([levels for levels, _ in columns]), starts)


def part_of_features(coded: Coded, columns: Sequence[int]) -> Coded:
    """Some of the features."""
    levels = [coded.levels[coded.starts[c] : coded.starts[c + 1]] for c in columns]
    starts = np.concatenate([[0], np.cumsum([len(own) for own in levels])]).astype(np.int64)
    return Coded(coded.codes[list(columns)], np.concatenate(levels), starts)


@kernel
def make_nodes(rows, leaf):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Room for the largest tree of so many rows."""
    leaves = max(1, rows // leaf)
    size = 2 * leaves - 1
    return Nodes(
        np.empty(size, np.int32), np.empty(size, np.float32), np.empty(size, np.int32), np.empty(size, np.int32),
        np.empty(leaves + 1, np.int64),
    )  # fmt: skip


@kernel
def make_space(rows, others, features):  # type: ignore[no-untyped-def]  # compiled
    """Room for nodes of so many rows, and so many others that go down with them."""
    return Space(
        np.empty(rows, np.int32), np.empty(rows), np.empty(rows), np.empty((BINS, 3)), np.empty(SMALL, np.int32),
        np.empty(rows, np.int64), np.empty(max(rows, others), np.int64), np.empty((rows + 2, 6), np.int64), np.empty(features, np.int64),
    )  # fmt: skip


@kernel
def bag(state, inside, distinct, weights, drawn, rows):  # type: ignore[no-untyped-def]  # compiled
    """Draw as many rows as there are in ``inside``, with replacement; ``distinct`` are these without repeats, in order.

    Fills ``drawn`` with the count of each row times its weight and ``rows`` with those that have one, in order; returns their number.
    """
    for i in distinct:
        drawn[i] = 0.0
    for _ in range(len(inside)):
        drawn[inside[below(state, len(inside))]] += 1.0
    count = 0
    for i in distinct:
        drawn[i] *= weights[i]
        if drawn[i] > 0.0:
            rows[count] = i
            count += 1
    return count


@kernel
def half_of(state, groups, count, order, taken, inside):  # type: ignore[no-untyped-def]  # compiled
    """Draw half of ``count`` groups (the smaller half); ``inside`` gets their rows, in order; returns the number of rows.

    ``taken`` (count,) says which groups these are; ``order`` (count,) is room.
    """
    for g in range(count):
        order[g], taken[g] = g, False
    for k in range(count // 2):
        j = k + below(state, count - k)
        order[k], order[j] = order[j], order[k]
        taken[order[k]] = True
    rows = 0
    for i in range(len(groups)):
        if groups[i] >= 0 and taken[groups[i]]:
            inside[rows] = i
            rows += 1
    return rows


@kernel
def _gather(codes, rows, start, m, rank):  # type: ignore[no-untyped-def]  # compiled
    """Ranks of a node's rows in one feature; the smallest and the largest."""
    low = high = np.int32(codes[rows[start]])
    for i in range(m):
        r = np.int32(codes[rows[start + i]])
        rank[i] = r
        low = min(low, r)
        high = max(high, r)
    return np.int64(low), np.int64(high)


@kernel
def _weigh(fitted, drawn, rows, start, m, pull, mass):  # type: ignore[no-untyped-def]  # compiled
    """Pulls and masses of a node's rows; its mass, its mean, and whether all its values are one."""
    total, moment = 0.0, 0.0
    first = fitted[rows[start]]
    varied = False
    for i in range(m):
        r = rows[start + i]
        weight, value = drawn[r], fitted[r]
        mass[i] = weight
        pull[i] = value
        total += weight
        moment += weight * value
        varied |= value != first
    mean = moment / total
    for i in range(m):
        pull[i] = mass[i] * (pull[i] - mean)
    return total, mean, not varied


@kernel
def _try(space, m, low, high, total, leaf):  # type: ignore[no-untyped-def]  # compiled
    """Best threshold of the feature whose ranks are in ``space.rank``: gain, ranks left and right of it, width of the bins (0: exact)."""
    if m > SMALL:
        gain, left, right, shift, fullest = binned_cut(space.rank, space.pull, space.mass, m, low, high, total, leaf, space.bins)
        if shift == 0 or fullest <= FULL_ROWS or fullest * FULL <= m:
            return gain, left, right, shift
        pack(space.rank, m, space.key)
        radix_sort(space.key, m, low, high, space.spare)
    else:
        small_sort(space.rank, m, low, space.short, space.key)
    gain, left, right = ordered_cut(space.key, m, space.pull, space.mass, 0.0, 0.0, 0, m, total, leaf)
    return gain, left, right, 0


@kernel
def _split(codes, levels, starts, rows, start, m, total, rule, space, state):  # type: ignore[no-untyped-def]  # compiled
    """Best split among the features drawn: gain (below 0: none), feature, threshold, first rank right of it.

    Features that are constant in the node count as tried, but at least one that is not is looked for, as scikit-learn does.
    """
    best, feature, left, right, shift, threshold = -1.0, -1, 0, 0, 0, np.float32(0.0)
    varied = False
    q = len(space.order)
    for k in range(q):
        if k >= rule.tried and varied:
            break
        j = k + below(state, q - k)
        f = space.order[j]
        space.order[j] = space.order[k]
        space.order[k] = f
        low, high = _gather(codes[f], rows, start, m, space.rank)
        if low == high:
            continue
        varied = True
        if rule.extra:
            own = levels[starts[f] : starts[f + 1]]
            gain, at, r = random_cut(space.rank, space.pull, space.mass, m, own, low, high, total, rule.leaf, state)
            if gain > best:
                best, feature, threshold, right = gain, f, at, r
        else:
            gain, l, r, wide = _try(space, m, low, high, total, rule.leaf)
            if gain > best:
                best, feature, left, right, shift = gain, f, l, r, wide
    if feature >= 0 and not rule.extra:
        own = levels[starts[feature] : starts[feature + 1]]
        if shift > 0:
            _gather(codes[feature], rows, start, m, space.rank)
            left, right = refined_cut(space.rank, space.pull, space.mass, m, left, right, shift, total, rule.leaf, space.key, space.spare)
        threshold = middle_of(own[left], own[right])
        right = first_above(own, left, right, threshold)
    return best, feature, threshold, right


@kernel
def _part(codes, rows, start, m, cut, spare):  # type: ignore[no-untyped-def]  # compiled
    """Rows that go left first, either side in its order; how many go left."""
    left = right = 0
    own = rows[start : start + m]
    for i in range(m):
        r = own[i]
        # Both are written, one counts: no branch to guess.
        goes = codes[r] < cut
        own[np.uint64(left)] = r
        spare[np.uint64(right)] = r
        left += goes
        right += not goes
    for i in range(right):
        own[np.uint64(left + i)] = spare[i]
    return left


@kernel
def grow_tree(  # type: ignore[no-untyped-def]  # compiled
    codes, levels, starts, fitted, drawn, rows, count, others, ask, answers, rule, space, nodes, gains, state
):
    """Grow one tree on ``rows[:count]``, which end up in the order of the leaves; numbers of nodes and leaves.

    Nodes stand in the order of a walk that goes left first. ``gains`` (features,) gets the decrease of the sum of squares. The rows
    ``others[:ask]`` go down with the tree; the means of their leaves are added to their ``answers``.
    """
    for f in range(len(space.order)):
        space.order[f] = f
    number, leaves, top = 0, 0, 1
    _push(space.stack, 0, 0, count, 0, -1, 0, ask)
    while top > 0:
        top -= 1
        start, m, depth = space.stack[top, 0], space.stack[top, 1], space.stack[top, 2]
        parent, other, asked = space.stack[top, 3], space.stack[top, 4], space.stack[top, 5]
        if parent >= 0:
            nodes.right[parent] = number
        feature, gain, threshold, cut = -1, -1.0, np.float32(0.0), 0
        total, mean, pure = _weigh(fitted, drawn, rows, start, m, space.pull, space.mass)
        if not pure and m >= rule.least and m >= 2 * rule.leaf and depth < rule.depth:
            gain, feature, threshold, cut = _split(codes, levels, starts, rows, start, m, total, rule, space, state)
        nodes.feature[number], nodes.threshold[number] = feature, threshold
        if feature < 0:
            nodes.left[number], nodes.right[number], nodes.leaf_start[leaves] = leaves, -1, start
            for i in range(other, other + asked):
                answers[others[i]] += mean
            leaves += 1
        else:
            gains[feature] += gain
            nodes.left[number] = number + 1
            left = _part(codes[feature], rows, start, m, cut, space.spare)
            gone = _part(codes[feature], others, other, asked, cut, space.spare)
            _push(space.stack, top, start + left, m - left, depth + 1, number, other + gone, asked - gone)
            _push(space.stack, top + 1, start, left, depth + 1, -1, other, gone)
            top += 2
        number += 1
    nodes.leaf_start[leaves] = count
    return number, leaves


@kernel
def _push(stack, top, start, m, depth, parent, other, asked):  # type: ignore[no-untyped-def]  # compiled
    """A node to come; ``parent`` where it is a right child."""
    stack[top, 0], stack[top, 1], stack[top, 2] = start, m, depth
    stack[top, 3], stack[top, 4], stack[top, 5] = parent, other, asked


@kernel
def grow_trees(  # type: ignore[no-untyped-def]  # compiled
    codes, levels, starts, values, fitted, weights, groups, bag_size, rule, seed, first, last, oob
):
    """Trees ``first`` to ``last`` - 1, their arrays one after another; rows stand in the order of their values.

    Where ``bag_size`` is above 0, tree t is grown on the half of the groups that belongs to t // ``bag_size``; out of bag is then what no
    tree of the bag could draw.

    Returns the sizes of each tree (trees, 3: nodes, leaves, members); feature, threshold, left, right of the nodes; mean and mean of
    the fitted of the leaves; where the members of each leaf end; members and their shares; the importance, added up over the trees;
    sum and number of the out-of-bag predictions of each row, where asked for.
    """
    n, trees = len(values), last - first
    room, space, state = make_nodes(n, rule.leaf), make_space(n, n, len(codes)), np.zeros(1, np.uint64)
    nodes, most = trees * len(room.feature), trees * (len(room.leaf_start) - 1)
    sizes = np.zeros((trees, 3), np.int64)
    feature, threshold = np.empty(nodes, np.int32), np.empty(nodes, np.float32)
    left, right = np.empty(nodes, np.int32), np.empty(nodes, np.int32)
    mean, mean_fit, ends = np.empty(most), np.empty(most), np.empty(most, np.int64)
    member, share = np.empty(trees * n, np.int32), np.empty(trees * n, np.float32)
    importance, answers, times = np.zeros(len(codes)), np.zeros(n), np.zeros(n, np.int64)
    drawn, rows, others, inside = np.empty(n), np.empty(n, np.uint32), np.empty(n, np.uint32), np.arange(n)
    many = groups.max() + 1 if bag_size > 0 else 0
    order, taken = np.empty(many, np.int64), np.empty(many, np.bool_)
    a = b = c = 0
    for tree in range(trees):
        own = n
        if bag_size > 0:
            # A stream of its own for each bag: numbers below zero are no trees.
            seeded(state, seed, -1 - (first + tree) // bag_size)
            own = half_of(state, groups, many, order, taken, inside)
            drawn[:] = 0.0
        seeded(state, seed, first + tree)
        count = bag(state, inside[:own], inside[:own], weights, drawn, rows)
        ask = 0
        if oob:
            ask = _outside(groups, taken, others, times) if bag_size > 0 else _left_out(drawn, others, times)
        gains = np.zeros(len(codes))
        size, leaves = grow_tree(
            codes, levels, starts, fitted, drawn, rows, count, others, ask, answers, rule, space, room, gains, state
        )  # fmt: skip
        sizes[tree] = (size, leaves, count)
        if gains.sum() > 0.0:
            importance += gains / gains.sum()
        feature[a : a + size] = room.feature[:size]
        threshold[a : a + size] = room.threshold[:size]
        left[a : a + size] = room.left[:size]
        right[a : a + size] = room.right[:size]
        ends[b : b + leaves] = room.leaf_start[1 : leaves + 1]
        _fill_leaves(room.leaf_start, leaves, rows, drawn, values, fitted, mean[b:], mean_fit[b:], member[c:], share[c:])
        a, b, c = a + size, b + leaves, c + count
    return (
        sizes, feature[:a].copy(), threshold[:a].copy(), left[:a].copy(), right[:a].copy(), mean[:b].copy(), mean_fit[:b].copy(),
        ends[:b].copy(), member[:c].copy(), share[:c].copy(), importance, answers, times,
    )  # fmt: skip


@kernel
def _left_out(drawn, others, times):  # type: ignore[no-untyped-def]  # compiled
    """Rows that a tree does not use; their number."""
    count = 0
    for i in range(len(drawn)):
        if drawn[i] == 0.0:
            others[count] = i
            times[i] += 1
            count += 1
    return count


@kernel
def _outside(groups, taken, others, times):  # type: ignore[no-untyped-def]  # compiled
    """Rows of groups that a bag does not hold; their number."""
    count = 0
    for i in range(len(groups)):
        if groups[i] < 0 or not taken[groups[i]]:
            others[count] = i
            times[i] += 1
            count += 1
    return count


@kernel
def _fill_leaves(leaf_start, leaves, rows, drawn, values, fitted, mean, mean_fit, member, share):  # type: ignore[no-untyped-def]
    """Means, members and shares of the leaves of one tree."""
    for leaf in range(leaves):
        total, moment, moment_fit = 0.0, 0.0, 0.0
        for i in range(leaf_start[leaf], leaf_start[leaf + 1]):
            r = rows[i]
            total += drawn[r]
            moment += drawn[r] * values[r]
            moment_fit += drawn[r] * fitted[r]
        mean[leaf], mean_fit[leaf] = moment / total, moment_fit / total
        for i in range(leaf_start[leaf], leaf_start[leaf + 1]):
            member[i] = rows[i]
            share[i] = np.float32(drawn[rows[i]] / total)


def grow_forest(
    features: NDArray[np.float32],
    values: NDArray[np.float64],
    fitted: NDArray[np.float64],
    weights: NDArray[np.float64],
    groups: NDArray[np.int64],
    bag_size: int,
    rule: Rule,
    trees: int,
    seed: int,
    workers: int,
    oob: bool,
) -> dict[str, Any]:
    """Grow trees and put their arrays together.

    Parameters
    ----------
    features : float32 (n, q)
        Rows in the ascending order of their values, as in all that follows.
    values, fitted, weights : float64 (n,)
    groups : int64 (n,)
        Group of each row, from 0 without gaps; -1 for rows that no half of the groups holds.
    bag_size : int
        Trees in a little bag; 0: none.
    rule : Rule
    trees, seed, workers : int
    oob : bool
        Whether out-of-bag predictions are wanted.

    Returns
    -------
    dict
        The arrays of :class:`edaphic.model.forest.Forest` that come from trees, and ``oob`` (n,), all NaN where it is not wanted.
    """
    coded = code(features, workers)
    chunk = max(1, min(TOGETHER, BIG_ROWS // len(values)))
    firsts = range(0, trees, chunk)

    def part(first: int) -> tuple[NDArray, ...]:
        last = min(trees, first + chunk)
        grown: tuple[NDArray, ...] = grow_trees(
            *coded, values, fitted, weights, groups, bag_size, rule, np.uint64(seed % 2**64), first, last, oob
        )
        return grown

    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(part, firsts))
    sizes, feature, threshold, left, right, mean, mean_fit, ends, member, share = (
        np.concatenate([one[k] for one in parts]) for k in range(10)
    )
    # Numbers within a tree become numbers within the forest.
    node, leaf, offset = (np.concatenate([[0], np.cumsum(sizes[:, k])[:-1]]) for k in range(3))
    node_of, leaf_of = np.repeat(node, sizes[:, 0]), np.repeat(leaf, sizes[:, 0])
    is_leaf = feature < 0
    importance = np.sum([one[10] for one in parts], axis=0)
    answers, times = (np.sum([one[k] for one in parts], axis=0) for k in (11, 12))
    return {
        "roots": node.astype(np.int64),
        "feature": feature,
        "threshold": threshold,
        "left": (left + np.where(is_leaf, leaf_of, node_of)).astype(np.int32),
        "right": np.where(is_leaf, -1, right + node_of).astype(np.int32),
        "leaf_mean": mean,
        "leaf_mean_fit": mean_fit,
        "leaf_start": np.concatenate([[0], ends + np.repeat(offset, sizes[:, 1])]).astype(np.int64),
        "member_rank": member,
        "member_share": share,
        "importance": importance / importance.sum() if importance.sum() > 0.0 else importance,
        "oob": np.where(times > 0, answers / np.maximum(times, 1), np.nan),
    }
