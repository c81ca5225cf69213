"""Files that the stages of a run read: what is hashed, so that a stage runs again when one of them has changed."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

import rasterio

from edaphic import recipe
from edaphic.covariates import Source
from edaphic.covariates.spectra.finding import find_scenes
from edaphic.covariates.spectra.scene import files_of
from edaphic.covariates.spectra.scenes import Words
from edaphic.covariates.stac_items import asset_of, is_item
from edaphic.recipe import Recipe
from edaphic.stages.job import sources_of
from edaphic.stages.licensing import sidecars

TABLES = (".csv", ".gz", ".parquet", ".txt", ".tsv")
VECTORS = (".gpkg", ".geojson", ".json", ".shp", ".dbf", ".shx", ".prj", ".cpg")


READ: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "profiles": ("tables", "by_depth"),
        "rasters": ("making",),
        "covariates": ("rasters",),
        "model": ("rasters", "maps"),
        "evidence": ("rasters", "maps", "evidence"),
        "maps": ("rasters", "maps"),
        "montecarlo": ("rasters", "maps", "divisions"),
        "totals": ("rasters", "divisions"),
        "account": ("rasters", "account"),
        "drivers": ("rasters",),
        "deliver": ("tables", "by_depth", "making", "rasters", "maps", "account", "evidence", "delivered"),
    }
)
"""Kinds of files that each stage reads; the others read what the run has made."""


@dataclass(frozen=True)
class Inputs:
    """Input files of a run, each list sorted, with the files that belong to them.

    ``stages``: by stage. ``parts``: by part of the stage of rasters; all of them are inputs of that stage.
    """

    stages: Mapping[str, list[Path]]
    parts: Mapping[str, list[Path]]


def inputs_of(told: Recipe, recipe_path: Path, stages: Iterable[str]) -> Inputs:
    """Input files that stages and the parts of the stage of rasters read."""
    named = [name for source in told.profiles.sources for name in (source.horizons, source.sites) if name]
    tables = {file for name in named if (file := recipe.table_file(name)) is not None}
    by_depth = [grid for grid in (told.profiles.bulk_density_grid, told.profiles.coarse_fragments_grid) if grid is not None]
    account = set(recipe.named_for_account(told))
    others = [name for entry in told.evidence.independent for source in entry.sources for name in (source.horizons, source.sites) if name]
    evidence = {file for name in others if (file := recipe.table_file(name)) is not None}
    evidence |= {product.path for product in told.evidence.products}
    maps = {name for name in recipe.named_for_maps(told) if not recipe.is_elsewhere(name)}
    rasters = _grid(told, recipe_path) | _rasters(told, recipe_path)
    making = _making(told, recipe_path, rasters)
    paths: dict[str, set[Path]] = {
        "tables": {recipe.resolve(told, recipe_path, name) for name in tables},
        "rasters": rasters,
        "maps": {recipe.resolve(told, recipe_path, name) for name in maps},
        "account": {recipe.resolve(told, recipe_path, name) for name in account},
        "divisions": {recipe.resolve(told, recipe_path, name) for by in told.account.by for name in recipe.named_by(by)},
        "evidence": {recipe.resolve(told, recipe_path, name) for name in evidence},
        "by_depth": {recipe.resolve(told, recipe_path, name) for grid in by_depth for name in grid.layers.values()},
        "making": set().union(*making.values()),
        "delivered": _delivered(told, recipe_path, rasters),
    }
    belonging = {path: members(path) for path in set().union(*paths.values())}

    def whole(files: Iterable[Path]) -> list[Path]:
        return sorted({member for path in files for member in belonging[path]})

    return Inputs(
        {stage: whole(path for kind in READ.get(stage, ()) for path in paths[kind]) for stage in stages},
        {part: whole(files) for part, files in making.items()},
    )


def _delivered(told: Recipe, recipe_path: Path, rasters: set[Path]) -> set[Path]:
    """The grid of a package, and STAC items beside rasters: they may tell a licence."""
    asked = told.deliver.gsocmap
    given = set() if asked is None or asked.grid is None else {recipe.resolve(told, recipe_path, asked.grid)}
    return given | (sidecars(rasters) if told.deliver.asked else set())


def _making(told: Recipe, recipe_path: Path, rasters: set[Path]) -> dict[str, set[Path]]:
    """Files that each part of the stage of rasters reads; ``rasters``: those of the covariates that are there, and of the grid."""
    asked = told.covariates
    found = {
        part: {recipe.resolve(told, recipe_path, name) for name in names if not recipe.is_elsewhere(name)}
        for part, names in recipe.named_to_make(told).items()
    }
    if asked.indices is not None:
        scenes = recipe.resolve(told, recipe_path, asked.indices.scenes)
        found["indices"] |= _scenes(scenes) | _grid(told, recipe_path)
    if asked.depth_means:
        found["depth_means"] |= _grid(told, recipe_path)
    if asked.zones is not None:
        found["zones"] = set(rasters)
    return found


def _scenes(path: Path) -> set[Path]:
    """All files of a folder; else the bands, quality and metadata behind a table or a file of metadata."""
    if path.is_dir() or not path.exists():
        return {path}
    return {path, *files_of(find_scenes(path, Words()))}


def _grid(told: Recipe, recipe_path: Path) -> set[Path]:
    if isinstance(told.grid, recipe.GridLike):
        return {recipe.resolve(told, recipe_path, told.grid.like)}
    return {recipe.resolve(told, recipe_path, told.grid.region)} if isinstance(told.grid, recipe.GridRegion) else set()


def _rasters(told: Recipe, recipe_path: Path) -> set[Path]:
    sources = [entry.source for entry in sources_of(told, recipe_path)]
    legends = {source.classes for source in sources if isinstance(source.classes, Path)}
    paths = {Path(source.path) for source in sources if not recipe.is_elsewhere(str(source.path))}
    beside = {path.with_name(f"{path.stem}_legend.csv") for path in paths}
    return legends | paths | {path for path in beside if path.is_file()} | _assets(sources)


def _assets(sources: Sequence[Source]) -> set[Path]:
    """Local files behind STAC items, which are no members of their items for GDAL."""
    items = [source for source in sources if is_item(source.path) and Path(source.path).is_file()]
    found = (Path(asset_of(source.path, source.asset, source.band)[0]) for source in items)
    return {path for path in found if path.is_file()}


def members(path: Path) -> list[Path]:
    """A file and those that belong to it: the sources of a VRT, world files, the parts of a shapefile; the files of a folder."""
    if path.is_dir():
        return sorted(member for member in path.rglob("*") if member.is_file())
    if not path.exists():  # a file within a zip file
        return [parent for parent in path.parents if parent.is_file()][:1]
    found = {path}
    if path.suffix.lower() in TABLES:
        return [path]
    if path.suffix.lower() in VECTORS:
        found |= {other for other in path.parent.glob(f"{glob.escape(path.stem)}.*") if other.suffix.lower() in VECTORS}
        return sorted(found)
    try:
        with rasterio.open(path) as opened:
            found |= {Path(name) for name in cast(Sequence[str], opened.files)}
            inner = [Path(name) for name in opened.files if name.lower().endswith(".vrt") and Path(name) != path]
            found |= {member for name in inner for member in members(name)}
    except rasterio.errors.RasterioIOError:
        return [path]  # what cannot be opened has been said by the check
    return sorted(member for member in found if member.is_file())
