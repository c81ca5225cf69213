"""Maps as files: what was written is read back by other programs' eyes."""

from __future__ import annotations

import hashlib
import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib
import numpy as np
import pystac
import pystac.validation
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from odc.geo.geobox import GeoBox
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from rasterio.errors import RasterioIOError
from rio_cogeo.cogeo import cog_validate
from shapely.geometry import shape

from edaphic.covariates.band_statistics import reason
from edaphic.covariates.grid import Window, windows
from edaphic.errors import GridError, RasterError
from edaphic.mapping import write as module
from edaphic.mapping.stac import UNKNOWN_PERIOD, footprint, statistics_of
from edaphic.mapping.style import RAMPS
from edaphic.mapping.write import (
    BandWriter,
    MapInfo,
    create,
    finish_cog,
    publish,
    statistics,
    write_catalog,
    write_stac_item,
    write_style,
)

INFO = MapInfo(
    name="soc_stock_mean_0-30cm",
    title="SOC stock, 0-30 cm, mean",
    unit="kg/m2",
    description="Mean of the forest's predictions",
    tags={"EDAPHIC_SEED": "7", "PRODUCT": "demo", "LAYER": "0-30 cm", "STATISTIC": "mean", "VERSION": "0.1.0"},
    period=(1985, 2015),
)
CUSTOM = "+proj=laea +lat_0=-20 +lon_0=20 +datum=WGS84 +units=m +no_defs"


def grid_of(height: int, width: int, crs: str = "EPSG:3035") -> GeoBox:
    step = 0.01 if crs == "EPSG:4326" else 100.0
    left, top = (10.0, 50.0) if crs == "EPSG:4326" else (4_321_000.0, 3_210_000.0)
    return GeoBox((height, width), Affine(step, 0.0, left, 0.0, -step, top), crs)


def numbered(height: int, width: int) -> np.ndarray:
    """Cells numbered 1..n."""
    return np.arange(1, height * width + 1, dtype=np.float32).reshape(height, width)


def working_file(path: Path, grid: GeoBox, values: np.ndarray, size: int = 256, backwards: bool = False) -> Path:
    with BandWriter(path, grid) as band:
        for window in sorted(windows(grid, size), reverse=backwards):
            rows, cols = slice(window.row, window.row + window.height), slice(window.col, window.col + window.width)
            band.write(window, values[rows, cols])
    return path


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A finished map of 700 x 1100 numbered cells, of which the upper left quarter has no value."""
    grid, values = grid_of(700, 1100), numbered(700, 1100)
    values[:350, :550] = np.nan
    final = tmp_path / f"{INFO.name}.tif"
    publish(working_file(tmp_path / "work.tif", grid, values), final, INFO, grid)
    return final


# ---- the file ----


def test_a_numbered_raster_comes_back_cell_for_cell(finished: Path) -> None:
    values = numbered(700, 1100)
    values[:350, :550] = np.nan
    with rasterio.open(finished) as dataset:
        np.testing.assert_array_equal(dataset.read(1), values)
        assert dataset.crs.to_epsg() == 3035
        assert dataset.transform == grid_of(700, 1100).affine
        assert np.isnan(dataset.nodata)
        assert dataset.dtypes == ("float32",)


def test_the_map_is_a_valid_cloud_optimised_geotiff(finished: Path) -> None:
    valid, errors, warnings = cog_validate(finished, strict=True)
    assert valid and not errors and not warnings
    with rasterio.open(finished) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "3"
        assert dataset.compression.name == "deflate"
        assert dataset.block_shapes == [(512, 512)]
        assert dataset.overviews(1) == [2, 4]


def test_the_map_says_what_it_is(finished: Path) -> None:
    with rasterio.open(finished) as dataset:
        assert dataset.units == ("kg/m2",)
        assert dataset.descriptions == (INFO.title,)
        assert dataset.scales == (1.0,) and dataset.offsets == (0.0,)
        tags = dataset.tags()
        assert {key: tags[key] for key in INFO.tags} == dict(INFO.tags)
        assert (tags["UNIT"], tags["DESCRIPTION"]) == ("kg/m2", INFO.description)


def test_overviews_average_the_cells_that_have_a_value(tmp_path: Path) -> None:
    grid, values = grid_of(1024, 1024), np.ones((1024, 1024), dtype=np.float32)
    values[0, :4] = [np.nan, 3.0, np.nan, np.nan]
    values[1, :4] = [5.0, np.nan, np.nan, np.nan]
    final = tmp_path / "map.tif"
    finish_cog(working_file(tmp_path / "work.tif", grid, values), final, INFO)
    with rasterio.open(final, overview_level=0) as dataset:
        coarse = dataset.read(1)
    assert coarse[0, 0] == 4.0  # of 3 and 5; the two empty cells do not count
    assert np.isnan(coarse[0, 1])
    assert coarse[5, 5] == 1.0


def test_statistics_of_one_to_n(tmp_path: Path) -> None:
    n = 600 * 40
    found = statistics(working_file(tmp_path / "work.tif", grid_of(600, 40), numbered(600, 40)))
    assert (found.count, found.minimum, found.maximum) == (n, 1.0, n)
    assert found.mean == pytest.approx((n + 1) / 2, rel=1e-14)
    assert found.stddev == pytest.approx(np.sqrt((n**2 - 1) / 12), rel=1e-14)


def test_statistics_stand_in_the_file_and_in_the_item(finished: Path) -> None:
    found = statistics(finished)
    assert found.count == 700 * 1100 * 3 // 4
    with rasterio.open(finished) as dataset:
        tags = dataset.tags(1)
    band = json.loads(finished.with_suffix(".json").read_text())["assets"]["data"]["bands"][0]
    assert float(tags["STATISTICS_MEAN"]) == band["statistics"]["mean"] == found.mean
    assert float(tags["STATISTICS_MAXIMUM"]) == band["statistics"]["maximum"] == 700 * 1100
    assert band["statistics"]["valid_percent"] == 75.0


@pytest.mark.parametrize("encoding", ["float32", "int16"])
def test_a_map_without_any_value_is_a_map_with_a_style_and_an_item(tmp_path: Path, encoding: str) -> None:
    create(tmp_path / "work.tif", grid_of(20, 30))
    final = tmp_path / "map.tif"
    found = publish(tmp_path / "work.tif", final, INFO, grid_of(20, 30), encoding=encoding)
    assert found.count == 0 and statistics_of(final) == {}
    assert cog_validate(final, quiet=True)[0]
    renderer = ET.parse(final.with_suffix(".qml")).find("pipe/rasterrenderer")
    assert renderer is not None and (renderer.get("classificationMin"), renderer.get("classificationMax")) == ("0.0", "1.0")
    with rasterio.open(final) as dataset:
        assert dataset.read(1, masked=True).mask.all()


def test_a_map_without_any_value_has_no_statistics(tmp_path: Path) -> None:
    grid, work, final = grid_of(20, 30), tmp_path / "work.tif", tmp_path / "map.tif"
    create(work, grid)
    assert work.stat().st_size < 2000  # nothing is stored until it is written
    found = finish_cog(work, final, INFO)
    write_stac_item(final, INFO, grid)
    assert found.count == 0 and np.isnan(found.mean)
    assert "statistics" not in json.loads(final.with_suffix(".json").read_text())["assets"]["data"]["bands"][0]
    with rasterio.open(final) as dataset:
        assert np.isnan(dataset.read(1)).all()


def test_bytes_depend_on_the_values_alone(tmp_path: Path) -> None:
    """Neither the size nor the order of the windows, nor the name of the working file, nor a second run shows."""
    grid = grid_of(520, 300)
    values = np.random.default_rng(5).gamma(2.0, 3.0, (520, 300)).astype(np.float32)
    values[values < 1.0] = np.nan
    found = []
    for number, (size, backwards) in enumerate([(256, False), (256, True), (100, False), (512, False)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        final = folder / f"{INFO.name}.tif"
        publish(working_file(folder / f"w{number}.tif", grid, values, size, backwards), final, INFO, grid)
        found.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())])
    assert all(hashes == found[0] for hashes in found)
    assert len(found[0]) == 4


def test_nothing_but_the_finished_files_is_left(finished: Path) -> None:
    assert sorted(path.name for path in finished.parent.iterdir()) == [
        f"{INFO.name}.json",
        f"{INFO.name}.qml",
        f"{INFO.name}.sld",
        f"{INFO.name}.tif",
    ]


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32634", CUSTOM, "ESRI:102001"])
def test_the_crs_survives_and_a_writer_takes_its_file_up_again(tmp_path: Path, crs: str) -> None:
    grid, path = grid_of(4, 5, crs), tmp_path / "work.tif"
    with BandWriter(path, grid) as band:
        band.write(Window(0, 0, 2, 5), numbered(2, 5))
    with BandWriter(path, grid) as band:
        band.write(Window(2, 0, 2, 5), numbered(2, 5))
    finish_cog(path, tmp_path / "map.tif", INFO)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), np.vstack([numbered(2, 5)] * 2))
        assert module.same_grid(dataset, grid)
        assert not module.same_grid(dataset, grid_of(4, 5, "EPSG:3857"))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 70), width=st.integers(1, 70), size=st.integers(1, 80), seed=st.integers(0, 99))
def test_any_shape_and_window_comes_back(tmp_path: Path, height: int, width: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(height, width)).astype(np.float32)
    values[rng.random((height, width)) < 0.3] = np.nan
    final = tmp_path / "map.tif"
    finish_cog(working_file(tmp_path / "work.tif", grid_of(height, width), values, size), final, INFO)
    with rasterio.open(final) as dataset:
        np.testing.assert_array_equal(dataset.read(1), values)


# ---- beside the file ----


def test_the_item_reads_back_and_its_files_are_there(finished: Path) -> None:
    item = pystac.Item.from_file(str(finished.with_suffix(".json")))
    assert item.id == INFO.name
    assert item.to_dict()["stac_version"] == "1.1.0"
    assert item.datetime is None
    assert item.common_metadata.start_datetime.year == 1985
    assert item.common_metadata.end_datetime.year == 2015
    assert item.properties["edaphic:seed"] == "7"
    for asset in item.assets.values():
        assert asset.href.startswith("./")
        assert Path(asset.get_absolute_href()).is_file()
    assert item.assets["data"].roles == ["data"]
    assert item.assets["data"].media_type == pystac.MediaType.COG
    assert item.assets["style"].href == f"./{INFO.name}.qml"
    assert item.assets["sld"].href == f"./{INFO.name}.sld"


def test_the_item_describes_grid_band_and_file(finished: Path) -> None:
    item = pystac.Item.from_file(str(finished.with_suffix(".json")))
    projection = ProjectionExtension.ext(item)
    assert projection.code == "EPSG:3035"
    assert projection.shape == [700, 1100]
    assert projection.transform == [100.0, 0.0, 4_321_000.0, 0.0, -100.0, 3_210_000.0]
    assert projection.bbox == [4_321_000.0, 3_140_000.0, 4_431_000.0, 3_210_000.0]
    asset = item.assets["data"]
    assert FileExtension.ext(asset).size == finished.stat().st_size
    assert FileExtension.ext(asset).checksum == "1220" + hashlib.sha256(finished.read_bytes()).hexdigest()
    band = asset.to_dict()["bands"][0]
    assert (band["data_type"], band["nodata"], band["unit"]) == ("float32", "nan", "kg/m2")


def test_the_item_meets_the_schema(finished: Path) -> None:
    """Of STAC 1.1 itself, as it comes with pystac; the schemas of the extensions lie on the network."""
    pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    write_catalog(finished.parent, [finished])
    for kind, path in (("Feature", finished.with_suffix(".json")), ("Catalog", finished.parent / "catalog.json")):
        document = json.loads(path.read_text())
        assert document["type"] == kind
        document["stac_extensions"] = []
        assert pystac.validation.validate_dict(document)


def test_without_a_period_the_item_says_so(finished: Path) -> None:
    undated = MapInfo(INFO.name, INFO.title, INFO.unit, INFO.description, INFO.tags, period=None)
    properties = json.loads(write_stac_item(finished, undated, grid_of(700, 1100)).read_text())["properties"]
    assert properties["datetime"] is None
    assert properties["edaphic:period"] == "unknown"
    assert properties["start_datetime"] == f"{UNKNOWN_PERIOD[0]}-01-01T00:00:00Z"
    assert properties["end_datetime"] == f"{UNKNOWN_PERIOD[1]}-12-31T23:59:59Z"
    assert "not known" in properties["edaphic:period_note"]


def test_a_crs_without_code_is_written_in_full(tmp_path: Path) -> None:
    grid, final = grid_of(4, 5, CUSTOM), tmp_path / "map.tif"
    finish_cog(working_file(tmp_path / "work.tif", grid, numbered(4, 5)), final, INFO)
    properties = json.loads(write_stac_item(final, INFO, grid).read_text())["properties"]
    assert properties["proj:code"] is None
    assert rasterio.crs.CRS.from_wkt(properties["proj:wkt2"]) == rasterio.crs.CRS.from_string(CUSTOM)
    assert properties["proj:projjson"]["type"] == "ProjectedCRS"


def test_the_catalogue_leads_to_every_item_and_file(tmp_path: Path) -> None:
    grid, items = grid_of(4, 5), []
    for name in ("b", "a"):
        info = MapInfo(name, f"map {name}", "kg/m2", "a test", {}, None)
        final = tmp_path / f"{name}.tif"
        publish(working_file(tmp_path / "work.tif", grid, numbered(4, 5)), final, info, grid)
        items.append(final)
    catalogue = pystac.Catalog.from_file(str(write_catalog(tmp_path, items)))
    found = list(catalogue.get_items())
    assert [item.id for item in found] == ["b", "a"]  # the order given
    assert all(Path(item.assets["data"].get_absolute_href()).is_file() for item in found)
    text = (tmp_path / "catalog.json").read_text() + "".join(path.with_suffix(".json").read_text() for path in items)
    assert str(tmp_path) not in text  # the folder can be moved
    for item in found:
        assert item.get_root().id == catalogue.id
        assert item.get_parent().id == catalogue.id


def test_the_style_has_the_structure_that_qgis_reads(finished: Path) -> None:
    text = finished.with_suffix(".qml").read_text()
    assert text.startswith("<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n<qgis ")
    renderer = ET.fromstring(text).find("pipe/rasterrenderer")
    assert renderer is not None
    assert (renderer.get("type"), renderer.get("band")) == ("singlebandpseudocolor", "1")
    shader = renderer.find("rastershader/colorrampshader")
    assert shader is not None and shader.get("colorRampType") == "INTERPOLATED"
    steps = shader.findall("item")
    values = [float(step.get("value", "nan")) for step in steps]
    assert (values[0], values[-1]) == (551.0, 770000.0)  # the map's smallest and largest value
    np.testing.assert_allclose(np.diff(values), np.diff(values)[0])
    assert [step.get("color") for step in steps] == list(RAMPS["sequential"])
    assert steps[-1].get("label") == "7.7e+05 kg/m2"
    facts = {prop.get("k"): prop.get("v", "") for prop in shader.findall("colorramp/prop")}
    assert facts["color1"] == "68,1,84,255" and facts["rampType"] == "gradient"
    assert facts["stops"].count(":") == 6
    legend = shader.find("rampLegendSettings")
    assert legend is not None and legend.get("suffix") == " kg/m2"


@pytest.mark.parametrize(
    ("name", "peer"), [("sequential", "viridis"), ("uncertainty", "cividis"), ("probability", "PuOr_r"), ("diverging", "BrBG")]
)
def test_ramps_are_those_of_matplotlib(name: str, peer: str) -> None:
    assert list(RAMPS[name]) == [to_hex(matplotlib.colormaps[peer](share)) for share in np.linspace(0.0, 1.0, 9)]


def test_a_constant_map_still_gets_a_rising_ramp(tmp_path: Path) -> None:
    text = write_style(tmp_path / "map.tif", INFO, 3.0, 3.0).read_text()
    shader = ET.fromstring(text).find("pipe/rasterrenderer/rastershader/colorrampshader")
    assert shader is not None
    assert (shader.get("minimumValue"), shader.get("maximumValue")) == ("2.5", "3.5")


# ---- outlines ----


def test_outline_of_a_geographic_grid_is_its_rectangle() -> None:
    geometry, bbox = footprint(grid_of(100, 200, "EPSG:4326"))
    assert bbox == [10.0, 49.0, 12.0, 50.0]
    assert shape(geometry).area == pytest.approx(2.0)
    assert shape(geometry).exterior.is_ccw


def test_edges_of_a_projected_grid_are_bent() -> None:
    """Across the central meridian of LAEA Europe the upper edge reaches further north than at its ends."""
    grid = GeoBox((10, 20), Affine(100_000.0, 0.0, 3_321_000.0, 0.0, -100_000.0, 4_210_000.0), "EPSG:3035")
    geometry, bbox = footprint(grid)
    upper = [lat for lon, lat in shape(geometry).exterior.coords if abs(lon - 10.0) < 1e-6]
    corners = [lat for lon, lat in shape(geometry).exterior.coords if lon == bbox[0] or lon == bbox[2]]
    assert bbox[3] == max(upper) > max(corners) + 1.0
    assert bbox[0] == pytest.approx(20.0 - bbox[2], abs=1e-6)  # symmetric about 10 degrees


def test_a_grid_across_the_antimeridian_becomes_two_polygons() -> None:
    grid = GeoBox((10, 20), Affine(1.0, 0.0, 170.0, 0.0, -1.0, 5.0), "EPSG:4326")
    geometry, bbox = footprint(grid)
    assert bbox == [170.0, -5.0, -170.0, 5.0]
    assert geometry["type"] == "MultiPolygon"
    assert sorted(part.bounds for part in shape(geometry).geoms) == [
        (-180.0, -5.0, -170.0, 5.0),
        (170.0, -5.0, 180.0, 5.0),
    ]


@pytest.mark.parametrize("west", [-180.0, 0.0])
def test_the_globe_is_the_globe(west: float) -> None:
    geometry, bbox = footprint(GeoBox((180, 360), Affine(1.0, 0.0, west, 0.0, -1.0, 90.0), "EPSG:4326"))
    assert bbox == [-180.0, -90.0, 180.0, 90.0]
    assert shape(geometry).area == 360.0 * 180.0


def test_a_grid_around_the_pole_reaches_it() -> None:
    grid = GeoBox((40, 40), Affine(100_000.0, 0.0, -2e6, 0.0, -100_000.0, 2e6), "EPSG:3413")
    _, bbox = footprint(grid)
    assert (bbox[0], bbox[2], bbox[3]) == (-180.0, 180.0, 90.0)
    assert 60.0 < bbox[1] < 75.0


def test_corners_off_the_globe_are_left_out() -> None:
    grid = GeoBox((18, 36), Affine(1e6, 0.0, -1.8e7, 0.0, -1e6, 9e6), "+proj=moll +datum=WGS84")
    geometry, bbox = footprint(grid)
    assert bbox[0] < -150.0 and bbox[2] > 150.0 and bbox[3] > 80.0
    assert shape(geometry).is_valid


# ---- faults ----


def test_a_grid_without_crs_is_refused(tmp_path: Path) -> None:
    grid = GeoBox((2, 2), Affine(1.0, 0.0, 0.0, 0.0, -1.0, 2.0), None)
    with pytest.raises(GridError, match="no CRS"):
        create(tmp_path / "work.tif", grid)
    with pytest.raises(GridError, match="no CRS"):
        footprint(grid)


def test_a_working_file_of_another_grid_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "work.tif"
    create(path, grid_of(4, 5))
    with pytest.raises(RasterError, match="another grid"):
        BandWriter(path, grid_of(5, 4))
    half = Affine(100.0, 0.0, 4_321_050.0, 0.0, -100.0, 3_210_000.0)
    shifted = GeoBox((4, 5), half, "EPSG:3035")
    with pytest.raises(RasterError, match="another grid"):
        BandWriter(path, shifted)
    with pytest.raises(RasterError, match="another grid"):
        BandWriter(path, GeoBox((4, 5), grid_of(4, 5).affine, "EPSG:32634"))


def test_wrong_shapes_and_infinite_values_are_refused(tmp_path: Path) -> None:
    with BandWriter(tmp_path / "work.tif", grid_of(4, 5)) as band:
        with pytest.raises(RasterError, match=r"shape \(2, 2\)"):
            band.write(Window(0, 0, 2, 3), np.ones((2, 2)))
        with pytest.raises(RasterError, match="infinite"):
            band.write(Window(0, 0, 2, 2), np.full((2, 2), np.inf))


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match=r"nowhere\.tif"):
        finish_cog(tmp_path / "nowhere.tif", tmp_path / "map.tif", INFO)
    with pytest.raises(RasterError, match=r"work\.tif: cannot be written"):
        create(tmp_path / "no folder" / "work.tif", grid_of(2, 2))
    with pytest.raises(RasterError, match="no such file"):
        write_stac_item(tmp_path / "nowhere.tif", INFO, grid_of(2, 2))
    work = working_file(tmp_path / "work.tif", grid_of(4, 5), numbered(4, 5))
    with pytest.raises(RasterError, match=r"map\.tif: cannot be written"):
        finish_cog(work, tmp_path / "no folder" / "map.tif", INFO)
    assert work.is_file()  # what was computed is not lost


def test_a_copy_that_differs_never_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, final = working_file(tmp_path / "work.tif", grid_of(4, 5), numbered(4, 5)), tmp_path / "map.tif"
    working_file(tmp_path / "other.tif", grid_of(4, 5), numbered(4, 5) + 1)
    true_copy = rasterio.shutil.copy
    monkeypatch.setattr(
        rasterio.shutil, "copy", lambda source, *rest, **kw: true_copy(tmp_path / "other.tif", *rest, **kw)
    )
    with pytest.raises(RasterError, match="differs from what was computed"):
        finish_cog(work, final, INFO)
    assert not final.exists() and work.exists()
    assert not list(tmp_path.glob("*.part*"))


def test_style_limits_must_be_numbers_in_order(tmp_path: Path) -> None:
    for limits in ((2.0, 1.0), (np.nan, 1.0), (0.0, np.inf)):
        with pytest.raises(RasterError, match="two finite numbers"):
            write_style(tmp_path / "map.tif", INFO, *limits)


def test_the_catalogue_names_every_faulty_item(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "maps").mkdir()
    faulty = [tmp_path / "broken.json", tmp_path / "missing.json", tmp_path / "maps" / "elsewhere.json"]
    with pytest.raises(RasterError) as caught:
        write_catalog(tmp_path, faulty)
    assert [path.name in fault for path, fault in zip(faulty, caught.value.faults, strict=True)] == [True] * 3
    assert not (tmp_path / "catalog.json").exists()


@pytest.mark.parametrize("harm", ["a block without values", "cut short"])
def test_what_did_not_reach_the_file_is_found_when_it_is_closed(tmp_path, harm):
    """GDAL says nothing where the disk is full while a file is closed; cells would be empty in the map."""
    path, grid = tmp_path / "work.tif", grid_of(300, 300)
    values = np.random.default_rng(1).random((300, 300), dtype=np.float32)
    values[:40] = np.nan
    band = BandWriter(path, grid)
    for window in (Window(0, 0, 256, 300), Window(256, 0, 44, 300)):
        band.write(window, values[window.slices])
    band.close()  # all is there
    band = BandWriter(path, grid)
    band.write(Window(256, 0, 44, 300), values[256:])
    real = band._dataset

    class Full:
        def close(self) -> None:
            real.close()
            if harm == "cut short":
                os.truncate(path, path.stat().st_size - 100_000)
                return
            with rasterio.open(path, "r+") as file:
                file.write(np.full((44, 44), np.nan, np.float32), 1, window=((256, 300), (256, 300)))

    band._dataset = Full()
    with pytest.raises(RasterError, match=r"work\.tif: cannot be written \(.*\); expected a disk with room that keeps what is written"):
        band.close()


def test_of_a_refused_write_the_disk_is_suspected(tmp_path):
    odd = RasterioIOError("TIFFRewriteDirectory:Error fetching directory count")
    assert reason(odd, tmp_path / "a.tif").endswith("directory count: is the disk full?")
    assert reason(RasterioIOError("not recognized"), tmp_path / "a.tif") == "not recognized"
