import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from edaphic.errors import ModelError
from edaphic.validate.probabilistic import (
    CURVE,
    crps_ensemble,
    crps_quantiles,
    curve_levels,
    interval_score,
    interval_scores,
    pinball,
)
from edaphic.validate.reliability import curve_table, g_statistic, pit, pit_histogram, share_interval

FINE = np.arange(1, 200) / 200
FINITE = st.floats(-100, 100).map(lambda v: round(v, 3))


def gauss_crps(y, mean, sd):
    """Closed form of the CRPS of a normal distribution (Gneiting and others 2005)."""
    z = (y - mean) / sd
    return float(np.mean(sd * (z * (2 * ndtr(z) - 1) + 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi))))


def gauss(n=20_000, seed=1, sd_said=1.0, shift=0.0, levels=FINE):
    """Observations of N(m, s), and the quantiles of N(m + shift, sd_said s)."""
    rng = np.random.default_rng(seed)
    mean, sd = rng.normal(10, 3, n), rng.uniform(0.5, 2, n)
    return rng.normal(mean, sd), mean[:, None] + sd[:, None] * (shift + sd_said * ndtri(levels)), mean, sd


def test_pinball_of_the_median_is_half_the_absolute_error():
    o = np.array([1.0, 4.0, -2.0])
    assert pinball(o, np.zeros(3), 0.5)[0] == pytest.approx(np.mean(np.abs(o)) / 2)
    np.testing.assert_array_equal(pinball(o, np.column_stack([o, o]), [0.1, 0.9]), 0.0)


def test_the_true_quantile_has_the_least_pinball_loss():
    o = np.random.default_rng(1).normal(size=100_000)
    for tau in (0.05, 0.5, 0.9):
        tried = ndtri(tau) + np.linspace(-0.5, 0.5, 11)
        loss = [pinball(o, np.full(len(o), q), tau)[0] for q in tried]
        assert np.argmin(loss) == 5


def test_interval_score_is_pinball_of_both_limits_and_punishes_both_ways():
    o, q, _, _ = gauss(2000)
    low, high = q[:, 9], q[:, 189]  # 5 and 95 %
    both = pinball(o, np.column_stack([low, high]), (0.05, 0.95)).sum()
    assert interval_score(o, low, high, 0.9) == pytest.approx(20 * both)
    middle, half = (low + high) / 2, (high - low) / 2
    right = interval_score(o, low, high, 0.9)
    for factor in (0.6, 1.6):
        assert interval_score(o, middle - factor * half, middle + factor * half, 0.9) > right
    assert interval_score([2.0], [1.0], [4.0], 0.5) == 3.0


def test_crps_against_the_closed_form_of_the_normal():
    o, q, mean, sd = gauss()
    assert crps_quantiles(o, q, FINE) == pytest.approx(gauss_crps(o, mean, sd), rel=0.005)
    assert crps_quantiles(o, q[:, 1::2], FINE[1::2]) == pytest.approx(gauss_crps(o, mean, sd), rel=0.005)  # 1 to 99 %
    members = np.random.default_rng(2).normal(mean[:2000, None], sd[:2000, None], (2000, 400))
    wanted = gauss_crps(o[:2000], mean[:2000], sd[:2000])
    assert crps_ensemble(o[:2000], members, fair=True) == pytest.approx(wanted, rel=0.01)
    assert crps_ensemble(o[:2000], members) == pytest.approx(wanted, rel=0.02)


def test_both_crps_agree_where_the_ensemble_is_the_quantiles():
    o, q, _, _ = gauss(3000)
    middles = (np.arange(200) + 0.5) / 200
    _, members, _, _ = gauss(3000, levels=middles)
    assert crps_quantiles(o, q, FINE) == pytest.approx(crps_ensemble(o, members), rel=0.002)


def test_crps_is_twice_the_pinball_loss_over_all_levels():
    o, q, _, _ = gauss(500)
    assert crps_quantiles(o, q, FINE) == pytest.approx(2 * pinball(o, q, FINE).mean(), rel=0.01)


def test_crps_of_a_wrong_distribution_is_larger():
    o, right, _, _ = gauss(4000)
    for wrong in ({"sd_said": 0.5}, {"sd_said": 2.0}, {"shift": 0.7}):
        assert crps_quantiles(o, gauss(4000, **wrong)[1], FINE) > 1.03 * crps_quantiles(o, right, FINE)


@given(arrays(np.float64, (3, 6), elements=FINITE), arrays(np.float64, 3, elements=FINITE))
def test_ensemble_crps_against_all_pairs(members, o):
    first = np.abs(members - o[:, None]).mean(axis=1)
    pairs = np.abs(members[:, :, None] - members[:, None, :])
    assert crps_ensemble(o, members) == pytest.approx(np.mean(first - pairs.mean(axis=(1, 2)) / 2), abs=1e-9)
    assert crps_ensemble(o, members, fair=True) == pytest.approx(np.mean(first - pairs.sum(axis=(1, 2)) / 60), abs=1e-9)
    assert crps_ensemble(o, members, member_weights=np.full(6, 3.0)) == pytest.approx(crps_ensemble(o, members), abs=1e-9)


def test_weighted_members_are_repeated_members():
    members, often = np.array([[3.0, 1.0, 7.0], [0.0, 9.0, 2.0]]), np.array([2, 1, 3])
    repeated = np.repeat(members, often, axis=1)
    assert crps_ensemble([2.0, 2.0], members, member_weights=often) == pytest.approx(crps_ensemble([2.0, 2.0], repeated))


@given(arrays(np.float64, 5, elements=FINITE), FINITE)
def test_quantile_crps_against_the_integral_on_a_grid(values, y):
    q, tau = np.sort(values), np.array([0.1, 0.3, 0.5, 0.6, 0.95])
    x = np.linspace(-101, 101, 100_001)
    at = np.searchsorted(q, x, side="right")
    left, right = np.clip(at - 1, 0, 4), np.clip(at, 0, 4)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(q[right] > q[left], (x - q[left]) / (q[right] - q[left]), 0.0)
    f = np.where(at == 0, 0.0, np.where(at == 5, 1.0, tau[left] + share * (tau[right] - tau[left])))
    wanted = np.sum((f - (x >= y)) ** 2) * (x[1] - x[0])
    assert crps_quantiles([y], [q], tau) == pytest.approx(wanted, abs=0.02)


@given(arrays(np.float64, (4, 3), elements=FINITE), arrays(np.float64, 4, elements=FINITE), FINITE)
def test_scores_do_not_depend_on_the_origin_and_are_not_negative(values, o, move):
    q, tau = np.sort(values, axis=1), (0.05, 0.5, 0.95)
    assert crps_quantiles(o, q, tau) >= 0 and pinball(o, q, tau).min() >= 0
    assert crps_quantiles(o + move, q + move, tau) == pytest.approx(crps_quantiles(o, q, tau), abs=1e-6)


def test_right_distributions_lie_on_both_curves():
    levels = curve_levels()
    o, q, _, sd = gauss(40_000, levels=np.array(levels))
    table = curve_table(o, q, levels)
    assert tuple(table["level"]) == CURVE
    np.testing.assert_allclose(table["picp"], table["level"], atol=0.01)
    np.testing.assert_allclose(table["qcp"], table["level"], atol=0.01)
    np.testing.assert_allclose(table["width"], 2 * sd.mean() * ndtri((1 + table["level"]) / 2), rtol=1e-9)
    assert g_statistic(table["level"], table["picp"]) > 0.98


def test_qcp_shows_the_bias_to_one_side_that_picp_hides():
    levels = curve_levels()
    rng = np.random.default_rng(3)
    o = rng.normal(size=20_000)
    # Limits moved up together, just so far that 90 % stay inside a wider interval.
    q = np.tile(0.6 + 1.19 * ndtri(levels), (len(o), 1))
    table = curve_table(o, q, levels).set_index("level")
    assert table.at[0.9, "picp"] == pytest.approx(0.9, abs=0.02)
    assert table.at[0.5, "qcp"] > 0.7


def test_levels_between_are_interpolated_and_none_made_up_beyond():
    table = curve_table([1.0, 2.0], [[0.0, 2.0, 4.0]] * 2, (0.1, 0.5, 0.9), curve=(0.4, 0.8, 0.9)).set_index("level")
    assert table.at[0.4, "width"] == pytest.approx(2.0)  # 30 % at 1, 70 % at 3
    assert table.at[0.8, "width"] == 4.0
    assert table.loc[0.9, ["picp", "picp_low", "picp_high", "width"]].isna().all() and table.at[0.9, "qcp"] == 1.0


def test_weights_of_the_curve():
    o, q = np.array([0.0, 10.0]), np.tile([-1.0, 0.5, 1.0], (2, 1))
    table = curve_table(o, q, (0.25, 0.5, 0.75), curve=(0.5,), weights=[3.0, 1.0])
    assert table.at[0, "picp"] == 0.75 and table.at[0, "qcp"] == 0.75


def test_pit_of_right_distributions_is_uniform_and_of_narrow_ones_is_not():
    o, q, _, _ = gauss()
    found = pit_histogram(pit(o, q, FINE))
    np.testing.assert_allclose(found["share"], 0.1, atol=0.01)
    assert found["share"].sum() == pytest.approx(1.0) and (found["expected"] == 0.1).all()
    narrow = pit_histogram(pit(o, gauss(sd_said=0.5)[1], FINE))["share"].to_numpy()
    assert narrow[0] > 0.2 and narrow[-1] > 0.2
    assert np.corrcoef(pit(o, q, FINE), ndtr((o - q[:, 99]) / (q[:, 167] - q[:, 99]) * ndtri(FINE[167])))[0, 1] > 0.999


def test_pit_at_ties_limits_and_beyond():
    tau = (0.1, 0.5, 0.9)
    assert pit([2.0], [[2.0, 2.0, 5.0]], tau)[0] == pytest.approx(0.3)  # between 10 and 50 %
    assert pit([2.0], [[2.0, 2.0, 2.0]], tau)[0] == pytest.approx(0.5)
    assert pit([5.0], [[2.0, 3.0, 5.0]], tau)[0] == pytest.approx(0.9)
    assert pit([9.0, 1.0], [[2.0, 3.0, 5.0]] * 2, tau).tolist() == pytest.approx([0.95, 0.05])
    assert pit([1.0, 2.0, 3.0], [[2.0]] * 3, (0.5,)).tolist() == [0.25, 0.5, 0.75]


def test_share_interval_without_groups_is_wilsons_and_covers():
    share, low, high = share_interval(np.arange(50) < 45)
    z, p, n = 1.959963984540054, 0.9, 50
    middle, half = (p + z * z / 2 / n) / (1 + z * z / n), z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    assert (share[0], low[0], high[0]) == pytest.approx((0.9, middle - half, middle + half))
    chance = 0.0
    for hits in range(101):
        _, low, high = share_interval(np.arange(100) < hits)
        chance += binom.pmf(hits, 100, 0.9) * (low[0] <= 0.9 <= high[0])
    assert 0.93 <= chance <= 0.97


def test_groups_widen_the_interval_as_their_bootstrap_does():
    rng = np.random.default_rng(4)
    place = np.repeat(rng.normal(size=80), 6)
    hits, groups = place + 0.7 * rng.normal(size=480) < 1.0, np.repeat(np.arange(80), 6)
    _, low, high = share_interval(hits, groups)
    _, plain_low, plain_high = share_interval(hits)
    assert high[0] - low[0] > 1.5 * (plain_high[0] - plain_low[0])
    by_group = hits.reshape(80, 6).mean(axis=1)
    drawn = by_group[rng.integers(0, 80, (4000, 80))].mean(axis=1)
    np.testing.assert_allclose([low[0], high[0]], np.quantile(drawn, [0.025, 0.975]), atol=0.02)


def test_groups_of_one_row_are_no_groups_and_all_hits_keep_an_interval():
    hits = np.arange(60) % 7 > 0
    np.testing.assert_allclose(share_interval(hits, np.arange(60)), share_interval(hits))
    np.testing.assert_allclose(share_interval(hits, weights=np.full(60, 3.0)), share_interval(hits))
    share, low, high = share_interval(np.ones(60, dtype=bool), np.arange(60) // 6)
    assert share[0] == 1.0 and high[0] == 1.0
    assert low[0] == pytest.approx(share_interval(np.ones(10, dtype=bool))[1][0])  # ten groups, not sixty rows
    one = share_interval(hits, np.zeros(60))
    assert one[2][0] - one[1][0] > 0.6
    assert np.isnan(share_interval(np.zeros((0, 2), dtype=bool))).all()


def test_g_statistic_counts_what_is_missing_twice():
    p = np.arange(1, 100) / 100
    assert g_statistic(p, p) == 1.0
    wide, narrow = g_statistic(p, p**0.5), g_statistic(p, p**2)
    assert wide == pytest.approx(1 - (2 / 3 - 1 / 2), abs=2e-3)
    assert narrow == pytest.approx(1 - 2 * (1 / 2 - 1 / 3), abs=2e-3)
    assert g_statistic([0.25, 0.75], [0.35, 0.65]) == pytest.approx(1 - (0.0125 + 0.0125) - 2 * (0.0125 + 0.0125))
    assert g_statistic([0.5, 0.9], [0.5, np.nan]) == 1.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pinball([1.0, 2.0], [[1.0]], [0.5]), "a row per observation"),
        (lambda: pinball([], np.empty((0, 1)), [0.5]), "a row per observation"),
        (lambda: pinball([np.nan], [[1.0]], [0.5]), "observed values are missing"),
        (lambda: crps_quantiles([1.0], [[1.0, np.inf]], [0.1, 0.9]), "quantiles are missing"),
        (lambda: crps_quantiles([1.0], [[2.0, 1.0]], [0.1, 0.9]), "1 of 1 rows fall"),
        (lambda: crps_quantiles([1.0], [[1.0, 2.0]], [0.9, 0.1]), "levels that do not ascend"),
        (lambda: curve_table([1.0], [[1.0, 2.0]], [0.1, 1.9]), "outside 0 to 1"),
        (lambda: crps_ensemble([1.0], [1.0, 2.0]), "one row per observation"),
        (lambda: crps_ensemble([1.0], [[2.0]], fair=True), "two or more"),
        (lambda: crps_ensemble([1.0], [[2.0, 3.0]], member_weights=[0.0, 0.0]), "all zero"),
        (lambda: crps_ensemble([1.0], [[2.0, 3.0]], member_weights=[1.0, 1.0], fair=True), "one or the other"),
        (lambda: pinball([1.0], [[1.0]], [0.5], weights=[-1.0]), "negative"),
        (lambda: interval_score([1.0], [0.0, 1.0], [2.0], 0.9), "as many of both"),
        (lambda: interval_score([1.0], [3.0], [2.0], 0.9), "do not cross"),
        (lambda: g_statistic([0.5], [np.nan]), "no level"),
    ],
)
def test_faults_are_lines(call, words):
    with pytest.raises(ModelError, match=words):
        call()


def test_interval_scores_of_a_table_tell_both_states():
    o, q, _, _ = gauss(5000)
    raw = gauss(5000, sd_said=0.4)[1]
    table = pd.DataFrame({"observed": o, "q05_raw": raw[:, 9], "q95_raw": raw[:, 189], "q05": q[:, 9], "q95": q[:, 189]})
    found = interval_scores(table, 0.9)
    assert found["interval_score"] < found["interval_score_raw"] and found["mean_width"] > found["mean_width_raw"]
    assert found["interval_score"] == pytest.approx(20 * (found["pinball_low"] + found["pinball_high"]))


def test_what_has_no_share_is_named():
    with pytest.raises(ModelError, match="shares: 1 of 3 rows have no group"):
        share_interval([True, False, True], ["a", None, "b"])
    with pytest.raises(ModelError, match="shares: 2 groups for 3 rows"):
        share_interval([True, False, True], ["a", "b"])
    with pytest.raises(ModelError, match="PIT: 2 of 3 values"):
        pit_histogram([0.1, np.nan, 1.5])
    with pytest.raises(ModelError, match="interval: level 1"):
        interval_score([1.0], [0.0], [2.0], 1.0)
