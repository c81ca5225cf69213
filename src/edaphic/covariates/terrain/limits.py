"""What can be told before the heights are read: whether there is memory for the DEM, and whether a disc fits into it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import psutil

from edaphic.covariates.terrain.attributes import ATTRIBUTES, TerrainOptions
from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.dem import Dem
from edaphic.covariates.terrain.neighbours import MOST_CELLS
from edaphic.errors import RasterError

BYTES_A_CELL = 24
"""Of heights, surface without depressions, catchment areas and what routing keeps besides, in float64 at worst 32."""

WIDE = 0.1
"""Radius, as a part of the longer side of the DEM, beyond which it is told."""


def check_memory(dem: Dem, names: Sequence[str]) -> None:
    """Refuse attributes of flow of a DEM that is too large for them; from its shape alone.

    Raises
    ------
    RasterError
        More memory than the machine has, or more cells than routing counts.
    """
    if all(ATTRIBUTES[name].group != "flow" for name in names):
        return
    rows, cols = dem.shape
    needed, there = rows * cols * BYTES_A_CELL / 1e9, psutil.virtual_memory().total / 1e9
    fault = f"{dem.facts.path}: attributes of flow of {rows:,} x {cols:,} cells"
    if needed > there:
        raise RasterError(
            f"{fault} need about {needed:,.0f} GB of memory; "
            f"this machine has {there:,.0f}: expected a smaller DEM, or --attributes local"
        )
    if rows * cols > MOST_CELLS:
        raise RasterError(f"{fault}; expected at most {MOST_CELLS:,}, or --attributes local")


def radius_sizes(cells: CellSizes, options: TerrainOptions) -> tuple[float, float]:
    """Radius of the disc from north to south and from west to east, m, in the middle of the DEM.

    >>> radius_sizes(CellSizes.square(30.0, 3), TerrainOptions(radius=10))
    (300.0, 300.0)
    """
    radius = options.radius or 0.0
    if options.radius_unit == "m":
        return radius, radius
    middle = len(cells) // 2
    return radius * float(cells.dy_m[middle]), radius * float(cells.dx_m[middle])


def check_radius(dem: Dem, names: Sequence[str], options: TerrainOptions) -> list[str]:
    """Refuse a disc that is wider than the DEM; tell of one that is wide.

    Returns
    -------
    list of str
        A note where the radius is more than a tenth of the longer side of the DEM; else nothing.

    Raises
    ------
    RasterError
        A radius of more than the longer side.
    """
    if options.radius is None or "tpi" not in names:
        return []
    rows, cols = dem.shape
    sides = rows * float(dem.cells.dy_m[rows // 2]), cols * float(np.nanmax(dem.cells.dx_m))
    longer, radius = max(sides), max(radius_sizes(dem.cells, options))
    part = max(options.radius / max(dem.shape) if options.radius_unit == "cells" else radius / longer, 0.0)
    told = f"{options.radius:g} {options.radius_unit}"
    told += f" ({radius:,.0f} m)" if options.radius_unit == "cells" else ""
    if part > 1.0:
        raise RasterError(
            f"--radius {told}: wider than the DEM, whose longer side is {max(rows, cols):,} cells ({longer:,.0f} m); "
            "expected a smaller one: cells such as 10, or metres such as 300m"
        )
    if part <= WIDE:
        return []
    cells_or_metres = "; metres are written with an m, such as 300m" if options.radius_unit == "cells" else ""
    return [f"a radius of {told} is {100 * part:.0f} % of the longer side of the DEM{cells_or_metres}"]
