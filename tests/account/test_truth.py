"""Maps beside a known truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from scipy.stats import norm

from edaphic.account import TRUTH_COLUMNS, against_truth, stock_table
from edaphic.covariates.grid import Window
from edaphic.errors import RasterError

Make = Callable[..., GeoBox]
Save = Callable[..., dict[str, Path]]
Read = Callable[[np.ndarray], Callable[[Window], np.ndarray]]


def test_a_perfect_map(plain: Make, save_layer: Save, reader: Read) -> None:
    grid, values = plain(2, 3), np.arange(1.0, 7.0).reshape(2, 3)
    row = against_truth(save_layer(grid, values), grid, reader(values), (0, 30))
    assert list(row) == list(TRUTH_COLUMNS)
    assert (row["bias"], row["rmse"], row["mec"], row["cells"]) == (0.0, 0.0, 1.0, 6)
    assert (row["coverage"], row["below"], row["above"]) == (1.0, 0.0, 0.0)
    assert row["true_total_Tg"] == row["total_Tg"] == pytest.approx(0.021, rel=1e-6)
    assert row["inside_independent"] is True and row["inside_fully_correlated"] is True


def test_errors_in_the_head(plain: Make, save_layer: Save, reader: Read) -> None:
    """Truth 1 2 3 4, map 2 3 4 5 with limits half a unit away: every truth lies below, every bound above."""
    grid, truth = plain(1, 4), np.array([[1.0, 2.0, 3.0, 4.0]])
    row = against_truth(save_layer(grid, truth + 1.0), grid, reader(truth), (0, 30))
    assert (row["bias"], row["rmse"]) == (1.0, 1.0)
    assert row["mec"] == pytest.approx(1.0 - 4.0 / 5.0)
    assert (row["coverage"], row["below"], row["above"]) == (0.0, 1.0, 0.0)
    assert row["true_total_Tg"] == pytest.approx(0.010, rel=1e-6)
    assert row["total_Tg"] == pytest.approx(0.014, rel=1e-6)
    assert row["inside_independent"] is False and row["inside_fully_correlated"] is False


def test_shares_below_within_and_above(plain: Make, save_layer: Save, reader: Read) -> None:
    grid, mean = plain(1, 5), np.full((1, 5), 10.0)
    truth = np.array([[9.0, 9.5, 10.0, 10.5, 12.0]])  # a truth at a limit lies within
    row = against_truth(save_layer(grid, mean), grid, reader(truth), (0, 30))
    assert (row["coverage"], row["below"], row["above"]) == (0.6, 0.2, 0.2)


def test_the_two_bounds_part(plain: Make, save_layer: Save, reader: Read) -> None:
    """All of 100 cells are 0.2 too low: the fully correlated bound is 0.5 a cell away, the independent one 0.05."""
    grid, mean = plain(10, 10), np.full((10, 10), 10.0)
    row = against_truth(save_layer(grid, mean), grid, reader(mean + 0.2), (0, 30))
    assert row["inside_fully_correlated"] is True
    assert row["inside_independent"] is False
    assert np.isnan(float(str(row["mec"])))  # a constant truth has no variance to explain


def test_rounding_to_float32_puts_no_truth_outside(plain: Make, save_layer: Save) -> None:
    """Limits equal to the truth, as float32 stores them, hold it although the truth has more digits."""
    grid = plain(20, 20)
    truth = np.random.default_rng(1).gamma(2.0, 3.0, (20, 20))
    row = against_truth(save_layer(grid, truth, truth, truth), grid, lambda window: truth, (0, 30))
    assert row["coverage"] == 1.0


def test_only_cells_with_both_count(plain: Make, save_layer: Save, reader: Read) -> None:
    grid = plain(1, 4)
    mean = np.array([[1.0, 2.0, np.nan, 4.0]])
    row = against_truth(save_layer(grid, mean), grid, reader(np.array([[np.nan, 2.0, 3.0, 5.0]])), (0, 30))
    assert row["cells"] == 2
    assert (row["bias"], row["coverage"], row["above"]) == (-0.5, 0.5, 0.5)
    assert row["total_Tg"] == pytest.approx(0.006, rel=1e-6)
    assert row["true_total_Tg"] == pytest.approx(0.007, rel=1e-6)


def test_calibrated_intervals_cover_their_share(plain: Make, save_layer: Save, reader: Read) -> None:
    rng = np.random.default_rng(11)
    grid, z = plain(100, 100), norm.ppf(0.95)
    mean = rng.uniform(10.0, 20.0, (100, 100))
    truth = mean + rng.normal(size=mean.shape)
    row = against_truth(save_layer(grid, mean, mean - z, mean + z), grid, reader(truth), (0, 30))
    assert row["coverage"] == pytest.approx(0.90, abs=0.01)  # three standard errors
    assert row["rmse"] == pytest.approx(1.0, abs=0.025)
    assert row["inside_independent"] is True  # errors are independent here, so that the narrow bound is the right one


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 999), size=st.integers(5, 40))
def test_windows_do_not_change_the_row_and_bounds_are_those_of_the_stocks(
    plain: Make, save_layer: Save, reader: Read, seed: int, size: int
) -> None:
    rng = np.random.default_rng(seed)
    grid, mean = plain(23, 31), rng.gamma(2.0, 4.0, (23, 31))
    mean[rng.random(mean.shape) < 0.2] = np.nan
    truth = np.abs(np.nan_to_num(mean) + rng.normal(size=mean.shape))
    maps = save_layer(grid, mean, 0.5 * mean, 1.5 * mean)
    whole = against_truth(maps, grid, reader(truth), (0, 30))
    cut = against_truth(maps, grid, reader(truth), (0, 30), window_size=size)
    assert {key: float(str(value)) for key, value in cut.items() if not isinstance(value, bool)} == pytest.approx(
        {key: float(str(value)) for key, value in whole.items() if not isinstance(value, bool)}, rel=1e-9
    )
    assert float(str(whole["coverage"])) + float(str(whole["below"])) + float(str(whole["above"])) == pytest.approx(1.0)
    stocks = stock_table(grid, {(0, 30): maps}).iloc[0]
    for column in ("total_Tg", "independent_low_Tg", "fully_correlated_high_Tg"):
        assert whole[column] == pytest.approx(stocks[column], rel=1e-12)


def test_nothing_in_common_gives_a_row_of_nan(plain: Make, save_layer: Save, reader: Read) -> None:
    grid = plain(1, 2)
    row = against_truth(save_layer(grid, np.ones((1, 2))), grid, reader(np.full((1, 2), np.nan)), (0, 30))
    assert row["cells"] == 0
    assert np.isnan(np.array([row[key] for key in ("bias", "rmse", "mec", "coverage", "below", "above")], float)).all()


def test_faults(plain: Make, save_layer: Save, reader: Read) -> None:
    grid = plain(2, 2)
    maps = save_layer(grid, np.ones((2, 2)))
    with pytest.raises(RasterError, match=r"truth: \(1, 1\) cells for a window of \(2, 2\)"):
        against_truth(maps, grid, lambda window: np.ones((1, 1)), (0, 30))
    with pytest.raises(RasterError, match="no 'q95'"):
        against_truth({"mean": maps["mean"], "q05": maps["q05"]}, grid, reader(np.ones((2, 2))), (0, 30))
