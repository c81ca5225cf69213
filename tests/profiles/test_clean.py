"""Repairs by hand: what becomes of columns, replicates and places; what is refused; real data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import TableError
from edaphic.profiles import clean
from edaphic.profiles.cleaning.clean import COLUMNS, LOG_COLUMNS


def horizons(*rows: tuple[Any, ...], **columns: Any) -> pd.DataFrame:
    """Table of (profile_id, top, bottom, soc) rows at one place."""
    table = pd.DataFrame(rows, columns=["profile_id", "top_cm", "bottom_cm", "soc_g_kg"])
    return table.assign(**{"lon": 21.0, "lat": 41.0, **columns})


def spans(table: pd.DataFrame) -> list[tuple[str, float, float]]:
    return list(zip(table.profile_id, table.top_cm, table.bottom_cm, strict=True))


def faults(log: pd.DataFrame) -> list[tuple[int, str]]:
    return list(zip(log.row, log.fault, strict=True))


# --- by hand --------------------------------------------------------------------------------------------------------


def test_a_clean_table_stays_as_it_is() -> None:
    table, log = clean(horizons(("b", 0, 20, 10.0), ("b", 20, 50, 5.0), ("a", 0, 30, 8.0)))
    assert spans(table) == [("b", 0, 20), ("b", 20, 50), ("a", 0, 30)]
    assert tuple(table.columns) == COLUMNS
    assert log.empty
    assert tuple(log.columns) == LOG_COLUMNS


def test_a_repair_says_what_was_and_what_is() -> None:
    _, log = clean(horizons(("a", 0, 20, 9.0), ("a", 15, 40.5, 4.0), ("a", 60, 50, 1.0)))
    assert log[["profile_id", "row", "fault", "before", "after"]].to_numpy().tolist() == [
        ["a", 3, "reversed", "60-50 cm", "50-60 cm"],
        ["a", 2, "overlap", "15-40.5 cm", "20-40.5 cm"],
        ["a", 3, "gap", "40.5-50 cm", ""],
    ]


def test_noise_in_depths_is_no_overlap_and_no_gap() -> None:
    top = [0.0, 9.99999977648258, 12.9999995231628]
    bottom = [10.0000001490116, 12.9999995231628, 22.0000000000001]
    table, log = clean(horizons(*(("a", t, b, 5.0 + t) for t, b in zip(top, bottom, strict=True))))
    assert spans(table) == [("a", 0, 10), ("a", 10, 13), ("a", 13, 22)]
    assert log.empty


def test_replicates_are_averaged_whatever_their_order() -> None:
    rows = horizons(("a", 0, 20, 10.0), ("a", 0, 20, 14.0), bulk_density_g_cm3=[np.nan, 1.3], texture=["x", "y"])
    table, log = clean(rows)
    assert table[["soc_g_kg", "bulk_density_g_cm3", "texture", "row"]].to_numpy().tolist() == [[12.0, 1.3, "mixed", 1]]
    assert log[["row", "fault", "before", "after"]].to_numpy().tolist() == [
        [1, "same depths, other values", "0-20 cm: soc 10 g/kg", "0-20 cm: soc 12 g/kg"],
        [2, "same depths, other values", "0-20 cm: soc 14 g/kg", "0-20 cm: soc 12 g/kg"],
    ]


def test_limits_belong_to_the_range() -> None:
    edges = [("soc_g_kg", 0.0, 600.0), ("bulk_density_g_cm3", 0.02, 2.65), ("coarse_fragments_vol_pct", 0.0, 100.0), ("ph_h2o", 0.0, 14.0)]
    for name, low, high in edges:
        table, log = clean(horizons(("a", 0, 20, 9.0), ("a", 20, 40, 9.0)).assign(**{name: [low, high]}))
        assert table[name].tolist() == [low, high]
        assert log.empty


def test_a_bulk_density_that_is_set_missing_has_no_basis() -> None:
    table, _ = clean(
        horizons(("a", 0, 20, 9.0), ("a", 20, 40, 9.0), bulk_density_g_cm3=[9.0, 1.3], bulk_density_basis=["fine_earth", "fine_earth"])
    )
    assert table.bulk_density_basis.tolist() == ["", "fine_earth"]


def test_texts_survive_and_those_of_replicates_become_mixed() -> None:
    rows = horizons(
        *[("a", 0, 20, 10.0), ("a", 0, 20, 14.0), ("a", 20, 40, 5.0), ("a", 20, 40, np.nan), ("b", 0, 20, 5.0)],
        soc_stock_kg_m2=[np.nan, np.nan, np.nan, 4.0, np.nan],
        soc_method=["dry combustion", "walkley_black", "dry combustion", "", "loss on ignition"],
        coarse_fragments_class=["few", "few", "", "many", None],
        bulk_density_g_cm3=[1.2, 1.4, np.nan, 1.3, 1.1],
        bulk_density_basis=["fine_earth", "whole_soil", "", "fine_earth", "fine_earth"],
        land_use=["crop", "forest", "crop", "crop", None],
        sampled=[True, False, True, True, False],
        count=[1, 2, 3, 3, 4],
    )
    table, _ = clean(rows)
    assert table.soc_method.tolist() == ["mixed", "dry combustion", "loss on ignition"]
    assert table.coarse_fragments_class.tolist() == ["few", "many", ""]
    assert table.bulk_density_basis.tolist() == ["", "fine_earth", "fine_earth"]
    assert table.bulk_density_g_cm3.fillna(-1).tolist() == [-1, 1.3, 1.1]
    assert table.soc_stock_kg_m2.fillna(-1).tolist() == [-1, 4.0, -1]
    assert table.land_use.fillna("none").tolist() == ["mixed", "crop", "none"]
    assert table["sampled"].tolist() == [True, True, False]
    assert table["count"].tolist() == [1.5, 3, 4]


def test_not_knowing_the_method_is_not_the_method() -> None:
    """A factor for one method must not be put on a mean of which half has an unknown method."""
    rows = horizons(("a", 0, 20, 10.0), ("a", 0, 20, 14.0), soc_method=["", "walkley_black"])
    assert clean(rows)[0].soc_method.tolist() == ["mixed"]


def test_means_of_equal_numbers_are_those_numbers() -> None:
    """0.1 + 0.1 + 0.1 is not 3 times 0.1 in binary numbers."""
    table, _ = clean(horizons(("a", 0, 20, 1.0), ("a", 0, 20, 2.0), ("a", 0, 20, 3.0), total_n_g_kg=0.1))
    assert table[["soc_g_kg", "total_n_g_kg"]].to_numpy().tolist() == [[2.0, 0.1]]


def test_a_reported_stock_shrinks_with_its_horizon() -> None:
    table, _ = clean(horizons(("a", 0, 20, 9.0), ("a", 15, 40, 4.0), soc_stock_kg_m2=[3.0, 5.0]))
    assert table.soc_stock_kg_m2.tolist() == [3.0, 4.0]


def test_reported_stocks_need_no_carbon_content() -> None:
    rows = horizons(("a", 0, 20, 0.0), ("a", 20, 40, 0.0), soc_stock_kg_m2=[3.0, np.nan]).drop(columns="soc_g_kg")
    table, log = clean(rows)
    assert spans(table) == [("a", 0, 20)]
    assert table.soc_g_kg.isna().all()
    assert faults(log) == [(2, "soc missing"), (1, "soc missing, stock reported")]


def test_what_a_profile_has_once_counts_for_all_its_horizons() -> None:
    """Written on the last horizon only, the rock below is the profile's, and no repair."""
    rows = horizons(("a", 0, 20, 9.0), ("a", 20, 40, 4.0), below=["", "rock"], rock_depth_cm=[np.nan, 40.0])
    table, log = clean(rows)
    assert table.below.tolist() == ["rock", "rock"]
    assert table.rock_depth_cm.tolist() == [40.0, 40.0]
    assert log.empty


def test_columns_of_all_kinds_keep_their_order_and_the_input_stays() -> None:
    rows = horizons(("b", 30, 10, 9.0), ("a", 0, 20, 700.0), slope=[1.5, 2.5], note=["x", "y"]).iloc[::-1]
    before = rows.copy(deep=True)
    table, _ = clean(rows)
    pd.testing.assert_frame_equal(rows, before)
    assert tuple(table.columns) == (*COLUMNS, "slope", "note")
    assert table[["slope", "note"]].to_numpy().tolist() == [[1.5, "x"]]


def test_places() -> None:
    table, log = clean(
        horizons(
            ("here", 0, 20, 9.0),
            ("here", 20, 40, 9.0),
            ("nowhere", 0, 20, 9.0),
            ("zero", 0, 20, 9.0),
            ("far", 0, 20, 9.0),
            ("far", 20, 30, 9.0),
            lon=[21.0, 22.0, np.nan, 0.0, 500.0, np.inf],
            lat=[41.0, 41.0, 41.0, 0.0, 41.0, 41.0],
        )
    )
    assert spans(table) == [("here", 0, 20), ("here", 20, 40)]
    assert table.lon.tolist() == [21.0, 21.0]
    assert log[["profile_id", "row", "fault", "before", "after"]].to_numpy().tolist() == [
        ["nowhere", 3, "coordinates missing", ", 41", ""],
        ["zero", 4, "coordinates 0, 0", "0, 0", ""],
        ["far", 5, "coordinates outside -180 to 180, -90 to 90", "500, 41", ""],
        ["here", 2, "several coordinates", "22, 41", "21, 41"],
    ]


def test_a_horizon_without_place_takes_that_of_its_profile() -> None:
    table, log = clean(horizons(("a", 0, 20, 9.0), ("a", 20, 40, 9.0), lon=[np.nan, 21.5]))
    assert table.lon.tolist() == [21.5, 21.5]
    assert faults(log) == [(1, "missing in part of the profile")]


def test_a_resampled_profile_is_one_for_each_year() -> None:
    table, log = clean(horizons(("a", 0, 20, 9.0), ("a", 0, 20, 7.0), ("b", 0, 20, 5.0), year=[1990.0, 2010.0, 1066.0]))
    assert spans(table) == [("a@1990", 0, 20), ("a@2010", 0, 20), ("b", 0, 20)]
    assert np.isnan(table.year.iloc[2])
    assert log.fault.tolist() == ["year outside 1800 to 2100", "several years", "several years"]


def test_equal_labels_of_two_sources_are_two_profiles() -> None:
    table, log = clean(horizons(("1", 0, 20, 9.0), ("1", 0, 20, 7.0), ("2", 0, 20, 5.0), source=["s", "t", "t"]))
    assert table.profile_id.tolist() == ["s:1", "t:1", "2"]
    assert log.after.tolist() == ["s:1", "t:1"]


def test_order_is_that_of_the_source_rows() -> None:
    table, _ = clean(horizons(("a", 20, 40, 9.0), ("b", 0, 20, 7.0), ("a", 0, 20, 5.0), row=[9, 5, 7]))
    assert spans(table) == [("b", 0, 20), ("a", 0, 20), ("a", 20, 40)]


# --- faults ---------------------------------------------------------------------------------------------------------


def test_missing_columns_and_text_are_refused() -> None:
    with pytest.raises(TableError, match="no column lon, soc_g_kg"):
        clean(horizons(("a", 0, 20, 9.0)).drop(columns=["lon", "soc_g_kg"]))
    with pytest.raises(TableError, match="top_cm holds text"):
        clean(horizons(("a", "surface", 20, 9.0)))
    with pytest.raises(TableError, match="row has text or missing values"):
        clean(horizons(("a", 0, 20, 9.0), row=[None]))


def test_a_new_label_must_be_free() -> None:
    with pytest.raises(TableError, match=r"profile_id 's:a' stands for two profiles"):
        clean(horizons(("a", 0, 20, 9.0), ("a", 0, 20, 9.0), ("s:a", 0, 20, 9.0), source=["s", "t", "t"]))
    with pytest.raises(TableError, match=r"profile_id 'a@1990' stands for two profiles"):
        clean(horizons(("a", 0, 20, 9.0), ("a", 0, 20, 9.0), ("a@1990", 0, 20, 9.0), year=[1990.0, 2010.0, 1990.0]))


def test_empty_table() -> None:
    table, log = clean(horizons())
    assert table.empty
    assert log.empty
    assert tuple(table.columns) == COLUMNS


# --- real data ------------------------------------------------------------------------------------------------------


def test_counts_on_macedonia(shared: Any) -> None:
    """What the description of the data counts: 817 gaps, 1 horizon without thickness, 3,897 profiles with carbon."""
    folder = shared / "data" / "macedonia"
    table = pd.read_csv(folder / "horizons.csv").merge(pd.read_csv(folder / "site-level.csv"), on="ProfID")
    table = table.rename(columns={"ProfID": "profile_id", "X": "lon", "Y": "lat", "top": "top_cm", "bottom": "bottom_cm"}).assign(
        soc_g_kg=lambda t: t.SOC * 5.8, bulk_density_g_cm3=lambda t: t.BLD, coarse_fragments_vol_pct=lambda t: t.CRF
    )
    cleaned, log = clean(table)
    count = log.fault.value_counts()
    assert cleaned.profile_id.nunique() == 3897
    assert count["soc missing"] == 10292 - 9461
    assert count["gap"] == 817
    assert count["zero thickness"] == count["coarse fragments outside 0 to 100 %"] == 1
    averaged = log[log.fault == "same depths, other values"]
    merged = len(averaged) - len(averaged.drop_duplicates(["profile_id", "after"]))
    assert len(cleaned) + count["horizon repeated"] + merged + count["nested"] == 9460
