"""A DEM is opened, doubted and read: every fault in one clear line, every assumption said."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.crs import CompoundCRS

from edaphic.covariates import Source, Window
from edaphic.covariates.terrain.dem import Dem, open_dem
from edaphic.covariates.terrain.evidence import Examined, examine
from edaphic.errors import RasterError

MakeRaster = Callable[..., Path]
DEGREES = Affine(1 / 1200, 0.0, -113.2, 0.0, -1 / 1200, 37.5)


def _hills(rows: int = 20, cols: int = 30, low: float = 300.0) -> NDArray[np.float64]:
    row, col = np.indices((rows, cols))
    return low + 40 * np.sin(row / 4.0) + 30 * np.cos(col / 5.0) + 70.0


def _seen(path: Path, z_unit: str | None = None, **words: Any) -> Examined:
    return examine(open_dem(Source("dem", path, **words), z_unit), told=words.get("nodata") is not None)


def _fault(call: Callable[[], object], words: str) -> None:
    with pytest.raises(RasterError) as caught:
        call()
    assert len(caught.value.faults) == 1, caught.value.faults
    assert words in caught.value.faults[0]
    assert "expected" in caught.value.faults[0]


def _open(path: Path, **words: Any) -> Dem:
    return open_dem(Source("dem", path, **words))


# ---- what is read


def test_heights_as_they_are(raster: MakeRaster) -> None:
    z = _hills().astype("float32")
    seen = _seen(raster("dem.tif", z, units=["m"]))
    assert seen.doubts == () and seen.dem.notes == ()
    np.testing.assert_array_equal(seen.dem.read(Window(3, 4, 5, 6)), z[3:8, 4:10])
    assert seen.dem.read(Window(0, 0, 1, 1)).dtype == np.float32
    assert (seen.low_m, seen.high_m, seen.count) == (z.min(), z.max(), z.size)


def test_blocks_end_where_the_grid_ends(raster: MakeRaster) -> None:
    dem = _open(raster("dem.tif", _hills()))
    z, margins = dem.block(Window(0, 10, 5, 19), 2, 3)
    assert margins == (0, 2, 3, 1)
    np.testing.assert_array_equal(z, dem.read(Window(0, 0, 20, 30))[:7, 7:])


@pytest.mark.parametrize("south_up, east_first", [(True, False), (False, True), (True, True)])
def test_rows_and_columns_may_run_the_other_way(raster: MakeRaster, south_up: bool, east_first: bool) -> None:
    z = _hills()
    flipped = z[:: -1 if south_up else 1, :: -1 if east_first else 1]
    across = (-10.0, 500300.0) if east_first else (10.0, 500000.0)
    down = (10.0, 4599800.0) if south_up else (-10.0, 4600000.0)
    place = Affine(across[0], 0, across[1], 0, *down)
    seen = _seen(raster("dem.tif", flipped, place, units=["m"]))
    plain = _open(raster("plain.tif", z, units=["m"]))
    assert seen.dem.grid.affine == plain.grid.affine
    window = Window(2, 3, 7, 11)
    np.testing.assert_array_equal(seen.dem.read(window), plain.read(window))
    assert any("what is made has rows from the north" in note for note in seen.dem.notes)


@pytest.mark.parametrize(
    "kind, nodata", [("int16", -32768), ("uint16", 65535), ("float32", np.nan), ("float64", -9999.0), ("int32", -9999)]
)
def test_types_and_their_nodata(raster: MakeRaster, kind: str, nodata: float) -> None:
    z = np.round(_hills())
    gap = z.copy()
    gap[4, 5] = nodata
    dem = _seen(raster("dem.tif", gap.astype(kind), nodata=nodata)).dem
    found = dem.read(Window(0, 0, 20, 30))
    assert np.isnan(found).nonzero() == ([4], [5])
    assert found.dtype == (np.float64 if kind in ("float64", "int32") else np.float32)
    z[4, 5] = np.nan
    np.testing.assert_array_equal(found, z)


def test_scaled_whole_numbers(raster: MakeRaster) -> None:
    z = np.round(_hills(), 1)
    dem = _seen(raster("dem.tif", ((z - 100) * 10).round().astype("int16"), scales=[0.1], offsets=[100.0])).dem
    assert dem.read(Window(0, 0, 20, 30)) == pytest.approx(z)


def test_scale_told(raster: MakeRaster) -> None:
    dem = _seen(raster("dem.tif", np.round(_hills() * 10).astype("int16")), scale=0.1).dem
    assert dem.read(Window(0, 0, 20, 30)) == pytest.approx(_hills(), abs=0.05)


def test_a_mask_beside_the_file(raster: MakeRaster) -> None:
    mask = np.full((20, 30), 255, dtype="uint8")
    mask[0, 0] = 0
    found = _seen(raster("dem.tif", _hills(), mask=mask)).dem.read(Window(0, 0, 20, 30))
    assert np.isnan(found).nonzero() == ([0], [0])


# ---- units


def test_a_unit_that_nobody_tells_is_taken_for_metres_and_said(raster: MakeRaster) -> None:
    assert _open(raster("dem.tif", _hills())).notes == ("the file names no unit of heights: taken for m",)


@pytest.mark.parametrize("unit, metres", [("ft", 0.3048), ("Feet", 0.3048), ("US survey foot", 1200 / 3937), ("dm", 0.1), ("metre", 1.0)])
def test_units_of_the_band(raster: MakeRaster, unit: str, metres: float) -> None:
    dem = _open(raster("dem.tif", _hills(), units=[unit]))
    assert dem.read(Window(0, 0, 20, 30)) == pytest.approx(_hills() * metres)
    assert len(dem.notes) == (0 if metres == 1.0 else 1)


@pytest.mark.parametrize(
    "unit, metres", [("metres above sea level", 1.0), ("m a.s.l.", 1.0), ("m asl", 1.0), ("Feet_above_mean_sea_level", 0.3048)]
)
def test_units_above_sea_level(raster: MakeRaster, unit: str, metres: float) -> None:
    assert _open(raster("dem.tif", _hills(), units=[unit])).metres == metres


def test_the_unit_told_comes_first(raster: MakeRaster) -> None:
    dem = open_dem(Source("dem", raster("dem.tif", _hills(), units=["m"])), "ft")
    assert dem.metres == 0.3048
    assert dem.notes == ("heights in ft as told, in place of the file's m",)


def test_the_unit_of_a_vertical_reference(raster: MakeRaster) -> None:
    feet = CompoundCRS("with heights in feet", [CRS("EPSG:32634"), CRS("EPSG:6360")])  # NAVD88, US survey feet
    dem = _open(raster("dem.tif", _hills(), crs=feet.to_wkt()))
    assert dem.metres == pytest.approx(1200 / 3937)
    assert "US survey foot" in dem.notes[0]


def test_a_map_in_feet_is_doubted_where_heights_have_no_unit(raster: MakeRaster) -> None:
    dem = _open(raster("dem.tif", _hills(), crs="EPSG:2263"))
    assert dem.cells.dx_m[0] == pytest.approx(10 * 1200 / 3937)
    assert "though the map is in US survey foot" in dem.notes[0]


def test_units_that_are_none(raster: MakeRaster) -> None:
    _fault(lambda: _open(raster("dem.tif", _hills(), units=["furlong"])), "heights in 'furlong'")
    _fault(lambda: open_dem(Source("dem", raster("dem.tif", _hills())), "yards"), "--z-unit yards")


def test_heights_in_feet_that_no_mountain_has(raster: MakeRaster) -> None:
    path = raster("dem.tif", _hills(low=14000.0))
    _fault(lambda: _seen(path), "--z-unit ft, dm, cm")
    assert _seen(path, "ft").high_m == pytest.approx(_hills(low=14000.0).max() * 0.3048)


# ---- numbers that mean "no height"


@pytest.mark.parametrize("kind, number", [("float32", -9999), ("int16", -9999), ("int16", -32768), ("int16", 32767), ("uint16", 65535)])
def test_a_number_without_a_tag(raster: MakeRaster, kind: str, number: float) -> None:
    z = np.round(_hills())
    z[:3] = number
    seen = _seen(raster("dem.tif", z.astype(kind)))
    assert np.isnan(seen.dem.read(Window(0, 0, 20, 30))[:3]).all()
    assert f"90 cells hold {number}" in seen.doubts[0]
    assert "--nodata" in seen.doubts[0]
    assert seen.count == 17 * 30


def test_two_numbers_without_a_tag(raster: MakeRaster) -> None:
    z = _hills()
    z[0], z[1] = -9999, 32767
    seen = _seen(raster("dem.tif", z.astype("float32"), nodata=-1.0))
    assert seen.count == 18 * 30
    assert len(seen.doubts) == 2


def test_a_fraction_without_a_tag(raster: MakeRaster) -> None:
    """-9999.9 is -9999.900390625 in float32."""
    z = _hills()
    z[:2] = -9999.9
    for kind in ("float32", "float64"):
        seen = _seen(raster("dem.tif", z.astype(kind)))
        assert seen.count == 18 * 30 and seen.low_m > 300
        assert "60 cells hold -9999.9" in seen.doubts[0]


@pytest.mark.parametrize("numbers", [(-9999, -10000), (-9999, -9998.25), (-32768, -32767), (-10003.5, -9999, -9995)])
def test_numbers_side_by_side_without_a_tag(raster: MakeRaster, numbers: tuple[float, ...]) -> None:
    """They do not hide each other; beside -9999 lie what an interpolation made of it."""
    z = _hills()
    z[0, : len(numbers)], z[1] = numbers, numbers[0]
    seen = _seen(raster("dem.tif", z.astype("float32")))
    assert seen.count == 19 * 30 - len(numbers) and seen.low_m > 300
    assert f"{30 + len(numbers)} cells hold {len(numbers)} numbers from {min(numbers):g} to {max(numbers):g}" in seen.doubts[0]
    assert np.isnan(seen.dem.read(Window(0, 0, 2, 30))).sum() == 30 + len(numbers)


def test_many_numbers_side_by_side_are_doubted_and_kept(raster: MakeRaster) -> None:
    z = _hills()
    z[0] = np.linspace(-9999, -9950, 30)
    seen = _seen(raster("dem.tif", z.astype("float32")))
    assert seen.count == z.size
    assert "heights from -9999 to -9950" in seen.doubts[0]


def test_a_deep_sea_is_no_sentinel(raster: MakeRaster) -> None:
    """Depths down to -9999 m, without a step of a hundred metres anywhere."""
    z = np.linspace(-9999, 200, 600).reshape(20, 30)
    seen = _seen(raster("dem.tif", z))
    assert seen.count == 600
    assert not any("-9999" in doubt for doubt in seen.doubts)


def test_zero_far_below_the_land_is_doubted_and_kept(raster: MakeRaster) -> None:
    z = _hills()
    z[:, :5] = 0
    seen = _seen(raster("dem.tif", z))
    assert seen.count == z.size
    assert "--nodata 0" in seen.doubts[0]
    told = _seen(raster("dem.tif", z), nodata=0)
    assert told.count == z.size - 100 and told.doubts == ()


def test_a_coast_is_not_doubted(raster: MakeRaster) -> None:
    assert _seen(raster("dem.tif", np.maximum(_hills(low=-120.0), 0.0))).low_m == 0.0
    assert _seen(raster("dem.tif", np.maximum(_hills(low=-120.0), 0.0))).doubts == ()


def test_the_nodata_told_comes_first(raster: MakeRaster) -> None:
    z = _hills()
    z[2, 2] = -5.0
    seen = _seen(raster("dem.tif", z, nodata=-9999.0), nodata=-5)
    assert seen.count == z.size - 1
    assert any("in place of the file's -9999" in note for note in seen.dem.notes)


def test_infinite_heights(raster: MakeRaster) -> None:
    z = _hills()
    z[0, 0], z[0, 1], z[0, 2] = np.inf, -np.inf, -3.4e38
    seen = _seen(raster("dem.tif", z))
    assert seen.count == z.size - 3
    assert seen.doubts == ("3 cells are infinite or beyond 1e30: taken for no height",)


# ---- doubts


def test_level_ground(raster: MakeRaster) -> None:
    assert "all heights are 5 m" in _seen(raster("dem.tif", np.full((5, 5), 5.0))).doubts[0]


def test_steps_of_whole_metres(raster: MakeRaster) -> None:
    row, col = np.indices((40, 40))
    gentle = 100 + 0.05 * row + 0.03 * col
    assert "steps of 1 m" in _seen(raster("dem.tif", np.round(gentle).astype("int16"))).doubts[0]
    assert _seen(raster("fine.tif", gentle)).doubts == ()


def test_large_cells(raster: MakeRaster) -> None:
    place = Affine(5000.0, 0, 500000, 0, -5000.0, 4600000)
    assert "cells of 5 km" in _seen(raster("dem.tif", _hills(), place)).doubts[0]


def test_web_mercator_is_not_true_to_scale(raster: MakeRaster) -> None:
    place = Affine(30.0, 0, 1_000_000, 0, -30.0, 8_399_738)  # 60 degrees north: half as long on the ground
    doubts = _seen(raster("dem.tif", _hills(), place, crs="EPSG:3857")).doubts
    assert "a length of 1 on the map is 0.5" in doubts[0]
    assert "too gentle" in doubts[0]


def test_a_picture_of_a_dem(raster: MakeRaster) -> None:
    assert any("hillshade" in doubt for doubt in _seen(raster("dem.tif", np.round(_hills(low=0.0)).astype("uint8"))).doubts)


def test_one_of_several_bands(raster: MakeRaster) -> None:
    path = raster("dem.tif", np.stack([np.zeros((20, 30)), _hills()]))
    assert "band 1 of 2" in _open(path).notes
    assert _seen(path, band=2).low_m == pytest.approx(_hills().min())
    _fault(lambda: _open(path, band=3), "no band 3")


def test_heights_in_a_unit_far_too_small(raster: MakeRaster) -> None:
    """Millimetres of low hills pass for mountains; their slopes do not."""
    row, col = np.indices((30, 30))
    z = 100.0 * ((7 * row + 11 * col) % 13)
    assert any("--z-unit" in doubt for doubt in _seen(raster("dem.tif", z)).doubts)


# ---- faults


def test_degrees_taken_for_metres(raster: MakeRaster) -> None:
    _fault(lambda: _open(raster("dem.tif", _hills(), DEGREES, crs="EPSG:32612")), "degrees taken for metre")


def test_large_degrees_taken_for_metres(raster: MakeRaster) -> None:
    """Cells of half a degree could be half metres, but for their slopes."""
    place = Affine(0.5, 0, -120.0, 0, -0.5, 45.0)
    z = np.random.default_rng(1).uniform(0, 2000, (20, 30))
    _fault(lambda: _seen(raster("dem.tif", z, place, crs="EPSG:32612")), "degrees taken for metres")
    small = _seen(raster("small.tif", _hills() / 1000, place, crs="EPSG:32612"))  # a model in a sand box
    assert small.count == 600


def test_metres_taken_for_degrees(raster: MakeRaster) -> None:
    _fault(lambda: _open(raster("dem.tif", _hills(), crs="EPSG:4326")), "metres taken for degrees")


def test_beyond_the_poles(raster: MakeRaster) -> None:
    _fault(lambda: _open(raster("dem.tif", _hills(), Affine(1.0, 0, 0, 0, -1.0, 95.0), crs="EPSG:4326")), "beyond the poles")
    half = _open(raster("half.tif", np.ones((181, 4)), Affine(1.0, 0, 0, 0, -1.0, 90.5), crs="EPSG:4326"))
    assert np.isnan(half.cells.dx_m[0])


def test_longitudes_from_0_to_360(raster: MakeRaster) -> None:
    assert _open(raster("dem.tif", np.ones((10, 360)), Affine(1.0, 0, 0, 0, -1.0, 10.0), crs="EPSG:4326")).shape == (10, 360)


def test_rotated(raster: MakeRaster) -> None:
    _fault(lambda: _open(raster("dem.tif", _hills(), Affine(10.0, 2.0, 0, 2.0, -10.0, 0))), "rotated")


@pytest.mark.parametrize("shape", [(1, 20), (20, 1)])
def test_a_single_row_or_column(raster: MakeRaster, shape: tuple[int, int]) -> None:
    _fault(lambda: _open(raster("dem.tif", np.ones(shape))), "no slope")


def test_nothing_but_nodata(raster: MakeRaster) -> None:
    _fault(lambda: _seen(raster("dem.tif", np.full((5, 6), -9999.0), nodata=-9999.0)), "no height in any of 30 cells")
    _fault(lambda: _seen(raster("dem.tif", np.full((5, 6), np.nan))), "no height in any of 30 cells")


def test_no_reference_system_or_place(raster: MakeRaster) -> None:
    _fault(lambda: _open(raster("dem.tif", _hills(), crs=None)), "no coordinate reference system")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = raster("none.tif", _hills(), Affine.identity())
        _fault(lambda: _open(path), "no geotransform")


def test_what_is_no_height(raster: MakeRaster) -> None:
    _fault(lambda: _open(raster("dem.tif", _hills().astype("complex64"))), "complex64")
    _fault(lambda: _open(Path("missing.tif")), "no such file")
    _fault(lambda: _open(raster("dem.tif", _hills().astype("uint8")), nodata=-9999), "nodata -9999 cannot occur")


def test_impossible_heights_without_a_known_cause(raster: MakeRaster) -> None:
    z = _hills()
    z[0, 0] = 1e6
    _fault(lambda: _seen(raster("dem.tif", z)), "1e+06 m")


def test_several_faults_at_once(raster: MakeRaster) -> None:
    path = raster("dem.tif", np.ones((1, 5)), DEGREES, crs="EPSG:32612", units=["furlong"])
    with pytest.raises(RasterError) as caught:
        _open(path)
    assert len(caught.value.faults) == 3


def test_a_file_that_was_cut_short(raster: MakeRaster) -> None:
    path = raster("dem.tif", _hills(200, 300))
    path.write_bytes(path.read_bytes()[:-5000])
    _fault(lambda: _open(path), "cut short")


def test_the_dem_is_not_changed(raster: MakeRaster) -> None:
    path = raster("dem.tif", _hills())
    before = path.read_bytes()
    _seen(path)
    assert path.read_bytes() == before
    with rasterio.open(path) as file:
        assert file.nodata is None
