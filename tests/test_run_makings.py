"""One run that makes its covariates: a DEM, a folder of Landsat scenes, a table of stations, layered rasters, all on one grid."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.shutil import copy

from edaphic import recipe, run
from edaphic.errors import EdaphicError
from edaphic.run import Listener
from edaphic.stages.inputs import inputs_of

BANDS = {"SR_B2": 9000, "SR_B3": 9500, "SR_B4": 10000, "SR_B5": 16000, "SR_B6": 12000, "SR_B7": 11000}
CLEAR, CLOUD = 21824, 22280


def write(path: Path, values: np.ndarray, like: dict[str, Any], **how: Any) -> None:
    profile = like | {"dtype": values.dtype, "count": 1, "nodata": None} | how
    with rasterio.open(path, "w", **profile) as out:
        out.write(values, 1)


def scenes(folder: Path, height: np.ndarray, like: dict[str, Any]) -> None:
    """Two scenes in each of two periods; near infrared rises with height; a corner of the first is cloudy."""
    folder.mkdir()
    rise = (2000 * (height - np.nanmin(height)) / np.ptp(height)).astype("uint16")
    for number, day in enumerate(("19990712", "20010803", "20090716", "20120808")):
        name = f"LC08_L2SP_190030_{day}_20200829_02_T1"
        for band, level in BANDS.items():
            values = np.full(height.shape, level, dtype="uint16") + (rise if band == "SR_B5" else np.uint16(0)) + np.uint16(100 * number)
            write(folder / f"{name}_{band}.TIF", values, like, nodata=0)
        quality = np.full(height.shape, CLEAR, dtype="uint16")
        if number == 0:
            quality[:5, :5] = CLOUD
        write(folder / f"{name}_QA_PIXEL.TIF", quality, like, nodata=1)


def stations(path: Path, height: np.ndarray, grid: GeoBox, count: int = 60) -> None:
    random = np.random.default_rng(5)
    row, col = random.integers(0, height.shape[0], count), random.integers(0, height.shape[1], count)
    x, y = grid.affine * (col + 0.5, row + 0.5)
    lon, lat = Transformer.from_crs(grid.crs.proj, "EPSG:4326", always_xy=True).transform(x, y)
    table = pd.DataFrame({"LON": lon, "LAT": lat, "ELEV": height[row, col]})
    table["mat"] = 15 - 0.0065 * table["ELEV"] + random.normal(0, 0.1, count)
    table["map"] = 300 + 0.4 * table["ELEV"] + random.normal(0, 5, count)
    table.drop_duplicates(["LON", "LAT"]).to_csv(path, index=False)


@pytest.fixture(scope="module")
def raw(tiny, tmp_path_factory):
    def change(told: dict[str, Any]) -> None:
        told["covariates"] = {
            "layers": [{"path": "covariates/land_cover.tif", "kind": "class"}],
            "terrain": {"dem": "covariates/elevation.tif", "attributes": ["elevation", "slope", "twi", "tpi"], "radius_m": 1000},
            "indices": {"scenes": "landsat", "indices": ["ndvi", "bsi"], "periods": [[1998, 2005], [2006, 2015]]},
            "climate": {
                "stations": "stations.csv",
                "values": ["mat", "map"],
                "dem": "covariates/elevation.tif",
                "columns": {"lon": "LON", "lat": "LAT", "elevation_m": "ELEV"},
                "withhold": 5,
            },
            "depth_means": [
                {"name": "clay", "layers": ["0-20"], "sources": {"0-5": "c0.tif", "5-15": "c5.tif", "15-30": "c15.tif"}, "unit": "%"}
            ],
            "zones": {"mat": "mat", "map": "map", "mat_c": 11.0, "map_mm": 560},
        }
        told["account"]["by"] = ["climate_zone"]
        told["maps"]["period"] = [2006, 2015]

    path = tiny.copy(tmp_path_factory.mktemp("makings") / "input", change)
    folder = path.parent
    with rasterio.open(folder / "covariates" / "elevation.tif") as source:
        height = source.read(1, masked=True).astype("float64").filled(np.nan) * source.scales[0] + source.offsets[0]
        like, grid = source.profile, GeoBox.from_rio(source)
    height = np.where(np.isnan(height), np.nanmean(height), height)
    like = {key: like[key] for key in ("driver", "width", "height", "crs", "transform")}
    write(folder / "dem.tif", height.astype("float32"), like)
    scenes(folder / "landsat", height, like)
    stations(folder / "stations.csv", height, grid)
    for name, level in (("c0", 10.0), ("c5", 20.0), ("c15", 40.0)):
        write(folder / f"{name}.tif", np.full(height.shape, level, dtype="float32"), like)
    text = path.read_text(encoding="utf-8").replace("dem: covariates/elevation.tif", "dem: dem.tif")
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def made(raw, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(raw.parent, tmp_path / "input")
    return tmp_path / "input" / raw.name


def band(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1, masked=True).astype(float).filled(np.nan)


@pytest.mark.slow
def test_one_run_makes_all_and_maps_with_it(made, tmp_path):
    said: list[str] = []
    out = tmp_path / "run"
    run.run(made, out, listener=Listener(lambda name, note: None, lambda text, done, total: said.append(text), lambda seconds: None))
    folder = out / "covariates"
    names = {path.name for path in folder.glob("*.tif")}
    assert {"elevation.tif", "slope.tif", "twi.tif", "tpi.tif", "mat.tif", "map.tif", "clay_0-20cm.tif", "climate_zone.tif"} <= names
    assert {f"{index}_{period}.tif" for index in ("ndvi", "bsi", "count") for period in ("1998-2005", "2006-2015")} <= names
    np.testing.assert_allclose(band(folder / "clay_0-20cm.tif"), 10 / 4 + 20 / 2 + 40 / 4)
    np.testing.assert_array_equal(band(folder / "elevation.tif"), band(made.parent / "dem.tif"))
    assert np.nanmin(band(folder / "count_1998-2005.tif")) == 1 and np.nanmax(band(folder / "count_1998-2005.tif")) == 2
    # Colder with height by the lapse rate that the stations were made with.
    height, mat = band(folder / "elevation.tif"), band(folder / "mat.tif")
    assert np.polyfit(height.ravel(), mat.ravel(), 1)[0] == pytest.approx(-0.0065, rel=0.05)
    zones = band(folder / "climate_zone.tif")
    assert set(np.unique(zones[np.isfinite(zones)])) <= {1, 2, 3, 4}
    with rasterio.open(folder / "slope.tif") as source:
        assert source.units == ("degree",)
    points = pd.read_parquet(folder / "points.parquet")
    assert {"elevation", "slope", "twi", "tpi", "ndvi", "bsi", "mat", "map", "clay_0-20cm", "climate_zone", "land_cover"} <= set(points)
    assert "note: ndvi of 2006 to 2015 is mapped" in said
    stocks = pd.read_csv(out / "tables" / "stocks.csv")
    assert {"wet_warm", "wet_cold", "dry_warm", "dry_cold"} & set(stocks["class_name"].dropna())
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "RMSE of climate at withheld stations" in page and "Covariate by period" in page
    evidence = pd.read_csv(folder / "climate.evidence.csv")
    assert evidence["loo_rmse"].iloc[0] < 0.3
    described = pd.read_csv(folder / "layers.csv").set_index("name")
    assert described.loc["slope", "path"] == "covariates/slope.tif"
    assert {"ndvi_1998-2005", "ndvi_2006-2015"} <= set(described.index)


def test_a_dem_of_another_region_is_found_before(made):
    with rasterio.open(made.parent / "dem.tif", "r+") as source:
        source.transform = Affine.translation(3e6, 0) * source.transform
    with pytest.raises(EdaphicError, match=r"covariates\.terrain\.dem: .*no overlap with the grid"):
        run.check(made)


def test_what_is_unchanged_is_not_made_again(made, tmp_path):
    out = tmp_path / "run"
    run.run(made, out, until="rasters")
    before = json.loads((out / "run.json").read_text())["stages"]["rasters"]["finished"]
    told = yaml.safe_load(made.read_text(encoding="utf-8"))
    told["covariates"]["undated_year"] = 2004
    made.write_text(yaml.safe_dump(told), encoding="utf-8")
    run.run(made, out, until="covariates")
    assert json.loads((out / "run.json").read_text())["stages"]["rasters"]["finished"] == before
    (made.parent / "c0.tif").write_bytes((made.parent / "c5.tif").read_bytes())
    run.run(made, out, until="rasters")
    np.testing.assert_allclose(band(out / "covariates" / "clay_0-20cm.tif"), 20 / 4 + 20 / 2 + 40 / 4)


def test_what_one_part_is_made_of_leaves_the_others(made, tmp_path):
    said: list[str] = []
    out = tmp_path / "run"
    listener = Listener(lambda name, note: None, lambda text, done, total: said.append(text), lambda seconds: None)
    run.run(made, out, until="rasters", listener=listener)
    assert not [text for text in said if "taken over" in text]
    before = {name: band(out / "covariates" / name) for name in ("twi.tif", "mat.tif", "ndvi_2006-2015.tif")}
    told = yaml.safe_load(made.read_text(encoding="utf-8"))
    told["covariates"]["zones"]["mat_c"] = 9.0
    made.write_text(yaml.safe_dump(told), encoding="utf-8")
    run.run(made, out, until="rasters", listener=listener)
    parts = ["terrain", "indices", "climate", "depth_means"]
    assert [text for text in said if "taken over" in text] == [f"{part}: unchanged, taken over" for part in parts]
    for name, values in before.items():
        np.testing.assert_array_equal(band(out / "covariates" / name), values)
    said.clear()
    first = next((made.parent / "landsat").glob("*20120808*_SR_B5.TIF"))
    with rasterio.open(first, "r+") as source:
        source.write(source.read(1) + np.uint16(3000), 1)
    run.run(made, out, until="rasters", listener=listener)
    assert "indices: unchanged, taken over" not in said and "terrain: unchanged, taken over" in said
    assert not np.array_equal(band(out / "covariates" / "ndvi_2006-2015.tif"), before["ndvi_2006-2015.tif"])
    (out / "covariates" / "twi.tif").write_bytes(b"spoilt")
    run.run(made, out, until="rasters", listener=listener)
    np.testing.assert_array_equal(band(out / "covariates" / "twi.tif"), before["twi.tif"])


def test_rasters_follow_the_grid_and_zones_the_period_of_the_maps(made, tmp_path):
    told = yaml.safe_load(made.read_text(encoding="utf-8"))
    with rasterio.open(made.parent / "dem.tif") as source:
        like, height = source.profile, source.read(1)
    write(made.parent / "like.tif", height, like)
    for years, level in (((1990, 1999), 5.0), ((2006, 2015), 15.0)):
        write(made.parent / f"warm_{years[0]}_{years[1]}.tif", np.full(height.shape, level, dtype="float32"), like)
    told["grid"] = {"like": "like.tif"}
    told["covariates"]["layers"].append({"path": "warm_{from}_{to}.tif"})
    told["covariates"]["zones"] |= {"mat": "warm", "mat_c": 10.0}
    del told["covariates"]["indices"]
    made.write_text(yaml.safe_dump(told), encoding="utf-8")
    out = tmp_path / "run"
    run.run(made, out, until="rasters")
    assert set(np.unique(band(out / "covariates" / "climate_zone.tif"))) <= {1, 4}
    told["maps"]["period"] = [1990, 1999]
    made.write_text(yaml.safe_dump(told), encoding="utf-8")
    run.run(made, out, until="rasters")
    assert set(np.unique(band(out / "covariates" / "climate_zone.tif"))) <= {2, 3}
    step = like["transform"] * like["transform"].scale(2)
    coarse = like | {"transform": step, "height": height.shape[0] // 2, "width": height.shape[1] // 2}
    write(made.parent / "like.tif", height[::2, ::2][: coarse["height"], : coarse["width"]], coarse)
    run.run(made, out, until="rasters")
    assert band(out / "covariates" / "clay_0-20cm.tif").shape == (height.shape[0] // 2, height.shape[1] // 2)


FAULTS = {
    "dem": (lambda told: told["covariates"]["terrain"].update(dem="none.tif"), r"terrain\.dem: found no file '.*none\.tif'; expected"),
    "attribute": (lambda told: told["covariates"]["terrain"].update(attributes=["slop"]), r"attributes\[0\]: found 'slop'; expected"),
    "scenes": (lambda told: told["covariates"]["indices"].update(scenes="none"), r"indices\.scenes: found no file"),
    "index": (lambda told: told["covariates"]["indices"].update(indices=["ndwx"]), r"ndwx"),
    "stations": (lambda told: told["covariates"]["climate"].update(values=["tmin"]), r"no column 'tmin'; expected one of"),
    "slash": (lambda told: told["covariates"]["depth_means"][0].update(name="a/b"), r"depth_means\[0\]\.name: found 'a/b'; expected"),
    "reserved": (
        lambda told: told["covariates"]["layers"].append({"path": "dem.tif", "name": "reason"}),
        r"found a covariate named 'reason'; expected another name",
    ),
    "transform": (lambda told: told["covariates"]["climate"].update(transform={"ppt": "sqrt"}), r"ppt"),
    "months": (lambda told: told["covariates"]["climate"].update(monthly=True), r"found no mat_01 .*expected monthly: false"),
    "means": (lambda told: told["covariates"]["depth_means"][0].update(layers=["0-60"]), r"clay"),
    "zones": (lambda told: told["covariates"]["zones"].update(mat="temp"), r"zones.*'temp'.*expected one of"),
    "twice": (
        lambda told: (told["covariates"]["zones"].update(name="slope"), told["account"].update(by=[])),
        r"zones\.name: found a second covariate named 'slope'",
    ),
    "class for a number": (
        lambda told: told["covariates"]["zones"].update(mat="land_cover"),
        r"zones\.mat: found 'land_cover', which has classes; expected numbers",
    ),
    "radius of nothing": (
        lambda told: told["covariates"]["terrain"].update(attributes=["slope"]),
        r"radius_m: found a radius without tpi; expected",
    ),
    "period twice": (
        lambda told: told["covariates"]["indices"].update(periods=[[1998, 2005], [1998, 2005]]),
        r"periods\[1\]: found \[1998, 2005\] a second time; expected each period once",
    ),
    "band": (lambda told: told["covariates"]["indices"].update(bands=["redd"]), r"redd"),
    "empty period": (lambda told: told["covariates"]["indices"].update(periods=[[1970, 1975]]), r"none of 4 lies in the periods"),
    "sensor": (lambda told: told["covariates"]["indices"].update(coefficients={"foo": "stations.csv"}), r"band|foo"),
    "statistic": (
        lambda told: told["covariates"]["indices"].update(statistic="mode"),
        r"statistic: found 'mode'; expected one of median, mean",
    ),
    "unit of elevations": (
        lambda told: told["covariates"]["climate"].update(elevation_unit="mi"),
        r"elevation_unit: found 'mi'; expected",
    ),
    "nothing": (lambda told: told.update(covariates={"exclude": []}), r"covariates\.layers: found no covariate; expected"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found_before_anything_is_made(made, name):
    change, expected = FAULTS[name]
    told = yaml.safe_load(made.read_text(encoding="utf-8"))
    change(told)
    made.write_text(yaml.safe_dump(told), encoding="utf-8")
    with pytest.raises(EdaphicError, match=expected):
        run.check(made)


def test_what_stands_behind_a_file_is_hashed(made):
    """A legend beside a raster, the inner file of a VRT, the asset of a STAC item: the stage that reads them runs again."""
    folder = made.parent
    (folder / "covariates" / "land_cover_legend.csv").write_text("code,name\n1,cropland\n")
    copy(folder / "dem.tif", folder / "inner.vrt", driver="VRT")
    (folder / "outer.vrt").write_text((folder / "inner.vrt").read_text().replace("dem.tif", "inner.vrt"))
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "dem",
        "properties": {},
        "geometry": None,
        "links": [],
        "assets": {"dem": {"href": "./c0.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}},
    }
    (folder / "item.json").write_text(json.dumps(item))
    told = yaml.safe_load(made.read_text(encoding="utf-8"))
    told["covariates"]["layers"] += [{"path": "outer.vrt"}, {"path": "item.json", "asset": "dem", "name": "asset"}]
    made.write_text(yaml.safe_dump(told), encoding="utf-8")
    names = {path.name for path in inputs_of(recipe.load(made), made, ["covariates"]).stages["covariates"]}
    assert {"land_cover_legend.csv", "outer.vrt", "inner.vrt", "dem.tif", "item.json", "c0.tif"} <= names


def test_an_address_is_no_pattern_and_its_key_no_name():
    layer = recipe.CovariateLayer(path="https://host/dem.tif?token=abc.d")
    assert layer.own_name == "dem"
    assert recipe.CovariateLayer(path="https://host/dem.tif?token=abc.d", name="height").own_name == "height"
