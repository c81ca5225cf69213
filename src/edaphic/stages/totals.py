"""The stage of totals: realisations of errors that are alike over some distance, for all cells and every division, by period."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from threadpoolctl import threadpool_limits

from edaphic import account
from edaphic.account import Lattice, MapReader, Modelled, ScoreModel
from edaphic.account.maps import Layer, open_maps, quantile_names
from edaphic.account.totals import layer_values, named_paths
from edaphic.covariates import TimedStack
from edaphic.covariates.grid import Window, windows
from edaphic.errors import ModelError
from edaphic.mapping.names import MapKey, Period
from edaphic.model import artefact
from edaphic.model.bootstrap import layer_means, load_means
from edaphic.recipe import Recipe, Totals
from edaphic.stages.covering import build_stack, map_periods, map_year
from edaphic.stages.divisions import divisions_of
from edaphic.stages.growing import grow_forests
from edaphic.stages.job import Job, points_of, write_json

Floats = NDArray[np.float64]

ACCOUNTED = 0.9
"""Level of the interval of totals: that of the maps q05 and q95, which every run has."""

CELLS_PER_BLOCK = 4
"""Cells of each block that refitted forests are asked for."""

FEWEST_GIVEN = 30
"""Profiles of a layer, below which errors are not drawn given theirs."""

MATCHED = "knndm"
"""The design whose distances between profiles are those between profiles and cells of the map."""

WINDOW = 512
FRESH = 7_919
"""Added to the seed for a second set of errors, which the change between periods needs."""


def wanted(told: Recipe) -> bool:
    """Whether totals have an error of their own: of stocks, where it is asked for."""
    stocks = told.model.target.removeprefix("log_") in ("soc_stock", "soc_density")
    return stocks and told.account.total.realisations > 0 and not told.maps.shares


def stage_totals(job: Job, work: Path, partial: Path) -> None:
    """Scores of held-out predictions, their variogram, realisations; refitted forests for the error of the trend."""
    told = job.recipe.account.total
    timed = build_stack(job)
    grid = timed.grid
    folder = work / "tables"
    folder.mkdir()
    job.say("blocks", 0, 4)
    lattice = account.make_lattice(grid, _mapped(job, grid), most=told.blocks)
    job.say("scores of held-out predictions", 1, 4)
    chosen, notes = _widest(job, told, timed, lattice)
    scores, model = chosen.scores, chosen.model
    trends = _trends(job, told, timed, lattice, scores, partial / "forests") if told.forests else {}
    parts: list[tuple[Period | None, Modelled]] = []
    fresh: list[tuple[Period | None, Modelled]] = []
    for number, period in enumerate(periods := map_periods(job)):
        job.say("realisations of totals", 2 * len(periods) + 2 * number, 4 * len(periods))
        tables = _tabulate(job, timed, lattice, period)
        if not tables.total:
            notes.append(f"no cell has a value in {period_name(period)}; no totals")
            continue
        fields = chosen.fields if period == periods[-1] else _fields(job, told, lattice, scores, model, period)
        for seed, kept in ((job.recipe.seed, parts), (job.recipe.seed + FRESH, fresh)):
            if kept is fresh and job.recipe.account.change is None:
                continue
            # Other errors have other forests too: with the same, the error of the trend would count twice in the mixture of both.
            trend = trends.get(period)
            if kept is fresh and trend is not None:
                trend = np.roll(trend[0], 1 + len(trend[0]) // 2, axis=0), trend[1]
            made = _modelled(job, told, grid, tables, fields, trend, seed)
            notes += made.notes
            kept.append((period, made))
    if not parts:
        raise ModelError("totals: no cell has a value in any map; expected cells that are left")
    notes = list(dict.fromkeys(notes))
    for note in notes:
        job.say(f"note: {note if note.startswith('totals') else f'totals: {note}'}", 0, 1)
    _write(folder, parts, fresh)
    variogram = {name: value for name, value in model.variogram.to_dict().items() if name != "notes"}
    facts: dict[str, object] = {"variogram_of_scores": variogram, "layers": [list(layer) for layer in model.layers]}
    facts |= {"correlation_of_layers": [list(row) for row in model.correlation]}
    facts |= {"blocks": lattice.blocks, "cells_along_a_block": lattice.side}
    facts |= {"field_share": model.field_share, "nugget_share": model.nugget_share, "measurement_share": model.measurement_share}
    facts |= {"scores": len(scores), "realisations": told.realisations, "forests": told.forests, "conditional": told.conditional}
    facts |= {"corrected": told.corrected, "interval": ACCOUNTED, "design": chosen.design, "notes": notes}
    if trends:
        shares = np.concatenate([share.ravel() for _, share in trends.values()])
        facts["trend_share"] = {"mean": float(shares.mean()), "largest": float(shares.max())}
    write_json(folder / "totals.json", facts)


@dataclass(frozen=True)
class _Chosen:
    """What the held-out predictions of a design say of errors."""

    design: str
    scores: pd.DataFrame
    model: ScoreModel
    fields: account.Fields


def _widest(job: Job, told: Totals, timed: TimedStack, lattice: Lattice) -> tuple[_Chosen, list[str]]:
    """The design whose errors give the widest interval: that which calibrates the maps, or kNNDM, whose distances are those of the map.

    Under another design than kNNDM errors may look smaller and shorter than they are where there are no profiles; the interval of a total
    is never narrower than under the design that matches the land that is mapped.
    """
    found, notes, width = [], [], []
    for design in dict.fromkeys((job.recipe.evidence.calibrate, MATCHED)):
        scores, said = held_scores(job, design)
        model = account.score_model(scores, seed=job.recipe.seed)
        found.append(_Chosen(design, scores, model, _fields(job, told, lattice, scores, model, map_periods(job)[-1])))
        notes.append([*said, *model.notes])
    if len(found) == 1:
        return found[0], notes[0]
    tables = _tabulate(job, timed, lattice, map_periods(job)[-1])
    for one in found:
        made = _modelled(job, told, timed.grid, tables, one.fields, None, job.recipe.seed).table.query("by == 'all'")
        width.append(float((made["modelled_high_Tg"] - made["modelled_low_Tg"]).sum()) if len(made) else 0.0)
    best = int(np.argmax(width))
    wide, narrow = max(width), min(width)
    text = f"errors under {found[best].design} give the wider intervals ({wide:.4g} against {narrow:.4g} Tg, added up), which are taken"
    return found[best], [*notes[best], text]


def _fields(
    job: Job, told: Totals, lattice: Lattice, scores: pd.DataFrame, model: ScoreModel, period: Period | None
) -> account.Fields:
    """Fields of errors, given those at the profiles; of several periods, those of the profiles of that time.

    Errors of another time are alike to a degree that the profiles of one place at two dates would have to tell, so they are not given.
    """
    given = None
    if told.conditional:
        years = scores["year"].to_numpy(dtype=np.float64)
        own = scores if period is None else scores[(years >= period[0]) & (years <= period[1])]
        given = _sites(own, model)
    with threadpool_limits(limits=1):  # sums in one order, whatever the machine
        return account.make_fields(lattice, model.variogram, model.matrix(), given)


def _tabulate(job: Job, timed: TimedStack, lattice: Lattice, period: Period | None) -> account.Tables:
    """What each class holds in each block."""
    with open_maps(_paths(job, period), timed.grid, job.target.unit) as readers:
        divisions = divisions_of(job, timed.grid, timed, period)
        return account.tabulate(timed.grid, job.layers, _reader(job, readers), lattice, divisions, interval=ACCOUNTED)


def held_scores(job: Job, design: str | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Scores of the layers, under the design that calibrates the maps unless another is named."""
    held = pd.read_parquet(job.out / "evidence" / "out_of_fold.parquet")
    depth = list(zip(held["top_cm"], held["bottom_cm"], strict=True))
    of_layers = np.array([interval in job.layers for interval in depth], dtype=bool)
    own = (held["design"] == (design or job.recipe.evidence.calibrate)) & of_layers
    return account.scores_of(held[own].reset_index(drop=True), interval=job.recipe.evidence.interval)


def _sites(scores: pd.DataFrame, model: ScoreModel) -> list[account.Sites] | None:
    """Profiles of each layer; None where a layer has too few to say anything."""
    parts = [scores[(scores["top_cm"] == top) & (scores["bottom_cm"] == bottom)] for top, bottom in model.layers]
    if min(len(part) for part in parts) < FEWEST_GIVEN:
        return None
    column = "departure" if "departure" in scores else "score"
    return [account.sites(part["lon"], part["lat"], part[column]) for part in parts]


def _paths(job: Job, period: Period | None) -> dict[str, Path]:
    stats = ("mean", *quantile_names(ACCOUNTED), *(("q50",) if "q50" in job.recipe.maps.stats else ()))
    start = job.target.quantity
    maps = {
        layer: {stat: job.out / "maps" / f"{start}_{MapKey(stat, layer, period).name}.tif" for stat in stats} for layer in job.layers
    }
    more = {f"{layer[0]:g}-{layer[1]:g} cm q50": paths["q50"] for layer, paths in maps.items() if "q50" in paths}
    return named_paths(maps, ACCOUNTED) | more


def _reader(job: Job, readers: Mapping[str, MapReader]) -> Callable[[Layer, Window], tuple[Floats, Floats, Floats | None, Floats]]:
    def read(layer: Layer, window: Window) -> tuple[Floats, Floats, Floats | None, Floats]:
        mean, low, high = (own.reshape(window.height, window.width) for own in layer_values(readers, layer, window, ACCOUNTED))
        middle = readers.get(f"{layer[0]:g}-{layer[1]:g} cm q50")
        return mean, low, None if middle is None else middle(window), high

    return read


def _mapped(job: Job, grid: GeoBox) -> Callable[[Window], NDArray[np.bool_]]:
    """Whether a cell has a value in the maps of any period."""
    names = {f"{period}": MapKey("mean", job.layers[0], period).name for period in map_periods(job)}
    paths = {period: job.out / "maps" / f"{job.target.quantity}_{name}.tif" for period, name in names.items()}

    def mapped(window: Window) -> NDArray[np.bool_]:
        with open_maps(paths, grid, job.target.unit) as readers:
            return np.asarray(np.logical_or.reduce([np.isfinite(reader(window)) for reader in readers.values()]))

    return mapped


def _modelled(
    job: Job,
    told: Totals,
    grid: GeoBox,
    tables: account.Tables,
    fields: account.Fields,
    trend: tuple[Floats, Floats] | None,
    seed: int,
) -> Modelled:
    departures, share = trend if trend is not None else (None, 0.0)
    return account.modelled_totals(
        grid,
        tables,
        fields,
        realisations=told.realisations,
        seed=seed,
        interval=ACCOUNTED,
        trend=departures,
        trend_share=share,
        corrected=told.corrected,
    )


def _trends(
    job: Job, told: Totals, timed: TimedStack, lattice: Lattice, scores: pd.DataFrame, folder: Path
) -> dict[Period | None, tuple[Floats, Floats]]:
    """Departures of refitted forests by block and layer, and their share of the variance of an error, for each period."""
    kit = artefact.load_kit(job.out / "model" / job.recipe.model.name)
    points, kinds = points_of(job)
    paths, poor = grow_forests(job, kit.model, points, kinds, folder, told.forests, told.trees, "account.total")
    for zone, n in poor:
        job.say(f"note: totals: zone {zone}: too few rows in {n} of {len(paths)} samples; the forest of all answers", 0, 1)
    row, col, block = _cells(timed.grid, _mapped(job, timed.grid), lattice, job.recipe.seed)
    variance = _variance(job, scores)
    found = {}
    for period in map_periods(job):
        stack = timed.during(map_year(job, period), job.recipe.covariates.max_gap_years).select(kit.model.covariates)
        cells = np.column_stack([layer.read_cells(row, col) for layer in stack.layers]).astype(np.float64)
        whole = np.isfinite(cells).all(axis=1)
        predictions = np.empty((len(paths), lattice.blocks, len(job.layers)))
        for number, path in enumerate(paths):
            fitted = layer_means(load_means(path), cells[whole])[1]
            for i, own in enumerate(fitted):
                # A block none of whose cells has all covariates in this period takes the mean of the others: it departs as they do.
                count = np.bincount(block[whole], minlength=lattice.blocks)
                total = np.bincount(block[whole], weights=own, minlength=lattice.blocks)
                predictions[number, :, i] = np.where(count > 0, total / np.maximum(count, 1), own.mean())
        found[period] = account.trend_error(predictions, variance)
    return found


def _variance(job: Job, scores: pd.DataFrame) -> Floats:
    """Variance of a held-out error of each layer on the scale of the trees."""
    out = []
    for layer in job.layers:
        own = scores[(scores["top_cm"] == layer[0]) & (scores["bottom_cm"] == layer[1])]
        observed, fitted = (own[name].to_numpy(dtype=np.float64) for name in ("observed", "predicted_fit"))
        if job.target.log:
            error = np.log(np.maximum(observed, observed[observed > 0].min() / 2)) - fitted
        else:
            error = (observed - fitted) / job.target.factor(layer)
        out.append(float(np.var(error)))
    return np.array(out)


def _cells(
    grid: GeoBox, mapped: Callable[[Window], NDArray[np.bool_]], lattice: Lattice, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """A few mapped cells of each block, drawn at random: rows, columns, blocks."""
    kept: list[NDArray[np.float64]] = []
    for window in windows(grid, WINDOW):
        row, col = np.nonzero(mapped(window))
        if not len(row):
            continue
        row, col = row + window.row, col + window.col
        key = np.random.default_rng([seed, 31, window.row, window.col]).random(len(row))
        kept.append(_lowest(np.column_stack([lattice.block_of[lattice.part_of(row, col)], key, row, col])))
    best = _lowest(np.concatenate(kept))
    return best[:, 2].astype(np.int64), best[:, 3].astype(np.int64), best[:, 0].astype(np.int64)


def _lowest(rows: Floats) -> Floats:
    """Of each block (first column) the rows with the lowest keys (second column)."""
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    start = np.r_[0, np.flatnonzero(np.diff(rows[:, 0])) + 1]
    rank = np.arange(len(rows)) - np.repeat(start, np.diff(np.r_[start, len(rows)]))
    return np.asarray(rows[rank < CELLS_PER_BLOCK])


def period_name(period: Period | None) -> str:
    """A period as tables name it: empty for maps of one time."""
    return "" if period is None else f"{period[0]}-{period[1]}"


def _write(folder: Path, parts: list[tuple[Period | None, Modelled]], fresh: list[tuple[Period | None, Modelled]]) -> None:
    def together(made: list[tuple[Period | None, pd.DataFrame]]) -> pd.DataFrame:
        return pd.concat([table.assign(period=period_name(period)) for period, table in made], ignore_index=True)

    totals = together([(period, made.table) for period, made in parts])
    totals.insert(0, "period", totals.pop("period"))
    totals.to_csv(folder / "totals.csv", index=False, lineterminator="\n")
    together([(period, made.realisations) for period, made in parts]).to_parquet(folder / "total_realisations.parquet", index=False)
    if fresh:
        together([(period, made.realisations) for period, made in fresh]).to_parquet(
            folder / "total_realisations_other_errors.parquet", index=False
        )
