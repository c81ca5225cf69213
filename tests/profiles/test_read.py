"""Source tables into the horizon table: joins, units, dates, coordinates, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest

from edaphic.errors import TableError, UnitError
from edaphic.profiles import Column, check_source, clean, read_source, stack_sources
from edaphic.profiles.clean import COLUMNS, LOG_COLUMNS

DEPTHS = {"top": Column("from", unit="cm"), "bottom": Column("to", unit="cm")}
ONE_TABLE = {
    "profile_id": Column("id"),
    "lon": Column("x"),
    "lat": Column("y"),
    **DEPTHS,
    "soc": Column("oc", unit="%"),
}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def horizons(tmp_path: Path) -> Path:
    return write(tmp_path / "horizons.csv", "id,from,to,oc\n1,0,20,2\n1,20,50,1\n2,0,30,3\n4,0,10,1\n")


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    text = "id,x,y,date\n1,21,41,1998-07-14\n2,22,42,2001\n3,23,41,2002\n2,20,40,2003\n"
    return write(tmp_path / "sites.csv", text)


def test_one_table(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x,y,from,to,oc\n1,21,41,0,20,2\n1,21,41,20,50,0.5\n")
    table, log = read_source(path, ONE_TABLE)
    assert tuple(table.columns) == COLUMNS
    assert tuple(log.columns) == LOG_COLUMNS
    assert log.empty
    assert table.profile_id.tolist() == ["1", "1"]
    assert table.soc_g_kg.tolist() == [20.0, 5.0]
    assert table.row.tolist() == [1, 2]
    assert table.source.tolist() == ["a", "a"]
    assert table.bulk_density_g_cm3.isna().all()
    assert table[["lon", "lat"]].to_numpy().tolist() == [[21.0, 41.0]] * 2


def test_two_tables_are_joined_and_what_is_left_over_is_logged(horizons: Path, sites: Path) -> None:
    roles = {**ONE_TABLE, "year": Column("date")}
    table, log = read_source(horizons, roles, sites=sites, source="mine")
    assert table.profile_id.tolist() == ["1", "1", "2"]
    assert table.lon.tolist() == [21.0, 21.0, 22.0]
    assert table.year.tolist() == [1998.0, 1998.0, 2001.0]
    assert log[["profile_id", "fault", "before"]].to_numpy().tolist() == [
        ["3", "site without horizons", ""],
        ["2", "site repeated", ""],
        ["4", "horizons without site", "1 horizons"],
    ]
    assert log.row.isna().tolist() == [True, True, False]


def test_units_are_converted_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x,y,from,to,om,bd,cf,clay,n,ph\n1,21,41,0,0.2,2,1300,0.1,300,1000,6.5\n")
    roles = {
        **ONE_TABLE,
        "top": Column("from", unit="m"),
        "bottom": Column("to", unit="m"),
        "organic_matter": Column("om", unit="%", to_carbon=0.5),
        "bulk_density": Column("bd", unit="kg/m3"),
        "coarse_fragments": Column("cf", unit="vol_fraction"),
        "clay": Column("clay", unit="g/kg"),
        "total_n": Column("n", unit="mg/kg"),
        "ph_h2o": Column("ph"),
    }
    del roles["soc"]
    table, _ = read_source(path, roles)
    row = table.iloc[0]
    assert (row.top_cm, row.bottom_cm, row.soc_g_kg, row.bulk_density_g_cm3) == (0.0, 20.0, 10.0, 1.3)
    assert (row.coarse_fragments_vol_pct, row.clay_pct, row.total_n_g_kg, row.ph_h2o) == (10.0, 30.0, 1.0, 6.5)


def test_fragments_by_mass_wait_for_the_bulk_density(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x,y,from,to,oc,cf\n1,21,41,0,20,2,0.5\n")
    table, _ = read_source(path, {**ONE_TABLE, "coarse_fragments": Column("cf", unit="mass_fraction")})
    assert np.isnan(table.coarse_fragments_vol_pct[0])
    assert table.coarse_fragments_mass_pct[0] == 50.0


def test_text_among_numbers_is_logged(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x,y,from,to,oc\n1,21,41,0,20,<0.1\n1,21,41,20,30+,1\n1,21,41,30,50,NA\n")
    table, log = read_source(path, ONE_TABLE)
    assert table.soc_g_kg.isna().tolist() == [True, False, True]
    assert table.bottom_cm.isna().tolist() == [False, True, False]
    assert log[["profile_id", "row", "fault", "before"]].to_numpy().tolist() == [
        ["1", 2, "not a number", "bottom 30+"],
        ["1", 1, "not a number", "soc <0.1"],
    ]


def test_labels_stay_text(tmp_path: Path) -> None:
    pd.DataFrame({"id": [7.0, 8.0, np.nan], "x": 21.0, "y": 41.0, "from": 0.0, "to": 20.0, "oc": 1.0}).to_parquet(
        tmp_path / "a.parquet"
    )
    table, _ = read_source(tmp_path / "a.parquet", ONE_TABLE)
    assert table.profile_id.tolist()[:2] == ["7", "8"]
    _, log = clean(table)
    assert log.fault.tolist() == ["profile_id missing"]
    path = write(tmp_path / "b.csv", "id,x,y,from,to,oc\n007,21,41,0,20,1\n")
    assert read_source(path, ONE_TABLE)[0].profile_id.tolist() == ["007"]


def test_dates_of_usual_form(tmp_path: Path) -> None:
    dates = ["1998-07-14", "14/07/1998", "14.7.1998", "1998", "1998.5", "19980714", "July 1998", "1998-07-14 10:00"]
    rows = "".join(f"{i},21,41,0,20,1,{date}\n" for i, date in enumerate([*dates, "summer"]))
    table, log = read_source(
        write(tmp_path / "a.csv", "id,x,y,from,to,oc,date\n" + rows), {**ONE_TABLE, "year": Column("date")}
    )
    assert table.year.tolist()[:8] == [1998, 1998, 1998, 1998, 1998.5, 1998, 1998, 1998]
    assert np.isnan(table.year.tolist()[8])
    assert log.before.tolist() == ["year summer"]


def test_constants(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "upper,lower,oc\n0,31,472\n31,61,492\n")
    roles = {
        "profile_id": Column(value="CAN"),
        "lon": Column(value=-120.5),
        "lat": Column(value=50.25),
        "year": Column(value=1999),
        "top": Column("upper", unit="cm"),
        "bottom": Column("lower", unit="cm"),
        "soc": Column("oc", unit="g/kg"),
    }
    table, _ = read_source(path, roles)
    assert table[["profile_id", "lon", "lat", "year"]].to_numpy().tolist() == [["CAN", -120.5, 50.25, 1999.0]] * 2


def test_projected_coordinates_and_geopackage(tmp_path: Path) -> None:
    east, north = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32634", always_xy=True).transform(21.5, 41.5)
    table = pd.DataFrame({"id": ["a"], "from": [0], "to": [20], "oc": [1.0]})
    table.assign(e=east, n=north).to_csv(tmp_path / "a.csv", index=False)
    roles = {"profile_id": Column("id"), **DEPTHS, "soc": Column("oc", unit="%")}
    mapped = {**roles, "x": Column("e"), "y": Column("n")}
    plain, _ = read_source(tmp_path / "a.csv", mapped, crs="EPSG:32634")
    gpd.GeoDataFrame(table, geometry=gpd.points_from_xy([east], [north]), crs="EPSG:32634").to_file(tmp_path / "b.gpkg")
    packed, _ = read_source(tmp_path / "b.gpkg", roles)
    for read in (plain, packed):
        np.testing.assert_allclose(read[["lon", "lat"]], [[21.5, 41.5]], atol=1e-9)


def test_rows_without_label_are_profiles_if_no_two_share_a_place(tmp_path: Path) -> None:
    roles = {**ONE_TABLE}
    del roles["profile_id"]
    apart = write(tmp_path / "a.csv", "x,y,from,to,oc\n21,41,0,20,2\n21.5,41,0,20,1\n")
    table, log = read_source(apart, roles)
    assert table.profile_id.tolist() == ["row_1", "row_2"]
    assert log[["fault", "before", "after"]].to_numpy().tolist() == [["no profile_id", "a.csv", "2 profiles"]]
    together = write(tmp_path / "b.csv", "x,y,from,to,oc\n21,41,0,20,2\n21,41,20,40,1\n")
    with pytest.raises(TableError, match="rows of one place and no profile_id"):
        read_source(together, roles)


def test_order_of_the_file_changes_nothing_but_order(tmp_path: Path) -> None:
    rows = ["1,21,41,0,20,2", "1,21,41,20,50,1", "2,22,41,0,30,3", "3,23,41,0,10,"]
    text = "id,x,y,from,to,oc\n"
    here, _ = clean(read_source(write(tmp_path / "a.csv", text + "\n".join(rows)), ONE_TABLE)[0])
    there, _ = clean(read_source(write(tmp_path / "b.csv", text + "\n".join(rows[::-1])), ONE_TABLE, source="a")[0])
    by = ["profile_id", "top_cm"]
    same = [table.sort_values(by, ignore_index=True).drop(columns="row") for table in (here, there)]
    pd.testing.assert_frame_equal(*same)


def test_stacked_sources_keep_their_names_apart(tmp_path: Path) -> None:
    text = "id,x,y,from,to,oc\n1,21,41,0,20,2\n"
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    parts = [read_source(write(tmp_path / folder / "soil.csv", text), ONE_TABLE) for folder in ("one", "two")]
    table, log = stack_sources(parts)
    assert table.source.tolist() == ["soil", "soil_2"]
    assert log.empty
    assert clean(table)[0].profile_id.tolist() == ["soil:1", "soil_2:1"]
    with pytest.raises(TableError, match="no source"):
        stack_sources([])


# --- faults ---------------------------------------------------------------------------------------------------------


def test_check_says_what_read_raises_and_counts(horizons: Path, sites: Path) -> None:
    assert check_source(horizons, ONE_TABLE, sites=sites) == ([], (2, 3))
    broken = {**ONE_TABLE, "soc": Column("oc"), "top": Column("depth", unit="cm")}
    faults, counts = check_source(horizons, broken, sites=sites)
    assert counts == (0, 0)
    assert len(faults) == 2
    with pytest.raises(TableError) as caught:
        read_source(horizons, broken, sites=sites)
    assert list(caught.value.faults) == faults


def test_only_units_missing_is_a_unit_error(horizons: Path, sites: Path) -> None:
    with pytest.raises(UnitError, match="soc: found no unit"):
        read_source(horizons, {**ONE_TABLE, "soc": Column("oc")}, sites=sites)


def test_missing_files_are_all_named(tmp_path: Path) -> None:
    faults, _ = check_source(tmp_path / "h.csv", ONE_TABLE, sites=tmp_path / "s.csv")
    assert [Path(fault.split(":")[0]).name for fault in faults] == ["h.csv", "s.csv"]


@pytest.mark.parametrize(
    ("x", "y", "crs", "fault"),
    [
        ("21", "41", "EPSG:32634", "coordinates like degrees, crs EPSG:32634"),
        ("512345", "4567890", "EPSG:4326", "2 of 2 rows off the earth with crs EPSG:4326 (the first at 512345"),
        ("181072", "333611", "EPSG:32755", "the middle of the coordinates at"),
        ("21", "41", "EPSG:999999", "found crs 'EPSG:999999'"),
        ("", "", "EPSG:4326", "columns.lon: no number in 'x'"),
        ("north", "east", "EPSG:4326", "columns.lon: no number in 'x'"),
    ],
)
def test_coordinates_that_cannot_be_right(tmp_path: Path, x: str, y: str, crs: str, fault: str) -> None:
    path = write(tmp_path / "a.csv", f"id,x,y,from,to,oc\n1,{x},{y},0,20,2\n2,{x},{y},0,20,2\n")
    faults, _ = check_source(path, ONE_TABLE, crs=crs)
    assert fault in faults[0]


def test_x_and_y_need_a_crs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x,y,from,to,oc\n1,21,41,0,20,2\n")
    roles = {**ONE_TABLE, "x": Column("x"), "y": Column("y")}
    del roles["lon"], roles["lat"]
    assert check_source(path, roles)[0] == ["a.csv: found no crs for x and y; expected for example crs: EPSG:4326"]
    assert check_source(path, roles, crs="EPSG:4326") == ([], (1, 1))


def test_labels_that_never_meet(tmp_path: Path, horizons: Path) -> None:
    sites = write(tmp_path / "s.csv", "id,x,y\nP1,21,41\n")
    faults, _ = check_source(horizons, ONE_TABLE, sites=sites)
    found = "no profile_id (the first is '1') is in s.csv (the first is 'P1')"
    assert faults == [f"horizons.csv: {found}; expected the same labels in both"]
    sites = write(tmp_path / "s.csv", "site,x,y\n1,21,41\n")
    faults, _ = check_source(horizons, ONE_TABLE, sites=sites)
    assert faults[0].startswith(
        "s.csv: no column 'id' for profile_id; expected one of those there: horizons.csv has id, from, to, oc; s.csv has site"
    )


# --- real data ------------------------------------------------------------------------------------------------------


def test_meuse_topsoil(shared: Path) -> None:
    """153 of 155 points with organic matter, no profile_id, no depths, Dutch grid."""
    roles = {
        "x": Column("x"),
        "y": Column("y"),
        "top": Column(value=0, unit="cm"),
        "bottom": Column(value=15, unit="cm"),
        "organic_matter": Column("om", unit="%"),
    }
    table, log = read_source(shared / "data" / "meuse" / "meuse.csv", roles, crs="EPSG:28992")
    assert log.fault.tolist() == ["no profile_id"]
    assert table.profile_id.is_unique
    assert table.lon.between(5.6, 5.8).all()
    assert table.lat.between(50.9, 51.0).all()
    assert table.soc_g_kg[0] == pytest.approx(78.88)
    assert len(clean(table)[0]) == 153


def test_edgeroi_depths_give_no_false_overlaps(shared: Path) -> None:
    """Depths such as 9.99999977 beside 10.00000015: two profiles have gaps, and that is all."""
    folder = shared / "data" / "edgeroi"
    roles = {
        "profile_id": Column("SOURCEID"),
        "lon": Column("LONGDA94"),
        "lat": Column("LATGDA94"),
        "top": Column("UHDICM", unit="cm"),
        "bottom": Column("LHDICM", unit="cm"),
        "soc": Column("ORCDRC", unit="g/kg"),
    }
    table, read_log = read_source(
        folder / "edgeroi_horizons.csv", roles, sites=folder / "edgeroi_sites.csv", crs="EPSG:4283"
    )
    cleaned, log = clean(table)
    assert read_log.empty
    assert log.fault.value_counts().to_dict() == {"soc missing": 249, "gap": 2}
    assert (cleaned.profile_id.nunique(), len(cleaned)) == (325, 2089)


def test_africa_dates_and_units(shared: Path) -> None:
    folder = shared / "data" / "africa_north"
    roles = {
        "profile_id": Column("SOURCEID"),
        "lon": Column("LONWGS84"),
        "lat": Column("LATWGS84"),
        "year": Column("TIMESTRR"),
        "top": Column("UHDICM", unit="cm"),
        "bottom": Column("LHDICM", unit="cm"),
        "soc": Column("ORCDRC", unit="g/kg"),
        "bulk_density": Column("BLD", unit="t/m3"),
        "total_n": Column("NTO", unit="g/kg"),
    }
    table, _ = read_source(folder / "afsp_horizons.csv.gz", roles, sites=folder / "afsp_sites.csv.gz")
    dated = table.dropna(subset=["year"]).profile_id.nunique()
    assert dated == 14676
    assert table.year.min() == 1938
    assert table.year.max() == 2012
    assert table.bulk_density_g_cm3.median() == pytest.approx(1.4)
