"""The stage of covariates: described, and sampled at the profiles."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from edaphic import covariates
from edaphic.covariates import Stack
from edaphic.errors import ModelError
from edaphic.stages.job import Job, grid_of, seen_from, sites_of, sources_of


def build_stack(job: Job) -> Stack:
    """All covariates of the recipe on its grid."""
    return covariates.build(sources_of(job.recipe, job.recipe_path), grid_of(job.recipe, job.recipe_path))


def stage_covariates(job: Job, work: Path, partial: Path) -> None:
    """Covariates described, and sampled at the profiles."""
    del partial
    sites = sites_of(job)
    job.say("opening rasters", 0, 2)
    stack = build_stack(job)
    job.say(f"sampling {len(stack.names)} covariates at {len(sites)} profiles", 1, 2)
    values, reason = stack.sample(sites["lon"].to_numpy(), sites["lat"].to_numpy())
    if (reason != "").all():
        most = reason.value_counts().index[0]
        raise ModelError(
            f"covariates: none of {len(sites)} profiles has a value of every covariate (most often: {most}); "
            "expected profiles that lie on the grid and on its rasters"
        )
    points = pd.concat([sites[["profile_id"]], reason.rename("reason"), values], axis=1)
    folder = work / "covariates"
    folder.mkdir()
    points.to_parquet(folder / "points.parquet", index=False)
    described = covariates.describe(stack)
    root = job.path(".")
    # Seen from the root of the recipe: the same data in another place make the same file.
    described["path"] = [seen_from(root, Path(path)) for path in described["path"]]
    described.to_csv(folder / "layers.csv", index=False, lineterminator="\n")
