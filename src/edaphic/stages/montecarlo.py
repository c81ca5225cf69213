"""The stage of Monte Carlo: bootstrap forests, realisations tile by tile, then maps and totals of regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox

from edaphic import covariates
from edaphic.covariates import Source, TimedStack
from edaphic.covariates.band_statistics import bounded_cache
from edaphic.errors import ModelError
from edaphic.mapping.drawing import Draws, Error, Residuals, residuals_of
from edaphic.mapping.engine import run_tiles
from edaphic.mapping.montecarlo import Below, Land, MonteWork, room_of_blocks
from edaphic.mapping.noise import Noise
from edaphic.mapping.plan import plan_tiles
from edaphic.mapping.predict import TileWork
from edaphic.mapping.regional import Division, Regions, Totals, mean_cell_m2, total_tables
from edaphic.mapping.store import TileStore, kept_size
from edaphic.mapping.write import MapInfo, write_catalog
from edaphic.model import artefact
from edaphic.model.zones import AnyModel, ZonedModel, base_of
from edaphic.recipe import ByPolygons, ByShares, MonteCarlo, Recipe
from edaphic.stages.covering import build_stack, map_year
from edaphic.stages.ecosystems import TOPSOIL, Zone, of_zone, share_sources, work_of_zone, zones_of
from edaphic.stages.growing import grow_forests
from edaphic.stages.job import PARTS, Job, points_of, write_json
from edaphic.stages.mapped import tile_work
from edaphic.stages.maps import map_info, write_map
from edaphic.stages.size import GROW_S

SECONDS = 2.5e-8
"""Of one core for one tree, layer, cell and realisation, all in, as measured (benchmarks/monte_carlo.py)."""


def stage_montecarlo(job: Job, work: Path, partial: Path) -> None:
    """Grow bootstrap forests, draw realisations tile by tile, write maps and totals."""
    told = _asked(job.recipe)
    kit = artefact.load_kit(job.out / "model" / job.recipe.model.name)
    timed = build_stack(job)
    points, kinds = points_of(job)
    errors, notes = input_errors(told, kit.model, kinds, points)
    residuals = None
    if told.residual:
        residuals, more = _residuals(job, kit.model)
        notes += more
    notes += _notes(job, told)
    forests, poor = grow_forests(
        job, kit.model, points, kinds, partial / "forests", told.grown, told.trees, "maps.monte_carlo"
    )
    notes += [f"Monte Carlo: zone {zone}: too few rows in {n} of {len(forests)} samples; the forest of all answers" for zone, n in poor]
    for note in notes:
        job.say(f"note: {note}", 0, 1)
    grid = timed.grid
    tiles = tile_work(job, kit, timed)
    noise = Noise(grid, job.recipe.seed, None if told.independent else told.range_km)
    monte = MonteWork(
        grid=grid,
        reader=_land(kit.model, tiles),
        covariates=kit.model.covariates,
        target=kit.model.target,
        layers=kit.model.layers,
        whole=kit.model.whole,
        forests=forests,
        draws=Draws(told.design, told.grown, told.draws),
        errors=errors,
        noise=noise,
        residuals=residuals,
        residual_noise=noise if told.residual_range_km is None else replace(noise, range_km=told.residual_range_km),
        regions=Regions(grid, _divisions(job, timed), mean_cell_m2(grid)),
        levels=told.levels,
        relative_width=told.relative_width,
        room=room_of_blocks(job.place),
        below=_below(job, grid),
    )
    zones: list[Zone | None] = [*zones_of(job, timed)]
    parts: list[tuple[Zone | None, TileStore]] = []
    folder = work / "maps" / "monte_carlo"
    folder.mkdir(parents=True)
    for zone in zones or [None]:
        own, name = monte, "tiles"
        if zone is not None:
            land = _land(kit.model, work_of_zone(tiles, zone, str(job.recipe.model.zones)))
            own, name = replace(monte, reader=land, share=zone), f"tiles-{zone.slug}"
        store = _compute(job, own, partial / name, f"{partial.name}{'' if zone is None else f' {zone.slug}'}")
        _write_maps(job, own, store, folder, kit.sha256, zone)
        for note in store.notes:  # of tiles that were damaged on disk
            job.say(f"note: {note}", 0, 1)
        parts.append((zone, store))
    write_catalog(folder, sorted(folder.glob("*.tif")), name="monte-carlo", title=f"{job.recipe.name}: Monte Carlo")
    below = _write_tables(job, monte, parts, work / "tables")
    if below:
        notes.append(f"Monte Carlo: {below:.2%} of the values with residuals were below zero and are zero; means are that much too high")
        job.say(f"note: {notes[-1]}", 0, 1)
    _write_inputs(errors, kit.model, work / "tables")
    facts: dict[str, Any] = {"design": told.design, "forests": told.grown, "draws": told.draws, "trees": told.trees}
    facts["realisations"] = told.realisations
    facts |= {"range_km": monte.noise.range_km, "residual": told.residual, "residual_range_km": monte.residual_noise.range_km}
    write_json(work / "tables" / "monte_carlo.json", facts | {"levels": list(told.levels), "below_zero": below, "notes": notes})


def _land(model: AnyModel, tiles: TileWork) -> Land:
    """The cells that the maps have."""
    return Land(
        _without_forests(model), tiles.stacks[-1], tiles.class_masks, tiles.masks, tiles.region, tiles.bedrock,
        tiles.applicability if tiles.only_applicable else None, tiles.fixed,
    )  # fmt: skip


def _below(job: Job, grid: GeoBox) -> Below | None:
    """Stocks that are made of beta."""
    told = job.recipe.maps.subsoil
    if told is None:
        return None
    source = next(source for source in share_sources(job.recipe, job.recipe_path) if source.name == TOPSOIL)
    layer = covariates.open_any(source, grid)
    return Below(layer, told.topsoil.unit, told.topsoil.layer, told.topsoil.relative_sd, told.intervals)


def check_inputs(told: Recipe, kinds: Mapping[str, str]) -> list[str]:
    """Covariates whose error is told and that are none, or of another kind; ``kinds`` as in :func:`check_monte_carlo`."""
    faults = []
    for name, error in told.maps.monte_carlo.inputs.items() if told.maps.monte_carlo is not None else ():
        where, kind = f"maps.monte_carlo.inputs.{name}", kinds.get(name)
        if kind is None:
            faults.append(f"{where}: no covariate; expected names of covariates")
        elif (kind == "class") != (error.wrong is not None):
            found = "wrong" if error.wrong is not None else "relative" if error.relative is not None else "sd"
            expected = "wrong (a probability)" if kind == "class" else "relative or sd"
            faults.append(f"{where}: {found} of a covariate of kind {kind}; expected {expected}")
    return faults


def check_monte_carlo(told: Recipe, kinds: Mapping[str, str], grid: GeoBox, rows: int) -> tuple[list[str], list[str]]:
    """What is wrong with the section of Monte Carlo beside the covariates and the grid, and what the work will be.

    Parameters
    ----------
    told : Recipe
    kinds : mapping
        ``continuous`` or ``class``, by covariate.
    grid : GeoBox
    rows : int
        Training rows, about.

    Returns
    -------
    (faults, notes)
    """
    asked = told.maps.monte_carlo
    if asked is None:
        return [], []
    faults = check_inputs(told, kinds)
    side = np.sqrt(mean_cell_m2(grid)) / 1000.0
    for key in ("range_km", "residual_range_km"):
        length = getattr(asked, key)
        if length is not None and length < side:
            expected = f"at least the side of a cell ({side:.3g} km), or independent: true"
            faults.append(f"maps.monte_carlo.{key}: {length:g}; expected {expected}")
    cells, layers = grid.shape[0] * grid.shape[1], len(told.profiles.layers)
    hours = SECONDS * asked.trees * layers * cells * asked.realisations / 3600
    grow = GROW_S * asked.trees * rows * layers * max(1.0, 0.35 * len(kinds)) * asked.grown / 3600
    note = (
        f"Monte Carlo: {asked.realisations:,} realisations ({asked.design}: {asked.grown:,} forests of {asked.trees} trees), roughly "
        f"{hours + grow:.2g} core hours; in proportion to cells, realisations and trees"
    )
    return faults, [note]


def input_errors(
    told: MonteCarlo, model: AnyModel, kinds: Mapping[str, str], points: pd.DataFrame
) -> tuple[tuple[Error, ...], list[str]]:
    """Errors of the covariates of a model, and what must be said of them."""
    classes = dict(base_of(model).encoder.classes)
    if isinstance(model, ZonedModel):
        classes.setdefault(model.zone, tuple(sorted(code for code, _ in model.counts)))
    errors, notes = [], []
    for name in model.covariates:
        own = told.inputs.get(name)
        if kinds[name] == "class":
            errors.append(Error(name, wrong=0.0 if own is None or own.wrong is None else own.wrong, classes=classes[name]))
        elif own is None:
            errors.append(Error(name, relative=told.relative_sd))
        else:
            errors.append(Error(name, relative=own.relative or 0.0, sd=own.sd or 0.0))
    still = [error.name for error in errors if not error.streams]
    if still:
        notes.append(f"Monte Carlo: without error: {', '.join(still)} (classes have none unless inputs names them)")
    assumed = [error.name for error in errors if error.relative and error.name not in told.inputs]
    signs = [name for name in assumed if points[name].min() < 0 < points[name].max()]
    if signs:
        notes.append(f"Monte Carlo: {', '.join(signs)}: values on both sides of 0, where a relative error is nil; inputs may give an sd")
    unused = [name for name in told.inputs if name not in model.covariates]
    if unused:
        notes.append(f"Monte Carlo: the model does not use {', '.join(unused)}; errors given for them do nothing")
    notes.append("Monte Carlo: errors of different covariates are drawn independently of each other")
    return tuple(errors), notes


def _asked(recipe: Recipe) -> MonteCarlo:
    told = recipe.maps.monte_carlo
    if told is None:
        raise ModelError("maps.monte_carlo: not asked for; expected the section")
    return told


def _notes(job: Job, told: MonteCarlo) -> list[str]:
    notes = []
    if told.independent:
        notes.append("Monte Carlo: the error of every cell is its own: totals of regions are much too certain")
    if not told.residual:
        notes.append("Monte Carlo: without the error of the target around the forest, as in the paper: intervals are those of the mean")
    if job.recipe.maps.periods:
        first, last = job.recipe.maps.periods[-1]
        notes.append(f"Monte Carlo: of the last of several periods, {first} to {last}")
    return notes


def _residuals(job: Job, model: AnyModel) -> tuple[Residuals, list[str]]:
    """Residuals of the design that calibrates the intervals of the maps."""
    held = pd.read_parquet(job.out / "evidence" / "out_of_fold.parquet")
    held = held[held["design"] == job.recipe.evidence.calibrate]
    base = base_of(model)
    known = base.depth_correlation.shape == (len(base.layers), len(base.layers))
    return residuals_of(held, base.layers, base.target, base.depth_correlation if known else None)


def _without_forests(model: AnyModel) -> AnyModel:
    """A model that only knows its covariates."""
    if isinstance(model, ZonedModel):
        return replace(model, models=(), everywhere=replace(model.everywhere, forests=()))
    return replace(model, forests=())


def _divisions(job: Job, timed: TimedStack) -> tuple[Division, ...]:
    """Regions of the account."""
    by = job.recipe.account.by
    needed = any(isinstance(division, str) for division in by)
    known = {layer.name: layer for layer in timed.during(map_year(job), job.recipe.covariates.max_gap_years).layers} if needed else {}
    out = []
    for division in by:
        if isinstance(division, ByShares):
            job.say(f"note: Monte Carlo: {division.name}: no totals by shares of cells, other than those of maps.shares", 0, 1)
        elif isinstance(division, str):
            out.append(Division(division, dict(known[division].facts.classes), known[division]))
        elif isinstance(division, ByPolygons):
            path = job.path(division.path)
            labels = covariates.rasterise(path, division.column, timed.grid, covariates.Window(0, 0, 1, 1))[1]
            out.append(Division(division.name, dict(labels), polygons=path, column=division.column))
        else:
            source = Source(division.name, job.path(division.path), kind="class", classes=division.classes)
            out.append(Division(division.name, dict(division.classes), covariates.open_layer(source, timed.grid)))
    return tuple(out)


def _compute(job: Job, monte: MonteWork, folder: Path, key: str) -> TileStore:
    """Realisations of all tiles; those that an interrupted run has done are taken as they are."""
    land = monte.reader
    layers = [division.layer for division in monte.regions.divisions if division.layer is not None]
    if isinstance(land, Land):
        layers += [*land.stack.layers, *(mask.layer for mask in land.masks if mask.layer is not None)]
        layers += [] if land.bedrock is None else [land.bedrock.layer]
        layers += [] if monte.below is None else [monte.below.topsoil]
    plan = plan_tiles(
        monte.grid,
        layers,
        bytes_per_cell=monte.bytes_per_cell,
        fixed_bytes=0,
        lane_bytes=monte.fixed_bytes,
        place=job.place,
        window=job.recipe.maps.window,
        kept=kept_size(folder, key),
    )
    for note in plan.notes:
        job.say(f"note: {note}", 0, 1)
    store = TileStore(folder, plan, monte.arrays, key)
    run_tiles(monte, plan, store, job.say)
    return store


def _write_maps(job: Job, monte: MonteWork, store: TileStore, folder: Path, model_sha256: str, zone: Zone | None) -> None:
    asked = [(made, stat) for made in monte.made for stat in monte.stats]
    with bounded_cache():
        for number, ((quantity, interval), stat) in enumerate(asked):
            job.say("writing Monte Carlo maps", number, len(asked))
            info = _info(job, quantity, interval, stat, model_sha256)
            own = info if zone is None else of_zone(info, quantity, zone)
            write_map(store, monte.name_of(stat, quantity, interval), monte, own, folder, job.recipe.maps.encoding, job.workers)


def _info(job: Job, quantity: str, interval: tuple[float, float], stat: str, model_sha256: str) -> MapInfo:
    unit = job.target.unit if quantity == job.target.quantity else "kg/m2"
    info = map_info(job, interval, stat, None, model_sha256, quantity=quantity, unit=unit)
    return replace(info, tags={**info.tags, "EDAPHIC_RECIPE_SHA256": job.hash_of(PARTS["montecarlo"])})


def _write_tables(job: Job, monte: MonteWork, parts: Sequence[tuple[Zone | None, TileStore]], folder: Path) -> float:
    """Totals of all tiles; the share of values that residuals brought below zero.

    Zones that share cells have the same draws: their totals add up realisation by realisation.
    """
    folder.mkdir(exist_ok=True)
    totals = Totals((len(monte.made), monte.draws.realisations + len(monte.levels) + 1))
    cells = below = 0
    regions, name = monte.regions, str(job.recipe.model.zones)
    for zone, store in parts:
        own = Totals(totals.shape)
        for facts in store.facts():
            own.add_facts(facts["totals"])
            cells, below = cells + facts["cells"], below + facts["below_zero"]
        for group, sums in own.sums.items():
            if zone is None or group[0] != name:
                # Cells with several zones are not counted again: those of the zone with most stand for all.
                totals.add(group, max(own.cells[group] - totals.cells.get(group, 0), 0), sums)
            if zone is not None and group[0] == "all":
                totals.add((name, str(zone.code)), own.cells[group], sums)
    if zones := {zone.code: zone.name for zone, _ in parts if zone is not None}:
        others = tuple(division for division in regions.divisions if division.name != name)
        regions = replace(regions, divisions=(Division(name, zones), *others))
    count = len(monte.intervals)
    stock = job.target.quantity == "soc_stock"
    own_rows, of_stocks = totals.rows(slice(0, count)), totals.rows(slice(count, None))
    drawn, said = total_tables(own_rows, regions, monte.intervals, monte.levels, stock=stock)
    if monte.below is not None:
        _save(folder, "monte_carlo_beta", drawn.assign(unit=job.target.unit), said)
        drawn, said = total_tables(of_stocks, regions, monte.below.intervals, monte.levels, stock=True)
        stock = True
    _save(folder, "monte_carlo", drawn.assign(unit="Tg" if stock else job.target.unit), said)
    return float(below / max(1, cells * len(monte.layers) * monte.draws.realisations))


def _save(folder: Path, name: str, drawn: pd.DataFrame, said: pd.DataFrame) -> None:
    drawn.to_parquet(folder / f"{name}_realisations.parquet", index=False)
    said.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")


def _write_inputs(errors: Sequence[Error], model: AnyModel, folder: Path) -> None:
    """What was drawn of each covariate."""
    rows: list[dict[str, Any]] = [
        {"covariate": error.name, "kind": "class" if error.classes else "continuous", "relative_sd": error.relative, "sd": error.sd,
         "wrong": error.wrong}
        for error in errors
    ]  # fmt: skip
    pd.DataFrame(rows).set_index("covariate").loc[list(model.covariates)].to_csv(folder / "monte_carlo_inputs.csv", lineterminator="\n")
