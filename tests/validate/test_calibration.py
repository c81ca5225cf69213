import numpy as np
import pandas as pd
import pytest

from edaphic.validate.calibration import (
    adjust,
    adjustment,
    coverage_row,
    cross_calibrate,
    deciles,
    fit_adjustments,
)

LEVELS = (0.05, 0.95)


def made(n=4000, seed=1, width=0.5, log=False):
    """Observations N(0, 1) around known medians, with raw limits that are too narrow."""
    rng = np.random.default_rng(seed)
    middle = rng.normal(3, 1, n)
    observed = middle + rng.normal(size=n)
    low, high = middle - width, middle + width
    if log:
        observed, middle, low, high = (np.exp(v) for v in (observed, middle, low, high))
    top = np.where(np.arange(n) % 2, 0.0, 30.0)
    return pd.DataFrame(
        {
            "top_cm": top, "bottom_cm": top + 30, "fold": rng.integers(0, 5, n),
            "observed": observed, "q05_raw": low, "q50": middle, "q95_raw": high,
        }
    )  # fmt: skip


def test_adjustment_by_counting():
    beyond = np.arange(1.0, 20.0)
    assert adjustment(beyond, 0.05) == 19.0  # k = ceil(20 * 0.95) = 19
    assert adjustment(beyond, 0.5) == 10.0
    assert adjustment(beyond[:3], 0.05) == 3.0  # more is asked than three can say: the largest


@pytest.mark.parametrize("log", [False, True])
def test_intervals_that_are_too_narrow_are_widened_to_nominal_on_both_tails(log):
    table = cross_calibrate(made(log=log), LEVELS, log=log)
    row = coverage_row(table, "all", 0.9)
    assert row["coverage_raw"] < 0.45
    assert 0.88 <= row["coverage"] <= 0.92
    assert 0.035 <= row["below"] <= 0.065 and 0.035 <= row["above"] <= 0.065


def test_intervals_that_are_too_wide_are_narrowed():
    table = cross_calibrate(made(width=4.0), LEVELS, log=False)
    assert coverage_row(table, "all", 0.9)["coverage_raw"] > 0.99
    assert 0.88 <= coverage_row(table, "all", 0.9)["coverage"] <= 0.92


def test_the_own_fold_never_calibrates_itself():
    table = made(n=400)
    first = cross_calibrate(table, LEVELS, log=False)
    changed = table.copy()
    own = (table["fold"] == 2).to_numpy()
    changed.loc[own, "observed"] += 1000.0
    second = cross_calibrate(changed, LEVELS, log=False)
    np.testing.assert_array_equal(first.loc[own, "q95"], second.loc[own, "q95"])
    assert (second.loc[~own, "q95"] != first.loc[~own, "q95"]).any()


def test_few_observations_take_the_adjustment_of_all():
    table = made(n=300)
    table.loc[:9, "top_cm"], table.loc[:9, "bottom_cm"] = 60.0, 100.0
    fitted = fit_adjustments(table, LEVELS, log=False).set_index("top_cm")
    assert fitted.at[60.0, "pooled"] and not fitted.at[0.0, "pooled"]
    size = table.groupby("top_cm")["q50"].transform("mean")
    share = ((table["observed"] - table["q95_raw"]) / size).to_numpy()
    assert fitted.at[60.0, "upper"] == pytest.approx(adjustment(share, 0.05) * size[0])


def test_limits_do_not_cross_the_median_nor_zero():
    low, high = adjust(np.array([1.0, 0.2]), np.array([2.0, 0.3]), np.array([3.0, 0.4]), -5.0, -5.0, log=False)
    np.testing.assert_array_equal(low, [2.0, 0.3])
    np.testing.assert_array_equal(high, [2.0, 0.3])
    assert adjust(np.array([1.0]), np.array([2.0]), np.array([3.0]), 5.0, 0.0, log=False)[0][0] == 0.0


def test_deciles_hold_a_tenth_each():
    assert np.bincount(deciles(np.random.default_rng(1).random(1000)))[1:].tolist() == [100] * 10
