"""The stage of deliveries: the GSOCmap package, maps under other names, measurements, licences, and the list of all of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates import Window, grid_like
from edaphic.errors import EdaphicError, ModelError
from edaphic.files import write_text
from edaphic.mapping.names import MapKey, Period, map_keys
from edaphic.model.fit import TARGETS
from edaphic.recipe import Recipe, resolve, whole_layer
from edaphic.report.delivery import checklist, gsocmap, measurements, rollup
from edaphic.report.delivery.copies import MANIFEST, Classes, Pattern, info_of, manifest, plan_copies, write_copies
from edaphic.report.delivery.licences import Licence, licence_of
from edaphic.report.delivery.names import MapFile, clashes, filled, map_file, named_fields, of_grid, replaced
from edaphic.stages.covering import build_stack, map_periods, map_year
from edaphic.stages.ecosystems import further_names
from edaphic.stages.job import FEWEST_WHOLE, Job, sampled_years
from edaphic.stages.licensing import idle_licences, inputs_with_licences

FOLDER = "deliver"

GSOC_LAYER = (0.0, 30.0)

OF_MAPS = ("mean", "q[0-9]*", "se", "spread", "tree_*", "mc_*", "p_above_*", "applicability", "dissimilarity", "point_density")
"""Statistics of the maps of a model."""


def stage_deliver(job: Job, work: Path, partial: Path) -> None:
    """Write what the recipe asks to be handed over into one folder."""
    del partial
    asked = job.recipe.deliver
    folder = work / FOLDER
    folder.mkdir()
    rows: list[dict[str, Any]] = []
    inputs = inputs_with_licences(job.recipe, job.recipe_path)
    if asked.names:
        rows += _named(job, folder / "maps")
    if asked.gsocmap is not None:
        rows += _package(job, folder / "gsocmap")
    if asked.profiles is not None:
        rows += _measurements(job, folder, inputs)
    found = rollup.roll_up(inputs, asked.licence)
    _csv(found.table, folder / "licences.csv")
    write_text(folder / "LICENCES.md", rollup.text_of(found, job.recipe.name))
    for line in rollup.verdict(found):
        job.say(f"note: licences: {line}", 0, 1)
    _csv(manifest(folder, rows), folder / MANIFEST)


def _maps(job: Job) -> list[MapFile]:
    paths = sorted((job.out / "maps").rglob("*.tif"))
    asked = job.recipe.deliver
    return [map_file(path, asked.words, job.version, asked.instead) for path in paths]


def _patterns(told: Recipe) -> list[Pattern]:
    """Patterns of names. One that names no maps is for all of them but those of change, trends and products, which have other fields."""
    everything = tuple(f"*_{stat}_*" for stat in OF_MAPS)
    return [Pattern(naming.full, everything if naming.maps == ("*",) else naming.maps) for naming in told.deliver.names]


def _named(job: Job, folder: Path) -> list[dict[str, Any]]:
    """Maps under their asked names."""
    asked = job.recipe.deliver
    codes = None if asked.ecosystems is None else asked.ecosystems.codes
    copies = plan_copies(_maps(job), _patterns(job.recipe), codes)
    classes = _classes(job) if any(one.code is not None for one in copies) else None
    return write_copies(copies, folder, classes, job.say)


def _classes(job: Job) -> Classes:
    """Class codes of the covariate of ecosystems, as it was for the last of the maps."""
    assert job.recipe.deliver.ecosystems is not None
    name = job.recipe.deliver.ecosystems.by
    periods = map_periods(job)
    stack = build_stack(job).during(map_year(job, periods[-1]), job.recipe.covariates.max_gap_years)
    layer = next(layer for layer in stack.layers if layer.name == name)

    def read(window: Window) -> NDArray[np.float32]:
        return np.asarray(layer.read(window), dtype=np.float32)

    return read


def _package(job: Job, folder: Path) -> list[dict[str, Any]]:
    """The rasters and the checklist of the GSOCmap package."""
    asked = job.recipe.deliver.gsocmap
    assert asked is not None
    period = asked.period or map_periods(job)[-1]
    maps = {stat: _map_of(job, stat, period) for stat in ("mean", "q05", "q95")}
    lost = [path.name for path in maps.values() if not path.is_file()]
    if lost:
        raise ModelError(
            f"deliver.gsocmap: no map {', '.join(lost)}: too few profiles were observed over 0-30 cm; expected at least {FEWEST_WHOLE}, "
            "or 0-30 among profiles.layers"
        )
    own = map_file(maps["mean"], {}, job.version)
    told = info_of(own, own.name)
    target = gsocmap.globe_cells(grid_like(maps["mean"])) if asked.grid is None else gsocmap.given_cells(job.path(asked.grid))
    fields = {**job.recipe.deliver.words, "country": asked.country}
    names = {stat: filled(asked.pattern, {**fields, "stat": stat}) for stat in gsocmap.STATS}
    package = gsocmap.write_rasters(maps, names, folder, target, told, job.say)
    table = checklist.checklist(_facts(job, asked.country, told.period), package)
    _csv(table, folder / f"{asked.country}_checklist.csv")
    write_text(folder / f"{asked.country}_checklist.md", checklist.text_of(table, f"{job.recipe.name} ({asked.country})"))
    open_items = table.loc[table["state"] == "to fill in", "item"].tolist()
    if open_items:
        job.say(f"note: deliver.gsocmap: {len(open_items)} items of the checklist are to be filled in: {', '.join(open_items)}", 0, 1)
    return [
        {
            "file": path,
            "made_from": f"maps/{maps[stat].name}" if stat in maps else f"maps/{maps['q05'].name}, maps/{maps['q95'].name}",
            "how": "area-weighted mean over cells of 30 arc-seconds",
            "unit": "t/ha",
            "title": f"Soil organic carbon stock, 0-30 cm, {gsocmap.STATS[stat][0]}",
        }
        for stat, path in package.rasters.items()
    ]


def _map_of(job: Job, stat: str, period: Period | None) -> Path:
    return job.out / "maps" / f"{job.target.quantity}_{MapKey(stat, GSOC_LAYER, period).name}.tif"


def _facts(job: Job, country: str, period: Period | None) -> checklist.Facts:
    told = job.recipe.model_dump(mode="json")
    return checklist.Facts(
        recipe=told,
        summary=_json(job.out / "profiles" / "summary.json"),
        covariates=_table(job.out / "covariates" / "layers.csv"),
        metrics=_table(job.out / "evidence" / "metrics.csv"),
        calibration=_table(job.out / "evidence" / "calibration.csv"),
        importance=_table(job.out / "evidence" / "importance.csv"),
        variogram=_json(job.out / "evidence" / "variogram.json"),
        cells=_json(job.out / "maps" / "summary.json"),
        stocks=_table(job.out / "tables" / "stocks.csv"),
        years=sampled_years(job),
        version=job.version,
        country=country,
        period=period,
    )


def _measurements(job: Job, folder: Path, inputs: Sequence[rollup.Input]) -> list[dict[str, Any]]:
    """Horizons and layers of the sources that may be handed over, and why the others are not."""
    asked = job.recipe.deliver.profiles
    assert asked is not None
    licences: dict[str, tuple[Licence, ...]] = {}
    citations: dict[str, str] = {}
    for own in inputs:
        if own.kind == "profiles":
            licences[own.name] = (*licences.get(own.name, ()), licence_of(own.licence))
            citations[own.name] = "; ".join(filter(None, [citations.get(own.name, ""), own.citation]))
    horizons = pd.read_parquet(job.out / "profiles" / "horizons.parquet")
    layers = pd.read_parquet(job.out / "profiles" / "layers.parquet")
    shared = measurements.shared_tables(
        horizons, layers, licences, citations, share=asked.share, coordinates=asked.coordinates, decimals=asked.decimals
    )
    _csv(shared.verdicts, folder / "profiles_sources.csv")
    for row in shared.verdicts[shared.verdicts["shared"] == "no"].itertuples():
        job.say(f"note: deliver.profiles: {row.source} is not handed over: {row.reason}", 0, 1)
    if shared.horizons.empty:
        job.say("note: deliver.profiles: no source may be handed over: the tables are not written", 0, 1)
        return []
    _csv(shared.horizons, folder / "profiles.csv")
    _csv(shared.layers, folder / "profiles_layers.csv")
    told = {"how": "sources that may be shared", "unit": "in the names of the columns"}
    made = {"profiles.csv": "profiles/horizons.parquet", "profiles_layers.csv": "profiles/layers.parquet"}
    return [{"file": folder / name, "made_from": of, **told} for name, of in made.items()]


def check_deliver(told: Recipe, recipe_path: Path, grid: GeoBox) -> tuple[list[str], list[str]]:
    """What can be known of deliveries before the work starts: faults, and what is worth a note.

    Names are formed for the maps that the recipe is sure to make; others (of realisations, of changes) show when the stage is at work.
    """
    asked = told.deliver
    if not asked.asked:
        return [], []
    faults = idle_licences(told, recipe_path) + _name_faults(told, grid)
    notes = []
    if asked.gsocmap is not None:
        faults += _cells_faults(told, recipe_path, grid)
        lost = [key for key in ("name", "organisation", "email") if getattr(asked.contact, key) is None]
        if lost:
            notes.append(f"deliver.contact: no {', '.join(lost)}: the checklist of the package will ask the user for it")
    return faults, notes


def _cells_faults(told: Recipe, recipe_path: Path, grid: GeoBox) -> list[str]:
    asked = told.deliver.gsocmap
    assert asked is not None
    try:
        if asked.grid is None:
            gsocmap.globe_cells(grid)
        else:
            gsocmap.given_cells(resolve(told, recipe_path, asked.grid))
    except EdaphicError as fault:
        return list(fault.faults)
    names = [(stat, filled(asked.pattern, {**told.deliver.words, "country": asked.country, "stat": stat})) for stat in gsocmap.STATS]
    return [f"deliver.gsocmap.pattern: {fault}" for fault in clashes(names)]


def _name_faults(told: Recipe, grid: GeoBox) -> list[str]:
    """Faults of names for the maps that are sure to be made, where a pattern is for one of them."""
    patterns = _patterns(told)
    sure = _sure_maps(told, grid)
    codes = None if told.deliver.ecosystems is None else told.deliver.ecosystems.codes
    try:
        plan_copies(sure, patterns, codes, every_pattern=False)
    except EdaphicError as fault:
        return list(fault.faults)
    return []


def _sure_maps(told: Recipe, grid: GeoBox) -> list[MapFile]:
    """Maps of the layers of the recipe, by their names; the whole depth may turn out to have too few profiles."""
    whole = whole_layer(told)
    intervals = [*told.profiles.layers, *([whole] if whole else [])]
    periods = told.maps.periods or (None,)
    keys = map_keys(told.maps.stats, told.maps.thresholds, intervals, periods, mean_of_periods=told.maps.mean_of_periods)
    target = TARGETS[told.model.target]
    # years that no recipe states may still come from the profiles; the version is the same for all
    years = dict.fromkeys(("from", "to", "period", "begin", "end"), "0000")
    always = of_grid(grid) | {"unit": "unit", "version": "v0"}
    named = [(f"{target.quantity}_{key.name}", target.unit) for key in keys] + further_names(told, target.quantity, target.unit)
    found = []
    for name, unit in named:
        fields = replaced(years | always | {"name": name} | named_fields(name), told.deliver.instead) | dict(told.deliver.words)
        found.append(MapFile(Path(f"{name}.tif"), unit, name, fields))
    return found


def _csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n")


def _table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
