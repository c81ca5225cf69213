"""From a recipe to a finished run: check, then one stage after the other, skipping what is unchanged."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import pandas as pd

from edaphic import __version__, covariates, recipe, virtual
from edaphic.errors import EdaphicError, RunError
from edaphic.files import write_text
from edaphic.machine import machine, release_memory
from edaphic.manifest import HIDDEN, Manifest, Parts, key_of, open_run
from edaphic.mapping.place import Place, read_memory
from edaphic.mapping.plan import bounded_blocks
from edaphic.mapping.room import check_room, full_disk_told, taken
from edaphic.progress import Listener, silent
from edaphic.recipe import Recipe
from edaphic.stages import ON_DEMAND, PARTS, STAGES, Job, check, heeded, stages_of
from edaphic.stages.inputs import inputs_of
from edaphic.stages.job import named_parts
from edaphic.verbs.normalise import Fitting, TableWords, normalise

__all__ = ["check", "demo", "rebuild_report", "run", "summary_lines"]

LIBRARIES = ("numpy", "pandas", "scikit-learn", "numba", "scipy", "rasterio", "pyproj", "odc-geo", "geopandas", "matplotlib")
DECIDING = ("numpy", "scikit-learn", "numba", "scipy", "rasterio", "pandas")
"""Libraries whose version can change the bits of a result: with another, stages run anew."""

DEMO_FOLDERS = ("input", "run")

LEAST_SHARE = 0.2
"""Part of the estimated room on disk without which maps clearly cannot be written: masks and compression may spare the rest."""


def run(
    recipe_path: Path,
    out: Path,
    *,
    until: str | None = None,
    fresh: bool = False,
    workers: int = 1,
    processes: int = 0,
    scheduler: str | None = None,
    memory: str | int | None = None,
    listener: Listener | None = None,
) -> Path:
    """Run a recipe. No output depends on where it is computed: on how many threads, by which workers, with how much memory.

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
        Threads.
    processes : int
        Dask workers of this machine that compute the tiles of maps, instead of threads. A script that asks for them has to begin its work
        under ``if __name__ == "__main__":``.
    scheduler : str, optional
        Address of a Dask scheduler whose workers compute the tiles; they must see the inputs under the same paths.
    memory : str or int, optional
        What all processes of this machine together may have at their peak: bytes, or a size such as "4GB". Work that clearly needs more is
        refused before it starts. Half of what is free now, for the tiles of maps, unless given.
    listener : Listener, optional

    Returns
    -------
    Path
        The run folder.

    Raises
    ------
    EdaphicError
        Whatever the user can mend. What is done stays, and the same call goes on with it.
    """
    hear = listener or silent()
    place = Place(workers, processes, scheduler, read_memory(memory))
    hear.stage("check", "recipe and inputs")
    told, size = check(recipe_path, place)
    for note in size.notes:
        hear.step(f"note: {note}", 0, 1)
    names = list(stages_of(told))
    if until is not None and until not in names:
        raise RunError(f"--until {until}: no such stage; expected one of {', '.join(names)}")
    wanted = names[: names.index(until) + 1] if until else names
    with open_run(out) as manifest, bounded_blocks(place):
        if "maps" in wanted and not manifest.finished("maps"):
            needed = LEAST_SHARE * size.disk_mb * 1e6 - taken(out / HIDDEN / "partial" / "maps")
            check_room(out, needed, f"the maps and their tiles (about {size.disk_mb:,.0f} MB)")
        for note in _replaced(out, told):
            hear.step(f"note: {note}", 0, 1)
        libraries = {name: installed_version(name) for name in DECIDING}
        job = Job(told, recipe_path, out, workers, __version__, _hash_of(told), hear.step, libraries, place=place)
        if fresh:
            manifest.forget(names)
        for name in set(ON_DEMAND) - set(names):
            manifest.remove(name)
        inputs = inputs_of(told, recipe_path, names)
        digests = manifest.hash_inputs(path for paths in inputs.stages.values() for path in paths)
        named = {name: {_named(job, path): digests[str(path)] for path in paths} for name, paths in inputs.stages.items()}
        named["profiles"] |= dict(size.contents)
        making = {part: {_named(job, path): digests[str(path)] for path in paths} for part, paths in inputs.parts.items()}
        job = replace(job, making=making)
        manifest.head.update(_head(job, dict(sorted(item for files in named.values() for item in files.items()))))
        try:
            for name in wanted:
                _run_stage(job, manifest, name, named[name], inputs.stages[name], hear)
            _write_state(job, manifest)
        finally:
            if older := manifest.older(names):
                hear.step(f"note: {out}: files of {', '.join(older)} are those of an earlier recipe, input or version", 0, 1)
    return out


def _write_state(job: Job, manifest: Manifest) -> None:
    """The recipe as it is now, and which stages are of it."""
    write_text(job.out / "recipe.yaml", recipe.dump(_seen_from(job.recipe, job.recipe_path, job.out)))
    manifest.write_run_json(stages_of(job.recipe))


def _run_stage(
    job: Job, manifest: Manifest, name: str, inputs: Mapping[str, str], files: Sequence[Path], hear: Listener
) -> None:
    """One stage, unless nothing that it is made of has changed; the stages after it are then to be done anew."""
    stages = stages_of(job.recipe)
    names = list(stages)
    parts = _parts(job, name, manifest, inputs)
    key = _key(job, name, manifest, inputs)
    if manifest.unchanged(name, key):
        manifest.mark(name, "done")
        manifest.tidy(name)
        hear.stage(name, "unchanged, skipped")
        return
    hear.stage(name, manifest.why_again(name, key, parts))
    for later in names[names.index(name) :]:
        if manifest.finished(later):
            manifest.mark(later, "stale")
    _write_state(job, manifest)
    with full_disk_told(job.out):
        stamp = manifest.run_stage(
            name, key, lambda work, partial: stages[name](job, work, partial), parts=parts, inputs=files, say=hear.step
        )
        manifest.write_run_json(names)
    # What is left over of a stage would lessen what the next one may have.
    covariates.close_rasters()
    release_memory()
    hear.end(stamp["seconds"])


def _replaced(out: Path, told: Recipe) -> list[str]:
    """What is said where a run folder holds a run of another recipe."""
    path = out / "recipe.yaml"
    if not path.is_file():
        return []
    try:
        before = recipe.load(path)
    except EdaphicError:
        return []  # of another version, or damaged: its stages run anew and say so
    changed = [f"its name is {before.name!r}, not {told.name!r}"] if before.name != told.name else []
    ours, theirs = ([Path(source.horizons).name for source in of.profiles.sources] for of in (told, before))
    changed += [f"its profiles are {', '.join(theirs)}, not {', '.join(ours)}"] if ours != theirs else []
    return [f"{out} holds a run of another recipe ({'; '.join(changed)}); its files are replaced stage by stage"] if changed else []


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
        unfinished = [name for name in _before(told, "report") if not manifest.finished(name)]
        if unfinished:
            raise RunError(
                f"{out}: not finished: {', '.join(unfinished)}; expected a run whose stages belong together (edaphic run goes on with it)"
            )
        job = Job(told, out / "recipe.yaml", out, 1, __version__, _hash_of(told), lambda *_: None)
        key = (manifest.stamp("report") or {}).get("key", "")
        manifest.run_stage("report", key, lambda work, partial: STAGES["report"](job, work, partial))
        manifest.refresh_run_json(stages_of(told))
    return out / "report.html"


def demo(
    folder: Path,
    *,
    seed: int | None = None,
    landscape: str | None = None,
    size: str = "small",
    workers: int = 1,
    listener: Listener | None = None,
) -> Path:
    """Make a virtual landscape, sample it, and run its recipe on its raw files.

    Parameters
    ----------
    folder : Path
        Gets ``input`` (raw files and recipe) and ``run``.
    seed : int, optional
        Seed of landscape, sample and run; that of the recipe when left out.
    landscape : str, optional
        One of ``virtual.LANDSCAPES``, each of the structure of a published product; the landscape of the first demo when left out.
    size : {"small", "full"}
        Of these; the demo's own landscape has one size.

    Returns
    -------
    Path
        The run folder.

    Raises
    ------
    RunError
        Another landscape or size; or the folder holds other files.
    """
    hear = listener or silent()
    if landscape is not None and landscape not in virtual.LANDSCAPES:
        raise RunError(f"--landscape {landscape}: no such landscape; expected one of {', '.join(virtual.LANDSCAPES)}")
    if size not in virtual.LAND_SIZES:
        raise RunError(f"--size {size}: no such size; expected one of {', '.join(virtual.LAND_SIZES)}")
    if landscape is None and size != "small":
        raise RunError(f"--size {size}: found without a landscape; expected --landscape, one of {', '.join(virtual.LANDSCAPES)}")
    raw, out = (folder / name for name in DEMO_FOLDERS)
    hear.stage("landscape", "a virtual one, whose true carbon is known")
    name = landscape or "demo"
    text = recipe.template(name if landscape is None else f"{landscape}-virtual")
    if seed is None:
        seed = recipe.parse(text, f"{name}.yaml").seed
    else:
        text = text.replace(f"seed: {recipe.parse(text, f'{name}.yaml').seed}", f"seed: {seed}", 1)
    if folder.exists() and any(entry.name not in DEMO_FOLDERS for entry in folder.iterdir()):
        raise RunError(f"{folder}: holds files that are not of the demo; expected an empty or new folder")
    raw.mkdir(parents=True, exist_ok=True)
    if landscape is None:
        place = virtual.landscape(seed)
        virtual.write(place, *virtual.sample(place, seed), raw)
    else:
        virtual.LANDSCAPES[landscape](raw, seed, size)
    if landscape == "space-time":
        _make_sensors_one(raw / "landsat", seed, hear)
    write_text(raw / f"{name}.yaml", text)
    return run(raw / f"{name}.yaml", out, workers=workers, listener=hear)


def _make_sensors_one(folder: Path, seed: int, hear: Listener) -> None:
    """The coefficients that the recipe asks for, fitted to the pairs of pixels, as ``edaphic normalise`` does."""
    for sensor in ("tm", "oli"):
        pairs, table = folder / f"pairs_{sensor}_etm.csv", folder / f"{sensor}_to_etm.csv"
        normalise(pairs, None, table, fitting=Fitting(seed=seed), tables=TableWords(group="date"), sensors=(sensor, "etm"))
        hear.step(f"note: {table.name} is fitted to {pairs.name}", 0, 1)


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
        "place": asdict(job.place),
    }


BEFORE: Mapping[str, tuple[str, ...]] = {
    "profiles": (),
    "rasters": (),
    "covariates": ("profiles", "rasters"),
    "model": ("profiles", "covariates"),
    "evidence": ("profiles", "covariates", "model"),
    "maps": ("profiles", "rasters", "covariates", "model", "evidence"),
    "montecarlo": ("profiles", "rasters", "covariates", "model", "evidence"),
    "totals": ("profiles", "rasters", "covariates", "model", "evidence", "maps"),
    "account": ("profiles", "rasters", "covariates", "evidence", "maps", "montecarlo", "totals"),
    "drivers": ("profiles", "rasters", "covariates", "model", "evidence"),
    "deliver": ("profiles", "covariates", "evidence", "maps", "montecarlo", "account"),
    "report": ("profiles", "rasters", "covariates", "model", "evidence", "maps", "montecarlo", "totals", "account", "drivers", "deliver"),
}
"""Stages whose files a stage reads, where the recipe asks for them."""


def _before(told: Recipe, stage: str) -> tuple[str, ...]:
    asked = stages_of(told)
    beside = {"montecarlo"} if stage == "account" and told.maps.subsoil is None else set()  # its totals are for stocks made of beta
    return tuple(name for name in BEFORE[stage] if name in asked and name not in beside)


def _named(job: Job, path: Path) -> str:
    """A file as seen from the root of the recipe."""
    try:
        return Path(os.path.relpath(path, job.path("."))).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def _parts(job: Job, stage: str, manifest: Manifest, inputs: Mapping[str, str]) -> Parts:
    """What the key of a stage is made of, each with a name that a user knows."""
    found = {"edaphic": job.version} | {name: str(job.libraries[name]) for name in sorted(job.libraries)}
    found |= named_parts(job.recipe, PARTS[stage])
    found |= {f"input {name}": digest[:16] for name, digest in sorted(inputs.items())}
    return found | {f"stage {name}": manifest.outputs_digest(name)[:16] for name in _before(job.recipe, stage)}


def _key(job: Job, stage: str, manifest: Manifest, inputs: Mapping[str, str]) -> str:
    return key_of(
        {
            "version": job.version,
            "stage": stage,
            "recipe": heeded(job.recipe, PARTS[stage]),
            "inputs": dict(inputs),
            "libraries": dict(job.libraries),
            "before": {name: manifest.outputs_digest(name) for name in _before(job.recipe, stage)},
        }
    )


def summary_lines(out: Path) -> list[str]:
    """The answer of a finished run in a few lines, for the screen."""
    lines = []
    stocks = out / "tables" / "stocks.csv"
    if stocks.is_file():
        table = pd.read_csv(stocks)
        dated = "period" in table and table["period"].notna().any()
        for row in table[table["by"] == "all"].itertuples():
            modelled = getattr(row, "modelled_low_Tg", float("nan"))
            if modelled == modelled:
                bounds = f"; 90 % interval {modelled:.4g} to {row.modelled_high_Tg:.4g} Tg"
            else:
                bounds = f"; fully correlated bound {row.fully_correlated_low_Tg:.4g} to {row.fully_correlated_high_Tg:.4g} Tg"
            what = f"{f'{row.period}, ' if dated else ''}{row.top_cm:g}-{row.bottom_cm:g} cm"
            lines.append(
                f"{what}: {row.total_Tg:.4g} Tg on {row.area_km2:,.0f} km2 "
                f"({row.mean_kg_m2:.2f} kg/m2{bounds if not dated or not str(row.period).startswith('mean') else ''})"
            )
    lines.append(f"report: {out / 'report.html'}")
    return lines


