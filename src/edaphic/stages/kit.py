"""What is kept beside a model for maps elsewhere: what its covariates were, how its intervals are moved, where it may be applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from edaphic.model.artefact import CovariateFacts, save_kit
from edaphic.model.zones import AnyModel
from edaphic.stages.applying import Where
from edaphic.stages.covering import build_stack
from edaphic.stages.job import Job

TABLES = ("conformal.csv", "conformal_levels.csv")
"""Tables of the evidence that maps need."""


def covariate_facts(job: Job, model: AnyModel, points: pd.DataFrame, profiles: Sequence[str]) -> dict[str, CovariateFacts]:
    """Kind, unit, classes, periods and range in training of each covariate of a model.

    Parameters
    ----------
    job : Job
    model : SoilModel or ZonedModel
    points : DataFrame
        Covariates by profile.
    profiles : sequence of str
        Profiles that trained.
    """
    stack = build_stack(job)
    periods: Mapping[str, tuple[tuple[int, int], ...]] = stack.periods
    out = {}
    for name in model.covariates:
        told = stack.whole.layers[stack.numbers[stack.names.index(name)][0]].facts
        values = points.loc[list(profiles), name]
        ends = (float(values.min()), float(values.max())) if told.kind == "continuous" else (None, None)
        out[name] = CovariateFacts(told.kind, told.unit, dict(told.classes), tuple(periods.get(name, ())), *ends)
    return out


def write_kit(job: Job, work: Path, where: Where) -> None:
    """Put what the evidence has found beside the model."""
    name = job.recipe.model.name
    tables = {table: path for table in TABLES if (path := work / "evidence" / table).is_file()}
    save_kit(work / "model" / name, job.out / "model" / name, job.levels, tables, where.found.to_arrays())
