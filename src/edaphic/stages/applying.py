"""Area of applicability of a run: fitted with the importance of its covariates and the folds of its headline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.mapping.predict import applicability_features
from edaphic.model.fit import SoilModel, TrainingTable
from edaphic.model.zones import AnyModel, ZonedModel
from edaphic.stages.folding import Folding
from edaphic.stages.job import Job, write_json
from edaphic.validate.applicability import Applicability, dissimilarity, fit_applicability, is_inside

FILE = "applicability.npz"


@dataclass(frozen=True)
class Where:
    """Where the model may be applied: what was found, and the ``profiles``, their ``features`` (profiles, q) without depth and the
    ``weights`` (q,) that it was fitted to.
    """

    found: Applicability
    profiles: tuple[str, ...]
    features: NDArray[np.float32]
    weights: NDArray[np.float64]


def base_of(model: AnyModel) -> SoilModel:
    """The model of all cells."""
    return model.everywhere if isinstance(model, ZonedModel) else model


def applicability_of(
    job: Job,
    model: AnyModel,
    points: pd.DataFrame,
    table: TrainingTable,
    importance: pd.DataFrame,
    folding: Folding,
    design: str,
    folder: Path,
) -> Where:
    """Fit it, and write ``applicability.npz`` and ``applicability.json``."""
    base = base_of(model)
    profiles = table.profiles
    features = applicability_features(model, points.loc[profiles, list(model.covariates)].to_numpy(dtype=np.float64))
    share = importance.set_index("feature")["rmse_increase"]
    sources = base.encoder.sources[: features.shape[1]]
    weights = np.array([max(float(share.get(name, 0.0)), 0.0) for name in sources])
    number = {name: i for i, name in enumerate(profiles)}
    code = np.array([number[name] for name in table.profile_id])
    folds = folding.folds(design, job.recipe.evidence.folds, table)
    splits = [(np.unique(code[inside]), np.unique(code[outside])) for inside, outside in folds]
    found = fit_applicability(
        features, weights, names=base.encoder.features[: features.shape[1]], splits=splits, workers=job.workers
    )
    np.savez(folder / FILE, allow_pickle=False, **found.to_arrays())
    write_json(
        folder / "applicability.json",
        {
            "threshold": found.threshold,
            "mean_distance": found.mean_distance,
            "design": design,
            "profiles": len(profiles),
            "features": dict(zip((found.names[i] for i in found.columns), found.weights.tolist(), strict=True)),
            "notes": list(found.notes),
        },
    )
    for note in found.notes:
        job.say(f"note: {note}", 0, 0)
    return Where(found, tuple(profiles), features, weights)


def inside_by_design(held: pd.DataFrame, where: Where, workers: int) -> pd.DataFrame:
    """Held-out predictions with ``dissimilarity`` to the profiles that were not held, and ``in_applicability``."""
    number = {name: i for i, name in enumerate(where.profiles)}
    code = held["profile_id"].map(number).to_numpy(dtype=np.int64)
    every = np.arange(len(where.profiles), dtype=np.int64)
    out = np.full(len(held), np.nan)
    for _, rows in held.groupby(["repeat", "fold"], sort=False).indices.items():
        outside = np.unique(code[rows]).astype(np.int64)
        # A profile with layers on both sides is its own neighbour.
        inside = every if held["design"].iloc[0] == "random" else np.setdiff1d(every, outside).astype(np.int64)
        by_profile = fit_applicability(where.features, where.weights, splits=[(inside, outside)], workers=workers).train_di
        out[rows] = by_profile[code[rows]]
    # The scale is that of all profiles, so that distances mean the same here and on the map.
    return held.assign(dissimilarity=out, in_applicability=is_inside(where.found, out))


def share_inside(where: Where, model: AnyModel, cells: pd.DataFrame) -> Mapping[str, Any]:
    """Share of the cells drawn from the map that lie inside."""
    di = dissimilarity(where.found, applicability_features(model, cells[list(model.covariates)].to_numpy(dtype=np.float64)))
    return {
        "threshold": where.found.threshold,
        "cells": len(cells),
        "share_inside": float(np.mean(is_inside(where.found, di))),
        "median_dissimilarity": float(np.median(di)),
    }


def load_applicability(folder: Path) -> Applicability:
    """What :func:`applicability_of` wrote."""
    with np.load(folder / FILE, allow_pickle=False) as arrays:
        return Applicability.from_arrays(dict(arrays))
