"""Scaling to reflectance: documented numbers, limits of types, metadata whole and broken."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphic.covariates.spectra.metadata import Metadata, metadata_of, read_mtl, read_sentinel
from edaphic.covariates.spectra.reflectance import (
    Scaling,
    baseline_offset,
    corrected,
    digital_numbers,
    given_scaling,
    landsat_level1,
    landsat_level2,
    of_metadata,
    scaled,
    sentinel2,
)
from edaphic.errors import RasterError

MTL = """GROUP = LANDSAT_METADATA_FILE
  GROUP = IMAGE_ATTRIBUTES
    SPACECRAFT_ID = "LANDSAT_8"
    DATE_ACQUIRED = 2019-01-14
    SUN_ELEVATION = 30.0
  END_GROUP = IMAGE_ATTRIBUTES
{level2}  GROUP = LEVEL1_MIN_MAX_PIXEL_VALUE
    QUANTIZE_CAL_MAX_BAND_4 = 65535
  END_GROUP = LEVEL1_MIN_MAX_PIXEL_VALUE
  GROUP = LEVEL1_RADIOMETRIC_RESCALING
    RADIANCE_MULT_BAND_4 = 1.0328E-02
    REFLECTANCE_MULT_BAND_4 = 2.0000E-05
    REFLECTANCE_ADD_BAND_4 = -0.100000
  END_GROUP = LEVEL1_RADIOMETRIC_RESCALING
END_GROUP = LANDSAT_METADATA_FILE
END
"""
LEVEL2 = """  GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS
    REFLECTANCE_MULT_BAND_4 = 2.75e-05
    REFLECTANCE_ADD_BAND_4 = -0.2
  END_GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS
"""


def test_landsat_collection_2():
    """USGS: 0.0000275 x number - 0.2; 18,639 is 0.3125725."""
    values, outside = scaled(np.array([[0, 7273, 18639], [43636, 7272, 43637]], dtype=np.uint16), landsat_level2())
    np.testing.assert_allclose(values, [[np.nan, 7.5e-6, 0.3125725], [0.99999, np.nan, np.nan]], rtol=1e-6)
    assert values.dtype == np.float32 and outside == 2
    values, outside = scaled(np.array([1, 65534, 65535], dtype=np.uint16), landsat_level2(everything=True))
    np.testing.assert_allclose(values, [-0.1999725, 1.602185, np.nan], rtol=1e-6)
    assert outside == 1


def test_landsat_collection_1_surface_reflectance():
    values, outside = scaled(np.array([-9999, 0, 2500, 10000, 16000, 20000], dtype=np.int16), landsat_level2("01"))
    np.testing.assert_allclose(values, [np.nan, 0.0, 0.25, 1.0, np.nan, np.nan], rtol=1e-6)
    assert outside == 2


def test_sentinel_2():
    stored = np.array([0, 999, 1000, 3500, 65535], dtype=np.uint16)
    np.testing.assert_allclose(scaled(stored, sentinel2("L2", -1000))[0], [np.nan, np.nan, 0.0, 0.25, np.nan], rtol=1e-6)
    np.testing.assert_allclose(scaled(stored, sentinel2("L1", 0))[0], [np.nan, 0.0999, 0.1, 0.35, np.nan], rtol=1e-6)
    assert baseline_offset("0301", date(2021, 1, 1)) == (0.0, "")
    assert baseline_offset("0400", date(2022, 1, 25)) == (-1000.0, "")
    assert baseline_offset("0510", date(2016, 1, 1)) == (-1000.0, "")  # processed again
    assert baseline_offset("", date(2022, 1, 24))[0] == 0.0 and baseline_offset("", date(2022, 1, 25))[0] == -1000.0
    assert all("no processing baseline is known" in baseline_offset("", date(year, 6, 1))[1] for year in (2019, 2023))


def test_level_2_text_also_holds_level_1_rescaling():
    """The same names stand in both groups; the last one is of Level 1 and would give another reflectance."""
    found = metadata_of(MTL.format(level2=LEVEL2), "MTL.txt")
    assert (found.level, found.multiply["4"], found.add["4"], found.largest) == ("L2", 2.75e-05, -0.2, {})
    scaling = of_metadata(found, "oli", "red", "02", False)
    assert scaling.quantity == "surface reflectance"
    # The sun has been corrected for already.
    assert scaled(np.uint16([18639]), scaling)[0][0] == pytest.approx(0.3125725)


def test_level_1_divides_by_the_sine_of_the_sun():
    found = metadata_of(MTL.format(level2=""), "MTL.txt")
    scaling = of_metadata(found, "oli", "red", "02", False)
    assert scaling.quantity == "top-of-atmosphere reflectance"
    # (0.00002 x 10000 - 0.1) / sin 30 = 0.2
    values, outside = scaled(np.array([0, 10000, 65535], dtype=np.uint16), scaling)
    np.testing.assert_allclose(values, [np.nan, 0.2, np.nan], rtol=1e-6)
    assert outside == 1


def test_real_texts(shared):
    folder = shared / "data" / "landsat_scenes"
    etm = read_mtl(folder / "marburg_etm_oli_pair" / "LE07_L1TP_195025_20010730_20170204_01_T1_MTL.txt")
    assert (etm.level, etm.day, etm.sun_elevation_deg) == ("L1", date(2001, 7, 30), 53.87765310)
    # REFLECTANCE_MAXIMUM_BAND_3 is what number 255 gives before the sun is divided by.
    assert etm.multiply["3"] * 255 + etm.add["3"] == pytest.approx(0.324615, abs=1e-4)
    # Reflectance from radiance: pi L d^2 / (ESUN sin e), with ESUN 1533 for band 3 (Chander and others 2009).
    radiance = 0.62165 * 100 - 5.62165
    esun = math.pi * radiance * 1.0151738**2 / (1533.0 * math.sin(math.radians(etm.sun_elevation_deg)))
    assert scaled([100], landsat_level1(etm, "3"))[0][0] == pytest.approx(esun, rel=0.01)
    assert "6" not in etm.multiply and set(etm.multiply) == set("1234578")
    oli = read_mtl(folder / "brumadinho_oli_2019" / "20190114" / "LC08_L2SP_218074_20190114_20200829_02_T1_MTL.txt")
    assert (oli.level, oli.day, oli.multiply["4"], oli.add["4"]) == ("L2", date(2019, 1, 14), 2.75e-05, -0.2)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda text: text[: len(text) // 2], "cut short"),
        (lambda text: "", "no groups of metadata"),
        (lambda text: text.replace("2019-01-14", "14.01.2019"), "DATE_ACQUIRED 14.01.2019; expected the date"),
        (lambda text: text.replace("DATE_ACQUIRED", "DATE"), "DATE_ACQUIRED missing"),
        (lambda text: text.replace("REFLECTANCE_ADD_BAND_4", "X"), "expected the rescaling of each band"),
    ],
)
def test_broken_texts(change, fault):
    with pytest.raises(RasterError, match=fault):
        metadata_of(change(MTL.format(level2="")), "MTL.txt")


@pytest.mark.parametrize("sun", [None, -10.0, 0.0, 3.0])
def test_no_reflectance_without_sun(sun):
    told = Metadata("MTL.txt", "L1", None, sun, {"4": 2e-5}, {"4": -0.1}, {})
    with pytest.raises(RasterError, match=r"SUN_ELEVATION .*; expected 5 to 90 degrees"):
        landsat_level1(told, "4")
    with pytest.raises(RasterError, match="no REFLECTANCE_MULT_BAND_5"):
        landsat_level1(Metadata("MTL.txt", "L1", None, 45.0, {"4": 2e-5}, {"4": -0.1}, {}), "5")


def test_missing_file(tmp_path):
    with pytest.raises(RasterError, match="expected the MTL text"):
        read_mtl(tmp_path / "none_MTL.txt")
    (tmp_path / "MTD_MSIL2A.xml").write_text("<a><b></a>")
    with pytest.raises(RasterError, match="expected the metadata of a Sentinel-2 product"):
        read_sentinel(tmp_path / "MTD_MSIL2A.xml")
    (tmp_path / "MTD_MSIL2A.xml").write_text("<a><b/></a>")
    with pytest.raises(RasterError, match="no QUANTIFICATION_VALUE"):
        read_sentinel(tmp_path / "MTD_MSIL2A.xml")


def test_sentinel_metadata(tmp_path):
    path = tmp_path / "MTD_MSIL2A.xml"
    offsets = "".join(f'<BOA_ADD_OFFSET band_id="{i}">-1000</BOA_ADD_OFFSET>' for i in range(13))
    path.write_text(
        '<n1:Level-2A_User_Product xmlns:n1="https://psd"><n1:General_Info><PRODUCT_START_TIME>2022-07-14T10:10:31.024Z</PRODUCT_START_TIME>'
        f'<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>{offsets}</n1:General_Info></n1:Level-2A_User_Product>'
    )
    found = read_sentinel(path)
    assert (found.level, found.day) == ("L2", date(2022, 7, 14))
    assert found.multiply["8A"] == 1e-4 and found.add["12"] == pytest.approx(-0.1)
    np.testing.assert_allclose(scaled([1000, 6000], of_metadata(found, "msi", "swir2", "", False))[0], [0.0, 0.5], atol=1e-7)


def test_what_the_user_states():
    scaling = given_scaling(0.0001, None, "--scale")
    values, outside = scaled(np.array([-3000, -2000, 5000, 16000, 16001], dtype=np.int16), scaling)
    np.testing.assert_allclose(values, [np.nan, -0.2, 0.5, 1.6, np.nan], rtol=1e-6)
    assert outside == 2 and scaling.is_reflectance
    for scale, offset in ((0.0, 0.0), (-1.0, 0.0), (math.nan, 0.0), (1.0, math.inf)):
        with pytest.raises(RasterError, match="expected finite numbers, and a scale above 0"):
            given_scaling(scale, offset, "--scale")


def test_numbers_as_they_are():
    assert not Scaling().is_reflectance
    values, outside = scaled(np.uint8([0, 1, 254, 255]), digital_numbers("uint8", "etm"))
    np.testing.assert_array_equal(values, np.float32([np.nan, 1, 254, np.nan]))
    assert outside == 1
    values, outside = scaled(np.uint8([0, 255]), digital_numbers("uint8", ""))
    assert values.tolist() == [0, 255] and outside == 0


def test_correction():
    values = np.float32([0.1, 0.2, np.nan])
    np.testing.assert_allclose(corrected(values, (0.9, 0.01)), [0.1, 0.19, np.nan], rtol=1e-6)
    assert corrected(values, None) is values


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=50))
def test_scaling_is_the_formula_in_the_valid_range(numbers):
    stored = np.array(numbers, dtype=np.uint16)
    values, outside = scaled(stored, landsat_level2())
    valid = (stored >= 7273) & (stored <= 43636)
    np.testing.assert_allclose(values[valid], stored[valid].astype(float) * 0.0000275 - 0.2, atol=6e-8)
    assert np.isnan(values[~valid]).all() and outside == (~valid & (stored != 0)).sum()
    assert not len(values[valid]) or (values[valid].min() >= 0 and values[valid].max() <= 1)
