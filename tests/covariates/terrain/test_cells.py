"""Sizes of cells on the ground."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS, Geod
from pyproj.crs import CompoundCRS

from edaphic.covariates.area import cell_area_m2
from edaphic.covariates.terrain.cells import CellSizes, cell_sizes
from edaphic.covariates.window import Window


def _grid(crs: object, size: float = 0.1, north: float = 45.0, rows: int = 4) -> GeoBox:
    return GeoBox((rows, 3), Affine(size, 0.0, 10.0, 0.0, -size, north), crs)


def test_projected_cells_are_those_of_the_map() -> None:
    cells = cell_sizes(_grid("EPSG:32634", 30.0))
    assert cells.dx_m.tolist() == cells.dy_m.tolist() == [30.0] * 4
    assert cells.area_m2.tolist() == [900.0] * 4
    assert cells.uniform


def test_feet_become_metres() -> None:
    us_survey_foot = 1200 / 3937
    assert cell_sizes(_grid("EPSG:2263", 10.0)).dx_m == pytest.approx(10 * us_survey_foot, rel=1e-12)


def test_cells_that_are_no_squares() -> None:
    cells = cell_sizes(GeoBox((2, 2), Affine(20.0, 0.0, 0.0, 0.0, -30.0, 0.0), "EPSG:32634"))
    assert (cells.dx_m[0], cells.dy_m[0]) == (20.0, 30.0)


@pytest.mark.parametrize("north", [45.0, -12.0, 84.0, 0.2])
def test_geographic_cells_are_those_of_the_geodesic(north: float) -> None:
    cells = cell_sizes(_grid("EPSG:4326", 0.01, north))
    geod = Geod(ellps="WGS84")
    for row in range(4):
        latitude = north - 0.01 * (row + 0.5)
        assert cells.dx_m[row] == pytest.approx(geod.inv(10.0, latitude, 10.01, latitude)[2], rel=1e-6)
        assert cells.dy_m[row] == pytest.approx(geod.inv(10.0, latitude - 0.005, 10.0, latitude + 0.005)[2], rel=1e-8)
    assert not cells.uniform


def test_areas_agree_with_the_true_ones() -> None:
    grid = _grid("EPSG:4326", 1 / 120, 60.0, rows=5)
    assert cell_sizes(grid).area_m2 == pytest.approx(cell_area_m2(grid, Window(0, 0, 5, 1))[:, 0], rel=1e-7)


def test_rows_may_run_to_the_north() -> None:
    up = GeoBox((4, 3), Affine(0.1, 0.0, 10.0, 0.0, 0.1, 44.6), "EPSG:4326")
    assert cell_sizes(up).dx_m[::-1] == pytest.approx(cell_sizes(_grid("EPSG:4326")).dx_m, rel=1e-12)


def test_a_vertical_reference_changes_nothing() -> None:
    both = CompoundCRS("with heights", [CRS("EPSG:4326"), CRS("EPSG:5773")])
    assert (cell_sizes(_grid(both.to_wkt())).dx_m == cell_sizes(_grid("EPSG:4326")).dx_m).all()


def test_grads_of_another_ellipsoid() -> None:
    """NTF (Paris): Clarke 1880, 400 grads to a turn."""
    cells = cell_sizes(_grid("EPSG:4807", 0.1, 50.05))
    geod = Geod(ellps="clrk80ign")
    assert cells.dx_m[0] == pytest.approx(geod.inv(0.0, 45.0, 0.09, 45.0)[2], rel=1e-6)


def test_rows_at_the_poles_have_no_size() -> None:
    """A global grid whose outermost centres lie on the poles, as those of reanalyses do."""
    cells = cell_sizes(GeoBox((181, 360), Affine(1.0, 0.0, -180.5, 0.0, -1.0, 90.5), "EPSG:4326"))
    assert np.isnan(cells.dx_m).nonzero()[0].tolist() == [0, 180]
    assert (cells.dx_m[1:-1] > 0).all()


def test_rows_are_sliced() -> None:
    cells = cell_sizes(_grid("EPSG:4326"))
    assert (cells[1:3].dx_m == cells.dx_m[1:3]).all()
    assert len(cells[1:3]) == 2


def test_faults() -> None:
    with pytest.raises(ValueError, match="no coordinate reference system"):
        cell_sizes(_grid(None))
    with pytest.raises(ValueError, match="rotated"):
        cell_sizes(GeoBox((2, 2), Affine(1.0, 0.5, 0.0, 0.5, -1.0, 0.0), "EPSG:32634"))
    with pytest.raises(ValueError, match="one number for each row"):
        CellSizes(np.ones(2), np.ones(3))
