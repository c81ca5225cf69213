"""The stage of evidence: refit without each fold, predict it, calibrate across folds, score."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.model import artefact
from edaphic.model.fit import TrainingTable
from edaphic.stages.job import Job, points_of, sites_of, write_json
from edaphic.stages.learning import design_of, groups_of, plan_of, training
from edaphic.validate.calibration import cross_calibrate, fit_adjustments
from edaphic.validate.crossval import (
    Plan,
    calibration_table,
    permutation_importance,
    predict_rows,
    score_table,
)
from edaphic.validate.designs import BlockFolds


def stage_evidence(job: Job, work: Path, partial: Path) -> None:
    """Refit without each fold, predict it, calibrate across folds, score."""
    recipe = job.recipe.evidence
    model = artefact.load(job.out / "model" / job.recipe.model.name)
    points, kinds = points_of(job)
    table, kept, _ = training(job, points, kinds)
    plan = plan_of(job, points[kept], kinds, model.settings)
    sites = sites_of(job).set_index("profile_id")
    groups = groups_of(job, sites)
    predictions, importance = [], []
    steps, done = len(recipe.designs) * recipe.folds, 0
    for name in recipe.designs:
        design = design_of(job, name, recipe.folds, sites)
        rows = sites.loc[list(table.profile_id)]
        place = groups.loc[list(table.profile_id)].to_numpy()
        fold = design.fold_of(rows, place)
        drawn = design.blocks(rows, place) if isinstance(design, BlockFolds) else place
        for k in range(recipe.folds):
            job.say(f"evidence by {name}: fold {k + 1} of {recipe.folds}", done, steps)
            part, shuffled = _one_fold(job, plan, table, fold, k, name, partial)
            part["group"] = drawn[fold == k]
            predictions.append(part.assign(design=name, fold=k))
            importance.append(shuffled)
            done += 1
    folder = work / "evidence"
    folder.mkdir()
    own = predict_rows(model, plan, table, job.levels, table)
    own["group"] = groups.loc[list(table.profile_id)].to_numpy()
    _write_evidence(job, folder, predictions, own, sites)
    _mean_importance(job, pd.concat([part for part in importance if part is not None])).to_csv(
        folder / "importance.csv", index=False, lineterminator="\n"
    )


def _one_fold(
    job: Job, plan: Plan, table: TrainingTable, fold: NDArray[np.int64], k: int, design: str, partial: Path
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Predictions of one fold, and the importance of covariates in it (by profile only); kept so that an interrupted run goes on."""
    stored = partial / f"{design}_{k}.parquet"
    stored_importance = partial / f"{design}_{k}_importance.parquet"
    wants_importance = design == "profile"
    if not stored.exists():
        inside, outside = table.take(np.flatnonzero(fold != k)), table.take(np.flatnonzero(fold == k))
        model = plan.fit(inside)
        if wants_importance:
            shuffled = permutation_importance(model, plan, outside, job.recipe.seed + k)
            _store(shuffled, stored_importance)
        _store(predict_rows(model, plan, outside, job.levels, inside), stored)
    part = pd.read_parquet(stored)
    return part, pd.read_parquet(stored_importance) if wants_importance else None


def _store(table: pd.DataFrame, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    table.to_parquet(temporary, index=False)
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _write_evidence(
    job: Job, folder: Path, predictions: list[pd.DataFrame], own: pd.DataFrame, sites: pd.DataFrame
) -> None:
    recipe = job.recipe.evidence
    metrics, coverage, folds = [], [], []
    together = pd.concat(predictions, ignore_index=True)
    for name in recipe.designs:
        held = together[together["design"] == name].reset_index(drop=True)
        held = cross_calibrate(held, job.levels, log=job.target.log)
        folds.append(held)
        metrics.append(_scores(job, held, name))
        coverage.append(_first(calibration_table(held, job.whole, recipe.interval), "design", name))
        if name == recipe.calibrate:
            moves = fit_adjustments(held, job.levels, log=job.target.log)
            _first(moves, "design", name).to_csv(folder / "conformal.csv", index=False, lineterminator="\n")
    metrics.append(_scores(job, own, "in_sample"))
    pd.concat(metrics).to_csv(folder / "metrics.csv", index=False, lineterminator="\n")
    pd.concat(coverage).to_csv(folder / "calibration.csv", index=False, lineterminator="\n")
    out = pd.concat(folds, ignore_index=True)
    years = pd.read_parquet(job.out / "profiles" / "layers.parquet", columns=["profile_id", "year"])
    out["year"] = out["profile_id"].map(years.drop_duplicates("profile_id").set_index("profile_id")["year"])
    out["repeat"] = 0
    first = ["profile_id", "top_cm", "bottom_cm", "year", "design", "repeat", "fold", "observed", "predicted"]
    first += ["q05", "q50", "q95", "q05_raw", "q95_raw", "predicted_fit", "layer_mean", "layer_mean_fit"]
    out[first].to_parquet(folder / "out_of_fold.parquet", index=False)
    write_json(folder / "designs.json", _design_facts(job, sites, out))


def _scores(job: Job, table: pd.DataFrame, name: str) -> pd.DataFrame:
    scored = score_table(table, job.target, job.whole, job.recipe.evidence.bootstrap, job.recipe.seed)
    return _first(scored, "design", name)


def _first(table: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    table = table.copy()
    table.insert(0, column, value)
    return table


def _design_facts(job: Job, sites: pd.DataFrame, out: pd.DataFrame) -> dict[str, object]:
    used = sites.loc[list(pd.unique(out["profile_id"]))]
    facts: dict[str, object] = {
        "folds": job.recipe.evidence.folds,
        "places": int(groups_of(job, sites).loc[used.index].nunique()),
        "profiles": len(used),
        "calibrated_by": job.recipe.evidence.calibrate,
    }
    if "block" in job.recipe.evidence.designs:
        design = design_of(job, "block", job.recipe.evidence.folds, sites)
        assert isinstance(design, BlockFolds)
        facts["block_km"] = design.block_m / 1000.0
        facts["blocks"] = len(np.unique(design.blocks(used, np.arange(len(used)))))
    return facts


def _mean_importance(job: Job, parts: pd.DataFrame) -> pd.DataFrame:
    grouped = parts.groupby("feature", sort=False)["rmse_increase"]
    table = pd.DataFrame({"rmse_increase": grouped.mean(), "rmse_increase_sd": grouped.std(ddof=1)}).reset_index()
    trained = "kg/m3" if job.target.per_metre else job.target.unit
    table["unit"] = f"ln({trained})" if job.target.log else trained
    return table.sort_values("rmse_increase", ascending=False, kind="stable", ignore_index=True)
