"""Models grown on bootstrap samples of profiles: how much a forest owes to the profiles that happened to be sampled.

Each sample draws as many profiles as there are, with replacement; all layers of a profile go together. A profile that is drawn twice has
twice the weight, which counts in splits and means; a leaf still needs as many different rows as the settings say. Covariates and settings
are those of the final model. Only means are asked of these forests, so the values in their leaves are not kept.
"""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.features import Encoder, design_matrix, make_encoder
from edaphic.model.fit import TrainingTable, class_means
from edaphic.model.forest import train
from edaphic.model.soil import TARGETS, SoilModel
from edaphic.model.structure import Forest, Settings
from edaphic.model.traverse import Wish, traverse
from edaphic.model.zones import AnyModel, ZonedModel, ask, base_of

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, struct.error, zipfile.BadZipFile)
"""What the reading of a damaged archive may raise."""

_KEPT = ("roots", "feature", "threshold", "left", "right", "leaf_mean", "leaf_mean_fit", "importance")


@dataclass(frozen=True)
class Resampling:
    """What bootstrap models are made of.

    ``table``: rows of the layers, none of the whole depth; ``points``: covariates by profile; ``kinds``: continuous or class, by covariate;
    ``model``: the final model, whose covariates, settings and zones they have; ``weights``: of the rows, None where all count alike;
    ``trees``: of each forest; ``encoding`` of classes.
    """

    table: TrainingTable
    points: pd.DataFrame
    kinds: Mapping[str, str]
    model: AnyModel
    weights: NDArray[np.float64] | None
    trees: int
    seed: int
    encoding: Literal["onehot", "ordered"] = "onehot"


def counts_of(profiles: int, seed: int, number: int) -> NDArray[np.int64]:
    """How often each profile is drawn for the forest of a number; they add up to the number of profiles.

    >>> int(counts_of(100, 1, 0).sum()), bool((counts_of(100, 1, 0) == counts_of(100, 1, 1)).all())
    (100, False)
    """
    drawn = np.random.default_rng([seed, 26, number]).integers(0, profiles, profiles)
    return np.bincount(drawn, minlength=profiles)


def bootstrap_model(given: Resampling, number: int, workers: int = 1) -> tuple[AnyModel, list[int]]:
    """The model of one bootstrap sample.

    Parameters
    ----------
    given : Resampling
    number : int
        Number of the sample, from 0; a number and a seed make one model.
    workers : int
        Threads.

    Returns
    -------
    (model, zones) : the model, and the zones whose sample was too poor for a forest; there the forest of all cells answers.

    Raises
    ------
    ModelError
        The sample is too poor for a forest of all cells.
    """
    table = given.table
    names = table.profiles
    count = counts_of(len(names), given.seed, number)
    own = count[pd.Index(names).get_indexer(pd.Index(table.profile_id))].astype(np.float64)
    own *= 1.0 if given.weights is None else given.weights
    start = int(np.random.SeedSequence([given.seed, 27, number]).generate_state(1)[0])
    everywhere = _fit(given, np.flatnonzero(own > 0), own, base_of(given.model), start, workers)
    if not isinstance(given.model, ZonedModel):
        return everywhere, []
    code = given.points[given.model.zone].loc[list(table.profile_id)].to_numpy()
    parts, poor = [], []
    for i, (zone, final) in enumerate(given.model.models):
        try:
            parts.append((zone, _fit(given, np.flatnonzero((own > 0) & (code == zone)), own, final, start + 1000 * (i + 1), workers)))
        except ModelError:
            poor.append(zone)
    return replace(given.model, models=tuple(parts), everywhere=everywhere), poor


def _fit(
    given: Resampling, rows: NDArray[np.intp], weights: NDArray[np.float64], final: SoilModel, seed: int, workers: int
) -> SoilModel:
    """As :func:`edaphic.model.fit.fit`, without what only quantiles need."""
    if not len(rows):
        raise ModelError("training table: no rows; expected at least 10")
    table, weights = given.table.take(rows), weights[rows]
    points, depth = given.points[list(final.covariates)], final.form == "3d"
    ordered = given.encoding == "ordered"
    encoder = make_encoder(
        points.loc[table.profiles],
        given.kinds,
        depth=depth,
        encoding=given.encoding,
        target_means=class_means(table, final.target, weights) if ordered else None,
    )
    features = design_matrix(encoder, points, list(table.profile_id), np.asarray(final.layers)[table.interval])
    settings = replace(final.settings, trees=given.trees, little_bags=0)
    own = [np.arange(len(rows))] if depth else [np.flatnonzero(table.interval == i) for i in range(len(final.layers))]
    forests = [
        train(features[some], table.values[some], settings, log=final.target.log, seed=seed + i, workers=workers, weights=weights[some])
        for i, some in enumerate(own)
    ]
    return SoilModel(final.name, final.target, final.form, final.layers, None, encoder, tuple(forests), settings, seed)


def layer_means(model: AnyModel, cells: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of the trees for the layers of cells, before thickness.

    Parameters
    ----------
    model : SoilModel or ZonedModel
    cells : array (n, number of covariates)
        In the order of ``model.covariates``.

    Returns
    -------
    (mean, fit) : float64 (L, n), in the unit of the training values, and on the scale of the trees.
    """
    asked = ask(model, cells)
    shape = (len(model.layers), asked.size)
    mean, fitted = np.empty(shape), np.empty(shape)
    for part, rows, features in asked.parts:
        if part.form == "3d":
            depths = np.asarray(part.layers, dtype=np.float32)
            said = traverse(part.forests[0], np.ascontiguousarray(features[:, :-2].T), depths, Wish())
            mean[:, rows], fitted[:, rows] = said.mean[: shape[0]], said.mean_fit[: shape[0]]
            continue
        columns = np.ascontiguousarray(features.T)
        for i in range(shape[0]):
            said = traverse(part.forests[i], columns, None, Wish())
            mean[i, rows], fitted[i, rows] = said.mean[0], said.mean_fit[0]
    return mean, fitted


def save_means(path: Path, model: AnyModel) -> None:
    """Keep what a model needs for its means: arrays and text. Under its name only once it is on disk."""
    parts: list[tuple[str, SoilModel]] = [("all", base_of(model))]
    if isinstance(model, ZonedModel):
        parts += [(str(code), part) for code, part in model.models]
    base = base_of(model)
    words = {
        "name": base.name, "target": base.target.name, "form": base.form, "layers": base.layers, "settings": asdict(base.settings),
        "zone": model.zone if isinstance(model, ZonedModel) else None,
        "counts": model.counts if isinstance(model, ZonedModel) else [],
        "parts": [{"label": label, "encoder": part.encoder.to_dict(), "forests": len(part.forests)} for label, part in parts],
    }  # fmt: skip
    arrays = {
        f"{label}_{i}_{name}": getattr(forest, name) for label, part in parts for i, forest in enumerate(part.forests) for name in _KEPT
    }
    arrays["words"] = np.frombuffer(json.dumps(words).encode("utf-8"), dtype=np.uint8)
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load_means(path: Path) -> AnyModel:
    """A model that :func:`save_means` kept; it has no quantiles.

    Raises
    ------
    ModelError
        The file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            words = json.loads(arrays["words"].tobytes().decode("utf-8"))
            models = {part["label"]: _part(words, part, arrays) for part in words["parts"]}
    except _UNREADABLE as fault:
        raise ModelError(
            f"{path}: not a readable bootstrap forest ({fault}); expected one that this run grew: the same command grows it again"
        ) from fault
    if words["zone"] is None:
        return models["all"]
    zones: Sequence[tuple[int, SoilModel]] = [(int(label), part) for label, part in models.items() if label != "all"]
    return ZonedModel(words["zone"], tuple(zones), models["all"], tuple((int(code), int(n)) for code, n in words["counts"]))


def _part(words: Any, part: Any, arrays: Mapping[str, Any]) -> SoilModel:
    target = TARGETS[words["target"]]
    return SoilModel(
        name=words["name"],
        target=target,
        form=words["form"],
        layers=tuple((float(top), float(bottom)) for top, bottom in words["layers"]),
        whole=None,
        encoder=Encoder.from_dict(part["encoder"]),
        forests=tuple(_forest({name: arrays[f"{part['label']}_{i}_{name}"] for name in _KEPT}, target.log) for i in range(part["forests"])),
        settings=Settings(**words["settings"]),
        seed=0,
    )


def _forest(kept: Mapping[str, Any], log: bool) -> Forest:
    """A forest whose leaves hold no values."""
    return Forest(
        **kept,
        leaf_start=np.zeros(len(kept["leaf_mean"]) + 1, dtype=np.int64),
        member_rank=np.empty(0, dtype=np.int32),
        member_share=np.empty(0, dtype=np.float32),
        values=np.empty(0),
        log=log,
    )
