"""``edaphic compare``: products through the command line, and calls that are refused with a line each."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform

from edaphic.errors import RasterError
from edaphic.verbs.compare_inputs import split_word


@pytest.fixture
def command(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return partial(command, "compare")


def write(path, values, size=1000.0, crs="EPSG:3035", west=4_321_000.0, unit="", dtype="float32", **tags):
    array = np.asarray(values, dtype=dtype)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    how = {"driver": "GTiff", "count": 1, "height": array.shape[0], "width": array.shape[1], "dtype": dtype}
    how |= {"nodata": -9999} if dtype == "float32" else {}
    with rasterio.open(path, "w", crs=crs, transform=Affine(size, 0, west, 0, -size, 3_210_000.0), **how) as file:
        file.write(np.where(np.isfinite(array), array, -9999).astype(dtype), 1)
        if unit:
            file.units = (unit,)
        file.update_tags(**tags)


def field(seed=1, shape=(20, 30)):
    return np.random.default_rng(seed).uniform(3.0, 9.0, shape)


@pytest.fixture
def maps(command):
    """Ours in kg/m2, told by its tags; another in t/ha; a third twice as fine, 0-20 cm."""
    values = field()
    write("ours_0-30cm.tif", values, unit="kg/m2", EDAPHIC_LAYER_CM="0-30", EDAPHIC_STATISTIC="mean")
    write("tonnes.tif", 10.0 * values * field(2) / 6.0)
    write("third.tif", np.kron(values, np.ones((2, 2))) * 0.7, size=500.0)
    write("land.tif", np.tile([1, 2, 2], (20, 10)), dtype="uint8")
    Path("legend.csv").write_text("code,name\n1,Forest\n2,Grassland\n")
    return values


def png(path):
    return Path(path).read_bytes()[:4] == b"\x89PNG"


def test_products(command, maps, undrawn):
    words = ("GSOC=tonnes.tif:0-30:t/ha", "--classes", "land.tif", "--legend", "legend.csv", "-o", "out")
    Path("out").mkdir()
    Path("out/mine.txt").write_text("kept")
    status, screen, beside = command("ours_0-30cm.tif", *words)
    assert status == 0, beside
    assert "GSOC 0-30 cm: 600 common cells" in screen and "agreement between products, not accuracy" in screen
    tables = {path.stem: pd.read_csv(path) for path in Path("out").glob("*.csv")}
    assert set(tables) == {"comparison", "pairs", "cv", "taylor", "totals"} and Path("out/mine.txt").exists()
    assert tables["comparison"]["name"].tolist() == ["GSOC"] and len(tables["pairs"]) == 2


def test_products_that_do_not_reach_one_of_several_layers(command, maps, undrawn):
    write("low.tif", maps)
    Path("ours.csv").write_text("name,path,layer,unit\nours,ours_0-30cm.tif,0-30,kg/m2\nours,low.tif,30-60,kg/m2\n")
    status, _, beside = command("ours.csv", "GSOC=tonnes.tif:0-30:t/ha", "-o", "out")
    assert status == 0 and "do not reach over 30-60 cm" in beside and "left out there" in beside
    assert pd.read_csv("out/comparison.csv")["bottom_cm"].tolist() == [30]


def test_a_product_that_does_not_reach_is_refused(command, maps, undrawn):
    status, _, fault = command("ours_0-30cm.tif", "third.tif:0-20:kg/m2", "-o", "out")
    assert status == 2 and "third: layers 0-20 cm do not reach over 0-30 cm" in fault and not Path("out").exists()
    status, _, said = command("ours_0-30cm.tif", "third.tif:0-20:kg/m2", "--layer", "0-20", "-o", "out")
    assert status == 0 and "factor 0.7356 to 0-20 cm" in said
    row = pd.read_csv("out/comparison.csv").iloc[0]
    assert row["factor"] == pytest.approx(0.7356 / 0.7, rel=1e-3) and row["pearson_r"] == pytest.approx(1.0)
    assert row["support_factor"] == 1.0


def test_everything(command, maps):
    write("two_0-30.tif", maps * 1.1)
    points = pd.DataFrame({"profile_id": range(5), "lon": 10.0, "lat": 52.0, "top_cm": 0, "bottom_cm": 30, "observed": 5.0})
    with rasterio.open("ours_0-30cm.tif") as file:
        x, y = file.xy([2, 5, 8, 11, 14], [3, 9, 15, 21, 27])
        points["lon"], points["lat"] = transform(file.crs, "EPSG:4326", x, y)
    points["observed"] = maps[[2, 5, 8, 11, 14], [3, 9, 15, 21, 27]]
    points.to_csv("points.csv", index=False)
    total = maps.sum() * 1e6 / 1e9
    Path("published.csv").write_text(f"name,top_cm,bottom_cm,total,low,high,unit,source\nstudy,0,30,{total},0,9,Tg,made up\n")
    words = ("base=ours_0-30cm.tif", "GSOC=tonnes.tif:0-30:t/ha", "two=two_0-30.tif:0-30:kg/m2", "--classes", "land.tif")
    more = ("--legend", "legend.csv", "--points", "field=points.csv", "--published", "published.csv", "--uses", "clay of GSOC,DEM")
    status, _, beside = command(*words, *more, "--draws", 20, "-o", "out")
    assert status == 0, beside
    out = Path("out")
    assert not (out / ".compare").exists()
    table = pd.read_csv(out / "points.csv")
    assert set(table["set"]) == {"field"}
    scores = table.query("score == 'rmse' and rows == 'common'").set_index("product")["value"]
    assert scores["base"] == pytest.approx(0.0, abs=1e-6) and scores["two"] > 0.2
    assert {"mec", "r2_pearson", "ccc", "bias", "rmse"} <= set(pd.read_csv(out / "points.csv")["score"])
    told = pd.read_csv(out / "published.csv").set_index("product")
    assert told.loc["base", "value_over_published"] == pytest.approx(1.0, rel=2e-3) and told.loc["base", "within"] == "yes"
    rows = pd.read_csv(out / "comparison.csv").set_index("name")
    assert "comes from this product" in rows.loc["GSOC", "shared_inputs"] and pd.isna(rows.loc["two", "shared_inputs"])
    assert "comes from this product" in (out / "notes.txt").read_text()
    assert set(pd.read_csv(out / "cv.csv")["class_name"]) == {"all", "Forest", "Grassland"}
    with rasterio.open(out / "maps" / "relative_difference_two_0-30cm.tif") as file:
        np.testing.assert_allclose(file.read(1), -10.0, rtol=1e-5)
        assert file.units == ("%",) and file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    with rasterio.open(out / "maps" / "count_0-30cm.tif") as file:
        assert (file.read(1) == 3).all()
    stack = np.stack([maps, maps * field(2) / 6.0, maps * 1.1])
    with rasterio.open(out / "maps" / "cv_0-30cm.tif") as file:
        np.testing.assert_allclose(file.read(1), 100 * stack.std(axis=0, ddof=1) / stack.mean(axis=0), rtol=1e-4)
    names = {path.name for path in (out / "figures").iterdir()}
    drawn = ("scatter_GSOC", "taylor", "target", "map_cv", "map_count", "totals")
    assert {*(f"{name}_0-30cm.png" for name in drawn), "cv_by_land.png"} <= names
    assert all(png(path) for path in (out / "figures").iterdir())
    page = (out / "comparison.html").read_text()
    assert page.count("<img ") == page.count(' alt="') == len(names) and "http" not in page.replace("http-equiv", "")


def test_periods_and_layers_from_a_table(command, maps, undrawn):
    for year, factor in ((1990, 1.0), (2010, 1.2)):
        write(f"m_{year}.tif", maps * factor)
    rows = ["ours,m_1990.tif,0-30,kg/m2,1990", "ours,m_2010.tif,0-30,kg/m2,2010"]
    Path("ours.csv").write_text("name,path,layer,unit,period\n" + "\n".join(rows) + "\n")
    write("d90.tif", maps * 5.0)
    write("d10.tif", maps * 6.0)
    others = "dyn,d90.tif,0-30,t/ha,1988-1992\ndyn,d10.tif,0-30,t/ha,2008-2012\n"
    Path("others.csv").write_text("name,path,layer,unit,period\n" + others)
    status, _, said = command("ours.csv", "others.csv", "still=tonnes.tif:0-30:t/ha", "-o", "out")
    assert status == 0, said
    found = pd.read_csv("out/comparison.csv", dtype={"period": str}).set_index(["name", "period"])
    assert found.loc[("dyn", "1990"), "factor"] == pytest.approx(2.0) == pytest.approx(found.loc[("dyn", "2010"), "factor"])
    assert ("still", "2010") in found.index
    assert Path("out/maps/cv_0-30cm_1990.tif").exists() and Path("out/figures/series_0-30cm.png").exists()


def test_a_folder_of_maps_and_nested_layers(command, maps, undrawn):
    for layer, factor in (("0-30", 1.0), ("30-100", 0.8)):
        write(f"run/maps/soc_stock_mean_{layer}cm.tif", maps * factor, unit="kg/m2", EDAPHIC_LAYER_CM=layer, EDAPHIC_STATISTIC="mean")
    Path("run/covariates").mkdir()
    Path("run/covariates/layers.csv").write_text("name,kind,path\nclay,continuous,debt_clay.tif\n")
    write("a.tif", maps * 10)
    write("b.tif", maps * 20)
    sites = pd.DataFrame({"profile_id": ["a", "b"], "lon": [10.05, 10.15], "lat": [51.99, 51.95], "top_cm": 0.0, "bottom_cm": 30.0})
    Path("run/profiles").mkdir()
    sites.assign(soc_stock_kg_m2=5.0)[:1].to_parquet("run/profiles/layers.parquet")
    sites.assign(observed=[5.0, 6.0]).to_csv("field.csv", index=False)
    words = ("debt=a.tif:0-30:t/ha", "debt=b.tif:0-100:t/ha", "--points", "field.csv", "--draws", 5)
    status, _, said = command("run", *words, "-o", "out")
    assert status == 0, said
    assert "points field: 1 of 2 profiles lie where the run has training profiles" in said
    found = pd.read_csv("out/comparison.csv").set_index("bottom_cm")
    assert found.loc[30, "factor"] == pytest.approx(1.0) and found.loc[100, "factor"] == pytest.approx(0.8)
    assert "debt_clay.tif" in found.loc[30, "shared_inputs"] and "difference" in found.loc[100, "support"]


def test_the_coarsest_grid(command, maps, undrawn):
    write("coarse.tif", np.full((4, 6), 60.0), size=5000.0)
    status, _, said = command("ours_0-30cm.tif", "coarse.tif:0-30:t/ha", "--grid", "coarsest", "-o", "out")
    assert status == 0 and "compared on the cells of coarse: 4 x 6" in said
    row = pd.read_csv("out/comparison.csv").iloc[0]
    assert row["cells"] == 24 and row["mean_ours_kg_m2"] == pytest.approx(maps.mean(), rel=1e-3)


def test_identical_products(command, maps, undrawn):
    """Identical products: no spread, no difference, exactly; a unit taken wrongly is named."""
    write("copy.tif", maps)
    assert command("ours_0-30cm.tif", "copy.tif:0-30:kg/m2", "-o", "out")[0] == 0
    for name in ("cv_0-30cm", "relative_difference_copy_0-30cm"):
        with rasterio.open(f"out/maps/{name}.tif") as file:
            assert (file.read(1) == 0.0).all()
    status, screen, _ = command("ours_0-30cm.tif", "copy.tif:0-30:t/ha", "-o", "slip")
    assert status == 0 and "near 10:" in screen


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ours_0-30cm.tif"], "Missing argument"),
        (["missing_0-30cm.tif", "tonnes.tif:0-30:t/ha"], "missing_0-30cm.tif: no such file"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:bushels"], "'bushels' is no layer such as 0-30, no unit such as kg/m2"),
        (["ours_0-30cm.tif", "tonnes.tif:t/ha"], "no layer given, and neither tags nor name of the file tell one"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30"], "no unit given, and the file says none"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:g/kg"], "is a content, with no bulk density"),
        (["ours_0-30cm.tif", "again=ours_0-30cm.tif"], "the same map twice"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "tonnes.tif:0-30:t/ha"], "a second product called tonnes"),
        (["ours_0-30cm.tif", "a=tonnes.tif:0-30:t/ha", "a=third.tif:0-30:t/ha"], "a: layer 0-30 cm stands 2 times"),
        (["ours_0-30cm.tif", "far.tif:0-30:t/ha"], "no overlap with the grid"),
        (["ours_0-30cm.tif", "empty.tif:0-30:t/ha"], "no cell in common with ours"),
        (["ours_0-30cm.tif", "legend.csv"], "no column path, layer"),
        (["ours_0-30cm.tif", "missing.csv"], "missing.csv: no such file"),
        (["ours_0-30cm.tif", "legend.txt"], "legend.txt: no such file"),
        (["ours_0-30cm.tif", "broken.tif:0-30:t/ha"], "no raster that can be read"),
        (["empty_folder", "tonnes.tif:0-30:t/ha"], "no map called soc_stock_mean_TOP-BOTTOMcm.tif"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "--layer", "30-60"], "do not reach over 30-60 cm"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "--layer", "deep"], "expected layers in cm"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "--beta", "0"], "--beta 0"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "--support", "magic"], "--support magic"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "--grid", "mine"], "--grid mine"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "--legend", "legend.csv"], "expected --classes as well"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "--classes", "no.tif"], "no.tif: no such file"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "--classes", "third.tif"], "expected class codes, whole numbers"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "--points", "legend.csv"], "no column profile_id"),
        (["ours_0-30cm.tif", "a b=tonnes.tif:0-30:t/ha", "a_b=third.tif:0-30:t/ha"], "their files would have the same names"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "--points", "deep.csv", "--points", "deep.csv"], "a second set called deep"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "--points", "away.csv"], "none of 2 rows lies where a map has a value"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "--points", "deep.csv"], "no row of a layer that is compared"),
        (["ours_0-30cm.tif", "tonnes.tif:0-30:t/ha", "--published", "legend.csv"], "no column top_cm"),
    ],
)
def test_bad_calls(command, maps, undrawn, words, said):
    write("far.tif", maps, west=9e6)
    write("empty.tif", np.full((20, 30), np.nan))
    Path("broken.tif").write_text("no raster")
    Path("empty_folder").mkdir()
    head = "profile_id,lon,lat,top_cm,bottom_cm,observed\n"
    Path("away.csv").write_text(head + "a,100,0,0,30,5\nb,101,0,0,30,6\n")
    Path("deep.csv").write_text(head + "a,10,52,30,60,5\n")
    status, _, fault = command(*words, "-o", "out")
    assert status == 2 and said in " ".join(fault.split()), fault
    assert "Traceback" not in fault and not Path("out").exists()


def test_all_faults_at_once(command, maps):
    status, _, fault = command("ours_0-30cm.tif", "no.tif:0-30:t/ha", "tonnes.tif:0-30:stone", "-o", "out")
    assert status == 2 and len([line for line in fault.splitlines() if line.startswith("edaphic: ")]) == 2


def test_words():
    assert split_word("https://host/a.tif:0-30:Mg C/ha") == ("", "https://host/a.tif", (0.0, 30.0), "Mg/ha", None)
    assert split_word("S=/vsicurl/https://host/a.tif:0-5:1990-1995") == ("S", "/vsicurl/https://host/a.tif", (0.0, 5.0), None, (1990, 1995))
    assert split_word("C:\\maps\\a.tif:0-30 cm") == ("", "C:\\maps\\a.tif", (0.0, 30.0), None, None)
    with pytest.raises(RasterError, match="no path"):
        split_word("name=:0-30")


def test_density_agrees_with_stock(command, shared, undrawn):
    """Two forms of one published product: stocks, and densities at 0, 30 and 100 cm joined by lines, agree within 1 % (its README)."""
    folder = shared / "data" / "soc_products_10km"
    if not folder.is_dir():
        pytest.skip("soc_products_10km is not among the shared data")
    rows = [f"ocd,{folder}/OCD_{depth}cm_year_2010AD_10km.tif,{depth},kg/m3,0.1" for depth in (0, 30, 100)]
    Path("ocd.csv").write_text("name,path,layer,unit,scale\n" + "\n".join(rows) + "\n")
    with rasterio.open(folder / "SOCS_0_100cm_year_2010AD_10km.tif") as file:
        part = rasterio.windows.Window(1200, 900, 300, 200)
        write_part(file, part, "stock.tif")
    status, _, said = command("stock.tif:0-100:t/ha", "ocd.csv", "-o", "out")
    assert status == 0, said
    row = pd.read_csv("out/comparison.csv").iloc[0]
    assert row["factor"] == pytest.approx(1.0, abs=0.01) and row["pearson_r"] > 0.99


def write_part(file, part, path):
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=part.height, width=part.width, dtype=file.dtypes[0], nodata=file.nodata,
        crs=file.crs, transform=file.window_transform(part),
    ) as out:  # fmt: skip
        out.write(file.read(1, window=part), 1)
