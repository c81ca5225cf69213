"""Limits: said where the run's facts bear them out, and only there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edaphic.report.facts import target_of
from edaphic.report.folder import RunFolder
from edaphic.report.limits import limits

Make = Callable[..., RunFolder]


def said(run: RunFolder) -> str:
    return " | ".join(limits(run, target_of(run))).replace("\u00a0", " ")


def metric(design: str, mec: float) -> dict:
    return {"design": design, "scale": "natural", "layer": "all layers", "n": 9, "mec": mec, "rmse": 1.0, "bias": 0.0}


def layer_row(profile: str, year: float, organic: bool = False) -> dict:
    row = {"profile_id": profile, "top_cm": 0.0, "bottom_cm": 30.0, "soc_stock_kg_m2": 5.0, "year": year}
    return row | {"organic_soil": organic}


def test_a_run_without_facts_has_no_limits(run_with: Make) -> None:
    assert said(run_with()) == ""


def test_the_gap_between_designs(run_with: Make) -> None:
    wide = said(run_with(metrics=[metric("profile", 0.5), metric("block", 0.2)]))
    assert "worse than held-out profiles (MEC 0.20 against 0.50)" in wide
    narrow = said(run_with(metrics=[metric("profile", 0.5), metric("block", 0.48)]))
    assert "about as well as held-out profiles (MEC 0.48 against 0.50)" in narrow
    none = said(run_with(metrics=[metric("profile", 0.5), metric("block", -0.1)]))
    assert "no better than the mean" in none
    one = said(run_with(metrics=[metric("profile", 0.5), metric("in_sample", 0.9)]))
    assert "one kind of hold-out (profile)" in one and "worse than" not in one


@pytest.mark.parametrize("tables", [("selection",), ("tuning",), ("selection", "tuning"), ()])
def test_selection_and_tuning_are_not_nested(run_with: Make, tables: tuple[str, ...]) -> None:
    rows = {
        "selection": [{"feature": "slope", "kept": True}],
        "tuning": [{"candidate": 1, "score": 2.0, "chosen": True}],
    }
    text = said(run_with(**{name: rows[name] for name in tables}))
    assert ("covariates were screened" in text) == ("selection" in tables)
    assert ("settings of the model chosen" in text) == ("tuning" in tables)
    assert ("nested" in text) == bool(tables)


def test_years(run_with: Make) -> None:
    assert "carry no year" in said(run_with(layers=[layer_row("a", np.nan)]))
    text = said(run_with(layers=[layer_row("a", 1988), layer_row("b", 2015), layer_row("c", np.nan)]))
    assert "profiles from 1988 to 2015 (1 profile without a year)" in text


def test_organic_soils_are_counted_by_profile(run_with: Make) -> None:
    rows = [layer_row("a", 2000, True), layer_row("a", 2000, True), layer_row("b", 2000)]
    assert "Organic layers (above 8 % carbon) are in 1 profile of 2" in said(run_with(layers=rows))
    assert "Organic" not in said(run_with(layers=[layer_row("b", 2000)]))


def test_bulk_density_and_fragments(run_with: Make) -> None:
    density = {"measured": 1, "pedotransfer": 3, "error_sd_g_cm3": 0.187}
    fragments = {"measured": 0, "profile": 0, "assumed": 4, "assumed_vol_pct": 8.5}
    run = run_with(summary={"bulk_density": density, "coarse_fragments": fragments})
    assert "in 75 % of the horizons, with an error of about 0.19 g/cm³ (sd)" in said(run)
    assert "assumed (8.5 % of the volume) in 100 % of the horizons" in said(run)
    measured = run_with(summary={"bulk_density": {"measured": 5, "pedotransfer": 0}})
    assert "Bulk density" not in said(measured)


def test_bulk_density_is_no_limit_of_contents(run_with: Make) -> None:
    density = {"measured": 1, "pedotransfer": 3}
    run = run_with(summary={"bulk_density": density}, recipe={"model": {"target": "log_soc"}})
    assert "Bulk density" not in said(run)


def test_layers_observed_in_part(run_with: Make) -> None:
    top = {"top_cm": 0.0, "bottom_cm": 30.0, "complete": 90, "partial": 10, "none": 0}
    deep = {"top_cm": 60.0, "bottom_cm": 100.0, "complete": 30, "partial": 0, "none": 70, "valued": 30}
    unused = said(run_with(summary={"layers": [top | {"valued": 90}, deep]}))
    assert "and so not used: 0–30 cm in 10 profiles" in unused
    assert "standing for the whole layer" not in unused
    assert "Not reached: 60–100 cm by 70 of 100 profiles" in unused
    mixed = said(run_with(summary={"layers": [top | {"valued": 94}]}))
    assert "not used: 0–30 cm in 6 profiles" in mixed
    assert "standing for the whole layer: 0–30 cm in 4 profiles" in mixed


def test_intervals_that_only_hold_near_profiles(run_with: Make) -> None:
    row = {"group": "all layers", "n": 9, "nominal": 0.9, "coverage": 0.9, "below": 0.05, "above": 0.05}
    rows = [row | {"design": "profile", "mean_width": 10.0}, row | {"design": "block", "mean_width": 12.5}]
    assert "25 % wider" in said(run_with(calibration=rows, recipe={"evidence": {"calibrate": "profile"}}))
    assert "wider" not in said(run_with(calibration=rows, recipe={"evidence": {"calibrate": "block"}}))


def test_applicability(run_with: Make) -> None:
    row = {"profile_id": "a", "top_cm": 0.0, "bottom_cm": 30.0, "design": "profile", "observed": 1.0, "predicted": 1.0}
    inside = run_with(out_of_fold=[row | {"in_applicability": value} for value in (True, True, True, False)])
    assert "25.0 % of the held-out observations lie outside" in said(inside)
    assert "do not mark" in said(run_with(out_of_fold=[row]))


def test_dropped_profiles(run_with: Make) -> None:
    run = run_with(summary={"points_without_covariates": {"outside the grid": 3, "no value in ndvi": 1}})
    assert "4 profiles could not be used" in said(run)
