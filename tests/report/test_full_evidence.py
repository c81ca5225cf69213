"""A run with all of its evidence: everything is on the page, its numbers are those of the tables, and nothing is taken for carbon."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edaphic.report import build_report
from edaphic.report.folder import read_run

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
    told: dict[str, Any] = {"folds": 5, "blocks": 14, "block_km": 8.5, "calibrated_by": "knndm"}
    told["block_side"] = "blocks: side 8500 m, the range"
    told |= {"knndm": {"w_m": 64.0, "w_profile_m": 628.0, "w_random_m": 1248.0, "cells": 2000}, "probability_set": None}
    told |= {"headline": "knndm", "headline_reason": "no validation sites drawn by probability: kNNDM asks what the map is asked"}
    if probability:
        told |= {"headline": "probability", "headline_reason": "sites were drawn by probability", "probability_set": "grid sites"}
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
    pairs = {"naive": ("chosen in each fold", "chosen once on all profiles", -0.02)}
    pairs["zoning"] = ("a model for each zone", "one model for all", 0.3)
    for name, (ours, other, difference) in pairs.items():
        rows[name] = [apart(*row) for layer in LAYERS for row in ((ours, layer, 0.0, 0.0), (other, layer, difference, 0.01))]
    told = {"forest": (0.0, 0.0), "layer_mean": (0.5, 0.1), "linear": (0.01, 0.1), "regression_kriging": (-0.2, 0.1)}
    rows["baselines"] = [apart(what, layer, *numbers) for layer in LAYERS for what, numbers in told.items()]
    rows["steps"] = [{"step": "all covariates", "covariates": 26, "rmse": 0.30, "mec": 0.7, "scale": "log"}]
    rows["steps"] += [{"step": "after |r| > 0.95", "covariates": 20, "rmse": 0.29, "mec": 0.71, "scale": "log"}]
    rows["search"] = [
        {"step": 1, "features": f"slope ndvi set{k}", "number": 3, "rmse": 0.3 + 0.001 * k, "mec": 0.7, "se": 0.01}
        | {"taken": k == 0, "chosen": k == 14}
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
            "design": design, "level": level, "picp": picp, "picp_low": picp - 0.03, "picp_high": picp + 0.03,
            "qcp": picp, "qcp_low": picp - 0.03, "qcp_high": picp + 0.03, "width": level, "layer": layer, "quantiles": stage,
            "g_statistic": 0.9 + 0.05 * (stage == "adjusted"),
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


def differs(by: float) -> dict[str, float]:
    """By how much our score differs from that of another product."""
    return {"ours_minus_it": by, "ours_minus_it_low": by - 0.2, "ours_minus_it_high": by + 0.2}


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
            {"set": "grid sites", "profile_id": name, "reason": "place and time", "duplicate_of": copy}
            for name, copy in (("X1", "P0001"), ("X2", ""))
        ],
        "by_design": [
            estimated | {"statistic": name, "estimate": value, "low": value - 0.2, "high": value + 0.2, "top_cm": top, "bottom_cm": bottom}
            for top, bottom, mec in ((0.0, 30.0, 0.52), (0.0, 100.0, 0.61))
            for name, value in (("me", 0.1), ("mae", 1.0), ("mse", 2.0), ("rmse", 1.4), ("mec", mec))
        ],
        "products": [
            product | {"product": "this map", "score": "rmse", "value": 1.0},
            product | {"product": "soil <grid>", "score": "rmse", "value": 1.6} | differs(-0.6),
            product | {"product": "other", "score": "rmse", "value": 1.1} | differs(-0.1),
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


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, fake_folder: Callable[[Path], Any]) -> Any:
    """A run folder with all evidence and maps of the covariates, and its page."""
    run = fake_folder(tmp_path_factory.mktemp("full") / "run")
    write_full_evidence(run.folder)
    inside = np.where(run.outside, np.nan, (np.arange(run.outside.size).reshape(run.outside.shape) % 4 != 0).astype(float))
    for stat, values in (("applicability", inside), ("dissimilarity", 0.3 * inside), ("point_density", 70.0 * inside)):
        run.raster(run.folder / "maps" / f"soc_stock_{stat}_0-100cm.tif", values)
    build_report(run.folder)
    return run


@pytest.fixture(scope="module")
def page(full: Any) -> str:
    """The page as text, without pictures and tags."""
    return text_of(full.folder)


def text_of(folder: Path) -> str:
    html = (folder / "report.html").read_text(encoding="utf-8")
    html = html[html.index("<body>") :].replace("\u00a0", " ")
    html = re.sub(r"</(?:td|th|p|li|h2|h3|figcaption|dd|dt|summary)>", "\n", html)
    plain = re.sub(r"<[^>]+>", "", re.sub(r"base64,[^\"]+", "", html))
    for code, letter in (("&#39;", "'"), ("&#34;", '"'), ("&gt;", ">"), ("&lt;", "<"), ("&amp;", "&")):
        plain = plain.replace(code, letter)
    return plain


def test_the_headline_comes_first_with_its_reason(page: str) -> None:
    card = page[page.index("How good is it?") : page.index("Do the intervals hold?")]
    order = ("by kNNDM", "Why this figure? No validation sites", "By profile, MEC", "By block, MEC", "By hold-out, MEC", "By zone, MEC")
    places = [card.index(words) for words in order]
    assert places == sorted(places)
    assert "a test of transfer to land without profiles, not the accuracy of the map" in card
    assert "in sample" not in card
    assert "The accuracy of the map is the score by kNNDM." in page


def test_all_evidence_has_its_place(full: Any, page: str) -> None:
    for heading in (
        "How far the test reaches", "Accuracy by group", "Other profiles, other maps", "At every level", "Where the model may be applied",
        "Against simple models", "Did zoning help?", "Chosen in each fold, or once", "How stable the choice is", "Screens and search",
        "How errors of neighbours go together",
    ):  # fmt: skip
        assert f"\n{heading}\n" in page, heading
    drawn = {path.stem for path in (full.folder / "figures").iterdir()}
    assert {"distances", "groups", "curve_picp", "curve_qcp", "variogram_0_30_cm", "variogram_30_60_cm"} <= drawn
    assert {"map_applicability", "map_dissimilarity", "map_point_density", "tails_knndm", "observed_predicted_knndm"} <= drawn
    assert "tails_zone" not in drawn
    assert not re.search(r"\bnan\b", page)
    assert "Not in this run" not in page


def test_the_in_sample_score_is_last_and_marked(page: str) -> None:
    table = page[page.index("Scores over all layers, side by side") : page.index("What each design leaves out")]
    names = ["kNNDM (headline)", "\nprofile\n", "\nblock\n", "hold-out", "zone", "in sample (no evidence)"]
    places = [table.index(name) for name in names]
    assert places == sorted(places)
    assert "No evidence: it shows how closely the model follows" in table


def test_zoning_and_the_naive_score_are_answered(page: str) -> None:
    assert "Yes: one model for all has the larger error (RMSE of one model minus that by zones 0.300 [0.290, 0.310] kg/m²" in page
    assert "chosen once on all profiles (naive) it would be MEC 0.620 and RMSE 1.18 kg/m²" in page
    assert "The naive score is too good by the difference" in page


def test_the_forest_does_not_win(page: str) -> None:
    assert (
        "In 0–30 cm the forest is better than the mean of each layer; it cannot be told apart from a linear model; "
        "it is worse than regression kriging." in page
    )
    assert "For the whole 0–100 cm the forest" in page
    assert "The forest does not win everywhere: better beyond chance are regression kriging in all layers" in page
    assert "worse than regression kriging in all layers" in page


def test_choices_and_the_best_sets(page: str) -> None:
    assert "Of 5 folds in 1 design, 4 chose the same settings; 2 settings were chosen in all." in page
    assert "2 covariates of 4 were kept in every fold: ndvi and slope." in page
    assert "Kept in some folds only: elevation (80 %) and land_cover (20 %)." in page
    found = page[page.index("The best of 20 sets of covariates") :]
    assert "slope ndvi set9" in found and "slope ndvi set10" not in found
    assert "slope ndvi set14" in found, "the set that was chosen is shown though ten are better"


def test_applicability_is_told_for_map_and_cells(page: str) -> None:
    assert "80.0 % of the mapped cells lie inside (77.5 % of 2,000 cells drawn at random)." in page
    assert "a dissimilarity index of at most 0.250" in page
    assert "1.20 kg/m² inside (30 held-out observations) and 90.0 kg/m² outside (30)" in page
    assert "20.0 % of the map lies outside the area of applicability" in page


def test_other_profiles_and_products(page: str) -> None:
    assert "2 profiles of grid sites lie at a training profile (1 with its values: likely copies) and were left out." in page
    assert "At grid sites, the 90 % intervals of the maps hold 70.0 % [60.0 %, 80.0 %] of the observations: fewer than they" in page
    assert "this map is better than soil <grid> (RMSE 1.60); it cannot be told apart from other (RMSE 1.10)." in page


def test_variograms_tell_nugget_and_direction(page: str) -> None:
    assert "Spherical: nugget 0.0500, 50 % of the sill 0.100; range 3.00 km along 40° from north, 1.50 km across." in page
    assert "Nugget only (0.0500)" in page


def test_notes_of_the_run_are_limits(page: str) -> None:
    limits = page[page.index("What the numbers do not say") :]
    for words in ("6 profiles lie at 3 shared places.", "Blocks: side 8500 m", "Other profiles, grid sites: 2 of 60"):
        assert words in limits
    assert "Two covariates of importance 0" in limits
    assert "not anew in each fold" not in limits


def test_maps_of_covariates_are_no_carbon(full: Any, page: str) -> None:
    run = read_run(full.folder)
    assert set(run.covariate_maps) == {"applicability", "dissimilarity", "point_density"}
    assert all(set(layer.paths) == {"mean", "q05", "q95"} for layer in run.maps)
    assert run.layers == ((0.0, 30.0), (0.0, 100.0), (30.0, 60.0), (60.0, 100.0))
    section = page[page.index("\nWhere the model may be applied\n") : page.index("How the model was chosen")]
    captions = section[section.index("Blue: inside") :]
    assert "kg" not in captions and "SOC" not in captions and "Tg" not in captions


@pytest.mark.usefixtures("undrawn")
def test_covariate_maps_of_other_depths_make_no_layer(fake_run: Callable[..., Any]) -> None:
    """Layers with a gap between them: the applicability is named after all of their depth."""
    run = fake_run(shape=(8, 9), profiles=50)
    for path in (run.folder / "maps").glob("*.tif"):
        if "_0-30cm" not in path.name and "_60-100cm" not in path.name:
            path.unlink()
    (run.folder / "tables" / "stocks.csv").unlink()
    run.raster(run.folder / "maps" / "soc_stock_applicability_0-100cm.tif", np.ones(run.shape))
    found = read_run(run.folder)
    assert found.layers == ((0.0, 30.0), (60.0, 100.0)) and found.whole is None
    build_report(run.folder)
    assert "100.0 % of the mapped area lie inside" in text_of(run.folder)


@pytest.mark.usefixtures("undrawn")
def test_the_estimate_by_the_draw_leads(fake_run: Callable[..., Any]) -> None:
    run = fake_run(shape=(8, 9), profiles=50)
    write_full_evidence(run.folder, probability=True)
    build_report(run.folder)
    text = text_of(run.folder)
    card = text[text.index("How good is it?") : text.index("Do the intervals hold?")]
    assert "0.61 in 0–100 cm" in card
    assert "estimated from 58 sites of grid sites that were drawn at random: MEC 0.61 [0.41, 0.81] and RMSE 1.40 [1.20, 1.60] kg/m²" in card
    assert "The MEC is 0.52 in 0–30 cm." in card and "By kNNDM, MEC" in card and "over all layers" in card
    assert "The accuracy of the map is the estimate from sites drawn at random." in text


SETS_AND_PRODUCTS = ("independent", "independent_coverage", "overlap", "by_design", "products")
ASKED_FOR = {"zoning", "search", "steps", "baselines", "conformal", *SETS_AND_PRODUCTS}
"""Tables that a sound run need not have."""


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    "gone",
    [
        ("metrics", "curves", "naive", "overlap", "applicability"),
        ("calibration", "baselines", "search", "knndm", "designs"),
        ("metrics_by_group", "steps", "choices", "variogram.json", "by_design"),
        ("out_of_fold", "variogram", "zoning", "conformal", "independent", "products"),
    ],
)
def test_a_run_without_some_files_makes_a_page(fake_run: Callable[..., Any], gone: tuple[str, ...]) -> None:
    """What is missing is left out, and told where a full run has it."""
    run = fake_run(shape=(6, 7), profiles=50)
    write_full_evidence(run.folder, probability=True)
    for name in gone:
        for path in (run.folder / "evidence").glob(name if "." in name else f"{name}.[cp]*" if name == "variogram" else f"{name}.*"):
            path.unlink()
    build_report(run.folder)
    text = text_of(run.folder)
    assert not re.search(r"\bnan\b", text)
    told = text.partition("Not in this run")[2].partition("\n")[0]
    tables_gone = set(gone) - {"designs", "applicability", "variogram.json"}
    assert {name for name in tables_gone if f"evidence/{name}." in told} == tables_gone - ASKED_FOR
