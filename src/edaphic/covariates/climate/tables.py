"""Station tables as files: reading, the columns that are meant, numbers, and what cannot be one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
from numpy.typing import NDArray

from edaphic.covariates.sentinels import OF_CLIMATE_TABLES
from edaphic.errors import TableError

Floats = NDArray[np.float64]

ALIASES: dict[str, tuple[str, ...]] = {
    "lon": ("lon", "longitude", "long", "lon_deg", "longitude_deg", "decimallongitude"),
    "lat": ("lat", "latitude", "lat_deg", "latitude_deg", "decimallatitude"),
    "x": ("x", "easting", "east", "x_m", "easting_m"),
    "y": ("y", "northing", "north", "y_m", "northing_m"),
    "elevation": ("elevation_m", "elevation", "elev_m", "elev", "altitude_m", "altitude", "alt", "height_m", "height", "z"),
    "station": ("station_id", "id", "station", "stationid", "id_station", "idsta", "stn_id", "stn", "site_id", "wmo", "wmo_id", "code"),
    "year": ("year", "yr"),
    "month": ("month", "mon"),
    "date": ("date", "day_date", "datetime"),
}

NAMED = 3
"""Stations or rows that a message names."""


def load(path: Path) -> pd.DataFrame:
    """A table with its columns as the file has them.

    Raises
    ------
    TableError
        The file is missing, empty, or no table.

    Examples
    --------
    >>> load(Path("missing.csv"))
    Traceback (most recent call last):
    edaphic.errors.TableError: missing.csv: no such file; expected a table of stations
    """
    if not path.is_file():
        raise TableError(f"{path}: no such file; expected a table of stations")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            table = pd.read_parquet(path)
        elif path.suffix.lower() in (".gpkg", ".shp", ".geojson", ".fgb"):
            table = _features(path)
        else:
            table = pd.read_csv(path, sep=_separator(path), skipinitialspace=True, low_memory=False, encoding="utf-8-sig")
    except (ValueError, OSError, pyogrio.errors.DataSourceError) as error:
        said = " ".join(str(error).split())[:120]
        raise TableError(f"{path}: not a table that can be read ({said}); expected CSV, Parquet or GeoPackage") from error
    if not len(table):
        raise TableError(f"{path}: no rows; expected one for each station (and month or year)")
    return table.rename(columns=lambda name: str(name).strip())


def _separator(path: Path) -> str:
    head = pd.read_csv(path, sep="\x1f", header=None, nrows=1, dtype=str, encoding="utf-8-sig", quoting=3).iloc[0, 0]
    counts = {sign: str(head).count(sign) for sign in (",", ";", "\t")}
    return max(counts, key=lambda sign: counts[sign])


def _features(path: Path) -> pd.DataFrame:
    frame = pyogrio.read_dataframe(path)
    table = pd.DataFrame(frame.drop(columns="geometry"))
    names = {str(name).lower() for name in table.columns}
    if not names & {*ALIASES["lon"], *ALIASES["x"]}:
        if frame.crs is not None:
            frame = frame.to_crs("EPSG:4326")
        table["lon"], table["lat"] = frame.geometry.x.to_numpy(), frame.geometry.y.to_numpy()
    return table


def column_of(table: pd.DataFrame, role: str, named: str | None = None) -> str | None:
    """The column that bears a role: the named one, or the first whose name is known for it.

    >>> column_of(pd.DataFrame(columns=["ID", "Elev"]), "elevation")
    'Elev'
    """
    if named is not None:
        return named if named in table.columns else None
    lowered: dict[str, str] = {}
    for name in table.columns:
        lowered.setdefault(str(name).lower(), str(name))
    return next((lowered[alias] for alias in ALIASES[role] if alias in lowered), None)


def numbers(table: pd.DataFrame, column: str, where: str, faults: list[str], notes: list[str], sentinels: bool = True) -> Floats:
    """Numbers of a column; NaN where there is none.

    Text is a fault. Infinite numbers and those that stand for "no value" are set missing, and noted.
    """
    raw = table[column]
    values = np.array(pd.to_numeric(raw, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))
    texts = np.isnan(values)
    if raw.dtype.kind in "iufb":
        texts[:] = False
    else:
        texts &= raw.map(lambda value: isinstance(value, str) and value.strip() != "").to_numpy(dtype=bool)
    if texts.any():
        rows = np.flatnonzero(texts)
        found = str(raw.iloc[int(rows[0])]).strip()
        comma = " with a point" if found.replace(",", "", 1).lstrip("-").isdigit() else ""
        faults.append(f"{where}: row {rows[0] + 2}, {column}: found {found!r}{_more(len(rows))}; expected a number{comma}, or nothing")
    infinite = np.isinf(values)
    if infinite.any():
        notes.append(f"{column}: {int(infinite.sum())} infinite, set missing (first in row {int(np.flatnonzero(infinite)[0]) + 2})")
        values[infinite] = np.nan
    if sentinels:
        _clear_sentinels(values, column, notes)
    return values


def _clear_sentinels(values: Floats, column: str, notes: list[str]) -> None:
    stands = np.isin(values, OF_CLIMATE_TABLES) | (np.abs(values) > 1e19)
    rest = values[np.isfinite(values) & ~stands]
    if not stands.any():
        return
    # A number is taken for a sign only where it lies apart from all others: 999.9 can be a pressure, -99.9 a longitude.
    low, high = (rest.min(), rest.max()) if len(rest) else (0.0, 0.0)
    reach = max(high - low, 1.0)
    stands &= (values < low - 0.5 * reach) | (values > high + reach) | ((values < 0) & (low >= 0))
    if stands.any():
        found = ", ".join(f"{value:g}" for value in np.unique(values[stands])[:NAMED])
        notes.append(f"{column}: {int(stands.sum())} values of {found} taken for missing")
        values[stands] = np.nan


def _more(count: int) -> str:
    return f" (and {count - 1} more rows)" if count > 1 else ""


def named(names: Sequence[str] | Iterable[str]) -> str:
    """A few names, and how many more.

    >>> named(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    all_names = list(names)
    rest = len(all_names) - NAMED
    return ", ".join(all_names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
