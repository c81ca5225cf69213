"""Lines with errors in both variables: closed forms, simulations with a known line, intervals, and cases without a line."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.covariates.sensors import How, Line, apply, chain, fit, fit_bootstrap

METHODS = ("ma", "sma", "ols", "rma")


def cloud(n: int, slope: float, intercept: float, error_x: float, error_y: float, seed: int, spread: float = 0.1):
    """Truth on a line, each sensor with errors of its own."""
    random = np.random.default_rng(seed)
    truth = random.normal(0.25, spread, n)
    return truth + random.normal(0, error_x, n), intercept + slope * truth + random.normal(0, error_y, n)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("slope", "intercept"), [(2.0, 1.0), (0.5, -3.0), (-4.0, 0.0), (1.0, 0.0)])
def test_pairs_on_a_line_give_the_line(method, slope, intercept):
    x = np.arange(10.0)
    line = fit(x, slope * x + intercept, How(method))
    assert (line.slope, line.intercept) == pytest.approx((slope, intercept))
    assert (line.slope_low, line.slope_high) == pytest.approx((slope, slope), abs=1e-6)
    assert line.correlation == pytest.approx(math.copysign(1, slope)) and line.count == 10


def test_four_pairs_by_hand():
    """sxx = 16/3, syy = 8/3, sxy = 8/3: ols 1/2, sma 1/sqrt(2), ma (-1 + sqrt(5)) / 2."""
    x, y = [0, 0, 4, 4], [0, 2, 2, 4]
    wanted = {"ols": 0.5, "sma": math.sqrt(0.5), "ma": (math.sqrt(5) - 1) / 2, "rma": 1 * (4 / 4)}
    for method in ("ols", "sma", "ma"):
        assert fit(x, y, How(method)).slope == pytest.approx(wanted[method])
    # Ranges 4 and 4: as the major axis. Relative to the largest value, 4 and 4: the same again.
    assert fit(x, y, How("rma")).slope == pytest.approx(wanted["ma"])
    assert fit(x, [0, 4, 4, 8], How("rma")).slope == pytest.approx(2 * wanted["ma"])


def test_the_major_axis_finds_the_line_where_least_squares_is_flat():
    """Errors of a third of the spread in both: least squares is flat by 1 / (1 + 1/9) = 0.9."""
    ols, ma = [], []
    for seed in range(200):
        x, y = cloud(500, 1.2, 0.03, 0.1 / 3, 0.1 / 3, seed)
        ols.append(fit(x, y, How("ols")).slope)
        ma.append(fit(x, y))
    assert np.mean(ols) == pytest.approx(1.08, abs=0.01)
    assert np.mean([line.slope for line in ma]) == pytest.approx(1.2, abs=0.01)
    assert np.mean([line.intercept for line in ma]) == pytest.approx(0.03, abs=0.003)


def test_a_known_ratio_of_errors_finds_the_line_where_the_major_axis_does_not():
    x, y = zip(*(cloud(20_000, 1.2, 0.03, 0.02, 0.06, seed) for seed in range(5)), strict=True)
    plain = np.mean([fit(a, b).slope for a, b in zip(x, y, strict=True)])
    right = np.mean([fit(a, b, How(error_ratio=9.0)).slope for a, b in zip(x, y, strict=True)])
    assert right == pytest.approx(1.2, abs=0.006)
    assert abs(plain - 1.2) > 0.1


def test_a_huge_ratio_is_least_squares_and_a_tiny_one_its_converse():
    x, y = cloud(400, 0.8, 0.0, 0.03, 0.03, 1)
    assert fit(x, y, How(error_ratio=1e12)).slope == pytest.approx(fit(x, y, How("ols")).slope, rel=1e-6)
    assert fit(x, y, How(error_ratio=1e-12)).slope == pytest.approx(1 / fit(y, x, How("ols")).slope, rel=1e-6)


@pytest.mark.parametrize("method", ["ma", "sma", "rma"])
def test_the_other_way_round_is_the_inverse(method):
    x, y = cloud(300, 1.4, -0.1, 0.03, 0.03, 2)
    there, back = fit(x, y, How(method)), fit(y, x, How(method))
    turned = there.inverse()
    for name in ("slope", "intercept", "slope_low", "slope_high", "intercept_low", "intercept_high", "correlation"):
        assert getattr(turned, name) == pytest.approx(getattr(back, name), rel=1e-9), name


def test_the_ratio_of_errors_turns_round_with_the_axes():
    x, y = cloud(300, 1.4, -0.1, 0.03, 0.05, 2)
    there = fit(x, y, How(error_ratio=4.0))
    assert 1 / there.slope == pytest.approx(fit(y, x, How(error_ratio=0.25)).slope)


def test_limits_cover_the_line():
    """95 % limits of independent normal pairs: 200 trials, standard error 1.5 %."""
    hits = {"parametric": 0, "bootstrap": 0}
    for seed in range(200):
        x, y = cloud(60, 1.2, 0.03, 0.03, 0.03, seed)
        for kind, line in (("parametric", fit(x, y)), ("bootstrap", fit_bootstrap(x, y, samples=300, seed=seed))):
            hits[kind] += line.slope_low <= 1.2 <= line.slope_high
    assert 0.905 < hits["parametric"] / 200 < 0.99
    assert 0.88 < hits["bootstrap"] / 200 < 0.99


def grouped(seed: int, dates: int = 30, pixels: int = 40):
    """Each date moves all its pixels: haze on one sensor of the pair."""
    random = np.random.default_rng(seed)
    date = np.repeat(np.arange(dates), pixels)
    truth = random.normal(0.25, 0.04, dates)[date] + random.normal(0, 0.03, dates * pixels)
    haze_x, haze_y = random.normal(0, 0.02, (2, dates))
    return truth + haze_x[date], 1.1 * truth + haze_y[date], date


def test_groups_are_drawn_and_cover_where_single_pairs_do_not():
    hits = {"groups": 0, "pairs": 0}
    for seed in range(100):
        x, y, date = grouped(seed)
        for kind, groups in (("groups", date), ("pairs", None)):
            line = fit_bootstrap(x, y, groups=groups, samples=200, seed=seed)
            hits[kind] += line.slope_low <= 1.1 <= line.slope_high
    assert hits["groups"] / 100 > 0.85
    assert hits["pairs"] / 100 < 0.6


def test_the_seed_decides_and_labels_do_not():
    x, y, date = grouped(1)
    one = fit_bootstrap(x, y, groups=date, samples=100, seed=5)
    same = fit_bootstrap(x, y, groups=np.char.add("d", date.astype(str).astype("<U3")), samples=100, seed=5)
    assert one == fit_bootstrap(x, y, groups=date, samples=100, seed=5)
    assert one != fit_bootstrap(x, y, groups=date, samples=100, seed=6)
    assert same.slope == one.slope and same.slope_high == pytest.approx(one.slope_high, rel=0.2)
    assert np.array_equal(fit_bootstrap(x, y, groups=date, samples=300, seed=5).draws[:100], one.draws)


@pytest.mark.parametrize("method", METHODS)
def test_bootstrap_samples_are_fits_of_samples(method):
    """The sums of groups give what a fit to the drawn pairs gives."""
    x, y, date = grouped(3, dates=12, pixels=5)
    line = fit_bootstrap(x, y, How(method), groups=date, samples=4, seed=9)
    random = np.random.default_rng(9)
    for slope, intercept in line.draws:
        drawn = np.concatenate([np.flatnonzero(date == one) for one in random.integers(12, size=12)])
        by_hand = fit(x[drawn], y[drawn], How(method))
        assert (slope, intercept) == pytest.approx((by_hand.slope, by_hand.intercept), rel=1e-8)


def test_percentiles_go_round_the_vertical():
    """A cloud that is nearly upright: its slopes are +1000 and -1000, neighbours that no percentile of slopes understands."""
    random = np.random.default_rng(0)
    y = random.normal(0, 1, 200)
    line = fit_bootstrap(random.normal(0, 0.3, 200) + 1e-4 * y, y, samples=200)
    assert math.isnan(line.slope_low) and "vertical" in line.reason and math.isfinite(line.slope)
    assert np.sign(line.draws[:, 0]).min() < 0 < np.sign(line.draws[:, 0]).max()


def test_an_inverted_bootstrap_is_the_bootstrap_inverted():
    x, y, date = grouped(4)
    there, back = fit_bootstrap(x, y, groups=date, samples=200), fit_bootstrap(y, x, groups=date, samples=200)
    turned = there.inverse()
    for name in ("slope", "slope_low", "slope_high", "intercept_low", "intercept_high"):
        assert getattr(turned, name) == pytest.approx(getattr(back, name), rel=1e-6), name


def test_lines_one_after_the_other():
    """TM to ETM+ to OLI, fitted in pairs, against the fit of the ends; the limits hold the truth."""
    random = np.random.default_rng(6)
    truth = random.normal(0.25, 0.1, 3000)
    tm, etm, oli = (a + b * truth + random.normal(0, 0.01, 3000) for a, b in ((0.0, 1.0), (0.02, 0.9), (-0.01, 1.1)))
    first, second = (fit_bootstrap(x, y, samples=200, seed=k) for k, (x, y) in enumerate(((tm, etm), (etm, oli))))
    both = chain(first, second)
    values = np.array([0.1, 0.5])
    stepwise = apply(apply(values, first.slope, first.intercept), second.slope, second.intercept)
    assert apply(values, both.slope, both.intercept) == pytest.approx(stepwise)
    assert both.slope == pytest.approx(fit(tm, oli).slope, rel=0.01)
    assert both.slope_low < 1.1 < both.slope_high and both.intercept_low < -0.01 < both.intercept_high
    assert (both.slope_high - both.slope_low) > max(one.slope_high - one.slope_low for one in (first, second))
    assert "bootstrap samples of both" in chain(fit(tm, etm), second).reason


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([], [], "0 pairs; expected 3"),
        ([1.0], [1.0], "1 pair; expected 3"),
        ([1.0, 2.0], [1.0, 2.0], "2 pairs; expected 3"),
        ([1.0, 2.0, np.nan, 4.0], [1.0, np.inf, 3.0, 4.0], "2 pairs; expected 3"),
        ([np.nan] * 5, [np.nan] * 5, "0 pairs"),
        ([0.1] * 7, [1.0, 2, 3, 4, 5, 6, 7], "no variance in x: all 7 pairs have 0.1"),
        ([1.0, 2, 3], [255.0] * 3, "no variance in y: all 3 pairs have 255"),
        ([0.0, 0, 1, -1], [3.0, -3, 0, 0], "the axis is vertical"),
        ([0.0, 0, 1, -1], [1.0, -1, 0, 0], "no direction"),
        ([1e200, 2e200, -3e200], [1.0, 2, 3], "too large"),
    ],
)
def test_no_line_has_a_reason(x, y, reason):
    for line in (fit(x, y), fit_bootstrap(x, y, samples=10)):
        assert math.isnan(line.slope) and math.isnan(line.intercept) and math.isnan(line.slope_low)
        assert reason in line.reason


def test_no_sign_no_standard_major_axis():
    assert "sign" in fit([0, 0, 1, -1], [1, -1, 0, 0], How("sma")).reason


def test_a_level_line_cannot_be_inverted():
    level = fit([0, 1, 2, 1], [0, 3, 0, -3], How("ols"))
    assert level.slope == 0.0 and "level" in level.inverse().reason and math.isnan(level.inverse().slope)


def test_a_negative_slope_is_told():
    assert "same bands" in fit(np.arange(9.0), -np.arange(9.0)).notes[0]


def test_few_groups_are_told():
    x, y, date = grouped(5, dates=4)
    assert any("4 groups" in note for note in fit_bootstrap(x, y, groups=date, samples=20).notes)


def test_clipping_finds_the_line_under_clouds():
    x, y = cloud(1000, 1.1, 0.01, 0.005, 0.005, 7)
    cloudy = np.arange(1000) % 12 == 0
    y = np.where(cloudy, y + 0.5, y)
    plain, clipped = fit(x, y), fit(x, y, How(clip=3.5))
    assert abs(plain.slope - 1.1) > 0.1
    assert clipped.slope == pytest.approx(1.1, abs=0.01) and clipped.intercept == pytest.approx(0.01, abs=0.003)
    assert cloudy.sum() <= clipped.dropped <= cloudy.sum() + 10 and clipped.count == 1000 - clipped.dropped
    assert "were left out" in clipped.notes[0]


def test_clipping_leaves_exact_pairs_alone():
    x = np.arange(20.0)
    line = fit(x, 2 * x, How(clip=3))
    assert line.count == 20 and line.slope == 2.0


def test_large_numbers_keep_their_digits():
    x, y = cloud(500, 1.2, 0.0, 0.02, 0.02, 8)
    assert fit(x + 1e6, y - 1e6).slope == pytest.approx(fit(x, y).slope, rel=1e-7)


def test_whole_numbers_of_a_small_type_do_not_overflow():
    x = np.array([30000, 31000, 32000, 32767], dtype=np.int16)
    assert fit(x, x).slope == pytest.approx(1.0)
    assert apply(x, 3.0, 10.0).tolist() == [90010.0, 93010.0, 96010.0, 98311.0]


@given(
    slope=st.floats(0.01, 100).flatmap(lambda v: st.sampled_from([v, -v])),
    intercept=st.floats(-100, 100),
    values=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20),
)
@settings(deadline=None, max_examples=100)
def test_forward_and_back(slope, intercept, values):
    there = apply(values, slope, intercept)
    back = Line("x", slope, intercept).inverse()
    assert apply(there, slope, intercept, inverse=True) == pytest.approx(np.array(values), abs=1e-6)
    assert apply(there, back.slope, back.intercept) == pytest.approx(np.array(values), abs=1e-6)


@given(scale=st.floats(0.001, 1000), shift=st.floats(-10, 10), seed=st.integers(0, 50))
@settings(deadline=None, max_examples=60)
def test_units_of_both_move_the_line_with_them(scale, shift, seed):
    x, y = cloud(40, 0.9, 0.1, 0.03, 0.03, seed)
    line, moved = fit(x, y), fit(scale * x + shift, scale * y + shift)
    assert moved.slope == pytest.approx(line.slope, rel=1e-6)
    assert moved.slope_low == pytest.approx(line.slope_low, rel=1e-5)


@given(scale=st.floats(0.001, 1000), seed=st.integers(0, 50))
@settings(deadline=None, max_examples=60)
def test_the_standard_and_ranged_axes_know_no_units(scale, seed):
    x, y = cloud(40, 0.9, 0.1, 0.03, 0.03, seed)
    for method in ("sma", "rma"):
        assert fit(x, scale * y, How(method)).slope == pytest.approx(scale * fit(x, y, How(method)).slope, rel=1e-8)
    assert fit(x, scale * y, How(error_ratio=scale**2)).slope == pytest.approx(scale * fit(x, y).slope, rel=1e-6)


@pytest.mark.parametrize(
    "choice",
    [
        {"method": "tls"},
        {"error_ratio": 0.0},
        {"error_ratio": -1.0},
        {"error_ratio": 2.0, "method": "sma"},
        {"confidence": 1.0},
        {"clip": 0.0},
    ],
)
def test_choices_that_cannot_be(choice):
    with pytest.raises(ValueError, match="expected"):
        How(**choice)


def test_calls_that_cannot_be():
    with pytest.raises(ValueError, match="one length"):
        fit([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="a label for each"):
        fit_bootstrap([1, 2, 3], [1, 2, 3], groups=[1])
    with pytest.raises(ValueError, match="at least 1"):
        fit_bootstrap([1, 2, 3], [1, 2, 3], samples=0)
    for slope, inverse in ((math.nan, False), (0.0, True)):
        with pytest.raises(ValueError):
            apply([1.0], slope, 0.0, inverse=inverse)
