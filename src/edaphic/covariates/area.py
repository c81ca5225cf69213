"""True areas of grid cells: what a map in kg/m2 is multiplied with."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from edaphic.covariates.window import Window, corners, inside

Float = NDArray[np.float64]


def cell_area_m2(grid: GeoBox, window: Window) -> Float:
    """True area on the ellipsoid of each cell of a window.

    On a geographic grid it is the closed form of :func:`band_area_m2`. On a projected grid the corners of the cell are
    taken back to the ellipsoid, and from there to the sphere of equal area (authalic latitudes, Snyder 1987, eq. 3-11
    to 3-18); the area is that of the spherical quadrilateral between them (excess of two triangles, van Oosterom and
    Strackee 1983). For small cells this is the area on the map divided by the areal scale factor of the projection: in
    UTM a cell at the central meridian is larger than it looks, far from it smaller. Neighbours share their corners, so
    the error of a sum over a region is that of its outline.

    Parameters
    ----------
    grid : GeoBox
        Geographic or projected.
    window : Window

    Returns
    -------
    ndarray of float64, shape (height, width), m2; NaN where the projection has no such place.

    Raises
    ------
    ValueError
        The window reaches beyond the grid.

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


def band_area_m2(south: ArrayLike, north: ArrayLike, width: float, semi_major_m: float, semi_minor_m: float) -> Float:
    """Area between two parallels and two meridians on an ellipsoid (Snyder 1987, eq. 3-12).

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
    axes = semi_major_m, semi_minor_m
    return np.asarray(0.5 * semi_major_m**2 * width * (_authalic_q(north, *axes) - _authalic_q(south, *axes)))


def _authalic_q(latitude: ArrayLike, semi_major_m: float, semi_minor_m: float) -> Float:
    """Snyder's q: proportional to the area between the equator and a latitude (radians)."""
    sine = np.sin(np.asarray(latitude, dtype=np.float64))
    squared = 1.0 - (semi_minor_m / semi_major_m) ** 2
    if squared == 0.0:
        return 2.0 * sine
    eccentricity = math.sqrt(squared)
    return np.asarray(
        (1.0 - squared) * (sine / (1.0 - squared * sine**2) + np.arctanh(eccentricity * sine) / eccentricity)
    )


def _ellipsoid(crs: CRS) -> tuple[float, float, float]:
    """Half axes of the ellipsoid in m, and the radians of a unit of the (geographic) CRS."""
    ellipsoid = crs.proj.ellipsoid
    assert ellipsoid is not None
    return ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre, crs.proj.axis_info[0].unit_conversion_factor


def _geographic(grid: GeoBox, window: Window) -> Float:
    assert grid.crs is not None
    *axes, radian = _ellipsoid(grid.crs)
    affine = grid.affine
    edges = affine.f + affine.e * np.arange(window.row, window.row + window.height + 1, dtype=np.float64)
    # Global rasters whose cell centres lie on the poles reach half a cell beyond them: that half is no ground.
    latitude = np.clip(edges * radian, -math.pi / 2, math.pi / 2)
    south, north = np.minimum(latitude[:-1], latitude[1:]), np.maximum(latitude[:-1], latitude[1:])
    rows = band_area_m2(south, north, abs(affine.a) * radian, *axes)
    return np.repeat(rows[:, None], window.width, axis=1)


def _projected(grid: GeoBox, window: Window) -> Float:
    assert grid.crs is not None
    geodetic = CRS(grid.crs.proj.geodetic_crs)
    major, minor, radian = _ellipsoid(geodetic)
    lon, lat = corners(grid, window, geodetic)
    with np.errstate(invalid="ignore"):
        lon, q = np.where(np.isfinite(lon), lon, np.nan) * radian, _authalic_q(lat * radian, major, minor)
        pole = float(_authalic_q(math.pi / 2, major, minor))
        sine = q / pole
        cosine = np.sqrt(np.maximum(1.0 - sine**2, 0.0))
    points = np.stack([cosine * np.cos(lon), cosine * np.sin(lon), sine], axis=-1)
    a, b, c, d = points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1]
    authalic_radius_squared = 0.5 * major**2 * pole
    return authalic_radius_squared * np.abs(_excess(a, b, c) + _excess(a, c, d))


def _excess(a: Float, b: Float, c: Float) -> Float:
    """Signed area of spherical triangles on the unit sphere; corners are unit vectors along the last axis."""
    # Of the differences, not of the vectors: the corners of a small cell are nearly the same.
    volume = (a * np.cross(b - a, c - a)).sum(axis=-1)
    closeness = 1.0 + (a * b).sum(axis=-1) + (b * c).sum(axis=-1) + (c * a).sum(axis=-1)
    return np.asarray(2.0 * np.arctan2(volume, closeness))
