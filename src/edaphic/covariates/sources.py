"""One raster layer, aligned to the grid and read by window.

Nothing is read or resampled until a window is asked for. The value of a cell depends on the cell alone, so a window
equals the same part of the whole grid to the bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from rasterio.io import DatasetReader

from edaphic.covariates import resample
from edaphic.covariates.block import read_block
from edaphic.covariates.facts import LayerFacts, Source, expand, facts
from edaphic.covariates.handles import HANDLES
from edaphic.covariates.resample import Lattice
from edaphic.covariates.window import Window, apply, at, centres, corners, crs_name, full_turn, inside, pieces, same_crs
from edaphic.errors import RasterError

__all__ = ["Layer", "LayerFacts", "Source", "check_sources", "expand", "facts", "open_layer"]

Resampling = Literal["none", "nearest", "bilinear", "average"]

FINER = 1.98
"""From this many source cells along a grid cell on, they are averaged: 2, less a little for map projections."""

ALIGNED = 1e-3
"""Grids that nowhere differ by more than this part of a cell are the same: geotransforms are often rounded."""

BLOCK = 4_000_000
"""Most source cells read at a time, for a layer and thread; what lies under a single grid cell is still read whole."""

SAMPLE_BLOCK = 250_000
"""The same for single cells, which lie far apart: a read costs about as much as so many source cells."""

PROBES = 65
"""Places along each side of grid and source that are looked at to find whether they overlap."""

Float = NDArray[np.float64]
Places = tuple[Float, Float]
"""Columns and rows of the source under cells of the grid, as real numbers: (n,) of centres, or (n, 4) of corners."""
Range = tuple[int, int]


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
        values = np.empty(window.shape, dtype=np.float32)
        with HANDLES.take(self.facts.key) as dataset:
            for piece in pieces(window):
                top, left = piece.row - window.row, piece.col - window.col
                if self.resampling == "none":
                    stored = self._shifted(dataset, piece)
                else:
                    places = _under_window(self.grid, piece, self.facts.crs, self.lattice, self.resampling == "average")
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
        with HANDLES.take(self.facts.key) as dataset:
            places = self._under_cells(row.astype(np.float64), col.astype(np.float64))
            return self._scaled(self._resampled(dataset, places, SAMPLE_BLOCK))

    def _under_cells(self, row: Float, col: Float) -> Places:
        assert self.grid.crs is not None
        where = self.grid.affine, self.grid.crs
        if self.resampling == "none":
            rows, cols = _shift(self.facts, self.grid)
            return _clipped(self.lattice, col + (cols + 0.5), row + (rows + 0.5))
        if self.resampling == "average":
            down, across = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
            x, y = at(*where, row[:, None] + down, col[:, None] + across, self.facts.crs)
            cols_each, rows_each = self.lattice.locate(x, y)
            return self.lattice.in_one_piece(cols_each), rows_each
        return _clipped(self.lattice, *self.lattice.locate(*at(*where, row + 0.5, col + 0.5, self.facts.crs)))

    def _scaled(self, stored: Float) -> NDArray[np.float32]:
        with np.errstate(over="ignore", invalid="ignore"):
            values = (stored * self.facts.scale + self.facts.offset).astype(np.float32)
        values[~np.isfinite(values)] = np.nan
        return values

    def _shifted(self, dataset: DatasetReader, piece: Window) -> Float:
        """Source cells that are grid cells, counted from elsewhere."""
        values = np.full(piece.shape, np.nan)
        rows, cols = _shift(self.facts, self.grid)
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
        for part, row_range, col_range in _blocks(self.lattice, cols, rows, limit):
            block = read_block(dataset, self.facts, row_range, col_range, wraps)
            found = np.full(len(cols[part]), np.nan)
            kernel(block, row_range[0], col_range[0], cols[part], rows[part], wraps, found)
            values[part] = found
        return values


def _clipped(lattice: Lattice, cols: Float, rows: Float) -> Places:
    """Places as flat arrays, NaN where they do not lie on the source."""
    cols, rows = cols.ravel(), rows.ravel()
    outside = ~lattice.within(cols, rows)
    return np.where(outside, np.nan, cols), np.where(outside, np.nan, rows)


@lru_cache(maxsize=12)
def _under_window(grid: GeoBox, piece: Window, crs: CRS, lattice: Lattice, average: bool) -> Places:
    """Columns and rows of the source under the cells of a piece; kept, for many layers come on one lattice."""
    if average:
        cols, rows = (resample.footprints(nodes) for nodes in lattice.locate(*corners(grid, piece, crs)))
        cols = lattice.in_one_piece(cols)
    else:
        cols, rows = _clipped(lattice, *lattice.locate(*centres(grid, piece, crs)))
    cols.flags.writeable = rows.flags.writeable = False
    return cols, rows


def _blocks(lattice: Lattice, cols: Float, rows: Float, limit: int) -> Iterator[tuple[Any, Range, Range]]:
    """Parts of the places, and the rows and columns of the source that each needs.

    Where that is more than ``limit`` source cells, the places are halved along the longer side, until they cannot be.
    """
    todo: list[Any] = [slice(None)]
    while todo:
        part = todo.pop()
        ranges = _reach(rows[part], lattice.height, 0), _reach(cols[part], lattice.width, lattice.wraps)
        high, wide = (last - first for first, last in ranges)
        if high <= 0 or wide <= 0:
            continue
        halves = _halves(rows if high >= wide else cols, part) if high * wide > limit else None
        if halves is None:
            yield part, *ranges
        else:
            todo.extend(halves)


def _halves(places: Float, part: Any) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Places on this and on that side of the middle; None if they are all at one."""
    numbers = np.arange(len(places))[part]
    where = places[numbers] if places.ndim == 1 else places[numbers, 0]
    numbers, where = numbers[~np.isnan(where)], where[~np.isnan(where)]
    if not numbers.size or where.min() == where.max():
        return None
    low = where <= 0.5 * (where.min() + where.max())
    return numbers[low], numbers[~low]


def _reach(places: Float, size: int, wraps: int) -> Range:
    """First, and one after the last, row or column of the source that the kernels may ask for."""
    if np.isnan(places).all():
        return 0, 0
    first, last = int(np.floor(np.nanmin(places))) - 1, int(np.floor(np.nanmax(places))) + 2
    if wraps:
        return (first, last) if last - first < wraps else (0, wraps)
    return max(first, 0), min(last, size)


def lattice_of(facts: LayerFacts) -> Lattice:
    """The cells of a source."""
    return Lattice(facts.transform, facts.width, facts.height, full_turn(facts.crs))


def open_layer(source: Source, grid: GeoBox) -> Layer:
    """Align a raster to a grid, by window and only when asked.

    The cells are read as they are where source and grid have the same cells. Otherwise class codes are taken from the
    source cell under the centre of the grid cell, continuous values are averaged over the grid cell where the source
    is finer by 2 or more in both directions (at the middle of the overlap), and else interpolated linearly.

    Parameters
    ----------
    source : Source
        In any CRS, resolution and extent; rows may run north or south, longitude may be counted from 0 to 360.
    grid : GeoBox

    Raises
    ------
    RasterError
        See :func:`facts`; also if source and grid do not overlap.

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
    middle = _middle(known, grid)
    if middle is None:
        raise RasterError(_apart(known, grid))
    return Layer(source, known, grid, _resampling(known, grid, middle))


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
            known = facts(source)
        except RasterError as error:
            found.extend(error.faults)
            continue
        if grid is not None and _middle(known, grid) is None:
            found.append(_apart(known, grid))
    return found


def _apart(known: LayerFacts, grid: GeoBox) -> str:
    box = grid.extent.boundingbox
    ours = ", ".join(f"{bound:.9g}" for bound in (box.left, box.bottom, box.right, box.top))
    theirs = ", ".join(f"{bound:.9g}" for bound in known.bounds)
    return (
        f"{known.name}: {known.path}: no overlap with the grid; it covers {theirs} ({known.crs_name}), "
        f"expected part of {ours} ({crs_name(grid.crs)})"
    )


def _middle(known: LayerFacts, grid: GeoBox) -> Window | None:
    """A grid cell near the middle of the overlap of source and grid; None where they do not overlap."""
    assert grid.crs is not None
    source, target = lattice_of(known), Lattice(grid.affine, grid.shape[1], grid.shape[0], full_turn(grid.crs))
    row, col = _probes(target)
    hit = source.within(*source.locate(*at(grid.affine, grid.crs, row, col, known.crs)))
    if not hit.any():  # a source that falls between the probes of a large grid
        row, col = _probes(source)
        col, row = target.locate(*at(known.transform, known.crs, row, col, grid.crs))
        hit = target.within(col, row)
    if not hit.any():
        return None
    rows, cols = np.broadcast_to(row, hit.shape)[hit], np.broadcast_to(col, hit.shape)[hit]
    nearest = np.argmin(np.hypot(rows - rows.mean(), cols - cols.mean()))
    return Window(int(rows[nearest]), int(cols[nearest]), 1, 1)


def _probes(lattice: Lattice) -> tuple[Float, Float]:
    """Rows (n, 1) and columns (1, m) of the centres of evenly spread cells, the outermost among them."""
    row, col = (np.unique(np.linspace(0, size - 1, PROBES).round()) + 0.5 for size in (lattice.height, lattice.width))
    return row[:, None], col[None, :]


def _resampling(known: LayerFacts, grid: GeoBox, middle: Window) -> Resampling:
    if _aligned(known, grid):
        return "none"
    if known.kind == "class":
        return "nearest"
    cols, rows = _under_window(grid, middle, known.crs, lattice_of(known), True)
    span = resample.detail(cols[0], rows[0]) if np.isfinite(cols + rows).all() else 0.0
    return "average" if span >= FINER else "bilinear"


def _aligned(known: LayerFacts, grid: GeoBox) -> bool:
    """Whether the cells of source and grid are the same where both have some."""
    theirs, ours = known.transform, grid.affine
    if not same_crs(known.crs, grid.crs) or known.rotated or theirs.a * ours.a < 0 or theirs.e * ours.e < 0:
        return False
    rows, cols = _shift(known, grid)
    height, width = grid.shape
    first, last = apply(~theirs, *apply(ours, 0, 0)), apply(~theirs, *apply(ours, width, height))
    off = (first[0] - cols, first[1] - rows, last[0] - cols - width, last[1] - rows - height)
    around = lattice_of(known).period is not None and (cols < 0 or cols + width > known.width)
    return max(abs(part) for part in off) < ALIGNED and not around


def _shift(known: LayerFacts, grid: GeoBox) -> tuple[int, int]:
    """Row and column of the source at the first cell of an aligned grid."""
    col, row = apply(~known.transform, *apply(grid.affine, 0, 0))
    return round(row), round(col)


_KERNELS = {
    "none": resample.nearest,
    "nearest": resample.nearest,
    "bilinear": resample.bilinear,
    "average": resample.average,
}
