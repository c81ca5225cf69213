"""Roles of columns: what a source table's columns mean, in which unit, and on which basis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from edaphic.units import BASES, EXCEL_SERIAL, units_of

ROLES: Mapping[str, str] = MappingProxyType(
    {
        "profile_id": "text",
        "x": "coordinate",
        "y": "coordinate",
        "lon": "coordinate",
        "lat": "coordinate",
        "plus_code": "text",
        "position_error": "length",
        "year": "year",
        "top": "depth",
        "bottom": "depth",
        "soc": "soc",
        "organic_matter": "soc",
        "soc_method": "text",
        "total_carbon": "soc",
        "inorganic_carbon": "soc",
        "carbonate": "soc",
        "soc_stock": "soc_stock",
        "soc_density": "soc_density",
        "bulk_density": "bulk_density",
        "bulk_density_basis": "text",
        "bulk_density_reported": "bulk_density",
        "coarse_fragments": "coarse_fragments",
        "coarse_fragments_class": "text",
        "clay": "texture",
        "silt": "texture",
        "sand": "texture",
        "ph_h2o": "number",
        "total_n": "soc",
        "weight": "number",
        "below": "text",
        "rock_depth": "depth",
    }
)
"""What a column can be, and the quantity it measures (which says what units it may have)."""

CANONICAL: Mapping[str, str] = MappingProxyType(
    {
        "profile_id": "profile_id",
        "lon": "lon",
        "lat": "lat",
        "position_error": "position_error_m",
        "year": "year",
        "top": "top_cm",
        "bottom": "bottom_cm",
        "soc": "soc_g_kg",
        "soc_method": "soc_method",
        "total_carbon": "total_carbon_g_kg",
        "inorganic_carbon": "inorganic_carbon_g_kg",
        "carbonate": "carbonate_g_kg",
        "soc_stock": "soc_stock_kg_m2",
        "bulk_density": "bulk_density_g_cm3",
        "bulk_density_basis": "bulk_density_basis",
        "bulk_density_reported": "bulk_density_reported_g_cm3",
        "coarse_fragments": "coarse_fragments_vol_pct",
        "coarse_fragments_class": "coarse_fragments_class",
        "clay": "clay_pct",
        "silt": "silt_pct",
        "sand": "sand_pct",
        "ph_h2o": "ph_h2o",
        "total_n": "total_n_g_kg",
        "weight": "weight",
        "below": "below",
        "rock_depth": "rock_depth_cm",
    }
)
"""Column of the horizon table for each role; a source column of that name needs no mapping."""

UNITLESS = ("text", "coordinate", "year", "number")
PLACES = ("x", "y", "lon", "lat", "plus_code")
WITH_BASIS = ("bulk_density", "bulk_density_reported")

_BASIS_FAULT = "found no basis; expected basis: " + ", or ".join(f"{basis} ({words})" for basis, words in BASES.items())


@dataclass(frozen=True)
class Column:
    """Where a role comes from: a column with its unit, or one value for all rows; or that it is not read.

    Attributes
    ----------
    column : str, optional
        Name in the horizon or site table. A label of the profile may need several columns: "site + pit".
    unit : str, optional
        Unit of the numbers; required for every quantity that has one and where no schema tells it.
    value : float or str, optional
        A constant instead of a column.
    to_carbon : float, optional
        Organic matter only: share of carbon in it, 0.58 where not given.
    basis : str, optional
        Bulk density only, and required there: a key of :data:`edaphic.units.BASES`.
    site_column : str, optional
        Labels of profiles only: their name in the site table, where it is another.
    censored_at : float, optional
        Depth to rock only, in its unit: numbers from here on say that no rock was reached, and are read as missing.
    ignore : bool
        The role is not read, whatever columns there are.

    Examples
    --------
    >>> Column("SOC", unit="%", to_carbon=0.58).column
    'SOC'
    >>> Column("BD", unit="g/cm3", basis="whole_soil").basis
    'whole_soil'
    """

    column: str | None = None
    unit: str | None = None
    value: float | str | None = None
    to_carbon: float | None = None
    basis: str | None = None
    site_column: str | None = None
    censored_at: float | None = None
    ignore: bool = False


@dataclass(frozen=True)
class Tables:
    """The table or two tables of one source."""

    horizons: pd.DataFrame
    sites: pd.DataFrame | None
    name: str
    site_name: str

    def holder(self, role: str, column: str) -> str | None:
        """Which table holds a column: for places and dates the site table is asked first."""
        held = {
            "horizons": _all_in(column, self.horizons),
            "sites": self.sites is not None and _all_in(column, self.sites),
        }
        order = ("sites", "horizons") if role in (*PLACES, "year") else ("horizons", "sites")
        return next((table for table in order if held[table]), None)

    def table(self, holder: str) -> pd.DataFrame:
        """The table that a holder names."""
        return self.horizons if holder == "horizons" or self.sites is None else self.sites

    def file(self, holder: str) -> str:
        """Name of the file of a holder."""
        return self.name if holder == "horizons" else self.site_name

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


def names_of(tables: Tables) -> list[str]:
    """Columns of both tables."""
    sites = [] if tables.sites is None else list(tables.sites.columns)
    return list(dict.fromkeys(map(str, [*tables.horizons.columns, *sites])))


def _all_in(column: str, table: pd.DataFrame) -> bool:
    return column in table or (" + " in column and all(part in table for part in column.split(" + ")))


def unsure(role: str, unit: str | None, basis: str | None) -> bool:
    """Whether a schema leaves open what must be known."""
    return (ROLES[role] not in UNITLESS and unit is None) or (role in WITH_BASIS and basis is None)


def fault_of(tables: Tables, role: str, column: Column, basis_given: bool) -> str:
    """What is wrong with one mapping, or nothing. ``basis_given``: another column tells the basis of each bulk density."""
    if role not in ROLES:
        return f"unknown role; expected one of {', '.join(ROLES)}"
    if column.ignore:
        return "" if column == Column(ignore=True) else "found ignore beside other keys; expected ignore alone"
    quantity = ROLES[role]
    if (column.column is None) == (column.value is None):
        return "found neither or both of column and value; expected one of the two"
    if column.column is not None:
        if tables.holder(role, column.column) is None:
            return f"no column {column.column!r}; expected one of those there: {tables.described()}"
        if " + " in column.column and role != "profile_id" and column.column not in names_of(tables):
            return f"found several columns {column.column!r}; expected one, only a profile_id can be made of several"
    return _fault_of_numbers(role, quantity, column, basis_given)


def _fault_of_numbers(role: str, quantity: str, column: Column, basis_given: bool) -> str:
    """What is wrong with unit, basis, share of carbon or constant, or nothing."""
    if quantity not in UNITLESS and (column.unit is None or column.unit not in units_of(quantity)):
        found = "no unit" if column.unit is None else f"unit {column.unit!r}"
        return f"found {found}; expected one of the units {', '.join(units_of(quantity))}"
    if quantity in UNITLESS and column.unit is not None and not (quantity == "year" and column.unit == EXCEL_SERIAL):
        return f"found unit {column.unit!r}; expected none" + (f" or {EXCEL_SERIAL}" if quantity == "year" else "")
    if column.to_carbon is not None and not (role == "organic_matter" and 0 < column.to_carbon <= 1):
        return f"found to_carbon {column.to_carbon}; expected a share above 0 up to 1, with organic_matter only"
    if column.value is not None and quantity != "text" and not _is_number(column.value):
        return f"found value {column.value!r}; expected a number"
    if column.site_column is not None and role != "profile_id":
        return f"found site_column {column.site_column!r}; expected it with profile_id only"
    if column.censored_at is not None and role != "rock_depth":
        return f"found censored_at {column.censored_at}; expected it with rock_depth only"
    return _fault_of_basis(role, column, basis_given)


def _fault_of_basis(role: str, column: Column, basis_given: bool) -> str:
    """What is wrong with the basis of a bulk density, or nothing."""
    if role not in WITH_BASIS:
        return "" if column.basis is None else f"found basis {column.basis!r}; expected it with {' and '.join(WITH_BASIS)} only"
    if column.basis is None:
        return "" if basis_given and role == "bulk_density" else _BASIS_FAULT
    if column.basis not in BASES:
        return f"found basis {column.basis!r}; expected one of {', '.join(BASES)}"
    if role == "bulk_density_reported" and column.basis != "fine_earth":
        return f"found basis {column.basis!r}; expected fine_earth: an estimate is not converted (name it bulk_density to have that)"
    return ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
