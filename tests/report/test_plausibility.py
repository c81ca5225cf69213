"""Checks: each rule passes what is sound and names what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edaphic.report.facts import target_of
from edaphic.report.folder import RunFolder
from edaphic.report.plausibility import Check, MapFacts, checks, verdict

Make = Callable[..., RunFolder]
SOUND = MapFacts(6.0, 1.0, 0.5, True, True)


def found(run: RunFolder, facts: dict | None = None) -> dict[str, Check]:
    return {check.name.replace("\u00a0", " "): check for check in checks(run, target_of(run), facts or {})}


def stock(top: float, bottom: float, mean: float, total: float, half: float = 1.0, **more: Any) -> dict:
    row = {"by": "all", "class": "", "top_cm": top, "bottom_cm": bottom, "cells": 10, "area_km2": 1.0}
    row |= {"mean_kg_m2": mean, "total_Tg": total, "independent_low_Tg": total - half}
    row |= {"independent_high_Tg": total + half, "fully_correlated_low_Tg": total - 10 * half}
    return row | {"fully_correlated_high_Tg": total + 10 * half} | more


def metric(design: str, mec: float, **more: Any) -> dict:
    row = {"design": design, "scale": "natural", "layer": "all layers", "n": 100, "mec": mec, "rmse": 2.0, "bias": 0.0}
    return row | more


def coverage(design: str, value: float, group: str = "all layers") -> dict:
    return {"design": design, "group": group, "n": 9, "nominal": 0.9, "coverage": value, "below": 0.05, "above": 0.05}


@pytest.mark.parametrize(("mean", "verdict_"), [(0.9, "look"), (1.0, "ok"), (30.0, "ok"), (30.5, "look")])
def test_topsoil_stock(run_with: Make, mean: float, verdict_: str) -> None:
    assert found(run_with(stocks=[stock(0, 30, mean, 50.0)]))["mean SOC stock 0–30 cm"].verdict == verdict_


def test_deep_stocks_may_be_small(run_with: Make) -> None:
    """0.2 kg/m3 over 70 cm is 0.14 kg/m2."""
    run = run_with(stocks=[stock(30, 100, 0.15, 50.0), stock(100, 200, 0.15, 50.0)])
    assert found(run)["mean SOC stock 30–100 cm"].verdict == "ok"
    assert found(run)["mean SOC stock 100–200 cm"].verdict == "look"


def test_thin_topsoil_is_judged_by_density(run_with: Make) -> None:
    run = run_with(stocks=[stock(0, 5, 0.16, 5.0)])
    assert found(run)["mean SOC stock 0–5 cm"].verdict == "look"
    assert found(run_with(stocks=[stock(0, 5, 0.17, 5.0)]))["mean SOC stock 0–5 cm"].verdict == "ok"


def test_negative_carbon_is_wrong(run_with: Make) -> None:
    facts = {(0.0, 30.0): SOUND, (30.0, 60.0): MapFacts(3.0, -0.01, -0.5, True, False)}
    result = found(run_with(), facts)
    assert result["lowest mapped mean"].verdict == "wrong"
    assert "30–60" in result["lowest mapped mean"].found and "cells averaged" in result["lowest mapped mean"].found
    assert result["lowest lower bound"].verdict == "look"
    assert found(run_with(), {(0.0, 30.0): SOUND})["lowest mapped mean"].verdict == "ok"


def test_crossing_bounds_are_wrong(run_with: Make) -> None:
    crossing = MapFacts(6.0, 1.0, 0.5, False, True)
    assert found(run_with(), {(0.0, 30.0): crossing})["order of the interval's ends"].verdict == "wrong"
    unknown = MapFacts(6.0, 1.0, np.nan, None, True)
    assert "order of the interval's ends" not in found(run_with(), {(0.0, 30.0): unknown})


def test_a_total_outside_its_bounds_is_wrong(run_with: Make) -> None:
    sound, broken = stock(0, 30, 6.0, 50.0), stock(0, 30, 6.0, 50.0, independent_low_Tg=51.0)
    assert found(run_with(stocks=[sound]))["total 0–30 cm inside its bounds"].verdict == "ok"
    assert found(run_with(stocks=[broken]))["total 0–30 cm inside its bounds"].verdict == "wrong"


def test_layers_add_up(run_with: Make) -> None:
    parts = [stock(0, 30, 6, 50.0), stock(30, 100, 6, 40.0)]
    assert found(run_with(stocks=[*parts, stock(0, 100, 12, 90.5)]))["layers add up to the whole"].verdict == "ok"
    assert found(run_with(stocks=[*parts, stock(0, 100, 12, 95.0)]))["layers add up to the whole"].verdict == "look"
    gap = [stock(0, 30, 6, 50.0), stock(60, 100, 6, 40.0), stock(0, 100, 12, 150.0)]
    assert "layers add up to the whole" not in found(run_with(stocks=gap))


@pytest.mark.parametrize(("mec", "verdict_"), [(0.01, "ok"), (0.0, "look"), (-0.4, "look")])
def test_skill_by_block(run_with: Make, mec: float, verdict_: str) -> None:
    assert found(run_with(metrics=[metric("block", mec)]))["MEC by block"].verdict == verdict_


def test_in_sample_skill_is_not_judged(run_with: Make) -> None:
    assert not found(run_with(metrics=[metric("in_sample", -1.0)]))


def test_depth_alone_counts_only_with_several_layers(run_with: Make) -> None:
    rows = [metric("block", 0.3, mec_layer_mean=0.4)]
    several = [stock(0, 30, 6, 50.0), stock(30, 100, 6, 40.0), stock(0, 100, 12, 90.0)]
    assert found(run_with(metrics=rows, stocks=several))["MEC by block against depth alone"].verdict == "look"
    assert "MEC by block against depth alone" not in found(run_with(metrics=rows, stocks=several[:1]))


def test_the_largest_bias_of_a_layer(run_with: Make) -> None:
    """Layers that are wrong in ways that cancel in their sum are seen."""

    def held(top: float, bottom: float, bias: float) -> list[dict]:
        row = {"profile_id": "a", "top_cm": top, "bottom_cm": bottom, "design": "block"}
        return [row | {"observed": value, "predicted": value + bias} for value in (4.0, 6.0)]

    metrics, name = [metric("block", 0.5)], "largest bias of a layer by block"
    small = run_with(metrics=metrics, out_of_fold=held(0, 30, 0.5) + held(30, 60, -0.4))
    assert found(small)[name].verdict == "ok" and "10.0 %" in found(small)[name].found.replace("\u00a0", " ")
    large = run_with(metrics=metrics, out_of_fold=held(0, 30, 0.3) + held(30, 60, -0.6))
    assert found(large)[name].verdict == "look" and "30–60" in found(large)[name].found


@pytest.mark.parametrize(("value", "verdict_"), [(0.86, "look"), (0.87, "ok"), (0.93, "ok"), (0.94, "look")])
def test_coverage_within_three_points(run_with: Make, value: float, verdict_: str) -> None:
    run = run_with(calibration=[coverage("profile", value), coverage("profile", 0.75, "decile 10")])
    assert found(run)["coverage by profile"].verdict == verdict_
    assert found(run)["lowest coverage of a decile by profile"].verdict == "look"


def test_estimated_inputs(run_with: Make) -> None:
    summary = {
        "bulk_density": {"measured": 49, "pedotransfer": 51},
        "coarse_fragments": {"measured": 30, "profile": 20, "assumed": 50},
        "profiles_kept": 49,
    }
    result = found(run_with(summary=summary))
    assert result["bulk density estimated"].verdict == "look"
    assert result["coarse fragments assumed"].verdict == "ok"
    assert result["number of profiles"].verdict == "look"


def test_reference_maps(run_with: Make) -> None:
    row = {"name": "other", "top_cm": 0, "bottom_cm": 30, "mean_ours_kg_m2": 6.0, "mean_theirs_kg_m2": 1.0}
    assert found(run_with(comparison=[row]))["mean against other 0–30 cm"].found == "factor 6.00"
    assert found(run_with(comparison=[row]))["mean against other 0–30 cm"].verdict == "look"


def test_map_against_profiles(run_with: Make) -> None:
    layers = [
        {"profile_id": str(k), "top_cm": 0.0, "bottom_cm": 30.0, "soc_stock_kg_m2": value}
        for k, value in enumerate((2.0, 4.0, np.nan))
    ]
    run = run_with(layers=layers, stocks=[stock(0, 30, 6.3, 50.0)])
    name = "mean of the map against the profiles' 0–30 cm"
    assert found(run, {(0.0, 30.0): MapFacts(6.3, 1, 1, True, True)})[name].verdict == "look"
    assert found(run, {(0.0, 30.0): MapFacts(5.9, 1, 1, True, True)})[name].verdict == "ok"


def test_truth_outside_every_bound_is_wrong(run_with: Make) -> None:
    row = stock(0, 30, 6.0, 50.0) | {"bias": 0, "rmse": 1, "mec": 0.5, "coverage": 0.9, "true_total_Tg": 90.0}
    row |= {"inside_independent": False, "inside_fully_correlated": False}
    name = "true total 0–30 cm inside the fully correlated bounds"
    assert found(run_with(truth=[row]))[name].verdict == "wrong"


def test_the_verdict_is_that_of_the_worst(run_with: Make) -> None:
    ok, look, wrong = (Check(kind, "", "", kind) for kind in ("ok", "look", "wrong"))
    assert verdict([ok, ok]) == ("ok", "The numbers are plausible: all 2 checks passed.")
    assert verdict([ok, look])[0] == "look"
    assert verdict([ok, look, wrong]) == ("wrong", "The numbers are not plausible as they stand: wrong.")
    assert "no figures" in verdict([])[1]
