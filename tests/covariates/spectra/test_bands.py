"""Names of product files, and the numbers of bands."""

from __future__ import annotations

import pytest

from edaphic.covariates.spectra.bands import ROLES, SENSORS, band_numbers, read_name, role_of
from edaphic.errors import RasterError


@pytest.mark.parametrize(
    ("name", "sensor", "level", "collection", "day", "role"),
    [
        ("LC08_L2SP_218074_20190114_20200829_02_T1_SR_B2.TIF", "oli", "L2", "02", "2019-01-14", "blue"),
        ("LC09_L2SP_218074_20220114_20220829_02_T2_SR_B7.TIF", "oli", "L2", "02", "2022-01-14", "swir2"),
        ("LT05_L2SP_013030_19840911_20200918_02_T1_SR_B4.TIF", "tm", "L2", "02", "1984-09-11", "nir"),
        ("LT04_L2SP_013030_19890911_20200918_02_T1_SR_B7.TIF", "tm", "L2", "02", "1989-09-11", "swir2"),
        ("LE07_L1TP_195025_20010730_20170204_01_T1_B6_VCID_1.TIF", "etm", "L1", "01", "2001-07-30", "thermal"),
        ("LE07_L1TP_195025_20010730_20170204_01_T1_B6_VCID_2.TIF", "etm", "L1", "01", "2001-07-30", ""),
        ("LE07_L1TP_195025_20010730_20170204_01_T1_B8.TIF", "etm", "L1", "01", "2001-07-30", ""),
        ("LC08_L1TP_195025_20130707_20170503_01_T1_BQA.TIF", "oli", "L1", "01", "2013-07-07", ""),
        ("LC08_L1TP_195025_20130707_20170503_01_T1_sr_band5.tif", "oli", "L1", "01", "2013-07-07", "nir"),
        ("lc08_l2sp_218074_20190114_20200829_02_t1_sr_b6.tif", "oli", "L2", "02", "2019-01-14", "swir1"),
        ("LC08_L2SP_218074_20190114_20200829_02_T1_ST_B10.TIF", "oli", "L2", "02", "2019-01-14", "thermal"),
        ("LE71400412000304SGS00_B4.tif", "etm", "L1", "", "2000-10-30", "nir"),
        ("LT50130301984255XXX01_B3.tif", "tm", "L1", "", "1984-09-11", "red"),
        ("T32TQM_20190714T101031_B04_10m.jp2", "msi", "L2", "", "2019-07-14", "red"),
        ("T32TQM_20190714T101031_B8A_20m.jp2", "msi", "L2", "", "2019-07-14", "nir_narrow"),
        ("T32TQM_20190714T101031_B11.jp2", "msi", "", "", "2019-07-14", "swir1"),
        ("T32TQM_20190714T101031_SCL_20m.jp2", "msi", "L2", "", "2019-07-14", ""),
    ],
)
def test_names(name, sensor, level, collection, day, role):
    found = read_name(name)
    assert (found.sensor, found.level, found.collection, found.day.isoformat(), found.role) == (sensor, level, collection, day, role)


def test_files_of_a_scene_share_its_name():
    parts = ("_SR_B4.TIF", "_QA_PIXEL.TIF", "_MTL.txt", "_QA_RADSAT.TIF")
    scene = "LC08_L2SP_218074_20190114_20200829_02_T1"
    assert {read_name(scene + part).scene for part in parts} == {scene}
    assert [read_name(scene + part).part for part in parts] == ["SR_B4", "QA_PIXEL", "MTL", "QA_RADSAT"]
    assert read_name("T32TQM_20190714T101031_B04_10m.jp2").metres == 10


@pytest.mark.parametrize(
    "name",
    [
        "dem.tif",
        "LC08_L2SP_218074_20191314_20200829_02_T1_SR_B2.TIF",  # the 13th month
        "LM02_L1TP_218074_19790114_20200829_02_T1_B4.TIF",  # MSS
        "LE71400412000000SGS00_B4.tif",  # day 0
        "LE71400412001366SGS00_B4.tif",  # no leap year
        "T32TQM_20190732T101031_B04_10m.jp2",
    ],
)
def test_other_names(name):
    assert read_name(name) is None


def test_numbers_of_sensors():
    assert [band_numbers("tm")[role] for role in ("blue", "green", "red", "nir", "swir1", "swir2")] == ["1", "2", "3", "4", "5", "7"]
    assert [band_numbers("oli")[role] for role in ("blue", "green", "red", "nir", "swir1", "swir2")] == ["2", "3", "4", "5", "6", "7"]
    assert [band_numbers("msi")[role] for role in ("blue", "green", "red", "nir", "swir1", "swir2")] == ["2", "3", "4", "8", "11", "12"]
    for sensor, own in SENSORS.items():
        assert set(own) <= set(ROLES), sensor
        assert len(set(own.values())) == len(own), sensor
    with pytest.raises(RasterError, match="sensor: found 'landsat'; expected one of tm, etm, oli, msi"):
        band_numbers("landsat")


def test_descriptions_of_bands():
    assert [role_of("oli", text) for text in ("SR_B5", "B5", "band_5", "Band 5", "NIR", "red edge1", "QA", "")] == [
        "nir",
        "nir",
        "nir",
        "",
        "nir",
        "red_edge1",
        "",
        "",
    ]
