"""Stocks: the three papers' formulas, layers by hand, additivity, coverage, and published stocks of real profiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import TableError, UnitError
from edaphic.profiles import (
    STATUS,
    Column,
    clean,
    concat_repairs,
    fill,
    layer_table,
    read_source,
    soc_stock_kg_m2,
    summary,
)
from edaphic.profiles.stock import LAYER_COLUMNS

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


# --- one horizon ----------------------------------------------------------------------------------------------------


def test_the_three_papers_formulas_give_one_stock() -> None:
    """2 %, 1.3 g/cm3, 20 cm, no stones: 5.2 kg/m2 = 52 t/ha; and with a quarter of stones three quarters of that."""
    for fragments in (0.0, 25.0):
        china_kg_m2 = 20.0 * 1.3 * 20.0 / 100 * (1 - fragments / 100)
        beta_t_ha = 20.0 * 1.3 * 20.0 * (1 - fragments / 100) / 10
        plateau_t_ha = 2.0 / 100 * 0.2 * 1300.0 * (1 - fragments / 100) * 10
        ours = [
            soc_stock_kg_m2(
                20.0, 1.3, 20.0, fragments, soc_unit="g/kg", bulk_density_unit="g/cm3", thickness_unit="cm"
            ),
            soc_stock_kg_m2(20.0, 1.3, 20.0, fragments, soc_unit="mg/g", bulk_density_unit="t/m3", thickness_unit="cm"),
            soc_stock_kg_m2(2.0, 1300.0, 0.2, fragments, soc_unit="%", bulk_density_unit="kg/m3", thickness_unit="m"),
        ]
        np.testing.assert_allclose(ours, [china_kg_m2, beta_t_ha / 10, plateau_t_ha / 10], rtol=1e-14)
        assert ours[0] == pytest.approx(5.2 * (1 - fragments / 100), rel=1e-14)


def test_fragments_by_mass() -> None:
    """Half of the mass at 1.325 g/cm3 is a third of the volume."""
    units = {"soc_unit": "g/kg", "bulk_density_unit": "g/cm3", "thickness_unit": "cm"}
    by_mass = soc_stock_kg_m2(20.0, 1.325, 20.0, 50.0, **units, coarse_fragments_unit="mass%")
    by_volume = soc_stock_kg_m2(20.0, 1.325, 20.0, 1 / 3, **units, coarse_fragments_unit="vol_fraction")
    assert by_mass == pytest.approx(by_volume)


def test_missing_units_are_all_named() -> None:
    with pytest.raises(UnitError) as caught:
        soc_stock_kg_m2(2, 1.3, 20, 0, soc_unit=None, bulk_density_unit="g", thickness_unit=None)
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["soc", "bulk_density", "thickness"]
    with pytest.raises(TypeError):
        soc_stock_kg_m2(2, 1.3, 20, 0)  # type: ignore[call-arg]


@pytest.mark.parametrize(("name", "stones"), [("profile_CAN_organic", 1.0), ("profile_399_EDGEROI_ed079", 0.0)])
def test_published_stocks_of_single_profiles(shared: Path, name: str, stones: float) -> None:
    """A manual's stocks of a peat and of a clay soil, from rounded numbers; those of the clay leave the stones out."""
    table = pd.read_csv(shared / "data" / "spline_examples" / f"{name}.csv")
    ours = soc_stock_kg_m2(
        table.carbon_content,
        table.bulk_density,
        table.lower_limit - table.upper_limit,
        table.CF * stones,
        soc_unit="g/kg",
        bulk_density_unit="kg/m3",
        thickness_unit="cm",
    )
    np.testing.assert_allclose(ours, table.SOCS, rtol=0.003, atol=0.0501)


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
    assert table.value_sd.tolist() == [0.0] * 4
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
    partial, _ = layer_table(rows, LAYERS, min_coverage=0.25)
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
    table, _ = layer_table(rows, [(0, 30), (30, 60)], lam=0)
    np.testing.assert_allclose(table.soc_stock_kg_m2, [7.2, 3.6], rtol=1e-12)
    np.testing.assert_allclose(table.soc_g_kg, [20.0, 20.0])


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
    table, _ = layer_table(rows, [(0, 30), (30, 60), (0, 60)], lam=0)
    assert table.bulk_density_source.tolist() == ["pedotransfer"] * 3 + ["measured", "pedotransfer", "mixed"]
    np.testing.assert_allclose(table.value_sd, [0.6, 0.6, 1.2, 0.0, 0.6, 0.6], atol=1e-12)


def test_organic_soil_is_above_eight_per_cent() -> None:
    table, _ = layer_table(horizons(("a", 0, 30, 80.0), ("b", 0, 30, 80.1), ("c", 0, 10, 300.0)), [(0, 30)])
    assert table.organic_soil.tolist() == [False, True, False]


def test_spline_below_zero_gives_way_to_the_weighted_mean_in_the_whole_profile() -> None:
    rows = horizons(("a", 0, 10, 90.0), ("a", 10, 20, 2.0), ("a", 20, 60, 0.5), ("a", 60, 100, 0.2), ("b", 0, 100, 3.0))
    layers = [(0.0, 10.0), (10.0, 25.0), (25.0, 100.0), (0.0, 100.0)]
    table, log = layer_table(rows, layers, lam=0)
    assert table.status.tolist() == ["weighted"] * 4 + ["ok"] * 4
    np.testing.assert_allclose(table.soc_stock_kg_m2[:4], [9.0, 0.225, 0.255, 9.48], rtol=1e-12)
    assert log[["profile_id", "row", "fault", "before"]].to_numpy().tolist() == [
        ["a", 1, "spline not positive", "carbon density"]
    ]


def test_gaps_count_only_where_they_are_allowed() -> None:
    rows = horizons(("a", 0, 25, 10.0), ("a", 30, 60, 10.0))
    assert layer_table(rows, [(0, 60)])[0].status.tolist() == ["incomplete"]
    bridged, _ = layer_table(rows, [(0, 60)], max_gap_cm=5)
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
    layers, _ = layer_table(table, LAYERS, lam=lam)
    stock = layers.soc_stock_kg_m2.to_numpy().reshape(-1, 4)
    complete = np.isfinite(stock[:, 3])
    np.testing.assert_allclose(stock[complete, :3].sum(axis=1), stock[complete, 3], rtol=1e-12)
    assert (stock[np.isfinite(stock)] > 0).all()
    assert set(layers.status) <= set(STATUS)
    assert (layers.soc_stock_kg_m2.notna() == layers.status.isin(["ok", "partial", "weighted"])).all()
    assert layers.coverage.between(0, 1).all()


# --- faults ---------------------------------------------------------------------------------------------------------


def test_layer_table_refuses() -> None:
    with pytest.raises(TableError) as caught:
        layer_table(horizons(("a", 0, 30, 10.0)), [(30, 30), (-5, 10)], min_coverage=0, max_gap_cm=-1)
    assert len(caught.value.faults) == 4
    with pytest.raises(TableError, match="no column bulk_density_source"):
        layer_table(horizons(("a", 0, 30, 10.0)).drop(columns="bulk_density_source"), LAYERS)
    with pytest.raises(TableError, match="expected at least one"):
        layer_table(horizons(("a", 0, 30, 10.0)), [])
    with pytest.raises(TableError, match="clean first"):
        layer_table(horizons(("a", 0, 30, 10.0), ("a", 20, 50, 10.0)), LAYERS)


# --- the whole way --------------------------------------------------------------------------------------------------


def test_macedonia_from_file_to_layers(shared: Path) -> None:
    folder = shared / "data" / "macedonia"
    roles = {
        "profile_id": Column("ProfID"),
        "x": Column("X"),
        "y": Column("Y"),
        "top": Column("top", unit="cm"),
        "bottom": Column("bottom", unit="cm"),
        "organic_matter": Column("SOC", unit="%", to_carbon=0.58),
        "bulk_density": Column("BLD", unit="g/cm3"),
        "coarse_fragments": Column("CRF", unit="vol%"),
    }
    raw, read_log = read_source(folder / "horizons.csv", roles, sites=folder / "site-level.csv", crs="EPSG:4326")
    horizon_table, repairs = clean(raw)
    filled, provenance = fill(horizon_table)
    layers, more = layer_table(filled, LAYERS)
    told = summary(raw, filled, layers, concat_repairs([read_log, repairs, more]), provenance, {"no value in DEM": 3})

    assert (told["profiles_read"], told["horizons_read"], told["profiles_kept"]) == (4118, 10292, 3897)
    assert told["bulk_density"]["measured"] + told["bulk_density"]["pedotransfer"] == told["horizons_kept"]
    assert sum(told["coarse_fragments"][kind] for kind in ("measured", "profile", "assumed")) == told["horizons_kept"]
    assert all(sum(layer[kind] for kind in ("complete", "partial", "none")) == 3897 for layer in told["layers"])
    assert told["repairs"]["gap"] == {"action": "left unobserved", "count": 817}
    assert told["points_without_covariates"] == {"no value in DEM": 3}
    json.dumps(told, allow_nan=False)

    assert len(layers) == 4 * 3897
    stock = layers.soc_stock_kg_m2.to_numpy().reshape(-1, 4)
    whole = np.isfinite(stock).all(axis=1)
    np.testing.assert_allclose(stock[whole, :3].sum(axis=1), stock[whole, 3], rtol=1e-12)
    # The authors' maps of 0-30 cm, brought to kg/m2 and to carbon, average 6.6; profiles lie lower than mountains.
    assert 4.5 < np.nanmean(stock[:, 0]) < 7.0


def test_profiles_in_metres(shared: Path) -> None:
    """29 profiles of thin samples with wide gaps: whole layers only where the gaps between them are allowed."""
    roles = {
        "profile_id": Column("PROFILE"),
        "lon": Column(value=150.0),
        "lat": Column(value=-30.0),
        "top": Column("Upper.Depth", unit="m"),
        "bottom": Column("Lower.Depth", unit="m"),
        "soc": Column("Total_Carbon", unit="%"),
    }
    raw, _ = read_source(shared / "data" / "spline_examples" / "USYD_soil1.csv", roles)
    table, log = clean(raw)
    assert table.profile_id.nunique() == 29
    assert (log.fault == "overlap").sum() == 0
    filled, _ = fill(table)
    observed, _ = layer_table(filled, [(0, 80)])
    bridged, _ = layer_table(filled, [(0, 80)], max_gap_cm=60)
    assert observed.coverage.max() < 1
    assert (bridged.coverage == 1).sum() > 20
    assert (bridged.coverage >= observed.coverage).all()
