"""Sentences that follow the figures of the run: layers without skill, intervals off somewhere, zones that do not pay, and others."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edaphic.report import others, tables
from edaphic.report.evidence_pictures import importance
from edaphic.report.facts import target_of
from edaphic.report.folder import RunFolder, read_run
from edaphic.report.inputs import mapped
from edaphic.report.limits import limits
from edaphic.report.plausibility import Check, checks
from edaphic.report.skill import coverage, layer_scores, skill
from edaphic.report.support_pictures import distances

Make = Callable[..., RunFolder]


def metric(design: str, mec: float, layer: str = "all layers", **more: object) -> dict:
    row = {"design": design, "scale": "natural", "layer": layer, "n": 99, "mec": mec, "rmse": 2.0, "bias": 0.0, "unit": "kg/m2"}
    return row | {"mec_low": mec - 0.05, "mec_high": mec + 0.05} | more


def covered(group: str, value: float, half: float = 0.02, n: float = 100, design: str = "knndm") -> dict:
    row = {"design": design, "group": group, "n": n, "n_profiles": n, "nominal": 0.9, "coverage": value, "below": 0.05, "above": 0.05}
    return row | {"coverage_low": value - half, "coverage_high": value + half}


def apart(low: float, high: float, layer: str = "all layers") -> list[dict]:
    row = {"design": "knndm", "layer": layer, "n": 9, "mec": 0.5, "rmse": 1.0, "unit": "kg/m2"}
    beside = {"rmse_minus_ours": (low + high) / 2, "rmse_minus_ours_low": low, "rmse_minus_ours_high": high}
    return [row | {"what": "a model for each zone"}, row | beside | {"what": "one model for all"}]


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def card_of(run: RunFolder, make: Callable[[RunFolder], Any] = skill) -> str:
    card = make(run)
    assert card is not None
    return plain(" ".join((card.figure, *card.sentences)))


def found(run: RunFolder) -> dict[str, Check]:
    return {plain(check.name): check for check in checks(run, target_of(run), {})}


def said(run: RunFolder) -> str:
    return plain(" | ".join(limits(run, target_of(run))))


HEADLINE = {"headline": "knndm"}
LAYERS = [metric("knndm", 0.19), metric("knndm", 0.03, "0-30 cm"), metric("knndm", 0.30, "30-60 cm")]
LAYERS += [metric("knndm", 0.15, "whole 0-60 cm")]


def test_the_card_lists_the_layers_and_names_those_without_skill(run_with: Make) -> None:
    text = card_of(run_with(metrics=LAYERS, designs=HEADLINE))
    assert "By layer: 0–30 cm 0.03 [−0.02, 0.08], 30–60 cm 0.30 [0.25, 0.35]." in text
    assert "In 0–30 cm no skill is shown" in text and "whole" not in text
    check = found(run_with(metrics=LAYERS, designs=HEADLINE))["skill in each layer by kNNDM"]
    assert check.verdict == "look" and "0–30" in check.found and "30–60" not in check.found


def test_layers_with_skill_are_listed_without_a_warning(run_with: Make) -> None:
    run = run_with(metrics=[metric("knndm", 0.4), metric("knndm", 0.2, "0-30 cm"), metric("knndm", 0.3, "30-60 cm")], designs=HEADLINE)
    assert "By layer:" in card_of(run) and "no skill" not in card_of(run)
    assert found(run)["skill in each layer by kNNDM"].verdict == "ok"


@pytest.mark.parametrize(("mec", "low", "none"), [(0.1, 0.01, False), (0.1, 0.0, True), (0.1, math.nan, False), (-0.1, math.nan, True)])
def test_no_skill_is_told_by_the_interval_else_by_the_figure(run_with: Make, mec: float, low: float, none: bool) -> None:
    run = run_with(metrics=[metric("knndm", mec, "0-30 cm", mec_low=low)], designs=HEADLINE)
    assert [score.without_skill for score in layer_scores(run, "knndm")] == [none]
    assert ("In 0–30 cm no skill is shown" in card_of(run)) == none
    assert "By layer" not in card_of(run), "one layer is the figure itself"


def test_layers_of_an_estimate_by_the_draw(run_with: Make) -> None:
    def row(bottom: float, mec: float) -> dict:
        row = {"set": "sites", "statistic": "mec", "top_cm": 0.0, "bottom_cm": bottom, "estimate": mec, "sites": 50, "unit": "kg/m2"}
        return row | {"low": mec - 0.2, "high": mec + 0.2}

    run = run_with(by_design=[row(30.0, 0.1), row(60.0, 0.5)], designs={"headline": "probability", "probability_set": "sites"})
    assert "In 0–30 cm no skill is shown" in card_of(run)


@pytest.mark.parametrize(
    ("profile", "block", "knndm", "words", "not_said"),
    [
        (0.50, 0.26, 0.19, "no more than the kNNDM figure (0.19)", "block figure"),
        (0.50, 0.19, 0.26, "no more than the block figure (0.19)", "kNNDM figure"),
        (0.50, 0.26, None, "no more than the block figure (0.26)", "kNNDM"),
        (0.20, 0.27, 0.01, "predicted better than held-out profiles (MEC 0.27 against 0.20)", "Far from any profile"),
        (0.50, 0.50, 0.50, "about as well as held-out profiles", "easier test"),
    ],
)
def test_what_to_expect_far_away_follows_the_figures(
    run_with: Make, profile: float, block: float, knndm: float | None, words: str, not_said: str
) -> None:
    known = {"profile": profile, "block": block, "knndm": knndm}
    text = said(run_with(metrics=[metric(name, mec) for name, mec in known.items() if mec is not None]))
    assert words in text and not_said not in text


def test_blocks_may_be_the_easier_test(run_with: Make) -> None:
    run = run_with(metrics=[metric("knndm", 0.01), metric("profile", 0.20), metric("block", 0.27)], designs=HEADLINE)
    assert "Blocks are the easier test here: at the distances of the map's cells (kNNDM) the MEC is 0.01." in said(run)
    assert "here an easier test than the distances of the map (kNNDM)" in card_of(run)
    assert "too good where profiles are clustered" in card_of(run)
    other = run_with(metrics=[metric("knndm", 0.3), metric("profile", 0.20), metric("block", 0.1)], designs=HEADLINE)
    assert "here no better than by kNNDM" in card_of(other)
    assert "too good where" not in card_of(other) and "easier" not in card_of(other)


def test_the_figure_of_distances_says_that_blocks_are_not_drawn(run_with: Make) -> None:
    rows = [{"p": p, "gij_m": 3000 * p, "gj_star_m": 2900 * p, "gj_profile_m": 900 * p} for p in np.linspace(0.0, 1.0, 11)]
    picture = distances(run_with(knndm=rows, designs={"block_km": 28.0}))
    assert picture is not None and plain(picture.caption).endswith("Blocks are not drawn; their side is 28.0 km.")


def test_intervals_are_on_the_mark_only_where_every_group_is(run_with: Make) -> None:
    good = [covered("all layers", 0.9), covered("0-30 cm", 0.91), covered("decile 9", 0.85, 0.06), covered("zone 2", 0.89)]
    small = [covered("zone 3", 0.6, 0.1, n=49), covered("decade 1990s", 0.6), covered("outside applicability", 0.5)]
    run = run_with(calibration=good + small)
    assert "on the mark" in card_of(run, coverage)
    assert found(run)["coverage of each group by kNNDM"].verdict == "ok"


@pytest.mark.parametrize(
    ("group", "shown"),
    [("0-30 cm", "0–30 cm 87.0 %"), ("zone 3", "zone 3 87.0 %"), ("land_cover 4", "land_cover 4 87.0 %"), ("decile 9", "decile 9 87.0 %")],
)
def test_the_worst_of_each_kind_is_named(run_with: Make, group: str, shown: str) -> None:
    run = run_with(calibration=[covered("all layers", 0.9), covered(group, 0.87), covered("decile 1", 0.9)])
    text = card_of(run, coverage)
    assert "on the mark" not in text and f"Worst beyond chance: {shown} [85.0 %, 89.0 %]" in text
    check = found(run)["coverage of each group by kNNDM"]
    assert check.verdict == "look" and shown in plain(check.found)


def test_a_worse_group_takes_the_place_of_a_bad_one(run_with: Make) -> None:
    run = run_with(calibration=[covered("all layers", 0.86), covered("decile 1", 0.87), covered("decile 9", 0.75)])
    text = card_of(run, coverage)
    assert "too narrow" in text and "decile 9 75.0 %" in text and "decile 1 " not in text


def test_fewer_than_promised_is_worse_than_more(run_with: Make) -> None:
    run = run_with(calibration=[covered("all layers", 0.9), covered("zone 1", 0.98, 0.01), covered("zone 2", 0.86)])
    assert "zone 2 86.0 %" in card_of(run, coverage) and "zone 1" not in card_of(run, coverage)
    more = run_with(calibration=[covered("all layers", 0.9), covered("zone 1", 0.98, 0.01)])
    assert "zone 1 98.0 %" in card_of(more, coverage)


def test_an_old_table_without_intervals_is_judged_on_average(run_with: Make) -> None:
    rows = [{key: value for key, value in covered(name, 0.9).items() if "_" not in key} for name in ("all layers", "0-30 cm")]
    assert "on the mark, on average over all layers" in card_of(run_with(calibration=rows), coverage)


def test_scores_without_error_of_observation(run_with: Make) -> None:
    """Taken off: at most half of the squared error (2.0 squared is 4, so at least the square root of 2 is left)."""
    rows = [metric("knndm", 0.5, rmse_net=1.5, mec_net=0.7), metric("knndm", 0.4, "0-30 cm", rmse_net=math.nan, mec_net=math.nan)]
    rows += [metric("knndm", 0.4, "30-60 cm", rmse_net=1.41, mec_net=0.93), metric("in_sample", 0.9, rmse_net=1.9, mec_net=0.9)]
    run = run_with(metrics=rows)
    table = tables.metrics(run, "natural")
    assert table is not None
    column = table.columns.index("MEC without error of observation")
    assert [row[column] for row in table.rows] == ["0.70", "–", "–", "–"]
    assert "explain more than half of the squared error" in tables.net_words(run, "metrics")


def test_no_reason_is_given_where_no_error_is_stated(run_with: Make) -> None:
    assert tables.net_words(run_with(metrics=[metric("knndm", 0.5)]), "metrics") == ""
    assert tables.net_words(run_with(metrics=[metric("knndm", 0.5, rmse_net=1.9, mec_net=0.6)]), "metrics") == ""
    held = {"profile_id": "a", "top_cm": 0.0, "bottom_cm": 30.0, "design": "knndm", "observed": 1.0, "predicted": 1.0}
    run = run_with(metrics=[metric("knndm", 0.5)], out_of_fold=[held | {"error_sd": 0.3}])
    assert tables.net_words(run, "metrics") and not tables.net_words(run, "independent")


@pytest.mark.parametrize(("low", "high", "worse"), [(-0.3, -0.1, True), (-0.3, 0.1, False), (0.1, 0.3, False)])
def test_zones_that_do_not_pay_are_a_limit_and_a_check(run_with: Make, low: float, high: float, worse: bool) -> None:
    run = run_with(zoning=apart(low, high) + apart(0.1, 0.3, "0-30 cm"), recipe={"model": {"zones": "climate"}})
    sentence = "One model for all is better beyond chance than a model for each zone in all layers; the maps use zones nevertheless"
    assert (sentence in said(run)) == worse
    check = found(run)["models by zone against one for all"]
    assert check.verdict == ("look" if worse else "ok") and ("as the recipe says" in check.found) == worse
    assert any("a model for each zone of climate" in words.lower() for _, words in mapped(run, target_of(run)))


def test_covariates_that_the_model_does_not_have(run_with: Make) -> None:
    names = (("depth", 0.2, 0.01, True), ("gone", 0.1, 0.02, False), ("weak", 0.05, 0.06, True))
    rows = [{"feature": name, "rmse_increase": up, "rmse_increase_sd": sd, "in_model": kept} for name, up, sd, kept in names]
    picture = importance(run_with(importance=rows))
    assert picture is not None and "not in the final model, only in models of some folds (gone)." in picture.caption
    assert "Smaller than their standard deviation, and so not clearly more than nothing: weak." in picture.caption
    old = importance(run_with(importance=[{key: value for key, value in row.items() if key != "in_model"} for row in rows]))
    assert old is not None and "not in the final model" not in old.caption and old.png != picture.png


def test_in_model_is_read_from_the_file(fake_run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from_file: list[pd.DataFrame] = []
    monkeypatch.setattr("edaphic.report.figures.importance", lambda table, unit: from_file.append(table))
    monkeypatch.setattr("edaphic.report.evidence_pictures.picture_of", lambda name, figure, alt, caption: caption)
    run = fake_run(shape=(6, 7), profiles=50)
    path: Path = run.folder / "evidence" / "importance.csv"
    table = pd.read_csv(path)
    table.assign(in_model=[name != "slope" for name in table["feature"]]).to_csv(path, index=False)
    assert "(slope)" in str(importance(read_run(run.folder)))
    assert [value for value in from_file[0]["in_model"]].count(False) == 1


@pytest.mark.parametrize(("share", "told"), [(0.79, True), (0.8, False), (None, False)])
def test_a_map_mostly_outside_is_told_on_the_first_screen(run_with: Make, share: float | None, told: bool) -> None:
    run = run_with(metrics=[metric("knndm", 0.5)], designs=HEADLINE | ({"applicability": {"share_inside": share}} if share else {}))
    assert ("of the map lies inside the area of applicability" in card_of(run)) == told


@pytest.mark.parametrize(("side", "told"), [("nearer to", True), ("farther from", False)])
def test_held_back_places_nearer_than_the_map(run_with: Make, side: str, told: bool) -> None:
    line = f"kNNDM: held-back places are {side} training places than cells of the map are (mean 1 km): the error is likely another"
    run = run_with(metrics=[metric("knndm", 0.5)], designs=HEADLINE | {"notes": {"knndm": [line]}})
    assert (f"{line}." in card_of(run)) == told


def product(set_: str, n: int, low: float, high: float) -> list[dict]:
    row = {"set": set_, "rows": "common", "top_cm": 0.0, "bottom_cm": 30.0, "score": "rmse", "value": 3.0, "n": n}
    apart = {"ours_minus_it": (low + high) / 2, "ours_minus_it_low": low, "ours_minus_it_high": high}
    return [row | {"product": "this map"}, row | apart | {"product": "other"}]


@pytest.mark.parametrize(("low", "high", "opposite"), [(-0.9, -0.5, True), (-0.5, 0.5, False), (0.2, 0.4, False)])
def test_opposite_verdicts_on_a_product_are_of_different_places(run_with: Make, low: float, high: float, opposite: bool) -> None:
    run = run_with(products=product("held out", 652, 0.2, 0.4) + product("sites", 112, low, high))
    text = plain(" ".join(others.product_words(run)))
    assert ("The two verdicts on other in 0–30 cm are opposite, but they are of different places" in text) == opposite
    assert ("652 held-out observations" in text and "112 of sites" in text) == opposite


BOX = {"profiles": {"cleaning": {"bounding_box": [33.0, 3.0, 45.0, 15.0]}}}


def summary(profiles_kept: int, soc_missing: int) -> dict:
    repairs = {
        "coordinates outside the bounding box": {"action": "profile dropped", "count": 900},
        "soc missing": {"action": "horizon dropped", "count": soc_missing},
    }
    counts = {"profiles_read": 1000, "profiles_kept": profiles_kept, "horizons_read": 4000, "horizons_kept": 300}
    return counts | {"repairs": repairs}


def test_what_lies_outside_a_box_of_the_recipe_is_no_loss(run_with: Make) -> None:
    run = run_with(summary=summary(80, 60), recipe=BOX)
    profiles, horizons = (found(run)[f"{name} dropped by the cleaning"] for name in ("profiles", "horizons"))
    assert profiles.verdict == horizons.verdict == "ok"
    assert plain(profiles.found).startswith("20 %") and "900 profiles outside it are not counted" in profiles.found
    assert plain(horizons.found).startswith("17 %"), "60 of 360"
    assert "900 profiles outside the bounding box of the recipe were left out, as it asks." in said(run)


def test_losses_inside_the_box_still_count(run_with: Make) -> None:
    assert found(run_with(summary=summary(40, 0), recipe=BOX))["profiles dropped by the cleaning"].verdict == "wrong"
    assert found(run_with(summary=summary(90, 200), recipe=BOX))["horizons dropped by the cleaning"].verdict == "look"
    without = run_with(summary=summary(80, 60))
    assert found(without)["horizons dropped by the cleaning"].verdict == "wrong" and "bounding box" not in said(without)


def test_what_is_left_empty_outside_is_no_part_of_the_map(run_with: Make) -> None:
    recipe = {"maps": {"only_applicable": True}}
    run = run_with(metrics=[metric("knndm", 0.5)], designs=HEADLINE | {"applicability": {"share_inside": 0.7}}, recipe=recipe)
    assert "Only 70 % of the cells lie inside the area of applicability; the rest is left empty." in card_of(run)
    said = " ".join(limits(run, target_of(run)))
    assert "30.0\xa0% of the cells lie outside the area of applicability and are left empty" in said
    assert "of the map lies outside" not in said
