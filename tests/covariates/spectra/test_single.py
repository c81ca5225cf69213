"""Indices of one scene as rasters: values, missing cells, windows, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from edaphic.covariates.spectra import single
from edaphic.covariates.spectra.indices import indices_of
from edaphic.covariates.spectra.reading import open_scene
from edaphic.covariates.spectra.scaling import Told
from edaphic.covariates.spectra.scene import scene_grid
from edaphic.covariates.spectra.scenes import Words, read_bands, scene_of_file, scenes_of_folder
from edaphic.covariates.spectra.single import make_indices, window_indices
from edaphic.covariates.window import Window
from edaphic.errors import RasterError

NAMES = ("ndvi", "bsi", "evi", "savi", "lswi")
BANDS = {"blue": 0.04, "green": 0.08, "red": 0.05, "nir": 0.45, "swir1": 0.22, "swir2": 0.10}


def made(folder, name):
    with rasterio.open(folder / f"{name}.tif") as file:
        return file.read(1), file.tags(), file.units[0], file.nodata


def full(shape=(4, 5)):
    return {role: np.full(shape, value) for role, value in BANDS.items()}


def test_values_tags_and_missing_cells(landsat, tmp_path):
    bands = full()
    bands["blue"][0, 0] = np.nan
    qa = np.full((4, 5), 21824)
    qa[3, 4] = 22280
    landsat("20190114", bands, qa)
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    notes = make_indices(scene, scene_grid(scene, ["red"]), indices_of(NAMES), tmp_path / "out", compress="none")
    values, tags, unit, nodata = made(tmp_path / "out", "ndvi")
    assert values.dtype == np.float32 and np.isnan(nodata) and unit == "1"
    assert values[0, 0] == pytest.approx(0.8, abs=1e-4) and np.isnan(values[3, 4]) and np.isnan(values).sum() == 1
    assert (
        tags["FORMULA"] == "(NIR - Red) / (NIR + Red)" and tags["COMPUTED_FROM"] == "surface reflectance" and tags["DATE"] == "2019-01-14"
    )
    evi, *_ = made(tmp_path / "out", "evi")
    assert np.isnan(evi[0, 0]) and np.isnan(evi).sum() == 2  # the blue band has no value there
    assert notes == ["quality takes away 5 % of the cells"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(f"{name}.tif" for name in NAMES)


def test_any_windows_give_the_same_bits(landsat, tmp_path, monkeypatch):
    random = np.random.default_rng(1)
    bands = {role: random.uniform(0.01, 0.6, (70, 45)) for role in BANDS}
    landsat("20190114", bands, random.choice([21824, 22280], (70, 45), p=[0.9, 0.1]))
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    # A grid that is neither aligned nor as fine: bands bilinear, quality nearest.
    for number, grid in enumerate(
        (scene_grid(scene, ["red"]), GeoBox((50, 40), Affine(37.0, 0, 499990.0, 0, -37.0, 4600011.0), "EPSG:32634"))
    ):
        results = []
        for side in (512, 7, 16):
            monkeypatch.setattr(single, "SIDE", side)
            folder = tmp_path / f"out{number}_{side}"
            make_indices(scene, grid, indices_of(NAMES), folder, compress="none")
            results.append([made(folder, name)[0] for name in NAMES])
        for other in results[1:]:
            np.testing.assert_array_equal(results[0], other)
        assert np.isfinite(results[0]).mean() > 0.5


def test_digital_numbers(write, tmp_path):
    """8-bit numbers at the limit of their type: differences by a note, EVI and SAVI refused."""
    red, nir, blue = (np.full((4, 5), value, dtype=np.uint8) for value in (100, 200, 90))
    red[0, 0] = 255
    path = write(tmp_path / "dn.tif", np.stack([red, nir, blue]))
    scene = scene_of_file(path, Words(read_bands("red=1,nir=2,blue=3"), "etm"))
    notes = make_indices(scene, scene_grid(scene, ["red"]), indices_of(["ndvi"]), tmp_path / "out")
    values, tags, *_ = made(tmp_path / "out", "ndvi")
    assert values[1, 1] == pytest.approx(1 / 3) and np.isnan(values[0, 0]) and tags["COMPUTED_FROM"] == "digital numbers"
    assert any("computed on digital numbers (uint8)" in note for note in notes)
    assert any("red: 1 of 20 cells are outside the valid numbers, or saturated" in note for note in notes)
    with pytest.raises(RasterError) as caught:
        make_indices(scene, scene_grid(scene, ["red"]), indices_of(["evi", "savi"]), tmp_path / "refused")
    assert len(caught.value.faults) == 2 and "savi: dn.tif holds digital numbers; expected reflectance" in caught.value.faults[1]
    assert not (tmp_path / "refused").exists()


def test_overflowing_numbers(write, tmp_path):
    path = write(tmp_path / "dn.tif", np.stack([np.full((4, 5), value, dtype=np.uint16) for value in (60000, 65000)]))
    scene = scene_of_file(path, Words(read_bands("red=1,nir=2")))
    make_indices(scene, scene_grid(scene, ["red"]), indices_of(["ndvi"]), tmp_path / "out")
    assert made(tmp_path / "out", "ndvi")[0][0, 0] == pytest.approx(5000 / 125000)


@pytest.mark.parametrize(
    ("numbers", "words", "fault"),
    [
        # reflectance times 10,000 taken as reflectance, and the scale of another product
        ((1500.0, 3000.0), Told(), "red: 100 % of the numbers give no reflectance between 0 and 1.6 with scale 1"),
        ((1500, 3000), Told(level="reflectance"), "nir: 100 % of the numbers give no reflectance"),
        ((1500, 3000), Told(level="l2"), "red: 100 % of the numbers give no reflectance .*Landsat Collection 2 Level 2"),
        # reflectance that is scaled a second time
        ((0.15, 0.3), Told(scale=0.0000275, offset=-0.2), "red: 100 % of the numbers give no reflectance"),
    ],
)
def test_wrong_scale(write, tmp_path, numbers, words, fault):
    values = np.stack([np.full((4, 5), number) for number in numbers])
    path = write(tmp_path / "sr.tif", values.astype(np.float32 if isinstance(numbers[0], float) else np.int16))
    scene = scene_of_file(path, Words(read_bands("red=1,nir=2"), "oli", words))
    with pytest.raises(RasterError, match=fault):
        make_indices(scene, scene_grid(scene, ["red"]), indices_of(["ndvi"]), tmp_path / "out")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_dark_water_is_no_fault(landsat, tmp_path):
    """Of a documented product, one band that is below 0 nearly everywhere is water, not a wrong scale."""
    bands = full((20, 20))
    bands["swir1"][:19] = -0.002
    bands["red"][:12] = -0.001
    landsat("20190114", bands)
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    notes = make_indices(scene, scene_grid(scene, ["red"]), indices_of(["ndvi", "lswi"]), tmp_path / "out")
    assert "swir1: 380 of 400 cells are outside the valid numbers, or saturated: no value" in notes
    assert any("no quality band: cloud and shadow are not left out" in note for note in notes)


def test_swapped_bands_are_seen(landsat, tmp_path):
    bands = full()
    bands["red"], bands["nir"] = bands["nir"], bands["red"]
    landsat("20190114", bands)
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    notes = make_indices(scene, scene_grid(scene, ["red"]), indices_of(["ndvi", "mndwi"]), tmp_path / "out")
    assert any("NDVI is below -0.1 in 100 % of the cells: are red and nir swapped" in note for note in notes)


def test_water_is_not_taken_for_swapped_bands(landsat, tmp_path):
    water = {"green": 0.05, "red": 0.03, "nir": 0.02, "swir1": 0.01}
    landsat("20190114", {role: np.full((4, 5), value) for role, value in water.items()})
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    notes = make_indices(scene, scene_grid(scene, ["red"]), indices_of(["ndvi", "mndwi"]), tmp_path / "out")
    assert not any("swapped" in note for note in notes)


def test_indices_beyond_their_limits(write, tmp_path):
    # Reflectance just below 0, in the limits of what is stated: NDVI is 3 there.
    values = np.stack([np.full((4, 5), -0.05), np.full((4, 5), 0.1)]).astype(np.float32)
    values[:, 0, 0] = 0.1, 0.3
    path = write(tmp_path / "sr.tif", values)
    scene = scene_of_file(path, Words(read_bands("red=1,nir=2")))
    with pytest.raises(RasterError, match="red: 95 % of the numbers give no reflectance"):
        make_indices(scene, scene_grid(scene, ["red"]), indices_of(["ndvi"]), tmp_path / "out")
    values[:, 1:] = [[[0.1]], [[0.3]]]
    scene = scene_of_file(write(tmp_path / "sr.tif", values), Words(read_bands("red=1,nir=2")))
    notes = make_indices(scene, scene_grid(scene, ["red"]), indices_of(["ndvi"]), tmp_path / "out")
    assert "ndvi: 4 of 20 values are outside -1 to 1: no value" in notes
    assert np.isnan(made(tmp_path / "out", "ndvi")[0]).sum() == 4


def test_nothing_left(landsat, tmp_path):
    landsat("20190114", full(), np.full((4, 5), 22280))
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    with pytest.raises(RasterError, match="quality takes away every cell; expected some that are clear"):
        make_indices(scene, scene_grid(scene, ["red"]), indices_of(["ndvi"]), tmp_path / "out")
    landsat("20190114", {role: np.full((4, 5), np.nan) for role in BANDS}, np.full((4, 5), 21824))
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    with pytest.raises(RasterError, match="no cell with a value of ndvi"):
        make_indices(scene, scene_grid(scene, ["red"]), indices_of(["ndvi"]), tmp_path / "out")
    with pytest.raises(RasterError, match="no band red_edge1; found blue, green, red, nir, swir1, swir2"):
        make_indices(scene, scene_grid(scene, ["red"]), indices_of(["ndre"]), tmp_path / "out")
    with pytest.raises(RasterError, match="no overlap with the grid"):
        make_indices(scene, GeoBox((4, 5), Affine(30, 0, 0, 0, -30, 0), "EPSG:32634"), indices_of(["ndvi"]), tmp_path / "out")


def test_cross_sensor_coefficients(landsat, tmp_path):
    landsat("20190114", full())
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    opened = open_scene(scene, scene_grid(scene, ["red"]), ["red", "nir"], coefficients={"red": (2.0, 0.01)})
    values, _ = window_indices(opened, Window(0, 0, 4, 5), indices_of(["ndvi"]))
    assert values["ndvi"][0, 0] == pytest.approx((0.45 - 0.11) / 0.56, abs=1e-3)


def test_unknown_conditions_are_said(landsat, tmp_path):
    landsat("20190114", full(), np.full((4, 5), 21824))
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    notes = make_indices(scene, scene_grid(scene, ["red"]), indices_of(["ndvi"]), tmp_path / "out", mask=("cloud", "dark"))
    assert notes == ["quality qa_pixel knows no dark: passed over"]
