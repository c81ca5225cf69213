"""Specific catchment area, wetness index, stream power and LS factor: values by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.wetness import (
    contour_width,
    ls_factor,
    specific_catchment_area,
    stream_power_index,
    topographic_wetness_index,
)

SQUARE = CellSizes.square(30.0, 1)


def test_width_across_the_flow() -> None:
    aspect = np.array([[0.0, 45.0, 90.0, 180.0, 225.0, 300.0]])
    width = contour_width(CellSizes(np.array([20.0]), np.array([30.0])), aspect)
    diagonal = (20.0 + 30.0) / math.sqrt(2.0)
    np.testing.assert_allclose(width, [[20.0, diagonal, 30.0, 20.0, diagonal, 10.0 + 15.0 * math.sqrt(3.0)]])


def test_flat_cells() -> None:
    flat = np.array([[np.nan]])
    assert contour_width(SQUARE, flat)[0, 0] == 30.0
    assert contour_width(SQUARE, flat, compat="saga")[0, 0] == pytest.approx(30.0 * (math.sin(1.0) + math.cos(1.0)))


def test_without_aspect_the_side_of_a_square() -> None:
    cells = CellSizes(np.array([20.0, 10.0]), np.array([45.0, 40.0]))
    area = np.array([[900.0, np.nan], [400.0, 800.0]])
    np.testing.assert_allclose(specific_catchment_area(area, cells), [[30.0, np.nan], [20.0, 40.0]])


def test_wetness_index() -> None:
    sca, slope = np.array([100.0, 100.0, 1.0, np.nan]), np.array([45.0, 0.0, np.degrees(np.arctan(0.01)), 3.0])
    found = topographic_wetness_index(sca, slope)
    np.testing.assert_allclose(found, [math.log(100.0), math.log(1e5), math.log(100.0), np.nan])
    assert topographic_wetness_index(sca, slope, least_tangent=0.01)[1] == pytest.approx(math.log(1e4))


def test_stream_power() -> None:
    np.testing.assert_allclose(stream_power_index(np.array([50.0, 50.0]), np.array([0.0, 45.0])), [0.0, 50.0])


def test_moore() -> None:
    slope = np.degrees(np.arcsin(2.0 * 0.0896))
    assert ls_factor(np.array([22.13 * 32.0]), np.array([slope]))[0] == pytest.approx(1.4 * 4.0 * 2.0**1.3)


def test_boehner() -> None:
    steep = math.radians(10.0)
    by_hand = math.sqrt(4.0) * (65.41 * math.sin(steep) ** 2 + 4.56 * math.sin(steep) + 0.065)
    assert ls_factor(np.array([4 * 22.13]), np.array([10.0]), method="boehner")[0] == pytest.approx(by_hand)
    assert ls_factor(np.array([4 * 22.13]), np.array([0.0]), method="boehner")[0] == pytest.approx(0.065)


def test_desmet_on_a_straight_slope_is_the_length_factor() -> None:
    """On a uniform slope of width D, mean L of the cells down to a length l is (l / 22.13)^m."""
    cells, slope = CellSizes.square(10.0, 1), np.full((1, 12), 8.0)
    sca = 10.0 * np.arange(1.0, 13.0)[None]
    sine = math.sin(math.radians(8.0))
    b = (sine / 0.0896) / (3.0 * sine**0.8 + 0.56)
    mean = ls_factor(sca, slope, method="desmet", cells=cells).mean()
    assert mean == pytest.approx((120.0 / 22.13) ** (b / (1 + b)) * (16.8 * sine - 0.5), rel=0.2)
    assert math.tan(math.radians(8.0)) > 0.09
    assert mean == pytest.approx((120.0 / 22.13) ** (b / (1 + b)) * (16.8 * sine - 0.5), rel=1e-9)


def test_desmet_takes_the_width_that_the_area_was_divided_by() -> None:
    """Water that leaves through a corner: the same catchment over 1.414 sides."""
    aspect, slope, area = np.array([[45.0]]), np.array([[6.0]]), np.array([[5000.0]])
    straight = ls_factor(specific_catchment_area(area, SQUARE), slope, method="desmet", cells=SQUARE)
    sca = specific_catchment_area(area, SQUARE, aspect)
    across = ls_factor(sca, slope, method="desmet", cells=SQUARE, aspect_deg=aspect)
    sine = math.sin(math.radians(6.0))
    b = (sine / 0.0896) / (3.0 * sine**0.8 + 0.56)
    assert across[0, 0] / straight[0, 0] == pytest.approx(math.sqrt(2.0) ** -(b / (1 + b)))


def test_desmet_of_a_catchment_area() -> None:
    """5000 m2 that leave a cell of 30 m through its corner: 4100 above it, over 1.414 sides; however the area per metre was had."""
    aspect, slope, area = np.array([[45.0]]), np.array([[6.0]]), np.array([[5000.0]])
    sca = specific_catchment_area(area, SQUARE)
    found = ls_factor(sca, slope, method="desmet", cells=SQUARE, aspect_deg=aspect, area_m2=area)
    sine = math.sin(math.radians(6.0))
    b = (sine / 0.0896) / (3.0 * sine**0.8 + 0.56)
    m = b / (1 + b)
    length = (5000.0 ** (m + 1) - 4100.0 ** (m + 1)) / (30.0 ** (m + 2) * (math.sqrt(2.0) * 22.13) ** m)
    assert math.tan(math.radians(6.0)) > 0.09
    assert found[0, 0] == pytest.approx(length * (16.8 * sine - 0.5))


def test_steepness_below_nine_percent() -> None:
    slope = np.degrees(np.arctan(np.array([[0.0899, 0.0901]])))
    sine = np.sin(np.radians(slope))
    low, high = (ls_factor(np.full((1, 2), 30.0), slope, method="desmet", cells=SQUARE) / (30.0 / 22.13) ** 0.5)[0]
    assert low / high == pytest.approx((10.8 * sine[0, 0] + 0.03) / (16.8 * sine[0, 1] - 0.5), rel=0.01)


def test_what_is_missing_stays_missing() -> None:
    sca, slope = np.array([[np.nan, 5.0]]), np.array([[3.0, np.nan]])
    for found in (
        topographic_wetness_index(sca, slope),
        stream_power_index(sca, slope),
        ls_factor(sca, slope),
        ls_factor(sca, slope, method="boehner"),
        ls_factor(sca, slope, method="desmet", cells=SQUARE),
    ):
        assert np.isnan(found).all()


def test_wrong_wishes() -> None:
    one = np.ones((1, 1))
    with pytest.raises(ValueError, match="expected 'moore'"):
        ls_factor(one, one, method="usle")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs the sizes"):
        ls_factor(one, one, method="desmet")
    with pytest.raises(ValueError, match="positive"):
        topographic_wetness_index(one, one, least_tangent=0.0)
