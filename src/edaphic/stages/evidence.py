"""The stage of evidence: hold profiles back in several ways, calibrate across folds, score, and say which score is the map's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.model import artefact
from edaphic.model.fit import TrainingTable
from edaphic.model.zones import AnyModel, ZonedModel, base_of
from edaphic.stages.applying import applicability_of, inside_by_design, profile_splits, share_inside
from edaphic.stages.card import write_card
from edaphic.stages.folding import Folding, cells_of_run, folding_of, learner_of, training
from edaphic.stages.holding import Held, Holding, store_table
from edaphic.stages.independent import score_independent
from edaphic.stages.job import Job, points_of, write_json
from edaphic.stages.kit import write_kit
from edaphic.validate.anisotropy import variogram_of
from edaphic.validate.calibration import (
    adjustment_notes,
    cross_calibrate,
    cross_calibrate_levels,
    fit_adjustments,
    fit_level_adjustments,
)
from edaphic.validate.coverage import coverage_groups, coverage_table
from edaphic.validate.crossval import LEVELS, by_layer, is_whole, level_name, predict_rows, score_groups, score_table
from edaphic.validate.designs import BlockFolds, KnndmFolds, block_side_m, headline
from edaphic.validate.metrics import paired_bootstrap, scores
from edaphic.validate.reliability import curve_table, g_statistic
from edaphic.validate.variogram import Variogram, block_side_from

RAW = [level_name(level) for level in LEVELS]


def stage_evidence(job: Job, work: Path, partial: Path) -> None:
    """Hold profiles back in several ways, calibrate across folds, score."""
    told = job.recipe.evidence
    model = artefact.load(job.out / "model" / job.recipe.model.name)
    points, kinds = points_of(job)
    table = training(job, points)
    cells = cells_of_run(job.out)
    folder = work / "evidence"
    folder.mkdir()
    names = list(told.all_designs)
    done = _Counter(job, len(names) * told.folds + 2 * told.folds + 2)
    holding = Holding(job, learner_of(job, kinds), table, points, folding_of(job, points, cells), partial, done.say)

    holding.folding.check(names, table)
    held = {"profile": holding.design("profile")}
    variograms = _residual_structure(job, held["profile"].table, folder)
    side, why = _block_side(job, holding.folding, table, variograms)
    holding = replace(holding, folding=holding.folding.with_blocks(side))
    for name in names[1:]:
        held[name] = holding.design(name)
    first, reason = headline(names, probability=False)

    importance = _mean_importance(job, held["profile"].importance, model.covariates)
    importance.to_csv(folder / "importance.csv", index=False, lineterminator="\n")
    done.say("area of applicability")
    where = applicability_of(job, model, points, table, importance, holding.folding, first, folder)
    held = {
        name: replace(
            one, table=_calibrated(job, inside_by_design(one.table, where, profile_splits(table, holding.folding, name), job.workers))
        )
        for name, one in held.items()
    }
    _write_scores(job, model, table, points, held, folder)
    moves = _write_moves(job, held[told.calibrate].table, folder)
    _write_comparisons(job, holding, model, held[first].table, first, folder)
    done.say("independent profiles")
    independent = score_independent(job, model, table, where, moves, held[first].table, folder)
    if independent.probability is not None:
        first, reason = headline(names, probability=True)
    facts = _facts(job, holding.folding, table, held, side, why, folder) | {"headline": first, "headline_reason": reason}
    facts["probability_set"] = independent.probability
    facts |= {"applicability": share_inside(where, model, cells), "independent": list(independent.notes)}
    write_json(folder / "designs.json", facts)
    write_card(job, folder, facts)
    write_kit(job, work, where)
    for note in dict.fromkeys(note for one in held.values() for note in one.notes):
        job.say(f"note: {note}", 0, 0)


class _Counter:
    """Steps of the stage, told as they begin."""

    def __init__(self, job: Job, steps: int) -> None:
        self.job, self.steps, self.done = job, steps, 0

    def say(self, text: str) -> None:
        self.job.say(text, min(self.done, self.steps - 1), self.steps)
        self.done += 1


def _residual_structure(job: Job, table: pd.DataFrame, folder: Path) -> dict[str, Variogram]:
    """Variogram of out-of-fold errors of each layer, with its anisotropy where there is one; returned without directions, layers only."""
    rows, fitted, plain = [], {}, dict[str, Variogram]()
    scale = "log" if job.target.log else "natural"
    for name, part in by_layer(table, job.whole)[1:]:
        observed = np.log(part["observed"]) if job.target.log else part["observed"]
        if len(part) < 30:
            continue
        error = observed - part["predicted_fit"]
        sd = part["error_sd"] / (part["observed"] if job.target.log else 1.0)
        chosen, without, lags = variogram_of(part["lon"], part["lat"], error, part["group"], seed=job.recipe.seed)
        rows.append(lags.assign(layer=name))
        if not name.startswith("whole"):
            plain[name] = without
        # What error of measurement the nugget may hold: totals take it out, for it is not in the soil.
        known = f"mean variance of the errors of the values: {float(np.mean(sd**2)):.4g}"
        fitted[name] = replace(chosen, notes=(*chosen.notes, known))
    if not rows:
        return {}
    pd.concat(rows, ignore_index=True).to_csv(folder / "variogram.csv", index=False, lineterminator="\n")
    write_json(folder / "variogram.json", {"scale": scale, "layers": {name: v.to_dict() for name, v in fitted.items()}})
    return plain


def _block_side(job: Job, folding: Folding, table: TrainingTable, variograms: Mapping[str, Variogram]) -> tuple[float, str]:
    """Side of blocks: the recipe's; else the longest range of a layer's residuals, cut where blocks would be few; else ten to a fold."""
    told = job.recipe.evidence
    if told.block_km is not None:
        return told.block_km * 1000.0, f"blocks: side {told.block_km:g} km, as the recipe says"
    rows, _ = folding.rows(table)
    fallback = block_side_m(rows, told.folds)
    if not variograms:
        return fallback, f"blocks: side {fallback:.6g} m, about ten blocks to a fold; too few profiles for a variogram"
    sides = {name: block_side_from(variogram, 0.0)[0] for name, variogram in variograms.items()}
    longest = max(sides, key=lambda name: sides[name])
    side, why = block_side_from(variograms[longest], fallback)
    known = ", ".join(f"{name} {length / 1000:.3g} km" for name, length in sides.items() if length > 0)
    why += f" in {longest}, the longest of the layers ({known})" if sides[longest] > 0 else ""
    cut = block_side_m(rows, told.folds, side)
    if cut < side:
        return cut, f"{why}; cut to {cut:.6g} m, so that two blocks fall into each fold"
    return side, why


def _calibrated(job: Job, table: pd.DataFrame) -> pd.DataFrame:
    """Limits adjusted on the other folds, and all quantiles likewise for the curves."""
    zoned = _known(job, table)
    enough = job.recipe.evidence.group_profiles
    out = cross_calibrate(zoned, job.levels, log=job.target.log, zone_profiles=enough)
    curves = cross_calibrate_levels(zoned, table[RAW], LEVELS, log=job.target.log, zone_profiles=enough)
    adjusted = pd.DataFrame(curves, columns=[name.replace("raw_", "adjusted_") for name in RAW], index=out.index)
    return pd.concat([out.assign(zone=table["zone"]), adjusted], axis=1)


def _write_scores(
    job: Job, model: AnyModel, table: TrainingTable, points: pd.DataFrame, held: Mapping[str, Held], folder: Path
) -> None:
    """Tables of scores, of coverage and of curves; and the held-out predictions."""
    own = predict_rows(model, table, points, job.levels, table, job.workers, quantiles=False)
    own["group"] = own["profile_id"]
    draws, seed = job.recipe.evidence.bootstrap, job.recipe.seed
    nominal = job.recipe.evidence.interval
    metrics, groups, coverage, curves = [], [], [], []
    for name, one in held.items():
        metrics.append(_first(score_table(one.table, job.target, job.whole, draws, seed), "design", name))
        named = coverage_groups(_known(job, one.table), job.whole) + _by_class(job, one.table, points)
        coverage.append(_first(coverage_table(one.table, named, nominal), "design", name))
        broken = [(group, rows) for group, rows in named if not group.startswith(("decile", "all layers")) and not group.endswith(" cm")]
        groups.append(_first(score_groups(one.table, broken, job.target, draws, seed), "design", name))
        curves.append(_first(_curves(job, one.table), "design", name))
    metrics.append(_first(score_table(own, job.target, job.whole, draws, seed), "design", "in_sample"))
    for file, parts in {"metrics": metrics, "metrics_by_group": groups, "calibration": coverage, "curves": curves}.items():
        pd.concat(parts, ignore_index=True).to_csv(folder / f"{file}.csv", index=False, lineterminator="\n")
    pd.concat([one.choices for one in held.values()]).to_csv(folder / "choices.csv", index=False, lineterminator="\n")
    out = pd.concat([one.table for one in held.values()], ignore_index=True)
    first = ["profile_id", "top_cm", "bottom_cm", "year", "design", "repeat", "fold", "observed", "predicted", "q05", "q50", "q95"]
    more = ["in_applicability", "zone", "lon", "lat", "group", "error_sd", "spread", "q05_raw", "q95_raw", "predicted_fit"]
    more += [name for name in ("layer_mean", "layer_mean_fit", "predicted_one_model") if name in out]
    store_table(out[[*first, *more]], folder / "out_of_fold.parquet")


def _known(job: Job, table: pd.DataFrame) -> pd.DataFrame:
    """Held-out rows with their zone only where the model has zones."""
    return table if job.recipe.model.zones is not None else table.drop(columns="zone")


def _by_class(job: Job, table: pd.DataFrame, points: pd.DataFrame) -> list[tuple[str, NDArray[np.bool_]]]:
    """Rows of each class of the covariates in ``evidence.by``."""
    single = ~is_whole(table, job.whole)
    out = []
    for name in job.recipe.evidence.by:
        codes = points.loc[list(table["profile_id"]), name].to_numpy()
        out += [(f"{name} {code:g}", single & (codes == code)) for code in np.unique(codes)]
    return out


def _curves(job: Job, table: pd.DataFrame) -> pd.DataFrame:
    """Coverage curves before and after adjustment, over all layers and in each."""
    parts = []
    for name, part in by_layer(table, job.whole):
        for stage in ("raw", "adjusted"):
            quantiles = part[[column.replace("raw_", f"{stage}_") for column in RAW]]
            curve = curve_table(part["observed"], quantiles, LEVELS, groups=part["group"])
            curve["g_statistic"] = g_statistic(curve["level"], curve["picp"])
            parts.append(curve.assign(layer=name, quantiles=stage))
    return pd.concat(parts, ignore_index=True)


def _write_moves(job: Job, table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Adjustments of the limits, which are returned, and of each level, for other quantiles of the maps and for thresholds."""
    moves = fit_adjustments(
        _known(job, table), job.levels, log=job.target.log, zone_profiles=job.recipe.evidence.group_profiles
    )
    levels = fit_level_adjustments(
        _known(job, table), table[RAW], LEVELS, log=job.target.log, zone_profiles=job.recipe.evidence.group_profiles
    )
    for name, found in (("conformal", moves), ("conformal_levels", levels)):
        _first(found, "design", job.recipe.evidence.calibrate).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    for note in adjustment_notes(moves):
        job.say(f"note: {note}", 0, 0)
    return moves


def _write_comparisons(
    job: Job, holding: Holding, model: AnyModel, table: pd.DataFrame, name: str, folder: Path
) -> None:
    """On the folds of the headline: chosen once against chosen in each fold, simple models, one model against zones."""
    chosen_once = holding.naive(name, model)
    rows = {"chosen in each fold": table, "chosen once on all profiles": table.assign(**chosen_once)}
    own = pd.concat([_pair(job, other, table, label) for label, other in rows.items()], ignore_index=True)
    _first(own, "design", name).to_csv(folder / "naive.csv", index=False, lineterminator="\n")
    if job.recipe.evidence.baselines:
        kept = [covariate for covariate in base_of(model).covariates if covariate in holding.points]
        simple = holding.baselines(name, kept)
        parts = [_pair(job, table.assign(predicted=simple[label]), table, str(label)) for label in simple]
        found = pd.concat([_pair(job, table, table, "forest"), *parts], ignore_index=True)
        _first(found, "design", name).to_csv(folder / "baselines.csv", index=False, lineterminator="\n")
    if isinstance(model, ZonedModel):
        one = table.assign(predicted=table["predicted_one_model"])
        found = pd.concat(
            [_pair(job, table, table, "a model for each zone"), _pair(job, one, table, "one model for all")],
            ignore_index=True,
        )
        _first(found, "design", name).to_csv(folder / "zoning.csv", index=False, lineterminator="\n")


def _pair(job: Job, other: pd.DataFrame, ours: pd.DataFrame, label: str) -> pd.DataFrame:
    """Scores of one prediction on each layer, and how they differ from ours on the same draws of profiles."""
    rows = []
    for (layer, mine), (_, theirs) in zip(by_layer(ours, job.whole), by_layer(other, job.whole), strict=True):
        found = scores(theirs["observed"], theirs["predicted"])
        row: dict[str, object] = {"what": label, "layer": layer, "n": len(theirs), "unit": job.target.unit}
        row |= {score: found[score] for score in ("bias", "mae", "rmse", "mec", "ccc")}
        apart = paired_bootstrap(
            mine["observed"], theirs["predicted"], mine["predicted"], mine["group"], job.recipe.evidence.bootstrap, job.recipe.seed
        )
        for score in ("rmse", "mec"):
            row[f"{score}_minus_ours"], row[f"{score}_minus_ours_low"], row[f"{score}_minus_ours_high"] = apart[score]
        rows.append(row)
    return pd.DataFrame(rows)


def _facts(
    job: Job, folding: Folding, table: TrainingTable, held: Mapping[str, Held], side: float, why: str, folder: Path
) -> dict[str, Any]:
    """What ``designs.json`` tells of blocks and of kNNDM, whether they were asked for or not; the distances go into ``knndm.csv``."""
    rows, place = folding.rows(table)
    block = folding.design("block", job.recipe.evidence.folds, rows)
    knndm = folding.design("knndm", job.recipe.evidence.folds, rows)
    assert isinstance(block, BlockFolds) and isinstance(knndm, KnndmFolds)
    matched = knndm.facts(rows, place)
    matched.curves.to_csv(folder / "knndm.csv", index=False, lineterminator="\n")
    return {
        "folds": job.recipe.evidence.folds,
        "places": len(np.unique(place)),
        "profiles": len(table.profiles),
        "calibrated_by": job.recipe.evidence.calibrate,
        "block_km": side / 1000.0,
        "block_side": why,
        "blocks": len(np.unique(block.blocks(rows, place))),
        "knndm": {
            "w_m": matched.w_m,
            "w_profile_m": matched.w_profile_m,
            "w_random_m": matched.w_random_m,
            "dispersed_p": matched.dispersed_p,
            "clusters": matched.clusters,
            "cells": len(folding.cells),
        },
        "notes": {name: list(one.notes) for name, one in held.items()},
    }


def _first(table: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    table = table.copy()
    table.insert(0, column, value)
    return table


def _mean_importance(job: Job, parts: pd.DataFrame, kept: Sequence[str]) -> pd.DataFrame:
    # One column per fold; a covariate that a fold left out did nothing there.
    wide = parts.pivot(index="feature", columns="fold", values="rmse_increase").reindex(pd.unique(parts["feature"]))
    known = wide.fillna(0.0)
    table = pd.DataFrame(
        {"rmse_increase": known.mean(axis=1), "rmse_increase_sd": known.std(axis=1, ddof=1), "folds": wide.count(axis=1)}
    ).reset_index()
    trained = "kg/m3" if job.target.per_metre else job.target.unit
    table["unit"] = f"ln({trained})" if job.target.log else trained
    positive = table["rmse_increase"].clip(lower=0)
    table["share"] = positive / positive.sum() if positive.sum() > 0 else 0.0
    table["in_model"] = table["feature"].isin([*kept, "depth"])
    return table.sort_values("rmse_increase", ascending=False, kind="stable", ignore_index=True)
