"""Thin-plate smoothing splines against the R package fields 14.1, its stored results for Colorado; every variable and model.

Two comparisons. At the peer's effective degrees of freedom both sides solve the same equations: fit, leverage, surface, standard error and
the leave-one-out error agree to 2e-6 (the values are stored to about seven digits). With the smoothing chosen on each side, GCV is flat
around its minimum and the peer ends its search early: our GCV is never above the peer's by more than 1e-6 of it, and where both have a
minimum inside the range the degrees of freedom agree to 1 % and the surfaces to 0.02 of the spread of the stations.

The peer's standard errors use the likelihood estimate of the variance with the divisor n; ours has n less the terms without penalty, so
theirs are multiplied by sqrt(n / (n - p)). Smoothing parameters agree as well, because both use the constants of Wahba (1990).
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edaphic.covariates.climate.basis import Basis, basis_for
from edaphic.covariates.climate.spline import Splines, fit
from edaphic.covariates.climate.withheld import predict_withheld

VARIABLES = ("tmax_jul", "tmax_apr", "tmin_jan", "ppt_ann")
MODELS = {
    "bivariate": (2, 2),
    "covariate": (2, 2),
    "trivariate": (2, 3),
    "trivariate_scaled8": (2, 3),
    "trivariate_m3": (3, 3),
    "bivariate_rangescaled": (2, 2),
}
NO_MINIMUM = {
    ("tmax_jul", "bivariate"),
    ("tmax_jul", "bivariate_rangescaled"),
    ("tmax_apr", "bivariate"),
    ("tmin_jan", "trivariate"),
    ("tmin_jan", "trivariate_m3"),
}
CASES = [(variable, model) for variable in VARIABLES for model in MODELS]


@lru_cache(maxsize=32)
def read(folder: Path, variable: str) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    stations, grid = (pd.read_csv(folder / f"{variable}_{what}.csv") for what in ("stations", "grid"))
    return stations, grid, json.loads((folder / f"{variable}.json").read_text())


def points(table: pd.DataFrame, stations: pd.DataFrame, model: str) -> np.ndarray:
    """Coordinates as the peer was given them: degrees, and elevation in km."""
    places, km = table[["lon", "lat"]].to_numpy(dtype=float), table["elev_m"].to_numpy(dtype=float) / 1000
    if model == "bivariate":
        return places
    if model == "bivariate_rangescaled":
        known = stations[["lon", "lat"]].to_numpy(dtype=float)
        return (places - known.min(axis=0)) / np.ptp(known, axis=0)
    return np.column_stack([places, km / 8 if model == "trivariate_scaled8" else km])


def spline(shared: Path, variable: str, model: str, smoothing="gcv") -> tuple[Splines, np.ndarray, pd.DataFrame, pd.DataFrame, dict]:
    stations, grid, told = read(shared / "oracles" / "tps", variable)
    known = points(stations, stations, model)
    wanted = told[model]["eff_df"] if smoothing == "peer" else smoothing
    splines = fit(basis(known, model), known, stations[["value"]], wanted, keep=True)
    return splines, points(grid, stations, model), stations, grid, told[model]


def basis(known: np.ndarray, model: str) -> Basis:
    order, dims = MODELS[model]
    return basis_for(known, order, dims)


@pytest.mark.parametrize(("variable", "model"), CASES)
def test_same_smoothing(shared: Path, variable: str, model: str):
    splines, cells, stations, grid, told = spline(shared, variable, model, "peer")
    peer = pd.read_csv(shared / "oracles" / "tps" / f"{variable}_{model}_stationfit.csv")
    spread = float(stations["value"].std())
    assert splines.fitted[:, 0] == pytest.approx(peer["fitted"], abs=2e-6 * spread)
    assert splines.leverage[:, 0] == pytest.approx(peer["leverage"], abs=2e-6)
    assert splines.choices[0].gcv == pytest.approx(told["gcv"], rel=2e-6)
    assert splines.lam[0] == pytest.approx(told["lambda_gcv"], rel=1e-5)
    loo = np.sqrt(np.mean((splines.left_out[:, 0] - stations["value"]) ** 2))
    assert loo == pytest.approx(told["loo_rmse_fixed_lambda"], rel=2e-6)
    has = grid[f"{model}_pred"].notna().to_numpy()
    assert has.sum() > 250
    assert splines.predict(cells)[has, 0] == pytest.approx(grid.loc[has, f"{model}_pred"], abs=2e-6 * spread)
    n, p = len(stations), splines.basis.terms
    errors = splines.standard_error(cells, "reml")[has, 0] * np.sqrt((n - p) / n)
    assert errors == pytest.approx(grid.loc[has, f"{model}_se"], rel=2e-6, abs=2e-6 * spread)


@pytest.mark.parametrize(("variable", "model"), CASES)
def test_smoothing_chosen(shared: Path, variable: str, model: str):
    splines, cells, stations, grid, told = spline(shared, variable, model)
    choice = splines.choices[0]
    assert choice.gcv <= told["gcv"] * (1 + 1e-6)
    assert choice.df == pytest.approx(told["eff_df"], rel=0.01)
    assert ("no minimum" in choice.note) == ((variable, model) in NO_MINIMUM - {("tmax_apr", "bivariate_rangescaled")})
    has = grid[f"{model}_pred"].notna().to_numpy()
    apart = splines.predict(cells)[has, 0] - grid.loc[has, f"{model}_pred"]
    assert np.abs(apart).max() < 0.02 * stations["value"].std()


@pytest.mark.parametrize(("variable", "model"), CASES)
def test_withheld(shared: Path, variable: str, model: str):
    """Ten folds, smoothing chosen anew in each: the RMSE within 1 % of the peer's (3 % where GCV has no minimum)."""
    stations, _, told = read(shared / "oracles" / "tps", variable)
    peer = pd.read_csv(shared / "oracles" / "tps" / f"{variable}_{model}_stationfit.csv")
    known = points(stations, stations, model)
    predicted = predict_withheld(basis(known, model), known, stations[["value"]].to_numpy(), peer["fold"].to_numpy(), "gcv")
    rmse = np.sqrt(np.mean((predicted[:, 0] - stations["value"]) ** 2))
    assert rmse == pytest.approx(told[model]["cv10_rmse"], rel=0.03 if (variable, model) in NO_MINIMUM else 0.01)


def test_elevation_pays(shared: Path):
    """Maximum temperature of July: 1.8 degrees without elevation, 0.7 with it."""
    stations, _, _ = read(shared / "oracles" / "tps", "tmax_jul")
    fold = np.arange(len(stations)) % 10
    rmse = {}
    for model in ("bivariate", "covariate", "trivariate"):
        known = points(stations, stations, model)
        predicted = predict_withheld(basis(known, model), known, stations[["value"]].to_numpy(), fold, "gcv")
        rmse[model] = float(np.sqrt(np.mean((predicted[:, 0] - stations["value"]) ** 2)))
    assert 1.6 < rmse["bivariate"] < 2.1
    assert 0.65 < rmse["covariate"] < 0.78 and 0.65 < rmse["trivariate"] < 0.78
