"""``edaphic climate``: grids by hand, tables of all shapes, and calls that are refused or answered with a note."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
from affine import Affine

N = 60
CALL = ("climate", "s.csv", "--value", "t", "--dem", "dem.tif", "-o", "out.tif")


def table(n: int = N, noise: float = 0.0) -> pd.DataFrame:
    """Stations of 15 degrees at the sea, 6.5 less for each km."""
    rng = np.random.default_rng(4)
    lon, lat = rng.uniform(20.1, 21.4, n).round(5), rng.uniform(41.1, 42.2, n).round(5)
    metres = (400 + 500 * (lon - 20) + 700 * np.abs(np.sin(9 * lat))).round(2)
    return pd.DataFrame(
        {
            "station_id": [f"s{k:02d}" for k in range(n)],
            "lon": lon,
            "lat": lat,
            "elevation_m": metres,
            "t": 15 - 0.0065 * metres + noise * rng.standard_normal(n),
        }
    )


def write_dem(path: str = "dem.tif", factor: float = 1.0, crs: str = "EPSG:4326", **options: object) -> np.ndarray:
    cell = 0.02
    lat, lon = np.meshgrid(42.3 - cell * (np.arange(70) + 0.5), 20 + cell * (np.arange(80) + 0.5), indexing="ij")
    metres = (400 + 500 * (lon - 20) + 700 * np.abs(np.sin(9 * lat))).astype(np.float32)
    metres[:3, :3] = np.nan
    transform = Affine(cell, 0, 20, 0, -cell, 42.3)
    with rasterio.open(
        path, "w", driver="GTiff", width=80, height=70, count=1, dtype="float32", crs=crs, transform=transform, **options
    ) as file:
        file.write(metres * np.float32(factor), 1)
    return metres


@pytest.fixture
def command(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    table().to_csv("s.csv", index=False)
    write_dem()
    return command


def read(path: str) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


def long_table() -> pd.DataFrame:
    """Two years of twelve months: 10 + month + 0.5 (year - 2000) - 6.5 for each km."""
    one = table(40)
    rows = one.loc[one.index.repeat(24)].drop(columns="t").reset_index(drop=True)
    rows["year"] = np.tile(np.repeat([2000, 2001], 12), 40)
    rows["month"] = np.tile(np.arange(1, 13), 80)
    rows["t"] = 10 + rows["month"] + 0.5 * (rows["year"] - 2000) - 0.0065 * rows["elevation_m"]
    return rows


def test_by_hand(command):
    status, screen, _ = command(*CALL, "--se", "--unit", "degC")
    assert status == 0
    dem = write_dem("again.tif")
    assert read("out.tif") == pytest.approx(15 - 0.0065 * dem, abs=1e-4, nan_ok=True)
    assert np.isnan(read("out.tif")[0, 0]) and np.nanmax(read("out_se.tif")) < 1e-3
    with rasterio.open("out.tif") as file:
        assert file.units == ("degC",) and file.tags()["METHOD"] == "thin-plate smoothing spline"
    evidence = pd.read_csv("out.evidence.csv")
    assert evidence["lapse_per_km"].iloc[0] == pytest.approx(-6.5) and evidence["random_spline_rmse"].iloc[0] < 1e-6
    assert len(pd.read_csv("out.stations.csv")) == N
    assert "60 stations, 4.0 df" in screen and "lie outside the hull" in screen
    assert not list(Path().glob(".*"))


def test_same_files_again(command):
    table(noise=0.4).to_csv("s.csv", index=False)
    assert command(*CALL)[0] == 0
    first = [Path(name).read_bytes() for name in ("out.tif", "out.evidence.csv", "out.stations.csv")]
    assert command(*CALL, "--memory", "4GB")[0] == 0
    assert first == [Path(name).read_bytes() for name in ("out.tif", "out.evidence.csv", "out.stations.csv")]


def test_long_table_becomes_a_climatology(command):
    rows = long_table()
    rows.loc[(rows.station_id == "s03") & (rows.year == 2001), "t"] = np.nan
    rows.to_csv("s.csv", index=False)
    out = ("climate", "s.csv", "--value", "t", "--dem", "dem.tif", "-o", "maps", "--withhold", "0")
    status, screen, _ = command(*out, "--years", "2000-2001")
    assert status == 0 and "at least 2 for each value" in screen
    dem = write_dem("again.tif")
    assert sorted(path.name for path in Path("maps").iterdir()) == [f"t_{k:02d}.tif" for k in range(1, 13)]
    assert read("maps/t_07.tif") == pytest.approx(17.25 - 0.0065 * dem, abs=1e-4, nan_ok=True)
    evidence = pd.read_csv("maps.evidence.csv")
    assert evidence["n"].tolist() == [39] * 12  # s03 has one year of the two
    status, _, _ = command(*out[:-3], "july", "--years", "2000", "--months", "7", "--withhold", "0")
    assert status == 0 and read("july/t_07.tif") == pytest.approx(17 - 0.0065 * dem, abs=1e-4, nan_ok=True)


def test_monthly_columns_by_one_name(command):
    wide = table().drop(columns="t")
    for k, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")):
        wide[f"Tmax_{name}"] = k - 0.005 * wide["elevation_m"]
    wide.to_csv("s.csv", index=False)
    assert command("climate", "s.csv", "--value", "tmax", "--dem", "dem.tif", "-o", "maps", "--withhold", "0")[0] == 0
    assert read("maps/tmax_12.tif") == pytest.approx(11 - 0.005 * write_dem("again.tif"), abs=1e-4, nan_ok=True)


def test_sites_in_a_table_of_their_own(command):
    rows = long_table()
    rows[["station_id", "year", "month", "t"]].rename(columns={"station_id": "ID"}).to_csv("v.csv", index=False)
    table(39)[["station_id", "lon", "lat", "elevation_m"]].to_csv("places.csv", index=False)
    status, screen, _ = command(
        "climate", "v.csv", "--value", "t", "--sites", "places.csv", "--dem", "dem.tif", "-o", "j.tif", "--months", "1", "--withhold", 0
    )
    assert status == 0 and "1 stations are not in places.csv" in screen


@pytest.mark.parametrize("form", ["semicolon", "parquet", "gz", "projected", "geopackage"])
def test_forms_of_tables(command, form):
    one, extra, name = table(), [], "s.csv"
    if form == "semicolon":
        one.to_csv(name, index=False, sep=";")
    elif form == "parquet":
        one.to_parquet(name := "s.parquet")
    elif form == "gz":
        one.to_csv(name := "s.csv.gz", index=False)
    elif form == "geopackage":
        as_points(one).to_file(name := "s.gpkg")
    else:
        points = as_points(one).to_crs("EPSG:32634").geometry
        one.assign(x=points.x, y=points.y).drop(columns=["lon", "lat"]).to_csv(name, index=False)
        extra = ["--crs", "EPSG:32634"]
    assert command("climate", name, *CALL[2:], *extra)[0] == 0
    assert read("out.tif") == pytest.approx(15 - 0.0065 * write_dem("again.tif"), abs=1e-4, nan_ok=True)


def as_points(one: pd.DataFrame):
    return geopandas.GeoDataFrame(one.drop(columns=["lon", "lat"]), geometry=geopandas.points_from_xy(one.lon, one.lat), crs="EPSG:4326")


def swapped(one):
    return one.rename(columns={"lon": "lat", "lat": "lon"})


def cell(column, row, value):
    def change(one):
        one = one.astype({column: object})
        one.loc[row, column] = value
        return one

    return change


def on_a_line(one):
    return one.assign(lat=41.0 + 0.5 * (one.lon - 20))


def pairs(one):
    one.loc[:4, ["lon", "lat"]] = one.loc[5:9, ["lon", "lat"]].to_numpy()
    return one


REFUSED = {
    "no such value": (None, ["--value", "rain"], "no column 'rain'"),
    "no positions": (lambda one: one.drop(columns="lon"), [], "expected the position"),
    "swapped": (swapped, [], "lon and lat swapped?"),
    "metres taken for degrees": (lambda one: one.assign(lon=one.lon * 1e4, lat=one.lat * 1e5), [], "by --crs"),
    "latitude beyond the pole": (lambda one: one.assign(lat=one.lat + 60), [], "-90 to 90"),
    "text": (cell("t", 4, "warm"), [], "row 6, t: found 'warm'"),
    "decimal commas": (cell("t", 4, "12,5"), [], "with a point"),
    "text in elevations": (cell("elevation_m", 0, "high"), [], "found 'high'"),
    "elevation missing": (cell("elevation_m", 3, None), [], "1 of 60 without elevation (s03)"),
    "no elevations": (lambda one: one.drop(columns="elevation_m"), [], "--elevation-from-dem"),
    "in feet": (lambda one: one.assign(elevation_m=one.elevation_m / 0.3048), [], "in feet"),
    "too high": (cell("elevation_m", 3, 12000), [], "row 5, elevation_m: 12000 m"),
    "a single station": (lambda one: one.head(1), [], "1 stations have a value; expected at least 6"),
    "too few": (lambda one: one.head(5), [], "5 stations have a value"),
    "on one line": (on_a_line, ["--elevation", "none"], "lie on one line"),
    "at one place": (lambda one: one.assign(lon=20.5, lat=41.5), [], "lie on one line or at one place"),
    "same elevation": (lambda one: one.assign(elevation_m=500.0), [], "elevation is the same"),
    "elevation a plane": (lambda one: one.assign(elevation_m=500 * one.lon - 200 * one.lat), [], "linear function of their position"),
    "id at two places": (cell("station_id", 3, "s04"), [], "station s04 at more than one position"),
    "no values at all": (lambda one: one.assign(t=np.nan), [], "no value of t that can be used"),
    "below zero and sqrt": (lambda one: one.assign(t=one.t - 20), ["--transform", "sqrt"], "expected no value below 0"),
    "zero and log": (lambda one: one.assign(t=np.maximum(one.t - 12, 0)), ["--transform", "log"], "sqrt allows 0"),
    "elsewhere": (lambda one: one.assign(lon=one.lon + 60), [], "none of 60 lies on the DEM"),
    "no rows": (lambda one: one.head(0), [], "no rows"),
    "years without a column": (None, ["--years", "1961-1990"], "no column of years"),
    "years that nobody has": (lambda one: one.assign(year=2000), ["--years", "1961-1990"], "no row of the years"),
    "month 13": (lambda one: one.assign(month=13), [], "expected 1 to 12"),
    "unknown transform": (None, ["--transform", "cube"], "--transform: found 'cube'"),
    "transform of nobody": (None, ["--transform", "rain=sqrt"], "transform of rain"),
    "smoothing": (None, ["--smoothing", "much"], "--smoothing"),
    "too much freedom": (None, ["--smoothing", "80"], "80 degrees of freedom"),
    "order": (None, ["--order", "5"], "order 5"),
    "sphere with a third dimension": (None, ["--coordinates", "sphere", "--elevation", "spline"], "coordinates sphere"),
    "elevation word": (None, ["--elevation", "cubic"], "--elevation: found 'cubic'"),
    "memory": (None, ["--memory", "1MB"], "--memory"),
    "memory word": (None, ["--memory", "lots"], "--memory: found 'lots'"),
    "years word": (None, ["--years", "1990-1961"], "--years"),
    "months word": (None, ["--months", "0,3"], "--months"),
    "withhold": (None, ["--withhold", "1"], "--withhold 1"),
    "crs": (None, ["--crs", "EPSG:1"], "--crs EPSG:1: unknown"),
    "compress": (None, ["--compress", "zip"], "--compress"),
    "unit": (None, ["--elevation-unit", "yards"], "--elevation-unit"),
    "no such table": (None, ["--sites", "nowhere.csv"], "nowhere.csv: no such file"),
    "no such DEM": (None, ["--dem", "nowhere.tif"], "nowhere.tif: no such file"),
    "degrees of freedom and shared places": (pairs, ["--smoothing", "57", "--elevation", "none"], "below 55"),
    "months of a plain table": (None, ["--months", "6-8"], "no column of months"),
    "years of a plain table": (None, ["--min-years", "20"], "no column of years"),
    "weights without years": (None, ["--weights"], "expected a column of years for --weights"),
    "elevation scale without use": (None, ["--elevation-scale", "5"], "expected elevation spline beside it"),
    "precipitation without bioclim": (None, ["--precipitation-unit", "cm"], "--precipitation-unit cm"),
    "two elevations": (lambda one: pd.concat([one, one.head(2).assign(elevation_m=one.elevation_m + 900)]), [], "elevation of station s00"),
    "none among the stations": (lambda one: one.assign(elevation_m=one.elevation_m + 2500), ["--mask"], "expected some, or no --mask"),
    "two fields, one file": (lambda one: one.assign(u=1.0), ["--value", "u"], "expected a folder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(command, case):
    change, extra, said = REFUSED[case]
    if change is not None:
        change(table()).to_csv("s.csv", index=False)
    before = sorted(path.name for path in Path().iterdir())
    words = list(CALL)
    if extra[:1] == ["--dem"]:
        words[words.index("--dem") + 1] = extra[1]
        extra = []
    if case == "no such value":
        words[words.index("--value") + 1], extra = "rain", []
    status, _, screen = command(*words, *extra)
    faults = [line for line in screen.splitlines() if line.startswith("edaphic: ")]
    assert status == 2, screen
    assert any(said in line for line in faults) and len(faults) <= 2, screen
    assert "Traceback" not in screen
    assert sorted(path.name for path in Path().iterdir()) == before


def with_sentinels(one):
    one.loc[[2, 9], "t"] = -9999.0
    return one


def doubled(one):
    return pd.concat([one, one.head(5)])


def shared(one):
    one.loc[1, ["lon", "lat", "elevation_m"]] = one.loc[0, ["lon", "lat", "elevation_m"]]
    one.loc[1, "t"] = one.loc[0, "t"]
    return one


NOTED = {
    "sentinels": (with_sentinels, [], "2 values of -9999 taken for missing", 58),
    "infinite": (cell("t", 7, np.inf), [], "1 infinite, set missing (first in row 9)", 59),
    "values missing": (cell("t", 7, None), [], "1 of 60 stations have no value", 59),
    "elevations from the DEM": (cell("elevation_m", 3, None), ["--elevation-from-dem"], "elevation of 1 stations taken", 60),
    "no position": (cell("lon", 3, None), [], "1 rows without a position", 59),
    "rows twice": (doubled, [], "several rows of one station were averaged", 60),
    "shared position": (shared, [], "2 stations share their position", 60),
    "feet by name": (
        lambda one: one.assign(elev_ft=one.elevation_m / 0.3048).drop(columns="elevation_m"),
        [],
        "taken for elevation in feet",
        60,
    ),
    "feet as told": (lambda one: one.assign(elevation_m=one.elevation_m / 0.3048), ["--elevation-unit", "ft"], "", 60),
    "outside the DEM": (
        lambda one: pd.concat([one, pd.DataFrame([{"station_id": "z", "lon": 25.0, "lat": 41.0, "elevation_m": 100.0, "t": 14.35}])]),
        [],
        "1 of 61 stations lie outside the DEM",
        61,
    ),
    "kelvin": (lambda one: one.assign(t=one.t + 273.15), [], "kelvin?", 60),
    "tenths": (lambda one: one.assign(t=one.t * 10 + 60), [], "tenths of a degree?", 60),
    "fahrenheit": (lambda one: one.assign(t=one.t * 1.8 + 50), [], "degrees Fahrenheit?", 60),
    "few": (lambda one: one.head(12), [], "only 12 stations have a value", 12),
}


@pytest.mark.parametrize("case", NOTED)
def test_noted(command, case):
    """The right answer, and a line that says what was done or looks wrong."""
    change, extra, said, stations = NOTED[case]
    change(table()).to_csv("s.csv", index=False)
    status, screen, error = command(*CALL, *extra)
    assert status == 0, error
    assert said in screen and (not said or f"  note: {next(line for line in screen.splitlines() if said in line)[12:]}" in error)
    assert pd.read_csv("out.evidence.csv")["n"].tolist() == [stations]
    wanted = 15 - 0.0065 * write_dem("again.tif")
    scale = {"kelvin": (1, 273.15), "tenths": (10, 60), "fahrenheit": (1.8, 50)}.get(case, (1, 0))
    # A station that takes the elevation of its cell is up to a cell's relief off.
    near = 0.05 if case == "elevations from the DEM" else 5e-3
    assert read("out.tif") == pytest.approx(scale[0] * wanted + scale[1], abs=near, nan_ok=True)


def test_station_far_from_its_elevation(command):
    one = table(noise=0.2)
    one.loc[5, "elevation_m"] += 500
    one.to_csv("s.csv", index=False)
    status, screen, _ = command(*CALL)
    assert status == 0 and "more than 300 m from the DEM's at s05" in screen


def test_dem_in_feet(command):
    write_dem("dem.tif", factor=1 / 0.3048)
    status, _, error = command(*CALL)
    assert status == 2 and "the DEM is in feet" in error
    assert command(*CALL, "--dem-unit", "ft")[0] == 0
    assert read("out.tif") == pytest.approx(15 - 0.0065 * write_dem("again.tif"), abs=1e-3, nan_ok=True)
    with rasterio.open("dem.tif", "r+") as file:
        file.units = ("ft",)
    write_dem("dem.tif", factor=1 / 0.3048)
    with rasterio.open("dem.tif", "r+") as file:
        file.units = ("ft",)
    status, screen, _ = command(*CALL)
    assert status == 0 and "brought to m" in screen


def test_dem_with_untagged_sentinel(command):
    write_dem()
    with rasterio.open("dem.tif", "r+") as file:
        values = file.read(1)
        values[:3, :3] = -9999
        file.write(values, 1)
    status, screen, _ = command(*CALL)
    assert status == 0 and "9 cells of the grid lie on cells of the DEM" in screen and np.isnan(read("out.tif")[:3, :3]).all()


def test_longitudes_from_0_to_360(command):
    """East of Greenwich nothing changes; west of it 338.6 is -21.4, and the map is the same."""
    one = table().assign(lon=lambda one: (one.lon - 42).round(5))
    one.to_csv("s.csv", index=False)
    one.assign(lon=one.lon + 360).to_csv("t.csv", index=False)
    write_dem()
    with rasterio.open("dem.tif", "r+") as file:
        file.transform = Affine(0.02, 0, -22, 0, -0.02, 42.3)
    assert command(*CALL)[0] == 0
    first = read("out.tif")
    status, screen, _ = command("climate", "t.csv", *CALL[2:])
    assert status == 0 and "longitudes above 180 (60 rows) brought to -180 to 180" in screen
    assert np.array_equal(read("out.tif"), first, equal_nan=True) and np.isfinite(first).sum() > 5000


def test_untagged_sentinel_on_another_grid(command):
    """A cell of -9999 is left out before the DEM is averaged; it does not pull the cells around it down."""
    cell = {"driver": "GTiff", "width": 27, "height": 23, "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
    for size in (0.06, 0.015):  # averaged, and interpolated
        with rasterio.open("grid.tif", "w", transform=Affine(size, 0, 20.1, 0, -size, 42.2), **cell) as file:
            file.write(np.ones((1, 23, 27), dtype="uint8"))
        write_dem()
        assert command(*CALL, "--like", "grid.tif")[0] == 0
        plain = read("out.tif")
        with rasterio.open("dem.tif", "r+") as file:
            values = file.read(1)
            values[10, 10] = values[30, 8] = -9999
            file.write(values, 1)
        status, screen, _ = command(*CALL, "--like", "grid.tif")
        assert status == 0 and "of the DEM below -500 or above 9,000 m: taken for no value" in screen
        apart = np.abs(read("out.tif") - plain)
        assert 0 < np.nanmax(apart) < 1.5


@pytest.mark.parametrize(("unit", "metres"), [("cm", 0.01), ("km", 1000.0), ("dm", 0.1), ("US survey foot", 1200 / 3937), ("Metre", 1.0)])
def test_unit_tags_of_the_dem(command, unit, metres):
    write_dem("dem.tif", factor=1 / metres)
    with rasterio.open("dem.tif", "r+") as file:
        file.units = (unit,)
    status, screen, _ = command(*CALL)
    assert status == 0 and ("by its unit tag, brought to m" in screen) == (metres != 1)
    assert read("out.tif") == pytest.approx(15 - 0.0065 * write_dem("again.tif"), abs=1e-3, nan_ok=True)


def test_units_that_are_not_known_or_wrong(command):
    """No empty map: an unknown tag is a fault, and so is a DEM none of whose cells is ground."""
    with rasterio.open("dem.tif", "r+") as file:
        file.units = ("furlong",)
    status, _, error = command(*CALL)
    assert status == 2 and "in 'furlong' by its unit tag; expected m, ft" in error
    write_dem("dem.tif", factor=100)
    status, _, error = command(*CALL)
    assert status == 2 and "no cell of the grid has an elevation of -500 to 9,000 m" in error and not Path("out.tif").exists()


def test_many_degrees_of_freedom(command):
    """Of 30 stations 28 are fitted; the 27 left by each part cannot have them, which is said."""
    table(30, noise=0.3).to_csv("s.csv", index=False)
    status, screen, error = command(*CALL, "--smoothing", "28")
    assert status == 0, error
    assert "28.0 df" in screen and "t: up to 30 stations withheld have no prediction" in screen
    assert pd.read_csv("out.evidence.csv")["random_spline_rmse"].isna().all()


def test_months_of_a_wide_table(command):
    one = table()
    one.assign(**{f"t_{k:02d}": one.t + k for k in range(1, 13)}).drop(columns="t").to_csv("s.csv", index=False)
    assert command(*CALL[:-1], "maps", "--months", "6-8")[0] == 0
    assert sorted(path.name for path in Path("maps").iterdir()) == ["t_06.tif", "t_07.tif", "t_08.tif"]


@pytest.mark.parametrize("out", [".", "../here"])
def test_into_this_folder(command, monkeypatch, tmp_path, out):
    """The tables stand beside the folder, under its name."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert command("climate", "../s.csv", "--value", "t", "--dem", "../dem.tif", "--withhold", "0", "-o", out)[0] == 0
    assert [path.name for path in Path().iterdir()] == ["t.tif"]
    assert {"here.evidence.csv", "here.stations.csv"} < {path.name for path in tmp_path.iterdir()}


def test_rain_below_zero_is_said_and_mended(command):
    one = table()
    one["ppt"] = np.maximum(0, 30 * (one.lon - 20.6)) + 0.01 * np.arange(N) % 0.05
    one.to_csv("s.csv", index=False)
    call = ("climate", "s.csv", "--value", "ppt", "--dem", "dem.tif", "-o", "out.tif")
    status, screen, _ = command(*call)
    assert status == 0 and "cells below 0 though no station is: --transform ppt=sqrt" in screen and np.nanmin(read("out.tif")) < 0
    status, screen, _ = command(*call, "--transform", "ppt=sqrt")
    assert status == 0 and "below 0" not in screen and np.nanmin(read("out.tif")) >= 0


def test_on_another_grid(command):
    cell = {"driver": "GTiff", "width": 40, "height": 50, "count": 1, "dtype": "uint8", "crs": "EPSG:32634"}
    with rasterio.open("grid.tif", "w", transform=Affine(1500, 0, 470_000, 0, -1500, 4_650_000), **cell) as file:
        file.write(np.ones((1, 50, 40), dtype="uint8"))
    assert command(*CALL, "--like", "grid.tif")[0] == 0
    with rasterio.open("out.tif") as file:
        assert file.crs.to_epsg() == 32634 and file.shape == (50, 40)
        east, north = file.xy(25, 20)
        value = file.read(1)[25, 20]
    lon, lat = pyproj.Transformer.from_crs(32634, 4326, always_xy=True).transform(east, north)
    assert value == pytest.approx(15 - 0.0065 * (400 + 500 * (lon - 20) + 700 * abs(np.sin(9 * lat))), abs=0.1)


def months_table() -> pd.DataFrame:
    rows = long_table()[lambda one: one.year == 2000].drop(columns=["year", "t"])
    rows["tmin"] = 1.0 * rows["month"] - 0.006 * rows["elevation_m"]
    return rows.assign(tmax=rows["tmin"] + 10, ppt=rows["month"] / 10)


def test_bioclim_by_hand(command):
    """Minimum m, maximum m + 10, precipitation m mm in month m: mean 11.5, 78 mm, warmest quarter the last."""
    months_table().to_csv("s.csv", index=False)
    call = ("climate", "s.csv", "--value", "tmin", "--value", "tmax", "--value", "ppt", "--dem", "dem.tif", "-o", "bio", "--withhold", "0")
    assert command(*call, "--bioclim", "--precipitation-unit", "cm")[0] == 0
    dem = write_dem("again.tif")
    assert len(list(Path("bio").glob("bio*.tif"))) == 19 and len(list(Path("bio").glob("*.tif"))) == 55
    assert read("bio/bio1.tif") == pytest.approx(11.5 - 0.006 * dem, abs=1e-4, nan_ok=True)
    assert np.nanmax(np.abs(read("bio/bio2.tif") - 10)) < 1e-4 and np.nanmax(np.abs(read("bio/bio12.tif") - 78)) < 1e-3
    assert np.nanmax(np.abs(read("bio/bio16.tif") - 33)) < 1e-3
    with rasterio.open("bio/bio12.tif") as file:
        assert file.units == ("mm",)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ([], "no precipitation; expected a --value named ppt"),
        (["--value", "ppt", "--months", "1,2"], "has 2 fields; expected its twelve months"),
        (["--value", "ppt", "--precipitation-unit", "yards"], "--precipitation-unit"),
    ],
)
def test_bioclim_refused(command, extra, said):
    months_table().to_csv("s.csv", index=False)
    status, _, error = command(
        "climate", "s.csv", "--value", "tmin", "--value", "tmax", "--dem", "dem.tif", "-o", "bio", "--bioclim", *extra
    )
    assert status == 2 and said in error and not Path("bio").exists()


def test_bioclim_where_surfaces_cross(command):
    """Minimum above maximum, as splines of their own can be, gives no value of temperature and a note."""
    rows = months_table()
    rows["tmax"] = rows["tmin"] + 0.01 * (rows["elevation_m"] - rows["elevation_m"].min())
    rows["ppt"] = rows["ppt"] - 0.5
    rows.to_csv("s.csv", index=False)
    call = ("climate", "s.csv", "--value", "tmin", "--value", "tmax", "--value", "ppt", "--dem", "dem.tif", "-o", "bio", "--withhold", "0")
    status, screen, error = command(*call, "--bioclim")
    assert status == 0, error
    assert "where a minimum temperature is above its maximum" in screen and "precipitation below 0 taken as 0" in screen


def test_other_files_stay(command):
    Path("maps").mkdir()
    Path("maps/mine.txt").write_text("mine")
    one = table().assign(u=1.0)
    one.to_csv("s.csv", index=False)
    assert command("climate", "s.csv", "--value", "t", "--value", "u", "--dem", "dem.tif", "-o", "maps")[0] == 0
    assert sorted(path.name for path in Path("maps").iterdir()) == ["mine.txt", "t.tif", "u.tif"]
    assert np.nanmax(np.abs(read("maps/u.tif") - 1)) == 0


OPTIONS = (
    "--elevation spline",
    "--elevation none",
    "--order 3",
    "--coordinates sphere",
    "--coordinates degrees",
    "--smoothing reml",
    "--smoothing 20",
    "--mask",
    "--compress none",
)


@pytest.mark.parametrize("options", OPTIONS)
def test_options_make_a_map(command, options):
    """A map near the truth, other than without the option where it is meant to be, and the choice in the evidence."""
    one = table(noise=0.3)
    one["t"] += np.sin(4 * one.lon) * np.cos(5 * one.lat)
    one.to_csv("s.csv", index=False)
    assert command(*CALL, "--withhold", "3")[0] == 0
    plain, before = read("out.tif"), pd.read_csv("out.evidence.csv").iloc[0]
    status, _, error = command(*CALL, *options.split(), "--withhold", "3")
    assert status == 0, error
    found, after = read("out.tif"), pd.read_csv("out.evidence.csv").iloc[0]
    apart = found - (15 - 0.0065 * write_dem("again.tif"))
    assert np.isfinite(apart).sum() > 1000 and np.nanmedian(np.abs(apart)) < (3 if options == "--elevation none" else 1)
    column, _, word = options[2:].partition(" ")
    if column in before:
        assert str(after[column]) == {"20": "fixed"}.get(word, word) != str(before[column])
        assert np.nanmax(np.abs(found - plain)) > 1e-3 and after["loo_rmse"] != before["loo_rmse"]
    if column == "mask":
        left = np.isfinite(found)
        assert left.sum() < np.isfinite(plain).sum() and np.array_equal(found[left], plain[left])
    if column == "compress":
        with rasterio.open("out.tif") as file:
            assert file.compression is None and np.array_equal(found, plain, equal_nan=True)


def test_help_has_an_example(command):
    status, screen, _ = command("climate", "--help")
    assert status == 0 and "Example: edaphic climate" in screen


@pytest.mark.parametrize("out", ["dem.tif", "made"])
def test_what_is_read_is_not_written_over(out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = np.add.outer(np.arange(30) * 10.0, np.arange(40) * 5.0).astype("float32")
    Path("made").mkdir()
    dem = Path("dem.tif" if out == "dem.tif" else "made/t.tif")
    how = {"driver": "GTiff", "width": 40, "height": 30, "count": 1, "dtype": "float32", "crs": "EPSG:4326", "nodata": -1}
    with rasterio.open(dem, "w", transform=rasterio.Affine(0.1, 0, 10, 0, -0.1, 48), **how) as file:
        file.write(values, 1)
    random = np.random.default_rng(3)
    row, col = random.integers(0, 30, 40), random.integers(0, 40, 40)
    height = values[row, col]
    table = pd.DataFrame({"lon": 10.05 + 0.1 * col, "lat": 47.95 - 0.1 * row, "elevation_m": height, "t": 15 - height / 150})
    table.drop_duplicates(["lon", "lat"]).to_csv("stations.csv", index=False)
    before = dem.read_bytes()
    told = ["-m", "edaphic", "climate", "stations.csv", "--value", "t", "--dem", str(dem), "-o", out]
    done = subprocess.run([sys.executable, *told], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert f"found {dem.name}, which is read" in done.stderr
    assert dem.read_bytes() == before
