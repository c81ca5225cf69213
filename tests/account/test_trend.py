"""Trend by cell: closed forms, properties, false discoveries, maps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from scipy.stats import false_discovery_control, kendalltau, theilslopes

from edaphic.account.change.discovery import FalseDiscovery, adjust
from edaphic.account.change.trend import DESCRIPTIVE, INDEPENDENT, TREND_COLUMNS, trend, trend_maps
from edaphic.account.change.trend_kernel import exact_p
from edaphic.account.totals import ClassLayer
from edaphic.covariates.grid import Window
from edaphic.errors import ModelError, RasterError

Readers = Callable[[np.ndarray], Callable[[Window], np.ndarray]]
Grids = Callable[[int, int], GeoBox]

FIELDS = ("slope", "slope_low", "slope_high", "s", "variance", "z", "tau", "p")


def test_a_line_over_unequal_years() -> None:
    years = np.array([1985.0, 1990.0, 2000.0, 2001.0, 2020.0])
    found = trend(5.0 + 0.02 * years, years)
    assert float(found.slope) == pytest.approx(0.02)
    assert (float(found.s), float(found.tau)) == (10.0, pytest.approx(1.0))


def test_by_hand_with_ties_and_a_gap() -> None:
    # 1, 2, 2, 4 at years 0, 1, 3, 4: slopes 1, 1/3, 3/4, 0, 2/3, 2; their median is (2/3 + 3/4) / 2
    found = trend([1.0, 2.0, np.nan, 2.0, 4.0], [0, 1, 2, 3, 4])
    assert int(found.count) == 4
    assert float(found.slope) == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert float(found.s) == 5.0
    assert float(found.variance) == pytest.approx((4 * 3 * 13 - 2 * 1 * 9) / 18)
    assert float(found.tau) == pytest.approx(5 / np.sqrt(5 * 6))
    assert float(found.z) == pytest.approx(4 / np.sqrt(138 / 18))


def test_equal_values_have_no_trend_and_p_one() -> None:
    found = trend(np.full(6, 3.0), np.arange(6))
    assert (float(found.slope), float(found.s), float(found.z), float(found.p)) == (0.0, 0.0, 0.0, 1.0)
    assert np.isnan(found.tau)


def test_fewer_than_four_values_give_a_count_only() -> None:
    values = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, np.nan], [np.nan, np.nan], [np.inf, 1.0]])
    found = trend(values, np.arange(5))
    assert found.count.tolist() == [3, 1]
    assert all(np.isnan(getattr(found, name)).all() for name in FIELDS)


def test_a_short_series_has_no_limits_of_its_slope() -> None:
    found = trend([1.0, 3.0, 2.0, 4.0], np.arange(4), level=0.99)
    assert np.isfinite(found.slope)
    assert np.isnan(found.slope_low)
    assert np.isnan(found.slope_high)


def test_slope_and_tau_as_in_scipy() -> None:
    rng = np.random.default_rng(5)
    times = np.sort(rng.uniform(1950, 2020, 25))
    values = rng.normal(size=25) + 0.02 * times
    found, tau = trend(values, times), kendalltau(values, times)
    slope = theilslopes(values, times, alpha=0.95, method="joint")
    assert float(found.slope) == pytest.approx(slope.slope, rel=1e-12)
    assert float(found.tau) == pytest.approx(tau.statistic, rel=1e-12)


def test_exact_p_by_counting_all_orders() -> None:
    steps = np.array([sum((a < b) - (a > b) for i, a in enumerate(order) for b in order[i + 1 :]) for order in permutations(range(6))])
    for s in range(16):
        assert exact_p()[6, s] == pytest.approx((np.abs(steps) >= s).mean())


def test_exact_p_is_that_of_scipy_and_named() -> None:
    values = np.array([3.1, 2.0, 4.5, 5.5, 4.0, 6.0, 7.5])
    found = trend(values, np.arange(7), p_values="exact")
    assert bool(found.exact)
    assert float(found.p) == pytest.approx(kendalltau(values, np.arange(7), method="exact").pvalue, rel=1e-12)
    assert not bool(trend(values, np.arange(7)).exact)


def test_exact_p_only_without_ties_and_up_to_ten_values() -> None:
    tied, long = np.array([1.0, 2.0, 2.0, 3.0, 5.0]), np.arange(11.0)
    for values in (tied, long):
        found = trend(values, np.arange(values.size), p_values="exact")
        assert not bool(found.exact)
        assert float(found.p) == float(trend(values, np.arange(values.size)).p)


series = st.lists(st.one_of(st.integers(-5, 5).map(float), st.floats(-1e3, 1e3), st.just(np.nan)), min_size=4, max_size=14)


@settings(max_examples=80, deadline=None)
@given(series, st.integers(-1000, 1000))
def test_time_turned_round_negates_and_a_constant_does_nothing(values: list[float], constant: int) -> None:
    x = np.round(np.array(values), 3)
    times = np.cumsum(np.arange(len(x)) % 3 + 1.0)
    found, back = trend(x, times), trend(x[::-1], -times[::-1])
    for name in ("slope", "s", "z", "tau"):
        assert np.array_equal(getattr(found, name), -getattr(back, name), equal_nan=True)
    assert np.array_equal(found.p, back.p, equal_nan=True)
    whole = np.round(x)
    one, moved = trend(whole, times), trend(whole + constant, times)
    for name in FIELDS:
        assert np.array_equal(getattr(one, name), getattr(moved, name), equal_nan=True)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(1, 5))
def test_adjusted_p_values_as_in_scipy_however_they_come(p: list[float], parts: int) -> None:
    values = np.round(np.array(p), 2)
    for control, short in (("benjamini-hochberg", "bh"), ("benjamini-yekutieli", "by")):
        found = FalseDiscovery(control)
        for part in np.array_split(values, parts):
            found.add(part)
        assert found.tests == values.size
        np.testing.assert_allclose(found.adjusted(values), false_discovery_control(values, method=short), rtol=1e-12)


def test_false_discoveries_stay_below_the_rate() -> None:
    rng = np.random.default_rng(1)
    rates = []
    for _ in range(60):
        values = rng.normal(size=(12, 400))
        values[:, :100] += 0.5 * np.arange(12)[:, None]
        shown = adjust(trend(values, np.arange(12)).p) <= 0.1
        rates.append(shown[100:].sum() / max(shown.sum(), 1))
        assert shown[:100].mean() > 0.9
    assert np.mean(rates) < 0.1


def stack(rng: np.random.Generator) -> np.ndarray:
    values = rng.normal(10, 1, size=(6, 7, 9)).astype(np.float32)
    values[:, :2] += 3 * np.arange(6)[:, None, None]
    values[:, 6] = np.nan
    values[2:, 5] = np.nan
    return values


def test_maps_do_not_depend_on_windows_and_say_that_they_describe(plain: Grids, reader: Readers) -> None:
    values = stack(np.random.default_rng(3))
    grid, years = plain(7, 9), [1985.0, 1990.0, 1995.0, 2000.0, 2005.0, 2010.0]
    classes = [ClassLayer("zone", reader(np.repeat([1.0, 1.0, 2.0, 2.0, 2.0, 2.0, np.nan], 9).reshape(7, 9)), {1: "north"})]
    tables, maps = [], []
    for size in (3, 512):
        out = {name: np.full((7, 9), np.nan) for name in ("count", "slope", "p", "p_adjusted")}

        def write(window: Window, found: dict[str, np.ndarray], out: dict[str, np.ndarray] = out) -> None:
            for name in out:
                out[name][window.slices] = found[name]

        tables.append(trend_maps([reader(one) for one in values], years, grid, write, classes, window_size=size))
        maps.append(out)
    assert tables[0].equals(tables[1])
    for name in maps[0]:
        np.testing.assert_array_equal(maps[0][name], maps[1][name])
    whole = trend(values, years)
    np.testing.assert_array_equal(maps[0]["slope"], whole.slope)
    np.testing.assert_allclose(maps[0]["p_adjusted"], adjust(whole.p), rtol=1e-12)
    table = tables[0].set_index("class_name")
    assert list(tables[0].columns) == list(TREND_COLUMNS)
    assert table.loc["all", "cells"] == 45
    assert table.loc["all", "too_few_values"] == 9
    assert table.loc["all", "area_km2"] == pytest.approx(45, rel=0.01)
    assert table.loc["north", "shown_rising_share"] == pytest.approx(1.0)
    assert table.loc["north", "mean_slope_kg_m2_per_year"] == pytest.approx(0.6, abs=0.1)
    assert (table["note"] == DESCRIPTIVE).all()
    assert "unclassified" in table.index


def test_maps_of_independent_surveys_say_so(plain: Grids, reader: Readers) -> None:
    values = stack(np.random.default_rng(3))
    table = trend_maps([reader(one) for one in values], range(6), plain(7, 9), one_model=False, control="benjamini-yekutieli")
    assert table["note"].tolist() == [INDEPENDENT]
    assert table["control"].tolist() == ["benjamini-yekutieli"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"times": [1, 2, 3, 3]}, "trend: times 1, 2, 3, 3; expected numbers that rise"),
        ({"times": [1, 2, 3]}, "values of shape (4,) for 3 times"),
        ({"level": 1.0}, "level 1; expected a share between 0 and 1"),
        ({"p_values": "guess"}, "p_values: found 'guess'; expected one of normal, exact"),
    ],
)
def test_faults_of_series(options: dict[str, object], words: str) -> None:
    told = {"values": [1.0, 2.0, 3.0, 4.0], "times": [1, 2, 3, 4]} | options
    with pytest.raises(ModelError) as fault:
        trend(told.pop("values"), told.pop("times"), **told)  # type: ignore[arg-type]
    assert len(fault.value.faults) == 1
    assert words in fault.value.faults[0]


def test_faults_of_maps_come_together(plain: Grids, reader: Readers) -> None:
    one = reader(np.zeros((2, 2)))
    with pytest.raises(ModelError, match="3 periods; expected 4 or more"):
        trend_maps([one] * 3, [1, 2, 3], plain(2, 2))
    with pytest.raises(ModelError) as fault:
        trend_maps([one] * 5, [1, 2, 4, 3], plain(2, 2), false_discovery=0.0)
    assert len(fault.value.faults) == 3
    with pytest.raises(RasterError, match="trend, map 1"):
        trend_maps([reader(np.zeros((1, 2)))] * 4, [1, 2, 3, 4], plain(2, 2))


def test_faults_of_p_values() -> None:
    with pytest.raises(ModelError, match="found 'bonferroni'"):
        adjust([0.1], "bonferroni")
    with pytest.raises(ModelError, match=r"from -0.1 to 2; expected 0 to 1"):
        adjust([-0.1, 2.0])
    with pytest.raises(ModelError, match="expected the same tests twice"):
        FalseDiscovery().adjusted([0.5])
    assert np.isnan(adjust([np.nan])).all()
