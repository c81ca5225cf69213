"""Statistics through time, periods and months."""

from __future__ import annotations

import warnings
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edaphic.covariates.spectra.periods import Period, read_months, read_period, shared_days
from edaphic.covariates.spectra.statistics import greenest, read_statistic, reduced
from edaphic.errors import RasterError

values = st.one_of(st.floats(-2, 2, width=32), st.just(np.nan))
cubes = arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4)), elements=values)


@settings(deadline=None)
@given(cube=cubes, percent=st.integers(0, 100))
def test_percentiles_are_numpys(cube, percent):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # cells without any value
        expected = np.nanpercentile(cube.astype(np.float64), percent, axis=0)
        mean = np.nanmean(cube.astype(np.float64), axis=0)
    np.testing.assert_allclose(reduced(cube, read_statistic(f"p{percent}")), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(reduced(cube, read_statistic("mean")), mean, rtol=1e-6, atol=1e-6)


@settings(deadline=None)
@given(cube=cubes, least=st.integers(1, 9))
def test_windows_and_least_count(cube, least):
    median = read_statistic("median")
    whole = reduced(cube, median, least)
    np.testing.assert_array_equal(np.isfinite(whole), np.isfinite(cube).sum(axis=0) >= least)
    for row in range(cube.shape[1]):
        np.testing.assert_array_equal(reduced(cube[:, row : row + 1], median, least)[0], whole[row])


def test_by_hand():
    cube = np.float32([[[1.0, 5.0]], [[np.nan, 2.0]], [[3.0, np.nan]], [[2.0, np.nan]]])
    names = ("median", "mean", "min", "max", "p25", "p90")
    assert [reduced(cube, read_statistic(name))[0, 0] for name in names] == pytest.approx([2.0, 2.0, 1.0, 3.0, 1.5, 2.8])
    assert [reduced(cube, read_statistic(name))[0, 1] for name in names] == pytest.approx([3.5, 3.5, 2.0, 5.0, 2.75, 4.7])


def test_greenest_observation():
    ndvi = np.float32([[[0.2, np.nan, 0.5]], [[0.7, np.nan, 0.5]]])
    best = greenest(ndvi)
    assert best.tolist() == [[1, -1, 0]]
    red = np.float32([[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]])
    np.testing.assert_array_equal(reduced(red, read_statistic("max_ndvi"), 1, best), np.float32([[4.0, np.nan, 3.0]]))


def test_means_are_summed_in_double_precision():
    cube = np.full((100_000, 1, 1), 0.1, dtype=np.float32)
    assert float(reduced(cube, read_statistic("mean"))[0, 0]) == np.float32(0.1)


@pytest.mark.parametrize("text", ["p101", "p-1", "mode", "percentile", ""])
def test_unknown_statistics(text):
    with pytest.raises(RasterError, match="expected median, mean"):
        read_statistic(text)


def test_periods():
    period = read_period("2000-2005")
    assert period.holds(date(2000, 1, 1)) and period.holds(date(2005, 12, 31)) and not period.holds(date(2006, 1, 1))
    assert read_period("2000-03-01/2000-05-31") == Period(date(2000, 3, 1), date(2000, 5, 31))
    assert not shared_days([read_period("2000-2004"), read_period("2005-2009")])
    assert len(shared_days([read_period(word) for word in ("1990-1995", "1985-1990", "1995-2000")])) == 2
    with pytest.raises(RasterError, match="expected the first day first"):
        read_period("2005-2000")
    for text in ("", "20", "2000-13-01/2001-01-01", "2000-2005-2010"):
        with pytest.raises(RasterError, match="expected years such as"):
            read_period(text)


def test_months():
    assert read_months("3") == (3,) and read_months("1-12") == tuple(range(1, 13))
    for text in ("0", "13", "may", "", "3-"):
        with pytest.raises(RasterError, match="expected numbers of 1 to 12"):
            read_months(text)


def test_every_pair_of_periods_that_share_days_is_told_once():
    """The long one shares with both of the others; the same one twice shares with nothing."""
    periods = [read_period(text) for text in ("2000-2009", "2001-2002", "2005-2006", "2001-2002")]
    found = shared_days(periods)
    assert [note.partition(" share ")[0] for note in found] == ["periods 2000-2009 and 2001-2002", "periods 2000-2009 and 2005-2006"]
    assert "share 2005-01-01 to 2006-12-31" in found[1] and not shared_days(periods[1:])
