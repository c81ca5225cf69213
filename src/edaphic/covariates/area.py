"""True areas of grid cells: what a map in kg/m2 is multiplied with."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Proj

from edaphic.covariates.window import Window, centres, inside

_WGS84 = CRS("EPSG:4326")


def cell_area_m2(grid: GeoBox, window: Window) -> NDArray[np.float64]:
    """True area on the ellipsoid of each cell of a window.

    On a geographic grid it is the closed form of :func:`band_area_m2`. On a projected grid it is the area on the map
    divided by the areal scale factor of the projection at the centre of the cell (Snyder 1987, eq. 4-15): in UTM a
    cell at the central meridian is larger than it looks, far from it smaller. The relative error of taking the centre
    is of the order of (cell size / Earth radius) squared.

    Parameters
    ----------
    grid : GeoBox
        Geographic or projected, not rotated.
    window : Window

    Returns
    -------
    ndarray of float64, shape (height, width), m2; NaN where the projection has no such place.

    Examples
    --------
    >>> from affine import Affine
    >>> globe = GeoBox((180, 360), Affine(1.0, 0.0, -180.0, 0.0, -1.0, 90.0), "EPSG:4326")
    >>> round(float(cell_area_m2(globe, Window(0, 0, 180, 360)).sum()) / 1e12, 4)  # the whole Earth, million km2
    510.0656
    >>> utm = GeoBox((1, 1), Affine(100.0, 0.0, 499950.0, 0.0, -100.0, 4600050.0), "EPSG:32634")
    >>> round(float(cell_area_m2(utm, Window(0, 0, 1, 1))[0, 0]), 2)  # 10000 / 0.9996**2
    10008.0
    """
    inside(grid, window)
    if grid.crs is None:
        raise ValueError("the grid has no coordinate reference system")
    return _geographic(grid, window) if grid.crs.geographic else _projected(grid, window)


def band_area_m2(
    south: ArrayLike, north: ArrayLike, width: float, semi_major_m: float, semi_minor_m: float
) -> NDArray[np.float64]:
    """Area between two parallels and two meridians on an ellipsoid (Snyder 1987, eq. 3-12: the authalic latitude).

    Parameters
    ----------
    south, north : array_like
        Latitudes in radians, any shape.
    width : float
        Difference of longitude in radians.
    semi_major_m, semi_minor_m : float
        Half axes of the ellipsoid, m.

    Returns
    -------
    ndarray of float64, m2.

    Examples
    --------
    >>> half = band_area_m2(0.0, math.pi / 2, 2 * math.pi, 1.0, 1.0)  # half a unit sphere: 2 pi
    >>> round(float(half / math.pi), 12)
    2.0
    """
    flatness = 1.0 - (semi_minor_m / semi_major_m) ** 2
    eccentricity = math.sqrt(flatness)

    def authalic(latitude: ArrayLike) -> NDArray[np.float64]:
        sine = np.sin(np.asarray(latitude, dtype=np.float64))
        if eccentricity == 0.0:
            return 2.0 * sine
        tail = np.arctanh(eccentricity * sine) / eccentricity
        return np.asarray((1.0 - flatness) * (sine / (1.0 - flatness * sine**2) + tail))

    return np.asarray(0.5 * semi_major_m**2 * width * (authalic(north) - authalic(south)))


def _geographic(grid: GeoBox, window: Window) -> NDArray[np.float64]:
    assert grid.crs is not None
    ellipsoid = grid.crs.proj.ellipsoid
    assert ellipsoid is not None
    radian = grid.crs.proj.axis_info[0].unit_conversion_factor
    affine = grid.affine
    edges = affine.f + affine.e * np.arange(window.row, window.row + window.height + 1, dtype=np.float64)
    # Global rasters whose cell centres lie on the poles reach half a cell beyond them: that half is no ground.
    latitude = np.clip(edges * radian, -math.pi / 2, math.pi / 2)
    south, north = np.minimum(latitude[:-1], latitude[1:]), np.maximum(latitude[:-1], latitude[1:])
    axes = ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre
    rows = band_area_m2(south, north, abs(affine.a) * radian, *axes)
    return np.repeat(rows[:, None], window.width, axis=1)


def _projected(grid: GeoBox, window: Window) -> NDArray[np.float64]:
    assert grid.crs is not None
    metre = grid.crs.proj.axis_info[0].unit_conversion_factor
    on_map = abs(grid.affine.determinant) * metre**2
    # The factor changes by less than 1e-5 over the few hundred metres between datums, so WGS 84 places will do.
    lon, lat = centres(grid, window, _WGS84)
    scale = np.asarray(Proj(grid.crs.proj).get_factors(lon, lat).areal_scale, dtype=np.float64)
    scale = np.where(np.isfinite(scale) & (scale > 0.0), scale, np.nan)
    return np.asarray(on_map / scale).reshape(window.shape)
