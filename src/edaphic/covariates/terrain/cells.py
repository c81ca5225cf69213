"""Sizes of grid cells in metres: what a height in metres is divided by to give a slope."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

Float = NDArray[np.float64]

AT_POLE = 1e-9
"""Cells whose centre lies nearer to a pole than this (radians; 6 mm on the ground) have no width."""


@dataclass(frozen=True)
class CellSizes:
    """Width and height of the cells of each row, on the ground.

    Parameters
    ----------
    dx_m, dy_m : ndarray of float64, shape (rows,)
        East to west and north to south, m, positive; NaN where a row lies on a pole or beyond it.

    Examples
    --------
    >>> cells = CellSizes.square(30.0, rows=3)
    >>> cells.area_m2.tolist(), len(cells[1:])
    ([900.0, 900.0, 900.0], 2)
    """

    dx_m: Float
    dy_m: Float

    def __post_init__(self) -> None:
        if self.dx_m.ndim != 1 or self.dx_m.shape != self.dy_m.shape:
            raise ValueError(f"cell sizes of shapes {self.dx_m.shape} and {self.dy_m.shape}; expected one number for each row in both")

    @classmethod
    def square(cls, size_m: float, rows: int) -> CellSizes:
        """Square cells, the same in every row."""
        return cls(np.full(rows, float(size_m)), np.full(rows, float(size_m)))

    def __len__(self) -> int:
        return len(self.dx_m)

    def __getitem__(self, rows: slice) -> CellSizes:
        """The cells of some rows."""
        return CellSizes(self.dx_m[rows], self.dy_m[rows])

    @property
    def area_m2(self) -> Float:
        """Area of a cell of each row, m2."""
        return self.dx_m * self.dy_m

    @property
    def uniform(self) -> bool:
        """Whether the cells of all rows have the same size."""
        return bool(np.all(self.dx_m == self.dx_m[0]) and np.all(self.dy_m == self.dy_m[0]))


def cell_sizes(grid: GeoBox) -> CellSizes:
    """Sizes of the cells of a grid in metres.

    On a projected grid they are those of the map, in metres whatever its unit (US survey feet too). On a geographic grid
    they are taken at the latitude of the centres of a row: ``dx = N cos(latitude) dlon`` and ``dy = M dlat``, with the
    radii of curvature of the ellipsoid in the prime vertical, N, and in the meridian, M (Snyder 1987, eq. 4-18 and 4-20).

    Parameters
    ----------
    grid : GeoBox
        Projected or geographic, not rotated; rows may run either way.

    Returns
    -------
    CellSizes

    Raises
    ------
    ValueError
        The grid has no coordinate reference system, or is rotated.

    Examples
    --------
    >>> from affine import Affine
    >>> utm = GeoBox((2, 3), Affine(30.0, 0.0, 500000.0, 0.0, -30.0, 4600000.0), "EPSG:32634")
    >>> cell_sizes(utm).dx_m.tolist()
    [30.0, 30.0]
    >>> degrees = GeoBox((1, 1), Affine(1.0, 0.0, 0.0, 0.0, -1.0, 0.5), "EPSG:4326")  # a cell centred on the equator
    >>> sizes = cell_sizes(degrees)
    >>> round(float(sizes.dx_m[0]), 1), round(float(sizes.dy_m[0]), 1)  # 6378137 m and its (1 - e2), times one degree
    (111319.5, 110574.3)
    """
    affine, rows = grid.affine, grid.shape[0]
    if grid.crs is None:
        raise ValueError("the grid has no coordinate reference system")
    if affine.b or affine.d:
        raise ValueError("the grid is rotated; expected rows that run along the x axis")
    unit = grid.crs.proj.axis_info[0].unit_conversion_factor
    if not grid.crs.geographic:
        return CellSizes(np.full(rows, abs(affine.a) * unit), np.full(rows, abs(affine.e) * unit))
    latitude = (affine.f + affine.e * (np.arange(rows) + 0.5)) * unit
    return _on_ellipsoid(grid.crs, latitude, abs(affine.a) * unit, abs(affine.e) * unit)


def _on_ellipsoid(crs: CRS, latitude: Float, dlon: float, dlat: float) -> CellSizes:
    """Sizes from latitudes of centres and spacings, all in radians."""
    ellipsoid = crs.proj.ellipsoid
    assert ellipsoid is not None
    major, minor = ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre
    squared = 1.0 - (minor / major) ** 2
    latitude = np.where(np.abs(latitude) < math.pi / 2 - AT_POLE, latitude, np.nan)
    root = np.sqrt(1.0 - squared * np.sin(latitude) ** 2)
    return CellSizes(major * np.cos(latitude) / root * dlon, major * (1.0 - squared) / root**3 * dlat)
