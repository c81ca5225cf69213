"""Sentences of the evidence: each says what the tables say, and only that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edaphic.report import choosing, designs, evidence, facts, inputs, others
from edaphic.report.facts import target_of
from edaphic.report.folder import RunFolder
from edaphic.report.limits import limits
from edaphic.report.plausibility import checks
from edaphic.report.skill import skill

Make = Callable[..., RunFolder]
NAMES = ("random", "time", "block", "hold_out", "in_sample", "profile", "zone", "strata_left_out", "strata_in_proportion", "knndm")


def metric(design: str, mec: float = 0.5, **more: object) -> dict:
    return {"design": design, "scale": "natural", "layer": "all layers", "n": 9, "mec": mec, "rmse": 1.0, "bias": 0.0} | more


def beside(what: str, low: float, high: float, layer: str = "all layers") -> dict:
    row = {"design": "knndm", "what": what, "layer": layer, "n": 9, "mec": 0.5, "rmse": 1.0, "unit": "kg/m2"}
    return row | {"rmse_minus_ours": (low + high) / 2, "rmse_minus_ours_low": low, "rmse_minus_ours_high": high}


def covered(design: str, value: float, **more: object) -> dict:
    row = {"design": design, "group": "all layers", "n": 9, "nominal": 0.9, "coverage": value, "below": 0.05, "above": 0.05}
    return row | more


def test_designs_are_ordered_by_meaning(run_with: Make) -> None:
    run = run_with(metrics=[metric(name) for name in NAMES])
    expected = ["knndm", "profile", "block", "strata_in_proportion", "hold_out", "strata_left_out", "zone", "time", "random"]
    assert designs.designs_of(run, "metrics") == expected
    assert designs.designs_of(run, "metrics", with_in_sample=True)[-1] == "in_sample"
    named = run_with(metrics=[metric(name) for name in NAMES], designs={"headline": "profile"})
    assert designs.designs_of(named, "metrics")[:3] == ["profile", "knndm", "block"]
    assert designs.judged(run, "metrics") == ["knndm", "profile", "block"]
    assert designs.designs_of(run, "calibration") == []


@pytest.mark.parametrize("name", NAMES)
def test_every_design_says_what_it_leaves_out_and_answers(run_with: Make, name: str) -> None:
    run = run_with(metrics=[metric(name)], designs={"folds": 5, "block_km": 8.5, "blocks": 14})
    told = evidence.designs_told(run)[0][1]
    assert told.startswith(designs.words_of(name).left_out)
    transfer = name in ("block", "zone", "time", "strata_left_out")
    assert ("test of transfer" in told and "not the accuracy of the map" in told) == transfer
    assert designs.speaks_for_map(name) == (name in ("knndm", "profile", "strata_in_proportion", "hold_out"))


def test_an_old_run_without_headline_names_all_its_scores(run_with: Make) -> None:
    card = skill(run_with(metrics=[metric("profile", 0.5), metric("block", 0.3)]))
    assert card is not None and card.figure.replace("\u00a0", " ") == "profile 0.50 · block 0.30"
    assert evidence.headline_words(run_with()) == ("", "")


def test_a_headline_that_is_no_design_needs_its_table(run_with: Make) -> None:
    run = run_with(metrics=[metric("knndm")], designs={"headline": "probability", "probability_set": "sites"})
    assert others.probability_set(run) == ""
    card = skill(run)
    assert card is not None and card.figure.replace("\u00a0", " ") == "kNNDM 0.50"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.1, 0.3, "is better than a linear model"), (-0.1, 0.3, "cannot be told apart from a linear model"), (-0.3, -0.1, "is worse than")],
)
def test_the_forest_beside_a_simple_model(run_with: Make, low: float, high: float, words: str) -> None:
    run = run_with(baselines=[beside("forest", 0.0, 0.0), beside("linear", low, high)])
    assert choosing.baseline_words(run)[0].startswith(f"Over all layers the forest {words}")
    check = next(check for check in checks(run, target_of(run), {}) if check.name == "the forest against simple models")
    assert check.verdict == ("look" if high < 0 else "ok")


@pytest.mark.parametrize(("low", "high", "answer"), [(0.1, 0.3, "Yes"), (-0.1, 0.1, "That cannot be told"), (-0.3, -0.1, "No")])
def test_did_zoning_help(run_with: Make, low: float, high: float, answer: str) -> None:
    run = run_with(zoning=[beside("a model for each zone", 0.0, 0.0), beside("one model for all", low, high)])
    assert choosing.zoning_words(run).startswith(answer)
    assert choosing.zoning_words(run_with()) == ""


def test_zoning_may_hurt_in_one_layer(run_with: Make) -> None:
    rows = [beside("a model for each zone", 0, 0, layer) for layer in ("all layers", "0-30 cm")]
    rows += [beside("one model for all", -0.1, 0.1), beside("one model for all", -0.2, -0.1, "0-30 cm")]
    said = choosing.zoning_words(run_with(zoning=rows)).replace("\u00a0", " ")
    assert said.startswith("That cannot be told") and said.endswith("One model for all is better beyond chance in 0–30 cm.")


def test_a_naive_score_that_is_too_good_in_one_layer(run_with: Make) -> None:
    rows = [beside("chosen in each fold", 0, 0, layer) for layer in ("all layers", "0-30 cm")]
    rows += [beside("once", -0.1, 0.1), beside("once", -0.2, -0.1, "0-30 cm")]
    said = choosing.naive_words(run_with(naive=rows)).replace("\u00a0", " ")
    assert "The two cannot be told apart" in said and said.endswith("Too good beyond chance in 0–30 cm.")


def test_nested_choice_is_no_limit(run_with: Make) -> None:
    rows = {"selection": [{"feature": "slope", "kept": True}], "naive": [beside("once", 0.0, 0.0)]}
    run = run_with(**rows)
    assert not any("not anew in each fold" in sentence for sentence in limits(run, target_of(run)))


def test_covariates_made_of_carbon_are_named_where_they_are_used(run_with: Make) -> None:
    rows = [{"feature": name, "kept": kept, "target_derived": "total nitrogen"} for name, kept in (("soil_n", True), ("other_n", False))]
    run = run_with(selection=[*rows, {"feature": "slope", "kept": True, "target_derived": ""}])
    said = " ".join(limits(run, target_of(run)))
    assert "soil_n (total nitrogen)" in said and "other_n" not in said and "slope" not in said


def test_cells_are_counted_only_where_a_map_asked_for_it(run_with: Make) -> None:
    cells = {"with_all_covariates": 110, "masked": 10, "inside_applicability": 0}
    drawn = {"applicability": {"share_inside": 0.9, "cells": 2000}}
    assert facts.share_inside(run_with(cells=cells, designs=drawn)) == 0.9
    asked = run_with(cells=cells | {"inside_applicability": 40}, designs=drawn, covariate_maps={"applicability": "x"})
    assert facts.share_inside(asked) == 0.4
    check = next(check for check in checks(asked, target_of(asked), {}) if "applicability" in check.name)
    assert check.verdict == "look"


def test_tests_of_transfer_do_not_make_a_map_implausible(run_with: Make) -> None:
    scores = [metric("knndm"), metric("zone", -0.5), metric("random", -0.1)]
    run = run_with(metrics=scores, calibration=[covered("zone", 0.4), covered("knndm", 0.9)])
    assert {check.verdict for check in checks(run, target_of(run), {})} == {"ok"}


def test_coverage_of_few_profiles_may_miss_by_chance(run_with: Make) -> None:
    def verdict(low: float, high: float) -> str:
        run = run_with(calibration=[covered("knndm", 0.84, coverage_low=low, coverage_high=high)])
        return next(check.verdict for check in checks(run, target_of(run), {}) if check.name == "coverage by kNNDM")

    assert verdict(0.75, 0.91) == "ok" and verdict(0.81, 0.87) == "look"


def test_the_maps_are_adjusted_by_another_design_than_the_headline(run_with: Make) -> None:
    run = run_with(designs={"headline": "knndm", "calibrated_by": "profile"})
    assert any("The headline is by kNNDM, but the intervals" in sentence for sentence in limits(run, target_of(run)))


def test_groups_are_named_by_their_classes(run_with: Make) -> None:
    layers = [{"path": "covs/land_cover.tif", "classes": {1: "cropland"}}, {"name": "climate", "path": "x.tif", "classes": {2: "wet"}}]
    run = run_with(recipe={"covariates": {"layers": layers}, "model": {"zones": "climate"}})
    found = [evidence.named(run, group) for group in ("land_cover 1", "land_cover 9", "zone 2", "decade 1990s", "zone unknown")]
    assert found == ["land_cover: cropland", "land_cover 9", "climate: wet", "decade 1990s", "zone unknown"]


def test_settings_that_were_tried_show_what_was_tuned(run_with: Make) -> None:
    row = {"candidate": 0, "score": 0.31, "metric": "mae", "max_features": "0.3333333", "min_samples_leaf": 2, "scale": "log"}
    row |= {"chosen": True}
    table = inputs.tuning(run_with(tuning=[row | {"max_depth": 5.0, "split": "extra"}, row | {"split": "variance", "chosen": False}]))
    assert table is not None and "MAE" in table.columns
    told = [dict(zip(table.columns, cells, strict=True)) for cells in table.rows]
    assert [cells["Depth of a tree"] for cells in told] == ["5", "no limit"] and told[0]["Split rule"] == "extra"
    assert "Trees of a trial" not in table.columns
