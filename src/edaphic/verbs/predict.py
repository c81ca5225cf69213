"""``edaphic predict``: maps from a stored model, on the ground that it was made for or elsewhere.

The maps are those of a run, made by the same function; so the run's own recipe gives the run's own maps, to the bit.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as installed_version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from edaphic import covariates, recipe
from edaphic.covariates import TimedStack
from edaphic.covariates.window import crs_name
from edaphic.errors import EdaphicError, GridError, ModelError
from edaphic.manifest import HIDDEN, Manifest, key_of, open_run
from edaphic.mapping.names import OF_COVARIATES, MapKey, level_of
from edaphic.mapping.place import Place
from edaphic.mapping.plan import bounded_blocks
from edaphic.mapping.quantiles import MIDDLE
from edaphic.mapping.room import full_disk_told
from edaphic.mapping.write import MapInfo
from edaphic.model.artefact import Kit, load_kit
from edaphic.model.soil import Interval, SoilModel, interval_name
from edaphic.model.zones import AnyModel, ZonedModel
from edaphic.progress import Say
from edaphic.recipe import Recipe
from edaphic.stages.covering import notes_of_year
from edaphic.stages.inputs import inputs_of
from edaphic.stages.job import Job, covariates_of, grid_of, heeded, named_parts, sources_of, write_json
from edaphic.stages.locating import located
from edaphic.stages.making import check_makings, stage_rasters
from edaphic.stages.mapped import check_maps, tile_work
from edaphic.stages.maps import MapTask, map_info, write_maps
from edaphic.verbs.predict_inputs import beyond_training, compare, lacking, read_recipe, recipe_of_folder, with_like
from edaphic.verbs.words import read_layers

STAGE = "predict"
VERSION = installed_version("edaphic")
DEFAULT = ("mean", "q05", "q95", "spread", "applicability", "dissimilarity")
"""Statistics that are mapped unless others are asked for; the last two where the model's folder tells them."""

LIBRARIES = ("numpy", "numba", "scipy", "rasterio", "pandas")
"""Libraries whose version can change the bits of a map."""

MADE = "made"
"""Folder, behind the maps, of covariates that are made first."""

NO_RECIPE = ".no-recipe"
"""Where the recipe of a folder would stand: its paths are seen from the folder."""

_HEEDED = ("name", "seed", "grid", "covariates", "maps")


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    ``layers``: depths in cm, or all; ``stats``: None for those of the recipe, or the default; ``like``: raster whose grid is taken.
    """

    layers: str = "all"
    stats: tuple[str, ...] | None = None
    like: Path | None = None


def predict(
    artefact: Path,
    ground: Path,
    out: Path,
    *,
    wanted: Wanted | None = None,
    place: Place | None = None,
    threads: int = 1,
    fresh: bool = False,
    say: Say,
) -> list[str]:
    """Maps from a stored model.

    Parameters
    ----------
    artefact : Path
        Folder of a model, such as ``run/model/forest``.
    ground : Path
        Folder with a raster of each covariate, or a recipe whose grid, covariates and maps are taken.
    out : Path
        New, empty, or one of an earlier call: what is unchanged is not done again, and what was interrupted goes on.
    wanted : Wanted, optional
    place : Place, optional
        Where tiles are computed; the maps do not depend on it.
    threads : int
    fresh : bool
        Do all anew.
    say : callable

    Returns
    -------
    list of str
        What was done, for the screen.

    Raises
    ------
    EdaphicError
        All faults that can be known before anything is written.
    """
    wanted = wanted or Wanted()
    if wanted.like is not None and not wanted.like.is_file():
        raise GridError(f"--like {wanted.like}: no such file; expected a raster whose grid the maps take")
    say("looking at the model", 0, 4)
    kit = load_kit(artefact)
    say("looking at the covariates", 1, 4)
    told, path = _told(kit, ground, wanted)
    have = kit.model
    kit, intervals = _with_layers(kit, wanted.layers)
    _check_stats(kit, told.maps.stats, told.maps.thresholds)
    try:
        grid, notes = _check(kit, told, path)
    except EdaphicError as fault:
        raise type(fault)(located(fault.faults, told, path)) from fault
    for note in [*_not_together(have, intervals), *notes]:
        say(f"note: {note}", 0, 0)
    place = place or Place(max(1, threads))
    with open_run(out, "predict") as manifest, bounded_blocks(place), full_disk_told(out):
        if fresh:
            manifest.forget([STAGE])
            shutil.rmtree(out / HIDDEN / MADE, ignore_errors=True)
        inputs = inputs_of(told, path, ("rasters", "covariates", "maps"))
        digests = manifest.hash_inputs(file for files in inputs.stages.values() for file in files)
        libraries = {name: installed_version(name) for name in LIBRARIES}
        job = Job(
            told, path, out / HIDDEN / MADE, max(1, threads), VERSION, key_of(heeded(told, _HEEDED)), say, libraries,
            making={part: {str(file): digests[str(file)] for file in files} for part, files in inputs.parts.items()},
            place=place,
        )  # fmt: skip
        named = {_named(job, file): digest for file, digest in sorted(digests.items())}
        about = _about(kit, told, intervals, grid, named, libraries)
        key = key_of(about | {"heeded": heeded(told, _HEEDED), "kit": _kit_key(kit)})
        if manifest.unchanged(STAGE, key):
            manifest.tidy(STAGE)
            return [f"unchanged   {out}: the maps of this model and these covariates are there", *_lines(manifest, out)]
        manifest.run_stage(
            STAGE,
            key,
            lambda work, partial: _map(job, kit, about, work, partial),
            parts=_parts(kit, told, about),
            inputs=[Path(file) for file in digests],
            say=say,
        )
        return _lines(manifest, out)


# Before anything is written ----------------------------------------------------------------------------------------------


def _told(kit: Kit, ground: Path, wanted: Wanted) -> tuple[Recipe, Path]:
    """The recipe of the maps, and where it stands."""
    if ground.is_dir():
        told = recipe_of_folder(ground, kit, wanted.like)
        told, path = told.model_copy(update={"maps": told.maps.model_copy(update={"stats": _usual(kit)})}), ground / NO_RECIPE
    else:
        told, path = with_like(read_recipe(ground), wanted.like), ground
    model = told.model.model_copy(update={"target": kit.model.target.name, "name": kit.model.name})
    maps = told.maps
    if wanted.stats is not None:
        stats = tuple(stat for stat in wanted.stats if not stat.startswith("p_above_"))
        maps = maps.model_copy(update={"stats": stats, "thresholds": _thresholds(wanted.stats)})
    seed = kit.provenance.get("run_seed")
    seed = seed if type(seed) is int and seed >= 0 else told.seed
    return told.model_copy(update={"model": model, "maps": maps, "seed": seed}), path


def _usual(kit: Kit) -> tuple[str, ...]:
    return tuple(stat for stat in DEFAULT if stat not in OF_COVARIATES or kit.applicability is not None)


def _thresholds(stats: Sequence[str]) -> tuple[float, ...]:
    words = [stat.removeprefix("p_above_") for stat in stats if stat.startswith("p_above_")]
    faults, found = [], []
    for word in dict.fromkeys(words):
        try:
            value = float(word)
        except ValueError:
            value = np.nan
        if not (np.isfinite(value) and value > 0):
            faults.append(f"--stats: found 'p_above_{word}'; expected a number above 0 behind p_above_, in the unit of the maps")
        found.append(value)
    if faults:
        raise ModelError(faults)
    return tuple(dict.fromkeys(found))


def _check_stats(kit: Kit, stats: Sequence[str], thresholds: Sequence[float]) -> None:
    faults = []
    for stat in dict.fromkeys(stats):
        expected = recipe.expected_stat(stat, ("p_above_VALUE",))
        if expected:
            faults.append(f"--stats: found {stat!r}; expected {expected}")
        elif stats.count(stat) > 1:
            faults.append(f"--stats: found {stat!r} a second time; expected each once")
    if not stats and not thresholds:
        faults.append("--stats: found none; expected at least one, such as mean")
    if "se" in stats and not all(forest.bag for model in _models(kit.model) for forest in model.forests):
        faults.append("--stats: se of a model without little bags; expected one that was grown with model.forest.little_bags, or spread")
    levels = [level for stat in stats if (level := level_of(stat)) is not None and level not in (*kit.levels, MIDDLE)]
    if (levels or thresholds) and not len(kit.level_adjustments):
        faults.append("--stats: other quantiles than the limits, or thresholds; expected conformal_levels.csv beside the model")
    of_covariates = [stat for stat in stats if stat in OF_COVARIATES]
    if of_covariates and kit.applicability is None:
        faults.append(f"--stats: {', '.join(of_covariates)}, which the folder of the model does not tell; expected applicability.npz in it")
    if faults:
        raise ModelError(faults)


def _models(model: AnyModel) -> tuple[SoilModel, ...]:
    return (*(own for _, own in model.models), model.everywhere) if isinstance(model, ZonedModel) else (model,)


def _with_layers(kit: Kit, words: str) -> tuple[Kit, tuple[Interval, ...]]:
    """The model of the layers that are asked for, and these, in the order of the model; the whole depth needs all layers."""
    model = kit.model
    asked = model.intervals if words.strip().lower() == "all" else tuple(read_layers(words))
    have = ", ".join(interval_name(interval) for interval in model.intervals)
    unknown = [interval_name(interval) for interval in asked if interval not in model.intervals]
    if unknown:
        raise ModelError(f"--layers: {', '.join(unknown)} cm, which the model does not have; expected some of {have} cm, or all")
    if len(set(asked)) < len(asked):
        raise ModelError(f"--layers: found {words!r}, one layer twice; expected each once")
    intervals = tuple(interval for interval in model.intervals if interval in asked)
    if model.whole in asked or intervals == model.layers == model.intervals:
        return kit, intervals
    chosen = [number for number, layer in enumerate(model.layers) if layer in asked]
    if isinstance(model, ZonedModel):
        zones = tuple((code, _restricted(own, chosen)) for code, own in model.models)
        return replace(kit, model=replace(model, models=zones, everywhere=_restricted(model.everywhere, chosen))), intervals
    return replace(kit, model=_restricted(model, chosen)), intervals


def _not_together(model: AnyModel, intervals: Sequence[Interval]) -> list[str]:
    """Why layers that join up, some of those of a model, get no map of all of them together."""
    if len(intervals) < 2 or model.whole in intervals or any(above[1] != below[0] for above, below in pairwise(intervals)):
        return []
    together = interval_name((intervals[0][0], intervals[-1][1]))
    if model.whole is not None and interval_name(model.whole) == together:
        return [f"no map of {together} cm, which the model has and --layers does not name"]
    depths = ", ".join(interval_name(interval) for interval in model.intervals)
    summed = "averaged by thickness" if model.target.quantity == "soc" else "added up"
    return [
        f"no map of {together} cm together: the evidence of the model calibrates {depths} cm only. Means of layers may be {summed}; their "
        "quantiles may not"
    ]


def _restricted(model: SoilModel, chosen: Sequence[int]) -> SoilModel:
    """The model of some of its layers; what it says of them does not change."""
    return replace(
        model,
        layers=tuple(model.layers[number] for number in chosen),
        whole=None,
        forests=model.forests if model.form == "3d" else tuple(model.forests[number] for number in chosen),
        depth_correlation=np.ones((1, 1)),
        se_prior=model.se_prior[list(chosen)] if len(model.se_prior) else model.se_prior,
    )


def _check(kit: Kit, told: Recipe, path: Path) -> tuple[GeoBox, list[str]]:
    """The grid, and what is worth a note; all faults of recipe and rasters at once."""
    faults = recipe.check_files(told, path) if path.is_file() else []
    if faults:
        raise EdaphicError(faults)
    try:
        grid = grid_of(told, path)
    except GridError as fault:
        raise GridError(line.replace("grid:", "--like:", 1) if not path.is_file() else line for line in fault.faults) from fault
    there = sources_of(told, path)
    kinds = {entry.source.name: entry.source.kind for entry in there} | {layer.name: layer.kind for layer in recipe.made_covariates(told)}
    faults = lacking(kit, told, kinds)
    needed = {*kit.model.covariates, *told.maps.mask}
    dated = [entry for entry in there if entry.source.name in needed]
    sources = [covariates.labelled_source(entry) for entry in dated]
    map_faults, map_notes = check_maps(told, path, grid)
    faults += covariates.check_dates(dated) + covariates.check_sources(sources, grid) + map_faults
    made_faults, made_notes = check_makings(told, path)
    faults, notes = faults + made_faults, [*made_notes, *map_notes]
    if faults:
        raise EdaphicError(faults)
    if dated:
        stack = covariates.build_timed(dated, grid)
        faults, suspects = covariates.nodata_doubts(stack.whole)
        wrong, more = compare(kit, stack)
        if faults or wrong:
            raise EdaphicError([*faults, *wrong])
        notes = [*notes, *suspects[:5], *more]
    return grid, notes


# The work ------------------------------------------------------------------------------------------------------------------


def _map(job: Job, kit: Kit, about: Mapping[str, Any], work: Path, partial: Path) -> None:
    _make_covariates(job)
    needed = {*kit.model.covariates, *job.recipe.maps.mask}
    timed: TimedStack = covariates.build_timed(
        [entry for entry in covariates_of(job) if entry.source.name in needed], grid_of(job.recipe, job.recipe_path)
    )
    tiles = tile_work(job, kit, timed)
    for note in [*notes_of_year(job, timed), *beyond_training(kit, tiles.stacks[-1].layers)]:
        job.say(f"note: {note}", 0, 0)

    sampled = _sampled(kit)

    def info(key: MapKey) -> MapInfo:
        return map_info(job, key.interval, key.stat, key.period, kit.sha256, sampled)

    intervals = frozenset((top, bottom) for top, bottom in about["layers_cm"])
    task = MapTask(tiles, job.recipe.name, info, job.recipe.maps.encoding, job.recipe.maps.window, intervals)
    summary = write_maps(task, partial, work, partial.name, job.place, job.workers, job.say)
    write_json(work / "summary.json", summary)
    write_json(work / "predict.json", about)


def _sampled(kit: Kit) -> tuple[int, int] | None:
    """Years in which the profiles of the model were sampled, where its folder tells them."""
    found = re.fullmatch(r"([0-9]{1,4})-([0-9]{1,4})", str(kit.provenance.get("profile_years", "")))
    first, last = (int(found[1]), int(found[2])) if found is not None else (0, 0)
    return (first, last) if 1 <= first <= last else None


def _make_covariates(job: Job) -> None:
    """Terrain, indices, climate and the like, in a folder of their own behind the maps."""
    asked = job.recipe.covariates
    if not any((asked.terrain, asked.indices, asked.climate, asked.depth_means, asked.zones)):
        return
    with open_run(job.out) as manifest:
        key = key_of({"making": {part: dict(files) for part, files in job.making.items()}, "recipe": heeded(job.recipe, _HEEDED[2:4])})
        if not manifest.unchanged("rasters", key):
            manifest.run_stage("rasters", key, lambda work, partial: stage_rasters(job, work, partial))


def _about(
    kit: Kit, told: Recipe, intervals: Sequence[Interval], grid: GeoBox, inputs: Mapping[str, str], libraries: Mapping[str, str]
) -> dict[str, Any]:
    """What ``predict.json`` tells: from what the maps were made. Neither times nor places of the machine."""
    return {
        "edaphic": VERSION,
        "model": kit.model.name,
        "model_sha256": kit.sha256,
        "model_made_by": {key: value for key, value in kit.provenance.items() if isinstance(value, str | int | float)},
        "target": kit.model.target.name,
        "layers_cm": [list(interval) for interval in intervals],
        "stats": list(told.maps.stats),
        "thresholds": list(told.maps.thresholds),
        "grid": {"crs": crs_name(grid.crs), "shape": list(grid.shape), "transform": list(grid.affine)[:6]},
        "inputs": dict(inputs),
        "versions": dict(libraries),
    }


def _parts(kit: Kit, told: Recipe, about: Mapping[str, Any]) -> dict[str, str]:
    """What the maps depend on, each with a name that a user knows."""
    found = {"edaphic": VERSION} | {name: str(version) for name, version in about["versions"].items()}
    found |= {"model": kit.sha256[:16], "files beside the model": _kit_key(kit)[:16]}
    found |= {f"--{name}": key_of({"": about[key]})[:16] for name, key in (("layers", "layers_cm"), ("like", "grid"))}
    found |= named_parts(told, _HEEDED)
    return found | {f"input {name}": digest[:16] for name, digest in about["inputs"].items()}


def _kit_key(kit: Kit) -> str:
    """What the maps depend on of the files beside the model."""
    where = {} if kit.applicability is None else {name: array.tolist() for name, array in sorted(kit.applicability.items())}
    tables = [table.to_csv(index=False) for table in (kit.adjustments, kit.level_adjustments)]
    return key_of({"levels": list(kit.levels), "tables": tables, "where": str(where)})


def _named(job: Job, file: str) -> str:
    """A file as seen from the root of the recipe."""
    root = job.path(".").resolve()
    path = Path(file).resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _lines(manifest: Manifest, out: Path) -> list[str]:
    stamp = manifest.stamp(STAGE) or {"outputs": {}}
    maps = sorted(name for name in stamp["outputs"] if name.endswith(".tif"))
    some = ", ".join(maps[:3]) + (" ..." if len(maps) > 3 else "")
    return [f"maps        {len(maps)} in {out}: {some}", f"catalogue   {out / 'catalog.json'}"]
