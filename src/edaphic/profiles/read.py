"""Source tables of any layout into the canonical horizon table.

Nothing is repaired here: text that should be a number becomes missing and is logged, units are converted, coordinates
become longitude and latitude. Depths, contents and places are put right by :mod:`edaphic.profiles.clean`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
from numpy.typing import NDArray

from edaphic.errors import TableError, UnitError
from edaphic.profiles.clean import COLUMNS, OPTIONAL, concat_repairs, repair_rows
from edaphic.profiles.columns import CANONICAL, PLACES, ROLES, UNITLESS, Column, Tables, resolve
from edaphic.profiles.tables import read_table
from edaphic.units import ORGANIC_MATTER_TO_CARBON, to_internal

Floats = NDArray[np.float64]

WGS84 = "EPSG:4326"
_NEEDS_NUMBERS = ("top", "bottom", "soc", "organic_matter", "x", "y", "lon", "lat")
FAR_FROM_CRS_DEG = 5.0
"""A source whose middle lies this far outside the area of its CRS has the wrong CRS."""


def read_source(
    horizons: Path | str,
    columns: Mapping[str, Column],
    *,
    sites: Path | str | None = None,
    crs: str | None = None,
    source: str | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read one source into the horizon table.

    Parameters
    ----------
    horizons : Path
        Table with one row per horizon (see :func:`edaphic.profiles.read_table`).
    columns : mapping of role to Column
        Roles are the keys of :data:`edaphic.profiles.ROLES`. A role that is not named is taken from a column of
        canonical name (``top_cm``, ``soc_g_kg`` ...), whose unit the name tells, coordinates also from the geometry
        of the file.
    sites : Path, optional
        Table with one row per profile, joined by profile_id; it may hold any of the columns.
    crs : str, optional
        CRS of the coordinates; where not given that of the file's geometry, else WGS 84 for roles ``lon`` and ``lat``.
        Roles ``x`` and ``y`` need one.
    source : str, optional
        Name that marks the rows; the file's name without ending where not given.

    Returns
    -------
    horizons : DataFrame
        Raw horizon table: canonical names and units, ``row`` the 1-based data row of the file. Values are not repaired.
        Fragments given by mass are in ``coarse_fragments_mass_pct`` until the bulk density is known.
    repairs : DataFrame
        What was read as missing or left out, as in :func:`edaphic.profiles.clean`; ``row`` is missing for rows of the
        site table.

    Raises
    ------
    TableError, UnitError
        All faults of :func:`check_source` at once (UnitError where every one of them is about a unit).

    Notes ----- Where no column is named profile_id and there is no site table, every row is a profile of its own,
    provided that no two rows share a place; the log says so.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.csv"
    ...     _ = path.write_text("id,lon,lat,from,to,om\\n1,21,41,0,0.2,2\\n")
    ...     raw, _ = read_source(path, {
    ...         "profile_id": Column("id"), "top": Column("from", unit="m"), "bottom": Column("to", unit="m"),
    ...         "organic_matter": Column("om", unit="%")})
    >>> raw[["profile_id", "top_cm", "bottom_cm", "soc_g_kg", "source", "row"]].values.tolist()
    [['1', 0.0, 20.0, 11.6, 'a', 1]]
    """
    table, log, faults = _read(horizons, columns, sites, crs, source)
    if faults:
        of_units = all("found no unit" in fault or "found unit" in fault for fault in faults)
        raise (UnitError if of_units else TableError)(faults)
    return table, log


def check_source(
    horizons: Path | str,
    columns: Mapping[str, Column],
    *,
    sites: Path | str | None = None,
    crs: str | None = None,
    source: str | None = None,
) -> tuple[list[str], tuple[int, int]]:
    """Every fault that would stop :func:`read_source`, without raising; and numbers of profiles and horizons.

    >>> check_source("no.csv", {})
    (['no.csv: no such file; expected a table'], (0, 0))
    """
    table, _, faults = _read(horizons, columns, sites, crs, source)
    return faults, (0, 0) if faults else (int(table["profile_id"].nunique()), len(table))


def stack_sources(sources: Sequence[tuple[pd.DataFrame, pd.DataFrame]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One horizon table and one repair log of several sources, as :func:`read_source` gave them.

    Columns that only some sources have are missing in the others. A second source of the same name, say ``horizons``,
    is called ``horizons_2``, so that equal labels of profiles are not taken for one profile.

    >>> table, log = pd.DataFrame({"profile_id": ["1"], "source": "a", "clay_pct": 20.0}), concat_repairs([])
    >>> stacked, _ = stack_sources([(table, log), (table.drop(columns="clay_pct"), log)])
    >>> stacked.values.tolist()
    [['1', 'a', 20.0], ['1', 'a_2', nan]]
    """
    if not sources:
        raise TableError("profiles: no source; expected at least one table of horizons")
    tables: list[pd.DataFrame] = []
    taken: list[str] = []
    for table, _ in sources:
        name = str(table["source"].iloc[0])
        taken.append(name)
        again = taken.count(name)
        tables.append(table if again == 1 else table.assign(source=f"{name}_{again}"))
    table = pd.concat(tables, ignore_index=True)
    return table, concat_repairs([log for _, log in sources])


@dataclass
class _Reading:
    """One source on its way: tables, label of every row, and what was found."""

    tables: Tables
    roles: dict[str, Column]
    ids: pd.Series = field(default_factory=lambda: pd.Series(dtype="str"))
    site_ids: pd.Series = field(default_factory=lambda: pd.Series(dtype="str"))
    faults: list[str] = field(default_factory=list)
    log: list[pd.DataFrame] = field(default_factory=list)


def _read(
    horizons: Path | str, columns: Mapping[str, Column], sites: Path | str | None, crs: str | None, source: str | None
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Table, log and faults; the table is empty where there are faults."""
    read: list[pd.DataFrame] = []
    faults: list[str] = []
    nothing = pd.DataFrame(), concat_repairs([])
    for path in [horizons] if sites is None else [horizons, sites]:
        try:
            read.append(read_table(path))
        except TableError as error:
            faults.extend(error.faults)
    if faults:
        return *nothing, faults
    tables = Tables(read[0], None if sites is None else read[1], Path(horizons).name, Path(sites or "").name)
    roles, faults = resolve(tables, columns)
    reading = _Reading(tables, roles, faults=faults)
    projection = _projection(reading, crs)
    if not faults:
        _label_rows(reading)
    if faults or projection is None:
        return *nothing, faults
    table = _build(reading)
    _place(reading, table, projection)
    if faults:
        return *nothing, faults
    table["source"] = Path(horizons).name.split(".")[0] if source is None else source
    rest = [name for name in OPTIONAL if name in table]
    return table[[*COLUMNS, *rest]], concat_repairs(reading.log), []


def _projection(reading: _Reading, crs: str | None) -> pyproj.CRS | None:
    """CRS of the coordinates."""
    found = crs or reading.tables.crs() or (WGS84 if "lon" in reading.roles else None)
    if found is None:
        if "x" in reading.roles:
            reading.faults.append(f"{reading.tables.name}: found no crs for x and y; expected for example crs: {WGS84}")
        return None
    try:
        return pyproj.CRS.from_user_input(found)
    except pyproj.exceptions.CRSError:
        reading.faults.append(f"{reading.tables.name}: found crs {found!r}; expected a code such as {WGS84}")
        return None


def _label_rows(reading: _Reading) -> None:
    """Profile of every row of both tables."""
    tables, column = reading.tables, reading.roles.get("profile_id")
    n = len(tables.horizons)
    if column is None:
        reading.ids = pd.Series([f"row_{number}" for number in range(1, n + 1)], dtype="str")
        whole = pd.DataFrame({"profile_id": [""], "row": pd.array([pd.NA], dtype="Int64")})
        reading.log.append(repair_rows(whole, "no profile_id", [tables.name], [f"{n} profiles"]))
        return
    if column.column is None:
        reading.ids = pd.Series([str(column.value)] * n, dtype="str")
        if tables.sites is not None:
            reading.faults.append(f"{tables.name}: found one profile_id for all and a site table; expected a column")
        return
    for table, name in ((tables.horizons, tables.name), (tables.sites, tables.site_name)):
        if table is not None and column.column not in table:
            reading.faults.append(f"{name}: no column {column.column!r} for profile_id; expected one of those there: {tables.described()}")
    if reading.faults:
        return
    reading.ids = _as_text(tables.horizons[column.column])
    if tables.sites is not None:
        reading.site_ids = _as_text(tables.sites[column.column])
        _match_sites(reading)


def _match_sites(reading: _Reading) -> None:
    """Log sites without horizons and sites that are listed twice."""
    sites, ids, tables = reading.site_ids, reading.ids, reading.tables
    if not ids.isin(sites.dropna()).any():
        reading.faults.append(
            f"{tables.name}: no profile_id (the first is {ids.iloc[0]!r}) is in {tables.site_name} (the first is "
            f"{sites.iloc[0]!r}); expected the same labels in both"
        )
    rows = pd.DataFrame({"profile_id": sites, "row": pd.array([pd.NA] * len(sites), dtype="Int64")})
    reading.log.append(repair_rows(rows[~sites.isin(ids)], "site without horizons"))
    reading.log.append(repair_rows(rows[sites.duplicated() & sites.isin(ids)], "site repeated"))


def _build(reading: _Reading) -> pd.DataFrame:
    """Horizon table of numbers, coordinates still as they came in columns x and y."""
    tables, roles = reading.tables, reading.roles
    table = pd.DataFrame({"profile_id": reading.ids, "row": np.arange(1, len(reading.ids) + 1)})
    names = {"organic_matter": "soc_g_kg", "x": "x", "y": "y", "lon": "x", "lat": "y"}
    for role, column in roles.items():
        if role == "profile_id":
            continue
        name = names.get(role) or CANONICAL[role]
        if role == "coarse_fragments" and str(column.unit).startswith("mass"):
            name = "coarse_fragments_mass_pct"
        table[name] = _numbers(reading, role, column)
        if role in _NEEDS_NUMBERS and table[name].isna().all():
            reading.faults.append(f"{tables.name}: columns.{role}: no number in {column.column!r}; expected numbers")
    for name in COLUMNS:
        if name not in table and name not in ("lon", "lat", "source"):
            table[name] = np.nan
    if any(tables.holder(role, roles[role].column or "") == "sites" for role in PLACES if role in roles):
        alone = ~table["profile_id"].isin(reading.site_ids.dropna()) & table["profile_id"].notna()
        head = alone & ~table["profile_id"].duplicated()
        reading.log.append(repair_rows(table[head], "horizons without site", _counts(table["profile_id"], head)))
        table = table[~alone].reset_index(drop=True)
    return table


def _counts(ids: pd.Series, head: pd.Series) -> list[str]:
    """Number of horizons of the profiles that begin at ``head``."""
    sizes = ids.groupby(ids).transform("size")[head]
    return [f"{int(size)} horizons" for size in sizes]


def _numbers(reading: _Reading, role: str, column: Column) -> Floats:
    """Numbers of one role for every horizon, in internal units."""
    tables = reading.tables
    if column.column is None:
        numbers = np.full(len(reading.ids), float(column.value or 0.0))
    elif tables.holder(role, column.column) == "horizons":
        rows = pd.DataFrame({"profile_id": reading.ids, "row": np.arange(1, len(reading.ids) + 1)})
        numbers = _parsed(reading, role, tables.horizons[column.column], rows)
    else:
        numbers = _from_sites(reading, role, column.column)
    quantity = ROLES[role]
    if quantity not in UNITLESS:
        numbers = to_internal(numbers, quantity, column.unit, role)
    if role == "organic_matter":
        numbers = numbers * (ORGANIC_MATTER_TO_CARBON if column.to_carbon is None else column.to_carbon)
    return numbers


def _from_sites(reading: _Reading, role: str, column: str) -> Floats:
    """Numbers of the site table for every horizon of the site."""
    sites, ids = reading.tables.sites, reading.site_ids
    assert sites is not None
    rows = pd.DataFrame({"profile_id": ids, "row": pd.array([pd.NA] * len(ids), dtype="Int64")})
    numbers = pd.Series(_parsed(reading, role, sites[column], rows), index=ids)
    first = (ids.notna() & ~ids.duplicated()).to_numpy()
    return np.asarray(numbers[first].reindex(reading.ids), dtype=np.float64)


def _parsed(reading: _Reading, role: str, values: pd.Series, rows: pd.DataFrame) -> Floats:
    """Numbers, or years of dates; what is neither is missing and logged."""
    numbers = _years(values) if ROLES[role] == "year" else pd.to_numeric(values, errors="coerce").astype("float64")
    strange = numbers.isna() & values.notna()
    found = [f"{role} {text}" for text in values[strange]]
    reading.log.append(repair_rows(rows[strange.to_numpy()], "not a number", found))
    return np.asarray(numbers, dtype=np.float64)


def _years(values: pd.Series) -> pd.Series:
    """Year of numbers (1998, 19980714) and of dates (1998-07-14, 14/07/1998, July 1998, timestamps).

    >>> _years(pd.Series(["1998-07-14", "14.7.1998", "1998", "unknown"])).tolist()
    [1998.0, 1998.0, 1998.0, nan]
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return pd.Series(values.dt.year.to_numpy(dtype=np.float64), index=values.index)
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    compact = numbers.between(1800_01_01, 2100_12_31)
    numbers = numbers.mask(compact, numbers // 10000)
    found = values.astype("str").str.extract(r"(?<!\d)((?:18|19|20)\d\d)(?!\d)", expand=False)
    return numbers.fillna(pd.to_numeric(found, errors="coerce").astype("float64"))


def _as_text(column: pd.Series) -> pd.Series:
    """Labels as text: 12.0 is 12, missing stays missing."""
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype("str").str.strip().where(column.notna()).reset_index(drop=True)


def _place(reading: _Reading, table: pd.DataFrame, projection: pyproj.CRS) -> None:
    """Longitude and latitude; faults where the CRS cannot be right."""
    name, crs = reading.tables.name, projection.to_string()
    x, y = table.pop("x").to_numpy(dtype=np.float64), table.pop("y").to_numpy(dtype=np.float64)
    lon, lat = pyproj.Transformer.from_crs(projection, WGS84, always_xy=True).transform(x, y)
    table["lon"], table["lat"] = np.where(np.isnan(x), np.nan, lon), np.where(np.isnan(y), np.nan, lat)
    given = np.isfinite(x) & np.isfinite(y)
    inside = given & (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    if not given.any():
        reading.faults.append(f"{name}: no row with both coordinates; expected numbers")
    elif projection.is_projected and (np.abs(x[given]) <= 180).all() and (np.abs(y[given]) <= 90).all():
        reading.faults.append(f"{name}: found coordinates like degrees, crs {crs}; expected its units or crs: {WGS84}")
    elif inside.sum() < 0.5 * given.sum():
        reading.faults.append(
            f"{name}: found {int(given.sum() - inside.sum())} of {int(given.sum())} rows off the earth with crs {crs} "
            f"(the first at {x[given][0]:g}, {y[given][0]:g}); expected coordinates in that crs"
        )
    else:
        _check_area(reading, projection, float(np.median(lon[inside])), float(np.median(lat[inside])))
    if "profile_id" not in reading.roles and table[given].duplicated(["lon", "lat"]).any():
        reading.faults.append(f"{name}: found rows of one place and no profile_id; expected columns.profile_id")


def _check_area(reading: _Reading, projection: pyproj.CRS, lon: float, lat: float) -> None:
    """The middle of the source lies where its CRS is meant for."""
    area = projection.area_of_use
    if area is None or area.west > area.east:
        return
    reach = FAR_FROM_CRS_DEG
    if not (area.west - reach <= lon <= area.east + reach and area.south - reach <= lat <= area.north + reach):
        reading.faults.append(
            f"{reading.tables.name}: found the middle of the coordinates at {lon:.2f}, {lat:.2f} with crs "
            f"{projection.to_string()}, which is for {area.name}; expected the crs of the coordinates"
        )
