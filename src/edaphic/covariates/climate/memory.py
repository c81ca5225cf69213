"""How much fits into a bound of the memory of the process: factorisations at a time, and the windows of the grid."""

from __future__ import annotations

import numpy as np
import psutil

from edaphic.covariates.climate.factor import BLOCK, THREADS
from edaphic.covariates.climate.model import How, Model, basis_of, transforms_of, weights_of
from edaphic.covariates.climate.spline import patterns
from edaphic.covariates.climate.stations import Stations
from edaphic.errors import RunError

ROWS, COLS = 16, 32
"""Standard errors are computed in blocks of so many cells of the grid, counted from its corner: no tiling changes them."""

LARGEST, SMALLEST = 1024, 64
"""Sides of the windows."""

SQUARES = 7
"""Square matrices of the stations that are held while one factorisation is made."""

FIXED = 24 * 2**20
"""Bytes of the raster files, and of what is loaded on the way."""

FIRST = 56 * 2**20
"""Bytes that linear algebra and compiled kernels take when they are first called, and keep."""


def window_side(model: Model, memory: int | None, errors: bool) -> int:
    """Side of the windows that keep the whole process within a bound.

    Parameters
    ----------
    model : Model
    memory : int or None
        Bytes of resident memory that the process may have; None takes the largest windows.
    errors : bool
        Whether standard errors are computed.

    Raises
    ------
    RunError
        The bound leaves no room for the smallest windows.
    """
    if memory is None:
        return LARGEST
    fixed, per_cell = _needs(model.stations, model.how, errors)
    used = psutil.Process().memory_info().rss
    cells = (memory - used - fixed) / per_cell
    if cells < SMALLEST**2:
        raise _too_little(memory, used + fixed + per_cell * SMALLEST**2, model.stations)
    return int(min(LARGEST, np.sqrt(cells) // COLS * COLS))


def fit_threads(stations: Stations, how: How, memory: int | None, errors: bool) -> int:
    """Factorisations that may be made at a time within a bound of the memory of the process.

    Fields share one where they have values at the same stations, with the same weights; for standard errors all are kept.

    Raises
    ------
    RunError
        The bound leaves no room for one, or none for the windows of the grid after them.
    """
    if memory is None:
        return THREADS
    weights = weights_of(stations, how)
    groups = patterns(stations.values, np.ones(stations.values.shape) if weights is None else weights)
    square = 8 * len(stations.ids) ** 2
    fixed, per_cell = _needs(stations, how, errors)
    used = psutil.Process().memory_info().rss
    start = used + FIRST + (len(groups) * square if errors else 0)
    after = start + fixed + per_cell * SMALLEST**2
    if after <= memory:
        for threads in range(THREADS, 0, -1):  # also the folds withheld, which are made at a time
            if start + SQUARES * threads * square <= memory:
                return threads
    raise _too_little(memory, max(after, start + SQUARES * square), stations)


def _needs(stations: Stations, how: How, errors: bool) -> tuple[int, int]:
    """Bytes whatever the windows, and for each of their cells."""
    _, basis, _ = basis_of(stations, how)
    fields, n = len(stations.names), len(stations.ids)
    per_field = 3 if set(transforms_of(stations, how)) == {"none"} else 8
    per_cell = 8 * (14 + 6 * len(basis.shift) + 3 * basis.terms + fields * per_field * (2 if errors else 1))
    return FIXED + (8 * n * BLOCK * 6 if errors else 0), per_cell


def _too_little(memory: int, least: float, stations: Stations) -> RunError:
    what = f"{len(stations.ids):,} stations and {len(stations.names)} fields"
    return RunError(f"--memory: {memory / 1e9:g} GB; expected at least {np.ceil(least / 1e7) / 100:.2f} GB for {what}")
