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


def _with_carried(
    job: Job, sites: pd.DataFrame, values: pd.DataFrame, reason: pd.Series
) -> tuple[pd.DataFrame, pd.Series, dict[str, int]]:
    """Values of covariates that the tables of profiles carry in the place of sampled ones; and of how many profiles."""
    wanted = {name for source in job.recipe.profiles.sources for name in source.covariates}
    names = [name for name in values if name in wanted]
    if not names:
        return values, reason, {}
    horizons = pd.read_parquet(job.out / "profiles" / "horizons.parquet", columns=["profile_id", *names])
    given = horizons.groupby("profile_id", sort=False)[names].first().reindex(sites["profile_id"])
    faults = [
        f"profiles: covariate {name}: found text in the table; expected numbers"
        for name in names
        if not pd.api.types.is_numeric_dtype(given[name])
    ]
    if faults:
        raise ModelError(faults)
    given = given.astype("float64").reset_index(drop=True)
    filled = values.assign(**{name: given[name].fillna(values[name].reset_index(drop=True)).to_numpy() for name in names})
    # With every value at hand a profile is of use wherever it lies.
    return filled, reason.where(filled.isna().any(axis=1).to_numpy(), ""), {name: int(given[name].notna().sum()) for name in names}


def stage_covariates(job: Job, work: Path, partial: Path) -> None:
    """Covariates described, and sampled at the profiles."""
    del partial
    sites = sites_of(job)
    job.say("opening rasters", 0, 2)
    stack = build_stack(job)
    job.say(f"sampling {len(stack.names)} covariates at {len(sites)} profiles", 1, 2)
    values, reason = stack.sample(sites["lon"].to_numpy(), sites["lat"].to_numpy())
    values, reason, carried = _with_carried(job, sites, values, reason)
    for name, count in carried.items():
        job.say(f"note: {name} of {count} profiles is that of their table", 1, 2)
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
