"""Flow accumulation: the area that drains through each cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.covariates.terrain.beyond import comes_in, drop_beyond, present
from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.neighbours import COLUMNS_AWAY, ROWS_AWAY, Elevation, checked, distances, grown

Float = NDArray[np.float64]
Method = Literal["mfd", "d8"]
Compat = Literal["saga"]

ROOM = 1 << 14
COUNT, MISSING, DONE, EDGE = 0x0F, 0x20, 0x40, 0x80
NOWHERE, OUT = 8, 9
LEAST, MOST = 1e-200, 1e200


@dataclass(frozen=True)
class Flow:
    """Catchments of cells.

    Parameters
    ----------
    area_m2 : ndarray of float64, shape (rows, columns)
        Area that drains through a cell, its own included; NaN where there is no elevation.
    from_edge : ndarray of bool, same shape
        Whether any of it comes through a cell that water may enter from beyond the edge or from a gap: a missing neighbour of it
        is higher, as far as the slope tells, or nothing tells its height. There the area may be too small. With ``compat="saga"``
        every cell that misses a neighbour counts as such.
    left_m2 : float
        Area whose water left the grid over an edge or into a gap. With what the cells without a lower neighbour keep it is all there is.
    """

    area_m2: Float
    from_edge: NDArray[np.bool_]
    left_m2: float


def flow_area(
    filled: Elevation,
    cells: CellSizes,
    *,
    method: Method = "mfd",
    convergence: float = 1.1,
    contour: bool = False,
    compat: Compat | None = None,
) -> Float:
    """Area that drains through each cell: :attr:`Flow.area_m2` of :func:`accumulate`, whose arguments these are.

    Examples
    --------
    A valley that falls to the south, 10 m cells; the stream leaves the grid, and beside it the lower corners do:

    >>> z = np.array([[6.0, 4.0, 6.0], [5.0, 3.0, 5.0], [4.0, 2.0, 4.0]])
    >>> flow_area(z, CellSizes.square(10.0, 3), method="d8").tolist()
    [[100.0, 100.0, 100.0], [100.0, 400.0, 100.0], [100.0, 700.0, 100.0]]
    >>> accumulate(z, CellSizes.square(10.0, 3), method="d8").left_m2
    900.0
    """
    return accumulate(filled, cells, method=method, convergence=convergence, contour=contour, compat=compat).area_m2


def accumulate(
    filled: Elevation,
    cells: CellSizes,
    *,
    method: Method = "mfd",
    convergence: float = 1.1,
    contour: bool = False,
    compat: Compat | None = None,
) -> Flow:
    """Accumulate the areas of cells down the slopes.

    Every cell counts itself and gives all that it has received

    - ``d8``: to the neighbour of the steepest descent, height difference over distance; of equals to the first in the
      order N, NE, E, SE, S, SW, W, NW, the first row being the north (O'Callaghan and Mark 1984);
    - ``mfd``: to all lower neighbours, in shares that go with ``slope ** convergence`` (Freeman 1991: 1.1), with ``contour``
      times the length of the contour towards them, half a side or 0.354 of it (Quinn et al. 1991, with a convergence of 1).

    Water leaves the grid over its edges and into gaps: the height of a missing neighbour is that of the opposite one mirrored at the
    cell, ``2 z - z_opposite``, and it receives as any other would. Where the opposite one is missing too, a neighbour at a corner lies on
    the plane of the two sides beside it, and one at a side, of which nothing is known, receives nothing. So on a plane that goes on
    beyond the grid the low edge has the areas that it would have inside.

    A cell without a lower neighbour keeps what it has. On a surface whose depressions are filled with a slope such cells lie on the
    edge or beside gaps, and with what leaves their areas add up to the whole. On flats water stays where it comes in: fill with a slope
    first.

    ``compat="saga"`` follows SAGA: with D8 a cell that misses any neighbour passes nothing on; with MFD the share of a mirrored
    neighbour is lost as above, but where the opposite one is missing too nothing leaves.

    Cells are taken when all that is higher around them has been (counts of higher neighbours, no sorting), always in the same
    order. Sums are in float64.

    Parameters
    ----------
    filled : ndarray, shape (rows, columns)
        Elevation without depressions, m; NaN is nodata, as are infinite values.
    cells : CellSizes
    method : {"mfd", "d8"}
    convergence : float
        Power of the slope, positive; 1 spreads most, 10 is nearly D8. MFD only.
    contour : bool
        Weigh with contour lengths. MFD only.
    compat : {"saga"}, optional

    Returns
    -------
    Flow

    Raises
    ------
    ValueError
        An unknown method, a convergence that is not positive, arrays that do not fit.

    References
    ----------
    Freeman, T. G. (1991), Computers & Geosciences 17, 413-422.
    O'Callaghan, J. F. and Mark, D. M. (1984), Computer Vision, Graphics, and Image Processing 28, 323-344.
    Quinn, P. et al. (1991), Hydrological Processes 5, 59-79.
    """
    if method not in ("mfd", "d8"):
        raise ValueError(f"method {method!r}; expected 'mfd' or 'd8'")
    if compat not in (None, "saga"):
        raise ValueError(f"compat {compat!r}; expected 'saga' or none")
    if not 0.0 < convergence < np.inf:
        raise ValueError(f"convergence {convergence}; expected a positive number")
    z = checked(filled, cells)
    area = np.repeat(cells.area_m2[:, None], z.shape[1], axis=1)
    if method == "d8":
        from_edge, left = _single(z, area, distances(cells), compat == "saga")
    else:
        from_edge, left = _multiple(z, area, 1.0 / distances(cells), _contours(cells, contour), convergence, compat == "saga")
    return Flow(area, from_edge.view(np.bool_), left)


def _contours(cells: CellSizes, contour: bool) -> Float:
    """Length of the contour towards each neighbour, in sides; 1 where they are not asked for."""
    lengths = distances(cells) / 4  # half the diagonal of a quarter of the cell, for those that share a corner
    lengths[:, 0::4] = cells.dx_m[:, None] / 2
    lengths[:, 2::4] = cells.dy_m[:, None] / 2
    return lengths / np.sqrt(cells.area_m2)[:, None] if contour else np.ones_like(lengths)


@kernel
def _higher(z: Any, area: Any, state: Any, rows: Any, columns: Any, away: Any, peer: Any) -> Any:
    """Count the higher neighbours of each cell, mark those that miss one and those that water may enter; no area without elevation."""
    for row in range(rows):
        rim = row == 0 or row == rows - 1
        for column in range(columns):
            cell = row * columns + column
            here = z[cell]
            if np.isnan(here):
                area[cell] = np.nan
                state[cell] = DONE
                continue
            count, missing = 0, 0
            if rim or column == 0 or column == columns - 1:
                missing = MISSING
                for k in range(8):
                    count += present(z, row, column, k, rows, columns, away) and z[cell + away[k]] > here
            else:
                for k in range(8):
                    other = z[cell + away[k]]
                    count += other > here
                    missing |= MISSING * np.isnan(other)
            if missing != 0 and (peer or comes_in(z, row, column, rows, columns, away)):
                missing |= EDGE
            state[cell] = count | missing


@kernel
def _multiple(z_grid: Any, area_grid: Any, nearness: Any, contour: Any, power: Any, peer: Any) -> Any:
    """Multiple flow direction; ``area_grid`` is changed. The mask of cells that water from the edge reaches; the area that left."""
    rows, columns = z_grid.shape
    z, area = z_grid.ravel(), area_grid.ravel()
    away = ROWS_AWAY * columns + COLUMNS_AWAY
    state = np.empty(z.shape[0], dtype=np.uint8)
    _higher(z, area, state, rows, columns, away, peer)
    stack = np.empty(ROOM, dtype=np.int32)
    least, greatest = LEAST ** (1.0 / power), MOST ** (1.0 / power)
    to, toward, share = np.empty(8, dtype=np.int64), np.empty(8, dtype=np.int64), np.empty(8)
    left = 0.0
    for start in range(z.shape[0]):
        if state[start] & (COUNT | DONE) != 0:
            continue
        state[start] |= DONE
        stack[0], size = start, 1
        while size > 0:
            size -= 1
            cell = stack[size]
            if size + 8 > stack.shape[0]:
                stack = grown(stack)
            row = cell // columns
            lower = _lower(z, cell, row, rows, columns, away, to, toward, share, nearness)
            if state[cell] & MISSING != 0:
                lower = _beyond(z, cell, row, rows, columns, away, to, toward, share, nearness, lower, not peer)
            if lower == 0:
                continue
            per_share = area[cell] / _shares(toward, share, lower, contour[row], power, least, greatest)
            reached = state[cell] & EDGE
            for i in range(lower):
                other = to[i]
                if other < 0:
                    left += share[i] * per_share
                    continue
                area[other] += share[i] * per_share
                waits = (state[other] - 1) | reached
                if waits & COUNT == 0:
                    waits |= DONE
                    stack[size] = other
                    size += 1
                state[other] = waits
    for cell in range(z.shape[0]):
        state[cell] = state[cell] >> 7
    return state.reshape(rows, columns), left


@kernel
def _lower(z: Any, cell: Any, row: Any, rows: Any, columns: Any, away: Any, to: Any, toward: Any, slopes: Any, nearness: Any) -> Any:
    """List the lower neighbours: cell, direction and slope; their number."""
    column = cell - row * columns
    rim = row == 0 or column == 0 or row == rows - 1 or column == columns - 1
    here, lower = np.float64(z[cell]), 0
    for k in range(8):
        if rim and not present(z, row, column, k, rows, columns, away):
            continue
        drop = here - np.float64(z[cell + away[k]])
        if drop > 0.0:
            to[lower], toward[lower], slopes[lower] = cell + away[k], k, drop * nearness[row, k]
            lower += 1
    return lower


@kernel
def _beyond(
    z: Any, cell: Any, row: Any, rows: Any, columns: Any, away: Any, to: Any, toward: Any, slopes: Any, near: Any, lower: Any, corners: Any
) -> Any:
    """Add to the list the missing neighbours that are taken to be lower."""
    column = cell - row * columns
    for k in range(8):
        if present(z, row, column, k, rows, columns, away):
            continue
        drop = drop_beyond(z, row, column, k, rows, columns, away, corners)
        if drop > 0.0:
            to[lower], toward[lower], slopes[lower] = -1, k, drop * near[row, k]
            lower += 1
    return lower


@kernel
def _shares(toward: Any, share: Any, lower: Any, contour: Any, power: Any, least: Any, greatest: Any) -> Any:
    """Turn slopes into weights, in place; their sum."""
    most, total = 0.0, 0.0
    for i in range(lower):
        most = max(most, share[i])
    if not least < most < greatest:
        # A high power of a gentle slope leaves the range of numbers; of its ratio to the steepest it does not.
        for i in range(lower):
            share[i] /= most
    for i in range(lower):
        share[i] = share[i] ** power * contour[toward[i]]
        total += share[i]
    return total


@kernel
def _steepest(z: Any, row: Any, column: Any, rows: Any, columns: Any, away: Any, distance: Any) -> Any:
    """Direction of the steepest descent among the neighbours that are there, and whether one is missing."""
    cell = row * columns + column
    here, best, chosen, missing = np.float64(z[cell]), 0.0, NOWHERE, False
    rim = row == 0 or column == 0 or row == rows - 1 or column == columns - 1
    for k in range(8):
        if rim and not present(z, row, column, k, rows, columns, away):
            missing = True
            continue
        drop = here - np.float64(z[cell + away[k]])
        if np.isnan(drop):
            missing = True
        elif drop > 0.0:
            slope = drop / distance[row, k]
            if slope > best or chosen == NOWHERE:
                best, chosen = slope, k
    return chosen, missing


@kernel
def _steepest_of_all(z: Any, row: Any, column: Any, rows: Any, columns: Any, away: Any, distance: Any) -> Any:
    """The same among all eight, where some are missing; ``OUT`` if the steepest is one of those."""
    cell = row * columns + column
    best, chosen, there = 0.0, NOWHERE, True
    for k in range(8):
        inner = present(z, row, column, k, rows, columns, away)
        if inner:
            drop = np.float64(z[cell]) - np.float64(z[cell + away[k]])
        else:
            drop = drop_beyond(z, row, column, k, rows, columns, away, True)
        if drop > 0.0:
            slope = drop / distance[row, k]
            if slope > best or chosen == NOWHERE:
                best, chosen, there = slope, k, inner
    return chosen if there else OUT


@kernel
def _single(z_grid: Any, area_grid: Any, distance: Any, peer: Any) -> Any:
    """D8; ``area_grid`` is changed. The mask of cells that water from the edge reaches; the area that left."""
    rows, columns = z_grid.shape
    z, area = z_grid.ravel(), area_grid.ravel()
    away = ROWS_AWAY * columns + COLUMNS_AWAY
    to = np.empty(z.shape[0], dtype=np.uint8)
    reached = np.zeros(z.shape[0], dtype=np.uint8)
    givers = np.zeros(z.shape[0], dtype=np.uint8)
    left = 0.0
    for row in range(rows):
        for column in range(columns):
            cell = row * columns + column
            if np.isnan(z[cell]):
                area[cell], to[cell], givers[cell] = np.nan, NOWHERE, DONE
                continue
            chosen, missing = _steepest(z, row, column, rows, columns, away, distance)
            if missing:
                reached[cell] = peer or comes_in(z, row, column, rows, columns, away)
                chosen = NOWHERE if peer else _steepest_of_all(z, row, column, rows, columns, away, distance)
            to[cell] = chosen
            if chosen < NOWHERE:
                givers[cell + away[chosen]] += 1
    for start in range(z.shape[0]):
        cell = start
        while givers[cell] == 0:
            givers[cell] = DONE
            if to[cell] == OUT:
                left += area[cell]
            if to[cell] >= NOWHERE:
                break
            other = cell + away[to[cell]]
            area[other] += area[cell]
            reached[other] |= reached[cell]
            givers[other] -= 1
            cell = other
    return reached.reshape(rows, columns), left
