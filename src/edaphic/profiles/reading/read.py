"""Source tables of any layout into the canonical horizon table.

Nothing is repaired here: text that should be a number becomes missing and is logged, units are converted, coordinates
become longitude and latitude. Depths, contents and places are put right by :mod:`edaphic.profiles.cleaning.clean`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj

from edaphic.errors import TableError, UnitError
from edaphic.profiles.cleaning.clean import COLUMNS, concat_repairs
from edaphic.profiles.reading.aliases import NO_SCHEMA
from edaphic.profiles.reading.assemble import Assembly, build, label_rows
from edaphic.profiles.reading.columns import PLACES, Column, Tables
from edaphic.profiles.reading.resolve import resolve
from edaphic.profiles.reading.tables import read_table

WGS84 = "EPSG:4326"
FAR_FROM_CRS_DEG = 5.0
"""A source whose middle lies this far outside the area of its CRS has the wrong CRS."""


@dataclass(frozen=True)
class SourceRead:
    """One source as it was read.

    Attributes
    ----------
    table : DataFrame
        Raw horizon table; empty where there are faults.
    log : DataFrame
        What was read as missing or left out, as in :func:`edaphic.profiles.clean`.
    faults : tuple of str
        Everything that stops the reading.
    counts : (int, int)
        Numbers of profiles and of horizons.
    understood : tuple of str
        One line for each role: column, unit, basis, from where; and what else was assumed.
    schema : str
        Key of :data:`edaphic.profiles.reading.aliases.SCHEMAS` whose names were taken, or "edaphic".
    in_file : (int, int)
        Numbers of profiles and of horizons in the file, with those that were left out for want of a site.
    """

    table: pd.DataFrame
    log: pd.DataFrame
    faults: tuple[str, ...]
    counts: tuple[int, int] = (0, 0)
    understood: tuple[str, ...] = field(default=())
    schema: str = NO_SCHEMA
    in_file: tuple[int, int] = (0, 0)

    def checked(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Table and log, or the faults as an error.

        Raises
        ------
        TableError, UnitError
            All faults at once (UnitError where every one of them is about a unit or a basis).
        """
        if self.faults:
            kinds = ("found no unit", "found unit", "found no basis", "found basis")
            of_units = all(any(kind in fault for kind in kinds) for fault in self.faults)
            raise (UnitError if of_units else TableError)(self.faults)
        return self.table, self.log


def read_checked(
    horizons: Path | str,
    columns: Mapping[str, Column],
    *,
    sites: Path | str | None = None,
    crs: str | None = None,
    source: str | None = None,
    covariates: Sequence[str] = (),
    schema: str | None = None,
    places: bool | None = True,
) -> SourceRead:
    """Read one source into the horizon table, with all its faults instead of an error. Each file is read once.

    Parameters
    ----------
    horizons : Path or str
        Table with one row per horizon (see :func:`edaphic.profiles.read_table`).
    columns : mapping of role to Column
        Roles are the keys of :data:`edaphic.profiles.ROLES`. A role that is not named is taken from the geometry of the file
        (coordinates), from a column of canonical name (``top_cm``, ``soc_g_kg`` ...), whose unit the name tells, or from the
        aliases of the schema (:mod:`edaphic.profiles.reading.aliases`).
    sites : Path or str, optional
        Table with one row per profile, joined by profile_id; it may hold any of the columns.
    crs : str, optional
        CRS of the coordinates; where not given that of the file's geometry, else WGS 84 for roles ``lon`` and ``lat``.
        Roles ``x`` and ``y`` need one.
    source : str, optional
        Name that marks the rows; the file's name without ending where not given.
    covariates : sequence of str
        Columns of either table that are carried along under their names, as numbers where the column is all numbers.
    schema : str, optional
        Whose column names these are: a key of :data:`edaphic.profiles.reading.aliases.SCHEMAS`, "wosis" for either of its two layouts,
        "edaphic" for canonical names alone. None finds out.
    places : bool
        False: coordinates are not read, and ``lon, lat`` are missing. None: they are read where the tables have them.

    Returns
    -------
    SourceRead

    Notes
    -----
    Blanks around and inside the names of columns are made single before names are compared. Where no column is named
    profile_id and there is no site table, every row is a profile of its own, provided that no two rows share a place; the log
    says so. Organic carbon that is missing is total minus inorganic carbon where both are there.

    Examples
    --------
    >>> read_checked("no.csv", {}).faults
    ('no.csv: no such file; expected a table',)
    """
    nothing = pd.DataFrame(), concat_repairs([])
    tables, faults = _tables(horizons, sites)
    if tables is None:
        return SourceRead(*nothing, tuple(faults))
    found = resolve(tables, columns, schema, places)
    placed = bool(set(PLACES) & set(found.roles)) or places is True
    reading = Assembly(tables, found, list(covariates), placed)
    if crs is not None and not placed and places is None:
        reading.faults.append(f"{tables.name}: found crs {crs!r} and no coordinates; expected columns.x and columns.y, or no crs")
    projection = _projection(reading, crs) if placed else None
    if not reading.faults:
        label_rows(reading)
    table = build(reading) if not reading.faults else pd.DataFrame()
    if not reading.faults and placed and projection is not None:
        _place(reading, table, projection)
    notes = (*found.notes, *reading.lines(), *reading.notes, *_notes(tables))
    if reading.faults:
        return SourceRead(*nothing, tuple(reading.faults), (0, 0), notes, found.schema)
    table["source"] = _stem(horizons) if source is None else source
    if not placed:
        table["lon"], table["lat"] = np.nan, np.nan
    rest = [name for name in table.columns if name not in COLUMNS]
    table = table[[*COLUMNS, *rest]]
    counts = int(table["profile_id"].nunique()), len(table)
    in_file = int(reading.ids.nunique()), len(reading.ids)
    return SourceRead(table, concat_repairs(reading.log), (), counts, notes, found.schema, in_file)


def read_source(
    horizons: Path | str,
    columns: Mapping[str, Column],
    *,
    sites: Path | str | None = None,
    crs: str | None = None,
    source: str | None = None,
    covariates: Sequence[str] = (),
    schema: str | None = None,
    places: bool | None = True,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read one source into the horizon table; parameters as in :func:`read_checked`.

    Returns
    -------
    horizons : DataFrame
        Raw horizon table: canonical names and units, ``row`` the 1-based data row of the file. Values are not repaired.
        Fragments given by mass are in ``coarse_fragments_mass_pct`` until the bulk density is known; ``bulk_density_g_cm3`` is
        as measured, of ``bulk_density_basis``.
    repairs : DataFrame
        What was read as missing or left out, as in :func:`edaphic.profiles.clean`; ``row`` is missing for rows of the
        site table.

    Raises
    ------
    TableError, UnitError
        All faults of :func:`check_source` at once (UnitError where every one of them is about a unit or a basis).

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
    return read_checked(
        horizons, columns, sites=sites, crs=crs, source=source, covariates=covariates, schema=schema, places=places
    ).checked()


def check_source(
    horizons: Path | str,
    columns: Mapping[str, Column],
    *,
    sites: Path | str | None = None,
    crs: str | None = None,
    source: str | None = None,
    covariates: Sequence[str] = (),
    schema: str | None = None,
    places: bool | None = True,
) -> tuple[list[str], tuple[int, int]]:
    """Every fault that would stop :func:`read_source`, without raising; and numbers of profiles and horizons.

    Whoever needs the table as well calls :func:`read_checked`, which reads the files once.

    >>> check_source("no.csv", {})
    (['no.csv: no such file; expected a table'], (0, 0))
    """
    read = read_checked(
        horizons, columns, sites=sites, crs=crs, source=source, covariates=covariates, schema=schema, places=places
    )
    return list(read.faults), read.counts


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


def _tables(horizons: Path | str, sites: Path | str | None) -> tuple[Tables | None, list[str]]:
    """Both tables, or the faults of the files."""
    read: list[pd.DataFrame] = []
    faults: list[str] = []
    for path in [horizons] if sites is None else [horizons, sites]:
        try:
            table = read_table(path)
        except TableError as error:
            faults.extend(error.faults)
            continue
        names = [" ".join(str(name).split()) for name in table.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            faults.append(f"{_name(path)}: found two columns {', '.join(map(repr, twice))}; expected a name for each")
        read.append(table.set_axis(names, axis=1))
    if faults:
        return None, faults
    return Tables(read[0], None if sites is None else read[1], _name(horizons), "" if sites is None else _name(sites)), []


def _name(path: Path | str) -> str:
    """Name of a file, or the table of a database (its address may hold a password)."""
    table = re.search(r"[?&]table=([^&]+)", str(path)) if "://" in str(path) else None
    return table.group(1) if table else Path(path).name


def _stem(path: Path | str) -> str:
    """Name that marks the rows of a source where none is given."""
    return _name(path) if "://" in str(path) else _name(path).split(".")[0]


def _notes(tables: Tables) -> list[str]:
    """What the reader of the files assumed."""
    read = [tables.horizons] if tables.sites is None else [tables.horizons, tables.sites]
    return [str(note) for table in read for note in table.attrs.get("notes", [])]


def _projection(reading: Assembly, crs: str | None) -> pyproj.CRS | None:
    """CRS of the coordinates."""
    roles, name = reading.resolution.roles, reading.tables.name
    found = crs or reading.tables.crs() or (WGS84 if {"lon", "plus_code"} & set(roles) else None)
    if found is None:
        if "x" in roles:
            reading.faults.append(f"{name}: found no crs for x and y; expected for example crs: {WGS84}")
        return None
    try:
        projection = pyproj.CRS.from_user_input(found)
    except pyproj.exceptions.CRSError:
        reading.faults.append(f"{name}: found crs {found!r}; expected a code such as {WGS84}")
        return None
    if "plus_code" in roles and projection != pyproj.CRS.from_user_input(WGS84):
        reading.faults.append(f"{name}: found crs {found!r} with plus_code; expected none, these codes are in {WGS84}")
    return projection


def _place(reading: Assembly, table: pd.DataFrame, projection: pyproj.CRS) -> None:
    """Longitude and latitude; faults where the CRS cannot be right."""
    name, crs = reading.tables.name, projection.to_string()
    x, y = table.pop("x").to_numpy(dtype=np.float64), table.pop("y").to_numpy(dtype=np.float64)
    lon, lat = pyproj.Transformer.from_crs(projection, WGS84, always_xy=True).transform(x, y)
    table["lon"], table["lat"] = np.where(np.isnan(x), np.nan, lon), np.where(np.isnan(y), np.nan, lat)
    given = np.isfinite(x) & np.isfinite(y)
    inside = given & (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    # Degrees of 0 to 360 and exchanged ones are on the earth as well: cleaning mends them.
    turned = (lon >= 0) & (lon <= 360) & (np.abs(lat) <= 90)
    exchanged = (np.abs(lon) <= 90) & (np.abs(lat) <= 180)
    earthly = inside | (given & projection.is_geographic & (turned | exchanged))
    if not given.any():
        reading.faults.append(f"{name}: no row with both coordinates; expected numbers")
    elif projection.is_projected and (np.abs(x[given]) <= 180).all() and (np.abs(y[given]) <= 90).all():
        reading.faults.append(f"{name}: found coordinates like degrees, crs {crs}; expected its units or crs: {WGS84}")
    elif earthly.sum() < 0.5 * given.sum():
        reading.faults.append(
            f"{name}: found {int(given.sum() - earthly.sum())} of {int(given.sum())} rows off the earth with crs {crs} "
            f"(the first at {x[given][0]:g}, {y[given][0]:g}); expected coordinates in that crs"
        )
    elif inside.any():
        _check_area(reading, projection, float(np.median(lon[inside])), float(np.median(lat[inside])))
    if "profile_id" not in reading.resolution.roles and table[given].duplicated(["lon", "lat"]).any():
        reading.faults.append(f"{name}: found rows of one place and no profile_id; expected columns.profile_id")


def _check_area(reading: Assembly, projection: pyproj.CRS, lon: float, lat: float) -> None:
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
