"""Folders of tiles, read as one raster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from edaphic.covariates import close_rasters
from edaphic.covariates.facts import Source, facts
from edaphic.covariates.grid import grid_from_bounds
from edaphic.covariates.sources import Layer, open_layer
from edaphic.covariates.window import Window, windows
from edaphic.errors import RasterError

FIELD = np.random.default_rng(20).normal(100, 30, size=(60, 80)).astype("float32")
GRID = grid_from_bounds("EPSG:32634", 10, (500000, 4599400, 500800, 4600000))
"""The grid of the whole field."""


def whole(layer: Layer) -> np.ndarray:
    return layer.read(Window(0, 0, *layer.grid.shape))


def at(row: int, col: int, cell: float = 10.0) -> Affine:
    return Affine(cell, 0, 500000 + cell * col, 0, -cell, 4600000 - cell * row)


@pytest.fixture
def cut(raster, tmp_path):
    """Cut an array into tiles, in a folder of their own."""

    def make(values, size=25, overlap=0, folder="tiles", **options) -> Path:
        (tmp_path / folder).mkdir(exist_ok=True)
        for row in range(0, values.shape[0], size):
            for col in range(0, values.shape[1], size):
                part = values[row : row + size + overlap, col : col + size + overlap]
                raster(f"{folder}/{row:03d}_{col:03d}.tif", part, at(row, col), **options)
        return tmp_path / folder

    return make


def fault(source: Source) -> list[str]:
    with pytest.raises(RasterError) as caught:
        facts(source)
    return list(caught.value.faults)


@pytest.mark.parametrize("overlap", [0, 3])
def test_tiles_are_the_whole_raster(raster, cut, overlap: int) -> None:
    """Resampled too, so that no seam is seen: the kernels look over the edges of tiles."""
    one, many = raster("one.tif", FIELD), cut(FIELD, overlap=overlap)
    for cell in (10, 7, 23):
        grid = grid_from_bounds("EPSG:32634", cell, (500000, 4599400, 500800, 4600000))
        expected = whole(open_layer(Source("a", one), grid))
        layer = open_layer(Source("a", many), grid)
        np.testing.assert_array_equal(whole(layer), expected)
        for window in windows(grid, 17):
            np.testing.assert_array_equal(layer.read(window), expected[window.slices])
    known = facts(Source("a", many))
    assert known.notes == ("12 tiles" + (", overlapping: the first by name counts" if overlap else ""),)
    assert known.path == str(many) and (known.height, known.width) == (60, 80)


def test_a_pattern_takes_the_tiles_that_match(cut, tmp_path) -> None:
    folder = cut(FIELD)
    (folder / "readme.txt").write_text("tiles")
    layer = open_layer(Source("a", folder / "000_*.tif"), GRID)
    assert np.isfinite(whole(layer)).sum() == 25 * 80


def test_where_tiles_overlap_the_first_by_name_counts_and_then_the_next(raster, tmp_path) -> None:
    (tmp_path / "t").mkdir()
    first, second = np.full((4, 4), 1.0, dtype="float32"), np.full((4, 4), 2.0, dtype="float32")
    first[:, 3] = -9999
    raster("t/a.tif", first, at(0, 0), nodata=-9999)
    raster("t/b.tif", second, at(0, 2), nodata=-1)
    grid = grid_from_bounds("EPSG:32634", 10, (500000, 4599960, 500060, 4600000))
    np.testing.assert_array_equal(whole(open_layer(Source("a", tmp_path / "t"), grid))[0], [1, 1, 1, 2, 2, 2])


def test_nodata_of_one_tile_is_a_value_of_another(raster, tmp_path) -> None:
    (tmp_path / "t").mkdir()
    raster("t/a.tif", np.array([[0, 255, 3, 4]] * 4, dtype="uint8"), at(0, 0), nodata=0)
    raster("t/b.tif", np.array([[0, 255, 3, 4]] * 4, dtype="uint8"), at(0, 4), nodata=255)
    grid = grid_from_bounds("EPSG:32634", 10, (500000, 4599960, 500080, 4600000))
    found = whole(open_layer(Source("a", tmp_path / "t", kind="class"), grid))[0]
    np.testing.assert_array_equal(found, [np.nan, 255, 3, 4, 0, np.nan, 3, 4])


def test_gaps_between_tiles_have_no_value(raster, tmp_path) -> None:
    """Also where the tiles have no nodata value, and their smallest number is 0."""
    (tmp_path / "t").mkdir()
    raster("t/a.tif", np.zeros((4, 4), dtype="uint8"), at(0, 0))
    raster("t/b.tif", np.full((4, 4), 7, dtype="uint8"), at(0, 6))
    grid = grid_from_bounds("EPSG:32634", 10, (500000, 4599960, 500100, 4600000))
    np.testing.assert_array_equal(whole(open_layer(Source("a", tmp_path / "t"), grid))[0], [0] * 4 + [np.nan] * 2 + [7] * 4)


def test_a_nodata_that_the_type_cannot_hold_makes_no_zeros_of_gaps(raster, tmp_path) -> None:
    """Given, it is refused as for a single file; said by the tiles, it is left out and said."""
    grid = grid_from_bounds("EPSG:32634", 10, (500000, 4599960, 500100, 4600000))
    (tmp_path / "t").mkdir()
    (tmp_path / "u").mkdir()
    for name, number, col in (("a", 7, 0), ("b", 9, 6)):
        path = raster(f"t/{name}.tif", np.full((4, 4), number, dtype="int16"), at(0, col))
        (tmp_path / f"u/{name}.vrt").write_text(
            f"""<VRTDataset rasterXSize="4" rasterYSize="4"><SRS>EPSG:32634</SRS>
            <GeoTransform>{500000 + 10 * col}, 10, 0, 4600000, 0, -10</GeoTransform><VRTRasterBand dataType="Int16" band="1">
            <NoDataValue>-9999.5</NoDataValue><SimpleSource><SourceFilename>{path}</SourceFilename></SimpleSource>
            </VRTRasterBand></VRTDataset>"""
        )
    (said,) = fault(Source("a", tmp_path / "t", nodata=-99999))
    assert said.endswith("a.tif: nodata -99999 cannot occur in values of type int16; expected one that can")
    layer = open_layer(Source("a", tmp_path / "u"), grid)
    np.testing.assert_array_equal(whole(layer)[0], [7] * 4 + [np.nan] * 2 + [9] * 4)
    assert layer.facts.notes == ("2 tiles", "the nodata -9999.5 of tiles cannot occur in int16")


def test_masks_of_tiles_are_kept(raster, tmp_path) -> None:
    (tmp_path / "t").mkdir()
    mask = np.full((4, 4), 255, dtype="uint8")
    mask[:, 0] = 0
    raster("t/a.tif", np.full((4, 4), 9, dtype="uint8"), at(0, 0), mask=mask)
    raster("t/b.tif", np.full((4, 4), 7, dtype="uint8"), at(0, 4))
    grid = grid_from_bounds("EPSG:32634", 10, (500000, 4599960, 500080, 4600000))
    np.testing.assert_array_equal(whole(open_layer(Source("a", tmp_path / "t"), grid))[0], [np.nan, 9, 9, 9, 7, 7, 7, 7])


def test_large_whole_numbers_stay_exact_through_the_mosaic(raster, tmp_path) -> None:
    (tmp_path / "t").mkdir()
    raster("t/a.tif", np.full((4, 4), 16_777_217, dtype="int32"), at(0, 0), nodata=-1)
    raster("t/b.tif", np.full((4, 4), 5, dtype="int32"), at(0, 4), nodata=-2)
    grid = grid_from_bounds("EPSG:32634", 10, (500000, 4599960, 500080, 4600000))
    layer = open_layer(Source("a", tmp_path / "t", offset=-16_777_216.0), grid)
    assert whole(layer)[0, 0] == 1.0  # 16,777,217 is no float32


def test_nodata_scale_and_unit_hold_for_all_tiles(cut) -> None:
    folder = cut(np.round(FIELD).astype("int16"), scales=(0.5,), offsets=(10.0,), units=("mm",))
    known = facts(Source("a", folder, nodata=100))
    assert (known.scale, known.offset, known.unit) == (0.5, 10.0, "mm")
    found = whole(open_layer(Source("a", folder, nodata=100), GRID))
    numbers = np.round(FIELD)
    np.testing.assert_array_equal(found, np.where(numbers == 100, np.nan, numbers * 0.5 + 10).astype("float32"))


def test_tiles_whose_rows_run_north(raster, tmp_path) -> None:
    (tmp_path / "t").mkdir()
    for col in (0, 40):
        raster(f"t/{col}.tif", FIELD[::-1, col : col + 40], Affine(10, 0, 500000 + 10 * col, 0, 10, 4599400))
    grid = grid_from_bounds("EPSG:32634", 7, (500000, 4599400, 500800, 4600000))
    expected = whole(open_layer(Source("a", raster("one.tif", FIELD)), grid))
    np.testing.assert_allclose(whole(open_layer(Source("a", tmp_path / "t"), grid)), expected, rtol=1e-5)


def test_tiles_in_degrees_on_both_sides_of_a_parallel(raster, tmp_path) -> None:
    """Axes of geographic reference systems are in the order x, y."""
    (tmp_path / "t").mkdir()
    values = np.arange(8.0).reshape(2, 4).astype("float32")
    raster("t/n.tif", values[:1], Affine(1, 0, 20, 0, -1, 42), "EPSG:4326")
    raster("t/s.tif", values[1:], Affine(1, 0, 20, 0, -1, 41), "EPSG:4326")
    found = whole(open_layer(Source("a", tmp_path / "t"), grid_from_bounds("EPSG:4326", 1, (20, 40, 24, 42))))
    np.testing.assert_array_equal(found, values)


def test_a_tile_that_changes_is_noticed(raster, cut) -> None:
    folder = cut(FIELD)
    layer = open_layer(Source("a", folder), GRID)
    raster("tiles/000_000.tif", FIELD[:26, :26] * 2, at(0, 0))
    close_rasters()
    with pytest.raises(RasterError, match="has changed since it was described"):
        whole(layer)


def test_a_virtual_raster_of_the_user_and_its_missing_tile(raster, tmp_path) -> None:
    path = raster("a.tif", FIELD)
    rasterio.shutil.copy(str(path), str(tmp_path / "a.vrt"), driver="VRT")
    layer = open_layer(Source("a", tmp_path / "a.vrt"), GRID)
    np.testing.assert_array_equal(whole(layer), FIELD)
    path.unlink()
    with pytest.raises(RasterError) as caught:
        whole(open_layer(Source("a", tmp_path / "a.vrt"), GRID))
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize(
    ("name", "odd", "options", "said"),
    [
        ("CRS", FIELD[:25, :25], {"crs": "EPSG:32633"}, "CRS WGS 84 / UTM zone 33N; expected WGS 84 / UTM zone 34N as in 000_025.tif"),
        ("cell", FIELD[:25, :25], {"transform": at(0, 0, 20.0)}, "cells of 20 x 20; expected 10 x 10 as in 000_025.tif"),
        ("dtype", FIELD[:25, :25].astype("int16"), {}, "values of type int16; expected float32 as in 000_025.tif"),
        ("scale", FIELD[:25, :25], {"scales": (0.1,)}, "scale and offset 0.1 and 0; expected 1 and 0 as in 000_025.tif"),
        ("unit", FIELD[:25, :25], {"units": ("ft",)}, "unit 'ft'; expected '' as in 000_025.tif"),
    ],
)
def test_the_odd_tile_is_named(raster, cut, name: str, odd, options: dict, said: str) -> None:
    folder = cut(FIELD)
    raster("tiles/000_000.tif", odd, **{"transform": at(0, 0), **options})
    assert fault(Source("a", folder)) == [f"a: {folder}/000_000.tif: {said}"]


def test_tiles_beside_the_lattice_and_bands_that_are_not_there(raster, cut) -> None:
    folder = cut(FIELD)
    raster("tiles/050_050.tif", FIELD[:10, :30], at(50.4, 50))
    (found,) = fault(Source("a", folder))
    assert "050_050.tif: 0.4 of a cell beside the cells of 000_000.tif" in found
    faults = fault(Source("a", folder, band=2))
    assert len(faults) == 12 and faults[0].endswith("no band 2; expected one of 1 to 1")


def test_folders_and_patterns_without_tiles(tmp_path) -> None:
    (tmp_path / "text.txt").write_text("text")
    assert fault(Source("a", tmp_path)) == [f"a: {tmp_path}: a folder without rasters; expected tiles (.tif, .tiff, .vrt, .img, ...)"]
    assert fault(Source("a", tmp_path / "*.tif"))[0].endswith("no file matches; expected at least one raster")


def test_a_tile_cut_short_and_one_that_is_none(raster, cut) -> None:
    folder = cut(FIELD)
    path = folder / "000_000.tif"
    path.write_bytes(path.read_bytes()[:-400])
    (folder / "z.tif").write_text("text")
    found = fault(Source("a", folder))
    assert len(found) == 2
    assert "000_000.tif: the file ends before its last block" in found[0] and "z.tif: not a raster that can be read" in found[1]
