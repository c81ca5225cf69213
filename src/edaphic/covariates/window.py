"""Windows of the grid, and where their cells lie in other coordinate reference systems.

A window is named by whole numbers of the grid's rows and columns, and every coordinate is computed from the affine
transform of the *whole* grid. So a cell has the same coordinates, to the bit, in whatever window it is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer

Coordinates = tuple[NDArray[np.float64], NDArray[np.float64]]

Number = TypeVar("Number", float, NDArray[np.float64])

PIECE = 256
"""Larger windows are read in pieces of this many rows and columns, which bounds memory; it never changes a value."""


@dataclass(frozen=True, order=True)
class Window:
    """A rectangle of grid cells; windows order by row, then column.

    Parameters
    ----------
    row, col : int
        First row and column, counted from 0 at the upper left.
    height, width : int
        Number of rows and columns, at least 1.

    Raises
    ------
    ValueError
        A negative start or an empty window.

    Examples
    --------
    >>> Window(row=2, col=1, height=3, width=4).slices
    (slice(2, 5, None), slice(1, 5, None))
    """

    row: int
    col: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.row < 0 or self.col < 0 or self.height < 1 or self.width < 1:
            raise ValueError(f"window {self}: expected row, col >= 0 and height, width >= 1")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the window in an array of the whole grid."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)


def windows(grid: GeoBox, size: int = 256) -> list[Window]:
    """Cut a grid into square windows, row by row; the last ones of a row or column are smaller.

    Examples
    --------
    >>> grid = GeoBox((3, 5), Affine(1.0, 0.0, 0.0, 0.0, -1.0, 3.0), "EPSG:32634")
    >>> [(w.row, w.col, w.height, w.width) for w in windows(grid, size=2)][:4]
    [(0, 0, 2, 2), (0, 2, 2, 2), (0, 4, 2, 1), (2, 0, 1, 2)]
    """
    height, width = grid.shape
    return pieces(Window(0, 0, height, width), size)


def pieces(window: Window, size: int = PIECE) -> list[Window]:
    """Cut a window into windows of at most ``size`` rows and columns."""
    if size < 1:
        raise ValueError(f"window size {size}: expected at least 1")
    last_row, last_col = window.row + window.height, window.col + window.width
    return [
        Window(row, col, min(size, last_row - row), min(size, last_col - col))
        for row in range(window.row, last_row, size)
        for col in range(window.col, last_col, size)
    ]


def window_box(grid: GeoBox, window: Window) -> GeoBox:
    """The window as a smaller grid of its own.

    Raises
    ------
    ValueError
        The window reaches beyond the grid.

    Examples
    --------
    >>> grid = GeoBox((3, 5), Affine(10.0, 0.0, 100.0, 0.0, -10.0, 30.0), "EPSG:32634")
    >>> window_box(grid, Window(1, 2, 2, 3)).extent.boundingbox.bbox
    (120.0, 0.0, 150.0, 20.0)
    """
    inside(grid, window)
    box = grid[window.slices]
    assert isinstance(box, GeoBox)
    return box


def inside(grid: GeoBox, window: Window) -> None:
    """Refuse a window that reaches beyond the grid: it is a fault of the caller, not of the data."""
    height, width = grid.shape
    if window.row + window.height > height or window.col + window.width > width:
        raise ValueError(f"{window} reaches beyond the grid of {height} rows and {width} columns")


def same_crs(one: CRS | None, other: CRS | None) -> bool:
    """Whether two reference systems are the same, whatever the order in which they name their axes."""
    if one is None or other is None:
        return False
    return bool(one == other) or bool(one.proj.equals(other.proj, ignore_axis_order=True))


def crs_name(crs: CRS | None) -> str:
    """How to name a reference system in a message.

    >>> crs_name(CRS("EPSG:32634"))
    'EPSG:32634'
    """
    if crs is None:
        return "no CRS"
    return f"EPSG:{crs.epsg}" if crs.epsg else str(crs.proj.name)


@lru_cache(maxsize=64)
def transformer(source: CRS, target: CRS) -> Transformer:
    """Coordinates from one reference system to another, x (or longitude) first."""
    return Transformer.from_crs(source.proj, target.proj, always_xy=True)


@lru_cache(maxsize=64)
def full_turn(crs: CRS) -> float | None:
    """One turn of longitude in the unit of the reference system (360 for degrees); None where it is not geographic."""
    return 2.0 * math.pi / crs.proj.axis_info[0].unit_conversion_factor if crs.geographic else None


def vertical_unit(crs: CRS) -> tuple[str, float] | None:
    """Name and metres of the unit of heights of a compound CRS or of one with three axes; None where it has none.

    >>> vertical_unit(CRS("EPSG:32634")) is None
    True
    """
    upward = [axis for axis in crs.proj.axis_info if axis.direction == "up"]
    return (upward[0].unit_name, float(upward[0].unit_conversion_factor)) if upward else None


def centres(grid: GeoBox, window: Window, crs: CRS) -> Coordinates:
    """Coordinates of the cell centres of a window, in a reference system.

    Returns
    -------
    (x, y) : read-only float64 arrays of shape (height, width); not finite where the reference system has no such place.

    Examples
    --------
    >>> grid = GeoBox((2, 2), Affine(10.0, 0.0, 100.0, 0.0, -10.0, 30.0), "EPSG:32634")
    >>> centres(grid, Window(0, 1, 2, 1), grid.crs)[1].tolist()
    [[25.0], [15.0]]
    """
    return _places(_checked(grid), grid.affine, window, crs, 0.5)


def corners(grid: GeoBox, window: Window, crs: CRS) -> Coordinates:
    """Coordinates of the cell corners of a window: as :func:`centres`, of shape (height + 1, width + 1)."""
    wider = Window(window.row, window.col, window.height + 1, window.width + 1)
    return _places(_checked(grid), grid.affine, wider, crs, 0.0)


def _checked(grid: GeoBox) -> CRS:
    if grid.crs is None:
        raise ValueError("the grid has no coordinate reference system")
    return grid.crs


def _places(own: CRS, affine: Affine, window: Window, crs: CRS, shift: float) -> Coordinates:
    # The layers of a stack are read one after another in the same window, so the last windows are kept: projecting a
    # window costs more than reading a layer. Large ones are not kept, lest the memory grow with the window.
    compute = _kept if window.height * window.width <= (PIECE + 1) ** 2 else _kept.__wrapped__
    return compute(own, affine, window, crs, shift)


@lru_cache(maxsize=24)
def _kept(own: CRS, affine: Affine, window: Window, crs: CRS, shift: float) -> Coordinates:
    col = np.arange(window.col, window.col + window.width, dtype=np.float64)[None, :] + shift
    row = np.arange(window.row, window.row + window.height, dtype=np.float64)[:, None] + shift
    x, y = at(affine, own, row, col, crs)
    x.flags.writeable = y.flags.writeable = False
    return x, y


def apply(affine: Affine, col: Number, row: Number) -> tuple[Number, Number]:
    """An affine transform of numbers or arrays.

    >>> apply(Affine(10.0, 0.0, 100.0, 0.0, -10.0, 30.0), 2, 1)
    (120.0, 20.0)
    """
    return affine.a * col + affine.b * row + affine.c, affine.d * col + affine.e * row + affine.f


def at(affine: Affine, own: CRS, row: NDArray[np.float64], col: NDArray[np.float64], crs: CRS) -> Coordinates:
    """Coordinates in ``crs`` of rows and columns (real numbers, broadcast together) of a grid in the CRS ``own``."""
    x, y = apply(affine, col, row)
    if not same_crs(own, crs):
        x, y = transformer(own, crs).transform(x, y)
    return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
