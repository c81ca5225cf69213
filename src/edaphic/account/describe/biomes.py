"""Biomes by mean annual temperature and precipitation: where samples lie in the climates of the Earth.

The diagram is Whittaker's (1975, Communities and Ecosystems, 2nd edition, Macmillan, New York): biomes as regions of a plane of temperature
and precipitation. His lines are curves drawn by hand. :data:`BIOMES` are **not** those curves but simple limits of our own that follow
their order: four belts of temperature, each cut by a few amounts of precipitation, so that every class can be said in words and checked
by hand. Near a border the two can differ. Whoever has digitised curves (several tables of them are published, in C and cm) reads
them by :func:`read_biomes` and passes them on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import TableError

Floats = NDArray[np.float64]

OUTSIDE = "outside"
"""Climates that lie in none of the biomes."""

BIOME_COLUMNS = ("biome", "profiles", "share")


@dataclass(frozen=True)
class Biome:
    """A region of the plane of climate.

    Parameters
    ----------
    name : str
    corners : tuple of (mat_c, map_mm)
        Of a polygon, in order, without the first one again.
    """

    name: str
    corners: tuple[tuple[float, float], ...]


def _box(name: str, cold: float, warm: float, dry: float, wet: float) -> Biome:
    return Biome(name, ((cold, dry), (warm, dry), (warm, wet), (cold, wet)))


BIOMES = (
    _box("tundra", -20.0, -5.0, 0.0, 1000.0),
    _box("boreal forest", -5.0, 3.0, 300.0, 2000.0),
    _box("temperate grassland and cold desert", -5.0, 18.0, 0.0, 300.0),
    _box("woodland and shrubland", 3.0, 18.0, 300.0, 800.0),
    _box("temperate seasonal forest", 3.0, 18.0, 800.0, 2000.0),
    _box("temperate rain forest", 3.0, 18.0, 2000.0, 3500.0),
    _box("subtropical desert", 18.0, 32.0, 0.0, 600.0),
    _box("tropical seasonal forest and savanna", 18.0, 32.0, 600.0, 2300.0),
    _box("tropical rain forest", 18.0, 32.0, 2300.0, 4500.0),
)
"""Simple limits (C, mm), see the head of this file; a climate on a limit belongs to the warmer and wetter class."""


def classify_biomes(mat_c: ArrayLike, map_mm: ArrayLike, biomes: Sequence[Biome] = BIOMES) -> NDArray[np.str_]:
    """Biome of each climate.

    Parameters
    ----------
    mat_c : array_like, shape (n,)
        Mean annual temperature, C; NaN where not known.
    map_mm : array_like, shape (n,)
        Mean annual precipitation, mm.
    biomes : sequence of Biome

    Returns
    -------
    ndarray of str, shape (n,)
        Name; :data:`OUTSIDE` in none of them; empty where either number is missing.

    Raises
    ------
    TableError
        Unlike shapes, no biome, polygons of fewer than three corners.

    Examples
    --------
    >>> classify_biomes([10.0, 25.0, -8.0, 3.0, 40.0, np.nan], [1000.0, 2500.0, 200.0, 300.0, 100.0, 5.0]).tolist()
    ['temperate seasonal forest', 'tropical rain forest', 'tundra', 'woodland and shrubland', 'outside', '']
    """
    temperature, precipitation = np.asarray(mat_c, dtype=np.float64), np.asarray(map_mm, dtype=np.float64)
    faults = _faults(biomes)
    if temperature.shape != precipitation.shape or temperature.ndim != 1:
        faults.append(f"mat and map: found shapes {temperature.shape} and {precipitation.shape}; expected one shape (n,)")
    if faults:
        raise TableError(faults)
    inside = [_inside(temperature, precipitation, biome.corners) for biome in biomes]
    found = np.select(inside, [biome.name for biome in biomes], OUTSIDE)
    known = np.isfinite(temperature) & np.isfinite(precipitation)
    return np.where(known, found, "")


def biome_counts(names: ArrayLike, biomes: Sequence[Biome] = BIOMES) -> pd.DataFrame:
    """Profiles by biome, in the order of the biomes; then those outside, and those without a climate ("unknown"), where there are any.

    Returns
    -------
    DataFrame
        :data:`BIOME_COLUMNS`; shares add up to 1. A biome without a profile has a row: that is where a model was never taught.

    Examples
    --------
    >>> biome_counts(["tundra", "tundra", "", "boreal forest"], BIOMES[:2]).values.tolist()
    [['tundra', 2, 0.5], ['boreal forest', 1, 0.25], ['unknown', 1, 0.25]]
    """
    given = np.asarray(names, dtype=np.str_)
    rows = [(biome.name, int((given == biome.name).sum())) for biome in biomes]
    rows += [(name, count) for name, code in ((OUTSIDE, OUTSIDE), ("unknown", "")) if (count := int((given == code).sum()))]
    size = given.size or math.nan
    return pd.DataFrame([(name, count, count / size) for name, count in rows], columns=list(BIOME_COLUMNS))


def read_biomes(table: pd.DataFrame, *, name: str = "biome", mat_c: str = "temp_c", map_cm: str = "precp_cm") -> tuple[Biome, ...]:
    """Biomes from a table with a row for each corner, in order: as digitised diagrams are published.

    Parameters
    ----------
    table : DataFrame
    name, mat_c, map_cm : str
        Columns of the name, the temperature in C and the precipitation in **cm**.

    Returns
    -------
    tuple of Biome, in the order of the table

    Raises
    ------
    TableError
        A column is missing, numbers are missing, polygons of fewer than three corners.

    Examples
    --------
    >>> corners = pd.DataFrame({"biome": ["dry"] * 3, "temp_c": [0, 10, 5], "precp_cm": [0, 0, 30]})
    >>> read_biomes(corners)
    (Biome(name='dry', corners=((0.0, 0.0), (10.0, 0.0), (5.0, 300.0))),)
    """
    if absent := [f"biomes: no column {column}; expected it" for column in (name, mat_c, map_cm) if column not in table]:
        raise TableError(absent)
    if missing := int(table[[mat_c, map_cm]].isna().any(axis=1).sum()):
        raise TableError(f"biomes: found {missing} corners without numbers; expected both for each")
    found = tuple(
        Biome(str(key), tuple((float(t), 10.0 * float(p)) for t, p in zip(rows[mat_c], rows[map_cm], strict=True)))
        for key, rows in table.groupby(name, sort=False)
    )
    if faults := _faults(found):
        raise TableError(faults)
    return found


def _faults(biomes: Sequence[Biome]) -> list[str]:
    faults = [] if biomes else ["biomes: found none; expected one at least"]
    return faults + [
        f"biomes: {biome.name}: found {len(biome.corners)} corners; expected three or more" for biome in biomes if len(biome.corners) < 3
    ]


def _inside(x: Floats, y: Floats, corners: tuple[tuple[float, float], ...]) -> NDArray[np.bool_]:
    """Points in a polygon by crossings of a ray: on a left or lower side they are in, on a right or upper one they are not."""
    crossings = np.zeros(x.shape, dtype=bool)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        if ay != by:
            crossings ^= ((ay > y) != (by > y)) & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    return crossings
