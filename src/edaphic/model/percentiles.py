"""Percentiles of the trees, cell by cell, for many cells side by side.

Percentiles near the ends need a few of the smallest and of the greatest numbers of each cell. Sixty-four cells are kept side by side, and
trees come in batches that a sorting network (Batcher 1968: the same comparisons whatever the numbers) puts in order; the half of a merge
that cannot hold the extremes is thrown away. Percentiles further in sort the trees of a cell into bins first and then the one bin that
holds the percentile.
"""

from __future__ import annotations

import functools

import numba
import numpy as np
from numpy.typing import NDArray

LANES = 64
"""Cells side by side."""
MOST_KEPT = 32
"""Widest network; what needs more numbers from either end goes by bins."""
BINS = 128
U = np.uint64


@functools.cache
def network(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Comparisons of Batcher's odd-even merge sort of ``size`` numbers (a power of two), and of the merge of a bitonic row of them.

    >>> network(2)
    (array([[0, 1]]), array([[0, 1]]))
    >>> len(network(16)[0]), len(network(16)[1])
    (63, 32)
    """
    pairs = []
    p = 1
    while p < size:
        k = p
        while k >= 1:
            for j in range(k % p, size - k, 2 * k):
                pairs += [(i + j, i + j + k) for i in range(min(k, size - j - k)) if (i + j) // (2 * p) == (i + j + k) // (2 * p)]
            k //= 2
        p *= 2
    bitonic = []
    k = size // 2
    while k >= 1:
        bitonic += [(i, i + k) for i in range(size) if i & k == 0]
        k //= 2
    return np.array(pairs, dtype=np.int64).reshape(-1, 2), np.array(bitonic, dtype=np.int64).reshape(-1, 2)


def percentiles(
    says: NDArray, table: NDArray[np.float64], levels: tuple[float, ...], out: NDArray[np.float64], place: NDArray[np.int32] | None = None
) -> None:
    """Percentiles of trees, between order statistics by straight lines as NumPy's default.

    Parameters
    ----------
    says : float64 or int32 (trees, n)
        Values, or numbers of values in ``table``.
    table : float64
        Values in ascending order; empty where ``says`` holds them.
    levels : tuple of float
        Ascending, between 0 and 1.
    out : float64 (n, levels)
        Is written.
    place : int32, optional
        Where ``says`` holds numbers that are no places in the table: the place of each.
    """
    where = np.empty(0, dtype=np.int32) if place is None else place
    trees = len(says)
    at = np.asarray(levels) * (trees - 1)
    low = np.minimum(np.floor(at).astype(np.int64), trees - 1)
    high, part = np.minimum(low + 1, trees - 1), at - low
    # From the front or from the back, whichever is nearer; so many numbers must be kept.
    front = high < trees - low
    kept = int(np.max(np.where(front, high + 1, trees - low)))
    if kept > MOST_KEPT or 2 * kept > trees:
        _by_bins(says, where, table, low, high, part, out)
        return
    size = 1 << (kept - 1).bit_length()
    _by_network(says, where, table, low, high, part, front, size, *network(size), out)


@numba.njit(cache=True, nogil=True)
def _by_network(says, where, table, low, high, part, front, size, sort, merge, out):  # type: ignore[no-untyped-def]  # compiled
    trees, n = says.shape
    lanes = LANES
    least, most = np.empty((size, lanes), dtype=says.dtype), np.empty((size, lanes), dtype=says.dtype)
    batch = np.empty((size, lanes), dtype=says.dtype)
    for start in range(0, n, lanes):
        m = min(lanes, n - start)
        for begin in range(0, trees, size):
            many = min(size, trees - begin)
            for r in range(many):
                _copy(says[begin + r, start : start + m], where, batch[r])
            if begin == 0:
                _compare(batch, sort)
                least[:], most[:] = batch, batch
                continue
            if many == size:
                _compare(batch, sort)
                _keep_least(least, batch)
                _keep_most(most, batch)
                _compare(least, merge)
                _compare(most, merge)
            else:
                for r in range(many):
                    _insert_least(least, batch[r])
                for r in range(many):
                    _insert_most(most, batch[r])
        for k in range(low.shape[0]):
            for i in range(m):
                if front[k]:
                    a, b = least[low[k], i], least[high[k], i]
                else:
                    a, b = most[size - trees + low[k], i], most[size - trees + high[k], i]
                out[start + i, k] = _between(a, b, part[k], table)


@numba.njit(cache=True, nogil=True)
def _copy(row, where, to):  # type: ignore[no-untyped-def]  # compiled
    if where.shape[0] > 0:
        for i in range(row.shape[0]):
            to[i] = where[np.int64(row[i])]
    else:
        for i in range(row.shape[0]):
            to[i] = row[i]


@numba.njit(cache=True, nogil=True)
def _compare(rows, pairs):  # type: ignore[no-untyped-def]  # compiled
    for p in range(pairs.shape[0]):
        a, b = rows[U(pairs[p, 0])], rows[U(pairs[p, 1])]
        for i in range(LANES):
            x, y = a[i], b[i]
            a[i] = x if x < y else y
            b[i] = y if x < y else x


@numba.njit(cache=True, nogil=True)
def _keep_least(least, batch):  # type: ignore[no-untyped-def]  # compiled
    # One row ascending beside another descending: the smaller of each pair are the smallest of both, and stand in a bitonic row.
    size = least.shape[0]
    for r in range(size):
        a, b = least[r], batch[size - 1 - r]
        for i in range(LANES):
            a[i] = a[i] if a[i] < b[i] else b[i]


@numba.njit(cache=True, nogil=True)
def _keep_most(most, batch):  # type: ignore[no-untyped-def]  # compiled
    size = most.shape[0]
    for r in range(size):
        a, b = most[r], batch[size - 1 - r]
        for i in range(LANES):
            a[i] = b[i] if a[i] < b[i] else a[i]


@numba.njit(cache=True, nogil=True)
def _insert_least(least, row):  # type: ignore[no-untyped-def]  # compiled
    for r in range(least.shape[0]):
        a = least[r]
        for i in range(LANES):
            x, y = a[i], row[i]
            a[i] = x if x < y else y
            row[i] = y if x < y else x


@numba.njit(cache=True, nogil=True)
def _insert_most(most, row):  # type: ignore[no-untyped-def]  # compiled
    for r in range(most.shape[0] - 1, -1, -1):
        a = most[r]
        for i in range(LANES):
            x, y = a[i], row[i]
            a[i] = y if x < y else x
            row[i] = x if x < y else y


@numba.njit(cache=True, nogil=True)
def _between(a, b, part, table):  # type: ignore[no-untyped-def]  # compiled
    x, y = (table[np.int64(a)], table[np.int64(b)]) if table.shape[0] > 0 else (np.float64(a), np.float64(b))
    gap = y - x
    return y - gap * (1 - part) if part >= 0.5 else x + gap * part


@numba.njit(cache=True, nogil=True)
def _by_bins(says, where, table, low, high, part, out):  # type: ignore[no-untyped-def]  # compiled
    trees, n = says.shape
    own, inside = np.empty(trees, dtype=says.dtype), np.empty(trees, dtype=says.dtype)
    bins, counts = np.empty(trees, dtype=np.uint8), np.empty(BINS, dtype=np.int64)
    pair = np.empty(2, dtype=says.dtype)
    for i in range(n):
        for t in range(trees):
            own[t] = where[np.int64(says[t, i])] if where.shape[0] > 0 else says[t, i]
        _into_bins(own, bins, counts)
        held, below, m = -1, 0, 0
        for k in range(low.shape[0]):
            for side in range(2):
                wanted = low[k] if side == 0 else high[k]
                if held < 0 or wanted < below or wanted >= below + m:
                    held, below = _bin_of(counts, wanted)
                    m = _inside(own, bins, held, inside)
                pair[side] = inside[wanted - below]
            out[i, k] = _between(pair[0], pair[1], part[k], table)


@numba.njit(cache=True, nogil=True)
def _into_bins(own, bins, counts):  # type: ignore[no-untyped-def]  # compiled
    """Bins of equal width; the greater a number the later its bin, so the order of bins is that of the numbers."""
    least, greatest = own[0], own[0]
    for t in range(own.shape[0]):
        least, greatest = min(least, own[t]), max(greatest, own[t])
    low = np.float64(least)
    scale = BINS / max(np.float64(greatest) - low, 1e-300)
    if scale == np.inf or scale == 0.0:
        scale = 1.0  # a range too narrow or too wide: nearly all fall into one bin, where they are sorted
    counts[:] = 0
    for t in range(own.shape[0]):
        bins[t] = np.uint8(min((np.float64(own[t]) - low) * scale, BINS - 1.0))
    for t in range(own.shape[0]):
        counts[bins[t]] += 1


@numba.njit(cache=True, nogil=True)
def _bin_of(counts, wanted):  # type: ignore[no-untyped-def]  # compiled
    below = 0
    for b in range(counts.shape[0] - 1):
        if wanted < below + counts[b]:
            return b, below
        below += counts[b]
    return counts.shape[0] - 1, below


@numba.njit(cache=True, nogil=True)
def _inside(own, bins, wanted, inside):  # type: ignore[no-untyped-def]  # compiled
    """Members of a bin in ascending order; how many."""
    m = 0
    for t in range(own.shape[0]):
        if bins[t] == wanted:
            inside[m] = own[t]
            m += 1
    inside[:m].sort()
    return m
