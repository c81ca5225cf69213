"""How far curves lie from horizons: by hand, in both tables of layers, and on the screen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edaphic.profiles import DepthFunction, far_line, harmonise, layer_table
from edaphic.profiles.depth.departure import departures, largest_in_layers

LAYERS = [(0, 10), (10, 80), (80, 90)]


def raw() -> pd.DataFrame:
    """18 g/kg above 1 g/kg, too steep for a smooth curve that is not negative; and a constant profile."""
    return pd.DataFrame({
        "profile_id": ["steep", "steep", "flat", "flat"], "lon": np.nan, "lat": np.nan, "year": 2000.0, "source": "s", "row": [1, 2, 3, 4],
        "top_cm": [0.0, 10.0, 0.0, 30.0], "bottom_cm": [10.0, 80.0, 30.0, 80.0], "soc_g_kg": [18.0, 1.0, 5.0, 5.0],
        "bulk_density_g_cm3": 1.0, "bulk_density_source": "measured", "bulk_density_sd_g_cm3": 0.0, "coarse_fragments_vol_pct": 0.0,
    })  # fmt: skip


@pytest.mark.parametrize("lam", [0.0, 0.1])
def test_a_steep_drop_is_marked(lam: float) -> None:
    """The mass of 250 kg/m3 cm is kept: 7.986 above and (250 - 79.86) / 70 = 2.431 below, against 18 and 1."""
    table, _ = layer_table(raw(), LAYERS, DepthFunction(lam=lam))
    assert table.soc_stock_kg_m2[:2].tolist() == pytest.approx([0.7986111, 1.7013889], rel=1e-6)
    expected = [1 - 7.9861111 / 18, 1 - 1 / 2.4305556, np.nan, 0.0, 0.0, np.nan]
    assert table.depth_fit_gap.tolist() == pytest.approx(expected, nan_ok=True, abs=1e-6)
    values, _ = harmonise(raw(), LAYERS, DepthFunction(lam=lam))
    assert values.depth_fit_gap.tolist() == pytest.approx(expected, nan_ok=True, abs=1e-6)
    said = "1 of 2 profiles: the curve departs more than 10 % from the mean of a horizon (most: 59 %, profile steep, 10-80 cm)"
    assert far_line(table).startswith(said)


@pytest.mark.parametrize(("method", "expected"), [("weighted", 0.0), ("beta", np.nan)])
def test_means_have_no_gap_and_beta_no_horizons(method: str, expected: float) -> None:
    table, _ = layer_table(raw().assign(bottom_cm=[10.0, 100.0, 30.0, 100.0]), [(0, 20)], DepthFunction(method=method))
    assert table.soc_stock_kg_m2.notna().all()
    assert table.depth_fit_gap.tolist() == pytest.approx([expected] * 2, nan_ok=True)
    assert far_line(table) == ""


def test_paper_mode_by_hand() -> None:
    """Two layers of 2 cm: their difference of 2 shrinks to 2 / (1 + 3 lam), so 3 and 1 become 2.5 and 1.5 with lam 1/3."""
    rows = raw().iloc[:2].assign(top_cm=[0.0, 2.0], bottom_cm=[2.0, 4.0], soc_g_kg=[3.0, 1.0])
    for lam, expected in ((0.0, [0.0, 0.0]), (1 / 3, [1 / 6, 1 / 3])):
        how = DepthFunction(mode="paper", lam=lam)
        for table in (layer_table(rows, [(0, 2), (2, 4)], how)[0], harmonise(rows, [(0, 2), (2, 4)], how)[0]):
            assert table.depth_fit_gap.tolist() == pytest.approx(expected, abs=1e-8)


def test_shares_of_the_larger_and_only_horizons_that_reach_in() -> None:
    assert departures(np.array([1.0, -3.0, 0.0, 5.0]), np.array([0.0, -2.0, 0.0, 4.0])).round(6).tolist() == [1.0, 0.333333, 0.0, 0.2]
    start, top, bottom = np.array([0, 2]), np.array([0.0, 10.0, 0.0]), np.array([10.0, 30.0, 10.0])
    found = largest_in_layers(start, top, bottom, np.array([0.1, 0.2, 0.3]), np.array([0.0, 0.0, 10.0]), np.array([10.0, 11.0, 30.0]))
    np.testing.assert_array_equal(found, [[0.1, 0.2, 0.2], [0.3, 0.3, np.nan]])
    assert largest_in_layers(np.zeros(0, dtype=np.int64), *[np.zeros(0)] * 3, np.array([0.0]), np.array([1.0])).shape == (0, 1)
