"""Splines on a grid: block by block within a bound of memory, with standard errors, and what is extrapolated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from edaphic.covariates.climate.factor import THREADS, spread_out
from edaphic.covariates.climate.heights import HIGHEST_M, LOWEST_M, Heights
from edaphic.covariates.climate.hull import Hull
from edaphic.covariates.climate.memory import COLS, ROWS, window_side
from edaphic.covariates.climate.model import Model
from edaphic.covariates.climate.spline import Floats
from edaphic.covariates.window import Window, centres, windows

WGS84 = CRS("EPSG:4326")


class ReadsWindows(Protocol):
    """A layer of elevation, in m."""

    @property
    def grid(self) -> GeoBox:
        """Its grid."""
        ...

    def read(self, window: Window) -> NDArray[np.float32]:
        """Values of a window, NaN where there is none."""
        ...


@dataclass
class Extrapolation:
    """Cells with an elevation, and those of them that lie beyond the stations; cells on a cell of the DEM that no ground can be."""

    cells: int = 0
    outside_hull: int = 0
    outside_elevations: int = 0
    odd_elevations: int = 0
    lowest_m: float = np.inf
    highest_m: float = -np.inf

    def lines(self) -> list[str]:
        """For the screen."""
        if not self.cells:
            return ["no cell of the grid has an elevation"]
        return [
            f"extrapolated {100 * self.outside_hull / self.cells:.1f} % of the cells lie outside the hull of the stations, "
            f"{100 * self.outside_elevations / self.cells:.1f} % above or below all of them"
        ]

    def notes(self) -> list[str]:
        """What was mended."""
        if not self.odd_elevations:
            return []
        limits = f"{LOWEST_M:g} or above {HIGHEST_M:,.0f} m"
        return [f"{self.odd_elevations:,} cells of the grid lie on cells of the DEM below {limits}: taken for no value"]


@dataclass(frozen=True)
class Block:
    """What was computed of a window: fields by name, shape (height, width), NaN where there is no value."""

    window: Window
    values: Mapping[str, Floats]
    errors: Mapping[str, Floats]


def blocks(
    model: Model,
    dem: ReadsWindows,
    *,
    errors: bool = False,
    mask: bool = False,
    memory: int | None = None,
    found: Extrapolation | None = None,
    side: int | None = None,
    dem_unit_m: float = 1.0,
) -> Iterator[Block]:
    """The fields of a model, window by window of the grid of a DEM.

    Parameters
    ----------
    model : Model
        With its factorisations where errors are wanted.
    dem : layer
        Elevation on the target grid; cells without it get no value, also where elevation is not used.
    errors : bool
        Standard errors as well.
    mask : bool
        No value outside the hull of the stations, and above or below all of them.
    memory : int, optional
        Bytes, see :func:`edaphic.covariates.climate.memory.window_side`.
    found : Extrapolation, optional
        Counts are added to it.
    side : int, optional
        Side of the windows, a multiple of 32; it changes no value.
    dem_unit_m : float
        Metres in the unit of the DEM.

    Yields
    ------
    Block
    """
    found = Extrapolation() if found is None else found
    hull = Hull(_for_hull(model, model.stations.lon, model.stations.lat))
    for window in windows(dem.grid, side or window_side(model, memory, errors)):
        metres = _metres(dem, window, dem_unit_m, found)
        lon, lat = centres(dem.grid, window, WGS84)
        known = np.isfinite(metres) & np.isfinite(lon) & np.isfinite(lat)
        beyond = _beyond(model, hull, lon, lat, metres, known, found)
        if mask:
            known &= ~beyond
        values = _spread(model, model.predict(lon[known], lat[known], metres[known]), known)
        errors_there = _errors(model, lon, lat, metres, known) if errors else {}
        yield Block(window, values, errors_there)


def _metres(dem: ReadsWindows, window: Window, unit_m: float, found: Extrapolation) -> Floats:
    """Elevations of a window; NaN where no ground can be."""
    stored, odd = dem.read_checked(window) if isinstance(dem, Heights) else (dem.read(window), np.zeros(window.shape, dtype=bool))
    metres = stored.astype(np.float64) * unit_m
    with np.errstate(invalid="ignore"):
        strange = (metres < LOWEST_M) | (metres > HIGHEST_M)
    metres[strange] = np.nan
    found.odd_elevations += int((odd | strange).sum())
    return metres


def _for_hull(model: Model, lon: Floats, lat: Floats) -> Floats:
    """Coordinates in which the hull of the stations is looked for: unit vectors where the spline lives on the sphere, else km."""
    return model.places.globe(lon, lat) if model.places.metric == "sphere" else model.places.plane_km(lon, lat)


def _spread(model: Model, values: Floats, known: NDArray[np.bool_]) -> dict[str, Floats]:
    out = {}
    for k, name in enumerate(model.names):
        out[name] = np.full(known.shape, np.nan)
        out[name][known] = values[:, k]
    return out


def _beyond(
    model: Model, hull: Hull, lon: Floats, lat: Floats, metres: Floats, known: NDArray[np.bool_], found: Extrapolation
) -> NDArray[np.bool_]:
    low, high = _elevation_range(model)
    outside = np.zeros(known.shape, dtype=bool)
    outside[known] = hull.outside(_for_hull(model, lon[known], lat[known]))
    with np.errstate(invalid="ignore"):
        apart = known & ((metres < low) | (metres > high))
    found.cells += int(known.sum())
    found.outside_hull += int(outside.sum())
    found.outside_elevations += int(apart.sum())
    if known.any():
        found.lowest_m, found.highest_m = min(found.lowest_m, float(metres[known].min())), max(found.highest_m, float(metres[known].max()))
    return outside | apart


def _elevation_range(model: Model) -> tuple[float, float]:
    metres = model.stations.elevation_m
    if model.how.elevation == "none" or not np.isfinite(metres).any():
        return -np.inf, np.inf
    return float(np.nanmin(metres)), float(np.nanmax(metres))


def _errors(model: Model, lon: Floats, lat: Floats, metres: Floats, known: NDArray[np.bool_]) -> dict[str, Floats]:
    height, width = known.shape
    out = {name: np.full(known.shape, np.nan) for name in model.names}
    parts = [(slice(row, row + ROWS), slice(col, col + COLS)) for row in range(0, height, ROWS) for col in range(0, width, COLS)]
    parts = [part for part in parts if known[part].any()]

    def compute(part: tuple[slice, slice]) -> None:
        # Filled up to a whole block: the sums of a cell then run in the same order whatever the window.
        have, fill = known[part], [np.zeros((ROWS, COLS)) for _ in range(3)]
        for whole, source in zip(fill, (lon, lat, metres), strict=True):
            whole[: have.shape[0], : have.shape[1]] = np.where(have, source[part], np.nan)
        found = model.standard_error(*(whole.ravel() for whole in fill)).reshape(ROWS, COLS, -1)
        for k, name in enumerate(model.names):
            out[name][part] = np.where(have, found[: have.shape[0], : have.shape[1], k], np.nan)

    for _ in spread_out(compute, parts, THREADS):
        pass
    return out
