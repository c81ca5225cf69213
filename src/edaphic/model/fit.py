"""One model of soil carbon: encoder and forests together, fitted and asked by layer.

The three-dimensional form is one forest with the upper and lower depth of the layer among its predictors; the other form has a
forest for each layer. Where the layers join up, the whole depth has a forest of its own, because quantiles of layers do not add
up; its mean, in contrast, is always the sum of the layers' means. It has no rows in the forest of the layers: leaves that held
both would pull the layers towards it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.features import Encoder, TargetMeans, design_matrix, make_encoder
from edaphic.model.forest import Forest, Settings, train
from edaphic.model.traverse import Prediction, predict
from edaphic.units import CM_PER_M

Interval = tuple[float, float]

FLAT = 1e-9
"""Values whose range is this small beside the largest are the same but for rounding: splines of one content everywhere."""


@dataclass(frozen=True)
class Target:
    """What a model is trained on and what it answers.

    ``column``: column of the layer table; ``quantity``: name in the names of maps; ``unit``: unit of answers; ``log``: trees grow
    on the logarithm; ``per_metre``: trained on a density in kg/m3, answered as a stock (density times thickness in metres).
    """

    name: str
    column: str
    quantity: str
    unit: str
    log: bool
    per_metre: bool

    def factor(self, layer: Interval) -> float:
        """From the trained value to the answer: the thickness in metres for densities, else 1."""
        return (layer[1] - layer[0]) / CM_PER_M if self.per_metre else 1.0


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for target in (
            Target("soc_stock", "soc_stock_kg_m2", "soc_stock", "kg/m2", log=False, per_metre=False),
            Target("log_soc_stock", "soc_stock_kg_m2", "soc_stock", "kg/m2", log=True, per_metre=False),
            Target("soc_density", "soc_density_kg_m3", "soc_stock", "kg/m2", log=False, per_metre=True),
            Target("log_soc_density", "soc_density_kg_m3", "soc_stock", "kg/m2", log=True, per_metre=True),
            Target("soc", "soc_g_kg", "soc", "g/kg", log=False, per_metre=False),
            Target("log_soc", "soc_g_kg", "soc", "g/kg", log=True, per_metre=False),
            Target("beta", "beta", "beta", "1", log=False, per_metre=False),
        )
    }
)


@dataclass(frozen=True)
class SoilModel:
    """A fitted model.

    ``forests`` holds one forest for all layers (three-dimensional form) or one for each, then that of ``whole``, the depth that
    the layers make together, or None where they do not join up or are only one.
    """

    name: str
    target: Target
    form: str
    layers: tuple[Interval, ...]
    whole: Interval | None
    encoder: Encoder
    forests: tuple[Forest, ...]
    settings: Settings
    seed: int
    facts: Mapping[str, float] = field(default_factory=dict)

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The layers, then the whole depth where there is one."""
        return self.layers + ((self.whole,) if self.whole else ())

    @property
    def covariates(self) -> tuple[str, ...]:
        """Covariates that it is asked with, in their order."""
        return self.encoder.covariates


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
    intervals = tuple(layers) + ((whole,) if whole else ())
    depth = form == "3d"
    encoder = make_encoder(
        points.loc[table.profiles],
        kinds,
        depth=depth,
        encoding=encoding,
        target_means=class_means(table, target, weights) if encoding == "ordered" else None,
    )
    features = design_matrix(encoder, points, list(table.profile_id), np.asarray(intervals)[table.interval])
    groups = [range(len(layers)), *([(len(layers),)] if whole else [])] if depth else [(i,) for i in range(len(intervals))]
    parts = [np.flatnonzero(np.isin(table.interval, list(group))) for group in groups]
    forests = []
    for i, rows in enumerate(parts):
        try:
            forests.append(
                train(
                    features[rows],
                    table.values[rows],
                    settings,
                    log=target.log,
                    seed=seed + i,
                    workers=workers,
                    weights=None if weights is None else weights[rows],
                )
            )
        except ModelError as fault:
            where = ", ".join(interval_name(intervals[j]) for j in groups[i]) + " cm"
            raise ModelError(f"{where}: {fault}") from fault
    return SoilModel(
        name, target, form, tuple(layers), whole, encoder, tuple(forests), settings, seed, {"raised": table.raised}
    )


def class_means(table: TrainingTable, target: Target, weights: NDArray[np.float64] | None = None) -> TargetMeans:
    """What ordered encoding learns the means of classes from: the target on the scale of the trees, by layer."""
    values = np.log(table.values) if target.log else table.values
    return TargetMeans(values, list(table.profile_id), table.interval, weights)


def answer(
    model: SoilModel,
    features: NDArray[np.float32],
    interval: int,
    levels: tuple[float, ...] = (),
    workers: int = 1,
) -> Prediction:
    """Predict one interval for rows of features, in the unit of the target's answers.

    Parameters
    ----------
    model : SoilModel
    features : float32 (n, q)
        As :meth:`Encoder.transform` gives them; the depth columns are filled here.
    interval : int
        Position among ``model.intervals``.
    levels : tuple of float
        Quantile levels.
    """
    whole = interval == len(model.layers)
    if model.form == "3d":
        features[:, -2:] = model.intervals[interval]
    forest = model.forests[-1 if whole else 0 if model.form == "3d" else interval]
    raw = predict(forest, features, levels, workers)
    factor = model.target.factor(model.intervals[interval])
    shift = np.log(factor) if model.target.log else 0.0
    scale = 1.0 if model.target.log else factor
    return Prediction(raw.mean * factor, raw.mean_fit * scale + shift, raw.spread * factor, raw.quantiles * factor)


def combine_means(target: Target, layers: Sequence[Interval], means: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean of the whole depth from the means of its layers.

    Stocks add up; contents are weighted by thickness.

    >>> combine_means(TARGETS["soc_stock"], [(0, 30), (30, 100)], [np.array([6.0]), np.array([4.0])])
    array([10.])
    """
    if target.quantity == "soc":
        thickness = np.array([bottom - top for top, bottom in layers])
        weighted = np.stack([t * m for t, m in zip(thickness, means, strict=True)])
        return np.asarray(weighted.sum(axis=0) / thickness.sum())
    return np.asarray(np.stack(list(means)).sum(axis=0))


def interval_name(interval: Interval) -> str:
    """``(0.0, 30.0)`` as ``0-30``.

    >>> interval_name((0.0, 30.0))
    '0-30'
    """
    return f"{interval[0]:g}-{interval[1]:g}"
