"""Sums over trees for a block of cells.

Each cell is summed tree by tree in their order, so its answers do not depend on which other cells stand in the block. Squares are
taken about what the first tree says: the variance of T numbers is at least 1/T of the square of the distance of any of them from their
mean, so the cancellation costs at most a factor T of the last bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.model.descent import descend
from edaphic.model.networks import LANES
from edaphic.model.percentiles import Ends, fold_trees

CHUNK = 16 * LANES
"""Cells that are summed together."""
GROUP = 4
"""Trees that are added up together."""
U = np.uint64


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


class Bags(NamedTuple):
    """Of the little bag at hand: what its first tree says, sums of distances from it and their squares; and the mean of the first bag."""

    says: NDArray[np.float64]
    one: NDArray[np.float64]
    two: NDArray[np.float64]
    first: NDArray[np.float64]


class Kept(NamedTuple):
    """What trees say of a block, for percentiles and quantiles (each with a length of 0 where not wanted).

    ``ranks`` int32 (d, blocks, trees, LANES): places of leaves by mean; ``totals`` float64 (1, blocks, trees, LANES): weighted sums over
    the depths. Both for all cells and trees, or, where the ends are enough, for a chunk and the trees that come together. ``rank_ends``
    (d, ...) and ``total_ends`` (1, ...); ``numbers`` int32 (trees, d, n): leaves.
    """

    ranks: NDArray[np.int32]
    totals: NDArray[np.float64]
    rank_ends: Ends
    total_ends: Ends
    numbers: NDArray[np.int32]


@kernel
def add_trees(nodes, leaves, block, room, reached, weights, bag, sums, kept):  # type: ignore[no-untyped-def]  # compiled
    """Send a block down all trees and add up what they say.

    ``reached`` (trees at a time, d, n): room for numbers of leaves; ``weights`` (d, n) or (0, 0): weights of the last row of the sums, the
    total over depths. ``kept`` is written where it has room.
    """
    rows, n = sums.plain.shape
    trees, together = nodes.roots.shape[0], reached.shape[0]
    says, first = np.empty((GROUP, rows, CHUNK)), np.empty((rows, n))
    ends_do = kept.rank_ends.least.shape[0] > 0
    spare, spare_total = np.empty((2, LANES), dtype=np.int32), np.empty((2, LANES))
    bag_rows = rows if bag > 0 else 0
    bags = Bags(np.empty((bag_rows, n)), np.empty((bag_rows, n)), np.empty((bag_rows, n)), np.empty((bag_rows, n)))
    for begin in range(0, trees, together):
        end = min(begin + together, trees)
        for t in range(begin, end):
            descend(nodes.roots[t], nodes, block, room, reached[t - begin])
        # By chunks of cells whose sums stay in the nearest cache.
        for start in range(0, n, CHUNK):
            part = slice(start, min(start + CHUNK, n))
            first_block, first_tree = (0, begin) if ends_do else (start // LANES, 0)
            for t in range(begin, end):
                g = (t - begin) % GROUP
                _say(t, leaves, reached[t - begin], weights, part, says[g], sums)
                _keep(t, leaves, reached[t - begin], part, says[g], kept, first_block, t - first_tree)
                if t == 0:
                    first[:, part] = says[0, :, : part.stop - start]
                if bag > 0:
                    _add_to_bag(says[g, :, : part.stop - start], t, bag, bags, part, sums)
                if g == GROUP - 1 or t == end - 1:
                    _add(says[: g + 1], first[:, part], sums.plain[:, part], sums.one[:, part], sums.two[:, part])
            if ends_do:
                for d in range(kept.rank_ends.least.shape[0]):  # one depth at a time: the ranks of a chunk stay in the cache
                    for t in range(begin, end):
                        _keep_ranks(t, leaves, reached[t - begin, d, part], kept.ranks[0], 0, t - begin)
                    _fold(kept.ranks[:1], end - begin, part, Ends(kept.rank_ends.least[d : d + 1], kept.rank_ends.most[d : d + 1]), spare)
                _fold(kept.totals, end - begin, part, kept.total_ends, spare_total)


@kernel
def _say(t, leaves, reached, weights, part, says, sums):  # type: ignore[no-untyped-def]  # compiled
    """What a tree says of a chunk."""
    own, layers = slice(leaves.first[t], leaves.first[t + 1]), reached.shape[0]
    rows, size = sums.plain.shape[0], part.stop - part.start
    if leaves.fit.shape[0] > 0:
        for d in range(layers):
            _look_up(leaves.fit[own], reached[d, part], says[d])
        if rows > layers:
            _total(says, weights[:, part], layers, size)
        _add_plain(says, sums.fit[:, part])
    for d in range(layers):
        _look_up(leaves.value[own], reached[d, part], says[d])
    if rows > layers:
        _total(says, weights[:, part], layers, size)


@kernel
def _keep(t, leaves, reached, part, says, kept, block, row):  # type: ignore[no-untyped-def]  # compiled
    """Keep what a tree says of a chunk, from that block of LANES cells on, in that row."""
    own, layers, size = slice(leaves.first[t], leaves.first[t + 1]), reached.shape[0], part.stop - part.start
    if kept.rank_ends.least.shape[0] == 0:
        for d in range(kept.ranks.shape[0]):
            _keep_ranks(t, leaves, reached[d, part], kept.ranks[d], block, row)
    if kept.numbers.shape[0] > 0:
        for d in range(layers):
            _look_up(leaves.number[own], reached[d, part], kept.numbers[t, d, part])
    if kept.totals.shape[0] > 0:
        for at in range(0, size, LANES):
            end = min(at + LANES, size)
            kept.totals[0, block + at // LANES, row, : end - at] = says[layers, at:end]


@kernel
def _keep_ranks(t, leaves, codes, ranks, block, row):  # type: ignore[no-untyped-def]  # compiled
    table = leaves.rank[leaves.first[t] : leaves.first[t + 1]]
    for at in range(0, codes.shape[0], LANES):
        _look_up(table, codes[at : at + LANES], ranks[block + at // LANES, row])


@kernel
def _fold(says, trees, part, ends, spare):  # type: ignore[no-untyped-def]  # compiled
    first = part.start // LANES
    for d in range(says.shape[0]):
        for block in range(-(-(part.stop - part.start) // LANES)):
            fold_trees(says[d, block, :trees], ends.least[d, first + block], ends.most[d, first + block], spare)


@kernel
def _look_up(table, codes, to):  # type: ignore[no-untyped-def]  # compiled
    for i in range(codes.shape[0]):
        to[i] = table[U(codes[i])]


@kernel
def _total(says, weights, layers, size):  # type: ignore[no-untyped-def]  # compiled
    total = says[layers]
    for d in range(layers):
        row, weight = says[d], weights[d]
        for i in range(size):
            total[i] = row[i] * weight[i] if d == 0 else total[i] + row[i] * weight[i]


@kernel
def _add(says, first, plain, one, two):  # type: ignore[no-untyped-def]  # compiled
    for r in range(plain.shape[0]):
        b, c, d, e = first[r], plain[r], one[r], two[r]
        if says.shape[0] == GROUP:  # the same additions in the same order, with the sums fetched once
            s0, s1, s2, s3 = says[0, r], says[1, r], says[2, r], says[3, r]
            for i in range(b.shape[0]):
                o0, o1, o2, o3 = s0[i] - b[i], s1[i] - b[i], s2[i] - b[i], s3[i] - b[i]
                c[i] = c[i] + s0[i] + s1[i] + s2[i] + s3[i]
                d[i] = d[i] + o0 + o1 + o2 + o3
                e[i] = e[i] + o0 * o0 + o1 * o1 + o2 * o2 + o3 * o3
        else:
            for g in range(says.shape[0]):
                a = says[g, r]
                for i in range(b.shape[0]):
                    off = a[i] - b[i]
                    c[i] += a[i]
                    d[i] += off
                    e[i] += off * off


@kernel
def _add_plain(says, plain):  # type: ignore[no-untyped-def]  # compiled
    for r in range(says.shape[0]):
        a, c = says[r], plain[r]
        for i in range(c.shape[0]):
            c[i] += a[i]


@kernel
def _add_to_bag(says, t, bag, bags, part, sums):  # type: ignore[no-untyped-def]  # compiled
    of_bag, one, two = bags.says[:, part], bags.one[:, part], bags.two[:, part]
    if t % bag == 0:
        of_bag[:] = says
        one[:] = 0.0
        two[:] = 0.0
    for r in range(says.shape[0]):
        a, b, c, d = says[r], of_bag[r], one[r], two[r]
        for i in range(a.shape[0]):
            off = a[i] - b[i]
            c[i] += off
            d[i] += off * off
    if t % bag == bag - 1:
        _close_bag(
            of_bag, one, two, bags.first[:, part], bag, t == bag - 1, sums.bag_one[:, part], sums.bag_two[:, part], sums.within[:, part]
        )


@kernel
def _close_bag(of_bag, one, two, first_bag, bag, is_first, bag_one, bag_two, within):  # type: ignore[no-untyped-def]  # compiled
    for r in range(one.shape[0]):
        for i in range(one.shape[1]):
            within[r, i] += max(0.0, two[r, i] - one[r, i] * one[r, i] / bag) / (bag - 1)
            mean = of_bag[r, i] + one[r, i] / bag
            if is_first:
                first_bag[r, i] = mean
            off = mean - first_bag[r, i]
            bag_one[r, i] += off
            bag_two[r, i] += off * off
