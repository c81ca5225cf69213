"""Places that need more of a source than may be read at once, cut into parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphic.covariates.resample import Lattice

Float = NDArray[np.float64]
Range = tuple[int, int]


def blocks(lattice: Lattice, cols: Float, rows: Float, limit: int) -> Iterator[tuple[Any, Range, Range]]:
    """Parts of the places, and the rows and columns of the source that each needs.

    Where that is more than ``limit`` source cells, the places are halved along the longer side, until they cannot be.
    """
    todo: list[Any] = [slice(None)]
    while todo:
        part = todo.pop()
        ranges = _reach(rows[part], lattice.height, 0), _reach(cols[part], lattice.width, lattice.wraps)
        high, wide = (last - first for first, last in ranges)
        if high <= 0 or wide <= 0:
            continue
        halves = _halves(rows if high >= wide else cols, part) if high * wide > limit else None
        if halves is None:
            yield part, *ranges
        else:
            todo.extend(halves)


def _halves(places: Float, part: Any) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Places on this and on that side of the middle; None if they are all at one."""
    numbers = np.arange(len(places))[part]
    where = places[numbers] if places.ndim == 1 else places[numbers, 0]
    numbers, where = numbers[~np.isnan(where)], where[~np.isnan(where)]
    if not numbers.size or where.min() == where.max():
        return None
    low = where <= 0.5 * (where.min() + where.max())
    return numbers[low], numbers[~low]


def _reach(places: Float, size: int, wraps: int) -> Range:
    """First, and one after the last, row or column of the source that the kernels may ask for."""
    if np.isnan(places).all():
        return 0, 0
    first, last = int(np.floor(np.nanmin(places))) - 1, int(np.floor(np.nanmax(places))) + 2
    if wraps:
        return (first, last) if last - first < wraps else (0, wraps)
    return max(first, 0), min(last, size)
