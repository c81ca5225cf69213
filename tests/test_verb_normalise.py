"""``edaphic normalise``: rasters, folders, tables and coefficients; what is written; and calls that are refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine

NORTH_WEST = (500000.0, 4600000.0)


@pytest.fixture
def command(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return command


def write(name: str, bands, corner=NORTH_WEST, cell: float = 30.0, crs: str = "EPSG:32634", **options) -> str:
    array = np.asarray(bands)
    array = array[None] if array.ndim == 2 else array
    count, height, width = array.shape
    scales = options.pop("scales", None)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        name, "w", driver="GTiff", width=width, height=height, count=count, dtype=array.dtype, crs=crs,
        transform=Affine(cell, 0, corner[0], 0, -cell, corner[1]), **options,
    ) as file:  # fmt: skip
        file.write(array)
        if scales:
            file.scales = scales
    return name


def scene(seed: int = 0, size: int = 60, bands: int = 2):
    """Reflectance, and the same seen by another sensor: reference = 1.1 other + 0.02, with errors in both."""
    random = np.random.default_rng(seed)
    other = random.uniform(0.05, 0.5, (bands, size, size))
    reference = 1.1 * other + 0.02
    return tuple((part + random.normal(0, 0.01, part.shape)).astype(np.float32) for part in (reference, other))


@pytest.fixture
def two(command):
    reference, other = scene()
    write("reference.tif", reference, nodata=-1.0)
    write("other.tif", other, nodata=-1.0)
    return command


def listed() -> set[str]:
    return {path.name for path in Path().iterdir()}


def test_two_rasters(two):
    status, screen, _ = two(
        "normalise", "reference.tif", "other.tif", "--bands", "red=1,nir=2", "--from", "TM", "--to", "ETM+", "-o", "c.csv"
    )
    assert status == 0 and listed() == {"reference.tif", "other.tif", "c.csv", "c.png"}
    table = pd.read_csv("c.csv")
    assert table.columns[:12].tolist() == [
        "band", "slope", "intercept", "slope_low", "slope_high", "intercept_low", "intercept_high", "correlation", "count", "method",
        "from_sensor", "to_sensor",
    ]  # fmt: skip
    assert table["band"].tolist() == ["red", "nir"] and set(table["from_sensor"]) == {"TM"} and set(table["to_sensor"]) == {"ETM+"}
    assert table["slope"].to_numpy() == pytest.approx([1.1, 1.1], abs=0.01)
    assert table["intercept"].to_numpy() == pytest.approx([0.02, 0.02], abs=0.003)
    assert (table["slope_low"] < 1.1).all() and (table["slope_high"] > 1.1).all() and (table["count"] == 3600).all()
    assert "blocks" not in screen and "block of 6 x 6 cells: 100 groups" in screen
    assert Path("c.png").read_bytes()[:4] == b"\x89PNG"


def test_the_same_again_to_the_byte_and_the_seed(two):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert two("normalise", "reference.tif", "other.tif", "--sample", 500, "--seed", seed, "-o", f"{name}.csv")[0] == 0
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes() != Path("c.csv").read_bytes()
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert (pd.read_csv("a.csv")["count"] == 500).all()


def test_the_image_is_brought_to_the_reference(two):
    assert two("normalise", "reference.tif", "other.tif", "--bands", "red=1,nir=2", "-o", "c.csv", "--apply", "other.tif")[0] == 0
    table = pd.read_csv("c.csv").set_index("band")
    with rasterio.open("other.tif") as before, rasterio.open("c_image/nir.tif") as after:
        assert after.transform == before.transform and after.dtypes == ("float32",) and after.tags()["TO_SENSOR"] == "reference"
        wanted = table.loc["nir", "slope"] * before.read(2).astype(float) + table.loc["nir", "intercept"]
        assert after.read(1) == pytest.approx(wanted, rel=1e-6)


def test_there_and_back(two):
    """Backwards: the inverse line, and the image of it gives back what was there."""
    assert two("normalise", "reference.tif", "other.tif", "-o", "a.csv", "--apply", "other.tif", "--no-figure")[0] == 0
    assert two("normalise", "reference.tif", "other.tif", "-o", "b.csv", "--invert", "--no-figure")[0] == 0
    one, back = pd.read_csv("a.csv"), pd.read_csv("b.csv")
    assert back["slope"].to_numpy() == pytest.approx(1 / one["slope"].to_numpy())
    assert back["slope_low"].to_numpy() == pytest.approx(1 / one["slope_high"].to_numpy())
    assert back["from_sensor"].tolist() == ["reference"] * 2 and "a.png" not in listed()
    assert two("normalise", "a.csv", "--invert", "--apply", "a_image", "-o", "again.csv", "--image-out", "home")[0] == 0
    with rasterio.open("other.tif") as before:
        for band in (1, 2):
            with rasterio.open(f"home/band_{band}.tif") as after:
                assert after.read(1) == pytest.approx(before.read(band), abs=1e-6)


def test_folders_of_bands_in_another_order(command):
    reference, other = scene(3)
    for k, (one, two_) in enumerate((("etm/E_B3.tif", "oli/O_B4.tif"), ("etm/E_B4.tif", "oli/O_B5.tif"))):
        write(one, other[k])
        write(two_, reference[k])
    status, _, screen = command(
        "normalise", "oli", "etm", "--bands", "red=*_B4.tif,nir=O_B5", "--other-bands", "nir=*_B4.tif,red=E_B3.tif", "-o", "c.csv"
    )
    assert status == 0, screen
    assert pd.read_csv("c.csv")["slope"].to_numpy() == pytest.approx([1.1, 1.1], abs=0.01)


def test_scaled_numbers_and_units(two):
    """The same scene as whole numbers: the scale of the file brings it to reflectance; without one the units are told."""
    _, other = scene()
    write("dn.tif", np.round(other * 10000).astype(np.int16), scales=(0.0001, 0.0001))
    write("plain.tif", np.round(other * 10000).astype(np.int16))
    for extra in ((), ("--scale", "1,0.0001")):
        name = "dn.tif" if not extra else "plain.tif"
        assert two("normalise", "reference.tif", name, "-o", "c.csv", "--no-figure", *extra)[0] == 0
        assert pd.read_csv("c.csv")["slope"].to_numpy() == pytest.approx([1.1, 1.1], abs=0.01)
    status, screen, _ = two("normalise", "reference.tif", "plain.tif", "-o", "c.csv", "--no-figure")
    assert status == 0 and "different units" in screen


def test_the_other_in_another_crs_and_partly_beside(command):
    """A smooth field seen in two projections: the line comes back, from the overlap alone."""

    def field(name, crs, corner, cell, slope, intercept):
        from_crs = np.mgrid[0:80, 0:80]
        x, y = corner[0] + (from_crs[1] + 0.5) * cell, corner[1] - (from_crs[0] + 0.5) * cell
        lon, lat = rasterio.warp.transform(crs, "EPSG:4326", x.ravel(), y.ravel())
        values = (0.3 + 0.1 * np.sin(900 * np.array(lon)) + 0.1 * np.cos(700 * np.array(lat))).reshape(80, 80)
        write(name, (slope * values + intercept).astype(np.float32), corner, cell, crs)

    field("reference.tif", "EPSG:32634", NORTH_WEST, 30.0, 1.2, -0.01)
    (left,), (top,) = rasterio.warp.transform("EPSG:32634", "EPSG:3857", [NORTH_WEST[0] + 900], [NORTH_WEST[1]])
    field("other.tif", "EPSG:3857", (left, top), 40.0, 1.0, 0.0)
    status, screen, _ = command("normalise", "reference.tif", "other.tif", "-o", "c.csv")
    table = pd.read_csv("c.csv")
    assert status == 0 and "interpolated" in screen
    assert table["slope"][0] == pytest.approx(1.2, abs=0.02) and 2000 < table["count"][0] < 6400


def test_saturation_nodata_and_qa(command):
    random = np.random.default_rng(0)
    truth = random.uniform(20, 300, (50, 50))
    reference, other = (np.clip(np.round(truth + random.normal(0, 3, truth.shape)), 1, 255).astype(np.uint8) for _ in range(2))
    other[:5] = 0
    cloud = np.zeros((50, 50), dtype=np.uint16)
    cloud[20:30] = 1 << 3
    reference[20:30] = 200
    write("r.tif", reference)
    write("o.tif", other, nodata=0)
    write("qa.tif", cloud)
    status, screen, _ = command("normalise", "r.tif", "o.tif", "--qa-reference", "qa.tif", "-o", "c.csv")
    table = pd.read_csv("c.csv")
    assert status == 0 and "255 counts as saturated" in screen and "500 masked" in screen
    assert table["slope"][0] == pytest.approx(1.0, abs=0.02)
    saturated = ((reference == 255) | (other == 255)) & (cloud == 0) & (other > 0)
    assert f"{saturated.sum()} saturated" in screen and table["count"][0] == 50 * 50 - 250 - 500 - saturated.sum()
    assert command("normalise", "r.tif", "o.tif", "--qa-reference", "qa.tif", "--saturated", "none", "-o", "d.csv", "--no-figure")[0] == 0
    assert pd.read_csv("d.csv")["count"][0] == 1750


def test_a_table_of_pairs(command):
    reference, other = (part.ravel() for part in scene(4, size=30, bands=1))
    pd.DataFrame({"red_reference": reference, "red_other": other, "date": np.arange(900) // 45}).to_csv("pairs.csv", index=False)
    status, screen, _ = command("normalise", "pairs.csv", "--group", "date", "-o", "c.csv")
    assert status == 0 and "each a date: 20 groups" in screen and pd.read_csv("c.csv")["slope"][0] == pytest.approx(1.1, abs=0.02)
    assert command("normalise", "pairs.csv", "--bands", "r=red_other", "--other-bands", "r=red_reference", "-o", "d.csv")[0] == 0
    assert pd.read_csv("d.csv")["slope"][0] == pytest.approx(1 / 1.1, abs=0.02)
    status, screen, _ = command("normalise", "pairs.csv", "--bootstrap", 0, "-o", "e.csv", "--no-figure")
    assert status == 0 and "too narrow" in screen and pd.read_csv("e.csv")["intervals"][0] == "parametric"


def test_two_tables_in_time(command):
    random = np.random.default_rng(5)
    days = np.arange(0, 480, 16)
    truth = random.uniform(0.05, 0.5, (len(days), 20))
    for name, shift, slope in (("etm.csv", 0, 1.1), ("tm.csv", 8, 1.0)):
        pd.DataFrame(
            {
                "pixel": np.tile(np.arange(20), len(days)),
                "date": np.repeat(np.datetime64("2001-01-01") + days + shift, 20),
                "red": (slope * truth + random.normal(0, 0.005, truth.shape)).ravel(),
            }
        ).to_csv(name, index=False)
    assert command("normalise", "etm.csv", "tm.csv", "-o", "c.csv", "--days", 8)[0] == 0
    table = pd.read_csv("c.csv")
    assert table["slope"][0] == pytest.approx(1.1, abs=0.02) and table["count"][0] == 600 and table["groups"][0] == 30
    # Labels of one's own: each pixel lies on one of four sites, in either table or in both.
    for name in ("etm.csv", "tm.csv"):
        rows = pd.read_csv(name)
        rows.assign(site=rows["pixel"] % 4).to_csv(f"sites_{name}", index=False)
    for one, two_ in (("sites_etm.csv", "sites_tm.csv"), ("sites_etm.csv", "tm.csv"), ("etm.csv", "sites_tm.csv")):
        status, screen, _ = command("normalise", one, two_, "-o", "g.csv", "--group", "site", "--bands", "red=red")
        assert status == 0 and pd.read_csv("g.csv")["groups"][0] == 4 and "each a site: 4 groups" in screen
    assert command("normalise", "etm.csv", "tm.csv", "-o", "g.csv", "--group", "date")[0] == 0
    assert pd.read_csv("g.csv")["groups"][0] == 30
    status, _, screen = command("normalise", "etm.csv", "tm.csv", "-o", "d.csv", "--group", "nosuch")
    assert status == 2 and "no column 'nosuch' in either; found pixel, date, red" in screen
    status, _, screen = command("normalise", "etm.csv", "tm.csv", "-o", "d.csv", "--days", 7)
    assert status == 2 and "within 7 days" in screen


def test_fill_without_a_tag_is_told(command):
    reference, other = (np.round(10000 * part[0]).astype(np.int16) for part in scene(7))
    other[:4] = -9999
    write("r.tif", reference)
    write("o.tif", other)
    status, screen, _ = command("normalise", "r.tif", "o.tif", "-o", "c.csv")
    assert status == 0 and "band_1: -9999 in 6.7 % of the pairs of the other" in screen and "--nodata" in screen
    status, screen, _ = command("normalise", "r.tif", "o.tif", "--nodata=-9999", "--sample", 1000, "-o", "c.csv")
    assert status == 0 and "-9999" not in screen and pd.read_csv("c.csv")["slope"][0] == pytest.approx(1.1, abs=0.02)
    assert "1,000 pairs of a band were drawn at random of 3,360" in screen


def test_a_reference_that_is_rotated_is_refused(two):
    with rasterio.open(
        "turned.tif", "w", driver="GTiff", width=20, height=20, count=2, dtype="float32", crs="EPSG:32634",
        transform=Affine(20, 5, 500000, 5, -20, 4600000),
    ) as file:  # fmt: skip
        file.write(scene(size=20)[0])
    status, _, error = two("normalise", "turned.tif", "other.tif", "-o", "c.csv")
    assert status == 2 and "rotated" in error and "c.csv" not in listed()


def test_large_whole_numbers_do_not_overflow(command):
    random = np.random.default_rng(6)
    truth = random.uniform(20000, 32000, (40, 40))
    write("r.tif", truth.astype(np.int16))
    write("o.tif", (truth * 0.9 + random.normal(0, 20, truth.shape)).astype(np.int16))
    assert command("normalise", "r.tif", "o.tif", "-o", "c.csv", "--apply", "o.tif")[0] == 0
    with rasterio.open("c_image/band_1.tif") as file, rasterio.open("r.tif") as wanted:
        assert file.read(1) == pytest.approx(wanted.read(1).astype(float), abs=150)


BAD = {
    "no overlap": (("reference.tif", "far.tif"), "no overlap"),
    "too few pairs": (("small.tif", "small.tif"), "2 pairs; expected 3"),
    "unlike numbers of bands": (("reference.tif", "one.tif"), "has 2 bands, one.tif 1 band"),
    "no variance": (("reference.tif", "flat.tif"), "no variance in the other: all 3,600 pairs have 0.25"),
    "all saturated": (("snow.tif", "snow.tif"), "0 pairs; expected 3 or more (3,600 saturated were left out)"),
    "no value at all": (("reference.tif", "nan.tif"), "0 pairs"),
    "unknown band": (("reference.tif", "other.tif", "--bands", "red=3"), "no band 3; expected one of 1 to 2"),
    "unknown file of a folder": (("folder", "folder", "--bands", "red=*_B9.tif"), "no file for '*_B9.tif'"),
    "an empty folder": (("empty", "other.tif"), "no raster in the folder"),
    "bands of one only": (("reference.tif", "other.tif", "--bands", "red=1", "--other-bands", "nir=2"), "found nir, red in one"),
    "no file": (("reference.tif", "none.tif"), "none.tif: no such file"),
    "no CRS": (("reference.tif", "nowhere.tif"), "no coordinate reference system"),
    "no raster": (("reference.tif", "text.tif"), "text.tif"),
    "a table without columns of pairs": (("words.csv",), "expected pairs such as blue_reference"),
    "a column without numbers": (("wrong.csv",), "row 2: found 'cloud'; expected a number"),
    "a table without rows": (("rowless.csv",), "found no row"),
    "no table": (("none.csv",), "none.csv: no such file"),
    "one raster alone": (("reference.tif",), "no second image"),
    "a table and a raster": (("wrong.csv", "other.tif"), "two of one kind"),
    "a column that is not there": (("wrong.csv", "wrong.csv"), "no column"),
    "all beyond the valid range": (("reference.tif", "other.tif", "--valid", "5,9"), "outside the valid range were left out"),
    "a range upside down": (("reference.tif", "other.tif", "--valid", "9,5"), "a lower and a higher number"),
    "an unknown method": (("reference.tif", "other.tif", "--method", "tls"), "expected one of ma, sma, ols, rma"),
    "a ratio below 0": (("reference.tif", "other.tif", "--error-ratio", "-1"), "expected a positive number"),
    "a sample of nothing": (("reference.tif", "other.tif", "--sample", "0"), "--sample: found 0"),
    "a wrong word of bands": (("reference.tif", "other.tif", "--bands", "red"), "expected NAME=BAND"),
    "a name that leaves the folder": (("reference.tif", "other.tif", "--bands", "../red=1"), "letters, digits"),
    "a scale of 0": (("reference.tif", "other.tif", "--scale", "0"), "a scale that is not 0"),
    "an image that does not fit": (("reference.tif", "other.tif", "--apply", "one.tif"), "one.tif has 1 band for 2 lines"),
    "an image over itself": (("reference.tif", "other.tif", "--apply", "other.tif", "--image-out", "."), "found the folder of the image"),
    "a folder without an image": (("reference.tif", "other.tif", "--image-out", "x"), "--image-out: found without --apply"),
    "a group of rasters": (("reference.tif", "other.tif", "--group", "date"), "--group date: found beside rasters"),
    "a group of coefficients": (("level.csv", "--group", "date"), "found beside a table of coefficients"),
    "a level line turned round": (("level.csv", "--invert"), "level"),
    "a coefficient that is none": (("hole.csv",), "found slope"),
    "a band twice": (("double.csv",), "a second time"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused_in_one_line_and_nothing_written(two, name):
    _, other = scene()
    write("far.tif", other, corner=(900000.0, 4600000.0))
    write("small.tif", np.array([[0.1, 0.2]], dtype=np.float32))
    write("one.tif", other[0])
    write("flat.tif", np.full_like(other, 0.25))
    write("snow.tif", np.full((60, 60), 255, dtype=np.uint8))
    write("nan.tif", np.full_like(other, np.nan))
    write("folder/S_B1.tif", other[0])
    Path("empty").mkdir()
    write("nowhere.tif", other, crs=None)
    Path("text.tif").write_text("no raster")
    Path("words.csv").write_text("a,b\n1,2\n")
    Path("wrong.csv").write_text("red_reference,red_other\n1,2\n2,cloud\n3,4\n")
    Path("rowless.csv").write_text("red_reference,red_other\n")
    Path("level.csv").write_text("band,slope,intercept\nred,0,1\n")
    Path("hole.csv").write_text("band,slope,intercept\nred,,1\n")
    Path("double.csv").write_text("band,slope,intercept\nred,1,1\nred,1,1\n")
    before = listed()
    words, fault = BAD[name]
    status, screen, error = two("normalise", *words, "-o", "out.csv")
    lines = [line for line in error.splitlines() if line.startswith("edaphic:")]
    assert status == 2 and screen == "" and fault in error, error
    assert "Traceback" not in error and 1 <= len(lines) <= 2
    assert listed() == before


@pytest.mark.parametrize(
    ("out", "fault"),
    [("out.txt", "another ending"), ("none/out.csv", "no folder"), ("pairs.csv", "a table that is read"), (".csv", "ending alone")],
)
def test_outputs_that_cannot_be(two, out, fault):
    Path("pairs.csv").write_text("red_reference,red_other\n1,2\n2,3\n3,5\n")
    before = Path("pairs.csv").read_bytes()
    status, _, error = two("normalise", "pairs.csv", "-o", out)
    assert status == 2 and fault in error and Path("pairs.csv").read_bytes() == before


def test_an_existing_folder_keeps_its_files(two):
    Path("images").mkdir()
    Path("images/mine.txt").write_text("mine")
    assert two("normalise", "reference.tif", "other.tif", "-o", "c.csv", "--apply", "other.tif", "--image-out", "images")[0] == 0
    assert {path.name for path in Path("images").iterdir()} == {"mine.txt", "band_1.tif", "band_2.tif"}


def test_marburg(command, shared):
    """ETM+ of 2001 and OLI of 2013, each to reflectance by its own numbers, through the command line."""
    folder = shared / "data" / "landsat_scenes" / "marburg_etm_oli_pair"
    # REFLECTANCE_MULT and _ADD over the sine of the sun's elevation, of the red bands in both MTL files.
    sun_oli, sun_etm = (math.sin(math.radians(angle)) for angle in (58.99675180, 53.87765310))
    meta = (folder / "LE07_L1TP_195025_20010730_20170204_01_T1_MTL.txt").read_text()
    mult, add = (float(meta.split(f"REFLECTANCE_{word}_BAND_3 = ")[1].split()[0]) for word in ("MULT", "ADD"))
    status, screen, error = command(
        "normalise", folder, folder, "--bands", "red=LC08*_B4.TIF", "--other-bands", "red=LE07*_B3.TIF",
        "--scale", f"{2e-5 / sun_oli},{mult / sun_etm}", "--offset", f"{-0.1 / sun_oli},{add / sun_etm}", "-o", "c.csv",
    )  # fmt: skip
    assert status == 0, error
    row = pd.read_csv("c.csv").iloc[0]
    assert 0.7 < row["slope"] < 1.3 and 0.8 < row["correlation"] < 0.95 and row["count"] > 1600 and "different units" not in screen
