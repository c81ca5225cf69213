"""Poles, the date line, rotated and south-up rasters; true areas; how a layer is resampled where the user asks for it."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Geod, Transformer

from edaphic.covariates.area import cell_area_m2
from edaphic.covariates.facts import Source, facts
from edaphic.covariates.grid import grid_from_bounds, grid_like
from edaphic.covariates.sources import Layer, open_layer
from edaphic.covariates.stack import build
from edaphic.covariates.window import Window, apply, centres, windows
from edaphic.errors import GridError, RasterError

DEGREES = "EPSG:4326"


def whole(layer: Layer) -> np.ndarray:
    return layer.read(Window(0, 0, *layer.grid.shape))


def globe(raster, field, cell: float = 1.0, west: float = -180.0, name: str = "globe.tif"):
    """A global raster of a function of longitude and latitude in radians, at cell centres."""
    lon = np.radians(west + cell * (np.arange(round(360 / cell)) + 0.5))
    lat = np.radians(90 - cell * (np.arange(round(180 / cell)) + 0.5))
    return raster(name, field(lon[None, :], lat[:, None]).astype("float32"), Affine(cell, 0, west, 0, -cell, 90), DEGREES)


def smooth(lon, lat):
    """Smooth over the poles and the date line."""
    return np.cos(lat) * np.cos(lon - 0.7) + np.sin(lat)


@pytest.mark.parametrize("crs", ["EPSG:3413", "EPSG:3031"])
@pytest.mark.parametrize("cell", [20_000, 60_000, 400_000])
def test_a_polar_grid_over_the_pole(raster, crs: str, cell: int) -> None:
    """Every cell has a value, the ones over and about the pole too, and windows have the same bits."""
    grid = grid_from_bounds(crs, cell, (-2.2e6, -2.2e6, 2.2e6, 2.2e6))
    for west in (-180.0, 0.0):
        layer = open_layer(Source("a", globe(raster, smooth, west=west)), grid)
        found = whole(layer)
        lon, lat = (np.radians(part) for part in centres(grid, Window(0, 0, *grid.shape), layer.facts.crs))
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, smooth(lon, lat), atol=0.02 if cell < 1e5 else 0.06)
        for window in windows(grid, 5)[:: 1 + len(windows(grid, 5)) // 40]:
            np.testing.assert_array_equal(layer.read(window), found[window.slices])
        row, col = (part.ravel() for part in np.indices(found.shape))
        np.testing.assert_array_equal(layer.read_cells(row, col), found.ravel())


def test_classes_over_the_pole(raster) -> None:
    path = globe(raster, lambda lon, lat: np.where(lat > np.radians(85), 1, 2) + 0 * lon, cell=0.5)
    grid = grid_from_bounds("EPSG:3413", 200_000, (-1.1e6, -1.1e6, 1.1e6, 1.1e6))
    layer = open_layer(Source("a", path, kind="class"), grid)
    found = whole(layer)
    assert layer.resampling == "mode"
    assert found[5, 5] == 1 and found[0, 0] == 2 and set(np.unique(found)) == {1, 2}


@pytest.mark.parametrize("west", [-180.0, 0.0, -90.0])
@pytest.mark.parametrize("cell", [30_000, 250_000])
def test_a_grid_over_the_date_line_in_any_count_of_longitude(raster, west: float, cell: int) -> None:
    grid = grid_from_bounds("EPSG:3832", cell, (2.0e6, -1e6, 5.0e6, 1e6))  # 168 E to 165 W
    found = whole(open_layer(Source("a", globe(raster, smooth, west=west)), grid))
    lon, lat = (np.radians(part) for part in centres(grid, Window(0, 0, *grid.shape), CRS(DEGREES)))
    np.testing.assert_allclose(found, smooth(lon, lat), atol=2e-3)


def test_a_regional_source_that_ends_at_the_date_line(raster) -> None:
    """Values west of it, none east of it, and no fault."""
    path = raster("a.tif", np.ones((20, 10), dtype="float32"), Affine(1, 0, 170, 0, -1, 10), DEGREES)
    grid = grid_from_bounds("EPSG:3832", 100_000, (2.0e6, -5e5, 5.0e6, 5e5))
    layer = open_layer(Source("a", path), grid)
    lon, _ = centres(grid, Window(0, 0, *grid.shape), layer.facts.crs)
    np.testing.assert_array_equal(np.isfinite(whole(layer)), lon > 170)


def test_a_source_beyond_180_degrees(raster) -> None:
    path = raster("a.tif", np.arange(40.0).reshape(2, 20), Affine(1, 0, 170, 0, -1, 1), DEGREES)  # to 190
    grid = grid_from_bounds(DEGREES, 1, (-180, -1, -170, 1))
    np.testing.assert_array_equal(whole(open_layer(Source("a", path), grid)), np.arange(40.0).reshape(2, 20)[:, 10:])


def test_grids_that_count_longitude_otherwise_are_refused() -> None:
    with pytest.raises(GridError, match=r"longitude 170 to 190; expected -180 to 180 degrees"):
        grid_from_bounds(DEGREES, 1, (170, -10, 190, 10))


def test_rotated_and_south_up_sources_are_read_and_refused_as_grids(raster) -> None:
    values = np.random.default_rng(70).normal(size=(40, 40)).astype("float32")
    turned = raster("turned.tif", values, Affine.translation(500000, 4600000) @ Affine.rotation(30) @ Affine.scale(10, -10))
    south = raster("south.tif", values[::-1], Affine(10, 0, 500000, 0, 10, 4599600))
    grid = grid_from_bounds("EPSG:32634", 10, (500000, 4599600, 500400, 4600000))
    layer = open_layer(Source("t", turned, resampling="nearest"), grid)
    x, y = centres(grid, Window(0, 0, 40, 40), grid.crs)
    col, row = apply(~layer.facts.transform, x, y)
    within = (col >= 0) & (col < 40) & (row >= 0) & (row < 40)
    expected = np.where(within, values[np.clip(row, 0, 39).astype(int), np.clip(col, 0, 39).astype(int)], np.nan)
    np.testing.assert_array_equal(whole(layer), expected)
    np.testing.assert_array_equal(whole(open_layer(Source("s", south), grid)), values)
    with pytest.raises(GridError, match="rotated"):
        grid_like(turned)
    with pytest.raises(GridError, match="first row in the south"):
        grid_like(south)


@pytest.mark.parametrize("lat", [0.0, 45.0, 70.0, 89.0])
def test_areas_of_geographic_cells_are_those_of_the_ellipsoid(lat: float) -> None:
    """Against geodesic polygons with many points along the parallels."""
    grid = GeoBox((1, 1), Affine(0.5, 0, 10, 0, -0.5, lat + 0.5), DEGREES)
    lon = np.linspace(10, 10.5, 2001)
    ring_lon, ring_lat = np.r_[lon, lon[::-1]], np.r_[np.full(2001, lat), np.full(2001, lat + 0.5)]
    area, _ = Geod(ellps="WGS84").polygon_area_perimeter(ring_lon, ring_lat)
    assert cell_area_m2(grid, Window(0, 0, 1, 1))[0, 0] == pytest.approx(abs(area), rel=1e-7)


# --- What the user asks for -------------------------------------------------------------------------------------------

CODES = np.array([[1, 1, 2, 2], [1, 3, 2, 4], [5, 5, 6, 6], [7, 5, 8, 6]], dtype="uint8")


def test_resampling_as_asked(raster) -> None:
    path = raster("a.tif", CODES)
    coarse = grid_from_bounds("EPSG:32634", 20, (500000, 4599960, 500040, 4600000))
    read = {how: whole(open_layer(Source("a", path, resampling=how), coarse)) for how in ("nearest", "bilinear", "average", "auto")}
    assert read["average"].tolist() == [[1.5, 2.5], [5.5, 6.5]] == read["auto"].tolist() == read["bilinear"].tolist()
    assert read["nearest"].tolist() == [[3, 4], [5, 6]]
    modes = whole(open_layer(Source("a", path, kind="class"), coarse))
    assert modes.tolist() == [[1, 2], [5, 6]]
    nearest = open_layer(Source("a", path, kind="class", resampling="nearest"), coarse)
    assert nearest.resampling == "nearest" and whole(nearest).tolist() == [[3, 4], [5, 6]]
    same = grid_from_bounds("EPSG:32634", 10, (500000, 4599960, 500040, 4600000))
    assert open_layer(Source("a", path, resampling="average"), same).resampling == "none"


@pytest.mark.parametrize(("kind", "how"), [("class", "bilinear"), ("class", "average"), ("continuous", "mode"), ("class", "cubic")])
def test_what_does_not_fit_the_kind_is_refused(raster, kind: str, how: str) -> None:
    with pytest.raises(RasterError, match=f"resampling '{how}' of a {kind} layer; expected one of auto, nearest"):
        facts(Source("a", raster("a.tif", CODES), kind=kind, resampling=how))


@pytest.mark.parametrize("cell", [23.0, 41.0])
def test_modes_have_the_same_bits_in_any_window(raster, cell: float) -> None:
    random = np.random.default_rng(71)
    codes = random.integers(1, 6, size=(200, 200)).astype("uint8")
    path = raster("a.tif", codes, Affine(10, 0, 5e5, 0, -10, 46e5), "EPSG:32634", nodata=1)
    grid = grid_from_bounds("EPSG:3035", cell, (5_290_000, 2_080_000, 5_292_000, 2_082_000))
    x, y = centres(grid, Window(0, 0, *grid.shape), facts(Source("a", path)).crs)
    corner = Affine(10, 0, float(x.min()), 0, -10, float(y.max()))
    layer = open_layer(Source("a", raster("b.tif", codes, corner, nodata=1), kind="class"), grid)
    full = whole(layer)
    assert layer.resampling == "mode" and np.isfinite(full).any() and np.isnan(full).any()
    for window in windows(grid, 13):
        np.testing.assert_array_equal(layer.read(window), full[window.slices])
    row, col = (random.integers(0, size, 80) for size in full.shape)
    np.testing.assert_array_equal(layer.read_cells(row, col), full[row, col])


# --- Places -----------------------------------------------------------------------------------------------------------


def test_places_on_edges_at_corners_twice_and_nowhere(raster) -> None:
    values = np.arange(6.0).reshape(2, 3)
    path = raster("a.tif", values, Affine(1, 0, 20, 0, -1, 42), DEGREES)
    stack = build([Source("a", path)], grid_from_bounds(DEGREES, 1, (20, 40, 23, 42)))
    lon = [20.0, 21.0, 22.5, 23.0, 20.0, 20.5, 20.5, np.nan, 20.5, np.inf]
    lat = [42.0, 41.0, 41.5, 41.5, 40.0, 41.5, 41.5, 41.0, np.nan, 41.0]
    found, reason = stack.sample(lon, lat)
    # North and west sides belong to a cell, south and east sides to the next one, and beyond the grid to none.
    np.testing.assert_array_equal(found["a"], [0, 4, 2, *[np.nan] * 2, 0, 0, *[np.nan] * 3])
    assert reason.tolist() == ["", "", "", *["outside the grid"] * 2, "", "", *["outside the grid"] * 3]


def test_reasons_are_those_of_each_layer(raster) -> None:
    grid = grid_from_bounds("EPSG:32634", 10, (500000, 4599960, 500080, 4600000))
    hole = np.ones((4, 4), dtype="float32")
    hole[0, 0] = -1
    stack = build(
        [
            Source("full", raster("full.tif", np.ones((4, 8)))),
            Source("hole", raster("hole.tif", hole, nodata=-1)),
            Source("other", raster("other.tif", hole, Affine(7, 0, 500000, 0, -7, 4600000), nodata=-1)),
        ],
        grid,
    )
    to = np.array([[500005, 4599995], [500015, 4599985], [500035, 4599995], [500045, 4599995], [500095, 4599995]])
    lon, lat = Transformer.from_crs(32634, 4326, always_xy=True).transform(*to.T)
    _, reason = stack.sample(lon, lat)
    assert reason.tolist() == [
        "no value in hole: nodata (and 1 more)",
        "",
        "no value in other: outside its source",
        "no value in hole: outside its source (and 1 more)",
        "outside the grid",
    ]
    missing = stack.missing(lon, lat)
    assert missing.to_dict("list") == {
        "place": [0, 0, 2, 3, 3, 4],
        "layer": ["hole", "other", "other", "hole", "other", ""],
        "reason": ["nodata", "nodata", *["outside its source"] * 3, "outside the grid"],
    }


def test_threads_and_order_change_no_value(raster) -> None:
    random = np.random.default_rng(72)
    grid = grid_from_bounds("EPSG:32634", 90, (500000, 4570000, 530000, 4600000))
    sources = [
        Source(str(n), raster(f"{n}.tif", random.normal(size=(300, 300)), Affine(100 + n, 0, 5e5, 0, -100 - n, 46e5))) for n in range(6)
    ]
    stack = build(sources, grid)
    lon, lat = random.uniform(21, 21.3, 500), random.uniform(41.3, 41.5, 500)
    one, _ = stack.sample(lon, lat, threads=1)
    two, _ = stack.sample(lon, lat, threads=4)
    order = random.permutation(500)
    other, _ = stack.sample(lon[order], lat[order])
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one.to_numpy()[order], other)
