"""Climate zones of the first paper: four classes by mean annual temperature and precipitation.

The paper gives limits of 400 mm and 10 C and puts a place on a limit into both classes; here a place on a limit belongs to the wetter
and to the warmer one. Its names say less than they seem to (its "arid" is dry and warm, its "semi-arid" dry and cold, its "semi-humid" wet
and cold), so each class has a neutral code as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.facts import Source
from edaphic.covariates.made import MadeLayer, making
from edaphic.covariates.sources import check_sources, open_layer
from edaphic.covariates.window import windows
from edaphic.errors import RasterError
from edaphic.progress import Say

MAP_THRESHOLD_MM = 400.0
MAT_THRESHOLD_C = 10.0


@dataclass(frozen=True)
class Zone:
    """A climate zone: the number in rasters, the neutral code, and the name that the paper gives it."""

    number: int
    code: str
    paper_name: str


ZONES = (
    Zone(1, "wet_warm", "humid"),
    Zone(2, "wet_cold", "semi-humid"),
    Zone(3, "dry_cold", "semi-arid"),
    Zone(4, "dry_warm", "arid"),
)
"""In the order of the paper; 0 is no value."""

CODES = {zone.number: zone.code for zone in ZONES}


def climate_zones(
    mat_c: ArrayLike, map_mm: ArrayLike, *, map_threshold_mm: float = MAP_THRESHOLD_MM, mat_threshold_c: float = MAT_THRESHOLD_C
) -> NDArray[np.uint8]:
    """Climate zone of each cell.

    Parameters
    ----------
    mat_c : array_like
        Mean annual temperature, C.
    map_mm : array_like, of the same shape
        Mean annual precipitation, mm.
    map_threshold_mm, mat_threshold_c : float
        From these on a cell is wet, or warm.

    Returns
    -------
    ndarray of uint8, of the same shape
        1 wet_warm, 2 wet_cold, 3 dry_cold, 4 dry_warm (see ``ZONES``); 0 where either has no value.

    Raises
    ------
    ValueError
        Unlike shapes, or thresholds that are no numbers.

    Examples
    --------
    >>> climate_zones([10.0, 9.9, 9.9, 10.0, np.nan], [400.0, 400.0, 399.9, 399.9, 800.0]).tolist()
    [1, 2, 3, 4, 0]
    """
    temperature, precipitation = np.asarray(mat_c), np.asarray(map_mm)
    if temperature.shape != precipitation.shape:
        raise ValueError(f"temperature of shape {temperature.shape}, precipitation of {precipitation.shape}; expected one shape")
    if not (math.isfinite(map_threshold_mm) and math.isfinite(mat_threshold_c)):
        raise ValueError(f"thresholds {map_threshold_mm} mm and {mat_threshold_c} C; expected numbers")
    known = np.isfinite(temperature) & np.isfinite(precipitation)
    wet, warm = precipitation >= map_threshold_mm, temperature >= mat_threshold_c
    zones = np.select([wet & warm, wet & ~warm, ~wet & ~warm], [1, 2, 3], default=4)
    return np.where(known, zones, 0).astype(np.uint8)


def climate_doubts(mat_c: ArrayLike, map_mm: ArrayLike) -> list[str]:
    """What speaks against temperatures in C and precipitation in mm.

    Returns
    -------
    list of str
        One line for each doubt; empty where the numbers can be.

    Examples
    --------
    >>> climate_doubts([285.0], [800.0])
    ['mean annual temperature from 285 to 285; expected C: are these kelvins?']
    >>> climate_doubts([12.0], [0.8])
    ['annual precipitation up to 0.8; expected mm: are these metres?']
    """
    doubts = []
    temperature, precipitation = (_given(values) for values in (mat_c, map_mm))
    if temperature.size and (temperature.min() < -70 or temperature.max() > 50):
        guess = "kelvins" if temperature.min() > 200 else "tenths of a degree, or is nodata missing"
        doubts.append(f"mean annual temperature from {temperature.min():g} to {temperature.max():g}; expected C: are these {guess}?")
    if precipitation.size and precipitation.min() < 0:
        doubts.append(f"annual precipitation down to {precipitation.min():g}; expected none below 0: is nodata missing?")
    if precipitation.size and 0 < precipitation.max() < 15:
        doubts.append(f"annual precipitation up to {precipitation.max():g}; expected mm: are these metres?")
    if precipitation.size and precipitation.max() > 30_000:
        doubts.append(f"annual precipitation up to {precipitation.max():g}; expected mm: is nodata missing?")
    return doubts


def _given(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    found: NDArray[np.float64] = array[np.isfinite(array)]
    return found


def write_climate_zones(
    mat_c: Source,
    map_mm: Source,
    grid: GeoBox,
    folder: Path,
    *,
    name: str = "climate_zone",
    map_threshold_mm: float = MAP_THRESHOLD_MM,
    mat_threshold_c: float = MAT_THRESHOLD_C,
    say: Say | None = None,
) -> tuple[Path, list[str]]:
    """The climate zones of a grid as the class raster ``folder/NAME.tif``.

    Parameters
    ----------
    mat_c, map_mm : Source
        Mean annual temperature (C) and precipitation (mm), of any projection and resolution.
    grid : GeoBox
    folder : Path
    name : str
    map_threshold_mm, mat_threshold_c : float
        As of :func:`climate_zones`.
    say : callable, optional

    Returns
    -------
    (path, doubts) : Path, and list of str
        The file, and what speaks against its units; see :func:`climate_doubts`.

    Raises
    ------
    RasterError
        Files that cannot be read or do not overlap the grid, or no cell that has both.
    """
    faults = check_sources([mat_c, map_mm], grid)
    if faults:
        raise RasterError(faults)
    layers = open_layer(mat_c, grid), open_layer(map_mm, grid)
    tags = {f"CLASS_{zone.number}": f"{zone.code} ({zone.paper_name})" for zone in ZONES}
    tags |= {"MAP_THRESHOLD_MM": f"{map_threshold_mm:g}", "MAT_THRESHOLD_C": f"{mat_threshold_c:g}"}
    made = MadeLayer(name, "1", "Climate zone by mean annual precipitation and temperature", tags, kind="class", dtype="uint8")
    parts = windows(grid, 512)
    ends: list[tuple[float, float]] = []
    with making(folder, grid, [made]) as writers:
        for number, window in enumerate(parts):
            if say is not None:
                say("climate zones", number, len(parts))
            temperature, precipitation = (layer.read(window) for layer in layers)
            zones = climate_zones(temperature, precipitation, map_threshold_mm=map_threshold_mm, mat_threshold_c=mat_threshold_c)
            known = zones > 0
            if known.any():
                ends += [(float(temperature[known].min()), float(precipitation[known].min()))]
                ends += [(float(temperature[known].max()), float(precipitation[known].max()))]
            writers[name].write(window, np.where(known, zones, np.nan))
        if not ends:
            raise RasterError(f"{mat_c.path}, {map_mm.path}: no cell of the grid has both; expected temperature and precipitation")
    return folder / f"{name}.tif", climate_doubts([pair[0] for pair in ends], [pair[1] for pair in ends])
