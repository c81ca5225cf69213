"""Layers of profiles: by hand, additivity, coverage, rock, reported stocks, the budget of errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import TableError
from edaphic.profiles import STATUS, DepthFunction, Errors, clean, fill, layer_table
from edaphic.profiles.budget import METHOD_SHARE, PARTS, SPLINE_SHARE, SPLINE_SHARE_TOP
from edaphic.profiles.layers import LAYER_COLUMNS

NONE = Errors(soc_share=0, method_share=dict.fromkeys(METHOD_SHARE, 0.0), reported_share=0, unobserved_share=0)
"""No error but that of bulk density and fragments."""

LAYERS = [(0.0, 30.0), (30.0, 60.0), (60.0, 100.0), (0.0, 100.0)]


def horizons(*rows: tuple[str, float, float, float], **columns: Any) -> pd.DataFrame:
    """Filled table of (profile_id, top, bottom, soc) rows; 1 g/cm3, no stones: the density in kg/m3 is the content."""
    table = pd.DataFrame(rows, columns=["profile_id", "top_cm", "bottom_cm", "soc_g_kg"])
    given_columns = {
        "lon": 21.0,
        "lat": 41.0,
        "year": 2000.0,
        "bulk_density_g_cm3": 1.0,
        "bulk_density_source": "measured",
        "bulk_density_sd_g_cm3": 0.0,
        "coarse_fragments_vol_pct": 0.0,
        "source": "s",
        "row": np.arange(1, len(rows) + 1),
    }
    return table.assign(**{**given_columns, **columns})


# --- layers by hand -------------------------------------------------------------------------------------------------


def test_constant_profile() -> None:
    """10 kg/m3 to 100 cm: 3, 3, 4 and 10 kg/m2."""
    table, log = layer_table(horizons(("a", 0, 25, 10.0), ("a", 25, 60, 10.0), ("a", 60, 120, 10.0)), LAYERS)
    assert tuple(table.columns) == LAYER_COLUMNS
    assert table.soc_stock_kg_m2.tolist() == [3.0, 3.0, 4.0, 10.0]
    assert table.soc_density_kg_m3.tolist() == table.soc_g_kg.tolist() == [10.0] * 4
    assert table.coverage.tolist() == [1.0] * 4
    assert set(table.status) == {"ok"}
    assert set(table.below) == {"unknown"}
    assert not table.organic_soil.any()
    # 5 % by repeatability of three horizons of 25, 5 and so on; 10 % by an unknown method for all of them; nothing else
    repeat = 0.5 * np.hypot(*np.array([[25, 5], [30, 0], [40, 0]]).T) / 100
    np.testing.assert_allclose(table.sd_soc_kg_m2[:3], repeat, rtol=1e-12)
    np.testing.assert_allclose(table.sd_method_kg_m2, [0.3, 0.3, 0.4, 1.0], rtol=1e-12)
    np.testing.assert_allclose(table.value_sd[:3], np.hypot(repeat, [0.3, 0.3, 0.4]), rtol=1e-12)
    assert log.empty


def test_profile_to_70_cm() -> None:
    """60-100 cm is covered to a quarter: no value unless asked for, then the mean of the quarter for the whole."""
    rows = horizons(("a", 0, 30, 12.0), ("a", 30, 70, 12.0), ("b", 0, 20, 5.0))
    table, _ = layer_table(rows, LAYERS)
    assert table.coverage.tolist() == [1.0, 1.0, 0.25, 0.7, 20 / 30, 0.0, 0.0, 0.2]
    assert table.status.tolist() == ["ok", "ok", "incomplete", "incomplete", "incomplete"] + ["uncovered"] * 2 + [
        "incomplete"
    ]
    assert table.soc_stock_kg_m2.isna().tolist() == [False, False] + [True] * 6
    assert table.bulk_density_source.tolist() == ["measured"] * 5 + [""] * 2 + ["measured"]
    partial, _ = layer_table(rows, LAYERS, DepthFunction(min_coverage=0.25))
    assert partial.status.tolist()[:4] == ["ok", "ok", "partial", "partial"]
    np.testing.assert_allclose(partial.soc_stock_kg_m2[:4], [3.6, 3.6, 4.8, 12.0], rtol=1e-14)
    assert partial.profile_id.tolist() == ["a"] * 4 + ["b"] * 4


def test_nothing_is_extrapolated_upwards() -> None:
    table, _ = layer_table(horizons(("a", 4, 40, 10.0)), [(0, 4), (0, 30), (4, 30)])
    assert table.coverage.tolist() == [0.0, 26 / 30, 1.0]
    assert table.status.tolist() == ["uncovered", "incomplete", "ok"]


def test_depths_without_binary_form_are_covered_exactly() -> None:
    table, _ = layer_table(
        horizons(("a", 0.1, 0.4, 10.0), ("a", 0.4, 20.3, 10.0), ("a", 20.4, 30, 10)), [(0.1, 20.3), (20.3, 20.4)]
    )
    assert table.coverage.tolist() == [1.0, 0.0]
    assert table.status.tolist() == ["ok", "uncovered"]


def test_stones_and_density_enter_before_the_spline() -> None:
    """Half stones below: density 20 x 1.2 above, 20 x 1.2 x 0.5 below, whatever the content alone would say."""
    rows = horizons(
        ("a", 0, 30, 20.0), ("a", 30, 60, 20.0), bulk_density_g_cm3=1.2, coarse_fragments_vol_pct=[0.0, 50.0]
    )
    table, _ = layer_table(rows, [(0, 30), (30, 60)], DepthFunction(lam=0))
    np.testing.assert_allclose(table.soc_stock_kg_m2, [7.2, 3.6], rtol=1e-12)
    np.testing.assert_allclose(table.soc_g_kg, [20.0, 20.0])


@pytest.mark.parametrize(
    "how",
    [
        DepthFunction(), DepthFunction(lam=0), DepthFunction(method="weighted"), DepthFunction(mode="paper"),
        DepthFunction(order="content"), DepthFunction(min_coverage=0.3), DepthFunction(method="beta"),
    ],
)  # fmt: skip
def test_stock_over_mass_of_fine_earth_is_the_content(how: DepthFunction) -> None:
    """An organic layer on mineral soil: a layer whose limits are those of horizons holds their mass of fine earth."""
    rows = horizons(
        ("a", 0, 5, 450.0), ("a", 5, 28, 30.0), ("a", 28, 68, 10.0), ("a", 68, 120, 4.0), ("b", 0, 5, 300.0), ("b", 5, 28, 20.0),
        bulk_density_g_cm3=[0.1, 1.2, 1.4, 1.5, 0.2, 1.3], coarse_fragments_vol_pct=[0.0, 5.0, 10.0, 20.0, 0.0, 0.0],
    )  # fmt: skip
    table, _ = layer_table(rows, [(0, 28), (28, 68), (0, 68)], how)
    fine = (rows.bottom_cm - rows.top_cm) * rows.bulk_density_g_cm3 * (1 - rows.coarse_fragments_vol_pct / 100) * 10
    mass = np.array([fine[:2].sum(), fine[2], fine[:3].sum(), fine[4:].sum(), np.nan, fine[4:].sum() * 68 / 28])
    if how.order == "content":
        mean = np.array([(5 * 0.1 + 23 * 1.2) * (1 - 23 * 0.05 / 28), 40 * 1.4 * 0.9, np.nan, 5 * 0.2 + 23 * 1.3, np.nan, np.nan]) * 10
        mass = np.where(np.isnan(mean), np.nan, mean)
    there = table.soc_g_kg.notna() & np.isfinite(mass)
    assert there.sum() >= (2 if how.method == "beta" else 3)
    np.testing.assert_allclose((table.soc_stock_kg_m2 / table.soc_g_kg * 1000)[there], mass[there], rtol=1e-9)
    # Less than the poorest horizon in the layer is what a spline of contents of its own gave.
    assert table.soc_g_kg[1] > 9 or how.order == "content"


def test_content_where_the_source_reports_the_stock_is_that_of_the_horizons() -> None:
    rows = horizons(("a", 0, 30, 10.0), ("a", 30, 60, 10.0), ("b", 0, 30, 10.0), soc_stock_kg_m2=[9.0, np.nan, np.nan])
    table, _ = layer_table(rows, [(0, 30), (30, 60)], stocks="reported")
    assert table.soc_g_kg.tolist()[::2] == pytest.approx([10.0, 10.0])
    assert table.soc_stock_kg_m2[0] > 8 and table.soc_g_kg[1] == pytest.approx(table.soc_stock_kg_m2[1] / 0.3)


def test_source_of_fragments() -> None:
    rows = horizons(("a", 0, 30, 10.0), ("a", 30, 60, 10.0), coarse_fragments_source=["measured", "assumed"])
    table, _ = layer_table(rows, [(0, 30), (30, 60), (0, 60), (60, 90)])
    assert table.coarse_fragments_source.tolist() == ["measured", "assumed", "mixed", ""]


def test_source_and_error_of_estimated_densities() -> None:
    """An error of 0.2 g/cm3 shared by a profile of 10 g/kg moves 30 cm by 0.6 kg/m2; a layer of both kinds is mixed."""
    rows = horizons(
        ("a", 0, 40, 10.0),
        ("a", 40, 80, 10.0),
        ("b", 0, 30, 10.0),
        ("b", 30, 60, 10.0),
        bulk_density_source=["pedotransfer", "pedotransfer", "measured", "pedotransfer"],
        bulk_density_sd_g_cm3=[0.2, 0.2, 0.0, 0.2],
    )
    table, _ = layer_table(rows, [(0, 30), (30, 60), (0, 60)], DepthFunction(lam=0), errors=NONE)
    assert table.bulk_density_source.tolist() == ["pedotransfer"] * 3 + ["measured", "pedotransfer", "mixed"]
    np.testing.assert_allclose(table.sd_bulk_density_kg_m2, [0.6, 0.6, 1.2, 0.0, 0.6, 0.6], atol=1e-12)
    np.testing.assert_allclose(table.value_sd, table.sd_bulk_density_kg_m2, atol=1e-12)


def test_organic_soil_is_above_eight_per_cent() -> None:
    table, _ = layer_table(horizons(("a", 0, 30, 80.0), ("b", 0, 30, 80.1), ("c", 0, 10, 300.0)), [(0, 30)])
    assert table.organic_soil.tolist() == [False, True, False]


def test_gaps_count_only_where_they_are_allowed() -> None:
    rows = horizons(("a", 0, 25, 10.0), ("a", 30, 60, 10.0))
    assert layer_table(rows, [(0, 60)])[0].status.tolist() == ["incomplete"]
    bridged, _ = layer_table(rows, [(0, 60)], DepthFunction(max_gap_cm=5))
    assert (bridged.status[0], bridged.coverage[0]) == ("ok", 1.0)
    assert bridged.soc_stock_kg_m2[0] == pytest.approx(6.0, rel=1e-14)


def test_horizons_without_density_are_left_out_and_named() -> None:
    rows = horizons(("a", 0, 30, 10.0), ("a", 30, 60, 10.0), bulk_density_g_cm3=[1.0, np.nan])
    table, log = layer_table(rows, [(0, 30), (30, 60)])
    assert table.status.tolist() == ["ok", "uncovered"]
    assert log[["row", "fault"]].to_numpy().tolist() == [[2, "bulk density or fragments missing"]]


def test_no_horizons() -> None:
    table, log = layer_table(horizons(), LAYERS)
    assert table.empty
    assert tuple(table.columns) == LAYER_COLUMNS
    assert log.empty


# --- rock, reported stocks, other depth functions -------------------------------------------------------------------


def test_below_rock_nothing_is_observed_to_be_nothing() -> None:
    """To 40 cm on rock: 30-60 cm is observed, a third of it with carbon; without word of rock it is not."""
    rows = horizons(("a", 0, 40, 10.0), ("b", 0, 40, 10.0), below=["rock", "unknown"])
    table, _ = layer_table(rows, LAYERS)
    assert table.below.tolist() == ["rock"] * 4 + ["unknown"] * 4
    assert table.coverage.tolist() == pytest.approx([1, 1, 1, 1, 1, 1 / 3, 0, 0.4])
    assert table.soc_stock_kg_m2[:4].tolist() == pytest.approx([3.0, 1.0, 0.0, 4.0])
    assert table.soc_g_kg[:2].tolist() == [10.0, 10.0] and np.isnan(table.soc_g_kg[2])
    assert table.status.tolist()[4:] == ["ok", "incomplete", "uncovered", "incomplete"]


def test_depth_to_rock_below_the_last_horizon_leaves_a_gap() -> None:
    rows = horizons(("a", 0, 40, 10.0), rock_depth_cm=80.0)
    table, _ = layer_table(rows, [(30, 60), (60, 100), (80, 100)])
    assert table.coverage.tolist() == pytest.approx([1 / 3, 0.5, 1.0])
    assert table.soc_stock_kg_m2.tolist() == pytest.approx([np.nan, np.nan, 0.0], nan_ok=True)
    half, _ = layer_table(rows, [(60, 100)], DepthFunction(min_coverage=0.5))
    assert (half.status[0], half.soc_stock_kg_m2[0]) == ("partial", 0.0)


def test_rock_above_the_last_horizon_is_rock_below_it() -> None:
    table, _ = layer_table(horizons(("a", 0, 40, 10.0), rock_depth_cm=25.0), [(0, 30), (30, 60)])
    assert table.soc_stock_kg_m2.tolist() == pytest.approx([3.0, 1.0])


def test_rock_lies_below_the_last_horizon_even_if_that_has_no_value() -> None:
    """20-50 cm without a density is soil that was not measured, no rock."""
    rows = horizons(("a", 0, 20, 20.0), ("a", 20, 50, 10.0), bulk_density_g_cm3=[1.0, np.nan], below="rock")
    table, _ = layer_table(rows, [(0, 20), (0, 30), (30, 60), (50, 100)])
    assert table.status.tolist() == ["ok", "incomplete", "incomplete", "ok"]
    assert table.coverage.tolist() == pytest.approx([1, 2 / 3, 1 / 3, 1])
    assert table.soc_stock_kg_m2.tolist() == pytest.approx([4.0, np.nan, np.nan, 0.0], nan_ok=True)


@pytest.mark.parametrize(("bottom", "soc", "below"), [(80.0, np.nan, "rock"), (np.nan, 5.0, "")])
def test_rock_below_a_horizon_that_cleaning_drops(bottom: float, soc: float, below: str) -> None:
    raw = pd.DataFrame({
        "profile_id": "a", "lon": 21.0, "lat": 41.0, "top_cm": [0.0, 20.0], "bottom_cm": [20.0, bottom], "soc_g_kg": [20.0, soc],
        "bulk_density_g_cm3": 1.0, "coarse_fragments_vol_pct": 0.0, "below": "rock", "source": "s", "row": [1, 2],
    })  # fmt: skip
    cleaned, log = clean(raw)
    assert cleaned.below.tolist() == [below] and ("rock below a horizon without depth" in set(log.fault)) is (below == "")
    table, _ = layer_table(fill(cleaned)[0], [(0, 30), (30, 100), (80, 100)])
    assert table.soc_stock_kg_m2.isna().tolist() == [True, True, below == ""]


def test_beta_is_not_scaled_twice_and_knows_rock() -> None:
    rows = horizons(("a", 0, 20, 20.0), ("a", 20, 50, 10.0), ("a", 50, 100, 5.0))
    whole, _ = layer_table(rows, [(0, 140), (60, 140)], DepthFunction(method="beta", min_coverage=0.5))
    exact, _ = layer_table(rows, [(0, 100)], DepthFunction(method="beta"))
    assert exact.soc_stock_kg_m2[0] < whole.soc_stock_kg_m2[0] < 1.1 * exact.soc_stock_kg_m2[0] + 0.5
    stony, _ = layer_table(rows.iloc[:2].assign(below="rock"), [(0, 50), (50, 100)], DepthFunction(method="beta"))
    assert stony.status.tolist() == ["no beta", "ok"]
    assert np.isnan(stony.soc_stock_kg_m2[0]) and stony.soc_stock_kg_m2[1] == 0


def test_paper_mode_has_no_value_where_no_centimetre_has_one() -> None:
    rows = horizons(("a", 0, 20, 20.0), ("a", 20, 50, 10.0), ("a", 50, 100, 5.0))
    table, _ = layer_table(rows, [(29.5, 30.0), (0.0, 0.5)], DepthFunction(mode="paper"))
    assert table.status.tolist() == ["too thin", "ok"] and np.isnan(table.soc_stock_kg_m2[0])


def test_reported_stocks_have_no_content_to_begin_with() -> None:
    with pytest.raises(TableError, match="content beside reported"):
        layer_table(horizons(("a", 0, 30, 10.0)), [(0, 30)], DepthFunction(order="content"), stocks="reported")


def test_reported_stocks_on_request_only() -> None:
    """A horizon reported at 3.5 kg/m2 that would be 3; one without content, which counts by its stock alone."""
    rows = horizons(("a", 0, 30, 10.0), ("a", 30, 60, np.nan), soc_stock_kg_m2=[3.5, 2.0])
    computed, log = layer_table(rows, [(0, 30), (30, 60)])
    assert computed.soc_stock_kg_m2.tolist() == pytest.approx([3.0, np.nan], nan_ok=True)
    assert log.fault.tolist() == ["bulk density or fragments missing"]
    table, log = layer_table(rows, [(0, 30), (30, 60)], DepthFunction(lam=0), stocks="reported")
    assert table.soc_stock_kg_m2.tolist() == pytest.approx([3.5, 2.0])
    assert table.bulk_density_source.tolist() == ["reported stock"] * 2
    assert table.soc_g_kg.tolist() == pytest.approx([10.0, np.nan], nan_ok=True)
    assert log[["row", "fault", "before", "after"]].to_numpy().tolist() == [
        [1, "reported stock", "3", "3.5"], [2, "reported stock", "", "2"]
    ]
    np.testing.assert_allclose(table.sd_method_kg_m2, [0.15 * 3.5, 0.15 * 2.0], rtol=1e-12)
    assert table[["sd_soc_kg_m2", "sd_bulk_density_kg_m2"]].to_numpy().tolist() == [[0.0, 0.0]] * 2


def test_weighted_means() -> None:
    rows = horizons(("a", 0, 10, 30.0), ("a", 10, 40, 10.0))
    table, _ = layer_table(rows, [(0, 20), (20, 40)], DepthFunction(method="weighted"))
    assert table.soc_stock_kg_m2.tolist() == pytest.approx([4.0, 2.0])
    assert table.sd_spline_kg_m2.tolist() == [0.0, 0.0]


def test_error_of_the_spline_is_a_share_of_its_distance_from_the_weighted_mean() -> None:
    rows = horizons(("a", 0, 10, 30.0), ("a", 10, 40, 10.0))
    spline, weighted = (layer_table(rows, [(0, 20), (20, 40)], DepthFunction(method=name))[0] for name in ("spline", "weighted"))
    apart = (spline.soc_stock_kg_m2 - weighted.soc_stock_kg_m2).abs()
    assert (apart > 0.01).all()
    np.testing.assert_allclose(spline.sd_spline_kg_m2, SPLINE_SHARE * apart, rtol=1e-9)
    spline, weighted = (layer_table(rows, [(0, 5), (5, 40)], DepthFunction(method=name))[0] for name in ("spline", "weighted"))
    np.testing.assert_allclose(
        spline.sd_spline_kg_m2, SPLINE_SHARE_TOP * (spline.soc_stock_kg_m2 - weighted.soc_stock_kg_m2).abs(), rtol=1e-9
    )


def test_paper_mode_sums_centimetres() -> None:
    """A constant profile is itself in every mode; a steep one is not: values at the upper edge of each centimetre are too high."""
    steep = horizons(("a", 0, 20, 40.0), ("a", 20, 50, 15.0), ("a", 50, 100, 4.0))
    exact, paper = (layer_table(steep, [(0, 100)], DepthFunction(mode=mode))[0].soc_stock_kg_m2[0] for mode in ("exact", "paper"))
    assert 1.0005 < paper / exact < 1.03
    flat, _ = layer_table(horizons(("a", 0, 50, 10.0), ("a", 50, 100, 10.0)), [(0, 30)], DepthFunction(mode="paper"))
    assert flat.soc_stock_kg_m2[0] == pytest.approx(3.0)


def test_content_first_loses_the_covariance() -> None:
    """40 g/kg at 0.8 above 10 g/kg at 1.6: 24 kg/m3 by the horizons, 25 x 1.2 = 30 by the means."""
    rows = horizons(("a", 0, 50, 40.0), ("a", 50, 100, 10.0), bulk_density_g_cm3=[0.8, 1.6])
    first, then = (layer_table(rows, [(0, 100)], DepthFunction(order=order, lam=0))[0] for order in ("density", "content"))
    assert (first.soc_stock_kg_m2[0], then.soc_stock_kg_m2[0]) == pytest.approx((24.0, 30.0))


def test_beta_follows_the_profile_between_20_and_100_cm() -> None:
    """The stocks of 0-20 and 0-100 cm are those of the profile; the layers between add up."""
    rows = horizons(*[("a", 20 * i, 20 * i + 20, 30.0 * 0.6**i) for i in range(5)], ("b", 0, 50, 10.0))
    table, _ = layer_table(rows, [(0, 20), (20, 60), (60, 100), (0, 100)], DepthFunction(method="beta", lam=0))
    spline, _ = layer_table(rows, [(0, 20), (0, 100)], DepthFunction(lam=0))
    np.testing.assert_allclose(table.soc_stock_kg_m2[[0, 3]], spline.soc_stock_kg_m2[:2], rtol=1e-9)
    assert table.soc_stock_kg_m2[:3].sum() == pytest.approx(table.soc_stock_kg_m2[3], rel=1e-12)
    assert table.status.tolist()[4] == "no beta" and table.soc_stock_kg_m2[4:].isna().all()


# --- the budget -----------------------------------------------------------------------------------------------------


def test_budget_adds_up_in_squares() -> None:
    rows = horizons(
        ("a", 0, 20, 30.0), ("a", 20, 45, 10.0), ("a", 45, 80, 5.0),
        bulk_density_sd_g_cm3=[0.05, 0.2, 0.2], bulk_density_source=["measured", "pedotransfer", "pedotransfer"],
        coarse_fragments_vol_pct=10.0, coarse_fragments_sd_vol_pct=[5.0, 10.0, 10.0],
        coarse_fragments_source=["measured", "assumed", "assumed"], soc_method="walkley_black",
    )  # fmt: skip
    table, _ = layer_table(rows, [(0, 30), (30, 100)], DepthFunction(min_coverage=0.5))
    parts = table[[f"sd_{part}_kg_m2" for part in PARTS]]
    np.testing.assert_allclose(table.value_sd, np.sqrt((parts**2).sum(axis=1)), rtol=1e-12)
    assert (parts.iloc[1] > 0).all()
    assert table.sd_coverage_kg_m2[0] == 0.0
    # 20 of 70 cm were not seen: half of what stands for them
    assert table.sd_coverage_kg_m2[1] == pytest.approx(table.soc_stock_kg_m2[1] * 20 / 70 * 0.5)


def test_shared_errors_add_and_independent_ones_do_not() -> None:
    """Ten horizons of 1 kg/m2: independent errors of 5 % make 0.05 sqrt(10), one error of 10 % for all makes 1."""
    rows = horizons(*[("a", 10.0 * i, 10.0 * i + 10, 10.0) for i in range(10)])
    table, _ = layer_table(rows, [(0, 100)])
    assert table.sd_soc_kg_m2[0] == pytest.approx(0.05 * np.sqrt(10))
    assert table.sd_method_kg_m2[0] == pytest.approx(1.0)


def test_order_of_horizons_and_profiles_changes_nothing() -> None:
    rows = horizons(("a", 0, 20, 30.0), ("a", 20, 45, 10.0), ("b", 0, 60, 5.0), ("c", 0, 30, 90.0), ("c", 30, 60, 1.0))
    table, _ = layer_table(rows, [(0, 30)])
    other, _ = layer_table(rows.iloc[[3, 4, 2, 0, 1]].reset_index(drop=True), [(0, 30)])
    again = other.set_index("profile_id").loc[table.profile_id].reset_index()
    pd.testing.assert_frame_equal(table, again[table.columns])


# --- properties -----------------------------------------------------------------------------------------------------

_profile = st.lists(
    st.tuples(st.integers(1, 60), st.floats(0.1, 80), st.floats(0.3, 1.8), st.floats(0, 60)), min_size=1, max_size=7
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_profile, min_size=1, max_size=3), st.sampled_from([0.0, 0.1, 1.0]))
def test_stocks_add_up_and_stay_positive(profiles: list[list[tuple[int, float, float, float]]], lam: float) -> None:
    rows = []
    for number, profile in enumerate(profiles):
        bottom = np.cumsum([thickness for thickness, *_ in profile])
        for depth, (thickness, soc, density, stones) in zip(bottom, profile, strict=True):
            rows.append((str(number), depth - thickness, depth, soc, density, stones))
    ids, top, bottom_cm, soc_g_kg, density_g_cm3, fragments = zip(*rows, strict=True)
    table = horizons(
        *zip(ids, top, bottom_cm, soc_g_kg, strict=True),
        bulk_density_g_cm3=list(density_g_cm3),
        coarse_fragments_vol_pct=list(fragments),
    )
    layers, _ = layer_table(table, LAYERS, DepthFunction(lam=lam), errors=NONE)
    stock = layers.soc_stock_kg_m2.to_numpy().reshape(-1, 4)
    complete = np.isfinite(stock[:, 3])
    np.testing.assert_allclose(stock[complete, :3].sum(axis=1), stock[complete, 3], rtol=1e-12)
    assert (stock[np.isfinite(stock)] >= 0).all()
    assert set(layers.status) <= set(STATUS)
    assert (layers.soc_stock_kg_m2.notna() == layers.status.isin(["ok", "partial"])).all()
    assert layers.coverage.between(0, 1).all()


# --- faults ---------------------------------------------------------------------------------------------------------


def test_layer_table_refuses() -> None:
    with pytest.raises(TableError) as caught:
        layer_table(horizons(("a", 0, 30, 10.0)), [(30, 30), (-5, 10)], DepthFunction(min_coverage=0, max_gap_cm=-1))
    assert len(caught.value.faults) == 4
    with pytest.raises(TableError, match="no column bulk_density_source"):
        layer_table(horizons(("a", 0, 30, 10.0)).drop(columns="bulk_density_source"), LAYERS)
    with pytest.raises(TableError, match="expected at least one"):
        layer_table(horizons(("a", 0, 30, 10.0)), [])
    with pytest.raises(TableError, match="clean first"):
        layer_table(horizons(("a", 0, 30, 10.0), ("a", 20, 50, 10.0)), LAYERS)
