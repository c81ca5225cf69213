"""``edaphic indices``: real scenes through the command line, composites, and calls that are refused with a line each."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

MAKE_SCENE = {"blue": (2, 0.04), "green": (3, 0.08), "red": (4, 0.05), "nir": (5, 0.45), "swir1": (6, 0.22), "swir2": (7, 0.10)}
NAME = "LC08_L2SP_218074_{}_20200829_02_T1"


@pytest.fixture
def command(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return partial(command, "indices")


def write(path, values, dtype="uint16", crs="EPSG:32634", transform=(30.0, 0.0, 500000.0, 0.0, -30.0, 4600000.0), **options):
    array = np.asarray(values)
    array = array[None] if array.ndim == 2 else array
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    count, height, width = array.shape
    how = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": dtype, "crs": crs, "transform": Affine(*transform)}
    with rasterio.open(path, "w", **how, **options) as file:
        file.write(array.astype(dtype))


def scene(day="20190114", qa=21824, folder="scenes", **change):
    for role, (number, value) in MAKE_SCENE.items():
        stored = np.full((6, 8), round((change.get(role, value) + 0.2) / 0.0000275))
        write(f"{folder}/{day}/{NAME.format(day)}_SR_B{number}.TIF", stored, nodata=0)
    write(f"{folder}/{day}/{NAME.format(day)}_QA_PIXEL.TIF", np.full((6, 8), qa), nodata=1)


def values(path):
    with rasterio.open(path) as file:
        return file.read(1, masked=True).astype(float).filled(np.nan)


def test_a_scene(command):
    scene()
    status, screen, _ = command("scenes", "-o", "out")
    assert status == 0 and "2019-01-14, oli, surface reflectance" in screen and "grid        6 x 8 cells" in screen
    assert sorted(path.name for path in Path("out").iterdir()) == ["bsi.tif", "evi.tif", "lswi.tif", "ndvi.tif", "savi.tif"]
    assert values("out/ndvi.tif")[0, 0] == pytest.approx(0.8, abs=1e-4) and values("out/savi.tif")[0, 0] == pytest.approx(0.6, abs=1e-4)
    assert "note" not in screen


def test_options(command):
    scene(qa=30048)
    assert command("scenes", "--indices", "savi", "--printed", "-o", "out")[0] == 0
    assert values("out/savi.tif")[0, 0] == pytest.approx(0.6 / 2.25, abs=1e-4)
    Path("out/mine.txt").write_text("kept")
    status, _, fault = command("scenes", "--indices", "ndvi", "--mask", "fill,snow", "-o", "out")
    assert status == 2 and "quality takes away every cell" in fault
    assert sorted(path.name for path in Path("out").iterdir()) == ["mine.txt", "savi.tif"]
    assert command("scenes", "--indices", "all", "--compress", "none", "-o", "out")[0] == 0
    assert len(list(Path("out").glob("*.tif"))) == 28 and Path("out/mine.txt").exists()
    assert values("out/tcg.tif")[0, 0] > 0.2  # tasselled cap is of "all", where the sensor is known
    write("stack.tif", np.full((2, 6, 8), 0.2), "float32")
    status, screen, _ = command("stack.tif", "--bands", "red=1,nir=2", "--indices", "all", "-o", "plain")
    assert status == 0 and "left out: tcb, tcg, tcw: of no sensor; expected one whose weights are known" in screen


def test_one_scene_of_a_folder(command):
    scene("20190114")
    scene("20190130", red=0.15)
    status, _, fault = command("scenes", "-o", "out")
    assert status == 2 and "found 2 scenes" in fault and "--statistic" in fault
    for words in (NAME.format("20190130"), f"{NAME.format('20190130')}_MTL.txt"):
        status, _, fault = command(f"scenes/20190130/{words}", "--indices", "ndvi", "-o", "out")
        assert (status == 0) is not words.endswith(".txt")
    assert values("out/ndvi.tif")[0, 0] == pytest.approx(0.5, abs=1e-4)


def test_composites(command):
    for day, red in (("20000705", 0.05), ("20010705", 0.15), ("20060705", 0.25)):
        scene(day, red=red)
    status, screen, _ = command("scenes", "--statistic", "mean", "--period", "2000-2005,2006", "--indices", "ndvi", "-o", "out")
    assert status == 0 and "period      2000-2005: 2 scenes" in screen
    names = ["count_2000-2005.tif", "count_2006-2006.tif", "ndvi_2000-2005.tif", "ndvi_2006-2006.tif"]
    assert sorted(path.name for path in Path("out").iterdir()) == names
    assert values("out/ndvi_2000-2005.tif")[0, 0] == pytest.approx(0.65, abs=1e-4) and (values("out/count_2000-2005.tif") == 2).all()
    Path("oli.csv").write_text("band,slope,intercept,from_sensor,to_sensor\nred,2.0,-0.1,OLI,ETM+\n")
    words = (
        "scenes",
        "--statistic",
        "median",
        "--indices",
        "none",
        "--band-composites",
        "red",
        "--normalise",
        "oli=oli.csv",
        "-o",
        "bands",
    )
    assert command(*words)[0] == 0
    assert values("bands/red.tif")[0, 0] == pytest.approx(0.2, abs=1e-4)
    # Coefficients that are not those of the scenes, or not of all bands of an index, are refused, of composites and of one scene.
    one = f"scenes/20000705/{NAME.format('20000705')}"
    Path("tm.csv").write_text("band,slope,intercept,from_sensor,to_sensor\nred,1,0,TM,ETM+\nnir,1,0,TM,ETM+\n")
    for words, fault in (
        (("--normalise", "oli=oli.csv"), "coefficients of oli (oli.csv): no line for nir; expected one for each band that is read"),
        (("--normalise", "tm=tm.csv"), "coefficients of tm (tm.csv): no scene of that sensor; found scenes of oli"),
        (("--normalise", "oli=tm.csv"), "coefficients of oli (tm.csv): found lines from tm to etm; expected lines from oli"),
    ):
        for call in (("scenes", "--statistic", "mean", *words), (one, *words)):
            status, _, said = command(*call, "--indices", "ndvi", "-o", "refused")
            assert status == 2 and fault in said and not Path("refused").exists()
    assert command("scenes", "--statistic", "MAX_NDVI,P50", "--indices", "ndvi", "-o", "loud")[0] == 0
    assert sorted(path.name for path in Path("loud").iterdir()) == ["count.tif", "ndvi_max_ndvi.tif", "ndvi_p50.tif"]
    assert values("loud/ndvi_max_ndvi.tif")[0, 0] == pytest.approx(0.8, abs=1e-4)
    Path("scenes.csv").write_text(
        "date,sensor,level,red,nir\n"
        + "".join(
            f"{day[:4]}-07-05,oli,l2,scenes/{day}/{NAME.format(day)}_SR_B4.TIF,scenes/{day}/{NAME.format(day)}_SR_B5.TIF\n"
            for day in ("20000705", "20010705")
        )
    )
    assert (
        command("scenes.csv", "--statistic", "max", "--indices", "ndvi", "--months", "6-8", "--bare-soil", "-0.9,0.9,0.9", "-o", "t")[0]
        == 2
    )
    status, screen, _ = command("scenes.csv", "--statistic", "max", "--indices", "ndvi", "--months", "6-8", "-o", "table")
    assert status == 0 and "no quality band" in screen and values("table/ndvi.tif")[0, 0] == pytest.approx(0.8, abs=1e-4)


BRUMADINHO = "landsat_scenes/brumadinho_oli_2019"
PENNSYLVANIA = "blue=july1.tif,green=july2.tif,red=july3.tif,nir=july4.tif,swir1=july5.tif,swir2=july7.tif"


def test_brumadinho(command, shared):
    """The dam broke between the two dates: along the mud NDVI fell and BSI rose; nearly nothing else changed."""
    for day in ("20190114", "20190130"):
        assert command(shared / "data" / BRUMADINHO / day, "--indices", "ndvi,bsi,mndwi", "-o", day)[0] == 0
        # The definition, from the numbers of the files.
        stored = {}
        for number in (4, 5):
            with rasterio.open(next((shared / "data" / BRUMADINHO / day).glob(f"*_SR_B{number}.TIF"))) as file:
                stored[number] = file.read(1).astype(np.float64)
        red, nir = (stored[number] * 0.0000275 - 0.2 for number in (4, 5))
        valid = np.all([(stored[number] >= 7273) & (stored[number] <= 43636) for number in (4, 5)], axis=0)
        np.testing.assert_allclose(values(f"{day}/ndvi.tif"), np.where(valid, (nir - red) / (nir + red), np.nan), atol=1e-6)
        water = values(f"{day}/mndwi.tif") > 0.2
        assert water.sum() > 100 and np.nanmedian(values(f"{day}/ndvi.tif")[water]) < 0.1
    # The second image starts 30 columns further: the first one on its grid.
    like = next((shared / "data" / BRUMADINHO / "20190130").glob("*_SR_B4.TIF"))
    assert command(shared / "data" / BRUMADINHO / "20190114", "--indices", "ndvi,bsi", "--like", like, "-o", "before")[0] == 0
    with rasterio.open(like) as file:
        shift = file.transform.c
    with rasterio.open("20190114/ndvi.tif") as file:
        shift = round((shift - file.transform.c) / 30.0)
    first, moved = values("20190114/ndvi.tif"), values("before/ndvi.tif")
    assert abs(shift) == 30
    np.testing.assert_array_equal(moved[:, :370] if shift > 0 else moved[:, 30:], first[:, 30:] if shift > 0 else first[:, :370])
    change = values("20190130/bsi.tif") - values("before/bsi.tif")
    mud = (values("before/ndvi.tif") > 0.6) & (values("20190130/ndvi.tif") < 0.25)
    assert 200 < mud.sum() < 10_000 and np.nanmedian(change[mud]) > 0.2 and abs(np.nanmedian(change[~mud])) < 0.05


def test_brumadinho_composite(command, shared):
    assert command(shared / "data" / BRUMADINHO, "--statistic", "mean", "--period", "2019", "--indices", "ndvi", "-o", "out")[0] == 0
    count = values("out/count_2019-2019.tif")
    # 30 columns of 400 lie in one image only.
    assert (count == 2).mean() > 0.9 and (count[:, :30] <= 1).all() != (count[:, -30:] <= 1).all()


def test_olinda(command, shared):
    path = shared / "data" / "landsat_scenes" / "olinda_etm" / "L7_ETMs.tif"
    status, screen, _ = command(path, "--sensor", "etm", "--indices", "all", "-o", "out")
    assert status == 0 and "left out: savi: L7_ETMs.tif holds digital numbers" in screen and "computed on digital numbers (uint8)" in screen
    ndvi, mndwi = values("out/ndvi.tif"), values("out/mndwi.tif")
    with rasterio.open(path) as file:
        red, nir = file.read(3).astype(float), file.read(4).astype(float)
    kept = np.isfinite(ndvi)
    np.testing.assert_allclose(ndvi[kept], ((nir - red) / (nir + red))[kept], atol=1e-6)
    sea = nir < 16
    assert (ndvi[sea & kept] < 0).mean() > 0.99 and np.nanmedian(mndwi[sea]) > 0.5
    # As 8-bit numbers the sum would have run over.
    assert (nir + red)[kept].max() > 255 and ndvi[kept].min() >= -1 and ndvi[kept].max() <= 1


def test_pennsylvania(command, shared):
    folder = shared / "data" / "landsat_scenes" / "pennsylvania_etm_2002"
    for month in ("july", "nov"):
        status, screen, _ = command(folder, "--sensor", "etm", "--bands", PENNSYLVANIA.replace("july", month), "-o", month)
        assert status == 0 and "left out: evi" in screen
    assert np.nanmedian(values("july/ndvi.tif")) > np.nanmedian(values("nov/ndvi.tif")) + 0.1
    # 255 is saturation: no value.
    with rasterio.open(folder / "july3.tif") as file:
        assert np.isnan(values("july/ndvi.tif")[file.read(1) == 255]).all()


def test_everest(command, shared):
    rgb = "LE71400412000304SGS00_RGB.tif"
    bands = f"red={rgb}:1,green={rgb}:2,blue={rgb}:3,nir=LE71400412000304SGS00_B4.tif"
    status, screen, _ = command(
        shared / "data" / "landsat_scenes" / "everest_etm_2000", "--bands", bands, "--indices", "ndvi,ndwi", "-o", "out"
    )
    assert status == 0 and "2000-10-30, etm" in screen and "outside the valid numbers, or saturated" in screen
    status, _, fault = command(shared / "data" / "landsat_scenes" / "everest_etm_2000", "--bands", bands, "-o", "out", "--indices", "bsi")
    assert status == 2 and "no band swir1; found red, green, blue, nir" in fault


def test_marburg(command, shared):
    """Top-of-atmosphere reflectance of two sensors, twelve years apart: the same fields, so NDVI is alike."""
    folder = shared / "data" / "landsat_scenes" / "marburg_etm_oli_pair"
    for name in ("LE07_L1TP_195025_20010730_20170204_01_T1", "LC08_L1TP_195025_20130707_20170503_01_T1"):
        status, screen, _ = command(folder / name, "-o", name[:4])
        assert status == 0 and "top-of-atmosphere reflectance" in screen
    both = [values(f"{sensor}/ndvi.tif") for sensor in ("LE07", "LC08")]
    assert np.corrcoef(*(ndvi.ravel() for ndvi in both))[0, 1] > 0.5
    assert all(0.2 < np.nanmedian(ndvi) < 0.8 for ndvi in both)


def spoil(kind: str) -> tuple[object, ...]:
    """One call each that is refused."""
    scene()
    red, nir = (f"scenes/20190114/{NAME.format('20190114')}_SR_B{number}.TIF" for number in (4, 5))
    if kind == "cut":
        data = Path(red).read_bytes()
        Path(red).write_bytes(data[: len(data) - 60])
    elif kind == "crs":
        write(nir, np.full((6, 8), 20000), crs="EPSG:32635")
    elif kind == "no crs":
        write(nir, np.full((6, 8), 20000), crs=None)
    elif kind == "qa":
        write(f"scenes/20190114/{NAME.format('20190114')}_QA_PIXEL.TIF", np.full((5, 8), 21824))
    elif kind == "cloud":
        scene(qa=22280)
    elif kind == "mtl":
        Path(f"scenes/20190114/{NAME.format('20190114')}_MTL.txt").write_text("GROUP = LANDSAT_METADATA_FILE\n  GROUP = IMAGE\n DATE")
    elif kind in ("eight", "float"):
        write("stack.tif", np.full((2, 6, 8), 4000.0 if kind == "float" else 90), "float32" if kind == "float" else "uint8")
    elif kind == "south":
        write(red, np.full((6, 8), 20000), transform=(30.0, 0.0, 500000.0, 0.0, 30.0, 4600000.0))
    elif kind == "file":
        Path("out").write_text("a file")
    elif kind == "coefficients":
        Path("c.csv").write_text("band,slope,intercept\nrot,1,0\nred,0,0\nnir,1,x\n")
    elif kind == "two":
        shutil.copytree("scenes/20190114", "scenes/other")
        for path in Path("scenes/other").iterdir():
            path.rename(path.with_name(path.name.replace("20190114", "20190130", 1)))
    return ()


REFUSED = [
    ("", ("none",), "none: no such file, folder or scene"),
    ("", ("scenes", "--indices", "ndvy"), "indices: found 'ndvy'; expected some of ndvi"),
    ("", ("scenes", "--indices", "ndre"), "no band red_edge1; found blue, green, red, nir, swir1, swir2"),
    ("", ("scenes", "--sensor", "landsat"), "--sensor: found 'landsat'; expected one of tm, etm, oli, msi"),
    ("", ("scenes", "--sensor", "tm"), "is of oli by its name"),
    ("", ("scenes", "--bands", "rot=1"), "--bands: found 'rot=1'"),
    ("", ("scenes", "--bands", "red=B9.TIF"), "--bands red=B9.TIF: no file"),
    ("", ("scenes", "--mask", "clouds"), "mask: found 'clouds'"),
    ("", ("scenes", "--qa", "qa.tif"), "--qa qa.tif: no such file"),
    ("", ("scenes", "--level", "sr"), "--level: found 'sr'"),
    ("", ("scenes", "--level", "l2", "--scale", "1"), "found --scale or --offset beside it"),
    ("", ("scenes", "--scale", "0"), "scale 0 and offset 0; expected finite numbers, and a scale above 0"),
    ("", ("scenes", "--scale", "1"), "give no reflectance between 0 and 1.6 with scale 1"),
    ("", ("scenes", "--period", "2000-2005"), "--period: found without --statistic"),
    ("", ("scenes", "--min-count", "3"), "--min-count: found without --statistic"),
    ("", ("scenes", "--statistic", "mode"), "statistic: found 'mode'"),
    (
        "",
        ("scenes", "--statistic", "mean", "--period", "2000-2005"),
        "lies in the periods, months and grid; found 2019-01-14 to 2019-01-14",
    ),
    ("", ("scenes", "--statistic", "mean", "--months", "13"), "months: found '13'"),
    ("", ("scenes", "--statistic", "mean", "--bare-soil", "dry"), "--bare-soil: found 'dry'"),
    ("", ("scenes", "--normalise", "oli"), "--normalise: found 'oli'; expected SENSOR=TABLE"),
    ("coefficients", ("scenes", "--normalise", "oli=c.csv"), "row 2: band 'rot'"),
    ("", ("scenes", "--like", "none.tif"), "none.tif: no such file"),
    ("cut", ("scenes",), "cut short; expected a whole file"),
    ("crs", ("scenes",), "nir is in EPSG:32635, red in EPSG:32634"),
    ("no crs", ("scenes",), "no coordinate reference system"),
    ("qa", ("scenes",), "quality qa_pixel covers"),
    ("cloud", ("scenes",), "quality takes away every cell"),
    ("mtl", ("scenes",), "cut short; expected a whole file"),
    ("eight", ("stack.tif", "--bands", "red=1,nir=2", "--indices", "evi2"), "holds digital numbers; expected reflectance"),
    ("eight", ("stack.tif", "--bands", "red=1,nir=3", "--indices", "ndvi"), "--bands nir=3: no band of stack.tif; expected one of 1 to 2"),
    ("eight", ("stack.tif",), "found 2 bands without names; expected --bands"),
    ("float", ("stack.tif", "--bands", "red=1,nir=2", "--indices", "ndvi"), "100 % of the numbers give no reflectance"),
    ("south", ("scenes", "--indices", "ndvi"), "covers"),
    ("file", ("scenes",), "--out out: found a file; expected a folder"),
    ("two", ("scenes",), "found 2 scenes"),
]


@pytest.mark.parametrize(("kind", "words", "fault"), REFUSED, ids=[f"{kind} {' '.join(map(str, words))}" for kind, words, _ in REFUSED])
def test_refused(command, kind, words, fault):
    spoil(kind)
    status, screen, said = command(*words, "-o", "out")
    lines = [line for line in said.splitlines() if not line.startswith("  ")]
    assert status == 2 and fault in said, said
    assert all(line.startswith("edaphic: ") for line in lines) and not screen
    assert not Path("out").is_dir() or not list(Path("out").iterdir())
