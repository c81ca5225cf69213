"""Quantiles from the training values in the leaves that a cell reaches.

The weight of a training value is the mean over the trees of its share in the leaf (Meinshausen 2006), and a quantile is the smallest value
at which the weights add up to the level. "pooled" instead takes the members of all leaves as one sample, each as often as it was drawn, and
quantiles between its values on straight lines (definition 7 of Hyndman and Fan 1996): large leaves count for more. Weights are added up
in coarse classes of ranks first; only the classes that hold a wanted level are then added up rank by rank.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from edaphic.model.structure import Forest

CELLS = 32
"""Cells that are read off together, tree by tree."""
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


@numba.njit(cache=True, nogil=True)
def member_quantiles(leaves, start, member, share, pooled, values, shift, levels, out):  # type: ignore[no-untyped-def]  # compiled
    """Quantiles of the members of the leaves of n cells.

    ``leaves`` (trees, n): leaves that the cells reach; ``start`` (leaves + 1,), ``member``, ``share``: their members by rank among
    ``values``; ``pooled``: shares are numbers of rows, and quantiles lie between rows; ``out`` (n, levels).
    """
    trees, n = leaves.shape
    classes, wide, many = (values.shape[0] >> shift) + 1, 1 << shift, levels.shape[0]
    sought = 2 * many if pooled else many
    coarse, slot = np.empty((CELLS, classes)), np.empty((CELLS, classes), dtype=np.int16)
    fine = np.empty((CELLS, sought, wide))
    target, below, class_of = np.empty((CELLS, sought)), np.empty((CELLS, sought)), np.empty((CELLS, sought), dtype=np.int64)
    part = np.empty((CELLS, many))
    for begin in range(0, n, CELLS):
        size = min(CELLS, n - begin)
        coarse[:] = 0.0
        for t in range(trees):
            for i in range(size):
                leaf, own = leaves[t, begin + i], coarse[i]
                for m in range(start[leaf], start[leaf + 1]):
                    own[U(member[m] >> shift)] += share[m]
        slot[:] = -1
        fine[:] = 0.0
        for i in range(size):
            _seek(coarse[i], levels, trees, pooled, target[i], part[i])
            _find_classes(coarse[i], target[i], slot[i], class_of[i], below[i])
        for t in range(trees):
            for i in range(size):
                leaf, own = leaves[t, begin + i], slot[i]
                for m in range(start[leaf], start[leaf + 1]):
                    s = own[U(member[m] >> shift)]
                    if s >= 0:
                        fine[i, s, member[m] & (wide - 1)] += share[m]
        for i in range(size):
            for k in range(many):
                low = values[_rank(fine[i, slot[i, class_of[i, k]]], class_of[i, k] << shift, below[i, k], target[i, k])]
                if pooled:
                    c = class_of[i, many + k]
                    high = values[_rank(fine[i, slot[i, c]], c << shift, below[i, many + k], target[i, many + k])]
                    low += part[i, k] * (high - low)
                out[begin + i, k] = low


@numba.njit(cache=True, nogil=True)
def _seek(coarse, levels, trees, pooled, target, part):  # type: ignore[no-untyped-def]  # compiled
    """Sums of shares at which the quantiles lie."""
    many = levels.shape[0]
    rows = coarse.sum()
    for k in range(many):
        if pooled:
            at = levels[k] * (rows - 1.0)
            whole = np.floor(at)
            part[k] = at - whole
            # Half a row before its place: sums of whole numbers reach it with its row and not before.
            target[k], target[many + k] = whole + 0.5, min(whole + 1.5, rows - 0.5)
        else:
            target[k] = levels[k] * trees - ALLOWANCE * trees


@numba.njit(cache=True, nogil=True)
def _find_classes(coarse, target, slot, class_of, below):  # type: ignore[no-untyped-def]  # compiled
    """The class in which each target lies, and the sum of all before it; the classes get numbers from 0 on."""
    used = 0
    for k in range(target.shape[0]):
        running, last, before = 0.0, 0, 0.0
        for c in range(coarse.shape[0]):
            if coarse[c] > 0.0:
                last, before = c, running
                running += coarse[c]
                if running >= target[k]:
                    break
        class_of[k], below[k] = last, before
        if slot[last] < 0:
            slot[last] = used
            used += 1


@numba.njit(cache=True, nogil=True)
def _rank(fine, first, running, target):  # type: ignore[no-untyped-def]  # compiled
    last = 0
    for r in range(fine.shape[0]):
        if fine[r] > 0.0:
            last = r
            running += fine[r]
            if running >= target:
                break
    return first + last  # the last one where the last bit of a sum is missing
