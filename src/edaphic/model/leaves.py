"""Quantiles from the training values in the leaves that a cell reaches.

The weight of a training value is the mean over the trees of its share in the leaf (Meinshausen 2006), and a quantile is the smallest value
at which the weights add up to the level. "pooled" instead takes the members of all leaves as one sample, each as often as it was drawn, and
quantiles between its values on straight lines (definition 7 of Hyndman and Fan 1996): large leaves count for more.

A cell adds the members of its leaves, as whole numbers, to one sum for each rank. Most leaves are the same at the next depth: only the
others are taken off and replaced, which is exact with whole numbers. What takes the time is to fetch 500 leaves from 500 places, so a
member is eight bytes that hold all there is to know, and leaves are touched some time before they are read.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.model.structure import Forest

CELLS = 16
"""Cells whose leaves are turned from tree by tree to cell by cell together."""
BATCH = 32
"""Leaves that are touched before their members are added."""
SHARE_BITS = 40
"""Bits of the share in the record of a member; the rank stands above them."""
UNIT = 2.0 ** (SHARE_BITS - 1)
"""The number that stands for a share of one."""
LOW = (1 << SHARE_BITS) - 1
"""Picks the share out of a record."""
U = np.uint64
ALLOWANCE = 1e-6
"""Shares are float32: their sum over a leaf may miss 1 by a few units of 1e-8, so a level counts as reached that much before."""


def shift_of(values: int) -> int:
    """Ranks to a class, as a power of two: about as many classes as ranks in each.

    >>> shift_of(7300), shift_of(1)
    (6, 0)
    """
    return max(0, math.ceil(math.log2(max(1, values)) / 2) - 1)


def one_of_each(forest: Forest) -> NDArray[np.int32]:
    """A member of each leaf, drawn with its share as probability: its rank (leaves,).

    What is drawn depends on the number of the leaf alone: the same forest always gives the same members.
    """
    number = np.arange(1, len(forest.leaf_mean) + 1, dtype=np.uint64)
    part = _mixed(number).astype(np.float64) / 2.0**64
    before = np.concatenate([[0.0], np.cumsum(forest.member_share, dtype=np.float64)])
    start, end = forest.leaf_start[:-1], forest.leaf_start[1:]
    wanted = before[start] + part * (before[end] - before[start])
    at = np.clip(np.searchsorted(before, wanted, side="right") - 1, start, end - 1)
    drawn: NDArray[np.int32] = forest.member_rank[at]
    return drawn


def _mixed(number: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # SplitMix64 (Steele, Lea and Flood 2014): neighbours come out unrelated.
    with np.errstate(over="ignore"):
        z = number * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def drawn_counts(forest: Forest) -> NDArray[np.float32]:
    """How often each member of a leaf was drawn (members,).

    Raises
    ------
    ValueError
        The forest does not hold it, or its rows have weights.
    """
    if forest.leaf_total is None:
        raise ValueError("leaf: a forest without the totals of its leaves; expected one of scikit-learn's, as flatten gives it")
    weight = forest.member_share * np.repeat(forest.leaf_total, np.diff(forest.leaf_start))
    counts = np.rint(weight)
    if np.any(np.abs(weight - counts) > 1e-3):
        raise ValueError("leaf: a forest of weighted rows; expected one that counts every row alike")
    return counts.astype(np.float32)


def quantile_bytes(forest: Forest, depths: int) -> int:
    """Memory that :func:`member_quantiles` takes besides what it is given: a sum for each rank, and the leaves of some cells."""
    values, most = len(forest.values), int(np.diff(forest.leaf_start).max())
    sums = 8 * (values + (1 << shift_of(values)))
    return sums + sums // 2 + 4 * forest.trees * (CELLS * depths + 2) + 4 * BATCH * (most + 1)


@kernel
def member_quantiles(leaves, members, pooled, values, shift, levels, out):  # type: ignore[no-untyped-def]  # compiled
    """Quantiles of the members of the leaves of n cells at d depths.

    ``leaves`` (trees, d, n): leaves that the cells reach; ``members``: a :class:`edaphic.model.members.Members`; ``pooled``: shares are
    numbers of rows, and quantiles lie between rows; ``out`` (d, n, levels).
    """
    trees, layers, n = leaves.shape
    many, classes = levels.shape[0], (values.shape[0] >> shift) + 1
    weight, sums = np.empty(classes << shift, dtype=np.int64), np.empty(classes, dtype=np.int64)
    own, other = np.empty((CELLS, layers, trees), dtype=np.int32), np.empty((2, trees), dtype=np.int32)
    targets, part, low, high = np.empty((2, many), dtype=np.int64), np.zeros(many), np.empty(many), np.empty(many)
    groups, seen = np.empty(BATCH * members.most + 2, dtype=np.int32), 0
    for begin in range(0, n, CELLS):
        size = min(CELLS, n - begin)
        for t in range(trees):
            for d in range(layers):
                row = leaves[t, d]
                for i in range(size):
                    own[i, d, t] = row[begin + i]
        for i in range(size):
            for d in range(layers):
                changed = trees if d == 0 else _changed(own[i, d - 1], own[i, d], other)
                # Most leaves are the same at the next depth; exact sums allow to take off what is not.
                if 2 * changed >= trees:
                    weight[:] = 0
                    seen ^= _add(own[i, d], 1, members, groups, weight)
                else:
                    seen ^= _add(other[1, :changed], 1, members, groups, weight)
                    seen ^= _add(other[0, :changed], -1, members, groups, weight)
                total = _sum_classes(weight, shift, sums)
                _seek(total, levels, trees, pooled, targets, part)
                _read(weight, sums, shift, targets[0], values, low)
                if pooled:
                    _read(weight, sums, shift, targets[1], values, high)
                    for k in range(many):
                        out[d, begin + i, k] = low[k] + part[k] * (high[k] - low[k])
                else:
                    out[d, begin + i] = low
    return seen  # or the touches would be left out


@kernel
def _changed(before, after, other):  # type: ignore[no-untyped-def]  # compiled
    """Leaves before and after where they are not the same, and their number."""
    count = 0
    for t in range(before.shape[0]):
        other[0, count], other[1, count] = before[t], after[t]
        count += int(before[t] != after[t])
    return count


@kernel
def _add(leaves, sign, members, groups, weight):  # type: ignore[no-untyped-def]  # compiled
    """Add the members of some leaves, or take them off (sign -1).

    For a batch of leaves, groups are listed first and their first members touched: the processor then waits for many of them at a time,
    and need not guess how many groups a leaf has.
    """
    first, record, width = members.first, members.record, members.width
    seen = 0
    for start in range(0, leaves.shape[0], BATCH):
        many = 0
        for t in range(start, min(start + BATCH, leaves.shape[0])):
            leaf = U(leaves[t])
            begin = first[leaf]
            count = first[leaf + U(1)] - begin
            groups[many], groups[many + 1] = begin, begin + 1
            for g in range(2, count):
                groups[many + g] = begin + g
            many += count
        for g in range(many):
            seen ^= record[U(groups[g]) * U(width)]
        for g in range(many):
            at = U(groups[g]) * U(width)
            for m in range(at, at + U(width)):
                r = record[m]
                weight[U(r >> SHARE_BITS)] += sign * (r & LOW)
    return seen


@kernel
def _sum_classes(weight, shift, sums):  # type: ignore[no-untyped-def]  # compiled
    total = 0
    for c in range(sums.shape[0]):
        of_class, own = 0, weight[c << shift : (c + 1) << shift]
        for r in range(own.shape[0]):
            of_class += own[r]
        sums[c] = of_class
        total += of_class
    return total


@kernel
def _seek(total, levels, trees, pooled, targets, part):  # type: ignore[no-untyped-def]  # compiled
    """Sums of shares that reach the quantiles: from the first member on, and reached by the last."""
    for k in range(levels.shape[0]):
        if pooled:
            at = levels[k] * (total - 1.0)
            whole = np.int64(np.floor(at))
            part[k] = at - whole
            targets[0, k], targets[1, k] = min(whole + 1, total), min(whole + 2, total)
        else:
            target = np.int64(np.ceil((levels[k] * trees - ALLOWANCE * trees) * UNIT))
            targets[0, k] = max(np.int64(1), min(target, total))


@kernel
def _read(weight, sums, shift, targets, values, out):  # type: ignore[no-untyped-def]  # compiled
    """The smallest value at which the sum reaches each target; targets ascend."""
    c, before, r, running = 0, np.int64(0), 0, np.int64(0)
    for k in range(targets.shape[0]):
        target = targets[k]
        if before + sums[c] < target:
            while c < sums.shape[0] - 1 and before + sums[c] < target:
                before += sums[c]
                c += 1
            r, running = c << shift, before
        while r < values.shape[0] - 1 and running + weight[r] < target:
            running += weight[r]
            r += 1
        out[k] = values[r]
