"""Other profiles, never trained on, and other products: scored at the same points, on the same layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product as product_of
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic import covariates
from edaphic.covariates import Source
from edaphic.errors import ModelError
from edaphic.mapping.predict import applicability_features
from edaphic.model.fit import TrainingTable, interval_name, valued_rows
from edaphic.model.zones import AnyModel, zone_codes
from edaphic.recipe import GridRegion, Independent, Product
from edaphic.stages.applying import Where
from edaphic.stages.covering import build_stack, map_year
from edaphic.stages.job import Job, grid_of
from edaphic.stages.soil import make_stocks, read_checked, with_beta
from edaphic.units import in_map_unit
from edaphic.validate.applicability import dissimilarity, is_inside
from edaphic.validate.calibration import adjust, moves_for
from edaphic.validate.coverage import coverage_groups, coverage_table
from edaphic.validate.crossval import predict_rows, score_table
from edaphic.validate.designs import places
from edaphic.validate.independent import independent, score_at_points
from edaphic.validate.probability import SimpleRandom, StratifiedRandom, map_quality

OURS = "this map"

UNIT_SLIP = 5.0
"""Factor between a product and what was observed from which its unit is doubted: units differ by 10 and more."""

FEWEST_SITES = 3
"""Fewest sites of a layer that an estimate rests on."""


@dataclass(frozen=True)
class Scored:
    """What was found: ``probability`` is the name of the set whose sites were drawn at random, None without one."""

    probability: str | None
    notes: tuple[str, ...]


def score_independent(
    job: Job, model: AnyModel, trained: TrainingTable, where: Where, moves: pd.DataFrame, held: pd.DataFrame, folder: Path
) -> Scored:
    """Score the finished model at each set of other profiles, and other products there and at the held-out profiles.

    Writes ``independent.csv`` (scores), ``independent.parquet`` (predictions), ``overlap.csv``, ``by_design.csv`` (estimates that rest on
    the draw of the sites) and ``products.csv``, those that there is something for.
    """
    told = job.recipe.evidence
    metrics, coverage, tables, overlaps, drawn, notes = [], [], [], [], [], []
    probability = None
    for entry in told.independent:
        table, overlap, said = _predicted(job, model, trained, where, moves, entry)
        notes += [f"{entry.name}: {note}" for note in said]
        overlaps.append(overlap.assign(set=entry.name))
        if table.empty:
            continue
        scored = score_table(table, job.target, job.whole, told.bootstrap, job.recipe.seed)
        metrics.append(scored.assign(set=entry.name))
        coverage.append(coverage_table(table, coverage_groups(table.drop(columns="zone"), job.whole), told.interval).assign(set=entry.name))
        tables.append(table.assign(set=entry.name))
        if entry.drawn is not None:
            found, said = _by_design(job, entry, table)
            notes += [f"{entry.name}: {note}" for note in said]
            if len(found):
                probability = probability or entry.name
                drawn.append(found)
    products, said = _products(job, held, tables)
    notes += said
    for name, parts in {
        "independent": metrics, "independent_coverage": coverage, "overlap": overlaps, "by_design": drawn, "products": products
    }.items():  # fmt: skip
        if parts:
            pd.concat(parts, ignore_index=True).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    if tables:
        kept = pd.concat(tables, ignore_index=True)
        kept = kept[[name for name in kept.columns if not str(name).startswith("raw_")]]
        kept.to_parquet(folder / "independent.parquet", index=False)
    for note in notes:
        job.say(f"note: {note}", 0, 0)
    return Scored(probability, tuple(notes))


def _predicted(
    job: Job, model: AnyModel, trained: TrainingTable, where: Where, moves: pd.DataFrame, entry: Independent
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Predictions at the profiles of one set that training has not, with limits as the maps carry them."""
    recipe = job.recipe.profiles.model_copy(update={"sources": entry.sources})
    read = [read_checked(source, job.address).checked() for source in entry.sources]
    made = make_stocks(recipe, read, job.intervals, path_of=job.address, seed=job.recipe.seed, say=lambda *_: None)
    if job.target.quantity == "beta":
        made = replace(made, layers=with_beta(made, job.layers[0][1]))
    layers = made.layers.rename(columns={job.target.column: "value"})
    ours = pd.read_parquet(job.out / "profiles" / "layers.parquet").rename(columns={job.target.column: "value"})
    columns = ["profile_id", "lon", "lat", "year", "top_cm", "bottom_cm", "value"]
    new, overlap, notes = independent(
        ours[columns], layers[columns], within_m=job.recipe.evidence.same_place_m, value="value"
    )
    left = made.layers[new]
    sites = left.drop_duplicates("profile_id", ignore_index=True)
    if sites.empty:
        return pd.DataFrame(), overlap, notes
    asked = job.recipe.covariates
    year = sites["year"].astype("float64")
    if asked.undated_year is not None:
        year = year.fillna(asked.undated_year)
    values, reason, _ = build_stack(job).sample(sites["lon"].to_numpy(), sites["lat"].to_numpy(), year.to_numpy(), asked.max_gap_years)
    good = (reason == "").to_numpy()
    if not good.all():
        most = reason[~good].value_counts().index[0]
        notes.append(f"{int((~good).sum())} of {len(good)} profiles have no value of every covariate (most often: {most}); left out")
    points = values.set_axis(sites["profile_id"])[good]
    rows = valued_rows(left, list(points.index), job.intervals, job.target)
    if not len(rows.values):
        return pd.DataFrame(), overlap, [*notes, "no profile with a layer value and all covariates is left"]
    table = predict_rows(model, rows, points, job.levels, trained, job.workers)
    known = sites.set_index("profile_id").loc[list(rows.profile_id)]
    cells = points.loc[list(rows.profile_id), list(model.covariates)].to_numpy(dtype=np.float64)
    zones = zone_codes(model, cells)
    di = dissimilarity(where.found, applicability_features(model, cells), job.workers)
    table = table.assign(
        lon=known["lon"].to_numpy(),
        lat=known["lat"].to_numpy(),
        year=known["year"].to_numpy(),
        zone=0 if zones is None else zones,
        group=places(known["lon"], known["lat"], job.recipe.evidence.same_place_m),
        dissimilarity=di,
        in_applicability=is_inside(where.found, di),
        sites_of_set=made.layers["profile_id"].nunique(),
    )
    if entry.strata is not None:
        if entry.strata not in points:
            raise ModelError(
                f"evidence.independent: {entry.name}: strata {entry.strata!r} is no covariate; expected a covariate of kind class"
            )
        table["stratum"] = points.loc[list(rows.profile_id), entry.strata].to_numpy()
    low, high = np.full(len(table), np.nan), np.full(len(table), np.nan)
    for i, interval in enumerate(model.intervals):
        here = rows.interval == i
        if here.any():
            part = table[here]
            low[here], high[here] = adjust(
                part["q05_raw"].to_numpy(),
                part["q50"].to_numpy(),
                part["q95_raw"].to_numpy(),
                *moves_for(moves, interval, None if zones is None else zones[here]),
                log=job.target.log,
            )
    return table.assign(q05=low, q95=high), overlap, notes


def _by_design(job: Job, entry: Independent, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Accuracy of the map over its area as the draw of the sites tells it, by layer; and why a layer has no such estimate."""
    area: Mapping[object, float] = _stratum_areas(job, str(entry.strata)) if entry.drawn == "stratified" else {}
    parts, notes = list[pd.DataFrame](), list[str]()
    for layer in sorted(set(zip(table["top_cm"], table["bottom_cm"], strict=True))):
        part = table[(table["top_cm"] == layer[0]) & (table["bottom_cm"] == layer[1])]
        where = f"{interval_name(layer)} cm: no estimate by the design of the sample"
        if len(part) < FEWEST_SITES:
            notes.append(f"{where}: {len(part)} sites; expected at least {FEWEST_SITES}")
            continue
        design: SimpleRandom | StratifiedRandom
        try:
            design = StratifiedRandom(part["stratum"].to_numpy(), area) if entry.drawn == "stratified" else SimpleRandom(len(part))
        except ModelError as fault:
            notes += [f"{where}: {line}" for line in fault.faults]
            continue
        drawn = int(part["sites_of_set"].iloc[0])
        if len(part) < drawn:
            notes.append(
                f"{interval_name(layer)} cm: {len(part)} of {drawn} sites drawn at random are left (the others overlap with training, have "
                "no value of the layer or of a covariate); the estimate takes them for a random sample too"
            )
        found = map_quality(part["observed"], part["predicted"], design).reset_index()
        found = found.assign(set=entry.name, top_cm=layer[0], bottom_cm=layer[1], unit=job.target.unit)
        parts.append(found.assign(sites=len(part), sites_drawn=drawn))
    return (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()), notes


def _stratum_areas(job: Job, name: str) -> dict[object, float]:
    """Area (m2) of each class of a covariate on the map."""
    stack = build_stack(job).during(map_year(job), job.recipe.covariates.max_gap_years)
    region = job.path(job.recipe.grid.region) if isinstance(job.recipe.grid, GridRegion) else None
    masks = sorted(job.recipe.maps.mask.items())
    read = stack.select([name, *(other for other, _ in masks if other != name)])
    area: dict[object, float] = {}
    for window in covariates.windows(stack.grid):
        values = dict(zip(read.names, read.read(window), strict=True))
        here = np.isfinite(values[name])
        for other, codes in masks:
            here &= ~np.isin(values[other], codes)
        if region is not None:
            here &= covariates.region_mask(stack.grid, window, region)
        cell = np.broadcast_to(covariates.cell_area_m2(stack.grid, window), here.shape)
        for code in np.unique(values[name][here]):
            area[float(code)] = area.get(float(code), 0.0) + float(cell[here & (values[name] == code)].sum())
    return area


def _products(job: Job, held: pd.DataFrame, tables: Sequence[pd.DataFrame]) -> tuple[list[pd.DataFrame], list[str]]:
    """Other products at the held-out profiles and at the independent ones; and which could not be scored."""
    told = job.recipe.evidence
    out, notes = list[pd.DataFrame](), list[str]()
    sets = [("held out", held), *((str(part["set"].iloc[0]), part) for part in tables)]
    for (name, table), layer in product_of(sets, sorted({product.layer for product in told.products})):
        rows = table[(table["top_cm"] == layer[0]) & (table["bottom_cm"] == layer[1])].reset_index(drop=True)
        said: dict[str, NDArray[np.float64]] = {OURS: rows["predicted"].to_numpy()}
        for product in told.products:
            if product.layer != layer:
                continue
            values = _product_at(job, product, rows)
            if np.isfinite(values).any():
                said[product.name] = values
                notes += [f"{name}: {note}" for note in _slip(product, values, rows["observed"].to_numpy(dtype=np.float64))]
            else:
                notes.append(f"{name}: {product.name} has no value at any profile with {interval_name(product.layer)} cm; not scored there")
        if len(said) == 1:
            continue
        found = score_at_points(rows, said, within_m=told.same_place_m, draws=told.bootstrap, seed=job.recipe.seed)
        notes += [f"{name}: {note}" for note in found.notes]
        apart = found.differences.rename(columns={"product": "of", "against": "product"})
        apart = apart[["top_cm", "bottom_cm", "product", "score", "difference", "low", "high"]].rename(
            columns={"difference": "ours_minus_it", "low": "ours_minus_it_low", "high": "ours_minus_it_high"}
        )
        merged = found.scores.merge(apart.assign(rows="common"), on=["rows", "top_cm", "bottom_cm", "product", "score"], how="left")
        out.append(merged.assign(set=name, unit=job.target.unit))
    return out, notes


def _slip(product: Product, values: NDArray[np.float64], observed: NDArray[np.float64]) -> list[str]:
    """Whether values are so far from what was observed that another unit is likely."""
    both = np.isfinite(values) & np.isfinite(observed)
    if not both.any() or not np.median(observed[both]) > 0 or not np.median(values[both]) > 0:
        return []
    factor = float(np.median(values[both]) / np.median(observed[both]))
    if 1 / UNIT_SLIP < factor < UNIT_SLIP:
        return []
    return [
        f"{product.name}: its values are {factor:.3g} times the observed ones (medians), which is more than maps differ; is its unit "
        f"{product.unit}?"
    ]


def _product_at(job: Job, product: Product, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Values of another map at rows of its layer, in the unit of ours; NaN where it has none."""
    if rows.empty:
        return np.empty(0)
    stack = covariates.build([Source(product.name, job.path(product.path))], grid_of(job.recipe, job.recipe_path))
    found, _ = stack.sample(rows["lon"].to_numpy(), rows["lat"].to_numpy())
    return np.asarray(in_map_unit(found.iloc[:, 0].to_numpy(), product.unit, product.layer, job.target.unit))
