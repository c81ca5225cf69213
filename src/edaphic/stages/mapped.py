"""What is to be mapped: the work on a tile, made of recipe, model and covariates; and the check of what only maps read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic import covariates
from edaphic.covariates import Source, TimedStack
from edaphic.covariates.source import Kind
from edaphic.errors import EdaphicError
from edaphic.mapping.mask import Bedrock, Mask, soil_share
from edaphic.mapping.names import OF_COVARIATES
from edaphic.mapping.predict import Calibration, TileWork
from edaphic.model.artefact import Kit
from edaphic.recipe import GridRegion, MapMask, Recipe, is_elsewhere, resolve
from edaphic.stages.covering import map_periods, map_year
from edaphic.stages.ecosystems import share_faults, share_sources, share_values
from edaphic.stages.job import Job, sources_of
from edaphic.units import height_unit
from edaphic.validate.applicability import Applicability

SHALLOW_CM, DEEP_CM, LOOK = 5.0, 10_000.0, 32
"""Depths to bedrock, half of which are no more or no less than these, look like another unit; side of the places looked at, in cells."""


def tile_work(job: Job, kit: Kit, timed: TimedStack) -> TileWork:
    """The work on a tile of the maps that a recipe asks for.

    Raises
    ------
    RasterError, TableError
        A mask, or the depth to bedrock, cannot be opened.
    ModelError
        The model or its evidence cannot give what is asked.
    """
    told, model = job.recipe.maps, kit.model
    names = list(dict.fromkeys([*model.covariates, *told.mask]))
    periods = map_periods(job)
    stacks = tuple(timed.during(map_year(job, own), job.recipe.covariates.max_gap_years).select(names) for own in periods)
    region = job.path(job.recipe.grid.region) if isinstance(job.recipe.grid, GridRegion) else None
    needed = told.only_applicable or any(stat in OF_COVARIATES for stat in told.stats)
    where = Applicability.from_arrays(kit.applicability) if needed and kit.applicability is not None else None
    return TileWork(
        model,
        stacks,
        told.stats,
        Calibration(kit.levels, kit.adjustments, kit.level_adjustments),
        periods=periods,
        thresholds=told.thresholds,
        class_masks=tuple((name, tuple(codes)) for name, codes in sorted(told.mask.items())),
        masks=masks_of(job.recipe, job.recipe_path, timed.grid),
        region=region,
        bedrock=bedrock_of(job.recipe, job.recipe_path, timed.grid),
        applicability=where,
        only_applicable=told.only_applicable,
        mean_of_periods=told.mean_of_periods,
    )


def masks_of(told: Recipe, recipe_path: Path, grid: GeoBox) -> tuple[Mask, ...]:
    """Masks that are no covariates."""
    return tuple(_mask(told, recipe_path, entry, grid) for entry in told.maps.masks)


def bedrock_of(told: Recipe, recipe_path: Path, grid: GeoBox) -> Bedrock | None:
    """The depth to bedrock on the grid."""
    entry = told.maps.bedrock
    return None if entry is None else Bedrock(covariates.open_any(_bedrock_source(told, recipe_path), grid), entry.unit)


def removed_of(told: Recipe, recipe_path: Path, grid: GeoBox) -> Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]:
    """Which cells are left empty whatever the model says: those of masks that are no covariates, and those without any soil."""
    masks, bedrock, layers = masks_of(told, recipe_path, grid), bedrock_of(told, recipe_path, grid), told.profiles.layers

    def removed(row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.bool_]:
        gone = np.zeros(len(row), dtype=bool)
        for mask in masks:
            gone |= mask.removed_cells(grid, row, col)
        if bedrock is not None:
            gone |= ~soil_share(bedrock.depth_cm_cells(row, col), layers).any(axis=1)
        return gone

    return removed


def check_maps(told: Recipe, recipe_path: Path, grid: GeoBox) -> tuple[list[str], list[str]]:
    """Faults of the rasters and polygons that only maps read, and what is allowed there but looks odd."""
    sources = list(_rasters(told, recipe_path))
    faults = covariates.check_sources(sources, grid)
    for entry in told.maps.masks:
        if not entry.of_raster:
            try:
                covariates.check_overlap(_place(told, recipe_path, entry.path), grid)
            except EdaphicError as fault:
                faults += [f"maps.masks {entry.name}: {line}" for line in fault.faults]
    zones = [entry.source for entry in sources_of(told, recipe_path) if told.maps.shares and entry.source.name == told.model.zones]
    if zones and not covariates.check_sources(zones[:1], grid):
        faults += share_faults(told, covariates.facts(zones[0]).classes)
    if faults:
        return faults, []
    faults += share_values(told, recipe_path, grid)
    if faults:
        return faults, []
    doubts, notes = covariates.nodata_doubts(covariates.Stack(grid, tuple(covariates.open_any(source, grid) for source in sources)))
    return doubts, notes + _unit_doubt(told, recipe_path) + _depth_doubt(told, recipe_path, grid)


def _unit_doubt(told: Recipe, recipe_path: Path) -> list[str]:
    """A depth to bedrock whose file names another unit than the recipe."""
    if told.maps.bedrock is None:
        return []
    said = covariates.facts(replace(_bedrock_source(told, recipe_path), unit=None)).unit
    known = height_unit(said)
    if known in (None, told.maps.bedrock.unit):
        return []
    return [f"maps.bedrock: the file says that its unit is {said}, the recipe {told.maps.bedrock.unit}; the recipe counts"]


def _depth_doubt(told: Recipe, recipe_path: Path, grid: GeoBox) -> list[str]:
    """Depths to bedrock, in nine places of the grid, that look like metres called centimetres, or the reverse."""
    if told.maps.bedrock is None:
        return []
    layer = covariates.open_any(_bedrock_source(told, recipe_path), grid)
    unit, (rows, cols) = told.maps.bedrock.unit, grid.shape
    parts = [
        covariates.Window(row, col, min(LOOK, rows - row), min(LOOK, cols - col))
        for row in sorted({max(0, rows * i // 6 - LOOK // 2) for i in (1, 3, 5)})
        for col in sorted({max(0, cols * j // 6 - LOOK // 2) for j in (1, 3, 5)})
    ]
    depth = np.concatenate([Bedrock(layer, unit).depth_cm(part).ravel() for part in parts])
    known = depth[np.isfinite(depth) & (depth >= 0)]
    if not known.size or SHALLOW_CM < (middle := float(np.median(known))) < DEEP_CM:
        return []
    beyond = "less" if middle <= SHALLOW_CM else "more"
    return [f"maps.bedrock: half of the depths looked at are {middle:g} cm or {beyond}: is {unit} the unit?"]


def _rasters(told: Recipe, recipe_path: Path) -> Iterator[Source]:
    """Rasters of masks and of the depth to bedrock."""
    for entry in told.maps.masks:
        if entry.of_raster:
            yield _mask_source(told, recipe_path, entry)
    if told.maps.bedrock is not None:
        yield _bedrock_source(told, recipe_path)
    yield from share_sources(told, recipe_path)


def _place(told: Recipe, recipe_path: Path, path: str) -> Path | str:
    return path if is_elsewhere(path) else resolve(told, recipe_path, path)


def _mask_source(told: Recipe, recipe_path: Path, entry: MapMask) -> Source:
    kind: Kind = "continuous" if entry.classes is None else "class"
    return Source(f"maps.masks {entry.name}", _place(told, recipe_path, entry.path), kind, entry.band, entry.nodata)


def _bedrock_source(told: Recipe, recipe_path: Path) -> Source:
    entry = told.maps.bedrock
    assert entry is not None
    return Source(
        "maps.bedrock", _place(told, recipe_path, entry.path), "continuous", entry.band, entry.nodata, entry.scale, entry.offset,
        entry.unit, resampling=entry.resampling,
    )  # fmt: skip


def _mask(told: Recipe, recipe_path: Path, entry: MapMask, grid: GeoBox) -> Mask:
    if not entry.of_raster:
        return Mask(entry.name, polygons=Path(_place(told, recipe_path, entry.path)))
    layer = covariates.open_any(_mask_source(told, recipe_path, entry), grid)
    return Mask(entry.name, layer, classes=entry.classes or (), above=entry.above, below=entry.below)
