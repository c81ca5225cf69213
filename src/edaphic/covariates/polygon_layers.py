"""Polygons with an attribute as a layer of the stack: class, number, density or share."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from edaphic.covariates.address import gdal_name, is_local, shown
from edaphic.covariates.facts import LayerFacts, Source
from edaphic.covariates.handles import stamp
from edaphic.covariates.polygon_numbers import polygon_numbers
from edaphic.covariates.polygons import first_polygon, read_polygons, turns
from edaphic.covariates.shares import covered
from edaphic.covariates.window import Window, at, crs_name, full_turn, inside, pieces
from edaphic.errors import RasterError, TableError

Float = NDArray[np.float64]

OVER_CELLS = ("mean", "density", "share")
"""What needs the parts of a cell that polygons cover; the others look at its centre."""

_VECTOR = (".shp", ".geojson", ".fgb", ".gml", ".kml")


@dataclass(frozen=True)
class PolygonLayer:
    """Polygons on the grid; made by :func:`open_polygons`. It is read as a raster layer is.

    What a cell has depends on ``Source.measure``:

    - ``class``: the code of the polygon in which the cell's centre lies. Codes are 1, 2, ... in the order of the attribute's values, or
      those that ``classes`` gives to its names.
    - ``value``: the number of that polygon.
    - ``mean``: the mean of the numbers, weighted by the parts of the cell's area; where polygons cover at least half of the cell.
    - ``density``: as mean, of the number divided by the polygon's true area in km2: a count by county, spread evenly.
    - ``share``: the share of the cell that is covered by polygons, or by those whose attribute is ``value``; 0 where there are none.

    Shares are exact (see :mod:`edaphic.covariates.shares`). Where polygons overlap the first of the file counts.
    """

    source: Source
    facts: LayerFacts
    grid: GeoBox
    resampling: str

    @property
    def name(self) -> str:
        """Name of the layer in its stack."""
        return self.source.name

    def read(self, window: Window) -> NDArray[np.float32]:
        """Values of a window of the grid: float32 (height, width), NaN where there is none.

        Raises
        ------
        RasterError
            The file cannot be read or has changed since it was described.
        ValueError
            The window reaches beyond the grid.
        """
        inside(self.grid, window)
        values = np.empty(window.shape, dtype=np.float32)
        for piece in pieces(window):
            row, col = np.indices(piece.shape)
            top, left = piece.row - window.row, piece.col - window.col
            found = self.read_cells((row + piece.row).ravel(), (col + piece.col).ravel())
            values[top : top + piece.height, left : left + piece.width] = found.reshape(piece.shape)
        return values

    def read_cells(self, row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.float32]:
        """Values of single cells of the grid, to the bit those of any window: float32 (n,).

        Raises
        ------
        RasterError
            As :meth:`read`.
        """
        table, numbers, overlapping = self._table()
        if self.facts.measure in OVER_CELLS:
            share, mean = covered(table, numbers, overlapping, self.grid, row, col)
            with np.errstate(invalid="ignore"):
                found = share if self.facts.measure == "share" else np.where(share >= 0.5 - 1e-9, mean, np.nan)
        else:
            first = self._first(table, row, col)
            found = np.where(first >= 0, numbers[first], np.nan)
        return found.astype(np.float32)

    def outside(self, row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the centres of cells lie in no polygon."""
        return self._first(self._table()[0], row, col) < 0

    def _first(self, table: geopandas.GeoDataFrame, row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.int64]:
        assert self.grid.crs is not None
        rows, cols = row.astype(np.float64) + 0.5, col.astype(np.float64) + 0.5
        return first_polygon(table, *at(self.grid.affine, self.grid.crs, rows, cols, self.facts.crs))

    def _table(self) -> tuple[geopandas.GeoDataFrame, Float, bool]:
        if stamp(self.facts.key[0]) != self.facts.key[1]:
            raise RasterError(f"{self.name}: {self.facts.path}: the file has changed since it was described; expected it to stay the same")
        return polygon_numbers(*_question(self.source))[:3]


def is_polygons(source: Source) -> bool:
    """Whether a source is a vector file.

    >>> is_polygons(Source("county", "counties.shp", column="name")), is_polygons(Source("dem", "dem.tif"))
    (True, False)
    """
    text = os.fspath(source.path).lower()
    if source.column is not None or source.measure is not None or text.endswith(_VECTOR):
        return True
    return text.endswith(".gpkg") and _has_features(os.fspath(source.path))


def _has_features(path: str) -> bool:
    """Whether a GeoPackage holds features only, not tiles of a raster."""
    if not Path(path).is_file():
        return False
    try:
        with sqlite3.connect(f"{Path(path).absolute().as_uri()}?immutable=1", uri=True) as base:
            kinds = {kind for (kind,) in base.execute("select data_type from gpkg_contents")}
    except sqlite3.Error:
        return False
    return kinds == {"features"}


def open_polygons(source: Source, grid: GeoBox) -> PolygonLayer:
    """Polygons as a layer on a grid; nothing is rasterised until it is asked for.

    Raises
    ------
    RasterError
        One line for each fault: no such file or attribute, text for a number, a measure that does not fit, keys that only rasters have,
        or no overlap with the grid.

    Examples
    --------
    >>> from odc.geo.geobox import GeoBox
    >>> from affine import Affine
    >>> box = GeoBox((1, 2), Affine(1.0, 0, 0, 0, -1.0, 1.0), "EPSG:4326")
    >>> west = geopandas.GeoDataFrame({"sheep": [12]}, geometry=[shapely.box(0, 0, 1.25, 1)], crs="EPSG:4326")
    >>> west.to_file("/vsimem/west.fgb")
    >>> open_polygons(Source("sheep", "/vsimem/west.fgb", measure="share"), box).read(Window(0, 0, 1, 2)).tolist()
    [[1.0, 0.25]]
    """
    table, names, notes = check_polygons(source)
    crs = CRS(table.crs)
    measure = _measure(source)
    known = LayerFacts(
        name=source.name,
        path=shown(source.path),
        kind=source.kind,
        band=1,
        dtype="float32",
        crs=crs,
        crs_name=crs_name(crs),
        transform=grid.affine,
        width=grid.shape[1],
        height=grid.shape[0],
        nodata=None,
        scale=1.0 if source.scale is None else source.scale,
        offset=0.0 if source.offset is None else source.offset,
        unit=_unit(source, measure),
        masked=False,
        notes=notes,
        key=(gdal_name(source.path), stamp(gdal_name(source.path))),
        classes=names,
        form="polygons",
        measure=measure,
    )
    if not near_grid(table, grid).any():
        raise RasterError(f"{source.name}: {_apart(table, grid, known.path)}")
    return PolygonLayer(source, known, grid, "area" if measure in OVER_CELLS else "centre")


def check_overlap(path: str | Path, grid: GeoBox) -> None:
    """Refuse a file of polygons none of which is on the grid.

    Raises
    ------
    TableError
        No polygon overlaps the grid; or the file cannot be read, see :func:`~edaphic.covariates.polygons.read_polygons`.
    """
    table = read_polygons(path)
    if not near_grid(table, grid).any():
        raise TableError(_apart(table, grid, shown(path)))


def names_apart(path: str | Path, column: str, grid: GeoBox) -> tuple[list[str], int]:
    """Names in a column none of whose polygons is on the grid, in the order of the file, and the number of all names."""
    table = read_polygons(path)
    names, near = table[column].astype(str), near_grid(table, grid)
    there = set(names[near])
    return [name for name in dict.fromkeys(names) if name not in there], names.nunique()


def _apart(table: geopandas.GeoDataFrame, grid: GeoBox, path: str) -> str:
    bounds = ", ".join(f"{bound:.9g}" for bound in table.total_bounds)
    box = ", ".join(f"{bound:.9g}" for bound in grid.extent.boundingbox.bbox)
    return (
        f"{path}: no overlap with the grid; it covers {bounds} ({crs_name(CRS(table.crs))}), "
        f"expected part of {box} ({crs_name(grid.crs)})"
    )


def check_polygons(source: Source) -> tuple[geopandas.GeoDataFrame, dict[int, str], tuple[str, ...]]:
    """The polygons of a source, the names of their codes, and notes.

    Raises
    ------
    RasterError
        See :func:`open_polygons`.
    """
    idle = _idle(source)
    if idle:
        raise RasterError(idle)
    try:
        table, _, _, names, notes = polygon_numbers(*_question(source))
    except TableError as error:
        raise RasterError(f"{source.name}: {fault}" for fault in error.faults) from error
    return table, names, notes


def _idle(source: Source) -> list[str]:
    """One line for each key that says where the numbers of a raster are, which polygons do not have."""
    given: dict[str, object] = {"variable": source.variable, "time": source.time, "months": source.months, "asset": source.asset}
    given["band"] = None if source.band == 1 else source.band
    return [
        f"{source.name}: {shown(source.path)}: {key} {value!r} for polygons; expected a raster, or no {key}"
        for key, value in given.items()
        if value is not None
    ]


def _measure(source: Source) -> str:
    if source.measure is not None:
        return source.measure
    return "class" if source.kind == "class" else "value" if source.value is None else "share"


def _unit(source: Source, measure: str) -> str:
    if measure == "density":
        return f"{source.unit or '1'}/km2"
    return source.unit or ("1" if measure == "share" else "")


def near_grid(table: geopandas.GeoDataFrame, grid: GeoBox) -> NDArray[np.bool_]:
    """Which polygons have bounds that hold a probe of the grid, or that lie between probes: the others are outside of it."""
    assert grid.crs is not None
    crs, near = CRS(table.crs), np.zeros(len(table), dtype=bool)
    rows, cols = (np.linspace(0.0, size, 65) for size in grid.shape)
    x, y = at(grid.affine, grid.crs, rows[:, None], cols[None, :], crs)
    x, y = x[np.isfinite(x) & np.isfinite(y)], y[np.isfinite(x) & np.isfinite(y)]
    if not x.size:
        return near
    turn, more = full_turn(crs), turns(table)
    if turn is not None and np.ptp(x) > 0.9 * turn:
        west, east = -np.inf, np.inf  # across the date line or around a pole: bounds in longitude tell nothing
    else:
        west, east = float(x.min()), float(x.max())
    low, high = float(y.min()), float(y.max())
    around = max(abs(part) for part in table.total_bounds) + 1.0
    for shift in more:
        if west + shift <= around and east + shift >= -around:
            near[table.sindex.query(shapely.box(max(west + shift, -around), low, min(east + shift, around), high))] = True
    return near


def _question(source: Source) -> tuple[Any, ...]:
    """All that decides the numbers of the polygons, so that they are worked out once."""
    name = gdal_name(source.path)
    if is_local(name) and not Path(name).exists():
        raise TableError(f"{name}: no such file; expected polygons")
    classes = source.classes
    legend = tuple(sorted(classes.items())) if isinstance(classes, Mapping) else None if classes is None else str(classes)
    told = (source.kind, source.column, _measure(source), source.value, source.nodata, source.scale, source.offset, source.resampling)
    return (name, stamp(name), legend, *told)
