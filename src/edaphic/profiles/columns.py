"""Roles of columns: what a source table's columns mean, and in which unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from edaphic.units import units_of

ROLES: Mapping[str, str] = MappingProxyType(
    {
        "profile_id": "text",
        "x": "coordinate",
        "y": "coordinate",
        "lon": "coordinate",
        "lat": "coordinate",
        "year": "year",
        "top": "depth",
        "bottom": "depth",
        "soc": "soc",
        "organic_matter": "soc",
        "bulk_density": "bulk_density",
        "coarse_fragments": "coarse_fragments",
        "clay": "texture",
        "silt": "texture",
        "sand": "texture",
        "ph_h2o": "number",
        "total_n": "soc",
    }
)
"""What a column can be, and the quantity it measures (which says what units it may have)."""

CANONICAL: Mapping[str, str] = MappingProxyType(
    {
        "profile_id": "profile_id",
        "lon": "lon",
        "lat": "lat",
        "year": "year",
        "top": "top_cm",
        "bottom": "bottom_cm",
        "soc": "soc_g_kg",
        "bulk_density": "bulk_density_g_cm3",
        "coarse_fragments": "coarse_fragments_vol_pct",
        "clay": "clay_pct",
        "silt": "silt_pct",
        "sand": "sand_pct",
        "ph_h2o": "ph_h2o",
        "total_n": "total_n_g_kg",
    }
)
"""Column of the horizon table for each role; a source column of that name needs no mapping."""

UNITLESS = ("text", "coordinate", "year", "number")
PLACES = ("x", "y", "lon", "lat")

_CANONICAL_UNIT = {
    "depth": "cm", "soc": "g/kg", "bulk_density": "g/cm3", "coarse_fragments": "vol%", "texture": "%",
}  # fmt: skip
# A role that stands for another: where one is named, the canonical column of the other is not looked for.
_INSTEAD = {"soc": ("organic_matter",), "lon": ("x", "y"), "lat": ("x", "y")}
_REQUIRED = (("top",), ("bottom",), ("soc", "organic_matter"), ("lon", "x"), ("lat", "y"))


@dataclass(frozen=True)
class Column:
    """Where a role comes from: a column with its unit, or one value for all rows.

    Attributes
    ----------
    column : str, optional
        Name in the horizon or site table.
    unit : str, optional
        Unit of the numbers; required for every quantity that has one.
    value : float or str, optional
        A constant instead of a column.
    to_carbon : float, optional
        Organic matter only: share of carbon in it, 0.58 where not given.

    Examples
    --------
    >>> Column("SOC", unit="%", to_carbon=0.58).column
    'SOC'
    """

    column: str | None = None
    unit: str | None = None
    value: float | str | None = None
    to_carbon: float | None = None


@dataclass(frozen=True)
class Tables:
    """The table or two tables of one source."""

    horizons: pd.DataFrame
    sites: pd.DataFrame | None
    name: str
    site_name: str

    def holder(self, role: str, column: str) -> str | None:
        """Which table holds a column: for places and dates the site table is asked first."""
        held = {"horizons": column in self.horizons, "sites": self.sites is not None and column in self.sites}
        order = ("sites", "horizons") if role in (*PLACES, "year") else ("horizons", "sites")
        return next((table for table in order if held[table]), None)

    def crs(self) -> str | None:
        """CRS of the geometry that the files came with."""
        for table in (self.sites, self.horizons):
            if table is not None and "crs" in table.attrs:
                return str(table.attrs["crs"])
        return None

    def described(self) -> str:
        """What columns there are, for a message."""
        listed = f"{self.name} has {', '.join(map(str, self.horizons.columns[:40]))}"
        if self.sites is not None:
            listed += f"; {self.site_name} has {', '.join(map(str, self.sites.columns[:40]))}"
        return listed


def resolve(tables: Tables, columns: Mapping[str, Column]) -> tuple[dict[str, Column], list[str]]:
    """Column of every role that has one, and all faults of the mapping.

    Roles that are not named are taken from columns of canonical name, coordinates also from the geometry of the file.

    >>> tables = Tables(pd.DataFrame({"top_cm": [0], "SOC": [2]}), None, "a.csv", "")
    >>> roles, faults = resolve(tables, {"soc": Column("SOC")})
    >>> sorted(roles), faults[0]
    (['top'], 'a.csv: columns.soc: found no unit; expected one of the units g/kg, %, dg/kg, mg/g, mg/kg')
    """
    faults = [
        f"{tables.name}: columns.{role}: {fault}"
        for role, column in columns.items()
        if (fault := _fault(tables, role, column))
    ]
    for pair in (("soc", "organic_matter"), ("x", "lon"), ("y", "lat")):
        if all(role in columns for role in pair):
            faults.append(f"{tables.name}: columns: found both {pair[0]} and {pair[1]}; expected one of the two")
    wanted = {role: column for role, column in columns.items() if not _fault(tables, role, column)}
    if tables.crs() is not None and not set(columns) & set(PLACES):
        wanted |= {"x": Column("x"), "y": Column("y")}
    named = set(columns) | set(wanted)
    for role, name in CANONICAL.items():
        if role not in named and not named & set(_INSTEAD.get(role, ())) and tables.holder(role, name):
            wanted[role] = Column(name, unit=_CANONICAL_UNIT.get(ROLES[role]))
    required = _REQUIRED if tables.sites is None else (("profile_id",), *_REQUIRED)
    faults += [
        f"{tables.name}: no column for {' or '.join(roles)}; expected columns.{roles[0]} or a column "
        f"{CANONICAL[roles[0]]}; {tables.described()}"
        for roles in required
        if not any(role in wanted or role in columns for role in roles)
    ]
    return wanted, faults


def _fault(tables: Tables, role: str, column: Column) -> str:
    """What is wrong with one mapping, or nothing."""
    if role not in ROLES:
        return f"unknown role; expected one of {', '.join(ROLES)}"
    quantity = ROLES[role]
    if (column.column is None) == (column.value is None):
        return "found neither or both of column and value; expected one of the two"
    if column.column is not None and tables.holder(role, column.column) is None:
        return f"no column {column.column!r}; expected one of those there: {tables.described()}"
    if quantity not in UNITLESS and (column.unit is None or column.unit not in units_of(quantity)):
        found = "no unit" if column.unit is None else f"unit {column.unit!r}"
        return f"found {found}; expected one of the units {', '.join(units_of(quantity))}"
    if quantity in UNITLESS and column.unit is not None:
        return f"found unit {column.unit!r}; expected none"
    if column.to_carbon is not None and not (role == "organic_matter" and 0 < column.to_carbon <= 1):
        return f"found to_carbon {column.to_carbon}; expected a share above 0 up to 1, with organic_matter only"
    if column.value is not None and quantity != "text" and not _is_number(column.value):
        return f"found value {column.value!r}; expected a number"
    return ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
