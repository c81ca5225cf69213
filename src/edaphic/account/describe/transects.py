"""How stock lies over a map: area by class of stock, and mean and spread along longitude or latitude. Read by window, weighed by area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.account.maps import Reader, check_shape
from edaphic.account.sums import Sums
from edaphic.covariates.grid import WGS84, Window, cell_area_m2, windows
from edaphic.covariates.window import centres
from edaphic.errors import TableError
from edaphic.units import M2_PER_KM2

Floats = NDArray[np.float64]

AREA_SHARE_COLUMNS = ("map", "low", "high", "cells", "area_km2", "share")

ALONG_COLUMNS = ("map", "low_deg", "high_deg", "cells", "area_km2", "mean", "sd", "variance")

_MOST_BINS = 36_000


def area_by_class(grid: GeoBox, maps: Mapping[str, Reader], limits: Sequence[float], *, window_size: int = 512) -> pd.DataFrame:
    """Area of each map that lies in each class of stock.

    Parameters
    ----------
    grid : GeoBox
    maps : mapping of str to callable
        Readers by the name of the map (a layer, a period): window -> values (height, width), NaN where there is none.
    limits : sequence of float
        Rising, in the unit of the maps. They make one class more than there are limits: below the first, from each up to the next
        (a value on a limit belongs to the class above it), and from the last on.
    window_size : int
        Cells read at once, a side; it changes no result.

    Returns
    -------
    DataFrame
        :data:`AREA_SHARE_COLUMNS`: maps in their order, classes from low to high; the ends are infinite. ``share`` is of the area
        with a value in that map, by true area; NaN for a map without any.

    Raises
    ------
    TableError
        Limits that do not rise; no map.
    RasterError
        A reader returns another shape.

    Examples
    --------
    >>> from affine import Affine
    >>> grid = GeoBox((1, 4), Affine(1000.0, 0.0, 4_321_000.0, 0.0, -1000.0, 3_210_000.0), "EPSG:3035")
    >>> area_by_class(grid, {"0-30 cm": lambda _: np.array([[1.0, 2.0, 5.0, np.nan]])}, [2.0, 4.0]).round(3)
           map  low  high  cells  area_km2  share
    0  0-30 cm -inf   2.0      1       1.0  0.333
    1  0-30 cm  2.0   4.0      1       1.0  0.333
    2  0-30 cm  4.0   inf      1       1.0  0.333
    """
    edges = _rising(limits, "limits")
    if not maps:
        raise TableError("maps: found none; expected one at least")
    sums = Sums(2)
    for window in windows(grid, window_size):
        area = np.nan_to_num(cell_area_m2(grid, window).ravel(), nan=0.0)
        for name, read in maps.items():
            values = check_shape(np.asarray(read(window), dtype=np.float64), window, name).ravel()
            quantities = np.stack([np.ones_like(area), area])
            for place, cells in _groups(np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), -1)):
                sums.add_cells((name, place), quantities, cells)
    rows = []
    for name in maps:
        found = np.array([sums[(name, place)] for place in range(len(edges) + 1)])
        whole = float(found[:, 1].sum())
        for (low, high), (cells, area_m2) in zip(pairwise([-np.inf, *edges, np.inf]), found.tolist(), strict=True):
            rows.append((name, low, high, int(cells), area_m2 / M2_PER_KM2, area_m2 / whole if whole > 0.0 else float("nan")))
    return pd.DataFrame(rows, columns=list(AREA_SHARE_COLUMNS))


def along(
    grid: GeoBox, maps: Mapping[str, Reader], *, axis: Literal["lon", "lat"] = "lon", width_deg: float = 1.0, window_size: int = 512
) -> pd.DataFrame:
    """Mean and spread of maps in strips of longitude or latitude.

    Parameters
    ----------
    grid : GeoBox
        Of any projection: a cell belongs to the strip of its centre.
    maps : mapping of str to callable
        As of :func:`area_by_class`.
    axis : {"lon", "lat"}
    width_deg : float
        Of a strip, whose bounds are multiples of it.
    window_size : int

    Returns
    -------
    DataFrame
        :data:`ALONG_COLUMNS`: maps in their order, strips from west to east (south to north), those with a value only. ``mean``,
        ``sd`` and ``variance`` weigh cells by their true area; the variance is that of the cells of a strip about its mean (no
        correction for few cells): it is spread over space, no error of anything.

    Raises
    ------
    TableError
        No map, an axis or a width that cannot be.
    RasterError
        A reader returns another shape.

    Notes
    -----
    Sums are compensated, so that a variance keeps its digits unless it is a millionth of the squared mean or less.

    Examples
    --------
    Two cells of one degree at the equator, on either side of it, 1 and 3 in the west, 5 and 5 in the east:

    >>> from affine import Affine
    >>> grid = GeoBox((2, 2), Affine(1.0, 0.0, 10.0, 0.0, -1.0, 1.0), "EPSG:4326")
    >>> found = along(grid, {"map": lambda _: np.array([[1.0, 5.0], [3.0, 5.0]])})
    >>> found[["low_deg", "high_deg", "cells", "mean", "variance"]].round(6).values.tolist()
    [[10.0, 11.0, 2.0, 2.0, 1.0], [11.0, 12.0, 2.0, 5.0, 0.0]]
    """
    faults = [] if maps else ["maps: found none; expected one at least"]
    if axis not in ("lon", "lat"):
        faults.append(f"axis: found {axis!r}; expected lon or lat")
    if not 360.0 / _MOST_BINS <= width_deg <= 180.0:
        faults.append(f"width_deg: found {width_deg:g}; expected {360.0 / _MOST_BINS:g} to 180 degrees")
    if faults:
        raise TableError(faults)
    sums = Sums(4)
    for window in windows(grid, window_size):
        area = np.nan_to_num(cell_area_m2(grid, window).ravel(), nan=0.0)
        strip = _strips(grid, window, axis, width_deg)
        for name, read in maps.items():
            values = check_shape(np.asarray(read(window), dtype=np.float64), window, name).ravel()
            known = np.isfinite(values) & (strip > _NO_STRIP)
            shown = np.where(known, values, 0.0)
            quantities = np.stack([np.ones_like(area), area, area * shown, area * shown**2])
            for place, cells in _groups(np.where(known, strip, _NO_STRIP), _NO_STRIP):
                sums.add_cells((name, place), quantities, cells)
    rows = []
    for name in maps:
        for place in sorted(key[1] for key in sums if isinstance(key, tuple) and key[0] == name):
            count, area_m2, first, second = (float(value) for value in sums[(name, place)])
            if area_m2 > 0.0:
                variance = max(second / area_m2 - (first / area_m2) ** 2, 0.0)
                bounds = place * width_deg, (place + 1) * width_deg
                rows.append((name, *bounds, int(count), area_m2 / M2_PER_KM2, first / area_m2, float(np.sqrt(variance)), variance))
    return pd.DataFrame(rows, columns=list(ALONG_COLUMNS))


_NO_STRIP = -10 * _MOST_BINS
"""Number of cells that lie in no strip."""


def _strips(grid: GeoBox, window: Window, axis: str, width_deg: float) -> NDArray[np.int64]:
    """Number of the strip of each cell of a window, flat."""
    lon, lat = centres(grid, window, WGS84)
    degrees = (lon if axis == "lon" else lat).ravel()
    placed = np.isfinite(degrees)
    return np.where(placed, np.floor(np.where(placed, degrees, 0.0) / width_deg), _NO_STRIP).astype(np.int64)


def _groups(places: NDArray[np.int64], none: int = -1) -> list[tuple[int, NDArray[np.intp]]]:
    """Cells of each place, in rising order of places and, within one, of cells; those of no place left out."""
    order = np.argsort(places, kind="stable")
    ranked = places[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    return [(int(places[cells[0]]), cells) for cells in np.split(order, starts[1:]) if places[cells[0]] != none]


def _rising(limits: Sequence[float], name: str) -> Floats:
    edges = np.asarray(limits, dtype=np.float64)
    if edges.ndim != 1 or not edges.size or not np.isfinite(edges).all() or (np.diff(edges) <= 0.0).any():
        raise TableError(f"{name}: found {list(limits)}; expected one number or more, rising")
    return edges
