"""How much of a cell each polygon covers, exactly, with the same bits in whatever window the cell is read.

Cells and polygons meet in the polygons' own CRS, where the sides of both are straight; a share is the part of the cell's area there.
Polygons are first cut to blocks of cells. The blocks are fixed on the grid, so that a cell meets the same pieces whoever asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator

import geopandas
import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from edaphic.covariates.polygons import PREPARED_LOCK, first_polygon
from edaphic.covariates.window import at, full_turn

Float = NDArray[np.float64]

BLOCK = 32
"""Rows and columns of a block of cells."""

OVERFULL = 1e-9
"""Parts of a cell that make up more than it, by this share of it, belong to polygons that overlap."""


def covered(
    table: geopandas.GeoDataFrame,
    values: Float,
    overlapping: bool,
    grid: GeoBox,
    row: NDArray[np.int64],
    col: NDArray[np.int64],
) -> tuple[Float, Float]:
    """Share of each cell that polygons cover, and the mean of their values weighted by area.

    Where polygons overlap the first of the file counts.

    Parameters
    ----------
    table : GeoDataFrame
        Valid polygons.
    values : array, shape (polygons,)
        NaN: the polygon does not count.
    overlapping : bool
        Whether polygons may overlap, which takes longer.
    row, col : int arrays of shape (n,), inside the grid

    Returns
    -------
    share : array, shape (n,), 0 to 1; NaN where the polygons' CRS has no such place
    mean : array, shape (n,); NaN where the share is 0
    """
    share, mean = np.full(row.size, np.nan), np.full(row.size, np.nan)
    if not row.size:
        return share, mean
    blocks = (row // BLOCK) * (grid.shape[1] // BLOCK + 1) + col // BLOCK
    order = np.argsort(blocks, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(blocks[order])) + 1):
        share[part], mean[part] = _in_block(table, values, overlapping, grid, row[part], col[part])
    return share, mean


def _in_block(
    table: geopandas.GeoDataFrame,
    values: Float,
    overlapping: bool,
    grid: GeoBox,
    row: NDArray[np.int64],
    col: NDArray[np.int64],
) -> tuple[Float, Float]:
    crs = CRS(table.crs)
    frame = _frame(grid, (int(row[0]) // BLOCK, int(col[0]) // BLOCK), crs)
    if frame is None:
        return np.full(row.size, np.nan), np.full(row.size, np.nan)
    x, y, around = _corners(grid, row, col, crs, frame[0])
    good = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    cells = shapely.polygons(np.stack([x[good], y[good]], axis=-1))
    whole = shapely.area(cells)
    area, total, parts = np.zeros(len(cells)), np.zeros(len(cells)), np.zeros(len(cells), dtype=np.int64)
    pieces = list(_pieces(table, values, frame, full_turn(crs)))
    for piece, value in pieces:
        part = _areas(piece, cells, whole)
        area += part
        total += part * value
        parts += part > 0.0
    for number in np.flatnonzero((area > whole * (1.0 + OVERFULL)) | (overlapping & (parts > 1))):
        area[number], total[number] = _in_turn(cells[number], pieces)
    share, mean = np.full(row.size, np.nan), np.full(row.size, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        share[good], mean[good] = np.clip(area / whole, 0.0, 1.0), total / area
    if around.any():  # a cell over a pole has no sides in longitude and latitude: what lies under its centre counts
        first = _under_centres(table, grid, row[around], col[around], crs)
        below = np.where(first >= 0, values[first], np.nan)
        share[around], mean[around] = np.isfinite(below).astype(np.float64), below
    return share, mean


def _frame(grid: GeoBox, block: tuple[int, int], crs: CRS) -> tuple[float, tuple[float, float, float, float]] | None:
    """Middle and bounds of a block in the polygons' CRS, its longitudes within half a turn of the middle; None where it has no place."""
    rows, cols = (
        np.arange(first * BLOCK, min((first + 1) * BLOCK, size) + 1, dtype=np.float64)
        for first, size in zip(block, grid.shape, strict=True)
    )
    assert grid.crs is not None
    x, y = at(grid.affine, grid.crs, rows[:, None], cols[None, :], crs)
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return None
    x, y, turn = x[known], y[known], full_turn(crs)
    middle = float(x[0])
    if turn is not None:
        x = x - np.round((x - middle) / turn) * turn
    west, east, low, high = float(x.min()), float(x.max()), float(y.min()), float(y.max())
    if turn is not None and east - west > 0.4 * turn:  # cells on the far side go beyond their corners' frame
        west, east = middle - 0.75 * turn, middle + 0.75 * turn
    wide, tall = 1e-6 * (east - west), 1e-6 * (high - low)
    return middle, (west - wide, low - tall, east + wide, high + tall)


def _corners(
    grid: GeoBox, row: NDArray[np.int64], col: NDArray[np.int64], crs: CRS, middle: float
) -> tuple[Float, Float, NDArray[np.bool_]]:
    """Corners (n, 4) of cells, without the jump of a full turn of longitude; and which cells lie over a pole."""
    assert grid.crs is not None
    down, across = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    x, y = at(grid.affine, grid.crs, row[:, None] + down, col[:, None] + across, crs)
    turn = full_turn(crs)
    if turn is None:
        return x, y, np.zeros(row.size, dtype=bool)
    with np.errstate(invalid="ignore"):
        x = x - np.round((x - x[:, :1]) / turn) * turn
        x = x - np.round((x.mean(axis=1, keepdims=True) - middle) / turn) * turn
        return x, y, np.ptp(x, axis=1) > 0.4 * turn


def _pieces(
    table: geopandas.GeoDataFrame, values: Float, frame: tuple[float, tuple[float, float, float, float]], turn: float | None
) -> Iterator[tuple[shapely.Geometry, float]]:
    """Parts of the polygons within the bounds of a block, in the order of the file, and their values."""
    shapes = table.geometry.to_numpy()
    west, low, east, high = frame[1]
    shifts = [0.0] if turn is None else [turns * turn for turns in (-2, -1, 0, 1, 2)]
    found = []
    for shift in shifts:
        box = shapely.box(west - shift, low, east - shift, high)
        found += [(int(number), shift, box) for number in table.sindex.query(box) if not np.isnan(values[number])]
    for number, shift, box in sorted(found, key=lambda entry: entry[:2]):
        with PREPARED_LOCK:
            inside = bool(shapely.contains_properly(shapes[number], box))
        piece = box if inside else shapely.intersection(shapes[number], box)
        if shift:
            piece = shapely.transform(piece, lambda points, shift=shift: points + np.array([shift, 0.0]))
        yield piece, float(values[number])


def _areas(piece: shapely.Geometry, cells: NDArray[np.object_], whole: Float) -> Float:
    """Area of a piece in each cell."""
    found = np.zeros(len(cells))
    shapely.prepare(piece)
    near = shapely.intersects(piece, cells)
    inside = np.zeros(len(cells), dtype=bool)
    inside[near] = shapely.contains(piece, cells[near])
    found[inside] = whole[inside]
    edge = near & ~inside
    found[edge] = shapely.area(shapely.intersection(piece, cells[edge]))
    return found


def _in_turn(cell: shapely.Geometry, pieces: list[tuple[shapely.Geometry, float]]) -> tuple[float, float]:
    """Covered area, and its sum of values: each piece has what those before it left."""
    area, total = 0.0, 0.0
    for piece, value in pieces:
        part = float(shapely.area(shapely.intersection(piece, cell)))
        if part > 0.0:
            area, total = area + part, total + part * value
            cell = shapely.difference(cell, piece)
    return area, total


def _under_centres(
    table: geopandas.GeoDataFrame, grid: GeoBox, row: NDArray[np.int64], col: NDArray[np.int64], crs: CRS
) -> NDArray[np.int64]:
    assert grid.crs is not None
    return first_polygon(table, *at(grid.affine, grid.crs, row.astype(np.float64) + 0.5, col.astype(np.float64) + 0.5, crs))
