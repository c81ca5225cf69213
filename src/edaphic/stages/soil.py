"""The stage of profiles: raw tables to clean horizons and to layers. The verb ``stock`` takes the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from edaphic import profiles
from edaphic.profiles import Column, DepthFunction, Errors, Tidying
from edaphic.profiles.depth.beta import beta_table, measured_layers
from edaphic.progress import Say
from edaphic.recipe import BETA_SHALLOW_CM, Profiles, ProfileSource, whole_layer
from edaphic.stages.depth_grids import PathOf, values_of
from edaphic.stages.job import Job, write_json


@dataclass(frozen=True)
class Stocks:
    """Tables on the way from raw horizons to layers, with the log of the whole way and its counts."""

    raw: pd.DataFrame
    horizons: pd.DataFrame
    layers: pd.DataFrame
    repairs: pd.DataFrame
    duplicates: pd.DataFrame
    summary: dict[str, Any]


def columns_of(source: ProfileSource) -> dict[str, Column]:
    """Columns of a recipe as the reader of tables takes them."""
    given = {
        role: Column(c.column, c.unit, c.value, c.to_carbon, c.basis, c.site_column, c.censored_at)
        for role, c in source.columns.given().items()
    }
    return given | {role: Column(ignore=True) for role in source.ignore}


def read_checked(source: ProfileSource, path_of: PathOf, *, places: bool | None = True) -> profiles.SourceRead:
    """One source of a recipe, read, and all that is wrong with it; ``places`` None: coordinates where it has them."""
    return profiles.read_checked(
        path_of(source.horizons),
        columns_of(source),
        sites=None if source.sites is None else path_of(source.sites),
        crs=source.crs,
        source=source.name,
        schema=source.vocabulary,
        covariates=source.covariates,
        places=places,
    )


def make_stocks(
    recipe: Profiles,
    sources: Sequence[tuple[pd.DataFrame, pd.DataFrame]],
    layers: Sequence[tuple[float, float]],
    *,
    path_of: PathOf,
    seed: int,
    say: Say,
    places: bool = True,
) -> Stocks:
    """Horizons of all sources to stocks of layers, as the section of profiles says.

    Parameters
    ----------
    recipe : Profiles
    sources : sequence of (horizons, repairs)
        As the reader gave them.
    layers : sequence of (top_cm, bottom_cm)
    path_of : callable
    seed : int
    say : callable
    places : bool
        Profiles without coordinates are faults; else they are kept.
    """
    say("cleaning", 0, 4)
    tidy = profiles.tidy(sources, _tidying(recipe), places=places)
    say("bulk density", 1, 4)
    filled, provenance, more = profiles.fill(
        tidy.horizons,
        chain=recipe.bulk_density,
        rule=recipe.pedotransfer,
        fragments_chain=recipe.coarse_fragments,
        missing_fragments_vol_pct=recipe.missing_fragments_vol_pct,
        grid=values_of(recipe.bulk_density_grid, "bulk_density", tidy.horizons, path_of),
        grid_basis="fine_earth" if recipe.bulk_density_grid is None else str(recipe.bulk_density_grid.basis),
        fragments_grid=values_of(recipe.coarse_fragments_grid, "coarse_fragments", tidy.horizons, path_of),
        rock_density_g_cm3=recipe.rock_density_g_cm3,
        engine=recipe.gap_filling,
        seed=seed,
    )
    say("depth functions and stocks", 2, 4)
    depth = recipe.depth
    table, last = profiles.layer_table(
        filled,
        layers,
        DepthFunction(depth.method, depth.mode, depth.order, depth.lam, depth.min_coverage, depth.max_gap_cm),
        stocks=recipe.stocks,
        errors=Errors(**recipe.errors.model_dump()),
    )
    log = profiles.concat_repairs([tidy.repairs, more, last])
    summary = profiles.summary(tidy.raw, filled, table, log, provenance)
    summary["duplicates"] = len(tidy.duplicates)
    summary["organic_matter_to_carbon"] = [
        source.columns.organic_matter.to_carbon for source in recipe.sources if source.columns.organic_matter
    ]
    return Stocks(tidy.raw, filled, table, log, tidy.duplicates, summary)


def _tidying(recipe: Profiles) -> Tidying:
    twice = recipe.duplicates
    return Tidying(
        **recipe.cleaning.model_dump(),
        merge=twice.merge,
        distance_m=twice.distance_m,
        years=twice.years,
        depth_cm=twice.depth_cm,
        share=twice.share,
        copies_within_source=twice.copies_within_source,
        soc_methods=recipe.soc_methods,
    )


def with_beta(made: Stocks, bottom_cm: float) -> pd.DataFrame:
    """The layer table with ``beta`` of each profile: by the ratio of its stocks above the bottom and above 20 cm."""
    pair = [(0.0, BETA_SHALLOW_CM), (BETA_SHALLOW_CM, bottom_cm)]
    parts, _ = profiles.layer_table(made.horizons, pair)
    fitted = beta_table(
        parts, shallow_cm=BETA_SHALLOW_CM, deep_cm=bottom_cm, n_layers=measured_layers(made.horizons, bottom_cm)
    )
    return made.layers.assign(beta=made.layers["profile_id"].map(fitted.set_index("profile_id")["beta"]))


def stage_profiles(job: Job, work: Path, partial: Path) -> None:
    """Raw tables to clean horizons and to layers."""
    del partial
    recipe = job.recipe.profiles
    tables = []
    for i, source in enumerate(recipe.sources):
        job.say(f"reading {Path(source.horizons).name}", i, len(recipe.sources))
        tables.append(read_checked(source, job.address).checked())
    whole = whole_layer(job.recipe)
    made = make_stocks(
        recipe, tables, (*job.layers, *([whole] if whole else [])), path_of=job.address, seed=job.recipe.seed, say=job.say
    )
    if job.recipe.model.target == "beta":
        made = replace(made, layers=with_beta(made, job.layers[0][1]))
        job.say(f"note: beta is fitted at {int(made.layers['beta'].notna().sum())} of {len(made.layers)} profiles", 0, 0)
    far = profiles.far_line(made.layers)
    if far:
        job.say(f"note: {far}", 0, 0)
    folder = work / "profiles"
    folder.mkdir()
    made.horizons.to_parquet(folder / "horizons.parquet", index=False)
    made.layers.to_parquet(folder / "layers.parquet", index=False)
    made.repairs.to_csv(folder / "repairs.csv", index=False, lineterminator="\n")
    made.duplicates.to_csv(folder / "duplicates.csv", index=False, lineterminator="\n")
    write_json(folder / "summary.json", made.summary)
