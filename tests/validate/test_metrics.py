import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import r2_score

from edaphic.validate.metrics import SCORES, bootstrap, scores

NUMBERS = arrays(np.float64, 12, elements=st.floats(-1e3, 1e3), unique=True)


def test_a_perfect_prediction():
    result = scores([1.0, 5.0, 9.0], [1.0, 5.0, 9.0])
    assert result == {"bias": 0.0, "rmse": 0.0, "mec": 1.0, "ccc": 1.0, "r2_pearson": 1.0}


def test_the_mean_has_no_efficiency():
    assert scores([1.0, 2.0, 6.0], [3.0, 3.0, 3.0])["mec"] == pytest.approx(0.0)


def test_bias_is_predicted_minus_observed():
    assert scores([1.0, 2.0], [3.0, 4.0])["bias"] == pytest.approx(2.0)


@given(NUMBERS, NUMBERS)
def test_against_the_definitions(o, p):
    result = scores(o, p)
    assert result["mec"] == pytest.approx(r2_score(o, p), rel=1e-6, abs=1e-6)
    assert result["rmse"] == pytest.approx(np.sqrt(np.mean((p - o) ** 2)), rel=1e-6, abs=1e-9)
    ccc = 2 * np.cov(o, p, ddof=0)[0, 1] / (o.var() + p.var() + (o.mean() - p.mean()) ** 2)
    assert result["ccc"] == pytest.approx(ccc, rel=1e-6, abs=1e-6)
    assert result["ccc"] <= 1 + 1e-12


def test_large_numbers_do_not_cancel():
    o = 1e8 + np.array([1.0, 2.0, 3.0])
    assert scores(o, o + 1)["mec"] == pytest.approx(-0.5, abs=1e-6)


def test_bootstrap_covers_the_known_error_of_a_mean():
    rng = np.random.default_rng(1)
    inside = 0
    for trial in range(200):
        error = rng.normal(0.0, 1.0, 80)
        low, high = bootstrap(np.zeros(80), error, np.arange(80), 300, trial)["bias"]
        inside += low <= 0.0 <= high
    assert 180 <= inside <= 200


def test_drawing_groups_widens_the_interval_where_their_errors_are_alike():
    rng = np.random.default_rng(2)
    o = rng.normal(size=300)
    p = o + np.repeat(rng.normal(size=30), 10)
    rows = bootstrap(o, p, np.arange(300), 500, 1)["bias"]
    groups = bootstrap(o, p, np.repeat(np.arange(30), 10), 500, 1)["bias"]
    assert np.ptp(groups) > 2 * np.ptp(rows)


def test_the_seed_decides_and_the_score_lies_in_its_interval():
    rng = np.random.default_rng(3)
    o = rng.normal(size=100)
    p = o + rng.normal(size=100)
    one, again = (bootstrap(o, p, np.arange(100), 400, 5) for _ in range(2))
    assert one == again
    for name in SCORES:
        assert one[name][0] <= scores(o, p)[name] <= one[name][1]
