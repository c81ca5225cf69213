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


def granule(write, folder, cells, day="20190714"):
    """A Sentinel-2 scene: band -> (cell size, numbers)."""
    for band, (size, numbers) in cells.items():
        dtype = np.uint8 if band == "SCL" else np.uint16
        transform = Affine(size, 0.0, 500000.0, 0.0, -size, 4600000.0)
        write(folder / f"T34TFL_{day}T092031_{band}_{size:g}m.tif", np.asarray(numbers, dtype=dtype), transform)
    return scenes_of_folder(folder, Words())[0]


@pytest.mark.parametrize("spoilt", ["saturated", "invalid", "cloud"])
def test_coarser_cells_do_not_bleed_into_finer_ones(write, tmp_path, spoilt):
    """One cell of 20 m that is saturated, below the offset of its baseline, or cloud: four cells of 10 m, and none beside them."""
    day = "20230714" if spoilt == "invalid" else "20190714"
    swir1, scl = np.full((4, 4), 4000 if spoilt == "invalid" else 3000), np.full((4, 4), 5)
    swir1[1, 1] = {"saturated": 65535, "invalid": 900, "cloud": 9000}[spoilt]
    scl[1, 1] = 9 if spoilt == "cloud" else 5
    scene = granule(write, tmp_path, {"B04": (10, np.full((8, 8), 2000)), "B11": (20, swir1), "SCL": (20, scl)}, day)
    expected = np.zeros((8, 8), dtype=bool)
    expected[2:4, 2:4] = True
    reading = open_scene(scene, grid_of(10.0, 8, 8), ["red", "swir1"]).read(Window(0, 0, 8, 8))
    np.testing.assert_array_equal(np.isnan(reading.bands["swir1"]), expected)
    np.testing.assert_allclose(reading.bands["swir1"][~expected], 0.3, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(reading.bands["red"]), expected if spoilt == "cloud" else np.zeros((8, 8), dtype=bool))
    assert list(reading.bands) == ["red", "swir1"]
    told = left_out(reading.counts)
    assert any(note.startswith("quality takes away" if spoilt == "cloud" else "swir1: about 6 % of the cells") for note in told)
    # On cells of 20 m, where the finer band is averaged, and on a grid that has the cells of neither.
    reading = open_scene(scene, grid_of(20.0, 4, 4), ["red", "swir1"]).read(Window(0, 0, 4, 4))
    assert np.isnan(reading.bands["swir1"]).sum() == 1 and np.isnan(reading.bands["red"]).sum() == (spoilt == "cloud")
    reading = open_scene(scene, grid_of(10.0, 7, 7, 500005.0, 4599995.0), ["red", "swir1"]).read(Window(0, 0, 7, 7))
    values = reading.bands["swir1"]
    assert 4 <= np.isnan(values).sum() <= 9
    np.testing.assert_allclose(values[np.isfinite(values)], 0.3, rtol=1e-6)


def test_mixed_cells_in_any_window_give_the_same_bits(write, tmp_path, monkeypatch):
    random = np.random.default_rng(6)
    numbers = {"B04": (10, random.integers(1, 9000, (60, 80))), "B11": (20, random.integers(1, 9000, (30, 40)))}
    numbers["B11"][1][random.random((30, 40)) < 0.1] = 65535
    scene = granule(write, tmp_path, numbers | {"SCL": (20, random.choice([4, 5, 9], (30, 40)))})
    opened = open_scene(scene, grid_of(10.0, 60, 80), ["red", "swir1"])
    whole = opened.read(Window(0, 0, 60, 80)).bands
    monkeypatch.setattr(reading, "BLOCK", 60)
    part = opened.read(Window(7, 9, 40, 51)).bands
    for role in ("red", "swir1"):
        np.testing.assert_array_equal(part[role], whole[role][7:47, 9:60])
        assert 0.5 < np.isfinite(whole[role]).mean() < 0.7


def test_elsewhere(landsat, tmp_path):
    landsat("20190114", {"red": np.full((4, 5), 0.1)})
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    with pytest.raises(ElsewhereError, match="no overlap with the grid"):
        open_scene(scene, grid_of(30.0, 4, 5, 900000.0), ["red"])
