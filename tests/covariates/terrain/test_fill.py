"""Filling of depressions: the minimal surface, from which every cell drains."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.fill import fill
from edaphic.covariates.terrain.neighbours import COLUMNS_AWAY, ROWS_AWAY, distances

Grid = NDArray[np.floating[Any]]


def neighbours(z: Grid, row: int, column: int) -> list[tuple[int, int, int]]:
    """Direction, row and column of the neighbours that are there."""
    found = []
    for k in range(8):
        r, c = row + int(ROWS_AWAY[k]), column + int(COLUMNS_AWAY[k])
        if 0 <= r < z.shape[0] and 0 <= c < z.shape[1] and not np.isnan(z[r, c]):
            found.append((k, r, c))
    return found


def minimal(z: Grid, cells: CellSizes, min_slope_deg: float) -> Grid:
    """The least surface by repeated relaxation of all cells: slow and plain."""
    step = distances(cells) * math.tan(math.radians(min_slope_deg))
    surface = np.where(np.isnan(z), np.nan, np.inf)
    changed = True
    while changed:
        changed = False
        for row, column in np.argwhere(~np.isnan(z)):
            around = neighbours(z, row, column)
            reach = -np.inf if len(around) < 8 else min(surface[r, c] + step[row, k] for k, r, c in around)
            value = max(z[row, column], reach)
            if value < surface[row, column]:
                surface[row, column], changed = value, True
    return surface


def stuck(surface: Grid, strict: bool) -> int:
    """Cells that are no outlets and have no lower (or, if not strict, no path of not higher) neighbour towards one."""
    drained = np.zeros(surface.shape, dtype=bool)
    order = sorted(map(tuple, np.argwhere(~np.isnan(surface))), key=lambda p: surface[p])
    changed = True
    while changed:
        changed = False
        for row, column in order:
            if drained[row, column]:
                continue
            around, here = neighbours(surface, row, column), surface[row, column]
            falls = any(drained[r, c] and (surface[r, c] < here or (not strict and surface[r, c] == here)) for _, r, c in around)
            if len(around) < 8 or falls:
                drained[row, column] = changed = True
    return int((~drained & ~np.isnan(surface)).sum())


def landscapes(dtype: Any = np.float64, gaps: bool = True) -> st.SearchStrategy[Grid]:
    """Small grids with many ties, pits, plateaus and holes."""
    heights = st.integers(0, 6).map(float)
    values = st.one_of(heights, heights, heights, heights, heights, heights, st.just(math.nan)) if gaps else heights
    return arrays(dtype, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=values)


SLOPES = st.sampled_from([0.0, 0.01, 3.0, 20.0])


@settings(max_examples=150, deadline=None)
@given(landscapes(), SLOPES, st.floats(0.5, 50.0), st.floats(0.5, 50.0))
def test_result_is_the_minimal_surface(z: Grid, slope: float, dx: float, dy: float) -> None:
    cells = CellSizes(np.full(len(z), dx), np.full(len(z), dy))
    np.testing.assert_array_equal(fill(z, cells, min_slope_deg=slope), minimal(z, cells, slope))


@settings(max_examples=60, deadline=None)
@given(landscapes(), SLOPES)
def test_minimal_on_rows_of_different_sizes(z: Grid, slope: float) -> None:
    cells = CellSizes(np.linspace(20.0, 35.0, len(z)), np.linspace(30.0, 29.0, len(z)))
    np.testing.assert_array_equal(fill(z, cells, min_slope_deg=slope), minimal(z, cells, slope))


@settings(max_examples=100, deadline=None)
@given(landscapes(np.float32), st.sampled_from([0.0, 1e-7, 0.01]), st.sampled_from([0.0, 2000.0, 8000.0]))
def test_every_cell_drains_in_float32(z: Grid, slope: float, base: float) -> None:
    """Also where a step is far below the spacing of float32: 1 m cells at 8,000 m with a slope of 1e-7 degrees."""
    surface = fill(z + np.float32(base), CellSizes.square(1.0, len(z)), min_slope_deg=slope)
    assert surface.dtype == np.float32
    assert stuck(surface, strict=slope > 0) == 0
    assert not (surface < z + np.float32(base)).any()


@settings(max_examples=60, deadline=None)
@given(landscapes(), SLOPES)
def test_filling_twice_changes_nothing(z: Grid, slope: float) -> None:
    cells = CellSizes.square(10.0, len(z))
    once = fill(z, cells, min_slope_deg=slope)
    np.testing.assert_array_equal(fill(once, cells, min_slope_deg=slope), once)


@settings(max_examples=40, deadline=None)
@given(landscapes(), SLOPES)
def test_turning_the_ground_turns_the_surface(z: Grid, slope: float) -> None:
    surface = fill(z, CellSizes.square(10.0, z.shape[0]), min_slope_deg=slope)
    turned = fill(np.rot90(z), CellSizes.square(10.0, z.shape[1]), min_slope_deg=slope)
    np.testing.assert_array_equal(np.rot90(turned, -1), surface)
    np.testing.assert_array_equal(fill(z[::-1], CellSizes.square(10.0, z.shape[0]), min_slope_deg=slope)[::-1], surface)


def test_bowl_is_filled_to_its_lowest_rim() -> None:
    y, x = np.mgrid[-20:21, -20:21].astype(float)
    z = np.minimum(np.hypot(x, y), 15.0) + 0.2 * x
    rim = minimal(z, CellSizes.square(5.0, 41), 0.0)
    filled = fill(z, CellSizes.square(5.0, 41), min_slope_deg=0.0)
    np.testing.assert_array_equal(filled, rim)
    assert len(np.unique(filled[filled > z])) == 1


def test_slope_on_a_lake_rises_from_its_outlet() -> None:
    """A long trough closed at one end: one step of 30 m at 0.01 degrees for each cell."""
    z = np.full((3, 12), 9.0)
    z[1, 1:] = 2.0
    z[1, 11] = 5.0
    filled = fill(z, CellSizes.square(30.0, 3), min_slope_deg=0.01)
    np.testing.assert_allclose(np.diff(filled[1, 1:12]), -30.0 * math.tan(math.radians(0.01)), rtol=1e-9)


def test_nested_depressions_share_the_outer_rim() -> None:
    z = np.full((9, 9), 10.0)
    z[1:8, 1:8] = 4.0
    z[3:6, 3:6] = 7.0
    z[4, 4] = 1.0
    z[0, 4] = 8.0
    filled = fill(z, CellSizes.square(1.0, 9), min_slope_deg=0.0)
    assert (filled[1:8, 1:8] == 8.0).all()


def test_nodata_is_an_outlet() -> None:
    """What surrounds a lake without heights drains into it; without the lake it is filled."""
    z = np.full((7, 7), 9.0)
    z[2:5, 2:5] = 3.0
    dry = fill(z, CellSizes.square(1.0, 7), min_slope_deg=0.0)
    z[3, 3] = np.nan
    wet = fill(z, CellSizes.square(1.0, 7), min_slope_deg=0.0)
    assert (dry[2:5, 2:5] == 9.0).all()
    np.testing.assert_array_equal(wet, z)


@pytest.mark.parametrize(
    "z",
    [
        np.full((3, 4), np.nan),
        np.array([[5.0]]),
        np.array([[5.0, 1.0, 4.0]]),
        np.array([[5.0], [1.0], [4.0]]),
        np.full((5, 5), 7.0),
        np.array([[9.0, 9.0, 9.0], [1.0, 5.0, 9.0], [9.0, 9.0, 9.0]]),
    ],
    ids=["no heights", "one cell", "one row", "one column", "level", "pit on the edge"],
)
def test_nothing_to_fill(z: Grid) -> None:
    np.testing.assert_array_equal(fill(z, CellSizes.square(1.0, len(z)), min_slope_deg=0.0), z)


def test_a_level_plain_is_tilted_towards_the_edge() -> None:
    """The distance to the edge in steps."""
    filled = fill(np.zeros((7, 7)), CellSizes.square(1.0, 7), min_slope_deg=45.0)
    y, x = np.mgrid[0:7, 0:7]
    np.testing.assert_allclose(filled, np.minimum(np.minimum(x, 6 - x), np.minimum(y, 6 - y)), rtol=1e-12)


def test_infinite_heights_are_nodata() -> None:
    z = np.full((5, 5), 3.0)
    z[2, 2], z[1, 1] = np.inf, -np.inf
    filled = fill(z, CellSizes.square(1.0, 5))
    assert np.isnan(filled[2, 2]) and np.isnan(filled[1, 1])
    assert np.isfinite(np.delete(filled.ravel(), [6, 12])).all()


def test_whole_numbers_keep_their_digits() -> None:
    cells = CellSizes.square(1.0, 3)
    assert fill(np.full((3, 3), 32767, dtype=np.int16), cells).dtype == np.float32
    large = np.full((3, 3), 2**24 + 1, dtype=np.int32)
    np.testing.assert_array_equal(fill(large, cells, min_slope_deg=0.0), large)


def test_input_stays_as_it_is() -> None:
    z = np.array([[9.0, 9.0, 9.0], [9.0, 1.0, 9.0], [9.0, 9.0, 9.0]])
    fill(z, CellSizes.square(1.0, 3))
    assert z[1, 1] == 1.0


@pytest.mark.parametrize("slope", [-0.1, 90.0, math.nan])
def test_slope_out_of_range(slope: float) -> None:
    with pytest.raises(ValueError, match="expected 0 to less than 90"):
        fill(np.zeros((3, 3)), CellSizes.square(1.0, 3), min_slope_deg=slope)


@pytest.mark.parametrize("z", [np.zeros(3), np.zeros((0, 3)), np.zeros((4, 3))], ids=["a row", "no cells", "other rows"])
def test_arrays_that_do_not_fit(z: Grid) -> None:
    with pytest.raises(ValueError, match="expected"):
        fill(z, CellSizes.square(1.0, 3))


@pytest.mark.parametrize("spread", [0.5, 100.0])
def test_large_rough_ground_is_minimal(spread: float) -> None:
    """With a step no surface but the least one is everywhere the larger of the ground and its lowest neighbour and a step."""
    y, x = np.mgrid[0:400, 0:500].astype(float)
    z = np.random.default_rng(8).uniform(0.0, spread, x.shape) + 0.05 * x + 10.0 * np.sin(y / 40.0)
    cells = CellSizes(np.linspace(8.0, 12.0, 400), np.linspace(10.0, 11.0, 400))
    filled = fill(z, cells, min_slope_deg=0.1)
    step = distances(cells) * math.tan(math.radians(0.1))
    ways = [np.roll(filled, (-r, -c), (0, 1)) + step[:, k, None] for k, (r, c) in enumerate(zip(ROWS_AWAY, COLUMNS_AWAY, strict=True))]
    least = np.maximum(z, np.min(ways, axis=0))
    np.testing.assert_array_equal(filled[1:-1, 1:-1], least[1:-1, 1:-1])
    for rim in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        np.testing.assert_array_equal(filled[rim], z[rim])
