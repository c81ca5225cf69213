"""The grid of a map: an immutable odc-geo GeoBox, north up, in a geographic or projected CRS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj.exceptions import CRSError

from edaphic.covariates.area import cell_area_m2
from edaphic.covariates.facts import Source, facts
from edaphic.covariates.polygons import read_polygons, region_mask
from edaphic.covariates.resample import Lattice
from edaphic.covariates.window import Window, crs_name, full_turn, transformer, window_box, windows
from edaphic.errors import GridError, RasterError

__all__ = [
    "Window",
    "cell_area_m2",
    "cells_of",
    "grid_from_bounds",
    "grid_from_region",
    "grid_like",
    "region_mask",
    "window_box",
    "windows",
]

Resolution = float | Sequence[float]

WGS84 = CRS("EPSG:4326")

LARGEST = 2**31 - 1
"""Most rows or columns that a GeoTIFF may have."""

FINEST_M = 0.1
"""Smaller cells, in metres, are a mistake: a number of degrees on a grid in metres."""

WHOLE = 1e-6
"""Bounds that miss a whole number of cells by less than this part of a cell have that number."""


def grid_like(path: str | Path) -> GeoBox:
    """The grid of a raster.

    Raises
    ------
    GridError
        The file is missing or no raster, or its grid has no CRS, is rotated, has its first row in the south, or counts
        longitude from 0 to 360.

    Examples
    --------
    >>> grid_like("missing.tif")
    Traceback (most recent call last):
    edaphic.errors.GridError: grid: missing.tif: no such file; expected a raster
    """
    try:
        known = facts(Source("grid", path))
    except RasterError as error:
        raise GridError(error.faults) from error
    return _checked(GeoBox((known.height, known.width), known.transform, known.crs), f"grid: {path}")


def grid_from_bounds(crs: str | int | CRS, resolution: Resolution, bounds: Sequence[float]) -> GeoBox:
    """A grid from its CRS, cell size and extent.

    Parameters
    ----------
    crs : str or int
        Such as ``"EPSG:32634"``, ``32634`` or WKT.
    resolution : float or (x, y)
        Size of a cell in units of the CRS, positive.
    bounds : (west, south, east, north)
        In units of the CRS. The grid starts at west and north exactly; if the extent is no whole number of cells, it
        reaches beyond east and south.

    Raises
    ------
    GridError
        One line for each fault.

    Examples
    --------
    >>> grid = grid_from_bounds("EPSG:32634", 90, (500000, 4600000, 500200, 4600090))
    >>> grid.shape, grid.extent.boundingbox.bbox
    (Shape2d(x=3, y=1), (500000.0, 4600000.0, 500270.0, 4600090.0))
    """
    faults: list[str] = []
    known = _crs(crs, faults)
    size = _cell_size(resolution, faults)
    west, south, east, north = _bounds(bounds, faults)
    if not faults and known is not None:
        faults += _odd_sizes(known, size, (east - west, north - south))
    if faults or known is None:
        raise GridError(faults)
    width, height = (max(1, math.ceil(cells - WHOLE)) for cells in ((east - west) / size[0], (north - south) / size[1]))
    if max(width, height) > LARGEST:
        raise GridError(f"grid: {height} rows and {width} columns; expected a coarser resolution or a smaller extent")
    return _checked(GeoBox((height, width), Affine(size[0], 0.0, west, 0.0, -size[1], north), known), "grid")


def grid_from_region(path: str | Path, resolution: Resolution, crs: str | int | CRS | None = None) -> GeoBox:
    """A grid that covers the polygons of a file, its bounds snapped outward to whole multiples of the cell size.

    Parameters
    ----------
    path : str or Path
        Vector file of polygons.
    resolution : float or (x, y)
        Size of a cell in units of the CRS of the grid.
    crs : str or int, optional
        CRS of the grid; that of the polygons unless given.

    Raises
    ------
    GridError
        One line for each fault; also if the cells are larger than the region.
    TableError
        The file holds no polygons that can be used.
    """
    table = read_polygons(path)
    faults: list[str] = []
    known = _crs(table.crs if crs is None else crs, faults)
    size = _cell_size(resolution, faults)
    if faults or known is None:
        raise GridError(faults)
    # Points along the sides, for the sides bend in another CRS and their ends alone may not reach far enough.
    west, south, east, north = table.total_bounds
    outline = shapely.segmentize(table.geometry.to_numpy(), max(east - west, north - south) / 200)
    x, y = transformer(CRS(table.crs), known).transform(*shapely.get_coordinates(outline).T)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise GridError(f"grid: {path}: reaches beyond what {crs_name(known)} can show; expected a CRS for this region")
    if size[0] > np.ptp(x) and size[1] > np.ptp(y):
        raise GridError(
            f"grid.resolution: {size[0]:g} x {size[1]:g}; expected less than the region's "
            f"{np.ptp(x):g} x {np.ptp(y):g} in units of {crs_name(known)}"
        )
    low = [math.floor(bound / step + WHOLE) * step for bound, step in ((x.min(), size[0]), (y.min(), size[1]))]
    high = [math.ceil(bound / step - WHOLE) * step for bound, step in ((x.max(), size[0]), (y.max(), size[1]))]
    return grid_from_bounds(known, size, (*low, *high))


def cells_of(grid: GeoBox, lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the cell in which each place lies.

    Parameters
    ----------
    grid : GeoBox
    lon, lat : array_like, shape (n,)
        Degrees, WGS 84.

    Returns
    -------
    (row, col) : int arrays of shape (n,), both -1 outside the grid or where a coordinate is missing. The north and
    west side of a cell belong to it, the south and east side to its neighbours.

    Examples
    --------
    >>> grid = grid_from_bounds("EPSG:4326", 1, (20, 40, 23, 42))
    >>> [part.tolist() for part in cells_of(grid, [20.5, 22.9, 25.0], [41.5, 40.1, 41.0])]
    [[0, 1, -1], [0, 2, -1]]
    """
    assert grid.crs is not None
    x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    if grid.crs != WGS84:
        x, y = transformer(WGS84, grid.crs).transform(x, y)
    lattice = Lattice(grid.affine, grid.shape[1], grid.shape[0], full_turn(grid.crs))
    col, row = lattice.locate(np.asarray(x), np.asarray(y))
    out = ~lattice.within(col, row)
    return (
        np.where(out, -1.0, np.floor(row)).astype(np.int64),
        np.where(out, -1.0, np.floor(col)).astype(np.int64),
    )


def _checked(grid: GeoBox, where: str) -> GeoBox:
    affine, crs = grid.affine, grid.crs
    assert crs is not None
    if affine.b or affine.d:
        raise GridError(f"{where}: rotated (rows do not run east); expected a grid that is not rotated")
    if affine.a <= 0 or affine.e >= 0:
        raise GridError(f"{where}: first row in the south or first column in the east; expected it in the north-west")
    turn = full_turn(crs)
    if turn is not None:
        box = grid.extent.boundingbox
        # Cells may be centred on the limits, as in many global rasters; that is half a cell beyond.
        east, north = (0.5 + WHOLE) * (turn + affine.a), 0.25 * turn - (0.5 + WHOLE) * affine.e
        if box.right > east or box.left < -east:
            raise GridError(f"{where}: longitude {box.left:g} to {box.right:g}; expected -180 to 180 degrees")
        if box.top > north or box.bottom < -north:
            raise GridError(f"{where}: latitude {box.bottom:g} to {box.top:g}; expected -90 to 90 degrees")
    return grid


def _crs(crs: object, faults: list[str]) -> CRS | None:
    try:
        known = CRS(crs)
    except (CRSError, TypeError, ValueError):
        faults.append(f"grid.crs: {crs!r} is unknown; expected a code such as EPSG:32634, or WKT")
        return None
    if not (known.geographic or known.projected):
        faults.append(f"grid.crs: {crs_name(known)} is neither geographic nor projected; expected one that is")
        return None
    return known


def _cell_size(resolution: Resolution, faults: list[str]) -> tuple[float, float]:
    both = (resolution, resolution) if isinstance(resolution, (int, float)) else tuple(resolution)
    if len(both) != 2 or not all(math.isfinite(size) and size > 0 for size in both):
        faults.append(f"grid.resolution: {resolution}; expected a positive number, or two for x and y")
        return 1.0, 1.0
    return float(both[0]), float(both[1])


def _odd_sizes(crs: CRS, size: tuple[float, float], extent: tuple[float, float]) -> list[str]:
    """Cells that no map has: metres taken for degrees, or degrees for metres."""
    metres = 6_378_137.0 if crs.geographic else 1.0  # an angle in radians, times the Earth's radius
    across = metres * float(crs.proj.axis_info[0].unit_conversion_factor)
    said = f"grid.resolution: {size[0]:g} x {size[1]:g} in units of {crs_name(crs)}"
    if size[0] > extent[0] and size[1] > extent[1]:
        return [f"{said}; expected less than the extent, which is {extent[0]:g} x {extent[1]:g} in these units"]
    if max(size) * across < FINEST_M:
        return [f"{said}; expected a coarser resolution, of {FINEST_M:g} m at least"]
    return []


def _bounds(bounds: Sequence[float], faults: list[str]) -> tuple[float, float, float, float]:
    if len(bounds) == 4 and all(math.isfinite(bound) for bound in bounds):
        west, south, east, north = (float(bound) for bound in bounds)
        if west < east and south < north:
            return west, south, east, north
    faults.append(f"grid.bounds: {list(bounds)}; expected [west, south, east, north] in this order")
    return 0.0, 0.0, 1.0, 1.0
