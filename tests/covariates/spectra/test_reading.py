"""Scenes on other grids: masked first, then averaged or interpolated; in pieces of any size."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from edaphic.covariates.spectra import reading
from edaphic.covariates.spectra.evidence import left_out
from edaphic.covariates.spectra.reading import ElsewhereError, open_scene
from edaphic.covariates.spectra.scenes import Words, scenes_of_folder
from edaphic.covariates.window import Window

CLEAR, CLOUD = 21824, 22280


def grid_of(size, rows, cols, east=500000.0, north=4600000.0):
    return GeoBox((rows, cols), Affine(size, 0.0, east, 0.0, -size, north), "EPSG:32634")


def test_mean_of_clear_cells(landsat, tmp_path):
    """Of 8 x 8 cells under each cell of 240 m: no cloud; a bright cloud over a quarter; over half; over more than half."""
    red = np.full((8, 32), 0.1)
    red[:, 4:8] = 0.3
    qa = np.full((8, 32), CLEAR)
    for k, rows in enumerate((0, 2, 4, 5)):
        qa[:rows, 8 * k : 8 * k + 8] = CLOUD
        red[:rows, 8 * k : 8 * k + 8] = 0.9
    landsat("20190114", {"red": red}, qa)
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    found = open_scene(scene, grid_of(240.0, 1, 4), ["red"]).read(Window(0, 0, 1, 4)).bands["red"][0]
    np.testing.assert_allclose(found, [0.2, 0.1, 0.1, np.nan], atol=2e-5)
    unmasked = open_scene(scene, grid_of(240.0, 1, 4), ["red"], []).read(Window(0, 0, 1, 4)).bands["red"][0]
    np.testing.assert_allclose(unmasked, [0.2, 0.3, 0.5, 0.6], atol=2e-5)


def test_neighbours_of_clouds_and_invalid_numbers_are_not_blended(landsat, tmp_path):
    red = np.full((6, 6), 0.1)
    red[2, 2], red[4, 4] = 0.9, 1.55  # a cloud; a number beyond the valid range
    qa = np.full((6, 6), CLEAR)
    qa[2, 2] = CLOUD
    landsat("20190114", {"red": red}, qa)
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    found = open_scene(scene, grid_of(30.0, 5, 5, 500010.0, 4599990.0), ["red"]).read(Window(0, 0, 5, 5)).bands["red"]
    assert np.isnan(found[2, 2]) and np.isnan(found[4, 4])
    np.testing.assert_allclose(found[np.isfinite(found)], 0.1, atol=2e-5)
    assert np.isfinite(found).sum() == 23


def test_gradient_is_interpolated(landsat, tmp_path):
    red = np.broadcast_to(np.arange(8) / 50.0 + 0.1, (4, 8))
    landsat("20190114", {"red": red}, np.full((4, 8), CLEAR))
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    found = open_scene(scene, grid_of(30.0, 4, 7, 500015.0), ["red"]).read(Window(0, 0, 4, 7)).bands["red"]
    np.testing.assert_allclose(found, np.broadcast_to(np.arange(7) / 50.0 + 0.11, (4, 7)), atol=3e-5)


@pytest.mark.parametrize("grid", [grid_of(240.0, 9, 9), grid_of(37.0, 50, 60, 500100.0, 4599900.0)])
def test_pieces_of_any_size_give_the_same_bits(landsat, tmp_path, monkeypatch, grid):
    random = np.random.default_rng(4)
    bands = {role: random.uniform(0.01, 0.6, (70, 80)) for role in ("red", "nir")}
    landsat("20190114", bands, random.choice([CLEAR, CLOUD], (70, 80), p=[0.8, 0.2]))
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    opened = open_scene(scene, grid, ["red", "nir"])
    results = []
    for limit in (500_000, 100):
        monkeypatch.setattr(reading, "BLOCK", limit)
        results.append(opened.read(Window(0, 0, *grid.shape)))
    height, width = grid.shape
    part = opened.read(Window(3, 2, height - 4, width - 5))
    for role in ("red", "nir"):
        np.testing.assert_array_equal(results[0].bands[role], results[1].bands[role])
        np.testing.assert_array_equal(part.bands[role], results[0].bands[role][3:-1, 2:-3])
        assert np.isfinite(part.bands[role]).any()
    assert any(note.startswith("quality takes away 2") or note.startswith("quality takes away 1") for note in left_out(part.counts))


def test_other_crs(landsat, tmp_path):
    """A grid in degrees over a scene in UTM: each cell near the value of the place."""
    rows, cols = np.indices((200, 200))
    landsat("20190114", {"red": 0.1 + rows / 1000.0 + cols / 2000.0}, np.full((200, 200), CLEAR))
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    grid = GeoBox((3, 3), Affine(0.01, 0.0, 21.01, 0.0, -0.01, 41.54), "EPSG:4326")
    found = open_scene(scene, grid, ["red"]).read(Window(0, 0, 3, 3)).bands["red"]
    assert np.isfinite(found).all()
    # 0.01 degrees are 1,110 m in the north and 833 m in the east at this latitude.
    np.testing.assert_allclose(np.diff(found, axis=0), 1110.0 / 30.0 / 1000.0, rtol=0.02)
    np.testing.assert_allclose(np.diff(found, axis=1), 834.0 / 30.0 / 2000.0, rtol=0.02)


def test_elsewhere(landsat, tmp_path):
    landsat("20190114", {"red": np.full((4, 5), 0.1)})
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    with pytest.raises(ElsewhereError, match="no overlap with the grid"):
        open_scene(scene, grid_of(30.0, 4, 5, 900000.0), ["red"])
