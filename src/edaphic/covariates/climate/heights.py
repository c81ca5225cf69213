"""Elevation of a DEM on the target grid: its unit, and numbers that no ground has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.io import DatasetReader

from edaphic.covariates import resample
from edaphic.covariates.align import OVER_CELLS, Places, under_window
from edaphic.covariates.block import read_block
from edaphic.covariates.handles import HANDLES
from edaphic.covariates.parts import blocks
from edaphic.covariates.sources import BLOCK, Layer, LayerFacts, Source, open_layer
from edaphic.covariates.window import Window, inside, pieces, vertical_unit
from edaphic.errors import RasterError
from edaphic.units import METRES, height_unit

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LOWEST_M, HIGHEST_M = -500.0, 9000.0

KERNELS = {"none": resample.nearest, "nearest": resample.nearest, "bilinear": resample.bilinear, "average": resample.average}


@dataclass(frozen=True)
class Heights(Layer):
    """A DEM on the target grid; made by :func:`open_heights`.

    Cells of the DEM below -500 or above 9,000 m have no value, and are left out before anything is averaged or interpolated: a number
    that stands for "no value" but is not tagged as such would spoil its neighbours.

    Parameters
    ----------
    metres : float
        In the unit of the DEM.
    """

    metres: float = 1.0

    def read_checked(self, window: Window) -> tuple[NDArray[np.float32], Mask]:
        """Elevations of a window, in the unit of the DEM, and which of its cells lie on a cell of the DEM that no ground can be."""
        inside(self.grid, window)
        values, odd = np.empty(window.shape, dtype=np.float32), np.zeros(window.shape, dtype=bool)
        with HANDLES.take(self.facts.key) as dataset:
            for piece in pieces(window):
                there = (
                    slice(piece.row - window.row, piece.row - window.row + piece.height),
                    slice(piece.col - window.col, piece.col - window.col + piece.width),
                )
                if self.resampling == "none":
                    stored = self._shifted(dataset, piece)
                    odd[there] = self._odd(stored)
                    stored[odd[there]] = np.nan
                else:
                    places = under_window(self.grid, piece, self.facts.crs, self.lattice, self.resampling in OVER_CELLS)
                    stored, touched = self._limited(dataset, places, BLOCK)
                    stored, odd[there] = stored.reshape(piece.shape), touched.reshape(piece.shape)
                values[there] = self._scaled(stored)
        return values, odd

    def read(self, window: Window) -> NDArray[np.float32]:
        """As :meth:`read_checked`, the elevations alone."""
        return self.read_checked(window)[0]

    def _odd(self, stored: Floats) -> Mask:
        with np.errstate(invalid="ignore", over="ignore"):
            metres = (stored * self.facts.scale + self.facts.offset) * self.metres
            return np.asarray((metres < LOWEST_M) | (metres > HIGHEST_M))

    def _resampled(self, dataset: DatasetReader, places: Places, limit: int) -> Floats:
        return self._limited(dataset, places, limit)[0]

    def _limited(self, dataset: DatasetReader, places: Places, limit: int) -> tuple[Floats, Mask]:
        """Stored numbers at places, of the cells that ground can be, and the places to which another cell belongs."""
        cols, rows = places
        values, touched = np.full(len(cols), np.nan), np.zeros(len(cols), dtype=bool)
        kernel, wraps = KERNELS[self.resampling], self.lattice.wraps
        for part, row_range, col_range in blocks(self.lattice, cols, rows, limit):
            block = read_block(dataset, self.facts, row_range, col_range, wraps)
            odd = self._odd(block)
            block[odd] = np.nan
            found = np.full(len(cols[part]), np.nan)
            kernel(block, row_range[0], col_range[0], cols[part], rows[part], wraps, found)
            values[part] = found
            if odd.any():
                share = np.zeros(len(found))
                kernel(odd.astype(np.float64), row_range[0], col_range[0], cols[part], rows[part], wraps, share)
                touched[part] = share > 0
        return values, touched


def open_heights(dem: Path, grid: GeoBox, unit: str | None = None) -> tuple[Heights, list[str]]:
    """A DEM on a grid, and what is to be said of its unit.

    Parameters
    ----------
    dem : Path
    grid : GeoBox
    unit : str, optional
        Of the DEM: m, ft, us-ft, dm, cm, mm or km. The tag of the file or its vertical reference unless given, else m.

    Raises
    ------
    RasterError, GridError
        No such file, no overlap, or a unit that is not known.
    """
    layer = open_layer(Source("elevation", dem), grid)
    metres, notes = _metres(layer.facts, unit)
    return Heights(layer.source, layer.facts, layer.grid, layer.resampling, metres), notes


def _metres(known: LayerFacts, unit: str | None) -> tuple[float, list[str]]:
    """Metres in the unit of the DEM."""
    if unit is not None:
        return METRES[unit], []
    file = Path(known.path).name
    if known.unit.strip():
        name = height_unit(known.unit)
        if name is None:
            raise RasterError(f"elevation: {known.path}: in {known.unit!r} by its unit tag; expected {', '.join(METRES)}, or --dem-unit")
        return METRES[name], [f"{file}: in {_full(name)} by its unit tag, brought to m"] if name != "m" else []
    vertical = vertical_unit(known.crs)
    if vertical is not None and vertical[1] != 1.0:
        return vertical[1], [f"{file}: in {vertical[0]} by its vertical reference, brought to m"]
    return 1.0, []


def _full(unit: str) -> str:
    return {"ft": "feet", "us-ft": "US survey feet"}.get(unit, unit)
