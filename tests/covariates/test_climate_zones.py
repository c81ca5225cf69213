"""Climate zones: the half-open rule, names, missing values, thresholds, and units that cannot be."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from edaphic.covariates import Source, grid_from_bounds, grid_like
from edaphic.covariates.zones import CODES, ZONES, climate_doubts, climate_zones, write_climate_zones
from edaphic.errors import RasterError


def test_names_of_the_paper_and_neutral_codes():
    assert CODES == {1: "wet_warm", 2: "wet_cold", 3: "dry_cold", 4: "dry_warm"}
    assert {zone.number: zone.paper_name for zone in ZONES} == {1: "humid", 2: "semi-humid", 3: "semi-arid", 4: "arid"}


def test_a_place_on_a_limit_is_wetter_and_warmer():
    just = np.nextafter
    temperature = [10.0, just(10.0, 0), 10.0, just(10.0, 0)]
    rain = [400.0, 400.0, just(400.0, 0), just(400.0, 0)]
    assert climate_zones(temperature, rain).tolist() == [1, 2, 4, 3]
    assert climate_zones(np.float32(temperature[0]), np.float32(400)).item() == 1


def test_missing_is_none():
    found = climate_zones([[np.nan, 5.0], [np.inf, 20.0]], [[500.0, np.nan], [500.0, 100.0]])
    assert found.dtype == np.uint8 and found.tolist() == [[0, 0], [0, 4]]


def test_thresholds():
    assert climate_zones([8.0], [350.0], map_threshold_mm=300, mat_threshold_c=5).tolist() == [1]


@given(st.lists(st.tuples(st.floats(-40, 40), st.floats(0, 5000)), min_size=1, max_size=30))
def test_every_place_has_one_zone(places):
    temperature, rain = (np.array(part) for part in zip(*places, strict=True))
    found = climate_zones(temperature, rain)
    assert set(found.tolist()) <= set(CODES)
    assert np.array_equal(np.isin(found, [1, 2]), rain >= 400) and np.array_equal(np.isin(found, [1, 4]), temperature >= 10)


def test_faults():
    with pytest.raises(ValueError, match="one shape"):
        climate_zones([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="expected numbers"):
        climate_zones([1.0], [1.0], map_threshold_mm=np.nan)


@pytest.mark.parametrize(
    ("mat", "rain", "doubt"),
    [
        ([280.0, 290.0], [500.0], "kelvins"),
        ([-9999.0, 12.0], [500.0], "nodata"),
        ([120.0, -30.0], [500.0], "tenths"),
        ([12.0], [-9999.0, 500.0], "below 0"),
        ([12.0], [0.4, 1.2], "metres"),
        ([12.0], [65535.0], "nodata missing"),
    ],
)
def test_units_that_cannot_be(mat, rain, doubt):
    assert any(doubt in line for line in climate_doubts(mat, rain))
    assert climate_doubts([12.0, np.nan], [500.0, np.nan]) == []


def test_the_world(shared):
    """Known places of WorldClim: the zone that their climate says."""
    folder = shared / "data" / "global_coarse"
    with rasterio.open(folder / "wc2.1_10m_bio_1.tif") as one, rasterio.open(folder / "wc2.1_10m_bio_12.tif") as two:
        mat, rain = one.read(1, masked=True).astype(float).filled(np.nan), two.read(1, masked=True).astype(float).filled(np.nan)
        places = {(113.3, 23.1): "wet_warm", (127.0, 50.0): "wet_cold", (90.0, 35.0): "dry_cold", (10.0, 25.0): "dry_warm"}
        cells = {place: one.index(*place) for place in places}
    zones = climate_zones(mat, rain)
    assert {place: CODES[int(zones[cell])] for place, cell in cells.items()} == places
    assert climate_doubts(mat, rain) == [] and len(ZONES) == len(set(zones.ravel().tolist()) - {0})


def test_a_class_raster(raster, tmp_path):
    mat = Source("mat", raster("mat.tif", np.array([[10.0, 9.0], [9.0, np.nan]], dtype="float32")))
    rain = Source("map", raster("map.tif", np.array([[400.0, 400.0], [399.0, 800.0]], dtype="float32")))
    path, doubts = write_climate_zones(mat, rain, grid_like(mat.path), tmp_path / "made")
    with rasterio.open(path) as file:
        assert file.read(1).tolist() == [[1, 2], [3, 0]] and file.dtypes == ("uint8",) and file.nodata == 0
        assert file.tags()["CLASS_4"] == "dry_warm (arid)" and file.tags()["MAP_THRESHOLD_MM"] == "400"
    assert doubts == []
    _, doubts = write_climate_zones(rain, mat, grid_like(mat.path), tmp_path / "swapped")
    assert len(doubts) == 2
    nothing = Source("nan", raster("nan.tif", np.full((2, 2), np.nan, dtype="float32")))
    with pytest.raises(RasterError, match="no cell of the grid has both"):
        write_climate_zones(nothing, rain, grid_like(mat.path), tmp_path / "none")
    assert not list((tmp_path / "none").glob("*"))


def test_the_country_from_the_world(shared, tmp_path):
    """The first paper's country at half a degree: all four zones, wet and warm in the south-east, dry and cold on the plateau."""
    folder = shared / "data" / "global_coarse"
    sources = [Source(word, folder / f"wc2.1_10m_bio_{number}.tif") for word, number in (("mat", 1), ("map", 12))]
    grid = grid_from_bounds("EPSG:4326", 0.5, (73, 18, 136, 54))
    path, doubts = write_climate_zones(*sources, grid, tmp_path)
    with rasterio.open(path) as file:
        zones = file.read(1)
        assert [CODES[int(zones[file.index(*place)])] for place in ((113.3, 23.3), (88.2, 33.2))] == ["wet_warm", "dry_cold"]
    assert doubts == [] and set(np.unique(zones).tolist()) >= {1, 2, 3, 4}
