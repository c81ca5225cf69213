"""What the stages of the model and of the evidence share: rows to learn from, how they are made a model, how they are held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic import covariates
from edaphic.errors import ModelError
from edaphic.model.fit import TrainingTable, training_table
from edaphic.model.forest import Settings
from edaphic.model.learning import Folds, Learner, Searching
from edaphic.model.tuning import WIDE, candidates
from edaphic.recipe import GridRegion
from edaphic.stages.covering import build_stack, map_year
from edaphic.stages.job import Job, sites_of
from edaphic.stages.mapped import removed_of
from edaphic.validate.designs import BootstrapSplits, Design, block_side_m, make_design, places


def training(job: Job, points: pd.DataFrame) -> TrainingTable:
    """Rows that can be learned from."""
    layers = pd.read_parquet(job.out / "profiles" / "layers.parquet")
    named = job.recipe.model.weights
    if named not in ("none", "error"):
        layers["weight"] = layers["profile_id"].map(_weights(job, named))
    else:
        layers = layers.drop(columns="weight", errors="ignore")
    return training_table(layers, list(points.index), job.intervals, job.target)


def _weights(job: Job, column: str) -> pd.Series:
    """Mean of a column of the horizons, by profile."""
    horizons = pd.read_parquet(job.out / "profiles" / "horizons.parquet")
    if column not in horizons or not pd.api.types.is_numeric_dtype(horizons[column]):
        known = ", ".join(str(name) for name in horizons if pd.api.types.is_numeric_dtype(horizons[name]))
        raise ModelError(f"model.weights: {column!r} is no column of numbers in the tables of profiles; expected one of {known}")
    return horizons.groupby("profile_id", sort=False)[column].mean()


def learner_of(job: Job, kinds: Mapping[str, str]) -> Learner:
    """How the recipe makes a model of rows."""
    model = job.recipe.model
    if model.zones is not None and kinds.get(model.zones) != "class":
        classes = ", ".join(name for name, kind in kinds.items() if kind == "class") or "none there is"
        raise ModelError(f"model.zones: {model.zones!r} is no covariate of kind class; expected one of them: {classes}")
    lost = [name for name in model.screen.keep if name not in kinds]
    if lost:
        raise ModelError([f"model.screen.keep: {name!r} is no covariate; expected names of covariates" for name in lost])
    return Learner(
        kinds=kinds,
        name=model.name,
        target=job.target,
        form=model.form,
        layers=job.layers,
        whole=job.whole,
        candidates=tuple(_candidates(job)),
        trees=model.forest.trees,
        seed=job.recipe.seed,
        workers=job.workers,
        metric=model.tune.metric,
        encoding=model.classes,
        correlation=model.screen.correlation,
        vif=model.screen.vif,
        protected=tuple(model.screen.keep),
        drop_derived=model.screen.target_derived == "drop",
        searching=Searching(model.select.method, model.select.best, model.select.rank, model.select.rule, model.select.trees),
        zone=model.zones,
        fewest_in_zone=model.min_zone_profiles,
        weighting=model.weights if model.weights in ("none", "error") else "rows",
        little_bags=model.forest.little_bags,
    )


def _candidates(job: Job) -> list[Settings]:
    """Settings to try, with what the recipe fixes."""
    tune, forest = job.recipe.model.tune, job.recipe.model.forest
    fixed: dict[str, object] = {"split": forest.split, "engine": forest.engine}
    if "max_depth" not in tune.over or forest.max_depth is not None:
        fixed["max_depth"] = forest.max_depth
    for name in ("max_features", "min_samples_leaf"):
        given = getattr(forest, name)
        if given is not None:
            fixed[name] = given
        elif name not in tune.over:
            fixed[name] = getattr(Settings(), name)
    if "split" in tune.over:
        del fixed["split"]
    space = {str(name): WIDE[name] for name in tune.over if name not in fixed}
    return candidates(tune.candidates, tune.trees, job.recipe.seed, how=tune.method, space=space, fixed=fixed)


def draw_cells(job: Job) -> pd.DataFrame:
    """Cells that stand for the map: ``lon``, ``lat`` and the covariates.

    All that is known before the model is heeded: region, masks, and cells without soil. Only ``maps.only_applicable`` is not.
    """
    stack = build_stack(job).during(map_year(job), job.recipe.covariates.max_gap_years)
    region = job.path(job.recipe.grid.region) if isinstance(job.recipe.grid, GridRegion) else None
    masks = [(name, tuple(codes)) for name, codes in sorted(job.recipe.maps.mask.items())]
    removed = removed_of(job.recipe, job.recipe_path, stack.grid)
    return covariates.draw_cells(stack, job.recipe.evidence.cells, job.recipe.seed, masks=masks, region=region, removed=removed)


@dataclass(frozen=True)
class Folding:
    """How rows are held back: where their profiles lie, which share a place, and the cells that stand for the map.

    ``sites``: lon, lat, year, zone and place by profile; ``cells``: (m, 2) lon, lat; ``block_m``: side of blocks, None for the default;
    ``known``: folds of the evidence that were made before; ``designs``: by name, folds and side of blocks, for they remember what they
    matched, and that takes long with kNNDM.
    """

    job: Job
    sites: pd.DataFrame
    cells: NDArray[np.float64]
    block_m: float | None = None
    known: dict[tuple[str, int, float | None, int], tuple[TrainingTable, Folds]] = field(default_factory=dict, compare=False, repr=False)
    designs: dict[tuple[str, int, float | None], Design] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def intervals(self) -> NDArray[np.float64]:
        """Layers, then the whole; the job reads a table to tell them."""
        return np.asarray(self.job.intervals, dtype=np.float64)

    def rows(self, table: TrainingTable) -> tuple[pd.DataFrame, NDArray[np.int64]]:
        """What a design sees of rows, and their places."""
        depth = self.intervals[table.interval]
        known = self.sites.loc[list(table.profile_id)]
        seen = known.drop(columns="place").reset_index(names="profile_id").assign(top_cm=depth[:, 0], bottom_cm=depth[:, 1])
        return seen, known["place"].to_numpy(dtype=np.int64)

    def design(self, name: str, folds: int, rows: pd.DataFrame) -> Design:
        """A design by its name, for rows of :meth:`rows`."""
        told = self.job.recipe.evidence
        side = told.block_km * 1000.0 if told.block_km is not None else self.block_m
        if name == "block" and side is None:
            side = block_side_m(rows, folds)
        key = (name, folds, side)
        if key not in self.designs:
            self.designs[key] = make_design(
                name,
                folds=folds,
                seed=self.job.recipe.seed,
                block_m=side,
                prediction=self.cells,
                period_years=told.period_years,
                test_share=told.test_share,
            )
        return self.designs[key]

    def folds(self, name: str, folds: int, table: TrainingTable) -> Folds:
        """Training and test rows."""
        rows, place = self.rows(table)
        if name == "bootstrap":
            return list(BootstrapSplits(folds, self.job.recipe.seed).split(rows, None, place))
        return list(self.design(name, folds, rows).split(rows, None, place))

    def of_evidence(self, name: str, table: TrainingTable) -> Folds:
        """Folds of a design of the evidence."""
        key = (name, self.job.recipe.evidence.folds, self.block_m if name == "block" else None, id(table))
        if key not in self.known:
            # With the table, whose identity would else be that of another one later.
            self.known[key] = (table, self.folds(name, self.job.recipe.evidence.folds, table))
        return self.known[key][1]

    def check(self, names: Sequence[str], table: TrainingTable) -> None:
        """Make the folds of all designs of the evidence, so that what is wrong with one shows before the work.

        Raises
        ------
        ModelError
            All that is wrong.
        """
        faults = []
        for name in names:
            try:
                self.of_evidence(name, table)
            except ModelError as fault:
                faults += [f"evidence: design {name}: {line.removeprefix('evidence: ')}" for line in fault.faults]
        if faults:
            raise ModelError(faults)

    def split(self, job: str, table: TrainingTable) -> Folds:
        """Folds within a training set, for tuning (``tune``) or for the search of covariates (``select``)."""
        model = self.job.recipe.model
        told = model.tune if job == "tune" else model.select
        try:
            return self.folds(told.design, told.folds, table)
        except ModelError as fault:
            why = f"model.{job}: design {told.design}"
            raise ModelError([f"{why}: {line.removeprefix('evidence: ')}" for line in fault.faults]) from fault

    def with_blocks(self, side_m: float) -> Folding:
        """The same with blocks of another size."""
        return replace(self, block_m=side_m)


def folding_of(job: Job, points: pd.DataFrame, cells: pd.DataFrame) -> Folding:
    """How the rows of a run are held back."""
    sites = sites_of(job).set_index("profile_id")
    sites["place"] = places(sites["lon"], sites["lat"], job.recipe.evidence.same_place_m)
    zone = job.recipe.model.zones
    sites["zone"] = points[zone].reindex(sites.index) if zone is not None else 0
    return Folding(job, sites, cells[["lon", "lat"]].to_numpy(dtype=np.float64))


def cells_of_run(out: Path) -> pd.DataFrame:
    """The cells that the stage of the model drew."""
    return pd.read_parquet(out / "evidence" / "cells.parquet")
