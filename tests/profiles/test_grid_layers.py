"""Layered values at the depths of horizons, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import TableError
from edaphic.profiles.density.grid_layers import horizon_means_from_layers, per_horizon

LAYERS = [(0, 5), (5, 15), (15, 30)]


def horizons(*rows: tuple[str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["profile_id", "top_cm", "bottom_cm"])


def test_weights_are_shared_thickness() -> None:
    """3-20 cm: 2 of the first, 10 of the second, 5 of the third layer."""
    found = horizon_means_from_layers(horizons(("a", 3, 20)), LAYERS, [[1.0, 2.0, 4.0]])
    assert found[0] == pytest.approx((2 * 1 + 10 * 2 + 5 * 4) / 17)


def test_below_the_layers_and_where_the_grid_has_none() -> None:
    table = horizons(("b", 20, 60), ("a", 0, 10), ("b", 60, 80))
    found = horizon_means_from_layers(table, LAYERS, [[1.0, 2.0, 4.0], [np.nan, 3.0, np.nan]])
    np.testing.assert_array_equal(found, [4.0, 3.0, np.nan])


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 100), st.floats(0.01, 100), st.lists(st.floats(-10, 10), min_size=3, max_size=3))
def test_mean_lies_between_the_layers(top: float, thickness: float, values: list[float]) -> None:
    found = horizon_means_from_layers(horizons(("a", top, top + thickness)), LAYERS, [values])[0]
    if top < 30 - 1e-9:
        assert min(values) - 1e-9 <= found <= max(values) + 1e-9
    elif top >= 30:
        assert np.isnan(found)


def test_constant_layers_stay_constant() -> None:
    found = horizon_means_from_layers(horizons(("a", 1, 7), ("a", 7, 29)), LAYERS, [[1.3, 1.3, 1.3]])
    np.testing.assert_allclose(found, 1.3, rtol=1e-12)


def test_table_by_profile_and_layer() -> None:
    grid = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], index=["b", "a"], columns=pd.MultiIndex.from_tuples([(0, 10), (10, 20)]))
    found = per_horizon(horizons(("a", 0, 10), ("c", 0, 10), ("b", 0, 20)), grid, "bulk density")
    np.testing.assert_array_equal(found, [3.0, np.nan, 1.5])
    assert per_horizon(horizons(("a", 0, 10)), None, "bulk density") is None


def test_faults() -> None:
    table = horizons(("a", 0, 10), ("b", 0, 10))
    with pytest.raises(TableError, match=r"layers: found 5-5 cm; expected top < bottom\nvalues of the layers: found shape \(1, 1\)"):
        horizon_means_from_layers(table, [(5, 5)], [[1.0]])
    with pytest.raises(TableError, match=r"bulk density of the grid: found shape \(3,\); expected \(2,\)"):
        per_horizon(table, [1.0, 2.0, 3.0], "bulk density")
    with pytest.raises(TableError, match="expected \\(top, bottom\\) in cm"):
        per_horizon(table, pd.DataFrame({"depth": [1.0]}, index=["a"]), "bulk density")
    with pytest.raises(TableError, match="found profile 'a' twice"):
        per_horizon(table, pd.DataFrame([[1.0], [1.0]], index=["a", "a"], columns=[(0, 5)]), "bulk density")
