"""The stage of the model: screen, tune, fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from edaphic.errors import ModelError
from edaphic.model import artefact
from edaphic.model.features import design_matrix, make_encoder, screen_correlation
from edaphic.model.fit import TrainingTable, interval_name, training_table
from edaphic.model.forest import Settings
from edaphic.model.tuning import candidates, tune
from edaphic.stages.job import Job, points_of, provenance, sites_of
from edaphic.validate.crossval import (
    Plan,
)
from edaphic.validate.designs import BlockFolds, ProfileFolds, block_side_m, places


def stage_model(job: Job, work: Path, partial: Path) -> None:
    """Screen, tune, fit."""
    del partial
    recipe = job.recipe.model
    points, kinds = points_of(job)
    _need_layers(job)
    table, kept, selection = training(job, points, kinds)
    evidence = work / "evidence"
    evidence.mkdir()
    selection.to_csv(evidence / "selection.csv", index=False, lineterminator="\n")
    points = points[kept]

    wanted = candidates(recipe.tune.candidates, recipe.tune.trees, job.recipe.seed)
    wanted = list(dict.fromkeys(_with_fixed(setting, recipe.forest) for setting in wanted))
    sites = sites_of(job).set_index("profile_id")
    groups = groups_of(job, sites)
    # The whole depth repeats the layers: settings are chosen by the layers alone.
    single = table.take(np.flatnonzero(table.interval < len(job.layers)))
    rows = sites.loc[list(single.profile_id)]
    design = design_of(job, recipe.tune.design, recipe.tune.folds, sites)
    folds = list(design.split(rows, None, groups.loc[list(single.profile_id)].to_numpy()))
    encoder = make_encoder(points.loc[list(pd.unique(table.profile_id))], kinds, depth=True)
    features = design_matrix(encoder, points, list(single.profile_id), np.asarray(job.intervals)[single.interval])
    scored = []
    for i, setting in enumerate(wanted):
        job.say(f"tuning: setting {i + 1} of {len(wanted)}", i, len(wanted) + 1)
        scored.append(
            tune(features, single.values, [setting], folds, log=job.target.log, seed=job.recipe.seed, workers=job.workers)
        )
    tuning = pd.concat(scored, ignore_index=True)
    tuning["candidate"] = range(len(tuning))
    tuning["chosen"] = tuning.index == int(tuning["score"].to_numpy().argmin())
    tuning.to_csv(evidence / "tuning.csv", index=False, lineterminator="\n")
    best = wanted[int(tuning.index[tuning["chosen"]][0])]
    settings = Settings(recipe.forest.trees, best.max_features, best.min_samples_leaf)

    job.say(f"growing {settings.trees} trees", len(wanted), len(wanted) + 1)
    model = plan_of(job, points, kinds, settings).fit(table)
    folder = work / "model" / recipe.name
    folder.mkdir(parents=True)
    artefact.save(model, folder, provenance(job) | {"profiles": len(pd.unique(table.profile_id))})


def training(job: Job, points: pd.DataFrame, kinds: Mapping[str, str]) -> tuple[TrainingTable, list[str], pd.DataFrame]:
    layers = pd.read_parquet(job.out / "profiles" / "layers.parquet")
    table = training_table(layers, list(points.index), job.intervals, job.target)
    used = points.loc[list(pd.unique(table.profile_id))]
    selection = screen_correlation(used, kinds, job.recipe.model.screen.correlation)
    return table, selection.loc[selection["kept"], "feature"].tolist(), selection


def _need_layers(job: Job) -> None:
    """Say why there is nothing to learn from, where no profile has a layer."""
    layers = pd.read_parquet(job.out / "profiles" / "layers.parquet")
    if layers[job.target.column].notna().any():
        return
    deepest = pd.read_parquet(job.out / "profiles" / "horizons.parquet", columns=["bottom_cm"])["bottom_cm"].max()
    names = ", ".join(interval_name(layer) for layer in job.layers)
    raise ModelError(
        f"layers: no profile is observed over all of {names} cm (the deepest reaches {deepest:g} cm); expected shallower layers, or a "
        f"smaller depth.min_coverage than {job.recipe.profiles.depth.min_coverage:g}"
    )


def plan_of(job: Job, points: pd.DataFrame, kinds: Mapping[str, str], settings: Settings) -> Plan:
    return Plan(
        points=points,
        kinds=kinds,
        name=job.recipe.model.name,
        target=job.target,
        form=job.recipe.model.form,
        layers=job.layers,
        whole=job.whole,
        settings=settings,
        seed=job.recipe.seed,
        workers=job.workers,
    )


def groups_of(job: Job, sites: pd.DataFrame) -> pd.Series:
    """Place of each profile, by profile."""
    near = places(sites["lon"], sites["lat"], job.recipe.evidence.same_place_m)
    return pd.Series(near, index=sites.index)


def design_of(job: Job, name: str, folds: int, sites: pd.DataFrame) -> ProfileFolds | BlockFolds:
    if name == "profile":
        return ProfileFolds(folds, job.recipe.seed)
    side = job.recipe.evidence.block_km
    return BlockFolds(folds, job.recipe.seed, block_side_m(sites, folds) if side is None else side * 1000.0)


def _with_fixed(setting: Settings, fixed: object) -> Settings:
    """A candidate with what the recipe fixes."""
    share, leaf = fixed.max_features, fixed.min_samples_leaf  # type: ignore[attr-defined]
    return Settings(
        setting.trees,
        setting.max_features if share is None else share,
        setting.min_samples_leaf if leaf is None else leaf,
    )
