"""Where stations lie: longitude and latitude from degrees or from x and y, elevation in metres."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
from pyproj.exceptions import CRSError

from edaphic.covariates.climate.tables import Floats, column_of, numbers
from edaphic.units import METRES


@dataclass(frozen=True)
class Words:
    """What is said of a station table: names of columns, the CRS of x and y, the unit of elevation."""

    lon: str | None = None
    lat: str | None = None
    elevation: str | None = None
    station: str | None = None
    crs: str | None = None
    elevation_unit: str | None = None


def positions(table: pd.DataFrame, words: Words, path: Path, faults: list[str], notes: list[str]) -> dict[str, object]:
    """Columns id, lon, lat, elevation and row of the file, for every row of a table; empty where a fault was found.

    A table without ids has a station at each position.
    """
    across, up = ("x", "y") if words.crs is not None else ("lon", "lat")
    first, second = column_of(table, across, words.lon), column_of(table, up, words.lat)
    if words.crs is not None and first is None and second is None:
        first, second = column_of(table, "lon", words.lon), column_of(table, "lat", words.lat)
    for role, name, given in ((across, first, words.lon), (up, second, words.lat)):
        if name is None:
            hint = f"no column {given!r}" if given else f"no column {role!r} or known name of it"
            other = "; x and y need --crs" if column_of(table, "x") and words.crs is None else ""
            faults.append(f"{path}: {hint}; expected the position of each station{other}")
    if words.elevation is not None and words.elevation not in table.columns:
        faults.append(f"{path}: no column {words.elevation!r}; expected the elevation of each station")
    if first is None or second is None:
        return {}
    x, y = (numbers(table, name, str(path), faults, notes) for name in (first, second))
    lon, lat = _geographic(x, y, words.crs, path, faults, notes)
    station = column_of(table, "station", words.station)
    if words.station is not None and station is None:
        faults.append(f"{path}: no column {words.station!r}; expected the id of each station")
    ids = [f"{a:.6f} {b:.6f}" for a, b in zip(lon, lat, strict=True)] if station is None else table[station].astype(str).str.strip()
    return {
        "id": ids,
        "lon": lon,
        "lat": lat,
        "elevation": _elevations(table, words, path, faults, notes),
        "row": np.arange(len(table)) + 2,
    }


def _elevations(table: pd.DataFrame, words: Words, path: Path, faults: list[str], notes: list[str]) -> Floats:
    name, unit = column_of(table, "elevation", words.elevation), words.elevation_unit
    if name is None:
        feet = next(
            (str(c) for c in table.columns if re.fullmatch(r"(elev|elevation|alt|altitude|height)_(ft|feet)", str(c).lower())), None
        )
        name, unit = feet, unit or ("ft" if feet else None)
        if feet:
            notes.append(f"{feet} taken for elevation in feet")
    if name is None:
        return np.full(len(table), np.nan)
    metres = numbers(table, name, str(path), faults, notes) * METRES[unit or "m"]
    strange = np.flatnonzero((metres > 9000) | (metres < -500))
    if len(strange):
        faults.append(
            f"{path}: row {strange[0] + 2}, {name}: {metres[strange[0]]:g} m ({len(strange)} such rows); expected -500 to 9,000 m, "
            f"or the unit by --elevation-unit"
        )
    return metres


def _geographic(x: Floats, y: Floats, crs: str | None, path: Path, faults: list[str], notes: list[str]) -> tuple[Floats, Floats]:
    if crs is not None:
        try:
            known = pyproj.CRS.from_user_input(crs)
        except CRSError:
            faults.append(f"--crs {crs}: unknown; expected a code such as EPSG:32633")
            return x, y
        lon, lat = pyproj.Transformer.from_crs(known, "EPSG:4326", always_xy=True).transform(x, y)
        x, y = np.where(np.isfinite(lon), lon, np.nan), np.where(np.isfinite(lat), lat, np.nan)
    with np.errstate(invalid="ignore"):
        if np.any(np.abs(x) > 360) or np.any(np.abs(y) > 360):
            faults.append(f"{path}: position {_first(x, y, 360)}; expected degrees, or the coordinate system by --crs")
        elif np.any(np.abs(y) > 90):
            swapped = " (lon and lat swapped?)" if np.nanmax(np.abs(x)) <= 90 else ""
            faults.append(f"{path}: latitude {y[int(np.nanargmax(np.abs(y)))]:g}{swapped}; expected -90 to 90 degrees")
        elif np.any(x > 180):
            notes.append(f"longitudes above 180 ({int(np.sum(x > 180))} rows) brought to -180 to 180")
            x = np.where(x > 180, x - 360, x)
    return x, y


def _first(x: Floats, y: Floats, limit: float) -> str:
    row = int(np.flatnonzero((np.abs(x) > limit) | (np.abs(y) > limit))[0])
    return f"{x[row]:g}, {y[row]:g} in row {row + 2}"
