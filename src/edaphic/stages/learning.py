"""The stage of the model: screen, search, tune, fit."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from edaphic.errors import ModelError
from edaphic.model import artefact
from edaphic.model.fit import interval_name
from edaphic.model.learning import Learned, learn
from edaphic.stages.folding import draw_cells, folding_of, learner_of, training
from edaphic.stages.job import Job, points_of, provenance, sampled_years
from edaphic.stages.kit import covariate_facts


def stage_model(job: Job, work: Path, partial: Path) -> None:
    """Screen, search, tune, fit."""
    del partial
    points, kinds = points_of(job)
    _need_layers(job)
    learner = learner_of(job, kinds)
    table = training(job, points)
    evidence = work / "evidence"
    evidence.mkdir()
    job.say("drawing cells that stand for the map", 0, 1)
    cells = draw_cells(job)
    cells.to_parquet(evidence / "cells.parquet", index=False)
    learned = learn(learner, table, points, folding_of(job, points, cells).split, job.say)
    for note in learned.notes:
        job.say(f"note: {note}", 0, 0)
    _write(learned, evidence)
    folder = work / "model" / job.recipe.model.name
    folder.mkdir(parents=True)
    facts = covariate_facts(job, learned.model, points, table.profiles)
    made_of = provenance(job) | {"profiles": len(table.profiles)}
    if (years := sampled_years(job)) is not None:
        made_of["profile_years"] = f"{years[0]}-{years[1]}"
    artefact.save(learned.model, folder, made_of, _card(learned), facts)


def _write(learned: Learned, folder: Path) -> None:
    tables = {"selection": learned.selection, "steps": learned.steps, "tuning": learned.tuning, "search": learned.searched}
    for name, table in tables.items():
        if len(table):
            table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")


def _card(learned: Learned) -> list[str]:
    """What the model card says of how the model came about."""
    derived = learned.selection[(learned.selection["target_derived"] != "") & learned.selection["kept"]]
    lines = [
        f"Covariates: {int(learned.selection['kept'].sum())} of {len(learned.selection)} kept; see evidence/selection.csv.",
        *(
            f"`{row.feature}` is made of carbon ({row.target_derived}): it says little where carbon was not measured."
            for row in derived.itertuples()
        ),
        *learned.notes,
    ]
    return [line.replace("\n", " ") for line in lines]


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
