"""Repairs: each rule by hand, then that repairing is idempotent, blind to row order, and invents nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import TableError
from edaphic.profiles import RULES, clean
from edaphic.profiles.clean import COLUMNS, LOG_COLUMNS


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


@pytest.mark.parametrize(
    ("rows", "kept", "found"),
    [
        ([("a", 20, 0, 10.0)], [("a", 0, 20)], [(1, "reversed")]),
        ([("a", 20, 20, 10.0), ("a", 0, 20, 9.0)], [("a", 0, 20)], [(1, "zero thickness")]),
        ([("a", -5, 0, 300.0), ("a", 0, 20, 9.0)], [("a", 0, 20)], [(1, "above the surface")]),
        ([("a", 5, 0, 300.0), ("a", 0, 20, 9.0)], [("a", 0, 20)], [(1, "above the surface")]),
        ([("a", 0, 20, 9.0), ("a", 20, np.nan, 4.0)], [("a", 0, 20)], [(2, "depth missing")]),
        ([("a", np.nan, 20, 9.0), ("a", 20, 40, 4.0)], [("a", 20, 40)], [(1, "depth missing")]),
        ([("a", 0, 20, np.nan), ("a", 20, 40, 4.0)], [("a", 20, 40)], [(1, "soc missing")]),
        ([("a", 0, 20, 601.0), ("a", 20, 40, 4.0)], [("a", 20, 40)], [(1, "soc outside 0 to 600 g/kg")]),
        ([("a", 0, 20, -1.0), ("a", 20, 40, 0.0)], [("a", 20, 40)], [(1, "soc outside 0 to 600 g/kg")]),
        ([("a", 0, 20, 9.0), ("a", 15, 40, 4.0)], [("a", 0, 20), ("a", 20, 40)], [(2, "overlap")]),
        ([("a", 0, 40, 9.0), ("a", 10, 20, 4.0)], [("a", 0, 40)], [(2, "nested")]),
        ([("a", 0, 20, 9.0), ("a", 0, 40, 4.0)], [("a", 0, 40)], [(1, "nested")]),
        ([("a", 0, 20, 9.0), ("a", 30, 40, 4.0)], [("a", 0, 20), ("a", 30, 40)], [(2, "gap")]),
        ([("a", 0, 20, 9.0), ("a", 0, 20, 9.0)], [("a", 0, 20)], [(2, "horizon repeated")]),
        ([("", 0, 20, 9.0), ("a", 0, 20, 9.0)], [("a", 0, 20)], [(1, "profile_id missing")]),
        ([("a", 0, 20.126, 9.0)], [("a", 0, 20.13)], [(1, "depth finer than 0.01 cm")]),
    ],
)
def test_depths_and_contents(
    rows: list[tuple[Any, ...]], kept: list[tuple[str, float, float]], found: list[tuple[int, str]]
) -> None:
    table, log = clean(horizons(*rows))
    assert spans(table) == kept
    assert faults(log) == found
    assert log.action.tolist() == [RULES[fault] for _, fault in found]


def test_a_repair_says_what_was_and_what_is() -> None:
    _, log = clean(horizons(("a", 0, 20, 9.0), ("a", 15, 40.5, 4.0), ("a", 60, 50, 1.0)))
    assert log[["profile_id", "row", "fault", "before", "after"]].to_numpy().tolist() == [
        ["a", 3, "reversed", "60-50 cm", "50-60 cm"],
        ["a", 2, "overlap", "15-40.5 cm", "20-40.5 cm"],
        ["a", 3, "gap", "40.5-50 cm", ""],
    ]


def test_a_reversed_horizon_counts_upwards_only_above_another() -> None:
    """5-0 cm above 0-20 cm is an organic layer on top; alone it is 0-5 cm written upside down."""
    table, log = clean(horizons(("a", 5, 0, 300.0), ("b", 5, 0, 300.0), ("b", 0, 20, 20.0)))
    assert spans(table) == [("a", 0, 5), ("b", 0, 20)]
    assert faults(log) == [(2, "above the surface"), (1, "reversed")]


def test_noise_in_depths_is_no_overlap_and_no_gap() -> None:
    top = [0.0, 9.99999977648258, 12.9999995231628]
    bottom = [10.0000001490116, 12.9999995231628, 22.0000000000001]
    table, log = clean(horizons(*(("a", t, b, 5.0 + t) for t, b in zip(top, bottom, strict=True))))
    assert spans(table) == [("a", 0, 10), ("a", 10, 13), ("a", 13, 22)]
    assert log.empty


def test_replicates_are_averaged_whatever_their_order() -> None:
    rows = horizons(("a", 0, 20, 10.0), ("a", 0, 20, 14.0), bulk_density_g_cm3=[np.nan, 1.3], texture=["x", "y"])
    table, log = clean(rows)
    assert table[["soc_g_kg", "bulk_density_g_cm3", "texture", "row"]].to_numpy().tolist() == [[12.0, 1.3, "x", 1]]
    assert log[["row", "fault", "before", "after"]].to_numpy().tolist() == [
        [1, "same depths, other values", "0-20 cm: soc 10 g/kg", "0-20 cm: soc 12 g/kg"],
        [2, "same depths, other values", "0-20 cm: soc 14 g/kg", "0-20 cm: soc 12 g/kg"],
    ]


def test_values_out_of_range_become_missing() -> None:
    table, log = clean(
        horizons(
            ("a", 0, 10, 5.0),
            ("a", 10, 20, 5.0),
            ("a", 20, 30, 5.0),
            bulk_density_g_cm3=[0.0, 2.66, 1.2],
            coarse_fragments_vol_pct=[104.0, 100.0, -1.0],
            clay_pct=[30.0, 130.0, 20.0],
            ph_h2o=[7.0, 65.0, 5.0],
        )
    )
    assert table.bulk_density_g_cm3.isna().tolist() == [True, True, False]
    assert table.coarse_fragments_vol_pct.isna().tolist() == [True, False, True]
    assert table.clay_pct.isna().tolist() == table.ph_h2o.isna().tolist() == [False, True, False]
    assert log.before.tolist() == ["0", "2.66", "104", "-1", "130", "65"]


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
    assert log.empty


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


# --- properties -----------------------------------------------------------------------------------------------------

_depth = st.one_of(st.integers(-3, 12).map(lambda k: k * 10.0), st.just(np.nan), st.floats(0, 50))
_row = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    _depth,
    _depth,
    st.one_of(st.sampled_from([np.nan, 5.0, 9.0, 700.0]), st.floats(0, 600)),
    st.sampled_from([np.nan, 0.0, 1.2, 1.5]),
    st.sampled_from([(21.0, 41.0), (22.0, 41.0), (0.0, 0.0), (np.nan, 41.0), (200.0, 41.0)]),
    st.sampled_from([np.nan, 1990.0, 2010.0, 3.0]),
    st.sampled_from(["s", "t"]),
)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.lists(_row, min_size=1, max_size=12))
    return pd.DataFrame(
        {
            "profile_id": [r[0] for r in rows],
            "top_cm": [r[1] for r in rows],
            "bottom_cm": [r[2] for r in rows],
            "soc_g_kg": [r[3] for r in rows],
            "bulk_density_g_cm3": [r[4] for r in rows],
            "lon": [r[5][0] for r in rows],
            "lat": [r[5][1] for r in rows],
            "year": [r[6] for r in rows],
            "source": [r[7] for r in rows],
            "row": range(1, len(rows) + 1),
        }
    )


@settings(max_examples=60, deadline=None)
@given(tables())
def test_cleaning_twice_is_cleaning_once(table: pd.DataFrame) -> None:
    once, _ = clean(table)
    twice, log = clean(once)
    pd.testing.assert_frame_equal(once, twice)
    assert set(log.fault) <= {"gap"}


@settings(max_examples=40, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_order_of_rows_never_matters(table: pd.DataFrame, random: Any) -> None:
    order = list(range(len(table)))
    random.shuffle(order)
    here, here_log = clean(table)
    there, there_log = clean(table.iloc[order])
    pd.testing.assert_frame_equal(here, there)
    pd.testing.assert_frame_equal(here_log, there_log)


@settings(max_examples=60, deadline=None)
@given(tables())
def test_repairs_invent_nothing_and_leave_valid_stacks(table: pd.DataFrame) -> None:
    cleaned, log = clean(table)
    assert set(cleaned.row) <= set(table.row)
    assert cleaned.row.is_unique
    assert set(log.fault) <= set(RULES)
    assert (cleaned.bottom_cm > cleaned.top_cm).all()
    assert cleaned.top_cm.min() >= 0 if len(cleaned) else True
    above = cleaned.groupby("profile_id").bottom_cm.shift()
    assert not (cleaned.top_cm < above).any()
    assert cleaned.soc_g_kg.between(0, 600).all()
    assert (cleaned.groupby("profile_id")[["lon", "lat", "year"]].nunique() <= 1).all(axis=None)
    # No centimetre is covered that no source row of the profile covered.
    source = table.set_index("row")
    low, high = (source[["top_cm", "bottom_cm"]].agg(how, axis=1).round(2) for how in ("min", "max"))
    assert (cleaned.top_cm.to_numpy() >= low.loc[cleaned.row].to_numpy()).all()
    assert (cleaned.bottom_cm.to_numpy() <= high.loc[cleaned.row].to_numpy()).all()
    # Every source row is kept or named in the log, or belongs to a profile that is.
    lost = set(table.row) - set(cleaned.row) - set(log.row)
    named = set(log.profile_id)
    ids = table.set_index("row").profile_id
    assert all({ids[row], f"s:{ids[row]}", f"t:{ids[row]}"} & named for row in lost)


# --- faults ---------------------------------------------------------------------------------------------------------


def test_missing_columns_and_text_are_refused() -> None:
    with pytest.raises(TableError, match="no column lon, soc_g_kg"):
        clean(horizons(("a", 0, 20, 9.0)).drop(columns=["lon", "soc_g_kg"]))
    with pytest.raises(TableError, match="top_cm holds text"):
        clean(horizons(("a", "surface", 20, 9.0)))


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
    table = table.rename(
        columns={"ProfID": "profile_id", "X": "lon", "Y": "lat", "top": "top_cm", "bottom": "bottom_cm"}
    ).assign(
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
