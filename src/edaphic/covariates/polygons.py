"""Polygons on the grid: a region of interest, or the regions of an account.

A cell belongs to a polygon if its centre lies in it. Centres are taken to the polygons' own CRS and tested there, so
that the sides of a polygon stay as straight as its maker drew them, and a window equals the same part of the whole
grid.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyogrio.errors import DataSourceError

from edaphic.covariates.address import gdal_name, is_local, network, shown
from edaphic.covariates.handles import reason, stamp
from edaphic.covariates.window import Window, at, centres, full_turn, inside
from edaphic.errors import TableError

PREPARED_LOCK = threading.Lock()
"""Prepared polygons build their index at the first question, which two threads must not do at once."""

KEPT = 64
"""Files of polygons that are remembered: more than a stack has. Preparing one again costs far more than a read."""


def read_polygons(path: str | Path) -> geopandas.GeoDataFrame:
    """Polygons of a GeoPackage, shapefile, GeoJSON or other vector file, in the order of the file.

    Raises
    ------
    TableError
        The file is missing or unreadable, has no CRS, or holds something else than polygons.

    Examples
    --------
    >>> read_polygons("missing.gpkg")
    Traceback (most recent call last):
    edaphic.errors.TableError: missing.gpkg: no such file; expected polygons
    """
    name = gdal_name(path)
    if is_local(name) and not Path(name).exists():
        raise TableError(f"{path}: no such file; expected polygons")
    return _read(name, stamp(name))


@lru_cache(maxsize=KEPT)
def _read(path: str, changed: tuple[int, int] | None) -> geopandas.GeoDataFrame:
    try:
        with network(path):
            table = geopandas.read_file(path)
    except (DataSourceError, OSError, ValueError) as error:
        found = f"{shown(path)}: not a vector file that can be read ({reason(error, path)})"
        raise TableError(f"{found}; expected polygons, such as a GeoPackage") from error
    if not isinstance(table, geopandas.GeoDataFrame) or table.geometry.isna().all():
        raise TableError(f"{path}: no geometry; expected polygons")
    if table.crs is None:
        raise TableError(f"{path}: no coordinate reference system; expected polygons with a CRS")
    table = table[~(table.geometry.isna() | table.geometry.is_empty)].reset_index(drop=True)
    kinds = sorted(set(table.geom_type) - {"Polygon", "MultiPolygon"})
    if kinds or table.empty:
        raise TableError(f"{path}: {', '.join(kinds) or 'no features'}; expected polygons")
    shapely.prepare(table.geometry.to_numpy())
    return table


def region_mask(grid: GeoBox, window: Window, path: str | Path) -> NDArray[np.bool_]:
    """Cells of a window whose centre lies in any polygon of a file, its edge included.

    Returns
    -------
    ndarray of bool, shape (height, width).

    Raises
    ------
    TableError
        See :func:`read_polygons`.
    """
    table = read_polygons(path)
    return _first_polygon(table, grid, window) >= 0


def cells_inside(grid: GeoBox, row: NDArray[np.int64], col: NDArray[np.int64], path: str | Path) -> NDArray[np.bool_]:
    """As :func:`region_mask`, of single cells: ``row`` and ``col`` (n,) inside the grid give bool (n,)."""
    table = read_polygons(path)
    assert grid.crs is not None
    rows, cols = row.astype(np.float64) + 0.5, col.astype(np.float64) + 0.5
    return first_polygon(table, *at(grid.affine, grid.crs, rows, cols, CRS(table.crs))) >= 0


def rasterise(
    path: str | Path, column: str, grid: GeoBox, window: Window
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Class codes of a window from a polygon file, and their names, as a class raster would give them.

    Parameters
    ----------
    path : str or Path
        Vector file of polygons, in any CRS.
    column : str
        Polygons with the same value here are one class. Where polygons overlap, the first of the file counts.
    grid : GeoBox
    window : Window

    Returns
    -------
    codes : ndarray of float32, shape (height, width)
        1 to the number of names; NaN where the centre of the cell lies in no polygon.
    names : dict of int to str
        Names of all classes of the file, in order of the values; the same for every window. Missing values are
        "(none)".

    Raises
    ------
    TableError
        See :func:`read_polygons`; also if there is no such column.
    """
    table = read_polygons(path)
    if column not in table.columns or column == table.geometry.name:
        have = ", ".join(str(name) for name in table.columns if name != table.geometry.name)
        raise TableError(f"{path}: no column {column!r}; expected one of {have}")
    values = table[column]
    ordered = sorted(values.dropna().unique())
    rank = {value: code for code, value in enumerate(ordered, start=1)}
    names = {code: str(value) for value, code in rank.items()}
    if values.isna().any():
        names[len(names) + 1] = "(none)"
    codes = np.array([len(rank) + 1 if pd.isna(value) else rank[value] for value in values], dtype=np.float32)
    first = _first_polygon(table, grid, window)
    return np.where(first >= 0, codes[first], np.float32(np.nan)), names


def _first_polygon(table: geopandas.GeoDataFrame, grid: GeoBox, window: Window) -> NDArray[np.int64]:
    """Number of the first polygon in which each centre lies; -1 where there is none."""
    inside(grid, window)
    x, y = (np.ravel(part) for part in centres(grid, window, CRS(table.crs)))
    return first_polygon(table, x, y).reshape(window.shape)


def first_polygon(table: geopandas.GeoDataFrame, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of the first polygon of a table in which each place lies, edges included; -1 where there is none.

    Parameters
    ----------
    table : GeoDataFrame
        As :func:`read_polygons` gives it.
    x, y : arrays of shape (n,)
        In the CRS of the table; not finite where there is no place. Longitudes may differ from those of the polygons by a full turn.
    """
    found = np.full(x.size, -1, dtype=np.int64)
    for turn in turns(table):
        lon = x + turn
        known = np.flatnonzero(np.isfinite(lon) & np.isfinite(y))
        if known.size:
            _find(table, lon, y, known[np.argsort(lon[known], kind="stable")], found)
    return found


def turns(table: geopandas.GeoDataFrame) -> tuple[float, ...]:
    """What may lie between the longitude of a place and that of the polygons, which may go beyond 180 degrees."""
    turn = full_turn(CRS(table.crs))
    if turn is None:
        return (0.0,)
    west, _, east, _ = table.total_bounds
    return (0.0, *((turn,) if east > 0.5 * turn else ()), *((-turn,) if west < -0.5 * turn else ()))


def _find(
    table: geopandas.GeoDataFrame, x: NDArray[np.float64], y: NDArray[np.float64], order: NDArray[np.intp], found: NDArray[np.int64]
) -> None:
    """Put into ``found`` the first polygon of the places in ``order``, which is that of their x."""
    shapes = table.geometry.to_numpy()
    sorted_x = x[order]
    view = shapely.box(sorted_x[0], y[order].min(), sorted_x[-1], y[order].max())
    for number in np.sort(table.sindex.query(view)):
        west, south, east, north = shapely.bounds(shapes[number])
        first, last = np.searchsorted(sorted_x, west, "left"), np.searchsorted(sorted_x, east, "right")
        near = order[first:last]
        near = near[(found[near] < 0) & (y[near] >= south) & (y[near] <= north)]
        if near.size:
            with PREPARED_LOCK:
                near = near[shapely.intersects_xy(shapes[number], x[near], y[near])]
            found[near] = number
