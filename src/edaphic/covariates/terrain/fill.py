"""Filling of depressions: the lowest surface above the ground from which water runs to the edge."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edaphic.compiled import kernel
from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.heap import drop_first, sift_up
from edaphic.covariates.terrain.neighbours import COLUMNS_AWAY, ROWS_AWAY, Elevation, checked, distances, grown, inside, is_outlet

LANES = 3
ROOM = 1 << 14


def fill(z: Elevation, cells: CellSizes, *, min_slope_deg: float = 0.01) -> Elevation:
    """Fill depressions, leaving a slope on what is filled.

    The result is the lowest surface that is nowhere below the ground and from every cell of which a path leads to an
    outlet that falls by at least ``min_slope_deg`` at each step: ``F = max(z, min over neighbours (F + step))``. Outlets
    are the cells that miss a neighbour: on the edge of the grid, or beside nodata (a lake or sea without elevations
    drains what surrounds it). Slopes gentler than the minimum are raised too. With a minimum of 0 depressions become
    flat.

    The surface is grown from the outlets in the order of height (Wang and Liu 2006; Barnes et al. 2014). Where a path
    rises anyway a cell is at its lowest possible value and needs no queue (as in Zhou et al. 2016); water needs one queue for
    each length of step, because levels come out of the flood in order and keep it one step further; only the cells on the
    rims between depressions go through a heap. The result does not depend on the order of equals.

    In float32 a step may be smaller than half the distance between two numbers; then the next larger number is taken.
    So the descent is strict in either precision; float64 also keeps the slope within a filled area of small cells exact.

    Parameters
    ----------
    z : ndarray, shape (rows, columns)
        Elevation, m. NaN is nodata, as are infinite values.
    cells : CellSizes
    min_slope_deg : float
        Least slope of the paths, degrees, from 0 to less than 90.

    Returns
    -------
    ndarray of float32 or float64 as given, same shape, m; NaN where there is no elevation.

    Raises
    ------
    ValueError
        A slope out of range; arrays that do not fit.

    Examples
    --------
    A pit of 4 m depth in a plateau with a notch in its rim:

    >>> z = np.array([[9.0, 9.0, 9.0], [9.0, 5.0, 7.0], [9.0, 9.0, 9.0]])
    >>> fill(z, CellSizes.square(10.0, 3), min_slope_deg=0.0)[1].tolist()
    [9.0, 7.0, 7.0]
    >>> round(float(fill(z, CellSizes.square(10.0, 3), min_slope_deg=0.01)[1, 1]) - 7.0, 6)  # 10 m times tan 0.01 degree
    0.001745

    References
    ----------
    Wang, L. and Liu, H. (2006), International Journal of Geographical Information Science 20, 193-213.
    Barnes, R., Lehman, C. and Mulla, D. (2014), Computers & Geosciences 62, 117-127.
    Zhou, G., Sun, Z. and Fu, S. (2016), Computers & Geosciences 90, 87-96.
    """
    z = checked(z, cells)
    filled = np.empty_like(z)
    _flood(z, filled, steps(cells, min_slope_deg))
    return filled


def steps(cells: CellSizes, min_slope_deg: float) -> np.ndarray:
    """Height to be won towards each neighbour at the least slope, m, shape (rows, 8)."""
    if not 0.0 <= min_slope_deg < 90.0:
        raise ValueError(f"least slope of {min_slope_deg} degrees; expected 0 to less than 90")
    return distances(cells) * math.tan(math.radians(min_slope_deg))


@kernel
def _above(level: Any, step: Any, like: Any) -> Any:
    """A level and a step in the precision of the surface; never the level itself where there is a step."""
    raised = like.dtype.type(level + step)
    if step > 0.0 and raised <= level:
        raised = np.nextafter(level, like.dtype.type(np.inf))
    return raised


@kernel
def _flood(z_grid: Any, filled_grid: Any, step: Any) -> Any:
    """Fill; ``filled_grid`` is written. Outlets first, then all that climbs from them, then the rest by level."""
    rows, columns = z_grid.shape
    z, filled = z_grid.ravel(), filled_grid.ravel()
    away = ROWS_AWAY * columns + COLUMNS_AWAY
    done = np.zeros(z.shape[0], dtype=np.uint8)
    stack = np.empty(ROOM, dtype=np.int32)
    for i in range(z.shape[0]):
        filled[i] = z[i] if np.isnan(z[i]) else np.inf
        done[i] = np.isnan(z[i])
    for row in range(rows):
        for column in range(columns):
            cell = row * columns + column
            if done[cell] != 0 or not is_outlet(z, row, column, rows, columns, away):
                continue
            done[cell] = 1
            filled[cell] = z[cell]
            stack = _climb(z, filled, done, step, away, rows, columns, cell, stack)
    _rise(z, filled, done, step, away, columns, stack)


@kernel
def _climb(z: Any, filled: Any, done: Any, step: Any, away: Any, rows: Any, columns: Any, start: Any, stack: Any) -> Any:
    """Settle all cells to which a path climbs from a settled one: they stay as they are. In any order."""
    stack[0], size = start, 1
    while size > 0:
        size -= 1
        cell = stack[size]
        if size + 8 > stack.shape[0]:
            stack = grown(stack)
        row = cell // columns
        column = cell - row * columns
        rim = row == 0 or column == 0 or row == rows - 1 or column == columns - 1
        level = filled[cell]
        for k in range(8):
            if rim and not inside(row, column, k, rows, columns):
                continue
            other = cell + away[k]
            if done[other] == 0 and z[other] >= _above(level, step[row, k], z):
                done[other] = 1
                filled[other] = z[other]
                stack[size] = other
                size += 1
    return stack


@kernel
def _wait(keys: Any, places: Any, size: Any, level: Any, cell: Any, filled: Any, done: Any) -> Any:
    """Put a cell into the heap. A full one is first rid of what was settled meanwhile, or is there at a lower level."""
    if size == keys.shape[0]:
        live = 0
        for i in range(size):
            key, place = keys[i], places[i]
            if done[place] == 0 and key == filled[place]:
                sift_up(keys, places, live, key, place)
                live += 1
        if 2 * live > size:
            keys, places = grown(keys), grown(places)
        size = live
    sift_up(keys, places, size, level, cell)
    return keys, places, size + 1


@kernel
def _rims(z: Any, filled: Any, done: Any, step: Any, away: Any, columns: Any) -> Any:
    """A heap of the open cells beside settled ones, by the level at which they can be reached."""
    keys, places, size = np.empty(ROOM, dtype=z.dtype), np.empty(ROOM, dtype=np.int32), 0
    for cell in range(z.shape[0]):
        if done[cell] != 0:
            continue
        row = cell // columns
        lowest = z.dtype.type(np.inf)
        for k in range(8):  # all eight are there, or the cell were an outlet; the way back is as long as the way there
            other = cell + away[k]
            if done[other] != 0:
                lowest = min(lowest, _above(filled[other], step[row, k], z))
        if lowest < np.inf:
            filled[cell] = lowest
            keys, places, size = _wait(keys, places, size, lowest, cell, filled, done)
    return keys, places, size


@kernel
def _append(ring: Any, first: Any, count: Any, tail: Any, lane: Any, level: Any, place: Any) -> Any:
    """Put an entry at the end of a lane; the rings, with twice the room where it was full."""
    lanes, room = ring.shape
    if count[lane] == room:
        larger = np.empty((lanes, 2 * room), dtype=ring.dtype)
        for other in range(lanes):
            for i in range(count[other]):
                larger[other, i] = ring[other, (first[other] + i) & (room - 1)]
            first[other] = 0
        ring, room = larger, 2 * room
    ring[lane, (first[lane] + count[lane]) & (room - 1)] = place
    count[lane] += 1
    tail[lane] = level
    return ring


@kernel
def _take(ring: Any, first: Any, count: Any, heads: Any, lane: Any, filled: Any) -> Any:
    """Take the first entry of a lane."""
    room = ring.shape[1]
    cell = ring[lane, first[lane]]
    first[lane] = (first[lane] + 1) & (room - 1)
    count[lane] -= 1
    heads[lane] = filled[ring[lane, first[lane]]] if count[lane] > 0 else np.inf
    return cell


@kernel
def _climb_on(z: Any, filled: Any, done: Any, step: Any, away: Any, columns: Any, climbed: Any, found: Any) -> Any:
    """As :func:`_climb`, from a list of cells; the list and its length, with all that was settled."""
    at = 0
    while at < found:
        cell = climbed[at]
        at += 1
        if found + 8 > climbed.shape[0]:
            climbed = grown(climbed)
        row, level = cell // columns, filled[cell]
        for k in range(8):
            other = cell + away[k]
            if done[other] == 0 and z[other] >= _above(level, step[row, k], z):
                done[other] = 1
                filled[other] = z[other]
                climbed[found] = other
                found += 1
    return climbed, found


@kernel
def _look_down(
    climbed: Any, found: Any, filled: Any, done: Any, step: Any, away: Any, columns: Any, keys: Any, places: Any, size: Any
) -> Any:
    """Put into the heap what lies open beside climbed cells. Only now: most of it is climbed itself, from elsewhere."""
    for at in range(found):
        cell = climbed[at]
        row = cell // columns
        for k in range(8):
            other = cell + away[k]
            if done[other] == 0:
                level = _above(filled[cell], step[row, k], filled)
                if level < filled[other]:
                    filled[other] = level
                    keys, places, size = _wait(keys, places, size, level, other, filled, done)
    return keys, places, size


@kernel
def _rise(z: Any, filled: Any, done: Any, step: Any, away: Any, columns: Any, climbed: Any) -> None:
    """Settle the rest: always the cell that can be reached at the lowest level, and at once what climbs from it.

    A cell may wait more than once; its lowest level is in ``filled``, and the entry with that level comes first.
    """
    keys, places, size = _rims(z, filled, done, step, away, columns)
    ring, first, count = np.empty((LANES, ROOM), dtype=np.int32), np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    heads, tail = np.full(LANES, np.inf, dtype=z.dtype), np.zeros(LANES, dtype=z.dtype)
    while size > 0 or count.max() > 0:
        lowest = np.argmin(heads)
        if size > 0 and keys[0] <= heads[lowest]:
            cell = places[0]
            drop_first(keys, places, size)
            size -= 1
        else:
            cell = _take(ring, first, count, heads, lowest, filled)
        if done[cell] != 0:
            continue
        done[cell] = 1
        row, found = cell // columns, 0
        for k in range(8):
            other = cell + away[k]
            if done[other] != 0:
                continue
            level = _above(filled[cell], step[row, k], z)
            if z[other] >= level:
                done[other] = 1
                filled[other] = z[other]
                climbed[found] = other
                found += 1
            elif level < filled[other]:
                filled[other] = level
                lane = k & 1 if k & 1 else k & 2  # one for each length of the way: north and south, corners, east and west
                if count[lane] > 0 and level < tail[lane]:
                    keys, places, size = _wait(keys, places, size, level, other, filled, done)
                    continue
                if count[lane] == 0:
                    heads[lane] = level
                ring = _append(ring, first, count, tail, lane, level, other)
        if found > 0:
            climbed, found = _climb_on(z, filled, done, step, away, columns, climbed, found)
            keys, places, size = _look_down(climbed, found, filled, done, step, away, columns, keys, places, size)
