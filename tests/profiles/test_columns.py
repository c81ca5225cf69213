"""Roles, units and the faults of a mapping."""

from __future__ import annotations

import pandas as pd
import pytest

from edaphic.profiles import CANONICAL, ROLES, Column
from edaphic.profiles.clean import COLUMNS, OPTIONAL
from edaphic.profiles.columns import UNITLESS, Tables, resolve
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
    assert set(CANONICAL.values()) <= {*COLUMNS, *OPTIONAL}
    assert set(ROLES) - set(CANONICAL) == {"x", "y", "organic_matter"}
    for quantity in set(ROLES.values()) - set(UNITLESS):
        assert units_of(quantity)


def test_complete_mapping() -> None:
    roles, faults = resolve(tables(), COMPLETE)
    assert faults == []
    assert roles == COMPLETE


def test_canonical_columns_need_no_mapping() -> None:
    table = pd.DataFrame(
        [{"profile_id": "a", "lon": 1, "lat": 2, "top_cm": 0, "bottom_cm": 9, "soc_g_kg": 3, "clay_pct": 4}]
    )
    roles, faults = resolve(Tables(table, None, "a.csv", ""), {})
    assert faults == []
    assert set(roles) == {"profile_id", "lon", "lat", "top", "bottom", "soc", "clay"}
    assert roles["clay"] == Column("clay_pct", unit="%")


def test_a_named_role_keeps_the_canonical_one_of_its_twin_out() -> None:
    mapping = {**COMPLETE, "organic_matter": Column("oc", unit="%")}
    del mapping["soc"]
    roles, faults = resolve(tables(soc_g_kg=5.0, lon=1.0, lat=1.0), mapping)
    assert faults == []
    assert not {"soc", "lon", "lat"} & set(roles)


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
    ],
)
def test_faults_of_one_role(role: str, column: Column, fault: str) -> None:
    mapping = {**COMPLETE, role: column}
    if role == "organic_matter":
        del mapping["soc"]
    _, faults = resolve(tables(), mapping)
    assert len(faults) == 1
    assert faults[0].startswith(f"a.csv: columns.{role}: ")
    assert fault in faults[0]


def test_all_faults_at_once() -> None:
    _, faults = resolve(tables(), {"soc": Column("OC", unit="g"), "organic_matter": Column("oc", unit="%")})
    assert len(faults) == 6
    assert "found both soc and organic_matter" in faults[1]
    assert [fault.split(";")[0] for fault in faults[2:]] == [
        "a.csv: no column for top",
        "a.csv: no column for bottom",
        "a.csv: no column for lon or x",
        "a.csv: no column for lat or y",
    ]
