"""Area of applicability of a run: fitted with the importance of its covariates and the folds of its headline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.mapping.predict import applicability_features
from edaphic.model.fit import TrainingTable
from edaphic.model.zones import AnyModel, base_of
from edaphic.stages.folding import Folding
from edaphic.stages.job import Job, write_json
from edaphic.validate.applicability import Applicability, dissimilarity, fit_applicability, is_inside

FILE = "applicability.npz"


@dataclass(frozen=True)
class Where:
    """Where the model may be applied: what was found, and the ``profiles`` and their ``features`` (profiles, q) without depth that it was
    fitted to.
    """

    found: Applicability
    profiles: tuple[str, ...]
    features: NDArray[np.float32]


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
    splits = profile_splits(table, folding, design)
    features = applicability_features(model, points.loc[profiles, list(model.covariates)].to_numpy(dtype=np.float64))
    share = importance.set_index("feature")["rmse_increase"]
    sources = base.encoder.sources[: features.shape[1]]
    weights = np.array([max(float(share.get(name, 0.0)), 0.0) for name in sources])
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
    return Where(found, tuple(profiles), features)


def profile_splits(table: TrainingTable, folding: Folding, design: str) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Folds of a design as positions among the profiles of the table: those that train and those held back.

    A profile with layers on both sides (random folds of rows) is on both sides here too.
    """
    code = pd.factorize(table.profile_id)[0].astype(np.int64)
    return [(np.unique(code[inside]), np.unique(code[outside])) for inside, outside in folding.of_evidence(design, table)]


def inside_by_design(
    held: pd.DataFrame, where: Where, splits: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], workers: int
) -> pd.DataFrame:
    """Held-out predictions with ``dissimilarity`` to the profiles that trained, and ``in_applicability``.

    ``splits`` are those of :func:`profile_splits`, in the order of folds or of repeats. A profile with layers on both sides is its own
    neighbour.
    """
    number = {name: i for i, name in enumerate(where.profiles)}
    code = held["profile_id"].map(number).to_numpy(dtype=np.int64)
    out = np.full(len(held), np.nan)
    number_of_split = held[["repeat", "fold"]].max(axis=1).to_numpy()
    for k, (inside, _) in enumerate(splits):
        rows = np.flatnonzero(number_of_split == k)
        asked, place = np.unique(code[rows], return_inverse=True)
        trained = replace(where.found, points=where.found.points[inside])
        out[rows] = dissimilarity(trained, where.features[asked], workers)[place]
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
