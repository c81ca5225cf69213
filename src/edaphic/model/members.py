"""Members of the leaves in the form that quantiles are read from, made once for each forest.

A member is one whole number: its rank among the training values, and behind it its share in steps of 2 to the power of -39, or how often it
was drawn. Sums of whole numbers are exact: they do not depend on the order of the trees, and what was added can be taken off again without
a trace. Shares are float32; those above 2 to the power of -16 (leaves of up to 65,536 rows) are kept whole. Leaves are filled up with
members of no share to groups of one size, which fill lines of the cache and spare the processor guesses at how many members there are.
"""

from __future__ import annotations

import math
import threading
import weakref
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.model.leaves import SHARE_BITS, UNIT, drawn_counts, one_of_each
from edaphic.model.structure import Forest

Leaf = Literal["all", "one", "pooled"]
MOST_VALUES = 1 << (63 - SHARE_BITS)
LINE = 64
WIDEST = LINE // 8
"""Most members to a group."""


class Members(NamedTuple):
    """Members of all leaves.

    ``first`` int32 (leaves + 1,): first group of each leaf; ``record`` int64 (groups * width,): rank and share of each member; ``width``:
    members to a group; ``most``: most groups of a leaf.
    """

    first: NDArray[np.int32]
    record: NDArray[np.int64]
    width: int
    most: int


_made: dict[tuple[int, str], Members] = {}
_lock = threading.RLock()


def members_of(forest: Forest, leaf: Leaf) -> Members:
    """Members of the leaves of a forest; the same ones as long as the forest lives.

    Raises
    ------
    ValueError
        ``leaf`` is "pooled", and the forest does not hold how often its rows were drawn; 2 to the power of 23 training values or more.
    """
    key = (id(forest), leaf)
    with _lock:
        if key not in _made:
            _made[key] = _make(forest, leaf)
            weakref.finalize(forest, _made.pop, key, None)
        return _made[key]


def _make(forest: Forest, leaf: Leaf) -> Members:
    if len(forest.values) >= MOST_VALUES:
        raise ValueError(f"quantiles: {len(forest.values)} training values; expected less than {MOST_VALUES}")
    width, first = _width(forest, leaf), _first(forest, leaf)
    spare = np.empty(int(first[-1]) * width + WIDEST, dtype=np.int64)
    begin = (-spare.ctypes.data // 8) % WIDEST
    record = spare[begin : begin + int(first[-1]) * width]
    if leaf == "one":
        record[:] = (one_of_each(forest).astype(np.int64) << SHARE_BITS) + int(UNIT)
    else:
        share, unit = (drawn_counts(forest), 1.0) if leaf == "pooled" else (forest.member_share, UNIT)
        _fill(forest.leaf_start, forest.member_rank, share, unit, first, width, record)
    return Members(first, record, width, int(np.diff(first).max()))


def _width(forest: Forest, leaf: Leaf) -> int:
    """Members to a group: a power of two near their mean number."""
    if leaf == "one":
        return 1
    mean = len(forest.member_rank) / max(1, len(forest.leaf_mean))
    return min(WIDEST, 1 << round(math.log2(max(1.0, mean))))


def _first(forest: Forest, leaf: Leaf) -> NDArray[np.int32]:
    if leaf == "one":
        return np.arange(len(forest.leaf_mean) + 1, dtype=np.int32)
    width = _width(forest, leaf)
    groups = -(-np.diff(forest.leaf_start) // width)
    return np.concatenate([[0], np.cumsum(groups)]).astype(np.int32)


def members_bytes(forest: Forest, leaf: Leaf) -> int:
    """Memory that :func:`members_of` keeps, and what it takes to make it."""
    leaves, drawn = len(forest.leaf_mean), len(forest.member_rank) if leaf == "pooled" else 0
    return 8 * int(_first(forest, leaf)[-1]) * _width(forest, leaf) + 24 * leaves + 28 * drawn + (40 * leaves if leaf == "one" else 0)


@kernel
def _fill(start, member, share, unit, first, width, record):  # type: ignore[no-untyped-def]  # compiled
    for leaf in range(first.shape[0] - 1):
        begin, count = start[leaf], start[leaf + 1] - start[leaf]
        for j in range((first[leaf + 1] - first[leaf]) * width):
            # What fills up a group takes the ranks of the leaf once more: their places in the sums are at hand.
            m = begin + j % count
            whole = np.int64(np.rint(share[m] * unit)) if j < count else 0
            record[first[leaf] * width + j] = (np.int64(member[m]) << SHARE_BITS) + whole
