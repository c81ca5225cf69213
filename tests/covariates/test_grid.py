from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely import box

from edaphic.covariates.grid import cells_of, grid_from_bounds, grid_from_region, grid_like
from edaphic.errors import GridError, TableError

ONES = np.ones((4, 5), dtype="float32")


def test_the_grid_of_a_raster(raster) -> None:
    grid = grid_like(raster("a.tif", ONES))
    assert grid == GeoBox((4, 5), Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 4600000.0), "EPSG:32634")


@pytest.mark.parametrize(
    ("transform", "crs", "found"),
    [
        (Affine(10.0, 1.0, 0.0, 1.0, -10.0, 0.0), "EPSG:32634", "rotated"),
        (Affine(10.0, 0.0, 0.0, 0.0, 10.0, 0.0), "EPSG:32634", "first row in the south"),
        (Affine(-10.0, 0.0, 0.0, 0.0, -10.0, 0.0), "EPSG:32634", "first row in the south or first column in the east"),
        (Affine(72.0, 0.0, 0.0, 0.0, -45.0, 90.0), "EPSG:4326", "longitude 0 to 360; expected -180 to 180"),
        (Affine(90.0, 0.0, -180.0, 0.0, -45.0, 90.0), "EPSG:4326", "longitude -180 to 270"),
        (Affine(1.0, 0.0, 0.0, 0.0, -50.0, 150.0), "EPSG:4326", "latitude -50 to 150; expected -90 to 90"),
        (Affine(10.0, 0.0, 5.0, 0.0, -10.0, 0.0), None, "no coordinate reference system"),
    ],
)
def test_grids_that_cannot_be_used(raster, transform: Affine, crs: str | None, found: str) -> None:
    path = raster("like.tif", ONES, transform=transform, crs=crs)
    with pytest.raises(GridError) as caught:
        grid_like(path)
    assert len(caught.value.faults) == 1
    assert str(caught.value).startswith(f"grid: {path}: ") and found in str(caught.value)


def test_a_global_grid_of_centres_is_allowed(raster) -> None:
    path = raster("like.tif", np.ones((3, 4)), Affine(90.0, 0.0, -225.0, 0.0, -90.0, 135.0), "EPSG:4326")
    assert grid_like(path).shape == (3, 4)


def test_a_grid_from_bounds() -> None:
    grid = grid_from_bounds("EPSG:32634", (90, 30), (500000, 4600000, 500270, 4600090))
    assert grid.shape == (3, 3)
    assert grid.affine == Affine(90.0, 0.0, 500000.0, 0.0, -30.0, 4600090.0)


def test_a_grid_reaches_beyond_bounds_that_are_no_whole_cells() -> None:
    assert grid_from_bounds("EPSG:32634", 100, (0, 0, 250, 100.001)).extent.boundingbox.bbox == (
        0,
        -99.999,
        300,
        100.001,
    )


def test_bounds_that_miss_a_cell_by_rounding_only() -> None:
    assert grid_from_bounds("EPSG:4326", 0.1, (0, 0, 0.3, 0.7)).shape == (7, 3)


@pytest.mark.parametrize(
    ("crs", "resolution", "bounds", "found"),
    [
        ("EPSG:99999", 90, (0, 0, 1, 1), "grid.crs: 'EPSG:99999' is unknown"),
        ("nonsense", 90, (0, 0, 1, 1), "grid.crs: 'nonsense' is unknown"),
        ("EPSG:4978", 90, (0, 0, 1, 1), "neither geographic nor projected"),
        ("EPSG:32634", 0, (0, 0, 1, 1), "grid.resolution: 0; expected a positive number"),
        ("EPSG:32634", -90, (0, 0, 1, 1), "grid.resolution: -90"),
        ("EPSG:32634", (90, 90, 90), (0, 0, 1, 1), "or two for x and y"),
        ("EPSG:32634", float("nan"), (0, 0, 1, 1), "grid.resolution: nan"),
        ("EPSG:32634", 90, (1, 0, 1, 1), "grid.bounds: [1, 0, 1, 1]"),
        ("EPSG:32634", 90, (0, 2, 1, 1), "grid.bounds"),
        ("EPSG:32634", 90, (0, 0, 1), "grid.bounds"),
        ("EPSG:4326", 1, (0, 0, 360, 10), "longitude 0 to 360"),
        ("EPSG:32634", 1e-9, (0, 0, 1000, 1000), "expected a coarser resolution"),
    ],
)
def test_bounds_that_make_no_grid(crs: str, resolution: object, bounds: tuple[float, ...], found: str) -> None:
    with pytest.raises(GridError) as caught:
        grid_from_bounds(crs, resolution, bounds)
    assert len(caught.value.faults) == 1 and found in str(caught.value)


def test_all_faults_of_a_grid_are_told() -> None:
    with pytest.raises(GridError) as caught:
        grid_from_bounds("EPSG:99999", -1, (0, 0))
    assert len(caught.value.faults) == 3


def test_a_grid_over_a_region_is_snapped_outward(polygons) -> None:
    path = polygons("region.gpkg", [box(500012, 4600033, 500180, 4600090), box(500300, 4600100, 500301, 4600101)])
    assert grid_from_region(path, 90).extent.boundingbox.bbox == (499950, 4599990, 500310, 4600170)


def test_a_region_in_another_crs_is_covered_wholly(polygons) -> None:
    """The parallel between two corners bulges beyond the line between them."""
    path = polygons("region.gpkg", [box(15, 60, 27, 62)], crs="EPSG:4326")
    bounds = grid_from_region(path, 1000, "EPSG:32634").extent.boundingbox
    lon = np.linspace(15, 27, 1000)
    for lat in (60.0, 62.0):
        x, y = Transformer.from_crs(4326, 32634, always_xy=True).transform(lon, np.full(1000, lat))
        assert bounds.left <= x.min() and x.max() <= bounds.right
        assert bounds.bottom <= y.min() and y.max() <= bounds.top


def test_metres_taken_for_degrees_are_told(polygons) -> None:
    path = polygons("region.gpkg", [box(20, 41, 21, 42)], crs="EPSG:4326")
    with pytest.raises(GridError, match="expected less than the region's 1 x 1 in units of EPSG:4326"):
        grid_from_region(path, 90)


def test_a_region_that_the_crs_cannot_show(polygons) -> None:
    path = polygons("region.gpkg", [box(80, 0, 100, 10)], crs="EPSG:4326")
    with pytest.raises(GridError, match=r"reaches beyond what .* can show"):
        grid_from_region(path, 1000, "+proj=ortho +lat_0=0 +lon_0=0 +type=crs")


def test_a_missing_region(tmp_path) -> None:
    with pytest.raises(TableError, match="no such file; expected polygons"):
        grid_from_region(tmp_path / "region.gpkg", 90)


def test_cells_of_places() -> None:
    grid = grid_from_bounds("EPSG:4326", 1, (20, 40, 23, 42))
    row, col = cells_of(
        grid, [20.0, 22.999, 23.0, 20.5, np.nan, 380.5, 20.5], [42.0, 40.001, 41.0, 40.0, 41.0, 41.5, 95.0]
    )
    assert row.tolist() == [0, 1, -1, -1, -1, 0, -1]
    assert col.tolist() == [0, 2, -1, -1, -1, 0, -1]


def test_cells_of_places_on_a_projected_grid() -> None:
    grid = grid_from_bounds("EPSG:32634", 100, (500000, 4600000, 510000, 4610000))
    wanted = np.array([[0, 0], [99, 99], [17, 42]])
    x, y = 500000 + 100 * (wanted[:, 1] + 0.5), 4610000 - 100 * (wanted[:, 0] + 0.5)
    lon, lat = Transformer.from_crs(32634, 4326, always_xy=True).transform(x, y)
    np.testing.assert_array_equal(np.stack(cells_of(grid, lon, lat), axis=1), wanted)


def test_places_that_are_nowhere_are_in_no_cell() -> None:
    grid = grid_from_bounds("EPSG:32634", 100, (500000, 4600000, 510000, 4610000))
    assert cells_of(grid, [np.inf, np.nan, 1e9], [0.0, 1.0, 2.0])[0].tolist() == [-1, -1, -1]
    assert cells_of(grid, [], [])[0].shape == (0,)
