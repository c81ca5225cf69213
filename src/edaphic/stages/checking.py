"""What can be known before the work starts: faults of the recipe and of the files that it names, what looks odd, how large the work is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from odc.geo.geobox import GeoBox

from edaphic import covariates, profiles, recipe
from edaphic.errors import EdaphicError, RecipeError
from edaphic.mapping.place import Place
from edaphic.recipe import ProfileSource, Recipe
from edaphic.stages.comparing import check_products
from edaphic.stages.covering import check_years
from edaphic.stages.delivering import check_deliver
from edaphic.stages.depth_grids import look_at_grids
from edaphic.stages.driver_checks import check_drivers
from edaphic.stages.further import further
from edaphic.stages.job import grid_of, kinds_of, sources_of
from edaphic.stages.locating import located
from edaphic.stages.looking import look_at_masks
from edaphic.stages.making import check_makings
from edaphic.stages.mapped import check_maps
from edaphic.stages.montecarlo import check_monte_carlo
from edaphic.stages.size import Size, size_of
from edaphic.stages.soil import read_checked


def check(recipe_path: Path, place: Place | None = None) -> tuple[Recipe, Size]:
    """Everything that can be known before the work starts.

    Parameters
    ----------
    recipe_path : Path
    place : Place, optional
        Where tiles will be computed; threads on all cores of this machine unless given.

    Raises
    ------
    EdaphicError
        All faults of the recipe; or, if it can be read, all faults of the files it names; or work that the memory clearly does not allow.
    """
    try:
        told = recipe.load(recipe_path)
    except RecipeError as fault:
        raise RecipeError([*fault.faults, *further(recipe_path, fault.faults)]) from None
    try:
        return told, _checked(told, recipe_path, place or Place(threads=os.cpu_count() or 1))
    except EdaphicError as fault:
        raise type(fault)(located(fault.faults, told, recipe_path)) from fault


def _checked(told: Recipe, recipe_path: Path, place: Place) -> Size:
    """The check of the files that a sound recipe names."""
    faults = recipe.check_files(told, recipe_path)
    readings = _read(told, recipe_path, told.profiles.sources)
    faults += [fault for reading in readings for fault in reading.faults]
    faults += _check_independent(told, recipe_path) + _check_weights(told, readings)
    rows = [sum(reading.counts[0] for reading in readings), sum(reading.counts[1] for reading in readings)]
    if faults:
        raise EdaphicError(faults)
    grid = grid_of(told, recipe_path)
    dated = sources_of(told, recipe_path)
    sources = [covariates.labelled_source(entry) for entry in dated]
    faults += covariates.check_dates(dated) + covariates.check_sources(sources, grid) + check_years(told, dated)
    kinds = kinds_of(told, dated)
    wrong, odd = _check_work(told, recipe_path, grid, kinds, rows[0])
    faults += wrong
    wrong, more = check_drivers(told, kinds, [reading.table for reading in readings])
    faults, odd = faults + wrong, odd + more
    raw = pd.concat([reading.table for reading in readings], ignore_index=True)
    of_grids = look_at_grids(told.profiles, raw, lambda value: recipe.address(told, recipe_path, value))
    faults += of_grids.faults
    outside = _share_outside(raw, grid)
    carried = set.intersection(*(set(source.covariates) for source in told.profiles.sources))
    if outside == 1 and not set(kinds) <= carried:
        faults.append(_all_outside(raw, grid))
    if faults:
        raise EdaphicError(faults)
    # The sources have been checked above: they are opened only.
    layers = tuple(covariates.open_any(source, grid) for source in sources)
    faults, suspects = covariates.nodata_doubts(covariates.Stack(grid, layers))
    unmapped, idle = look_at_masks(told, recipe_path, grid, dated)
    faults += unmapped
    if faults:
        raise EdaphicError(faults)
    notes = [*profiles.doubts(raw), *of_grids.notes, *covariates.class_doubts(sources), *_first(suspects), *odd, *idle]
    notes += _divisions_apart(told, recipe_path, grid)
    if outside > 0.2:
        notes.append(f"{outside:.0%} of the profiles lie outside the grid: are crs, x and y right?")
    size = size_of(told, grid, layers, len(kinds), rows, place)
    lines = [*(line for reading in readings for line in reading.understood), *profiles.value_lines(raw), *of_grids.values]
    contents = [
        (source.horizons, _content_hash(reading.table))
        for source, reading in zip(told.profiles.sources, readings, strict=True)
        if recipe.table_file(source.horizons) is None
    ]
    return replace(size, values=tuple(lines), notes=tuple(notes), contents=tuple(contents))


def _read(told: Recipe, recipe_path: Path, sources: Sequence[ProfileSource]) -> list[profiles.SourceRead]:
    """The sources of profiles whose files are there; of the others :func:`edaphic.recipe.check_files` tells."""
    found = []
    for source in sources:
        files = [recipe.table_file(name) for name in (source.horizons, source.sites) if name]
        if all(file is None or recipe.resolve(told, recipe_path, file).is_file() for file in files):
            found.append(read_checked(source, lambda value: recipe.address(told, recipe_path, value)))
    return found


def _check_work(
    told: Recipe, recipe_path: Path, grid: GeoBox, kinds: Mapping[str, str], profile_count: int
) -> tuple[list[str], list[str]]:
    """Faults of what is to be made, mapped and accounted for, and what is worth a note."""
    made_faults, made_notes = check_makings(told, recipe_path)
    map_faults, map_notes = check_maps(told, recipe_path, grid)
    drawn_faults, drawn_notes = check_monte_carlo(told, kinds, grid, profile_count)
    given_faults, given_notes = check_deliver(told, recipe_path, grid)
    faults = [*_check_names(told, kinds), *check_products(told, recipe_path), *made_faults, *_check_others(told, recipe_path, grid)]
    faults += [*map_faults, *drawn_faults, *given_faults]
    return faults, [*made_notes, *map_notes, *drawn_notes, *given_notes]


def _check_weights(told: Recipe, readings: Sequence[profiles.SourceRead]) -> list[str]:
    """The column of weights is one of the tables."""
    name = told.model.weights
    if name in ("none", "error") or any(reading.faults or name in reading.table for reading in readings):
        return []  # what a table could not give has been said
    return [f"model.weights: {name!r} is no column of the tables of profiles; expected none, error or a column of numbers"]


def _check_independent(told: Recipe, recipe_path: Path) -> list[str]:
    """Tables of the profiles that the model is scored at."""
    return [
        f"evidence.independent: {entry.name}: {fault}"
        for entry in told.evidence.independent
        for read in _read(told, recipe_path, entry.sources)
        for fault in read.faults
    ]


def _first(notes: Sequence[str], most: int = 5) -> list[str]:
    """The first of many like notes."""
    return [*notes[:most], *([f"and {len(notes) - most} more covariates likewise"] if len(notes) > most else [])]


def _content_hash(table: pd.DataFrame) -> str:
    """SHA-256 of what was read: a database has no file to hash."""
    return hashlib.sha256(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()).hexdigest()


def _share_outside(horizons: pd.DataFrame, grid: GeoBox) -> float:
    """Share of profiles whose place is known and lies outside the grid; 0 where no place is known (cleaning tells that)."""
    places = horizons.drop_duplicates("profile_id")[["lon", "lat"]].dropna()
    row, _ = covariates.cells_of(grid, places["lon"].to_numpy(), places["lat"].to_numpy())
    return float((row < 0).mean()) if len(places) else 0.0


def _all_outside(horizons: pd.DataFrame, grid: GeoBox) -> str:
    lon, lat = horizons["lon"], horizons["lat"]
    box = grid.geographic_extent.boundingbox
    return (
        f"profiles: all places (longitude {lon.min():.4g} to {lon.max():.4g}, latitude {lat.min():.4g} to {lat.max():.4g}) lie outside "
        f"the grid (longitude {box.left:.4g} to {box.right:.4g}, latitude {box.bottom:.4g} to {box.top:.4g}); expected profiles on the "
        "grid (are crs, x and y right?)"
    )


def _check_names(told: Recipe, kinds: Mapping[str, str]) -> list[str]:
    """Names that only the files behind a pattern can tell."""
    asked = [("maps.mask", name) for name in told.maps.mask]
    asked += [("account.by", by) for by in told.account.by if isinstance(by, str)]
    asked += [("deliver.ecosystems.by", told.deliver.ecosystems.by)] if told.deliver.ecosystems is not None else []
    asked += [("evidence.by", by) for by in told.evidence.by]
    asked += [("evidence.independent.strata", entry.strata) for entry in told.evidence.independent if entry.strata is not None]
    asked += [("model.zones", told.model.zones)] if told.model.zones is not None else []
    lost = [
        f"model.screen.keep: {name!r}, which is no covariate; expected names of covariates"
        for name in told.model.screen.keep
        if name not in kinds
    ]
    return lost + [
        f"{where}: {name!r}, which is {'a continuous covariate' if name in kinds else 'no covariate'}; "
        f"expected a covariate of kind class"
        for where, name in asked
        if kinds.get(name) != "class"
    ]


def _check_others(told: Recipe, recipe_path: Path, grid: GeoBox) -> list[str]:
    """Rasters and polygons of the account."""
    account = told.account
    rasters = [(entry.name, entry.path) for entry in account.compare] + [(entry.name, entry.path) for entry in told.evidence.products]
    rasters += [(f"truth {i + 1}", entry.path) for i, entry in enumerate(account.truth)]
    rasters += [(by.name, by.path) for by in account.by if isinstance(by, recipe.ByRaster)]
    rasters += [(f"{by.name} {name}", own.path) for by in account.by if isinstance(by, recipe.ByShares) for name, own in by.shares.items()]
    rasters += [(f"{product.name} {layer}", path) for product in account.products for layer, path in product.layers.items()]
    others = [covariates.Source(name, recipe.resolve(told, recipe_path, path)) for name, path in rasters]
    faults = covariates.check_sources(others, grid)
    for by in account.by:
        if isinstance(by, recipe.ByPolygons):
            path = recipe.resolve(told, recipe_path, by.path)
            try:
                covariates.rasterise(path, by.column, grid, covariates.Window(0, 0, 1, 1))
                covariates.check_overlap(path, grid)
            except EdaphicError as fault:
                faults += [f"account.by {by.name}: {line}" for line in fault.faults]
    return faults


def _divisions_apart(told: Recipe, recipe_path: Path, grid: GeoBox) -> list[str]:
    """Polygons of the account that lie outside the grid."""
    notes = []
    for by in told.account.by:
        if isinstance(by, recipe.ByPolygons):
            lost, count = covariates.names_apart(recipe.resolve(told, recipe_path, by.path), by.column, grid)
            named = ", ".join(lost[:3]) + (" ..." if lost[3:] else "")
            notes += [f"account.by {by.name}: {len(lost)} of {count} lie outside the grid: {named}"] if lost else []
    return notes
