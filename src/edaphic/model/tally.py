"""Sums over trees for a block of cells.

Each cell is summed tree by tree in their order, so its answers do not depend on which other cells stand in the block. Squares are
taken about what the first tree says: the variance of T numbers is at least 1/T of the square of the distance of any of them from their
mean, so the cancellation costs at most a factor T of the last bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from edaphic.model.descent import descend


class Sums(NamedTuple):
    """Sums over trees (rows, n): of what they say, on the scale of growth (fit), of distances from the first tree (one) and their squares
    (two); of bags: their distances from the first mean of a bag, squares, and variances within (each (0, 0) where not wanted).
    """

    plain: NDArray[np.float64]
    fit: NDArray[np.float64]
    one: NDArray[np.float64]
    two: NDArray[np.float64]
    bag_one: NDArray[np.float64]
    bag_two: NDArray[np.float64]
    within: NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def add_trees(nodes, block, room, value, fit, rank, weights, bag, sums, ranks, totals):  # type: ignore[no-untyped-def]  # compiled
    """Send a block down all trees and add up what they say.

    ``weights`` (d, n) or (0, 0): weights of the last row of the sums, the total over depths. ``ranks`` (trees, d, n) and ``totals``
    (trees, n) are written where they have room.
    """
    layers, n = block.depths.shape[0], block.cells
    rows = sums.plain.shape[0]
    says, first = np.empty((rows, n)), np.empty((rows, n))
    says_fit = np.empty((rows, n)) if fit.shape[0] > 0 else np.empty((0, 0))
    bag_rows = rows if bag > 0 else 0
    of_bag, first_bag = np.empty((bag_rows, n)), np.empty((bag_rows, n))
    of_bag_one, of_bag_two = np.empty((bag_rows, n)), np.empty((bag_rows, n))
    nowhere = np.empty((0, 0), dtype=np.int32)
    for t in range(nodes.roots.shape[0]):
        descend(
            nodes.roots[t], nodes, block, room, value, fit, rank, says[:layers], says_fit[:layers],
            ranks[t] if rank.shape[0] > 0 else nowhere,
        )  # fmt: skip
        if rows > layers:
            _total(says, weights, layers)
            if totals.shape[0] > 0:
                totals[t] = says[layers]
            if fit.shape[0] > 0:
                _total(says_fit, weights, layers)
        if t == 0:
            first[:] = says
        _add(says, first, sums.plain, sums.one, sums.two)
        if fit.shape[0] > 0:
            _add_plain(says_fit, sums.fit)
        if bag > 0:
            if t % bag == 0:
                of_bag[:] = says
                of_bag_one[:] = 0.0
                of_bag_two[:] = 0.0
            _add_distance(says, of_bag, of_bag_one, of_bag_two)
            if t % bag == bag - 1:
                _close_bag(of_bag, of_bag_one, of_bag_two, first_bag, bag, t == bag - 1, sums)


@numba.njit(cache=True, nogil=True)
def _total(says, weights, layers):  # type: ignore[no-untyped-def]  # compiled
    total = says[layers]
    for d in range(layers):
        row, weight = says[d], weights[d]
        for i in range(total.shape[0]):
            total[i] = row[i] * weight[i] if d == 0 else total[i] + row[i] * weight[i]


@numba.njit(cache=True, nogil=True)
def _add(says, first, plain, one, two):  # type: ignore[no-untyped-def]  # compiled
    for r in range(says.shape[0]):
        a, b, c, d, e = says[r], first[r], plain[r], one[r], two[r]
        for i in range(a.shape[0]):
            off = a[i] - b[i]
            c[i] += a[i]
            d[i] += off
            e[i] += off * off


@numba.njit(cache=True, nogil=True)
def _add_plain(says, plain):  # type: ignore[no-untyped-def]  # compiled
    for r in range(says.shape[0]):
        a, c = says[r], plain[r]
        for i in range(a.shape[0]):
            c[i] += a[i]


@numba.njit(cache=True, nogil=True)
def _add_distance(says, first, one, two):  # type: ignore[no-untyped-def]  # compiled
    for r in range(says.shape[0]):
        a, b, d, e = says[r], first[r], one[r], two[r]
        for i in range(a.shape[0]):
            off = a[i] - b[i]
            d[i] += off
            e[i] += off * off


@numba.njit(cache=True, nogil=True)
def _close_bag(of_bag, one, two, first_bag, bag, is_first, sums):  # type: ignore[no-untyped-def]  # compiled
    for r in range(one.shape[0]):
        for i in range(one.shape[1]):
            sums.within[r, i] += max(0.0, two[r, i] - one[r, i] * one[r, i] / bag) / (bag - 1)
            mean = of_bag[r, i] + one[r, i] / bag
            if is_first:
                first_bag[r, i] = mean
            off = mean - first_bag[r, i]
            sums.bag_one[r, i] += off
            sums.bag_two[r, i] += off * off
