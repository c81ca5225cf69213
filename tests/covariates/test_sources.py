from __future__ import annotations

import itertools
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from edaphic.covariates import sources as sources_module
from edaphic.covariates.facts import Source
from edaphic.covariates.grid import grid_from_bounds, grid_like
from edaphic.covariates.sources import Layer, check_sources, open_layer
from edaphic.covariates.window import Window, centres, windows
from edaphic.errors import RasterError

NAN = np.nan
NUMBERS = np.arange(1, 17, dtype="float32").reshape(4, 4)
UTM10 = grid_from_bounds("EPSG:32634", 10, (500000, 4599960, 500040, 4600000))
"""The grid of the rasters that the fixture writes, 4 by 4."""


def whole(layer: Layer) -> np.ndarray:
    return layer.read(Window(0, 0, *layer.grid.shape))


def bits(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).view(np.uint32)


# --- By hand ----------------------------------------------------------------------------------------------------------


def test_the_same_grid_is_read_as_it_is(raster) -> None:
    layer = open_layer(Source("a", raster("a.tif", NUMBERS)), UTM10)
    assert layer.resampling == "none"
    np.testing.assert_array_equal(whole(layer), NUMBERS)
    assert layer.read(Window(1, 2, 2, 1)).tolist() == [[7], [11]]
    assert layer.read(Window(0, 0, 1, 1)).dtype == np.float32


def test_a_shifted_or_larger_grid_is_not_interpolated(raster) -> None:
    layer = open_layer(
        Source("a", raster("a.tif", NUMBERS)), grid_from_bounds("EPSG:32634", 10, (499980, 4599970, 500020, 4600010))
    )
    assert layer.resampling == "none"
    np.testing.assert_array_equal(whole(layer), [[NAN] * 4, [NAN, NAN, 1, 2], [NAN, NAN, 5, 6], [NAN, NAN, 9, 10]])


def test_rounded_geotransforms_are_the_same_grid(raster) -> None:
    path = raster("a.tif", NUMBERS, Affine(10.00001, 0, 500000.002, 0, -10.00001, 4599999.999))
    assert open_layer(Source("a", path), UTM10).resampling == "none"
    path = raster("b.tif", NUMBERS, Affine(10.02, 0, 500000.0, 0, -10.02, 4600000.0))
    assert open_layer(Source("b", path), UTM10).resampling == "bilinear"


def test_finer_sources_are_averaged(raster) -> None:
    layer = open_layer(
        Source("a", raster("a.tif", NUMBERS)), grid_from_bounds("EPSG:32634", 20, (500000, 4599960, 500040, 4600000))
    )
    assert layer.resampling == "average"
    assert whole(layer).tolist() == [[3.5, 5.5], [11.5, 13.5]]


def test_classes_are_never_blended(raster) -> None:
    codes = np.array([[1, 9, 1, 9], [9, 1, 9, 1], [1, 9, 1, 9], [9, 1, 9, 1]], dtype="uint8")
    for cell in (3, 7, 17, 20, 40):
        grid = grid_from_bounds("EPSG:32634", cell, (500000, 4599960, 500040, 4600000))
        layer = open_layer(Source("a", raster("a.tif", codes), kind="class"), grid)
        assert layer.resampling == ("mode" if cell >= 20 else "nearest")
        found = whole(layer)
        assert set(np.unique(found[~np.isnan(found)])) <= {1.0, 9.0}
    assert open_layer(Source("a", raster("a.tif", codes), kind="class"), UTM10).resampling == "none"


def test_averages_leave_out_nodata_and_want_half_of_the_cell(raster) -> None:
    values = NUMBERS.copy()
    values[0, 0] = values[2, 2] = values[2, 3] = values[3, 3] = -9999
    path = raster("a.tif", values, nodata=-9999)
    layer = open_layer(Source("a", path), grid_from_bounds("EPSG:32634", 20, (500000, 4599960, 500040, 4600000)))
    np.testing.assert_array_equal(whole(layer), np.array([[13 / 3, 5.5], [11.5, NAN]], dtype="float32"))


def test_bilinear_neither_blends_nor_moves_nodata(raster) -> None:
    values = np.full((6, 6), 7.0, dtype="float32")
    values[2:4, 2:4] = -9999
    path = raster("a.tif", values, nodata=-9999)
    grid = grid_from_bounds("EPSG:32634", 4, (500000, 4599940, 500060, 4600000))
    found = whole(open_layer(Source("a", path), grid))
    assert set(np.unique(found[~np.isnan(found)])) == {7.0}
    nearest = whole(open_layer(Source("a", path, kind="class"), grid))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(nearest))


def test_scale_and_offset_are_applied_once_and_not_to_nodata(raster) -> None:
    values = np.array([[0, 10, 20, -1]] * 4, dtype="int16")
    path = raster("a.tif", values, nodata=-1, scales=(0.1,), offsets=(-273.0,))
    expected = np.array([-273.0, -272.0, -271.0, NAN], dtype="float32")
    np.testing.assert_array_equal(whole(open_layer(Source("a", path), UTM10))[0], expected)
    given_scale = open_layer(Source("a", path, scale=2.0, offset=0.0), UTM10)
    np.testing.assert_array_equal(whole(given_scale)[0], [0, 20, 40, NAN])
    coarse = grid_from_bounds("EPSG:32634", 20, (500000, 4599960, 500040, 4600000))
    np.testing.assert_allclose(whole(open_layer(Source("a", path), coarse))[0], [-272.5, -271.0])


def test_a_layer_without_a_tag_takes_the_nodata_it_is_given(raster) -> None:
    path = raster("a.tif", np.where(NUMBERS == 6, -9999, NUMBERS).astype("float32"))
    assert whole(open_layer(Source("a", path), UTM10)).min() == -9999
    found = whole(open_layer(Source("a", path, nodata=-9999), UTM10))
    assert np.isnan(found).sum() == 1 and np.isnan(found[1, 1])


def test_the_band_that_is_asked_for(raster) -> None:
    path = raster("a.tif", np.stack([NUMBERS, NUMBERS * 2, NUMBERS * 3]))
    np.testing.assert_array_equal(whole(open_layer(Source("a", path, band=3), UTM10)), NUMBERS * 3)


def test_another_format_than_geotiff(tmp_path: Path) -> None:
    lines = "\n".join(" ".join(f"{value:g}" for value in row) for row in np.where(NUMBERS == 6, -9, NUMBERS))
    head = "ncols 4\nnrows 4\nxllcorner 500000\nyllcorner 4599960\ncellsize 10\nNODATA_value -9\n"
    (tmp_path / "a.asc").write_text(head + lines + "\n")
    (tmp_path / "a.prj").write_text(CRS("EPSG:32634").proj.to_wkt("WKT1_ESRI"))
    layer = open_layer(Source("a", tmp_path / "a.asc"), UTM10)
    assert layer.resampling == "none"
    np.testing.assert_array_equal(whole(layer), np.where(NUMBERS == 6, NAN, NUMBERS))


def test_rows_that_run_north(raster) -> None:
    """A source with its first row in the south gives what the same source turned over gives."""
    south = raster("south.tif", NUMBERS[::-1], Affine(10, 0, 500000, 0, 10, 4599960))
    for cell in (10, 3, 17):  # with no centre on an edge between two cells
        grid = grid_from_bounds("EPSG:32634", cell, (500000, 4599960, 500040, 4600000))
        for kind in ("continuous", "class"):
            ours = whole(open_layer(Source("a", south, kind=kind), grid))
            theirs = whole(open_layer(Source("a", raster("north.tif", NUMBERS), kind=kind), grid))
            np.testing.assert_array_equal(ours, theirs)


def test_a_rotated_source_lies_where_its_geotransform_says(raster) -> None:
    """Quarter turn about the upper left corner: rows run east, columns run south."""
    turned = raster("turned.tif", NUMBERS.T, Affine(0, 10, 500000, -10, 0, 4600000))
    for cell in (10, 4, 20):
        grid = grid_from_bounds("EPSG:32634", cell, (500000, 4599960, 500040, 4600000))
        expected = whole(open_layer(Source("a", raster("a.tif", NUMBERS)), grid))
        np.testing.assert_allclose(whole(open_layer(Source("t", turned), grid)), expected, rtol=1e-6)


def test_longitude_from_0_to_360(raster) -> None:
    values = np.random.default_rng(4).normal(size=(18, 36)).astype("float32")
    ours = raster("ours.tif", values, Affine(10, 0, -180, 0, -10, 90), "EPSG:4326")
    theirs = raster("theirs.tif", np.roll(values, -18, axis=1), Affine(10, 0, 0, 0, -10, 90), "EPSG:4326")
    for grid in (
        grid_from_bounds("EPSG:4326", 6, (-180, -90, 180, 90)),
        grid_from_bounds("EPSG:4326", 20, (-180, -90, 180, 90)),
        grid_from_bounds("EPSG:4326", 30, (-175, -80, 155, 80)),
        grid_from_bounds("EPSG:3832", 200_000, (-4e6, -4e6, 4e6, 4e6)),  # over the date line
    ):
        one, other = (whole(open_layer(Source("a", path), grid)) for path in (ours, theirs))
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_no_seam_at_the_date_line(raster) -> None:
    """A field that is smooth over the date line stays so."""
    lon = np.radians(-179.5 + np.arange(360))
    path = raster("a.tif", np.tile(np.cos(lon), (40, 1)).astype("float32"), Affine(1, 0, -180, 0, -1, 20), "EPSG:4326")
    for cell in (30_000, 400_000):
        grid = grid_from_bounds("EPSG:3832", cell, (2.6e6, -4e5, 4.2e6, 4e5))  # 173 E to 172 W
        layer = open_layer(Source("a", path), grid)
        assert layer.resampling == ("bilinear" if cell == 30_000 else "average")
        x, _ = centres(grid, Window(0, 0, *grid.shape), CRS("EPSG:4326"))
        np.testing.assert_allclose(whole(layer), np.cos(np.radians(x)), atol=3e-4)


# --- Perfect models ---------------------------------------------------------------------------------------------------


def degree_grid(cell: float) -> GeoBox:
    return grid_from_bounds("EPSG:4326", cell, (20.9, 40.9, 21.9, 41.6))


@pytest.mark.parametrize("crs", ["EPSG:32634", "EPSG:3035", "EPSG:2154", "EPSG:32636"])
def test_a_plane_stays_a_plane_in_another_crs(raster, crs: str) -> None:
    """Bilinear interpolation of a plane over the source is the plane at the projected place of the cell's centre."""
    to = Transformer.from_crs(4326, crs, always_xy=True)
    x, y = to.transform([20.8, 22.0, 20.8, 22.0], [40.8, 40.8, 41.7, 41.7])
    left, top = min(x), max(y)
    width, height = int((max(x) - left) // 2000) + 1, int((top - min(y)) // 2000) + 1
    row, col = np.mgrid[0:height, 0:width] + 0.5
    path = raster("plane.tif", (5 + 0.25 * col - 0.125 * row), Affine(2000, 0, left, 0, -2000, top), crs)
    grid = degree_grid(0.015)
    layer = open_layer(Source("a", path), grid)
    assert layer.resampling == "bilinear"
    px, py = to.transform(*(part.ravel() for part in centres(grid, Window(0, 0, *grid.shape), grid.crs)))
    expected = 5 + 0.25 * (np.array(px) - left) / 2000 - 0.125 * (top - np.array(py)) / 2000
    np.testing.assert_allclose(whole(layer).ravel(), expected, rtol=2e-6)


@pytest.mark.parametrize("crs", ["EPSG:32634", "EPSG:3035", "EPSG:32636"])
def test_the_average_of_a_plane_is_its_value_in_the_middle(raster, crs: str) -> None:
    to = Transformer.from_crs(4326, crs, always_xy=True)
    x, y = to.transform([20.8, 22.0, 20.8, 22.0], [40.8, 40.8, 41.7, 41.7])
    left, top = min(x), max(y)
    width, height = int((max(x) - left) // 500) + 1, int((top - min(y)) // 500) + 1
    row, col = np.mgrid[0:height, 0:width] + 0.5
    path = raster("plane.tif", (5 + 0.25 * col - 0.125 * row), Affine(500, 0, left, 0, -500, top), crs)
    grid = degree_grid(0.05)
    layer = open_layer(Source("a", path), grid)
    assert layer.resampling == "average"
    px, py = to.transform(*(part.ravel() for part in centres(grid, Window(0, 0, *grid.shape), grid.crs)))
    expected = 5 + 0.25 * (np.array(px) - left) / 500 - 0.125 * (top - np.array(py)) / 500
    # Centre and centre of mass of a cell differ by what its sides bend, a few metres; so do the cells' own steps.
    np.testing.assert_allclose(whole(layer).ravel(), expected, atol=0.03)


def test_the_average_keeps_the_total(raster) -> None:
    values = np.random.default_rng(5).gamma(2.0, size=(60, 80)).astype("float32")
    path = raster("a.tif", values)
    grid = grid_from_bounds("EPSG:32634", (32, 24), (500000, 4599400, 500800, 4600000))
    found = whole(open_layer(Source("a", path), grid)).astype(float)
    assert found.shape == (25, 25)
    assert found.sum() * 32 * 24 == pytest.approx(values.sum(dtype=float) * 100, rel=1e-7)


# --- GDAL's warper as oracle ------------------------------------------------------------------------------------------


def by_gdal(path: Path, grid: GeoBox, how: Resampling) -> np.ndarray:
    """GDAL's warper with a transformer as good as exact (rasterio cannot switch the approximation off)."""
    with (
        rasterio.open(path) as dataset,
        WarpedVRT(
            dataset,
            crs=grid.crs.to_wkt(),
            transform=grid.affine,
            width=grid.shape[1],
            height=grid.shape[0],
            resampling=how,
            tolerance=1e-9,
            nodata=-1e6,
            src_nodata=dataset.nodata,
            dtype="float32",
        ) as warped,
    ):
        values = warped.read(1)
    return np.where(values == -1e6, np.float32(NAN), values)


SOURCES = {
    "EPSG:32634": Affine(900, 0, 490000, 0, -900, 4620000),
    "EPSG:4326": Affine(0.01, 0, 20.85, 0, -0.012, 41.72),
    "EPSG:3035": Affine(1000, 0, 5200000, 0, -1000, 2140000),
}


@pytest.mark.parametrize("crs", list(SOURCES))
@pytest.mark.parametrize("to", ["EPSG:32634", "EPSG:4326", "EPSG:3035", "EPSG:32635"])
def test_as_gdal_does_it(raster, crs: str, to: str) -> None:
    path = raster("a.tif", np.random.default_rng(6).normal(50, 9, size=(110, 130)).astype("float32"), SOURCES[crs], crs)
    lon, lat = (21.0, 21.6), (40.9, 41.5)
    corner = Transformer.from_crs(4326, to, always_xy=True).transform([lon[0]], [lat[1]])
    cell = 0.004 if to == "EPSG:4326" else 401.0
    grid = GeoBox((90, 100), Affine(cell, 0, corner[0][0], 0, -cell, corner[1][0]), to)
    for kind, how in (("continuous", Resampling.bilinear), ("class", Resampling.nearest)):
        source = Source("a", path, kind="continuous")
        layer = open_layer(source, grid)
        layer = Layer(source, layer.facts, grid, "bilinear" if kind == "continuous" else "nearest")
        ours, theirs = whole(layer), by_gdal(path, grid, how)
        both = ~np.isnan(ours) & ~np.isnan(theirs)
        assert both.mean() > 0.5
        # At the rim of the source GDAL and we may disagree by a cell on where it ends.
        assert (np.isnan(ours) != np.isnan(theirs)).mean() < 0.01
        off = np.abs(ours[both] - theirs[both])
        if kind == "class":
            assert (off > 0).mean() < 1e-3  # centres on an edge between two source cells
        else:
            np.testing.assert_allclose(ours[both], theirs[both], atol=2e-4)


def test_averages_as_gdal_does_them_where_axes_agree(raster) -> None:
    path = raster("a.tif", np.random.default_rng(7).normal(size=(90, 120)).astype("float32"))
    grid = grid_from_bounds("EPSG:32634", 37, (500000, 4599100, 501200, 4600000))
    ours, theirs = whole(open_layer(Source("a", path), grid)), by_gdal(path, grid, Resampling.average)
    np.testing.assert_allclose(ours[:-1, :-1], theirs[:-1, :-1], atol=1e-5)


# --- Windows ----------------------------------------------------------------------------------------------------------

PAIRS = [
    ("EPSG:32634", "EPSG:4326", 0.004),
    ("EPSG:32634", "EPSG:4326", 0.031),
    ("EPSG:4326", "EPSG:32634", 401.0),
    ("EPSG:4326", "EPSG:32634", 2900.0),
    ("EPSG:3035", "EPSG:4326", 0.006),
    ("EPSG:3035", "EPSG:32634", 333.0),
    ("EPSG:3035", "EPSG:32635", 3000.0),
    ("EPSG:4326", "EPSG:2154", 1000.0),
]


def field(raster, crs: str, to: str, cell: float, kind: str) -> Layer:
    random = np.random.default_rng(8)
    values = random.integers(0, 200, size=(110, 130)).astype("int16")
    values[random.random(values.shape) < 0.1] = -32768
    path = raster(f"{kind}.tif", values, SOURCES[crs], crs, nodata=-32768, tiled=True, blockxsize=32, blockysize=32)
    x, y = Transformer.from_crs(4326, to, always_xy=True).transform(
        [20.95, 20.95, 22.0, 22.0], [40.6, 41.6, 40.6, 41.6]
    )
    grid = grid_from_bounds(to, cell, (min(x), min(y), max(x), max(y)))
    return open_layer(Source("a", path, kind=kind), grid)


@pytest.mark.parametrize(("crs", "to", "cell"), PAIRS)
def test_a_window_equals_its_part_of_the_whole_to_the_bit(raster, crs: str, to: str, cell: float) -> None:
    for kind in ("continuous", "class"):
        layer = field(raster, crs, to, cell, kind)
        full = whole(layer)
        assert np.isnan(full).any() and np.isfinite(full).any()
        for size in (5, 16, 61, 256):
            for window in windows(layer.grid, size)[:: max(1, 40 // size)]:
                np.testing.assert_array_equal(bits(layer.read(window)), bits(full[window.slices]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_window_equals_its_part_of_the_whole_to_the_bit(raster, data) -> None:
    crs, to, cell = data.draw(st.sampled_from(PAIRS))
    layer = field(raster, crs, to, cell, data.draw(st.sampled_from(["continuous", "class"])))
    height, width = layer.grid.shape
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    window = Window(row, col, data.draw(st.integers(1, height - row)), data.draw(st.integers(1, width - col)))
    np.testing.assert_array_equal(bits(layer.read(window)), bits(whole(layer)[window.slices]))


@pytest.mark.parametrize("kind", ["continuous", "class"])
def test_reading_by_parts_changes_nothing(raster, monkeypatch, kind: str) -> None:
    """However few source cells may be read at a time."""
    for crs, to, cell in PAIRS[:4]:
        layer = field(raster, crs, to, cell, kind)
        expected = whole(layer)
        for block in (1, 50, 3000):
            monkeypatch.setattr(sources_module, "BLOCK", block)
            window = Window(3, 4, 17, 21)
            np.testing.assert_array_equal(bits(layer.read(window)), bits(expected[window.slices]))
        monkeypatch.undo()


@pytest.mark.parametrize("limit", [1, 300, 250_000])
@pytest.mark.parametrize("kind", ["continuous", "class"])
def test_single_cells_equal_the_map_to_the_bit(raster, monkeypatch, kind: str, limit: int) -> None:
    monkeypatch.setattr(sources_module, "SAMPLE_BLOCK", limit)
    random = np.random.default_rng(10)
    for crs, to, cell in PAIRS:
        layer = field(raster, crs, to, cell, kind)
        row, col = (random.integers(0, size, 40) for size in layer.grid.shape)
        np.testing.assert_array_equal(bits(layer.read_cells(row, col)), bits(whole(layer)[row, col]))


def test_windows_over_the_date_line_are_the_same_to_the_bit(raster, monkeypatch) -> None:
    values = np.random.default_rng(9).normal(size=(90, 180)).astype("float32")
    path = raster("a.tif", values, Affine(2, 0, -180, 0, -2, 90), "EPSG:4326")
    for cell in (100_000.0, 700_000.0):
        layer = open_layer(Source("a", path), grid_from_bounds("EPSG:3832", cell, (-6e6, -5e6, 6e6, 5e6)))
        full = whole(layer)
        for size, block in itertools.product((1, 3, 7), (4_000_000, 40)):
            monkeypatch.setattr(sources_module, "BLOCK", block)
            for window in windows(layer.grid, size)[:: 50 // size]:
                np.testing.assert_array_equal(bits(layer.read(window)), bits(full[window.slices]))
        row, col = (part.ravel() for part in np.indices(full.shape))
        np.testing.assert_array_equal(bits(layer.read_cells(row, col)), bits(full.ravel()))
        assert np.isfinite(full).all()


def test_threads_read_what_one_reads(raster) -> None:
    layer = field(raster, "EPSG:3035", "EPSG:32634", 333.0, "continuous")
    full, cut = whole(layer), windows(layer.grid, 23)
    start = threading.Barrier(6)

    def read(part: int) -> None:
        start.wait()
        for window in cut[part::2]:
            np.testing.assert_array_equal(bits(layer.read(window)), bits(full[window.slices]))

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(read, [0, 1] * 3))


def test_a_layer_can_be_pickled(raster) -> None:
    layer = open_layer(Source("a", raster("a.tif", NUMBERS)), UTM10)
    np.testing.assert_array_equal(whole(pickle.loads(pickle.dumps(layer))), NUMBERS)


# --- Faults -----------------------------------------------------------------------------------------------------------


def test_a_window_beyond_the_grid_is_refused(raster) -> None:
    layer = open_layer(Source("a", raster("a.tif", NUMBERS)), UTM10)
    with pytest.raises(ValueError, match="reaches beyond the grid of 4 rows and 4 columns"):
        layer.read(Window(0, 0, 5, 1))


@pytest.mark.parametrize(
    ("transform", "crs"),
    [
        (Affine(10, 0, 600000, 0, -10, 4600000), "EPSG:32634"),
        (Affine(0.1, 0, -60, 0, -0.1, 10), "EPSG:4326"),
        (Affine(10, 0, 0, 0, -10, 0), "EPSG:3035"),
    ],
)
def test_no_overlap_is_one_line(raster, transform: Affine, crs: str) -> None:
    path = raster("far.tif", NUMBERS, transform, crs)
    with pytest.raises(RasterError) as caught:
        open_layer(Source("far", path), UTM10)
    assert len(caught.value.faults) == 1
    assert str(caught.value).startswith(f"far: {path}: no overlap with the grid; it covers ")
    assert str(caught.value).endswith("expected part of 500000, 4599960, 500040, 4600000 (EPSG:32634)")


def test_a_small_source_in_a_large_grid_overlaps(raster) -> None:
    path = raster("a.tif", NUMBERS)
    grid = grid_from_bounds("EPSG:4326", 0.0001, (10, 30, 30, 50))
    layer = open_layer(Source("a", path), grid)
    assert check_sources([Source("a", path)], grid) == []
    assert layer.resampling == "bilinear"


def test_all_faults_of_all_sources(raster, tmp_path) -> None:
    good, far = raster("good.tif", NUMBERS), raster("far.tif", NUMBERS, Affine(10, 0, 600000, 0, -10, 4600000))
    (tmp_path / "text.tif").write_text("text")
    listed = [
        Source("a", good),
        Source("a", good),
        Source("gone", tmp_path / "gone.tif"),
        Source("text", tmp_path / "text.tif"),
        Source("far", far),
        Source("plain", raster("plain.tif", NUMBERS, crs=None)),
    ]
    found = check_sources(listed, UTM10)
    assert [fault.split(":")[0] for fault in found] == ["a", "gone", "text", "far", "plain"]
    assert "the name of 2 layers" in found[0]
    assert [fault.split(":")[0] for fault in check_sources(listed)] == ["a", "gone", "text", "plain"]


# --- Real rasters -----------------------------------------------------------------------------------------------------


def test_three_crs_on_one_grid(shared) -> None:
    """Three grids of Edgeroi, in three realisations of one datum; the 250 m elevation agrees with the 90 m one."""
    folder = shared / "data" / "edgeroi"
    grid = grid_like(folder / "grids_250m" / "DEMSRT5.tif")
    coarse = open_layer(Source("dem", folder / "grids_250m" / "DEMSRT5.tif"), grid)
    fine = open_layer(Source("dem", folder / "grids_90m" / "edgeroiCovariates_elevation.tif"), grid)
    density = open_layer(Source("bd", folder / "grids_250m" / "BD_openlandmap_0cm_x10kgm3.tif", scale=10), grid)
    assert (coarse.resampling, fine.resampling, density.facts.crs_name) == ("none", "average", "EPSG:7855")
    one, other = whole(coarse), whole(fine)
    both = ~np.isnan(one) & ~np.isnan(other)
    assert both.sum() > 10_000
    assert np.corrcoef(one[both], other[both])[0, 1] > 0.99
    assert 800 < np.nanmin(whole(density)) < np.nanmax(whole(density)) < 1700


def test_koeppen_classes_at_known_places(shared) -> None:
    """Four spot checks of the data's description, read through an equal-area grid."""
    path = shared / "data" / "global_coarse" / "koppen_geiger_100arcsec.tif"
    legend = (path.parent / "koppen_geiger_legend.csv").read_text()
    for name, lon, lat in (("Dfb", 37.62, 55.75), ("Af", -60.02, -3.1), ("BSk", 91.1, 29.65), ("BWh", 10.0, 25.0)):
        grid = grid_from_bounds(f"+proj=laea +lat_0={lat} +lon_0={lon} +type=crs", 500, (-750, -750, 750, 750))
        code = open_layer(Source("kg", path, kind="class"), grid).read(Window(1, 1, 1, 1))[0, 0]
        line = next(line for line in legend.splitlines() if f"{int(code)}" in line.replace('"', "").split(","))
        assert name in line
