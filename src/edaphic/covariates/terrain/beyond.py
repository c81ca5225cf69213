"""What is taken for the ground where a neighbour is missing, beyond the edge of a DEM or in a gap: the slope of the cell goes on."""

from __future__ import annotations

from typing import Any

import numpy as np

from edaphic.compiled import kernel
from edaphic.covariates.terrain.neighbours import COLUMNS_AWAY, ROWS_AWAY


@kernel
def present(z: Any, row: Any, column: Any, k: Any, rows: Any, columns: Any, away: Any) -> Any:
    """Whether the neighbour in a direction is there."""
    r, c = row + ROWS_AWAY[k], column + COLUMNS_AWAY[k]
    return 0 <= r < rows and 0 <= c < columns and not np.isnan(z[row * columns + column + away[k]])


@kernel
def _known_drop(z: Any, row: Any, column: Any, k: Any, rows: Any, columns: Any, away: Any) -> Any:
    """Drop towards a neighbour, of a missing one by the opposite neighbour; NaN where that is missing too."""
    cell, opposite = row * columns + column, (k + 4) & 7
    drop = np.nan
    if present(z, row, column, k, rows, columns, away):
        drop = np.float64(z[cell]) - np.float64(z[cell + away[k]])
    elif present(z, row, column, opposite, rows, columns, away):
        drop = np.float64(z[cell + away[opposite]]) - np.float64(z[cell])
    return drop


@kernel
def drop_beyond(z: Any, row: Any, column: Any, k: Any, rows: Any, columns: Any, away: Any, corners: Any) -> Any:
    """Height of a cell less that of a missing neighbour, m; NaN where nothing tells it.

    The height is that of the opposite neighbour mirrored at the cell, ``2 z - z_opposite``. Where that is missing too, a neighbour at a
    corner lies on the plane through the two sides beside it (there, or mirrored themselves), if ``corners`` are asked for; of a
    neighbour at a side nothing is known. A plane goes on as a plane, at the corners of the grid too.
    """
    drop = _known_drop(z, row, column, k, rows, columns, away)
    if np.isnan(drop) and corners and k & 1 == 1:
        drop = _known_drop(z, row, column, k - 1, rows, columns, away) + _known_drop(z, row, column, (k + 1) & 7, rows, columns, away)
    return drop


@kernel
def comes_in(z: Any, row: Any, column: Any, rows: Any, columns: Any, away: Any) -> Any:
    """Whether water may come from beyond: a missing neighbour is higher, or nothing tells its height."""
    found = False
    for k in range(8):
        if not present(z, row, column, k, rows, columns, away):
            found |= not drop_beyond(z, row, column, k, rows, columns, away, True) >= 0.0
    return found
