"""Topographic position in a disc: by hand, against brute force, and in any tiling."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.terrain.cells import CellSizes, cell_sizes
from edaphic.covariates.terrain.focal import disc_of_cells, disc_of_metres, position_in_disc, reach
from edaphic.covariates.terrain.local import Margins, local_attributes

Array = NDArray[np.float64]


def _slowly(z: Array, cells: CellSizes, radius: float, centre: bool = True) -> Array:
    """Every cell by itself, in any order."""
    found = np.full(z.shape, np.nan)
    for i, j in np.argwhere(~np.isnan(z)):
        rows, cols = np.indices(z.shape)
        inside = np.hypot((rows - i) * cells.dy_m[i], (cols - j) * cells.dx_m[i]) <= radius * (1 + 1e-9)
        inside &= ~np.isnan(z)
        inside[i, j] = centre
        found[i, j] = z[i, j] - z[inside].mean() if inside.any() else 0.0
    return found


def _holed(seed: int, rows: int, cols: int, share: float = 0.1) -> Array:
    rng = np.random.default_rng(seed)
    z = np.round(rng.normal(500, 30, (rows, cols)), 1)
    z[rng.random(z.shape) < share] = np.nan
    return z


def test_discs() -> None:
    assert disc_of_cells(1, 1).tolist() == [[0, 1, 0]]
    assert disc_of_cells(1, 1.5).tolist() == [[1, 1, 1]]
    assert disc_of_cells(2, 0.5).tolist() == [[0], [0]]
    # 300 m in cells of 30 m: ten cells, the outermost four among them.
    assert disc_of_metres(CellSizes.square(30.0, 1), 300.0).tolist() == disc_of_cells(1, 10).tolist()
    assert disc_of_cells(1, 10)[0, 0] == 0
    assert (2 * disc_of_cells(1, 10) + 1).sum() == 317
    assert disc_of_metres(CellSizes(np.array([0.1]), np.array([0.1])), 0.3).tolist() == disc_of_cells(1, 3).tolist()
    assert reach(disc_of_cells(3, 7)) == (7, 7)


def test_discs_of_metres_are_wider_in_cells_where_cells_are_narrower() -> None:
    cells = cell_sizes(GeoBox((120, 10), Affine(0.5, 0.0, 0.0, 0.0, -0.5, 60.0), "EPSG:4326"))
    spans = disc_of_metres(cells, 150_000.0)
    assert spans.shape == (120, 5)
    assert spans[0, 2] == 5 and spans[-1, 2] == 2  # 27.8 and 55.7 km
    assert reach(spans) == (2, 5)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 12),
    cols=st.integers(1, 12),
    radius=st.floats(0.4, 9.0),
    centre=st.booleans(),
    dx=st.sampled_from([1.0, 0.6]),
)
def test_as_brute_force(seed: int, rows: int, cols: int, radius: float, centre: bool, dx: float) -> None:
    z = _holed(seed, rows, cols)
    cells = CellSizes(np.full(rows, dx), np.ones(rows))
    found = position_in_disc(z, disc_of_metres(cells, radius), centre=centre)
    np.testing.assert_allclose(found, _slowly(z, cells, radius, centre), atol=1e-4)


def test_on_a_geographic_grid_as_brute_force() -> None:
    cells = cell_sizes(GeoBox((20, 15), Affine(0.5, 0.0, 0.0, 0.0, -0.5, 70.0), "EPSG:4326"))
    z = _holed(4, 20, 15)
    found = position_in_disc(z, disc_of_metres(cells, 130_000.0))
    np.testing.assert_allclose(found, _slowly(z, cells, 130_000.0), atol=1e-4)


def test_a_square_of_three_is_the_local_index() -> None:
    z = _holed(2, 9, 11)
    cells = CellSizes.square(10.0, 9)
    ours = position_in_disc(z, disc_of_cells(9, 1.5), centre=False)
    np.testing.assert_allclose(ours, local_attributes(z, cells, ["tpi"])["tpi"], atol=1e-4)


def test_a_plane_is_nowhere_high() -> None:
    rows, cols = np.indices((40, 40))
    found = position_in_disc(3.0 * rows - 2.0 * cols, disc_of_cells(40, 6))
    assert found[6:-6, 6:-6] == pytest.approx(0.0, abs=1e-5)
    assert found[0, 0] < 0 or found[0, 39] < 0  # but cut at the edge


def _cuts(size: int) -> st.SearchStrategy[list[int]]:
    return st.sets(st.integers(1, size - 1), max_size=3).map(lambda inner: [0, *sorted(inner), size])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), rows=_cuts(19), cols=_cuts(16), radius=st.floats(0.5, 7.0), kind=st.sampled_from(["float32", "float64"]))
def test_any_tiling_gives_the_same_bits(seed: int, rows: list[int], cols: list[int], radius: float, kind: str) -> None:
    z = _holed(seed, 19, 16).astype(kind)
    cells = cell_sizes(GeoBox((19, 16), Affine(0.01, 0.0, 8.0, 0.0, -0.01, 66.0), "EPSG:4326"))
    spans = disc_of_metres(cells, radius * 1000.0)
    high, wide = reach(spans)
    whole = position_in_disc(z, spans)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(cols):
            margins = Margins(min(high, top), min(high, 19 - bottom), min(wide, left), min(wide, 16 - right))
            block = z[top - margins.top : bottom + margins.bottom, left - margins.left : right + margins.right]
            part = position_in_disc(block, spans[top:bottom], margins=margins)
            np.testing.assert_array_equal(part, whole[top:bottom, left:right])


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_and_strips_give_the_same_bits(threads: int) -> None:
    """Wider than the strips that are worked on together."""
    z = _holed(1, 25, 1100)
    spans = disc_of_cells(25, 4)
    np.testing.assert_array_equal(position_in_disc(z, spans), position_in_disc(z, spans, threads=threads))
    part = position_in_disc(z[:, 300:720], spans, margins=Margins(0, 0, 4, 4))
    np.testing.assert_array_equal(part, position_in_disc(z, spans)[:, 304:716])


def test_whole_numbers_and_missing_heights() -> None:
    z = np.array([[1, 2, 30]], dtype="int16")
    assert position_in_disc(z, disc_of_cells(1, 1)).tolist() == [[-0.5, -9.0, 14.0]]
    empty = np.full((3, 3), np.nan)
    assert np.isnan(position_in_disc(empty, disc_of_cells(3, 1))).all()
    empty[1, 1] = 4.0
    assert position_in_disc(empty, disc_of_cells(3, 1), centre=False)[1, 1] == 0.0


@pytest.mark.parametrize("radius", [0.0, -3.0, np.nan, np.inf])
def test_radii_that_are_none(radius: float) -> None:
    with pytest.raises(ValueError, match="radius"):
        disc_of_cells(3, radius)


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        position_in_disc(np.zeros((3, 3)), disc_of_cells(2, 1))


@pytest.mark.parametrize("centre", [True, False])
def test_no_disc_on_a_pole(centre: bool) -> None:
    """Rows centred on the poles have no width: no position, and no trace in the rows beside them."""
    grid = GeoBox((5, 8), Affine(45.0, 0.0, -180.0, 0.0, -45.0, 112.5), "EPSG:4326")
    cells = cell_sizes(grid)
    spans = disc_of_metres(cells, 4.0e6)
    found = position_in_disc(np.full((5, 8), 2500.0), spans, centre=centre)
    assert np.isnan(cells.dx_m).tolist() == [True, False, False, False, True]
    assert np.isnan(found[[0, 4]]).all() and (spans[[0, 4]] == -1).all()
    np.testing.assert_array_equal(found[1:4], 0.0)
