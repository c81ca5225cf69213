"""Bioclimatic variables: closed forms, a year by hand, quarters around the turn of the year, ties, gaps and faults."""

from __future__ import annotations

import math

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edaphic.covariates import Source, grid_like
from edaphic.covariates.bioclim import (
    BIOCLIM,
    OF_BOTH,
    OF_PRECIPITATION,
    OF_TEMPERATURE,
    bioclim,
    mean_annual_precipitation,
    mean_annual_temperature,
    write_bioclim,
)
from edaphic.errors import RasterError

TMIN = [-6.0, -5, -1, 4, 9, 12, 14, 13, 9, 4, 0, -4]
TMAX = [2.0, 5, 11, 16, 21, 25, 28, 28, 23, 17, 9, 4]
RAIN = [40.0, 38, 42, 45, 60, 55, 38, 36, 34, 45, 60, 50]


def test_a_year_by_hand():
    """Means -2 0 5 10 15 18.5 21 20.5 16 10.5 4.5 0; quarters of rain 120 125 147 160 153 129 108 115 139 155 150 128."""
    found = {name: float(value) for name, value in bioclim(TMIN, TMAX, RAIN).items()}
    mean = [-2.0, 0, 5, 10, 15, 18.5, 21, 20.5, 16, 10.5, 4.5, 0]
    centre = sum(mean) / 12
    spread = math.sqrt(sum((m - centre) ** 2 for m in mean) / 11)
    rain_spread = math.sqrt(sum((r - 543 / 12) ** 2 for r in RAIN) / 11)
    assert found == pytest.approx(
        {
            "bio1": centre,
            "bio2": 140 / 12,
            "bio3": 100 * (140 / 12) / 34,
            "bio4": 100 * spread,
            "bio5": 28,
            "bio6": -6,
            "bio7": 34,
            "bio8": (10 + 15 + 18.5) / 3,  # April to June
            "bio9": (21 + 20.5 + 16) / 3,  # July to September
            "bio10": (18.5 + 21 + 20.5) / 3,
            "bio11": (0 - 2 + 0) / 3,  # December to February
            "bio12": 543,
            "bio13": 60,
            "bio14": 34,
            "bio15": 100 * rain_spread / (1 + 543 / 12),
            "bio16": 160,
            "bio17": 108,
            "bio18": 55 + 38 + 36,
            "bio19": 50 + 40 + 38,
        }
    )


def test_a_cosine_has_closed_forms():
    """tmean = m + a cos(2 pi k / 12): the standard deviation is a sqrt(6 / 11), the warmest quarter m + a (1 + 2 cos 30) / 3."""
    wave = np.cos(2 * np.pi * np.arange(12) / 12)
    found = bioclim(10 + 8 * wave - 5, 10 + 8 * wave + 5, 50 + 20 * wave)
    quarter = (1 + 2 * math.cos(math.pi / 6)) / 3
    wanted = {
        "bio1": 10, "bio2": 10, "bio3": 100 * 10 / 26, "bio4": 100 * 8 * math.sqrt(6 / 11), "bio5": 23, "bio6": -3, "bio7": 26,
        "bio8": 10 + 8 * quarter, "bio9": 10 - 8 * quarter, "bio10": 10 + 8 * quarter, "bio11": 10 - 8 * quarter, "bio12": 600,
        "bio15": 100 * 20 * math.sqrt(6 / 11) / 51, "bio16": 150 + 60 * quarter, "bio17": 150 - 60 * quarter,
        "bio18": 150 + 60 * quarter, "bio19": 150 - 60 * quarter,
    }  # fmt: skip
    assert {name: float(found[name]) for name in wanted} == pytest.approx(wanted)


@pytest.mark.parametrize("start", range(12))
def test_quarters_go_round_the_year(start):
    rain = np.full(12, 10.0)
    rain[[start, (start + 1) % 12, (start + 2) % 12]] = 100
    mean = np.arange(12.0)
    found = bioclim(mean - 1, mean + 1, rain)
    assert float(found["bio16"]) == 300
    assert float(found["bio8"]) == pytest.approx(np.mean([start, (start + 1) % 12, (start + 2) % 12]))


def test_the_first_of_quarters_alike_counts_whatever_the_rounding():
    mean = np.arange(12.0)
    for rain in (np.zeros(12), np.full(12, 0.1), np.tile([0.1, 0.2, 0.3], 4), np.tile([0.3, 0.2, 0.1], 4)):
        found = bioclim(mean, mean, rain)
        assert float(found["bio8"]) == float(found["bio9"]) == 1.0  # January to March


def test_a_desert_and_the_sea():
    flat = np.full(12, 5.0)
    found = bioclim(flat, flat, np.zeros(12))
    assert float(found["bio15"]) == 0 and float(found["bio4"]) == 0 and np.isnan(found["bio3"]) and float(found["bio7"]) == 0


def test_monthly_means_that_are_given_are_used():
    found = bioclim(TMIN, TMAX, RAIN, np.array(TMAX) - 3)
    assert float(found["bio1"]) == pytest.approx(np.mean(TMAX) - 3) and float(found["bio5"]) == 28


def test_gaps():
    """One cell lacks a month of rain, one a month of temperature."""
    cells = [np.repeat(np.array(values)[:, None], 3, axis=1) for values in (TMIN, TMAX, RAIN)]
    cells[2][6, 1] = np.nan
    cells[0][3, 2] = np.nan
    found = bioclim(*cells)
    for name, values in found.items():
        assert np.isfinite(values[0])
        assert np.isnan(values[1]) == (name in OF_PRECIPITATION + OF_BOTH), name
        known = name in OF_PRECIPITATION or name == "bio5"
        assert np.isfinite(values[2]) == known, name


def test_shapes_and_bits():
    random = np.random.default_rng(0)
    low = random.normal(5, 5, (12, 7, 9)).astype(np.float32)
    high, rain = low + 8, random.gamma(2, 30, (12, 7, 9)).astype(np.float32)
    whole = bioclim(low, high, rain)
    assert list(whole) == list(BIOCLIM)
    for cell in np.ndindex(7, 9):
        at = (slice(None), *cell)
        for name, value in bioclim(low[at], high[at], rain[at]).items():
            assert whole[name][cell] == value
    for name, value in bioclim(low[:, :, :1], high[:, :, :1], rain[:, :, :1]).items():
        assert np.array_equal(value, whole[name][:, :1])


def test_some_names_in_their_order():
    assert list(bioclim(TMIN, TMAX, RAIN, names=["bio12", "bio1"])) == ["bio12", "bio1"]


def test_annual_means():
    assert float(mean_annual_temperature(TMIN, TMAX)) == float(bioclim(TMIN, TMAX, RAIN)["bio1"])
    assert float(mean_annual_precipitation(RAIN)) == 543
    assert np.isnan(mean_annual_precipitation([np.nan, *RAIN[1:]]))


@given(arrays(np.float64, 12, elements=st.floats(-30, 30)), arrays(np.float64, 12, elements=st.floats(0, 500)), st.integers(0, 11))
@settings(deadline=None)
def test_the_calendar_moves_nothing_and_order_holds(mean, rain, months):
    one = bioclim(mean - 4, mean + 4, rain)
    two = bioclim(np.roll(mean - 4, months), np.roll(mean + 4, months), np.roll(rain, months))
    for name in OF_TEMPERATURE + OF_PRECIPITATION:
        assert float(two[name]) == pytest.approx(float(one[name]), rel=1e-9, abs=1e-9, nan_ok=True)
    assert one["bio6"] <= one["bio11"] <= one["bio1"] + 1e-9 and one["bio1"] <= one["bio10"] + 1e-9 and one["bio10"] <= one["bio5"]
    assert one["bio17"] <= one["bio19"] + 1e-9 and one["bio19"] <= one["bio16"] + 1e-9 and 3 * one["bio14"] <= one["bio17"] + 1e-9


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda low, high, rain: (low[:11], high, rain), "expected 12 months first"),
        (lambda low, high, rain: (low, high, np.stack([rain, rain], 1)), "expected one"),
        (lambda low, high, rain: (low, high, -rain), "below 0"),
        (lambda low, high, rain: (high, low, rain), "are they swapped"),
        (lambda low, high, rain: (5.0, high, rain), "expected 12 months first"),
    ],
)
def test_faults(change, fault):
    with pytest.raises(ValueError, match=fault):
        bioclim(*change(np.array(TMIN), np.array(TMAX), np.array(RAIN)))


def test_unknown_names():
    with pytest.raises(ValueError, match="bio20"):
        bioclim(TMIN, TMAX, RAIN, names=["bio20"])


def test_rasters(raster, tmp_path):
    """Twelve files each: cells of the year by hand, one of them without a January."""

    def files(word, months, gap=False):
        made = []
        for number, value in enumerate(months):
            cells = np.full((2, 2), value, dtype="float32")
            if gap and number == 0:
                cells[1, 1] = np.nan
            made.append(Source(f"{word}{number}", raster(f"{word}{number}.tif", cells)))
        return made

    low, high, rain = files("tmin", TMIN), files("tmax", TMAX), files("rain", RAIN, gap=True)
    out = write_bioclim(low, high, rain, grid_like(low[0].path), tmp_path / "made", names=["bio1", "bio12", "bio8"])
    wanted = bioclim(TMIN, TMAX, RAIN)
    for path, gap in zip(out, (False, True, True), strict=True):
        with rasterio.open(path) as file:
            cells = file.read(1).ravel()
        assert cells[:3] == pytest.approx([float(wanted[path.stem])] * 3) and np.isnan(cells[3]) == gap
    with pytest.raises(RasterError, match="found 11 months"):
        write_bioclim(low[:11], high, rain, grid_like(low[0].path), tmp_path / "other")
    with pytest.raises(RasterError, match="are they swapped"):
        write_bioclim(high, low, rain, grid_like(low[0].path), tmp_path / "other")
    assert not list((tmp_path / "other").glob("*"))
