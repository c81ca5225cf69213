"""Agreement of two products against textbook formulas, and against the scores that the validation has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress

from edaphic.account.products.agreement import AGREEMENT, Pairs, agreement, relative_difference, spread, taylor
from edaphic.errors import ModelError
from edaphic.validate.metrics import scores


def two(seed: int = 1, n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.gamma(4.0, 1.5, n)
    return x, 0.7 * x + rng.normal(1.0, 1.0, n), rng.uniform(0.5, 2.0, n)


def test_against_the_scores_of_the_validation() -> None:
    """The same definitions, with theirs as the observations; the weights are areas."""
    x, y, w = two()
    for weight in (None, w):
        found, told = agreement(x, y, weight), scores(y, x, weights=weight)
        for ours, theirs in (("bias", "bias"), ("rmse", "rmse"), ("mec_theirs_reference", "mec"), ("ccc", "ccc")):
            assert found[ours] == pytest.approx(told[theirs], rel=1e-9)
        assert found["r2_pearson"] == pytest.approx(told["r2_pearson"], rel=1e-9)
        assert found["mec_ours_reference"] == pytest.approx(scores(x, y, weights=weight)["mec"], rel=1e-9)


def test_against_numpy_and_scipy() -> None:
    x, y, w = two(2)
    line, found = linregress(y, x), agreement(x, y)
    assert found["slope"] == pytest.approx(line.slope) and found["intercept"] == pytest.approx(line.intercept)
    assert found["pearson_r"] == pytest.approx(np.corrcoef(x, y)[0, 1])
    weighted = agreement(x, y, w)
    cov = np.cov(x, y, aweights=w, ddof=0)
    assert weighted["mean_ours"] == pytest.approx(np.average(x, weights=w))
    assert weighted["sd_theirs"] == pytest.approx(np.sqrt(cov[1, 1]))
    assert weighted["slope"] == pytest.approx(cov[0, 1] / cov[1, 1])


def test_a_product_beside_itself() -> None:
    x, _, w = two(3)
    found = agreement(x, x, w)
    assert found["rmse"] == found["bias"] == 0.0
    assert found["mec_theirs_reference"] == found["mec_ours_reference"] == 1.0
    assert found["pearson_r"] == pytest.approx(1.0, abs=1e-13) and found["ccc"] == pytest.approx(1.0, abs=1e-13)


def test_what_is_not_defined_is_nan() -> None:
    none = agreement([np.nan, 1.0], [1.0, np.nan])
    assert none["cells"] == 0 and all(np.isnan(none[name]) for name in AGREEMENT if name != "cells")
    flat = agreement([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])
    assert np.isnan(flat["pearson_r"]) and np.isnan(flat["mec_ours_reference"]) and abs(flat["mec_theirs_reference"]) < 1e-14
    assert flat["ccc"] == 0.0
    assert np.isnan(agreement([0.1] * 9, [1.0] * 9)["pearson_r"])


@given(st.integers(0, 500), st.integers(1, 199))
@settings(max_examples=30, deadline=None)
def test_parts_do_not_matter(seed: int, cut: int) -> None:
    x, y, w = two(seed)
    whole, parted = Pairs(), Pairs()
    whole.add(x, y, w)
    parted.add(x[:cut], y[:cut], w[:cut])
    parted.add(x[cut:], y[cut:], w[cut:])
    assert list(whole.agreement().values()) == pytest.approx(list(parted.agreement().values()), rel=1e-13)


def test_taylor_and_target_close() -> None:
    """ratio^2 = 1 + s^2 - 2 s r, and the distance in the target diagram is RMSE over sd."""
    x, y, w = two(4)
    found = agreement(x, y, w)
    told = taylor(found)
    s, r, ratio = told["sd_ratio"], told["pearson_r"], told["centred_rmse_ratio"]
    assert ratio**2 == pytest.approx(1 + s**2 - 2 * s * r, rel=1e-9)
    assert np.hypot(told["target_x"], told["bias_ratio"]) == pytest.approx(found["rmse"] / found["sd_ours"], rel=1e-9)
    assert np.sign(told["target_x"]) == np.sign(found["sd_theirs"] - found["sd_ours"])
    assert told["bias_ratio"] == pytest.approx((found["mean_theirs"] - found["mean_ours"]) / found["sd_ours"])
    assert np.isnan(taylor(agreement([1.0, 1.0], [1.0, 2.0]))["sd_ratio"])


def test_spread_against_numpy() -> None:
    values = np.random.default_rng(5).gamma(3.0, 2.0, (4, 30))
    values[0, :10] = np.nan
    values[1:, 0] = np.nan
    cv, count = spread(values)
    assert np.isnan(cv[0]) and np.isnan(count[0])
    expected = 100 * np.nanstd(values[:, 1:], axis=0, ddof=1) / np.nanmean(values[:, 1:], axis=0)
    np.testing.assert_allclose(cv[1:], expected, rtol=1e-12)
    assert count[1:10].tolist() == [3.0] * 9 and count[10] == 4.0


def test_equal_products_have_exactly_no_spread() -> None:
    value = np.full((3, 7), 0.1)
    cv, count = spread(value)
    assert (cv == 0.0).all() and (count == 3.0).all()
    assert (relative_difference(value[0], value[1]) == 0.0).all()
    assert np.isnan(spread([[1.0], [-1.0]])[0][0])  # a mean of zero


def test_faults() -> None:
    with pytest.raises(ModelError, match="expected one shape"):
        agreement([1.0], [1.0, 2.0])
    with pytest.raises(ModelError, match="negative weights"):
        agreement([1.0], [1.0], [-1.0])
