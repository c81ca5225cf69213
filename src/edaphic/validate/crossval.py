"""Predict what was held back, and say how good that was: out-of-fold predictions, permutation importance, score tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.model.fit import SoilModel, Target, TrainingTable, interval_name
from edaphic.model.traverse import predict
from edaphic.model.zones import AnyModel, Asked, ask, reply
from edaphic.validate.metrics import NET_SCORES, SCORES, bootstrap, scores
from edaphic.validate.probabilistic import crps_quantiles, curve_levels

LEVELS = curve_levels()
"""Levels of the quantiles that are kept of every held-out prediction: what curves of coverage over 5 to 99 % need."""


MOST_ERROR = 0.5
"""Share of the mean squared error that known errors of the observations may explain for net scores to be told."""


def level_name(level: float) -> str:
    """Column of a quantile before any adjustment.

    >>> level_name(0.05), level_name(0.025), level_name(0.5)
    ('raw_0.050', 'raw_0.025', 'raw_0.500')
    """
    return f"raw_{level:.3f}"


def predict_rows(
    model: AnyModel,
    table: TrainingTable,
    points: pd.DataFrame,
    levels: tuple[float, float],
    reference: TrainingTable,
    workers: int = 1,
    *,
    quantiles: bool = True,
) -> pd.DataFrame:
    """Predictions for rows of a training table.

    Parameters
    ----------
    model : SoilModel or ZonedModel
    table : TrainingTable
        Rows to predict.
    points : DataFrame
        Covariates by profile, indexed by ``profile_id``.
    levels : (low, high)
        Levels of the interval's limits.
    reference : TrainingTable
        Rows the model was trained on: their mean in each interval is what knowing the depth alone would predict.
    workers : int
    quantiles : bool
        False: means only, without ``q05_raw``, ``q50``, ``q95_raw`` and :data:`LEVELS`.

    Returns
    -------
    DataFrame
        One row per row of ``table``: ``profile_id``, ``top_cm``, ``bottom_cm``, ``observed``, ``error_sd`` (of the observation),
        ``predicted``, ``predicted_fit`` (on the scale of the trees), ``spread`` (of the trees), ``q05_raw``, ``q50``, ``q95_raw``,
        ``layer_mean``, ``layer_mean_fit``, and a column for each of :data:`LEVELS`. The whole depth is answered as in the maps: the sum of
        its layers (stocks) or their mean by thickness (contents), with quantiles from joint realisations of the layers.
    """
    intervals = np.asarray(model.intervals)
    cells = points.loc[list(table.profile_id), list(model.covariates)].to_numpy(dtype=np.float64)
    n = len(table.values)
    asked_levels = tuple(sorted({*LEVELS, *levels})) if quantiles else ()
    place = {level: i for i, level in enumerate(asked_levels)}
    columns = {"q05_raw": levels[0], "q50": 0.5, "q95_raw": levels[1]} | {level_name(level): level for level in LEVELS}
    columns = columns if quantiles else {}
    names = ("observed", "error_sd", "predicted", "predicted_fit", "spread", *list(columns)[:3], "layer_mean", "layer_mean_fit")
    out = {name: np.full(n, np.nan) for name in (*names, *columns)}
    for i, interval in enumerate(model.intervals):
        rows = np.flatnonzero(table.interval == i)
        if len(rows) == 0:
            continue
        known = reference.values[reference.interval == i]
        if len(known) == 0:
            raise ModelError(
                f"layer {interval_name(interval)}: a fold leaves no training profile; expected more profiles or fewer folds"
            )
        target, factor = model.target, model.target.factor(interval)
        asked = ask(model, cells[rows])
        said = reply(asked, i, asked_levels, workers)
        out["observed"][rows] = table.values[rows] * factor
        out["error_sd"][rows] = table.sd[rows] * (table.values[rows] if target.log else 1.0) * factor
        out["predicted"][rows] = said.mean
        out["predicted_fit"][rows] = said.mean_fit
        out["spread"][rows] = said.spread
        for name, level in columns.items():
            out[name][rows] = said.quantiles[:, place[level]]
        out["layer_mean"][rows] = known.mean() * factor
        out["layer_mean_fit"][rows] = np.log(known * factor).mean() if target.log else known.mean() * factor
    depths = intervals[table.interval]
    keys = {"profile_id": table.profile_id, "top_cm": depths[:, 0], "bottom_cm": depths[:, 1]}
    return pd.DataFrame(keys | out)


def permutation_importance(
    model: AnyModel, table: TrainingTable, points: pd.DataFrame, seed: int, workers: int = 1
) -> pd.DataFrame:
    """How much worse held-back rows are predicted when one covariate is shuffled among them.

    The columns of a class covariate are shuffled together, and so are the two depths (``depth``). Rows of the whole depth are
    left out. The error is measured on the scale on which the trees grow.

    Returns
    -------
    DataFrame
        ``feature``, ``rmse_increase``.
    """
    table = table.take(np.flatnonzero(table.interval < len(model.layers)))
    cells = points.loc[list(table.profile_id), list(model.covariates)].to_numpy(dtype=np.float64)
    observed = np.log(table.values) if model.target.log else table.values
    depth = np.asarray(model.intervals)[table.interval]

    def rmse(asked: Asked, depths: NDArray[np.float64]) -> float:
        return float(np.sqrt(np.mean((_on_trees(asked, table.interval, depths, workers) - observed) ** 2)))

    whole = ask(model, cells)
    base = rmse(whole, depth)
    rng = np.random.default_rng(seed)
    out = []
    for column, name in enumerate(model.covariates):
        shuffled = cells.copy()
        shuffled[:, column] = cells[rng.permutation(len(cells)), column]
        out.append((name, rmse(ask(model, shuffled), depth) - base))
    if model.form == "3d" and len(model.layers) > 1:
        out.append(("depth", rmse(whole, depth[rng.permutation(len(cells))]) - base))
    return pd.DataFrame(out, columns=["feature", "rmse_increase"])


def _on_trees(
    asked: Asked, interval: NDArray[np.int64], depth: NDArray[np.float64], workers: int
) -> NDArray[np.float64]:
    """Means on the scale of the trees, for rows of layers, each as if it lay at a depth of its own."""
    out = np.full(asked.size, np.nan)
    for model, rows, features in asked.parts:
        _fill(out, model, rows, features.copy(), interval, depth, workers)
    return out


def _fill(
    out: NDArray[np.float64],
    model: SoilModel,
    rows: NDArray[np.intp],
    features: NDArray[np.float32],
    interval: NDArray[np.int64],
    depth: NDArray[np.float64],
    workers: int,
) -> None:
    if model.form == "3d":
        features[:, -2:] = depth[rows]
        out[rows] = predict(model.forests[0], features, workers=workers).mean_fit
        return
    for i in np.unique(interval[rows]):
        own = np.flatnonzero(interval[rows] == i)
        out[rows[own]] = predict(model.forests[int(i)], features[own], workers=workers).mean_fit


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
        The columns of ``evidence/metrics.csv`` without ``design``. ``rmse_net`` and ``mec_net`` are free of the errors of the observations,
        NaN where these are not known or are said to be more than half of the squared error; ``crps`` is that of the quantiles, before any
        adjustment.
    """
    return pd.DataFrame([row for name, part in by_layer(table, whole) for row in _scored(part, name, target, draws, seed)])


def score_groups(
    table: pd.DataFrame, groups: Sequence[tuple[str, NDArray[np.bool_]]], target: Target, draws: int, seed: int
) -> pd.DataFrame:
    """Scores of named groups of rows: ``group``, and the columns of :func:`score_table`, on the natural scale."""
    rows = [
        {"group": name} | _scored(table[here], name, target, draws, seed)[0] for name, here in groups if int(here.sum()) > 1
    ]
    return pd.DataFrame(rows).drop(columns="layer", errors="ignore")


def _scored(part: pd.DataFrame, name: str, target: Target, draws: int, seed: int) -> list[dict[str, object]]:
    scales = [("natural", target.unit, part["observed"], part["predicted"], part["layer_mean"], part["error_sd"])]
    if target.log:
        ln = np.log(part["observed"])
        share = part["error_sd"] / part["observed"]
        scales.append(("log", f"ln({target.unit})", ln, part["predicted_fit"], part["layer_mean_fit"], share))
    levels = [level_name(level) for level in LEVELS]
    rows = []
    for scale, unit, observed, predicted, baseline, error in scales:
        sd = error.to_numpy() if bool((error > 0).any()) else None
        limits = bootstrap(observed, predicted, part["group"], draws, seed, error_sd=sd)
        row: dict[str, object] = {
            "scale": scale, "layer": name, "unit": unit, "n": len(part), "n_profiles": part["profile_id"].nunique()
        }  # fmt: skip
        found = scores(observed, predicted, error_sd=sd)
        for score in SCORES:
            row[score] = found[score]
            row[f"{score}_low"], row[f"{score}_high"] = limits[score]
        # Errors that are said to be most of the misfit leave no room for the soil: some of them are shared by neighbours, and then
        # they cannot be taken out as if they were independent.
        told = found.get("error_share", np.nan) <= MOST_ERROR
        row |= {score: found.get(score, np.nan) if told else np.nan for score in NET_SCORES}
        row["mec_layer_mean"] = scores(observed, baseline)["mec"]
        known = scale == "natural" and set(levels) <= set(part.columns)
        row["crps"] = float(crps_quantiles(part["observed"], part[levels], LEVELS)) if known else np.nan
        rows.append(row)
    return rows


def is_whole(table: pd.DataFrame, whole: tuple[float, float] | None) -> NDArray[np.bool_]:
    """Rows of the whole depth."""
    if whole is None:
        return np.zeros(len(table), dtype=bool)
    return ((table["top_cm"] == whole[0]) & (table["bottom_cm"] == whole[1])).to_numpy()


def by_layer(table: pd.DataFrame, whole: tuple[float, float] | None) -> Sequence[tuple[str, pd.DataFrame]]:
    """All layers together, each layer, and the whole depth, by name."""
    repeats = is_whole(table, whole)
    out = [("all layers", table[~repeats])]
    depth = table[["top_cm", "bottom_cm"]].to_numpy(dtype=float)
    for top, bottom in np.unique(depth[~repeats], axis=0):
        part = table[~repeats & (depth == (top, bottom)).all(axis=1)]
        out.append((f"{interval_name((float(top), float(bottom)))} cm", part))
    if whole is not None and repeats.any():
        out.append((f"whole {interval_name(whole)} cm", table[repeats]))
    return out
