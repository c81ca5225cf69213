"""The chain of bulk density: order, basis, provenance, error, organic soil."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import TableError
from edaphic.profiles.density.bulk_density import DENSITY_SOURCES, FAR_ABOVE, MEASURED_SD_SHARE, fill
from edaphic.profiles.density.pedotransfer import MINERAL_RULES, ORGANIC_RULE, PEDOTRANSFER
from edaphic.units import BASES

NAN = np.nan


def horizons(**columns: Any) -> pd.DataFrame:
    n = max(len(values) for values in columns.values())
    table = pd.DataFrame({"profile_id": ["a"] * n, "top_cm": np.arange(n) * 10.0, "bottom_cm": np.arange(1, n + 1) * 10.0})
    table = table.assign(source="s", row=np.arange(1, n + 1), soc_g_kg=10.0, bulk_density_g_cm3=NAN, coarse_fragments_vol_pct=NAN)
    return table.assign(**columns)


# --- order and provenance -------------------------------------------------------------------------------------------


def test_measured_stays_and_missing_is_estimated_by_kind_of_soil() -> None:
    table = horizons(soc_g_kg=[20.0, 20.0, 300.0, 300.0], bulk_density_g_cm3=[1.1, NAN, 0.5, NAN])
    before = table.copy()
    filled, summary, repairs = fill(table, rule="saini_1966")
    np.testing.assert_allclose(filled.bulk_density_g_cm3, [1.1, 1.62 - 0.06 * 20 / 5.8, 0.5, 1.38 - 0.31 * np.log(31)])
    assert filled.bulk_density_source.tolist() == ["measured", "pedotransfer"] * 2
    np.testing.assert_allclose(filled.bulk_density_sd_g_cm3, [0.066, 0.256, 0.03, 0.359])
    density = summary["bulk_density"]
    assert (density["measured"], density["pedotransfer"], density["missing"]) == (2, 2, 0)
    assert (density["rule"], density["checked_against"], density["choice"]) == ("saini_1966", "ISRIC-WISE", {"asked": "saini_1966"})
    assert (density["organic"]["measured"], density["organic"]["pedotransfer"]) == (1, 1)
    assert density["organic"]["rule"] == ORGANIC_RULE
    assert repairs.empty
    pd.testing.assert_frame_equal(table, before)


def test_order_of_sources() -> None:
    table = horizons(bulk_density_g_cm3=[1.1, NAN, NAN, NAN], bulk_density_reported_g_cm3=[1.2, 1.3, NAN, NAN])
    grid = np.array([1.5, 1.5, 1.5, NAN])
    filled, summary, _ = fill(table, ("measured", "reported", "grid", "pedotransfer"), grid=grid)
    assert filled.bulk_density_source.tolist() == ["measured", "reported", "grid", "pedotransfer"]
    np.testing.assert_allclose(filled.bulk_density_g_cm3[:3], [1.1, 1.3, 1.5])
    assert {name: summary["bulk_density"][name] for name in DENSITY_SOURCES} == {
        "measured": 1, "reported": 1, "pedotransfer": 1, "gap_filling": 0, "grid": 1,
    }  # fmt: skip
    filled, _, _ = fill(table, ("grid", "reported", "measured"), grid=grid)
    assert filled.bulk_density_source.tolist() == ["grid", "grid", "grid", ""]


def test_a_rule_before_the_measured_replaces_them_and_says_so() -> None:
    filled, summary, _ = fill(horizons(bulk_density_g_cm3=[1.1, NAN]), ("pedotransfer", "measured"))
    assert filled.bulk_density_source.tolist() == ["pedotransfer"] * 2
    assert summary["bulk_density"]["measured_not_used"] == 1
    assert fill(horizons(bulk_density_g_cm3=[1.1, NAN]))[1]["bulk_density"]["measured_not_used"] == 0


def test_without_a_rule_missing_stays_missing() -> None:
    filled, summary, _ = fill(horizons(bulk_density_g_cm3=[1.3, NAN]), ("measured",))
    assert filled.bulk_density_source.tolist() == ["measured", ""]
    assert filled.bulk_density_basis.tolist() == ["fine_earth", ""]
    assert filled.bulk_density_sd_g_cm3.isna().tolist() == [False, True]
    density = summary["bulk_density"]
    assert (density["measured"], density["pedotransfer"], density["missing"], density["rule"]) == (1, 0, 1, None)


def test_missing_predictor_goes_on_in_the_chain_or_stays_missing_with_a_reason() -> None:
    table = horizons(soc_g_kg=[10.0, 10.0, 65.0, 300.0], clay_pct=[20.0, NAN, NAN, NAN])
    filled, summary, _ = fill(table, ("measured", "pedotransfer", "grid"), rule="bernoux_1998", grid=[NAN, 1.25, NAN, NAN])
    assert filled.bulk_density_source.tolist() == ["pedotransfer", "grid", "", "pedotransfer"]
    assert filled.bulk_density_g_cm3[0] == pytest.approx(1.398 - 0.042 - 0.0047 * 20)
    assert summary["bulk_density"]["missing_predictors"] == {"clay_pct": 1}
    assert summary["bulk_density"]["missing"] == 1


def test_outside_the_range_later_sources_come_first_and_the_end_is_the_last_resort() -> None:
    table = horizons(clay_pct=[40.0, 70.0, 70.0], silt_pct=[20.0] * 3)
    filled, summary, _ = fill(table, ("pedotransfer", "grid"), rule="kaur_2002", grid=[1.1, 1.2, NAN])
    assert filled.bulk_density_source.tolist() == ["pedotransfer", "grid", "pedotransfer"]
    assert filled.bulk_density_g_cm3[2] == pytest.approx(np.exp(0.313 - 0.191 + 0.02102 * 50 - 0.000476 * 2500 - 0.00432 * 20))
    assert summary["bulk_density"]["held_at_range_end"] == 1


def test_best_rule_falls_back_to_one_without_texture() -> None:
    rng = np.random.default_rng(1)
    soc, clay = rng.uniform(1, 50, 60), rng.uniform(0, 60, 60)
    density = 1.398 - 0.0042 * soc - 0.0047 * clay
    density[58:], clay[59] = NAN, NAN
    table = horizons(soc_g_kg=soc, clay_pct=clay, bulk_density_g_cm3=density, profile_id=[f"p{i // 3}" for i in range(60)])
    filled, summary, _ = fill(table, rule="best")
    found = summary["bulk_density"]
    assert found["rule"] == "bernoux_1998"
    assert found["choice"]["cross_checked_rmse_g_cm3"] == pytest.approx(0.0, abs=1e-12)
    assert filled.bulk_density_g_cm3[58] == pytest.approx(1.398 - 0.0042 * soc[58] - 0.0047 * clay[58])
    assert filled.bulk_density_source.tolist()[58:] == ["pedotransfer"] * 2
    assert filled.bulk_density_sd_g_cm3[59] == pytest.approx(found["second_rule"]["error_sd_g_cm3"])
    assert not PEDOTRANSFER[found["second_rule"]["rule"]].needs_texture


# --- error ------------------------------------------------------------------------------------------------------------


def test_thirty_measured_horizons_check_the_rule_themselves() -> None:
    """Measured 0.1 above and 0.3 below the rule in turn: bias 0.1, root mean square sqrt(0.05)."""
    truth = 1.66 - 0.318
    measured = np.where(np.arange(31) % 2 == 0, truth + 0.1, truth - 0.3)
    measured[30] = NAN
    filled, summary, _ = fill(horizons(bulk_density_g_cm3=measured))
    density = summary["bulk_density"]
    assert (density["checked_on"], density["checked_against"]) == (30, "this table")
    assert density["bias_g_cm3"] == pytest.approx(0.1)
    assert density["error_sd_g_cm3"] == pytest.approx(np.sqrt(0.05))
    assert filled.bulk_density_sd_g_cm3.iloc[30] == pytest.approx(np.sqrt(0.05))


def test_error_of_reported_and_grid_values_is_checked_where_both_are_there() -> None:
    measured, reported = np.full(32, 1.3), np.full(32, 1.4)
    measured[30:], reported[31] = NAN, NAN
    grid = np.append(np.full(31, NAN), 1.2)
    filled, summary, _ = fill(
        horizons(bulk_density_g_cm3=measured, bulk_density_reported_g_cm3=reported), ("measured", "reported", "grid"), grid=grid
    )
    errors = summary["bulk_density"]["errors"]
    assert errors["reported"]["error_sd_g_cm3"] == pytest.approx(0.1)
    assert (errors["reported"]["checked_on"], errors["reported"]["checked_against"]) == (30, "this table")
    assert filled.bulk_density_sd_g_cm3[30] == pytest.approx(0.1)
    assert errors["grid"]["checked_against"].startswith("not checked, as manrique_jones_1991 on")
    assert filled.bulk_density_sd_g_cm3[31] == errors["grid"]["error_sd_g_cm3"] == pytest.approx(abs(1.66 - 0.318 - 1.3))


def test_error_of_whole_soil_densities_grows_with_the_stones() -> None:
    """6 % of 1.6 g/cm3 of soil, all of it in four fifths of the volume."""
    filled, _, _ = fill(horizons(bulk_density_g_cm3=[1.6], bulk_density_basis=["whole_soil"], coarse_fragments_vol_pct=[20.0]))
    assert filled.bulk_density_sd_g_cm3[0] == pytest.approx(0.06 * 1.6 / 0.8)


# --- basis and stones ---------------------------------------------------------------------------------------------------


def test_basis_by_hand() -> None:
    """1.6 g/cm3 with 20 vol% of stones of 2.65: (1.6 - 0.53) / 0.8 of the whole soil; 1.6 / 0.8 of fine earth in all the volume."""
    table = horizons(
        bulk_density_g_cm3=[1.6] * 4, bulk_density_basis=["fine_earth", "whole_soil", "fine_earth_whole_volume", ""],
        coarse_fragments_vol_pct=[20.0] * 4,
    )  # fmt: skip
    filled, summary, _ = fill(table)
    np.testing.assert_allclose(filled.bulk_density_g_cm3, [1.6, 1.3375, 2.0, 1.6])
    assert filled.bulk_density_basis.tolist() == ["fine_earth"] * 4
    assert summary["bulk_density"]["converted_to_fine_earth"] == {"measured": 2, "reported": 0}
    assert summary["bulk_density"]["basis_assumed_fine_earth"] == 1
    again, _, _ = fill(filled)
    np.testing.assert_array_equal(again.bulk_density_g_cm3, filled.bulk_density_g_cm3)


def test_impossible_in_fine_earth_is_set_missing_and_logged() -> None:
    """Half stones weigh 1.325: a soil of 1.2 has nothing left, one of 1.5 too little volume for 3 g/cm3."""
    table = horizons(
        bulk_density_g_cm3=[1.2, 1.5, 1.5], bulk_density_basis=["whole_soil", "fine_earth_whole_volume", "whole_soil"],
        coarse_fragments_vol_pct=[50.0, 50.0, 100.0],
    )  # fmt: skip
    filled, _, repairs = fill(table)
    assert filled.bulk_density_source.tolist() == ["pedotransfer"] * 3
    assert sorted(repairs[["row", "fault", "before"]].values.tolist()) == [
        [1, "bulk density not positive in fine earth", "1.2"],
        [2, "bulk density outside 0.02 to 2.65 g/cm3", "3"],
        [3, "bulk density not positive in fine earth", "1.5"],
    ]


def test_basis_without_fragments_cannot_be_converted() -> None:
    filled, _, repairs = fill(
        horizons(bulk_density_g_cm3=[1.5], bulk_density_basis=["whole_soil"]), ("measured",), fragments_chain=("measured",)
    )
    assert filled.bulk_density_source.tolist() == [""]
    assert repairs.empty


def test_fragments_by_mass_follow_the_density_and_its_basis() -> None:
    """A cubic centimetre of 20 vol% stones (0.53 g) and fine earth of 1.325 g/cm3 (1.06 g): a third of the mass is stone."""
    table = horizons(
        bulk_density_g_cm3=[1.325, 1.59, 1.06], bulk_density_basis=["fine_earth", "whole_soil", "fine_earth_whole_volume"],
        coarse_fragments_mass_pct=[100 / 3] * 3,
    )  # fmt: skip
    filled, _, _ = fill(table)
    np.testing.assert_allclose(filled.coarse_fragments_vol_pct, [20.0] * 3)
    np.testing.assert_allclose(filled.bulk_density_g_cm3, [1.325] * 3)


def test_fragments_by_mass_without_a_density_follow_the_one_filled_in() -> None:
    table = horizons(coarse_fragments_mass_pct=[50.0, NAN], bulk_density_g_cm3=[NAN, 1.3])
    filled, _, _ = fill(table, ("measured", "grid"), grid=[1.0, 1.0])
    assert filled.coarse_fragments_vol_pct[0] == pytest.approx(100 * 0.5 / 2.65 / (0.5 / 2.65 + 0.5))
    assert filled.coarse_fragments_source.tolist() == ["measured", "profile"]


def test_impossible_fragments_by_mass_are_logged() -> None:
    table = horizons(
        coarse_fragments_mass_pct=[80.0], bulk_density_g_cm3=[1.3], bulk_density_basis=["fine_earth_whole_volume"], source="s", row=[7]
    )
    filled, _, repairs = fill(table)
    assert repairs[["row", "fault"]].values.tolist() == [[7, "coarse fragments outside 0 to 100 %"]]
    assert filled.coarse_fragments_source.tolist() == ["assumed"]


# --- organic soil -----------------------------------------------------------------------------------------------------


def test_measured_values_far_above_the_organic_curve_are_flagged_and_kept() -> None:
    filled, summary, _ = fill(horizons(soc_g_kg=[400.0, 400.0, 10.0], bulk_density_g_cm3=[1.0, 0.3, 2.6]))
    assert summary["bulk_density"]["organic"]["measured_far_above_curve"] == 1
    assert filled.bulk_density_flag.tolist() == [FAR_ABOVE, "", ""]
    assert filled.bulk_density_g_cm3.tolist() == [1.0, 0.3, 2.6]


def test_summary_says_what_the_choice_does_to_organic_stocks() -> None:
    table = horizons(soc_g_kg=[300.0, 300.0], bulk_density_g_cm3=[0.5, NAN], coarse_fragments_vol_pct=[0.0, 0.0])
    choices = fill(table)[1]["bulk_density"]["organic"]["choices"]
    curve, mineral = 1.38 - 0.31 * np.log(31), 1.66 - 0.318 * 8**0.5
    expected = [30 * (0.5 + curve), 30 * (0.5 + mineral), 30 * 2 * curve]
    assert [row["choice"] for row in choices] == ["kept", "mineral_rule", "curve_as_cap"]
    np.testing.assert_allclose([row["soc_stock_kg_m2"] for row in choices], expected)
    np.testing.assert_allclose([row["soc_density_kg_m3"] for row in choices], np.array(expected) * 100 / 20)
    np.testing.assert_allclose([row["ratio"] for row in choices], np.array(expected) / expected[0])
    assert [row["changed"] for row in choices] == [0, 1, 1]
    none = fill(horizons(soc_g_kg=[10.0]))[1]["bulk_density"]["organic"]["choices"]
    assert [(row["horizons"], row["soc_stock_kg_m2"], row["ratio"]) for row in none] == [(0, 0.0, None)] * 3


@settings(max_examples=100, deadline=None)
@given(st.floats(45.0, 85.0), st.sampled_from([rule for rule in MINERAL_RULES if not rule.needs_texture]))
def test_filling_has_no_step_at_the_threshold(soc: float, rule: Any) -> None:
    filled, _, _ = fill(horizons(soc_g_kg=[soc, soc + 0.01]), rule=rule.name)
    assert abs(np.diff(filled.bulk_density_g_cm3))[0] <= 0.01 * 0.05
    assert abs(np.diff(filled.bulk_density_sd_g_cm3))[0] <= 0.01 * 0.01


# --- properties and faults --------------------------------------------------------------------------------------------

_values = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.floats(0, 600),
        st.one_of(st.just(NAN), st.floats(0.02, 2.65)),
        st.one_of(st.just(NAN), st.floats(0.02, 2.65)),
        st.sampled_from(["", *BASES]),
        st.one_of(st.just(NAN), st.floats(0, 100)),
        st.one_of(st.just(NAN), st.floats(0, 100)),
    ),
    min_size=1,
    max_size=40,
)
_names = ("profile_id", "soc_g_kg", "bulk_density_g_cm3", "bulk_density_reported_g_cm3", "bulk_density_basis")


@settings(max_examples=100, deadline=None)
@given(_values, st.sampled_from([rule.name for rule in MINERAL_RULES if not rule.needs_texture]))
def test_filling_completes_and_changes_no_measurement(rows: list[tuple[Any, ...]], rule: str) -> None:
    columns = zip((*_names, "coarse_fragments_vol_pct", "coarse_fragments_mass_pct"), map(list, zip(*rows, strict=True)), strict=True)
    table = horizons(**dict(columns))
    filled, summary, repairs = fill(table, rule=rule)
    assert filled.bulk_density_g_cm3.between(0.02, 2.65).all()
    assert (filled.bulk_density_sd_g_cm3 > 0).all()
    assert filled.coarse_fragments_vol_pct.between(0, 100).all()
    measured = filled.bulk_density_source == "measured"
    own = table.bulk_density_g_cm3.notna() & table.bulk_density_basis.isin(["", "fine_earth"])
    assert measured[own].all()
    assert (filled.bulk_density_g_cm3[own] == table.bulk_density_g_cm3[own]).all()
    np.testing.assert_allclose(filled.bulk_density_sd_g_cm3[own], MEASURED_SD_SHARE * table.bulk_density_g_cm3[own])
    given_stones = table.coarse_fragments_vol_pct.notna()
    assert (filled.coarse_fragments_vol_pct[given_stones] == table.coarse_fragments_vol_pct[given_stones]).all()
    assert table.bulk_density_g_cm3.notna().sum() - measured.sum() <= len(repairs)
    assert sum(summary["bulk_density"][name] for name in DENSITY_SOURCES) == len(rows)


def test_the_mass_of_the_whole_soil_is_kept() -> None:
    """Whatever the stones: fine earth and stones together weigh what was measured."""
    rng = np.random.default_rng(3)
    raw, stones = rng.uniform(1.2, 1.9, 50), rng.uniform(0, 40, 50)
    table = horizons(bulk_density_g_cm3=raw, bulk_density_basis=["whole_soil"] * 50, coarse_fragments_vol_pct=stones)
    filled, _, _ = fill(table, ("measured",), rock_density_g_cm3=2.5)
    kept = filled.bulk_density_source == "measured"
    whole = filled.bulk_density_g_cm3 * (1 - stones / 100) + 2.5 * stones / 100
    assert kept.sum() > 30
    np.testing.assert_allclose(whole[kept], raw[kept])


def test_an_empty_table_stays_empty() -> None:
    filled, summary, repairs = fill(horizons(soc_g_kg=[1.0]).iloc[:0], rule="best")
    assert len(filled) == len(repairs) == summary["bulk_density"]["measured"] == 0
    assert {"bulk_density_source", "bulk_density_sd_g_cm3", "coarse_fragments_sd_vol_pct"} <= set(filled)


def test_profiles_do_not_change_each_other() -> None:
    """With fewer than thirty measured and no table median in play, the order of the rows changes nothing."""
    table = horizons(
        profile_id=["a", "a", "b", "b"], soc_g_kg=[10.0, 60.0, 90.0, 5.0], bulk_density_g_cm3=[1.2, NAN, NAN, 1.4],
        coarse_fragments_vol_pct=[10.0, NAN, 30.0, NAN],
    )  # fmt: skip
    filled, _, _ = fill(table)
    turned, _, _ = fill(table.iloc[::-1])
    pd.testing.assert_frame_equal(turned.iloc[::-1], filled)


@pytest.mark.parametrize("rule", ["saxton", ORGANIC_RULE])
def test_unknown_rules_are_refused(rule: str) -> None:
    with pytest.raises(TableError, match="expected one of manrique_jones_1991, adams_1973"):
        fill(horizons(soc_g_kg=[1.0]), rule=rule)


def test_all_faults_are_told_at_once() -> None:
    table = horizons(soc_g_kg=[1.0], bulk_density_basis=["dry"])
    with pytest.raises(TableError) as caught:
        fill(
            table, ("measured", "guess", "grid", "gap_filling"), rule="none", grid=[1400.0], grid_basis="wet", engine="trees",
            fragments_chain=(), missing_fragments_vol_pct=120, rock_density_g_cm3=0.0,
        )  # fmt: skip
    assert [fault.split(";")[0] for fault in caught.value.faults] == [
        "bulk density: unknown source 'guess' in the chain",
        "bulk density: unknown pedotransfer rule 'none'",
        "bulk density of the grid: found 1400 to 1400",
        "bulk density of the grid: unknown basis 'wet'",
        "horizon table: column bulk_density_basis: found 'dry'",
        "gap filling: unknown engine 'trees'",
        "coarse fragments: found the chain empty",
        "missing coarse fragments: found 120 vol%",
        "density of coarse fragments: found 0 g/cm3",
    ]
    with pytest.raises(TableError, match=r"found shape \(2,\); expected \(1,\), a value for each horizon\nbulk density: unknown ped"):
        fill(horizons(soc_g_kg=[1.0]), ("grid",), grid=[1.0, 1.1], rule="none")
    with pytest.raises(TableError, match="'grid' in the chain without values"):
        fill(horizons(soc_g_kg=[1.0]), ("grid",))
