"""Weather stations: annual records that follow elevation by a known lapse rate, with gaps and a spread of their own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from edaphic.virtual.fields import Array, Index
from edaphic.virtual.ground import Place

LAPSE_C_PER_M = -0.0055
"""Change of mean annual temperature with elevation."""

WARMING_C_PER_YEAR = 0.03

NOISE: Mapping[str, float] = {"mat": 0.3, "map": 0.08, "srad": 0.03}
"""Spread of a year's record: C for mat, shares of the value for map and srad."""


def stations(
    place: Place,
    elevation: Array,
    climate: Mapping[str, Array],
    years: range,
    count: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Annual records of stations, most of them low down.

    Parameters
    ----------
    place : Place
    elevation : (h, w)
        m.
    climate : mapping
        ``mat`` (C), ``map`` (mm), ``srad`` (MJ m-2 d-1): means of all years, (h, w).
    years : range
    count : int
        Number of stations; one year in twenty of each is missing.
    rng : Generator

    Returns
    -------
    DataFrame with station, lon, lat, elevation_m, year, mat, map, srad.
    """
    low = np.exp(-standing(elevation))
    row, col = _spread(rng, low, count)
    lon, lat = place.lon_lat(row, col, rng, 5)
    shape = (count, len(years))
    noise = {name: sd * rng.standard_normal(shape) for name, sd in NOISE.items()}
    # Anomalies of a station average to zero: its mean is the climate's.
    noise = {name: values - values.mean(axis=1, keepdims=True) for name, values in noise.items()}
    trend = WARMING_C_PER_YEAR * (np.arange(len(years)) - (len(years) - 1) / 2.0)
    here = {name: values[row, col][:, None] for name, values in climate.items()}
    table = pd.DataFrame(
        {
            "station": np.repeat([f"W{k:03d}" for k in range(1, count + 1)], len(years)),
            "lon": np.repeat(lon, len(years)),
            "lat": np.repeat(lat, len(years)),
            "elevation_m": np.repeat(np.round(elevation[row, col]), len(years)),
            "year": np.tile(np.array(years), count),
            "mat": np.round(here["mat"] + trend + noise["mat"], 2).ravel(),
            "map": np.round(here["map"] * (1.0 + noise["map"])).ravel(),
            "srad": np.round(here["srad"] * (1.0 + noise["srad"]), 2).ravel(),
        }
    )
    return table.loc[rng.random(len(table)) >= 0.05].reset_index(drop=True)


def standing(elevation: Array) -> Array:
    """From 0 at the lowest cell to 1 at the highest."""
    share: Array = (elevation - elevation.min()) / np.ptp(elevation)
    return share


def _spread(rng: np.random.Generator, chance: Array, count: int) -> tuple[Index, Index]:
    """Cells in strips of columns and rows, so that no part of the area is without a station."""
    side = int(np.ceil(np.sqrt(count)))
    height, width = chance.shape
    rows, cols = [], []
    for k in range(count):
        block = (k * side * side) // count
        top, left = (block // side) * height // side, (block % side) * width // side
        part = chance[top : max(top + 1, top + height // side), left : max(left + 1, left + width // side)]
        drawn = rng.choice(part.size, p=(part / part.sum()).ravel())
        rows.append(top + drawn // part.shape[1])
        cols.append(left + drawn % part.shape[1])
    return np.array(rows), np.array(cols)
