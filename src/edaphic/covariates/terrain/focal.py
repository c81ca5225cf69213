"""Topographic position within a disc of any radius.

The disc is a stack of spans, one for each of its rows. Each row of heights is summed over spans that grow by a cell at both ends, and
every span is added to the cells whose disc it belongs to, from the northernmost to the southernmost. So a cell costs as many additions
as its disc is high and wide, not as many as it has cells; and the order of the additions around a cell is the same wherever a block
or a strip begins, which running sums along the rows would not keep.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.local import NO_MARGINS, Margins, real

Spans = NDArray[np.int64]

STRIP = 512
"""Columns that are worked on together; it never changes a value."""
ROUNDING = 1e-9
"""Part of the radius by which a cell may lie beyond it: distances that are the radius but for rounding are inside."""


def disc_of_cells(rows: int, radius: float) -> Spans:
    """A disc whose radius is counted in cells; see :func:`disc_of_metres`.

    Examples
    --------
    >>> disc_of_cells(1, 2).tolist()  # half a span: one cell, three, five, three, one
    [[0, 1, 2, 1, 0]]
    """
    return disc_of_metres(CellSizes.square(1.0, rows), radius)


def disc_of_metres(cells: CellSizes, radius_m: float) -> Spans:
    """Cells whose centres lie within a radius, for each row of the grid.

    Parameters
    ----------
    cells : CellSizes
        Distances are those of the sizes of the central row.
    radius_m : float
        Positive.

    Returns
    -------
    ndarray of int64, shape (rows, 2 reach + 1)
        Cells to either side in each row of the disc, the northernmost first; -1 where the disc of the row does not reach, and
        in all of it where a row lies on a pole and has no sizes.

    Raises
    ------
    ValueError
        A radius that is not positive and finite.
    """
    if not (math.isfinite(radius_m) and radius_m > 0.0):
        raise ValueError(f"radius {radius_m:g}; expected a positive number")
    longest = radius_m * (1.0 + ROUNDING)
    dx, dy = cells.dx_m[:, None], cells.dy_m[:, None]
    reach = int(np.nanmax(np.floor(longest / cells.dy_m), initial=0.0))
    down = np.arange(-reach, reach + 1)[None, :] * dy
    with np.errstate(invalid="ignore"):
        half = np.floor(np.sqrt(np.maximum(longest**2 - down**2, 0.0)) / dx)
    return np.where((np.abs(down) <= longest) & ~np.isnan(half), half, -1).astype(np.int64)


def reach(spans: Spans) -> tuple[int, int]:
    """Rows and columns by which discs reach beyond their cell: the margins that a block needs."""
    return spans.shape[1] // 2, max(int(spans.max(initial=0)), 0)


def position_in_disc(
    z: NDArray[Any], spans: Spans, *, margins: Margins = NO_MARGINS, centre: bool = True, threads: int = 1
) -> NDArray[np.float32]:
    """Topographic position index: height above the mean of a disc (Weiss 2001), cut where the grid ends or heights are missing.

    Parameters
    ----------
    z : ndarray of float or int, shape (top + rows + bottom, left + cols + right)
        Heights, NaN where there is none.
    spans : ndarray of int64, shape (rows, any)
        The disc of each row, from :func:`disc_of_metres` or :func:`disc_of_cells`.
    margins : Margins
        Rows and columns of ``z`` around the block: as many as the disc reaches, fewer only where the grid ends.
    centre : bool
        Whether the cell itself counts in the mean, as in SAGA.
    threads : int

    Returns
    -------
    ndarray of float32, shape (rows, cols), in the unit of the heights; NaN where there is no height, or no disc (on a pole).

    Examples
    --------
    >>> z = np.array([[0.0, 0.0, 6.0, 0.0, 0.0]])
    >>> position_in_disc(z, disc_of_cells(1, 1)).tolist()  # means of 2, 3, 3, 3 and 2 cells
    [[0.0, -2.0, 4.0, -2.0, 0.0]]
    >>> position_in_disc(z, disc_of_cells(1, 1), centre=False).tolist()
    [[0.0, -3.0, 6.0, -3.0, 0.0]]
    """
    rows, cols = z.shape[0] - margins.top - margins.bottom, z.shape[1] - margins.left - margins.right
    if rows < 1 or cols < 1 or len(spans) != rows:
        raise ValueError(f"heights of shape {z.shape} with margins {tuple(margins)} and {len(spans)} rows of discs: they do not fit")
    heights = real(z)
    out = np.empty((rows, cols), dtype=np.float32)
    bounds = np.linspace(0, rows, max(1, min(threads, rows)) + 1).astype(int)

    def part(k: int) -> None:
        first, last = int(bounds[k]), int(bounds[k + 1])
        _position(heights, margins.top + first, margins.left, spans[first:last], centre, out[first:last])

    if len(bounds) == 2:
        part(0)
    else:
        with ThreadPoolExecutor(len(bounds) - 1) as pool:
            list(pool.map(part, range(len(bounds) - 1)))
    return out


@kernel(error_model="numpy")
def _position(z: Any, top: int, left: int, spans: Any, centre: bool, out: Any) -> None:
    """Fill ``out``; its first cell is that of row ``top`` and column ``left`` of ``z``."""
    rows, cols = out.shape
    high, wide = spans.shape[1] // 2, max(0, spans.max())
    for start in range(0, cols, STRIP):
        n = min(STRIP, cols - start)
        sums, counts = np.zeros((2 * high + 1, n)), np.zeros((2 * high + 1, n))
        row, there, span = np.empty(n + 2 * wide), np.empty(n + 2 * wide), np.empty(n)
        for y in range(-high, rows + high):
            if 0 <= top + y < z.shape[0]:
                _load(z, top + y, left + start - wide, row, there)
                _spread(row, wide, spans, y, span, sums)
                _spread(there, wide, spans, y, span, counts)
            if y >= high:
                i = y - high
                k = i % sums.shape[0]
                _finish(z[top + i], left + start, sums[k], counts[k], centre, out[i, start : start + n])


@kernel(error_model="numpy")
def _load(z: Any, y: int, col: int, row: Any, there: Any) -> None:
    """A row of heights from a column on, 0 where there is none; and where there is one."""
    before = min(max(0, -col), row.size)
    behind = max(before, min(row.size, z.shape[1] - col))
    row[:before] = 0.0
    row[behind:] = 0.0
    there[:before] = 0.0
    there[behind:] = 0.0
    for j in range(before, behind):
        value = float(z[y, col + j])
        found = value == value
        row[j] = value if found else 0.0
        there[j] = 1.0 if found else 0.0


@kernel(error_model="numpy")
def _spread(row: Any, wide: int, spans: Any, y: int, span: Any, sums: Any) -> None:
    """Add the spans of a row to the sums of the cells above and below it that have it in their disc."""
    rows, high = spans.shape[0], spans.shape[1] // 2
    first, last = max(0, y - high), min(rows - 1, y + high)
    widest = -1
    for i in range(first, last + 1):
        widest = max(widest, spans[i, y - i + high])
    for half in range(widest + 1):
        _grow(row, wide - half, wide + half, half == 0, span)
        for i in range(first, last + 1):
            if spans[i, y - i + high] == half:
                _add(span, sums[i % sums.shape[0]])


@kernel(error_model="numpy")
def _grow(row: Any, west: int, east: int, first: bool, span: Any) -> None:
    ends = row[west : west + span.size]
    if first:
        span[:] = ends
        return
    others = row[east : east + span.size]
    for j in range(span.size):
        span[j] += ends[j] + others[j]


@kernel(error_model="numpy")
def _add(span: Any, total: Any) -> None:
    for j in range(span.size):
        total[j] += span[j]


@kernel(error_model="numpy")
def _finish(heights: Any, col: int, sums: Any, counts: Any, centre: bool, out: Any) -> None:
    """Height less mean; the sums are made ready for the next row."""
    for j in range(out.size):
        z = float(heights[col + j])
        total, count = (sums[j], counts[j]) if centre else (sums[j] - z, counts[j] - 1.0)
        # A cell with a height is in its own disc; where none is counted there is no disc.
        out[j] = z - (total / count if count > 0.0 else z) if counts[j] > 0.0 else np.nan
        sums[j] = 0.0
        counts[j] = 0.0
