"""The eight neighbours of a cell: their order, where they lie, how far away they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.covariates.terrain.cells import CellSizes

Float = NDArray[np.float64]
Elevation = NDArray[np.floating]

# N, NE, E, SE, S, SW, W, NW, with the first row in the north. Even ones share a side, odd ones a corner.
ROWS_AWAY = np.array([-1, -1, 0, 1, 1, 1, 0, -1], dtype=np.int64)
COLUMNS_AWAY = np.array([0, 1, 1, 1, 0, -1, -1, -1], dtype=np.int64)
MOST_CELLS = 2**31 - 1


def distances(cells: CellSizes) -> Float:
    """Distance from the centre of a cell to those of its neighbours.

    Between two rows it is that of their mean sizes, so the way there is as long as the way back. Beyond the first and
    the last row the sizes go on unchanged.

    Returns
    -------
    ndarray of float64, shape (rows, 8), m, in the order N, NE, E, SE, S, SW, W, NW.

    Examples
    --------
    >>> distances(CellSizes.square(30.0, rows=1)).round(2).tolist()
    [[30.0, 42.43, 30.0, 42.43, 30.0, 42.43, 30.0, 42.43]]
    """
    dx, dy = (np.concatenate([size[:1], size, size[-1:]]) for size in (cells.dx_m, cells.dy_m))
    across = (dy[1:] + dy[:-1]) / 2
    corner = np.hypot((dx[1:] + dx[:-1]) / 2, across)
    upper, lower, side = slice(None, -1), slice(1, None), cells.dx_m
    return np.column_stack(
        [across[upper], corner[upper], side, corner[lower], across[lower], corner[lower], side, corner[upper]]
    )


def checked(z: Elevation, cells: CellSizes) -> Elevation:
    """Elevations as routing reads them: float32 or float64, contiguous; all that is not a number on the ground is NaN.

    Integers of up to 16 bits become float32, others float64, so that none loses a digit. A copy is made only where one
    is needed.

    Raises
    ------
    ValueError
        Not two dimensions, no cells, more than 2**31 - 1 cells, or sizes for another number of rows.
    """
    if z.ndim != 2 or z.size == 0:
        raise ValueError(f"elevations of shape {z.shape}; expected rows and columns")
    if z.size > MOST_CELLS:
        raise ValueError(f"{z.size} cells; routing takes at most {MOST_CELLS}")
    if len(cells) != z.shape[0]:
        raise ValueError(f"sizes of cells for {len(cells)} rows, elevations of {z.shape[0]} rows; expected the same")
    if z.dtype not in (np.float32, np.float64):
        small = z.dtype.kind == "b" or (z.dtype.kind in "iu" and z.dtype.itemsize <= 2) or z.dtype == np.float16
        z = z.astype(np.float32 if small else np.float64)
    z = np.ascontiguousarray(z)
    usable = np.isfinite(cells.dx_m) & np.isfinite(cells.dy_m)
    if not (usable.all() and only_numbers(z)):
        z = np.where(np.isfinite(z) & usable[:, None], z, np.asarray(np.nan, dtype=z.dtype))
    return z


@kernel
def only_numbers(z: Any) -> Any:
    """Whether no elevation is infinite (NaN may be: it is nodata); without a mask of the whole array."""
    flat = z.ravel()
    found = True
    for i in range(flat.shape[0]):
        if np.isinf(flat[i]):
            found = False
            break
    return found


@kernel
def grown(stack: Any) -> Any:
    """The same stack with twice the room."""
    larger = np.empty(2 * stack.shape[0], dtype=stack.dtype)
    larger[: stack.shape[0]] = stack
    return larger


@kernel
def is_outlet(z: Any, row: Any, column: Any, rows: Any, columns: Any, away: Any) -> Any:
    """Whether a cell misses one of its neighbours."""
    if row == 0 or column == 0 or row == rows - 1 or column == columns - 1:
        return True
    cell = row * columns + column
    missing = False
    for k in range(8):
        missing |= np.isnan(z[cell + away[k]])
    return missing


@kernel
def inside(row: Any, column: Any, k: Any, rows: Any, columns: Any) -> Any:
    """Whether the neighbour in a direction lies on the grid."""
    r, c = row + ROWS_AWAY[k], column + COLUMNS_AWAY[k]
    return 0 <= r < rows and 0 <= c < columns
