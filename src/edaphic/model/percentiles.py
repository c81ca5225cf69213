"""Percentiles of the trees, cell by cell, for many cells side by side; between order statistics by straight lines, as NumPy's default.

Percentiles near the ends need a few of the smallest and of the greatest numbers of each cell: these are kept while the trees come in,
sixty-four cells side by side, batch by batch through a sorting network. Percentiles further in need all trees of a cell, sorted into bins
first and then within the one bin that holds the percentile.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.model.networks import LANES, fold

MOST_KEPT = 32
"""Widest network; what needs more numbers from either end goes by bins."""
BINS = 128
U = np.uint64


class Ranked(NamedTuple):
    """Which order statistics percentiles take (levels,): the lower, the upper, the part of the way between, whether counted from the
    smallest; and how many to keep from either end, a power of two, or 0 where all trees must be kept.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    part: NDArray[np.float64]
    front: NDArray[np.bool_]
    size: int


def ranked(levels: tuple[float, ...], trees: int) -> Ranked:
    """Order statistics of percentiles at ascending levels.

    >>> ranked((0.025, 0.975), 500).size, ranked((0.5,), 500).size, ranked((), 500).size
    (16, 0, 0)
    """
    at = np.asarray(levels, dtype=np.float64) * (trees - 1)
    low = np.minimum(np.floor(at).astype(np.int64), trees - 1)
    high = np.minimum(low + 1, trees - 1)
    front = high < trees - low
    kept = int(np.max(np.where(front, high + 1, trees - low), initial=0))
    size = 0 if kept == 0 or kept > MOST_KEPT or 2 * kept > trees else max(2, 1 << (kept - 1).bit_length())
    return Ranked(low, high, at - low, front, size)


class Ends(NamedTuple):
    """The smallest and the greatest numbers so far, ascending: (..., n / LANES or a part more, kept, LANES)."""

    least: NDArray
    most: NDArray


def ends(shape: tuple[int, ...], size: int, dtype: type) -> Ends:
    """Room for ends, to be cleared before use."""
    return Ends(np.empty((*shape, size, LANES), dtype=dtype), np.empty((*shape, size, LANES), dtype=dtype))


def clear(both: Ends) -> None:
    """Ends of nothing yet, which any number displaces."""
    dtype = both.least.dtype
    least, most = (np.inf, -np.inf) if dtype.kind == "f" else (np.iinfo(dtype).max, np.iinfo(dtype).min)
    both.least[:], both.most[:] = least, most


@kernel
def fold_trees(says, least, most, spare):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Fold what trees say (trees, LANES) into the ends (kept, LANES); ``spare`` (2, LANES)."""
    trees, size = says.shape[0], least.shape[0]
    whole = trees - trees % size
    for begin in range(0, whole, size):
        fold(says[begin : begin + size], least, most)
    for t in range(whole, trees):
        spare[0] = says[t]
        spare[1] = says[t]
        _insert_least(least, spare[0])
        _insert_most(most, spare[1])


@kernel
def from_ends(least, most, trees, table, low, high, part, front, out):  # type: ignore[no-untyped-def]  # compiled
    """Percentiles (n, levels) from the ends (blocks, kept, LANES) of values, or of places in ``table`` where it is not empty."""
    n, size = out.shape[0], least.shape[1]
    for block in range(-(-n // LANES)):
        start = block * LANES
        for k in range(low.shape[0]):
            for i in range(min(LANES, n - start)):
                if front[k]:
                    a, b = least[block, low[k], i], least[block, high[k], i]
                else:
                    a, b = most[block, size - trees + low[k], i], most[block, size - trees + high[k], i]
                out[start + i, k] = _between(a, b, part[k], table)


@kernel
def _insert_least(least, row):  # type: ignore[no-untyped-def]  # compiled
    for r in range(least.shape[0]):
        a = least[r]
        for i in range(LANES):
            x, y = a[i], row[i]
            a[i] = x if x < y else y
            row[i] = y if x < y else x


@kernel
def _insert_most(most, row):  # type: ignore[no-untyped-def]  # compiled
    for r in range(most.shape[0] - 1, -1, -1):
        a = most[r]
        for i in range(LANES):
            x, y = a[i], row[i]
            a[i] = y if x < y else x
            row[i] = x if x < y else y


@kernel
def _between(a, b, part, table):  # type: ignore[no-untyped-def]  # compiled
    x, y = (table[np.int64(a)], table[np.int64(b)]) if table.shape[0] > 0 else (np.float64(a), np.float64(b))
    gap = y - x
    return y - gap * (1 - part) if part >= 0.5 else x + gap * part


@kernel
def from_all(says, table, low, high, part, out):  # type: ignore[no-untyped-def]  # compiled
    """Percentiles (n, levels) of values (n / LANES or a part more, trees, LANES), or of places in ``table`` where it is not empty."""
    trees, n = says.shape[1], out.shape[0]
    own, inside = np.empty(trees, dtype=says.dtype), np.empty(trees, dtype=says.dtype)
    bins, counts = np.empty(trees, dtype=np.uint8), np.empty(BINS, dtype=np.int64)
    pair = np.empty(2, dtype=says.dtype)
    for i in range(n):
        for t in range(trees):
            own[t] = says[i // LANES, t, i % LANES]
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


@kernel
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


@kernel
def _bin_of(counts, wanted):  # type: ignore[no-untyped-def]  # compiled
    below = 0
    for b in range(counts.shape[0] - 1):
        if wanted < below + counts[b]:
            return b, below
        below += counts[b]
    return counts.shape[0] - 1, below


@kernel
def _inside(own, bins, wanted, inside):  # type: ignore[no-untyped-def]  # compiled
    """Members of a bin in ascending order; how many."""
    m = 0
    for t in range(own.shape[0]):
        if bins[t] == wanted:
            inside[m] = own[t]
            m += 1
    inside[:m].sort()
    return m
