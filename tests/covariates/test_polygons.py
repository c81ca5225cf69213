from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import Transformer
from shapely import box
from shapely.geometry import LineString, MultiPolygon, Point, Polygon

from edaphic.covariates.grid import grid_from_bounds
from edaphic.covariates.polygons import rasterise, region_mask
from edaphic.covariates.window import Window, windows
from edaphic.errors import TableError

GRID = grid_from_bounds("EPSG:32634", 10, (500000, 4600000, 500060, 4600040))  # 4 rows, 6 columns
WHOLE = Window(0, 0, 4, 6)


def cells(left: float, top: float, right: float, bottom: float) -> Polygon:
    """A rectangle in columns and rows."""
    return box(500000 + 10 * left, 4600040 - 10 * bottom, 500000 + 10 * right, 4600040 - 10 * top)


def test_a_cell_belongs_where_its_centre_lies(polygons) -> None:
    path = polygons("r.gpkg", [cells(0.4, 0.6, 2.6, 3)])
    assert region_mask(GRID, WHOLE, path).astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_codes_and_names(polygons) -> None:
    path = polygons("r.gpkg", [cells(0, 0, 2, 4), cells(2, 0, 4, 4), cells(4, 0, 5, 1)], name=["wood", "field", "wood"])
    codes, names = rasterise(path, "name", GRID, WHOLE)
    assert names == {1: "field", 2: "wood"}
    assert codes.dtype == np.float32
    np.testing.assert_array_equal(codes[:2], [[2, 2, 1, 1, 2, np.nan], [2, 2, 1, 1, np.nan, np.nan]])


def test_numbers_are_ordered_as_numbers_and_missing_names_are_named(polygons) -> None:
    path = polygons("r.gpkg", [cells(0, 0, 1, 4), cells(1, 0, 2, 4)], code=[10, 9], name=["a", None])
    assert rasterise(path, "code", GRID, WHOLE)[1] == {1: "9", 2: "10"}
    codes, names = rasterise(path, "name", GRID, WHOLE)
    assert names == {1: "a", 2: "(none)"} and codes[0, :2].tolist() == [1, 2]


def test_a_centre_on_the_edge_of_two_polygons_is_in_one(polygons) -> None:
    path = polygons("r.gpkg", [cells(0, 0, 2.5, 4), cells(2.5, 0, 6, 4)], name=["a", "b"])
    assert rasterise(path, "name", GRID, WHOLE)[0][0].tolist() == [1, 1, 1, 2, 2, 2]


def test_where_polygons_overlap_the_first_counts(polygons) -> None:
    path = polygons("r.gpkg", [cells(1, 0, 3, 4), cells(0, 0, 6, 4)], name=["z", "a"])
    assert rasterise(path, "name", GRID, WHOLE)[0][0].tolist() == [1, 2, 2, 1, 1, 1]


def test_holes_and_many_parts(polygons) -> None:
    ring = cells(0, 0, 6, 4).difference(cells(1, 1, 3, 3))
    path = polygons(
        "r.gpkg", [MultiPolygon([ring]), MultiPolygon([cells(1, 1, 2, 2), cells(2, 2, 3, 3)])], name=["o", "i"]
    )
    nan = np.nan
    expected = [[2, 1, nan, 2, 2, 2], [2, nan, 1, 2, 2, 2]]
    np.testing.assert_array_equal(rasterise(path, "name", GRID, WHOLE)[0][1:3], expected)


def test_polygons_in_another_crs(polygons) -> None:
    to_degrees = Transformer.from_crs(32634, 4326, always_xy=True)
    shapes = [cells(0.1, 0.1, 2.9, 3.9), cells(3.1, 0.1, 5.9, 2.9)]
    projected = polygons("utm.gpkg", shapes, name=["a", "b"])
    degrees = [shapely.transform(shape, lambda xy: np.stack(to_degrees.transform(*xy.T), axis=1)) for shape in shapes]
    geographic = polygons("lonlat.gpkg", degrees, "EPSG:4326", name=["a", "b"])
    for ours, theirs in zip(
        rasterise(geographic, "name", GRID, WHOLE), rasterise(projected, "name", GRID, WHOLE), strict=True
    ):
        np.testing.assert_equal(ours, theirs)


def test_a_window_equals_its_part_of_the_whole(polygons) -> None:
    grid = grid_from_bounds("EPSG:32634", 1000, (400000, 4500000, 500000, 4600000))
    random = np.random.default_rng(3)
    shapes = [Point(*(random.uniform((20, 40.7), (21, 41.5)))).buffer(random.uniform(0.05, 0.3), 5) for _ in range(12)]
    path = polygons("r.gpkg", shapes, "EPSG:4326", name=[f"r{k % 5}" for k in range(12)])
    whole, _ = rasterise(path, "name", grid, Window(0, 0, 100, 100))
    assert np.isfinite(whole).any() and np.isnan(whole).any()
    for size in (7, 33, 64):
        for window in windows(grid, size):
            np.testing.assert_array_equal(rasterise(path, "name", grid, window)[0], whole[window.slices])


def test_a_region_far_away_masks_everything(polygons) -> None:
    path = polygons("r.gpkg", [box(0, 0, 1, 1)], "EPSG:4326")
    assert not region_mask(GRID, WHOLE, path).any()


def test_a_changed_file_is_read_again(polygons) -> None:
    path = polygons("r.gpkg", [cells(0, 0, 1, 1)])
    assert region_mask(GRID, WHOLE, path).sum() == 1
    path.unlink()
    assert region_mask(GRID, WHOLE, polygons("r.gpkg", [cells(0, 0, 2, 2)])).sum() == 4


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_files_that_hold_no_polygons(polygons, tmp_path) -> None:
    (tmp_path / "text.gpkg").write_text("text")
    for path, found in (
        (tmp_path / "missing.gpkg", "no such file"),
        (tmp_path / "text.gpkg", "not a vector file that can be read"),
        (polygons("points.gpkg", [Point(0, 0)]), "Point; expected polygons"),
        (polygons("lines.gpkg", [LineString([(0, 0), (1, 1)]), cells(0, 0, 1, 1)]), "LineString; expected polygons"),
        (polygons("no_crs.gpkg", [cells(0, 0, 1, 1)], None), "no coordinate reference system"),
    ):
        with pytest.raises(TableError) as caught:
            region_mask(GRID, WHOLE, path)
        assert str(caught.value).startswith(f"{path}: ") and found in str(caught.value)
        assert len(caught.value.faults) == 1


def test_a_missing_column(polygons) -> None:
    path = polygons("r.gpkg", [cells(0, 0, 1, 1)], name=["a"])
    with pytest.raises(TableError, match="no column 'nome'; expected one of name"):
        rasterise(path, "nome", GRID, WHOLE)
