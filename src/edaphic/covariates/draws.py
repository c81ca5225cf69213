"""Cells of a map drawn at random, each square metre of it with the same chance: they stand for the map where all cells are too many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from edaphic.covariates.polygons import cells_inside
from edaphic.covariates.stack import Stack
from edaphic.errors import RasterError

ROUNDS = 30
"""Rounds of drawing before a map counts as empty; each draws twice what is wanted."""

Removed = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]
"""Which cells (rows and columns of the grid) are left out."""


def draw_cells(
    stack: Stack,
    number: int,
    seed: int,
    *,
    masks: Sequence[tuple[str, Sequence[int]]] = (),
    region: str | Path | None = None,
    removed: Removed | None = None,
) -> pd.DataFrame:
    """Draw cells that have a value of every covariate and that no mask removes.

    Parameters
    ----------
    stack : Stack
    number : int
        Cells wanted; fewer come back where the map has fewer.
    seed : int
    masks : sequence of (covariate, codes)
        Cells of these classes are left out.
    region : path, optional
        Polygons; cells whose centre lies outside are left out.
    removed : callable, optional
        Which of some cells, given by row and column, are left out besides: masks that are no covariates.

    Returns
    -------
    DataFrame
        ``lon``, ``lat`` (degrees) of the centre of each cell and a column per covariate, in the order of drawing; no cell twice.

    Raises
    ------
    RasterError
        No cell of the map has a value.

    Notes
    -----
    On a geographic grid a cell is drawn in proportion to the cosine of its latitude, so that it stands for its area. Projected grids
    are taken as they are.
    """
    rng = np.random.default_rng(seed)
    height, width = stack.grid.shape
    chance = _row_chances(stack.grid)
    seen = np.empty(0, dtype=np.int64)
    parts: list[pd.DataFrame] = []
    found = 0
    for _ in range(ROUNDS):
        row = np.searchsorted(chance, rng.random(2 * number), side="right").clip(0, height - 1)
        cell = row.astype(np.int64) * width + rng.integers(0, width, 2 * number)
        _, first = np.unique(cell, return_index=True)
        cell = cell[np.sort(first)]
        cell = cell[~np.isin(cell, seen)]
        seen = np.append(seen, cell)
        if len(cell):
            kept = _valued(stack, cell, masks, region, removed)
            parts.append(kept)
            found += len(kept)
        if found >= number or len(seen) >= height * width:
            break
    table = pd.concat(parts, ignore_index=True).head(number)
    if table.empty:
        raise RasterError(
            f"covariates: of {len(seen)} cells drawn from the map none has a value of every covariate and is left by region, masks and "
            "bedrock; expected cells to map (covariates/layers.csv tells which rasters cover what)"
        )
    return table


def _row_chances(grid: GeoBox) -> NDArray[np.float64]:
    """Share of the area in all rows up to each."""
    rows = np.arange(grid.shape[0]) + 0.5
    weight = np.ones(len(rows))
    if grid.crs is not None and grid.crs.geographic:
        latitude = grid.transform.f + rows * grid.transform.e
        weight = np.cos(np.radians(np.clip(latitude, -90.0, 90.0)))
    total = np.cumsum(weight)
    return np.asarray(total / total[-1])


def _valued(
    stack: Stack,
    cell: NDArray[np.int64],
    masks: Sequence[tuple[str, Sequence[int]]],
    region: str | Path | None,
    removed: Removed | None,
) -> pd.DataFrame:
    row, col = np.divmod(cell, stack.grid.shape[1])
    for keep in (
        None if region is None else lambda row, col: cells_inside(stack.grid, row, col, region),
        None if removed is None else lambda row, col: ~removed(row, col),
    ):
        if keep is not None and len(row):
            kept = keep(row, col)
            row, col = row[kept], col[kept]
    t = stack.grid.transform
    x, y = t.a * (col + 0.5) + t.b * (row + 0.5) + t.c, t.d * (col + 0.5) + t.e * (row + 0.5) + t.f
    lon, lat = Transformer.from_crs(str(stack.grid.crs), "EPSG:4326", always_xy=True).transform(x, y)
    values, reason = stack.sample(np.asarray(lon), np.asarray(lat))
    good = (reason == "").to_numpy(copy=True)
    for name, codes in masks:
        good &= ~values[name].isin(codes).to_numpy()
    places = pd.DataFrame({"lon": lon, "lat": lat})
    return pd.concat([places, values.reset_index(drop=True)], axis=1)[good]
