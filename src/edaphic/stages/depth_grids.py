"""Rasters of bulk density and coarse fragments by depth: their values at horizons, and the check of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic import covariates, profiles
from edaphic.covariates import Source
from edaphic.errors import EdaphicError, UnitError
from edaphic.recipe import DepthGrid, Profiles, read_layer
from edaphic.units import to_internal

PathOf = Callable[[str], Path | str]
"""Real path of a file that a recipe names, or the address of a database table."""


@dataclass(frozen=True)
class GridsLookedAt:
    """What was found of the grids by depth at the horizons of a table, one line each: faults, what looks odd, and their values."""

    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


def values_of(grid: DepthGrid | None, quantity: str, horizons: pd.DataFrame, path_of: PathOf) -> NDArray[np.float64] | None:
    """Values of rasters by depth at the profiles, one for each horizon, in internal units; None without rasters."""
    if grid is None:
        return None
    if quantity == "coarse_fragments" and grid.unit.startswith("mass"):
        # By mass they need the density of their horizon, which may come from a grid itself.
        raise UnitError(f"{quantity}_grid: unit {grid.unit!r}; expected rasters by volume, in vol% or vol_fraction")
    first = horizons.drop_duplicates("profile_id")
    layers, values = [], []
    for name, path in grid.layers.items():
        source = Source(f"{quantity} {name}", Path(path_of(path)))
        stack = covariates.build([source], covariates.grid_like(source.path))
        found, _ = stack.sample(first["lon"].to_numpy(), first["lat"].to_numpy())
        values.append(to_internal(found.iloc[:, 0].to_numpy(), quantity, grid.unit, f"{quantity}_grid"))
        layers.append(read_layer(name) or (0.0, 0.0))
    return profiles.horizon_means_from_layers(horizons, layers, np.column_stack(values))


def look_at_grids(recipe: Profiles, horizons: pd.DataFrame, path_of: PathOf) -> GridsLookedAt:
    """Look at the grids by depth before the work starts: what they say at the horizons, and whether that can be.

    Parameters
    ----------
    recipe : Profiles
    horizons : DataFrame
        Raw horizon table of all sources.
    path_of : callable
    """
    if recipe.bulk_density_grid is None and recipe.coarse_fragments_grid is None:
        return GridsLookedAt()
    # Profiles of two sources may have the same name before they are stacked.
    names = horizons["source"].astype("str") + "\n" + horizons["profile_id"].astype("str")
    table = horizons.assign(profile_id=names)[np.isfinite(horizons["lon"]) & np.isfinite(horizons["lat"])].reset_index(drop=True)
    faults: list[str] = []
    notes: list[str] = []
    lines: list[str] = []
    for quantity, grid in _grids(recipe):
        try:
            values = values_of(grid, quantity, table, path_of)
        except EdaphicError as error:
            faults += [f"profiles.{quantity}_grid: {line.removeprefix(f'{quantity}_grid: ')}" for line in error.faults]
            continue
        assert values is not None
        wrong, odd = profiles.grid_doubts(table, values, quantity, grid.unit)
        faults += [f"profiles.{line}" for line in wrong]
        notes += odd
        lines += profiles.spread_lines(f"{quantity.replace('_', ' ')} of the grid", values, profiles.INTERNAL[quantity])
    return GridsLookedAt(tuple(faults), tuple(notes), tuple(lines))


def _grids(recipe: Profiles) -> Iterator[tuple[str, DepthGrid]]:
    for quantity, grid in (("bulk_density", recipe.bulk_density_grid), ("coarse_fragments", recipe.coarse_fragments_grid)):
        if grid is not None:
            yield quantity, grid
