from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from edaphic.covariates.facts import Source, expand
from edaphic.covariates.grid import cells_of, grid_from_bounds, grid_like
from edaphic.covariates.sources import check_sources
from edaphic.covariates.stack import Stack, build, describe, nodata_doubts
from edaphic.covariates.window import Window, windows
from edaphic.errors import RasterError

GRID = grid_from_bounds("EPSG:32634", 10, (500000, 4599960, 500040, 4600000))
NUMBERS = np.arange(1, 17, dtype="float32").reshape(4, 4)


def lonlat(row, col) -> tuple[np.ndarray, np.ndarray]:
    """Places of cells of GRID, by row and column as real numbers."""
    x, y = 500000 + 10 * np.asarray(col, float), 4600000 - 10 * np.asarray(row, float)
    return Transformer.from_crs(32634, 4326, always_xy=True).transform(x, y)


@pytest.fixture
def stack(raster) -> Stack:
    holes = np.where(np.isin(NUMBERS, (1, 6)), -1, NUMBERS * 10).astype("float32")
    return build(
        [
            Source("numbers", raster("numbers.tif", NUMBERS), unit="m"),
            Source("holes", raster("holes.tif", holes, nodata=-1)),
            Source("more", raster("more.tif", np.where(NUMBERS == 6, -1, 0).astype("float32"), nodata=-1)),
        ],
        GRID,
    )


def test_a_stack_is_read_layer_by_layer(stack: Stack) -> None:
    values = stack.read(Window(0, 1, 2, 2))
    assert values.shape == (3, 2, 2) and values.dtype == np.float32
    np.testing.assert_array_equal(values[0], [[2, 3], [6, 7]])
    np.testing.assert_array_equal(values[1], [[20, 30], [np.nan, 70]])


def test_select_takes_layers_in_the_order_asked(stack: Stack) -> None:
    chosen = stack.select(["holes", "numbers"])
    assert chosen.names == ("holes", "numbers")
    np.testing.assert_array_equal(chosen.read(Window(3, 3, 1, 1)).ravel(), [160, 16])
    with pytest.raises(RasterError, match="no layer 'slope'; expected one of numbers, holes, more"):
        stack.select(["slope"])


def test_sampling_and_its_reasons(stack: Stack) -> None:
    lon, lat = lonlat([0.5, 0.5, 1.5, 3.9, 4.1, np.nan], [0.5, 1.1, 1.5, 3.9, 1.0, 1.0])
    values, reason = stack.sample(lon, lat)
    assert list(values.columns) == ["numbers", "holes", "more"]
    np.testing.assert_array_equal(values["numbers"], [1, 2, 6, 16, np.nan, np.nan])
    np.testing.assert_array_equal(values["holes"], [np.nan, 20, np.nan, 160, np.nan, np.nan])
    assert reason.tolist() == [
        "no value in holes: nodata",
        "",
        "no value in holes: nodata (and 1 more)",
        "",
        "outside the grid",
        "outside the grid",
    ]
    assert (values.dtypes == np.float64).all()


def test_sampling_nowhere(stack: Stack) -> None:
    values, reason = stack.sample([], [])
    assert values.shape == (0, 3) and len(reason) == 0
    values, reason = stack.sample(pd.Series([0.0], index=[7]), pd.Series([0.0], index=[7]))
    assert values.index.tolist() == [0] and reason.tolist() == ["outside the grid"]


def test_a_place_has_the_value_of_the_map_in_its_cell(raster) -> None:
    """Through interpolation, averages and classes, over several blocks."""
    random = np.random.default_rng(11)
    coarse = random.normal(size=(40, 40)).astype("float32")
    coarse[random.random(coarse.shape) < 0.05] = np.nan
    codes = random.integers(1, 9, size=(500, 500)).astype("uint8")
    grid = grid_from_bounds("EPSG:32634", 100, (500000, 4570000, 530000, 4600000))
    stack = build(
        [
            Source("coarse", raster("coarse.tif", coarse, Affine(0.01, 0, 21.0, 0, -0.01, 41.6), "EPSG:4326")),
            Source("fine", raster("fine.tif", random.normal(size=(900, 900)), Affine(35, 0, 5e5, 0, -35, 46e5))),
            Source("same", raster("same.tif", random.normal(size=(250, 330)), Affine(100, 0, 499000, 0, -100, 459e4))),
            Source("codes", raster("codes.tif", codes, Affine(70, 0, 5e5, 0, -70, 46e5), nodata=1), kind="class"),
        ],
        grid,
    )
    assert [layer.resampling for layer in stack.layers] == ["bilinear", "average", "none", "nearest"]
    lon, lat = random.uniform(20.95, 21.4, 400), random.uniform(41.25, 41.6, 400)
    values, reason = stack.sample(lon, lat)
    row, col = cells_of(grid, lon, lat)
    whole = stack.read(Window(0, 0, 300, 300))
    within = row >= 0
    assert 100 < within.sum() < 400
    np.testing.assert_array_equal(values[within].to_numpy().T, whole[:, row[within], col[within]].astype(float))
    assert values[~within].isna().all(axis=None)
    assert ((reason == "") == values.notna().all(axis=1)).all()


def test_the_size_of_a_window_does_not_change_a_stack(raster) -> None:
    values = np.random.default_rng(12).normal(size=(60, 60)).astype("float32")
    path = raster("a.tif", values, Affine(0.01, 0, 20.9, 0, -0.01, 41.7), "EPSG:4326")
    grid = grid_from_bounds("EPSG:32634", 130, (500000, 4560000, 540000, 4600000))
    stack = build([Source("a", path)], grid)
    whole = stack.read(Window(0, 0, *grid.shape))
    for size in (50, 128, 300):
        for window in windows(grid, size):
            np.testing.assert_array_equal(stack.read(window), whole[:, *window.slices])


def test_faults_of_all_layers_at_once(raster, tmp_path) -> None:
    listed = [Source("a", raster("a.tif", NUMBERS)), Source("b", tmp_path / "b.tif"), Source("c", tmp_path / "c.tif")]
    with pytest.raises(RasterError) as caught:
        build(listed, GRID)
    assert list(caught.value.faults) == check_sources(listed, GRID) and len(caught.value.faults) == 2
    with pytest.raises(RasterError, match="no layers; expected at least one"):
        build([], GRID)


def test_a_layer_that_breaks_names_its_file(raster) -> None:
    values = np.random.default_rng(0).normal(size=(200, 200)).astype("float32")
    path = raster("a.tif", values, compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    spoilt = bytearray(path.read_bytes())
    spoilt[2000:60000] = b"\x07" * 58000
    path.write_bytes(bytes(spoilt))
    stack = build([Source("a", path)], grid_like(path))
    for use in (
        lambda: stack.read(Window(0, 0, 200, 200)),
        lambda: stack.sample(*lonlat([60.5], [60.5])),
        lambda: describe(stack),
    ):
        with pytest.raises(RasterError) as caught:
            use()
        assert len(caught.value.faults) == 1 and str(caught.value).startswith(f"a: {path}: rows ")


def test_describe(stack: Stack) -> None:
    table = describe(stack).set_index("name")
    assert table.loc["numbers", "unit"] == "m"
    assert table.loc["holes", "nodata"] == -1 and np.isnan(table.loc["numbers", "nodata"])
    np.testing.assert_allclose(table["valid_share"], [1.0, 14 / 16, 15 / 16])
    assert table.loc["holes", ["minimum", "maximum"]].tolist() == [20, 160]
    assert set(table["source_crs"]) == {"EPSG:32634"} and set(table["source_resolution"]) == {"10 x 10"}
    assert set(table["resampling"]) == {"none"} and set(table["note"]) == {""}


def test_describe_notices_what_may_be_a_missing_tag(raster) -> None:
    values = np.where(NUMBERS > 14, -9999, NUMBERS)
    stack = build(
        [
            Source("a", raster("a.tif", values)),
            Source("b", raster("b.tif", values), nodata=-9999),
            Source("c", raster("c.tif", np.where(NUMBERS > 14, 255, NUMBERS).astype("uint8")), kind="class"),
        ],
        GRID,
    )
    notes = describe(stack)["note"].tolist()
    assert notes[0] == "no nodata tag, and -9999 in 12 % of its cells: give nodata if it means none"
    assert notes[1] == ""
    assert notes[2].startswith("no nodata tag, and 255 in 12 %")


def test_describe_of_an_empty_layer(raster) -> None:
    stack = build([Source("a", raster("a.tif", np.full((4, 4), -1.0), nodata=-1.0))], GRID)
    row = describe(stack).iloc[0]
    assert row["valid_share"] == 0 and np.isnan(row["minimum"]) and np.isnan(row["maximum"])


def test_the_stack_of_macedonia(shared) -> None:
    """173 layers on one grid: what the data's description says of them."""
    folder = shared / "data" / "macedonia"
    paths = expand(folder / "covs" / "*.tif")
    listed = [Source(path.stem, path, kind="class" if path.stem.startswith("LCEE") else "continuous") for path in paths]
    stack = build(listed, grid_like(folder / "covs" / "DEMENV5.tif"))
    assert len(stack.layers) == 173 and {layer.resampling for layer in stack.layers} == {"none"}
    sites = pd.read_csv(folder / "site-level.csv")
    values, reason = stack.sample(sites["X"], sites["Y"])
    assert values.shape == (len(sites), 173)
    assert (reason == "").sum() == 4108
    assert (reason == "outside the grid").sum() == 1
    row, col = cells_of(stack.grid, sites["X"], sites["Y"])
    window = Window(60, 100, 50, 70)
    block = stack.read(window)
    here = (row >= 60) & (row < 110) & (col >= 100) & (col < 170)
    assert here.sum() > 100
    np.testing.assert_array_equal(values[here].to_numpy().T, block[:, row[here] - 60, col[here] - 100].astype(float))


def test_sampling_of_africa_agrees_with_the_description(shared) -> None:
    """15,612 of 16,165 sites fall on valid cells of all 38 grids."""
    folder = shared / "data" / "africa_north"
    paths = expand(folder / "grids_20km" / "*.tif")
    classes = ("L3POBI0a", "SGEUSG0x")
    stack = build(
        [Source(path.stem, path, kind="class" if path.stem in classes else "continuous") for path in paths],
        grid_like(paths[0]),
    )
    sites = pd.read_csv(folder / "afsp_sites.csv.gz")
    _, reason = stack.sample(sites["LONWGS84"], sites["LATWGS84"])
    assert len(paths) == 38 and (reason == "").sum() == 15_612


def test_minus_9999_without_a_tag_is_a_fault_where_nothing_is_near(tmp_path: Path) -> None:
    how = {"driver": "GTiff", "width": 4, "height": 4, "count": 1, "dtype": "float32", "crs": "EPSG:32634"}
    grid = GeoBox((4, 4), Affine(10.0, 0, 0, 0, -10.0, 40.0), "EPSG:32634")
    for name, values in (("cover", np.linspace(0, 1, 16)), ("depth", np.linspace(-9900, -1, 16))):
        values = values.reshape(1, 4, 4).astype("float32")
        values[0, 0, :2] = -9999
        with rasterio.open(tmp_path / f"{name}.tif", "w", transform=grid.affine, **how) as file:
            file.write(values)
    faults, notes = nodata_doubts(build([Source(name, tmp_path / f"{name}.tif") for name in ("cover", "depth")], grid))
    assert len(faults) == 1 and faults[0].startswith("cover: ") and "-9999 in 12 % of its cells, far from all others" in faults[0]
    assert notes == ["depth: no nodata tag, and -9999 in 12 % of its cells: give nodata if it means none"]
    assert nodata_doubts(build([Source("cover", tmp_path / "cover.tif", nodata=-9999)], grid)) == ([], [])
