"""What is known of the errors of climate surfaces: one row for each field, and one for each station of each field."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edaphic.covariates.climate.factor import THREADS
from edaphic.covariates.climate.model import Model, weights_of
from edaphic.covariates.climate.spline import Floats
from edaphic.covariates.climate.transform import back_all, forward_all
from edaphic.covariates.climate.withheld import (
    Folds,
    block_folds,
    nearest_withheld,
    predict_withheld,
    random_folds,
    regression_withheld,
    score,
)
from edaphic.progress import Say, quiet

DESIGNS = ("random", "block")
METHODS = ("spline", "nearest", "regression")


def evidence(model: Model, folds: int = 10, say: Say = quiet, threads: int = THREADS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Errors of the fields of a model.

    Parameters
    ----------
    model : Model
    folds : int
        Parts of the stations that are withheld in turn: by chance (``random``), and as blocks of stations near each other (``block``). The
        smoothing is chosen anew for each. 0 withholds nothing.
    say : callable
    threads : int
        Folds at a time.

    Returns
    -------
    fields : DataFrame, one row for each field
        field, n, elevation, order, coordinates, transform, smoothing, df (effective degrees of freedom), share_df (of n), lam, gcv, sigma
        (of the noise, on the scale of the spline), loo_rmse and loo_bias (leave-one-out at the same smoothing), then RMSE and bias of each
        design for the spline, the nearest station and the regression on elevation, lapse_per_km (where elevation is linear), note.
        Errors are predicted less observed, in the unit of the values.
    stations : DataFrame, one row for each station and field
        station_id, lon, lat, elevation_m, field, observed, fitted, leverage, left_out, random, block (predictions withheld).
    """
    predicted = {design: _withheld(model, design, folds, say, threads) for design in DESIGNS} if folds else {}
    return _fields(model, predicted), _stations(model, predicted)


def _fold_of(model: Model, design: str, folds: int) -> Folds:
    count = len(model.stations.ids)
    if design == "random":
        return random_folds(count, min(folds, count))
    return block_folds(model.places.plane_km(model.stations.lon, model.stations.lat), folds)


def _withheld(model: Model, design: str, folds: int, say: Say, threads: int) -> dict[str, Floats]:
    say(f"stations withheld, {design}", DESIGNS.index(design), len(DESIGNS))
    fold, stations, how = _fold_of(model, design, folds), model.stations, model.how
    spline = predict_withheld(
        model.splines.basis,
        model.points,
        forward_all(stations.values, model.transforms),
        fold,
        how.smoothing,
        weights_of(stations, how),
        None
        if set(model.transforms) == {"none"}
        else lambda values, spread, able: back_all(values, spread, [model.transforms[k] for k in able]),
        threads,
    )
    return {
        "spline": spline,
        "nearest": nearest_withheld(model.places.globe(stations.lon, stations.lat), stations.values, fold),
        "regression": regression_withheld(stations.elevation_m, stations.values, fold),
    }


def _fields(model: Model, predicted: dict[str, dict[str, Floats]]) -> pd.DataFrame:
    rows = []
    values, left_out, lam = model.stations.values, model.left_out, model.splines.lam
    for k, name in enumerate(model.names):
        choice, loo = model.splines.choices[k], score(values[:, k], left_out[:, k])
        n = int(np.isfinite(values[:, k]).sum())
        row: dict[str, object] = {
            "field": name,
            "n": n,
            "elevation": model.how.elevation,
            "order": model.how.order,
            "coordinates": model.places.metric,
            "transform": model.transforms[k],
            "smoothing": model.how.smoothing if isinstance(model.how.smoothing, str) else "fixed",
            "df": choice.df,
            "share_df": choice.df / n,
            "lam": lam[k],
            "gcv": choice.gcv,
            "sigma": float(np.sqrt(choice.variance)),
            "loo_rmse": loo.rmse,
            "loo_bias": loo.bias,
        }
        for design, methods in predicted.items():
            for method in METHODS:
                one = score(values[:, k], methods[method][:, k])
                row |= {f"{design}_{method}_rmse": one.rmse, f"{design}_{method}_bias": one.bias}
        linear = model.splines.slopes[0, k] if model.places.covariates and model.transforms[k] == "none" else np.nan
        rows.append(row | {"lapse_per_km": linear, "note": choice.note})
    return pd.DataFrame(rows)


def _stations(model: Model, predicted: dict[str, dict[str, Floats]]) -> pd.DataFrame:
    stations, parts = model.stations, []
    fitted, left_out = model.fitted, model.left_out
    for k, name in enumerate(model.names):
        table = pd.DataFrame(
            {
                "station_id": stations.ids,
                "lon": stations.lon,
                "lat": stations.lat,
                "elevation_m": stations.elevation_m,
                "field": name,
                "observed": stations.values[:, k],
                "years": stations.years[:, k],
                "fitted": fitted[:, k],
                "leverage": model.splines.leverage[:, k],
                "left_out": left_out[:, k],
            }
        )
        for design, methods in predicted.items():
            table[design] = methods["spline"][:, k]
        parts.append(table[np.isfinite(stations.values[:, k])])
    return pd.concat(parts, ignore_index=True)
