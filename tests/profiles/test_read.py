"""Source tables into the horizon table: joins, units, dates, coordinates, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest

from edaphic.errors import TableError, UnitError
from edaphic.profiles.cleaning.clean import COLUMNS, LOG_COLUMNS, clean
from edaphic.profiles.reading import read
from edaphic.profiles.reading.columns import Column
from edaphic.profiles.reading.read import check_source, read_checked, read_source, stack_sources
from edaphic.units import CARBONATE_TO_CARBON

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
        "bulk_density": Column("bd", unit="kg/m3", basis="whole_soil"),
        "coarse_fragments": Column("cf", unit="vol_fraction"),
        "clay": Column("clay", unit="g/kg"),
        "total_n": Column("n", unit="mg/kg"),
        "ph_h2o": Column("ph"),
    }
    del roles["soc"]
    table, _ = read_source(path, roles)
    row = table.iloc[0]
    assert (row.top_cm, row.bottom_cm, row.soc_g_kg, row.bulk_density_g_cm3) == (0.0, 20.0, 10.0, 1.3)
    assert row.bulk_density_basis == "whole_soil"
    assert (row.coarse_fragments_vol_pct, row.clay_pct, row.total_n_g_kg, row.ph_h2o) == (10.0, 30.0, 1.0, 6.5)


def test_fragments_by_mass_wait_for_the_bulk_density(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x,y,from,to,oc,cf\n1,21,41,0,20,2,0.5\n")
    table, _ = read_source(path, {**ONE_TABLE, "coarse_fragments": Column("cf", unit="mass_fraction")})
    assert np.isnan(table.coarse_fragments_vol_pct[0])
    assert table.coarse_fragments_mass_pct[0] == 50.0


def test_marks_of_laboratories_are_logged(tmp_path: Path) -> None:
    rows = "1,21,41,0,20,<0.1\n1,21,41,20,30,1\n1,21,41,30,50,NA\n1,21,41,50,60,n.d.\n1,21,41,60,70,Trace\n"
    table, log = read_source(write(tmp_path / "a.csv", "id,x,y,from,to,oc\n" + rows), ONE_TABLE)
    assert table.soc_g_kg.fillna(-1).tolist() == [0.5, 10.0, -1.0, -1.0, -1.0]
    assert log[["profile_id", "row", "fault", "before", "after"]].to_numpy().tolist() == [
        ["1", 1, "below the detection limit", "soc <0.1", "soc 0.05"],
        ["1", 4, "not a number", "soc n.d.", ""],
        ["1", 5, "not a number", "soc Trace", ""],
    ]


@pytest.mark.parametrize(("good", "faults"), [(19, 0), (18, 1)])
def test_other_text_makes_no_column_of_numbers_above_5_percent(tmp_path: Path, good: int, faults: int) -> None:
    rows = "1,21,41,0,20,high\n" + "".join(f"1,21,41,{20 + i},{21 + i},1\n" for i in range(good))
    found = read_checked(write(tmp_path / "a.csv", "id,x,y,from,to,oc\n" + rows), ONE_TABLE)
    assert len(found.faults) == faults
    if faults:
        told = "a.csv: row 1: column 'oc': found 'high' and the like in 1 of 19 cells for soc; expected numbers"
        assert found.faults[0].startswith(told)
    else:
        assert found.log.before.tolist() == ["soc high"]


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
    dates = ["1998-07-14", "14/07/1998", "14.7.1998", "1998", "1998.5", "19980714", "July 1998", "1998-07-14 10:00", "1997-1999"]
    rows = "".join(f"{i},21,41,0,20,1,{date}\n" for i, date in enumerate([*dates, *["7/14/1998"] * 20, "summer"]))
    table, log = read_source(
        write(tmp_path / "a.csv", "id,x,y,from,to,oc,date\n" + rows), {**ONE_TABLE, "year": Column("date")}
    )
    assert table.year.tolist()[:9] == [1998, 1998, 1998, 1998, 1998.5, 1998, 1998, 1998, 1998]
    assert (table.year[9:29] == 1998).all()
    assert np.isnan(table.year[29])
    assert log[["fault", "before", "after"]].to_numpy().tolist() == [
        ["year of a range", "year 1997-1999", "1998"],
        ["not a number", "year summer", ""],
    ]


def test_days_of_a_spreadsheet_are_years_only_where_the_unit_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x,y,from,to,oc,date\n1,21,41,0,20,1,35990\n2,21,42,0,20,1,36500\n")
    faults, _ = check_source(path, {**ONE_TABLE, "year": Column("date")})
    assert faults == [
        "a.csv: row 1: column 'date': found 35990 where a year is expected; expected years or dates "
        "(unit: excel_serial for the days of a spreadsheet)"
    ]
    table, _ = read_source(path, {**ONE_TABLE, "year": Column("date", unit="excel_serial")})
    assert table.year.tolist() == [1998.0, 1999.0]


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
    for table in (plain, packed):
        np.testing.assert_allclose(table[["lon", "lat"]], [[21.5, 41.5]], atol=1e-9)


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


def test_sites_are_found_by_another_label_and_columns_with_stray_blanks(tmp_path: Path) -> None:
    horizons = write(tmp_path / "h.csv", "Site,from,to,oc\nA,0,20,2\nB,0,20,1\n")
    pd.DataFrame({"Site ID": ["A", "B"], "Long ": [21.0, 22.0], " Lat": [41.0, 42.0]}).to_parquet(tmp_path / "s.parquet")
    roles = {**DEPTHS, "soc": Column("oc", unit="%"), "lon": Column("Long"), "lat": Column("Lat ")}
    roles["profile_id"] = Column("Site", site_column="Site ID")
    table, log = read_source(horizons, roles, sites=tmp_path / "s.parquet")
    assert table.lon.tolist() == [21.0, 22.0]
    assert log.empty


def test_words_come_along_in_their_own_columns(tmp_path: Path) -> None:
    header = "id,x,y,from,to,oc,method,class,end,rock,w,err\n"
    path = write(tmp_path / "a.csv", header + "1,21,41,0,20,2,LECO,many,R,0.4,2,0.1\n1,21,41,20,40,2,,,,,1,0.1\n")
    more = {
        "soc_method": Column("method"), "coarse_fragments_class": Column("class"), "below": Column("end"),
        "rock_depth": Column("rock", unit="m"), "weight": Column("w"), "position_error": Column("err", unit="km"),
    }  # fmt: skip
    table, log = read_source(path, {**ONE_TABLE, **more})
    assert table.soc_method.tolist() == ["dry combustion", ""]
    assert table.coarse_fragments_class.tolist() == ["many", ""]
    assert table.below.tolist() == ["rock", ""]
    assert table.rock_depth_cm[0] == 40.0
    assert table.weight.tolist() == [2.0, 1.0]
    assert table.position_error_m.tolist() == [100.0, 100.0]
    assert log.empty


def test_reported_numbers_of_the_source(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x,y,from,to,oc,bd,stock\n1,21,41,0,20,2,1.3,52\n")
    more = {"bulk_density_reported": Column("bd", unit="t/m3", basis="fine_earth"), "soc_stock": Column("stock", unit="t/ha")}
    table, _ = read_source(path, {**ONE_TABLE, **more})
    assert (table.bulk_density_reported_g_cm3[0], table.soc_stock_kg_m2[0]) == (1.3, 5.2)
    assert table.bulk_density_g_cm3.isna().all()


def test_a_density_of_carbon_is_a_stock_over_its_thickness(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,from,to,d\n1,0,10,20\n1,10,40,10\n")
    roles = {"profile_id": Column("id"), **DEPTHS, "soc_density": Column("d", unit="kg/m3")}
    table, _ = read_source(path, roles, places=False)
    assert table.soc_stock_kg_m2.tolist() == [2.0, 3.0]
    assert table.soc_g_kg.isna().all()


def test_total_minus_inorganic_where_organic_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x,y,from,to,tc,lime\n1,21,41,0,20,3,10\n1,21,41,20,40,1,20\n")
    roles = {role: column for role, column in ONE_TABLE.items() if role != "soc"}
    roles |= {"total_carbon": Column("tc", unit="%"), "carbonate": Column("lime", unit="%")}
    table, log = read_source(path, roles)
    assert table.soc_g_kg.tolist() == [pytest.approx(30 - 100 * CARBONATE_TO_CARBON), pytest.approx(np.nan, nan_ok=True)]
    assert log.fault.tolist() == ["soc from total minus inorganic carbon", "inorganic carbon above total"]
    assert table.soc_method.tolist() == ["total minus inorganic", ""]


def test_bases_row_by_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x,y,from,to,oc,bd,b\n1,21,41,0,20,2,1.3,whole_soil\n1,21,41,20,40,2,,\n")
    roles = {**ONE_TABLE, "bulk_density": Column("bd", unit="g/cm3"), "bulk_density_basis": Column("b")}
    table, _ = read_source(path, roles)
    assert table.bulk_density_basis.tolist() == ["whole_soil", ""]
    path = write(tmp_path / "b.csv", "id,x,y,from,to,oc,bd,b\n1,21,41,0,20,2,1.3,\n")
    assert "row 1: bulk_density_basis: found basis ''" in check_source(path, roles)[0][0]


def test_a_table_of_ours_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x,y,from,to,oc,bd,b\n1,21,41,0,20,2,1.3,whole_soil\n1,21,41,20,40,2,,\n")
    roles = {**ONE_TABLE, "bulk_density": Column("bd", unit="g/cm3"), "bulk_density_basis": Column("b")}
    table, _ = read_source(path, roles)
    table.to_csv(tmp_path / "again.csv", index=False)
    again, log = read_source(tmp_path / "again.csv", {}, source="a")
    pd.testing.assert_frame_equal(again[table.columns], table)
    assert log.empty


def test_covariates_come_along_under_their_names(tmp_path: Path) -> None:
    horizons = write(tmp_path / "h.csv", "id,from,to,oc,colour\n1,0,20,2,red\n2,0,20,1,\n")
    sites = write(tmp_path / "s.csv", "id,x,y,slope\n1,21,41,5\n2,22,42,7\n")
    table, _ = read_source(horizons, ONE_TABLE, sites=sites, covariates=["slope", "colour"])
    assert table.slope.tolist() == [5.0, 7.0]
    assert table.colour.fillna("").tolist() == ["red", ""]
    faults, _ = check_source(horizons, ONE_TABLE, sites=sites, covariates=["aspect", "top_cm"])
    assert [fault.split(";")[0] for fault in faults] == [
        "h.csv: covariates: found no column 'aspect'", "h.csv: covariates: found no column 'top_cm'",
    ]  # fmt: skip


def test_no_coordinates_where_none_are_wanted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,from,to,oc\n1,0,20,2\n")
    roles = {"profile_id": Column("id"), **DEPTHS, "soc": Column("oc", unit="%")}
    table, log = read_source(path, roles, places=False)
    assert table[["lon", "lat"]].isna().all().all()
    assert log.empty
    del roles["profile_id"]
    assert "no column for profile_id" in check_source(path, roles, places=False)[0][0]


def test_coordinates_are_read_where_they_are_if_that_is_asked(tmp_path: Path) -> None:
    roles = {"profile_id": Column("id"), **DEPTHS, "soc": Column("oc", unit="%")}
    for text, lon in (("id,lon,lat,from,to,oc\n1,21,41,0,20,2\n", 21.0), ("id,lon,from,to,oc\n1,21,0,20,2\n", None)):
        table, _ = read_source(write(tmp_path / "a.csv", text), roles, places=None)
        assert table.lon[0] == lon if lon else np.isnan(table.lon[0])


def test_open_location_codes_instead_of_coordinates(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,code,from,to,oc\n1,7FG49QCJ+2V,0,20,2\n")
    roles = {"profile_id": Column("id"), "plus_code": Column("code"), **DEPTHS, "soc": Column("oc", unit="%")}
    table, _ = read_source(path, roles)
    np.testing.assert_allclose(table[["lon", "lat"]], [[2.7821875, 20.3700625]], atol=1e-9)
    assert "with plus_code; expected none" in check_source(path, roles, crs="EPSG:32634")[0][0]
    path = write(tmp_path / "b.csv", "id,code,from,to,oc\n1,9QCJ+2V,0,20,2\n")
    assert "column 'code': found '9QCJ+2V' and the like in 1 of 1 cells for plus_code; expected codes" in check_source(path, roles)[0][0]


def test_labels_of_several_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "site,pit,x,y,from,to,oc\nA,1,21,41,0,20,2\nA,2,21,42,0,20,2\n")
    table, _ = read_source(path, {**ONE_TABLE, "profile_id": Column("site + pit")})
    assert table.profile_id.tolist() == ["A:1", "A:2"]


def test_each_file_is_read_once_and_what_was_understood_is_told(
    horizons: Path, sites: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    plain = read.read_table
    monkeypatch.setattr(read, "read_table", lambda path: asked.append(path) or plain(path))
    found = read_checked(horizons, {**ONE_TABLE, "year": Column("date")}, sites=sites)
    assert asked == [horizons, sites]
    assert found.counts == (2, 3)
    assert (found.faults, len(found.table), len(found.log)) == ((), 3, 3)
    assert found.understood[:5] == (
        "profile_id: column 'id' of horizons.csv, as stated",
        "lon: column 'x' of sites.csv, as stated",
        "lat: column 'y' of sites.csv, as stated",
        "top: column 'from' of horizons.csv in cm, as stated",
        "bottom: column 'to' of horizons.csv in cm, as stated",
    )


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


def test_two_columns_that_differ_by_blanks_only_are_a_fault(tmp_path: Path) -> None:
    pd.DataFrame([[1, 2.0, 3.0]], columns=["id", "o  c", "o c"]).to_parquet(tmp_path / "a.parquet")
    assert check_source(tmp_path / "a.parquet", ONE_TABLE)[0][0] == "a.parquet: found two columns 'o c'; expected a name for each"


def test_only_units_missing_is_a_unit_error(horizons: Path, sites: Path) -> None:
    with pytest.raises(UnitError, match="soc: found no unit"):
        read_source(horizons, {**ONE_TABLE, "soc": Column("oc")}, sites=sites)
    with pytest.raises(UnitError, match="bulk_density: found no basis"):
        read_source(horizons, {**ONE_TABLE, "bulk_density": Column("oc", unit="g/cm3")}, sites=sites)


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
        ("north", "east", "EPSG:4326", "row 1: column 'x': found 'north' and the like in 2 of 2 cells for lon"),
    ],
)
def test_coordinates_that_cannot_be_right(tmp_path: Path, x: str, y: str, crs: str, fault: str) -> None:
    path = write(tmp_path / "a.csv", f"id,x,y,from,to,oc\n1,{x},{y},0,20,2\n2,{x},{y},0,20,2\n")
    faults, _ = check_source(path, ONE_TABLE, crs=crs)
    assert fault in faults[0]


@pytest.mark.parametrize(("x", "y"), [("280", "41"), ("41", "100")])
def test_degrees_that_cleaning_can_mend_are_no_fault(tmp_path: Path, x: str, y: str) -> None:
    path = write(tmp_path / "a.csv", f"id,x,y,from,to,oc\n1,{x},{y},0,20,2\n2,{x},{y},0,20,2\n")
    table, _ = read_source(path, ONE_TABLE)
    assert (table.lon[0], table.lat[0]) == (float(x), float(y))


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
    roles = {"bulk_density": Column("BLD", unit="t/m3", basis="fine_earth")}
    table, _ = read_source(folder / "afsp_horizons.csv.gz", roles, sites=folder / "afsp_sites.csv.gz")
    dated = table.dropna(subset=["year"]).profile_id.nunique()
    assert dated == 14676
    assert table.year.min() == 1938
    assert table.year.max() == 2012


def test_land_use_pairs(shared: Path) -> None:
    """Depths in metres, measured and estimated bulk densities, reported stocks, sites under another label."""
    folder = shared / "data" / "soc_landuse_pairs"
    roles = {
        "profile_id": Column("Site", site_column="Site ID"),
        "lon": Column("Longitude"),
        "lat": Column("Latitude"),
        "top": Column("U_depth (m)", unit="m"),
        "bottom": Column("L_depth (m)", unit="m"),
        "soc": Column("OC (g/kg)", unit="g/kg"),
        "bulk_density": Column("measured BD (Mg/m3)", unit="Mg/m3", basis="fine_earth"),
        "bulk_density_reported": Column("estimated BD (Mg/m3)", unit="Mg/m3", basis="fine_earth"),
        "soc_stock": Column("reported SOC stock (tC/ha)", unit="t/ha"),
    }
    table, log = read_source(folder / "horizons.csv", roles, sites=folder / "sites.csv")
    assert (table.profile_id.nunique(), len(table)) == (492, 1946)
    counts = {"site without horizons": 54, "horizons without site": 14, "not a number": 2}
    assert log.fault.value_counts().to_dict() == counts
    assert table.bottom_cm.max() == 120
    assert table.soc_stock_kg_m2.max() == pytest.approx(18.96)
    assert table[["bulk_density_g_cm3", "bulk_density_reported_g_cm3"]].count().tolist() == [1444, 1690]


def test_wise_profiles_with_sites(shared: Path) -> None:
    folder = shared / "data" / "wise_profiles"
    roles = {"bulk_density": Column("BLD", unit="kg/m3", basis="fine_earth")}
    alone, log = read_source(folder / "wise_layers.csv.gz", roles)
    assert (alone.profile_id.nunique(), len(alone), len(log)) == (8526, 40108, 0)
    assert alone.bulk_density_g_cm3.max() == pytest.approx(2.62)
    placed, log = read_source(folder / "wise_layers.csv.gz", roles, sites=folder / "wise_sites_tax.csv.gz", covariates=["LANDUS"])
    assert (placed.profile_id.nunique(), len(placed)) == (6462, 30954)
    assert log.fault.value_counts().to_dict() == {"horizons without site": 2064}
    assert placed.LANDUS.iloc[0] == "AA4"
