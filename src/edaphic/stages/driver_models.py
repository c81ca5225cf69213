"""What the model makes of covariates, for the stage of drivers: importance, effects, Shapley values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.model.bootstrap import load_means
from edaphic.model.features import design_matrix
from edaphic.model.fit import TrainingTable
from edaphic.model.learning import Learner, row_weights
from edaphic.model.ranking import Task
from edaphic.model.soil import SoilModel, interval_name
from edaphic.model.structure import Forest
from edaphic.model.zones import AnyModel, ZonedModel, base_of
from edaphic.recipe import Effects, Importance
from edaphic.stages.driver_tables import Found
from edaphic.stages.folding import cells_of_run, folding_of
from edaphic.stages.growing import grow_forests
from edaphic.stages.job import Job
from edaphic.validate.effects import effects
from edaphic.validate.importance import importance_table
from edaphic.validate.shap import shap_by_depth

ALL = "all"
"""Name of all layers together, where one forest answers for them."""
MOST_OUTSIDE = 0.1
"""Share of a curve outside its band that is worth a word."""
MOST_TREES = 100
"""Trees of a bootstrap forest behind a band, at most: its own noise is small beside that of the sample."""


@dataclass(frozen=True)
class Explained:
    """A model, and the rows that it was made of."""

    job: Job
    model: AnyModel
    points: pd.DataFrame
    kinds: Mapping[str, str]
    learner: Learner
    table: TrainingTable

    @property
    def base(self) -> SoilModel:
        """The model of all cells."""
        return base_of(self.model)

    @cached_property
    def rows(self) -> TrainingTable:
        """Rows of the layers, none of the whole depth."""
        return self.table.take(np.flatnonzero(self.table.interval < len(self.base.layers)))

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Features of the profiles; the depths are filled in later."""
        cells = self.points.loc[self.rows.profiles, list(self.base.covariates)].to_numpy(dtype=np.float64)
        return self.base.encoder.transform(cells, self.base.layers[0] if self.base.encoder.depth else None)

    def notes(self) -> list[str]:
        """What holds for all that is made of the model."""
        if not isinstance(self.model, ZonedModel):
            return []
        return [
            f"importance and effects are of the model of all cells, not of those of the zones of {self.model.zone} "
            f"({len(self.model.models)} with a model of their own)"
        ]

    def tasks(self) -> Iterator[tuple[str, Task]]:
        """What importance is worked out from: of all layers where one forest has them, else of each."""
        folding = folding_of(self.job, self.points, cells_of_run(self.job.out))
        base, rows = self.base, self.rows
        parts = {interval_name(layer): np.flatnonzero(rows.interval == i) for i, layer in enumerate(base.layers)}
        if base.form == "3d":
            parts = {ALL: np.arange(len(rows.values))}
        for name, places in parts.items():
            own = rows.take(places)
            depths = np.asarray(base.layers, dtype=np.float64)[own.interval]
            task = Task(
                design_matrix(base.encoder, self.points[list(base.covariates)], list(own.profile_id), depths),
                own.values,
                base.encoder.sources,
                folding.folds("profile", self.job.recipe.evidence.folds, own),
                replace(base.settings, little_bags=0),
                self.job.target.log,
                self.job.recipe.seed,
                self.job.workers,
                row_weights(self.learner, own, self.points[list(base.covariates)], base.settings),
            )
            yield name, task


def importance(given: Explained, asked: Importance) -> Found:
    """Importance of covariates and families, by impurity and by permutation of held-out profiles."""
    found, parts = Found(), []
    for layer, task in given.tasks():
        table, notes = importance_table(task, asked.families, repeats=asked.repeats, depth=False)
        table.insert(0, "layer", layer)
        parts.append(table.assign(unit="squared units of the trees' scale" if not task.log else "squared logarithm"))
        found.notes += [note if note.startswith("importance") else f"importance: {note}" for note in notes]
    table = pd.concat(parts, ignore_index=True)
    table["unit"] = table["unit"].where(table["measure"] == "permutation", "share of the decrease of variance")
    found.tables["importance_of_drivers"] = table
    lost = sorted(set(given.kinds) - set(given.base.covariates))
    if lost:
        found.notes.append(f"importance: covariates that the model left out: {', '.join(lost)}")
    return found


def most_important(job: Job, wanted: Sequence[str] | None, most: int, among: Sequence[str], what: str, notes: list[str]) -> list[str]:
    """Covariates by name or pattern; without these the most important of the evidence (growth of the error of held-out profiles)."""
    ranked = pd.read_csv(job.out / "evidence" / "importance.csv").sort_values("rmse_increase", ascending=False, kind="stable")
    order = [str(name) for name in ranked["feature"]]
    if wanted is None:
        return [name for name in order if name in among][:most]
    named = [name for pattern in wanted for name in among if name == pattern or fnmatchcase(name, pattern)]
    lost = [pattern for pattern in wanted if not any(name == pattern or fnmatchcase(name, pattern) for name in among)]
    notes += [f"{what}: {pattern!r} is not in the model, which left it out" for pattern in lost]
    return list(dict.fromkeys(named))


def effect_tables(given: Explained, asked: Effects, legends: Mapping[str, Mapping[int, str]], partial: Path) -> Found:
    """Partial dependence and accumulated local effects with bands of bootstrap forests; Shapley values by depth."""
    job, base, found = given.job, given.base, Found()
    names = most_important(job, asked.covariates, asked.most, base.covariates, "effects", found.notes)
    found.facts["effects"] = names
    if names:
        refits, notes = _refits(given, asked.forests, partial)
        found.notes += notes
        found.facts["refits"] = len(refits)
        table, notes = effects(base, given.features, names, refits=refits, seed=job.recipe.seed, workers=job.workers)
        found.notes += [*notes, *_apart(table)]
        codes = zip(table["covariate"], table["class"], strict=True)
        named = [legends.get(name, {}).get(int(code), code) if code else "" for name, code in codes]
        table.insert(list(table.columns).index("class") + 1, "class_name", named)
        found.tables["effects"] = table
    else:
        found.notes.append("effects: the model has none of the covariates asked for; no curves")
    if asked.shap:
        table, notes = shap_by_depth(base, given.features, most_rows=asked.shap, seed=job.recipe.seed, workers=job.workers)
        found.tables["shap_by_depth"] = table
        found.notes += notes
    return found


def _apart(table: pd.DataFrame) -> list[str]:
    """How much of the curves lies outside their bands."""
    outside = (table["effect"] < table["low"]) | (table["effect"] > table["high"])
    share = float(outside.mean()) if len(table) and (table["band"] == "refits").all() else 0.0
    if share < MOST_OUTSIDE:
        return []
    return [
        f"effects: {share:.0%} of the places of curves lie outside their bands: a sample holds about 63 % of the profiles, and its forest "
        "is flatter where few of them lie; trust these parts little (more drivers.effects.forests make the band steadier)"
    ]


def _refits(given: Explained, number: int, partial: Path) -> tuple[list[SoilModel], list[str]]:
    """Models of bootstrap samples of profiles, in the columns of the model."""
    job, base = given.job, given.base
    trees = min(job.recipe.model.forest.trees, MOST_TREES)
    paths, _ = grow_forests(job, base, given.points, given.kinds, partial / "forests", number, trees, "drivers.effects")
    grown = [base_of(load_means(path)) for path in paths]
    fitting = [same for same in (in_columns_of(base, model) for model in grown) if same is not None]
    if len(fitting) == len(grown):
        return fitting, []
    lost = f"effects: {len(grown) - len(fitting)} of {len(grown)} bootstrap forests have other numbers for classes (model.classes: ordered)"
    return [], [f"{lost}, so bands are those of little bags of the forest, or there are none"]


def in_columns_of(base: SoilModel, model: SoilModel) -> SoilModel | None:
    """A model of a sample, told in the columns of the model of all profiles; None where that cannot be.

    A sample may miss a class: its forest then has no column for it, and rows of that class are 0 in all others, as they are here.
    """
    own, wanted = model.encoder, base.encoder
    if own == wanted:
        return model
    if own.means or wanted.means or not set(own.features) <= set(wanted.features):
        return None
    place = {name: i for i, name in enumerate(wanted.features)}
    columns = np.array([place[name] for name in own.features], dtype=np.int32)
    return replace(model, encoder=wanted, forests=tuple(_moved(forest, columns, len(place)) for forest in model.forests))


def _moved(forest: Forest, columns: NDArray[np.int32], width: int) -> Forest:
    tested = np.where(forest.feature >= 0, columns[np.maximum(forest.feature, 0)], forest.feature).astype(np.int32)
    importance = np.zeros(width)
    importance[columns] = forest.importance
    return replace(forest, feature=tested, importance=importance)
