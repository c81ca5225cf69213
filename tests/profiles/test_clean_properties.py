"""Repairing is idempotent, blind to row order, leaves valid profiles and invents nothing, however spoilt the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.profiles.cleaning.clean import RULES, clean

_depth = st.one_of(
    st.integers(-3, 12).map(lambda k: k * 10.0),
    st.sampled_from([np.nan, -0.0, 0.004, -0.004, 9.99999985, -9999.0, 9999.0, 10000.0, -500.0, np.inf, -np.inf, 1e300]),
    st.floats(0, 50),
)
_row = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    _depth,
    _depth,
    st.one_of(st.sampled_from([np.nan, 5.0, 9.0, 700.0]), st.floats(0, 600)),
    st.sampled_from([np.nan, 0.0, 1.2, 1.5]),
    st.sampled_from([(21.0, 41.0), (22.0, 41.0), (41.0, 21.0), (41.0, 100.0), (0.0, 0.0), (np.nan, 41.0), (200.0, 41.0), (np.inf, 9e5)]),
    st.sampled_from([np.nan, 1990.0, 2010.0, 3.0]),
    st.sampled_from(["s", "t"]),
    st.sampled_from([np.nan, -1.0, 4.0, 5.5]),
    st.sampled_from(["", "dry combustion", "walkley_black"]),
    st.sampled_from(["", "fine_earth", "whole_soil"]),
    st.sampled_from(["", "rock", "unknown"]),
)
_options = st.fixed_dictionaries(
    {
        "shift_organic": st.booleans(),
        "last_thickness_cm": st.sampled_from([None, 10.0, 0.01, 10000.0]),
        "bounding_box": st.sampled_from([None, (20.0, 40.0, 21.5, 42.0), (150.0, 40.0, 21.5, 42.0)]),
    }
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
            "soc_stock_kg_m2": [r[8] for r in rows],
            "weight": [r[8] for r in rows],
            "rock_depth_cm": [r[8] for r in rows],
            "soc_method": [r[9] for r in rows],
            "bulk_density_basis": [r[10] for r in rows],
            "below": [r[11] for r in rows],
            "row": range(1, len(rows) + 1),
        }
    )


@settings(max_examples=30, deadline=None)
@given(tables(), _options)
def test_cleaning_twice_is_cleaning_once(table: pd.DataFrame, options: dict[str, Any]) -> None:
    once, _ = clean(table, **options)
    twice, log = clean(once, **options)
    pd.testing.assert_frame_equal(once, twice)
    assert set(log.fault) <= {"gap", "soc missing, stock reported"}


@settings(max_examples=15, deadline=None)
@given(tables(), _options, st.booleans(), st.randoms(use_true_random=False))
def test_order_of_rows_never_matters(table: pd.DataFrame, options: dict[str, Any], wide: bool, random: Any) -> None:
    if wide:  # Three horizons in one row of the source.
        table = table.assign(row=(table.row + 2) // 3)
    order = list(range(len(table)))
    random.shuffle(order)
    here, here_log = clean(table, **options)
    there, there_log = clean(table.iloc[order], **options)
    pd.testing.assert_frame_equal(here, there)
    pd.testing.assert_frame_equal(here_log, there_log)


def assert_valid(cleaned: pd.DataFrame) -> None:
    assert cleaned.row.is_unique
    assert (cleaned.bottom_cm > cleaned.top_cm).all()
    assert cleaned.top_cm.min() >= 0 if len(cleaned) else True
    assert not (cleaned.top_cm < cleaned.groupby("profile_id").bottom_cm.shift()).any()
    assert (cleaned.soc_g_kg.between(0, 600) | (cleaned.soc_g_kg.isna() & cleaned.soc_stock_kg_m2.notna())).all()
    once = ["lon", "lat", "year", "weight", "rock_depth_cm", "below"]
    assert (cleaned.groupby("profile_id")[once].nunique(dropna=False) <= 1).all(axis=None)


@settings(max_examples=30, deadline=None)
@given(tables(), _options)
def test_repairs_leave_valid_stacks_and_lose_nothing_in_silence(table: pd.DataFrame, options: dict[str, Any]) -> None:
    cleaned, log = clean(table, **options)
    assert_valid(cleaned)
    assert set(cleaned.row) <= set(table.row)
    assert set(log.fault) <= set(RULES)
    assert all(action in RULES[fault] for fault, action in zip(log.fault, log.action, strict=True))
    # Every source row is kept or named in the log, or belongs to a profile that is.
    lost = set(table.row) - set(cleaned.row) - set(log.row)
    named = set(log.profile_id)
    ids = table.set_index("row").profile_id
    assert all({ids[row], f"s:{ids[row]}", f"t:{ids[row]}"} & named for row in lost)


@pytest.mark.parametrize("options", [{}, {"shift_organic": True, "last_thickness_cm": 10.0, "bounding_box": (150.0, 40.0, 21.5, 42.0)}])
def test_thousands_of_spoilt_profiles(options: dict[str, Any]) -> None:
    """Depths in all orders, above the surface, missing or in codes; places and years that differ; replicates."""
    rng = np.random.default_rng(4)
    n = 20_000
    depth = np.array([-9999, -20, -10, -5, -0.004, 0, 0, 0, 3, 5, 8, 10, 10.004, 20, 20, 30, 40, 50, np.nan, np.inf])
    value = np.array([np.nan, -1.0, 4.0, 5.5])
    table = pd.DataFrame(
        {
            "profile_id": rng.integers(0, n // 5, n).astype(str),
            "top_cm": rng.choice(depth, n),
            "bottom_cm": rng.choice(depth, n),
            "soc_g_kg": rng.choice([np.nan, 5.0, 9.0, 700.0], n, p=[0.1, 0.4, 0.4, 0.1]),
            "bulk_density_g_cm3": rng.choice([np.nan, 0.0, 1.2, 1.5], n),
            "lon": rng.choice([21.0, 22.0, 41.0, 0.0, np.nan], n, p=[0.8, 0.05, 0.05, 0.05, 0.05]),
            "lat": rng.choice([41.0, 21.0, 0.0, 100.0], n, p=[0.85, 0.05, 0.05, 0.05]),
            "year": rng.choice([np.nan, 1990.0, 2010.0], n, p=[0.2, 0.7, 0.1]),
            "soc_stock_kg_m2": rng.choice(value, n),
            "weight": rng.choice(value, n),
            "rock_depth_cm": rng.choice(value, n),
            "soc_method": rng.choice(["", "dry combustion", "walkley_black"], n),
            "bulk_density_basis": rng.choice(["", "fine_earth", "whole_soil"], n),
            "below": rng.choice(["", "rock", "unknown"], n),
        }
    )
    once, log = clean(table.assign(row=range(1, n + 1)), **options)
    assert len(once) > n // 10
    assert log.fault.nunique() > 20
    assert_valid(once)
    twice, left = clean(once, **options)
    pd.testing.assert_frame_equal(once, twice)
    assert set(left.fault) <= {"gap", "soc missing, stock reported"}


@settings(max_examples=30, deadline=None)
@given(tables())
def test_repairs_invent_nothing(table: pd.DataFrame) -> None:
    """No centimetre is covered that the source row did not cover."""
    cleaned, _ = clean(table)
    source = table.set_index("row")
    low, high = (source[["top_cm", "bottom_cm"]].agg(how, axis=1).round(2) for how in ("min", "max"))
    assert (cleaned.top_cm.to_numpy() >= low.loc[cleaned.row].to_numpy()).all()
    assert (cleaned.bottom_cm.to_numpy() <= high.loc[cleaned.row].to_numpy()).all()
