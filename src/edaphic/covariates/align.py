"""How a source lies on the grid: whether they overlap, whether their cells are the same, how values are resampled."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from edaphic.covariates import resample
from edaphic.covariates.facts import LayerFacts
from edaphic.covariates.resample import Lattice
from edaphic.covariates.source import Wanted
from edaphic.covariates.window import Window, apply, at, centres, corners, full_turn, same_crs

Resampling = Literal["none", "nearest", "bilinear", "average", "mode"]

FINER = 1.98
"""From this many source cells along a grid cell on, they are averaged or counted: 2, less a little for map projections."""

ALIGNED = 1e-3
"""Grids that nowhere differ by more than this part of a cell are the same: geotransforms are often rounded."""

PROBES = 65
"""Places along each side of grid and source that are looked at to find whether they overlap."""

Float = NDArray[np.float64]
Places = tuple[Float, Float]
"""Columns and rows of the source under cells of the grid, as real numbers: (n,) of centres, or (n, 4) of corners."""

POLAR = 85 / 360
"""Latitude from which on a place is near the pole, as part of a full turn."""

KEPT = 500_000
"""Coordinates of more cells than these are not kept, lest the memory grow with their number."""

OVER_CELLS = ("average", "mode")
"""Resampling over the whole cell, not at its centre."""


def lattice_of(facts: LayerFacts) -> Lattice:
    """The cells of a source."""
    return Lattice(facts.transform, facts.width, facts.height, full_turn(facts.crs))


def clipped(lattice: Lattice, cols: Float, rows: Float) -> Places:
    """Places as flat arrays, NaN where they do not lie on the source."""
    cols, rows = cols.ravel(), rows.ravel()
    outside = ~lattice.within(cols, rows)
    return np.where(outside, np.nan, cols), np.where(outside, np.nan, rows)


@lru_cache(maxsize=12)
def under_window(grid: GeoBox, piece: Window, crs: CRS, lattice: Lattice, over_cells: bool) -> Places:
    """Columns and rows of the source under the cells of a piece; kept, for many layers come on one lattice."""
    if over_cells:
        cols, rows = (resample.footprints(nodes) for nodes in lattice.locate(*corners(grid, piece, crs)))
        down, across = (part.ravel() for part in np.indices(piece.shape))
        cols, rows = _in_one_piece(grid, lattice, crs, cols, rows, piece.row + down, piece.col + across)
    else:
        cols, rows = clipped(lattice, *lattice.locate(*centres(grid, piece, crs)))
    cols.flags.writeable = rows.flags.writeable = False
    return cols, rows


def under_cells(
    grid: GeoBox, row: NDArray[np.int64], col: NDArray[np.int64], crs: CRS, lattice: Lattice, over_cells: bool
) -> Places:
    """Columns and rows of the source under single cells of the grid, as :func:`under_window` has them."""
    assert grid.crs is not None
    compute = _projected if row.size <= KEPT else _projected.__wrapped__
    x, y = compute(grid.affine, grid.crs, crs, row.astype(np.int64).tobytes(), col.astype(np.int64).tobytes(), over_cells)
    cols, rows = lattice.locate(x, y)
    return _in_one_piece(grid, lattice, crs, cols, rows, row, col) if over_cells else clipped(lattice, cols, rows)


@lru_cache(maxsize=4)
def _projected(affine: Affine, own: CRS, crs: CRS, row: bytes, col: bytes, over_cells: bool) -> tuple[Float, Float]:
    """Coordinates of centres (n,) or corners (n, 4) of cells; kept, for many layers are sampled at the same cells."""
    rows, cols = (np.frombuffer(numbers, dtype=np.int64).astype(np.float64) for numbers in (row, col))
    if not over_cells:
        return at(affine, own, rows + 0.5, cols + 0.5, crs)
    return at(affine, own, rows[:, None] + np.array([0.0, 0.0, 1.0, 1.0]), cols[:, None] + np.array([0.0, 1.0, 1.0, 0.0]), crs)


def _in_one_piece(
    grid: GeoBox, lattice: Lattice, crs: CRS, cols: Float, rows: Float, row: NDArray[np.int64], col: NDArray[np.int64]
) -> Places:
    """Footprints without the jump of a full turn; a cell over a pole has the source cell under its centre."""
    cols = lattice.in_one_piece(cols)
    if lattice.period is None or grid.crs is None or grid.crs.geographic:
        return cols, rows
    with np.errstate(invalid="ignore"):
        around = np.flatnonzero(np.ptp(cols, axis=1) > 0.4 * lattice.period)
    if around.size:
        x, y = at(grid.affine, grid.crs, row[around].astype(np.float64) + 0.5, col[around].astype(np.float64) + 0.5, crs)
        mid_cols, mid_rows = lattice.locate(x, y)
        cols[around] = np.floor(mid_cols)[:, None] + np.array([0.0, 1.0, 1.0, 0.0])
        rows[around] = np.minimum(np.floor(mid_rows), lattice.height - 1)[:, None] + np.array([0.0, 0.0, 1.0, 1.0])
    return cols, rows


def middle(known: LayerFacts, grid: GeoBox) -> Window | None:
    """A grid cell near the middle of the overlap of source and grid; None where they do not overlap."""
    assert grid.crs is not None
    source, target = lattice_of(known), Lattice(grid.affine, grid.shape[1], grid.shape[0], full_turn(grid.crs))
    row, col = _probes(target)
    x, y = at(grid.affine, grid.crs, row, col, known.crs)
    hit = source.within(*source.locate(x, y))
    if source.turn is not None and (away := hit & (np.abs(y) < POLAR * source.turn)).any():
        hit = away  # columns that meet in the pole do not tell how fine a source is
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


def how(known: LayerFacts, grid: GeoBox, middle: Window, wanted: Wanted = "auto") -> Resampling:
    """How values come to the grid: as wanted, unless the cells are the same."""
    if aligned(known, grid):
        return "none"
    if wanted != "auto":
        return wanted
    cols, rows = under_window(grid, middle, known.crs, lattice_of(known), True)
    span = resample.detail(cols[0], rows[0]) if np.isfinite(cols + rows).all() else 0.0
    if known.kind == "class":
        return "mode" if span >= FINER else "nearest"
    return "average" if span >= FINER else "bilinear"


def beneath(known: LayerFacts, grid: GeoBox, middle: Window) -> float:
    """Cells of the source that have to be read for one grid cell, about."""
    cols, rows = under_window(grid, middle, known.crs, lattice_of(known), True)
    return float(np.ptp(cols[0]) * np.ptp(rows[0]))


def aligned(known: LayerFacts, grid: GeoBox) -> bool:
    """Whether the cells of source and grid are the same where both have some."""
    theirs, ours = known.transform, grid.affine
    if not same_crs(known.crs, grid.crs) or known.rotated or theirs.a * ours.a < 0 or theirs.e * ours.e < 0:
        return False
    rows, cols = shift(known, grid)
    height, width = grid.shape
    first, last = apply(~theirs, *apply(ours, 0, 0)), apply(~theirs, *apply(ours, width, height))
    off = (first[0] - cols, first[1] - rows, last[0] - cols - width, last[1] - rows - height)
    around = lattice_of(known).period is not None and (cols < 0 or cols + width > known.width)
    return max(abs(part) for part in off) < ALIGNED and not around


def shift(known: LayerFacts, grid: GeoBox) -> tuple[int, int]:
    """Row and column of the source at the first cell of an aligned grid."""
    col, row = apply(~known.transform, *apply(grid.affine, 0, 0))
    return round(row), round(col)
