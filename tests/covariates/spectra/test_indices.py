"""Spectral indices: by hand, with numbers that overflow, and what holds for all of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphic.covariates.spectra import ground, vegetation
from edaphic.covariates.spectra.indices import INDICES, PAPER, SIX, TASSELLED, index_of, indices_of
from edaphic.errors import RasterError

# Reflectance of a meadow, a ploughed field, and water.
MEADOW = {"blue": 0.04, "green": 0.08, "red": 0.05, "red_edge1": 0.12, "nir": 0.45, "swir1": 0.22, "swir2": 0.10}
FIELD = {"blue": 0.08, "green": 0.11, "red": 0.15, "red_edge1": 0.18, "nir": 0.22, "swir1": 0.30, "swir2": 0.26}
WATER = {"blue": 0.06, "green": 0.05, "red": 0.03, "red_edge1": 0.03, "nir": 0.02, "swir1": 0.01, "swir2": 0.01}

BY_HAND = {
    "ndvi": 0.40 / 0.50,
    "bsi": (0.27 - 0.49) / (0.27 + 0.49),
    "evi": 2.5 * 0.40 / (0.45 + 0.30 - 0.30 + 1.0),
    "savi": 1.5 * 0.40 / 1.0,
    "lswi": 0.23 / 0.67,
    "evi2": 2.5 * 0.40 / (0.45 + 0.12 + 1.0),
    "msavi2": (1.9 - math.sqrt(3.61 - 3.2)) / 2,
    "osavi": 0.40 / 0.66,
    "gndvi": 0.37 / 0.53,
    "ndre": 0.33 / 0.57,
    "ndwi": -0.37 / 0.53,
    "mndwi": -0.14 / 0.30,
    "nbr": 0.35 / 0.55,
    "nbr2": 0.12 / 0.32,
    "ndti": 0.12 / 0.32,
    "bsi_swir2": (0.15 - 0.49) / (0.15 + 0.49),
    "bi": math.sqrt((0.0025 + 0.0064 + 0.0016) / 3),
    "ci": -0.03 / 0.13,
    "ri": 0.0025 / (0.04 * 0.08**3),
    "si": 0.01 / 0.09,
    "hi": (0.10 - 0.12) / 0.04,
    "clay": 2.2,
    "ferrous": 0.22 / 0.45,
    "iron_oxide": 1.25,
    "carbonate": 0.625,
    "salinity": math.sqrt(0.002),
}


def test_every_index_has_a_number_by_hand():
    assert set(BY_HAND) == set(INDICES)


@pytest.mark.parametrize("name", list(INDICES))
def test_by_hand(name):
    assert float(INDICES[name](MEADOW)) == pytest.approx(BY_HAND[name], rel=1e-6)


def test_what_the_ground_is():
    assert INDICES["ndvi"](WATER) < 0 < INDICES["mndwi"](WATER) and INDICES["ndwi"](WATER) > 0
    assert INDICES["bsi"](FIELD) > INDICES["bsi"](MEADOW) and INDICES["bsi"](FIELD) > 0
    assert INDICES["nbr2"](FIELD) < 0.1 < INDICES["nbr2"](MEADOW)


def test_printed_savi_is_2_25_times_smaller():
    one, printed = index_of("savi"), index_of("savi", printed=True)
    assert float(one(MEADOW)) / float(printed(MEADOW)) == pytest.approx(2.25)
    assert float(printed(MEADOW)) == pytest.approx(0.40 / (1.0 * 1.5))
    assert index_of("ndvi", printed=True) is INDICES["ndvi"]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "uint32", "float32", "float64"])
@pytest.mark.parametrize("name", list(INDICES))
def test_integers_never_overflow(name, dtype):
    """Numbers at the limit of their type give what the same numbers give as float64."""
    kind = np.dtype(dtype)
    most = np.iinfo(kind).max if kind.kind in "iu" else 65535
    stored = {role: np.array([most, most - 1, most - k, 1], dtype=kind) for k, role in enumerate((*SIX, "red_edge1"), start=2)}
    plain = {role: numbers.astype(np.float64) for role, numbers in stored.items()}
    found = INDICES[name](stored)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, INDICES[name](plain))
    if not INDICES[name].needs_reflectance and INDICES[name].high == 1.0:
        assert (np.abs(found) <= 1.0).all()


def test_difference_of_8_bit_numbers():
    """200 - 100 over 200 + 100; as 8-bit numbers the sum is 44 and the index 2.27. 100 - 200 as 8-bit numbers is 156."""
    assert float(vegetation.ndvi(np.uint8([200]), np.uint8([100]))[0]) == pytest.approx(1 / 3)
    assert float(vegetation.ndvi(np.uint8([100]), np.uint8([200]))[0]) == pytest.approx(-1 / 3)
    assert float(ground.bsi(*(np.uint16([value]) for value in (60000, 60000, 40000, 40000)))[0]) == pytest.approx(0.2)
    assert float(vegetation.ndvi(np.int16([32767]), np.int16([32767]))[0]) == 0.0


@pytest.mark.parametrize("name", list(INDICES))
def test_zeros_and_missing_give_no_value_and_no_warning(name, recwarn):
    index = INDICES[name]
    dark = index(dict.fromkeys(index.bands, np.zeros(3)))
    assert not np.isinf(dark).any()
    if not index.needs_reflectance:
        assert np.isnan(dark).all()  # 0 / 0
    for role in index.bands:
        assert np.isnan(index(MEADOW | {role: np.float32("nan")}))
        assert not np.isinf(index(MEADOW | {role: 1e-300})) and not np.isinf(index(MEADOW | {role: 0.0}))
    assert not recwarn.list


def test_pole_of_evi_is_not_a_value():
    # 0.5 + 6 x 0.375 - 7.5 x 0.5 + 1 = 0
    assert np.isnan(vegetation.evi(0.5, 0.375, 0.5))
    values, outside = INDICES["evi"].within(np.float32([0.2, -3.0, 1.5, np.nan]))
    assert outside == 2
    np.testing.assert_array_equal(values, np.float32([0.2, np.nan, np.nan, np.nan]))


reflectances = st.floats(min_value=1e-4, max_value=1.0)


@given(bands=st.fixed_dictionaries(dict.fromkeys((*SIX, "red_edge1"), reflectances)), factor=st.floats(min_value=0.01, max_value=1e4))
def test_limits_and_what_a_factor_does(bands, factor):
    for name, index in INDICES.items():
        value = float(index(bands))
        if name != "evi" and not math.isnan(value):
            assert index.low - 1e-6 <= value <= index.high + 1e-6, name
        if not index.needs_reflectance and not abs(value) > 1e6:  # beyond, differences round to nothing
            again = float(index({role: band * factor for role, band in bands.items()}))
            assert again == pytest.approx(value, rel=1e-3, abs=1e-5, nan_ok=True), name


@pytest.mark.parametrize("name", [name for name, index in INDICES.items() if index.needs_reflectance])
def test_reflectance_matters_where_it_is_said_to(name):
    thousands = {role: band * 1e4 for role, band in MEADOW.items()}
    assert float(INDICES[name](thousands)) != pytest.approx(float(INDICES[name](MEADOW)), rel=0.01)


@pytest.mark.parametrize("sensor", list(ground.TASSELLED_CAP))
def test_tasselled_cap(sensor):
    """The weights are an orthonormal turn of the bands; brightness of a field is above that of water, greenness is the meadow's."""
    weights = np.array([ground.TASSELLED_CAP[sensor][name] for name in TASSELLED])
    # Huang and others print weights that are orthonormal to two decimals only.
    np.testing.assert_allclose(weights @ weights.T, np.eye(3), atol=0.02 if sensor == "etm" else 2e-3)
    bright, green, wet = (index_of(name, sensor) for name in TASSELLED)
    assert bright(FIELD) > bright(WATER) and green(MEADOW) > green(FIELD) and wet(WATER) > wet(FIELD)
    assert float(bright(MEADOW)) == pytest.approx(sum(w * MEADOW[role] for w, role in zip(weights[0], SIX, strict=True)), rel=1e-6)


def test_names():
    assert tuple(indices_of(PAPER)) == PAPER
    assert set(indices_of(["all"])) == set(INDICES)
    with pytest.raises(RasterError) as caught:
        indices_of(["nvdi", "evi", "Ndvi"])
    assert len(caught.value.faults) == 2 and "'nvdi'; expected some of ndvi" in caught.value.faults[0]
    with pytest.raises(RasterError, match="tcb of no sensor; expected one of tm, etm, oli"):
        index_of("tcb")
    with pytest.raises(RasterError, match="tcw of the sensor msi"):
        index_of("tcw", "msi")
    with pytest.raises(RasterError, match="indices: found none"):
        indices_of([])
