"""Forests refitted to bootstrap samples of the profiles, each kept in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from edaphic.errors import EdaphicError, ModelError
from edaphic.files import write_text
from edaphic.mapping.room import on_disk
from edaphic.model.bootstrap import Resampling, bootstrap_model, load_means, save_means
from edaphic.model.learning import row_weights
from edaphic.model.zones import AnyModel, base_of
from edaphic.stages.folding import learner_of, training
from edaphic.stages.job import Job


def grow_forests(
    job: Job, model: AnyModel, points: pd.DataFrame, kinds: Mapping[str, str], folder: Path, number: int, trees: int, key: str
) -> tuple[tuple[Path, ...], list[tuple[int, int]]]:
    """Bootstrap forests, each in a file, and the zones too poor for one with how often. Files of an interrupted run are taken if whole.

    ``key``: of the recipe, that asks for them.
    """
    folder.mkdir(exist_ok=True)
    table = training(job, points)
    table = table.take(np.flatnonzero(table.interval < len(model.layers)))
    base = base_of(model)
    weights = row_weights(learner_of(job, kinds), table, points[list(base.covariates)], base.settings)
    given = Resampling(table, points, kinds, model, weights, trees, job.recipe.seed, job.recipe.model.classes)
    paths = tuple(folder / f"forest_{i:05d}.npz" for i in range(number))
    for i, path in enumerate(paths):
        if path.exists() and path.with_suffix(".txt").exists():
            try:
                load_means(path)
            except ModelError:
                job.say(f"note: bootstrap forest {i + 1} is damaged on disk; it is grown again", 0, 1)
            else:
                continue
        job.say(f"growing bootstrap forest {i + 1} of {len(paths)}", i, len(paths))
        try:
            found, poor = bootstrap_model(given, i, job.workers)
        except EdaphicError as fault:
            raise ModelError([f"{key}: bootstrap forest {i + 1}: {line}" for line in fault.faults]) from fault
        with on_disk(folder):
            write_text(path.with_suffix(".txt"), " ".join(map(str, poor)))
            save_means(path, found)
    zones = [int(zone) for path in paths for zone in path.with_suffix(".txt").read_text(encoding="utf-8").split()]
    return paths, [(zone, zones.count(zone)) for zone in sorted(set(zones))]
