"""The stage of rasters: covariates that the run makes itself, before it takes them up like those that were there."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edaphic import covariates
from edaphic.covariates import Source
from edaphic.covariates.climate import How, Period, Words
from edaphic.covariates.climate.making import Checked, Wanted, check_climate, make_climate, read_checked
from edaphic.covariates.depth_means import Layer, depth_faults, write_depth_means
from edaphic.covariates.spectra.checking import check_composite
from edaphic.covariates.spectra.composing import BareSoil, Composing
from edaphic.covariates.spectra.composites import composite
from edaphic.covariates.spectra.finding import choose_indices, find_scenes, read_coefficients
from edaphic.covariates.spectra.periods import read_period
from edaphic.covariates.spectra.quality import DEFAULT_MASK, check_names
from edaphic.covariates.spectra.scene import Scene
from edaphic.covariates.spectra.scenes import Words as SceneWords
from edaphic.covariates.terrain.attributes import TerrainOptions
from edaphic.covariates.terrain.dem import Dem, open_dem
from edaphic.covariates.terrain.evidence import examine
from edaphic.covariates.terrain.limits import check_memory, check_radius
from edaphic.covariates.terrain.local import LocalRules
from edaphic.covariates.terrain.making import make_terrain
from edaphic.covariates.zones import write_climate_zones
from edaphic.errors import EdaphicError, RasterError, TableError
from edaphic.files import sha256_of
from edaphic.manifest import key_of
from edaphic.recipe import DepthMeans, Recipe, covariate_layers, is_elsewhere, made_layers, read_layer, resolve
from edaphic.stages.covering import map_year
from edaphic.stages.job import OF_ZONES, Job, grid_of, heeded, rasters_of, write_json

MADE = "made.json"

STATION_ROLES = {"elevation_m": "elevation", "station_id": "station"}
"""Roles of a station table as the reader calls them, where the recipe uses the names of our own tables."""


Make = Callable[["Job", Path], None]


def stage_rasters(job: Job, work: Path, partial: Path) -> None:
    """Make what the recipe has made: terrain, indices, climate, means over depth, climate zones.

    A part whose recipe and inputs are those of the run before is taken over from it. ``covariates/made.json`` tells which files a part
    has made, and from what.
    """
    del partial
    folder = work / "covariates"
    asked = job.recipe.covariates
    parts: tuple[tuple[str, object, Make], ...] = (
        ("terrain", asked.terrain, _terrain),
        ("indices", asked.indices, _indices),
        ("climate", asked.climate, _climate),
        ("depth_means", asked.depth_means, _depth_means),
        ("zones", asked.zones, _zones),
    )
    before = _read_made(job.out / "covariates" / MADE)
    made: dict[str, dict[str, Any]] = {}
    for name, wanted, make in parts:
        if not wanted:
            continue
        key = _key(job, name, {part: entry["key"] for part, entry in made.items()})
        there = set(_names(folder))
        if not _take_over(before.get(name), key, job.out / "covariates", folder):
            make(job, folder)
        else:
            job.say(f"{name}: unchanged, taken over", 1, 1)
        files = sorted(set(_names(folder)) - there)
        made[name] = {"key": key, "files": {file: sha256_of(folder / file) for file in files}}
    if made:
        write_json(folder / MADE, made)


def _key(job: Job, part: str, before: dict[str, str]) -> str:
    """Hash of what a part is made from; zones are made of other parts too."""
    sections: tuple[str, ...] = (f"covariates.{part}",)
    if part in ("indices", "depth_means", "zones"):
        sections += ("grid",)
    if part == "zones":
        sections += OF_ZONES
    told = {
        "version": job.version,
        "recipe": heeded(job.recipe, sections),
        "inputs": dict(job.making.get(part, {})),
        "libraries": dict(job.libraries),
        "before": before if part == "zones" else {},
    }
    return key_of(told)


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _read_made(path: Path) -> dict[str, Any]:
    """What an earlier run has made; nothing where that is not known: then all is made anew."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _take_over(known: Any, key: str, place: Path, folder: Path) -> bool:
    """Files of an earlier run in place of new ones, if they are what they were."""
    if not isinstance(known, dict) or known.get("key") != key or not known.get("files"):
        return False
    files: dict[str, str] = known["files"]
    if any(not (place / name).is_file() or sha256_of(place / name) != digest for name, digest in files.items()):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        try:
            os.link(place / name, folder / name)
        except OSError:  # a disk without links
            shutil.copy2(place / name, folder / name)
    return True


def check_makings(recipe: Recipe, recipe_path: Path) -> tuple[list[str], list[str]]:
    """Faults and doubts of what covariates are made of, as far as can be known without making them."""
    faults: list[str] = []
    notes: list[str] = []
    asked = recipe.covariates
    looks: tuple[tuple[object, Callable[[Recipe, Path], list[str]]], ...] = (
        (asked.terrain, _look_at_dem),
        (asked.indices, _look_at_scenes),
        (asked.climate, _look_at_stations),
        (asked.depth_means, _look_at_means),
        (asked.zones, _look_at_zones),
    )
    for wanted, look in looks:
        if not wanted:
            continue
        try:
            notes += look(recipe, recipe_path)
        except EdaphicError as fault:
            faults += [_as_keys(line, look) for line in fault.faults]
    return faults, notes


def _as_keys(line: str, look: object) -> str:
    """A fault that speaks of options of a command, in keys of the recipe.

    >>> _as_keys("--elevation-unit: found 'mi'", _look_at_stations)
    "covariates.climate.elevation_unit: found 'mi'"
    """
    part = {_look_at_dem: "terrain", _look_at_scenes: "indices", _look_at_stations: "climate"}.get(look, "")  # type: ignore[call-overload]
    return re.sub(r"(?<![\w-])--([a-z][a-z-]*)", lambda word: f"covariates.{part}.{word[1].replace('-', '_')}", line) if part else line


def _where(recipe: Recipe, recipe_path: Path, value: str) -> str:
    return value if is_elsewhere(value) else str(resolve(recipe, recipe_path, value))


def _dem(recipe: Recipe, recipe_path: Path) -> Dem:
    asked = recipe.covariates.terrain
    assert asked is not None
    return open_dem(Source("dem", _where(recipe, recipe_path, asked.dem), nodata=asked.nodata), asked.z_unit)


def _look_at_dem(recipe: Recipe, recipe_path: Path) -> list[str]:
    asked = recipe.covariates.terrain
    assert asked is not None
    dem = _dem(recipe, recipe_path)
    source = Source("covariates.terrain.dem", _where(recipe, recipe_path, asked.dem), nodata=asked.nodata)
    faults = covariates.check_sources([source], grid_of(recipe, recipe_path))
    if faults:
        raise RasterError(faults)
    check_memory(dem, asked.attributes)
    wide = check_radius(dem, asked.attributes, _terrain_options(recipe))
    return [*dem.notes, *wide, *covariates.angle_doubts(asked.attributes)]


def _terrain(job: Job, folder: Path) -> None:
    asked = job.recipe.covariates.terrain
    assert asked is not None
    seen = examine(_dem(job.recipe, job.recipe_path), told=asked.nodata is not None)
    for note in seen.doubts:
        job.say(f"note: {note}", 0, 0)
    options = replace(_terrain_options(job.recipe), threads=max(1, job.workers))
    make_terrain(seen.dem, asked.attributes, folder, options, say=job.say)


def _terrain_options(recipe: Recipe) -> TerrainOptions:
    asked = recipe.covariates.terrain
    assert asked is not None
    return TerrainOptions(
        LocalRules(method=asked.method, tri=asked.tri or ("saga" if asked.compat == "saga" else "riley"), compat=asked.compat),
        radius=asked.radius_m,
        radius_unit="m",
        depressions=asked.depressions,
        flow=asked.flow,
        ls=asked.ls,
    )


def _composing(recipe: Recipe, recipe_path: Path) -> tuple[list[Scene], Composing, list[str]]:
    """Scenes, what is made of them, and what was left out."""
    asked = recipe.covariates.indices
    assert asked is not None
    mask = DEFAULT_MASK if asked.mask is None else tuple(asked.mask)
    check_names(mask)
    scenes = find_scenes(resolve(recipe, recipe_path, asked.scenes), SceneWords())
    chosen, left_out = choose_indices(scenes, list(asked.indices), printed=asked.form == "printed")
    coefficients = {sensor: read_coefficients(resolve(recipe, recipe_path, name)) for sensor, name in asked.coefficients.items()}
    how = Composing(
        chosen,
        bands=tuple(asked.bands),
        statistics=("median" if asked.statistic == "bare_soil" else asked.statistic,),
        periods=tuple(read_period(f"{first}-{last}") for first, last in asked.periods),
        months=tuple(asked.months),
        least=asked.min_count,
        mask=mask,
        bare_soil=BareSoil() if asked.statistic == "bare_soil" else None,
        coefficients=coefficients,
    )
    return scenes, how, left_out


def _look_at_scenes(recipe: Recipe, recipe_path: Path) -> list[str]:
    scenes, how, left_out = _composing(recipe, recipe_path)
    faults = check_composite(scenes, grid_of(recipe, recipe_path), how)
    if faults:
        raise RasterError(faults)
    return left_out


def _indices(job: Job, folder: Path) -> None:
    scenes, how, _ = _composing(job.recipe, job.recipe_path)
    made = composite(scenes, grid_of(job.recipe, job.recipe_path), how, folder, say=job.say)
    for note in made.notes:
        job.say(f"note: {note}", 0, 0)


def _stations(recipe: Recipe, recipe_path: Path) -> Checked:
    """Stations and DEM; the fields that they give must be those that the recipe counts on."""
    asked = recipe.covariates.climate
    assert asked is not None
    named = {STATION_ROLES.get(key, key): column for key, column in asked.columns.items()}
    checked = read_checked(
        resolve(recipe, recipe_path, asked.stations),
        asked.values,
        Path(_where(recipe, recipe_path, asked.dem)),
        Words(**named, crs=asked.crs, elevation_unit=asked.elevation_unit),
        Period(asked.years, asked.min_years),
        _how(recipe),
        asked.elevation_from_dem,
        dem_unit=asked.dem_unit,
    )
    found = set(checked.files().values())
    lacking = [name for name in asked.fields if name not in found]
    if lacking:
        hint = "monthly: true" if len(found) > len(asked.values) else "monthly: false" if asked.monthly else "the columns of the table"
        raise TableError(f"covariates.climate: {asked.stations}: found no {lacking[0]} (it gives {_some(sorted(found))}); expected {hint}")
    return checked


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _how(recipe: Recipe) -> How:
    asked = recipe.covariates.climate
    assert asked is not None
    return How(elevation=asked.elevation, smoothing=asked.smoothing, transform=dict(asked.transform) or "none")


def _look_at_stations(recipe: Recipe, recipe_path: Path) -> list[str]:
    checked = _stations(recipe, recipe_path)
    faults = check_climate(checked, _how(recipe), _climate_wanted(recipe))
    if faults:
        raise TableError(faults)
    return list(checked.notes)


def _climate_wanted(recipe: Recipe) -> Wanted:
    asked = recipe.covariates.climate
    assert asked is not None
    return Wanted(withhold=asked.withhold, bioclim=bool(asked.bioclim), precipitation_unit=asked.precipitation_unit)


def _climate(job: Job, folder: Path) -> None:
    """Grids of the stations on the cells of the DEM; how good they are at withheld stations stands beside them."""
    made = make_climate(
        _stations(job.recipe, job.recipe_path), folder, _how(job.recipe), _climate_wanted(job.recipe), say=job.say
    )
    for note in made.notes:
        job.say(f"note: {note}", 0, 0)
    made.fields.to_csv(folder / "climate.evidence.csv", index=False, float_format="%.10g", lineterminator="\n")
    made.stations.to_csv(folder / "climate.stations.csv", index=False, float_format="%.10g", lineterminator="\n")


def _sources_by_depth(recipe: Recipe, recipe_path: Path, mean: DepthMeans) -> dict[Layer, Source] | dict[float, Source]:
    """Rasters of a layered product, by layer or by depth."""
    found = {key: Source(f"{mean.name} {key}", _where(recipe, recipe_path, name)) for key, name in mean.sources.items()}
    layers = {layer: source for key, source in found.items() if (layer := read_layer(key)) is not None}
    return layers or {float(key): source for key, source in found.items()}


def _look_at_means(recipe: Recipe, recipe_path: Path) -> list[str]:
    grid = grid_of(recipe, recipe_path)
    faults = []
    for mean in recipe.covariates.depth_means:
        sources = _sources_by_depth(recipe, recipe_path, mean)
        faults += depth_faults(sources, list(mean.layers), grid, mean.name, mean.min_coverage)
    if faults:
        raise RasterError(faults)
    return []


def _depth_means(job: Job, folder: Path) -> None:
    grid = grid_of(job.recipe, job.recipe_path)
    for mean in job.recipe.covariates.depth_means:
        write_depth_means(
            _sources_by_depth(job.recipe, job.recipe_path, mean),
            list(mean.layers),
            grid,
            folder,
            name=mean.name,
            unit=mean.unit,
            min_coverage=mean.min_coverage,
            say=job.say,
        )


def _look_at_zones(recipe: Recipe, recipe_path: Path) -> list[str]:
    asked = recipe.covariates.zones
    assert asked is not None
    there = covariate_layers(recipe, recipe_path)
    names = [str(layer.name) for layer in there]
    names += [layer.name for layer in made_layers(recipe) if layer.name != asked.name]
    names = list(dict.fromkeys(names))
    missing = [(key, name) for key, name in (("mat", asked.mat), ("map", asked.map)) if name not in names]
    classes = {str(layer.name) for layer in there if layer.kind == "class"}
    coded = [(key, name) for key, name in (("mat", asked.mat), ("map", asked.map)) if name in classes]
    if coded:
        raise RasterError(f"covariates.zones.{key}: found {name!r}, which has classes; expected numbers" for key, name in coded)
    if missing:
        raise RasterError(f"covariates.zones.{key}: no covariate {name!r}; expected one of {', '.join(names)}" for key, name in missing)
    return []


def _zones(job: Job, folder: Path) -> None:
    """Climate zones on the grid, of two covariates: of those made just now, or of those that were there."""
    asked = job.recipe.covariates.zones
    assert asked is not None
    # What is excluded from the covariates may still tell the zone.
    made_here = [entry for entry in rasters_of(job) if entry.source.name != asked.name]
    rasters = [_in_work(entry, job.out, folder) for entry in made_here]
    grid = grid_of(job.recipe, job.recipe_path)
    wanted = [entry for entry in rasters if entry.source.name in (asked.mat, asked.map)]
    stack = covariates.build_timed(wanted, grid).during(map_year(job), job.recipe.covariates.max_gap_years).select([asked.mat, asked.map])
    mat_c, map_mm = (layer.source for layer in stack.layers)
    _, doubts = write_climate_zones(
        mat_c, map_mm, grid, folder, name=asked.name, map_threshold_mm=asked.map_mm, mat_threshold_c=asked.mat_c, say=job.say
    )
    for doubt in doubts:
        job.say(f"note: {asked.name}: {doubt}", 0, 0)


def _in_work(entry: covariates.Dated, out: Path, folder: Path) -> covariates.Dated:
    """What this stage has made lies in its work folder still."""
    path = Path(entry.source.path) if not is_elsewhere(str(entry.source.path)) else None
    if path is None or path.parent != out / "covariates":
        return entry
    return covariates.Dated(replace(entry.source, path=folder / path.name), entry.period)

