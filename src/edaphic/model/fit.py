"""Fit a model of soil carbon: rows of the layer table become encoder and forests.

Rows of the whole depth train nothing: they are kept for the evidence, where what is predicted for the whole is compared with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.answering import Answers, answer, answer_layers, learn_error_prior
from edaphic.model.depth_errors import layer_correlation
from edaphic.model.features import TargetMeans, design_matrix, make_encoder
from edaphic.model.forest import FEWEST_ROWS, Forest, Settings, train_oob
from edaphic.model.soil import TARGETS, Interval, SoilModel, Target, combine_means, interval_name

__all__ = [
    "TARGETS", "Answers", "Interval", "SoilModel", "Target", "TrainingTable", "answer", "answer_layers", "class_means", "combine_means",
    "fit", "interval_name", "training_table", "valued_rows",
]  # fmt: skip

FLAT = 1e-9
"""Values whose range is this small beside the largest are the same but for rounding: splines of one content everywhere."""
ASIDE = 100
"""Trees of a forest that tells how the errors of layers go together, and nothing else."""
BETWEEN = 500
"""Cells that the prior of the standard errors is learned from."""


@dataclass(frozen=True)
class TrainingTable:
    """Rows to train on: one per profile and interval.

    ``profile_id`` (n,), ``interval`` (n,) position among the intervals, ``values`` (n,) in the unit of the target's column,
    ``raised``: rows at or below zero that were set to half of the smallest positive value (logarithmic targets only). ``weight`` (n,):
    weight that the source gives the row, 1 where it gives none; ``sd`` (n,): standard deviation of the error of the value, on the
    scale of the trees, 0 where it is not known.
    """

    profile_id: NDArray[np.object_]
    interval: NDArray[np.int64]
    values: NDArray[np.float64]
    raised: int
    weight: NDArray[np.float64]
    sd: NDArray[np.float64]

    def take(self, rows: NDArray[np.int64]) -> TrainingTable:
        """Some of the rows."""
        return TrainingTable(
            self.profile_id[rows], self.interval[rows], self.values[rows], 0, self.weight[rows], self.sd[rows]
        )

    @property
    def profiles(self) -> list[str]:
        """Profiles in order of first appearance."""
        return list(pd.unique(self.profile_id))


def training_table(
    layers: pd.DataFrame, complete: Sequence[str], intervals: Sequence[Interval], target: Target
) -> TrainingTable:
    """Rows of the layer table that can train a model.

    Parameters
    ----------
    layers : DataFrame
        Layer table; rows whose value is NaN are left out. ``value_sd`` (error of the stock, kg/m2) and ``weight`` are taken where they are
        there.
    complete : sequence of str
        Profiles that have a value of every covariate.
    intervals : sequence of (top_cm, bottom_cm)
    target : Target

    Raises
    ------
    ModelError
        Nothing is left, or fewer than ten profiles.
    """
    table = valued_rows(layers, complete, intervals, target)
    profiles = len(table.profiles)
    if profiles < 10:
        raise ModelError(f"training table: {profiles} profiles with a layer value and all covariates; expected at least 10")
    if np.ptp(table.values) <= FLAT * np.abs(table.values).max():
        raise ModelError(
            f"training table: {target.column} is {table.values[0]:g} in all {len(table.values)} rows; expected values that differ"
        )
    return table


def valued_rows(
    layers: pd.DataFrame, complete: Sequence[str], intervals: Sequence[Interval], target: Target
) -> TrainingTable:
    """Rows of the layer table that have a value, as :func:`training_table`, however few.

    Raises
    ------
    ModelError
        Weights that are not above 0.
    """
    number = {interval: i for i, interval in enumerate(intervals)}
    position = [number.get(key, -1) for key in zip(layers["top_cm"], layers["bottom_cm"], strict=True)]
    use = (np.asarray(position, dtype=np.int64) >= 0) & layers[target.column].notna().to_numpy()
    use &= layers["profile_id"].isin(set(complete)).to_numpy()
    values = layers[target.column].to_numpy(dtype=np.float64)[use]
    ids = layers["profile_id"].to_numpy(dtype=object)[use]
    raised = 0
    if target.log and (values > 0).any() and values.min() <= 0:
        positive = values > 0
        raised = int(np.sum(~positive))
        values = np.where(positive, values, values[positive].min() / 2)
    rows = layers[use]
    weight = rows["weight"].to_numpy(dtype=np.float64) if "weight" in rows else np.ones(len(rows))
    bad = np.flatnonzero(~(np.isfinite(weight) & (weight > 0)))
    if len(bad):
        raise ModelError(
            f"weight: {weight[bad[0]]:g} at profile {ids[bad[0]]} and {len(bad) - 1} other rows; expected numbers above 0"
        )
    return TrainingTable(ids, np.asarray(position, dtype=np.int64)[use], values, raised, weight, _error_sd(rows, values, target))


def _error_sd(rows: pd.DataFrame, values: NDArray[np.float64], target: Target) -> NDArray[np.float64]:
    """Error of each value on the scale of the trees: that of the stock, in proportion; 0 where it is not known."""
    if "value_sd" not in rows or "soc_stock_kg_m2" not in rows or target.quantity == "beta":
        return np.zeros(len(rows))
    stock = rows["soc_stock_kg_m2"].to_numpy(dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.nan_to_num(rows["value_sd"].to_numpy(dtype=np.float64) / stock, nan=0.0, posinf=0.0)
    return np.asarray(share if target.log else share * values)


def fit(
    table: TrainingTable,
    points: pd.DataFrame,
    kinds: Mapping[str, str],
    *,
    name: str,
    target: Target,
    form: str,
    layers: Sequence[Interval],
    whole: Interval | None,
    settings: Settings,
    seed: int,
    workers: int = 1,
    encoding: Literal["onehot", "ordered"] = "onehot",
    weights: NDArray[np.float64] | None = None,
) -> SoilModel:
    """Fit a model to training rows.

    Parameters
    ----------
    table : TrainingTable
    points : DataFrame
        Covariates by profile, indexed by ``profile_id``; only the columns to use.
    kinds : mapping
        ``continuous`` or ``class`` for each column of ``points``.
    form : {"3d", "layers"}
    layers : sequence of (top_cm, bottom_cm)
    whole : (top_cm, bottom_cm) or None
    settings : Settings
    seed, workers : int
    encoding : {"onehot", "ordered"}
        How classes become numbers.
    weights : array (n,), optional
        Weight of each row; all alike where left out.
    """
    single = np.flatnonzero(table.interval < len(layers))
    raised, table = table.raised, table.take(single)
    weights = None if weights is None else weights[single]
    depth = form == "3d"
    encoder = make_encoder(
        points.loc[table.profiles],
        kinds,
        depth=depth,
        encoding=encoding,
        target_means=class_means(table, target, weights) if encoding == "ordered" else None,
    )
    features = design_matrix(encoder, points, list(table.profile_id), np.asarray(layers)[table.interval])
    rows = _Rows(features, table.values, table.interval, pd.factorize(table.profile_id)[0].astype(np.int64), weights)
    own = [tuple(range(len(layers)))] if depth else [(i,) for i in range(len(layers))]
    forests, errors = [], np.full(len(table.values), np.nan)
    for i, group in enumerate(own):
        here = np.flatnonzero(np.isin(table.interval, group))
        try:
            forest, errors[here] = rows.take(here).grow(settings, target, seed + i, workers)
        except ModelError as fault:
            where = ", ".join(interval_name(layers[j]) for j in group) + " cm"
            raise ModelError([f"{where}: {line}" for line in fault.faults]) from fault
        forests.append(forest)
    model = SoilModel(name, target, form, tuple(layers), whole, encoder, tuple(forests), settings, seed, {"raised": raised})
    if len(layers) > 1 and depth and settings.little_bags == 0:
        errors = _errors_by_profile(rows, settings, target, seed, workers)
    correlation, notes = layer_correlation(_by_layer(errors, rows, len(layers)))
    prior = model.se_prior
    if settings.little_bags:
        known = points.loc[table.profiles, list(encoder.covariates)].to_numpy(dtype=np.float64)
        prior = learn_error_prior(model, encoder.transform(cells_between(known, encoder.covariates, kinds, seed)))
    return replace(model, depth_correlation=correlation, se_prior=prior, notes=tuple(notes))


def cells_between(
    profiles: NDArray[np.float64], names: Sequence[str], kinds: Mapping[str, str], seed: int
) -> NDArray[np.float64]:
    """Covariates half way between pairs of profiles drawn at random, classes of the first: float64 (m, q).

    They stand for the cells of a map, which trees know less of than of the profiles themselves: at a profile the bags that hold it and
    those that do not differ more than elsewhere, and a prior learned there made standard errors 14 to 27 % too large.
    """
    rng = np.random.default_rng([seed % 2**32, len(profiles)])
    first = rng.integers(0, len(profiles), BETWEEN)
    second = (first + rng.integers(1, max(2, len(profiles)), BETWEEN)) % len(profiles)
    classes = np.array([kinds[name] == "class" for name in names])
    return np.where(classes, profiles[first], (profiles[first] + profiles[second]) / 2)


@dataclass(frozen=True)
class _Rows:
    """Rows that train: features (n, q), values, layers, numbers of profiles (n,), weights (n,) or None."""

    features: NDArray[np.float32]
    values: NDArray[np.float64]
    interval: NDArray[np.int64]
    profile: NDArray[np.int64]
    weights: NDArray[np.float64] | None

    def take(self, rows: NDArray[np.int64]) -> _Rows:
        """Some of the rows."""
        weights = None if self.weights is None else self.weights[rows]
        return _Rows(self.features[rows], self.values[rows], self.interval[rows], self.profile[rows], weights)

    def grow(self, settings: Settings, target: Target, seed: int, workers: int) -> tuple[Forest, NDArray[np.float64]]:
        """A forest, and the errors of its out-of-bag means on the scale of the trees."""
        forest, said = train_oob(
            self.features, self.values, settings, log=target.log, seed=seed, workers=workers, weights=self.weights, groups=self.profile
        )
        return forest, (np.log(self.values) if target.log else self.values) - said


def _errors_by_profile(rows: _Rows, settings: Settings, target: Target, seed: int, workers: int) -> NDArray[np.float64]:
    """Errors of rows at trees that saw no row of their profile; NaN where there are too few profiles.

    A bootstrap of rows leaves hardly any such tree, so a small forest of little bags is grown beside the model.
    """
    if len(np.unique(rows.profile)) < FEWEST_ROWS:
        return np.full(len(rows.values), np.nan)
    return rows.grow(replace(settings, trees=ASIDE, little_bags=2), target, seed, workers)[1]


def _by_layer(errors: NDArray[np.float64], rows: _Rows, layers: int) -> NDArray[np.float64]:
    """Errors as a table of profiles and layers, NaN where a profile lacks a layer."""
    out = np.full((int(rows.profile.max()) + 1, layers), np.nan)
    out[rows.profile, rows.interval] = errors
    return out


def class_means(table: TrainingTable, target: Target, weights: NDArray[np.float64] | None = None) -> TargetMeans:
    """What ordered encoding learns the means of classes from: the target on the scale of the trees, by layer."""
    values = np.log(table.values) if target.log else table.values
    return TargetMeans(values, list(table.profile_id), table.interval, weights)
