"""Stations: from a table of single stations, or of their months and years, to one row for each station and one column for each field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.covariates.climate.positions import Words, positions
from edaphic.covariates.climate.tables import Floats, column_of, load, named, numbers
from edaphic.errors import TableError

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

__all__ = ["Period", "Stations", "Words", "read_stations"]

APART_DEG = 0.02
"""Positions of one station that differ by more than this are of different places."""

FAR_M = 300.0
"""Elevations of one station that differ by more than this are of different places."""

SAME_DEG, SAME_M = 1e-4, 1.0
"""Smaller differences of positions and elevations are rounding."""

SHARE_OF_YEARS = 2.0 / 3.0
"""Of the years asked for, that a station must have unless told otherwise."""


@dataclass(frozen=True)
class Period:
    """What of a long table is averaged.

    Parameters
    ----------
    years : (first, last), optional
        Both included.
    min_years : int, optional
        Years that a value must rest on; two thirds of the years asked for unless given, else 1.
    months : tuple of int
        Months that are wanted, 1 to 12.
    """

    years: tuple[int, int] | None = None
    min_years: int | None = None
    months: tuple[int, ...] = tuple(range(1, 13))

    @property
    def least(self) -> int:
        """Years that a value must rest on.

        >>> Period((1961, 1990)).least, Period().least
        (20, 1)
        """
        if self.min_years is not None:
            return self.min_years
        return 1 if self.years is None else math.ceil((self.years[1] - self.years[0] + 1) * SHARE_OF_YEARS)


@dataclass(frozen=True)
class Stations:
    """Stations and their fields; made by :func:`read_stations`.

    Parameters
    ----------
    ids : tuple of str
    lon, lat, elevation_m : float arrays of shape (n,)
        Elevation is NaN where it is not known.
    names : tuple of str
        Fields, such as tmax_07.
    variables : tuple of str
        The value that each field is of, such as tmax.
    values : float array of shape (n, fields)
        NaN where a station has none.
    years : float array of shape (n, fields)
        Years behind each value; 1 in tables without years.
    notes : tuple of str
        What was decided on the way.
    """

    ids: tuple[str, ...]
    lon: Floats
    lat: Floats
    elevation_m: Floats
    names: tuple[str, ...]
    variables: tuple[str, ...]
    values: Floats
    years: Floats
    notes: tuple[str, ...] = field(default=())

    def keep(self, which: NDArray[np.bool_], note: str) -> Stations:
        """Some of the stations, and the reason."""
        ids = tuple(name for name, kept in zip(self.ids, which, strict=True) if kept)
        parts = {name: getattr(self, name)[which] for name in ("lon", "lat", "elevation_m", "values", "years")}
        return replace(self, ids=ids, notes=(*self.notes, note), **parts)


def read_stations(
    path: Path, values: Sequence[str], words: Words | None = None, period: Period | None = None, sites: Path | None = None
) -> Stations:
    """Stations of a table.

    Parameters
    ----------
    path : Path
        CSV (comma, semicolon or tab; also .gz), Parquet or GeoPackage. One row for each station, with a column for each field; or one for
        each station and month, year or date, which are averaged to a climatology.
    values : sequence of str
        Columns. A name whose column is missing while NAME_01 to NAME_12 (or NAME1, NAME_jan ...) are there means these twelve.
    words : Words, optional
    period : Period, optional
    sites : Path, optional
        Table of the stations' positions, joined by station, where the first has none.

    Raises
    ------
    TableError
        One line for each fault.
    """
    words, period = words or Words(), period or Period()
    table = load(path)
    notes: list[str] = []
    if sites is not None:
        table = _joined(table, load(sites), words, path, sites, notes)
    faults: list[str] = []
    place = positions(table, words, path, faults, notes)
    months = _when(table, path, faults, notes)
    columns = _expand(table, values, months is not None and "month" in months, period, path, faults)
    if period.min_years is not None and "year" not in (months or {}):
        faults.append(f"{path}: no column of years; expected one for --min-years {period.min_years}")
    read = {name: numbers(table, column, str(path), faults, notes) for name, column in columns.items()}
    if faults:
        raise TableError(faults)
    rows = pd.DataFrame(place | (months or {}) | {f"value {name}": column for name, column in read.items()})
    return _assembled(rows, list(read), values, period, path, notes)


def _joined(table: pd.DataFrame, sites: pd.DataFrame, words: Words, path: Path, where: Path, notes: list[str]) -> pd.DataFrame:
    ours, theirs = column_of(table, "station", words.station), column_of(sites, "station", words.station)
    if ours is None or theirs is None:
        files = [file for file, name in ((path, ours), (where, theirs)) if name is None]
        raise TableError(f"{file}: no column of station ids; expected one, or --station NAME" for file in files)
    ids = sites[theirs].astype(str).str.strip()
    twice = ids[ids.duplicated()].unique()
    if len(twice):
        raise TableError(f"{where}: {theirs}: {named(twice)} more than once; expected one row for each station")
    only = [name for name in sites.columns if name == theirs or name not in table.columns]
    right = sites[only].assign(**{theirs: ids}).rename(columns={theirs: ours})
    left = table.assign(**{ours: table[ours].astype(str).str.strip()})
    known = left[ours].isin(ids)
    if not known.any():
        raise TableError(f"{path}: none of its stations is in {where}; expected the same ids")
    if not known.all():
        notes.append(f"{left.loc[~known, ours].nunique()} stations are not in {where.name} and were left out")
    return left[known].merge(right, on=ours, how="left")


def _when(table: pd.DataFrame, path: Path, faults: list[str], notes: list[str]) -> dict[str, Floats] | None:
    """Year and month of the rows, where the table has them."""
    year, month, date = (column_of(table, role) for role in ("year", "month", "date"))
    if date is not None and month is None:
        when = pd.to_datetime(table[date], errors="coerce", format="mixed")
        if when.isna().any():
            row = int(np.flatnonzero(when.isna())[0])
            faults.append(f"{path}: row {row + 2}, {date}: found {table[date].iloc[row]!r}; expected a date such as 2006-12-31")
        return {"year": np.asarray(when.dt.year, dtype=np.float64), "month": np.asarray(when.dt.month, dtype=np.float64)}
    found = {}
    for role, name in (("year", year), ("month", month)):
        if name is not None:
            found[role] = numbers(table, name, str(path), faults, notes, sentinels=False)
    if "month" in found and not np.isin(found["month"], np.arange(1, 13)).all():
        row = int(np.flatnonzero(~np.isin(found["month"], np.arange(1, 13)))[0])
        faults.append(f"{path}: row {row + 2}, {month}: found {found['month'][row]:g}; expected 1 to 12")
    return found or None


def _expand(table: pd.DataFrame, values: Sequence[str], long: bool, period: Period, path: Path, faults: list[str]) -> dict[str, str]:
    """Fields and their columns: a name, or those of the twelve months that bear it which are wanted."""
    columns: dict[str, str] = {}
    some = period.months != tuple(range(1, 13))
    lowered = {str(name).lower(): str(name) for name in table.columns}
    for value in values:
        if value in table.columns:
            columns[value] = value
            if some and not long:
                faults.append(f"{path}: no column of months; expected one for --months, or {value}_01 to {value}_12 in place of {value!r}")
            continue
        found = [next((lowered[form] for form in _monthly(value, k) if form in lowered), None) for k in range(1, 13)]
        if all(found) and not long:
            columns |= {f"{value}_{k:02d}": str(name) for k, name in enumerate(found, start=1) if k in period.months}
        else:
            have = named([str(name) for name in table.columns])
            faults.append(f"{path}: no column {value!r}; expected one of those it has: {have}")
    return columns


def _monthly(value: str, month: int) -> list[str]:
    """Names that the column of a month may bear, in lower case.

    >>> _monthly("Tmax", 7)[:3]
    ['tmax_07', 'tmax_7', 'tmax_jul']
    """
    return [f"{value}{gap}{name}".lower() for gap in ("_", "", ".", " ") for name in (f"{month:02d}", f"{month}", MONTHS[month - 1])]


def _assembled(rows: pd.DataFrame, fields: list[str], variables: Sequence[str], period: Period, path: Path, notes: list[str]) -> Stations:
    placed = rows["lon"].notna() & rows["lat"].notna()
    if not placed.all():
        notes.append(f"{int((~placed).sum())} rows without a position left out (first: row {int(rows.loc[~placed, 'row'].iloc[0])})")
        rows = rows[placed]
    if not len(rows):
        raise TableError(f"{path}: no row has a position; expected longitude and latitude of each station")
    rows = _dated(rows, path, notes)
    _same_places(rows, path, notes)
    stations = rows.groupby("id", sort=False)[["lon", "lat", "elevation"]].first()
    if "year" in rows.columns and period.years is not None:
        rows = rows[rows["year"].between(*period.years)]
        if not len(rows):
            raise TableError(f"{path}: no row of the years {period.years[0]} to {period.years[1]}; expected some, or other --years")
    elif period.years is not None:
        raise TableError(f"{path}: no column of years; expected one for --years {period.years[0]}-{period.years[1]}")
    names, columns, years = _fields(rows, fields, period, stations.index, notes)
    lon, lat, metres = (stations[name].to_numpy(dtype=np.float64) for name in ("lon", "lat", "elevation"))
    ids = tuple(str(name) for name in stations.index)
    made = Stations(ids, lon, lat, metres, tuple(names), _variables(names, fields, variables), columns, years, tuple(notes))
    known = np.asarray(np.isfinite(columns).any(axis=1))
    if not known.any():
        raise TableError(f"{path}: no value of {named(fields)} that can be used; expected some (at least {period.least} years behind each)")
    if known.all():
        return made
    return made.keep(known, f"{int((~known).sum())} of {len(known)} stations have no value of any field and were left out")


def _variables(names: Sequence[str], fields: Sequence[str], variables: Sequence[str]) -> tuple[str, ...]:
    known = (*fields, *variables)
    bases = [name if name in variables else name.rpartition("_")[0] for name in names]
    return tuple(base if base in known else name for base, name in zip(bases, names, strict=True))


def _dated(rows: pd.DataFrame, path: Path, notes: list[str]) -> pd.DataFrame:
    """Rows with a year, where the table has years."""
    if "year" not in rows.columns or rows["year"].notna().all():
        return rows
    dated = rows[rows["year"].notna()]
    lost = len(rows) - len(dated)
    if not len(dated):
        raise TableError(f"{path}: none of {lost} rows has a year; expected years, or a table without a column of them")
    gone = rows.loc[~rows["id"].isin(dated["id"]), "id"].unique()
    stations = f"; {len(gone)} stations ({named(gone.astype(str))}) have no other row" if len(gone) else ""
    notes.append(f"{lost} rows without a year left out (first: row {int(rows.loc[rows['year'].isna(), 'row'].iloc[0])}){stations}")
    return dated


def _same_places(rows: pd.DataFrame, path: Path, notes: list[str]) -> None:
    """One position and elevation for each station: small differences are noted, larger ones are of different places."""
    places = rows.groupby("id", sort=False)[["lon", "lat", "elevation"]].agg(["min", "max"])
    lon, lat, metres = (places[(name, "max")] - places[(name, "min")] for name in ("lon", "lat", "elevation"))
    apart, faults = (lon > APART_DEG) | (lat > APART_DEG), []
    if apart.any():
        faults.append(
            f"{path}: station {named(apart.index[apart].astype(str))} at more than one position; expected an id for each place "
            f"(positions of one station may differ by {APART_DEG:g} degrees)"
        )
    far = metres > FAR_M
    if far.any():
        ends = places.loc[far, "elevation"]
        found = named(f"{name} ({low:.0f} and {high:.0f} m)" for name, low, high in ends.itertuples())
        faults.append(f"{path}: more than one elevation of station {found}; expected one for each place, or an id for each station")
    if faults:
        raise TableError(faults)
    for what, moved, least, unit in (("positions", lon.where(lon > lat, lat), SAME_DEG, "degrees"), ("elevations", metres, SAME_M, "m")):
        some = moved > least
        if some.any():
            whose = f"{int(some.sum())} stations ({named(some.index[some].astype(str))})"
            notes.append(f"{what} of {whose} differ by up to {float(moved.max()):.3g} {unit} between rows: the first was taken")


def _fields(
    rows: pd.DataFrame, fields: list[str], period: Period, stations: pd.Index, notes: list[str]
) -> tuple[list[str], Floats, Floats]:
    names: list[str] = []
    columns: list[Floats] = []
    years: list[Floats] = []
    months: list[int | None] = list(period.months) if "month" in rows.columns else [None]
    counted = False
    for value in fields:
        for month in months:
            part = rows if month is None else rows[rows["month"] == month]
            mean, behind, several = _mean(part, f"value {value}", period)
            counted = counted or several
            names.append(value if month is None else f"{value}_{month:02d}")
            columns.append(mean.reindex(stations).to_numpy(dtype=np.float64))
            years.append(behind.reindex(stations).fillna(0.0).to_numpy(dtype=np.float64))
    if counted:
        what = "days or repeats of one station and month" if "month" in rows.columns else "rows of one station"
        notes.append(f"several {what} were averaged (sums, such as of rain, have to be summed before)")
    if "year" in rows.columns:
        notes.append(f"years {int(rows['year'].min())} to {int(rows['year'].max())}, at least {period.least} for each value")
    return names, np.stack(columns, axis=1), np.stack(years, axis=1)


def _mean(rows: pd.DataFrame, column: str, period: Period) -> tuple[pd.Series, pd.Series, bool]:
    """Mean over the years of each station, the years behind it, and whether several rows of a year were averaged."""
    have = rows.dropna(subset=[column])
    if "year" not in rows.columns:
        grouped = have.groupby("id", sort=False)[column]
        return grouped.mean(), grouped.size().clip(upper=1), bool((grouped.size() > 1).any())
    yearly = have.groupby(["id", "year"], sort=False)[column]
    by_year = yearly.mean()
    grouped = by_year.groupby(level="id", sort=False)
    size = grouped.size()
    return grouped.mean().where(size >= period.least), size.where(size >= period.least), bool((yearly.size() > 1).any())
