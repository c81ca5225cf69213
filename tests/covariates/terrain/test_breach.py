"""Breaching of depressions: nothing is raised, everything drains, limits are kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edaphic.covariates.terrain.breach import breach
from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.fill import fill
from edaphic.covariates.terrain.flow import accumulate

Grid = NDArray[np.floating[Any]]
SLOPES = st.sampled_from([0.0, 1e-7, 0.01, 5.0])


def landscapes(dtype: Any = np.float64) -> st.SearchStrategy[Grid]:
    """Small grids with many ties, pits, plateaus and holes."""
    heights = st.integers(0, 6).map(float)
    values = st.one_of(heights, heights, heights, heights, heights, heights, st.just(math.nan))
    return arrays(dtype, st.tuples(st.integers(1, 10), st.integers(1, 10)), elements=values)


@settings(max_examples=200, deadline=None)
@given(landscapes(), SLOPES)
def test_nothing_is_raised_and_nothing_is_left_to_fill(z: Grid, slope: float) -> None:
    cells = CellSizes(np.linspace(20.0, 25.0, len(z)), np.linspace(30.0, 29.0, len(z)))
    cut = breach(z, cells, min_slope_deg=slope)
    assert not (cut > z).any()
    np.testing.assert_array_equal(np.isnan(cut), np.isnan(z))
    np.testing.assert_array_equal(fill(cut, cells, min_slope_deg=0.0), cut)


@settings(max_examples=100, deadline=None)
@given(landscapes(np.float32), SLOPES)
def test_the_same_in_float32_at_a_height(z: Grid, slope: float) -> None:
    ground, cells = z + np.float32(8000.0), CellSizes.square(1.0, len(z))
    cut = breach(ground, cells, min_slope_deg=slope)
    assert cut.dtype == np.float32
    assert not (cut > ground).any()
    np.testing.assert_array_equal(fill(cut, cells, min_slope_deg=0.0), cut)


@settings(max_examples=100, deadline=None)
@given(landscapes(), SLOPES)
def test_breaching_twice_changes_nothing(z: Grid, slope: float) -> None:
    cells = CellSizes.square(10.0, len(z))
    once = breach(z, cells, min_slope_deg=slope)
    np.testing.assert_array_equal(breach(once, cells, min_slope_deg=slope), once)


@settings(max_examples=60, deadline=None)
@given(landscapes())
def test_what_drains_is_left_alone(z: Grid) -> None:
    cells = CellSizes.square(10.0, len(z))
    filled = fill(z, cells, min_slope_deg=0.0)
    np.testing.assert_array_equal(breach(filled, cells), filled)


@settings(max_examples=60, deadline=None)
@given(landscapes(), st.sampled_from([0.0, 1.0, 2.5]), st.sampled_from([10.0, 25.0, 60.0]))
def test_limits_are_kept(z: Grid, depth: float, length: float) -> None:
    """Then filling does the rest, and no area is lost."""
    cells = CellSizes.square(10.0, len(z))
    cut = breach(z, cells, max_depth_m=depth, max_length_m=length)
    assert np.nanmax(z - cut, initial=0.0) <= 2 * depth + 0.1  # two channels may cross
    surface = fill(cut, cells)
    wide = np.pad(surface, 1, constant_values=np.nan)
    rows, columns = z.shape
    around = [wide[r : r + rows, c : c + columns] for r in range(3) for c in range(3) if (r, c) != (1, 1)]
    missing = np.any([np.isnan(other) for other in around], axis=0)
    drained = np.any([other < surface for other in around], axis=0) | missing
    assert drained[~np.isnan(z)].all()
    left = accumulate(surface, cells).left_m2
    assert 0.0 <= left <= 100.0 * (~np.isnan(z)).sum() * (1 + 1e-9)


def test_a_dam_is_cut_at_its_lowest_place() -> None:
    """A valley of 1 m fall for each cell, and a dam of 5 m across it: cut to the level of the floor behind it."""
    z = np.repeat(np.arange(20.0, 0.0, -1.0)[:, None], 7, axis=1) + 4.0 * np.abs(np.arange(7) - 3)
    z[10] += 5.0
    cells = CellSizes.square(10.0, 20)
    cut = breach(z, cells)
    changed = np.argwhere(cut != z)
    assert changed.tolist() == [[10, 3]]
    assert cut[10, 3] == pytest.approx(11.0 - 10.0 * math.tan(math.radians(0.01)))
    filled = fill(z, cells)
    assert (filled > z).sum() > 5
    assert not (fill(cut, cells) != cut).any()


def test_channels_fall_evenly() -> None:
    """A pit of 6 m in a plain: every cell on the way out is a step lower."""
    z = np.full((11, 11), 10.0)
    z[5, 5] = 4.0
    cut = breach(z, CellSizes.square(10.0, 11), min_slope_deg=1.0)
    heights = np.sort(cut[cut < 10.0])[::-1]
    assert len(heights) == 6 and heights[0] == 4.0
    falls = -np.diff(heights)
    allowed = np.array([10.0, 10.0 * math.sqrt(2.0)]) * math.tan(math.radians(1.0))
    assert np.min(np.abs(falls[:, None] - allowed), axis=1).max() < 1e-9


def test_deep_or_long_channels_are_not_cut() -> None:
    z = np.full((9, 9), 10.0)
    z[4, 4] = 4.0
    cells = CellSizes.square(10.0, 9)
    np.testing.assert_array_equal(breach(z, cells, max_depth_m=5.9), z)
    np.testing.assert_array_equal(breach(z, cells, max_length_m=39.0), z)
    assert (breach(z, cells, max_depth_m=6.1, max_length_m=60.0) < z).sum() == 4


def test_a_channel_is_as_long_as_the_way_to_its_end() -> None:
    """From 3 over 7 to 1 are two steps of 10 m, though only one cell is cut."""
    z = np.full((3, 5), 9.0)
    z[1] = [9.0, 3.0, 7.0, 1.0, 0.0]
    cells = CellSizes.square(10.0, 3)
    np.testing.assert_array_equal(breach(z, cells, max_length_m=19.9), z)
    assert breach(z, cells, min_slope_deg=0.0, max_length_m=20.0)[1].tolist() == [9.0, 3.0, 3.0, 1.0, 0.0]


def test_lakes_without_heights_are_outlets() -> None:
    z = np.full((9, 9), 10.0)
    z[3:6, 3:6] = 5.0
    z[4, 4] = np.nan
    np.testing.assert_array_equal(breach(z, CellSizes.square(10.0, 9)), z)


@pytest.mark.parametrize(
    "z",
    [np.full((2, 3), np.nan), np.array([[5.0]]), np.array([[5.0, 1.0, 4.0]]), np.full((6, 5), 7.0)],
    ids=["none", "cell", "row", "level"],
)
def test_nothing_to_breach(z: Grid) -> None:
    np.testing.assert_array_equal(breach(z, CellSizes.square(1.0, len(z))), z)


@pytest.mark.parametrize("asked", [{"max_depth_m": -1.0}, {"max_length_m": math.nan}, {"min_slope_deg": 90.0}])
def test_wishes_out_of_range(asked: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        breach(np.zeros((3, 3)), CellSizes.square(1.0, 3), **asked)
