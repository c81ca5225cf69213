"""Composites: by hand, against NumPy, in any windows; what is counted, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from edaphic.covariates.spectra import composites
from edaphic.covariates.spectra.checking import check_composite
from edaphic.covariates.spectra.coefficients import BandLines
from edaphic.covariates.spectra.composing import BareSoil, Composing
from edaphic.covariates.spectra.composites import composite
from edaphic.covariates.spectra.indices import INDICES, indices_of
from edaphic.covariates.spectra.periods import read_period
from edaphic.covariates.spectra.scaling import Told
from edaphic.covariates.spectra.scenes import Words, scenes_of_folder
from edaphic.covariates.spectra.single import make_indices
from edaphic.errors import RasterError

TRANSFORM = Affine(30.0, 0.0, 500000.0, 0.0, -30.0, 4600000.0)
GRID = GeoBox((4, 5), TRANSFORM, "EPSG:32634")
CLEAR, CLOUD, SNOW = 21824, 22280, 30048
NDVI = indices_of(["ndvi"])
DAYS = ("20000705", "20010115", "20010720", "20030801")


def moved(cols, rows):
    return Affine(30.0, 0.0, 500000.0 + 30.0 * cols, 0.0, -30.0, 4600000.0 - 30.0 * rows)


def made(folder, name):
    with rasterio.open(folder / f"{name}.tif") as file:
        return file.read(1, masked=True).astype(np.float64).filled(np.nan)


@pytest.fixture
def stack(landsat, tmp_path):
    """Four dates, each of 4 x 5 cells with its own NDVI; the second has a cloud, the third a hole in red."""

    def make():
        for k, day in enumerate(DAYS):
            nir, red = np.full((4, 5), 0.3 + 0.05 * k), np.full((4, 5), 0.2 - 0.04 * k)
            qa = np.full((4, 5), CLEAR)
            if k == 1:
                qa[0, 0] = CLOUD
            if k == 2:
                red[0, 1] = np.nan
            landsat(day, {"red": red, "nir": nir, "swir1": nir, "swir2": nir * 0.9}, qa)
        return scenes_of_folder(tmp_path / "scenes", Words())

    return make


def expected_ndvi():
    """NDVI of the four dates after rounding to the product's numbers."""
    pairs = [[round((value + 0.2) / 0.0000275) * 0.0000275 - 0.2 for value in (0.3 + 0.05 * k, 0.2 - 0.04 * k)] for k in range(4)]
    return np.array([(nir - red) / (nir + red) for nir, red in pairs])


def test_by_hand(stack, tmp_path):
    ndvi = expected_ndvi()
    result = composite(stack(), GRID, Composing(NDVI, ("red",), ("median", "mean", "p10")), tmp_path / "out", compress="none")
    assert result.names == ("ndvi_median", "ndvi_mean", "ndvi_p10", "red_median", "red_mean", "red_p10", "count")
    median, mean, p10, count = (made(tmp_path / "out", name) for name in ("ndvi_median", "ndvi_mean", "ndvi_p10", "count"))
    assert median[2, 2] == pytest.approx(np.median(ndvi)) and mean[2, 2] == pytest.approx(ndvi.mean())
    assert p10[2, 2] == pytest.approx(np.percentile(ndvi, 10))
    assert median[0, 0] == pytest.approx(np.median(ndvi[[0, 2, 3]])) and median[0, 1] == pytest.approx(np.median(ndvi[[0, 1, 3]]))
    assert count[0, 0] == count[0, 1] == 3 and (count.ravel()[2:] == 4).all()
    assert made(tmp_path / "out", "red_mean")[2, 2] == pytest.approx(0.14, abs=2e-5)


def test_periods_and_months(stack, tmp_path):
    ndvi = expected_ndvi()
    scenes = stack()
    how = Composing(NDVI, statistics=("mean",), periods=(read_period("2000-2001"), read_period("2003")))
    result = composite(scenes, GRID, how, tmp_path / "out")
    assert result.names == ("ndvi_2000-2001", "count_2000-2001", "ndvi_2003-2003", "count_2003-2003")
    assert {label: len(names) for label, names in result.used.items()} == {"2000-2001": 3, "2003-2003": 1}
    assert made(tmp_path / "out", "ndvi_2000-2001")[2, 2] == pytest.approx(ndvi[:3].mean())
    assert made(tmp_path / "out", "count_2003-2003")[2, 2] == 1
    composite(scenes, GRID, replace(how, periods=how.periods[:1], months=(6, 7, 8)), tmp_path / "summer")
    assert made(tmp_path / "summer", "ndvi_2000-2001")[2, 2] == pytest.approx(ndvi[[0, 2]].mean())
    with rasterio.open(tmp_path / "summer" / "ndvi_2000-2001.tif") as file:
        assert (file.tags()["PERIOD"], file.tags()["SCENES"], file.tags()["STATISTIC"]) == ("2000-2001", "2", "mean")
    overlapping = replace(how, periods=(read_period("2000-2001"), read_period("2001-2003")))
    assert any("share 2001-01-01 to 2001-12-31" in note for note in composite(scenes, GRID, overlapping, tmp_path / "both").notes)


def test_fewest_observations(stack, tmp_path):
    composite(stack(), GRID, Composing(NDVI, least=4), tmp_path / "out")
    found = made(tmp_path / "out", "ndvi")
    assert np.isnan(found[0, :2]).all() and np.isfinite(found).sum() == 18
    assert made(tmp_path / "out", "count")[0, 0] == 3  # the count says why


def test_statistic_of_bands_first(stack, tmp_path):
    composite(stack(), GRID, Composing(NDVI, statistics=("median",), first="bands"), tmp_path / "out")
    assert made(tmp_path / "out", "ndvi")[2, 2] == pytest.approx((0.375 - 0.14) / 0.515, abs=1e-4)
    assert made(tmp_path / "out", "ndvi")[2, 2] != pytest.approx(np.median(expected_ndvi()), abs=1e-4)


def test_greenest(stack, tmp_path):
    composite(stack(), GRID, Composing(NDVI, ("red",), ("max_ndvi",)), tmp_path / "out")
    assert made(tmp_path / "out", "ndvi")[2, 2] == pytest.approx(expected_ndvi().max())
    assert made(tmp_path / "out", "red")[2, 2] == pytest.approx(0.08, abs=2e-5)


def test_bare_soil(landsat, tmp_path):
    """Two dates of bare soil; of a crop, straw (NBR2 above its limit), water, snow, and snow that the quality band alone tells: none."""
    soil = {"red": 0.20, "nir": 0.25, "swir1": 0.30, "swir2": 0.27}
    snow = {"red": 0.85, "nir": 0.80, "swir1": 0.12, "swir2": 0.10}  # NDVI -0.03, NBR2 0.09: as of soil
    for day, change in (
        ("20000101", snow),
        ("20000201", {"red": 0.21}),
        ("20000301", {}),
        ("20000401", {"red": 0.22}),
        ("20000701", {"red": 0.04, "nir": 0.5}),
        ("20000901", {"swir2": 0.20}),
        ("20001201", {"red": 0.03, "nir": 0.01}),
    ):
        landsat(
            day,
            {role: np.full((4, 5), value) for role, value in (soil | change).items()},
            np.full((4, 5), SNOW if day == "20000201" else CLEAR),
        )
    scenes = scenes_of_folder(tmp_path / "scenes", Words())
    composite(scenes, GRID, Composing(NDVI, ("red",), ("median",), bare_soil=BareSoil()), tmp_path / "out")
    assert (made(tmp_path / "out", "count") == 2).all()
    assert made(tmp_path / "out", "red")[0, 0] == pytest.approx(0.21, abs=2e-5)
    for mask, count in (((), 4), (("cloud",), 2)):  # with every condition taken back, all is as the numbers say
        how = Composing(NDVI, mask=mask, bare_soil=BareSoil(ndsii_high=1.0 if not mask else 0.4))
        composite(scenes, GRID, how, tmp_path / f"mask{count}")
        assert (made(tmp_path / f"mask{count}", "count") == count).all()
    with pytest.raises(RasterError, match="composite: no cell has 1 or more observations of bare soil"):
        composite(scenes, GRID, Composing(NDVI, bare_soil=BareSoil(-0.05, 0.01, 0.01)), tmp_path / "none")
    assert not (tmp_path / "none").exists() or not list((tmp_path / "none").iterdir())


def test_one_day_of_one_sensor_counts_once(landsat, tmp_path):
    """Two rows of one path overlap: the same image was cut twice."""
    for path, shift in (("218074", 0), ("218075", 2)):
        landsat("20000705", {"red": np.full((4, 5), 0.1), "nir": np.full((4, 5), 0.3)}, transform=moved(0, shift))
        for file in sorted((tmp_path / "scenes" / "20000705").glob("*_218074_*")):
            file.rename(file.with_name(file.name.replace("218074", f"{path[:3]}{int(path[3:]) + 100}")))
    landsat("20000721", {"red": np.full((4, 5), 0.2), "nir": np.full((4, 5), 0.3)})
    scenes = scenes_of_folder(tmp_path / "scenes", Words())
    assert len(scenes) == 3
    grid = GeoBox((6, 5), TRANSFORM, "EPSG:32634")
    composite(scenes, grid, Composing(NDVI, ("red",), ("mean",)), tmp_path / "out")
    assert made(tmp_path / "out", "count")[:, 0].tolist() == [2, 2, 2, 2, 1, 1]
    np.testing.assert_allclose(made(tmp_path / "out", "red")[:, 0], [0.15] * 4 + [0.1] * 2, atol=2e-5)


def test_any_windows_and_order_give_the_same_bits(landsat, tmp_path, monkeypatch):
    random = np.random.default_rng(5)
    for k in range(6):
        bands = {role: random.uniform(0.01, 0.6, (60, 50)) for role in ("red", "nir", "swir1", "blue")}
        landsat(f"200{k}0705", bands, random.choice([CLEAR, CLOUD], (60, 50), p=[0.7, 0.3]), transform=moved(k, -k))
    scenes = scenes_of_folder(tmp_path / "scenes", Words())
    grid = GeoBox((45, 40), Affine(37.0, 0, 500100.0, 0, -37.0, 4599900.0), "EPSG:32634")
    how = Composing(indices_of(["ndvi", "bsi", "evi"]), ("red",), ("median", "mean", "p90", "max_ndvi"))
    results = []
    for side, order in ((1024, 1), (16, -1), (7, 1)):
        monkeypatch.setattr(composites, "SIDES", (side,))
        folder = tmp_path / f"out{side}"
        result = composite(scenes[::order], grid, how, folder, compress="none")
        results.append([made(folder, name) for name in result.names])
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)
    assert np.isfinite(results[0][0]).mean() > 0.9


def test_memory_bounds_the_window():
    how = Composing(indices_of(["ndvi", "bsi"]), memory_mb=64)
    sides = [composites._side(how, scenes) for scenes in (2, 50, 400, 4000)]
    assert sides == sorted(sides, reverse=True) and sides[0] > sides[-1]
    for scenes, side in zip((2, 50, 400, 4000), sides, strict=True):
        assert 2 * 4 * scenes * 2 * side**2 <= 64e6
    with pytest.raises(RasterError, match="do not fit into 16 MB"):
        composites._side(replace(how, memory_mb=16), 100_000)


def test_series_of_real_pixels(shared):
    """423 dates of Landsat 4, 5 and 7 of one image row: the statistics are NumPy's, masked by Fmask."""
    folder = shared / "data" / "landsat_timeseries_p013r030"
    series = np.load(folder / "p013r030_r50_n423_b8.npz")["Y"]
    from_fmask = np.isin(series[7], (2, 3, 4, 255))
    red, nir = (np.where(from_fmask | (series[k] < 0) | (series[k] > 10000), np.nan, series[k] * 1e-4) for k in (2, 3))
    ndvi = INDICES["ndvi"]({"red": red, "nir": nir}).reshape(423, 1, 300)
    median = composites.reduced(ndvi, composites.read_statistic("median"))
    np.testing.assert_allclose(median, np.nanmedian(ndvi.astype(np.float64), axis=0), rtol=1e-6)
    assert 0.6 < np.nanmedian(median) < 0.9  # a forest


def test_faults(stack, landsat, tmp_path):
    scenes = stack()
    undated = [replace(scenes[0], day=None), *scenes[1:]]
    cases = (
        (undated, Composing(NDVI, periods=(read_period("2000-2005"),)), "no date; expected one, to know its period"),
        (scenes, Composing(NDVI, periods=(read_period("1985-1990"),)), r"none of 4 lies in the periods, .*found 2000-07-05 to 2003-08-01"),
        (scenes, Composing(NDVI, periods=(read_period("2000"), read_period("2002"))), "period 2002-2002: no scene"),
        (scenes, Composing(NDVI, least=5), "no cell has 5 or more observations that is clear"),
        (scenes, Composing(indices_of(["bsi"])), "no band blue; found red, nir, swir1, swir2"),
        ([scenes[0], scenes[0]], Composing(NDVI), "the name of 2 scenes"),
        ([], Composing(NDVI), "scenes: found none"),
    )
    for given, how, fault in cases:
        with pytest.raises(RasterError, match=fault):
            composite(given, GRID, how, tmp_path / "out")
    away = GeoBox((4, 5), Affine(30, 0, 0, 0, -30, 0), "EPSG:32634")
    with pytest.raises(RasterError, match="none of 4 lies in the periods"):
        composite(scenes, away, Composing(NDVI), tmp_path / "out")
    digital = replace(scenes[0], bands={role: replace(band, scaling=type(band.scaling)()) for role, band in scenes[0].bands.items()})
    with pytest.raises(RasterError, match="found digital numbers and surface reflectance; expected one of them"):
        composite([digital, *scenes[1:]], GRID, Composing(NDVI), tmp_path / "out")
    for how, fault in (
        ({"indices": {}}, "neither indices nor bands"),
        ({"indices": NDVI, "statistics": ("mode", "p200")}, "found 'mode'"),
        ({"indices": NDVI, "least": 0}, "found 0 as fewest observations"),
        ({"indices": NDVI, "first": "both"}, "found 'both' first"),
        ({"indices": NDVI, "memory_mb": 1}, "found 1 MB"),
    ):
        with pytest.raises(RasterError, match=fault):
            Composing(**how)
    with pytest.raises(RasterError, match="expected rising limits"):
        BareSoil(0.3, 0.1)


def test_scene_elsewhere_is_left_out_and_said(stack, landsat, tmp_path):
    stack()
    landsat("20040705", {"red": np.full((4, 5), 0.1), "nir": np.full((4, 5), 0.3)}, transform=moved(500, 0))
    scenes = scenes_of_folder(tmp_path / "scenes", Words())
    result = composite(scenes, GRID, Composing(NDVI), tmp_path / "out")
    assert any("20040705" in note and "no overlap with the grid: left out" in note for note in result.notes)
    assert len(result.used[""]) == 4 and date(2004, 7, 5) in {scene.day for scene in scenes}


def test_scene_of_which_one_file_lies_elsewhere(stack, write, tmp_path):
    stack()
    name = "LC08_L2SP_218074_20010720_20200829_02_T1"
    write(tmp_path / "scenes" / "20010720" / f"{name}_QA_PIXEL.TIF", np.full((4, 5), CLEAR, dtype=np.uint16), moved(500, 0))
    scenes = scenes_of_folder(tmp_path / "scenes", Words())
    with pytest.raises(RasterError, match=f"{name}: quality: .*no overlap with the grid"):
        composite(scenes, GRID, Composing(NDVI), tmp_path / "out")


def test_files_that_are_read_are_not_written_over(stack, landsat, tmp_path):
    scenes = stack()
    band = replace(scenes[0].bands["red"], path=str(tmp_path / "out" / "ndvi.tif"))
    (tmp_path / "out").mkdir()
    (tmp_path / "scenes" / "20000705" / "LC08_L2SP_218074_20000705_20200829_02_T1_SR_B4.TIF").rename(tmp_path / "out" / "ndvi.tif")
    spoilt = [replace(scenes[0], bands=dict(scenes[0].bands) | {"red": band}), *scenes[1:]]
    with pytest.raises(RasterError, match=r"ndvi\.tif: is read; expected another folder"):
        composite(spoilt, GRID, Composing(NDVI), tmp_path / "out")
    with pytest.raises(RasterError, match=r"ndvi\.tif: is read; expected another folder"):
        make_indices(spoilt[0], GRID, NDVI, tmp_path / "out")


def test_several_sensors_without_coefficients_are_said(stack, tmp_path):
    scenes = stack()
    mixed = [replace(scenes[0], sensor="etm"), *scenes[1:]]
    told = "scenes of etm and oli are put together as they are, without cross-sensor coefficients"
    assert told in composite(mixed, GRID, Composing(NDVI), tmp_path / "out").notes
    how = Composing(NDVI, ("red",), ("mean",), periods=(read_period("2000"),), coefficients={"etm": {"red": (2.0, 0.1), "nir": (1.0, 0.0)}})
    assert told not in composite(mixed, GRID, how, tmp_path / "out").notes
    assert made(tmp_path / "out", "red_2000-2000")[2, 2] == pytest.approx(0.5, abs=5e-5)


def test_an_index_that_cannot_be_is_not_the_greenest(landsat, tmp_path):
    """NIR of 0.3 beside red of -0.1 has an NDVI of 2; it is no value, and not the largest."""
    for day, red in (("20000705", -0.1), ("20000721", 0.1)):
        landsat(day, {"red": np.full((4, 5), red), "nir": np.full((4, 5), 0.3)}, np.full((4, 5), CLEAR))
    scenes = scenes_of_folder(tmp_path / "scenes", Words(told=Told(everything=True)))
    composite(scenes, GRID, Composing(NDVI, ("red",), ("max_ndvi",)), tmp_path / "out")
    assert made(tmp_path / "out", "ndvi")[2, 2] == pytest.approx(0.5, abs=1e-4)
    assert made(tmp_path / "out", "red")[2, 2] == pytest.approx(0.1, abs=2e-5)


def test_what_is_beyond_limits_is_told_of_bands_first_too(landsat, tmp_path):
    """EVI near its pole: of 20 cells 4 are beyond -1 to 1 and lost, in either order of statistic and index."""
    blue = np.full((4, 5), 0.05)
    blue[0, :4] = 0.42
    landsat("20000705", {"red": np.full((4, 5), 0.3), "nir": np.full((4, 5), 0.5), "blue": blue})
    scenes = scenes_of_folder(tmp_path / "scenes", Words())
    for first in ("indices", "bands"):
        result = composite(scenes, GRID, Composing(indices_of(["evi"]), first=first), tmp_path / first)
        assert "evi: 4 of 20 values are outside -1 to 1: no value" in result.notes
        assert np.isnan(made(tmp_path / first, "evi")[0, :4]).all()
    blue[:] = 0.42
    landsat("20000705", {"red": np.full((4, 5), 0.3), "nir": np.full((4, 5), 0.5), "blue": blue})
    for first in ("indices", "bands"):
        with pytest.raises(RasterError, match="evi: 100 % of the values are outside -1 to 1"):
            composite(scenes, GRID, Composing(indices_of(["evi"]), first=first), tmp_path / "out")


def test_statistics_in_any_case():
    assert Composing(NDVI, statistics=("MAX_NDVI", " Median", "P10", "p10")).statistics == ("max_ndvi", "median", "p10")


def test_faults_before_any_work(stack, tmp_path):
    scenes = stack()
    assert check_composite(scenes, GRID, Composing(NDVI, ("red",), coefficients={"oli": {"red": (1.0, 0.0), "nir": (1.1, 0.0)}})) == []
    away = GeoBox((4, 5), Affine(30, 0, 0, 0, -30, 0), "EPSG:32634")
    both = {"red": (1.0, 0.0), "nir": (1.0, 0.0)}
    mixed = [replace(scenes[0], sensor="etm"), *scenes[1:]]
    cases = (
        ([], GRID, Composing(NDVI), "scenes: found none"),
        (scenes, GRID, Composing(NDVI, ("rot",)), "bands: found 'rot'; expected some of coastal"),
        (scenes, GRID, Composing(NDVI, ("blue",)), "no band blue; expected one"),
        (scenes, GRID, Composing(NDVI, periods=(read_period("2000"), read_period("2002"))), "period 2002-2002: no scene"),
        (scenes, away, Composing(NDVI), "none of 4 lies in the periods, months and grid"),
        (scenes, GRID, Composing(NDVI, coefficients={"modis": both}), "coefficients of modis: no such sensor; expected some of tm, etm"),
        (scenes, GRID, Composing(NDVI, coefficients={"tm": both}), "coefficients of tm: no scene of that sensor; found scenes of oli"),
        (scenes, GRID, Composing(NDVI, coefficients={"oli": {"red": (1.0, 0.0)}}), "coefficients of oli: no line for nir"),
        (scenes, GRID, Composing(NDVI, coefficients={"oli": BandLines(both, "c.csv", "tm")}), r"\(c.csv\): found lines from tm; expected"),
        (
            mixed,
            GRID,
            Composing(NDVI, coefficients={"oli": BandLines(both, "", "oli", "tm"), "etm": BandLines(both, "", "etm", "msi")}),
            "coefficients: found lines from oli to tm, etm to msi; expected all to lead to one sensor",
        ),
    )
    for given, grid, how, fault in cases:
        faults = check_composite(given, grid, how)
        assert faults and re.search(fault, faults[0]), (fault, faults)
        with pytest.raises(RasterError) as caught:
            composite(given, grid, how, tmp_path / "out")
        assert list(caught.value.faults) == faults and not (tmp_path / "out").exists()


def test_sensors_that_coefficients_do_not_bring_together_are_said(stack, tmp_path):
    scenes = stack()
    mixed = [replace(scenes[0], sensor="etm"), replace(scenes[1], sensor="tm"), *scenes[2:]]
    both = {"red": (1.0, 0.0), "nir": (1.0, 0.0)}
    how = Composing(NDVI, coefficients={"tm": BandLines(both, "", "tm", "etm")})
    assert any(note.startswith("scenes of etm and oli are put together") for note in composite(mixed, GRID, how, tmp_path / "a").notes)
    how = replace(
        how, coefficients=dict(how.coefficients) | {"etm": BandLines(both, "", "etm", "oli"), "tm": BandLines(both, "", "tm", "oli")}
    )
    assert not any("put together" in note for note in composite(mixed, GRID, how, tmp_path / "b").notes)
