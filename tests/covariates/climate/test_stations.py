"""Station tables: positions, climatologies, gaps, and what a model makes of stations all over the world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edaphic.covariates.climate import How, Period, Stations, Words, evidence, fit_climate, read_stations, value_doubts
from edaphic.covariates.climate.model import places_of
from edaphic.errors import TableError


def write(folder: Path, text: str, name: str = "s.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_one_row_for_each(tmp_path):
    read = read_stations(write(tmp_path, "id,Longitude,LAT,elev,t\na,10,45,100,3.5\nb,11,46,,4\n"), ["t"])
    assert read.ids == ("a", "b") and read.lon.tolist() == [10, 11] and read.names == read.variables == ("t",)
    assert read.values[:, 0].tolist() == [3.5, 4] and np.isnan(read.elevation_m[1]) and read.notes == ()


def test_without_ids_a_place_is_a_station(tmp_path):
    read = read_stations(write(tmp_path, "lon,lat,month,t\n10,45,1,1\n10,45,2,2\n11,45,1,3\n"), ["t"], period=Period(months=(1, 2)))
    assert len(read.ids) == 2 and read.names == ("t_01", "t_02") and read.variables == ("t", "t")
    assert np.array_equal(read.values, [[1, 2], [3, np.nan]], equal_nan=True)


def test_means_of_years_of_days(tmp_path):
    """Days are averaged to a month of a year, and years count alike, whatever their days."""
    rows = ["id,lon,lat,date,t", "a,10,45,2000-07-01,10", "a,10,45,2000-07-02,20", "a,10,45,2001-07-09,30", "a,10,45,2002-7-9,"]
    read = read_stations(write(tmp_path, "\n".join(rows)), ["t"], period=Period(months=(7,)))
    assert read.values.tolist() == [[22.5]] and read.years.tolist() == [[2.0]]
    assert any("several days" in note for note in read.notes) and any("years 2000 to 2002" in note for note in read.notes)
    with pytest.raises(TableError, match="at least 3 years"):
        read_stations(tmp_path / "s.csv", ["t"], period=Period((2000, 2002), 3))


def test_annual_tables(tmp_path):
    read = read_stations(write(tmp_path, "id,lon,lat,year,ppt\na,10,45,2000,400\na,10,45,2001,600\nb,11,45,2000,500\n"), ["ppt"])
    assert read.names == ("ppt",) and read.values[:, 0].tolist() == [500, 500] and read.years[:, 0].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("id,x,y,t\na,1,2,3\n", None, "x and y need --crs"),
        ("id,lon,lat,date,t\na,10,45,soon,3\n", None, "found 'soon'; expected a date"),
        ("id,lon,lat,t\na,,,3\n", None, "no row has a position"),
        ("id,lon,lat,t\na,10,45,3\n", Words(elevation="dem"), "no column 'dem'"),
        ("id,lon,lat,t\na,10,45,3\n", Words(station="name"), "no column 'name'"),
        ("id,lon,lat,t\na,10,45,3\n", Words(lon="east"), "no column 'east'"),
        ("", None, "not a table that can be read"),
    ],
)
def test_refused(tmp_path, text, words, said):
    with pytest.raises(TableError) as caught:
        read_stations(write(tmp_path, text), ["t"], words)
    assert any(said in fault for fault in caught.value.faults), caught.value.faults


def test_every_fault_at_once(tmp_path):
    with pytest.raises(TableError) as caught:
        read_stations(write(tmp_path, "id,lon,lat,t,u\na,10,145,x,y\n"), ["t", "u", "v"])
    assert len(caught.value.faults) == 4


def test_sites_twice(tmp_path):
    values = write(tmp_path, "id,t\na,1\n")
    with pytest.raises(TableError, match="a more than once"):
        read_stations(values, ["t"], sites=write(tmp_path, "id,lon,lat\na,1,2\na,1,3\n", "p.csv"))
    with pytest.raises(TableError, match="none of its stations"):
        read_stations(values, ["t"], sites=write(tmp_path, "id,lon,lat\nb,1,2\n", "p.csv"))
    with pytest.raises(TableError, match="no column of station ids"):
        read_stations(values, ["t"], sites=write(tmp_path, "lon,lat\n1,2\n", "p.csv"))


def test_a_number_like_a_sentinel_that_is_none(tmp_path):
    """999.9 hPa among others like it is a pressure."""
    rows = "\n".join(f"s{k},{10 + k},45,{995 + k}.9" for k in range(9))
    read = read_stations(write(tmp_path, f"id,lon,lat,pressure\n{rows}\n"), ["pressure"])
    assert read.values[4, 0] == 999.9 and read.notes == ()


@pytest.mark.parametrize(
    ("sign", "others"), [("-99.9", (-30, 40)), ("-9999", (0, 3)), ("-99.9", (0, 900)), ("9999", (0, 900)), ("1e20", (5, 9))]
)
def test_signs_of_no_value(tmp_path, sign, others):
    rows = "\n".join(f"s{k},{10 + k},45,{others[k % 2]}" for k in range(9))
    read = read_stations(write(tmp_path, f"id,lon,lat,t\n{rows}\nz,9,45,{sign}\n"), ["t"])
    assert len(read.ids) == 9 and any("taken for missing" in note for note in read.notes)


def test_a_longitude_like_a_sentinel(tmp_path):
    read = read_stations(write(tmp_path, "id,lon,lat,t\na,-101,40,1\nb,-100.5,40,1\nc,-99.9,40,1\n"), ["t"])
    assert read.lon.tolist() == [-101, -100.5, -99.9]


def world(n: int = 150) -> Stations:
    rng = np.random.default_rng(3)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)
    metres = rng.uniform(0, 3000, n)
    values = 28 - 40 * np.sin(np.radians(lat)) ** 2 - 0.006 * metres + rng.standard_normal(n)
    return Stations(tuple(map(str, range(n))), lon, lat, metres, ("t",), ("t",), values[:, None], np.ones((n, 1)))


def test_the_world_is_a_sphere():
    stations = world()
    assert places_of(stations, How()).metric == "sphere" and places_of(stations, How(elevation="spline")).metric == "km"
    model = fit_climate(stations)
    assert model.splines.slopes[0, 0] == pytest.approx(-6, abs=0.5)
    assert model.predict([180.0], [10.0], [0.0]) == pytest.approx(model.predict([-180.0], [10.0], [0.0]), abs=1e-9)
    assert np.ptp(model.predict([0.0, 77.0], [90.0, 90.0], [0.0, 0.0])) < 1e-9
    table, _ = evidence(model, 5)
    assert table["random_spline_rmse"].iloc[0] < 2 < table["random_nearest_rmse"].iloc[0]
    with pytest.raises(TableError, match="expected elevation linear or none"):
        fit_climate(stations, How(elevation="spline", metric="sphere"))


def test_weights_are_the_years():
    stations = world(60)
    years = np.where(np.arange(60) % 2 == 0, 30.0, 3.0)[:, None]
    weighted = fit_climate(replace(stations, years=years), How(weighted=True))
    plain = fit_climate(stations)
    errors = [np.abs(model.fitted - stations.values)[:, 0] for model in (weighted, plain)]
    assert errors[0][::2].mean() < errors[1][::2].mean()


def test_doubts_stay_silent_on_good_tables():
    assert value_doubts(world()) == []


def test_shared_tables_are_read(shared):
    """Colorado: 376 stations, positions in a table of their own; July of 1961 to 1990 has 196 with 20 years and more (TPS oracle)."""
    folder = shared / "data" / "colorado_climate"
    read = read_stations(folder / "monthly.csv.gz", ["tmax"], period=Period((1961, 1990), 20, (7,)), sites=folder / "stations.csv")
    oracle = pd.read_csv(shared / "oracles" / "tps" / "tmax_jul_stations.csv")
    # The oracle keeps one station of each place.
    assert len(oracle) == 196 and 196 <= len(read.ids) <= 200
    near = {(round(x, 4), round(y, 4)): v for x, y, v in zip(read.lon, read.lat, read.values[:, 0], strict=True)}
    apart = [near.get((round(x, 4), round(y, 4)), np.nan) - v for x, y, v in oracle[["lon", "lat", "value"]].to_numpy()]
    assert np.isfinite(apart).sum() > 190 and np.nanmax(np.abs(apart)) < 1e-4


def test_months_of_columns_and_options_without_their_columns(tmp_path):
    head = ",".join(f"t_{k:02d}" for k in range(1, 13))
    wide = write(tmp_path, f"id,lon,lat,{head}\na,10,45,{','.join(map(str, range(12)))}\n")
    read = read_stations(wide, ["t"], period=Period(months=(6, 7, 8)))
    assert read.names == ("t_06", "t_07", "t_08") and read.values.tolist() == [[5, 6, 7]]
    with pytest.raises(TableError, match="no column of months; expected one for --months"):
        read_stations(wide, ["t_01"], period=Period(months=(6,)))
    with pytest.raises(TableError, match="no column of years; expected one for --min-years 20"):
        read_stations(wide, ["t_01"], period=Period(min_years=20))


def test_rows_without_a_year_are_said(tmp_path):
    rows = ["id,lon,lat,year,t", "a,10,45,2000,1", "a,10,45,,9", "b,11,45,2000,2", "c,12,45,,3", "d,13,45,,4"]
    read = read_stations(write(tmp_path, "\n".join(rows)), ["t"])
    assert read.ids == ("a", "b") and read.values[:, 0].tolist() == [1, 2]
    assert "3 rows without a year left out (first: row 3); 2 stations (c, d) have no other row" in read.notes
    assert not any("no value of any field" in note for note in read.notes)
    with pytest.raises(TableError, match="none of 1 rows has a year"):
        read_stations(write(tmp_path, "id,lon,lat,year,t\na,10,45,,1\n"), ["t"])


def test_elevations_of_one_station(tmp_path):
    rows = "id,lon,lat,elev,t\na,10,45,100,1\na,10.01,45,{},3\nb,11,45,5,2\nb,11,45,,2\n"
    read = read_stations(write(tmp_path, rows.format(140)), ["t"])
    assert read.elevation_m.tolist() == [100, 5]
    assert "elevations of 1 stations (a) differ by up to 40 m between rows: the first was taken" in read.notes
    assert "positions of 1 stations (a) differ by up to 0.01 degrees between rows: the first was taken" in read.notes
    with pytest.raises(TableError, match=r"more than one elevation of station a \(100 and 1000 m\)"):
        read_stations(write(tmp_path, rows.format(1000)), ["t"])
