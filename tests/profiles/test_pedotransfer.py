"""Pedotransfer rules by hand and on WISE; ranges, the way into the organic curve, the choice of a rule."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.profiles.density.pedotransfer import (
    BLEND_SOC_G_KG,
    MINERAL_RULES,
    ORGANIC_RULE,
    ORGANIC_SOC_G_KG,
    PEDOTRANSFER,
    Rule,
    blended,
    estimate,
    in_range,
    predictor,
)
from edaphic.profiles.density.rule_choice import MIN_OWN_CHECK, best_rules, check
from edaphic.recipe import soil as recipe

LOAM = {"clay_pct": 20.0, "silt_pct": 30.0, "sand_pct": 50.0}


def table(soc: list[float] | np.ndarray, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"profile_id": [f"p{i}" for i in range(len(soc))], "soc_g_kg": soc}).assign(**columns)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("manrique_jones_1991", 1.66 - 0.318 * 1.4142135623730951),
        ("adams_1973", 100 / (3.4482758620689657 / 0.244 + 96.55172413793103 / 1.64)),
        ("honeysett_ratkowsky_1989", 1 / (0.564 + 0.0556 * 3.4482758620689657)),
        ("saini_1966", 1.62 - 0.06 * 3.4482758620689657),
        ("jeffrey_1970", 1.482 - 0.6786 * 0.5376020021010439),
        ("grigal_1989", 0.669 + 0.941 * np.exp(-0.24 / 0.29)),
        ("drew_1973", 1 / (0.6268 + 0.0361 * 3.4482758620689657)),
        ("alexander_1980", 1.66 - 0.308 * 1.4142135623730951),
        ("de_vos_2005", 1.775 - 0.173 * 1.8569533817705186),
        ("tomasella_hodnett_1998", 1.578 - 0.054 * 2 - 0.006 * 30 - 0.004 * 20),
        ("bernoux_1998", 1.398 - 0.042 * 2 - 0.0047 * 20),
        ("kaur_2002", np.exp(0.313 - 0.191 * 2 + 0.02102 * 20 - 0.000476 * 400 - 0.00432 * 30)),
        ("hollis_2012", 0.69794 + 0.750636 * np.exp(-0.46071) + 0.0008687 * 50 - 0.0005164 * 20),
    ],
)
def test_rules_at_two_per_cent_carbon_in_a_loam(rule: str, expected: float) -> None:
    """2 % carbon is 3.448 % organic matter; 20 % clay, 30 % silt, 50 % sand."""
    assert estimate(table([20.0], **LOAM), PEDOTRANSFER[rule])[0] == pytest.approx(expected, rel=1e-6)


def test_every_mineral_rule_is_checked_by_hand_above() -> None:
    by_hand = test_rules_at_two_per_cent_carbon_in_a_loam.pytestmark[0].args[1]
    assert [rule for rule, _ in by_hand] == [rule.name for rule in MINERAL_RULES]


def test_organic_curve() -> None:
    found = estimate(table([90.0, 400.0]), PEDOTRANSFER[ORGANIC_RULE])
    np.testing.assert_allclose(found, [1.38 - 0.31 * np.log(10), 1.38 - 0.31 * np.log(41)])


@pytest.mark.parametrize("rule", PEDOTRANSFER.values(), ids=lambda rule: rule.name)
@pytest.mark.parametrize("texture", [LOAM, {"clay_pct": 100.0, "silt_pct": 0.0}, {"clay_pct": 0.0, "silt_pct": 100.0}])
def test_rules_are_plausible_and_fall_with_carbon(rule: Rule, texture: dict[str, float]) -> None:
    low, high = rule.valid_soc_g_kg
    density = estimate(table(np.linspace(0, 600, 601), **texture), rule)
    assert ((density > 0.05) & (density < 1.8)).all()
    assert (np.diff(density) <= 0).all()
    assert density[0] == estimate(table([low], **texture), rule)[0]
    assert density[-1] == estimate(table([high], **texture), rule)[0]
    assert rule.citation
    assert rule.checked_on > 300


def test_a_rule_without_its_predictor_gives_nothing() -> None:
    rows = table([10.0, 10.0, 10.0], clay_pct=[20.0, np.nan, 20.0], silt_pct=[30.0, 30.0, np.nan])
    assert np.isfinite(estimate(rows, PEDOTRANSFER["tomasella_hodnett_1998"])).tolist() == [True, False, False]
    assert np.isnan(estimate(table([10.0]), PEDOTRANSFER["bernoux_1998"])).all()
    assert in_range(rows, PEDOTRANSFER["tomasella_hodnett_1998"]).tolist() == [True, False, False]


def test_the_third_texture_fraction_is_the_rest() -> None:
    rows = table([10.0] * 3, clay_pct=[20.0, 70.0, 20.0], sand_pct=[50.0, 60.0, np.nan])
    np.testing.assert_array_equal(predictor(rows, "silt_pct"), [30.0, np.nan, np.nan])


def test_ranges_hold_at_their_ends() -> None:
    rule = PEDOTRANSFER["kaur_2002"]
    rows = table([10.0, 10.0, 90.0], clay_pct=[50.0, 80.0, 50.0], silt_pct=10.0)
    assert in_range(rows, rule).tolist() == [True, False, False]
    found = estimate(rows, rule)
    assert found[1] == found[0]
    assert found[2] == estimate(table([80.0], clay_pct=50.0, silt_pct=10.0), rule)[0]


def test_blend_by_hand() -> None:
    """Two thirds of the way from 50 to 80 g/kg."""
    rule, curve = PEDOTRANSFER["saini_1966"], PEDOTRANSFER[ORGANIC_RULE]
    rows = table([20.0, 70.0, 200.0])
    density, inside = blended(rows, rule)
    mineral, organic = estimate(rows, rule), estimate(rows, curve)
    np.testing.assert_allclose(density, [mineral[0], mineral[1] / 3 + organic[1] * 2 / 3, organic[2]])
    assert inside.all()


def test_organic_soil_needs_no_texture() -> None:
    density, inside = blended(table([70.0, 200.0]), PEDOTRANSFER["hollis_2012"])
    assert np.isnan(density[0]) and not inside[0]
    assert density[1] == pytest.approx(1.38 - 0.31 * np.log(21)) and inside[1]


@settings(max_examples=200, deadline=None)
@given(st.floats(20.0, 200.0), st.sampled_from(MINERAL_RULES), st.floats(0.0, 100.0))
def test_no_step_on_the_way_to_organic_soil(soc: float, rule: Rule, clay: float) -> None:
    """0.01 g/kg more changes the estimate by no more than the slopes of both relations and of the weight between them.

    From 20 g/kg on no rule falls faster than 0.012 g/cm3 for a g/kg, and rule and curve differ by less than 0.9 g/cm3.
    """
    density, _ = blended(table([soc, soc + 0.01], clay_pct=clay, silt_pct=(100.0 - clay) / 2), rule)
    width = BLEND_SOC_G_KG[1] - BLEND_SOC_G_KG[0]
    assert abs(density[1] - density[0]) <= 0.01 * (0.024 + 0.9 / width)


def test_recipe_and_rules_agree() -> None:
    assert set(get_args(recipe.Pedotransfer)) == {*(rule.name for rule in MINERAL_RULES), "best"}


def wise(shared: Path) -> pd.DataFrame:
    raw = pd.read_csv(shared / "data" / "wise_profiles" / "wise_layers.csv.gz")
    rows = pd.DataFrame(
        {
            "profile_id": raw.SOURCEID, "soc_g_kg": raw.ORCDRC, "measured": raw.BLD / 1000, "clay_pct": raw.CLYPPT,
            "silt_pct": raw.SLTPPT, "sand_pct": raw.SNDPPT,
        }
    ).dropna(subset=["soc_g_kg", "measured"])  # fmt: skip
    return rows[rows.measured.between(0.02, 2.65) & rows.soc_g_kg.between(0, 600)]


def test_errors_are_those_measured_on_wise(shared: Path) -> None:
    """The figures beside the rules, measured again."""
    rows = wise(shared)
    for rule in PEDOTRANSFER.values():
        part = rows[(rows.soc_g_kg > ORGANIC_SOC_G_KG) == (rule.name == ORGANIC_RULE)]
        error = estimate(part, rule) - part.measured
        error = error[np.isfinite(error)]
        assert len(error) == rule.checked_on
        assert np.sqrt((error**2).mean()) == pytest.approx(rule.error_sd_g_cm3, abs=6e-4)
        assert error.mean() == pytest.approx(rule.bias_g_cm3, abs=6e-4)


def test_best_rule_on_wise(shared: Path) -> None:
    """Thirteen rules on the same horizons: the winner beats the default, and the honest error of choosing is hardly larger."""
    rows = wise(shared)
    rules, choice = best_rules(rows, rows.measured.to_numpy())
    rmse = choice["rmse_g_cm3"]
    assert set(rmse) == {rule.name for rule in MINERAL_RULES}
    assert rules[0].name == min(rmse, key=rmse.get)
    assert rmse[rules[0].name] <= rmse["manrique_jones_1991"]
    assert rmse[rules[0].name] <= choice["cross_checked_rmse_g_cm3"] < 1.02 * rmse[rules[0].name]


def test_best_rule_is_the_one_that_made_the_data() -> None:
    rng = np.random.default_rng(5)
    rows = table(rng.uniform(1, 60, 200), clay_pct=rng.uniform(0, 60, 200), silt_pct=rng.uniform(0, 40, 200))
    truth = blended(rows, PEDOTRANSFER["bernoux_1998"])[0] + rng.normal(0, 0.05, 200)
    rules, choice = best_rules(rows, truth)
    assert rules[0].name == "bernoux_1998"
    assert len(rules) == 2 and not rules[1].needs_texture
    assert choice["compared_on"] == 200
    assert choice["rmse_g_cm3"]["bernoux_1998"] == pytest.approx(0.05, abs=0.01)


def test_best_rule_compares_on_the_same_horizons_only() -> None:
    """Texture for ten of forty: rules that need it are not compared at all."""
    rows = table(np.linspace(1, 60, 40), clay_pct=np.where(np.arange(40) < 10, 20.0, np.nan), silt_pct=30.0)
    rules, choice = best_rules(rows, estimate(rows, PEDOTRANSFER["saini_1966"]))
    assert rules == (PEDOTRANSFER["saini_1966"],)
    assert choice["compared_on"] == 40
    assert not {"hollis_2012", "kaur_2002", "bernoux_1998", "tomasella_hodnett_1998"} & set(choice["rmse_g_cm3"])


def test_best_rule_needs_thirty_measured_mineral_horizons() -> None:
    rows = table([*[20.0] * (MIN_OWN_CHECK - 1), *[300.0] * 50])
    rules, choice = best_rules(rows, np.full(len(rows), 1.0))
    assert [rule.name for rule in rules] == ["manrique_jones_1991"]
    assert choice["reason"].startswith("29 measured mineral horizons, fewer than 30")


def test_own_error_replaces_that_of_wise_from_thirty_on() -> None:
    rule = PEDOTRANSFER["drew_1973"]
    assert check(np.full(29, 0.5), rule)["checked_against"] == "ISRIC-WISE"
    own = check(np.append(np.tile([0.1, -0.3], 15), np.nan), rule)
    assert (own["checked_against"], own["checked_on"]) == ("this table", 30)
    assert own["error_sd_g_cm3"] == pytest.approx(np.sqrt(0.05))
    assert own["bias_g_cm3"] == pytest.approx(-0.1)
