"""Breaching of depressions: channels cut through their rims, where filling would raise their floors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edaphic.compiled import kernel
from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.fill import steps
from edaphic.covariates.terrain.heap import drop_first, push
from edaphic.covariates.terrain.neighbours import COLUMNS_AWAY, ROWS_AWAY, Elevation, checked, distances, inside, is_outlet

ROOM = 1 << 14
DIRECTION, OUTLET, UNSEEN, TAKEN = 0x0F, 8, 9, 0x10


def breach(
    z: Elevation,
    cells: CellSizes,
    *,
    min_slope_deg: float = 0.01,
    max_depth_m: float = math.inf,
    max_length_m: float = math.inf,
) -> Elevation:
    """Cut a channel from the lowest cell of each depression to where the ground is lower.

    The ground is flooded from the outlets (the cells that miss a neighbour) in the order of height, each cell remembering
    from where it was reached (Lindsay 2016). A cell from which the only ways on are up is the bottom of a depression: from
    there the way back is lowered, falling by ``min_slope_deg`` at each step, until the ground is low enough. So the channel
    leaves by the lowest saddle. Nothing is raised, and with no limits water can run from every cell to an outlet without
    climbing.

    What is left for :func:`edaphic.covariates.terrain.fill.fill`, which is to follow where flow is routed: flats, and the
    depressions whose channel would be deeper or longer than allowed.

    Parameters
    ----------
    z : ndarray, shape (rows, columns)
        Elevation, m. NaN is nodata, as are infinite values.
    cells : CellSizes
    min_slope_deg : float
        Slope of the channels, degrees, from 0 to less than 90.
    max_depth_m, max_length_m : float
        Channels cut deeper into the ground at any cell, or longer from the bottom of the depression to their end, are not cut.

    Returns
    -------
    ndarray of float32 or float64 as given, same shape, m; NaN where there is no elevation.

    Raises
    ------
    ValueError
        A slope or limits out of range; arrays that do not fit.

    Examples
    --------
    The rim in the east is cut down to the floor of the pit; a rim of 4 m is too high for a channel of 1 m:

    >>> z = np.array([[9.0, 9.0, 9.0], [9.0, 3.0, 7.0], [9.0, 9.0, 9.0]])
    >>> breach(z, CellSizes.square(10.0, 3), min_slope_deg=0.0)[1].tolist()
    [9.0, 3.0, 3.0]
    >>> breach(z, CellSizes.square(10.0, 3), max_depth_m=1.0)[1].tolist()
    [9.0, 3.0, 7.0]

    References
    ----------
    Lindsay, J. B. (2016), Hydrological Processes 30, 846-857.
    """
    if not (max_depth_m >= 0.0 and max_length_m >= 0.0):
        raise ValueError(f"channels of at most {max_depth_m} m depth and {max_length_m} m length; expected limits of 0 or more")
    z = checked(z, cells)
    cut = z.copy()
    _flood(cut, steps(cells, min_slope_deg), distances(cells), max_depth_m, max_length_m)
    return cut


@kernel
def _flood(z_grid: Any, step: Any, distance: Any, most_depth: Any, most_length: Any) -> None:
    """Flood in the order of height, cut channels on the way; ``z_grid`` is changed."""
    rows, columns = z_grid.shape
    z = z_grid.ravel()
    away = ROWS_AWAY * columns + COLUMNS_AWAY
    back = np.full(z.shape[0], UNSEEN, dtype=np.uint8)
    keys, places, size = np.empty(ROOM, dtype=z.dtype), np.empty(ROOM, dtype=np.int32), 0
    for row in range(rows):
        for column in range(columns):
            cell = row * columns + column
            if not np.isnan(z[cell]) and is_outlet(z, row, column, rows, columns, away):
                back[cell] = OUTLET
                keys, places, size = push(keys, places, size, z[cell], cell)
    while size > 0:
        cell = places[0]
        drop_first(keys, places, size)
        size -= 1
        if back[cell] != OUTLET and _is_bottom(z, back, cell, away):
            _cut(z, back, cell, columns, away, step, distance, most_depth, most_length)
        back[cell] |= TAKEN
        row = cell // columns
        column = cell - row * columns
        rim = row == 0 or column == 0 or row == rows - 1 or column == columns - 1
        for k in range(8):
            if rim and not inside(row, column, k, rows, columns):
                continue
            other = cell + away[k]
            if back[other] == UNSEEN and not np.isnan(z[other]):
                back[other] = (k + 4) & 7
                keys, places, size = push(keys, places, size, z[other], other)


@kernel
def _is_bottom(z: Any, back: Any, cell: Any, away: Any) -> Any:
    """Whether there is no lower neighbour, and none as low that the flood has come through (all eight are there)."""
    found = z[cell + away[back[cell] & DIRECTION]] > z[cell]
    if found:
        for k in range(8):
            other = cell + away[k]
            if z[other] < z[cell] or (z[other] == z[cell] and back[other] & TAKEN != 0):
                found = False
                break
    return found


@kernel
def _below(level: Any, step: Any, like: Any) -> Any:
    """A level less a step in the precision of the ground; never the level itself where there is a step."""
    lowered = like.dtype.type(level - step)
    if step > 0.0 and lowered >= level:
        lowered = np.nextafter(level, like.dtype.type(-np.inf))
    return lowered


@kernel
def _cut(
    z: Any, back: Any, start: Any, columns: Any, away: Any, step: Any, distance: Any, most_depth: Any, most_length: Any
) -> None:
    """Lower the way back from the bottom of a depression: once to see whether it is allowed, once to do it."""
    for doing in (False, True):
        cell, level, length = start, z[start], 0.0
        while back[cell] & DIRECTION != OUTLET:
            k, row = back[cell] & DIRECTION, cell // columns
            cell += away[k]
            level = _below(level, step[row, k], z)
            length += distance[row, k]
            if not doing and length > most_length:  # the end, which is not cut, belongs to the channel
                return
            if z[cell] <= level:
                break
            if doing:
                z[cell] = level
            elif z[cell] - level > most_depth:
                return
