from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from edaphic.covariates.window import Window, centres, corners, full_turn, pieces, same_crs, window_box, windows

UTM = GeoBox((700, 900), Affine(90.0, 0.0, 600000.0, 0.0, -90.0, 4600000.0), "EPSG:32634")


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 17))
def test_windows_cover_every_cell_once(height: int, width: int, size: int) -> None:
    grid = GeoBox((height, width), Affine(1.0, 0.0, 0.0, 0.0, -1.0, 0.0), "EPSG:32634")
    seen = np.zeros((height, width), dtype=int)
    for window in windows(grid, size):
        assert window.height <= size and window.width <= size
        seen[window.slices] += 1
    assert (seen == 1).all()


def test_windows_are_in_row_order() -> None:
    found = windows(UTM, 256)
    assert found == sorted(found)
    assert found[-1] == Window(512, 768, 188, 132)


def test_pieces_of_a_window_lie_inside_it() -> None:
    assert pieces(Window(5, 7, 3, 5), 4) == [Window(5, 7, 3, 4), Window(5, 11, 3, 1)]


@pytest.mark.parametrize("values", [(-1, 0, 1, 1), (0, -1, 1, 1), (0, 0, 0, 1), (0, 0, 1, 0)])
def test_an_impossible_window_is_refused(values: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="expected row, col >= 0"):
        Window(*values)


def test_a_window_beyond_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="reaches beyond the grid of 700 rows"):
        window_box(UTM, Window(699, 0, 2, 1))


def test_window_box_has_the_bounds_of_its_cells() -> None:
    box = window_box(UTM, Window(10, 20, 5, 4))
    assert box.shape == (5, 4)
    assert box.extent.boundingbox.bbox == (601800.0, 4598650.0, 602160.0, 4599100.0)


def test_corners_surround_centres() -> None:
    window = Window(3, 4, 2, 3)
    (x, y), (cx, cy) = centres(UTM, window, UTM.crs), corners(UTM, window, UTM.crs)
    np.testing.assert_allclose((cx[:-1, :-1] + cx[1:, 1:]) / 2, x)
    np.testing.assert_allclose((cy[:-1, :-1] + cy[1:, 1:]) / 2, y)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3035", "EPSG:32635", "EPSG:28992"])
def test_a_cell_has_the_same_place_in_every_window(crs: str) -> None:
    whole = centres(UTM, Window(0, 0, 300, 300), CRS(crs))
    for window in (Window(17, 0, 1, 300), Window(0, 100, 128, 64), Window(299, 299, 1, 1)):
        for part, of in zip(centres(UTM, window, CRS(crs)), whole, strict=True):
            np.testing.assert_array_equal(part, of[window.slices])


def test_places_agree_with_a_plain_projection() -> None:
    lon, lat = centres(UTM, Window(5, 6, 1, 1), CRS("EPSG:4326"))
    expected = Transformer.from_crs(32634, 4326, always_xy=True).transform(600000 + 6.5 * 90, 4600000 - 5.5 * 90)
    assert (lon[0, 0], lat[0, 0]) == expected


def test_kept_places_cannot_be_changed() -> None:
    x, _ = centres(UTM, Window(0, 0, 2, 2), UTM.crs)
    with pytest.raises(ValueError, match="read-only"):
        x[0, 0] = 0.0


def test_one_crs_in_two_spellings_is_the_same() -> None:
    assert same_crs(CRS("EPSG:4326"), CRS("OGC:CRS84"))
    assert same_crs(CRS("EPSG:10592"), CRS(CRS("EPSG:10592").to_wkt("WKT1_GDAL")))
    assert not same_crs(CRS("EPSG:32634"), CRS("EPSG:32635"))


def test_a_full_turn_is_in_the_unit_of_the_crs() -> None:
    assert full_turn(CRS("EPSG:4326")) == pytest.approx(360.0)
    assert full_turn(CRS("EPSG:4807")) == pytest.approx(400.0)  # NTF (Paris), in grads
    assert full_turn(CRS("EPSG:32634")) is None
