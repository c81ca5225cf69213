"""One raster layer, aligned to the grid and read by window.

Nothing is read or resampled until a window is asked for. The value of a cell depends on the cell alone, so a window
equals the same part of the whole grid to the bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.io import DatasetReader

from edaphic.covariates import resample
from edaphic.covariates.align import (
    OVER_CELLS,
    Places,
    Resampling,
    beneath,
    clipped,
    how,
    lattice_of,
    middle,
    shift,
    under_cells,
    under_window,
)
from edaphic.covariates.block import opened, read_block
from edaphic.covariates.facts import LayerFacts, Source, expand, facts
from edaphic.covariates.parts import blocks
from edaphic.covariates.polygon_layers import PolygonLayer, check_polygons, is_polygons, open_polygons
from edaphic.covariates.resample import Lattice
from edaphic.covariates.window import Window, crs_name, inside, pieces
from edaphic.errors import RasterError

__all__ = ["AnyLayer", "Layer", "LayerFacts", "Resampling", "Source", "check_sources", "expand", "facts", "open_any", "open_layer"]

BLOCK = 4_000_000
"""Most source cells read at a time, for a layer and thread; what lies under a single grid cell is still read whole."""

SAMPLE_BLOCK = 250_000
"""The same for single cells, which lie far apart: a read costs about as much as so many source cells."""

MOST_BENEATH = 4096**2
"""Most source cells that a cell of the grid is averaged from: they are read whole, for each cell anew."""

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """A raster layer on the grid; made by :func:`open_layer`.

    It holds no open file: any number of threads may read it, and it can be pickled.
    """

    source: Source
    facts: LayerFacts
    grid: GeoBox
    resampling: Resampling

    @property
    def lattice(self) -> Lattice:
        """The cells of the source."""
        return lattice_of(self.facts)

    @property
    def name(self) -> str:
        """Name of the layer in its stack."""
        return self.source.name

    def read(self, window: Window) -> NDArray[np.float32]:
        """Values of a window of the grid.

        Returns
        -------
        ndarray of float32, shape (height, width), NaN where there is no value.

        Raises
        ------
        RasterError
            The file cannot be read there, has changed since it was described, or is a class layer with values that are
            no whole numbers or are too large.
        ValueError
            The window reaches beyond the grid.
        """
        inside(self.grid, window)
        values, over = np.empty(window.shape, dtype=np.float32), self.resampling in OVER_CELLS
        with opened(self.facts) as dataset:
            for piece in pieces(window):
                top, left = piece.row - window.row, piece.col - window.col
                if self.resampling == "none":
                    stored = self._shifted(dataset, piece)
                else:
                    places = under_window(self.grid, piece, self.facts.crs, self.lattice, over)
                    stored = self._resampled(dataset, places, BLOCK).reshape(piece.shape)
                values[top : top + piece.height, left : left + piece.width] = self._scaled(stored)
        return values

    def read_cells(self, row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.float32]:
        """Values of single cells of the grid: to the bit those of any window that holds them.

        Parameters
        ----------
        row, col : int arrays of shape (n,), inside the grid

        Returns
        -------
        ndarray of float32, shape (n,). Cells that lie near each other in the source are read together.

        Raises
        ------
        RasterError
            As :meth:`read`.
        """
        with opened(self.facts) as dataset:
            places = self._under_cells(row, col)
            return self._scaled(self._resampled(dataset, places, SAMPLE_BLOCK))

    def outside(self, row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the centres of cells lie beyond the source, so that no value there is no fault of the data.

        Parameters
        ----------
        row, col : int arrays of shape (n,), inside the grid
        """
        return np.isnan(under_cells(self.grid, row, col, self.facts.crs, self.lattice, False)[0])

    def _under_cells(self, row: NDArray[np.int64], col: NDArray[np.int64]) -> Places:
        if self.resampling == "none":
            rows, cols = shift(self.facts, self.grid)
            return clipped(self.lattice, col.astype(np.float64) + (cols + 0.5), row.astype(np.float64) + (rows + 0.5))
        return under_cells(self.grid, row, col, self.facts.crs, self.lattice, self.resampling in OVER_CELLS)

    def _scaled(self, stored: Float) -> NDArray[np.float32]:
        with np.errstate(over="ignore", invalid="ignore"):
            values = (stored * self.facts.scale + self.facts.offset).astype(np.float32)
        values[~np.isfinite(values)] = np.nan
        return values

    def _shifted(self, dataset: DatasetReader, piece: Window) -> Float:
        """Source cells that are grid cells, counted from elsewhere."""
        values = np.full(piece.shape, np.nan)
        rows, cols = shift(self.facts, self.grid)
        row, col = piece.row + rows, piece.col + cols
        top, bottom = max(row, 0), min(row + piece.height, self.facts.height)
        left, right = max(col, 0), min(col + piece.width, self.facts.width)
        if top < bottom and left < right:
            block = read_block(dataset, self.facts, (top, bottom), (left, right))
            values[top - row : bottom - row, left - col : right - col] = block
        return values

    def _resampled(self, dataset: DatasetReader, places: Places, limit: int) -> Float:
        """Stored numbers at places (n,) or footprints (n, 4), from blocks of about ``limit`` source cells at most."""
        cols, rows = places
        values = np.full(len(cols), np.nan)
        kernel, wraps = _KERNELS[self.resampling], self.lattice.wraps
        for part, row_range, col_range in blocks(self.lattice, cols, rows, limit):
            block = read_block(dataset, self.facts, row_range, col_range, wraps)
            found = np.full(len(cols[part]), np.nan)
            kernel(block, row_range[0], col_range[0], cols[part], rows[part], wraps, found)
            values[part] = found
        return values


def open_layer(source: Source, grid: GeoBox) -> Layer:
    """Align a raster to a grid, by window and only when asked.

    The cells are read as they are where source and grid have the same cells. Otherwise, where the source is finer by 2 or more
    in both directions (at the middle of the overlap), continuous values are averaged over the grid cell, and of class codes the one with
    the largest area in the cell is taken (of equal ones the smallest). Elsewhere continuous values are interpolated linearly, and class
    codes taken from the source cell under the centre. ``Source.resampling`` asks for one of these.

    Parameters
    ----------
    source : Source
        In any CRS, resolution and extent; rows may run north or south, longitude may be counted from 0 to 360.
    grid : GeoBox

    Raises
    ------
    RasterError
        See :func:`facts`; also if source and grid do not overlap, or millions of source cells lie in one grid cell.

    Examples
    --------
    >>> import rasterio
    >>> from affine import Affine
    >>> how = dict(driver="GTiff", width=2, height=1, count=1, dtype="uint8", crs="EPSG:32634", nodata=0)
    >>> with rasterio.open("/vsimem/two.tif", "w", transform=Affine(20.0, 0, 0, 0, -20.0, 20.0), **how) as file:
    ...     file.write(np.array([[[10, 20]]], dtype="uint8"))
    >>> grid = GeoBox((1, 4), Affine(10.0, 0, 0, 0, -10.0, 20.0), "EPSG:32634")
    >>> open_layer(Source("a", "/vsimem/two.tif"), grid).read(Window(0, 0, 1, 4)).tolist()
    [[10.0, 12.5, 17.5, 20.0]]
    >>> open_layer(Source("a", "/vsimem/two.tif", kind="class"), grid).read(Window(0, 0, 1, 4)).tolist()
    [[10.0, 10.0, 20.0, 20.0]]
    """
    known = facts(source)
    return Layer(source, known, grid, _resampling(source, known, grid))


def _resampling(source: Source, known: LayerFacts, grid: GeoBox) -> Resampling:
    """How values come to the grid; refused where source and grid lie apart, or one cell would cost more than it can be worth."""
    place = middle(known, grid)
    if place is None:
        raise RasterError(_apart(known, grid))
    chosen = how(known, grid, place, source.resampling)
    if chosen in OVER_CELLS and (cells := beneath(known, grid, place)) > MOST_BENEATH:
        raise RasterError(
            f"{known.name}: {known.path}: {cells:,.0f} of its cells lie in one cell of the grid; expected at most {MOST_BENEATH:,}: "
            "a coarser copy of it, or resampling: nearest"
        )
    return chosen


AnyLayer = Layer | PolygonLayer
"""What a stack is made of."""


def open_any(source: Source, grid: GeoBox) -> AnyLayer:
    """Align a raster or polygons to a grid; see :func:`open_layer` and :func:`open_polygons`."""
    return open_polygons(source, grid) if is_polygons(source) else open_layer(source, grid)


def check_sources(sources: Sequence[Source], grid: GeoBox | None = None) -> list[str]:
    """Every fault of a list of sources that opening their files can tell; with a grid, also which do not overlap it.

    Examples
    --------
    >>> check_sources([Source("slope", "missing.tif"), Source("slope", "missing.tif")])[0]
    'slope: the name of 2 layers (missing.tif, missing.tif); expected a name for each layer'
    """
    found = []
    for name, count in Counter(source.name for source in sources).items():
        if count > 1:
            paths = ", ".join(str(source.path) for source in sources if source.name == name)
            found.append(f"{name}: the name of {count} layers ({paths}); expected a name for each layer")
    for source in sources:
        try:
            if not is_polygons(source):
                known = facts(source)
                if grid is not None:
                    _resampling(source, known, grid)
            elif grid is not None:
                open_polygons(source, grid)
            else:
                check_polygons(source)
        except RasterError as error:
            found.extend(error.faults)
    return found


def _apart(known: LayerFacts, grid: GeoBox) -> str:
    box = grid.extent.boundingbox
    ours = ", ".join(f"{bound:.9g}" for bound in (box.left, box.bottom, box.right, box.top))
    theirs = ", ".join(f"{bound:.9g}" for bound in known.bounds)
    return (
        f"{known.name}: {known.path}: no overlap with the grid; it covers {theirs} ({known.crs_name}), "
        f"expected part of {ours} ({crs_name(grid.crs)})"
    )


_KERNELS = {
    "none": resample.nearest,
    "nearest": resample.nearest,
    "bilinear": resample.bilinear,
    "average": resample.average,
    "mode": resample.mode,
}
