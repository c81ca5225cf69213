"""The files that a run with all of its evidence has, added to a made-up run folder of :mod:`conftest`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

LAYERS = ("all layers", "0-30 cm", "30-60 cm", "60-100 cm", "whole 0-100 cm")
MORE = ("knndm", "zone", "hold_out")
"""Designs beside profile and block."""


def write_full_evidence(folder: Path, *, probability: bool = False) -> None:
    """Add every optional file of the evidence."""
    evidence = folder / "evidence"
    for name in ("metrics", "calibration"):
        table = pd.read_csv(evidence / f"{name}.csv")
        own = table[table["design"] == "profile"]
        table = pd.concat([table, *(own.assign(design=design) for design in MORE)], ignore_index=True)
        if name == "metrics":
            table = table.assign(mae=0.8 * table["rmse"], rpiq=1.5, crps=0.5, rmse_net=0.9 * table["rmse"], mec_net=0.7)
        else:
            table = table.assign(coverage_low=table["coverage"] - 0.04, coverage_high=table["coverage"] + 0.03)
            groups = own[own["group"] == "all layers"].assign(design="knndm")
            wanted = ("decade 1990s", "inside applicability", "outside applicability", "zone 2")
            table = pd.concat([table, *(groups.assign(group=group) for group in wanted)], ignore_index=True)
        table.to_csv(evidence / f"{name}.csv", index=False)
    held = pd.read_parquet(evidence / "out_of_fold.parquet")
    held = pd.concat([held, held[held["design"] == "profile"].assign(design="knndm")], ignore_index=True)
    held.to_parquet(evidence / "out_of_fold.parquet")
    write_json(evidence / "designs.json", designs(probability))
    write_json(evidence / "applicability.json", {"threshold": 0.25, "notes": ["two covariates of importance 0, not used"]})
    for name, table in tables().items():
        if probability or name != "by_design":
            table.to_csv(evidence / f"{name}.csv", index=False)
    write_variogram(evidence)
    write_json(folder / "maps" / "summary.json", {"cells": 280, "with_all_covariates": 270, "masked": 20, "inside_applicability": 200})


def write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")


def designs(probability: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"folds": 5, "blocks": 14, "block_km": 8.5, "block_side": "blocks: side 8500 m, the range", "calibrated_by": "knndm"}
    told |= {"knndm": {"w_m": 64.0, "w_profile_m": 628.0, "w_random_m": 1248.0, "cells": 2000}, "probability_set": None}
    told |= {"headline": "knndm", "headline_reason": "no validation sites drawn by probability: kNNDM asks what the map is asked"}
    if probability:
        told |= {"headline": "probability", "headline_reason": "validation sites were drawn by probability", "probability_set": "grid sites"}
    told["notes"] = {"profile": ["6 profiles lie at 3 shared places"], "block": ["a test of transfer, not the accuracy of the map"]}
    told["independent"] = ["grid sites: 2 of 60 profiles overlap"]
    told["applicability"] = {"threshold": 0.25, "cells": 2000, "share_inside": 0.775}
    return told


def apart(what: str, layer: str, difference: float, half: float, **more: Any) -> dict[str, Any]:
    """A row of naive.csv, baselines.csv or zoning.csv."""
    row = {"design": "knndm", "what": what, "layer": layer, "n": 60, "unit": "kg/m2", "bias": 0.1, "mae": 0.8, "rmse": 1.2 + difference}
    row |= {"mec": 0.6 - difference, "ccc": 0.7, "rmse_minus_ours": difference}
    return row | {"rmse_minus_ours_low": difference - half, "rmse_minus_ours_high": difference + half} | more


def tables() -> dict[str, pd.DataFrame]:
    """All optional tables, by file name."""
    rows: dict[str, list[dict[str, Any]]] = {}
    pairs = {"naive": ("chosen in each fold", "chosen once on all profiles", -0.02), "zoning": ("a model for each zone", "one model for all", 0.3)}
    for name, (ours, other, difference) in pairs.items():
        rows[name] = [apart(*row) for layer in LAYERS for row in ((ours, layer, 0.0, 0.0), (other, layer, difference, 0.01))]
    told = {"forest": (0.0, 0.0), "layer_mean": (0.5, 0.1), "linear": (0.01, 0.1), "regression_kriging": (-0.2, 0.1)}
    rows["baselines"] = [apart(what, layer, *numbers) for layer in LAYERS for what, numbers in told.items()]
    rows["steps"] = [{"step": "all covariates", "covariates": 26, "rmse": 0.30, "mec": 0.7, "scale": "log"}]
    rows["steps"] += [{"step": "after |r| > 0.95", "covariates": 20, "rmse": 0.29, "mec": 0.71, "scale": "log"}]
    rows["search"] = [
        {"step": 1, "features": f"slope ndvi set{k}", "number": 3, "rmse": 0.3 + 0.001 * k, "mec": 0.7, "se": 0.01, "taken": k == 0, "chosen": k == 14}
        for k in range(20)
    ]
    rows["choices"] = [
        {
            "fold": k, "covariates": 3, "names": "slope ndvi " + ("elevation" if k else "land_cover"), "trees": 200,
            "max_features": 0.5, "min_samples_leaf": 2 if k < 4 else 5, "max_depth": np.nan, "split": "variance", "design": "knndm",
        }
        for k in range(5)
    ]  # fmt: skip
    rows["metrics_by_group"] = [
        {"design": design, "group": group, "scale": "natural", "unit": "kg/m2", "n": 30, "n_profiles": 10, "mec": 0.5, "bias": 0.1}
        | {"rmse": rmse, "rmse_low": 0.9 * rmse, "rmse_high": 1.1 * rmse}
        for design in ("profile", "block", "knndm")
        for group, rmse in (("zone 2", 1.0), ("decade 1990s", 1.5), ("inside applicability", 1.2), ("outside applicability", 90.0))
    ]
    levels = np.linspace(0.05, 0.95, 19)
    rows["curves"] = [
        {
            "design": design, "level": level, "picp": picp, "picp_low": picp - 0.03, "picp_high": picp + 0.03, "qcp": picp, "qcp_low": picp - 0.03,
            "qcp_high": picp + 0.03, "width": level, "g_statistic": 0.9 + 0.05 * (stage == "adjusted"), "layer": layer, "quantiles": stage,
        }
        for design in ("profile", "block", "knndm") for layer in LAYERS for stage in ("raw", "adjusted") for level in levels
        for picp in (level * (0.9 if stage == "raw" else 1.0),)
    ]  # fmt: skip
    shares = np.linspace(0.0, 1.0, 101)
    rows["knndm"] = [
        {"p": p, "gij_m": 3000 * p, "gj_m": 1000 * p, "gj_star_m": 2900 * p, "gj_profile_m": 900 * p, "gj_random_m": 0.0} for p in shares
    ]
    rows["conformal"] = [
        {"design": "knndm", "top_cm": top, "bottom_cm": bottom, "zone": np.nan, "lower": 0.1, "upper": 0.1, "n": 50, "n_profiles": 50}
        | {"pooled": False, "pooled_to": "interval", "enough": bottom < 100.0}
        for top, bottom in ((0.0, 30.0), (30.0, 60.0), (60.0, 100.0), (0.0, 100.0))
    ]
    return {name: pd.DataFrame(given) for name, given in (rows | others()).items()}


def others() -> dict[str, list[dict[str, Any]]]:
    """Sets of other profiles, and other products."""
    score = {"set": "grid sites", "scale": "natural", "unit": "kg/m2", "n": 58, "n_profiles": 58, "mec": 0.4, "rmse": 1.5, "bias": 0.0}
    covered = {"set": "grid sites", "group": "all layers", "n": 58, "nominal": 0.9, "coverage": 0.7, "below": 0.1, "above": 0.2}
    estimated = {"se": 0.1, "set": "grid sites", "sites": 58, "unit": "kg/m2"}
    product = {"set": "held out", "rows": "common", "top_cm": 0.0, "bottom_cm": 30.0, "n": 50, "places": 50, "unit": "kg/m2"}
    return {
        "independent": [score | {"layer": layer} for layer in LAYERS],
        "independent_coverage": [covered | {"coverage_low": 0.6, "coverage_high": 0.8}],
        "overlap": [
            {"set": "grid sites", "profile_id": name, "reason": "place and time", "duplicate_of": copy} for name, copy in (("X1", "P0001"), ("X2", ""))
        ],
        "by_design": [
            estimated | {"statistic": name, "estimate": value, "low": value - 0.2, "high": value + 0.2, "top_cm": top, "bottom_cm": bottom}
            for top, bottom, mec in ((0.0, 30.0, 0.52), (0.0, 100.0, 0.61))
            for name, value in (("me", 0.1), ("mae", 1.0), ("mse", 2.0), ("rmse", 1.4), ("mec", mec))
        ],
        "products": [
            product | {"product": "this map", "score": "rmse", "value": 1.0},
            product | {"product": "soil <grid>", "score": "rmse", "value": 1.6, "ours_minus_it": -0.6, "ours_minus_it_low": -0.8, "ours_minus_it_high": -0.4},
            product | {"product": "other", "score": "rmse", "value": 1.1, "ours_minus_it": -0.1, "ours_minus_it_low": -0.3, "ours_minus_it_high": 0.1},
        ],
    }


def write_variogram(evidence: Path) -> None:
    rows = [
        {"lag": k, "distance_m": 500.0 * (k + 1), "gamma": 0.05 + 0.01 * k, "pairs": 100, "direction_deg": direction, "layer": layer}
        for layer in ("0-30 cm", "30-60 cm") for direction in (np.nan, 0.0, 90.0) for k in range(8)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(evidence / "variogram.csv", index=False)
    fitted = {"model": "spherical", "nugget": 0.05, "partial_sill": 0.05, "range_m": 3000.0, "anisotropy_ratio": 0.5}
    fitted |= {"anisotropy_angle_deg": 40.0, "measurement_variance": 0.0, "rmse": 0.01, "largest_lag_m": 4000.0, "notes": []}
    flat = fitted | {"model": "nugget", "partial_sill": 0.0, "range_m": 0.0, "anisotropy_ratio": 1.0, "anisotropy_angle_deg": 0.0}
    write_json(evidence / "variogram.json", {"scale": "log", "layers": {"0-30 cm": fitted, "30-60 cm": flat}})
