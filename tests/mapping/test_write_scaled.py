"""Maps as whole numbers, classes, periods: what is stored, what is said of it, and what a full disk leaves."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pystac
import pystac.validation
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rio_cogeo.cogeo import cog_validate

from edaphic import covariates
from edaphic.covariates import Source
from edaphic.covariates.band import Words, create, finish
from edaphic.covariates.grid import Window, windows
from edaphic.errors import RasterError
from edaphic.mapping import stac, write
from edaphic.mapping.encoding import LARGEST, NODATA, Coding, coding_for
from edaphic.mapping.info import APPLICABILITY, MapInfo, words_of
from edaphic.mapping.write import BandWriter, finish_cog, publish, statistics, style_together, write_catalog

INFO = MapInfo("soc_stock_mean_0-30cm", "SOC stock, 0-30 cm, mean", "kg/m2", "Mean", {"EDAPHIC_MODEL_SHA256": "ab" * 32}, (1990, 2000))
INSIDE = replace(INFO, name="soc_stock_applicability_0-60cm", unit="1", colours="classes", classes=APPLICABILITY)


def grid_of(height: int, width: int) -> GeoBox:
    return GeoBox((height, width), Affine(100.0, 0.0, 4_321_000.0, 0.0, -100.0, 3_210_000.0), "EPSG:3035")


def working(
    path: Path, values: np.ndarray, size: int = 256, seed: int | None = None, dtype: str = "float32", nodata: float = np.nan
) -> Path:
    grid = grid_of(*values.shape)
    places = list(windows(grid, size))
    if seed is not None:
        np.random.default_rng(seed).shuffle(places)
    with BandWriter(path, grid, dtype, nodata) as band:
        for place in places:
            band.write(place, values[place.slices])
    return path


def stocks(height: int = 700, width: int = 1100) -> np.ndarray:
    """Smooth and noisy numbers from 0.2 to some 25, a corner of them missing."""
    rng = np.random.default_rng(3)
    rows, cols = np.mgrid[0:height, 0:width]
    values = (8.0 + 5.0 * np.sin(cols / 90.0) * np.cos(rows / 70.0) + rng.gamma(2.0, 0.9, (height, width))).astype(np.float32)
    values[: height // 3, : width // 2] = np.nan
    return values


# ---- whole numbers ----


def test_stored_numbers_are_within_half_a_step_of_the_values(tmp_path: Path) -> None:
    values, final = stocks(), tmp_path / "map.tif"
    found = publish(working(tmp_path / "work.tif", values), final, INFO, grid_of(700, 1100), encoding="int16")
    with rasterio.open(final) as file:
        stored, scale, offset = file.read(1), file.scales[0], file.offsets[0]
        assert (file.dtypes, file.nodata, file.units) == (("int16",), NODATA, ("kg/m2",))
        assert (scale, offset) == (0.001, 0.0)  # 32.767 is the most that thousandths reach
        error = float(file.tags()["EDAPHIC_ROUNDING_ERROR"])
    np.testing.assert_array_equal(stored == NODATA, np.isnan(values))
    known = ~np.isnan(values)
    departure = np.abs(stored[known] * scale + offset - values[known].astype(np.float64))
    assert error == 0.0005 and departure.max() <= error * (1 + 1e-9)
    assert departure.max() > 0.9 * error  # it is the error, not a bound far above it
    assert found.minimum == stored[known].min() * scale and found.count == known.sum()


def test_our_reader_and_gdal_give_true_values(tmp_path: Path) -> None:
    values, final, grid = stocks(), tmp_path / "map.tif", grid_of(700, 1100)
    publish(working(tmp_path / "work.tif", values), final, INFO, grid, encoding="int16")
    read = covariates.open_layer(Source("soc", final), grid).read(Window(200, 300, 300, 400))
    np.testing.assert_allclose(read, values[200:500, 300:700], atol=0.0005001)
    np.testing.assert_array_equal(np.isnan(read), np.isnan(values[200:500, 300:700]))
    with rasterio.open(final) as file:
        assert file.scales == (0.001,)
        raw = file.read(1, masked=True)
    assert np.ma.allclose(raw * 0.001, np.ma.masked_invalid(values), atol=0.0005001)


@pytest.mark.parametrize("encoding", ["float32", "int16"])
@pytest.mark.parametrize("info", [INFO, INSIDE], ids=["numbers", "classes"])
def test_maps_are_valid_cloud_optimised_geotiffs(tmp_path: Path, encoding: str, info: MapInfo) -> None:
    values = stocks() if not info.classes else np.where(np.isnan(stocks()), np.nan, stocks() > 9.0).astype(np.float32)
    final = tmp_path / "map.tif"
    publish(working(tmp_path / "work.tif", values), final, info, grid_of(700, 1100), encoding=encoding)
    valid, errors, warnings = cog_validate(final, strict=True)
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(final) as file:
        assert file.dtypes == (encoding,)
        assert file.overviews(1) == [2, 4]


def test_codes_of_one_byte_are_valid_too(tmp_path: Path) -> None:
    codes = np.random.default_rng(1).integers(1, 9, (700, 1100)).astype(np.float32)
    codes[:100] = np.nan
    final = tmp_path / "zones.tif"
    finish(working(tmp_path / "work.tif", codes, dtype="uint8", nodata=0.0), final, Words("1", "zones", classes=True))
    assert cog_validate(final, strict=True) == (True, [], [])
    with rasterio.open(final, overview_level=0) as file:
        assert set(np.unique(file.read(1))) <= set(range(9))


def test_overviews_of_whole_numbers_are_rounded_means_of_the_cells_that_have_a_value(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    values = (rng.integers(-30000, 30000, (1024, 1024)) * 0.001).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = np.nan
    final = tmp_path / "map.tif"
    publish(working(tmp_path / "work.tif", values), final, INFO, grid_of(1024, 1024), encoding="int16")
    with rasterio.open(final) as file:
        stored = file.read(1).astype(np.float64)
    stored[stored == NODATA] = np.nan
    four = stored.reshape(512, 2, 512, 2).transpose(0, 2, 1, 3).reshape(512, 512, 4)
    known = (~np.isnan(four)).sum(axis=2)
    mean = np.nansum(four, axis=2) / np.where(known, known, np.nan)
    with rasterio.open(final, overview_level=0) as file:
        coarse = file.read(1).astype(np.float64)
    np.testing.assert_array_equal(coarse == NODATA, known == 0)
    assert np.abs(coarse - mean)[known > 0].max() <= 0.5 + 1e-9


def test_overviews_of_classes_hold_only_the_classes(tmp_path: Path) -> None:
    inside = (np.random.default_rng(2).random((1024, 1024)) < 0.5).astype(np.float32)
    final = tmp_path / "map.tif"
    publish(working(tmp_path / "work.tif", inside), final, INSIDE, grid_of(1024, 1024))
    with rasterio.open(final, overview_level=0) as file:
        assert set(np.unique(file.read(1))) == {0.0, 1.0}


@settings(max_examples=200, deadline=None)
@given(low=st.floats(-(2.0**127), 2.0**127, width=32), high=st.floats(-(2.0**127), 2.0**127, width=32))
def test_any_range_fits_and_half_a_step_is_the_error(low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    coding = coding_for(low, high)
    between = np.linspace(0.0, 1.0, 41)
    values = np.clip(low * (1.0 - between) + high * between, low, high)
    steps = np.rint((values - coding.offset) / coding.scale)
    assert np.abs(steps).max() <= LARGEST
    stored = coding.stored(values).astype(np.float64)
    # beside half a step, the rounding of the sum in double precision
    room = coding.error * (1 + 1e-9) + 4 * np.spacing(max(abs(low), abs(high)))
    assert np.abs(stored * coding.scale + coding.offset - values).max() <= room


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 32.767, Coding(0.001)),
        (0.0, 32.768, Coding(0.002)),
        (-65.534, 1.0, Coding(0.002)),
        (0.0, 0.0, Coding(1.0)),
        (3.25, 3.25, Coding(1.0, 3.25)),
        (0.0, 1.0, Coding(5e-05)),
        (-1e-6, 2e-6, Coding(1e-10)),
        (0.0, 3.2e38, Coding(1e34)),
    ],
)
def test_scales_by_hand(low: float, high: float, expected: Coding) -> None:
    assert coding_for(low, high) == expected


def test_a_narrow_map_far_from_zero_gets_an_offset(tmp_path: Path) -> None:
    values = np.linspace(1000.0, 1002.0, 400, dtype=np.float32).reshape(20, 20)
    publish(working(tmp_path / "work.tif", values), tmp_path / "map.tif", INFO, grid_of(20, 20), encoding="int16")
    with rasterio.open(tmp_path / "map.tif") as file:
        true = file.read(1) * file.scales[0] + file.offsets[0]
        assert file.offsets == (1001.0,) and file.scales == (5e-05,)
    np.testing.assert_allclose(true, values, atol=2.6e-05)


def test_tags_of_statistics_are_stored_numbers_and_ours_are_true_ones(tmp_path: Path) -> None:
    """GDAL and QGIS multiply the tags called STATISTICS by the scale, as they do with the cells."""
    values, final = stocks(), tmp_path / f"{INFO.name}.tif"
    publish(working(tmp_path / "work.tif", values), final, INFO, grid_of(700, 1100), encoding="int16")
    with rasterio.open(final) as file:
        tags = file.tags(1)
        cells = file.read(1)
        assert float(tags["STATISTICS_MAXIMUM"]) == cells[cells != NODATA].max()
    assert float(tags["EDAPHIC_MEAN"]) == pytest.approx(np.nanmean(values.astype(np.float64)), abs=1e-5)
    band = json.loads(final.with_suffix(".json").read_text())["assets"]["data"]["bands"][0]
    assert (band["data_type"], band["nodata"], band["raster:scale"], band["raster:offset"]) == ("int16", NODATA, 0.001, 0.0)
    assert band["edaphic:rounding_error"] == 0.0005
    assert band["statistics"]["mean"] == float(tags["EDAPHIC_MEAN"])
    assert band["statistics"]["valid_percent"] == pytest.approx(100.0 * np.isfinite(values).mean())
    style = ET.parse(final.with_suffix(".qml")).find("pipe/rasterrenderer/rastershader/colorrampshader")
    assert style is not None and float(style.get("maximumValue", "nan")) == band["statistics"]["maximum"]


@pytest.mark.parametrize("encoding", ["float32", "int16"])
def test_bytes_do_not_show_windows_order_or_threads(tmp_path: Path, encoding: str) -> None:
    values, found = stocks(), set()
    for number, (size, seed, threads) in enumerate([(256, None, 1), (256, 4, 2), (97, 5, 3), (1200, None, 0)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        final = folder / f"{INFO.name}.tif"
        publish(working(folder / f"w{number}.tif", values, size, seed), final, INFO, grid_of(700, 1100), encoding=encoding, threads=threads)
        assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".qml", ".sld", ".tif"]
        found.add(tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())))
    assert len(found) == 1


def test_an_empty_map_of_whole_numbers(tmp_path: Path) -> None:
    create(tmp_path / "work.tif", grid_of(20, 30))
    found = finish_cog(tmp_path / "work.tif", tmp_path / "map.tif", INFO, encoding="int16", grid=grid_of(20, 30))
    assert found.count == 0
    with rasterio.open(tmp_path / "map.tif") as file:
        assert (file.read(1) == NODATA).all()


@pytest.mark.parametrize("value", [0.0, 3.25])
def test_a_map_of_one_value_is_not_rounded_and_says_so(tmp_path: Path, value: float) -> None:
    final = tmp_path / "map.tif"
    publish(working(tmp_path / "work.tif", np.full((20, 30), value, dtype=np.float32)), final, INFO, grid_of(20, 30), encoding="int16")
    with rasterio.open(final) as file:
        assert (file.read(1) * file.scales[0] + file.offsets[0] == value).all()
        assert float(file.tags()["EDAPHIC_ROUNDING_ERROR"]) == 0.0
    band = json.loads(final.with_suffix(".json").read_text())["assets"]["data"]["bands"][0]
    assert band["edaphic:rounding_error"] == 0.0


def test_whole_numbers_need_the_grid(tmp_path: Path) -> None:
    work = working(tmp_path / "work.tif", stocks(20, 30))
    with pytest.raises(RasterError, match="no grid"):
        finish_cog(work, tmp_path / "map.tif", INFO, encoding="int16")


def test_statistics_do_not_depend_on_threads_or_width(tmp_path: Path) -> None:
    values = np.random.default_rng(5).gamma(2.0, 3.0, (30, 9000)).astype(np.float32)
    values[values < 1.0] = np.nan
    path = working(tmp_path / "work.tif", values)
    found = statistics(path)
    assert found == statistics(path, threads=3)
    known = values[np.isfinite(values)].astype(np.float64)
    assert (found.count, found.minimum, found.maximum) == (known.size, known.min(), known.max())
    assert (found.mean, found.stddev) == pytest.approx((known.mean(), known.std()), rel=1e-13)


# ---- beside the file ----


def test_classes_have_words_and_colours(tmp_path: Path) -> None:
    final = tmp_path / f"{INSIDE.name}.tif"
    publish(working(tmp_path / "work.tif", (stocks(40, 50) > 9.0).astype(np.float32)), final, INSIDE, grid_of(40, 50))
    renderer = ET.parse(final.with_suffix(".qml")).find("pipe/rasterrenderer")
    assert renderer is not None and renderer.get("type") == "paletted"
    entries = [(entry.get("value"), entry.get("label"), entry.get("color")) for entry in renderer.findall("colorPalette/paletteEntry")]
    assert entries == [("0", "outside", "#E69F00"), ("1", "inside", "#0072B2")]
    item = json.loads(final.with_suffix(".json").read_text())
    assert stac.CLASSIFICATION in item["stac_extensions"]
    classes = item["assets"]["data"]["classification:classes"]
    assert [(each["value"], each["name"], each["color_hint"]) for each in classes] == [(0, "outside", "E69F00"), (1, "inside", "0072B2")]


def test_a_map_of_one_class_or_none_is_no_fault(tmp_path: Path) -> None:
    final = tmp_path / f"{INSIDE.name}.tif"
    publish(working(tmp_path / "one.tif", np.ones((20, 30), np.float32)), final, INSIDE, grid_of(20, 30))
    create(tmp_path / "none.tif", grid_of(20, 30))
    publish(tmp_path / "none.tif", final, INSIDE, grid_of(20, 30))


def test_probabilities_have_the_same_colours_whatever_the_map(tmp_path: Path) -> None:
    told = words_of("p_above_5", "kg/m2")
    info = replace(INFO, name="soc_stock_p_above_5_0-30cm", unit="1", colours=told.colours, limits=told.limits)
    values = np.full((20, 30), 0.25, dtype=np.float32)
    publish(working(tmp_path / "work.tif", values), tmp_path / "map.tif", info, grid_of(20, 30))
    shader = ET.parse(tmp_path / "map.qml").find("pipe/rasterrenderer/rastershader/colorrampshader")
    assert shader is not None and (shader.get("minimumValue"), shader.get("maximumValue")) == ("0.0", "1.0")
    assert shader.findall("item")[4].get("label") == "0.5"  # a number without unit


def test_maps_of_several_periods_share_their_colours_and_have_catalogues(tmp_path: Path) -> None:
    maps = []
    for first, last, shift in ((1985, 1990, 0.0), (1990, 1995, 10.0)):
        info = replace(INFO, name=f"soc_stock_mean_0-30cm_{first}-{last}", period=(first, last))
        final = tmp_path / f"{info.name}.tif"
        publish(working(tmp_path / "work.tif", stocks(40, 50) + np.float32(shift)), final, info, grid_of(40, 50))
        maps.append((final, info))
    style_together(maps)
    limits = set()
    for path, _ in maps:
        shader = ET.parse(path.with_suffix(".qml")).find("pipe/rasterrenderer/rastershader/colorrampshader")
        assert shader is not None
        limits.add((shader.get("minimumValue"), shader.get("maximumValue")))
    known = stocks(40, 50)
    assert limits == {(repr(float(np.nanmin(known))), repr(float(np.nanmax(known + np.float32(10.0)))))}
    top = pystac.Catalog.from_file(str(write_catalog(tmp_path, [path for path, _ in maps], name="maps", title="A run")))
    assert [child.id for child in top.get_children()] == ["maps-1985-1990", "maps-1990-1995"]
    items = list(top.get_items(recursive=True))
    assert [item.common_metadata.start_datetime.year for item in items] == [1985, 1990]
    assert all(Path(item.assets["data"].get_absolute_href()).is_file() for item in items)
    assert {item.get_parent().id for item in items} == {"maps-1985-1990", "maps-1990-1995"}
    pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    for path in sorted(tmp_path.glob("*.json")):
        document = json.loads(path.read_text())
        document["stac_extensions"] = []
        assert pystac.validation.validate_dict(document)


def test_maps_of_one_period_need_no_second_catalogue(tmp_path: Path) -> None:
    info = replace(INFO, name="soc_stock_mean_0-30cm_1985-1990")
    publish(working(tmp_path / "work.tif", stocks(40, 50)), tmp_path / f"{info.name}.tif", info, grid_of(40, 50))
    write_catalog(tmp_path, [tmp_path / f"{info.name}.tif"])
    assert [path.name for path in tmp_path.glob("catalog*")] == ["catalog.json"]


@pytest.mark.parametrize(
    ("stat", "unit", "colours"),
    [
        ("mean", True, "sequential"),
        ("se", True, "uncertainty"),
        ("tree_se", True, "uncertainty"),
        ("q025", True, "sequential"),
        ("tree_q50", True, "sequential"),
        ("p_above_2.5", False, "probability"),
        ("applicability", False, "classes"),
        ("mc_mean", True, "sequential"),
        ("mc_sd", True, "uncertainty"),
        ("mc_q975", True, "sequential"),
    ],
)
def test_every_statistic_has_words(stat: str, unit: bool, colours: str) -> None:
    told = words_of(stat, "kg/m2")
    assert told.title and told.meaning.endswith(".")
    assert (told.own_unit, told.colours) == (unit, colours)


def test_an_unknown_statistic_has_none() -> None:
    with pytest.raises(KeyError):
        words_of("median")


# ---- what goes wrong ----


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("encoding", ["float32", "int16"])
@pytest.mark.parametrize("refused", ["copy", "style", "item", "encode"])
def test_a_refused_write_leaves_the_working_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, refused: str
) -> None:
    if refused == "encode" and encoding == "float32":
        pytest.skip("float32 maps are not encoded")
    work = working(tmp_path / "work.tif", stocks(40, 50))
    full = OSError(errno.ENOSPC, "No space left on device")

    def refuse(*_: object, **__: object) -> None:
        raise full

    owner, name = {
        "copy": (rasterio.shutil, "copy"),
        "style": (write, "write_style"),
        "item": (write, "write_stac_item"),
        "encode": (write.BandWriter, "write_stored"),
    }[refused]
    monkeypatch.setattr(owner, name, refuse)
    with pytest.raises(RasterError, match=r"map\.\w+: cannot be written \(No space left on device\)") as caught:
        publish(work, tmp_path / "map.tif", INFO, grid_of(40, 50), encoding=encoding)
    assert len(caught.value.faults) == 1
    assert _left(tmp_path) == ["work.tif"]
    monkeypatch.undo()
    publish(work, tmp_path / "map.tif", INFO, grid_of(40, 50), encoding=encoding)
    assert _left(tmp_path) == ["map.json", "map.qml", "map.sld", "map.tif"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False)
    except OSError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip("small disks cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a tmpfs")
@pytest.mark.parametrize("encoding", ["float32", "int16"])
def test_a_full_disk_is_told_in_one_line(small_disk: Path, tmp_path: Path, encoding: str) -> None:
    values = np.random.default_rng(1).normal(10.0, 2.0, (1024, 1024)).astype(np.float32)
    work = working(tmp_path / "work.tif", values)
    with pytest.raises(RasterError, match=r"disk/map\.tif: cannot be written \(.*\)$") as caught:
        publish(work, small_disk / "map.tif", INFO, grid_of(1024, 1024), encoding=encoding)
    assert "no space left on the disk" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert _left(small_disk) == [] and work.is_file()
    with pytest.raises(RasterError, match="no space left on the disk"):
        working(small_disk / "work.tif", values)
    os.unlink(small_disk / "work.tif")
    publish(work, tmp_path / "map.tif", INFO, grid_of(1024, 1024), encoding=encoding)
