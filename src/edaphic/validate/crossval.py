"""Refit and predict what was held back: out-of-fold predictions and permutation importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.features import design_matrix
from edaphic.model.fit import SoilModel, Target, TrainingTable, answer, combine_means, fit, interval_name
from edaphic.model.forest import Settings
from edaphic.model.traverse import predict
from edaphic.validate.calibration import coverage_table, deciles
from edaphic.validate.metrics import SCORES, bootstrap, scores

MIDDLE = 0.5


@dataclass(frozen=True)
class Plan:
    """All that a refit needs beside its rows; the same for each fold and for the final model."""

    points: pd.DataFrame
    kinds: Mapping[str, str]
    name: str
    target: Target
    form: str
    layers: tuple[tuple[float, float], ...]
    whole: tuple[float, float] | None
    settings: Settings
    seed: int
    workers: int

    def fit(self, table: TrainingTable) -> SoilModel:
        """Fit to some rows."""
        return fit(
            table,
            self.points,
            self.kinds,
            name=self.name,
            target=self.target,
            form=self.form,
            layers=self.layers,
            whole=self.whole,
            settings=self.settings,
            seed=self.seed,
            workers=self.workers,
        )


def predict_rows(
    model: SoilModel, plan: Plan, table: TrainingTable, levels: tuple[float, float], reference: TrainingTable
) -> pd.DataFrame:
    """Predictions for rows of a training table.

    Parameters
    ----------
    model : SoilModel
    plan : Plan
    table : TrainingTable
        Rows to predict.
    levels : (low, high)
        Levels of the interval's limits.
    reference : TrainingTable
        Rows the model was trained on: their mean in each interval is what knowing the depth alone would predict.

    Returns
    -------
    DataFrame
        One row per row of ``table``: ``profile_id``, ``top_cm``, ``bottom_cm``, ``observed``, ``predicted``, ``predicted_fit`` (on
        the scale of the trees), ``q05_raw``, ``q50``, ``q95_raw``, ``layer_mean``, ``layer_mean_fit``. The prediction of the whole depth is
        the sum of its layers (stocks), or their mean by thickness (contents).
    """
    intervals = np.asarray(model.intervals)
    features = design_matrix(model.encoder, plan.points, list(table.profile_id), intervals[table.interval])
    n = len(table.values)
    out = {
        name: np.full(n, np.nan)
        for name in ("observed", "predicted", "predicted_fit", "q05_raw", "q50", "q95_raw", "layer_mean", "layer_mean_fit")
    }
    for i, interval in enumerate(model.intervals):
        rows = np.flatnonzero(table.interval == i)
        if len(rows) == 0:
            continue
        known = reference.values[reference.interval == i]
        if len(known) == 0:
            raise ModelError(
                f"layer {interval_name(interval)}: a fold leaves no training profile; expected more profiles or fewer folds"
            )
        factor = plan.target.factor(interval)
        said = answer(model, features[rows], i, (levels[0], MIDDLE, levels[1]), plan.workers)
        out["observed"][rows] = table.values[rows] * factor
        out["predicted"][rows] = said.mean
        out["predicted_fit"][rows] = said.mean_fit
        out["q05_raw"][rows], out["q50"][rows], out["q95_raw"][rows] = said.quantiles.T
        out["layer_mean"][rows] = known.mean() * factor
        out["layer_mean_fit"][rows] = np.log(known * factor).mean() if plan.target.log else known.mean() * factor
        if interval == model.whole:
            means = [answer(model, features[rows], j, (), plan.workers).mean for j in range(len(model.layers))]
            out["predicted"][rows] = combine_means(plan.target, model.layers, means)
    depths = intervals[table.interval]
    keys = {"profile_id": table.profile_id, "top_cm": depths[:, 0], "bottom_cm": depths[:, 1]}
    return pd.DataFrame(keys | out)


def permutation_importance(
    model: SoilModel, plan: Plan, table: TrainingTable, seed: int
) -> pd.DataFrame:
    """How much worse held-back rows are predicted when one covariate is shuffled among them.

    The columns of a class covariate are shuffled together, and so are the two depths (``depth``). Rows of the whole depth are
    left out. The error is measured on the scale on which the trees grow.

    Returns
    -------
    DataFrame
        ``feature``, ``rmse_increase``.
    """
    rows = np.flatnonzero(table.interval < len(model.layers))
    table = table.take(rows)
    intervals = np.asarray(model.intervals)
    features = design_matrix(model.encoder, plan.points, list(table.profile_id), intervals[table.interval])
    observed = np.log(table.values) if plan.target.log else table.values
    sources = np.array(["depth" if name in ("top_cm", "bottom_cm") else name for name in model.encoder.sources])

    def rmse(values: NDArray[np.float32]) -> float:
        parts = [np.arange(len(values))] if model.form == "3d" else [
            np.flatnonzero(table.interval == i) for i in range(len(model.layers))
        ]
        square = 0.0
        for forest, part in zip(model.forests, parts, strict=False):
            error = predict(forest, values[part], workers=plan.workers).mean_fit - observed[part]
            square += float(np.sum(error**2))
        return float(np.sqrt(square / len(values)))

    base = rmse(features)
    rng = np.random.default_rng(seed)
    out = []
    for name in dict.fromkeys(sources):
        columns = np.flatnonzero(sources == name)
        shuffled = features.copy()
        shuffled[:, columns] = features[np.ix_(rng.permutation(len(features)), columns)]
        out.append((name, rmse(shuffled) - base))
    return pd.DataFrame(out, columns=["feature", "rmse_increase"])


def score_table(
    table: pd.DataFrame, target: Target, whole: tuple[float, float] | None, draws: int, seed: int
) -> pd.DataFrame:
    """Scores of one design, over all layers and within each, on the natural scale and on that of the trees.

    Parameters
    ----------
    table : DataFrame
        Out-of-fold predictions of one design with ``group`` (the place or block that the bootstrap draws).
    target : Target
    whole : (top_cm, bottom_cm) or None
        Its rows are not part of "all layers": they repeat them.
    draws, seed : int
        Bootstrap.

    Returns
    -------
    DataFrame
        The columns of ``evidence/metrics.csv`` without ``design``.
    """
    rows = []
    for name, part in _by_layer(table, whole):
        scales = [("natural", target.unit, part["observed"], part["predicted"], part["layer_mean"])]
        if target.log:
            ln = np.log(part["observed"])
            scales.append(("log", f"ln({target.unit})", ln, part["predicted_fit"], part["layer_mean_fit"]))
        for scale, unit, observed, predicted, baseline in scales:
            limits = bootstrap(observed, predicted, part["group"], draws, seed)
            row = {"scale": scale, "layer": name, "unit": unit, "n": len(part), "n_profiles": part["profile_id"].nunique()}
            for score, value in scores(observed, predicted).items():
                row[score] = value
                row[f"{score}_low"], row[f"{score}_high"] = limits[score]
            row["mec_layer_mean"] = scores(observed, baseline)["mec"]
            rows.append(row)
    columns = ["scale", "layer", "unit", "n", "n_profiles"]
    columns += [name for score in SCORES for name in (score, f"{score}_low", f"{score}_high")]
    return pd.DataFrame(rows)[[*columns, "mec_layer_mean"]]


def calibration_table(table: pd.DataFrame, whole: tuple[float, float] | None, nominal: float) -> pd.DataFrame:
    """Coverage over all layers, within each, and by decile of the prediction (whole depth left out there)."""
    groups = []
    for name, part in _by_layer(table, whole):
        groups.append((name, table.index.isin(part.index)))
    single = ~_is_whole(table, whole)
    decile = np.zeros(len(table), dtype=np.int64)
    decile[single] = deciles(table.loc[single, "predicted"].to_numpy())
    groups += [(f"decile {d}", decile == d) for d in range(1, 11)]
    return coverage_table(table, groups, nominal)


def _is_whole(table: pd.DataFrame, whole: tuple[float, float] | None) -> NDArray[np.bool_]:
    if whole is None:
        return np.zeros(len(table), dtype=bool)
    return ((table["top_cm"] == whole[0]) & (table["bottom_cm"] == whole[1])).to_numpy()


def _by_layer(table: pd.DataFrame, whole: tuple[float, float] | None) -> Sequence[tuple[str, pd.DataFrame]]:
    is_whole = _is_whole(table, whole)
    out = [("all layers", table[~is_whole])]
    depth = table[["top_cm", "bottom_cm"]].to_numpy(dtype=float)
    for top, bottom in np.unique(depth[~is_whole], axis=0):
        part = table[~is_whole & (depth == (top, bottom)).all(axis=1)]
        out.append((f"{interval_name((float(top), float(bottom)))} cm", part))
    if whole is not None and is_whole.any():
        out.append((f"whole {interval_name(whole)} cm", table[is_whole]))
    return out
