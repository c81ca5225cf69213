from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Geod, Proj

from edaphic.covariates.area import band_area_m2, cell_area_m2
from edaphic.covariates.window import Window, transformer

WGS84_SURFACE_KM2 = 510_065_621.724


def whole(grid: GeoBox) -> Window:
    return Window(0, 0, *grid.shape)


def box(crs: str, cell: float, west: float, north: float, height: int, width: int) -> GeoBox:
    return GeoBox((height, width), Affine(cell, 0.0, west, 0.0, -cell, north), crs)


def geodesic_area_m2(grid: GeoBox, points: int = 2000) -> float:
    """Area inside the outline of a grid on the ellipsoid by Karney's algorithm, its sides cut into short ones."""
    height, width = grid.shape
    t = np.linspace(0.0, 1.0, points, endpoint=False)
    col = np.concatenate([t * width, np.full(points, width), (1 - t) * width, np.zeros(points)])
    row = np.concatenate([np.zeros(points), t * height, np.full(points, height), (1 - t) * height])
    x, y = grid.affine.a * col + grid.affine.c, grid.affine.e * row + grid.affine.f
    geodetic = CRS(grid.crs.proj.geodetic_crs)
    lon, lat = transformer(grid.crs, geodetic).transform(x, y)
    ellipsoid = grid.crs.proj.ellipsoid
    return abs(Geod(a=ellipsoid.semi_major_metre, b=ellipsoid.semi_minor_metre).polygon_area_perimeter(lon, lat)[0])


@pytest.mark.parametrize("cell", [0.25, 1.0, 7.5, 90.0])
def test_cells_of_the_globe_add_up_to_its_surface(cell: float) -> None:
    grid = box("EPSG:4326", cell, -180.0, 90.0, round(180 / cell), round(360 / cell))
    assert cell_area_m2(grid, whole(grid)).sum() / 1e6 == pytest.approx(WGS84_SURFACE_KM2, rel=1e-11)


def test_half_cells_beyond_the_poles_are_no_ground() -> None:
    grid = box("EPSG:4326", 0.5, -180.25, 90.25, 361, 720)
    assert cell_area_m2(grid, whole(grid)).sum() / 1e6 == pytest.approx(WGS84_SURFACE_KM2, rel=1e-11)


def test_a_sphere_has_four_pi() -> None:
    assert band_area_m2(-math.pi / 2, math.pi / 2, 2 * math.pi, 1.0, 1.0) == pytest.approx(4 * math.pi, rel=1e-14)


def test_bands_add_up() -> None:
    edges = np.linspace(-1.5, 1.5, 31)
    parts = band_area_m2(edges[:-1], edges[1:], 1.0, 6378137.0, 6356752.3)
    assert parts.sum() == pytest.approx(float(band_area_m2(-1.5, 1.5, 1.0, 6378137.0, 6356752.3)), rel=1e-13)


def test_a_cell_at_the_equator_by_hand() -> None:
    """Radii of curvature at the equator: b^2/a along the meridian, a across; a small cell is both times its angles."""
    grid = box("EPSG:4326", 0.001, 20.0, 0.001, 2, 1)
    angle = math.radians(0.001)
    expected = (6356752.314245**2 / 6378137.0) * 6378137.0 * angle**2
    assert cell_area_m2(grid, whole(grid))[0, 0] == pytest.approx(expected, rel=1e-8)


def test_small_cells_do_not_lose_digits() -> None:
    fine = box("EPSG:4326", 1e-5, 20.0, 45.0, 1000, 1)
    coarse = box("EPSG:4326", 1e-2, 20.0, 45.0, 1, 1)
    ours = cell_area_m2(fine, whole(fine)).sum() * 1000
    assert ours == pytest.approx(cell_area_m2(coarse, whole(coarse))[0, 0], rel=1e-7)


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("geographic", box("EPSG:4326", 0.01, 20.0, 42.0, 100, 120)),
        ("UTM at the meridian", box("EPSG:32634", 1000.0, 450000.0, 4650000.0, 100, 100)),
        ("UTM 2 degrees off its zone", box("EPSG:32634", 1000.0, 900000.0, 4650000.0, 100, 100)),
        ("UTM south", box("EPSG:32755", 90.0, 738698.558, 6679807.81, 400, 577)),
        ("Mercator far north", box("EPSG:3857", 1000.0, 2000000.0, 9000000.0, 150, 150)),
        ("Lambert conformal", box("EPSG:2154", 1000.0, 300000.0, 6900000.0, 200, 200)),
        ("Albers in another hemisphere", box("EPSG:3005", 1000.0, 1195387.5, 509087.5, 100, 150)),
        ("Lambert azimuthal of Africa", box("EPSG:10592", 20000.0, -3000000.0, 2000000.0, 100, 100)),
        ("polar stereographic", box("EPSG:3413", 5000.0, -500000.0, -500000.0, 100, 100)),
        ("feet", box("EPSG:2263", 1000.0, 950000.0, 250000.0, 100, 100)),
        ("Amersfoort", box("EPSG:28992", 40.0, 178440.0, 333760.0, 104, 78)),
    ],
)
def test_cells_add_up_to_the_geodesic_area_of_their_outline(name: str, grid: GeoBox) -> None:
    ours = cell_area_m2(grid, whole(grid)).sum()
    cell_m = abs(grid.affine.a) if grid.crs.projected else 1000.0
    assert ours == pytest.approx(geodesic_area_m2(grid), rel=max(1e-7, (cell_m / 6.37e6) ** 2)), name


@pytest.mark.parametrize("crs", ["EPSG:32634", "EPSG:3035", "EPSG:2154", "EPSG:28992", "EPSG:3413"])
def test_small_cells_follow_the_areal_scale_factor(crs: str) -> None:
    """The factor that PROJ finds by differences of the projection, at the centre of the cell."""
    place = {"EPSG:2154": (3.0, 47.0), "EPSG:28992": (5.8, 51.0), "EPSG:3413": (-40.0, 72.0)}.get(crs, (23.0, 41.0))
    geodetic = CRS(CRS(crs).proj.geodetic_crs)
    x, y = transformer(geodetic, CRS(crs)).transform(*place)
    grid = box(crs, 100.0, x - 50.0, y + 50.0, 1, 1)
    expected = 1e4 / Proj(crs).get_factors(*place).areal_scale
    assert cell_area_m2(grid, whole(grid))[0, 0] == pytest.approx(expected, rel=1e-7)


def test_cells_around_a_pole_have_no_seam() -> None:
    grid = box("EPSG:3413", 1000.0, -10500.0, 10500.0, 21, 21)  # the pole lies in the middle of the middle cell
    area = cell_area_m2(grid, whole(grid))
    np.testing.assert_allclose(area, area[10, 10], rtol=1e-5)
    assert area[10, 10] == pytest.approx(1e6 / Proj("EPSG:3413").get_factors(0.0, 89.9).areal_scale, rel=1e-5)


def test_the_map_area_would_be_wrong() -> None:
    """Why the factor is there: off its zone, a UTM cell is 1 % smaller than it looks."""
    grid = box("EPSG:32634", 1000.0, 1000000.0, 4650000.0, 1, 1)
    assert 0.99 < cell_area_m2(grid, whole(grid))[0, 0] / 1e6 < 0.995


def test_equal_area_projections_have_equal_cells() -> None:
    grid = box("EPSG:3035", 10000.0, 3000000.0, 3000000.0, 50, 50)
    np.testing.assert_allclose(cell_area_m2(grid, whole(grid)), 1e8, rtol=1e-6)


def test_a_cell_has_the_same_area_in_every_window() -> None:
    for grid in (box("EPSG:4326", 0.1, 20.0, 42.0, 60, 60), box("EPSG:32634", 900.0, 450000.0, 4650000.0, 60, 60)):
        full = cell_area_m2(grid, whole(grid))
        for window in (Window(0, 0, 1, 60), Window(31, 7, 20, 3), Window(59, 59, 1, 1)):
            np.testing.assert_array_equal(cell_area_m2(grid, window), full[window.slices])


def test_where_the_projection_shows_no_place_there_is_no_area() -> None:
    grid = box("ESRI:54009", 1_000_000.0, -18_500_000.0, 9_100_000.0, 18, 37)  # Mollweide: corners lie off the Earth
    area = cell_area_m2(grid, whole(grid))
    assert np.isnan(area[0, 0]) and np.isfinite(area[9, 18])
