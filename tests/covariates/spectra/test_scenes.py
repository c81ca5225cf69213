"""Scenes found in folders, rasters and tables, with the scaling that they get."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from edaphic.covariates.spectra.reading import open_scene
from edaphic.covariates.spectra.scaling import Told
from edaphic.covariates.spectra.scene import files_of, scene_grid
from edaphic.covariates.spectra.scene_tables import scenes_of_table
from edaphic.covariates.spectra.scenes import Words, read_bands, scene_of_file, scenes_of_folder
from edaphic.covariates.window import Window
from edaphic.errors import RasterError, TableError


def moved(cols: int, rows: int, size: float = 30.0) -> Affine:
    """Cells of a size, from some cells of 30 m to the right and below."""
    return Affine(size, 0.0, 500000.0 + 30.0 * cols, 0.0, -size, 4600000.0 - 30.0 * rows)


HALF = np.full((4, 5), 0.5)
WHOLE = Window(0, 0, 4, 5)
GRID = GeoBox((4, 5), moved(0, 0), "EPSG:32634")


def test_landsat_folder(landsat, tmp_path):
    for day in ("20190130", "20190114"):
        landsat(day, {"red": HALF * 0.5, "nir": HALF}, np.full((4, 5), 21824), np.zeros((4, 5)))
    found = scenes_of_folder(tmp_path / "scenes", Words())
    assert [scene.day for scene in found] == [date(2019, 1, 14), date(2019, 1, 30)]
    scene = found[0]
    assert scene.sensor == "oli" and set(scene.bands) == {"red", "nir"} and scene.is_reflectance and not scene.notes
    assert {part.scheme for part in scene.quality} == {"qa_pixel", "radsat"}
    reading = open_scene(scene, scene_grid(scene, ["red", "nir"]), ["red", "nir"]).read(WHOLE)
    np.testing.assert_allclose(reading.bands["nir"], HALF, atol=2e-5)
    assert reading.counts["masked"] == 0 and reading.counts["cells"] == 20


def test_quality_and_saturation(landsat, tmp_path):
    qa = np.full((4, 5), 21824)
    qa[0, 0], qa[0, 1], qa[0, 2], qa[0, 3] = 22280, 23888, 30048, 1
    full = np.zeros((4, 5))
    full[1, 0] = 1 << 3  # band 4, red
    full[1, 1] = 1 << 6  # band 7, which is not read
    landsat("20190114", {"red": HALF * 0.5, "nir": HALF}, qa, full)
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    reading = open_scene(scene, GRID, ["red", "nir"]).read(WHOLE)
    expected = np.ones((4, 5), dtype=bool)
    expected[0, [0, 1, 3]] = False
    np.testing.assert_array_equal(np.isfinite(reading.bands["nir"]), expected)
    expected[1, 0] = False
    np.testing.assert_array_equal(np.isfinite(reading.bands["red"]), expected)
    assert reading.counts["masked"] == 3 and reading.counts["saturated red"] == 1
    assert np.isnan(open_scene(scene, GRID, ["nir"], ["snow"]).read(WHOLE).bands["nir"]).sum() == 1
    assert np.isfinite(open_scene(scene, GRID, ["nir"], []).read(WHOLE).bands["nir"]).all()


def test_invalid_numbers_are_no_values(landsat, tmp_path):
    red = HALF.copy()
    red[0] = [-0.01, 1.01, np.nan, 0.0001, 0.9999]
    landsat("20190114", {"red": red, "nir": HALF})
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    reading = open_scene(scene, GRID, ["red"]).read(WHOLE)
    assert np.isfinite(reading.bands["red"][0]).tolist() == [False, False, False, True, True]
    assert reading.counts["outside red"] == 2 and reading.counts["given red"] == 19
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words(told=Told(everything=True)))
    assert open_scene(scene, GRID, ["red"]).read(WHOLE).bands["red"][0, :2] == pytest.approx([-0.01, 1.01], abs=2e-5)


def test_shifted_scene_is_aligned_by_coordinates(landsat, tmp_path):
    values = np.arange(20.0).reshape(4, 5) / 100.0 + 0.1
    landsat("20190114", {"red": values}, transform=moved(2, 1), qa=np.where(values > 0.2, 22280, 21824))
    (scene,) = scenes_of_folder(tmp_path / "scenes", Words())
    found = open_scene(scene, GRID, ["red"], []).read(WHOLE).bands["red"]
    assert np.isnan(found[0]).all() and np.isnan(found[:, :2]).all()
    np.testing.assert_allclose(found[1:, 2:], values[:3, :3], atol=2e-5)
    masked = open_scene(scene, GRID, ["red"]).read(WHOLE).bands["red"]
    np.testing.assert_array_equal(np.isnan(masked[1:, 2:]), values[:3, :3] > 0.2)


def sentinel(write, folder: Path, product: str, day: str, numbers: dict[str, int]) -> None:
    for band, number in numbers.items():
        metres = 20 if band in ("B11", "B12", "B8A", "SCL") else 10
        cells = 4 if metres == 20 else 8
        transform = moved(0, 0, metres)
        path = folder / product / "GRANULE" / "L2A" / "IMG_DATA" / f"R{metres}m" / f"T34TFL_{day}T092031_{band}_{metres}m.tif"
        write(path, np.full((cells, cells), number, dtype=np.uint16), transform)


@pytest.mark.parametrize(
    ("product", "day", "red"),
    [
        ("S2A_MSIL2A_20190714T092031_N0213_R093_T34TFL_20190714T133224.SAFE", "20190714", 0.2),
        ("S2A_MSIL2A_20220714T092031_N0400_R093_T34TFL_20220714T133224.SAFE", "20220714", 0.1),
        ("S2A_MSIL2A_20190714T092031_N0500_R093_T34TFL_20230714T133224.SAFE", "20190714", 0.1),
    ],
)
def test_sentinel_folder(write, tmp_path, product, day, red):
    sentinel(write, tmp_path, product, day, {"B04": 2000, "B08": 6000, "B8A": 6000, "B11": 4000, "SCL": 4})
    (scene,) = scenes_of_folder(tmp_path, Words())
    assert scene.sensor == "msi" and scene.day == date.fromisoformat(day) and not scene.notes
    assert set(scene.bands) == {"red", "nir", "nir_narrow", "swir1"} and [part.scheme for part in scene.quality] == ["scl"]
    grid = scene_grid(scene, ["swir1", "red"])
    assert grid.shape == (8, 8)  # the finest band's
    reading = open_scene(scene, grid, ["red", "swir1"]).read(Window(0, 0, 8, 8))
    np.testing.assert_allclose(reading.bands["red"], red, rtol=1e-6)
    np.testing.assert_allclose(reading.bands["swir1"], red + 0.2, rtol=1e-6)
    assert scene_grid(scene, ["swir1"]).shape == (4, 4)


def test_sentinel_without_baseline_is_said(write, tmp_path):
    sentinel(write, tmp_path, "plain", "20220714", {"B04": 2000, "B08": 6000})
    (scene,) = scenes_of_folder(tmp_path, Words())
    assert len(scene.notes) == 1 and "no processing baseline is known" in scene.notes[0] and "1000 is taken off" in scene.notes[0]
    (scene,) = scenes_of_folder(tmp_path, Words(told=Told(scale=1e-4)))
    assert not any("baseline" in note for note in scene.notes) and scene.bands["red"].scaling.offset == 0.0


def test_narrow_infrared_stands_in(write, tmp_path):
    sentinel(write, tmp_path, "S2A_MSIL2A_20190714T092031_N0213_R093_T34TFL_20190714T133224.SAFE", "20190714", {"B8A": 6000})
    (scene,) = scenes_of_folder(tmp_path, Words())
    assert scene.band("nir") == scene.bands["nir_narrow"] and scene.band("red") is None


def test_raster_of_bands(write, tmp_path):
    path = write(tmp_path / "stack.tif", np.arange(6 * 20, dtype=np.uint8).reshape(6, 4, 5))
    scene = scene_of_file(path, Words(read_bands("red=3,nir=4")))
    assert {role: band.band for role, band in scene.bands.items()} == {"red": 3, "nir": 4}
    assert "digital numbers (uint8)" in scene.notes[0] and not scene.is_reflectance
    scene = scene_of_file(path, Words(sensor="etm"))
    assert scene.bands["swir2"].band == 6 and "6 bands are taken in the order of the sensor etm" in scene.notes[0]
    with pytest.raises(RasterError, match=r"found 6 bands without names; expected --bands"):
        scene_of_file(path, Words())
    with pytest.raises(RasterError) as caught:
        scene_of_file(path, Words(read_bands("red=0,nir=7,blue=B1")))
    assert len(caught.value.faults) == 3 and "expected one of 1 to 6" in caught.value.faults[1]


def test_descriptions_and_scale_of_the_file(write, tmp_path):
    path = write(tmp_path / "stack.tif", np.full((3, 4, 5), 18639, dtype=np.uint16))
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("SR_B4", "SR_B5", "QA")
        file.scales, file.offsets = (0.0000275,) * 3, (-0.2,) * 3
    scene = scene_of_file(path, Words(sensor="oli"))
    assert {role: band.band for role, band in scene.bands.items()} == {"red": 1, "nir": 2}
    assert scene.bands["red"].scaling.quantity == "surface reflectance"
    # The file's own scale is applied once.
    assert open_scene(scene, GRID, ["red"]).read(WHOLE).bands["red"][0, 0] == pytest.approx(0.3125725)


def test_floats_are_reflectance_and_it_is_said(write, tmp_path):
    path = write(tmp_path / "sr.tif", np.full((2, 4, 5), 0.25, dtype=np.float32))
    scene = scene_of_file(path, Words(read_bands("red=1,nir=2")))
    assert scene.is_reflectance and scene.notes == ("floating-point numbers are taken as reflectance",)


def test_named_files(write, tmp_path):
    for number in (1, 3, 4):
        write(tmp_path / f"july{number}.tif", np.full((4, 5), number * 10, dtype=np.uint8))
    write(tmp_path / "rgb.tif", np.full((3, 4, 5), 9, dtype=np.uint8))
    (scene,) = scenes_of_folder(tmp_path, Words(read_bands("red=july3.tif,nir=july4*,green=rgb.tif:2"), "tm"))
    assert scene.bands["green"].band == 2 and scene.bands["nir"].path.endswith("july4.tif")
    with pytest.raises(RasterError) as caught:
        scenes_of_folder(tmp_path, Words(read_bands("red=july9.tif,nir=july*,green=rgb.tif:4")))
    faults = caught.value.faults
    assert "red=july9.tif: no file" in faults[0] and "3 files (july1.tif, july3.tif, july4.tif)" in faults[1] and "no band 4" in faults[2]
    with pytest.raises(RasterError, match=r"no file whose name tells sensor, date and band \(4 files\)"):
        scenes_of_folder(tmp_path, Words())
    with pytest.raises(RasterError, match="no such folder"):
        scenes_of_folder(tmp_path / "none", Words())


def test_level_1_without_text_stays_digital(write, tmp_path):
    for number in (3, 4):
        write(tmp_path / f"LE07_L1TP_195025_20010730_20170204_01_T1_B{number}.TIF", np.full((4, 5), 80, dtype=np.uint8))
    (scene,) = scenes_of_folder(tmp_path, Words())
    assert "no MTL text stands beside them" in scene.notes[0] and not scene.is_reflectance
    with pytest.raises(RasterError, match="--level l1: found no MTL text"):
        scenes_of_folder(tmp_path, Words(told=Told(level="l1")))
    with pytest.raises(RasterError, match=r"--sensor oli: .* is of etm by its name"):
        scenes_of_folder(tmp_path, Words(sensor="oli"))


def test_marburg_pair(shared):
    found = scenes_of_folder(shared / "data" / "landsat_scenes" / "marburg_etm_oli_pair", Words())
    assert [(scene.sensor, scene.day.year) for scene in found] == [("oli", 2013), ("etm", 2001)]
    for scene in found:
        assert {band.scaling.quantity for role, band in scene.bands.items() if role != "thermal"} == {"top-of-atmosphere reflectance"}
        assert [part.scheme for part in scene.quality] == ["bqa"]
        grid = scene_grid(scene, ["red", "nir"])
        reading = open_scene(scene, grid, ["red", "nir"]).read(Window(0, 0, 41, 41))
        # Fields in July: bright in the near infrared, dark in red.
        assert 0.04 < np.nanmedian(reading.bands["red"]) < 0.15 and 0.15 < np.nanmedian(reading.bands["nir"]) < 0.45
        assert reading.counts["masked"] == 0


def test_bands_that_do_not_fit(write, tmp_path):
    write(tmp_path / "a.tif", np.ones((4, 5), dtype=np.uint8))
    write(tmp_path / "b.tif", np.ones((4, 5), dtype=np.uint8), moved(3, 0))
    write(tmp_path / "c.tif", np.ones((4, 5), dtype=np.uint8), crs="EPSG:32635")
    write(tmp_path / "d.tif", np.ones((4, 5), dtype=np.uint8), moved(0, 0, 39.0))
    write(tmp_path / "fmask.tif", np.zeros((3, 5), dtype=np.uint8))
    (scene,) = scenes_of_folder(tmp_path, Words(read_bands("red=a.tif,nir=b.tif,green=c.tif,blue=d.tif"), qa="fmask.tif"))
    with pytest.raises(RasterError) as caught:
        scene_grid(scene, ["red", "nir", "green", "blue"])
    faults = caught.value.faults
    assert len(faults) == 4
    assert "nir covers" in faults[0] and "cover the same area" in faults[0]
    assert "green is in EPSG:32635, red in EPSG:32634" in faults[1]
    assert "blue has cells of 39, red of 30" in faults[2]
    assert "quality fmask covers" in faults[3] and "(3 x 5 cells)" in faults[3]


def test_table(write, tmp_path):
    write(tmp_path / "a.tif", np.full((2, 4, 5), 2500, dtype=np.int16))
    write(tmp_path / "mask.tif", np.eye(4, 5, dtype=np.uint8))
    table = tmp_path / "scenes.csv"
    table.write_text(
        "date,sensor,red,nir,qa,qa_scheme,scale\n2001-07-30,etm,a.tif,a.tif:2,mask.tif,mask,0.0001\n2002-07-30,tm,a.tif:2,,,,\n"
    )
    one, two = scenes_of_table(table, Words())
    assert (one.day, one.sensor, one.bands["nir"].band, set(two.bands)) == (date(2001, 7, 30), "etm", 2, {"red"})
    reading = open_scene(one, GRID, ["red", "nir"]).read(WHOLE)
    assert np.isnan(reading.bands["red"]).sum() == 4 and reading.bands["red"][0, 1] == pytest.approx(0.25)
    assert not two.is_reflectance
    table.write_text("date,red,scale\n30.07.2001,a.tif,1\n2001-07-30,b.tif,1\n2001-07-30,a.tif:3,1\n2001-07-30,,1\n2001-07-30,a.tif,x\n")
    with pytest.raises(TableError) as caught:
        scenes_of_table(table, Words())
    expected = ("row 2: date '30.07.2001'", "b.tif: no such file", "no band 3", "row 5: no band", "scale 'x'; expected a number")
    assert all(part in fault for part, fault in zip(expected, caught.value.faults, strict=True))
    table.write_text("day,red\n2001-07-30,a.tif\n")
    with pytest.raises(TableError, match="columns day, red; expected date"):
        scenes_of_table(table, Words())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("red", "found 'red'; expected ROLE=NUMBER"),
        ("rot=3", "found 'rot=3'; expected ROLE=NUMBER"),
        ("red=3,red=4", "the role red twice"),
        ("red=3,nir=3", "found 3 for red and nir; expected one role"),
    ],
)
def test_words_of_bands(text, fault):
    with pytest.raises(RasterError, match=fault):
        read_bands(text)


def test_words():
    with pytest.raises(RasterError, match="--sensor: found 'landsat'"):
        Words(sensor="landsat")
    with pytest.raises(RasterError, match="--level: found 'sr'"):
        Told(level="sr")
    with pytest.raises(RasterError, match="--level l2: found --scale or --offset beside it"):
        Told(scale=1.0, level="l2")
    with pytest.raises(RasterError, match="quality scheme: found 'qa'"):
        Words(scheme="qa")


def test_fill_without_a_tag_is_no_value(write, tmp_path):
    """0 of unsigned and -9999 of signed numbers would come out as EVI 0 and NDVI 0."""
    unsigned = np.full((2, 4, 5), 18639, dtype=np.uint16)
    unsigned[:, 0] = 0
    scene = scene_of_file(write(tmp_path / "u.tif", unsigned), Words(read_bands("red=1,nir=2"), told=Told(0.0000275, -0.2)))
    assert scene.notes == ("0 is taken as no value (unsigned numbers, and the file names no nodata)",)
    reading = open_scene(scene, GRID, ["red"]).read(WHOLE)
    assert np.isnan(reading.bands["red"][0]).all() and reading.bands["red"][1, 0] == pytest.approx(0.3125725)
    tagged = scene_of_file(write(tmp_path / "t.tif", unsigned, nodata=18639), Words(read_bands("red=1,nir=2"), told=Told(0.0000275, -0.2)))
    assert not tagged.notes
    signed = np.full((2, 4, 5), 3000, dtype=np.int16)
    signed[:, 0] = -9999
    for told in (Told(scale=0.0001), Told(level="dn")):
        scene = scene_of_file(write(tmp_path / "s.tif", signed), Words(read_bands("red=1,nir=2"), told=told))
        reading = open_scene(scene, GRID, ["red"]).read(WHOLE)
        assert np.isnan(reading.bands["red"][0]).all() and np.isfinite(reading.bands["red"][1:]).all()
        assert reading.counts["outside red"] == 5


def test_level_1_of_sentinel(write, tmp_path):
    folder = tmp_path / "S2A_MSIL1C_20220714T092031_N0400_R093_T34TFL_20220714T110000.SAFE" / "IMG_DATA"
    write(folder / "T34TFL_20220714T092031_B04.tif", np.full((4, 5), 2000, dtype=np.uint16))
    (scene,) = scenes_of_folder(tmp_path, Words())
    assert scene.bands["red"].scaling.quantity == "top-of-atmosphere reflectance" and not scene.notes
    assert open_scene(scene, GRID, ["red"]).read(WHOLE).bands["red"][0, 0] == pytest.approx(0.1)


def test_metadata_of_sentinel_go_before_the_name(write, tmp_path):
    product = "S2A_MSIL2A_20190714T092031_N9999_R093_T34TFL_20190714T133224.SAFE"
    sentinel(write, tmp_path, product, "20190714", {"B04": 2000})
    (tmp_path / product / "MTD_MSIL2A.xml").write_text(
        "<a><PRODUCT_START_TIME>2019-07-14T09:20:31Z</PRODUCT_START_TIME><BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>"
        '<BOA_ADD_OFFSET band_id="3">-500</BOA_ADD_OFFSET></a>'
    )
    (scene,) = scenes_of_folder(tmp_path, Words())
    reading = open_scene(scene, scene_grid(scene, ["red"]), ["red"]).read(Window(0, 0, 8, 8))
    np.testing.assert_allclose(reading.bands["red"], 0.15, rtol=1e-6)


def test_metadata_that_are_not_needed_are_not_read(write, tmp_path):
    """Texts before the collections tell no rescaling of reflectance: what the user states is enough."""
    for number in (3, 4):
        write(tmp_path / f"LE07_L1TP_195025_20010730_20170204_01_T1_B{number}.TIF", np.full((4, 5), 80, dtype=np.uint8))
    (tmp_path / "LE07_L1TP_195025_20010730_20170204_01_T1_MTL.txt").write_text(
        "GROUP = A\nDATE_ACQUIRED = 2001-07-30\nEND_GROUP = A\nEND\n"
    )
    with pytest.raises(RasterError, match="expected the rescaling of each band"):
        scenes_of_folder(tmp_path, Words())
    for told in (Told(level="dn"), Told(scale=0.004)):
        (scene,) = scenes_of_folder(tmp_path, Words(told=told))
        assert scene.day == date(2001, 7, 30) and scene.is_reflectance is (told.scale is not None)


SURFACE = "LC08_L1TP_195028_20160101_20170404_01_T1"
MTL = (
    "GROUP = L1_METADATA_FILE\nGROUP = PRODUCT_METADATA\nDATE_ACQUIRED = 2016-01-01\nEND_GROUP = PRODUCT_METADATA\n"
    "GROUP = IMAGE_ATTRIBUTES\nSUN_ELEVATION = 30.0\nEND_GROUP = IMAGE_ATTRIBUTES\nGROUP = RADIOMETRIC_RESCALING\n"
    + "".join(f"REFLECTANCE_MULT_BAND_{band} = 2.0E-05\nREFLECTANCE_ADD_BAND_{band} = -0.1\n" for band in range(1, 8))
    + "END_GROUP = RADIOMETRIC_RESCALING\nEND_GROUP = L1_METADATA_FILE\nEND\n"
)


@pytest.mark.parametrize("with_text", [False, True])
def test_surface_reflectance_of_collection_1_whichever_way_it_is_named(write, tmp_path, with_text):
    """Its files bear the name of the Level-1 product, whose text stands beside them: 2500 is 0.25 all the same."""
    for band in (4, 5):
        write(tmp_path / f"{SURFACE}_sr_band{band}.tif", np.full((4, 5), 2500, dtype=np.int16), nodata=-9999)
    if with_text:
        (tmp_path / f"{SURFACE}_MTL.txt").write_text(MTL)
    table = tmp_path / "scenes.csv"
    table.write_text(f"date,red,nir\n2016-01-01,{SURFACE}_sr_band4.tif,{SURFACE}_sr_band5.tif\n")
    found = [
        scenes_of_folder(tmp_path, Words())[0],
        scenes_of_folder(tmp_path, Words(read_bands("red=*sr_band4.tif,nir=*sr_band5.tif")))[0],
        scenes_of_table(table, Words())[0],
        scenes_of_table(table, Words(told=Told(level="l2")))[0],
        scene_of_file(tmp_path / f"{SURFACE}_sr_band4.tif", Words(read_bands("red=1"))),
    ]
    for scene in found:
        assert {band.scaling.source for band in scene.bands.values()} == {"Landsat Collection 1 Level 2"} and not scene.notes
        assert open_scene(scene, GRID, ["red"]).read(WHOLE).bands["red"][0, 0] == pytest.approx(0.25)


def test_surface_reflectance_goes_before_raw_numbers_beside_it(write, tmp_path):
    for band in (4, 5):
        write(tmp_path / f"{SURFACE}_sr_band{band}.tif", np.full((4, 5), 2500, dtype=np.int16), nodata=-9999)
        write(tmp_path / f"{SURFACE}_B{band}.TIF", np.full((4, 5), 9000, dtype=np.uint16))
    (tmp_path / f"{SURFACE}_MTL.txt").write_text(MTL)
    (scene,) = scenes_of_folder(tmp_path, Words())
    assert open_scene(scene, GRID, ["red"]).read(WHOLE).bands["red"][0, 0] == pytest.approx(0.25)
    # What is named is taken as what it is: (9000 x 0.00002 - 0.1) / sin(30 degrees).
    (scene,) = scenes_of_folder(tmp_path, Words(read_bands(f"red={SURFACE}_B4.TIF")))
    assert open_scene(scene, GRID, ["red"]).read(WHOLE).bands["red"][0, 0] == pytest.approx(0.16)
    assert {path.name for path in files_of([scene])} == {f"{SURFACE}_B4.TIF", f"{SURFACE}_MTL.txt"}


def test_an_image_that_was_processed_twice(write, tmp_path):
    """The last product is taken, whole; bands of two are never mixed."""
    old = "S2A_MSIL2A_20190714T092031_N0213_R093_T34TFL_20190714T133224.SAFE"
    new = "S2A_MSIL2A_20190714T092031_N0500_R093_T34TFL_20230614T133224.SAFE"
    sentinel(write, tmp_path, old, "20190714", {"B04": 1500, "B11": 3000, "SCL": 4})
    sentinel(write, tmp_path, new, "20190714", {"B04": 2500, "B08": 4000})
    (scene,) = scenes_of_folder(tmp_path, Words())
    assert all("N0500" in str(path) for path in files_of([scene])) and set(scene.bands) == {"red", "nir"}
    assert scene.notes == (f"T34TFL_20190714T092031: found 2 products of one image (N0213, N0500): the last, {new}, is taken",)
    reading = open_scene(scene, scene_grid(scene, ["red"]), ["red"]).read(Window(0, 0, 8, 8))
    np.testing.assert_allclose(reading.bands["red"], 0.15, rtol=1e-6)
    sentinel(write, tmp_path, old.replace("MSIL2A", "MSIL1C"), "20190714", {"B04": 2000})
    assert [one.name for one in scenes_of_folder(tmp_path, Words())] == ["T34TFL_20190714T092031_L1C", "T34TFL_20190714T092031_L2A"]
    for product in ("a", "b"):  # folders that tell no product
        sentinel(write, tmp_path / "bare", product, "20190714", {"B04": 1500})
    with pytest.raises(RasterError, match=r"T34TFL_20190714T092031: red: found .*; expected the files of one product"):
        scenes_of_folder(tmp_path / "bare", Words())


@pytest.mark.parametrize(("scheme", "dtype"), [("mask", np.uint8), ("fmask", np.uint8), ("qa60", np.uint16), ("mask", np.int8)])
def test_clear_cells_are_kept_though_the_file_calls_0_nodata(write, tmp_path, scheme, dtype):
    write(tmp_path / "a.tif", np.full((2, 4, 5), 2500, dtype=np.int16))
    cloud = {"mask": 1, "fmask": 4, "qa60": 1024}[scheme]
    write(tmp_path / "quality.tif", (np.eye(4, 5) * cloud).astype(dtype), nodata=0)
    told = Words(read_bands("red=1,nir=2"), told=Told(scale=1e-4), qa="quality.tif", scheme=scheme)
    scene = scene_of_file(tmp_path / "a.tif", told)
    assert scene.notes == (f"quality {scheme}: the file's nodata 0 is a code of its cells, and read as one",)
    reading = open_scene(scene, GRID, ["red"]).read(WHOLE)
    np.testing.assert_array_equal(np.isnan(reading.bands["red"]), np.eye(4, 5, dtype=bool))
    # Beyond the mask there is no telling.
    write(tmp_path / "quality.tif", np.zeros((4, 3), dtype=dtype), nodata=0)
    reading = open_scene(scene_of_file(tmp_path / "a.tif", told), GRID, ["red"]).read(WHOLE)
    assert np.isnan(reading.bands["red"][:, 3:]).all() and np.isfinite(reading.bands["red"][:, :3]).all()


def test_files_of_scenes(landsat, tmp_path):
    landsat("20190114", {"red": HALF, "nir": HALF}, np.full((4, 5), 21824), np.zeros((4, 5)))
    landsat("20190130", {"red": HALF})
    found = files_of(scenes_of_folder(tmp_path / "scenes", Words()))
    assert found == list(dict.fromkeys(found)) and all(path.is_file() for path in found)
    assert [path.name[-12:] for path in found] == ["T1_SR_B4.TIF", "T1_SR_B5.TIF", "QA_PIXEL.TIF", "A_RADSAT.TIF", "T1_SR_B4.TIF"]
