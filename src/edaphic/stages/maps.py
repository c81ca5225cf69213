"""The stage of maps: predict tile by tile, then write one file for each layer and statistic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from edaphic import covariates
from edaphic.errors import ModelError
from edaphic.mapping.plan import Ledger
from edaphic.mapping.predict import predict_tile
from edaphic.mapping.write import BandWriter, MapInfo, publish, write_catalog
from edaphic.model import artefact
from edaphic.model.fit import interval_name
from edaphic.recipe import GridRegion
from edaphic.stages.applying import load_applicability
from edaphic.stages.covering import build_stack, map_year, notes_of_year
from edaphic.stages.job import PARTS, Job, write_json

STAT_KEYS: Mapping[str, str] = {"mean": "mean", "q05": "low", "q50": "mid", "q95": "high", "spread": "spread"}


STAT_TITLES: Mapping[str, str] = {
    "mean": "mean",
    "q05": "calibrated 5 % quantile",
    "q50": "median",
    "q95": "calibrated 95 % quantile",
    "spread": "spread of the trees (not an error of the map)",
    "applicability": "area of applicability (1 inside, 0 outside)",
    "dissimilarity": "dissimilarity index to the profiles",
    "point_density": "profiles that are near in the space of covariates",
}

OF_COVARIATES = ("applicability", "dissimilarity", "point_density")
"""Statistics of the covariates alone: one map for all depths, with no unit."""


WHAT: Mapping[str, str] = {
    "soc_stock": "Soil organic carbon stock",
    "soc": "Soil organic carbon content",
    "beta": "Beta of the depth function",
}


def stage_maps(job: Job, work: Path, partial: Path) -> None:
    """Predict tile by tile, then write one file for each layer and statistic."""
    model = artefact.load(job.out / "model" / job.recipe.model.name)
    adjustments = pd.read_csv(job.out / "evidence" / "conformal.csv")
    timed = build_stack(job)
    stack = timed.during(map_year(job), job.recipe.covariates.max_gap_years)
    for note in notes_of_year(job, timed):
        job.say(f"note: {note}", 0, 1)
    regions = job.recipe.grid.region if isinstance(job.recipe.grid, GridRegion) else None
    wanted = [stat for stat in job.recipe.maps.stats if stat in OF_COVARIATES]
    where = load_applicability(job.out / "evidence") if wanted else None
    masks = [(name, tuple(codes)) for name, codes in sorted(job.recipe.maps.mask.items())]
    ledger = Ledger(partial, stack.grid, job.recipe.maps.window)
    missing, total = ledger.missing(), len(ledger.tiles)
    for i, tile in enumerate(missing):
        job.say(f"predicting tile {total - len(missing) + i + 1} of {total}", total - len(missing) + i, total)
        inside = covariates.region_mask(stack.grid, tile, job.path(regions)) if regions else None
        arrays = predict_tile(
            model, stack, tile, adjustments, job.levels, masks=masks, region=inside, applicability=where, workers=job.workers
        )
        ledger.store(tile, arrays)
    counts = np.sum([values for _, values in ledger.read("counts")], axis=0)
    if counts[1] == counts[2]:
        raise ModelError(
            f"maps: of {counts[0]} cells, {counts[1]} have a value of every covariate and the mask removes {counts[2]} of them; "
            "expected cells that are left (covariates/layers.csv tells which rasters cover what)"
        )
    folder = work / "maps"
    folder.mkdir()
    finals = []
    asked = [
        (interval, stat, f"{STAT_KEYS[stat]}_{i}")
        for i, interval in enumerate(model.intervals)
        for stat in job.recipe.maps.stats
        if stat not in OF_COVARIATES
    ]
    asked += [((model.layers[0][0], model.layers[-1][1]), stat, stat) for stat in wanted]
    for number, (interval, stat, key) in enumerate(asked):
        job.say("writing maps", number, len(asked))
        info = map_info(job, interval, stat)
        temporary = partial / f"{info.name}.tmp.tif"
        temporary.unlink(missing_ok=True)  # a run that was killed may have left half of one
        with BandWriter(temporary, stack.grid) as writer:
            for tile, values in ledger.read(key):
                writer.write(tile, values)
        final = folder / f"{info.name}.tif"
        publish(temporary, final, info, stack.grid)
        finals.append(final)
    write_catalog(folder, finals, name="maps", title=job.recipe.name)
    names = ("cells", "with_all_covariates", "masked", "with_class_unseen_in_training", "whole_limits_widened", "inside_applicability")
    summary: dict[str, int | None] = dict(zip(names, (int(c) for c in counts), strict=True))
    # Without its maps nobody looked: that is not none.
    write_json(folder / "summary.json", summary if wanted else summary | {"inside_applicability": None})


def map_info(job: Job, interval: tuple[float, float], stat: str) -> MapInfo:
    name = f"{job.target.quantity}_{stat}_{interval_name(interval)}cm"
    what = WHAT[job.target.quantity]
    unit = "1" if stat in OF_COVARIATES else job.target.unit
    return MapInfo(
        name=name,
        title=f"{what}, {interval_name(interval)} cm, {STAT_TITLES[stat]}",
        unit=unit,
        description=f"{job.recipe.name}: {what.lower()}, {interval_name(interval)} cm, {STAT_TITLES[stat]}, {unit}",
        tags={
            "EDAPHIC_VERSION": job.version,
            "EDAPHIC_RECIPE_SHA256": job.hash_of(PARTS["maps"]),
            "EDAPHIC_SEED": str(job.recipe.seed),
            "EDAPHIC_STATISTIC": stat,
            "EDAPHIC_LAYER_CM": interval_name(interval),
            "EDAPHIC_MODEL": job.recipe.model.name,
        },
        period=_period(job),
        colours="uncertainty" if stat in ("spread", *OF_COVARIATES) else "sequential",
    )


def _period(job: Job) -> tuple[int, int] | None:
    """Years that the maps stand for: those of the recipe, else those of the dated profiles."""
    if job.recipe.maps.period:
        return job.recipe.maps.period
    years = pd.read_parquet(job.out / "profiles" / "layers.parquet", columns=["year"])["year"].dropna()
    return (int(years.min()), int(years.max())) if len(years) else None
