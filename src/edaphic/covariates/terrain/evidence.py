"""What the heights of a DEM tell of themselves, before work starts: empty, impossible, in steps, with numbers that mean "no height"."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.covariates.area import cell_area_m2
from edaphic.covariates.block import HUGE
from edaphic.covariates.facts import stored
from edaphic.covariates.sentinels import OF_HEIGHTS
from edaphic.covariates.terrain.dem import Dem, no_heights, read_raw
from edaphic.covariates.window import Window
from edaphic.errors import RasterError

LOWEST_M, HIGHEST_M = -12_000.0, 9_000.0
"""Beyond the deepest sea and the highest mountain."""

GAP_M = 100.0
"""A height this far from every other one lies on no slope of real ground."""

AT_A_TIME = 4_000_000
"""Cells that are looked through together."""

LOOKED_AT = 600
"""Side of the block in the middle whose steps and slopes are looked at."""

COARSE_M = 1000.0
LEVEL_SHARE = 0.05
STEEP = 10.0
"""A middle difference between neighbours of more than ten times the cell: no ground is that steep."""
SCALE_OFF = 0.02

FAR_DOWN = -9000.0
"""Stored numbers below this are looked through as a group: two that mean "no height" may lie side by side."""
MANY = 16
"""A group of more numbers than this is not taken for "no height"."""


@dataclass(frozen=True)
class Heights:
    """What is stored: how many heights, their limits (NaN where there is none), how many are infinite."""

    count: int
    infinite: int
    low: float
    high: float


@dataclass(frozen=True)
class Examined:
    """A DEM that was looked through.

    Parameters
    ----------
    dem : Dem
        With numbers found to mean "no height" left out.
    count : int
        Cells with a height.
    low_m, high_m : float
        Lowest and highest.
    doubts : tuple of str
        In a line each.
    """

    dem: Dem
    count: int
    low_m: float
    high_m: float
    doubts: tuple[str, ...]


def examine(dem: Dem, told: bool = False) -> Examined:
    """Look through the heights of a DEM.

    Parameters
    ----------
    dem : Dem
    told : bool
        The user said which number means "no height": no other is looked for.

    Returns
    -------
    Examined

    Raises
    ------
    RasterError
        No height in any cell, heights that the Earth has not, or degrees taken for metres.
    """
    dem, heights, doubts = (dem, limits(dem), []) if told else _without_sentinels(dem)
    where = f"{dem.facts.name}: {dem.facts.path}"
    if not heights.count:
        raise RasterError(f"{where}: no height in any of {dem.shape[0] * dem.shape[1]:,} cells; expected some")
    low, high = sorted((in_metres(dem, heights.low), in_metres(dem, heights.high)))
    if low < LOWEST_M or high > HIGHEST_M:
        raise RasterError(
            f"{where}: heights from {low:,.6g} to {high:,.6g} m; expected those of the Earth, {LOWEST_M:,.0f} to {HIGHEST_M:,.0f} m: "
            "is the unit another one (--z-unit ft, dm, cm), or a number that means no height (--nodata)?"
        )
    if heights.infinite:
        doubts.append(f"{heights.infinite:,} cells are infinite or beyond 1e30: taken for no height")
    if low == high:
        doubts.append(f"all heights are {low:.6g} m: no slope anywhere, and no aspect")
    middle = _middle(dem)
    if _degrees(dem, middle):
        raise RasterError(
            f"{where}: cells of {dem.cells.dx_m[0]:.6g} m with bounds of degrees, and neighbours that differ by "
            f"{_difference(middle):.3g} m: degrees taken for metres; expected a geographic CRS such as EPSG:4326"
        )
    return Examined(dem, heights.count, low, high, (*doubts, *_of_steps(dem, middle, low < high), *_of_cells(dem, middle)))


def in_metres(dem: Dem, number: float) -> float:
    """A stored number as a height."""
    return (number * dem.facts.scale + dem.facts.offset) * dem.metres


def limits(dem: Dem) -> Heights:
    """Count and limits of the stored numbers that are heights."""
    parts = [_limits(raw, absent) for raw, absent in _raw(dem)]
    found = [part for part in parts if part[0]]
    count, infinite = sum(part[0] for part in parts), sum(part[1] for part in parts)
    if not found:
        return Heights(0, infinite, math.nan, math.nan)
    return Heights(count, infinite, min(part[2] for part in found), max(part[3] for part in found))


def _raw(dem: Dem) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """All that is stored, some rows at a time, each with the numbers in it that mean "no height"."""
    height, width = dem.shape
    rows = max(1, AT_A_TIME // width)
    for row in range(0, height, rows):
        raw = read_raw(dem.facts, Window(row, 0, min(rows, height - row), width))
        yield raw, no_heights(dem.facts, dem.absent, raw.dtype)


@kernel(error_model="numpy")
def _limits(raw: Any, absent: Any) -> tuple[int, int, float, float]:
    count, infinite, low, high = 0, 0, np.inf, -np.inf
    for i in range(raw.shape[0]):
        for j in range(raw.shape[1]):
            value = float(raw[i, j])
            there = abs(value) <= HUGE
            infinite += 1 if abs(value) > HUGE else 0
            for k in range(absent.size):
                if raw[i, j] == absent[k]:
                    infinite -= 1 if abs(value) > HUGE else 0
                    there = False
            count += 1 if there else 0
            low = min(low, value if there else np.inf)
            high = max(high, value if there else -np.inf)
    return count, infinite, low, high


def _without_sentinels(dem: Dem) -> tuple[Dem, Heights, list[str]]:
    """Leave out numbers that usually mean "no height" and that lie far from every other."""
    heights, doubts, known = limits(dem), [], _as_stored(dem)
    left: list[float] = [heights.low, heights.high]
    while left and heights.low != heights.high:
        suspect = left.pop(0)
        low = suspect == heights.low
        group = _lowest(dem, suspect) if low and suspect <= FAR_DOWN else [suspect]
        if known.isdisjoint(group):
            continue
        if len(group) > MANY:
            doubts += _of_many(dem, group)
            continue
        tried = replace(dem, absent=(*dem.absent, *group))
        others = limits(tried)
        nearest, times = others.low if low else others.high, heights.count - others.count
        if abs(in_metres(dem, nearest) - in_metres(dem, group[-1])) <= GAP_M:
            continue
        far = f"and the next height is {in_metres(dem, nearest):.6g} m"
        if suspect == 0.0:
            doubts.append(f"{times:,} cells are 0, {far}: does 0 mean no height? --nodata 0 leaves them out")
            continue
        held = f"{suspect:g}" if len(group) == 1 else f"{len(group)} numbers from {suspect:.9g} to {group[-1]:.9g}"
        doubts.append(f"{times:,} cells hold {held}, {far}: taken for no height; --nodata tells it otherwise")
        dem, heights, left = tried, others, [others.low, others.high]
    return dem, heights, list(dict.fromkeys(doubts))


def _as_stored(dem: Dem) -> set[float]:
    """Numbers that commonly mean "no height", and 0, as the file's type holds them: -9999.9 is -9999.900390625 in float32."""
    held = (stored(value, np.dtype(dem.facts.dtype)) for value in (*OF_HEIGHTS, 0.0))
    return {float(value) for value in held if value is not None}


def _lowest(dem: Dem, low: float) -> list[float]:
    """Stored numbers that are heights, from the lowest up to :data:`GAP_M` above it; of more than MANY the first and the last."""
    edge = low + GAP_M / abs(dem.facts.scale * dem.metres)
    found = np.empty(0)
    for raw, absent in _raw(dem):
        near = raw[(raw >= low) & (raw <= edge)]
        found = np.union1d(found, near[~np.isin(near, absent)].astype(np.float64))
        found = found if found.size <= MANY else np.append(found[:MANY], found[-1])
    return [float(value) for value in found]


def _of_many(dem: Dem, group: list[float]) -> list[str]:
    """What is said of a group of many low numbers: a doubt where it lies apart, nothing where the ground goes on from it."""
    low, high = group[0], group[-1]
    beyond = high + GAP_M / abs(dem.facts.scale * dem.metres)
    for raw, absent in _raw(dem):
        if not np.isin(raw[(raw > high) & (raw <= beyond)], absent).all():
            return []
    return [f"heights from {low:.9g} to {high:.9g} lie {GAP_M:g} m and more below all others: do they mean no height? They are kept"]


def _middle(dem: Dem) -> NDArray[np.float64]:
    """Heights of a block in the middle of the grid."""
    height, width = dem.shape
    rows, cols = min(height, LOOKED_AT), min(width, LOOKED_AT)
    return dem.read(Window((height - rows) // 2, (width - cols) // 2, rows, cols)).astype(np.float64)


def _difference(z: NDArray[np.float64]) -> float:
    """Middle difference between a cell and the next, m."""
    found = np.abs(np.diff(z, axis=1))
    found = found[~np.isnan(found)]
    return float(np.median(found)) if found.size else 0.0


def _degrees(dem: Dem, middle: NDArray[np.float64]) -> bool:
    """Whether a map in metres has bounds of degrees and slopes that no ground has."""
    west, south, east, north = dem.facts.bounds
    if dem.facts.crs.geographic or max(abs(west), abs(east)) > 360.0 or max(abs(south), abs(north)) > 90.0:
        return False
    return bool(dem.cells.dx_m[0] <= 1.0 and _difference(middle) > STEEP * dem.cells.dx_m[0])


def _of_steps(dem: Dem, middle: NDArray[np.float64], relief: bool) -> list[str]:
    stored = (middle / dem.metres - dem.facts.offset) / dem.facts.scale
    given = stored[~np.isnan(stored)]
    around = np.stack([middle[:-2, 1:-1], middle[2:, 1:-1], middle[1:-1, :-2], middle[1:-1, 2:]])
    whole = ~np.isnan(around).any(axis=0)
    if not (relief and given.size and whole.any()):
        return []
    level = float(((around[0] == around[1]) & (around[2] == around[3]))[whole].mean())
    if level <= LEVEL_SHARE or np.abs(given - np.round(given)).max() > 1e-6:
        return []
    return [
        f"heights in steps of {abs(dem.facts.scale * dem.metres):g} m: {level:.0%} of the cells in the middle have no slope at all; "
        "slope, aspect and curvatures follow the steps"
    ]


def _of_cells(dem: Dem, middle: NDArray[np.float64]) -> list[str]:
    doubts = []
    size = float(np.nanmean(np.sqrt(dem.cells.area_m2)))
    if size >= COARSE_M:
        smoothed = "slopes and curvatures are those of the land smoothed to that size, far gentler than on the ground"
        doubts.append(f"cells of {size / 1000:.3g} km: {smoothed}")
    if _difference(middle) > STEEP * size:
        doubts.append(
            f"neighbours differ by {_difference(middle):.3g} m in cells of {size:.3g} m: is the unit of the heights another one (--z-unit)?"
        )
    if dem.facts.dtype in ("uint8", "int8"):
        doubts.append("heights of 8 bits, 256 at most: is it a picture of a DEM, such as a hillshade?")
    if not dem.facts.crs.geographic:
        doubts += _of_scale(dem)
    return doubts


def _of_scale(dem: Dem) -> list[str]:
    """Whether the map is far from true to scale, as Web Mercator is."""
    height, width = dem.shape
    true = float(cell_area_m2(dem.grid, Window(height // 2, width // 2, 1, 1))[0, 0])
    scale = math.sqrt(true / float(dem.cells.area_m2[height // 2]))
    if not math.isfinite(scale) or abs(scale - 1.0) <= SCALE_OFF:
        return []
    return [
        f"a length of 1 on the map is {scale:.3g} on the ground in the middle ({dem.facts.crs_name}): slopes are "
        f"too {'gentle' if scale < 1 else 'steep'} by that; a geographic DEM, or one in its UTM zone, is measured truly"
    ]
