"""Pedotransfer rules by hand and on WISE; filling with provenance."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic import recipe
from edaphic.errors import TableError
from edaphic.profiles import PEDOTRANSFER, fill
from edaphic.profiles.bulk_density import ORGANIC_RULE, estimate


def horizons(**columns: Any) -> pd.DataFrame:
    n = max(len(values) for values in columns.values())
    table = pd.DataFrame(
        {"profile_id": ["a"] * n, "top_cm": np.arange(n) * 10.0, "bottom_cm": np.arange(1, n + 1) * 10.0}
    )
    table = table.assign(soc_g_kg=10.0, bulk_density_g_cm3=np.nan, coarse_fragments_vol_pct=np.nan)
    return table.assign(**columns)


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
    ],
)
def test_rules_at_two_per_cent_carbon(rule: str, expected: float) -> None:
    """2 % carbon is 3.448 % organic matter."""
    found = estimate(pd.DataFrame({"soc_g_kg": [20.0]}), PEDOTRANSFER[rule])
    assert found[0] == pytest.approx(expected, rel=1e-6)


def test_organic_curve() -> None:
    found = estimate(pd.DataFrame({"soc_g_kg": [90.0, 400.0]}), PEDOTRANSFER[ORGANIC_RULE])
    np.testing.assert_allclose(found, [1.38 - 0.31 * np.log(10), 1.38 - 0.31 * np.log(41)])


@pytest.mark.parametrize("rule", PEDOTRANSFER.values(), ids=lambda rule: rule.name)
def test_rules_are_plausible_and_fall_with_carbon(rule: Any) -> None:
    low, high = rule.valid_soc_g_kg
    density = estimate(pd.DataFrame({"soc_g_kg": np.linspace(0, 600, 601)}), rule)
    assert ((density > 0.05) & (density < 1.8)).all()
    assert (np.diff(density) <= 0).all()
    assert density[0] == estimate(pd.DataFrame({"soc_g_kg": [low]}), rule)[0]
    assert density[-1] == estimate(pd.DataFrame({"soc_g_kg": [high]}), rule)[0]
    assert rule.citation
    assert rule.checked_on > 300


def test_recipe_and_rules_agree() -> None:
    assert {*get_args(recipe.Pedotransfer), ORGANIC_RULE} == set(PEDOTRANSFER)


def test_errors_are_those_measured_on_wise(shared: Path) -> None:
    """The figures beside the rules, measured again."""
    wise = pd.read_csv(shared / "data" / "wise_profiles" / "wise_layers.csv.gz")
    table = pd.DataFrame({"soc_g_kg": wise.ORCDRC, "measured": wise.BLD / 1000}).dropna()
    table = table[table.measured.between(0.02, 2.65) & table.soc_g_kg.between(0, 600)]
    for rule in PEDOTRANSFER.values():
        organic = rule.name == ORGANIC_RULE
        check = table[(table.soc_g_kg > 80) == organic]
        error = estimate(check, rule) - check.measured
        assert len(check) == rule.checked_on
        assert np.sqrt((error**2).mean()) == pytest.approx(rule.error_sd_g_cm3, abs=6e-4)
        assert error.mean() == pytest.approx(rule.bias_g_cm3, abs=6e-4)


# --- filling --------------------------------------------------------------------------------------------------------


def test_measured_stays_and_missing_is_estimated_by_kind_of_soil() -> None:
    table = horizons(soc_g_kg=[20.0, 20.0, 300.0, 300.0], bulk_density_g_cm3=[1.1, np.nan, 0.9, np.nan])
    filled, summary = fill(table, "saini_1966")
    assert filled.bulk_density_g_cm3[[0, 2]].tolist() == [1.1, 0.9]
    assert filled.bulk_density_g_cm3[1] == pytest.approx(1.62 - 0.06 * 20 / 5.8)
    assert filled.bulk_density_g_cm3[3] == pytest.approx(1.38 - 0.31 * np.log(31))
    assert filled.bulk_density_source.tolist() == ["measured", "pedotransfer"] * 2
    assert filled.bulk_density_sd_g_cm3.tolist() == [0.0, 0.256, 0.0, 0.359]
    density = summary["bulk_density"]
    assert (density["measured"], density["pedotransfer"], density["rule"]) == (2, 2, "saini_1966")
    assert density["checked_against"] == "ISRIC-WISE"
    assert density["organic"]["pedotransfer"] == 1
    assert table.bulk_density_g_cm3.isna().sum() == 2


def test_thirty_measured_horizons_check_the_rule_themselves() -> None:
    """Measured 0.1 above and 0.3 below the rule in turn: bias 0.1, root mean square sqrt(0.05)."""
    truth = 1.66 - 0.318
    measured = np.where(np.arange(31) % 2 == 0, truth + 0.1, truth - 0.3)
    measured[30] = np.nan
    filled, summary = fill(horizons(bulk_density_g_cm3=measured))
    assert summary["bulk_density"]["checked_on"] == 30
    assert summary["bulk_density"]["checked_against"] == "this table"
    assert summary["bulk_density"]["bias_g_cm3"] == pytest.approx(0.1)
    assert summary["bulk_density"]["error_sd_g_cm3"] == pytest.approx(np.sqrt(0.05))
    assert filled.bulk_density_sd_g_cm3.iloc[30] == pytest.approx(np.sqrt(0.05))


def test_measured_values_far_above_the_organic_curve_are_counted_and_kept() -> None:
    filled, summary = fill(horizons(soc_g_kg=[400.0, 400.0], bulk_density_g_cm3=[1.0, 0.3]))
    assert summary["bulk_density"]["organic"]["measured_far_above_curve"] == 1
    assert filled.bulk_density_g_cm3.tolist() == [1.0, 0.3]


def test_without_a_rule_missing_stays_missing() -> None:
    filled, summary = fill(horizons(bulk_density_g_cm3=[1.3, np.nan]), None)
    assert filled.bulk_density_source.tolist() == ["measured", ""]
    assert filled.bulk_density_sd_g_cm3.isna().tolist() == [False, True]
    assert summary["bulk_density"] == {"measured": 1, "pedotransfer": 0, "missing": 1, "rule": None}


def test_fragments_from_the_profile_then_assumed() -> None:
    table = horizons(
        profile_id=["a", "a", "a", "b", "c"],
        top_cm=[0.0, 10, 40, 0, 0],
        bottom_cm=[10.0, 40, 60, 20, 20],
        coarse_fragments_vol_pct=[8.0, 20.0, np.nan, np.nan, 30.0],
    )
    filled, summary = fill(table)
    assert filled.coarse_fragments_vol_pct.tolist() == [8.0, 20.0, 17.0, 20.0, 30.0]
    assert filled.coarse_fragments_source.tolist() == ["measured", "measured", "profile", "assumed", "measured"]
    assert summary["coarse_fragments"] == {"measured": 3, "profile": 1, "assumed": 1, "assumed_vol_pct": 20.0}
    given_value, _ = fill(table, missing_fragments_vol_pct=5.0)
    assert given_value.coarse_fragments_vol_pct.tolist() == [8.0, 20.0, 17.0, 5.0, 30.0]
    none_measured, summary = fill(horizons(coarse_fragments_vol_pct=[np.nan]))
    assert none_measured.coarse_fragments_vol_pct.tolist() == [0.0]
    assert summary["coarse_fragments"]["assumed_vol_pct"] == 0.0


def test_fragments_by_mass_are_converted_with_the_density_of_their_horizon() -> None:
    """Half of the mass at 1.325 g/cm3 against 2.65: a third of the volume."""
    table = horizons(bulk_density_g_cm3=[1.325, 1.325], coarse_fragments_mass_pct=[50.0, np.nan])
    filled, _ = fill(table)
    np.testing.assert_allclose(filled.coarse_fragments_vol_pct, [100 / 3, 100 / 3])
    assert filled.coarse_fragments_source.tolist() == ["measured", "profile"]


_values = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.floats(0, 600),
        st.one_of(st.just(np.nan), st.floats(0.02, 2.65)),
        st.one_of(st.just(np.nan), st.floats(0, 100)),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(_values, st.sampled_from([rule for rule in PEDOTRANSFER if rule != ORGANIC_RULE]))
def test_filling_completes_and_changes_no_measurement(rows: list[tuple[str, float, float, float]], rule: str) -> None:
    ids, soc, density, fragments = zip(*rows, strict=True)
    table = horizons(
        profile_id=list(ids),
        soc_g_kg=list(soc),
        bulk_density_g_cm3=list(density),
        coarse_fragments_vol_pct=list(fragments),
    )
    filled, summary = fill(table, rule)
    assert filled.bulk_density_g_cm3.between(0.02, 2.65).all()
    assert filled.coarse_fragments_vol_pct.between(0, 100).all()
    for name, source in (("bulk_density_g_cm3", "bulk_density"), ("coarse_fragments_vol_pct", "coarse_fragments")):
        measured = table[name].notna()
        assert (filled[name][measured] == table[name][measured]).all()
        assert ((filled[f"{source}_source"] == "measured") == measured).all()
        assert summary[source]["measured"] == measured.sum()
    assert ((filled.bulk_density_sd_g_cm3 == 0) == table.bulk_density_g_cm3.notna()).all()


@pytest.mark.parametrize("rule", ["saxton", ORGANIC_RULE])
def test_unknown_rules_are_refused(rule: str) -> None:
    with pytest.raises(TableError, match="expected one of manrique_jones_1991, adams_1973"):
        fill(horizons(soc_g_kg=[1.0]), rule)


def test_impossible_fragments_are_refused() -> None:
    with pytest.raises(TableError, match="expected 0 to 100"):
        fill(horizons(soc_g_kg=[1.0]), missing_fragments_vol_pct=120)
