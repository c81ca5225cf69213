"""Alias tables of the usual databases: recognised, complete, and silent where the schema is."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from edaphic.profiles.reading.aliases import SCHEMAS, recognise
from edaphic.profiles.reading.columns import CANONICAL, ROLES, UNITLESS, WITH_BASIS, Column, Tables
from edaphic.profiles.reading.read import read_checked
from edaphic.profiles.reading.resolve import resolve
from edaphic.units import BASES, units_of

GSIF = {"SOURCEID": "a", "UHDICM": 0, "LHDICM": 10, "ORCDRC": 12.0, "LONWGS84": 20.0, "LATWGS84": 40.0}
LATEST = {"profile_id": 1, "upper_depth": 0, "lower_depth": 10, "value_avg": 12.0, "longitude": 20.0, "latitude": 40.0}


def found_in(row: dict[str, object], columns: dict[str, Column] | None = None, name: str = "a.csv", schema: str | None = None):
    return resolve(Tables(pd.DataFrame([row]), None, name, ""), columns or {}, schema)


@pytest.mark.parametrize("key", SCHEMAS)
def test_tables_are_well_formed(key: str) -> None:
    for role, aliases in SCHEMAS[key].columns.items():
        assert role in ROLES
        assert role in CANONICAL or role in ("organic_matter", "plus_code")
        assert len({alias.column for alias in aliases}) == len(aliases) > 0
        for alias in aliases:
            if ROLES[role] in UNITLESS:
                assert alias.unit is None
            else:
                assert alias.unit in units_of(ROLES[role]) or alias.note
            if alias.basis is not None:
                assert role in WITH_BASIS
                assert alias.basis in BASES


@pytest.mark.parametrize(
    ("names", "file", "schemas"),
    [
        (["profile_id", "upper_depth", "lower_depth", "orgc_value_avg"], "a.csv", ("wosis_snapshot",)),
        (["profile_id", "top", "bottom", "orgc_value_avg"], "a.csv", ("wosis_snapshot",)),
        (["upper_depth", "lower_depth", "value_avg"], "wosis_202312_orgc.tsv", ("wosis_latest",)),
        (["upper_depth", "lower_depth", "value_avg"], "wosis_202312_clay.tsv", ()),
        (["pedon_key", "hzn_top", "hzn_bot", "oc"], "a.csv", ("nrcs",)),
        (["peiid", "hzdept", "hzdepb", "c_tot"], "a.csv", ("nrcs",)),
        (["cokey", "HZDEPT_R", "HZDEPB_R", "OM_R"], "a.csv", ("nrcs",)),
        (["lyr_top", "lyr_bot", "lyr_c_org"], "a.csv", ("israd",)),
        (["UHDICM", "LHDICM", "ORCDRC"], "a.csv", ("gsif",)),
        (["hzn_top", "hzn_bot", "oc", "oc_d"], "a.csv", ("openlandmap",)),
        (["hzn_top", "hzn_bot", "oc"], "a.csv", ("nrcs", "openlandmap")),
        (["UHDICM", "ORCDRC"], "a.csv", ()),
        (["top", "bottom", "SOC"], "a.csv", ()),
    ],
)
def test_a_schema_is_known_by_depth_and_carbon(names: list[str], file: str, schemas: tuple[str, ...]) -> None:
    assert recognise(names, file) == schemas


def test_two_schemas_that_cannot_be_told_apart_are_a_fault_that_names_both() -> None:
    row = {"id": "a", "hzn_top": 0, "hzn_bot": 10, "oc": 1.0, "x": 20.0, "y": 40.0}
    faults = found_in(row).faults
    assert len(faults) == 1
    assert "schemas nrcs and openlandmap, which differ in their units; expected schema: nrcs or schema: openlandmap" in faults[0]
    percent = found_in(row, {"profile_id": Column("id")}, schema="nrcs")
    assert percent.faults == []
    assert percent.roles["soc"] == (Column("oc", unit="%"),)
    stated = {"top": Column("hzn_top", unit="cm"), "bottom": Column("hzn_bot", unit="cm"), "soc": Column("oc", unit="%")}
    stated |= {"lon": Column("x"), "lat": Column("y")}
    assert found_in(row, stated).faults == []
    assert "nrcs or openlandmap" in found_in(row, stated).notes[0]


def test_a_name_without_a_known_unit_is_a_fault_until_stated_or_ignored() -> None:
    row = {**GSIF, "BLD": 1300}
    faults = found_in(row).faults
    assert len(faults) == 1
    assert "columns.bulk_density: 'BLD' of schema gsif: found no unit" in faults[0]
    assert "found in t/m3 and in kg/m3" in faults[0]
    assert faults[0].endswith("or this role among those to ignore")
    assert found_in(row, {"bulk_density": Column(ignore=True)}).faults == []
    assert "found no basis" in found_in(row, {"bulk_density": Column("BLD", unit="kg/m3")}).faults[0]
    stated = found_in(row, {"bulk_density": Column("BLD", unit="kg/m3", basis="fine_earth")})
    assert stated.faults == []
    assert stated.roles["soc"] == (Column("ORCDRC", unit="g/kg"),)


def test_a_named_column_takes_unit_and_basis_of_the_schema() -> None:
    found = found_in({**GSIF, "BLDFIE": 1300}, {"bulk_density": Column("BLDFIE"), "soc": Column("ORCDRC", unit="%")})
    assert found.faults == []
    assert found.roles["bulk_density"] == (Column("BLDFIE", unit="kg/m3", basis="fine_earth"),)
    assert found.roles["soc"] == (Column("ORCDRC", unit="%"),)


def test_no_alias_is_taken_where_none_is_wanted() -> None:
    assert found_in(GSIF, schema="edaphic").roles == {}
    assert "found schema 'wise'; expected one of wosis_snapshot" in found_in(GSIF, schema="wise").faults[0]


def test_wosis_stands_for_both_of_its_layouts() -> None:
    assert found_in(LATEST, name="wosis_latest_orgc.csv", schema="wosis").schema == "wosis_latest"
    assert found_in(LATEST, name="a.csv", schema="wosis_latest").faults == []
    assert found_in({**LATEST, "orgc_value_avg": 1.0}, name="a.csv", schema="wosis").schema == "wosis_snapshot"


def test_total_carbon_of_a_schema_is_left_where_nothing_is_inorganic() -> None:
    row = {"pedon_key": 1, "hzn_top": 0, "hzn_bot": 10, "oc": 1.0, "c_tot": 2.0, "x": 20.0, "y": 40.0}
    assert "total_carbon" not in found_in(row).roles
    assert found_in(row).notes[-1].startswith("total_carbon: 'c_tot' not read")
    assert "total_carbon" in found_in({**row, "caco3": 0.0}).roles


def written(tmp_path: Path, table: pd.DataFrame, name: str = "a.csv") -> Path:
    table.to_csv(tmp_path / name, index=False)
    return tmp_path / name


def test_bulk_densities_of_wosis_complete_each_other_each_with_its_basis(tmp_path: Path) -> None:
    row = {"profile_id": 7, "upper_depth": [0, 10, 20], "lower_depth": [10, 20, 30], "orgc_value_avg": 5.0, "X": 20.0, "Y": 40.0}
    density = {"bdfi33_value_avg": [None, 1.2, None], "bdfiod_value_avg": [1.4, 1.5, None], "bdwsod_value_avg": [1.0, 1.0, 1.6]}
    read = read_checked(written(tmp_path, pd.DataFrame({**row, **density})), {})
    assert read.faults == ()
    assert read.schema == "wosis_snapshot"
    assert read.table.bulk_density_g_cm3.tolist() == [1.4, 1.5, 1.6]
    assert read.table.bulk_density_basis.tolist() == ["fine_earth", "fine_earth", "whole_soil"]
    line = next(line for line in read.understood if line.startswith("bulk_density"))
    assert "'bdfiod_value_avg' of a.csv in kg/dm3, basis fine_earth (2 values)" in line
    assert "'bdwsod_value_avg' of a.csv in kg/dm3, basis whole_soil (1 values)" in line


def test_the_first_alias_that_holds_anything_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    row = {"profile_id": 7, "upper_depth": 0, "lower_depth": 10, "orgc_value_avg": 5.0, "X": 20.0, "Y": 40.0}
    read = read_checked(written(tmp_path, pd.DataFrame([{**row, "cfvo_value_avg": None, "cfgr_value_avg": 10.0}])), {})
    assert read.table.coarse_fragments_mass_pct.tolist() == [10.0]
    assert any(line.endswith("(not read though there: cfvo_value_avg)") for line in read.understood)


def test_wosis_latest_needs_the_name_of_the_property(tmp_path: Path) -> None:
    row = {**LATEST, "date": "1998-07-14", "positional_uncertainty": "100 m - 1 km"}
    read = read_checked(written(tmp_path, pd.DataFrame([row]), "wosis_latest_orgc.csv"), {})
    assert read.faults == ()
    first = read.table.iloc[0]
    assert (first.soc_g_kg, first.year, first.position_error_m, first.lon) == (12.0, 1998.0, 1000.0, 20.0)
    assert "no column for soc" in read_checked(written(tmp_path, pd.DataFrame([row]), "wosis_latest_clay.csv"), {}).faults[2]


def test_nrcs_by_alias(tmp_path: Path) -> None:
    row = {"pedon_key": 1, "hzn_top": [0, 10], "hzn_bot": [10, 30], "oc": [2.0, None], "c_tot": [9.0, 2.0], "caco3": [0.0, 10.0]}
    row |= {"db_13b": 1.3, "db_od": [None, 1.5], "wpg2": 5.0, "x": -100.0, "y": 40.0, "obs_date": "7/14/1998"}
    read = read_checked(written(tmp_path, pd.DataFrame(row)), {})
    assert read.faults == ()
    assert read.table.soc_g_kg.tolist() == [20.0, pytest.approx(20.0 - 100 * 12.011 / 100.087)]
    assert read.table.soc_method.tolist()[1] == "total minus inorganic"
    assert read.table.bulk_density_g_cm3.tolist() == [1.3, 1.5]
    assert read.table.coarse_fragments_mass_pct.tolist() == [5.0, 5.0]
    assert any("1/3 bar: the volume is not oven dry" in line for line in read.understood)


def test_israd_by_alias(tmp_path: Path) -> None:
    row = {"entry_name": "E_2001", "site_name": "S", "pro_name": ["P1", "P2"], "pro_lat": 45.0, "pro_long": -68.0, "lyr_top": 0}
    row |= {"lyr_bot": 10, "lyr_c_org": 5.0, "lyr_bd_samp": 0.5, "lyr_coarse_tot": 20.0, "lyr_obs_date_y": 1996, "lyr_soc": 0.1}
    read = read_checked(written(tmp_path, pd.DataFrame(row)), {})
    assert read.faults == ()
    assert read.table.profile_id.tolist() == ["E_2001:S:P1", "E_2001:S:P2"]
    first = read.table.iloc[0]
    assert (first.soc_g_kg, first.bulk_density_basis, first.soc_stock_kg_m2) == (50.0, "fine_earth_whole_volume", 1.0)
    assert first.coarse_fragments_mass_pct == 20.0


def test_depth_to_rock_of_gsif_is_censored_at_200_cm(tmp_path: Path) -> None:
    table = pd.DataFrame([{**GSIF, "SOURCEID": label, "BDRICM": depth} for label, depth in zip("abc", [80, 200, -999], strict=True)])
    read = read_checked(written(tmp_path, table), {})
    assert read.table.rock_depth_cm.fillna(-1).tolist() == [80.0, -1.0, -1.0]
    assert "rock_depth: 1 rows at 200 or more read as missing" in read.understood
    assert read.log.before.tolist() == ["rock_depth -999"]


# --- real data ------------------------------------------------------------------------------------------------------


def test_africa_by_alias_but_for_the_bulk_density(shared: Path) -> None:
    folder = shared / "data" / "africa_north"
    read = read_checked(
        folder / "afsp_horizons.csv.gz",
        {"bulk_density": Column("BLD", unit="t/m3", basis="fine_earth")},
        sites=folder / "afsp_sites.csv.gz",
    )
    assert (read.schema, read.counts) == ("gsif", (16165, 54883))
    assert read.table.bulk_density_g_cm3.median() == pytest.approx(1.4)
    assert read.log.fault.value_counts().to_dict() == {"not a number": 99}


def test_mangroves_by_alias_and_open_location_codes(shared: Path) -> None:
    read = read_checked(
        shared / "data" / "mangrove_spacetime" / "mangrove_soc_regression_matrix.csv.gz",
        {"bulk_density": Column("db_od", basis="fine_earth")},
        covariates=["Landsat_treecover2000", "source_db"],
    )
    assert (read.schema, read.counts) == ("openlandmap", (2128, 9699))
    assert read.table[["lon", "lat", "year"]].notna().all().all()
    assert read.table.lat.abs().max() < 40
    assert read.table.source_db.iloc[0] == "AfSPDB"
