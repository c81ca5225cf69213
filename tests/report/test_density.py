"""Bulk density: every source counted, and what the run says of it told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edaphic.report.density import assumed_share, density_error, density_facts, estimated_share, organic_table
from edaphic.report.facts import target_of
from edaphic.report.folder import RunFolder
from edaphic.report.limits import limits

Make = Callable[..., RunFolder]
NONE = {"measured": 0, "reported": 0, "pedotransfer": 0, "gap_filling": 0, "grid": 0, "missing": 0}


def facts(run: RunFolder) -> dict[str, str]:
    return {term: words.replace("\u00a0", " ") for term, words in density_facts(run)}


@pytest.mark.parametrize("source", ["reported", "pedotransfer", "gap_filling", "grid"])
def test_all_that_is_not_measured_is_estimated(run_with: Make, source: str) -> None:
    """A horizon without a density is neither."""
    run = run_with(summary={"bulk_density": NONE | {"measured": 25, source: 75, "missing": 900}})
    assert estimated_share(run) == 0.75
    assert "estimated, not measured, in 75 %" in " ".join(limits(run, target_of(run))).replace("\u00a0", " ")
    assert "missing in 900" in facts(run)["Bulk density"]


def test_shares_of_older_runs_and_of_none(run_with: Make) -> None:
    assert estimated_share(run_with(summary={"bulk_density": {"measured": 1, "pedotransfer": 3}})) == 0.75
    assert np.isnan(estimated_share(run_with())) and np.isnan(assumed_share(run_with()))
    assert np.isnan(estimated_share(run_with(summary={"bulk_density": NONE})))
    fragments = {"measured": 10, "class": 20, "profile": 30, "grid": 20, "assumed": 20}
    assert assumed_share(run_with(summary={"coarse_fragments": fragments})) == 0.2


def test_the_error_is_that_of_the_estimate_used_most(run_with: Make) -> None:
    density: dict[str, Any] = NONE | {"error_sd_g_cm3": 0.2, "gap_filling_score": {"rmse_g_cm3": 0.1}}
    density["errors"] = {"grid": {"error_sd_g_cm3": 0.3}}
    for source, error in (("pedotransfer", 0.2), ("gap_filling", 0.1), ("grid", 0.3)):
        assert density_error(run_with(summary={"bulk_density": density | {"measured": 99, "reported": 1, source: 2}})) == error
    assert np.isnan(density_error(run_with(summary={"bulk_density": density | {"measured": 99}})))


def test_chain_sources_and_basis(run_with: Make) -> None:
    density: dict[str, Any] = NONE | {"chain": ["measured", "gap_filling", "grid"], "measured": 5, "gap_filling": 3, "grid": 2}
    density |= {"converted_to_fine_earth": {"measured": 4, "reported": 0}, "basis_assumed_fine_earth": 1}
    said = facts(run_with(summary={"bulk_density": density}))
    assert said["Bulk density"].startswith("Measured in 5 horizons, estimated by gap filling in 3 and from a grid in 2.")
    assert "measured, then gap filling, then grid" in said["Bulk density"]
    assert said["Basis of bulk density"] == (
        "4 measured converted to fine earth; 1 without a stated basis taken to be of fine earth (an assumption)."
    )
    assert set(said) == {"Bulk density", "Basis of bulk density"}


def test_gap_filling_is_told_with_its_error_out_of_fold(run_with: Make) -> None:
    score = {"engine": "sklearn", "horizons": 500, "profiles": 120, "folds": "5 of whole profiles", "rmse_g_cm3": 0.121}
    score |= {"bias_g_cm3": 0.004, "mec": 0.61, "organic": "gap filling"}
    score["beside"] = [
        {"rule": "worse", "horizons": 90, "rmse_g_cm3": 0.3, "gap_filling": {"rmse_g_cm3": 0.125}},
        {"rule": "better", "horizons": 80, "rmse_g_cm3": 0.2, "gap_filling": {"rmse_g_cm3": 0.115}},
    ]
    density = NONE | {"measured": 500, "gap_filling": 100, "gap_filling_score": score}
    said = facts(run_with(summary={"bulk_density": density}))["Gap filling"]
    assert "500 measured horizons of 120 profiles (sklearn); out of fold (5 of whole profiles) RMSE 0.121 g/cm³" in said
    assert "The best rule, better, has RMSE 0.200 g/cm³ on 80 of them, where gap filling has 0.115 g/cm³" in said


def test_the_choice_of_the_best_rule(run_with: Make) -> None:
    density: dict[str, Any] = NONE | {"measured": 50, "pedotransfer": 9, "rule": "first", "second_rule": {"rule": "plain"}}
    density["choice"] = {"asked": "best", "compared_on": 45, "rmse_g_cm3": {"first": 0.1, "plain": 0.2}}
    density["choice"]["cross_checked_rmse_g_cm3"] = 0.11
    said = facts(run_with(summary={"bulk_density": density}))["Pedotransfer rule"]
    assert said.startswith("first. Without texture: plain. Chosen as the best of 2 on 45 measured horizons")
    assert "0.110 g/cm³" in said
    density["choice"] = {"asked": "best", "reason": "7 measured mineral horizons, fewer than 30: the default rule"}
    assert "found 7 measured mineral horizons" in facts(run_with(summary={"bulk_density": density}))["Pedotransfer rule"]


def choice(name: str, ratio: float | None, horizons: int = 3) -> dict[str, Any]:
    row = {"choice": name, "meaning": f"meaning of {name}", "horizons": horizons, "given": 1, "changed": 2}
    return row | {"soc_density_kg_m3": 40.0, "soc_stock_kg_m2": 12.0, "ratio": ratio}


def test_organic_choices_only_where_there_is_organic_soil(run_with: Make) -> None:
    rows = [choice("kept", 1.0), choice("mineral_rule", 1.3), choice("curve_as_cap", 0.8)]
    run = run_with(summary={"bulk_density": {"organic": {"choices": rows}}})
    table = organic_table(run, target_of(run))
    assert table is not None and table.rows[0][0] == "ours, meaning of kept"
    assert [row[-1] for row in table.rows] == ["1.00", "1.30", "0.80"]
    assert "3 organic horizons" in table.caption
    assert "would give 0.80 to 1.30 times their carbon" in " ".join(limits(run, target_of(run)))
    empty = run_with(summary={"bulk_density": {"organic": {"choices": [choice("kept", None, horizons=0)]}}})
    assert organic_table(empty, target_of(empty)) is None and not limits(empty, target_of(empty))
    contents = run_with(summary=dict(run.summary), recipe={"model": {"target": "soc"}})
    assert organic_table(contents, target_of(contents)) is None
