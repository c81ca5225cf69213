"""Hold profiles back, make the model anew without them, and predict them: the loop that all evidence comes from.

Each fold leaves its files behind as soon as it is done, so that an interrupted run goes on with the next.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.features import make_encoder
from edaphic.model.fit import TrainingTable
from edaphic.model.forest import Settings
from edaphic.model.learning import Learned, Learner, learn, refit
from edaphic.model.zones import AnyModel, ZonedModel, base_of
from edaphic.stages.folding import Folding
from edaphic.stages.job import Job
from edaphic.validate.baselines import BASELINES, Rows, notes_of
from edaphic.validate.crossval import permutation_importance, predict_rows
from edaphic.validate.designs import BlockFolds

IMPORTANCE_OF = "profile"
"""Design in whose folds the importance of covariates is measured."""


@dataclass(frozen=True)
class Held:
    """What one design held back.

    ``table``: predictions, with ``design``, ``repeat``, ``fold``, ``group`` (place or block that a bootstrap draws), ``lon``, ``lat``,
    ``year`` and ``zone``; ``importance``: by fold, of one design only; ``choices``: what was chosen in each fold; ``notes`` of the design.
    """

    table: pd.DataFrame
    importance: pd.DataFrame
    choices: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Holding:
    """All that the folds share."""

    job: Job
    learner: Learner
    table: TrainingTable
    points: pd.DataFrame
    folding: Folding
    partial: Path
    say: Callable[[str], None]

    def design(self, name: str) -> Held:
        """Hold profiles back by one design; covariates, classes and settings are chosen anew in each fold."""
        rows, place = self.folding.rows(self.table)
        design = self.folding.design(name, self.job.recipe.evidence.folds, rows)
        folds = self.folding.of_evidence(name, self.table)
        group = design.blocks(rows, place) if isinstance(design, BlockFolds) else place
        parts, importance, choices = [], [], []
        for k, (inside, outside) in enumerate(folds):
            self.say(f"evidence by {name}: fold {k + 1} of {len(folds)}")
            part, shuffled, choice = self._fold(name, k, inside, outside)
            seen = rows.iloc[outside].reset_index(drop=True)[["lon", "lat", "year", "zone"]]
            part = pd.concat([part, seen], axis=1)
            fold, repeat = (0, k) if name == "hold_out" else (k, 0)
            parts.append(part.assign(design=name, fold=fold, repeat=repeat, group=group[outside], row=outside))
            choices.append(choice)
            if len(shuffled):
                importance.append(shuffled.assign(fold=k))
        return Held(
            pd.concat(parts, ignore_index=True),
            pd.concat(importance, ignore_index=True) if importance else pd.DataFrame(),
            pd.DataFrame(choices).assign(design=name),
            tuple(design.notes(rows, place)),
        )

    def _fold(
        self, name: str, k: int, inside: NDArray[np.int64], outside: NDArray[np.int64]
    ) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
        stored = {kind: self.partial / f"{name}_{k}{kind}" for kind in (".parquet", "_importance.parquet", ".json")}
        if not stored[".parquet"].exists():
            trained, held = self.table.take(inside), self.table.take(outside)
            learned = self._learned(f"evidence by {name}, fold {k + 1}", trained)
            shuffled = pd.DataFrame()
            if name == IMPORTANCE_OF:
                shuffled = permutation_importance(
                    learned.model, held, self.points, self.job.recipe.seed + k, self.job.workers
                )
            store_table(shuffled, stored["_importance.parquet"])
            stored[".json"].write_text(json.dumps(_choice(k, learned)), encoding="utf-8")
            # Last, for its presence says that the fold is done.
            store_table(self._predicted(learned.model, held, trained), stored[".parquet"])
        choice = json.loads(stored[".json"].read_text(encoding="utf-8"))
        return pd.read_parquet(stored[".parquet"]), pd.read_parquet(stored["_importance.parquet"]), choice

    def _learned(self, where: str, trained: TrainingTable) -> Learned:
        """A model of some rows; what keeps it from being made is said with the fold it happened in."""
        try:
            return learn(self.learner, trained, self.points, self.folding.split, accuracy=False)
        except ModelError as fault:
            raise ModelError([f"{where}: {line}" for line in fault.faults]) from fault

    def _predicted(self, model: AnyModel, held: TrainingTable, trained: TrainingTable) -> pd.DataFrame:
        part = predict_rows(model, held, self.points, self.job.levels, trained, self.job.workers)
        if isinstance(model, ZonedModel):
            every = predict_rows(model.everywhere, held, self.points, self.job.levels, trained, self.job.workers, quantiles=False)
            part = part.assign(predicted_one_model=every["predicted"], predicted_fit_one_model=every["predicted_fit"])
        return part

    def naive(self, name: str, model: AnyModel) -> pd.DataFrame:
        """Predictions of the same folds by models whose covariates and settings were chosen on all profiles, the held ones too.

        Returns
        -------
        DataFrame
            ``predicted`` and ``predicted_fit`` in the order of the table of :meth:`design`.
        """
        kept = [name for name in base_of(model).covariates if name in self.points]
        once = _settings(model.settings) | {"names": " ".join(kept)}
        parts = []
        for k, (inside, outside) in enumerate(self.folding.of_evidence(name, self.table)):
            self.say(f"evidence by {name}, chosen once: fold {k + 1}")
            stored = self.partial / f"naive_{name}_{k}.parquet"
            if not stored.exists():
                choice = json.loads((self.partial / f"{name}_{k}.json").read_text(encoding="utf-8"))
                if all(choice[key] == value for key, value in once.items()):
                    # The same choices, rows and seed make the same forest.
                    said = pd.read_parquet(self.partial / f"{name}_{k}.parquet")
                else:
                    said = self._chosen_once(kept, model.settings, inside, outside)
                store_table(said[["predicted", "predicted_fit"]], stored)
            parts.append(pd.read_parquet(stored))
        return pd.concat(parts, ignore_index=True)

    def _chosen_once(
        self, kept: list[str], settings: Settings, inside: NDArray[np.int64], outside: NDArray[np.int64]
    ) -> pd.DataFrame:
        trained, held = self.table.take(inside), self.table.take(outside)
        again, _ = refit(self.learner, trained, self.points, kept, settings)
        return predict_rows(again, held, self.points, self.job.levels, trained, self.job.workers, quantiles=False)

    def baselines(self, name: str, kept: list[str]) -> pd.DataFrame:
        """Predictions of the same folds by simple models; a column for each."""
        parts = []
        assumed: dict[str, list[int]] = {}
        for k, (inside, outside) in enumerate(self.folding.of_evidence(name, self.table)):
            self.say(f"simple models by {name}: fold {k + 1}")
            stored = self.partial / f"baselines_{name}_{k}.parquet"
            said = stored.with_suffix(".json")
            if not stored.exists():
                found, notes = self._baseline_fold(kept, inside, outside)
                said.write_text(json.dumps(notes), encoding="utf-8")
                store_table(found, stored)
            parts.append(pd.read_parquet(stored))
            for note in json.loads(said.read_text(encoding="utf-8")):
                assumed.setdefault(note, []).append(k + 1)
        for note, folds in assumed.items():
            where = "every fold" if len(folds) == len(parts) else "fold " + ", ".join(map(str, folds))
            self.job.say(f"note: {note} ({where} of {name})", 0, 0)
        return pd.concat(parts, ignore_index=True)

    def _baseline_fold(
        self, kept: list[str], inside: NDArray[np.int64], outside: NDArray[np.int64]
    ) -> tuple[pd.DataFrame, list[str]]:
        """Predictions of the held rows, and what the simple models had to assume."""
        trained, held = self.table.take(inside), self.table.take(outside)
        encoder = make_encoder(self.points.loc[trained.profiles, kept], self.learner.kinds, depth=False)
        profiles = {name: i for i, name in enumerate(self.table.profiles)}
        intervals = np.asarray(self.learner.intervals)

        def rows_of(part: TrainingTable) -> Rows:
            seen, _ = self.folding.rows(part)
            factor = np.array([self.learner.target.factor(tuple(interval)) for interval in intervals])
            return Rows(
                values=part.values * factor[part.interval],
                features=encoder.transform(self.points.loc[list(part.profile_id), kept].to_numpy(dtype=np.float64)),
                names=encoder.features,
                layer=part.interval,
                depth_cm=intervals[part.interval],
                lon=seen["lon"].to_numpy(),
                lat=seen["lat"].to_numpy(),
                profile=np.array([profiles[name] for name in part.profile_id]),
                class_code=self._classes(part),
            )

        train_rows, test_rows = rows_of(trained), rows_of(held)
        predicted = {
            name: BASELINES[name](train_rows, test_rows, log=self.learner.target.log, seed=self.job.recipe.seed)
            for name in self.job.recipe.evidence.baselines
        }
        return pd.DataFrame(predicted), notes_of(train_rows, test_rows)

    def _classes(self, part: TrainingTable) -> NDArray[np.int64] | None:
        """Classes of the baseline by class: the zones, else the first class covariate."""
        name = self.learner.zone or next((name for name, kind in self.learner.kinds.items() if kind == "class"), None)
        return None if name is None else self.points.loc[list(part.profile_id), name].to_numpy(dtype=np.int64)


def _choice(k: int, learned: Learned) -> Mapping[str, Any]:
    """What one fold chose, for the table that shows how stable choices are."""
    names = {"covariates": len(learned.kept), "names": " ".join(learned.kept)}
    return {"fold": k} | names | _settings(learned.settings)


def _settings(settings: Settings) -> dict[str, Any]:
    """What tuning may change."""
    return {name: getattr(settings, name) for name in ("trees", "max_features", "min_samples_leaf", "max_depth", "split")}


def store_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table so that it is there whole or not at all."""
    temporary = path.with_suffix(".tmp")
    table.to_parquet(temporary, index=False)
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
