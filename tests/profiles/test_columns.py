"""Roles, units and the faults of a mapping."""

from __future__ import annotations

import pandas as pd
import pytest

from edaphic.profiles.cleaning.clean import COLUMNS, OPTIONAL
from edaphic.profiles.reading.columns import CANONICAL, ROLES, UNITLESS, Column, Tables
from edaphic.profiles.reading.resolve import resolve
from edaphic.units import units_of

COMPLETE = {
    "profile_id": Column("id"),
    "x": Column("east"),
    "y": Column("north"),
    "top": Column("from", unit="cm"),
    "bottom": Column("to", unit="cm"),
    "soc": Column("oc", unit="%"),
}


def tables(**more: object) -> Tables:
    row: dict[str, object] = {"id": "a", "east": 1.0, "north": 2.0, "from": 0, "to": 10, "oc": 2.0, **more}
    return Tables(pd.DataFrame([row]), None, "a.csv", "")


def test_roles_lead_to_known_columns_and_quantities() -> None:
    carried = {"total_carbon_g_kg", "inorganic_carbon_g_kg", "carbonate_g_kg"}
    assert set(CANONICAL.values()) <= {*COLUMNS, *OPTIONAL, *carried}
    assert set(ROLES) - set(CANONICAL) == {"x", "y", "plus_code", "organic_matter", "soc_density"}
    for quantity in set(ROLES.values()) - set(UNITLESS):
        assert units_of(quantity)


def test_complete_mapping() -> None:
    found = resolve(tables(), COMPLETE)
    assert found.faults == []
    assert found.roles == {role: (column,) for role, column in COMPLETE.items()}
    assert set(found.origins.values()) == {"as stated"}
    assert found.schema == "edaphic"


def test_canonical_columns_need_no_mapping() -> None:
    row = {"profile_id": "a", "lon": 1, "lat": 2, "top_cm": 0, "bottom_cm": 9, "soc_g_kg": 3, "clay_pct": 4}
    table = pd.DataFrame([{**row, "bulk_density_g_cm3": 1.3, "coarse_fragments_mass_pct": 5}])
    found = resolve(Tables(table, None, "a.csv", ""), {})
    assert found.faults == []
    assert set(found.roles) == {"profile_id", "lon", "lat", "top", "bottom", "soc", "clay", "bulk_density", "coarse_fragments"}
    assert found.roles["clay"] == (Column("clay_pct", unit="%"),)
    assert found.roles["bulk_density"] == (Column("bulk_density_g_cm3", unit="g/cm3", basis="fine_earth"),)
    assert found.roles["coarse_fragments"] == (Column("coarse_fragments_mass_pct", unit="mass%"),)


def test_a_named_role_keeps_the_canonical_one_of_its_twin_out() -> None:
    mapping = {**COMPLETE, "organic_matter": Column("oc", unit="%")}
    del mapping["soc"]
    found = resolve(tables(soc_g_kg=5.0, lon=1.0, lat=1.0), mapping)
    assert found.faults == []
    assert not {"soc", "lon", "lat"} & set(found.roles)


def test_an_ignored_role_is_not_read_whatever_there_is() -> None:
    found = resolve(tables(clay_pct=5.0), {**COMPLETE, "clay": Column(ignore=True)})
    assert found.faults == []
    assert "clay" not in found.roles
    found = resolve(tables(), {**COMPLETE, "soc": Column(ignore=True)})
    assert [fault.split(";")[0] for fault in found.faults] == [
        "a.csv: no column for soc or organic_matter or total_carbon or soc_stock or soc_density"
    ]


def test_blanks_in_the_name_of_a_column_do_not_matter() -> None:
    found = resolve(tables(), {**COMPLETE, "soc": Column(" oc ", unit="%")})
    assert found.faults == []
    assert found.roles["soc"] == (Column("oc", unit="%"),)


def test_places_are_not_asked_for_where_none_are_wanted() -> None:
    mapping = {role: COMPLETE[role] for role in ("profile_id", "top", "bottom", "soc")}
    assert [fault.split(";")[0] for fault in resolve(tables(), mapping).faults] == [
        "a.csv: no column for lon or x or plus_code", "a.csv: no column for lat or y or plus_code",
    ]  # fmt: skip
    assert resolve(tables(), mapping, places=False).faults == []
    assert "x" not in resolve(tables(), COMPLETE, places=False).roles


# --- bulk density and its basis -------------------------------------------------------------------------------------


def test_a_bulk_density_without_basis_is_a_fault_that_explains_the_three() -> None:
    found = resolve(tables(bd=1.3), {**COMPLETE, "bulk_density": Column("bd", unit="g/cm3")})
    assert found.faults == [
        "a.csv: columns.bulk_density: found no basis; expected basis: fine_earth (mass of fine earth over its own volume), or "
        "whole_soil (mass of all soil, stones too, over the whole volume), or fine_earth_whole_volume (mass of fine earth over "
        "the whole volume, stones too)"
    ]


def test_a_column_of_bases_tells_the_basis_row_by_row() -> None:
    mapping = {**COMPLETE, "bulk_density": Column("bd", unit="g/cm3"), "bulk_density_basis": Column("basis")}
    assert resolve(tables(bd=1.3, basis="whole_soil"), mapping).faults == []


def test_total_carbon_alone_is_no_organic_carbon() -> None:
    mapping = {role: column for role, column in COMPLETE.items() if role != "soc"} | {"total_carbon": Column("oc", unit="%")}
    faults = resolve(tables(), mapping).faults
    assert len(faults) == 1
    assert "columns.total_carbon: found no inorganic_carbon or carbonate; expected one of them, or columns.soc" in faults[0]
    assert resolve(tables(ic=1.0), {**mapping, "carbonate": Column("ic", unit="%")}).faults == []


# --- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "column", "fault"),
    [
        ("soc", Column("oc"), "found no unit; expected one of the units g/kg, %"),
        ("soc", Column("oc", unit="kg"), "found unit 'kg'; expected one of the units"),
        ("bulk_density", Column("oc", unit="%"), "found unit '%'; expected one of the units g/cm3"),
        ("year", Column("oc", unit="a"), "found unit 'a'; expected none"),
        ("soc", Column("OC", unit="%"), "no column 'OC'; expected one of those there: a.csv has id, east, north, from, to, oc"),
        ("soc", Column(unit="%"), "neither or both of column and value"),
        ("soc", Column("oc", unit="%", value=3), "neither or both of column and value"),
        ("top", Column(value="surface", unit="cm"), "found value 'surface'; expected a number"),
        ("soc", Column("oc", unit="%", to_carbon=0.58), "with organic_matter only"),
        ("organic_matter", Column("oc", unit="%", to_carbon=58), "found to_carbon 58"),
        ("carbon", Column("oc", unit="%"), "unknown role; expected one of profile_id, x, y"),
        ("soc", Column("oc", unit="%", basis="fine_earth"), "found basis 'fine_earth'; expected it with bulk_density"),
        ("bulk_density", Column("oc", unit="g/cm3", basis="dry"), "found basis 'dry'; expected one of fine_earth, whole_soil"),
        ("bulk_density_reported", Column("oc", unit="g/cm3", basis="whole_soil"), "an estimate is not converted"),
        ("clay", Column("oc", unit="%", ignore=True), "found ignore beside other keys"),
        ("clay", Column("oc", unit="%", site_column="id"), "found site_column 'id'; expected it with profile_id only"),
        ("top", Column("from", unit="cm", censored_at=9.0), "found censored_at 9.0; expected it with rock_depth only"),
        ("soc", Column("oc + from", unit="%"), "only a profile_id can be made of several"),
    ],
)
def test_faults_of_one_role(role: str, column: Column, fault: str) -> None:
    mapping = {**COMPLETE, role: column}
    if role == "organic_matter":
        del mapping["soc"]
    faults = resolve(tables(), mapping).faults
    assert len(faults) == 1
    assert faults[0].startswith(f"a.csv: columns.{role}: ")
    assert fault in faults[0]


def test_all_faults_at_once() -> None:
    faults = resolve(tables(), {"soc": Column("OC", unit="g"), "organic_matter": Column("oc", unit="%")}).faults
    assert len(faults) == 6
    assert "found both soc and organic_matter" in faults[1]
    assert [fault.split(";")[0] for fault in faults[2:]] == [
        "a.csv: no column for top",
        "a.csv: no column for bottom",
        "a.csv: no column for lon or x or plus_code",
        "a.csv: no column for lat or y or plus_code",
    ]
