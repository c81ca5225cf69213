"""Kernels that look for the threshold of one feature in one node of a tree, on ranks instead of values.

The best threshold is sought without a full sort. In a large node the ranks between the node's smallest and largest fall into bins of
equal width (256 of them, 64 in smaller nodes); sums of the bins give the gain at every bin's edge; the rows of the two bins at the
best edge are sorted, and every threshold between them is tried. In a small node, and where one bin holds much of the node, all rows
are sorted and every threshold is tried.

The gain is the decrease of the weighted sum of squares (Breiman, L. 2001, Random forests, Machine Learning 45, 5-32). ``extra`` draws
one threshold, evenly between the node's smallest and largest value (Geurts, P., Ernst, D., Wehenkel, L. 2006, Extremely randomized
trees, Machine Learning 63, 3-42). Random numbers: SplitMix64 (Steele, G. L., Lea, D., Flood, C. H. 2014, Fast splittable pseudorandom
number generators, OOPSLA, 453-472).
"""

from __future__ import annotations

import numpy as np

from edaphic.compiled import kernel

BINS = 256
FEW_BINS = 64
FEW_ROWS = 256
"""Nodes of up to so many rows have fewer bins."""
SMALL_BITS = 5
SMALL = 2**SMALL_BITS
"""Up to so many rows, a node is sorted outright."""
FULL = 16
FULL_ROWS = 8.0
"""A node is sorted too where one bin holds more than one row in so many, and more than so many rows: the bins would see too few
thresholds."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_U11, _U27, _U30, _U31, _U32 = (np.uint64(bits) for bits in (11, 27, 30, 31, 32))


# --- random numbers --------------------------------------------------------------------------------------------------


@kernel
def _mixed(z):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    z = (z ^ (z >> _U30)) * _MIX_1
    z = (z ^ (z >> _U27)) * _MIX_2
    return z ^ (z >> _U31)


@kernel
def seeded(state, seed, tree):  # type: ignore[no-untyped-def]  # compiled
    state[0] = _mixed(_mixed(np.uint64(seed) + _GOLDEN) ^ (np.uint64(tree) * _GOLDEN + _MIX_1))


@kernel
def draw(state):  # type: ignore[no-untyped-def]  # compiled
    state[0] += _GOLDEN
    return _mixed(state[0])


@kernel
def below(state, count):  # type: ignore[no-untyped-def]  # compiled
    return np.int64(((draw(state) >> _U32) * np.uint64(count)) >> _U32)


@kernel
def uniform(state):  # type: ignore[no-untyped-def]  # compiled
    return np.float64(draw(state) >> _U11) * (1.0 / 9007199254740992.0)


# --- the best threshold of one feature in one node -------------------------------------------------------------------
# Of a node: `rank` the codes of its rows in one feature, `pull` their weights times their distance from the mean of the node, `mass` their
# weights. As the pulls of a node add up to zero, a threshold with pull D and mass L on its left decreases the sum of squares by
# D^2 (1 / L + 1 / (W - L)).


@kernel
def _gain(drawn, left, total):  # type: ignore[no-untyped-def]  # compiled
    right = total - left
    return drawn * drawn * total / (left * right) if right > 0.0 else -1.0


@kernel
def small_sort(rank, m, low, short, key):  # type: ignore[no-untyped-def]  # compiled
    """As :func:`radix_sort`, for few rows: the place of a row is the number of rows before it, counted without a branch."""
    for i in range(m):
        short[i] = ((rank[i] - low) << SMALL_BITS) | i
    for i in range(m):
        own = short[i]
        place = 0
        for j in range(m):
            place += short[j] < own
        key[np.uint32(place)] = (np.int64(rank[i]) << 32) | i


@kernel
def ordered_cut(key, count, pull, mass, drawn, left, rows, m, total, leaf):  # type: ignore[no-untyped-def]  # compiled
    """Every threshold between ``count`` rows in order: gain of the best, the rank left of it and the rank right of it.

    ``drawn``, ``left`` and ``rows``: pull, mass and number of the rows below them.
    """
    best, below, above = -1.0, 0, 0
    for j in range(count - 1):
        i = np.uint32(key[j] & 0xFFFFFFFF)
        left += mass[i]
        drawn += pull[i]
        rows += 1
        if rows < leaf or m - rows < leaf:
            continue
        here, there = key[j] >> 32, key[j + 1] >> 32
        if here != there:
            gain = _gain(drawn, left, total)
            if gain > best:
                best, below, above = gain, here, there
    return best, below, above


@kernel
def binned_cut(rank, pull, mass, m, low, high, total, leaf, bins):  # type: ignore[no-untyped-def]  # compiled
    """Best edge among bins of equal width: gain, first ranks of the bins left and right of it, the width as a shift, fullest bin."""
    shift = 0
    limit = FEW_BINS if m <= FEW_ROWS else BINS
    while ((high - low) >> shift) >= limit:
        shift += 1
    count = ((high - low) >> shift) + 1
    bins[:count] = 0.0
    for i in range(m):
        b = np.uint32((rank[i] - low) >> shift)
        bins[b, 0] += pull[i]
        bins[b, 1] += mass[i]
        bins[b, 2] += 1.0
    best, below, above, fullest = _edge(bins, count, m, total, leaf)
    return best, low + (below << shift), low + (above << shift), shift, fullest


@kernel
def _edge(bins, count, m, total, leaf):  # type: ignore[no-untyped-def]  # compiled
    """Best edge between bins that hold rows, and the rows of the fullest bin."""
    best, below, above, last, fullest = -1.0, 0, 0, -1, 0.0
    drawn, left, rows = 0.0, 0.0, 0.0
    for b in range(count):
        here = bins[b, 2]
        if here == 0.0:
            continue
        if rows >= leaf and m - rows >= leaf:
            gain = _gain(drawn, left, total)
            if gain > best:
                best, below, above = gain, last, b
        drawn += bins[b, 0]
        left += bins[b, 1]
        rows += here
        last = b
        fullest = max(fullest, here)
    return best, below, above, fullest


@kernel
def refined_cut(rank, pull, mass, m, below, above, shift, total, leaf, key, spare):  # type: ignore[no-untyped-def]
    """Every threshold between the rows of the two bins at an edge: the ranks left and right of the best."""
    width = 1 << shift
    drawn, left, rows, count = 0.0, 0.0, 0, 0
    for i in range(m):
        r = np.int64(rank[i])
        if r < below:
            drawn += pull[i]
            left += mass[i]
            rows += 1
        elif r < below + width or (r >= above and r < above + width):
            key[np.uint32(count)] = (r << 32) | i
            count += 1
    radix_sort(key, count, below, above + width - 1, spare)
    _, first, second = ordered_cut(key, count, pull, mass, drawn, left, rows, m, total, leaf)
    return first, second


@kernel
def pack(rank, m, key):  # type: ignore[no-untyped-def]  # compiled
    """Rank and position of each row in one number."""
    for i in range(m):
        key[i] = (np.int64(rank[i]) << 32) | i


@kernel
def radix_sort(key, m, low, high, spare):  # type: ignore[no-untyped-def]  # compiled
    """Packed rows in the order of their ranks, which are ``low`` to ``high``, ties as they stand; eight bits of the rank at a time."""
    shift = 0
    place = np.empty(257, dtype=np.int64)
    while ((high - low) >> shift) > 0:
        place[:] = 0
        for i in range(m):
            place[np.uint32((((key[i] >> 32) - low) >> shift) & 255) + 1] += 1
        for b in range(256):
            place[b + 1] += place[b]
        for i in range(m):
            digit = np.uint32((((key[i] >> 32) - low) >> shift) & 255)
            spare[np.uint64(place[digit])] = key[i]
            place[digit] += 1
        key[:m] = spare[:m]
        shift += 8


@kernel
def random_cut(rank, pull, mass, m, levels, low, high, total, leaf, state):  # type: ignore[no-untyped-def]  # compiled
    """One threshold drawn between the smallest and the largest value: gain, threshold, first rank right of it."""
    least, most = np.float64(levels[low]), np.float64(levels[high])
    threshold = np.float32(least + uniform(state) * (most - least))
    if threshold >= levels[high]:
        threshold = levels[low]
    cut = first_above(levels, low, high, threshold)
    drawn, left, rows = 0.0, 0.0, 0
    for i in range(m):
        if rank[i] < cut:
            drawn += pull[i]
            left += mass[i]
            rows += 1
    if rows < leaf or m - rows < leaf:
        return -1.0, threshold, cut
    return _gain(drawn, left, total), threshold, cut


@kernel
def first_above(levels, low, high, threshold):  # type: ignore[no-untyped-def]  # compiled
    """First rank whose value is above a threshold, between ``low`` (not above) and ``high`` (above)."""
    while high - low > 1:
        middle = (low + high) // 2
        if levels[middle] > threshold:
            high = middle
        else:
            low = middle
    return high


@kernel
def middle_of(below, above):  # type: ignore[no-untyped-def]  # compiled
    """Middle of two values as float32, never the upper one: what is not above it goes left."""
    middle = np.float32(0.5 * (np.float64(below) + np.float64(above)))
    return below if middle >= above else middle
