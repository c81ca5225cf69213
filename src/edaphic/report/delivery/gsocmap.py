"""The rasters of the package of the Global Soil Organic Carbon Map (GSOCmap): 0-30 cm, t/ha, 30 arc-seconds, WGS 84.

What the package consists of follows the Soil Organic Carbon Mapping Cookbook of the FAO (Yigini et al. 2018, second edition, chapters on
technical overview and deliverables): the map, its uncertainty, measures of quality, and a description. The published global map carries
the standard deviation as its uncertainty; the checklist of the Cookbook asks for the 90 % limits. Both are written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates import Source, Window, cell_area_m2, grid_like, open_layer, windows
from edaphic.errors import GridError
from edaphic.mapping.info import MapInfo
from edaphic.mapping.stac import footprint
from edaphic.mapping.style import dressed
from edaphic.mapping.write import BandWriter, publish
from edaphic.progress import Say
from edaphic.units import to_internal

PER_DEGREE = 120
"""Cells of 30 arc-seconds in a degree."""

Z_90 = 1.6448536269514722
"""Quantile 0.95 of the standard normal distribution."""

T_HA_OF_KG_M2 = 1.0 / float(to_internal([1.0], "soc_stock", "t/ha")[0])
"""1 kg/m2 is 10 t/ha."""

SIDE = 512

STATS: Mapping[str, tuple[str, str, str]] = {
    "mean": ("mean", "mean", "Area-weighted mean, over the cell of 30 arc-seconds, of the mean that the forest gives."),
    "sd": (
        "standard deviation",
        "uncertainty",
        "Width of the 90 % prediction interval over 2 x 1.645: the standard deviation of a normal distribution that wide. It is that of "
        "one profile in the cell; the error of the cell's mean is smaller, since errors within the cell partly cancel.",
    ),
    "q05": (
        "calibrated 5 % quantile",
        "mean",
        "Area-weighted mean over the cell of 30 arc-seconds of the lower 90 % limit of a profile.",
    ),
    "q95": (
        "calibrated 95 % quantile",
        "mean",
        "Area-weighted mean over the cell of 30 arc-seconds of the upper 90 % limit of a profile.",
    ),
}
"""Rasters of the package: title, kind of style, definition."""


@dataclass(frozen=True)
class Package:
    """What was written: rasters by statistic, the grid, and figures that the checklist tells.

    ``own_mean``, ``mean``: area-weighted mean (t/ha) of the run's map and of the package; ``own_area_km2``, ``area_km2``: area of the cells
    that have a value; ``cells``: their number in the package; ``finer``: the run's cells are smaller than 30 arc-seconds.
    """

    rasters: Mapping[str, Path]
    grid: GeoBox
    own_mean: float
    mean: float
    own_area_km2: float
    area_km2: float
    cells: int
    finer: bool

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        west, south, east, north = (float(value) for value in self.grid.boundingbox.bbox)
        return west, south, east, north


def globe_cells(grid: GeoBox) -> GeoBox:
    """Cells of 30 arc-seconds of the globe that a grid lies in: edges are whole multiples of 1/120 degree.

    Raises
    ------
    GridError
        The grid goes across the antimeridian, or has no CRS.

    Examples
    --------
    >>> grid = GeoBox((10, 20), Affine(0.5, 0, 10.1, 0, -0.5, 50), "EPSG:4326")
    >>> cells = globe_cells(grid)
    >>> cells.shape.yx, [round(float(value), 6) for value in cells.boundingbox.bbox]
    ((600, 1200), [10.1, 45.0, 20.1, 50.0])
    """
    west, south, east, north = footprint(grid)[1]
    if west > east:
        raise GridError("deliver.gsocmap: the map goes across the antimeridian; expected grid: with the raster of its 30 arc-second cells")
    # a footprint is rounded to a millionth of a degree: room for that, not for a further cell
    slack = 2e-6 * PER_DEGREE
    first, last = math.floor(west * PER_DEGREE + slack), math.ceil(east * PER_DEGREE - slack)
    top, bottom = math.ceil(north * PER_DEGREE - slack), math.floor(south * PER_DEGREE + slack)
    # a whole number over 120 each, so that neighbours meet to the bit
    affine = Affine(1 / PER_DEGREE, 0.0, first / PER_DEGREE, 0.0, -1 / PER_DEGREE, top / PER_DEGREE)
    return GeoBox((max(1, top - bottom), max(1, last - first)), affine, "EPSG:4326")


def given_cells(path: Path) -> GeoBox:
    """Cells of an empty grid that is to be filled.

    Raises
    ------
    GridError
        It is no raster of 30 arc-seconds in WGS 84.
    """
    grid = grid_like(path)
    size = abs(grid.affine.a), abs(grid.affine.e)
    if grid.crs is None or grid.crs.to_epsg() != 4326:
        raise GridError(f"deliver.gsocmap.grid: {path}: coordinate system {grid.crs}; expected WGS 84 (EPSG:4326)")
    if not all(math.isclose(own, 1 / PER_DEGREE, rel_tol=1e-4) for own in size):
        told = " x ".join(f"{3600 * own:.4g}" for own in size)
        raise GridError(f"deliver.gsocmap.grid: {path}: cells of {told} arc-seconds; expected 30")
    return grid


def write_rasters(
    maps: Mapping[str, Path],
    names: Mapping[str, str],
    folder: Path,
    target: GeoBox,
    told: MapInfo,
    say: Say,
) -> Package:
    """The rasters of the package.

    A cell of 30 arc-seconds gets the mean of the run's cells in it, weighted by the area of each in it; it has a value where cells with
    a value cover at least half of it. Values go from kg/m2 to t/ha.

    Parameters
    ----------
    maps : mapping of str to Path
        The run's maps of 0-30 cm in kg/m2: mean, q05, q95.
    names : mapping of str to str
        Names of the rasters without ending, by statistic (:data:`STATS`).
    folder : Path
    target : GeoBox
        Cells of 30 arc-seconds.
    told : MapInfo
        Tags and period of the run's map.
    say : callable

    Raises
    ------
    GridError
        No cell gets a value: the map does not lie on the cells.
    """
    folder.mkdir(parents=True, exist_ok=True)
    layers = {stat: open_layer(Source(stat, path, resampling="average"), target) for stat, path in maps.items()}

    def read(stat: str, window: Window) -> NDArray[np.float32]:
        if stat == "sd":
            return np.asarray((read("q95", window) - read("q05", window)) / np.float32(2 * Z_90), dtype=np.float32)
        return np.asarray(layers[stat].read(window) * np.float32(T_HA_OF_KG_M2), dtype=np.float32)

    written, found = {}, (0.0, 0.0, 0)
    for number, (stat, (title, kind, meaning)) in enumerate(STATS.items()):
        say("delivering the GSOCmap package", number, len(STATS))
        final = folder / f"{names[stat]}.tif"
        work = folder / f"{names[stat]}.tmp.tif"
        mass = area = 0.0
        count = 0
        with BandWriter(work, target) as writer:
            for window in windows(target, SIDE):
                values = read(stat, window)
                writer.write(window, values)
                if stat == "mean":
                    there, cells = np.isfinite(values), cell_area_m2(target, window)
                    mass, area = mass + float((values * cells)[there].sum()), area + float(cells[there].sum())
                    count += int(there.sum())
        if stat == "mean":
            found = (mass, area, count)
            if not count:
                work.unlink()
                raise GridError("deliver.gsocmap: no cell of 30 arc-seconds is half covered; expected a larger map")
        info = replace(told, name=names[stat], title=f"Soil organic carbon stock, 0-30 cm, {title}", unit="t/ha", description=meaning)
        publish(work, final, dressed(replace(info, tags={**told.tags, "EDAPHIC_STATISTIC": stat}), kind), target)
        written[stat] = final
    own = grid_like(maps["mean"])
    own_mass, own_area = _own(maps["mean"], own)
    finer = _cell_m(own) < 1.02 * _cell_m(target)
    mass, area, count = found
    return Package(written, target, T_HA_OF_KG_M2 * own_mass / own_area, mass / area, own_area / 1e6, area / 1e6, count, finer)


def _own(path: Path, grid: GeoBox) -> tuple[float, float]:
    """Mass (kg) and area (m2) of the cells of the run's map that have a value."""
    layer = open_layer(Source("mean", path), grid)
    mass = area = 0.0
    for window in windows(grid, SIDE):
        values, cells = layer.read(window).astype(np.float64), cell_area_m2(grid, window)
        there = np.isfinite(values)
        mass, area = mass + float((values * cells)[there].sum()), area + float(cells[there].sum())
    return mass, area


def _cell_m(grid: GeoBox) -> float:
    """Side of a square with the area of a cell in the middle of a grid, in m."""
    middle: Any = cell_area_m2(grid, Window(grid.height // 2, grid.width // 2, 1, 1))
    return math.sqrt(float(middle[0, 0]))
