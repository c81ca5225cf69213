"""A digital elevation model on its own grid: opened, looked through for faults, read as metres by block.

Whatever the file looks like, a :class:`Dem` has its first row in the north and its first column in the west.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.windows import Window as FileWindow

from edaphic.compiled import kernel
from edaphic.covariates.block import HUGE, read_block
from edaphic.covariates.facts import LayerFacts, Source, facts, stored
from edaphic.covariates.handles import HANDLES, reason
from edaphic.covariates.terrain.cells import CellSizes, cell_sizes
from edaphic.covariates.terrain.local import Margins
from edaphic.covariates.window import Window, full_turn, inside, vertical_unit
from edaphic.errors import RasterError
from edaphic.units import METRES, metres_of

EXACT = ("int8", "uint8", "int16", "uint16", "float32")
"""Types of heights that float32 holds as they are."""

STEEP_CELL = 0.05
"""Cells smaller than this (m) within the bounds of degrees are degrees."""


@dataclass(frozen=True)
class Dem:
    """A DEM on its own grid; made by :func:`open_dem`. It holds no open file: any number of threads may read it.

    Parameters
    ----------
    facts : LayerFacts
        Of the file, as it is stored.
    grid : GeoBox
        The cells, the first row in the north, the first column in the west.
    cells : CellSizes
        Their sizes on the ground.
    metres : float
        Metres in the unit of the heights.
    absent : tuple of float
        Stored numbers that mean "no height" besides the nodata of the facts.
    notes : tuple of str
        What was assumed.
    """

    facts: LayerFacts
    grid: GeoBox
    cells: CellSizes
    metres: float
    absent: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.facts.height, self.facts.width

    @property
    def dtype(self) -> type[np.float32] | type[np.float64]:
        """Type of the heights that are read: float32 where it holds what is stored."""
        plain = (self.facts.scale, self.facts.offset, self.metres) == (1.0, 0.0, 1.0)
        return np.float32 if plain and self.facts.dtype in EXACT else np.float64

    def read(self, window: Window) -> NDArray[Any]:
        """Heights of a window, m.

        Returns
        -------
        ndarray of float32 or float64, shape (height, width); NaN where there is none.

        Raises
        ------
        RasterError
            The file cannot be read there, or has changed since it was opened.
        """
        inside(self.grid, window)
        turned = self.facts.transform.e > 0, self.facts.transform.a < 0
        row = self.facts.height - window.row - window.height if turned[0] else window.row
        col = self.facts.width - window.col - window.width if turned[1] else window.col
        z = self._stored(Window(row, col, window.height, window.width))
        return np.ascontiguousarray(z[:: -1 if turned[0] else 1, :: -1 if turned[1] else 1])

    def block(self, window: Window, rows: int, cols: int) -> tuple[NDArray[Any], Margins]:
        """Heights of a window and of so many rows and columns around it as there are, up to ``rows`` and ``cols``."""
        height, width = self.shape
        top, left = min(rows, window.row), min(cols, window.col)
        bottom = min(rows, height - window.row - window.height)
        right = min(cols, width - window.col - window.width)
        wider = Window(window.row - top, window.col - left, window.height + top + bottom, window.width + left + right)
        return self.read(wider), Margins(top, bottom, left, right)

    def _stored(self, window: Window) -> NDArray[Any]:
        out = np.empty(window.shape, dtype=self.dtype)
        scale, offset = self.facts.scale * self.metres, self.facts.offset * self.metres
        raw = read_raw(self.facts, window)
        _heights(raw, no_heights(self.facts, self.absent, raw.dtype), scale, offset, out)
        return out


def read_raw(known: LayerFacts, window: Window) -> NDArray[Any]:
    """Stored numbers of a window of the file; where a mask says that there is none, NaN."""
    place = FileWindow(window.col, window.row, window.width, window.height)
    with HANDLES.take(known.key) as dataset:
        if known.masked or len(known.bands) > 1:
            rows, cols = (window.row, window.row + window.height), (window.col, window.col + window.width)
            return read_block(dataset, known, rows, cols)
        try:
            raw: NDArray[Any] = dataset.read(known.band, window=place)
        except (RasterioError, OSError) as error:
            where = f"rows {window.row} to {window.row + window.height - 1}"
            why = reason(error, known.path)
            raise RasterError(f"{known.name}: {known.path}: {where} cannot be read ({why}); expected a whole file") from error
    return raw if raw.dtype.isnative else raw.astype(raw.dtype.newbyteorder("="))


def no_heights(known: LayerFacts, absent: tuple[float, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Stored numbers that mean "no height", as the file's type holds them."""
    given = [known.nodata, *absent]
    as_stored = [stored(value, dtype) for value in given if value is not None and not math.isnan(value)]
    return np.array([value for value in as_stored if value is not None], dtype=dtype)


@kernel(error_model="numpy")
def _heights(raw: Any, absent: Any, scale: float, offset: float, out: Any) -> None:
    for i in range(raw.shape[0]):
        for j in range(raw.shape[1]):
            value = float(raw[i, j])
            out[i, j] = value * scale + offset if abs(value) <= HUGE else np.nan
        for k in range(absent.size):
            for j in range(raw.shape[1]):
                if raw[i, j] == absent[k]:
                    out[i, j] = np.nan


def open_dem(source: Source, z_unit: str | None = None) -> Dem:
    """Open a DEM and refuse what its description alone shows to be wrong; its heights are not looked at.

    Parameters
    ----------
    source : Source
    z_unit : str, optional
        Unit of the heights, in place of what the file says: m, ft, us-ft, dm, cm ...

    Returns
    -------
    Dem

    Raises
    ------
    RasterError
        One line for each fault: those of :func:`edaphic.covariates.facts`; a rotated raster; a single row or column; degrees
        that are called metres, or metres that are called degrees; rows beyond the poles; a unit that is not known.

    Examples
    --------
    >>> open_dem(Source("dem", "missing.tif"))
    Traceback (most recent call last):
    edaphic.errors.RasterError: dem: missing.tif: no such file; expected a raster
    """
    known = facts(source)
    unit, metres, notes = _unit(known, z_unit)
    found = [*_grid_faults(known), *([] if metres else [_unknown(unit, z_unit)])]
    if found or metres is None:
        raise RasterError(f"{known.name}: {known.path}: {fault}" for fault in found)
    turned = known.transform.e > 0, known.transform.a < 0
    if any(turned):
        ways = [way for way, is_so in zip(("rows from the south", "columns from the east"), turned, strict=True) if is_so]
        notes.append(f"the file has its {' and its '.join(ways)}; what is made has rows from the north and columns from the west")
    grid = GeoBox((known.height, known.width), _north_up(known), known.crs)
    return Dem(replace(known, unit=unit), grid, cell_sizes(grid), metres, notes=(*known.notes, *notes))


def _north_up(known: LayerFacts) -> Affine:
    west, _, _, north = known.bounds
    return Affine(known.resolution[0], 0.0, west, 0.0, -known.resolution[1], north)


def _unit(known: LayerFacts, z_unit: str | None) -> tuple[str, float | None, list[str]]:
    """Unit of the heights, its metres, and what is to be said about it."""
    if z_unit is not None:
        said = [f"heights in {z_unit} as told, in place of the file's {known.unit}"] if known.unit else []
        return z_unit, metres_of(z_unit), said
    if known.unit:
        metres = metres_of(known.unit)
        return known.unit, metres, [f"heights in {known.unit}, as the file says: converted to m"] if metres not in (1.0, None) else []
    vertical = vertical_unit(known.crs)
    if vertical:
        name, metres = vertical
        return name, metres, [f"heights in {name}, as the vertical reference says: converted to m"] if metres != 1.0 else []
    assumed = "the file names no unit of heights: taken for m"
    if not known.crs.geographic and known.crs.proj.axis_info[0].unit_conversion_factor != 1.0:
        assumed += f", though the map is in {known.crs.proj.axis_info[0].unit_name}; --z-unit tells it otherwise"
    return "m", 1.0, [assumed]


def _unknown(unit: str, z_unit: str | None) -> str:
    *units, last = METRES
    expected = f"expected {', '.join(units)} or {last}"
    return f"--z-unit {unit}; {expected}" if z_unit is not None else f"heights in {unit!r}; {expected}, or --z-unit"


def _grid_faults(known: LayerFacts) -> list[str]:
    if known.rotated:
        return ["a rotated raster; expected rows that run along the x axis (gdalwarp makes such a one)"]
    found = []
    if min(known.height, known.width) < 2:
        found.append(f"{known.height} rows and {known.width} columns; expected at least 2 of each, or there is no slope")
    west, south, east, north = known.bounds
    size_x, size_y = known.resolution
    turn = full_turn(known.crs)
    if turn is None:
        if max(abs(west), abs(east)) <= 360.0 and max(abs(south), abs(north)) <= 90.0 and max(size_x, size_y) < STEEP_CELL:
            unit = known.crs.proj.axis_info[0].unit_name
            found.append(
                f"cells of {size_x:.6g} {unit} at {west:.6g}, {north:.6g} in {known.crs_name}: degrees taken for {unit}; "
                "expected a geographic CRS such as EPSG:4326 (gdal_edit.py -a_srs gives it one)"
            )
    elif max(abs(west), abs(east)) > 1.51 * turn or max(abs(south), abs(north)) > turn:
        bounds = ", ".join(f"{bound:.9g}" for bound in known.bounds)
        found.append(f"bounds {bounds} in {known.crs_name}: metres taken for degrees; expected a projected CRS")
    elif max(abs(south), abs(north)) - size_y / 2 > 0.25 * turn + 1e-9 * turn:
        found.append(f"latitudes {south:.9g} to {north:.9g}; expected none beyond the poles")
    return found
