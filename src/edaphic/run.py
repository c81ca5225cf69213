"""From a recipe to a finished run: check, then one stage after the other, skipping what is unchanged."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import pandas as pd
from odc.geo.geobox import GeoBox

from edaphic import __version__, covariates, profiles, recipe, virtual
from edaphic.errors import EdaphicError, RunError
from edaphic.files import write_text
from edaphic.manifest import Manifest, key_of, machine, open_run
from edaphic.progress import Listener, silent
from edaphic.recipe import Recipe
from edaphic.stages import PARTS, STAGES, Job, check_makings, grid_of, heeded, sources_of
from edaphic.stages.inputs import inputs_of
from edaphic.stages.soil import read_checked

LIBRARIES = ("numpy", "pandas", "scikit-learn", "numba", "scipy", "rasterio", "pyproj", "odc-geo", "geopandas", "matplotlib")
DECIDING = ("numpy", "scikit-learn", "numba", "scipy", "rasterio", "pandas")
"""Libraries whose version can change the bits of a result: with another, stages run anew."""

DEMO_FOLDERS = ("input", "run")


@dataclass(frozen=True)
class Size:
    """The work ahead: cells of the grid, rows of the tables, megabytes on disk and in memory, minutes on this machine.

    ``values``: how the quantities of the tables were understood; ``notes``: what is allowed but looks odd;
    ``contents``: address and hash of the content of every database table.
    """

    cells: int
    layers: int
    covariates: int
    profiles: int
    horizons: int
    disk_mb: float
    memory_mb: float
    minutes: float
    values: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    contents: tuple[tuple[str, str], ...] = ()


def check(recipe_path: Path) -> tuple[Recipe, Size]:
    """Everything that can be known before the work starts.

    Raises
    ------
    EdaphicError
        All faults of the recipe; or, if it can be read, all faults of the files it names.
    """
    told = recipe.load(recipe_path)
    faults = recipe.check_files(told, recipe_path)
    readings: list[profiles.SourceRead] = []
    for source in told.profiles.sources:
        files = [recipe.table_file(name) for name in (source.horizons, source.sites) if name]
        if all(file is None or recipe.resolve(told, recipe_path, file).is_file() for file in files):  # what is missing has been said
            readings.append(read_checked(source, lambda value: recipe.address(told, recipe_path, value)))
    faults += [fault for reading in readings for fault in reading.faults]
    faults += _check_independent(told, recipe_path) + _check_weights(told, readings)
    rows = [sum(reading.counts[0] for reading in readings), sum(reading.counts[1] for reading in readings)]
    if faults:
        raise EdaphicError(faults)
    try:
        grid = grid_of(told, recipe_path)
    except EdaphicError as fault:
        raise EdaphicError([*faults, *fault.faults]) from fault
    dated = sources_of(told, recipe_path)
    sources = [covariates.labelled_source(entry) for entry in dated]
    faults += covariates.check_dates(dated) + covariates.check_sources(sources, grid)
    kinds = {entry.source.name: entry.source.kind for entry in dated} | {layer.name: layer.kind for layer in recipe.made_covariates(told)}
    faults += _check_names(told, kinds)
    made_faults, made_notes = check_makings(told, recipe_path)
    faults += made_faults
    faults += _check_others(told, recipe_path, grid)
    raw = pd.concat([reading.table for reading in readings], ignore_index=True)
    outside = _share_outside(raw, grid)
    carried = set.intersection(*(set(source.covariates) for source in told.profiles.sources))
    if outside == 1 and not set(kinds) <= carried:
        faults.append(_all_outside(raw, grid))
    if faults:
        raise EdaphicError(faults)
    # The sources have been checked above: they are opened only.
    faults, suspects = covariates.nodata_doubts(covariates.Stack(grid, tuple(covariates.open_any(source, grid) for source in sources)))
    if faults:
        raise EdaphicError(faults)
    notes = profiles.doubts(raw) + covariates.class_doubts(sources) + _first(suspects) + made_notes
    if outside > 0.2:
        notes.append(f"{outside:.0%} of the profiles lie outside the grid: are crs, x and y right?")
    size = _size(told, (grid.shape[0], grid.shape[1]), len(kinds), rows)
    lines = [line for reading in readings for line in reading.understood]
    contents = [
        (source.horizons, _content_hash(reading.table))
        for source, reading in zip(told.profiles.sources, readings, strict=True)
        if recipe.table_file(source.horizons) is None
    ]
    return told, replace(size, values=(*lines, *profiles.value_lines(raw)), notes=tuple(notes), contents=tuple(contents))


def _check_weights(told: Recipe, readings: Sequence[profiles.SourceRead]) -> list[str]:
    """The column of weights is one of the tables."""
    name = told.model.weights
    if name in ("none", "error") or any(reading.faults or name in reading.table for reading in readings):
        return []  # what a table could not give has been said
    return [f"model.weights: {name!r} is no column of the tables of profiles; expected none, error or a column of numbers"]


def _check_independent(told: Recipe, recipe_path: Path) -> list[str]:
    """Tables of the profiles that the model is scored at."""
    faults: list[str] = []
    for entry in told.evidence.independent:
        for source in entry.sources:
            files = [recipe.table_file(name) for name in (source.horizons, source.sites) if name]
            if all(file is None or recipe.resolve(told, recipe_path, file).is_file() for file in files):  # what is missing has been said
                read = read_checked(source, lambda value: recipe.address(told, recipe_path, value))
                faults += [f"evidence.independent: {entry.name}: {fault}" for fault in read.faults]
    return faults


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
    others = [covariates.Source(name, recipe.resolve(told, recipe_path, path)) for name, path in rasters]
    faults = covariates.check_sources(others, grid)
    for by in account.by:
        if isinstance(by, recipe.ByPolygons):
            path = recipe.resolve(told, recipe_path, by.path)
            try:
                covariates.rasterise(path, by.column, grid, covariates.Window(0, 0, 1, 1))
            except EdaphicError as fault:
                faults += fault.faults
    return faults


def _size(told: Recipe, shape: tuple[int, int], layers: int, rows: Sequence[int]) -> Size:
    """Rough figures, from seconds per tree, row and feature on one core of a common machine; meant to tell minutes from days."""
    cells = shape[0] * shape[1]
    intervals = len(told.profiles.layers) + (recipe.whole_layer(told) is not None)
    training = max(1, rows[0] * intervals // 2)
    trees = told.model.forest.trees
    features = max(1.0, 0.35 * layers)
    grow_s = 4e-7 * trees * training * features
    tune_s = 4e-7 * told.model.tune.trees * training * features * told.model.tune.candidates * (told.model.tune.folds - 1)
    learn_s = grow_s + tune_s + _search_s(told, training, layers)
    evidence_s = learn_s * (told.evidence.folds - 1) * len(told.evidence.all_designs) + grow_s * (told.evidence.folds - 1)
    map_s = 4e-7 * trees * cells * intervals
    cores = max(1, machine()["cores"] or 1)
    members = 0.64 * trees * training
    model_mb = (members * 8 + members / 3 * 60) / 1e6
    tile_mb = told.maps.window**2 * (layers * 12 + intervals * 40) / 1e6
    disk = cells * 4 * intervals * len(told.maps.stats) * 1.4 / 1e6 + model_mb
    return Size(
        cells=cells,
        layers=len(told.profiles.layers),
        covariates=layers,
        profiles=int(rows[0]),
        horizons=int(rows[1]),
        disk_mb=disk + cells * intervals * 20 / 1e6,
        memory_mb=400 + 4 * model_mb + 2 * tile_mb,
        minutes=(learn_s + evidence_s + map_s) / cores / 60 + 0.3,
    )


def _search_s(told: Recipe, training: int, layers: int) -> float:
    """Seconds of one search for covariates: forests on half of the covariates, for each subset and fold."""
    select = told.model.select
    best = min(select.best, layers)
    subsets: int = {"none": 0, "exhaustive": 2**best - 1, "forward": layers * (layers + 1) // 2, "backward": layers}[select.method]
    return 4e-7 * select.trees * training * max(1.0, 0.35 * best / 2) * (select.folds - 1) * subsets


def run(
    recipe_path: Path,
    out: Path,
    *,
    until: str | None = None,
    fresh: bool = False,
    workers: int = 1,
    listener: Listener | None = None,
) -> Path:
    """Run a recipe.

    Parameters
    ----------
    recipe_path : Path
    out : Path
        Run folder: new, empty, or one of an earlier run.
    until : str, optional
        Last stage to run.
    fresh : bool
        Run every stage anew.
    workers : int
        Threads; results do not depend on it.
    listener : Listener, optional

    Returns
    -------
    Path
        The run folder.
    """
    hear = listener or silent()
    hear.stage("check", "recipe and inputs")
    told, size = check(recipe_path)
    for note in size.notes:
        hear.step(f"note: {note}", 0, 1)
    names = list(STAGES)
    if until is not None and until not in names:
        raise RunError(f"--until {until}: no such stage; expected one of {', '.join(names)}")
    wanted = names[: names.index(until) + 1] if until else names
    with open_run(out) as manifest:
        libraries = {name: installed_version(name) for name in DECIDING}
        job = Job(told, recipe_path, out, workers, __version__, _hash_of(told), hear.step, libraries)
        if fresh:
            manifest.forget(names)
        inputs = inputs_of(told, recipe_path, names)
        digests = manifest.hash_inputs(path for paths in inputs.stages.values() for path in paths)
        named = {name: {_named(job, path): digests[str(path)] for path in paths} for name, paths in inputs.stages.items()}
        named["profiles"] |= dict(size.contents)
        making = {part: {_named(job, path): digests[str(path)] for path in paths} for part, paths in inputs.parts.items()}
        job = replace(job, making=making)
        manifest.head.update(_head(job, dict(sorted(item for files in named.values() for item in files.items()))))
        write_text(out / "recipe.yaml", recipe.dump(_seen_from(told, recipe_path, out)))
        for name in wanted:
            key = _key(job, name, manifest, named[name])
            if manifest.unchanged(name, key):
                manifest.mark(name, "done")
                hear.stage(name, "unchanged, skipped")
                continue
            hear.stage(name, manifest.why_again(name, key))
            for later in names[names.index(name) + 1 :]:
                manifest.mark(later, "stale")
            body = STAGES[name]
            stamp = manifest.run_stage(name, key, lambda work, partial, body=body: body(job, work, partial))  # type: ignore[misc]
            manifest.write_run_json(names)
            hear.end(stamp["seconds"])
        manifest.write_run_json(names)
    return out


def rebuild_report(out: Path) -> Path:
    """Draw the report of a finished run again.

    Raises
    ------
    RunError
        The folder is no run, or the run has not reached its account.
    """
    if not (out / "recipe.yaml").is_file():
        raise RunError(f"{out}: no recipe.yaml; expected the folder of a run")
    told = recipe.load(out / "recipe.yaml")
    with open_run(out) as manifest:
        unfinished = [name for name in BEFORE["report"] if not manifest.finished(name)]
        if unfinished:
            raise RunError(
                f"{out}: not finished: {', '.join(unfinished)}; expected a run whose stages belong together (edaphic run goes on with it)"
            )
        job = Job(told, out / "recipe.yaml", out, 1, __version__, _hash_of(told), lambda *_: None)
        key = (manifest.stamp("report") or {}).get("key", "")
        manifest.run_stage("report", key, lambda work, partial: STAGES["report"](job, work, partial))
        manifest.refresh_run_json(STAGES)
    return out / "report.html"


def demo(folder: Path, *, seed: int | None = None, workers: int = 1, listener: Listener | None = None) -> Path:
    """Make a virtual landscape, sample it, and run the recipe of the demo on its raw files.

    Parameters
    ----------
    folder : Path
        Gets ``input`` (raw files and recipe) and ``run``.
    seed : int, optional
        Seed of landscape, sample and run; that of the recipe when left out.

    Returns
    -------
    Path
        The run folder.
    """
    hear = listener or silent()
    raw, out = (folder / name for name in DEMO_FOLDERS)
    hear.stage("landscape", "a virtual one, whose true carbon is known")
    text = recipe.template("demo")
    if seed is None:
        seed = recipe.parse(text, "demo.yaml").seed
    else:
        text = text.replace(f"seed: {recipe.parse(text, 'demo.yaml').seed}", f"seed: {seed}", 1)
    if folder.exists() and any(entry.name not in DEMO_FOLDERS for entry in folder.iterdir()):
        raise RunError(f"{folder}: holds files that are not of the demo; expected an empty or new folder")
    place = virtual.landscape(seed)
    sites, horizons = virtual.sample(place, seed)
    raw.mkdir(parents=True, exist_ok=True)
    virtual.write(place, sites, horizons, raw)
    write_text(raw / "demo.yaml", text)
    return run(raw / "demo.yaml", out, workers=workers, listener=hear)


def _hash_of(told: Recipe) -> str:
    """Hash of what the recipe says, wherever its data lie."""
    return key_of({"recipe": recipe.dump(told.model_copy(update={"root": "."}))})


def _seen_from(told: Recipe, recipe_path: Path, out: Path) -> Recipe:
    """The recipe as it stands in the run folder: its root is seen from there, so that its paths still lead to the inputs."""
    root = (recipe_path.parent / Path(told.root).expanduser()).resolve()
    try:
        seen = Path(os.path.relpath(root, out.resolve())).as_posix()
    except ValueError:  # another drive
        seen = root.as_posix()
    return told.model_copy(update={"root": seen})


def _head(job: Job, inputs: Mapping[str, str]) -> dict[str, Any]:
    return {
        "edaphic": job.version,
        "name": job.recipe.name,
        "seed": job.recipe.seed,
        "recipe_sha256": job.recipe_hash,
        "inputs": dict(inputs),
        "versions": {name: installed_version(name) for name in LIBRARIES},
        "machine": machine(),
        "workers": job.workers,
    }


BEFORE: Mapping[str, tuple[str, ...]] = {
    "profiles": (),
    "rasters": (),
    "covariates": ("profiles", "rasters"),
    "model": ("profiles", "covariates"),
    "evidence": ("profiles", "covariates", "model"),
    "maps": ("profiles", "rasters", "covariates", "model", "evidence"),
    "account": ("rasters", "maps"),
    "report": ("profiles", "rasters", "covariates", "model", "evidence", "maps", "account"),
}
"""Stages whose files a stage reads."""


def _named(job: Job, path: Path) -> str:
    """A file as seen from the root of the recipe."""
    try:
        return Path(os.path.relpath(path, job.path("."))).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def _key(job: Job, stage: str, manifest: Manifest, inputs: Mapping[str, str]) -> str:
    return key_of(
        {
            "version": job.version,
            "stage": stage,
            "recipe": heeded(job.recipe, PARTS[stage]),
            "inputs": dict(inputs),
            "libraries": dict(job.libraries),
            "before": {name: manifest.outputs_digest(name) for name in BEFORE[stage]},
        }
    )


def summary_lines(out: Path) -> list[str]:
    """The answer of a finished run in a few lines, for the screen."""
    lines = []
    stocks = out / "tables" / "stocks.csv"
    if stocks.is_file():
        table = pd.read_csv(stocks)
        for row in table[table["by"] == "all"].itertuples():
            lines.append(
                f"{row.top_cm:g}-{row.bottom_cm:g} cm: {row.total_Tg:.4g} Tg on {row.area_km2:,.0f} km2 "
                f"({row.mean_kg_m2:.2f} kg/m2; fully correlated bound {row.fully_correlated_low_Tg:.4g} to "
                f"{row.fully_correlated_high_Tg:.4g} Tg)"
            )
    lines.append(f"report: {out / 'report.html'}")
    return lines


