"""Polygons with an attribute as layers of the stack."""

from __future__ import annotations

import pickle

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edaphic.covariates import polygon_numbers
from edaphic.covariates.area import cell_area_m2
from edaphic.covariates.facts import Source
from edaphic.covariates.grid import grid_from_bounds
from edaphic.covariates.polygon_layers import PolygonLayer, is_polygons, open_polygons
from edaphic.covariates.polygon_numbers import areas_km2
from edaphic.covariates.sources import check_sources
from edaphic.covariates.stack import build, describe
from edaphic.covariates.window import Window, windows
from edaphic.errors import RasterError

GRID = grid_from_bounds("EPSG:32634", 10, (500000, 4599960, 500040, 4600000))
NAN = np.nan


def square(col: float, row: float, width: float, height: float | None = None) -> shapely.Polygon:
    """By columns and rows of GRID."""
    x, y = 500000 + 10 * col, 4600000 - 10 * row
    return shapely.box(x, y - 10 * (height or width), x + 10 * width, y)


def whole(layer: PolygonLayer) -> np.ndarray:
    return layer.read(Window(0, 0, *layer.grid.shape))


def bits(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).view(np.uint32)


def fault(source: Source, grid=GRID) -> str:
    with pytest.raises(RasterError) as caught:
        open_polygons(source, grid)
    assert len(caught.value.faults) == 1 and str(caught.value).startswith(f"{source.name}: ")
    assert check_sources([source], grid) == list(caught.value.faults)
    return str(caught.value)


# --- By hand ----------------------------------------------------------------------------------------------------------


def test_classes_by_name_and_by_given_code(polygons) -> None:
    path = polygons("a.gpkg", [square(0, 0, 2, 4), square(2, 0, 1, 4)], kind=["meadow", "forest"])
    layer = open_polygons(Source("v", path, kind="class", column="kind"), GRID)
    np.testing.assert_array_equal(whole(layer)[0], [2, 2, 1, NAN])
    assert layer.facts.classes == {1: "forest", 2: "meadow"}
    mine = open_polygons(Source("v", path, kind="class", column="kind", classes={7: "forest", 9: "meadow", 11: "ice"}), GRID)
    np.testing.assert_array_equal(whole(mine)[0], [9, 9, 7, NAN])
    assert "1 values without a code (meadow)" in fault(Source("v", path, kind="class", column="kind", classes={7: "forest"}))


def test_the_value_at_the_centre(polygons) -> None:
    path = polygons("a.gpkg", [square(0, 0, 1.4, 4), square(1.4, 0, 2.6, 4)], t=[3, -9])
    np.testing.assert_array_equal(whole(open_polygons(Source("t", path, column="t"), GRID))[0], [3, -9, -9, -9])
    scaled = Source("t", path, column="t", nodata=-9, scale=0.5, offset=1)
    np.testing.assert_array_equal(whole(open_polygons(scaled, GRID))[0], [2.5, NAN, NAN, NAN])


def test_shares_are_exact(polygons) -> None:
    shapes = [square(0, 0, 1.25, 1), square(1.5, 0.5, 1, 0.5), square(3, 1, 0.1)]
    path = polygons("a.gpkg", shapes, kind=["a", "b", "a"])
    everything = whole(open_polygons(Source("s", path, measure="share"), GRID))
    np.testing.assert_allclose(everything, [[1, 0.5, 0.25, 0], [0, 0, 0, 0.01], [0] * 4, [0] * 4], atol=1e-7)
    of_a = open_polygons(Source("s", path, measure="share", column="kind", value="a"), GRID)
    np.testing.assert_allclose(whole(of_a)[0], [1, 0.25, 0, 0], atol=1e-7)
    assert (of_a.facts.unit, of_a.resampling) == ("1", "area")


def test_holes_and_slanted_sides(polygons) -> None:
    triangle = shapely.Polygon([(500000, 4600000), (500020, 4600000), (500000, 4599980)])
    path = polygons("a.gpkg", [triangle, square(2, 2, 2).difference(square(2.5, 2.5, 1))])
    found = whole(open_polygons(Source("s", path, measure="share"), GRID))
    expected = [[1, 0.5, 0, 0], [0.5, 0, 0, 0], [0, 0, 0.75, 0.75], [0, 0, 0.75, 0.75]]
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_means_by_area_want_half_of_the_cell(polygons) -> None:
    path = polygons("a.gpkg", [square(0, 0, 1.5, 4), square(1.5, 0, 1.1, 4), square(2.6, 0, 0.2, 4)], t=[2.0, 6.0, 8.0])
    found = whole(open_polygons(Source("t", path, column="t", measure="mean"), GRID))
    np.testing.assert_allclose(found[0], [2, 4, (0.6 * 6 + 0.2 * 8) / 0.8, NAN], rtol=1e-6)


def test_a_count_by_county_spread_by_area_keeps_its_sum(polygons) -> None:
    """In degrees, over a region that is no rectangle of cells; the outline of the region loses and gains half cells."""
    shapes = [shapely.box(20, 40, 20.7, 41.1), shapely.box(20.7, 40, 22, 41.1), shapely.box(20, 41.1, 22, 42)]
    path = polygons("a.gpkg", shapes, crs="EPSG:4326", sheep=[1000, 50_000, 700])
    grid = grid_from_bounds("EPSG:4326", 0.02, (20, 40, 22, 42))
    layer = open_polygons(Source("sheep", path, column="sheep", measure="density", unit="head"), grid)
    assert layer.facts.unit == "head/km2"
    density = whole(layer).astype(float)
    km2 = cell_area_m2(grid, Window(0, 0, *grid.shape)) / 1e6
    assert (density * km2).sum() == pytest.approx(51_700, rel=2e-4)
    assert density[-1, 0] == pytest.approx(1000 / km2[-55:, :35].sum(), rel=1e-3)


def test_areas_of_polygons_are_those_of_cells() -> None:
    grid = grid_from_bounds("EPSG:4326", 2, (20, 40, 24, 42))
    cells = geopandas.GeoDataFrame(geometry=[shapely.box(20, 40, 22, 42), shapely.box(22, 40, 24, 42)], crs="EPSG:4326")
    np.testing.assert_allclose(areas_km2(cells), cell_area_m2(grid, Window(0, 0, 1, 2))[0] / 1e6, rtol=1e-6)
    holed = geopandas.GeoDataFrame(geometry=[shapely.box(20, 40, 22, 42).difference(shapely.box(20.5, 40.5, 21, 41))], crs="EPSG:4326")
    inner = geopandas.GeoDataFrame(geometry=[shapely.box(20.5, 40.5, 21, 41)], crs="EPSG:4326")
    assert areas_km2(holed)[0] == pytest.approx(areas_km2(cells)[0] - areas_km2(inner)[0], rel=1e-6)


# --- Windows, threads, places on the globe ----------------------------------------------------------------------------

PAIRS = [("EPSG:32634", "EPSG:4326", 0.004), ("EPSG:4326", "EPSG:32634", 401.0), ("EPSG:3035", "EPSG:32634", 333.0)]


def blobs(polygons, crs: str, count: int = 25):
    random = np.random.default_rng(50)
    places = shapely.points(random.uniform(20.9, 21.9, count), random.uniform(40.8, 41.8, count))
    shapes = geopandas.GeoSeries(shapely.buffer(places, random.uniform(0.01, 0.2, count)), crs="EPSG:4326").to_crs(crs)
    return polygons("blobs.gpkg", list(shapes), crs=crs, n=random.integers(1, 9, count).astype(float))


@pytest.mark.parametrize("measure", ["value", "mean", "density", "share"])
@pytest.mark.parametrize(("crs", "to", "cell"), PAIRS)
def test_any_window_has_the_same_bits(polygons, crs: str, to: str, cell: float, measure: str) -> None:
    corner = (21.2, 41.0, 21.5, 41.3) if to == "EPSG:4326" else (517000, 4539000, 545000, 4572000)
    grid = grid_from_bounds(to, cell, corner)
    layer = open_polygons(Source("n", blobs(polygons, crs), column="n", measure=measure), grid)
    full = whole(layer)
    assert np.isfinite(full).any()
    for size in (7, 50):
        for window in windows(grid, size)[:: max(1, 60 // size)]:
            np.testing.assert_array_equal(bits(layer.read(window)), bits(full[window.slices]))
    random = np.random.default_rng(51)
    row, col = (random.integers(0, size, 60) for size in grid.shape)
    np.testing.assert_array_equal(bits(layer.read_cells(row, col)), bits(full[row, col]))
    np.testing.assert_array_equal(bits(whole(pickle.loads(pickle.dumps(layer)))), bits(full))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(*[st.floats(-1, 4.5)] * 2, *[st.floats(0.05, 5)] * 2), min_size=1, max_size=6))
def test_shares_add_up_to_the_union(polygons, boxes) -> None:
    shapes = [square(col, row, width, height) for col, row, width, height in boxes]
    union = shapely.union_all(shapes)
    if not shapely.intersects(union, square(0, 0, 4)):
        return
    path = polygons("a.gpkg", shapes)
    try:
        found = whole(open_polygons(Source("s", path, measure="share"), GRID))
    except RasterError:
        return  # touching the grid from outside
    area = shapely.area(shapely.intersection(union, square(0, 0, 4)))
    assert found.sum() * 100 == pytest.approx(area, abs=1e-3)
    assert found.min() >= 0 and found.max() <= 1


def test_polygons_on_both_sides_of_the_date_line(polygons) -> None:
    """A grid over it: polygons to 180 and from -180, or beyond 180 as some files have them."""
    halves = [shapely.box(175, -10, 180, 10), shapely.box(-180, -10, -178, 10)]
    grid = grid_from_bounds("EPSG:3832", 100_000, (2.5e6, -5e5, 3.9e6, 5e5))
    expected = None
    for name, shapes in (("two.gpkg", halves), ("one.gpkg", [shapely.box(175, -10, 182, 10)])):
        path = polygons(name, shapes, crs="EPSG:4326", n=[1] * len(shapes))
        share = whole(open_polygons(Source("s", path, measure="share"), grid))
        value = whole(open_polygons(Source("n", path, column="n"), grid))
        # EPSG:3832 is Mercator about 150 E: 175 E is 2,782,987 m, 178 W is 3,562,224 m
        np.testing.assert_allclose(share[5], [0, 0, 0.17013, *[1] * 7, 0.62224, 0, 0, 0], atol=2e-4)
        assert np.isfinite(value[5]).sum() in (8, 9)
        if expected is not None:
            np.testing.assert_allclose(share, expected, atol=1e-6)
        expected = share


def test_a_cell_over_the_pole_takes_what_lies_under_its_centre(polygons) -> None:
    path = polygons("a.gpkg", [shapely.box(-180, 85, 180, 90), shapely.box(-180, 60, 180, 85)], crs="EPSG:4326", n=[1, 2])
    grid = grid_from_bounds("EPSG:3413", 200_000, (-1.1e6, -1.1e6, 1.1e6, 1.1e6))
    share = whole(open_polygons(Source("s", path, measure="share"), grid))
    np.testing.assert_allclose(share, 1.0, atol=1e-6)
    mean = whole(open_polygons(Source("n", path, column="n", measure="mean"), grid))
    assert mean[5, 5] == 1 and mean[0, 0] == 2 and np.isfinite(mean).all()


# --- In the stack -----------------------------------------------------------------------------------------------------


def test_polygons_beside_a_raster_in_one_stack(raster, polygons) -> None:
    path = polygons("a.gpkg", [square(0, 0, 2, 4)], kind=["forest"])
    numbers = np.arange(1, 17, dtype="float32").reshape(4, 4)
    stack = build([Source("n", raster("n.tif", numbers)), Source("v", path, kind="class", column="kind")], GRID)
    np.testing.assert_array_equal(stack.read(Window(0, 1, 1, 2)), [[[2, 3]], [[1, NAN]]])
    lon, lat = geopandas.GeoSeries([square(0, 0, 1).centroid, square(3, 0, 1).centroid], crs="EPSG:32634").to_crs(4326).pipe(
        lambda points: (points.x, points.y)
    )
    values, reason = stack.sample(lon, lat)
    assert values["v"].iloc[0] == 1 and reason.tolist() == ["", "no value in v: outside its source"]
    table = describe(stack).set_index("name")
    assert table.loc["v", "source_resolution"] == "polygons" and table.loc["v", "classes"] == "1=forest"
    assert table.loc["v", "note"] == "1 polygons, class of kind" and table.loc["v", "valid_share"] == 0.5


def test_what_is_taken_for_polygons(raster, polygons, tmp_path) -> None:
    assert is_polygons(Source("a", polygons("a.gpkg", [square(0, 0, 1)], n=[1])))
    assert not is_polygons(Source("a", raster("b.gpkg", np.ones((1, 4, 4), dtype="uint8"), driver="GPKG")))
    assert not is_polygons(Source("a", tmp_path / "dem.tif"))


# --- Bad input --------------------------------------------------------------------------------------------------------


def test_faults_of_polygons(polygons, tmp_path) -> None:
    path = polygons("a.gpkg", [square(0, 0, 1), square(1, 0, 1)], n=["12", "many"], kind=["x", "y"])
    assert fault(Source("a", path)).endswith("polygons without a column to take; expected one of n, kind, or measure: share")
    assert fault(Source("a", path, column="m")).endswith("no column 'm'; expected one of n, kind")
    assert "column 'n': text 'many' in feature 2; expected numbers, or kind: class" in fault(Source("a", path, column="n"))
    assert "no polygon with kind 'z'; expected one of x, y" in fault(Source("a", path, column="kind", measure="share", value="z"))
    assert "measure 'sum'; expected one of class, value, mean, density, share" in fault(Source("a", path, column="n", measure="sum"))
    assert "measure value of a class layer" in fault(Source("a", path, kind="class", column="n", measure="value"))
    assert "resampling 'mode' of polygons" in fault(Source("a", path, kind="class", column="kind", resampling="mode"))
    assert "no.shp: no such file; expected polygons" in fault(Source("a", tmp_path / "no.shp", column="n"))
    far = polygons("far.gpkg", [square(100, 0, 1)], n=[1])
    assert "no overlap with the grid; it covers 501000, 4599990, 501010, 4600000" in fault(Source("a", far, column="n"))
    bare = polygons("bare.shp", [square(0, 0, 1)], crs=None, n=[1])
    assert "no coordinate reference system" in fault(Source("a", bare, column="n"))
    points = polygons("points.gpkg", [shapely.Point(500005, 4599995)], n=[1])
    assert "Point; expected polygons" in fault(Source("a", points, column="n"))


def test_keys_that_would_do_nothing_are_refused(raster, polygons) -> None:
    path = polygons("a.gpkg", [square(0, 0, 1), square(1, 0, 1)], n=[1, 2])
    found = check_sources([Source("a", path, column="n", band=2, variable="v", time="1990", months=(1,), asset="red")])
    assert found == [
        f"a: {path}: {key} for polygons; expected a raster, or no {key.split()[0]}"
        for key in ("variable 'v'", "time '1990'", "months (1,)", "asset 'red'", "band 2")
    ]
    said = fault(Source("a", path, column="n", measure="value", value=2))
    assert said.endswith("value 2 with measure value; expected measure: share, or no value")
    dem = raster("dem.tif", np.ones((4, 4), dtype="float32"))
    assert check_sources([Source("a", dem, value=2)]) == [
        f"a: {dem}: value 2 for a raster; expected polygons, of which it chooses some by an attribute"
    ]


def test_a_share_without_a_value_says_that_it_is_of_all(polygons) -> None:
    path = polygons("a.gpkg", [square(0, 0, 1), square(1, 0, 1)], n=[1, 2])
    notes = open_polygons(Source("a", path, column="n", measure="share"), GRID).facts.notes
    assert notes == ("share of all 2 polygons: no value of n was given to choose some",)


def test_numbers_as_text_and_missing_ones_are_said(polygons) -> None:
    path = polygons("a.gpkg", [square(0, 0, 1), square(1, 0, 1), square(2, 0, 1)], n=["12", "3.5", None])
    layer = open_polygons(Source("a", path, column="n"), GRID)
    np.testing.assert_array_equal(whole(layer)[0], [12, 3.5, NAN, NAN])
    assert layer.facts.notes == ("3 polygons, value of n", "numbers of n are written as text", "1 polygons without a number")


def test_overlaps_are_said_and_the_first_of_the_file_counts(polygons) -> None:
    path = polygons("a.gpkg", [square(0, 0, 2), square(1, 0, 2), square(3, 0, 1)], n=[1.0, 5.0, 7.0])
    for measure in ("value", "mean"):
        layer = open_polygons(Source("a", path, column="n", measure=measure), GRID)
        np.testing.assert_allclose(whole(layer)[0], [1, 1, 5, 7], rtol=1e-6)
        assert "1 pairs of polygons overlap: the first of the file counts" in layer.facts.notes
    np.testing.assert_allclose(whole(open_polygons(Source("s", path, measure="share"), GRID))[0], 1, atol=1e-7)


def test_invalid_polygons_are_mended_and_said(polygons) -> None:
    bow = shapely.Polygon([(500000, 4600000), (500020, 4599980), (500020, 4600000), (500000, 4599980)])
    layer = open_polygons(Source("s", polygons("a.gpkg", [bow]), measure="share"), GRID)
    assert "1 invalid polygons mended" in layer.facts.notes
    np.testing.assert_allclose(whole(layer)[:2, :2], 0.5, atol=1e-6)


def test_a_file_that_changes_is_noticed(polygons) -> None:
    path = polygons("a.fgb", [square(0, 0, 1)], n=[1])
    layer = open_polygons(Source("a", path, column="n"), GRID)
    polygons("a.fgb", [square(0, 0, 2), square(2, 0, 1)], n=[1, 2])
    with pytest.raises(RasterError, match="has changed since it was described"):
        whole(layer)


def test_polygons_of_many_layers_are_prepared_once(polygons, monkeypatch) -> None:
    counted = []
    searched = polygon_numbers._overlaps
    monkeypatch.setattr(polygon_numbers, "_overlaps", lambda table: counted.append(1) or searched(table))
    columns = {f"n{number}": [number] for number in range(20)}
    files = [polygons("many.gpkg", [square(0, 0, 4)], **columns)] + [polygons(f"{k}.gpkg", [square(0, 0, 4)], n0=[k]) for k in range(20)]
    sources = [Source(name, files[0], column=name) for name in columns] + [Source("n", path, column="n0") for path in files[1:]]
    layers = [open_polygons(source, GRID) for source in sources]
    for _ in range(2):
        found = [whole(layer)[0, 0] for layer in layers]
        assert found == [*range(20), *range(20)]
    assert len(counted) == 21
