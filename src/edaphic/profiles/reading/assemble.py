"""One horizon table of the table or two tables of a source: labels, join of the sites, every role in its unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.profiles.cleaning.clean import COLUMNS, repair_rows
from edaphic.profiles.reading.cells import Cells, as_text, below_of, read_codes, read_numbers
from edaphic.profiles.reading.columns import CANONICAL, PLACES, ROLES, UNITLESS, Column, Tables
from edaphic.profiles.reading.methods import method_of, total_minus_inorganic
from edaphic.profiles.reading.pluscode import decode
from edaphic.profiles.reading.resolve import Resolution
from edaphic.units import BASES, ORGANIC_MATTER_TO_CARBON, stock_of_density, to_internal

Floats = NDArray[np.float64]

_NEEDS_NUMBERS = ("top", "bottom", "soc", "organic_matter", "total_carbon", "soc_stock", "soc_density", "x", "y", "lon", "lat")
_NAMES = {"organic_matter": "soc_g_kg", "x": "x", "y": "y", "lon": "x", "lat": "y", "soc_density": "soc_density_kg_m3"}
_BASIS = "bulk_density_basis"


@dataclass
class Assembly:
    """One source on its way: tables, label of every row, and what was found."""

    tables: Tables
    resolution: Resolution
    covariates: list[str]
    places: bool = True
    ids: pd.Series = field(default_factory=lambda: pd.Series(dtype="str"))
    site_ids: pd.Series = field(default_factory=lambda: pd.Series(dtype="str"))
    site_row: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    log: list[pd.DataFrame] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counted: dict[str, list[int]] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        """Everything that stops the reading."""
        return self.resolution.faults

    def rows(self, holder: str) -> pd.DataFrame:
        """Profile and row of each cell of a table; sites have no row in the table of horizons."""
        if holder == "horizons":
            return pd.DataFrame({"profile_id": self.ids, "row": np.arange(1, len(self.ids) + 1)})
        return pd.DataFrame({"profile_id": self.site_ids, "row": pd.array([pd.NA] * len(self.site_ids), dtype="Int64")})

    def lines(self) -> list[str]:
        """One line for each role: where it comes from."""
        return [
            f"{role}: {', then '.join(_described(self, role, i, column) for i, column in enumerate(columns))}, "
            f"{self.resolution.origins[role]}{_carbon_share(role, columns[0])}"
            for role, columns in self.resolution.roles.items()
        ]


def _described(reading: Assembly, role: str, place: int, column: Column) -> str:
    """A column with its unit and basis, in words."""
    holder = reading.tables.holder(role, column.column) if column.column is not None else None
    words = f"value {column.value!r}" if holder is None else f"column {column.column!r} of {reading.tables.file(holder)}"
    words += f" in {column.unit}" if column.unit else ""
    words += f", basis {column.basis}" if column.basis else ""
    counts = reading.counted.get(role, [])
    return words + (f" ({counts[place]} values)" if len(counts) > 1 else "")


def _carbon_share(role: str, column: Column) -> str:
    """Share of carbon in organic matter, and whether it is the one that is taken where none is stated."""
    if role != "organic_matter":
        return ""
    share = ORGANIC_MATTER_TO_CARBON if column.to_carbon is None else column.to_carbon
    origin = " (by default; to_carbon states another share)" if share == ORGANIC_MATTER_TO_CARBON else ", as stated"
    return f"; {share:g} of it carbon{origin}"


def label_rows(reading: Assembly) -> None:
    """Profile of every row of both tables."""
    tables, taken = reading.tables, reading.resolution.roles.get("profile_id")
    n = len(tables.horizons)
    if taken is None:
        reading.ids = pd.Series(np.arange(1, n + 1)).astype("str").radd("row_")
        whole = pd.DataFrame({"profile_id": [""], "row": pd.array([pd.NA], dtype="Int64")})
        reading.log.append(repair_rows(whole, "no profile_id", [tables.name], [f"{n} profiles"]))
        return
    column = taken[0]
    if column.column is None:
        reading.ids = pd.Series([str(column.value)] * n, dtype="str")
        if tables.sites is not None:
            reading.faults.append(f"{tables.name}: found one profile_id for all and a site table; expected a column")
        return
    site_column = column.site_column or column.column
    for table, name, wanted in (
        (tables.horizons, tables.name, column.column),
        (tables.sites, tables.site_name, " ".join(site_column.split())),
    ):
        if table is not None and not all(part in table for part in ([wanted] if wanted in table else wanted.split(" + "))):
            reading.faults.append(f"{name}: no column {wanted!r} for profile_id; expected one of those there: {tables.described()}")
    if reading.faults:
        return
    reading.ids = _labels(tables.horizons, column.column)
    if tables.sites is not None:
        reading.site_ids = _labels(tables.sites, " ".join(site_column.split()))
        _match_sites(reading)


def _labels(table: pd.DataFrame, column: str) -> pd.Series:
    """Labels of profiles, of one column or of several joined by a colon; missing where all parts are."""
    if column in table:
        return as_text(table[column])
    parts = [as_text(table[part]) for part in column.split(" + ")]
    joined = parts[0].fillna("")
    for part in parts[1:]:
        joined = joined + ":" + part.fillna("")
    return joined.where(pd.concat(parts, axis=1).notna().any(axis=1))


def _match_sites(reading: Assembly) -> None:
    """Row of the site table for each horizon; log of sites without horizons and sites that are listed twice."""
    sites, ids, tables = reading.site_ids, reading.ids, reading.tables
    # Labels as whole numbers: comparing text a million times is slow.
    codes, labels = pd.factorize(pd.concat([sites, ids], ignore_index=True))
    of_sites, of_horizons = codes[: len(sites)], codes[len(sites) :]
    row = np.full(len(labels) + 1, -1, dtype=np.int64)
    # Written from the last to the first, so that the first of a site that is listed twice stays.
    row[of_sites[::-1]] = np.arange(len(sites))[::-1]
    row[-1] = -1
    reading.site_row = row[of_horizons]
    if (reading.site_row < 0).all():
        reading.faults.append(
            f"{tables.name}: no profile_id (the first is {ids.iloc[0]!r}) is in {tables.site_name} (the first is "
            f"{sites.iloc[0]!r}); expected the same labels in both"
        )
    used = np.zeros(len(labels) + 1, dtype=bool)
    used[of_horizons] = True
    used[-1] = False
    again = (of_sites >= 0) & (row[of_sites] != np.arange(len(sites)))
    rows = reading.rows("sites")
    reading.log.append(repair_rows(rows[~used[of_sites]], "site without horizons"))
    reading.log.append(repair_rows(rows[again & used[of_sites]], "site repeated"))


def build(reading: Assembly) -> pd.DataFrame:
    """Horizon table of numbers and words, coordinates still as they came in columns x and y."""
    tables, roles = reading.tables, reading.resolution.roles
    table = pd.DataFrame({"profile_id": reading.ids, "row": np.arange(1, len(reading.ids) + 1)})
    for role, columns in roles.items():
        if role == "profile_id" or (role == _BASIS and "bulk_density" in roles):
            continue
        if role == "plus_code":
            table["x"], table["y"] = _decoded(reading, columns[0])
        elif ROLES[role] == "text":
            table[CANONICAL[role]] = _words(reading, role, columns[0])
        elif role == "bulk_density":
            table["bulk_density_g_cm3"], table[_BASIS] = _bulk_density(reading, columns)
        else:
            name = _NAMES.get(role) or CANONICAL[role]
            if role == "coarse_fragments" and str(columns[0].unit).startswith("mass"):
                name = "coarse_fragments_mass_pct"
            before = len(reading.faults)
            table[name] = _numbers(reading, role, columns[0])
            needed = role in _NEEDS_NUMBERS and not (role in ("soc", "organic_matter") and "total_carbon" in roles)
            if needed and len(reading.faults) == before and table[name].isna().all():
                file = f"{tables.name}: columns.{role}"
                reading.faults.append(f"{file}: no number in {columns[0].column!r}; expected numbers")
    if "soc_density_kg_m3" in table:
        thickness = table["bottom_cm"] - table["top_cm"]
        table["soc_stock_kg_m2"] = stock_of_density(table.pop("soc_density_kg_m3"), thickness)
    _add_covariates(reading, table)
    for name in COLUMNS:
        if name not in table and name not in ("lon", "lat", "source"):
            table[name] = np.nan
    if "total_carbon_g_kg" in table and not reading.faults:
        table, log = total_minus_inorganic(table)
        reading.log.append(log)
    return _with_places(reading, table)


def _with_places(reading: Assembly, table: pd.DataFrame) -> pd.DataFrame:
    """Without the profiles that the site table would have to place and does not hold."""
    tables, roles = reading.tables, reading.resolution.roles
    held = (tables.holder(role, roles[role][0].column or "") for role in PLACES if role in roles)
    if not reading.places or "sites" not in held:
        return table
    alone = (reading.site_row < 0) & table["profile_id"].notna().to_numpy()
    head = table[alone & ~table["profile_id"].duplicated().to_numpy()]
    sizes = table["profile_id"].groupby(table["profile_id"]).transform("size")[head.index]
    reading.log.append(repair_rows(head, "horizons without site", [f"{int(size)} horizons" for size in sizes]))
    return table[~alone].reset_index(drop=True)


def _spread(reading: Assembly, holder: str, values: Floats) -> Floats:
    """Numbers of a table for every horizon."""
    if holder == "horizons":
        return values
    return np.where(reading.site_row >= 0, values[reading.site_row], np.nan)


def _numbers(reading: Assembly, role: str, column: Column) -> Floats:
    """Numbers of one role for every horizon, in internal units."""
    tables, quantity = reading.tables, ROLES[role]
    if column.column is None:
        numbers = np.full(len(reading.ids), float(column.value or 0.0))
    else:
        holder = tables.holder(role, column.column) or "horizons"
        place = tables.file(holder), column.column
        values = tables.table(holder)[column.column]
        by_commas = tables.table(holder).attrs.get("delimiter") == ","
        found = read_numbers(Cells(role, quantity, values, reading.rows(holder), place, column.unit, by_commas))
        reading.notes += found.notes
        reading.log += found.log
        reading.faults.extend(found.faults)
        numbers = _spread(reading, holder, found.numbers)
    if column.censored_at is not None:
        with np.errstate(invalid="ignore"):
            censored = numbers >= column.censored_at
        reading.notes.append(f"{role}: {int(censored.sum())} rows at {column.censored_at:g} or more read as missing")
        numbers = np.where(censored, np.nan, numbers)
    if quantity not in UNITLESS:
        numbers = to_internal(numbers, quantity, column.unit, role)
    if role == "organic_matter":
        numbers = numbers * (ORGANIC_MATTER_TO_CARBON if column.to_carbon is None else column.to_carbon)
    return numbers


def _bulk_density(reading: Assembly, columns: Sequence[Column]) -> tuple[Floats, pd.Series]:
    """Bulk density and its basis: of several columns the first that has a number, row by row."""
    density = np.full(len(reading.ids), np.nan)
    basis = np.full(len(reading.ids), "", dtype=object)
    counts = []
    for column in columns:
        numbers = _numbers(reading, "bulk_density", column)
        new = np.isnan(density) & ~np.isnan(numbers)
        density[new], basis[new] = numbers[new], column.basis or ""
        counts.append(int(new.sum()))
    reading.counted["bulk_density"] = counts
    given = reading.resolution.roles.get(_BASIS)
    if given is not None:
        basis = _bases(reading, given[0], ~np.isnan(density)).to_numpy(dtype=object)
    return density, pd.Series(basis, dtype="str")


def _bases(reading: Assembly, column: Column, measured: NDArray[np.bool_]) -> pd.Series:
    """Basis of each bulk density, from a column of its own."""
    named = _words(reading, _BASIS, column).where(measured, "")
    strange = measured & ~named.isin(list(BASES)).to_numpy()
    if strange.any():
        row = int(np.flatnonzero(strange)[0])
        reading.faults.append(
            f"{reading.tables.name}: row {row + 1}: {_BASIS}: found basis {named.iloc[row]!r}; expected one of {', '.join(BASES)}"
        )
    return named


def _words(reading: Assembly, role: str, column: Column) -> pd.Series:
    """Words of one role for every horizon, "" where there are none."""
    if column.column is None:
        words = pd.Series([str(column.value)] * len(reading.ids), dtype="str")
    else:
        words = _raw(reading, role, column.column)
    if role == "soc_method":
        return method_of(words)
    return below_of(words) if role == "below" else words.fillna("")


def _raw(reading: Assembly, role: str, column: str) -> pd.Series:
    """Cells of either table as text, for every horizon."""
    holder = reading.tables.holder(role, column) or "horizons"
    words = as_text(reading.tables.table(holder)[column])
    if holder == "sites":
        words = words.take(reading.site_row).where(reading.site_row >= 0).reset_index(drop=True)
    return words


def _decoded(reading: Assembly, column: Column) -> tuple[Floats, Floats]:
    """Coordinates of open location codes."""
    if column.column is None:
        codes = pd.Series([str(column.value)] * len(reading.ids), dtype="str")
        holder = "horizons"
    else:
        holder = reading.tables.holder("plus_code", column.column) or "horizons"
        codes = as_text(reading.tables.table(holder)[column.column])
    lon, lat = decode(codes)
    place = reading.tables.file(holder), str(column.column or column.value)
    found = read_codes(Cells("plus_code", "text", codes, reading.rows(holder), place), lon)
    reading.log += found.log
    reading.faults.extend(found.faults)
    return _spread(reading, holder, lon), _spread(reading, holder, lat)


def _add_covariates(reading: Assembly, table: pd.DataFrame) -> None:
    """Columns that are carried along."""
    for asked in reading.covariates:
        name = " ".join(asked.split())
        holder = reading.tables.holder("covariate", name)
        if holder is None or name in {*table.columns, *COLUMNS, "x", "y"}:
            found = "no column" if holder is None else "a name of the horizon table"
            reading.faults.append(
                f"{reading.tables.name}: covariates: found {found} {name!r}; expected one of those there, with a name of its own: "
                f"{reading.tables.described()}"
            )
            continue
        values = reading.tables.table(holder)[name].reset_index(drop=True)
        if pd.api.types.is_numeric_dtype(values):
            numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
            table[name] = _spread(reading, holder, np.asarray(numbers, dtype=np.float64))
        else:
            table[name] = _raw(reading, "covariate", name)
